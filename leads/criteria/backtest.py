"""Backtest: how a criteria set would have judged past leads, against what became of them.

**Which leads.** Those that were handed over in the period, by the day of their first handoff. Imported history often
knows no handoff: a lead that was qualified, accepted or won before its record was made here stands at the first of those
moments. A lead of today that is qualified and waits to be handed over isn't judged: nothing became of it yet.

**What was known.** Only what was known at the handoff, as `Lead.known_at_handoff` keeps it (of the last handoff, whose
verdict is the one that counts). Where that isn't recorded, the answers to criteria that were given by that moment;
rules over fields are unknown then, since a field may have been filled in later. Nothing of today is ever read.

**What became of them.** A SAL when sales accepted. While sales hasn't decided, the verdict is open: the lead is counted
apart, neither for nor against. Without a recorded handoff nobody asked sales, so no verdict is known, even of those that
were won: counting only these would make every one a success. Won when it was won; open while it is in sales' hands.

**Shares** are of decided leads. Their 95 % interval is Wilson's score interval (E. B. Wilson, “Probable Inference, the
Law of Succession, and Statistical Inference”, JASA 22, 1927, p. 209), which also holds for few leads and for shares near
0 and 1.

**Lift** is the share among the leads that met a criterion (or the whole set) divided by the share among all leads of the
backtest: 1 means that the criterion tells nothing. Its interval is Wilson's, divided by the same share of all. So it
takes the share of all as exact, and leaves out that the leads that met the criterion are among “all”. Both are small
while a criterion is met by a part of many leads; when nearly all meet it, the lift is near 1 whatever the interval says.
An interval on one side of 1 is a hint, not a proof: of twenty criteria that tell nothing one will look so by chance.
"""

import collections
import dataclasses
import datetime
import enum
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from django.db.models import F, Q, Sum

from leads.criteria import Answered, Judgement, by_rule
from leads.known import Known
from leads.models import CriteriaSet, Criterion, CriterionAnswer, Lead, Stage
from leads.models.leads import SELLING, WITH_SALES, LeadQuerySet

MOST_LEADS = 50_000  # in one backtest: the latest of the period
Z_95 = 1.959963984540054  # standard deviations on either side that hold 95 % of a normal distribution

YES, NO, UNKNOWN = (
    CriterionAnswer.Value.YES.value,
    CriterionAnswer.Value.NO.value,
    CriterionAnswer.Value.UNKNOWN.value,
)


class Became(enum.StrEnum):
    """Whether a lead became a SAL, or was won. OPEN: not decided yet. NOT_ASKED: no handoff, so no verdict is known."""

    YES = "yes"
    NO = "no"
    OPEN = "open"
    NOT_ASKED = "not_asked"


class Past(NamedTuple):
    """A past lead: when it was handed over, what was known then, and what became of it.

    `has_fields` says whether the fields of that moment are recorded; without them no rule may decide.
    """

    pk: int
    at: datetime.datetime
    known: Known
    has_fields: bool
    accepted: Became
    won: Became


class Case(NamedTuple):
    """A past lead with what the set says: of each criterion (in the set's order), and of the whole."""

    past: Past
    values: tuple[str, ...]
    is_met: bool


def wilson(successes: int, of: int, z: float = Z_95) -> tuple[float, float] | None:
    """Wilson's score interval of a share, between 0 and 1; None without a denominator.

    (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n), with p = successes / n.
    """
    if not of:
        return None
    share, spread = successes / of, z * z / of
    middle = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


@dataclasses.dataclass(frozen=True)
class Share:
    """`count` of `of`, with its interval; beside the share of all leads (`base`) its lift. None is “no data”."""

    count: int
    of: int
    base: float | None = None

    @property
    def value(self) -> float | None:
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.count, self.of)

    @property
    def lift(self) -> float | None:
        return self.value / self.base if self.value is not None and self.base else None

    @property
    def lift_interval(self) -> tuple[float, float] | None:
        return (self.interval[0] / self.base, self.interval[1] / self.base) if self.interval and self.base else None

    @property
    def is_better(self) -> bool | None:
        """True or False when the whole interval is on one side of the share of all; None when it may be chance."""
        if self.lift_interval is None or self.lift_interval[0] <= 1 <= self.lift_interval[1]:
            return None
        return self.lift_interval[0] > 1


