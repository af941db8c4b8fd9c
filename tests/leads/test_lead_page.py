import html
import uuid

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse

from leads import consents, timeline
from leads.models import Contact, CriterionAnswer, Lead, LeadEvent, Stage
from leads.models.consents import Purpose
from pipeline import transitions
from tests.factories import (
    NOON,
    CampaignFactory,
    ContactFactory,
    ProductFactory,
    a_contacted_handoff,
    a_lead,
    a_won_opportunity,
    days,
    meet_criteria,
    reason,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]

HTMX = {"HX-Request": "true"}


def _url(name: str, lead: Lead) -> str:
    return reverse(f"leads:{name}", args=[lead.pk])


def _text(response) -> str:
    return html.unescape(response.content.decode())


@pytest.fixture
def browser(as_user, mia):
    return as_user(mia)


# --- The page --------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_road_so_far_and_how_to_reach_the_person(browser, mia, sam):
    lead = a_won_opportunity(sam, by=mia).lead
    Contact.objects.filter(pk=lead.contact_id).update(phone="+12005550143", profile_url="https://social.example/anna")
    response = browser.get(_url("lead_detail", lead))
    ribbon = {str(step["label"]): step for step in response.context["ribbon"]}
    assert ribbon["Won"]["is_current"]
    assert ribbon["Qualified (MQL)"]["at"] == NOON
    assert ribbon["Demo"]["at"] is None
    for link in (
        'href="tel:+12005550143"',
        f'href="mailto:{lead.contact.email}"',
        'href="https://social.example/anna"',
    ):
        assert link in _text(response)


def test_a_returned_lead_stands_beside_the_funnel_and_shows_what_sales_said(browser, mia, sam):  # H4
    handoff = a_contacted_handoff(sam, by=mia)
    transitions.reject(
        handoff,
        reason(),
        missing="the <b>budget</b>",
        misread="the role",
        by=sam,
        at=NOON + days(1),
        criteria_doubt="x",
    )
    response = browser.get(_url("lead_detail", handoff.lead))
    (aside,) = [step for step in response.context["ribbon"] if step.get("is_stopped")]
    assert aside["label"] == Stage.RETURNED.label
    entry = response.context["entries"][0]
    assert str(reason()) in entry.sentence
    assert [text for _label, text in entry.details] == ["the <b>budget</b>", "the role", "x"]
    assert "<b>budget</b>" not in response.content.decode()


def test_every_kind_of_event_is_told_in_words_even_when_its_facts_are_missing(mia):
    lead = a_lead(by=mia)
    for kind in LeadEvent.Kind:
        (entry,) = timeline.entries([LeadEvent.objects.record(lead, kind, by=None, at=NOON)])
        assert entry.sentence, kind
        assert "%(" not in entry.sentence, kind
        assert entry.who == "LeadFlow", kind


def test_strange_facts_of_an_event_do_not_break_the_page(browser, mia):
    lead = a_lead(by=mia)
    for kind in LeadEvent.Kind:
        LeadEvent.objects.record(
            lead, kind, by=mia, at=NOON, amount="much", paid_on=7, told=[1], changes={"x": 1, "name": ["%s", "%(x)s"]},
            fields=["brief"], key=["x"], value={}, reason=3, what="?", note="<script>",
        )  # fmt: skip
    response = browser.get(_url("lead_detail", lead))
    assert response.status_code == 200
    assert "<script>" not in response.content.decode().split('<ol class="timeline">')[1]


def test_older_events_come_in_pages(browser, mia):
    lead = a_lead(by=mia)
    for number in range(70):
        LeadEvent.objects.record(lead, LeadEvent.Kind.NOTE, by=mia, at=NOON + days(number), note=f"note {number}")
    seen, url = [], _url("lead_detail", lead)
    while url:
        context = browser.get(url).context
        seen += [entry.event.pk for entry in context["entries"]]
        key = context["events"].next_key
        url = f"{_url('lead_detail', lead)}?after={key}" if key else ""
    assert seen == list(lead.events.order_by("-at", "-pk").values_list("pk", flat=True))
    assert len(seen) == 71


def test_the_page_costs_the_same_whatever_happened(browser, mia, django_assert_max_num_queries):
    lead = meet_criteria(a_lead(by=mia))
    browser.get(_url("lead_detail", lead))
    with django_assert_max_num_queries(15) as few:
        browser.get(_url("lead_detail", lead))
    for number in range(28):
        LeadEvent.objects.record(lead, LeadEvent.Kind.NOTE, by=mia, at=NOON, note=str(number))
    for _number in range(3):
        a_lead(by=mia, contact=lead.contact)
    lead.other_products.set(ProductFactory.create_batch(3))
    with django_assert_max_num_queries(len(few) + 1):  # one more for the events that have another page
        browser.get(_url("lead_detail", lead))


# --- What is written on it -------------------------------------------------------------------------------------------


def test_a_note_lands_on_top_of_the_timeline(browser, mia):
    lead = a_lead(by=mia)
    response = browser.post(_url("lead_note", lead), {"text": "Likes tea\nand cake"}, headers=HTMX)
    assert "Likes tea\nand cake" in _text(response).split("registered the lead", maxsplit=1)[0]
    assert "<html" not in _text(response)
    assert browser.post(_url("lead_note", lead), {"text": "Plain"}).status_code == 302
    assert lead.events.filter(kind=LeadEvent.Kind.NOTE, actor=mia).count() == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "required"), ("   ", "required"), ("a\x00b", "Null characters"), ("x" * 5001, "at most 5000")],
)
def test_a_note_that_cannot_be_kept_is_refused_with_words(browser, mia, text, words):
    lead = a_lead(by=mia)
    assert words in _text(browser.post(_url("lead_note", lead), {"text": text}, headers=HTMX))
    assert lead.events.count() == 1


