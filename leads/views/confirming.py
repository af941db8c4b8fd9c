"""Where the link of a confirmation mail leads: for anybody who has it, without a sign-in or a cookie."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from leads import confirming


# The signed link is what says who may: mail programs open it where no cookie of ours is.
@csrf_exempt
@cache_control(private=True, no_store=True)
@require_http_methods(["GET", "HEAD", "POST"])
def mailing_confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm at one click. Opening the link changes nothing: programs that check links open it, too."""
    is_post, now = request.method == "POST", timezone.now()
    asked = confirming.confirm(token, at=now) if is_post else confirming.asked_by(token, at=now)
    language = asked.submission.language if asked else ""
    with translation.override(language or translation.get_language()):
        context = {"asked": asked, "is_done": is_post}
        response = render(request, "mailings/confirm.html", context, status=200 if asked else 410)
    response["X-Robots-Tag"] = "noindex"
    return response
