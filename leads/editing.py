"""Changing facts: one function per kind of record, which pages and API share.

Each locks the row, checks who may, refuses an edit that began on an older version, writes, and says in the leads'
timelines what changed. Stages are not facts: they move in `pipeline.transitions`.
"""

import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.erasures import require_present
from leads.models import Company, Contact, Lead, LeadEvent
from leads.normalise import normalise_email
from leads.registration import find_or_add_company

LEAD_FIELDS = {"product", "other_products", "owner", "met_on", "preferred_meeting_time", "note"}
CONTACT_FIELDS = {
    "name", "job_title", "company", "email", "phone", "profile_url", "note", "do_not_contact",
}  # fmt: skip
COMPANY_FIELDS = {"name", "website", "industry", "country", "city", "employees"}


class StaleEdit(Exception):
    """Somebody changed the record after it was opened for editing; the text says who and when, where that is known."""


def lead_version(lead: Lead) -> int:
    """Which edit of its facts a lead is at. Activities, answers and moves don't make an open form stale; edits do."""
    return _edits(LeadEvent.objects.filter(lead=lead), "lead").aggregate(last=Max("pk"))["last"] or 0


def _edits(events: models.QuerySet[LeadEvent], record: str) -> models.QuerySet[LeadEvent]:
    return events.filter(kind=LeadEvent.Kind.EDITED, data__record=record)


@transaction.atomic
def edit_lead(
    lead: Lead, changes: dict[str, Any], *, by: User | None, at: datetime.datetime, version: int | None = None
) -> Lead:
    """Write `changes` (names of LEAD_FIELDS and their new values) to a lead.

    Raises NotAllowed, and StaleEdit when `version` is given and isn't `lead_version` any more.
    """
    _require_editor(by)
    _require_known(changes, LEAD_FIELDS)
    lead = Lead.objects.select_for_update(of=("self",)).select_related("product", "owner", "contact").get(pk=lead.pk)
    require_present(lead.contact)
    if version is not None and version != lead_version(lead):
        raise StaleEdit(_who_edited(_edits(lead.events.all(), "lead")))
    plain = {name: value for name, value in changes.items() if name != "other_products"}
    written = _assign(lead, plain)
    if "other_products" in changes:
        before, after = list(lead.other_products.all()), list(changes["other_products"])
        if {product.pk for product in before} != {product.pk for product in after}:
            lead.other_products.set(after)
            written["other_products"] = [_text(before), _text(after)]
    if written:
        lead.save(update_fields=[*(name for name in written if name != "other_products"), "updated_at"])
        LeadEvent.objects.record(lead, LeadEvent.Kind.EDITED, by=by, at=at, record="lead", changes=written)
    return lead


@transaction.atomic
def edit_contact(
    contact: Contact, changes: dict[str, Any], *, by: User | None, at: datetime.datetime, version: int | None = None
) -> Contact:
    """Write `changes` (names of CONTACT_FIELDS and their new values) to a contact.

    `phone` is as typed, `company` a company or its name. What the person agreed to is recorded by `leads.consents`.
    Raises NotAllowed, and StaleEdit when `version` is given and isn't the contact's any more.
    """
    _require_editor(by)
    _require_known(changes, CONTACT_FIELDS)
    contact = Contact.objects.select_for_update(of=("self",)).select_related("company").get(pk=contact.pk)
    require_present(contact)
    if version is not None and version != contact.version:
        raise StaleEdit(_who_edited(_edits(LeadEvent.objects.filter(lead__contact=contact), "contact")))
    changes = dict(changes)
    if isinstance(changes.get("company"), str):
        same = contact.company is not None and changes["company"] == contact.company.name
        changes["company"] = contact.company if same else find_or_add_company(changes["company"])
    written = {}
    if (phone := changes.pop("phone", None)) is not None and phone != contact.shown_phone:
        before = contact.shown_phone
        contact.set_phone(phone)
        if contact.shown_phone != before:
            written["phone"] = [before, contact.shown_phone]
    written |= _assign(contact, changes)
    if "email" in written and normalise_email(contact.email) != written["email"][0]:
        contact.bounced_at = None  # the new address may well work
    if written:
        contact.save()
        LeadEvent.objects.bulk_create(
            LeadEvent(
                lead=lead,
                kind=LeadEvent.Kind.EDITED,
                at=at,
                actor=by,
                data={"record": "contact", "changes": written},
            )
            for lead in contact.leads.only("pk")
        )
    return contact


