"""Rules of criteria: three-valued, worked by hand; as sentences; and how a lead is judged by them, and judged again."""

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from accounts.access import NotAllowed
from leads import criteria
from leads.comparisons import Kind, holds
from leads.criteria import rules
from leads.known import Known
from leads.models import CriteriaSet, CriterionAnswer, LeadEvent, LeadJudgement
from pipeline import transitions
from tests import factories
from tests.factories import NOON, days

pytestmark = pytest.mark.django_db

BIG = {"field": "company.employees", "comparison": "at_least", "value": 50}
NEAR = {"field": "company.country", "comparison": "any_of", "value": ["DE", "AT"]}


@pytest.mark.parametrize(
    ("employees", "country", "all_hold", "any_holds"),
    [
        (50, "de", True, True),
        (49, "AT", False, True),
        (50, "FR", False, True),
        (49, "FR", False, False),
        (None, "AT", None, True),
        (None, "FR", False, None),
        (50, "", None, True),
        (49, None, False, None),
        (None, None, None, None),
    ],
)
def test_what_is_not_known_leaves_a_rule_open_only_where_it_matters(employees, country, all_hold, any_holds):  # L6
    known = Known(fields={"company.employees": employees, "company.country": country})
    assert criteria.by_rule({"match": "all", "conditions": [BIG, NEAR]}, known) is all_hold
    assert criteria.by_rule({"match": "any", "conditions": [BIG, NEAR]}, known) is any_holds


@pytest.mark.parametrize(
    ("wanted", "value", "meets"),
    [
        (50, "50.0000", True),
        (50, 50, True),
        (50, "51", False),
        (12.5, "12.50", True),
        (1, "snan", False),
        (1, "", None),
    ],
)
def test_a_number_is_the_same_however_it_was_kept(wanted, value, meets):
    assert holds("is", wanted, value) is meets


def test_a_rule_is_a_sentence_in_the_readers_language():
    rule = {"match": "all", "conditions": [BIG, {"field": "contact.email", "comparison": "filled"}]}
    assert rules.sentence(rule, rules.fields()) == "Employees is at least 50 and E-mail is filled in"
    gone = {"conditions": [{"field": "answer.gone", "comparison": "is", "value": "x"}]}
    assert rules.sentence(gone, rules.fields()) == "gone is “x”"
    assert rules.sentence({}, {}) == ""
    with translation.override("ru"):
        assert rules.sentence(rule, rules.fields()) != ""


@pytest.mark.parametrize("value", ["in spring", ["soon", "2026-03-01"]])
def test_a_rule_outlives_a_question_that_asks_for_a_date_now(value):  # L3 L6
    known = {"answer.when": rules.Asked("answer.when", "When?", Kind.DATE)}
    rule = {"conditions": [{"field": "answer.when", "comparison": "any_of", "value": value}]}
    assert rules.sentence(rule, known).startswith("When? is one of “")


def big_companies(at=NOON) -> CriteriaSet:
    """Version 2: a need, and at least 50 employees, by rule."""
    need = {"key": "need", "text": "Has a need", "is_required": True, "weight": 0}
    rule = {"match": "all", "conditions": [BIG]}
    size = {"key": "big", "text": "Is big", "is_required": True, "weight": 0, "rule": rule}
    return criteria.put_in_force([need, size], threshold=0, note="", by=None, at=at)


def of_size(employees: int | None, **fields):
    contact = factories.ContactFactory(company=factories.CompanyFactory(employees=employees))
    return factories.a_lead(contact=contact, **fields)


def test_a_rule_decides_and_where_it_cannot_what_was_said_counts(mia, as_user):  # L6
    big_companies()
    small, big, unknown = of_size(10), of_size(80), of_size(None)
    for lead in (small, big, unknown):
        criteria.answer(lead, "big", "yes", by=mia, at=NOON)
    found = [
        (row.value, row.by_rule) for row in (criteria.judge(lead, at=NOON).rows[1] for lead in (small, big, unknown))
    ]
    assert found == [("no", True), ("yes", True), ("yes", False)]
    page = as_user(mia).get(reverse("leads:lead_detail", args=[big.pk])).content.decode()
    assert "by rule: Employees is at least 50" in page
    assert page.count('name="key" value="big"') == 0
    asked = as_user(mia).get(reverse("leads:lead_detail", args=[unknown.pk])).content.decode()
    assert asked.count('name="key" value="big"') == 1
    answer = as_user(mia).post(
        reverse("leads:lead_criterion", args=[small.pk]), {"key": "big", "value": "yes"}, follow=True
    )
    assert "A rule decides this" in answer.content.decode()


