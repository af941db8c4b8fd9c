"""What marketing does with a lead: brief, verdict by the criteria, handing over, removing."""

import datetime
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads import criteria
from leads.answering import NotNow, submit
from leads.erasures import require_present
from leads.known import Known, of_lead, of_leads
from leads.models import (
    ConsentText,
    CriteriaSet,
    Lead,
    LeadEvent,
    Questionnaire,
    QuestionnaireVersion,
    Reason,
    Stage,
    Submission,
)
from pipeline import response, routing
from pipeline.models import Agreement, Handoff, Notification, StepRun
from pipeline.notify import notify
from pipeline.sla import Clock
from pipeline.transitions.answers import answer_by_step
from pipeline.transitions.rules import (
    MOVES,
    REMOVABLE,
    Kind,
    TransitionError,
    lock,
    lock_all,
    move,
    named,
    require,
    require_reason,
    require_way,
    restart_cold_clock,
    who_and_when,
)


@transaction.atomic
def record_brief(lead: Lead, brief: str, *, by: User | None, at: datetime.datetime, seen: str | None = None) -> None:
    """Keep what the client needs; the first brief moves an unqualified lead to “briefed”.

    `seen` is the brief that the writer had before their eyes: where somebody wrote another meanwhile, it isn't replaced.
    """
    require(by, access.QUALIFY_LEADS, _("Only marketing fills in the brief."))
    lead = lock(lead)
    require_present(lead.contact)
    if not brief.strip():
        raise TransitionError(_("The brief is empty."))
    if seen is not None and lead.brief not in (seen, brief):
        raise TransitionError(
            _("Somebody changed the brief meanwhile: “%(brief)s”. Add what is yours to it.") % {"brief": lead.brief}
        )
    is_same, lead.brief = lead.brief == brief, brief
    if lead.stage in MOVES[Stage.BRIEFED]:
        response.note_brief(lead, at)
        move(lead, Stage.BRIEFED, Kind.BRIEFED, by=by, at=at)
        return
    if lead.is_removed:
        raise TransitionError(_("The lead is removed. Restore it first."))
    if is_same:  # sent twice
        return
    lead.save()
    LeadEvent.objects.record(lead, Kind.EDITED, by=by, at=at, fields=["brief"])


@transaction.atomic
def fill_in(
    lead: Lead,
    version: QuestionnaireVersion,
    answers: dict[str, Any],
    *,
    is_complete: bool = True,
    submission_key: UUID,
    consents: Iterable[ConsentText],
    by: User | None,
    at: datetime.datetime,
) -> None:
    """Take in what the person said to the questions of `version` on the phone; a brief that `is_complete` is filled in.

    Raises NotAllowed, and TransitionError for a removed lead.
    """
    require(by, access.QUALIFY_LEADS, _("Only marketing fills in the brief."))
    try:
        submit(
            version,
            answers,
            via=Submission.Via.PHONE,
            at=at,
            by=by,
            lead=lead,
            submission_key=submission_key,
            consents=consents,
            language=translation.get_language(),
        )
    except NotNow as refusal:
        raise TransitionError(str(refusal)) from refusal
    if is_complete and version.questionnaire.kind == Questionnaire.Kind.BRIEF:
        complete_brief(lead, by=by, at=at)


@transaction.atomic
def complete_brief(lead: Lead, *, by: User | None, at: datetime.datetime) -> None:
    """The questions of the brief are answered: an unqualified lead becomes “briefed”, any other stays where it is."""
    require(by, access.QUALIFY_LEADS, _("Only marketing fills in the brief."))
    lead = lock(lead)
    if lead.stage in MOVES[Stage.BRIEFED]:
        response.note_brief(lead, at)
        move(lead, Stage.BRIEFED, Kind.BRIEFED, by=by, at=at)


