"""The worked examples of the specification, one test each, and what every figure promises."""

import datetime
import json
from decimal import Decimal
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from kpi import facts
from kpi.metrics import METRIC, METRICS, chosen
from kpi.scope import Mode, Scope
from leads.models import Lead, Stage
from pipeline import agreements, transitions
from pipeline.models import Agreement, Opportunity
from tests import factories
from tests.factories import NOON, days

pytestmark = pytest.mark.django_db

DAY = NOON.date()


def leads(number: int, **reached) -> list[Lead]:
    """Leads written as an import writes history: with the dates of their stages."""
    fields = {
        "campaign": reached.pop("campaign", None) or factories.CampaignFactory(),
        "contact": factories.ContactFactory(),
        "registered_at": NOON,
        **reached,
    }
    return Lead.objects.bulk_create(Lead(**fields) for _n in range(number))


def figure(slug: str, mode: Mode = Mode.CALENDAR, *, start=DAY, end=DAY, **filters):
    """What a metric comes to; of all facts only those that it is made of are written."""
    with patch.object(facts, "MEASURES", [facts.MEASURE[measure] for measure in METRIC[slug].measures]):
        facts.rebuild_all(timezone.now())
    scope = Scope(user=None, start=start, end=end, mode=mode, **filters)
    return scope.figures([METRIC[slug]])[None][slug]


BOTH = pytest.mark.parametrize("mode", list(Mode))


@BOTH
def test_thirty_leads_of_four_hundred_seen_are_seven_and_a_half_percent(mode):  # K1
    leads(30, campaign=factories.CampaignFactory(impressions=400, starts_on=DAY))
    leads(5)  # of a campaign whose reach nobody knows
    assert figure("reach_to_lead", mode).value == Decimal("7.5")


@BOTH
def test_twenty_mqls_of_two_hundred_participants_are_ten_percent(mode):  # K1
    leads(20, campaign=factories.EventFactory(participants=200), qualified_at=NOON)
    leads(5, qualified_at=NOON)
    assert figure("participant_to_mql", mode).value == 10


@BOTH
def test_two_opportunities_of_twenty_mqls_are_ten_percent(mode):  # K1
    leads(18, qualified_at=NOON)
    leads(2, qualified_at=NOON, accepted_at=NOON)
    assert figure("mql_to_opportunity", mode).value == 10


@BOTH
def test_thirty_briefs_of_a_hundred_first_contacts_are_thirty_percent(mode):  # K1
    leads(70, contacted_at=NOON)
    leads(30, contacted_at=NOON, briefed_at=NOON)
    assert figure("brief_rate", mode).value == 30


@BOTH
def test_twenty_accepted_of_thirty_handed_over_are_two_thirds(mode):  # K1
    leads(10, handed_over_at=NOON, returned_at=NOON, stage=Stage.RETURNED)
    leads(20, handed_over_at=NOON, accepted_at=NOON)
    result = figure("lead_quality", mode)
    assert (result.numerator, result.denominator, result.value) == (20, 30, Decimal("66.6667"))


@BOTH
def test_thirteen_sales_of_twenty_leads_are_sixty_five_percent(mode):  # K1
    leads(7)
    leads(13, won_at=NOON, stage=Stage.WON)
    assert figure("lead_to_won", mode).value == 65


@pytest.mark.parametrize(("cost", "number", "each"), [(500, 10, 50), (1000, 10, 100)])
def test_cost_per_lead_is_what_was_spent_by_the_leads(cost, number, each):  # K1
    campaign = factories.CampaignFactory()
    factories.ExpenseFactory(campaign=campaign, amount=Decimal(cost))
    leads(number, campaign=campaign)
    assert figure("cost_per_lead").value == each


def won(amount, margin, rep, **fields) -> Opportunity:
    (lead,) = leads(1, stage=Stage.WON, won_at=NOON, **fields)
    return Opportunity.objects.create(
        lead=lead, owner=rep, stage=Stage.WON, opened_at=NOON, stage_at=NOON, won_at=NOON, amount=amount, margin=margin
    )


def test_a_margin_of_1200_on_a_cost_of_100_is_twelve_times_and_meets_the_rule(sam):  # K1
    factories.ExpenseFactory(amount=Decimal(100))
    won(2000, 1200, sam)
    result = figure("roi_margin_multiple")
    assert (result.value, result.is_met) == (12, True)


def test_revenue_of_1500_less_400_on_an_investment_of_100_is_eleven(sam):  # K1
    factories.ExpenseFactory(amount=Decimal(100))
    won(1500, 1100, sam)
    won(9999, None, sam)  # whose cost of sales isn't known
    result = figure("roi_investment")
    assert (result.value, result.is_met) == (11, True)


