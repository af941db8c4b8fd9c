"""Changing the ways of selling: their stages, limits of days and products."""

import datetime
from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import User
from leads.models import Product
from pipeline import chances
from pipeline.models import PipelineProduct, SalesPipeline


class StillUsed(Exception):
    """The pipeline can't be deleted; the text says why."""


def _require(by: User | None) -> None:
    if not access.may(by, access.EDIT_PIPELINES):
        raise NotAllowed(_("Only a sales manager or the director changes how we sell."))


@transaction.atomic
def set_products(
    pipeline: SalesPipeline, products: Iterable[Product], *, by: User | None, at: datetime.datetime
) -> None:
    """Sell exactly these products that way; those that another pipeline sold until now leave it.

    Opportunities follow their product at once and stay in their stage, also where the new way leaves it out.
    """
    _require(by)
    wanted = [] if pipeline.is_default else sorted({product.pk for product in products})
    before = set(pipeline.its_products.values_list("product", flat=True))
    pipeline.its_products.exclude(product__in=wanted).delete()
    PipelineProduct.objects.bulk_create(
        [PipelineProduct(pipeline=pipeline, product_id=pk) for pk in wanted],
        update_conflicts=True,
        unique_fields=["product"],
        update_fields=["pipeline"],
    )
    if before != set(wanted):
        chances.reckon(at)


@transaction.atomic
def delete_pipeline(pipeline: SalesPipeline, *, by: User | None) -> None:
    """Raises StillUsed for the default pipeline and for one that still sells something."""
    _require(by)
    pipeline = SalesPipeline.objects.select_for_update().get(pk=pipeline.pk)
    if pipeline.is_default:
        raise StillUsed(
            _("“%(pipeline)s” sells all that no other pipeline does, so it stays.") % {"pipeline": pipeline}
        )
    sold = [str(each.product) for each in pipeline.its_products.select_related("product").order_by("product__name")]
    if sold:
        raise StillUsed(
            _("“%(pipeline)s” still sells %(products)s. Take them out first; they then go the default way.")
            % {"pipeline": pipeline, "products": ", ".join(sold)}
        )
    pipeline.delete()
