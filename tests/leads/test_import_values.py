"""One cell at a time: what is read, and what is refused rather than guessed. L4"""

import datetime
import zoneinfo
from decimal import Decimal

import pytest

from leads.importing import RowRefused
from leads.importing.values import Dates, Numbers, read_email, read_flag, read_text, read_url
from tests.factories import NOON

BRAZIL = Numbers(decimal=",", thousands=".", currency="R$")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("R$ 100.000", "100000"),
        ("27245,67", "27245.67"),
        ("50.000", "50000"),
        ("146536,25", "146536.25"),
        ("29000,1", "29000.10"),
        ("1.234.567,89", "1234567.89"),
        ("-12,50", "-12.50"),
        ("0", "0"),
    ],
)
def test_a_described_number_is_read_as_described(text, number):
    assert BRAZIL.read(text) == Decimal(number)


@pytest.mark.parametrize("text", ["27245.67", "1.23", "1,2,3", "12 000", "$5", "ten", "1e9", "٣", "1,005", "--1", "."])
def test_a_number_that_doesnt_fit_the_description_is_refused(text):
    with pytest.raises(RowRefused):
        BRAZIL.read(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,234.56", "1234.56"), ("1.234,56", "1234.56"), ("27245,67", "27245.67"), ("1054.0000", "1054"), ("0.500", "0.5"),
     ("1,234,567", "1234567"), ("1054", "1054")],
)  # fmt: skip
def test_without_a_description_a_number_that_explains_itself_is_read(text, number):
    assert Numbers().read(text) == Decimal(number)


@pytest.mark.parametrize("text", ["1,234", "1.234", "12.345", "-100.000"])
def test_without_a_description_an_ambiguous_number_is_refused(text):
    with pytest.raises(RowRefused, match="two ways"):
        Numbers().read(text)


def test_thousands_may_be_spaces_of_any_kind():
    assert Numbers(decimal=",", thousands=" ").read("1\u00a0234\u202f567,5") == Decimal("1234567.50")


def test_amounts_that_no_column_holds_are_refused():
    with pytest.raises(RowRefused, match="too big"):
        Numbers().read("1" + "0" * 12)


def test_a_day_is_its_midnight_in_the_files_zone():
    dates = Dates(("%m/%d/%Y",), zoneinfo.ZoneInfo("America/New_York"))
    assert dates.read("1/31/2023", now=NOON) == datetime.datetime(2023, 1, 31, 5, tzinfo=datetime.UTC)


def test_without_formats_only_iso_dates_are_read():
    dates = Dates((), zoneinfo.ZoneInfo("UTC"))
    assert dates.read("2018-03-06 19:38:55", now=NOON) == datetime.datetime(2018, 3, 6, 19, 38, 55, tzinfo=datetime.UTC)
    for text in ("3/6/2018", "06.03.2018", "yesterday", "0018-03-06", "9018-03-06"):
        with pytest.raises(RowRefused):
            dates.read(text, now=NOON)


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d", "raw \udcff byte", "x" * 201])
def test_text_that_cant_be_stored_is_refused(text):
    with pytest.raises(RowRefused):
        read_text(text, max_length=200)


def test_addresses_are_normalised_or_refused():
    assert read_email(" John@Example.COM ") == "john@example.com"
    assert read_url("www.example.com") == "https://www.example.com"
    for read, text in (
        (read_email, "raj@agency.in / 98765"),
        (read_url, "javascript:alert(1)"),
        (read_flag, "perhaps"),
    ):
        with pytest.raises(RowRefused):
            read(text)
