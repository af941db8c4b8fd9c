"""Whose numbers, of which days, narrowed to what: the one place that applies visibility, dates and filters to figures."""

import dataclasses
import datetime
import enum
from collections.abc import Collection, Iterable
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlencode

from django.db.models import Count, ExpressionWrapper, F, Model, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields import DurationField
from django.db.models.functions import Coalesce, TruncDate, TruncMonth
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Organisation, Team, User
from kpi.facts import HANDOFF, LEAD, MEASURE, OPPORTUNITY, REMOVED_LEAD, Source, midnight
from kpi.metrics import METRIC, Figure, Metric, Sums, Term
from kpi.models import Fact
from leads.models import Campaign, Channel, Lead, Product, Stage
from leads.normalise import FIRST_DAY, LAST_DAY
from pipeline.models import Agreement, Handoff
from pipeline.models.handoffs import HandoffQuerySet
from pipeline.sla import Clock

Choice = int | Literal["none"] | None
Group = int | datetime.date | None


class Mode(enum.StrEnum):
    COHORT = "cohort"
    CALENDAR = "calendar"


# By what figures are split and narrowed: the path of a fact, and the model that names the groups.
SPLITS: dict[str, tuple[str, type[Model]]] = {
    "channel": ("campaign__channel", Channel),
    "campaign": ("campaign", Campaign),
    "product": ("product", Product),
    "owner": ("person", User),
    "team": ("person__team", Team),
}
SPLIT_NAMES = {
    "channel": gettext_lazy("Channel"),
    "campaign": gettext_lazy("Campaign"),
    "product": gettext_lazy("Product"),
    "owner": gettext_lazy("Person"),
    "team": gettext_lazy("Team"),
}
DEFAULT_PERIOD = datetime.timedelta(days=89)
# What spend and reach aren't kept by.
BY_PERSON = ("product", "owner", "team")


