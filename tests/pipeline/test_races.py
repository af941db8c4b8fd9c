"""Many at once: one wins, the others are told who, and nothing is done twice. Real threads on real connections."""

import sqlite3
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from django.db import connection, connections
from django.db.models import Model

from integrations.models import OutboxMessage
from leads import consents
from leads.answering import NotNow, decide, submit
from leads.criteria import approval, drafts
from leads.criteria.approval import Side
from leads.models import Answer, Approval, ApprovalRound, Contact, CriteriaSet, Lead, LeadEvent, Purpose, Submission
from leads.registration import Person, Registered, register_lead
from pipeline import content, quality, recycling, retention, transitions
from pipeline.absences import save_absence
from pipeline.choices import Mail, choose
from pipeline.digest import send_digests
from pipeline.models import (
    Absence,
    Activity,
    Agreement,
    Checklist,
    ClockPause,
    Enrolment,
    Handoff,
    MailTemplate,
    Notification,
    NurturePlan,
    NurtureStep,
    Opportunity,
    Payment,
    Recycling,
    ReturnAnswer,
    ReviewProposal,
    StepRun,
    Task,
)
from pipeline.nurture import preferences, running
from pipeline.nurture.enrol import enter
from pipeline.personal_data import erase
from pipeline.sweep import sweep
from pipeline.to_do import finish_tasks, open_task
from pipeline.transitions import TransitionError
from tests.factories import (
    NOON,
    CampaignFactory,
    a_contacted_handoff,
    a_handoff,
    a_lead,
    a_qualified_lead,
    a_questionnaire,
    a_won_opportunity,
    an_opportunity,
    days,
    reason,
)

pytestmark = pytest.mark.django_db(transaction=True)
Row = TypeVar("Row", bound=Model)


@pytest.fixture
def at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[int], object]], list]:
    """`at_once(50, step)` calls `step(n)` in 50 threads, each with its own connection, and returns what they returned.

    SQLite's test database lives in the memory of one connection; the threads share a copy of it in a file instead,
    with the settings of production.
    """
    copied = []

    def share() -> None:
        if connection.vendor == "sqlite" and not copied:
            file = tmp_path / "shared.sqlite3"
            connection.ensure_connection()
            with sqlite3.connect(file) as copy:
                connection.connection.backup(copy)
                copy.execute("PRAGMA journal_mode=WAL")  # as a real file has been since its first connection
            copy.close()
            monkeypatch.setitem(connections.settings["default"], "NAME", str(file))
            copied.append(file)

    def run(count: int, step: Callable[[int], object]) -> list:
        share()
        start = threading.Barrier(count)

        def thread(n: int) -> object:
            try:
                start.wait()
                return step(n)
            finally:
                connection.close()

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(thread, range(count)))

    return run


def test_of_all_who_accept_at_once_one_wins_and_the_others_are_told_who(mia, sam, max_, at_once):  # H4
    handoff = a_contacted_handoff(sam, by=mia)

    def accept(n: int) -> str:
        try:
            transitions.accept(Handoff.objects.get(pk=handoff.pk), by=sam if n % 2 else max_, at=NOON)
        except TransitionError as refusal:
            return str(refusal)
        return ""

    said = at_once(10, accept)
    assert said.count("") == 1
    assert len({text for text in said if text}) == 1
    winner = "Sam" if said.index("") % 2 else "Max"
    assert all(text.startswith(f"{winner} already accepted this lead") for text in said if text)
    events = LeadEvent.objects.filter(kind="accepted")
    assert at_once(1, lambda n: (Opportunity.objects.count(), events.count())) == [(1, 1)]


def test_accepting_and_rejecting_at_once_has_one_outcome(mia, sam, at_once):  # H4
    handoff, why = a_contacted_handoff(sam, by=mia), reason()

    def decide(n: int) -> bool:
        fresh = Handoff.objects.get(pk=handoff.pk)
        try:
            if n % 2:
                transitions.accept(fresh, by=sam, at=NOON)
            else:
                transitions.reject(fresh, why, by=sam, at=NOON, missing="x", criteria_doubt="x")
        except TransitionError:
            return False
        return True

    assert sum(at_once(10, decide)) == 1
    stages = at_once(1, lambda n: Handoff.objects.select_related("lead").get().lead.stage)
    assert stages[0] in {"accepted", "returned"}


