"""What LeadFlow told me, and how I want to be told."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.keyset import count_up_to, keyset_page
from pipeline.choices import choose, groups_for
from pipeline.forms.notifications import ChoicesForm, NotificationFilter
from pipeline.models import Notification


@login_required
@require_safe
def notification_list(request: HttpRequest) -> HttpResponse:
    """What I was told, the last on top, under the days."""
    filters = NotificationFilter.read(request.GET)
    mine = Notification.objects.visible_to(request.user)
    found = filters.apply(mine).select_related("lead__contact__company")
    page = keyset_page(found, request.GET, order=("-created_at", "-pk"), size=30)
    context = {
        "rows": page.rows,
        "next_key": page.next_key,
        "filters": filters,
        "kinds": [kind for _label, kinds in groups_for(request.user) for kind in kinds],
        "has_unread": mine.unread().exists(),
        "today": timezone.localdate(),
    }
    return render(request, "pipeline/notification_list.html", context)


@login_required
@require_safe
def notification_count(request: HttpRequest) -> HttpResponse:
    """The number on the bell: nothing for none, “99+” for many."""
    count = count_up_to(Notification.objects.visible_to(request.user).unread(), most=99)
    text = f"{count.number}+" if count.is_capped else str(count.number or "")
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@login_required
@require_POST
def notification_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark it read and go to what it is about."""
    notification = get_object_or_404(Notification.objects.visible_to(request.user), pk=pk)
    Notification.objects.filter(pk=pk).mark_read(timezone.now())
    return redirect(notification.url)


@login_required
@require_POST
def notifications_read(request: HttpRequest) -> HttpResponse:
    """Mark all of mine read."""
    Notification.objects.visible_to(request.user).mark_read(timezone.now())
    return redirect("pipeline:notification_list")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def notification_choices(request: HttpRequest) -> HttpResponse:
    """Of what I hear, and where."""
    form = ChoicesForm(request.POST if request.method == "POST" else None, user=request.user)
    if request.method == "POST" and form.is_valid():
        choose(request.user, form.wanted)
        messages.success(request, _("Your choice is saved."))
        return redirect("pipeline:notification_choices")
    return render(request, "pipeline/notification_choices.html", {"form": form}, status=422 if form.errors else 200)
