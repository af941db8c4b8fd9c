"""Referring leads to partners."""

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.access import NotAllowed
from leads import consents
from leads.models import LeadEvent, Partner, Purpose, Referral, Stage
from pipeline import transitions
from pipeline.transitions import TransitionError
from tests.factories import NOON, a_handoff, a_lead, days

pytestmark = pytest.mark.django_db


@pytest.fixture
def partner() -> Partner:
    return Partner.objects.create(name="Bright Ltd", email="hello@bright.example")


@pytest.fixture
def lead(mia):
    lead = a_lead(by=mia)
    consents.give(lead.contact, Purpose.SHARING, source="phone", at=NOON, by=mia)
    return lead


def test_a_referred_lead_says_to_whom_and_what_was_passed(lead, partner, mia):
    transitions.refer(lead, partner, passed=["email", "name"], note="Wants lamps", by=mia, at=NOON)
    lead.refresh_from_db()
    assert (lead.stage, lead.referred_at) == (Stage.REFERRED, NOON)
    assert lead.referrals.get().passed == ["name", "email"]
    assert lead.events.get(kind=LeadEvent.Kind.REFERRED).data["partner"] == "Bright Ltd"


def test_personal_facts_are_passed_only_with_consent(partner, mia):
    lead = a_lead(by=mia)
    with pytest.raises(TransitionError, match="hasn't agreed"):
        transitions.refer(lead, partner, passed=["phone"], by=mia, at=NOON)
    assert not Referral.objects.exists()
    transitions.refer(lead, partner, passed=["company", "brief"], by=mia, at=NOON)  # nothing personal
    consents.withdraw(lead.contact, Purpose.SHARING, source="mail", at=NOON)


def test_a_withdrawn_consent_passes_nothing(lead, partner, mia):
    consents.withdraw(lead.contact, Purpose.SHARING, source="mail", at=NOON)
    with pytest.raises(TransitionError, match="hasn't agreed"):
        transitions.refer(lead, partner, passed=["name"], by=mia, at=NOON)


@pytest.mark.parametrize("passed", [[], ["password"], ["name", "stage"]])
def test_only_listed_facts_are_passed(lead, partner, mia, passed):
    with pytest.raises(TransitionError):
        transitions.refer(lead, partner, passed=passed, by=mia, at=NOON)


def test_a_lead_with_sales_or_referred_already_is_not_referred(lead, partner, mia, sam):
    transitions.refer(lead, partner, passed=["name"], by=mia, at=NOON)
    with pytest.raises(TransitionError, match="Mia did that"):
        transitions.refer(lead, partner, passed=["name"], by=mia, at=NOON)
    with_sales = a_handoff(sam, by=mia).lead
    with pytest.raises(TransitionError, match="Handed over"):
        transitions.refer(with_sales, partner, passed=["company"], by=mia, at=NOON)
    with pytest.raises(NotAllowed):
        transitions.refer(a_lead(by=mia), partner, passed=["company"], by=sam, at=NOON)
    assert Referral.objects.count() == 1


def test_the_partner_is_written_to_once_and_that_is_not_undone(lead, partner, mia, mailoutbox):
    transitions.refer(lead, partner, passed=["name", "email"], note="Wants lamps", by_mail=True, by=mia, at=NOON)
    (mail,) = mailoutbox
    assert mail.to == ["hello@bright.example"]
    assert lead.contact.email in mail.body
    assert "Wants lamps" in mail.body
    with pytest.raises(TransitionError, match="told by e-mail"):
        transitions.undo(lead.events.get(kind=LeadEvent.Kind.REFERRED), by=mia, at=NOON)


def test_a_referral_is_taken_back(lead, partner, mia):
    transitions.refer(lead, partner, passed=["name"], by=mia, at=NOON)
    transitions.undo(lead.events.get(kind=LeadEvent.Kind.REFERRED), by=mia, at=NOON)
    lead.refresh_from_db()
    assert (lead.stage, lead.referred_at) == (Stage.NEW, None)
    assert not Referral.objects.exists()


def test_the_outcome_is_recorded_once_with_its_reward(lead, partner, mia, sam):
    referral = transitions.refer(lead, partner, passed=["name"], by=mia, at=NOON)
    later = NOON + days(30)
    with pytest.raises(NotAllowed):
        transitions.close_referral(referral, "won", by=sam, at=later)
    transitions.close_referral(referral, "won", reward="in", reward_amount=Decimal(500), by=mia, at=later)
    referral.refresh_from_db()
    assert (referral.outcome, referral.outcome_at, referral.reward_amount) == ("won", later, 500)
    with pytest.raises(TransitionError, match="answered already"):
        transitions.close_referral(referral, "lost", by=mia, at=later)
    lead.refresh_from_db()
    assert lead.stage == Stage.REFERRED


def test_a_lead_that_comes_back_is_kept_warm(lead, partner, mia):
    referral = transitions.refer(lead, partner, passed=["name"], by=mia, at=NOON)
    transitions.close_referral(referral, "returned", by=mia, at=NOON + days(3))
    lead.refresh_from_db()
    assert lead.stage == Stage.WARM


def test_the_page_asks_for_consent_and_refers(as_user, partner, mia):
    lead = a_lead(by=mia)
    browser, url = as_user(mia), reverse("pipeline:lead_refer", args=[lead.pk])
    body = {"partner": partner.pk, "passed": ["name", "phone"], "note": "<b>lamps</b>"}
    refused = browser.post(url, body)
    assert refused.status_code == 422
    assert "&lt;b&gt;lamps" in refused.content.decode()
    assert not Referral.objects.exists()
    assert browser.post(url, body | {"consent": "on"}).status_code == 302
    assert consents.agreed(lead.contact, Purpose.SHARING)
    page = browser.get(reverse("leads:partner_detail", args=[partner.pk])).content.decode()
    assert str(lead) in page


def test_a_refused_referral_leaves_no_consent_behind(as_user, partner, mia, sam):
    lead = a_handoff(sam, by=mia).lead
    body = {"partner": partner.pk, "passed": ["name"], "consent": "on"}
    assert as_user(mia).post(reverse("pipeline:lead_refer", args=[lead.pk]), body).status_code == 422
    assert not consents.agreed(lead.contact, Purpose.SHARING)


def test_only_who_may_record_the_outcome_is_led_there(as_user, lead, partner, mia, sam):
    referral = transitions.refer(lead, partner, passed=["company"], by=mia, at=NOON)
    there = reverse("pipeline:referral_close", args=[referral.pk])
    pages = reverse("leads:partner_detail", args=[partner.pk]), reverse("pipeline:lead_panel", args=[lead.pk])
    assert [there in as_user(user).get(page).text for user in (mia, sam) for page in pages] == [True] * 2 + [False] * 2


def test_a_reward_needs_its_amount(as_user, lead, partner, mia):
    referral = transitions.refer(lead, partner, passed=["name"], by=mia, at=NOON)
    url = reverse("pipeline:referral_close", args=[referral.pk])
    assert as_user(mia).post(url, {"outcome": "won", "reward": "in"}).status_code == 422
    assert as_user(mia).post(url, {"outcome": "open"}).status_code == 422
    assert as_user(mia).post(url, {"outcome": "won", "reward": "in", "reward_amount": "500"}).status_code == 302
    listed = as_user(mia).get(reverse("leads:partner_list")).content.decode()
    assert "Bright Ltd" in listed
    assert "500" in listed
