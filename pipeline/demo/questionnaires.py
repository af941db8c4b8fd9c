"""An exhibition whose visitors were asked: a published questionnaire, and what some dozens of them answered."""

import datetime
import random
from decimal import Decimal
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext_noop as _

from leads import questionnaires
from leads.comparisons import holds
from leads.defaults import ROLES, both_languages, question_row
from leads.models import (
    Answer,
    Campaign,
    CriterionAnswer,
    Lead,
    LeadEvent,
    Option,
    Question,
    Questionnaire,
    QuestionnaireVersion,
    Submission,
)
from pipeline.demo.company import Company

MOST_ANSWERED = 60
_Kind = Question.Kind
Via = Submission.Via

# key, kind, question, and what else `question_row` may be told
VISITOR: list[tuple[str, str, str, dict[str, Any]]] = [
    ("visitor-name", _Kind.TEXT, _("What is your name?"), {"field": "name", "is_required": True}),
    ("visitor-email", _Kind.TEXT, _("What is your e-mail?"), {"field": "email", "is_required": True}),
    ("visitor-company", _Kind.TEXT, _("Which company do you work for?"), {"field": "company"}),
    (
        "visitor-role",
        _Kind.CHOICE,
        _("What is your part in the decision?"),
        {"criterion": "decides", "meets": ["decides", "advises"], "options": ROLES},
    ),
    ("visitor-products", _Kind.MULTI_CHOICE, _("What are you interested in?"), {"is_products": True}),
    ("visitor-need", _Kind.YES_NO, _("Are you looking for something like that now?"), {"criterion": "need"}),
    (
        "visitor-people",
        _Kind.NUMBER,
        _("How many people would work with it?"),
        {"after": {"question": "visitor-need", "comparison": "is", "value": True}},
    ),
    (
        "visitor-when",
        _Kind.DATE,
        _("By when do you want it running?"),
        {"after": {"question": "visitor-need", "comparison": "is", "value": True}},
    ),
    ("visitor-call", _Kind.YES_NO, _("May a colleague call you about it?"), {"criterion": "reachable"}),
    ("visitor-more", _Kind.LONG_TEXT, _("What else should we know?"), {"field": "note"}),
]
REMARKS = [
    "We run two warehouses and count by hand.",
    "Please send prices for 25 people first.",
    "We tried another tool last year and stopped using it after a month.",
    "Ask for Mrs. Novak, she knows the details.",
    "The integration with our ERP decides.",
]


