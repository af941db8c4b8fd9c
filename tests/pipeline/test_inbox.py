"""A rep's inbox: calls agreed on, notes added afterwards, wrong numbers, several leads at once, and what marketing knows."""

import datetime
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.access import NotYours
from integrations.models import OutboxMessage
from leads.models import Contact, Lead, LeadEvent
from pipeline import transitions
from pipeline.desk import agreed_with_sales
from pipeline.models import Activity, Handoff, MailTemplate
from pipeline.transitions import TransitionError
from tests.factories import NOON, CompanyFactory, ContactFactory, a_contacted_handoff, a_handoff, a_lead, an_opportunity

pytestmark = pytest.mark.django_db
HOUR = datetime.timedelta(hours=1)
CALL, REACHED = Activity.Kind.CALL, Activity.Outcome.REACHED


def url(name: str, *args) -> str:
    return reverse(f"pipeline:{name}", args=args)


def test_calls_agreed_with_sales_wait_for_whoever_sells(mia, sam, sid):  # H5
    def agree(lead, by, hours):
        transitions.log_activity(
            lead, CALL, Activity.Outcome.CALL_BACK, by=by, at=NOON, next_attempt_at=NOON + hours * HOUR
        )

    handed_over, selling, theirs = a_handoff(sam, by=mia).lead, an_opportunity(sam, by=mia).lead, a_handoff(sid).lead
    for lead, by, hours in ((handed_over, sam, 3), (selling, sam, 2), (theirs, sid, 1)):
        agree(lead, by, hours)
    later, marketings = a_handoff(sam, by=mia).lead, a_lead(by=mia)
    agree(later, sam, 30)
    agree(marketings, mia, 1)
    today = agreed_with_sales(Lead.objects.all(), sam, NOON + 12 * HOUR)
    assert list(today) == [selling, handed_over]
    Contact.objects.filter(leads=selling).update(do_not_contact=True)
    transitions.log_activity(handed_over, CALL, REACHED, by=sam, at=NOON + 4 * HOUR)  # the promise is kept
    assert list(today.all()) == []


def test_two_taps_agree_on_a_call_and_my_day_shows_it(as_user, mia, sam):  # H5
    now = timezone.now()
    handoff, client = a_handoff(sam, by=mia, at=now - HOUR), as_user(sam)
    then, log = now + HOUR, url("activity_log", handoff.lead_id)
    row = {"headers": {"HX-Request": "true", "HX-Target": f"handoff-{handoff.pk}"}}
    answer = client.post(log, {"what": f"call:call_back@{then.isoformat()}", "submission_key": uuid.uuid4()}, **row)
    text, activity = answer.content.decode(), Activity.objects.get()
    assert url("activity_note", activity.pk) in text
    assert Lead.objects.get().next_attempt_at == then
    Lead.objects.update(next_attempt_at=now)  # the hour has passed
    assert "Agreed calls" in client.get(url("home")).content.decode()
    for wrong in ("call:call_back", "call:call_back@never", f"call:call_back@{(now - HOUR).isoformat()}"):
        assert client.post(log, {"what": wrong, "note": "Kept"}).status_code == 422
    event = LeadEvent.objects.get(kind="activity")
    client.post(url("undo", event.pk))
    assert Lead.objects.get().next_attempt_at is None
    client.post(log, {"what": "call:call_back", "when": "2099-01-01T10:00"})  # too far ahead
    assert not Activity.objects.exists()


def test_a_note_is_added_afterwards_and_undoing_stays_possible(mia, sam, sid):  # H5
    handoff = a_handoff(sam, by=mia)
    activity = transitions.log_activity(handoff.lead, CALL, REACHED, by=sam, at=NOON)
    for _again in range(2):
        transitions.note_activity(activity, " Asks for a price ", by=sam, at=NOON + HOUR)
    with pytest.raises(NotYours, match="who recorded it"):
        transitions.note_activity(activity, "Not mine", by=sid, at=NOON + HOUR)
    activity.refresh_from_db()
    assert activity.note == "Asks for a price"
    assert LeadEvent.objects.filter(kind="note").count() == 1
    transitions.undo(LeadEvent.objects.get(kind="activity"), by=sam, at=NOON + HOUR)
    with pytest.raises(TransitionError, match="undone meanwhile"):
        transitions.note_activity(activity, "Too late", by=sam, at=NOON + HOUR)


