"""Taking back one's own last step, as its toast offers."""

import datetime

from django.db import transaction
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotYours
from accounts.models import Organisation, User
from integrations.models import OutboxMessage
from leads.demand import take_back_request
from leads.models import Lead, LeadEvent, Stage
from pipeline.models import Handoff, Notification, Opportunity
from pipeline.sla import Clock
from pipeline.transitions.answers import wait_again
from pipeline.transitions.contacts import reckon_contacts
from pipeline.transitions.marketing import restore
from pipeline.transitions.owners import tell_new_owner
from pipeline.transitions.recycling import take_back_answer
from pipeline.transitions.returns import take_back_decision
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    lock,
    reckon_cold_clock,
    require,
    require_seller,
    who_and_when,
)

# Steps that their own toast can take back, as long as nothing happened to the lead since.
UNDOABLE = {
    Kind.ACTIVITY,
    Kind.WARM,
    Kind.QUALIFIED,
    Kind.HANDED_OVER,
    Kind.ACCEPTED,
    Kind.RETURNED,
    Kind.RETURN_ANSWERED,
    Kind.DISPUTE_DECIDED,
    Kind.REFERRED,
    Kind.REMOVED,
    Kind.MOVED,
    Kind.WON,
    Kind.LOST,
    Kind.PAUSED,
    Kind.RECYCLING,
    Kind.RECYCLED,
    Kind.ASKED_FOR,
    Kind.DEMO,
    Kind.PROPOSAL,
    Kind.CONTRACT,
    Kind.REPEAT,
    Kind.REASSIGNED,  # of opportunities
}

# What the log adds beside a person's steps; none of it stands in the way of undoing one.
_BYSTANDERS = {
    Kind.NOTE,
    Kind.CRITERION,
    Kind.CONSENT,
    Kind.JUDGED,
    Kind.NURTURE,
    Kind.REMINDED,
    Kind.OVERDUE,
    Kind.ESCALATED,
    Kind.UNTOUCHED,
    Kind.COLD,
    Kind.POOLED,
    Kind.DATA_FAULT,
    Kind.RECYCLING,
    Kind.CONTENT_REQUESTED,
    Kind.CONTENT_USED,
}


@transaction.atomic
def undo(event: LeadEvent, *, by: User | None, at: datetime.datetime) -> None:
    """Take back one's own last step on a lead, as its toast offers: nothing may have happened to the lead since."""
    lead = lock(event.lead)
    if by is not None and event.actor_id != by.pk:
        raise NotYours(_("Only who did it can undo it."))
    # What a step brought along by itself (a first contact moves the lead on) carries the same moment and actor.
    later = lead.events.filter(pk__gt=event.pk).exclude(kind__in=_BYSTANDERS)
    later = later.exclude(kind=Kind.UNDONE, data__what__in=_BYSTANDERS)
    later = later.exclude(pk__in=[edit.pk for edit in later.filter(kind=Kind.EDITED) if _plans_a_step(edit)])
    brought_along = later.filter(
        kind__in={Kind.IN_WORK, Kind.CONTACTED, Kind.ATTEMPT_PLANNED}, at=event.at, actor=event.actor_id
    )
    if event.kind not in UNDOABLE or later.exclude(pk__in=brought_along).exists():
        raise TransitionError(
            _("This can't be undone any more: the lead has moved on. %(who)s") % {"who": who_and_when(lead)}
        )
    if event.kind == Kind.REMOVED:
        restore(lead, by=by, at=at)
        wait_again(lead, by=event.actor, at=event.at)
        return
    if event.kind == Kind.ACTIVITY:
        _undo_activity(lead, event, at=at)
    elif event.kind in {Kind.HANDED_OVER, Kind.ACCEPTED, Kind.RETURNED}:
        _undo_handoff_step(lead, event, by=by)
    elif event.kind == Kind.PAUSED:
        _undo_pause(lead, event, by=by, at=at)
    elif event.kind == Kind.DISPUTE_DECIDED:
        take_back_decision(lead, event, by=by)
    elif event.kind == Kind.REFERRED:
        _undo_referral(lead, event, by=by)
    elif event.kind in {Kind.MOVED, Kind.WON, Kind.LOST}:
        _undo_selling_step(lead, event, by=by, at=at)
    elif event.kind in {Kind.RECYCLED, Kind.RECYCLING}:
        take_back_answer(lead, event)
    elif event.kind in {Kind.ASKED_FOR, Kind.DEMO, Kind.PROPOSAL, Kind.CONTRACT}:
        _undo_date(lead, event, by=by)
    elif event.kind == Kind.REASSIGNED:
        _undo_owner(lead, event, by=by, at=at)
    elif event.kind == Kind.REPEAT:
        _deal_of(lead, event, by=by).delete()
    else:
        require(by, access.QUALIFY_LEADS, _("Only marketing does that."))
    moved = event if event.to_stage else brought_along.exclude(to_stage="").first()
    if moved is not None:
        if moved.kind == Kind.CONTACTED and lead.contacted_at == moved.at:
            lead.contacted_at = lead.response_seconds = None
        reached = Stage(moved.to_stage).reached_field
        if getattr(lead, reached) == moved.at:
            setattr(lead, reached, None)
        if event.kind == Kind.QUALIFIED and lead.nurtured_at == moved.at:
            lead.nurtured_at = None
        lead.stage = moved.from_stage
    wait_again(lead, by=event.actor, at=event.at)
    reckon_cold_clock(lead)
    lead.save()
    LeadEvent.objects.record(
        lead,
        Kind.UNDONE,
        by=by,
        at=at,
        from_stage=moved.to_stage if moved else "",
        to_stage=moved.from_stage if moved else "",
        undone=event.pk,
        what=event.kind,
    )


