"""Building questionnaires: drafts, their questions, what stands in the way of publishing them, and publishing.

A published version is never changed again, since answers refer to it: every edit goes to the draft, which is made from
the published version by the first edit. Questions are named by their keys, which stay the same over all versions.
"""

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import User
from leads import known
from leads.comparisons import OFFERED, Comparison
from leads.comparisons import Kind as Compared
from leads.drafts import new_key
from leads.models import (
    Campaign,
    CriteriaSet,
    Criterion,
    Option,
    Product,
    Question,
    Questionnaire,
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
_KNOWN_AS = {
    "name": "contact.name",
    "email": "contact.email",
    "phone": "contact.phone",
    "company": "company.name",
    "job_title": "contact.job_title",
    "agreed": "lead.agreed",
}
_ALWAYS_KNOWN = {"lead.campaign", "lead.channel"}

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


# --- What a question says, as plain data: to copy it, to compare it, to bring it back --------------------------------

_PLAIN = (
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
    return {"key": question.key, **{name: getattr(question, name) for name in _PLAIN}, "options": options}


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
        Question(version=version, key=row["key"], position=first + number, **{name: row[name] for name in _PLAIN})
        for number, row in enumerate(rows)
    )
    _write_options(made, rows)
    return made


def _write_options(made: Iterable[Question], rows: Iterable[dict[str, Any]]) -> None:
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


# --- Questionnaires and their drafts ---------------------------------------------------------------------------------


def _locked(questionnaire: Questionnaire, by: User | None) -> Questionnaire:
    """The row, locked: everyone who changes a questionnaire waits here for the others."""
    if not access.may(by, access.BUILD_QUESTIONNAIRES):
        raise access.NotAllowed(gettext("Only marketers and the director build questionnaires."))
    found = Questionnaire.objects.select_for_update().filter(pk=questionnaire.pk).first()
    if found is None:
        raise Outdated(gettext("Somebody has thrown this questionnaire away."))
    return found


def current(questionnaire: Questionnaire) -> QuestionnaireVersion:
    """The version that an edit begins from: the draft, else the published one. Raises Outdated when it was thrown away."""
    version = questionnaire.versions.order_by("-number").first()
    if version is None:  # it is made with its first draft, and goes with it
        raise Outdated(gettext("Somebody has thrown this questionnaire away."))
    return version


def _draft(questionnaire: Questionnaire, at: datetime.datetime) -> QuestionnaireVersion:
    """The draft, to be written to; copied from the published version where there is none."""
    version = current(questionnaire)
    if version.published_at is not None:
        before = version
        version = QuestionnaireVersion.objects.create(
            questionnaire=questionnaire, number=before.number + 1, **texts(before)
        )
        write_questions(version, [content(question) for question in questions(before)])
    _touch(version, at)
    return version


def _touch(version: QuestionnaireVersion, at: datetime.datetime) -> None:
    if version.published_at is not None:
        raise Refused(gettext("A published version is never changed: its answers refer to it."))
    QuestionnaireVersion.objects.filter(pk=version.pk).update(updated_at=at)
    Questionnaire.objects.filter(pk=version.questionnaire_id).update(updated_at=at)
    version.updated_at = at


def revision(version: QuestionnaireVersion) -> str:
    """Names the state of a draft as a whole, for those who publish or discard just what they saw."""
    return f"{version.number} {version.updated_at.isoformat()}"


@transaction.atomic
def create(
    *,
    kind: str,
    name: str,
    by: User | None,
    at: datetime.datetime,
    campaign: Campaign | None = None,
    product: Product | None = None,
    copy_of: Questionnaire | None = None,
) -> Questionnaire:
    """Begin a questionnaire: empty, or with the questions of `copy_of`, whose keys stay, so that answers compare.

    Raises NotAllowed for the wrong role.
    """
    if not access.may(by, access.BUILD_QUESTIONNAIRES):
        raise access.NotAllowed(gettext("Only marketers and the director build questionnaires."))
    made = Questionnaire.objects.create(kind=kind, name=name, campaign=campaign, product=product, created_by=by)
    source = current(copy_of) if copy_of else None
    draft = QuestionnaireVersion.objects.create(questionnaire=made, number=1, **(texts(source) if source else {}))
    if source:
        write_questions(draft, [content(question) for question in questions(source)])
    _touch(draft, at)
    return made


@transaction.atomic
def rename(questionnaire: Questionnaire, name: str, *, by: User | None) -> None:
    """The name is for the staff and belongs to no version."""
    questionnaire = _locked(questionnaire, by)
    if questionnaire.name != name:
        questionnaire.name = name
        questionnaire.save(update_fields=["name", "updated_at"])


@transaction.atomic
def write_texts(
    questionnaire: Questionnaire, said: dict[str, str], *, by: User | None, at: datetime.datetime, seen: str = ""
) -> None:
    """Write introduction, thanks and script to the draft. `seen` is the fingerprint of the texts that were edited.

    Raises NotAllowed and Outdated. What says the same changes nothing, and makes no draft.
    """
    questionnaire = _locked(questionnaire, by)
    now = texts(current(questionnaire))
    if fingerprint(now) == fingerprint(said):
        return
    if seen and seen != fingerprint(now):
        raise Outdated(gettext("Somebody changed these texts while you were editing them."))
    draft = _draft(questionnaire, at)
    QuestionnaireVersion.objects.filter(pk=draft.pk).update(**said)


@transaction.atomic
def discard(questionnaire: Questionnaire, *, by: User | None, seen: str = "") -> bool:
    """Throw the draft away; a questionnaire that was never published goes with it. True when it has gone.

    Raises NotAllowed, Outdated when the draft isn't the one `seen`, and Refused when there is none.
    """
    questionnaire = _locked(questionnaire, by)
    draft = questionnaire.draft
    if draft is None:
        raise Refused(gettext("There is no draft any more."))
    if seen and seen != revision(draft):
        raise Outdated(gettext("The draft was changed after you opened this page. Please look at it once more."))
    if draft.number == 1:
        questionnaire.delete()
        return True
    draft.delete()
    return False


@transaction.atomic
def publish(
    questionnaire: Questionnaire,
    *,
    by: User | None,
    at: datetime.datetime,
    seen: str = "",
    is_acknowledged: bool = False,
) -> QuestionnaireVersion:
    """Freeze the draft: from now on it is what is asked.

    Raises NotAllowed, Outdated when the draft isn't the one `seen`, Refused when there is none, and CannotPublish when
    something is broken, or when there are warnings and `is_acknowledged` isn't given.
    """
    questionnaire = _locked(questionnaire, by)
    draft = questionnaire.draft
    if draft is None:
        raise Refused(gettext("Everything is published already."))
    if seen and seen != revision(draft):
        raise Outdated(gettext("The draft was changed after you opened this page. Please look at it once more."))
    found = problems(draft, at=at)
    if any(problem.is_broken for problem in found) or (found and not is_acknowledged):
        raise CannotPublish(found)
    draft.published_at, draft.published_by = at, by
    draft.save(update_fields=["published_at", "published_by", "updated_at"])
    Questionnaire.objects.filter(pk=questionnaire.pk).update(updated_at=at)
    return draft


@transaction.atomic
def set_open(questionnaire: Questionnaire, is_open: bool, *, by: User | None) -> bool:
    """Let the public fill it in, or no longer. False when it stood so already. Raises NotAllowed and Refused."""
    questionnaire = _locked(questionnaire, by)
    if questionnaire.is_open == is_open:
        return False
    if is_open and questionnaire.kind != Questionnaire.Kind.VISITOR:
        raise Refused(gettext("A brief is filled in by colleagues; it has no public page."))
    if is_open and questionnaire.published is None:
        raise Refused(gettext("Publish the questionnaire first: nothing can be asked yet."))
    questionnaire.is_open = is_open
    questionnaire.save(update_fields=["is_open", "updated_at"])
    return True


# --- Questions of the draft ------------------------------------------------------------------------------------------


def _find(version: QuestionnaireVersion, key: str) -> Question:
    question = version.questions.prefetch_related("options").filter(key=key).first()
    if question is None:
        raise Outdated(gettext("Somebody has removed this question meanwhile."))
    return question


@transaction.atomic
def save_question(
    questionnaire: Questionnaire,
    key: str,
    said: dict[str, Any],
    *,
    by: User | None,
    at: datetime.datetime,
    seen: str = "",
) -> Question:
    """Write a question to the draft; without a `key` it is a new one, at the end.

    `said` is as `content` gives it; options without a key are new; `meets` of an option says that it meets the
    criterion. `seen` is the fingerprint of the question that was edited. Raises NotAllowed, Outdated, and Refused
    when there are too many. What says the same changes nothing, and makes no draft.
    """
    questionnaire = _locked(questionnaire, by)
    version = current(questionnaire)
    before = content(_find(version, key)) if key else None
    said = {**said, "key": key or _new_question_key(said), "options": [dict(option) for option in said["options"]]}
    _name_options(said, before)
    if before and fingerprint(said) == fingerprint(before):
        return _find(version, key)
    if before and seen and seen != fingerprint(before):
        raise Outdated(gettext("Somebody changed this question while you were editing it."))
    draft = _draft(questionnaire, at)
    if before is None:
        return _append(draft, said)
    question = _find(draft, key)
    for name in _PLAIN:
        setattr(question, name, said[name])
    question.save()
    question.options.all().delete()
    _write_options([question], [said])
    return question


def _append(draft: QuestionnaireVersion, said: dict[str, Any], *, after: str = "") -> Question:
    """Add a question to the draft, behind the question `after` or at the end."""
    keys = list(draft.questions.values_list("key", flat=True))
    if len(keys) >= MOST_QUESTIONS:
        raise Refused(gettext("A questionnaire has at most %(most)s questions.") % {"most": MOST_QUESTIONS})
    (question,) = write_questions(draft, [said], first=len(keys))
    if after in keys:
        keys.insert(keys.index(after) + 1, said["key"])
        _number(draft, keys)
    return question


def _new_question_key(said: dict[str, Any]) -> str:
    used = set(Question.objects.order_by().values_list("key", flat=True).distinct())
    return new_key(said["text_en"] or said["text_ru"], used, otherwise="question")


def _name_options(said: dict[str, Any], before: dict[str, Any] | None) -> None:
    """Give keys to new options, never one that this question had before in any version; write the rule they make."""
    known_keys = {option["key"] for option in before["options"]} if before else set()
    used = set(Option.objects.filter(question__key=said["key"]).values_list("key", flat=True)) if before else set()
    meets = []
    for option in said["options"]:
        if option.get("key") not in known_keys:
            option["key"] = new_key(option["text_en"] or option["text_ru"], used, otherwise="option")
        known_keys.discard(option["key"])
        used.add(option["key"])
        if option.pop("meets", False):
            meets.append(option["key"])
    if said["decides"] == Question.Decides.CRITERION and said["kind"] in CHOICES:
        said["criterion_rule"] = {"comparison": Comparison.ANY_OF.value, "value": meets}


@transaction.atomic
def duplicate_question(questionnaire: Questionnaire, key: str, *, by: User | None, at: datetime.datetime) -> Question:
    """The same question once more, right behind, under a key of its own. Raises NotAllowed, Outdated and Refused."""
    questionnaire = _locked(questionnaire, by)
    _find(current(questionnaire), key)
    draft = _draft(questionnaire, at)
    said = content(_find(draft, key))
    said["key"] = _new_question_key(said)
    return _append(draft, said, after=key)


@transaction.atomic
def remove_question(questionnaire: Questionnaire, key: str, *, by: User | None, at: datetime.datetime) -> dict:
    """Take a question out of the draft; what comes back is what `restore_question` wants. Raises as the others do."""
    questionnaire = _locked(questionnaire, by)
    _find(current(questionnaire), key)
    draft = _draft(questionnaire, at)
    question = _find(draft, key)
    said = content(question)
    keys = list(draft.questions.values_list("key", flat=True))
    place = keys.index(key)
    question.delete()
    return {**said, "after": keys[place - 1] if place else "", "questionnaire": questionnaire.pk}


@transaction.atomic
def restore_question(questionnaire: Questionnaire, removed: dict, *, by: User | None, at: datetime.datetime) -> None:
    """Bring a removed question back to where it stood. Twice changes nothing."""
    questionnaire = _locked(questionnaire, by)
    if current(questionnaire).questions.filter(key=removed["key"]).exists():
        return
    draft = _draft(questionnaire, at)
    _append(draft, removed, after=removed["after"])
    if not removed["after"]:
        _number(draft, [removed["key"], *draft.questions.exclude(key=removed["key"]).values_list("key", flat=True)])


@transaction.atomic
def order_questions(questionnaire: Questionnaire, keys: list[str], *, by: User | None, at: datetime.datetime) -> None:
    """Put the draft's questions in the order of `keys`. Raises Outdated unless these are its questions, each once."""
    questionnaire = _locked(questionnaire, by)
    now = list(current(questionnaire).questions.values_list("key", flat=True))
    if sorted(now) != sorted(keys):
        raise Outdated(
            gettext("The questions have changed meanwhile, so the order wasn't saved. Please order them again.")
        )
    if now != keys:
        _number(_draft(questionnaire, at), keys)


def move_question(questionnaire: Questionnaire, key: str, step: int, *, by: User | None, at: datetime.datetime) -> None:
    """Move a question `step` places down (up when negative). Raises as `order_questions`."""
    keys = list(current(questionnaire).questions.values_list("key", flat=True))
    if key not in keys:
        raise Outdated(gettext("Somebody has removed this question meanwhile."))
    place = keys.index(key)
    keys.insert(max(0, place + step), keys.pop(place))
    order_questions(questionnaire, keys, by=by, at=at)


def _number(draft: QuestionnaireVersion, keys: list[str]) -> None:
    rows = list(draft.questions.all())
    for question in rows:
        question.position = keys.index(question.key)
    Question.objects.bulk_update(rows, ["position"])


# --- Rules -----------------------------------------------------------------------------------------------------------


def offered(kind: str) -> tuple[Comparison, ...]:
    """The comparisons that make sense for a question's answer."""
    return OFFERED[COMPARED_AS[Question.Kind(kind)]]


def rule_error(rule: dict, question: Question) -> str:
    """What is wrong with comparing the answer to `question` so; "" when nothing is."""
    comparison, value = rule.get("comparison"), rule.get("value")
    if comparison not in offered(question.kind):
        return gettext("the comparison doesn't suit the kind of answer")
    if not Comparison(comparison).needs_value:
        return ""
    compared = COMPARED_AS[Question.Kind(question.kind)]
    if compared is Compared.CHOICE:
        wanted = value if isinstance(value, list) else [value]
        there = {option.key for option in question.options.all()}
        if not wanted:
            return gettext("no option is chosen")
        return "" if all(key in there for key in wanted) else gettext("an option that it names was removed")
    if compared is Compared.YES_NO:
        return "" if isinstance(value, bool) else gettext("neither yes nor no is chosen")
    if compared is Compared.NUMBER:
        try:
            return "" if Decimal(str(value)).is_finite() else gettext("it names no number")
        except InvalidOperation:
            return gettext("it names no number")
    if compared is Compared.DATE:
        try:
            datetime.date.fromisoformat(str(value))
        except ValueError:
            return gettext("it names no day")
        return ""
    return "" if value else gettext("nothing to compare with is given")


_IS = _("is %(value)s")


def in_words(rule: dict, question: Question) -> str:
    """A rule as people say it: “is one of: Yes, Perhaps”."""
    try:
        comparison = Comparison(rule.get("comparison", ""))
    except ValueError:
        return "?"
    if not comparison.needs_value:
        return str(comparison.label)
    value = rule.get("value")
    labels = {option.key: str(option) for option in question.options.all()}
    shown = [_value_in_words(item, labels) for item in (value if isinstance(value, list) else [value])]
    said = ", ".join(shown)
    return _IS % {"value": said} if comparison is Comparison.IS else f"{comparison.label} {said}"


def _value_in_words(value: object, labels: dict[str, str]) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, str) and value in labels:
        return gettext("“%(text)s”") % {"text": labels[value]}
    try:
        return date_format(datetime.date.fromisoformat(str(value)), "SHORT_DATE_FORMAT")
    except ValueError:
        return str(value)


