"""Files as they come: encodings, separators, title lines, hostile bytes, and rows that can't be taken. L4"""

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from leads.importing import ImportStopped, reading, targets
from leads.importing.reading import find_source
from leads.models import Contact, ContactIdentity, Expense
from tests.factories import ContactFactory

pytestmark = pytest.mark.django_db

CONTACTS = {"system": "crm", "fields": {"external_id": "Id", "name": "Name", "email": "Email", "phone": "Phone"}}
NO_IDS = {"system": "crm", "fields": {"name": "Name", "phone": "Phone"}}
SPEND = {
    "system": "ads",
    "fields": {"channel": "Channel", "campaign": "Campaign", "spent_on": "Day", "amount": "Cost"},
}


@pytest.fixture
def take(tmp_path: Path):
    """`take("contacts", content, mapping)` imports a file with that content and returns what the command printed."""

    def imported(what: str, content: str | bytes, mapping: dict, *options: str) -> str:
        path, description = tmp_path / "file.csv", tmp_path / "mapping.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        description.write_text(json.dumps(mapping))
        out = io.StringIO()
        call_command(
            "import_data", what, str(path), "--mapping", str(description), *options, stdout=out, stderr=io.StringIO()
        )
        return out.getvalue()

    return imported


def counts(printed: str) -> dict[str, int]:
    lines = (line.split() for line in printed.splitlines()[:6])
    return {name: int(number) for name, number in lines}


def test_a_second_import_changes_nothing(take):
    content = "Id,Name,Email,Phone\n1,Ann Lee,ANN@x.example,+1 202 555 0101\n2,Bob,,555-0102\n"
    assert counts(take("contacts", content, CONTACTS))["created"] == 2
    before = list(Contact.objects.values())
    assert counts(take("contacts", content, CONTACTS))["unchanged"] == 2
    assert list(Contact.objects.values()) == before


def test_a_changed_row_changes_its_contact_and_blanks_erase_nothing(take):
    take("contacts", "Id,Name,Email,Phone\n1,Ann,a@x.example,\n", CONTACTS)
    assert counts(take("contacts", "Id,Name,Email,Phone\n1,Ann Lee,,\n", CONTACTS))["updated"] == 1
    contact = Contact.objects.get()
    assert (contact.name, contact.email) == ("Ann Lee", "a@x.example")
    assert "ann lee" in contact.search_text


def test_a_contact_that_is_known_by_email_is_linked_not_doubled(take):
    known = ContactFactory(email="a@x.example")
    take("contacts", "Id,Name,Email,Phone\n77,Ann,A@X.example,\n", CONTACTS)
    assert ContactIdentity.objects.get(system="crm", external_id="77").contact == known
    assert Contact.objects.count() == 1


def test_identical_rows_without_ids_are_different_and_stay_so(take):
    content = "Name,Phone\nAnn,1\nAnn,1\nBob,2\nAnn,1\n"
    assert counts(take("contacts", content, NO_IDS))["created"] == 4
    assert counts(take("contacts", content, NO_IDS))["unchanged"] == 4
    assert counts(take("contacts", content + "Ann,1\n", NO_IDS))["created"] == 1


def test_a_repeated_id_is_refused_with_the_row_that_has_it(take):
    printed = take("contacts", "Id,Name,Email,Phone\n1,Ann,,\n1,Bob,,\n", CONTACTS)
    assert "row 3: Row 2 has the same id" in printed
    assert Contact.objects.get().name == "Ann"


