"""What a new organisation starts with, to be edited in the settings. Names are translated when shown, until edited."""

import datetime
from typing import Any

from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _

from leads.criteria import put_in_force
from leads.models import Channel, ConsentText, CriteriaSet, Question, Questionnaire, QuestionnaireVersion, Reason
from leads.models.consents import Purpose
from leads.questionnaires import write_questions

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
# Kind, words, and what a refusal for it has to show.
REASONS = [
    ("rejection", _("Unreachable"), "attempts"),
    ("rejection", _("No need that we solve"), "criterion"),
    ("rejection", _("No budget"), "criterion"),
    ("rejection", _("Not a decision-maker"), "person"),
    ("rejection", _("Wrong contact data"), ""),
    ("rejection", _("Already in contact with sales"), ""),
    ("rejection", _("Asks for what we don't sell"), "product"),
    ("loss", _("Price"), ""),
    ("loss", _("Assortment"), ""),
    ("loss", _("Terms"), ""),
    ("loss", _("Chose a competitor"), ""),
    ("loss", _("Postponed"), ""),
    ("loss", _("No answer any more"), ""),
    ("removal", _("Registered by mistake"), ""),
    ("removal", _("Duplicate"), ""),
    ("removal", _("Competitor or job seeker"), ""),
    ("removal", _("Asked to be removed"), ""),
]


# Whoever was lost on price may like an offer; all others are called.
HOW_TO_ASK_AGAIN = {"Price": Reason.Recycle.OFFER}

_Kind = Question.Kind
ROLES = [
    ("decides", _("I decide"), None),
    ("advises", _("I advise those who decide"), None),
    ("none", _("I have no part in it"), None),
]
# The brief of all products: key, kind, question, and what else `question_row` may be told.
BRIEF: list[tuple[str, str, str, dict[str, Any]]] = [
    ("brief-need", _Kind.LONG_TEXT, _("What do you want to solve or change?"), {}),
    ("brief-fits", _Kind.YES_NO, _("Can our portfolio solve it?"), {"criterion": "need"}),
    (
        "brief-role",
        _Kind.CHOICE,
        _("What is your part in the decision?"),
        {"criterion": "decides", "meets": ["decides", "advises"], "options": ROLES},
    ),
    (
        "brief-decider",
        _Kind.TEXT,
        _("Who decides?"),
        {"after": {"question": "brief-role", "comparison": "any_of", "value": ["advises", "none"]}},
    ),
    (
        "brief-budget",
        _Kind.CHOICE,
        _("Is there a budget for it?"),
        {
            "criterion": "budget",
            "meets": ["approved", "planned"],
            "options": [
                ("approved", _("Yes, approved"), None),
                ("planned", _("It is being planned"), None),
                ("none", _("No, there is none"), None),
            ],
        },
    ),
    (
        "brief-sum",
        _Kind.NUMBER,
        _("About how much is it?"),
        {"after": {"question": "brief-budget", "comparison": "any_of", "value": ["approved", "planned"]}},
    ),
    (
        "brief-timing",
        _Kind.CHOICE,
        _("When do you want to decide?"),
        {
            "criterion": "timing",
            "meets": ["quarter", "half-year"],
            "options": [
                ("quarter", _("Within three months"), None),
                ("half-year", _("Within six months"), None),
                ("later", _("Later than that"), None),
                ("unknown", _("Not known yet"), None),
            ],
        },
    ),
    ("brief-people", _Kind.NUMBER, _("How many people work in the company?"), {"field": "company.employees"}),
    ("brief-size", _Kind.YES_NO, _("Does the company fit our target size?"), {"criterion": "size"}),
    (
        "brief-reachable",
        _Kind.YES_NO,
        _("Are the phone and the e-mail right, and may we get in touch?"),
        {"criterion": "reachable"},
    ),
    ("brief-time", _Kind.TEXT, _("When does a meeting suit you best?"), {"field": "preferred_meeting_time"}),
    ("brief-agreed", _Kind.TEXT, _("What did we agree to do next?"), {"field": "agreed"}),
]
BRIEF_NAME = _("Brief")
BRIEF_SCRIPT = _(
    "Say who you are and where you met. Ask whether now is a good moment. Listen first: let them tell what they want to"
    " change, then ask what is still unknown below. End with one agreed next step and its day."
)


def create_defaults(*, at: datetime.datetime) -> None:
    """Fill what is still empty; a list that somebody has edited is left alone."""
    if not Channel.objects.exists():
        Channel.objects.bulk_create(Channel(name=n, audience=a, is_event=e) for n, a, e in CHANNELS)
    if not Reason.objects.exists():
        Reason.objects.bulk_create(
            Reason(
                kind=kind,
                text=text,
                evidence=evidence,
                position=position,
                recycle_how=HOW_TO_ASK_AGAIN.get(text, Reason.Recycle.CALL),
            )
            for position, (kind, text, evidence) in enumerate(REASONS)
        )
    if not ConsentText.objects.exists():
        ConsentText.objects.bulk_create(
            ConsentText(purpose=purpose, version=1, text_en=words, text_ru=_in_russian(words), in_force_at=at)
            for purpose, words in CONSENT_TEXTS
        )
    if not CriteriaSet.objects.exists():
        rows = [{"key": k, "text": t, "is_required": r, "weight": w} for k, t, r, w in CRITERIA]
        put_in_force(rows, threshold=POINTS_NEEDED, note="", by=None, at=at)
    if not Questionnaire.objects.filter(kind=Questionnaire.Kind.BRIEF).exists():
        brief = Questionnaire.objects.create(kind=Questionnaire.Kind.BRIEF, name=gettext(BRIEF_NAME))
        version = QuestionnaireVersion.objects.create(
            questionnaire=brief, number=1, script=gettext(BRIEF_SCRIPT), published_at=at
        )
        write_questions(version, [question_row(*row) for row in BRIEF])


def _in_russian(words: str) -> str:
    with override("ru"):
        translated = gettext(words)
    return "" if translated == words else translated


def question_row(key: str, kind: str, text: str, more: dict[str, Any]) -> dict[str, Any]:
    """A question as `write_questions` wants it, in both languages.

    `more` may hold: options (key, text, product's id), criterion with the keys of the options that meet it (`meets`; of
    yes or no it is yes), field, is_products, after (a condition), is_required.
    """
    rule: dict[str, Any] = {}
    if "criterion" in more:
        rule = (
            {"comparison": "any_of", "value": more["meets"]} if "meets" in more else {"comparison": "is", "value": True}
        )
    decides = Question.Decides.NOTHING
    for name, decision in (
        ("criterion", Question.Decides.CRITERION),
        ("is_products", Question.Decides.PRODUCT),
        ("field", Question.Decides.FIELD),
    ):
        decides = decision if name in more else decides
    return {
        "key": key,
        "kind": kind,
        **both_languages("text", text),
        "help_en": "",
        "help_ru": "",
        "is_required": more.get("is_required", False),
        "condition": more.get("after", {}),
        "decides": decides,
        "criterion_key": more.get("criterion", ""),
        "criterion_rule": rule,
        "contact_field": more.get("field", ""),
        "options": [
            {"key": key, **both_languages("text", words), "product": product}
            for key, words, product in more.get("options", [])
        ],
    }


def both_languages(name: str, words: str) -> dict[str, str]:
    """`words` as the fields `…_en` and `…_ru`."""
    return {f"{name}_en": words, f"{name}_ru": _in_russian(words)}
