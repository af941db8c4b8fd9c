"""The pages where a person's copy is made, and where they are erased."""

import json

import pytest

from leads.models import Contact, Erasure
from leads.registration import Person, register_lead
from pipeline.personal_data import erase
from tests.factories import NOON, CampaignFactory, ContactFactory, a_handoff, a_lead

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def test_a_copy_is_read_and_downloaded(as_user, mia):  # L13
    lead = a_lead(by=mia, contact=ContactFactory(name="Éva <Ω>"), note="Wants <b>two</b>")
    page = as_user(mia).get(f"/contacts/{lead.contact_id}/personal-data/")
    assert "Wants &lt;b&gt;two&lt;/b&gt;" in page.content.decode()
    answer = as_user(mia).get(f"/contacts/{lead.contact_id}/personal-data/file/")
    assert answer["Cache-Control"] == "private, no-store"
    assert "attachment" in answer["Content-Disposition"]
    tables = json.loads(answer.content)["tables"]
    assert tables["leads_contact"][0]["name"] == "Éva <Ω>"
    assert tables["leads_lead"][0]["campaign"]["name"] == str(lead.campaign)
    assert tables["leads_leadevent"][0]["lead"] == lead.pk


def test_erasing_wants_the_number_and_a_reason_and_keeps_what_was_typed(as_user, dora, mia, sam):  # L13
    handoff = a_handoff(sam, by=mia, contact=ContactFactory(name="Eve Adams"))
    contact, browser = handoff.lead.contact, as_user(dora)
    url = f"/contacts/{contact.pk}/erase/"
    assert "still open" in browser.get(url).content.decode()
    for wrong in (
        {"note": "by letter", "number": "0"},
        {"note": "", "number": contact.pk},
        {"note": "letter of Eve Adams", "number": contact.pk},
        {"note": "\x00", "number": contact.pk},
    ):
        answer = browser.post(url, wrong)
        assert answer.status_code == 422
    assert Contact.objects.get(pk=contact.pk).erased_at is None
    assert browser.post(url, {"note": "by letter", "number": f"№{contact.pk}"}).status_code == 302
    assert browser.post(url, {"note": "by letter", "number": contact.pk}).status_code == 302  # sent twice
    assert Erasure.objects.count() == 1
    for page in (f"/contacts/{contact.pk}/", f"/leads/{handoff.lead_id}/", "/settings/erasures/", "/contacts/"):
        text = browser.get(page).content.decode()
        assert "Eve" not in text, page
        assert f"№{contact.pk}" in text, page
    assert "Eve" not in as_user(sam).get(f"/handoffs/{handoff.pk}/").content.decode()


def test_an_erased_person_isnt_edited_from_a_page_that_stood_open(as_user, mia, dora):
    contact = a_lead(by=mia).contact
    as_user(dora).post(f"/contacts/{contact.pk}/erase/", {"note": "by letter", "number": contact.pk})
    answer = as_user(mia).post(f"/contacts/{contact.pk}/edit/", {"version": contact.version, "name": "Back again"})
    assert answer.status_code == 403
    assert "was erased" in answer.content.decode()
    assert Contact.objects.get(pk=contact.pk).name == ""


def test_the_list_of_acts_costs_the_same_for_many(as_user, dora, mia, django_assert_max_num_queries):
    browser = as_user(dora)
    erase(a_lead(by=mia).contact, Erasure.Cause.REQUEST, by=dora, at=NOON)
    browser.get("/settings/erasures/")
    with django_assert_max_num_queries(12) as few:
        browser.get("/settings/erasures/")
    for _number in range(4):
        erase(a_lead(by=mia).contact, Erasure.Cause.REQUEST, by=dora, at=NOON)
    with django_assert_max_num_queries(len(few)):
        browser.get("/settings/erasures/")


def test_a_person_who_registers_anew_shows_no_old_history(as_user, mia, dora):
    who = Person(name="Eve Adams", email="eve@client.example")
    first = register_lead(CampaignFactory(), who, by=mia, at=NOON).lead
    as_user(dora).post(f"/contacts/{first.contact_id}/erase/", {"note": "by letter", "number": first.contact_id})
    again = register_lead(CampaignFactory(), who, by=mia, at=NOON).lead
    assert again.contact_id != first.contact_id
    assert list(again.contact.leads.all()) == [again]
