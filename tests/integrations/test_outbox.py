"""Mails leave through the outbox: none lost, none stops another, and twice only when a worker was killed midway."""

import datetime
import smtplib
import socket
import threading
import time

import pytest
from celery import current_app
from django.core import mail
from django.core.mail import EmailMessage, send_mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import IntegrityError, connection, transaction

from integrations import outbox
from integrations.models import OutboxMessage
from integrations.outbox import LEASE, MOST_ATTEMPTS, deliver, retry_in
from integrations.tasks import deliver_outbox
from tests.factories import NOON


class Clock:
    """A clock that tests move."""

    def __init__(self, now: datetime.datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime.datetime:
        return self.now


class PickyBackend(BaseEmailBackend):
    """A mail server that refuses one address, and remembers what it took."""

    took: list[str] = []

    def send_messages(self, email_messages):
        for message in email_messages:
            if "bad@example.com" in message.to:
                raise OSError("550 no such mailbox")
            self.took.append(message.to[0])
        return len(email_messages)


class DyingBackend(BaseEmailBackend):
    """The worker is killed after the mail has gone, before that could be noted."""

    def send_messages(self, email_messages):
        raise SystemExit


class SlowBackend(PickyBackend):
    def send_messages(self, email_messages):
        time.sleep(0.02)
        return super().send_messages(email_messages)


class RefusingBackend(BaseEmailBackend):
    """A mail server that gives `answer` to every address."""

    answer = (550, b"5.1.1 no such mailbox")

    def send_messages(self, email_messages):
        raise smtplib.SMTPRecipientsRefused({message.to[0]: self.answer for message in email_messages})


@pytest.fixture(autouse=True)
def _outbox(settings, monkeypatch):
    settings.EMAIL_BACKEND = "integrations.mail.OutboxBackend"
    settings.DELIVERY_EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    PickyBackend.took = []
    monkeypatch.setattr(outbox, "_publish", lambda: None)


def write(to: str = "sam@example.com", at: datetime.datetime = NOON) -> OutboxMessage:
    return OutboxMessage.objects.create(
        sender="LeadFlow <leadflow@acme.example>",
        recipients=[to],
        subject="A lead",
        text="For you.",
        created_at=at,
        next_attempt_at=at,
    )


@pytest.mark.django_db
def test_a_mail_waits_in_the_outbox_until_the_task_sends_it():
    send_mail("A lead\nfor you", "Text", None, ["sam@example.com"])
    assert mail.outbox == []
    deliver_outbox()
    (sent,) = mail.outbox
    assert (sent.subject, sent.body, sent.to) == ("A lead for you", "Text", ["sam@example.com"])
    assert OutboxMessage.objects.get().sent_at is not None


@pytest.mark.django_db
def test_a_mail_of_a_transaction_that_fails_is_never_sent():
    with transaction.atomic():
        send_mail("A lead", "Text", None, ["sam@example.com"])
        transaction.set_rollback(True)
    assert deliver(clock=Clock()) == 0
    assert mail.outbox == []


@pytest.mark.django_db
def test_a_sent_mail_is_not_sent_again():
    write()
    assert deliver(clock=Clock()) == 1
    assert deliver(clock=Clock(NOON + datetime.timedelta(days=1))) == 0


@pytest.mark.django_db
def test_one_bad_address_does_not_stop_the_others(settings):
    settings.DELIVERY_EMAIL_BACKEND = f"{__name__}.PickyBackend"
    for to in ("sam@example.com", "bad@example.com", "dora@example.com"):
        write(to)
    assert deliver(clock=Clock()) == 2
    assert PickyBackend.took == ["sam@example.com", "dora@example.com"]
    refused = OutboxMessage.objects.waiting().get()
    assert "550" in refused.last_error
    assert refused.next_attempt_at > NOON
    assert refused.leased_until is None


@pytest.mark.django_db
def test_a_mail_that_never_goes_is_given_up_after_about_three_days(settings):
    settings.DELIVERY_EMAIL_BACKEND = f"{__name__}.PickyBackend"
    message, clock = write("bad@example.com"), Clock()
    for _ in range(MOST_ATTEMPTS):
        assert message.failed_at is None
        deliver(clock=clock)
        message.refresh_from_db()
        clock.now = max(clock.now, message.next_attempt_at)
    assert message.failed_at is not None
    assert message.attempts == MOST_ATTEMPTS
    assert datetime.timedelta(days=2) < message.failed_at - NOON < datetime.timedelta(days=4.5)
    assert deliver(clock=Clock(NOON + datetime.timedelta(days=30))) == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "is_bounce"),
    [
        ((550, b"5.1.1 no such mailbox"), True),
        ((553, b"unknown user"), True),
        ((550, "5.2.1 mailbox disabled"), True),
        ((450, b"4.2.1 try later"), False),
        ((554, b"5.7.1 relay access denied"), False),  # that is about us
    ],
)
def test_an_address_refused_for_good_is_given_up_at_once_as_bounced(settings, monkeypatch, answer, is_bounce):  # L9
    settings.DELIVERY_EMAIL_BACKEND = f"{__name__}.RefusingBackend"
    monkeypatch.setattr(RefusingBackend, "answer", answer)
    message = write("gone@example.com")
    deliver(clock=Clock())
    message.refresh_from_db()
    assert message.attempts == 1
    assert (message.bounced_at, message.failed_at) == ((NOON, NOON) if is_bounce else (None, None))


