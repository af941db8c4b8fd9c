"""Judging how somebody spoke to a client: reviews of activities, and of mystery shopping."""

import datetime
import uuid
from collections.abc import Mapping

from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotYours
from accounts.models import Organisation, User
from leads.models import LeadEvent
from pipeline.models import Activity, Checklist, Notification, QualityReview, ReviewProposal, ReviewScore
from pipeline.notify import notify
from pipeline.transitions.rules import Kind, TransitionError, exactly, lock, made_before, made_once, named, require

# How a conversation ended that can be judged; where nobody answered there was none.
SPOKEN = {Activity.Outcome.REACHED, Activity.Outcome.CALL_BACK}


@transaction.atomic
def review(
    checklist: Checklist,
    person: User,
    scores: Mapping[int, int | None],
    *,
    by: User | None,
    at: datetime.datetime,
    activity: Activity | None = None,
    happened_on: datetime.date | None = None,
    note: str = "",
    seen: str | None = None,
    submission_key: uuid.UUID | None = None,
) -> QualityReview:
    """Judge `person`'s `activity`, or what a mystery shopper met on the day `happened_on`.

    `scores` has the points of each item in use, by its number; None where it didn't apply. `seen` is the checklist's
    `fingerprint` as the reviewer saw it. A repeated `submission_key` returns the review made before.
    """
    _require_reviewer(by, person)
    if activity is not None:
        activity = _present(activity)
        _check_activity(activity, checklist, person)
        happened_on = activity.at.astimezone(Organisation.current().tzinfo).date()
    elif checklist.kind != Checklist.Kind.MYSTERY:
        raise TransitionError(_("Choose the conversation that is reviewed."))
    if happened_on is None or happened_on > at.date() + datetime.timedelta(days=1):
        raise TransitionError(_("Choose a day that has been."))
    checklist = Checklist.objects.select_for_update().get(pk=checklist.pk)
    same = {"person_id": person.pk, "activity_id": activity and activity.pk, "checklist_id": checklist.pk}
    if done := made_before(QualityReview.objects.all(), submission_key, **same):
        return done
    judged = _judged(checklist, scores, seen)
    earlier = QualityReview.objects.filter(activity=activity, checklist=checklist) if activity else None
    if earlier is not None and (other := earlier.select_related("reviewed_by").first()):
        raise TransitionError(
            _("%(who)s reviewed this already (%(when)s).")
            % {"who": other.reviewed_by or _("Somebody"), "when": exactly(other.reviewed_at)}
        )
    with made_once():
        made = QualityReview.objects.create(
            checklist=checklist,
            person=person,
            activity=activity,
            happened_on=happened_on,
            note=note,
            points=sum(score.points for score in judged),
            most_points=sum(score.most_points for score in judged),
            reviewed_at=at,
            reviewed_by=by,
            submission_key=submission_key,
        )
    for score in judged:
        score.review = made
    ReviewScore.objects.bulk_create(judged)
    if activity is not None:
        ReviewProposal.objects.filter(checklist=checklist, activity=activity).update(review=made, skipped_because="")
        LeadEvent.objects.record(
            activity.lead,
            Kind.REVIEWED,
            by=by,
            at=at,
            checklist=checklist.name,
            person=str(person),
            activity_id=activity.pk,
            review=made.pk,
        )
    if by is None or person.pk != by.pk:
        url = reverse("pipeline:review_detail", args=[made.pk])
        with translation.override(person.language):
            about = str(checklist)
        notify(Notification.Kind.REVIEWED, [person], None, at=at, about=about, url=url, **named(by))
    return made


def _require_reviewer(by: User | None, person: User) -> None:
    require(by, access.REVIEW_WORK, _("Only sales managers and the director review conversations."))
    if by is not None and by.pk == person.pk:
        raise NotYours(_("Nobody reviews their own work."))
    if not access.can_review(by, person):
        raise NotYours(_("%(person)s isn't in your team.") % {"person": person})


def _present(activity: Activity) -> Activity:
    """The activity, which nobody can undo until the transaction ends."""
    lead = lock(activity.lead)
    present = Activity.objects.select_related("by").filter(pk=activity.pk, lead=lead).first()
    if present is None:
        raise TransitionError(_("This conversation was taken back meanwhile, so there is nothing to review."))
    return present


def _check_activity(activity: Activity, checklist: Checklist, person: User) -> None:
    if activity.by_id != person.pk:
        raise TransitionError(_("That was somebody else's conversation."))
    if activity.kind != checklist.kind:
        raise TransitionError(_("“%(checklist)s” isn't for that kind of conversation.") % {"checklist": checklist})
    if activity.outcome not in SPOKEN:
        raise TransitionError(_("Nobody was spoken to, so there is nothing to review."))


def _judged(checklist: Checklist, scores: Mapping[int, int | None], seen: str | None) -> list[ReviewScore]:
    """The scores as rows, in the words and the most points of now."""
    items = {item.pk: item for item in checklist.items.filter(is_active=True)}
    if not checklist.is_active:
        raise TransitionError(_("“%(checklist)s” isn't in use any more.") % {"checklist": checklist})
    if set(scores) != set(items) or (seen is not None and seen != checklist.fingerprint):
        raise TransitionError(_("Somebody changed the checklist meanwhile. Look at it, and score again."))
    judged = []
    for pk, points in scores.items():
        if points is None:
            continue
        if not 0 <= points <= items[pk].points:
            most = items[pk].points
            raise TransitionError(_("“%(item)s”: 0 to %(most)s points.") % {"item": items[pk], "most": most})
        judged.append(ReviewScore(item=items[pk], text=items[pk].text, points=points, most_points=items[pk].points))
    if not judged:
        raise TransitionError(_("Score one item at least."))
    return judged


@transaction.atomic
def withdraw_review(seen: QualityReview, *, by: User | None, at: datetime.datetime) -> None:
    """Take a review back, to make it anew: its reviewer or the director. What was picked by chance waits again."""
    require(by, access.REVIEW_WORK, _("Only sales managers and the director review conversations."))
    activity = seen.activity
    lead = lock(activity.lead) if activity is not None else None
    made = QualityReview.objects.select_for_update(of=("self",)).select_related("person").filter(pk=seen.pk).first()
    if made is None:
        raise TransitionError(_("This review was taken back already."))
    may = by is None or by.pk == made.reviewed_by_id or (by.role in access.DECIDE_CRITERIA and by.pk != made.person_id)
    if not may:
        raise NotYours(_("Only who made the review, or the director, takes it back."))
    url = reverse("pipeline:review_detail", args=[made.pk])
    Notification.objects.filter(kind=Notification.Kind.REVIEWED, recipient=made.person, data__url=url).delete()
    made.delete()
    if lead is not None:
        LeadEvent.objects.record(lead, Kind.UNDONE, by=by, at=at, what=Kind.REVIEWED)


@transaction.atomic
def skip_proposal(seen: ReviewProposal, because: str, *, by: User | None) -> None:
    """Leave out what was picked by chance, for a reason; an empty one takes the reason back."""
    _require_reviewer(by, seen.person)
    proposal = ReviewProposal.objects.select_for_update(of=("self",)).filter(pk=seen.pk).first()
    if proposal is None:
        raise TransitionError(_("This conversation was taken back meanwhile, so there is nothing to review."))
    if proposal.review_id is not None:
        raise TransitionError(_("This was reviewed meanwhile."))
    proposal.skipped_because = because
    proposal.save(update_fields=["skipped_because"])
