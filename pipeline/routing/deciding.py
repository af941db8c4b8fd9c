"""One decision: which rule, which rep, and why. In memory; what it needs to know is loaded before."""

import dataclasses
import datetime
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from accounts.models import Organisation, User
from leads.models import Lead
from leads.normalise import fold
from pipeline.models import RoutingRule, Takes
from pipeline.routing.clients import Client, Clients
from pipeline.routing.people import Seller

MOST_PASSED = 20  # people whom an explanation names as passed over


@dataclasses.dataclass(frozen=True)
class Routed:
    """Who gets a lead, by which rule (None: nobody's, whose turn it is), and why as data for `leads.routed`."""

    rep: User | None
    rule: RoutingRule | None
    how: str
    why: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class _Ready:
    """Somebody who can have the lead as far as limits allow; perhaps in the place of somebody who is away."""

    seller: Seller
    deputy_of: str = ""


@dataclasses.dataclass
class _Pool:
    ready: list[_Ready] = dataclasses.field(default_factory=list)
    passed: list[dict[str, str]] = dataclasses.field(default_factory=list)


class _Conditions:
    """For which leads a rule is meant; every condition that is set must hold."""

    def __init__(self, rule: RoutingRule) -> None:
        self.products = {product.pk for product in rule.products.all()}
        self.channels = {channel.pk for channel in rule.channels.all()}
        self.regions = rule.folded_regions
        self.is_of_client = {RoutingRule.Client.NEW: False, RoutingRule.Client.EXISTING: True}.get(
            RoutingRule.Client(rule.client)
        )
        self.needs_owner = rule.to == RoutingRule.To.OWNER

    def hold(self, lead: Lead, client: Client | None) -> bool:
        if self.products and lead.product_id not in self.products:
            return False
        if self.is_of_client is not None and self.is_of_client != (client is not None):
            return False
        if self.needs_owner and client is None:
            return False
        if self.channels and lead.campaign.channel_id not in self.channels:
            return False
        if self.regions:
            company = lead.contact.company
            return company is not None and not self.regions.isdisjoint({fold(company.country), fold(company.city)})
        return True


