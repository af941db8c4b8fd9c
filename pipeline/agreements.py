"""Putting the next version of the agreement in force."""

import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from pipeline.models import Agreement

TERMS = (
    "first_contact_days",
    "verdict_days",
    "day_kind",
    "remind_days",
    "manager_days",
    "director_days",
    "cold_days",
    "unreachable_attempts",
    "response_hours",
    "brief_hours",
)


class NewerVersion(Exception):
    """Somebody put another version in force since the person looked; the text says so."""


def terms(agreement: Agreement) -> dict[str, object]:
    """What is agreed, by name."""
    return {name: getattr(agreement, name) for name in TERMS}


@transaction.atomic
def put_in_force(
    agreed: dict[str, object], *, seen_version: int, by: User | None, at: datetime.datetime, note: str = ""
) -> Agreement:
    """Make the next version, in force from `at`. Handoffs made before go on by the version they were made under.

    `agreed` has every name of `TERMS`; `seen_version` is the version that the person meant to replace.
    """
    if not access.may(by, access.DECIDE_AGREEMENT):
        raise access.NotAllowed(_("Only the director decides the agreement."))
    list(Agreement.objects.select_for_update().order_by("-version")[:1])  # one at a time …
    latest = Agreement.objects.order_by("-version").first()  # … and what was made while we waited
    if latest is not None and latest.version != seen_version:
        raise NewerVersion(_("Somebody put a newer version in force meanwhile. Look at it first, then decide."))
    return Agreement.objects.create(
        version=latest.version + 1 if latest else 1,
        in_force_at=at,
        created_by=by,
        note=note,
        **{name: agreed[name] for name in TERMS},
    )
