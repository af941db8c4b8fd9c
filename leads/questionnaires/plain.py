"""What a question says, as plain data: its limits, the fields it may fill in, copying and comparing it."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from leads.comparisons import Kind as Compared
from leads.models import (
    Option,
    Question,
    QuestionnaireVersion,
)

MOST_QUESTIONS = 60
MOST_OPTIONS = 40

# Where a question may write its answer: fields of the contact, of its company, and of the lead.
CONTACT_FIELDS: dict[str, str | Promise] = {
    "name": pgettext_lazy("person", "Name"),
    "email": _("E-mail"),
    "phone": _("Phone"),
    "company": _("Company"),
    "job_title": _("Position"),
    "profile_url": _("Profile link"),
    "company.industry": _("Industry"),
    "company.city": _("City"),
    "company.country": _("Country"),
    "company.employees": _("Employees"),
    "preferred_meeting_time": _("Preferred time"),
    "agreed": _("Agreed next step"),
    "note": _("Note"),
}

_Kind = Question.Kind
CHOICES = (_Kind.CHOICE, _Kind.MULTI_CHOICE)
# What kinds of answer each of those fields can hold; of a choice it is the option's text.
_WORDS = (_Kind.TEXT, _Kind.LONG_TEXT, *CHOICES)
FIELD_KINDS: dict[str, tuple[Question.Kind, ...]] = {
    "name": (_Kind.TEXT,),
    "email": (_Kind.TEXT,),
    "phone": (_Kind.TEXT,),
    "company": (_Kind.TEXT,),
    "job_title": (_Kind.TEXT, _Kind.CHOICE),
    "profile_url": (_Kind.TEXT,),
    "company.industry": (_Kind.TEXT, _Kind.CHOICE),
    "company.city": (_Kind.TEXT, _Kind.CHOICE),
    "company.country": (_Kind.TEXT, _Kind.CHOICE),
    "company.employees": (_Kind.NUMBER,),
    "preferred_meeting_time": (*_WORDS, _Kind.DATE),
    "agreed": _WORDS,
    "note": _WORDS,
}
# As which fields of `leads.known` a criterion's rule sees them.
KNOWN_AS = {
    "name": "contact.name",
    "email": "contact.email",
    "phone": "contact.phone",
    "company": "company.name",
    "job_title": "contact.job_title",
    "agreed": "lead.agreed",
}
ALWAYS_KNOWN = {"lead.campaign", "lead.channel"}

COMPARED_AS = {
    _Kind.TEXT: Compared.TEXT,
    _Kind.LONG_TEXT: Compared.TEXT,
    _Kind.CHOICE: Compared.CHOICE,
    _Kind.MULTI_CHOICE: Compared.CHOICE,
    _Kind.NUMBER: Compared.NUMBER,
    _Kind.YES_NO: Compared.YES_NO,
    _Kind.DATE: Compared.DATE,
}


class Outdated(Exception):
    """Somebody else changed the questionnaire meanwhile; the text says what that means for the person."""


class Refused(Exception):
    """What was asked for makes no sense as things stand; the text says why."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something wrong with a draft. A broken one can't be published; a warning can, once a person has seen it."""

    text: str
    is_broken: bool
    key: str = ""  # of the question, where it is about one


class CannotPublish(Exception):
    """The draft has problems that block it, or warnings that nobody has acknowledged."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(problem.text for problem in problems))
        self.problems = problems


PLAIN = (
    "kind",
    "text_en",
    "text_ru",
    "help_en",
    "help_ru",
    "is_required",
    "condition",
    "decides",
    "criterion_key",
    "criterion_rule",
    "contact_field",
)
_TEXTS = ("intro_en", "intro_ru", "thanks_en", "thanks_ru", "script")


def content(question: Question) -> dict[str, Any]:
    """Everything that a question says, with its options, JSON-ready."""
    options = [
        {"key": o.key, "text_en": o.text_en, "text_ru": o.text_ru, "product": o.product_id}
        for o in question.options.all()
    ]
    return {"key": question.key, **{name: getattr(question, name) for name in PLAIN}, "options": options}


def fingerprint(said: dict[str, Any]) -> str:
    """Changes whenever anything of `said` does: what an open form compares with the question as it stands."""
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


def texts(version: QuestionnaireVersion) -> dict[str, str]:
    """The version's own texts: introduction, thanks and call script."""
    return {name: getattr(version, name) for name in _TEXTS}


def questions(version: QuestionnaireVersion) -> list[Question]:
    """In their order, with their options."""
    return list(version.questions.prefetch_related("options__product"))


def write_questions(version: QuestionnaireVersion, rows: Sequence[dict[str, Any]], *, first: int = 0) -> list[Question]:
    """Add questions to a version that nobody has answered, numbered from `first` on. `rows` are as `content` gives them."""
    made = Question.objects.bulk_create(
        Question(version=version, key=row["key"], position=first + number, **{name: row[name] for name in PLAIN})
        for number, row in enumerate(rows)
    )
    write_options(made, rows)
    return made


def write_options(made: Iterable[Question], rows: Iterable[dict[str, Any]]) -> None:
    Option.objects.bulk_create(
        Option(
            question=question,
            key=option["key"],
            text_en=option["text_en"],
            text_ru=option["text_ru"],
            product_id=option["product"],
            position=position,
        )
        for question, row in zip(made, rows, strict=True)
        for position, option in enumerate(row["options"])
    )
