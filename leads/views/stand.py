"""Stand mode: a visitor becomes a lead in under fifteen seconds, and the form is ready for the next one.

The page works as a plain form. Its script (static/leadflow/stand.js) keeps each entry in the browser first and sends it
from there, so that nothing is lost without a network: docs/decisions has the record.
"""

import datetime
import hashlib
from pathlib import Path

from django.contrib import messages
from django.contrib.staticfiles import finders
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.models import User
from leads.answering import NotNow, submit, texts_in_force
from leads.forms.stand import StandAnswerForm, StandEntryForm, StandForm, StandMatchForm, meeting_times
from leads.models import Campaign, Lead, Questionnaire, QuestionnaireVersion, Submission
from leads.models.consents import Purpose
from leads.normalise import read_number
from leads.registration import Registered, register_lead

# What the page needs to open without a network; nothing here is about a person.
FILES = (
    "leadflow/app.css",
    "leadflow/app.js",
    "leadflow/answers.js",
    "leadflow/contact-code.js",
    "leadflow/stand.js",
    "leadflow/favicon.svg",
    "leadflow/icons/192.png",
    "django_htmx/htmx-2.min.js",
)
# The words of a day's meeting times go along for this many days, for a page that opens without a network.
DAYS_AHEAD = 31


def _event(request: HttpRequest, pk: int) -> Campaign:
    return get_object_or_404(Campaign.objects.visible_to(request.user).events().select_related("channel"), pk=pk)


@access.only_for(access.REGISTER_LEADS)
@require_http_methods(["GET", "HEAD", "POST"])
def stand(request: HttpRequest, pk: int) -> HttpResponse:
    event = _event(request, pk)
    typed = request.POST if request.method == "POST" else None
    form, questions = StandForm(typed, today=timezone.localdate()), _questions(event, typed)
    registered = _register(request, event, form, questions, at=timezone.now()) if _are_valid(form, questions) else None
    if registered:
        messages.success(
            request,
            format_html(
                '{} <a href="{}">{}</a>',
                _said(registered, form),
                reverse("leads:lead_detail", args=[registered.lead.pk]),
                _("Open"),
            ),
        )
        if not request.htmx:
            return redirect("leads:stand", event.pk)
        form, questions = StandForm(today=timezone.localdate()), _questions(event)
    context = _page(event, form, questions) | _log(request, event)
    template = "leads/stand.html" + ("#stand" if request.htmx else "")
    return _with_camera(render(request, template, context, status=422 if form.is_bound else 200))


def _questions(event: Campaign, typed: QueryDict | None = None) -> StandAnswerForm | None:
    """The event's questionnaire as it is asked now; for what was `typed`, in the version that was on the page."""
    versions = QuestionnaireVersion.objects.filter(
        questionnaire__campaign=event, questionnaire__kind=Questionnaire.Kind.VISITOR, published_at__isnull=False
    ).order_by("-published_at", "-pk")
    shown = read_number(typed.get("questionnaire")) if typed else None
    version = (versions.filter(pk=shown).first() if shown else None) or versions.first()
    return StandAnswerForm(version, typed) if version else None


def _are_valid(form: StandForm, questions: StandAnswerForm | None) -> bool:
    return all([form.is_valid(), questions is None or questions.is_valid()])


def _page(event: Campaign, form: StandForm, questions: StandAnswerForm | None) -> dict[str, object]:
    today = timezone.localdate()
    days = [today + datetime.timedelta(days=ahead) for ahead in range(DAYS_AHEAD)]
    return {
        "event": event,
        "form": form,
        "questions": questions,
        "is_over": event.is_over(today),
        "consent_texts": texts_in_force(timezone.now(), Purpose.CONTACT, Purpose.MAILING),
        # Of each day the times that name it; the others are the same every day.
        "times": {day.isoformat(): [value for value, label in meeting_times(day)] for day in days},
    }


def _log(request: HttpRequest, event: Campaign) -> dict[str, object]:
    mine = Lead.objects.filter(campaign=event, registered_by=request.user, registered_at__gte=_midnight())
    return {"today_count": mine.count(), "latest": mine.select_related("contact__company").order_by("-pk")[:3]}


def _midnight() -> datetime.datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _with_camera(response: HttpResponse) -> HttpResponse:
    """The one page that may use the camera: it reads contacts' codes."""
    response.headers["Permissions-Policy"] = "camera=(self), geolocation=(), microphone=()"
    return response


@transaction.atomic
def _register(
    request: HttpRequest,
    event: Campaign,
    form: StandForm,
    questions: StandAnswerForm | None,
    *,
    at: datetime.datetime,
    typed_by: User | None = None,
) -> Registered | None:
    """The lead with its answers, or neither: None, and the form says why."""
    products = list(form.cleaned_data["products"])
    registered = register_lead(
        event,
        form.person,
        by=request.user,
        at=at,
        typed_by=typed_by,
        product=next(iter(products), None),
        other_products=products[1:],
        submission_key=form.cleaned_data["submission_key"],
        note=form.cleaned_data["note"],
        preferred_meeting_time=form.preferred_meeting_time,
        met_on=form.cleaned_data["met_on"],
    )
    if questions and questions.answers:
        try:
            submit(
                questions.version,
                questions.answers,
                via=Submission.Via.STAND,
                at=at,
                by=request.user,
                lead=registered.lead,
                submission_key=form.cleaned_data["submission_key"],
                language=get_language() or "",
            )
        except NotNow as refusal:
            transaction.set_rollback(True)
            form.add_error(None, str(refusal))
            return None
    return registered


