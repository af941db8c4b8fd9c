"""What LeadFlow tells a person: in the app, and by e-mail through the outbox."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Lead
from pipeline.sla import Clock


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, user: User) -> "NotificationQuerySet":
        return self.filter(recipient=user)

    def unread(self) -> "NotificationQuerySet":
        return self.filter(read_at__isnull=True)


class Notification(models.Model):
    """One message to one person about one lead. The words are made when it is read, in the reader's language."""

    class Kind(models.TextChoices):
        HANDED_OVER = "handed_over", _("A lead was handed over to you")
        REASSIGNED = "reassigned", _("A lead was reassigned to you")
        RETURNED = "returned", _("Sales returned your lead")
        ACCEPTED = "accepted", _("Sales accepted your lead")
        WON = "won", _("Your lead became a client")
        DUE_SOON = "due_soon", _("A clock is due soon")
        OVERDUE = "overdue", _("A clock is overdue")
        ESCALATED = "escalated", _("A clock is overdue in your team")
        COLD = "cold", _("A lead went cold")
        UNTOUCHED = "untouched", _("Nobody called a new lead in time")
        PROPOSED = "proposed", _("A warm lead meets the criteria")
        APPROVAL = "approval", _("Your approval is asked for")
        APPROVED = "approved", _("Criteria were approved by all")
        CHANGE_ASKED = "change_asked", _("A change of the criteria is asked for")

    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    # None where it is about no lead; then `data` has `url`, the path of what it is about, and `about`, its name.
    lead = models.ForeignKey(Lead, null=True, blank=True, on_delete=models.CASCADE, related_name="notifications")
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["recipient", "-id"], name="notification_list"),
            models.Index(fields=["recipient"], name="notification_unread", condition=Q(read_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.headline

    @property
    def subject(self) -> str:
        """What it is about: the lead's name, or the name of what else."""
        return str(self.lead) if self.lead else str(self.data.get("about", ""))

    @property
    def url(self) -> str:
        """Where it leads to: always a path of ours."""
        if self.lead_id:
            return reverse("leads:lead_detail", args=[self.lead_id])
        path = str(self.data.get("url", ""))
        is_ours = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
        return path if is_ours else reverse("pipeline:notification_list")

    @property
    def headline(self) -> str:
        """What happened, who did it, and which clock: one line in the reader's language."""
        words = {"actor": self.data.get("actor"), "rep": self.data.get("rep"), "clock": self.clock_label}
        by_actor = {
            self.Kind.HANDED_OVER: _("%(actor)s handed a lead over to you"),
            self.Kind.REASSIGNED: _("%(actor)s reassigned a lead to you"),
            self.Kind.RETURNED: _("%(actor)s returned your lead"),
            self.Kind.ACCEPTED: _("%(actor)s accepted your lead"),
            self.Kind.WON: _("%(actor)s won your lead as a client"),
            self.Kind.APPROVAL: _("%(actor)s asks for your approval"),
            self.Kind.CHANGE_ASKED: _("%(actor)s asks for a change"),
        }
        of_clock = {
            self.Kind.DUE_SOON: _("Due soon: %(clock)s"),
            self.Kind.OVERDUE: _("Overdue: %(clock)s"),
            self.Kind.ESCALATED: _("Overdue with %(rep)s: %(clock)s"),
        }
        kind = self.Kind(self.kind)
        if kind in by_actor and words["actor"]:
            return str(by_actor[kind]) % words
        if kind in of_clock and words["clock"] and (words["rep"] or kind != self.Kind.ESCALATED):
            return str(of_clock[kind]) % words
        return self.get_kind_display()

    @property
    def clock_label(self) -> str:
        """Name of the clock that it is about, or nothing."""
        name = self.data.get("clock")
        return str(Clock(name).label) if name in set(Clock) else ""

    @property
    def due_at(self) -> datetime.datetime | None:
        return parse_datetime(self.data["due_at"]) if self.data.get("due_at") else None

    @property
    def details(self) -> list[str]:
        """Further facts, a line each: due when (in the reader's time zone), why, and what was written."""
        facts = [
            (_("Due"), date_format(timezone.localtime(self.due_at), "DATETIME_FORMAT") if self.due_at else ""),
            (_("Sales rep"), self.data.get("rep")),
            (_("Reason"), gettext(self.data["reason"]) if self.data.get("reason") else ""),
            (_("Amount"), self.data.get("amount")),
            (_("Preferred meeting time"), self.lead.preferred_meeting_time if self.lead and self.is_new_work else ""),
            (_("Note"), self.data.get("note")),
        ]
        return [f"{label}: {value}" for label, value in facts if value]

    @property
    def is_new_work(self) -> bool:
        return self.kind in {self.Kind.HANDED_OVER, self.Kind.REASSIGNED}
