"""The list of routing rules: their order, which are in use, and what each says."""

import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.routed import taker
from pipeline.models import RoutingRule
from pipeline.routing import all_rules, open_desk
from pipeline.transitions.rules import TransitionError, require

MOST_RULES = 100  # more nobody reads, and each handing-over tries them


def _lock(by: User | None) -> dict[int, RoutingRule]:
    """All rules in their order, nobody else's to change until the transaction ends."""
    require(by, access.EDIT_ROUTING, _("Only a sales manager or the director changes routing rules."))
    return {rule.pk: rule for rule in RoutingRule.objects.select_for_update()}


def _there(rules: dict[int, RoutingRule], rule: RoutingRule) -> RoutingRule:
    if rule.pk not in rules:
        raise TransitionError(_("Somebody deleted this rule meanwhile."))
    return rules[rule.pk]


def new_rule() -> RoutingRule:
    """A rule at the end of the list, not saved yet."""
    last = RoutingRule.objects.aggregate(last=Max("position"))["last"]
    return RoutingRule(position=0 if last is None else last + 1)


@transaction.atomic
def move_rule(rule: RoutingRule, places: int, *, by: User | None) -> None:
    """Put the rule so many places further down (up when negative). Raises NotAllowed and TransitionError."""
    rules = _lock(by)
    rule = _there(rules, rule)
    order = list(rules.values())
    place = order.index(rule)
    order.insert(max(0, place + places), order.pop(place))
    for position, each in enumerate(order):
        each.position = position
    RoutingRule.objects.bulk_update(order, ["position"])


@transaction.atomic
def switch_rule(rule: RoutingRule, *, is_active: bool, by: User | None) -> None:
    """Take the rule into use, or out of it. Raises NotAllowed and TransitionError."""
    rule = _there(_lock(by), rule)
    rule.is_active = is_active
    rule.save(update_fields=["is_active", "updated_at"])


@transaction.atomic
def delete_rule(rule: RoutingRule, *, by: User | None) -> None:
    """Delete a rule that isn't in use. What it decided stays explained. Raises NotAllowed and TransitionError."""
    rules = _lock(by)
    if rule.pk not in rules:
        return
    if rules[rule.pk].is_active:
        raise TransitionError(_("Only a rule that isn't in use can be deleted. Switch it off first."))
    rules[rule.pk].delete()


def described(*, at: datetime.datetime) -> list[dict[str, Any]]:
    """Every rule in its order: for which leads, to whom, and whether it has anybody at `at`."""
    desk = open_desk([], at=at)
    return [
        {
            "rule": rule,
            "conditions": conditions(rule),
            "target": target(rule),
            "has_nobody": rule.to != RoutingRule.To.OWNER and not desk.has_somebody(rule, at),
        }
        for rule in all_rules()
    ]


def conditions(rule: RoutingRule) -> list[str]:
    """For which leads the rule is, a few words for each condition; empty: for all."""
    words = []
    for label, rows in ((_("Product"), rule.products.all()), (_("Channel"), rule.channels.all())):
        if names := ", ".join(str(row) for row in rows):
            words.append(f"{label}: {names}")
    if rule.regions.strip():
        words.append(_("Region: %(regions)s") % {"regions": rule.regions})
    if rule.client != RoutingRule.Client.ANY:
        words.append(capfirst(rule.get_client_display()))
    if rule.in_office_hours:
        words.append(_("Only who is at work"))
    return words


def target(rule: RoutingRule) -> str:
    """To whom it gives them: “Hunters of Sales North, who has the fewest open leads”."""
    if rule.to == RoutingRule.To.OWNER:
        return capfirst(rule.get_to_display())
    if rule.to == RoutingRule.To.PERSON:
        return str(rule.person)
    whom = str(rule.team) if rule.to == RoutingRule.To.TEAM else ""
    return capfirst(f"{taker(rule.takes, whom)}, {rule.get_order_display()}")
