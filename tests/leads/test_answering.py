"""Filling in a questionnaire: what is asked, and what the answers do."""

import datetime
import uuid
from decimal import Decimal

import pytest
from django.http import QueryDict

from accounts.access import NotAllowed
from leads import criteria
from leads.answering import AnswerForm, NotNow, decide, given, latest_answers, submit, texts_in_force
from leads.known import of_lead
from leads.models import Answer, Company, Contact, CriterionAnswer, Lead, Purpose, Submission
from leads.registration import Person, register_lead
from leads.timeline import entries
from pipeline import transitions
from tests.factories import NOON, CampaignFactory, CompanyFactory, ProductFactory, a_lead, a_questionnaire, days, reason

pytestmark = pytest.mark.django_db
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def version():
    """A questionnaire with a question of each kind; it asks the budget only of those who have a need."""
    scanner = ProductFactory(name="Scanner")
    return a_questionnaire(
        {"key": "email", "text_en": "Your e-mail?", "contact_field": "email", "decides": "field"},
        {"key": "need", "kind": "yes_no", "text_en": "Do you count visitors?", "is_required": True,
         "decides": "criterion", "criterion_key": "need", "criterion_rule": {"comparison": "is", "value": True}},
        {"key": "budget", "kind": "number", "text_en": "Your budget?", "is_required": True,
         "condition": {"question": "need", "comparison": "is", "value": True},
         "decides": "criterion", "criterion_key": "budget", "criterion_rule": {"comparison": "at_least", "value": 1000}},
        {"key": "wants", "kind": "multi_choice", "text_en": "What interests you?", "decides": "product",
         "options": [{"key": "scanner", "text_en": "A scanner", "product": scanner}, {"key": "other", "text_en": "Other"}]},
        {"key": "size", "kind": "choice", "text_en": "How many shops?",
         "options": [{"key": "one", "text_en": "One"}, {"key": "many", "text_en": "Many", "text_ru": "Много"}]},
        {"key": "people", "kind": "number", "text_en": "How many people?", "contact_field": "company.employees"},
        {"key": "meet", "kind": "date", "text_en": "When shall we talk?", "contact_field": "preferred_meeting_time"},
        {"key": "more", "kind": "long_text", "text_en": "Anything else?", "contact_field": "note"},
    )  # fmt: skip


def typed(**answers) -> QueryDict:
    data = QueryDict(mutable=True)
    for key, value in answers.items():
        data.setlist(f"q-{key}", value if isinstance(value, list) else [value])
    return data


def test_a_form_gives_the_answers_by_question(version):  # L3
    form = AnswerForm(
        version,
        typed(email=" Eve@Client.Example ", need="yes", budget="1 200,50", wants=["scanner", "other"], size="many",
              people="40", meet="2026-03-14", more="Call me"),
    )  # fmt: skip
    assert form.is_valid(), form.errors
    assert form.answers == {
        "email": "Eve@Client.Example",
        "need": True,
        "budget": Decimal("1200.50"),
        "wants": ["scanner", "other"],
        "size": "many",
        "people": Decimal(40),
        "meet": datetime.date(2026, 3, 14),
        "more": "Call me",
    }
    assert form.person.email == "Eve@Client.Example"


def test_a_question_is_required_only_where_its_condition_holds(version):  # L3
    assert AnswerForm(version, typed(need="yes")).errors.keys() == {"q-budget"}
    form = AnswerForm(version, typed(need="no", budget="nonsense"))
    assert form.is_valid(), form.errors
    assert form.answers == {"need": False}


@pytest.mark.parametrize(
    "answers",
    [
        {"more": "a\x00b"},
        {"more": "\ud800"},
        {"more": "x" * 1_000_000},
        {"email": "not an address"},
        {"size": "99999"},
        {"wants": ["scanner", "<script>"]},
        {"budget": "9" * 40},
        {"budget": "NaN"},
        {"meet": "0001-01-01"},
        {"need": "perhaps"},
    ],
)
def test_hostile_answers_are_refused_in_words(version, answers):
    form = AnswerForm(version, typed(**{"need": "yes", "budget": "1"} | answers))
    assert not form.is_valid()
    assert all(form.errors.values())


