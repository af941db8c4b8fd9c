"""The demo company itself: people, catalogue, and a calendar of campaigns over three years with their spending."""

import dataclasses
import datetime
import random
from decimal import Decimal

from accounts.models import Organisation, Role, Team, User
from leads.models import Campaign, Channel, ConsentText, CriteriaSet, Expense, Product, Reason
from leads.models.consents import Purpose
from leads.normalise import fold
from pipeline.defaults import create_defaults
from pipeline.demo.clocks import agree_on_clocks
from pipeline.demo.criteria import agree_on_criteria
from pipeline.models import Agreement

PASSWORD = "leadflow-demo"
DOMAIN = "demo.leadflow.example"

# One sign-in per role first, then their colleagues: name, role, team.
CAST = [
    ("Mia", Role.MARKETER, "Marketing"),
    ("Dan", Role.SDR, "Marketing"),
    ("Sam", Role.SALES_REP, "Sales North"),
    ("Sid", Role.SALES_REP, "Sales South"),
    ("Max", Role.SALES_MANAGER, "Sales North"),
    ("Dora", Role.DIRECTOR, None),
    ("Vera", Role.VIEWER, None),
    ("Ada", Role.ADMIN, None),
]
COLLEAGUES = [
    ("Mark", Role.MARKETER, "Marketing"),
    ("Daria", Role.SDR, "Marketing"),
    ("Sonya", Role.SALES_REP, "Sales North"),
    ("Stan", Role.SALES_REP, "Sales South"),
    ("Olga", Role.SALES_MANAGER, "Sales South"),
]
# name, cost of sales as a part of the price, usual price
PRODUCTS = [
    ("LeadFlow Team", Decimal("0.3"), 4_000),
    ("LeadFlow Business", Decimal("0.35"), 12_000),
    ("Integration package", Decimal("0.55"), 7_500),
    ("Training", Decimal("0.45"), 2_500),
]
# Share of a year's leads that each month brings: spring and autumn are the seasons, summer and New Year are quiet.
SEASON = [0.7, 1.0, 1.2, 1.25, 1.1, 0.8, 0.6, 0.65, 1.2, 1.35, 1.3, 0.85]


@dataclasses.dataclass(frozen=True)
class Plan:
    """A kind of campaign that comes every quarter. `starts` and `days` count days; `reach` is people seen per lead."""

    channel: str
    name: str
    starts: int
    days: int
    weight: float  # share of the quarter's leads
    cost_per_lead: int
    quality: float  # how often its leads qualify and buy, against the average
    reach: int


PLANS = [
    Plan("Exhibition", "RetailTech Expo", 38, 3, 16, 120, 1.2, 9),
    Plan("Conference talk", "Supply Chain Forum", 20, 2, 9, 110, 1.4, 5),
    Plan("Smart breakfast", "Breakfast with purchasing directors", 61, 1, 4, 140, 1.9, 4),
    Plan("Webinar", "Webinar: one funnel for marketing and sales", 12, 1, 7, 35, 0.9, 4),
    Plan("Webinar", "Webinar: what a lead costs", 75, 1, 6, 35, 0.9, 4),
    Plan("SEO", "Organic search", 0, 91, 20, 40, 1.0, 14),
    Plan("PPC", "Search ads", 0, 91, 17, 95, 0.8, 18),
    Plan("Social media", "Social posts and ads", 0, 91, 11, 30, 0.5, 20),
    Plan("E-mail", "Newsletter", 0, 91, 6, 30, 1.1, 12),
    Plan("Partner programme", "Partners", 0, 91, 3, 90, 1.6, 6),
    Plan("Referral", "Clients recommend us", 0, 91, 4, 45, 2.0, 4),
]


@dataclasses.dataclass(frozen=True)
class Running:
    """A campaign on one day, with its weight among all days of the three years."""

    campaign: Campaign
    day: datetime.date
    weight: float
    quality: float


