"""What clients agreed to pay by when, and what they paid."""

import datetime
from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Stage
from leads.normalise import validate_text
from pipeline.models.opportunities import Opportunity


class PlannedPaymentQuerySet(models.QuerySet["PlannedPayment"]):
    def visible_to(self, user: User) -> "PlannedPaymentQuerySet":
        return self if user.is_active else self.none()

    def owed(self) -> "PlannedPaymentQuerySet":
        """Instalments of won opportunities: before the sale nobody owes anything."""
        return self.filter(opportunity__stage=Stage.WON)

    def unpaid(self) -> "PlannedPaymentQuerySet":
        """Those that something is still missing of."""
        return self.filter(paid__lt=F("amount"))

    def paid_in_full(self) -> "PlannedPaymentQuerySet":
        return self.filter(paid=F("amount"))

    def overdue(self, today: datetime.date) -> "PlannedPaymentQuerySet":
        """Instalments that should have been paid before `today` and aren't in full."""
        return self.owed().filter(due_on__lt=today).unpaid()

    def for_list(self) -> "PlannedPaymentQuerySet":
        return self.select_related("opportunity__lead__contact__company", "opportunity__owner")


class PlannedPayment(models.Model):
    """One instalment that the client agreed to, in the organisation's currency. Payments fill the plan in order of dates."""

    opportunity = models.ForeignKey(Opportunity, on_delete=models.CASCADE, related_name="planned_payments")
    due_on = models.DateField(_("due"))
    amount = models.DecimalField(
        _("amount"), max_digits=14, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )
    note = models.CharField(_("note"), max_length=300, blank=True, validators=[validate_text])
    # How much of it the opportunity's payments cover, see `payment_plans.filled`; written with each of them.
    paid = models.DecimalField(
        max_digits=14, decimal_places=2, default=Decimal(0), db_default=Decimal(0), editable=False
    )
    told_at = models.DateTimeField(null=True, blank=True, editable=False)  # when its being overdue was told of

    objects = PlannedPaymentQuerySet.as_manager()

    class Meta:
        ordering = ["due_on", "pk"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="planned_payment_is_positive")]
        indexes = [
            models.Index(fields=["due_on"], name="planned_payment_due"),
            models.Index(fields=["due_on", "id"], name="planned_payment_unpaid", condition=Q(paid__lt=F("amount"))),
        ]

    def __str__(self) -> str:
        return f"{self.due_on} {self.amount}"


class PaymentQuerySet(models.QuerySet["Payment"]):
    def visible_to(self, user: User) -> "PaymentQuerySet":
        return self if user.is_active else self.none()

    def valid(self) -> "PaymentQuerySet":
        """Those that count: a payment recorded by mistake is voided, never deleted."""
        return self.filter(voided_at__isnull=True)

    def for_list(self) -> "PaymentQuerySet":
        return self.select_related("opportunity__lead__contact__company", "opportunity__owner", "recorded_by")


class Payment(models.Model):
    """Money that came in for a won opportunity, in the organisation's currency."""

    opportunity = models.ForeignKey(Opportunity, on_delete=models.PROTECT, related_name="payments")
    paid_on = models.DateField(_("paid on"))
    amount = models.DecimalField(
        _("amount"), max_digits=14, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )
    # Where it came in another currency: its code, the sum in it and the rate by which `amount` was reckoned.
    currency = models.CharField(_("currency"), max_length=3, blank=True, validators=[validate_text])
    foreign_amount = models.DecimalField(
        _("amount in that currency"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    rate = models.DecimalField(_("rate"), max_digits=18, decimal_places=8, null=True, blank=True, editable=False)
    note = models.CharField(_("note"), max_length=300, blank=True, validators=[validate_text])
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    submission_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    recorded_at = models.DateTimeField(db_index=True)
    voided_at = models.DateTimeField(_("voided"), null=True, blank=True, editable=False)
    voided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    void_reason = models.CharField(_("why voided"), max_length=300, blank=True, validators=[validate_text])

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["paid_on", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_is_positive"),
            models.CheckConstraint(
                condition=Q(voided_at__isnull=True, void_reason="") | Q(voided_at__isnull=False),
                name="only_voided_with_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["paid_on"])]

    def __str__(self) -> str:
        return f"{self.paid_on} {self.amount}"
