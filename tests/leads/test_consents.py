"""Consents are the only place that says what a person agreed to."""

import pytest
from django.db import IntegrityError, transaction

from accounts.access import NotAllowed
from leads import consents, timeline
from leads.models import Consent, ConsentText, Contact, LeadEvent
from leads.models.consents import Purpose
from leads.registration import Person, register_lead
from tests.factories import NOON, CampaignFactory, ContactFactory, a_lead, days

pytestmark = pytest.mark.django_db


def test_a_consent_keeps_the_words_the_time_the_source_and_who_recorded_it(mia):  # L13
    lead = a_lead(by=mia)
    consent = consents.give(lead.contact, Purpose.MAILING, source="Expo", by=mia, at=NOON)
    assert (consent.given_at, consent.source, consent.recorded_by) == (NOON, "Expo", mia)
    assert consent.text == ConsentText.objects.in_force(Purpose.MAILING, NOON)
    assert consents.give(lead.contact, Purpose.MAILING, source="again", by=mia, at=NOON + days(1)) == consent
    assert Contact.objects.get(pk=lead.contact_id).version == lead.contact.version == 2
    [event] = lead.events.filter(kind=LeadEvent.Kind.CONSENT)
    assert (event.data["purpose"], event.data["text_version"]) == ("mailing", 1)
    [entry] = timeline.entries([event])
    assert entry.sentence == "recorded the consent: news, invitations and offers by e-mail"


def test_a_withdrawal_ends_the_consent_and_a_new_one_begins_another_row(mia):  # L13
    contact = ContactFactory()
    for number in (0, 2):
        consents.give(contact, Purpose.CONTACT, source="Expo", by=mia, at=NOON + days(number))
        consents.withdraw(contact, Purpose.CONTACT, source="by phone", by=mia, at=NOON + days(number + 1))
        consents.withdraw(contact, Purpose.CONTACT, source="twice", by=mia, at=NOON + days(number + 1))
    assert [(c.given_at, c.withdrawn_at, c.withdrawn_in) for c in contact.consents.all()] == [
        (NOON, NOON + days(1), "by phone"),
        (NOON + days(2), NOON + days(3), "by phone"),
    ]
    assert not consents.agreed(contact, Purpose.CONTACT)


def test_the_database_allows_one_valid_consent_for_a_purpose():
    contact = ContactFactory()
    consents.give(contact, Purpose.CONTACT, source="", at=NOON)
    with pytest.raises(IntegrityError), transaction.atomic():
        Consent.objects.create(contact=contact, purpose=Purpose.CONTACT, given_at=NOON)


def test_a_registration_records_what_was_agreed_and_withdraws_nothing(mia):  # L1 L13
    who = {"name": "Eve", "email": "eve@client.example"}
    lead = register_lead(
        CampaignFactory(name="Expo"), Person(**who, consent=True, mailing_consent=True), by=mia, at=NOON
    ).lead
    register_lead(CampaignFactory(), Person(**who), by=mia, at=NOON + days(1))
    valid = Consent.objects.valid().filter(contact=lead.contact)
    assert {(c.purpose, c.source) for c in valid} == {("contact", "Expo"), ("mailing", "Expo")}
    assert lead.events.filter(kind=LeadEvent.Kind.CONSENT).count() == 2


def test_who_withdraws_being_contacted_is_left_alone_until_a_person_takes_that_back(mia):  # L13
    contact = ContactFactory()
    consents.withdraw(contact, Purpose.MAILING, source="by phone", by=mia, at=NOON)
    assert not Contact.objects.get(pk=contact.pk).do_not_contact
    consents.withdraw(contact, Purpose.CONTACT, source="by phone", by=mia, at=NOON)
    consents.give(contact, Purpose.CONTACT, source="public page", at=NOON + days(1))
    assert Contact.objects.get(pk=contact.pk).do_not_contact is True


@pytest.mark.parametrize("who", ["vera", "ada"])
def test_who_only_reads_records_no_consent(who, request):
    person, contact = request.getfixturevalue(who), ContactFactory()
    with pytest.raises(NotAllowed):
        consents.give(contact, Purpose.CONTACT, source="", by=person, at=NOON)
    with pytest.raises(NotAllowed):
        consents.withdraw(contact, Purpose.CONTACT, source="", by=person, at=NOON)
    assert not contact.consents.exists()


def test_new_words_are_a_new_version_and_old_consents_keep_theirs(dora):  # L13
    before = consents.give(ContactFactory(), Purpose.CONTACT, source="", at=NOON)
    made = consents.put_text_in_force(Purpose.CONTACT, "New words", "", seen_version=1, by=dora, at=NOON + days(1))
    assert (made.version, made.created_by, str(made)) == (2, dora, "New words")
    same = consents.put_text_in_force(Purpose.CONTACT, "New words", "", seen_version=2, by=dora, at=NOON + days(2))
    assert same == made
    after = consents.give(ContactFactory(), Purpose.CONTACT, source="", at=NOON + days(3))
    before.refresh_from_db()
    assert (before.text.version, after.text.version) == (1, 2)
    for text, seen in (("", 2), ("Others", 1)):
        with pytest.raises(consents.Refused):
            consents.put_text_in_force(Purpose.CONTACT, text, " ", seen_version=seen, by=dora, at=NOON)


def test_the_contact_page_records_and_withdraws(as_user, mia):  # L13
    contact, browser = ContactFactory(), as_user(mia)
    url = f"/contacts/{contact.pk}/consents/sharing/"
    assert "a partner who can solve it" in browser.get(url).content.decode()
    assert browser.post(url, {"step": "give", "source": ""}).status_code == 422
    assert browser.post(url, {"step": "give", "source": "\x00"}).status_code == 422
    assert browser.post(url, {"step": "give", "source": "by phone"}).status_code == 302
    page = browser.get(f"/contacts/{contact.pk}/").content.decode()
    assert "by phone" in page
    assert "recorded by Mia" in page
    assert browser.post(url, {"step": "give", "source": "again"}).status_code == 302  # a page opened before
    assert contact.consents.count() == 1
    assert browser.post(url, {"step": "withdraw", "source": "letter"}).status_code == 302
    assert not consents.agreed(contact, Purpose.SHARING)
    assert browser.get(f"/contacts/{contact.pk}/consents/nonsense/").status_code == 404


def test_the_words_are_edited_in_the_settings(as_user, dora):  # L13
    browser, url = as_user(dora), "/settings/consents/mailing/"
    assert browser.get(url).context["form"].initial["seen_version"] == 1
    stale = browser.post(url, {"seen_version": 0, "text_en": "Kept text", "text_ru": ""})
    assert stale.status_code == 422
    assert "Kept text" in stale.content.decode()
    assert browser.post(url, {"seen_version": 1, "text_en": "", "text_ru": ""}).status_code == 422
    assert browser.post(url, {"seen_version": 1, "text_en": "Letters", "text_ru": "Письма"}).status_code == 302
    page = browser.get("/settings/consents/").content.decode()
    assert "Letters" in page
    assert "Письма" in page
