"""What clients object, how it ended, and what became of those deals."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.keyset import keyset_page
from leads.models import Stage
from pipeline.forms.deal_filters import ObjectionFilter
from pipeline.models import Objection

_CLOSED = Q(opportunity__stage__in=[Stage.WON, Stage.LOST])


@login_required
@require_safe
def objection_list(request: HttpRequest) -> HttpResponse:
    """By kind: how many, how they ended, and the share of their closed deals that was won; and each with its deal."""
    filters = ObjectionFilter.read(request.GET)
    objections = filters.apply(Objection.objects.visible_to(request.user))
    counts = (
        objections.order_by()
        .values("kind")
        .annotate(
            number=Count("pk"),
            open=Count("pk", filter=Q(end="")),
            **{end.value: Count("pk", filter=Q(end=end.value)) for end in Objection.End},
            won=Count("opportunity", distinct=True, filter=Q(opportunity__stage=Stage.WON)),
            closed=Count("opportunity", distinct=True, filter=_CLOSED),
        )
    )
    found = {row["kind"]: row for row in counts}
    ends = [("open", ""), *Objection.End.choices]
    kinds = [
        {
            **found[kind.value],
            "kind": kind,
            "url": filters.address(kind=kind.value),
            "ends": [(found[kind.value][end], filters.address(kind=kind.value, end=end)) for end, _label in ends],
        }
        for kind in Objection.Kind
        if kind.value in found
    ]
    context = {
        "page": keyset_page(objections.for_list(), request.GET, order=("-raised_at", "-pk")),
        "filters": filters,
        "kinds": kinds,
        "ends": Objection.End,
    }
    return render(request, "pipeline/objection_list.html", context)


@login_required
@require_safe
def objection_filter(request: HttpRequest) -> HttpResponse:
    """The filters of the list as a form, in a dialog."""
    context = {"form": ObjectionFilter.read(request.GET), "list_url": reverse("pipeline:objection_list")}
    return render(request, "pipeline/filter.html", context)
