"""The list of what clients paid."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.keyset import keyset_page
from accounts.models import Organisation
from pipeline.forms.filters import PaymentFilter
from pipeline.models import Payment
from pipeline.views.opportunities import COUNTED


@login_required
@require_safe
def payment_list(request: HttpRequest) -> HttpResponse:
    filters = PaymentFilter.read(request.GET)
    payments = filters.apply(Payment.objects.visible_to(request.user))
    context = {
        "page": keyset_page(payments.for_list(), request.GET, order=("-paid_on", "-pk")),
        "filters": filters,
        "totals": payments.order_by()[: COUNTED + 1].aggregate(number=Count("pk"), amount=Sum("amount")),
        "counted": COUNTED,
        "currency": Organisation.current().currency,
    }
    return render(request, "pipeline/payment_list.html", context)


@login_required
@require_safe
def payment_filter(request: HttpRequest) -> HttpResponse:
    """The filters of the list as a form, in a dialog."""
    context = {"form": PaymentFilter.read(request.GET), "list_url": reverse("pipeline:payment_list")}
    return render(request, "pipeline/filter.html", context)
