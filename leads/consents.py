"""Giving, asking and withdrawing consent: the one place that decides whether a person may be written to."""

import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.models import User
from leads.models import Consent, ConsentText, Contact, LeadEvent
from leads.models.consents import Purpose
from leads.models.contacts import ContactQuerySet


@transaction.atomic
def give(
    contact: Contact,
    purpose: Purpose,
    *,
    source: str,
    at: datetime.datetime,
    by: User | None = None,
    text: ConsentText | None = None,
) -> Consent:
    """Record that `contact` agreed, to `text` or to the words in force. Agreeing twice changes nothing."""
    locked = Contact.objects.select_for_update().get(pk=contact.pk)
    valid = Consent.objects.valid().filter(contact=contact, purpose=purpose).first()
    if valid:
        return valid
    text = text or ConsentText.objects.in_force(purpose, at)
    consent = Consent.objects.create(
        contact=contact, purpose=purpose, text=text, given_at=at, source=source[:200], recorded_by=by
    )
    _tell(
        contact, locked, by=by, at=at, step="given", purpose=purpose, source=source, text_version=text and text.version
    )
    return consent


@transaction.atomic
def withdraw(contact: Contact, purpose: Purpose, *, source: str, at: datetime.datetime, by: User | None = None) -> None:
    """End the consent, or record the refusal of what was never agreed to. Withdrawing twice changes nothing."""
    locked = Contact.objects.select_for_update().get(pk=contact.pk)
    consents = Consent.objects.filter(contact=contact, purpose=purpose)
    if not consents.valid().update(withdrawn_at=at, withdrawn_in=source[:200]):
        if consents.exists():
            return
        Consent.objects.create(
            contact=contact, purpose=purpose, withdrawn_at=at, withdrawn_in=source[:200], recorded_by=by
        )
    _tell(contact, locked, by=by, at=at, step="withdrawn", purpose=purpose, source=source)


def _tell(contact: Contact, locked: Contact, *, by: User | None, at: datetime.datetime, **data: object) -> None:
    """Say on the timelines of the person's leads what was agreed or withdrawn; whoever syncs contacts sees a change."""
    contact.version, contact.updated_at = locked.version + 1, at
    Contact.objects.filter(pk=contact.pk).update(version=contact.version, updated_at=at)
    LeadEvent.objects.bulk_create(
        LeadEvent(lead=lead, kind=LeadEvent.Kind.CONSENT, actor=by, at=at, data=data)
        for lead in contact.leads.only("pk")
    )


def agreed(contact: Contact, purpose: Purpose) -> bool:
    return Consent.objects.valid().filter(contact=contact, purpose=purpose).exists()


def may_be_mailed(contacts: ContactQuerySet) -> ContactQuerySet:
    """Those who agreed to mailings, can be reached by e-mail, and didn't ask to be left alone."""
    return contacts.filter(
        Exists(Consent.objects.valid().filter(contact=OuterRef("pk"), purpose=Purpose.MAILING)),
        do_not_contact=False,
        bounced_at__isnull=True,
    ).exclude(email="")
