"""The public page: anybody may answer, nobody is lost, machines wait in a queue."""

import datetime
import re
import uuid

import icalendar
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import limits
from accounts.models import Counter
from leads.answering import decide, submit, texts_in_force
from leads.forms.public import Opened
from leads.models import Consent, ConsentText, Contact, Lead, Purpose, Questionnaire, Submission
from tests.factories import NOON, EventFactory, a_lead, a_questionnaire, days

pytestmark = [pytest.mark.django_db, pytest.mark.once]
MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def version(mia):
    return a_questionnaire(
        {"key": "need", "kind": "yes_no", "text_en": "Do you count?", "text_ru": "Вы считаете?", "is_required": True},
        {"key": "meet", "kind": "date", "text_en": "When shall we talk?", "contact_field": "preferred_meeting_time"},
        {"key": "more", "kind": "long_text", "text_en": "Anything else?"},
        campaign=EventFactory(name="Expo", owner=mia, starts_on=timezone.localdate(), ends_on=None),
    )


def page(version) -> str:
    return reverse("leads:questionnaire_public", args=[version.questionnaire.public_key])


def opened(version, ago: datetime.timedelta = MINUTE) -> str:
    """The token of a page that was opened a while ago."""
    texts = texts_in_force(timezone.now(), Purpose.CONTACT, Purpose.MAILING)
    return Opened.now(version, texts, timezone.now() - ago).token


def typed(version, **fields) -> dict:
    return {
        "token": opened(version), "q-need": "yes", "name": "Eve", "email": "eve@client.example", "consent-contact": "on",
    } | fields  # fmt: skip


def send(version, address: str = "203.0.113.7", client: Client | None = None, **fields):
    return (client or Client(enforce_csrf_checks=True)).post(
        page(version), typed(version, **fields), REMOTE_ADDR=address
    )


def test_a_visitor_becomes_a_lead_and_is_thanked(version, mia):  # L2
    visitor = Client()
    response = send(version, client=visitor, **{"q-meet": "2026-12-03", "consent-mailing": "on"})
    lead = Lead.objects.get()
    assert (lead.owner, lead.registered_by, lead.campaign.name, lead.contact.name) == (mia, None, "Expo", "Eve")
    assert {consent.purpose for consent in lead.contact.consents.valid()} == {"contact"}
    thanks = visitor.get(response["Location"])
    assert "Please confirm our mailings" in thanks.content.decode()
    assert "Please confirm" not in visitor.get(send(version, client=visitor)["Location"]).content.decode()
    assert "2026" in thanks.content.decode()
    assert not visitor.cookies, "a page inside another site's gets no cookie"
    (calendar,) = re.findall(r'href="([^"]+/meeting/[^"]+)"', thanks.content.decode())
    files = [visitor.get(calendar).content for _time in range(2)]
    events = [icalendar.Calendar.from_ical(file).walk("VEVENT")[0] for file in files]
    assert events[0].decoded("dtstart") == datetime.date(2026, 12, 3)
    assert events[0]["uid"] == events[1]["uid"]


def test_the_page_may_be_framed_and_is_kept_by_no_cache(version):  # L2
    response = Client().get(page(version))
    assert "frame-ancestors *" in response["Content-Security-Policy"]
    assert "X-Frame-Options" not in response
    assert "no-store" in response["Cache-Control"]
    assert not response.cookies


def test_it_speaks_the_visitors_language_and_keeps_what_was_typed_on_switching(version):  # L2
    russian = Client().get(page(version), headers={"Accept-Language": "ru"}).content.decode()
    assert "Вы считаете?" in russian
    assert 'lang="ru"' in russian
    switched = Client().post(page(version), typed(version, switch="ru")).content.decode()
    assert "Вы считаете?" in switched
    assert 'value="Eve"' in switched
    assert not Submission.objects.exists()


def test_contact_needs_the_tick_and_a_way_to_be_reached(version):  # L2 L13
    response = send(version, **{"consent-contact": "", "email": ""})
    assert response.status_code == 422
    text = response.content.decode()
    assert "without your consent" in text
    assert "Leave an e-mail address or a phone number" in text
    assert 'value="Eve"' in text
    assert not Contact.objects.exists()


def test_the_words_that_were_shown_are_the_words_agreed_to(version):  # L13
    shown = opened(version)
    ConsentText.objects.create(purpose="contact", version=2, text_en="New words", in_force_at=timezone.now())
    send(version, token=shown)
    assert Consent.objects.get(purpose="contact").text.version == 1
    assert Submission.objects.get().consent_texts.get().version == 1


