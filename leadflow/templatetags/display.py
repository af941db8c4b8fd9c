"""How values look everywhere: icons, numbers, money, rates, times, clocks and charts.

A template builtin, so pages use these without loading them. `None` is always "no data", never zero.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO
from urllib.parse import urlsplit
from zipfile import ZipFile

from django import template
from django.contrib.messages.storage.base import Message
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from leadflow import charts

register = template.Library()

NO_DATA = "—"
THIN_SPACE = "\u202f"  # narrow and unbreakable


# --- Icons and people ------------------------------------------------------------------------------------------------


@register.simple_tag
@lru_cache(maxsize=512)
def icon(name: str, style: str = "micro", size: int = 16) -> SafeString:
    """A heroicon, hidden from screen readers: the words beside it (or the button's aria-label) speak."""
    return mark_safe(_drawn(name, style, size, 'class="icon" aria-hidden="true"'))  # noqa: S308  (the package's files)


def _drawn(name: str, style: str, size: int, attributes: str) -> str:
    """The package's own template tag would open its archive and parse anew for each icon: a second of each start."""
    head, shapes = _icons().read(f"{style}/{name}.svg").decode().strip().removeprefix("<svg").split(">", 1)
    head = re.sub(r' (xmlns|aria-hidden|width|height)="[^"]*"', "", head)
    return f'<svg {attributes} width="{size}" height="{size}"{head}>{shapes}'


@cache
def _icons() -> ZipFile:
    return ZipFile(BytesIO((files("heroicons") / "heroicons.zip").read_bytes()))


@register.simple_tag
@lru_cache
def icon_shapes(*names: str) -> SafeString:
    """Shapes of icons that a page shows very often: put once on it, each is drawn by `icon_again` in a few letters."""
    drawn = [_drawn(name, "micro", 16, f'id="icon-{name}"') for name in names]
    shapes = "".join(drawn).replace("<svg", "<symbol").replace("</svg>", "</symbol>")
    return mark_safe(f"<svg hidden>{shapes}</svg>")  # noqa: S308  (drawn from the package's own files)


@register.simple_tag
@lru_cache
def icon_again(name: str) -> SafeString:
    """A micro icon whose shape is on the page already."""
    return format_html('<svg class="icon" width="16" height="16" aria-hidden="true"><use href="#icon-{}"/></svg>', name)


@register.simple_tag
def avatar(name: object, size: str = "") -> SafeString:
    """The initials of a person or a company, as decoration beside the name."""
    return _avatar(str(name or ""), size)


@lru_cache(maxsize=1024)
def _avatar(name: str, size: str) -> SafeString:
    words = [word for word in name.replace("@", " ").split() if word[0].isalnum()]
    initials = "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()
    return format_html('<span class="avatar {}" aria-hidden="true">{}</span>', size, initials or "?")


# --- Numbers ---------------------------------------------------------------------------------------------------------


@register.filter
def number(value: float | Decimal | None, places: int = 0) -> str:
    """`12 345`: thin-space thousands in every language, the language's own decimal mark."""
    if value is None or value == "":
        return NO_DATA
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-int(places)), rounding=ROUND_HALF_UP)
    whole, _point, fraction = f"{abs(rounded):,f}".partition(".")
    text = whole.replace(",", THIN_SPACE)
    if fraction:
        text += number_format(Decimal(f"0.{fraction}"), int(places))[1:]
    return f"\N{MINUS SIGN}{text}" if rounded < 0 else text


@register.filter
def money(value: Decimal | int | None, currency: str = "") -> str:
    """`12 345.67 EUR`: cents only where there are any."""
    if value is None or value == "":
        return NO_DATA
    text = number(value, 0 if Decimal(str(value)) % 1 == 0 else 2)
    return f"{text}\N{NO-BREAK SPACE}{currency}" if currency else text


@register.simple_tag
def both_moneys(own: Decimal | None, currency: str, other: str, amount: Decimal | None, rate: Decimal | None) -> str:
    """A sum as it was said and as it is reckoned with: `1 000 EUR (≈ 1 087 USD at 1.087)`."""
    if not other:
        return money(own, currency)
    if rate is None or own is None:
        return money(amount, other)
    words = {"said": money(amount, other), "own": money(own, currency), "rate": number(rate, _places(rate))}
    return _("%(said)s (≈ %(own)s at %(rate)s)") % words


def _places(value: Decimal) -> int:
    """How many digits after the point say it in full."""
    return max(0, -int(value.normalize().as_tuple().exponent))


@register.filter
def percent(value: Decimal | float | None, places: int = 1) -> str:
    """A share (0.105) as `10.5 %`."""
    if value is None or value == "":
        return NO_DATA
    return f"{number(Decimal(str(value)) * 100, places)}{THIN_SPACE}%"


@register.simple_tag
def rate(numerator: int | None, denominator: int | None, url: str = "", mature: bool = True) -> SafeString:
    """A rate with its numerator and denominator; without a denominator it says so. Immature cohorts are hatched."""
    if not denominator or numerator is None:
        return format_html('<span class="rate none">{}</span>', _("no data"))
    share = percent(Decimal(numerator) / Decimal(denominator))
    tag = format_html('<a href="{}">{}</a>', url, share) if url else share
    note = "" if mature else _("Not mature yet: this cohort is younger than the time it needs")
    return format_html(
        '<span class="rate{}" title="{}">{} <small>{}{}/{}{}</small></span>',
        "" if mature else " immature", note, tag, number(numerator), THIN_SPACE, THIN_SPACE, number(denominator),
    )  # fmt: skip


# --- Time ------------------------------------------------------------------------------------------------------------


