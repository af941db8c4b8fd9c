"""What is counted, and how it is kept: one literal list of measures, and one set-based statement for each.

A measure says which rows it counts, on which day of the organisation, for whom, and what it sums. `rebuild_all` writes
every fact anew; `recompute` only the days that something touched since the last time. Both give the same facts, and
`manage.py check_kpi` proves them against a naive count.
"""

import dataclasses
import datetime
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Q, QuerySet, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, TruncDate
from django.utils import timezone

from accounts.models import Organisation
from kpi.models import Fact, Reckoning
from leads.models import Campaign, Expense, Lead, LeadEvent, Stage
from leads.models.leads import ASIDE, FUNNEL, RESPONSE_KEPT
from pipeline.models import Handoff, Opportunity, Payment, PlannedPayment

# A cohort's numerator counts what was reached within so many days. Longer than the longest sale that was ever seen
# (427 days in the Olist funnel), and short where the agreement asks for days.
HORIZON_DAYS = {
    (Stage.NEW, Stage.CONTACTED): 60,
    (Stage.CONTACTED, Stage.BRIEFED): 60,
    (Stage.BRIEFED, Stage.QUALIFIED): 60,
    (Stage.QUALIFIED, Stage.HANDED_OVER): 60,
    (Stage.HANDED_OVER, Stage.IN_WORK): 60,
    (Stage.IN_WORK, Stage.ACCEPTED): 60,
    (Stage.ACCEPTED, Stage.DEMO): 365,
    (Stage.DEMO, Stage.PROPOSAL): 365,
    (Stage.PROPOSAL, Stage.CONTRACT): 365,
    (Stage.CONTRACT, Stage.WON): 365,
    (Stage.HANDED_OVER, Stage.ACCEPTED): 60,
    (Stage.QUALIFIED, Stage.ACCEPTED): 548,
    (Stage.NEW, Stage.WON): 548,
}
REACH_HORIZON_DAYS = 365

# Changes committed late by a long transaction are older than they look; no task runs longer than this.
OVERLAP = datetime.timedelta(hours=1)
# Beyond so many scattered days one full rebuild is cheaper.
MOST_DAYS = 400
DAYS_AT_ONCE = 50
_VALUE = Fact._meta.get_field("value")


@dataclasses.dataclass(frozen=True)
class Source:
    """The rows that a measure counts, and the paths from them to a lead, campaign, product and person."""

    rows: Callable[[], QuerySet]
    campaign: str
    product: str | None = None
    person: str | None = None
    lead: str | None = None


LEAD = Source(Lead.objects.counted, "campaign", "product", "owner", lead="pk")
REMOVED_LEAD = dataclasses.replace(LEAD, rows=lambda: Lead.objects.filter(stage=Stage.REMOVED))
LEAD_OF_CAMPAIGN = Source(Lead.objects.counted, "campaign", lead="pk")
HANDOFF = Source(Handoff.objects.all, "lead__campaign", "lead__product", "assigned_to", lead="lead")
OPPORTUNITY = Source(Opportunity.objects.all, "lead__campaign", "product", "owner", lead="lead")
OPENED = dataclasses.replace(OPPORTUNITY, rows=Opportunity.objects.of_known_opening)
FIRST_WON = dataclasses.replace(OPPORTUNITY, rows=Opportunity.objects.first_of_clients)
PAYMENT = Source(
    Payment.objects.valid,
    "opportunity__lead__campaign",
    "opportunity__product",
    "opportunity__owner",
    lead="opportunity__lead",
)
PLAN = dataclasses.replace(PAYMENT, rows=PlannedPayment.objects.owed)
EXPENSE = Source(Expense.objects.valid, "campaign")
CAMPAIGN = Source(Campaign.objects.all, "pk")


