"""An accepted lead in selling: stages, won, lost, payments."""

import datetime
import uuid
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from leads.models import Lead, LeadEvent, Reason, Stage
from leads.models.leads import SELLING
from pipeline.models import Notification, Opportunity, Payment
from pipeline.notify import notify
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


def _lock_open(seen: Opportunity, *, by: User | None) -> tuple[Opportunity, Lead]:
    lead = lock(seen.lead)
    opportunities = Opportunity.objects.select_for_update(of=("self",)).select_related("owner", "product")
    opportunity = still_there(opportunities.filter(pk=seen.pk).first(), lead)
    require_seller(by, opportunity.owner)
    if not opportunity.is_open:
        raise TransitionError(
            _("The opportunity is already “%(stage)s”. %(who)s")
            % {"stage": opportunity.get_stage_display(), "who": who_and_when(lead)}
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
            % {"who": who, "when": exactly(opportunity.updated_at)}
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
    move(lead, to, Kind.MOVED, by=by, at=at)


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
    move(lead, Stage.WON, Kind.WON, by=by, at=at, amount=str(amount))
    notify(Notification.Kind.WON, [lead.owner], lead, at=at, **named(by), amount=str(amount))


@transaction.atomic
def lose(
    opportunity: Opportunity, reason: Reason | None, *, by: User | None, at: datetime.datetime, note: str = ""
) -> None:
    """The opportunity ends without a sale, for a reason of the kept list."""
    reason = require_reason(reason, Reason.Kind.LOSS)
    opportunity, lead = _lock_open(opportunity, by=by)
    opportunity.stage, opportunity.stage_at, opportunity.lost_at = Stage.LOST, at, at
    opportunity.lost_reason, opportunity.lost_note = reason, note
    opportunity.save()
    lead.cold_at = None
    move(lead, Stage.LOST, Kind.LOST, by=by, at=at, reason=reason.text, note=note)


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
    lead = lock(opportunity.lead)
    opportunity = still_there(Opportunity.objects.select_related("owner").filter(pk=opportunity.pk).first(), lead)
    require_seller(by, opportunity.owner)
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
