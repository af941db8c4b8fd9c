"""Marketing's steps in a browser: qualify, keep warm, brief, hand over one or many, remove, restore."""

import pytest
from django.urls import reverse
from django.utils import timezone

from leads.models import LeadEvent, Stage
from pipeline import transitions
from pipeline.models import Handoff
from pipeline.views import leads as lead_views
from tests.factories import a_handoff, a_lead, a_qualified_lead, meet_criteria, reason

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def url(name: str, *args) -> str:
    return reverse(f"pipeline:{name}", args=args)


def test_qualifying_too_early_says_what_is_missing(as_user, mia):  # L6
    lead = a_lead(by=mia)
    response = as_user(mia).post(url("lead_qualify", lead.pk), follow=True)
    assert "Required criteria are not met yet" in str(next(iter(response.context["messages"])))
    lead.refresh_from_db()
    assert lead.stage == Stage.NEW


def test_a_step_repeated_is_a_message_and_changes_nothing_more(as_user, mia):  # L6
    lead = meet_criteria(a_lead(by=mia), by=mia)
    client = as_user(mia)
    for _twice in range(2):
        assert client.post(url("lead_qualify", lead.pk), follow=True).status_code == 200
    assert lead.events.filter(kind="qualified").count() == 1


def test_the_brief_is_kept_and_moves_a_new_lead(as_user, mia):  # L8
    lead = a_lead(by=mia)
    as_user(mia).post(url("lead_brief", lead.pk), {"brief": "Twenty shops"})
    lead.refresh_from_db()
    assert (lead.brief, lead.stage) == ("Twenty shops", Stage.BRIEFED)


def test_handing_over_to_a_chosen_rep_takes_the_note_along(as_user, mia, sam, sid):  # H1
    lead = a_qualified_lead(by=mia)
    as_user(mia).post(url("lead_hand_over", lead.pk), {"to": sid.pk, "note": "Call on Tuesday"})
    handoff = lead.handoffs.get()
    assert (handoff.assigned_to, handoff.note) == (sid, "Call on Tuesday")


def test_who_does_not_sell_can_not_be_given_a_lead(as_user, mia, dan, vera):  # H1
    lead = a_qualified_lead(by=mia)
    for person in (dan, vera):
        assert as_user(mia).post(url("lead_hand_over", lead.pk), {"to": person.pk}).status_code == 200
    assert not Handoff.objects.exists()


def test_without_any_rep_the_form_says_so(as_user, mia):  # H1
    lead = a_qualified_lead(by=mia)
    response = as_user(mia).post(url("lead_hand_over", lead.pk), {})
    assert "There is no active sales rep" in response.content.decode()


def test_removing_and_restoring(as_user, mia):  # L11
    lead = a_lead(by=mia)
    client = as_user(mia)
    client.post(url("lead_remove", lead.pk), {})
    lead.refresh_from_db()
    assert not lead.is_removed
    client.post(url("lead_remove", lead.pk), {"reason": reason("removal").pk})
    lead.refresh_from_db()
    assert lead.is_removed
    client.post(url("lead_restore", lead.pk))
    lead.refresh_from_db()
    assert lead.stage == Stage.NEW


# --- Many at once ----------------------------------------------------------------------------------------------------


def test_many_leads_are_shared_out_fairly_and_each_says_what_became_of_it(as_user, mia, sam, sid):  # H1
    leads = [a_qualified_lead(by=mia) for _n in range(4)]
    not_ready = a_lead(by=mia)
    asked = as_user(mia).post(url("leads_hand_over"), {"selected": [lead.pk for lead in [*leads, not_ready]]})
    assert (len(asked.context["leads"]), len(asked.context["ready"])) == (5, 4)
    assert not Handoff.objects.exists()
    done = as_user(mia).post(
        url("leads_hand_over"), {"selected": [lead.pk for lead in [*leads, not_ready]], "confirmed": "1"}
    )
    results = {result["lead"]: result for result in done.context["results"]}
    assert sorted(str(results[lead]["rep"]) for lead in leads) == ["Sam", "Sam", "Sid", "Sid"]
    assert "so this step isn't possible" in results[not_ready]["why_not"]


def test_sent_twice_nothing_is_handed_over_twice(as_user, mia, sam):  # H1
    lead = a_qualified_lead(by=mia)
    client, data = as_user(mia), {"selected": [lead.pk], "confirmed": "1"}
    first, second = (client.post(url("leads_hand_over"), data) for _n in range(2))
    assert first.context["results"][0]["rep"] == sam
    assert "Handed over" in second.context["results"][0]["why_not"]
    assert Handoff.objects.count() == 1


def test_more_leads_than_fit_are_refused_before_anything_is_done(as_user, mia, sam, monkeypatch):  # H1
    monkeypatch.setattr(lead_views, "MOST_AT_ONCE", 2)
    leads = [a_qualified_lead(by=mia) for _n in range(3)]
    response = as_user(mia).post(
        url("leads_hand_over"), {"selected": [lead.pk for lead in leads], "confirmed": "1"}, follow=True
    )
    assert "at most 2" in response.content.decode()
    assert not Handoff.objects.exists()


@pytest.mark.parametrize("selected", [[], ["x"], ["-1"], ["9" * 30], ["²"], ["99999"]])
def test_a_selection_of_nothing_is_a_message(selected, as_user, mia, sam):  # H1
    response = as_user(mia).post(url("leads_hand_over"), {"selected": selected, "confirmed": "1"}, follow=True)
    assert response.status_code == 200
    assert "Select the leads first" in response.content.decode()


def test_only_ones_own_last_step_is_undone_in_the_browser(as_user, mia, dora):  # H5
    lead = a_qualified_lead(by=mia)
    event = LeadEvent.objects.get(kind="qualified")
    response = as_user(dora).post(url("undo", event.pk), follow=True)
    assert "Only who did it" in str(next(iter(response.context["messages"])))
    as_user(mia).post(url("undo", event.pk))
    lead.refresh_from_db()
    assert lead.stage == Stage.NEW


def test_my_day_puts_calls_before_returned_leads_before_those_to_hand_over(as_user, mia, sam, dan):  # H4
    now = timezone.now()
    handoff = a_handoff(sam, by=mia, at=now)
    transitions.reject(handoff, reason(), by=sam, at=now, missing="x", criteria_doubt="x")
    waiting, fresh = a_qualified_lead(by=mia, at=now), a_lead(by=mia, at=now)
    sections = as_user(mia).get(url("home")).context["sections"]
    assert [
        [row["lead"].pk if isinstance(row, dict) else getattr(row, "lead_id", row.pk) for row in section["rows"]]
        for section in sections
    ] == [
        [fresh.pk],
        [handoff.lead_id],
        [waiting.pk],
    ]
