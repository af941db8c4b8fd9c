"""Marketing's own clock: given within a minute, stopped by the first contact, told once when it runs out."""

import datetime

import pytest

from leads.models import Lead, LeadEvent, Stage
from pipeline import response, transitions
from pipeline import sweep as sweep_module
from pipeline.models import Activity, Agreement, Notification
from pipeline.sweep import sweep
from tests.factories import NOON, a_handoff, a_lead, days, reason

pytestmark = pytest.mark.django_db

CALL, Outcome = Activity.Kind.CALL, Activity.Outcome
HOUR = datetime.timedelta(hours=1)
# Registered on Monday at noon; the office is open from 9 to 18, so 8 hours end on Tuesday at 11.
DUE = NOON + 23 * HOUR
LATE = DUE + HOUR


@pytest.fixture(autouse=True)
def _outbox(settings) -> None:
    settings.EMAIL_BACKEND = "integrations.mail.OutboxBackend"


def fresh(lead: Lead) -> Lead:
    return Lead.objects.select_related("contact", "owner").get(pk=lead.pk)


def call(lead: Lead, by, outcome=Outcome.REACHED, *, at: datetime.datetime, **more) -> Activity:
    return transitions.log_activity(lead, CALL, outcome, by=by, at=at, **more)


def told() -> list[str]:
    return sorted(Notification.objects.filter(kind="untouched").values_list("recipient__name", flat=True))


# --- The deadline ----------------------------------------------------------------------------------------------------


def test_the_sweep_writes_the_deadline_that_pages_reckoned_until_then(mia):  # L8
    lead = fresh(a_lead(by=mia))
    before = response.clock(lead, NOON)
    assert (lead.response_due_at, before["due"], before["state"]) == (None, DUE, "running")
    sweep(NOON + HOUR / 60)
    assert fresh(lead).response_due_at == DUE


@pytest.mark.parametrize(
    ("now", "state"),
    [(NOON, "running"), (DUE - HOUR, "soon"), (DUE, "soon"), (DUE + datetime.timedelta(seconds=1), "overdue")],
)
def test_the_clock_is_exact_at_any_moment(now, state, mia):  # L8
    assert response.clock(fresh(a_lead(by=mia)), now)["state"] == state


def test_the_limit_is_that_of_the_agreement_at_the_registration(mia, dora):  # L8
    lead = a_lead(by=mia)
    first = Agreement.objects.get()
    first.pk, first.version, first.in_force_at, first.response_hours = None, 2, NOON + HOUR, 1
    first.save()
    sweep(NOON + 2 * HOUR)
    assert fresh(lead).response_due_at == DUE
    later = a_lead(by=mia, at=NOON + 2 * HOUR)
    assert response.due_at(fresh(later)) == NOON + 3 * HOUR


def test_imported_history_has_no_such_clock(mia):  # L8
    old = a_lead(by=mia, at=NOON - response.RECENT - HOUR)
    unknown = a_lead(by=mia)
    Lead.objects.filter(pk=unknown.pk).update(registered_at=None)
    for lead in (old, unknown):
        assert response.clock(fresh(lead), NOON) is None
    sweep(NOON)
    assert not Lead.objects.filter(response_due_at__isnull=False).exists()
    call(old, mia, at=NOON)
    assert fresh(old).response_seconds is None


# --- The first contact and the brief ---------------------------------------------------------------------------------


def test_the_first_contact_keeps_the_working_time_it_took(mia, dan):  # L8
    lead = a_lead(by=mia)
    call(lead, dan, Outcome.NO_ANSWER, at=NOON + HOUR)
    assert fresh(lead).response_seconds is None
    call(lead, dan, at=NOON + 22 * HOUR)  # Tuesday at 10: six hours on Monday, one on Tuesday
    call(lead, dan, at=NOON + 24 * HOUR)
    lead = fresh(lead)
    assert (lead.response_seconds, lead.response_due_at) == (7 * 3600, DUE)
    assert response.clock(lead, LATE)["state"] == "kept"


def test_a_late_contact_stays_late(mia, dan):
    lead = a_lead(by=mia)
    call(lead, dan, at=LATE)
    assert response.clock(fresh(lead), LATE + days(9))["state"] == "late"


def test_who_asks_to_be_called_later_was_reached(mia, dan):  # L8
    lead = a_lead(by=mia)
    call(lead, dan, Outcome.CALL_BACK, at=NOON + HOUR, next_attempt_at=NOON + days(1))
    lead = fresh(lead)
    assert (lead.stage, lead.response_seconds, lead.next_attempt_at) == (Stage.CONTACTED, 3600, NOON + days(1))


def test_taking_the_first_contact_back_starts_the_clock_again(mia, dan):  # L8
    lead = a_lead(by=mia)
    sweep(NOON)
    call(lead, dan, at=NOON + HOUR)
    transitions.undo(lead.events.get(kind="activity"), by=dan, at=NOON + HOUR)
    lead = fresh(lead)
    assert (lead.stage, lead.contacted_at, lead.response_seconds) == (Stage.NEW, None, None)
    assert response.clock(lead, LATE)["state"] == "overdue"


