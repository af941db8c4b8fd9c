"""How values look."""

import datetime
from decimal import Decimal

import pytest
from django.contrib.messages.storage.base import Message
from django.utils import timezone, translation

from leadflow.templatetags import display

NOW = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)


@pytest.fixture
def frozen(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(0, 0, "0"), (1234567, 0, "1\u202f234\u202f567"), (-1500, 0, "−1\u202f500"), ("0.125", 2, "0.13"), (None, 0, "—")],
)
def test_numbers_have_thin_thousands_and_none_is_no_data(value, places, text):
    assert display.number(value, places) == text


def test_the_decimal_mark_follows_the_language():
    with translation.override("ru"):
        assert display.money(Decimal("27245.67"), "RUB") == "27\u202f245,67\xa0RUB"


def test_money_shows_cents_only_where_there_are_any():
    assert display.money(Decimal("25000.00"), "EUR") == "25\u202f000\xa0EUR"


def test_a_rate_shows_both_counts_and_an_empty_base_is_no_data():
    assert "10.5\u202f% <small>842\u202f/\u202f8\u202f000</small>" in display.rate(842, 8000)
    assert "no data" in display.rate(0, 0)
    assert "immature" in display.rate(1, 2, mature=False)


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize(
    ("before", "words"),
    [
        (datetime.timedelta(seconds=20), "just now"),
        (datetime.timedelta(hours=3), "3 h ago"),
        (datetime.timedelta(days=-3), "in 3 d"),
        (datetime.timedelta(days=40), "21 Jan"),
        (datetime.timedelta(days=400), "26 Jan 2025"),
    ],
)
def test_times_are_relative_while_near_and_dates_when_far(before, words):
    assert f">{words}</time>" in display.ago(NOW - before)


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize(
    ("state", "due", "done", "words"),
    [
        ("running", 96, None, "4 d left"),
        ("overdue", -30, None, "30 h overdue"),
        ("kept", 5, -2, "in time"),
        ("late", -72, -24, "2 d late"),
    ],
)
def test_a_clock_says_its_state_in_words_with_the_exact_time(state, due, done, words):
    hour = datetime.timedelta(hours=1)
    html = display.clock("Verdict", state, NOW + due * hour, NOW + done * hour if done else None)
    assert f"clock-{state}" in html
    assert f"<b>{words}</b>" in html
    assert "due " in html


@pytest.mark.parametrize(
    ("tags", "url"),
    [
        ("undo:/leads/5/undo/", "/leads/5/undo/"),
        ("", ""),
        ("undo://evil.example/", ""),
        ("undo:https://evil.example/", ""),
    ],
)
def test_undo_goes_only_to_this_site(tags, url):
    assert display.undo_url(Message(25, "Done", extra_tags=tags)) == url


def test_initials_come_from_any_name_without_breaking():
    assert ">SS<" in display.avatar("Sam van Salesman")
    assert ">?<" in display.avatar("")
    assert ">?<" in display.avatar("<>")
