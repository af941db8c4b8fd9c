"""Telling people: a notification in the app and a mail in the outbox, in the same transaction as the event."""

import datetime
from collections.abc import Iterable

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.models import User
from leads.models import Lead
from pipeline.models import Notification


def notify(
    kind: Notification.Kind,
    recipients: Iterable[User | None],
    lead: Lead | None,
    *,
    at: datetime.datetime,
    by_mail: bool = True,
    **data: object,
) -> None:
    """Tell each active recipient once; None and repeated recipients are skipped. `data` must be JSON.

    The words are made in each reader's language and time zone. What they can say: `actor` (who did it), `rep` (whose
    lead it is), `clock`, `due_at` (ISO), `reason`, `note`, `amount`. Without a lead: `about`, the name of what it is
    about, and `url`, its path.
    """
    for user in {user.pk: user for user in recipients if user is not None and user.is_active}.values():
        notification = Notification.objects.create(recipient=user, kind=kind, lead=lead, data=data, created_at=at)
        if not by_mail:
            continue
        with translation.override(user.language), timezone.override(user.tzinfo):
            context = {"notification": notification, "site_url": settings.SITE_URL}
            subject = f"{notification.headline}: {notification.subject}"
            send_mail(subject, render_to_string("mail/notification.txt", context), None, [user.email])
