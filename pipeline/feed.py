"""The calendar feed: everything that is due from one person, for the calendar program of their choice.

An entry keeps its UID as long as its record lives, so a program that fetches the feed again moves it instead of adding
another. Times are UTC and days are days: no zone is named, each program shows its reader's own.
"""

import dataclasses
import datetime
import hashlib
import secrets
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import icalendar
from django.conf import settings
from django.db import transaction
from django.db.models import Case, Q, QuerySet, When
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts.models import Organisation, User
from integrations.outbox import one_line
from leads.models import Lead
from leads.models.leads import WITH_MARKETING
from pipeline.desk import agreed_with_sales
from pipeline.models import CalendarKey, Handoff, Opportunity, PlannedPayment, Task
from pipeline.sla import Clock

BACK = datetime.timedelta(days=90)  # what is overdue for longer isn't helped by a calendar
AHEAD = datetime.timedelta(days=400)
MOST = 2000
LASTS = datetime.timedelta(minutes=30)
FETCHED_EACH = datetime.timedelta(hours=1)
# SEQUENCE must grow with each change and fit into 32 bits: seconds since then.
SEQUENCE_BEGINS = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


# --- The secret address ----------------------------------------------------------------------------------------------


@transaction.atomic
def new_key(user: User, *, has_names: bool, at: datetime.datetime) -> str:
    """A new secret for `user`; the one before no longer works. It is in this answer and nowhere else."""
    revoke_key(user, at=at)
    secret = secrets.token_urlsafe(32)
    CalendarKey.objects.create(user=user, key_hash=hashed(secret), created_at=at, has_names=has_names)
    return secret


@transaction.atomic
def revoke_key(user: User, *, at: datetime.datetime) -> bool:
    """The address of `user` no longer works; True when there was one."""
    User.objects.select_for_update(no_key=True).get(
        pk=user.pk
    )  # who asks for two new ones at once gets one after the other
    return bool(CalendarKey.objects.filter(user=user, revoked_at__isnull=True).update(revoked_at=at))


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# --- What is due -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Entry:
    """One thing that is due: at a moment, or on a day."""

    uid: str
    due: datetime.datetime | datetime.date
    title: str
    nameless: str
    url: str
    changed_at: datetime.datetime
    note: str = ""

    @property
    def moment(self) -> datetime.datetime:
        if isinstance(self.due, datetime.datetime):
            return self.due
        return datetime.datetime.combine(self.due, datetime.time(), datetime.UTC)


def entries(user: User, now: datetime.datetime) -> list[Entry]:
    """What is due from `user`: what is to come, the next first, then what is overdue; no more than `MOST`."""
    found = [entry for source in _SOURCES for entry in source(user, now)]
    found.sort(key=lambda entry: (entry.moment < now, abs(entry.moment - now), entry.uid))
    return found[:MOST]


def _near(rows: QuerySet, path: str, now: datetime.date) -> QuerySet:
    """Those that are due at a moment (or on a day, where `now` is one) of the feed's span, what is to come first."""
    span = {f"{path}__gte": now - BACK, f"{path}__lt": now + AHEAD}
    is_over = Case(When(**{f"{path}__lt": now}, then=1), default=0)
    return rows.filter(**span).order_by(is_over, path, "pk")[:MOST]


def _tasks(user: User, now: datetime.datetime) -> Iterator[Entry]:
    tasks = Task.objects.open().filter(assignee=user).select_related("lead__contact")
    for task in _near(tasks, "due_at", now):
        yield Entry(
            uid=f"task-{task.pk}",
            due=task.due_at,
            title=_of(str(task), task.lead),
            nameless=_("Task"),
            url=reverse("pipeline:task_detail", args=[task.pk]),
            changed_at=task.updated_at,
            note=task.note,
        )


def _calls(user: User, now: datetime.datetime) -> Iterator[Entry]:
    """Agreed calls: by the rep who has the lead, else by its owner in marketing."""
    leads = Lead.objects.filter(contact__do_not_contact=False)
    in_sales = agreed_with_sales(Lead.objects.all(), user, now + AHEAD).order_by().values("pk")
    mine = Q(owner=user, stage__in=WITH_MARKETING) | Q(pk__in=in_sales)
    for lead in _near(leads.filter(mine).select_related("contact"), "next_attempt_at", now):
        assert lead.next_attempt_at is not None
        yield Entry(
            uid=f"call-{lead.pk}",
            due=lead.next_attempt_at,
            title=_of(_("Agreed call"), lead),
            nameless=_("Agreed call"),
            url=reverse("leads:lead_detail", args=[lead.pk]),
            changed_at=lead.updated_at,
        )


