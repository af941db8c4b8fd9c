"""Tasks: what one person asks another (or themselves) to do by when, mostly about a lead."""

import datetime
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed, NotYours
from accounts.models import Role, User
from integrations.outbox import one_line
from leads.erasures import require_present
from leads.models import Campaign, Lead
from pipeline.models import Notification, Opportunity, Task
from pipeline.notify import notify
from pipeline.transitions.rules import TransitionError, exactly, lock, named, require

NOTE_LENGTH = 500  # of the note in a notification; the task has all of it


@transaction.atomic
def open_task(
    *,
    title: str,
    assignee: User,
    due_at: datetime.datetime,
    by: User | None,
    at: datetime.datetime,
    lead: Lead | None = None,
    opportunity: Opportunity | None = None,
    campaign: Campaign | None = None,
    kind: Task.Kind = Task.Kind.OTHER,
    note: str = "",
) -> Task:
    """Give `assignee` something to do, and tell them. The same task, asked for again while it is open, is not opened twice.

    A task about an `opportunity` is about its lead, too. Raises NotAllowed for a role without tasks, and TransitionError
    when the assignee can have none.
    """
    require(by, access.HAVE_TASKS, _("Your role doesn't give tasks."))
    _require_assignable(assignee)
    lead = opportunity.lead if opportunity is not None else lead
    # Two identical requests wait here for each other.
    if lead is not None:
        require_present(lock(lead).contact)
    else:
        User.objects.select_for_update(no_key=True).get(pk=assignee.pk)
    task, is_new = Task.objects.open().get_or_create(
        kind=kind,
        lead=lead,
        opportunity=opportunity,
        campaign=campaign,
        title=_titled(title),
        assignee=assignee,
        due_at=due_at,
        created_by=by,
        done_at=None,
        # Of what is due already one hears by being given it.
        defaults={"note": note, "told_at": at if due_at <= at else None},
    )
    if is_new and assignee != by:
        tell(Notification.Kind.TASK, task, to=[assignee], at=at, by=by)
    return task


def tell(
    kind: Notification.Kind, task: Task, *, to: Iterable[User], at: datetime.datetime, by: User | None = None
) -> None:
    """Tell people that the task was given to them, or is due."""
    facts: dict[str, Any] = {
        "about": task.title,
        "due_at": task.due_at.isoformat(),
        "note": task.note[:NOTE_LENGTH],
        "url": reverse("pipeline:task_detail", args=[task.pk]),
    }
    notify(kind, to, task.lead, at=at, **(facts | named(by)))


def may_change(task: Task, by: User | None) -> bool:
    """Whether `by` may tick the task off, postpone it or hand it on: who has it, their manager, who gave it, the director."""
    if by is None:
        return True
    if not by.is_active:
        return False
    if by.pk in (task.assignee_id, task.created_by_id) or by.role == Role.DIRECTOR:
        return True
    return by.role == Role.SALES_MANAGER and by.team_id is not None and by.team_id == task.assignee.team_id


@transaction.atomic
def finish_task(task: Task, *, by: User | None, at: datetime.datetime) -> Task:
    """Tick a task off. Who comes second changes nothing: the first one stays the one who did it."""
    task = _lock(task, by)
    if task.done_at is None:
        task.done_at, task.done_by = at, by
        task.save(update_fields=["done_at", "done_by", "updated_at"])
    return task


@transaction.atomic
def reopen_task(task: Task, *, by: User | None) -> Task:
    """Take a tick back; on an open task nothing changes."""
    task = _lock(task, by)
    if task.done_at is not None:
        task.done_at = task.done_by = None
        task.save(update_fields=["done_at", "done_by", "updated_at"])
    return task


