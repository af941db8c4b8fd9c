"""Tasks: who gives them, who changes them and ticks them off, who is told, and that it happens once."""

import datetime

import pytest
from django.utils import timezone

from accounts.access import NotAllowed, NotYours
from accounts.models import Role
from pipeline.models import Notification, Task
from pipeline.sweep import sweep
from pipeline.to_do import (
    change_task,
    finish_task,
    finish_tasks,
    open_task,
    postpone_tasks,
    put_back,
    reopen_task,
)
from pipeline.transitions import TransitionError
from tests.factories import NOON, CampaignFactory, UserFactory, a_lead, an_opportunity, days

pytestmark = pytest.mark.django_db


def a_task(by, assignee, **fields) -> Task:
    return open_task(title="Send the price list", assignee=assignee, due_at=NOON + days(1), by=by, at=NOON, **fields)


def changed(task: Task, *, by, seen_at=None, at=NOON, **facts) -> bool:
    now = {name: getattr(task, name) for name in ("title", "assignee", "due_at", "note")}
    return change_task(task, **(now | facts), by=by, at=at, seen_at=seen_at)


def told(kind: str) -> list[str]:
    return list(Notification.objects.filter(kind=kind).order_by("pk").values_list("recipient__name", flat=True))


def test_a_task_waits_for_its_assignee(mia, dan):
    task = a_task(mia, dan, lead=a_lead(by=mia), note="the new one")
    assert (task.assignee, task.created_by, task.note, task.done_at) == (dan, mia, "the new one", None)
    assert list(Task.objects.due(NOON)) == []
    assert list(Task.objects.due(NOON + days(1))) == [task]


def test_the_system_gives_tasks_too(dan):
    assert a_task(None, dan).created_by is None


def test_asking_twice_for_the_same_opens_one_task(mia, dan):
    lead = a_lead(by=mia)
    assert a_task(mia, dan, lead=lead) == a_task(mia, dan, lead=lead)
    assert a_task(mia, dan) == a_task(mia, dan)
    assert Task.objects.count() == 2


def test_what_is_done_may_be_asked_for_again(mia, dan):
    first = a_task(mia, dan)
    finish_task(first, by=dan, at=NOON)
    assert a_task(mia, dan) != first


def test_a_viewer_neither_gives_nor_gets_tasks(vera, dan, mia):
    with pytest.raises(NotAllowed):
        a_task(vera, dan)
    with pytest.raises(TransitionError):
        a_task(mia, vera)


def test_nobody_who_left_gets_a_task(mia, dan):
    dan.is_active = False
    dan.save()
    with pytest.raises(TransitionError):
        a_task(mia, dan)


@pytest.mark.parametrize("who", ["mia", "dan", "dora"])
def test_the_assignee_who_gave_it_and_the_director_finish_a_task(who, mia, dan, dora):
    by = {"mia": mia, "dan": dan, "dora": dora}[who]
    task = finish_task(a_task(mia, dan), by=by, at=NOON)
    assert (task.done_at, task.done_by) == (NOON, by)


def test_others_leave_it_alone(mia, dan, sam, vera):
    task = a_task(mia, dan)
    for other in (sam, vera):
        with pytest.raises(NotYours):
            finish_task(task, by=other, at=NOON)
        with pytest.raises(NotYours):
            changed(task, by=other, title="Mine now")
        assert finish_tasks([task.pk], by=other, at=NOON) == []
        assert postpone_tasks([task.pk], NOON.date(), by=other, at=NOON) == []
    dan.is_active = False
    with pytest.raises(NotAllowed):
        finish_task(task, by=dan, at=NOON)


def test_the_first_who_finishes_it_stays_the_one_who_did(mia, dan):
    task = a_task(mia, dan)
    finish_task(task, by=dan, at=NOON)
    assert finish_task(task, by=mia, at=NOON + days(1)).done_by == dan


def test_a_tick_is_taken_back(mia, dan):
    task = finish_task(a_task(mia, dan), by=dan, at=NOON)
    assert reopen_task(task, by=dan).done_at is None
    assert reopen_task(task, by=dan).done_by is None


def test_a_task_is_about_one_thing_and_a_deals_is_about_its_lead(mia, sam):
    deal, campaign = an_opportunity(sam, by=mia), CampaignFactory()
    about_deal = a_task(sam, sam, opportunity=deal, kind=Task.Kind.OFFER)
    assert (about_deal.lead, about_deal.kind) == (deal.lead, "offer")
    about_campaign = a_task(mia, mia, campaign=campaign)
    assert (about_campaign.campaign, about_campaign.lead) == (campaign, None)
    assert a_task(sam, sam, opportunity=deal) != about_deal


