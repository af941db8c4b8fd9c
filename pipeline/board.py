"""The board: opportunities by stage, and how each stands."""

import dataclasses
import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, Sum, Window
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.access import can_sell_for
from accounts.keyset import key_after
from accounts.models import Organisation, User
from leads.models import Stage
from leads.models.leads import SELLING
from pipeline.chances import Chance, Chances
from pipeline.models import Opportunity, SalesPipeline
from pipeline.models.opportunities import OPPORTUNITY_STAGES, OpportunityQuerySet

CARDS = 12  # of one column when the board opens
MORE_CARDS = 24  # that come at a time
CLOSED_DAYS = 30  # how long won and lost ones stay on the board
ORDER = ("-stage_at", "-pk")  # within a column: who came last is on top


@dataclasses.dataclass(frozen=True)
class Mark:
    """One thing that is neglected, as its badge says it. `level`: `overdue` or `soon`."""

    level: str
    icon: str
    text: str
    title: str = ""


@dataclasses.dataclass
class Standing:
    """How an opportunity stands at a moment: what its card, its row and its page say of it."""

    opportunity: Opportunity
    pipeline: SalesPipeline
    may_move: bool
    days: int
    days_over: int
    is_cold: bool
    today: datetime.date

    @cached_property
    def url(self) -> str:
        """Its page; the addresses of its steps begin so."""
        return reverse("pipeline:opportunity_detail", args=[self.opportunity.pk])

    @cached_property
    def name(self) -> str:
        return str(self.opportunity)

    @property
    def stage_day(self) -> datetime.date:
        return timezone.localdate(self.opportunity.stage_at)

    @property
    def days_here(self) -> str:
        return ngettext("%(days)s day here", "%(days)s days here", self.days) % {"days": self.days}

    @property
    def limit(self) -> int:
        return self.pipeline.most_days(Stage(self.opportunity.stage))

    @property
    def is_astray(self) -> bool:
        """Its product is sold by a way that has no such stage: it stays there until somebody moves it on."""
        return self.opportunity.is_open and self.opportunity.stage not in self.pipeline.stages

    @property
    def next_stages(self) -> list[Stage]:
        """Where it may be moved."""
        return [stage for stage in self.pipeline.stages if stage != self.opportunity.stage]

    @property
    def may_go_to(self) -> str:
        """The same for the page's script, with how it may end."""
        return " ".join([*(stage.value for stage in self.next_stages), Stage.WON.value, Stage.LOST.value])

    @cached_property
    def step_state(self) -> str:
        """Of the next step: `none`, `undated`, `overdue`, `soon` (today), or "" when it is to come or nothing is open."""
        opportunity = self.opportunity
        if not opportunity.is_open:
            return ""
        if opportunity.next_step_on is None:
            return "undated" if opportunity.next_step else "none"
        if opportunity.next_step_on == self.today:
            return "soon"
        return "overdue" if opportunity.next_step_on < self.today else ""

    @property
    def asks_for_step(self) -> bool:
        """Nobody knows what comes next, or it should have been done by now."""
        return self.step_state != ""

    @property
    def marks(self) -> list[Mark]:
        """What is neglected about it."""
        marks = []
        if over := self.days_over:
            usual = ngettext(
                "At most %(days)s day is usual in this stage",
                "At most %(days)s days are usual in this stage",
                self.limit,
            )
            text = ngettext("rotting: %(days)s day over", "rotting: %(days)s days over", over)
            marks.append(Mark("overdue", "archive-box-x-mark", text % {"days": over}, usual % {"days": self.limit}))
        if self.is_cold:
            marks.append(Mark("soon", "moon", _("cold"), _("Nobody has been in touch for too long")))
        if self.is_astray:
            title = _("“%(pipeline)s” has no such stage. Move it on.") % {"pipeline": self.pipeline}
            marks.append(Mark("soon", "arrow-right-circle", _("stage not of its pipeline"), title))
        if self.step_state == "none":
            marks.append(Mark("overdue", "question-mark-circle", _("no next step")))
        return marks


