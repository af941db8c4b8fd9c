"""What a minute brings: clocks that come due, go overdue or must be escalated, leads that go cold or that nobody called,
and rounds of approval.

Everything follows from rows and `at`: whoever was not told yet of a level that has begun is told now, and the row keeps
that. So a sweep may be killed, run twice at once or come days late; each person hears of each level once.
"""

import datetime
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from accounts import access
from accounts.models import Organisation, Role, User
from leads.models import Lead, LeadEvent
from leads.models.leads import SELLING, UNCONTACTED
from pipeline import response, to_do
from pipeline.approvals import ask_batch, end_batch
from pipeline.models import Absence, Agreement, Handoff, Notification, Opportunity, PlannedPayment, Task
from pipeline.notify import notify
from pipeline.sla import Clock
from pipeline.transitions.clocks import note_end

BATCH = 100  # rows in one transaction: what a kill loses, and how long a row is locked
Alert = Handoff.Alert
# Of what went overdue longer ago, nobody is told any more: it came with older records.
NOTICED_WITHIN = datetime.timedelta(days=60)


def sweep(at: datetime.datetime) -> dict[str, int]:
    """Tell everybody concerned what has come due by `at`, once; returns how many rows were dealt with, by kind."""
    told = {}
    told["pauses"] = _in_batches(_ended_pauses_batch, at)
    for clock in Clock:
        told[str(clock)] = _in_batches(_alert_batch, clock, at)
    told["cold"] = _in_batches(_cold_batch, at)
    _in_batches(_give_deadlines, at)
    told["untouched"] = _in_batches(_untouched_batch, at)
    told["tasks"] = _in_batches(_task_batch, at)
    told["payments"] = _in_batches(_payment_batch, at)
    told["asked"] = _in_batches(ask_batch, at)
    told["voted"] = _in_batches(end_batch, at)
    return told


def _in_batches(batch, *args) -> int:
    total = 0
    while done := batch(*args):
        total += done
    return total


@transaction.atomic
def _alert_batch(clock: Clock, at: datetime.datetime) -> int:
    """Claim up to `BATCH` handoffs that nobody else holds and tell of their `clock`, in one transaction."""
    claimed = list(
        Handoff.objects.to_alert(clock, at)
        .select_related("lead__contact__company", "assigned_to", "agreement")
        # The lead first, as every transition does; a row that somebody works on now waits for the next sweep.
        .select_for_update(skip_locked=True, of=("lead", "self"))
        .order_by("pk")[:BATCH]
    )
    bosses = _Bosses([handoff.assigned_to for handoff in claimed], at)
    for handoff in claimed:
        before = Alert(getattr(handoff, f"{clock}_alert"))
        level = handoff.alert_level(clock, at)
        Handoff.objects.filter(pk=handoff.pk).update(**{f"{clock}_alert": level})
        # After an outage several levels have begun: each is recorded, the mail goes out for the highest alone.
        begun = [Alert.REMINDED] if level == Alert.REMINDED else range(max(before + 1, Alert.OVERDUE), level + 1)
        for each in begun:
            _tell(handoff, clock, Alert(each), bosses, at=at, by_mail=each == level)
    return len(claimed)


def _tell(
    handoff: Handoff, clock: Clock, level: Alert, bosses: "_Bosses", *, at: datetime.datetime, by_mail: bool
) -> None:
    rep = handoff.assigned_to
    event, notification = {
        Alert.REMINDED: (LeadEvent.Kind.REMINDED, Notification.Kind.DUE_SOON),
        Alert.OVERDUE: (LeadEvent.Kind.OVERDUE, Notification.Kind.OVERDUE),
        Alert.MANAGER: (LeadEvent.Kind.ESCALATED, Notification.Kind.ESCALATED),
        Alert.DIRECTOR: (LeadEvent.Kind.ESCALATED, Notification.Kind.ESCALATED),
    }[level]
    if level == Alert.DIRECTOR:
        recipients = bosses.directors
    elif level == Alert.MANAGER or not rep.is_active:
        recipients = bosses.managers_of(rep)
    else:
        recipients = [rep]
    recipients = bosses.with_deputies(recipients)
    due_at = getattr(handoff, f"{clock}_due_at").isoformat()
    facts = {"clock": str(clock), "due_at": due_at, "rep": str(rep)}
    LeadEvent.objects.record(
        handoff.lead, event, by=None, at=at, handoff=handoff.pk, told=[str(user) for user in recipients], **facts
    )
    notify(notification, recipients, handoff.lead, at=at, by_mail=by_mail, **facts)


