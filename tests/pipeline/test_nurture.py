"""Nurturing over simulated weeks: who gets what on which day, why something waits, and how it ends."""

import datetime
import re
import zoneinfo

import pytest
from django.core import mail
from django.db import connection
from django.db.models import Min
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.access import NotAllowed
from accounts.models import Organisation
from integrations.models import OutboxMessage
from integrations.outbox import deliver
from leads import consents, criteria
from leads.editing import edit_contact, note_bounce
from leads.models import Company, Consent, CriteriaSet, Lead, LeadEvent, Purpose, Stage
from pipeline import transitions
from pipeline.models import Activity, Enrolment, MailTemplate, Notification, NurturePlan, NurtureStep, StepRun, Task
from pipeline.nurture import mails, plans, preferences, running
from pipeline.nurture.enrol import enter, put_back, take_out
from pipeline.nurture.words import fill, unknown
from pipeline.to_do import finish_task
from pipeline.transitions import TransitionError
from tests.factories import NOON, CampaignFactory, EventFactory, ProductFactory, a_lead, days, meet_criteria, reason

pytestmark = pytest.mark.django_db

Kind, End, Result = NurtureStep.Kind, Enrolment.End, StepRun.Result
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _site(settings) -> None:
    settings.SITE_URL = "https://crm.acme.example"
    settings.DELIVERY_EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def template() -> MailTemplate:
    return MailTemplate.objects.create(
        name="Hello",
        subject_en="News for {company}",
        body_en="Hello {first_name},\n{product} has news.\n{sender}",
        subject_ru="Новости для {company}",
        body_ru="Здравствуйте, {first_name}!",
    )


def a_plan(*steps: dict, name: str = "Keep in touch", **fields) -> NurturePlan:
    plan = NurturePlan.objects.create(name=name, is_active=True, **fields)
    for position, step in enumerate(steps):
        NurtureStep.objects.create(plan=plan, position=position, **{"wait_days": 7, **step})
    return plan


def mail_step(template: MailTemplate, **fields) -> dict:
    return {"kind": Kind.MAIL, "template": template, **fields}


def task_step(title: str = "Call them", **fields) -> dict:
    return {"kind": Kind.TASK, "task_title": title, **fields}


def a_warm_lead(*, agrees: bool = True, at: datetime.datetime = NOON, **fields) -> Lead:
    lead = a_lead(at=at, **fields)
    _known_since(at)
    if agrees:
        consents.give(lead.contact, Purpose.MAILING, source="Expo", at=at)
    transitions.keep_warm(lead, by=None, at=at)
    return Lead.objects.get(pk=lead.pk)


def _known_since(at: datetime.datetime) -> None:
    """Companies were last changed then, and not at the moment when the test runs."""
    Company.objects.update(updated_at=at)


