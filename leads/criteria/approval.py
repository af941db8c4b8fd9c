"""A round of approval: a draft is put to named parties of both sides; when all have approved, it comes into force.

Each party decides once. Whoever approved may still ask for a change while the round is open, as that only ends it; the
other way round there is nothing left to approve. A change that is asked for ends the round: the draft is edited again,
and the next round begins with no approvals, for another text. Rounds and comments are kept.
"""

import datetime
from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access
from accounts.models import Organisation, Role, User
from leads.criteria.drafts import DraftError, Terms, before_it, lock_draft, require_editor
from leads.models import Approval, ApprovalRound, CriteriaSet

BETWEEN_REMINDERS = datetime.timedelta(days=1)
FARTHEST = datetime.timedelta(days=2 * 366)  # a day later than that is a slip of the keyboard
Side, Decision, Outcome = Approval.Side, Approval.Decision, ApprovalRound.Outcome
Party = tuple[User, Approval.Side]

# Who may stand for a side; anybody may for the others.
SIDES: dict[Approval.Side, set[Role]] = {
    Side.MARKETING: access.MARKETING,
    Side.SALES: access.SALES,
    Side.DIRECTOR: {Role.DIRECTOR},
    Side.GENERAL: set(Role),
}


class ApprovalError(Exception):
    """The step can't be taken now; the text says why."""


def suggested_parties(draft: CriteriaSet) -> list[Party]:
    """Those of the last round for the same product, else of the last at all, else one of each role."""
    rounds = ApprovalRound.objects.order_by("-started_at", "-pk")
    last = rounds.filter(criteria_set__product=draft.product).first() or rounds.first()
    if last is not None:
        approvals = last.approvals.select_related("person")
        standing = [row for row in approvals if row.decision != Decision.REPLACED]
        return [(row.person, Side(row.side)) for row in standing if row.person.is_active]
    first: dict[str, User] = {}
    for user in User.objects.active().order_by("pk"):
        first.setdefault(user.role, user)
    wanted = [
        (Role.MARKETER, Side.MARKETING),
        (Role.SALES_MANAGER, Side.SALES),
        (Role.DIRECTOR, Side.DIRECTOR),
        (Role.VIEWER, Side.GENERAL),
    ]
    return [(first[role], side) for role, side in wanted if role in first]


@transaction.atomic
def start_round(
    draft: CriteriaSet,
    parties: Sequence[Party],
    *,
    wanted_on: datetime.date | None = None,
    by: User | None,
    at: datetime.datetime,
) -> ApprovalRound:
    """Put the draft to its parties. It is to come into force on `wanted_on` (a day of the organisation), else at once.

    Raises NotAllowed, DraftError for what is no draft or is in a round, and ApprovalError for parties or a day that
    won't do.
    """
    require_editor(by)
    draft = lock_draft(draft)
    _require_parties(parties)
    before = before_it(draft)
    if before and Terms.of(before).as_json() == Terms.of(draft).as_json():
        raise ApprovalError(
            _("The draft says the same as “%(version)s”. Change something first.") % {"version": before}
        )
    gives_up = draft.product is not None and before is not None and before.product == draft.product
    if not gives_up and not draft.criteria.exists():
        raise ApprovalError(_("The draft has no criteria yet."))
    begun = ApprovalRound.objects.create(
        criteria_set=draft,
        number=draft.rounds.count() + 1,
        started_by=by,
        started_at=at,
        wanted_from=_wanted_from(draft, wanted_on, at),
        terms=Terms.of(draft).as_json(),
    )
    Approval.objects.bulk_create(Approval(round=begun, person=person, side=side, ask_at=at) for person, side in parties)
    return begun


