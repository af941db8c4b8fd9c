"""Who gets the next lead."""

from django.db.models import F, Max

from accounts.models import Role, Team, User


def next_rep(team: Team | None = None) -> User | None:
    """The active sales rep (of `team`, if given) who has waited longest for a handoff; None when there is none."""
    reps = User.objects.active().filter(role=Role.SALES_REP)
    if team is not None:
        reps = reps.filter(team=team)
    return reps.annotate(last=Max("handoffs__handed_over_at")).order_by(F("last").asc(nulls_first=True), "pk").first()
