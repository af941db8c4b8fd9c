import pytest

from accounts.models import Organisation
from leads.models import Company, Contact, Lead
from leads.normalise import search_terms
from tests.factories import CompanyFactory, ContactFactory, a_lead

pytestmark = pytest.mark.django_db


def _in(country: str) -> None:
    organisation = Organisation.current()
    organisation.country = country
    organisation.save()


def _lead(**fields) -> Lead:
    phone = fields.pop("phone", "")
    contact = ContactFactory.build(company=fields.pop("company", None), **fields)
    contact.set_phone(phone)
    contact.save()
    return a_lead(contact=contact)


# As people write one number; the first one is how it was registered.
@pytest.mark.parametrize(
    ("country", "notations"),
    [
        ("RU", ["8 (916) 123-45-67", "+7 916 123-45-67", "89161234567", "7 916 1234567", "007-916-123-45-67", "123-45-67"]),
        ("DE", ["+49 (0)30 1234567", "030 1234567", "0049 30/123 45 67", "+49 30 1234567", "1234567"]),
        ("GB", ["020 7946 0958", "+44 20 7946 0958", "+44 (0)20 7946 0958", "7946 0958", "+442079460958"]),
        ("US", ["(200) 555-0143", "+1 200.555.0143", "1-200-555-0143", "5550143", "200 555"]),
        ("PL", ["512 345 678", "+48 512 345 678", "0048512345678", "345 678"]),
    ],
)  # fmt: skip
def test_a_phone_is_found_in_any_notation(country, notations):  # U2
    _in(country)
    lead, other = _lead(phone=notations[0]), _lead(phone="+33 6 99 88 77 66")
    for notation in notations:
        assert list(Lead.objects.search(notation)) == [lead], notation
    assert list(Lead.objects.search("+33699887766")) == [other]


def test_a_phone_that_cannot_be_read_is_found_by_its_digits():  # U2
    lead = _lead(phone="12-34")
    assert lead.contact.phone == ""
    assert list(Lead.objects.search("1234")) == [lead]


@pytest.mark.parametrize(
    "text", ["Łęcka", "lecka", "ŽOFI", "ofia łęc", "zofia@", "CLIENT.EXAMPLE", "Юж", "ЮЖНЫЙ берег", "lecka берег", "zo"]
)
def test_a_part_of_name_email_or_company_is_found_whatever_its_case_and_accents(text):  # U2
    lead = _lead(name="Žofia Łęcka", email="Zofia@Client.example", company=CompanyFactory(name="Южный Берег"))
    _lead(name="Somebody Else", email="x@y.example", company=CompanyFactory(name="Acme"))
    assert list(Lead.objects.search(text)) == [lead]


@pytest.mark.parametrize(
    "text", ["%", "_", "a%b", "\\", "'; drop table leads_lead; --", "100%", "\u202e", "𝕏", "z" * 500]
)
def test_hostile_text_is_only_text(text):  # U2
    _lead(name="Anna")
    assert not Lead.objects.search(text).exists()


def test_two_letters_are_looked_for_where_words_begin_but_two_chinese_signs_anywhere():
    anna, wang = _lead(name="Anna Berg"), _lead(name="王小明")
    assert list(Lead.objects.search("be")) == [anna]
    assert not Lead.objects.search("er").exists()
    assert list(Lead.objects.search("小明")) == [wang]


def test_renaming_a_company_is_seen_by_the_search():
    lead = _lead(name="Anna", company=CompanyFactory(name="Old Name"))
    company = Company.objects.get()
    company.name = "Brand New"
    company.save()
    assert list(Lead.objects.search("brand new")) == [lead]
    assert list(Contact.objects.search("brand")) == [lead.contact]
    assert list(Company.objects.search("NEW")) == [company]
    assert not Lead.objects.search("old name").exists()


def test_nothing_typed_finds_everything():
    lead = _lead(name="Anna")
    assert list(Lead.objects.search("   ")) == [lead]
    assert search_terms("   ", "US") == []
