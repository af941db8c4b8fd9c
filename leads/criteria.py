"""Judging a lead by the agreed criteria."""

import dataclasses
import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.models import CriteriaSet, Criterion, CriterionAnswer, Lead, LeadEvent


@dataclasses.dataclass(frozen=True)
class Answered:
    """A criterion with what is known of it; `answer` is None while nobody has said anything."""

    criterion: Criterion
    answer: CriterionAnswer | None

    @property
    def value(self) -> str:
        return self.answer.value if self.answer else CriterionAnswer.Value.UNKNOWN


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the criteria say of a lead. `points` and `threshold` are sums of weights."""

    criteria_set: CriteriaSet | None
    rows: list[Answered]

    @property
    def missing(self) -> list[Criterion]:
        """Required criteria that aren't answered with yes."""
        return [row.criterion for row in self.rows if row.criterion.is_required and row.value != "yes"]

    @property
    def points(self) -> int:
        return sum(row.criterion.weight for row in self.rows if not row.criterion.is_required and row.value == "yes")

    @property
    def threshold(self) -> int:
        return self.criteria_set.threshold if self.criteria_set else 0

    @property
    def is_met(self) -> bool:
        """True when every required criterion is met and the weighted ones reach the threshold.

        Without a criteria set in force nothing was agreed, so nothing can be met.
        """
        return self.criteria_set is not None and not self.missing and self.points >= self.threshold


def judge(lead: Lead, *, at: datetime.datetime, criteria_set: CriteriaSet | None = None) -> Judgement:
    """Judge `lead` by `criteria_set`, else by the version it was judged by before, else by the one in force at `at`."""
    criteria_set = criteria_set or lead.criteria_set or CriteriaSet.objects.in_force(at)
    if criteria_set is None:
        return Judgement(None, [])
    answers = {answer.key: answer for answer in lead.answers.select_related("answered_by")}
    return Judgement(criteria_set, [Answered(c, answers.get(c.key)) for c in criteria_set.criteria.all()])


@transaction.atomic
def answer(lead: Lead, key: str, value: str, *, by: User | None, at: datetime.datetime) -> None:
    """Record what is known of one criterion. Saying the same again changes nothing.

    Raises NotAllowed for the wrong role and ValueError for a value that isn't yes, no or unknown.
    """
    if not access.may(by, access.QUALIFY_LEADS):
        raise access.NotAllowed(_("Only marketing answers the criteria."))
    value = CriterionAnswer.Value(value)
    lead = Lead.objects.select_for_update().get(pk=lead.pk)
    known = CriterionAnswer.objects.filter(lead=lead, key=key).first()
    if (known.value if known else CriterionAnswer.Value.UNKNOWN) == value:
        return
    CriterionAnswer.objects.update_or_create(
        lead=lead, key=key, defaults={"value": value, "answered_by": by, "answered_at": at}
    )
    LeadEvent.objects.record(lead, LeadEvent.Kind.CRITERION, by=by, at=at, key=key, value=value)
    Lead.objects.filter(pk=lead.pk).update(updated_at=at)


@transaction.atomic
def put_in_force(
    criteria: list[dict], *, threshold: int, note: str, by: User | None, at: datetime.datetime
) -> CriteriaSet:
    """Make the next version of the criteria, in force from `at`.

    `criteria` are dicts with key, text, is_required and weight, in their order. Earlier versions stay as they are.
    """
    if not access.may(by, access.DECIDE_CRITERIA):
        raise access.NotAllowed(_("Only the director puts criteria in force."))
    latest = CriteriaSet.objects.select_for_update().order_by("-version").first()
    made = CriteriaSet.objects.create(
        version=latest.version + 1 if latest else 1, threshold=threshold, note=note, created_by=by, in_force_at=at
    )
    Criterion.objects.bulk_create(
        Criterion(criteria_set=made, position=position, **row) for position, row in enumerate(criteria)
    )
    return made
