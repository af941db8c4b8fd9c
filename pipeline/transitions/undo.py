"""Taking back one's own last step, as its toast offers."""

import datetime

from django.db import transaction
from django.db.models import Max, Min
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotYours
from accounts.models import User
from leads.models import Lead, LeadEvent, Stage
from leads.models.leads import WITH_SALES
from pipeline.models import Activity, Handoff, Notification
from pipeline.transitions.marketing import restore
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    lock,
    require,
    require_seller,
    restart_cold_clock,
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
    Kind.REFERRED,
    Kind.REMOVED,
    Kind.MOVED,
    Kind.WON,
    Kind.LOST,
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
    Kind.DATA_FAULT,
}


@transaction.atomic
def undo(event: LeadEvent, *, by: User | None, at: datetime.datetime) -> None:
    """Take back one's own last step on a lead, as its toast offers: nothing may have happened to the lead since."""
    lead = lock(event.lead)
    if by is not None and event.actor_id != by.pk:
        raise NotYours(_("Only who did it can undo it."))
    # What a step brought along by itself (a first contact moves the lead on) carries the same moment and actor.
    later = lead.events.filter(pk__gt=event.pk).exclude(kind__in=_BYSTANDERS)
    brought_along = later.filter(
        kind__in={Kind.IN_WORK, Kind.CONTACTED, Kind.ATTEMPT_PLANNED}, at=event.at, actor=event.actor_id
    )
    if event.kind not in UNDOABLE or later.exclude(pk__in=brought_along).exists():
        raise TransitionError(
            _("This can't be undone any more: the lead has moved on. %(who)s") % {"who": who_and_when(lead)}
        )
    if event.kind == Kind.REMOVED:
        restore(lead, by=by, at=at)
        return
    if event.kind == Kind.ACTIVITY:
        _undo_activity(lead, event)
    elif event.kind in {Kind.HANDED_OVER, Kind.ACCEPTED, Kind.RETURNED}:
        _undo_handoff_step(lead, event, by=by)
    elif event.kind == Kind.REFERRED:
        _undo_referral(lead, event, by=by)
    elif event.kind in {Kind.MOVED, Kind.WON, Kind.LOST}:
        _undo_selling_step(lead, event, by=by, at=at)
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
    _reckon_cold_clock(lead)
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
def undo_removals(event: LeadEvent, *, by: User | None, at: datetime.datetime) -> tuple[int, int]:
    """Take back a removal of several leads at once: all that the same person removed at the same moment.

    Returns how many came back, and how many were left as they are since something happened to them meanwhile.
    Raises NotAllowed, and NotYours for who didn't do it.
    """
    require(by, access.REMOVE_LEADS, _("Only marketing or the director restores leads."))
    if by is not None and event.actor_id != by.pk:
        raise NotYours(_("Only who did it can undo it."))
    together = LeadEvent.objects.filter(kind=Kind.REMOVED, at=event.at, actor=event.actor_id).order_by("lead")
    back = left = 0
    for each in together.select_related("lead"):
        try:
            undo(each, by=by, at=at)
            back += 1
        except TransitionError:
            left += 1
    return back, left


def _reckon_cold_clock(lead: Lead) -> None:
    """Start a lead's cold clock from its last contact, else from its handoff; stop it outside sales' hands."""
    handoff = lead.handoffs.select_related("agreement").order_by("-pk").first()
    if lead.stage not in WITH_SALES or handoff is None:
        lead.cold_at = None
        return
    since = max(handoff.handed_over_at, lead.last_contact_at or handoff.handed_over_at)
    restart_cold_clock(lead, handoff.agreement, since)


def _undo_activity(lead: Lead, event: LeadEvent) -> None:
    handoff = Handoff.objects.select_for_update(of=("self",)).pending().filter(lead=lead).first()
    lead.activities.filter(pk=event.data.get("activity_id")).delete()
    planned = event.data.get("planned")
    lead.next_attempt_at = parse_datetime(planned) if planned else None
    contacts = lead.activities.filter(outcome__in=Activity.CONTACT_OUTCOMES)
    lead.last_contact_at = contacts.aggregate(last=Max("at"))["last"]
    if handoff is not None:
        since = contacts.filter(at__gte=handoff.handed_over_at)
        handoff.first_contact_at = since.aggregate(first=Min("at"))["first"]
        handoff.save(update_fields=["first_contact_at", "updated_at"])


def _undo_referral(lead: Lead, event: LeadEvent, *, by: User | None) -> None:
    require(by, access.REFER_LEADS, _("Only marketing refers leads to partners."))
    if event.data.get("by_mail"):
        raise TransitionError(_("The partner was told by e-mail already, so this can't be undone."))
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
    handoff.verdict, handoff.decided_at, handoff.decided_by = Handoff.Verdict.PENDING, None, None
    handoff.reason, handoff.missing, handoff.not_asked, handoff.misread = None, "", "", ""
    handoff.save()


def _undo_selling_step(lead: Lead, event: LeadEvent, *, by: User | None, at: datetime.datetime) -> None:
    opportunity = lead.opportunities.select_for_update(of=("self",)).select_related("owner").order_by("-pk").first()
    if opportunity is None or opportunity.payments.exists():
        raise TransitionError(_("Payments are recorded already, so this can't be undone."))
    require_seller(by, opportunity.owner)
    arrived = Stage(event.to_stage)
    if (
        event.kind == Kind.MOVED
        and arrived != Stage.ACCEPTED
        and getattr(opportunity, arrived.reached_field) == event.at
    ):
        setattr(opportunity, arrived.reached_field, None)
    opportunity.won_at = opportunity.lost_at = opportunity.lost_reason = None
    opportunity.lost_note = ""
    opportunity.stage, opportunity.stage_at = event.from_stage, at
    opportunity.save()
