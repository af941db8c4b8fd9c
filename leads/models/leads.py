"""The lead and the append-only log of what happened to it."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models.campaigns import Campaign
from leads.models.catalogue import Product, Reason
from leads.models.contacts import Contact
from leads.models.criteria import CriteriaSet
from leads.models.search import Searchable
from leads.normalise import validate_text


class Stage(models.TextChoices):
    """Where a lead stands. Only `pipeline.transitions` moves a lead from one to another."""

    NEW = "new", _("New")
    CONTACTED = "contacted", _("Contacted")
    BRIEFED = "briefed", _("Briefed")
    WARM = "warm", _("Warm")
    QUALIFIED = "qualified", _("Qualified (MQL)")
    HANDED_OVER = "handed_over", _("Handed over")
    IN_WORK = "in_work", _("In work")
    RETURNED = "returned", _("Returned")
    REFERRED = "referred", _("Referred to a partner")
    ACCEPTED = "accepted", _("Accepted (SAL)")
    DEMO = "demo", _("Demo")
    PROPOSAL = "proposal", _("Proposal")
    CONTRACT = "contract", _("Contract")
    WON = "won", _("Won")
    LOST = "lost", _("Lost")
    REMOVED = "removed", _("Removed")

    @property
    def reached_field(self) -> str:
        """Name of the lead's column that keeps when this stage was first reached."""
        return "registered_at" if self is Stage.NEW else f"{self.value}_at"


# The road from the first meeting to the client, in order.
FUNNEL = [
    Stage.NEW,
    Stage.CONTACTED,
    Stage.BRIEFED,
    Stage.QUALIFIED,
    Stage.HANDED_OVER,
    Stage.IN_WORK,
    Stage.ACCEPTED,
    Stage.DEMO,
    Stage.PROPOSAL,
    Stage.CONTRACT,
    Stage.WON,
]
# Off that road: kept warm, sent back, passed on or lost.
ASIDE = [Stage.WARM, Stage.RETURNED, Stage.REFERRED, Stage.LOST]
# Where a lead that was not heard from yet, or not long ago, waits for marketing's next call.
TO_QUALIFY = [Stage.NEW, Stage.CONTACTED, Stage.BRIEFED]
# Where a lead stands that nobody has called yet. A brief may have come from a form that the client filled in.
UNCONTACTED = [Stage.NEW, Stage.BRIEFED]
WITH_MARKETING = [*TO_QUALIFY, Stage.WARM, Stage.QUALIFIED, Stage.RETURNED, Stage.REFERRED]
SELLING = [Stage.ACCEPTED, Stage.DEMO, Stage.PROPOSAL, Stage.CONTRACT]
WITH_SALES = [Stage.HANDED_OVER, Stage.IN_WORK, *SELLING]


LEFT_OUT = Q(stage=Stage.REMOVED, handed_over_at__isnull=True)
COUNTED = ~Q(stage=Stage.REMOVED) | Q(handed_over_at__isnull=False)  # `LeadQuerySet.counted` says why

# Marketing kept its own clock: it called in time, or somebody of sales or a partner had the lead before it was due.
RESPONSE_KEPT = (
    Q(contacted_at__lte=F("response_due_at"))
    | Q(qualified_at__lte=F("response_due_at"))
    | Q(referred_at__lte=F("response_due_at"))
)