@transaction.atomic
def _ended_pauses_batch(at: datetime.datetime) -> int:
    """Claim up to `BATCH` handoffs whose pause is over, and tell their rep that the clocks go on."""
    claimed = list(
        Handoff.objects.pending()
        .filter(paused_until__lte=at)
        .select_related("lead__contact__company", "assigned_to")
        .select_for_update(skip_locked=True, of=("lead", "self"))
        .order_by("pk")[:BATCH]
    )
    bosses = _Bosses([handoff.assigned_to for handoff in claimed], at)
    for handoff in claimed:
        note_end(handoff, handoff.lead)
        clock = Clock.VERDICT if handoff.first_contact_at else Clock.FIRST_CONTACT
        due_at = getattr(handoff, f"{clock}_due_at").isoformat()
        recipients = bosses.with_deputies([handoff.assigned_to])
        notify(Notification.Kind.PAUSE_ENDED, recipients, handoff.lead, at=at, clock=str(clock), due_at=due_at)
    return len(claimed)


@transaction.atomic
def _cold_batch(at: datetime.datetime) -> int:
    """Claim up to `BATCH` leads that nobody contacted for longer than agreed, and tell their rep.

    Where the agreement says so, one that still waits for its verdict goes back to the pool, and the manager hears, too.
    """
    claimed = list(
        Lead.objects.cold(at)
        .filter(cold_flagged_at__isnull=True)
        .select_related("contact__company")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")[:BATCH]
    )
    reps = _reps_of(claimed)
    bosses = _Bosses(reps.values(), at)
    # Whoever changes a handoff holds its lead first, so nobody can come in between.
    pooled = Handoff.objects.pending().filter(lead__in=claimed, agreement__cold_to_pool=True, pooled_at__isnull=True)
    to_pool = dict(pooled.values_list("lead", "pk"))
    Handoff.objects.filter(pk__in=to_pool.values()).update(pooled_at=at, updated_at=at)
    Lead.objects.filter(pk__in=[lead.pk for lead in claimed]).update(cold_flagged_at=at)
    for lead in claimed:
        LeadEvent.objects.record(lead, LeadEvent.Kind.COLD, by=None, at=at, rep=str(reps.get(lead.pk, "")))
        if lead.pk not in to_pool:
            notify(Notification.Kind.COLD, [reps.get(lead.pk)], lead, at=at)
            continue
        rep = reps[lead.pk]
        recipients = bosses.with_deputies([rep, *bosses.managers_of(rep)])
        told = [str(user) for user in recipients]
        LeadEvent.objects.record(lead, LeadEvent.Kind.POOLED, by=None, at=at, rep=str(rep), told=told)
        notify(Notification.Kind.POOLED, recipients, lead, at=at, rep=str(rep))
    return len(claimed)


@transaction.atomic
def _give_deadlines(at: datetime.datetime) -> int:
    """Write when the first contact of up to `BATCH` new leads is due. Reckoned from what stands in the row alone."""
    leads = list(
        Lead.objects.filter(
            stage__in=UNCONTACTED,
            registered_at__gte=at - response.RECENT,
            contacted_at__isnull=True,
            response_due_at__isnull=True,
        )
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")[:BATCH]
    )
    if leads:
        agreements, organisation = list(Agreement.objects.order_by("-in_force_at", "-version")), Organisation.current()
        for lead in leads:
            lead.response_due_at = response.due_at(lead, agreements=agreements, organisation=organisation)
        Lead.objects.bulk_update(leads, ["response_due_at"])
    return len(leads)