@dataclasses.dataclass
class Company:
    """Everything that the stories of the leads are told with."""

    organisation: Organisation
    users: dict[str, User]
    marketers: list[User]
    sdrs: list[User]
    reps: list[User]
    products: list[tuple[Product, int]]
    reasons: dict[Reason.Kind, list[Reason]]
    criteria_sets: list[CriteriaSet]  # the newest first
    agreement: Agreement
    today: Campaign
    consent_texts: dict[Purpose, ConsentText]
    calendar: list[Running] = dataclasses.field(default_factory=list)

    def criteria_at(self, at: datetime.datetime) -> CriteriaSet:
        """The version that a lead is judged by at that moment."""
        return next(each for each in self.criteria_sets if each.in_force_at and each.in_force_at <= at)


def found(rng: random.Random, leads: int, at: datetime.datetime) -> Company:
    """Make the company, ready for `leads` leads until the moment `at`. Bigger bases get more sales reps."""
    create_defaults(at=datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
    organisation = Organisation.current()
    if organisation.name == Organisation._meta.get_field("name").default:
        organisation.name, organisation.time_zone = ("Meridian Workplace", "America/New_York")
        organisation.save()
    users = _hire(organisation, extra_reps=min(40, leads // 5_000))
    products = [(Product.objects.create(name=n, cost_share=share), price) for n, share, price in PRODUCTS]
    reasons = {kind: list(Reason.objects.offered(kind)) for kind in Reason.Kind}
    criteria_sets = agree_on_criteria(users, products[2][0], at)
    by_role = {role: [user for user in users.values() if user.role == role] for role in Role}
    company = Company(
        organisation,
        users,
        by_role[Role.MARKETER],
        by_role[Role.SDR],
        by_role[Role.SALES_REP],
        products,
        reasons,
        criteria_sets,
        agree_on_clocks(users["Dora"], at),
        today=Campaign(),
        consent_texts={Purpose(text.purpose): text for text in ConsentText.objects.order_by("version")},
    )
    _plan_campaigns(company, rng, leads, at.astimezone(organisation.tzinfo).date())
    return company


def _hire(organisation: Organisation, extra_reps: int) -> dict[str, User]:
    teams = {name: Team.objects.create(name=name) for name in ("Marketing", "Sales North", "Sales South")}
    made = User(email="")
    made.set_password(PASSWORD)  # hashed once: it is slow on purpose, and the same for everybody
    more = [(f"Rep {n}", Role.SALES_REP, "Sales North" if n % 2 else "Sales South") for n in range(1, extra_reps + 1)]
    people = [
        User(
            name=name,
            email=f"{name.lower().replace(' ', '')}@{DOMAIN}",
            role=role,
            team=teams.get(team or ""),
            time_zone=organisation.time_zone,
            password=made.password,
        )
        for name, role, team in [*CAST, *COLLEAGUES, *more]
    ]
    User.objects.bulk_create(people)
    return {user.name: user for user in people}


def _quarter_start(day: datetime.date, offset: int) -> datetime.date:
    quarter = day.year * 4 + (day.month - 1) // 3 + offset
    return datetime.date(quarter // 4, quarter % 4 * 3 + 1, 1)


def _plan_campaigns(company: Company, rng: random.Random, leads: int, today: datetime.date) -> None:
    """Twelve past quarters, this one and the next; an event that runs today and one next week."""
    channels = {channel.name: channel for channel in Channel.objects.all()}
    runs: list[tuple[Campaign, Plan, float]] = []
    for offset in range(-12, 2):
        start = _quarter_start(today, offset)
        for plan in PLANS:
            first = start + datetime.timedelta(days=plan.starts)
            last = min(first + datetime.timedelta(days=plan.days), _quarter_start(start, 1)) - datetime.timedelta(
                days=1
            )
            label = f"{plan.name}, Q{(start.month + 2) // 3} {start.year}"
            runs.append((_campaign(company, rng, channels[plan.channel], label, first, last), plan, 1 + 0.05 * offset))
    soon = Plan("Own event", "", 0, 2, 4, 80, 1.3, 4)
    company.today = _campaign(
        company, rng, channels["Own event"], "Open house", today, today + datetime.timedelta(days=1)
    )
    next_week = today + datetime.timedelta(days=9)
    upcoming = _campaign(company, rng, channels["Exhibition"], "Logistics Days", next_week, next_week)
    upcoming.place, company.today.place = "Hall 3, stand B12", "Our office"
    runs += [(company.today, soon, 0.5), (upcoming, soon, 0.5)]

    history_starts = today - datetime.timedelta(days=3 * 365)
    for campaign, plan, growth in runs:
        assert campaign.ends_on is not None
        days = (campaign.ends_on - campaign.starts_on).days + 1
        per_day = plan.weight * growth / days
        for number in range(days):
            day = campaign.starts_on + datetime.timedelta(days=number)
            if history_starts <= day <= today:
                is_quiet = days > 7 and day.weekday() >= 5
                weight = per_day * SEASON[day.month - 1] * (0.35 if is_quiet else 1)
                company.calendar.append(Running(campaign, day, weight, plan.quality))
    company.calendar.sort(key=lambda running: running.day)
    company.calendar = _lively(company.calendar, leads, today)
    _spend(company, rng, leads, runs, today)


def _campaign(
    company: Company, rng: random.Random, channel: Channel, name: str, first: datetime.date, last: datetime.date
) -> Campaign:
    owner = rng.choice(company.marketers)
    return Campaign(name=name, channel=channel, owner=owner, starts_on=first, ends_on=last, search_text=fold(name))


def _lively(calendar: list[Running], leads: int, today: datetime.date) -> list[Running]:
    """In a small base the last six weeks get a quarter of all leads, so that there is something to do on every page."""
    recent = today - datetime.timedelta(days=42)
    now, before = (sum(r.weight for r in calendar if (r.day > recent) is is_now) for is_now in (True, False))
    wanted = 0.25 * min(1, 4_000 / leads) * before
    factor = max(1.0, wanted / now)
    return [dataclasses.replace(r, weight=r.weight * factor) if r.day > recent else r for r in calendar]


def _spend(
    company: Company, rng: random.Random, leads: int, runs: list[tuple[Campaign, Plan, float]], today: datetime.date
) -> None:
    """Budgets, reach and expenses in proportion to the leads that each campaign brings."""
    per_weight = leads / sum(running.weight for running in company.calendar)
    expected: dict[int, float] = {}
    for running in company.calendar:
        expected[id(running.campaign)] = expected.get(id(running.campaign), 0) + running.weight * per_weight
    expenses = []
    for campaign, plan, _growth in runs:
        assert campaign.ends_on is not None
        brought = max(1.0, expected.get(id(campaign), 3.0))
        budget = Decimal(round(brought * plan.cost_per_lead * rng.uniform(0.9, 1.2), -1) or 10)
        campaign.planned_budget = budget
        if campaign.starts_on > today:
            continue
        seen = int(brought * plan.reach * rng.uniform(0.9, 1.3))
        if campaign.channel.is_event:
            campaign.participants = seen
            paid = [(-21, 0.5, "Stand and fee"), (-7, 0.2, "Printed matter"), (0, 0.3, "Travel and catering")]
        else:
            campaign.impressions, campaign.visits = seen * 9, seen
            paid = [(20, 1 / 3, "Monthly invoice"), (50, 1 / 3, "Monthly invoice"), (80, 1 / 3, "Monthly invoice")]
        for days, share, note in paid:
            day = campaign.starts_on + datetime.timedelta(days=days)
            amount = (budget * Decimal(share * rng.uniform(0.85, 1.15))).quantize(Decimal("0.01"))
            if day <= today and amount > 0:
                expenses.append(
                    Expense(campaign=campaign, spent_on=day, amount=amount, note=note, recorded_by=campaign.owner)
                )
    Campaign.objects.bulk_create([campaign for campaign, _plan, _growth in runs])
    Expense.objects.bulk_create(expenses, batch_size=500)
