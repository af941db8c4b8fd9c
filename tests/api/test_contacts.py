import threading

import pytest
from django.db import connection, connections

from leads import consents
from leads.models import Contact, ContactIdentity
from leads.models.consents import Purpose
from tests.factories import NOON, ContactFactory, a_lead

pytestmark = pytest.mark.django_db

UPSERT = "/api/v1/contacts/bulk-upsert/"


def statuses(answer) -> list[str]:
    assert answer.status_code == 200, answer.data
    return [result["status"] for result in answer.data["results"]]


def test_a_contact_is_created_with_phone_and_e_mail_in_normal_form(mia, api):  # A1
    answer = api(mia).post(
        "/api/v1/contacts/",
        {"name": "Eve", "email": "Eve@Client.Example", "phone": "+1 (415) 555-26 71", "company": "Acme"},
        format="json",
    )
    assert answer.status_code == 201, answer.data
    assert (answer.data["email"], answer.data["phone"]) == ("eve@client.example", "+14155552671")
    assert answer.data["company"] == "Acme"
    assert answer["ETag"] == '"1"'


def test_a_change_needs_the_version_that_was_read(mia, api):  # A2
    contact = ContactFactory(name="Eve")
    client, url = api(mia), f"/api/v1/contacts/{contact.pk}/"
    assert client.patch(url, {"name": "Eva"}, format="json").status_code == 428
    etag = client.get(url)["ETag"]
    assert client.patch(url, {"name": "Eva"}, format="json", headers={"If-Match": etag}).status_code == 200
    stale = client.patch(url, {"name": "Ewa"}, format="json", headers={"If-Match": etag})
    assert stale.status_code == 412
    contact.refresh_from_db()
    assert contact.name == "Eva"


def test_a_patch_leaves_what_it_does_not_name(mia, api):  # A1
    contact = ContactFactory(name="Eve", job_title="CTO")
    contact.set_phone("+14155552671")
    contact.save()
    answer = api(mia).patch(
        f"/api/v1/contacts/{contact.pk}/", {"job_title": "CEO"}, format="json", headers={"If-Match": "*"}
    )
    assert (answer.data["name"], answer.data["phone"], answer.data["job_title"]) == ("Eve", "+14155552671", "CEO")
    assert answer.data["company_id"] == contact.company_id


def test_a_bulk_upsert_gives_each_item_its_result(mia, api):  # A2
    items = [
        {"external_id": "1", "name": "Ann", "email": "ann@client.example"},
        {"external_id": "2", "email": "not an address"},
        {"name": "without id"},
        {"external_id": "1", "name": "Anna", "email": "ann@client.example"},
    ]
    answer = api(mia).post(UPSERT, {"system": "erp", "items": items}, format="json")
    assert statuses(answer) == ["superseded", "refused", "refused", "created"]
    assert Contact.objects.get().name == "Anna"


def test_repeating_a_bulk_upsert_changes_nothing(mia, api):  # A2
    body = {
        "system": "erp",
        "items": [
            {"external_id": str(n), "name": f"Person {n}", "phone": "8 (912) 345-67-8" + str(n % 10), "company": "Acme"}
            for n in range(20)
        ],
    }
    client = api(mia)
    assert statuses(client.post(UPSERT, body, format="json")) == ["created"] * 20
    before = list(Contact.objects.order_by("pk").values())
    assert statuses(client.post(UPSERT, body, format="json")) == ["unchanged"] * 20
    assert list(Contact.objects.order_by("pk").values()) == before


def test_an_item_with_a_known_e_mail_is_linked_instead_of_doubled(mia, api):  # A2
    contact = ContactFactory(email="ann@client.example")
    body = {"system": "erp", "items": [{"external_id": "7", "email": "ANN@client.example", "job_title": "CTO"}]}
    answer = api(mia).post(UPSERT, body, format="json")
    assert statuses(answer) == ["linked"]
    contact.refresh_from_db()
    assert contact.job_title == "CTO"
    assert ContactIdentity.objects.get().contact == contact


def test_a_changed_name_is_found_on_the_leads_too(mia, api):  # A2
    lead = a_lead(by=mia, contact=ContactFactory(email="ann@client.example"))
    body = {"system": "erp", "items": [{"external_id": "7", "email": "ann@client.example", "name": "Renamed"}]}
    api(mia).post(UPSERT, body, format="json")
    lead.refresh_from_db()
    assert "renamed" in lead.search_text


