"""The parties of a round of approval are told: asked, reminded, and how it ended; each once, whatever dies."""

import pytest
from django.urls import reverse

from integrations.models import OutboxMessage
from leads.criteria import approval, drafts
from leads.criteria.approval import Side
from leads.models import Approval, ApprovalRound
from pipeline import approvals as telling
from pipeline.models import Notification
from pipeline.sweep import sweep
from tests.factories import NOON, days

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(mia, max_, dora, vera) -> ApprovalRound:
    draft = drafts.start_draft(None, by=mia, at=NOON)
    drafts.save_draft(
        draft,
        [{"key": "need", "text": "Has a need", "is_required": True, "weight": 0, "rule": {}}],
        threshold=0, note="Simpler", revision=1, by=mia, at=NOON,
    )  # fmt: skip
    parties = [(mia, Side.MARKETING), (max_, Side.SALES), (dora, Side.DIRECTOR), (vera, Side.GENERAL)]
    return approval.start_round(draft, parties, by=mia, at=NOON)


def told(kind: str) -> list[str]:
    return list(Notification.objects.filter(kind=kind).order_by("pk").values_list("recipient__name", flat=True))


def test_each_party_is_asked_once_and_again_when_reminded(asked, mia, vera, monkeypatch):  # L6
    vera.language = "ru"
    vera.save()
    OutboxMessage.objects.all().delete()
    for _twice in range(2):
        sweep(NOON)
    assert told("approval") == ["Mia", "Max", "Dora", "Vera"]
    mails = OutboxMessage.objects.order_by("pk")
    assert len(mails) == 4
    url = reverse("leads:criteria_version", args=[asked.criteria_set_id])
    assert f"{url}\n" in mails[0].text
    assert "Mia asks for your approval: Criteria, version 2" in mails[0].subject
    assert "Criteria, version 2" not in mails[3].subject  # hers is Russian
    approval.decide(asked, Approval.Decision.APPROVED, by=vera, at=NOON)
    approval.remind(asked, by=mia, at=NOON + days(1))
    for _twice in range(2):
        sweep(NOON + days(1))
    assert told("approval")[4:] == ["Mia", "Max", "Dora"]


def test_a_sweep_that_dies_midway_tells_everybody_once(asked, monkeypatch):
    real = telling.notify

    def dies(kind, people, *args, **kwargs):
        if people[0].name == "Dora":
            raise RuntimeError
        real(kind, people, *args, **kwargs)

    monkeypatch.setattr(telling, "notify", dies)
    with pytest.raises(RuntimeError):
        sweep(NOON)
    monkeypatch.setattr(telling, "notify", real)
    sweep(NOON)
    assert told("approval") == ["Mia", "Max", "Dora", "Vera"]


def test_all_but_the_last_to_approve_are_told_that_it_comes_into_force(asked, mia, max_, dora, vera):  # L6
    for person in (mia, max_, vera, dora):
        approval.decide(asked, Approval.Decision.APPROVED, by=person, at=NOON)
    for _twice in range(2):
        sweep(NOON)
    assert told("approved") == ["Mia", "Max", "Vera"]
    assert told("approval") == []
    assert "In force from" in Notification.objects.filter(kind="approved").first().details[0]


def test_a_change_that_is_asked_for_is_told_with_its_words(asked, mia, max_):
    approval.decide(asked, Approval.Decision.CHANGE, comment="Employees matter", by=max_, at=NOON)
    for _twice in range(2):
        sweep(NOON)
    assert told("change_asked") == ["Mia", "Dora", "Vera"]
    assert Notification.objects.filter(kind="change_asked").first().details == ["Note: Employees matter"]


def test_a_withdrawn_round_asks_nobody(asked, mia):
    approval.withdraw(asked, by=mia, at=NOON)
    sweep(NOON)
    assert not Notification.objects.exists()


def test_my_day_shows_what_one_is_asked_to_approve_whatever_ones_role(asked, as_user, vera, mia, sam):
    home = reverse("pipeline:home")
    for person in (vera, mia):
        page = as_user(person).get(home).content.decode()
        assert "Approvals asked of you" in page
        assert reverse("leads:criteria_version", args=[asked.criteria_set_id]) in page
    assert "Approvals asked of you" not in as_user(sam).get(home).content.decode()
    approval.decide(asked, Approval.Decision.APPROVED, by=vera, at=NOON)
    assert "Approvals asked of you" not in as_user(vera).get(home).content.decode()


def test_a_notification_without_a_lead_is_listed_and_opens_what_it_is_about(asked, as_user, vera):
    sweep(NOON)
    browser = as_user(vera)
    assert "Criteria, version 2" in browser.get(reverse("pipeline:notification_list")).content.decode()
    notification = vera.notifications.get()
    response = browser.post(reverse("pipeline:notification_open", args=[notification.pk]))
    assert response["Location"] == reverse("leads:criteria_version", args=[asked.criteria_set_id])


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example", "", None]
)
def test_a_notification_never_leads_away(as_user, vera, url):
    made = Notification.objects.create(
        recipient=vera, kind="approval", data={"url": url, "about": "x"}, created_at=NOON
    )
    response = as_user(vera).post(reverse("pipeline:notification_open", args=[made.pk]))
    assert response["Location"] == reverse("pipeline:notification_list")