def test_qualifying_and_keeping_warm_keep_the_judgement(mia):  # L6
    lead = factories.a_qualified_lead(by=mia)
    kept = LeadJudgement.objects.get(lead=lead)
    assert (kept.criteria_set.version, kept.is_met, kept.by, kept.at) == (1, True, mia, NOON)
    assert kept.answers["need"] == "yes"
    warm = factories.a_lead()
    transitions.keep_warm(warm, by=mia, at=NOON)
    assert not LeadJudgement.objects.get(lead=warm).is_met


def test_a_lead_keeps_its_version_until_it_is_judged_again_on_purpose(mia, as_user):  # L6
    lead = factories.a_qualified_lead(by=mia)
    company = lead.contact.company
    company.employees = 10
    company.save()
    new = big_companies(at=NOON + days(1))
    lead.refresh_from_db()
    assert criteria.judge(lead, at=timezone.now()).criteria_set.version == 1
    browser, page = as_user(mia), reverse("leads:lead_detail", args=[lead.pk])
    assert "Judge again by version 2" in browser.get(page).content.decode()
    for _twice in range(2):
        browser.post(reverse("leads:lead_rejudge", args=[lead.pk]))
    lead.refresh_from_db()
    assert (lead.criteria_set, lead.stage) == (new, "qualified")
    results = [(row.criteria_set.version, row.is_met) for row in lead.judgements.order_by("pk")]
    assert results == [(1, True), (2, False)]
    event = LeadEvent.objects.get(lead=lead, kind=LeadEvent.Kind.JUDGED)
    assert (event.data["was_met"], event.data["is_met"]) == (True, False)
    shown = browser.get(page).content.decode()
    assert "Earlier results" in shown
    assert "judged the lead by criteria version 2: not met" in shown
    assert "Judge again" not in shown


def test_judging_again_is_marketings_and_only_what_is_in_its_hands(mia, sam, dora):
    handed_over = factories.a_handoff(sam, by=mia).lead
    fresh = factories.a_lead()
    big_companies(at=NOON + days(1))
    for lead in (handed_over, fresh):
        lead.refresh_from_db()
        with pytest.raises(criteria.NotJudged):
            criteria.rejudge(lead, by=mia, at=NOON + days(2))
    with pytest.raises(NotAllowed):
        criteria.rejudge(fresh, by=sam, at=NOON + days(2))


def test_many_are_judged_again_after_a_look_at_what_would_change(mia, as_user, django_assert_max_num_queries):
    leads = [factories.a_qualified_lead(by=mia) for _three in range(3)]
    new = big_companies(at=NOON + days(1))
    address = reverse("leads:criteria_rejudge", args=[new.pk])
    browser = as_user(mia)
    browser.get(address)
    with django_assert_max_num_queries(14):
        rows = browser.get(address).context["rows"]
    assert [(before.is_met, after.is_met) for _lead, before, after in rows] == [(True, False)] * 3
    assert LeadJudgement.objects.filter(criteria_set=new).count() == 0
    browser.post(address, {"selected": [leads[0].pk, leads[1].pk, "x", "9" * 99]})
    assert LeadJudgement.objects.filter(criteria_set=new).count() == 2
    assert [lead.pk for lead, _before, _after in browser.get(address).context["rows"]] == [leads[2].pk]
    old = reverse("leads:criteria_rejudge", args=[CriteriaSet.objects.get(version=1).pk])
    assert browser.get(old).context["rows"] == []  # only the version in force is offered


def test_an_answer_from_a_questionnaire_says_so(mia, as_user):
    lead = factories.a_lead()
    CriterionAnswer.objects.create(
        lead=lead, key="need", value="yes", source=CriterionAnswer.Source.QUESTION, answered_at=NOON
    )
    assert "from a questionnaire" in as_user(mia).get(reverse("leads:lead_detail", args=[lead.pk])).content.decode()
