import datetime
from decimal import Decimal

import pytest

from accounts.access import NotAllowed
from leads.models import LeadEvent, Stage
from pipeline import transitions
from pipeline.models import Activity, Notification
from pipeline.transitions import TransitionError
from tests.factories import (
    NOON,
    a_contacted_handoff,
    a_handoff,
    a_lead,
    a_qualified_lead,
    a_won_opportunity,
    an_opportunity,
    days,
    meet_criteria,
    reason,
)

pytestmark = pytest.mark.django_db


def test_a_lead_that_meets_the_criteria_becomes_an_mql_and_remembers_the_version(mia):  # L6
    lead = meet_criteria(a_lead(by=mia))
    transitions.qualify(lead, by=mia, at=NOON)
    lead.refresh_from_db()
    assert (lead.stage, lead.qualified_at, lead.criteria_set.version) == (Stage.QUALIFIED, NOON, 1)


def test_a_lead_with_an_unknown_required_criterion_is_not_qualified(mia):  # L6
    lead = a_lead(by=mia)
    with pytest.raises(TransitionError, match="Required criteria"):
        transitions.qualify(lead, by=mia, at=NOON)
    lead.refresh_from_db()
    assert lead.stage == Stage.NEW


def test_sales_does_not_qualify_leads(mia, sam):  # L6
    lead = meet_criteria(a_lead(by=mia))
    with pytest.raises(NotAllowed):
        transitions.qualify(lead, by=sam, at=NOON)


def test_a_brief_that_is_sent_twice_is_told_once(mia):
    lead = a_lead(by=mia)
    for _n in range(2):
        transitions.record_brief(lead, "Wants it all", by=mia, at=NOON)
    assert list(lead.events.filter(kind__in=["briefed", "edited"]).values_list("kind", flat=True)) == ["briefed"]


def test_handing_over_starts_two_clocks_of_seven_and_fourteen_days(mia, sam):  # H2
    handoff = a_handoff(sam, by=mia)
    assert handoff.first_contact_due_at == NOON + days(7)
    assert handoff.verdict_due_at == NOON + days(14)
    assert Notification.objects.get(recipient=sam).kind == Notification.Kind.HANDED_OVER


def test_a_lead_that_is_no_mql_is_not_handed_over(mia, sam):  # H1
    with pytest.raises(TransitionError):
        transitions.hand_over(a_lead(by=mia), to=sam, by=mia, at=NOON)


def test_round_robin_gives_the_lead_to_the_rep_who_waited_longest(mia, sam, sid):  # H1
    a_handoff(sam, by=mia)
    first = transitions.hand_over(a_qualified_lead(by=mia), by=mia, at=NOON + days(1))
    second = transitions.hand_over(a_qualified_lead(by=mia), by=mia, at=NOON + days(2))
    assert [first.assigned_to, second.assigned_to] == [sid, sam]


def test_the_first_contact_stops_clock_one_and_an_unanswered_call_does_not(mia, sam):  # H2
    handoff = a_handoff(sam, by=mia)
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.NO_ANSWER, by=sam, at=NOON + days(1))
    handoff.refresh_from_db()
    assert handoff.first_contact_at is None
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON + days(2))
    handoff.refresh_from_db()
    assert handoff.first_contact_at == NOON + days(2)
    assert handoff.lead.stage == Stage.IN_WORK


def test_a_rep_of_another_team_neither_accepts_nor_logs(mia, sam, sid):  # H4
    handoff = a_contacted_handoff(sam, by=mia)
    with pytest.raises(NotAllowed):
        transitions.accept(handoff, by=sid, at=NOON)
    with pytest.raises(NotAllowed):
        transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sid, at=NOON)


def test_a_lead_is_not_accepted_before_the_client_was_contacted(mia, sam):  # H4
    with pytest.raises(TransitionError, match="first contact"):
        transitions.accept(a_handoff(sam, by=mia), by=sam, at=NOON)


def test_the_second_to_decide_is_told_who_did_it_first(mia, sam, max_):  # H4
    handoff = a_contacted_handoff(sam, by=mia)
    transitions.accept(handoff, by=max_, at=NOON)
    with pytest.raises(TransitionError, match="Max already accepted"):
        transitions.accept(handoff, by=sam, at=NOON)
    assert handoff.lead.opportunities.count() == 1


