"""What happens to a handoff's clocks before its verdict: they pause and go on, another rep gets the lead, or takes it.

What a pause does: the clocks that were in time when it began stand still, and what remained then remains when it ends, by
each clock's own way of counting (`sla.moved`). A clock that was overdue already goes on, and so do its escalations; one
that has stopped doesn't move. While a clock stands still nobody is reminded of it; the cold clock starts anew at the end.
"""

import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import User
from leads.models import Lead, LeadEvent
from pipeline.models import ClockPause, Handoff, Notification
from pipeline.notify import notify, tell_who_had_it
from pipeline.routing import by_hand
from pipeline.sla import Clock
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    exactly,
    lock_pending,
    named,
    require,
    require_seller,
    restart_cold_clock,
)


@transaction.atomic
def pause(
    handoff: Handoff, until: datetime.datetime, reason: str, *, by: User | None, at: datetime.datetime
) -> ClockPause:
    """Let the clocks of a pending handoff stand still until a moment, since the client asked to wait.

    For the rep, their manager and the director, as long and as often as the handoff's agreement allows. Raises
    TransitionError where that is more, where a pause is running, where the lead is in the pool, and where every clock
    that still runs is overdue: a pause takes nothing back.
    """
    handoff, lead = lock_pending(handoff)
    require_seller(by, handoff.assigned_to)
    agreement, channel, reason = handoff.agreement, lead.campaign.channel_id, reason.strip()
    if handoff.is_in_pool:
        raise TransitionError(_("This lead is in the pool. Take it first."))
    if handoff.paused_until is not None:
        _require_over(handoff, at)
        note_end(handoff, lead)
    if not reason:
        raise TransitionError(_("Say why the clocks should wait."))
    if until <= at:
        raise TransitionError(_("Choose a moment to come: a pause can't end in the past."))
    latest = at + datetime.timedelta(days=agreement.max_pause_days)
    if until > latest:
        raise TransitionError(_("The agreement allows pauses until %(when)s at most.") % {"when": exactly(latest)})
    if (made := handoff.pauses.count()) >= agreement.max_pauses:
        raise TransitionError(
            _("The agreement allows %(most)s pauses of one lead, and there were %(made)s.")
            % {"most": agreement.max_pauses, "made": made}
        )
    in_time = [clock for clock in _running(handoff) if _due(handoff, clock) >= at]
    if not in_time:
        raise TransitionError(_("What still runs is overdue already, and a pause takes that back from nobody."))
    done = ClockPause.objects.create(
        handoff=handoff,
        reason=reason,
        started_at=at,
        until=until,
        paused_by=by,
        **{f"{clock}_due_before": _due(handoff, clock) for clock in Clock},
    )
    alerts = {str(clock): getattr(handoff, f"{clock}_alert") for clock in in_time}
    before = _due_times(handoff)
    for clock in in_time:
        due = agreement.due_after_pause(_due(handoff, clock), start=at, until=until, channel=channel)
        handoff.set_due(clock, due, at)
    handoff.paused_until = until
    _save(handoff, lead, cold_from=until)
    LeadEvent.objects.record(
        lead,
        Kind.PAUSED,
        by=by,
        at=at,
        until=until.isoformat(),
        note=reason,
        pause=done.pk,
        alerts=alerts,
        due_before=before,
        due_after=_due_times(handoff),
    )
    return done


@transaction.atomic
def resume(handoff: Handoff, *, by: User | None, at: datetime.datetime) -> None:
    """End a pause before its time: what remained when it began remains now."""
    handoff, lead = lock_pending(handoff)
    require_seller(by, handoff.assigned_to)
    running = _running_pause(handoff, at)
    if running is None:
        raise TransitionError(_("The clocks aren't paused any more."))
    before = _due_times(handoff)
    for clock in _running(handoff):
        if _due(handoff, clock) >= running.until:
            handoff.set_due(clock, _moved(handoff, running, clock, lead, until=at), at)
    running.ended_at, handoff.paused_until = at, None
    running.save(update_fields=["ended_at"])
    _save(handoff, lead, cold_from=at)
    LeadEvent.objects.record(
        lead, Kind.RESUMED, by=by, at=at, pause=running.pk, due_before=before, due_after=_due_times(handoff)
    )


def note_end(handoff: Handoff, lead: Lead) -> None:
    """Record that the pause of a locked handoff was over at its time. Its clocks went on by themselves."""
    assert handoff.paused_until is not None
    LeadEvent.objects.record(lead, Kind.RESUMED, by=None, at=handoff.paused_until)
    handoff.paused_until = None
    handoff.save(update_fields=["paused_until", "updated_at"])


@transaction.atomic
def reassign(handoff: Handoff, to: User, *, by: User | None, at: datetime.datetime) -> None:
    """Give a pending handoff to another rep, also out of the pool.

    The clocks go on, and a pause with them: the client has been waiting all the same. Where the agreement says so, those
    that still run start again; during a pause the whole time is left when it ends.
    """
    require(by, access.REASSIGN_HANDOFFS, _("Only a sales manager or the director reassigns leads."))
    handoff, lead = lock_pending(handoff)
    require_seller(by, handoff.assigned_to)
    if not to.is_active or to.role not in access.SELL:
        raise TransitionError(_("%(rep)s doesn't work in sales.") % {"rep": to})
    if not access.can_sell_for(by, to):
        raise NotAllowed(_("%(rep)s isn't in your team.") % {"rep": to})
    if to.pk == handoff.assigned_to_id and not handoff.is_in_pool:
        return
    _give(handoff, lead, to, Kind.REASSIGNED, by=by, at=at)
    if to != by:
        clock = Clock.VERDICT if handoff.first_contact_at else Clock.FIRST_CONTACT
        due_at = _due(handoff, clock).isoformat()
        notify(
            Notification.Kind.REASSIGNED, [to], lead, at=at, **named(by), due_at=due_at, clock=clock, note=handoff.note
        )


