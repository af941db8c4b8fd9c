"""What a day brings to leads that were lost, or warm for long: who is to be asked again, and whose task that is.

Everything follows from rows and `at`. A run may be killed, run twice at once or come days late: each loss gets one
recycling, and each recycling one task. What lies too far back is nobody's work any more: see `NOTICED_WITHIN`.
"""

import datetime

from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Organisation, User
from leads.models import Lead, LeadEvent, Reason, Stage
from pipeline.models import Agreement, Enrolment, Opportunity, Recycling, Task
from pipeline.sla import is_working_day
from pipeline.stand_ins import StandIns
from pipeline.to_do import open_task
from pipeline.transitions.recycling import STAGES, overtake
from pipeline.transitions.rules import TransitionError

BATCH = 100  # rows in one transaction: what a kill loses, and how long a row is locked
# Old history, such as an import of years, is not asked again: only whose day was not longer ago than this.
NOTICED_WITHIN = datetime.timedelta(days=30)
# Such tasks that one person has open at once; whoever is due beyond that waits, the longest due first.
MOST_OPEN = 20
# Who was asked for one lead is not asked for another one so soon.
ASKED_LATELY = datetime.timedelta(days=30)
MORNING = datetime.time(10)
DAY = datetime.timedelta(days=1)


def run(at: datetime.datetime) -> dict[str, int]:
    """All of it; returns how many rows each part dealt with."""
    return {
        "overtaken": _in_batches(_overtake_batch, at),
        "lost": _in_batches(_lost_batch, at),
        "warm": _in_batches(_warm_batch, at),
        "tasks": open_tasks(at),
    }


def _in_batches(batch, at: datetime.datetime) -> int:
    total = 0
    while done := batch(at):
        total += done
    return total


def due_after(start: datetime.datetime, days: int, organisation: Organisation) -> datetime.datetime:
    """The morning on which somebody is to be asked again: of the first working day, `days` days after `start`."""
    day = start.astimezone(organisation.tzinfo).date() + days * DAY
    while not is_working_day(day, organisation.country):
        day += DAY
    return datetime.datetime.combine(day, MORNING, organisation.tzinfo)


# --- What nobody has to ask any more ---------------------------------------------------------------------------------


def overtaken() -> QuerySet[Recycling]:
    """Open ones whose lead has moved on, entered a nurture plan or was lost anew, and whose person can't be asked."""
    moved_on = Q()
    for because, stage in STAGES.items():
        moved_on |= Q(because=because) & ~Q(lead__stage=stage)
    running = Enrolment.objects.running().filter(lead=OuterRef("lead"))
    return Recycling.objects.open().filter(
        moved_on
        | Q(opportunity__lost_at__gt=F("opened_at"))
        | Q(lead__contact__erased_at__isnull=False)
        | Q(lead__contact__do_not_contact=True)
        | Q(Exists(running), because=Recycling.Because.WARM)
    )


@transaction.atomic
def _overtake_batch(at: datetime.datetime) -> int:
    claimed = list(
        overtaken()
        .select_related("lead", "task")
        # The lead first, as every transition does; a row that somebody works on now waits for the next run.
        .select_for_update(skip_locked=True, of=("lead", "self"))
        .order_by("pk")[:BATCH]
    )
    for recycling in claimed:
        overtake(recycling, at=at)
    return len(claimed)


# --- Who is to be asked again ----------------------------------------------------------------------------------------


def _askable(leads: str) -> Q:
    """Rows whose person may be asked; `leads` is the path to the lead, with its underscores."""
    return Q(**{f"{leads}contact__erased_at__isnull": True, f"{leads}contact__do_not_contact": False})


def lost_to_ask(at: datetime.datetime) -> QuerySet[Opportunity]:
    """Lost opportunities that have no recycling yet for this loss, of a reason that allows one."""
    usual = Agreement.objects.in_force(at).recycle_days
    in_time = Q(pk__in=[])
    for pk, days in (
        Reason.objects.filter(kind=Reason.Kind.LOSS)
        .exclude(recycle_how=Reason.Recycle.NEVER)
        .values_list("pk", "recycle_days")
    ):
        in_time |= Q(lost_reason=pk, lost_at__gt=at - NOTICED_WITHIN - (days or usual) * DAY, lost_at__lte=at)
    for_this_loss = Recycling.objects.filter(opportunity=OuterRef("pk"), opened_at__gte=OuterRef("lost_at"))
    newer = Opportunity.objects.filter(lead=OuterRef("lead"), pk__gt=OuterRef("pk"))
    return Opportunity.objects.filter(
        in_time, _askable("lead__"), ~Exists(for_this_loss), ~Exists(newer), stage=Stage.LOST, lead__stage=Stage.LOST
    )


