"""Tasks: one's own page of them, giving one, changing one, and ticking off several at once."""

import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from accounts.models import User
from leads.models import Campaign, Lead
from pipeline import to_do
from pipeline.desk import MORNING
from pipeline.forms import tasks as forms
from pipeline.models import Opportunity, Task
from pipeline.models.tasks import TaskQuerySet
from pipeline.views.steps import back, explained

SHOWN = 20  # open tasks on the page of what they are about; the rest is in the list


@login_required
@require_safe
def task_list(request: HttpRequest) -> HttpResponse:
    """Tasks by when they are due; the done ones, the last done first."""
    filters, now = forms.TaskFilter.read(request.GET), timezone.now()
    tasks = filters.apply_for(request.user, now)
    order = ("-done_at", "-pk") if filters.is_done else ("due_at", "pk")
    page = keyset_page(tasks.for_list(), request.GET, order=order, size=30)
    ends, rows, heading = forms.due_until(now), [], filters.cleaned_data["below"]
    for task in page.rows:
        group = "" if filters.is_done else next((name for name, end in ends.items() if task.due_at < end), forms.LATER)
        rows.append(_row(task, request.user) | {"heading": forms.DUE[group] if group != heading else ""})
        heading = group
    context = {
        "page": page,
        "rows": rows,
        "below": heading or None,
        "filters": filters,
        "whose": {
            name: label
            for name, label in forms.WHOSE.items()
            if name != forms.TEAM or access.may(request.user, access.LEAD_A_TEAM)
        },
        "due": forms.DUE,
        "count": count_up_to(tasks, page=page),
        "may_add": access.may(request.user, access.HAVE_TASKS),
        "now": now,
        "here": request.get_full_path(),
    }
    return render(request, "pipeline/task_list.html", context)


def _row(task: Task, user: User) -> dict[str, Any]:
    return {"task": task, "may_change": to_do.may_change(task, user)}


@login_required
@require_safe
def task_filter(request: HttpRequest) -> HttpResponse:
    """The list's filters as a form, in a dialog."""
    context = {"form": forms.TaskFilter.read(request.GET), "list_url": reverse("pipeline:task_list")}
    return render(request, "pipeline/filter.html", context)


# --- Giving one ------------------------------------------------------------------------------------------------------


@access.only_for(access.HAVE_TASKS)
@require_http_methods(["GET", "HEAD", "POST"])
def task_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Give somebody something to do about a lead."""
    lead = get_object_or_404(Lead.objects.visible_to(request.user).select_related("contact"), pk=pk)
    return _add(request, reverse("leads:lead_detail", args=[pk]), lead=lead)


@access.only_for(access.HAVE_TASKS)
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_task_add(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Opportunity.objects.visible_to(request.user).select_related("lead__contact")
    opportunity = get_object_or_404(rows, pk=pk)
    return _add(request, reverse("pipeline:opportunity_detail", args=[pk]), opportunity=opportunity)


@access.only_for(access.HAVE_TASKS)
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_task_add(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=pk)
    return _add(request, reverse("leads:campaign_detail", args=[pk]), campaign=campaign)


@access.only_for(access.HAVE_TASKS)
@require_http_methods(["GET", "HEAD", "POST"])
def task_new(request: HttpRequest) -> HttpResponse:
    """A task about nothing that is kept here."""
    return _add(request, reverse("pipeline:task_list"))


def _add(request: HttpRequest, page_url: str, **about: Any) -> HttpResponse:
    """The form for a task about one thing or none; `page_url` is the page of that thing."""
    tomorrow = timezone.localdate() + datetime.timedelta(days=1)
    initial = {
        "assignee": request.user.pk,
        "due_at": datetime.datetime.combine(tomorrow, MORNING, timezone.get_current_timezone()),
    }
    form = forms.TaskForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            task = to_do.open_task(by=request.user, at=timezone.now(), **form.cleaned_data, **about)
            messages.success(request, _("%(person)s has a task: %(task)s") % {"person": task.assignee, "task": task})
            return back(request, page_url)
    context = {"about": next(iter(about.values()), None), "page_url": page_url, "form": form}
    return render(request, "pipeline/task_add.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def opportunity_tasks(request: HttpRequest, pk: int) -> HttpResponse:
    opportunity = get_object_or_404(Opportunity.objects.visible_to(request.user), pk=pk)
    tasks = Task.objects.visible_to(request.user).filter(opportunity=opportunity)
    return _panel(request, tasks, "pipeline:opportunity_detail", "pipeline:opportunity_task_add", pk)


@login_required
@require_safe
def campaign_tasks(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=pk)
    tasks = Task.objects.visible_to(request.user).filter(campaign=campaign)
    return _panel(request, tasks, "leads:campaign_detail", "pipeline:campaign_task_add", pk)


def _panel(request: HttpRequest, tasks: TaskQuerySet, page: str, add: str, pk: int) -> HttpResponse:
    """What is still to be done about one thing: a part of its page."""
    found = list(tasks.open().for_list().order_by("due_at", "pk")[:SHOWN])
    context = {
        "rows": [_row(task, request.user) for task in found],
        "page_url": reverse(page, args=[pk]),
        "add_url": reverse(add, args=[pk]) if access.may(request.user, access.HAVE_TASKS) else "",
        "now": timezone.now(),
    }
    return render(request, "pipeline/task_panel.html", context)


# --- One -------------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def task_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One task: what it is about and, for who may, everything of it to change."""
    task = get_object_or_404(Task.objects.visible_to(request.user).for_list(), pk=pk)
    form = forms.TaskChangeForm(request.POST if request.method == "POST" else None, task=task)
    if request.method == "POST" and form.is_valid():
        facts = form.cleaned_data
        with explained(request, form):
            if to_do.change_task(task, by=request.user, at=timezone.now(), **facts):
                messages.success(request, _("Saved: %(task)s") % {"task": facts["title"]})
            return back(request, reverse("pipeline:task_list"))
    context = {
        **_row(task, request.user),
        "form": form,
        "now": timezone.now(),
        "next": request.POST.get("next") or request.GET.get("next") or reverse("pipeline:task_list"),
    }
    return render(request, "pipeline/task_detail.html", context, status=422 if form.errors else 200)


