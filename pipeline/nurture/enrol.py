"""Into a plan and out of it: by hand, by segment, and by what has become of the person.

Rows are locked in one order everywhere, contact, lead, enrolment, so that nobody waits for each other in a circle.
"""

import datetime
from typing import Any

from django.db import transaction
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import Organisation, User
from integrations.models import OutboxMessage
from leads import consents
from leads.models import Consent, Contact, Lead, LeadEvent, Purpose, Stage
from leads.models.leads import LeadQuerySet
from pipeline import sla
from pipeline.models import Activity, Enrolment, NurturePlan, NurtureStep, StepRun
from pipeline.transitions.rules import TransitionError, lock, require

Kind = LeadEvent.Kind
End = Enrolment.End
AT_ONCE = 500  # leads that one run lets in by themselves, in one transaction
# What shows that a person answered: somebody spoke with them, or has their reply.
ANSWERS = [Activity.Outcome.REACHED, Activity.Outcome.CALL_BACK]


def steps_of(plan: NurturePlan) -> "QuerySet[NurtureStep]":
    """The plan's steps in order, without those that were taken out."""
    return plan.steps.filter(retired_at__isnull=True)


def due_after(start: datetime.datetime, step: NurtureStep, organisation: Organisation) -> datetime.datetime:
    """When `step` is due after what happened at `start`: so many days later, at the same time of the office's day."""
    return sla.due_at(start, step.wait_days, day_kind=sla.DayKind.CALENDAR, organisation=organisation)


def following(enrolment: Enrolment, step: NurtureStep) -> NurtureStep | None:
    """The first step behind `step` that this lead hasn't had; None at the end."""
    had = set(enrolment.runs.values_list("step_id", flat=True))
    behind = (
        each
        for each in steps_of(enrolment.plan)
        if (each.position, each.pk) > (step.position, step.pk) and each.pk not in had
    )
    return next(behind, None)


# --- In --------------------------------------------------------------------------------------------------------------


@transaction.atomic
def enter(plan: NurturePlan, lead: Lead, *, by: User | None, at: datetime.datetime) -> Enrolment:
    """Begin the plan for a warm lead. Who left it before may begin again by hand.

    Raises NotAllowed, and TransitionError when the lead isn't warm, is in the plan, or must be left alone.
    """
    require(by, access.NURTURE_LEADS, _("Only marketing enters leads into a nurture plan."))
    lead = lock(lead)
    plan = NurturePlan.objects.get(pk=plan.pk)
    if lead.stage != Stage.WARM:
        raise TransitionError(
            _("Only warm leads are nurtured; this one is “%(stage)s”.") % {"stage": Stage(lead.stage).label}
        )
    if lead.contact.do_not_contact:
        raise TransitionError(_("%(lead)s doesn't want to be contacted.") % {"lead": lead})
    if not plan.is_active:
        raise TransitionError(_("The plan “%(plan)s” isn't running. Start it first.") % {"plan": plan})
    if plan.enrolments.running().filter(lead=lead).exists():
        raise TransitionError(_("%(lead)s is in “%(plan)s” already.") % {"lead": lead, "plan": plan})
    first = steps_of(plan).first()
    if first is None:
        raise TransitionError(_("The plan “%(plan)s” has no steps.") % {"plan": plan})
    enrolment = Enrolment.objects.create(
        plan=plan,
        lead=lead,
        entered_at=at,
        entered_by=by,
        next_step=first,
        next_due_at=due_after(at, first, Organisation.current()),
    )
    LeadEvent.objects.record(lead, Kind.NURTURE, by=by, at=at, step="entered", plan=str(plan))
    return enrolment


def segment(plan: NurturePlan) -> LeadQuerySet:
    """Warm leads of the plan's segment, wherever they stand with it."""
    leads = Lead.objects.filter(stage=Stage.WARM)
    for name, path in (("product", "product"), ("channel", "campaign__channel"), ("campaign", "campaign")):
        if (wanted := getattr(plan, f"{name}_id")) is not None:
            leads = leads.filter(**{path: wanted})
    return leads


