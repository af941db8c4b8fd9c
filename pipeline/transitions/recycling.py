"""Asking again: what came of a recycling, and the way back of a lead that was lost or warm for long."""

import datetime
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotYours
from accounts.models import User
from leads.erasures import require_present
from leads.models import Lead, LeadEvent, Partner, Product, Referral, Stage
from pipeline.models import Recycling
from pipeline.stand_ins import marketer_of
from pipeline.transitions.referrals import hand_to_partner
from pipeline.transitions.rules import Kind, TransitionError, lock, move, require, who_and_when

LATEST = datetime.timedelta(days=3 * 366)  # what is planned for later than that is forgotten by everybody
STAGES = {Recycling.Because.LOST: Stage.LOST, Recycling.Because.WARM: Stage.WARM}


@dataclass(frozen=True)
class Passing:
    """To whom a lead is passed, and what of it: as `refer` wants it."""

    partner: Partner
    passed: list[str]
    by_mail: bool = False


def may_answer(recycling: Recycling, by: User | None) -> bool:
    """Marketing, whoever has its task, and who may sell for the opportunity that was lost."""
    if by is None:
        return True
    if not access.may(by, access.ASK_AGAIN):
        return False
    if access.may(by, access.QUALIFY_LEADS) or (recycling.task is not None and recycling.task.assignee_id == by.pk):
        return True
    return recycling.opportunity is not None and access.can_sell_for(by, recycling.opportunity.owner)


@transaction.atomic
def recycle(
    recycling: Recycling,
    *,
    by: User | None,
    at: datetime.datetime,
    note: str = "",
    product: Product | None = None,
    call_at: datetime.datetime | None = None,
) -> Lead:
    """They are interested again: marketing is to call at `call_at` (else now), and to brief and qualify the lead anew.

    `product` becomes what they are interested in, where one is named. Where the lead's owner has left, somebody of
    marketing gets it. The first time is kept on the lead.
    """
    recycling, lead = _lock(recycling, by=by)
    if product is not None and not product.is_active:
        raise TransitionError(_("%(product)s isn't sold any more.") % {"product": product})
    if call_at is not None and not at <= call_at <= at + LATEST:
        raise TransitionError(_("Please choose a day to come, within three years."))
    was = {"product": lead.product_id, "owner": lead.owner_id}
    lead.product = product or lead.product
    lead.owner = marketer_of(lead, preferred=by)
    lead.recycled_at = lead.recycled_at or at
    lead.next_attempt_at = call_at or at
    move(
        lead,
        Stage.CONTACTED,
        Kind.RECYCLED,
        by=by,
        at=at,
        note=note,
        because=recycling.because,
        product=str(product or ""),
        was=was,
    )
    _close(recycling, Recycling.Result.BACK, by=by, at=at, note=note)
    return lead


@transaction.atomic
def postpone(
    recycling: Recycling, until: datetime.datetime, *, by: User | None, at: datetime.datetime, note: str = ""
) -> Recycling:
    """Not now: they are to be asked again at the moment `until`. Returns what is open from now on."""
    recycling, lead = _lock(recycling, by=by)
    if not at < until <= at + LATEST:
        raise TransitionError(_("Please choose a day to come, within three years."))
    _close(recycling, Recycling.Result.LATER, by=by, at=at, note=note)
    follow_up = Recycling.objects.create(
        lead=lead,
        opportunity=recycling.opportunity,
        because=recycling.because,
        reason=recycling.reason,
        how=recycling.how,
        due_at=until,
        opened_at=at,
    )
    LeadEvent.objects.record(lead, Kind.RECYCLING, by=by, at=at, step="later", when=until.isoformat(), note=note)
    return follow_up


@transaction.atomic
def give_up(recycling: Recycling, *, by: User | None, at: datetime.datetime, note: str = "") -> None:
    """No, for good: nobody asks again for this loss, or for this lead as long as it stays warm and silent."""
    recycling, lead = _lock(recycling, by=by)
    _close(recycling, Recycling.Result.NO, by=by, at=at, note=note)
    LeadEvent.objects.record(lead, Kind.RECYCLING, by=by, at=at, step="no", note=note)


