"""Facts: every count of every day, the same whether rebuilt in full or day by day, and the same as a naive count."""

import datetime
from decimal import Decimal
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Organisation
from integrations.models import JobRun
from kpi import facts
from kpi.models import Fact
from kpi.tasks import recompute_facts
from leads.models import LeadEvent, Stage
from pipeline import transitions
from tests import factories
from tests.factories import NOON, days

pytestmark = pytest.mark.django_db


def kept() -> set[tuple]:
    return set(Fact.objects.values_list("day", "measure", "campaign", "product", "person", "count", "value"))


def count(measure: str, day: datetime.date | None = None) -> int:
    rows = Fact.objects.filter(measure=measure)
    return sum(fact.count for fact in (rows if day is None else rows.filter(day=day)))


def check() -> str:
    """What check_kpi says when it finds no difference."""
    out = StringIO()
    call_command("check_kpi", stdout=out)
    return out.getvalue()


@pytest.fixture
def only(monkeypatch):
    """`only("leads")`: of all measures just this one is kept, where a test asks for no other."""
    return lambda *slugs: monkeypatch.setattr(facts, "MEASURES", [facts.MEASURE[slug] for slug in slugs])


def test_a_second_recompute_changes_nothing(mia, sam):  # K2
    factories.a_won_opportunity(sam, by=mia)
    facts.recompute()
    first = kept()
    facts.recompute()
    assert kept() == first
    assert Fact.objects.count() == len(first)


def test_a_step_taken_back_leaves_its_old_day(mia, sam):  # K2
    deal = factories.a_won_opportunity(sam, by=mia, at=NOON)
    facts.recompute()
    assert count("deals", NOON.date()) == count("won", NOON.date()) == 1
    transitions.undo(LeadEvent.objects.get(kind="won"), by=sam, at=NOON + days(9))
    facts.recompute()
    assert (count("deals"), count("won"), count("accepted")) == (0, 0, 1)
    deal.refresh_from_db()
    transitions.win(deal, amount=Decimal(5), by=sam, at=NOON + days(10))
    facts.recompute()
    assert count("deals", NOON.date() + days(10)) == 1
    assert "agree" in check()


def test_an_expense_that_moves_or_is_withdrawn_leaves_its_old_day(only):  # K2
    only("spend")
    expense = factories.ExpenseFactory(amount=Decimal(100))
    facts.recompute()
    expense.spent_on, expense.campaign = NOON.date() + days(30), factories.CampaignFactory()
    expense.save()
    facts.recompute()
    assert [(f.day, f.campaign_id, f.value) for f in Fact.objects.filter(measure="spend")] == [
        (expense.spent_on, expense.campaign_id, Decimal(100))
    ]
    expense.withdrawn_at = NOON
    expense.save()
    facts.recompute()
    assert count("spend") == 0


def test_reach_that_becomes_known_later_counts_on_the_first_day(mia):  # K2
    event = factories.EventFactory()
    factories.a_qualified_lead(by=mia, campaign=event)
    facts.recompute()
    assert count("participants>mqls") == 0
    event.participants, event.starts_on = 200, NOON.date() - days(3)
    event.save()
    facts.recompute()
    assert count("participants>mqls", event.starts_on) == 1
    assert Fact.objects.get(measure="participants").value == 200
    assert "agree" in check()


def test_a_days_edge_is_midnight_of_the_organisation(mia):  # K2
    Organisation.current()
    Organisation.objects.update(time_zone="Asia/Tokyo")
    before = datetime.datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=ZoneInfo("Asia/Tokyo"))
    factories.a_lead(by=mia, at=before)
    factories.a_lead(by=mia, at=before + datetime.timedelta(microseconds=1))
    facts.recompute()
    assert count("leads", datetime.date(2026, 3, 1)) == count("leads", datetime.date(2026, 3, 2)) == 1
    facts.rebuild({datetime.date(2026, 3, 1)}, timezone.now())
    assert "agree" in check()


