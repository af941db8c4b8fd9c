"""Registering a lead: the one way in, for stand, forms and API."""

import dataclasses
import datetime
import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import Organisation, User
from leads import consents
from leads.erasures import require_present
from leads.models import Campaign, Company, Contact, Lead, LeadEvent, Product
from leads.models.consents import Purpose
from leads.normalise import fold


@dataclasses.dataclass
class Person:
    """Who was met, as typed. Blank fields are unknown."""

    name: str = ""
    email: str = ""
    phone: str = ""
    company: str = ""
    job_title: str = ""
    profile_url: str = ""
    consent: bool = False
    mailing_consent: bool = False


@dataclasses.dataclass
class Registered:
    """The lead, and whether it is new; it isn't when the person was already registered in the campaign."""

    lead: Lead
    is_new: bool
    is_known_contact: bool


def known_company(name: str) -> Company | None:
    """The company of that name, whatever its case and accents; None when there is none, or for a blank name."""
    folded = fold(" ".join(name.split())[:200])
    return Company.objects.filter(folded_name=folded).order_by("pk").first() if folded else None


def find_or_add_company(name: str) -> Company | None:
    """The company of that name, made when there is none; None for a blank name."""
    name = " ".join(name.split())[:200]
    return (known_company(name) or Company.objects.create(name=name)) if name else None


def fill_in(contact: Contact, person: Person) -> bool:
    """Set the fields of `contact` that were blank, without saving it. True when that changed something."""
    filled = False
    for field in ("name", "email", "job_title", "profile_url"):
        if not getattr(contact, field) and getattr(person, field):
            setattr(contact, field, getattr(person, field))
            filled = True
    if not contact.shown_phone and person.phone.strip():
        contact.set_phone(person.phone)
        filled = True
    if contact.company_id is None and (company := find_or_add_company(person.company)):
        contact.company = company
        filled = True
    return filled


def record_consents(contact: Contact, person: Person, *, source: str, by: User | None, at: datetime.datetime) -> None:
    """Keep what the person agreed to while being registered; what isn't ticked withdraws nothing."""
    for agreed, purpose in ((person.consent, Purpose.CONTACT), (person.mailing_consent, Purpose.MAILING)):
        if agreed and not consents.withdrawn_since(contact, purpose, at):
            consents.give(contact, purpose, source=source, by=by, at=at)


def _known_or_new(person: Person, *, fills_blanks: bool) -> tuple[Contact, bool]:
    """The contact with this e-mail or phone, its blank fields perhaps filled in, or a new one. True when it was known.

    What is already known is never overwritten by what somebody typed in a hurry.
    """
    contact = Contact.objects.select_for_update().same_as(email=person.email, phone=person.phone).order_by("pk").first()
    is_known = contact is not None
    if contact is None or fills_blanks:
        contact = contact or Contact()
        fill_in(contact, person)
        contact.save()
    return contact, is_known


@transaction.atomic
def register_lead(
    campaign: Campaign,
    person: Person,
    *,
    by: User | None,
    at: datetime.datetime,
    contact: Contact | None = None,
    product: Product | None = None,
    other_products: list[Product] | None = None,
    owner: User | None = None,
    submission_key: uuid.UUID | None = None,
    typed_by: User | None = None,
    fills_blanks: bool = True,
    **details: object,
) -> Registered:
    """Register that a person met in `campaign` is interested.

    A repeated `submission_key` returns what the first call made. A person who is already registered in the campaign
    isn't registered twice: the note is added to the lead that is there. `typed_by` is the colleague who met the person,
    where `by` only sends what waited in their browser. Without `fills_blanks` a contact that is known already stays as it
    is. `details` are further fields of the lead.
    Raises NotAllowed for the wrong role.
    """
    if not access.may(by, access.REGISTER_LEADS):
        raise access.NotAllowed(_("Your role doesn't register leads."))
    # All who register wait here for each other: one visitor, met by two people at once, must not become two contacts.
    Organisation.objects.select_for_update().get_or_create(pk=1)
    if submission_key and (done := Lead.objects.filter(submission_key=submission_key).first()):
        return Registered(done, is_new=False, is_known_contact=True)
    is_known = contact is not None
    if contact is not None:
        require_present(contact)
    else:
        contact, is_known = _known_or_new(person, fills_blanks=fills_blanks)
    told = {"typed_by": str(typed_by)} if typed_by and typed_by != by else {}
    there = (
        Lead.objects.present().filter(contact=contact, campaign=campaign).order_by("pk").first() if is_known else None
    )
    if there:
        _register_again(there, product, other_products or [], submission_key, by=by, at=at, told=told, **details)
        record_consents(contact, person, source=str(campaign), by=by, at=at)
        return Registered(there, is_new=False, is_known_contact=True)
    lead = Lead.objects.create(
        contact=contact,
        campaign=campaign,
        product=product,
        owner=owner or by,
        registered_by=by,
        registered_at=at,
        submission_key=submission_key,
        **details,
    )
    if other_products:
        lead.other_products.set(other_products)
    LeadEvent.objects.record(lead, LeadEvent.Kind.REGISTERED, by=by, at=at, to_stage=lead.stage, **told)
    record_consents(contact, person, source=str(campaign), by=by, at=at)
    return Registered(lead, is_new=True, is_known_contact=is_known)


def _register_again(
    lead: Lead,
    product: Product | None,
    other_products: list[Product],
    submission_key: uuid.UUID | None,
    *,
    by: User | None,
    at: datetime.datetime,
    told: dict[str, str],
    **details: object,
) -> None:
    """Keep what a second meeting in the same campaign told: blank fields are filled in, the note joins the timeline."""
    key = str(submission_key or "")
    kind = LeadEvent.Kind.REGISTERED_AGAIN
    if key and lead.events.filter(kind=kind, data__submission_key=key).exists():
        return
    wanted = [item for item in (product, *other_products) if item]
    if wanted and lead.product_id is None:
        lead.product = wanted[0]
    lead.other_products.add(*(item for item in wanted if item.pk != lead.product_id))
    lead.preferred_meeting_time = lead.preferred_meeting_time or str(details.get("preferred_meeting_time") or "")
    agreed = str(details.get("agreed") or "")
    lead.agreed = lead.agreed or agreed
    lead.save()
    if lead.registered_at:
        at = max(at, lead.registered_at)  # what waited in a browser may come after what was typed later
    note = "\n".join(filter(None, [str(details.get("note") or ""), agreed]))
    told = told | ({"submission_key": key} if key else {})
    LeadEvent.objects.record(lead, kind, by=by, at=at, note=note, **told)