@dataclasses.dataclass(frozen=True)
class Scope:
    """The period is whole days of the organisation, both ends included. Filters are ids, or “none” for “has none”.

    `user` None is the system, which sees everything.
    """

    user: User | None
    start: datetime.date
    end: datetime.date
    mode: Mode = Mode.COHORT
    channel: Choice = None
    campaign: Choice = None
    product: Choice = None
    owner: Choice = None
    team: Choice = None

    @cached_property
    def organisation(self) -> Organisation:
        return Organisation.current()

    def narrow(self, **changes: Any) -> "Scope":
        return dataclasses.replace(self, **changes)

    def into(self, by: str, group: Group) -> "Scope":
        """The scope of one group of a split."""
        return self.narrow(**{by: "none" if group is None else group})

    @property
    def filters(self) -> dict[str, int | Literal["none"]]:
        return {name: getattr(self, name) for name in SPLITS if getattr(self, name) is not None}

    @property
    def is_by_person(self) -> bool:
        return any(name in self.filters for name in BY_PERSON)

    def _narrowed(self, paths: dict[str, str]) -> Q:
        """The filters as conditions on `paths`. A channel's campaigns and a team's people are looked up first: knowing
        these few ids, the database reads them from the index instead of joining everything."""
        narrowed = Q()
        for name, choice in self.filters.items():
            if choice == "none":
                narrowed &= Q(**{f"{paths[name]}__isnull": True})
            elif name == "channel":
                narrowed &= Q(**{f"{paths['campaign']}__in": self._campaigns_of(choice)})
            elif name == "team":
                narrowed &= Q(**{f"{paths['owner']}__in": self._members_of(choice)})
            else:
                narrowed &= Q(**{paths[name]: choice})
        return narrowed

    def _campaigns_of(self, channel: int) -> list[int]:
        return list(Campaign.objects.filter(channel=channel).values_list("pk", flat=True))

    def _members_of(self, team: int) -> list[int]:
        return list(User.objects.filter(team=team).values_list("pk", flat=True))

    def _visible(self, rows: Any) -> Any:
        return rows if self.user is None else rows.visible_to(self.user)

    # --- What is counted

    def facts(self) -> QuerySet[Fact]:
        return self._visible(Fact.objects.all()).filter(
            self._narrowed({name: path for name, (path, _model) in SPLITS.items()}),
            day__gte=self.start,
            day__lte=self.end,
        )

    def rows(self, source: Source, on: str) -> QuerySet:
        """The rows of `source` themselves whose moment `on` is in the period, as they are now."""
        return self._visible(source.rows()).filter(
            self._narrowed(split_paths(source)),
            **{
                f"{on}__gte": midnight(self.start, self.organisation),
                f"{on}__lt": midnight(self.end + datetime.timedelta(days=1), self.organisation),
            },
        )

    def handoffs(self) -> HandoffQuerySet:
        """All handoffs that the filters let through, of any day."""
        return self._visible(Handoff.objects.all()).filter(self._narrowed(split_paths(HANDOFF)))

    def untouched_now(self, by: str) -> dict[Group, int]:
        """How many leads nobody of marketing called in time, at this moment, by group; whatever the period."""
        leads = self._visible(Lead.objects.all()).untouched(timezone.now()).filter(self._narrowed(split_paths(LEAD)))
        rows = leads.order_by().values(group=F(split_paths(LEAD)[by])).annotate(n=Count("pk"))
        return {row["group"]: row["n"] for row in rows}

    def sums(self, measures: Iterable[str], by: str | None = None) -> dict[Group, Sums]:
        """What `measures` come to, for all (under None) or for each group of a split. One query."""
        path = TruncMonth("day") if by == "month" else F(SPLITS[by][0]) if by else None
        facts: Any = self.facts().filter(measure__in=measures)
        facts = facts.annotate(group=path).values("group", "measure") if path is not None else facts.values("measure")
        groups: dict[Group, Sums] = {}
        for row in facts.annotate(n=Sum("count"), sum=Sum("value")).order_by():
            groups.setdefault(row.get("group"), {})[row["measure"]] = (row["n"], row["sum"])
        return groups

    # --- What it comes to

    def figures(self, metrics: list[Metric], by: str | None = None) -> dict[Group, dict[str, Figure]]:
        """Each metric's figure by its slug, for all (under None) or for each group where anything was counted."""
        groups = self.sums({slug for m in metrics for slug in m.measures}, by)
        if by is None:
            groups = {None: groups.get(None, {})}
        from_rows = self._from_rows(metrics, by) if by != "month" else {}
        today = timezone.localtime(timezone=self.organisation.tzinfo).date()
        unsplit = self.is_by_person or by in BY_PERSON
        result: dict[Group, dict[str, Figure]] = {}
        for group, sums in groups.items():
            end = _end_of_month(group) if isinstance(group, datetime.date) else self.end
            figures = result[group] = {}
            for metric in metrics:
                if metric.from_rows:
                    figures[metric.slug] = from_rows.get((group, metric.slug), Figure(metric, None, None, None))
                elif unsplit and not metric.by_person:
                    figures[metric.slug] = Figure(metric, None, None, None)
                else:
                    horizon = datetime.timedelta(days=metric.horizon_days or 0)
                    figures[metric.slug] = metric.figure(
                        sums, cohort=self.mode is Mode.COHORT, is_mature=end + horizon < today
                    )
        return result

    def listed(self, metrics: list[Metric], by: str | None = None) -> list[tuple[str, Figure]]:
        """Name of the group (“all” without a split) and figure, by name; groups with nothing to tell are left out."""
        groups = self.figures(metrics, by)
        called: dict[Group, str] = group_names(by, groups) if by else {None: "all"}
        return [
            (called.get(group, str(group)), figure)
            for group in sorted(groups, key=lambda group: called.get(group, str(group)))
            if by is None or any(figure.numerator or figure.denominator for figure in groups[group].values())
            for figure in groups[group].values()
        ]

    def _from_rows(self, metrics: list[Metric], by: str | None) -> dict[tuple[Group, str], Figure]:
        """Those of `metrics` that are reckoned from the rows themselves: medians don't add up."""
        found: dict[tuple[Group, str], Figure] = {}
        families = {metric.family for metric in metrics if metric.from_rows}
        if "sales_cycle" in families:
            for group, figures in self._sales_cycles(by).items():
                found |= {(group, slug): figure for slug, figure in figures.items()}
        for family, (source, on, seconds) in _SPEEDS.items():
            if family not in families:
                continue
            for group, histogram in self._minutes(source, on, seconds, by).items():
                number = Decimal(sum(histogram.values()))
                for slug, part in ((family, Decimal("0.5")), (f"{family}_p90", Decimal("0.9"))):
                    hours = (_percentile(histogram, part) / 60).quantize(Decimal("0.0001"))
                    found[group, slug] = Figure(METRIC[slug], None, number, hours)
        if "brief_time" in families:
            found |= self._briefs_in_time(by)
        return found

    def _minutes(self, source: Source, on: str, seconds: str, by: str | None) -> dict[Group, dict[int, int]]:
        """How many rows took how many whole minutes of working time, by group."""
        rows = self.rows(source, on).filter(**{f"{seconds}__isnull": False})
        group = {"group": F(split_paths(source)[by])} if by else {}
        rows = rows.annotate(minutes=F(seconds) / 60, **group).order_by()
        histograms: dict[Group, dict[int, int]] = {}
        for row in rows.values("minutes", *group).annotate(n=Count("*")):
            histograms.setdefault(row.get("group"), {})[row["minutes"]] = row["n"]
        return histograms

    def _briefs_in_time(self, by: str | None) -> dict[tuple[Group, str], Figure]:
        """The share of briefs within the limit of the agreement that was in force when the lead was registered."""
        agreed = Agreement.objects.filter(in_force_at__lte=OuterRef("registered_at")).order_by(
            "-in_force_at", "-version"
        )
        group = {"group": F(split_paths(LEAD)[by])} if by else {}
        rows = (
            self.rows(LEAD, "briefed_at")
            .filter(brief_seconds__isnull=False)
            .annotate(hours=Subquery(agreed.values("brief_hours")[:1]), **group)
            .order_by()
            .values("hours", "brief_seconds", *group)
        )
        counts: dict[Group, list[int]] = {}
        for row in rows.annotate(n=Count("*")):
            of_group = counts.setdefault(row.get("group"), [0, 0])
            of_group[0] += row["n"]
            of_group[1] += row["n"] if row["brief_seconds"] <= (row["hours"] or 0) * 3600 else 0
        metric = METRIC["brief_time_kept"]
        return {
            (group, metric.slug): Figure(
                metric, Decimal(kept), Decimal(n), (100 * Decimal(kept) / n).quantize(Decimal("0.0001"))
            )
            for group, (n, kept) in counts.items()
        }

    def _sales_cycles(self, by: str | None) -> dict[Group, dict[str, Figure]]:
        """Median, mean and 90th percentile of days from the first contact to the deal, from a histogram of days."""
        from_met = _days_from_met(self.organisation.tzinfo)
        rows = (
            self.rows(OPPORTUNITY, "won_at")
            .filter(repeats__isnull=True)
            .annotate(days=from_met)
            .filter(days__isnull=False)
        )
        group = {"group": F(split_paths(OPPORTUNITY)[by])} if by else {}
        histograms: dict[Group, dict[int, int]] = {}
        for row in rows.annotate(**group).order_by().values("days", *group).annotate(n=Count("*")):
            histograms.setdefault(row.get("group"), {})[row["days"].days] = row["n"]
        return {key: _cycle_figures(histogram) for key, histogram in histograms.items()}

    def refusals(self) -> list["Refusal"]:
        """Why leads were refused in the period, at each step, commonest reason first; reckoned from the rows.

        Marketing refuses by removing a lead: its shares are of the period's leads, removed ones included, that weren't
        handed over. Sales refuses by a verdict: of all verdicts. Selling ends in a loss: of all
        closed deals.
        """
        not_passed = Q(handed_over_at__isnull=True) | Q(stage=Stage.REMOVED)
        everyone = dataclasses.replace(LEAD, rows=Lead.objects.all)
        steps = [
            ("marketing", REMOVED_LEAD, "removed_at", "removal_reason", Q()),
            ("verdict", HANDOFF, "decided_at", "reason", Q(verdict="rejected")),
            ("selling", OPPORTUNITY, "lost_at", "lost_reason", Q(stage=Stage.LOST)),
        ]
        of = {
            "marketing": self.rows(everyone, "registered_at").filter(not_passed).count(),
            "verdict": self.rows(HANDOFF, "decided_at").count(),
            "selling": self.rows(OPPORTUNITY, "lost_at").count() + self.rows(OPPORTUNITY, "won_at").count(),
        }
        return [
            Refusal(step, row["said"], row["pk_of_reason"], row["n"], of[step])
            for step, source, on, reason, only in steps
            for row in self.rows(source, on)
            .filter(only)
            .order_by()
            .values(pk_of_reason=F(reason), said=F(f"{reason}__text"))
            .annotate(n=Count("*"))
            .order_by("-n", "said")
        ]

    # --- Where the records are

    def url(self, measure: str, **more: object) -> str:
        """The list that shows the very records that `measure` counts in this scope; "" where no list can."""
        name, params = _records(measure)
        query: dict[str, object] = {}
        for key, value in params.items():
            if value is PERIOD:
                query |= dict(
                    zip((f"{key}_from", f"{key}_to") if key else ("from", "to"), (self.start, self.end), strict=True)
                )
            else:
                query[key] = value
        return self._address(name, query | more) if name else ""

    def url_of(self, terms: tuple[Term, ...]) -> str:
        """The list of the records that all of `terms` count together; of sums, that of the first."""
        measures = "+".join(term.measure for term in terms)
        return self.url(measures if measures in _RECORDS else terms[0].measure) if terms else ""

    def _address(self, name: str, query: dict[str, object]) -> str:
        names = _FILTER_NAMES[name]
        if any(split not in names for split in self.filters):
            return ""
        narrowed = {names[split]: choice for split, choice in self.filters.items()}
        return f"{reverse(name)}?{urlencode(query | narrowed)}"

    def refusal_url(self, refusal: "Refusal") -> str:
        if refusal.step == "marketing":
            return self.url("removed", removal_reason=refusal.reason)
        if refusal.step == "verdict":
            return self.url("rejections", reason=refusal.reason)
        return self.url("lost_deals", lost_reason=refusal.reason)

    def untouched_url(self) -> str:
        """The leads that marketing should have called by now, whatever the period."""
        return self._address(_LEADS, {"response": "overdue"})

    def overdue_url(self, clock: Clock) -> str:
        """The handoffs whose clock is overdue now, whatever the period."""
        return self._address(_HANDOFFS, {"clock": clock.value, "state": "overdue"})

    def paused_url(self) -> str:
        """The handoffs whose clocks are paused now, whatever the period."""
        return self._address(_HANDOFFS, {"state": "paused"})

    def params(self, **changes: object) -> str:
        """This scope as a query string, with some parts changed; None takes a part away."""
        parts = {"from": self.start, "to": self.end, "mode": self.mode, **self.filters, **changes}
        return urlencode({key: value for key, value in parts.items() if value is not None})


