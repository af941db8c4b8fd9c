"""What a person enters about the steps of the funnel: calls, tasks, verdicts, handing over, briefs, removing."""

import datetime
from collections.abc import Iterable

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Role, User
from leads.forms.leads import SANE_DAYS
from leads.models import Reason
from leads.normalise import validate_text
from pipeline.forms.fields import moment, sales_people, words
from pipeline.models import Activity


class ActivityForm(forms.Form):
    """What was done and what came of it, sent by one button: `what` is “call:reached”."""

    what = forms.CharField(max_length=30)
    note = words(_("Note"), most=5000)
    submission_key = forms.UUIDField(required=False)

    def clean_what(self) -> tuple[Activity.Kind, Activity.Outcome]:
        kind, _colon, outcome = self.cleaned_data["what"].partition(":")
        if outcome not in Activity.OUTCOMES.get(kind, []):
            raise ValidationError(_("Please choose what you did and what came of it."))
        return Activity.Kind(kind), Activity.Outcome(outcome)


class CallForm(forms.Form):
    """What came of a call at the desk, sent by one button: `outcome` is “reached”, or “call_back@” and the moment.

    `when` is the moment for “call_back” without one; `retry_at` when to try again somebody who didn't answer, blank
    for no plan. The brief is kept only where the person changed it.
    """

    outcome = forms.CharField(max_length=60)
    when = moment(_("On"), required=False)
    retry_at = forms.ChoiceField(label=_("If nobody answers, try again"), required=False)
    note = words(_("Note"), most=5000)
    brief = forms.CharField(
        label=_("What the client needs"),
        max_length=10000,
        required=False,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 4}),
        show_hidden_initial=True,
    )
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args, retries: Iterable[tuple[str, str]], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["retry_at"].choices = [*retries, ("", _("Don't plan it"))]
        if sent := self.data.get("retry_at"):  # offered when the page was opened, perhaps an hour ago
            offered = dict(self.fields["retry_at"].choices)
            self.fields["retry_at"].choices += [] if sent in offered else [(sent, _("as chosen"))]

    def clean_retry_at(self) -> datetime.datetime | None:
        return _read_moment(self.cleaned_data["retry_at"]) if self.cleaned_data["retry_at"] else None

    def clean(self) -> dict:
        data = self.cleaned_data
        outcome, _at, moment = data.get("outcome", "").partition("@")
        if outcome not in Activity.OUTCOMES[Activity.Kind.CALL]:
            raise ValidationError(_("Please choose what came of the call."))
        data["outcome"] = Activity.Outcome(outcome)
        data["next_attempt_at"] = None
        if outcome == Activity.Outcome.CALL_BACK:
            data["next_attempt_at"] = _read_moment(moment) if moment else data.get("when")
            if data["next_attempt_at"] is None and "when" not in self.errors:
                self.add_error("when", _("When should they be called?"))
        elif outcome == Activity.Outcome.NO_ANSWER:
            data["next_attempt_at"] = data.get("retry_at")
        return data

    @property
    def new_brief(self) -> str:
        """The brief as the person wrote it, or nothing where they left it as it was."""
        return self.cleaned_data["brief"] if "brief" in self.changed_data else ""

    @property
    def seen_brief(self) -> str:
        """The brief that the person saw when the page was opened."""
        return self.data.get(self.add_initial_prefix("brief"), "")


def _read_moment(text: str) -> datetime.datetime:
    """A moment that a button or an option carries."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValidationError(_("This page is damaged. Please reload it."))
    return moment


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
        if not SANE_DAYS[0].limit_value <= due_at.date() <= SANE_DAYS[1].limit_value:
            raise ValidationError(_("Please choose a real date."))
        return due_at


class RejectForm(forms.Form):
    reason = forms.ModelChoiceField(
        label=_("Reason"), queryset=Reason.objects.none(), widget=forms.RadioSelect, empty_label=None
    )
    missing = words(_("What was missing?"), most=2000, rows=1)
    not_asked = words(_("What was not asked?"), most=2000, rows=1)
    misread = words(_("What was misread?"), most=2000, rows=1)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].queryset = Reason.objects.offered(Reason.Kind.REJECTION)


class ReassignForm(forms.Form):
    to = forms.ModelChoiceField(label=_("Give it to"), queryset=User.objects.none())

    def __init__(self, *args, by: User, holder: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        people = sales_people()
        if by.role == Role.SALES_MANAGER:
            people = people.filter(Q(team=by.team_id) if by.team_id else Q(pk=by.pk))
        if not self.is_bound:  # what was offered stays valid, though it came true meanwhile
            people = people.exclude(pk=holder.pk)
        self.fields["to"].queryset = people


class HandOverForm(forms.Form):
    to = forms.ModelChoiceField(
        label=_("Sales rep"), queryset=User.objects.none(), required=False, empty_label=_("Whose turn it is")
    )
    note = words(_("Note to sales"), most=5000, help_text=_("What was agreed with the client, and what comes next."))

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = sales_people().select_related("team")


class BriefForm(forms.Form):
    brief = forms.CharField(
        label=_("What the client needs"),
        max_length=10000,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 8}),
    )


class RemoveForm(forms.Form):
    reason = forms.ModelChoiceField(
        label=_("Reason"), queryset=Reason.objects.none(), widget=forms.RadioSelect, empty_label=None
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].queryset = Reason.objects.offered(Reason.Kind.REMOVAL)
