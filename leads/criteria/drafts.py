"""The next version of the criteria while it is written: begun, edited by several people, discarded."""

import dataclasses
import datetime
from typing import Self

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import User
from leads.criteria.rules import Asked, fields_of, sentence
from leads.models import CriteriaSet, Criterion, Product


class DraftError(Exception):
    """The draft can't be changed so now; the text says why."""


class StaleDraft(DraftError):
    """Somebody else saved the draft meanwhile; the text says who and when."""


# --- What a version says ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a version says, apart from when it came about: the criteria in their order, and the points needed."""

    threshold: int
    criteria: list[Criterion]

    @classmethod
    def of(cls, criteria_set: CriteriaSet) -> Self:
        return cls(criteria_set.threshold, list(criteria_set.criteria.all()))

    @classmethod
    def from_json(cls, data: dict) -> Self:
        return cls(data.get("threshold", 0), [Criterion(**row) for row in data.get("criteria", [])])

    def as_json(self) -> dict:
        return {"threshold": self.threshold, "criteria": [as_row(criterion) for criterion in self.criteria]}


def as_row(criterion: Criterion) -> dict:
    """A criterion as data: what makes it differ from another."""
    return {name: getattr(criterion, name) for name in ("key", "text", "is_required", "weight", "rule")}


def changes(before: Terms | None, after: Terms, known: dict[str, Asked] | None = None) -> list[str]:
    """What `after` changed against `before`, a sentence each; nothing for a first version.

    `known` are the fields that their rules ask about, where the caller has them at hand.
    """
    if before is None:
        return []
    if before.criteria and not after.criteria:
        return [_("No criteria of its own any more: the general ones count")]
    known = known if known is not None else fields_of([*before.criteria, *after.criteria])
    old = {criterion.key: criterion for criterion in before.criteria}
    new = {criterion.key: criterion for criterion in after.criteria}
    words = []
    for key, criterion in new.items():
        if key not in old:
            words.append(_("Added: “%(text)s” (%(worth)s)") % {"text": criterion, "worth": criterion.worth})
    words += [_("Removed: “%(text)s”") % {"text": criterion} for key, criterion in old.items() if key not in new]
    for key, criterion in new.items():
        if key in old and old[key].text != criterion.text:
            words.append(_("Reworded: “%(old)s” is now “%(new)s”") % {"old": old[key], "new": criterion})
        if key in old and old[key].worth != criterion.worth:
            words.append(
                _("“%(text)s”: %(old)s before, now %(new)s")
                % {"text": criterion, "old": old[key].worth, "new": criterion.worth}
            )
        if changed := _rule_change(old.get(key), criterion, known):
            words.append(changed)
    if before.threshold != after.threshold:
        words.append(
            _("Points needed: %(old)s before, now %(new)s") % {"old": before.threshold, "new": after.threshold}
        )
    if [key for key in old if key in new] != [key for key in new if key in old]:
        words.append(_("The order was changed"))
    return words


def _rule_change(before: Criterion | None, after: Criterion, known: dict[str, Asked]) -> str:
    old, new = sentence(before.rule if before else {}, known), sentence(after.rule, known)
    words = {"text": after, "old": old, "new": new}
    if old == new:
        return ""
    if not old:
        return _("“%(text)s” is decided by a rule: %(new)s") % words
    if not new:
        return _("“%(text)s” is asked by a person now, before it was decided by a rule: %(old)s") % words
    return _("Rule of “%(text)s”: %(old)s before, now: %(new)s") % words


# --- Writing a draft -------------------------------------------------------------------------------------------------


def agreed_version(product: Product | None) -> CriteriaSet | None:
    """The newest version that was agreed for this product alone (None: for all), perhaps for a later day."""
    versions = CriteriaSet.objects.filter(product=product, in_force_at__isnull=False)
    return versions.prefetch_related("criteria").order_by("-version").first()


def before_it(version: CriteriaSet) -> CriteriaSet | None:
    """The version that this one takes the place of; for the first of a product, the newest general one."""
    agreed = CriteriaSet.objects.filter(in_force_at__isnull=False).prefetch_related("criteria").order_by("-version")
    if own := agreed.filter(product=version.product, version__lt=version.version).first():
        return own
    if version.product is None:
        return None
    general = agreed.filter(product__isnull=True)
    return (general.filter(in_force_at__lte=version.in_force_at) if version.in_force_at else general).first()


def require_editor(by: User | None) -> None:
    if not access.may(by, access.EDIT_CRITERIA):
        raise access.NotAllowed(_("Marketing, sales managers and the director write the criteria."))


