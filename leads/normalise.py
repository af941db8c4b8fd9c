"""Normal forms of what people type: the same person typed twice gives the same e-mail, phone and folded name."""

import datetime
import re
import unicodedata

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

SEARCH_LENGTH = 200
FIRST_DAY, LAST_DAY = datetime.date(1900, 1, 1), datetime.date(2999, 12, 31)  # beyond them dates can't be reckoned with
SANE_DAYS = [MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)]
# A moment that any time zone can tell: not at the very ends of the calendar.
SANE_MOMENTS = [
    kind(datetime.datetime.combine(day, datetime.time(), datetime.UTC))
    for kind, day in ((MinValueValidator, FIRST_DAY), (MaxValueValidator, LAST_DAY))
]
_STROKED = str.maketrans("łøđħıð", "lodhid")  # letters that Unicode doesn't take apart
_PHONE_CHARACTERS = re.compile(r"[\d\s()+\-./\u00a0\u2010-\u2015]+")


def fold(text: str) -> str:
    """`text` without case, accents and repeated blanks: “ Žofia  ŁĘCKA ” and “zofia lecka” fold alike."""
    if text.isascii():
        return " ".join(text.lower().split())
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(text.casefold().translate(_STROKED).split())


def normalise_email(text: str) -> str:
    return text.strip().lower()


def normalise_phone(text: str, country: str) -> str:
    """E.164 form of a phone number written in any notation; "" when it isn't a possible number.

    `country` (ISO code) is assumed where the number has no country code.
    """
    text = text.strip()
    if not text:
        return ""
    candidates = [text, f"+{text[2:]}"] if text.startswith("00") else [text]
    for candidate in candidates:
        try:
            number = phonenumbers.parse(candidate, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return ""


def phone_digits(text: str) -> str:
    """The digits of a phone number, without the “(0)” that is dialled only inside the country."""
    return re.sub(r"\D", "", text.replace("(0)", ""))


def search_terms(text: str, country: str) -> list[str]:
    """What a `search_text` column must contain, each of them, to be found by a search for `text`.

    A phone is found in any notation: by its last nine digits at most, without the zeros or the prefix that are dialled
    only inside the `country` (ISO code). No notation writes those differently.
    """
    text = text.strip()[:SEARCH_LENGTH]
    words = [text] if _PHONE_CHARACTERS.fullmatch(text) else text.split()
    return [term for word in words if (term := _phone_term(word, country) or fold(word))]


def is_short(term: str) -> bool:
    """True for one or two letters of an alphabet; two Chinese signs are a name."""
    return len(term) < 3 and not any(unicodedata.east_asian_width(sign) in "WF" for sign in term)


def _phone_term(word: str, country: str) -> str:
    digits = phone_digits(word)
    if len(digits) < 4 or not _PHONE_CHARACTERS.fullmatch(word):
        return ""
    digits = digits.lstrip("0") or digits
    prefix = phonenumbers.ndd_prefix_for_region(country, True) or ""
    if not word.startswith(("+", "00")) and len(digits) - len(prefix) >= 4:
        digits = digits.removeprefix(prefix)
    return digits[-9:]


def read_number(text: str | None) -> int | None:
    """The id that `text` is, as an address or a hidden field carries it; None when it is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def validate_text(value: str) -> None:
    """Refuse what a database or a JSON reader can't hold: NUL characters and lone surrogates."""
    if "\x00" in value:
        raise ValidationError(_("The text contains a NUL character, which can't be stored. Please remove it."))
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise ValidationError(_("The text contains half of a character (a lone surrogate). Please retype it."))
