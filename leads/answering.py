"""Taking in what somebody answered: the one way, for the public page, the stand and the phone.

Answers join a lead, or register one; a suspicious submission waits, as typed, until a person has looked at it.
"""

import dataclasses
import datetime
import uuid
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import Organisation, User
from leads import confirming
from leads import consents as agreements
from leads.comparisons import holds
from leads.erasures import require_present
from leads.forms.answers import AnswerForm, in_words, person_of
from leads.known import ANSWER, of_lead
from leads.models import (
    Answer,
    Company,
    ConsentText,
    Contact,
    CriterionAnswer,
    Lead,
    LeadEvent,
    Option,
    Product,
    Purpose,
    Question,
    QuestionnaireVersion,
    Submission,
)
from leads.normalise import fold, normalise_email, normalise_phone
from leads.registration import Person, fill_in, known_company, register_lead

__all__ = [
    "AnswerForm",
    "NotNow",
    "Said",
    "answered_before",
    "decide",
    "latest_answers",
    "submit",
    "texts_in_force",
    "told",
]

Verdict = Submission.Verdict
LEAD_FIELDS = {"preferred_meeting_time": 200, "agreed": 500, "note": 5000}  # and how long they may be
MOST_ROWS = 400  # of answers shown of one lead


class NotNow(Exception):
    """The submission can't be taken or decided as things stand; the text says why."""


def texts_in_force(at: datetime.datetime, *purposes: Purpose) -> list[ConsentText]:
    """The words to show to whoever is asked to agree at that moment; a purpose without words is left out."""
    found = (ConsentText.objects.in_force(purpose, at) for purpose in purposes)
    return [text for text in found if text is not None]


@transaction.atomic
def submit(
    version: QuestionnaireVersion,
    answers: dict[str, Any],
    *,
    via: str,
    at: datetime.datetime,
    by: User | None = None,
    lead: Lead | None = None,
    person: Person | None = None,
    submission_key: uuid.UUID | None = None,
    consents: Iterable[ConsentText] = (),
    language: str = "",
    suspicion: str = "",
) -> Submission:
    """Take in `answers` (as `AnswerForm.answers` gives them) to the questions of `version`.

    With `lead` they join that lead. Without, the person, as told by `person` and by the answers, is registered in the
    questionnaire's campaign, unless there is a `suspicion` (codes of `leads.suspicions`): then the submission waits.
    `consents` are the texts that were agreed to. A repeated `submission_key` returns what the first call made.
    Raises NotAllowed for the wrong role and an erased person, NotNow for a removed lead, ValueError for an answer that wasn't offered.
    """
    if not access.may(by, access.FILL_IN_QUESTIONNAIRES):
        raise access.NotAllowed(_("Your role doesn't fill in questionnaires."))
    # The same lock as registering takes: the same submission, sent twice at once, waits here for itself.
    Organisation.objects.select_for_update().get_or_create(pk=1)
    if submission_key and (done := Submission.objects.filter(submission_key=submission_key).first()):
        return done
    questions = list(version.questions.prefetch_related("options__product"))
    person = person or Person()
    for name, text in person_of(questions, answers).items():
        setattr(person, name, getattr(person, name) or text)
    agreed_to = list(consents)
    submission = Submission(
        version=version,
        via=via,
        submission_key=submission_key or uuid.uuid4(),
        submitted_at=at,
        submitted_by=by,
        language=language,
        verdict=Verdict.SUSPECT if suspicion and lead is None else Verdict.GENUINE,
        suspicion=suspicion[:200],
    )
    if submission.verdict == Verdict.SUSPECT:
        submission.person = dataclasses.asdict(person)
    elif lead:
        submission.lead, may_fill = _lock(lead), _MayFill()
    else:
        submission.lead, may_fill = _register(submission, person)
    submission.save()
    submission.consent_texts.set(agreed_to)
    Answer.objects.bulk_create(
        row for question in questions if question.key in answers for row in _rows(submission, question, answers)
    )
    if submission.lead is not None:
        _take_in(submission, submission.lead, person, questions, answers, may_fill)
        _agree(submission, submission.lead, person, agreed_to, at=at)
    return submission