@dataclasses.dataclass(frozen=True)
class Refusal:
    step: str
    text: str
    reason: int
    count: int
    of: int


class BadParameter(ValueError):
    """A name or value in an address that means nothing here; the text says which."""


def read_scope(params: QueryDict, user: User, *, also: Collection[str] = ()) -> Scope:
    """The scope that an address asks for; the last 90 days by default. `also` are names that the page itself knows.

    Raises BadParameter with an unknown name or a value that is none.
    """
    for name in params:
        if name not in {"from", "to", "mode", *SPLITS, *also}:
            raise BadParameter(name)
    today = timezone.localtime(timezone=Organisation.current().tzinfo).date()
    end = _read_day(params, "to") or today
    start = _read_day(params, "from") or end - DEFAULT_PERIOD
    choices = {name: _read_choice(params, name) for name in SPLITS}
    mode = params.get("mode") or Mode.COHORT
    if mode not in list(Mode):
        raise BadParameter("mode")
    return Scope(user=user, start=min(start, end), end=max(start, end), mode=Mode(mode), **choices)


def _read_day(params: QueryDict, name: str) -> datetime.date | None:
    text = params.get(name, "")
    try:
        day = datetime.date.fromisoformat(text) if text else None
    except ValueError:
        raise BadParameter(name) from None
    if day and not FIRST_DAY <= day <= LAST_DAY:
        raise BadParameter(name)
    return day


