"""Working time, worked out by hand with a calendar: marketing's own clock runs in it."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Organisation
from pipeline.sla import after_working_hours, is_office_time, working_seconds

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
HOUR = 3600


def moment(text: str, zone: str = BERLIN) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def office(opens: str = "09:00", closes: str = "18:00", zone: str = BERLIN, country: str = "DE") -> Organisation:
    return Organisation(
        time_zone=zone,
        country=country,
        office_opens_at=datetime.time.fromisoformat(opens),
        office_closes_at=datetime.time.fromisoformat(closes),
    )


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-03-03 10:00", "2026-03-03 10:45", 45 * 60),  # the same day
        ("2026-03-03 10:00", "2026-03-03 10:00", 0),
        ("2026-03-03 12:00", "2026-03-03 10:00", 0),  # a faulty order is no time, not a negative one
        ("2026-03-02 22:00", "2026-03-03 09:30", 30 * 60),  # begins at night: the office opens at 9
        ("2026-03-02 07:00", "2026-03-02 20:00", 9 * HOUR),  # around the whole day
        ("2026-03-02 17:00", "2026-03-03 10:00", 2 * HOUR),  # over a night: 17–18 and 9–10
        ("2026-03-07 11:00", "2026-03-09 09:10", 10 * 60),  # begins on a Saturday
        ("2026-03-07 11:00", "2026-03-08 20:00", 0),  # all at the weekend
        ("2026-04-02 17:00", "2026-04-07 10:00", 2 * HOUR),  # Good Friday and Easter Monday are free
        (
            "2026-12-30 16:00",
            "2027-01-04 10:00",
            (2 + 9 + 1) * HOUR,
        ),  # 31 December is worked, 1 January isn't, then a weekend
        ("2026-03-02 09:00", "2026-03-16 09:00", 10 * 9 * HOUR),  # two weeks
    ],
)
def test_working_seconds_are_those_of_the_open_office(start, end, expected):  # L8
    assert working_seconds(moment(start), moment(end), office()) == expected


def test_a_change_to_daylight_saving_outside_office_hours_changes_nothing():
    # Clocks go forward on Sunday, 29 March, and back on Sunday, 25 October 2026.
    assert working_seconds(moment("2026-03-27 17:00"), moment("2026-03-30 10:00"), office()) == 2 * HOUR
    assert working_seconds(moment("2026-10-23 17:00"), moment("2026-10-26 10:00"), office()) == 2 * HOUR


def test_a_day_whose_clocks_change_in_office_hours_is_an_hour_shorter_or_longer(monkeypatch):
    monkeypatch.setattr("pipeline.sla.is_working_day", lambda day, country: True)  # they change on Sundays
    night = office("00:00", "08:00")
    assert working_seconds(moment("2026-03-29 00:00"), moment("2026-03-29 12:00"), night) == 7 * HOUR
    assert working_seconds(moment("2026-10-25 00:00"), moment("2026-10-25 12:00"), night) == 9 * HOUR
    assert after_working_hours(moment("2026-03-29 00:00"), 7, night) == moment("2026-03-29 08:00")
    assert after_working_hours(moment("2026-10-25 00:00"), 9, night) == moment("2026-10-25 08:00")


def test_the_moments_may_come_in_any_zone():
    start, end = moment("2026-03-03 03:30", NEW_YORK), moment("2026-03-03 11:00", "UTC")  # 9:30 and 12:00 in Berlin
    assert working_seconds(start, end, office()) == 2.5 * HOUR


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-03-03 10:00", 4, "2026-03-03 14:00"),
        ("2026-03-03 10:00", 8, "2026-03-03 18:00"),  # at closing time, not at the next opening
        ("2026-03-03 12:00", 8, "2026-03-04 11:00"),
        ("2026-03-03 23:00", 8, "2026-03-04 17:00"),  # begins at night
        ("2026-03-03 06:00", 1, "2026-03-03 10:00"),
        ("2026-03-07 15:00", 2, "2026-03-09 11:00"),  # begins on a Saturday
        ("2026-04-02 16:00", 3, "2026-04-07 10:00"),  # over Easter
        ("2026-03-27 16:00", 8, "2026-03-30 15:00"),  # over a change to summer time
        ("2026-12-31 17:00", 2, "2027-01-04 10:00"),  # over the year's end
        ("2026-03-02 09:00", 90, "2026-03-13 18:00"),  # ten office days
    ],
)
def test_hours_of_working_time_end_where_a_calendar_says(start, hours, expected):  # L8
    due = after_working_hours(moment(start), hours, office())
    assert due == moment(expected)
    assert working_seconds(moment(start), due, office()) == hours * HOUR


def test_a_short_office_day_takes_more_days():
    assert after_working_hours(moment("2026-03-02 10:00"), 2, office("10:00", "10:30")) == moment("2026-03-05 10:30")


def test_the_office_is_open_until_it_closes():
    assert is_office_time(moment("2026-03-03 09:00"), office())
    assert not is_office_time(moment("2026-03-03 18:00"), office())
    assert not is_office_time(moment("2026-03-07 12:00"), office())
