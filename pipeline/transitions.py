"""Every step of the funnel: one function each, called by web, API, import and tasks alike.

Each function takes one object and the keywords `by` (None = the system) and `at` (rules never read the clock). It checks
who may, locks the row, checks from where, writes, and appends the event, in one transaction. Who may not raises
`NotAllowed`; what can't be done now raises `TransitionError`; both carry a text for the person.
"""

import datetime
import uuid
from decimal import Decimal
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed, NotYours
from accounts.models import Organisation, Role, User
from leads import criteria
from leads.models import Lead, LeadEvent, Reason, Stage
from leads.models.leads import SELLING, WITH_MARKETING, WITH_SALES
from pipeline.assignment import next_rep
from pipeline.models import Activity, Agreement, Handoff, Notification, Opportunity, Payment
from pipeline.notify import notify
from pipeline.sla import Clock

Kind = LeadEvent.Kind
Row = TypeVar("Row")


class TransitionError(Exception):
    """The step can't be taken from where the lead stands now; the text says why, and who changed it where that is known."""


# From which stages each stage may be reached. Removal and restoring are apart: see REMOVABLE.
MOVES: dict[Stage, set[Stage]] = {
    Stage.CONTACTED: {Stage.NEW},
    Stage.BRIEFED: {Stage.NEW, Stage.CONTACTED, Stage.WARM, Stage.RETURNED},
    Stage.WARM: {Stage.NEW, Stage.CONTACTED, Stage.BRIEFED, Stage.QUALIFIED, Stage.RETURNED},
    Stage.QUALIFIED: {Stage.NEW, Stage.CONTACTED, Stage.BRIEFED, Stage.WARM, Stage.RETURNED},
    Stage.HANDED_OVER: {Stage.QUALIFIED},
    Stage.IN_WORK: {Stage.HANDED_OVER},
    Stage.RETURNED: {Stage.HANDED_OVER, Stage.IN_WORK},
    Stage.ACCEPTED: {Stage.IN_WORK, Stage.DEMO, Stage.PROPOSAL, Stage.CONTRACT},
    Stage.DEMO: {Stage.ACCEPTED, Stage.PROPOSAL, Stage.CONTRACT},
    Stage.PROPOSAL: {Stage.ACCEPTED, Stage.DEMO, Stage.CONTRACT},
    Stage.CONTRACT: {Stage.ACCEPTED, Stage.DEMO, Stage.PROPOSAL},
    Stage.WON: set(SELLING),
    Stage.LOST: set(SELLING),
}

# Marketing removes what is in its own hands; what sales has, sales returns first.
REMOVABLE = set(WITH_MARKETING)

# Steps that their own toast can take back, as long as nothing happened to the lead since.
UNDOABLE = {
    Kind.ACTIVITY,
    Kind.WARM,
    Kind.QUALIFIED,
    Kind.HANDED_OVER,
    Kind.ACCEPTED,
    Kind.RETURNED,
    Kind.REMOVED,
    Kind.MOVED,
    Kind.WON,
    Kind.LOST,
}


# What the log adds beside a person's steps; none of it stands in the way of undoing one.
_BYSTANDERS = {Kind.NOTE, Kind.CRITERION, Kind.REMINDED, Kind.OVERDUE, Kind.ESCALATED, Kind.COLD, Kind.DATA_FAULT}


def _require(by: User | None, allowed: set[Role], otherwise: str) -> None:
    if not access.may(by, allowed):
        raise NotAllowed(otherwise)


def _require_seller(by: User | None, rep: User) -> None:
    _require(by, access.SELL, _("Only sales does that."))
    if not access.can_sell_for(by, rep):
        raise NotYours(
            _("This belongs to %(rep)s. Only they, their manager or the director may do that.") % {"rep": rep}
        )


def _require_reason(reason: Reason | None, kind: Reason.Kind) -> Reason:
    if reason is None or reason.kind != kind:
        raise TransitionError(_("Please choose a reason."))
    return reason


def _named(by: User | None) -> dict[str, Any]:
    """Who did it, for the words of a notification; nothing when the system did."""
    return {"actor": str(by)} if by else {}