@dataclasses.dataclass(frozen=True)
class Measure:
    """One thing that is counted.

    `on` is the column whose day it is counted on; `only` narrows the rows; `sums` is what `Fact.value` adds up.
    `reached` and `within` make it a cohort measure: of the rows counted on that day, those that reached another column
    at most so many days later (or, in faulty data, earlier). `falls_due`: counted once that moment has passed.
    """

    slug: str
    source: Source
    on: str
    only: Q = dataclasses.field(default_factory=Q)
    sums: str | Combinable | None = None
    reached: str | None = None
    within: int | None = None
    falls_due: bool = False

    @property
    def by_person(self) -> bool:
        """Kept by product and person, too; spend and reach belong to a campaign alone."""
        return self.source.person is not None

    @property
    def on_date(self) -> bool:
        return self.on.endswith("_on")

    def day(self, organisation: Organisation) -> Combinable:
        return F(self.on) if self.on_date else TruncDate(self.on, tzinfo=organisation.tzinfo)

    def rows(self, organisation: Organisation, at: datetime.datetime) -> QuerySet:
        rows = self.source.rows().filter(self.only, **{f"{self.on}__isnull": False})
        if self.falls_due:
            rows = rows.filter(**{f"{self.on}__lte": at})
        if self.reached is not None:
            reached = TruncDate(self.reached, tzinfo=organisation.tzinfo) if self.on_date else F(self.reached)
            rows = rows.filter(**{f"{self.reached}__isnull": False}).alias(reached_on=reached)
            rows = rows.filter(reached_on__lte=F(self.on) + datetime.timedelta(days=self.within or 0))
        return rows


def _stage(stage: Stage) -> Measure:
    return Measure("leads" if stage is Stage.NEW else stage.value, LEAD, stage.reached_field)


def cohort_slug(start: Stage, end: Stage) -> str:
    return f"{start.value}>{end.value}"


_STOPPED_IN_TIME = Q(first_contact_at__lte=F("first_contact_due_at")) | Q(
    first_contact_at__isnull=True, decided_at__lte=F("first_contact_due_at")
)
_KNOWN_COST = Q(margin__isnull=False, amount__isnull=False)

