"""What some minutes bring: results of earlier steps, leads that came to meet the criteria, who leaves, who enters, and the
steps that are due.

Everything follows from rows and `at`. A run may be killed, run twice at once or come days late: each step is done once,
and the next one is reckoned from when it was done, so that after an outage nobody gets all they missed at once.
"""

import datetime
import logging
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery

from accounts import access
from accounts.models import Organisation, User
from integrations.models import JobRun, OutboxMessage
from leads import consents
from leads.criteria import judge_known
from leads.known import of_leads
from leads.models import Campaign, Consent, Contact, CriteriaSet, Lead, LeadEvent, Purpose, Stage
from leads.normalise import normalise_email
from pipeline.models import Activity, Enrolment, Notification, NurtureStep, StepRun
from pipeline.notify import notify
from pipeline.nurture import mails
from pipeline.nurture.enrol import ANSWERS, claim, due_after, end, enter_by_segment, following, last_mail, leave
from pipeline.to_do import open_task
from pipeline.transitions.rules import lock

log = logging.getLogger(__name__)

Kind = NurtureStep.Kind
Result = StepRun.Result
STEPS_AT_ONCE = 500  # in one run: colleagues' own mails don't wait behind a long queue
A_WEEK = datetime.timedelta(days=7)
ANSWERED_WITHIN = datetime.timedelta(days=30)  # what a person does later isn't an answer to the mail any more
INVITED_WITHIN = datetime.timedelta(days=400)
LATE_COMMITS = datetime.timedelta(hours=1)  # changes of a long transaction are older than they look
BOUNCES_WITHIN = datetime.timedelta(days=7)
PROPOSING = "propose_warm_leads"
JUDGED_AT_ONCE = 500
MOST_PROPOSED = 1000  # in one run: each is locked, told on its timeline and to its owner
EVENTS_LAST = datetime.timedelta(days=90)  # from its first day: until then somebody types in who came


def run(at: datetime.datetime) -> dict[str, int]:
    """All of it; returns how many rows each part dealt with. A part that fails is tried again by the next run."""
    parts: dict[str, Callable[[datetime.datetime], int]] = {
        "results": note_results,
        "proposed": propose,
        "left": leave,
        "entered": enter_by_segment,
        "done": do_due,
    }
    done = {}
    for name, part in parts.items():
        try:
            done[name] = part(at)
        except Exception:  # a rule that can't be judged must not keep who opted out in their plan
            log.exception("the part “%s” of the nurture run failed; it is tried again", name)
            done[name] = 0
    return done


# --- The steps that are due ------------------------------------------------------------------------------------------


def do_due(at: datetime.datetime) -> int:
    """Do the steps that are due, oldest first, each in its own transaction; returns how many were done."""
    organisation = Organisation.current()
    due = Enrolment.objects.running().filter(next_due_at__lte=at, plan__is_active=True).order_by("next_due_at", "pk")
    done = 0
    for pk in list(due.values_list("pk", flat=True)[:STEPS_AT_ONCE]):
        try:
            done += _do(pk, at, organisation)
        except Exception:  # whatever one lead brings up: the others' steps must be done
            log.exception("the next nurture step of enrolment %s failed; it is tried again", pk)
    return done


@transaction.atomic
def _do(pk: int, at: datetime.datetime, organisation: Organisation) -> bool:
    """Do the next step of one enrolment, if it still is due and may stay in its plan."""
    enrolment = claim(pk)
    if enrolment is None or enrolment.next_due_at is None or enrolment.next_due_at > at:
        return False
    if not enrolment.plan.is_active:  # stopped a moment ago
        return False
    if enrolment.leaves_as:
        end(enrolment, Enrolment.End(enrolment.leaves_as), by=None, at=at)
        return False
    step = enrolment.next_step
    if step is not None and step.retired_at is not None:  # taken out of the plan a moment ago
        step = following(enrolment, step)
    if step is None:
        end(enrolment, Enrolment.End.FINISHED, by=None, at=at)
        return False
    done = _open_task(enrolment, step, at) if step.kind == Kind.TASK else _mail(enrolment, step, at, organisation)
    if done is None:
        return False
    _tell(enrolment, step, done, at)
    _go_on(enrolment, step, at, organisation)
    return True


def _go_on(enrolment: Enrolment, step: NurtureStep, at: datetime.datetime, organisation: Organisation) -> None:
    after = following(enrolment, step)
    if after is None:
        end(enrolment, Enrolment.End.FINISHED, by=None, at=at)
        return
    enrolment.next_step, enrolment.next_due_at = after, due_after(at, after, organisation)
    enrolment.held_by = ""
    enrolment.save(update_fields=["next_step", "next_due_at", "held_by"])