class Stander:
    """Says of each opportunity how it stands for `user` at `at`. Reads the pipelines once."""

    def __init__(self, user: User, at: datetime.datetime) -> None:
        self.user, self.at = user, at
        self.ways = SalesPipeline.objects.ways()
        self.today = timezone.localdate(at)

    @cached_property
    def chances(self) -> Chances:
        return Chances()

    def standing(self, opportunity: Opportunity) -> Standing:
        pipeline = self.ways.of(opportunity.product_id)
        return Standing(
            opportunity,
            pipeline,
            may_move=opportunity.is_open and can_sell_for(self.user, opportunity.owner),
            days=opportunity.days_in_stage(self.at),
            days_over=opportunity.days_over(self.at, pipeline),
            is_cold=opportunity.is_cold(self.at),
            today=self.today,
        )

    def chance(self, opportunity: Opportunity) -> Chance | None:
        """How likely it is won from where it stands; None when it is closed, or there is no data."""
        if not opportunity.is_open:
            return None
        return self.chances.of(self.ways.of(opportunity.product_id), Stage(opportunity.stage))


@dataclasses.dataclass
class Column:
    """One stage: all its opportunities in numbers, and the first cards."""

    stage: Stage
    is_left_out: bool  # the pipeline that is shown doesn't have it; some stand there all the same
    number: int = 0
    amount: Decimal | None = None
    weighted: Decimal | None = None  # what is known of the amount times the chance to win from here; None: no data
    is_part: bool = False  # of some of the amount nobody knows how likely it is won
    chance: Chance | None = None  # of the pipeline that is shown; None where several are
    cards: list[Standing] = dataclasses.field(default_factory=list)

    @property
    def is_closed(self) -> bool:
        return self.stage not in SELLING

    @property
    def more(self) -> int:
        return max(0, self.number - len(self.cards))

    @property
    def next_key(self) -> str:
        return key_after(self.cards[-1].opportunity, ORDER) if self.cards and self.more else ""

    def add(self, number: int, amount: Decimal | None, chance: Chance | None) -> None:
        self.number += number
        if amount is None:
            return
        self.amount = (self.amount or Decimal(0)) + amount
        if self.is_closed:
            return
        if chance is None:
            self.is_part = True
        else:
            self.weighted = (self.weighted or Decimal(0)) + (amount * chance.share).quantize(Decimal(1))


def closed_since(at: datetime.datetime) -> datetime.datetime:
    """From when on won and lost ones are on the board."""
    return at - datetime.timedelta(days=CLOSED_DAYS)


def first_closed_day(at: datetime.datetime) -> datetime.date:
    return timezone.localdate(closed_since(at), Organisation.current().tzinfo)


def on_board(opportunities: OpportunityQuerySet, at: datetime.datetime) -> OpportunityQuerySet:
    """Open ones, and those won or lost lately."""
    since = closed_since(at)
    return opportunities.filter(
        Q(stage__in=SELLING) | Q(stage=Stage.WON, won_at__gte=since) | Q(stage=Stage.LOST, lost_at__gte=since)
    )


def columns(shown: OpportunityQuerySet, stander: Stander, pipeline: SalesPipeline | None) -> dict[Stage, Column]:
    """The columns with their sums, without cards: one statement. A stage that `pipeline` leaves out shows when used."""
    stages = set(OPPORTUNITY_STAGES if pipeline is None else [*pipeline.stages, Stage.WON, Stage.LOST])
    made = {stage: Column(stage, is_left_out=stage not in stages) for stage in OPPORTUNITY_STAGES}
    rows: Any = shown.order_by().values("stage", "product").annotate(number=Count("pk"), amount=Sum("amount"))
    for row in rows:
        column = made[Stage(row["stage"])]
        way = stander.ways.of(row["product"])
        chance = None if column.is_closed else stander.chances.of(way, column.stage)
        column.add(row["number"], row["amount"], chance)
    only = pipeline or (stander.ways.default if len(stander.ways.pipelines) == 1 else None)
    for column in made.values():
        if only is not None and not column.is_closed:
            column.chance = stander.chances.of(only, column.stage)
    return {stage: column for stage, column in made.items() if column.number or not column.is_left_out}


def deal_cards(into: dict[Stage, Column], shown: OpportunityQuerySet, stander: Stander) -> None:
    """The first cards of all columns, in two statements."""
    # The places are reckoned on bare rows: carrying everything that a card shows through the sort costs ten times more.
    place = Window(RowNumber(), partition_by="stage", order_by=[F("stage_at").desc(), F("pk").desc()])
    first = list(shown.order_by().annotate(place=place).filter(place__lte=CARDS).values_list("pk", flat=True))
    for opportunity in Opportunity.objects.filter(pk__in=first).for_board().order_by(*ORDER):
        if column := into.get(Stage(opportunity.stage)):
            column.cards.append(stander.standing(opportunity))