def alike(row: Row, count: int) -> list[Row]:
    """As many new rows, all alike: quicker than to bring each of them so far."""
    rows = [type(row).objects.get(pk=row.pk) for _each in range(count)]
    for each in rows:
        each.pk = None
    return type(row).objects.bulk_create(rows)


def copies(handoff: Handoff, count: int) -> list[Handoff]:
    """As many handoffs of as many leads, all alike."""
    rows = [Handoff.objects.get(pk=handoff.pk) for _each in range(count)]
    for lead, row in zip(alike(handoff.lead, count), rows, strict=True):
        row.pk, row.lead = None, lead
    return Handoff.objects.bulk_create(rows)


def test_fifty_verdicts_at_once_on_one_lead_or_on_fifty(mia, sam, max_, dora, at_once):  # H4
    one, why, people = a_contacted_handoff(sam, by=mia), reason(), [sam, max_, dora]
    many = copies(one, 50)

    def decide(handoff: Handoff, n: int) -> str:
        fresh = Handoff.objects.get(pk=handoff.pk)
        try:
            if n % 2:
                transitions.accept(fresh, by=people[n % 3], at=NOON)
            else:
                pointed = [("misread", "criterion:need")]
                transitions.reject(fresh, why, by=people[n % 3], at=NOON, feedback=pointed)
        except TransitionError as refusal:
            return str(refusal)
        return ""

    said = at_once(50, lambda n: decide(one, n))
    assert said.count("") == 1
    (refusal,) = {text for text in said if text}
    assert "already accepted this lead" in refusal or "already rejected this lead" in refusal
    assert at_once(50, lambda n: decide(many[n], n)) == [""] * 50

    def counts(n: int) -> tuple[int, int, int]:
        events = LeadEvent.objects.filter(kind__in=["accepted", "returned"])
        return events.filter(lead=one.lead).count(), events.count(), Opportunity.objects.exclude(lead=one.lead).count()

    assert at_once(1, counts) == [(1, 51, 25)]


def test_two_who_answer_a_return_at_once_are_told_who_was_faster(mia, dan, sam, at_once):  # H4
    handoff = a_contacted_handoff(sam, by=mia)
    transitions.reject(handoff, reason(), by=sam, at=NOON, feedback=[("misread", "criterion:need")])

    def answer(n: int) -> str:
        try:
            if n % 3:
                transitions.answer_return(handoff, ["agree", "nurture"][n % 2], by=[mia, dan][n % 2], at=NOON)
            else:
                transitions.keep_warm(handoff.lead, by=mia, at=NOON)
        except TransitionError as refusal:
            return str(refusal)
        return ""

    said = at_once(6, answer)
    assert said.count("") in {1, 2}  # a lead that was agreed upon may still be kept warm
    counts = at_once(
        1, lambda n: (ReturnAnswer.objects.count(), LeadEvent.objects.filter(kind="return_answered").count())
    )
    assert counts == [(1, 1)]


def test_one_lead_is_handed_over_once(mia, sam, sid, at_once):  # H1
    lead = a_qualified_lead(by=mia)

    def hand_over(n: int) -> bool:
        try:
            transitions.hand_over(lead, by=mia, at=NOON)
        except TransitionError:
            return False
        return True

    assert sum(at_once(10, hand_over)) == 1
    assert at_once(1, lambda n: Handoff.objects.count()) == [1]


def test_round_robin_is_fair_to_leads_handed_over_at_once(mia, sam, sid, at_once):  # H1
    leads = alike(a_qualified_lead(by=mia), 6)
    at_once(6, lambda n: transitions.hand_over(leads[n], by=mia, at=NOON))
    shares = at_once(1, lambda n: [Handoff.objects.filter(assigned_to=rep).count() for rep in (sam, sid)])
    assert shares == [[3, 3]]