def live(until: int, since: int = 0) -> None:
    """Run what is due on day `since` after NOON, on each day on which a step has come due, and on day `until`."""
    day = since
    while day <= until:
        running.run(NOON + days(day))
        due = Enrolment.objects.running().aggregate(first=Min("next_due_at"))["first"]
        comes = -((NOON - due) // days(1)) if due else until
        day = max(day + 1, min(comes, until))


def sent() -> list[tuple[float, str]]:
    """(day after NOON, subject) of every mail to a client."""
    messages = OutboxMessage.objects.filter(dedup_key__startswith="nurture:").order_by("created_at", "pk")
    return [((m.created_at - NOON) / days(1), m.subject) for m in messages]


def _set(**fields) -> None:
    """Settings of the organisation."""
    Organisation.current()
    Organisation.objects.update(**fields)


def one(lead: Lead) -> Enrolment:
    return Enrolment.objects.get(lead=lead)


# --- Weeks ---


def test_each_step_is_done_on_its_day_and_the_plan_ends(mia, template):  # L9
    offer = MailTemplate.objects.create(name="Offer", subject_en="{offer}", body_en="Until {offer_until}.")
    invitation = MailTemplate.objects.create(name="Come", subject_en="Come to {event}", body_en="{event_date}")
    EventFactory(name="Expo", starts_on=NOON.date() + days(40), ends_on=None)
    plan = a_plan(
        mail_step(template, wait_days=3),
        {"kind": Kind.INVITATION, "template": invitation, "wait_days": 7},
        {"kind": Kind.OFFER, "template": offer, "offer": "20 % off", "offer_days": 14, "wait_days": 14},
        task_step(wait_days=5),
    )
    lead = a_warm_lead(owner=mia, product=ProductFactory(name="Counting"))
    enter(plan, lead, by=mia, at=NOON)
    live(35)
    assert sent() == [(3, f"News for {lead.contact.company}"), (10, "Come to Expo"), (24, "20 % off")]
    assert "Until 9 April 2026" in OutboxMessage.objects.get(subject="20 % off").text
    task = Task.objects.get()
    assert (task.title, task.assignee, task.due_at) == ("Call them", mia, NOON + days(29))
    assert (one(lead).end, one(lead).ended_at) == (End.FINISHED, NOON + days(29))
    steps = lead.events.filter(kind=LeadEvent.Kind.NURTURE).order_by("pk").values_list("data__step", flat=True)
    assert list(steps) == ["entered", "sent", "sent", "sent", "task", "left"]


def test_after_an_outage_the_steps_still_keep_their_distance(template):  # L9
    plan = a_plan(*(mail_step(template, wait_days=7) for _ in range(3)))
    enter(plan, a_warm_lead(), by=None, at=NOON)
    live(60, since=40)
    assert [day for day, _subject in sent()] == [40, 47, 54]


def test_running_again_at_the_same_moment_does_nothing_more(template):  # L9
    plan = a_plan(mail_step(template, wait_days=0), task_step(wait_days=7))
    enter(plan, a_warm_lead(), by=None, at=NOON)
    assert running.run(NOON)["done"] == 1
    assert running.run(NOON)["done"] == 0
    assert StepRun.objects.count() == OutboxMessage.objects.count() == 1


def test_a_step_keeps_its_hour_when_the_clocks_change(template):
    _set(time_zone="Europe/Berlin")  # summer time begins on 29 March 2026
    enrolment = enter(a_plan(mail_step(template, wait_days=30)), a_warm_lead(), by=None, at=NOON)
    assert enrolment.next_due_at == NOON + days(30) - HOUR


def test_a_killed_run_leaves_the_step_due_and_the_next_one_does_it_once(template, monkeypatch):  # L9
    lead = a_warm_lead()
    enter(a_plan(mail_step(template, wait_days=0)), lead, by=None, at=NOON)
    create = StepRun.objects.create

    def die(**fields):
        raise SystemExit

    monkeypatch.setattr(StepRun.objects, "create", die)
    with pytest.raises(SystemExit):
        running.run(NOON)
    assert not OutboxMessage.objects.exists()
    monkeypatch.setattr(StepRun.objects, "create", create)
    live(1)
    assert len(sent()) == 1
    assert one(lead).end == End.FINISHED


def test_one_lead_whose_step_fails_does_not_stop_the_others(template, monkeypatch, caplog):
    plan = a_plan(mail_step(template, wait_days=0))
    leads = [a_warm_lead() for _ in range(3)]
    for lead in leads:
        enter(plan, lead, by=None, at=NOON)
    compose = mails.compose

    def fails_for_one(template, lead, *args, **kwargs):
        if lead == leads[0]:
            raise ValueError
        return compose(template, lead, *args, **kwargs)

    monkeypatch.setattr(mails, "compose", fails_for_one)
    assert running.run(NOON)["done"] == 2
    assert "is tried again" in caplog.text
    monkeypatch.undo()
    assert running.run(NOON + HOUR)["done"] == 1


def test_a_stopped_plan_waits_and_goes_on_when_it_runs_again(dora, template):
    plan = a_plan(mail_step(template, wait_days=2))
    enter(plan, a_warm_lead(), by=None, at=NOON)
    plans.stop(plan, by=dora)
    live(5)
    assert sent() == []
    plans.start(plan, by=dora)
    live(6, since=6)
    assert [day for day, _subject in sent()] == [6]


def test_stopping_a_plan_stops_the_run_that_is_on_its_way(dora, template, monkeypatch):
    plan = a_plan(mail_step(template, wait_days=0))
    for _n in range(2):
        enter(plan, a_warm_lead(), by=None, at=NOON)
    send = mails.send

    def and_stop(*args, **kwargs):
        plans.stop(plan, by=dora)
        return send(*args, **kwargs)

    monkeypatch.setattr(mails, "send", and_stop)
    assert running.do_due(NOON) == 1


# --- Waiting ---


@pytest.mark.parametrize(
    ("local", "until"),
    [
        ((2, 20, 0), (3, 8, 0)),  # quiet hours begin
        ((2, 23, 59), (3, 8, 0)),
        ((3, 3, 0), (3, 8, 0)),
        ((3, 7, 59), (3, 8, 0)),
        ((3, 8, 0), (3, 8, 0)),
        ((2, 19, 59), (2, 19, 59)),
    ],
)
def test_quiet_hours_are_those_where_the_organisation_is(local, until):  # L9
    organisation = Organisation(time_zone="Asia/Yekaterinburg")
    at, ends = (datetime.datetime(2026, 3, *moment, tzinfo=organisation.tzinfo) for moment in (local, until))
    assert running.end_of_quiet_hours(at, organisation) == ends


def test_no_mail_leaves_in_quiet_hours_of_the_organisation(template):  # L9
    _set(time_zone="Asia/Yekaterinburg")
    zone = zoneinfo.ZoneInfo("Asia/Yekaterinburg")
    at, wakes_at = (datetime.datetime(2026, 3, *local, tzinfo=zone) for local in [(2, 20, 0), (3, 8, 0)])
    lead = a_warm_lead(at=at)
    enter(a_plan(mail_step(template, wait_days=0)), lead, by=None, at=at)
    running.run(at)
    assert (one(lead).held_by, one(lead).next_due_at) == (Enrolment.Hold.QUIET, wakes_at)
    running.run(wakes_at - datetime.timedelta(minutes=1))
    assert sent() == []
    running.run(wakes_at)
    assert len(sent()) == 1
    assert one(lead).held_by == ""


def test_quiet_hours_may_lie_within_a_day_or_not_be_there():
    organisation = Organisation(quiet_from=datetime.time(12), quiet_until=datetime.time(14))
    assert running.end_of_quiet_hours(NOON + HOUR, organisation) == NOON + 2 * HOUR
    assert running.end_of_quiet_hours(NOON + 2 * HOUR, organisation) == NOON + 2 * HOUR
    organisation.quiet_until = organisation.quiet_from
    assert running.end_of_quiet_hours(NOON, organisation) == NOON


def test_quiet_hours_end_once_on_the_night_when_the_clock_is_put_back():
    organisation = Organisation(time_zone="Europe/Berlin", quiet_until=datetime.time(2, 30))
    first, second = (datetime.datetime(2026, 10, 25, hour, 10, tzinfo=datetime.UTC) for hour in (0, 1))  # 02:10, twice
    ends = datetime.datetime(2026, 10, 25, 1, 30, tzinfo=datetime.UTC)
    assert {running.end_of_quiet_hours(at, organisation) for at in (first, second)} == {ends}
    organisation.time_zone = "America/New_York"  # where 02:30 isn't there on this day
    at = datetime.datetime(2026, 3, 8, 6, 0, tzinfo=datetime.UTC)
    assert running.end_of_quiet_hours(at, organisation) == datetime.datetime(2026, 3, 8, 7, 30, tzinfo=datetime.UTC)


def test_a_person_gets_no_more_mails_a_week_than_allowed_from_all_plans_together(template):  # L9
    one_plan, other = (
        a_plan(*(mail_step(template, wait_days=1) for _ in range(4)), name=name) for name in ("One", "Other")
    )
    lead = a_warm_lead()
    for plan in (one_plan, other):
        enter(plan, lead, by=None, at=NOON)
    live(2)
    assert [day for day, _subject in sent()] == [1, 1]
    waiting = Enrolment.objects.running().filter(held_by=Enrolment.Hold.CAP)
    assert {enrolment.next_due_at for enrolment in waiting} == {NOON + days(8)}
    live(30, since=3)
    assert [day for day, _subject in sent()] == [1, 1, 8, 8, 15, 15, 22, 22]


def test_tasks_wait_for_neither(template, mia):
    lead = a_warm_lead(owner=mia)
    night = NOON + days(0.5)
    enter(a_plan(task_step(wait_days=0)), lead, by=None, at=night)
    running.run(night)
    assert Task.objects.get().lead == lead


# --- Who enters ---


def test_only_warm_leads_enter_and_each_once(mia, sam, template):  # L9
    plan = a_plan(mail_step(template))
    with pytest.raises(TransitionError, match="Only warm leads"):
        enter(plan, a_lead(), by=mia, at=NOON)
    lead = a_warm_lead()
    with pytest.raises(NotAllowed):
        enter(plan, lead, by=sam, at=NOON)
    enter(plan, lead, by=mia, at=NOON)
    with pytest.raises(TransitionError, match="already"):
        enter(plan, lead, by=mia, at=NOON)
    left_alone = a_warm_lead()
    edit_contact(left_alone.contact, {"do_not_contact": True}, by=None, at=NOON)
    with pytest.raises(TransitionError, match="doesn't want"):
        enter(plan, left_alone, by=mia, at=NOON)
    with pytest.raises(TransitionError, match="no steps"):
        enter(a_plan(name="Empty"), a_warm_lead(), by=mia, at=NOON)
    plans.stop(plan, by=mia)
    with pytest.raises(TransitionError, match="isn't running"):
        enter(plan, a_warm_lead(), by=mia, at=NOON)
    assert Enrolment.objects.count() == 1


def test_leads_of_the_segment_enter_by_themselves_once(mia, template):  # L9
    wanted, campaign = ProductFactory(), CampaignFactory()
    plan = a_plan(mail_step(template, wait_days=30), enters_by_itself=True, product=wanted, channel=campaign.channel)
    fits = a_warm_lead(product=wanted, campaign=campaign)
    a_warm_lead(product=wanted)
    a_warm_lead(campaign=campaign)
    no_consent = a_warm_lead(product=wanted, campaign=campaign, agrees=False)
    a_lead(product=wanted, campaign=campaign)
    assert running.run(NOON)["entered"] == 1
    take_out(one(fits), by=mia, at=NOON + days(1))
    live(3)
    assert Enrolment.objects.count() == 1  # who left doesn't come back by itself
    enter(plan, fits, by=mia, at=NOON + days(4))  # but by hand
    consents.give(no_consent.contact, Purpose.MAILING, source="Call", at=NOON + days(4))
    live(5, since=5)
    assert Enrolment.objects.running().count() == 2


def test_a_returned_lead_enters_once_it_is_kept_warm(sam, mia, template):
    plan = a_plan(mail_step(template), enters_by_itself=True)
    lead = a_warm_lead()
    meet_criteria(lead)
    transitions.qualify(lead, by=None, at=NOON)
    handoff = transitions.hand_over(lead, to=sam, by=None, at=NOON)
    transitions.reject(handoff, reason(), missing="Budget", by=sam, at=NOON, criteria_doubt="x")
    assert running.run(NOON)["entered"] == 0
    transitions.keep_warm(Lead.objects.get(pk=lead.pk), by=mia, at=NOON + HOUR)
    result = running.run(NOON + HOUR)
    assert (result["entered"], result["proposed"]) == (1, 0)  # marketing has just judged it
    assert plan.enrolments.running().count() == 1


# --- Who leaves ---


def _reply(lead: Lead, at: datetime.datetime) -> None:
    transitions.log_activity(lead, Activity.Kind.EMAIL, Activity.Outcome.REACHED, by=None, at=at)


def _call_back(lead: Lead, at: datetime.datetime) -> None:
    transitions.log_activity(lead, Activity.Kind.CALL, Activity.Outcome.CALL_BACK, by=None, at=at)


def _opt_out(lead: Lead, at: datetime.datetime) -> None:
    consents.withdraw(lead.contact, Purpose.MAILING, source="Call", at=at)


def _leave_alone(lead: Lead, at: datetime.datetime) -> None:
    edit_contact(lead.contact, {"do_not_contact": True}, by=None, at=at)


def _bounce(lead: Lead, at: datetime.datetime) -> None:
    note_bounce(lead.contact, by=None, at=at)


def _qualify(lead: Lead, at: datetime.datetime) -> None:
    meet_criteria(lead, at=at)
    transitions.qualify(lead, by=None, at=at)


def _remove(lead: Lead, at: datetime.datetime) -> None:
    transitions.remove(lead, reason("removal"), by=None, at=at)


@pytest.mark.parametrize(
    ("happens", "end"),
    [
        (_reply, End.REPLIED),
        (_call_back, End.REPLIED),
        (_opt_out, End.OPTED_OUT),
        (_leave_alone, End.OPTED_OUT),
        (_bounce, End.BOUNCED),
        (_qualify, End.LEFT_WARM),
        (_remove, End.LEFT_WARM),
    ],
)
def test_a_lead_leaves_as_soon_as_the_reason_to_stay_is_gone(template, happens, end):  # L9
    lead = a_warm_lead()
    enter(a_plan(*(mail_step(template, wait_days=7) for _ in range(3))), lead, by=None, at=NOON)
    live(8)
    happens(lead, NOON + days(8.5))
    live(30, since=9)
    assert (one(lead).end, one(lead).ended_at) == (end, NOON + days(9))
    assert len(sent()) == 1
    run = StepRun.objects.get()
    moments = {"replied_at": run.replied_at, "opted_out_at": run.opted_out_at}
    kept = {End.REPLIED: "replied_at"}.get(end) or ("opted_out_at" if happens is _opt_out else "")
    assert {name for name, moment in moments.items() if moment} == ({kept} if kept else set())
    assert all(moment in (None, NOON + days(8.5)) for moment in moments.values())


def test_what_happens_between_the_sweep_and_the_step_is_seen_before_the_mail_is_written(template, monkeypatch):  # L9
    lead = a_warm_lead()
    enter(a_plan(mail_step(template, wait_days=0)), lead, by=None, at=NOON)
    _opt_out(lead, NOON)
    assert running.do_due(NOON) == 0  # without the sweep that ends it
    assert (sent(), one(lead).end) == ([], End.OPTED_OUT)


def test_an_answer_after_the_last_step_still_counts_for_its_mail(template):
    lead = a_warm_lead()
    enter(a_plan(mail_step(template, wait_days=0)), lead, by=None, at=NOON)
    live(1)
    assert one(lead).end == End.FINISHED
    _reply(lead, NOON + days(3))
    live(4, since=4)
    assert StepRun.objects.get().replied_at == NOON + days(3)
    assert one(lead).end == End.FINISHED


def test_an_opt_out_stops_the_mail_that_still_waits_in_the_outbox(template):
    lead = a_warm_lead()
    enter(a_plan(mail_step(template, wait_days=0), task_step()), lead, by=None, at=NOON)
    running.run(NOON)
    preferences.unsubscribe(lead.contact, at=NOON + HOUR)
    assert one(lead).end == End.OPTED_OUT
    assert deliver(clock=lambda: NOON + 2 * HOUR) == 0
    assert mail.outbox == []


@pytest.mark.parametrize("asked_on", ["page", "phone"])
def test_an_opt_out_stops_a_waiting_mail_also_when_the_plan_is_over(mia, template, asked_on):  # L9 L13
    lead = a_warm_lead()
    enter(a_plan(mail_step(template, wait_days=0)), lead, by=None, at=NOON)
    running.run(NOON)  # the mail server is down
    assert one(lead).end == End.FINISHED
    if asked_on == "page":
        preferences.unsubscribe(lead.contact, at=NOON + HOUR)
    else:
        edit_contact(lead.contact, {"do_not_contact": True}, by=mia, at=NOON + HOUR)
        running.run(NOON + HOUR)
    assert deliver(clock=lambda: NOON + 2 * HOUR) == 0
    assert mail.outbox == []


def test_what_waits_for_others_still_leaves_when_somebody_opts_out(template):
    plan = a_plan(mail_step(template, wait_days=0))
    gone, stays = a_warm_lead(), a_warm_lead()
    for lead in (gone, stays):
        enter(plan, lead, by=None, at=NOON)
    running.run(NOON)
    preferences.unsubscribe(gone.contact, at=NOON + HOUR)
    running.run(NOON + HOUR)
    assert list(OutboxMessage.objects.waiting().values_list("recipients", flat=True)) == [[stays.contact.email]]


def test_who_is_taken_out_by_hand_can_be_put_back_where_they_were(mia, sam, template):  # L9
    lead = a_warm_lead()
    enrolment = enter(a_plan(mail_step(template, wait_days=2), mail_step(template, wait_days=7)), lead, by=mia, at=NOON)
    live(2)
    take_out(enrolment, by=mia, at=NOON + days(3))
    with pytest.raises(TransitionError, match="left this plan already"):
        take_out(enrolment, by=mia, at=NOON + days(3))
    with pytest.raises(NotAllowed):
        put_back(enrolment, by=sam, at=NOON + days(4))
    put_back(enrolment, by=mia, at=NOON + days(4))
    with pytest.raises(TransitionError):
        put_back(enrolment, by=mia, at=NOON + days(4))
    live(9, since=4)
    assert [day for day, _subject in sent()] == [2, 9]


# --- Steps that can't be done ---


def test_who_did_not_agree_to_mailings_gets_none_but_the_tasks_are_done(mia, template):  # L9 L13
    lead = a_warm_lead(agrees=False, owner=mia)
    enter(a_plan(mail_step(template), task_step()), lead, by=mia, at=NOON)
    live(15)
    assert list(StepRun.objects.order_by("pk").values_list("result", flat=True)) == [
        Result.NO_CONSENT,
        Result.TASK_OPENED,
    ]
    assert sent() == []


def test_an_invitation_without_a_coming_event_is_left_out_and_the_plan_goes_on(template):
    EventFactory(starts_on=NOON.date())  # today: too late to invite
    lead = a_warm_lead()
    enter(a_plan({"kind": Kind.INVITATION, "template": template}, mail_step(template)), lead, by=None, at=NOON)
    live(15)
    assert list(StepRun.objects.order_by("pk").values_list("result", flat=True)) == [Result.NO_EVENT, Result.SENT]


def test_an_invitation_is_to_the_next_event_that_the_person_is_not_registered_for(template):
    lead = a_warm_lead()
    soon, later = (EventFactory(starts_on=NOON.date() + days(n), ends_on=None) for n in (20, 30))
    a_lead(contact=lead.contact, campaign=soon)
    enter(a_plan({"kind": Kind.INVITATION, "template": template}), lead, by=None, at=NOON)
    live(8)
    assert StepRun.objects.get().campaign == later
    a_lead(contact=lead.contact, campaign=later, at=NOON + days(30))
    live(31, since=31)
    assert StepRun.objects.get().registered_at == NOON + days(30)
    assert plans.results(NurturePlan.objects.get())[StepRun.objects.get().step_id]["came"] == 1


def test_a_task_goes_to_the_lead_owner_else_to_who_is_responsible_for_the_plan(mia, dan, dora, template):
    plan = a_plan(task_step(wait_days=0), owner=dora)
    mias, nobodys, gones = a_warm_lead(owner=mia), a_warm_lead(), a_warm_lead(owner=dan)
    dan.is_active = False
    dan.save()
    for lead in (mias, nobodys, gones):
        enter(plan, lead, by=None, at=NOON)
    running.run(NOON)
    assert {task.lead: task.assignee for task in Task.objects.all()} == {mias: mia, nobodys: dora, gones: dora}
    finish_task(Task.objects.get(lead=mias), by=mia, at=NOON)
    assert plans.results(plan)[plan.steps.get().pk]["tasks_done"] == 1


# --- Bounces ---


def test_a_bounced_mail_marks_the_contact_and_the_step_and_ends_the_plan(template):  # L9
    lead = a_warm_lead()
    enter(a_plan(mail_step(template, wait_days=0), mail_step(template)), lead, by=None, at=NOON)
    running.run(NOON)
    type(lead.contact).objects.filter(pk=lead.contact.pk).update(updated_at=NOON)
    OutboxMessage.objects.update(failed_at=NOON + HOUR, bounced_at=NOON + HOUR)
    running.run(NOON + 2 * HOUR)
    lead.contact.refresh_from_db()
    assert lead.contact.bounced_at == StepRun.objects.get().bounced_at == NOON + HOUR
    assert one(lead).end == End.BOUNCED
    edit_contact(lead.contact, {"email": "new@client.example"}, by=None, at=NOON + days(1))
    lead.contact.refresh_from_db()
    assert lead.contact.bounced_at is None
    running.run(NOON + days(1))
    lead.contact.refresh_from_db()
    assert lead.contact.bounced_at is None


def test_a_bounce_noted_by_hand_is_on_the_timeline_and_can_be_taken_back(mia, sam):
    contact = a_warm_lead().contact
    with pytest.raises(NotAllowed):
        note_bounce(contact, by=sam, at=NOON)
    note_bounce(contact, by=mia, at=NOON)
    note_bounce(contact, by=mia, at=NOON)
    assert LeadEvent.objects.filter(kind=LeadEvent.Kind.EDITED).count() == 1
    note_bounce(contact, by=mia, at=NOON, bounced=False)
    contact.refresh_from_db()
    assert contact.bounced_at is None


# --- The mail itself ---


def _mail(lead: Lead, template: MailTemplate, language: str = "en", **values) -> mails.Mail:
    return mails.compose(
        template,
        lead,
        mails.Occasion(),
        language=language,
        organisation=Organisation.current(),
        sender=values.pop("sender", None),
    )


def test_a_mail_says_why_it_comes_and_how_to_stop_it_by_one_click(mia, template):  # L9
    lead = a_warm_lead(owner=mia)
    made = _mail(lead, template, sender=mia)
    token = mails.token_of(lead.contact_id)
    unsubscribe = f"https://crm.acme.example/mailings/{token}/unsubscribe/"
    assert made.headers == {
        "List-Unsubscribe": f"<{unsubscribe}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Reply-To": mia.email,
    }
    assert unsubscribe in made.text
    assert f"https://crm.acme.example/mailings/{token}/\n" in made.text
    assert "you agreed" in made.text
    assert "on 2 March 2026" in made.text


def test_one_click_needs_https(template, settings):  # RFC 8058
    settings.SITE_URL = "http://localhost:8000"
    assert "List-Unsubscribe-Post" not in _mail(a_warm_lead(), template).headers


def test_a_mail_is_in_the_contacts_language_else_in_the_organisations(template):
    _set(language="ru")
    plan = a_plan(mail_step(template, wait_days=0))
    for language in ("en", ""):
        lead = a_warm_lead()
        type(lead.contact).objects.filter(pk=lead.contact.pk).update(language=language)
        enter(plan, lead, by=None, at=NOON)
    running.run(NOON)
    assert [subject.split()[0] for _day, subject in sent()] == ["News", "Новости"]


def test_what_a_person_typed_is_neither_a_template_nor_a_header(template):  # L9
    lead = a_warm_lead()
    lead.contact.name = "{sender} {{ 7|add:7 }} {% debug %}"
    lead.contact.company.name = "Acme\r\nBcc: all@client.example {organisation}"
    made = _mail(lead, template)
    assert made.subject == "News for Acme Bcc: all@client.example {organisation}"
    assert "Hello colleague," in made.text
    lead.contact.name = "Win at www.spam.example now"
    assert "spam" not in _mail(lead, template).text
    lead.contact.name = "Jean-Luc O’Neill"
    assert "Hello Jean-Luc," in _mail(lead, template).text


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Hello {first_name}, {company}!", []),
        ("", []),
        ("{nme}", ["{nme}"]),
        ("{{ name }}", ["{ name }", "}"]),
        ("{% load i18n %}", ["{% load i18n %}"]),
        ("{name.__class__}", ["{name.__class__}"]),
        ("{0}", ["{0}"]),
        ("open { brace", ["{ brace"]),
        ("{NAME}", ["{NAME}"]),
    ],
)
def test_braces_hold_known_placeholders_only(text, wrong):  # L9
    assert bool(unknown(text)) == bool(wrong)
    if text != "{{ name }}":
        assert unknown(text) == wrong


