"""Questionnaires in staff's hands: filling one in for a lead on the phone, and the code to print for visitors."""

import io
import uuid
from typing import Any

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from leads.answering import NotNow, answered_before, submit
from leads.forms.phone import PhoneForm
from leads.models import Lead, Questionnaire, QuestionnaireVersion, Submission
from leads.normalise import read_number


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
        return render(request, "leads/lead_questionnaire.html", context)
    if request.method == "POST":
        form = PhoneForm(version, request.POST, contact=lead.contact, at=timezone.now())
        if form.is_valid():
            try:
                submit(
                    version,
                    form.answers,
                    via=Submission.Via.PHONE,
                    at=timezone.now(),
                    by=request.user,
                    lead=lead,
                    submission_key=form.cleaned_data["submission_key"],
                    consents=form.agreed_to,
                    language=translation.get_language(),
                )
            except NotNow as refusal:
                form.add_error(None, str(refusal))
            else:
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
        request, "leads/lead_questionnaire.html", context | {"form": form}, status=422 if form.errors else 200
    )


def _offered(lead: Lead) -> Any:
    """The lead's campaign's questionnaires, then the briefs of its product and of all products."""
    published = QuestionnaireVersion.objects.filter(questionnaire=OuterRef("pk"), published_at__isnull=False)
    brief = Q(kind=Questionnaire.Kind.BRIEF) & (Q(product=None) | Q(product=lead.product_id))
    found = Questionnaire.objects.filter(Q(campaign=lead.campaign_id) | brief).filter(Exists(published))
    return found.order_by("-kind", "name", "pk")


# --- For visitors ----------------------------------------------------------------------------------------------------

_KINDS = {"svg": "image/svg+xml", "png": "image/png"}
_QUIET_ZONE = 4  # modules of white around, as the standard wants


def _questionnaire(request: HttpRequest, pk: int) -> Questionnaire:
    found = Questionnaire.objects.visible_to(request.user).filter(kind=Questionnaire.Kind.VISITOR)
    return get_object_or_404(found.select_related("campaign__channel"), pk=pk)


def _address(questionnaire: Questionnaire) -> str:
    return settings.SITE_URL + reverse("leads:questionnaire_public", args=[questionnaire.public_key])


@login_required
@require_safe
def questionnaire_sheet(request: HttpRequest, pk: int) -> HttpResponse:
    """A page to print: the event, the code, the address."""
    questionnaire = _questionnaire(request, pk)
    context = {
        "questionnaire": questionnaire,
        "address": _address(questionnaire).partition("://")[2],
        "languages": [code for code, _name in settings.LANGUAGES],
        "is_answered": questionnaire.is_open and questionnaire.published is not None,
    }
    return render(request, "leads/questionnaire_sheet.html", context)


@login_required
@require_safe
def questionnaire_code(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """The code as a file, for a stand's wall or a slide."""
    if kind not in _KINDS:
        raise Http404
    questionnaire = _questionnaire(request, pk)
    code, file = segno.make(_address(questionnaire), error="m", micro=False), io.BytesIO()
    if kind == "svg":
        code.save(file, kind="svg", border=_QUIET_ZONE, omitsize=True, light="#fff", xmldecl=False)
    else:
        code.save(file, kind="png", border=_QUIET_ZONE, scale=24)
    response = HttpResponse(file.getvalue(), content_type=_KINDS[kind])
    if "download" in request.GET:
        response["Content-Disposition"] = f'attachment; filename="questionnaire-{questionnaire.pk}.{kind}"'
    return response