@pytest.mark.parametrize("token", ["", "x", "a:b:c", "\x00", "ы" * 5000])
def test_without_the_pages_own_token_nothing_is_taken_but_all_is_kept(version, token):
    response = send(version, token=token)
    assert response.status_code == 403
    assert 'value="Eve"' in response.content.decode()
    assert not Submission.objects.exists()


def test_another_questionnaires_token_is_none(version):
    assert send(version, token=opened(a_questionnaire({"key": "need", "kind": "yes_no"}))).status_code == 403


def test_sent_twice_is_one_lead_but_going_back_and_answering_anew_is_kept(version):  # L2
    token = opened(version)
    first, second = (send(version, token=token) for _time in range(2))
    assert first.status_code == second.status_code == 302
    assert (Submission.objects.count(), Lead.objects.count()) == (1, 1)
    send(version, token=token, name="Bob", email="bob@client.example")  # the next visitor at the same tablet
    assert {lead.contact.name for lead in Lead.objects.all()} == {"Eve", "Bob"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"website": "https://spam.example"}, "honeypot"),
        ({"q-more": "See http://a.example and http://b.example"}, "links"),
        ({"name": "www.spam.example"}, "links"),
        ({"q-more": "<a href=x>y</a>"}, "markup"),
    ],
)
def test_what_looks_like_a_machine_waits_and_is_thanked_all_the_same(version, fields, reason):  # L2
    assert send(version, **fields).status_code == 302
    waiting = Submission.objects.suspected().get()
    assert waiting.suspicion == reason
    assert waiting.person["name"]
    assert not Lead.objects.exists()


def test_a_page_answered_at_once_and_a_text_said_before_are_suspicious(version):  # L2
    send(version, token=opened(version, ago=datetime.timedelta(seconds=1)))
    assert Submission.objects.get().suspicion == "fast"
    long = "Please contact me about the very best offer in the world"
    send(version, **{"q-more": long})
    send(version, name="Bob", email="bob@client.example", **{"q-more": long})
    assert [s.suspicion for s in Submission.objects.order_by("pk")] == ["fast", "", "repeated"]


def test_a_flooder_meets_a_queue_and_then_a_wall_while_others_get_through(version, settings):  # L2
    settings.QUESTIONNAIRE_LIMITS = {"looked_at": 2, "refused": 4, "page": 3}
    said = [send(version, name=f"Flood {n}", email=f"f{n}@flood.example") for n in range(6)]
    assert [response.status_code for response in said] == [302] * 4 + [429] * 2
    assert "Flood 5" in said[5].content.decode(), "what was typed is kept"
    assert said[5]["Retry-After"]
    assert [s.suspicion for s in Submission.objects.order_by("pk")] == ["", "", "often", "often"]
    assert send(version, address="198.51.100.9").status_code == 302
    assert Lead.objects.filter(contact__email="eve@client.example").exists()
    assert send(version, address="2001:db8::1", name="A").status_code == 302
    kept = list(Counter.objects.values_list("key", "number"))
    assert 6 in [number for _key, number in kept], "who is refused is counted on"
    assert "203.0.113.7" not in str(kept)


def test_counting_begins_anew_after_its_span_and_what_is_over_is_forgotten():
    moments = [NOON, NOON + MINUTE, NOON + 9 * MINUTE, NOON + 10 * MINUTE, NOON + 11 * MINUTE]
    assert [limits.count("one", 10 * MINUTE, at) for at in moments] == [1, 2, 3, 1, 2]
    assert limits.count("other", MINUTE, NOON) == 1
    assert limits.forget(NOON + 2 * MINUTE) == 1
    assert list(Counter.objects.values_list("key", "number")) == [("one", 2)]


def test_counting_a_submission_takes_two_statements(version, django_assert_max_num_queries):
    send(version)  # fills what is remembered in the process
    with django_assert_max_num_queries(60) as asked:
        send(version, name="Bob", email="bob@client.example")
    counting = [query for query in asked.captured_queries if "accounts_counter" in query["sql"]]
    assert len(counting) == 2