def _read_choice(params: QueryDict, name: str) -> Choice:
    text = params.get(name, "")
    if not text:
        return None
    if text == "none":
        return "none"
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadParameter(name)
    return int(text)


def split_paths(source: Source) -> dict[str, str]:
    """Where a row of `source` keeps what figures are split by."""
    return {
        "channel": f"{source.campaign}__channel",
        "campaign": source.campaign,
        "product": source.product or "",
        "owner": source.person or "",
        "team": f"{source.person}__team",
    }


def group_names(by: str, groups: Iterable[Group]) -> dict[Group, str]:
    """What the groups of a split are called. One query."""
    keys = [key for key in groups if key is not None]
    return {None: _("none"), **{row.pk: str(row) for row in SPLITS[by][1]._default_manager.filter(pk__in=keys)}}


# --- The lists that show what was counted

PERIOD = object()
_LEADS, _HANDOFFS, _DEALS, _PAYMENTS, _PLAN, _EXPENSES, _CAMPAIGNS = (
    "leads:lead_list",
    "pipeline:handoff_list",
    "pipeline:opportunity_list",
    "pipeline:payment_list",
    "pipeline:plan_list",
    "leads:expense_list",
    "leads:campaign_list",
)
_FILTER_NAMES = {
    _LEADS: {name: name for name in SPLITS},
    _HANDOFFS: {name: "rep" if name == "owner" else name for name in SPLITS},
    _DEALS: {name: name for name in SPLITS},
    _PAYMENTS: {name: name for name in SPLITS},
    _PLAN: {name: name for name in SPLITS},
    _EXPENSES: {"channel": "channel", "campaign": "campaign"},
    _CAMPAIGNS: {"channel": "channel"},
}
_RECORDS: dict[str, tuple[str, dict[str, object]]] = {
    "leads": (_LEADS, {"reached": Stage.NEW.value, "": PERIOD}),
    "nurtured": (_LEADS, {"nurtured": PERIOD}),
    "recycled": (_LEADS, {"recycled": PERIOD}),
    "responses": (_LEADS, {"reached": Stage.CONTACTED.value, "": PERIOD, "response": "measured"}),
    "timed_briefs": (_LEADS, {"reached": Stage.BRIEFED.value, "": PERIOD, "response": "briefed"}),
    "response_due": (_LEADS, {"response": "due", "due": PERIOD}),
    "response_kept": (_LEADS, {"response": "kept", "due": PERIOD}),
    "handoffs": (_HANDOFFS, {"handed_over": PERIOD}),
    "acceptances": (_HANDOFFS, {"verdict": "accepted", "decided": PERIOD}),
    "rejections": (_HANDOFFS, {"verdict": "rejected", "decided": PERIOD}),
    "rejections+acceptances": (_HANDOFFS, {"decided": PERIOD}),
    "first_contact_due": (_HANDOFFS, {"clock": "first_contact", "due": PERIOD}),
    "first_contact_kept": (_HANDOFFS, {"clock": "first_contact", "state": "kept", "due": PERIOD}),
    "verdict_due": (_HANDOFFS, {"clock": "verdict", "due": PERIOD}),
    "verdict_kept": (_HANDOFFS, {"clock": "verdict", "state": "kept", "due": PERIOD}),
    "opportunities": (_DEALS, {"opened": PERIOD}),
    "demos": (_DEALS, {"demo": PERIOD}),
    "proposals": (_DEALS, {"proposal": PERIOD}),
    "contracts": (_DEALS, {"contract": PERIOD}),
    "deals": (_DEALS, {"won": PERIOD}),
    "margin": (_DEALS, {"won": PERIOD}),
    "deals_with_cost": (_DEALS, {"won": PERIOD}),
    "cost_of_sales": (_DEALS, {"won": PERIOD}),
    "new_clients": (_DEALS, {"new_clients": 1, "won": PERIOD}),
    "lost_deals": (_DEALS, {"lost": PERIOD}),
    "deals+lost_deals": (_DEALS, {"closed": PERIOD}),
    "first_deals": (_DEALS, {"purchase": "first", "won": PERIOD}),
    "repeat_purchases": (_DEALS, {"purchase": "repeat", "won": PERIOD}),
    "timed_proposals": (_DEALS, {"asked": "proposal", "proposal": PERIOD}),
    "timed_contracts": (_DEALS, {"asked": "contract", "contract": PERIOD}),
    "payments": (_PAYMENTS, {"paid": PERIOD}),
    "planned_payments": (_PLAN, {"due": PERIOD}),
    "planned_paid": (_PLAN, {"due": PERIOD}),
    "spend": (_EXPENSES, {"": PERIOD}),
    "impressions": (_CAMPAIGNS, {"reach": "impressions", "starts": PERIOD}),
    "visits": (_CAMPAIGNS, {"reach": "visits", "starts": PERIOD}),
    "participants": (_CAMPAIGNS, {"reach": "participants", "starts": PERIOD}),
}