def test_refused_rows_are_kept_to_be_mended_and_imported_again(take, tmp_path):
    content = 'Id,Name,Email,Phone\n1,"Lee, Ann",wrong,\n2,Bob,b@x.example,\n,Cy,,\n3,Dan\n4,\x00,,\n5,,,\n6,E,e@x.example,,7\n'
    printed = take("contacts", content, CONTACTS)
    assert counts(printed) == {"created": 1, "updated": 0, "unchanged": 0, "warned": 0, "refused": 6, "skipped": 0}
    with (tmp_path / "file-refused.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["refused because", "Id", "Name", "Email", "Phone"]
    assert rows[1] == ["Email: “wrong” isn't an e-mail address.", "1", "Lee, Ann", "wrong", ""]
    assert len({row[0] for row in rows[1:]}) == 6
    mended = (tmp_path / "file-refused.csv").read_text().replace(",wrong,", ",ann@x.example,", 1)
    printed = take("contacts", mended, CONTACTS)
    assert (counts(printed)["created"], counts(printed)["refused"]) == (1, 5)
    assert (tmp_path / "file-refused.csv").read_text().startswith("refused because,Id,")


def test_nothing_refused_leaves_no_file(take, tmp_path):
    take("contacts", "Id,Name,Email,Phone\n1,Ann,,\n", CONTACTS)
    assert not (tmp_path / "file-refused.csv").exists()


def test_a_dry_run_tells_the_fates_and_writes_nothing(take, tmp_path):
    printed = take("contacts", "Id,Name,Email,Phone\n1,Ann,,\n2,,,\n", CONTACTS, "--dry-run")
    assert (counts(printed)["created"], counts(printed)["refused"]) == (1, 1)
    assert not Contact.objects.exists()
    assert not (tmp_path / "file-refused.csv").exists()


def test_killed_between_batches_it_goes_on_where_it_was(take, monkeypatch):
    monkeypatch.setattr("leads.importing.running.BATCH", 2)
    content = "Name,Phone\n" + "".join(f"Ann,{number % 3}\n" for number in range(7))
    writes = []

    def killed_at_the_third(*args, **kwargs):
        writes.append(1)
        if len(writes) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    real = targets.write_contacts
    monkeypatch.setattr(targets, "write_contacts", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        take("contacts", content, NO_IDS)
    assert Contact.objects.count() == 4
    printed = counts(take("contacts", content, NO_IDS))
    assert (printed["unchanged"], printed["created"]) == (4, 3)
    assert Contact.objects.count() == 7


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_separator_are_found(take, encoding, delimiter):
    rows = [["Id", "Name", "Email", "Phone"], ["1", "Жанна Ёлкина", "zh@x.example", "+7 912 345-67-89"]]
    content = "\r\n".join(delimiter.join(row) for row in rows)
    take("contacts", content.encode(encoding), CONTACTS)
    contact = Contact.objects.get()
    assert (contact.name, contact.phone) == ("Жанна Ёлкина", "+79123456789")


def test_western_code_page_is_told_from_the_cyrillic_one(take):
    take("contacts", "Id,Name,Email,Phone\n1,José Müller-Châtelain,,\n".encode("cp1252"), CONTACTS)
    assert Contact.objects.get().name == "José Müller-Châtelain"


def test_one_broken_byte_costs_one_row(take):
    content = "Id,Name,Email,Phone\n1,Жанна,,\n2,Ann\xff,,\n".encode().replace("\xff".encode(), b"\xff")
    printed = take("contacts", content, CONTACTS)
    assert "row 3: Name: The text contains bytes that don't fit" in printed
    assert Contact.objects.get().name == "Жанна"


def test_title_lines_above_the_header_and_blank_rows_are_passed_over(take):
    content = "EXAMPLE CONSULTING\nAs of today\n\nName ,Phone,\n,,\nAnn,1,\n\nTotal,,\n"
    printed = take("contacts", content, NO_IDS | {"skip": {"Name": ["Total"]}})
    assert counts(printed)["created"] == 1
    assert counts(printed)["skipped"] == 1


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"fields": {"name": "Name"}}, "system"),
        ({"system": "x", "fields": {"nam": "Name"}}, "“nam” isn't one of"),
        ({"system": "x", "fields": {"name": "Nobody"}}, "lacks the columns “Nobody”"),
        ({"system": "x", "fields": {"name": {"colum": "Name"}}}, "name.colum"),
        ({"system": "x", "fields": {"name": {"column": "Name", "constant": "x"}}}, "wrong form"),
        ({"system": "x", "fields": {"name": ["Name"]}}, "wrong form"),
        ({"system": "x", "fields": {"name": "Name"}, "numbers": {"point": "."}}, "numbers.point"),
        ({"system": "x", "fields": {"name": "Name"}, "time_zone": "Mars/Base"}, "no time zone"),
        ({"system": "x", "fields": {"name": "Name"}, "encoding": "utf-99"}, "no encoding"),
        ({"system": "x", "fields": {"name": "Name"}, "encoding": 8}, "wrong form"),
        ({"system": "x", "fields": {"name": "Name"}, "delimiter": ";;"}, "wrong form"),
        ({"system": "x", "fields": {"name": "Name"}, "numbers": {"decimal": ".", "thousands": "."}}, "wrong form"),
        ({"system": "x", "fields": {"name": 5}}, "wrong form"),
        ({"system": "x", "fields": {"name": {"columns": 5}}}, "wrong form"),
        ({"system": "x", "fields": {"name": {"column": "Name", "values": ["a"]}}}, "wrong form"),
        ([], "wrong form"),
    ],
)
def test_a_wrong_mapping_is_told_before_the_first_row(take, mapping, told):
    with pytest.raises(CommandError, match=told):
        take("contacts", "Name,Phone\nAnn,1\n", mapping)
    assert not Contact.objects.exists()