def test_below_ten_times_the_rule_is_not_met(sam):  # K1
    factories.ExpenseFactory(amount=Decimal(100))
    won(2000, Decimal("999.99"), sam)
    assert figure("roi_margin_multiple").is_met is False


def test_a_margin_that_nobody_knows_is_no_data_and_no_deal_is_a_return_of_nothing(sam):  # K1
    factories.ExpenseFactory(amount=Decimal(100))
    assert figure("roi_margin_multiple").value == 0
    won(2000, None, sam)
    assert figure("roi_margin_multiple").value is None


def test_of_a_hundred_leads_fifty_are_handed_over_and_ten_asked_for_what_is_not_sold(mia):  # K1
    reason = factories.reason("removal")
    leads(50, handed_over_at=NOON)
    leads(40)
    leads(10, stage=Stage.REMOVED, removed_at=NOON, removal_reason=reason)
    (refusal,) = Scope(user=None, start=DAY, end=DAY).refusals()
    assert (refusal.step, refusal.reason, refusal.count, refusal.of) == ("marketing", reason.pk, 10, 50)


def test_refusals_are_told_by_step_and_reason(mia, sam):  # K1
    rejection, loss = factories.reason(), factories.reason("loss")
    for _n in range(2):
        handoff = factories.a_contacted_handoff(sam, by=mia)
        transitions.reject(handoff, rejection, by=sam, at=NOON, missing="Budget", criteria_doubt="x")
    transitions.lose(factories.an_opportunity(sam, by=mia), loss, by=sam, at=NOON)
    factories.a_won_opportunity(sam, by=mia)
    scope = Scope(user=None, start=DAY, end=DAY)
    assert [(r.step, r.reason, r.count, r.of) for r in scope.refusals()] == [
        ("verdict", rejection.pk, 2, 4),
        ("selling", loss.pk, 1, 2),
    ]
    assert figure("refusals").value == 50
    assert figure("win_rate").value == 50


def test_nine_hundred_in_three_payments_are_three_hundred_each(mia, sam):  # K1
    deal = factories.a_won_opportunity(sam, by=mia)
    for _n in range(3):
        transitions.record_payment(deal, by=sam, at=NOON, paid_on=DAY, amount=Decimal(300))
    assert (figure("payments").value, figure("average_payment").value) == (900, 300)


def test_return_on_spend_is_what_is_won_less_what_is_spent_by_what_is_spent(sam):  # K1
    factories.ExpenseFactory(amount=Decimal(100000))
    assert figure("return_on_spend").value == -100
    won(515000, None, sam)
    assert figure("return_on_spend").value == 415


def test_a_zero_denominator_is_no_data_and_never_zero():  # K1
    facts.recompute()
    figures = Scope(user=None, start=DAY, end=DAY).figures(METRICS)[None]
    for slug, result in figures.items():
        if result.metric.denominator or result.metric.from_rows:
            assert result.value is None, slug


def test_without_recorded_expenses_a_lead_has_no_cost():  # K1
    leads(3)
    assert figure("cost_per_lead").value is None


def test_spend_is_not_told_by_person_or_product(mia):  # K1
    campaign = factories.CampaignFactory()
    factories.ExpenseFactory(campaign=campaign, amount=Decimal(100))
    leads(4, campaign=campaign, owner=mia)
    assert figure("cost_per_lead", campaign=campaign.pk).value == 25
    assert figure("cost_per_lead", owner=mia.pk).value is None
    assert figure("leads", owner=mia.pk).value == 4


def test_stage_conversion_keeps_who_was_lost_in_the_denominator(mia, sam):  # K1
    transitions.lose(factories.an_opportunity(sam, by=mia), factories.reason("loss"), by=sam, at=NOON)
    deal = factories.an_opportunity(sam, by=mia)
    transitions.move_opportunity(deal, Stage.DEMO, by=sam, at=NOON + days(1))
    result = figure("stage_conversion_accepted_to_demo", Mode.COHORT)
    assert (result.numerator, result.denominator, result.value) == (1, 2, 50)
    assert len(chosen(["stage_conversion"])) == 10


