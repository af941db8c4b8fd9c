"""Routing in the demo: rules, what each of sales takes, and who is away."""

import datetime

from accounts.models import Team
from leads.models import Channel
from pipeline.demo.company import Company
from pipeline.models import Absence, RoutingRule, SalesProfile, Takes

DAY = datetime.timedelta(days=1)
# Who takes what: kind of leads, open at most, in 30 days at most, own hours.
PROFILES = {
    "Sam": (Takes.BOTH, None, None, None),
    "Sonya": (Takes.HUNTER, 25, None, None),
    "Sid": (Takes.HUNTER, None, 40, (10, 19)),
    "Stan": (Takes.FARMER, 20, None, None),
}


def add_routing(company: Company, at: datetime.datetime) -> None:
    """Rules beside the two that every organisation starts with, profiles, one who is away today and one soon."""
    training = next(product for product, _price in company.products if product.name == "Training")
    north = Team.objects.get(name="Sales North")
    partners = Channel.objects.filter(name__in=["Partner programme", "Referral"])
    before = list(RoutingRule.objects.all())
    by_partners = RoutingRule.objects.create(
        name="Recommended: hunters of Sales North",
        client=RoutingRule.Client.NEW,
        to=RoutingRule.To.TEAM,
        team=north,
        takes=Takes.HUNTER,
        order=RoutingRule.Order.LEAST_LOADED,
    )
    by_partners.channels.set(partners)
    trainings = RoutingRule.objects.create(
        name="Training: who is at work and has the fewest",
        in_office_hours=True,
        order=RoutingRule.Order.LEAST_LOADED,
    )
    trainings.products.set([training])
    trial = RoutingRule.objects.create(
        name="Trial: the whole of Canada to Sid",
        regions="Canada, Toronto, Montréal",
        to=RoutingRule.To.PERSON,
        person=company.users["Sid"],
        is_active=False,
    )
    order = [*before[:1], trial, by_partners, trainings, *before[1:]]
    for position, rule in enumerate(order):
        rule.position = position
    RoutingRule.objects.bulk_update(order, ["position"])
    SalesProfile.objects.bulk_create(
        SalesProfile(
            user=company.users[name],
            takes=takes,
            max_open=max_open,
            max_in_30_days=max_recent,
            works_from=datetime.time(hours[0]) if hours else None,
            works_until=datetime.time(hours[1]) if hours else None,
        )
        for name, (takes, max_open, max_recent, hours) in PROFILES.items()
    )
    today, users = company.organisation.day_of(at), company.users
    Absence.objects.bulk_create(
        [
            Absence(
                user=users[who],
                deputy=users[deputy],
                starts_on=today + first * DAY,
                ends_on=today + last * DAY,
                note=note,
                recorded_by=users[by],
            )
            for who, deputy, first, last, note, by in [
                ("Sonya", "Sam", -60, -50, "Holidays", "Sonya"),
                ("Stan", "Sid", -1, 8, "Holidays", "Stan"),
                ("Sonya", "Sam", 20, 24, "Conference in Berlin", "Max"),
            ]
        ]
    )