def test_batches_and_single_leads_handed_over_at_once_are_spread_fairly(mia, sam, sid, at_once):  # H1
    leads = alike(a_qualified_lead(by=mia), 8)

    def hand_over(n: int) -> None:
        if n < 2:
            transitions.hand_over_many(leads[:6][:: 1 if n else -1], by=mia, at=NOON)
        else:
            transitions.hand_over(leads[4 + n], by=mia, at=NOON)

    at_once(4, hand_over)
    assert at_once(1, lambda n: [Handoff.objects.filter(assigned_to=rep).count() for rep in (sam, sid)]) == [[4, 4]]


def test_days_away_recorded_twice_at_once_are_kept_once(sam, at_once):  # H1
    def record(n: int) -> bool:
        try:
            save_absence(Absence(user=sam, starts_on=NOON.date(), ends_on=NOON.date()), by=sam, today=NOON.date())
        except TransitionError:
            return False
        return True

    assert sum(at_once(4, record)) == 1


def test_a_payment_sent_twice_at_once_is_recorded_once(mia, sam, at_once):  # H6
    opportunity, key = a_won_opportunity(sam, by=mia), uuid.uuid4()
    step = {"by": sam, "at": NOON, "paid_on": NOON.date(), "amount": 5, "submission_key": key}
    at_once(10, lambda n: transitions.record_payment(opportunity, **step))
    assert at_once(1, lambda n: Payment.objects.count()) == [1]


def test_one_key_for_two_leads_at_once_sends_one_mail_and_refuses_the_other(mia, sam, at_once):  # H5
    leads = [each.lead for each in copies(a_handoff(sam, by=mia), 2)]
    mail = {"by": sam, "at": NOON, "submission_key": uuid.uuid4()}

    def write(n: int) -> str:
        try:
            transitions.write_to(leads[n], "Hello", "Hello", **mail)
        except TransitionError as refusal:
            return str(refusal)
        return ""

    said = sorted(at_once(2, write))
    assert said[0] == ""
    assert "sent for something else already" in said[1]
    assert at_once(1, lambda n: (Activity.objects.count(), OutboxMessage.objects.filter(subject="Hello").count())) == [
        (1, 1)
    ]


def test_a_request_for_content_sent_twice_at_once_asks_once(mia, sam, at_once):  # H9
    wanted = {"title": "A case", "kind": "case", "by": sam, "at": NOON, "submission_key": uuid.uuid4()}
    assert len({asked.pk for asked in at_once(4, lambda n: content.ask(**wanted))}) == 1


def test_of_all_who_take_a_lead_from_the_pool_at_once_one_has_it(mia, sam, sid, max_, at_once):  # H3
    handoff = a_contacted_handoff(sam, by=mia)
    Agreement.objects.update(cold_to_pool=True)
    at_once(2, lambda n: sweep(NOON + days(14)))
    at_once(1, lambda n: sweep(NOON + days(14)))
    people = [sam, sid, max_]

    def take(n: int) -> str:
        try:
            transitions.take(Handoff.objects.get(pk=handoff.pk), by=people[n], at=NOON + days(15))
        except TransitionError as refusal:
            return str(refusal)
        return ""

    said = at_once(3, take)
    winner = str(people[said.index("")])
    assert sorted(text.partition(" already took this lead")[0] for text in said) == ["", winner, winner]
    kinds = lambda n: [LeadEvent.objects.filter(kind=kind).count() for kind in ("cold", "pooled", "taken")]  # noqa: E731
    assert at_once(1, kinds) == [[1, 1, 1]]


def test_pauses_a_new_rep_and_a_verdict_at_once(mia, sam, max_, at_once):  # H2
    handoff = a_contacted_handoff(sam, by=mia)

    def step(n: int) -> str:
        now, at = Handoff.objects.get(pk=handoff.pk), NOON + days(1)
        try:
            if n < 4:
                transitions.pause(now, at + days(2), "Later", by=max_, at=at)
            elif n == 4:
                transitions.reassign(now, max_, by=max_, at=at)
            else:
                transitions.accept(now, by=max_, at=at)
        except TransitionError:
            return "refused"
        return "done"

    said = at_once(6, step)
    assert said[:4].count("done") <= 1
    assert said[5] == "done"
    (found,) = at_once(1, lambda n: (Handoff.objects.get(), ClockPause.objects.count()))
    moved = found[0].verdict_due_at - NOON
    assert (moved, found[1]) in [(days(14), 0), (days(16), 1)]