def test_a_value_is_never_filled_in_again():
    assert fill("{name} {company} {nobody}", {"name": "{company}", "company": "A"}) == "{company} A {nobody}"


def test_a_token_is_one_persons_and_cannot_be_made_up():
    lead = a_warm_lead()
    token = mails.token_of(lead.contact_id)
    assert mails.contact_of(token) == lead.contact
    for bad in ("", "1", f"{lead.contact_id}.x", token[:-1], token.replace(".", ":"), mails.token_of(mails.NOBODY)):
        assert mails.contact_of(bad) is None
    type(lead.contact).objects.filter(pk=lead.contact_id).update(erased_at=NOON)
    assert mails.contact_of(token) is None


# --- Proposals ---


def test_a_warm_lead_that_comes_to_meet_the_criteria_is_proposed_and_leaves(mia, template):  # L9
    lead = a_warm_lead(owner=mia)
    enter(a_plan(mail_step(template, wait_days=0), mail_step(template)), lead, by=None, at=NOON)
    live(1)
    meet_criteria(lead, at=NOON + days(2))
    assert running.run(NOON + days(3))["proposed"] == 1
    lead.refresh_from_db()
    assert (lead.proposed_at, one(lead).end) == (NOON + days(3), End.MET_CRITERIA)
    assert Notification.objects.get(kind=Notification.Kind.PROPOSED).recipient == mia
    assert running.run(NOON + days(4))["proposed"] == 0
    transitions.qualify(lead, by=mia, at=NOON + days(5))
    lead.refresh_from_db()
    assert lead.nurtured_at == NOON + days(5)
    event = lead.events.get(kind=LeadEvent.Kind.QUALIFIED)
    transitions.undo(event, by=mia, at=NOON + days(5))
    lead.refresh_from_db()
    assert (lead.nurtured_at, lead.stage) == (None, Stage.WARM)