def _lock(lead: Lead) -> Lead:
    """The lead as it is now, nobody else's to change until the transaction ends."""
    return Lead.objects.select_for_update(of=("self",)).select_related("contact", "owner").get(pk=lead.pk)


def _still_there(row: Row | None, lead: Lead) -> Row:
    """What was locked. An undo takes away the handoff or opportunity that its step made, perhaps a moment ago."""
    if row is None:
        raise TransitionError(_("This step was undone meanwhile. %(who)s") % {"who": _who_and_when(lead)})
    return row


def _exactly(moment: datetime.datetime) -> str:
    """A moment in the reader's time zone and language."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def _who_and_when(lead: Lead) -> str:
    """“Sam did that (3 March, 14:05).” for the last change of stage."""
    event = lead.events.exclude(to_stage="").select_related("actor").order_by("-id").first()
    if event is None:
        return ""
    who = str(event.actor) if event.actor else _("the system")
    return _("%(who)s did that (%(when)s).") % {"who": who, "when": _exactly(event.at)}


def _move(
    lead: Lead, to: Stage, kind: LeadEvent.Kind, *, by: User | None, at: datetime.datetime, **data: object
) -> None:
    """Write the stage of a locked lead: the only place where that happens on the road forward."""
    if lead.stage not in MOVES[to]:
        raise TransitionError(
            _("The lead is now “%(stage)s”, so this step isn't possible. %(who)s")
            % {"stage": Stage(lead.stage).label, "who": _who_and_when(lead)}
        )
    from_stage, lead.stage = lead.stage, to
    if getattr(lead, to.reached_field) is None:
        setattr(lead, to.reached_field, at)
    lead.save()
    LeadEvent.objects.record(lead, kind, by=by, at=at, from_stage=from_stage, to_stage=to, **data)


def _restart_cold_clock(lead: Lead, agreement: Agreement, at: datetime.datetime) -> None:
    lead.cold_at = at + datetime.timedelta(days=agreement.cold_days)
    lead.cold_flagged_at = None


# --- Marketing -------------------------------------------------------------------------------------------------------


@transaction.atomic
def record_brief(lead: Lead, brief: str, *, by: User | None, at: datetime.datetime) -> None:
    """Keep what the client needs; the first brief moves an unqualified lead to “briefed”."""
    _require(by, access.QUALIFY_LEADS, _("Only marketing fills in the brief."))
    lead = _lock(lead)
    if not brief.strip():
        raise TransitionError(_("The brief is empty."))
    lead.brief = brief
    if lead.stage in MOVES[Stage.BRIEFED]:
        _move(lead, Stage.BRIEFED, Kind.BRIEFED, by=by, at=at)
        return
    if lead.is_removed:
        raise TransitionError(_("The lead is removed. Restore it first."))
    lead.save()
    LeadEvent.objects.record(lead, Kind.EDITED, by=by, at=at, fields=["brief"])


@transaction.atomic
def qualify(lead: Lead, *, by: User | None, at: datetime.datetime) -> None:
    """The lead meets the criteria in force: it becomes an MQL and remembers that version."""
    _require(by, access.QUALIFY_LEADS, _("Only marketing qualifies leads."))
    lead = _lock(lead)
    in_force = criteria.CriteriaSet.objects.in_force(at)
    if in_force is None:
        raise TransitionError(_("No criteria are in force, so nothing can be qualified. The director sets them."))
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
    _move(lead, Stage.QUALIFIED, Kind.QUALIFIED, by=by, at=at, criteria_version=in_force.version)


@transaction.atomic
def keep_warm(lead: Lead, *, by: User | None, at: datetime.datetime) -> None:
    """Interested, but not a lead for sales yet: marketing keeps in touch."""
    _require(by, access.QUALIFY_LEADS, _("Only marketing keeps leads warm."))
    lead = _lock(lead)
    lead.criteria_set = lead.criteria_set or criteria.CriteriaSet.objects.in_force(at)
    _move(lead, Stage.WARM, Kind.WARM, by=by, at=at)


@transaction.atomic
def hand_over(lead: Lead, *, by: User | None, at: datetime.datetime, to: User | None = None, note: str = "") -> Handoff:
    """Pass an MQL to sales and start both clocks. Without `to`, the rep who has waited longest gets it."""
    _require(by, access.HAND_OVER_LEADS, _("Only marketing hands leads over."))
    lead = _lock(lead)
    how = "chosen" if to else "round_robin"
    rep = to or next_rep()
    if rep is None:
        raise TransitionError(_("There is no active sales rep to hand the lead to."))
    if not rep.is_active or rep.role not in access.SELL:
        raise TransitionError(_("%(rep)s doesn't work in sales.") % {"rep": rep})
    agreement = Agreement.objects.in_force(at)
    _restart_cold_clock(lead, agreement, at)
    _move(lead, Stage.HANDED_OVER, Kind.HANDED_OVER, by=by, at=at, rep=str(rep), how=how, note=note)
    handoff = Handoff.objects.create(
        lead=lead,
        agreement=agreement,
        handed_over_by=by,
        assigned_to=rep,
        assigned_how=how,
        note=note,
        handed_over_at=at,
        first_contact_due_at=agreement.due_at(Clock.FIRST_CONTACT, at),
        verdict_due_at=agreement.due_at(Clock.VERDICT, at),
    )
    if rep != by:
        due_at = handoff.first_contact_due_at.isoformat()
        notify(
            Notification.Kind.HANDED_OVER,
            [rep],
            lead,
            at=at,
            **_named(by),
            due_at=due_at,
            clock=Clock.FIRST_CONTACT,
            note=note,
        )
    return handoff


@transaction.atomic
def remove(lead: Lead, reason: Reason | None, *, by: User | None, at: datetime.datetime) -> None:
    """Take a lead out, with a reason. Nothing is deleted; `restore` brings it back."""
    _require(by, access.REMOVE_LEADS, _("Only marketing or the director removes leads."))
    reason = _require_reason(reason, Reason.Kind.REMOVAL)
    lead = _lock(lead)
    if lead.stage not in REMOVABLE:
        raise TransitionError(
            _("The lead is now “%(stage)s”, so it can't be removed. %(who)s")
            % {"stage": Stage(lead.stage).label, "who": _who_and_when(lead)}
        )
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
    _require(by, access.REMOVE_LEADS, _("Only marketing or the director restores leads."))
    lead = _lock(lead)
    if not lead.is_removed:
        raise TransitionError(_("The lead isn't removed. %(who)s") % {"who": _who_and_when(lead)})
    lead.stage, lead.stage_before_removal = lead.stage_before_removal, ""
    lead.removed_at = lead.removal_reason = None
    lead.save()
    LeadEvent.objects.record(lead, Kind.RESTORED, by=by, at=at, from_stage=Stage.REMOVED, to_stage=lead.stage)


# --- Both sides ------------------------------------------------------------------------------------------------------


@transaction.atomic
def log_activity(
    lead: Lead,
    kind: Activity.Kind,
    outcome: Activity.Outcome,
    *,
    by: User | None,
    at: datetime.datetime,
    note: str = "",
    submission_key: uuid.UUID | None = None,
) -> Activity:
    """Record a call, mail, meeting or demo. The first real contact moves the lead on and stops clock one.

    By sales' side it counts for the pending handoff, by marketing's for a new lead. An unanswered call is an attempt,
    not a contact. A repeated `submission_key` returns the activity recorded before.
    """
    if outcome not in Activity.OUTCOMES[Activity.Kind(kind)]:
        raise TransitionError(_("That can't come of it. Please choose another outcome."))
    lead = _lock(lead)
    if submission_key and (done := Activity.objects.filter(submission_key=submission_key).first()):
        if done.lead_id != lead.pk:
            raise TransitionError(_("This form was sent for something else already. Please reload the page."))
        return done
    if lead.is_removed:
        raise TransitionError(_("The lead is removed. Restore it first."))
    handoff = (
        Handoff.objects.select_for_update(of=("self",))
        .pending()
        .select_related("assigned_to", "agreement")
        .filter(lead=lead)
        .first()
    )
    rep = handoff.assigned_to if handoff else None
    if rep is None and lead.stage in {*SELLING, Stage.WON, Stage.LOST}:
        opportunity = lead.opportunities.select_related("owner").order_by("-pk").first()
        rep = opportunity.owner if opportunity else None
    if rep is not None:
        _require_seller(by, rep)
    else:
        _require(by, access.QUALIFY_LEADS, _("This lead is with marketing; only marketing records contacts with it."))

    activity = Activity.objects.create(
        lead=lead, kind=kind, outcome=outcome, note=note, at=at, by=by, submission_key=submission_key
    )
    LeadEvent.objects.record(
        lead, Kind.ACTIVITY, by=by, at=at, activity=kind, outcome=outcome, note=note, activity_id=activity.pk
    )
    if activity.is_contact:
        if lead.last_contact_at is None or lead.last_contact_at < at:
            lead.last_contact_at = at
        if lead.stage in WITH_SALES:
            _restart_cold_clock(lead, handoff.agreement if handoff else Agreement.objects.in_force(at), at)
        if handoff and handoff.first_contact_at is None:
            handoff.first_contact_at = at
            handoff.save(update_fields=["first_contact_at", "updated_at"])
        if lead.stage == Stage.HANDED_OVER:
            _move(lead, Stage.IN_WORK, Kind.IN_WORK, by=by, at=at)
        elif lead.stage == Stage.NEW:
            _move(lead, Stage.CONTACTED, Kind.CONTACTED, by=by, at=at)
    lead.save()
    return activity


@transaction.atomic
def undo(event: LeadEvent, *, by: User | None, at: datetime.datetime) -> None:
    """Take back one's own last step on a lead, as its toast offers: nothing may have happened to the lead since."""
    lead = _lock(event.lead)
    if by is not None and event.actor_id != by.pk:
        raise NotYours(_("Only who did it can undo it."))
    # What a step brought along by itself (a first contact moves the lead on) carries the same moment and actor.
    later = lead.events.filter(pk__gt=event.pk).exclude(kind__in=_BYSTANDERS)
    brought_along = later.filter(kind__in={Kind.IN_WORK, Kind.CONTACTED}, at=event.at, actor=event.actor_id)
    if event.kind not in UNDOABLE or later.exclude(pk__in=brought_along).exists():
        raise TransitionError(
            _("This can't be undone any more: the lead has moved on. %(who)s") % {"who": _who_and_when(lead)}
        )
    if event.kind == Kind.REMOVED:
        restore(lead, by=by, at=at)
        return
    if event.kind == Kind.ACTIVITY:
        _undo_activity(lead, event)
    elif event.kind in {Kind.HANDED_OVER, Kind.ACCEPTED, Kind.RETURNED}:
        _undo_handoff_step(lead, event, by=by)
    elif event.kind in {Kind.MOVED, Kind.WON, Kind.LOST}:
        _undo_selling_step(lead, event, by=by, at=at)
    else:
        _require(by, access.QUALIFY_LEADS, _("Only marketing does that."))
    moved = event if event.to_stage else brought_along.first()
    if moved is not None:
        reached = Stage(moved.to_stage).reached_field
        if getattr(lead, reached) == moved.at:
            setattr(lead, reached, None)
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


