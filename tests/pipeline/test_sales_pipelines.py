"""Ways of selling: which stages an opportunity goes through, when it rots, how likely it is won, and who has it."""

import datetime
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.access import NotAllowed, NotYours
from leads.models import LeadEvent, Reason, Stage
from pipeline import chances, pipelines, transitions
from pipeline.board import Stander
from pipeline.chances import Chances
from pipeline.models import Notification, Opportunity, SalesPipeline, StageChance
from pipeline.transitions import TransitionError
from tests.factories import (
    NOON,
    ProductFactory,
    a_lead,
    a_won_opportunity,
    an_opportunity,
    days,
    reason,
)

pytestmark = pytest.mark.django_db


def url(name: str, *args) -> str:
    return reverse(f"pipeline:{name}", args=args)


@pytest.fixture
def small(dora) -> SalesPipeline:
    """Sells one product, without a demo, and allows a week in “accepted”."""
    pipeline = SalesPipeline.objects.create(name="Small orders", uses_demo=False, accepted_days=7)
    pipelines.set_products(pipeline, [ProductFactory(name="Training")], by=dora, at=NOON)
    return pipeline


def product_of(pipeline: SalesPipeline):
    return pipeline.its_products.get().product


# --- Moving ----------------------------------------------------------------------------------------------------------


def test_a_stage_that_the_pipeline_leaves_out_is_refused_and_one_stood_in_can_be_left(mia, sam, dora, small):  # H6
    opportunity = an_opportunity(sam, by=mia, product=product_of(small))
    with pytest.raises(TransitionError, match="“Small orders” has no stage “Demo”"):
        transitions.move_opportunity(opportunity, Stage.DEMO, by=sam, at=NOON)
    other = an_opportunity(sam, by=mia, product=ProductFactory())
    transitions.move_opportunity(other, Stage.DEMO, by=sam, at=NOON)
    pipelines.set_products(small, [product_of(small), other.product], by=dora, at=NOON)
    other.refresh_from_db()
    standing = Stander(sam, NOON).standing(other)
    assert (standing.is_astray, standing.next_stages) == (True, [Stage.ACCEPTED, Stage.PROPOSAL, Stage.CONTRACT])
    transitions.move_opportunity(other, Stage.PROPOSAL, by=sam, at=NOON)
    other.refresh_from_db()
    assert not Stander(sam, NOON).standing(other).is_astray


def test_whoever_drops_a_card_that_was_moved_meanwhile_is_told_who_moved_it(mia, sam, max_):  # H6
    opportunity = an_opportunity(sam, by=mia)
    transitions.move_opportunity(opportunity, Stage.PROPOSAL, by=max_, at=NOON, seen=Stage.ACCEPTED)
    with pytest.raises(TransitionError, match=r"“Proposal” by now.*Max did that"):
        transitions.move_opportunity(opportunity, Stage.DEMO, by=sam, at=NOON, seen=Stage.ACCEPTED)
    transitions.move_opportunity(opportunity, Stage.PROPOSAL, by=sam, at=NOON, seen=Stage.ACCEPTED)  # it is there
    assert opportunity.lead.events.filter(kind=LeadEvent.Kind.MOVED).count() == 1


