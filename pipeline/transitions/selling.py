"""An accepted lead in selling: stages, won, lost."""

import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Organisation, User
from leads.models import Lead, LeadEvent, Reason, Stage
from leads.models.leads import SELLING
from pipeline.models import Notification, Objection, Opportunity, SalesPipeline
from pipeline.notify import notify
from pipeline.transitions import values
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    exactly,
    lock,
    move,
    named,
    require_reason,
    require_seller,
    still_there,
    who_and_when,
)


def lock_deal(seen: Opportunity, *, by: User | None) -> tuple[Opportunity, Lead]:
    """The opportunity as it is now, open or not, and its lead, nobody else's until the transaction ends."""
    lead = lock(seen.lead)
    opportunities = Opportunity.objects.select_for_update(of=("self",)).select_related("owner", "product")
    opportunity = still_there(opportunities.filter(pk=seen.pk).first(), lead)
    require_seller(by, opportunity.owner)
    return opportunity, lead


def lock_open(
    seen: Opportunity, *, by: User | None, seen_at: datetime.datetime | None = None
) -> tuple[Opportunity, Lead]:
    """As `lock_deal`, for what is done with open ones only. `seen_at` is its `updated_at` as the person saw it."""
    opportunity, lead = lock_deal(seen, by=by)
    if not opportunity.is_open:
        raise TransitionError(
            _("The opportunity is already “%(stage)s”. %(who)s")
            % {"stage": opportunity.get_stage_display(), "who": _who_did(opportunity, lead)}
        )
    require_seen(opportunity, lead, seen_at)
    return opportunity, lead


def require_seen(opportunity: Opportunity, lead: Lead, seen_at: datetime.datetime | None) -> None:
    """Refuse a change that was made looking at an older version."""
    if seen_at is None or opportunity.updated_at == seen_at:
        return
    last = lead.events.select_related("actor").order_by("-id").first()
    who = str(last.actor) if last and last.actor else _("Someone")
    raise TransitionError(
        _(
            "%(who)s changed this opportunity on %(when)s, so nothing was saved. Look at it again and repeat your change."
        )
        % {"who": who, "when": exactly(opportunity.updated_at)}
    )


def _who_did(opportunity: Opportunity, lead: Lead) -> str:
    """“Sam did that (3 March, 14:05).” of its last step."""
    if opportunity.repeats_id is None:
        return who_and_when(lead)
    steps = lead.events.filter(data__opportunity=opportunity.pk).select_related("actor")
    event = steps.order_by("-id").first()
    if event is None or event.actor is None:
        return ""
    return _("%(who)s did that (%(when)s).") % {"who": event.actor, "when": exactly(event.at)}


def advance(
    opportunity: Opportunity,
    lead: Lead,
    to: Stage,
    kind: LeadEvent.Kind,
    *,
    by: User | None,
    at: datetime.datetime,
    **data: Any,
) -> None:
    """Write the new stage of a locked opportunity, and log it. Its lead goes along; a repeat purchase's stays won."""
    before = opportunity.stage
    opportunity.stage, opportunity.stage_at = to, at
    opportunity.save()
    if opportunity.repeats_id is None:
        move(lead, to, kind, by=by, at=at, **data, opportunity=opportunity.pk)
    else:
        LeadEvent.objects.record(
            lead, kind, by=by, at=at, **data, opportunity=opportunity.pk, before=before, after=str(to)
        )
        lead.save(update_fields=["updated_at"])


def plan_step(opportunity: Opportunity, text: str, on: datetime.date | None) -> dict[str, list[str]]:
    """Write the next step of a locked opportunity; returns, for its event, what it was and what it is, if that differs."""
    before = [opportunity.next_step, str(opportunity.next_step_on or "")]
    opportunity.next_step, opportunity.next_step_on = text, on
    after = [text, str(on or "")]
    return {"next_step_before": before, "next_step": after} if after != before else {}


@transaction.atomic
def move_opportunity(
    opportunity: Opportunity,
    to: Stage,
    *,
    by: User | None,
    at: datetime.datetime,
    seen: Stage | None = None,
    next_step: str | None = None,
    next_step_on: datetime.date | None = None,
) -> None:
    """Move an open opportunity to another selling stage; the first arrival dates the demo, proposal or contract.

    `seen` is the stage that the person saw it in: when somebody moved it since, it stays. `next_step` None leaves the
    next step as it is.
    """
    opportunity, lead = lock_open(opportunity, by=by)
    pipeline = SalesPipeline.objects.ways().of(opportunity.product_id)
    if to not in SELLING:
        raise TransitionError(_("That isn't a selling stage."))
    if opportunity.stage == to:
        return
    if seen is not None and opportunity.stage != seen:
        raise TransitionError(
            _("The opportunity is in “%(stage)s” by now, so it wasn't moved. %(who)s")
            % {"stage": opportunity.get_stage_display(), "who": _who_did(opportunity, lead)}
        )
    if to not in pipeline.stages:
        raise TransitionError(_("“%(pipeline)s” has no stage “%(stage)s”.") % {"pipeline": pipeline, "stage": to.label})
    facts: dict[str, object] = {"since": opportunity.stage_at.isoformat()}
    if next_step is not None:
        facts |= plan_step(opportunity, next_step, next_step_on)
    if to != Stage.ACCEPTED and getattr(opportunity, to.reached_field) is None:
        setattr(opportunity, to.reached_field, at)
        opportunity.reckon_speeds(Organisation.current())
    advance(opportunity, lead, to, Kind.MOVED, by=by, at=at, **facts)


@transaction.atomic
def win(
    opportunity: Opportunity,
    *,
    by: User | None,
    at: datetime.datetime,
    amount: Decimal | None = None,
    margin: Decimal | None = None,
    seen_at: datetime.datetime | None = None,
) -> None:
    """The client buys for `amount`, in the deal's currency; from now on it keeps the rate of that day.

    An unknown margin comes from the cost share. Lines make amount and margin, if there are any.
    """
    opportunity, lead = lock_open(opportunity, by=by, seen_at=seen_at)
    values.agree(opportunity, amount, margin, on=values.day_of(at))
    facts = {"since": opportunity.stage_at.isoformat(), **plan_step(opportunity, "", None)}
    opportunity.won_at = at
    lead.cold_at = None
    advance(opportunity, lead, Stage.WON, Kind.WON, by=by, at=at, amount=str(opportunity.amount), **facts)
    notify(Notification.Kind.WON, [lead.owner], lead, at=at, **named(by), amount=str(opportunity.amount))


@transaction.atomic
def lose(
    opportunity: Opportunity,
    reason: Reason | None,
    *,
    by: User | None,
    at: datetime.datetime,
    note: str = "",
    objections_stand: bool = False,
) -> None:
    """The opportunity ends without a sale, for a reason of the kept list. `objections_stand`: the open ones end so."""
    reason = require_reason(reason, Reason.Kind.LOSS)
    opportunity, lead = lock_open(opportunity, by=by)
    if objections_stand:
        open_ones = opportunity.objections.filter(end="")
        open_ones.update(end=Objection.End.STANDS, ended_at=at, ended_by=by)
    facts = {"since": opportunity.stage_at.isoformat(), **plan_step(opportunity, "", None)}
    opportunity.lost_at, opportunity.lost_reason, opportunity.lost_note = at, reason, note
    lead.cold_at = None
    advance(opportunity, lead, Stage.LOST, Kind.LOST, by=by, at=at, reason=reason.text, note=note, **facts)
