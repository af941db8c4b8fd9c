import datetime

import pytest

from accounts.access import NotAllowed
from leads.editing import StaleEdit, add_note, edit_company, edit_contact, edit_lead, lead_version
from leads.models import Company, Lead, LeadEvent
from tests.factories import NOON, CompanyFactory, ContactFactory, ProductFactory, a_lead

pytestmark = pytest.mark.django_db


def _edits(lead: Lead) -> list[dict]:
    return [event.data["changes"] for event in lead.events.filter(kind=LeadEvent.Kind.EDITED).order_by("pk")]


def test_an_edit_says_what_was_and_what_is(mia, dan):
    lead, product, other = a_lead(by=mia), ProductFactory(name="Training"), ProductFactory(name="Audit")
    changes = {"product": product, "other_products": [other], "owner": dan, "met_on": datetime.date(2026, 3, 1)}
    edit_lead(lead, changes, by=mia, at=NOON)
    lead.refresh_from_db()
    assert (lead.product, lead.owner, list(lead.other_products.all())) == (product, dan, [other])
    assert _edits(lead) == [
        {
            "product": ["", "Training"],
            "owner": ["Mia", "Dan"],
            "met_on": ["", "2026-03-01"],
            "other_products": ["", "Audit"],
        }
    ]


def test_saving_the_same_again_writes_nothing(mia):
    lead = a_lead(by=mia, note="Tea")
    edit_lead(lead, {"note": "Tea", "owner": mia, "other_products": []}, by=mia, at=NOON)
    contact = edit_contact(lead.contact, {"name": lead.contact.name, "phone": ""}, by=mia, at=NOON)
    assert _edits(lead) == []
    assert contact.version == lead.contact.version


def test_of_two_people_editing_one_contact_the_second_is_refused(mia, sam):
    contact = ContactFactory(name="Ana")
    seen = contact.version
    edit_contact(contact, {"name": "Anna"}, by=mia, at=NOON, version=seen)
    with pytest.raises(StaleEdit):
        edit_contact(contact, {"name": "Anne"}, by=sam, at=NOON, version=seen)
    contact.refresh_from_db()
    assert (contact.name, contact.version) == ("Anna", seen + 1)


def test_the_refusal_names_who_was_first(mia, sam):
    lead = a_lead(by=mia)
    seen = lead.contact.version
    edit_contact(lead.contact, {"name": "Anna"}, by=mia, at=NOON, version=seen)
    with pytest.raises(StaleEdit, match="Mia"):
        edit_contact(lead.contact, {"name": "Anne"}, by=sam, at=NOON, version=seen)
    version = lead_version(lead)
    edit_lead(lead, {"note": "Tea"}, by=sam, at=NOON, version=version)
    with pytest.raises(StaleEdit, match="Sam"):
        edit_lead(lead, {"note": "Coffee"}, by=mia, at=NOON, version=version)


def test_only_edits_of_the_facts_make_an_open_form_stale(mia):
    lead = a_lead(by=mia)
    version = lead_version(lead)
    add_note(lead, "Called", by=mia, at=NOON)
    edit_contact(lead.contact, {"name": "Anna"}, by=mia, at=NOON)
    edit_lead(lead, {"note": "Tea"}, by=mia, at=NOON, version=version)
    lead.refresh_from_db()
    assert lead.note == "Tea"


def test_of_two_people_editing_one_company_the_second_is_refused(mia, sam):
    company = CompanyFactory(name="Acme")
    seen = company.updated_at
    edit_company(company, {"industry": "Tea"}, by=mia, at=NOON, version=seen)
    with pytest.raises(StaleEdit):
        edit_company(company, {"industry": "Coffee"}, by=sam, at=NOON, version=seen)
    company.refresh_from_db()
    assert company.industry == "Tea"


def test_a_phone_is_kept_readable_and_a_company_is_found_by_name(mia):
    lead, company = a_lead(by=mia), CompanyFactory(name="Łąka GmbH")
    contact = edit_contact(lead.contact, {"phone": "(200) 555-0143", "company": "łąka gmbh"}, by=mia, at=NOON)
    assert (contact.phone, contact.company) == ("+12005550143", company)
    edit_contact(contact, {"company": "Brand New"}, by=mia, at=NOON)
    assert Company.objects.filter(name="Brand New").exists()
    edit_contact(contact, {"company": ""}, by=mia, at=NOON)
    contact.refresh_from_db()
    assert contact.company is None
    assert [list(change) for change in _edits(lead)] == [["phone", "company"], ["company"], ["company"]]


@pytest.mark.parametrize("who", ["vera", "ada"])
def test_who_only_reads_changes_nothing(who, request, mia):
    person, lead = request.getfixturevalue(who), a_lead(by=mia)
    for edit in (
        lambda: edit_lead(lead, {"note": "x"}, by=person, at=NOON),
        lambda: edit_contact(lead.contact, {"name": "x"}, by=person, at=NOON),
        lambda: edit_company(lead.contact.company, {"name": "x"}, by=person, at=NOON),
        lambda: add_note(lead, "x", by=person, at=NOON),
    ):
        with pytest.raises(NotAllowed):
            edit()
    assert lead.events.count() == 1


@pytest.mark.parametrize("name", ["stage", "won_at", "campaign", "contact", "source_system", "registered_at"])
def test_what_is_no_fact_cannot_be_written(mia, name):
    with pytest.raises(ValueError, match=name):
        edit_lead(a_lead(by=mia), {name: "won"}, by=mia, at=NOON)
