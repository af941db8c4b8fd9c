"""The qualification desk: who is next, the call sheet, what came of the call, and when to try again."""

import datetime
import uuid
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.keyset import keyset_page
from accounts.models import Organisation
from leads.models import CriteriaSet, Lead, Questionnaire, QuestionnaireVersion, Stage
from pipeline import transitions
from pipeline.desk import Queue, call_back_times, next_lead, queue_of, ready_to_qualify, retry_at
from pipeline.models import Activity, Task
from pipeline.to_do import open_task
from pipeline.views import desk as desk_pages
from tests.factories import (
    NOON,
    CampaignFactory,
    ProductFactory,
    a_handoff,
    a_lead,
    a_questionnaire,
    days,
    meet_criteria,
    reason,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]

CALL, Outcome = Activity.Kind.CALL, Activity.Outcome
HOUR, MINUTE = datetime.timedelta(hours=1), datetime.timedelta(minutes=1)


def url(name: str, *args) -> str:
    return reverse(f"pipeline:{name}", args=args)


def call(lead: Lead, by, outcome=Outcome.REACHED, *, at: datetime.datetime, **more) -> Activity:
    return transitions.log_activity(lead, CALL, outcome, by=by, at=at, **more)


def fresh(lead: Lead) -> Lead:
    return Lead.objects.select_related("contact").get(pk=lead.pk)


def sent(outcome: str, **more) -> dict:
    return {"outcome": outcome, "submission_key": str(uuid.uuid4()), "initial-brief": "", "brief": "", **more}


# --- Who is next -----------------------------------------------------------------------------------------------------


def everybody(now: datetime.datetime) -> list[Lead]:
    """Who the desk goes to when everybody is skipped."""
    order, lead = [], next_lead(Lead.objects.all(), now)
    while lead is not None:
        order.append(lead)
        lead = next_lead(Lead.objects.all(), now, after=lead)
    return order


def test_new_leads_come_first_newest_on_top_then_agreed_calls_then_the_open_ones(mia, dan):  # L8
    old, new = a_lead(by=mia), a_lead(by=mia, at=NOON + HOUR)
    unknown = a_lead(by=mia)
    Lead.objects.filter(pk=unknown.pk).update(registered_at=None)
    later, sooner, not_yet = (a_lead(by=mia) for _n in range(3))
    for lead, hours in ((later, 5), (sooner, 4), (not_yet, 200)):
        call(lead, dan, Outcome.CALL_BACK, at=NOON, next_attempt_at=NOON + hours * HOUR)
    open_one = a_lead(by=mia)
    call(open_one, dan, at=NOON)
    assert everybody(NOON + days(1)) == [new, old, unknown, sooner, later, open_one]
    assert list(Queue.LATER.of(Lead.objects.all(), NOON + days(1))) == [not_yet]


def test_each_lead_waits_in_the_queue_that_says_so_of_itself(mia, dan, sam):
    now = NOON + days(1)
    leads = [a_lead(by=mia) for _n in range(4)]
    call(leads[1], dan, at=NOON)
    call(leads[2], dan, Outcome.NO_ANSWER, at=NOON, next_attempt_at=NOON + HOUR)
    call(leads[3], dan, Outcome.NO_ANSWER, at=NOON, next_attempt_at=NOON + days(3))
    leads += [a_handoff(sam, by=mia).lead, a_lead(by=mia)]
    leads[-1].contact.do_not_contact = True
    leads[-1].contact.save()
    expected = [Queue.NEW, Queue.OPEN, Queue.DUE, Queue.LATER, None, None]
    assert [queue_of(fresh(lead), now) for lead in leads] == expected
    for queue in Queue:
        assert [lead for lead, of in zip(leads, expected, strict=True) if of == queue] == list(
            queue.of(Lead.objects.all(), now)
        )


