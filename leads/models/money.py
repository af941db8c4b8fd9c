"""What other currencies were worth, by date."""

import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

CENT = Decimal("0.01")


def in_cents(amount: Decimal) -> Decimal:
    """Rounded to the cent, half a cent up: the one way in which sums of money are rounded."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def in_own_currency(amount: Decimal | None, rate: Decimal | None) -> Decimal | None:
    """What `amount` is worth in the organisation's currency; as it is without a rate."""
    return amount if amount is None or rate is None else in_cents(amount * rate)


class ExchangeRateQuerySet(models.QuerySet["ExchangeRate"]):
    def in_force(self, currency: str, on: datetime.date) -> "ExchangeRate | None":
        """The rate of `currency` on that day: the latest that was valid by then; None where none is known."""
        return self.filter(currency=currency, valid_from__lte=on).order_by("-valid_from").first()

    def currencies(self) -> list[str]:
        """The other currencies of which a rate is known."""
        return list(self.order_by("currency").values_list("currency", flat=True).distinct())


class ExchangeRate(models.Model):
    """From `valid_from` on, one unit of `currency` is worth `rate` units of the organisation's currency."""

    currency = models.CharField(
        _("currency (ISO code)"),
        max_length=3,
        validators=[RegexValidator(r"^[A-Z]{3}$", _("Three capital letters, such as EUR."))],
    )
    valid_from = models.DateField(_("valid from"))
    rate = models.DecimalField(
        _("rate"),
        max_digits=18,
        decimal_places=8,
        validators=[MinValueValidator(Decimal("0.00000001"))],
        help_text=_("How many units of the organisation's currency one unit is worth."),
    )

    objects = ExchangeRateQuerySet.as_manager()

    class Meta:
        ordering = ["currency", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["currency", "valid_from"],
                name="one_rate_per_currency_and_day",
                violation_error_message=_("There is a rate of this currency for that day already."),
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="rate_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.valid_from}"
