"""All that is kept about one person, as `holdings` names it: giving it out, and erasing it so that the numbers stay."""

import dataclasses
import datetime
import itertools
import re
from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import Organisation, User
from integrations.models import OutboxMessage
from integrations.outbox import forget_files
from leads import erasures
from leads.models import (
    Answer,
    Company,
    Consent,
    Contact,
    ErasedMark,
    Erasure,
    Lead,
    LeadEvent,
    Submission,
)
from leads.models.leads import SELLING
from leads.normalise import fold, normalise_email, normalise_phone, phone_digits
from pipeline import erasure_log, personal_words
from pipeline.holdings import HOLDINGS, Holding
from pipeline.models import (
    Enrolment,
    Handoff,
    Opportunity,
    StepRun,
    Task,
)

BATCH = 500
_OWN = {holding.model for holding in HOLDINGS}


class Refused(Exception):
    """The person can't be erased so; the text says why."""


# --- What is known ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Traces:
    """By what else than a row's reference a person is found: in mails, and in answers that no lead holds yet."""

    emails: set[str]
    phones: set[str]  # digits
    name: str
    phones_as_written: set[str]

    def marks(self) -> set[str]:
        return {erasures.mark_of_email(email) for email in self.emails} | {
            erasures.mark_of_phone(phone) for phone in self.phones
        }


def _traces(contact: Contact) -> Traces:
    """The addresses and numbers that the contact has or had, by the timelines of its leads."""
    emails, phones = {contact.email}, {contact.phone, contact.phone_as_typed}
    edits = LeadEvent.objects.filter(lead__contact=contact, kind=LeadEvent.Kind.EDITED, data__record="contact")
    for data in edits.values_list("data", flat=True):
        changes = data.get("changes") or {}
        emails.update(value for value in changes.get("email") or [] if isinstance(value, str))
        phones.update(value for value in changes.get("phone") or [] if isinstance(value, str))
    return Traces(
        {normalise_email(email) for email in emails if email},
        {digits for phone in phones if len(digits := phone_digits(phone)) >= 5},
        contact.name,
        {phone for phone in phones if len(phone_digits(phone)) >= 5},
    )


def _mails(contact: Contact, traces: Traces) -> tuple[set[int], set[int]]:
    """Numbers of the mails that went to the person, and of those to colleagues that speak of them."""
    sent = StepRun.objects.filter(enrolment__lead__contact=contact, message__isnull=False)
    to_person = set(sent.values_list("message_id", flat=True))
    leads = list(contact.leads.values_list("pk", flat=True))
    handoffs = Handoff.objects.filter(lead__contact=contact).values_list("pk", flat=True)
    deals = Opportunity.objects.filter(lead__contact=contact).values_list("pk", flat=True)
    pages = [
        reverse("leads:contact_detail", args=[contact.pk]),
        *(reverse("leads:lead_detail", args=[pk]) for pk in leads),
        *(reverse("pipeline:handoff_detail", args=[pk]) for pk in handoffs),
        *(reverse("pipeline:opportunity_detail", args=[pk]) for pk in deals),
    ]
    speaks = Q(pk__in=[])
    for page in pages:
        speaks |= Q(text__contains=f"{settings.SITE_URL}{page}") | Q(html__contains=f"{settings.SITE_URL}{page}")
    words = [*traces.emails, *traces.phones_as_written, *([traces.name] if len(traces.name.split()) > 1 else [])]
    for word in words:
        speaks |= Q(recipients__icontains=word) | Q(subject__icontains=word)
        speaks |= Q(text__icontains=word) | Q(html__icontains=word)
    about = set()
    for pk, recipients in OutboxMessage.objects.filter(speaks).values_list("pk", "recipients").iterator():
        if traces.emails & {normalise_email(parseaddr(str(one))[1]) for one in recipients}:
            to_person.add(pk)
        else:
            about.add(pk)
    return to_person, about - to_person