@transaction.atomic
def pass_on(
    recycling: Recycling, passing: Passing, *, by: User | None, at: datetime.datetime, note: str = ""
) -> Referral:
    """What they want is a partner's business. Whoever asks again may pass on, sales too."""
    recycling, lead = _lock(recycling, by=by)
    referral = hand_to_partner(
        lead, passing.partner, passed=passing.passed, by=by, at=at, note=note, by_mail=passing.by_mail
    )
    _close(recycling, Recycling.Result.PARTNER, by=by, at=at, note=note)
    return referral


def _lock(seen: Recycling, *, by: User | None) -> tuple[Recycling, Lead]:
    """The recycling and its lead as they are now, still to be answered by `by`."""
    require(by, access.ASK_AGAIN, _("Your role doesn't ask leads again."))
    lead = lock(seen.lead)
    recycling = (
        Recycling.objects.select_for_update(of=("self",))
        .select_related("opportunity__owner", "task", "closed_by", "reason")
        .filter(pk=seen.pk)
        .first()
    )
    if recycling is None:
        raise TransitionError(_("This was taken back meanwhile. %(who)s") % {"who": who_and_when(lead)})
    if not may_answer(recycling, by):
        raise NotYours(_("This is for whoever lost the deal, their manager, marketing or the director to record."))
    if recycling.result:
        raise TransitionError(
            _("This was answered already: %(result)s (%(who)s).")
            % {"result": recycling.get_result_display(), "who": recycling.closed_by or _("the system")}
        )
    require_present(lead.contact)
    if lead.stage != STAGES[Recycling.Because(recycling.because)]:
        raise TransitionError(
            _("The lead is now “%(stage)s”, so nobody has to be asked any more. %(who)s")
            % {"stage": Stage(lead.stage).label, "who": who_and_when(lead)}
        )
    return recycling, lead


def _close(
    recycling: Recycling, result: Recycling.Result, *, by: User | None, at: datetime.datetime, note: str
) -> None:
    recycling.result, recycling.closed_at, recycling.closed_by = result, at, by
    recycling.result_note = note
    recycling.save(update_fields=["result", "closed_at", "closed_by", "result_note"])
    task = recycling.task
    if task is not None and task.done_at is None:
        task.done_at, task.done_by = at, by
        task.save(update_fields=["done_at", "done_by", "updated_at"])


def overtake(recycling: Recycling, *, at: datetime.datetime) -> None:
    """Close what nobody has to ask any more, and its task. The row is locked by the caller."""
    _close(recycling, Recycling.Result.OVERTAKEN, by=None, at=at, note="")


def take_back_answer(lead: Lead, answered: LeadEvent) -> bool:
    """Open again the recycling of a locked lead that the step `answered` closed; False where it closed none.

    The caller saves the lead, and writes its stage. Raises TransitionError where they were asked again since.
    """
    recycling = (
        Recycling.objects.select_for_update(of=("self",))
        .select_related("task")
        .filter(lead=lead, closed_at=answered.at, closed_by=answered.actor_id)
        .first()
    )
    if recycling is None:
        return False
    since = Recycling.objects.filter(lead=lead, pk__gt=recycling.pk)
    if since.exclude(result="", task__isnull=True).exists():
        raise TransitionError(_("They were asked again since, so this can't be undone."))
    since.delete()  # what a “later” had planned
    recycling.result, recycling.closed_at, recycling.closed_by, recycling.result_note = "", None, None, ""
    recycling.save(update_fields=["result", "closed_at", "closed_by", "result_note"])
    task = recycling.task
    if task is not None and task.done_at == answered.at:
        task.done_at = task.done_by = None
        task.save(update_fields=["done_at", "done_by", "updated_at"])
    if answered.kind == Kind.RECYCLED:
        was = answered.data["was"]
        lead.product_id, lead.owner_id = was["product"], was["owner"]
        lead.next_attempt_at = None
        if lead.recycled_at == answered.at:
            lead.recycled_at = None
    return True