def test_an_undone_move_brings_back_the_time_in_the_stage_and_the_next_step(mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    step = {"next_step": "Call", "next_step_on": NOON.date()}
    transitions.edit_opportunity(opportunity, step, by=sam, at=NOON)
    transitions.move_opportunity(
        opportunity, Stage.DEMO, by=sam, at=NOON + days(3), next_step="Send it", next_step_on=NOON.date() + days(9)
    )
    opportunity.refresh_from_db()
    assert (opportunity.stage_at, opportunity.next_step) == (NOON + days(3), "Send it")
    moved = opportunity.lead.events.get(kind=LeadEvent.Kind.MOVED)
    transitions.undo(moved, by=sam, at=NOON + days(4))
    opportunity.refresh_from_db()
    assert (opportunity.stage_at, opportunity.next_step, opportunity.next_step_on) == (NOON, "Call", NOON.date())


def test_a_step_planned_right_after_a_move_leaves_the_move_undoable_and_stays(mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    transitions.move_opportunity(opportunity, Stage.DEMO, by=sam, at=NOON)
    step = {"next_step": "Call", "next_step_on": NOON.date()}
    transitions.edit_opportunity(opportunity, step, by=sam, at=NOON)
    transitions.undo(opportunity.lead.events.get(kind=LeadEvent.Kind.MOVED), by=sam, at=NOON)
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.next_step) == (Stage.ACCEPTED, "Call")


def test_winning_and_losing_clear_the_next_step(mia, sam):  # H6
    won, lost = (an_opportunity(sam, by=mia) for _each in range(2))
    for opportunity in (won, lost):
        step = {"next_step": "Call", "next_step_on": NOON.date()}
        transitions.edit_opportunity(opportunity, step, by=sam, at=NOON)
    transitions.win(won, amount=Decimal(10), by=sam, at=NOON)
    transitions.lose(lost, reason("loss"), by=sam, at=NOON)
    for opportunity in (won, lost):
        opportunity.refresh_from_db()
        assert (opportunity.next_step, opportunity.next_step_on) == ("", None)


# --- Rotting ---------------------------------------------------------------------------------------------------------


def test_an_opportunity_rots_by_the_days_of_its_own_pipeline(mia, sam, small):  # H6
    usual, quick = an_opportunity(sam, by=mia), an_opportunity(sam, by=mia, product=product_of(small))
    a_won_opportunity(sam, by=mia)
    found = {day: set(Opportunity.objects.rotting(NOON + days(day))) for day in (6.9, 7, 7.1, 13.9, 14.1)}
    assert found == {6.9: set(), 7: set(), 7.1: {quick}, 13.9: {quick}, 14.1: {usual, quick}}
    over = {day: Stander(sam, NOON + days(day)).standing(quick).days_over for day in (7, 7.1, 9.5)}
    assert over == {7: 0, 7.1: 1, 9.5: 3}


# --- Chances ---------------------------------------------------------------------------------------------------------


def closed(sam, number: int, stage: str, *, at: datetime.datetime, product=None) -> None:
    """So many opportunities that came to “demo” and were closed."""
    lead, lost = a_lead(), Reason.objects.filter(kind="loss").first()
    fields = {"won_at": at} if stage == "won" else {"lost_at": at, "lost_reason": lost}
    Opportunity.objects.bulk_create(
        Opportunity(lead=lead, owner=sam, product=product, stage=stage, opened_at=at, stage_at=at, demo_at=at, **fields)
        for _each in range(number)
    )


def test_chances_count_who_was_closed_within_two_years_and_few_fall_back_to_all(sam, small, as_user):  # H6
    product = product_of(small)
    closed(sam, 15, "won", at=NOON - days(5))
    closed(sam, 5, "lost", at=NOON - days(720))
    closed(sam, 50, "lost", at=NOON - days(740))  # too long ago
    closed(sam, 50, "lost", at=NOON)  # today isn't over
    closed(sam, 5, "lost", at=NOON - days(5), product=product)
    for _twice in range(2):
        chances.reckon(NOON)
    known, default = Chances(), SalesPipeline.objects.get(is_default=True)
    own, fallen = known.of(default, Stage.DEMO), known.of(small, Stage.DEMO)
    assert (own.won, own.closed, own.pipeline) == (15, 20, default)
    assert (fallen.won, fallen.closed, fallen.pipeline) == (15, 25, None)
    assert known.of(default, Stage.CONTRACT) is None  # nobody came there: no data, not 0 %
    assert StageChance.objects.count() == 8
    client = as_user(sam)
    listed = [
        client.get(address).context["totals"]["number"] for address in (own.closed_url, own.won_url, fallen.closed_url)
    ]
    assert listed == [20, 15, 25]


def test_without_any_history_there_is_no_data(mia, sam, as_user):  # H6
    chances.reckon(NOON)
    opportunity = an_opportunity(sam, by=mia, at=timezone.now())
    transitions.edit_opportunity(opportunity, {"amount": Decimal(100)}, by=sam, at=timezone.now())
    page = as_user(sam).get(url("opportunity_board"))
    assert (page.context["amount"], page.context["weighted"]) == (100, None)
    assert "no data" in page.content.decode()
    closed(sam, 20, "won", at=NOON - days(5))
    chances.reckon(NOON)
    other = an_opportunity(sam, by=mia, at=timezone.now())
    transitions.edit_opportunity(other, {"amount": Decimal(50)}, by=sam, at=timezone.now())
    transitions.move_opportunity(other, Stage.CONTRACT, by=sam, at=timezone.now())  # where nobody came so far
    page = as_user(sam).get(url("opportunity_board"))
    assert (page.context["amount"], page.context["weighted"]) == (150, 100)
    assert "some without data" in page.content.decode()


# --- Settings --------------------------------------------------------------------------------------------------------


def test_a_product_ticked_elsewhere_changes_its_pipeline(as_user, max_, small):  # H6
    product = product_of(small)
    client, limits = as_user(max_), dict.fromkeys(("accepted_days", "demo_days", "proposal_days", "contract_days"), 9)
    client.post(url("pipeline_add"), {"name": "<b>Projects</b>", "products": [product.pk], **limits})
    assert str(SalesPipeline.objects.ways().of(product.pk)) == "<b>Projects</b>"
    assert not small.its_products.exists()
    assert "<b>Projects" not in client.get(url("pipeline_list")).content.decode()
    again = client.post(url("pipeline_add"), {"name": "small ORDERS", **limits})
    assert again.status_code == 422
    assert client.post(url("pipeline_edit", small.pk), {"name": "X", **limits, "demo_days": 0}).status_code == 422


def test_a_pipeline_that_sells_something_and_the_default_one_stay(sam, dora, small):  # H6
    default = SalesPipeline.objects.get(is_default=True)
    for pipeline, why in ((small, "still sells Training"), (default, "no other pipeline does")):
        with pytest.raises(pipelines.StillUsed, match=why):
            pipelines.delete_pipeline(pipeline, by=dora)
    pipelines.set_products(small, [], by=dora, at=NOON)
    with pytest.raises(NotAllowed):
        pipelines.delete_pipeline(small, by=sam)
    pipelines.delete_pipeline(small, by=dora)
    assert list(SalesPipeline.objects.all()) == [default]


# --- To another owner ------------------------------------------------------------------------------------------------


def test_a_manager_gives_open_opportunities_of_the_team_within_the_team(mia, sam, sid, max_, dora, as_user):  # H6
    mine, theirs, won = an_opportunity(sam, by=mia), an_opportunity(sid, by=mia), a_won_opportunity(sam, by=mia)
    sam.is_active = False
    sam.save()
    page = as_user(max_).post(
        url("opportunities_give"),
        {"selected": [mine.pk, theirs.pk, won.pk, "x", "9" * 30], "to": max_.pk, "confirmed": "1"},
    )
    assert (page.context["done"], page.context["left"]) == (1, 2)
    assert list(Opportunity.objects.filter(owner=max_)) == [mine]
    for _twice in range(2):
        as_user(max_).post(page.context["undo_url"])
        assert set(Opportunity.objects.filter(owner=sam)) == {mine, won}  # who has left has it again
    transitions.give_opportunity(mine, max_, by=max_, at=NOON)
    for by, refusal in ((sam, NotAllowed), (sid, NotAllowed)):
        with pytest.raises(refusal):
            transitions.give_opportunity(mine, sid, by=by, at=NOON)
    with pytest.raises(NotYours):
        transitions.give_opportunity(theirs, max_, by=max_, at=NOON)
    with pytest.raises(TransitionError, match="doesn't work in sales"):
        transitions.give_opportunity(mine, sam, by=dora, at=NOON)
    assert transitions.give_opportunity(mine, sid, by=dora, at=NOON)
    assert not transitions.give_opportunity(mine, sid, by=dora, at=NOON)
    assert Notification.objects.filter(recipient=sid, kind="reassigned").count() == 1
