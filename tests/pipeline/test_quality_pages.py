"""The pages of quality checks: from what was picked to the review, and a person's trend."""

import datetime
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pipeline import quality, transitions
from pipeline.models import Activity, Checklist, QualityReview, ReviewProposal
from tests.factories import a_contacted_handoff, days

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def calls() -> Checklist:
    return Checklist.objects.get(kind="call")


def some_calls(rep, number: int) -> list[Activity]:
    """Of the middle of last week."""
    at = datetime.datetime.combine(quality.last_week(timezone.now()), datetime.time(12), datetime.UTC) + days(1)
    lead = a_contacted_handoff(rep, at=at).lead
    for each in range(number - 1):
        transitions.log_activity(
            lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=rep, at=at + days((each + 1) / 24)
        )
    return list(lead.activities.order_by("pk"))


def a_form(checklist: Checklist, **more) -> dict:
    items = checklist.items.filter(is_active=True)
    scores = {f"item-{item.pk}": str(item.points) for item in items}
    return {"seen": checklist.fingerprint, "submission_key": str(uuid.uuid4()), **scores, **more}


def test_a_manager_reviews_what_was_picked_and_the_rep_reads_it(calls, sam, max_, as_user):  # H8
    some_calls(sam, 3)
    browser = as_user(max_)
    for path in ("", "picked/", f"people/{sam.pk}/"):
        assert browser.get(f"/quality/{path}").status_code == 200
    assert "Nothing waits for a review" in browser.get("/quality/picked/").text
    quality.propose(timezone.now())
    first, second = ReviewProposal.objects.order_by("pk")
    assert f"/quality/reviews/add/?activity={first.activity_id}" in browser.get("/quality/picked/").text
    url = f"/quality/reviews/add/?activity={first.activity_id}&checklist={calls.pk}"
    form = a_form(calls, note="Asked well")
    assert calls.items.first().text in browser.get(url).text
    done = browser.post(url, form, follow=True)
    assert "Asked well" in done.text
    assert browser.post(url, form).status_code == 302  # sent twice
    made = QualityReview.objects.get()
    assert "reviewed this already" in browser.post(url, a_form(calls)).text
    assert "left out: Too short" in browser.post(
        f"/quality/picked/{second.pk}/skip/", {"because": "Too short", "next": f"/quality/picked/?week={second.week}"}, follow=True
    ).text  # fmt: skip
    browser.post(f"/quality/picked/{second.pk}/skip/", {"because": "x" * 201})
    browser.post(f"/quality/picked/{second.pk}/restore/")
    assert ReviewProposal.objects.get(pk=second.pk).is_open
    rep = as_user(sam)
    for path in (f"reviews/{made.pk}/", f"people/{sam.pk}/", f"activities/{first.activity_id}/"):
        assert "100" in rep.get(f"/quality/{path}").text
    assert "/quality/activities/" in rep.get(f"/leads/{first.activity.lead_id}/").text
    assert "Take back</button>" not in rep.get(f"/quality/reviews/{made.pk}/").text
    assert rep.post(f"/quality/reviews/{made.pk}/withdraw/").status_code == 403
    browser.post(f"/quality/reviews/{made.pk}/withdraw/")
    assert not QualityReview.objects.exists()


def test_a_changed_checklist_or_an_undone_call_is_explained_and_nothing_saved(calls, sam, max_, as_user):  # H8
    call = some_calls(sam, 1)[0]
    browser, url = as_user(max_), f"/quality/reviews/add/?activity={call.pk}&checklist={calls.pk}"
    form, item = a_form(calls, note="typed"), calls.items.first()
    for change in (
        {f"item-{item.pk}": "6"},
        {f"item-{item.pk}": ""},
        {f"item-{item.pk}": "x"},
        {"submission_key": "x"},
    ):
        assert browser.post(url, form | change).status_code == 422
    calls.items.filter(pk=item.pk).update(points=9)
    response = browser.post(url, form)
    assert (response.status_code, "changed the checklist" in response.text, "typed" in response.text) == (
        422,
        True,
        True,
    )
    calls.items.filter(pk=item.pk).update(is_active=False)
    assert browser.post(url, form).status_code == 422
    Checklist.objects.filter(pk=calls.pk).update(is_active=False)
    assert browser.post(url, a_form(calls)).status_code == 422
    assert "no checklist in use" in browser.get(f"/quality/reviews/add/?activity={call.pk}", follow=True).text
    Checklist.objects.filter(pk=calls.pk).update(is_active=True)
    call.delete()
    assert "taken back meanwhile" in browser.post(url, a_form(calls), follow=True).text
    assert browser.get("/quality/reviews/add/?colour=red").status_code == 400
    assert not QualityReview.objects.exists()