@transaction.atomic
def qualify(lead: Lead, *, by: User | None, at: datetime.datetime) -> None:
    """The lead meets the criteria in force: it becomes an MQL and remembers that version."""
    require(by, access.QUALIFY_LEADS, _("Only marketing qualifies leads."))
    lead = lock(lead)
    in_force = CriteriaSet.objects.in_force(at, lead.product)
    if in_force is None:
        raise TransitionError(
            _("No criteria are in force, so nothing can be qualified. They are prepared and approved under Settings.")
        )
    judgement = criteria.judge(lead, at=at, criteria_set=in_force)
    if judgement.missing:
        names = ", ".join(f"“{criterion}”" for criterion in judgement.missing)
        raise TransitionError(_("Required criteria are not met yet: %(names)s.") % {"names": names})
    if not judgement.is_met:
        raise TransitionError(
            _("%(points)s of %(threshold)s points are reached so far.")
            % {"points": judgement.points, "threshold": judgement.threshold}
        )
    lead.criteria_set = in_force
    criteria.record(lead, judgement, by=by, at=at)
    if lead.nurtured_at is None and _was_nurtured(lead):
        lead.nurtured_at = at
    move(lead, Stage.QUALIFIED, Kind.QUALIFIED, by=by, at=at, criteria_version=in_force.version)


def _was_nurtured(lead: Lead) -> bool:
    """Whether a step of a nurture plan was done for it: a mail, an invitation, an offer or a task."""
    done = [StepRun.Result.SENT, StepRun.Result.TASK_OPENED]
    return StepRun.objects.filter(enrolment__lead=lead, result__in=done).exists()


@transaction.atomic
def keep_warm(lead: Lead, *, by: User | None, at: datetime.datetime) -> None:
    """Interested, but not a lead for sales yet: marketing keeps in touch."""
    require(by, access.QUALIFY_LEADS, _("Only marketing keeps leads warm."))
    lead = lock(lead)
    lead.criteria_set = lead.criteria_set or CriteriaSet.objects.in_force(at, lead.product)
    if lead.criteria_set is not None:
        criteria.record(lead, criteria.judge(lead, at=at), by=by, at=at)
    lead.proposed_at = None  # whoever keeps it warm has judged it; what is learned from now on may propose it
    move(lead, Stage.WARM, Kind.WARM, by=by, at=at)


@transaction.atomic
def hand_over(lead: Lead, *, by: User | None, at: datetime.datetime, to: User | None = None, note: str = "") -> Handoff:
    """Pass an MQL to sales and start both clocks. Without `to`, the routing rules say who gets it."""
    require(by, access.HAND_OVER_LEADS, _("Only marketing hands leads over."))
    lead = lock(lead)
    require_way(lead, Stage.HANDED_OVER)
    routed = routing.route(lead, at=at) if to is None else _as_chosen(to, by)
    return _pass_on(lead, routed, of_lead(lead), by=by, at=at, note=note)


@transaction.atomic
def hand_over_many(
    leads: Iterable[Lead], *, by: User | None, at: datetime.datetime, to: User | None = None, note: str = ""
) -> list[tuple[Lead, Handoff | TransitionError]]:
    """As `hand_over` for each of `leads`, in their order, routed together: each with its handoff, or with why not.

    Raises NotAllowed, and TransitionError where there is nobody to hand them to.
    """
    require(by, access.HAND_OVER_LEADS, _("Only marketing hands leads over."))
    wanted = list(leads)
    locked = {lead.pk: lead for lead in lock_all(wanted)}
    done: dict[int, Handoff | TransitionError] = {}
    ready: list[Lead] = []
    for lead in wanted:
        try:
            require_way(locked[lead.pk], Stage.HANDED_OVER)
            ready.append(locked[lead.pk])
        except TransitionError as refusal:
            done[lead.pk] = refusal
    routes = routing.route_many(ready, at=at) if to is None else [_as_chosen(to, by)] * len(ready)
    known = of_leads(ready)
    for lead, routed in zip(ready, routes, strict=True):
        done[lead.pk] = _pass_on(lead, routed, known[lead.pk], by=by, at=at, note=note)
    return [(lead, done[lead.pk]) for lead in wanted]


def _as_chosen(rep: User, by: User | None) -> routing.Routed:
    return routing.Routed(rep, None, "chosen", routing.by_hand("chosen", by))


