"""The passing of a qualified lead from marketing to sales."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Case, Count, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Criterion, Lead, Product, Reason
from leads.normalise import validate_text
from leads.routed import in_words
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

    def paused(self, at: datetime.datetime) -> "HandoffQuerySet":
        """Those whose clocks stand still at `at`; true with or without any task."""
        return self.pending().filter(paused_until__gt=at)

    def in_pool(self) -> "HandoffQuerySet":
        """Those that went cold and that anybody of sales may take."""
        return self.pending().filter(pooled_at__isnull=False)

    def running(self, clock: Clock) -> "HandoffQuerySet":
        """Those whose `clock` hasn't stopped."""
        return self.awaiting_first_contact() if clock == Clock.FIRST_CONTACT else self.pending()

    def with_clock(self, clock: Clock, state: str, at: datetime.datetime) -> "HandoffQuerySet":
        """Those whose `clock` is overdue, paused, running (in time so far, also a paused one), kept or late at `at`."""
        due = F(f"{clock}_due_at")
        if state == ClockState.PAUSED:
            return self.running(clock).paused(at).filter(paused_until__lte=due)
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
        paused = Q(paused_until__gt=at, paused_until__lte=F(f"{clock}_due_at"))
        return self.running(clock).filter(due).exclude(paused)

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

    def unanswered(self) -> "HandoffQuerySet":
        """Refused ones that wait for marketing's answer."""
        return self.filter(verdict=Handoff.Verdict.REJECTED, return_closed_at__isnull=True)

    def refused(self, state: str) -> "HandoffQuerySet":
        """Refused ones, by what became of the refusal: a name of `Handoff.REFUSALS`."""
        refused = self.filter(verdict=Handoff.Verdict.REJECTED)
        if state == "unanswered":
            return refused.filter(return_closed_at__isnull=True)
        if state == "disputed":
            return refused.filter(answer__answer="dispute", answer__decision="", answer__afterwards="")
        if state == "stands":
            return refused.exclude(answer__decision="overturned")
        return refused.filter(answer__decision=state)

    def telling(self, feedback: str, criterion: str) -> "HandoffQuerySet":
        """Refused ones by what sales said: a name of `Handoff.FEEDBACK`, and of which criterion, by key; "" is any."""
        if feedback == "doubt":
            rows = self.exclude(criteria_doubt="")
            return rows.telling("", criterion) if criterion else rows
        fails = self.filter(failed_criterion__key=criterion) if criterion else self.exclude(failed_criterion=None)
        if feedback == "fails":
            return fails
        about = {"feedback__kind": feedback} if feedback else {}
        about |= {"feedback__field": f"criterion:{criterion}"} if criterion else {}
        pointed = Q(pk__in=Handoff.objects.filter(**about).values("pk"))
        if not feedback:
            return self.filter(pointed | Q(failed_criterion__key=criterion))
        return self.filter(pointed if criterion else pointed | ~Q(**{feedback: ""}))

    def with_number(self) -> "HandoffQuerySet":
        """Adds `number`: the how manieth handing-over of its lead it is."""
        before = Handoff.objects.filter(lead=OuterRef("lead"), pk__lte=OuterRef("pk")).order_by()
        return self.annotate(number=Subquery(before.values("lead").annotate(count=Count("pk")).values("count")))

    def for_list(self) -> "HandoffQuerySet":
        return self.with_number().select_related(
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

    # What became of a refusal, and what sales said with it: names that lists are filtered by.
    REFUSALS = {
        "stands": _("stands"),
        "unanswered": _("not answered yet"),
        "disputed": _("disputed, not decided yet"),
        "upheld": _("disputed: it stands"),
        "overturned": _("disputed: it was a lead"),
    }
    FEEDBACK = {
        "missing": _("information missing"),
        "not_asked": _("question not asked"),
        "misread": _("answer misread"),
        "fails": _("the criterion fails"),
        "doubt": _("the criteria are wrong"),
    }

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
    # Why this rep: the rule, how many could have had it and who was passed over; `pipeline.routing` writes and reads it.
    routing = models.JSONField(null=True, blank=True, editable=False)
    pooled_at = models.DateTimeField(_("back in the pool since"), null=True, blank=True, editable=False)
    paused_until = models.DateTimeField(_("clocks paused until"), null=True, blank=True, editable=False)
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

    who_said_no = models.CharField(_("who said no"), max_length=200, blank=True, validators=[validate_text])
    wanted_product = models.ForeignKey(
        Product,
        verbose_name=_("wanted product"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    # Of what we don't sell; it is counted among unmet demand, too.
    wanted_text = models.CharField(
        _("wanted, but not sold by us"), max_length=150, blank=True, validators=[validate_text]
    )
    failed_criterion = models.ForeignKey(
        Criterion,
        verbose_name=_("failed criterion"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    criteria_doubt = models.TextField(
        _("why the criteria are wrong"), max_length=2000, blank=True, validators=[validate_text]
    )
    # Of a refused one: since when marketing has nothing to answer; empty while it has.
    return_closed_at = models.DateTimeField(null=True, blank=True, editable=False)

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
            models.Index(fields=["assigned_to", "-handed_over_at", "-id"], name="handoff_rep"),
            models.Index(
                fields=["first_contact_due_at"],
                name="handoff_contact_due",
                condition=Q(verdict="pending", first_contact_at__isnull=True),
            ),
            models.Index(fields=["verdict_due_at"], name="handoff_verdict_due", condition=Q(verdict="pending")),
            models.Index(
                fields=["pooled_at", "id"], name="handoff_pool", condition=Q(verdict="pending", pooled_at__isnull=False)
            ),
            models.Index(
                fields=["paused_until"],
                name="handoff_paused",
                condition=Q(verdict="pending", paused_until__isnull=False),
            ),
            models.Index(
                fields=["decided_at", "id"],
                name="handoff_unanswered",
                condition=Q(verdict="rejected", return_closed_at__isnull=True),
            ),
            # Refusals that say the criteria are wrong: few, and read whole where criteria are reviewed.
            models.Index(fields=["-decided_at"], name="handoff_doubt", condition=~Q(criteria_doubt="")),
            models.Index(fields=["handed_over_at"]),
            models.Index(fields=["decided_at"]),
        ]

    def __str__(self) -> str:
        return str(self.lead)

    @property
    def is_pending(self) -> bool:
        return self.verdict == self.Verdict.PENDING

    def reopen(self) -> None:
        """Forget the verdict with all that was said with it, unsaved."""
        self.verdict, self.decided_at, self.decided_by, self.reason = self.Verdict.PENDING, None, None, None
        self.missing = self.not_asked = self.misread = self.who_said_no = self.wanted_text = self.criteria_doubt = ""
        self.wanted_product = self.failed_criterion = self.return_closed_at = None

    @property
    def why_them(self) -> str:
        """Why it went to this rep, in the reader's language; "" where that isn't known."""
        return in_words(self.routing)

    @property
    def first_contact_stopped_at(self) -> datetime.datetime | None:
        """When clock one stopped: at the first contact, or at the verdict where there was none."""
        return self.first_contact_at or self.decided_at

    def clock_stopped_at(self, clock: Clock) -> datetime.datetime | None:
        return self.first_contact_stopped_at if clock == Clock.FIRST_CONTACT else self.decided_at

    def is_paused(self, at: datetime.datetime) -> bool:
        """Whether its clocks stand still at `at`. A clock that was overdue before the pause goes on."""
        return self.is_pending and self.paused_until is not None and at < self.paused_until

    def cold_from(self, at: datetime.datetime) -> datetime.datetime:
        """From when it counts that nobody is in touch, after something happened at `at`: not while it is paused."""
        return (self.paused_until or at) if self.is_paused(at) else at

    @property
    def is_in_pool(self) -> bool:
        return self.is_pending and self.pooled_at is not None

    def clock_state(self, clock: Clock, at: datetime.datetime) -> ClockState:
        return clock_state(
            getattr(self, f"{clock}_due_at"),
            self.clock_stopped_at(clock),
            at,
            self.agreement.remind_days,
            self.paused_until,
        )

    def set_due(self, clock: Clock, due: datetime.datetime, at: datetime.datetime) -> None:
        """Move when a running `clock` is due. What was told of the old time is told again of the new, when it comes."""
        setattr(self, f"{clock}_due_at", due)
        told = min(getattr(self, f"{clock}_alert"), self.alert_level(clock, at))
        setattr(self, f"{clock}_alert", told)

    def alert_level(self, clock: Clock, at: datetime.datetime) -> "Handoff.Alert":
        """How far the people concerned should have been told about a running `clock` by `at`."""
        due = getattr(self, f"{clock}_due_at")
        passed = [level for level, offset in self.agreement.alert_offsets.items() if due + offset < at]
        return Handoff.Alert(max(passed, default=Handoff.Alert.NONE))

    def clocks(self, at: datetime.datetime) -> list[dict]:
        """Both clocks as a page shows them: label, state, due, done, and until when it is paused."""
        return [
            {
                "label": clock.label,
                "state": self.clock_state(clock, at).value,
                "due": getattr(self, f"{clock}_due_at"),
                "done": self.clock_stopped_at(clock),
                "until": self.paused_until,
            }
            for clock in Clock
        ]


class ClockPause(models.Model):
    """A time in which a handoff's clocks stand still, since the client asked to wait. Due times move by as much."""

    handoff = models.ForeignKey(Handoff, on_delete=models.CASCADE, related_name="pauses")
    reason = models.CharField(_("why"), max_length=300, validators=[validate_text])
    started_at = models.DateTimeField()
    until = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(null=True, blank=True)  # when it was ended before its time
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # What both clocks said before, so that an end before its time is reckoned from the same.
    first_contact_due_before = models.DateTimeField()
    verdict_due_before = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("started_at")), name="pause_ends_after_it_begins")
        ]

    @property
    def over_at(self) -> datetime.datetime:
        """When the clocks go on, or went on."""
        return self.ended_at or self.until

    def due_before(self, clock: Clock) -> datetime.datetime:
        return getattr(self, f"{clock}_due_before")
