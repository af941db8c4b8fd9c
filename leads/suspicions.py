"""What makes a public submission look like spam. Nothing here refuses it: a person looks at it before it is a lead."""

import datetime
import re
from collections.abc import Iterable
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from leads.models import Answer, QuestionnaireVersion
from leads.registration import Person

FASTEST = 3  # seconds in which a person can have read and filled in a page
MANY_LINKS = 2  # in all that was typed
TELLING_LENGTH = 40  # characters from which on the same text twice is no chance

WORDS: dict[str, str | Promise] = {
    "honeypot": _("filled in a field that people can't see"),
    "fast": _("was filled in faster than anybody reads"),
    "links": _("contains links"),
    "markup": _("contains markup"),
    "repeated": _("says the same as another submission"),
    "often": _("many came from the same address"),
    "page": _("one opened page sent many"),
}
_LINK = re.compile(r"https?://|www\.|\[url", re.IGNORECASE)
_MARKUP = re.compile(r"<\s*/?\s*(a|script|img|iframe|b|h\d|div|svg)\b", re.IGNORECASE)


def in_words(codes: str) -> list[str]:
    """The reasons that `Submission.suspicion` keeps, for a person to read."""
    return [str(WORDS.get(code, code)) for code in codes.split(",") if code]


def suspicion(
    version: QuestionnaireVersion,
    person: Person,
    answers: dict[str, Any],
    *,
    at: datetime.datetime,
    seconds: float,
    noticed: Iterable[str] = (),
) -> str:
    """Codes of what is suspicious about a submission, joined by commas; "" when nothing is.

    `seconds` is how long the page was open, `noticed` what the page itself noticed.
    """
    codes = list(noticed)
    texts = [value for value in answers.values() if isinstance(value, str)]
    about = [person.name, person.company, person.job_title]
    if seconds < FASTEST:
        codes.append("fast")
    if sum(len(_LINK.findall(text)) for text in texts) >= MANY_LINKS or any(_LINK.search(text) for text in about):
        codes.append("links")
    if any(_MARKUP.search(text) for text in [*texts, *about]):
        codes.append("markup")
    telling = [text for text in texts if len(text) >= TELLING_LENGTH]
    lately = Answer.objects.filter(
        submission__version=version, submission__submitted_at__gte=at - datetime.timedelta(days=1)
    )
    if telling and lately.filter(text__in=telling).exists():
        codes.append("repeated")
    return ",".join(codes)