def add_questionnaires(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """Of the year's exhibition that brought most, and of the event that runs today."""
    yesterday = at.date() - datetime.timedelta(days=1)
    ended = Campaign.objects.filter(
        channel__name="Exhibition", ends_on__range=(yesterday - datetime.timedelta(days=365), yesterday)
    )
    exhibition = ended.annotate(size=Count("leads")).filter(size__gt=0).order_by("-size", "-pk").first()
    if exhibition is None:
        return
    opened = datetime.datetime.combine(exhibition.starts_on, datetime.time(7), datetime.UTC)
    version = _published(company, exhibition, at=opened - datetime.timedelta(days=6))
    _published(company, company.today, at=at - datetime.timedelta(days=4), is_open=True)
    leads = Lead.objects.filter(campaign=exhibition, registered_at__isnull=False).present().order_by("pk")
    _answer(version, list(leads.select_related("contact__company")[:MOST_ANSWERED]), rng)


def _published(
    company: Company, campaign: Campaign, *, at: datetime.datetime, is_open: bool = False
) -> QuestionnaireVersion:
    by = campaign.owner or company.marketers[0]
    questionnaire = Questionnaire.objects.create(name=campaign.name, campaign=campaign, created_by=by, is_open=is_open)
    version = QuestionnaireVersion.objects.create(
        questionnaire=questionnaire,
        number=1,
        published_at=at,
        published_by=by,
        **both_languages("intro", _("Two minutes, and the right colleague calls you with an answer.")),
        **both_languages("thanks", _("Thank you! We will be in touch within two working days.")),
    )
    products = {
        "options": [(f"product-{product.pk}", product.name, product.pk) for product, _price in company.products]
    }
    questionnaires.write_questions(
        version,
        [
            question_row(key, kind, text, more | (products if "is_products" in more else {}))
            for key, kind, text, more in VISITOR
        ],
    )
    return version


def _answer(version: QuestionnaireVersion, leads: list[Lead], rng: random.Random) -> None:
    """Let each lead have filled it in when it was registered; what is said agrees with what is known of the criteria."""
    asked = {question.key: question for question in questionnaires.questions(version)}
    said_of = CriterionAnswer.objects.filter(lead__in=leads).values_list("lead", "key", "value")
    known = {(lead, key): value for lead, key, value in said_of}
    submissions, answers, events = [], [], []
    for lead in leads:
        assert lead.registered_at is not None
        by_phone = rng.random() < 0.2
        submission = Submission(
            version=version,
            lead=lead,
            via=Via.PHONE if by_phone else rng.choice([Via.PUBLIC, Via.PUBLIC, Via.STAND]),
            submitted_at=lead.registered_at,
            submitted_by=lead.owner if by_phone else None,
            language="en",
        )
        submissions.append(submission)
        answers += _answers_of(lead, submission, asked, known, rng)
    Submission.objects.bulk_create(submissions)
    Answer.objects.bulk_create(answers)
    for submission in submissions:
        assert submission.lead is not None
        events.append(
            LeadEvent(
                lead=submission.lead,
                kind=LeadEvent.Kind.ANSWERED,
                actor=submission.submitted_by,
                at=submission.submitted_at,
                data={
                    "questionnaire": version.questionnaire.name,
                    "submission": submission.pk,
                    "via": submission.via,
                    "differs": {},
                },
            )
        )
    LeadEvent.objects.bulk_create(events)


def _answers_of(
    lead: Lead,
    submission: Submission,
    asked: dict[str, Question],
    known: dict[tuple[int, str], str],
    rng: random.Random,
) -> list[Answer]:
    def answer(key: str, **value: Any) -> Answer:
        return Answer(submission=submission, question=asked[key], **value)

    def meets(key: str, usually: float) -> bool:
        value = known.get((lead.pk, asked[key].criterion_key))
        return value == "yes" if value in ("yes", "no") else rng.random() < usually

    contact = lead.contact
    rows = [answer("visitor-name", text=contact.name)] if contact.name else []
    rows += [answer("visitor-email", text=contact.email)] if contact.email else []
    rows += [answer("visitor-company", text=contact.company.name)] if contact.company and rng.random() < 0.9 else []
    roles: list[Option] = list(asked["visitor-role"].options.all())
    rule = asked["visitor-role"].criterion_rule
    fits = [
        role for role in roles if bool(holds(rule["comparison"], rule["value"], role.key)) is meets("visitor-role", 0.6)
    ]
    rows.append(answer("visitor-role", option=rng.choice(fits or roles)))
    products: list[Option] = list(asked["visitor-products"].options.all())
    wanted = [option for option in products if option.product_id == lead.product_id] or [rng.choice(products)]
    wanted += [option for option in products if option not in wanted and rng.random() < 0.25]
    rows += [answer("visitor-products", option=option) for option in wanted]
    needs = meets("visitor-need", 0.65)
    rows.append(answer("visitor-need", yes=needs))
    if needs:
        rows.append(answer("visitor-people", number=Decimal(rng.choice([3, 5, 8, 10, 12, 15, 20, 25, 40, 60]))))
        assert lead.registered_at is not None
        start = lead.registered_at.date() + datetime.timedelta(days=rng.randrange(30, 240))
        rows.append(answer("visitor-when", day=start))
    rows.append(answer("visitor-call", yes=meets("visitor-call", 0.8)))
    if rng.random() < 0.35:
        rows.append(answer("visitor-more", text=rng.choice(REMARKS)))
    return rows
