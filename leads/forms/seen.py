"""Edits of small records that keep no version of their own."""

import hashlib

from django import forms
from django.db.models import Model
from django.utils.translation import gettext_lazy as _


class SeenForm(forms.ModelForm):
    """An edit is refused once, with what was typed kept, when somebody saved the record since the form was opened.

    `seen` is a fingerprint of the record that the form was opened on. The view locks the row before it makes the form.
    A form that doesn't say what it saw isn't checked.
    """

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = _fingerprint(self.instance) if self.instance.pk else ""

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk and cleaned.get("seen") and cleaned["seen"] != self.initial["seen"]:
            self.data = self.data.copy()
            self.data["seen"] = self.initial["seen"]
            raise forms.ValidationError(
                _("Someone saved this while you were editing it. Nothing of yours is saved yet: look at it in a new tab, "
                  "then save here again to keep your version."),
                code="outdated",
            )  # fmt: skip
        return cleaned


def _fingerprint(record: Model) -> str:
    # Where it stands in its list is moved beside the form, not in it.
    fields = [field for field in record._meta.concrete_fields if field.name != "position"]
    values = "\0".join(f"{field.attname}={getattr(record, field.attname)}" for field in fields)
    return hashlib.sha256(values.encode()).hexdigest()