def _require_parties(parties: Sequence[Party]) -> None:
    people = [person.pk for person, _side in parties]
    if len(set(people)) < len(people):
        twice = next(person for person, _side in parties if people.count(person.pk) > 1)
        raise ApprovalError(_("%(who)s is named twice. Each person approves once.") % {"who": twice})
    for side, roles in SIDES.items():
        standing = [person for person, named in parties if named == side]
        if not standing:
            raise ApprovalError(_("Nobody stands for this side: %(side)s.") % {"side": side.label})
        if wrong := next((person for person in standing if person.role not in roles), None):
            raise ApprovalError(_("%(who)s can't stand for this side: %(side)s.") % {"who": wrong, "side": side.label})
    if gone := next((person for person, _side in parties if not person.is_active), None):
        raise ApprovalError(_("%(who)s can't sign in any more.") % {"who": gone})


def _wanted_from(
    draft: CriteriaSet, wanted_on: datetime.date | None, at: datetime.datetime
) -> datetime.datetime | None:
    if wanted_on is None:
        return None
    zone = Organisation.current().tzinfo
    today = at.astimezone(zone).date()
    if wanted_on < today:
        raise ApprovalError(_("That day is over: criteria can't come into force in the past."))
    if wanted_on > today + FARTHEST:
        raise ApprovalError(_("That is more than two years ahead. Is the year right?"))
    wanted_from = datetime.datetime.combine(wanted_on, datetime.time(), zone)
    before = CriteriaSet.objects.filter(product=draft.product, in_force_at__gt=wanted_from).first()
    if before:
        raise ApprovalError(
            _("Version %(version)s comes into force on %(when)s; this one can't come before it.")
            % {
                "version": before.version,
                "when": date_format(timezone.localtime(before.in_force_at), "DATETIME_FORMAT"),
            }
        )
    return wanted_from


@transaction.atomic
def decide(
    asked: ApprovalRound, decision: Approval.Decision, *, comment: str = "", by: User, at: datetime.datetime
) -> ApprovalRound:
    """Approve, or ask for a change, as one of the named parties. The same decision again changes nothing.

    The last approval puts the version in force: at the wanted moment, or now where that has passed. Returns the round
    as it stands then. Raises NotAllowed for who isn't named, ApprovalError when the round has ended or a change is
    asked for without saying which.
    """
    asked = _lock(asked)
    mine = asked.approvals.filter(person=by).first()
    if mine is None or mine.decision == Decision.REPLACED or not by.is_active:
        raise access.NotAllowed(_("Only those who are named in this round decide."))
    if mine.decision == decision:
        return asked
    if decision not in (Decision.APPROVED, Decision.CHANGE):
        raise ValueError("Nobody decides that somebody else is asked; that is `replace`.")
    _require_open(asked)
    comment = comment.strip()
    if decision == Decision.CHANGE and not comment:
        raise ApprovalError(_("Say which change you ask for."))
    mine.decision, mine.comment, mine.decided_at = decision, comment, at
    mine.save()
    if decision == Decision.CHANGE:
        _end(asked, Outcome.CHANGE, by=by, at=at)
    elif not asked.approvals.exclude(decision__in=[Decision.APPROVED, Decision.REPLACED]).exists():
        _end(asked, Outcome.APPROVED, by=by, at=at)
        asked.criteria_set.in_force_at = max(at, asked.wanted_from or at)
        asked.criteria_set.save(update_fields=["in_force_at"])
    return asked


@transaction.atomic
def remind(asked: ApprovalRound, *, by: User | None, at: datetime.datetime) -> list[User]:
    """Ask those again who haven't decided; returns whom. Who was asked within a day is left in peace."""
    _require_host(asked, by)
    asked = _lock(asked)
    _require_open(asked)
    waiting = list(asked.approvals.filter(decision="").select_related("person"))
    due = [row for row in waiting if row.ask_at <= at - BETWEEN_REMINDERS]
    if not due:
        again = min(row.ask_at for row in waiting) + BETWEEN_REMINDERS
        raise ApprovalError(
            _("They were asked within the last day. You can remind them from %(when)s on.")
            % {"when": date_format(timezone.localtime(again), "DATETIME_FORMAT")}
        )
    Approval.objects.filter(pk__in=[row.pk for row in due]).update(ask_at=at)
    return [row.person for row in due]


