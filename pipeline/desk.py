"""Who to call next, and when to try again: the qualification desk, and the calls that sales agreed on."""

import dataclasses
import datetime
from collections.abc import Collection, Iterable

from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from accounts.models import Organisation, User
from leads.criteria import judge_known
from leads.known import of_leads
from leads.models import Lead, Stage
from leads.models.leads import SELLING, WITH_MARKETING, WITH_SALES, LeadQuerySet
from leads.questionnaires import sets_in_force
from pipeline.models import Activity, Handoff, Opportunity
from pipeline.sla import after_working_hours, is_office_time, is_working_day, office_hours

# For so long after a call its lead is somebody's: the next caller is shown who and when, and is sent to other leads.
JUST_CALLED = datetime.timedelta(minutes=10)
MORNING = datetime.time(10)


class Queue(models.TextChoices):
    """Who waits for a call, in the order in which the desk goes through them. What is planned for later comes last."""

    NEW = "new", _("New, not contacted yet")
    DUE = "due", _("Agreed calls that are due")
    READY = "ready", _("Ready to qualify")
    OPEN = "open", _("Contacted, nothing planned")
    LATER = "later", _("Planned for later")

    @property
    def order(self) -> tuple[str, str]:
        """Speed matters with new leads, so the newest come first; of agreed calls the earliest."""
        planned = self in (Queue.DUE, Queue.LATER)
        return ("next_attempt_at", "pk") if planned else ("-registered_at", "-pk")

    def of(self, leads: LeadQuerySet, now: datetime.datetime, ready: Collection[int] = ()) -> LeadQuerySet:
        """Those of `leads` that are in this queue; a lead is in one queue at most, and nobody who must not be called.

        `ready` are those found by `ready_to_qualify`, which need no call; where that isn't asked, they count as open.
        """
        leads = leads.filter(contact__do_not_contact=False)
        match self:
            case Queue.NEW:
                return leads.filter(stage=Stage.NEW, next_attempt_at__isnull=True)
            case Queue.READY | Queue.OPEN:
                leads = leads.filter(stage__in=[Stage.CONTACTED, Stage.BRIEFED], next_attempt_at__isnull=True)
                return leads.filter(pk__in=ready) if self is Queue.READY else leads.exclude(pk__in=ready)
            case Queue.DUE:
                return leads.filter(stage__in=WITH_MARKETING, next_attempt_at__lte=now)
        return leads.filter(stage__in=WITH_MARKETING, next_attempt_at__gt=now)


MOST_JUDGED = 200  # of the open ones the newest: what comes before them is seen first anyway


def ready_to_qualify(leads: LeadQuerySet, now: datetime.datetime) -> list[int]:
    """Which of the open ones meet the criteria in force already: there is nothing to ask them, only to qualify them.

    The same few queries for any number.
    """
    waiting = list(Queue.OPEN.of(leads, now).for_list().order_by(*_ordered(Queue.OPEN))[:MOST_JUDGED])
    if not waiting:
        return []
    sets, known = sets_in_force(now), of_leads(waiting)
    agreed = [(lead.pk, sets.get(lead.product_id) or sets.get(None)) for lead in waiting]
    return [pk for pk, criteria in agreed if criteria is not None and judge_known(criteria, known[pk]).is_met]


TO_CALL = [Queue.NEW, Queue.DUE, Queue.OPEN]


def queue_of(lead: Lead, now: datetime.datetime) -> Queue | None:
    """The queue that this lead waits in."""
    if lead.contact.do_not_contact:
        return None
    if lead.next_attempt_at is not None and lead.stage in WITH_MARKETING:
        return Queue.DUE if lead.next_attempt_at <= now else Queue.LATER
    if lead.next_attempt_at is None and lead.stage == Stage.NEW:
        return Queue.NEW
    if lead.next_attempt_at is None and lead.stage in (Stage.CONTACTED, Stage.BRIEFED):
        return Queue.OPEN
    return None


def next_lead(
    leads: LeadQuerySet, now: datetime.datetime, *, besides: Lead | None = None, after: Lead | None = None
) -> Lead | None:
    """Who to call next: the first of the first queue that has somebody whom nobody has just called.

    `besides` is left out. `after` is skipped with all that come before it, so that skipping goes through everybody once.
    """
    just_called = Activity.objects.filter(lead=OuterRef("pk"), at__gt=now - JUST_CALLED)
    passed = queue_of(after, now) if after else None
    queues = TO_CALL[TO_CALL.index(passed) :] if passed in TO_CALL else TO_CALL
    for queue in queues:
        ready = ready_to_qualify(leads, now) if queue is Queue.OPEN else ()
        waiting = queue.of(leads, now, ready).exclude(pk__in=[each.pk for each in (besides, after) if each])
        if queue == passed and after is not None:
            waiting = waiting.filter(_behind(queue, after))
        found = waiting.exclude(Exists(just_called)).order_by(*_ordered(queue)).first()
        if found is not None:
            return found
    return None


def _ordered(queue: Queue) -> list[models.expressions.OrderBy | str]:
    name, key = queue.order
    return [models.F(name[1:]).desc(nulls_last=True), key] if name.startswith("-") else [name, key]


