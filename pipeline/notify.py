"""Telling people: a notification in the app and a mail in the outbox, in the same transaction as the event.

The one place that reads how each person wants to hear of what.
"""

import datetime
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import User
from integrations import outbox
from leads.models import Lead
from pipeline.models import Notification, NotificationChoice

Mail = NotificationChoice.Mail


def notify(
    kind: Notification.Kind,
    recipients: Iterable[User | None],
    lead: Lead | None,
    *,
    at: datetime.datetime,
    by_mail: bool = True,
    **data: object,
) -> None:
    """Tell each active recipient once, as they chose; None and repeated recipients are skipped. `data` must be JSON.

    The words are made in each reader's language and time zone. What they can say: `actor` (who did it), `rep` (whose
    lead it is), `clock`, `due_at` (ISO), `reason`, `note`, `amount`, `about` (the name of what it is about) and `url`,
    its path. Without a lead, `about` and `url` are wanted. Without `by_mail` it isn't worth a mail of its own; who gets
    a digest finds it there.
    """
    people = {user.pk: user for user in recipients if user is not None and user.is_active}
    if not people:
        return
    choices = {choice.user_id: choice for choice in NotificationChoice.objects.filter(kind=kind, user__in=people)}
    rows = []
    for user in people.values():
        choice = choices.get(user.pk) or NotificationChoice()
        mail = Mail.OFF if choice.mail == Mail.NOW and not by_mail else choice.mail
        if not choice.in_app and mail == Mail.OFF:
            continue
        rows.append(
            Notification(
                recipient=user,
                kind=kind,
                lead=lead,
                data=data,
                created_at=at,
                is_shown=choice.in_app,
                in_digest=mail == Mail.DIGEST,
                mailed_at=at if mail == Mail.NOW else None,
            )
        )
    for row in Notification.objects.bulk_create(rows):
        if row.mailed_at is not None:
            _mail(row, at)


def tell_who_had_it(before: User, lead: Lead, to: User, *, by: User | None, at: datetime.datetime) -> None:
    """Tell a rep that somebody else has their lead from now on; not who gave it away or keeps it."""
    if before not in {to, by}:
        actor: dict[str, Any] = {"actor": str(by)} if by and by != to else {}
        notify(Notification.Kind.REASSIGNED, [before], lead, at=at, rep=str(to), **actor)


def _mail(notification: Notification, at: datetime.datetime) -> None:
    user = notification.recipient
    with translation.override(user.language), timezone.override(user.tzinfo):
        context = {
            "notification": notification,
            "site_url": settings.SITE_URL,
            "choices_url": reverse("pipeline:notification_choices"),
        }
        outbox.write(
            user.email,
            ": ".join(filter(None, [notification.headline, notification.subject])),
            render_to_string("mail/notification.txt", context),
            at=at,
            dedup_key=f"notification {notification.pk}",
        )
