"""Sales' own mail to one person: which words a template fills in, and who can't be written to.

It is no mailing: nobody has to have agreed to news. But who asked to be left alone is left alone.
"""

import dataclasses
import datetime

from django.db.models import QuerySet
from django.utils import translation
from django.utils.html import linebreaks, urlize
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import Organisation, User
from integrations.outbox import one_line
from leads.models import Contact, Lead
from pipeline.models import MailTemplate
from pipeline.nurture import words
from pipeline.nurture.mails import LONGEST_VALUE, first_name_of, language_of

LEAVES_AFTER = datetime.timedelta(seconds=30)  # so long it can be taken back
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
