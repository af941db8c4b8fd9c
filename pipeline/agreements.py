"""Putting the next version of the agreement in force, and what each version changed."""

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Field
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from pipeline.models import Agreement, ChannelTerms

TERMS = (
    "first_contact_days",
    "verdict_days",
    "day_kind",
    "remind_days",
    "manager_days",
    "director_days",
    "max_pauses",
    "max_pause_days",
    "restarts_on_reassign",
    "cold_days",
    "cold_to_pool",
    "unreachable_attempts",
    "accepted_share",
    "recycle_days",
    "response_hours",
    "brief_hours",
)
CHANNEL_TERMS = ("first_contact_days", "verdict_days", "day_kind")


class NewerVersion(Exception):
    """Somebody put another version in force since the person looked; the text says so."""


def terms(agreement: Agreement) -> dict[str, object]:
    """What is agreed, by name."""
    return {name: getattr(agreement, name) for name in TERMS}


def channel_terms(agreement: Agreement) -> list[dict[str, Any]]:
    """What is agreed otherwise, channel by channel: `channel`, and what is set of `CHANNEL_TERMS`."""
    rows = agreement.channel_terms.select_related("channel")
    return [{"channel": row.channel, **{name: getattr(row, name) for name in CHANNEL_TERMS}} for row in rows]


@transaction.atomic
def put_in_force(
    agreed: dict[str, object],
    *,
    seen_version: int,
    channels: Iterable[dict[str, Any]] | None = None,
    by: User | None,
    at: datetime.datetime,
    note: str = "",
) -> Agreement:
    """Make the next version, in force from `at`. Handoffs made before go on by the version they were made under.

    `agreed` has every name of `TERMS`; `channels` is as `channel_terms` gives it, None leaves the channels as they are.
    `seen_version` is the version that the person meant to replace.
    """
    if not access.may(by, access.DECIDE_AGREEMENT):
        raise access.NotAllowed(_("Only the director decides the agreement."))
    list(Agreement.objects.select_for_update().order_by("-version")[:1])  # one at a time …
    latest = Agreement.objects.order_by("-version").first()  # … and what was made while we waited
    if latest is not None and latest.version != seen_version:
        raise NewerVersion(_("Somebody put a newer version in force meanwhile. Look at it first, then decide."))
    if channels is None:
        channels = channel_terms(latest) if latest else []
    made = Agreement.objects.create(
        version=latest.version + 1 if latest else 1,
        in_force_at=at,
        created_by=by,
        note=note,
        **{name: agreed[name] for name in TERMS},
    )
    ChannelTerms.objects.bulk_create(ChannelTerms(agreement=made, **row) for row in channels)
    return made


@dataclasses.dataclass(frozen=True)
class Change:
    """One term that a version changed; `channel` where it is one channel's own."""

    channel: str
    label: str | Promise
    before: str
    after: str


def history() -> list[tuple[Agreement, list[Change]]]:
    """Every version, the newest first, and what it changed of the one before."""
    versions = list(Agreement.objects.select_related("created_by").prefetch_related("channel_terms__channel"))
    older = [*versions[1:], None]
    return [(made, _changes(before, made) if before else []) for made, before in zip(versions, older, strict=True)]


def _changes(before: Agreement, made: Agreement) -> list[Change]:
    changes = _differences("", before, made, TERMS)
    old, new = ({row.channel: row for row in version.channel_terms.all()} for version in (before, made))
    for channel in sorted({*old, *new}, key=str):
        nothing = ChannelTerms()
        changes += _differences(str(channel), old.get(channel, nothing), new.get(channel, nothing), CHANNEL_TERMS)
    return changes


def _differences(
    channel: str, before: Agreement | ChannelTerms, made: Agreement | ChannelTerms, names: Iterable[str]
) -> list[Change]:
    return [
        Change(channel, _label(made, name), _in_words(before, name), _in_words(made, name))
        for name in names
        if getattr(before, name) != getattr(made, name)
    ]


def _label(row: Agreement | ChannelTerms, name: str) -> str | Promise:
    field = row._meta.get_field(name)
    assert isinstance(field, Field)
    return field.verbose_name


def _in_words(row: Agreement | ChannelTerms, name: str) -> str:
    value = getattr(row, name)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if value in (None, ""):
        return _("as for all")
    return str(row.get_day_kind_display()) if name == "day_kind" else str(value)
