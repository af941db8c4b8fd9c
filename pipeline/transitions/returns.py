"""What becomes of a lead that sales refused: marketing answers, and where both disagree, the director decides."""

import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import Role, User
from leads.erasures import require_present
from leads.known import of_lead
from leads.models import Lead, LeadEvent, Reason, Stage
from pipeline import routing
from pipeline.models import Handoff, Notification, ReturnAnswer
from pipeline.notify import notify
from pipeline.sla import Clock
from pipeline.transitions.answers import already_said, keep_answer
from pipeline.transitions.marketing import keep_warm, open_handoff, remove
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    exactly,
    lock,
    move,
    named,
    require,
    still_there,
    who_and_when,
)

Answer, Decision = ReturnAnswer.Answer, ReturnAnswer.Decision


def _lock_refused(seen: Handoff) -> tuple[Handoff, Lead, ReturnAnswer | None]:
    """The handoff, its lead and the answer so far, locked. Raises TransitionError where sales hasn't refused it."""
    lead = lock(seen.lead)
    handoffs = Handoff.objects.select_for_update(of=("self",)).select_related(
        "assigned_to", "decided_by", "handed_over_by"
    )
    handoff = still_there(handoffs.filter(pk=seen.pk).first(), lead)
    if handoff.verdict != Handoff.Verdict.REJECTED:
        raise TransitionError(_("Sales hasn't returned this lead. %(who)s") % {"who": who_and_when(lead)})
    answers = ReturnAnswer.objects.select_related("answered_by", "afterwards_by", "decided_by")
    return handoff, lead, answers.filter(handoff=handoff).first()


def _faster(answer: ReturnAnswer) -> TransitionError:
    at = answer.afterwards_at or answer.decided_at or answer.answered_at
    return TransitionError(already_said(answer, exactly(at)))


@transaction.atomic
def answer_return(
    handoff: Handoff,
    answer: ReturnAnswer.Answer,
    *,
    by: User | None,
    at: datetime.datetime,
    note: str = "",
    removal: Reason | None = None,
) -> ReturnAnswer:
    """Marketing says what becomes of a lead that sales refused.

    To qualify again puts it back among those to qualify; to keep warm nurtures it; to agree leaves it returned, or
    takes it out in the same breath for the reason `removal`; to dispute, with a note, asks the director. A return is
    answered once; when a dispute has failed, marketing chooses one of the other ways.
    Raises NotAllowed for anybody but marketing and the director, and TransitionError when somebody was faster.
    """
    require(by, access.ANSWER_RETURNS, _("Only marketing answers returned leads."))
    answer = Answer(answer)
    handoff, lead, before = _lock_refused(handoff)
    if before is not None and not before.has_failed:
        raise _faster(before)
    if lead.stage != Stage.RETURNED:
        raise TransitionError(
            _("The lead is now “%(stage)s”, so this step isn't possible. %(who)s")
            % {"stage": Stage(lead.stage).label, "who": who_and_when(lead)}
        )
    if answer != Answer.AGREE or note.strip():
        require_present(lead.contact)
    if answer == Answer.DISPUTE and before is not None:
        raise _faster(before)
    if answer == Answer.DISPUTE and not note.strip():
        raise TransitionError(_("Say why this is a lead: the director decides by what both sides say."))
    kept = keep_answer(handoff, lead, answer, by=by, at=at, note=note)
    if answer == Answer.REQUALIFY:
        # Who was called or briefed before needn't be counted as not called yet.
        to = Stage.BRIEFED if lead.briefed_at and lead.contacted_at else Stage.CONTACTED
        move(lead, to, Kind.RETURN_ANSWERED, by=by, at=at, answer=answer, note=note)
        return kept
    LeadEvent.objects.record(lead, Kind.RETURN_ANSWERED, by=by, at=at, answer=answer, note=note)
    if answer == Answer.NURTURE:
        keep_warm(lead, by=by, at=at)
    elif answer == Answer.AGREE and removal is not None:
        remove(lead, removal, by=by, at=at)
    elif answer == Answer.DISPUTE:
        directors = [person for person in User.objects.active().filter(role=Role.DIRECTOR) if person != by]
        rep = str(handoff.decided_by or handoff.assigned_to)
        notify(Notification.Kind.DISPUTED, directors, lead, at=at, **named(by), rep=rep, note=note)
    return kept


