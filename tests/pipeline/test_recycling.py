"""Coming back: who is asked again when and by whom, and what came of it."""

import datetime

import pytest

from accounts.access import NotYours
from leads.models import Erasure, Lead, LeadEvent, Partner, Reason, Stage
from pipeline import recycling, transitions
from pipeline.models import Activity, Agreement, Opportunity, Recycling, Task
from pipeline.nurture.enrol import enter, take_out
from pipeline.personal_data import erase
from pipeline.stand_ins import StandIns
from pipeline.transitions import Passing, TransitionError
from tests.factories import (
    NOON,
    ContactFactory,
    ProductFactory,
    a_lead,
    a_nurture_plan,
    an_opportunity,
    days,
)

pytestmark = pytest.mark.django_db

DUE = NOON + days(90)  # Sunday, 31 May 2026: the task is due on Monday at ten
MONDAY = datetime.datetime(2026, 6, 1, 10, tzinfo=datetime.UTC)
Result = Recycling.Result


def a_lost_opportunity(owner, *, by, why: str = "Assortment", **fields) -> Opportunity:
    opportunity = an_opportunity(owner, by=by, **fields)
    transitions.lose(opportunity, Reason.objects.get(text=why), by=owner, at=NOON, note="Too few colours")
    opportunity.refresh_from_db()
    return opportunity


def a_warm_lead(by, **fields) -> Lead:
    lead = a_lead(by=by, **fields)
    transitions.keep_warm(lead, by=by, at=NOON)
    lead.refresh_from_db()
    return lead


def a_due_recycling(owner, *, by, **fields) -> Recycling:
    a_lost_opportunity(owner, by=by, **fields)
    recycling.run(MONDAY)
    return Recycling.objects.latest("pk")


# --- Who is asked, when, by whom -------------------------------------------------------------------------------------


def test_a_lost_lead_is_asked_again_on_the_first_working_day_after_ninety_days_once(mia, sam):  # H7
    opportunity = a_lost_opportunity(sam, by=mia)
    for _twice in range(2):
        recycling.run(NOON + days(1))
    row = Recycling.objects.get()
    assert (row.opportunity, row.because, row.how, row.due_at) == (opportunity, "lost", "call", MONDAY)
    assert row.task is None
    recycling.run(DUE)
    assert not Task.objects.exists()
    for _twice in range(2):
        recycling.run(MONDAY.replace(hour=0, minute=20))  # it stands on My day in the morning
    task = Task.objects.get()
    assert (task.assignee, task.kind, task.lead, task.due_at) == (sam, "recycle", opportunity.lead, MONDAY)
    assert opportunity.lead.events.filter(kind=LeadEvent.Kind.RECYCLING).count() == 1


def test_a_reason_has_its_own_days_and_way_and_may_forbid_asking(mia, sam):  # H7
    Reason.objects.filter(text="Price").update(recycle_days=10)
    Reason.objects.filter(text="Terms").update(recycle_how="never")
    a_lost_opportunity(sam, by=mia, why="Price")
    a_lost_opportunity(sam, by=mia, why="Terms")
    recycling.run(NOON + days(10))
    task = Task.objects.get()
    assert (task.kind, str(task)) == ("offer", "Make a special offer: lost for “Price”")


def test_the_agreement_says_after_how_many_days(mia, sam):  # H7
    Agreement.objects.update(recycle_days=30)
    a_lost_opportunity(sam, by=mia)
    recycling.run(NOON + days(1))
    assert Recycling.objects.get().due_at.date() == (NOON + days(30)).date()


def test_a_warm_lead_is_asked_when_nobody_was_in_touch_and_no_plan_nurtures_it(mia, dan):  # H7
    silent, called, planned, left = (a_warm_lead(mia) for _each in range(4))
    transitions.log_activity(called, Activity.Kind.CALL, Activity.Outcome.REACHED, by=mia, at=NOON + days(80))
    enter(a_nurture_plan(), planned, by=mia, at=NOON)
    take_out(enter(a_nurture_plan(), left, by=mia, at=NOON), by=mia, at=NOON + days(30))
    recycling.run(NOON + days(89))
    assert not Recycling.objects.exists()
    recycling.run(NOON + days(91))
    assert [(row.lead, row.because, row.task.assignee) for row in Recycling.objects.all()] == [(silent, "warm", mia)]
    recycling.run(NOON + days(121))
    assert {row.lead for row in Recycling.objects.all()} == {silent, left}


def test_old_history_is_nobodys_work(mia, sam):  # H7: an imported base of years must not flood anybody
    a_lost_opportunity(sam, by=mia)
    a_warm_lead(mia)
    recycling.run(NOON + days(90 + 31))
    assert not Recycling.objects.exists()