def _reckon_cold_clock(lead: Lead) -> None:
    """Start a lead's cold clock from its last contact, else from its handoff; stop it outside sales' hands."""
    handoff = lead.handoffs.select_related("agreement").order_by("-pk").first()
    if lead.stage not in WITH_SALES or handoff is None:
        lead.cold_at = None
        return
    since = max(handoff.handed_over_at, lead.last_contact_at or handoff.handed_over_at)
    _restart_cold_clock(lead, handoff.agreement, since)


def _undo_activity(lead: Lead, event: LeadEvent) -> None:
    handoff = Handoff.objects.select_for_update(of=("self",)).pending().filter(lead=lead).first()
    lead.activities.filter(pk=event.data.get("activity_id")).delete()
    contacts = lead.activities.filter(outcome__in=Activity.CONTACT_OUTCOMES)
    lead.last_contact_at = contacts.aggregate(last=Max("at"))["last"]
    if handoff is not None:
        since = contacts.filter(at__gte=handoff.handed_over_at)
        handoff.first_contact_at = since.aggregate(first=Min("at"))["first"]
        handoff.save(update_fields=["first_contact_at", "updated_at"])


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
        _require(by, access.HAND_OVER_LEADS, _("Only marketing hands leads over."))
        handoff.delete()
        return
    _require_seller(by, handoff.assigned_to)
    if event.kind == Kind.ACCEPTED:
        lead.opportunities.filter(opened_at=event.at).delete()
    handoff.verdict, handoff.decided_at, handoff.decided_by = Handoff.Verdict.PENDING, None, None
    handoff.reason, handoff.missing, handoff.not_asked, handoff.misread = None, "", "", ""
    handoff.save()


