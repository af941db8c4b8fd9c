"""Each person hears of each kind where they chose: in the app, by mail at once, in the daily digest, or nowhere; once."""

import datetime

import pytest
from django.utils import translation

from accounts.models import User
from integrations.models import OutboxMessage
from pipeline import choices, digest, tasks
from pipeline.choices import Mail
from pipeline.models import Notification, NotificationChoice
from pipeline.notify import notify
from tests.factories import NOON, a_lead, days

pytestmark = pytest.mark.django_db
Kind = Notification.Kind
HOUR = datetime.timedelta(hours=1)
MORNING = NOON + 20 * HOUR  # eight on the next day, UTC


def tell(*people: User, kind: Kind = Kind.COLD, at: datetime.datetime = NOON, about: str = "Bolt", **fields) -> None:
    notify(kind, people, fields.pop("lead", None), at=at, about=about, url="/tasks/", **fields)


def mails() -> list[tuple[list[str], str]]:
    return list(OutboxMessage.objects.order_by("pk").values_list("recipients", "subject"))


def digests() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.filter(dedup_key__startswith="digest").order_by("pk"))


def in_digest(user: User) -> None:
    choices.choose(user, {Kind.COLD: (True, Mail.DIGEST), Kind.WON: (True, Mail.DIGEST)})


def test_each_hears_where_they_chose_in_the_same_few_statements(mia, dan, sam, sid, django_assert_max_num_queries):
    choices.choose(dan, {Kind.COLD: (True, Mail.OFF)})
    choices.choose(sam, {Kind.COLD: (False, Mail.NOW)})
    choices.choose(sid, {Kind.COLD: (False, Mail.OFF)})
    with django_assert_max_num_queries(4):  # the choices, the notifications, and a mail each
        tell(mia, dan, sam, sid, mia, None)
    told = {row.recipient: (row.is_shown, row.mailed_at) for row in Notification.objects.all()}
    assert told == {mia: (True, NOON), dan: (True, None), sam: (False, NOON)}
    assert [to for to, _subject in mails()] == [[mia.email], [sam.email]]
    assert Notification.objects.visible_to(sam).unread().count() == 0


def test_what_is_the_usual_choice_is_kept_as_none(mia):
    choices.choose(mia, {Kind.COLD: (True, Mail.NOW), Kind.WON: (True, Mail.OFF)})
    assert [choice.kind for choice in NotificationChoice.objects.filter(user=mia)] == ["won"]
    choices.choose(mia, {Kind.WON: (True, Mail.NOW)})
    assert not NotificationChoice.objects.exists()


def test_a_digest_says_everything_of_the_day_once(mia, sam, django_assert_max_num_queries):
    in_digest(mia)
    lead = a_lead(by=mia)
    tell(mia, about="", lead=lead)
    tell(mia, about="Half read", by_mail=False)
    tell(mia, kind=Kind.WON, about="Offer", actor="Sam")
    tell(mia, about="Tomorrow's", at=MORNING + HOUR)
    assert mails() == []
    assert digest.send_digests(MORNING - HOUR) == 0
    with django_assert_max_num_queries(16):
        assert [digest.send_digests(MORNING), digest.send_digests(MORNING + HOUR)] == [1, 0]
    [mail] = digests()
    assert (mail.recipients, mail.subject) == ([mia.email], "LeadFlow: 3 things to read")
    for said in (str(lead), "Half read", "Sam won your lead as a client: Offer", "/tasks/", "/profile/notifications/"):
        assert said in mail.text
    assert "Tomorrow's" not in mail.text
    assert digest.send_digests(MORNING + days(5)) == 1  # nothing ran for days
    assert "Tomorrow's" in digests()[1].text
    assert digest.send_digests(MORNING + days(6)) == 0


def test_what_was_read_or_undone_is_not_in_it(as_user, mia):
    in_digest(mia)
    for about in ("Read", "Undone", "Stays"):
        tell(mia, about=about)
    read, undone, _stays = Notification.objects.order_by("pk")
    as_user(mia).post(f"/notifications/{read.pk}/open/")
    undone.delete()
    digest.send_digests(MORNING)
    assert digests()[0].subject == "LeadFlow: 1 thing to read"
    assert "Stays" in digests()[0].text


def test_nobody_gets_a_digest_of_what_they_no_longer_want_or_after_they_left(mia, sam, dan):
    for user in (mia, sam, dan):
        in_digest(user)
    tell(mia, sam, dan)
    choices.choose(mia, {Kind.COLD: (True, Mail.OFF)})
    choices.choose(sam, {Kind.COLD: (True, Mail.NOW)})  # at once from now on; what waits still comes
    dan.is_active = False
    dan.save()
    digest.send_digests(MORNING)
    assert [mail.recipients for mail in digests()] == [[sam.email]]


def test_what_was_there_before_the_choice_is_not_sent_again(mia):
    tell(mia)
    in_digest(mia)
    digest.send_digests(MORNING)
    assert digests() == []


