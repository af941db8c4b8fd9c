"""Tasks: added on a lead's page, ticked off there and on My day."""

import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access
from leads.models import Lead
from pipeline import to_do
from pipeline.desk import MORNING
from pipeline.forms.steps import TaskForm
from pipeline.models import Task
from pipeline.views.steps import back, explained


@access.only_for(access.HAVE_TASKS)
@require_http_methods(["GET", "HEAD", "POST"])
def task_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Give somebody something to do about a lead."""
    lead = get_object_or_404(Lead.objects.visible_to(request.user).select_related("contact"), pk=pk)
    tomorrow = timezone.localdate() + datetime.timedelta(days=1)
    initial = {
        "assignee": request.user.pk,
        "due_at": datetime.datetime.combine(tomorrow, MORNING, timezone.get_current_timezone()),
    }
    form = TaskForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            task = to_do.open_task(lead=lead, by=request.user, at=timezone.now(), **form.cleaned_data)
            messages.success(request, _("%(person)s has a task: %(task)s") % {"person": task.assignee, "task": task})
            return redirect("leads:lead_detail", lead.pk)
    return render(request, "pipeline/task_add.html", {"lead": lead, "form": form}, status=422 if form.errors else 200)


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