@pytest.mark.django_db
def test_a_mails_own_headers_are_sent_and_none_can_smuggle_in_another():  # L9
    outbox.write(
        "eve@client.example",
        "Hello\r\nBcc: all@client.example",
        "Text",
        at=NOON,
        headers={"List-Unsubscribe": "<https://x.example/u>\nBcc: all@client.example", "Message-ID": "<mine>"},
    )
    assert deliver(clock=Clock()) == 1
    (sent,) = mail.outbox
    assert sent.message()["Bcc"] is None
    assert sent.subject == "Hello Bcc: all@client.example"
    assert sent.extra_headers["List-Unsubscribe"] == "<https://x.example/u> Bcc: all@client.example"
    assert sent.extra_headers["Message-ID"] != "<mine>"


@pytest.mark.django_db
def test_the_backend_keeps_a_mails_headers():
    EmailMessage("A lead", "Text", None, ["sam@example.com"], headers={"Reply-To": "mia@example.com"}).send()
    assert OutboxMessage.objects.get().headers == {"Reply-To": "mia@example.com"}


@pytest.mark.django_db
def test_the_same_key_is_never_written_twice():  # L9
    outbox.write("eve@client.example", "One", "Text", at=NOON, dedup_key="nurture:1:1")
    with pytest.raises(IntegrityError), transaction.atomic():
        outbox.write("eve@client.example", "One", "Text", at=NOON, dedup_key="nurture:1:1")
    assert OutboxMessage.objects.count() == 1


def test_the_wait_after_a_failure_doubles_up_to_a_limit_and_is_never_the_same_for_all():
    assert datetime.timedelta(seconds=45) <= retry_in(1) <= datetime.timedelta(seconds=75)
    assert datetime.timedelta(minutes=6) <= retry_in(4) <= datetime.timedelta(minutes=10)
    assert retry_in(MOST_ATTEMPTS) <= datetime.timedelta(hours=7.5)
    assert len({retry_in(5) for _ in range(20)}) > 1