def test_two_sweeps_at_once_tell_each_person_once(mia, sam, max_, at_once):  # H3
    copies(a_handoff(sam, by=mia), 11)
    overdue = Notification.objects.filter(kind="overdue")
    at_once(4, lambda n: sweep(NOON + days(7.5)))
    # A row that another sweep held is left to the next one.
    at_once(1, lambda n: sweep(NOON + days(7.6)))
    counts = lambda n: (overdue.count(), LeadEvent.objects.filter(kind="overdue").count())  # noqa: E731
    assert at_once(1, counts) == [(12, 12)]


def test_a_sweep_and_people_at_work_do_not_block_each_other(mia, sam, at_once):  # H3
    handoffs = copies(a_contacted_handoff(sam, by=mia), 8)

    def work(n: int) -> None:
        if n < 8:
            transitions.accept(Handoff.objects.get(pk=handoffs[n].pk), by=sam, at=NOON + days(15))
        else:
            sweep(NOON + days(15))

    at_once(10, work)
    assert at_once(1, lambda n: Opportunity.objects.count()) == [8]


def test_one_visitor_met_in_many_campaigns_at_once_is_one_contact(mia, at_once):  # L1
    campaigns = [CampaignFactory() for _ in range(8)]
    eve = Person(name="Eve", email="eve@client.example", company="Acme")
    leads = [done.lead for done in at_once(8, lambda n: register_lead(campaigns[n], eve, by=mia, at=NOON))]
    assert len({lead.pk for lead in leads}) == 8
    assert len({lead.contact_id for lead in leads}) == len({lead.contact.company_id for lead in leads}) == 1


def test_one_submission_sent_to_many_campaigns_at_once_is_one_lead(mia, at_once):  # L1
    campaigns, key = [CampaignFactory() for _ in range(8)], uuid.uuid4()

    def register(n: int) -> Registered:
        return register_lead(campaigns[n], Person(name=f"Eve {n}"), by=mia, at=NOON, submission_key=key)

    assert len({done.lead.pk for done in at_once(8, register)}) == 1


def test_one_questionnaire_sent_many_times_at_once_is_one_lead(at_once):  # L2
    version, key = a_questionnaire({"key": "need", "kind": "yes_no"}), uuid.uuid4()
    eve = {"via": "public", "at": NOON, "submission_key": key}
    at_once(8, lambda n: submit(version, {"need": True}, person=Person(name="Eve", email="eve@client.example"), **eve))
    counts = lambda n: (Submission.objects.count(), Lead.objects.count(), Answer.objects.count())  # noqa: E731
    assert at_once(1, counts) == [(1, 1, 1)]


def test_a_suspected_submission_decided_by_many_at_once_is_one_lead(mia, at_once):  # L2
    version = a_questionnaire({"key": "need", "kind": "yes_no"})
    waiting = submit(version, {"need": True}, via="public", at=NOON, suspicion="fast")
    at_once(6, lambda n: decide(waiting, "genuine", by=mia, at=NOON))
    assert at_once(1, lambda n: Lead.objects.count()) == [1]


