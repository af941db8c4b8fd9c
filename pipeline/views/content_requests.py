"""What sales asks marketing to make, and marketing's answers."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from leads.models import Lead
from pipeline import content
from pipeline.forms.content import ContentRequestFilter, ContentRequestForm, DeclineForm, DeliverForm
from pipeline.models import ContentRequest
from pipeline.views.steps import back, explained


@login_required
@require_safe
def request_list(request: HttpRequest) -> HttpResponse:
    """Open requests by the day they are needed; of others the newest first."""
    filters = ContentRequestFilter.read(request.GET)
    requests = filters.apply(ContentRequest.objects.visible_to(request.user))
    shown = requests.select_related("lead__contact", "owner", "requested_by")
    is_open = filters.cleaned_data["status"] in ("open", "late")
    today = timezone.localdate()
    page = keyset_page(shown, request.GET, order=("due_on", "pk") if is_open else ("-requested_at", "-pk"))
    context = {
        "rows": [(asked, asked.is_late(today)) for asked in page.rows],
        "page": page,
        "filters": filters,
        "count": count_up_to(requests),
        "may_ask": access.may(request.user, access.ASK_FOR_CONTENT),
    }
    return render(request, "content/requests.html", context)


@login_required
@require_safe
def request_filter(request: HttpRequest) -> HttpResponse:
    """The list's filters as a form, in a dialog."""
    context = {"form": ContentRequestFilter.read(request.GET), "list_url": reverse("pipeline:content_requests")}
    return render(request, "pipeline/filter.html", context)


@access.only_for(access.ASK_FOR_CONTENT)
@require_http_methods(["GET", "HEAD", "POST"])
def request_add(request: HttpRequest) -> HttpResponse:
    """Ask for content that is for all."""
    return _ask(request, None)


@access.only_for(access.ASK_FOR_CONTENT)
@require_http_methods(["GET", "HEAD", "POST"])
def request_add_for(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for content for one lead, and its deal."""
    return _ask(request, get_object_or_404(Lead.objects.visible_to(request.user).select_related("contact"), pk=pk))


def _ask(request: HttpRequest, lead: Lead | None) -> HttpResponse:
    form = ContentRequestForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            asked = content.ask(lead=lead, by=request.user, at=timezone.now(), **form.cleaned_data)
            messages.success(request, _("Marketing was asked for “%(title)s”.") % {"title": asked})
            return redirect(asked)
    return render(request, "content/ask.html", {"form": form, "lead": lead}, status=422 if form.errors else 200)


@login_required
@require_safe
def request_detail(request: HttpRequest, pk: int) -> HttpResponse:
    requests = ContentRequest.objects.visible_to(request.user)
    asked = get_object_or_404(
        requests.select_related("lead__contact__company", "opportunity", "owner", "requested_by", "item"), pk=pk
    )
    may_make = access.may(request.user, access.KEEP_CONTENT)
    context = {
        "asked": asked,
        "is_late": asked.is_late(timezone.localdate()),
        "is_mine": asked.owner_id == request.user.pk,
        "may_make": may_make and asked.closed_at is None,
        "may_reopen": asked.closed_at is not None and (may_make or asked.requested_by_id == request.user.pk),
        "may_use": access.may(request.user, access.USE_CONTENT),
    }
    return render(request, "content/request.html", context)


def _get(request: HttpRequest, pk: int) -> ContentRequest:
    return get_object_or_404(ContentRequest.objects.visible_to(request.user), pk=pk)


@access.only_for(access.KEEP_CONTENT)
@require_POST
def request_take(request: HttpRequest, pk: int) -> HttpResponse:
    asked = _get(request, pk)
    with explained(request):
        content.take(asked, by=request.user, at=timezone.now())
        messages.success(request, _("You make “%(title)s”.") % {"title": asked})
    return back(request, asked.get_absolute_url())


@access.only_for(access.KEEP_CONTENT)
@require_http_methods(["GET", "HEAD", "POST"])
def request_deliver(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer with what the library has."""
    return _answer(request, pk, DeliverForm, content.deliver, _("Answer from the library"))


@access.only_for(access.KEEP_CONTENT)
@require_http_methods(["GET", "HEAD", "POST"])
def request_decline(request: HttpRequest, pk: int) -> HttpResponse:
    return _answer(request, pk, DeclineForm, content.decline, _("Decline the request"))


def _answer(
    request: HttpRequest, pk: int, kind: type[forms.Form], step: Callable[..., None], title: str
) -> HttpResponse:
    asked = _get(request, pk)
    form = kind(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            step(asked, **form.cleaned_data, by=request.user, at=timezone.now())
            messages.success(request, _("Done: whoever asked for it has been told."))
            return redirect(asked)
    context = {"form": form, "asked": asked, "title": title}
    return render(request, "content/answer.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def request_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    asked = _get(request, pk)
    with explained(request):
        content.reopen(asked, by=request.user, at=timezone.now())
        messages.success(request, _("Open again: %(title)s") % {"title": asked})
    return back(request, asked.get_absolute_url())
