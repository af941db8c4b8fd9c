"""When the client asked for a demo, proposal or contract, when it was sent, and what they object."""

import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Organisation, User
from leads.models import Lead, LeadEvent, Stage
from pipeline.models import Objection, Opportunity
from pipeline.models.opportunities import STEPS
from pipeline.transitions.rules import Kind, TransitionError, exactly, lock, require_seller, still_there
from pipeline.transitions.selling import lock_open

_EARLIEST = datetime.timedelta(days=366)  # how long before the opening a client may have asked
SENT = {Stage.DEMO: Kind.DEMO, Stage.PROPOSAL: Kind.PROPOSAL, Stage.CONTRACT: Kind.CONTRACT}


@transaction.atomic
def note_asked(
    opportunity: Opportunity, step: Stage, when: datetime.datetime, *, by: User | None, at: datetime.datetime
) -> None:
    """The client asked for a demo, proposal or contract at `when`: not later than now, nor than it was sent."""
    opportunity, lead = lock_open(opportunity, by=by)
    _require_past(step, when, at)
    if when < opportunity.opened_at - _EARLIEST:
        raise TransitionError(_("That is too long before the opportunity was opened."))
    sent_at = getattr(opportunity, f"{step}_at")
    if sent_at is not None and when > sent_at:
        raise TransitionError(
            _("It was sent on %(when)s: it can't have been asked for later.") % {"when": exactly(sent_at)}
        )
    _date(opportunity, lead, f"{step}_asked_at", when, Kind.ASKED_FOR, step, by=by)


@transaction.atomic
def note_sent(
    opportunity: Opportunity, step: Stage, when: datetime.datetime, *, by: User | None, at: datetime.datetime
) -> None:
    """A demo was held, a proposal or contract sent at `when`. The stage stays: moving is a step of its own."""
    opportunity, lead = lock_open(opportunity, by=by)
    _require_past(step, when, at)
    asked_at = getattr(opportunity, f"{step}_asked_at")
    if asked_at is not None and when < asked_at:
        raise TransitionError(
            _("The client asked for it on %(when)s: it can't have been sent earlier.") % {"when": exactly(asked_at)}
        )
    if when < opportunity.opened_at:
        raise TransitionError(
            _("The opportunity opened on %(day)s; it can't be earlier.") % {"day": exactly(opportunity.opened_at)}
        )
    _date(opportunity, lead, f"{step}_at", when, SENT[step], step, by=by)


def _require_past(step: Stage, when: datetime.datetime, at: datetime.datetime) -> None:
    if step not in STEPS:
        raise TransitionError(_("Only a demo, a proposal or a contract is asked for and sent."))
    if when > at:
        raise TransitionError(_("This moment hasn't come yet."))


def _date(
    opportunity: Opportunity,
    lead: Lead,
    field: str,
    when: datetime.datetime,
    kind: LeadEvent.Kind,
    step: Stage,
    *,
    by: User | None,
) -> None:
    before = getattr(opportunity, field)
    if before == when:
        return
    setattr(opportunity, field, when)
    opportunity.reckon_speeds(Organisation.current())
    opportunity.save()
    lead.save(update_fields=["updated_at"])
    LeadEvent.objects.record(
        lead,
        kind,
        by=by,
        at=when,  # the log keeps every day that figures ever counted it on
        opportunity=opportunity.pk,
        what=str(step),
        when=when.isoformat(),
        before=before.isoformat() if before else None,
    )


@transaction.atomic
def raise_objection(
    opportunity: Opportunity, kind: Objection.Kind, *, text: str = "", by: User | None, at: datetime.datetime
) -> Objection:
    """The client of an open opportunity objects, in their own words. The same, while it is open, is taken once."""
    opportunity, lead = lock_open(opportunity, by=by)
    text = text.strip()
    if same := opportunity.objections.filter(kind=kind, text=text, end="").first():
        return same
    objection = opportunity.objections.create(kind=kind, text=text, raised_at=at, raised_by=by)
    LeadEvent.objects.record(lead, Kind.OBJECTION, by=by, at=at, opportunity=opportunity.pk, what=str(kind), note=text)
    lead.save(update_fields=["updated_at"])
    return objection


@transaction.atomic
def end_objection(
    objection: Objection, end: Objection.End, *, note: str = "", by: User | None, at: datetime.datetime
) -> None:
    """How an objection ended; said again, the later word counts."""
    lead = lock(objection.opportunity.lead)
    objections = Objection.objects.select_for_update(of=("self",)).select_related("opportunity__owner")
    objection = still_there(objections.filter(pk=objection.pk).first(), lead)
    require_seller(by, objection.opportunity.owner)
    if (objection.end, objection.end_note) == (end, note.strip()):
        return
    objection.end, objection.end_note, objection.ended_at, objection.ended_by = end, note.strip(), at, by
    objection.save()
    LeadEvent.objects.record(
        lead,
        Kind.OBJECTION_ENDED,
        by=by,
        at=at,
        opportunity=objection.opportunity_id,
        what=objection.kind,
        result=str(end),
        note=objection.end_note,
    )
    lead.save(update_fields=["updated_at"])
