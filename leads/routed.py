"""Why a lead went to whom it went to, in words: what `pipeline.routing` keeps with a handoff and in a lead's timeline.

It is kept as data and put into words when shown, in the reader's language. Names are kept as they were then.
"""

import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

SHOWN_OF_A_KIND = 6  # names of those passed over for the same reason; there may be dozens

# Who takes it, of whom and by which order: "takes" and "of".
_TAKERS: dict[str, str | Promise] = {
    "hunter": gettext_lazy("hunters of %(whom)s"),
    "farmer": gettext_lazy("farmers of %(whom)s"),
    "both": gettext_lazy("%(whom)s"),
}
_ORDERS: dict[str, str | Promise] = {
    "least_recent": gettext_lazy("longest without a new lead of %(of)s"),
    "least_loaded": gettext_lazy("least loaded of %(of)s"),
}
_CLIENTS: dict[str, str | Promise] = {
    "contact": gettext_lazy("a client already"),
    "duplicate": gettext_lazy("a client already, by another contact with the same e-mail or phone"),
    "company": gettext_lazy("of a company that is a client already"),
}
_PASSED: dict[str, str | Promise] = {
    "limits": gettext_lazy("over limit: %(names)s"),
    "receiving": gettext_lazy("gets no leads by the rules: %(names)s"),
    "at_work": gettext_lazy("not at work then: %(names)s"),
    "gone": gettext_lazy("not in sales any more: %(names)s"),
}
_REGARDLESS: dict[str, str | Promise] = {
    "limits": gettext_lazy("nobody was below their limit"),
    "all": gettext_lazy("nobody was there"),
}
_BY_HAND: dict[str, tuple[str | Promise, str | Promise]] = {
    "chosen": (gettext_lazy("chosen by %(by)s"), gettext_lazy("chosen by hand")),
    "reassigned": (gettext_lazy("reassigned by %(by)s"), gettext_lazy("reassigned")),
    "dispute": (gettext_lazy("returned to the same rep by %(by)s"), gettext_lazy("returned to the same rep")),
    "taken": (gettext_lazy("taken from the pool by %(by)s"), gettext_lazy("taken from the pool")),
    "import": (gettext_lazy("came with an import"), gettext_lazy("came with an import")),
}


def in_words(routing: Any) -> str:
    """“Hunters of Sales North, least loaded of 3; Sid is away until 3 March; over limit: Sam”; "" where nothing is kept."""
    if not isinstance(routing, dict) or not routing:
        return ""
    how = str(routing.get("how"))
    if how in _BY_HAND:
        with_name, without = _BY_HAND[how]
        words = [str(with_name) % {"by": routing["by"]} if routing.get("by") else str(without)]
        if routing.get("before"):
            words.append(_("before: %(rep)s") % {"rep": routing["before"]})
        return _sentence(words)
    words = [_target(routing)]
    if routing.get("client") in _CLIENTS:
        words.append(str(_CLIENTS[routing["client"]]))
    if routing.get("deputy_of"):
        words.append(_("as the deputy of %(rep)s") % {"rep": routing["deputy_of"]})
    words += _passed(routing)
    if nobody := routing.get("nobody"):
        words.append(_("nobody was free by %(rules)s") % {"rules": ", ".join(f"“{_(name)}”" for name in nobody)})
    if rule := routing.get("rule"):
        words.append(_("rule “%(rule)s”") % {"rule": _(str(rule))})
    return _sentence(words)


def taker(takes: str, team: str) -> str:
    """“hunters of Sales North”; without a team, of all of sales."""
    return str(_TAKERS.get(takes, _TAKERS["both"])) % {"whom": team or _("all of sales")}


def _target(routing: dict[str, Any]) -> str:
    to, of = routing.get("to"), routing.get("of") or 0
    if to == "owner":
        return _("the client's owner")
    if to == "person":
        return _("the one whom the rule names")
    whom = str(routing.get("team") or "")
    if routing.get("how") == "turn":
        words = [_("whose turn it was")]
        if routing.get("regardless") in _REGARDLESS:
            words.append(str(_REGARDLESS[routing["regardless"]]))
    else:
        words = [taker(str(routing.get("takes")), whom)]
    if of == 1:
        words.append(_("the only one free"))
    elif of:
        order = _ORDERS.get(str(routing.get("order")), _ORDERS["least_recent"])
        words.append(str(order) % {"of": of})
    return ", ".join(words)


def _passed(routing: dict[str, Any]) -> list[str]:
    words: list[str] = []
    names: dict[str, list[str]] = {}
    for each in routing.get("passed") or []:
        why, who = str(each.get("why")), str(each.get("who"))
        if why != "away":
            names.setdefault(why, []).append(who)
            continue
        until = _day(each.get("until"))
        if each.get("deputy"):
            text = _("%(who)s is away until %(day)s (deputy: %(deputy)s)")
        else:
            text = _("%(who)s is away until %(day)s")
        words.append(text % {"who": who, "day": until, "deputy": each.get("deputy")})
    words = words[:SHOWN_OF_A_KIND]
    words += [str(text) % {"names": _names(names[why])} for why, text in _PASSED.items() if why in names]
    if more := routing.get("passed_more"):
        words.append(ngettext("%(count)s more passed over", "%(count)s more passed over", more) % {"count": more})
    return words


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN_OF_A_KIND])
    return shown if len(names) <= SHOWN_OF_A_KIND else f"{shown}, …"


def _day(text: object) -> str:
    try:
        return date_format(datetime.date.fromisoformat(str(text)), "j E")
    except ValueError:
        return "—"


def _sentence(words: list[str]) -> str:
    text = "; ".join(word for word in words if word)
    return text[:1].upper() + text[1:]