def test_who_keeps_a_lead_warm_that_meets_the_criteria_means_it_until_something_new_is_known(dora):
    lead = meet_criteria(a_lead())
    _known_since(NOON)
    transitions.keep_warm(lead, by=None, at=NOON + HOUR)
    assert running.run(NOON + days(1))["proposed"] == 0
    key = CriteriaSet.objects.in_force(NOON).criteria.first().key
    for value in ("no", "yes"):
        criteria.answer(lead, key, value, by=dora, at=NOON + days(2))
    assert running.run(NOON + days(3))["proposed"] == 1


def test_a_proposal_is_taken_back_when_the_lead_does_not_meet_the_criteria_any_more():
    lead = a_warm_lead()
    meet_criteria(lead, at=NOON + HOUR)
    running.run(NOON + days(1))
    required = CriteriaSet.objects.in_force(NOON).criteria.filter(is_required=True).first()
    criteria.answer(lead, required.key, "no", by=None, at=NOON + days(1))
    running.run(NOON + days(2))
    lead.refresh_from_db()
    assert lead.proposed_at is None


EASY = [
    {"key": "nice", "text": "Nice to know", "is_required": False, "weight": 1}
]  # every lead meets it: no points are needed


def test_new_criteria_propose_the_leads_that_meet_them(dora):
    a_warm_lead()
    assert running.run(NOON + HOUR)["proposed"] == 0
    criteria.put_in_force(EASY, threshold=0, note="", by=dora, at=NOON + days(1))
    assert running.run(NOON + days(2))["proposed"] == 1