def test_answers_register_a_lead_and_decide_what_they_should(version, mia):  # L2 L3
    version.questionnaire.campaign.owner = mia
    version.questionnaire.campaign.save()
    agreed_to = texts_in_force(NOON, Purpose.CONTACT, Purpose.MAILING)
    answers = {
        "email": "eve@client.example", "need": True, "budget": Decimal(500), "wants": ["other", "scanner"],
        "size": "many", "people": Decimal(40), "meet": datetime.date(2026, 3, 14), "more": "Call me",
    }  # fmt: skip
    person = Person(name="Eve", company="Acme")
    done = submit(version, answers, via="public", at=NOON, person=person, consents=agreed_to, language="en")
    lead = Lead.objects.get()
    assert (done.lead, done.verdict, lead.owner, lead.registered_at) == (lead, "genuine", mia, NOON)
    assert (lead.contact.name, lead.contact.email, lead.contact.company.employees) == ("Eve", "eve@client.example", 40)
    assert (lead.product.name, lead.note, lead.preferred_meeting_time) == ("Scanner", "Call me", "2026-03-14")
    said = {answer.key: (answer.value, answer.source) for answer in CriterionAnswer.objects.all()}
    assert said == {"need": ("yes", "question"), "budget": ("no", "question")}
    assert of_lead(lead).fields["answer.wants"] == ["scanner", "other"]
    by_purpose = {text.purpose: text for text in agreed_to}
    given = {consent.purpose: consent.text for consent in lead.contact.consents.valid()}
    assert given == {"contact": by_purpose["contact"]}, "mailings wait for the address to confirm them"
    assert set(done.consent_texts.all()) == set(agreed_to)
    assert [event.kind for event in lead.events.order_by("pk")][:2] == ["registered", "answered"]


def test_the_same_submission_sent_twice_is_one(version):  # L2
    key, answers = uuid.uuid4(), {"need": True, "email": "eve@client.example"}
    first = submit(version, answers, via="public", at=NOON, submission_key=key)
    assert submit(version, answers, via="public", at=NOON + HOUR, submission_key=key) == first
    assert (Submission.objects.count(), Lead.objects.count(), Answer.objects.count()) == (1, 1, 2)
    assert Lead.objects.get().events.filter(kind="answered").count() == 1


def test_what_is_known_is_not_overwritten_and_what_differs_is_told(version):  # L3
    known = Contact.objects.create(name="Eve Known", email="eve@client.example")
    campaign = version.questionnaire.campaign
    lead = register_lead(campaign, Person(), contact=known, by=None, at=NOON, note="Met at the bar").lead
    answers = {"need": True, "email": "eve@client.example", "more": "Call me"}
    submit(version, answers, via="public", at=NOON + HOUR, person=Person(name="Eva", phone="+1 650 253 0000"))
    lead.refresh_from_db()
    assert (Lead.objects.count(), lead.note, lead.contact.name) == (1, "Met at the bar", "Eve Known")
    assert lead.contact.phone == "", "anybody can type anybody's address"
    event = lead.events.get(kind="answered")
    assert event.data["differs"] == {
        "name": ["Eve Known", "Eva"],
        "phone": ["", "+1 650 253 0000"],
        "note": ["Met at the bar", "Call me"],
    }
    (entry,) = entries([event])
    assert "said “+1 650 253 0000”, not filled in" in {text for _label, text in entry.details}


def test_a_stranger_fills_in_new_contacts_and_companies_but_no_known_ones(version):  # L2 L13
    known = CompanyFactory(name="Acme")
    answers = {"need": True, "email": "eve@client.example", "people": Decimal(40)}
    eve = submit(version, answers, via="public", at=NOON, person=Person(name="Eve", company="ACME")).lead
    known.refresh_from_db()
    assert (eve.contact.company, known.employees) == (known, None)
    assert eve.events.get(kind="answered").data["differs"] == {"employees": ["", "40"]}
    bob = submit(
        version, answers | {"email": "bob@client.example"}, via="public", at=NOON, person=Person(company="New")
    )
    assert Company.objects.get(name="New").employees == 40
    assert bob.lead.contact.company.name == "New"
    # Somebody of ours who asks the person may fill in what wasn't known.
    submit(version, {"people": Decimal(7)}, via="phone", at=NOON + HOUR, lead=eve)
    known.refresh_from_db()
    assert known.employees == 7


def test_the_latest_answer_to_a_criterion_counts(version, dan):  # L6
    lead = a_lead()
    criteria.answer(lead, "need", "no", by=dan, at=NOON)
    submit(version, {"need": True}, via="phone", at=NOON + HOUR, by=dan, lead=lead)
    assert CriterionAnswer.objects.get(key="need").value == "yes"
    criteria.answer(lead, "need", "no", by=dan, at=NOON + 2 * HOUR)
    submit(version, {"need": True}, via="stand", at=NOON + HOUR, by=dan, lead=lead)  # came late, from a queue
    assert CriterionAnswer.objects.get(key="need").value == "no"


