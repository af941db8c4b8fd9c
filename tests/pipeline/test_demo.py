"""Demo data: whole, lively, the same for the same seed, and in agreement with its own event log."""

import io
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F, Min, Q, Sum
from django.test.utils import override_settings

from accounts.models import Role, User
from leads import criteria, questionnaires
from leads.models import (
    Approval,
    Campaign,
    Contact,
    CriteriaSet,
    Lead,
    LeadEvent,
    Questionnaire,
    Stage,
    Submission,
)
from leads.models.leads import WITH_SALES
from pipeline import demo, quality, recycling
from pipeline.models import Activity, Handoff, Opportunity, QualityReview, Recycling, ReviewProposal
from pipeline.sla import Clock, ClockState
from pipeline.sweep import sweep
from tests.factories import NOON, ContactFactory

LEADS = 200


@pytest.fixture(scope="module")
def loaded(django_db_setup, django_db_blocker) -> Iterator[None]:
    """The demo company, there for all tests, whose own changes are rolled back."""
    quick = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
    with quick, django_db_blocker.unblock(), transaction.atomic():
        demo.load_demo(LEADS, seed=7, at=NOON)
        yield
        transaction.set_rollback(True)


@pytest.fixture
def company(loaded, db) -> None:
    """A base with the demo company."""


def test_every_role_can_sign_in_with_the_shared_password(company):  # U6
    signed = {user.role for user in User.objects.filter(email__in=[s.email for s in demo.sign_ins()])}
    assert signed == set(Role)
    assert User.objects.get(email="sam@demo.leadflow.example").check_password(demo.PASSWORD)


def test_reached_columns_are_the_first_events_of_their_stage(company):
    reached = {
        (lead, stage): at
        for lead, stage, at in LeadEvent.objects.exclude(to_stage="")
        .values_list("lead_id", "to_stage")
        .annotate(Min("at"))
    }
    for lead in Lead.objects.all():
        for stage in Stage:
            assert getattr(lead, stage.reached_field) == reached.get((lead.pk, stage.value)), (lead.pk, stage)


def test_the_log_of_each_lead_is_an_unbroken_chain_that_ends_at_its_stage(company):
    for lead in Lead.objects.all():
        moves = list(lead.events.exclude(to_stage="").order_by("pk").values_list("from_stage", "to_stage", "at"))
        assert [move[0] for move in moves] == ["", *[move[1] for move in moves[:-1]]]
        assert moves[-1][1] == lead.stage
        assert [move[2] for move in moves] == sorted(move[2] for move in moves)
        assert moves[-1][2] <= NOON


def test_every_qualified_lead_meets_the_criteria(company):  # L6
    for lead in Lead.objects.filter(qualified_at__isnull=False):
        assert criteria.judge(lead, at=NOON).is_met


def test_accepted_leads_have_a_contact_before_the_verdict_and_one_opportunity(company):  # H4
    accepted = Handoff.objects.filter(verdict=Handoff.Verdict.ACCEPTED)
    assert accepted.exists()
    assert not accepted.exclude(first_contact_at__lte=F("decided_at")).exists()
    assert accepted.count() == Opportunity.objects.filter(repeats=None).count()
    of_leads = accepted.values("lead").distinct().count()  # who was lost and came back was accepted twice
    assert of_leads == Lead.objects.filter(accepted_at__isnull=False).count()


def test_unreachable_leads_were_tried_on_three_different_days(company):  # H4
    rejected = Handoff.objects.filter(reason__evidence="attempts")
    assert rejected.exists()
    for handoff in rejected:
        tried = Activity.objects.filter(lead=handoff.lead, by=handoff.assigned_to, at__gte=handoff.handed_over_at)
        assert len({activity.at.date() for activity in tried}) >= 3


def test_sales_sees_every_state_of_the_clocks_today(company):  # H5
    sam = User.objects.get(email="sam@demo.leadflow.example")
    states = {h.clock_state(clock, NOON) for h in Handoff.objects.filter(assigned_to=sam) for clock in Clock}
    assert states == set(ClockState)
    assert set(Opportunity.objects.filter(owner=sam).values_list("stage", flat=True)) >= {
        "accepted", "demo", "proposal", "contract",
    }  # fmt: skip


def test_an_event_runs_today_and_another_is_ahead(company):  # L1
    events = Campaign.objects.events()
    assert events.filter(starts_on__lte=NOON.date(), ends_on__gte=NOON.date()).exists()
    assert events.filter(starts_on__gt=NOON.date()).exists()


def test_an_exhibitions_questionnaire_was_filled_in_and_todays_is_open(company):  # L3
    assert Submission.objects.filter(lead__isnull=False, answers__isnull=False).exists()
    asked = Questionnaire.objects.get(is_open=True)
    found = questionnaires.problems(asked.published, at=NOON)
    assert (asked.campaign.name, [problem.text for problem in found if problem.is_broken]) == ("Open house", [])


def test_payments_never_exceed_the_amount_they_pay(company):  # H6
    paid = Opportunity.objects.annotate(paid=Sum("payments__amount")).filter(paid__gt=0)
    assert paid.exists()
    assert not paid.filter(Q(stage__in=["lost"]) | Q(paid__gt=F("amount"))).exists()


def test_the_sweep_finds_nothing_that_the_demo_forgot_to_flag(company):  # H3
    assert not any(sweep(NOON).values())
    assert Lead.objects.filter(stage__in=WITH_SALES, cold_at__isnull=True).count() == 0


def test_new_rows_go_on_behind_the_demo(company):
    assert ContactFactory().pk > Contact.objects.exclude(email__endswith="client.example").latest("pk").pk


def test_contacts_are_found_as_if_they_had_been_saved_one_by_one(company):  # U2
    for contact in Contact.objects.select_related("company"):
        assert contact.search_text == contact.reckon_search_text()
        assert set(contact.leads.values_list("search_text", flat=True)) <= {contact.search_text}


def test_a_base_with_data_is_left_alone(company):
    with pytest.raises(CommandError, match="has data already"):
        call_command("load_demo", leads=100, stdout=io.StringIO())
    assert Lead.objects.count() == LEADS


def test_a_vote_on_the_criteria_waits_for_the_general_director(company):  # L6
    asked = Approval.objects.get(decision="", round__ended_at=None)
    assert asked.person.name == "Vera"
    versions = CriteriaSet.objects.filter(product=None, in_force_at__lte=NOON)
    assert versions.count() == 3
    assert set(versions.values_list("pk", flat=True)) == set(
        Lead.objects.exclude(criteria_set=None).values_list("criteria_set", flat=True)
    )
    coming = CriteriaSet.objects.get(product__isnull=False)
    assert coming.in_force_at > NOON
    assert coming.criteria.exclude(rule={}).exists()


def test_people_come_back_and_some_are_due_today(company):  # H7
    assert set(Recycling.objects.values_list("result", flat=True)) >= {"", "back", "later", "no"}
    assert Lead.objects.recycled().exists()
    for name in ("Sam", "Mia"):
        due = Recycling.objects.due(NOON).filter(task__assignee__name=name, task__done_at__isnull=True)
        assert 1 <= due.count() <= 4, name
    assert not any(recycling.run(NOON).values())


def test_reviews_of_months_have_a_trend_and_last_weeks_calls_wait(company):  # H8
    sam = QualityReview.objects.filter(person__name="Sam")
    months = [row["average"] for row in quality.by_month(sam, NOON.date()) if row["average"]]
    assert len(months) >= 3
    assert months[-1] > months[0]
    assert ReviewProposal.objects.open(NOON.date()).exists()
    assert not quality.propose(NOON)
