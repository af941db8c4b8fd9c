"""Quality checks: who reviews what, what is picked by chance, and what checklists may become."""

import collections
import datetime
import uuid

import pytest

from accounts.access import NotAllowed, NotYours
from accounts.models import Team
from leads import timeline
from leads.models import LeadEvent
from pipeline import quality, transitions
from pipeline.models import Activity, Checklist, Notification, QualityReview, ReviewProposal
from pipeline.quality import Item, pick, propose
from pipeline.transitions import TransitionError
from tests.factories import NOON, a_contacted_handoff, a_lead, days

pytestmark = pytest.mark.django_db

MONDAY = NOON + days(7)  # the week of NOON (a Monday) is over


@pytest.fixture
def calls() -> Checklist:
    return Checklist.objects.get(kind="call")


def a_call(rep, *, at: datetime.datetime = NOON, outcome=Activity.Outcome.REACHED) -> Activity:
    return Activity.objects.create(lead=a_lead(), kind="call", outcome=outcome, at=at, by=rep)


def full(checklist: Checklist) -> dict[int, int | None]:
    return {item.pk: item.points for item in checklist.items.filter(is_active=True)}


# --- Reviewing -------------------------------------------------------------------------------------------------------


def test_a_manager_scores_a_call_and_its_caller_hears_of_it(calls, sam, max_):  # H8
    call = a_contacted_handoff(sam).lead.activities.get()
    scores = full(calls)
    first, second, *_rest = scores
    made = transitions.review(
        calls, sam, scores | {first: 0, second: None}, activity=call, note="Calm voice", by=max_, at=NOON
    )
    assert (made.points, made.most_points, made.happened_on) == (40, 45, NOON.date())
    assert made.scores.count() == 5  # what didn't apply isn't scored
    told = Notification.objects.get(kind="reviewed")
    assert (told.recipient, told.url, told.subject) == (sam, f"/quality/reviews/{made.pk}/", "A good call")
    event = call.lead.events.get(kind=LeadEvent.Kind.REVIEWED)
    entry = timeline.entries([event])[0]
    assert (entry.sentence, entry.url) == ("reviewed by “A good call” what Sam did", f"/quality/activities/{call.pk}/")
    calls.items.update(text="Other words", points=50)
    assert made.scores.first().text != "Other words"


def test_only_the_teams_manager_and_the_director_review_and_nobody_themselves(
    calls, mia, sam, sid, max_, dora, vera
):  # H8
    call, scores = a_call(sam), full(calls)
    for person in (mia, sam, sid, vera):
        with pytest.raises(NotAllowed):
            transitions.review(calls, sam, scores, activity=call, by=person, at=NOON)
    Team.objects.create(name="Elsewhere")
    with pytest.raises(NotYours, match="isn't in your team"):
        transitions.review(calls, sid, scores, activity=a_call(sid), by=max_, at=NOON)
    with pytest.raises(NotYours, match="their own work"):
        transitions.review(calls, max_, scores, activity=a_call(max_), by=max_, at=NOON)
    transitions.review(calls, sid, scores, activity=a_call(sid), by=dora, at=NOON)


def test_a_review_is_of_the_persons_own_conversation_and_within_the_points(calls, sam, sid, dora):  # H8
    call, scores = a_call(sam), full(calls)
    first = next(iter(scores))
    meetings = Checklist.objects.get(kind="meeting")
    refusals = [
        (calls, sid, scores, {"activity": call}, "somebody else's"),
        (meetings, sam, full(meetings), {"activity": call}, "isn't for that kind"),
        (calls, sam, scores, {}, "Choose the conversation"),
        (calls, sam, scores, {"activity": a_call(sam, outcome="no_answer")}, "Nobody was spoken to"),
        (calls, sam, scores | {first: 6}, {"activity": call}, "0 to 5 points"),
        (calls, sam, scores | {first: -1}, {"activity": call}, "0 to 5 points"),
        (calls, sam, dict.fromkeys(scores), {"activity": call}, "one item at least"),
        (calls, sam, {first: 5}, {"activity": call}, "changed the checklist"),
        (calls, sam, scores, {"activity": call, "seen": "of yesterday"}, "changed the checklist"),
    ]
    for checklist, person, given, more, why in refusals:
        with pytest.raises(TransitionError, match=why):
            transitions.review(checklist, person, given, by=dora, at=NOON, **more)
    Checklist.objects.filter(pk=calls.pk).update(is_active=False)
    with pytest.raises(TransitionError, match="isn't in use"):
        transitions.review(calls, sam, scores, activity=call, by=dora, at=NOON)
    assert not QualityReview.objects.exists()


