"""The week of marketing and sales, this one beside the last: what the Monday meeting looks at."""

import dataclasses
import datetime
from collections.abc import Iterable
from decimal import Decimal
from urllib.parse import urlencode

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from accounts.models import Organisation, User
from leads.models import Channel, Lead, LeadEvent, Reason, Stage
from leads.models.leads import ASIDE, FUNNEL, SELLING, LeadEventQuerySet
from pipeline.models import Handoff, Opportunity
from pipeline.models.handoffs import HandoffQuerySet
from pipeline.sla import Clock

ONE_WEEK = datetime.timedelta(days=7)
MOST_NAMED = 40  # a meeting doesn't read more names than these; the number beside opens all


@dataclasses.dataclass(frozen=True)
class Week:
    """Monday to Sunday of the organisation."""

    monday: datetime.date
    zone: datetime.tzinfo

    @classmethod
    def of(cls, day: datetime.date) -> "Week":
        return cls(day - datetime.timedelta(days=day.weekday()), Organisation.current().tzinfo)

    @property
    def sunday(self) -> datetime.date:
        return self.monday + datetime.timedelta(days=6)

    @property
    def number(self) -> int:
        return self.monday.isocalendar().week

    @property
    def start(self) -> datetime.datetime:
        return datetime.datetime.combine(self.monday, datetime.time(), self.zone)

    @property
    def end(self) -> datetime.datetime:
        """The moment that the week ends before."""
        return datetime.datetime.combine(self.monday + ONE_WEEK, datetime.time(), self.zone)

    @property
    def before(self) -> "Week":
        return Week(self.monday - ONE_WEEK, self.zone)

    @property
    def after(self) -> "Week":
        return Week(self.monday + ONE_WEEK, self.zone)

    def holds(self, moment: str) -> Q:
        return Q(**{f"{moment}__gte": self.start, f"{moment}__lt": self.end})

    def address(self, name: str, period: str = "", **filters: object) -> str:
        """The list that shows what happened in this week; `period` names its pair of days."""
        days = {f"{period}_from" if period else "from": self.monday, f"{period}_to" if period else "to": self.sunday}
        return f"{reverse(name)}?{urlencode({**filters, **days})}"


@dataclasses.dataclass(frozen=True)
class Compared:
    """One number of the week beside last week's, each with the address of its records."""

    label: str | Promise
    now: int
    before: int
    url: str
    url_before: str
    worth: Decimal | None = None
    fewer_is_better: bool = False

    @property
    def change(self) -> int:
        return self.now - self.before

    @property
    def is_better(self) -> bool | None:
        return None if not self.change else (self.change < 0) == self.fewer_is_better


@dataclasses.dataclass(frozen=True)
class Overdue:
    """How many clocks were overdue, with the address of their handoffs where it is now, and whose they are."""

    clocks: list[tuple[str | Promise, int, str]]
    reps: list[tuple[User, list[dict]]]
    not_named: int
    paused: int | None  # how many stand still now; None for a week that is over


LEADS, HANDOFFS, DEALS = "leads:lead_list", "pipeline:handoff_list", "pipeline:opportunity_list"


