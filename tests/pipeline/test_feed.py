"""The calendar feed, as two calendar programs read it: what is in it, what moves and leaves, and who gets nothing."""

import datetime
import re
from decimal import Decimal

import icalendar
import pytest
import vobject
from django.test import Client
from django.utils import timezone

from accounts.models import Counter, Organisation, User
from leads.models import Lead
from pipeline import feed, transitions
from pipeline.models import Activity, CalendarKey, PlannedPayment, Task
from pipeline.to_do import change_task, finish_task, open_task, postpone_tasks
from tests.factories import NOON, a_handoff, a_lead, a_won_opportunity, an_opportunity, days

pytestmark = pytest.mark.django_db
HOUR = datetime.timedelta(hours=1)


def a_task(user: User, title: str = "Send the price list", due: datetime.timedelta = HOUR, **fields) -> Task:
    return open_task(title=title, assignee=user, due_at=NOON + due, by=user, at=NOON, **fields)


def read(user: User, *, now: datetime.datetime = NOON, has_names: bool = True) -> dict[str, icalendar.Event]:
    """The events by UID, read by both programs, which must agree."""
    text = feed.as_icalendar(user, has_names=has_names, now=now)
    events = {str(event["uid"]): event for event in icalendar.Calendar.from_ical(text).walk("VEVENT")}
    others = {event.uid.value: event for event in getattr(vobject.readOne(text.decode()), "vevent_list", [])}
    assert {uid: (str(event["summary"]), event.decoded("dtstart")) for uid, event in events.items()} == {
        uid: (event.summary.value, event.dtstart.value) for uid, event in others.items()
    }
    return events


def test_everything_due_from_one_person_is_in_it(mia, sam, sid):  # H10
    handoff = a_handoff(sam, by=mia)
    call_at = NOON + days(2)
    transitions.log_activity(
        handoff.lead, Activity.Kind.CALL, Activity.Outcome.CALL_BACK, by=sam, at=NOON, next_attempt_at=call_at
    )
    handoff.refresh_from_db()
    step = an_opportunity(sam, by=mia)
    facts = {"next_step": "Send the offer", "next_step_on": NOON.date() + days(3)}
    transitions.edit_opportunity(step, facts, by=sam, at=NOON)
    won = a_won_opportunity(sam, by=mia)
    paid, owed = (
        PlannedPayment.objects.create(opportunity=won, due_on=NOON.date() + days(n), amount=Decimal(500))
        for n in (5, 9)
    )
    transitions.record_payment(won, by=sam, at=NOON, paid_on=NOON.date(), amount=Decimal(500))
    task, warm = a_task(sam), a_lead(by=mia)
    Lead.objects.filter(pk=warm.pk).update(next_attempt_at=call_at)
    a_task(sid)

    due = {uid.partition("@")[0]: event.decoded("dtstart") for uid, event in read(sam).items()}
    expected = {
        f"task-{task.pk}": task.due_at,
        f"call-{handoff.lead_id}": call_at,
        f"verdict-{handoff.pk}": handoff.verdict_due_at,
        f"next-step-{step.pk}": facts["next_step_on"],
        f"payment-{owed.pk}": owed.due_on,
    }
    if handoff.first_contact_at is None:
        expected[f"first_contact-{handoff.pk}"] = handoff.first_contact_due_at
    assert due == expected
    assert {uid.partition("@")[0] for uid in read(mia)} == {f"call-{warm.pk}"}


def test_what_changes_moves_and_what_is_done_leaves(sam):
    task = a_task(sam)
    [(uid, before)] = read(sam).items()
    assert change_task(task, title="Bring it", assignee=sam, due_at=NOON + days(1), note="", by=sam, at=NOON + HOUR)
    [(same_uid, after)] = read(sam).items()
    assert same_uid == uid
    assert (after.decoded("dtstart"), str(after["summary"])) == (NOON + days(1), "Bring it")
    assert after["sequence"] >= before["sequence"]
    assert after.decoded("last-modified") >= before.decoded("last-modified")
    finish_task(task, by=sam, at=NOON)
    assert read(sam) == {}


def test_any_title_and_note_arrive_as_they_are(sam, mia):
    title = "Ünïcödé 🦊🦊; commas, back\\slashes: “quotes” " * 7
    note = "One\r\nTwo;\rBEGIN:VALARM\x0b\nX-EVIL:1"
    lead = a_lead(by=mia, contact=None)
    a_task(sam, title[:290], lead=lead, note=note)
    Task.objects.create(title="BEGIN:VEVENT\r\nSUMMARY:two", assignee=sam, due_at=NOON + HOUR)  # from elsewhere
    text = feed.as_icalendar(sam, has_names=True, now=NOON)
    assert max(map(len, text.split(b"\r\n"))) <= 75
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|[\x00-\x08\x0b\x0c]", text)
    events = read(sam).values()
    assert {str(event["summary"]) for event in events} == {
        f"{' '.join(title[:290].split())}: {lead}",
        "BEGIN:VEVENT SUMMARY:two",
    }
    assert "One\nTwo;\nBEGIN:VALARM\n\nX-EVIL:1" in {str(event.get("description", "")) for event in events}