@dataclasses.dataclass(frozen=True)
class CriterionResult:
    """One criterion over all leads: how many met it, didn't, or were unknown, and what became of those that met it."""

    criterion: Criterion
    met: int
    not_met: int
    unknown: int
    accepted: Share
    won: Share

    @property
    def is_never_known(self) -> bool:
        """Of no lead it was known: a new question, or a rule over fields that weren't kept."""
        return not self.met and not self.not_met


class Backtest:
    """What one criteria set says of past leads. Counting is done once, here; pages only show."""

    def __init__(self, criteria_set: CriteriaSet, pasts: Iterable[Past]) -> None:
        self.criteria_set = criteria_set
        self.criteria = list(criteria_set.criteria.all())
        self.cases = list(self._judged(pasts))
        self.met = sum(1 for case in self.cases if case.is_met)
        self.accepted = collections.Counter((case.is_met, case.past.accepted) for case in self.cases)
        self.won = collections.Counter((case.is_met, case.past.won) for case in self.cases)

    def _judged(self, pasts: Iterable[Past]) -> Iterator[Case]:
        # Thousands of leads have the same few answers and fields: what was worked out once isn't worked out again.
        verdicts: dict[tuple[str, ...], bool] = {}
        rules = [_Rule(criterion.rule) if criterion.rule else None for criterion in self.criteria]
        for past in pasts:
            values = tuple(
                _value(criterion.key, rule, past) for criterion, rule in zip(self.criteria, rules, strict=True)
            )
            if values not in verdicts:
                rows = [Answered(criterion, value) for criterion, value in zip(self.criteria, values, strict=True)]
                verdicts[values] = Judgement(self.criteria_set, rows).is_met
            yield Case(past, values, verdicts[values])

    @property
    def total(self) -> int:
        return len(self.cases)

    def all_accepted(self) -> Share:
        """SALs among all decided leads, whatever the set says: the base of lift."""
        return _share(self.accepted, (True, False))

    def all_won(self) -> Share:
        return _share(self.won, (True, False))

    def met_accepted(self) -> Share:
        """SALs among the decided leads that meet the set."""
        return _share(self.accepted, (True,), self.all_accepted().value)

    def met_won(self) -> Share:
        return _share(self.won, (True,), self.all_won().value)

    def kept_accepted(self) -> Share:
        """Of all SALs, those that meet the set: what it wouldn't lose."""
        return _kept(self.accepted)

    def kept_won(self) -> Share:
        return _kept(self.won)

    def results(self) -> list[CriterionResult]:
        """Each criterion by itself, in the set's order."""
        all_accepted, all_won = self.all_accepted().value, self.all_won().value
        found = []
        for number, criterion in enumerate(self.criteria):
            values = collections.Counter(case.values[number] for case in self.cases)
            met = [case.past for case in self.cases if case.values[number] == YES]
            found.append(
                CriterionResult(
                    criterion,
                    met=values[YES],
                    not_met=values[NO],
                    unknown=values[UNKNOWN],
                    accepted=_share(collections.Counter((True, past.accepted) for past in met), (True,), all_accepted),
                    won=_share(collections.Counter((True, past.won) for past in met), (True,), all_won),
                )
            )
        return found

    def never_known(self) -> list[Criterion]:
        """Criteria that nobody could have known of any lead."""
        return [result.criterion for result in self.results() if result.is_never_known] if self.cases else []

    def pks(self, wanted: Callable[[Case], bool]) -> list[int]:
        """The leads that `wanted` says yes to, latest first."""
        return [case.past.pk for case in self.cases if wanted(case)]

    def lost_wins(self) -> list[int]:
        """Leads that were won and that this set would not have made leads."""
        return self.pks(lambda case: not case.is_met and case.past.won == Became.YES)

    def gained_wins(self, other: "Backtest") -> list[int]:
        """Leads that were won, that this set takes and `other`, judging the same leads, refuses."""
        refused = set(other.lost_wins())
        return self.pks(lambda case: case.is_met and case.past.pk in refused)


def _share(counts: collections.Counter, met: tuple[bool, ...], base: float | None = None) -> Share:
    yes, no = (sum(counts[is_met, became] for is_met in met) for became in (Became.YES, Became.NO))
    return Share(yes, yes + no, base)


def _kept(counts: collections.Counter) -> Share:
    return Share(counts[True, Became.YES], counts[True, Became.YES] + counts[False, Became.YES])


class _Rule:
    """A criterion's rule that remembers what it said of the values it has seen."""

    def __init__(self, rule: dict) -> None:
        self.rule = rule
        self.fields = [condition["field"] for condition in rule["conditions"]]
        self.said: dict[str, bool | None] = {}

    def says(self, known: Known) -> bool | None:
        seen = repr([known.fields.get(field) for field in self.fields])
        if seen not in self.said:
            self.said[seen] = by_rule(self.rule, known)
        return self.said[seen]


