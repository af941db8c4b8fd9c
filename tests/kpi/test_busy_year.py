"""Of a year in which everything happened: facts are what a naive count gives, the same whether rebuilt in full or day by
day, and every number opens the very records that it counts."""

import random
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.template import Template
from django.test import Client
from django.test.signals import template_rendered
from django.utils import timezone

from accounts.models import Role
from kpi import facts
from kpi.metrics import METRIC
from kpi.models import Fact
from kpi.scope import SPLITS, Scope
from leads.models import Partner, Stage
from pipeline import transitions
from pipeline.defaults import create_defaults
from pipeline.models import Activity
from tests import factories
from tests.conftest import START
from tests.factories import NOON, TeamFactory, UserFactory, days
from tests.kpi.test_facts import check, count, kept

pytestmark = pytest.mark.django_db

# Kept to their campaign, and no list narrows leads to campaigns of known reach.
WITHOUT_A_LIST = {"leads_of_reach", "mqls_of_participants", "impressions>leads", "participants>mqls"}
# These count some of the deals, and open all: of known cost or not.
OF_SOME_DEALS = {"margin", "deals_with_cost", "cost_of_sales"}


def a_busy_year(mia, dan, sam, sid, seed: int = 7, number_of_leads: int = 20) -> None:
    """Leads of four campaigns that went every way a lead can go."""
    chance = random.Random(seed)
    products = [None, factories.ProductFactory(), factories.ProductFactory(cost_share=None)]
    campaigns = [
        factories.CampaignFactory(),
        factories.CampaignFactory(impressions=400, visits=90, starts_on=NOON.date()),
        factories.EventFactory(participants=200),
        factories.EventFactory(participants=0, impressions=10),
    ]
    for campaign in campaigns[:3]:
        for n in range(3):
            factories.ExpenseFactory(campaign=campaign, spent_on=NOON.date() + days(n * 20), amount=Decimal("99.99"))
    client, partner = factories.ContactFactory(), Partner.objects.get_or_create(name="Bright Ltd")[0]
    factories.a_nurtured_lead(by=mia, at=NOON + days(30), campaign=campaigns[0])
    factories.a_recycled_lead(by=mia, at=NOON + days(140), campaign=campaigns[0])
    for number in range(number_of_leads):
        at = NOON + days(chance.uniform(0, 200))
        fields = {
            "campaign": chance.choice(campaigns),
            "product": chance.choice(products),
            "owner": chance.choice([mia, dan]),
        }
        if number % 9 == 0:
            fields["contact"] = client
        lead = factories.a_lead(by=mia, at=at, **fields)
        if lead.stage != Stage.NEW:  # the same client met again in the same campaign
            continue
        rep = chance.choice([sam, sid])
        far = number % 10

        def later(number_of_days: float, at=at):
            return at + days(chance.uniform(0, number_of_days))

        if far == 0:
            transitions.remove(lead, factories.reason("removal"), by=mia, at=later(5))
            continue
        if far >= 2:
            transitions.log_activity(
                lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=mia, at=later(70 if far < 9 else 0)
            )
        if far == 2:
            transitions.keep_warm(lead, by=mia, at=later(10))
            if number > 9:
                transitions.refer(lead, partner, passed=["company"], by=mia, at=later(20))
            continue
        if far >= 3:
            transitions.record_brief(lead, "Needs a machine", by=mia, at=later(9))
            factories.meet_criteria(lead, by=mia, at=at)
            transitions.qualify(lead, by=mia, at=later(20))
        if far >= 4:
            handoff = transitions.hand_over(lead, by=mia, to=rep, at=at + days(21))
        if far >= 5:
            transitions.log_activity(
                lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=rep, at=at + days(chance.choice([25, 33]))
            )
        if far == 5:
            transitions.reject(
                handoff,
                factories.reason(),
                by=rep,
                at=at + days(chance.choice([34, 40])),
                missing="Budget",
                criteria_doubt="x",
            )
            if chance.random() < 0.5:
                transitions.remove(lead, factories.reason("removal"), by=mia, at=at + days(41))
        if far >= 6:
            deal = transitions.accept(handoff, by=rep, at=at + days(34))
            transitions.move_opportunity(deal, Stage.DEMO, by=rep, at=at + days(35))
        if far == 7:
            transitions.lose(deal, factories.reason("loss"), by=rep, at=at + days(60))
            asked_again = deal.recyclings.create(
                lead=lead, because="lost", how="call", opened_at=at + days(61), due_at=at + days(150)
            )
            transitions.recycle(asked_again, by=rep, at=at + days(151))
        if far >= 8:
            for step in (Stage.PROPOSAL, Stage.CONTRACT):
                transitions.note_asked(deal, step, at + days(45), by=rep, at=at + days(45))
            transitions.move_opportunity(deal, Stage.PROPOSAL, by=rep, at=at + days(50))
            transitions.move_opportunity(deal, Stage.CONTRACT, by=rep, at=at + days(70))
            transitions.win(deal, amount=Decimal("1000.10"), by=rep, at=at + days(chance.choice([90, 600])))
            transitions.record_payment(deal, by=rep, at=at, paid_on=at.date(), amount=Decimal("500.05"))
            plan = [transitions.Instalment(at.date() + days(n), Decimal("333.33")) for n in (30, 60, 90)]
            transitions.plan_payments(deal, plan, by=rep, at=at)
            again = transitions.buy_again(lead.contact, by=None, at=at + days(610))
            transitions.win(again, amount=Decimal(70), by=None, at=at + days(620))


