"""The rules of criteria as people meet them: which fields a rule may ask about, and the rule as a sentence."""

import dataclasses
import datetime
from collections.abc import Iterable

from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from leads.comparisons import Comparison, Kind
from leads.known import ANSWER, FIELDS
from leads.models import Criterion, Question

CRITERION = "criterion:"  # and its key: a criterion itself, where one points at what was said of a lead
MOST_CONDITIONS = 10  # of one rule
MOST_QUESTIONS = 1_000  # offered in the builder, the newest first

QUESTION_KINDS = {
    Question.Kind.TEXT: Kind.TEXT,
    Question.Kind.LONG_TEXT: Kind.TEXT,
    Question.Kind.CHOICE: Kind.CHOICE,
    Question.Kind.MULTI_CHOICE: Kind.CHOICE,
    Question.Kind.NUMBER: Kind.NUMBER,
    Question.Kind.YES_NO: Kind.YES_NO,
    Question.Kind.DATE: Kind.DATE,
}


@dataclasses.dataclass
class Asked:
    """A field that a rule may ask about. `options` are the answers of a choice, by key."""

    name: str
    label: str | Promise
    kind: Kind
    options: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_answer(self) -> bool:
        return self.name.startswith(ANSWER)


def fields(names: Iterable[str] | None = None) -> dict[str, Asked]:
    """What is known of a lead, and the questions of published questionnaires; with `names`, only those questions.

    A question that several versions ask counts once: with the newest words, and with the options of all.
    """
    found = {field.name: Asked(field.name, field.label, field.kind) for field in FIELDS.values()}
    questions = Question.objects.filter(version__published_at__isnull=False)
    if names is not None:
        keys = {name.removeprefix(ANSWER) for name in names if name.startswith(ANSWER)}
        if not keys:
            return found
        questions = questions.filter(key__in=keys)
    for question in questions.order_by("-version__published_at", "position").prefetch_related("options")[
        :MOST_QUESTIONS
    ]:
        name, kind = f"{ANSWER}{question.key}", QUESTION_KINDS[Question.Kind(question.kind)]
        asked = found.setdefault(name, Asked(name, str(question), kind))
        for option in question.options.all():
            asked.options.setdefault(option.key, str(option))
    return found


def fields_of(criteria: Iterable[Criterion]) -> dict[str, Asked]:
    """The fields that the rules of these criteria ask about, for `sentence`: at most two queries."""
    rules = [criterion.rule for criterion in criteria if criterion.rule]
    return fields(condition["field"] for rule in rules for condition in rule["conditions"])


def labels(names: Iterable[str]) -> dict[str, str]:
    """The words for fields and for criteria, in at most three queries for all; a name that isn't known stands for itself."""
    names = set(names)
    keys = {name.removeprefix(CRITERION) for name in names if name.startswith(CRITERION)}
    versions = Criterion.objects.filter(key__in=keys).order_by("criteria_set__version", "pk") if keys else []
    texts = {CRITERION + criterion.key: str(criterion) for criterion in versions}
    asked = fields(names)
    return {name: texts.get(name) or str(asked[name].label if name in asked else name) for name in names}


def sentence(rule: dict, known: dict[str, Asked]) -> str:
    """The rule in words: “Employees is at least 50 and Country is one of “DE”, “AT””; nothing where there is no rule."""
    words = ""
    joined = _("%(before)s or %(after)s") if rule.get("match") == "any" else _("%(before)s and %(after)s")
    for condition in rule.get("conditions", []):
        said = _in_words(condition, known)
        words = joined % {"before": words, "after": said} if words else said
    return words


def _in_words(condition: dict, known: dict[str, Asked]) -> str:
    asked = known.get(condition["field"])
    comparison = Comparison(condition["comparison"])
    label = str(asked.label) if asked else condition["field"].removeprefix(ANSWER)
    words = {"field": label, "comparison": comparison.label}
    if not comparison.needs_value:
        return _("%(field)s %(comparison)s") % words
    words["value"] = _value(condition.get("value"), asked)
    if comparison is Comparison.IS:
        return _("%(field)s is %(value)s") % words
    return _("%(field)s %(comparison)s %(value)s") % words


def _value(value: object, asked: Asked | None) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item, asked) for item in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, (int, float)):
        return number_format(value, use_l10n=True, force_grouping=True)
    text = str(value)
    if asked and asked.kind in {Kind.NUMBER, Kind.YES_NO}:  # as typed, in a form that isn't saved yet
        return {"yes": _("yes"), "no": _("no")}.get(text, text)
    if asked and asked.kind is Kind.DATE and (day := _day(text)):
        return date_format(day, "DATE_FORMAT")
    return _("“%(text)s”") % {"text": asked.options.get(text, text) if asked else text}


def _day(text: str) -> datetime.date | None:
    """The day that an ISO date says; None for words from when the question asked for something else."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None
