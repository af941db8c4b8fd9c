"""A mail as one person reads it: its words, its footer, and the headers by which a mail program unsubscribes.

List-Unsubscribe is RFC 2369, List-Unsubscribe-Post RFC 8058, which asks for https.
"""

import dataclasses
import datetime

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import Organisation, User
from integrations import outbox
from integrations.models import OutboxMessage
from integrations.outbox import one_line
from leads.models import Campaign, Consent, Contact, Lead, Purpose
from leads.normalise import read_number
from pipeline.models import MailTemplate, NurtureStep
from pipeline.nurture import words

NOBODY = 0  # no contact has this id: links of test mails lead to it
LONGEST_VALUE = 200
A_DAY = "j E Y"  # as a letter writes it, in either language

# "." can't be mistaken for the end of a link by a mail program, as the signature follows it.
_signer = signing.Signer(salt="mailings of a contact", sep=".")


def token_of(contact_pk: int) -> str:
    """What stands for a contact in the links of their mails. It never expires: an old mail must unsubscribe, too."""
    return _signer.sign(str(contact_pk))


def contact_of(token: str) -> Contact | None:
    """Whose token it is; None when it is nobody's, damaged, or of somebody whose data was erased."""
    try:
        pk = read_number(_signer.unsign(token))
    except signing.BadSignature:
        return None
    return Contact.objects.filter(pk=pk or NOBODY, erased_at__isnull=True).first()


@dataclasses.dataclass(frozen=True)
class Mail:
    subject: str
    text: str
    headers: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Occasion:
    """What a step adds to its template."""

    campaign: Campaign | None = None
    offer: str = ""
    offer_until: datetime.date | None = None

    @classmethod
    def of(cls, step: NurtureStep, campaign: Campaign | None, today: datetime.date) -> "Occasion":
        until = today + datetime.timedelta(days=step.offer_days) if step.offer_days is not None else None
        return cls(campaign, step.offer, until)

    @classmethod
    def example(cls, campaign: Campaign | None, today: datetime.date) -> "Occasion":
        """For a preview, where no step says what is offered."""
        return cls(campaign, _("a tenth off the first year"), today + datetime.timedelta(days=14))


def language_of(contact: Contact, organisation: Organisation) -> str:
    return contact.language or organisation.language


def compose(
    template: MailTemplate,
    lead: Lead,
    occasion: Occasion,
    *,
    language: str,
    organisation: Organisation,
    sender: User | None,
    token: str | None = None,
) -> Mail:
    """The mail of `template` to the person of `lead`, in `language` or the one that the template has."""
    token = token or token_of(lead.contact_id)
    preferences = settings.SITE_URL + reverse("pipeline:mailing_preferences", args=[token])
    unsubscribe = settings.SITE_URL + reverse("pipeline:mailing_unsubscribe", args=[token])
    with translation.override(language):
        values = _values(lead, occasion, organisation, sender)
        subject = one_line(words.fill(template.subject, values))[:200]
        footer = [
            "-- ",
            str(organisation),
            _why(lead.contact, organisation),
            "",
            _("Unsubscribe: %(url)s") % {"url": unsubscribe},
            _("Choose which mails you get: %(url)s") % {"url": preferences},
        ]
        body = words.fill(template.body.replace("\r\n", "\n"), values).strip()
    headers = {"List-Unsubscribe": f"<{unsubscribe}>"}
    if unsubscribe.startswith("https:"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if sender is not None:
        headers["Reply-To"] = sender.email
    return Mail(subject, "\n".join([body, "", *footer]) + "\n", headers)


def send(mail: Mail, contact: Contact, *, at: datetime.datetime, dedup_key: str) -> OutboxMessage:
    return outbox.write(contact.email, mail.subject, mail.text, at=at, headers={**mail.headers}, dedup_key=dedup_key)


def send_test(mail: Mail, to: User, *, at: datetime.datetime) -> OutboxMessage:
    """The mail to a colleague, marked as a test; it is no step of anybody's plan."""
    return outbox.write(to.email, _("Test: %(subject)s") % {"subject": mail.subject}, mail.text, at=at)


def _why(contact: Contact, organisation: Organisation) -> str:
    consent = Consent.objects.valid().filter(contact=contact, purpose=Purpose.MAILING).first()
    if consent is None or consent.given_at is None:
        return _("You get this mail because you agreed to news, invitations and offers by e-mail.")
    given_on = consent.given_at.astimezone(organisation.tzinfo).date()
    return _("You get this mail because you agreed to news, invitations and offers by e-mail on %(day)s.") % {
        "day": date_format(given_on, A_DAY)
    }


def _values(lead: Lead, occasion: Occasion, organisation: Organisation, sender: User | None) -> dict[str, str]:
    """What the placeholders stand for, each on one line; where nothing is known, words that fit any sentence."""
    contact, campaign = lead.contact, occasion.campaign
    name = one_line(contact.name) if _is_name(contact.name) else ""
    stand_in = pgettext("in place of an unknown name", "colleague")
    values = {
        "first_name": first_name_of(contact) or stand_in,
        "name": name or stand_in,
        "company": str(contact.company or _("your company")),
        "product": str(lead.product or _("our products")),
        "sender": str(sender or organisation),
        "organisation": str(organisation),
        "event": str(campaign or _("our next event")),
        "event_date": date_format(campaign.starts_on, A_DAY) if campaign else _("soon"),
        "event_place": (campaign.place if campaign else "") or _("the place we'll tell you"),
        "offer": occasion.offer,
        "offer_until": date_format(occasion.offer_until, A_DAY) if occasion.offer_until else _("further notice"),
    }
    return {key: one_line(value)[:LONGEST_VALUE] for key, value in values.items()}


def first_name_of(contact: Contact) -> str:
    """How a mail addresses them; nothing where what we have doesn't read as a name."""
    return one_line(contact.name).split(" ")[0] if _is_name(contact.name) else ""


def _is_name(text: str) -> bool:
    """Whether it reads as a person's name. What anybody may type into a public form must not become our advertising."""
    return (
        bool(text.strip())
        and all(char.isalpha() or char in " .'’-\N{NO-BREAK SPACE}" for char in text)
        and "www." not in text.lower()
    )
