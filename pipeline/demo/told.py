"""Steps of the past, told again by the real transitions, tell nobody anew."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager

from integrations.models import OutboxMessage
from pipeline.models import Notification


@contextmanager
def long_told(at: datetime.datetime) -> Iterator[None]:
    """Of what is done inside, notifications from before the moment `at` are long read and gone, and no mail waits."""
    told = Notification.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    mailed = OutboxMessage.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    yield
    Notification.objects.filter(pk__gt=told, created_at__lt=at).delete()
    OutboxMessage.objects.filter(pk__gt=mailed).delete()