@transaction.atomic
def _untouched_batch(at: datetime.datetime) -> int:
    """Claim up to `BATCH` leads that nobody contacted in time, and tell their owner.

    Where nobody of marketing owns the lead, everybody who could call is told, in the app alone: a mail to each of them
    for each lead would be a flood.
    """
    claimed = list(
        Lead.objects.untouched(at)
        .filter(response_flagged_at__isnull=True)
        .select_related("contact__company", "owner")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")[:BATCH]
    )
    Lead.objects.filter(pk__in=[lead.pk for lead in claimed]).update(response_flagged_at=at)
    callers = list(User.objects.active().filter(role__in=access.MARKETING)) if claimed else []
    for lead in claimed:
        is_owned = lead.owner is not None and access.may(lead.owner, access.CALL_LEADS)
        recipients = [lead.owner] if is_owned else callers
        due_at = lead.response_due_at.isoformat()
        told = [str(user) for user in recipients]
        LeadEvent.objects.record(lead, LeadEvent.Kind.UNTOUCHED, by=None, at=at, told=told, due_at=due_at)
        notify(Notification.Kind.UNTOUCHED, recipients, lead, at=at, by_mail=is_owned, due_at=due_at)
    return len(claimed)


@transaction.atomic
def _task_batch(at: datetime.datetime) -> int:
    """Claim up to `BATCH` tasks that have come due, and tell who has them."""
    claimed = list(
        Task.objects.to_tell(at)
        .select_related("assignee", "lead__contact__company")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("due_at", "pk")[:BATCH]
    )
    Task.objects.filter(pk__in=[task.pk for task in claimed]).update(told_at=at)
    bosses = _Bosses([task.assignee for task in claimed], at)
    for task in claimed:
        to_do.tell(Notification.Kind.TASK_DUE, task, to=bosses.with_deputies([task.assignee]), at=at)
    return len(claimed)


@transaction.atomic
def _payment_batch(at: datetime.datetime) -> int:
    """Claim up to `BATCH` instalments that went overdue, and tell the owner of each opportunity, once."""
    zone = Organisation.current().tzinfo
    today = at.astimezone(zone).date()
    overdue = PlannedPayment.objects.overdue(today).filter(due_on__gt=today - NOTICED_WITHIN, told_at__isnull=True)
    claimed: list[Any] = list(
        overdue.for_list().select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:BATCH]
    )
    PlannedPayment.objects.filter(pk__in=[planned.pk for planned in claimed]).update(told_at=at)
    for planned in claimed:
        deal = planned.opportunity
        due_at = datetime.datetime.combine(planned.due_on, datetime.time(), zone).isoformat()
        left = planned.amount - planned.paid
        notify(Notification.Kind.PAYMENT_OVERDUE, [deal.owner], deal.lead, at=at, amount=str(left), due_at=due_at)
    return len(claimed)


def _reps_of(leads: Iterable[Lead]) -> dict[int, User]:
    """Who in sales has each lead: the rep of its pending handoff, or the owner of its open opportunity."""
    reps = {}
    for handoff in Handoff.objects.pending().filter(lead__in=leads).select_related("assigned_to"):
        reps[handoff.lead_id] = handoff.assigned_to
    for opportunity in Opportunity.objects.filter(lead__in=leads, stage__in=SELLING).select_related("owner"):
        reps.setdefault(opportunity.lead_id, opportunity.owner)
    return reps


class _Bosses:
    """The managers and directors of one batch, and who stands in for whom, fetched once.

    Who has no manager is their directors' concern.
    """

    def __init__(self, reps: Iterable[User], at: datetime.datetime) -> None:
        self.directors: list[User] = []
        self._managers: dict[int, list[User]] = {}
        self._deputies: dict[int, list[User]] = {}
        if not list(reps):
            return
        today = at.astimezone(Organisation.current().tzinfo).date()
        away = Absence.objects.filter(starts_on__lte=today, ends_on__gte=today, deputy__is_active=True)
        for absence in away.select_related("deputy").order_by("pk"):
            assert absence.deputy is not None
            self._deputies.setdefault(absence.user_id, []).append(absence.deputy)
        for user in User.objects.active().filter(role__in=[Role.SALES_MANAGER, Role.DIRECTOR]):
            if user.role == Role.DIRECTOR:
                self.directors.append(user)
            elif user.team_id is not None:
                self._managers.setdefault(user.team_id, []).append(user)

    def managers_of(self, rep: User) -> list[User]:
        others = [manager for manager in self._managers.get(rep.team_id or 0, []) if manager.pk != rep.pk]
        return others or self.directors

    def with_deputies(self, people: Iterable[User]) -> list[User]:
        """These people, and for each who is away today the deputy, too."""
        told = {user.pk: user for person in people for user in [person, *self._deputies.get(person.pk, [])]}
        return list(told.values())