def _tell(enrolment: Enrolment, step: NurtureStep, done: StepRun, at: datetime.datetime) -> None:
    facts: dict[str, Any] = {"plan": str(enrolment.plan)}
    if done.message is not None:
        facts |= {"step": "sent", "subject": done.message.subject}
        facts |= {"offer": step.offer} if step.kind == Kind.OFFER else {}
    elif done.task is not None:
        facts |= {"step": "task", "task": done.task.title, "who": str(done.task.assignee)}
    else:
        facts |= {"step": "skipped", "why": str(done.result)}
    LeadEvent.objects.record(enrolment.lead, LeadEvent.Kind.NURTURE, by=None, at=at, **facts)


def _open_task(enrolment: Enrolment, step: NurtureStep, at: datetime.datetime) -> StepRun | None:
    assignee = _who_does(enrolment)
    if assignee is None:
        log.warning("nobody in marketing can be given the task of enrolment %s", enrolment.pk)
        return None
    task = open_task(lead=enrolment.lead, title=step.task_title, assignee=assignee, due_at=at, by=None, at=at)
    return StepRun.objects.create(enrolment=enrolment, step=step, done_at=at, result=Result.TASK_OPENED, task=task)


def _who_does(enrolment: Enrolment) -> User | None:
    """The lead's owner, else who is responsible for the plan, else whoever has been in marketing longest."""
    for user in (enrolment.lead.owner, enrolment.plan.owner):
        if user is not None and access.may(user, access.HAVE_TASKS):
            return user
    return User.objects.active().filter(role__in=access.NURTURE_LEADS).order_by("pk").first()


def sender_of(lead: Lead, plan_owner: User | None) -> User | None:
    """Whose name stands in the mail and who gets the answers."""
    return next((user for user in (lead.owner, plan_owner) if user is not None and user.is_active), None)


def _mail(enrolment: Enrolment, step: NurtureStep, at: datetime.datetime, organisation: Organisation) -> StepRun | None:
    """Write the step's mail into the outbox; None when it has to wait, which the enrolment then says."""
    lead, contact = enrolment.lead, enrolment.lead.contact
    if step.template is None or not consents.may_be_mailed(Contact.objects.filter(pk=contact.pk)).exists():
        return StepRun.objects.create(enrolment=enrolment, step=step, done_at=at, result=Result.NO_CONSENT)
    today = at.astimezone(organisation.tzinfo).date()
    campaign = event_for(step, contact, today)
    if step.kind == Kind.INVITATION and campaign is None:
        return StepRun.objects.create(enrolment=enrolment, step=step, done_at=at, result=Result.NO_EVENT)
    may_leave_at, hold = when_mail_may_leave(contact, at, organisation)
    if may_leave_at > at:
        enrolment.next_due_at, enrolment.held_by = may_leave_at, hold
        enrolment.save(update_fields=["next_due_at", "held_by"])
        return None
    mail = mails.compose(
        step.template,
        lead,
        mails.Occasion.of(step, campaign, today),
        language=mails.language_of(contact, organisation),
        organisation=organisation,
        sender=sender_of(lead, enrolment.plan.owner),
    )
    message = mails.send(mail, contact, at=at, dedup_key=f"nurture:{enrolment.pk}:{step.pk}")
    return StepRun.objects.create(
        enrolment=enrolment, step=step, done_at=at, result=Result.SENT, message=message, campaign=campaign
    )


def event_for(step: NurtureStep, contact: Contact | None, today: datetime.date) -> Campaign | None:
    """The event that `step` invites to: its own, else the next one; never one that has begun or that the person is
    registered for."""
    if step.kind != Kind.INVITATION:
        return None
    coming = Campaign.objects.events().filter(starts_on__gt=today).select_related("channel")
    if step.campaign_id is not None:
        coming = coming.filter(pk=step.campaign_id)
    if contact is not None:
        coming = coming.exclude(Exists(Lead.objects.present().filter(contact=contact, campaign=OuterRef("pk"))))
    return coming.order_by("starts_on", "pk").first()


def when_mail_may_leave(
    contact: Contact, at: datetime.datetime, organisation: Organisation
) -> tuple[datetime.datetime, Enrolment.Hold | str]:
    """The first moment from `at` on when a mail may go to the contact, and what it waits for ("" when that is now).

    No mails in the organisation's quiet hours, and no more than so many in any seven days, from all plans together.
    """
    moment, hold = at, ""
    most = organisation.mails_a_week
    sent = StepRun.objects.filter(
        enrolment__lead__contact=contact, result=Result.SENT, done_at__gt=at - A_WEEK
    ).order_by("done_at")
    times = list(sent.values_list("done_at", flat=True))
    if len(times) >= most:
        moment = times[len(times) - most] + A_WEEK if most else at + A_WEEK
        hold = Enrolment.Hold.CAP
    ends = end_of_quiet_hours(moment, organisation)
    if ends > moment:
        moment, hold = ends, hold or Enrolment.Hold.QUIET
    return moment, hold


