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


def clock_state(
    due: datetime.datetime, stopped: datetime.datetime | None, now: datetime.datetime, remind_days: int
) -> ClockState:
    """How a clock stands at `now`: kept or late once stopped, otherwise running, soon due or overdue."""
    if stopped is not None:
        return ClockState.KEPT if stopped <= due else ClockState.LATE
    if now > due:
        return ClockState.OVERDUE
    return ClockState.SOON if now > due - datetime.timedelta(days=remind_days) else ClockState.RUNNING
