"""Campaigns, events and expenses."""

import datetime
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.forms import ValidationError
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from leads.forms.campaigns import CampaignForm, ExpenseForm
from leads.forms.fields import AmountField
from leads.models import Campaign, Expense, Stage
from pipeline import transitions
from tests import factories
from tests.factories import NOON, days

pytestmark = [pytest.mark.django_db, pytest.mark.once]

HOSTILE = "<script>alert(1)</script>"


def valid(campaign: Campaign | None = None, **changes) -> dict:
    channel = campaign.channel if campaign else factories.ChannelFactory()
    return {
        "name": "Expo",
        "channel": channel.pk,
        "starts_on": "2026-03-02",
        "seen_at": campaign.updated_at.isoformat() if campaign else "",
    } | changes


# --- The list --------------------------------------------------------------------------------------------------------


def names(response) -> list[str]:
    return [campaign.name for campaign in response.context["page"].rows]


def test_an_empty_list_says_what_campaigns_are_for_and_offers_the_first(as_user, mia, vera):
    assert reverse("leads:campaign_add") in as_user(mia).get("/campaigns/").content.decode()
    page = as_user(vera).get("/campaigns/").content.decode()
    assert "No campaigns yet" in page
    assert reverse("leads:campaign_add") not in page


def test_the_list_is_narrowed_by_name_channel_owner_kind_and_time(as_user, mia, dora):
    today = timezone.localdate()
    expo = factories.EventFactory(name="Żółw Expo", owner=mia, starts_on=today - days(1), ends_on=today + days(1))
    factories.CampaignFactory(name="Old search", owner=dora, starts_on=today - days(9), ends_on=today - days(5))
    factories.CampaignFactory(name="One past day", starts_on=today - days(1), ends_on=None)
    browser = as_user(mia)
    assert names(browser.get("/campaigns/", {"q": "ZÓŁW exp"})) == ["Żółw Expo"]
    assert names(browser.get("/campaigns/", {"channel": expo.channel_id})) == ["Żółw Expo"]
    assert names(browser.get("/campaigns/", {"owner": dora.pk})) == ["Old search"]
    assert names(browser.get("/campaigns/", {"events": "1"})) == ["Żółw Expo"]
    assert names(browser.get("/campaigns/", {"when": "upcoming"})) == ["Żółw Expo"]
    assert set(names(browser.get("/campaigns/", {"when": "past"}))) == {"Old search", "One past day"}


def test_a_filter_that_finds_nothing_offers_the_way_back(as_user, mia):
    factories.CampaignFactory()
    page = as_user(mia).get("/campaigns/", {"q": "nothing like it"}).content.decode()
    assert "Show all campaigns" in page


@pytest.mark.parametrize("address", ["?order=name", "?channel=x", "?owner=999999", "?when=soon", "?q=%00", "?after=x"])
def test_an_unknown_filter_is_a_400(as_user, mia, address):
    assert as_user(mia).get(f"/campaigns/{address}").status_code == 400