# --- Criteria and problems -------------------------------------------------------------------------------------------


def sets_in_force(at: datetime.datetime) -> dict[int | None, CriteriaSet]:
    """The criteria in force, by product; the general ones under None."""
    newest: dict[int | None, int] = {}
    agreed = CriteriaSet.objects.filter(in_force_at__lte=at).order_by("-in_force_at", "-version")
    for pk, product in agreed.values_list("pk", "product"):
        newest.setdefault(product, pk)
    found = CriteriaSet.objects.filter(pk__in=newest.values()).select_related("product").prefetch_related("criteria")
    # A product's set without criteria says that it has none of its own any more.
    return {each.product_id: each for each in found if each.product_id is None or each.criteria.all()}


def criteria_offered(questionnaire: Questionnaire, *, at: datetime.datetime) -> dict[str, Criterion]:
    """The criteria that its questions can decide, by key: of a product's brief the product's, else all in force."""
    agreed = sets_in_force(at)
    wanted: Iterable[CriteriaSet | None] = [agreed.get(None), *(s for p, s in agreed.items() if p is not None)]
    if questionnaire.product_id:
        wanted = [agreed.get(questionnaire.product_id) or agreed.get(None)]
    elif questionnaire.kind == Questionnaire.Kind.BRIEF:
        wanted = [agreed.get(None)]
    found: dict[str, Criterion] = {}
    for criteria_set in wanted:
        for criterion in criteria_set.criteria.all() if criteria_set else ():
            found.setdefault(criterion.key, criterion)
    return found


