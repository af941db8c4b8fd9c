"""The two clocks, worked out by hand with a calendar."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Organisation
from pipeline.models import Agreement, Handoff
from pipeline.sla import Clock, ClockState, DayKind, clock_state, due_at, is_working_day, moved
from tests.factories import NOON, a_contacted_handoff, a_handoff, days

NEW_YORK, BERLIN, TOKYO = "America/New_York", "Europe/Berlin", "Asia/Tokyo"


def moment(text: str, zone: str = "UTC") -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def due(start: datetime.datetime, number: int, zone: str, country: str = "US", *, working: bool = False):
    organisation = Organisation(time_zone=zone, country=country)
    kind = DayKind.WORKING if working else DayKind.CALENDAR
    return due_at(start, number, day_kind=kind, organisation=organisation)


@pytest.mark.parametrize(
    ("start", "number", "zone", "expected"),
    [
        ("2026-03-02 12:00", 7, "UTC", "2026-03-09 12:00"),
        ("2026-03-02 12:00", 14, "UTC", "2026-03-16 12:00"),
        # Clocks go forward on 8 March in New York and back on 25 October in Berlin: the wall clock's time stays.
        ("2026-03-05 09:00", 7, NEW_YORK, "2026-03-12 09:00"),
        ("2026-10-20 10:00", 7, BERLIN, "2026-10-27 10:00"),
        # The year ends, also a leap year's February.
        ("2026-12-28 18:30", 7, BERLIN, "2027-01-04 18:30"),
        ("2028-02-25 08:00", 7, BERLIN, "2028-03-03 08:00"),
    ],
)
def test_calendar_days_keep_the_time_of_day(start, number, zone, expected):  # H2
    assert due(moment(start, zone), number, zone) == moment(expected, zone)


def test_a_week_over_daylight_saving_is_an_hour_shorter_or_longer_in_utc():  # H2
    assert due(moment("2026-03-05 14:00"), 7, NEW_YORK) == moment("2026-03-12 13:00")
    assert due(moment("2026-10-20 08:00"), 7, BERLIN) == moment("2026-10-27 09:00")


def test_a_time_that_the_clock_skips_is_due_an_hour_later_on_the_wall():  # H2
    # 02:30 doesn't exist in New York on 8 March 2026: it is 03:30 there.
    assert due(moment("2026-03-01 02:30", NEW_YORK), 7, NEW_YORK) == moment("2026-03-08 07:30")


@pytest.mark.parametrize(
    ("start", "number", "zone", "country", "expected"),
    [
        # Monday + 7: Tue 1, Wed 2, Thu 3, Fri 4, Mon 5, Tue 6, Wed 7.
        ("2026-03-02 12:00", 7, "UTC", "US", "2026-03-11 12:00"),
        # Thursday 19 November + 5: Fri 1, Mon 2, Tue 3, Wed 4, Thanksgiving, Fri 27 November 5.
        ("2026-11-19 10:00", 5, NEW_YORK, "US", "2026-11-27 10:00"),
        # Friday + 5 would be Friday 1 May, a holiday in Germany: Monday 4 May.
        ("2026-04-24 16:00", 5, BERLIN, "DE", "2026-05-04 16:00"),
        # … and in the United States it isn't.
        ("2026-04-24 16:00", 5, BERLIN, "US", "2026-05-01 16:00"),
        # Monday 28 December + 7: 29, 30, 31, New Year's Day on Friday, 4, 5, 6, Thursday 7 January.
        ("2026-12-28 12:00", 7, "UTC", "US", "2027-01-07 12:00"),
        # From a Saturday the first working day is Monday, the fifth Friday.
        ("2026-03-07 15:00", 1, "UTC", "US", "2026-03-09 15:00"),
        ("2026-03-07 15:00", 5, "UTC", "US", "2026-03-13 15:00"),
        # A country that the holiday calendar doesn't know has weekends only.
        ("2026-04-24 16:00", 5, BERLIN, "XX", "2026-05-01 16:00"),
    ],
)
def test_working_days_skip_weekends_and_holidays(start, number, zone, country, expected):  # H2
    assert due(moment(start, zone), number, zone, country, working=True) == moment(expected, zone)


def test_the_day_is_that_of_the_organisations_zone():  # H2
    start = moment("2026-03-06 20:00")  # Friday noon in Los Angeles, Saturday 05:00 in Tokyo
    assert due(start, 1, "America/Los_Angeles", working=True) == moment("2026-03-09 19:00")  # Monday noon
    assert due(start, 1, TOKYO, "JP", working=True) == moment("2026-03-08 20:00")  # Monday 05:00


def test_weekends_and_holidays_are_no_working_days():  # H2
    assert is_working_day(datetime.date(2026, 3, 6), "US")
    assert not is_working_day(datetime.date(2026, 3, 7), "US")
    assert not is_working_day(datetime.date(2026, 11, 26), "US")


@pytest.mark.parametrize(
    ("stopped", "now", "expected"),
    [
        (None, -days(3), ClockState.RUNNING),
        (None, -days(2), ClockState.RUNNING),
        (None, -days(1), ClockState.SOON),
        (None, days(0), ClockState.SOON),
        (None, datetime.timedelta(microseconds=1), ClockState.OVERDUE),
        (days(0), days(5), ClockState.KEPT),
        (datetime.timedelta(microseconds=1), days(5), ClockState.LATE),
    ],
)
def test_a_clock_is_overdue_from_the_first_moment_after_its_due_time(stopped, now, expected):  # H2
    stopped_at = None if stopped is None else NOON + stopped
    assert clock_state(NOON, stopped_at, NOON + now, remind_days=2) == expected


@pytest.mark.django_db
def test_a_handoff_is_judged_by_the_agreement_of_its_day(mia, sam):  # P1
    Agreement.objects.create(version=2, first_contact_days=1, verdict_days=2, in_force_at=NOON + days(10))
    before, after = a_handoff(sam, by=mia), a_handoff(sam, by=mia, at=NOON + days(11))
    assert (before.agreement.version, before.verdict_due_at) == (1, NOON + days(14))
    assert (after.agreement.version, after.verdict_due_at) == (2, NOON + days(13))


@pytest.mark.django_db
def test_overdue_is_exact_whenever_it_is_read_without_any_task(mia, sam):  # H3
    handoff = a_handoff(sam, by=mia)
    moments = [NOON + days(7), NOON + days(7) + datetime.timedelta(microseconds=1)]
    assert [Handoff.objects.overdue(Clock.FIRST_CONTACT, at).count() for at in moments] == [0, 1]
    assert [handoff.clock_state(Clock.FIRST_CONTACT, at) for at in moments] == ["soon", "overdue"]


@pytest.mark.django_db
def test_the_list_knows_the_same_states_as_the_clocks(mia, sam):  # H3
    late = a_handoff(sam, by=mia, at=NOON - days(8))
    running = a_handoff(sam, by=mia)
    kept = a_contacted_handoff(sam, by=mia)
    states = {
        state: set(Handoff.objects.with_clock(Clock.FIRST_CONTACT, state, NOON))
        for state in ["overdue", "running", "kept"]
    }
    assert states == {"overdue": {late}, "running": {running}, "kept": {kept}}


def office(zone: str, country: str = "US") -> Organisation:
    """Open from nine to six."""
    nine, six = datetime.time(9), datetime.time(18)
    return Organisation(time_zone=zone, country=country, office_opens_at=nine, office_closes_at=six)


MOSCOW = "Europe/Moscow"


@pytest.mark.parametrize(
    ("start", "number", "kind", "zone", "country", "expected"),
    [
        # Monday 20:00 in New York: from Tuesday's opening to its closing time.
        ("2026-03-03 01:00", 1, "office", NEW_YORK, "US", "2026-03-03 23:00"),
        # Friday 17:00: one hour, and eight on Monday, after the clocks went forward.
        ("2026-03-06 22:00", 1, "office", NEW_YORK, "US", "2026-03-09 21:00"),
        # Friday 16:00 in Berlin, 18 hours: 2, 9 on Monday after the clocks went back, 7 on Tuesday: 16:00.
        ("2026-10-23 14:00", 2, "office", BERLIN, "DE", "2026-10-27 15:00"),
        # Wednesday noon before New Year, 27 hours: 6, 9, a holiday and a weekend, 9, 3 on Tuesday 5 January.
        ("2026-12-30 11:00", 3, "office", BERLIN, "DE", "2027-01-05 11:00"),
        # Wednesday noon before Thanksgiving: 6 hours, the holiday, 3 on Friday.
        ("2026-11-25 17:00", 1, "office", NEW_YORK, "US", "2026-11-27 17:00"),
        # On the holiday itself at noon: all of Friday; by working days Friday noon.
        ("2026-11-26 17:00", 1, "office", NEW_YORK, "US", "2026-11-27 23:00"),
        ("2026-11-26 17:00", 1, "working", NEW_YORK, "US", "2026-11-27 17:00"),
        # Thursday 30 April 15:00 in Moscow: 3 hours, May Day, 6 on Monday.
        ("2026-04-30 12:00", 1, "office", MOSCOW, "RU", "2026-05-04 12:00"),
        # Wednesday 30 December + 1: the free days go from New Year's Eve to Friday 8 January, then a weekend: Monday.
        ("2026-12-30 07:00", 1, "working", MOSCOW, "RU", "2027-01-11 07:00"),
        # A leap day is a day like another.
        ("2028-02-28 10:00", 1, "calendar", "UTC", "US", "2028-02-29 10:00"),
        ("2028-02-28 10:00", 2, "working", "UTC", "US", "2028-03-01 10:00"),
        ("2028-02-28 12:00", 2, "office", "UTC", "US", "2028-03-01 12:00"),
        # 02:30 doesn't exist in Berlin on 29 March: 03:30. On 25 October it comes twice: the first. So does 01:30 in
        # New York on 1 November.
        ("2026-03-22 01:30", 7, "calendar", BERLIN, "DE", "2026-03-29 01:30"),
        ("2026-10-18 00:30", 7, "calendar", BERLIN, "DE", "2026-10-25 00:30"),
        ("2026-10-25 05:30", 7, "calendar", NEW_YORK, "US", "2026-11-01 05:30"),
        # From the second 01:30 it is as from the first: 01:30 a week later.
        ("2026-11-01 05:30", 7, "calendar", NEW_YORK, "US", "2026-11-08 06:30"),
        ("2026-11-01 06:30", 7, "calendar", NEW_YORK, "US", "2026-11-08 06:30"),
    ],
)
def test_examples_worked_out_by_hand(start, number, kind, zone, country, expected):  # H2
    found = due_at(moment(start), number, day_kind=DayKind(kind), organisation=office(zone, country))
    assert found == moment(expected)


@pytest.mark.parametrize(
    ("due", "start", "until", "kind", "zone", "expected"),
    [
        # From Friday noon to Tuesday 15:00 in New York is 4 days and 3 hours on the wall, though an hour is skipped.
        ("2026-03-12 13:00", "2026-03-06 17:00", "2026-03-10 19:00", "calendar", NEW_YORK, "2026-03-16 16:00"),
        # Monday 10:00, due on Thursday noon: 3 days and 2 hours. From Wednesday 09:00: Thursday, Friday, Monday, 11:00.
        ("2026-03-05 12:00", "2026-03-02 10:00", "2026-03-11 09:00", "working", "UTC", "2026-03-16 11:00"),
        # Friday noon, due on Monday 15:00: 27 hours without the weekend. From a Saturday they begin on Monday.
        ("2026-03-09 15:00", "2026-03-06 12:00", "2026-03-14 20:00", "working", "UTC", "2026-03-17 03:00"),
        # What ends at midnight ends with the next working day.
        ("2026-03-09 12:00", "2026-03-06 12:00", "2026-03-13 00:00", "working", "UTC", "2026-03-16 00:00"),
        # Friday 17:00 in Berlin, due on Tuesday 16:00: 1, 9 and 7 hours. From Wednesday 20:00: Thursday 9, Friday 8.
        ("2026-10-27 15:00", "2026-10-23 15:00", "2026-10-28 19:00", "office", BERLIN, "2026-10-30 16:00"),
        # From the second 01:10 on the day when the clocks go back: never earlier than it was.
        ("2026-11-02 15:00", "2026-11-01 05:50", "2026-11-01 06:10", "calendar", NEW_YORK, "2026-11-02 15:00"),
    ],
)
def test_what_remains_when_a_pause_begins_remains_when_it_ends(due, start, until, kind, zone, expected):  # H2
    organisation = office(zone, "DE" if zone == BERLIN else "US")
    moments = {"start": moment(start), "until": moment(until)}
    assert moved(moment(due), **moments, day_kind=DayKind(kind), organisation=organisation) == moment(expected)


@pytest.mark.parametrize("kind", DayKind)
def test_a_pause_of_no_length_moves_nothing(kind):  # H2
    for hour in range(0, 24 * 10, 7):
        start = moment("2026-03-05 00:00") + datetime.timedelta(hours=hour)
        due = due_at(start, 3, day_kind=kind, organisation=office(NEW_YORK))
        for later in (datetime.timedelta(0), datetime.timedelta(hours=5), datetime.timedelta(days=1)):
            now = start + later
            assert moved(due, start=now, until=now, day_kind=kind, organisation=office(NEW_YORK)) == due