@transaction.atomic
def take(handoff: Handoff, *, by: User, at: datetime.datetime) -> None:
    """Take a cold lead out of the pool: whoever of sales comes first has it.

    The clocks go on or start again as with a reassignment; the cold clock starts anew. Raises TransitionError, with who
    was faster and when, where it isn't in the pool any more. Whoever has it already takes it without effect.
    """
    require(by, access.SELL, _("Only sales takes leads from the pool."))
    handoff, lead = lock_pending(handoff)
    if not handoff.is_in_pool:
        if handoff.assigned_to_id == by.pk:
            return
        raise TransitionError(_gone(handoff, lead))
    _give(handoff, lead, by, Kind.TAKEN, by=by, at=at)
    restart_cold_clock(lead, handoff.agreement, at)
    lead.save(update_fields=["cold_at", "cold_flagged_at", "updated_at"])


def _gone(handoff: Handoff, lead: Lead) -> str:
    """Why a lead isn't in the pool: who took it, and when."""
    event = lead.events.filter(kind__in=[Kind.TAKEN, Kind.REASSIGNED]).select_related("actor").order_by("-pk").first()
    if event is None or event.kind != Kind.TAKEN:
        return _("This lead isn't in the pool any more: %(rep)s has it.") % {"rep": handoff.assigned_to}
    return _("%(who)s already took this lead (%(when)s).") % {"who": event.actor, "when": exactly(event.at)}


def _give(
    handoff: Handoff, lead: Lead, to: User, kind: LeadEvent.Kind, *, by: User | None, at: datetime.datetime
) -> None:
    """Make `to` the rep of a locked handoff; the clocks start again where its agreement says so."""
    before, handoff.assigned_to = handoff.assigned_to, to
    handoff.assigned_how = "reassigned" if kind == Kind.REASSIGNED else "taken"
    handoff.routing = by_hand(handoff.assigned_how, by, before=str(before))
    handoff.pooled_at = None
    facts: dict[str, Any] = {"rep": str(to), "before": str(before)}
    if handoff.agreement.restarts_on_reassign:
        facts |= _restart(handoff, lead, at)
    handoff.save()
    lead.save(update_fields=["cold_at", "cold_flagged_at", "updated_at"])
    LeadEvent.objects.record(lead, kind, by=by, at=at, **facts)
    tell_who_had_it(before, lead, to, by=by, at=at)


def _restart(handoff: Handoff, lead: Lead, at: datetime.datetime) -> dict[str, dict[str, str]]:
    """Start the clocks that still run again from `at`; returns when they were due and when they are."""
    before, running = _due_times(handoff), _running_pause(handoff, at)
    for clock in _running(handoff):
        # As if it had started with the pause: nothing of it has passed when the pause ends, whenever that is.
        start = running.started_at if running else at
        due = handoff.agreement.due_at(clock, start, channel=lead.campaign.channel_id)
        if running:
            setattr(running, f"{clock}_due_before", due)
            due = _moved(handoff, running, clock, lead, until=running.until)
        handoff.set_due(clock, due, at)
    if running:
        running.save()
    restart_cold_clock(lead, handoff.agreement, running.until if running else at)
    return {"due_before": before, "due_after": _due_times(handoff)}


def _running(handoff: Handoff) -> list[Clock]:
    return [clock for clock in Clock if handoff.clock_stopped_at(clock) is None]


def _due(handoff: Handoff, clock: Clock) -> datetime.datetime:
    return getattr(handoff, f"{clock}_due_at")


def _due_times(handoff: Handoff) -> dict[str, str]:
    """When each clock that still runs is due, as an event keeps it."""
    return {str(clock): _due(handoff, clock).isoformat() for clock in _running(handoff)}


def _running_pause(handoff: Handoff, at: datetime.datetime) -> ClockPause | None:
    return handoff.pauses.order_by("-pk").first() if handoff.is_paused(at) else None


def _moved(
    handoff: Handoff, over: ClockPause, clock: Clock, lead: Lead, *, until: datetime.datetime
) -> datetime.datetime:
    return handoff.agreement.due_after_pause(
        over.due_before(clock), start=over.started_at, until=until, channel=lead.campaign.channel_id
    )


def _require_over(handoff: Handoff, at: datetime.datetime) -> None:
    """Refuse a second pause while one runs, with who made it and until when."""
    running = _running_pause(handoff, at)
    if running is not None:
        raise TransitionError(
            _("%(who)s already paused the clocks, until %(when)s.")
            % {"who": running.paused_by or _("the system"), "when": exactly(running.until)}
        )


def _save(handoff: Handoff, lead: Lead, *, cold_from: datetime.datetime) -> None:
    handoff.save()
    restart_cold_clock(lead, handoff.agreement, cold_from)
    lead.save(update_fields=["cold_at", "cold_flagged_at", "updated_at"])
