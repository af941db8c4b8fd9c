"""Sales' verdict on a handoff: accept, or reject with a reason."""

import datetime
from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Organisation, User
from leads.criteria.rules import CRITERION
from leads.demand import note_request
from leads.erasures import require_present
from leads.models import Criterion, Product, Reason, Stage
from pipeline.models import Activity, Handoff, Notification, Opportunity, ReturnFeedback
from pipeline.notify import notify
from pipeline.refusals import Refusable, refusable
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    lock_pending,
    move,
    named,
    require_reason,
    require_seller,
)


@transaction.atomic
def accept(handoff: Handoff, *, by: User | None, at: datetime.datetime) -> Opportunity:
    """Sales takes the lead: it becomes a SAL, and an opportunity opens for its rep.

    Raises NotAllowed for anybody but the rep, their manager or the director; TransitionError when the handoff is
    decided already, or when no contact with the client is recorded yet.
    """
    handoff, lead = lock_pending(handoff)
    require_seller(by, handoff.assigned_to)
    if handoff.first_contact_at is None:
        raise TransitionError(_("Record your first contact with the client before you accept the lead."))
    handoff.verdict, handoff.decided_at, handoff.decided_by = Handoff.Verdict.ACCEPTED, at, by
    handoff.save()
    move(lead, Stage.ACCEPTED, Kind.ACCEPTED, by=by, at=at)
    opportunity = Opportunity.objects.create(
        lead=lead, owner=handoff.assigned_to, product=lead.product, opened_at=at, stage_at=at
    )
    notify(Notification.Kind.ACCEPTED, [handoff.handed_over_by], lead, at=at, **named(by))
    return opportunity


def recorded_attempts(handoff: Handoff) -> int:
    """On how many different days (of the organisation) sales tried to reach the client since the handoff."""
    zone = Organisation.current().tzinfo
    made = Activity.objects.filter(lead_id=handoff.lead_id, at__gte=handoff.handed_over_at).values_list("at", flat=True)
    return len({at.astimezone(zone).date() for at in made})