@pytest.mark.django_db
def test_what_a_killed_worker_left_is_sent_when_its_lease_ends_under_the_same_message_id(settings):
    message, ids = write(), []
    settings.DELIVERY_EMAIL_BACKEND = f"{__name__}.DyingBackend"
    with pytest.raises(SystemExit):
        deliver(clock=Clock())
    settings.DELIVERY_EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert deliver(clock=Clock(NOON + LEASE / 2)) == 0  # it could still be at it
    assert deliver(clock=Clock(NOON + LEASE)) == 1
    ids = [sent.extra_headers["Message-ID"] for sent in mail.outbox]
    assert ids == [f"<{message.message_id}@acme.example>"]
    message.refresh_from_db()
    assert (message.attempts, message.leased_until) == (2, None)


@pytest.mark.django_db
def test_a_slow_worker_whose_lease_ended_does_not_undo_what_the_next_one_did():
    write()
    slow = OutboxMessage.objects.claim(at=NOON, until=NOON + LEASE, at_once=2)
    assert deliver(clock=Clock(NOON + LEASE)) == 1
    slow.fail("time-out", at=NOON + LEASE * 2, retry_in=datetime.timedelta(0))
    assert OutboxMessage.objects.get().sent_at is not None
    assert not OutboxMessage.objects.waiting().exists()


@pytest.mark.django_db
def test_a_hanging_mail_server_takes_no_more_than_two_workers():
    for _ in range(3):
        write()
    assert [bool(OutboxMessage.objects.claim(at=NOON, until=NOON + LEASE, at_once=2)) for _ in range(3)] == [
        True,
        True,
        False,
    ]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_each_mail_once(settings):
    if connection.vendor == "sqlite" and "mode=memory" in str(connection.settings_dict["NAME"]):
        pytest.skip("threads of an in-memory database share one connection")
    settings.DELIVERY_EMAIL_BACKEND = f"{__name__}.SlowBackend"
    for number in range(20):
        write(f"person{number}@example.com")
    failures = []

    def work() -> None:
        try:
            deliver(clock=Clock())
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert sorted(PickyBackend.took) == sorted(f"person{number}@example.com" for number in range(20))


@pytest.mark.django_db
def test_many_mails_of_one_transaction_wake_the_worker_once(monkeypatch, django_capture_on_commit_callbacks):
    woken = []
    monkeypatch.setattr(outbox, "_publish", lambda: woken.append(1))
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(5):
            send_mail("A lead", "Text", None, ["sam@example.com"])
    assert woken == [1]


@pytest.mark.parametrize("is_listening", [False, True])
def test_a_broker_that_is_gone_or_frozen_never_fails_the_request(is_listening, monkeypatch, settings, caplog):
    monkeypatch.undo()
    with socket.socket() as frozen:
        frozen.bind(("127.0.0.1", 0))
        if is_listening:
            frozen.listen(1)
        address = f"redis://127.0.0.1:{frozen.getsockname()[1]}/0"
        monkeypatch.setattr(current_app.conf, "broker_write_url", address)
        outbox._publish()
    assert "waits for the schedule" in caplog.text


@pytest.mark.django_db
def test_a_refused_mail_is_logged_without_the_address(settings, caplog):
    settings.DELIVERY_EMAIL_BACKEND = f"{__name__}.RefusingBackend"
    message = write("eve@client.example")
    deliver(clock=Clock())
    assert str(message.message_id) in caplog.text
    assert "550" in caplog.text
    assert "eve@client" not in caplog.text


@pytest.mark.django_db
def test_a_mail_delivered_to_a_file_can_be_taken_out_of_it(settings, tmp_path):
    settings.DELIVERY_EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    hers, his = write("eve@client.example"), write("joe@client.example")
    assert deliver(clock=Clock()) == 2
    together = tmp_path / "all.log"
    files = [file for file in tmp_path.iterdir() if file != together]
    together.write_bytes(b"".join(file.read_bytes() for file in files))
    outbox.forget_files({hers.message_id})
    left = "".join(file.read_text() for file in tmp_path.iterdir())
    assert "eve@client.example" not in left
    assert together.read_text().count("joe@client.example") == 1
    outbox.forget_files({his.message_id})
    assert not list(tmp_path.iterdir())