def enter_by_segment(at: datetime.datetime) -> int:
    """Let the leads of each plan's segment in, each once: who left a plan doesn't come back by itself."""
    plans = NurturePlan.objects.filter(is_active=True, enters_by_itself=True)
    return sum(_enter_segment(pk, at) for pk in plans.values_list("pk", flat=True))


@transaction.atomic
def _enter_segment(plan_pk: int, at: datetime.datetime) -> int:
    # Who enters leads at the same moment waits here, and then sees who is in.
    plan = NurturePlan.objects.select_for_update().get(pk=plan_pk)
    steps = list(steps_of(plan))
    if not (plan.is_active and plan.enters_by_itself and steps):
        return 0
    contacts = Contact.objects.filter(do_not_contact=False)
    if any(step.kind != NurtureStep.Kind.TASK for step in steps):
        contacts = consents.may_be_mailed(contacts)
    leads = list(
        segment(plan)
        .filter(Exists(contacts.filter(pk=OuterRef("contact_id"))), proposed_at__isnull=True)
        .exclude(Exists(Enrolment.objects.filter(plan=plan, lead=OuterRef("pk"))))
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")[:AT_ONCE]
    )
    due_at = due_after(at, steps[0], Organisation.current())
    Enrolment.objects.bulk_create(
        Enrolment(plan=plan, lead=lead, entered_at=at, next_step=steps[0], next_due_at=due_at) for lead in leads
    )
    LeadEvent.objects.bulk_create(
        LeadEvent(lead=lead, kind=Kind.NURTURE, at=at, data={"step": "entered", "plan": str(plan)}) for lead in leads
    )
    return len(leads)


# --- Out -------------------------------------------------------------------------------------------------------------


def with_reason_to_leave(enrolments: "QuerySet[Enrolment]") -> "QuerySet[Any]":
    """Adds `leaves_as`: why each has to leave its plan by how things stand, "" when it may stay."""
    of_mailing = Consent.objects.filter(contact=OuterRef("lead__contact"), purpose=Purpose.MAILING)
    withdrawn = Exists(of_mailing.filter(withdrawn_at__gte=OuterRef("entered_at"))) & ~Exists(of_mailing.valid())
    answered = Activity.objects.filter(lead=OuterRef("lead"), outcome__in=ANSWERS, at__gt=OuterRef("entered_at"))
    wants_none = Q(lead__contact__do_not_contact=True) | Q(lead__contact__erased_at__isnull=False) | Q(withdrawn)
    when = [
        (wants_none, End.OPTED_OUT),
        (Q(lead__contact__bounced_at__gte=F("entered_at")), End.BOUNCED),
        (Q(Exists(answered)), End.REPLIED),
        (Q(lead__proposed_at__gte=F("entered_at")), End.MET_CRITERIA),
        (~Q(lead__stage=Stage.WARM), End.LEFT_WARM),
    ]
    cases = [When(condition, then=Value(end.value)) for condition, end in when]
    return enrolments.annotate(leaves_as=Case(*cases, default=Value(""), output_field=CharField()))


def claim(pk: int) -> Any:
    """The running enrolment with its contact and lead, locked, with `leaves_as`; None while somebody else has it."""
    keys = Enrolment.objects.running().filter(pk=pk).values_list("lead__contact_id", "lead_id").first()
    if keys is None:
        return None
    contact_pk, lead_pk = keys
    if Contact.objects.select_for_update(skip_locked=True).filter(pk=contact_pk).first() is None:
        return None
    Lead.objects.select_for_update().get(pk=lead_pk)
    Enrolment.objects.select_for_update().get(pk=pk)
    there = Enrolment.objects.running().filter(pk=pk)
    return (
        with_reason_to_leave(there)
        .select_related(
            "plan__owner",
            "next_step__template",
            "next_step__campaign",
            "lead__contact__company",
            "lead__owner",
            "lead__product",
        )
        .first()
    )


def end(enrolment: Enrolment, why: Enrolment.End, *, by: User | None, at: datetime.datetime) -> None:
    """End a locked enrolment."""
    enrolment.ended_at, enrolment.end = at, why
    enrolment.next_due_at, enrolment.held_by = None, ""
    enrolment.save(update_fields=["ended_at", "end", "next_due_at", "held_by"])
    LeadEvent.objects.record(
        enrolment.lead, Kind.NURTURE, by=by, at=at, step="left", plan=str(enrolment.plan), why=str(why)
    )