def end_of_quiet_hours(at: datetime.datetime, organisation: Organisation) -> datetime.datetime:
    """When the quiet hours around `at` end by the organisation's clock; `at` itself when it isn't in any."""
    begin, until = organisation.quiet_from, organisation.quiet_until
    local = at.astimezone(organisation.tzinfo)
    time, day = local.time(), local.date()
    if begin <= until:
        is_quiet = begin <= time < until
    else:  # over midnight
        is_quiet = time >= begin or time < until
        day += datetime.timedelta(days=1) if time >= begin else datetime.timedelta()
    if not is_quiet:
        return at
    # Where the clock is put back, that time comes twice: the later one counts.
    ends = (datetime.datetime.combine(day, until.replace(fold=fold), organisation.tzinfo) for fold in (0, 1))
    return max(moment.astimezone(datetime.UTC) for moment in ends)


# --- What came of earlier steps --------------------------------------------------------------------------------------


def note_results(at: datetime.datetime) -> int:
    """Find bounces, replies, opt-outs and visits of events that came of the steps, and keep them with each."""
    parts: list[Callable[[datetime.datetime], int]] = [_note_bounces, _note_replies, _note_opt_outs, _note_visits]
    return sum(part(at) for part in parts)


def _note_bounces(at: datetime.datetime) -> int:
    """Mark the contacts whose address a mail server refused for good, and the steps whose mails that were.

    A contact that somebody changed since keeps what they said: the next mail will tell.
    """
    bounced = OutboxMessage.objects.filter(bounced_at__gt=at - BOUNCES_WITHIN)
    when: dict[str, datetime.datetime] = {}
    for recipients, moment in bounced.order_by("bounced_at").values_list("recipients", "bounced_at"):
        when |= {normalise_email(address): moment for address in recipients if moment is not None}
    number = 0
    for contact in Contact.objects.filter(email__in=when, bounced_at__isnull=True).order_by("pk"):
        moment = when[contact.email]
        there = Contact.objects.filter(
            pk=contact.pk, email=contact.email, bounced_at__isnull=True, updated_at__lt=moment
        )
        number += there.update(bounced_at=moment, version=F("version") + 1, updated_at=max(at, moment))
    runs = StepRun.objects.filter(bounced_at__isnull=True, message__in=bounced)
    return number + _write(runs.annotate(found=F("message__bounced_at")), "bounced_at")


def _note_replies(at: datetime.datetime) -> int:
    """An answer belongs to the last mail before it."""
    answers = Activity.objects.filter(
        lead=OuterRef("enrolment__lead"),
        outcome__in=ANSWERS,
        at__gt=OuterRef("done_at"),
        at__lte=OuterRef("done_at") + ANSWERED_WITHIN,
    )
    since = at - 2 * ANSWERED_WITHIN
    later = StepRun.objects.filter(enrolment=OuterRef("enrolment"), result=Result.SENT, done_at__gt=OuterRef("done_at"))
    runs = StepRun.objects.filter(
        ~Exists(later),
        result=Result.SENT,
        replied_at__isnull=True,
        done_at__gt=since,
        enrolment__lead__last_contact_at__gt=F("done_at"),  # most are not answered, and that is seen at once
    )
    first = answers.order_by().values("lead").annotate(first=Min("at")).values("first")
    return _write(runs.annotate(found=Subquery(first)), "replied_at")


def _note_opt_outs(at: datetime.datetime) -> int:
    withdrawn = Consent.objects.filter(
        purpose=Purpose.MAILING, withdrawn_at__gt=at - ANSWERED_WITHIN, withdrawn_at__lte=at, given_at__isnull=False
    )
    sent = StepRun.objects.filter(enrolment__lead__contact=OuterRef("contact"), result=Result.SENT)
    noted = sent.filter(opted_out_at__gte=OuterRef("withdrawn_at"))
    before = sent.filter(done_at__lte=OuterRef("withdrawn_at"))
    return sum(
        note_opt_out(consent.contact_id, consent.withdrawn_at)
        for consent in withdrawn.filter(Exists(before), ~Exists(noted))
        if consent.withdrawn_at is not None
    )


def note_opt_out(contact_pk: int, moment: datetime.datetime) -> bool:
    """Keep with the last mail before `moment` that the person opted out then."""
    run = last_mail(StepRun.objects.filter(enrolment__lead__contact=contact_pk), moment)
    if run is None or moment - run.done_at > ANSWERED_WITHIN:
        return False
    return bool(StepRun.objects.filter(pk=run.pk, opted_out_at__isnull=True).update(opted_out_at=moment))