def test_a_criterion_is_answered_with_one_tap_and_says_who_and_when(browser, mia):  # L6
    lead = a_lead(by=mia)
    response = browser.post(_url("lead_criterion", lead), {"key": "need", "value": "yes"}, headers=HTMX)
    assert response["HX-Trigger-After-Settle"] == "lead-changed"
    assert "Mia" in _text(response)
    answer = CriterionAnswer.objects.get(lead=lead)
    assert (answer.key, answer.value, answer.answered_by) == ("need", "yes", mia)
    browser.post(_url("lead_criterion", lead), {"key": "need", "value": "unknown"})
    answer.refresh_from_db()
    assert answer.value == "unknown"


@pytest.mark.parametrize("body", [{"key": "nonsense", "value": "yes"}, {"key": "need", "value": "perhaps"}, {}])
def test_an_answer_to_what_is_not_asked_changes_nothing(browser, mia, body):  # L6
    lead = a_lead(by=mia)
    assert browser.post(_url("lead_criterion", lead), body).status_code == 302
    assert not CriterionAnswer.objects.exists()


def test_facts_are_edited_in_place(browser, mia, dan):
    lead = a_lead(by=mia)
    page = browser.get(_url("lead_edit", lead)).context["form"]
    body = {"version": page.initial["version"], "owner": dan.pk, "note": "Tea", "met_on": "2026-03-01"}
    response = browser.post(_url("lead_edit", lead), body, headers={**HTMX, "HX-Target": "facts"})
    assert 'id="facts"' in _text(response)
    assert "<form" not in _text(response)
    lead.refresh_from_db()
    assert (lead.owner, lead.note) == (dan, "Tea")


def test_a_stale_edit_is_refused_shows_what_the_other_wrote_and_can_then_be_meant(as_user, mia, sam):
    lead = a_lead(by=mia)
    version = as_user(mia).get(_url("lead_edit", lead)).context["form"].initial["version"]
    as_user(sam).post(_url("lead_edit", lead), {"version": version, "note": "Sam's note", "owner": mia.pk})
    response = as_user(mia).post(_url("lead_edit", lead), {"version": version, "note": "Mia's note", "owner": mia.pk})
    assert response.status_code == 200
    assert "Sam saved this" in _text(response)
    assert response.context["form"].theirs == [("Note", "Sam's note")]
    assert "Mia's note" in _text(response)
    lead.refresh_from_db()
    assert lead.note == "Sam's note"
    fresh = response.context["form"].data["version"]
    as_user(mia).post(_url("lead_edit", lead), {"version": fresh, "note": "Mia's note", "owner": mia.pk})
    lead.refresh_from_db()
    assert lead.note == "Mia's note"


# --- A new lead ------------------------------------------------------------------------------------------------------


def test_a_lead_is_added_by_form_with_all_that_is_known_of_it(browser, mia):
    campaign, one, two = CampaignFactory(), ProductFactory(name="Base"), ProductFactory(name="Extra")
    body = {
        "campaign": campaign.pk, "name": "Anna Berg", "email": "ANNA@client.example", "phone": "(200) 555-0143",
        "company": "Acme", "job_title": "Buyer", "profile_url": "social.example/anna", "consent": "on",
        "products": [one.pk, two.pk], "note": "Tea", "met_on": "2026-03-02", "meet_other": "mornings",
        "utm_source": "newsletter", "page": "/pricing", "submission_key": str(uuid.uuid4()),
    }  # fmt: skip
    for _again in range(2):  # a double click registers once
        response = browser.post(reverse("leads:lead_add"), body)
    lead = Lead.objects.get()
    assert response["Location"] == _url("lead_detail", lead)
    contact = lead.contact
    assert (contact.email, contact.phone, str(contact.company)) == ("anna@client.example", "+12005550143", "Acme")
    assert (contact.profile_url, consents.agreed(contact, Purpose.CONTACT)) == ("https://social.example/anna", True)
    assert (lead.product, list(lead.other_products.all()), lead.owner) == (one, [two], mia)
    assert (lead.utm_source, lead.source_details) == ("newsletter", {"page": "/pricing"})
    assert (lead.preferred_meeting_time, lead.note, str(lead.met_on)) == ("mornings", "Tea", "2026-03-02")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"campaign": ""}, "campaign"),
        ({"name": "", "email": "", "phone": ""}, "__all__"),
        ({"email": "not an address"}, "email"),
        ({"name": "a\x00b"}, "name"),
        ({"met_on": "2999-01-01"}, "met_on"),
        ({"utm_source": "x" * 301}, "utm_source"),
        ({"profile_url": "javascript:alert(1)"}, "profile_url"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_registered(browser, wrong, field):
    body = {"campaign": CampaignFactory().pk, "name": "Anna", "submission_key": str(uuid.uuid4())}
    response = browser.post(reverse("leads:lead_add"), body | wrong)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not Lead.objects.exists()


def test_a_known_person_is_recognised_while_typing(browser, mia):  # L5
    contact = ContactFactory(name="Anna Berg")
    contact.set_phone("+1 200 555 0143")
    contact.save()
    a_lead(by=mia, contact=contact)
    match = reverse("leads:lead_match")
    assert "Anna Berg" in _text(browser.post(match, {"phone": "200.555.0143", "email": ""}))
    assert "Anna Berg" in _text(browser.post(match, {"email": contact.email.upper()}))
    assert "Anna Berg" not in _text(browser.post(match, {"email": "half@", "phone": "12"}))


def test_the_log_of_events_refuses_to_be_changed(mia):  # U3
    lead = a_lead(by=mia)
    LeadEvent.objects.record(lead, LeadEvent.Kind.NOTE, by=mia, at=NOON)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        lead.events.update(at=NOON)
