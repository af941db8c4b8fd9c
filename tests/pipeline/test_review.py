"""The weekly review: this week beside the last, and every number opens its records."""

import datetime
import functools
from collections.abc import Callable, Iterator
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.db import transaction
from django.urls import reverse

from accounts.models import Organisation, Role, User
from leads.models import Stage
from pipeline import transitions
from pipeline.review import Review, Week
from tests import factories
from tests.factories import NOON, days

pytestmark = pytest.mark.django_db

MONDAY = NOON.date()
LATER = NOON + days(4)


@pytest.fixture
def opened(as_user, vera) -> Callable[[str], int]:
    """How many rows a page lists; each page is drawn once."""
    client = as_user(vera)

    @functools.cache
    def rows(address: str) -> int:
        response = client.get(address)
        assert response.status_code == 200, address
        return len(response.context["page"].rows if "page" in response.context else response.context["rows"])

    return rows


def _tell_two_weeks(mia: User, sam: User, sid: User) -> None:
    before = NOON - days(6)
    factories.a_lead(by=mia, at=before)
    returned = factories.a_contacted_handoff(sam, by=mia, at=before)
    transitions.reject(returned, factories.reason(), by=sam, at=NOON - days(3), missing="Budget", criteria_doubt="x")
    handoff = factories.a_contacted_handoff(sid, by=mia)
    transitions.reject(
        handoff, factories.reason(), by=sid, at=NOON + days(1), misread="Wanted a job", criteria_doubt="x"
    )
    lead = factories.a_lead(by=mia)
    transitions.remove(lead, factories.reason("removal"), by=mia, at=NOON + days(1))
    deal = factories.an_opportunity(sam, by=mia)
    type(deal).objects.filter(pk=deal.pk).update(amount=Decimal(300))
    deal.refresh_from_db()
    transitions.move_opportunity(deal, Stage.DEMO, by=sam, at=NOON + days(1))
    factories.a_won_opportunity(sam, 1000, by=mia, at=NOON + days(2))
    lost = factories.an_opportunity(sid, by=mia, at=NOON - days(20))
    transitions.lose(lost, factories.reason("loss"), by=sid, at=NOON + days(2))
    factories.a_handoff(sid, by=mia, at=NOON - days(10))


@pytest.fixture(scope="class")
def two_weeks(django_db_setup, django_db_blocker) -> Iterator[dict[str, User]]:
    """Last week two leads and a rejection; this week everything that can happen. Told once for all who read it."""
    with django_db_blocker.unblock(), transaction.atomic():
        mia = factories.UserFactory(name="Mia", role=Role.MARKETER)
        sam, sid = (
            factories.UserFactory(name=name, role=Role.SALES_REP, team=factories.TeamFactory())
            for name in ("Sam", "Sid")
        )
        _tell_two_weeks(mia, sam, sid)
        yield {"mia": mia, "sam": sam, "sid": sid}
        transaction.set_rollback(True)


@pytest.mark.usefixtures("two_weeks")
class TestTwoWeeks:
    @pytest.fixture
    def mia(self, two_weeks, db) -> User:
        return two_weeks["mia"]

    @pytest.fixture
    def sam(self, two_weeks, db) -> User:
        return two_weeks["sam"]

    @pytest.fixture
    def sid(self, two_weeks, db) -> User:
        return two_weeks["sid"]

    @time_machine.travel(LATER, tick=False)
    def test_this_week_stands_beside_the_last(self, mia):  # P2
        review = Review(Week.of(MONDAY), mia, LATER)
        told = {str(item.label): (item.now, item.before) for item in review.headline()}
        assert told == {
            "New leads": (3, 2),
            "Handed over": (3, 1),
            "First contacts": (3, 1),
            "Accepted": (2, 0),
            "Rejected": (1, 1),
            "Deals won": (1, 0),
        }
        assert next(item for item in review.headline() if item.label == "Deals won").worth == 1000
        assert next(item for item in review.headline() if item.label == "Rejected").is_better is None
        assert sum(item.now for item in review.channels()) == 3
        assert [(item.now, item.before) for item in review.rejections()] == [(1, 1)]

    @time_machine.travel(LATER, tick=False)
    def test_every_number_of_the_week_opens_its_records(self, opened, mia):  # P2
        for monday in (MONDAY, MONDAY - days(7)):
            review = Review(Week.of(monday), mia, LATER)
            told = [
                *((item.url, item.now) for item in [*review.headline(), *review.channels(), *review.rejections()]),
                *((row["entered_url"], row["entered"]) for row in review.movement()),
                *((row["left_url"], row["left"]) for row in review.movement()),
                *((step["url"], step["n"]) for step in review.pipeline().values()),
                *((url, count) for _label, count, url in review.overdue().clocks if url),
                (review.returned_url, len(review.returned())),
                (review.removed_url, len(review.removed())),
            ]
            for url, number in told:
                if number or monday == MONDAY:  # of the last week those that count anything
                    assert opened(url) == number, url
        for item in Review(Week.of(MONDAY), mia, LATER).headline():
            assert opened(item.url_before) == item.before

    @time_machine.travel(LATER, tick=False)
    def test_the_pipeline_adds_up(self, mia):  # P2
        steps = Review(Week.of(MONDAY), mia, LATER).pipeline()
        number = {key: step["n"] for key, step in steps.items()}
        assert number == {"open_before": 1, "opened": 2, "won": 1, "lost": 1, "open_after": 1}
        assert steps["won"]["amount"] == 1000
        assert steps["open_after"]["amount"] == 300

    @time_machine.travel(LATER, tick=False)
    def test_movement_tells_who_came_and_went_and_what_they_are_worth(self, mia):  # P2
        rows = {row["stage"]: row for row in Review(Week.of(MONDAY), mia, LATER).movement()}
        assert (rows[Stage.ACCEPTED]["entered"], rows[Stage.ACCEPTED]["left"]) == (2, 3)
        assert (rows[Stage.DEMO]["entered"], rows[Stage.DEMO]["entered_worth"]) == (1, 300)
        assert (rows[Stage.WON]["entered"], rows[Stage.WON]["entered_worth"]) == (1, 1000)
        assert rows[Stage.REMOVED]["entered"] == 1

    @time_machine.travel(LATER, tick=False)
    def test_who_is_overdue_is_named_with_the_clock(self, mia, sid):  # P2
        ((rep, rows),) = Review(Week.of(MONDAY), mia, LATER).overdue().reps
        assert rep == sid
        assert [(str(row["clock"]), row["days"]) for row in rows] == [("first contact", 7)]

    @time_machine.travel(LATER, tick=False)
    def test_the_page_shows_all_of_it_and_walks_from_week_to_week(self, as_user, vera):  # P2
        client, address = as_user(vera), reverse("pipeline:weekly_review")
        text = client.get(address).content.decode()
        for words in ("Overdue now", "Wanted a job", "Registered by mistake", "week=2026-02-23"):
            assert words in text
        text = client.get(address, {"week": "2026-02-25"}).content.decode()
        assert "week=2026-03-02" in text
        assert "Overdue when the week closed" in text
        assert "Nobody was late" in client.get(address, {"week": "2020-01-01"}).content.decode()

    @time_machine.travel(LATER, tick=False)
    def test_the_page_takes_the_same_number_of_queries_however_much_happened(
        self, as_user, vera, mia, sam, django_assert_max_num_queries
    ):  # P2
        client, address = as_user(vera), reverse("pipeline:weekly_review")
        client.get(address)
        with django_assert_max_num_queries(40) as few:
            client.get(address)
        for _n in range(2):
            factories.a_handoff(sam, by=mia, at=NOON - days(20))
            factories.a_won_opportunity(sam, by=mia, at=NOON + days(1))
            transitions.remove(factories.a_lead(by=mia), factories.reason("removal"), by=mia, at=NOON)
        with django_assert_max_num_queries(len(few.captured_queries)):
            client.get(address)


