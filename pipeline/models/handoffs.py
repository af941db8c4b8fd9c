"""The passing of a qualified lead from marketing to sales."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Lead, Reason
from leads.normalise import validate_text
from pipeline.models.agreements import Agreement
from pipeline.sla import Clock, ClockState, clock_state


class HandoffQuerySet(models.QuerySet["Handoff"]):
    def visible_to(self, user: User) -> "HandoffQuerySet":
        return self if user.is_active else self.none()

    def pending(self) -> "HandoffQuerySet":
        return self.filter(verdict=Handoff.Verdict.PENDING)

    def of_team(self, user: User) -> "HandoffQuerySet":
        """Those of `user`'s whole team."""
        return self.filter(assigned_to__team=user.team_id) if user.team_id else self.filter(assigned_to=user)

    def awaiting_first_contact(self) -> "HandoffQuerySet":
        return self.pending().filter(first_contact_at__isnull=True)

    def overdue(self, clock: Clock, at: datetime.datetime) -> "HandoffQuerySet":
        """Those whose `clock` is past due and still running at `at`; true with or without any task."""
        return self.running(clock).filter(**{f"{clock}_due_at__lt": at})

    def running(self, clock: Clock) -> "HandoffQuerySet":
        """Those whose `clock` hasn't stopped."""
        return self.awaiting_first_contact() if clock == Clock.FIRST_CONTACT else self.pending()

    def with_clock(self, clock: Clock, state: str, at: datetime.datetime) -> "HandoffQuerySet":
        """Those whose `clock` is overdue, running (in time so far), kept or late at `at`."""
        due = F(f"{clock}_due_at")
        if state == ClockState.OVERDUE:
            return self.overdue(clock, at)
        if state == ClockState.RUNNING:
            return self.running(clock).filter(**{f"{clock}_due_at__gte": at})
        stopped = self.annotate(
            stopped_at=Coalesce("first_contact_at", "decided_at") if clock == Clock.FIRST_CONTACT else F("decided_at")
        )
        return stopped.filter(stopped_at__lte=due) if state == ClockState.KEPT else stopped.filter(stopped_at__gt=due)

    def to_alert(self, clock: Clock, at: datetime.datetime) -> "HandoffQuerySet":
        """Those of whose running `clock` somebody should have been told by `at` and wasn't yet."""
        due = Q(pk__in=[])
        for agreement in Agreement.objects.all():
            for level, offset in agreement.alert_offsets.items():
                due |= Q(agreement=agreement, **{f"{clock}_due_at__lt": at - offset, f"{clock}_alert__lt": level})
        return self.running(clock).filter(due)

    def with_next_due(self) -> "HandoffQuerySet":
        """Adds `next_due_at`: of the clocks that still run, the one that is due first."""
        return self.annotate(
            next_due_at=Case(
                When(
                    first_contact_at__isnull=True,
                    first_contact_due_at__lt=F("verdict_due_at"),
                    then="first_contact_due_at",
                ),
                default="verdict_due_at",
            )
        )

    def for_list(self) -> "HandoffQuerySet":
        return self.select_related(
            "lead__contact__company", "lead__campaign__channel", "lead__product", "assigned_to", "agreement", "reason"
        )


