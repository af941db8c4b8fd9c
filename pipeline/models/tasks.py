"""What somebody has to do by when, and about which lead."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Role, User
from leads.models import Campaign, Lead
from leads.normalise import validate_text


class TaskQuerySet(models.QuerySet["Task"]):
    def visible_to(self, user: User) -> "TaskQuerySet":
        return self if user.is_active else self.none()

    def open(self) -> "TaskQuerySet":
        return self.filter(done_at__isnull=True)

    def done(self) -> "TaskQuerySet":
        return self.filter(done_at__isnull=False)

    def due(self, at: datetime.datetime) -> "TaskQuerySet":
        return self.open().filter(due_at__lte=at)

    def to_tell(self, at: datetime.datetime) -> "TaskQuerySet":
        """Open ones that have come due and whose assignee wasn't told so yet."""
        return self.due(at).filter(told_at__isnull=True)

    def given_by(self, user: User) -> "TaskQuerySet":
        """What they asked of others."""
        return self.filter(created_by=user).exclude(assignee=user)

    def of_team(self, user: User) -> "TaskQuerySet":
        """Those of `user`'s whole team; a director answers for everybody."""
        if user.role == Role.DIRECTOR:
            return self
        return self.filter(assignee__team=user.team_id) if user.team_id else self.filter(assignee=user)

    def for_list(self) -> "TaskQuerySet":
        return self.select_related(
            "lead__contact__company", "opportunity", "campaign", "assignee", "created_by", "done_by"
        )


class Task(models.Model):
    """Something to do by when. What it is about is its lead, opportunity or campaign; it may be about nothing."""

    class Kind(models.TextChoices):
        OTHER = "", pgettext_lazy("task", "anything")
        CALL_BACK = "call_back", _("call back")
        RECYCLE = "recycle", _("ask again")
        OFFER = "offer", _("special offer")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, blank=True, default=Kind.OTHER)
    title = models.CharField(_("what to do"), max_length=300, validators=[validate_text])
    lead = models.ForeignKey(
        Lead, verbose_name=_("lead"), null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
    )
    opportunity = models.ForeignKey(
        "pipeline.Opportunity",
        verbose_name=_("opportunity"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="tasks",
    )
    campaign = models.ForeignKey(
        Campaign, verbose_name=_("campaign"), null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
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
    updated_at = models.DateTimeField(auto_now=True)
    told_at = models.DateTimeField(null=True, blank=True, editable=False)  # when its coming due was told of
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    objects = TaskQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["assignee", "due_at", "id"], name="task_open", condition=Q(done_at__isnull=True)),
            models.Index(fields=["created_by", "due_at", "id"], name="task_given", condition=Q(done_at__isnull=True)),
            models.Index(fields=["due_at", "id"], name="task_all_open", condition=Q(done_at__isnull=True)),
            models.Index(
                fields=["due_at", "id"],
                name="task_to_tell",
                condition=Q(done_at__isnull=True, told_at__isnull=True),
            ),
            models.Index(fields=["assignee", "-done_at", "-id"], name="task_done", condition=Q(done_at__isnull=False)),
            models.Index(
                fields=["created_by", "-done_at", "-id"], name="task_given_done", condition=Q(done_at__isnull=False)
            ),
            models.Index(fields=["-done_at", "-id"], name="task_all_done", condition=Q(done_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_done(self) -> bool:
        return self.done_at is not None

    @property
    def is_asking_again(self) -> bool:
        """True when the way to do it is to answer what came of asking, on a page of its own."""
        return self.kind in {self.Kind.RECYCLE, self.Kind.OFFER}


class CalendarKey(models.Model):
    """The secret part of the address of a person's calendar feed. Only its hash is kept; a new one replaces the old."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_keys")
    key_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    has_names = models.BooleanField(
        _("with names"),
        default=True,
        help_text=_("Without, the entries say what is due and link to the record, but name neither client nor task."),
    )
    # What was last given out, by its hash, and since when it has been that: a program that asks again learns that
    # nothing changed, also where all that changed is that something left.
    content_hash = models.CharField(max_length=64, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(revoked_at__isnull=True), name="one_calendar_key")
        ]
