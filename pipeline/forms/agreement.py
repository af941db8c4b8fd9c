"""Input of the agreement."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pipeline.agreements import CHANNEL_TERMS, TERMS, channel_terms, terms
from pipeline.models import Agreement, ChannelTerms

MOST_CHANNELS = 100

GROUPS = [
    (_("Sales' clocks"), ["first_contact_days", "verdict_days", "day_kind", "restarts_on_reassign"]),
    (_("Who is told, and when"), ["remind_days", "manager_days", "director_days"]),
    (_("Pauses"), ["max_pauses", "max_pause_days"]),
    (_("Cold and coming back"), ["cold_days", "cold_to_pool", "recycle_days"]),
    (_("Verdicts"), ["accepted_share", "unreachable_attempts"]),
    (_("Marketing's clock"), ["response_hours", "brief_hours"]),
]


class ChannelTermsForm(forms.ModelForm):
    """What is agreed otherwise for one channel. A row without a channel says nothing."""

    class Meta:
        model = ChannelTerms
        fields = ["channel", *CHANNEL_TERMS]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        channel, kind = self.fields["channel"], self.fields["day_kind"]
        channel.required, channel.empty_label = False, _("No channel")
        kind.choices = [("", _("As for all")), *Agreement.DayKind.choices]
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = field.label
            if isinstance(field, forms.IntegerField):
                field.widget.attrs["placeholder"] = _("as for all")

    def clean(self) -> dict:
        said = self.cleaned_data
        says_something = any(said.get(name) for name in CHANNEL_TERMS)
        if says_something and not said.get("channel") and "channel" not in self.errors:
            self.add_error("channel", _("Which channel is that for?"))
        elif said.get("channel") and not says_something and not self.errors:
            self.add_error("channel", _("Say what differs, or choose “No channel”."))
        return said

    def _post_clean(self) -> None:
        """The rows of a version are made together with it."""


class _ChannelTerms(forms.BaseFormSet):
    def clean(self) -> None:
        rows = [getattr(form, "cleaned_data", {}) for form in self.forms]
        channels = [row["channel"] for row in rows if row.get("channel")]
        if len(channels) > len(set(channels)):
            raise ValidationError(_("Name each channel once."))


ChannelTermsFormSet = forms.formset_factory(
    ChannelTermsForm,
    formset=_ChannelTerms,
    extra=2,
    max_num=MOST_CHANNELS,
    absolute_max=MOST_CHANNELS,
    validate_max=True,
)


class AgreementForm(forms.ModelForm):
    """The terms of the next version, with those of single channels; `seen_version` says which one it is to replace."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = Agreement
        fields = [*TERMS, "note"]
        help_texts = {
            "first_contact_days": _("From the handover until sales has spoken to the client."),
            "verdict_days": _("From the handover until sales accepts or rejects the lead."),
            "day_kind": _("Working days leave out weekends and public holidays; office hours count only while open."),
            "max_pauses": _("With 0 nobody can pause the clocks."),
            "max_pause_days": _(
                "When the client asked to wait, the clocks stand still so long and go on by themselves."
            ),
            "cold_days": _("While sales has the lead. After a pause they are counted anew."),
            "unreachable_attempts": _("A refusal of that reason is taken only then."),
            "accepted_share": _("Both sides see how near they are to it."),
            "recycle_days": _("A reason can have days of its own."),
            "response_hours": _("From a lead's registration to marketing's first call."),
        }

    def __init__(self, data: Any = None, *, in_force: Agreement) -> None:
        super().__init__(data, initial={**terms(in_force), "seen_version": in_force.version})
        self.channels = ChannelTermsFormSet(data, prefix="channels", initial=channel_terms(in_force))

    @property
    def groups(self) -> list[tuple[Any, list[forms.BoundField]]]:
        return [(heading, [self[name] for name in names]) for heading, names in GROUPS]

    @property
    def agreed_channels(self) -> list[dict[str, Any]]:
        """As `put_in_force` takes them."""
        return [form.cleaned_data for form in self.channels.forms if form.cleaned_data.get("channel")]

    def is_valid(self) -> bool:
        is_valid = super().is_valid()  # which may find a fault in a channel's row
        return self.channels.is_valid() and is_valid

    def clean(self) -> dict:
        data = super().clean() or self.cleaned_data
        self._in_order("first_contact_days", "verdict_days", _("The verdict can't be due before the first contact."))
        self._in_order("response_hours", "brief_hours", _("The brief can't be due before the first contact."))
        self._in_order("manager_days", "director_days", _("The director is told after the manager, not before."))
        for form in self.channels.forms:
            if not form.is_valid() or not form.cleaned_data.get("channel"):
                continue
            first, verdict = (
                form.cleaned_data[name] or data.get(name) for name in ("first_contact_days", "verdict_days")
            )
            if first and verdict and verdict < first:
                form.add_error("verdict_days", _("The verdict can't be due before the first contact."))
        return data

    def _in_order(self, first: str, then: str, otherwise: str) -> None:
        earlier, later = self.cleaned_data.get(first), self.cleaned_data.get(then)
        if earlier is not None and later is not None and later < earlier:
            self.add_error(then, otherwise)
