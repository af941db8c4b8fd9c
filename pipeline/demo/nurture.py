"""Two nurture plans with their mails, leads in every state of them, and what came of it."""

import datetime
from typing import Any

from django.conf import settings

from accounts.models import Organisation, User
from integrations.models import OutboxMessage
from leads import consents, criteria
from leads.models import Channel, Contact, CriteriaSet, Lead, LeadEvent, Purpose, Stage
from pipeline import transitions
from pipeline.demo.company import Company
from pipeline.models import (
    Activity,
    Enrolment,
    MailTemplate,
    NurturePlan,
    NurtureStep,
    StepRun,
    Task,
)
from pipeline.nurture import mails
from pipeline.nurture.enrol import due_after
from pipeline.nurture.running import end_of_quiet_hours, event_for

DAY = datetime.timedelta(days=1)
End, Kind, Result = Enrolment.End, NurtureStep.Kind, StepRun.Result
MOST = 48  # leads in the plans
# What becomes of the leads, in turn.
FATES = ["waits", "replied", "waits", "held", "met", "waits", "opted_out", "finished", "proposed", "bounced", "by_hand"]

# name, subject and text in English and in Russian
TEMPLATES = [
    (
        "A case from practice",
        "How others count what a lead costs",
        (
            "Hello {first_name},\n\nwhen we met you asked about {product}. Here is how a company like {company} found out "
            "which of its events pay back, in three weeks and without a consultant.\n\nIf you like, I'll show you on your "
            "own figures: just answer this mail.\n\n{sender}"
        ),
        "Как другие считают стоимость лида",
        (
            "Здравствуйте, {first_name}!\n\nПри встрече вы спрашивали про {product}. Рассказываю, как компания вроде "
            "{company} за три недели и без консультантов узнала, какие мероприятия окупаются.\n\nПокажу на ваших цифрах: "
            "просто ответьте на это письмо.\n\n{sender}"
        ),
    ),
    (
        "Invitation",
        "{first_name}, come to {event}",
        (
            "Hello {first_name},\n\non {event_date} we are at {event}: {event_place}. Come by, the coffee is good and the "
            "demo takes ten minutes.\n\n{sender}"
        ),
        "{first_name}, приглашаем на {event}",
        (
            "Здравствуйте, {first_name}!\n\n{event_date} мы участвуем в {event}: {event_place}. Заходите: хороший кофе и "
            "десять минут демонстрации.\n\n{sender}"
        ),
    ),
    (
        "Offer",
        "For {company}: {offer}",
        "Hello {first_name},\n\n{offer}. It holds until {offer_until}.\n\n{sender}",
        "Для {company}: {offer}",
        "Здравствуйте, {first_name}!\n\n{offer}. Предложение действует до {offer_until}.\n\n{sender}",
    ),
]


def add_nurture(company: Company, at: datetime.datetime) -> None:
    """Add the plans, and what has happened in them until the moment `at`."""
    names = ("name", "subject_en", "body_en", "subject_ru", "body_ru")
    case, invitation, offer = [
        MailTemplate.objects.create(**dict(zip(names, words, strict=True))) for words in TEMPLATES
    ]
    owner = company.marketers[0]
    keep = NurturePlan.objects.create(name="Interested, but not now", owner=owner, is_active=True)
    after = NurturePlan.objects.create(
        name="After an exhibition",
        owner=owner,
        is_active=True,
        enters_by_itself=True,
        channel=Channel.objects.filter(name="Exhibition").first(),
    )
    rows: list[tuple[NurturePlan, NurtureStep.Kind, int, dict[str, Any]]] = [
        (keep, Kind.MAIL, 3, {"template": case}),
        (keep, Kind.INVITATION, 10, {"template": invitation}),
        (keep, Kind.OFFER, 21, {"template": offer, "offer": "First quarter at half the price", "offer_days": 30}),
        (keep, Kind.TASK, 14, {"task_title": "Call: has anything changed?"}),
        (after, Kind.MAIL, 2, {"template": case}),
        (after, Kind.TASK, 3, {"task_title": "Call about the case we sent"}),
    ]
    for position, (plan, kind, wait, words) in enumerate(rows):
        NurtureStep.objects.create(plan=plan, kind=kind, wait_days=wait, position=position, **words)
    leads = Lead.objects.filter(
        stage=Stage.WARM,
        warm_at__lte=at - 9 * DAY,
        contact__in=consents.may_be_mailed(Contact.objects.all()),
    ).select_related("contact__company", "campaign__channel", "product", "owner")
    # One lead of a person only: the others' mails would count against the same week.
    seen: set[int] = set()
    for lead in leads.order_by("-warm_at", "-pk")[: MOST * 2]:
        if lead.contact_id not in seen and len(seen) < MOST:
            by_event = lead.campaign.channel_id == after.channel_id
            _nurture(after if by_event else keep, lead, FATES[len(seen) % len(FATES)], company, at)
            seen.add(lead.contact_id)


