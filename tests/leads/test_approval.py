"""The round of approval: a draft comes into force when every named party has approved it."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.access import NotAllowed
from leads.criteria import approval, drafts
from leads.criteria.approval import ApprovalError, Side
from leads.criteria.drafts import DraftError
from leads.models import Approval, ApprovalRound, CriteriaSet
from tests.factories import NOON, days

pytestmark = pytest.mark.django_db

Decision = Approval.Decision
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def draft(mia) -> CriteriaSet:
    """Version 2, which differs from the one in force."""
    draft = drafts.start_draft(None, by=mia, at=NOON)
    rows = [drafts.as_row(criterion) for criterion in draft.criteria.all()][:-1]
    drafts.save_draft(draft, rows, threshold=2, note="Simpler", revision=1, by=mia, at=NOON)
    return CriteriaSet.objects.get(pk=draft.pk)


@pytest.fixture
def parties(mia, max_, dora, vera) -> list:
    return [(mia, Side.MARKETING), (max_, Side.SALES), (dora, Side.DIRECTOR), (vera, Side.GENERAL)]


@pytest.fixture
def asked(draft, parties, mia) -> ApprovalRound:
    return approval.start_round(draft, parties, by=mia, at=NOON)


def approve(asked: ApprovalRound, *people, at: datetime.datetime = NOON + HOUR) -> None:
    for person in people:
        approval.decide(asked, Decision.APPROVED, by=person, at=at)


def in_force_at(draft: CriteriaSet) -> datetime.datetime | None:
    return CriteriaSet.objects.get(pk=draft.pk).in_force_at


def test_it_comes_into_force_when_the_last_party_has_approved(draft, asked, mia, max_, dora, vera):  # L6
    approve(asked, mia, max_, vera)
    assert in_force_at(draft) is None
    assert CriteriaSet.objects.in_force(NOON + days(9)).version == 1
    approve(asked, dora, at=NOON + days(1))
    assert in_force_at(draft) == NOON + days(1)
    assert CriteriaSet.objects.in_force(NOON + days(1)).version == 2
    asked.refresh_from_db()
    assert (asked.outcome, asked.ended_by, asked.ended_at) == ("approved", dora, NOON + days(1))
    with pytest.raises(DraftError, match="agreed already"):
        drafts.save_draft(draft, [], threshold=0, note="", revision=2, by=mia, at=NOON + days(2))


def test_a_wanted_day_is_kept_to_the_moment_unless_it_has_passed(draft, parties, mia, max_, dora, vera):  # L6
    asked = approval.start_round(draft, parties, wanted_on=(NOON + days(5)).date(), by=mia, at=NOON)
    midnight = NOON.replace(hour=0, minute=0) + days(5)
    assert asked.wanted_from == midnight  # the organisation keeps UTC
    approve(asked, mia, max_, dora, vera)
    assert in_force_at(draft) == midnight
    assert [CriteriaSet.objects.in_force(at).version for at in (midnight - HOUR, midnight)] == [1, 2]
    after = drafts.start_draft(None, by=mia, at=NOON)
    drafts.save_draft(after, [], threshold=0, note="", revision=1, by=mia, at=NOON)
    drafts.save_draft(
        after,
        [{"key": "x", "text": "X", "is_required": True, "weight": 0, "rule": {}}],
        threshold=0, note="", revision=2, by=mia, at=NOON,
    )  # fmt: skip
    with pytest.raises(ApprovalError, match="can't come before"):
        approval.start_round(after, parties, wanted_on=(NOON + days(2)).date(), by=mia, at=NOON)
    late = approval.start_round(after, parties, wanted_on=(NOON + days(6)).date(), by=mia, at=NOON)
    approve(late, mia, max_, dora, vera, at=NOON + days(8))
    assert in_force_at(after) == NOON + days(8)


@pytest.mark.parametrize(
    ("day", "words"), [(-1, "in the past"), (900, "more than two years"), (None, ""), (0, "")], ids=str
)
def test_the_wanted_day_is_not_in_the_past(draft, parties, mia, day, words):
    wanted = None if day is None else (NOON + days(day)).date()
    if words:
        with pytest.raises(ApprovalError, match=words):
            approval.start_round(draft, parties, wanted_on=wanted, by=mia, at=NOON)
        assert not ApprovalRound.objects.exists()
    else:
        approval.start_round(draft, parties, wanted_on=wanted, by=mia, at=NOON)


def test_both_sides_the_director_and_the_general_director_must_be_named(draft, parties, mia, sam, vera, ada):
    for missing in range(4):
        with pytest.raises(ApprovalError, match="Nobody stands for this side"):
            approval.start_round(draft, [p for n, p in enumerate(parties) if n != missing], by=mia, at=NOON)
    with pytest.raises(ApprovalError, match="named twice"):
        approval.start_round(draft, [*parties, (mia, Side.OTHER)], by=mia, at=NOON)
    with pytest.raises(ApprovalError, match="can't stand"):
        approval.start_round(draft, [*parties, (sam, Side.MARKETING)], by=mia, at=NOON)
    ada.is_active = False
    with pytest.raises(ApprovalError, match="can't sign in"):
        approval.start_round(draft, [*parties, (ada, Side.OTHER)], by=mia, at=NOON)
    with pytest.raises(NotAllowed):
        approval.start_round(draft, parties, by=sam, at=NOON)
    assert not ApprovalRound.objects.exists()


def test_a_draft_that_changes_nothing_is_not_put_to_the_vote(parties, mia):
    with pytest.raises(ApprovalError, match="says the same"):
        approval.start_round(drafts.start_draft(None, by=mia, at=NOON), parties, by=mia, at=NOON)


def test_a_change_that_is_asked_for_ends_the_round_and_the_draft_is_edited_again(draft, asked, parties, mia, max_):
    approve(asked, mia)
    with pytest.raises(DraftError, match="Mia put this draft to the vote"):
        drafts.save_draft(draft, [], threshold=0, note="", revision=2, by=mia, at=NOON)
    with pytest.raises(DraftError, match="put this draft to the vote"):
        approval.start_round(draft, parties, by=mia, at=NOON)
    with pytest.raises(ApprovalError, match="Say which change"):
        approval.decide(asked, Decision.CHANGE, comment="  ", by=max_, at=NOON)
    approval.decide(asked, Decision.CHANGE, comment="Employees matter", by=max_, at=NOON + HOUR)
    with pytest.raises(ApprovalError, match="Max asked for a change"):
        approve(asked, *[person for person, side in parties if side == Side.GENERAL])
    rows = [drafts.as_row(criterion) for criterion in draft.criteria.all()][:-1]
    assert drafts.save_draft(draft, rows, threshold=2, note="Simpler", revision=2, by=mia, at=NOON)
    again = approval.start_round(draft, parties, by=mia, at=NOON + days(1))
    assert (again.number, again.approvals.filter(decision="").count()) == (2, 4)  # they start anew
    kept = Approval.objects.filter(round=asked).exclude(comment="").get()
    assert (kept.person, kept.comment) == (max_, "Employees matter")
    assert len(asked.terms["criteria"]) == len(again.terms["criteria"]) + 1  # what was voted on is kept, too
    with pytest.raises(DraftError):
        drafts.discard_draft(draft, by=mia)


def test_who_approved_may_still_ask_for_a_change_while_the_round_is_open(asked, mia):
    approve(asked, mia)
    approve(asked, mia, at=NOON + days(1))  # the same again changes nothing
    assert Approval.objects.get(round=asked, person=mia).decided_at == NOON + HOUR
    approval.decide(asked, Decision.CHANGE, comment="On second thoughts", by=mia, at=NOON + days(2))
    asked.refresh_from_db()
    assert asked.outcome == "change"
    with pytest.raises(ApprovalError):
        approve(asked, mia)


def test_nobody_decides_for_another_and_nothing_after_the_end(asked, sam, dora, mia):
    with pytest.raises(NotAllowed):
        approve(asked, sam)
    approval.withdraw(asked, by=mia, at=NOON)
    approval.withdraw(asked, by=mia, at=NOON)
    with pytest.raises(ApprovalError, match="Mia withdrew this round"):
        approve(asked, dora)
    assert not Approval.objects.exclude(decision="").exists()


def test_only_the_starter_and_the_director_remind_and_withdraw_once_a_day(asked, mia, max_, dora, vera):
    approve(asked, vera)
    with pytest.raises(NotAllowed):
        approval.remind(asked, by=max_, at=NOON + days(2))
    with pytest.raises(NotAllowed):
        approval.withdraw(asked, by=max_, at=NOON + days(2))
    with pytest.raises(ApprovalError, match="within the last day"):
        approval.remind(asked, by=mia, at=NOON + days(1) - HOUR)
    assert approval.remind(asked, by=mia, at=NOON + days(1)) == [mia, max_, dora]
    with pytest.raises(ApprovalError, match="within the last day"):
        approval.remind(asked, by=dora, at=NOON + days(1) + HOUR)


def test_the_parties_of_the_last_round_are_suggested(draft, asked, parties, mia, max_, dora, vera, sam):
    assert approval.suggested_parties(draft) == parties
    max_.is_active = False
    max_.save()
    assert max_ not in [person for person, _side in approval.suggested_parties(draft)]


def test_without_a_round_one_of_each_role_is_suggested(draft, mia, max_, dora, vera, dan):
    assert [person for person, _side in approval.suggested_parties(draft)] == [mia, max_, dora, vera]


# --- The pages -------------------------------------------------------------------------------------------------------


def test_a_party_who_left_is_replaced_and_stays_in_the_history(as_user, draft, asked, mia, max_, sam, dora, vera):  # L6
    approve(asked, mia, vera, dora)
    party = asked.approvals.get(person=max_)
    page, replace = (
        reverse("leads:criteria_version", args=[draft.pk]),
        reverse("leads:party_replace", args=[party.pk]),
    )
    assert "Ask this person instead" not in as_user(mia).get(page).content.decode()
    with pytest.raises(ApprovalError, match="can still sign in"):
        approval.replace(party, sam, by=mia, at=NOON)
    max_.is_active = False
    max_.save()
    assert "Ask this person instead" in as_user(mia).get(page).content.decode()
    assert "Ask this person instead" not in as_user(vera).get(page).content.decode()
    for person in (vera.pk, mia.pk, max_.pk, "x", ""):  # named already, of the other side, gone, nobody
        as_user(dora).post(replace, {"person": person})
    assert asked.approvals.count() == 4
    for _time in range(2):
        assert as_user(mia).post(replace, {"person": sam.pk}).status_code == 302
    rows = {row.person: row for row in asked.approvals.select_related("person")}
    assert (rows[max_].decision, rows[sam].decision, rows[sam].side) == ("replaced", "", Side.SALES)
    assert "Sam was asked instead" in as_user(mia).get(page).content.decode()
    with pytest.raises(NotAllowed):
        approval.replace(party, dora, by=max_, at=NOON)
    max_.is_active = True  # came back: another decides now
    max_.save()
    with pytest.raises(NotAllowed):
        approval.decide(asked, Decision.APPROVED, by=max_, at=NOON)
    with pytest.raises(ValueError, match="Nobody decides"):
        approval.decide(asked, Decision.REPLACED, by=sam, at=NOON)
    approve(asked, sam)
    assert in_force_at(draft) == NOON + HOUR
    assert sam in dict(approval.suggested_parties(draft))
    assert max_ not in dict(approval.suggested_parties(draft))


def vote(draft: CriteriaSet) -> str:
    return reverse("leads:criteria_vote", args=[draft.pk])


def test_the_whole_round_in_the_browser(as_user, draft, mia, max_, dora, vera):  # L6
    form = as_user(mia).get(vote(draft)).context["form"]
    assert form["general"].value() == vera.pk
    people = {"marketing": [mia.pk], "sales": [max_.pk], "director": [dora.pk], "general": vera.pk}
    assert as_user(mia).post(vote(draft), people | {"sales": []}).status_code == 422
    assert as_user(mia).post(vote(draft), people | {"sales": [mia.pk]}).status_code == 422
    assert as_user(mia).post(vote(draft), people | {"wanted_on": "1999-01-01"}).status_code == 422
    assert as_user(mia).post(vote(draft), people).status_code == 302
    assert as_user(mia).post(vote(draft), people).status_code == 422  # twice begins one round
    asked = ApprovalRound.objects.get()
    page, decide = reverse("leads:criteria_version", args=[draft.pk]), reverse("leads:round_decide", args=[asked.pk])
    assert "Your decision" in as_user(vera).get(page).content.decode()
    refused = as_user(vera).post(decide, {"decision": "change", "comment": ""})
    assert refused.status_code == 422
    assert "Say which change" in refused.content.decode()
    for person in (mia, max_, vera, dora):
        response = as_user(person).post(decide, {"decision": "approved", "comment": f"{person} agrees"})
        assert response["Location"] == page
    shown = as_user(vera).get(page).content.decode()
    assert "Vera agrees" in shown
    assert CriteriaSet.objects.in_force(timezone.now()).version == 2
    listed = as_user(vera).get(reverse("leads:criteria")).content.decode()
    assert "Approved by" in listed


def test_a_decision_on_a_round_that_has_ended_is_refused_and_the_comment_is_not_lost(as_user, asked, mia, vera, sam):
    approval.withdraw(asked, by=mia, at=NOON)
    decide = reverse("leads:round_decide", args=[asked.pk])
    response = as_user(vera).post(decide, {"decision": "change", "comment": "My long thoughts"})
    assert response.status_code == 422
    assert "My long thoughts" in response.content.decode()
    assert "withdrew this round" in response.content.decode()
    assert as_user(sam).post(decide, {"decision": "approved"}).status_code == 403
    assert as_user(vera).post(decide, {"decision": "maybe"}).status_code == 422


def test_a_version_page_tells_its_rounds_in_a_constant_number_of_queries(
    as_user, draft, parties, mia, max_, django_assert_max_num_queries
):
    page = reverse("leads:criteria_version", args=[draft.pk])
    for n in range(6):
        asked = approval.start_round(draft, parties, by=mia, at=NOON + days(n))
        approval.decide(asked, Decision.CHANGE, comment=f"Thought {n}", by=max_, at=NOON + days(n))
    browser = as_user(mia)
    browser.get(page)
    with django_assert_max_num_queries(14):
        shown = browser.get(page).content.decode()
    assert all(f"Thought {n}" in shown for n in range(6))
