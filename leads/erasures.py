"""Recognising persons whose data was erased, without knowing anything of them: by keyed hashes.

The key is made of the installation's SECRET_KEY: nobody without it can try whether somebody was erased here.
"""

import datetime
from collections.abc import Iterable

from django.db import connection
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts.access import NotAllowed
from leads.models import Contact, ErasedMark
from leads.normalise import normalise_email, phone_digits

_SALT = "leads.erasures"


def _digest(kind: str, value: str) -> str:
    return salted_hmac(_SALT, f"{kind}\x00{value}", algorithm="sha256").hexdigest()


def mark_of_email(email: str) -> str:
    return _digest("email", normalise_email(email))


def mark_of_phone(phone: str) -> str:
    """The same for every notation of one number in E.164."""
    return _digest("phone", phone_digits(phone))


def mark_of_identity(system: str, external_id: str) -> str:
    return _digest("identity", f"{system}\x00{external_id}")


def mark_of_row(contact: Contact) -> str:
    """Of the row itself: after a restore its number may have been given to somebody else, who was added later."""
    return _digest("row", f"{contact.pk}\x00{contact.created_at.astimezone(datetime.UTC).isoformat()}")


def erased_among(marks: Iterable[str]) -> set[str]:
    """Those of `marks` that belong to somebody who was erased."""
    wanted = list(marks)
    return set(ErasedMark.objects.filter(digest__in=wanted).values_list("digest", flat=True)) if wanted else set()


def require_present(contact: Contact) -> None:
    """Raises NotAllowed for a person whose data was erased: nothing is written about them any more.

    Asked of the database anew: who waited for the lead while the person was erased has read the contact before that.
    """
    if Contact.objects.filter(pk=contact.pk, erased_at__isnull=False).exists():
        raise NotAllowed(_("This person's data was erased; nothing can be recorded about them any more."))


def let_history_be_erased(allowed: bool) -> None:
    """In this transaction, let the `data` of lead events be rewritten, or no longer. Everything else stays append-only."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('leadflow.erasing', %s, true)", ["on" if allowed else "off"])
        else:
            cursor.execute("INSERT INTO leads_erasing VALUES (1)" if allowed else "DELETE FROM leads_erasing")
