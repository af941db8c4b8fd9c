"""What LeadFlow told me."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.keyset import count_up_to, keyset_page
from pipeline.models import Notification


@login_required
@require_safe
def notification_list(request: HttpRequest) -> HttpResponse:
    mine = Notification.objects.visible_to(request.user)
    page = keyset_page(mine.select_related("lead__contact__company"), request.GET, order=("-pk",), size=30)
    context = {"rows": page.rows, "next_key": page.next_key, "has_unread": mine.unread().exists()}
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
    """Mark it read and go to its lead, or to what else it is about."""
    notification = get_object_or_404(Notification.objects.visible_to(request.user), pk=pk)
    Notification.objects.filter(pk=pk).unread().update(read_at=timezone.now())
    return redirect(notification.url)


@login_required
@require_POST
def notifications_read(request: HttpRequest) -> HttpResponse:
    """Mark all of mine read."""
    Notification.objects.visible_to(request.user).unread().update(read_at=timezone.now())
    return redirect("pipeline:notification_list")
