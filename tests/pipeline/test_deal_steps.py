"""What was asked for and sent, objections, what is taken back, and clients who buy again."""

import datetime
import uuid
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.access import NotAllowed
from kpi import facts
from kpi.metrics import METRIC
from kpi.scope import Scope
from leads.models import LeadEvent, Stage
from pipeline import personal_data, transitions
from pipeline.models import Objection, Opportunity
from pipeline.review import Review, Week
from pipeline.transitions import TransitionError
from tests.factories import NOON, ProductFactory, a_won_opportunity, an_opportunity, days, reason
from tests.kpi.test_facts import check

pytestmark = pytest.mark.django_db
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def deal(mia, sam) -> Opportunity:
    return an_opportunity(sam, by=mia)


def last(deal: Opportunity, kind: str) -> LeadEvent:
    return deal.lead.events.filter(kind=kind).order_by("-pk").first()


# --- Asked for and sent ----------------------------------------------------------------------------------------------


def test_a_proposals_speed_is_the_working_time_from_asking_to_sending(deal, sam):  # H6
    """Asked for on Monday at 12:00, sent on Tuesday at 11:00, office from 9 to 18: 6 + 2 = 8 working hours."""
    transitions.note_asked(deal, Stage.PROPOSAL, NOON, by=sam, at=NOON + days(2))
    transitions.note_sent(deal, Stage.PROPOSAL, NOON + 23 * HOUR, by=sam, at=NOON + days(2))
    deal.refresh_from_db()
    assert (deal.proposal_seconds, deal.stage) == (8 * 3600, "accepted")
    facts.recompute()
    scope = Scope(user=None, start=NOON.date(), end=NOON.date() + days(3))
    figures = scope.figures([METRIC["proposal_time"], METRIC["proposal_time_p90"], METRIC["contract_time"]])[None]
    assert (figures["proposal_time"].value, figures["proposal_time_p90"].value) == (8, 8)
    assert figures["contract_time"].value is None
    transitions.undo(last(deal, "proposal"), by=sam, at=NOON + days(2))
    deal.refresh_from_db()
    assert (deal.proposal_asked_at, deal.proposal_at, deal.proposal_seconds) == (NOON, None, None)
    assert "agree" in ((facts.recompute() and check()) or check())


def test_moving_to_the_stage_dates_the_sending_and_its_speed(deal, sam):  # H6
    transitions.note_asked(deal, Stage.DEMO, NOON, by=sam, at=NOON)
    transitions.move_opportunity(deal, Stage.DEMO, by=sam, at=NOON + HOUR)
    deal.refresh_from_db()
    assert deal.demo_seconds == 3600
    transitions.undo(last(deal, "moved"), by=sam, at=NOON + HOUR)
    deal.refresh_from_db()
    assert (deal.demo_asked_at, deal.demo_seconds) == (NOON, None)


def test_what_can_not_have_been_is_refused(deal, sam, sid, mia):  # H6
    at = NOON + days(5)
    transitions.note_sent(deal, Stage.PROPOSAL, NOON + days(2), by=sam, at=at)
    transitions.note_asked(deal, Stage.DEMO, NOON + days(2), by=sam, at=at)
    for note, step, when in (
        (transitions.note_asked, Stage.DEMO, at + HOUR),  # to come
        (transitions.note_asked, Stage.PROPOSAL, NOON + days(3)),  # after it was sent
        (transitions.note_asked, Stage.CONTRACT, NOON - days(400)),
        (transitions.note_sent, Stage.DEMO, NOON + days(1)),  # before it was asked for
        (transitions.note_sent, Stage.CONTRACT, NOON - days(1)),  # before the opening
        (transitions.note_sent, Stage.WON, NOON + days(1)),
    ):
        with pytest.raises(TransitionError):
            note(deal, step, when, by=sam, at=at)
    for stranger in (sid, mia):
        with pytest.raises(NotAllowed):
            transitions.note_asked(deal, Stage.CONTRACT, NOON, by=stranger, at=at)
    transitions.undo(last(deal, "asked_for"), by=sam, at=at)
    deal.refresh_from_db()
    assert deal.demo_asked_at is None
    transitions.note_asked(deal, Stage.DEMO, NOON + days(2), by=sam, at=at)
    events = deal.lead.events.count()
    transitions.note_asked(deal, Stage.DEMO, NOON + days(2), by=sam, at=at)
    assert deal.lead.events.count() == events  # said twice


# --- Objections ------------------------------------------------------------------------------------------------------


