"""An event after the event: what it cost and brought, beside the events of its channel before it."""

import dataclasses
from decimal import Decimal

from django.db.models import Count, Sum

from accounts.models import User
from leads.models import Campaign, Expense, Lead, Stage
from leads.models.leads import FUNNEL, LeadQuerySet

EARLIER_EVENTS = 4
# The steps that the report dates.
REPORTED = [Stage.NEW, Stage.QUALIFIED, Stage.HANDED_OVER, Stage.ACCEPTED, Stage.WON, Stage.LOST]
_COUNTS = ("leads", "qualified", "handed_over", "accepted", "won")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one event has brought so far. Counts are of its leads that ever reached a stage; money is None where none is recorded."""

    event: Campaign
    leads: int
    qualified: int
    handed_over: int
    accepted: int
    won: int
    cost: Decimal | None

    @property
    def cost_per_lead(self) -> Decimal | None:
        """Cost / leads; None without a recorded cost or without leads."""
        return (self.cost / self.leads).quantize(Decimal("0.01")) if self.cost is not None and self.leads else None


def outcomes(event: Campaign, user: User) -> list[Outcome]:
    """The event, and up to EARLIER_EVENTS events of its channel that began before it, latest first. Three queries."""
    before = Campaign.objects.visible_to(user).filter(channel=event.channel_id, starts_on__lt=event.starts_on)
    events = [event, *before.order_by("-starts_on", "-pk")[:EARLIER_EVENTS]]
    pks = [each.pk for each in events]
    leads = Lead.objects.visible_to(user).counted().filter(campaign__in=pks).order_by()
    reached = {name: Count(f"{'registered' if name == 'leads' else name}_at") for name in _COUNTS}
    counted = leads.values("campaign").annotate(**reached).values_list("campaign", *_COUNTS)
    counts = {campaign: dict(zip(_COUNTS, numbers, strict=True)) for campaign, *numbers in counted}
    spent = Expense.objects.visible_to(user).valid().filter(campaign__in=pks).order_by()
    costs = {row["campaign"]: row["sum"] for row in spent.values("campaign").annotate(sum=Sum("amount"))}
    nothing = dict.fromkeys(_COUNTS, 0)
    return [Outcome(each, cost=costs.get(each.pk), **counts.get(each.pk, nothing)) for each in events]


def standing(leads: LeadQuerySet) -> list[tuple[Stage, int]]:
    """How many of the leads stand at each stage now, along the funnel; stages where none stands are left out."""
    counts = dict(leads.order_by().values_list("stage").annotate(Count("pk")))
    order = [*FUNNEL, *(stage for stage in Stage if stage not in FUNNEL)]
    return [(stage, counts[stage]) for stage in order if stage in counts]