def test_the_brief_keeps_the_working_time_since_the_registration(mia, dan):  # L8
    lead = a_lead(by=mia)
    call(lead, dan, at=NOON + HOUR)
    for hours in (2, 5):
        transitions.record_brief(lead, f"Version {hours}", by=dan, at=NOON + hours * HOUR)
    assert fresh(lead).brief_seconds == 2 * 3600


def test_a_brief_from_a_form_is_no_contact_and_the_first_call_after_it_is(mia, dan):  # L8
    lead = a_lead(by=mia)
    transitions.record_brief(lead, "Wants to count visitors", by=dan, at=NOON)
    sweep(LATE)
    assert told() == ["Mia"]
    call(lead, dan, at=LATE)
    lead = fresh(lead)
    assert (lead.stage, lead.contacted_at, lead.response_seconds) == (Stage.BRIEFED, LATE, 9 * 3600)
    transitions.undo(lead.events.get(kind="activity"), by=dan, at=LATE)
    lead = fresh(lead)
    assert (lead.stage, lead.contacted_at, lead.response_seconds) == (Stage.BRIEFED, None, None)
    assert lead.briefed_at == NOON


# --- Untouched -------------------------------------------------------------------------------------------------------


def test_a_lead_nobody_called_in_time_is_told_once(mia, dan):  # L8
    lead = a_lead(by=mia)
    sweep(DUE)
    assert told() == []
    for minute in range(3):
        sweep(LATE + minute * HOUR / 60)
    assert told() == ["Mia"]
    assert lead.events.filter(kind="untouched").count() == 1
    assert fresh(lead).response_flagged_at == LATE


def test_without_an_owner_in_marketing_everybody_who_calls_is_told(mia, dan, sam, dora):  # L8
    a_lead()
    sweep(LATE)
    assert told() == ["Dan", "Mia"]
    a_lead(by=sam, at=NOON + days(1))
    sweep(LATE + days(1))
    assert told() == ["Dan", "Dan", "Mia", "Mia"]


def test_an_owner_who_left_is_not_told_alone(mia, dan):
    a_lead(by=mia)
    mia.is_active = False
    mia.save()
    sweep(LATE)
    assert told() == ["Dan"]


def test_what_was_called_removed_qualified_or_must_not_be_called_is_left_alone(mia, dan, sam):  # L8
    call(a_lead(by=mia), dan, at=NOON)
    transitions.remove(a_lead(by=mia), reason("removal"), by=mia, at=NOON)
    a_handoff(sam, by=mia)
    silent = a_lead(by=mia)
    silent.contact.do_not_contact = True
    silent.contact.save()
    assert response.clock(fresh(silent), LATE) is None
    assert sweep(LATE)["untouched"] == 0


def test_a_sweep_killed_midway_and_run_again_tells_each_once(mia, monkeypatch):  # L8
    monkeypatch.setattr(sweep_module, "BATCH", 2)
    for _n in range(5):
        a_lead(by=mia)
    real, calls = sweep_module.notify, []

    class Killed(BaseException):
        pass

    def notify_and_die(*args, **kwargs):
        real(*args, **kwargs)
        calls.append(1)
        if len(calls) == 4:
            raise Killed

    monkeypatch.setattr(sweep_module, "notify", notify_and_die)
    with pytest.raises(Killed):
        sweep(LATE)
    monkeypatch.setattr(sweep_module, "notify", real)
    assert len(told()) == 2
    sweep(LATE)
    assert len(told()) == 5
    assert LeadEvent.objects.filter(kind="untouched").count() == 5


# --- The next attempt ------------------------------------------------------------------------------------------------


def test_a_planned_attempt_is_over_by_the_next_one_and_comes_back_with_undo(mia, dan):  # L8
    lead = a_lead(by=mia)
    call(lead, dan, Outcome.NO_ANSWER, at=NOON, next_attempt_at=NOON + days(1))
    assert fresh(lead).next_attempt_at == NOON + days(1)
    call(lead, dan, at=NOON + days(1))
    assert fresh(lead).next_attempt_at is None
    transitions.undo(lead.events.filter(kind="activity").last(), by=dan, at=NOON + days(1))
    assert fresh(lead).next_attempt_at == NOON + days(1)


def test_undoing_an_attempt_takes_its_plan_back(mia, dan):
    lead = a_lead(by=mia)
    call(lead, dan, Outcome.CALL_BACK, at=NOON, next_attempt_at=NOON + days(1))
    transitions.undo(lead.events.get(kind="activity"), by=dan, at=NOON)
    lead = fresh(lead)
    assert (lead.stage, lead.next_attempt_at) == (Stage.NEW, None)


@pytest.mark.parametrize("when", [NOON, NOON - HOUR, NOON + days(400)])
def test_an_attempt_is_planned_for_a_moment_to_come(when, mia, dan):
    lead = a_lead(by=mia)
    with pytest.raises(transitions.TransitionError):
        call(lead, dan, Outcome.NO_ANSWER, at=NOON, next_attempt_at=when)
    assert not lead.activities.exists()
