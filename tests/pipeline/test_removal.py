"""Removing leads, with a reason and a way back.  # L11"""

import pytest
from django.urls import reverse

from leads.models import Lead, LeadEvent, Stage
from pipeline import transitions
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

REMOVE = "/leads/remove/"


@pytest.fixture
def reason():
    return factories.reason("removal")


def text(response) -> str:
    return response.content.decode()


def removed(client, leads, reason):
    body = {"selected": [lead.pk for lead in leads], "confirmed": "1", "reason": reason.pk}
    return client.post(REMOVE, body)


def test_several_are_removed_for_one_reason_after_it_was_asked(as_user, mia, reason):
    leads = [factories.a_lead(by=mia) for _lead in range(3)]
    browser = as_user(mia)
    asked = browser.post(REMOVE, {"selected": [lead.pk for lead in leads]})
    assert str(reason) in text(asked)
    assert not Lead.objects.filter(stage=Stage.REMOVED).exists()
    assert "3 removed, 0 not." in text(removed(browser, leads, reason))
    assert set(Lead.objects.values_list("stage", "removal_reason")) == {("removed", reason.pk)}


def test_one_undo_brings_back_all_that_went_together(as_user, mia, reason):
    leads = [factories.a_lead(by=mia), factories.a_qualified_lead(by=mia)]
    earlier = factories.a_lead(by=mia)
    transitions.remove(earlier, reason, by=mia, at=NOON)
    browser = as_user(mia)
    undo_url = removed(browser, leads, reason).context["undo_url"]
    transitions.restore(leads[0], by=mia, at=NOON)
    transitions.record_brief(leads[0], "Needs it", by=mia, at=NOON)
    page = text(browser.post(undo_url, follow=True))
    assert "1 lead is back where it stood." in page
    assert "1 lead has moved on since" in page
    assert list(Lead.objects.order_by("pk").values_list("stage", flat=True)) == ["briefed", "qualified", "removed"]
    assert "2 leads have moved on since" in text(browser.post(undo_url, follow=True))  # a second time changes nothing


def test_a_colleague_can_not_undo_it_nor_sales_do_it(as_user, mia, dan, sam, reason):
    leads = [factories.a_lead(by=mia)]
    undo_url = removed(as_user(mia), leads, reason).context["undo_url"]
    assert "Only who did it can undo it." in text(as_user(dan).post(undo_url, follow=True))
    assert as_user(sam).post(undo_url).status_code == 403
    assert removed(as_user(sam), leads, reason).status_code == 403
    assert Lead.objects.get().is_removed


def test_what_sales_has_stays_and_says_why(as_user, mia, sam, reason):
    with_sales, free = factories.a_handoff(sam, by=mia).lead, factories.a_lead(by=mia)
    page = text(removed(as_user(mia), [with_sales, free], reason))
    assert "1 removed, 1 not." in page
    assert "can&#x27;t be removed" in page
    with_sales.refresh_from_db()
    assert with_sales.stage == Stage.HANDED_OVER


@pytest.mark.parametrize("wrong", ["", "999999", "x"])
def test_without_a_reason_nothing_is_removed_and_the_question_stays(as_user, mia, wrong):
    lead = factories.a_lead(by=mia)
    response = as_user(mia).post(REMOVE, {"selected": [lead.pk], "confirmed": "1", "reason": wrong})
    assert response.status_code == 422
    assert f'name="selected" value="{lead.pk}"' in text(response)
    assert not LeadEvent.objects.filter(kind="removed").exists()


def test_a_reason_for_losing_is_none_for_removing(as_user, mia):
    lead = factories.a_lead(by=mia)
    assert removed(as_user(mia), [lead], factories.reason("loss")).status_code == 422


@pytest.mark.parametrize("selected", [[], ["x"], ["²"], ["-1"], ["9" * 30]])
def test_a_selection_of_nothing_leads_back(as_user, mia, selected):
    page = text(as_user(mia).post(REMOVE, {"selected": selected, "confirmed": "1"}, follow=True))
    assert "Select the leads first." in page


def test_too_many_at_once_are_refused_whole(as_user, mia, monkeypatch, reason):
    monkeypatch.setattr("pipeline.views.leads.MOST_AT_ONCE", 1)
    leads = [factories.a_lead(by=mia) for _lead in range(2)]
    assert removed(as_user(mia), leads, reason).status_code == 302
    assert not Lead.objects.filter(stage=Stage.REMOVED).exists()


def test_a_removed_lead_is_found_in_the_list_and_restored_on_its_page(as_user, mia, reason):
    lead, _other = factories.a_lead(by=mia), factories.a_lead(by=mia)
    browser = as_user(mia)
    removed(browser, [lead], reason)
    for address in ("?stage=removed", f"?removal_reason={reason.pk}", "?reached=removed"):
        assert [row.pk for row in browser.get(f"/leads/{address}").context["page"].rows] == [lead.pk]
    assert lead.pk not in {row.pk for row in browser.get("/leads/").context["page"].rows}
    restore = reverse("pipeline:lead_restore", args=[lead.pk])
    assert restore in text(browser.get(reverse("pipeline:lead_panel", args=[lead.pk])))
    browser.post(restore)
    lead.refresh_from_db()
    assert lead.stage == Stage.NEW


def test_the_weekly_review_names_removed_leads_with_reason_and_by_whom(as_user, mia, dora, reason):
    lead = factories.a_lead(by=mia)
    removed(as_user(mia), [lead], reason)
    page = text(as_user(dora).get(reverse("pipeline:weekly_review")))
    assert str(lead.contact) in page
    assert f"{reason} · Mia ·" in page
