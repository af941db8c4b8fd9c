"""Who of sales is away and who stands in: recorded by themselves, their manager or the director.

The rules pass over who is away and give to the deputy. What somebody has already stays theirs until it is handed to the
deputy (`hand_to_deputy`).
"""

import datetime

from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from pipeline import transitions
from pipeline.models import Absence, Handoff
from pipeline.transitions.rules import TransitionError, require_seller

MOST_AT_ONCE = 500  # handoffs in one step: what fits into one request


@transaction.atomic
def save_absence(absence: Absence, *, by: User | None, today: datetime.date) -> Absence:
    """Write a new absence, or what was changed of one. The days of one person's absences never overlap.

    Raises NotAllowed, NotYours, and TransitionError for days that are over, a deputy who doesn't sell, and an overlap.
    """
    person = User.objects.select_for_update(no_key=True).get(pk=absence.user_id)  # one of theirs at a time
    require_seller(by, person)
    before = Absence.objects.filter(pk=absence.pk).first() if absence.pk else None
    if absence.pk and before is None:
        raise TransitionError(_("Somebody deleted this absence meanwhile."))
    if before is not None and before.ends_on < today:
        raise TransitionError(_("This absence is over; it stays as it was."))
    if not person.is_active or person.role not in access.SELL:
        raise TransitionError(_("%(rep)s doesn't work in sales.") % {"rep": person})
    if absence.ends_on < (today if before is None else today - datetime.timedelta(days=1)):
        raise TransitionError(_("These days are over already."))
    if before is not None and before.starts_on <= today and absence.starts_on != before.starts_on:
        raise TransitionError(_("It has begun already, so its first day stays."))
    deputy = absence.deputy
    if deputy is not None and (not deputy.is_active or deputy.role not in access.SELL):
        raise TransitionError(_("%(rep)s doesn't work in sales.") % {"rep": deputy})
    others = person.absences.between(absence.starts_on, absence.ends_on).exclude(pk=absence.pk)
    if (other := others.first()) is not None:
        raise TransitionError(
            _("%(rep)s is recorded as away from %(first)s until %(last)s already.")
            % {"rep": person, "first": _day(other.starts_on), "last": _day(other.ends_on)}
        )
    if before is None:
        absence.recorded_by = by
    absence.save()
    return absence


@transaction.atomic
def cancel_absence(absence: Absence, *, by: User | None, today: datetime.date) -> None:
    """Take out an absence that began today at the earliest. Doing it twice is fine. Raises NotAllowed, NotYours and TransitionError."""
    require_seller(by, User.objects.select_for_update(no_key=True).get(pk=absence.user_id))
    kept = Absence.objects.filter(pk=absence.pk).first()
    if kept is None:
        return
    if kept.starts_on < today:
        raise TransitionError(_("It has begun already. Change its last day instead."))
    kept.delete()


def deputy_is_away(absence: Absence) -> Absence | None:
    """The deputy's own absence within these days, if any: a hint for whoever records it, no obstacle."""
    if absence.deputy is None:
        return None
    return absence.deputy.absences.between(absence.starts_on, absence.ends_on).order_by("starts_on").first()


def waiting(person: User) -> list[Handoff]:
    """Their pending handoffs outside the pool, the most urgent first."""
    mine = Handoff.objects.pending().filter(assigned_to=person, pooled_at__isnull=True)
    return list(mine.for_list().order_by("verdict_due_at", "pk")[:MOST_AT_ONCE])


def hand_to_deputy(absence: Absence, *, by: User | None, at: datetime.datetime) -> tuple[int, list[str]]:
    """Give all pending handoffs of who is away to the deputy; the clocks go on as after any reassignment.

    Returns how many the deputy got, and why others were not given. Raises NotAllowed, NotYours, and TransitionError
    where there is no deputy.
    """
    if absence.deputy is None:
        raise TransitionError(_("No deputy is named."))
    done, refused = 0, []
    for handoff in waiting(absence.user):
        try:
            transitions.reassign(handoff, absence.deputy, by=by, at=at)
            done += 1
        except TransitionError as refusal:
            refused.append(str(refusal))
    return done, refused


def _day(day: datetime.date) -> str:
    return date_format(day, "SHORT_DATE_FORMAT")
