"""What sales may point at when it refuses a lead: the criteria and facts as marketing knew them at the handoff."""

import dataclasses
from collections.abc import Iterable

from django.utils.translation import gettext as _

from leads.criteria.judging import Judgement, judge_known
from leads.criteria.rules import CRITERION, Asked, fields, labels
from leads.known import ANSWER, FIELDS, Known, of_lead
from leads.models import CriteriaSet, Criterion, CriterionAnswer
from pipeline.models import Handoff, ReturnAnswer, ReturnFeedback

MOST_SHOWN = 60  # characters of what was known

Kind = ReturnFeedback.Kind
_OURS = {"lead.channel", "lead.campaign"}  # facts of ours: neither missing nor misread by anybody


@dataclasses.dataclass(frozen=True)
class Pointer:
    """A criterion or fact that may be pointed at; `known` is what marketing knew of it, in words."""

    field: str
    label: str
    known: str = ""

    @property
    def text(self) -> str:
        return _("%(label)s: %(known)s") % {"label": self.label, "known": self.known} if self.known else self.label


@dataclasses.dataclass(frozen=True)
class Refusable:
    """A handoff as a refusal sees it: how the lead was judged when it was handed over, and by what."""

    judgement: Judgement
    known: Known

    @property
    def meets_every_criterion(self) -> bool:
        """By what was known at the handoff each criterion was met, the weighted ones, too."""
        rows = self.judgement.rows
        return bool(rows) and all(row.value == CriterionAnswer.Value.YES for row in rows)

    @property
    def criteria(self) -> list[Criterion]:
        return [row.criterion for row in self.judgement.rows]

    def may_point_at(self, field: str) -> bool:
        """Whether it is a criterion of the version that the lead was judged by, a fact, or an answer of the lead."""
        if field.startswith(CRITERION):
            return field.removeprefix(CRITERION) in {criterion.key for criterion in self.criteria}
        return field in FIELDS or (field.startswith(ANSWER) and field in self.known.fields)

    def pointers(self) -> dict[str, list[Pointer]]:
        """What is worth pointing at, by kind: what wasn't known may be missing, what was known may be misread."""
        words = fields(self.known.fields)
        criteria = {
            row.criterion.key: Pointer(
                CRITERION + row.criterion.key, str(row.criterion), str(CriterionAnswer.Value(row.value).label)
            )
            for row in self.judgement.rows
        }
        unknown = [criteria[row.criterion.key] for row in self.judgement.rows if row.value == "unknown"]
        facts = {name: self.known.fields.get(name) for name in FIELDS if name not in _OURS}
        answers = {name: value for name, value in self.known.fields.items() if name.startswith(ANSWER)}
        is_known = {name: value for name, value in {**facts, **answers}.items() if value not in (None, "", [])}
        return {
            Kind.MISSING: [
                *(Pointer(each.field, each.label) for each in unknown),
                *(Pointer(name, str(FIELDS[name].label)) for name in facts if name not in is_known),
            ],
            Kind.NOT_ASKED: [Pointer(each.field, each.label) for each in criteria.values()],
            Kind.MISREAD: [
                *(each for each in criteria.values() if each not in unknown),
                *(
                    Pointer(name, str(words[name].label), _said(value, words[name]))
                    for name, value in is_known.items()
                    if name in words
                ),
            ],
        }


def refusable(handoff: Handoff) -> Refusable:
    """How the lead stood when it was handed over; where that isn't recorded, how it stands now."""
    lead = handoff.lead
    known = of_lead(lead) if lead.known_at_handoff is None else Known.from_json(lead.known_at_handoff)
    criteria_set = lead.criteria_set or CriteriaSet.objects.in_force(handoff.handed_over_at, lead.product)
    judgement = Judgement(None, []) if criteria_set is None else judge_known(criteria_set, known)
    return Refusable(judgement, known)


@dataclasses.dataclass(frozen=True)
class Told:
    """What sales told marketing of one kind: the criteria and facts it points at, and its own words."""

    label: str
    pointed_at: list[str]
    words: str


def told(handoffs: Iterable[Handoff]) -> dict[int, list[Told]]:
    """The feedback of each refused handoff, by its id: a few queries for all."""
    handoffs = list(handoffs)
    pointed: dict[tuple[int, str], list[str]] = {}
    for row in ReturnFeedback.objects.filter(handoff__in=handoffs).order_by("pk"):
        pointed.setdefault((row.handoff_id, row.kind), []).append(row.field)
    names = labels(name for each in pointed.values() for name in each) if pointed else {}
    return {
        handoff.pk: [
            Told(str(kind.label), at, words)
            for kind in Kind
            if (at := [names[name] for name in pointed.get((handoff.pk, kind), [])])
            or getattr(handoff, kind.value).strip()
            for words in [getattr(handoff, kind.value).strip()]
        ]
        for handoff in handoffs
    }


def _said(value: object, asked: Asked) -> str:
    if isinstance(value, list):
        return ", ".join(_said(item, asked) for item in value)[:MOST_SHOWN]
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    return asked.options.get(str(value), str(value))[:MOST_SHOWN]


@dataclasses.dataclass(frozen=True)
class Refused:
    """A refused handoff as a page shows it: what sales showed and told, and what became of it."""

    handoff: Handoff
    evidence: list[tuple[str, str]]
    told: list[Told]
    answer: ReturnAnswer | None


def shown(handoffs: Iterable[Handoff]) -> list[Refused]:
    """The handoffs with everything that was said about their refusal: a few queries for all."""
    handoffs = list(handoffs)
    feedback = told(handoffs)
    people = ("answered_by", "decided_by", "afterwards_by")
    answers = {
        answer.handoff_id: answer
        for answer in ReturnAnswer.objects.filter(handoff__in=handoffs).select_related(*people)
    }
    return [Refused(each, _evidence(each), feedback[each.pk], answers.get(each.pk)) for each in handoffs]


def _evidence(handoff: Handoff) -> list[tuple[str, str]]:
    lines = [
        (_("Who said no"), handoff.who_said_no),
        (_("Wanted"), handoff.wanted_product),
        (_("Wanted, but not sold by us"), handoff.wanted_text),
        (_("Fails"), handoff.failed_criterion),
        (_("Why the criteria are wrong"), handoff.criteria_doubt),
    ]
    return [(label, str(value)) for label, value in lines if value]
