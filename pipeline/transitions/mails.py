"""Sales writes to the client: the mail goes into the outbox, and counts as a contact."""

import datetime
import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from integrations import outbox
from integrations.outbox import one_line
from leads.models import Lead
from pipeline.models import Activity
from pipeline.nurture import words
from pipeline.sales_mail import LEAVES_AFTER, as_html, why_not
from pipeline.transitions.contacts import log_activity
from pipeline.transitions.rules import TransitionError, lock, made_before, require


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
