"""Consents are the only place that says what a person agreed to."""

import pytest
from django.db import IntegrityError, transaction

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