def _value(key: str, rule: _Rule | None, past: Past) -> str:
    ruled = rule.says(past.known) if rule and past.has_fields else None
    if ruled is None:
        return past.known.answers.get(key, UNKNOWN)
    return YES if ruled else NO


# --- Reading the past -------------------------------------------------------------------------------------------------

_COLUMNS = (
    "pk",
    "handed_over_at",
    "qualified_at",
    "accepted_at",
    "won_at",
    "lost_at",
    "created_at",
    "stage",
    "known_at_handoff",
)
_HISTORY = ("qualified_at", "accepted_at", "won_at")


def past_leads(
    leads: LeadQuerySet, start: datetime.datetime, end: datetime.datetime, keys: Iterable[str]
) -> tuple[list[Past], bool]:
    """The leads of the backtest among `leads`, from `start` until before `end`, latest first; and whether some were left out.

    `keys` are the criteria whose answers are wanted. Three queries, however many leads there are.
    """
    leads = leads.counted()
    within = {"gte": start, "lt": end}
    handed_over = leads.filter(**{f"handed_over_at__{name}": moment for name, moment in within.items()})
    in_history = Q()
    for moment in _HISTORY:
        in_history |= Q(**{f"{moment}__{name}": day for name, day in within.items()}, created_at__gt=F(moment))
    history = leads.filter(in_history, handed_over_at__isnull=True)
    rows = [
        *handed_over.order_by("-handed_over_at").values_list(*_COLUMNS)[: MOST_LEADS + 1],
        *history.order_by("-pk").values_list(*_COLUMNS)[: MOST_LEADS + 1],
    ]
    dated = [(_moment(row), row) for row in rows]
    dated = [(at, row) for at, row in dated if start <= at < end]
    dated.sort(key=lambda each: (each[0], each[1][0]), reverse=True)
    is_cut, dated = len(dated) > MOST_LEADS, dated[:MOST_LEADS]
    moments = {row[0]: at for at, row in dated if row[-1] is None}
    answers = _answers(leads.filter(known_at_handoff__isnull=True), moments, keys) if moments else {}
    return [_past(at, row, answers) for at, row in dated], is_cut


def _moment(row: tuple) -> datetime.datetime:
    _pk, handed_over_at, *others = row[:5]
    return handed_over_at or min(moment for moment in others if moment)


def _answers(
    leads: LeadQuerySet, moments: dict[int, datetime.datetime], keys: Iterable[str]
) -> dict[int, dict[str, str]]:
    """What was said of the criteria by each lead's moment. An answer that was changed later isn't known any more."""
    found: dict[int, dict[str, str]] = {}
    said = CriterionAnswer.objects.filter(lead__in=leads, key__in=list(keys), answered_at__lte=max(moments.values()))
    for lead, key, value, answered_at in said.values_list("lead", "key", "value", "answered_at"):
        if lead in moments and answered_at <= moments[lead]:
            found.setdefault(lead, {})[key] = value
    return found


def _past(at: datetime.datetime, row: tuple, answers: dict[int, dict[str, str]]) -> Past:
    pk, handed_over_at, _qualified_at, accepted_at, won_at, lost_at, _created_at, stage, known = row
    if handed_over_at is None:
        accepted = Became.NOT_ASKED
    elif accepted_at or won_at or lost_at or stage in SELLING:  # who sold it had accepted it
        accepted = Became.YES
    else:
        accepted = Became.OPEN if stage in (Stage.HANDED_OVER, Stage.IN_WORK) else Became.NO
    won = Became.YES if won_at else Became.OPEN if stage in WITH_SALES else Became.NO
    if known is None:
        return Past(pk, at, Known(answers=answers.get(pk, {})), False, accepted, won)
    return Past(pk, at, Known.from_json(known), True, accepted, won)


def most_valuable(leads: LeadQuerySet, pks: list[int], most: int) -> list[Lead]:
    """Up to `most` of these leads, the worth most first, each with its `worth`: what was won (None where no amount is known)."""
    # By name, since the deals live above: leads know that there are some, not what they are.
    worth = Sum("opportunities__amount", filter=Q(opportunities__won_at__isnull=False))
    found = leads.filter(pk__in=pks).annotate(worth=worth).order_by(F("worth").desc(nulls_last=True), "-pk")
    return list(found.for_list()[:most])
