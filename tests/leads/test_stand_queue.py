"""What a stand's page that kept entries without a network asks of the server (L1)."""

import datetime
import json
import re
import uuid

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from leads import consents, timeline
from leads.models import ConsentText, Lead, LeadEvent
from leads.models.consents import Purpose
from pipeline import transitions
from tests import factories
from tests.factories import NOON, days

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def event():
    return factories.EventFactory(name="Expo")


def send(browser, event, **typed):
    entry = {"name": "Anna Petrova", "submission_key": str(uuid.uuid4()), "waited": "0"} | typed
    return browser.post(f"/campaigns/{event.pk}/stand/entry/", entry)


def test_an_entry_that_comes_twice_is_taken_once_and_answered_alike(as_user, mia, event):
    browser, key = as_user(mia), str(uuid.uuid4())
    answers = [send(browser, event, submission_key=key, email="anna@client.example", note="Once") for _time in range(2)]
    lead = Lead.objects.get()
    assert [answer.json() for answer in answers] == [
        {"said": "Anna Petrova registered.", "url": f"/leads/{lead.pk}/"},
    ] * 2
    assert LeadEvent.objects.count() == 1


def test_who_was_met_before_is_not_told_of_a_note_where_none_was_written(as_user, mia, event):
    browser = as_user(mia)
    send(browser, event, phone="+4930123456")
    assert send(browser, event, phone="+4930123456").json()["said"] == "Anna Petrova is registered here already."
    said = send(browser, event, phone="+4930123456", note="Again").json()["said"]
    assert said == "Anna Petrova is registered here already; your note was added."


def test_an_entry_counts_for_when_it_was_typed(as_user, mia, event):
    before = timezone.now()
    send(as_user(mia), event, waited=str(26 * 3600))
    lead = Lead.objects.get()
    assert lead.registered_at - (before - datetime.timedelta(hours=26)) < datetime.timedelta(minutes=1)
    assert lead.met_on == timezone.localdate(lead.registered_at)
    assert lead.events.get().at == lead.registered_at
    assert lead.events.get().recorded_at >= before


@pytest.mark.parametrize(("waited", "back"), [("-5000", 0), (str(60 * 86400), 30), (str(10**30), 30), ("", 0)])
def test_no_entry_comes_from_the_future_or_from_long_ago(as_user, mia, event, waited, back):
    assert send(as_user(mia), event, waited=waited).status_code == 200
    late = timezone.now() - days(back) - Lead.objects.get().registered_at
    assert datetime.timedelta() <= late < datetime.timedelta(minutes=1)


def test_a_day_of_meeting_that_was_chosen_is_kept(as_user, mia, event):
    send(as_user(mia), event, met_on="2026-03-02", waited="60")
    assert Lead.objects.get().met_on == datetime.date(2026, 3, 2)


def test_what_comes_late_is_not_told_before_the_registration_it_joins(as_user, mia, event):
    browser = as_user(mia)
    send(browser, event, email="anna@client.example")
    send(browser, event, email="anna@client.example", note="Met her first", waited="7200")
    lead = Lead.objects.get()
    again = lead.events.get(kind=LeadEvent.Kind.REGISTERED_AGAIN)
    assert again.at == lead.registered_at
    assert again.data["note"] == "Met her first"


def test_a_colleagues_entry_is_sent_by_whoever_is_signed_in_and_says_whose_it_was(as_user, mia, dan, event):
    send(as_user(dan), event, typed_by=str(mia.pk))
    lead = Lead.objects.get()
    assert lead.registered_by == dan
    [entry] = timeline.entries(lead.events.all())
    assert entry.who == "Dan"
    assert ("Typed at the stand by", "Mia") in entry.details


@pytest.mark.parametrize("typed_by", ["0", "-1", "999999", str(10**30)])
def test_a_colleague_who_does_not_exist_holds_nothing_up(as_user, mia, event, typed_by):
    assert send(as_user(mia), event, typed_by=typed_by).status_code == 200
    assert Lead.objects.get().events.get().data == {}


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "__all__"),
        ({"email": "nobody"}, "email"),
        ({"name": "a\x00b"}, "name"),
        ({"met_on": "2999-01-01"}, "met_on"),
        ({"submission_key": "one"}, "submission_key"),
        ({"profile_url": "javascript:alert(1)"}, "profile_url"),
        ({"waited": "long"}, "waited"),
    ],
)
def test_a_refused_entry_is_answered_with_the_reasons(as_user, mia, event, typed, field):
    answer = send(as_user(mia), event, **typed)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert not Lead.objects.exists()


def test_a_product_that_was_switched_off_meanwhile_is_still_what_was_asked_for(as_user, mia, event):
    product = factories.ProductFactory(is_active=False)
    send(as_user(mia), event, products=[product.pk])
    assert Lead.objects.get().product == product