@transaction.atomic
def decide(submission: Submission, verdict: str, *, by: User | None, at: datetime.datetime) -> Submission:
    """Say what a suspected submission is. A genuine one registers its lead as of the moment it was filled in.

    Spam may be called suspected, or genuine, again. Deciding the same twice changes nothing.
    Raises NotAllowed, and NotNow for one that has become a lead, or whose person was erased.
    """
    if not access.may(by, access.JUDGE_SUBMISSIONS):
        raise access.NotAllowed(_("Only marketing decides what is spam."))
    Organisation.objects.select_for_update().get_or_create(pk=1)
    submission = Submission.objects.select_for_update(of=("self",)).select_related("version").get(pk=submission.pk)
    if submission.verdict == verdict:
        return submission
    if submission.verdict == Verdict.GENUINE:
        raise NotNow(_("These answers have become a lead. If it shouldn't be one, remove the lead."))
    if not submission.person:
        raise NotNow(_("Who filled this in was erased, so nothing can become of it any more."))
    submission.verdict = Verdict(verdict)
    submission.decided_by, submission.decided_at = (None, None) if verdict == Verdict.SUSPECT else (by, at)
    if verdict != Verdict.GENUINE:
        submission.save()
        return submission
    questions = list(submission.version.questions.prefetch_related("options__product"))
    person = Person(**submission.person)
    submission.person = {}
    submission.lead, may_fill = _register(submission, person)
    submission.save()
    _take_in(submission, submission.lead, person, questions, given(submission), may_fill)
    _agree(submission, submission.lead, person, submission.consent_texts.all(), at=at)
    return submission


def given(submission: Submission) -> dict[str, Any]:
    """The answers of a submission as `AnswerForm.answers` gave them."""
    answers: dict[str, Any] = {}
    for row in submission.answers.select_related("question", "option").order_by("pk"):
        if row.question.kind == Question.Kind.MULTI_CHOICE:
            answers.setdefault(row.question.key, []).append(row.value)
        else:
            answers[row.question.key] = row.value
    return answers


def answered_before(lead: Lead, version: QuestionnaireVersion) -> dict[str, Any]:
    """What the lead answered to the questions of `version`, in it or in an earlier one, by question key."""
    answered = {
        name.removeprefix(ANSWER): value
        for name, value in of_lead(lead).fields.items()
        if name.startswith(ANSWER) and value not in (None, "", [])
    }
    keys = set(version.questions.values_list("key", flat=True))
    return {key: value for key, value in answered.items() if key in keys}


@dataclasses.dataclass(frozen=True)
class Said:
    """One answer in words, and the submission that it was given in."""

    question: Question
    text: str
    submission: Submission


def told(submission: Submission) -> list[Said]:
    """Everything that a submission says, in the order of its questions."""
    return _said(submission.answers.all())


def latest_answers(lead: Lead) -> list[Said]:
    """What is known of a lead from questionnaires: each question once, with its latest answer, the latest ones first."""
    said: dict[str, Said] = {}
    for each in _said(Answer.objects.filter(submission__lead=lead)):
        said[each.question.key] = each  # of a question that was asked again, the later answer counts
    return sorted(
        said.values(),
        key=lambda each: (-each.submission.submitted_at.timestamp(), each.submission.pk, each.question.position),
    )


def _said(answers: QuerySet[Answer]) -> list[Said]:
    """In the order in which it was said; of very many answers the latest."""
    latest = answers.order_by("-submission__submitted_at", "-submission_id", "-question__position", "-pk")
    rows = latest.select_related("question", "submission__version__questionnaire").prefetch_related("question__options")
    values: dict[tuple[int, int], tuple[Answer, list[Any]]] = {}
    for row in reversed(rows[:MOST_ROWS]):
        options = {option.pk: option.key for option in row.question.options.all()}
        value = row.value if row.option_id is None else options.get(row.option_id)
        values.setdefault((row.submission_id, row.question_id), (row, []))[1].append(value)
    return [
        Said(row.question, in_words(row.question, found[0] if row.option_id is None else found), row.submission)
        for row, found in values.values()
    ]


def _lock(lead: Lead) -> Lead:
    # Before the lead, as whoever edits the contact does.
    require_present(Contact.objects.select_for_update().get(pk=lead.contact_id))
    lead = Lead.objects.select_for_update(of=("self",)).select_related("contact__company", "campaign").get(pk=lead.pk)
    if lead.is_removed:
        raise NotNow(_("This lead was removed. Restore it first, then fill in the questionnaire."))
    return lead


@dataclasses.dataclass(frozen=True)
class _MayFill:
    """Whose blank fields what was said may fill in. On a public page nobody of ours saw who said it, so what we knew of
    anybody before stays as it is (docs/decisions/0018-what-a-stranger-may-write.md).
    """

    contact: bool = True
    company: bool = True