def test_another_time_zone_rebuilds_everything(mia, only):  # K2
    only("leads")
    factories.a_lead(by=mia, at=datetime.datetime(2026, 3, 1, 22, tzinfo=datetime.UTC))
    facts.recompute()
    Organisation.objects.update(time_zone="Europe/Moscow")
    assert facts.recompute() is None
    assert count("leads", datetime.date(2026, 3, 2)) == 1


@pytest.mark.parametrize("day", [datetime.date(2026, 3, 29), datetime.date(2026, 10, 25)])
def test_a_day_of_23_or_25_hours_is_counted_whole(mia, day):  # K2
    Organisation.current()
    Organisation.objects.update(time_zone="Europe/Berlin")
    start = datetime.datetime.combine(day, datetime.time(), ZoneInfo("Europe/Berlin"))
    last = datetime.datetime.combine(day, datetime.time(23, 59), ZoneInfo("Europe/Berlin"))
    factories.a_lead(by=mia, at=start)
    factories.a_lead(by=mia, at=last)
    facts.rebuild_all(timezone.now())
    facts.rebuild({day}, timezone.now())
    assert count("leads", day) == 2
    assert "agree" in check()


def test_a_cohort_counts_what_is_reached_within_its_horizon_to_the_second(mia, sam):  # K2
    within = facts.HORIZON_DAYS[Stage.NEW, Stage.WON]
    for late in (0, 1):
        deal = factories.an_opportunity(sam, by=mia, at=NOON)
        at = NOON + days(within) + datetime.timedelta(seconds=late)
        transitions.win(deal, amount=Decimal(1), by=sam, at=at)
    facts.recompute()
    assert (count("leads"), count("won"), count("new>won", NOON.date())) == (2, 2, 1)
    assert "agree" in check()


def test_a_deal_before_its_first_contact_counts_in_the_cohort(mia, sam, only):  # K2
    only("new>won")
    deal = factories.an_opportunity(sam, by=mia, at=NOON)
    transitions.win(deal, amount=Decimal(1), by=sam, at=NOON - days(2))
    facts.recompute()
    assert count("new>won", NOON.date()) == 1


def test_a_lead_without_a_known_registration_is_no_lead_of_any_day_but_its_later_stages_count(mia, sam, only):  # K2
    only("leads", "new>won", "won", "qualified>accepted")
    deal = factories.a_won_opportunity(sam, by=mia)
    deal.lead.registered_at = None
    deal.lead.save()
    facts.recompute()
    assert (count("leads"), count("new>won"), count("won"), count("qualified>accepted")) == (0, 0, 1, 1)


def test_a_lead_removed_before_the_handover_leaves_the_counts(mia, only):  # L11
    only("leads", "qualified", "removed")
    lead = factories.a_qualified_lead(by=mia)
    facts.recompute()
    assert count("qualified") == 1
    transitions.remove(lead, factories.reason("removal"), by=mia, at=NOON + days(1))
    facts.recompute()
    assert (count("leads"), count("qualified"), count("removed", NOON.date() + days(1))) == (0, 0, 1)
    transitions.restore(lead, by=mia, at=NOON + days(2))
    facts.recompute()
    assert (count("leads"), count("qualified"), count("removed")) == (1, 1, 0)


def test_removing_a_returned_lead_does_not_better_the_figures(mia, sam, only):  # L11
    only("leads", "handed_over", "rejections", "removed")
    handoff = factories.a_contacted_handoff(sam, by=mia)
    transitions.reject(handoff, factories.reason(), by=sam, at=NOON, missing="Budget", criteria_doubt="x")
    transitions.remove(handoff.lead, factories.reason("removal"), by=mia, at=NOON)
    facts.recompute()
    assert (count("leads"), count("handed_over"), count("rejections"), count("removed")) == (1, 1, 1, 1)


