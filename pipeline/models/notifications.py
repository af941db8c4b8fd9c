"""What LeadFlow tells a person: in the app, and by e-mail through the outbox."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Lead
from pipeline.models.returns import ReturnAnswer
from pipeline.sla import Clock


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, user: User) -> "NotificationQuerySet":
        return self.filter(recipient=user)

    def shown(self) -> "NotificationQuerySet":
        """Those that their reader wants to see in the app."""
        return self.filter(is_shown=True)

    def unread(self) -> "NotificationQuerySet":
        return self.filter(is_shown=True, read_at__isnull=True)

    def for_digest(self) -> "NotificationQuerySet":
        """Those that wait for their reader's next digest. What was read in the app meanwhile waits no longer."""
        return self.filter(in_digest=True, mailed_at__isnull=True)

    def mark_read(self, at: datetime.datetime) -> int:
        return self.unread().update(read_at=at, in_digest=False)


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
        TASK = "task", _("A task was given to you")
        TASK_DUE = "task_due", _("A task is due")
        POOLED = "pooled", _("A cold lead is back in the pool")
        PAUSE_ENDED = "pause_ended", _("A pause is over")
        RETURN_ANSWERED = "return_answered", _("Marketing answered your refusal")
        DISPUTED = "disputed", _("A refusal is disputed: you decide")
        DISPUTE_DECIDED = "dispute_decided", _("A dispute was decided")
        PAYMENT_OVERDUE = "payment_overdue", _("A payment is overdue")
        REVIEWED = "reviewed", _("Your work was reviewed")
        REVIEW_PROPOSED = "review_proposed", _("Conversations were picked for review")
        MAIL_FAILED = "mail_failed", _("Your e-mail didn't arrive")
        CONTENT_REQUESTED = "content_requested", _("Sales asks for content")
        CONTENT_READY = "content_ready", _("Your content request was answered")

    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    # None where it is about no lead; then `data` has `url`, the path of what it is about, and `about`, its name.
    lead = models.ForeignKey(Lead, null=True, blank=True, on_delete=models.CASCADE, related_name="notifications")
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    # In the app it isn't shown where its reader switched that off. It waits for the next digest while `in_digest` is
    # true and `mailed_at` empty.
    is_shown = models.BooleanField(default=True)
    in_digest = models.BooleanField(default=False)
    mailed_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["recipient", "-created_at", "-id"], name="notification_list", condition=Q(is_shown=True)
            ),
            models.Index(
                fields=["recipient", "-created_at", "-id"],
                name="notification_unread",
                condition=Q(is_shown=True, read_at__isnull=True),
            ),
            models.Index(
                fields=["recipient", "id"],
                name="notification_digest",
                condition=Q(in_digest=True, mailed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.headline

    @property
    def about(self) -> str:
        """The name of what it is about, where that isn't just the lead."""
        return str(self.data.get("about") or "")

    @property
    def subject(self) -> str:
        return self.about or (str(self.lead) if self.lead else "")

    @property
    def url(self) -> str:
        """Where it leads to: always a path of ours."""
        path = str(self.data.get("url", ""))
        if path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None):
            return path
        if self.lead_id:
            return reverse("leads:lead_detail", args=[self.lead_id])
        return reverse("pipeline:notification_list")

    @property
    def headline(self) -> str:
        """What happened, who did it, and which clock: one line in the reader's language."""
        words = {name: self.data.get(name) for name in ("actor", "rep", "amount")} | {"clock": self.clock_label}
        for needed, sentence in _SENTENCES.get(self.Kind(self.kind), ()):
            if all(words[name] for name in needed):
                return str(sentence) % words
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
            (_("Client"), str(self.lead) if self.lead and self.about else ""),
            (_("Due"), date_format(timezone.localtime(self.due_at), "DATETIME_FORMAT") if self.due_at else ""),
            (_("Sales rep"), self.data.get("rep")),
            (_("Answer"), _label(ReturnAnswer.Answer, self.data.get("answer"))),
            (_("Decision"), _label(ReturnAnswer.Decision, self.data.get("decision"))),
            (_("Reason"), gettext(self.data["reason"]) if self.data.get("reason") else ""),
            (_("Amount"), self.data.get("amount") if self.kind != self.Kind.PAYMENT_OVERDUE else ""),
            (_("Preferred meeting time"), self.lead.preferred_meeting_time if self.lead and self.is_new_work else ""),
            (_("Note"), self.data.get("note")),
        ]
        return [f"{label}: {value}" for label, value in facts if value]

    @property
    def is_new_work(self) -> bool:
        return self.kind in {self.Kind.HANDED_OVER, self.Kind.REASSIGNED} and "rep" not in self.data


