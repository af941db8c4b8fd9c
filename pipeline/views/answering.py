"""Filling in a questionnaire for a lead while talking to the person."""

import uuid
from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access
from leads.answering import answered_before
from leads.forms.phone import PhoneForm
from leads.models import Lead, Questionnaire, QuestionnaireVersion
from leads.normalise import read_number
from pipeline import transitions
from pipeline.views.steps import explained


@access.only_for(access.QUALIFY_LEADS)
@require_http_methods(["GET", "HEAD", "POST"])
def lead_questionnaire(request: HttpRequest, pk: int) -> HttpResponse:
    """Fill in a questionnaire for a lead: its campaign's, or a brief; `?questionnaire=` says which."""
    leads = Lead.objects.visible_to(request.user).select_related("contact__company", "campaign", "product")
    lead = get_object_or_404(leads, pk=pk)
    offered = list(_offered(lead))
    wanted = read_number(request.GET.get("questionnaire"))
    chosen = next((each for each in offered if each.pk == wanted), offered[0] if offered else None)
    version = chosen.published if chosen else None
    context: dict[str, Any] = {"lead": lead, "offered": offered, "chosen": chosen, "version": version}
    if version is None or chosen is None:
        return render(request, "pipeline/lead_questionnaire.html", context)
    if request.method == "POST":
        form = PhoneForm(version, request.POST, contact=lead.contact, at=timezone.now())
        if form.is_valid():
            with explained(request, form):
                transitions.fill_in(
                    lead,
                    version,
                    form.answers,
                    submission_key=form.cleaned_data["submission_key"],
                    consents=form.agreed_to,
                    by=request.user,
                    at=timezone.now(),
                )
                messages.success(request, _("The answers are saved."))
                return redirect(f"{reverse('leads:lead_detail', args=[lead.pk])}#answers")
    else:
        form = PhoneForm(
            version,
            contact=lead.contact,
            at=timezone.now(),
            initial=answered_before(lead, version) | {"submission_key": uuid.uuid4()},
        )
    return render(
        request, "pipeline/lead_questionnaire.html", context | {"form": form}, status=422 if form.errors else 200
    )


def _offered(lead: Lead) -> Any:
    """The lead's campaign's questionnaires, then the briefs of its product and of all products."""
    published = QuestionnaireVersion.objects.filter(questionnaire=OuterRef("pk"), published_at__isnull=False)
    brief = Q(kind=Questionnaire.Kind.BRIEF) & (Q(product=None) | Q(product=lead.product_id))
    found = Questionnaire.objects.filter(Q(campaign=lead.campaign_id) | brief).filter(Exists(published))
    return found.order_by("-kind", "name", "pk")