def test_who_meets_the_criteria_already_is_to_be_qualified_and_not_called(as_user, mia, dan):  # L6 L8
    now = NOON + days(1)
    to_ask, ready, planned = a_lead(by=mia), a_lead(by=mia, at=NOON + HOUR), a_lead(by=mia)
    for lead in (to_ask, ready):
        call(lead, dan, at=NOON + HOUR)
    call(planned, dan, Outcome.CALL_BACK, at=NOON, next_attempt_at=NOON + days(3))
    for lead in (ready, planned):
        meet_criteria(lead, by=dan)
    assert ready_to_qualify(Lead.objects.all(), now) == [ready.pk]
    assert everybody(now) == [to_ask]
    sections = {each["queue"]: each for each in as_user(dan).get(url("desk")).context["sections"]}
    listed = {queue: [row["lead"] for row in section["rows"]] for queue, section in sections.items()}
    assert (listed[Queue.READY], listed[Queue.OPEN]) == ([ready], [to_ask])
    for queue, lead, word in ((Queue.READY, ready, "Qualify"), (Queue.OPEN, to_ask, "Call")):
        page = as_user(dan).get(url("desk"), {"queue": queue}).content.decode()
        assert [row.pk for row in (ready, to_ask) if f'"{url("desk_sheet", row.pk)}' in page] == [lead.pk]
        assert f"{word}</a>" in page
    CriteriaSet.objects.all().delete()
    assert ready_to_qualify(Lead.objects.all(), now) == [], "without criteria nothing was agreed"


def test_whom_somebody_has_just_called_is_left_to_them(mia, dan):  # L8
    first, second = a_lead(by=mia, at=NOON + HOUR), a_lead(by=mia)
    call(first, dan, Outcome.WRONG_NUMBER, at=NOON + 2 * HOUR)
    assert next_lead(Lead.objects.all(), NOON + 2 * HOUR + 9 * MINUTE) == second
    assert next_lead(Lead.objects.all(), NOON + 2 * HOUR + 11 * MINUTE) == first


def test_the_queue_shows_who_called_just_now(as_user, mia, dan):  # L8
    lead = a_lead(by=mia, at=timezone.now() - HOUR)
    call(lead, dan, Outcome.WRONG_NUMBER, at=timezone.now() - MINUTE)
    for address in (url("desk"), url("desk_sheet", lead.pk)):
        assert "Dan" in as_user(mia).get(address).content.decode(), address
    assert "Perhaps they are still on the line" in as_user(mia).get(url("desk_sheet", lead.pk)).content.decode()


# --- The desk --------------------------------------------------------------------------------------------------------


def test_the_desk_narrows_to_mine_to_a_campaign_and_to_a_product(as_user, mia, dan):  # L8
    campaign, product = CampaignFactory(), ProductFactory()
    mine = a_lead(by=dan)
    of_campaign = a_lead(by=mia, campaign=campaign)
    of_product = a_lead(by=mia, product=product)

    def shown(query: str) -> set:
        response = as_user(dan).get(url("desk") + query)
        return {row["lead"] for section in response.context["sections"] for row in section["rows"]}

    assert shown("") == {mine, of_campaign, of_product}
    assert shown("?whose=mine") == {mine}
    assert shown(f"?campaign={campaign.pk}") == {of_campaign}
    assert shown(f"?product={product.pk}") == {of_product}
    assert shown("?product=none") == {mine, of_campaign}
    assert shown("?queue=due") == set()
    assert as_user(dan).get(url("desk") + "?colour=red").status_code == 400


def test_one_queue_is_paged(as_user, mia, dan, monkeypatch):
    monkeypatch.setattr(desk_pages, "keyset_page", lambda *asked, **kwargs: keyset_page(*asked, **kwargs | {"size": 3}))
    for _n in range(5):
        a_lead(by=mia)
    response = as_user(dan).get(url("desk") + "?queue=new")
    (section,) = response.context["sections"]
    after = section["page"].next_key
    (rest,) = as_user(dan).get(url("desk") + f"?queue=new&after={after}").context["sections"]
    assert (len(section["rows"]), len(rest["rows"])) == (3, 2)


def test_an_empty_desk_says_what_belongs_there(as_user, dan):  # U6
    assert "Nobody waits for a call" in as_user(dan).get(url("desk")).content.decode()
    assert "Nobody waits here" in as_user(dan).get(url("desk") + "?whose=mine").content.decode()
    response = as_user(dan).get(url("desk_next"), follow=True)
    assert "Nobody else is waiting" in response.content.decode()


def test_the_desk_takes_the_same_queries_for_any_number_of_leads(as_user, mia, dan, django_assert_num_queries):  # U3
    def some(number: int) -> None:
        for _n in range(number):
            a_lead(by=mia)
            call(a_lead(by=mia), dan, at=NOON)
            call(meet_criteria(a_lead(by=mia)), dan, at=NOON)
            call(a_lead(by=mia), dan, Outcome.NO_ANSWER, at=NOON, next_attempt_at=NOON + HOUR)

    client = as_user(dan)
    some(1)
    client.get(url("desk"))
    with django_assert_num_queries(27) as few:
        client.get(url("desk"))
    some(2)
    with django_assert_num_queries(len(few)):
        client.get(url("desk"))


