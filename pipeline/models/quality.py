"""Quality checks: checklists, reviews of what was said to clients, and what is proposed for review."""

import datetime
import hashlib

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.normalise import validate_text
from pipeline.models.activities import Activity


class Checklist(models.Model):
    """What a good call, meeting or presentation has; each item is worth points."""

    class Kind(models.TextChoices):
        CALL = "call", _("call")
        MEETING = "meeting", _("meeting")
        PRESENTATION = "demo", _("presentation")
        MYSTERY = "mystery", _("mystery shopper")

    name = models.CharField(_("name"), max_length=150, unique=True, validators=[validate_text])
    kind = models.CharField(_("for"), max_length=8, choices=Kind.choices)
    a_week = models.PositiveSmallIntegerField(
        _("a week per person"),
        default=0,
        validators=[MaxValueValidator(50)],
        help_text=_("So many are picked by chance each week for review; 0: none."),
    )
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        ordering = ["kind", "name"]

    def __str__(self) -> str:
        return gettext(self.name) if self.name else ""

    @property
    def fingerprint(self) -> str:
        """Of the items in use, their words and points: another one says that the checklist was changed."""
        rows = [(item.pk, item.text, item.points) for item in self.items.all() if item.is_active]
        return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]


class ChecklistItem(models.Model):
    checklist = models.ForeignKey(Checklist, on_delete=models.CASCADE, related_name="items")
    text = models.CharField(_("what is looked at"), max_length=200, validators=[validate_text])
    points = models.PositiveSmallIntegerField(
        _("points at most"), default=5, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return gettext(self.text) if self.text else ""


class QualityReviewQuerySet(models.QuerySet["QualityReview"]):
    def visible_to(self, user: User) -> "QualityReviewQuerySet":
        return self if user.is_active else self.none()

    def for_list(self) -> "QualityReviewQuerySet":
        return self.select_related("checklist", "person", "reviewed_by", "activity__lead__contact__company")


class QualityReview(models.Model):
    """One review of one activity, or of a person without one (mystery shopping). Points as they were when it was made."""

    checklist = models.ForeignKey(
        Checklist, verbose_name=_("checklist"), on_delete=models.PROTECT, related_name="reviews"
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("whose work"),
        on_delete=models.PROTECT,
        related_name="quality_reviews",
        db_index=False,
    )
    activity = models.ForeignKey(
        Activity, null=True, blank=True, on_delete=models.CASCADE, related_name="quality_reviews"
    )
    happened_on = models.DateField(_("happened on"))
    note = models.TextField(_("note"), max_length=5000, blank=True, validators=[validate_text])
    points = models.PositiveIntegerField()
    most_points = models.PositiveIntegerField()
    reviewed_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    submission_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)

    objects = QualityReviewQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(points__lte=models.F("most_points"), most_points__gt=0), name="review_points_within_most"
            ),
            models.UniqueConstraint(
                fields=["activity", "checklist"], condition=Q(activity__isnull=False), name="one_review_per_activity"
            ),
        ]
        indexes = [
            models.Index(fields=["person", "-happened_on", "-id"], name="review_of_person"),
            models.Index(fields=["-reviewed_at", "-id"], name="review_by_date"),
        ]

    @property
    def share(self) -> float:
        """Points as a part of the most, 0 to 1."""
        return self.points / self.most_points


class ReviewScore(models.Model):
    """How one item of the checklist was judged in a review; its words and most points as they were then."""

    review = models.ForeignKey(QualityReview, on_delete=models.CASCADE, related_name="scores")
    item = models.ForeignKey(ChecklistItem, on_delete=models.PROTECT, related_name="+")
    text = models.CharField(max_length=200)
    points = models.PositiveSmallIntegerField()
    most_points = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["review", "item"], name="one_score_per_item"),
            models.CheckConstraint(condition=Q(points__lte=models.F("most_points")), name="score_within_most"),
        ]

    def __str__(self) -> str:
        return gettext(self.text) if self.text else ""


class ReviewProposalQuerySet(models.QuerySet["ReviewProposal"]):
    def visible_to(self, user: User) -> "ReviewProposalQuerySet":
        return self if user.is_active else self.none()

    def open(self, on: datetime.date) -> "ReviewProposalQuerySet":
        """Those that wait for a review; what nobody reviewed in `OPEN_FOR` waits no longer."""
        return self.filter(review__isnull=True, skipped_because="", week__gte=on - OPEN_FOR)

    def for_list(self) -> "ReviewProposalQuerySet":
        return self.select_related("checklist", "person", "activity__lead__contact__company", "review")


OPEN_FOR = datetime.timedelta(days=35)  # from the Monday of the week that it was picked from


class ReviewProposal(models.Model):
    """An activity picked by chance for review, in the week that begins on `week`."""

    checklist = models.ForeignKey(Checklist, on_delete=models.CASCADE, related_name="proposals")
    activity = models.ForeignKey(Activity, on_delete=models.CASCADE, related_name="review_proposals")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    week = models.DateField()
    review = models.OneToOneField(
        QualityReview, null=True, blank=True, on_delete=models.SET_NULL, related_name="proposal"
    )
    skipped_because = models.CharField(_("why not"), max_length=200, blank=True, validators=[validate_text])

    objects = ReviewProposalQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["checklist", "activity"], name="proposed_once")]
        indexes = [models.Index(fields=["week", "person"], name="proposal_week")]

    @property
    def is_open(self) -> bool:
        return self.review_id is None and not self.skipped_because
