"""Who of sales gets a lead: the rules decide and explain, for one lead or for thousands.

Rules are tried in their order; the first whose conditions hold and that has somebody free decides. Where none does, the
rep who has waited longest gets it. What was decided is explained as data (`Routed.why`), which `leads.routed` puts into
words.
"""

import datetime
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet, prefetch_related_objects

from accounts.models import Organisation, User
from leads.models import Lead
from pipeline.models import RoutingRule
from pipeline.routing.clients import Clients
from pipeline.routing.deciding import Desk, Routed
from pipeline.routing.people import lock_sales, sellers

__all__ = ["Desk", "Routed", "all_rules", "by_hand", "open_desk", "route", "route_many", "rules_in_use", "would_go_to"]


def route(lead: Lead, *, at: datetime.datetime) -> Routed:
    """Who gets `lead` at `at`, and why. Inside a transaction, whose end lets go of the reps that it holds."""
    return route_many([lead], at=at)[0]


def route_many(leads: Sequence[Lead], *, at: datetime.datetime) -> list[Routed]:
    """Who gets each of `leads`, in their order: each counts for the next. As many queries for thousands as for one.

    Holds the reps until the end of the transaction, so that two batches at once count each other.
    """
    lock_sales()
    desk = open_desk(leads, at=at)
    return [desk.give(lead, at) for lead in leads]


def would_go_to(lead: Lead, *, at: datetime.datetime) -> Routed:
    """As `route`, but only asking: nothing is held."""
    return open_desk([lead], at=at).give(lead, at)


def open_desk(leads: Sequence[Lead], *, at: datetime.datetime) -> Desk:
    """A desk that knows all that the decisions about `leads` need."""
    organisation = Organisation.current()
    prefetch_related_objects(leads, "contact__company", "campaign")
    rules = list(rules_in_use())
    day = organisation.day_of(at)
    clients = Clients([lead.contact for lead in leads] if any(rule.asks_for_client for rule in rules) else [])
    return Desk(rules, sellers(organisation, at=at, absent_from=day, absent_until=day), clients, organisation)


def all_rules() -> "QuerySet[RoutingRule]":
    """Every rule in its order, with all that deciding asks of it."""
    return RoutingRule.objects.select_related("team", "person").prefetch_related("products", "channels")


def rules_in_use() -> "QuerySet[RoutingRule]":
    return all_rules().filter(is_active=True)


def by_hand(how: str, by: User | None, **more: Any) -> dict[str, Any]:
    """The explanation of a handoff that no rule decided: `how` is one of "chosen", "reassigned", "dispute", "taken"."""
    return {"how": how, **({"by": str(by)} if by else {}), **more}