# --- The sheet -------------------------------------------------------------------------------------------------------


def test_only_what_is_unknown_is_asked_and_a_tap_answers_it(as_user, mia, dan):  # L8
    lead = a_lead(by=mia)
    client = as_user(dan)
    before = client.get(url("desk_sheet", lead.pk)).context
    key = before["asked"][0].criterion.key
    response = client.post(url("desk_criterion", lead.pk), {"key": key, "value": "yes"}, headers={"HX-Request": "true"})
    assert [row.criterion.key for row in response.context["known"]] == [key]
    assert len(response.context["asked"]) == len(before["asked"]) - 1
    assert lead.answers.get(key=key).answered_by == dan


def test_an_answer_to_nothing_is_refused(as_user, mia, dan):
    lead, client = a_lead(by=mia), as_user(dan)
    for wrong in ({"key": "nope", "value": "yes"}, {"key": "need", "value": "perhaps"}, {}):
        response = client.post(url("desk_criterion", lead.pk), wrong, follow=True)
        assert "criteria have changed" in response.content.decode(), wrong
    assert not lead.answers.exists()


def test_what_a_rule_decides_is_not_asked(as_user, mia, dan):  # L8
    lead = a_lead(by=mia)
    criterion = as_user(dan).get(url("desk_sheet", lead.pk)).context["asked"][0].criterion
    criterion.rule = {"match": "all", "conditions": [{"field": "contact.email", "comparison": "filled"}]}
    criterion.save()
    context = as_user(dan).get(url("desk_sheet", lead.pk)).context
    assert criterion.key not in [row.criterion.key for row in context["asked"]]
    as_user(dan).post(url("desk_criterion", lead.pk), {"key": criterion.key, "value": "no"})
    assert not lead.answers.exists()


def test_who_must_not_be_contacted_has_no_link_to_call(as_user, mia, dan):  # L13
    lead = a_lead(by=mia)
    contact = lead.contact
    contact.set_phone("+1 202 555 0143")
    contact.save()
    assert "tel:+12025550143" in as_user(dan).get(url("desk_sheet", lead.pk)).content.decode()
    contact.do_not_contact = True
    contact.save()
    page = as_user(dan).get(url("desk_sheet", lead.pk)).content.decode()
    assert "want to be contacted" in page
    assert "tel:" not in page
    assert "mailto:" not in page


def test_saving_leads_to_the_next_lead_with_the_filters_and_an_undo(as_user, mia, dan):  # L8
    first, second, other = a_lead(by=dan, at=NOON + HOUR), a_lead(by=dan), a_lead(by=mia, at=NOON - HOUR)
    client = as_user(dan)
    response = client.post(url("desk_sheet", first.pk) + "?whose=mine", sent("reached", note="Likes tea"))
    assert response.url == url("desk_sheet", second.pk) + "?whose=mine"
    page = client.get(response.url).content.decode()
    assert reverse("pipeline:undo", args=[first.events.get(kind="activity").pk]) in page
    lead = fresh(first)
    assert (lead.stage, lead.activities.get().note, lead.activities.get().by) == (Stage.CONTACTED, "Likes tea", dan)
    assert as_user(dan).get(url("desk_next") + f"?skip={second.pk}").url == url("desk_sheet", other.pk)


def test_sending_the_sheet_twice_records_one_call(as_user, mia, dan):
    lead = a_lead(by=mia)
    body = sent("reached", brief="Wants it all")
    for _twice in range(2):
        as_user(dan).post(url("desk_sheet", lead.pk), body)
    assert lead.activities.count() == 1
    assert lead.events.filter(kind="briefed").count() == 1


def test_nobody_answering_plans_the_next_attempt(as_user, mia, dan):  # L8
    lead = a_lead(by=mia)
    client = as_user(dan)
    form = client.get(url("desk_sheet", lead.pk)).context["form"]
    client.post(url("desk_sheet", lead.pk), sent("no_answer", retry_at=form.initial["retry_at"]))
    assert fresh(lead).next_attempt_at == datetime.datetime.fromisoformat(form.initial["retry_at"])
    assert client.get(url("desk_sheet", lead.pk)).context["attempts"] == 1
    client.post(url("desk_sheet", lead.pk), sent("no_answer", retry_at=""))
    assert fresh(lead).next_attempt_at is None


