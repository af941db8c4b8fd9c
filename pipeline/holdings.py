"""Every table that leads to a contact, and what becomes of each of its texts when the person is erased.

A test walks all models and fails for a table, or a text, that isn't named here: what is added later can't be forgotten.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from django.db import models

from leads.models import (
    Answer,
    Consent,
    Contact,
    ContactIdentity,
    CriterionAnswer,
    DemandRequest,
    Lead,
    LeadEvent,
    LeadJudgement,
    Question,
    Referral,
    Stage,
    Submission,
)
from pipeline.models import (
    Activity,
    ClockPause,
    ContentRequest,
    ContentUse,
    Enrolment,
    Handoff,
    Notification,
    Objection,
    Opportunity,
    OpportunityLine,
    Payment,
    PlannedPayment,
    QualityReview,
    Recycling,
    ReturnAnswer,
    ReturnFeedback,
    ReviewProposal,
    ReviewScore,
    StepRun,
    Task,
)

ERASED_TEXT = "—"  # where something was known: a rule that asks only whether it is known answers as before


@dataclasses.dataclass(frozen=True)
class Holding:
    """One table with rows about a person.

    `path` leads from a row to the contact. `erased` gives the value that erasing leaves in a field, `cleaned` the
    function that takes the person out of one row's JSON. `kept` are texts that say nothing of the person.
    """

    model: type[models.Model]
    path: str
    erased: dict[str, Any] = dataclasses.field(default_factory=dict)
    cleaned: dict[str, Callable[[Any], Any]] = dataclasses.field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    is_deleted: bool = False  # rows that are nothing but a name

    def rows(self, contact: Contact) -> models.QuerySet:
        return self.model._base_manager.filter(**{self.path: contact.pk}).order_by("pk")


def _blank(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, "")


# What an event may go on saying: of the process, never of the person. Everything else in its data is erased.
_EVENT_FACTS = {
    "activity", "activity_id", "after", "amount", "before", "cause", "clock", "criteria_version", "demand", "due_at", "due_days",
    "handoff", "how", "key", "kept", "opportunity", "outcome", "paid_on", "partner", "plan", "points", "purpose", "questionnaire",
    "reason", "record", "rep", "result", "step", "submission", "submission_key", "system", "task", "text_version",
    "told", "undone", "until", "value", "verdict", "via", "what", "when",
    "answer", "criterion", "decision", "feedback", "wanted_product", *Stage.values,
}  # fmt: skip


def _without_person(data: Any) -> dict[str, Any]:
    """An event's data without what was said of the person; of an edit the names of the fields stay."""
    if not isinstance(data, dict):
        return {}
    kept = {name: value for name, value in data.items() if name in _EVENT_FACTS and not isinstance(value, dict)}
    if data.get("source") == "import":
        kept["source"] = "import"
    changed = [*(data.get("fields") or []), *(data.get("changes") or {})]
    if changed:
        kept["fields"] = list(dict.fromkeys(changed))
    return kept


def _known_without_person(known: Any) -> Any:
    """What was known at the handoff, so that it can be judged again: that something was known stays, not what."""
    if not isinstance(known, dict):
        return known
    fields = known.get("fields", {})
    keys = [name.removeprefix("answer.") for name in fields if name.startswith("answer.")]
    free = Question.objects.filter(key__in=keys, kind__in=[Question.Kind.TEXT, Question.Kind.LONG_TEXT])
    texts = {f"answer.{key}" for key in free.values_list("key", flat=True)}
    return {
        **known,
        "fields": {
            name: ERASED_TEXT if name.startswith("contact.") or name in texts or name == "lead.agreed" else value
            for name, value in fields.items()
        },
    }


_UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")

HOLDINGS = (
    Holding(
        Contact,
        "pk",
        erased={
            **_blank("name", "job_title", "email", "phone", "phone_as_typed", "profile_url", "note", "language"),
            "do_not_contact": True,
            "bounced_at": None,
        },
        kept=frozenset({"search_text"}),  # reckoned from the others
    ),
    Holding(ContactIdentity, "contact", kept=frozenset({"system", "external_id"}), is_deleted=True),
    Holding(Consent, "contact", erased=_blank("source", "withdrawn_in")),
    Holding(
        Lead,
        "contact",
        erased={
            **_blank("note", "brief", "preferred_meeting_time", "agreed", "external_id", *_UTM),
            "source_details": {},
        },
        cleaned={"known_at_handoff": _known_without_person},
        kept=frozenset({"source_system", "search_text"}),  # which program it came from; reckoned from the contact
    ),
    Holding(LeadEvent, "lead__contact", cleaned={"data": _without_person}),
    Holding(CriterionAnswer, "lead__contact", kept=frozenset({"key"})),
    Holding(LeadJudgement, "lead__contact", kept=frozenset({"answers"})),  # yes or no to each criterion
    Holding(Submission, "lead__contact", erased={"person": {}, **_blank("suspicion")}, kept=frozenset({"language"})),
    Holding(Answer, "submission__lead__contact", erased=_blank("text")),
    # What was passed is names of facts, never their values.
    Holding(Referral, "lead__contact", erased=_blank("note", "outcome_note"), kept=frozenset({"passed"})),
    Holding(DemandRequest, "lead__contact", erased=_blank("note")),
    Holding(Activity, "lead__contact", erased=_blank("note")),
    Holding(
        Handoff,
        "lead__contact",
        erased=_blank("note", "missing", "not_asked", "misread", "who_said_no", "wanted_text", "criteria_doubt"),
        kept=frozenset({"assigned_how", "routing"}),  # of the rules and of reps, not of the person
    ),
    Holding(ClockPause, "handoff__lead__contact", erased={"reason": ERASED_TEXT}),
    Holding(ReturnFeedback, "handoff__lead__contact", kept=frozenset({"field"})),
    Holding(ReturnAnswer, "handoff__lead__contact", erased=_blank("note", "decision_note")),
    Holding(
        Opportunity,
        "lead__contact",
        erased=_blank("next_step", "lost_note", "external_id"),
        kept=frozenset({"source_system", "currency"}),
    ),
    Holding(OpportunityLine, "opportunity__lead__contact", erased={"text": ERASED_TEXT}),
    Holding(Objection, "opportunity__lead__contact", erased=_blank("text", "end_note")),
    Holding(PlannedPayment, "opportunity__lead__contact", erased=_blank("note")),
    Holding(Payment, "opportunity__lead__contact", erased=_blank("note", "void_reason"), kept=frozenset({"currency"})),
    Holding(Task, "lead__contact", erased={"title": ERASED_TEXT, "note": ""}),
    Holding(Recycling, "lead__contact", erased=_blank("result_note")),
    Holding(QualityReview, "activity__lead__contact", erased=_blank("note")),
    Holding(ReviewScore, "review__activity__lead__contact", kept=frozenset({"text"})),
    Holding(ReviewProposal, "activity__lead__contact", erased=_blank("skipped_because")),
    Holding(ContentRequest, "lead__contact", erased={"title": ERASED_TEXT, **_blank("note", "answer")}),
    Holding(ContentUse, "lead__contact"),
    Holding(Enrolment, "lead__contact"),
    Holding(StepRun, "enrolment__lead__contact"),
    Holding(Notification, "lead__contact", cleaned={"data": _without_person}),
)
