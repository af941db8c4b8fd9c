"""Tasks: who gives them, who ticks them off, and that it happens once."""

import pytest

from accounts.access import NotAllowed, NotYours
from pipeline.models import Task
from pipeline.to_do import finish_task, open_task, reopen_task
from pipeline.transitions import TransitionError
from tests.factories import NOON, a_lead, days

pytestmark = pytest.mark.django_db


def a_task(by, assignee, **fields) -> Task:
    return open_task(title="Send the price list", assignee=assignee, due_at=NOON + days(1), by=by, at=NOON, **fields)


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
