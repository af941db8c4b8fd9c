"""The public questionnaire: for anybody with the address, also inside another site's page, without a cookie.

The form carries a signed token instead of a session's (docs/decisions/0014-the-public-questionnaire.md).
"""

import datetime
import ipaddress
from typing import Any

from allauth.account.adapter import get_adapter
from csp.decorators import csp_replace
from django.conf import settings
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from accounts import limits
from leads.answering import submit, texts_in_force, told
from leads.forms.public import Opened, PublicForm
from leads.meeting import calendar, meeting_day
from leads.models import Purpose, Questionnaire, QuestionnaireVersion, Submission
from leads.suspicions import suspicion

AFTER_AN_EVENT = datetime.timedelta(days=30)  # how long its printed codes are still answered
COUNTED_FOR = datetime.timedelta(minutes=10)  # submissions of one address
PAGE_COUNTED_FOR = datetime.timedelta(days=1)  # of one opened page
THANKS = datetime.timedelta(days=2)  # how long the thank-you page can be opened again
_SALT = "thanks"
_framed_anywhere: Any = csp_replace({"frame-ancestors": ["*"]})


class _Closed(Exception):
    """There is nothing to fill in at this address; the text says why, without a word of what there was."""

    def __init__(self, why: str, status: int = 410) -> None:
        super().__init__(why)
        self.status = status


@csrf_exempt
@xframe_options_exempt
@_framed_anywhere
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def questionnaire_public(request: HttpRequest, public_key: str) -> HttpResponse:
    language = _language(request)
    with translation.override(language):
        try:
            version = _asked(public_key)
        except _Closed as closed:
            return render(request, "leads/public/closed.html", {"why": str(closed)}, status=closed.status)
        if request.method == "POST" and "switch" not in request.POST:
            return _answered(request, version, language)
        opened = Opened.read(request.POST.get("token", ""), version.questionnaire) or _open(version)
        form = PublicForm(opened).keep(request.POST)
        return _page(request, form, language)


def _asked(public_key: str) -> QuestionnaireVersion:
    """The version that is asked now. Raises _Closed where there is none, or none any more."""
    questionnaire = (
        Questionnaire.objects.filter(public_key=public_key, kind=Questionnaire.Kind.VISITOR)
        .select_related("campaign__channel")
        .first()
    )
    version = questionnaire.published if questionnaire else None
    if questionnaire is None or version is None or questionnaire.campaign is None:
        raise _Closed(_("There is no questionnaire at this address. Please check that it is typed right."), 404)
    campaign = questionnaire.campaign
    if campaign.is_event and campaign.is_over(timezone.localdate() - AFTER_AN_EVENT):
        raise _Closed(_("The event is over, and its questionnaire is closed."))
    if not questionnaire.is_open:
        raise _Closed(_("This questionnaire isn't open now."))
    version.questionnaire = questionnaire
    return version


def _open(version: QuestionnaireVersion) -> Opened:
    now = timezone.now()
    return Opened.now(version, texts_in_force(now, Purpose.CONTACT, Purpose.MAILING), now)


