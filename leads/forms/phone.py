"""A questionnaire filled in by staff while they talk to the person."""

import datetime
from typing import Any

from django import forms
from django.http import QueryDict

from leads.answering import texts_in_force
from leads.forms.answers import AnswerForm
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
    def consents(self) -> list[tuple[ConsentText, forms.BoundField]]:
        return [(text, self[f"consent-{text.purpose}"]) for text in self.texts]

    @property
    def agreed_to(self) -> list[ConsentText]:
        return [text for text in self.texts if self.cleaned_data.get(f"consent-{text.purpose}")]
