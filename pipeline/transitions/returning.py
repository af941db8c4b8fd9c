"""A closed opportunity taken back, and a client who buys again."""

import datetime
import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.erasures import require_present
from leads.models import Contact, LeadEvent, Stage
from leads.models.leads import SELLING
from pipeline.models import Opportunity
from pipeline.models.opportunities import STEPS
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    lock,
    reckon_cold_clock,
    require_seller,
    who_and_when,
)
from pipeline.transitions.selling import lock_deal


@transaction.atomic
def reopen(opportunity: Opportunity, why: str, *, by: User | None, at: datetime.datetime) -> None:
    """Take back that an opportunity was won or lost, however long ago: it goes on from the stage before.

    By its owner, their manager or the director, with a reason. Not while payments or repeat purchases rest on it, nor
    once its lead has moved on.
    """
    opportunity, lead = lock_deal(opportunity, by=by)
    why = why.strip()
    if not why:
        raise TransitionError(_("Please say why it is taken back."))
    if opportunity.is_open:
        raise TransitionError(_("The opportunity is open already. %(who)s") % {"who": who_and_when(lead)})
    if opportunity.payments.valid().exists():
        raise TransitionError(_("Payments are recorded for it: void them first, then take the sale back."))
    if opportunity.repeated_by.exists():
        raise TransitionError(_("The client bought again since, so this sale can't be taken back."))
    is_leading = opportunity.repeats_id is None
    if is_leading and (lead.stage != opportunity.stage or lead.opportunities.current() != opportunity):
        raise TransitionError(
            _("The lead is now “%(stage)s”, so this step isn't possible. %(who)s")
            % {"stage": Stage(lead.stage).label, "who": who_and_when(lead)}
        )
    closed = Stage(opportunity.stage)
    before = stage_before(opportunity)
    closed_at = getattr(opportunity, closed.reached_field)
    opportunity.won_at = opportunity.lost_at = opportunity.lost_reason = None
    opportunity.lost_note = ""
    opportunity.stage, opportunity.stage_at = before, at
    opportunity.save()
    stages = {}
    if is_leading:
        stages = {"from_stage": str(closed), "to_stage": str(before)}
        lead.stage = before
        if getattr(lead, closed.reached_field) == closed_at:
            setattr(lead, closed.reached_field, None)
        reckon_cold_clock(lead)
    lead.save()
    LeadEvent.objects.record(
        lead, Kind.REOPENED, by=by, at=at, **stages, opportunity=opportunity.pk, what=str(closed), note=why
    )


def stage_before(opportunity: Opportunity) -> Stage:
    """From where it was won or lost: as the log says, else, of an imported deal, the furthest stage that is dated."""
    kind = Kind.WON if opportunity.stage == Stage.WON else Kind.LOST
    events = opportunity.lead.events.filter(kind=kind).order_by("-id")
    event = events.filter(data__opportunity=opportunity.pk).first()
    if event is None and opportunity.repeats_id is None:
        event = events.exclude(to_stage="").first()
    said = (event.from_stage or event.data.get("before", "")) if event else ""
    if said in SELLING:
        return Stage(said)
    reached = [step for step in STEPS if getattr(opportunity, step.reached_field) is not None]
    return reached[-1] if reached else Stage.ACCEPTED


def first_purchase(contact: Contact) -> Opportunity | None:
    """What made the contact a client; None of who never bought."""
    won = Opportunity.objects.won().filter(lead__contact=contact)
    return won.select_related("lead", "owner").order_by("won_at", "pk").first()


@transaction.atomic
def buy_again(
    contact: Contact, *, by: User | None, at: datetime.datetime, submission_key: uuid.UUID | None = None
) -> Opportunity:
    """A client wants to buy again: a new opportunity on the lead of their first purchase, with its attribution.

    It belongs to who looks after the client: the owner of their latest purchase; when they don't sell any more, to who
    opens it. A repeated `submission_key` returns the one opened before. Refused for who never bought, and for a person
    whose data was erased.
    """
    first = first_purchase(contact)
    if first is None:
        raise TransitionError(_("Only a client buys again: nothing was won with this person yet."))
    lead = lock(first.lead)
    require_present(lead.contact)
    events = lead.events.filter(kind=LeadEvent.Kind.REPEAT)
    if submission_key and (done := events.filter(data__submission_key=str(submission_key)).first()):
        if opened := Opportunity.objects.filter(pk=done.data.get("opportunity")).first():
            return opened
    won = Opportunity.objects.won().filter(lead__contact=contact)
    first = won.order_by("won_at", "pk").first()  # as it is now, under the lock
    latest = won.select_related("owner", "product").order_by("-won_at", "-pk").first()
    if first is None or latest is None or first.lead_id != lead.pk or lead.stage != Stage.WON:
        raise TransitionError(_("Only a client buys again. %(who)s") % {"who": who_and_when(lead)})
    require_seller(by, latest.owner)
    owner = latest.owner
    if by is not None and not access.may(owner, access.SELL):
        owner = by
    opportunity = Opportunity.objects.create(
        lead=lead,
        owner=owner,
        product=latest.product,
        currency=latest.currency,
        repeats=first,
        opened_at=at,
        stage_at=at,
    )
    key = str(submission_key) if submission_key else None
    LeadEvent.objects.record(lead, Kind.REPEAT, by=by, at=at, opportunity=opportunity.pk, submission_key=key)
    lead.save(update_fields=["updated_at"])
    return opportunity
