"""The ways of selling: which stages a product's opportunities go through, how long each may take, how often each ends well."""

import dataclasses
import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.models import Product, Stage
from leads.models.leads import SELLING
from leads.normalise import validate_text

_AGE = [MinValueValidator(1), MaxValueValidator(999)]


class SalesPipelineQuerySet(models.QuerySet["SalesPipeline"]):
    def ways(self) -> "Ways":
        """All pipelines and what each sells, read once for a whole page."""
        pipelines: list[SalesPipeline] = list(self.prefetch_related("its_products"))
        default = next((each for each in pipelines if each.is_default), None) or SalesPipeline(is_default=True)
        by_product = {sold.product_id: each for each in pipelines for sold in each.its_products.all()}
        return Ways(pipelines or [default], default, by_product)


class SalesPipeline(models.Model):
    """The way of selling of some products; the default one is of all the others, and of opportunities without a product.

    Every way goes through the same stages in the same order, so that figures compare; some leave out stages.
    """

    name = models.CharField(_("name"), max_length=100, unique=True, validators=[validate_text])
    is_default = models.BooleanField(default=False, editable=False)
    uses_demo = models.BooleanField(_("with a demo"), default=True)
    uses_proposal = models.BooleanField(_("with a proposal"), default=True)
    uses_contract = models.BooleanField(_("with a contract"), default=True)
    # After so many days in a stage an opportunity is “rotting”.
    accepted_days = models.PositiveSmallIntegerField(_("days in “accepted” at most"), default=14, validators=_AGE)
    demo_days = models.PositiveSmallIntegerField(_("days in “demo” at most"), default=21, validators=_AGE)
    proposal_days = models.PositiveSmallIntegerField(_("days in “proposal” at most"), default=30, validators=_AGE)
    contract_days = models.PositiveSmallIntegerField(_("days in “contract” at most"), default=30, validators=_AGE)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SalesPipelineQuerySet.as_manager()

    class Meta:
        ordering = ["-is_default", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_sales_pipeline"
            )
        ]

    def __str__(self) -> str:
        return gettext(self.name) if self.name else ""

    @property
    def stages(self) -> list[Stage]:
        """The selling stages that it goes through, in order."""
        left_out = {stage for stage in SELLING[1:] if not getattr(self, f"uses_{stage.value}")}
        return [stage for stage in SELLING if stage not in left_out]

    def most_days(self, stage: Stage) -> int:
        """After how many days in `stage` an opportunity is rotting."""
        return getattr(self, f"{stage.value}_days")


class PipelineProduct(models.Model):
    """That a product is sold by this way. A product is sold by one way only."""

    pipeline = models.ForeignKey(SalesPipeline, on_delete=models.CASCADE, related_name="its_products")
    product = models.OneToOneField(Product, on_delete=models.CASCADE, related_name="sales_pipeline")


@dataclasses.dataclass(frozen=True)
class Ways:
    """Which pipeline sells what, as read at one moment. `default` sells all that no other one does."""

    pipelines: list[SalesPipeline]  # the default one first
    default: SalesPipeline
    by_product: dict[int, SalesPipeline]

    def of(self, product_id: int | None) -> SalesPipeline:
        """The pipeline of an opportunity about that product."""
        return self.by_product.get(product_id, self.default) if product_id else self.default

    def sold_by(self, pipeline: SalesPipeline) -> Q:
        """Which opportunities go that way."""
        if pipeline == self.default:
            others = [product for product, way in self.by_product.items() if way != self.default]
            return ~Q(product__in=others) if others else Q()
        return Q(product__in=[product for product, way in self.by_product.items() if way == pipeline])

    def past_limit(self, at: datetime.datetime) -> Q:
        """Which opportunities have been in their selling stage for longer than their pipeline allows."""
        late = Q(pk__in=[])
        for pipeline in self.pipelines:
            for stage in SELLING:
                since = at - datetime.timedelta(days=pipeline.most_days(stage))
                late |= Q(stage=stage, stage_at__lt=since) & self.sold_by(pipeline)
        return late


class StageChance(models.Model):
    """Of the opportunities that reached `stage` and are closed, how many were won; reckoned again every night."""

    pipeline = models.ForeignKey(SalesPipeline, on_delete=models.CASCADE, related_name="chances")
    stage = models.CharField(max_length=12, choices=[(stage.value, stage.label) for stage in SELLING])
    closed = models.PositiveIntegerField()
    won = models.PositiveIntegerField()
    reckoned_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pipeline", "stage"], name="one_chance_per_stage"),
            models.CheckConstraint(condition=Q(won__lte=F("closed")), name="no_more_won_than_closed"),
        ]
