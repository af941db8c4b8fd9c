"""Delivery of the outbox: the table is the queue, the broker only wakes a worker sooner.

A row is claimed with a lease, sent outside of any transaction, and marked. A worker that dies in between leaves a lease
that expires, and the mail goes out again under the same Message-ID: at least once, and only then more than once.
"""

import datetime
import logging
import random
import re
import smtplib
from collections.abc import Callable, Collection, Mapping
from email.utils import formataddr, parseaddr
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection, transaction

from integrations.broker import publish
from integrations.models import OutboxMessage

log = logging.getLogger(__name__)

TASK = "integrations.tasks.deliver_outbox"
LEASE = datetime.timedelta(minutes=3)  # well above the sum of a slow mail server's time-outs (EMAIL_TIMEOUT)
RUN_FOR = datetime.timedelta(minutes=1)  # then other tasks have their turn; the next run goes on
AT_ONCE = 2  # deliveries in flight, so that a hanging mail server never takes all workers
FIRST_RETRY = datetime.timedelta(minutes=1)
LONGEST_WAIT = datetime.timedelta(hours=6)
MOST_ATTEMPTS = 20  # with the waits above: about three days


def write(
    to: str,
    subject: str,
    text: str,
    *,
    at: datetime.datetime,
    html: str = "",
    headers: Mapping[str, str] | None = None,
    dedup_key: str | None = None,
    sender_name: str = "",
    leaves_at: datetime.datetime | None = None,
) -> OutboxMessage:
    """Put a mail to one person into the outbox, in the caller's transaction; it leaves once that has committed, or at
    `leaves_at`: until then `OutboxMessage.objects.take_back` stops it.

    `headers` are added to those of every mail, or replace them. `sender_name` stands before the organisation's address.
    A second mail with the same `dedup_key` raises IntegrityError: it would be sent twice.
    """
    message = OutboxMessage.objects.create(
        dedup_key=dedup_key,
        sender=_from(sender_name),
        recipients=[to],
        subject=one_line(subject),
        text=text,
        html=html,
        headers={name: one_line(value) for name, value in (headers or {}).items()},
        created_at=at,
        next_attempt_at=leaves_at or at,
    )
    wake()
    return message


def _from(name: str) -> str:
    """Our address, with `name` before it where one is given."""
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return formataddr((one_line(name)[:150], address)) if name and address else settings.DEFAULT_FROM_EMAIL


def one_line(text: str) -> str:
    """Text fit for a header: no line break can begin another one."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def deliver(*, clock: Callable[[], datetime.datetime]) -> int:
    """Send what is due, one after the other, until nothing is or the run's time is over. Returns how many were sent."""
    ends_at, sent = clock() + RUN_FOR, 0
    while (now := clock()) < ends_at:
        message = OutboxMessage.objects.claim(at=now, until=now + LEASE, at_once=AT_ONCE)
        if message is None:
            break
        sent += _attempt(message, clock)
    return sent


def _attempt(message: OutboxMessage, clock: Callable[[], datetime.datetime]) -> bool:
    try:
        _send(message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _said in error.recipients.values()})  # what was said names the addresses
        log.warning("mail %s was refused: %s", message.message_id, codes)
        bounced = is_bounce(error)
        gives_up = bounced or message.attempts >= MOST_ATTEMPTS
        wait = None if gives_up else retry_in(message.attempts)
        message.fail(str(error), at=clock(), retry_in=wait, bounced=bounced)
        return False
    except Exception as error:  # whatever a mail server or a bad address brings up: the other mails must go out
        gives_up = message.attempts >= MOST_ATTEMPTS
        kind = type(error).__name__  # its text may quote addresses; the row keeps it
        log.warning("mail %s wasn't sent at attempt %s: %s", message.message_id, message.attempts, kind)
        message.fail(str(error) or repr(error), at=clock(), retry_in=None if gives_up else retry_in(message.attempts))
        return False
    message.succeed(at=clock())
    return True


def _send(message: OutboxMessage) -> None:
    domain = parseaddr(message.sender)[1].rpartition("@")[2] or "localhost"
    mail = EmailMultiAlternatives(
        message.subject,
        message.text,
        message.sender,
        message.recipients,
        headers={
            "Auto-Submitted": "auto-generated",
            **message.headers,
            "Message-ID": f"<{message.message_id}@{domain}>",
        },
        connection=get_connection(settings.DELIVERY_EMAIL_BACKEND),
    )
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    mail.send()


_FILED_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^@>]+)@", re.IGNORECASE | re.MULTILINE)
_FILED_END = b"-" * 79 + b"\n"  # after each mail, as Django's file backend writes it


def forget_files(message_ids: Collection[UUID]) -> None:
    """Take mails out of the files that they were delivered to, where mails go to files and not to a server."""
    if not message_ids or not settings.DELIVERY_EMAIL_BACKEND.endswith("filebased.EmailBackend"):
        return
    wanted = {str(message_id).encode() for message_id in message_ids}
    for file in Path(settings.EMAIL_FILE_PATH).glob("*.log"):
        mails = file.read_bytes().split(_FILED_END)
        kept = [mail for mail in mails if not ((found := _FILED_MESSAGE_ID.search(mail)) and found[1] in wanted)]
        if len(kept) == len(mails):
            continue
        if any(mail.strip() for mail in kept):
            file.write_bytes(_FILED_END.join(kept))
        else:
            file.unlink(missing_ok=True)


def is_bounce(refusal: smtplib.SMTPRecipientsRefused) -> bool:
    """Whether the server refused every address for good (5xx, RFC 5321), so that trying again is of no use.

    5.7.x (RFC 3463) refuses us, not the address: a server that doesn't relay for us must not make everybody's address
    look dead.
    """
    answers = refusal.recipients.values()
    return bool(answers) and all(500 <= code < 600 and not _words(said).startswith("5.7.") for code, said in answers)


def _words(said: bytes | str) -> str:
    return (said.decode(errors="replace") if isinstance(said, bytes) else str(said)).strip()


def retry_in(attempts: int) -> datetime.timedelta:
    """The wait after the failure of attempt number `attempts`: doubling up to `LONGEST_WAIT`, ± a quarter by chance."""
    wait = min(FIRST_RETRY * 2 ** (attempts - 1), LONGEST_WAIT)
    return wait * random.uniform(0.75, 1.25)


def wake() -> None:
    """Have the outbox delivered right after the current transaction. Never fails: the schedule delivers it anyway."""
    if not any(hook[1] is _publish for hook in connection.run_on_commit):
        transaction.on_commit(_publish, robust=True)


def _publish() -> None:
    publish(TASK)