def _label(choices: type[models.TextChoices], value: object) -> str:
    return str(choices(value).label) if value in choices.values else ""


Kind = Notification.Kind

# What the headline says of each kind: the first sentence of which all that it needs is known; else the kind's name.
_SENTENCES: dict[str, tuple[tuple[tuple[str, ...], str | Promise], ...]] = {
    Kind.HANDED_OVER: ((("actor",), _("%(actor)s handed a lead over to you")),),
    Kind.REASSIGNED: (
        (("actor", "rep"), _("%(actor)s gave your lead to %(rep)s")),
        (("rep",), _("%(rep)s took over your lead")),
        (("actor",), _("%(actor)s reassigned a lead to you")),
    ),
    Kind.RETURNED: ((("actor",), _("%(actor)s returned your lead")),),
    Kind.ACCEPTED: ((("actor",), _("%(actor)s accepted your lead")),),
    Kind.WON: ((("actor",), _("%(actor)s won your lead as a client")),),
    Kind.APPROVAL: ((("actor",), _("%(actor)s asks for your approval")),),
    Kind.CHANGE_ASKED: ((("actor",), _("%(actor)s asks for a change")),),
    Kind.DUE_SOON: ((("clock",), _("Due soon: %(clock)s")),),
    Kind.OVERDUE: ((("clock",), _("Overdue: %(clock)s")),),
    Kind.ESCALATED: ((("clock", "rep"), _("Overdue with %(rep)s: %(clock)s")),),
    Kind.TASK: ((("actor",), _("%(actor)s gave you a task")),),
    Kind.POOLED: ((("rep",), _("Back in the pool, cold with %(rep)s")),),
    Kind.RETURN_ANSWERED: ((("actor",), _("%(actor)s answered your refusal")),),
    Kind.DISPUTED: (
        (("actor", "rep"), _("%(actor)s disputes the refusal by %(rep)s: you decide")),
        (("actor",), _("%(actor)s disputes a refusal: you decide")),
    ),
    Kind.DISPUTE_DECIDED: ((("actor",), _("%(actor)s decided a dispute")),),
    Kind.PAYMENT_OVERDUE: ((("amount",), _("A payment of %(amount)s is overdue")),),
    Kind.REVIEWED: ((("actor",), _("%(actor)s reviewed your work")),),
    Kind.CONTENT_REQUESTED: ((("actor",), _("%(actor)s asks for content")),),
    Kind.CONTENT_READY: ((("actor",), _("%(actor)s answered your content request")),),
}


class NotificationChoice(models.Model):
    """How one person wants to hear of one kind. Where there is no row, in the app and by e-mail at once."""

    class Mail(models.TextChoices):
        NOW = "now", _("at once")
        DIGEST = "digest", _("in the daily digest")
        OFF = "off", _("never")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_choices")
    kind = models.CharField(max_length=20, choices=Notification.Kind.choices)
    in_app = models.BooleanField(_("in the app"), default=True)
    mail = models.CharField(_("e-mail"), max_length=6, choices=Mail.choices, default=Mail.NOW)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="one_choice_per_kind")]
