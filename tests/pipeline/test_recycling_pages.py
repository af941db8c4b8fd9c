"""The pages of coming back: lists, one recycling with its answers, results that open the records behind them."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.models import Lead, Partner, Stage
from pipeline import recycling, transitions
from pipeline.models import Activity, Recycling
from tests.factories import ProductFactory, a_contacted_handoff, a_lead, an_opportunity, days, meet_criteria, reason

pytestmark = [pytest.mark.django_db, pytest.mark.once]

URL = "/coming-back/"


def some_due(owner, *, by, number: int = 1) -> list[Recycling]:
    """Lost ninety days ago, and due by now."""
    lost_at = timezone.now() - days(93)
    for _each in range(number):
        transitions.lose(an_opportunity(owner, by=by, at=lost_at), reason("loss"), by=owner, at=lost_at)
    recycling.run(timezone.now())
    return list(Recycling.objects.order_by("pk"))


def test_a_rep_goes_from_my_day_to_the_answer_and_back(mia, sam, as_user):  # H7
    row = some_due(sam, by=mia)[0]
    ProductFactory(name="Light edition")
    Partner.objects.create(name="Acme")
    browser = as_user(sam)
    assert f"{URL}task/{row.task_id}/" in browser.get("/").text
    shown = browser.get(f"{URL}task/{row.task_id}/", follow=True).text
    for text in ("Interested again", "Light edition", "Acme", str(row.reason)):
        assert text in shown
    assert f"{URL}{row.pk}/" in browser.get(f"/leads/{row.lead_id}/panel/").text
    assert f"{URL}{row.pk}/" in browser.get(f"/opportunities/{row.opportunity_id}/").text
    answered = browser.post(f"{URL}{row.pk}/", {"result": "back", "note": "New budget"}, follow=True)
    assert "is interested again" in answered.text
    assert "/undo/" in answered.text
    assert "New budget" in browser.get(f"{URL}?show=done").text
    assert "New budget" in browser.get(f"{URL}{row.pk}/").text


def test_an_answer_that_cant_be_is_explained_and_keeps_what_was_typed(mia, sam, sid, as_user):  # H7
    row = some_due(sam, by=mia)[0]
    browser, past = as_user(sam), (timezone.localdate() - days(1)).isoformat()
    gone = Partner.objects.create(name="Gone", is_active=False)
    for body in (
        {"result": "later", "until": past, "note": "typed"},
        {"result": "later", "until": "9999-12-31", "note": "typed"},
        {"result": "later", "until": "soon", "note": "typed"},
        {"result": "partner", "partner": gone.pk, "passed": ["company"], "note": "typed"},
        {"result": "partner", "note": "typed"},
        {"result": "no", "note": "typed\0"},
        {"result": "back", "note": "typed", "call_on": past},
        {"result": "back", "note": "typed", "product": "0"},
    ):
        response = browser.post(f"{URL}{row.pk}/", body)
        assert response.status_code == 422, body
        assert "typed" in response.text
    assert browser.post(f"{URL}{row.pk}/", {"result": "nonsense"}).status_code == 302
    assert as_user(sid).post(f"{URL}{row.pk}/", {"result": "no"}).status_code == 422
    assert Recycling.objects.get().result == ""
    Lead.objects.filter(pk=row.lead_id).update(stage=Stage.WARM)  # somebody was faster
    assert "nobody has to be asked any more" in browser.post(f"{URL}{row.pk}/", {"result": "no"}).text


def test_lists_are_narrowed_and_cost_the_same_for_one_and_for_many(mia, sam, as_user):  # H7
    browser = as_user(mia)
    assert "Nobody is to be asked today" in browser.get(URL).text
    for show, text in (("later", "Nobody is planned yet"), ("done", "Nobody has answered yet")):
        assert text in browser.get(f"{URL}?show={show}").text
    costs = []
    for _round in range(2):
        rows = some_due(sam, by=mia, number=1 if not costs else 2)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            shown = browser.get(URL)
        costs.append(len(queries))
        assert len(shown.context["page"].rows) == len(rows)
    assert costs[0] == costs[1]
    for query, number in (
        ("because=lost", 3),
        ("because=warm", 0),
        (f"owner={sam.pk}", 3),
        (f"owner={mia.pk}", 0),
        (f"reason={rows[0].reason_id}", 3),
        ("reason=none", 0),
        (f"q={rows[0].lead.contact.email}", 1),
    ):
        assert len(browser.get(f"{URL}?{query}").context["page"].rows) == number, query
    assert browser.get(f"{URL}filter/?because=lost").status_code == 200
    assert browser.get(f"{URL}?colour=red").status_code == 400
    assert browser.get(f"{URL}?show=tomorrow").status_code == 400


def test_each_number_of_the_results_opens_what_it_counts(mia, sam, as_user):  # H7, K1
    browser, now = as_user(mia), timezone.now()
    assert "Nobody has answered yet" in browser.get(f"{URL}results/").text
    won, qualified, undone, later, no, warm_back = [*some_due(sam, by=mia, number=5), None]
    warm_back = a_lead(by=mia, at=now - days(95))
    transitions.keep_warm(warm_back, by=mia, at=now - days(95))
    recycling.run(now)
    for row in (won, qualified, undone, warm_back.recyclings.get()):
        transitions.recycle(row, by=mia, at=now)
    for row in (won, qualified, undone):
        transitions.qualify(meet_criteria(row.lead, by=mia, at=now), by=mia, at=now)
    transitions.undo(undone.lead.events.filter(kind="qualified").latest("pk"), by=mia, at=now)
    handoff = transitions.hand_over(won.lead, to=sam, by=mia, at=now)
    transitions.log_activity(won.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=now)
    opportunity = transitions.accept(handoff, by=sam, at=now)
    transitions.win(opportunity, amount=100, by=sam, at=now)
    transitions.postpone(later, now + days(10), by=mia, at=now)
    transitions.give_up(no, by=mia, at=now)
    a_contacted_handoff(sam, by=mia)  # a lead that never came back counts nowhere

    today = (timezone.localdate() + datetime.timedelta(days=1)).isoformat()
    for days_ in ("", f"?closed_from=2020-01-01&closed_to={today}"):
        shown = browser.get(f"{URL}results/{days_}")
        assert [row["value"] for row in shown.context["funnel"]] == [4, 2, 1, 1]
        for row in shown.context["funnel"]:
            assert len(browser.get(row["url"]).context["page"].rows) == row["value"], row["url"]
    groups = {group["label"]: group for group in shown.context["groups"]}
    assert [group["asked"] for group in groups.values()] == [1, 5]  # all of the warm came back: they stand first
    for group in groups.values():
        for number, url in [(group["asked"], group["asked_url"]), *((n["value"], n["url"]) for n in group["numbers"])]:
            assert len(browser.get(url).context["page"].rows) == number, url
    assert [row["value"] for row in browser.get(f"{URL}results/?closed_to=2020-01-01").context["funnel"]] == [0] * 4
