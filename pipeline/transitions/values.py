"""What an opportunity is worth: its lines, its currency and the rate of the day."""

import datetime
from collections.abc import Iterable
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Organisation
from leads.models import ExchangeRate
from leads.models.money import in_own_currency
from pipeline.models import Opportunity, OpportunityLine
from pipeline.transitions.rules import TransitionError

LARGEST = Decimal("999999999999.99")  # what a column of money holds


def day_of(at: datetime.datetime) -> datetime.date:
    """The organisation's day at that moment: rates and due days are of it."""
    return at.astimezone(Organisation.current().tzinfo).date()


def other_currency(code: str) -> str:
    """The code of a currency that isn't the organisation's; "" for that one."""
    code = code.strip().upper()
    if code and not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise TransitionError(_("A currency is three letters, such as EUR."))
    return "" if code == Organisation.current().currency else code


def rate_of(currency: str, on: datetime.date) -> Decimal | None:
    """What one unit was worth on that day; None for the organisation's own. Raises TransitionError where nobody said."""
    if not currency:
        return None
    rate = ExchangeRate.objects.in_force(currency, on)
    if rate is None:
        raise TransitionError(
            _(
                "No exchange rate of %(currency)s is known for %(day)s, so nothing was saved. "
                "Rates are kept under Settings → Exchange rates."
            )
            % {"currency": currency, "day": date_format(on, "DATE_FORMAT")}
        )
    return rate.rate


def require_room(amount: Decimal | None) -> None:
    if amount is not None and abs(amount) > LARGEST:
        raise TransitionError(_("That is more than can be kept: at most 12 digits before the point."))


def converted(amount: Decimal | None, rate: Decimal | None) -> Decimal | None:
    """`amount` in the organisation's currency, to the cent."""
    own = in_own_currency(amount, rate)
    require_room(own)
    return own


def total_of(lines: Iterable[OpportunityLine]) -> tuple[Decimal, Decimal | None]:
    """Amount and margin of all lines together; the margin isn't known while one line's cost share isn't.

    Each line's cost is rounded to the cent before they are added, so that what the lines show adds up.
    """
    amount, margin = Decimal(0), Decimal(0)
    is_known = True
    for line in lines:
        amount += line.amount
        of_line = line.margin
        is_known = is_known and of_line is not None
        margin += of_line or 0
    require_room(amount)
    return amount, margin if is_known else None


def give(
    opportunity: Opportunity, amount: Decimal | None, margin: Decimal | None, currency: str, on: datetime.date
) -> None:
    """Set what a locked opportunity is worth, at the rate of `on`; the caller saves it."""
    rate = rate_of(currency, on)
    for value in (amount, margin):
        require_room(value)
        converted(value, rate)
    opportunity.set_value(amount, margin, currency=currency, rate=rate)


def agree(opportunity: Opportunity, amount: Decimal | None, margin: Decimal | None, *, on: datetime.date) -> None:
    """Set what it is sold for. Without lines a known amount may be typed, and an unknown margin comes from the product."""
    lines = list(opportunity.lines.all())
    if lines:
        total, margin = total_of(lines)
        if amount is not None and amount != total:
            raise TransitionError(_("The lines make the amount: %(total)s. Change the lines first.") % {"total": total})
        amount = total
    elif amount is None:
        amount = opportunity.said_amount
    if amount is None:
        raise TransitionError(_("For how much? Please say the amount."))
    give(opportunity, amount, margin, opportunity.currency, on)
    if not lines and margin is None:
        give(opportunity, amount, opportunity.reckoned_margin, opportunity.currency, on)
