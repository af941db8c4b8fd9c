"""Partners who solve what we don't, and what is asked for and not sold."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncMonth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from accounts.keyset import keyset_page
from accounts.models import Organisation
from accounts.saving import save_unless_taken
from leads import demand
from leads.forms.demand import DemandForm, DemandRequestForm, PartnerForm
from leads.models import Lead, Partner, Referral, UnmetDemand

MOST_SHOWN = 200  # kinds of unmet demand in the list; beyond that names need putting together
MONTHS = 12


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def partner_list(request: HttpRequest) -> HttpResponse:
    may_edit = access.may(request.user, access.EDIT_CATALOGUE)
    if request.method == "POST" and not may_edit:
        raise PermissionDenied
    form = PartnerForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (partner := save_unless_taken(form)):
        messages.success(request, _("%(entry)s is added.") % {"entry": partner})
        return redirect("leads:partner_list")
    partners = (
        Partner.objects.visible_to(request.user)
        .annotate(
            referral_count=Count("referrals"),
            open_count=Count("referrals", filter=Q(referrals__outcome=Referral.Outcome.OPEN)),
            won_count=Count("referrals", filter=Q(referrals__outcome=Referral.Outcome.WON)),
            reward_in=Sum("referrals__reward_amount", filter=Q(referrals__reward=Referral.Reward.IN)),
            reward_out=Sum("referrals__reward_amount", filter=Q(referrals__reward=Referral.Reward.OUT)),
        )
        .order_by("-is_active", "name")
    )
    context = {"partners": partners, "form": form, "may_edit": may_edit, "currency": Organisation.current().currency}
    return render(request, "leads/partner_list.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def partner_detail(request: HttpRequest, pk: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=pk)
    referrals = Referral.objects.visible_to(request.user).filter(partner=partner)
    page = keyset_page(
        referrals.select_related("lead__contact__company", "referred_by"), request.GET, order=("-referred_at", "-pk")
    )
    context = {
        "partner": partner,
        "page": page,
        "currency": Organisation.current().currency,
        "may_edit": access.may(request.user, access.EDIT_CATALOGUE),
        "may_refer": access.may(request.user, access.REFER_LEADS),
    }
    return render(request, "leads/partner_detail.html", context)


@access.only_for(access.EDIT_CATALOGUE)
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def partner_edit(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Partner.objects.visible_to(request.user)
    partner = get_object_or_404(rows.select_for_update() if request.method == "POST" else rows, pk=pk)
    form = PartnerForm(request.POST or None, instance=partner)
    if request.method == "POST" and form.is_valid() and save_unless_taken(form):
        messages.success(request, _("%(entry)s is saved.") % {"entry": partner})
        return redirect("leads:partner_detail", pk)
    context = {"form": form, "title": _("Edit partner"), "back": reverse("leads:partner_detail", args=[pk])}
    return render(request, "leads/catalogue_edit.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def demand_list(request: HttpRequest) -> HttpResponse:
    entries = list(demand.ranked(timezone.now())[: MOST_SHOWN + 1])
    context = {"entries": entries[:MOST_SHOWN], "is_cut": len(entries) > MOST_SHOWN}
    return render(request, "leads/demand_list.html", context)


@login_required
@require_safe
def demand_detail(request: HttpRequest, pk: int) -> HttpResponse:
    asked = get_object_or_404(demand.ranked(timezone.now()), pk=pk)
    page = keyset_page(asked.requests.select_related("lead__contact__company", "by"), request.GET, order=("-at", "-pk"))
    context = {
        "asked": asked,
        "page": page,
        "months": _by_month(asked),
        "may_edit": access.may(request.user, access.EDIT_CATALOGUE),
    }
    return render(request, "leads/demand_detail.html", context)


def _by_month(asked: UnmetDemand) -> list[dict[str, Any]]:
    """Requests of each of the last twelve months of the organisation's calendar, for the chart."""
    zone = Organisation.current().tzinfo
    this_month = timezone.localdate(timezone=zone).replace(day=1)
    months = [this_month]
    while len(months) < MONTHS:
        before = months[-1]
        months.append(before.replace(year=before.year - (before.month == 1), month=(before.month - 2) % 12 + 1))
    counted = dict(
        asked.requests.order_by()
        .values(month=TruncMonth("at", tzinfo=zone))
        .annotate(number=Count("pk"))
        .values_list("month", "number")
    )
    by_day = {moment.date(): number for moment, number in counted.items()}
    return [{"label": date_format(month, "M y"), "value": by_day.get(month, 0)} for month in reversed(months)]


@access.only_for(access.EDIT_CATALOGUE)
@require_http_methods(["GET", "HEAD", "POST"])
def demand_edit(request: HttpRequest, pk: int) -> HttpResponse:
    asked = get_object_or_404(UnmetDemand, pk=pk)
    form = DemandForm(request.POST if request.method == "POST" else None, instance=asked)
    if request.method == "POST" and form.is_valid():
        try:
            kept = demand.decide(asked, **form.decided, by=request.user, at=timezone.now())
        except demand.Gone as refusal:
            messages.error(request, str(refusal))
            return redirect("leads:demand_list")
        messages.success(request, _("%(entry)s is saved.") % {"entry": kept})
        return redirect("leads:demand_detail", kept.pk)
    context = {"form": form, "title": _("Edit unmet demand"), "back": reverse("leads:demand_detail", args=[pk])}
    return render(request, "leads/catalogue_edit.html", context, status=422 if form.errors else 200)


@access.only_for(access.EDIT_CONTACTS)
@require_http_methods(["GET", "HEAD", "POST"])
def lead_demand(request: HttpRequest, pk: int) -> HttpResponse:
    """Record what a lead asked for and we don't sell."""
    lead = get_object_or_404(Lead.objects.visible_to(request.user).select_related("contact"), pk=pk)
    form = DemandRequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        asked = demand.note_request(lead, **form.cleaned_data, by=request.user, at=timezone.now())
        messages.success(request, _("Noted: %(lead)s asked for “%(demand)s”.") % {"lead": lead, "demand": asked.demand})
        return redirect("leads:lead_detail", lead.pk)
    known = UnmetDemand.objects.order_by("folded_name").values_list("name", flat=True)[:MOST_SHOWN]
    context = {"lead": lead, "form": form, "known": known}
    return render(request, "leads/lead_demand.html", context, status=422 if form.errors else 200)
