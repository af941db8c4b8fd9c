"""Sales writes to the client: the mail goes into the outbox, and counts as a contact unless it doesn't arrive."""

import datetime
import uuid
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from integrations import outbox
from integrations.outbox import one_line
from leads.models import Lead, LeadEvent
from pipeline.models import Activity, Handoff, Notification
from pipeline.notify import notify
from pipeline.nurture import words
from pipeline.sales_mail import LEAVES_AFTER, as_html, why_not
from pipeline.sla import Clock
from pipeline.transitions.contacts import log_activity, reckon_contacts
from pipeline.transitions.rules import Kind, TransitionError, lock, made_before, reckon_cold_clock, require

NOTED_WITHIN = datetime.timedelta(days=7)  # how long after a mail failed its rep is still told


@transaction.atomic
def write_to(
    lead: Lead, subject: str, text: str, *, by: User, at: datetime.datetime, submission_key: uuid.UUID | None = None
) -> Activity:
    """Send the person of `lead` a mail from `by`, who gets the answer, and record it as sent.

    It leaves a little later, so that undoing the activity stops it. Raises NotAllowed, NotYours, and TransitionError for
    who can't be written to. A repeated `submission_key` sends nothing again.
    """
    require(by, access.SELL, _("Only sales does that."))
    lead = lock(lead)
    if done := made_before(Activity.objects.all(), submission_key, lead_id=lead.pk):
        return done
    if refusal := why_not(lead.contact):
        raise TransitionError(refusal)
    if open_still := words.left_open(subject + text):
        raise TransitionError(
            _("There is a placeholder left in the text: %(names)s. Write what should stand there.")
            % {"names": ", ".join(open_still[:5])}
        )
    activity = log_activity(
        lead,
        Activity.Kind.EMAIL,
        Activity.Outcome.SENT,
        by=by,
        at=at,
        note=one_line(subject),
        submission_key=submission_key,
    )
    activity.message = outbox.write(
        lead.contact.email,
        subject,
        text,
        html=as_html(text),
        at=at,
        headers={"Reply-To": by.email, "Auto-Submitted": "no"},  # a person wrote it (RFC 3834)
        sender_name=str(by),
        leaves_at=at + LEAVES_AFTER,
    )
    activity.save(update_fields=["message"])
    return activity


def note_failures(at: datetime.datetime) -> int:
    """Tell the rep, once, of each of their mails that was refused for good or could not be sent. Returns how many."""
    failed = Activity.objects.filter(message__failed_at__gt=at - NOTED_WITHIN, message__failed_at__lte=at)
    number = 0
    for activity in failed.select_related("lead__contact", "by", "message").order_by("pk"):
        number += _note_failure(activity, at)
    return number


@transaction.atomic
def _note_failure(activity: Activity, at: datetime.datetime) -> bool:
    """The mail was no contact after all: a first contact that was nothing else is to be made yet, by when it was due."""
    lead = lock(activity.lead)
    known = lead.events.filter(kind=Kind.MAIL_FAILED, at__gte=activity.at).values_list("data", flat=True)
    if activity.message is None or any(data.get("activity_id") == activity.pk for data in known):
        return False
    subject = activity.message.subject
    LeadEvent.objects.record(lead, Kind.MAIL_FAILED, by=None, at=at, subject=subject, activity_id=activity.pk)
    handoff = Handoff.objects.select_for_update(of=("self",)).pending().filter(lead=lead).first()
    was_met = handoff is not None and handoff.first_contact_at is not None
    reckon_contacts(lead, handoff, lost_at=activity.at)
    reckon_cold_clock(lead)
    lead.save(update_fields=["last_contact_at", "cold_at", "cold_flagged_at", "updated_at"])
    again: dict[str, Any] = {}
    if handoff is not None and was_met and handoff.first_contact_at is None:
        again = {"clock": Clock.FIRST_CONTACT.value, "due_at": handoff.first_contact_due_at.isoformat()}
    notify(Notification.Kind.MAIL_FAILED, [activity.by], lead, at=at, note=subject, **again)
    return True