MEASURES: list[Measure] = [
    # Leads by the day they first reached a stage; they belong to their owner in marketing.
    *(_stage(stage) for stage in FUNNEL),
    *(_stage(stage) for stage in ASIDE),
    Measure("removed", REMOVED_LEAD, "removed_at"),
    Measure("nurtured", LEAD, "nurtured_at"),
    Measure("recycled", LEAD, "recycled_at"),
    # Cohorts: counted on the day of the first stage.
    *(
        Measure(cohort_slug(start, end), LEAD, start.reached_field, reached=end.reached_field, within=within)
        for (start, end), within in HORIZON_DAYS.items()
    ),
    # Marketing's own speed, where it was measured, and its clock, which counts on the day it falls due.
    Measure("responses", LEAD, "contacted_at", Q(response_seconds__isnull=False)),
    Measure("timed_briefs", LEAD, "briefed_at", Q(brief_seconds__isnull=False)),
    Measure("response_due", LEAD, "response_due_at", falls_due=True),
    Measure("response_kept", LEAD, "response_due_at", RESPONSE_KEPT, falls_due=True),
    # Handoffs, clocks and verdicts belong to the rep. A clock counts on the day it falls due, once that has passed.
    Measure("handoffs", HANDOFF, "handed_over_at"),
    Measure("acceptances", HANDOFF, "decided_at", Q(verdict=Handoff.Verdict.ACCEPTED)),
    Measure("rejections", HANDOFF, "decided_at", Q(verdict=Handoff.Verdict.REJECTED)),
    Measure("first_contact_due", HANDOFF, "first_contact_due_at", falls_due=True),
    Measure("first_contact_kept", HANDOFF, "first_contact_due_at", _STOPPED_IN_TIME, falls_due=True),
    Measure("verdict_due", HANDOFF, "verdict_due_at", falls_due=True),
    Measure("verdict_kept", HANDOFF, "verdict_due_at", Q(decided_at__lte=F("verdict_due_at")), falls_due=True),
    # Opportunities belong to their owner. An imported deal whose opening isn't known has no opening day to count on.
    Measure("opportunities", OPENED, "opened_at", sums="amount"),
    Measure("demos", OPPORTUNITY, "demo_at"),
    Measure("proposals", OPPORTUNITY, "proposal_at"),
    Measure("contracts", OPPORTUNITY, "contract_at"),
    Measure("deals", OPPORTUNITY, "won_at", sums="amount"),
    Measure("margin", OPPORTUNITY, "won_at", Q(margin__isnull=False), sums="margin"),
    Measure("deals_with_cost", OPPORTUNITY, "won_at", _KNOWN_COST, sums="amount"),
    Measure("cost_of_sales", OPPORTUNITY, "won_at", _KNOWN_COST, sums=F("amount") - F("margin")),
    Measure("lost_deals", OPPORTUNITY, "lost_at", sums="amount"),
    Measure("new_clients", FIRST_WON, "won_at"),
    # A lead's own deals: a repeat purchase has no road of its own from the first contact.
    Measure("first_deals", OPPORTUNITY, "won_at", Q(repeats__isnull=True)),
    Measure("repeat_purchases", OPPORTUNITY, "won_at", Q(repeats__isnull=False), sums="amount"),
    Measure("timed_proposals", OPPORTUNITY, "proposal_at", Q(proposal_seconds__isnull=False)),
    Measure("timed_contracts", OPPORTUNITY, "contract_at", Q(contract_seconds__isnull=False)),
    Measure("payments", PAYMENT, "paid_on", sums="amount"),
    # What clients agreed to pay, on the day that it is due, and what of it is paid.
    Measure("planned_payments", PLAN, "due_on", sums="amount"),
    Measure("planned_paid", PLAN, "due_on", sums="paid"),
    # Spend, reach and what came of it belong to the campaign; reach counts on its first day.
    Measure("spend", EXPENSE, "spent_on", sums="amount"),
    Measure("impressions", CAMPAIGN, "starts_on", Q(impressions__isnull=False), sums="impressions"),
    Measure("visits", CAMPAIGN, "starts_on", Q(visits__isnull=False), sums="visits"),
    Measure("participants", CAMPAIGN, "starts_on", Q(participants__isnull=False), sums="participants"),
    Measure("leads_of_reach", LEAD_OF_CAMPAIGN, "registered_at", Q(campaign__impressions__isnull=False)),
    Measure("mqls_of_participants", LEAD_OF_CAMPAIGN, "qualified_at", Q(campaign__participants__isnull=False)),
    Measure(
        "impressions>leads",
        LEAD_OF_CAMPAIGN,
        "campaign__starts_on",
        Q(campaign__impressions__isnull=False),
        reached="registered_at",
        within=REACH_HORIZON_DAYS,
    ),
    Measure(
        "participants>mqls",
        LEAD_OF_CAMPAIGN,
        "campaign__starts_on",
        Q(campaign__participants__isnull=False),
        reached="qualified_at",
        within=REACH_HORIZON_DAYS,
    ),
]
MEASURE = {measure.slug: measure for measure in MEASURES}


def _basis(organisation: Organisation) -> str:
    """Changes when facts kept so far mean something else than facts written now."""
    definition = repr([(m.slug, m.on, m.only, m.reached, m.within) for m in MEASURES])
    return f"{organisation.time_zone} {hashlib.sha256(definition.encode()).hexdigest()[:16]}"


def midnight(day: datetime.date, organisation: Organisation) -> datetime.datetime:
    """When `day` begins for the organisation."""
    return datetime.datetime.combine(day, datetime.time(), organisation.tzinfo)


