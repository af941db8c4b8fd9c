"""A questionnaire filled in by staff while they talk to the person."""

import datetime
from typing import Any

from django import forms
from django.http import QueryDict

from leads.answering import texts_in_force
from leads.forms.answers import AnswerForm, field_name
from leads.models import Contact, QuestionnaireVersion
from leads.models.consents import Consent, ConsentText, Purpose


class PhoneForm(AnswerForm):
    """The questions, and the consents that the person hasn't given yet, to be read out."""

    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(
        self,
        version: QuestionnaireVersion,
        data: QueryDict | None = None,
        *,
        contact: Contact,
        at: datetime.datetime,
        initial: dict[str, Any] | None = None,
    ) -> None:
        answers = dict(initial or {})
        key = answers.pop("submission_key", None)
        super().__init__(version, data, initial=answers)
        self.initial["submission_key"] = key
        given = set(Consent.objects.valid().filter(contact=contact).values_list("purpose", flat=True))
        wanted = [purpose for purpose in (Purpose.CONTACT, Purpose.MAILING) if purpose not in given]
        self.texts = texts_in_force(at, *wanted)
        for text in self.texts:
            self.fields[f"consent-{text.purpose}"] = forms.BooleanField(label=str(text), required=False)

    @property
    def is_touched(self) -> bool:
        """Whether anything was answered, or agreed to, that wasn't known before. Asked of a form that was sent."""
        if self.agreed_to:
            return True
        for question in self.questions:
            name = field_name(question.key)
            if any(error.code != "required" for error in self.errors.as_data().get(name, [])):
                return True
            if _blank_is_none(self.answers.get(question.key)) != self._known(name):
                return True
        return False

    @property
    def is_half_filled(self) -> bool:
        """Whether nothing is wrong with it but that required questions are still open."""
        return bool(self.errors) and all(
            name.startswith(field_name("")) and error.code == "required"
            for name, errors in self.errors.as_data().items()
            for error in errors
        )

    def _known(self, name: str) -> Any:
        """What was known before, as the field would give it; None where that no longer fits the question."""
        try:
            return _blank_is_none(self.fields[name].clean(self.initial.get(name)))
        except forms.ValidationError:
            return None

    @property
    def consents(self) -> list[tuple[ConsentText, forms.BoundField]]:
        return [(text, self[f"consent-{text.purpose}"]) for text in self.texts]

    @property
    def agreed_to(self) -> list[ConsentText]:
        return [text for text in self.texts if self.cleaned_data.get(f"consent-{text.purpose}")]


def _blank_is_none(value: Any) -> Any:
    return None if value in ("", []) else value