def _undo_selling_step(lead: Lead, event: LeadEvent, *, by: User | None, at: datetime.datetime) -> None:
    opportunity = lead.opportunities.select_for_update(of=("self",)).select_related("owner").order_by("-pk").first()
    if opportunity is None or opportunity.payments.exists():
        raise TransitionError(_("Payments are recorded already, so this can't be undone."))
    _require_seller(by, opportunity.owner)
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


# --- Sales: the verdict ----------------------------------------------------------------------------------------------


def _lock_pending(seen: Handoff) -> tuple[Handoff, Lead]:
    lead = _lock(seen.lead)
    handoffs = Handoff.objects.select_for_update(of=("self",)).select_related(
        "assigned_to", "decided_by", "agreement", "handed_over_by"
    )
    handoff = _still_there(handoffs.filter(pk=seen.pk).first(), lead)
    if not handoff.is_pending:
        who = str(handoff.decided_by) if handoff.decided_by else _("the system")
        when = _exactly(handoff.decided_at or handoff.updated_at)
        text = (
            _("%(who)s already accepted this lead (%(when)s).")
            if handoff.verdict == Handoff.Verdict.ACCEPTED
            else _("%(who)s already rejected this lead (%(when)s).")
        )
        raise TransitionError(text % {"who": who, "when": when})
    return handoff, lead


