"""Who gets the next lead."""

from django.db.models import F, OuterRef, Subquery

from accounts.models import Role, Team, User
from pipeline.models import Handoff


def next_rep(team: Team | None = None) -> User | None:
    """The active sales rep (of `team`, if given) who has waited longest for a handoff; None when there is none.

    Inside a transaction the reps stay locked until its end, so that two handoffs at once don't go to the same one.
    """
    reps = User.objects.active().filter(role=Role.SALES_REP)
    if team is not None:
        reps = reps.filter(team=team)
    list(reps.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    latest = Handoff.objects.filter(assigned_to=OuterRef("pk")).order_by("-handed_over_at", "-pk")
    return (
        reps.annotate(
            latest_at=Subquery(latest.values("handed_over_at")[:1]), latest_pk=Subquery(latest.values("pk")[:1])
        )
        .order_by(F("latest_at").asc(nulls_first=True), F("latest_pk").asc(nulls_first=True), "pk")
        .first()
    )