def _records(measure: str) -> tuple[str, dict[str, object]]:
    if measure in _RECORDS:
        return _RECORDS[measure]
    kept = MEASURE[measure]
    if kept.source not in (LEAD, REMOVED_LEAD):
        return "", {}
    start, _arrow, end = measure.partition(">")
    then = {"then": end, "within": kept.within} if end else {}
    return _LEADS, {"reached": start, "": PERIOD, **then}


# --- How long things took

# Family of metrics: whose rows, the column of the moment, and that of the seconds of working time that it took.
_SPEEDS = {
    "first_response_time": (LEAD, "contacted_at", "response_seconds"),
    "brief_time": (LEAD, "briefed_at", "brief_seconds"),
    "proposal_time": (OPPORTUNITY, "proposal_at", "proposal_seconds"),
    "contract_time": (OPPORTUNITY, "contract_at", "contract_seconds"),
}


def _days_from_met(zone: datetime.tzinfo) -> ExpressionWrapper:
    stages = [Stage.NEW, Stage.CONTACTED, Stage.QUALIFIED, Stage.HANDED_OVER, Stage.ACCEPTED]
    met = Coalesce("lead__met_on", *(TruncDate(f"lead__{stage.reached_field}", tzinfo=zone) for stage in stages))
    return ExpressionWrapper(TruncDate("won_at", tzinfo=zone) - met, DurationField())