class Desk:
    """Gives out leads one after another and counts along: who was given one has more, and waits again."""

    def __init__(
        self,
        rules: Sequence[RoutingRule],
        sellers: dict[int, Seller],
        clients: Clients,
        organisation: Organisation,
    ) -> None:
        self.sellers = sellers
        self._rules = [(rule, _Conditions(rule)) for rule in rules]
        self._clients = clients
        self._organisation = organisation
        # Later than any handoff there is, so that of two given out at one moment the later one waits longer.
        self._numbers = itertools.count(max((seller.latest[1] for seller in sellers.values()), default=0) + 1)
        self._pools: dict[tuple, _Pool] = {}
        self._pools_at: datetime.datetime | None = None

    def give(self, lead: Lead, at: datetime.datetime) -> Routed:
        """Decide and count it. `rep` is None only where nobody of sales is active."""
        routed = self._decide(lead, at)
        if routed.rep is not None:
            seller = self.sellers[routed.rep.pk]
            seller.open += 1
            seller.recent += 1
            seller.latest = (at, next(self._numbers))
        return routed

    def _decide(self, lead: Lead, at: datetime.datetime) -> Routed:
        client = self._clients.of(lead.contact, at)
        nobody: list[str] = []
        for rule, conditions in self._rules:
            if not conditions.hold(lead, client):
                continue
            owner = client if conditions.needs_owner else None
            pool = self._pool(rule, owner, at)
            free = [ready for ready in pool.ready if not ready.seller.is_over_limit]
            if not free:
                nobody.append(rule.name)
                continue
            chosen = min(free, key=_LEAST[RoutingRule.Order(rule.order)])
            why = {
                "how": "rule",
                "rule": rule.name,
                "rule_id": rule.pk,
                "to": rule.to,
                "takes": rule.takes,
                "order": rule.order,
                "of": len(free),
                **({"team": str(rule.team)} if rule.to == RoutingRule.To.TEAM else {}),
                **({"client": client.how} if owner is not None and client is not None else {}),
            }
            return Routed(chosen.seller.user, rule, "rule", why | _details(chosen, pool, nobody))
        return self._whose_turn(nobody, at)

    def _whose_turn(self, nobody: list[str], at: datetime.datetime) -> Routed:
        """No rule found anybody: who waited longest of all reps; a lead is never left lying, limits or not."""
        pool = self._pool(None, None, at)
        below = [ready for ready in pool.ready if not ready.seller.is_over_limit]
        everybody = [_Ready(seller) for seller in self.sellers.values() if seller.is_in_turn]
        for free, regardless in ((below, ""), (pool.ready, "limits"), (everybody, "all")):
            if free:
                chosen = min(free, key=_LEAST[RoutingRule.Order.LEAST_RECENT])
                why: dict[str, Any] = {"how": "turn", "order": RoutingRule.Order.LEAST_RECENT.value, "of": len(free)}
                why |= {"regardless": regardless} if regardless else {}
                return Routed(chosen.seller.user, None, "round_robin", why | _details(chosen, pool, nobody))
        return Routed(None, None, "", {})

    def has_somebody(self, rule: RoutingRule, at: datetime.datetime) -> bool:
        """Whether the rule (to a person, a team or all) would find anybody at that moment, limits apart."""
        return bool(self._pool(rule, None, at).ready)

    # --- Who there is for a rule ---

    def _pool(self, rule: RoutingRule | None, owner: Client | None, at: datetime.datetime) -> _Pool:
        """Those whom the rule means and who are there at `at`; limits apart, since they change with each lead."""
        if self._pools_at != at:
            self._pools, self._pools_at = {}, at
        key = (rule and rule.pk, owner and owner.owner_id)
        if key not in self._pools:
            self._pools[key] = self._fill(rule, owner, at)
        return self._pools[key]

    def _fill(self, rule: RoutingRule | None, owner: Client | None, at: datetime.datetime) -> _Pool:
        pool, day = _Pool(), self._organisation.day_of(at)
        replaced: list[_Ready] = []
        in_office_hours = rule is not None and rule.in_office_hours
        for seller, name in self._meant(rule, owner):
            if seller is None:
                pool.passed.append({"who": name, "why": "gone"})
            elif not seller.profile.is_receiving:
                pool.passed.append({"who": name, "why": "receiving"})
            elif (absence := seller.absence_on(day)) is not None:
                deputy = self._deputy(seller, day)
                told = {"who": name, "why": "away", "until": absence.ends_on.isoformat()}
                if deputy is not None:
                    told["deputy"] = str(deputy.user)
                    replaced.append(_Ready(deputy, name))
                pool.passed.append(told)
            elif in_office_hours and not seller.profile.is_at_work(at, self._organisation):
                pool.passed.append({"who": name, "why": "at_work"})
            else:
                pool.ready.append(_Ready(seller))
        there = {ready.seller.user.pk for ready in pool.ready}
        for ready in replaced:
            # Who stands in for somebody of the same pool doesn't get two turns.
            if ready.seller.user.pk in there:
                continue
            there.add(ready.seller.user.pk)
            if in_office_hours and not ready.seller.profile.is_at_work(at, self._organisation):
                pool.passed.append({"who": str(ready.seller.user), "why": "at_work"})
            else:
                pool.ready.append(ready)
        return pool

    def _meant(self, rule: RoutingRule | None, owner: Client | None) -> Iterable[tuple[Seller | None, str]]:
        if rule is None:
            return [(seller, str(seller.user)) for seller in self.sellers.values() if seller.is_in_turn]
        if rule.to == RoutingRule.To.OWNER:
            return [(self.sellers.get(owner.owner_id), owner.owner)] if owner is not None else []
        if rule.to == RoutingRule.To.PERSON:
            return [(self.sellers.get(rule.person_id or 0), str(rule.person))]
        return [
            (seller, str(seller.user))
            for seller in self.sellers.values()
            if seller.is_in_turn
            and (rule.to != RoutingRule.To.TEAM or seller.user.team_id == rule.team_id)
            and (rule.takes == Takes.BOTH or seller.profile.takes in (rule.takes, Takes.BOTH))
        ]

    def _deputy(self, absent: Seller, day: datetime.date) -> Seller | None:
        """Who stands in: the deputy, or where they are away, too, theirs. None where that leads nowhere, or round."""
        met = {absent.user.pk}
        seller: Seller | None = absent
        while seller is not None and (absence := seller.absence_on(day)) is not None:
            seller = self.sellers.get(absence.deputy_id or 0)
            if seller is None or seller.user.pk in met:
                return None
            met.add(seller.user.pk)
        return seller


_LEAST = {
    RoutingRule.Order.LEAST_RECENT: lambda ready: (*ready.seller.latest, ready.seller.user.pk),
    RoutingRule.Order.LEAST_LOADED: lambda ready: (ready.seller.open, *ready.seller.latest, ready.seller.user.pk),
}


def _details(chosen: _Ready, pool: _Pool, nobody: list[str]) -> dict[str, Any]:
    """What an explanation adds: for whom the rep stands in, who was passed over, which rules had nobody."""
    over = [ready.seller.user for ready in pool.ready if ready.seller.is_over_limit and ready is not chosen]
    passed = [*pool.passed, *({"who": str(user), "why": "limits"} for user in over)]
    details: dict[str, Any] = {"deputy_of": chosen.deputy_of} if chosen.deputy_of else {}
    if passed:
        details["passed"] = passed[:MOST_PASSED]
    if len(passed) > MOST_PASSED:
        details["passed_more"] = len(passed) - MOST_PASSED
    if nobody:
        details["nobody"] = nobody[:MOST_PASSED]
    return details
