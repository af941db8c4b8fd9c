"""The catalogue: every metric once, in the order in which people read them (SPEC section 5 gives the formulas)."""

import dataclasses
import enum
from decimal import Decimal
from itertools import pairwise

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from kpi.facts import MEASURE, cohort_slug
from leads.models import Stage
from leads.models.leads import ASIDE, FUNNEL


class Unit(enum.StrEnum):
    COUNT = "count"
    PERCENT = "percent"
    MONEY = "money"
    DAYS = "days"
    HOURS = "hours"
    MULTIPLE = "multiple"


class Direction(enum.StrEnum):
    """Which way is better."""

    UP = "up"
    DOWN = "down"
    NEITHER = "neither"


@dataclasses.dataclass(frozen=True)
class Term:
    """A measure's count or total, added or taken away."""

    measure: str
    is_total: bool = False
    sign: int = 1


def count(measure: str) -> tuple[Term, ...]:
    return (Term(measure),)


def total(measure: str) -> tuple[Term, ...]:
    return (Term(measure, is_total=True),)


def less_total(measure: str) -> tuple[Term, ...]:
    return (Term(measure, is_total=True, sign=-1),)


# What a measure comes to in a scope: how often, and how much.
Sums = dict[str, tuple[int, Decimal]]


@dataclasses.dataclass(frozen=True)
class Metric:
    """One figure that people look at.

    Without a denominator the value is the numerator. `cohort` names the cohort measure that replaces the numerator of a
    rate in cohort mode. `needs` names a measure without which nothing is known: where no spend is recorded there is no
    cost per lead, not a cost of 0. `of_known` is a pair: where the second was counted and the first never, the value isn't known.
    """

    slug: str
    name: str | Promise
    unit: Unit
    better: Direction
    numerator: tuple[Term, ...]
    definition: str | Promise
    denominator: tuple[Term, ...] = ()
    cohort: str = ""
    needs: str = ""
    of_known: tuple[str, str] | None = None
    family: str = ""
    from_rows: bool = False
    met_at: Decimal | None = None

    @property
    def horizon_days(self) -> int | None:
        """Within how many days a cohort may still get there; None where the metric counts events."""
        return MEASURE[self.cohort].within if self.cohort else None

    @property
    def measures(self) -> set[str]:
        """All that must be summed up to reckon it, in either mode."""
        slugs = {term.measure for term in self.numerator + self.denominator}
        return slugs | {slug for slug in (self.cohort, self.needs, *(self.of_known or ())) if slug}

    @property
    def by_person(self) -> bool:
        """Whether it can be split by product, person and team; spend and reach are kept per campaign."""
        return all(MEASURE[slug].by_person for slug in self.measures)

    def top(self, *, cohort: bool) -> tuple[Term, ...]:
        return count(self.cohort) if cohort and self.cohort else self.numerator

    def figure(self, sums: Sums, *, cohort: bool, is_mature: bool = True) -> "Figure":
        """What `sums` come to."""
        if self.needs and not sums.get(self.needs, (0, 0))[0]:
            return Figure(self, None, None, None)
        top = _come_to(self.top(cohort=cohort), sums)
        bottom = _come_to(self.denominator, sums) if self.denominator else None
        if self.of_known and sums.get(self.of_known[1], (0, 0))[0] and not sums.get(self.of_known[0], (0, 0))[0]:
            return Figure(self, None, bottom, None)
        return Figure(self, top, bottom, self._value(top, bottom), is_mature or not (cohort and self.cohort))

    def _value(self, top: Decimal, bottom: Decimal | None) -> Decimal | None:
        if bottom is None:
            return top
        if not bottom:
            return None
        if self.unit is Unit.PERCENT:
            return (100 * top / bottom).quantize(Decimal("0.0001"))
        return (top / bottom).quantize(Decimal("0.01" if self.unit is Unit.MONEY else "0.0001"))


