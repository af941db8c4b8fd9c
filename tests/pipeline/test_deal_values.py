"""What a deal is worth: lines, margins, currencies and their rates."""

import datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.access import NotAllowed
from leads.models import ExchangeRate
from pipeline import transitions
from pipeline.models import Opportunity
from pipeline.tasks import follow_rates
from pipeline.transitions import Line, TransitionError
from pipeline.transitions.editing import follow_rates as follow
from tests.factories import NOON, ProductFactory, a_won_opportunity, an_opportunity, days

pytestmark = pytest.mark.django_db


@pytest.fixture
def deal(mia, sam) -> Opportunity:
    return an_opportunity(sam, by=mia)


DAY = NOON.date()


def euros(rate: str, on: datetime.date = DAY) -> ExchangeRate:
    return ExchangeRate.objects.create(currency="EUR", valid_from=on, rate=Decimal(rate))


def lines_of(deal: Opportunity) -> list[tuple]:
    return [(str(line), line.amount, line.cost_share, line.margin) for line in deal.lines.all()]


def test_lines_make_amount_and_margin_to_the_cent(deal, sam):  # H6
    """Worked example: 1,000.10 at 40 % cost is 400.04 cost, 600.06 margin; 0.05 at 50 % is 0.03 cost (half a cent goes up),
    0.02 margin; 200 at 0 % is all margin. Together 1,200.15, margin 800.08."""
    licence = ProductFactory(name="Licence", cost_share=Decimal("0.4"))
    said = [
        Line(Decimal("1000.10"), licence),
        Line(Decimal("0.05"), text="Stickers", cost_share=Decimal("0.5")),
        Line(Decimal(200), text="Advice", cost_share=Decimal(0)),
    ]
    transitions.set_lines(deal, said, by=sam, at=NOON)
    deal.refresh_from_db()
    assert (deal.amount, deal.margin, deal.product) == (Decimal("1200.15"), Decimal("800.08"), licence)
    assert [row[3] for row in lines_of(deal)] == [Decimal("600.06"), Decimal("0.02"), Decimal(200)]
    event = deal.lead.events.get(kind="edited")
    assert event.data["changes"]["lines"][1] == "Licence 1000.1 (40 %); Stickers 0.05 (50 %); Advice 200 (0 %)"
    transitions.set_lines(deal, [*said[:1], Line(Decimal(5), text="Unknown")], by=sam, at=NOON)
    deal.refresh_from_db()
    assert (deal.amount, deal.margin) == (Decimal("1005.10"), None)


def test_lines_are_changed_moved_and_taken_away(deal, sam):  # H6
    cheap, dear = ProductFactory(cost_share=Decimal("0.1")), ProductFactory(cost_share=Decimal("0.9"))
    transitions.set_lines(deal, [Line(Decimal(1), cheap), Line(Decimal(2), cheap)], by=sam, at=NOON)
    first, second = deal.lines.all()
    moved = [
        Line(Decimal(2), dear, cost_share=second.cost_share, pk=second.pk),
        Line(Decimal(1), cheap, cost_share=Decimal("0.5"), pk=first.pk),
    ]
    assert "lines" in transitions.set_lines(deal, moved, by=sam, at=NOON)
    assert [(line.pk, line.cost_share) for line in deal.lines.all()] == [
        (second.pk, Decimal("0.9")),  # another product brings its own share
        (first.pk, Decimal("0.5")),
    ]
    again = [Line(line.amount, line.product, line.text, line.cost_share, line.pk) for line in deal.lines.all()]
    assert transitions.set_lines(deal, again, by=sam, at=NOON) == []
    assert deal.lead.events.filter(kind="edited").count() == 2
    transitions.set_lines(deal, [], by=sam, at=NOON)
    deal.refresh_from_db()
    assert (deal.lines.count(), deal.amount) == (0, 3)  # what it was worth stays, to be typed from now on
    transitions.edit_opportunity(deal, {"amount": Decimal(9)}, by=sam, at=NOON)


def test_what_lines_make_is_not_typed(deal, sam):  # H6
    transitions.set_lines(deal, [Line(Decimal(10), text="Work", cost_share=Decimal(0))], by=sam, at=NOON)
    for name in ("amount", "margin"):
        with pytest.raises(TransitionError, match="lines"):
            transitions.edit_opportunity(deal, {name: Decimal(5)}, by=sam, at=NOON)
    with pytest.raises(TransitionError, match="lines"):
        transitions.win(deal, amount=Decimal(5), by=sam, at=NOON)
    transitions.win(deal, by=sam, at=NOON)
    deal.refresh_from_db()
    assert (deal.stage, deal.amount, deal.margin) == ("won", 10, 10)