@transaction.atomic
def decide_dispute(
    handoff: Handoff,
    decision: ReturnAnswer.Decision,
    *,
    by: User | None,
    at: datetime.datetime,
    note: str,
    to: User | None = None,
) -> Handoff | None:
    """The director ends a dispute. A refusal that stands goes back to marketing, which chooses another way.

    One that doesn't is handed over once more, to the same rep or to `to`, with clocks that start anew; that handoff is
    returned. Raises NotAllowed for anybody but the director, and TransitionError when it was decided or withdrawn.
    """
    require(by, access.DECIDE_DISPUTES, _("Only the director decides disputes."))
    decision = Decision(decision)
    handoff, lead, answer = _lock_refused(handoff)
    if answer is None or answer.answer != Answer.DISPUTE:
        raise TransitionError(_("This return isn't disputed. %(who)s") % {"who": who_and_when(lead)})
    if not answer.is_open_dispute:
        raise _faster(answer)
    if not note.strip():
        raise TransitionError(_("Say why: both sides learn from it."))
    try:
        require_present(lead.contact)
    except NotAllowed:  # of an erased person nothing is written any more, but the dispute must end
        if decision == Decision.OVERTURNED:
            raise
        note = ""
    answer.decision, answer.decision_note, answer.decided_at, answer.decided_by = decision, note, at, by
    answer.save()
    sides = [handoff.decided_by or handoff.assigned_to, answer.answered_by]
    told = {**named(by), "decision": decision, "note": note}
    if decision == Decision.UPHELD:
        handoff.return_closed_at = None
        handoff.save(update_fields=["return_closed_at", "updated_at"])
        LeadEvent.objects.record(lead, Kind.DISPUTE_DECIDED, by=by, at=at, decision=decision, note=note)
        notify(Notification.Kind.DISPUTE_DECIDED, [p for p in sides if p != by], lead, at=at, **told)
        return None
    told |= {"rep": str(to or handoff.assigned_to)}
    again = open_handoff(
        lead,
        routing.Routed(to or handoff.assigned_to, None, "dispute", routing.by_hand("chosen" if to else "dispute", by)),
        of_lead(lead),
        Kind.DISPUTE_DECIDED,
        by=by,
        handed_over_by=answer.answered_by or handoff.handed_over_by,
        at=at,
        note=answer.note,
        told={name: value for name, value in told.items() if name != "actor"},
    )
    told |= {"due_at": again.first_contact_due_at.isoformat(), "clock": Clock.FIRST_CONTACT}
    people = [person for person in [*sides, again.assigned_to] if person != by]
    notify(Notification.Kind.DISPUTE_DECIDED, people, lead, at=at, **told)
    return again


def take_back_decision(lead: Lead, event: LeadEvent, *, by: User | None) -> None:
    """Undo the director's decision that `event` tells of: the dispute is open again. The stage is the caller's to move."""
    require(by, access.DECIDE_DISPUTES, _("Only the director decides disputes."))
    if event.to_stage:  # sales was to take it again
        lead.handoffs.filter(handed_over_at=event.at).delete()
    answers = ReturnAnswer.objects.select_for_update(of=("self",)).select_related("handoff")
    answer = answers.get(handoff__lead=lead, decided_at=event.at)
    answer.decision, answer.decision_note, answer.decided_at, answer.decided_by = "", "", None, None
    answer.save()
    answer.handoff.return_closed_at = answer.answered_at
    answer.handoff.save(update_fields=["return_closed_at", "updated_at"])
    Notification.objects.filter(lead=lead, created_at=event.at).unread().delete()
