"""The words of mail templates: which placeholders they may have, and how those are filled in.

The text is a person's, so it is never compiled: known placeholders are replaced in one pass, and what they are replaced
with isn't looked at again. Any other brace is refused when the template is saved.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from pipeline.models import NurtureStep

Kind = NurtureStep.Kind

PLACEHOLDERS: dict[str, str | Promise] = {
    "first_name": _("first name of the person"),
    "name": _("full name of the person"),
    "company": _("their company"),
    "product": _("product they are interested in"),
    "sender": _("who is responsible for the lead"),
    "organisation": _("name of your organisation"),
    "event": _("name of the event"),
    "event_date": _("day of the event"),
    "event_place": _("place of the event"),
    "offer": _("the offer of the step"),
    "offer_until": _("last day of the offer"),
}
# What sales' own mail to one person can fill in.
FOR_SALES: dict[str, str | Promise] = {
    **{name: PLACEHOLDERS[name] for name in ("first_name", "name", "company", "product")},
    "meeting_time": _("when they prefer to meet"),
    "campaign": _("where we met them"),
    "sender": _("your name"),
    "sender_email": _("your e-mail"),
    "organisation": PLACEHOLDERS["organisation"],
}
# What only one kind of step can fill in.
OF_KIND = {
    Kind.INVITATION: {"event", "event_date", "event_place"},
    Kind.OFFER: {"offer", "offer_until"},
}
_NAMED = re.compile(r"\{([a-z_]{1,20})\}")


def used(*texts: str) -> set[str]:
    """The known placeholders in `texts`."""
    return {name for text in texts for name in _NAMED.findall(text) if name in PLACEHOLDERS}


def unknown(text: str, known: Collection[str] = PLACEHOLDERS) -> list[str]:
    """What stands in braces and is none of the `known` placeholders, single braces included; empty when all is well."""
    left = _NAMED.sub(lambda found: found[0] if found[1] not in known else "", text)
    return list(dict.fromkeys(re.findall(r"\{[^{}\n]{0,40}\}?|\}", left)))


def not_of(kind: str, texts: Iterable[str]) -> list[str]:
    """Placeholders of `texts` that a step of `kind` can't fill in."""
    others = {name for each, names in OF_KIND.items() if each != kind for name in names}
    return sorted(used(*texts) & others)


def left_open(text: str) -> list[str]:
    """What still looks like a placeholder in a text that is to be sent as it is."""
    return list(dict.fromkeys(found[0] for found in _NAMED.finditer(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its placeholders replaced, each once and as plain text."""
    return _NAMED.sub(lambda found: values.get(found[1], found[0]), text)
