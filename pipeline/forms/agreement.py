"""Input of the agreement."""

from django import forms
from django.utils.translation import gettext_lazy as _

from pipeline.models import Agreement


class AgreementForm(forms.ModelForm):
    """The terms of the next version; `seen_version` says which one it is meant to replace."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = Agreement
        fields = [
            "first_contact_days",
            "verdict_days",
            "day_kind",
            "remind_days",
            "manager_days",
            "director_days",
            "cold_days",
            "unreachable_attempts",
            "response_hours",
            "brief_hours",
            "note",
        ]

    def clean(self) -> dict:
        data = super().clean() or self.cleaned_data
        self._in_order("first_contact_days", "verdict_days", _("The verdict can't be due before the first contact."))
        self._in_order("response_hours", "brief_hours", _("The brief can't be due before the first contact."))
        self._in_order("manager_days", "director_days", _("The director is told after the manager, not before."))
        return data

    def _in_order(self, first: str, then: str, otherwise: str) -> None:
        earlier, later = self.cleaned_data.get(first), self.cleaned_data.get(then)
        if earlier is not None and later is not None and later < earlier:
            self.add_error(then, otherwise)