def test_a_public_page_does_not_overrule_what_one_of_ours_was_told(version, dan):  # L6
    person = Person(name="Eve", email="eve@client.example")
    lead = submit(version, {"need": True}, via="public", at=NOON, person=person).lead
    submit(version, {"need": False}, via="public", at=NOON + HOUR, person=person)  # of a page the later one counts
    assert CriterionAnswer.objects.get(key="need").value == "no"
    criteria.answer(lead, "need", "yes", by=dan, at=NOON + 2 * HOUR)
    submit(version, {"need": False}, via="public", at=NOON + 3 * HOUR, person=person)
    assert CriterionAnswer.objects.get(key="need").value == "yes"


def test_staff_answers_join_the_lead_and_the_latest_are_shown_once(version, dan):  # L8
    lead = a_lead(campaign=CampaignFactory())
    submit(version, {"need": True, "size": "one"}, via="phone", at=NOON, by=dan, lead=lead)
    submit(version, {"need": False, "wants": ["scanner", "other"]}, via="phone", at=NOON + HOUR, by=dan, lead=lead)
    assert Lead.objects.count() == 1
    assert [(said.question.key, said.text) for said in latest_answers(lead)] == [
        ("need", "no"),
        ("wants", "A scanner, Other"),
        ("size", "One"),
    ]


def test_a_viewer_and_a_removed_lead_are_refused(version, vera, mia):
    lead = a_lead()
    with pytest.raises(NotAllowed):
        submit(version, {"need": True}, via="phone", at=NOON, by=vera, lead=lead)
    transitions.remove(lead, reason("removal"), by=mia, at=NOON)
    with pytest.raises(NotNow):
        submit(version, {"need": True}, via="phone", at=NOON, by=mia, lead=lead)
    assert not Submission.objects.exists()


def test_an_answer_that_was_not_offered_changes_nothing(version):
    with pytest.raises(ValueError, match="doesn't offer"):
        submit(version, {"size": "9"}, via="public", at=NOON)
    assert not Lead.objects.exists()


def test_a_suspicious_submission_waits_and_becomes_a_lead_of_its_own_time(version, mia):  # L2
    answers = {"need": True, "email": "eve@client.example", "wants": ["scanner"], "meet": datetime.date(2026, 3, 14)}
    texts = texts_in_force(NOON, Purpose.CONTACT)
    waiting = submit(
        version, answers, via="public", at=NOON, person=Person(name="Eve"), consents=texts, suspicion="fast"
    )
    assert (waiting.verdict, waiting.lead, waiting.person["name"]) == ("suspect", None, "Eve")
    assert not Lead.objects.exists()
    assert not Contact.objects.exists()
    assert given(waiting) == answers
    done = decide(waiting, "genuine", by=mia, at=NOON + days(1))
    assert (done.lead.registered_at, done.lead.product.name, done.person) == (NOON, "Scanner", {})
    assert done.lead.contact.consents.get().given_at == NOON
    assert decide(waiting, "genuine", by=mia, at=NOON + days(2)).decided_at == NOON + days(1)
    with pytest.raises(NotNow):
        decide(waiting, "spam", by=mia, at=NOON + days(2))


def test_spam_is_kept_from_the_leads_and_can_be_taken_back(version, mia, sam):  # L2
    waiting = submit(version, {"need": True}, via="public", at=NOON, suspicion="honeypot")
    with pytest.raises(NotAllowed):
        decide(waiting, "spam", by=sam, at=NOON)
    assert decide(waiting, "spam", by=mia, at=NOON).decided_by == mia
    assert decide(waiting, "suspect", by=mia, at=NOON).decided_by is None
    assert not Lead.objects.exists()


def test_nothing_is_answered_for_an_erased_person(version, mia, dora):
    lead = a_lead(by=mia)
    Contact.objects.filter(pk=lead.contact_id).update(name="", email="", erased_at=NOON)
    with pytest.raises(NotAllowed):
        submit(version, {"email": "eve@client.example"}, via="phone", at=NOON, by=mia, lead=lead)
    assert Contact.objects.get(pk=lead.contact_id).email == ""


def test_what_was_emptied_in_the_queue_becomes_no_lead_of_nobody(version, mia):
    waiting = submit(version, {}, via="public", at=NOON, person=Person(email="eve@client.example"), suspicion="fast")
    Submission.objects.filter(pk=waiting.pk).update(person={}, verdict="spam")
    for verdict in ("suspect", "genuine"):
        with pytest.raises(NotNow, match="erased"):
            decide(waiting, verdict, by=mia, at=NOON)
    assert not Lead.objects.exists()