def test_a_cohort_asks_what_became_of_the_periods_leads_and_the_calendar_what_happened_in_it():  # K3
    leads(3)
    leads(1, won_at=NOON + days(40), stage=Stage.WON)
    leads(1, registered_at=NOON - days(100), won_at=NOON, stage=Stage.WON)
    assert figure("lead_to_won", Mode.COHORT).value == 25
    assert figure("lead_to_won", Mode.CALENDAR).numerator == 1
    later = DAY + days(40)
    result = figure("lead_to_won", Mode.CALENDAR, start=later, end=later)
    assert (result.numerator, result.denominator, result.value) == (1, 0, None)


def test_a_cohort_is_mature_once_its_horizon_has_passed():  # K3
    today = timezone.now().date()
    horizon = METRIC["lead_to_won"].horizon_days
    for age, is_mature in ((horizon, False), (horizon + 1, True)):
        day = today - days(age)
        assert figure("lead_to_won", Mode.COHORT, start=day, end=day).is_mature is is_mature
    assert figure("lead_to_won", Mode.CALENDAR, start=today, end=today).is_mature


def cycles(*lags: int, rep) -> None:
    for lag in lags:
        deal = won(100, 50, rep, registered_at=NOON - days(lag))
        assert deal.won_at == NOON


def test_the_sales_cycle_is_median_mean_and_ninetieth_percentile_of_days(sam):  # K1
    cycles(-2, 4, 10, 20, rep=sam)
    assert figure("sales_cycle").value == 7
    assert figure("sales_cycle_mean").value == 8
    assert figure("sales_cycle_p90").value == 17
    assert figure("sales_cycle").denominator == 4


def test_the_sales_cycle_begins_when_the_client_was_met(sam):  # K1
    deal = won(100, 50, sam)
    deal.lead.met_on = DAY - days(30)
    deal.lead.save()
    assert figure("sales_cycle").value == 30


def test_figures_split_by_everything_and_narrow_by_the_same(mia, dan, sam, sid):  # K3
    product = factories.ProductFactory()
    first, second = factories.CampaignFactory(), factories.CampaignFactory()
    won(100, 40, sam, campaign=first, owner=mia, product=product)
    won(300, 40, sid, campaign=second, owner=mia)
    leads(2, campaign=second, owner=dan)
    facts.recompute()
    scope = Scope(user=None, start=DAY, end=DAY)
    for by, slug, expected in [
        ("channel", "leads", {first.channel_id: 1, second.channel_id: 3}),
        ("campaign", "leads", {first.pk: 1, second.pk: 3}),
        ("product", "leads", {product.pk: 1, None: 3}),
        ("owner", "leads", {mia.pk: 2, dan.pk: 2}),
        ("owner", "won_value", {sam.pk: 100, sid.pk: 300}),
        ("team", "won_value", {sam.team_id: 100, sid.team_id: 300}),
        ("channel", "sales_cycle", {first.channel_id: 0, second.channel_id: 0}),
    ]:
        groups = scope.figures([METRIC[slug], METRIC["deals"]], by)
        found = {group: figures[slug].value for group, figures in groups.items() if figures[slug].value is not None}
        assert {group: value for group, value in found.items() if value or slug == "sales_cycle"} == expected
        for group, value in expected.items():
            assert scope.into(by, group).figures([METRIC[slug]])[None][slug].value == value


def test_nobody_but_who_is_active_sees_figures(vera):  # K1
    leads(2)
    facts.recompute()
    scope = Scope(user=vera, start=DAY, end=DAY)
    assert scope.figures([METRIC["leads"]])[None]["leads"].value == 2
    vera.is_active = False
    assert scope.figures([METRIC["leads"]])[None]["leads"].value == 0


def test_the_whole_catalogue_is_reckoned_in_a_constant_number_of_queries(django_assert_num_queries, mia, sam):  # K1
    factories.a_won_opportunity(sam, by=mia)
    facts.recompute()
    for by in (None, "channel", "owner"):
        scope = Scope(user=None, start=DAY - days(90), end=DAY)
        with django_assert_num_queries(8):
            scope.figures(METRICS, by)


