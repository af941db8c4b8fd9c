"""Judging a lead by the agreed criteria."""

import dataclasses
import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.comparisons import holds
from leads.criteria.rules import fields_of, sentence
from leads.known import Known, of_lead, of_leads
from leads.models import CriteriaSet, Criterion, CriterionAnswer, Lead, LeadEvent, LeadJudgement, Product
from leads.models.leads import WITH_MARKETING


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

        Without criteria in force nothing was agreed, so nothing can be met.
        """
        return bool(self.criteria_set and self.rows) and not self.missing and self.points >= self.threshold


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
    is_told = known is None or known.source == CriterionAnswer.Source.PERSON
    if is_told and (known.value if known else CriterionAnswer.Value.UNKNOWN) == value:
        return
    CriterionAnswer.objects.update_or_create(
        lead=lead,
        key=key,
        defaults={
            "value": value,
            "source": CriterionAnswer.Source.PERSON,
            "answered_by": by,
            "answered_at": at,
        },
    )
    LeadEvent.objects.record(lead, LeadEvent.Kind.CRITERION, by=by, at=at, key=key, value=value)
    Lead.objects.filter(pk=lead.pk).update(updated_at=at)


def was_judged(lead: Lead) -> bool:
    """True for a lead in marketing's hands that a version of the criteria has judged, so that another could."""
    return lead.criteria_set_id is not None and lead.stage in WITH_MARKETING


@transaction.atomic
def rejudge(lead: Lead, *, by: User | None, at: datetime.datetime) -> tuple[LeadJudgement, LeadJudgement] | None:
    """Judge a lead that was judged before by the version in force now; returns the old and the new result.

    Both are kept. Its stage stays: what follows from the new result is for marketing to decide. None where the lead is
    under the version in force already. Raises NotAllowed, and NotJudged where there is nothing to judge again.
    """
    if not access.may(by, access.QUALIFY_LEADS):
        raise access.NotAllowed(_("Only marketing judges leads."))
    lead = Lead.objects.select_for_update(of=("self",)).get(pk=lead.pk)
    if lead.criteria_set is None or not was_judged(lead):
        raise NotJudged(_("Only a lead in marketing's hands that was judged before is judged again."))
    in_force = CriteriaSet.objects.in_force(at, lead.product)
    if in_force is None or in_force.pk == lead.criteria_set_id:
        return None
    before = lead.judgements.filter(criteria_set=lead.criteria_set).order_by("-at", "-pk").first()
    if before is None:  # judged before judgements were kept
        before = record(lead, judge(lead, at=at), by=by, at=at)
    judgement = judge(lead, at=at, criteria_set=in_force)
    after = record(lead, judgement, by=by, at=at)
    Lead.objects.filter(pk=lead.pk).update(criteria_set=in_force, updated_at=at)
    LeadEvent.objects.record(
        lead,
        LeadEvent.Kind.JUDGED,
        by=by,
        at=at,
        criteria_version=in_force.version,
        before_version=lead.criteria_set.version,
        is_met=after.is_met,
        was_met=before.is_met,
    )
    return before, after


MOST_AT_ONCE = 50  # leads judged again in one request


def judged_before(version: CriteriaSet, *, at: datetime.datetime) -> list[Lead]:
    """Leads in marketing's hands that were judged by an earlier version where this one is in force now."""
    leads = Lead.objects.filter(stage__in=WITH_MARKETING, criteria_set__isnull=False).exclude(criteria_set=version)
    if version.product is not None:
        leads = leads.filter(product=version.product)
    else:  # products that have criteria of their own aren't judged by the general ones
        leads = leads.exclude(product__in=CriteriaSet.objects.with_own(at))
    if CriteriaSet.objects.in_force(at, version.product) != version:
        return []
    found = leads.select_related("contact__company", "campaign__channel", "product", "criteria_set__product")
    return list(found.order_by("-pk")[:MOST_AT_ONCE])


def compared(version: CriteriaSet, leads: list[Lead]) -> list[tuple[Lead, Judgement, Judgement]]:
    """Each lead with what its own version says of it now, and what `version` would. Nothing is changed."""
    sets = {each.pk: each for each in CriteriaSet.objects.prefetch_related("criteria")}
    known = of_leads(leads)
    return [
        (
            lead,
            judge_known(sets[lead.criteria_set_id or 0], known[lead.pk]),
            judge_known(sets[version.pk], known[lead.pk]),
        )
        for lead in leads
    ]


class NotJudged(Exception):
    """There is no judgement that could be repeated; the text says why."""


def record(lead: Lead, judgement: Judgement, *, by: User | None, at: datetime.datetime) -> LeadJudgement:
    """Keep what a version said of a lead, beside what was said before."""
    assert judgement.criteria_set is not None
    return LeadJudgement.objects.create(
        lead=lead,
        criteria_set=judgement.criteria_set,
        at=at,
        by=by,
        is_met=judgement.is_met,
        points=judgement.points,
        answers={row.criterion.key: row.value for row in judgement.rows},
    )


def explained(judgement: Judgement) -> list[tuple[Answered, str]]:
    """Each criterion with the sentence of its rule, or nothing where a person is asked."""
    known = fields_of(row.criterion for row in judgement.rows)
    return [(row, sentence(row.criterion.rule, known)) for row in judgement.rows]


@transaction.atomic
def put_in_force(
    criteria: list[dict],
    *,
    threshold: int,
    note: str,
    by: User | None,
    at: datetime.datetime,
    product: Product | None = None,
) -> CriteriaSet:
    """Make the next version at once, in force from `at`: for the defaults. People go through a round of approval.

    `criteria` are dicts with key, text, is_required, weight and perhaps rule, in their order. Earlier versions stay as
    they are. Raises NotAllowed.
    """
    if not access.may(by, access.DECIDE_CRITERIA):
        raise access.NotAllowed(_("Only the director puts criteria in force."))
    list(CriteriaSet.objects.select_for_update())  # two at once wait here
    last = CriteriaSet.objects.filter(product=product).order_by("-version").first()
    made = CriteriaSet.objects.create(
        product=product,
        version=last.version + 1 if last else 1,
        threshold=threshold,
        note=note,
        created_by=by,
        in_force_at=at,
    )
    Criterion.objects.bulk_create(
        Criterion(criteria_set=made, position=position, **row) for position, row in enumerate(criteria)
    )
    return made