def test_a_step_taken_back_and_made_again_counts_its_lead_and_its_sum_once(mia, sam):  # P2
    from leads.models import LeadEvent

    deal = factories.a_won_opportunity(sam, 500, by=mia)
    transitions.undo(LeadEvent.objects.get(kind="won"), by=sam, at=NOON)
    deal.refresh_from_db()
    transitions.win(deal, amount=Decimal(700), by=sam, at=NOON + days(1))
    rows = {row["stage"]: row for row in Review(Week.of(MONDAY), mia, LATER).movement()}
    assert (rows[Stage.WON]["entered"], rows[Stage.WON]["entered_worth"]) == (1, 700)


def test_an_ended_week_tells_what_was_overdue_when_it_closed(mia, sam):  # P2
    handoff = factories.a_handoff(sam, by=mia, at=NOON - days(8))
    later = NOON + days(30)
    transitions.reject(handoff, factories.reason(), by=sam, at=NOON + days(9), missing="Phone", criteria_doubt="x")
    (row,) = Review(Week.of(MONDAY), mia, later).overdue().reps
    assert row[0] == sam
    assert Review(Week.of(MONDAY + days(7)), mia, later).overdue().reps == []


def test_more_overdue_than_a_meeting_reads_is_told_as_a_number(mia, sam, monkeypatch):  # P2
    monkeypatch.setattr("pipeline.review.MOST_NAMED", 2)
    for _n in range(3):
        factories.a_handoff(sam, by=mia, at=NOON - days(20))
    overdue = Review(Week.of(MONDAY), mia, LATER).overdue()
    assert (len(overdue.reps[0][1]), overdue.not_named) == (2, 1)
    assert [count for _label, count, _url in overdue.clocks] == [3, 3]


def test_a_week_begins_on_monday_at_midnight_of_the_organisation(mia):  # P2
    Organisation.current()
    Organisation.objects.update(time_zone="Asia/Tokyo")
    week = Week.of(MONDAY + days(6))
    assert (week.monday, week.start) == (MONDAY, datetime.datetime(2026, 3, 1, 15, tzinfo=datetime.UTC))
    factories.a_lead(by=mia, at=week.start)
    factories.a_lead(by=mia, at=week.start - datetime.timedelta(microseconds=1))
    new = Review(week, mia, LATER).headline()[0]
    assert (new.now, new.before) == (1, 1)


def test_a_week_that_is_none_is_refused(as_user, vera):  # P2
    client = as_user(vera)
    for query in ("week=soon", "week=0001-01-01", "week=9999-12-31", "day=2026-03-02"):
        assert client.get(f"{reverse('pipeline:weekly_review')}?{query}").status_code == 400, query


def test_a_link_keeps_the_days_of_its_week():  # P2
    address = Week.of(MONDAY).address("pipeline:handoff_list", "decided", verdict="rejected")
    query = parse_qs(urlsplit(address).query)
    assert query == {"verdict": ["rejected"], "decided_from": ["2026-03-02"], "decided_to": ["2026-03-08"]}