def test_a_persons_page_shows_their_trend_and_each_number_opens_its_reviews(calls, sam, max_, as_user):  # H8
    activities = some_calls(sam, 6)
    browser, costs = as_user(max_), []
    pages = (f"/quality/people/{sam.pk}/", "/quality/", "/quality/picked/")
    for number, activity in enumerate(activities):
        item = calls.items.all()[number % 2]
        scores = {each.pk: 0 if each == item else each.points for each in calls.items.all()}
        transitions.review(calls, sam, scores, activity=activity, by=max_, at=timezone.now())
        if number in (0, 5):
            with CaptureQueriesContext(connection) as queries:
                shown, *_others = (browser.get(page) for page in pages)
            costs.append(len(queries))
    assert costs[0] == costs[1]
    month = next(row for row in shown.context["months"] if row["value"] is not None)
    for url, number in (
        (month["url"], 6),
        (f"?checklist={calls.pk}", 6),
        (f"?item={calls.items.first().pk}", 6),
        ("?month=2001-01-01", 0),
    ):
        listed = browser.get(f"/quality/people/{sam.pk}/{url.removesuffix('#reviews')}")
        assert len(listed.context["page"].rows) == number, url
    assert browser.get(f"/quality/people/{sam.pk}/?month=soon").status_code == 400
    assert browser.get(f"/quality/?team={sam.team_id}").context["rows"][0]["number"] == 6
    assert browser.get("/quality/?team=0").status_code == 400


def test_a_checklist_is_edited_in_the_browser(calls, max_, as_user):  # H8
    browser, url = as_user(max_), f"/quality/checklists/{calls.pk}/"
    page = browser.get(url)
    items = page.context["items"]
    body = {"name": "A good call", "kind": "call", "a_week": "3", "is_active": "on", "seen": quality.version(calls)}
    body |= {"items-TOTAL_FORMS": str(len(items.forms)), "items-INITIAL_FORMS": "0"}
    for number, form in enumerate(items.forms):
        row = {
            "text": "",
            "points": "",
            "pk": "",
            "place": "",
            **{k: v for k, v in form.initial.items() if k != "is_active"},
        }
        body |= {f"items-{number}-{name}": value for name, value in row.items()} | {f"items-{number}-is_active": "on"}
    last = len(items.forms) - 1
    for change in (
        {"items-0-text": ""},
        {"items-0-points": "0"},
        {"items-0-points": "101"},
        {f"items-{last}-text": "New", f"items-{last}-points": ""},
        {"a_week": "51"},
        {"kind": "mystery"},
        {"name": "Mystery shopping"},
        {"seen": "of yesterday"},
    ):
        assert browser.post(url, body | change).status_code == 422, change
    changed = body | {"items-0-place": "50", f"items-{last}-text": "Thanks them", f"items-{last}-points": "5"}
    assert browser.post(url, changed).status_code == 302
    calls.refresh_from_db()
    texts = [item.text for item in calls.items.all()]
    assert calls.a_week == 3
    assert (len(texts), texts[-2:]) == (7, ["Thanks them", "Says who they are, and asks whether now is a good moment"])
    assert "Thanks them" in browser.get("/quality/checklists/").text
    missing = {name: value for name, value in body.items() if "FORMS" not in name}
    assert browser.post(url, missing).status_code == 422
