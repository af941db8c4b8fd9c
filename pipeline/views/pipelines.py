"""Settings → sales pipelines: which stages a product's opportunities go through, and for how long."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.saving import save_unless_taken
from leads.models.leads import SELLING
from pipeline import chances, pipelines
from pipeline.forms.pipelines import SalesPipelineForm
from pipeline.models import SalesPipeline


@login_required
@require_safe
def pipeline_list(request: HttpRequest) -> HttpResponse:
    """Every pipeline with its stages, limits, products, and how often its opportunities are won."""
    known = chances.Chances()
    rows = [
        {
            "pipeline": pipeline,
            "stages": [
                {"stage": stage, "days": pipeline.most_days(stage), "chance": known.of(pipeline, stage)}
                for stage in pipeline.stages
            ],
            "products": sorted(str(sold.product) for sold in pipeline.its_products.all()),
        }
        for pipeline in SalesPipeline.objects.prefetch_related("its_products__product")
    ]
    context = {
        "rows": rows,
        "selling": SELLING,
        "fewest": chances.FEWEST,
        "years": chances.YEARS,
        "may_edit": access.may(request.user, access.EDIT_PIPELINES),
    }
    return render(request, "pipeline/pipeline_list.html", context)


@access.only_for(access.EDIT_PIPELINES)
@require_http_methods(["GET", "HEAD", "POST"])
def pipeline_add(request: HttpRequest) -> HttpResponse:
    return _edit(request, SalesPipeline())


@access.only_for(access.EDIT_PIPELINES)
@require_http_methods(["GET", "HEAD", "POST"])
def pipeline_edit(request: HttpRequest, pk: int) -> HttpResponse:
    with transaction.atomic():
        rows = SalesPipeline.objects.all()
        return _edit(request, get_object_or_404(rows.select_for_update() if request.method == "POST" else rows, pk=pk))


def _edit(request: HttpRequest, pipeline: SalesPipeline) -> HttpResponse:
    form = SalesPipelineForm(request.POST if request.method == "POST" else None, instance=pipeline)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            if saved := save_unless_taken(form):
                products = form.cleaned_data.get("products", [])
                pipelines.set_products(saved, products, by=request.user, at=timezone.now())
        if saved:
            messages.success(request, _("%(entry)s is saved.") % {"entry": saved})
            return redirect("pipeline:pipeline_list")
    context = {"form": form, "pipeline": pipeline}
    return render(request, "pipeline/pipeline_edit.html", context, status=422 if form.errors else 200)


@access.only_for(access.EDIT_PIPELINES)
@require_POST
def pipeline_delete(request: HttpRequest, pk: int) -> HttpResponse:
    pipeline = get_object_or_404(SalesPipeline, pk=pk)
    try:
        pipelines.delete_pipeline(pipeline, by=request.user)
    except pipelines.StillUsed as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(entry)s is deleted.") % {"entry": pipeline})
    return redirect("pipeline:pipeline_list")