def _task(request: HttpRequest, pk: int) -> Task:
    return get_object_or_404(Task.objects.visible_to(request.user).select_related("assignee", "created_by"), pk=pk)


@login_required
@require_POST
def task_done(request: HttpRequest, pk: int) -> HttpResponse:
    task = _task(request, pk)
    with explained(request):
        to_do.finish_task(task, by=request.user, at=timezone.now())
        tags = f"undo:{reverse('pipeline:task_reopen', args=[task.pk])}"
        messages.success(request, _("Done: %(task)s") % {"task": task}, extra_tags=tags)
    return back(request, reverse("pipeline:home"))


@login_required
@require_POST
def task_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    task = _task(request, pk)
    with explained(request):
        to_do.reopen_task(task, by=request.user)
        messages.success(request, _("Open again: %(task)s") % {"task": task})
    return back(request, reverse("pipeline:home"), to_referrer=True)


# --- Several at once -------------------------------------------------------------------------------------------------


@login_required
@require_POST
def tasks_change(request: HttpRequest) -> HttpResponse:
    """Tick the selected tasks off, or put them off to another day."""
    wanted = {int(pk) for pk in request.POST.getlist("selected") if pk.isascii() and pk.isdigit() and len(pk) < 19}
    form = forms.TasksForm(request.POST)
    default = reverse("pipeline:task_list")
    if not wanted or len(wanted) > forms.MOST_AT_ONCE or not form.is_valid():
        messages.error(request, _("Select the tasks first, and then what to do with them."))
        return back(request, default)
    with explained(request):
        now = timezone.now()
        if day := form.day(timezone.localdate(now)):
            before = to_do.postpone_tasks(wanted, day, by=request.user, at=now)
            said = ngettext("%(count)s task put off to %(day)s.", "%(count)s tasks put off to %(day)s.", len(before))
        else:
            before = to_do.finish_tasks(wanted, by=request.user, at=now)
            said = ngettext("%(count)s task done.", "%(count)s tasks done.", len(before))
        if before:
            undo = f"{reverse('pipeline:tasks_put_back')}?{urlencode({'was': forms.write_before(before)})}"
            words = {"count": len(before), "day": date_format(day, "l, j E") if day else ""}
            messages.success(request, said % words, extra_tags=f"undo:{undo}")
        if left := len(wanted) - len(before):
            text = ngettext(
                "%(count)s task stays as it is: it is done already, somebody else's, or wants an answer.",
                "%(count)s tasks stay as they are: they are done already, somebody else's, or want an answer.",
                left,
            )
            messages.warning(request, text % {"count": left})
    return back(request, default)


@login_required
@require_POST
def tasks_put_back(request: HttpRequest) -> HttpResponse:
    """Undo of what was just done with tasks, as the toast offers."""
    before = forms.read_before(request.GET.get("was", ""))
    count = to_do.put_back(before, by=request.user, at=timezone.now())
    text = ngettext("%(count)s task is as it was.", "%(count)s tasks are as they were.", count)
    messages.success(request, text % {"count": count})
    return back(request, reverse("pipeline:task_list"), to_referrer=True)
