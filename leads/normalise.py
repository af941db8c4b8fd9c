"""Normal forms of what people type: the same person typed twice gives the same e-mail, phone and folded name."""

import re
import unicodedata

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

_PHONE_CHARACTERS = re.compile(r"[\d\s()+\-./\u00a0\u2010-\u2015]+")


def fold(text: str) -> str:
    """`text` without case, accents and repeated blanks: “ Žofia  ŁĘCKA ” and “zofia łecka” fold alike."""
    decomposed = unicodedata.normalize("NFKD", text)
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).casefold().split())


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


def search_term(text: str, country: str) -> str:
    """How a search for `text` must look to be found in a `search_text` column, phones in any notation included."""
    text = text.strip()
    digits = re.sub(r"\D", "", text)
    if len(digits) >= 4 and _PHONE_CHARACTERS.fullmatch(text):
        return normalise_phone(text, country).lstrip("+") or digits.lstrip("0")
    return fold(text)


def validate_text(value: str) -> None:
    """Refuse what a database or a JSON reader can't hold: NUL characters and lone surrogates."""
    if "\x00" in value:
        raise ValidationError(_("The text contains a NUL character, which can't be stored. Please remove it."))
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise ValidationError(_("The text contains half of a character (a lone surrogate). Please retype it."))