@dataclasses.dataclass(frozen=True)
class Figure:
    """A metric's value in one scope. None is “no data”, never 0. A cohort younger than its horizon isn't mature."""

    metric: Metric
    numerator: Decimal | None
    denominator: Decimal | None
    value: Decimal | None
    is_mature: bool = True

    @property
    def is_met(self) -> bool | None:
        """Whether the rule that the metric names is met; None where it names none or nothing is known."""
        return None if self.metric.met_at is None or self.value is None else self.value >= self.metric.met_at


def plain(number: Decimal | None) -> int | float | None:
    """A figure as JSON and CSV have it."""
    if number is None:
        return None
    return int(number) if number == number.to_integral_value() else float(number)


def _come_to(terms: tuple[Term, ...], sums: Sums) -> Decimal:
    return sum((term.sign * Decimal(sums.get(term.measure, (0, 0))[term.is_total]) for term in terms), Decimal(0))


UP, DOWN, NEITHER = Direction.UP, Direction.DOWN, Direction.NEITHER

_STAGE_NAMES = {
    Stage.NEW: _("Leads"),
    Stage.CONTACTED: _("Contacted"),
    Stage.BRIEFED: _("Briefed"),
    Stage.QUALIFIED: _("Qualified (MQL)"),
    Stage.HANDED_OVER: _("Handed over"),
    Stage.IN_WORK: _("In work with sales"),
    Stage.ACCEPTED: _("Accepted (SAL)"),
    Stage.DEMO: _("Reached a demo"),
    Stage.PROPOSAL: _("Reached a proposal"),
    Stage.CONTRACT: _("Reached a contract"),
    Stage.WON: _("Won"),
    Stage.WARM: _("Kept warm"),
    Stage.RETURNED: _("Returned by sales"),
    Stage.REFERRED: _("Referred to a partner"),
    Stage.LOST: _("Lost"),
}
_STAGE_DEFINITION = _(
    "Leads that first reached this stage in the period. A lead that was removed before it was handed over isn't counted."
)


def _stage_count(stage: Stage) -> Metric:
    slug = "leads" if stage is Stage.NEW else stage.value
    better = DOWN if stage in (Stage.RETURNED, Stage.LOST) else NEITHER if stage in (Stage.WARM, Stage.REFERRED) else UP
    return Metric(slug, _STAGE_NAMES[stage], Unit.COUNT, better, count(slug), _STAGE_DEFINITION, family="stage_count")


def _stage_conversion(start: Stage, end: Stage) -> Metric:
    return Metric(
        f"stage_conversion_{start.value}_to_{end.value}",
        format_lazy("{} → {}", _STAGE_NAMES[start], _STAGE_NAMES[end]),
        Unit.PERCENT,
        UP,
        count(end.value),
        _(
            "Of the leads that reached the first stage, the share that reached the next. A lost or rejected lead stays "
            "in the denominator of every stage that it reached."
        ),
        count("leads" if start is Stage.NEW else start.value),
        cohort=cohort_slug(start, end),
        family="stage_conversion",
    )


def _cost(slug: str, name: Promise, of: str, of_name: Promise) -> Metric:
    return Metric(
        slug,
        name,
        Unit.MONEY,
        DOWN,
        total("spend"),
        format_lazy(
            _("Expenses of the period divided by {of} of the period. Without recorded expenses there is no data."),
            of=of_name,
        ),
        count(of),
        needs="spend",
    )