def test_a_forged_header_makes_no_new_visitor(version, settings):
    settings.QUESTIONNAIRE_LIMITS = {"looked_at": 1, "refused": 9, "page": 3}
    for n in range(2):
        Client().post(
            page(version), typed(version, name=f"Flood {n}"), REMOTE_ADDR="203.0.113.7",
            headers={"X-Forwarded-For": f"192.0.2.{n}"},
        )  # fmt: skip
    assert list(Submission.objects.order_by("pk").values_list("suspicion", flat=True)) == ["", "often"]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a\x00b"},
        {"email": "x" * 1_000_000},
        {"q-need": "<script>alert(1)</script>"},
        {"q-meet": "31 February"},
        {"q-more": "y" * 1_000_000},
    ],
)
def test_hostile_input_is_refused_and_shown_harmless(version, fields):
    response = send(version, **fields)
    assert response.status_code == 422
    assert "<script>alert" not in response.content.decode()
    assert not Submission.objects.exists()


def test_an_unknown_an_unpublished_a_closed_and_an_old_one_say_so_and_no_more(version):  # L2
    unknown = Client().get(reverse("leads:questionnaire_public", args=["nothing-here"]))
    draft = a_questionnaire({"key": "need"}, name="Secret")
    type(draft).objects.filter(pk=draft.pk).update(published_at=None)
    brief = a_questionnaire({"key": "need"}, kind="brief", name="Secret")
    for response in (unknown, Client().get(page(draft)), Client().get(page(brief))):
        assert response.status_code == 404
        assert "Secret" not in response.content.decode()
    version.questionnaire.is_open = False
    version.questionnaire.save()
    old = a_questionnaire({"key": "need"}, campaign=EventFactory(name="Past", starts_on=timezone.localdate() - days(40), ends_on=None))  # fmt: skip
    for response in (Client().get(page(version)), send(version), Client().get(page(old))):
        assert response.status_code == 410
        assert not {"Expo", "Past"} & set(response.content.decode().split())
    assert not Submission.objects.exists()


def test_a_thanks_page_opens_with_its_own_address_only(version):
    response = send(version)
    key, token = response["Location"].split("/thanks/")[0].split("/")[-1], response["Location"].split("/")[-2]
    other = a_questionnaire({"key": "need"})
    for public_key, sent in ((key, "1"), (key, token[:-2]), (other.questionnaire.public_key, token)):
        assert Client().get(reverse("leads:questionnaire_thanks", args=[public_key, sent])).status_code == 404
    assert Client().get(reverse("leads:questionnaire_meeting", args=[key, token])).status_code == 404, (
        "no day was named"
    )


# --- The spam queue --------------------------------------------------------------------------------------------------


def waiting(version, number: int = 1) -> list[Submission]:
    at = timezone.now() - days(1)
    return [submit(version, {"need": True}, via="public", at=at, suspicion="fast,links") for _n in range(number)]


def test_marketing_decides_what_waits_many_at_once_and_takes_it_back(version, mia, as_user):  # L2
    browser, (first, second, third) = as_user(mia), waiting(version, 3)
    listed = browser.get(reverse("leads:submission_list")).content.decode()
    assert "was filled in faster than anybody reads; contains links" in listed
    decide_url = reverse("leads:submission_decide")
    browser.post(decide_url, {"selected": [first.pk, second.pk], "verdict": "genuine"})
    assert set(Lead.objects.values_list("registered_at", flat=True)) == {first.submitted_at, second.submitted_at}
    browser.post(decide_url, {"selected": [third.pk], "verdict": "spam"})
    assert not Submission.objects.suspected().exists()
    browser.post(reverse("leads:submission_undo", args=[third.pk]))
    assert Submission.objects.suspected().get() == third
    response = browser.post(decide_url, {"selected": [first.pk], "verdict": "spam"}, follow=True)
    assert "have become a lead" in response.content.decode()


def test_what_waits_stands_on_the_pages_where_marketing_works(version, mia, sam, as_user):
    waiting(version)
    for name, arguments in (
        ("pipeline:home", []),
        ("leads:campaign_list", []),
        ("leads:campaign_detail", [version.questionnaire.campaign_id]),
    ):
        url = reverse(name, args=arguments)
        assert reverse("leads:submission_list") in as_user(mia).get(url).content.decode(), name
        assert reverse("leads:submission_list") not in as_user(sam).get(url).content.decode(), name


@pytest.mark.parametrize("body", [{}, {"verdict": "spam"}, {"selected": ["x", "-1", "9" * 30], "verdict": "spam"},
                                  {"selected": ["1"], "verdict": "nonsense"}])  # fmt: skip