def test_of_two_last_approvals_at_once_one_puts_the_version_in_force(mia, max_, dora, vera, at_once):  # L6
    draft = drafts.start_draft(None, by=mia, at=NOON)
    row = {"key": "need", "text": "Has a need", "is_required": True, "weight": 0, "rule": {}}
    drafts.save_draft(draft, [row], threshold=0, note="Simpler", revision=1, by=mia, at=NOON)
    parties = [(mia, Side.MARKETING), (max_, Side.SALES), (dora, Side.DIRECTOR), (vera, Side.GENERAL)]
    asked = approval.start_round(draft, parties, by=mia, at=NOON)
    for person in (mia, max_):
        approval.decide(asked, Approval.Decision.APPROVED, by=person, at=NOON)
    last = [dora, vera]

    def vote(n: int) -> str:
        return approval.decide(asked, Approval.Decision.APPROVED, by=last[n % 2], at=NOON + days(n)).outcome

    outcomes = at_once(8, vote)
    assert "approved" in outcomes

    def end(n: int) -> tuple:
        now = ApprovalRound.objects.select_related("criteria_set").get(pk=asked.pk)
        approved = now.approvals.filter(decision="approved").count()
        return now.outcome, now.criteria_set.in_force_at == now.ended_at, approved

    assert at_once(1, end) == [("approved", True, 4)]


def test_of_two_drafts_begun_at_once_there_is_one(mia, dora, at_once):  # L6
    found = at_once(6, lambda n: drafts.start_draft(None, by=mia if n % 2 else dora, at=NOON).pk)
    assert len(set(found)) == 1
    assert at_once(1, lambda n: CriteriaSet.objects.filter(in_force_at__isnull=True).count()) == [1]


def test_many_runners_send_each_nurture_mail_once(mia, at_once):  # L9
    template = MailTemplate.objects.create(name="Hello", subject_en="News", body_en="Hello {first_name}")
    plan = NurturePlan.objects.create(name="Keep in touch", is_active=True)
    for position in range(2):
        NurtureStep.objects.create(plan=plan, kind="mail", template=template, wait_days=0, position=position)
    for _n in range(8):
        lead = a_lead(by=mia)
        consents.give(lead.contact, Purpose.MAILING, source="Expo", at=NOON)
        transitions.keep_warm(lead, by=mia, at=NOON)
        enter(plan, lead, by=mia, at=NOON)
    at_once(4, lambda n: running.do_due(NOON))
    counts = at_once(1, lambda n: (OutboxMessage.objects.count(), StepRun.objects.count()))
    assert counts[0][0] == counts[0][1] >= 8
    at_once(1, lambda n: [running.do_due(NOON) for _again in range(2)])
    assert at_once(1, lambda n: (OutboxMessage.objects.count(), StepRun.objects.count())) == [(16, 16)]


def test_leads_enter_their_segments_plan_once_whoever_looks(mia, at_once):  # L9
    plan = NurturePlan.objects.create(name="All", is_active=True, enters_by_itself=True)
    NurtureStep.objects.create(plan=plan, kind="task", task_title="Call", wait_days=5)
    for _n in range(6):
        transitions.keep_warm(a_lead(by=mia), by=mia, at=NOON)
    assert sum(at_once(6, lambda n: running.enter_by_segment(NOON))) == 6


def test_somebody_opts_out_while_the_next_mail_is_being_written(mia, at_once):  # L9
    template = MailTemplate.objects.create(name="Hello", subject_en="News", body_en="Hello")
    plan = NurturePlan.objects.create(name="Keep in touch", is_active=True)
    NurtureStep.objects.create(plan=plan, kind="mail", template=template, wait_days=0)
    NurtureStep.objects.create(plan=plan, kind="mail", template=template, wait_days=1)
    lead = a_lead(by=mia)
    consents.give(lead.contact, Purpose.MAILING, source="Expo", at=NOON)
    transitions.keep_warm(lead, by=mia, at=NOON)
    enter(plan, lead, by=mia, at=NOON)

    def step(n: int) -> None:
        if n:
            running.do_due(NOON)
        else:
            preferences.unsubscribe(lead.contact, at=NOON)

    at_once(4, step)
    left = at_once(1, lambda n: (Enrolment.objects.running().count(), OutboxMessage.objects.waiting().count()))
    assert left == [(0, 0)]


