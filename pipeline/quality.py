"""Quality checks beyond one review: which conversations are picked by chance, keeping checklists, and how people do."""

import dataclasses
import datetime
import hashlib
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Avg, Count, Exists, F, FloatField, Max, OuterRef, Q, Sum
from django.db.models.functions import Cast, TruncMonth
from django.urls import reverse
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import Organisation, Role, User
from pipeline.models import (
    Activity,
    Checklist,
    ChecklistItem,
    Notification,
    QualityReview,
    ReviewProposal,
    ReviewScore,
)
from pipeline.models.quality import QualityReviewQuerySet
from pipeline.notify import notify
from pipeline.transitions.quality import SPOKEN
from pipeline.transitions.rules import TransitionError

WEEK = datetime.timedelta(days=7)
MONTHS = 12  # of a trend


# --- Picking by chance -----------------------------------------------------------------------------------------------


def last_week(at: datetime.datetime) -> datetime.date:
    """The Monday of the last whole week, in the organisation's time zone."""
    today = at.astimezone(Organisation.current().tzinfo).date()
    return today - datetime.timedelta(days=today.weekday()) - WEEK


def propose(at: datetime.datetime) -> int:
    """Pick last week's conversations for review, for each checklist and rep as many as it says; tell their managers.

    Returns how many were picked now: run again, or by two at once, it picks no others.
    """
    week, picked = last_week(at), 0
    for checklist in Checklist.objects.filter(is_active=True, a_week__gt=0).exclude(kind=Checklist.Kind.MYSTERY):
        picked += _propose_by(checklist, week)
    _tell_managers(week, at)
    return picked


@transaction.atomic
def _propose_by(checklist: Checklist, week: datetime.date) -> int:
    checklist = Checklist.objects.select_for_update().get(pk=checklist.pk)  # two workers wait here for each other
    zone = Organisation.current().tzinfo
    start, end = (datetime.datetime.combine(day, datetime.time(), zone) for day in (week, week + WEEK))
    mine = ReviewProposal.objects.filter(checklist=checklist)
    had = dict(
        mine.filter(week=week).order_by().values("person").annotate(Count("pk")).values_list("person", "pk__count")
    )
    candidates: dict[int, list[int]] = {}
    spoken = Activity.objects.filter(
        ~Exists(QualityReview.objects.filter(activity=OuterRef("pk"), checklist=checklist)),
        ~Exists(mine.filter(activity=OuterRef("pk"))),
        by__in=User.objects.active().filter(role__in=access.PICKED_FOR_REVIEW),
        kind=checklist.kind,
        outcome__in=SPOKEN,
        at__gte=start,
        at__lt=end,
    )
    for person, activity in spoken.order_by().values_list("by_id", "pk"):
        candidates.setdefault(person, []).append(activity)
    rows = [
        ReviewProposal(checklist=checklist, activity_id=activity, person_id=person, week=week)
        for person, activities in sorted(candidates.items())
        for activity in pick(activities, checklist.a_week - had.get(person, 0), lot=f"{week} {checklist.pk} {person}")
    ]
    ReviewProposal.objects.bulk_create(rows)
    return len(rows)


def pick(activities: Iterable[int], number: int, *, lot: str) -> list[int]:
    """`number` of the activities, each as likely as any other, and the same ones whenever it is asked again.

    Their order is that of a keyed hash of the `lot` (which draw this is) and their number: nobody who doesn't know the
    secret key can tell beforehand what will be picked, and nothing that a rep does makes one call likelier than another.
    """
    drawn = sorted(activities, key=lambda activity: salted_hmac("quality", f"{lot} {activity}").digest())
    return drawn[: max(0, number)]


@transaction.atomic
def _tell_managers(week: datetime.date, at: datetime.datetime) -> None:
    """Tell each manager once that conversations of their team wait; the directors, where a rep has no manager."""
    waiting = ReviewProposal.objects.filter(week=week, review__isnull=True, skipped_because="")
    people = list(User.objects.filter(pk__in=waiting.values("person")))
    if not people:
        return
    Organisation.objects.select_for_update().get_or_create(pk=1)  # two workers wait here for each other
    bosses = list(User.objects.active().filter(role__in=access.REVIEW_WORK))
    recipients: set[int] = set()
    for person in people:
        may = [boss for boss in bosses if access.can_review(boss, person)]
        managers = [boss for boss in may if boss.role == Role.SALES_MANAGER]
        recipients.update(boss.pk for boss in managers or may)
    url = f"{reverse('pipeline:review_proposals')}?week={week.isoformat()}"
    told = Notification.objects.filter(kind=Notification.Kind.REVIEW_PROPOSED, data__url=url)
    left = User.objects.filter(pk__in=recipients).exclude(pk__in=told.values("recipient")).order_by("pk")
    for boss in left:
        with translation.override(boss.language):
            about = _("Quality checks")
        notify(Notification.Kind.REVIEW_PROPOSED, [boss], None, at=at, about=about, url=url)


# --- Keeping checklists ----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Item:
    """One row of a checklist as somebody wrote it; without a number it is new."""

    text: str
    points: int
    is_active: bool
    pk: int | None = None


def version(checklist: Checklist) -> str:
    """Of all that can be edited: another one says that somebody saved it since."""
    rows = list(checklist.items.values_list("pk", "text", "points", "position", "is_active"))
    said = repr((checklist.name, checklist.kind, checklist.a_week, checklist.is_active, rows))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