def _note_visits(at: datetime.datetime) -> int:
    """The person was registered in the campaign that the step invited them to."""
    registered = Lead.objects.filter(
        contact=OuterRef("enrolment__lead__contact"),
        campaign=OuterRef("campaign"),
        registered_at__gt=OuterRef("done_at"),
    )
    first = registered.order_by().values("contact").annotate(first=Min("registered_at")).values("first")
    events = Campaign.objects.events().filter(starts_on__gt=(at - EVENTS_LAST).date())
    runs = StepRun.objects.filter(campaign__in=events, registered_at__isnull=True, done_at__gt=at - INVITED_WITHIN)
    return _write(runs.annotate(found=Subquery(first)), "registered_at")


def _write(runs: "QuerySet[Any]", field: str) -> int:
    """Write what was `found` for each run into its `field`, where anything was."""
    rows = list(runs.filter(found__isnull=False).only("pk"))
    for row in rows:
        setattr(row, field, row.found)
    StepRun.objects.bulk_update(rows, [field], batch_size=200)
    return len(rows)


# --- Warm leads that came to meet the criteria -----------------------------------------------------------------------

# What tells something new about a lead.
NEWS = [
    LeadEvent.Kind.CRITERION,
    LeadEvent.Kind.ANSWERED,
    LeadEvent.Kind.JUDGED,
    LeadEvent.Kind.EDITED,
    LeadEvent.Kind.REGISTERED_AGAIN,
]


def propose(at: datetime.datetime) -> int:
    """Propose as MQL each warm lead that has come to meet the criteria in force; take back what no longer holds.

    Only news since it became warm counts, or new criteria: who keeps a lead warm that meets them all means it.
    """
    last = JobRun.objects.filter(job=PROPOSING, period="latest").values_list("started_at", flat=True).first()
    number = 0
    news = _with_news(at, last and min(last, at) - LATE_COMMITS)
    for begin in range(0, len(news), JUDGED_AT_ONCE):
        for pk in _differing(news[begin : begin + JUDGED_AT_ONCE], at):
            number += _judge(pk, at)
            if number >= MOST_PROPOSED:  # the other parts have their turn; the next run finds the rest still differing
                return number
    JobRun.objects.update_or_create(job=PROPOSING, period="latest", defaults={"started_at": at, "finished_at": at})
    return number


def _with_news(at: datetime.datetime, since: datetime.datetime | None) -> list[int]:
    """Warm leads about which something has changed since `since` (None: ever) and since they became warm."""
    of_lead = LeadEvent.objects.filter(lead=OuterRef("pk"))
    became_warm = of_lead.filter(to_stage=Stage.WARM).order_by("-at", "-pk").values("at")[:1]
    in_force = CriteriaSet.objects.filter(in_force_at__lte=at).aggregate(last=Max("in_force_at"))["last"]
    leads = Lead.objects.filter(stage=Stage.WARM)
    if since is not None and (in_force is None or in_force < since):
        touched = (
            Q(updated_at__gte=since) | Q(contact__updated_at__gte=since) | Q(contact__company__updated_at__gte=since)
        )
        leads = leads.filter(touched)
    leads = leads.annotate(warm_since=Subquery(became_warm)).filter(
        Q(proposed_at__isnull=False)
        | Q(warm_since__isnull=True)
        | Q(Exists(of_lead.filter(kind__in=NEWS, at__gt=OuterRef("warm_since"))))
        | Q(contact__company__updated_at__gt=F("warm_since"))
        | (Q(warm_since__lt=in_force) if in_force else Q(pk__in=[]))
    )
    return list(leads.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _judge(pk: int, at: datetime.datetime) -> bool:
    """Set or clear the proposal of one lead by how it stands; True when that changed anything."""
    lead = lock(Lead(pk=pk))
    if lead.stage != Stage.WARM or not _differing([pk], at):
        return False
    lead.proposed_at = None if lead.proposed_at else at
    lead.save(update_fields=["proposed_at", "updated_at"])
    if lead.proposed_at:
        LeadEvent.objects.record(lead, LeadEvent.Kind.NURTURE, by=None, at=at, step="proposed")
        notify(Notification.Kind.PROPOSED, [lead.owner], lead, at=at)
    return True


def _differing(pks: list[int], at: datetime.datetime) -> list[int]:
    """Those leads that meet the criteria in force and aren't proposed, or the other way round.

    After new criteria that may be every warm lead, so the queries are the same for any number of them.
    """
    leads = list(Lead.objects.filter(pk__in=pks).select_related("contact__company", "campaign__channel", "product"))
    products = {lead.product_id: lead.product for lead in leads}
    in_force = {pk: CriteriaSet.objects.in_force(at, product) for pk, product in products.items()}
    known = of_leads(leads)
    found = []
    for lead in leads:
        criteria_set = in_force[lead.product_id]
        meets = criteria_set is not None and judge_known(criteria_set, known[lead.pk]).is_met
        if meets != (lead.proposed_at is not None):
            found.append(lead.pk)
    return found
