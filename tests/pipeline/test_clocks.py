"""Pausing the clocks, giving a lead to another rep, and the pool: what moves, what doesn't, and who is told."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.access import NotAllowed, NotYours
from accounts.models import Organisation
from integrations.models import OutboxMessage
from kpi import facts
from kpi.models import Fact
from leads import timeline
from leads.models import Channel
from pipeline import agreements, transitions
from pipeline.models import Absence, Activity, Agreement, ChannelTerms, ClockPause, Handoff, Notification
from pipeline.sla import Clock
from pipeline.sweep import sweep
from pipeline.transitions import TransitionError
from tests.factories import (
    NOON,
    CampaignFactory,
    a_contacted_handoff,
    a_handoff,
    a_qualified_lead,
    days,
)

pytestmark = pytest.mark.django_db
HOUR = datetime.timedelta(hours=1)


def url(name: str, *args: object) -> str:
    return reverse(f"pipeline:{name}", args=args)


def agree(**terms: object) -> None:
    """Change the version in force, as if it had always said so."""
    Agreement.objects.update(**terms)


def fresh(handoff: Handoff) -> Handoff:
    return Handoff.objects.select_related("lead", "agreement", "assigned_to").get(pk=handoff.pk)


def due_in(handoff: Handoff) -> list[float]:
    """After how many days from NOON the clocks are due: first contact, verdict."""
    now = fresh(handoff)
    return [(getattr(now, f"{clock}_due_at") - NOON) / days(1) for clock in Clock]


def told(kind: str) -> list[str]:
    return list(Notification.objects.filter(kind=kind).order_by("pk").values_list("recipient__name", flat=True))


def kinds(handoff: Handoff) -> list[str]:
    return list(handoff.lead.events.order_by("pk").values_list("kind", flat=True))


# --- What a pause moves ----------------------------------------------------------------------------------------------


def test_a_pause_moves_both_clocks_and_an_early_end_moves_them_back(mia, sam, max_):  # H2
    handoff = a_handoff(sam, by=mia)
    transitions.pause(handoff, NOON + days(9), " On holiday ", by=sam, at=NOON + days(2))
    assert due_in(handoff) == [14, 21]  # 5 and 12 days remained
    paused = fresh(handoff)
    assert [paused.clock_state(clock, NOON + days(9) - HOUR) for clock in Clock] == ["paused", "paused"]
    assert [paused.clock_state(clock, NOON + days(9)) for clock in Clock] == ["running", "running"]
    assert paused.lead.cold_at == NOON + days(9 + 14)
    transitions.resume(handoff, by=max_, at=NOON + days(4))
    assert due_in(handoff) == [9, 16]
    assert (fresh(handoff).paused_until, fresh(handoff).lead.cold_at) == (None, NOON + days(4 + 14))
    assert kinds(handoff)[-2:] == ["paused", "resumed"]
    paused, resumed = timeline.entries(handoff.lead.events.order_by("pk"))[-2:]
    assert ("paused the clocks until" in paused.sentence, paused.details[0]) == (True, ("", "On holiday"))
    assert (resumed.sentence, len(resumed.details)) == ("let the clocks go on", 2)
    with pytest.raises(TransitionError, match="aren't paused"):
        transitions.resume(handoff, by=sam, at=NOON + days(4))


def test_a_stopped_clock_stays_and_a_contact_in_a_pause_ends_nothing(mia, sam):  # H2
    contacted, handoff = a_contacted_handoff(sam, by=mia), a_handoff(sam, by=mia)
    for each in (contacted, handoff):
        transitions.pause(each, NOON + days(3), "Later", by=sam, at=NOON + days(1))
    assert (due_in(contacted), due_in(handoff)) == ([7, 16], [9, 16])
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON + days(2))
    now = fresh(handoff)
    assert (now.is_paused(NOON + days(2)), now.lead.cold_at) == (True, NOON + days(3 + 14))
    transitions.resume(handoff, by=sam, at=NOON + days(2))
    assert due_in(handoff) == [9, 15]  # the first clock stopped before
    assert fresh(handoff).clock_state(Clock.FIRST_CONTACT, NOON + days(30)) == "kept"


def test_an_overdue_clock_goes_on_and_is_escalated_while_the_other_waits(mia, sam, max_, dora):  # H2
    handoff = a_handoff(sam, by=mia)
    sweep(NOON + days(7.5))
    transitions.pause(handoff, NOON + days(20), "Away", by=sam, at=NOON + days(7.6))
    now = fresh(handoff)
    assert due_in(handoff) == [7, 26.4]
    assert [now.clock_state(clock, NOON + days(9)) for clock in Clock] == ["overdue", "paused"]
    assert list(Handoff.objects.overdue(Clock.FIRST_CONTACT, NOON + days(9))) == [handoff]
    sweep(NOON + days(11))
    assert told("escalated") == ["Max", "Dora"]
    late = a_handoff(sam, by=mia)
    with pytest.raises(TransitionError, match="overdue already"):
        transitions.pause(late, NOON + days(20), "Away", by=sam, at=NOON + days(14) + HOUR)


def test_the_verdict_may_come_in_a_pause_and_stops_the_clock_where_it_is(mia, sam):  # H4
    handoff = a_contacted_handoff(sam, by=mia)
    transitions.pause(handoff, NOON + days(10), "Later", by=sam, at=NOON)
    transitions.accept(handoff, by=sam, at=NOON + days(1))
    now = fresh(handoff)
    assert due_in(handoff) == [7, 24]
    assert (now.clock_state(Clock.VERDICT, NOON + days(2)), now.is_paused(NOON + days(2))) == ("kept", False)
    assert not sweep(NOON + days(11))["pauses"]
    with pytest.raises(TransitionError, match="already accepted"):
        transitions.pause(handoff, NOON + days(12), "Later", by=sam, at=NOON + days(11))


def test_working_days_and_office_hours_of_the_channel_are_paused_as_they_are_counted(mia, sam):  # H2
    channel = Channel.objects.create(name="Fair")
    terms = {"first_contact_days": 1, "day_kind": "office"}
    ChannelTerms.objects.create(agreement=Agreement.objects.get(), channel=channel, **terms)
    lead = a_qualified_lead(by=mia, campaign=CampaignFactory(channel=channel))
    handoff = transitions.hand_over(lead, to=sam, by=mia, at=NOON)
    assert due_in(handoff) == [1, 18]  # nine hours: Tuesday noon; 14 working days: Friday 20 March
    # On Monday 15:00 six hours of nine remain; after Friday 20:00 they begin on Monday at nine.
    transitions.pause(handoff, NOON + days(4) + 8 * HOUR, "Later", by=sam, at=NOON + 3 * HOUR)
    assert fresh(handoff).first_contact_due_at == NOON + days(7) + 3 * HOUR


# --- What is refused -------------------------------------------------------------------------------------------------


def test_who_pauses_when_and_how_often(mia, sam, sid, max_, dora, vera):  # H2
    agree(max_pause_days=10)
    handoff, start = a_handoff(sam, by=mia), NOON + days(1)
    for person, refusal in ((mia, NotAllowed), (vera, NotAllowed), (sid, NotYours)):
        with pytest.raises(refusal):
            transitions.pause(handoff, NOON + days(2), "x", by=person, at=start)
    for until, why, said in [
        (start, "x", "past"),
        (NOON, "x", "past"),
        (start + days(10) + HOUR, "x", "at most"),
        (datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC), "x", "at most"),
        (NOON + days(2), "  ", "Say why"),
    ]:
        with pytest.raises(TransitionError, match=said):
            transitions.pause(handoff, until, why, by=sam, at=start)
    transitions.pause(handoff, start + days(10), "x", by=dora, at=start)
    with pytest.raises(TransitionError, match="Dora already paused"):
        transitions.pause(handoff, start + days(3), "x", by=sam, at=start)
    # The first is over by time, and nothing swept it: the next begins, and both are in the log.
    transitions.pause(handoff, start + days(12), "y", by=max_, at=start + days(11))
    assert kinds(handoff)[-3:] == ["paused", "resumed", "paused"]
    with pytest.raises(TransitionError, match="there were 2"):
        transitions.pause(handoff, start + days(14), "z", by=sam, at=start + days(13))
    assert (ClockPause.objects.count(), due_in(handoff)) == (2, [18, 25])


def test_a_pause_is_taken_back_from_its_toast_as_if_it_had_not_been(mia, sam):  # H2
    handoff = a_handoff(sam, by=mia)
    sweep(NOON + days(5.5))
    transitions.pause(handoff, NOON + days(20), "Oh", by=sam, at=NOON + days(6))
    assert fresh(handoff).first_contact_alert == Handoff.Alert.NONE
    event = handoff.lead.events.get(kind="paused")
    transitions.undo(event, by=sam, at=NOON + days(6) + HOUR)
    now = fresh(handoff)
    assert (due_in(handoff), now.paused_until, now.first_contact_alert, now.pauses.count()) == ([7, 14], None, 1, 0)
    assert now.lead.cold_at == NOON + days(14)
    with pytest.raises(TransitionError):
        transitions.undo(event, by=sam, at=NOON + days(6) + HOUR)


# --- Who is told -----------------------------------------------------------------------------------------------------


def test_nobody_is_reminded_in_a_pause_and_each_level_is_told_again_of_the_new_time(mia, sam):  # H3
    handoff = a_handoff(sam, by=mia)
    sweep(NOON + days(5.5))
    transitions.pause(handoff, NOON + days(15), "Later", by=sam, at=NOON + days(6))  # due on day 16 and 23
    for after in (10, 14.5):
        sweep(NOON + days(after))
    assert (told("due_soon"), told("cold"), told("pause_ended")) == (["Sam"], [], [])
    for _twice in range(2):
        sweep(NOON + days(15))
    assert (told("pause_ended"), fresh(handoff).paused_until) == (["Sam"], None)
    assert handoff.lead.events.get(kind="resumed").at == NOON + days(15)
    for _twice in range(2):
        sweep(NOON + days(16) + HOUR)
    assert (told("due_soon"), told("overdue")) == (["Sam", "Sam"], ["Sam"])


def test_a_short_pause_reminds_nobody_twice(mia, sam):  # H3
    handoff = a_handoff(sam, by=mia)
    sweep(NOON + days(5.5))
    transitions.pause(handoff, NOON + days(5.6) + HOUR, "Call at three", by=sam, at=NOON + days(5.6))
    sweep(NOON + days(6))
    assert told("due_soon") == ["Sam"]


def test_who_stands_in_for_an_absent_rep_is_told_too(mia, sam, sid, max_):  # H1
    a_handoff(sam, by=mia)
    day = NOON.date()
    Absence.objects.create(user=sam, starts_on=day + days(7), ends_on=day + days(7), deputy=sid)
    sweep(NOON + days(5.5))
    sweep(NOON + days(7) + HOUR)
    sweep(NOON + days(8) + HOUR)
    assert (told("due_soon"), told("overdue"), told("escalated")) == (["Sam"], ["Sam", "Sid"], ["Max"])


# --- Another rep -----------------------------------------------------------------------------------------------------


def test_reassigning_keeps_the_clocks_and_a_pause(mia, sam, max_):  # H2
    handoff = a_handoff(sam, by=mia)
    transitions.pause(handoff, NOON + days(3), "Later", by=sam, at=NOON)
    transitions.reassign(handoff, max_, by=max_, at=NOON + days(1))
    assert (due_in(handoff), fresh(handoff).is_paused(NOON + days(1))) == ([10, 17], True)
    assert "due_before" not in handoff.lead.events.get(kind="reassigned").data
    assert str(Notification.objects.get(recipient=sam, kind="reassigned")) == "Max took over your lead"


def test_the_agreement_may_restart_the_clocks_also_in_a_pause(mia, sam, max_):  # H2
    agree(restarts_on_reassign=True)
    running, paused = a_handoff(sam, by=mia), a_contacted_handoff(sam, by=mia)
    sweep(NOON + days(8))
    transitions.pause(paused, NOON + days(12), "Later", by=sam, at=NOON + days(8))
    for handoff in (running, paused):
        transitions.reassign(handoff, max_, by=max_, at=NOON + days(10))
    assert (due_in(running), due_in(paused)) == ([17, 24], [7, 26])
    assert fresh(running).first_contact_alert == Handoff.Alert.NONE
    moved = running.lead.events.get(kind="reassigned").data
    assert moved["due_before"]["first_contact"] == (NOON + days(7)).isoformat()
    assert moved["due_after"]["first_contact"] == (NOON + days(17)).isoformat()
    transitions.resume(paused, by=max_, at=NOON + days(11))
    assert due_in(paused) == [7, 25]  # the whole 14 days from there


def test_the_figures_follow_a_clock_that_started_again(mia, sam, max_):  # K3
    agree(restarts_on_reassign=True)
    handoff = a_handoff(sam, by=mia)
    facts.recompute(NOON + days(8))
    overdue = Fact.objects.filter(measure="first_contact_due")
    assert [fact.day for fact in overdue] == [NOON.date() + days(7)]
    transitions.reassign(handoff, max_, by=max_, at=NOON + days(8))
    facts.recompute(NOON + days(8) + HOUR)
    assert not overdue.all().exists()


# --- The pool --------------------------------------------------------------------------------------------------------


def test_a_cold_lead_goes_to_the_pool_once_and_only_while_it_waits_for_a_verdict(mia, sam, max_, dora):  # H3
    agree(cold_to_pool=True)
    handoff, accepted = a_contacted_handoff(sam, by=mia), a_contacted_handoff(sam, by=mia)
    transitions.accept(accepted, by=sam, at=NOON)
    for _twice in range(2):
        sweep(NOON + days(14))
    assert list(Handoff.objects.in_pool()) == [handoff]
    assert (told("pooled"), told("cold")) == (["Sam", "Max"], ["Sam"])
    assert kinds(handoff)[-2:] == ["cold", "pooled"]
    with pytest.raises(TransitionError, match="in the pool"):
        transitions.pause(handoff, NOON + days(16), "x", by=sam, at=NOON + days(14))
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.NO_ANSWER, by=sam, at=NOON + days(15))
    assert Handoff.objects.in_pool().exists()
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON + days(15))
    assert not Handoff.objects.in_pool().exists()
    assert fresh(handoff).first_contact_at == NOON


def test_whoever_takes_first_has_the_lead_and_the_next_is_told_who(mia, sam, sid, max_, dora, vera):  # H3
    agree(cold_to_pool=True)
    handoff = a_contacted_handoff(sam, by=mia)
    with pytest.raises(TransitionError, match="Sam has it"):
        transitions.take(handoff, by=sid, at=NOON)
    sweep(NOON + days(14))
    for person in (mia, vera):
        with pytest.raises(NotAllowed):
            transitions.take(handoff, by=person, at=NOON + days(15))
    for _twice in range(2):
        transitions.take(handoff, by=sid, at=NOON + days(15))
    now = fresh(handoff)
    assert (now.assigned_to, now.pooled_at, due_in(handoff)) == (sid, None, [7, 14])
    told = Notification.objects.get(recipient=sam, kind="reassigned")
    assert (str(told), told.details) == ("Sid took over your lead", ["Sales rep: Sid"])
    assert OutboxMessage.objects.filter(dedup_key=f"notification {told.pk}").count() == 1
    assert (now.lead.cold_at, kinds(handoff).count("taken")) == (NOON + days(15 + 14), 1)
    with pytest.raises(TransitionError, match="Sid already took this lead"):
        transitions.take(handoff, by=max_, at=NOON + days(16))
    (entry,) = timeline.entries(handoff.lead.events.filter(kind="taken"))
    assert entry.sentence == "took the lead from the pool; Sam had it"
    # A contact that is undone doesn't make the lead as cold as it was with the one who had it before.
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sid, at=NOON + days(16))
    transitions.undo(handoff.lead.events.filter(kind="activity").latest("pk"), by=sid, at=NOON + days(16))
    assert fresh(handoff).lead.cold_at == NOON + days(15 + 14)


def test_a_manager_gives_a_pooled_lead_to_somebody_also_back_to_its_rep(mia, sam, max_):  # H3
    agree(cold_to_pool=True)
    handoff = a_contacted_handoff(sam, by=mia)
    sweep(NOON + days(14))
    transitions.reassign(handoff, sam, by=max_, at=NOON + days(15))
    assert (fresh(handoff).pooled_at, kinds(handoff)[-1]) == (None, "reassigned")
    assert Notification.objects.filter(kind="reassigned").count() == 1  # who keeps it gets it, and no more is told


# --- The agreement ---------------------------------------------------------------------------------------------------


def test_a_channels_terms_belong_to_their_version(mia, sam, dora):  # H2
    fair = Channel.objects.create(name="Fair")
    before, terms = Agreement.objects.get(), agreements.terms(Agreement.objects.get())
    own = {"channel": fair, "first_contact_days": 2, "verdict_days": None, "day_kind": ""}
    made = agreements.put_in_force(terms, channels=[own], seen_version=1, by=dora, at=NOON)
    agreements.put_in_force({**terms, "cold_to_pool": True}, seen_version=2, by=dora, at=NOON + days(1))
    at = {"start": NOON, "channel": fair.pk, "organisation": Organisation.current()}
    assert [made.due_at(clock, **at) - NOON for clock in Clock] == [days(2), days(14)]
    assert before.due_at(Clock.FIRST_CONTACT, **at) == NOON + days(7)
    said = [(made.version, [str(change.after) for change in changes]) for made, changes in agreements.history()]
    assert said == [(3, ["yes"]), (2, ["2"]), (1, [])]  # the third kept the channel's
    first = a_handoff(sam, by=mia, at=NOON + HOUR, campaign=CampaignFactory(channel=fair))
    agreements.put_in_force(terms, channels=[], seen_version=3, by=dora, at=NOON + days(2))
    second = a_handoff(sam, by=mia, at=NOON + days(2), campaign=CampaignFactory(channel=fair))
    assert [each.first_contact_due_at - each.handed_over_at for each in (first, second)] == [days(2), days(7)]


# --- The pages -------------------------------------------------------------------------------------------------------


def test_the_pages_pause_resume_take_and_list(as_user, mia, sam, sid, max_, dora, django_assert_max_num_queries):  # H2
    now = timezone.now()
    handoff, pooled = (a_contacted_handoff(sam, by=mia, at=now) for _each in range(2))
    Handoff.objects.filter(pk=pooled.pk).update(pooled_at=now)
    client, local = as_user(sam), timezone.localtime(now) + days(3)
    pause = url("handoff_pause", handoff.pk)
    assert "30 days at most" in client.get(pause).content.decode()
    for until in ("2001-01-01T00:00", "9999-12-31T23:59", "0001-01-01T00:00", "soon", ""):
        assert client.post(pause, {"until": until, "reason": "x"}).status_code == 422
    said = {"until": f"{local:%Y-%m-%dT%H:%M}", "reason": "<b>Budget</b> in June"}
    assert client.post(pause, said).status_code == 302
    page = client.get(url("inbox")).content.decode()
    assert all(text in page for text in ("paused until", "End the pause", "undo/"))
    assert "&lt;b&gt;Budget&lt;/b&gt;" in client.get(url("handoff_detail", handoff.pk)).content.decode()
    assert "1 handoff is paused" in as_user(dora).get(reverse("kpi:sla")).content.decode()
    assert "?state=paused" in as_user(dora).get(url("weekly_review")).content.decode()
    listed = [
        client.get(url("handoff_list") + query).context["count"].number
        for query in ("?state=paused", "?state=paused&clock=verdict", "?state=running&clock=verdict")
    ]
    assert listed == [1, 1, 2]
    assert client.get(url("handoff_list") + "?state=overdue").status_code == 400  # of which clock?
    assert client.post(url("handoff_resume", handoff.pk)).status_code == 302
    assert fresh(handoff).paused_until is None
    other = as_user(sid)
    with django_assert_max_num_queries(16):
        page = other.get(url("inbox") + "?scope=pool")
    assert [row["handoff"] for row in page.context["rows"]] == [pooled]
    row = other.post(
        url("handoff_take", pooled.pk), headers={"HX-Request": "true", "HX-Target": f"handoff-{pooled.pk}"}
    )
    assert ("You have" in row.content.decode(), fresh(pooled).assigned_to) == (True, sid)
    assert (
        "Sid already took this lead" in as_user(max_).post(url("handoff_take", pooled.pk), follow=True).content.decode()
    )
    assert "pool is empty" in other.get(url("inbox") + "?scope=pool").content.decode()


def test_the_director_edits_the_terms_of_channels(as_user, dora, sam):  # P1
    fair = Channel.objects.create(name="Trade fairs")
    sent = {name: value for name, value in agreements.terms(Agreement.objects.get()).items() if value is not False}
    sent |= {"seen_version": 1, "channels-TOTAL_FORMS": 2, "channels-INITIAL_FORMS": 0, "cold_to_pool": "on"}
    row = {"channels-0-channel": fair.pk, "channels-0-first_contact_days": 3}
    client = as_user(dora)
    for wrong in (
        {"channels-0-first_contact_days": 3},  # of which channel?
        {"channels-0-channel": fair.pk},  # what differs?
        row | {"channels-0-verdict_days": 2},
        row | {"channels-0-first_contact_days": 15},  # after everybody's verdict
        row | {"channels-1-channel": fair.pk, "channels-1-verdict_days": 20},
        row | {"channels-0-channel": 10**9},
        row | {"channels-TOTAL_FORMS": "x"},
        row | {"channels-TOTAL_FORMS": 10**6},
    ):
        assert client.post(url("agreement"), sent | wrong).status_code == 422, wrong
    assert client.post(url("agreement"), sent | row).status_code == 302
    page = as_user(sam).get(url("agreement")).content.decode()
    assert all(text in page for text in ("Trade fairs", "→ 3"))
