"""Recording contacts and attempts; the first contact moves the lead on and stops clock one."""

import datetime
import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.models import Lead, LeadEvent, Stage
from leads.models.leads import SELLING, WITH_SALES
from pipeline.models import Activity, Agreement, Handoff
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    lock,
    move,
    require,
    require_seller,
    restart_cold_clock,
)


@transaction.atomic
def log_activity(
    lead: Lead,
    kind: Activity.Kind,
    outcome: Activity.Outcome,
    *,
    by: User | None,
    at: datetime.datetime,
    note: str = "",
    submission_key: uuid.UUID | None = None,
) -> Activity:
    """Record a call, mail, meeting or demo. The first real contact moves the lead on and stops clock one.

    By sales' side it counts for the pending handoff, by marketing's for a new lead. An unanswered call is an attempt,
    not a contact. A repeated `submission_key` returns the activity recorded before.
    """
    if outcome not in Activity.OUTCOMES[Activity.Kind(kind)]:
        raise TransitionError(_("That can't come of it. Please choose another outcome."))
    lead = lock(lead)
    if submission_key and (done := Activity.objects.filter(submission_key=submission_key).first()):
        if done.lead_id != lead.pk:
            raise TransitionError(_("This form was sent for something else already. Please reload the page."))
        return done
    if lead.is_removed:
        raise TransitionError(_("The lead is removed. Restore it first."))
    handoff = (
        Handoff.objects.select_for_update(of=("self",))
        .pending()
        .select_related("assigned_to", "agreement")
        .filter(lead=lead)
        .first()
    )
    rep = handoff.assigned_to if handoff else None
    if rep is None and lead.stage in {*SELLING, Stage.WON, Stage.LOST}:
        opportunity = lead.opportunities.select_related("owner").order_by("-pk").first()
        rep = opportunity.owner if opportunity else None
    if rep is not None:
        require_seller(by, rep)
    else:
        require(by, access.QUALIFY_LEADS, _("This lead is with marketing; only marketing records contacts with it."))

    activity = Activity.objects.create(
        lead=lead, kind=kind, outcome=outcome, note=note, at=at, by=by, submission_key=submission_key
    )
    LeadEvent.objects.record(
        lead, Kind.ACTIVITY, by=by, at=at, activity=kind, outcome=outcome, note=note, activity_id=activity.pk
    )
    if activity.is_contact:
        if lead.last_contact_at is None or lead.last_contact_at < at:
            lead.last_contact_at = at
        if lead.stage in WITH_SALES:
            restart_cold_clock(lead, handoff.agreement if handoff else Agreement.objects.in_force(at), at)
        if handoff and handoff.first_contact_at is None:
            handoff.first_contact_at = at
            handoff.save(update_fields=["first_contact_at", "updated_at"])
        if lead.stage == Stage.HANDED_OVER:
            move(lead, Stage.IN_WORK, Kind.IN_WORK, by=by, at=at)
        elif lead.stage == Stage.NEW:
            move(lead, Stage.CONTACTED, Kind.CONTACTED, by=by, at=at)
    lead.save()
    return activity