def test_one_run_proposes_so_many_and_the_next_one_the_rest(dora, monkeypatch):
    monkeypatch.setattr(running, "MOST_PROPOSED", 2)
    for _n in range(3):
        a_warm_lead()
    running.run(NOON + HOUR)
    criteria.put_in_force(EASY, threshold=0, note="", by=dora, at=NOON + days(1))
    assert [running.run(NOON + days(2) + n * HOUR)["proposed"] for n in range(3)] == [2, 1, 0]


def test_new_criteria_cost_the_same_queries_for_any_number_of_warm_leads():
    running.propose(NOON)
    counted = []
    for number in (1, 3):
        for _n in range(number):
            criteria.answer(a_warm_lead(), "need", "no", by=None, at=NOON + HOUR)
        with CaptureQueriesContext(connection) as queries:
            assert running.propose(NOON + HOUR) == 0
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_a_part_that_fails_keeps_nobody_in_a_plan_that_they_opted_out_of(template, monkeypatch, caplog):  # L9
    lead = a_warm_lead()
    enter(a_plan(mail_step(template)), lead, by=None, at=NOON)
    _opt_out(lead, NOON)

    def fails(_at):
        raise ValueError("a rule that nobody understands")

    monkeypatch.setattr(running, "propose", fails)
    assert running.run(NOON)["left"] == 1
    assert "tried again" in caplog.text