def _nurture(plan: NurturePlan, lead: Lead, fate: str, company: Company, at: datetime.datetime) -> None:
    """One lead's way through the plan until `at`."""
    organisation = company.organisation
    steps = list(plan.steps.select_related("template"))
    assert lead.warm_at is not None
    entered = max(lead.warm_at, at - (9 + lead.pk % 13) * DAY) + datetime.timedelta(minutes=10)
    by = lead.owner if not plan.enters_by_itself else None
    enrolment = Enrolment(plan=plan, lead=lead, entered_at=entered, entered_by=by)
    mailed = end_of_quiet_hours(due_after(entered, steps[0], organisation), organisation)
    enrolment.next_step = steps[1]
    enrolment.next_due_at = max(due_after(mailed, steps[1], organisation), at + datetime.timedelta(hours=3))
    if fate == "held" and steps[1].kind != Kind.TASK:
        enrolment.held_by, enrolment.next_due_at = Enrolment.Hold.CAP, at + 2 * DAY
    enrolment.save()
    _event(lead, by, entered, step="entered", plan=plan.name)
    run, message = _mail(enrolment, steps[0], mailed, organisation)
    then = mailed + (at - mailed) / 2
    if fate == "replied":
        transitions.log_activity(
            lead, Activity.Kind.EMAIL, Activity.Outcome.REACHED, by=company.sdrs[0], at=then, note="Asks for a date."
        )
        run.replied_at = then
        _end(enrolment, End.REPLIED, then)
    elif fate == "opted_out":
        consents.withdraw(lead.contact, Purpose.MAILING, source="unsubscribe link", at=then)
        run.opted_out_at = then
        _end(enrolment, End.OPTED_OUT, then)
    elif fate == "bounced":
        OutboxMessage.objects.filter(pk=message.pk).update(sent_at=None, failed_at=mailed, bounced_at=mailed)
        Contact.objects.filter(pk=lead.contact_id).update(bounced_at=mailed)
        run.bounced_at = mailed
        _end(enrolment, End.BOUNCED, mailed)
    elif fate == "by_hand":
        _end(enrolment, End.BY_HAND, then, by=company.marketers[0])
    elif fate == "finished" and len(steps) == 2:
        _finish(enrolment, steps[-1], company.sdrs[0], then, at)
    elif fate in ("met", "proposed"):
        _meet(enrolment, fate, company.sdrs[0], then)
    run.save()


def _mail(
    enrolment: Enrolment, step: NurtureStep, at: datetime.datetime, organisation: Organisation
) -> tuple[StepRun, OutboxMessage]:
    lead, template, today = enrolment.lead, step.template, at.astimezone(organisation.tzinfo).date()
    assert template is not None
    campaign = event_for(step, lead.contact, today)
    mail = mails.compose(
        template,
        lead,
        mails.Occasion.of(step, campaign, today),
        language=mails.language_of(lead.contact, organisation),
        organisation=organisation,
        sender=lead.owner,
    )
    message = OutboxMessage.objects.create(
        dedup_key=f"nurture:{enrolment.pk}:{step.pk}",
        sender=settings.DEFAULT_FROM_EMAIL,
        recipients=[lead.contact.email],
        subject=mail.subject,
        text=mail.text,
        headers=mail.headers,
        created_at=at,
        next_attempt_at=at,
        sent_at=at,
        attempts=1,
    )
    _event(lead, None, at, step="sent", plan=enrolment.plan.name, subject=mail.subject)
    run = StepRun.objects.create(
        enrolment=enrolment, step=step, done_at=at, result=Result.SENT, message=message, campaign=campaign
    )
    return run, message


def _finish(
    enrolment: Enrolment, step: NurtureStep, who: User, moment: datetime.datetime, at: datetime.datetime
) -> None:
    done_at = moment + (at - moment) / 2
    task = Task.objects.create(
        title=step.task_title, lead=enrolment.lead, assignee=who, due_at=moment, done_at=done_at, done_by=who
    )
    StepRun.objects.create(enrolment=enrolment, step=step, done_at=moment, result=Result.TASK_OPENED, task=task)
    _event(enrolment.lead, None, moment, step="task", plan=enrolment.plan.name, task=task.title, who=who.name)
    _end(enrolment, End.FINISHED, moment)


def _meet(enrolment: Enrolment, fate: str, sdr: User, moment: datetime.datetime) -> None:
    """The criteria come to be met; of some the lead has become an MQL since, others wait for that."""
    lead = enrolment.lead
    in_force = CriteriaSet.objects.in_force(moment, lead.product)
    if in_force is None:
        return
    for criterion in in_force.criteria.all():
        criteria.answer(lead, criterion.key, "yes", by=sdr, at=moment)
    found_at = moment + datetime.timedelta(minutes=4)
    Lead.objects.filter(pk=lead.pk).update(proposed_at=found_at)
    _event(lead, None, found_at, step="proposed")
    _end(enrolment, End.MET_CRITERIA, found_at)
    if fate == "met":
        transitions.qualify(lead, by=sdr, at=found_at + datetime.timedelta(hours=1))


def _end(enrolment: Enrolment, why: Enrolment.End, moment: datetime.datetime, by: User | None = None) -> None:
    enrolment.ended_at, enrolment.end = moment, why
    enrolment.next_due_at, enrolment.held_by = None, ""
    enrolment.save()
    _event(enrolment.lead, by, moment, step="left", plan=enrolment.plan.name, why=str(why))


def _event(lead: Lead, by: User | None, at: datetime.datetime, **data: str) -> None:
    LeadEvent.objects.create(lead=lead, kind=LeadEvent.Kind.NURTURE, actor=by, at=at, data=data)