def _held_back(traces: Traces, country: str) -> list[int]:
    """Submissions without a lead (suspected or called spam) that somebody with these addresses filled in."""
    waiting = Submission.objects.filter(lead__isnull=True)
    mentions = Q(pk__in=[])
    for word in traces.emails:
        mentions |= Q(answers__text__icontains=word)
    found = set(waiting.filter(mentions).values_list("pk", flat=True))
    for pk, person in waiting.exclude(person={}).values_list("pk", "person").iterator():
        phone = str(person.get("phone") or "")
        said = {phone_digits(phone), phone_digits(normalise_phone(phone, country))}
        if normalise_email(str(person.get("email") or "")) in traces.emails or said & traces.phones:
            found.add(pk)
    return sorted(found)


# --- Giving it out ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Section:
    """The rows of one table, each as {name of the field: value}."""

    model: type[models.Model]
    rows: list[dict[str, Any]]

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def title(self) -> str:
        return personal_words.in_words(str(self.model._meta.verbose_name_plural))

    def readable(self) -> Iterator[list[tuple[str, Any]]]:
        """Each row as (label, value) of what is filled in."""
        labels = {field.name: str(field.verbose_name) for field in _fields(self.model)}
        for row in self.rows:
            yield [
                (personal_words.in_words(labels[name]), _in_words(value))
                for name, value in row.items()
                if value not in (None, "", [], {}) and name not in _INTERNAL
            ]


_INTERNAL = {"search_text"}


