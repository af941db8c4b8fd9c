"""Reading one cell: dates, numbers, addresses. What could mean two things is refused rather than guessed."""

import dataclasses
import datetime
import re
import zoneinfo
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _

from leads.importing import RowRefused
from leads.normalise import normalise_email, validate_text

_BLANKS = "\u00a0\u202f\u2009 "
_YES = {"1", "true", "yes", "y", "да", "x"}
_NO = {"0", "false", "no", "n", "нет"}
_EARLIEST_YEAR = 1900
_MAX_AMOUNT = Decimal(10) ** 12


@dataclasses.dataclass(frozen=True)
class Numbers:
    """How a file writes numbers. Without separators given, only what can be read in one way is taken."""

    decimal: str = ""
    thousands: str = ""
    currency: str = ""

    def read(self, text: str) -> Decimal:
        """The amount, to the cent. Raises RowRefused for what isn't one, or might be two."""
        bare = text.strip(_BLANKS)
        if self.currency:
            bare = bare.removeprefix(self.currency).removesuffix(self.currency).strip(_BLANKS)
        decimal, thousands = self.decimal, self.thousands
        if not (decimal or thousands):
            decimal, thousands = _separators_of(bare)
        if thousands and thousands in _BLANKS:
            bare, thousands = re.sub(f"[{_BLANKS}]", " ", bare), " "
        grouped = rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|" if thousands else ""
        fraction = rf"(?:{re.escape(decimal)}(\d+))?" if decimal else "()"
        match = re.fullmatch(rf"(-?)({grouped}\d+){fraction}", bare, re.ASCII)
        if match is None or len(bare) > 40:
            raise RowRefused(_("“%(text)s” isn't a number as the mapping describes them.") % {"text": text[:60]})
        sign, whole, cents = match.groups()
        number = Decimal(f"{sign}{whole.replace(thousands, '') if thousands else whole}.{cents or 0}")
        if number != number.quantize(Decimal("0.01")):
            raise RowRefused(_("“%(text)s” has more than two decimals.") % {"text": text[:60]})
        if abs(number) >= _MAX_AMOUNT:
            raise RowRefused(_("“%(text)s” is too big.") % {"text": text[:60]})
        return number.quantize(Decimal("0.01"))


def _separators_of(text: str) -> tuple[str, str]:
    """Decimal and thousands separator of a number that shows them itself, such as 1,234.56 or 12,5."""
    found = re.sub(r"[\d-]", "", text, flags=re.ASCII)
    if not found or set(found) - set(".,"):
        return ".", ""
    if len(set(found)) == 2:
        return (found[-1], found[0]) if found.count(found[-1]) == 1 else (".", "")
    if len(found) > 1:
        return "", found[0]
    if re.fullmatch(r"-?\d{1,3}[.,]\d{3}", text) and not text.lstrip("-").startswith("0"):
        raise RowRefused(
            _("“%(text)s” can be read in two ways. Say in the mapping's “numbers” which sign is the decimal one.")
            % {"text": text[:60]}
        )
    return found, ""


@dataclasses.dataclass(frozen=True)
class Dates:
    """How a file writes dates: strptime formats tried in order, ISO 8601 where none are given; and in which zone."""

    formats: tuple[str, ...]
    zone: zoneinfo.ZoneInfo

    def read(self, text: str, *, now: datetime.datetime) -> datetime.datetime:
        """The moment in UTC; a day alone is its midnight in the zone. Raises RowRefused for anything else."""
        moment = self._parse(text)
        if moment is None:
            raise RowRefused(
                _("“%(text)s” isn't a date of the form %(formats)s.")
                % {"text": text[:60], "formats": " / ".join(self.formats) or "2024-12-31 [23:59]"}
            )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        if not _EARLIEST_YEAR <= moment.year <= now.year + 100:
            raise RowRefused(_("The date “%(text)s” is out of all bounds.") % {"text": text[:60]})
        return moment.astimezone(datetime.UTC)

    def _parse(self, text: str) -> datetime.datetime | None:
        for form in self.formats:
            try:
                return datetime.datetime.strptime(text, form)
            except ValueError:
                continue
        if not self.formats:
            try:
                return datetime.datetime.fromisoformat(text)
            except ValueError:
                return None
        return None


def read_text(text: str, *, max_length: int) -> str:
    """`text` as it may be stored. Raises RowRefused for NUL, broken characters and too long a text."""
    if any("\udc80" <= c <= "\udcff" for c in text):
        raise RowRefused(_("The text contains bytes that don't fit the file's encoding."))
    try:
        validate_text(text)
    except ValidationError as error:
        raise RowRefused(error.message) from None
    if len(text) > max_length:
        raise RowRefused(
            _("“%(start)s…” has %(length)s characters; at most %(max)s fit.")
            % {"start": text[:40], "length": len(text), "max": max_length}
        )
    return text


def read_email(text: str) -> str:
    email = normalise_email(text)
    try:
        validate_email(email)
    except ValidationError:
        raise RowRefused(_("“%(text)s” isn't an e-mail address.") % {"text": text[:80]}) from None
    return email


def read_url(text: str) -> str:
    url = text if "://" in text else f"https://{text}"
    try:
        URLValidator(["http", "https"])(url)
    except ValidationError:
        raise RowRefused(_("“%(text)s” isn't a web address.") % {"text": text[:80]}) from None
    return url


def read_flag(text: str) -> bool:
    if text.lower() in _YES | _NO:
        return text.lower() in _YES
    raise RowRefused(_("“%(text)s” is neither yes nor no.") % {"text": text[:60]})