def test_pages_follow_each_other_without_gaps_also_when_days_are_equal(as_user, mia, small_pages):
    for number in range(8):
        factories.CampaignFactory(name=f"C{number}", starts_on=NOON.date() + days(number // 4))
    browser, seen, after = as_user(mia), [], ""
    for _page in range(3):
        response = browser.get("/campaigns/", {"after": after} if after else {})
        seen += names(response)
        after = response.context["page"].next_key
    assert len(seen) == len(set(seen)) == 8
    assert after == ""
    assert seen == [c.name for c in Campaign.objects.order_by("-starts_on", "-pk")]


def test_the_list_counts_leads_and_valid_expenses(as_user, mia):
    campaign = factories.CampaignFactory()
    factories.a_lead(campaign=campaign)
    factories.a_lead(campaign=campaign)
    transitions.remove(factories.a_lead(campaign=campaign), factories.reason("removal"), by=None, at=NOON)
    factories.ExpenseFactory(campaign=campaign, amount=Decimal("100.50"))
    factories.ExpenseFactory(campaign=campaign, amount=Decimal(7), withdrawn_at=NOON)
    row = as_user(mia).get("/campaigns/").context["page"].rows[0]
    assert (row.lead_count, row.spent) == (2, Decimal("100.50"))


def queries_for(browser, address: str) -> int:
    browser.get(address)  # the organisation, sessions and icons are warm after this
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200
    return len(queries)


def test_the_number_of_queries_does_not_grow(as_user, mia, dora):
    factories.ProductFactory()
    event = factories.EventFactory(owner=mia)
    factories.a_lead(campaign=event, by=mia)
    factories.ExpenseFactory(campaign=event, recorded_by=mia)
    browser = as_user(mia)
    addresses = ["/campaigns/", f"/campaigns/{event.pk}/", "/expenses/", f"/campaigns/{event.pk}/stand/"]
    before = {address: queries_for(browser, address) for address in addresses}
    for number in range(2):
        other = factories.CampaignFactory(owner=dora if number % 2 else mia)
        for campaign in (event, other):
            factories.a_lead(campaign=campaign, by=dora, product=factories.ProductFactory())
            factories.ExpenseFactory(campaign=campaign, recorded_by=dora)
    assert {address: queries_for(browser, address) for address in addresses} == before
    assert max(before.values()) <= 14


# --- One campaign ----------------------------------------------------------------------------------------------------


def test_a_marketer_plans_a_campaign_and_it_is_hers_unless_she_says_otherwise(as_user, mia, dan):
    browser = as_user(mia)
    assert browser.get("/campaigns/add/").context["form"]["owner"].value() == mia.pk
    response = browser.post(
        "/campaigns/add/", valid(owner=dan.pk, planned_budget="12 000,50", participants="200", ends_on="2026-03-04")
    )
    campaign = Campaign.objects.get()
    assert response["Location"] == reverse("leads:campaign_detail", args=[campaign.pk])
    assert (campaign.planned_budget, campaign.participants, campaign.owner) == (Decimal("12000.50"), 200, dan)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\ud800b"}, "name"),
        ({"place": "a\ud800b"}, "place"),
        ({"channel": "999999"}, "channel"),
        ({"owner": "x"}, "owner"),
        ({"starts_on": "2026-13-01"}, "starts_on"),
        ({"starts_on": "2026-03-02", "ends_on": "2026-03-01"}, "__all__"),
        ({"planned_budget": "-1"}, "planned_budget"),
        ({"planned_budget": "1,234"}, "planned_budget"),
        ({"planned_budget": "9" * 30}, "planned_budget"),
        ({"impressions": "-5"}, "impressions"),
        ({"impressions": "9" * 30}, "impressions"),
    ],
)
def test_wrong_input_is_refused_at_its_field(changes, field):
    form = CampaignForm(valid(**changes))
    assert not form.is_valid()
    assert list(form.errors) == [field]


def test_a_second_campaign_of_that_name_in_the_channel_is_refused_in_plain_words(as_user, mia):
    there = factories.CampaignFactory(name="Expo")
    response = as_user(mia).post("/campaigns/add/", valid(there, name="EXPO"))
    assert response.status_code == 422
    assert "This channel has a campaign of this name already." in response.content.decode()
    assert Campaign.objects.count() == 1


def test_a_channel_that_is_switched_off_stays_with_its_campaigns_only(as_user, mia):
    campaign = factories.CampaignFactory(channel__is_active=False)
    assert CampaignForm(valid(campaign), instance=campaign).is_valid()
    assert "channel" in CampaignForm(valid(campaign, name="Another")).errors


def test_a_stale_edit_is_refused_keeps_what_was_typed_and_may_then_be_confirmed(as_user, mia):
    campaign = factories.CampaignFactory(name="Before")
    browser, address = as_user(mia), f"/campaigns/{campaign.pk}/edit/"
    stale = valid(campaign, name="Mine")
    campaign.place = "Hall 4"
    campaign.save()
    response = browser.post(address, stale)
    assert response.status_code == 422
    page = response.content.decode()
    assert "Someone saved this campaign" in page
    assert 'value="Mine"' in page
    campaign.refresh_from_db()
    assert campaign.name == "Before"
    again = {**stale, "seen_at": response.context["form"]["seen_at"].value()}
    assert browser.post(address, again).status_code == 302
    campaign.refresh_from_db()
    assert campaign.name == "Mine"


def test_text_is_shown_as_text(as_user, mia):
    campaign = factories.EventFactory(name=HOSTILE, place=HOSTILE, owner=mia)
    factories.ExpenseFactory(campaign=campaign, note=HOSTILE)
    browser = as_user(mia)
    for address in ("/campaigns/", f"/campaigns/{campaign.pk}/", f"/campaigns/{campaign.pk}/edit/", "/expenses/"):
        page = browser.get(address).content.decode()
        assert HOSTILE not in page
        assert "&lt;script&gt;alert(1)" in page


