"""The two clocks: when they are due, and how they stand at a moment."""

import datetime
import enum
from functools import lru_cache

import holidays
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation

ONE_DAY = datetime.timedelta(days=1)


class Clock(enum.StrEnum):
    FIRST_CONTACT = "first_contact"
    VERDICT = "verdict"

    @property
    def label(self):
        return _("first contact") if self is Clock.FIRST_CONTACT else _("verdict")


class DayKind(models.TextChoices):
    """What the days of a clock are."""

    CALENDAR = "calendar", _("calendar days")
    WORKING = "working", _("working days")
    OFFICE = "office", _("office hours of working days")


class ClockState(enum.StrEnum):
    RUNNING = "running"
    SOON = "soon"
    OVERDUE = "overdue"
    PAUSED = "paused"
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


def due_at(start: datetime.datetime, days: int, *, day_kind: DayKind, organisation: Organisation) -> datetime.datetime:
    """When a clock of `days` that starts at `start` is due.

    Calendar and working days keep the time of day on the organisation's wall clock, so a change to daylight saving moves
    nothing. Working days skip weekends and the country's public holidays; a start on a free day counts from the next
    working one. Of office hours a day is as much time as the office is open, so it is always due in them.
    """
    if day_kind == DayKind.OFFICE:
        return due_after(start, days * office_day(organisation), day_kind=day_kind, organisation=organisation)
    local = _on_the_wall(start, organisation)
    day = local.date()
    for _n in range(days):
        day += ONE_DAY
        while day_kind == DayKind.WORKING and not is_working_day(day, organisation.country):
            day += ONE_DAY
    return _in_utc(datetime.datetime.combine(day, local.time()), organisation)


def left_until(
    due: datetime.datetime, moment: datetime.datetime, *, day_kind: DayKind, organisation: Organisation
) -> datetime.timedelta:
    """How much of a clock that is due at `due` remains at `moment`, by its own way of counting; never less than nothing.

    Calendar days: the difference on the wall clock. Working days: the same, without the 24 hours of each free day.
    Office hours: the time in which the office is open.
    """
    if day_kind == DayKind.OFFICE:
        return office_time(moment, due, organisation)
    begins, ends = _on_the_wall(moment, organisation), _on_the_wall(due, organisation)
    left = ends - begins
    if day_kind == DayKind.WORKING:
        day = begins.date()
        while day <= ends.date():
            if not is_working_day(day, organisation.country):
                midnight = datetime.datetime.combine(day, datetime.time())
                left -= max(datetime.timedelta(), min(ends, midnight + ONE_DAY) - max(begins, midnight))
            day += ONE_DAY
    return max(datetime.timedelta(), left)


def due_after(
    moment: datetime.datetime, left: datetime.timedelta, *, day_kind: DayKind, organisation: Organisation
) -> datetime.datetime:
    """When a clock of which `left` remains at `moment` is due: the other way round of `left_until`.

    Working days: what ends at midnight ends with the next working day's beginning, so a working day is always its last.
    """
    if day_kind == DayKind.OFFICE:
        return after_office_time(moment, left, organisation)
    local = _on_the_wall(moment, organisation)
    if day_kind == DayKind.CALENDAR:
        return _in_utc(local + left, organisation)
    while True:
        midnight = datetime.datetime.combine(local.date() + ONE_DAY, datetime.time())
        if is_working_day(local.date(), organisation.country):
            if local + left < midnight:
                return _in_utc(local + left, organisation)
            left -= midnight - local
        local = midnight


def moved(
    due: datetime.datetime,
    *,
    start: datetime.datetime,
    until: datetime.datetime,
    day_kind: DayKind,
    organisation: Organisation,
) -> datetime.datetime:
    """When a clock is due that stood still from `start` to `until` and was due at `due` before.

    What remained at `start` remains at `until`. A pause never brings a due time forward, nor to before its own end.
    """
    left = left_until(due, start, day_kind=day_kind, organisation=organisation)
    return max(due, until, due_after(until, left, day_kind=day_kind, organisation=organisation))


def _on_the_wall(moment: datetime.datetime, organisation: Organisation) -> datetime.datetime:
    """What the organisation's clock and calendar show, without a zone: differences are those on the wall."""
    return moment.astimezone(organisation.tzinfo).replace(tzinfo=None, fold=0)


def _in_utc(local: datetime.datetime, organisation: Organisation) -> datetime.datetime:
    """The moment at which the wall clock shows `local`: of a doubled hour the first, of a skipped one an hour later."""
    return local.replace(tzinfo=organisation.tzinfo).astimezone(datetime.UTC)


def office_day(organisation: Organisation) -> datetime.timedelta:
    """How long the office is open on a working day."""
    noon = datetime.date(2000, 1, 1)
    opens, closes = (
        datetime.datetime.combine(noon, time) for time in (organisation.office_opens_at, organisation.office_closes_at)
    )
    return closes - opens


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


def office_time(start: datetime.datetime, end: datetime.datetime, organisation: Organisation) -> datetime.timedelta:
    """How long the office is open between two moments, on working days of the organisation's country and zone."""
    day, last = start.astimezone(organisation.tzinfo).date(), end.astimezone(organisation.tzinfo).date()
    start, end = start.astimezone(datetime.UTC), end.astimezone(datetime.UTC)
    worked = datetime.timedelta()
    while day <= last:
        if hours := office_hours(day, organisation):
            worked += max(datetime.timedelta(), min(end, hours[1]) - max(start, hours[0]))
        day += ONE_DAY
    return worked


def working_seconds(start: datetime.datetime, end: datetime.datetime, organisation: Organisation) -> int:
    """Seconds of office hours between two moments; 0 if none."""
    return int(office_time(start, end, organisation).total_seconds())


def after_office_time(
    start: datetime.datetime, left: datetime.timedelta, organisation: Organisation
) -> datetime.datetime:
    """The first moment in office hours at which the office has been open for `left` since `start`.

    At the end of an office day that is the closing time, not the next opening.
    """
    day = start.astimezone(organisation.tzinfo).date()
    start = start.astimezone(datetime.UTC)
    while True:
        if office := office_hours(day, organisation):
            begins = max(start, office[0])
            if begins + left <= office[1]:
                return begins + left
            left -= max(datetime.timedelta(), office[1] - begins)
        day += ONE_DAY


def after_working_hours(start: datetime.datetime, hours: int, organisation: Organisation) -> datetime.datetime:
    """The first moment at which `hours` of office time have passed since `start`."""
    return after_office_time(start, datetime.timedelta(hours=hours), organisation)


def is_office_time(at: datetime.datetime, organisation: Organisation) -> bool:
    """Whether the office is open at that moment."""
    office = office_hours(at.astimezone(organisation.tzinfo).date(), organisation)
    return office is not None and office[0] <= at < office[1]


def clock_state(
    due: datetime.datetime,
    stopped: datetime.datetime | None,
    now: datetime.datetime,
    remind_days: int,
    paused_until: datetime.datetime | None = None,
) -> ClockState:
    """How a clock stands at `now`: kept or late once stopped, otherwise paused, running, soon due or overdue.

    A pause leaves a clock alone that was overdue before it; every other is due no earlier than the pause's end.
    """
    if stopped is not None:
        return ClockState.KEPT if stopped <= due else ClockState.LATE
    if paused_until is not None and now < paused_until <= due:
        return ClockState.PAUSED
    if now > due:
        return ClockState.OVERDUE
    return ClockState.SOON if now > due - datetime.timedelta(days=remind_days) else ClockState.RUNNING
