"""What LeadFlow tells a person: in the app, and by e-mail through the outbox."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Lead


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

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="notifications")
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
        return self.get_kind_display()
