"""Stand mode (lean L1): a visitor becomes a lead in seconds, and never two."""

import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Organisation
from leads.forms.stand import StandForm
from leads.models import Contact, Lead, LeadEvent
from leads.models.consents import Purpose
from tests import factories
from tests.factories import NOON, days

pytestmark = [pytest.mark.django_db, pytest.mark.once]

HTMX = {"HX-Request": "true", "HX-Target": "stand"}


@pytest.fixture
def event():
    return factories.EventFactory(name="Expo")


@pytest.fixture
def german():
    organisation = Organisation.current()
    organisation.country = "DE"
    organisation.save()


def visitor(**typed) -> dict:
    return {
        "name": "Anna Petrova",
        "met_on": timezone.localdate().isoformat(),
        "submission_key": str(uuid.uuid4()),
    } | typed


def test_a_visitor_becomes_a_lead_with_all_that_was_typed(as_user, mia, event):  # L1
    first, second = factories.ProductFactory(), factories.ProductFactory()
    response = as_user(mia).post(
        f"/campaigns/{event.pk}/stand/",
        visitor(
            phone="+49 30 123456",
            email="Anna@Client.example",
            company="Acme",
            products=[second.pk, first.pk],
            note="Wants a demo",
            meet=["mornings"],
            meet_other="not Friday",
            consent="on",
            job_title="CTO",
        ),
    )
    assert response["Location"] == reverse("leads:stand", args=[event.pk])
    lead = Lead.objects.get()
    assert (lead.campaign, lead.owner, lead.registered_by) == (event, mia, mia)
    assert {lead.product, *lead.other_products.all()} == {first, second}
    assert (lead.note, lead.preferred_meeting_time) == ("Wants a demo", "mornings, not Friday")
    assert lead.met_on == timezone.localdate()
    contact = lead.contact
    assert (contact.email, contact.phone, contact.job_title) == ("anna@client.example", "+4930123456", "CTO")
    consent = contact.consents.valid().get(purpose=Purpose.CONTACT)
    assert (contact.company.name, consent.source, consent.recorded_by) == ("Acme", "Expo", mia)


@pytest.mark.parametrize("typed", [{"name": "Anna"}, {"name": "", "phone": "12"}, {"name": "", "email": "a@b.example"}])
def test_any_one_of_name_phone_and_email_is_enough(as_user, mia, event, typed):
    as_user(mia).post(f"/campaigns/{event.pk}/stand/", visitor(**typed))
    assert Lead.objects.count() == 1


def test_somebody_must_be_there(as_user, mia, event):
    response = as_user(mia).post(f"/campaigns/{event.pk}/stand/", visitor(name=" ", company="Acme"))
    assert response.status_code == 422
    page = response.content.decode()
    assert "Type a name, a phone or an e-mail." in page
    assert 'value="Acme"' in page
    assert not Lead.objects.exists()


def test_the_empty_form_is_back_at_once_with_the_cursor_in_it_a_toast_and_a_count(as_user, mia, dan, event):
    factories.a_lead(campaign=event, by=dan, at=timezone.now())  # a colleague's don't count as mine
    factories.a_lead(campaign=event, by=mia, at=timezone.now() - days(2))  # nor those of another day
    response = as_user(mia).post(f"/campaigns/{event.pk}/stand/", visitor(), headers=HTMX)
    page = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in page
    assert "You registered 1 today" in page
    assert "Anna Petrova registered." in page
    assert reverse("leads:lead_detail", args=[Lead.objects.get(contact__name="Anna Petrova").pk]) in page
    name_field = page[page.index('name="name"') :].split(">")[0]
    assert "autofocus" in name_field
    assert "value=" not in name_field


def test_a_double_tap_or_a_retry_makes_one_lead(as_user, mia, event):
    browser, sent = as_user(mia), visitor(email="anna@client.example", note="Once")
    for _tap in range(3):
        response = browser.post(f"/campaigns/{event.pk}/stand/", sent, headers=HTMX)
        assert "Anna Petrova registered." in response.content.decode()
    assert Lead.objects.count() == 1
    assert LeadEvent.objects.count() == 1


def test_each_new_form_has_a_key_of_its_own_and_a_refused_one_keeps_its(as_user, mia, event):
    browser, address = as_user(mia), f"/campaigns/{event.pk}/stand/"
    keys = {str(browser.get(address).context["form"]["submission_key"].value()) for _time in range(2)}
    assert len(keys) == 2
    sent = visitor(email="no e-mail")
    assert browser.post(address, sent).context["form"]["submission_key"].value() == sent["submission_key"]


@pytest.mark.usefixtures("german")
def test_who_comes_back_is_not_registered_twice_and_nothing_told_is_lost(as_user, mia, event):
    product = factories.ProductFactory()
    browser, address = as_user(mia), f"/campaigns/{event.pk}/stand/"
    browser.post(address, visitor(phone="+49 (30) 123-456", note="First"))
    again = visitor(name="", phone="030 123456", note="Second", products=[product.pk], meet=["mornings"])
    for _tap in range(2):
        response = browser.post(address, again, headers=HTMX)
    assert "Anna Petrova is registered here already; your note was added." in response.content.decode()
    lead = Lead.objects.get()
    assert (lead.note, lead.product, lead.preferred_meeting_time) == ("First", product, "mornings")
    told = LeadEvent.objects.filter(kind=LeadEvent.Kind.REGISTERED_AGAIN)
    assert [e.data["note"] for e in told] == ["Second"]