@transaction.atomic
def reassign(handoff: Handoff, to: User, *, by: User | None, at: datetime.datetime) -> None:
    """Give a pending handoff to another rep. The clocks go on: the client has been waiting all the same."""
    _require(by, access.REASSIGN_HANDOFFS, _("Only a sales manager or the director reassigns leads."))
    handoff, lead = _lock_pending(handoff)
    _require_seller(by, handoff.assigned_to)
    if not to.is_active or to.role not in access.SELL:
        raise TransitionError(_("%(rep)s doesn't work in sales.") % {"rep": to})
    if not access.can_sell_for(by, to):
        raise NotAllowed(_("%(rep)s isn't in your team.") % {"rep": to})
    if to.pk == handoff.assigned_to_id:
        return
    before, handoff.assigned_to, handoff.assigned_how = handoff.assigned_to, to, "reassigned"
    handoff.save(update_fields=["assigned_to", "assigned_how", "updated_at"])
    lead.save(update_fields=["updated_at"])
    LeadEvent.objects.record(lead, Kind.REASSIGNED, by=by, at=at, rep=str(to), before=str(before))
    if to != by:
        clock = Clock.VERDICT if handoff.first_contact_at else Clock.FIRST_CONTACT
        due_at = getattr(handoff, f"{clock}_due_at").isoformat()
        notify(
            Notification.Kind.REASSIGNED, [to], lead, at=at, **_named(by), due_at=due_at, clock=clock, note=handoff.note
        )


@transaction.atomic
def accept(handoff: Handoff, *, by: User | None, at: datetime.datetime) -> Opportunity:
    """Sales takes the lead: it becomes a SAL, and an opportunity opens for its rep.

    Raises NotAllowed for anybody but the rep, their manager or the director; TransitionError when the handoff is
    decided already, or when no contact with the client is recorded yet.
    """
    handoff, lead = _lock_pending(handoff)
    _require_seller(by, handoff.assigned_to)
    if handoff.first_contact_at is None:
        raise TransitionError(_("Record your first contact with the client before you accept the lead."))
    handoff.verdict, handoff.decided_at, handoff.decided_by = Handoff.Verdict.ACCEPTED, at, by
    handoff.save()
    _move(lead, Stage.ACCEPTED, Kind.ACCEPTED, by=by, at=at)
    opportunity = Opportunity.objects.create(
        lead=lead, owner=handoff.assigned_to, product=lead.product, opened_at=at, stage_at=at
    )
    notify(Notification.Kind.ACCEPTED, [handoff.handed_over_by], lead, at=at, **_named(by))
    return opportunity