@transaction.atomic
def note_bounce(contact: Contact, *, by: User | None, at: datetime.datetime, bounced: bool = True) -> None:
    """Keep that mails to the contact's address come back, or that they arrive again. Saying so twice changes nothing.

    Raises NotAllowed.
    """
    if not access.may(by, access.QUALIFY_LEADS):
        raise access.NotAllowed(_("Only marketing notes that a mail bounced."))
    contact = Contact.objects.select_for_update().get(pk=contact.pk)
    if (contact.bounced_at is not None) == bounced or (bounced and not contact.email):
        return
    contact.bounced_at = at if bounced else None
    contact.save(update_fields=["bounced_at"])
    written = {"bounced_at": [_text(not bounced), _text(bounced)]}
    LeadEvent.objects.bulk_create(
        LeadEvent(
            lead=lead, kind=LeadEvent.Kind.EDITED, at=at, actor=by, data={"record": "contact", "changes": written}
        )
        for lead in contact.leads.only("pk")
    )


@transaction.atomic
def edit_company(
    company: Company,
    changes: dict[str, Any],
    *,
    by: User | None,
    at: datetime.datetime,
    version: datetime.datetime | None = None,
) -> Company:
    """Write `changes` (names of COMPANY_FIELDS and their new values) to a company.

    Raises NotAllowed, and StaleEdit when `version` is given and isn't the company's `updated_at` any more.
    """
    _require_editor(by)
    _require_known(changes, COMPANY_FIELDS)
    company = Company.objects.select_for_update().get(pk=company.pk)
    if version is not None and version != company.updated_at:
        raise StaleEdit(_("Somebody saved this while you were editing it."))
    if _assign(company, changes):
        company.save()
    return company


@transaction.atomic
def add_note(lead: Lead, text: str, *, by: User | None, at: datetime.datetime) -> LeadEvent:
    """Put a note on a lead's timeline. Raises NotAllowed, and ValueError for an empty note."""
    _require_editor(by)
    lead = Lead.objects.select_for_update(of=("self",)).select_related("contact").get(pk=lead.pk)
    require_present(lead.contact)
    if not text.strip():
        raise ValueError("The note is empty.")
    event = LeadEvent.objects.record(lead, LeadEvent.Kind.NOTE, by=by, at=at, note=text.strip())
    Lead.objects.filter(pk=lead.pk).update(updated_at=at)
    return event


def _require_editor(by: User | None) -> None:
    if not access.may(by, access.EDIT_CONTACTS):
        raise access.NotAllowed(_("Your role reads leads and contacts, but doesn't change them."))


def _require_known(changes: dict[str, Any], fields: set[str]) -> None:
    if unknown := set(changes) - fields:
        raise ValueError(f"No such facts: {', '.join(sorted(unknown))}")


def _assign(record: models.Model, changes: dict[str, Any]) -> dict[str, list[str]]:
    """Set what differs, and say in text what was and what is: {field: [old, new]}."""
    written = {}
    for name, value in changes.items():
        before = getattr(record, name)
        if before != value:
            setattr(record, name, value)
            written[name] = [_text(before), _text(value)]
    return written


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(sorted(str(each) for each in value))
    return "" if value is None else str(value)


def _who_edited(edits: models.QuerySet[LeadEvent]) -> str:
    last = edits.select_related("actor").order_by("-pk").first()
    if last is None or last.actor is None:
        return _("Somebody saved this while you were editing it.")
    return _("%(who)s saved this on %(when)s, while you were editing it.") % {
        "who": last.actor,
        "when": date_format(timezone.localtime(last.at), "DATETIME_FORMAT"),
    }
