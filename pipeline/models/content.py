"""What marketing makes for sales: cases, decks, landing pages; asked for, found, and used in deals."""

import datetime
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from leads.models import Lead, Product
from leads.models.leads import SELLING
from leads.normalise import validate_text
from pipeline.models.opportunities import Opportunity


class ContentKind(models.TextChoices):
    CASE = "case", _("case study")
    DECK = "deck", _("presentation")
    LANDING = "landing", _("landing page")
    PRICES = "prices", _("price list")
    VIDEO = "video", _("video")
    OTHER = "other", pgettext_lazy("content", "other")


def _file_path(_item: "ContentItem", _name: str) -> str:
    """Where an uploaded file is kept: under a name of ours, never the sender's."""
    return f"content/{uuid.uuid4().hex}"


class ContentItemQuerySet(models.QuerySet["ContentItem"]):
    def visible_to(self, user: User) -> "ContentItemQuerySet":
        return self if user.is_active else self.none()


class ContentItem(models.Model):
    """One piece of the library: a file or a link. Product, industry and stage empty: fits all."""

    title = models.CharField(_("title"), max_length=200, validators=[validate_text])
    kind = models.CharField(_("kind"), max_length=8, choices=ContentKind.choices)
    product = models.ForeignKey(
        Product, verbose_name=_("product"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    industry = models.CharField(_("industry"), max_length=100, blank=True, validators=[validate_text])
    stage = models.CharField(
        _("stage"), max_length=12, blank=True, choices=[(stage.value, stage.label) for stage in SELLING]
    )
    about = models.TextField(_("what it is about"), max_length=2000, blank=True, validators=[validate_text])
    file = models.FileField(_("file"), upload_to=_file_path, blank=True)
    file_name = models.CharField(max_length=200, blank=True, editable=False)  # as the sender called it
    file_size = models.PositiveIntegerField(null=True, blank=True, editable=False)
    link = models.URLField(_("link"), max_length=500, blank=True)
    search_text = models.TextField(editable=False, default="")
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    added_at = models.DateTimeField()
    is_active = models.BooleanField(_("in use"), default=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ContentItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(file="", link="") & (Q(file="") | Q(link="")), name="a_file_or_a_link")
        ]
        indexes = [models.Index(fields=["-added_at", "-id"], name="content_by_date")]

    def __str__(self) -> str:
        return self.title


class ContentRequestQuerySet(models.QuerySet["ContentRequest"]):
    def visible_to(self, user: User) -> "ContentRequestQuerySet":
        return self if user.is_active else self.none()

    def open(self) -> "ContentRequestQuerySet":
        return self.filter(status__in=[ContentRequest.Status.NEW, ContentRequest.Status.IN_WORK])


class ContentRequest(models.Model):
    """What sales asks marketing to make, for which lead or deal and until when."""

    class Status(models.TextChoices):
        NEW = "new", pgettext_lazy("content request", "new")
        IN_WORK = "in_work", pgettext_lazy("content request", "in work")
        READY = "ready", pgettext_lazy("content request", "ready")
        DECLINED = "declined", pgettext_lazy("content request", "declined")

    title = models.CharField(_("what is needed"), max_length=200, validators=[validate_text])
    kind = models.CharField(_("kind"), max_length=8, choices=ContentKind.choices)
    note = models.TextField(_("details"), max_length=5000, blank=True, validators=[validate_text])
    lead = models.ForeignKey(
        Lead, verbose_name=_("lead"), null=True, blank=True, on_delete=models.CASCADE, related_name="content_requests"
    )
    opportunity = models.ForeignKey(
        Opportunity, null=True, blank=True, on_delete=models.CASCADE, related_name="content_requests"
    )
    due_on = models.DateField(_("needed by"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.NEW)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who makes it"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    item = models.ForeignKey(ContentItem, null=True, blank=True, on_delete=models.PROTECT, related_name="requests")
    answer = models.TextField(_("answer"), max_length=2000, blank=True, validators=[validate_text])
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    submission_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ContentRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(status="ready") | Q(item__isnull=False), name="ready_with_its_item"),
            models.CheckConstraint(
                condition=Q(status__in=["new", "in_work"], closed_at__isnull=True)
                | Q(status__in=["ready", "declined"], closed_at__isnull=False),
                name="request_closed_with_a_date",
            ),
        ]
        indexes = [
            models.Index(fields=["-requested_at", "-id"], name="request_by_date"),
            models.Index(fields=["due_on"], name="request_open", condition=Q(closed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("pipeline:content_request", args=[self.pk])

    def is_late(self, today: datetime.date) -> bool:
        """True when it was needed before `today` and isn't answered."""
        return self.closed_at is None and self.due_on is not None and self.due_on < today


class ContentUseQuerySet(models.QuerySet["ContentUse"]):
    def visible_to(self, user: User) -> "ContentUseQuerySet":
        return self if user.is_active else self.none()


class ContentUse(models.Model):
    """That a piece was used with a lead or in a deal; what became of those is read from them."""

    item = models.ForeignKey(ContentItem, on_delete=models.CASCADE, related_name="uses")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="content_uses")
    opportunity = models.ForeignKey(
        Opportunity, null=True, blank=True, on_delete=models.CASCADE, related_name="content_uses"
    )
    used_at = models.DateTimeField()
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = ContentUseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "lead"], condition=Q(opportunity__isnull=True), name="content_used_once_per_lead"
            ),
            models.UniqueConstraint(fields=["item", "opportunity"], name="content_used_once_per_deal"),
        ]
        indexes = [models.Index(fields=["item", "-used_at", "-id"], name="content_use_by_date")]