def _percentile(histogram: dict[int, int], part: Decimal) -> Decimal:
    """The value below which `part` of all lies, between two neighbours by linear interpolation (as percentile_cont)."""
    place = part * (sum(histogram.values()) - 1)
    low = int(place)
    return _nth(histogram, low) + (place - low) * (_nth(histogram, low + (place > low)) - _nth(histogram, low))


def _nth(histogram: dict[int, int], place: int) -> int:
    passed = -1
    for value in sorted(histogram):
        passed += histogram[value]
        if passed >= place:
            return value
    raise IndexError(place)


def _cycle_figures(histogram: dict[int, int]) -> dict[str, Figure]:
    number = Decimal(sum(histogram.values()))
    days = Decimal(sum(value * n for value, n in histogram.items()))
    values = {
        "sales_cycle": (None, _percentile(histogram, Decimal("0.5"))),
        "sales_cycle_mean": (days, days / number),
        "sales_cycle_p90": (None, _percentile(histogram, Decimal("0.9"))),
    }
    return {
        slug: Figure(METRIC[slug], top, number, value.quantize(Decimal("0.0001")))
        for slug, (top, value) in values.items()
    }


def _end_of_month(first: datetime.date) -> datetime.date:
    return (first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1) - datetime.timedelta(days=1)