def test_a_wrong_number_is_put_right_in_place(as_user, mia, sam):  # H5
    handoff, client = a_handoff(sam, by=mia), as_user(sam)
    row = {"headers": {"HX-Request": "true", "HX-Target": f"handoff-{handoff.pk}"}}
    asked = client.post(url("activity_log", handoff.lead_id), {"what": "call:wrong_number"}, **row).content.decode()
    number = url("lead_number", handoff.lead_id)
    assert number in asked
    assert number in client.post(number, {"phone": "none"}, **row).content.decode()
    assert number not in client.post(number, {"phone": "+44 20 7946 0018"}, **row).content.decode()
    assert Contact.objects.get(leads=handoff.lead).phone == "+442079460018"


def test_several_are_accepted_and_each_fate_is_told_and_undone_together(as_user, mia, sam, sid):  # H5
    ready = [a_contacted_handoff(sam, by=mia) for _n in range(2)]
    uncontacted, theirs = a_handoff(sam, by=mia), a_contacted_handoff(sid, by=mia)
    chosen = {"selected": [handoff.pk for handoff in (*ready, uncontacted, theirs)]}
    client = as_user(sam)
    page = client.post(url("handoffs_accept"), chosen)
    fates = {result["handoff"]: result["why_not"] for result in page.context["results"]}
    assert [fates[handoff] for handoff in ready] == ["", ""]
    assert "Record your first contact" in fates[uncontacted]
    assert "belongs to Sid" in fates[theirs]
    assert "already accepted" in client.post(url("handoffs_accept"), chosen).content.decode()
    assert "2 leads are back" in client.post(page.context["undo_url"], follow=True).content.decode()
    assert Handoff.objects.pending().count() == 4
    assert client.post(url("handoffs_accept"), {"selected": ["x", ""]}, follow=True).context["rows"]
    many = client.post(url("handoffs_accept"), {"selected": range(1, 60)}, follow=True)
    assert "at most 50" in many.content.decode()


def test_one_template_goes_to_several_once_and_a_manager_gives_them_away(as_user, mia, sam, max_):  # H5
    template = MailTemplate.objects.create(name="T", subject_en="Hi {name}", body_en="Hello", is_for_sales=True)
    reachable, silent = a_handoff(sam, by=mia), a_handoff(sam, by=mia)
    Contact.objects.filter(leads=silent.lead).update(do_not_contact=True)
    client, chosen = as_user(sam), {"selected": [reachable.pk, silent.pk]}
    asked = client.post(url("handoffs_mail"), chosen)
    assert "want to be contacted" in asked.content.decode()
    sent = chosen | {"confirmed": "1", "template": template.pk, "submission_key": uuid.uuid4()}
    for _twice in range(2):
        page = client.post(url("handoffs_mail"), sent)
        assert [bool(result["why_not"]) for result in page.context["results"]] == [False, True]
    assert Activity.objects.get().message.subject == f"Hi {reachable.lead}"
    assert client.post(url("handoffs_mail"), sent | {"template": "0"}).status_code == 422
    event = LeadEvent.objects.get(kind="activity")
    client.post(url("undo_together", event.pk))
    assert OutboxMessage.objects.get(subject__startswith="Hi").failed_at is not None
    given = as_user(max_).post(url("handoffs_reassign"), chosen | {"confirmed": "1", "to": max_.pk})
    assert given.context["done"] == 2
    assert set(Handoff.objects.values_list("assigned_to", flat=True)) == {max_.pk}


def test_what_marketing_knows_is_on_one_screen_by_the_same_queries(as_user, mia, sam):  # H5
    company = CompanyFactory(name="Initech", city="Tula", industry="Retail")
    contact = ContactFactory(name="Nina", company=company)
    before = an_opportunity(sam, by=mia, contact=contact)
    fields = {"agreed": "Send the deck", "preferred_meeting_time": "Tue after 15:00", "brief": "Counts visitors"}
    handoff, client = a_handoff(sam, by=mia, contact=contact, **fields), as_user(sam)
    page = url("handoff_detail", handoff.pk)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            client.get(page)
        return len(seen)

    text, few = client.get(page).content.decode(), queries()
    for known in (*fields.values(), "Initech", "Tula", "Retail", url("opportunity_detail", before.pk), "Met at"):
        assert known in text, known
    for _n in range(3):
        colleague = ContactFactory(company=company)
        an_opportunity(sam, by=mia, contact=colleague)
        a_handoff(sam, by=mia, contact=colleague)
    assert queries() == few


def test_who_only_looks_is_offered_nothing_to_press(as_user, mia, sam, vera):  # H5
    a_contacted_handoff(sam, by=mia)
    for person in (mia, vera):
        text = as_user(person).get(url("inbox")).content.decode()
        assert "What marketing knows" in text
        for nothing in ('data-key="a"', 'data-key="c"', 'name="selected"', "bulk-bar"):
            assert nothing not in text
