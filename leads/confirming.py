"""Consent to mailings that was ticked on a public page: it counts once it is confirmed by a link mailed to that address.

Anybody can type anybody's address there (docs/decisions/0018-what-a-stranger-may-write.md). What was ticked stays with
the submission; the link alone says who was asked, when, and at which address.
"""

import dataclasses
import datetime

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts.models import Organisation
from integrations import outbox
from integrations.models import OutboxMessage
from integrations.outbox import one_line
from leads import consents
from leads.models import ConsentText, Contact, LeadEvent, Purpose, Submission
from leads.normalise import normalise_email

VALID = datetime.timedelta(days=14)  # how long the link in the mail can be used
ONE_MAIL_IN = datetime.timedelta(days=1)  # to one address, whoever typed it how often

# "." can't be mistaken for the end of a link by a mail program, as the signature follows it.
_signer = signing.Signer(salt="confirm mailings", sep=".")


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a link asks to confirm."""

    submission: Submission
    contact: Contact
    text: ConsentText


def token_of(submission: Submission, email: str, *, at: datetime.datetime) -> str:
    """What stands in a link that is mailed to `email` at that moment."""
    return _signer.sign_object([submission.pk, at.timestamp(), _mark(email)])


def ask(submission: Submission, email: str, *, at: datetime.datetime) -> OutboxMessage | None:
    """Mail the link to `email`, which the visitor typed, in the language of the page.

    None where no mail goes out: mailings would go to another address, are agreed to already, the person asked not to be
    contacted, the address bounced, or it was asked within the last day.
    """
    lead, email = submission.lead, normalise_email(email)
    if lead is None or not email or lead.contact.email != email:
        return None
    contact = lead.contact
    if contact.do_not_contact or contact.bounced_at:
        return None
    if consents.agreed(contact, Purpose.MAILING):
        return None
    today, day_before = (_dedup_key(email, moment) for moment in (at, at - ONE_MAIL_IN))
    recent = OutboxMessage.objects.filter(dedup_key=day_before, created_at__gt=at - ONE_MAIL_IN)
    if recent.exists() or OutboxMessage.objects.filter(dedup_key=today).exists():
        return None
    url = settings.SITE_URL + reverse("leads:mailing_confirm", args=[token_of(submission, email, at=at)])
    with translation.override(submission.language or settings.LANGUAGE_CODE):
        organisation = one_line(str(Organisation.current()))
        subject = _("Please confirm: news from %(organisation)s") % {"organisation": organisation}
        # Not a word of what was typed: it may be advertising that somebody wants to be mailed under our name.
        text = "\n\n".join(
            [
                _("Somebody left this address with %(organisation)s and asked for news, invitations and offers.")
                % {"organisation": organisation},
                _("If that was you, open this page and confirm:"),
                url,
                _("The link works for %(days)s days. If it wasn't you, do nothing: you will get no mailings.")
                % {"days": VALID.days},
            ]
        )
    message = outbox.write(email, subject[:200], f"{text}\n", at=at, dedup_key=today)
    LeadEvent.objects.record(lead, LeadEvent.Kind.CONSENT, by=None, at=at, step="asked", purpose=Purpose.MAILING)
    return message


def asked_by(token: str, *, at: datetime.datetime) -> Asked | None:
    """What the link asks; None when it is nobody's, too old, of somebody erased or contacted no more, of an address that
    isn't theirs any more, or when the person said no after it was mailed.
    """
    try:
        pk, mailed_at, mark = _signer.unsign_object(token)
    except (signing.BadSignature, UnicodeError):
        return None
    mailed = datetime.datetime.fromtimestamp(mailed_at, datetime.UTC)
    submission = (
        Submission.objects.filter(pk=pk, lead__isnull=False)
        .select_related("lead__contact", "version__questionnaire")
        .first()
    )
    if submission is None or submission.lead is None or at - mailed > VALID:
        return None
    contact = submission.lead.contact
    text = submission.consent_texts.filter(purpose=Purpose.MAILING).first()
    if text is None or contact.erased_at or contact.do_not_contact or _mark(contact.email) != mark:
        return None
    if consents.withdrawn_since(contact, Purpose.MAILING, mailed):
        return None
    return Asked(submission, contact, text)


@transaction.atomic
def confirm(token: str, *, at: datetime.datetime) -> Asked | None:
    """Record the consent that the link asks for, to the words that were shown. Confirming twice changes nothing.

    None, and nothing recorded, for a link that asks nothing (any more).
    """
    asked = asked_by(token, at=at)
    if asked is None:
        return None
    Contact.objects.select_for_update().get(pk=asked.contact.pk)
    asked = asked_by(token, at=at)  # as it is now: perhaps the person was just erased, or said no
    if asked is not None:
        version = asked.submission.version
        source = _("Questionnaire “%(name)s”, version %(version)s, confirmed by a link in a mail") % {
            "name": version.questionnaire.name,
            "version": version.number,
        }
        consents.give(asked.contact, Purpose.MAILING, source=source, at=at, text=asked.text)
    return asked


def _dedup_key(email: str, at: datetime.datetime) -> str:
    return f"confirm-mailing {_mark(email)} {at.astimezone(datetime.UTC):%Y-%m-%d}"


def _mark(email: str) -> str:
    """Stands for an address without telling it."""
    return salted_hmac("leads.confirming", normalise_email(email), algorithm="sha256").hexdigest()[:32]
