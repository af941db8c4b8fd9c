"""Recording contacts and attempts; the first contact moves the lead on and stops clock one."""

import datetime
import uuid

from django.db import transaction
from django.db.models import Max, Min
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotYours
from accounts.models import User
from leads.erasures import require_present
from leads.models import Lead, LeadEvent, Stage
from leads.models.leads import SELLING, WITH_SALES
from pipeline import response
from pipeline.models import Activity, Agreement, Handoff
from pipeline.transitions.rules import (
    Kind,
    TransitionError,
    lock,
    made_before,
    made_once,
    move,
    require,
    require_seller,
    restart_cold_clock,
    still_there,
)

LATEST_ATTEMPT = datetime.timedelta(days=366)


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
    next_attempt_at: datetime.datetime | None = None,
) -> Activity:
    """Record a call, mail, meeting or demo. The first real contact moves the lead on and stops the first clock.

    By sales' side it counts for the pending handoff, by marketing's for a new lead. An unanswered call is an attempt,
    not a contact. Of who doesn't want to be contacted only what they did is taken. `next_attempt_at` is when to try
    again, as was agreed with the client or planned; what was planned before is over by this attempt, but not by a mail.
    A repeated `submission_key` returns the activity recorded before.
    """
    if next_attempt_at is not None and not at < next_attempt_at <= at + LATEST_ATTEMPT:
        raise TransitionError(_("Please plan the next attempt for a moment to come, within a year."))
    if outcome not in Activity.OUTCOMES[Activity.Kind(kind)]:
        raise TransitionError(_("That can't come of it. Please choose another outcome."))
    lead = lock(lead)
    if done := made_before(Activity.objects.all(), submission_key, lead_id=lead.pk):
        return done
    if lead.is_removed:
        raise TransitionError(_("The lead is removed. Restore it first."))
    require_present(lead.contact)
    if lead.contact.do_not_contact and (kind, outcome) in Activity.OUTGOING:
        raise TransitionError(
            _("This person doesn't want to be contacted. Record only what they did of themselves: a call or an answer.")
        )
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

    with made_once():
        activity = Activity.objects.create(
            lead=lead, kind=kind, outcome=outcome, note=note, at=at, by=by, submission_key=submission_key
        )
    LeadEvent.objects.record(
        lead,
        Kind.ACTIVITY,
        by=by,
        at=at,
        activity=kind,
        outcome=outcome,
        note=note,
        activity_id=activity.pk,
        planned=lead.next_attempt_at.isoformat() if lead.next_attempt_at else None,
    )
    if next_attempt_at is not None or kind != Activity.Kind.EMAIL:
        lead.next_attempt_at = next_attempt_at
    if next_attempt_at is not None:
        LeadEvent.objects.record(lead, Kind.ATTEMPT_PLANNED, by=by, at=at, when=next_attempt_at.isoformat())
    if activity.is_contact:
        if lead.last_contact_at is None or lead.last_contact_at < at:
            lead.last_contact_at = at
        if lead.stage in WITH_SALES:
            agreement = handoff.agreement if handoff else Agreement.objects.in_force(at)
            restart_cold_clock(lead, agreement, handoff.cold_from(at) if handoff else at)
        if handoff and (handoff.first_contact_at is None or handoff.is_in_pool):
            handoff.first_contact_at = handoff.first_contact_at or at
            handoff.pooled_at = None
            handoff.save(update_fields=["first_contact_at", "pooled_at", "updated_at"])
        if lead.stage == Stage.HANDED_OVER:
            move(lead, Stage.IN_WORK, Kind.IN_WORK, by=by, at=at)
        elif lead.stage == Stage.NEW:
            response.note_contact(lead, at)
            move(lead, Stage.CONTACTED, Kind.CONTACTED, by=by, at=at)
        elif response.is_waiting(lead) and response.is_timed(lead, at):
            # The brief came first, from a form: the contact is no less the first one, but it moves nothing.
            response.note_contact(lead, at)
            lead.contacted_at = at
            LeadEvent.objects.record(lead, Kind.CONTACTED, by=by, at=at, from_stage=lead.stage, to_stage=lead.stage)
    lead.save()
    return activity


def reckon_contacts(lead: Lead, handoff: Handoff | None, *, lost_at: datetime.datetime) -> None:
    """Say anew when a locked lead was contacted last, and first for its pending `handoff`, which is saved.

    `lost_at` is the moment of what is no contact any more: undone, or a mail that didn't arrive.
    """
    failed = lead.events.filter(kind=Kind.MAIL_FAILED).values_list("data", flat=True)
    contacts = lead.activities.filter(outcome__in=Activity.CONTACT_OUTCOMES)
    contacts = contacts.exclude(pk__in=[data["activity_id"] for data in failed])
    lead.last_contact_at = contacts.aggregate(last=Max("at"))["last"]
    if handoff is not None and handoff.first_contact_at == lost_at:
        since = contacts.filter(at__gte=handoff.handed_over_at)
        handoff.first_contact_at = since.aggregate(first=Min("at"))["first"]
        handoff.save(update_fields=["first_contact_at", "updated_at"])


@transaction.atomic
def note_activity(activity: Activity, note: str, *, by: User | None, at: datetime.datetime) -> None:
    """Write down what was said, after the activity was recorded. Only who recorded it does; the timeline keeps each text.

    Raises NotYours, and TransitionError where the activity was undone meanwhile.
    """
    lead = lock(activity.lead)
    require(by, access.LOG_ACTIVITIES, _("Your role reads leads and contacts, but doesn't change them."))
    require_present(lead.contact)
    found = Activity.objects.select_for_update(of=("self",)).filter(pk=activity.pk).first()
    found = still_there(found, lead)
    if by is not None and found.by_id != by.pk:
        raise NotYours(_("Only who recorded it can add to it."))
    note = note.strip()
    if note == found.note:
        return
    found.note = note
    found.save(update_fields=["note"])
    if note:
        LeadEvent.objects.record(lead, Kind.NOTE, by=by, at=at, note=note, activity_id=found.pk)
    Lead.objects.filter(pk=lead.pk).update(updated_at=at)
