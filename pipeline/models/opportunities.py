"""Accepted leads in selling: what each is worth, by lines and in what currency, and what clients object."""

import datetime
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation, User
from leads.models import Lead, Product, Reason, Stage
from leads.models.leads import SELLING
from leads.models.money import in_cents, in_own_currency
from leads.normalise import validate_text
from pipeline.models.sales_pipelines import SalesPipeline, Ways
from pipeline.sla import working_seconds

OPPORTUNITY_STAGES = [*SELLING, Stage.WON, Stage.LOST]
# What a client asks for and is sent; each is a stage of the same name, too.
STEPS = [Stage.DEMO, Stage.PROPOSAL, Stage.CONTRACT]


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

    def without_next_step(self) -> "OpportunityQuerySet":
        """Open ones of which nobody knows when the next step is."""
        return self.open().filter(next_step_on__isnull=True)

    def of_pipeline(self, pipeline: SalesPipeline, ways: Ways | None = None) -> "OpportunityQuerySet":
        """Those whose product is sold that way."""
        return self.filter((ways or SalesPipeline.objects.ways()).sold_by(pipeline))

    def rotting(self, at: datetime.datetime, ways: Ways | None = None) -> "OpportunityQuerySet":
        """Open ones that have been in their stage for longer than their pipeline allows."""
        return self.filter((ways or SalesPipeline.objects.ways()).past_limit(at))

    def won(self) -> "OpportunityQuerySet":
        return self.filter(stage=Stage.WON)

    def open_at(self, at: datetime.datetime) -> "OpportunityQuerySet":
        """Those that were in selling at that moment."""
        not_closed = Q(won_at__isnull=True, lost_at__isnull=True) | Q(won_at__gte=at) | Q(lost_at__gte=at)
        return self.filter(not_closed, opened_at__lt=at)

    def of_known_opening(self) -> "OpportunityQuerySet":
        """Those whose day of opening is known; of an imported deal it may not be."""
        return self.filter(lead__accepted_at__isnull=False)

    def repeated(self) -> "OpportunityQuerySet":
        """Repeat purchases: they go through the stages by themselves, while their lead stays won."""
        return self.filter(repeats__isnull=False)

    def current(self) -> "Opportunity | None":
        """Of the opportunities of one lead, the one that its stage follows."""
        return self.filter(repeats__isnull=True).select_related("owner").order_by("-pk").first()

    def foreign(self) -> "OpportunityQuerySet":
        """Those whose client pays in another currency than the organisation's."""
        return self.exclude(currency="")

    def first_of_clients(self) -> "OpportunityQuerySet":
        """The won ones that made each client one."""
        won = Opportunity.objects.won().filter(lead__contact=OuterRef("lead__contact"))
        earlier = won.filter(Q(won_at__lt=OuterRef("won_at")) | Q(won_at=OuterRef("won_at"), pk__lt=OuterRef("pk")))
        return self.won().filter(~Exists(earlier))

    def for_list(self) -> "OpportunityQuerySet":
        return self.select_related(
            "lead__contact__company", "lead__campaign__channel", "owner", "product", "lost_reason"
        )

    def for_board(self) -> "OpportunityQuerySet":
        """What a card shows, and no more: there may be a hundred of them on a page."""
        return self.select_related("lead__contact__company", "owner", "product").only(
            *("product__name", "amount", "stage", "stage_at", "next_step", "next_step_on", "expected_close_on"),
            *("lead__cold_at", "lead__stage", "lead__contact__name", "lead__contact__company__name"),
            *("lead__contact__email", "lead__contact__phone", "lead__contact__erased_at"),
            *("owner__name", "owner__email", "owner__team", "owner__role", "owner__is_active", "repeats"),
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
    # Where the client pays in another currency: its code, the amount in it and the rate by which `amount` was reckoned.
    currency = models.CharField(_("currency"), max_length=3, blank=True, validators=[validate_text])
    foreign_amount = models.DecimalField(
        _("amount in that currency"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
    )
    foreign_margin = models.DecimalField(
        _("margin in that currency"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    rate = models.DecimalField(_("rate"), max_digits=18, decimal_places=8, null=True, blank=True, editable=False)
    repeats = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="repeated_by", editable=False
    )
    expected_close_on = models.DateField(_("expected close"), null=True, blank=True)
    next_step = models.CharField(_("next step"), max_length=200, blank=True, validators=[validate_text])
    next_step_on = models.DateField(_("next step on"), null=True, blank=True)
    demo_asked_at = models.DateTimeField(_("demo asked for"), null=True, blank=True)
    proposal_asked_at = models.DateTimeField(_("proposal asked for"), null=True, blank=True)
    contract_asked_at = models.DateTimeField(_("contract asked for"), null=True, blank=True)
    demo_at = models.DateTimeField(_("demo"), null=True, blank=True)
    proposal_at = models.DateTimeField(_("proposal sent"), null=True, blank=True)
    contract_at = models.DateTimeField(_("contract sent"), null=True, blank=True)
    # Seconds of working time from the asking to the sending; null while either isn't known.
    demo_seconds = models.PositiveIntegerField(null=True, blank=True, editable=False)
    proposal_seconds = models.PositiveIntegerField(null=True, blank=True, editable=False)
    contract_seconds = models.PositiveIntegerField(null=True, blank=True, editable=False)
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
                condition=Q(currency="", foreign_amount__isnull=True, foreign_margin__isnull=True, rate__isnull=True)
                | ~Q(currency=""),
                name="foreign_amount_has_a_currency",
            ),
            models.CheckConstraint(
                condition=Q(stage__in=[s.value for s in OPPORTUNITY_STAGES]), name="opportunity_stage_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["stage", "-stage_at", "-id"], name="opportunity_board"),
            models.Index(fields=["owner", "stage", "-id"], name="opportunity_owner"),
            models.Index(fields=["currency"], name="opportunity_foreign", condition=~Q(currency="")),
            models.Index(fields=["won_at"]),
            models.Index(fields=["lost_at"]),
            models.Index(fields=["opened_at"]),
            # Orders of the list; where the column is empty, by id.
            models.Index(fields=["expected_close_on", "id"], name="opportunity_by_close"),
            models.Index(fields=["next_step_on", "id"], name="opportunity_by_step"),
            models.Index(fields=["amount", "id"], name="opportunity_by_amount"),
            models.Index(fields=["stage_at", "id"], name="opportunity_by_age"),
        ]

    def __str__(self) -> str:
        return str(self.lead)

    @property
    def is_open(self) -> bool:
        return self.stage in SELLING

    def is_cold(self, at: datetime.datetime) -> bool:
        """True when it is open and nobody has been in touch with the client for longer than was agreed."""
        return self.is_open and self.lead.cold_at is not None and self.lead.cold_at <= at

    def days_in_stage(self, at: datetime.datetime) -> int:
        """Whole days since it came to its stage."""
        return max(0, (at - self.stage_at).days)

    def days_over(self, at: datetime.datetime, pipeline: SalesPipeline) -> int:
        """By how many days, begun ones included, it is longer in its stage than `pipeline` allows; 0: it isn't."""
        if not self.is_open:
            return 0
        over = at - self.stage_at - datetime.timedelta(days=pipeline.most_days(Stage(self.stage)))
        return max(0, -(-over // datetime.timedelta(days=1)))

    @property
    def has_next_step(self) -> bool:
        """A step without a day is nobody's: only a dated one counts."""
        return self.next_step_on is not None

    @property
    def cost_of_sales(self) -> Decimal | None:
        """Amount less margin; None while either isn't known."""
        return None if self.amount is None or self.margin is None else self.amount - self.margin

    @property
    def said_amount(self) -> Decimal | None:
        """The amount as the client hears it, in the deal's own currency."""
        return self.foreign_amount if self.currency else self.amount

    @property
    def said_margin(self) -> Decimal | None:
        return self.foreign_margin if self.currency else self.margin

    @property
    def reckoned_margin(self) -> Decimal | None:
        """What the product's cost share leaves of the amount, in the deal's currency; None while either isn't known."""
        amount = self.said_amount
        cost = self.product.cost_of(amount) if self.product is not None else None
        return None if cost is None or amount is None else amount - cost

    def reckon_margin(self) -> None:
        """Fill an unknown margin of a deal in the organisation's currency from the product's cost share."""
        if self.margin is None and not self.currency:
            self.margin = self.reckoned_margin

    def set_value(
        self, amount: Decimal | None, margin: Decimal | None, *, currency: str = "", rate: Decimal | None = None
    ) -> None:
        """Say what it is worth. In another currency one unit is worth `rate` of the organisation's; both go to the cent."""
        self.currency, self.rate = currency, rate if currency else None
        self.foreign_amount, self.foreign_margin = (amount, margin) if currency else (None, None)
        self.amount, self.margin = (in_own_currency(value, self.rate) for value in (amount, margin))

    def reckon_speeds(self, organisation: Organisation) -> None:
        """How long a demo, proposal and contract took from the asking to the sending, in working time."""
        for step in STEPS:
            asked_at, sent_at = getattr(self, f"{step}_asked_at"), getattr(self, f"{step}_at")
            known = asked_at is not None and sent_at is not None
            seconds = working_seconds(asked_at, sent_at, organisation) if known else None
            setattr(self, f"{step}_seconds", seconds)


class OpportunityLine(models.Model):
    """One product of an opportunity, in the opportunity's currency. Where there are lines, they make its amount."""

    opportunity = models.ForeignKey(Opportunity, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(
        Product, verbose_name=_("product"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    text = models.CharField(_("what"), max_length=200, blank=True, validators=[validate_text])
    amount = models.DecimalField(
        _("amount"), max_digits=14, decimal_places=2, validators=[MinValueValidator(Decimal(0))]
    )
    # The product's when the line was written, unless another was typed; None: not known.
    cost_share = models.DecimalField(
        _("cost share"),
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(product__isnull=False) | ~Q(text=""), name="line_says_what"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="line_amount_is_not_negative"),
        ]

    def __str__(self) -> str:
        return self.text or str(self.product)

    @property
    def margin(self) -> Decimal | None:
        """What is left of the amount after its cost, rounded to the cent; None where the share isn't known."""
        return None if self.cost_share is None else self.amount - in_cents(self.amount * self.cost_share)


class ObjectionQuerySet(models.QuerySet["Objection"]):
    def visible_to(self, user: User) -> "ObjectionQuerySet":
        return self if user.is_active else self.none()

    def for_list(self) -> "ObjectionQuerySet":
        return self.select_related("opportunity__lead__contact__company", "opportunity__owner", "raised_by")


class Objection(models.Model):
    """What the client had against buying, and how it ended."""

    class Kind(models.TextChoices):
        PRICE = "price", _("price")
        ASSORTMENT = "assortment", _("assortment")
        TERMS = "terms", _("terms")
        OTHER = "other", pgettext_lazy("objection", "other")

    class End(models.TextChoices):
        ANSWERED = "answered", _("answered: they agree")
        GIVEN_IN = "given_in", _("we gave in")
        STANDS = "stands", _("it stands")

    opportunity = models.ForeignKey(Opportunity, on_delete=models.CASCADE, related_name="objections")
    kind = models.CharField(_("objection"), max_length=10, choices=Kind.choices)
    text = models.CharField(_("in their words"), max_length=500, blank=True, validators=[validate_text])
    raised_at = models.DateTimeField()
    raised_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    end = models.CharField(_("how it ended"), max_length=8, choices=End.choices, blank=True, default="")
    end_note = models.CharField(_("note"), max_length=500, blank=True, validators=[validate_text])
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = ObjectionQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(end="", ended_at__isnull=True) | (~Q(end="") & Q(ended_at__isnull=False)),
                name="objection_ends_with_a_date",
            )
        ]
        indexes = [
            models.Index(fields=["kind", "raised_at"], name="objection_by_kind"),
            models.Index(fields=["-raised_at", "-id"], name="objection_by_date"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