def leave(at: datetime.datetime, *, contact: Contact | None = None) -> int:
    """End every running enrolment (of `contact`) whose reason to stay is gone; returns how many.

    What still waits in the outbox for who opted out isn't sent either, whatever became of the plan since.
    """
    _call_back(at, contact)
    enrolments = Enrolment.objects.running()
    if contact is not None:
        enrolments = enrolments.filter(lead__contact=contact)
    gone = with_reason_to_leave(enrolments).exclude(leaves_as="").order_by("pk").values_list("pk", flat=True)
    return sum(_leave(pk, at) for pk in list(gone))


def _call_back(at: datetime.datetime, contact: Contact | None) -> None:
    """Stop mails that wait for a mail server, and that their reader doesn't want any more."""
    wants_none = Q(enrolment__lead__contact__do_not_contact=True) | ~Exists(
        Consent.objects.valid().filter(contact=OuterRef("enrolment__lead__contact"), purpose=Purpose.MAILING)
    )
    runs = StepRun.objects.filter(wants_none, message=OuterRef("pk"))
    if contact is not None:
        runs = runs.filter(enrolment__lead__contact=contact)
    waiting = OutboxMessage.objects.waiting().filter(Q(leased_until__isnull=True) | Q(leased_until__lte=at))
    waiting.filter(Exists(runs)).update(failed_at=at, last_error="The person opted out before it was sent.")


@transaction.atomic
def _leave(pk: int, at: datetime.datetime) -> bool:
    enrolment = claim(pk)
    if enrolment is None or not enrolment.leaves_as:
        return False
    end(enrolment, End(enrolment.leaves_as), by=None, at=at)
    return True


@transaction.atomic
def take_out(enrolment: Enrolment, *, by: User | None, at: datetime.datetime) -> None:
    """End it by hand. Raises NotAllowed, and TransitionError when it has ended already."""
    require(by, access.NURTURE_LEADS, _("Only marketing takes leads out of a nurture plan."))
    enrolment = _lock(enrolment)
    if enrolment.ended_at is not None:
        raise TransitionError(
            _("%(lead)s left this plan already: %(why)s.")
            % {"lead": enrolment.lead, "why": enrolment.get_end_display()}
        )
    end(enrolment, End.BY_HAND, by=by, at=at)


@transaction.atomic
def put_back(enrolment: Enrolment, *, by: User | None, at: datetime.datetime) -> None:
    """Undo `take_out`: the plan goes on with the step it had come to. Raises NotAllowed and TransitionError."""
    require(by, access.NURTURE_LEADS, _("Only marketing enters leads into a nurture plan."))
    enrolment = _lock(enrolment)
    again = Enrolment.objects.running().filter(plan=enrolment.plan_id, lead=enrolment.lead_id).exists()
    if enrolment.end != End.BY_HAND or again or enrolment.next_step is None:
        raise TransitionError(_("This can't be undone any more."))
    if enrolment.lead.stage != Stage.WARM:
        raise TransitionError(
            _("Only warm leads are nurtured; this one is “%(stage)s”.") % {"stage": enrolment.lead.get_stage_display()}
        )
    last = enrolment.runs.order_by("-done_at").first()
    since = last.done_at if last else enrolment.entered_at
    enrolment.ended_at, enrolment.end = None, ""
    enrolment.next_due_at = max(at, due_after(since, enrolment.next_step, Organisation.current()))
    enrolment.save(update_fields=["ended_at", "end", "next_due_at"])
    LeadEvent.objects.record(enrolment.lead, Kind.NURTURE, by=by, at=at, step="put_back", plan=str(enrolment.plan))


def _lock(enrolment: Enrolment) -> Enrolment:
    lock(enrolment.lead)
    rows = Enrolment.objects.select_for_update(of=("self",))
    return rows.select_related("plan", "lead__contact", "next_step").get(pk=enrolment.pk)


def last_mail(runs: "QuerySet[StepRun]", before: datetime.datetime) -> StepRun | None:
    """The mail among `runs` that a person answers to at that moment."""
    sent = runs.filter(result=StepRun.Result.SENT, done_at__lte=before)
    return sent.order_by("-done_at", "-pk").first()
