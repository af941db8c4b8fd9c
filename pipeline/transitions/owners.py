"""Giving open opportunities to somebody else, as when a rep leaves."""

import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import User
from leads.models import LeadEvent
from pipeline.models import Notification, Opportunity
from pipeline.notify import notify, tell_who_had_it
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    lock,
    named,
    require,
    require_seller,
    still_there,
    who_and_when,
)


@transaction.atomic
def give_opportunity(opportunity: Opportunity, to: User, *, by: User | None, at: datetime.datetime) -> bool:
    """Give an open opportunity to another rep, who is told; stage and next step stay. False: they had it already.

    Closed ones stay with who closed them: their figures are that person's.
    """
    require(by, access.REASSIGN_OPPORTUNITIES, _("Only a sales manager or the director gives opportunities to others."))
    lead = lock(opportunity.lead)
    opportunities = Opportunity.objects.select_for_update(of=("self",)).select_related("owner")
    opportunity = still_there(opportunities.filter(pk=opportunity.pk).first(), lead)
    require_seller(by, opportunity.owner)
    if not opportunity.is_open:
        raise TransitionError(
            _("The opportunity is already “%(stage)s”. %(who)s")
            % {"stage": opportunity.get_stage_display(), "who": who_and_when(lead)}
        )
    if not to.is_active or to.role not in access.SELL:
        raise TransitionError(_("%(rep)s doesn't work in sales.") % {"rep": to})
    if not access.can_sell_for(by, to):
        raise NotAllowed(_("%(rep)s isn't in your team.") % {"rep": to})
    if to.pk == opportunity.owner_id:
        return False
    before, opportunity.owner = opportunity.owner, to
    opportunity.save(update_fields=["owner", "updated_at"])
    lead.save(update_fields=["updated_at"])
    ids: dict[str, Any] = {"opportunity": opportunity.pk, "owner_before": before.pk, "owner_now": to.pk}  # for its undo
    LeadEvent.objects.record(lead, Kind.REASSIGNED, by=by, at=at, rep=str(to), before=str(before), **ids)
    tell_new_owner(opportunity, before, by=by, at=at)
    return True


def tell_new_owner(opportunity: Opportunity, before: User, *, by: User | None, at: datetime.datetime) -> None:
    """Tell who has it now, and who had it."""
    lead, to = opportunity.lead, opportunity.owner
    tell_who_had_it(before, lead, to, by=by, at=at)
    if to != by:
        notify(Notification.Kind.REASSIGNED, [to], lead, at=at, **named(by))
