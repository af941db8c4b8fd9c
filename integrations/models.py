"""What leaves and enters through machines. Knows no lead."""

import datetime
import uuid

from django.db import models, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class OutboxQuerySet(models.QuerySet["OutboxMessage"]):
    def waiting(self) -> "OutboxQuerySet":
        return self.filter(sent_at__isnull=True, failed_at__isnull=True)

    def take_back(self, *, at: datetime.datetime) -> int:
        """Stop those that nobody has begun to send. Gives how many; what has left isn't among them."""
        return self.waiting().filter(attempts=0).update(failed_at=at, last_error="Taken back before it left.")

    @transaction.atomic
    def claim(self, *, at: datetime.datetime, until: datetime.datetime, at_once: int) -> "OutboxMessage | None":
        """Take the message that is due longest, so that nobody else takes it before `until`.

        None when nothing is due, or when `at_once` messages are being sent already.
        On SQLite the transaction itself keeps others out; PostgreSQL skips the rows that others are just claiming.
        """
        if self.waiting().filter(leased_until__gt=at)[:at_once].count() >= at_once:
            return None
        free = self.waiting().filter(Q(leased_until__isnull=True) | Q(leased_until__lte=at), next_attempt_at__lte=at)
        message = free.select_for_update(skip_locked=True).order_by("next_attempt_at").first()
        if message is None or not free.filter(pk=message.pk).update(leased_until=until, attempts=F("attempts") + 1):
            return None
        message.leased_until, message.attempts = until, message.attempts + 1
        return message


class OutboxMessage(models.Model):
    """One e-mail to send. Written in the transaction that caused it, sent afterwards, at least once.

    `message_id` stays the same over every attempt, so that a receiver can recognise a repeat.
    """

    message_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    dedup_key = models.CharField(max_length=200, unique=True, null=True, blank=True)
    sender = models.CharField(max_length=320)
    recipients = models.JSONField()
    subject = models.CharField(max_length=998)
    text = models.TextField()
    html = models.TextField(blank=True)
    headers = models.JSONField(default=dict, blank=True)  # further ones, such as List-Unsubscribe
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    bounced_at = models.DateTimeField(null=True, blank=True)  # the receiver's server refused the address for good

    objects = OutboxQuerySet.as_manager()

    class Meta:
        verbose_name = _("outgoing message")
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="outbox_waiting",
                condition=Q(sent_at__isnull=True, failed_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.subject

    def succeed(self, *, at: datetime.datetime) -> None:
        OutboxMessage.objects.filter(pk=self.pk).update(sent_at=at, failed_at=None, leased_until=None, last_error="")

    def fail(
        self, error: str, *, at: datetime.datetime, retry_in: datetime.timedelta | None, bounced: bool = False
    ) -> None:
        """Note a failed attempt; without `retry_in` it was the last one. A lease that somebody else has is theirs.

        `bounced`: the receiver's server refused the address for good.
        """
        mine = OutboxMessage.objects.waiting().filter(pk=self.pk, leased_until=self.leased_until)
        mine.update(
            leased_until=None,
            last_error=error[:2000],
            failed_at=at if retry_in is None else None,
            next_attempt_at=at + (retry_in or datetime.timedelta(0)),
            bounced_at=at if bounced else None,
        )


class JobRun(models.Model):
    """That a periodic job did its work for a period; the unique row makes two schedulers harmless."""

    job = models.CharField(max_length=100)
    period = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "period"], name="one_run_per_period")]
        indexes = [models.Index(fields=["job", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.job} {self.period}"