def undecided(
    questionnaire: Questionnaire, asked: Sequence[Question], *, at: datetime.datetime
) -> list[tuple[CriteriaSet, Criterion]]:
    """The required criteria in force that neither a question decides nor a rule over what the questions fill in.

    A brief answers to the criteria of its product, else to the general ones; visitors' questions to the general ones
    and to those of each product that they can name.
    """
    agreed = sets_in_force(at)
    if questionnaire.product_id:
        products: set[int | None] = {questionnaire.product_id if questionnaire.product_id in agreed else None}
    else:
        products = {None, *(o.product_id for q in asked for o in q.options.all() if o.product_id in agreed)}
    decided = {q.criterion_key for q in asked if q.decides == Question.Decides.CRITERION}
    filled = _ALWAYS_KNOWN | {f"{known.ANSWER}{question.key}" for question in asked}
    for question in asked:
        if question.decides == Question.Decides.FIELD:
            filled.add(_KNOWN_AS.get(question.contact_field, question.contact_field))
        elif question.decides == Question.Decides.PRODUCT:
            filled.add("lead.product")
    return [
        (criteria_set, criterion)
        for product, criteria_set in agreed.items()
        if product in products
        for criterion in criteria_set.criteria.all()
        if criterion.is_required and criterion.key not in decided and not _rule_decides(criterion.rule, filled)
    ]