def _in_days(measure: Measure, days: list[datetime.date], organisation: Organisation) -> Q:
    """The rows that `measure` counts on any of `days`, by ranges that its index serves."""
    one_day = datetime.timedelta(days=1)
    ranges: list[tuple[datetime.date, datetime.date]] = []
    for day in days:
        if ranges and ranges[-1][1] == day:
            ranges[-1] = (ranges[-1][0], day + one_day)
        else:
            ranges.append((day, day + one_day))
    condition = Q(pk__in=[])
    for start, end in ranges:
        low, high = (start, end) if measure.on_date else (midnight(start, organisation), midnight(end, organisation))
        condition |= Q(**{f"{measure.on}__gte": low, f"{measure.on}__lt": high})
    return condition


_INSERT = """
    INSERT INTO kpi_fact (measure, day, campaign_id, product_id, person_id, count, value)
    SELECT %s, f_day, f_campaign, f_product, f_person, f_count, f_value FROM ({}) grouped
"""


def _insert(measure: Measure, rows: QuerySet, organisation: Organisation) -> None:
    """Group `rows` and write their facts in one statement."""
    nothing = Cast(Value(None), Fact._meta.get_field("count"))
    total = Coalesce(Sum(measure.sums), Value(0), output_field=_VALUE) if measure.sums else Value(0, _VALUE)
    source = measure.source
    grouped = (
        rows.annotate(
            f_day=measure.day(organisation),
            f_campaign=F(source.campaign),
            f_product=F(source.product) if source.product else nothing,
            f_person=F(source.person) if source.person else nothing,
        )
        .order_by()
        .values("f_day", "f_campaign", "f_product", "f_person")
        .annotate(f_count=Count("*"), f_value=total)
    )
    sql, params = grouped.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT.format(sql), [measure.slug, *params])


def _lock() -> Reckoning:
    """The row that says how far facts are reckoned, nobody else's until the transaction ends."""
    Reckoning.objects.get_or_create(pk=1)
    return Reckoning.objects.select_for_update().get(pk=1)


def reckoned_at() -> datetime.datetime | None:
    """Up to when the facts are reckoned; None before the first time."""
    return Reckoning.objects.filter(pk=1).values_list("at", flat=True).first()


@transaction.atomic
def rebuild_all(at: datetime.datetime) -> None:
    """Write every fact anew, as things stand at `at`."""
    reckoning, organisation = _lock(), Organisation.current()
    Fact.objects.all().delete()
    for measure in MEASURES:
        _insert(measure, measure.rows(organisation, at), organisation)
    reckoning.at, reckoning.basis = at, _basis(organisation)
    reckoning.save()


def _rebuild(measures: Iterable[Measure], days: set[datetime.date], at: datetime.datetime) -> None:
    organisation, ordered = Organisation.current(), sorted(days)
    for start in range(0, len(ordered), DAYS_AT_ONCE):
        some = ordered[start : start + DAYS_AT_ONCE]
        Fact.objects.filter(day__in=some, measure__in=[m.slug for m in measures]).delete()
        for measure in measures:
            _insert(measure, measure.rows(organisation, at).filter(_in_days(measure, some, organisation)), organisation)


@transaction.atomic
def rebuild(days: set[datetime.date], at: datetime.datetime) -> None:
    """Write the facts of `days` anew. How far everything is reckoned doesn't change by that."""
    _lock()
    _rebuild(MEASURES, days, at)


def touched_leads(since: datetime.datetime) -> QuerySet:
    """Ids of the leads that were changed, or had something added or changed that belongs to them."""
    return (
        Lead.objects.filter(updated_at__gte=since)
        .values("pk")
        .order_by()
        .union(
            LeadEvent.objects.filter(recorded_at__gte=since).values("lead"),
            Handoff.objects.filter(updated_at__gte=since).values("lead"),
            Opportunity.objects.filter(updated_at__gte=since).values("lead"),
            Payment.objects.filter(recorded_at__gte=since).order_by().values("opportunity__lead"),
        )
    )