def test_an_event_that_is_over_still_takes_what_was_typed_there(as_user, mia):
    event = factories.EventFactory(starts_on=NOON.date(), ends_on=NOON.date())
    assert "This event is over" in as_user(mia).get(f"/campaigns/{event.pk}/stand/").content.decode()
    assert send(as_user(mia), event).status_code == 200


# --- Sign-in, roles, token -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", ["entry", "match", "state"])
def test_a_script_is_told_by_status_that_the_sign_in_ended_or_the_role_may_not(as_user, vera, event, ask):
    for browser, status in ((Client(), 401), (as_user(vera), 403)):
        address = f"/campaigns/{event.pk}/stand/{ask}/"
        answer = browser.get(address) if ask == "state" else browser.post(address, {"name": "Anna"})
        assert answer.status_code == status
        assert answer.json()["reason"]
    assert not Lead.objects.exists()


def test_a_fresh_token_can_be_had_and_an_old_one_is_refused_apart_from_the_role(mia, event):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(mia)
    answer = send(browser, event)
    assert answer.status_code == 403
    assert not answer["Content-Type"].startswith("application/json")
    state = browser.get(f"/campaigns/{event.pk}/stand/state/").json()
    assert state["user"] == {"id": mia.pk, "name": "Mia"}
    address = f"/campaigns/{event.pk}/stand/entry/"
    entry = {"name": "Anna", "submission_key": str(uuid.uuid4())}
    assert browser.post(address, entry, headers={"X-CSRFToken": state["token"]}).status_code == 200
    assert "You registered 1 today" in browser.get(f"/campaigns/{event.pk}/stand/state/").json()["log"]


# --- Consents --------------------------------------------------------------------------------------------------------


def test_news_are_agreed_to_apart_and_the_words_can_be_read(as_user, mia, event):
    text = ConsentText.objects.create(
        purpose=Purpose.MAILING, version=70, text_en="<i>We write</i> twice a year.", in_force_at=timezone.now()
    )
    page = as_user(mia).get(f"/campaigns/{event.pk}/stand/").content.decode()
    assert "&lt;i&gt;We write&lt;/i&gt; twice a year." in page
    send(as_user(mia), event, mailing_consent="on")
    consent = Lead.objects.get().contact.consents.get()
    assert (consent.purpose, consent.text, consent.recorded_by) == (Purpose.MAILING, text, mia)


def test_what_was_withdrawn_after_it_was_typed_stays_withdrawn(as_user, mia, event):
    contact = factories.ContactFactory(email="anna@client.example")
    changed_at = contact.updated_at
    consents.give(contact, Purpose.MAILING, source="Fair", at=timezone.now() - days(3))
    consents.withdraw(contact, Purpose.MAILING, source="Link in a mail", at=timezone.now())
    send(as_user(mia), event, email=contact.email, mailing_consent="on", consent="on", waited="7200")
    assert not consents.agreed(contact, Purpose.MAILING)
    assert consents.agreed(contact, Purpose.CONTACT)
    contact.refresh_from_db()
    assert contact.updated_at >= changed_at  # whoever syncs contacts must see the change


# --- What the browser keeps ------------------------------------------------------------------------------------------


def test_the_kept_page_is_of_nobody(as_user, mia, event):
    factories.a_lead(campaign=event, by=mia, at=timezone.now(), contact=factories.ContactFactory(name="Anna Petrova"))
    browser = as_user(mia)
    page = browser.get(f"/campaigns/{event.pk}/stand/").content.decode()
    kept = browser.get(f"/campaigns/{event.pk}/stand/shell/").content.decode()
    assert "Anna Petrova" in page
    for personal in ("Anna Petrova", "Mia", mia.email, "csrfmiddlewaretoken", "You registered"):
        assert personal not in kept
    assert 'name="name"' in kept


def test_the_worker_keeps_to_its_event_and_knows_every_file_of_the_page(as_user, mia, event):
    worker = Client().get(f"/campaigns/{event.pk}/stand/worker.js")
    assert worker["Content-Type"] == "text/javascript"
    assert worker["Cache-Control"] == "no-cache"
    script = worker.content.decode()
    shell = as_user(mia).get(f"/campaigns/{event.pk}/stand/shell/")
    assert f'VERSION = "{shell["X-Stand-Version"]}"' in script
    needed = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', shell.content.decode()))
    assert needed <= set(re.findall(r'"(/static/[^"]+)"', script))
    assert needed