def test_more_than_a_thousand_items_are_refused_at_once(mia, api):  # A2
    body = {"system": "erp", "items": [{"external_id": str(n)} for n in range(1001)]}
    assert api(mia).post(UPSERT, body, format="json").status_code == 400
    assert not Contact.objects.exists()


def test_a_thousand_items_are_taken_at_once(mia, api):  # A2
    items = [{"external_id": "1", "name": f"Eve {n}"} for n in range(1000)]
    answer = api(mia).post(UPSERT, {"system": "erp", "items": items}, format="json")
    assert statuses(answer) == ["superseded"] * 999 + ["created"]
    assert Contact.objects.get().name == "Eve 999"


def test_items_take_a_constant_number_of_queries(mia, api, django_assert_max_num_queries):  # A2
    client = api(mia)
    for number, name in ((2, "first"), (100, "before"), (100, "after")):
        items = [{"external_id": str(n), "name": f"{name} {n}"} for n in range(number)]
        with django_assert_max_num_queries(25):  # SQLite writes in more, smaller batches
            client.post(UPSERT, {"system": "erp", "items": items}, format="json")
    assert Contact.objects.filter(name__startswith="after").count() == 100


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one writer in at a time anyhow")
def test_two_clients_who_send_the_same_contacts_double_none(mia, api):  # A2
    clients = [api(mia), api(mia)]
    items = [{"external_id": str(n), "name": f"Person {n}"} for n in range(200)]
    answers = []

    def send(client, batch):
        answers.append(client.post(UPSERT, {"system": "erp", "items": batch}, format="json"))
        connections.close_all()

    threads = [
        threading.Thread(target=send, args=(clients[0], items)),
        threading.Thread(target=send, args=(clients[1], items[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert Contact.objects.count() == ContactIdentity.objects.count() == 200


@pytest.mark.parametrize("text", [r"a\u0000b", r"a\ud800b"])
def test_text_that_a_database_can_not_hold_is_refused_with_a_pointer(mia, api, text):  # A1
    body = f'{{"name": "{text}"}}'
    answer = api(mia).post("/api/v1/contacts/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/name"


def test_an_unknown_filter_is_an_error(mia, api):  # A1
    answer = api(mia).get("/api/v1/contacts/?nmae=x")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_pages_hold_every_contact_once_while_others_are_added(mia, api):  # A2
    made = {ContactFactory().pk for _n in range(7)}
    client, seen, url = api(mia), [], "/api/v1/contacts/?page_size=2"
    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
        ContactFactory()
    assert sorted(seen) == sorted(made)


def test_contacts_are_found_by_phone_in_any_notation(mia, api):  # A1
    contact = ContactFactory()
    contact.set_phone("+14155552671")
    contact.save()
    ContactFactory()
    page = api(mia).get("/api/v1/contacts/", {"search": "(415) 555-2671"}).json()
    assert [row["id"] for row in page["results"]] == [contact.pk]


def test_a_garbled_cursor_is_a_clear_error(mia, api):  # A1
    assert api(mia).get("/api/v1/contacts/?cursor=%00garbage").status_code == 400


assert connection  # used by the skip condition above


def test_the_api_shows_consents_in_as_many_queries_for_many_contacts(mia, api, django_assert_max_num_queries):  # A1
    client = api(mia)
    for _number in range(3):
        consents.give(ContactFactory(), Purpose.CONTACT, source="Expo", at=NOON)
    client.get("/api/v1/contacts/")
    with django_assert_max_num_queries(12) as few:
        row = client.get("/api/v1/contacts/").data["results"][0]
    assert (row["consent_source"], row["consents"][0]["purpose"]) == ("Expo", "contact")
    assert row["consent_at"] in {NOON, NOON.isoformat()}
    for _number in range(5):
        consents.give(ContactFactory(), Purpose.CONTACT, source="Expo", at=NOON)
    with django_assert_max_num_queries(len(few)):
        client.get("/api/v1/contacts/")


def test_one_write_of_one_contact_ends_do_not_contact(mia, api):  # A1 L13
    contact, client = ContactFactory(do_not_contact=True), api(mia)
    lead = a_lead(by=mia, contact=contact)
    assert client.get(f"/api/v1/leads/{lead.pk}/").data["do_not_contact"] is True
    assert client.get("/api/v1/leads/?do_not_contact=false").data["results"] == []
    url = f"/api/v1/contacts/{contact.pk}/"
    assert client.patch(url, {"name": "Eve"}, format="json", headers={"If-Match": "*"}).data["do_not_contact"] is True
    answer = client.patch(url, {"do_not_contact": False}, format="json", headers={"If-Match": "*"})
    assert answer.data["do_not_contact"] is False
