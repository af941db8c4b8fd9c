"""Where the leads of the last 30 days would have gone by the rules as they stand now. It changes nothing.

The handoffs are gone through in order of time. Each counts for the next as if it had gone where the rules say, and until
the moment of its real verdict; clients are those who were clients at that moment.
"""

import dataclasses
import datetime
import heapq
from collections import Counter

from django.db.models import Q

from accounts.models import Organisation, User
from leads.routed import in_words
from pipeline.models import Handoff, RoutingRule
from pipeline.routing import all_rules, rules_in_use
from pipeline.routing.clients import Clients
from pipeline.routing.deciding import Desk, Routed
from pipeline.routing.people import NEVER, Seller, counts_since, counts_until, sellers

DAYS = 30
MOST = 2_000  # handoffs that are gone through, the latest


@dataclasses.dataclass(frozen=True)
class Compared:
    """A handoff, who really got the lead, and who would have."""

    handoff: Handoff
    routed: Routed

    @property
    def why(self) -> str:
        return in_words(self.routed.why)

    @property
    def is_moved(self) -> bool:
        return self.routed.rep is not None and self.routed.rep.pk != self.handoff.assigned_to_id


@dataclasses.dataclass(frozen=True)
class Preview:
    rows: list[Compared]  # in order of time
    is_cut: bool  # there were more handoffs than are gone through

    def per_rep(self) -> list[tuple[User, int, int]]:
        """(rep, leads they really got, leads they would have got), by name."""
        had = Counter(row.handoff.assigned_to for row in self.rows)
        would = Counter(row.routed.rep for row in self.rows if row.routed.rep is not None)
        people = sorted({*had, *would}, key=lambda user: (str(user), user.pk))
        return [(user, had[user], would[user]) for user in people]

    def per_rule(self) -> list[tuple[RoutingRule | None, int]]:
        """(rule, leads that it decided), in the order of the rules; None: whose turn it was, at the end."""
        decided = Counter(row.routed.rule for row in self.rows)
        turns = decided.pop(None, 0)
        by_rule = sorted(
            ((rule, count) for rule, count in decided.items() if rule), key=lambda each: (each[0].position, each[0].pk)
        )
        return [*by_rule, (None, turns)]


def preview(*, at: datetime.datetime, with_unused: bool = False) -> Preview:
    """Route the handoffs of the 30 days until `at` again, by the rules in use or by all there are."""
    since = at - datetime.timedelta(days=DAYS)
    recent = Handoff.objects.filter(handed_over_at__gt=since, handed_over_at__lte=at)
    rows = recent.select_related("lead__contact__company", "lead__campaign", "lead__product", "assigned_to")
    latest = list(rows.order_by("-handed_over_at", "-pk")[: MOST + 1])
    handoffs, is_cut = latest[:MOST][::-1], len(latest) > MOST
    if not handoffs:
        return Preview([], False)
    organisation, first = Organisation.current(), handoffs[0].handed_over_at
    days = [organisation.day_of(moment) for moment in (first, at)]
    staff = sellers(organisation, at=at, absent_from=days[0], absent_until=days[1])
    ledger = _Ledger(staff, first, organisation)
    rules = list(all_rules() if with_unused else rules_in_use())
    desk = Desk(rules, staff, Clients([handoff.lead.contact for handoff in handoffs]), organisation)
    compared = []
    for handoff in handoffs:
        ledger.advance(handoff.handed_over_at)
        routed = desk.give(handoff.lead, handoff.handed_over_at)
        if routed.rep is not None:
            ledger.note(routed.rep.pk, handoff.handed_over_at, handoff.decided_at)
        compared.append(Compared(handoff, routed))
    return Preview(compared, is_cut)


class _Ledger:
    """What each had at a moment of the past, forwards in time: handoffs end with their verdict, and grow 30 days old."""

    def __init__(self, staff: dict[int, Seller], start: datetime.datetime, organisation: Organisation) -> None:
        self._staff, self._organisation = staff, organisation
        self._ends: list[tuple[datetime.datetime, int, str]] = []
        for seller in staff.values():
            seller.open = seller.recent = 0
            seller.latest = (NEVER, 0)
        since = counts_since(start, organisation)
        matters = Q(handed_over_at__gte=since) | Q(decided_at__isnull=True) | Q(decided_at__gt=start)
        before = Handoff.objects.filter(matters, handed_over_at__lt=start, assigned_to__in=staff)
        for pk, rep, handed, decided in before.order_by("handed_over_at", "pk").values_list(
            "pk", "assigned_to", "handed_over_at", "decided_at"
        ):
            staff[rep].latest = (handed, pk)
            is_open, is_recent = decided is None or decided > start, handed >= since
            staff[rep].open += is_open
            staff[rep].recent += is_recent
            self.note(rep, handed, decided, is_open=is_open, is_recent=is_recent)

    def note(
        self,
        rep: int,
        handed: datetime.datetime,
        decided: datetime.datetime | None,
        *,
        is_open: bool = True,
        is_recent: bool = True,
    ) -> None:
        """Remember when a handoff that was counted stops counting."""
        if is_open and decided is not None:
            heapq.heappush(self._ends, (decided, rep, "open"))
        if is_recent:
            heapq.heappush(self._ends, (counts_until(handed, self._organisation), rep, "recent"))

    def advance(self, to: datetime.datetime) -> None:
        """Let everything end that ended by `to`."""
        while self._ends and self._ends[0][0] <= to:
            _at, rep, what = heapq.heappop(self._ends)
            seller = self._staff[rep]
            setattr(seller, what, getattr(seller, what) - 1)