@transaction.atomic
def change_task(
    task: Task,
    *,
    title: str,
    assignee: User,
    due_at: datetime.datetime,
    note: str,
    by: User | None,
    at: datetime.datetime,
    seen_at: datetime.datetime | None = None,
) -> bool:
    """Say something of an open task otherwise, or hand it on; True when anything changed.

    `seen_at` is its `updated_at` as the person saw it: when somebody changed it since, nothing is written.
    """
    task = _lock(task, by)
    if task.is_done:
        raise TransitionError(
            _("%(who)s did this task on %(when)s. Reopen it first.")
            % {"who": task.done_by or "LeadFlow", "when": exactly(task.done_at or at)}
        )
    wanted = {"title": _titled(title), "assignee": assignee, "due_at": due_at, "note": note}
    changed = [name for name, value in wanted.items() if getattr(task, name) != value]
    if not changed:
        return False
    if seen_at is not None and task.updated_at != seen_at:
        raise TransitionError(
            _("This task was changed on %(when)s, so nothing was saved. Look at it again and repeat your change.")
            % {"when": exactly(task.updated_at)}
        )
    if "assignee" in changed:
        _require_assignable(assignee)
    for name in changed:
        setattr(task, name, wanted[name])
    if {"due_at", "assignee"} & set(changed):
        task.told_at = at if due_at <= at else None
    task.save()
    if "assignee" in changed and assignee != by:
        tell(Notification.Kind.TASK, task, to=[assignee], at=at, by=by)
    return True


# --- Several at once -------------------------------------------------------------------------------------------------

# How a task was before: its id, and when it was due.
Before = tuple[int, datetime.datetime]


@transaction.atomic
def finish_tasks(pks: Iterable[int], *, by: User, at: datetime.datetime) -> list[Before]:
    """Tick off those that are open and that `by` may change; returns how they were before.

    What is done by answering on a page of its own is left to that page.
    """
    tasks = [task for task in _lock_open(pks, by) if not task.is_asking_again]
    Task.objects.filter(pk__in=[task.pk for task in tasks]).update(done_at=at, done_by=by, updated_at=at)
    return [(task.pk, task.due_at) for task in tasks]


@transaction.atomic
def postpone_tasks(pks: Iterable[int], to: datetime.date, *, by: User, at: datetime.datetime) -> list[Before]:
    """Make open tasks due on that day, at their time of day where the reader is; returns how they were before."""
    tasks = _lock_open(pks, by)
    before = [(task.pk, task.due_at) for task in tasks]
    for task in tasks:
        time = timezone.localtime(task.due_at).time()
        task.due_at = datetime.datetime.combine(to, time, timezone.get_current_timezone())
        task.told_at, task.updated_at = None if task.due_at > at else at, at
    Task.objects.bulk_update(tasks, ["due_at", "told_at", "updated_at"])
    return before


@transaction.atomic
def put_back(before: Iterable[Before], *, by: User, at: datetime.datetime) -> int:
    """Undo finishing or postponing: open again, and due when they were. Returns how many tasks that changed."""
    due = dict(before)
    tasks = [task for task in _locked(due) if may_change(task, by)]
    tasks = [task for task in tasks if task.is_done or task.due_at != due[task.pk]]
    for task in tasks:
        task.done_at = task.done_by = None
        task.due_at, task.updated_at = due[task.pk], at
        task.told_at = at if task.due_at <= at else None
    Task.objects.bulk_update(tasks, ["done_at", "done_by", "due_at", "told_at", "updated_at"])
    return len(tasks)


def _lock_open(pks: Iterable[int], by: User) -> list[Task]:
    if not by.is_active:
        raise NotAllowed(_("Your account is switched off."))
    return [task for task in _locked(pks) if not task.is_done and may_change(task, by)]


def _locked(pks: Iterable[int]) -> list[Task]:
    rows = Task.objects.select_for_update(of=("self",)).select_related("assignee")
    return list(rows.filter(pk__in=list(pks)).order_by("pk"))


def _lock(task: Task, by: User | None) -> Task:
    """The task as it is now, locked. Raises NotAllowed or NotYours."""
    if by is not None and not by.is_active:
        raise NotAllowed(_("Your account is switched off."))
    task = Task.objects.select_for_update(of=("self",)).select_related("assignee", "done_by").get(pk=task.pk)
    if not may_change(task, by):
        raise NotYours(
            _("This is %(person)s's task. Only they, their manager, who gave it, or the director may do that.")
            % {"person": task.assignee}
        )
    return task


def _require_assignable(assignee: User) -> None:
    if not access.may(assignee, access.HAVE_TASKS):
        raise TransitionError(_("%(person)s can't be given tasks.") % {"person": assignee})


def _titled(title: str) -> str:
    """The title on one line."""
    if not (line := one_line(title)):
        raise TransitionError(_("Please say what is to be done."))
    return line