def _rule_decides(rule: dict, filled: set[str]) -> bool:
    """Whether the fields that are filled in let a criterion's own rule say yes."""
    fields = [condition["field"] in filled for condition in rule.get("conditions", [])]
    return bool(fields) and (any(fields) if rule.get("match") == "any" else all(fields))


def problems(version: QuestionnaireVersion, *, at: datetime.datetime) -> list[Problem]:
    """What is wrong with a version, in the order of its questions; broken ones block publishing."""
    questionnaire = version.questionnaire
    asked = questions(version)
    if not asked:
        return [Problem(gettext("There is no question yet."), is_broken=True)]
    found: list[Problem] = []
    criteria = criteria_offered(questionnaire, at=at)
    earlier: dict[str, Question] = {}
    places = {question.key: number for number, question in enumerate(asked)}
    for question in asked:
        for text, is_broken in (
            *_condition_problems(question, earlier, places),
            *_option_problems(question),
            *_decision_problems(question, criteria),
        ):
            named = gettext("“%(question)s”: %(problem)s") % {"question": question, "problem": text}
            found.append(Problem(named, is_broken, question.key))
        earlier[question.key] = question
    found += _problems_of_the_whole(asked)
    for criteria_set, criterion in undecided(questionnaire, asked, at=at):
        words = gettext("This questionnaire can't decide the required criterion “%(criterion)s”.")
        if criteria_set.product_id:
            words = gettext("This questionnaire can't decide the required criterion “%(criterion)s” of %(product)s.")
        found.append(Problem(words % {"criterion": criterion, "product": criteria_set.product}, is_broken=False))
    return found