def test_every_metric_says_what_it_is():  # K1
    assert len({metric.slug for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert str(metric.name)
        assert str(metric.definition).endswith(".")
        assert metric.measures <= set(facts.MEASURE)


# --- The command


def shown(capsys, *args: str) -> list[dict]:
    call_command("show_metrics", "--from", "2026-03-01", "--to", "2026-03-31", "--format", "json", *args)
    return json.loads(capsys.readouterr().out)


def test_the_command_brings_facts_up_to_date_and_prints_json(capsys):  # K1
    leads(7)
    leads(1, won_at=NOON, stage=Stage.WON)
    assert shown(capsys, "--metrics", "lead_to_won,deals") == [
        {"group": "all", "metric": "lead_to_won", "numerator": 1, "denominator": 8, "value": 12.5},
        {"group": "all", "metric": "deals", "numerator": 0, "denominator": None, "value": 0},
    ]


def test_the_command_lists_only_groups_with_something_to_tell(capsys, mia, dan, sam):  # K1
    factories.ExpenseFactory()
    won(100, 40, sam, owner=mia)
    assert [(row["group"], row["value"]) for row in shown(capsys, "--metrics", "deals", "--by", "owner")] == [
        ("Sam", 1)
    ]
    assert len(shown(capsys, "--as-kept")) == len(METRICS)


def test_the_command_prints_a_table_and_csv(capsys):  # K1
    leads(2, campaign=factories.CampaignFactory(channel__name="=cmd()"))
    facts.recompute()
    for form in ("table", "csv"):
        call_command(
            "show_metrics",
            "--as-kept",
            "--from",
            "2026-03-01",
            "--to",
            "2026-03-31",
            "--by",
            "channel",
            "--format",
            form,
            "--metrics",
            "leads,lead_to_won,sales_cycle",
        )
        out = capsys.readouterr().out
        assert "lead_to_won" in out
        assert ("'=cmd()" in out) == (form == "csv")
    assert "no data" not in out


@pytest.mark.parametrize(
    "args", [["--metrics", "nonsense"], ["--by", "weather"], ["--mode", "dream"], ["--from", "2026-04-01"]]
)
def test_the_command_refuses_what_it_does_not_know(capsys, args):  # K1
    with pytest.raises(CommandError):
        shown(capsys, *args)


def test_dates_that_are_none_are_refused(capsys):  # K1
    with pytest.raises(CommandError):
        call_command("show_metrics", "--from", "yesterday", "--to", "2026-03-31")


def test_a_day_out_of_the_period_counts_nothing():  # K1
    leads(1, registered_at=datetime.datetime(2026, 3, 1, 23, 59, 59, tzinfo=datetime.UTC))
    assert figure("leads").value == 0


# --- Marketing's own speed


def test_first_response_is_median_and_ninetieth_percentile_of_working_hours():  # K1 L8
    for hours in (1, 2, 3, 4, 10):
        leads(1, contacted_at=NOON, response_seconds=hours * 3600 + 59)  # whole minutes count
    leads(3, contacted_at=NOON)  # imported history isn't measured
    assert figure("first_response_time").value == 3
    assert figure("first_response_time").denominator == 5
    assert figure("first_response_time_p90").value == Decimal("7.6")


def test_seven_of_ten_first_contacts_in_time_are_seventy_percent():  # K1 L8
    due = NOON + days(0.1)
    leads(5, response_due_at=due, contacted_at=due)
    leads(1, response_due_at=due, qualified_at=NOON)  # sales had it before the call was due
    leads(1, response_due_at=due, referred_at=NOON)
    leads(1, response_due_at=due, contacted_at=due + days(1))
    leads(2, response_due_at=due)  # nobody called at all
    leads(4, response_due_at=timezone.now() + days(1))  # still running
    result = figure("first_response_time_kept")
    assert (result.numerator, result.denominator, result.value) == (7, 10, 70)


def test_briefs_are_judged_by_the_agreement_at_the_registration(dora):  # K1 L8
    first = Agreement.objects.get()
    terms = agreements.terms(first) | {"brief_hours": 48}
    agreements.put_in_force(terms, seen_version=1, by=dora, at=NOON + days(1))
    leads(3, briefed_at=NOON + days(2), brief_seconds=24 * 3600)
    leads(1, briefed_at=NOON + days(2), brief_seconds=30 * 3600)
    leads(1, briefed_at=NOON + days(2), brief_seconds=48 * 3600, registered_at=NOON + days(1.5))
    end = DAY + days(2)
    assert figure("brief_time_kept", end=end).value == 80
    assert figure("brief_time", end=end).value == 24


def test_speeds_are_told_by_person(mia, dan):  # K1 L8
    leads(1, contacted_at=NOON, response_seconds=3600, owner=mia)
    leads(1, contacted_at=NOON, response_seconds=7200, owner=dan)
    facts.recompute()
    scope = Scope(user=None, start=DAY, end=DAY)
    figures = scope.figures([METRIC["first_response_time"]], "owner")
    assert {pk: each["first_response_time"].value for pk, each in figures.items()} == {mia.pk: 1, dan.pk: 2}
    assert scope.narrow(owner=dan.pk).figures([METRIC["first_response_time"]])[None]["first_response_time"].value == 2
