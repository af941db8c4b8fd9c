"""The pages of tasks: whose, due when, what each role may press, and what a hostile address gets."""

import datetime

import pytest
from django.utils import timezone

from pipeline.models import Task
from pipeline.to_do import finish_task, open_task
from tests.factories import CampaignFactory, a_lead, an_opportunity, days

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def a_task(assignee, title: str, due: float = 1, *, by=None, **about) -> Task:
    now = timezone.now()
    return open_task(title=title, assignee=assignee, due_at=now + days(due), by=by or assignee, at=now, **about)


def titles(client, query: str = "") -> list[str]:
    return [row["task"].title for row in client.get(f"/tasks/{query}").context["rows"]]


def test_each_looks_at_their_own_what_they_gave_and_their_teams(as_user, mia, sam, sid, max_, dora):
    a_task(sam, "Overdue", -2)
    a_task(sam, "Far", 40)
    a_task(sam, "From Mia", 30, by=mia, lead=a_lead(by=mia))
    a_task(sid, "Sid's")
    finish_task(a_task(sam, "Over", -1), by=sam, at=timezone.now())
    as_sam = as_user(sam)
    assert titles(as_sam) == ["Overdue", "From Mia", "Far"]
    assert titles(as_sam, "?state=done") == ["Over"]
    assert titles(as_sam, "?due=overdue") == ["Overdue"]
    assert titles(as_sam, "?due=later") == ["From Mia", "Far"]
    assert titles(as_sam, "?q=from") == ["From Mia"]
    assert titles(as_sam, f"?whose=all&assignee={sid.pk}") == ["Sid's"]
    assert titles(as_user(mia), "?whose=given") == ["From Mia"]
    assert titles(as_user(max_), "?whose=team") == ["Overdue", "From Mia", "Far"]
    assert len(titles(as_user(dora), "?whose=team")) == 4
    headings = [str(row["heading"]) for row in as_sam.get("/tasks/").context["rows"]]
    assert headings == ["Overdue", "Later", ""]


def test_a_long_list_goes_on_beneath_its_heading_with_the_same_few_queries(
    as_user, sam, mia, django_assert_max_num_queries
):
    browser, lead = as_user(sam), a_lead(by=mia)
    a_task(sam, "First", 20, lead=lead)
    browser.get("/tasks/")
    now = timezone.now()
    Task.objects.bulk_create(
        Task(title=f"Task {n}", assignee=sam, lead=lead, created_by=mia, due_at=now + days(30 + n)) for n in range(40)
    )
    with django_assert_max_num_queries(7):
        page = browser.get("/tasks/")
    assert len(page.context["rows"]) == 30
    rest = browser.get("/tasks/", {"after": page.context["page"].next_key, "below": page.context["below"]})
    assert {str(row["heading"]) for row in rest.context["rows"]} == {""}
    assert len(rest.context["rows"]) == 11


@pytest.mark.parametrize(
    "query", ["?whose=nobody", "?due=never", "?kind=x", "?assignee=0", "?after=x", "?q=%00", "?colour=red", "?below=x"]
)
def test_an_address_that_makes_no_sense_is_refused(as_user, sam, query):
    assert as_user(sam).get(f"/tasks/{query}").status_code == 400


def test_a_task_is_added_about_anything_or_nothing(as_user, mia, sam):
    deal, campaign = an_opportunity(sam, by=mia), CampaignFactory()
    due = (timezone.localtime() + days(3)).strftime("%Y-%m-%dT%H:%M")
    said = {"title": "Send it", "assignee": sam.pk, "due_at": due}
    browser = as_user(sam)
    for address, page in (
        ("/tasks/add/", "/tasks/"),
        (f"/leads/{deal.lead_id}/task/", f"/leads/{deal.lead_id}/"),
        (f"/opportunities/{deal.pk}/tasks/add/", f"/opportunities/{deal.pk}/"),
        (f"/campaigns/{campaign.pk}/tasks/add/", f"/campaigns/{campaign.pk}/"),
    ):
        assert browser.get(address).status_code == 200
        assert browser.post(address, said)["Location"] == page
    about = Task.objects.order_by("pk").values_list("lead", "opportunity", "campaign")
    assert list(about) == [
        (None, None, None),
        (deal.lead_id, None, None),
        (deal.lead_id, deal.pk, None),
        (None, None, campaign.pk),
    ]
    assert "Send it" in browser.get(f"/opportunities/{deal.pk}/tasks/").content.decode()
    assert "Send it" in browser.get(f"/campaigns/{campaign.pk}/tasks/").content.decode()