def _condition_problems(
    question: Question, earlier: dict[str, Question], places: dict[str, int]
) -> list[tuple[str, bool]]:
    if not question.condition:
        return []
    key = question.condition.get("question", "")
    if key not in earlier:
        if key in places:
            return [(gettext("it is asked only after the answer to a question that comes later."), True)]
        return [(gettext("it is asked only after the answer to a question that was removed."), True)]
    error = rule_error(question.condition, earlier[key])
    if not error:
        return []
    words = gettext("when it is asked depends on “%(other)s”, but %(error)s.")
    return [(words % {"other": earlier[key], "error": error}, True)]


def _option_problems(question: Question) -> list[tuple[str, bool]]:
    if question.kind not in CHOICES:
        return []
    options = list(question.options.all())
    found: list[tuple[str, bool]] = []
    if len(options) < 2:
        found.append((gettext("a choice needs at least two answers."), True))
    for option in options:
        if option.product and not option.product.is_active and question.decides == Question.Decides.PRODUCT:
            words = gettext("“%(option)s” names %(product)s, which is no longer sold.")
            found.append((words % {"option": option, "product": option.product}, False))
    return found


def _decision_problems(question: Question, criteria: dict[str, Criterion]) -> list[tuple[str, bool]]:
    if question.decides == Question.Decides.CRITERION:
        found = []
        if question.criterion_key not in criteria:
            found.append((gettext("it decides a criterion that isn't in force."), False))
        if error := rule_error(question.criterion_rule, question):
            found.append((gettext("which answers meet the criterion isn't clear: %(error)s.") % {"error": error}, True))
        return found
    if question.decides == Question.Decides.PRODUCT:
        if not any(option.product_id for option in question.options.all()):
            return [(gettext("no answer names a product of interest."), True)]
    elif question.decides == Question.Decides.FIELD and question.kind not in FIELD_KINDS.get(
        question.contact_field, ()
    ):
        return [(gettext("its answer doesn't fit the field that it fills in."), True)]
    return []


