import datetime
from collections import defaultdict
from decimal import Decimal

from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.models import Organisation
from kpi.facts import campaigns_touched, touched_days, touched_leads
from kpi.models import Fact, Reckoning
from leads.models import Campaign, Expense, Lead
from pipeline.models import Handoff, Opportunity, Payment, PlannedPayment

LEAD_MEASURES = {
    "leads": "registered_at",
    "contacted": "contacted_at",
    "briefed": "briefed_at",
    "qualified": "qualified_at",
    "handed_over": "handed_over_at",
    "in_work": "in_work_at",
    "accepted": "accepted_at",
    "demo": "demo_at",
    "proposal": "proposal_at",
    "contract": "contract_at",
    "won": "won_at",
    "warm": "warm_at",
    "returned": "returned_at",
    "referred": "referred_at",
    "lost": "lost_at",
    "nurtured": "nurtured_at",
    "recycled": "recycled_at",
}
COHORTS = {
    "new>contacted": ("registered_at", "contacted_at", 60),
    "contacted>briefed": ("contacted_at", "briefed_at", 60),
    "briefed>qualified": ("briefed_at", "qualified_at", 60),
    "qualified>handed_over": ("qualified_at", "handed_over_at", 60),
    "handed_over>in_work": ("handed_over_at", "in_work_at", 60),
    "in_work>accepted": ("in_work_at", "accepted_at", 60),
    "accepted>demo": ("accepted_at", "demo_at", 365),
    "demo>proposal": ("demo_at", "proposal_at", 365),
    "proposal>contract": ("proposal_at", "contract_at", 365),
    "contract>won": ("contract_at", "won_at", 365),
    "handed_over>accepted": ("handed_over_at", "accepted_at", 60),
    "qualified>accepted": ("qualified_at", "accepted_at", 548),
    "new>won": ("registered_at", "won_at", 548),
}
REACH_DAYS = 365
AT_ONCE = 2000
MOST_SHOWN = 50

Key = tuple[datetime.date, str, int, int | None, int | None]


class NaiveCount:
    """Counts everything row by row, in plain Python, sharing no query with `kpi.facts`: the proof must be independent."""

    def __init__(self, at: datetime.datetime, start: datetime.date, end: datetime.date) -> None:
        self.at, self.start, self.end = at, start, end
        self.zone = Organisation.current().tzinfo
        self.kept: dict[Key, list] = defaultdict(lambda: [0, Decimal(0)])
        self.reach = {c.pk: c for c in Campaign.objects.all()}

    def add(self, measure: str, day, campaign: int, product=None, person=None, value=None) -> None:
        if day is None:
            return
        if isinstance(day, datetime.datetime):
            day = day.astimezone(self.zone).date()
        if not self.start <= day <= self.end:
            return
        entry = self.kept[day, measure, campaign, product, person]
        entry[0] += 1
        entry[1] += Decimal(value or 0)

    def all(self) -> dict[Key, list]:
        self.leads()
        self.handoffs()
        self.opportunities()
        self.campaigns()
        return self.kept

    def leads(self) -> None:
        for lead in Lead.objects.order_by("pk").iterator(AT_ONCE):
            where = (lead.campaign_id, lead.product_id, lead.owner_id)
            if lead.stage == "removed":
                self.add("removed", lead.removed_at, *where)
                if lead.handed_over_at is None:
                    continue
            for measure, column in LEAD_MEASURES.items():
                self.add(measure, getattr(lead, column), *where)
            if lead.response_seconds is not None:
                self.add("responses", lead.contacted_at, *where)
            if lead.brief_seconds is not None:
                self.add("timed_briefs", lead.briefed_at, *where)
            if (due := lead.response_due_at) is not None and due <= self.at:
                self.add("response_due", due, *where)
                if any(at and at <= due for at in (lead.contacted_at, lead.qualified_at, lead.referred_at)):
                    self.add("response_kept", due, *where)
            for measure, (start, end, within) in COHORTS.items():
                if (
                    (a := getattr(lead, start))
                    and (b := getattr(lead, end))
                    and b <= a + datetime.timedelta(days=within)
                ):
                    self.add(measure, a, *where)
            campaign = self.reach[lead.campaign_id]
            for known, moment, measure, cohort in [
                (campaign.impressions, lead.registered_at, "leads_of_reach", "impressions>leads"),
                (campaign.participants, lead.qualified_at, "mqls_of_participants", "participants>mqls"),
            ]:
                if known is None or moment is None:
                    continue
                self.add(measure, moment, campaign.pk)
                day = moment.astimezone(self.zone).date()
                if day <= campaign.starts_on + datetime.timedelta(days=REACH_DAYS):
                    self.add(cohort, campaign.starts_on, campaign.pk)

    def handoffs(self) -> None:
        for handoff in Handoff.objects.select_related("lead").order_by("pk").iterator(AT_ONCE):
            where = (handoff.lead.campaign_id, handoff.lead.product_id, handoff.assigned_to_id)
            self.add("handoffs", handoff.handed_over_at, *where)
            if handoff.verdict == "accepted":
                self.add("acceptances", handoff.decided_at, *where)
            if handoff.verdict == "rejected":
                self.add("rejections", handoff.decided_at, *where)
            for clock, stopped in [
                ("first_contact", handoff.first_contact_stopped_at),
                ("verdict", handoff.decided_at),
            ]:
                due = getattr(handoff, f"{clock}_due_at")
                if due <= self.at:
                    self.add(f"{clock}_due", due, *where)
                    if stopped is not None and stopped <= due:
                        self.add(f"{clock}_kept", due, *where)

    def opportunities(self) -> None:
        first_won: dict[int, tuple] = {}
        for deal in Opportunity.objects.select_related("lead").order_by("pk").iterator(AT_ONCE):
            where = (deal.lead.campaign_id, deal.product_id, deal.owner_id)
            if deal.lead.accepted_at is not None:
                self.add("opportunities", deal.opened_at, *where, deal.amount)
            self.add("demos", deal.demo_at, *where)
            self.add("proposals", deal.proposal_at, *where)
            self.add("contracts", deal.contract_at, *where)
            if deal.proposal_seconds is not None:
                self.add("timed_proposals", deal.proposal_at, *where)
            if deal.contract_seconds is not None:
                self.add("timed_contracts", deal.contract_at, *where)
            self.add("lost_deals", deal.lost_at, *where, deal.amount)
            if deal.won_at is None:
                continue
            self.add("deals", deal.won_at, *where, deal.amount)
            if deal.margin is not None:
                self.add("margin", deal.won_at, *where, deal.margin)
                if deal.amount is not None:
                    self.add("deals_with_cost", deal.won_at, *where, deal.amount)
                    self.add("cost_of_sales", deal.won_at, *where, deal.amount - deal.margin)
            if deal.repeats_id is None:
                self.add("first_deals", deal.won_at, *where)
            else:
                self.add("repeat_purchases", deal.won_at, *where, deal.amount)
            won = (deal.won_at, deal.pk, where)
            first_won[deal.lead.contact_id] = min(first_won.get(deal.lead.contact_id, won), won)
        for won_at, _pk, where in first_won.values():
            self.add("new_clients", won_at, *where)
        paid: dict[int, Decimal] = defaultdict(Decimal)
        for payment in Payment.objects.select_related("opportunity__lead").order_by("pk").iterator(AT_ONCE):
            if payment.voided_at is not None:
                continue
            deal = payment.opportunity
            paid[deal.pk] += payment.amount
            self.add("payments", payment.paid_on, deal.lead.campaign_id, deal.product_id, deal.owner_id, payment.amount)

        self.plans(paid)

    def plans(self, paid: dict[int, Decimal]) -> None:
        """Payments fill each plan in order of its days."""
        plan = PlannedPayment.objects.filter(opportunity__stage="won").select_related("opportunity__lead")
        for planned in plan.order_by("opportunity", "due_on", "pk").iterator(AT_ONCE):
            deal = planned.opportunity
            where = (deal.lead.campaign_id, deal.product_id, deal.owner_id)
            part = min(planned.amount, paid[deal.pk])
            paid[deal.pk] -= part
            self.add("planned_payments", planned.due_on, *where, planned.amount)
            self.add("planned_paid", planned.due_on, *where, part)

    def campaigns(self) -> None:
        for campaign in self.reach.values():
            for measure in ("impressions", "visits", "participants"):
                if (value := getattr(campaign, measure)) is not None:
                    self.add(measure, campaign.starts_on, campaign.pk, value=value)
        for expense in Expense.objects.order_by("pk").iterator(AT_ONCE):
            if expense.withdrawn_at is None:
                self.add("spend", expense.spent_on, expense.campaign_id, value=expense.amount)


