"""What was answered to a questionnaire, question by question and over all its versions, reckoned in the database.

Questions of different versions are the same question when they have the same key. Suspected spam doesn't count, nor do
leads that were removed before sales saw them: those were mistakes and duplicates.
"""

import dataclasses
import datetime
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import BigIntegerField, Case, Count, F, FloatField, Max, Min, Prefetch, Q, When, Window
from django.db.models.functions import Cast, Floor, RowNumber, TruncMonth
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from leads.models import Answer, Option, Question, Questionnaire, Submission

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
    answers = Answer.objects.filter(submission__in=submissions.values("pk"), question__key__in=list(asked)).order_by()
    totals = answers.values("question__key").annotate(
        answered=Count("submission", distinct=True),
        least=Min("number"),
        most=Max("number"),
        first=Min("day"),
        last=Max("day"),
    )
    found = {key: Result(question, question.version.number == newest) for key, question in asked.items()}
    for row in totals:
        result = found[row["question__key"]]
        result.answered, result.least, result.most = row["answered"], row["least"], row["most"]
        result.first, result.last = row["first"], row["last"]
    _add_choices(found, answers, questionnaire)
    _add_numbers(found, answers)
    _add_days(found, answers)
    _add_texts(found, answers)
    return list(found.values())


def _add_choices(found: dict[str, Result], answers: models.QuerySet[Answer], questionnaire: Questionnaire) -> None:
    options = Option.objects.filter(
        question__version__questionnaire=questionnaire, question__version__published_at__isnull=False
    ).order_by("-question__version__number", "position", "pk")
    words: dict[tuple[str, str], Option] = {}
    for option in options.select_related("question"):
        words.setdefault((option.question.key, option.key), option)
    counts: dict[tuple[str, str], int] = {}
    yes: dict[tuple[str, bool], int] = {}
    rows = answers.filter(Q(option__isnull=False) | Q(yes__isnull=False))
    for row in rows.values("question__key", "option__key", "yes").annotate(number=Count("submission", distinct=True)):
        if row["option__key"] is not None:
            counts[row["question__key"], row["option__key"]] = row["number"]
        else:
            yes[row["question__key"], row["yes"]] = row["number"]
    for (key, option_key), option in words.items():
        count = counts.get((key, option_key), 0)
        is_offered = option.question_id == found[key].question.pk if key in found else False
        if key in found and (count or is_offered):  # what is no longer offered stays while somebody chose it
            found[key].bars.append(Bar(str(option), count, {"option": option_key}))
    for key, result in found.items():
        if result.question.kind == _Kind.YES_NO:
            for value in (True, False):
                label = _("Yes") if value else _("No")
                result.bars.append(Bar(label, yes.get((key, value), 0), {"yes": "1" if value else "0"}))


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
    for row in rows.values("question__key", "bin").annotate(count=Count("submission", distinct=True)):
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


def _add_days(found: dict[str, Result], answers: models.QuerySet[Answer]) -> None:
    rows = answers.filter(day__isnull=False).annotate(month=TruncMonth("day"))
    for row in (
        rows.values("question__key", "month").annotate(count=Count("submission", distinct=True)).order_by("month")
    ):
        month = row["month"]
        end = (month + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
        narrow = {"since": month.isoformat(), "until": end.isoformat()}
        found[row["question__key"]].bars.append(Bar(date_format(month, "YEAR_MONTH_FORMAT"), row["count"], narrow))


def _add_texts(found: dict[str, Result], answers: models.QuerySet[Answer]) -> None:
    ranked = answers.exclude(text="").annotate(
        place=Window(RowNumber(), partition_by=F("question__key"), order_by=F("pk").desc())
    )
    newest = ranked.filter(place__lte=LATEST_TEXTS).select_related("submission__lead__contact", "question")
    for answer in sorted(newest, key=lambda answer: -answer.pk):
        found[answer.question.key].latest.append(answer)


SHEET_COLUMNS = ["id", "submitted_at", "via", "version", "lead", "name", "company", "do_not_contact"]
# Left blank for who doesn't want to be contacted: the file may end in a mailing tool or a call list.
_WAYS_TO_REACH = {"email", "phone", "profile_url"}


def sheet_header(questionnaire: Questionnaire) -> list[str]:
    """The columns of `sheet`: what is known of each submission, then its answers by question key."""
    return [*SHEET_COLUMNS, *wording(questionnaire)]


def sheet(questionnaire: Questionnaire, submissions: models.QuerySet[Submission]) -> Iterator[list[Any]]:
    """The filled-in questionnaires as rows of a table; never all of them in memory at once."""
    asked = wording(questionnaire)
    ways = {key for key, question in asked.items() if question.contact_field in _WAYS_TO_REACH}
    rows = (
        submissions.select_related("version", "lead__contact__company")
        .prefetch_related(
            Prefetch("answers", queryset=Answer.objects.select_related("question", "option").order_by("pk"))
        )
        .order_by("pk")
    )
    for submission in rows.iterator(chunk_size=500):
        said: dict[str, list[str]] = {}
        for answer in submission.answers.all():
            value = answer.day.isoformat() if answer.day else in_words(answer)
            said.setdefault(answer.question.key, []).append(value)
        assert submission.lead is not None, "only genuine submissions are counted, and those have a lead"
        contact = submission.lead.contact
        hidden = ways if contact.do_not_contact else set()
        yield [
            submission.pk,
            timezone.localtime(submission.submitted_at),
            submission.via,
            submission.version.number,
            submission.lead_id,
            contact.name,
            str(contact.company or ""),
            contact.do_not_contact,
            *("" if key in hidden else "; ".join(said.get(key, [])) for key in asked),
        ]


def in_words(answer: Answer) -> str:
    """What was answered, as a person reads it."""
    if answer.option is not None:
        return str(answer.option)
    value = answer.value
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime.date):
        return date_format(value, "SHORT_DATE_FORMAT")
    return _plain(value) if isinstance(value, Decimal) else str(value)