def _problems_of_the_whole(asked: Sequence[Question]) -> list[Problem]:
    found = []
    fields = [question.contact_field for question in asked if question.decides == Question.Decides.FIELD]
    for field in sorted({field for field in fields if fields.count(field) > 1}):
        words = gettext("More than one question fills in “%(field)s”; the last answer counts.")
        found.append(Problem(words % {"field": CONTACT_FIELDS.get(field, field)}, is_broken=False))
    for language, name in (("en", gettext("English")), ("ru", gettext("Russian"))):
        without = [q for q in asked if not getattr(q, f"text_{language}")]
        without += [
            o.question for q in asked if q not in without for o in q.options.all() if not getattr(o, f"text_{language}")
        ]
        if without and len({q.pk for q in without}) < len(asked):
            words = gettext(
                "Not everything is written in %(language)s; readers would meet the other language in: %(where)s"
            )
            where = ", ".join(f"“{question}”" for question in dict.fromkeys(without))
            found.append(Problem(words % {"language": name, "where": where[:300]}, is_broken=False))
    return found


def change_words(before: QuestionnaireVersion | None, after: QuestionnaireVersion) -> list[str]:
    """What `after` changed, in sentences; empty when there was nothing before."""
    if before is None:
        return []
    old = {question.key: question for question in questions(before)}
    new = {question.key: question for question in questions(after)}
    words = [gettext("Added: “%(text)s”") % {"text": question} for key, question in new.items() if key not in old]
    words += [
        pgettext("question", "Removed: “%(text)s”") % {"text": question}
        for key, question in old.items()
        if key not in new
    ]
    words += [
        gettext("Changed: “%(text)s”") % {"text": question}
        for key, question in new.items()
        if key in old and fingerprint(content(question)) != fingerprint(content(old[key]))
    ]
    if [key for key in old if key in new] != [key for key in new if key in old]:
        words.append(gettext("The order was changed"))
    if texts(before) != texts(after):
        words.append(gettext("The texts around the questions were changed"))
    return words
