"""What a person enters about tasks, and the filters of their list."""

import datetime
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts import access
from accounts.models import User
from leads.models import Campaign, Lead
from leads.normalise import FIRST_DAY, LAST_DAY, validate_text
from pipeline.forms.fields import moment, words
from pipeline.forms.filters import PipelineFilter
from pipeline.models import Task
from pipeline.to_do import Before


class TaskForm(forms.Form):
    title = forms.CharField(label=_("What to do"), max_length=300, validators=[validate_text])
    assignee = forms.ModelChoiceField(label=_("Who"), queryset=User.objects.none(), empty_label=None)
    due_at = moment(_("When"))
    note = words(_("Note"), most=5000)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = User.objects.active().filter(role__in=access.HAVE_TASKS)

    def clean_due_at(self) -> datetime.datetime:
        due_at = self.cleaned_data["due_at"]
        if not FIRST_DAY <= due_at.date() <= LAST_DAY:
            raise ValidationError(_("Please choose a real date."))
        return due_at


class TaskChangeForm(TaskForm):
    """A task as its page shows it. `seen_at` is when it was last changed, as the person saw it."""

    seen_at = forms.CharField(max_length=40, widget=forms.HiddenInput)

    def __init__(self, *args, task: Task, **kwargs) -> None:
        initial = {
            "title": task.title,
            "assignee": task.assignee_id,
            "due_at": task.due_at,
            "note": task.note,
            "seen_at": task.updated_at.isoformat(),
        }
        super().__init__(*args, initial=initial, **kwargs)
        # Who has it stays choosable: what else is changed doesn't take it from somebody who left.
        self.fields["assignee"].queryset |= User.objects.filter(pk=task.assignee_id)
        self.due_at = task.due_at

    def clean_due_at(self) -> datetime.datetime:
        """The field knows minutes only: left alone, it changes nothing."""
        return super().clean_due_at() if "due_at" in self.changed_data else self.due_at

    def clean_seen_at(self) -> datetime.datetime:
        try:
            return datetime.datetime.fromisoformat(self.cleaned_data["seen_at"])
        except ValueError as error:
            raise ValidationError(_("This page is damaged. Please reload it.")) from error


MINE, GIVEN, TEAM, ALL = "mine", "given", "team", "all"
WHOSE = {
    MINE: pgettext_lazy("tasks", "Mine"),
    GIVEN: _("Given by me"),
    TEAM: _("My team's"),
    ALL: pgettext_lazy("tasks", "All"),
}
OVERDUE, TODAY, WEEK, LATER = "overdue", "today", "week", "later"
DUE = {
    OVERDUE: pgettext_lazy("tasks", "Overdue"),
    TODAY: _("Today"),
    WEEK: _("This week"),
    LATER: pgettext_lazy("tasks", "Later"),
}


def due_until(now: datetime.datetime) -> dict[str, datetime.datetime]:
    """The moment at which each time of `DUE` but the last ends, where the reader is; weeks end on Sunday."""
    today = timezone.localdate(now)

    def midnight_after(day: datetime.date) -> datetime.datetime:
        after = day + datetime.timedelta(days=1)
        return datetime.datetime.combine(after, datetime.time(), timezone.get_current_timezone())

    sunday = today + datetime.timedelta(days=6 - today.weekday())
    return {OVERDUE: now, TODAY: midnight_after(today), WEEK: midnight_after(sunday)}


class TaskFilter(PipelineFilter):
    """Whose tasks, open or done, and due when. `below` is the heading that the page before ended with."""

    whose = forms.ChoiceField(choices=list(WHOSE.items()), required=False, widget=forms.HiddenInput)
    state = forms.ChoiceField(choices=[("done", "")], required=False, widget=forms.HiddenInput)
    due = forms.ChoiceField(choices=list(DUE.items()), required=False, widget=forms.HiddenInput)
    below = forms.ChoiceField(choices=list(DUE.items()), required=False, widget=forms.HiddenInput)
    assignee = forms.ModelChoiceField(label=_("Who"), queryset=User.objects.all(), required=False)
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[("", _("Any")), *(choice for choice in Task.Kind.choices if choice[0])],
        required=False,
    )
    campaign = forms.ModelChoiceField(
        label=_("Campaign"), queryset=Campaign.objects.order_by("-starts_on", "-pk"), required=False
    )

    NARROWING = ("q", "assignee", "kind", "campaign")

    @property
    def chosen(self) -> dict[str, object]:
        return {name: value for name, value in super().chosen.items() if name != "below"}

    @property
    def scope(self) -> str:
        return self.cleaned_data["whose"] or MINE

    @property
    def is_done(self) -> bool:
        return bool(self.cleaned_data["state"])

    def apply_for(self, user: User, now: datetime.datetime) -> Any:
        """The tasks that the filters let through, for `user`, who looks."""
        wanted, tasks = self.cleaned_data, Task.objects.visible_to(user)
        tasks = tasks.done() if self.is_done else tasks.open()
        match self.scope:
            case "mine":
                tasks = tasks.filter(assignee=user)
            case "given":
                tasks = tasks.given_by(user)
            case "team":
                tasks = tasks.of_team(user)
        for name in ("assignee", "kind", "campaign"):
            if wanted[name]:
                tasks = tasks.filter(**{name: wanted[name]})
        if text := wanted["q"]:
            tasks = tasks.filter(Q(title__icontains=text) | Q(lead__in=Lead.objects.search(text)))
        if (due := wanted["due"]) and not self.is_done:
            ends, names = due_until(now), list(DUE)
            begins = ends.get(names[names.index(due) - 1]) if due != OVERDUE else None
            tasks = tasks.filter(due_at__gte=begins) if begins else tasks
            tasks = tasks.filter(due_at__lt=ends[due]) if due in ends else tasks
        return tasks

    def chips(self) -> list[dict[str, Any]]:
        chips, names = super().chips(), list(self.chosen)
        return [chip for name, chip in zip(names, chips, strict=True) if name in self.NARROWING]


# --- Several at once -------------------------------------------------------------------------------------------------

DONE, TOMORROW, NEXT_WEEK = "done", "tomorrow", "next_week"
MOST_AT_ONCE = 100  # how they were must fit into the address of the undo


class TasksForm(forms.Form):
    """What to do with the tasks that were ticked."""

    do = forms.ChoiceField(choices=[(each, "") for each in (DONE, TOMORROW, NEXT_WEEK)])

    def day(self, today: datetime.date) -> datetime.date | None:
        """The day to put them off to: tomorrow, or the next Monday; None where they are done."""
        days = {TOMORROW: 1, NEXT_WEEK: 7 - today.weekday()}.get(self.cleaned_data["do"])
        return today + datetime.timedelta(days=days) if days else None


SALT = "tasks as they were"
UNDO_FOR = datetime.timedelta(hours=1)


def write_before(before: list[Before]) -> str:
    """How tasks were, for the address that puts them back."""
    return signing.dumps([[pk, due_at.isoformat()] for pk, due_at in before], salt=SALT, compress=True)


def read_before(text: str) -> list[Before]:
    """What `write_before` wrote within the hour; anything else is a 400."""
    try:
        rows = signing.loads(text, salt=SALT, max_age=UNDO_FOR)
    except signing.BadSignature as error:
        raise BadRequest(_("It is too late to undo this. Change the tasks by hand.")) from error
    return [(pk, datetime.datetime.fromisoformat(due_at)) for pk, due_at in rows]
