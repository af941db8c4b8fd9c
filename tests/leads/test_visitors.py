"""The visitor report of an event.  # L12"""

import csv
import io
import uuid
import zipfile
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads.models import Contact, Lead
from leads.visitors import outcomes
from leads.xlsx import write_xlsx
from pipeline import transitions
from tests import factories
from tests.factories import NOON, days

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def event():
    return factories.EventFactory(name="Expo 2026")


def address(event, rest: str = "") -> str:
    return f"/campaigns/{event.pk}/report/{rest}"


def text(response) -> str:
    return response.content.decode().replace("\u202f", " ").replace("\xa0", " ")


def file_text(response) -> str:
    return b"".join(response.streaming_content).decode("utf-8-sig")


# --- The report -------------------------------------------------------------------------------------------------------


def test_it_tells_who_was_met_by_whom_what_was_agreed_and_what_became_of_it(as_user, vera, mia, sam, event):
    contact = factories.ContactFactory(name="Anna Bell", profile_url="https://people.example/anna")
    contact.set_phone("+44 20 7946 0123")
    contact.save()
    lead = factories.a_lead(
        by=mia,
        campaign=event,
        contact=contact,
        agreed="Send two cases",
        preferred_meeting_time="mornings",
        note="In a hurry",
    )
    won = factories.a_won_opportunity(sam, campaign=event).lead
    page = text(as_user(vera).get(address(event)))
    for said in ("Anna Bell", contact.company.name, "+442079460123", "https://people.example/anna", "Mia"):
        assert said in page
    for said in ("Send two cases", "mornings", "In a hurry", str(won.contact), "Won"):
        assert said in page
    assert f"/leads/{lead.pk}/" in page


def test_a_person_who_does_not_want_to_be_contacted_has_neither_phone_nor_email_there(as_user, vera, event):
    contact = factories.ContactFactory(email="anna@client.example", do_not_contact=True)
    factories.a_lead(campaign=event, contact=contact)
    browser = as_user(vera)
    page = text(browser.get(address(event)))
    assert "do not contact" in page
    assert "anna@client.example" not in page
    assert "anna@client.example" not in file_text(browser.get(address(event, "export/?format=csv")))


def test_results_stand_beside_earlier_events_of_the_channel(vera, sam, event):
    before = factories.EventFactory(channel=event.channel, starts_on=NOON.date() - days(365), ends_on=None)
    factories.EventFactory(channel=event.channel, starts_on=NOON.date() + days(1), ends_on=None)  # later
    factories.EventFactory(starts_on=NOON.date() - days(30), ends_on=None)  # of another channel
    factories.ExpenseFactory(campaign=before, amount=300)
    factories.ExpenseFactory(campaign=before, amount=700, withdrawn_at=NOON)
    factories.a_won_opportunity(sam, campaign=before)
    factories.a_handoff(sam, campaign=before)
    factories.a_lead(campaign=before)
    mistake = factories.a_lead(campaign=before)
    transitions.remove(mistake, factories.reason("removal"), by=None, at=NOON)
    now, then = outcomes(event, vera)
    # 3 leads (the mistake left the counts), 2 of them MQL and handed over, 1 SAL, 1 won; 300 / 3 = 100 a lead
    assert (then.leads, then.qualified, then.handed_over, then.accepted, then.won) == (3, 2, 2, 1, 1)
    assert (then.cost, then.cost_per_lead) == (Decimal(300), Decimal("100.00"))
    assert (now.leads, now.cost, now.cost_per_lead) == (0, None, None)


def test_what_is_not_known_is_no_data_and_never_nought(as_user, vera, event):
    factories.EventFactory(channel=event.channel, starts_on=NOON.date() - days(300), ends_on=None)
    page = text(as_user(vera).get(address(event)))
    assert "no data" in page
    assert "0.0 %" not in page
    assert "Nobody is in the report yet" in page


def test_the_page_takes_as_many_queries_for_four_visitors_as_for_one(as_user, vera, mia, event):
    browser = as_user(vera)

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            browser.get(address(event))
        return len(made)

    factories.a_lead(by=mia, campaign=event)
    queries()
    few = queries()
    for _visitor in range(3):
        factories.a_lead(by=mia, campaign=event)
    assert queries() == few


