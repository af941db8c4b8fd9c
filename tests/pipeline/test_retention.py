"""How long data is kept: a limit is looked at before it acts, and never reaches clients or work in hand."""

import datetime

import pytest
from django.utils import timezone

from accounts.access import NotAllowed
from integrations.models import JobRun, OutboxMessage
from leads.answering import submit
from leads.models import Contact, Erasure, Lead, RetentionRule, Submission
from leads.registration import Person
from pipeline import retention, tasks, transitions
from pipeline.models import Activity
from tests import factories
from tests.factories import NOON, ContactFactory, a_lead, days

pytestmark = pytest.mark.django_db

Kind = RetentionRule.Kind
LATER = NOON + days(200)


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture(autouse=True)
def _long_ago(monkeypatch):
    """Whatever a test makes was last changed at NOON."""
    monkeypatch.setattr(timezone, "now", lambda: NOON)


def _reached(kind: Kind, number: int = 100, at: datetime.datetime = LATER) -> set[Contact]:
    return set(retention.reached(kind, number, at))


def test_each_rule_reaches_its_own_and_nobody_else(mia, sam):  # L13
    unreached = a_lead(by=mia)
    warm = a_lead(by=mia)
    transitions.keep_warm(warm, by=mia, at=NOON)
    removed = a_lead(by=mia)
    transitions.remove(removed, factories.reason("removal"), by=mia, at=NOON)
    lost = factories.an_opportunity(sam, by=mia)
    transitions.lose(lost, factories.reason("loss"), by=sam, at=NOON)
    for lead in (warm, removed):
        Lead.objects.filter(pk=lead.pk).update(contacted_at=NOON)
    factories.a_handoff(sam, by=mia)
    factories.an_opportunity(sam, by=mia)
    factories.a_won_opportunity(sam, by=mia)
    assert _reached(Kind.UNREACHED) == {unreached.contact}
    assert _reached(Kind.WARM) == {warm.contact}
    assert _reached(Kind.REMOVED) == {removed.contact}
    assert _reached(Kind.LOST) == {lost.lead.contact}


def test_anything_new_keeps_a_person(mia, sam):
    contact = ContactFactory()
    warm, other = a_lead(by=mia, contact=contact), a_lead(by=mia, contact=contact)
    for lead in (warm, other):
        transitions.keep_warm(lead, by=mia, at=NOON)
    assert _reached(Kind.WARM) == {contact}
    transitions.log_activity(other, Activity.Kind.CALL, Activity.Outcome.NO_ANSWER, by=mia, at=NOON + days(120))
    assert _reached(Kind.WARM) == set()
    assert _reached(Kind.WARM, 70) == {contact}


def test_a_rule_that_is_new_or_shorter_acts_from_tomorrow_at_the_earliest(dora):  # L13
    today = NOON.date()
    rule = retention.set_rule(Kind.LOST, 400, None, by=dora, at=NOON)
    assert rule.starts_on == today + days(1)
    with pytest.raises(retention.Refused):
        retention.set_rule(Kind.LOST, 300, today, by=dora, at=NOON)
    assert retention.set_rule(Kind.LOST, 500, None, by=dora, at=NOON + days(9)).starts_on == today + days(1)
    assert retention.set_rule(Kind.LOST, 300, None, by=dora, at=NOON + days(9)).starts_on == today + days(10)
    kept = retention.set_rule(Kind.LOST, None, None, by=dora, at=NOON + days(9))
    assert (kept.days, kept.starts_on) == (None, None)
    with pytest.raises(retention.Refused):
        retention.set_rule(Kind.LOST, 29, None, by=dora, at=NOON)


@pytest.mark.parametrize("who", ["mia", "dan", "sam", "max_", "vera"])
def test_only_the_director_and_administrators_set_limits(who, request):
    with pytest.raises(NotAllowed):
        retention.set_rule(Kind.LOST, 400, None, by=request.getfixturevalue(who), at=NOON)
    assert not RetentionRule.objects.exists()


def test_nothing_is_erased_before_its_day(mia, dora):  # L13
    lead = a_lead(by=mia)
    retention.set_rule(Kind.UNREACHED, 30, LATER.date() + days(1), by=dora, at=LATER)
    assert retention.apply(LATER)
    assert not Erasure.objects.exists()
    assert retention.apply(LATER + days(1))
    act = Erasure.objects.get()
    assert (act.contact_number, act.cause, act.erased_by) == (lead.contact_id, Erasure.Cause.RETENTION, None)


