"""Makers of test data, in order of dependency. Leads move through the real transitions, never by writing a stage."""

import datetime
from decimal import Decimal

import factory
from factory.django import DjangoModelFactory

from accounts.models import Role, Team, User
from leads.models import (
    Campaign,
    Channel,
    Company,
    Contact,
    CriteriaSet,
    CriterionAnswer,
    Expense,
    Lead,
    LeadEvent,
    Product,
    Questionnaire,
    QuestionnaireVersion,
    Reason,
)
from leads.registration import Person, register_lead
from pipeline import transitions
from pipeline.models import Activity, Handoff, NurturePlan, NurtureStep, Opportunity, Recycling
from pipeline.nurture.enrol import enter
from pipeline.nurture.running import do_due

# Monday noon; tests that need another moment say so.
NOON = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
PASSWORD = "a long pass phrase"


def days(number: float) -> datetime.timedelta:
    return datetime.timedelta(days=number)


class TeamFactory(DjangoModelFactory):
    class Meta:
        model = Team

    name = factory.Sequence(lambda n: f"Team {n}")


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.LazyAttribute(lambda user: f"{user.name.lower().replace(' ', '.')}@example.com")
    role = Role.VIEWER


class ChannelFactory(DjangoModelFactory):
    class Meta:
        model = Channel

    name = factory.Sequence(lambda n: f"Channel {n}")


class ProductFactory(DjangoModelFactory):
    class Meta:
        model = Product

    name = factory.Sequence(lambda n: f"Product {n}")
    cost_share = Decimal("0.4")


class CampaignFactory(DjangoModelFactory):
    class Meta:
        model = Campaign

    name = factory.Sequence(lambda n: f"Campaign {n}")
    channel = factory.SubFactory(ChannelFactory)


class EventFactory(CampaignFactory):
    name = factory.Sequence(lambda n: f"Event {n}")
    channel = factory.SubFactory(ChannelFactory, is_event=True)
    starts_on = NOON.date()
    ends_on = NOON.date()


class ExpenseFactory(DjangoModelFactory):
    class Meta:
        model = Expense

    campaign = factory.SubFactory(CampaignFactory)
    spent_on = NOON.date()
    amount = Decimal(100)


class CompanyFactory(DjangoModelFactory):
    class Meta:
        model = Company

    name = factory.Sequence(lambda n: f"Company {n}")


class ContactFactory(DjangoModelFactory):
    class Meta:
        model = Contact

    name = factory.Sequence(lambda n: f"Contact {n}")
    email = factory.Sequence(lambda n: f"contact{n}@client.example")
    company = factory.SubFactory(CompanyFactory)


def reason(kind: str = "rejection", *, evidence: str = "") -> Reason:
    """The first reason of a kind among the defaults, by what it asks for."""
    return Reason.objects.filter(kind=kind, evidence=evidence).first()


def a_lead(*, by: User | None = None, at: datetime.datetime = NOON, campaign: Campaign | None = None, **fields) -> Lead:
    """A new lead, registered by `by`, of a new contact unless one is given."""
    contact = fields.pop("contact", None) or ContactFactory()
    return register_lead(campaign or CampaignFactory(), Person(), contact=contact, by=by, at=at, **fields).lead


def meet_criteria(lead: Lead, *, by: User | None = None, at: datetime.datetime = NOON) -> Lead:
    """Answer every criterion with yes: the rows that `criteria.answer` writes one by one, in one go, as all tests that
    need a qualified lead come by here."""
    keys = [criterion.key for criterion in CriteriaSet.objects.in_force(at, lead.product).criteria.all()]
    CriterionAnswer.objects.bulk_create(
        [CriterionAnswer(lead=lead, key=key, value="yes", answered_by=by, answered_at=at) for key in keys],
        update_conflicts=True,
        unique_fields=["lead", "key"],
        update_fields=["value", "source", "answered_by", "answered_at"],
    )
    LeadEvent.objects.bulk_create(
        LeadEvent(lead=lead, kind=LeadEvent.Kind.CRITERION, actor=by, at=at, data={"key": key, "value": "yes"})
        for key in keys
    )
    return lead


def a_qualified_lead(*, by: User | None = None, at: datetime.datetime = NOON, **fields) -> Lead:
    lead = meet_criteria(a_lead(by=by, at=at, **fields), by=by, at=at)
    transitions.qualify(lead, by=by, at=at)
    lead.refresh_from_db()
    return lead


def a_handoff(to: User, *, by: User | None = None, at: datetime.datetime = NOON, **fields) -> Handoff:
    return transitions.hand_over(a_qualified_lead(by=by, at=at, **fields), to=to, by=by, at=at)


def a_contacted_handoff(to: User, *, by: User | None = None, at: datetime.datetime = NOON, **fields) -> Handoff:
    handoff = a_handoff(to, by=by, at=at, **fields)
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=to, at=at)
    handoff.refresh_from_db()
    return handoff


def an_opportunity(owner: User, *, by: User | None = None, at: datetime.datetime = NOON, **fields) -> Opportunity:
    return transitions.accept(a_contacted_handoff(owner, by=by, at=at, **fields), by=owner, at=at)


def a_won_opportunity(
    owner: User, amount: Decimal | int = 1000, *, by: User | None = None, at: datetime.datetime = NOON, **fields
) -> Opportunity:
    opportunity = an_opportunity(owner, by=by, at=at, **fields)
    transitions.win(opportunity, amount=Decimal(amount), by=owner, at=at)
    opportunity.refresh_from_db()
    return opportunity


def a_questionnaire(*questions: dict, campaign: Campaign | None = None, **fields) -> QuestionnaireVersion:
    """An open questionnaire of a campaign with these questions, in their order, published long ago."""
    if fields.get("kind") != "brief":
        fields |= {"campaign": campaign or CampaignFactory()}
    questionnaire = Questionnaire.objects.create(**{"name": "Visitors", "is_open": True} | fields)
    version = questionnaire.versions.create(number=1, published_at=NOON - days(9000))
    for position, described in enumerate(questions):
        described = {"text_en": described["key"]} | described
        options = described.pop("options", [])
        question = version.questions.create(position=position, **described)
        for place, option in enumerate(options):
            question.options.create(position=place, **option)
    return version


def a_nurture_plan(name: str = "Keep in touch", **fields) -> NurturePlan:
    """A running plan of one task, due when a lead enters."""
    plan, is_new = NurturePlan.objects.get_or_create(name=name, defaults={"is_active": True, **fields})
    if is_new:
        NurtureStep.objects.create(plan=plan, kind=NurtureStep.Kind.TASK, task_title="Call them", wait_days=0)
    return plan


def a_nurtured_lead(*, by: User, at: datetime.datetime = NOON, **fields) -> Lead:
    """A warm lead that a nurture plan brought to qualify."""
    lead = a_lead(by=by, at=at, **fields)
    transitions.keep_warm(lead, by=by, at=at)
    enter(a_nurture_plan(), lead, by=by, at=at)
    do_due(at)
    transitions.qualify(meet_criteria(lead, by=by, at=at), by=by, at=at)
    lead.refresh_from_db()
    return lead


def a_recycled_lead(*, by: User, at: datetime.datetime = NOON, **fields) -> Lead:
    """A warm lead that was asked again after a long silence, and is interested."""
    lead = a_lead(by=by, at=at - days(100), **fields)
    transitions.keep_warm(lead, by=by, at=at - days(99))
    row = Recycling.objects.create(lead=lead, because="warm", how="call", due_at=at, opened_at=at)
    return transitions.recycle(row, by=by, at=at)
