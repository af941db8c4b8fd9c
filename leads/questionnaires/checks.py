"""What stands in the way of publishing: rules that make no sense, criteria that nothing decides, people out of reach."""

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

from django.utils.formats import date_format
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from leads import known
from leads.comparisons import OFFERED, Comparison
from leads.comparisons import Kind as Compared
from leads.models import (
    CriteriaSet,
    Criterion,
    Question,
    Questionnaire,
    QuestionnaireVersion,
)
from leads.questionnaires.plain import (
    ALWAYS_KNOWN,
    CHOICES,
    COMPARED_AS,
    CONTACT_FIELDS,
    FIELD_KINDS,
    KNOWN_AS,
    Problem,
    content,
    fingerprint,
    questions,
    texts,
)


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
    filled = ALWAYS_KNOWN | {f"{known.ANSWER}{question.key}" for question in asked}
    for question in asked:
        if question.decides == Question.Decides.FIELD:
            filled.add(KNOWN_AS.get(question.contact_field, question.contact_field))
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
