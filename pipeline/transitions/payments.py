"""What a client pays, and by when it was agreed."""

import dataclasses
import datetime
import uuid
from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from leads.models import LeadEvent, Stage
from pipeline import payment_plans
from pipeline.models import Opportunity, Payment, PlannedPayment
from pipeline.transitions import values
from pipeline.transitions.rules import Kind, TransitionError, lock, made_before, made_once, require_seller, still_there
from pipeline.transitions.selling import lock_deal, require_seen

MOST_INSTALMENTS = 120


@transaction.atomic
def record_payment(
    opportunity: Opportunity,
    *,
    by: User | None,
    at: datetime.datetime,
    paid_on: datetime.date,
    amount: Decimal,
    currency: str = "",
    note: str = "",
    submission_key: uuid.UUID | None = None,
) -> Payment:
    """Money came in for a won opportunity, in the organisation's or another currency, at the rate of `paid_on`.

    A repeated `submission_key` returns the payment made before.
    """
    opportunity, lead = lock_deal(opportunity, by=by)
    if done := made_before(Payment.objects.all(), submission_key, opportunity_id=opportunity.pk):
        return done
    if opportunity.stage != Stage.WON:
        raise TransitionError(_("Payments are recorded for won opportunities only."))
    currency = values.other_currency(currency)
    rate = values.rate_of(currency, paid_on)
    own = values.converted(amount, rate)
    if not own or own <= 0:
        raise TransitionError(_("That is less than a cent."))
    with made_once():
        payment = Payment.objects.create(
            opportunity=opportunity,
            paid_on=paid_on,
            amount=own,
            currency=currency,
            foreign_amount=amount if currency else None,
            rate=rate,
            note=note,
            recorded_by=by,
            submission_key=submission_key,
            recorded_at=at,
        )
    _fill_plan(opportunity)
    LeadEvent.objects.record(lead, Kind.PAYMENT, by=by, at=at, amount=str(own), paid_on=paid_on.isoformat())
    lead.save(update_fields=["updated_at"])
    return payment


@transaction.atomic
def void_payment(payment: Payment, why: str, *, by: User | None, at: datetime.datetime) -> None:
    """A payment was recorded by mistake: it stays, but counts no more. Voiding it twice changes nothing."""
    lead = lock(payment.opportunity.lead)
    payments = Payment.objects.select_for_update(of=("self",)).select_related("opportunity__owner")
    payment = still_there(payments.filter(pk=payment.pk).first(), lead)
    require_seller(by, payment.opportunity.owner)
    if payment.voided_at is not None:
        return
    why = why.strip()
    if not why:
        raise TransitionError(_("Please say why it is voided."))
    payment.voided_at, payment.voided_by, payment.void_reason = at, by, why
    payment.save(update_fields=["voided_at", "voided_by", "void_reason"])
    _fill_plan(payment.opportunity)
    facts = {"amount": str(payment.amount), "paid_on": payment.paid_on.isoformat()}
    LeadEvent.objects.record(lead, Kind.PAYMENT, by=by, at=at, step="voided", note=why, **facts)
    lead.save(update_fields=["updated_at"])


def _fill_plan(opportunity: Opportunity) -> None:
    """Note with each instalment how much of it is paid now."""
    plan = list(opportunity.planned_payments.all())
    if not plan:
        return
    paid = sum(opportunity.payments.valid().values_list("amount", flat=True), Decimal(0))
    changed = [each for each in payment_plans.filled(plan, paid, datetime.date.max) if each.planned.paid != each.paid]
    for each in changed:
        each.planned.paid = each.paid
    PlannedPayment.objects.bulk_update([each.planned for each in changed], ["paid"])


@dataclasses.dataclass(frozen=True)
class Instalment:
    """One instalment as it is to be; without `pk` a new one."""

    due_on: datetime.date
    amount: Decimal
    note: str = ""
    pk: int | None = None


@transaction.atomic
def plan_payments(
    opportunity: Opportunity,
    instalments: Sequence[Instalment],
    *,
    by: User | None,
    at: datetime.datetime,
    seen_at: datetime.datetime | None = None,
) -> bool:
    """Make `instalments` the payment plan of an open or won opportunity; returns whether anything changed.

    They may come in any order, and needn't come to the amount. Nobody is told twice that one is overdue, unless its
    day is moved.
    """
    opportunity, lead = lock_deal(opportunity, by=by)
    if opportunity.stage == Stage.LOST:
        raise TransitionError(_("The opportunity is lost: there is nothing to plan."))
    require_seen(opportunity, lead, seen_at)
    if len(instalments) > MOST_INSTALMENTS:
        raise TransitionError(_("A plan has at most %(most)s instalments.") % {"most": MOST_INSTALMENTS})
    kept = {each.pk: each for each in opportunity.planned_payments.all()}
    before, rows = _told(list(kept.values())), []
    days_before = [each.due_on for each in kept.values()]
    for each in instalments:
        if not each.amount.is_finite() or each.amount <= 0:
            raise TransitionError(_("An instalment is more than nothing."))
        values.require_room(each.amount)
        row = kept.get(each.pk or 0) or PlannedPayment(opportunity=opportunity)
        if row.due_on != each.due_on:
            row.told_at = None
        row.due_on, row.amount, row.note = each.due_on, each.amount, each.note.strip()
        rows.append(row)
    if len({id(row) for row in rows}) < len(rows):
        raise TransitionError(_("One instalment was sent twice. Please reload the page."))
    told = _told(rows)
    if told == before:
        return False
    opportunity.planned_payments.exclude(pk__in=[row.pk for row in rows if row.pk]).delete()
    for row in rows:
        row.save()
    _fill_plan(opportunity)
    opportunity.save(update_fields=["updated_at"])
    lead.save(update_fields=["updated_at"])
    LeadEvent.objects.record(
        lead,
        Kind.EDITED,
        by=by,
        at=at,
        fields=["payment_plan"],
        changes={"payment_plan": [before, told]},
        due_days=sorted({each.isoformat() for each in [*days_before, *(row.due_on for row in rows)]}),
        opportunity=opportunity.pk,
    )
    return True


def _told(rows: list[PlannedPayment]) -> str:
    """The plan in words, for the log."""
    shown = sorted((row.due_on, row.amount, row.note) for row in rows)
    return "; ".join(f"{day.isoformat()} {amount}{f' ({note})' if note else ''}" for day, amount, note in shown)