def test_what_makes_no_sense_comes_back_with_what_was_typed(as_user, sam):
    browser, said = as_user(sam), {"title": "Send it", "assignee": sam.pk, "due_at": "2026-12-01T10:00"}
    for wrong in [
        {"title": ""},
        {"title": "x" * 301},
        {"title": "a\x00b"},
        {"due_at": "9999-12-31T23:59"},
        {"due_at": "0001-01-01T00:00"},
        {"due_at": "soon"},
        {"assignee": "0"},
        {"note": "x" * 5001},
    ]:
        assert browser.post("/tasks/add/", said | wrong).status_code == 422, wrong
    assert not Task.objects.exists()


def test_a_task_is_changed_on_its_page_and_keeps_its_seconds(as_user, sam, vera, ada):
    task = a_task(sam, "Send it")
    browser = as_user(sam)
    page = browser.get(f"/tasks/{task.pk}/")
    said = {name: field.value() for name, field in ((field.name, field) for field in page.context["form"])}
    said["due_at"] = timezone.localtime(task.due_at).strftime("%Y-%m-%dT%H:%M")
    assert browser.post(f"/tasks/{task.pk}/", said | {"title": "Bring it", "next": "/"})["Location"] == "/"
    task.refresh_from_db()
    assert (task.title, task.due_at.second) == ("Bring it", task.due_at.second)
    stale = browser.post(f"/tasks/{task.pk}/", said | {"title": "Other"})
    assert stale.status_code == 422
    assert "was changed on" in stale.content.decode()
    assert "<form method" not in as_user(vera).get(f"/tasks/{task.pk}/").content.decode().partition("<main")[2]
    assert (
        browser.post(f"/tasks/{task.pk}/", said | {"next": "https://evil.example/", "seen_at": "x"}).status_code == 422
    )


def test_several_are_ticked_put_off_and_put_back(as_user, sam, sid):
    pks = [a_task(sam, f"Task {n}", -1).pk for n in range(3)]
    others = a_task(sid, "Sid's").pk
    browser = as_user(sam)

    def said(response) -> list[str]:
        return [str(message) for message in response.context["messages"]]

    done = browser.post("/tasks/change/", {"selected": [*pks, others], "do": "done"}, follow=True)
    assert said(done)[0] == "3 tasks done."
    assert said(done)[1].startswith("1 task stays as it is")
    undo = next(iter(done.context["messages"])).extra_tags.removeprefix("undo:")
    assert said(browser.post(undo, follow=True)) == ["3 tasks are as they were."]
    browser.post("/tasks/change/", {"selected": pks, "do": "next_week"})
    due = {timezone.localtime(at) for at in Task.objects.filter(pk__in=pks).values_list("due_at", flat=True)}
    assert {at.weekday() for at in due} == {0}
    assert min(due).date() > timezone.localdate()
    browser.post("/tasks/change/", {"selected": pks[:1], "do": "tomorrow"})
    tomorrow = timezone.localdate() + datetime.timedelta(days=1)
    assert timezone.localtime(Task.objects.get(pk=pks[0]).due_at).date() == tomorrow
    browser.get("/tasks/")  # says the rest
    for nonsense in ({}, {"selected": pks, "do": "explode"}, {"selected": ["x", "٣", "9" * 30], "do": "done"}):
        assert said(browser.post("/tasks/change/", nonsense, follow=True)) == [
            "Select the tasks first, and then what to do with them."
        ]
    assert browser.post("/tasks/put-back/?was=forged").status_code == 400


def test_my_day_names_the_first_and_leads_to_all(as_user, sam):
    for n in range(10):
        a_task(sam, f"Task {n}", -1)
    section = as_user(sam).get("/").context["sections"][0]
    assert (section["kind"], len(section["rows"]), section["has_more"], section["url"]) == ("tasks", 8, True, "/tasks/")
