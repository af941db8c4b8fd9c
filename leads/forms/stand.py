"""Input at an event's stand: lenient, because the visitor is waiting."""

import dataclasses
import datetime
import uuid

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy

from accounts.models import User
from leads.forms.answers import AnswerForm
from leads.forms.fields import DateInput
from leads.models import Contact, Product, QuestionnaireVersion
from leads.normalise import validate_text
from leads.registration import Person

_TYPED = {"autocomplete": "off"}
_PERSON_FIELDS = [field.name for field in dataclasses.fields(Person)]

# How far back a lead that waited in a browser may be dated; older ones count as registered that long ago.
BACKDATED_AT_MOST = datetime.timedelta(days=30)
# How far back the day of meeting may be found from the time that an entry waited.
KEPT_AT_MOST = datetime.timedelta(days=366)


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
    mailing_consent = forms.BooleanField(label=_("Agreed to news and invitations"), required=False)
    job_title = forms.CharField(
        label=_("Position"),
        required=False,
        max_length=150,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_TYPED),
    )
    profile_url = forms.URLField(
        label=_("Profile link"), required=False, max_length=300, assume_scheme="https", validators=[validate_text]
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

    def clean_met_on(self) -> datetime.date | None:
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
        return Person(**{name: self.cleaned_data[name] for name in _PERSON_FIELDS})

    @property
    def preferred_meeting_time(self) -> str:
        return ", ".join(filter(None, [*self.cleaned_data["meet"], self.cleaned_data["meet_other"]]))[:200]


class StandEntryForm(StandForm):
    """What a browser kept while there was no network: it comes late, and what was true when it was typed still is."""

    # Seconds since it was typed, by the browser's clock: a difference, so that a clock set wrongly does no harm.
    waited = forms.IntegerField(required=False, widget=forms.HiddenInput)
    typed_by = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: object = None, *, now: datetime.datetime) -> None:
        super().__init__(data, today=timezone.localdate(now))
        self.now = now
        self.fields["met_on"].required = False
        self.fields["products"].queryset = Product.objects.all()  # one that was offered then may be switched off since

    def clean_met_on(self) -> datetime.date | None:
        return super().clean_met_on() if self.cleaned_data["met_on"] else None

    def clean(self) -> dict:
        cleaned = super().clean()
        cleaned["waited"] = min(max(cleaned.get("waited") or 0, 0), KEPT_AT_MOST.total_seconds())
        if not self.errors and not cleaned["met_on"]:
            cleaned["met_on"] = timezone.localdate(self.now - datetime.timedelta(seconds=cleaned["waited"]))
        return cleaned

    @property
    def typed_at(self) -> datetime.datetime:
        """When it was typed: never in the future, and at most BACKDATED_AT_MOST ago."""
        return self.now - min(datetime.timedelta(seconds=self.cleaned_data["waited"]), BACKDATED_AT_MOST)

    @property
    def colleague(self) -> User | None:
        """The colleague who typed it, as the browser says; None when there is nobody of that id."""
        pk = self.cleaned_data["typed_by"]
        return User.objects.filter(pk=pk).first() if pk and 0 < pk < 2**63 else None


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


class StandAnswerForm(AnswerForm):
    """The event's questionnaire beside the visitor's own fields. Nothing must be answered: the SDR asks for the rest."""

    ASKED_ALREADY = (*_PERSON_FIELDS, "preferred_meeting_time", "note")

    def __init__(self, version: QuestionnaireVersion, data: object = None) -> None:
        super().__init__(version, data, without=self.ASKED_ALREADY)
        for question in self.questions:
            question.is_required = False


class StandMatchForm(forms.Form):
    """What is looked for while typing; half an address is no address yet."""

    email = forms.EmailField(required=False, max_length=254)
    phone = forms.CharField(required=False, max_length=50, validators=[validate_text])

    def match(self) -> Contact | None:
        """The contact that saving would join: the same e-mail, or the same phone in any notation."""
        typed = self.cleaned_data if not self.errors else {k: v for k, v in self.cleaned_data.items() if v}
        same = Contact.objects.same_as(email=typed.get("email", ""), phone=typed.get("phone", ""))
        return same.select_related("company").order_by("pk").first()
