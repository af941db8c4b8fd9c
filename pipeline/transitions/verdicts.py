"""Sales' verdict on a handoff: accept, or reject with a reason; and giving it to another rep."""

import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import Organisation, User
from leads.models import Lead, LeadEvent, Reason, Stage
from pipeline.models import Activity, Handoff, Notification, Opportunity
from pipeline.notify import notify
from pipeline.sla import Clock
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    exactly,
    lock,
    move,
    named,
    require,
    require_reason,
    require_seller,
    still_there,
)


def _lock_pending(seen: Handoff) -> tuple[Handoff, Lead]:
    lead = lock(seen.lead)
    handoffs = Handoff.objects.select_for_update(of=("self",)).select_related(
        "assigned_to", "decided_by", "agreement", "handed_over_by"
    )
    handoff = still_there(handoffs.filter(pk=seen.pk).first(), lead)
    if not handoff.is_pending:
        who = str(handoff.decided_by) if handoff.decided_by else _("the system")
        when = exactly(handoff.decided_at or handoff.updated_at)
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
    require(by, access.REASSIGN_HANDOFFS, _("Only a sales manager or the director reassigns leads."))
    handoff, lead = _lock_pending(handoff)
    require_seller(by, handoff.assigned_to)
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
            Notification.Kind.REASSIGNED, [to], lead, at=at, **named(by), due_at=due_at, clock=clock, note=handoff.note
        )


@transaction.atomic
def accept(handoff: Handoff, *, by: User | None, at: datetime.datetime) -> Opportunity:
    """Sales takes the lead: it becomes a SAL, and an opportunity opens for its rep.

    Raises NotAllowed for anybody but the rep, their manager or the director; TransitionError when the handoff is
    decided already, or when no contact with the client is recorded yet.
    """
    handoff, lead = _lock_pending(handoff)
    require_seller(by, handoff.assigned_to)
    if handoff.first_contact_at is None:
        raise TransitionError(_("Record your first contact with the client before you accept the lead."))
    handoff.verdict, handoff.decided_at, handoff.decided_by = Handoff.Verdict.ACCEPTED, at, by
    handoff.save()
    move(lead, Stage.ACCEPTED, Kind.ACCEPTED, by=by, at=at)
    opportunity = Opportunity.objects.create(
        lead=lead, owner=handoff.assigned_to, product=lead.product, opened_at=at, stage_at=at
    )
    notify(Notification.Kind.ACCEPTED, [handoff.handed_over_by], lead, at=at, **named(by))
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
    reason = require_reason(reason, Reason.Kind.REJECTION)
    handoff, lead = _lock_pending(handoff)
    require_seller(by, handoff.assigned_to)
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
    move(
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
    notify(Notification.Kind.RETURNED, told, lead, at=at, **named(by), reason=reason.text, note=feedback)
