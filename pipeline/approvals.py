"""Telling the parties of a round of approval: that they are asked, and how it ended. Part of the minutely sweep.

What must be told follows from rows: who was asked or reminded later than they were told, and rounds that have ended
without that being told. So a sweep that is killed, late or run twice tells each person each thing once.
"""

import datetime
from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import User
from leads.models import Approval, ApprovalRound
from pipeline.models import Notification
from pipeline.notify import notify

BATCH = 100  # rows in one transaction
Outcome = ApprovalRound.Outcome
ENDINGS = {Outcome.APPROVED: Notification.Kind.APPROVED, Outcome.CHANGE: Notification.Kind.CHANGE_ASKED}


@transaction.atomic
def ask_batch(at: datetime.datetime) -> int:
    """Ask up to `BATCH` people who were asked or reminded and weren't told; returns how many."""
    asked = list(
        Approval.objects.filter(Q(told_at=None) | Q(told_at__lt=F("ask_at")), decision="", round__ended_at=None)
        .select_related("person", "round__started_by", "round__criteria_set__product")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")[:BATCH]
    )
    Approval.objects.filter(pk__in=[approval.pk for approval in asked]).update(told_at=at)
    for approval in asked:
        _tell(Notification.Kind.APPROVAL, [approval.person], approval.round, actor=approval.round.started_by, at=at)
    return len(asked)


@transaction.atomic
def end_batch(at: datetime.datetime) -> int:
    """Tell the parties and the starter of up to `BATCH` rounds how they ended; returns how many rounds."""
    ended = list(
        ApprovalRound.objects.filter(outcome__in=ENDINGS, told_at=None)
        .select_related("started_by", "ended_by", "criteria_set__product")
        .prefetch_related("approvals__person")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")[:BATCH]
    )
    ApprovalRound.objects.filter(pk__in=[each.pk for each in ended]).update(told_at=at)
    for each in ended:
        replaced = Approval.Decision.REPLACED
        parties = [approval.person for approval in each.approvals.all() if approval.decision != replaced]
        concerned = [user for user in (each.started_by, *parties) if user != each.ended_by]
        comment = next((row.comment for row in each.approvals.all() if row.decision == Approval.Decision.CHANGE), "")
        kind = ENDINGS[Outcome(each.outcome)]
        _tell(kind, concerned, each, actor=each.ended_by, at=at, note=comment)
    return len(ended)


def _tell(
    kind: Notification.Kind,
    people: Iterable[User | None],
    about: ApprovalRound,
    *,
    actor: User | None,
    at: datetime.datetime,
    note: str = "",
) -> None:
    version = about.criteria_set
    for person in {user.pk: user for user in people if user is not None}.values():
        with translation.override(person.language), timezone.override(person.tzinfo):
            words = note
            if kind == Notification.Kind.APPROVED and version.in_force_at:
                when = date_format(timezone.localtime(version.in_force_at), "DATETIME_FORMAT")
                words = _("In force from %(when)s.") % {"when": when}
            named = str(version)
        notify(
            kind,
            [person],
            None,
            at=at,
            actor=str(actor) if actor else "",
            about=named,
            url=reverse("leads:criteria_version", args=[version.pk]),
            note=words or version.note,
        )
