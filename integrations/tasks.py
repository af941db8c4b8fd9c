"""Periodic work of this layer."""

from celery import shared_task
from django.utils import timezone

from integrations.outbox import deliver


@shared_task
def deliver_outbox() -> None:
    """Send the mails that are due; called each half minute, and sooner when one was written."""
    deliver(clock=timezone.now)