def _in_words(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case bool():
            return _("yes") if value else _("no")
        case datetime.datetime():
            return date_format(timezone.localtime(value), "DATETIME_FORMAT")
        case datetime.date():
            return date_format(value, "SHORT_DATE_FORMAT")
        case {"id": _id, "name": str(name), **others} if not others:
            return name
        case dict():
            return "\n".join(f"{name}: {_in_words(each)}" for name, each in value.items() if each not in ("", [], {}))
        case list() | tuple():
            return ", ".join(map(_in_words, value))
    return "—" if value is None else str(value)


def collect(contact: Contact, *, by: User | None) -> list[Section]:
    """Everything that is kept about a person, table by table; tables without a row are left out. Raises NotAllowed."""
    if not access.may(by, access.EXPORT_PERSON):
        raise NotAllowed(_("Your role doesn't give out personal data."))
    sections = [Section(holding.model, _rows(holding.rows(contact))) for holding in HOLDINGS]
    if contact.company is not None:
        sections.insert(1, Section(Company, _rows(Company.objects.filter(pk=contact.company.pk))))
    traces = _traces(contact)
    held_back = _held_back(traces, Organisation.current().country)
    sections.append(Section(Submission, _rows(Submission.objects.filter(pk__in=held_back))))
    sections.append(Section(Answer, _rows(Answer.objects.filter(submission__in=held_back))))
    to_person, about = _mails(contact, traces)
    sections.append(Section(OutboxMessage, _rows(OutboxMessage.objects.filter(pk__in=to_person | about))))
    return [section for section in sections if section.rows]


def as_json(contact: Contact, sections: list[Section], *, at: datetime.datetime) -> dict[str, Any]:
    tables: dict[str, list[dict[str, Any]]] = {}
    for section in sections:
        tables.setdefault(section.table, []).extend(section.rows)
    return {"contact": contact.pk, "made_at": at, "tables": tables}


def _fields(model: type[models.Model]) -> list[models.Field]:
    return [*model._meta.concrete_fields, *model._meta.many_to_many]


def _rows(rows: models.QuerySet) -> list[dict[str, Any]]:
    """The rows with all their fields. What they point at is named, not only numbered, at one query per table."""
    model = rows.model
    foreign = [field.name for field in model._meta.concrete_fields if field.many_to_one]
    many = [field.name for field in model._meta.many_to_many]
    found = rows.select_related(*foreign).prefetch_related(*many)
    return [{field.name: _value(row, field) for field in _fields(model)} for row in found]


def _value(row: models.Model, field: models.Field) -> Any:
    if field.many_to_many:
        return [str(each) for each in getattr(row, field.name).all()]
    if field.many_to_one:
        other = getattr(row, field.name)
        if other is None:
            return None
        is_named = "__str__" in vars(type(other)) and type(other) not in _OWN
        return {"id": other.pk, "name": str(other)} if is_named else other.pk
    value = getattr(row, field.name)
    return value if field.name == "id" or not field.choices else getattr(row, f"get_{field.name}_display")()


# --- Erasing ---------------------------------------------------------------------------------------------------------


def open_work(contact: Contact) -> int:
    """How many handoffs and opportunities of the person are still open."""
    handoffs = Handoff.objects.pending().filter(lead__contact=contact).count()
    return handoffs + Opportunity.objects.filter(lead__contact=contact, stage__in=SELLING).count()


@transaction.atomic
def erase(contact: Contact, cause: Erasure.Cause, *, by: User | None, at: datetime.datetime, note: str = "") -> Erasure:
    """Take a person out of everything that is kept, and leave an act of it. Erasing twice changes nothing.

    Rows, dates, stages and amounts stay, and with them every number. Mails to the person that wait are not sent.
    A company stays, unless it is the person: the only contact in it, and named like them.
    Raises NotAllowed, and Refused for a note that names the person.
    """
    if not access.may(by, access.ERASE_PERSON):
        raise NotAllowed(_("Only the director or an administrator erases personal data."))
    # Who registers, and who decides about what was held back as spam, waits here, and finds nobody afterwards.
    Organisation.objects.select_for_update().get_or_create(pk=1)
    contact = Contact.objects.select_for_update(of=("self",)).select_related("company").get(pk=contact.pk)
    if contact.erased_at is not None:
        return Erasure.objects.get(contact_number=contact.pk)
    leads = list(Lead.objects.select_for_update(of=("self",)).filter(contact=contact).order_by("pk"))
    traces = _traces(contact)
    if _names(note, traces):
        raise Refused(_("The note stays in the act: don't name the person in it."))
    marks = _marks(contact, traces)
    scope: dict[str, int] = {}
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA secure_delete = ON")  # overwrite what is erased in the file, too
    _erase_mails(contact, traces, scope, at=at)
    _erase_held_back(traces, scope, at=at)
    _end_what_runs(contact, by=by, at=at)
    erasures.let_history_be_erased(True)
    for holding in HOLDINGS:
        if reached := _erase_holding(holding, contact):
            scope[holding.model._meta.db_table] = scope.get(holding.model._meta.db_table, 0) + reached
    erasures.let_history_be_erased(False)
    _erase_company(contact, traces, scope)
    contact = Contact.objects.select_related("company").get(pk=contact.pk)
    contact.erased_at = at
    contact.save()
    # Also where the contact's own words were the same before: who reads leads by their last change hears of it.
    Lead.objects.filter(contact=contact).update(search_text=contact.search_text, updated_at=at)
    LeadEvent.objects.bulk_create(
        LeadEvent(lead=lead, kind=LeadEvent.Kind.ERASED, actor=by, at=at, data={"cause": cause}) for lead in leads
    )
    act = Erasure.objects.create(
        contact_number=contact.pk, cause=cause, note=note, erased_at=at, erased_by=by, scope=scope
    )
    ErasedMark.objects.bulk_create(ErasedMark(erasure=act, digest=digest) for digest in sorted(marks))
    transaction.on_commit(lambda: erasure_log.append([act]), robust=True)
    return act


def _names(note: str, traces: Traces) -> bool:
    folded, digits = fold(note), phone_digits(note)
    names = {word for word in re.findall(r"\w+", fold(traces.name)) if len(word) > 2}
    if names & set(re.findall(r"\w+", folded)) or any(email in folded for email in traces.emails):
        return True
    return any(phone[-9:] in digits for phone in traces.phones)


def _marks(contact: Contact, traces: Traces) -> set[str]:
    """By what the person will be recognised."""
    identities = contact.identities.values_list("system", "external_id")
    return {
        erasures.mark_of_row(contact),
        *traces.marks(),
        *(erasures.mark_of_identity(system, external_id) for system, external_id in identities),
    }


def _erase_holding(holding: Holding, contact: Contact) -> int:
    """Returns how many rows said something that they no longer say."""
    rows = holding.rows(contact)
    if holding.is_deleted:
        return rows.delete()[0]
    reached = 0
    if holding.erased:
        says = Q(pk__in=[])
        for name, value in holding.erased.items():
            says |= Q(**{f"{name}__isnull": False}) if value is None else ~Q(**{name: value})
        reached = rows.filter(says).order_by().update(**holding.erased)
    if not holding.cleaned:
        return reached
    changed = set()
    everything = rows.only("pk", *holding.cleaned).iterator(chunk_size=BATCH)
    while batch := list(itertools.islice(everything, BATCH)):
        rewritten = []
        for row in batch:
            said = {name: getattr(row, name) for name in holding.cleaned}
            cleaned = {name: clean(said[name]) for name, clean in holding.cleaned.items() if said[name] is not None}
            if any(said[name] != value for name, value in cleaned.items()):
                for name, value in cleaned.items():
                    setattr(row, name, value)
                rewritten.append(row)
                changed.add(row.pk)
        holding.model._base_manager.bulk_update(rewritten, list(holding.cleaned), batch_size=200)
    return max(reached, len(changed))


def _end_what_runs(contact: Contact, *, by: User | None, at: datetime.datetime) -> None:
    """Nothing more is done about the person by itself: no nurture step, no task, no next attempt."""
    Enrolment.objects.running().filter(lead__contact=contact).update(
        ended_at=at, end=Enrolment.End.OPTED_OUT, next_step=None, next_due_at=None
    )
    Task.objects.open().filter(lead__contact=contact).update(done_at=at, done_by=by)
    Lead.objects.filter(contact=contact).update(next_attempt_at=None)
    Consent.objects.valid().filter(contact=contact).update(withdrawn_at=at)


def _erase_mails(contact: Contact, traces: Traces, scope: dict[str, int], *, at: datetime.datetime) -> None:
    to_person, about = _mails(contact, traces)
    mails = OutboxMessage.objects.filter(pk__in=to_person | about)
    ids = set(mails.values_list("message_id", flat=True))
    transaction.on_commit(lambda: forget_files(ids), robust=True)
    mails.waiting().update(failed_at=at)
    nothing: dict[str, Any] = {
        "subject": "",
        "text": "",
        "html": "",
        "headers": {},
        "last_error": "",
        "leased_until": None,
    }
    if reached := mails.update(**nothing):
        scope[OutboxMessage._meta.db_table] = reached
    OutboxMessage.objects.filter(pk__in=to_person).update(recipients=[])


def _erase_held_back(traces: Traces, scope: dict[str, int], *, at: datetime.datetime) -> None:
    found = _held_back(traces, Organisation.current().country)
    Answer.objects.filter(submission__in=found).update(text="")
    Submission.objects.filter(pk__in=found, verdict=Submission.Verdict.SUSPECT).update(
        verdict=Submission.Verdict.SPAM, decided_at=at
    )
    if reached := Submission.objects.filter(pk__in=found).update(person={}, suspicion=""):
        scope[Submission._meta.db_table] = reached


def _erase_company(contact: Contact, traces: Traces, scope: dict[str, int]) -> None:
    """A company of one person, named like them, is that person."""
    company = contact.company
    words = set(re.findall(r"\w+", fold(traces.name)))
    if company is None or not words or not words <= set(re.findall(r"\w+", company.folded_name)):
        return
    if company.contacts.exclude(pk=contact.pk).exists():
        return
    company.name, company.website, company.city = f"№{company.pk}", "", ""
    company.save()
    scope[Company._meta.db_table] = 1
