"""The rules that all steps share: from where each stage may be reached, who may, locking, and the one write of a stage."""

import datetime
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import IntegrityError
from django.db.models import Max, Model, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed, NotYours
from accounts.models import Role, User
from leads.models import Lead, LeadEvent, Reason, Stage
from leads.models.leads import SELLING, WITH_MARKETING, WITH_SALES
from pipeline.models import Agreement, Handoff
from pipeline.transitions.answers import answer_by_step

Kind = LeadEvent.Kind
Row = TypeVar("Row")
Made = TypeVar("Made", bound=Model)


class TransitionError(Exception):
    """The step can't be taken from where the lead stands now; the text says why, and who changed it where that is known."""


# From which stages each stage may be reached. Removal and restoring are apart: see REMOVABLE.
MOVES: dict[Stage, set[Stage]] = {
    Stage.CONTACTED: {Stage.NEW, Stage.RETURNED, Stage.WARM, Stage.LOST},  # back from the last two by `recycle` alone
    Stage.BRIEFED: {Stage.NEW, Stage.CONTACTED, Stage.WARM, Stage.RETURNED},
    Stage.WARM: {Stage.NEW, Stage.CONTACTED, Stage.BRIEFED, Stage.QUALIFIED, Stage.RETURNED, Stage.REFERRED},
    Stage.QUALIFIED: {Stage.NEW, Stage.CONTACTED, Stage.BRIEFED, Stage.WARM, Stage.RETURNED, Stage.REFERRED},
    Stage.REFERRED: {
        Stage.NEW,
        Stage.CONTACTED,
        Stage.BRIEFED,
        Stage.WARM,
        Stage.QUALIFIED,
        Stage.RETURNED,
        Stage.LOST,
    },
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

# By these steps alone, beside MOVES: a dispute that sales lost sends the lead to sales once more.
_ONLY_BY: dict[LeadEvent.Kind, dict[Stage, set[Stage]]] = {Kind.DISPUTE_DECIDED: {Stage.HANDED_OVER: {Stage.RETURNED}}}

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


def lock_all(leads: Iterable[Lead]) -> list[Lead]:
    """As `lock`, of many: always in the order of their ids, so that two people's batches don't wait for each other."""
    held = Lead.objects.select_for_update(of=("self",)).select_related("contact__company", "campaign", "owner")
    return list(held.filter(pk__in=[lead.pk for lead in leads]).order_by("pk"))


def still_there(row: Row | None, lead: Lead) -> Row:
    """What was locked. An undo takes away the handoff or opportunity that its step made, perhaps a moment ago."""
    if row is None:
        raise TransitionError(_("This step was undone meanwhile. %(who)s") % {"who": who_and_when(lead)})
    return row


def lock_pending(seen: Handoff) -> tuple[Handoff, Lead]:
    """A handoff that waits for its verdict, and its lead, nobody else's to change until the transaction ends.

    Raises TransitionError, with who was faster and when, where it is decided already.
    """
    lead = lock(seen.lead)
    handoffs = Handoff.objects.select_for_update(of=("self",)).select_related(
        "assigned_to", "decided_by", "agreement", "handed_over_by"
    )
    handoff = still_there(handoffs.filter(pk=seen.pk).first(), lead)
    if not handoff.is_pending:
        who = str(handoff.decided_by) if handoff.decided_by else _("the system")
        when = exactly(handoff.decided_at or handoff.updated_at)
        text = (
            _("%(who)s already accepted this lead (%(when)s).")
            if handoff.verdict == Handoff.Verdict.ACCEPTED
            else _("%(who)s already rejected this lead (%(when)s).")
        )
        raise TransitionError(text % {"who": who, "when": when})
    return handoff, lead


def made_before(rows: QuerySet[Made], key: uuid.UUID | None, **about: object) -> Made | None:
    """What the form with this key made already; refused where that was `about` something else."""
    made = rows.filter(submission_key=key).first() if key else None
    if made is not None and any(getattr(made, name) != value for name, value in about.items()):
        raise TransitionError(_key_taken())
    return made


@contextmanager
def made_once() -> Iterator[None]:
    """Around the write, in a transaction: one key sent for two things at once is `made_before` to neither of them."""
    try:
        yield
    except IntegrityError as refused:
        if "submission_key" not in str(refused):
            raise
        raise TransitionError(_key_taken()) from refused


def _key_taken() -> str:
    return _("This form was sent for something else already. Please reload the page.")


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


def require_way(lead: Lead, to: Stage, kind: LeadEvent.Kind | None = None) -> None:
    """Raise TransitionError where there is no way, or none by a step of `kind`, from where the lead stands to `to`."""
    if lead.stage not in MOVES[to] | (_ONLY_BY.get(kind, {}).get(to, set()) if kind else set()):
        raise TransitionError(
            _("The lead is now “%(stage)s”, so this step isn't possible. %(who)s")
            % {"stage": Stage(lead.stage).label, "who": who_and_when(lead)}
        )


def move(
    lead: Lead, to: Stage, kind: LeadEvent.Kind, *, by: User | None, at: datetime.datetime, **data: object
) -> None:
    """Write the stage of a locked lead: the only place where that happens on the road forward."""
    require_way(lead, to, kind)
    if lead.stage == Stage.RETURNED:
        answer_by_step(lead, to, by=by, at=at)
    from_stage, lead.stage = lead.stage, to
    if getattr(lead, to.reached_field) is None:
        setattr(lead, to.reached_field, at)
    lead.save()
    LeadEvent.objects.record(lead, kind, by=by, at=at, from_stage=from_stage, to_stage=to, **data)


def reckon_cold_clock(lead: Lead) -> None:
    """Start a lead's cold clock from its last contact, from its handoff, from the end of its last pause or from when it
    was given to another rep, whatever was last; stop it outside sales' hands."""
    handoff = lead.handoffs.select_related("agreement").order_by("-pk").first()
    if lead.stage not in WITH_SALES or handoff is None:
        lead.cold_at = None
        return
    moments = [handoff.handed_over_at, lead.last_contact_at, *(pause.over_at for pause in handoff.pauses.all())]
    gave = [Kind.TAKEN, *([Kind.REASSIGNED] if handoff.agreement.restarts_on_reassign else [])]
    moments.append(lead.events.filter(kind__in=gave).aggregate(last=Max("at"))["last"])
    since = max(moment for moment in moments if moment is not None)
    restart_cold_clock(lead, handoff.agreement, since)


def restart_cold_clock(lead: Lead, agreement: Agreement, at: datetime.datetime) -> None:
    lead.cold_at = at + datetime.timedelta(days=agreement.cold_days)
    lead.cold_flagged_at = None
