"""What was answered to a questionnaire, question by question and over all its versions, reckoned in the database.

Questions of different versions are the same question when they have the same key. Suspected spam doesn't count, nor do
leads that were removed before sales saw them: those were mistakes and duplicates.
"""

import collections
import dataclasses
import datetime
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    FloatField,
    Max,
    Min,
    OuterRef,
    Q,
    Subquery,
    When,
    Window,
)
from django.db.models.functions import Cast, Floor, RowNumber, TruncMonth
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from leads.models import Answer, Option, Question, Questionnaire, Submission
from leads.models.contacts import WAYS_TO_REACH

LATEST_TEXTS = 5
_TOO_LARGE = 10**14  # for an answer: a bar that ends there needs no end
ABOUT_BINS = 8
_MOST_BINS = 40
_MOST_QUESTIONS = 400  # of all versions together
_Kind = Question.Kind


@dataclasses.dataclass
class Bar:
    """One answer, or a span of answers, and how many gave it; `filters` narrow the list of answers to those."""

    label: str
    value: int
    filters: dict[str, str]


@dataclasses.dataclass
class Result:
    """One question with its answers. `answered` is how many submissions answered it."""

    question: Question
    is_asked_now: bool
    answered: int = 0
    bars: list[Bar] = dataclasses.field(default_factory=list)
    least: Decimal | None = None
    most: Decimal | None = None
    median: Decimal | None = None
    first: datetime.date | None = None
    last: datetime.date | None = None
    latest: list[Answer] = dataclasses.field(default_factory=list)

    def widen(
        self, least: Decimal | None, most: Decimal | None, first: datetime.date | None, last: datetime.date | None
    ) -> None:
        """Take in the span of some more answers."""
        self.least = _end(min, self.least, least)
        self.most = _end(max, self.most, most)
        self.first = _end(min, self.first, first)
        self.last = _end(max, self.last, last)


def _end(pick: Callable[..., Any], *values: Any) -> Any:
    return pick((value for value in values if value is not None), default=None)


def counted(questionnaire: Questionnaire, *, version: int | None = None, via: str = "") -> models.QuerySet[Submission]:
    """The submissions that count, of one version or one way of filling in where these are given."""
    found: models.QuerySet[Submission] = Submission.objects.counted().filter(version__questionnaire=questionnaire)
    if version is not None:
        found = found.filter(version__number=version)
    return found.filter(via=via) if via else found


def answers_to(key: str, submissions: models.QuerySet[Submission], wanted: dict[str, Any]) -> models.QuerySet[Answer]:
    """The answers to one question, narrowed as `AnswersFilter` says: the very ones that a bar counts."""
    found = Answer.objects.filter(question__key=key, submission__in=submissions.values("pk"))
    if wanted.get("option"):
        found = found.filter(option__key=wanted["option"])
    if wanted.get("yes"):
        found = found.filter(yes=wanted["yes"] == "1")
    if wanted.get("least") is not None:
        found = found.filter(number__gte=wanted["least"])
    if wanted.get("below") is not None:
        found = found.filter(number__lt=wanted["below"])
    if wanted.get("since"):
        found = found.filter(day__gte=wanted["since"])
    if wanted.get("until"):
        found = found.filter(day__lte=wanted["until"])
    return found


def wording(questionnaire: Questionnaire) -> dict[str, Question]:
    """Every question that any published version asked, in its latest words, the current ones first and in their order."""
    rows = (
        Question.objects.filter(version__questionnaire=questionnaire, version__published_at__isnull=False)
        .select_related("version")
        .order_by("-version__number", "position", "pk")[:_MOST_QUESTIONS]
    )
    latest: dict[str, Question] = {}
    for question in rows:
        latest.setdefault(question.key, question)
    return latest


def results(questionnaire: Questionnaire, submissions: models.QuerySet[Submission]) -> list[Result]:
    """The answers to each question. A fixed number of queries, however many questions and answers there are."""
    asked = wording(questionnaire)
    newest = max((question.version.number for question in asked.values()), default=0)
    found = {key: Result(question, question.version.number == newest) for key, question in asked.items()}
    questions = [question for question in _published(questionnaire) if question.key in found]
    keys = {question.pk: question.key for question in questions}
    counted = Exists(submissions.filter(pk=OuterRef("submission")))
    answers = Answer.objects.filter(counted, question__in=list(keys)).order_by()
    # All answers are read once. A submission has one row of a question, or one of each option that it chose.
    groups = answers.annotate(month=TruncMonth("day")).values_list("question", "option", "yes", "month")
    tally: _Tally = {key: collections.Counter() for key in found}
    spans = Min("number"), Max("number"), Min("day"), Max("day")
    for question, option, yes, month, number, *ends in groups.annotate(Count("pk"), *spans):
        result = found[keys[question]]
        result.answered += number
        result.widen(*ends)
        tally[keys[question]][option, yes, month] += number
    _recount_several_of_several(found, answers, questions)
    _add_choices(found, tally, questionnaire)
    _add_numbers(found, answers.filter(question__in=_of_kinds(questions, _Kind.NUMBER)))
    _add_days(found, tally)
    _add_texts(found, counted, _of_kinds(questions, _Kind.TEXT, _Kind.LONG_TEXT))
    return list(found.values())


