"""The only way a mail leaves: Django's `send_mail` writes an outbox row, a task delivers it."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from integrations.models import OutboxMessage
from integrations.outbox import wake


class OutboxBackend(BaseEmailBackend):
    """Stores messages in the outbox inside the caller's transaction instead of sending them."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        now = timezone.now()
        OutboxMessage.objects.bulk_create(
            OutboxMessage(
                sender=message.from_email,
                recipients=message.recipients(),
                subject=" ".join(message.subject.split()),
                text=str(message.body),
                html=next((body for body, kind in getattr(message, "alternatives", []) if kind == "text/html"), ""),
                headers=dict(message.extra_headers),
                created_at=now,
                next_attempt_at=now,
            )
            for message in email_messages
        )
        wake()
        return len(email_messages)