def test_nobody_has_more_such_tasks_than_can_be_done(mia, sam, sid, monkeypatch):  # H7
    monkeypatch.setattr(recycling, "MOST_OPEN", 2)
    monkeypatch.setattr(recycling, "BATCH", 2)
    for owner in (sam, sam, sam, sid):
        a_lost_opportunity(owner, by=mia)
    for _twice in range(2):
        recycling.run(MONDAY)
    assert sorted(task.assignee.name for task in Task.objects.all()) == ["Sam", "Sam", "Sid"]
    transitions.give_up(Recycling.objects.filter(task__assignee=sam).first(), by=sam, at=MONDAY)
    recycling.run(MONDAY)
    assert Task.objects.open().filter(assignee=sam).count() == 2


def test_somebody_active_asks_where_the_owner_left(mia, dan, sam, max_, sid, dora):  # H7
    opportunity, warm = a_lost_opportunity(sam, by=mia), a_warm_lead(mia)
    type(sam).objects.filter(pk__in=[sam.pk, mia.pk]).update(is_active=False)
    recycling.run(MONDAY)
    assert {task.lead: task.assignee for task in Task.objects.all()} == {opportunity.lead: max_, warm: dan}
    for person in (max_, sid, dan, dora):
        type(sam).objects.filter(pk=person.pk).update(is_active=False)
    opportunity.owner.refresh_from_db()
    assert StandIns().of_opportunity(opportunity) is None
    a_lost_opportunity(dora, by=None)
    recycling.run(MONDAY)
    assert Recycling.objects.filter(task__isnull=True).count() == 1  # it waits for somebody


@pytest.mark.parametrize(
    "change",
    [{"do_not_contact": True}, {"erased_at": NOON}],
    ids=["who wants to be left alone", "who was erased"],
)
def test_nobody_is_asked_who_cant_be(mia, sam, change):  # H7, L13
    opportunity = a_lost_opportunity(sam, by=mia)
    warm = a_warm_lead(mia)
    for lead in (opportunity.lead, warm):
        type(lead.contact).objects.filter(pk=lead.contact_id).update(**change)
    recycling.run(MONDAY)
    assert not Recycling.objects.exists()


def test_who_came_back_by_themselves_is_overtaken(mia, sam, dora):  # H7
    row = a_due_recycling(sam, by=mia)
    warm = a_warm_lead(mia)
    Lead.objects.filter(pk=warm.pk).update(warm_at=MONDAY - days(95), last_contact_at=None, registered_at=NOON)
    recycling.run(MONDAY)
    Lead.objects.filter(pk=row.lead_id).update(stage=Stage.ACCEPTED)  # as a reopening does
    enter(a_nurture_plan(), warm, by=mia, at=MONDAY)
    recycling.run(MONDAY + days(1))
    assert set(Recycling.objects.values_list("result", flat=True)) == {"overtaken"}
    assert not Task.objects.open().exists()
    with pytest.raises(TransitionError, match="answered already"):
        transitions.recycle(row, by=sam, at=MONDAY + days(1))


def test_who_is_lost_anew_is_asked_anew(mia, sam):  # H7: a loss that was taken back and came again
    opportunity = a_lost_opportunity(sam, by=mia)
    recycling.run(NOON + days(1))
    Opportunity.objects.filter(pk=opportunity.pk).update(lost_at=NOON + days(20))
    recycling.run(NOON + days(21))
    first, second = Recycling.objects.order_by("pk")
    assert (first.result, second.result) == ("overtaken", "")
    assert second.due_at > first.due_at


def test_one_person_is_asked_for_one_of_their_leads_only(mia, sam):  # H7
    contact = ContactFactory()
    for _twice in range(2):
        a_lost_opportunity(sam, by=mia, contact=contact)
    recycling.run(MONDAY)
    assert Task.objects.count() == 1
    assert sorted(Recycling.objects.values_list("result", flat=True)) == ["", "overtaken"]


# --- What came of it -------------------------------------------------------------------------------------------------


def test_interested_again_brings_the_lead_back_to_marketing(mia, sam, sid):  # H7
    row, product = a_due_recycling(sam, by=mia), ProductFactory(name="Light edition")
    at = MONDAY + days(1)
    with pytest.raises(TransitionError, match="isn't sold"):
        transitions.recycle(row, product=ProductFactory(is_active=False), by=sam, at=at)
    with pytest.raises(NotYours):
        transitions.recycle(row, by=sid, at=at)
    lead = transitions.recycle(row, product=product, note="Has a budget now", by=sam, at=at)
    row.refresh_from_db()
    assert (lead.stage, lead.recycled_at, lead.owner, lead.product) == ("contacted", at, mia, product)
    assert lead.next_attempt_at == at  # it is on marketing's desk
    assert (row.result, row.closed_by, row.task.done_at) == ("back", sam, at)
    with pytest.raises(TransitionError, match="answered already"):
        transitions.recycle(row, by=sam, at=at)
    event = lead.events.get(kind=LeadEvent.Kind.RECYCLED)
    transitions.undo(event, by=sam, at=at)
    lead.refresh_from_db()
    row.refresh_from_db()
    assert (lead.stage, lead.recycled_at, lead.product, lead.next_attempt_at) == ("lost", None, None, None)
    assert (row.result, row.closed_at, row.task.done_at) == ("", None, None)