# By question key: how many said each (option, yes or no, month).
_Tally = dict[str, collections.Counter[tuple[int | None, bool | None, datetime.date | None]]]


def _published(questionnaire: Questionnaire) -> models.QuerySet[Question]:
    """The questions of all published versions."""
    return Question.objects.filter(version__questionnaire=questionnaire, version__published_at__isnull=False)


def _of_kinds(questions: Iterable[Question], *kinds: Question.Kind) -> list[int]:
    return [question.pk for question in questions if question.kind in kinds]


def _recount_several_of_several(
    found: dict[str, Result], answers: models.QuerySet[Answer], questions: Iterable[Question]
) -> None:
    """Who chose several options answered once."""
    several = {question.pk: question.key for question in questions if question.kind == _Kind.MULTI_CHOICE}
    for key in several.values():
        found[key].answered = 0
    rows = answers.filter(question__in=list(several)).values_list("question")
    for question, number in rows.annotate(Count("submission", distinct=True)):
        found[several[question]].answered += number


def _add_choices(found: dict[str, Result], tally: _Tally, questionnaire: Questionnaire) -> None:
    options = Option.objects.filter(question__in=_published(questionnaire)).order_by(
        "-question__version__number", "position", "pk"
    )
    words: dict[tuple[str, str], Option] = {}
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    chosen: collections.Counter[int | None] = collections.Counter()
    for said in tally.values():
        for (pk, _yes, _month), number in said.items():
            chosen[pk] += number
    for option in options.select_related("question"):
        words.setdefault((option.question.key, option.key), option)
        counts[option.question.key, option.key] += chosen[option.pk]
    for (key, option_key), option in words.items():
        count = counts[key, option_key]
        is_offered = option.question_id == found[key].question.pk if key in found else False
        if key in found and (count or is_offered):  # what is no longer offered stays while somebody chose it
            found[key].bars.append(Bar(str(option), count, {"option": option_key}))
    for key, result in found.items():
        if result.question.kind == _Kind.YES_NO:
            for value in (True, False):
                label = _("Yes") if value else _("No")
                count = sum(number for (_option, yes, _month), number in tally[key].items() if yes is value)
                result.bars.append(Bar(label, count, {"yes": "1" if value else "0"}))


def _add_numbers(found: dict[str, Result], answers: models.QuerySet[Answer]) -> None:
    numbers = answers.filter(number__isnull=False)
    ranked = numbers.annotate(
        place=Window(RowNumber(), partition_by=F("question__key"), order_by=[F("number").asc(), F("pk").asc()]),
        size=Window(Count("pk"), partition_by=F("question__key")),
    ).filter(Q(place=(F("size") + 1) / 2) | Q(place=(F("size") + 2) / 2))
    middle: dict[str, list[Decimal]] = {}
    for key, number in ranked.values_list("question__key", "number"):
        assert number is not None
        middle.setdefault(key, []).append(number)
    steps: dict[str, float] = {}
    for key, values in middle.items():
        result = found[key]
        assert result.least is not None
        assert result.most is not None
        result.median = sum(values, Decimal(0)) / len(values)
        steps[key] = bin_width(float(result.least), float(result.most))
    if not steps:
        return
    number_as_float = Cast("number", FloatField())
    bins = Case(
        *(When(question__key=key, then=Floor(number_as_float / step + 1e-9)) for key, step in steps.items()),
        output_field=FloatField(),
    )
    counts: dict[str, dict[int, int]] = {}
    rows = numbers.filter(question__key__in=list(steps)).annotate(bin=Cast(bins, BigIntegerField()))
    for row in rows.values("question__key", "bin").annotate(count=Count("pk")):
        counts.setdefault(row["question__key"], {})[row["bin"]] = row["count"]
    for key, filled in counts.items():
        step = Decimal(str(steps[key]))
        span = range(min(filled), max(filled) + 1)
        for place in span if len(span) <= _MOST_BINS else sorted(filled):
            least, below = place * step, (place + 1) * step
            last = below - 1 if _is_whole(found[key]) else below
            label = _plain(least) if last == least else f"{_plain(least)} – {_plain(last)}"
            ends = {"least": least, "below": below}
            narrow = {name: _plain(end) for name, end in ends.items() if abs(end) < _TOO_LARGE}
            found[key].bars.append(Bar(label, filled.get(place, 0), narrow))