def test_a_call_back_is_agreed_by_one_button_or_by_a_date(as_user, mia, dan):  # L8
    lead, client = a_lead(by=mia), as_user(dan)
    moment = (timezone.now() + days(2)).replace(second=0, microsecond=0)
    client.post(url("desk_sheet", lead.pk), sent(f"call_back@{moment.isoformat()}"))
    assert (fresh(lead).next_attempt_at, fresh(lead).stage) == (moment, Stage.CONTACTED)
    dan.time_zone = "Europe/Berlin"
    dan.save()
    typed = (moment + days(1)).astimezone(ZoneInfo("Europe/Berlin"))
    client.post(url("desk_sheet", lead.pk), sent("call_back", when=typed.strftime("%Y-%m-%dT%H:%M")))
    assert fresh(lead).next_attempt_at == moment + days(1)


def test_what_makes_no_sense_is_refused_and_what_was_typed_is_kept(as_user, mia, dan):
    lead, client = a_lead(by=mia), as_user(dan)
    for wrong in [
        {"outcome": "call_back"},
        {"outcome": "call_back@soon"},
        {"outcome": "call_back@2026-03-02T10:00"},
        {"outcome": "call_back@2020-01-01T10:00:00+00:00"},
        {"outcome": "call_back@9999-12-31T23:59:59+00:00"},
        {"outcome": "call_back", "when": "yesterday"},
        {"outcome": "no_answer", "retry_at": "soon"},
        {"outcome": "sent"},
        {"outcome": ""},
        {"outcome": "reached", "note": "a\x00b"},
        {"outcome": "reached", "submission_key": "1"},
    ]:
        response = client.post(url("desk_sheet", lead.pk), sent("reached", brief="Wants it all") | wrong)
        assert response.status_code == 422, wrong
        assert "Wants it all" in response.content.decode()
    assert not lead.activities.exists()
    assert fresh(lead).brief == ""


def test_a_wrong_number_stays_on_the_sheet(as_user, mia, dan):
    lead = a_lead(by=mia)
    a_lead(by=mia)
    response = as_user(dan).post(url("desk_sheet", lead.pk), sent("wrong_number"), follow=True)
    assert response.context["lead"] == lead
    assert "Look for another number" in response.content.decode()


def test_a_brief_that_somebody_else_changed_meanwhile_is_not_overwritten(as_user, mia, dan):
    lead, client = a_lead(by=mia), as_user(dan)
    transitions.record_brief(lead, "From Mia", by=mia, at=NOON)
    client.post(url("desk_sheet", lead.pk), sent("reached"))  # opened before, left blank
    assert fresh(lead).brief == "From Mia"
    response = client.post(url("desk_sheet", lead.pk), sent("reached", brief="From Dan"))
    assert response.status_code == 422
    page = response.content.decode()
    assert "From Mia" in page
    assert "From Dan" in page
    assert (fresh(lead).brief, lead.activities.count()) == ("From Mia", 1)


def test_a_lead_handed_over_during_the_call_says_so_and_keeps_what_was_typed(as_user, mia, dan, sam):
    lead = a_handoff(sam, by=mia).lead
    response = as_user(dan).post(url("desk_sheet", lead.pk), sent("reached", note="Likes tea"))
    assert response.status_code == 422
    page = response.content.decode()
    assert "Sales has this lead now" in page
    assert "Likes tea" in page
    assert not lead.activities.exists()


def test_when_the_criteria_are_met_the_sheet_offers_to_qualify_and_then_to_hand_over(as_user, mia, dan):  # L8
    lead, client = meet_criteria(a_lead(by=mia)), as_user(dan)
    assert url("lead_qualify", lead.pk) in client.get(url("desk_sheet", lead.pk)).content.decode()
    client.post(url("lead_qualify", lead.pk))
    page = client.get(url("desk_sheet", lead.pk)).content.decode()
    assert url("lead_qualify", lead.pk) not in page
    assert url("lead_hand_over", lead.pk) in page
    removed = a_lead(by=mia)
    transitions.remove(removed, reason("removal"), by=mia, at=NOON)
    assert "Removed" in client.get(url("desk_sheet", removed.pk)).content.decode()


