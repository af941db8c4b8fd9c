"""One's own calendar feed: its secret address, and the feed itself, which a calendar program fetches without signing in."""

import datetime
import hashlib

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, quote_etag
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import limits
from pipeline import feed
from pipeline.forms.notifications import CalendarForm
from pipeline.models import CalendarKey

# A calendar program asks every quarter of an hour at most; several devices may have the address.
COUNTED_FOR, MOST_FETCHED = datetime.timedelta(minutes=10), 60
USE_NOTED_EACH = datetime.timedelta(hours=1)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def calendar_settings(request: HttpRequest) -> HttpResponse:
    key = CalendarKey.objects.filter(user=request.user, revoked_at__isnull=True).first()
    form = CalendarForm(request.POST if request.method == "POST" else None, instance=key)
    if request.method == "POST" and key is not None and form.is_valid():
        form.save()
        messages.success(request, _("Saved. Your calendar shows it when it fetches the feed again."))
        return redirect("pipeline:calendar")
    return render(request, "pipeline/calendar.html", {"form": form, "key": key})


@login_required
@never_cache
@require_POST
def calendar_new(request: HttpRequest) -> HttpResponse:
    """A new address, shown in this one answer and nowhere else."""
    form = CalendarForm(request.POST)
    form.is_valid()  # a tick box: anything is one of its two values
    secret = feed.new_key(request.user, has_names=form.cleaned_data["has_names"], at=timezone.now())
    url = f"{settings.SITE_URL}{reverse('pipeline:calendar_feed', args=[secret])}"
    context = {"url": url, "webcal_url": f"webcal:{url.partition(':')[2]}"}
    return render(request, "pipeline/calendar_added.html", context)


@login_required
@require_POST
def calendar_revoke(request: HttpRequest) -> HttpResponse:
    if feed.revoke_key(request.user, at=timezone.now()):
        messages.success(request, _("The address no longer works. Take the calendar out of your program, too."))
    return redirect("pipeline:calendar")


@require_safe
def calendar_feed(request: HttpRequest, key: str) -> HttpResponse:
    """The feed behind a secret address. One that never was, was revoked, or belongs to somebody switched off is a 404."""
    keys = CalendarKey.objects.filter(revoked_at__isnull=True, user__is_active=True).select_related("user")
    row = keys.filter(key_hash=feed.hashed(key)).first()
    if row is None:
        raise Http404
    now = timezone.now()
    if limits.count(f"calendar:{row.pk}", COUNTED_FOR, now) > MOST_FETCHED:
        seconds = str(int(COUNTED_FOR.total_seconds()))
        return HttpResponse(_("Too many requests."), status=429, headers={"Retry-After": seconds})
    with translation.override(row.user.language), timezone.override(row.user.tzinfo):
        content = feed.as_icalendar(row.user, has_names=row.has_names, now=now)
    changed_at = _note_use(row, hashlib.sha256(content).hexdigest(), now)
    etag = quote_etag(row.content_hash)
    response = HttpResponse(
        content,
        content_type="text/calendar; charset=utf-8",
        headers={
            "Cache-Control": "private, no-cache",
            "Content-Disposition": 'inline; filename="leadflow.ics"',
            "Content-Language": row.user.language,
            "ETag": etag,
            "Last-Modified": http_date(changed_at.timestamp()),
            "X-Robots-Tag": "noindex, nofollow",
        },
    )
    return get_conditional_response(request, etag, int(changed_at.timestamp()), response) or response


def _note_use(row: CalendarKey, content_hash: str, now: datetime.datetime) -> datetime.datetime:
    """Keep that the feed was fetched and what was in it; returns since when it has been that."""
    if row.content_hash != content_hash or row.changed_at is None:
        # Programs compare whole seconds: what changed within one must not look the same.
        later = row.changed_at + datetime.timedelta(seconds=1) if row.changed_at else now
        row.content_hash, row.changed_at, row.last_used_at = content_hash, max(now, later), now
        row.save(update_fields=["content_hash", "changed_at", "last_used_at"])
    elif row.last_used_at is None or row.last_used_at < now - USE_NOTED_EACH:
        row.last_used_at = now
        row.save(update_fields=["last_used_at"])
    return row.changed_at