def test_the_page_counts_how_far_leads_came_and_every_number_opens_them(as_user, mia, sam):
    campaign = factories.CampaignFactory()
    factories.a_lead(campaign=campaign, by=mia)
    factories.a_qualified_lead(campaign=campaign, by=mia)
    won = factories.a_won_opportunity(sam, campaign=campaign, by=mia)
    gone = factories.a_lead(campaign=campaign, by=mia)
    transitions.remove(gone, factories.reason("removal"), by=mia, at=NOON)
    factories.a_lead(by=mia)  # of another campaign
    context = as_user(mia).get(f"/campaigns/{campaign.pk}/").context
    reached = {row["label"]: row for row in [*context["reached"], *context["aside"]]}
    counts = {Stage(stage).label: row for stage, row in context["counts"].items()}
    assert counts["New"] == reached["New"]["value"] == 3
    assert reached["Qualified (MQL)"]["value"] == 2
    assert reached["Won"]["value"] == 1
    assert reached["Removed"]["value"] == 1
    assert "Lost" not in reached
    address = urlsplit(reached["Won"]["url"])
    assert address.path == reverse("leads:lead_list")
    assert parse_qs(address.query) == {"campaign": [str(campaign.pk)], "reached": ["won"]}
    assert won.lead in context["latest"]


def test_each_number_of_the_page_agrees_with_the_list_that_it_opens(as_user, mia, sam):
    campaign = factories.CampaignFactory()
    factories.a_won_opportunity(sam, campaign=campaign, by=mia)
    factories.a_handoff(sam, campaign=campaign, by=mia)
    for lead in (factories.a_lead(campaign=campaign, by=mia), factories.a_qualified_lead(campaign=campaign, by=mia)):
        transitions.remove(lead, factories.reason("removal"), by=mia, at=NOON)
    factories.a_qualified_lead(by=mia)  # of another campaign
    browser = as_user(mia)
    context = browser.get(f"/campaigns/{campaign.pk}/").context
    for row in [*context["reached"], *context["aside"]]:
        assert len(browser.get(row["url"]).context["page"].rows) == row["value"], row["label"]
    listed = browser.get("/campaigns/").context["page"].rows
    assert {row.pk: row.lead_count for row in listed}[campaign.pk] == context["reached"][0]["value"]


def test_an_event_offers_stand_mode_to_those_who_register_leads(as_user, mia, vera):
    event, flight = factories.EventFactory(), factories.CampaignFactory()
    stand = reverse("leads:stand", args=[event.pk])
    assert stand in as_user(mia).get(f"/campaigns/{event.pk}/").content.decode()
    assert stand not in as_user(vera).get(f"/campaigns/{event.pk}/").content.decode()
    assert "/stand/" not in as_user(mia).get(f"/campaigns/{flight.pk}/").content.decode()


def test_spending_over_the_plan_is_said(as_user, mia):
    campaign = factories.CampaignFactory(planned_budget=Decimal(100))
    factories.ExpenseFactory(campaign=campaign, amount=Decimal(130))
    assert "over the plan" in as_user(mia).get(f"/campaigns/{campaign.pk}/").content.decode()


# --- Expenses --------------------------------------------------------------------------------------------------------


def test_an_expense_is_recorded_on_the_campaigns_page_with_who_did_it(as_user, mia):
    campaign = factories.CampaignFactory()
    browser = as_user(mia)
    browser.post(f"/campaigns/{campaign.pk}/expenses/add/", {"spent_on": "2026-03-02", "amount": "1 240,50"})
    expense = Expense.objects.get()
    assert (expense.campaign, expense.amount, expense.recorded_by) == (campaign, Decimal("1240.50"), mia)


@pytest.mark.parametrize(
    "amount", ["0", "-5", "nan", "1e400", "Infinity", "1,234", "12,34.5", "x", "", "9" * 20, "1.234"]
)
def test_a_wrong_amount_is_refused(amount):
    assert list(ExpenseForm({"spent_on": "2026-03-02", "amount": amount}).errors) == ["amount"]


def test_a_wrong_amount_comes_back_on_the_campaigns_page_with_what_was_typed(as_user, mia):
    campaign = factories.CampaignFactory()
    response = as_user(mia).post(
        f"/campaigns/{campaign.pk}/expenses/add/", {"spent_on": "2026-03-02", "amount": "1e400", "note": "Kept words"}
    )
    assert response.status_code == 422
    assert "Kept words" in response.content.decode()
    assert not Expense.objects.exists()


