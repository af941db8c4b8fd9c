"""Who takes over what belongs to somebody who left, or to nobody."""

from collections.abc import Collection

from accounts import access
from accounts.models import User
from leads.models import Lead
from pipeline.models import Opportunity


class StandIns:
    """The active people, fetched once for many rows. What has to be shared out goes by its number: to all in turn."""

    def __init__(self) -> None:
        people = list(User.objects.active().filter(role__in=access.ASK_AGAIN).order_by("pk"))
        self._marketing = [user for user in people if access.may(user, access.MARKETING)]
        self._sales = [user for user in people if access.may(user, access.SALES)]
        self._directors = [user for user in people if user not in self._marketing and user not in self._sales]

    def of_lead(self, lead: Lead, besides: Collection[int] = ()) -> User | None:
        """The lead's owner in marketing, else somebody of marketing, else a director. `besides` are not asked."""
        if lead.owner is not None and access.may(lead.owner, access.CALL_LEADS):
            return lead.owner if lead.owner.pk not in besides else None
        return _in_turn(lead.pk, besides, self._marketing, self._directors)

    def of_opportunity(self, opportunity: Opportunity, besides: Collection[int] = ()) -> User | None:
        """The opportunity's owner, else somebody of their team, else of sales, else a director."""
        owner = opportunity.owner
        if access.may(owner, access.SELL):
            return owner if owner.pk not in besides else None
        team = [user for user in self._sales if owner.team_id and user.team_id == owner.team_id]
        return _in_turn(opportunity.pk, besides, team, self._sales, self._directors)


def _in_turn(number: int, besides: Collection[int], *groups: list[User]) -> User | None:
    for group in groups:
        if left := [user for user in group if user.pk not in besides]:
            return left[number % len(left)]
    return None


def marketer_of(lead: Lead, *, preferred: User | None) -> User | None:
    """Whose the lead is in marketing: its owner, else `preferred` where they are of marketing, else somebody in turn."""
    if lead.owner is not None and access.may(lead.owner, access.CALL_LEADS):
        return lead.owner
    if preferred is not None and access.may(preferred, access.CALL_LEADS):
        return preferred
    return StandIns().of_lead(lead)