def _span(length: timedelta) -> str:
    """A length of time in its one largest unit, to the nearest hour or day: `5 d`, `3 h`, `12 min`."""
    minutes = int(abs(length).total_seconds()) // 60
    if minutes < 60:
        return _("%(count)s min") % {"count": minutes}
    if minutes < 48 * 60:
        return pgettext("hours", "%(count)s h") % {"count": (minutes + 30) // 60}
    return pgettext("days", "%(count)s d") % {"count": (minutes + 720) // 1440}


def _exact(at: datetime) -> str:
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")


@lru_cache(maxsize=4096)
def _formatted(value: date, pattern: str, _language: str | None) -> str:
    """A list says the same few days again and again, and saying one takes as long as drawing a cell."""
    return date_format(value, pattern)


@register.filter
def day(value: date | None) -> str:
    """A day in short: `12 Nov 2026`."""
    return _formatted(value, pgettext("date format", "j M Y"), get_language()) if value else ""


@register.filter
def day_of_year(value: date | None) -> str:
    """A day whose year goes without saying: `12 Nov`."""
    return _formatted(value, pgettext("date format", "j M"), get_language()) if value else ""


def _short_date(at: datetime, now: datetime) -> str:
    at, now = timezone.localtime(at), timezone.localtime(now)
    return day_of_year(at) if at.year == now.year else day(at)


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """A moment as people say it, with the exact time on hover: `3 h ago`, `in 2 d`, `12 Nov`."""
    if at is None:
        return NO_DATA
    now = timezone.now()
    if abs(now - at) < timedelta(minutes=1):
        text = _("just now")
    elif abs(now - at) >= timedelta(days=7):
        text = _short_date(at, now)
    else:
        text = (_("%(span)s ago") if at < now else _("in %(span)s")) % {"span": _span(now - at)}
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), _exact(at), text)


CLOCK_ICONS = {
    "running": "clock",
    "soon": "exclamation-triangle",
    "overdue": "fire",
    "paused": "pause-circle",
    "kept": "check-circle",
    "late": "exclamation-circle",
}


@register.simple_tag
def clock(
    label: str,
    state: str,
    due: datetime | None = None,
    done: datetime | None = None,
    until: datetime | None = None,
) -> SafeString | str:
    """One SLA clock: icon, words and the exact time. `state` is reckoned by the pipeline, never here.

    States: running, soon, overdue (still running), paused (`until` a moment), kept (done in time), late (done too late).
    """
    if not state:
        return ""
    now = timezone.now()
    words = {
        "running": _("%(span)s left"),
        "soon": _("%(span)s left"),
        "overdue": _("%(span)s overdue"),
        "paused": _("paused until %(day)s") if until else _("paused"),
        "kept": _("in time"),
        "late": _("%(span)s late"),
    }[state]
    if state in ("running", "soon", "overdue"):
        words %= {"span": _span((due or now) - now)}
    elif state == "paused" and until:
        words %= {"day": _short_date(until, now)}
    elif state == "late":
        words %= {"span": _span((done or now) - (due or done or now))}
    said = [(_("due %(at)s"), due), (_("done %(at)s"), done)]
    if state == "paused":
        said.insert(0, (_("paused until %(at)s"), until))
    exact = [text % {"at": _exact(at)} for text, at in said if at]
    return format_html(
        '<span class="clock clock-{}" title="{}">{}<span class="clock-label">{}</span> <b>{}</b>'
        '<span class="sr-only">, {}</span></span>',
        state, ", ".join([label, *exact]), icon(CLOCK_ICONS[state]), label, words, ", ".join(exact),
    )  # fmt: skip


# --- Messages --------------------------------------------------------------------------------------------------------


def _tagged(message: Message, name: str) -> str:
    """The path of ours that one of a message's tags carries."""
    for tag in (message.extra_tags or "").split():
        if tag.startswith(f"{name}:"):
            url = tag.removeprefix(f"{name}:")
            return url if not urlsplit(url).netloc and url.startswith("/") else ""
    return ""


@register.filter
def undo_url(message: Message) -> str:
    """The address that takes the action back: `messages.success(request, text, extra_tags=f"undo:{url}")`."""
    return _tagged(message, "undo")


@register.filter
def note_url(message: Message) -> str:
    """The address that adds a note to what was done: `extra_tags=f"note:{url}"`."""
    return _tagged(message, "note")


@register.filter
def step_url(message: Message) -> str:
    """The address that asks for the next step: `extra_tags=f"asks:{url}"`, or `offers:` where one is planned already."""
    return _tagged(message, "asks") or _tagged(message, "offers")


@register.filter
def asks_for_step(message: Message) -> bool:
    """True when nobody knows the next step yet."""
    return bool(_tagged(message, "asks"))


# --- Charts: rows are dicts, so that a view passes plain data ---------------------------------------------------------


@register.inclusion_tag("charts/bars.html")
def bar_chart(rows: Sequence[Mapping], title: str, summary: str = "") -> dict:
    """Horizontal bars. Row: label, value; may have text (shown value), url, note, immature."""
    return {"chart": charts.bars(rows), "title": title, "summary": summary}


@register.inclusion_tag("charts/funnel.html")
def funnel_chart(rows: Sequence[Mapping], title: str, summary: str = "", *, has_table: bool = False) -> dict:
    """Funnel, first stage first. Row: label, value; may have url, rate (share of the stage before), note, immature.

    `has_table`: the page shows the same numbers as a table of its own.
    """
    return {"chart": charts.funnel(rows), "title": title, "summary": summary, "has_table": has_table}


@register.inclusion_tag("charts/trend.html")
def trend_chart(rows: Sequence[Mapping], title: str, summary: str = "", kind: str = "line") -> dict:
    """A value over time, kind `line` or `columns`. Row: label, value (None is a gap); may have text, url, immature."""
    return {"chart": charts.trend(rows, kind=kind), "title": title, "summary": summary}