def test_an_expense_is_edited(as_user, mia):
    expense = factories.ExpenseFactory()
    as_user(mia).post(f"/expenses/{expense.pk}/edit/", {"spent_on": "2026-03-05", "amount": "70", "note": "Ads"})
    expense.refresh_from_db()
    assert (expense.spent_on, expense.amount, expense.note) == (datetime.date(2026, 3, 5), Decimal(70), "Ads")


def test_a_withdrawn_expense_stays_as_a_row_counts_no_more_and_can_come_back(as_user, mia):
    expense = factories.ExpenseFactory(amount=Decimal(70))
    browser = as_user(mia)
    response = browser.post(f"/expenses/{expense.pk}/withdraw/", follow=True)
    assert reverse("leads:expense_restore", args=[expense.pk]) in response.content.decode()  # undo in the toast
    assert Expense.objects.get().withdrawn_at
    assert Expense.objects.valid().total() is None
    assert browser.get("/expenses/").context["page"].rows == []
    assert browser.get("/expenses/", {"withdrawn": "1"}).context["page"].rows == [expense]
    assert browser.get(f"/expenses/{expense.pk}/edit/").status_code == 404
    browser.post(f"/expenses/{expense.pk}/restore/")
    assert Expense.objects.valid().total() == Decimal(70)


def test_withdrawing_twice_keeps_the_first_moment_and_says_so(as_user, mia):
    expense = factories.ExpenseFactory(withdrawn_at=NOON)
    response = as_user(mia).post(f"/expenses/{expense.pk}/withdraw/", follow=True)
    assert "withdrawn already" in response.content.decode()
    expense.refresh_from_db()
    assert expense.withdrawn_at == NOON


def test_expenses_are_narrowed_by_channel_campaign_and_days_both_included(as_user, mia):
    campaign, other = factories.CampaignFactory(), factories.CampaignFactory()
    for day in (1, 2, 3):
        factories.ExpenseFactory(campaign=campaign, spent_on=datetime.date(2026, 3, day), amount=Decimal(day))
    factories.ExpenseFactory(campaign=other, amount=Decimal(50))
    browser = as_user(mia)
    assert browser.get("/expenses/", {"from": "2026-03-02", "to": "2026-03-03"}).context["total"] == Decimal(55)
    assert browser.get("/expenses/", {"campaign": campaign.pk, "to": "2026-03-02"}).context["total"] == Decimal(3)
    assert browser.get("/expenses/", {"channel": other.channel_id}).context["total"] == Decimal(50)
    assert browser.get("/expenses/", {"product": "1"}).status_code == 400
    assert browser.get("/expenses/", {"from": "yesterday"}).status_code == 400


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1234.5", "1234.5"),
        ("1234,5", "1234.5"),
        ("1 234,50", "1234.50"),
        ("1\u00a0234\u202f567,5", "1234567.5"),
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1,234,567", "1234567"),
        ("27245,67", "27245.67"),
        ("-3", "-3"),
    ],
)
def test_amounts_are_read_in_any_notation(typed, number):
    assert AmountField().clean(typed) == Decimal(number)


@pytest.mark.parametrize("typed", ["1,234", "1,23,4", "12,34.5", "1.2.3", "1,2,3.4", "abc", "NaN", "--1", "."])
def test_an_amount_that_is_no_number_or_two_numbers_is_refused(typed):
    with pytest.raises(ValidationError):
        AmountField().clean(typed)


def test_hostile_notes_are_refused():
    for note in ("a\x00b", "a\ud800b", "x" * 10_000):
        assert list(ExpenseForm({"spent_on": "2026-03-02", "amount": "1", "note": note}).errors) == ["note"]


def test_an_expense_that_somebody_saved_meanwhile_is_not_overwritten_unseen(as_user, mia):
    expense, browser = factories.ExpenseFactory(amount=50), as_user(mia)
    address = f"/expenses/{expense.pk}/edit/"
    seen = browser.get(address).context["form"]["seen"].value()
    body = {"spent_on": "2026-03-02", "amount": "60", "seen": seen}
    assert browser.post(address, body).status_code == 302
    refused = browser.post(address, body | {"amount": "70"})
    assert refused.status_code == 422
    expense.refresh_from_db()
    assert expense.amount == 60
    again = body | {"amount": "70", "seen": refused.context["form"]["seen"].value()}
    assert browser.post(address, again).status_code == 302
    expense.refresh_from_db()
    assert expense.amount == 70
