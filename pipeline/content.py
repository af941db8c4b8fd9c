"""Content for sales: asking marketing for it, answering, and noting where a piece was used."""

import datetime
import uuid
from collections.abc import Iterable

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import access
from accounts.access import NotYours
from accounts.models import Role, User
from leads.erasures import require_present
from leads.models import Lead, LeadEvent
from leads.normalise import fold
from pipeline.models import ContentItem, ContentRequest, ContentUse, Notification, Opportunity
from pipeline.models.content import ContentItemQuerySet
from pipeline.notify import notify
from pipeline.transitions.rules import Kind, TransitionError, exactly, lock, made_before, made_once, named, require

Status = ContentRequest.Status

# What may be uploaded, by the end of its name: the type that it is served as, and how its bytes begin, at which place.
_ZIP = (0, (b"PK\x03\x04",))
FILE_TYPES = {
    "pdf": ("application/pdf", (0, (b"%PDF-",))),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", _ZIP),
    "pptx": ("application/vnd.openxmlformats-officedocument.presentationml.presentation", _ZIP),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _ZIP),
    "odt": ("application/vnd.oasis.opendocument.text", _ZIP),
    "odp": ("application/vnd.oasis.opendocument.presentation", _ZIP),
    "ods": ("application/vnd.oasis.opendocument.spreadsheet", _ZIP),
    "png": ("image/png", (0, (b"\x89PNG\r\n\x1a\n",))),
    "jpg": ("image/jpeg", (0, (b"\xff\xd8\xff",))),
    "jpeg": ("image/jpeg", (0, (b"\xff\xd8\xff",))),
    "mp4": ("video/mp4", (4, (b"ftyp",))),
}
NOT_MAKING = gettext_lazy("Only marketing answers requests for content.")


def type_of(name: str) -> str:
    """The media type of a file of the library, by the end of its name; of an unknown one the type of any bytes."""
    return FILE_TYPES.get(_ending(name), ("application/octet-stream", None))[0]


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def is_what_it_says(file: UploadedFile) -> bool:
    """Whether the file is of a kind that is taken, and its first bytes are those of that kind."""
    known = FILE_TYPES.get(_ending(file.name or ""))
    if known is None:
        return False
    place, beginnings = known[1]
    file.seek(0)
    head = file.read(16)[place:]
    file.seek(0)
    return head.startswith(beginnings)


# --- The library -----------------------------------------------------------------------------------------------------


@transaction.atomic
def keep(
    item: ContentItem,
    *,
    by: User | None,
    at: datetime.datetime,
    file: UploadedFile | None = None,
    answers: ContentRequest | None = None,
) -> ContentItem:
    """Put a piece in the library, or keep what was changed of one; perhaps it `answers` a request.

    A new `file` replaces the old one or the link, a link the file.
    """
    require(by, access.KEEP_CONTENT, _("Only marketing keeps the library."))
    if answers is not None:
        _lock_open(answers)  # refused before a file is stored, which no transaction takes back
    replaced = ContentItem.objects.filter(pk=item.pk).values_list("file", flat=True).first() if item.pk else ""
    if item.pk is None:
        item.added_at, item.added_by = at, by
    if file is not None:
        item.link, item.file_name, item.file_size = "", (file.name or "")[-200:], file.size
        item.file.save(file.name or "", file, save=False)
    elif item.link:
        item.file, item.file_name, item.file_size = "", "", None
    product = item.product.name if item.product else ""
    item.search_text = fold(" ".join([item.title, item.about, item.industry, product, item.file_name, item.link]))
    item.save()
    if replaced and replaced != item.file.name:
        storage = item.file.storage
        transaction.on_commit(lambda: storage.delete(replaced))
    if answers is not None:
        deliver(answers, item, by=by, at=at)
    return item


def fitting(lead: Lead, opportunity: Opportunity | None) -> ContentItemQuerySet:
    """What of the library suits a lead: nothing of another product, industry or stage; the most particular first."""
    products = [product for product in (lead.product_id, opportunity and opportunity.product_id) if product]
    industry = fold(lead.contact.company.industry) if lead.contact.company else ""
    stage = opportunity.stage if opportunity is not None and opportunity.is_open else ""
    items = ContentItem.objects.filter(
        Q(product__isnull=True) | Q(product__in=products), Q(stage="") | Q(stage=stage), is_active=True
    )
    of_industry = [
        name for name in items.values_list("industry", flat=True).distinct() if name and fold(name) == industry
    ]
    return items.filter(industry__in=["", *of_industry]).order_by(
        F("product").desc(nulls_last=True), "-stage", "-industry", "-added_at", "-pk"
    )


@transaction.atomic
def use(item: ContentItem, lead: Lead, *, by: User | None, at: datetime.datetime) -> ContentUse:
    """Note that `item` was used with this lead, in its newest deal where it has one. Once: a second time is the first."""
    require(by, access.USE_CONTENT, _("Your role doesn't work with clients."))
    lead = lock(lead)
    require_present(lead.contact)
    if not item.is_active:
        raise TransitionError(_("“%(item)s” is not in use any more.") % {"item": item})
    opportunity = lead.opportunities.order_by("-pk").first()
    used, is_new = ContentUse.objects.get_or_create(
        item=item, lead=lead, opportunity=opportunity, defaults={"used_at": at, "used_by": by}
    )
    if is_new:
        LeadEvent.objects.record(lead, Kind.CONTENT_USED, by=by, at=at, content=item.title, use=used.pk)
    return used