def test_a_decision_about_nothing_says_so(mia, as_user, body):
    response = as_user(mia).post(reverse("leads:submission_decide"), body, follow=True)
    assert "Select what you want to decide about first" in response.content.decode()


def test_the_queue_costs_the_same_whatever_waits(version, mia, as_user, django_assert_max_num_queries):
    browser, url = as_user(mia), reverse("leads:submission_list")
    waiting(version, 2)
    with django_assert_max_num_queries(12) as few:
        browser.get(url)
    waiting(version, 10)
    with django_assert_max_num_queries(len(few)):
        browser.get(url)


# --- In staff's hands ------------------------------------------------------------------------------------------------


def test_dan_fills_it_in_on_the_phone_with_the_earlier_answers_before_him(version, dan, as_user):  # L8
    lead, browser = a_lead(campaign=version.questionnaire.campaign), as_user(dan)
    url = reverse("pipeline:lead_questionnaire", args=[lead.pk])
    brief = a_questionnaire({"key": "pain", "text_en": "What hurts?"}, kind="brief", name="Brief")
    assert "Do you count?" in browser.get(url).content.decode()
    assert "What hurts?" in browser.get(f"{url}?questionnaire={brief.questionnaire.pk}").content.decode()
    key = str(uuid.uuid4())
    body = {"q-need": "yes", "q-more": "Soon", "submission_key": key, "consent-mailing": "on"}
    for _time in range(2):
        assert browser.post(url, body).status_code == 302
    done = Submission.objects.get()
    assert (done.lead, done.via, done.submitted_by, done.submitted_at.date()) == (
        lead,
        "phone",
        dan,
        timezone.now().date(),
    )
    assert lead.contact.consents.valid().get().recorded_by == dan
    shown = browser.get(url).content.decode()
    assert "Soon</textarea>" in shown
    assert re.search(r'value="yes"[^>]*checked', shown)
    assert "consent-mailing" not in shown
    lead_page = browser.get(reverse("leads:lead_detail", args=[lead.pk])).content.decode()
    assert "Do you count?" in lead_page
    assert f'href="{reverse("leads:submission_detail", args=[done.pk])}"' in lead_page


def test_a_refused_answer_on_the_phone_keeps_the_rest(version, dan, as_user):  # L8
    lead = a_lead(campaign=version.questionnaire.campaign)
    url = reverse("pipeline:lead_questionnaire", args=[lead.pk])
    response = as_user(dan).post(url, {"q-more": "Soon", "submission_key": str(uuid.uuid4())})
    assert response.status_code == 422
    assert "Soon</textarea>" in response.content.decode()


def test_a_lead_without_a_questionnaire_is_told_what_it_is_for(dan, as_user):
    Questionnaire.objects.all().delete()  # the brief that everybody begins with
    response = as_user(dan).get(reverse("pipeline:lead_questionnaire", args=[a_lead().pk]))
    assert "No questionnaire yet" in response.content.decode()


def test_the_sheet_has_the_code_and_the_address_in_both_languages(version, vera, as_user, settings):  # L2
    settings.SITE_URL = "https://leadflow.example"
    browser, questionnaire = as_user(vera), version.questionnaire
    sheet = browser.get(reverse("leads:questionnaire_sheet", args=[questionnaire.pk])).content.decode()
    assert f"leadflow.example{page(version)}" in sheet
    assert 'lang="ru"' in sheet
    svg, png = (
        browser.get(reverse("leads:questionnaire_code", args=[questionnaire.pk, kind])) for kind in ("svg", "png")
    )
    assert svg["Content-Type"] == "image/svg+xml"
    assert svg.content.startswith(b"<svg")
    assert png.content.startswith(b"\x89PNG")
    assert browser.get(reverse("leads:questionnaire_code", args=[questionnaire.pk, "exe"])).status_code == 404


def test_spam_that_was_decided_by_two_is_decided_once(version, mia, dan):
    (one,) = waiting(version)
    decide(one, "genuine", by=mia, at=timezone.now())
    assert decide(one, "genuine", by=dan, at=timezone.now()).decided_by == mia
    assert Lead.objects.count() == 1


def test_the_queue_refuses_an_address_of_nonsense(as_user, mia):
    url = reverse("leads:submission_list")
    answers = [as_user(mia).get(f"{url}?{query}").status_code for query in ("spam=1", "spam=2", "nonsense=1")]
    assert answers == [200, 400, 400]