def test_a_person_is_erased_while_others_decide_about_what_they_sent(mia, dora, at_once):  # L13
    version = a_questionnaire({"key": "need", "kind": "yes_no"})
    contacts, waiting = [], []
    for n in range(4):
        person = Person(name="Eve Hush", email=f"eve{n}@client.example")
        contacts.append(register_lead(CampaignFactory(), person, by=mia, at=NOON).lead.contact)
        waiting.append(submit(version, {}, via="public", at=NOON, person=person, suspicion="fast"))

    def act(n: int) -> str:
        try:
            if n % 2:
                decide(waiting[n // 2], "genuine", by=mia, at=NOON)
            else:
                erase(contacts[n // 2], "request", by=dora, at=NOON)
        except NotNow as refusal:
            return str(refusal)
        return ""

    at_once(8, act)
    assert at_once(1, lambda n: Contact.objects.filter(email__contains="eve").count()) == [0]
    assert at_once(1, lambda n: Submission.objects.exclude(person={}).count()) == [0]


def test_retention_erases_while_the_same_persons_register_again(mia, dora, at_once):  # L13
    people = [Person(name="Eve Hush", email=f"eve{n}@client.example") for n in range(4)]
    event = CampaignFactory()
    for person in people:
        register_lead(event, person, by=mia, at=NOON)
    retention.set_rule("unreached", 30, None, by=dora, at=NOON)
    later = CampaignFactory()

    def act(n: int) -> object:
        if n % 2:
            return retention.apply(NOON + days(2000))
        return register_lead(later, people[n // 2], by=mia, at=NOON + days(2000)).lead.pk

    at_once(8, act)
    emails = at_once(1, lambda n: sorted(Contact.objects.exclude(email="").values_list("email", flat=True)))[0]
    assert emails == [person.email for person in people]  # each is here once: kept in time, or come back


def test_who_is_asked_again_has_one_task_and_gives_one_answer(mia, sam, dora, at_once):  # H7
    opportunity = an_opportunity(sam, by=mia)
    transitions.lose(opportunity, reason("loss"), by=sam, at=NOON)
    at_once(3, lambda n: recycling.run(NOON + days(92)))
    assert at_once(1, lambda n: (Recycling.objects.count(), Task.objects.count())) == [(1, 1)]

    def answer(n: int) -> str:
        row = Recycling.objects.order_by("pk").first()
        try:
            if n % 2:
                transitions.recycle(row, by=sam, at=NOON + days(92))
            else:
                transitions.postpone(row, NOON + days(120), by=mia, at=NOON + days(92))
        except TransitionError as refusal:
            return str(refusal)
        return ""

    said = at_once(4, answer)
    assert said.count("") == 1
    assert all("answered already" in text for text in said if text)


def test_conversations_are_picked_once_and_reviewed_once(mia, sam, max_, at_once):  # H8
    lead, checklist = a_contacted_handoff(sam, by=mia).lead, Checklist.objects.get(kind="call")
    for hours in range(1, 4):
        transitions.log_activity(lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON + days(hours / 24))
    scores = {item.pk: item.points for item in checklist.items.all()}
    at_once(3, lambda n: quality.propose(NOON + days(7)))
    told = Notification.objects.filter(kind="review_proposed")
    assert at_once(1, lambda n: (ReviewProposal.objects.count(), told.count())) == [(2, 1)]

    def review(n: int) -> bool:
        activity = ReviewProposal.objects.select_related("activity__lead").order_by("pk")[0].activity
        try:
            transitions.review(checklist, sam, scores, activity=activity, by=max_, at=NOON + days(7))
        except TransitionError:
            return False
        return True

    assert sum(at_once(4, review)) == 1


def test_of_two_who_tick_a_task_off_at_once_one_did_it_and_one_digest_leaves(at_once, mia, dan):  # H10
    choose(dan, {Notification.Kind.TASK: (True, Mail.DIGEST)})
    task = open_task(title="Call", assignee=dan, due_at=NOON, by=mia, at=NOON)
    done = at_once(2, lambda n: finish_tasks([task.pk], by=(mia, dan)[n], at=NOON))
    assert sorted(len(each) for each in done) == [0, 1]
    assert sum(at_once(3, lambda _n: send_digests(NOON + days(1)))) == 1
    assert at_once(1, lambda _n: OutboxMessage.objects.filter(recipients=[dan.email]).count()) == [1]
