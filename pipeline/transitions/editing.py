"""Changing the facts of an open opportunity, and the lines that make its amount."""

import dataclasses
import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from leads.models import Lead, LeadEvent, Product
from pipeline.models import Opportunity, OpportunityLine
from pipeline.transitions import values
from pipeline.transitions.rules import Kind, TransitionError
from pipeline.transitions.selling import lock_open

# What one may change of an open opportunity without moving it. Amount and margin are in its currency.
EDITABLE = ("amount", "margin", "currency", "product", "expected_close_on", "next_step", "next_step_on")
_WORTH = {"amount", "margin", "currency", "product"}
MOST_LINES = 50


def _said(opportunity: Opportunity) -> dict[str, Any]:
    said = {name: getattr(opportunity, name) for name in EDITABLE}
    return said | {"amount": opportunity.said_amount, "margin": opportunity.said_margin}


@transaction.atomic
def edit_opportunity(
    opportunity: Opportunity,
    changes: dict[str, Any],
    *,
    by: User | None,
    at: datetime.datetime,
    seen_at: datetime.datetime | None = None,
) -> list[str]:
    """Change facts of an open opportunity (names of `EDITABLE`) and return the names of those that changed.

    `seen_at` is its `updated_at` as the person saw it: when somebody changed it since, nothing is written. A margin that
    was only reckoned follows a new amount or product; what lines make can't be typed. In another currency it follows
    the rate of the day.
    """
    opportunity, lead = lock_open(opportunity, by=by, seen_at=seen_at)
    unknown = set(changes) - set(EDITABLE)
    if unknown:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")
    before = _said(opportunity)
    wanted = before | changes
    wanted["currency"] = values.other_currency(wanted["currency"])
    was_reckoned = before["margin"] is not None and before["margin"] == opportunity.reckoned_margin
    for name in EDITABLE:
        if name not in {"amount", "margin", "currency"}:
            setattr(opportunity, name, wanted[name])
    amount, margin = wanted["amount"], wanted["margin"]
    lines = list(opportunity.lines.all())
    if lines:
        if (amount, margin) != (before["amount"], before["margin"]):
            raise TransitionError(_("The lines make the amount and the margin: change the lines instead."))
        amount, margin = values.total_of(lines)
    elif was_reckoned and margin == before["margin"]:
        margin = None
    day, currency, rate = values.day_of(at), wanted["currency"], opportunity.rate
    if currency == before["currency"] and all(wanted[name] == before[name] for name in _WORTH):
        _follow_rate(opportunity, day)
    else:
        values.give(opportunity, amount, margin, currency, day)
        if not lines and margin is None:
            values.give(opportunity, amount, opportunity.reckoned_margin, currency, day)
    return _save(opportunity, lead, before, rate, by=by, at=at)


def _follow_rate(opportunity: Opportunity, day: datetime.date) -> None:
    """The rate of the day, for an edit that doesn't touch what it is worth; where none is known any more, as before."""
    try:
        values.give(opportunity, opportunity.said_amount, opportunity.said_margin, opportunity.currency, day)
    except TransitionError:
        return


def _save(
    opportunity: Opportunity,
    lead: Lead,
    before: dict[str, Any],
    rate_before: Decimal | None,
    *,
    by: User | None,
    at: datetime.datetime,
    also: dict[str, list[str]] | None = None,
) -> list[str]:
    """Save what changed and log it; `also` are changes of what belongs to the opportunity."""
    after = _said(opportunity)
    changes = {name: [_plain(before[name]), _plain(after[name])] for name in EDITABLE if after[name] != before[name]}
    if opportunity.rate != rate_before:
        changes["rate"] = [_plain(rate_before), _plain(opportunity.rate)]
    changes |= also or {}
    if changes:
        opportunity.save()
        lead.save(update_fields=["updated_at"])
        LeadEvent.objects.record(
            lead, Kind.EDITED, by=by, at=at, fields=list(changes), changes=changes, opportunity=opportunity.pk
        )
    return [name for name in changes if name != "rate"]


def _plain(value: object) -> str:
    return "" if value is None else f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


