"""Input of the visitor report: what is shown of it, and people who were met, several at once."""

import uuid
from typing import Self

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from leads.forms.filters import FilterForm
from leads.models import Lead
from leads.normalise import read_number, validate_text
from leads.registration import Person

MOST_ROWS = 30
FIRST_ROWS = 3


class VisitorFilter(FilterForm):
    """`all`: the whole report on one page, to be printed."""

    all = forms.ChoiceField(choices=[("1", _("On one page"))], required=False)


class VisitorExportFilter(FilterForm):
    format = forms.ChoiceField(choices=[("csv", "CSV"), ("xlsx", "XLSX")], required=False)

    @property
    def wanted(self) -> str:
        return self.cleaned_data["format"] or "csv"


class VisitorForm(forms.Form):
    """One person who was met. `key` makes sending twice harmless."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    name = forms.CharField(
        label=pgettext_lazy("person", "Name"),
        required=False,
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "words"}),
    )
    company = forms.CharField(
        label=_("Company"),
        required=False,
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "words"}),
    )
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=50,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"type": "tel", "inputmode": "tel", "autocomplete": "off"}),
    )
    email = forms.EmailField(
        label=_("E-mail"), required=False, max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    profile_url = forms.URLField(
        label=_("Profile link"),
        required=False,
        max_length=300,
        assume_scheme="https",
        validators=[validate_text],
        widget=forms.URLInput(attrs={"inputmode": "url", "autocomplete": "off", "type": "text"}),
    )
    agreed = forms.CharField(
        label=_("What was agreed"),
        required=False,
        max_length=Lead._meta.get_field("agreed").max_length,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 2, "autocapitalize": "sentences"}),
    )

    TYPED = ("name", "company", "phone", "email", "profile_url", "agreed")

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not (cleaned["name"] or cleaned["phone"] or cleaned["email"]):
            raise forms.ValidationError(_("Type a name, a phone or an e-mail."), code="nobody")
        return cleaned

    @property
    def is_blank(self) -> bool:
        """Nothing was typed: the row was offered and not needed."""
        return not any(str(self[name].value() or "").strip() for name in self.TYPED)

    @property
    def person(self) -> Person:
        typed = self.cleaned_data
        return Person(**{name: typed[name] for name in self.TYPED if name != "agreed"})


class VisitorSheet:
    """The rows of the quick report. Each row is sent, checked and saved by itself."""

    def __init__(self, rows: list[VisitorForm]) -> None:
        self.rows = rows

    @classmethod
    def blank(cls) -> Self:
        return cls([_row(number) for number in range(FIRST_ROWS)])

    @classmethod
    def sent(cls, data: QueryDict) -> Self:
        """What was sent, to be checked and saved; rows in which nothing was typed are left out."""
        rows = [VisitorForm(data, prefix=f"row-{number}") for number in _numbers(data)]
        return cls([row for row in rows if not row.is_blank])

    @classmethod
    def rearranged(cls, data: QueryDict) -> Self:
        """What was sent, with a row added or removed as the pressed button says; nothing is checked yet."""
        typed = [
            {name: data.get(f"row-{n}-{name}", "") for name in ("key", *VisitorForm.TYPED)} for n in _numbers(data)
        ]
        action, _dash, number = data.get("rearrange", "").partition("-")
        place = read_number(number)
        if action == "add" and len(typed) < MOST_ROWS:
            typed.append({"key": str(uuid.uuid4())})
        elif action == "remove" and place is not None and place < len(typed):
            del typed[place]
        sheet = cls([VisitorForm(prefix=f"row-{number}", initial=row) for number, row in enumerate(typed)])
        if action == "add" and sheet.rows:
            sheet.rows[-1].fields["name"].widget.attrs["autofocus"] = True
        return sheet

    @property
    def may_grow(self) -> bool:
        return len(self.rows) < MOST_ROWS

    def refused(self) -> "VisitorSheet":
        """The rows that can't be saved as they are, with what was typed and why."""
        return VisitorSheet([row for row in self.rows if row.errors])


def _row(number: int) -> VisitorForm:
    return VisitorForm(prefix=f"row-{number}", initial={"key": uuid.uuid4()})


def _numbers(data: QueryDict) -> list[int]:
    """Which rows were sent. Saved ones are gone from the page, so numbers may be missing."""
    return [number for number in range(MOST_ROWS) if f"row-{number}-key" in data]
