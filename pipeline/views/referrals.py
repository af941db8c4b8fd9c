"""Referring a lead to a partner, and what came back."""

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access
from accounts.models import Organisation
from leads import consents
from leads.models import ConsentText, Lead, LeadEvent, Partner, Purpose, Referral
from pipeline import transitions
from pipeline.forms.referrals import ReferForm, ReferralForm
from pipeline.transitions.referrals import passed_on
from pipeline.views.steps import back, explained, require, say_done


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def lead_refer(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.REFER_LEADS)
    leads = Lead.objects.visible_to(request.user).select_related("contact__company")
    lead = get_object_or_404(leads, pk=pk)
    now = timezone.now()
    form = ReferForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        with explained(request, form), transaction.atomic():
            if wanted["consent"]:
                consents.give(lead.contact, Purpose.SHARING, source=str(wanted["partner"]), at=now, by=request.user)
            transitions.refer(
                lead,
                wanted["partner"],
                passed=wanted["passed"],
                note=wanted["note"],
                by_mail=wanted["by_mail"],
                by=request.user,
                at=now,
            )
            said = _("%(lead)s is referred to %(partner)s.") % {"lead": lead, "partner": wanted["partner"]}
            say_done(request, said, lead, None if wanted["by_mail"] else LeadEvent.Kind.REFERRED)
            return back(request, reverse("leads:lead_detail", args=[lead.pk]))
    context = {
        "lead": lead,
        "form": form,
        "has_partners": Partner.objects.filter(is_active=True).exists(),
        "agreed": consents.agreed(lead.contact, Purpose.SHARING),
        "words": ConsentText.objects.in_force(Purpose.SHARING, now),
    }
    return render(request, "pipeline/lead_refer.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def referral_close(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.REFER_LEADS)
    referrals = Referral.objects.visible_to(request.user).select_related("partner", "lead__contact__company")
    referral = get_object_or_404(referrals, pk=pk)
    form = ReferralForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.close_referral(referral, **form.cleaned_data, by=request.user, at=timezone.now())
            say_done(request, _("Recorded what came of it."), referral.lead)
            return back(request, reverse("leads:partner_detail", args=[referral.partner_id]))
    context = {
        "referral": referral,
        "facts": passed_on(referral),
        "form": form,
        "currency": Organisation.current().currency,
    }
    return render(request, "pipeline/referral_close.html", context, status=422 if form.errors else 200)