def _clocks(user: User, now: datetime.datetime) -> Iterator[Entry]:
    titles = {Clock.FIRST_CONTACT: _("First contact due"), Clock.VERDICT: _("Verdict due")}
    handoffs = Handoff.objects.filter(assigned_to=user).select_related("lead__contact")
    for clock, title in titles.items():
        for handoff in _near(handoffs.running(clock), f"{clock}_due_at", now):
            yield Entry(
                uid=f"{clock}-{handoff.pk}",
                due=getattr(handoff, f"{clock}_due_at"),
                title=_of(title, handoff.lead),
                nameless=title,
                url=reverse("pipeline:handoff_detail", args=[handoff.pk]),
                changed_at=handoff.updated_at,
            )


def _next_steps(user: User, now: datetime.datetime) -> Iterator[Entry]:
    opportunities = Opportunity.objects.open().filter(owner=user).select_related("lead__contact")
    for opportunity in _near(opportunities, "next_step_on", timezone.localdate(now)):
        assert opportunity.next_step_on is not None
        yield Entry(
            uid=f"next-step-{opportunity.pk}",
            due=opportunity.next_step_on,
            title=_of(opportunity.next_step or _("Next step"), opportunity.lead),
            nameless=_("Next step"),
            url=reverse("pipeline:opportunity_detail", args=[opportunity.pk]),
            changed_at=opportunity.updated_at,
        )


def _payments(user: User, now: datetime.datetime) -> Iterator[Entry]:
    """Instalments of one's own deals that aren't paid in full."""
    owed = PlannedPayment.objects.owed().filter(opportunity__owner=user).unpaid()
    planned = owed.select_related("opportunity__lead__contact")
    currency = Organisation.current().currency
    for payment in _near(planned, "due_on", timezone.localdate(now)):
        amount = f"{number_format(payment.amount - payment.paid, 2, force_grouping=True)} {currency}"
        yield Entry(
            uid=f"payment-{payment.pk}",
            due=payment.due_on,
            title=_of(_("Payment due: %(amount)s") % {"amount": amount}, payment.opportunity.lead),
            nameless=_("Payment due"),
            url=reverse("pipeline:opportunity_detail", args=[payment.opportunity_id]),
            changed_at=payment.opportunity.updated_at,
            note=payment.note,
        )


_SOURCES: tuple[Callable[[User, datetime.datetime], Iterator[Entry]], ...] = (
    _tasks,
    _calls,
    _clocks,
    _next_steps,
    _payments,
)


def _of(what: str, lead: Lead | None) -> str:
    return f"{what}: {lead}" if lead else what


# --- As a file -------------------------------------------------------------------------------------------------------


def as_icalendar(user: User, *, has_names: bool, now: datetime.datetime) -> bytes:
    """The feed in the language that is active. The same for the same records, so that nothing new can be told by it."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//LeadFlow//Tasks and dates//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", "LeadFlow")
    calendar.add("refresh-interval", FETCHED_EACH, {"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    host = urlsplit(settings.SITE_URL).hostname or "leadflow"
    for entry in sorted(entries(user, now), key=lambda entry: entry.uid):
        event = icalendar.Event()
        event.add("uid", f"{entry.uid}@{host}")
        event.add("dtstamp", entry.changed_at)
        event.add("last-modified", entry.changed_at)
        event.add("sequence", max(0, int((entry.changed_at - SEQUENCE_BEGINS).total_seconds())))
        due = entry.due
        event.add("dtstart", due.astimezone(datetime.UTC) if isinstance(due, datetime.datetime) else due)
        if isinstance(due, datetime.datetime):
            event.add("duration", LASTS)
        event.add("summary", one_line(entry.title if has_names else entry.nameless))
        if has_names and entry.note:
            event.add("description", _plain(entry.note))
        event.add("url", f"{settings.SITE_URL}{entry.url}")
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    return calendar.to_ical()


def _plain(text: str) -> str:
    """Lines of text without control characters, which no calendar program takes."""
    return "\n".join(one_line(line) for line in text.splitlines())