@transaction.atomic
def _lost_batch(at: datetime.datetime) -> int:
    claimed = list(
        lost_to_ask(at)
        .filter(~Exists(Recycling.objects.open().filter(lead=OuterRef("lead"))))
        .select_related("lead", "lost_reason")
        .select_for_update(skip_locked=True, of=("lead", "self"))
        .order_by("pk")[:BATCH]
    )
    usual, organisation = Agreement.objects.in_force(at).recycle_days, Organisation.current()
    opened = []
    for opportunity in claimed:
        reason, lost_at = opportunity.lost_reason, opportunity.lost_at
        assert reason is not None and lost_at is not None  # a constraint says so of what is lost
        opened.append(
            Recycling(
                lead=opportunity.lead,
                opportunity=opportunity,
                because=Recycling.Because.LOST,
                reason=reason,
                how=reason.recycle_how,
                due_at=due_after(lost_at, reason.recycle_days or usual, organisation),
                opened_at=at,
            )
        )
    return _open(opened, at)


def warm_to_ask(at: datetime.datetime) -> QuerySet[Lead]:
    """Warm leads that nobody has contacted for as long as was agreed, that no plan nurtures, and nobody said no for good.

    `quiet_since` is when they were last in touch: their last contact, the end of their last plan, or being asked again.
    """
    until = at - Agreement.objects.in_force(at).recycle_days * DAY
    since = until - NOTICED_WITHIN
    first = Coalesce("warm_at", "registered_at", "created_at")
    plans = Enrolment.objects.filter(lead=OuterRef("pk"))
    asked = Recycling.objects.filter(lead=OuterRef("pk"))
    last_plan = plans.order_by().values("lead").annotate(last=Max("ended_at")).values("last")
    last_asked = asked.order_by().values("lead").annotate(last=Max("closed_at")).values("last")
    quiet_since = Greatest(
        first,
        Coalesce("last_contact_at", first),
        Coalesce(Subquery(last_plan), first),
        Coalesce(Subquery(last_asked), first),
    )
    said_no = asked.filter(
        result=Recycling.Result.NO, closed_at__gte=Coalesce(OuterRef("last_contact_at"), "closed_at")
    )
    # What follows from `quiet_since` and is known without looking up each lead's plans: most warm leads are older.
    in_touch = (
        Q(first__gt=since)
        | Q(last_contact_at__gt=since)
        | Q(pk__in=Enrolment.objects.filter(ended_at__gt=since).order_by().values("lead"))
        | Q(pk__in=Recycling.objects.filter(closed_at__gt=since).order_by().values("lead"))
    )
    return (
        Lead.objects.alias(first=first)
        .filter(_askable(""), in_touch, stage=Stage.WARM, first__lte=until)
        .filter(Q(last_contact_at__isnull=True) | Q(last_contact_at__lte=until))
        .filter(~Exists(plans.running()), ~Exists(asked.open()), ~Exists(said_no))
        .annotate(quiet_since=quiet_since)
        .filter(quiet_since__lte=until, quiet_since__gt=since)
    )


@transaction.atomic
def _warm_batch(at: datetime.datetime) -> int:
    claimed = list(warm_to_ask(at).select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:BATCH])
    organisation = Organisation.current()
    opened = [
        Recycling(
            lead=lead,
            because=Recycling.Because.WARM,
            how=Reason.Recycle.CALL,
            due_at=due_after(at, 0, organisation),
            opened_at=at,
        )
        for lead in claimed
    ]
    return _open(opened, at)


def _open(recyclings: list[Recycling], at: datetime.datetime) -> int:
    """Write them for leads that are locked; returns how many leads were dealt with."""
    leads = [each.lead for each in recyclings]
    # Another run may have committed between our choice of the leads and their locks.
    taken = set(Recycling.objects.open().filter(lead__in=leads).values_list("lead", flat=True))
    recyclings = [each for each in recyclings if each.lead.pk not in taken]
    Recycling.objects.bulk_create(recyclings)
    LeadEvent.objects.bulk_create(
        LeadEvent(
            lead=each.lead,
            kind=LeadEvent.Kind.RECYCLING,
            at=at,
            data={"step": "opened", "when": each.due_at.isoformat()},
        )
        for each in recyclings
    )
    return len(leads)


# --- Whose task it is ------------------------------------------------------------------------------------------------


