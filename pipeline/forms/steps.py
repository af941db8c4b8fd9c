"""What a person enters about the steps of the funnel: calls, tasks, verdicts, handing over, briefs, removing."""

import datetime
from collections.abc import Iterable

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, User
from leads.models import Reason
from leads.normalise import validate_text
from pipeline.forms.fields import RepField, moment, read_moment, sales_people, words
from pipeline.models import Activity, Handoff


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
        return read_moment(self.cleaned_data["retry_at"]) if self.cleaned_data["retry_at"] else None

    def clean(self) -> dict:
        data = self.cleaned_data
        outcome, _at, moment = data.get("outcome", "").partition("@")
        if outcome not in Activity.OUTCOMES[Activity.Kind.CALL]:
            raise ValidationError(_("Please choose what came of the call."))
        data["outcome"] = Activity.Outcome(outcome)
        data["next_attempt_at"] = None
        if outcome == Activity.Outcome.CALL_BACK:
            data["next_attempt_at"] = read_moment(moment) if moment else data.get("when")
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


class ReassignForm(forms.Form):
    to = RepField(label=_("Give it to"), queryset=User.objects.none())

    def __init__(self, *args, by: User, holder: User | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        people = sales_people()
        if by.role == Role.SALES_MANAGER:
            people = people.filter(Q(team=by.team_id) if by.team_id else Q(pk=by.pk))
        if holder and not self.is_bound:  # what was offered stays valid, though it came true meanwhile
            people = people.exclude(pk=holder.pk)
        self.fields["to"].queryset = people
        absence = self.fields["to"].away.get(holder.pk) if holder else None
        self.holder_away = [absence] if absence is not None else []
        if absence is not None:
            self.initial.setdefault("to", absence.deputy_id)


class PauseForm(forms.Form):
    """Until when the clocks of `handoff` should wait, and why."""

    until = moment(_("Until"))
    reason = forms.CharField(
        label=_("Why"),
        max_length=300,
        validators=[validate_text],
        help_text=_("What the client asked for: it stands in the timeline."),
    )

    def __init__(self, *args, handoff: Handoff, now: datetime.datetime, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        latest = now + datetime.timedelta(days=handoff.agreement.max_pause_days)
        self.fields["until"].initial = min(now + datetime.timedelta(days=7), latest)
        for name, limit in (("min", now), ("max", latest)):
            self.fields["until"].widget.attrs[name] = f"{timezone.localtime(limit):%Y-%m-%dT%H:%M}"


class HandOverForm(forms.Form):
    to = RepField(
        label=_("Sales rep"), queryset=User.objects.none(), required=False, empty_label=_("By the routing rules")
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