# --- When to try again -----------------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def offered(now: str) -> list[datetime.datetime]:
    with timezone.override(BERLIN):
        return [
            moment.at for moment in call_back_times(berlin(now), Organisation(time_zone="Europe/Berlin", country="DE"))
        ]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # Tuesday: in two hours, the next two mornings, Monday
        ("2026-03-03 11:20", ["2026-03-03 13:20", "2026-03-04 10:00", "2026-03-05 10:00", "2026-03-09 10:00"]),
        # In two hours the office is closed; Friday and Monday are the next mornings.
        ("2026-03-05 17:00", ["2026-03-06 10:00", "2026-03-09 10:00"]),
        # Saturday
        ("2026-03-07 11:00", ["2026-03-09 10:00", "2026-03-10 10:00"]),
        # Before Easter: Friday and Monday are free.
        ("2026-04-02 17:00", ["2026-04-07 10:00", "2026-04-08 10:00"]),
    ],
)
def test_only_office_hours_are_offered(now, expected):  # L8
    assert offered(now) == [berlin(each) for each in expected]


def test_where_the_readers_morning_is_outside_the_office_the_next_working_hour_is_offered():
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        now = berlin("2026-03-03 20:00")
        (only,) = call_back_times(now, Organisation(time_zone="Europe/Berlin", country="DE"))
    assert only.at == berlin("2026-03-04 10:00")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-03 10:00", "2026-03-04 15:00"),  # missed in the morning: tomorrow afternoon
        ("2026-03-03 15:00", "2026-03-04 10:00"),
        ("2026-03-06 16:00", "2026-03-09 10:00"),  # over the weekend
        ("2026-03-07 11:00", "2026-03-09 10:00"),
    ],
)
def test_who_did_not_answer_is_tried_at_another_time_of_day(now, expected):  # L8
    assert retry_at(berlin(now), Organisation(time_zone="Europe/Berlin", country="DE")).at == berlin(expected)


# --- Tasks, and My day -----------------------------------------------------------------------------------------------


def test_my_day_shows_my_tasks_and_calls_that_are_due(as_user, mia, dan):  # UX 1
    now = timezone.now()
    due = open_task(title="Send the price list", assignee=dan, due_at=now - HOUR, by=mia, at=now, lead=a_lead(by=mia))
    open_task(title="Next week", assignee=dan, due_at=now + days(7), by=mia, at=now)
    open_task(title="Mia's own", assignee=mia, due_at=now - HOUR, by=mia, at=now)
    agreed = a_lead(by=mia, at=now)
    call(agreed, dan, Outcome.CALL_BACK, at=now - HOUR, next_attempt_at=now - MINUTE)
    tasks, calls, new = as_user(dan).get(url("home")).context["sections"]
    assert tasks["rows"] == [due]
    assert [row["lead"] for row in calls["rows"]] == [agreed]
    assert [row["lead"] for row in new["rows"]] == [due.lead]


def test_a_task_is_added_on_the_leads_page_done_and_taken_back(as_user, mia, sam):  # H10
    lead, client = a_lead(by=mia), as_user(mia)
    body = {"title": "Send the price list", "assignee": sam.pk, "due_at": "2026-03-03T10:00", "note": "The new one"}
    assert client.post(url("task_add", lead.pk), body).status_code == 302
    client.post(url("task_add", lead.pk), body)
    task = Task.objects.get()
    assert (task.lead, task.assignee, task.created_by) == (lead, sam, mia)
    assert "Send the price list" in client.get(url("lead_panel", lead.pk)).content.decode()
    page = as_user(sam).post(url("task_done", task.pk), follow=True).content.decode()
    assert url("task_reopen", task.pk) in page
    assert Task.objects.get().done_by == sam
    as_user(sam).post(url("task_reopen", task.pk))
    assert Task.objects.get().done_at is None


def test_a_task_that_makes_no_sense_is_refused(as_user, mia, vera):
    body = {"title": "Send the price list", "assignee": mia.pk, "due_at": "2026-03-03T10:00"}
    client, address = as_user(mia), url("task_add", a_lead(by=mia).pk)
    for wrong in [
        {"title": ""},
        {"title": "a\x00b"},
        {"assignee": 0},
        {"assignee": vera.pk},
        {"due_at": "soon"},
        {"due_at": "0001-01-01T00:00"},
    ]:
        assert client.post(address, body | wrong).status_code == 422, wrong
    assert not Task.objects.exists()


def test_somebody_elses_task_is_left_alone_with_a_word(as_user, mia, dan, sam):
    task = open_task(title="Send the price list", assignee=dan, due_at=NOON, by=mia, at=NOON)
    page = as_user(sam).post(url("task_done", task.pk), follow=True).content.decode()
    assert "Dan&#x27;s task" in page
    assert Task.objects.get().done_at is None


