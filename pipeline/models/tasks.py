"""What somebody has to do by when, and about which lead."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Lead
from leads.normalise import validate_text


class TaskQuerySet(models.QuerySet["Task"]):
    def visible_to(self, user: User) -> "TaskQuerySet":
        return self if user.is_active else self.none()

    def open(self) -> "TaskQuerySet":
        return self.filter(done_at__isnull=True)

    def due(self, at: datetime.datetime) -> "TaskQuerySet":
        return self.open().filter(due_at__lte=at)


class Task(models.Model):
    title = models.CharField(_("what to do"), max_length=300, validators=[validate_text])
    lead = models.ForeignKey(
        Lead, verbose_name=_("lead"), null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who"),
        on_delete=models.PROTECT,
        related_name="tasks",
        db_index=False,
    )
    due_at = models.DateTimeField(_("due"))
    note = models.TextField(_("note"), max_length=5000, blank=True, validators=[validate_text])
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    objects = TaskQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["assignee", "due_at", "id"], name="task_open", condition=Q(done_at__isnull=True))
        ]

    def __str__(self) -> str:
        return self.title
