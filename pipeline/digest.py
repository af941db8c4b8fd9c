"""The daily digest: one mail in the morning with what its reader wants to hear of together, and hasn't read yet.

What goes into it stands in the rows alone: everything that was there at eight in the reader's zone and wasn't mailed. So a
run may be killed, come twice at once or hours late; nothing is mailed twice, and nothing of what was undone or read.
"""

import datetime
from itertools import groupby

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import ngettext

from accounts.models import User
from integrations import outbox
from integrations.models import OutboxMessage
from pipeline.models import Notification

SENT_AT = datetime.time(8)  # where the reader is
MOST = 100  # named in one mail; the rest is counted
_ORDER = {kind: place for place, kind in enumerate(Notification.Kind.values)}


def send_digests(at: datetime.datetime) -> int:
    """Write the digests whose hour has come by `at`; returns how many."""
    waiting = Notification.objects.for_digest().order_by().values_list("recipient", flat=True).distinct()
    return sum(_send(pk, at) for pk in list(waiting))


def morning(user: User, at: datetime.datetime) -> datetime.datetime | None:
    """When today's digest of `user` was to go; None before that."""
    local = at.astimezone(user.tzinfo)
    this_morning = datetime.datetime.combine(local.date(), SENT_AT, local.tzinfo)
    return this_morning if this_morning <= at else None


@transaction.atomic
def _send(pk: int, at: datetime.datetime) -> bool:
    # Two workers meet at the person's row: the second passes on.
    people = User.objects.active().select_for_update(skip_locked=True, no_key=True)
    user = people.filter(pk=pk).first()
    if user is None or (until := morning(user, at)) is None:
        return False
    waiting = Notification.objects.for_digest().filter(recipient=user, created_at__lt=until)
    pks = list(waiting.order_by("-pk").values_list("pk", flat=True))
    key = f"digest {user.pk} {until.date().isoformat()}"
    if not pks or OutboxMessage.objects.filter(dedup_key=key).exists():
        return False
    rows = Notification.objects.filter(pk__in=pks[:MOST]).select_related("lead__contact__company").order_by("-pk")
    with translation.override(user.language), timezone.override(until.tzinfo):
        named = sorted(rows, key=lambda row: _ORDER[row.kind])
        context = {
            "number": len(pks),
            "groups": [(kind, list(group)) for kind, group in groupby(named, Notification.get_kind_display)],
            "left": len(pks) - len(named),
            "site_url": settings.SITE_URL,
            "list_url": reverse("pipeline:notification_list"),
            "choices_url": reverse("pipeline:notification_choices"),
        }
        subject = ngettext("LeadFlow: %(number)s thing to read", "LeadFlow: %(number)s things to read", len(pks))
        text = render_to_string("mail/digest.txt", context)
        outbox.write(user.email, subject % {"number": len(pks)}, text, at=at, dedup_key=key)
    Notification.objects.filter(pk__in=pks).update(mailed_at=at)
    return True
