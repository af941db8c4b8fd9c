"""Giving, asking and withdrawing consent: the one place that decides whether a person may be written to."""

import dataclasses
import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.erasures import require_present
from leads.models import Consent, ConsentText, Contact, LeadEvent
from leads.models.consents import Purpose
from leads.models.contacts import ContactQuerySet


class Refused(Exception):
    """The words can't be put in force; the text says why."""


@dataclasses.dataclass(frozen=True)
class State:
    """How one person stands to one purpose: the row that counts now, if any, and those before it, newest first."""

    purpose: Purpose
    current: Consent | None
    earlier: list[Consent]

    @property
    def is_given(self) -> bool:
        return self.current is not None and self.current.is_valid


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
    """Record that `contact` agreed, to `text` or to the words in force. Agreeing twice changes nothing.

    A person who doesn't want to be contacted stays so: anybody can tick a box on a public page, so only somebody who
    spoke to the person takes that back, by editing the contact. Raises NotAllowed, as for an erased person.
    """
    locked = _lock(contact, by)
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
    """End the consent, or record the refusal of what was never agreed to. Withdrawing twice changes nothing.

    Who withdraws being contacted is not contacted any more, whatever else they agreed to.
    Raises NotAllowed, as for an erased person.
    """
    locked = _lock(contact, by)
    consents = Consent.objects.filter(contact=contact, purpose=purpose)
    if not consents.valid().update(withdrawn_at=at, withdrawn_in=source[:200]):
        if consents.exists():
            return
        Consent.objects.create(
            contact=contact, purpose=purpose, withdrawn_at=at, withdrawn_in=source[:200], recorded_by=by
        )
    if purpose == Purpose.CONTACT:
        contact.do_not_contact = True
        Contact.objects.filter(pk=contact.pk).update(do_not_contact=True)
    _tell(contact, locked, by=by, at=at, step="withdrawn", purpose=purpose, source=source)


def _lock(contact: Contact, by: User | None) -> Contact:
    if not access.may(by, access.RECORD_CONSENTS):
        raise access.NotAllowed(_("Your role doesn't record consents."))
    locked = Contact.objects.select_for_update().get(pk=contact.pk)
    require_present(locked)
    return locked


def _tell(contact: Contact, locked: Contact, *, by: User | None, at: datetime.datetime, **data: object) -> None:
    """Say on the timelines of the person's leads what was agreed or withdrawn; whoever syncs contacts sees a change."""
    # What waited in a browser happened before; the contact changes only now.
    contact.version, contact.updated_at = locked.version + 1, max(at, locked.updated_at)
    Contact.objects.filter(pk=contact.pk).update(version=contact.version, updated_at=contact.updated_at)
    LeadEvent.objects.bulk_create(
        LeadEvent(lead=lead, kind=LeadEvent.Kind.CONSENT, actor=by, at=at, data=data)
        for lead in contact.leads.only("pk")
    )


def states(contact: Contact) -> list[State]:
    """How the person stands to each purpose, in one query."""
    rows = Consent.objects.filter(contact=contact).select_related("text", "recorded_by").order_by("-pk")
    by_purpose: dict[str, list[Consent]] = {}
    for row in rows:
        by_purpose.setdefault(row.purpose, []).append(row)
    found = [(purpose, by_purpose.get(purpose, [])) for purpose in Purpose]
    return [State(purpose, rows[0] if rows else None, rows[1:]) for purpose, rows in found]


@transaction.atomic
def put_text_in_force(
    purpose: Purpose, text_en: str, text_ru: str, *, seen_version: int, by: User | None, at: datetime.datetime
) -> ConsentText:
    """Make the next version of a purpose's words, in force from `at`. What was agreed to before keeps its own words.

    `seen_version` (0: none) is the version that was meant to be replaced. The same words again make no version.
    Raises NotAllowed, and Refused when there are no words or somebody was faster.
    """
    if not access.may(by, access.WRITE_CONSENT_TEXTS):
        raise access.NotAllowed(_("Only the director or an administrator decides the words of consents."))
    list(ConsentText.objects.select_for_update().filter(purpose=purpose))  # one at a time …
    latest = ConsentText.objects.filter(purpose=purpose).order_by("-version").first()  # … and what came meanwhile
    if not (text_en.strip() or text_ru.strip()):
        raise Refused(_("Write the words in at least one language."))
    if latest is not None and latest.version != seen_version:
        raise Refused(_("Somebody put a newer version in force meanwhile. Look at it first, then decide."))
    if latest is not None and (latest.text_en, latest.text_ru) == (text_en, text_ru):
        return latest
    return ConsentText.objects.create(
        purpose=purpose,
        version=latest.version + 1 if latest else 1,
        text_en=text_en,
        text_ru=text_ru,
        in_force_at=at,
        created_by=by,
    )


def withdrawn_since(contact: Contact, purpose: Purpose, at: datetime.datetime) -> bool:
    """True when the person said no after `at`: what was agreed to before, and is told only now, no longer holds."""
    return Consent.objects.filter(contact=contact, purpose=purpose, withdrawn_at__gt=at).exists()


def agreed(contact: Contact, purpose: Purpose) -> bool:
    return Consent.objects.valid().filter(contact=contact, purpose=purpose).exists()


def refused(contact: Contact, purpose: Purpose) -> bool:
    """True when the person said no, to this purpose or to being contacted at all, and nobody has taken that back."""
    said = Consent.objects.filter(contact=contact, purpose=purpose)
    return contact.do_not_contact or (said.exists() and not said.valid().exists())


def may_be_mailed(contacts: ContactQuerySet) -> ContactQuerySet:
    """Those who agreed to mailings, can be reached by e-mail, and didn't ask to be left alone."""
    return contacts.filter(
        Exists(Consent.objects.valid().filter(contact=OuterRef("pk"), purpose=Purpose.MAILING)),
        do_not_contact=False,
        bounced_at__isnull=True,
    ).exclude(email="")
