"""The public questionnaire: its questions, how to reach the person, what they agree to, and a trap for machines."""

import dataclasses
import datetime
import json
import uuid
from typing import Any

from django import forms
from django.core import signing
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from leads.forms.answers import AnswerForm
from leads.models import ConsentText, Questionnaire, QuestionnaireVersion
from leads.models.consents import Purpose
from leads.normalise import validate_text
from leads.registration import Person

OPEN_PAGE = datetime.timedelta(days=2)  # how long a page may stay open before it has to be sent twice
_BUILT_IN = ("name", "email", "phone")


@dataclasses.dataclass(frozen=True)
class Opened:
    """What the page that was sent had shown, as its signed token says."""

    key: uuid.UUID
    version: QuestionnaireVersion
    texts: list[ConsentText]
    at: float

    @classmethod
    def now(cls, version: QuestionnaireVersion, texts: list[ConsentText], at: datetime.datetime) -> "Opened":
        return cls(uuid.uuid4(), version, texts, at.timestamp())

    @classmethod
    def read(cls, token: str, questionnaire: Questionnaire) -> "Opened | None":
        """None for a token that is missing, too old, another questionnaire's or not ours."""
        try:
            key, version_pk, text_pks, at = signing.loads(token, salt=_salt(questionnaire), max_age=OPEN_PAGE)
        except (signing.BadSignature, UnicodeError):
            return None
        version = questionnaire.versions.filter(pk=version_pk, published_at__isnull=False).first()
        return version and cls(uuid.UUID(key), version, list(ConsentText.objects.filter(pk__in=text_pks)), at)

    @property
    def token(self) -> str:
        pks = [text.pk for text in self.texts]
        return signing.dumps([self.key.hex, self.version.pk, pks, self.at], salt=_salt(self.version.questionnaire))


def _salt(questionnaire: Questionnaire) -> str:
    return f"questionnaire {questionnaire.public_key}"


class PublicForm(AnswerForm):
    """`opened` tells which version and which consent texts were shown; they are the ones that are answered and kept."""

    website = forms.CharField(
        label=_("Leave this empty"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "tabindex": "-1"}),
    )

    def __init__(self, opened: Opened, data: Any = None, **options: Any) -> None:
        super().__init__(opened.version, data, about_oneself=True, **options)
        self.opened = opened
        asked = {question.contact_field for question in self.questions}
        for name in _BUILT_IN:
            if name not in asked:
                self.fields[name] = _built_in(name)
        for text in opened.texts:
            self.fields[f"consent-{text.purpose}"] = forms.BooleanField(label=str(text), required=False)

    @property
    def about(self) -> list[forms.BoundField]:
        """The fields that tell who it is, where no question asks for them."""
        return [self[name] for name in _BUILT_IN if name in self.fields]

    @property
    def consents(self) -> list[tuple[ConsentText, forms.BoundField]]:
        return [(text, self[f"consent-{text.purpose}"]) for text in self.opened.texts]

    def clean(self) -> dict:
        cleaned = super().clean()
        person = self.person
        if not (person.email or person.phone) and not {"email", "phone"} & self.errors.keys():
            where = "email" if "email" in self.fields else "phone" if "phone" in self.fields else None
            self.add_error(where, forms.ValidationError(_("Leave an e-mail address or a phone number."), code="nobody"))
        contact = f"consent-{Purpose.CONTACT}"
        if contact in self.fields and not cleaned.get(contact):
            self.add_error(
                contact, _("Please tick this: without your consent we may neither keep your answers nor contact you.")
            )
        return cleaned

    @property
    def person(self) -> Person:
        typed = {name: self.cleaned_data.get(name) or "" for name in _BUILT_IN if name in self.fields}
        return dataclasses.replace(super().person, **typed)

    @property
    def agreed_to(self) -> list[ConsentText]:
        return [text for text in self.opened.texts if self.cleaned_data.get(f"consent-{text.purpose}")]

    @property
    def submission_key(self) -> uuid.UUID:
        """The same for the same page sent twice; another when somebody goes back and answers otherwise."""
        said = {name: str(value) for name, value in self.cleaned_data.items()}
        return uuid.uuid5(self.opened.key, json.dumps(said, sort_keys=True))

    @property
    def seconds(self) -> float:
        return timezone.now().timestamp() - self.opened.at


def _built_in(name: str) -> forms.Field:
    if name == "email":
        return forms.EmailField(
            label=_("E-mail"),
            required=False,
            max_length=254,
            validators=[validate_text],
            widget=forms.EmailInput(attrs={"autocomplete": "email", "autocapitalize": "none", "spellcheck": "false"}),
        )
    if name == "phone":
        return forms.CharField(
            label=_("Phone"),
            required=False,
            max_length=50,
            validators=[validate_text],
            widget=forms.TextInput(attrs={"type": "tel", "inputmode": "tel", "autocomplete": "tel"}),
        )
    return forms.CharField(
        label=pgettext_lazy("person", "Name"),
        required=False,
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autocomplete": "name", "autocapitalize": "words"}),
    )