def test_objections_are_noted_once_and_end_in_one_way(deal, sam, sid, vera, as_user):  # H6
    price = transitions.raise_objection(deal, "price", text="Too dear", by=sam, at=NOON)
    assert transitions.raise_objection(deal, "price", text="Too dear", by=sam, at=NOON) == price
    terms = transitions.raise_objection(deal, "terms", by=sam, at=NOON)
    for _twice in range(2):
        transitions.end_objection(price, Objection.End.ANSWERED, note="Leasing", by=sam, at=NOON)
    assert deal.lead.events.filter(kind="objection_ended").count() == 1
    with pytest.raises(NotAllowed):
        transitions.end_objection(terms, Objection.End.STANDS, by=sid, at=NOON)
    lost = reverse("pipeline:opportunity_lose", args=[deal.pk])
    client = as_user(sam)
    assert "objections_stand" in client.get(lost).context["form"].fields
    client.post(lost, {"reason": reason("loss").pk, "objections_stand": "on"})
    terms.refresh_from_db()
    assert terms.end == "stands"
    with pytest.raises(TransitionError, match="already"):
        transitions.raise_objection(deal, "other", by=sam, at=NOON)
    won = a_won_opportunity(sam, by=None)
    won.objections.create(kind="price", text="Dear", raised_at=NOON)
    page = as_user(vera).get(reverse("pipeline:objection_list"))
    price_row, terms_row = page.context["kinds"]
    assert (price_row["number"], price_row["open"], price_row["answered"]) == (2, 1, 1)
    assert (price_row["won"], price_row["closed"], terms_row["won"], terms_row["closed"]) == (1, 2, 0, 1)
    for row in page.context["kinds"]:
        for number, url in row["ends"]:
            shown = as_user(vera).get(f"{reverse('pipeline:objection_list')}{url}").context["page"].rows
            assert len(shown) == number
    assert as_user(vera).get(f"{reverse('pipeline:objection_list')}?kind=colour").status_code == 400


# --- Taken back ------------------------------------------------------------------------------------------------------


def test_a_sale_is_taken_back_long_after_and_the_figures_follow(mia, sam, max_):  # H6
    deal = an_opportunity(sam, by=mia)
    transitions.move_opportunity(deal, Stage.PROPOSAL, by=sam, at=NOON + days(1))
    transitions.win(deal, amount=Decimal(500), by=sam, at=NOON + days(2))
    facts.recompute()
    transitions.reopen(deal, "The contract wasn't signed", by=max_, at=NOON + days(30))
    deal.refresh_from_db()
    lead = deal.lead
    assert (deal.stage, deal.won_at, lead.stage, lead.won_at) == ("proposal", None, "proposal", None)
    assert lead.cold_at is not None
    event = last(deal, "reopened")
    assert (event.from_stage, event.to_stage, event.actor) == ("won", "proposal", max_)
    facts.recompute()
    scope = Scope(user=None, start=NOON.date(), end=NOON.date() + days(40))
    assert scope.figures([METRIC["deals"]])[None]["deals"].value == 0
    assert "agree" in check()
    with pytest.raises(TransitionError, match="open already"):
        transitions.reopen(deal, "Again", by=max_, at=NOON + days(31))
    transitions.lose(deal, reason("loss"), by=sam, at=NOON + days(32))
    transitions.reopen(deal, "They called", by=sam, at=NOON + days(33))
    deal.refresh_from_db()
    assert (deal.stage, deal.lost_at, deal.lost_reason, deal.lead.lost_at) == ("proposal", None, None, None)


def test_what_a_sale_rests_on_keeps_it(mia, sam, sid, vera):  # H6
    deal = a_won_opportunity(sam, by=mia)
    for stranger in (sid, mia, vera):
        with pytest.raises(NotAllowed):
            transitions.reopen(deal, "Why not", by=stranger, at=NOON)
    with pytest.raises(TransitionError, match="why"):
        transitions.reopen(deal, " ", by=sam, at=NOON)
    payment = transitions.record_payment(deal, by=sam, at=NOON, paid_on=NOON.date(), amount=Decimal(5))
    with pytest.raises(TransitionError, match="void"):
        transitions.reopen(deal, "Why not", by=sam, at=NOON)
    transitions.void_payment(payment, "Another client's", by=sam, at=NOON)
    again = transitions.buy_again(deal.lead.contact, by=sam, at=NOON)
    with pytest.raises(TransitionError, match="bought again"):
        transitions.reopen(deal, "Why not", by=sam, at=NOON)
    transitions.undo(last(deal, "repeat"), by=sam, at=NOON)
    assert not Opportunity.objects.filter(pk=again.pk).exists()
    transitions.reopen(deal, "Why not", by=sam, at=NOON)