@transaction.atomic
def take_back(used: ContentUse, *, by: User | None, at: datetime.datetime) -> None:
    """It wasn't used after all. Whoever noted it says so, or the director."""
    lead = lock(used.lead)
    there = ContentUse.objects.select_related("item").filter(pk=used.pk).first()
    if there is None:
        return
    if by is not None and by.pk != there.used_by_id and by.role != Role.DIRECTOR:
        raise NotYours(_("Only who noted it can undo it."))
    there.delete()
    LeadEvent.objects.record(lead, Kind.UNDONE, by=by, at=at, what=Kind.CONTENT_USED, content=there.item.title)


# --- Requests --------------------------------------------------------------------------------------------------------


@transaction.atomic
def ask(
    *,
    title: str,
    kind: str,
    by: User | None,
    at: datetime.datetime,
    note: str = "",
    lead: Lead | None = None,
    due_on: datetime.date | None = None,
    owner: User | None = None,
    submission_key: uuid.UUID | None = None,
) -> ContentRequest:
    """Ask marketing for a piece of content, for a lead (and its newest deal) or for all. A repeated key asks once.

    Whoever is to make it is told; where that is open, every marketer, in the app alone. Raises TransitionError for a key
    that was sent for another lead.
    """
    require(by, access.ASK_FOR_CONTENT, _("Your role doesn't ask for content."))
    if by is not None:  # who sends a form twice at once sends it once, and then again
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if asked := made_before(ContentRequest.objects.all(), submission_key, lead_id=lead and lead.pk):
        return asked
    if owner is not None and not access.may(owner, access.KEEP_CONTENT):
        raise TransitionError(_("%(person)s doesn't make content.") % {"person": owner})
    if lead is not None:
        lead = lock(lead)
        require_present(lead.contact)
    with made_once():
        request = ContentRequest.objects.create(
            title=title,
            kind=kind,
            note=note,
            lead=lead,
            opportunity=lead.opportunities.order_by("-pk").first() if lead else None,
            due_on=due_on,
            owner=owner,
            requested_at=at,
            requested_by=by,
            submission_key=submission_key,
        )
    if lead is not None:
        LeadEvent.objects.record(lead, Kind.CONTENT_REQUESTED, by=by, at=at, content=title)
    makers = [owner] if owner else list(User.objects.active().filter(role=Role.MARKETER))
    _tell(request, Notification.Kind.CONTENT_REQUESTED, makers, by=by, at=at, by_mail=owner is not None)
    return request


@transaction.atomic
def take(request: ContentRequest, *, by: User | None, at: datetime.datetime, owner: User | None = None) -> None:
    """`owner`, otherwise `by`, begins to make it. Who has it may be another than before."""
    require(by, access.KEEP_CONTENT, str(NOT_MAKING))
    request = _lock_open(request)
    owner = owner or by
    if owner is None or not access.may(owner, access.KEEP_CONTENT):
        raise TransitionError(_("%(person)s doesn't make content.") % {"person": owner})
    if (request.status, request.owner_id) == (Status.IN_WORK, owner.pk):
        return
    request.status, request.owner = Status.IN_WORK, owner
    request.save()
    if owner != by:
        _tell(request, Notification.Kind.CONTENT_REQUESTED, [owner], by=by, at=at)


@transaction.atomic
def deliver(
    request: ContentRequest, item: ContentItem, *, by: User | None, at: datetime.datetime, answer: str = ""
) -> None:
    """The piece is there: `item` of the library answers the request."""
    require(by, access.KEEP_CONTENT, str(NOT_MAKING))
    request = _lock_open(request)
    request.item = item
    _close(request, Status.READY, answer, by=by, at=at)


@transaction.atomic
def decline(request: ContentRequest, answer: str, *, by: User | None, at: datetime.datetime) -> None:
    """It won't be made; the answer says why."""
    require(by, access.KEEP_CONTENT, str(NOT_MAKING))
    request = _lock_open(request)
    if not answer.strip():
        raise TransitionError(_("Say why, so that sales knows what to do instead."))
    _close(request, Status.DECLINED, answer, by=by, at=at)


@transaction.atomic
def reopen(request: ContentRequest, *, by: User | None, at: datetime.datetime) -> None:
    """Take the answer back: whoever asked may (it isn't what was needed), and marketing."""
    request = ContentRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    if by is not None and by.pk != request.requested_by_id and not access.may(by, access.KEEP_CONTENT):
        raise NotYours(_("Only who asked for it, or marketing, opens a request again."))
    if request.closed_at is None:
        return
    request.status = Status.IN_WORK if request.owner_id else Status.NEW
    request.closed_at = request.item = None
    request.save()
    _tell(request, Notification.Kind.CONTENT_REQUESTED, [request.owner], by=by, at=at)


def _lock_open(seen: ContentRequest) -> ContentRequest:
    request = ContentRequest.objects.select_for_update(of=("self",)).select_related("owner").get(pk=seen.pk)
    if request.closed_at is not None:
        raise TransitionError(
            _("This was answered already: %(status)s (%(when)s).")
            % {"status": request.get_status_display(), "when": exactly(request.closed_at)}
        )
    return request


def _close(request: ContentRequest, status: Status, answer: str, *, by: User | None, at: datetime.datetime) -> None:
    request.status, request.answer, request.closed_at = status, answer.strip(), at
    request.owner = request.owner or by
    request.save()
    note = answer.strip()
    _tell(request, Notification.Kind.CONTENT_READY, [request.requested_by], by=by, at=at, note=note)


def _tell(
    request: ContentRequest,
    kind: Notification.Kind,
    people: "Iterable[User | None]",
    *,
    by: User | None,
    at: datetime.datetime,
    by_mail: bool = True,
    note: str = "",
) -> None:
    others = [person for person in people if person is not None and person != by]
    facts = {"about": request.title, "url": request.get_absolute_url(), "note": note or request.note}
    notify(kind, others, request.lead, at=at, by_mail=by_mail, **named(by), **facts)