def test_an_mql_that_no_step_was_done_for_is_not_counted_as_nurtured(template):
    lead = a_warm_lead(agrees=False)
    enter(a_plan(mail_step(template, wait_days=0)), lead, by=None, at=NOON)
    running.run(NOON)  # left out: no consent
    _qualify(lead, NOON + HOUR)
    lead.refresh_from_db()
    assert (lead.stage, lead.nurtured_at) == (Stage.QUALIFIED, None)


# --- Plans ---


def test_a_step_with_results_is_replaced_rather_than_changed(mia, template):
    plan = a_plan(mail_step(template, wait_days=0), mail_step(template, wait_days=7))
    first, second = plan.steps.all()
    had, waits = a_warm_lead(), a_warm_lead()
    enter(plan, had, by=None, at=NOON)
    running.run(NOON)
    enter(plan, waits, by=None, at=NOON + days(1))
    made, is_new = plans.change_step(first, {"kind": first.kind, "wait_days": 2}, by=mia, at=NOON + days(1))
    assert is_new
    assert (made.position, made.template, made.wait_days) == (first.position, template, 2)
    assert one(waits).next_step == made
    assert one(had).next_step == second
    changed, is_new = plans.change_step(second, {"kind": second.kind, "wait_days": 3}, by=mia, at=NOON)
    assert (changed, is_new) == (second, False)
    with pytest.raises(TransitionError, match="taken out"):
        plans.change_step(first, {"kind": first.kind, "wait_days": 9}, by=mia, at=NOON)
    live(20, since=1)
    assert StepRun.objects.filter(enrolment=one(had)).count() == 2