def test_lines_that_can_not_be_are_refused(deal, sam):  # H6
    for said in [
        [Line(Decimal(-1), text="x")],
        [Line(Decimal("NaN"), text="x")],
        [Line(Decimal("Infinity"), text="x")],
        [Line(Decimal(1))],
        [Line(Decimal(1), text=" ")],
        [Line(Decimal("999999999999.99"), text="x")] * 2,
        [Line(Decimal("1e14"), text="x")],
        [Line(Decimal(1), text="x", pk=999)],
        [Line(Decimal(1), text="x")] * 51,
    ]:
        with pytest.raises(TransitionError):
            transitions.set_lines(deal, said, by=sam, at=NOON)
        assert not deal.lines.exists(), said


def test_an_older_look_changes_and_wins_nothing(deal, sam, max_, sid, vera):  # H6
    seen = Opportunity.objects.get(pk=deal.pk).updated_at
    transitions.set_lines(deal, [Line(Decimal(10), text="Work")], by=max_, at=NOON, seen_at=seen)
    for step in (
        lambda: transitions.set_lines(deal, [Line(Decimal(1), text="Less")], by=sam, at=NOON, seen_at=seen),
        lambda: transitions.win(deal, by=sam, at=NOON, seen_at=seen),
        lambda: transitions.plan_payments(deal, [], by=sam, at=NOON, seen_at=seen),
    ):
        with pytest.raises(TransitionError, match="Max changed this opportunity"):
            step()
    for stranger in (sid, vera):
        with pytest.raises(NotAllowed):
            transitions.set_lines(deal, [], by=stranger, at=NOON)
    deal.refresh_from_db()
    assert (deal.stage, deal.amount) == ("accepted", 10)
    won = a_won_opportunity(sam, by=None)
    with pytest.raises(TransitionError, match="already"):
        transitions.set_lines(won, [], by=sam, at=NOON)


# --- Currencies ------------------------------------------------------------------------------------------------------


def test_the_latest_rate_by_then_is_in_force():  # U5
    for rate, at in (("1.1", 0), ("1.2", 10), ("1.3", 20)):
        euros(rate, NOON.date() + days(at))
    found = {n: ExchangeRate.objects.in_force("EUR", NOON.date() + days(n)) for n in (-1, 0, 9, 10, 30)}
    assert {n: rate and str(rate.rate.normalize()) for n, rate in found.items()} == {
        -1: None, 0: "1.1", 9: "1.1", 10: "1.2", 30: "1.3",
    }  # fmt: skip
    assert ExchangeRate.objects.in_force("GBP", NOON.date()) is None


def test_a_deal_in_euros_follows_the_rate_until_it_is_won(deal, sam):  # H6
    """1,000 EUR at 1.087 is 1,087; margin of 333.33 EUR at 1.087 is 362.33 (362.32971 goes to the cent)."""
    first = euros("1.087")
    said = {"amount": Decimal(1000), "margin": Decimal("333.33"), "currency": "eur"}
    transitions.edit_opportunity(deal, said, by=sam, at=NOON)
    deal.refresh_from_db()
    assert (deal.currency, deal.foreign_amount, deal.rate) == ("EUR", 1000, Decimal("1.087"))
    assert (deal.amount, deal.margin) == (1087, Decimal("362.33"))
    euros("1.1", NOON.date() + days(3))
    assert follow("EUR", Decimal("1.1"), NOON + days(3)) == 1
    assert follow("EUR", Decimal("1.1"), NOON + days(3)) == 0
    deal.refresh_from_db()
    assert (deal.amount, deal.margin) == (1100, Decimal("366.66"))
    transitions.win(deal, by=sam, at=NOON + days(1))  # won before the new rate came
    first.delete()
    follow_rates()
    deal.refresh_from_db()
    assert (deal.amount, deal.rate, deal.foreign_amount) == (1087, Decimal("1.087"), 1000)


def test_without_a_rate_nothing_is_saved(deal, sam):  # H6
    with pytest.raises(TransitionError, match="No exchange rate of EUR"):
        transitions.edit_opportunity(deal, {"currency": "EUR", "next_step": "Call"}, by=sam, at=NOON)
    deal.refresh_from_db()
    assert (deal.currency, deal.next_step) == ("", "")
    rate = euros("2")
    transitions.edit_opportunity(deal, {"currency": "EUR", "amount": Decimal(5)}, by=sam, at=NOON)
    rate.delete()  # a deal keeps what it was reckoned by
    transitions.edit_opportunity(deal, {"next_step": "Call"}, by=sam, at=NOON)
    with pytest.raises(TransitionError, match="No exchange rate"):
        transitions.edit_opportunity(deal, {"amount": Decimal(6)}, by=sam, at=NOON)
    deal.refresh_from_db()
    assert (deal.amount, deal.rate, deal.next_step) == (10, 2, "Call")


def test_ones_own_currency_is_none_beside(deal, sam):  # H6
    for amount, code in enumerate(["usd", "USD", ""]):
        transitions.edit_opportunity(deal, {"currency": code, "amount": Decimal(amount)}, by=sam, at=NOON)
        deal.refresh_from_db()
        assert (deal.currency, deal.foreign_amount, deal.rate, deal.amount) == ("", None, None, amount)


