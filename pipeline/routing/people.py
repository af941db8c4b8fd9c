"""Sales as the rules see it at a moment: who is there, what each takes, and how much each has."""

import dataclasses
import datetime
from collections.abc import Collection

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts import access
from accounts.models import Organisation, Role, User
from pipeline.models import Absence, Handoff, SalesProfile

LOAD_DAYS = datetime.timedelta(days=30)  # of “leads in 30 days at most”: so many whole days and today
NEVER = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclasses.dataclass
class Seller:
    """One of sales, with what they have: `open` pending handoffs, `recent` ones in 30 days, when they got the last."""

    user: User
    profile: SalesProfile
    absences: list[Absence] = dataclasses.field(default_factory=list)
    open: int = 0
    recent: int = 0
    latest: tuple[datetime.datetime, int] = (NEVER, 0)  # moment and number of the last handoff

    @property
    def is_in_turn(self) -> bool:
        """Reps take turns; managers and the director get what is meant for them only."""
        return self.user.role == Role.SALES_REP

    @property
    def is_over_limit(self) -> bool:
        most_open, most_recent = self.profile.max_open, self.profile.max_in_30_days
        return (most_open is not None and self.open >= most_open) or (
            most_recent is not None and self.recent >= most_recent
        )

    def absence_on(self, day: datetime.date) -> Absence | None:
        return next((absence for absence in self.absences if absence.covers(day)), None)


def counts_since(at: datetime.datetime, organisation: Organisation) -> datetime.datetime:
    """From when on handoffs count in the 30 days until `at`: a midnight, as in the list's filter by days."""
    first = organisation.day_of(at) - LOAD_DAYS
    return datetime.datetime.combine(first, datetime.time(), organisation.tzinfo).astimezone(datetime.UTC)


def counts_until(handed: datetime.datetime, organisation: Organisation) -> datetime.datetime:
    """The midnight at which a handoff leaves the 30 days."""
    last = organisation.day_of(handed) + LOAD_DAYS + datetime.timedelta(days=1)
    return datetime.datetime.combine(last, datetime.time(), organisation.tzinfo).astimezone(datetime.UTC)


def lock_sales() -> None:
    """Hold everybody of sales until the transaction ends, so that two handoffs at once count each other."""
    sales = User.objects.active().filter(role__in=access.SELL)
    list(sales.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


def sellers(
    organisation: Organisation,
    *,
    at: datetime.datetime,
    absent_from: datetime.date,
    absent_until: datetime.date,
    only: Collection[int] | None = None,
) -> dict[int, Seller]:
    """Everybody who sells (or `only` those), by id, with their load now (of 30 days until `at`) and their absences of those days.

    Two queries.
    """
    theirs = Handoff.objects.filter(assigned_to=OuterRef("pk")).order_by()
    latest = theirs.order_by("-handed_over_at", "-pk")
    people = (
        User.objects.active()
        .filter(role__in=access.SELL)
        .select_related("sales_profile", "team")
        .annotate(
            open_count=_count(theirs.pending().filter(pooled_at__isnull=True)),
            recent_count=_count(theirs.filter(handed_over_at__gte=counts_since(at, organisation))),
            latest_at=Subquery(latest.values("handed_over_at")[:1]),
            latest_pk=Subquery(latest.values("pk")[:1]),
        )
    )
    if only is not None:
        people = people.filter(pk__in=only)
    found = {}
    for user in people.order_by("pk"):
        profile = user.sales_profile if hasattr(user, "sales_profile") else SalesProfile(user=user)
        latest_of = (user.latest_at or NEVER, user.latest_pk or 0)
        found[user.pk] = Seller(user, profile, [], user.open_count, user.recent_count, latest_of)
    for absence in Absence.objects.between(absent_from, absent_until):
        if absence.user_id in found:
            found[absence.user_id].absences.append(absence)
    return found


def _count(handoffs: "QuerySet[Handoff]") -> Coalesce:
    return Coalesce(Subquery(handoffs.values("assigned_to").annotate(n=Count("pk")).values("n")), 0)
