"""The minutely sweep: each person hears of each level once, whatever dies."""

import datetime

import pytest

from integrations.models import JobRun, OutboxMessage
from leads.models import LeadEvent
from pipeline import sweep as sweep_module
from pipeline import tasks, transitions
from pipeline.models import Activity, Handoff, Notification
from pipeline.sweep import sweep
from tests.factories import NOON, a_contacted_handoff, a_handoff, an_opportunity, days, reason

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _outbox(settings) -> None:
    """Mail as in production, where the tests' framework would put it aside."""
    settings.EMAIL_BACKEND = "integrations.mail.OutboxBackend"


SECOND = datetime.timedelta(seconds=1)


def told(kind: str) -> list[str]:
    """Names of those who were told, in order."""
    return list(Notification.objects.filter(kind=kind).order_by("pk").values_list("recipient__name", flat=True))


def recorded(kind: str, clock: str = "first_contact") -> int:
    return LeadEvent.objects.filter(kind=kind, data__clock=clock).count()


def done(at: datetime.datetime) -> dict[str, int]:
    """What a sweep dealt with, by kind."""
    return {kind: number for kind, number in sweep(at).items() if number}


def test_each_level_is_told_when_it_begins_and_only_once(mia, sam, max_, dora):  # H3
    a_handoff(sam, by=mia)  # first contact due on day 7, verdict on day 14
    OutboxMessage.objects.all().delete()
    levels = [
        (days(5), "due_soon", []),
        (days(5) + SECOND, "due_soon", ["Sam"]),
        (days(7), "overdue", []),
        (days(7) + SECOND, "overdue", ["Sam"]),
        (days(8), "escalated", []),
        (days(8) + SECOND, "escalated", ["Max"]),
        (days(10) + SECOND, "escalated", ["Max", "Dora"]),
    ]
    for after, kind, names in levels:
        for _twice in range(2):
            sweep(NOON + after)
        assert told(kind) == names, after
    assert [recorded(kind) for kind in ("reminded", "overdue", "escalated")] == [1, 1, 2]
    assert OutboxMessage.objects.count() == 4


def test_after_an_outage_every_level_is_recorded_and_one_mail_leaves_for_each_clock(mia, sam, max_, dora):  # H3
    handoff = a_handoff(sam, by=mia)
    OutboxMessage.objects.all().delete()
    assert done(NOON + days(13)) == {"first_contact": 1, "verdict": 1}
    handoff.refresh_from_db()
    assert (handoff.first_contact_alert, handoff.verdict_alert) == (Handoff.Alert.DIRECTOR, Handoff.Alert.REMINDED)
    assert [recorded(kind) for kind in ("reminded", "overdue", "escalated")] == [0, 1, 2]
    assert (told("overdue"), told("escalated"), told("due_soon")) == (["Sam"], ["Max", "Dora"], ["Sam"])
    assert [mail.recipients for mail in OutboxMessage.objects.order_by("pk")] == [[dora.email], [sam.email]]


def test_a_stopped_clock_rings_no_more(mia, sam, max_, dora):  # H3
    a_contacted_handoff(sam, by=mia)
    rejected = a_handoff(sam, by=mia)
    transitions.reject(rejected, reason(), by=sam, at=NOON, missing="Everything", criteria_doubt="x")
    an_opportunity(sam, by=mia)
    assert done(NOON + days(8)) == {}


def test_who_has_no_manager_is_the_directors_concern(mia, sid, dora):  # H3
    a_handoff(sid, by=mia)
    sweep(NOON + days(8) + SECOND)
    assert told("escalated") == ["Dora"]


def test_a_switched_off_reps_clock_is_told_to_the_manager(mia, sam, max_):  # H3
    a_handoff(sam, by=mia)
    sam.is_active = False
    sam.save()
    sweep(NOON + days(7) + SECOND)
    assert told("overdue") == ["Max"]


def test_a_lead_goes_cold_once_and_warms_up_by_a_contact(mia, sam):  # H3
    opportunity = an_opportunity(sam, by=mia)
    for _twice in range(2):
        sweep(NOON + days(14))
    assert told("cold") == ["Sam"]
    transitions.log_activity(opportunity.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON + days(15))
    sweep(NOON + days(28))
    assert told("cold") == ["Sam"]
    sweep(NOON + days(29))
    assert told("cold") == ["Sam", "Sam"]
    assert LeadEvent.objects.filter(kind="cold").count() == 2


class Killed(BaseException):
    """What no `except Exception` stops, as a kill."""


def test_a_sweep_killed_midway_loses_nothing_and_doubles_nothing(mia, sam, monkeypatch):  # H3
    monkeypatch.setattr(sweep_module, "BATCH", 2)
    for _n in range(5):
        a_handoff(sam, by=mia)
    OutboxMessage.objects.all().delete()
    real, calls = sweep_module.notify, []

    def notify_and_die(*args, **kwargs):
        real(*args, **kwargs)
        calls.append(1)
        if len(calls) == 4:  # the second batch is written, not committed
            raise Killed

    monkeypatch.setattr(sweep_module, "notify", notify_and_die)
    with pytest.raises(Killed):
        sweep(NOON + days(7) + SECOND)
    assert (len(told("overdue")), recorded("overdue")) == (2, 2)
    monkeypatch.setattr(sweep_module, "notify", real)
    sweep(NOON + days(7) + 2 * SECOND)
    assert (len(told("overdue")), recorded("overdue"), OutboxMessage.objects.count()) == (5, 5, 5)
    assert LeadEvent.objects.filter(kind="overdue").values("lead").distinct().count() == 5


def test_what_a_jumping_clock_told_is_not_told_again(mia, sam):  # H3
    a_handoff(sam, by=mia)
    for after in (days(8), days(2), days(8)):
        sweep(NOON + after)
    assert told("overdue") == ["Sam"]


def test_the_number_of_statements_finding_nothing_does_not_grow(mia, sam, django_assert_max_num_queries):  # H3
    for _n in range(3):
        a_handoff(sam, by=mia)
    with django_assert_max_num_queries(33):
        sweep(NOON + days(1))


def test_the_task_says_when_it_last_ran():  # H3
    tasks.sweep_clocks()
    tasks.sweep_clocks()
    run = JobRun.objects.get(job="sweep_clocks")
    assert run.finished_at >= run.started_at


def test_a_mail_says_who_what_and_when_in_the_readers_zone_and_language(mia, sam):  # H10
    sam.language, sam.time_zone = "ru", "Asia/Tokyo"
    sam.save()
    handoff = a_handoff(sam, by=mia, preferred_meeting_time="Tuesday morning")
    mail = OutboxMessage.objects.get()
    assert (mail.recipients, str(handoff.lead) in mail.subject) == ([sam.email], True)
    assert "9 марта 2026 г. 21:00" in mail.text  # noon UTC on 9 March, a week after the handoff
    assert "Tuesday morning" in mail.text
    assert f"/leads/{handoff.lead_id}/" in mail.text


def test_the_words_of_a_notification_name_who_did_what(mia, sam):  # H10
    handoff = a_handoff(sam, by=mia)
    transitions.reject(handoff, reason(), by=sam, at=NOON, missing="The budget", criteria_doubt="x")
    assert sam.notifications.get().headline == "Mia handed a lead over to you"
    returned = mia.notifications.get()
    assert returned.headline == "Sam returned your lead"
    assert "Note: The budget · x" in returned.details