@transaction.atomic
def undo_together(event: LeadEvent, *, by: User | None, at: datetime.datetime) -> tuple[int, int]:
    """Take back one step of several leads at once: all of the kind that the same person took at the same moment.

    Returns how many came back, and how many were left as they are since something happened to them meanwhile.
    Raises NotAllowed, and NotYours for who didn't do it.
    """
    if event.kind == Kind.REMOVED:
        require(by, access.REMOVE_LEADS, _("Only marketing or the director restores leads."))
    if by is not None and event.actor_id != by.pk:
        raise NotYours(_("Only who did it can undo it."))
    together = LeadEvent.objects.filter(kind=event.kind, at=event.at, actor=event.actor_id).order_by("lead")
    back = left = 0
    for each in together.select_related("lead"):
        try:
            undo(each, by=by, at=at)
            back += 1
        except TransitionError:
            left += 1
    return back, left


def _undo_activity(lead: Lead, event: LeadEvent, *, at: datetime.datetime) -> None:
    handoff = Handoff.objects.select_for_update(of=("self",)).pending().filter(lead=lead).first()
    activity = lead.activities.filter(pk=event.data.get("activity_id")).first()
    if activity is not None and activity.message_id is not None:
        if not OutboxMessage.objects.filter(pk=activity.message_id).take_back(at=at):
            raise TransitionError(_("The e-mail has left already, so this can't be undone."))
    lead.activities.filter(pk=event.data.get("activity_id")).delete()
    planned = event.data.get("planned")
    lead.next_attempt_at = parse_datetime(planned) if planned else None
    reckon_contacts(lead, handoff, lost_at=event.at)


def _undo_pause(lead: Lead, event: LeadEvent, *, by: User | None, at: datetime.datetime) -> None:
    handoff = (
        Handoff.objects.select_for_update(of=("self",))
        .pending()
        .select_related("assigned_to")
        .filter(lead=lead)
        .first()
    )
    pause = handoff.pauses.filter(pk=event.data.get("pause")).first() if handoff else None
    if handoff is None or pause is None or not handoff.is_paused(at):
        raise TransitionError(_("The pause is over already."))
    require_seller(by, handoff.assigned_to)
    for clock, told in event.data["alerts"].items():
        setattr(handoff, f"{clock}_due_at", pause.due_before(Clock(clock)))
        setattr(handoff, f"{clock}_alert", told)
    handoff.paused_until = None
    handoff.save()
    pause.delete()


def _undo_referral(lead: Lead, event: LeadEvent, *, by: User | None) -> None:
    if event.data.get("by_mail"):
        raise TransitionError(_("The partner was told by e-mail already, so this can't be undone."))
    if not take_back_answer(lead, event):
        require(by, access.REFER_LEADS, _("Only marketing refers leads to partners."))
    lead.referrals.open().delete()


