"""Writing contacts for other programs: one by one, or in bulk by the id that another system knows them by."""

import dataclasses
import datetime

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import Organisation, User
from leads import erasures
from leads.models import Company, Contact, ContactIdentity, ErasedMark, Lead
from leads.normalise import fold, normalise_phone

MAX_ITEMS = 1_000
# What another system may set; absent fields are left as they are.
FIELDS = ("name", "job_title", "email", "profile_url", "note", "do_not_contact")


@dataclasses.dataclass(frozen=True)
class Upserted:
    """What became of one item: created, linked (known by e-mail before), updated or unchanged.

    Or erased: the person's data was erased here, so that of an old copy isn't taken in; there is no contact then.
    """

    external_id: str
    status: str
    contact_id: int | None = None
    version: int | None = None


def _require_editor(by: User | None) -> None:
    if not access.may(by, access.EDIT_CONTACTS):
        raise access.NotAllowed(_("Your role doesn't change contacts."))


@transaction.atomic
def create_contact(changes: dict, *, by: User | None) -> Contact:
    """A new contact with the fields that `changes` names. Raises NotAllowed for the wrong role."""
    _require_editor(by)
    contact = Contact()
    _apply(contact, changes, _find_or_add_companies({name for name in [_company_name(changes)] if name}))
    contact.save()
    return contact


def upsert_contacts(system: str, items: list[dict], *, by: User | None, at: datetime.datetime) -> dict[str, Upserted]:
    """Write `items` (validated dicts with a unique `external_id` each) so that repeating the call changes nothing.

    An id that is new to us is linked to the contact with the same e-mail, if `system` doesn't know that one under
    another id. All is written or nothing; items are taken in the order of their ids, so that two clients who send the
    same contacts wait for each other instead of deadlocking. Raises NotAllowed for the wrong role.
    """
    _require_editor(by)
    ordered = sorted(items, key=lambda item: item["external_id"])
    try:
        return _upsert(system, ordered, at)
    except IntegrityError:  # another client has just added one of these ids: now it is there to be found
        return _upsert(system, ordered, at)


@transaction.atomic
def _upsert(system: str, items: list[dict], at: datetime.datetime) -> dict[str, Upserted]:
    known = _lock_known(system, [item["external_id"] for item in items])
    by_email = _lock_unlinked_by_email(
        system, [i["email"] for i in items if i.get("email") and i["external_id"] not in known]
    )
    companies = _find_or_add_companies({name for i in items if (name := _company_name(i))})

    country = Organisation.current().country
    status: dict[str, str] = {}
    contacts: dict[str, Contact] = {}
    unknown = [item for item in items if item["external_id"] not in known and item.get("email") not in by_email]
    erased = _erased(system, unknown, country)
    for item in items:
        key = item["external_id"]
        if key in erased:
            continue
        contact = known.get(key)
        if contact is not None:
            status[key] = "updated" if _apply(contact, item, companies, country) else "unchanged"
        elif (contact := by_email.pop(item.get("email") or None, None)) is not None:
            _apply(contact, item, companies, country)
            status[key] = "linked"
        else:
            contact = Contact()
            _apply(contact, item, companies, country)
            status[key] = "created"
        contacts[key] = contact

    _write(contacts, status, at)
    ContactIdentity.objects.bulk_create(
        ContactIdentity(contact=contacts[key], system=system, external_id=key)
        for key, outcome in status.items()
        if outcome in {"created", "linked"}
    )
    done = {key: Upserted(key, status[key], contact.pk, contact.version) for key, contact in contacts.items()}
    return done | {key: Upserted(key, "erased") for key in erased}


