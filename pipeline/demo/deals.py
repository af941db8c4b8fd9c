"""What recent deals are made of: lines, euros, objections, plans that are kept and that aren't, clients who buy again."""

import datetime
import random
from decimal import Decimal

from leads.models import ExchangeRate, LeadEvent, Stage
from pipeline import transitions
from pipeline.demo.company import Company
from pipeline.models import Objection, Opportunity
from pipeline.payment_plans import split
from pipeline.transitions import Instalment, Line

DAY = datetime.timedelta(days=1)
RECENT = 24  # open deals that get lines
OBJECTIONS = [
    (Objection.Kind.PRICE, "Your competitor asks a fifth less"),
    (Objection.Kind.TERMS, "We only pay after the start-up"),
    (Objection.Kind.ASSORTMENT, "We need the outdoor version, too"),
    (Objection.Kind.OTHER, "Our IT has to agree first"),
    (Objection.Kind.PRICE, "There is no budget before the autumn"),
]
ENDS = [
    (Objection.End.ANSWERED, "Showed the cost over five years"),
    (Objection.End.GIVEN_IN, "5 % off for payment in advance"),
    (None, ""),
    (Objection.End.STANDS, ""),
]


def add_deals(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """Fill the newest deals of the story; those of long ago stay as they are."""
    if company.organisation.currency != "EUR":
        for days, rate in ((1100, "1.061"), (400, "1.079"), (95, "1.092"), (20, "1.087")):
            ExchangeRate.objects.create(currency="EUR", valid_from=(at - days * DAY).date(), rate=Decimal(rate))
    deals = Opportunity.objects.select_related("lead", "owner", "product")
    for number, deal in enumerate(deals.open().filter(amount__isnull=False).order_by("-opened_at", "-pk")[:RECENT]):
        _fill(deal, number, company, rng, at)
    won = list(deals.won().filter(amount__gt=0).order_by("-won_at", "-pk")[:14])
    for number, deal in enumerate(won[:8]):
        _plan(deal, number)
    for number, deal in enumerate(won[8:]):
        again = transitions.buy_again(deal.lead.contact, by=None, at=at - (20 - 3 * number) * DAY)
        transitions.edit_opportunity(
            again, {"amount": (deal.amount or Decimal(0)) / 2}, by=None, at=at - (18 - 3 * number) * DAY
        )
        if number % 2:
            transitions.win(again, by=None, at=at - 2 * DAY)
        if number == 1:
            transitions.reopen(again, "Signed for another branch: the order is asked anew", by=again.owner, at=at - DAY)
    closed = deals.filter(stage__in=[Stage.WON, Stage.LOST], repeats__isnull=True)
    for number, deal in enumerate(closed.order_by("-stage_at", "-pk")[:12]):
        _object(deal, number)


def _fill(deal: Opportunity, number: int, company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """Lines, now and then in euros; when things were asked for; what the client objects."""
    since = max(deal.opened_at, at - 20 * DAY)
    if number % 4 == 1 and ExchangeRate.objects.exists():
        euros = {"currency": "EUR", "amount": deal.amount}
        transitions.edit_opportunity(deal, euros, by=deal.owner, at=since)
    if number % 2 == 0 and deal.amount:
        other = rng.choice(company.products)[0]
        part = (deal.amount / 4).quantize(Decimal("0.01"))
        lines = [Line(deal.amount - part, deal.product, text="" if deal.product else "Equipment")]
        lines.append(Line(part, None if other == deal.product else other, text="Start-up and training"))
        transitions.set_lines(deal, lines, by=deal.owner, at=since)
    if deal.stage != Stage.ACCEPTED:
        for step, sent_at in ((Stage.PROPOSAL, deal.proposal_at), (Stage.CONTRACT, deal.contract_at)):
            if sent_at is not None:
                transitions.note_asked(deal, step, sent_at - rng.randrange(4, 70) * DAY / 24, by=deal.owner, at=sent_at)
    if number % 3 == 0:
        kind, words = OBJECTIONS[number // 3 % len(OBJECTIONS)]
        objection = transitions.raise_objection(deal, kind, text=words, by=deal.owner, at=since)
        end, note = ENDS[number // 3 % len(ENDS)]
        if end is not None:
            transitions.end_objection(objection, end, note=note, by=deal.owner, at=min(at, since + 2 * DAY))


def _object(deal: Opportunity, number: int) -> None:
    """What the client of a closed deal had objected before, as the steps would have written it."""
    kind, words = OBJECTIONS[number % len(OBJECTIONS)]
    stands = deal.stage == Stage.LOST and number % 3
    end, note = (Objection.End.STANDS, "") if stands else ENDS[number % 2]
    raised_at = max(deal.opened_at, deal.stage_at - 6 * DAY)
    deal.objections.create(
        kind=kind,
        text=words,
        raised_at=raised_at,
        raised_by=deal.owner,
        end=end or "",
        end_note=note,
        ended_at=deal.stage_at,
        ended_by=deal.owner,
    )
    for event, at, more in (
        (LeadEvent.Kind.OBJECTION, raised_at, {"note": words}),
        (LeadEvent.Kind.OBJECTION_ENDED, deal.stage_at, {"note": note, "result": str(end)}),
    ):
        LeadEvent.objects.record(deal.lead, event, by=deal.owner, at=at, opportunity=deal.pk, what=str(kind), **more)


def _plan(deal: Opportunity, number: int) -> None:
    """Monthly instalments from the sale on; nobody is told anew of those that are overdue in the story."""
    if deal.won_at is None or deal.amount is None:
        return
    parts = split(deal.amount, 2 + number % 3, deal.won_at.date())
    plan = [Instalment(day, amount) for day, amount in parts]
    transitions.plan_payments(deal, plan, by=deal.owner, at=deal.won_at)
    deal.planned_payments.update(told_at=deal.won_at)