# --- Buying again ----------------------------------------------------------------------------------------------------


def test_a_client_buys_again_and_is_counted_once(mia, sam, dora):  # H6
    """Won for 1,000 and again for 300: one new client, one lead won, two deals worth 1,300, one repeat purchase."""
    product = ProductFactory(cost_share=Decimal("0.5"))
    first = a_won_opportunity(sam, 1000, by=mia, product=product, at=NOON)
    moves = first.lead.events.movements(NOON - days(1), NOON + days(90)).count()
    again = transitions.buy_again(first.lead.contact, by=dora, at=NOON + days(8))
    assert (again.lead, again.repeats, again.owner, again.product) == (first.lead, first, sam, product)
    transitions.move_opportunity(again, Stage.DEMO, by=sam, at=NOON + days(9))
    transitions.win(again, amount=Decimal(300), by=sam, at=NOON + days(10))
    lead = first.lead
    lead.refresh_from_db()
    assert (lead.stage, lead.won_at, lead.events.movements(NOON - days(1), NOON + days(90)).count()) == (
        Stage.WON,
        NOON,
        moves,
    )
    facts.recompute()
    scope = Scope(user=None, start=NOON.date(), end=NOON.date() + days(90))
    names = ["new_clients", "won", "deals", "won_value", "margin", "repeat_purchases", "sales_cycle", "opportunities"]
    figures = scope.figures([METRIC[name] for name in names])[None]
    assert [figures[name].value for name in names] == [1, 1, 2, 1300, 650, 1, 0, 2]
    assert "agree" in check()
    review = Review(Week.of(NOON.date()), dora, NOON + days(20))
    assert {row["stage"]: row["entered_worth"] for row in review.movement()}[Stage.WON] == 1000
    transitions.undo(last(again, "won"), by=sam, at=NOON + days(10))
    again.refresh_from_db()
    lead.refresh_from_db()
    assert (again.stage, again.won_at, lead.stage, lead.won_at) == ("demo", None, Stage.WON, NOON)
    transitions.lose(again, reason("loss"), by=sam, at=NOON + days(11))
    transitions.reopen(again, "They came back", by=sam, at=NOON + days(12))
    again.refresh_from_db()
    assert (again.stage, again.lead.stage) == ("demo", Stage.WON)
    assert lead.opportunities.current() == first


def test_a_second_tap_opens_no_second_purchase(mia, sam, as_user):  # H6
    deal = a_won_opportunity(sam, by=mia)
    contact, client = deal.lead.contact, as_user(sam)
    panel = client.get(reverse("pipeline:client_panel", args=[contact.pk]))
    key = panel.context["submission_key"]
    assert panel.context["may_buy_again"]
    for _twice in range(2):
        client.post(reverse("pipeline:buy_again", args=[contact.pk]), {"submission_key": key})
    assert Opportunity.objects.repeated().count() == 1
    of_company = client.get(reverse("pipeline:company_panel", args=[contact.company_id])).content.decode()
    assert of_company.count(reverse("pipeline:buy_again", args=[contact.pk])) == 1
    client.post(reverse("pipeline:buy_again", args=[contact.pk]), {"submission_key": "nonsense"})
    assert Opportunity.objects.repeated().count() == 2  # without a key each tap is one


def test_who_can_not_buy_again(mia, sam, sid, dora, as_user):  # H6
    lost = an_opportunity(sam, by=mia)
    transitions.lose(lost, reason("loss"), by=sam, at=NOON)
    with pytest.raises(TransitionError, match="Only a client"):
        transitions.buy_again(lost.lead.contact, by=sam, at=NOON)
    won = a_won_opportunity(sam, by=mia)
    for stranger in (sid, mia):
        with pytest.raises(NotAllowed):
            transitions.buy_again(won.lead.contact, by=stranger, at=NOON)
    assert not as_user(sid).get(reverse("pipeline:client_panel", args=[won.lead.contact_id])).context["may_buy_again"]
    of_company = (
        as_user(sid).get(reverse("pipeline:company_panel", args=[won.lead.contact.company_id])).content.decode()
    )
    assert "buy-again" not in of_company
    assert str(won.lead.contact) in of_company
    sam.is_active = False
    sam.save()
    assert transitions.buy_again(won.lead.contact, by=dora, at=NOON).owner == dora  # who opens it, as the owner left
    erased = a_won_opportunity(sid, by=mia)
    personal_data.erase(erased.lead.contact, "request", by=dora, at=NOON)
    with pytest.raises(NotAllowed):
        transitions.buy_again(erased.lead.contact, by=sid, at=NOON, submission_key=uuid.uuid4())