def _said(registered: Registered, form: StandForm) -> str:
    lead = registered.lead
    if registered.is_new or lead.submission_key == form.cleaned_data["submission_key"]:
        text = _("%(visitor)s registered.")
    elif form.cleaned_data["note"]:
        text = _("%(visitor)s is registered here already; your note was added.")
    else:
        text = _("%(visitor)s is registered here already.")
    return text % {"visitor": lead}


@access.only_for_script(access.REGISTER_LEADS)
@require_POST
def stand_match(request: HttpRequest, pk: int) -> HttpResponse:
    """Who has the typed e-mail or phone already. A POST, so that addresses of people stay out of logs."""
    event = _event(request, pk)
    form = StandMatchForm(request.POST)
    form.is_valid()
    contact = form.match()
    met = contact.leads.present().filter(registered_at__isnull=False).select_related("campaign") if contact else []
    met = sorted(met, key=lambda lead: lead.registered_at)
    return render(
        request,
        "leads/stand.html#match",
        {
            "contact": contact,
            "last": met[-1] if met else None,
            "is_here": any(lead.campaign_id == event.pk for lead in met),
        },
    )


# --- What the page's script asks for ---------------------------------------------------------------------------------


@access.only_for_script(access.REGISTER_LEADS)
@require_POST
def stand_entry(request: HttpRequest, pk: int) -> JsonResponse:
    """Take one entry that a browser kept. Sent again with the same key, it gets the same answer and does nothing.

    422 gives the reasons by field; such an entry was not taken and may be sent again when it is mended.
    """
    event = _event(request, pk)
    form, questions = StandEntryForm(request.POST, now=timezone.now()), _questions(event, request.POST)
    registered = None
    if _are_valid(form, questions):
        registered = _register(request, event, form, questions, at=form.typed_at, typed_by=form.colleague)
    if registered is None:
        return JsonResponse({"errors": form.errors | (questions.errors if questions else {})}, status=422)
    url = reverse("leads:lead_detail", args=[registered.lead.pk])
    return JsonResponse({"said": _said(registered, form), "url": url})


@access.only_for_script(access.REGISTER_LEADS)
@require_safe
def stand_state(request: HttpRequest, pk: int) -> JsonResponse:
    """Who is signed in, a fresh token to send with, and what they registered today."""
    event = _event(request, pk)
    return JsonResponse(
        {
            "user": {"id": request.user.pk, "name": str(request.user)},
            "token": get_token(request),
            "log": render_to_string("leads/stand.html#log", _log(request, event), request),
        }
    )


@access.only_for(access.REGISTER_LEADS)
@require_safe
def stand_shell(request: HttpRequest, pk: int) -> HttpResponse:
    """The page as the browser keeps it for when there is no network: of nobody, for anybody."""
    event = _event(request, pk)
    nobody = {"is_shell": True, "csrf_token": "", "messages": []}
    page = _page(event, StandForm(today=timezone.localdate()), _questions(event))
    response = render(request, "leads/stand.html", page | nobody)
    response.headers["X-Stand-Version"] = _version()
    return _with_camera(response)


@access.only_for(access.REGISTER_LEADS)
@require_safe
def stand_manifest(request: HttpRequest, pk: int) -> JsonResponse:
    """What the page is called and looks like once it is installed."""
    event = _event(request, pk)
    page = reverse("leads:stand", args=[event.pk])
    icons = [("192.png", "192x192", "any"), ("512.png", "512x512", "any"), ("512-maskable.png", "512x512", "maskable")]
    return JsonResponse(
        {
            "id": page,
            "name": f"{event} · LeadFlow",
            "short_name": str(event)[:30],
            "lang": get_language(),
            "start_url": page,
            "scope": page,
            "display": "standalone",
            "background_color": "#ffffff",
            "theme_color": "#3553d1",
            "icons": [
                {"src": static("leadflow/favicon.svg"), "sizes": "any", "type": "image/svg+xml"},
                *(
                    {"src": static(f"leadflow/icons/{name}"), "sizes": size, "type": "image/png", "purpose": purpose}
                    for name, size, purpose in icons
                ),
            ],
        },
        content_type="application/manifest+json",
    )


@require_safe
def stand_worker(request: HttpRequest, pk: int) -> HttpResponse:
    """The service worker of one event's stand; its address keeps it to that page. Open, as it says nothing of anybody,
    so that an update comes through after the sign-in has ended."""
    response = render(
        request,
        "leads/stand_worker.js",
        {"pk": pk, "version": _version(), "files": [static(name) for name in FILES]},
        content_type="text/javascript",
    )
    response.headers["Cache-Control"] = "no-cache"
    return response


def _version() -> str:
    """Changes whenever a file that the browser keeps does."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(static(name).encode())
        digest.update(Path(finders.find(name) or "").read_bytes())
    return digest.hexdigest()[:16]
