"""The code that leads visitors to a questionnaire, as a sheet to print and as a file."""

import io

import segno
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from leads.models import Questionnaire

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
