"""What a mail links to: no sign-in, no cookies needed, and nothing that tells whether a link is somebody's."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from leads import consents
from leads.models import Purpose
from pipeline.nurture import preferences
from pipeline.nurture.forms import PreferencesForm
from pipeline.nurture.mails import contact_of

_private = cache_control(private=True, no_store=True)


@_private
@require_http_methods(["GET", "HEAD", "POST"])
def mailing_preferences(request: HttpRequest, token: str) -> HttpResponse:
    """Which mails a person wants. A link that is nobody's shows the same page, and saving it says the same."""
    contact = contact_of(token)
    form = PreferencesForm(
        request.POST if request.method == "POST" else None,
        initial={
            "mailing": contact is not None and consents.agreed(contact, Purpose.MAILING),
            "do_not_contact": contact is not None and contact.do_not_contact,
        },
    )
    if request.method == "POST" and form.is_valid():
        if contact is not None:
            preferences.choose(contact, at=timezone.now(), **form.cleaned_data)
        messages.success(request, _("Saved. Thank you."))
        return redirect("pipeline:mailing_preferences", token)
    return _page(request, "mailings/preferences.html", {"form": form, "token": token})


# RFC 8058: the mail program posts by itself, with neither cookies nor a token of ours.
@csrf_exempt
@_private
@require_http_methods(["GET", "HEAD", "POST"])
def mailing_unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Unsubscribe at one click. Opening the link changes nothing: programs that check links open it, too."""
    if request.method == "POST" and (contact := contact_of(token)) is not None:
        preferences.unsubscribe(contact, at=timezone.now())
    return _page(request, "mailings/unsubscribe.html", {"token": token, "is_done": request.method == "POST"})


def _page(request: HttpRequest, template: str, context: dict) -> HttpResponse:
    response = render(request, template, context)
    response["X-Robots-Tag"] = "noindex"
    return response
