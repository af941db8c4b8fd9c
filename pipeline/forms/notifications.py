"""How a person wants to hear of things, and which of what they heard of they look at."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.forms.filters import FilterForm
from pipeline.choices import Mail, choices_of, groups_for
from pipeline.models import CalendarKey, Notification


class NotificationFilter(FilterForm):
    unread = forms.ChoiceField(choices=[("1", _("Unread"))], required=False)
    kind = forms.ChoiceField(choices=Notification.Kind.choices, required=False)

    def apply(self, rows):
        rows = rows.unread() if self.cleaned_data["unread"] else rows.shown()
        return rows.filter(kind=self.cleaned_data["kind"]) if self.cleaned_data["kind"] else rows


class ChoicesForm(forms.Form):
    """For each kind that concerns the person: shown in the app or not, and mailed when. `all` sets every mail alike."""

    all = forms.ChoiceField(choices=Mail.choices, required=False)

    def __init__(self, *args, user: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.groups, chosen = groups_for(user), choices_of(user)
        for _label, kinds in self.groups:
            for kind in kinds:
                # Said by the cell's row and column to who sees them, by the label to who doesn't.
                self.fields[f"{kind}_app"] = forms.BooleanField(
                    label=f"{kind.label}: {_('in the app')}", required=False, initial=chosen[kind].in_app
                )
                self.fields[f"{kind}_mail"] = forms.ChoiceField(
                    label=f"{kind.label}: {_('e-mail')}", choices=Mail.choices, initial=chosen[kind].mail
                )
                self.fields[f"{kind}_app"].widget.attrs["aria-label"] = self.fields[f"{kind}_app"].label
                self.fields[f"{kind}_mail"].widget.attrs["aria-label"] = self.fields[f"{kind}_mail"].label

    @property
    def rows(self) -> list[dict]:
        """The fields as the page shows them: a heading, then a line for each kind."""
        return [
            {
                "label": label,
                "kinds": [{"kind": kind, "app": self[f"{kind}_app"], "mail": self[f"{kind}_mail"]} for kind in kinds],
            }
            for label, kinds in self.groups
        ]

    @property
    def wanted(self) -> dict[str, tuple[bool, Mail]]:
        data, kinds = self.cleaned_data, [kind for _label, kinds in self.groups for kind in kinds]
        return {kind: (data[f"{kind}_app"], Mail(data["all"] or data[f"{kind}_mail"])) for kind in kinds}


class CalendarForm(forms.ModelForm):
    class Meta:
        model = CalendarKey
        fields = ["has_names"]