@transaction.atomic
def save_checklist(checklist: Checklist, items: list[Item], *, by: User | None, seen: str | None = None) -> Checklist:
    """Write a new or changed checklist with its items in their order. Reviews keep the words and points they were made by.

    `seen` is its `version` as it was opened. Raises NotAllowed, and TransitionError where somebody saved it since, or no
    item would be in use.
    """
    if not access.may(by, access.EDIT_CHECKLISTS):
        raise NotAllowed(_("Only sales managers and the director edit checklists."))
    if checklist.pk:
        stored = Checklist.objects.select_for_update().get(pk=checklist.pk)
        if seen is not None and seen != version(stored):
            raise TransitionError(
                _("Somebody saved this checklist while you were editing it. Nothing of yours is saved: open it anew.")
            )
        if stored.kind != checklist.kind and stored.reviews.exists():
            raise TransitionError(_("There are reviews by it already, so it stays for what it is for."))
    if checklist.is_active and not any(item.is_active for item in items):
        raise TransitionError(_("A checklist in use needs one item at least."))
    checklist.save()
    mine = {item.pk: item for item in checklist.items.all()}
    for position, item in enumerate(items):
        row = mine.get(item.pk) if item.pk else ChecklistItem(checklist=checklist)
        if row is None:
            raise TransitionError(_("That item isn't of this checklist."))
        row.text, row.points, row.position, row.is_active = item.text, item.points, position, item.is_active
        row.save()
    return checklist


# --- How people do ---------------------------------------------------------------------------------------------------


def _share(points: str, most: str) -> Any:
    return Cast(F(points), FloatField()) / Cast(F(most), FloatField())


def months_until(last: datetime.date) -> list[datetime.date]:
    """The first days of the last `MONTHS` months, the oldest first."""
    months = [last.replace(day=1)]
    while len(months) < MONTHS:
        months.append((months[-1] - datetime.timedelta(days=1)).replace(day=1))
    return months[::-1]


def by_month(reviews: QualityReviewQuerySet, today: datetime.date) -> list[dict[str, Any]]:
    """Average share and number of the reviews of each of the last twelve months; None where there were none."""
    months = months_until(today)
    counted: dict[Any, Any] = {
        row["month"]: row
        for row in reviews.filter(happened_on__gte=months[0])
        .order_by()
        .values(month=TruncMonth("happened_on"))
        .annotate(average=Avg(_share("points", "most_points")), number=Count("pk"))
    }
    return [
        {
            "month": month,
            "average": counted[month]["average"] if month in counted else None,
            "number": counted[month]["number"] if month in counted else 0,
        }
        for month in months
    ]


def by_checklist(reviews: QualityReviewQuerySet) -> list[dict[str, Any]]:
    """Average share, number and last day by checklist."""
    rows = {
        row["checklist"]: row
        for row in reviews.order_by()
        .values("checklist")
        .annotate(average=Avg(_share("points", "most_points")), number=Count("pk"), last=Max("happened_on"))
    }
    checklists = Checklist.objects.filter(pk__in=rows)
    return [rows[checklist.pk] | {"checklist": checklist} for checklist in checklists]


def by_item(reviews: QualityReviewQuerySet) -> list[dict[str, Any]]:
    """Points of the most by item, over all reviews in which it was scored; the weakest first."""
    counted = {
        row["item"]: row
        for row in ReviewScore.objects.filter(review__in=reviews.order_by().values("pk"))
        .order_by()
        .values("item")
        .annotate(got=Sum("points"), most=Sum("most_points"), number=Count("pk"))
    }
    items = ChecklistItem.objects.filter(pk__in=counted).select_related("checklist")
    rows = [
        counted[item.pk] | {"item": item, "share": counted[item.pk]["got"] / counted[item.pk]["most"]} for item in items
    ]
    return sorted(rows, key=lambda row: (row["share"], row["item"].pk))


def people(reviews: QualityReviewQuerySet, today: datetime.date) -> list[dict[str, Any]]:
    """For each salesperson, and everybody who was reviewed: the last ninety days against the ninety before."""
    recent, before = (today - datetime.timedelta(days=days) for days in (90, 180))
    of_recent, of_before = Q(happened_on__gte=recent), Q(happened_on__gte=before, happened_on__lt=recent)
    counted = {
        row["person"]: row
        for row in reviews.filter(happened_on__gte=before)
        .order_by()
        .values("person")
        .annotate(
            number=Count("pk", filter=of_recent),
            average=Avg(_share("points", "most_points"), filter=of_recent),
            average_before=Avg(_share("points", "most_points"), filter=of_before),
        )
    }
    waiting = dict(
        ReviewProposal.objects.open(today)
        .order_by()
        .values("person")
        .annotate(Count("pk"))
        .values_list("person", "pk__count")
    )
    everybody = User.objects.filter(Q(pk__in=counted) | Q(role__in=access.PICKED_FOR_REVIEW, is_active=True))
    nothing = {"number": 0, "average": None, "average_before": None}
    return [
        (counted.get(person.pk) or nothing) | {"person": person, "waiting": waiting.get(person.pk, 0)}
        for person in everybody.select_related("team").order_by("team__name", "name", "pk")
    ]
