"""Sales' own mail to one person: which words a template fills in, who can't be written to, and what came back.

It is no mailing: nobody has to have agreed to news. But who asked to be left alone is left alone.
"""

import dataclasses
import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.html import linebreaks, urlize
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import Organisation, User
from integrations.outbox import one_line
from leads.models import Contact, Lead, LeadEvent
from pipeline.models import Activity, MailTemplate, Notification
from pipeline.notify import notify
from pipeline.nurture import words
from pipeline.nurture.mails import LONGEST_VALUE, first_name_of, language_of

LEAVES_AFTER = datetime.timedelta(seconds=30)  # so long it can be taken back
NOTED_WITHIN = datetime.timedelta(days=7)  # how long after a mail failed its rep is still told
LONGEST_SUBJECT, LONGEST_TEXT = 200, 20_000


@dataclasses.dataclass(frozen=True)
class Draft:
    subject: str
    text: str
    language: str


def templates() -> QuerySet[MailTemplate]:
    """Those that sales may choose from."""
    return MailTemplate.objects.filter(is_for_sales=True, is_active=True)


def draft(template: MailTemplate, lead: Lead, sender: User, organisation: Organisation, *, language: str = "") -> Draft:
    """The mail of `template` as the person of `lead` would read it, for `sender` to change and to send.

    In `language`, else the person's, else the organisation's; or in the one that the template has.
    """
    language = language or language_of(lead.contact, organisation)
    with translation.override(language):
        values = _values(lead, sender, organisation)
        subject = one_line(words.fill(template.subject, values))[:LONGEST_SUBJECT]
        text = words.fill(template.body.replace("\r\n", "\n"), values).strip()
    return Draft(subject, text, language)


def _values(lead: Lead, sender: User, organisation: Organisation) -> dict[str, str]:
    stand_in = pgettext("in place of an unknown name", "colleague")
    values = {
        "first_name": first_name_of(lead.contact) or stand_in,
        "name": one_line(lead.contact.name) or stand_in,
        "company": str(lead.contact.company or _("your company")),
        "product": str(lead.product or _("our products")),
        "meeting_time": lead.preferred_meeting_time or _("whenever it suits you"),
        "campaign": str(lead.campaign),
        "sender": str(sender),
        "sender_email": sender.email,
        "organisation": str(organisation),
    }
    return {key: one_line(value)[:LONGEST_VALUE] for key, value in values.items()}


def why_not(contact: Contact) -> str:
    """Why this person can't be written to, for whoever wants to; nothing where they can."""
    if contact.erased_at is not None:
        return _("This person's data was erased.")
    if contact.do_not_contact:
        return _("This person doesn't want to be contacted.")
    if not contact.email:
        return _("We don't know their e-mail.")
    if contact.bounced_at is not None:
        return _("Mails to %(email)s come back. Ask them for another address.") % {"email": contact.email}
    return ""


def as_html(text: str) -> str:
    """The same words for mail programs that show HTML: paragraphs and links, nothing else."""
    return linebreaks(urlize(text, autoescape=True))


def note_failures(at: datetime.datetime) -> int:
    """Tell the rep, once, of each of their mails that was refused for good or could not be sent. Returns how many."""
    failed = Activity.objects.filter(message__failed_at__gt=at - NOTED_WITHIN, message__failed_at__lte=at)
    number = 0
    for activity in failed.select_related("lead__contact", "by", "message").order_by("pk"):
        number += _tell(activity, at)
    return number


@transaction.atomic
def _tell(activity: Activity, at: datetime.datetime) -> bool:
    lead = Lead.objects.select_for_update(of=("self",)).get(pk=activity.lead_id)
    known = lead.events.filter(kind=LeadEvent.Kind.MAIL_FAILED, at__gte=activity.at).values_list("data", flat=True)
    if activity.message is None or any(data.get("activity_id") == activity.pk for data in known):
        return False
    LeadEvent.objects.record(
        lead,
        LeadEvent.Kind.MAIL_FAILED,
        by=None,
        at=at,
        subject=activity.message.subject,
        activity_id=activity.pk,
    )
    notify(Notification.Kind.MAIL_FAILED, [activity.by], lead, at=at, note=activity.message.subject)
    return True