def recorded_attempts(handoff: Handoff) -> int:
    """On how many different days (of the organisation) sales tried to reach the client since the handoff."""
    zone = Organisation.current().tzinfo
    made = Activity.objects.filter(lead_id=handoff.lead_id, at__gte=handoff.handed_over_at).values_list("at", flat=True)
    return len({at.astimezone(zone).date() for at in made})


@transaction.atomic
def reject(
    handoff: Handoff,
    reason: Reason | None,
    *,
    by: User | None,
    at: datetime.datetime,
    missing: str = "",
    not_asked: str = "",
    misread: str = "",
) -> None:
    """Sales returns the lead to marketing with a reason and what marketing can learn from it.

    A reason that needs attempts (“unreachable”) is taken only after the agreed number on different days.
    """
    reason = _require_reason(reason, Reason.Kind.REJECTION)
    handoff, lead = _lock_pending(handoff)
    _require_seller(by, handoff.assigned_to)
    needed, made = handoff.agreement.unreachable_attempts, recorded_attempts(handoff)
    if reason.needs_attempts and made < needed:
        raise TransitionError(
            _("“%(reason)s” needs attempts on %(needed)s different days; %(made)s recorded so far.")
            % {"reason": reason, "needed": needed, "made": made}
        )
    if not reason.needs_attempts and not (missing.strip() or not_asked.strip() or misread.strip()):
        raise TransitionError(_("Say at least one: what was missing, not asked, or misread. Marketing learns from it."))
    handoff.verdict, handoff.decided_at, handoff.decided_by = Handoff.Verdict.REJECTED, at, by
    handoff.reason, handoff.missing, handoff.not_asked, handoff.misread = reason, missing, not_asked, misread
    handoff.save()
    lead.cold_at = None
    _move(
        lead,
        Stage.RETURNED,
        Kind.RETURNED,
        by=by,
        at=at,
        reason=reason.text,
        missing=missing,
        not_asked=not_asked,
        misread=misread,
    )
    feedback = " · ".join(text.strip() for text in (missing, not_asked, misread) if text.strip())
    told = [handoff.handed_over_by, lead.owner]
    notify(Notification.Kind.RETURNED, told, lead, at=at, **_named(by), reason=reason.text, note=feedback)


# --- Sales: selling --------------------------------------------------------------------------------------------------


def _lock_open(seen: Opportunity, *, by: User | None) -> tuple[Opportunity, Lead]:
    lead = _lock(seen.lead)
    opportunities = Opportunity.objects.select_for_update(of=("self",)).select_related("owner", "product")
    opportunity = _still_there(opportunities.filter(pk=seen.pk).first(), lead)
    _require_seller(by, opportunity.owner)
    if not opportunity.is_open:
        raise TransitionError(
            _("The opportunity is already “%(stage)s”. %(who)s")
            % {"stage": opportunity.get_stage_display(), "who": _who_and_when(lead)}
        )
    return opportunity, lead


# What one may change of an open opportunity without moving it.
EDITABLE = ("amount", "margin", "product", "expected_close_on", "next_step", "next_step_on")


@transaction.atomic
def edit_opportunity(
    opportunity: Opportunity,
    changes: dict[str, object],
    *,
    by: User | None,
    at: datetime.datetime,
    seen_at: datetime.datetime | None = None,
) -> list[str]:
    """Change facts of an open opportunity (names of `EDITABLE`) and return the names of those that changed.

    `seen_at` is its `updated_at` as the person saw it: when somebody changed it since, nothing is written. A margin that
    was only reckoned follows a new amount or product.
    """
    opportunity, lead = _lock_open(opportunity, by=by)
    if seen_at is not None and opportunity.updated_at != seen_at:
        last = lead.events.select_related("actor").order_by("-id").first()
        who = str(last.actor) if last and last.actor else _("Someone")
        raise TransitionError(
            _(
                "%(who)s changed this opportunity on %(when)s, so nothing was saved. Look at it again and repeat your change."
            )
            % {"who": who, "when": _exactly(opportunity.updated_at)}
        )
    unknown = set(changes) - set(EDITABLE)
    if unknown:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")
    before = {name: getattr(opportunity, name) for name in EDITABLE}
    was_reckoned = opportunity.margin is not None and opportunity.margin == opportunity.reckoned_margin
    for name, value in changes.items():
        setattr(opportunity, name, value)
    if was_reckoned and opportunity.margin == before["margin"]:
        opportunity.margin = None
    opportunity.reckon_margin()
    changed = [name for name in EDITABLE if getattr(opportunity, name) != before[name]]
    if changed:
        opportunity.save()
        lead.save(update_fields=["updated_at"])
        facts = {name: [_plain(before[name]), _plain(getattr(opportunity, name))] for name in changed}
        LeadEvent.objects.record(lead, Kind.EDITED, by=by, at=at, fields=changed, changes=facts)
    return changed