def test_the_page_can_be_installed_under_the_events_name(as_user, mia, event):
    answer = as_user(mia).get(f"/campaigns/{event.pk}/stand/app.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    manifest = json.loads(answer.content)
    assert manifest["short_name"] == "Expo"
    assert manifest["start_url"] == manifest["scope"] == f"/campaigns/{event.pk}/stand/"
    for icon in manifest["icons"]:
        assert (settings.BASE_DIR / icon["src"].lstrip("/")).exists()


def test_the_camera_is_for_the_stand_alone(as_user, mia, event):
    browser = as_user(mia)
    for address, camera in ((f"/campaigns/{event.pk}/stand/", "(self)"), (f"/campaigns/{event.pk}/", "()")):
        assert f"camera={camera}," in browser.get(address)["Permissions-Policy"]


def test_meeting_times_are_there_for_the_days_to_come(as_user, mia, event):
    page = as_user(mia).get(f"/campaigns/{event.pk}/stand/shell/")
    times = page.context["times"]
    assert len(times) == 31
    assert len(times[(timezone.localdate() + days(30)).isoformat()]) == 5


# --- The event's questionnaire ---------------------------------------------------------------------------------------


@pytest.fixture
def asked(event):
    return factories.a_questionnaire(
        {"key": "staff", "kind": "number", "text_en": "How many shops?", "is_required": True},
        {"key": "till", "kind": "yes_no", "text_en": "A till of your own?"},
        {"key": "who", "kind": "text", "text_en": "Your name?", "contact_field": "name", "decides": "field"},
        campaign=event,
    )


def test_the_events_questions_are_asked_at_the_stand_and_none_must_be_answered(as_user, mia, event, asked):
    browser = as_user(mia)
    for address in ("stand/", "stand/shell/"):
        page = browser.get(f"/campaigns/{event.pk}/{address}").content.decode()
        assert "How many shops?" in page
        assert "Your name?" not in page  # the form asks that already
    send(browser, event, questionnaire=str(asked.pk))
    assert not Lead.objects.get().submissions.exists()


def test_answers_given_without_a_network_join_the_lead_once(as_user, mia, event, asked):
    key = str(uuid.uuid4())
    typed = {"submission_key": key, "questionnaire": str(asked.pk), "q-staff": "12", "waited": "3600"}
    for _time in range(2):
        assert send(as_user(mia), event, **typed).status_code == 200
    lead = Lead.objects.get()
    submission = lead.submissions.get()
    assert (submission.via, submission.submitted_by, submission.version) == ("stand", mia, asked)
    assert submission.submitted_at == lead.registered_at
    assert [(row.question.key, row.number) for row in submission.answers.all()] == [("staff", 12)]


def test_answers_belong_to_the_version_that_was_on_the_page(as_user, mia, event, asked):
    questionnaire = asked.questionnaire
    newer = questionnaire.versions.create(number=2, published_at=timezone.now())
    newer.questions.create(key="other", text_en="Something else?")
    send(as_user(mia), event, questionnaire=str(asked.pk), **{"q-till": "no"})
    assert Lead.objects.get().submissions.get().version == asked


@pytest.mark.parametrize("version", ["", "999999", "x", "9" * 40])
def test_a_version_that_is_not_the_events_is_read_as_todays(as_user, mia, event, asked, version):
    send(as_user(mia), event, questionnaire=version, **{"q-staff": "3"})
    assert Lead.objects.get().submissions.get().version == asked


def test_an_answer_that_cannot_be_read_refuses_the_entry_whole(as_user, mia, event, asked):
    typed = {"questionnaire": str(asked.pk), "q-staff": "many", "q-till": "perhaps"}
    answer = send(as_user(mia), event, **typed)
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"q-staff", "q-till"}
    assert not Lead.objects.exists()


def test_answers_are_taken_from_a_page_without_a_script_too(as_user, mia, event, asked):
    typed = {"name": "Anna", "submission_key": str(uuid.uuid4()), "met_on": timezone.localdate().isoformat()}
    browser, address = as_user(mia), f"/campaigns/{event.pk}/stand/"
    refused = browser.post(address, typed | {"questionnaire": str(asked.pk), "q-staff": "many"})
    assert refused.status_code == 422
    assert 'value="many"' in refused.content.decode()
    browser.post(address, typed | {"questionnaire": str(asked.pk), "q-staff": "4"})
    assert Lead.objects.get().submissions.get().answers.get().number == 4


def test_answers_to_a_lead_that_was_removed_meanwhile_are_refused_with_the_reason(as_user, mia, event, asked):
    key = str(uuid.uuid4())
    send(as_user(mia), event, submission_key=key)
    transitions.remove(Lead.objects.get(), factories.reason("removal"), by=mia, at=timezone.now())
    answer = send(as_user(mia), event, submission_key=key, **{"q-staff": "3"})
    assert answer.status_code == 422
    assert "removed" in answer.json()["errors"]["__all__"][0]