class Command(BaseCommand):
    help = (
        "Prove that the facts are what a naive count of every row gives. Changes nothing; exit code 1 on a difference."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("--from", dest="start", type=datetime.date.fromisoformat, default=datetime.date.min)
        parser.add_argument("--to", dest="end", type=datetime.date.fromisoformat, default=datetime.date.max)

    @transaction.atomic
    def handle(self, *args, **options) -> None:
        reckoning = Reckoning.objects.select_for_update().filter(pk=1, at__isnull=False).first()
        if reckoning is None or reckoning.at is None:
            self.stderr.write("Nothing is reckoned yet: run recompute_facts first.")
            raise SystemExit(1)
        start, end = options["start"], options["end"]
        changed = touched_leads(reckoning.at).exists() or campaigns_touched(reckoning.at)
        waiting = touched_days(reckoning.at, reckoning.at) if changed else set()
        if waiting:
            self.stdout.write(f"{len(waiting)} days have changes that aren't reckoned yet, and are left out.")
        counted = NaiveCount(reckoning.at, start, end).all()
        kept: dict[Key, list] = {}
        differences = []
        for fact in Fact.objects.filter(day__gte=start, day__lte=end).order_by("pk").iterator(AT_ONCE):
            key = (fact.day, fact.measure, fact.campaign_id, fact.product_id, fact.person_id)
            if key in kept:
                differences.append(f"{_named(key)}: kept twice")
            kept[key] = [fact.count, fact.value]
        differences += [
            f"{_named(key)}: kept {_shown(kept.get(key))}, counted {_shown(counted.get(key))}"
            for key in sorted({*kept, *counted}, key=str)
            if key[0] not in waiting and kept.get(key) != counted.get(key)
        ]
        for difference in differences[:MOST_SHOWN]:
            self.stdout.write(difference)
        if differences:
            self.stdout.write(f"{len(differences)} differences in {len(kept)} facts.")
            raise SystemExit(1)
        self.stdout.write(f"{len(kept)} facts agree with the naive count.")


def _named(key: Key) -> str:
    day, measure, campaign, product, person = key
    return f"{day} {measure}, campaign {campaign}, product {product}, person {person}"


def _shown(entry: list | None) -> str:
    return "nothing" if entry is None else f"{entry[0]} ({entry[1]:f})"
