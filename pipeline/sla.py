"""The two clocks: when they are due, and how they stand at a moment."""

import datetime
import enum
from functools import lru_cache

import holidays
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation


class Clock(enum.StrEnum):
    FIRST_CONTACT = "first_contact"
    VERDICT = "verdict"

    @property
    def label(self):
        return _("first contact") if self is Clock.FIRST_CONTACT else _("verdict")


class ClockState(enum.StrEnum):
    RUNNING = "running"
    SOON = "soon"
    OVERDUE = "overdue"
    KEPT = "kept"
    LATE = "late"


@lru_cache(maxsize=64)
def _holidays(country: str, year: int) -> frozenset[datetime.date]:
    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError:  # a country the calendar doesn't know has weekends only
        return frozenset()


def is_working_day(day: datetime.date, country: str) -> bool:
    """True on Monday to Friday that is no public holiday of `country` (ISO code)."""
    return day.weekday() < 5 and day not in _holidays(country, day.year)


def due_at(start: datetime.datetime, days: int, *, working_days: bool, organisation: Organisation) -> datetime.datetime:
    """When a clock of `days` that starts at `start` is due.

    The time of day is kept on the organisation's wall clock, so a change to daylight saving moves nothing.
    Working days skip weekends and the country's public holidays; a start on a free day counts from the next working one.
    """
    local = start.astimezone(organisation.tzinfo)
    day = local.date()
    if working_days:
        for _n in range(days):
            day += datetime.timedelta(days=1)
            while not is_working_day(day, organisation.country):
                day += datetime.timedelta(days=1)
    else:
        day += datetime.timedelta(days=days)
    return datetime.datetime.combine(day, local.time(), organisation.tzinfo).astimezone(datetime.UTC)


def office_hours(day: datetime.date, organisation: Organisation) -> tuple[datetime.datetime, datetime.datetime] | None:
    """When the office opens and closes on `day`, in UTC; None on a free day.

    In UTC, because a difference of two times of one zone ignores a change to daylight saving between them.
    """
    if not is_working_day(day, organisation.country):
        return None
    opens, closes = (
        datetime.datetime.combine(day, time, organisation.tzinfo).astimezone(datetime.UTC)
        for time in (organisation.office_opens_at, organisation.office_closes_at)
    )
    return opens, max(opens, closes)


def working_seconds(start: datetime.datetime, end: datetime.datetime, organisation: Organisation) -> int:
    """Seconds of office hours between two moments, on working days of the organisation's country and zone; 0 if none."""
    day, last = start.astimezone(organisation.tzinfo).date(), end.astimezone(organisation.tzinfo).date()
    start, end = start.astimezone(datetime.UTC), end.astimezone(datetime.UTC)
    worked = datetime.timedelta()
    while day <= last:
        if hours := office_hours(day, organisation):
            worked += max(datetime.timedelta(), min(end, hours[1]) - max(start, hours[0]))
        day += datetime.timedelta(days=1)
    return int(worked.total_seconds())


def after_working_hours(start: datetime.datetime, hours: int, organisation: Organisation) -> datetime.datetime:
    """The first moment at which `hours` of office time have passed since `start`.

    At the end of an office day that is the closing time, not the next opening.
    """
    left, day = datetime.timedelta(hours=hours), start.astimezone(organisation.tzinfo).date()
    start = start.astimezone(datetime.UTC)
    while True:
        if office := office_hours(day, organisation):
            begins = max(start, office[0])
            if begins + left <= office[1]:
                return begins + left
            left -= max(datetime.timedelta(), office[1] - begins)
        day += datetime.timedelta(days=1)


def is_office_time(at: datetime.datetime, organisation: Organisation) -> bool:
    """Whether the office is open at that moment."""
    office = office_hours(at.astimezone(organisation.tzinfo).date(), organisation)
    return office is not None and office[0] <= at < office[1]


def clock_state(
    due: datetime.datetime, stopped: datetime.datetime | None, now: datetime.datetime, remind_days: int
) -> ClockState:
    """How a clock stands at `now`: kept or late once stopped, otherwise running, soon due or overdue."""
    if stopped is not None:
        return ClockState.KEPT if stopped <= due else ClockState.LATE
    if now > due:
        return ClockState.OVERDUE
    return ClockState.SOON if now > due - datetime.timedelta(days=remind_days) else ClockState.RUNNING