def _answered(request: HttpRequest, version: QuestionnaireVersion, language: str) -> HttpResponse:
    opened = Opened.read(request.POST.get("token", ""), version.questionnaire)
    if opened is None:
        form = PublicForm(_open(version)).keep(request.POST)
        note = _("This page has been open for too long. Nothing is lost: please look through it and send it again.")
        return _page(request, form, language, status=403, note=note)
    form = PublicForm(opened, request.POST)
    if not form.is_valid():
        return _page(request, form, language, status=422)
    key, now = form.submission_key, timezone.now()
    submission = Submission.objects.filter(submission_key=key).first()
    if submission is None:
        client = _client(request)
        most, from_client = settings.QUESTIONNAIRE_LIMITS, limits.count(f"questionnaire:{client}", COUNTED_FOR, now)
        if from_client > most["refused"]:
            note = _("Very many answers came from your network just now. Please wait some minutes and send it again.")
            response = _page(request, form, language, status=429, note=note)
            response["Retry-After"] = str(int(COUNTED_FOR.total_seconds()))
            return response
        noticed = {
            "honeypot": bool(form.cleaned_data["website"]),
            "often": from_client > most["looked_at"],
            "page": limits.count(f"questionnaire page:{opened.key.hex}", PAGE_COUNTED_FOR, now) > most["page"],
        }
        submission = submit(
            opened.version,
            form.answers,
            via=Submission.Via.PUBLIC,
            at=now,
            person=form.person,
            submission_key=key,
            consents=form.agreed_to,
            language=language,
            suspicion=suspicion(
                opened.version,
                form.person,
                form.answers,
                at=now,
                seconds=form.seconds,
                noticed=[code for code, seen in noticed.items() if seen],
            ),
        )
    thanks = reverse(
        "leads:questionnaire_thanks", args=[version.questionnaire.public_key, signing.dumps(submission.pk, salt=_SALT)]
    )
    to_confirm = bool(form.person.email) and any(text.purpose == Purpose.MAILING for text in form.agreed_to)
    return redirect(f"{thanks}?lang={language}{'&confirm=1' if to_confirm else ''}")


def _page(request: HttpRequest, form: PublicForm, language: str, *, status: int = 200, note: str = "") -> HttpResponse:
    context = {
        "form": form,
        "version": form.version,
        "campaign": form.version.questionnaire.campaign,
        "language": language,
        "languages": settings.LANGUAGES,
        "note": note,
    }
    return render(request, "leads/public/questionnaire.html", context, status=status)


def _language(request: HttpRequest) -> str:
    """Chosen on the page, else what the browser prefers."""
    chosen = request.POST.get("switch") or request.GET.get("lang")
    return chosen if chosen in dict(settings.LANGUAGES) else translation.get_language() or settings.LANGUAGE_CODE


def _client(request: HttpRequest) -> str:
    """Who asks, as a keyed hash: the address itself is kept nowhere. A network of IPv6 counts as one."""
    try:
        address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    except (PermissionDenied, ValueError):
        return "unknown"
    if address.version == 6:
        address = ipaddress.ip_network((address, 64), strict=False).network_address
    return salted_hmac("questionnaire client", str(address)).hexdigest()


@xframe_options_exempt
@_framed_anywhere
@never_cache
@require_safe
def questionnaire_thanks(request: HttpRequest, public_key: str, token: str) -> HttpResponse:
    language = _language(request)
    with translation.override(language):
        submission = _submission(public_key, token)
        context = {
            "version": submission.version,
            "campaign": submission.version.questionnaire.campaign,
            "said": told(submission),
            "agreed_to": submission.consent_texts.all(),
            "to_confirm": "confirm" in request.GET,
            "day": meeting_day(submission),
            "token": token,
            "language": language,
        }
        return render(request, "leads/public/thanks.html", context)


@never_cache
@require_safe
def questionnaire_meeting(request: HttpRequest, public_key: str, token: str) -> HttpResponse:
    """The agreed day, for the visitor's calendar."""
    with translation.override(_language(request)):
        submission = _submission(public_key, token)
        day = meeting_day(submission)
        if day is None:
            raise Http404
        headers = {"Content-Disposition": 'attachment; filename="meeting.ics"'}
        return HttpResponse(calendar(submission, day), content_type="text/calendar; charset=utf-8", headers=headers)


def _submission(public_key: str, token: str) -> Submission:
    try:
        pk = signing.loads(token, salt=_SALT, max_age=THANKS)
    except signing.BadSignature as error:
        raise Http404 from error
    found = Submission.objects.filter(pk=pk, version__questionnaire__public_key=public_key)
    submission = found.select_related("version__questionnaire__campaign").first()
    if submission is None:
        raise Http404
    return submission