class Handoff(models.Model):
    """One handing-over of one lead, with its two clocks and its verdict.

    A handoff is judged by the agreement that was in force when it was made. A lead may be handed over again.
    """

    class Verdict(models.TextChoices):
        PENDING = "pending", _("pending")
        ACCEPTED = "accepted", _("accepted")
        REJECTED = "rejected", _("rejected")

    class Alert(models.IntegerChoices):
        """How far the people concerned have been told about a clock."""

        NONE = 0
        REMINDED = 1
        OVERDUE = 2
        MANAGER = 3
        DIRECTOR = 4

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="handoffs")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="+", db_index=False)
    handed_over_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("sales rep"),
        on_delete=models.PROTECT,
        related_name="handoffs",
        db_index=False,
    )
    assigned_how = models.CharField(max_length=200, blank=True)
    note = models.TextField(_("note to sales"), max_length=5000, blank=True, validators=[validate_text])
    handed_over_at = models.DateTimeField(_("handed over"))
    first_contact_due_at = models.DateTimeField(_("first contact due"))
    verdict_due_at = models.DateTimeField(_("verdict due"))
    first_contact_at = models.DateTimeField(_("first contact"), null=True, blank=True)

    verdict = models.CharField(_("verdict"), max_length=8, choices=Verdict.choices, default=Verdict.PENDING)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    reason = models.ForeignKey(
        Reason, verbose_name=_("reason"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    missing = models.TextField(_("what was missing"), max_length=2000, blank=True, validators=[validate_text])
    not_asked = models.TextField(_("what was not asked"), max_length=2000, blank=True, validators=[validate_text])
    misread = models.TextField(_("what was misread"), max_length=2000, blank=True, validators=[validate_text])

    first_contact_alert = models.PositiveSmallIntegerField(choices=Alert.choices, default=Alert.NONE)
    verdict_alert = models.PositiveSmallIntegerField(choices=Alert.choices, default=Alert.NONE)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    objects = HandoffQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lead"], condition=Q(verdict="pending"), name="one_pending_handoff_per_lead"
            ),
            models.CheckConstraint(
                condition=Q(verdict="pending", decided_at__isnull=True, decided_by__isnull=True)
                | (~Q(verdict="pending") & Q(decided_at__isnull=False)),
                name="decided_exactly_when_not_pending",
            ),
            models.CheckConstraint(
                condition=~Q(verdict="rejected") | Q(reason__isnull=False), name="rejected_with_reason"
            ),
        ]
        indexes = [
            models.Index(
                fields=["assigned_to", "verdict_due_at", "id"], name="handoff_inbox", condition=Q(verdict="pending")
            ),
            models.Index(fields=["assigned_to", "-handed_over_at"], name="handoff_rep"),
            models.Index(
                fields=["first_contact_due_at"],
                name="handoff_contact_due",
                condition=Q(verdict="pending", first_contact_at__isnull=True),
            ),
            models.Index(fields=["verdict_due_at"], name="handoff_verdict_due", condition=Q(verdict="pending")),
            models.Index(fields=["handed_over_at"]),
            models.Index(fields=["decided_at"]),
        ]

    def __str__(self) -> str:
        return str(self.lead)

    @property
    def is_pending(self) -> bool:
        return self.verdict == self.Verdict.PENDING

    @property
    def first_contact_stopped_at(self) -> datetime.datetime | None:
        """When clock one stopped: at the first contact, or at the verdict where there was none."""
        return self.first_contact_at or self.decided_at

    def clock_state(self, clock: Clock, at: datetime.datetime) -> ClockState:
        stopped = self.first_contact_stopped_at if clock == Clock.FIRST_CONTACT else self.decided_at
        return clock_state(getattr(self, f"{clock}_due_at"), stopped, at, self.agreement.remind_days)

    def alert_level(self, clock: Clock, at: datetime.datetime) -> "Handoff.Alert":
        """How far the people concerned should have been told about a running `clock` by `at`."""
        due = getattr(self, f"{clock}_due_at")
        passed = [level for level, offset in self.agreement.alert_offsets.items() if due + offset < at]
        return Handoff.Alert(max(passed, default=Handoff.Alert.NONE))

    def clocks(self, at: datetime.datetime) -> list[dict]:
        """Both clocks as a page shows them: label, state, due, done."""
        return [
            {
                "label": clock.label,
                "state": self.clock_state(clock, at).value,
                "due": getattr(self, f"{clock}_due_at"),
                "done": self.first_contact_stopped_at if clock == Clock.FIRST_CONTACT else self.decided_at,
            }
            for clock in Clock
        ]
