"""Leads that come back: what was lost or warm is asked again when its time comes."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation, User
from leads.models import Lead, Reason
from leads.normalise import validate_text
from pipeline.models.opportunities import Opportunity
from pipeline.models.tasks import Task


def end_of_day(at: datetime.datetime) -> datetime.datetime:
    """The next midnight of the organisation."""
    zone = Organisation.current().tzinfo
    return datetime.datetime.combine(at.astimezone(zone).date() + datetime.timedelta(days=1), datetime.time(), zone)


class RecyclingQuerySet(models.QuerySet["Recycling"]):
    def visible_to(self, user: User) -> "RecyclingQuerySet":
        return self if user.is_active else self.none()

    def open(self) -> "RecyclingQuerySet":
        return self.filter(result="")

    def due(self, at: datetime.datetime) -> "RecyclingQuerySet":
        """Open ones whose day has come: from its first hour on, as the tasks are."""
        return self.open().filter(due_at__lt=end_of_day(at))

    def later(self, at: datetime.datetime) -> "RecyclingQuerySet":
        return self.open().filter(due_at__gte=end_of_day(at))

    def answered(self) -> "RecyclingQuerySet":
        """Those where somebody was asked, and said something."""
        return self.exclude(result__in=["", Recycling.Result.OVERTAKEN])

    def for_list(self) -> "RecyclingQuerySet":
        return self.select_related(
            "lead__contact__company",
            "lead__campaign",
            "lead__product",
            "lead__owner",
            "opportunity__owner",
            "opportunity__product",
            "reason",
            "task__assignee",
            "closed_by",
        )


class Recycling(models.Model):
    """That a lost or warm lead is to be asked again: why, how, when, and what came of it."""

    class Because(models.TextChoices):
        LOST = "lost", pgettext_lazy("recycling", "lost")
        WARM = "warm", pgettext_lazy("recycling", "warm for long")

    class Result(models.TextChoices):
        BACK = "back", _("interested again")
        LATER = "later", _("not now: ask again later")
        PARTNER = "partner", _("referred to a partner")
        NO = "no", _("no, for good")
        OVERTAKEN = "overtaken", _("came back by themselves, or were asked otherwise")

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="recyclings")
    opportunity = models.ForeignKey(
        Opportunity, null=True, blank=True, on_delete=models.CASCADE, related_name="recyclings"
    )
    because = models.CharField(max_length=4, choices=Because.choices)
    reason = models.ForeignKey(Reason, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    how = models.CharField(_("how"), max_length=5, choices=Reason.Recycle.choices)
    due_at = models.DateTimeField(_("due"))
    opened_at = models.DateTimeField()
    task = models.ForeignKey(Task, null=True, blank=True, on_delete=models.SET_NULL, related_name="recyclings")
    result = models.CharField(_("result"), max_length=9, choices=Result.choices, blank=True, default="")
    result_note = models.CharField(_("note"), max_length=500, blank=True, validators=[validate_text])
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = RecyclingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lead"], condition=Q(result=""), name="one_open_recycling_per_lead"),
            models.CheckConstraint(
                condition=Q(result="", closed_at__isnull=True) | (~Q(result="") & Q(closed_at__isnull=False)),
                name="recycling_closed_with_a_result",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="recycling_due", condition=Q(result="")),
            models.Index(fields=["-closed_at", "-id"], name="recycling_done", condition=~Q(result="")),
        ]

    def __str__(self) -> str:
        return str(self.lead)
