"""The questions of a questionnaire as a form: one field each, shown and required only where its condition holds."""

import dataclasses
import datetime
import json
from collections.abc import Collection
from typing import Any, Self

from django import forms
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.comparisons import holds
from leads.forms.fields import AmountField, DateInput
from leads.models import Question, QuestionnaireVersion
from leads.normalise import SANE_DAYS, validate_text
from leads.registration import Person

Kind = Question.Kind
TEXT_LENGTH, LONG_TEXT_LENGTH = 500, 5000
# How long the fields may be that a person has; what the browser may offer to fill in when people tell of themselves.
_PERSON = {
    "name": (200, "name", {"autocapitalize": "words"}),
    "phone": (50, "tel", {"type": "tel", "inputmode": "tel"}),
    "email": (254, "email", {"type": "email", "inputmode": "email", "autocapitalize": "none", "spellcheck": "false"}),
    "company": (200, "organization", {"autocapitalize": "words"}),
    "job_title": (150, "organization-title", {}),
    "profile_url": (300, "url", {"inputmode": "url", "autocapitalize": "none", "spellcheck": "false"}),
    "company.industry": (100, "off", {}),
    "company.city": (100, "address-level2", {}),
    "company.country": (100, "country-name", {}),
    "preferred_meeting_time": (200, "off", {}),
    "agreed": (500, "off", {}),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A question with its field, and the field on whose answer it depends."""

    question: Question
    field: forms.BoundField
    when: str = ""

    @property
    def wanted(self) -> str:
        """The condition's value, for the script."""
        return json.dumps(self.question.condition.get("value"))


class AnswerForm(forms.Form):
    """The questions of `version`, in the reader's language.

    `without` names contact fields that the page asks for itself; questions that decide those are left out.
    With `about_oneself` the browser may offer what it knows of the person who fills it in.
    Once valid, `answers` holds what was answered by question key: text, number, bool, date, an option's key or a list
    of them. An answer to a question whose condition doesn't hold is ignored.
    """

    use_required_attribute = False  # what is required depends on the other answers

    def __init__(
        self,
        version: QuestionnaireVersion,
        data: QueryDict | dict | None = None,
        *,
        prefix: str = "",
        without: Collection[str] = (),
        about_oneself: bool = False,
        initial: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data, prefix=prefix or None, **options)
        self.version = version
        self.about_oneself = about_oneself
        self.questions = [
            question
            for question in version.questions.prefetch_related("options")
            if not (question.contact_field and question.contact_field in without)
        ]
        for question in self.questions:
            self.fields[field_name(question.key)] = self._field(question)
        for key, value in (initial or {}).items():
            self.initial[field_name(key)] = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value

    def keep(self, data: QueryDict) -> Self:
        """Show what was typed so far, unchecked: for the same page once more, such as in another language."""
        for name, field in self.fields.items():
            value = field.widget.value_from_datadict(data, {}, self.add_prefix(name))
            if value not in (None, "", []):
                self.initial[name] = value
        return self

    @property
    def rows(self) -> list[Row]:
        """The questions in their order, for the template."""
        names = {question.key: field_name(question.key) for question in self.questions}
        return [
            Row(
                question,
                self[names[question.key]],
                self.add_prefix(names[when]) if (when := question.condition.get("question", "")) in names else "",
            )
            for question in self.questions
        ]

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        self.answers: dict[str, Any] = {}
        for question in self.questions:
            name = field_name(question.key)
            if not is_asked(question, self.answers):
                self.errors.pop(name, None)
                cleaned[name] = None
                continue
            value = cleaned.get(name)
            if value in (None, "", []):
                if question.is_required and name not in self.errors:
                    self.add_error(name, forms.ValidationError(_("Please answer this question."), code="required"))
            else:
                self.answers[question.key] = value
        return cleaned

    @property
    def person(self) -> Person:
        """Who it is, as far as the answers say."""
        return Person(**person_of(self.questions, self.answers))

    def _field(self, question: Question) -> forms.Field:
        common: dict[str, Any] = {"label": str(question), "help_text": question.help, "required": False}
        choices = [(option.key, str(option)) for option in question.options.all()]
        match question.kind:
            case Kind.CHOICE:
                return forms.ChoiceField(choices=choices, widget=forms.RadioSelect, **common)
            case Kind.MULTI_CHOICE:
                return forms.MultipleChoiceField(choices=choices, widget=forms.CheckboxSelectMultiple, **common)
            case Kind.YES_NO:
                return forms.TypedChoiceField(
                    choices=[("yes", _("Yes")), ("no", _("No"))],
                    coerce=lambda value: value == "yes",
                    empty_value=None,
                    widget=forms.RadioSelect,
                    **common,
                )
            case Kind.NUMBER:
                return AmountField(max_digits=18, decimal_places=4, **common)
            case Kind.DATE:
                return forms.DateField(widget=DateInput(), validators=SANE_DAYS, **common)
        length, autocomplete, attrs = _PERSON.get(question.contact_field, (TEXT_LENGTH, "off", {}))
        attrs = attrs | {"autocomplete": autocomplete if self.about_oneself else "off"}
        if question.kind == Kind.LONG_TEXT:
            length = length if question.contact_field in _PERSON else LONG_TEXT_LENGTH
            widget: forms.Widget = forms.Textarea(attrs={"rows": 4, "autocapitalize": "sentences"})
            return forms.CharField(max_length=length, validators=[validate_text], widget=widget, **common)
        widget = forms.TextInput(attrs=attrs)
        if question.contact_field == "email":
            return forms.EmailField(max_length=length, validators=[validate_text], widget=widget, **common)
        if question.contact_field == "profile_url":
            return forms.URLField(
                max_length=length, validators=[validate_text], widget=widget, assume_scheme="https", **common
            )
        return forms.CharField(max_length=length, validators=[validate_text], widget=widget, **common)


def field_name(key: str) -> str:
    """Name of the field of the question with this key; other fields of the page can't be called so."""
    return f"q-{key}"


def is_asked(question: Question, answers: dict[str, Any]) -> bool:
    """Whether a question is put, given the answers to the ones before it."""
    condition = question.condition
    if not condition:
        return True
    return bool(holds(condition["comparison"], condition.get("value"), answers.get(condition["question"])))


def person_of(questions: Collection[Question], answers: dict[str, Any]) -> dict[str, str]:
    """The fields of `registration.Person` that these answers fill in."""
    fields = {field.name for field in dataclasses.fields(Person)} & _PERSON.keys()
    return {
        question.contact_field: in_words(question, answers[question.key])[: _PERSON[question.contact_field][0]]
        for question in questions
        if question.contact_field in fields and question.key in answers
    }


def in_words(question: Question, value: Any) -> str:
    """An answer as a person reads it, in the reader's language."""
    if question.kind in {Kind.CHOICE, Kind.MULTI_CHOICE}:
        keys = value if isinstance(value, list) else [value]
        return ", ".join(str(option) for option in question.options.all() if option.key in keys)
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, datetime.date):
        return date_format(value, "DATE_FORMAT")
    if question.kind == Kind.NUMBER:
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)