def standing_in(gone: Approval) -> QuerySet[User]:
    """Who could be asked in the place of this party: whoever may stand for its side and isn't named yet."""
    named = Approval.objects.filter(round=gone.round_id).values("person")
    roles = SIDES.get(Side(gone.side), set(Role))
    return User.objects.active().filter(role__in=roles).exclude(pk__in=named).order_by("name", "pk")


@transaction.atomic
def replace(gone: Approval, person: User, *, by: User | None, at: datetime.datetime) -> Approval:
    """Ask `person` in the place of a party who can't sign in any more; both stay in the round's history.

    Returns the new party; the same again changes nothing. Raises NotAllowed for who doesn't host the round, and
    ApprovalError when the party can decide or has decided, or the person can't stand for that side.
    """
    _require_host(gone.round, by)
    asked = _lock(gone.round)
    gone = asked.approvals.select_related("person").get(pk=gone.pk)
    there = asked.approvals.filter(person=person, side=gone.side).exclude(pk=gone.pk).first()
    if gone.decision == Decision.REPLACED and there:
        return there
    _require_open(asked)
    if gone.decision:
        raise ApprovalError(_("%(who)s has decided already, or somebody else was asked.") % {"who": gone.person})
    if gone.person.is_active:
        raise ApprovalError(_("%(who)s can still sign in, so nobody else decides for them.") % {"who": gone.person})
    if not standing_in(gone).filter(pk=person.pk).exists():
        raise ApprovalError(_("%(who)s can't be asked: not for this side, or named already.") % {"who": person})
    gone.decision, gone.decided_at = Decision.REPLACED, at
    gone.comment = _("%(who)s was asked instead.") % {"who": person}
    gone.save()
    return Approval.objects.create(round=asked, person=person, side=gone.side, ask_at=at)


@transaction.atomic
def withdraw(asked: ApprovalRound, *, by: User | None, at: datetime.datetime) -> None:
    """End a round without a result; the draft can be edited again. Twice changes nothing."""
    _require_host(asked, by)
    asked = _lock(asked)
    if asked.outcome == Outcome.WITHDRAWN:
        return
    _require_open(asked)
    _end(asked, Outcome.WITHDRAWN, by=by, at=at)


def may_host(asked: ApprovalRound, user: User | None) -> bool:
    """True for who reminds and withdraws: whoever began the round, while they may edit criteria, and the director."""
    return access.may(user, access.DECIDE_CRITERIA) or (
        access.may(user, access.EDIT_CRITERIA) and user is not None and asked.started_by_id == user.pk
    )


def _require_host(asked: ApprovalRound, by: User | None) -> None:
    if not may_host(asked, by):
        raise access.NotAllowed(_("Only who began the round and the director do that."))


def _lock(asked: ApprovalRound) -> ApprovalRound:
    """The round as it is now. The row of its version is locked: of two last approvals at once, one comes second."""
    criteria_set = CriteriaSet.objects.select_for_update(of=("self",)).get(rounds=asked)
    locked = ApprovalRound.objects.get(pk=asked.pk)
    locked.criteria_set = criteria_set
    return locked


def _require_open(asked: ApprovalRound) -> None:
    if asked.is_open or asked.ended_at is None:
        return
    words = {
        "who": asked.ended_by or _("The system"),
        "when": date_format(timezone.localtime(asked.ended_at), "DATETIME_FORMAT"),
    }
    raise ApprovalError(
        {
            Outcome.APPROVED: _("All have approved already: the last was %(who)s on %(when)s."),
            Outcome.CHANGE: _("The round is over: %(who)s asked for a change on %(when)s."),
            Outcome.WITHDRAWN: _("%(who)s withdrew this round on %(when)s."),
        }[Outcome(asked.outcome)]
        % words
    )


def _end(asked: ApprovalRound, outcome: ApprovalRound.Outcome, *, by: User | None, at: datetime.datetime) -> None:
    asked.outcome, asked.ended_by, asked.ended_at = outcome, by, at
    asked.save()


__all__ = [
    "ApprovalError",
    "DraftError",
    "decide",
    "remind",
    "replace",
    "standing_in",
    "start_round",
    "suggested_parties",
    "withdraw",
]
