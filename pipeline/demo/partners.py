"""Partners, leads passed to them, and what was asked for and not sold."""

import datetime
import random
from decimal import Decimal

from leads import consents, demand
from leads.models import Lead, Partner, Purpose, Referral, Stage
from pipeline import transitions
from pipeline.demo.company import Company

PARTNERS = [
    ("Northlight Interiors", "Fit-out and furniture of offices up to 300 places", "10 % of the first invoice to us"),
    ("Quiet Rooms", "Acoustic booths and partitions", "5 % either way"),
    ("Deskless", "Coworking memberships for teams under ten", "none agreed"),
]
# What is asked for, and how many days ago each lead asked.
WISHES = {
    "Visitor parking sensors": [3, 9, 16, 31, 40, 62, 120, 170],
    "Desk booking inside the phone system": [5, 22, 48, 75, 100, 101, 130, 150, 171],
    "Catering orders": [12, 95, 99, 140, 300],
    "Air quality certificates": [18, 27],
}


def add_partners(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """A few referrals in each state, and a ranked list of wishes."""
    mia = company.users["Mia"]
    partners = [
        Partner.objects.create(
            name=name,
            services=services,
            reward_terms=terms,
            contact_name="Robin Vale",
            email=f"referrals@{name.lower().replace(' ', '-')}.example",
        )
        for name, services, terms in PARTNERS
    ]
    day = datetime.timedelta(days=1)
    warm = (
        Lead.objects.filter(stage=Stage.WARM, warm_at__lt=at - 60 * day).select_related("contact").order_by("-pk")[:6]
    )
    answers: list[tuple[str, str, int | None]] = [("won", "in", 800), ("lost", "", None), ("returned", "", None)]
    for number, lead in enumerate(warm):
        referred_at = at - (50 - 8 * number) * day
        consents.give(lead.contact, Purpose.SHARING, source="Phone", at=referred_at, by=mia)
        passed = ["name", "company", "phone", "email"]
        referral = transitions.refer(lead, partners[number % 3], passed=passed, by=mia, at=referred_at)
        if number < len(answers):
            outcome, reward, amount = answers[number]
            transitions.close_referral(
                referral,
                Referral.Outcome(outcome),
                reward=reward,
                reward_amount=Decimal(amount) if amount else None,
                by=mia,
                at=referred_at + 12 * day,
            )
    for wish, ages in WISHES.items():
        for age in ages:
            asked_at = at - age * day
            met = Lead.objects.present().filter(registered_at__lt=asked_at).order_by("-registered_at", "-pk")
            for lead in met[(start := rng.randrange(30)) : start + 1]:
                demand.note_request(lead, wish, by=mia, at=asked_at)
