"""Settings → exchange rates: what other currencies are worth, by date. Everybody reads them."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access
from accounts.keyset import keyset_page
from accounts.models import Organisation
from accounts.saving import save_unless_taken
from leads.forms.fields import AmountField, DateInput
from leads.forms.seen import SeenForm
from leads.models import ExchangeRate
from pipeline.forms.deals import LATEST_DAY


class RateForm(SeenForm):
    class Meta:
        model = ExchangeRate
        fields = ["currency", "valid_from", "rate"]
        widgets = {"valid_from": DateInput}
        field_classes = {"rate": AmountField}

    def clean_currency(self) -> str:
        if self.cleaned_data["currency"] == Organisation.current().currency:
            raise ValidationError(_("That is the organisation's own currency: it is worth itself."))
        return self.cleaned_data["currency"]

    def clean_valid_from(self):
        day = self.cleaned_data["valid_from"]
        if day.year < 1990 or day > LATEST_DAY:
            raise ValidationError(_("Please choose another day."))
        return day


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def rate_list(request: HttpRequest) -> HttpResponse:
    form = RateForm(request.POST or None)
    if request.method == "POST":
        if not access.may(request.user, access.EDIT_RATES):
            raise PermissionDenied
        if form.is_valid() and save_unless_taken(form):
            messages.success(request, _("The rate is added. Open opportunities follow within the hour."))
            return redirect("pipeline:rate_list")
    context = {
        "form": form,
        "page": keyset_page(ExchangeRate.objects.all(), request.GET, order=("-valid_from", "-pk")),
        "currency": Organisation.current().currency,
        "may_edit": access.may(request.user, access.EDIT_RATES),
    }
    return render(request, "pipeline/rate_list.html", context, status=422 if form.errors else 200)


@access.only_for(access.EDIT_RATES)
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def rate_edit(request: HttpRequest, pk: int) -> HttpResponse:
    rates = ExchangeRate.objects.all()
    rate = get_object_or_404(rates.select_for_update() if request.method == "POST" else rates, pk=pk)
    form = RateForm(request.POST or None, instance=rate)
    if request.method == "POST" and form.is_valid() and save_unless_taken(form):
        messages.success(request, _("The rate is corrected. Open opportunities follow within the hour."))
        return redirect("pipeline:rate_list")
    context = {"form": form, "rate": rate, "back": reverse("pipeline:rate_list")}
    return render(request, "pipeline/rate_edit.html", context, status=422 if form.errors else 200)


@access.only_for(access.EDIT_RATES)
@require_POST
def rate_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a rate. What was reckoned by it keeps it."""
    ExchangeRate.objects.filter(pk=pk).delete()
    messages.success(request, _("The rate is deleted. What was reckoned by it stays."))
    return redirect("pipeline:rate_list")
