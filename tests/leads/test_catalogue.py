"""Kept lists: channels, products, reasons."""

from decimal import Decimal

import pytest
from django.utils import translation

from leads.forms.catalogue import ChannelForm, ProductForm, ReasonForm
from leads.models import Channel, Product, Reason
from tests import factories

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"


def test_a_channel_is_added_and_edited_in_place(as_user, mia):
    browser = as_user(mia)
    browser.post(
        "/settings/channels/", {"name": "Podcast", "audience": "targeted", "is_event": "on", "is_active": "on"}
    )
    channel = Channel.objects.get(name="Podcast")
    assert (channel.audience, channel.is_event, channel.is_active) == ("targeted", True, True)
    browser.post(f"/settings/channels/{channel.pk}/", {"name": "Podcasts", "audience": "mass"})
    channel.refresh_from_db()
    assert (channel.name, channel.audience, channel.is_event, channel.is_active) == ("Podcasts", "mass", False, False)


@pytest.mark.parametrize(
    ("address", "body", "words"),
    [
        ("/settings/channels/", {"name": "seo", "audience": "mass"}, "There is a channel of this name already."),
        ("/settings/products/", {"name": "ANALYTICS"}, "There is a product of this name already."),
        ("/settings/reasons/?kind=loss", {"text": "PRICE"}, "This reason is in the list already."),
    ],
)
def test_a_name_is_in_its_list_once_whatever_its_case(as_user, mia, address, body, words):
    factories.ProductFactory(name="Analytics")
    response = as_user(mia).post(address, body)
    assert response.status_code == 422
    assert words in response.content.decode()


@pytest.mark.parametrize("name", ["", " ", "a\x00b", "a\ud800b", "x" * 10_000])
def test_hostile_names_are_refused(name):
    assert "name" in ChannelForm({"name": name, "audience": "mass"}).errors
    assert "name" in ProductForm({"name": name}).errors
    assert "text" in ReasonForm({"text": name}, instance=Reason(kind="loss")).errors


def test_names_are_shown_as_text(as_user, mia):
    factories.ChannelFactory(name=SCRIPT)
    factories.ProductFactory(name=SCRIPT)
    Reason.objects.create(kind="rejection", text=SCRIPT)
    for address in ("/settings/channels/", "/settings/products/", "/settings/reasons/"):
        page = as_user(mia).get(address).content.decode()
        assert SCRIPT not in page
        assert "&lt;script&gt;alert(1)" in page


def test_saving_a_default_in_another_language_does_not_store_the_translation(mia, monkeypatch):
    channel = Channel.objects.get(name="Exhibition")
    monkeypatch.setattr("leads.models.catalogue.gettext", lambda text: {"Exhibition": "Выставка"}.get(text, text))
    with translation.override("ru"):
        form = ChannelForm(instance=channel)
        assert form["name"].value() == "Выставка"
        form = ChannelForm({"name": "Выставка", "audience": "mass", "is_active": "on"}, instance=channel)
        assert form.is_valid()
        form.save()
    channel.refresh_from_db()
    assert (channel.name, channel.audience) == ("Exhibition", "mass")


@pytest.mark.parametrize(("typed", "share"), [("40", "0.4"), ("42,55", "0.4255"), ("0", "0"), ("100", "1"), ("", None)])
def test_a_cost_share_is_typed_in_percent_and_kept_as_a_share(as_user, mia, typed, share):
    as_user(mia).post("/settings/products/", {"name": "Analytics", "cost_percent": typed, "is_active": "on"})
    assert Product.objects.get().cost_share == (None if share is None else Decimal(share))


@pytest.mark.parametrize("typed", ["-1", "100.01", "abc", "1.234"])
def test_a_share_outside_of_0_to_100_percent_is_refused(typed):
    assert list(ProductForm({"name": "Analytics", "cost_percent": typed}).errors) == ["cost_percent"]


@pytest.mark.parametrize(
    ("share", "shown"), [("0.4", "40"), ("0.425", "42.5"), ("0", "0"), ("1", "100"), ("0.1", "10")]
)
def test_an_edited_product_shows_its_percent(share, shown):
    product = factories.ProductFactory(cost_share=Decimal(share))
    product.refresh_from_db()
    assert ProductForm(instance=product)["cost_percent"].value() == shown