def test_a_step_that_somebody_changed_meanwhile_is_not_written_over(as_user, mia, dora):
    step = a_plan(task_step("Call them")).steps.get()
    url = reverse("pipeline:nurture_step_edit", args=[step.pk])
    client = as_user(mia)
    opened = client.get(url).context["form"].initial
    sent = {name: opened[name] for name in ("wait_days", "task_title", "seen")}
    assert as_user(dora).post(url, sent | {"task_title": "From Dora"}).status_code == 302
    assert client.post(url, sent | {"task_title": "From Mia"}).status_code == 422
    step.refresh_from_db()
    assert step.task_title == "From Dora"


def test_who_waits_for_a_retired_step_goes_on_with_the_next(mia, template):
    plan = a_plan(mail_step(template, wait_days=2), task_step(wait_days=1))
    first, second = plan.steps.all()
    lead = a_warm_lead(owner=mia)
    enter(plan, lead, by=None, at=NOON)
    plans.retire_step(first, by=mia, at=NOON)
    assert one(lead).next_step == second
    plans.retire_step(second, by=mia, at=NOON)
    live(3)
    assert (one(lead).end, StepRun.objects.count()) == (End.FINISHED, 0)
    plans.restore_step(first, by=mia)
    assert [step.pk for step in plan.steps.filter(retired_at=None)] == [first.pk]


