"""Tasks: what one person asks another (or themselves) to do by when, mostly about a lead."""

import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed, NotYours
from accounts.models import Role, User
from leads.erasures import require_present
from leads.models import Lead
from pipeline.models import Task
from pipeline.transitions.rules import TransitionError, lock, require


@transaction.atomic
def open_task(
    *,
    title: str,
    assignee: User,
    due_at: datetime.datetime,
    by: User | None,
    at: datetime.datetime,
    lead: Lead | None = None,
    note: str = "",
) -> Task:
    """Give `assignee` something to do. The same task, asked for again while it is open, is not opened twice.

    Raises NotAllowed for a role without tasks, and TransitionError when the assignee can have none.
    """
    require(by, access.HAVE_TASKS, _("Your role doesn't give tasks."))
    if not access.may(assignee, access.HAVE_TASKS):
        raise TransitionError(_("%(person)s can't be given tasks.") % {"person": assignee})
    if lead is not None:
        require_present(lock(lead).contact)  # two identical requests wait here for each other
    task, _is_new = Task.objects.open().get_or_create(
        lead=lead,
        title=title,
        assignee=assignee,
        due_at=due_at,
        created_by=by,
        done_at=None,
        defaults={"note": note},
    )
    return task


def may_finish(task: Task, by: User | None) -> bool:
    """Whether `by` may tick the task off: who has it, who gave it, and the director."""
    if by is None:
        return True
    return by.is_active and (by.pk in (task.assignee_id, task.created_by_id) or by.role == Role.DIRECTOR)


@transaction.atomic
def finish_task(task: Task, *, by: User | None, at: datetime.datetime) -> Task:
    """Tick a task off. Who comes second changes nothing: the first one stays the one who did it."""
    task = _lock(task, by)
    if task.done_at is None:
        task.done_at, task.done_by = at, by
        task.save(update_fields=["done_at", "done_by"])
    return task


@transaction.atomic
def reopen_task(task: Task, *, by: User | None) -> Task:
    """Take a tick back; on an open task nothing changes."""
    task = _lock(task, by)
    if task.done_at is not None:
        task.done_at = task.done_by = None
        task.save(update_fields=["done_at", "done_by"])
    return task


def _lock(task: Task, by: User | None) -> Task:
    """The task as it is now, locked. Raises NotAllowed or NotYours."""
    if by is not None and not by.is_active:
        raise NotAllowed(_("Your account is switched off."))
    task = Task.objects.select_for_update(of=("self",)).select_related("assignee").get(pk=task.pk)
    if not may_finish(task, by):
        raise NotYours(
            _("This is %(person)s's task. Only they, who gave it, or the director may do that.")
            % {"person": task.assignee}
        )
    return task
