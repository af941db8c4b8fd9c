"""What one person does to a lead while another takes the step before it back."""

import uuid

import pytest
from django.urls import reverse

from leads.models import LeadEvent, Stage
from pipeline import transitions
from pipeline.models import Activity
from pipeline.transitions import TransitionError
from tests.factories import NOON, a_contacted_handoff, a_handoff, a_lead, a_won_opportunity

pytestmark = pytest.mark.django_db


def test_a_handoff_that_was_taken_back_meanwhile_is_told(mia, sam):  # H4
    handoff = a_handoff(sam, by=mia)
    transitions.undo(LeadEvent.objects.get(kind=LeadEvent.Kind.HANDED_OVER), by=mia, at=NOON)
    with pytest.raises(TransitionError, match="undone meanwhile"):
        transitions.accept(handoff, by=sam, at=NOON)


def test_an_opportunity_that_was_taken_back_meanwhile_is_told(sam):  # H6
    opportunity = transitions.accept(a_contacted_handoff(sam), by=sam, at=NOON)
    transitions.undo(LeadEvent.objects.get(kind=LeadEvent.Kind.ACCEPTED), by=sam, at=NOON)
    with pytest.raises(TransitionError, match="undone meanwhile"):
        transitions.move_opportunity(opportunity, Stage.DEMO, by=sam, at=NOON)
    with pytest.raises(TransitionError, match="undone meanwhile"):
        transitions.record_payment(opportunity, by=sam, at=NOON, paid_on=NOON.date(), amount=1)


def test_an_activity_that_was_sent_for_one_lead_is_refused_for_another(mia, as_user):  # H5
    one, other = a_lead(), a_lead()
    sent = {"what": "call:reached", "submission_key": str(uuid.uuid4())}
    client = as_user(mia)
    client.post(reverse("pipeline:activity_log", args=[one.pk]), sent)
    answer = client.post(reverse("pipeline:activity_log", args=[other.pk]), sent, follow=True)
    assert "sent for something else already" in answer.content.decode()
    assert list(Activity.objects.values_list("lead", flat=True)) == [one.pk]


def test_a_payment_that_was_sent_for_one_opportunity_is_refused_for_another(sam):  # H6
    one, other, key = a_won_opportunity(sam), a_won_opportunity(sam), uuid.uuid4()
    paid = {"by": sam, "at": NOON, "paid_on": NOON.date(), "amount": 5, "submission_key": key}
    transitions.record_payment(one, **paid)
    with pytest.raises(TransitionError, match="sent for something else already"):
        transitions.record_payment(other, **paid)
