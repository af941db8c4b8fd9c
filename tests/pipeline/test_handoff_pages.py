"""The inbox, the list of handoffs and what is done with one, in a browser."""

import datetime
import uuid

import pytest
from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from accounts.keyset import keyset_page
from leads.models import LeadEvent, Stage
from pipeline import transitions
from pipeline.forms.handoff_filters import HandoffFilter
from pipeline.models import Activity, Handoff
from pipeline.views import handoffs
from tests.factories import ContactFactory, a_contacted_handoff, a_handoff, a_lead, an_opportunity, days, reason

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def now() -> datetime.datetime:
    return timezone.now()


def url(name: str, *args) -> str:
    return reverse(f"pipeline:{name}", args=args)


def as_row(handoff: Handoff) -> dict:
    """Headers of a step that the inbox's row sends."""
    return {"headers": {"HX-Request": "true", "HX-Target": f"handoff-{handoff.pk}"}}


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


# --- The inbox -------------------------------------------------------------------------------------------------------


def test_the_inbox_shows_what_is_due_first(as_user, mia, sam, now):  # H5
    later = a_handoff(sam, by=mia, at=now)
    verdict_first = a_contacted_handoff(sam, by=mia, at=now - days(13))  # its verdict is due tomorrow
    contact_first = a_handoff(sam, by=mia, at=now - days(8))  # its first contact is a day overdue
    page = as_user(sam).get(url("inbox"))
    assert [row["handoff"] for row in page.context["rows"]] == [contact_first, verdict_first, later]


def test_both_clocks_are_shown_with_words(as_user, mia, sam, now):  # H2
    a_handoff(sam, by=mia, at=now - days(8))
    text = as_user(sam).get(url("inbox")).content.decode()
    assert "clock-overdue" in text
    assert "24 h overdue" in text
    assert "clock-running" in text


def test_everyone_begins_with_their_own_scope_and_may_look_at_others(as_user, mia, sam, sid, max_, dora, now):  # H5
    mine, theirs = a_handoff(sam, by=mia, at=now), a_handoff(sid, by=mia, at=now)
    shown = {
        (person.name, scope): {
            row["handoff"]
            for row in as_user(person).get(url("inbox"), {"scope": scope} if scope else {}).context["rows"]
        }
        for person, scope in [(sam, ""), (max_, ""), (dora, ""), (sam, "all"), (max_, "mine")]
    }
    assert shown == {
        ("Sam", ""): {mine},
        ("Max", ""): {mine},
        ("Dora", ""): {mine, theirs},
        ("Sam", "all"): {mine, theirs},
        ("Max", "mine"): set(),
    }


def test_an_empty_inbox_says_what_it_is_for(as_user, sam):  # U6
    assert "Nothing waits for you" in as_user(sam).get(url("inbox")).content.decode()


def test_an_unknown_scope_or_filter_is_a_400(as_user, sam):  # U3
    client = as_user(sam)
    for query in ({"scope": "galaxy"}, {"colour": "red"}, {"after": "garbage"}):
        assert client.get(url("inbox"), query).status_code == 400


def test_pages_of_the_inbox_join_without_gap_or_repeat(as_user, mia, sam, now, monkeypatch):  # U3
    monkeypatch.setattr(handoffs, "keyset_page", lambda *asked, **kwargs: keyset_page(*asked, **kwargs | {"size": 2}))
    made = {a_handoff(sam, by=mia, at=now - days(n % 3)).pk for n in range(7)}
    client, seen, query = as_user(sam), [], {}
    while True:
        page = client.get(url("inbox"), query)
        seen += [row["handoff"].pk for row in page.context["rows"]]
        if not page.context["next_key"]:
            break
        query = {"after": page.context["next_key"]}
    assert len(seen) == 7
    assert set(seen) == made


def test_the_number_of_queries_does_not_grow_with_the_rows(as_user, mia, sam, now, django_assert_max_num_queries):  # U3
    client = as_user(sam)
    for _n in range(6):
        a_handoff(sam, by=mia, at=now - days(8))
    for name in ("inbox", "home", "handoff_list"):
        with django_assert_max_num_queries(15):
            assert client.get(url(name)).status_code == 200


# --- Two taps --------------------------------------------------------------------------------------------------------