def _undo_handoff_step(lead: Lead, event: LeadEvent, *, by: User | None) -> None:
    handoff = (
        Handoff.objects.select_for_update(of=("self",))
        .select_related("assigned_to")
        .filter(lead=lead)
        .order_by("-pk")
        .first()
    )
    if handoff is None:
        raise TransitionError(_("This can't be undone: its handoff is not known."))
    # Whoever was told of the step and hasn't read it yet needn't be.
    Notification.objects.filter(lead=lead, created_at=event.at).unread().delete()
    if event.kind == Kind.HANDED_OVER:
        require(by, access.HAND_OVER_LEADS, _("Only marketing hands leads over."))
        handoff.delete()
        return
    require_seller(by, handoff.assigned_to)
    if event.kind == Kind.ACCEPTED:
        lead.opportunities.filter(opened_at=event.at).delete()
    if event.kind == Kind.RETURNED:
        handoff.feedback.all().delete()
        take_back_request(lead, by=event.actor, at=event.at)
    handoff.reopen()
    handoff.save()


def _deal_of(lead: Lead, event: LeadEvent, *, by: User | None) -> Opportunity:
    """The opportunity that an event is about; what was written before events said so is about the lead's own."""
    deals = lead.opportunities.select_for_update(of=("self",)).select_related("owner")
    named = event.data.get("opportunity")
    found = deals.filter(pk=named) if named else deals.filter(repeats__isnull=True)
    opportunity = found.order_by("-pk").first()
    if opportunity is None:
        raise TransitionError(_("This can't be undone: its opportunity is not there any more."))
    require_seller(by, opportunity.owner)
    return opportunity


def _undo_owner(lead: Lead, event: LeadEvent, *, by: User | None, at: datetime.datetime) -> None:
    """Back to whom had it, also one who has left since; both hear of it."""
    if "owner_before" not in event.data:  # of a handoff, whose clocks may have been started again
        raise TransitionError(_("This can't be undone."))
    require(by, access.REASSIGN_OPPORTUNITIES, _("Only a sales manager or the director gives opportunities to others."))
    opportunity = _deal_of(lead, event, by=by)
    now, before = opportunity.owner, User.objects.get(pk=event.data["owner_before"])
    if now.pk != event.data["owner_now"] or not opportunity.is_open:
        raise TransitionError(
            _("This can't be undone any more: the lead has moved on. %(who)s") % {"who": who_and_when(lead)}
        )
    opportunity.owner = before
    opportunity.save(update_fields=["owner", "updated_at"])
    tell_new_owner(opportunity, now, by=by, at=at)


def _undo_selling_step(lead: Lead, event: LeadEvent, *, by: User | None, at: datetime.datetime) -> None:
    opportunity = _deal_of(lead, event, by=by)
    if opportunity.payments.valid().exists():
        raise TransitionError(_("Payments are recorded already, so this can't be undone."))
    arrived = Stage(event.to_stage or event.data["after"])
    if (
        event.kind == Kind.MOVED
        and arrived != Stage.ACCEPTED
        and getattr(opportunity, arrived.reached_field) == event.at
    ):
        setattr(opportunity, arrived.reached_field, None)
        opportunity.reckon_speeds(Organisation.current())
    opportunity.won_at = opportunity.lost_at = opportunity.lost_reason = None
    opportunity.lost_note = ""
    _take_back_step(opportunity, event)
    since = parse_datetime(event.data.get("since", ""))  # older events don't say
    opportunity.stage, opportunity.stage_at = event.from_stage or event.data["before"], since or at
    opportunity.save()


def _undo_date(lead: Lead, event: LeadEvent, *, by: User | None) -> None:
    if "when" not in event.data:  # an import's event of that name comes with a stage, and nobody's step
        raise TransitionError(_("This can't be undone."))
    opportunity = _deal_of(lead, event, by=by)
    field = f"{Stage(event.data['what'])}{'_asked' if event.kind == Kind.ASKED_FOR else ''}_at"
    before = event.data.get("before")
    setattr(opportunity, field, parse_datetime(before) if before else None)
    opportunity.reckon_speeds(Organisation.current())
    opportunity.save()


def _take_back_step(opportunity: Opportunity, event: LeadEvent) -> None:
    """The next step as it was before `event` changed it, unless somebody planned another one since."""
    before, after = event.data.get("next_step_before"), event.data.get("next_step")
    now = [opportunity.next_step, str(opportunity.next_step_on or "")]
    if before and now == after:
        opportunity.next_step, opportunity.next_step_on = before[0], parse_date(before[1]) if before[1] else None


def _plans_a_step(event: LeadEvent) -> bool:
    """True for an edit of the next step alone, which a page asks for right after a move: it moves nothing on."""
    fields = set(event.data.get("fields") or [])
    return event.kind == Kind.EDITED and bool(fields) and fields <= {"next_step", "next_step_on"}
