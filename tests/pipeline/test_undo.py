"""Taking one's own last step back, as its toast offers."""

import pytest

from accounts.access import NotAllowed
from leads.models import Lead, LeadEvent, Stage
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
    reason,
)

pytestmark = pytest.mark.django_db

CALL, REACHED, NO_ANSWER = Activity.Kind.CALL, Activity.Outcome.REACHED, Activity.Outcome.NO_ANSWER


def last(lead: Lead, kind: str) -> LeadEvent:
    return lead.events.filter(kind=kind).order_by("-pk").first()


def test_undoing_a_first_contact_starts_the_clock_again(mia, sam):  # H5
    handoff = a_handoff(sam, by=mia)
    lead = handoff.lead
    transitions.log_activity(lead, CALL, REACHED, by=sam, at=NOON + days(2))
    transitions.undo(last(lead, "activity"), by=sam, at=NOON + days(2))
    handoff.refresh_from_db()
    lead.refresh_from_db()
    assert (handoff.first_contact_at, lead.stage, lead.in_work_at, lead.last_contact_at) == (
        None,
        Stage.HANDED_OVER,
        None,
        None,
    )
    assert lead.cold_at == NOON + days(14)
    assert lead.activities.count() == 0


def test_undoing_a_second_contact_leaves_the_first(mia, sam):  # H5
    handoff = a_contacted_handoff(sam, by=mia)
    lead = handoff.lead
    transitions.log_activity(lead, CALL, REACHED, by=sam, at=NOON + days(2))
    transitions.undo(last(lead, "activity"), by=sam, at=NOON + days(2))
    handoff.refresh_from_db()
    lead.refresh_from_db()
    assert (handoff.first_contact_at, lead.stage, lead.last_contact_at) == (NOON, Stage.IN_WORK, NOON)


def test_undoing_an_acceptance_opens_the_handoff_again(mia, sam):  # H5
    opportunity = an_opportunity(sam, by=mia)
    lead = opportunity.lead
    transitions.undo(last(lead, "accepted"), by=sam, at=NOON)
    handoff = lead.handoffs.get()
    lead.refresh_from_db()
    assert (handoff.verdict, handoff.decided_at, lead.stage, lead.accepted_at) == ("pending", None, Stage.IN_WORK, None)
    assert lead.opportunities.count() == 0
    assert not Notification.objects.filter(kind="accepted").exists()


def test_undoing_a_rejection_opens_the_handoff_again(mia, sam):  # H5
    handoff = a_handoff(sam, by=mia)
    transitions.reject(handoff, reason(), by=sam, at=NOON, missing="x", criteria_doubt="x")
    transitions.undo(last(handoff.lead, "returned"), by=sam, at=NOON)
    handoff.refresh_from_db()
    lead = handoff.lead
    lead.refresh_from_db()
    assert (handoff.verdict, handoff.reason, handoff.missing) == ("pending", None, "")
    assert (lead.stage, lead.returned_at, lead.cold_at) == (Stage.HANDED_OVER, None, NOON + days(14))


def test_undoing_a_handoff_takes_the_lead_back_to_marketing(mia, sam):  # H5
    lead = a_handoff(sam, by=mia).lead
    transitions.undo(last(lead, "handed_over"), by=mia, at=NOON)
    lead.refresh_from_db()
    assert (lead.stage, lead.handed_over_at, lead.cold_at, lead.handoffs.count()) == (Stage.QUALIFIED, None, None, 0)
    assert not sam.notifications.exists()


def test_a_handoff_that_sales_works_on_is_not_taken_back(mia, sam):  # H5
    handoff = a_handoff(sam, by=mia)
    transitions.log_activity(handoff.lead, CALL, NO_ANSWER, by=sam, at=NOON + days(1))
    with pytest.raises(TransitionError, match="moved on"):
        transitions.undo(last(handoff.lead, "handed_over"), by=mia, at=NOON + days(1))


def test_undoing_a_move_takes_its_date_back(mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    transitions.move_opportunity(opportunity, Stage.DEMO, by=sam, at=NOON + days(1))
    transitions.undo(last(opportunity.lead, "moved"), by=sam, at=NOON + days(1))
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.demo_at, opportunity.lead.demo_at) == ("accepted", None, None)


def test_a_paid_sale_is_not_undone(mia, sam):  # H6
    opportunity = a_won_opportunity(sam, by=mia)
    event = last(opportunity.lead, "won")
    transitions.record_payment(opportunity, by=sam, at=NOON, paid_on=NOON.date(), amount=1)
    with pytest.raises(TransitionError):
        transitions.undo(event, by=sam, at=NOON)
    opportunity.refresh_from_db()
    assert opportunity.stage == Stage.WON


def test_a_note_or_a_reminder_does_not_stand_in_the_way(mia, dan):  # H5
    lead = a_qualified_lead(by=mia)
    LeadEvent.objects.record(lead, LeadEvent.Kind.NOTE, by=dan, at=NOON, text="Nice person")
    transitions.undo(last(lead, "qualified"), by=mia, at=NOON)
    lead.refresh_from_db()
    assert lead.stage == Stage.NEW


def test_nobody_undoes_what_somebody_else_did_or_twice(mia, dora):  # H5
    lead = a_lead(by=mia)
    transitions.keep_warm(lead, by=mia, at=NOON)
    event = last(lead, "warm")
    with pytest.raises(NotAllowed):
        transitions.undo(event, by=dora, at=NOON)
    transitions.undo(event, by=mia, at=NOON)
    with pytest.raises(TransitionError):
        transitions.undo(event, by=mia, at=NOON)


def test_who_changed_roles_does_not_undo_with_the_old_ones_rights(mia, sam):  # H5
    opportunity = an_opportunity(sam, by=mia)
    sam.role = "viewer"
    sam.save()
    with pytest.raises(NotAllowed):
        transitions.undo(last(opportunity.lead, "accepted"), by=sam, at=NOON)
    assert opportunity.lead.opportunities.count() == 1