def _register(submission: Submission, person: Person) -> tuple[Lead, _MayFill]:
    campaign = submission.version.questionnaire.campaign
    if campaign is None:
        raise ValueError("A brief is filled in for a lead; only a campaign's questionnaire can register one.")
    by = submission.submitted_by
    is_stranger = submission.via == Submission.Via.PUBLIC
    is_known_company = known_company(person.company) is not None
    registered = register_lead(
        campaign,
        person,
        by=by,
        at=submission.submitted_at,
        owner=campaign.owner or by,
        submission_key=submission.submission_key,
        fills_blanks=not is_stranger,
    )
    may_fill = _MayFill(
        contact=not (is_stranger and registered.is_known_contact),
        company=not (is_stranger and (registered.is_known_contact or is_known_company)),
    )
    return _lock(registered.lead), may_fill


def _rows(submission: Submission, question: Question, answers: dict[str, Any]) -> list[Answer]:
    value = answers[question.key]
    row = Answer(submission=submission, question=question)
    match question.kind:
        case Question.Kind.CHOICE | Question.Kind.MULTI_CHOICE:
            options = {option.key: option for option in question.options.all()}
            keys = set(value if isinstance(value, list) else [value])
            if unknown := keys - options.keys():
                raise ValueError(f"Question {question.key} doesn't offer {', '.join(map(repr, unknown))}.")
            chosen = (option for key, option in options.items() if key in keys)
            return [Answer(submission=submission, question=question, option=option) for option in chosen]
        case Question.Kind.NUMBER:
            row.number = value
        case Question.Kind.YES_NO:
            row.yes = value
        case Question.Kind.DATE:
            row.day = value
        case _:
            row.text = str(value)
    return [row]


def _take_in(
    submission: Submission,
    lead: Lead,
    person: Person,
    questions: Collection[Question],
    answers: dict[str, Any],
    may_fill: _MayFill,
) -> None:
    """Let the answers decide what their questions say they decide. The lead and its contact are locked."""
    by, at = submission.submitted_by, submission.submitted_at
    differs = _fill_contact(lead.contact, person, may_fill=may_fill.contact)
    differs |= _fill_company(lead.contact.company, questions, answers, may_fill=may_fill.company)
    differs |= _fill_lead(lead, questions, answers)
    questionnaire = submission.version.questionnaire
    LeadEvent.objects.record(
        lead,
        LeadEvent.Kind.ANSWERED,
        by=by,
        at=at,
        questionnaire=questionnaire.name,
        submission=submission.pk,
        via=submission.via,
        differs=differs,
    )
    _answer_criteria(submission, lead, questions, answers)


def _agree(
    submission: Submission, lead: Lead, person: Person, agreed_to: Iterable[ConsentText], *, at: datetime.datetime
) -> None:
    """Record what was agreed to. Of what was ticked on a public page, mailings wait until the address has confirmed them,
    and nothing is recorded of a person who said no before: that might be anybody's tick. `at` is now.
    """
    questionnaire = submission.version.questionnaire
    source = _("Questionnaire “%(name)s”, version %(version)s") % {
        "name": questionnaire.name,
        "version": submission.version.number,
    }
    by, said_at = submission.submitted_by, submission.submitted_at
    for text in agreed_to:
        purpose = Purpose(text.purpose)
        if submission.via != Submission.Via.PUBLIC:
            agreements.give(lead.contact, purpose, source=source, at=said_at, by=by, text=text)
        elif purpose == Purpose.MAILING:
            confirming.ask(submission, person.email, at=at)
        elif agreements.refused(lead.contact, purpose):
            LeadEvent.objects.record(lead, LeadEvent.Kind.CONSENT, by=None, at=said_at, step="ticked", purpose=purpose)
        else:
            agreements.give(lead.contact, purpose, source=source, at=said_at, by=by, text=text)


def _fill_contact(contact: Contact, person: Person, *, may_fill: bool) -> dict[str, list[str]]:
    """Fill in what wasn't known, where that is allowed. What was said otherwise is returned: {field: [known, said]}."""
    differs = {}
    if may_fill and fill_in(contact, person):
        contact.save()
    for name in ("name", "email", "job_title", "profile_url"):
        known, said = getattr(contact, name), getattr(person, name)
        if said and fold(known) != fold(normalise_email(said) if name == "email" else said):
            differs[name] = [known, said]
    if person.phone and (normalise_phone(person.phone, Organisation.current().country) or person.phone) not in {
        contact.phone,
        contact.phone_as_typed,
    }:
        differs["phone"] = [contact.shown_phone, person.phone]
    company = contact.company.name if contact.company else ""
    if person.company and fold(company) != fold(person.company):
        differs["company"] = [company, person.company]
    return differs