@transaction.atomic
def start_draft(
    product: Product | None, *, gives_up: bool = False, by: User | None, at: datetime.datetime
) -> CriteriaSet:
    """The draft of the next version, a copy of the newest agreed one; a product's first copies the general one.

    With `gives_up` it begins without criteria: the product is to have none of its own any more. Where there is a draft already, that is the answer. Raises NotAllowed.
    """
    require_editor(by)
    list(CriteriaSet.objects.select_for_update())  # two who begin at once wait here
    versions = CriteriaSet.objects.filter(product=product)
    if draft := versions.filter(in_force_at__isnull=True).first():
        return draft
    base = agreed_version(product)
    if base is None or not base.criteria.all():
        base = agreed_version(None)
    if product is not None and gives_up:
        base = None
    draft = CriteriaSet.objects.create(
        product=product,
        version=(versions.aggregate(last=Max("version"))["last"] or 0) + 1,
        threshold=base.threshold if base else 0,
        created_by=by,
        edited_by=by,
        edited_at=at,
    )
    if base:
        _write(draft, [as_row(criterion) for criterion in base.criteria.all()])
    return draft


@transaction.atomic
def save_draft(
    draft: CriteriaSet,
    criteria: list[dict],
    *,
    threshold: int,
    note: str,
    revision: int,
    by: User | None,
    at: datetime.datetime,
) -> bool:
    """Save what was edited on top of `revision`; False when the draft says so already.

    `criteria` are dicts with key, text, is_required, weight and rule, in their order. Raises NotAllowed, DraftError for
    what is no draft or is being approved, and StaleDraft when somebody saved another revision meanwhile.
    """
    require_editor(by)
    draft = lock_draft(draft)
    wanted = {"threshold": threshold, "criteria": [{"rule": {}, **row} for row in criteria]}
    if Terms.of(draft).as_json() == wanted and draft.note == note:
        return False
    if draft.revision != revision:
        words = {"who": draft.edited_by or _("The system"), "when": _moment(draft.edited_at)}
        raise StaleDraft(_("%(who)s saved this draft on %(when)s, while you were editing it.") % words)
    draft.threshold, draft.note, draft.edited_by, draft.edited_at = threshold, note, by, at
    draft.revision += 1
    draft.save()
    draft.criteria.all().delete()
    _write(draft, criteria)
    return True


@transaction.atomic
def discard_draft(draft: CriteriaSet, *, by: User | None) -> None:
    """Throw a draft away. One that was put to the vote stays: its rounds are history."""
    require_editor(by)
    draft = lock_draft(draft)
    if draft.rounds.exists():
        raise DraftError(_("This draft was put to the vote, so it is kept. Edit it instead."))
    draft.delete()


def lock_draft(draft: CriteriaSet) -> CriteriaSet:
    """The draft as it is now, its row locked. Raises DraftError unless it may be edited."""
    locked = CriteriaSet.objects.select_for_update(of=("self",)).filter(pk=draft.pk).first()
    if locked is None:
        raise DraftError(_("Somebody has discarded this draft meanwhile."))
    require_open(locked)
    return locked


def require_open(draft: CriteriaSet) -> None:
    """Raises DraftError unless it is a draft that nobody votes on."""
    if draft.in_force_at is not None:
        raise DraftError(
            _("Version %(version)s is agreed already. Start a new draft to change it.") % {"version": draft.version}
        )
    if open_round := draft.rounds.filter(ended_at__isnull=True).select_related("started_by").first():
        words = {"who": open_round.started_by or _("The system"), "when": _moment(open_round.started_at)}
        raise DraftError(
            _("%(who)s put this draft to the vote on %(when)s. It can be changed once the round has ended.") % words
        )


def _write(draft: CriteriaSet, criteria: list[dict]) -> None:
    Criterion.objects.bulk_create(
        Criterion(criteria_set=draft, position=position, **row) for position, row in enumerate(criteria)
    )


def _moment(at: datetime.datetime | None) -> str:
    return date_format(timezone.localtime(at), "DATETIME_FORMAT") if at else "—"


def new_key(text: str, used: set[str], *, otherwise: str = "criterion") -> str:
    """A key for a new criterion that no version has ever used: an old answer must never count for a new question.

    `otherwise` is its stem where the text has no Latin letters.
    """
    stem = slugify(text)[:40].strip("-") or otherwise
    key, number = stem, 2
    while key in used:
        key, number = f"{stem}-{number}", number + 1
    return key