def _behind(queue: Queue, lead: Lead) -> Q:
    """Later in the queue than `lead`."""
    if queue is Queue.DUE:
        return Q(next_attempt_at__gt=lead.next_attempt_at) | Q(next_attempt_at=lead.next_attempt_at, pk__gt=lead.pk)
    if lead.registered_at is None:
        return Q(registered_at__isnull=True, pk__lt=lead.pk)
    later = Q(registered_at__lt=lead.registered_at) | Q(registered_at__isnull=True)
    return later | Q(registered_at=lead.registered_at, pk__lt=lead.pk)


def just_called(leads: Iterable[Lead], now: datetime.datetime) -> dict[int, Activity]:
    """The last activity of each of these leads that somebody has called in the last minutes. One query."""
    recent = Activity.objects.filter(lead__in=list(leads), at__gt=now - JUST_CALLED, at__lte=now)
    return {activity.lead_id: activity for activity in recent.select_related("by").order_by("at", "pk")}


def attempts(leads: Iterable[Lead]) -> dict[int, int]:
    """How often somebody tried in vain to reach each of these leads. One query."""
    missed = Activity.objects.filter(lead__in=list(leads)).exclude(outcome__in=Activity.CONTACT_OUTCOMES)
    return dict(missed.order_by().values_list("lead").annotate(n=Count("pk")))


def last_activities(lead_ids: Iterable[int]) -> dict[int, Activity]:
    """What was last recorded about each of these leads, by the lead's id. One query."""
    newest = Activity.objects.filter(lead=OuterRef("lead")).order_by("-at", "-pk").values("pk")[:1]
    found = Activity.objects.filter(lead__in=list(lead_ids), pk=Subquery(newest)).select_related("by")
    return {activity.lead_id: activity for activity in found}


def agreed_with_sales(leads: LeadQuerySet, seller: User, until: datetime.datetime) -> LeadQuerySet:
    """Those of `leads` whom `seller` has agreed to call before `until`: handed over to them, or in their selling. What
    marketing had agreed on when it handed the lead over is kept, too. The earliest first.
    """
    handed_over = Handoff.objects.pending().filter(lead=OuterRef("pk"), assigned_to=seller)
    selling = Opportunity.objects.filter(lead=OuterRef("pk"), owner=seller, stage__in=SELLING)
    agreed = leads.filter(stage__in=WITH_SALES, next_attempt_at__lt=until, contact__do_not_contact=False)
    return agreed.filter(Exists(handed_over) | Exists(selling)).order_by("next_attempt_at", "pk")


# --- When to try again -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Moment:
    """A moment that is offered for the next call."""

    label: str | Promise
    at: datetime.datetime

    @property
    def value(self) -> str:
        return self.at.astimezone(datetime.UTC).isoformat(timespec="minutes")


def call_back_times(now: datetime.datetime, organisation: Organisation) -> list[Moment]:
    """What is offered when the client asks to be called later: in two hours, the next two working mornings, Monday.

    Mornings are those of the reader's time zone; nothing outside the office hours is offered.
    """
    in_two_hours = (now + datetime.timedelta(hours=2)).replace(second=0, microsecond=0)
    offered = [Moment(_("In 2 hours"), in_two_hours)] if is_office_time(in_two_hours, organisation) else []
    today = timezone.localdate(now)
    mornings = []
    for days in range(1, 8):  # a weekday's name means one day only
        day = today + datetime.timedelta(days=days)
        morning = datetime.datetime.combine(day, MORNING, timezone.get_current_timezone())
        if is_office_time(morning, organisation):
            mornings.append(morning)
    mondays = [morning for morning in mornings[2:] if morning.weekday() == 0]
    offered += [Moment(_named(morning, today), morning) for morning in mornings[:2] + mondays]
    if not offered:
        soon = after_working_hours(now, 1, organisation)
        offered.append(Moment(_named(timezone.localtime(soon), today), soon))
    return offered


def retry_at(now: datetime.datetime, organisation: Organisation) -> Moment:
    """When to try again somebody who didn't answer: on the next working day, at the other time of day."""
    day = now.astimezone(organisation.tzinfo).date()
    today = office_hours(day, organisation)
    was_early = today is not None and now < today[0] + (today[1] - today[0]) / 2
    day += datetime.timedelta(days=1)
    while not is_working_day(day, organisation.country):
        day += datetime.timedelta(days=1)
    opens, closes = office_hours(day, organisation) or (now, now)
    at = opens + (closes - opens) * (2 / 3 if was_early else 1 / 9)
    at = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
    return Moment(_named(timezone.localtime(at), timezone.localdate(now)), at)


def _named(at: datetime.datetime, today: datetime.date) -> str:
    """“Tomorrow, 10:00” or “Monday, 10:00”."""
    time = date_format(at, "TIME_FORMAT")
    if at.date() == today:
        return pgettext("next call", "Today, %(time)s") % {"time": time}
    if at.date() == today + datetime.timedelta(days=1):
        return pgettext("next call", "Tomorrow, %(time)s") % {"time": time}
    return pgettext("next call", "%(weekday)s, %(time)s") % {"weekday": date_format(at, "l"), "time": time}
