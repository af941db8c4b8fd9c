import html

import pytest
from django.urls import reverse

from leads.models import Company, Contact, ContactIdentity
from tests.factories import CompanyFactory, ContactFactory, a_lead

pytestmark = pytest.mark.django_db


def _text(response) -> str:
    return html.unescape(response.content.decode())


@pytest.fixture
def browser(as_user, mia):
    return as_user(mia)


def _body(contact: Contact, **changed) -> dict:
    return {
        "version": contact.version, "name": contact.name, "email": contact.email, "phone": contact.shown_phone,
        "company": str(contact.company or ""), **changed,
    }  # fmt: skip


def test_contacts_are_found_and_listed_newest_change_first(browser):
    first, second = ContactFactory(name="Anna"), ContactFactory(name="Boris")
    assert browser.get("/contacts/").context["page"].rows == [second, first]
    assert browser.get("/contacts/?q=ann").context["page"].rows == [first]
    assert browser.get("/contacts/?x=1").status_code == 400
    assert "Nobody found" in _text(browser.get("/contacts/?q=nobody-is-so"))


def test_empty_lists_say_what_they_are_for(browser):
    assert "No contacts yet" in _text(browser.get("/contacts/"))
    assert "No companies yet" in _text(browser.get("/companies/"))


def test_a_contact_shows_its_leads_consent_and_ids_elsewhere(browser, mia):  # A2
    lead = a_lead(by=mia)
    ContactIdentity.objects.create(contact=lead.contact, system="shop", external_id="K-77")
    Contact.objects.filter(pk=lead.contact_id).update(do_not_contact=True)
    text = _text(browser.get(reverse("leads:contact_detail", args=[lead.contact_id])))
    for shown in (str(lead.campaign), "K-77", "shop", "doesn't want to be contacted", "not given"):
        assert shown in text


def test_a_contact_is_edited_from_its_page_or_from_a_lead(browser, mia):
    lead = a_lead(by=mia)
    contact, url = lead.contact, reverse("leads:contact_edit", args=[lead.contact_id])
    response = browser.post(url, _body(contact, name="Anna", phone="(200) 555-0143", do_not_contact="on"))
    assert response["Location"] == reverse("leads:contact_detail", args=[contact.pk])
    contact.refresh_from_db()
    assert (contact.name, contact.phone, contact.do_not_contact) == ("Anna", "+12005550143", True)
    response = browser.post(f"{url}?lead={lead.pk}", _body(contact, name="Anne"))
    assert response["Location"] == reverse("leads:lead_detail", args=[lead.pk])


def test_two_people_edit_one_contact_and_the_second_sees_what_the_first_wrote(as_user, mia, sam):
    contact = a_lead(by=mia, contact=ContactFactory(name="Ana")).contact
    url, seen = reverse("leads:contact_edit", args=[contact.pk]), _body(contact)
    as_user(sam).post(url, seen | {"name": "Anna", "phone": "+1 200 555 0143"})
    response = as_user(mia).post(url, seen | {"name": "Anne"})
    assert "Sam saved this" in _text(response)
    assert response.context["form"].theirs == [("Name", "Anna"), ("Phone", "+12005550143")]
    contact.refresh_from_db()
    assert contact.name == "Anna"
    as_user(mia).post(url, seen | {"name": "Anne", "version": response.context["form"].data["version"]})
    contact.refresh_from_db()
    assert contact.name == "Anne"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "", "email": "", "phone": ""},
        {"email": "x"},
        {"name": "a\x00"},
        {"name": "x" * 201},
        {"profile_url": "javascript:alert(1)"},
    ],
)
def test_what_a_contact_cannot_be_is_refused_with_words(browser, wrong):
    contact = ContactFactory()
    response = browser.post(reverse("leads:contact_edit", args=[contact.pk]), _body(contact) | wrong)
    assert response.context["form"].errors
    contact.refresh_from_db()
    assert contact.version == 1


def test_a_company_is_found_shown_and_edited(browser, mia):
    company = CompanyFactory(name="Łąka GmbH")
    lead = a_lead(by=mia, contact=ContactFactory(company=company))
    assert browser.get("/companies/?q=laka").context["page"].rows == [company]
    text = _text(browser.get(reverse("leads:company_detail", args=[company.pk])))
    assert str(lead.contact) in text
    assert str(lead.campaign) in text
    url, body = reverse("leads:company_edit", args=[company.pk]), {"version": company.updated_at.isoformat()}
    assert browser.post(url, body | {"name": "Laka AG", "employees": "70"}).status_code == 302
    response = browser.post(url, body | {"name": "Laka KG"})
    assert "Somebody saved this" in _text(response)
    company.refresh_from_db()
    assert (company.name, company.employees) == ("Laka AG", 70)
    lead.refresh_from_db()
    assert "laka ag" in lead.search_text


def test_the_lists_cost_the_same_whatever_their_length(browser, django_assert_max_num_queries):
    ContactFactory.create_batch(51)
    for url in ("/contacts/", "/companies/"):
        browser.get(url)
        with django_assert_max_num_queries(6) as few:
            browser.get(url)
        ContactFactory.create_batch(20)
        with django_assert_max_num_queries(len(few)):
            browser.get(url)
    assert Company.objects.count() == 91