def open_handoff(
    lead: Lead,
    routed: routing.Routed,
    known: Known,
    kind: LeadEvent.Kind,
    *,
    by: User | None,
    handed_over_by: User | None,
    at: datetime.datetime,
    note: str,
    told: dict[str, Any],
) -> Handoff:
    """Move a locked lead to sales by a step of `kind`, whose event tells `told`, and start both clocks."""
    rep = routed.rep
    if rep is None:
        raise TransitionError(_("There is no active sales rep to hand the lead to."))
    if not rep.is_active or rep.role not in access.SELL:
        raise TransitionError(_("%(rep)s doesn't work in sales.") % {"rep": rep})
    agreement, channel = Agreement.objects.in_force(at), lead.campaign.channel_id
    restart_cold_clock(lead, agreement, at)
    lead.known_at_handoff = known.as_json()
    move(lead, Stage.HANDED_OVER, kind, by=by, at=at, **told)
    return Handoff.objects.create(
        lead=lead,
        agreement=agreement,
        handed_over_by=handed_over_by,
        assigned_to=rep,
        assigned_how=routed.how,
        routing=routed.why,
        note=note,
        handed_over_at=at,
        first_contact_due_at=agreement.due_at(Clock.FIRST_CONTACT, at, channel=channel),
        verdict_due_at=agreement.due_at(Clock.VERDICT, at, channel=channel),
    )


def _pass_on(
    lead: Lead, routed: routing.Routed, known: Known, *, by: User | None, at: datetime.datetime, note: str
) -> Handoff:
    """Make the handoff of a locked lead to whom the rules, or a person, said."""
    told = {"rep": str(routed.rep), "how": routed.how, "note": note, "routing": routed.why}
    handoff = open_handoff(lead, routed, known, Kind.HANDED_OVER, by=by, handed_over_by=by, at=at, note=note, told=told)
    rep = handoff.assigned_to
    if rep != by:
        due_at = handoff.first_contact_due_at.isoformat()
        notify(
            Notification.Kind.HANDED_OVER,
            [rep],
            lead,
            at=at,
            **named(by),
            due_at=due_at,
            clock=Clock.FIRST_CONTACT,
            note=note,
        )
    return handoff


@transaction.atomic
def remove(lead: Lead, reason: Reason | None, *, by: User | None, at: datetime.datetime) -> None:
    """Take a lead out, with a reason. Nothing is deleted; `restore` brings it back."""
    require(by, access.REMOVE_LEADS, _("Only marketing or the director removes leads."))
    reason = require_reason(reason, Reason.Kind.REMOVAL)
    lead = lock(lead)
    if lead.stage not in REMOVABLE:
        raise TransitionError(
            _("The lead is now “%(stage)s”, so it can't be removed. %(who)s")
            % {"stage": Stage(lead.stage).label, "who": who_and_when(lead)}
        )
    if lead.stage == Stage.RETURNED:
        answer_by_step(lead, Stage.REMOVED, by=by, at=at)
    from_stage = lead.stage
    lead.stage, lead.stage_before_removal = Stage.REMOVED, from_stage
    lead.removed_at, lead.removal_reason = at, reason
    lead.save()
    LeadEvent.objects.record(
        lead, Kind.REMOVED, by=by, at=at, from_stage=from_stage, to_stage=Stage.REMOVED, reason=reason.text
    )


@transaction.atomic
def restore(lead: Lead, *, by: User | None, at: datetime.datetime) -> None:
    """Bring a removed lead back to where it stood."""
    require(by, access.REMOVE_LEADS, _("Only marketing or the director restores leads."))
    lead = lock(lead)
    if not lead.is_removed:
        raise TransitionError(_("The lead isn't removed. %(who)s") % {"who": who_and_when(lead)})
    lead.stage, lead.stage_before_removal = lead.stage_before_removal, ""
    lead.removed_at = lead.removal_reason = None
    lead.save()
    LeadEvent.objects.record(lead, Kind.RESTORED, by=by, at=at, from_stage=Stage.REMOVED, to_stage=lead.stage)