@transaction.atomic
def reject(
    handoff: Handoff,
    reason: Reason | None,
    *,
    by: User | None,
    at: datetime.datetime,
    missing: str = "",
    not_asked: str = "",
    misread: str = "",
    feedback: Iterable[tuple[str, str]] = (),
    who_said_no: str = "",
    wanted_product: Product | None = None,
    wanted_text: str = "",
    failed_criterion: Criterion | None = None,
    criteria_doubt: str = "",
) -> None:
    """Sales returns the lead to marketing with a reason, its evidence, and what marketing can learn from it.

    `feedback` are pairs of a `ReturnFeedback.Kind` and a field that `pipeline.refusals` lets one point at. Of the
    evidence only what the reason asks for is kept. “Unreachable” is taken only after the agreed number of attempts on
    different days. Who refuses a lead that met every criterion, and points at none of them, says why the criteria are
    wrong. What was wanted and isn't sold counts among unmet demand. Raises NotAllowed and TransitionError.
    """
    reason = require_reason(reason, Reason.Kind.REJECTION)
    handoff, lead = lock_pending(handoff)
    require_seller(by, handoff.assigned_to)
    handoff.lead = lead
    seen = refusable(handoff)
    said = {"missing": missing, "not_asked": not_asked, "misread": misread, "criteria_doubt": criteria_doubt}
    if any(text.strip() for text in [*said.values(), who_said_no, wanted_text]):
        require_present(lead.contact)
    handoff.missing, handoff.not_asked, handoff.misread = missing, not_asked, misread
    _keep_evidence(handoff, reason, seen, who_said_no.strip(), wanted_product, wanted_text.strip(), failed_criterion)
    pointed = list(dict.fromkeys((ReturnFeedback.Kind(kind).value, field) for kind, field in feedback))
    if unknown := [field for _kind, field in pointed if not seen.may_point_at(field)]:
        raise TransitionError(
            _("This lead wasn't judged by that: %(what)s. Please reload the page.") % {"what": ", ".join(unknown)[:200]}
        )
    if reason.evidence != Reason.Evidence.ATTEMPTS:
        if not pointed and not any(text.strip() for text in said.values()):
            raise TransitionError(
                _("Say at least one: what was missing, not asked, or misread. Marketing learns from it.")
            )
        names_criterion = handoff.failed_criterion or any(field.startswith(CRITERION) for _kind, field in pointed)
        if seen.meets_every_criterion and not names_criterion and not criteria_doubt.strip():
            raise TransitionError(
                _(
                    "This lead meets every criterion. Point at the one that was misread, or say why the criteria are wrong."
                )
            )
        handoff.criteria_doubt = criteria_doubt.strip() if seen.meets_every_criterion else ""
    handoff.verdict, handoff.decided_at, handoff.decided_by = Handoff.Verdict.REJECTED, at, by
    handoff.reason = reason
    handoff.save()
    ReturnFeedback.objects.bulk_create(
        ReturnFeedback(handoff=handoff, kind=kind, field=field) for kind, field in pointed
    )
    if handoff.wanted_text:
        note_request(lead, handoff.wanted_text, by=by, at=at)
    lead.cold_at = None
    facts = {
        "who_said_no": handoff.who_said_no,
        "wanted_product": str(handoff.wanted_product or ""),
        "wanted_text": handoff.wanted_text,
        "criterion": handoff.failed_criterion.key if handoff.failed_criterion else "",
        "criteria_doubt": handoff.criteria_doubt,
        "feedback": [list(pair) for pair in pointed],
    }
    move(
        lead,
        Stage.RETURNED,
        Kind.RETURNED,
        by=by,
        at=at,
        reason=reason.text,
        missing=missing,
        not_asked=not_asked,
        misread=misread,
        **{name: fact for name, fact in facts.items() if fact},
    )
    words = " · ".join(text.strip() for text in said.values() if text.strip())
    told = [handoff.handed_over_by, lead.owner]
    notify(Notification.Kind.RETURNED, told, lead, at=at, **named(by), reason=reason.text, note=words)


def _keep_evidence(
    handoff: Handoff,
    reason: Reason,
    seen: Refusable,
    who_said_no: str,
    wanted_product: Product | None,
    wanted_text: str,
    failed_criterion: Criterion | None,
) -> None:
    """Put on the handoff what the reason asks for, and nothing else. Raises TransitionError where it is missing."""
    if reason.evidence == Reason.Evidence.ATTEMPTS:
        needed, made = handoff.agreement.unreachable_attempts, recorded_attempts(handoff)
        if made < needed:
            raise TransitionError(
                _("“%(reason)s” needs attempts on %(needed)s different days; %(made)s recorded so far.")
                % {"reason": reason, "needed": needed, "made": made}
            )
    elif reason.evidence == Reason.Evidence.PERSON:
        if not who_said_no:
            raise TransitionError(_("“%(reason)s”: say who said no.") % {"reason": reason})
        handoff.who_said_no = who_said_no
    elif reason.evidence == Reason.Evidence.PRODUCT:
        if wanted_product is None and not wanted_text:
            raise TransitionError(_("“%(reason)s”: say which product was wanted.") % {"reason": reason})
        if wanted_product is not None and not wanted_product.is_active:
            raise TransitionError(_("%(product)s is not in use any more.") % {"product": wanted_product})
        handoff.wanted_product, handoff.wanted_text = wanted_product, wanted_text
    elif reason.evidence == Reason.Evidence.CRITERION:
        if failed_criterion is None:
            raise TransitionError(_("“%(reason)s”: say which criterion fails.") % {"reason": reason})
        if failed_criterion not in seen.criteria:
            raise TransitionError(
                _("This lead wasn't judged by that: %(what)s. Please reload the page.") % {"what": failed_criterion}
            )
        handoff.failed_criterion = failed_criterion
