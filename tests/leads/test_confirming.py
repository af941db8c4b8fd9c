"""Mailings that were ticked on a public page wait until the address has confirmed them."""

import datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.models import OutboxMessage
from leads import confirming, consents
from leads.answering import decide, submit, texts_in_force
from leads.models import Consent, ConsentText, Contact, LeadEvent, Purpose
from leads.registration import Person
from tests.factories import a_questionnaire, days

pytestmark = pytest.mark.django_db
HOUR = datetime.timedelta(hours=1)
EVE = "eve@client.example"


@pytest.fixture
def version():
    return a_questionnaire({"key": "need", "kind": "yes_no", "text_en": "Do you count?"}, name="Expo 2026")


def ticked(version, email: str = EVE, *, via: str = "public", at=None, **fields):
    at = at or timezone.now()
    person = Person(name="Buy at www.spam.example", email=email, **fields)
    texts = texts_in_force(at, Purpose.CONTACT, Purpose.MAILING)
    return submit(version, {"need": True}, via=via, at=at, person=person, consents=texts, language="ru")


def page(token: str) -> str:
    return reverse("leads:mailing_confirm", args=[token])


def agreed(email: str = EVE) -> bool:
    return Consent.objects.valid().filter(contact__email=email, purpose=Purpose.MAILING).exists()


def test_the_mailed_link_confirms_by_its_button_alone(version, settings):  # L13
    shown = texts_in_force(timezone.now(), Purpose.MAILING)[0]
    submission = ticked(version)
    ConsentText.objects.create(purpose="mailing", version=9, text_en="New words", in_force_at=timezone.now())
    mail = OutboxMessage.objects.get()
    assert mail.recipients == [EVE]
    assert "spam" not in mail.text + mail.subject, "nothing that a stranger typed leaves under our name"
    (url,) = [line for line in mail.text.splitlines() if "/mailings/confirm/" in line]
    address = url.removeprefix(settings.SITE_URL)
    visitor = Client(enforce_csrf_checks=True)
    opened = visitor.get(address)
    assert opened.status_code == 200
    assert 'lang="ru"' in opened.content.decode()
    assert not agreed(), "programs that check links open them"
    assert "no-store" in opened["Cache-Control"]
    for _time in range(2):
        assert visitor.post(address).status_code == 200
    consent = Consent.objects.get(purpose=Purpose.MAILING)
    assert (consent.text, consent.recorded_by, consent.is_valid) == (shown, None, True)
    assert "Expo 2026" in consent.source
    steps = submission.lead.events.filter(kind=LeadEvent.Kind.CONSENT, data__purpose="mailing").order_by("pk")
    assert [event.data["step"] for event in steps] == ["asked", "given"]


def test_one_address_gets_one_mail_a_day_however_often_it_is_typed(version):  # L13
    first = timezone.now().replace(hour=23, minute=30)
    for hours in (0, 1, 23):  # also over midnight
        ticked(version, at=first + hours * HOUR)
    ticked(version, "bob@client.example", at=first)
    assert OutboxMessage.objects.count() == 2
    ticked(version, EVE.upper(), at=first + 25 * HOUR)
    assert OutboxMessage.objects.filter(recipients=[EVE]).count() == 2


def test_no_mail_goes_to_whom_it_would_not_help(version):
    Contact.objects.create(email="no@client.example", do_not_contact=True)
    Contact.objects.create(email="dead@client.example", bounced_at=timezone.now())
    Contact.objects.create(email="other@client.example", phone="+16502530000")
    asks = Contact.objects.create(email="asks@client.example")
    consents.give(asks, Purpose.MAILING, source="by phone", at=timezone.now())
    for email in ("no@client.example", "dead@client.example", "asks@client.example", ""):
        ticked(version, email)
    ticked(version, "mine@client.example", phone="+1 650 253 0000")  # mailings would go to the other address
    ticked(version, "met@client.example", via="stand")
    assert not OutboxMessage.objects.exists()
    assert agreed("met@client.example"), "a colleague saw who it was"


def test_what_was_suspected_is_asked_once_it_is_found_genuine(version, mia):  # L2
    texts, then = texts_in_force(timezone.now(), Purpose.MAILING), timezone.now()
    person = Person(email=EVE)
    waiting = submit(version, {}, via="public", at=then, person=person, consents=texts, suspicion="fast", language="en")
    assert not OutboxMessage.objects.exists()
    decide(waiting, "genuine", by=mia, at=then + days(20))
    (mail,) = OutboxMessage.objects.all()
    token = confirming.token_of(waiting, EVE, at=then + days(20))
    assert token in mail.text
    assert confirming.confirm(token, at=then + days(30))


def gone(contact, submission):
    Contact.objects.filter(pk=contact.pk).update(erased_at=timezone.now())


def not_to_contact(contact, submission):
    Contact.objects.filter(pk=contact.pk).update(do_not_contact=True)


def moved(contact, submission):
    Contact.objects.filter(pk=contact.pk).update(email="new@client.example")


def refused(contact, submission):
    consents.withdraw(contact, Purpose.MAILING, source="unsubscribe link", at=timezone.now())


def unticked(contact, submission):
    submission.consent_texts.clear()


def too_old(contact, submission):
    return confirming.token_of(submission, EVE, at=timezone.now() - days(14.01))


def nobodys(contact, submission):
    return "x.y"


def hostile(contact, submission):
    return "%F0%9F%92%A9\x00.ы:"


@pytest.mark.parametrize("change", [gone, not_to_contact, moved, refused, unticked, too_old, nobodys, hostile])
def test_a_link_that_asks_nothing_any_more_says_the_same_whatever_the_cause(version, change):  # L13
    submission = ticked(version)
    token = confirming.token_of(submission, EVE, at=timezone.now() - HOUR)
    assert Client().get(page(token)).status_code == 200
    token = change(submission.lead.contact, submission) or token
    expected = Client().get(page("nobodys")).content
    for response in (Client().get(page(token)), Client().post(page(token))):
        assert (response.status_code, response.content) == (410, expected)
    assert not Consent.objects.valid().filter(purpose=Purpose.MAILING).exists()


def test_who_said_no_is_not_made_to_agree_by_a_tick_on_a_public_page(version, mia):  # L13
    no_contact = Contact.objects.create(email=EVE, do_not_contact=True)
    withdrew = Contact.objects.create(email="bob@client.example")
    consents.withdraw(withdrew, Purpose.CONTACT, source="by phone", at=timezone.now(), by=mia)
    for contact in (no_contact, withdrew):
        lead = ticked(version, contact.email).lead
        assert lead.contact == contact
        assert not contact.consents.valid().exists()
        assert lead.events.filter(kind=LeadEvent.Kind.CONSENT, data__step="ticked").count() == 1
    assert ticked(version, "new@client.example").lead.contact.consents.valid().get().purpose == Purpose.CONTACT
