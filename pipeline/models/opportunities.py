"""Accepted leads in selling, and what clients pay."""

import datetime
from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Lead, Product, Reason, Stage
from leads.models.leads import SELLING
from leads.normalise import validate_text

OPPORTUNITY_STAGES = [*SELLING, Stage.WON, Stage.LOST]


class OpportunityQuerySet(models.QuerySet["Opportunity"]):
    def visible_to(self, user: User) -> "OpportunityQuerySet":
        return self if user.is_active else self.none()

    def open(self) -> "OpportunityQuerySet":
        return self.filter(stage__in=SELLING)

    def of_team(self, user: User) -> "OpportunityQuerySet":
        """Those of `user`'s whole team."""
        return self.filter(owner__team=user.team_id) if user.team_id else self.filter(owner=user)

    def step_due(self, on: datetime.date) -> "OpportunityQuerySet":
        """Open ones whose agreed next step is due by that day."""
        return self.open().filter(next_step_on__lte=on)

    def cold(self, at: datetime.datetime) -> "OpportunityQuerySet":
        """Open ones whose client nobody has contacted for longer than was agreed."""
        return self.open().filter(lead__cold_at__lte=at)

    def won(self) -> "OpportunityQuerySet":
        return self.filter(stage=Stage.WON)

    def open_at(self, at: datetime.datetime) -> "OpportunityQuerySet":
        """Those that were in selling at that moment."""
        not_closed = Q(won_at__isnull=True, lost_at__isnull=True) | Q(won_at__gte=at) | Q(lost_at__gte=at)
        return self.filter(not_closed, opened_at__lt=at)

    def of_known_opening(self) -> "OpportunityQuerySet":
        """Those whose day of opening is known; of an imported deal it may not be."""
        return self.filter(lead__accepted_at__isnull=False)

    def first_of_clients(self) -> "OpportunityQuerySet":
        """The won ones that made each client one."""
        won = Opportunity.objects.won().filter(lead__contact=OuterRef("lead__contact"))
        earlier = won.filter(Q(won_at__lt=OuterRef("won_at")) | Q(won_at=OuterRef("won_at"), pk__lt=OuterRef("pk")))
        return self.won().filter(~Exists(earlier))

    def for_list(self) -> "OpportunityQuerySet":
        return self.select_related(
            "lead__contact__company", "lead__campaign__channel", "owner", "product", "lost_reason"
        )


class Opportunity(models.Model):
    """An accepted lead in selling. Amounts are in the organisation's currency; None means not known."""

    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, related_name="opportunities")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.PROTECT,
        related_name="opportunities",
        db_index=False,
    )
    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="opportunities",
    )
    stage = models.CharField(
        _("stage"),
        max_length=12,
        choices=[(s.value, s.label) for s in OPPORTUNITY_STAGES],
        default=Stage.ACCEPTED,
        editable=False,
    )
    amount = models.DecimalField(
        _("amount"), max_digits=14, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(Decimal(0))]
    )
    margin = models.DecimalField(
        _("margin"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Left empty, it is reckoned from the product's cost share."),
    )
    expected_close_on = models.DateField(_("expected close"), null=True, blank=True)
    next_step = models.CharField(_("next step"), max_length=200, blank=True, validators=[validate_text])
    next_step_on = models.DateField(_("next step on"), null=True, blank=True)
    demo_at = models.DateTimeField(_("demo"), null=True, blank=True)
    proposal_at = models.DateTimeField(_("proposal sent"), null=True, blank=True)
    contract_at = models.DateTimeField(_("contract sent"), null=True, blank=True)
    opened_at = models.DateTimeField(_("opened"))
    stage_at = models.DateTimeField(_("in this stage since"))
    won_at = models.DateTimeField(_("won"), null=True, blank=True)
    lost_at = models.DateTimeField(_("lost"), null=True, blank=True)
    lost_reason = models.ForeignKey(
        Reason, verbose_name=_("why lost"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    lost_note = models.TextField(_("details"), max_length=2000, blank=True, validators=[validate_text])
    source_system = models.CharField(max_length=50, blank=True, editable=False)
    external_id = models.CharField(max_length=200, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    objects = OpportunityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("opportunities")
        constraints = [
            models.UniqueConstraint(
                fields=["source_system", "external_id"], condition=~Q(external_id=""), name="opportunity_external_id"
            ),
            models.CheckConstraint(
                condition=(Q(stage=Stage.WON) & Q(won_at__isnull=False))
                | (~Q(stage=Stage.WON) & Q(won_at__isnull=True)),
                name="won_exactly_with_a_date",
            ),
            models.CheckConstraint(
                condition=(Q(stage=Stage.LOST) & Q(lost_at__isnull=False, lost_reason__isnull=False))
                | (~Q(stage=Stage.LOST) & Q(lost_at__isnull=True)),
                name="lost_exactly_with_date_and_reason",
            ),
            models.CheckConstraint(condition=Q(amount__isnull=True) | Q(amount__gte=0), name="amount_is_not_negative"),
            models.CheckConstraint(
                condition=Q(stage__in=[s.value for s in OPPORTUNITY_STAGES]), name="opportunity_stage_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["stage", "-stage_at", "-id"], name="opportunity_board"),
            models.Index(fields=["owner", "stage", "-id"], name="opportunity_owner"),
            models.Index(fields=["won_at"]),
            models.Index(fields=["lost_at"]),
            models.Index(fields=["opened_at"]),
        ]

    def __str__(self) -> str:
        return str(self.lead)

    @property
    def is_open(self) -> bool:
        return self.stage in SELLING

    def is_cold(self, at: datetime.datetime) -> bool:
        """True when it is open and nobody has been in touch with the client for longer than was agreed."""
        return self.is_open and self.lead.cold_at is not None and self.lead.cold_at <= at

    @property
    def cost_of_sales(self) -> Decimal | None:
        """Amount less margin; None while either isn't known."""
        return None if self.amount is None or self.margin is None else self.amount - self.margin

    @property
    def reckoned_margin(self) -> Decimal | None:
        """What the product's cost share leaves of the amount; None while either isn't known."""
        cost = self.product.cost_of(self.amount) if self.product is not None else None
        return None if cost is None or self.amount is None else self.amount - cost

    def reckon_margin(self) -> None:
        """Fill an unknown margin from the product's cost share."""
        if self.margin is None:
            self.margin = self.reckoned_margin


class PaymentQuerySet(models.QuerySet["Payment"]):
    def visible_to(self, user: User) -> "PaymentQuerySet":
        return self if user.is_active else self.none()

    def for_list(self) -> "PaymentQuerySet":
        return self.select_related("opportunity__lead__contact__company", "opportunity__owner", "recorded_by")


class Payment(models.Model):
    """Money that came in for a won opportunity, in the organisation's currency."""

    opportunity = models.ForeignKey(Opportunity, on_delete=models.PROTECT, related_name="payments")
    paid_on = models.DateField(_("paid on"))
    amount = models.DecimalField(
        _("amount"), max_digits=14, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )
    note = models.CharField(_("note"), max_length=300, blank=True, validators=[validate_text])
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    submission_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    recorded_at = models.DateTimeField(db_index=True)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["paid_on", "pk"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="payment_is_positive")]
        indexes = [models.Index(fields=["paid_on"])]

    def __str__(self) -> str:
        return f"{self.paid_on} {self.amount}"