# --- The brief as a questionnaire ------------------------------------------------------------------------------------


def a_brief() -> QuestionnaireVersion:
    version = a_questionnaire(
        {
            "key": "solve",
            "kind": "yes_no",
            "criterion_key": "need",
            "criterion_rule": {"comparison": "is", "value": True},
        },
        {"key": "sum", "kind": "number", "is_required": True},
        kind="brief",
        is_open=False,
    )
    version.script = "Say who you are"
    version.save()
    return version


def test_the_brief_filled_in_during_the_call_decides_criteria_and_moves_the_lead(as_user, mia, dan):  # L8
    a_brief()
    lead, client = a_lead(by=mia), as_user(dan)
    assert "Say who you are" in client.get(url("desk_sheet", lead.pk)).content.decode()
    client.post(url("desk_sheet", lead.pk), sent("reached", **{"q-solve": "yes", "q-sum": "5000"}))
    lead = fresh(lead)
    assert lead.stage == Stage.BRIEFED
    assert lead.contacted_at <= lead.briefed_at
    assert lead.answers.get(key="need").value == "yes"
    submission = lead.submissions.get()
    assert (submission.via, submission.submitted_by) == ("phone", dan)
    # Seen again unchanged, it is not answered again.
    client.post(url("desk_sheet", lead.pk), sent("reached", **{"q-solve": "yes", "q-sum": "5000"}))
    assert lead.submissions.count() == 1


def test_the_brief_filled_in_on_the_leads_page_moves_it_too_but_another_questionnaire_does_not(as_user, mia, dan):  # L8
    brief, lead, client = a_brief(), a_lead(by=mia), as_user(dan)
    visitors = a_questionnaire({"key": "size", "kind": "number"}, campaign=lead.campaign)
    for version, stage in ((visitors, Stage.NEW), (brief, Stage.BRIEFED)):
        address = f"{url('lead_questionnaire', lead.pk)}?questionnaire={version.questionnaire.pk}"
        body = {"q-size": "3", "q-sum": "5000", "submission_key": str(uuid.uuid4())}
        for _time in range(2):
            assert client.post(address, body).status_code == 302
        assert fresh(lead).stage == stage
    assert lead.events.filter(kind="briefed").count() == 1
    assert lead.submissions.count() == 2


def test_a_half_filled_brief_is_kept_and_a_later_call_completes_it(as_user, mia, dan):  # L8
    a_brief()
    lead, client = a_lead(by=mia), as_user(dan)
    moment = (timezone.now() + days(2)).isoformat(timespec="minutes")
    client.post(url("desk_sheet", lead.pk), sent(f"call_back@{moment}", **{"q-solve": "yes"}))
    assert (fresh(lead).stage, lead.submissions.count()) == (Stage.CONTACTED, 1)
    assert client.get(url("desk_sheet", lead.pk)).context["brief"].initial["q-solve"] == "yes"
    client.post(url("desk_sheet", lead.pk), sent("reached", **{"q-solve": "yes", "q-sum": "7"}))
    assert fresh(lead).stage == Stage.BRIEFED


def test_where_nobody_answered_the_brief_asks_for_nothing(as_user, mia, dan):
    a_brief()
    lead = a_lead(by=mia)
    response = as_user(dan).post(url("desk_sheet", lead.pk), sent("no_answer", retry_at=""))
    assert response.status_code == 302
    assert not lead.submissions.exists()


def test_a_wrong_answer_in_the_brief_saves_nothing_and_keeps_what_was_typed(as_user, mia, dan):
    a_brief()
    lead = a_lead(by=mia)
    response = as_user(dan).post(url("desk_sheet", lead.pk), sent("reached", note="Likes tea", **{"q-sum": "much"}))
    assert response.status_code == 422
    page = response.content.decode()
    assert "Nothing is saved yet" in page
    assert "Likes tea" in page
    assert not lead.activities.exists()


def test_a_products_own_brief_is_asked_before_the_general_one(mia):  # L6
    product = ProductFactory()
    general = QuestionnaireVersion.objects.brief_of(a_lead(by=mia, product=product))
    own = QuestionnaireVersion.objects.create(
        questionnaire=Questionnaire.objects.create(kind="brief", name="Training", product=product),
        number=1,
        published_at=NOON,
    )
    assert QuestionnaireVersion.objects.brief_of(a_lead(by=mia, product=product)) == own
    assert QuestionnaireVersion.objects.brief_of(a_lead(by=mia, product=ProductFactory())) == general