def test_long_reports_come_in_pages_and_whole_to_be_printed(as_user, vera, event, monkeypatch):
    contact = factories.ContactFactory()
    Lead.objects.bulk_create(Lead(campaign=event, contact=contact, registered_at=NOON) for _visitor in range(55))
    browser = as_user(vera)
    first = browser.get(address(event)).context["page"]
    rest = browser.get(address(event), {"after": first.next_key}).context["page"]
    assert (len(first.rows), len(rest.rows)) == (50, 5)
    assert not {lead.pk for lead in first.rows} & {lead.pk for lead in rest.rows}
    whole = browser.get(address(event, "?all=1"))
    assert len(whole.context["page"].rows) == 55
    monkeypatch.setattr("leads.views.visitors.MOST_PRINTED", 40)
    cut = browser.get(address(event, "?all=1"))
    assert len(cut.context["page"].rows) == 40
    assert "The exported file holds everybody" in text(cut)


@pytest.mark.parametrize("rest", ["?all=2", "?nonsense=1", "?after=x", "export/?format=exe"])
def test_a_damaged_address_is_a_400(as_user, vera, event, rest):
    assert as_user(vera).get(address(event, rest)).status_code == 400


def test_the_campaigns_page_leads_to_the_report_and_after_the_event_first_of_all(as_user, vera, mia, event):
    page = text(as_user(mia).get(f"/campaigns/{event.pk}/"))
    assert f'<a class="button primary" href="/campaigns/{event.pk}/report/"' in page
    plain = factories.CampaignFactory()
    assert f"/campaigns/{plain.pk}/report/" not in text(as_user(vera).get(f"/campaigns/{plain.pk}/"))


# --- As a file --------------------------------------------------------------------------------------------------------


def test_the_csv_has_everybody_and_runs_nothing(as_user, vera, mia, event):
    factories.a_lead(by=mia, campaign=event, contact=factories.ContactFactory(name="=1+1"), agreed="@SUM(1)")
    response = as_user(vera).get(address(event, "export/?format=csv"))
    assert response["Content-Disposition"].startswith('attachment; filename="expo-2026-')
    (row,) = csv.DictReader(io.StringIO(file_text(response)))
    assert (row["name"], row["agreed"], row["met_by"], row["stage"]) == ("'=1+1", "'@SUM(1)", "Mia", "new")


def sheet_rows(data: bytes) -> list[list[str]]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    for name in archive.namelist():
        ElementTree.fromstring(archive.read(name))
    sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    return [["".join(cell.itertext()) for cell in row] for row in sheet.iter(f"{space}row")]


def test_the_xlsx_holds_the_same_with_texts_as_texts(as_user, vera, mia, event):
    factories.a_lead(by=mia, campaign=event, contact=factories.ContactFactory(name="=1+1"), agreed="<b> & \x0b")
    response = as_user(vera).get(address(event, "export/?format=xlsx"))
    header, row = sheet_rows(b"".join(response.streaming_content))
    told = dict(zip(header, row, strict=True))
    assert (told["name"], told["agreed"], told["met_by"]) == ("=1+1", "<b> & \ufffd", "Mia")
    # Days since 30 December 1899: 2 March 2026, noon UTC, in the reader's zone.
    assert told["registered_at"].startswith("46083.")


def test_a_sheet_takes_numbers_days_and_any_name():
    file = io.BytesIO()
    write_xlsx(
        file,
        "A/B [c]: " + "x" * 60,
        ["a", "b", "c", "d"],
        [[1, Decimal("1.50"), NOON.date(), True], [None, "", "é", -2]],
    )
    header, *rows = sheet_rows(file.getvalue())
    assert rows == [["1", "1.50", "46083", "1"], ["", "", "é", "-2"]]


# --- Adding people ----------------------------------------------------------------------------------------------------


def rows(*people: dict, **more) -> dict:
    body = {}
    for number, person in enumerate(people):
        body |= {f"row-{number}-{name}": value for name, value in ({"key": str(uuid.uuid4())} | person).items()}
    return body | more


def test_several_people_are_added_at_once_and_empty_lines_are_skipped(as_user, sam, event):
    body = rows(
        {"name": "Anna", "phone": "+44 20 7946 0123", "company": "Acme", "agreed": "Call on Monday"},
        {"name": "Boris", "email": "boris@client.example", "profile_url": "people.example/boris"},
        {"name": " ", "phone": ""},
    )
    response = as_user(sam).post(address(event, "add/"), body, follow=True)
    assert response.redirect_chain[-1][0] == address(event)
    assert "2 people are in the report." in text(response)
    anna, boris = Lead.objects.order_by("pk")
    assert (str(anna.contact), anna.contact.company.name, anna.agreed) == ("Anna", "Acme", "Call on Monday")
    assert (anna.campaign, anna.registered_by, anna.met_on) == (event, sam, event.starts_on)
    assert boris.contact.profile_url == "https://people.example/boris"


