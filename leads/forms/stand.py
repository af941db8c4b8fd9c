"""Input at an event's stand: lenient, because the visitor is waiting."""

import datetime
import uuid

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy

from leads.forms.fields import DateInput
from leads.models import Contact, Product
from leads.normalise import validate_text
from leads.registration import Person

_TYPED = {"autocomplete": "off"}


class TimesField(forms.MultipleChoiceField):
    """Times to tick. They are kept as words, so a page that stood open over midnight may still send yesterday's."""

    def valid_value(self, value: str) -> bool:
        validate_text(value)
        return len(value) <= 60


class StandForm(forms.Form):
    name = forms.CharField(
        label=pgettext_lazy("person", "Name"),
        required=False,
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_TYPED | {"autocapitalize": "words", "enterkeyhint": "next"}),
    )
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=50,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_TYPED | {"type": "tel", "inputmode": "tel", "enterkeyhint": "next"}),
    )
    email = forms.EmailField(
        label=_("E-mail"),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs=_TYPED | {"inputmode": "email", "autocapitalize": "none", "spellcheck": "false"}),
    )
    company = forms.CharField(
        label=_("Company"),
        required=False,
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_TYPED | {"autocapitalize": "words"}),
    )
    products = forms.ModelMultipleChoiceField(
        Product.objects.filter(is_active=True),
        label=_("Interested in"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=5000,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 2, "autocapitalize": "sentences"}),
    )
    meet = TimesField(label=_("When to meet"), required=False, widget=forms.CheckboxSelectMultiple)
    meet_other = forms.CharField(
        label=_("Another time"),
        required=False,
        max_length=100,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_TYPED | {"placeholder": _("or in your own words")}),
    )
    consent = forms.BooleanField(label=_("Agreed to be contacted"), required=False)
    job_title = forms.CharField(
        label=_("Position"),
        required=False,
        max_length=150,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_TYPED),
    )
    met_on = forms.DateField(label=_("Met on"), widget=DateInput)
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: object = None, *, today: datetime.date) -> None:
        super().__init__(data, initial={"met_on": today, "submission_key": uuid.uuid4()})
        self.fields["meet"].choices = meeting_times(today)
        self.today = today

    def full_clean(self) -> None:
        """Also put the cursor where the next thing is to be typed: at the first error, else at the name."""
        super().full_clean()
        first = next((name for name in self.fields if name in self.errors), "name")
        self.fields[first].widget.attrs["autofocus"] = True

    def clean_met_on(self) -> datetime.date:
        met_on = self.cleaned_data["met_on"]
        if met_on > self.today:
            raise forms.ValidationError(_("This day is still to come."))
        return met_on

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not (cleaned["name"] or cleaned["phone"] or cleaned["email"]):
            raise forms.ValidationError(_("Type a name, a phone or an e-mail."), code="nobody")
        return cleaned

    @property
    def person(self) -> Person:
        typed = self.cleaned_data
        return Person(**{name: typed[name] for name in ("name", "email", "phone", "company", "job_title", "consent")})

    @property
    def preferred_meeting_time(self) -> str:
        return ", ".join(filter(None, [*self.cleaned_data["meet"], self.cleaned_data["meet_other"]]))[:200]


def meeting_times(today: datetime.date) -> list[tuple[str, str]]:
    """The times that visitors name most. What is kept says the date, since “tomorrow” means nothing next week."""
    tomorrow, monday = today + datetime.timedelta(days=1), today + datetime.timedelta(days=7 - today.weekday())
    day, week = (
        date_format(tomorrow, pgettext("date format", "D j M")),
        date_format(monday, pgettext("date format", "j M")),
    )
    return [
        (_("%(day)s, morning") % {"day": day}, _("Tomorrow morning")),
        (_("%(day)s, afternoon") % {"day": day}, _("Tomorrow afternoon")),
        (_("week of %(day)s") % {"day": week}, _("Next week")),
        (_("mornings"), _("Mornings")),
        (_("afternoons"), _("Afternoons")),
    ]


class StandMatchForm(forms.Form):
    """What is looked for while typing; half an address is no address yet."""

    email = forms.EmailField(required=False, max_length=254)
    phone = forms.CharField(required=False, max_length=50, validators=[validate_text])

    def match(self) -> Contact | None:
        """The contact that saving would join: the same e-mail, or the same phone in any notation."""
        typed = self.cleaned_data if not self.errors else {k: v for k, v in self.cleaned_data.items() if v}
        same = Contact.objects.same_as(email=typed.get("email", ""), phone=typed.get("phone", ""))
        return same.select_related("company").order_by("pk").first()
