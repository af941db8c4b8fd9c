"""What a person chooses about our mails, on the page that each mail links to, or by their mail program's button."""

import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from leads import consents
from leads.editing import edit_contact
from leads.models import Contact, Purpose
from pipeline.nurture.enrol import leave
from pipeline.nurture.running import note_opt_out


@transaction.atomic
def unsubscribe(contact: Contact, *, at: datetime.datetime) -> None:
    """No mailings any more: the consent is withdrawn and every nurture plan ends at once. Twice changes nothing."""
    _withdraw(contact, _("unsubscribe link"), at)
    leave(at, contact=contact)


@transaction.atomic
def choose(contact: Contact, *, mailing: bool, do_not_contact: bool, at: datetime.datetime) -> None:
    """Write both choices. Whoever wants no contact at all gets no mailings either."""
    source = _("mailing preferences page")
    contact = Contact.objects.select_for_update().get(pk=contact.pk)
    agreed = consents.agreed(contact, Purpose.MAILING)
    if contact.do_not_contact != do_not_contact:
        edit_contact(contact, {"do_not_contact": do_not_contact}, by=None, at=at)
    if mailing and not do_not_contact and not agreed:
        consents.give(contact, Purpose.MAILING, source=source, at=at)
    elif agreed and (do_not_contact or not mailing):
        _withdraw(contact, source, at)
    leave(at, contact=contact)


def _withdraw(contact: Contact, source: str, at: datetime.datetime) -> None:
    agreed = consents.agreed(contact, Purpose.MAILING)
    consents.withdraw(contact, Purpose.MAILING, source=source, at=at)
    if agreed:
        note_opt_out(contact.pk, at)
