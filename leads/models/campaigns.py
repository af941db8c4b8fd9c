"""Runs of a channel, and what they cost."""

import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models.catalogue import Channel
from leads.models.search import Searchable
from leads.normalise import fold, validate_text


class CampaignQuerySet(Searchable, models.QuerySet["Campaign"]):
    def visible_to(self, user: User) -> "CampaignQuerySet":
        return self if user.is_active else self.none()

    def events(self) -> "CampaignQuerySet":
        return self.filter(channel__is_event=True)

    def upcoming(self, day: datetime.date) -> "CampaignQuerySet":
        """Those that run on `day` or later; one without a last day lasts for its first day."""
        return self.filter(Q(ends_on__gte=day) | Q(starts_on__gte=day))

    def past(self, day: datetime.date) -> "CampaignQuerySet":
        return self.filter(Q(ends_on__lt=day) | Q(ends_on__isnull=True, starts_on__lt=day))

    def with_results(self) -> "CampaignQuerySet":
        """Adds `spent` (money, None when nothing is recorded) and `lead_count`."""
        spent = Expense.objects.valid().filter(campaign=OuterRef("pk")).order_by().values("campaign")
        lead: Any = self.model._meta.get_field("leads").related_model
        leads = lead.objects.counted().filter(campaign=OuterRef("pk"), registered_at__isnull=False)
        leads = leads.order_by().values("campaign")
        return self.annotate(
            spent=Subquery(spent.values(sum=Sum("amount"))),
            lead_count=Coalesce(Subquery(leads.values(number=Count("campaign"))), 0),
        )


class Campaign(models.Model):
    """One run of a channel: this conference, that advertising flight. An event is one of an event channel."""

    name = models.CharField(_("name"), max_length=200, validators=[validate_text])
    channel = models.ForeignKey(Channel, verbose_name=_("channel"), on_delete=models.PROTECT, related_name="campaigns")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="campaigns",
    )
    starts_on = models.DateField(_("first day"), default=timezone.localdate)
    ends_on = models.DateField(_("last day"), null=True, blank=True)
    place = models.CharField(_("place"), max_length=200, blank=True, validators=[validate_text])
    planned_budget = models.DecimalField(
        _("planned budget"), max_digits=14, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    impressions = models.PositiveBigIntegerField(_("impressions"), null=True, blank=True)
    visits = models.PositiveBigIntegerField(_("visits"), null=True, blank=True)
    participants = models.PositiveBigIntegerField(_("participants"), null=True, blank=True)
    search_text = models.CharField(max_length=200, editable=False, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "channel",
                Lower("name"),
                name="campaign_name_is_unique_in_its_channel",
                violation_error_message=_("This channel has a campaign of this name already."),
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="campaign_ends_after_it_starts",
                violation_error_message=_("The last day can't be before the first."),
            ),
        ]
        indexes = [models.Index(fields=["-starts_on", "-id"], name="campaign_by_start")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_event(self) -> bool:
        return self.channel.is_event

    def is_over(self, day: datetime.date) -> bool:
        return (self.ends_on or self.starts_on) < day

    def save(self, *args, **kwargs) -> None:
        self.search_text = fold(self.name)[:200]
        super().save(*args, **kwargs)


class ExpenseQuerySet(models.QuerySet["Expense"]):
    def visible_to(self, user: User) -> "ExpenseQuerySet":
        return self if user.is_active else self.none()

    def valid(self) -> "ExpenseQuerySet":
        """Those that count: withdrawn expenses stay as rows, for the record, but add nothing."""
        return self.filter(withdrawn_at__isnull=True)

    def total(self) -> Decimal | None:
        """Their sum; None when there is none."""
        return self.aggregate(total=Sum("amount"))["total"]


class Expense(models.Model):
    """Money spent on a campaign on a day, in the organisation's currency."""

    campaign = models.ForeignKey(
        Campaign, verbose_name=_("campaign"), on_delete=models.PROTECT, related_name="expenses"
    )
    spent_on = models.DateField(_("day"))
    amount = models.DecimalField(
        _("amount"), max_digits=14, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )
    note = models.CharField(_("what for"), max_length=300, blank=True, validators=[validate_text])
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    source_system = models.CharField(max_length=50, blank=True)
    external_id = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = ExpenseQuerySet.as_manager()

    class Meta:
        ordering = ["-spent_on", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["source_system", "external_id"], condition=~Q(external_id=""), name="expense_external_id"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="expense_is_positive"),
        ]
        indexes = [models.Index(fields=["campaign", "spent_on"]), models.Index(fields=["spent_on"])]

    def __str__(self) -> str:
        return f"{self.spent_on} {self.amount}"