def test_without_names_it_says_what_but_neither_whom_nor_which(sam, mia):
    handoff = a_handoff(sam, by=mia)
    a_task(sam, "Ask Mrs Doe", lead=handoff.lead, note="Her number is 555-0199")
    text = feed.as_icalendar(sam, has_names=False, now=NOON).decode()
    assert str(handoff.lead.contact.name) not in text
    assert "Doe" not in text
    assert "555-0199" not in text
    assert f"/handoffs/{handoff.pk}/" in text.replace("\r\n ", "")


def test_times_are_utc_also_where_the_clock_is_set_back(sam):
    sam.time_zone = "Europe/Berlin"
    sam.save()
    at = datetime.datetime(2026, 10, 24, 20, tzinfo=datetime.UTC)
    task = open_task(title="Call", assignee=sam, due_at=at, by=sam, at=at)
    with timezone.override(sam.tzinfo):
        postpone_tasks([task.pk], datetime.date(2026, 10, 25), by=sam, at=at)
    [event] = read(sam, now=at).values()
    assert event.decoded("dtstart") == datetime.datetime(2026, 10, 25, 21, tzinfo=datetime.UTC)  # 22:00 on both days
    assert b"DTSTART:20261025T210000Z" in event.to_ical()


def test_it_is_bounded_and_asks_the_same_few_questions(sam, mia, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(feed, "MOST", 4)
    Organisation.current()
    for n in range(1, 7):
        a_task(sam, f"Task {n}", days(n))
    a_task(sam, "Long ago", -days(91))
    a_task(sam, "In two years", days(700))
    a_task(sam, "Overdue", -days(2))
    with django_assert_max_num_queries(8):
        assert [entry.title for entry in feed.entries(sam, NOON)] == ["Task 1", "Task 2", "Task 3", "Task 4"]
    Task.objects.filter(title__startswith="Task").delete()
    assert [entry.title for entry in feed.entries(sam, NOON)] == ["Overdue"]


def test_the_address_is_shown_once_and_gives_what_changed(as_user, sam, settings):
    settings.SITE_URL = "https://crm.example"
    shown = as_user(sam).post("/profile/calendar/new/", {"has_names": "on"})
    address = re.search(r"https://crm\.example(/calendar/[-\w]+\.ics)", shown.content.decode())[1]
    secret = address.removeprefix("/calendar/").removesuffix(".ics")
    key = CalendarKey.objects.get()
    assert secret not in as_user(sam).get("/profile/calendar/").content.decode()
    assert key.has_names
    assert secret not in key.key_hash
    program = Client()  # signed in as nobody
    first = program.get(address)
    assert first.status_code == 200
    assert first["Content-Type"] == "text/calendar; charset=utf-8"
    assert "noindex" in first["X-Robots-Tag"]
    assert "sessionid" not in first.cookies
    again = {"If-None-Match": first["ETag"]}
    assert program.get(address, headers=again).status_code == 304
    assert program.get(address, headers={"If-Modified-Since": first["Last-Modified"]}).status_code == 304
    head = program.head(address)
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", first["ETag"])
    task = open_task(title="Call", assignee=sam, due_at=timezone.now() + HOUR, by=sam, at=timezone.now())
    second = program.get(address, headers=again)
    assert (second.status_code, second["ETag"] != first["ETag"]) == (200, True)
    finish_task(task, by=sam, at=timezone.now())  # it only leaves: nothing that stays is newer
    assert program.get(address, headers={"If-Modified-Since": second["Last-Modified"]}).status_code == 200


def test_an_address_that_is_no_longer_one_is_as_if_it_never_was(as_user, sam):
    old = feed.new_key(sam, has_names=True, at=NOON)
    new = feed.new_key(sam, has_names=False, at=NOON)
    program = Client()
    never = program.get("/calendar/never.ics").status_code
    assert program.get(f"/calendar/{new}.ics").status_code == 200
    assert (program.get(f"/calendar/{old}.ics").status_code, never) == (404, 404)
    assert program.get(f"/calendar/{'x' * 3000}.ics").status_code == 404
    sam.is_active = False
    sam.save()
    assert program.get(f"/calendar/{new}.ics").status_code == 404
    sam.is_active = True
    sam.save()
    as_user(sam).post("/profile/calendar/revoke/")
    as_user(sam).post("/profile/calendar/revoke/")
    assert program.get(f"/calendar/{new}.ics").status_code == 404
    assert not CalendarKey.objects.filter(revoked_at=None).exists()


def test_a_program_that_asks_all_the_time_has_to_wait(sam):
    address = f"/calendar/{feed.new_key(sam, has_names=True, at=NOON)}.ics"
    program = Client()
    assert program.get(address).status_code == 200
    Counter.objects.update(number=60)
    refused = program.get(address)
    assert (refused.status_code, refused["Retry-After"]) == (429, "600")


def test_it_speaks_its_readers_language_whoever_is_signed_in(as_user, sam, mia):
    sam.language = "ru"
    sam.save()
    an_opportunity(sam, by=mia, at=timezone.now())
    secret = feed.new_key(sam, has_names=True, at=NOON)
    assert as_user(mia).get(f"/calendar/{secret}.ics")["Content-Language"] == "ru"


def test_who_must_not_be_called_is_nobodys_agreed_call(mia):
    lead = a_lead(by=mia)
    Lead.objects.filter(pk=lead.pk).update(next_attempt_at=NOON + HOUR)
    assert len(read(mia)) == 1
    lead.contact.do_not_contact = True
    lead.contact.save()
    assert read(mia) == {}