def test_a_rejection_needs_a_reason_and_feedback(mia, sam):  # H4
    handoff = a_handoff(sam, by=mia)
    with pytest.raises(TransitionError, match="reason"):
        transitions.reject(handoff, None, by=sam, at=NOON)
    with pytest.raises(TransitionError, match="at least one"):
        transitions.reject(handoff, reason(), by=sam, at=NOON)
    transitions.reject(handoff, reason(), by=sam, at=NOON, missing="No budget was mentioned", criteria_doubt="x")
    handoff.refresh_from_db()
    assert (handoff.verdict, handoff.lead.stage) == ("rejected", Stage.RETURNED)
    assert set(Notification.objects.filter(kind="returned").values_list("recipient__name", flat=True)) == {"Mia"}


def test_unreachable_needs_three_attempts_on_different_days(mia, sam):  # H4
    handoff = a_handoff(sam, by=mia)
    unreachable = reason(evidence="attempts")
    for hours in (1, 2, 24, 25):
        transitions.log_activity(
            handoff.lead,
            Activity.Kind.CALL,
            Activity.Outcome.NO_ANSWER,
            by=sam,
            at=NOON + datetime.timedelta(hours=hours),
        )
    with pytest.raises(TransitionError, match="2 recorded"):
        transitions.reject(handoff, unreachable, by=sam, at=NOON + days(2))
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.NO_ANSWER, by=sam, at=NOON + days(2))
    transitions.reject(handoff, unreachable, by=sam, at=NOON + days(2))
    handoff.refresh_from_db()
    assert handoff.verdict == "rejected"


def test_a_returned_lead_can_be_qualified_and_handed_over_again(mia, sam):  # H4
    handoff = a_handoff(sam, by=mia)
    transitions.reject(handoff, reason(), by=sam, at=NOON, missing="x", criteria_doubt="x")
    lead = handoff.lead
    transitions.qualify(lead, by=mia, at=NOON + days(1))
    again = transitions.hand_over(lead, to=sam, by=mia, at=NOON + days(1))
    assert again.pk != handoff.pk
    assert lead.handoffs.count() == 2


def test_winning_reckons_the_margin_from_the_cost_share(mia, sam):  # H6
    from tests.factories import ProductFactory

    opportunity = an_opportunity(sam, by=mia, product=ProductFactory(cost_share=Decimal("0.4")))
    transitions.win(opportunity, by=sam, at=NOON, amount=Decimal(1000))
    opportunity.refresh_from_db()
    assert (opportunity.margin, opportunity.lead.stage) == (Decimal(600), Stage.WON)


def test_a_won_opportunity_takes_payments_and_the_same_one_only_once(mia, sam):  # H6
    import uuid

    opportunity = a_won_opportunity(sam, by=mia)
    key = uuid.uuid4()
    for _n in range(2):
        transitions.record_payment(
            opportunity, by=sam, at=NOON, paid_on=NOON.date(), amount=Decimal(500), submission_key=key
        )
    assert opportunity.payments.count() == 1


def test_moving_back_keeps_the_first_date(mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    transitions.move_opportunity(opportunity, Stage.PROPOSAL, by=sam, at=NOON + days(1))
    transitions.move_opportunity(opportunity, Stage.DEMO, by=sam, at=NOON + days(2))
    transitions.move_opportunity(opportunity, Stage.PROPOSAL, by=sam, at=NOON + days(3))
    opportunity.refresh_from_db()
    assert opportunity.proposal_at == opportunity.lead.proposal_at == NOON + days(1)


def test_ones_own_last_step_can_be_undone_and_nothing_older(mia, sam):  # H5
    opportunity = an_opportunity(sam, by=mia)
    transitions.lose(opportunity, reason("loss"), by=sam, at=NOON + days(1))
    event = LeadEvent.objects.get(kind="lost")
    with pytest.raises(NotAllowed):
        transitions.undo(event, by=mia, at=NOON + days(1))
    transitions.undo(event, by=sam, at=NOON + days(1))
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.lead.stage, opportunity.lead.lost_at) == ("accepted", "accepted", None)
    with pytest.raises(TransitionError):
        transitions.undo(event, by=sam, at=NOON + days(1))


def test_removing_needs_a_reason_and_restoring_brings_the_stage_back(mia):  # L11
    lead = a_qualified_lead(by=mia)
    with pytest.raises(TransitionError):
        transitions.remove(lead, None, by=mia, at=NOON)
    transitions.remove(lead, reason("removal"), by=mia, at=NOON)
    lead.refresh_from_db()
    assert lead.is_removed
    transitions.restore(lead, by=mia, at=NOON)
    lead.refresh_from_db()
    assert lead.stage == Stage.QUALIFIED


def test_the_event_log_can_not_be_changed(mia):  # P6
    from django.db import DatabaseError, transaction

    a_lead(by=mia)
    with pytest.raises(DatabaseError), transaction.atomic():
        LeadEvent.objects.update(kind="won")
