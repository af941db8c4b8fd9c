"""Comparing what is known with what is wanted: the one small language of rules, read by criteria and questionnaires.

A rule is data, never code: {"comparison": a `Comparison`, "value": text, number, ISO date, bool or a list of keys}.
"""

import datetime
import enum
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext_lazy as _

from leads.normalise import fold


class Kind(enum.StrEnum):
    """What a value is; decides which comparisons make sense."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"  # a key, or a list of keys
    YES_NO = "yes_no"
    DATE = "date"


class Comparison(enum.StrEnum):
    IS = "is"
    IS_NOT = "is_not"
    CONTAINS = "contains"
    ANY_OF = "any_of"
    NONE_OF = "none_of"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    FILLED = "filled"
    BLANK = "blank"

    @property
    def label(self):
        return _LABELS[self]

    @property
    def needs_value(self) -> bool:
        return self not in {Comparison.FILLED, Comparison.BLANK}


_LABELS = {
    Comparison.IS: _("is"),
    Comparison.IS_NOT: _("is not"),
    Comparison.CONTAINS: _("contains"),
    Comparison.ANY_OF: _("is one of"),
    Comparison.NONE_OF: _("is none of"),
    Comparison.AT_LEAST: _("is at least"),
    Comparison.AT_MOST: _("is at most"),
    Comparison.FILLED: _("is filled in"),
    Comparison.BLANK: _("is blank"),
}
_ALWAYS = (Comparison.FILLED, Comparison.BLANK)
OFFERED = {
    Kind.TEXT: (Comparison.IS, Comparison.IS_NOT, Comparison.CONTAINS, Comparison.ANY_OF, Comparison.NONE_OF, *_ALWAYS),
    Kind.NUMBER: (Comparison.AT_LEAST, Comparison.AT_MOST, Comparison.IS, *_ALWAYS),
    Kind.CHOICE: (Comparison.ANY_OF, Comparison.NONE_OF, *_ALWAYS),
    Kind.YES_NO: (Comparison.IS,),
    Kind.DATE: (Comparison.AT_LEAST, Comparison.AT_MOST, *_ALWAYS),
}


def holds(comparison: str, wanted: object, value: object) -> bool | None:
    """Whether `value` compares so with `wanted`; None when the value isn't known, or can't be compared.

    Texts compare without case and accents; a list holds with “any of” when one of its items does.
    """
    kind = Comparison(comparison)
    is_blank = value is None or value == "" or value == []
    if kind is Comparison.FILLED:
        return not is_blank
    if kind is Comparison.BLANK:
        return is_blank
    if is_blank:
        return None
    if kind in {Comparison.AT_LEAST, Comparison.AT_MOST}:
        pair = _ordered(wanted, value)
        if pair is None:
            return None
        limit, number = pair
        return number >= limit if kind is Comparison.AT_LEAST else number <= limit  # type: ignore[operator]
    found = {_same(item) for item in (value if isinstance(value, list) else [value])}
    sought = {_same(item) for item in (wanted if isinstance(wanted, list) else [wanted])}
    if any(isinstance(item, Decimal) for item in sought):  # a kept answer writes its number as text
        found |= {number for item in found if (number := _number(item)) is not None}
    if kind is Comparison.CONTAINS:
        return any(str(part) in str(item) for part in sought for item in found)
    meets = bool(found & sought)
    return not meets if kind in {Comparison.IS_NOT, Comparison.NONE_OF} else meets


def _same(item: object) -> object:
    if isinstance(item, str):
        return fold(item)
    if isinstance(item, (int, float, Decimal)) and not isinstance(item, bool):
        return Decimal(str(item))
    return item


def _number(text: object) -> Decimal | None:
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _ordered(wanted: object, value: object) -> tuple[object, object] | None:
    """Both as dates or both as numbers; None when they are neither."""
    try:
        return datetime.date.fromisoformat(str(wanted)), datetime.date.fromisoformat(str(value)[:10])
    except ValueError:
        pass
    try:
        pair = Decimal(str(wanted)), Decimal(str(value))
    except InvalidOperation:
        return None
    return pair if all(number.is_finite() for number in pair) else None
