"""The rules that all steps share: from where each stage may be reached, who may, locking, and the one write of a stage."""

import datetime
from typing import Any, TypeVar

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed, NotYours
from accounts.models import Role, User
from leads.models import Lead, LeadEvent, Reason, Stage
from leads.models.leads import SELLING, WITH_MARKETING
from pipeline.models import Agreement

Kind = LeadEvent.Kind
Row = TypeVar("Row")


class TransitionError(Exception):
    """The step can't be taken from where the lead stands now; the text says why, and who changed it where that is known."""


# From which stages each stage may be reached. Removal and restoring are apart: see REMOVABLE.
MOVES: dict[Stage, set[Stage]] = {
    Stage.CONTACTED: {Stage.NEW},
    Stage.BRIEFED: {Stage.NEW, Stage.CONTACTED, Stage.WARM, Stage.RETURNED},
    Stage.WARM: {Stage.NEW, Stage.CONTACTED, Stage.BRIEFED, Stage.QUALIFIED, Stage.RETURNED, Stage.REFERRED},
    Stage.QUALIFIED: {Stage.NEW, Stage.CONTACTED, Stage.BRIEFED, Stage.WARM, Stage.RETURNED, Stage.REFERRED},
    Stage.REFERRED: {Stage.NEW, Stage.CONTACTED, Stage.BRIEFED, Stage.WARM, Stage.QUALIFIED, Stage.RETURNED},
    Stage.HANDED_OVER: {Stage.QUALIFIED},
    Stage.IN_WORK: {Stage.HANDED_OVER},
    Stage.RETURNED: {Stage.HANDED_OVER, Stage.IN_WORK},
    Stage.ACCEPTED: {Stage.IN_WORK, Stage.DEMO, Stage.PROPOSAL, Stage.CONTRACT},
    Stage.DEMO: {Stage.ACCEPTED, Stage.PROPOSAL, Stage.CONTRACT},
    Stage.PROPOSAL: {Stage.ACCEPTED, Stage.DEMO, Stage.CONTRACT},
    Stage.CONTRACT: {Stage.ACCEPTED, Stage.DEMO, Stage.PROPOSAL},
    Stage.WON: set(SELLING),
    Stage.LOST: set(SELLING),
}

# Marketing removes what is in its own hands; what sales has, sales returns first.
REMOVABLE = set(WITH_MARKETING)


def require(by: User | None, allowed: set[Role], otherwise: str) -> None:
    if not access.may(by, allowed):
        raise NotAllowed(otherwise)


def require_seller(by: User | None, rep: User) -> None:
    require(by, access.SELL, _("Only sales does that."))
    if not access.can_sell_for(by, rep):
        raise NotYours(
            _("This belongs to %(rep)s. Only they, their manager or the director may do that.") % {"rep": rep}
        )


def require_reason(reason: Reason | None, kind: Reason.Kind) -> Reason:
    if reason is None or reason.kind != kind:
        raise TransitionError(_("Please choose a reason."))
    return reason


def named(by: User | None) -> dict[str, Any]:
    """Who did it, for the words of a notification; nothing when the system did."""
    return {"actor": str(by)} if by else {}


def lock(lead: Lead) -> Lead:
    """The lead as it is now, nobody else's to change until the transaction ends."""
    return Lead.objects.select_for_update(of=("self",)).select_related("contact", "owner").get(pk=lead.pk)


def still_there(row: Row | None, lead: Lead) -> Row:
    """What was locked. An undo takes away the handoff or opportunity that its step made, perhaps a moment ago."""
    if row is None:
        raise TransitionError(_("This step was undone meanwhile. %(who)s") % {"who": who_and_when(lead)})
    return row


def exactly(moment: datetime.datetime) -> str:
    """A moment in the reader's time zone and language."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def who_and_when(lead: Lead) -> str:
    """“Sam did that (3 March, 14:05).” for the last change of stage."""
    event = lead.events.exclude(to_stage="").select_related("actor").order_by("-id").first()
    if event is None:
        return ""
    who = str(event.actor) if event.actor else _("the system")
    return _("%(who)s did that (%(when)s).") % {"who": who, "when": exactly(event.at)}


def move(
    lead: Lead, to: Stage, kind: LeadEvent.Kind, *, by: User | None, at: datetime.datetime, **data: object
) -> None:
    """Write the stage of a locked lead: the only place where that happens on the road forward."""
    if lead.stage not in MOVES[to]:
        raise TransitionError(
            _("The lead is now “%(stage)s”, so this step isn't possible. %(who)s")
            % {"stage": Stage(lead.stage).label, "who": who_and_when(lead)}
        )
    from_stage, lead.stage = lead.stage, to
    if getattr(lead, to.reached_field) is None:
        setattr(lead, to.reached_field, at)
    lead.save()
    LeadEvent.objects.record(lead, kind, by=by, at=at, from_stage=from_stage, to_stage=to, **data)


def restart_cold_clock(lead: Lead, agreement: Agreement, at: datetime.datetime) -> None:
    lead.cold_at = at + datetime.timedelta(days=agreement.cold_days)
    lead.cold_flagged_at = None
