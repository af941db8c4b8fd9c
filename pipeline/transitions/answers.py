"""Writing down marketing's answer to a return, whichever step it came with: each return is answered exactly once."""

import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from leads.models import Lead, LeadEvent, Stage
from pipeline.models import Handoff, Notification, ReturnAnswer
from pipeline.notify import notify

Answer = ReturnAnswer.Answer

# What a step that takes a returned lead somewhere says of the return; any other qualifies it again.
_SAID_BY = {Stage.WARM: Answer.NURTURE, Stage.REFERRED: Answer.AGREE, Stage.REMOVED: Answer.AGREE}


def keep_answer(
    handoff: Handoff, lead: Lead, answer: Answer, *, by: User | None, at: datetime.datetime, note: str = ""
) -> ReturnAnswer:
    """Write the answer to a locked handoff that waits for one, and tell who refused it.

    What follows a dispute that failed, or that its own side no longer waits for, is kept beside the dispute.
    """
    kept, is_new = ReturnAnswer.objects.get_or_create(
        handoff=handoff, defaults={"answer": answer, "note": note, "answered_at": at, "answered_by": by}
    )
    if not is_new:
        kept.afterwards, kept.afterwards_at, kept.afterwards_by = answer, at, by
        kept.save(update_fields=["afterwards", "afterwards_at", "afterwards_by"])
    handoff.return_closed_at = at
    handoff.save(update_fields=["return_closed_at", "updated_at"])
    refuser = handoff.decided_by or handoff.assigned_to
    if refuser != by:
        actor: dict[str, Any] = {"actor": str(by)} if by else {}
        notify(Notification.Kind.RETURN_ANSWERED, [refuser], lead, at=at, answer=answer, note=note, **actor)
    return kept


def answer_by_step(lead: Lead, to: Stage, *, by: User | None, at: datetime.datetime) -> None:
    """A step takes a locked, returned lead to `to`: where nobody has answered the return, that is the answer."""
    handoff = (
        Handoff.objects.select_for_update(of=("self",))
        .select_related("decided_by", "assigned_to")
        .filter(lead=lead)
        .order_by("-pk")
        .first()
    )
    if handoff is None or handoff.verdict != Handoff.Verdict.REJECTED:
        return
    waits = handoff.return_closed_at is None
    if waits or ReturnAnswer.objects.to_decide().filter(handoff=handoff).exists():
        answer = _SAID_BY.get(to, Answer.REQUALIFY)
        keep_answer(handoff, lead, answer, by=by, at=at)
        LeadEvent.objects.record(lead, LeadEvent.Kind.RETURN_ANSWERED, by=by, at=at, answer=answer)


def wait_again(lead: Lead, *, by: User | None, at: datetime.datetime) -> None:
    """Undo what a step of `by` at the moment `at` answered: the return waits for marketing, or the director, again."""
    handoff = Handoff.objects.select_for_update(of=("self",)).filter(lead=lead).order_by("-pk").first()
    answer = ReturnAnswer.objects.select_for_update(of=("self",)).filter(handoff=handoff).first()
    if handoff is None or answer is None:
        return
    if answer.afterwards_at == at and answer.afterwards_by_id == (by and by.pk):
        answer.afterwards, answer.afterwards_at, answer.afterwards_by = "", None, None
        answer.save(update_fields=["afterwards", "afterwards_at", "afterwards_by"])
    elif answer.answered_at == at and answer.answered_by_id == (by and by.pk) and not answer.decision:
        answer.delete()
    else:
        return
    handoff.return_closed_at = answer.answered_at if answer.pk and answer.is_open_dispute else None
    handoff.save(update_fields=["return_closed_at", "updated_at"])
    Notification.objects.filter(lead=lead, created_at=at).unread().delete()


def already_said(answer: ReturnAnswer, when: str) -> str:
    """Who was faster, what they said and `when`, for whoever comes second."""
    if answer.decision:
        words, by, what = _("%(who)s has decided already (%(when)s): %(what)s."), answer.decided_by, "decision"
    else:
        words, by, what = _("%(who)s has answered already (%(when)s): %(what)s."), answer.answered_by, "answer"
    if answer.afterwards:
        words, by, what = _("%(who)s has answered already (%(when)s): %(what)s."), answer.afterwards_by, "afterwards"
    said = getattr(answer, f"get_{what}_display")()
    return words % {"who": str(by) if by else _("The system"), "when": when, "what": said}