def test_a_conversation_that_was_undone_is_not_reviewed_and_a_reviewed_one_not_undone(calls, sam, max_):  # H8
    lead, event = a_contacted_handoff(sam).lead, None
    undone = transitions.log_activity(lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON)
    event = lead.events.filter(kind=LeadEvent.Kind.ACTIVITY).latest("pk")
    transitions.undo(event, by=sam, at=NOON)
    with pytest.raises(TransitionError, match="taken back meanwhile"):
        transitions.review(calls, sam, full(calls), activity=undone, by=max_, at=NOON)
    entries = {entry.event.pk: entry for entry in timeline.entries(lead.events.all())}
    assert entries[event.pk].url == ""
    call = transitions.log_activity(lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON)
    transitions.review(calls, sam, full(calls), activity=call, by=max_, at=NOON)
    with pytest.raises(TransitionError, match="can't be undone"):
        transitions.undo(lead.events.filter(kind=LeadEvent.Kind.ACTIVITY).latest("pk"), by=sam, at=NOON)


def test_a_conversation_is_reviewed_once_by_a_checklist_and_a_form_counts_once(calls, sam, max_, dora):  # H8
    call, key = a_call(sam), uuid.uuid4()
    made = transitions.review(calls, sam, full(calls), activity=call, by=max_, at=NOON, submission_key=key)
    assert transitions.review(calls, sam, full(calls), activity=call, by=max_, at=NOON, submission_key=key) == made
    other = a_call(sam)
    with pytest.raises(TransitionError, match="sent for something else"):
        transitions.review(calls, sam, full(calls), activity=other, by=max_, at=NOON, submission_key=key)
    with pytest.raises(TransitionError, match="Max reviewed this already"):
        transitions.review(calls, sam, full(calls), activity=call, by=dora, at=NOON)
    with pytest.raises(NotYours):
        transitions.withdraw_review(made, by=Team.objects.get(pk=sam.team_id).members.create(
            name="Moe", email="moe@example.com", role="sales_manager"), at=NOON)  # fmt: skip
    transitions.withdraw_review(made, by=max_, at=NOON)
    with pytest.raises(TransitionError, match="already"):
        transitions.withdraw_review(made, by=max_, at=NOON)
    assert not Notification.objects.filter(kind="reviewed").exists()
    transitions.review(calls, sam, full(calls), activity=call, by=dora, at=NOON)


def test_mystery_shopping_is_of_a_day_that_has_been(sam, sid, max_, dora):  # H8
    mystery = Checklist.objects.get(kind="mystery")
    for on in (None, NOON.date() + days(2)):
        with pytest.raises(TransitionError, match="day that has been"):
            transitions.review(mystery, sam, full(mystery), happened_on=on, by=max_, at=NOON)
    visit = {"happened_on": NOON.date(), "by": dora, "at": NOON, "submission_key": uuid.uuid4()}
    made = transitions.review(mystery, sam, full(mystery), **visit)
    assert (made.activity, made.share) == (None, 1)
    with pytest.raises(TransitionError, match="sent for something else"):
        transitions.review(mystery, sid, full(mystery), **visit)
    assert QualityReview.objects.get() == made


# --- Picking by chance -----------------------------------------------------------------------------------------------


def test_each_conversation_is_as_likely_as_any_other():  # H8
    weeks, number, wanted = 2_000, 10, 2
    counts = collections.Counter(
        activity for week in range(weeks) for activity in pick(range(number), wanted, lot=f"week {week}")
    )
    expected = weeks * wanted / number
    chi_square = sum((counts[activity] - expected) ** 2 / expected for activity in range(number))
    assert sum(counts.values()) == weeks * wanted
    assert chi_square < 27.9  # nine degrees of freedom: one fair draw in a thousand is above it
    together = sum(1 for week in range(weeks) if set(pick(range(number), 2, lot=f"week {week}")) == {0, 1})
    assert 20 < together < 75  # two of ten are any given pair once in 45 times


def test_a_draw_depends_on_a_secret_and_not_on_the_order(settings):  # H8
    drawn = pick([5, 3, 9, 1], 2, lot="a")
    assert pick([1, 9, 3, 5], 2, lot="a") == drawn
    draws = set()
    for key in "abcdefgh":
        settings.SECRET_KEY = key
        draws.add(tuple(pick(range(100), 2, lot="a")))
    assert len(draws) == 8
    assert pick([1, 2], 5, lot="a") in ([1, 2], [2, 1])
    assert pick([], 5, lot="a") == pick([1], -1, lot="a") == []


