"""My day, notifications and the agreement, in a browser."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.access import NotAllowed
from pipeline import agreements, transitions
from pipeline.models import Agreement, Notification
from tests.factories import NOON, a_handoff, an_opportunity, days

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def url(name: str, *args) -> str:
    return reverse(f"pipeline:{name}", args=args)


# --- My day ----------------------------------------------------------------------------------------------------------


def test_a_rep_sees_clocks_next_steps_and_cold_clients(as_user, mia, sam, sid):  # UX 1
    now = timezone.now()
    handoff = a_handoff(sam, by=mia, at=now)
    cold = an_opportunity(sam, by=mia, at=now - days(15))
    due = an_opportunity(sam, by=mia, at=now)
    step = {"next_step": "Send the offer", "next_step_on": timezone.localdate()}
    transitions.edit_opportunity(due, step, by=sam, at=now)
    a_handoff(sid, by=mia, at=now)
    sections = {str(section["title"]): section["rows"] for section in as_user(sam).get(url("home")).context["sections"]}
    assert [row["handoff"] for row in sections["Waiting for your contact or verdict"]] == [handoff]
    assert sections["Next steps due"] == [due]
    for title in ("Gone cold: nobody has been in touch", "Rotting: too long in one stage", "No next step"):
        assert sections[title] == [cold]


def test_a_manager_sees_what_is_overdue_in_the_team(as_user, mia, sam, sid, max_):  # UX 1
    now = timezone.now()
    late = a_handoff(sam, by=mia, at=now - days(8))
    a_handoff(sam, by=mia, at=now)
    a_handoff(sid, by=mia, at=now - days(8))
    (overdue,) = as_user(max_).get(url("home")).context["sections"]
    assert [row["handoff"] for row in overdue["rows"]] == [late]


def test_the_director_sees_each_teams_overdue_with_links_to_the_records(as_user, mia, sam, sid, dora, vera):  # UX 3
    now = timezone.now()
    late = a_handoff(sam, by=mia, at=now - days(8))
    a_handoff(sid, by=mia, at=now)
    for person in (dora, vera):
        teams = {team["name"]: team for team in as_user(person).get(url("home")).context["teams"]}
        assert [clock["count"] for clock in teams["Sales North"]["clocks"]] == [1, 0]
        assert [clock["count"] for clock in teams["Sales South"]["clocks"]] == [0, 0]
    rows = as_user(dora).get(teams["Sales North"]["clocks"][0]["url"]).context["rows"]
    assert [row["handoff"] for row in rows] == [late]


def test_with_nothing_due_everyone_is_told_what_belongs_here(as_user, mia, dan, sam, max_, dora, vera, ada):  # U6
    for person in (mia, dan, sam, max_, dora, vera, ada):
        assert "Nothing is due from you" in as_user(person).get(url("home")).content.decode(), person


# --- Notifications ---------------------------------------------------------------------------------------------------


def test_notifications_are_counted_read_and_only_ones_own(as_user, mia, sam, max_):  # H10
    handoff = a_handoff(sam, by=mia)
    client = as_user(sam)
    assert client.get(url("notification_count")).content == b"1"
    assert "Mia handed a lead over to you" in client.get(url("notification_list")).content.decode()
    mine = sam.notifications.get()
    assert as_user(max_).post(url("notification_open", mine.pk)).status_code == 404
    opened = client.post(url("notification_open", mine.pk))
    assert opened.url == reverse("leads:lead_detail", args=[handoff.lead_id])
    assert client.get(url("notification_count")).content == b""


def test_marking_all_read_touches_only_ones_own(as_user, mia, sam, sid):  # H10
    for rep in (sam, sam, sid):
        a_handoff(rep, by=mia)
    as_user(sam).post(url("notifications_read"))
    assert set(Notification.objects.unread().values_list("recipient__name", flat=True)) == {"Sid"}


def test_the_bell_counts_no_further_than_it_can_show(as_user, mia, sam):  # H10
    lead = a_handoff(sam, by=mia).lead
    Notification.objects.bulk_create(
        Notification(recipient=sam, kind=Notification.Kind.COLD, lead=lead, created_at=NOON) for _n in range(120)
    )
    assert as_user(sam).get(url("notification_count")).content == b"99+"


def test_the_list_of_notifications_takes_constant_queries(as_user, mia, sam, django_assert_max_num_queries):  # U3
    client = as_user(sam)
    for _n in range(6):
        a_handoff(sam, by=mia)
    with django_assert_max_num_queries(6):
        client.get(url("notification_list"))


# --- The agreement ---------------------------------------------------------------------------------------------------

TERMS = {
    "first_contact_days": 3,
    "verdict_days": 6,
    "day_kind": "working",
    "remind_days": 1,
    "manager_days": 1,
    "director_days": 2,
    "cold_days": 10,
    "unreachable_attempts": 2,
    "response_hours": 4,
    "brief_hours": 12,
    "max_pauses": 2,
    "max_pause_days": 30,
    "accepted_share": 70,
    "recycle_days": 90,
    "channels-TOTAL_FORMS": 0,
    "channels-INITIAL_FORMS": 0,
    "note": "Faster",
    "seen_version": 1,
}


def test_the_directors_edit_makes_the_next_version_and_leaves_running_clocks(as_user, mia, sam, dora):  # P1
    before = a_handoff(sam, by=mia, at=timezone.now())
    as_user(dora).post(url("agreement"), TERMS)
    made = Agreement.objects.get(version=2)
    assert (made.first_contact_days, made.created_by, made.note) == (3, dora, "Faster")
    assert (made.response_hours, made.brief_hours) == (4, 12)
    due = before.verdict_due_at
    before.refresh_from_db()
    assert (before.agreement.version, before.verdict_due_at) == (1, due)
    assert a_handoff(sam, by=mia, at=timezone.now()).agreement == made


def test_a_version_decided_meanwhile_is_not_replaced_unseen(as_user, dora):  # P1
    client = as_user(dora)
    for _twice in range(2):
        response = client.post(url("agreement"), TERMS)
    assert "newer version" in response.content.decode()
    assert Agreement.objects.count() == 2


def test_terms_that_make_no_sense_are_refused(as_user, dora):  # P1
    client = as_user(dora)
    for wrong in [
        {"first_contact_days": 0},
        {"first_contact_days": 7, "verdict_days": 6},
        {"manager_days": 3, "director_days": 2},
        {"verdict_days": 10**9},
        {"response_hours": 9, "brief_hours": 8},
        {"response_hours": 0},
        {"day_kind": "moon"},
        {"note": "a\x00b"},
    ]:
        assert client.post(url("agreement"), TERMS | wrong).context["form"].errors, wrong
    assert Agreement.objects.count() == 1


def test_everyone_reads_the_agreement_and_the_director_alone_decides(mia, sam, as_user):  # P1
    assert "calendar days" in as_user(sam).get(url("agreement")).content.decode()
    terms = agreements.terms(Agreement.objects.get())
    for person in (mia, sam):
        with pytest.raises(NotAllowed):
            agreements.put_in_force(terms, seen_version=1, by=person, at=NOON)