def test_only_the_first_coming_back_is_kept_and_a_leavers_lead_gets_an_owner(mia, dan, sam):  # H7
    row = a_due_recycling(sam, by=mia)
    type(mia).objects.filter(pk=mia.pk).update(is_active=False)
    lead = transitions.recycle(row, by=sam, at=MONDAY)
    assert lead.owner == dan
    Lead.objects.filter(pk=lead.pk).update(stage=Stage.WARM)
    again = Recycling.objects.create(lead=lead, because="warm", how="call", due_at=MONDAY, opened_at=MONDAY)
    lead = transitions.recycle(again, by=dan, at=MONDAY + days(300))
    assert lead.recycled_at == MONDAY


def test_later_asks_again_on_that_day_and_can_be_taken_back(mia, sam):  # H7
    row = a_due_recycling(sam, by=mia)
    for until in (MONDAY, MONDAY - days(1), MONDAY + days(4000)):
        with pytest.raises(TransitionError, match="a day to come"):
            transitions.postpone(row, until, by=sam, at=MONDAY)
    follow_up = transitions.postpone(row, MONDAY + days(60), by=sam, at=MONDAY, note="After the summer")
    recycling.run(MONDAY + days(59))
    assert Task.objects.open().count() == 0
    event = row.lead.events.filter(kind=LeadEvent.Kind.RECYCLING, actor=sam).get()
    transitions.undo(event, by=sam, at=MONDAY + days(59))
    assert list(Recycling.objects.all()) == [row]
    assert not Recycling.objects.filter(pk=follow_up.pk).exists()
    transitions.postpone(row, MONDAY + days(60), by=sam, at=MONDAY + days(59))
    recycling.run(MONDAY + days(60))
    assert Task.objects.open().count() == 1
    event = row.lead.events.filter(kind=LeadEvent.Kind.RECYCLING, actor=sam).latest("pk")
    with pytest.raises(TransitionError, match="asked again since"):
        transitions.undo(event, by=sam, at=MONDAY + days(60))


def test_no_for_good_is_for_good(mia, sam):  # H7
    row, warm = a_due_recycling(sam, by=mia), a_warm_lead(mia)
    Lead.objects.filter(pk=warm.pk).update(warm_at=MONDAY - days(91), registered_at=NOON)
    recycling.run(MONDAY)
    for each in Recycling.objects.open():
        transitions.give_up(each, by=mia, at=MONDAY, note="Closed down")
    for later in (1, 91, 200):
        recycling.run(MONDAY + days(later))
    assert (row.lead.recyclings.count(), warm.recyclings.count()) == (1, 1)


def test_sales_passes_on_what_it_asked_for_again(mia, sam, sid):  # H7, L10
    row = a_due_recycling(sam, by=mia)
    partner = Partner.objects.create(name="Acme")
    gone = Partner.objects.create(name="Gone", is_active=False)
    with pytest.raises(TransitionError, match="not in use"):
        transitions.pass_on(row, Passing(gone, ["company"]), by=sam, at=MONDAY)
    with pytest.raises(TransitionError, match="hasn't agreed"):
        transitions.pass_on(row, Passing(partner, ["name"]), by=sam, at=MONDAY)
    referral = transitions.pass_on(row, Passing(partner, ["company"]), by=sam, at=MONDAY)
    row.refresh_from_db()
    assert (row.result, referral.lead.stage) == ("partner", "referred")
    transitions.undo(row.lead.events.get(kind=LeadEvent.Kind.REFERRED), by=sam, at=MONDAY)
    row.refresh_from_db()
    assert (row.result, Lead.objects.get(pk=row.lead_id).stage) == ("", "lost")


def test_a_lead_that_moved_on_is_not_answered(mia, sam):  # H7: a stale page
    row = a_due_recycling(sam, by=mia)
    transitions.refer(row.lead, Partner.objects.create(name="Acme"), passed=["company"], by=mia, at=MONDAY)
    for step in (
        lambda: transitions.recycle(row, by=sam, at=MONDAY),
        lambda: transitions.give_up(row, by=sam, at=MONDAY),
        lambda: transitions.postpone(row, MONDAY + days(3), by=sam, at=MONDAY),
    ):
        with pytest.raises(TransitionError, match="Referred to a partner"):
            step()


def test_noting_who_is_to_be_asked_doesnt_keep_a_loss_from_being_undone(mia, sam):  # H6
    opportunity = a_lost_opportunity(sam, by=mia)
    recycling.run(NOON + days(1))
    transitions.undo(opportunity.lead.events.get(kind=LeadEvent.Kind.LOST), by=sam, at=NOON + days(1))
    recycling.run(NOON + days(2))
    assert Recycling.objects.get().result == Result.OVERTAKEN


def test_erasing_a_person_keeps_the_count_and_takes_the_words(mia, sam, dora):  # L13

    row = a_due_recycling(sam, by=mia)
    erase(row.lead.contact, Erasure.Cause.REQUEST, by=dora, at=MONDAY)
    recycling.run(MONDAY)
    row.refresh_from_db()
    assert (row.result, row.task.done_at is not None) == (Result.OVERTAKEN, True)