def _plain(value: object) -> str:
    return "" if value is None else str(value)


@transaction.atomic
def move_opportunity(opportunity: Opportunity, to: Stage, *, by: User | None, at: datetime.datetime) -> None:
    """Move an open opportunity to another selling stage; the first arrival dates the demo, proposal or contract."""
    opportunity, lead = _lock_open(opportunity, by=by)
    if to not in SELLING:
        raise TransitionError(_("That isn't a selling stage."))
    if opportunity.stage == to:
        return
    opportunity.stage, opportunity.stage_at = to, at
    if to != Stage.ACCEPTED and getattr(opportunity, to.reached_field) is None:
        setattr(opportunity, to.reached_field, at)
    opportunity.save()
    _move(lead, to, Kind.MOVED, by=by, at=at)


@transaction.atomic
def win(
    opportunity: Opportunity,
    *,
    by: User | None,
    at: datetime.datetime,
    amount: Decimal,
    margin: Decimal | None = None,
) -> None:
    """The client buys for `amount`, in the organisation's currency; an unknown margin comes from the cost share."""
    opportunity, lead = _lock_open(opportunity, by=by)
    opportunity.stage, opportunity.stage_at, opportunity.won_at = Stage.WON, at, at
    opportunity.amount, opportunity.margin = amount, margin
    opportunity.reckon_margin()
    opportunity.save()
    lead.cold_at = None
    _move(lead, Stage.WON, Kind.WON, by=by, at=at, amount=str(amount))
    notify(Notification.Kind.WON, [lead.owner], lead, at=at, **_named(by), amount=str(amount))


@transaction.atomic
def lose(
    opportunity: Opportunity, reason: Reason | None, *, by: User | None, at: datetime.datetime, note: str = ""
) -> None:
    """The opportunity ends without a sale, for a reason of the kept list."""
    reason = _require_reason(reason, Reason.Kind.LOSS)
    opportunity, lead = _lock_open(opportunity, by=by)
    opportunity.stage, opportunity.stage_at, opportunity.lost_at = Stage.LOST, at, at
    opportunity.lost_reason, opportunity.lost_note = reason, note
    opportunity.save()
    lead.cold_at = None
    _move(lead, Stage.LOST, Kind.LOST, by=by, at=at, reason=reason.text, note=note)


@transaction.atomic
def record_payment(
    opportunity: Opportunity,
    *,
    by: User | None,
    at: datetime.datetime,
    paid_on: datetime.date,
    amount: Decimal,
    note: str = "",
    submission_key: uuid.UUID | None = None,
) -> Payment:
    """Money came in for a won opportunity. A repeated `submission_key` returns the payment made before."""
    lead = _lock(opportunity.lead)
    opportunity = _still_there(Opportunity.objects.select_related("owner").filter(pk=opportunity.pk).first(), lead)
    _require_seller(by, opportunity.owner)
    if submission_key and (done := Payment.objects.filter(submission_key=submission_key).first()):
        if done.opportunity_id != opportunity.pk:
            raise TransitionError(_("This form was sent for something else already. Please reload the page."))
        return done
    if opportunity.stage != Stage.WON:
        raise TransitionError(_("Payments are recorded for won opportunities only."))
    payment = Payment.objects.create(
        opportunity=opportunity,
        paid_on=paid_on,
        amount=amount,
        note=note,
        recorded_by=by,
        submission_key=submission_key,
        recorded_at=at,
    )
    LeadEvent.objects.record(lead, Kind.PAYMENT, by=by, at=at, amount=str(amount), paid_on=paid_on.isoformat())
    lead.save(update_fields=["updated_at"])
    return payment