class LeadQuerySet(Searchable, models.QuerySet["Lead"]):
    def visible_to(self, user: User) -> "LeadQuerySet":
        return self if user.is_active else self.none()

    def present(self) -> "LeadQuerySet":
        return self.exclude(stage=Stage.REMOVED)

    def counted(self) -> "LeadQuerySet":
        """Leads that numbers count.

        A lead removed before sales saw it was a mistake or a duplicate, and leaves the counts. Once handed over it
        stays in the count of every stage that it reached: removing a returned lead must not better the figures.
        """
        return self.filter(COUNTED)

    def cold(self, at: datetime.datetime) -> "LeadQuerySet":
        """Leads in sales' hands that nobody has contacted for longer than was agreed."""
        return self.filter(stage__in=WITH_SALES, cold_at__lte=at)

    def untouched(self, at: datetime.datetime) -> "LeadQuerySet":
        """Leads that marketing should have contacted for the first time by `at`, and nobody has."""
        return self.filter(
            stage__in=UNCONTACTED,
            contacted_at__isnull=True,
            response_due_at__lt=at,
            contact__do_not_contact=False,
        )

    def recycled(self, then: "Stage | None" = None) -> "LeadQuerySet":
        """Leads that were lost, or warm for long, and interested again; of them those that reached `then` since.

        `then` is qualified, accepted or won. What was taken back doesn't count.
        """
        back = self.filter(recycled_at__isnull=False)
        if then is None:
            return back
        since = LeadEvent.objects.filter(lead=OuterRef("pk"), at__gte=OuterRef("recycled_at")).order_by()
        steps = since.filter(kind=then.value, to_stage=then)
        taken_back = since.filter(kind__in=[LeadEvent.Kind.UNDONE, LeadEvent.Kind.REOPENED], from_stage=then)
        if then == Stage.ACCEPTED:  # going back to accepted from a later stage can be undone, too
            taken_back = taken_back.exclude(to_stage__in=SELLING)

        def number(events: models.QuerySet) -> Coalesce:
            return Coalesce(Subquery(events.values("lead").annotate(number=Count("pk")).values("number")), 0)

        return back.alias(steps_since=number(steps), taken_back_since=number(taken_back)).filter(
            steps_since__gt=F("taken_back_since")
        )

    def reached_counts(self) -> dict[str, int]:
        """How many of these leads ever reached each stage, by stage, in one query; and how many are removed."""
        return self.aggregate(
            **{
                stage.value: Count(stage.reached_field, filter=None if stage == Stage.REMOVED else COUNTED)
                for stage in Stage
            }
        )

    def for_list(self) -> "LeadQuerySet":
        return self.select_related("contact__company", "campaign__channel", "owner", "product")


