"""Judging a lead by the agreed criteria."""

import dataclasses
import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.comparisons import holds
from leads.known import Known, of_lead
from leads.models import CriteriaSet, Criterion, CriterionAnswer, Lead, LeadEvent


@dataclasses.dataclass(frozen=True)
class Answered:
    """A criterion with what is known of it. `by_rule`: its rule decided; `answer` is what was said, if anything was."""

    criterion: Criterion
    value: str
    by_rule: bool = False
    answer: CriterionAnswer | None = None


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
    criteria_set = criteria_set or lead.criteria_set or CriteriaSet.objects.in_force(at, lead.product)
    if criteria_set is None:
        return Judgement(None, [])
    answers = {answer.key: answer for answer in lead.answers.select_related("answered_by")}
    return judge_known(criteria_set, of_lead(lead), answers)


def judge_known(
    criteria_set: CriteriaSet, known: Known, answers: dict[str, CriterionAnswer] | None = None
) -> Judgement:
    """Judge by what is given and nothing else. Where a rule can't decide, what was said of the criterion counts."""
    rows = []
    for criterion in criteria_set.criteria.all():
        ruled = by_rule(criterion.rule, known) if criterion.rule else None
        value = CriterionAnswer.Value.UNKNOWN.value
        if ruled is not None:
            value = (CriterionAnswer.Value.YES if ruled else CriterionAnswer.Value.NO).value
        else:
            value = known.answers.get(criterion.key, value)
        rows.append(Answered(criterion, value, ruled is not None, (answers or {}).get(criterion.key)))
    return Judgement(criteria_set, rows)


def by_rule(rule: dict, known: Known) -> bool | None:
    """What a criterion's rule says: three-valued, None where what is known doesn't decide it."""
    found = [holds(c["comparison"], c.get("value"), known.fields.get(c["field"])) for c in rule["conditions"]]
    if rule.get("match") == "any":
        return True if True in found else (None if None in found else False)
    return False if False in found else (None if None in found else True)


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


class OutdatedEdit(Exception):
    """Another version was put in force after the one that was edited; the text says by whom and when."""


@transaction.atomic
def put_in_force(
    criteria: list[dict],
    *,
    threshold: int,
    note: str,
    by: User | None,
    at: datetime.datetime,
    edited_version: int | None = None,
) -> CriteriaSet:
    """Make the next version of the criteria, in force from `at`.

    `criteria` are dicts with key, text, is_required and weight, in their order. Earlier versions stay as they are.
    Raises NotAllowed, and OutdatedEdit when `edited_version` is given and isn't the latest any more.
    """
    if not access.may(by, access.DECIDE_CRITERIA):
        raise access.NotAllowed(_("Only the director puts criteria in force."))
    list(CriteriaSet.objects.select_for_update())  # two directors saving at once wait here
    agreed = CriteriaSet.objects.filter(product__isnull=True, in_force_at__isnull=False)
    latest = agreed.select_related("created_by").order_by("-version").first()
    if edited_version is not None and latest and latest.version != edited_version:
        raise OutdatedEdit(
            _("%(who)s put version %(version)s in force on %(when)s, while you were editing version %(edited)s.")
            % {
                "who": latest.created_by or _("The system"),
                "version": latest.version,
                "when": date_format(timezone.localtime(latest.in_force_at), "DATETIME_FORMAT"),
                "edited": edited_version,
            }
        )
    made = CriteriaSet.objects.create(
        version=latest.version + 1 if latest else 1, threshold=threshold, note=note, created_by=by, in_force_at=at
    )
    Criterion.objects.bulk_create(
        Criterion(criteria_set=made, position=position, **row) for position, row in enumerate(criteria)
    )
    return made


def new_key(text: str, used: set[str], *, otherwise: str = "criterion") -> str:
    """A key for a new criterion that no version has ever used: an old answer must never count for a new question.

    `otherwise` is its stem where the text has no Latin letters.
    """
    stem = slugify(text)[:40].strip("-") or otherwise
    key, number = stem, 2
    while key in used:
        key, number = f"{stem}-{number}", number + 1
    return key


def changes(before: CriteriaSet | None, after: CriteriaSet) -> list[str]:
    """What the version `after` changed, in sentences; empty when there was no version `before`."""
    if before is None:
        return []
    old = {criterion.key: criterion for criterion in before.criteria.all()}
    new = {criterion.key: criterion for criterion in after.criteria.all()}
    words = [
        _("Added: “%(text)s” (%(worth)s)") % {"text": criterion, "worth": criterion.worth}
        for key, criterion in new.items()
        if key not in old
    ]
    words += [_("Removed: “%(text)s”") % {"text": criterion} for key, criterion in old.items() if key not in new]
    for key, criterion in new.items():
        if key in old and old[key].text != criterion.text:
            words.append(_("Reworded: “%(old)s” is now “%(new)s”") % {"old": old[key], "new": criterion})
        if key in old and old[key].worth != criterion.worth:
            words.append(
                _("“%(text)s”: %(old)s before, now %(new)s")
                % {"text": criterion, "old": old[key].worth, "new": criterion.worth}
            )
    if before.threshold != after.threshold:
        words.append(
            _("Points needed: %(old)s before, now %(new)s") % {"old": before.threshold, "new": after.threshold}
        )
    if [key for key in old if key in new] != [key for key in new if key in old]:
        words.append(_("The order was changed"))
    return words