def test_a_call_is_logged_from_the_row_and_the_fresh_row_comes_back(as_user, mia, sam, now):  # H5
    handoff = a_handoff(sam, by=mia, at=now)
    response = as_user(sam).post(
        url("activity_log", handoff.lead_id), {"what": "call:reached", "note": "Call again in May"}, **as_row(handoff)
    )
    handoff.refresh_from_db()
    assert handoff.first_contact_at is not None
    text = response.content.decode()
    assert f'id="handoff-{handoff.pk}"' in text
    assert "clock-kept" in text
    assert url("undo", LeadEvent.objects.get(kind="activity").pk) in text  # the toast's Undo comes along


def test_the_same_click_twice_is_one_activity(as_user, mia, sam, now):  # H5
    handoff = a_handoff(sam, by=mia, at=now)
    client, data = as_user(sam), {"what": "call:no_answer", "submission_key": uuid.uuid4()}
    for _twice in range(2):
        client.post(url("activity_log", handoff.lead_id), data)
    assert Activity.objects.count() == 1
    assert LeadEvent.objects.filter(kind="activity").count() == 1


def test_what_does_not_fit_together_is_not_logged(as_user, mia, sam, now):  # H5
    client, handoff = as_user(sam), a_handoff(sam, by=mia, at=now)
    for what in ("", "call", "call:sent", "email:no_answer", "dance:reached", "call:reached:twice"):
        response = client.post(url("activity_log", handoff.lead_id), {"what": what, "note": "Said yes"})
        assert response.status_code == 422, what
        assert "Said yes" in response.content.decode()  # what was typed is kept
    assert not Activity.objects.exists()


def test_a_note_that_can_not_be_stored_is_refused_with_a_message(as_user, mia, sam, now):  # U4
    client, handoff = as_user(sam), a_handoff(sam, by=mia, at=now)
    for note in ("a\x00b", "x" * 5001):
        data = {"what": "call:reached", "note": note}
        assert client.post(url("activity_log", handoff.lead_id), data).status_code == 422
        response = client.post(url("activity_log", handoff.lead_id), data, **as_row(handoff))
        assert len(messages_of(response)) == 1
    assert not Activity.objects.exists()


def test_logging_can_be_undone_from_its_toast(as_user, mia, sam, now):  # H5
    handoff = a_handoff(sam, by=mia, at=now)
    client = as_user(sam)
    client.post(url("activity_log", handoff.lead_id), {"what": "call:reached"})
    response = client.post(
        url("undo", LeadEvent.objects.get(kind="activity").pk), headers={"Referer": f"http://testserver{url('inbox')}"}
    )
    assert response.url == f"http://testserver{url('inbox')}"
    handoff.refresh_from_db()
    assert handoff.first_contact_at is None


# --- The verdict -----------------------------------------------------------------------------------------------------


def test_accepting_from_the_row_shows_the_way_to_the_opportunity(as_user, mia, sam, now):  # H4
    handoff = a_contacted_handoff(sam, by=mia, at=now)
    response = as_user(sam).post(url("handoff_accept", handoff.pk), **as_row(handoff))
    opportunity = handoff.lead.opportunities.get()
    assert url("opportunity_detail", opportunity.pk) in response.content.decode()


def test_accepting_before_any_contact_is_a_message(as_user, mia, sam, now):  # H4
    handoff = a_handoff(sam, by=mia, at=now)
    response = as_user(sam).post(url("handoff_accept", handoff.pk), follow=True)
    assert response.status_code == 200
    assert "first contact" in messages_of(response)[0]
    handoff.refresh_from_db()
    assert handoff.is_pending


def test_on_a_stale_page_one_is_told_who_was_faster(as_user, mia, sam, max_, now):  # H4
    handoff = a_contacted_handoff(sam, by=mia, at=now)
    as_user(max_).post(url("handoff_accept", handoff.pk))
    answers = [
        as_user(sam).post(url("handoff_accept", handoff.pk), **as_row(handoff)),
        as_user(sam).post(url("handoff_reject", handoff.pk), {"reason": reason().pk, "missing": "x"}),
    ]
    for answer, code in zip(answers, (200, 422), strict=True):
        assert answer.status_code == code
        assert "Max already accepted this lead" in answer.content.decode()
    assert handoff.lead.opportunities.count() == 1