def test_a_clock_counts_when_it_falls_due_and_not_before(mia, sam, only):  # H2
    only("first_contact_due", "first_contact_kept")
    handoff = factories.a_handoff(sam, by=mia, at=NOON)
    due = handoff.first_contact_due_at
    facts.rebuild_all(due - datetime.timedelta(seconds=1))
    assert count("first_contact_due") == 0
    facts.recompute(due)  # nothing was touched since
    assert (count("first_contact_due", due.date()), count("first_contact_kept")) == (1, 0)


def test_a_verdict_without_a_contact_stops_the_first_clock_too(mia, sam, only):  # H2
    only("first_contact_due", "first_contact_kept", "verdict_kept")
    handoff = factories.a_handoff(sam, by=mia, at=NOON)
    transitions.reject(handoff, factories.reason(), by=sam, at=NOON + days(6), missing="Phone", criteria_doubt="x")
    facts.recompute()
    assert (count("first_contact_due"), count("first_contact_kept"), count("verdict_kept")) == (1, 1, 1)


def test_a_client_is_new_once(mia, sam):  # K2
    contact = factories.ContactFactory()
    factories.a_won_opportunity(sam, by=mia, contact=contact, at=NOON + days(5))
    facts.recompute()
    assert count("new_clients", NOON.date() + days(5)) == 1
    factories.a_won_opportunity(sam, by=mia, contact=contact, at=NOON)
    facts.recompute()
    assert (count("new_clients", NOON.date()), count("new_clients"), count("deals")) == (1, 1, 2)
    assert "agree" in check()


def test_an_opportunity_of_unknown_opening_opens_on_no_day(mia, sam, only):  # K2
    only("opportunities", "deals")
    deal = factories.a_won_opportunity(sam, by=mia)
    deal.lead.accepted_at = None
    deal.lead.save()
    facts.recompute()
    assert (count("opportunities"), count("deals")) == (0, 1)


def test_check_kpi_finds_a_fact_that_was_tampered_with(mia, sam, capsys):  # K2
    factories.a_won_opportunity(sam, by=mia)
    facts.recompute()
    fact = Fact.objects.get(measure="deals")
    for change in ({"value": Decimal("1000.01")}, {"count": 2}, {"day": NOON.date() + days(1)}, {"person": None}):
        before = {name: getattr(fact, name) for name in change}
        Fact.objects.filter(pk=fact.pk).update(**change)
        with pytest.raises(SystemExit) as stopped:
            call_command("check_kpi")
        assert stopped.value.code == 1
        assert "deals" in capsys.readouterr().out
        Fact.objects.filter(pk=fact.pk).update(**before)
    Fact.objects.create(day=fact.day, measure="deals", campaign=fact.campaign, person=fact.person, count=1, value=1000)
    with pytest.raises(SystemExit):
        call_command("check_kpi")
    assert "twice" in capsys.readouterr().out


def test_check_kpi_says_what_to_do_before_the_first_reckoning(capsys):  # K2
    with pytest.raises(SystemExit):
        call_command("check_kpi")
    assert "recompute_facts" in capsys.readouterr().err


def test_check_kpi_leaves_out_what_changed_since(mia):  # K2
    facts.recompute()
    factories.a_lead(by=mia)
    assert "left out" in check()
    facts.recompute()
    assert "left out" not in check()


def test_the_hourly_task_works_once_an_hour_and_again_after_a_death(mia, monkeypatch, only):  # K2
    only("leads")
    recompute_facts()
    factories.a_lead(by=mia)
    recompute_facts()
    assert count("leads") == 0
    JobRun.objects.update(finished_at=None)  # as a killed worker leaves it
    recompute_facts()
    assert count("leads") == 1
    factories.a_lead(by=mia)
    recompute_facts(asked=True)
    assert count("leads") == 2


def test_days_can_be_rebuilt_by_command(mia, capsys):  # K2
    factories.a_lead(by=mia)
    call_command("recompute_facts")
    good = kept()
    Fact.objects.update(count=99)
    call_command("recompute_facts", "--from", "2026-03-02", "--to", "2026-03-02")
    assert kept() == good
    Fact.objects.update(count=99)
    call_command("recompute_facts", "--all")
    assert kept() == good