@pytest.mark.parametrize(
    ("zone", "day", "hour"),
    [
        ("Asia/Tokyo", datetime.date(2026, 3, 3), 23),  # UTC, the evening before
        ("America/New_York", datetime.date(2026, 3, 8), 12),  # the clock was set forward that night
        ("America/New_York", datetime.date(2026, 11, 1), 13),  # and back
    ],
)
def test_it_comes_at_eight_where_the_reader_is(mia, zone, day, hour):
    mia.time_zone = zone
    mia.save()
    eight = datetime.datetime.combine(day, datetime.time(hour), datetime.UTC)
    eight -= days(1) if hour == 23 else days(0)
    assert digest.morning(mia, eight - datetime.timedelta(minutes=1)) is None
    assert digest.morning(mia, eight) == eight


def test_who_travels_still_gets_one_a_day(mia):
    in_digest(mia)
    mia.time_zone = "Asia/Tokyo"
    mia.save()
    tell(mia, about="First", at=NOON)
    assert digest.send_digests(NOON + 11 * HOUR) == 1  # eight on 3 March in Tokyo
    mia.time_zone = "America/Los_Angeles"
    mia.save()
    tell(mia, about="Second", at=NOON + 12 * HOUR)
    assert digest.send_digests(NOON + 29 * HOUR) == 0  # it is 3 March there, too
    assert digest.send_digests(NOON + 53 * HOUR) == 1


def test_very_many_fit_into_one_mail(mia):
    in_digest(mia)
    lead = a_lead(by=mia)
    Notification.objects.bulk_create(
        Notification(recipient=mia, kind="cold", lead=lead, created_at=NOON, in_digest=True) for _n in range(700)
    )
    assert digest.send_digests(MORNING) == 1
    [mail] = digests()
    assert "And 600 more" in mail.text
    assert len(mail.text) < 20_000
    assert not Notification.objects.for_digest().exists()


def test_the_page_offers_what_concerns_the_role_and_keeps_it(as_user, sam, vera, ada):
    kinds = {
        user.name: {kind for _label, kinds in choices.groups_for(user) for kind in kinds} for user in (sam, vera, ada)
    }
    assert Kind.HANDED_OVER in kinds["Sam"]
    assert Kind.UNTOUCHED not in kinds["Sam"]
    assert kinds["Vera"] == {Kind.APPROVAL, Kind.APPROVED, Kind.CHANGE_ASKED}
    assert {kind for group in choices.GROUPS for kind in group.kinds} == set(Kind)
    browser = as_user(sam)
    sent = {f"{kind}_mail": "now" for kind in kinds["Sam"]} | {f"{kind}_app": "on" for kind in kinds["Sam"]}
    assert browser.post("/profile/notifications/", sent | {"task_mail": "digest"}).status_code == 302
    assert choices.choices_of(sam)[Kind.TASK].mail == Mail.DIGEST
    assert browser.post("/profile/notifications/", sent | {"task_mail": "carrier pigeon"}).status_code == 422
    assert browser.post("/profile/notifications/", {"all": "nonsense"}).status_code == 422
    browser.post("/profile/notifications/", sent | {"all": "off"})
    assert choices.choices_of(sam)[Kind.OVERDUE].mail == Mail.OFF


def test_the_list_shows_what_is_wanted_by_day_and_filter(as_user, mia, django_assert_max_num_queries):
    choices.choose(mia, {Kind.WON: (False, Mail.NOW)})
    for n in range(40):
        tell(mia, about=f"Cold {n}", at=NOON + n * HOUR)
    tell(mia, kind=Kind.WON, about="Hidden")
    tell(mia, kind=Kind.TASK, about="A task", at=NOON - days(1))
    browser = as_user(mia)
    with django_assert_max_num_queries(9):
        page = browser.get("/notifications/")
    assert [row.about for row in page.context["rows"]] == [f"Cold {n}" for n in range(39, 9, -1)]
    assert "Hidden" not in browser.get("/notifications/", {"after": page.context["next_key"]}).content.decode()
    assert [row.about for row in browser.get("/notifications/?kind=task").context["rows"]] == ["A task"]
    assert browser.get("/notifications/?kind=nonsense").status_code == 400
    assert browser.get("/notifications/count/").content == b"41"
    browser.post("/notifications/read/")
    assert browser.get("/notifications/count/").content == b""
    assert browser.get("/notifications/?unread=1").context["rows"] == []


def test_every_kind_says_who_did_what(mia):
    facts = {"actor": "Sam", "rep": "Sid", "amount": "500 EUR", "clock": "verdict"}
    with translation.override("en"):
        for kind in Kind:
            bare = Notification(recipient=mia, kind=kind, data={"about": "Bolt"}, created_at=NOON)
            full = Notification(recipient=mia, kind=kind, data=facts | {"about": "Bolt"}, created_at=NOON)
            assert bare.headline == kind.label
            assert "%(" not in full.headline
            assert full.subject == "Bolt"
        said = {kind: Notification(kind=kind, data=facts).headline for kind in Kind}
    assert said[Kind.TASK] == "Sam gave you a task"
    assert said[Kind.DISPUTED] == "Sam disputes the refusal by Sid: you decide"
    assert said[Kind.PAYMENT_OVERDUE] == "A payment of 500 EUR is overdue"


@pytest.mark.parametrize("url", ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_a_notification_leads_to_our_pages_only(mia, url):
    assert Notification(recipient=mia, kind=Kind.TASK, data={"url": url}).url == "/notifications/"


def test_the_task_sends_digests(mia):
    tasks.send_digests()
    assert digests() == []