def _is_whole(result: Result) -> bool:
    """Whether least and most are whole numbers: then a bar ends with the last whole number in it."""
    return all(value is not None and value == value.to_integral_value() for value in (result.least, result.most))


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def bin_width(least: float, most: float) -> float:
    """A round width (1, 2 or 5 × 10ⁿ) that makes about eight bars of the span, and never splits whole numbers."""
    rough = (most - least) / ABOUT_BINS
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough * 0.999)
    # Finer than this, neither a float tells two bars apart nor a database's whole number holds the place of one.
    finest = 10.0 ** (math.floor(math.log10(max(abs(least), abs(most)))) - 12)
    return max(width, finest, 1.0 if least == int(least) and most == int(most) else 0.0)


def _add_days(found: dict[str, Result], tally: _Tally) -> None:
    for key, said in tally.items():
        months: collections.Counter[datetime.date] = collections.Counter()
        for (_option, _yes, month), number in said.items():
            if month is not None:
                months[month] += number
        for month, number in sorted(months.items()):
            end = (month + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
            narrow = {"since": month.isoformat(), "until": end.isoformat()}
            found[key].bars.append(Bar(date_format(month, "YEAR_MONTH_FORMAT"), number, narrow))


def _add_texts(found: dict[str, Result], counted: Exists, questions: list[int]) -> None:
    # Of each question the last few by their index: ranking all texts would read and sort every one.
    written = Answer.objects.filter(counted, question=OuterRef("pk")).exclude(text="").order_by("-pk").values("pk")
    places = [Subquery(written[place : place + 1]) for place in range(LATEST_TEXTS)]
    rows = Question.objects.filter(pk__in=questions).values_list(*places)
    newest = Answer.objects.filter(pk__in=[pk for row in rows for pk in row if pk is not None])
    for answer in newest.select_related("submission__lead__contact", "question").order_by("-pk"):
        latest = found[answer.question.key].latest
        if len(latest) < LATEST_TEXTS:
            latest.append(answer)


SHEET_COLUMNS = ["id", "submitted_at", "via", "version", "lead", "name", "company", "do_not_contact"]
_SHEET_PATHS = [
    "pk",
    "submitted_at",
    "via",
    "version__number",
    "lead",
    "lead__contact__name",
    "lead__contact__company__name",
    "lead__contact__do_not_contact",
]
_VALUES = ["text", "number", "yes", "day"]
SHEET_ROWS = 1_000  # read at once


def sheet_header(questionnaire: Questionnaire) -> list[str]:
    """The columns of `sheet`: what is known of each submission, then its answers by question key."""
    return [*SHEET_COLUMNS, *wording(questionnaire)]


def sheet(questionnaire: Questionnaire, submissions: models.QuerySet[Submission]) -> Iterator[list[Any]]:
    """The filled-in questionnaires as rows of a table; never all of them in memory at once.

    Plain values: tens of thousands of submissions have hundreds of thousands of answers, and a model of each costs more
    than all the rest.
    """
    asked = wording(questionnaire)
    ways = {key for key, question in asked.items() if question.contact_field in WAYS_TO_REACH}
    keys = dict(Question.objects.filter(version__questionnaire=questionnaire).values_list("pk", "key"))
    options = {
        option.pk: str(option) for option in Option.objects.filter(question__version__questionnaire=questionnaire)
    }
    rows = submissions.order_by("pk").values_list(*_SHEET_PATHS).iterator(chunk_size=SHEET_ROWS)
    while batch := list(itertools.islice(rows, SHEET_ROWS)):
        said: dict[int, dict[str, list[str]]] = {}
        answers = Answer.objects.filter(submission__in=[row[0] for row in batch]).order_by("pk")
        for submission, question, option, *values in answers.values_list("submission", "question", "option", *_VALUES):
            text = options[option] if option is not None else _in_words(*values, for_machines=True)
            said.setdefault(submission, {}).setdefault(keys[question], []).append(text)
        for pk, submitted_at, *others, company, do_not_contact in batch:
            hidden, told = ways if do_not_contact else (), said.get(pk, {})
            yield [
                pk,
                timezone.localtime(submitted_at),
                *others,
                company or "",
                do_not_contact,
                *("" if key in hidden else "; ".join(told.get(key, ())) for key in asked),
            ]


def in_words(answer: Answer) -> str:
    """What was answered, as a person reads it."""
    if answer.option is not None:
        return str(answer.option)
    return _in_words(answer.text, answer.number, answer.yes, answer.day)


def _in_words(
    text: str, number: Decimal | None, yes: bool | None, day: datetime.date | None, *, for_machines: bool = False
) -> str:
    if number is not None:
        return _plain(number)
    if yes is not None:
        return _("yes") if yes else _("no")
    if day is not None:
        return day.isoformat() if for_machines else date_format(day, "SHORT_DATE_FORMAT")
    return text