def test_what_is_no_currency_is_refused(deal, sam):  # H6
    for code in ("EURO", "E1R", "€€€", "ÄÖÜ"):
        with pytest.raises(TransitionError):
            transitions.edit_opportunity(deal, {"currency": code}, by=sam, at=NOON)


def test_more_than_can_be_kept_is_refused_or_left(deal, sam):  # H6
    euros("1")
    huge = {"currency": "EUR", "amount": Decimal("999999999999.99")}
    transitions.edit_opportunity(deal, huge, by=sam, at=NOON)
    assert follow("EUR", Decimal(2), NOON) == 0
    euros("2", NOON.date() + days(1))
    with pytest.raises(TransitionError, match="more than can be kept"):
        transitions.win(deal, by=sam, at=NOON + days(1))
    deal.refresh_from_db()
    assert (deal.stage, deal.rate) == ("accepted", 1)


# --- On the page -----------------------------------------------------------------------------------------------------


def test_lines_and_currency_are_edited_on_the_page(deal, sam, as_user, django_assert_max_num_queries):  # H6
    euros("1.087")
    product = ProductFactory(name="Licence", cost_share=Decimal("0.25"))
    client, page = as_user(sam), reverse("pipeline:opportunity_detail", args=[deal.pk])
    url = reverse("pipeline:deal_lines", args=[deal.pk])
    deal.refresh_from_db()
    facts = {"seen_at": deal.updated_at.isoformat(), "currency": "EUR", "amount": "1,000.00"}
    client.post(page, facts)
    shown = client.get(page).content.decode().replace("\u202f", " ").replace("\xa0", " ")
    assert "1 000 EUR (≈ 1 087 USD at 1.087)" in shown

    def rows(*said: dict, old: int = 0, **more) -> dict:
        deal.refresh_from_db()
        data = {"line-TOTAL_FORMS": len(said), "line-INITIAL_FORMS": old, "seen_at": deal.updated_at.isoformat()}
        return data | {f"line-{n}-{name}": value for n, row in enumerate(said) for name, value in row.items()} | more

    for wrong in ("-1", "NaN", "1,234", "999999999999999", ""):
        response = client.post(url, rows({"text": "Work", "amount": wrong}))
        assert response.status_code == 422, wrong
    assert client.post(url, rows({"amount": "5"})).status_code == 422
    client.post(url, rows({"product": product.pk, "amount": "1 000,50"}, {"text": "Work", "amount": "1e2"}, {}))
    deal.refresh_from_db()
    assert [row[:3] for row in lines_of(deal)] == [
        ("Licence", Decimal("1000.50"), Decimal("0.25")),
        ("Work", Decimal(100), None),
    ]
    assert (deal.foreign_amount, deal.margin) == (Decimal("1100.50"), None)
    first, second = deal.lines.all()
    kept = [
        {"pk": first.pk, "product": product.pk, "amount": "1000.50", "cost_percent": "25"},
        {"pk": second.pk, "text": "Work", "amount": "100", "cost_percent": "10"},
    ]
    client.post(url, rows(*kept, old=2, move="²:up"))  # no place: nothing is moved
    assert [line.pk for line in deal.lines.all()] == [first.pk, second.pk]
    client.post(url, rows(*kept, old=2, move="1:up"))
    assert [line.pk for line in deal.lines.all()] == [second.pk, first.pk]
    with django_assert_max_num_queries(60):
        shown = client.get(page)
    assert "amount" not in shown.context["form"].fields
    kept[0], kept[1] = kept[1], kept[0] | {"DELETE": "on"}
    stale = rows(*kept, old=2)
    client.post(url, rows(*kept, old=2))
    assert [line.pk for line in deal.lines.all()] == [second.pk]
    refused = client.post(url, stale)
    assert refused.status_code == 422
    assert "nothing was saved" in refused.content.decode()


def test_rates_are_kept_in_the_settings(ada, sam, as_user):  # U5
    url, client = reverse("pipeline:rate_list"), as_user(ada)
    good = {"currency": "EUR", "valid_from": "2026-03-02", "rate": "1.087"}
    assert client.post(url, good).status_code == 302
    for wrong in (
        good,  # twice
        good | {"currency": "USD"},
        good | {"currency": "euro"},
        good | {"valid_from": "2026-03-03", "rate": "0"},
        good | {"valid_from": "2026-03-03", "rate": "-1"},
        good | {"valid_from": "2026-03-03", "rate": "NaN"},
        good | {"valid_from": "0001-01-01"},
    ):
        assert client.post(url, wrong).status_code == 422, wrong
    rate = ExchangeRate.objects.get()
    edit = reverse("pipeline:rate_edit", args=[rate.pk])
    assert client.post(edit, good | {"rate": "1.09"}).status_code == 302
    rate.refresh_from_db()
    assert rate.rate == Decimal("1.09")
    assert "EUR" in as_user(sam).get(url).content.decode()
    for _twice in range(2):
        client.post(reverse("pipeline:rate_delete", args=[rate.pk]))
    assert "No other currency yet" in client.get(url).content.decode()