class Review:
    """All parts of one week's page, for one reader, as things stand at `at`. Each part is a query or two."""

    def __init__(self, week: Week, user: User, at: datetime.datetime) -> None:
        self.week, self.before, self.at = week, week.before, at
        self.leads = Lead.objects.visible_to(user)
        self.handoffs = Handoff.objects.visible_to(user)
        self.events = LeadEvent.objects.visible_to(user)
        self.opportunities = Opportunity.objects.visible_to(user)
        # An ended week is looked at from its end, the one that runs from now.
        self.closes_at = min(at, week.end)

    def _two_weeks(self, rows: QuerySet, moment: str) -> QuerySet:
        return rows.filter(**{f"{moment}__gte": self.before.start, f"{moment}__lt": self.week.end})

    def _count(self, rows: QuerySet, moment: str, amount: str = "") -> dict:
        totals = {"worth": Sum(amount, filter=self.week.holds(moment))} if amount else {}
        return self._two_weeks(rows, moment).aggregate(
            now=Count("pk", filter=self.week.holds(moment)),
            before=Count("pk", filter=self.before.holds(moment)),
            **totals,
        )

    def headline(self) -> list[Compared]:
        rows = [
            (gettext_lazy("New leads"), self.leads.counted(), "registered_at", LEADS, "", {"reached": Stage.NEW.value}),
            (pgettext_lazy("leads", "Handed over"), self.handoffs, "handed_over_at", HANDOFFS, "handed_over", {}),
            (gettext_lazy("First contacts"), self.handoffs, "first_contact_at", HANDOFFS, "contacted", {}),
            (
                gettext_lazy("Accepted"),
                self._verdicts("accepted"),
                "decided_at",
                HANDOFFS,
                "decided",
                {"verdict": "accepted"},
            ),
            (
                gettext_lazy("Rejected"),
                self._verdicts("rejected"),
                "decided_at",
                HANDOFFS,
                "decided",
                {"verdict": "rejected"},
            ),
            (gettext_lazy("Deals won"), self.opportunities, "won_at", DEALS, "won", {}),
        ]
        return [
            Compared(
                label,
                url=self.week.address(name, period, **filters),
                url_before=self.before.address(name, period, **filters),
                fewer_is_better=filters.get("verdict") == "rejected",
                **self._count(found, moment, "amount" if name == DEALS else ""),
            )
            for label, found, moment, name, period, filters in rows
        ]

    def _verdicts(self, verdict: str) -> HandoffQuerySet:
        return self.handoffs.filter(verdict=verdict)

    def channels(self) -> list[Compared]:
        """New leads by channel, most first."""
        counts = self._split(self.leads.counted(), "registered_at", "campaign__channel")
        names = Channel.objects.in_bulk(counts)
        return sorted(
            (
                Compared(
                    str(names[pk]),
                    *both,
                    self.week.address(LEADS, reached=Stage.NEW.value, channel=pk),
                    self.before.address(LEADS, reached=Stage.NEW.value, channel=pk),
                )
                for pk, both in counts.items()
            ),
            key=lambda row: (-row.now, -row.before, str(row.label)),
        )

    def rejections(self) -> list[Compared]:
        """Verdicts against, by reason, commonest first."""
        counts = self._split(self._verdicts("rejected"), "decided_at", "reason")
        names = Reason.objects.in_bulk(counts)
        return sorted(
            (
                Compared(
                    str(names[pk]),
                    *both,
                    self.week.address(HANDOFFS, "decided", verdict="rejected", reason=pk),
                    self.before.address(HANDOFFS, "decided", verdict="rejected", reason=pk),
                    fewer_is_better=True,
                )
                for pk, both in counts.items()
            ),
            key=lambda row: (-row.now, -row.before, str(row.label)),
        )

    def _split(self, rows: QuerySet, moment: str, by: str) -> dict[int, tuple[int, int]]:
        found = self._two_weeks(rows, moment).order_by().values(group=F(by))
        found = found.annotate(
            now=Count("pk", filter=self.week.holds(moment)), before=Count("pk", filter=self.before.holds(moment))
        )
        return {row["group"]: (row["now"], row["before"]) for row in found}

    def _late(self, clock: Clock) -> Q:
        """That `clock` was past due and still running when the week closed."""
        stopped = "decided_at" if clock == Clock.VERDICT else "contacted"
        running = Q(**{f"{stopped}__isnull": True}) | Q(**{f"{stopped}__gte": self.closes_at})
        return running & Q(**{f"{clock}_due_at__lt": self.closes_at})

    def overdue(self) -> "Overdue":
        """Whose clocks were past due when the week closed, by rep and the longest first."""
        undecided = Q(decided_at__isnull=True) | Q(decided_at__gte=self.closes_at)
        handoffs = self.handoffs.filter(undecided).annotate(contacted=Coalesce("first_contact_at", "decided_at"))
        late = handoffs.filter(self._late(Clock.FIRST_CONTACT) | self._late(Clock.VERDICT))
        counts = late.aggregate(
            all=Count("pk"), **{clock.value: Count("pk", filter=self._late(clock)) for clock in Clock}
        )
        by_rep: dict[User, list[dict]] = {}
        # Few ids first: joining what a row shows to all that are late would cost more than finding them.
        named = list(late.order_by("verdict_due_at", "pk").values_list("pk", flat=True)[:MOST_NAMED])
        for handoff in Handoff.objects.filter(pk__in=named).for_list().order_by("verdict_due_at", "pk"):
            contact_due, contacted_at = handoff.first_contact_due_at, handoff.first_contact_stopped_at
            waits = contacted_at is None or contacted_at >= self.closes_at
            clock = Clock.FIRST_CONTACT if waits and contact_due < self.closes_at else Clock.VERDICT
            days = (self.closes_at - getattr(handoff, f"{clock}_due_at")).days
            by_rep.setdefault(handoff.assigned_to, []).append({"handoff": handoff, "clock": clock.label, "days": days})
        is_now = self.closes_at == self.at
        return Overdue(
            clocks=[
                (
                    clock.label,
                    counts[clock],
                    f"{reverse(HANDOFFS)}?{urlencode({'clock': clock, 'state': 'overdue'})}" if is_now else "",
                )
                for clock in Clock
            ],
            reps=sorted(by_rep.items(), key=lambda item: (-len(item[1]), str(item[0]))),
            not_named=max(0, counts["all"] - MOST_NAMED),
            paused=self.handoffs.paused(self.at).count() if is_now else None,
        )

    def movement(self) -> list[dict]:
        """Each stage's comings and goings in the week, with sums where leads are worth money, and who stands there now."""
        moves = self.events.movements(self.week.start, self.week.end)

        def leads_by(column: str) -> dict[str, int]:
            counted = moves.order_by().values(column).annotate(n=Count("lead", distinct=True))
            return {row[column]: row["n"] for row in counted}

        entered, left, worth = leads_by("to_stage"), leads_by("from_stage"), self._worth(moves)
        return [
            {
                "stage": stage,
                "entered": entered.get(stage, 0),
                "left": left.get(stage, 0),
                "entered_worth": worth.get(f"entered_{stage}"),
                "left_worth": worth.get(f"left_{stage}"),
                "entered_url": self.week.address(LEADS, entered=stage.value),
                "left_url": self.week.address(LEADS, left=stage.value),
            }
            for stage in [*FUNNEL, *ASIDE, Stage.REMOVED]
            if stage in entered or stage in left
        ]

    def _worth(self, moves: LeadEventQuerySet) -> dict[str, Decimal]:
        """Amounts of the opportunities that came to and went from each selling stage, each counted once."""
        deals = moves.filter(Q(to_stage__in=[*SELLING, Stage.WON, Stage.LOST]) | Q(from_stage__in=SELLING))
        # A repeat purchase moves by itself: its lead's steps aren't its own.
        own = Q(lead__opportunities__amount__isnull=False, lead__opportunities__repeats__isnull=True)
        moved = deals.filter(own).order_by().distinct()
        columns = ("from_stage", "to_stage", "lead__opportunities", "lead__opportunities__amount")
        counted: set[tuple[str, int]] = set()
        worth: dict[str, Decimal] = {}
        for from_stage, to_stage, opportunity, amount in moved.values_list(*columns):
            for step in (f"entered_{to_stage}", f"left_{from_stage}"):
                if (step, opportunity) not in counted:
                    counted.add((step, opportunity))
                    worth[step] = worth.get(step, Decimal(0)) + amount
        return worth

    def pipeline(self) -> dict:
        """Selling from the week's start to its close: what was open, came in, was won and lost, and stays open."""
        week, closes_at = self.week, self.closes_at
        steps = [
            (
                "open_before",
                _("Open at the start"),
                self.opportunities.open_at(week.start),
                self._open_url(week.monday),
            ),
            (
                "opened",
                pgettext("deals", "Opened"),
                self.opportunities.of_known_opening().filter(week.holds("opened_at")),
                week.address(DEALS, "opened"),
            ),
            (
                "won",
                pgettext("deals", "Won"),
                self.opportunities.filter(week.holds("won_at")),
                week.address(DEALS, "won"),
            ),
            (
                "lost",
                pgettext("deals", "Lost"),
                self.opportunities.filter(week.holds("lost_at")),
                week.address(DEALS, "lost"),
            ),
            (
                "open_after",
                _("Open at the close"),
                self.opportunities.open_at(closes_at),
                self._open_url(self._morning_after),
            ),
        ]
        return {
            key: {"label": label, "url": url, **rows.aggregate(n=Count("pk"), amount=Sum("amount"))}
            for key, label, rows, url in steps
        }

    @property
    def _morning_after(self) -> datetime.date:
        return self.closes_at.astimezone(self.week.zone).date() + datetime.timedelta(
            days=self.closes_at < self.week.end
        )

    def _open_url(self, day: datetime.date) -> str:
        return f"{reverse(DEALS)}?{urlencode({'open_on': day})}"

    def returned(self) -> Iterable[Handoff]:
        return (
            self._verdicts("rejected")
            .filter(self.week.holds("decided_at"))
            .for_list()
            .order_by("-decided_at", "-pk")[:MOST_NAMED]
        )

    def removed(self) -> Iterable[Lead]:
        """Leads that were taken out in the week and are out now, each with the name of `removed_by`."""
        rows = self.leads.filter(self.week.holds("removed_at"), stage=Stage.REMOVED)
        removals = self.events.filter(lead=OuterRef("pk"), kind=LeadEvent.Kind.REMOVED).order_by("-pk")
        rows = rows.annotate(removed_by=Subquery(removals.values("actor__name")[:1]))
        return rows.for_list().select_related("removal_reason").order_by("-removed_at", "-pk")[:MOST_NAMED]

    @property
    def removed_url(self) -> str:
        return self.week.address(LEADS, reached=Stage.REMOVED.value)

    @property
    def returned_url(self) -> str:
        return self.week.address(HANDOFFS, "decided", verdict="rejected")