def test_an_empty_list_of_products_says_what_they_are_for(as_user, vera):
    assert "No products yet" in as_user(vera).get("/settings/products/").content.decode()


def test_who_may_not_edit_sees_no_buttons(as_user, vera):
    for address in ("/settings/channels/", "/settings/products/", "/settings/reasons/"):
        page = as_user(vera).get(address).content.decode()
        assert "data-dialog" not in page
        assert "Add " not in page


def test_a_reason_joins_the_end_of_its_own_list(as_user, mia):
    as_user(mia).post("/settings/reasons/?kind=loss", {"text": "Moved abroad", "is_active": "on", "kind": "removal"})
    reason = Reason.objects.filter(kind="loss").last()
    assert (reason.text, reason.evidence) == ("Moved abroad", "")
    assert not Reason.objects.filter(kind="removal", text="Moved abroad").exists()


def test_only_rejections_ask_for_evidence(as_user, mia):
    browser = as_user(mia)
    body = {"text": "Never answers", "evidence": "attempts", "is_active": "on"}
    browser.post("/settings/reasons/?kind=rejection", body)
    browser.post("/settings/reasons/?kind=loss", body)
    assert [(r.kind, r.evidence) for r in Reason.objects.filter(text="Never answers")] == [
        ("loss", ""),
        ("rejection", "attempts"),
    ]


def test_a_reason_moves_up_and_down_in_its_list(as_user, mia):
    browser = as_user(mia)

    def texts() -> list[str]:
        return [str(reason) for reason in Reason.objects.filter(kind="removal")]

    first, second, *rest = texts()
    browser.post(f"/settings/reasons/{Reason.objects.get(text=second).pk}/move/", {"direction": "up"})
    assert texts() == [second, first, *rest]
    browser.post(f"/settings/reasons/{Reason.objects.get(text=second).pk}/move/", {"direction": "up"})  # at the top
    assert texts() == [second, first, *rest]
    browser.post(f"/settings/reasons/{Reason.objects.get(text=second).pk}/move/", {"direction": "down"})
    assert texts() == [first, second, *rest]


def test_a_reason_that_is_switched_off_stays_but_is_not_offered(as_user, mia):
    reason = Reason.objects.get(text="Price")
    as_user(mia).post(f"/settings/reasons/{reason.pk}/", {"text": "Price"})
    assert reason not in Reason.objects.offered(Reason.Kind.LOSS)
    assert "not in use" in as_user(mia).get("/settings/reasons/?kind=loss").content.decode()


def test_an_unknown_list_of_reasons_is_a_400(as_user, mia):
    assert as_user(mia).get("/settings/reasons/?kind=other").status_code == 400


def test_an_edit_of_what_somebody_saved_meanwhile_is_refused_once_and_keeps_what_was_typed(as_user, mia):
    channel, product, reason = factories.ChannelFactory(), factories.ProductFactory(), factories.reason("loss")
    browser = as_user(mia)
    for address, name, row in (
        (f"/settings/channels/{channel.pk}/", "name", channel),
        (f"/settings/products/{product.pk}/", "name", product),
        (f"/settings/reasons/{reason.pk}/", "text", reason),
    ):
        seen = browser.get(address).context["form"]["seen"].value()
        type(row).objects.filter(pk=row.pk).update(is_active=not row.is_active)
        body = {name: "Mine", "audience": "mass", "seen": seen}
        refused = browser.post(address, body)
        assert refused.status_code == 422
        assert "Someone saved this while you were editing it." in refused.content.decode()
        assert refused.context["form"][name].value() == "Mine"
        row.refresh_from_db()
        assert getattr(row, name) != "Mine"
        assert browser.post(address, body | {"seen": refused.context["form"]["seen"].value()}).status_code == 302
        row.refresh_from_db()
        assert getattr(row, name) == "Mine"


def test_moving_a_reason_in_its_list_makes_no_open_form_stale(as_user, mia):
    reason, browser = factories.reason("loss"), as_user(mia)
    seen = browser.get(f"/settings/reasons/{reason.pk}/").context["form"]["seen"].value()
    browser.post(f"/settings/reasons/{reason.pk}/move/", {"direction": "down"})
    assert browser.post(f"/settings/reasons/{reason.pk}/", {"text": "Price", "seen": seen}).status_code == 302
