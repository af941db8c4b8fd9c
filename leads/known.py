"""What is known of a lead when it is judged: named fields of contact, company and lead, and its answers.

It is plain data, so that it can be kept as it stood at the handoff (`Lead.known_at_handoff`) and judged again later.
"""

import dataclasses
from collections.abc import Callable, Iterable

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from leads.comparisons import Kind
from leads.models import Answer, CriterionAnswer, Lead


@dataclasses.dataclass(frozen=True)
class Field:
    """A field that a rule may ask about."""

    name: str
    label: str | Promise
    kind: Kind
    read: Callable[[Lead], object]


def _company(field: str) -> Callable[[Lead], object]:
    return lambda lead: getattr(lead.contact.company, field) if lead.contact.company else None


FIELDS = {
    field.name: field
    for field in (
        Field("contact.name", pgettext_lazy("person", "Name"), Kind.TEXT, lambda lead: lead.contact.name),
        Field("contact.job_title", _("Position"), Kind.TEXT, lambda lead: lead.contact.job_title),
        Field("contact.email", _("E-mail"), Kind.TEXT, lambda lead: lead.contact.email),
        Field("contact.phone", _("Phone"), Kind.TEXT, lambda lead: lead.contact.shown_phone),
        Field("company.name", _("Company"), Kind.TEXT, _company("name")),
        Field("company.industry", _("Industry"), Kind.TEXT, _company("industry")),
        Field("company.country", _("Country"), Kind.TEXT, _company("country")),
        Field("company.city", _("City"), Kind.TEXT, _company("city")),
        Field("company.employees", _("Employees"), Kind.NUMBER, _company("employees")),
        Field("lead.product", _("Product"), Kind.TEXT, lambda lead: lead.product.name if lead.product else None),
        Field("lead.channel", _("Channel"), Kind.TEXT, lambda lead: lead.campaign.channel.name),
        Field("lead.campaign", _("Campaign"), Kind.TEXT, lambda lead: lead.campaign.name),
        Field("lead.agreed", _("Agreed next step"), Kind.TEXT, lambda lead: lead.agreed),
    )
}
ANSWER = "answer."  # and the question's key: its answer, as a field


@dataclasses.dataclass
class Known:
    """`fields` by name, and by `answer.<question key>`; `answers` are what was said of criteria, by criterion key."""

    fields: dict[str, object] = dataclasses.field(default_factory=dict)
    answers: dict[str, str] = dataclasses.field(default_factory=dict)

    def as_json(self) -> dict:
        return {
            "fields": {name: value for name, value in self.fields.items() if value not in (None, "", [])},
            "answers": self.answers,
        }

    @classmethod
    def from_json(cls, data: dict) -> "Known":
        return cls(fields=dict(data.get("fields", {})), answers=dict(data.get("answers", {})))


def of_lead(lead: Lead) -> Known:
    """Everything known now. Of a question answered twice the later answer counts."""
    return of_leads([lead])[lead.pk]


def of_leads(leads: Iterable[Lead]) -> dict[int, Known]:
    """Everything known now of each lead, by its id: two queries for all. Their contacts and campaigns come along."""
    found = {lead.pk: Known(fields={field.name: field.read(lead) for field in FIELDS.values()}) for lead in leads}
    by_lead: dict[int, list[Answer]] = {}
    answers = Answer.objects.filter(submission__lead__in=found).select_related("question", "option", "submission")
    for answer in answers.order_by("submission__submitted_at", "pk"):
        by_lead.setdefault(answer.submission.lead_id or 0, []).append(answer)
    for pk, given in by_lead.items():
        found[pk].fields.update(answered(given))
    for pk, key, value in CriterionAnswer.objects.filter(lead__in=found).values_list("lead", "key", "value"):
        found[pk].answers[key] = value
    return found


def answered(answers: Iterable[Answer]) -> dict[str, object]:
    """Answers, oldest first, by field name and JSON-ready; several options of one submission make a list."""
    found: dict[str, tuple[int, object]] = {}
    for answer in answers:
        name, value = f"{ANSWER}{answer.question.key}", answer.value
        if answer.option_id is not None:
            before = found.get(name)
            keys = before[1] if before and before[0] == answer.submission_id and isinstance(before[1], list) else []
            value = [*keys, value]
        elif not isinstance(value, (bool, str)):
            value = str(value)
        found[name] = (answer.submission_id, value)
    return {name: value for name, (_submission, value) in found.items()}