class Lead(models.Model):
    """One interest of one contact, from one campaign.

    A stage's `*_at` column keeps when the stage was *first* reached; null means never, or not known (imported history).
    """

    # Foreign keys have an index of their own only where `Meta.indexes` holds none that begins with them and where
    # somebody looks rows up by them: there are millions of rows, and each index makes each of them slower to write.
    contact = models.ForeignKey(Contact, verbose_name=_("contact"), on_delete=models.PROTECT, related_name="leads")
    campaign = models.ForeignKey(
        Campaign, verbose_name=_("campaign"), on_delete=models.PROTECT, related_name="leads", db_index=False
    )
    product = models.ForeignKey(
        Product,
        verbose_name=_("main product of interest"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="leads",
        db_index=False,
    )
    other_products = models.ManyToManyField(
        Product, verbose_name=_("also interested in"), blank=True, related_name="also_wanted_by"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner in marketing"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="leads",
        db_index=False,
    )
    registered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    stage = models.CharField(_("stage"), max_length=12, choices=Stage.choices, default=Stage.NEW, editable=False)
    stage_before_removal = models.CharField(max_length=12, choices=Stage.choices, blank=True, editable=False)
    removal_reason = models.ForeignKey(
        Reason, null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False, db_index=False
    )
    criteria_set = models.ForeignKey(
        CriteriaSet,
        verbose_name=_("judged by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_index=False,
    )

    note = models.TextField(_("note"), max_length=5000, blank=True, validators=[validate_text])
    brief = models.TextField(_("brief"), max_length=10000, blank=True, validators=[validate_text])
    met_on = models.DateField(_("met on"), null=True, blank=True)
    preferred_meeting_time = models.CharField(
        _("preferred meeting time"), max_length=200, blank=True, validators=[validate_text]
    )
    agreed = models.CharField(_("agreed next step"), max_length=500, blank=True, validators=[validate_text])
    utm_source = models.CharField(max_length=300, blank=True, validators=[validate_text])
    utm_medium = models.CharField(max_length=300, blank=True, validators=[validate_text])
    utm_campaign = models.CharField(max_length=300, blank=True, validators=[validate_text])
    utm_term = models.CharField(max_length=500, blank=True, validators=[validate_text])
    utm_content = models.CharField(max_length=500, blank=True, validators=[validate_text])
    source_details = models.JSONField(_("source details"), default=dict, blank=True)

    registered_at = models.DateTimeField(_("registered"), null=True, blank=True, editable=False)
    contacted_at = models.DateTimeField(null=True, blank=True, editable=False)
    briefed_at = models.DateTimeField(null=True, blank=True, editable=False)
    warm_at = models.DateTimeField(null=True, blank=True, editable=False)
    qualified_at = models.DateTimeField(null=True, blank=True, editable=False)
    handed_over_at = models.DateTimeField(null=True, blank=True, editable=False)
    in_work_at = models.DateTimeField(null=True, blank=True, editable=False)
    returned_at = models.DateTimeField(null=True, blank=True, editable=False)
    referred_at = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    demo_at = models.DateTimeField(null=True, blank=True, editable=False)
    proposal_at = models.DateTimeField(null=True, blank=True, editable=False)
    contract_at = models.DateTimeField(null=True, blank=True, editable=False)
    won_at = models.DateTimeField(null=True, blank=True, editable=False)
    lost_at = models.DateTimeField(null=True, blank=True, editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    last_contact_at = models.DateTimeField(_("last contact"), null=True, blank=True, editable=False)
    # Marketing's own clock: the first contact is due; how long it and the brief took, in seconds of working time.
    response_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    response_flagged_at = models.DateTimeField(null=True, blank=True, editable=False)
    response_seconds = models.PositiveIntegerField(null=True, blank=True, editable=False)
    brief_seconds = models.PositiveIntegerField(null=True, blank=True, editable=False)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, editable=False)
    # A warm lead that came to meet the criteria: proposed as MQL; counted as nurtured once it was qualified.
    proposed_at = models.DateTimeField(null=True, blank=True, editable=False)
    nurtured_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When a lead that was lost, or warm for long, was first interested again.
    recycled_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What was known when it was handed over, as `leads.known` says it; null: not handed over, or not recorded.
    known_at_handoff = models.JSONField(null=True, blank=True, editable=False)
    cold_at = models.DateTimeField(null=True, blank=True, editable=False)
    cold_flagged_at = models.DateTimeField(null=True, blank=True, editable=False)

    submission_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    source_system = models.CharField(max_length=50, blank=True, editable=False)
    external_id = models.CharField(max_length=200, blank=True, editable=False)
    search_text = models.TextField(editable=False, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = LeadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source_system", "external_id"], condition=~Q(external_id=""), name="lead_external_id"
            ),
            models.CheckConstraint(
                condition=~Q(stage=Stage.REMOVED) | Q(removed_at__isnull=False, removal_reason__isnull=False),
                name="removed_with_reason",
            ),
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="lead_stage_is_known"),
        ]
        indexes = [
            models.Index(fields=["stage", "-id"], name="lead_stage"),
            models.Index(fields=["campaign", "-id"], name="lead_campaign"),
            # Counts a campaign's leads without reading them.
            models.Index(fields=["campaign"], name="lead_counted", condition=COUNTED & Q(registered_at__isnull=False)),
            models.Index(fields=["id"], name="lead_left_out", condition=LEFT_OUT),
            models.Index(fields=["product", "-id"], name="lead_product"),
            models.Index(fields=["-updated_at", "-id"], name="lead_recent"),
            # The list is in order of registration; what it is narrowed to most has its own index in that order.
            models.Index(fields=["-registered_at", "-id"], name="lead_by_date"),
            models.Index(fields=["stage", "-registered_at", "-id"], name="lead_stage_by_date"),
            models.Index(fields=["owner", "-registered_at", "-id"], name="lead_owner_by_date"),
            models.Index(fields=["campaign", "-registered_at", "-id"], name="lead_campaign_by_date"),
            # Also those that were told of: the list of cold opportunities shows them all.
            models.Index(fields=["cold_at"], name="lead_cold", condition=Q(cold_at__isnull=False)),
            models.Index(
                fields=["response_due_at"],
                name="lead_untouched",
                condition=Q(response_due_at__isnull=False, response_flagged_at__isnull=True, contacted_at__isnull=True),
            ),
            models.Index(
                fields=["next_attempt_at", "id"], name="lead_next_attempt", condition=Q(next_attempt_at__isnull=False)
            ),
            models.Index(fields=["proposed_at"], name="lead_proposed", condition=Q(proposed_at__isnull=False)),
            models.Index(fields=["-nurtured_at", "-id"], name="lead_nurtured", condition=Q(nurtured_at__isnull=False)),
            models.Index(fields=["-recycled_at", "-id"], name="lead_recycled", condition=Q(recycled_at__isnull=False)),
            *(
                models.Index(
                    F(stage.reached_field).desc(),
                    F("id").desc(),
                    name=f"lead_reached_{stage.value}",
                    condition=Q(**{f"{stage.reached_field}__isnull": False}),
                )
                for stage in Stage
                if stage != Stage.NEW
            ),
        ]

    def __str__(self) -> str:
        return str(self.contact)

    def save(self, *args, **kwargs) -> None:
        if not self.search_text and self.contact_id:
            self.search_text = self.contact.search_text
        super().save(*args, **kwargs)

    @property
    def is_removed(self) -> bool:
        return self.stage == Stage.REMOVED

    def is_untouched(self, at: datetime.datetime) -> bool:
        """Marketing should have contacted it for the first time by `at`, and nobody has."""
        return (
            self.stage in UNCONTACTED
            and self.contacted_at is None
            and self.response_due_at is not None
            and self.response_due_at < at
            and not self.contact.do_not_contact
        )

    def reached_stages(self) -> "dict[Stage, datetime.datetime]":
        """Every stage that this lead is known to have reached, with the moment of the first time."""
        dates = {stage: getattr(self, stage.reached_field) for stage in Stage}
        return {stage: at for stage, at in dates.items() if at is not None}

    def reached(self) -> "list[tuple[Stage, datetime.datetime | None]]":
        """The funnel's stages in order, each with the moment this lead first reached it."""
        return [(stage, getattr(self, stage.reached_field)) for stage in FUNNEL]