def test_a_rep_who_lost_the_lead_meanwhile_is_told_whose_it_is(as_user, mia, sam, max_, now):  # H4
    handoff = a_contacted_handoff(sam, by=mia, at=now)
    transitions.reassign(handoff, max_, by=max_, at=now)
    response = as_user(sam).post(url("handoff_accept", handoff.pk), **as_row(handoff))
    assert response.status_code == 200
    assert "This belongs to Max" in response.content.decode()


def test_rejecting_asks_for_a_reason_and_feedback_and_keeps_what_was_typed(as_user, mia, sam, now):  # H4
    handoff = a_handoff(sam, by=mia, at=now)
    client = as_user(sam)
    without_reason = client.post(url("handoff_reject", handoff.pk), {"missing": "The <b>budget</b>"})
    assert without_reason.status_code == 422
    assert "The &lt;b&gt;budget&lt;/b&gt;" in without_reason.content.decode()
    without_words = client.post(url("handoff_reject", handoff.pk), {"reason": reason().pk})
    assert "Say at least one" in without_words.content.decode()
    handoff.refresh_from_db()
    assert handoff.is_pending
    client.post(
        url("handoff_reject", handoff.pk),
        {"reason": reason().pk, "missing": "The budget", "misread_at": ["criterion:budget"]},
    )
    handoff.refresh_from_db()
    assert (handoff.verdict, handoff.missing, handoff.lead.stage) == ("rejected", "The budget", Stage.RETURNED)


def test_the_dialog_says_on_how_many_days_the_client_was_tried(as_user, mia, sam, now):  # H4
    handoff = a_handoff(sam, by=mia, at=now - days(3))
    for back in (2, 1):
        transitions.log_activity(
            handoff.lead, Activity.Kind.CALL, Activity.Outcome.NO_ANSWER, by=sam, at=now - days(back)
        )
    client = as_user(sam)
    assert client.get(url("handoff_reject", handoff.pk)).context["attempts"] == 2
    refused = client.post(url("handoff_reject", handoff.pk), {"reason": reason(evidence="attempts").pk})
    assert "2 recorded so far" in refused.content.decode()


def test_a_switched_off_or_foreign_reason_is_no_reason(as_user, mia, sam, now):  # H4
    handoff = a_handoff(sam, by=mia, at=now)
    off = reason()
    off.is_active = False
    off.save()
    client = as_user(sam)
    for wrong in (off.pk, reason("loss").pk, 10**30, "x"):
        response = client.post(url("handoff_reject", handoff.pk), {"reason": wrong, "missing": "x"})
        assert response.status_code == 422
    handoff.refresh_from_db()
    assert handoff.is_pending


def test_a_manager_reassigns_within_the_team_only(as_user, mia, sam, sid, max_, dora, now):  # H1
    handoff = a_handoff(sam, by=mia, at=now)
    as_user(max_).post(url("handoff_reassign", handoff.pk), {"to": sid.pk})
    handoff.refresh_from_db()
    assert handoff.assigned_to == sam
    as_user(dora).post(url("handoff_reassign", handoff.pk), {"to": sid.pk})
    handoff.refresh_from_db()
    assert handoff.assigned_to == sid


def test_reassigning_does_not_offer_who_has_the_lead_already(as_user, mia, sam, max_, now):  # H1
    address = url("handoff_reassign", a_handoff(sam, by=mia, at=now).pk)
    assert f'value="{max_.pk}"' in (page := as_user(max_).get(address).content.decode())
    assert f'value="{sam.pk}"' not in page


def test_a_form_does_not_lead_to_other_sites(as_user, mia, sam, now):  # U4
    handoff = a_contacted_handoff(sam, by=mia, at=now)
    response = as_user(sam).post(url("handoff_accept", handoff.pk), {"next": "https://evil.example/"})
    assert response.url == url("handoff_detail", handoff.pk)


# --- The list and the page -------------------------------------------------------------------------------------------