@dataclasses.dataclass(frozen=True)
class Line:
    """One line as it is to be; without `pk` a new one. Without a cost share it takes the product's."""

    amount: Decimal
    product: Product | None = None
    text: str = ""
    cost_share: Decimal | None = None
    pk: int | None = None


@transaction.atomic
def set_lines(
    opportunity: Opportunity,
    lines: Sequence[Line],
    *,
    by: User | None,
    at: datetime.datetime,
    seen_at: datetime.datetime | None = None,
) -> list[str]:
    """Make `lines`, in this order, the lines of an open opportunity; amount and margin follow. Returns what changed.

    The last one taken away leaves amount and margin as they were, to be typed from then on. A line whose product is
    changed, and whose cost share isn't, takes the new product's share.
    """
    opportunity, lead = lock_open(opportunity, by=by, seen_at=seen_at)
    if len(lines) > MOST_LINES:
        raise TransitionError(_("An opportunity has at most %(most)s lines.") % {"most": MOST_LINES})
    if any(line.product is None and not line.text.strip() for line in lines):
        raise TransitionError(_("Each line names a product or says what it is."))
    before, rate = _said(opportunity), opportunity.rate
    kept = {line.pk: line for line in opportunity.lines.select_related("product")}
    unknown = [line for line in lines if line.pk is not None and line.pk not in kept]
    if unknown or len({line.pk for line in lines if line.pk}) < sum(line.pk is not None for line in lines):
        raise TransitionError(
            _("A line isn't there any more, so nothing was saved. Look again and repeat your change.")
        )
    told_before = _told(list(kept.values()))
    rows = [_row(opportunity, line, kept.get(line.pk or 0), position) for position, line in enumerate(lines)]
    opportunity.lines.exclude(pk__in=[row.pk for row in rows if row.pk]).delete()
    for row in rows:
        row.save()
    if rows:
        if opportunity.product is None:
            opportunity.product = next((row.product for row in rows if row.product), None)
        amount, margin = values.total_of(rows)
        values.give(opportunity, amount, margin, opportunity.currency, values.day_of(at))
    told = _told(rows)
    also = {"lines": [told_before, told]} if told != told_before else {}
    return _save(opportunity, lead, before, rate, by=by, at=at, also=also)


def _row(opportunity: Opportunity, line: Line, old: OpportunityLine | None, position: int) -> OpportunityLine:
    if not line.amount.is_finite() or line.amount < 0:
        raise TransitionError(_("An amount can't be less than nothing."))
    values.require_room(line.amount)
    row = old or OpportunityLine(opportunity=opportunity)
    share = line.cost_share
    is_other_product = old is not None and old.product != line.product
    if share is None or (is_other_product and old is not None and share == old.cost_share):
        share = line.product.cost_share if line.product else None
    row.product, row.text, row.amount = line.product, line.text.strip(), line.amount
    row.cost_share, row.position = share, position
    return row


def _told(lines: list[OpportunityLine]) -> str:
    """The lines in words, for the log: “Licences 1000 (cost 40 %); Training 500”."""
    shown = []
    for line in lines:
        name = " · ".join(str(part) for part in (line.product, line.text) if part)
        share = "" if line.cost_share is None else f" ({_plain(line.cost_share * 100)} %)"
        shown.append(f"{name} {_plain(line.amount)}{share}")
    return "; ".join(shown)


def follow_rates(currency: str, rate: Decimal, at: datetime.datetime, batch: int = 200) -> int:
    """Bring the open deals in `currency` to `rate`, and return how many changed.

    What would then be more than can be kept stays at the rate that it has; what somebody works on waits for the next time.
    """
    changed, after = 0, 0
    while True:
        with transaction.atomic():
            waiting = Opportunity.objects.open().filter(currency=currency, pk__gt=after).exclude(rate=rate)
            deals = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:batch])
            followed = []
            for deal in deals:
                deal.set_value(deal.foreign_amount, deal.foreign_margin, currency=currency, rate=rate)
                deal.updated_at = at
                if all(abs(value or Decimal(0)) <= values.LARGEST for value in (deal.amount, deal.margin)):
                    followed.append(deal)
            Opportunity.objects.bulk_update(followed, ["amount", "margin", "rate", "updated_at"])
        if not deals:
            return changed
        changed, after = changed + len(followed), deals[-1].pk