def touched_days(since: datetime.datetime, at: datetime.datetime) -> set[datetime.date]:
    """Days whose counts of leads, handoffs and deals may have changed between `since` and `at`.

    Where a touched lead stands now gives its new days, and its log, which keeps every date it ever had, the old ones.
    A clock falls due without anything being touched, so the days in between belong to them, too.
    """
    organisation = Organisation.current()
    today, first = at.astimezone(organisation.tzinfo).date(), since.astimezone(organisation.tzinfo).date()
    days = {first + datetime.timedelta(days=n) for n in range((today - first).days + 1)}
    touched = touched_leads(since)
    sources: set[Any] = {(m.source.rows().model, m.source.lead, m.on, m.on_date) for m in MEASURES if m.source.lead}
    for model, lead, on, on_date in [*sources, (LeadEvent, "lead", "at", False)]:
        day = F(on) if on_date else TruncDate(on, tzinfo=organisation.tzinfo)
        rows = model.objects.filter(**{f"{lead}__in": touched, f"{on}__isnull": False})
        days.update(rows.order_by().values_list(day, flat=True).distinct())
    days.update(_days_moved_from(since, organisation))
    # An instalment that was moved or taken away leaves its old day; the log says which.
    planned = LeadEvent.objects.filter(kind=LeadEvent.Kind.EDITED, recorded_at__gte=since, data__has_key="due_days")
    for data in planned.values_list("data", flat=True):
        days.update(datetime.date.fromisoformat(day) for day in data["due_days"])
    # A new first deal of a client takes that place from a later one.
    contacts = Lead.objects.filter(pk__in=touched, won_at__isnull=False).values("contact")
    won = Opportunity.objects.won().filter(lead__contact__in=contacts)
    days.update(won.values_list(TruncDate("won_at", tzinfo=organisation.tzinfo), flat=True).distinct())
    return days


def _days_moved_from(since: datetime.datetime, organisation: Organisation) -> Iterable[datetime.date]:
    """Days on which clocks were due that have been moved since, by a pause or with a new rep."""
    kinds = [LeadEvent.Kind.PAUSED, LeadEvent.Kind.RESUMED, LeadEvent.Kind.REASSIGNED, LeadEvent.Kind.TAKEN]
    events = LeadEvent.objects.filter(recorded_at__gte=since, kind__in=kinds, data__has_key="due_before")
    for data in events.values_list("data", flat=True):
        for due in data["due_before"].values():
            yield datetime.datetime.fromisoformat(due).astimezone(organisation.tzinfo).date()


def campaigns_touched(since: datetime.datetime) -> bool:
    """Whether spend or reach may have changed: they are few, so all of their days are rebuilt then."""
    return (
        Expense.objects.filter(updated_at__gte=since).exists()
        or Campaign.objects.filter(updated_at__gte=since).exists()
    )


@transaction.atomic
def recompute(at: datetime.datetime | None = None) -> int | None:
    """Bring the facts up to `at`: rebuild what was touched since the last time, however long ago that was.

    Returns how many days were rebuilt, or None when everything was: the first time, after a change of the
    organisation's time zone or of the measures, and when that is cheaper.
    """
    at = at or timezone.now()
    reckoning, organisation = _lock(), Organisation.current()
    if reckoning.at is None or reckoning.basis != _basis(organisation):
        rebuild_all(at)
        return None
    since = min(reckoning.at, at) - OVERLAP
    days = touched_days(since, at)
    if len(days) > MOST_DAYS:
        rebuild_all(at)
        return None
    of_leads = [m for m in MEASURES if m.source.lead]
    if campaigns_touched(since):
        of_campaigns = [m for m in MEASURES if not m.by_person]
        of_leads = [m for m in of_leads if m.by_person]
        Fact.objects.filter(measure__in=[m.slug for m in of_campaigns]).delete()
        for measure in of_campaigns:
            _insert(measure, measure.rows(organisation, at), organisation)
    _rebuild(of_leads, days, at)
    reckoning.at = at
    reckoning.save()
    return len(days)