def test_a_title_is_one_line_and_says_something(mia):
    title = "Send\r\nthe  list 🦊"
    assert open_task(title=title, assignee=mia, due_at=NOON, by=mia, at=NOON).title == "Send the list 🦊"
    with pytest.raises(TransitionError):
        open_task(title=" \r\n\x00 ", assignee=mia, due_at=NOON, by=mia, at=NOON)


def test_the_assignee_is_told_by_whom_once_and_not_by_themselves(mia, dan):
    a_task(mia, dan, note="the new one")
    a_task(mia, dan, note="the new one")
    a_task(dan, dan)
    assert told("task") == ["Dan"]
    notice = Notification.objects.get(kind="task")
    assert (notice.headline, notice.subject) == ("Mia gave you a task", "Send the price list")
    assert notice.url == f"/tasks/{Task.objects.get(created_by=mia).pk}/"


def test_that_it_is_due_is_told_once_and_again_when_it_is_put_off(mia, dan):
    task = a_task(dan, dan)
    a_task(dan, dan, lead=a_lead(by=mia))
    done = finish_task(a_task(mia, dan), by=dan, at=NOON)
    sweep(NOON + days(1) - datetime.timedelta(seconds=1))
    assert told("task_due") == []
    for _twice in range(2):
        sweep(NOON + days(3))
    assert told("task_due") == ["Dan", "Dan"]
    postpone_tasks([task.pk, done.pk], NOON.date() + days(7), by=dan, at=NOON + days(3))
    sweep(NOON + days(6))
    assert len(told("task_due")) == 2
    sweep(NOON + days(8))
    assert len(told("task_due")) == 3


def test_what_is_due_when_it_is_given_is_told_once(mia, dan):
    open_task(title="Now", assignee=dan, due_at=NOON, by=None, at=NOON)
    sweep(NOON + days(1))
    assert (told("task"), told("task_due")) == (["Dan"], [])


def test_a_task_is_changed_and_handed_on(mia, dan, sam, vera):
    task = a_task(mia, dan)
    assert changed(task, by=dan, title="Send both lists", note="by post")
    assert not changed(Task.objects.get(), by=dan)
    assert changed(Task.objects.get(), by=dan, assignee=sam)
    assert told("task") == ["Dan", "Sam"]
    task.refresh_from_db()
    assert (task.title, task.note, task.assignee, task.created_by) == ("Send both lists", "by post", sam, mia)
    with pytest.raises(NotYours):
        changed(task, by=dan, title="Mine again")
    with pytest.raises(TransitionError):
        changed(task, by=sam, assignee=vera)


def test_a_manager_changes_what_the_team_has_to_do(sam, max_, dora):
    task = a_task(dora, sam)
    assert changed(task, by=max_, assignee=max_)
    other = UserFactory(name="Olga", role=Role.SALES_MANAGER)
    with pytest.raises(NotYours):
        finish_task(task, by=other, at=NOON)


def test_a_stale_page_changes_nothing_and_a_done_task_is_reopened_first(mia, dan):
    task = a_task(mia, dan)
    seen = task.updated_at
    assert changed(task, by=mia, title="First", seen_at=seen)
    with pytest.raises(TransitionError, match="was changed on"):
        changed(task, by=dan, title="Second", seen_at=seen)
    finish_task(task, by=dan, at=NOON)
    with pytest.raises(TransitionError, match="Dan did this task"):
        changed(task, by=mia, title="Third")
    assert Task.objects.get().title == "First"


def test_several_are_put_off_at_their_own_hour_and_put_back(mia, dan, sam, django_assert_max_num_queries):
    tasks = [a_task(mia, dan, lead=a_lead(by=mia)) for _n in range(5)]
    others, pks = a_task(sam, sam), [task.pk for task in tasks]
    with timezone.override("Asia/Tokyo"), django_assert_max_num_queries(4):
        before = postpone_tasks([*pks, others.pk, 10**12], NOON.date() + days(9), by=dan, at=NOON)
    assert [pk for pk, _due_at in before] == pks
    assert {task.due_at for task in Task.objects.filter(pk__in=pks)} == {NOON + days(9)}
    finish_tasks(pks[:2], by=dan, at=NOON)
    assert put_back(before, by=sam, at=NOON) == 0
    assert put_back(before, by=dan, at=NOON) == 5
    assert put_back(before, by=dan, at=NOON) == 0
    assert set(Task.objects.values_list("due_at", "done_at")) == {(NOON + days(1), None)}


def test_what_wants_an_answer_is_not_ticked_off_with_others(mia):
    task = a_task(mia, mia, kind=Task.Kind.RECYCLE, lead=a_lead(by=mia))
    assert finish_tasks([task.pk], by=mia, at=NOON) == []
    assert len(postpone_tasks([task.pk], NOON.date(), by=mia, at=NOON)) == 1