METRICS: list[Metric] = [
    *(_stage_count(stage) for stage in [*FUNNEL, *ASIDE]),
    Metric(
        "nurtured",
        _("MQLs from nurture"),
        Unit.COUNT,
        UP,
        count("nurtured"),
        _(
            "Warm leads that became MQL in the period after a nurture plan had sent them a mail or had a task done for them."
        ),
    ),
    Metric(
        "recycled",
        _("Came back"),
        Unit.COUNT,
        UP,
        count("recycled"),
        _("Leads that were lost, or warm for long, and were interested again for the first time in the period."),
    ),
    Metric(
        "removed",
        _("Removed"),
        Unit.COUNT,
        DOWN,
        count("removed"),
        _("Leads that were taken out in the period, with a reason, and are out now."),
    ),
    # --- Conversion
    Metric(
        "reach_to_lead",
        _("Reach conversion"),
        Unit.PERCENT,
        UP,
        count("leads_of_reach"),
        _(
            "Leads of campaigns whose impressions are known, divided by the impressions. For a mass audience the norm is "
            "5–10 %, for a targeted one 20–30 %. Impressions count on the campaign's first day."
        ),
        total("impressions"),
        cohort="impressions>leads",
    ),
    Metric(
        "participant_to_mql",
        _("Rule of ten: participants to MQL"),
        Unit.PERCENT,
        UP,
        count("mqls_of_participants"),
        _(
            "MQLs of campaigns whose participants are known, divided by the participants. The norm is 10 %. "
            "Participants count on the campaign's first day."
        ),
        total("participants"),
        cohort="participants>mqls",
    ),
    Metric(
        "mql_to_opportunity",
        _("Rule of ten: MQL to opportunity"),
        Unit.PERCENT,
        UP,
        count("accepted"),
        _("Opportunities (leads that sales accepted) divided by MQLs. The norm is 10 %."),
        count("qualified"),
        cohort=cohort_slug(Stage.QUALIFIED, Stage.ACCEPTED),
    ),
    Metric(
        "brief_rate",
        _("Brief rate"),
        Unit.PERCENT,
        UP,
        count("briefed"),
        _("Leads with a brief divided by leads that marketing contacted for the first time."),
        count("contacted"),
        cohort=cohort_slug(Stage.CONTACTED, Stage.BRIEFED),
    ),
    Metric(
        "lead_quality",
        _("Lead quality (SAL rate)"),
        Unit.PERCENT,
        UP,
        count("accepted"),
        _("Leads that sales accepted divided by leads handed over to sales."),
        count("handed_over"),
        cohort=cohort_slug(Stage.HANDED_OVER, Stage.ACCEPTED),
    ),
    Metric(
        "lead_to_won",
        _("Lead to sale"),
        Unit.PERCENT,
        UP,
        count("won"),
        _("Leads that bought divided by leads. The norm for inbound applications is 60–70 %."),
        count("leads"),
        cohort=cohort_slug(Stage.NEW, Stage.WON),
    ),
    *(_stage_conversion(start, end) for start, end in pairwise(FUNNEL)),
    # --- Cost
    Metric("spend", _("Spend"), Unit.MONEY, NEITHER, total("spend"), _("Recorded expenses, less the withdrawn ones.")),
    _cost("cost_per_lead", _("Cost per lead (CPL)"), "leads", _("leads")),
    _cost("cost_per_mql", _("Cost per MQL"), "qualified", _("MQLs")),
    _cost("cost_per_sal", _("Cost per SAL"), "accepted", _("accepted leads")),
    _cost("cost_per_opportunity", _("Cost per opportunity"), "opportunities", _("opportunities opened")),
    _cost("acquisition_cost", _("Cost per new client (CAC)"), "new_clients", _("new clients")),
    Metric(
        "roi_margin_multiple",
        _("ROI, margin rule"),
        Unit.MULTIPLE,
        UP,
        total("margin"),
        _(
            "Margin of the deals won in the period divided by the marketing expenses of the period; 10 times or more "
            "meets the rule. Deals whose margin isn't known add nothing."
        ),
        total("spend"),
        of_known=("margin", "deals"),
        met_at=Decimal(10),
    ),
    Metric(
        "roi_investment",
        _("ROI, investment"),
        Unit.MULTIPLE,
        UP,
        total("deals_with_cost") + less_total("cost_of_sales"),
        _(
            "Revenue of the deals won in the period less their cost of sales, divided by the marketing expenses of the "
            "period; below 10 doesn't pay back. Deals whose cost of sales isn't known are left out."
        ),
        total("spend"),
        of_known=("cost_of_sales", "deals"),
        met_at=Decimal(10),
    ),
    Metric(
        "return_on_spend",
        _("Return on spend"),
        Unit.PERCENT,
        UP,
        total("deals") + less_total("spend"),
        _("Value of the deals won in the period less the marketing expenses of the period, divided by the expenses."),
        total("spend"),
    ),
    # --- Marketing's own clock, sales and its clocks
    *(
        Metric(
            slug,
            name,
            Unit.HOURS,
            DOWN,
            (),
            _(
                "Working hours from a lead's registration to marketing's first contact, in whole minutes, of the first "
                "contacts of the period. Imported history isn't measured."
            ),
            count("responses"),
            family="first_response_time",
            from_rows=True,
        )
        for slug, name in [
            ("first_response_time", _("First response, median")),
            ("first_response_time_p90", _("First response, 90 % within")),
        ]
    ),
    Metric(
        "first_response_time_kept",
        _("First response in time"),
        Unit.PERCENT,
        UP,
        count("response_kept"),
        _(
            "Of marketing's first contacts that fell due in the period, up to now, the share that was made in time. "
            "A lead that was qualified or referred before then needs no call."
        ),
        count("response_due"),
        family="first_response_time",
    ),
    *(
        Metric(
            slug,
            name,
            Unit.HOURS,
            DOWN,
            (),
            _(
                "Working hours from a lead's registration to its first brief, in whole minutes, of the briefs of the "
                "period. Imported history isn't measured."
            ),
            count("timed_briefs"),
            family="brief_time",
            from_rows=True,
        )
        for slug, name in [("brief_time", _("Brief, median")), ("brief_time_p90", _("Brief, 90 % within"))]
    ),
    Metric(
        "brief_time_kept",
        _("Brief in time"),
        Unit.PERCENT,
        UP,
        (),
        _(
            "Of the first briefs of the period whose time was measured, the share that took no longer than the agreement "
            "in force at the lead's registration allows."
        ),
        count("timed_briefs"),
        family="brief_time",
        from_rows=True,
    ),
    Metric(
        "sla_first_contact",
        _("First contact in time"),
        Unit.PERCENT,
        UP,
        count("first_contact_kept"),
        _(
            "Of the first contacts that fell due in the period, up to now, the share that was made in time. "
            "A verdict without a contact stops this clock, too."
        ),
        count("first_contact_due"),
    ),
    Metric(
        "sla_verdict",
        _("Verdict in time"),
        Unit.PERCENT,
        UP,
        count("verdict_kept"),
        _("Of the verdicts that fell due in the period, up to now, the share that was given in time."),
        count("verdict_due"),
    ),
    Metric(
        "handoffs", _("Handoffs"), Unit.COUNT, UP, count("handoffs"), _("Handings-over to sales, repeated ones too.")
    ),
    Metric(
        "refusals",
        _("Rejected by sales"),
        Unit.PERCENT,
        DOWN,
        count("rejections"),
        _("Rejections divided by all verdicts given in the period."),
        count("rejections") + count("acceptances"),
    ),
    Metric(
        "opportunities",
        _("Opportunities opened"),
        Unit.COUNT,
        UP,
        count("opportunities"),
        _("Opportunities opened in the period, where the day of opening is known."),
    ),
    Metric("demos", _("Demos"), Unit.COUNT, UP, count("demos"), _("Opportunities whose first demo was in the period.")),
    Metric(
        "proposals",
        _("Proposals"),
        Unit.COUNT,
        UP,
        count("proposals"),
        _("Opportunities whose first proposal was sent in the period."),
    ),
    Metric(
        "contracts",
        _("Contracts"),
        Unit.COUNT,
        UP,
        count("contracts"),
        _("Opportunities whose contract was sent in the period."),
    ),
    Metric("deals", _("Deals won"), Unit.COUNT, UP, count("deals"), _("Opportunities won in the period.")),
    Metric(
        "won_value",
        _("Value of deals won"),
        Unit.MONEY,
        UP,
        total("deals"),
        _("Amounts of the deals won in the period."),
    ),
    Metric("margin", _("Margin"), Unit.MONEY, UP, total("margin"), _("Known margins of the deals won in the period.")),
    Metric(
        "lost_deals", _("Deals lost"), Unit.COUNT, DOWN, count("lost_deals"), _("Opportunities lost in the period.")
    ),
    Metric(
        "win_rate",
        _("Win rate"),
        Unit.PERCENT,
        UP,
        count("deals"),
        _("Deals won divided by deals closed, won or lost, in the period."),
        count("deals") + count("lost_deals"),
    ),
    Metric(
        "new_clients",
        _("New clients"),
        Unit.COUNT,
        UP,
        count("new_clients"),
        _("Contacts that bought for the first time in the period."),
    ),
    Metric(
        "repeat_purchases",
        _("Repeat purchases"),
        Unit.COUNT,
        UP,
        count("repeat_purchases"),
        _("Opportunities won in the period that clients opened by buying again."),
    ),
    *(
        Metric(
            slug,
            name,
            Unit.HOURS,
            DOWN,
            (),
            _(
                "Working hours from the client's asking to the sending, in whole minutes, of what was sent in the period. "
                "Where nobody noted when it was asked for, it isn't measured."
            ),
            count(measure),
            family=family,
            from_rows=True,
        )
        for family, measure, names in [
            ("proposal_time", "timed_proposals", (_("Proposal, median"), _("Proposal, 90 % within"))),
            ("contract_time", "timed_contracts", (_("Contract, median"), _("Contract, 90 % within"))),
        ]
        for slug, name in zip((family, f"{family}_p90"), names, strict=True)
    ),
    Metric("payments", _("Payments"), Unit.MONEY, UP, total("payments"), _("Money received in the period.")),
    Metric(
        "average_payment",
        _("Average payment"),
        Unit.MONEY,
        UP,
        total("payments"),
        _("Money received in the period divided by the number of payments."),
        count("payments"),
    ),
    Metric(
        "payment_plan_fulfilment",
        _("Payment plan kept"),
        Unit.PERCENT,
        UP,
        total("planned_paid"),
        _(
            "Of what won clients agreed to pay in the period, the part that is paid by now. "
            "Payments fill each plan in order of its days."
        ),
        total("planned_payments"),
    ),
    # --- Speed, reckoned from the deals themselves: medians don't add up
    *(
        Metric(
            slug,
            name,
            Unit.DAYS,
            DOWN,
            (),
            _(
                "Days from the first contact (met, else registered) to the deal, of deals won in the period. "
                "Repeat purchases aren't measured."
            ),
            count("first_deals"),
            family="sales_cycle",
            from_rows=True,
        )
        for slug, name in [
            ("sales_cycle", _("Sales cycle, median")),
            ("sales_cycle_mean", _("Sales cycle, mean")),
            ("sales_cycle_p90", _("Sales cycle, 90 % within")),
        ]
    ),
]
METRIC = {metric.slug: metric for metric in METRICS}


def chosen(names: list[str]) -> list[Metric]:
    """The metrics of these slugs or families, in the order asked for. Raises KeyError with an unknown name."""
    metrics = [
        m for name in names for m in ([METRIC[name]] if name in METRIC else [m for m in METRICS if m.family == name])
    ]
    for name in names:
        if name not in METRIC and not any(m.family == name for m in METRICS):
            raise KeyError(name)
    return list(dict.fromkeys(metrics))
