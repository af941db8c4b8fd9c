"""What marketing learns from a refusal: sales' feedback, marketing's answer, and the director's decision in a dispute."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from leads.normalise import validate_text
from pipeline.models.handoffs import Handoff


class ReturnFeedback(models.Model):
    """One thing that sales points at when it refuses a lead: a fact or a criterion that was missing, not asked or misread."""

    class Kind(models.TextChoices):
        MISSING = "missing", _("information missing")
        NOT_ASKED = "not_asked", _("question not asked")
        MISREAD = "misread", _("answer misread")

    handoff = models.ForeignKey(Handoff, on_delete=models.CASCADE, related_name="feedback")
    kind = models.CharField(max_length=9, choices=Kind.choices)
    # A field of `leads.known`, such as `criterion:budget` or `product`: the same names as in rules and backtests.
    field = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["handoff", "kind", "field"], name="feedback_says_each_thing_once")
        ]


class ReturnAnswerQuerySet(models.QuerySet["ReturnAnswer"]):
    def visible_to(self, user: User) -> "ReturnAnswerQuerySet":
        return self if user.is_active else self.none()

    def to_decide(self) -> "ReturnAnswerQuerySet":
        """Disputes that wait for the director. Who goes another way meanwhile has withdrawn theirs."""
        return self.filter(answer=ReturnAnswer.Answer.DISPUTE, decision="", afterwards="")


class ReturnAnswer(models.Model):
    """Marketing's answer to a refused handoff. In a dispute the director decides: the refusal stands, or it doesn't.

    `afterwards` is what marketing did of the other answers once its dispute had failed, or instead of waiting.
    """

    class Answer(models.TextChoices):
        REQUALIFY = "requalify", _("qualify again")
        NURTURE = "nurture", _("keep warm")
        AGREE = "agree", _("sales is right")
        DISPUTE = "dispute", _("dispute: the director decides")

    class Decision(models.TextChoices):
        UPHELD = "upheld", _("the refusal stands")
        OVERTURNED = "overturned", _("it is a lead: sales takes it again")

    handoff = models.OneToOneField(Handoff, on_delete=models.CASCADE, related_name="answer")
    answer = models.CharField(pgettext_lazy("to a return", "answer"), max_length=10, choices=Answer.choices)
    note = models.TextField(_("note"), max_length=2000, blank=True, validators=[validate_text])
    answered_at = models.DateTimeField()
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decision = models.CharField(_("decision"), max_length=10, choices=Decision.choices, blank=True, default="")
    decision_note = models.TextField(_("why"), max_length=2000, blank=True, validators=[validate_text])
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    afterwards = models.CharField(_("afterwards"), max_length=10, choices=Answer.choices, blank=True, default="")
    afterwards_at = models.DateTimeField(null=True, blank=True)
    afterwards_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    objects = ReturnAnswerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(afterwards="", afterwards_at__isnull=True)
                | (~Q(afterwards__in=["", "dispute"]) & Q(answer="dispute", afterwards_at__isnull=False))
                & ~Q(decision="overturned"),
                name="other_ways_follow_disputes",
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at__isnull=True)
                | (~Q(decision="") & Q(answer="dispute", decided_at__isnull=False)),
                name="only_disputes_are_decided",
            ),
        ]
        indexes = [
            models.Index(
                fields=["answered_at"], name="dispute_open", condition=Q(answer="dispute", decision="", afterwards="")
            ),
            models.Index(fields=["answered_at", "id"], name="return_answer_by_date"),
        ]

    def __str__(self) -> str:
        return self.get_answer_display()

    @property
    def is_open_dispute(self) -> bool:
        """The director has still to decide."""
        return self.answer == self.Answer.DISPUTE and not self.decision and not self.afterwards

    @property
    def has_failed(self) -> bool:
        """The director let the refusal stand, and marketing has still to choose another way."""
        return self.decision == self.Decision.UPHELD and not self.afterwards