def test_two_calls_of_last_week_are_picked_for_each_rep_and_their_manager_is_told_once(
    calls, mia, sam, sid, max_, dora
):  # H8
    mine = {a_call(sam, at=NOON + days(day)).pk for day in range(5)}
    only = a_call(sid)
    for nothing in (
        a_call(sam, outcome="no_answer"),
        a_call(sam, at=NOON - days(1)),  # the week before
        a_call(sam, at=MONDAY),  # this week
        a_call(mia),
    ):
        assert nothing.pk not in mine
    for _twice in range(2):
        propose(MONDAY)
    picked = ReviewProposal.objects.filter(person=sam)
    assert picked.count() == 2
    assert set(picked.values_list("activity", flat=True)) < mine
    assert ReviewProposal.objects.get(person=sid).activity == only  # fewer than asked for: all
    told = list(Notification.objects.filter(kind="review_proposed").order_by("recipient__name"))
    assert [each.recipient for each in told] == [dora, max_]  # Sid has no manager
    assert told[1].url == "/quality/picked/?week=2026-03-02"
    propose(MONDAY + days(14))
    assert Notification.objects.filter(kind="review_proposed").count() == 2  # nothing new: nobody is told


def test_what_was_reviewed_or_left_out_is_not_picked_again(calls, sam, max_):  # H8
    activities = [a_call(sam) for _each in range(4)]
    transitions.review(calls, sam, full(calls), activity=activities[0], by=max_, at=NOON)
    propose(MONDAY)
    first, second = ReviewProposal.objects.all()
    transitions.skip_proposal(first, "Bad line", by=max_)
    propose(MONDAY)
    assert ReviewProposal.objects.count() == 2
    made = transitions.review(calls, sam, full(calls), activity=second.activity, by=max_, at=MONDAY)
    second.refresh_from_db()
    assert second.review == made
    with pytest.raises(TransitionError, match="reviewed meanwhile"):
        transitions.skip_proposal(second, "Late", by=max_)
    transitions.withdraw_review(made, by=max_, at=MONDAY)
    assert ReviewProposal.objects.open(MONDAY.date()).get() == second
    assert not ReviewProposal.objects.open(MONDAY.date() + days(60)).exists()


def test_reps_dont_judge_what_was_picked(calls, sam, sid, max_):  # H8
    a_call(sam)
    propose(MONDAY)
    for person in (sam, sid):
        with pytest.raises(NotAllowed):
            transitions.skip_proposal(ReviewProposal.objects.get(), "No", by=person)


# --- Checklists ------------------------------------------------------------------------------------------------------


def test_checklists_are_kept_by_managers_and_the_director(calls, sam, max_, ada):  # H8
    rows = [Item("Polite", 5, True)]
    for person in (sam, ada):
        with pytest.raises(NotAllowed):
            quality.save_checklist(Checklist(name="Mine", kind="call"), rows, by=person)
    new = quality.save_checklist(Checklist(name="Short calls", kind="call"), rows, by=max_)
    with pytest.raises(TransitionError, match="one item at least"):
        quality.save_checklist(new, [Item("Polite", 5, False, new.items.get().pk)], by=max_)
    with pytest.raises(TransitionError, match="isn't of this checklist"):
        quality.save_checklist(new, [Item("Stolen", 5, True, calls.items.first().pk)], by=max_)
    seen = quality.version(new)
    quality.save_checklist(
        new, [Item("Kind", 10, True), Item("Polite", 5, False, new.items.get().pk)], by=max_, seen=seen
    )
    assert [(item.text, item.is_active) for item in new.items.all()] == [("Kind", True), ("Polite", False)]
    with pytest.raises(TransitionError, match="while you were editing"):
        quality.save_checklist(new, rows, by=max_, seen=seen)
    call = a_call(sam)
    transitions.review(new, sam, full(new), activity=call, by=max_, at=NOON)
    new.kind = "meeting"
    with pytest.raises(TransitionError, match="stays for what it is for"):
        quality.save_checklist(new, rows, by=max_)


def test_figures_of_a_person_are_averages_by_month_and_the_weakest_item_first(calls, sam, max_):  # H8
    first, second, *rest = list(calls.items.all())
    for on, points in ((0, 5), (40, 0)):
        scores: dict = dict.fromkeys([item.pk for item in rest]) | {first.pk: points, second.pk: 10}
        call = a_call(sam, at=NOON + days(on))
        transitions.review(calls, sam, scores, activity=call, by=max_, at=NOON + days(on))
    reviews, today = QualityReview.objects.all(), (NOON + days(41)).date()
    months = quality.by_month(reviews, today)
    assert len(months) == 12
    assert [(row["month"].month, row["average"], row["number"]) for row in months[-3:]] == [
        (2, None, 0), (3, 1.0, 1), (4, pytest.approx(10 / 15), 1),
    ]  # fmt: skip
    assert [(row["item"], row["got"], row["most"]) for row in quality.by_item(reviews)] == [
        (first, 5, 10), (second, 20, 20),
    ]  # fmt: skip
    assert quality.by_checklist(reviews)[0]["average"] == pytest.approx(5 / 6)
    row = next(row for row in quality.people(reviews, today) if row["person"] == sam)
    assert (row["number"], row["average"], row["average_before"]) == (2, pytest.approx(5 / 6), None)
