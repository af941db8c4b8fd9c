"""What a new organisation starts with, to be edited in the settings. Names are translated when shown, until edited."""

import datetime

from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _

from leads.criteria import put_in_force
from leads.models import Channel, ConsentText, CriteriaSet, Reason
from leads.models.consents import Purpose

# name, audience, whether its campaigns are events
CHANNELS = [
    (_("Conference talk"), "targeted", True),
    (_("Exhibition"), "targeted", True),
    (_("Own event"), "targeted", True),
    (_("Smart breakfast"), "targeted", True),
    (_("Business club"), "targeted", True),
    (_("Webinar"), "targeted", True),
    (_("Community"), "targeted", False),
    (_("Partner programme"), "targeted", False),
    (_("Blog"), "mass", False),
    (_("SEO"), "mass", False),
    (_("PPC"), "mass", False),
    (_("Social media"), "mass", False),
    (_("E-mail"), "targeted", False),
    (_("Trigger mailing"), "targeted", False),
    (_("Rating"), "mass", False),
    (_("Free offer"), "mass", False),
    (_("Third-party mailing"), "mass", False),
    (_("Telemarketing"), "targeted", False),
    (_("Referral"), "targeted", False),
    (_("Walk-in"), "mass", False),
    (_("Other"), "mass", False),
]

# key, text, required, points
CRITERIA = [
    ("need", _("Has a need that our portfolio solves"), True, 0),
    ("decides", _("Decides, or influences the decision"), True, 0),
    ("reachable", _("Left a working phone or e-mail and agreed to be contacted"), True, 0),
    ("budget", _("Has a budget or plans one"), False, 2),
    ("timing", _("Wants to decide within six months"), False, 2),
    ("size", _("The company fits our target size"), False, 1),
]
POINTS_NEEDED = 2

# purpose, words: to be replaced by the organisation's own, which a lawyer has read
CONSENT_TEXTS = [
    (
        Purpose.CONTACT,
        _(
            "I agree that you keep what I have written here and contact me about my request by phone or e-mail. "
            "I can withdraw this at any time."
        ),
    ),
    (
        Purpose.MAILING,
        _(
            "I agree to receive news, invitations to events and offers by e-mail. "
            "Every message has a link to unsubscribe."
        ),
    ),
    (
        Purpose.SHARING,
        _(
            "I agree that you pass my request and my contact details on to a partner who can solve it, "
            "and tell me who that is."
        ),
    ),
]

# kind, text, needs recorded attempts
REASONS = [
    ("rejection", _("Unreachable"), True),
    ("rejection", _("No need that we solve"), False),
    ("rejection", _("No budget"), False),
    ("rejection", _("Not a decision-maker"), False),
    ("rejection", _("Wrong contact data"), False),
    ("rejection", _("Already in contact with sales"), False),
    ("rejection", _("Asks for what we don't sell"), False),
    ("loss", _("Price"), False),
    ("loss", _("Assortment"), False),
    ("loss", _("Terms"), False),
    ("loss", _("Chose a competitor"), False),
    ("loss", _("Postponed"), False),
    ("loss", _("No answer any more"), False),
    ("removal", _("Registered by mistake"), False),
    ("removal", _("Duplicate"), False),
    ("removal", _("Competitor or job seeker"), False),
    ("removal", _("Asked to be removed"), False),
]


def create_defaults(*, at: datetime.datetime) -> None:
    """Fill what is still empty; a list that somebody has edited is left alone."""
    if not Channel.objects.exists():
        Channel.objects.bulk_create(Channel(name=n, audience=a, is_event=e) for n, a, e in CHANNELS)
    if not Reason.objects.exists():
        Reason.objects.bulk_create(
            Reason(kind=kind, text=text, needs_attempts=attempts, position=position)
            for position, (kind, text, attempts) in enumerate(REASONS)
        )
    if not ConsentText.objects.exists():
        ConsentText.objects.bulk_create(
            ConsentText(purpose=purpose, version=1, text_en=words, text_ru=_in_russian(words), in_force_at=at)
            for purpose, words in CONSENT_TEXTS
        )
    if not CriteriaSet.objects.exists():
        rows = [{"key": k, "text": t, "is_required": r, "weight": w} for k, t, r, w in CRITERIA]
        put_in_force(rows, threshold=POINTS_NEEDED, note="", by=None, at=at)


def _in_russian(words: str) -> str:
    with override("ru"):
        translated = gettext(words)
    return "" if translated == words else translated