def test_a_run_that_has_too_much_or_is_killed_goes_on(mia, dora, monkeypatch):  # L13
    for _number in range(3):
        a_lead(by=mia)
    retention.set_rule(Kind.UNREACHED, 30, None, by=dora, at=NOON)
    monkeypatch.setattr(retention, "MOST_PERSONS_A_RUN", 2)
    assert not retention.apply(LATER)
    assert Erasure.objects.count() == 2

    def killed(*args, **kwargs) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as now:
        now.setattr(retention, "erase", killed)
        with pytest.raises(KeyboardInterrupt):
            retention.apply(LATER)
    assert retention.apply(LATER)
    assert retention.apply(LATER)
    assert Erasure.objects.count() == 3


def test_spam_and_sent_mails_are_emptied(mia, dora):  # L13
    version = factories.a_questionnaire({"key": "wish", "kind": "text"})
    for suspicion in ("fast", ""):
        who = Person(name="Eve", email=f"eve{suspicion}@client.example")
        submit(version, {"wish": "Much"}, via="public", at=NOON, person=who, suspicion=suspicion)
    for sent_at in (NOON, None):
        OutboxMessage.objects.create(
            sender="us@example.com", recipients=["eve@client.example"], subject="Hello", text="Hello",
            created_at=NOON, next_attempt_at=NOON, sent_at=sent_at,
        )  # fmt: skip
    for kind in (Kind.SPAM, Kind.MAIL):
        retention.set_rule(kind, 7, None, by=dora, at=NOON)
    assert retention.apply(LATER)
    spam = Submission.objects.get(lead__isnull=True)
    assert (spam.person, spam.verdict, spam.answers.count()) == ({}, Submission.Verdict.SPAM, 0)
    assert Submission.objects.get(lead__isnull=False).answers.get().text == "Much"
    told = OutboxMessage.objects.exclude(subject="").values_list("recipients", "sent_at")
    assert list(told.filter(subject="Hello")) == [(["eve@client.example"], None)]
    assert retention.apply(LATER)


def test_the_night_works_once(mia, dora, monkeypatch):
    a_lead(by=mia)
    retention.set_rule(Kind.UNREACHED, 30, None, by=dora, at=NOON)
    monkeypatch.setattr(timezone, "now", lambda: LATER.replace(hour=0))
    tasks.apply_retention()
    assert not JobRun.objects.filter(job="retention").exists()
    monkeypatch.setattr(timezone, "now", lambda: LATER)
    tasks.apply_retention()
    assert Erasure.objects.count() == 1
    run = JobRun.objects.get(job="retention")
    assert run.finished_at is not None
    monkeypatch.setattr(retention, "apply", lambda at: pytest.fail("done already"))
    tasks.apply_retention()
    JobRun.objects.update(finished_at=None)  # another worker has it
    tasks.apply_retention()
    JobRun.objects.update(started_at=LATER - tasks.TAKEN_OVER_AFTER)  # which was killed
    monkeypatch.setattr(retention, "apply", lambda at: True)
    tasks.apply_retention()
    assert JobRun.objects.get(job="retention").finished_at is not None


def test_the_page_shows_whom_a_limit_reaches_before_it_is_set(as_user, mia, dora, vera, monkeypatch):  # L13
    lead = a_lead(by=mia, contact=ContactFactory(name="Quiet Anna"))
    monkeypatch.setattr(timezone, "now", lambda: LATER)
    browser, url = as_user(dora), "/settings/retention/unreached/"
    assert "Quiet Anna" in browser.get(f"{url}?days=100").content.decode()
    assert "Quiet Anna" not in browser.get(f"{url}?days=300").content.decode()
    assert "Quiet Anna" in as_user(vera).get(f"{url}?days=100").content.decode()
    for wrong in ({"days": "5"}, {"days": "1e9"}, {"days": "x"}, {"days": "400", "starts_on": "2020-01-01"}):
        assert browser.post(url, wrong).status_code == 422
    assert browser.post(url, {"days": "100", "starts_on": ""}).status_code == 302
    assert RetentionRule.objects.get().days == 100
    assert browser.get(f"{url}?days=-1").status_code == 400
    assert browser.get("/settings/retention/nonsense/").status_code == 404
    assert "100" in browser.get("/settings/retention/").content.decode()
    assert Contact.objects.get(pk=lead.contact_id).erased_at is None