def _erased(system: str, items: list[dict], country: str) -> set[str]:
    """External ids of those items whose person was erased here and hasn't come back of themselves since.

    Somebody came back who is a contact again under this phone; who is one under this e-mail was found before.
    """
    if not items or not ErasedMark.objects.exists():
        return set()
    marks: dict[str, set[str]] = {}
    phones: dict[str, str] = {}
    for item in items:
        key = item["external_id"]
        marks[key] = {erasures.mark_of_identity(system, key)}
        if item.get("email"):
            marks[key].add(erasures.mark_of_email(item["email"]))
        if item.get("phone"):
            phones[key] = normalise_phone(item["phone"], country) or item["phone"]
            marks[key].add(erasures.mark_of_phone(phones[key]))
    found = erasures.erased_among(set().union(*marks.values()))
    hit = {key for key, of_item in marks.items() if of_item & found}
    came_back = Contact.objects.filter(phone__in=[phones[key] for key in hit & phones.keys()]).exclude(phone="")
    back = set(came_back.values_list("phone", flat=True)) if hit & phones.keys() else set()
    return {key for key in hit if phones.get(key) not in back}


def _lock_known(system: str, external_ids: list[str]) -> dict[str, Contact]:
    identities = ContactIdentity.objects.filter(system=system, external_id__in=external_ids)
    contact_of = dict(identities.values_list("external_id", "contact_id"))
    locked = Contact.objects.select_for_update(of=("self",)).select_related("company").order_by("pk")
    # Who was erased while this waited for the lock has lost the id by which it was found.
    present = locked.filter(pk__in=contact_of.values(), erased_at__isnull=True)
    contacts = {contact.pk: contact for contact in present}
    return {external_id: contacts[pk] for external_id, pk in contact_of.items() if pk in contacts}


def _lock_unlinked_by_email(system: str, emails: list[str]) -> dict[str | None, Contact]:
    locked = Contact.objects.select_for_update(of=("self",)).select_related("company").order_by("pk")
    found = locked.filter(email__in=emails).exclude(
        pk__in=ContactIdentity.objects.filter(system=system).values("contact_id")
    )
    return {contact.email: contact for contact in reversed(found)}


def _company_name(item: dict) -> str:
    return " ".join((item.get("company") or "").split())[:200]


def _find_or_add_companies(names: set[str]) -> dict[str, Company]:
    """Companies by folded name."""
    wanted = {fold(name)[:400]: name for name in sorted(names)}
    found = {c.folded_name: c for c in Company.objects.filter(folded_name__in=wanted).order_by("-pk")}
    missing = [Company(name=name, folded_name=folded) for folded, name in wanted.items() if folded not in found]
    for company in Company.objects.bulk_create(missing):
        found[company.folded_name] = company
    return found


def _apply(contact: Contact, item: dict, companies: dict[str, Company], country: str = "") -> bool:
    """Set what `item` says; True when that changed anything."""
    before = [getattr(contact, field) for field in (*FIELDS, "phone_as_typed", "company_id")]
    for field in FIELDS:
        if field in item:
            setattr(contact, field, item[field])
    contact.do_not_contact |= before[
        FIELDS.index("do_not_contact")
    ]  # only a person, or one write of one contact, ends it
    if contact.email != before[FIELDS.index("email")]:
        contact.bounced_at = None  # the new address may well work
    if "phone" in item and item["phone"] not in {contact.phone, contact.phone_as_typed}:
        contact.set_phone(item["phone"], country)
    if "company" in item:
        contact.company = companies.get(fold(_company_name(item))[:400])
    return before != [getattr(contact, field) for field in (*FIELDS, "phone_as_typed", "company_id")]


def _write(contacts: dict[str, Contact], status: dict[str, str], at: datetime.datetime) -> None:
    new, changed, renamed = [], [], []
    for key, contact in contacts.items():
        if status[key] == "unchanged":
            continue
        search_text, contact.search_text = contact.search_text, contact.reckon_search_text()
        contact.updated_at = at
        if status[key] == "created":
            new.append(contact)
            continue
        contact.version += 1
        changed.append(contact)
        if contact.search_text != search_text:
            renamed.append(contact.pk)
    Contact.objects.bulk_create(new)
    # One statement that inserts or updates: bulk_update's CASE for each row takes many times as long.
    Contact.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=[
            *FIELDS,
            "phone",
            "phone_as_typed",
            "company",
            "bounced_at",
            "search_text",
            "version",
            "updated_at",
        ],
    )
    written = Contact.objects.filter(pk=OuterRef("contact_id")).values("search_text")
    Lead.objects.filter(contact_id__in=renamed).update(search_text=Subquery(written))