def test_steps_are_moved_by_one_place(mia, template):
    plan = a_plan(task_step("A"), task_step("B"), task_step("C"))
    for title, places in (("C", -1), ("A", -1), ("A", 1)):
        plans.move_step(plan.steps.get(task_title=title), places, by=mia)
    assert list(plan.steps.values_list("task_title", flat=True)) == ["C", "A", "B"]


def test_a_plan_without_steps_does_not_start(dora, dan):
    plan = NurturePlan.objects.create(name="Empty")
    with pytest.raises(TransitionError, match="needs a step"):
        plans.start(plan, by=dora)
    with pytest.raises(NotAllowed):
        plans.stop(plan, by=dan)


# --- What the person chooses ---


def test_unsubscribing_ends_every_plan_and_tells_the_last_mail(template, client):  # L9 L13
    lead = a_warm_lead()
    for name in ("One", "Other"):
        enter(a_plan(mail_step(template, wait_days=1), mail_step(template), name=name), lead, by=None, at=NOON)
    live(1)
    url = reverse("pipeline:mailing_unsubscribe", args=[mails.token_of(lead.contact_id)])
    assert client.get(url).status_code == 200
    assert Enrolment.objects.running().count() == 2  # looking isn't unsubscribing
    answer = client.post(url, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert set(Enrolment.objects.values_list("end", flat=True)) == {End.OPTED_OUT}
    assert StepRun.objects.filter(opted_out_at__isnull=False).count() <= 1
    consent = Consent.objects.get()
    assert (consent.is_valid, consent.withdrawn_in) == (False, "unsubscribe link")
    assert client.post(url).status_code == 200
    assert Consent.objects.count() == 1


def test_a_link_that_is_nobodys_answers_as_any_other(client, django_assert_num_queries):  # L9 L13
    lead = a_warm_lead()
    pages = []
    for token in (mails.token_of(lead.contact_id), mails.token_of(999_999), "made.up"):
        urls = [reverse(f"pipeline:mailing_{name}", args=[token]) for name in ("unsubscribe", "preferences")]
        got = [client.post(urls[0]), client.get(urls[0]), client.post(urls[1], {}), client.get(urls[1])]
        assert [answer.status_code for answer in got] == [200, 200, 302, 200]
        assert all("no-store" in answer["Cache-Control"] for answer in got)
        pages.append(
            re.sub(r'nonce="[^"]+"|"X-CSRFToken": "[^"]+"|value="[^"]{64}"', "", got[0].content.decode()).replace(
                token, ""
            )
        )
    assert pages[0] == pages[1] == pages[2]


def test_a_person_chooses_what_they_get(client, template):  # L13
    lead = a_warm_lead()
    enter(a_plan(mail_step(template)), lead, by=None, at=NOON)
    url = reverse("pipeline:mailing_preferences", args=[mails.token_of(lead.contact_id)])
    client.post(url, {"mailing": "on", "do_not_contact": "on"})
    lead.contact.refresh_from_db()
    assert lead.contact.do_not_contact
    assert not consents.agreed(lead.contact, Purpose.MAILING)
    assert one(lead).end == End.OPTED_OUT
    client.post(url, {"mailing": "on"})
    lead.contact.refresh_from_db()
    assert not lead.contact.do_not_contact
    assert consents.agreed(lead.contact, Purpose.MAILING)
    assert 'name="mailing" id="id_mailing" checked' in client.get(url).content.decode()