def test_a_known_contact_gets_a_lead_in_a_new_event(as_user, mia, event):
    known = factories.a_lead(contact=factories.ContactFactory(email="anna@client.example", name="Anna P."))
    as_user(mia).post(f"/campaigns/{event.pk}/stand/", visitor(name="anna", email="ANNA@client.example"))
    lead = Lead.objects.exclude(pk=known.pk).get()
    assert lead.contact == known.contact
    assert Contact.objects.get().name == "Anna P."  # what is known is not overwritten by what is typed in a hurry


# --- While typing ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize(
    "typed",
    [
        {"phone": "030 123456"},
        {"phone": "+49-30-123456"},
        {"phone": "0049 30 / 123456"},
        {"email": " ANNA@client.example "},
        {"email": "half@", "phone": "(030) 123456"},
    ],
)
def test_a_known_visitor_is_recognised_while_typing(as_user, mia, event, typed):
    contact = factories.ContactFactory(name="Anna Petrova", email="anna@client.example", company__name="Acme")
    contact.set_phone("+4930123456")
    contact.save()
    factories.a_lead(contact=contact, campaign=factories.EventFactory(name="Spring fair"))
    page = as_user(mia).post(f"/campaigns/{event.pk}/stand/match/", typed).content.decode()
    assert "Anna Petrova" in page
    assert "Acme" in page
    assert "Spring fair" in page
    assert "Registered here already" not in page
    assert "anna@client.example" not in page  # it says who, not how to reach them
    assert "4930123456" not in page


def test_the_hint_says_when_saving_would_only_add_a_note_or_when_contact_is_unwanted(as_user, mia, event):
    contact = factories.ContactFactory(email="anna@client.example", do_not_contact=True)
    factories.a_lead(contact=contact, campaign=event)
    factories.a_lead(contact=contact, campaign=factories.EventFactory(name="Later fair"), at=NOON + days(9))
    page = as_user(mia).post(f"/campaigns/{event.pk}/stand/match/", {"email": contact.email}).content.decode()
    assert "Registered here already" in page
    assert "Asked not to be contacted" in page
    assert "Later fair" in page


@pytest.mark.parametrize("typed", [{}, {"email": "ann"}, {"phone": "1"}, {"phone": "\x00"}, {"email": "x" * 10_000}])
def test_half_typed_and_hostile_text_matches_nobody(as_user, mia, event, typed):
    factories.ContactFactory(email="", name="No address")
    response = as_user(mia).post(f"/campaigns/{event.pk}/stand/match/", typed)
    assert response.status_code == 200
    assert response.content.decode().strip() == ""


# --- Edges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\ud800b"}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"phone": "1" * 10_000}, "phone"),
        ({"email": "a\x00@b.example"}, "email"),
        ({"email": "nobody"}, "email"),
        ({"company": "a\ud800b"}, "company"),
        ({"note": "x" * 10_000}, "note"),
        ({"meet": ["a\ud800b"]}, "meet"),
        ({"meet": ["x" * 10_000]}, "meet"),
        ({"meet_other": "a\x00b"}, "meet_other"),
        ({"products": ["999999"]}, "products"),
        ({"met_on": "2999-01-01"}, "met_on"),
        ({"submission_key": "one"}, "submission_key"),
    ],
)
def test_hostile_input_is_refused_at_its_field(typed, field):
    form = StandForm(visitor(**typed), today=timezone.localdate())
    assert not form.is_valid()
    assert list(form.errors) == [field]


def test_text_is_shown_as_text(as_user, mia, event):
    script = "<script>alert(1)</script>"
    browser = as_user(mia)
    response = browser.post(f"/campaigns/{event.pk}/stand/", visitor(name=script, email="a@b.example"), follow=True)
    match = browser.post(f"/campaigns/{event.pk}/stand/match/", {"email": "a@b.example"})
    for page in (response.content.decode(), match.content.decode()):
        assert script not in page
        assert "&lt;script&gt;alert(1)" in page


def test_a_product_that_is_switched_off_is_not_offered(as_user, mia, event):
    gone = factories.ProductFactory(is_active=False)
    response = as_user(mia).post(f"/campaigns/{event.pk}/stand/", visitor(products=[gone.pk]))
    assert "products" in response.context["form"].errors


def test_a_campaign_that_is_no_event_has_no_stand(as_user, mia):
    flight = factories.CampaignFactory()
    assert as_user(mia).get(f"/campaigns/{flight.pk}/stand/").status_code == 404


def test_meeting_times_say_the_day():
    labels = dict(StandForm(today=NOON.date()).fields["meet"].choices)
    assert labels["Tue 3 Mar, morning"] == "Tomorrow morning"
    assert labels["week of 9 Mar"] == "Next week"