class LeadEventQuerySet(models.QuerySet["LeadEvent"]):
    def visible_to(self, user: User) -> "LeadEventQuerySet":
        return self if user.is_active else self.none()

    def record(
        self,
        lead: Lead,
        kind: "LeadEvent.Kind",
        *,
        by: User | None,
        at: datetime.datetime,
        from_stage: str = "",
        to_stage: str = "",
        **data: object,
    ) -> "LeadEvent":
        """Append what happened. `data` must be JSON: the facts a reader of the timeline wants to see."""
        return self.create(lead=lead, kind=kind, actor=by, at=at, from_stage=from_stage, to_stage=to_stage, data=data)

    def movements(self, start: datetime.datetime, end: datetime.datetime) -> "LeadEventQuerySet":
        """What moved leads from one stage to another, from `start` until before `end`."""
        return self.filter(kind__in=LeadEvent.MOVING, at__gte=start, at__lt=end).exclude(from_stage=F("to_stage"))


class LeadEvent(models.Model):
    """One thing that happened to a lead. Rows are only ever added (a database trigger refuses the rest)."""

    class Kind(models.TextChoices):
        REGISTERED = "registered", _("Registered")
        REGISTERED_AGAIN = "registered_again", _("Met again")
        EDITED = "edited", _("Edited")
        NOTE = "note", _("Note")
        CRITERION = "criterion", _("Criterion answered")
        ANSWERED = "answered", _("Questionnaire filled in")
        JUDGED = "judged", _("Judged by the criteria")
        CONSENT = "consent", _("Consent")
        NURTURE = "nurture", _("Nurture step")
        ATTEMPT_PLANNED = "attempt_planned", _("Next attempt agreed")
        UNTOUCHED = "untouched", _("Nobody called in time")
        ERASED = "erased", _("Personal data erased")
        ACTIVITY = "activity", _("Activity")
        CONTACTED = "contacted", _("First contact by marketing")
        BRIEFED = "briefed", _("Brief filled in")
        WARM = "warm", _("Kept warm")
        QUALIFIED = "qualified", _("Qualified (MQL)")
        HANDED_OVER = "handed_over", _("Handed over")
        REASSIGNED = "reassigned", _("Reassigned")
        IN_WORK = "in_work", _("First contact by sales")
        ACCEPTED = "accepted", _("Accepted (SAL)")
        RETURNED = "returned", _("Rejected and returned")
        REFERRED = "referred", _("Referred to a partner")
        REFERRAL_CLOSED = "referral_closed", _("Heard back from the partner")
        DEMAND = "demand", _("Asked for what we don't sell")
        MOVED = "moved", _("Moved to another stage")
        DEMO = "demo", _("Demo")
        PROPOSAL = "proposal", _("Proposal")
        CONTRACT = "contract", _("Contract")
        WON = "won", _("Won")
        LOST = "lost", _("Lost")
        PAYMENT = "payment", _("Payment")
        REMOVED = "removed", _("Removed")
        RESTORED = "restored", _("Restored")
        UNDONE = "undone", _("Undone")
        REMINDED = "reminded", _("Reminder sent")
        OVERDUE = "overdue", _("Overdue")
        ESCALATED = "escalated", _("Escalated")
        COLD = "cold", _("Went cold")
        DATA_FAULT = "data_fault", _("Fault in imported data")
        PAUSED = "paused", _("Clocks paused")
        RESUMED = "resumed", _("Clocks go on")
        POOLED = "pooled", _("Back in the pool")
        TAKEN = "taken", _("Taken from the pool")
        RETURN_ANSWERED = "return_answered", _("Marketing answered the return")
        DISPUTE_DECIDED = "dispute_decided", _("Dispute decided")
        MAIL_FAILED = "mail_failed", _("E-mail didn't arrive")
        ASKED_FOR = "asked_for", _("Client asked for it")
        OBJECTION = "objection", _("Objection")
        OBJECTION_ENDED = "objection_ended", _("Objection ended")
        REOPENED = "reopened", _("Won or lost taken back")
        REPEAT = "repeat", _("Repeat purchase")
        RECYCLING = "recycling", _("To be asked again")
        RECYCLED = "recycled", _("Interested again")
        REVIEWED = "reviewed", _("Quality reviewed")
        CONTENT_REQUESTED = "content_requested", _("Content asked for")
        CONTENT_USED = "content_used", _("Content used")

    # The kinds that come with a change of stage.
    MOVING = [
        Kind.REGISTERED,
        Kind.CONTACTED,
        Kind.BRIEFED,
        Kind.WARM,
        Kind.QUALIFIED,
        Kind.HANDED_OVER,
        Kind.IN_WORK,
        Kind.ACCEPTED,
        Kind.RETURNED,
        Kind.REFERRED,
        Kind.MOVED,
        Kind.DEMO,
        Kind.PROPOSAL,
        Kind.CONTRACT,
        Kind.WON,
        Kind.LOST,
        Kind.REMOVED,
        Kind.RESTORED,
        Kind.UNDONE,
        Kind.REOPENED,
        Kind.RECYCLED,
        Kind.RETURN_ANSWERED,
        Kind.DISPUTE_DECIDED,
    ]

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="events", db_index=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    from_stage = models.CharField(max_length=12, choices=Stage.choices, blank=True)
    to_stage = models.CharField(max_length=12, choices=Stage.choices, blank=True)
    at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    data = models.JSONField(default=dict)

    objects = LeadEventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["lead", "-at", "-id"], name="event_timeline"),
            models.Index(fields=["kind", "at"], name="event_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d}"
