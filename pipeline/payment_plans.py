"""Payment plans: how payments fill them, and how they are offered.

Payments fill a plan in order of its dates, whatever each was meant for.
"""

import calendar
import dataclasses
import datetime
import enum
from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from django.utils.translation import gettext_lazy as _

from leads.models.money import CENT
from pipeline.models import PlannedPayment


class State(enum.StrEnum):
    PAID = "paid"
    PART = "part"
    OVERDUE = "overdue"
    DUE = "due"

    @property
    def label(self):
        return {
            State.PAID: _("paid"),
            State.PART: _("part paid"),
            State.OVERDUE: _("overdue"),
            State.DUE: _("due"),
        }[self]


@dataclasses.dataclass(frozen=True)
class Filled:
    """An instalment, and how much of it is paid. Overdue is what isn't paid in full on the day after it was due."""

    planned: PlannedPayment
    paid: Decimal
    is_late: bool

    @property
    def left(self) -> Decimal:
        return self.planned.amount - self.paid

    @property
    def state(self) -> State:
        if not self.left:
            return State.PAID
        if self.is_late:
            return State.OVERDUE
        return State.PART if self.paid else State.DUE


def filled(
    plan: Iterable[PlannedPayment], paid: Decimal, today: datetime.date, *, is_owed: bool = True
) -> list[Filled]:
    """The plan in order of its dates, filled with all that was paid. Before the sale (`is_owed` false) none is overdue."""
    rows, left = [], paid
    for planned in sorted(plan, key=lambda each: (each.due_on, each.pk)):
        part = min(planned.amount, left)
        left -= part
        rows.append(Filled(planned, part, is_owed and planned.due_on < today))
    return rows


def months_later(day: datetime.date, months: int) -> datetime.date:
    """The same day of a later month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return datetime.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def split(amount: Decimal, number: int, first_on: datetime.date) -> list[tuple[datetime.date, Decimal]]:
    """`number` monthly instalments of the same size; the last takes the cents that are left over."""
    each = (amount / number).quantize(CENT, ROUND_DOWN)
    sums = [each] * (number - 1) + [amount - each * (number - 1)]
    return [(months_later(first_on, n), part) for n, part in enumerate(sums)]