def open_tasks(at: datetime.datetime) -> int:
    """Give somebody a task for each recycling whose day has come; nobody has more than `MOST_OPEN`."""
    hand_out = _HandOut(at)
    while hand_out.batch():
        pass
    return hand_out.opened


class _HandOut:
    """One handing out of tasks: how many everybody has, and whose leads have to wait."""

    def __init__(self, at: datetime.datetime) -> None:
        self.at, self.opened = at, 0
        self.stand_ins = StandIns()
        mine = Recycling.objects.open().filter(task__done_at__isnull=True, task__isnull=False).order_by()
        self.has = dict(
            mine.values("task__assignee").annotate(number=Count("pk")).values_list("task__assignee", "number")
        )
        # Whose leads wait: owners of opportunities, and of warm leads (None: of nobody).
        self.sellers: set[int] = set()
        self.keepers: set[int | None] = set()

    @property
    def full(self) -> set[int]:
        return {pk for pk, number in self.has.items() if number >= MOST_OPEN}

    @transaction.atomic
    def batch(self) -> int:
        """Deal with up to `BATCH` rows; each gets a task, is closed, or has its owner's rows wait."""
        waits = Q(because=Recycling.Because.LOST, opportunity__owner__in=self.sellers) | Q(
            because=Recycling.Because.WARM, lead__owner__in=self.keepers - {None}
        )
        if None in self.keepers:
            waits |= Q(because=Recycling.Because.WARM, lead__owner__isnull=True)
        due = Recycling.objects.due(self.at).filter(task__isnull=True).exclude(waits)
        claimed = list(
            due.select_related("lead__owner", "lead__contact", "opportunity__owner", "reason")
            .select_for_update(skip_locked=True, of=("lead", "self"))
            .order_by("due_at", "pk")[:BATCH]
        )
        lately = self._asked_lately(claimed)
        for recycling in claimed:
            if recycling.lead.contact_id in lately:
                overtake(recycling, at=self.at)
                continue
            if self._waits(recycling):
                continue
            person = self._person(recycling)
            if person is None:
                self._let_wait(recycling)
            elif self._give(recycling, person):
                lately.add(recycling.lead.contact_id)
        return len(claimed)

    def _asked_lately(self, claimed: list[Recycling]) -> set[int]:
        """Contacts who are being asked, or were asked lately, for another lead."""
        contacts = {recycling.lead.contact_id for recycling in claimed}
        others = Recycling.objects.filter(lead__contact__in=contacts, task__isnull=False).exclude(
            lead__in=[recycling.lead_id for recycling in claimed]
        )
        recent = Q(result="") | Q(closed_at__gte=self.at - ASKED_LATELY) & ~Q(result=Recycling.Result.OVERTAKEN)
        return set(others.filter(recent).values_list("lead__contact", flat=True))

    def _person(self, recycling: Recycling) -> User | None:
        if recycling.opportunity is not None:
            return self.stand_ins.of_opportunity(recycling.opportunity, self.full)
        return self.stand_ins.of_lead(recycling.lead, self.full)

    def _waits(self, recycling: Recycling) -> bool:
        if recycling.opportunity is not None:
            return recycling.opportunity.owner_id in self.sellers
        return recycling.lead.owner_id in self.keepers

    def _let_wait(self, recycling: Recycling) -> None:
        if recycling.opportunity is not None:
            self.sellers.add(recycling.opportunity.owner_id)
        else:
            self.keepers.add(recycling.lead.owner_id)

    def _give(self, recycling: Recycling, person: User) -> bool:
        is_offer = recycling.how == Reason.Recycle.OFFER
        try:
            recycling.task = open_task(
                title=title_of(recycling, person),
                assignee=person,
                due_at=recycling.due_at,
                by=None,
                at=self.at,
                lead=recycling.lead,
                opportunity=recycling.opportunity,
                kind=Task.Kind.OFFER if is_offer else Task.Kind.RECYCLE,
            )
        except TransitionError:  # their role changed a moment ago
            self._let_wait(recycling)
            return False
        recycling.save(update_fields=["task"])
        self.has[person.pk] = self.has.get(person.pk, 0) + 1
        self.opened += 1
        return True


def title_of(recycling: Recycling, reader: User) -> str:
    """What the task says, in the language of who has it. Whose it is, the task's lead says."""
    with translation.override(reader.language):
        if recycling.because == Recycling.Because.WARM:
            return _("Ask again: warm, and nobody has been in touch for long")
        if recycling.how == Reason.Recycle.OFFER:
            return _("Make a special offer: lost for “%(reason)s”") % {"reason": recycling.reason}
        return _("Ask again: lost for “%(reason)s”") % {"reason": recycling.reason}