def test_an_ambiguous_header_is_told(take):
    with pytest.raises(CommandError, match="more than once"):
        take("contacts", "Name,Name,Phone\nAnn,Bob,1\n", NO_IDS)


def test_expenses_need_a_mapping_for_each_needed_field(take):
    with pytest.raises(CommandError, match="lacks the field “amount”"):
        take(
            "expenses",
            "Channel\nPPC\n",
            {"system": "x", "fields": dict.fromkeys(["channel", "campaign", "spent_on"], "Channel")},
        )


def test_an_open_quote_stops_with_the_row_and_keeps_what_came_before(take, monkeypatch):
    monkeypatch.setattr(reading, "MAX_CELL", 1000)
    monkeypatch.setattr("leads.importing.running.BATCH", 1)
    with pytest.raises(CommandError, match="Row 3 can't be read"):
        take("contacts", 'Name,Phone\nAnn,1\n"Bob,2\n' + "x" * 2000, NO_IDS)
    assert Contact.objects.get().name == "Ann"


def test_files_beyond_the_caps_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "big.csv"
    path.write_text("Name\n" + "x\n" * 10)
    monkeypatch.setattr(reading, "MAX_ROWS", 5)
    with pytest.raises(ImportStopped, match="more than 5 rows"):
        list(find_source(path, ["Name"]).rows())
    monkeypatch.setattr(reading, "MAX_BYTES", 5)
    with pytest.raises(ImportStopped, match="bytes"):
        find_source(path, ["Name"])
    with pytest.raises(ImportStopped, match="can't be read"):
        find_source(tmp_path / "absent.csv", ["Name"])


def test_expenses_are_kept_per_campaign_and_day_and_corrected_by_id(take):
    mapping = {"system": "ads", "fields": {"external_id": "Id", **SPEND["fields"]}}
    head = "Id,Channel,Campaign,Day,Cost\n"
    take("expenses", head + "a,PPC ,Spring,2026-01-05,12.50\nb,PPC,spring,2026-01-06,0\n", mapping)
    assert counts(take("expenses", head + "a,PPC,Spring,2026-01-05,13.50\n", mapping))["updated"] == 1
    expense = Expense.objects.select_related("campaign__channel").get()
    assert (str(expense.amount), str(expense.campaign.channel), expense.campaign.name) == ("13.50", "PPC", "Spring")


def test_formulas_are_only_text(take):
    take("contacts", "Name,Phone\n\"=cmd|' /C calc'!A0\",1\n", NO_IDS)
    assert Contact.objects.get().name == "=cmd|' /C calc'!A0"


def test_naughty_strings_are_stored_as_they_are_or_refused(take):
    naughty = ["<script>alert(1)</script>", "'; DROP TABLE leads_contact; --", "{{ 7*7 }}", "%s%n", "Ω≈ç√∫", "\u202e\u200b", "👩‍👩‍👧‍👦",
               "../../etc/passwd", "ﷺ" * 60, "NULL", "undefined", "\ufeffbom", "a\tb", "İstanbul", "x" * 300]  # fmt: skip
    out = io.StringIO()
    csv.writer(out).writerows([["Name", "Phone"], *([text, "1"] for text in naughty)])
    printed = counts(take("contacts", out.getvalue(), NO_IDS | {"delimiter": ","}))
    assert printed["refused"] == 1
    assert set(Contact.objects.values_list("name", flat=True)) == {text.strip() for text in naughty[:-1]}