def _fill_company(
    company: Company | None, questions: Collection[Question], answers: dict[str, Any], *, may_fill: bool
) -> dict[str, list[str]]:
    said = {}
    for question in questions:
        place, _dot, name = question.contact_field.partition(".")
        if place == "company" and name and question.key in answers:
            said[name] = in_words(question, answers[question.key])
            if name == "employees":
                said[name] = _whole_number(said[name])
    said = {name: text for name, text in said.items() if text}
    if not said:
        return {}
    if company is None:
        return {name: ["", text] for name, text in said.items()}
    company = Company.objects.select_for_update().get(pk=company.pk)
    differs, filled = {}, False
    for name, text in said.items():
        known = getattr(company, name)
        if may_fill and known in (None, ""):
            setattr(company, name, int(text) if name == "employees" else text[:100])
            filled = True
        elif fold(str(known or "")) != fold(text):
            differs[name] = [str(known or ""), text]
    if filled:
        company.save()
    return differs


def _whole_number(text: str) -> str:
    """`text` if it is a number of people that can be kept, else nothing."""
    return text if text.isascii() and text.isdigit() and int(text) < 2**31 else ""


def _fill_lead(lead: Lead, questions: Collection[Question], answers: dict[str, Any]) -> dict[str, list[str]]:
    differs, wanted = {}, []
    said: dict[str, list[str]] = {}
    for question in questions:
        if question.key not in answers:
            continue
        if question.contact_field in LEAD_FIELDS:
            value = answers[question.key]
            # A day as colleagues of any language read it, not in the visitor's.
            text = value.isoformat() if isinstance(value, datetime.date) else in_words(question, value)
            said.setdefault(question.contact_field, []).append(text)
        elif question.decides == Question.Decides.PRODUCT:
            wanted += _products(question, answers[question.key])
    for name, texts in said.items():
        text = ", ".join(texts)[: LEAD_FIELDS[name]]
        known = getattr(lead, name)
        if not known:
            setattr(lead, name, text)
        elif fold(known) != fold(text):
            differs[name] = [known, text]
    if wanted and lead.product_id is None:
        lead.product = wanted[0]
    lead.other_products.add(*(product for product in wanted if product.pk != lead.product_id))
    lead.save(update_fields=[*LEAD_FIELDS, "product", "updated_at"])
    return differs


def _products(question: Question, value: Any) -> list[Product]:
    keys = value if isinstance(value, list) else [value]
    chosen: list[Option] = [option for option in question.options.all() if option.key in keys]
    return [option.product for option in chosen if option.product is not None]


def _answer_criteria(
    submission: Submission, lead: Lead, questions: Collection[Question], answers: dict[str, Any]
) -> None:
    """Record what the answers say of criteria, where nothing later is known.

    What one of ours was told by the person stands against a public page, which anybody could have filled in.
    """
    by, at = submission.submitted_by, submission.submitted_at
    known = {answer.key: answer for answer in CriterionAnswer.objects.filter(lead=lead)}
    decided: dict[str, str] = {}
    for question in questions:
        if question.criterion_key and question.criterion_rule and question.key in answers:
            rule = question.criterion_rule
            met = holds(rule["comparison"], rule.get("value"), _comparable(answers[question.key]))
            if met is not None:
                decided[question.criterion_key] = CriterionAnswer.Value.YES if met else CriterionAnswer.Value.NO
    for key, value in decided.items():
        before = known.get(key)
        if before and (before.answered_at > at or before.value == value):
            continue
        if before and before.source == CriterionAnswer.Source.PERSON and submission.via == Submission.Via.PUBLIC:
            continue
        CriterionAnswer.objects.update_or_create(
            lead=lead,
            key=key,
            defaults={
                "value": value,
                "source": CriterionAnswer.Source.QUESTION,
                "answered_by": by,
                "answered_at": at,
            },
        )
        LeadEvent.objects.record(
            lead, LeadEvent.Kind.CRITERION, by=by, at=at, key=key, value=value, submission=submission.pk
        )


def _comparable(value: Any) -> Any:
    return str(value) if isinstance(value, (datetime.date, Decimal)) else value