@pytest.fixture(scope="module")
def _year(django_db_setup, django_db_blocker) -> Iterator[SimpleNamespace]:
    with django_db_blocker.unblock(), transaction.atomic():
        create_defaults(at=START)
        mia, dan = UserFactory(name="Mia", role=Role.MARKETER), UserFactory(name="Dan", role=Role.SDR)
        sam, sid = (UserFactory(name=name, role=Role.SALES_REP, team=TeamFactory()) for name in ("Sam", "Sid"))
        a_busy_year(mia, dan, sam, sid)
        facts.rebuild_all(timezone.now())
        yield SimpleNamespace(mia=mia, dan=dan, sam=sam, sid=sid)
        transaction.set_rollback(True)


@pytest.fixture
def year(_year, db) -> SimpleNamespace:
    """Who worked in the busy year, which is reckoned."""
    return _year


# --- Facts ------------------------------------------------------------------------------------------------------------


def test_facts_are_what_a_naive_count_gives(year):  # K2
    assert "agree" in check()
    assert count("leads") >= 20
    assert count("first_contact_due") > count("first_contact_kept")
    assert count("new_clients") <= count("deals")


def test_the_busy_year_knows_every_measure(year):  # K2
    """A proof by comparison proves nothing about what never occurs."""
    assert set(facts.MEASURE) == set(Fact.objects.values_list("measure", flat=True))


def test_only_touched_days_are_rebuilt_and_give_what_a_full_rebuild_gives(year):  # K2
    # A day that nothing touched keeps even a wrong fact: so one sees that it wasn't rebuilt.
    campaign = Fact.objects.first().campaign
    quiet = Fact.objects.create(day="1999-01-01", measure="leads", campaign=campaign, count=5, value=0)
    a_busy_year(year.mia, year.dan, year.sam, year.sid, seed=8, number_of_leads=10)
    assert facts.recompute() is not None
    assert Fact.objects.filter(pk=quiet.pk).exists()
    quiet.delete()
    step_by_step = kept()
    facts.rebuild_all(timezone.now())
    assert kept() == step_by_step


# --- The records behind a number --------------------------------------------------------------------------------------


@pytest.fixture
def browser(year, monkeypatch) -> Client:
    """Mia's. What a list shows is read from its context; how it is drawn is for the tests of that list."""
    monkeypatch.setattr(Template, "_render", _undrawn)
    browser = Client()
    browser.force_login(year.mia)
    return browser


def _undrawn(template: Template, context) -> str:
    template_rendered.send(sender=template, template=template, context=context)
    return ""


def _scope(year: SimpleNamespace, first: int = 0, last: int = 700) -> Scope:
    return Scope(user=year.mia, start=NOON.date() + days(first), end=NOON.date() + days(last))


def _shown(browser: Client, address: str) -> int:
    response = browser.get(address)
    assert response.status_code == 200, address
    return len(response.context["page"].rows if "page" in response.context else response.context["rows"])


def _counted(scope: Scope, measure: str) -> int:
    return scope.sums([measure])[None][measure][0]


def test_every_number_opens_the_very_records_that_it_counts(year, browser):  # K1
    """In a period that begins and ends with what is counted, and leaves out what came before and after."""
    for measure in facts.MEASURE:
        on = sorted(set(Fact.objects.filter(measure=measure).values_list("day", flat=True)))
        start, end = (on[1], on[-2]) if len(on) > 2 else (on[0], on[0])
        scope = _scope(year).narrow(start=start, end=end)
        address = scope.url(measure)
        assert bool(address) == (measure not in WITHOUT_A_LIST)
        if address:
            shown = _shown(browser, address)
            assert measure in OF_SOME_DEALS or shown == _counted(scope, measure), address


def test_a_number_of_one_group_opens_the_records_of_that_group(year, browser):  # K1
    """Every list, narrowed by everything that figures are split by."""
    scope, narrowed = _scope(year), []
    one_of_each_list = {scope.url(measure).partition("?")[0]: measure for measure in facts.MEASURE}
    del one_of_each_list[""]
    for address, measure in one_of_each_list.items():
        fact = Fact.objects.filter(measure=measure).select_related("campaign", "person").order_by("day", "pk").last()
        person = fact.person
        groups = {"campaign": fact.campaign_id, "channel": fact.campaign.channel_id, "product": fact.product_id}
        groups |= {"owner": person.pk, "team": person.team_id} if person else {}
        for split, group in groups.items():
            one = scope.into(split, group)
            if one.url(measure):
                narrowed.append((address, split))
                assert _shown(browser, one.url(measure)) == _counted(one, measure), one.url(measure)
    # Spend is kept by campaign, reach belongs to a campaign, and everything else is by all five.
    assert len(narrowed) == 5 * len(SPLITS) + 2 + 1


@pytest.mark.parametrize("slug", ["refusals", "win_rate"])
def test_a_sum_of_counts_opens_all_the_records_that_it_sums(year, browser, slug):  # K1
    for scope in (_scope(year), _scope(year, 40, 300)):
        figure = scope.figures([METRIC[slug]])[None][slug]
        assert _shown(browser, scope.url_of(METRIC[slug].denominator)) == figure.denominator > figure.numerator


def test_every_refusal_opens_its_records(year, browser):  # K1
    scope = _scope(year)
    refusals = scope.refusals()
    assert {refusal.step for refusal in refusals} == {"marketing", "verdict", "selling"}
    for refusal in refusals:
        assert _shown(browser, scope.refusal_url(refusal)) == refusal.count