def test_good_lines_are_saved_once_and_refused_ones_come_back_as_typed(as_user, sam, event):
    body = rows(
        {"name": "Anna"}, {"name": HOSTILE, "email": "no address", "agreed": "Send it"}, {"agreed": "with nobody"}
    )
    response = as_user(sam).post(address(event, "add/"), body)
    page = text(response)
    assert response.status_code == 422
    assert [str(lead) for lead in Lead.objects.all()] == ["Anna"]
    assert "no address" in page
    assert "Send it" in page
    assert HOSTILE not in page
    assert "Type a name, a phone or an e-mail." in page
    assert "row-0-key" not in page  # Anna is saved and gone from the form
    mended = {name: value for name, value in body.items() if "row-0" not in name}
    mended |= {"row-1-email": "b@client.example", "row-2-name": "Cleo"}
    assert as_user(sam).post(address(event, "add/"), mended).status_code == 302
    assert Lead.objects.count() == 3


def test_the_same_form_sent_twice_adds_nobody_twice(as_user, sam, event):
    body, browser = rows({"name": "Anna"}, {"name": "Boris"}), as_user(sam)
    for _time in range(2):
        browser.post(address(event, "add/"), body)
    assert (Lead.objects.count(), Contact.objects.count()) == (2, 2)


def test_who_is_registered_here_already_keeps_the_lead_and_gains_what_was_agreed(as_user, sam, mia, event):
    contact = factories.ContactFactory(email="anna@client.example")
    lead = factories.a_lead(by=mia, campaign=event, contact=contact)
    as_user(sam).post(address(event, "add/"), rows({"email": "anna@client.example", "agreed": "A demo"}))
    as_user(sam).post(address(event, "add/"), rows({"email": "anna@client.example", "agreed": "Bring Boris"}))
    lead = Lead.objects.get()
    assert lead.agreed == "A demo"
    assert [event.data["note"] for event in lead.events.filter(kind="registered_again").order_by("pk")] == [
        "A demo", "Bring Boris",
    ]  # fmt: skip


def test_a_line_is_added_and_taken_away_without_a_script_and_nothing_typed_is_lost(as_user, sam, event):
    body, browser = rows({"name": "Anna"}, {"name": "Boris"}), as_user(sam)
    grown = browser.post(address(event, "add/"), body | {"rearrange": "add"})
    assert [row["name"].value() for row in grown.context["sheet"].rows] == ["Anna", "Boris", None]
    assert [str(row["key"].value()) for row in grown.context["sheet"].rows][:1] == [body["row-0-key"]]
    left = browser.post(address(event, "add/"), body | {"rearrange": "remove-0"})
    assert [row["name"].value() for row in left.context["sheet"].rows] == ["Boris"]
    assert not Lead.objects.exists()


@pytest.mark.parametrize("action", ["remove-99", "remove-", "remove-x", "up-1", "", "remove-²"])
def test_a_strange_button_changes_nothing(as_user, sam, event, action):
    response = as_user(sam).post(address(event, "add/"), rows({"name": "Anna"}, rearrange=action))
    assert [row["name"].value() for row in response.context["sheet"].rows] == ["Anna"]


@pytest.mark.parametrize("person", [{"name": "\x00"}, {"name": "a" * 201}, {"key": "no-uuid", "name": "Anna"},
                                    {"name": "Anna", "profile_url": "javascript:alert(1)"}])  # fmt: skip
def test_hostile_lines_are_refused_with_the_reason(as_user, sam, event, person):
    response = as_user(sam).post(address(event, "add/"), rows(person))
    assert response.status_code == 422
    assert not Lead.objects.exists()
    assert any(row.errors for row in response.context["sheet"].rows)


def test_nothing_typed_says_so_and_who_only_reads_adds_nobody(as_user, sam, vera, event):
    response = as_user(sam).post(address(event, "add/"), rows({"name": ""}))
    assert response.status_code == 422
    assert "Nobody is typed in yet." in text(response)
    assert as_user(vera).get(address(event, "add/")).status_code == 403