def test_every_filter_of_the_list_opens_its_records(as_user, mia, sam, sid, now):  # K1
    overdue = a_handoff(sam, by=mia, at=now - days(8))
    accepted = a_contacted_handoff(sid, by=mia, at=now - days(1))
    transitions.accept(accepted, by=sid, at=now)
    rejected = a_handoff(sam, by=mia, at=now)
    transitions.reject(rejected, reason(), by=sam, at=now, missing="x", criteria_doubt="x")
    client, today = as_user(mia), timezone.localdate().isoformat()
    expected = {
        "": {overdue, accepted, rejected},
        "verdict=accepted": {accepted},
        f"reason={reason().pk}": {rejected},
        f"rep={sid.pk}": {accepted},
        "rep=none": set(),
        f"team={sam.team_id}": {overdue, rejected},
        f"channel={overdue.lead.campaign.channel_id}": {overdue},
        f"campaign={accepted.lead.campaign_id}": {accepted},
        "product=none": {overdue, accepted, rejected},
        f"handed_over_from={today}": {rejected},
        f"decided_from={today}&decided_to={today}": {accepted, rejected},
        "clock=first_contact&state=overdue": {overdue},
        "clock=first_contact&state=kept": {accepted, rejected},
        f"clock=first_contact&due_to={today}": {overdue},
        f"q={overdue.lead.contact.email}": {overdue},
    }
    shown = {
        query: {row["handoff"] for row in client.get(f"{url('handoff_list')}?{query}").context["rows"]}
        for query in expected
    }
    assert shown == expected


def test_a_filter_that_is_not_offered_is_a_400(as_user, mia):  # U3
    client = as_user(mia)
    for name in ("handoff_list", "handoff_filter"):
        assert client.get(f"{url(name)}?colour=red").status_code == 400
    for query in [
        "colour=red",
        "rep=x",
        "rep=99999",
        "verdict=maybe",
        "handed_over_from=soon",
        "state=late",
        "q=%00",
        "rep=1%00",
    ]:
        with pytest.raises(BadRequest):
            HandoffFilter.read(QueryDict(query))


def test_the_page_of_a_handoff_shows_all_that_marketing_knows(as_user, mia, sam, now):  # H1
    handoff = a_handoff(
        sam,
        by=mia,
        at=now,
        note="Saw the <script>alert(1)</script> demo",
        preferred_meeting_time="Tuesday morning",
        contact=ContactFactory(name='<img src=x onerror="alert(2)">', phone="+14155550100"),
    )
    transitions.record_brief(handoff.lead, "Counts visitors in 20 shops", by=mia, at=now)
    text = as_user(sam).get(url("handoff_detail", handoff.pk)).content.decode()
    for known in ("Tuesday morning", "Counts visitors in 20 shops", 'href="tel:+14155550100"', "Has a need that our"):
        assert known in text
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text


def test_who_does_not_want_to_be_contacted_is_not_a_tap_away(as_user, mia, sam, now):  # L13
    contact = ContactFactory(phone="+14155550100", do_not_contact=True)
    a_handoff(sam, by=mia, at=now, contact=contact)
    text = as_user(sam).get(url("inbox")).content.decode()
    assert "tel:" not in text
    assert "Do not contact" in text


# --- The lead's panel ------------------------------------------------------------------------------------------------


def test_the_panel_offers_each_person_what_they_may_do_next(as_user, mia, sam, vera, now):  # H5
    new, handed_over, selling = a_lead(by=mia), a_handoff(sam, by=mia, at=now).lead, an_opportunity(sam, by=mia).lead
    offers = ["may_log", "may_qualify", "may_keep_warm", "may_brief", "may_hand_over", "may_remove"]
    shown = {}
    for person in (mia, sam, vera):
        client = as_user(person)
        for lead in (new, handed_over, selling):
            context = client.get(url("lead_panel", lead.pk)).context
            shown[lead, person] = {offer for offer in offers if context[offer]}
    assert shown == {
        (new, mia): {"may_log", "may_qualify", "may_keep_warm", "may_brief", "may_remove"},
        (new, sam): set(),
        (new, vera): set(),
        (handed_over, mia): {"may_brief"},
        (handed_over, sam): {"may_log"},
        (handed_over, vera): set(),
        (selling, mia): {"may_brief"},
        (selling, sam): {"may_log"},
        (selling, vera): set(),
    }


def test_the_word_none_can_be_searched_for(sam, as_user):  # H5
    client = as_user(sam)
    for page in ("handoff_list", "opportunity_list", "opportunity_board"):
        assert client.get(url(page), {"q": "none"}).status_code == 200
