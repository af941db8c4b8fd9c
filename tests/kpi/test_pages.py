"""The KPI pages: every number with its definition, its parts and its records; filters in the address."""

import csv
import datetime
from decimal import Decimal
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from celery import current_app
from django.urls import reverse
from django.utils import timezone

from kpi import facts
from kpi.metrics import METRIC
from pipeline import transitions
from pipeline.sweep import sweep
from tests import factories
from tests.factories import a_lead, days

pytestmark = pytest.mark.django_db

PAGES = ["kpi:funnel", "kpi:channels", "kpi:sla"]


@pytest.fixture
def recently(mia, sam):
    """A won deal, a rejected lead and an overdue handoff of the last weeks."""
    at = timezone.now() - days(20)
    campaign = factories.EventFactory(participants=10, impressions=100, starts_on=at.date(), ends_on=None)
    factories.ExpenseFactory(campaign=campaign, spent_on=at.date(), amount=Decimal(500))
    deal = factories.a_won_opportunity(sam, by=mia, at=at, campaign=campaign, product=factories.ProductFactory())
    factories.a_handoff(sam, by=mia, at=at, campaign=campaign)
    facts.recompute()
    return deal


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_base_says_what_the_page_is_for(as_user, dora, page):  # U6
    text = as_user(dora).get(reverse(page)).content.decode()
    assert 'class="empty"' in text
    assert "Not reckoned yet" in text


def test_the_funnel_shows_rates_with_their_parts(as_user, vera, recently):  # K3
    text = as_user(vera).get(reverse("kpi:funnel")).content.decode()
    assert "Lead quality (SAL rate)" in text
    assert str(METRIC["lead_quality"].definition) in text
    assert "below ×10" in text
    assert "immature" in text


def test_the_channel_page_opens_its_campaigns(as_user, vera, recently):  # K3
    client, channel = as_user(vera), recently.lead.campaign.channel
    text = client.get(reverse("kpi:channels")).content.decode()
    assert f"channel={channel.pk}" in text
    text = client.get(reverse("kpi:channels"), {"channel": channel.pk}).content.decode()
    assert str(recently.lead.campaign) in text
    assert "500" in text


def test_the_clock_page_tells_who_is_overdue_now(as_user, vera, sam, recently):  # K3
    response = as_user(vera).get(reverse("kpi:sla"))
    (row,) = response.context["rows"]
    assert row["name"] == "Sam"
    assert [count for count, _url in row["overdue"]] == [1, 1]
    response = as_user(vera).get(reverse("kpi:sla"), {"by": "team"})
    assert [row["name"] for row in response.context["rows"]] == ["Sales North"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "from=yesterday",
        "mode=dream",
        "channel=x",
        "owner=1%00",
        "team=-1",
        "campaign=99999999999999999999",
    ],
)
def test_what_an_address_can_not_mean_is_refused(as_user, vera, page, query):  # K3
    assert as_user(vera).get(f"{reverse(page)}?{query}").status_code == 400


@pytest.mark.parametrize("page", PAGES)
def test_filters_stay_in_every_address_of_the_page(as_user, vera, mia, page, recently):  # K3
    response = as_user(vera).get(reverse(page), {"owner": mia.pk, "mode": "calendar"})
    assert response.status_code == 200
    for part in (*response.context["periods"], *response.context["modes"]):
        assert parse_qs(urlsplit(part["url"]).query)["owner"] == [str(mia.pk)]
    assert "Mia" in response.content.decode()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("query", [{"product": "none"}, {"owner": 999999}, {"from": "2020-01-01", "to": "2019-01-01"}])
def test_what_has_no_figures_is_told_so(as_user, vera, page, query, recently):  # K3
    assert as_user(vera).get(reverse(page), query).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_pages_take_the_same_number_of_queries_however_much_there_is(
    as_user, dora, page, recently, mia, sid, django_assert_max_num_queries
):  # K3
    client = as_user(dora)
    client.get(reverse(page))
    with django_assert_max_num_queries(40) as few:
        client.get(reverse(page))
    for _n in range(3):
        factories.a_won_opportunity(sid, by=mia, at=timezone.now() - days(3))
    facts.recompute()
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get(reverse(page))


@pytest.mark.parametrize("page", PAGES)
def test_the_export_has_what_the_page_shows(as_user, vera, ada, page, recently):  # K3
    response = as_user(vera).get(reverse(page), {"format": "csv"})
    rows = list(csv.DictReader(StringIO(response.content.decode("utf-8-sig"))))
    assert rows
    assert {"group", "metric", "value"} <= set(rows[0])
    assert as_user(ada).get(reverse(page), {"format": "csv"}).status_code == 403
    assert as_user(vera).get(reverse(page), {"format": "exe"}).status_code == 400


def test_every_trend_can_be_shown(as_user, vera, recently):  # K3
    from kpi.views import TRENDS

    client = as_user(vera)
    for slug in TRENDS:
        response = client.get(reverse("kpi:funnel"), {"trend": slug})
        assert response.status_code == 200
        assert len(response.context["trend"]) == 13
    assert client.get(reverse("kpi:funnel"), {"trend": "weather"}).status_code == 400
    assert client.get(reverse("kpi:funnel")).context["trend"][-1]["label"] == f"{timezone.now():%b %y}"


def test_reckoning_on_demand_wakes_a_worker_and_never_hangs_without_one(
    as_user, dora, mia, monkeypatch, settings
):  # K2
    asked = []
    monkeypatch.setattr("kpi.views.publish", lambda task, **kwargs: asked.append((task, kwargs)) or True)
    client = as_user(dora)
    assert client.post(reverse("kpi:reckon"), {"next": "/kpi/sla/"}).url == "/kpi/sla/"
    assert asked == [("kpi.tasks.recompute_facts", {"asked": True})]
    assert client.post(reverse("kpi:reckon"), {"next": "https://evil.example/"}).url == reverse("kpi:funnel")
    assert as_user(mia).post(reverse("kpi:reckon")).status_code == 403
    monkeypatch.undo()
    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    text = client.post(reverse("kpi:reckon"), follow=True).content.decode()
    assert "can&#x27;t be reached" in text


def test_what_is_overdue_opens_its_records(as_user, mia, sam, recently):  # K3
    client = as_user(mia)
    for row in client.get(reverse("kpi:sla")).context["rows"]:
        for count, address in row["overdue"]:
            assert len(client.get(address).context["rows"]) == count


def test_a_period_ends_with_today_of_the_organisation(as_user, vera):  # K3
    today = datetime.datetime.now(datetime.UTC).date()
    assert as_user(vera).get(reverse("kpi:funnel")).context["scope"].end == today


@pytest.mark.parametrize("days", ["from=9999-12-31", "to=9999-12-31", "to=0001-01-01", "from=0001-01-01"])
@pytest.mark.parametrize("page", ["funnel", "channels", "sla"])
def test_days_that_can_not_be_reckoned_with_are_a_400(vera, as_user, page, days):  # K3
    assert as_user(vera).get(f"{reverse(f'kpi:{page}')}?{days}").status_code == 400


def test_the_clock_page_tells_marketings_speed_by_person_and_opens_who_was_not_called(as_user, mia, dora):  # K3 L8
    now = timezone.now()
    answered, silent = a_lead(by=mia, at=now - days(14)), a_lead(by=mia, at=now - days(14))
    transitions.log_activity(answered, "call", "reached", by=mia, at=now - days(14))
    sweep(now)
    facts.recompute()
    response = as_user(dora).get(reverse("kpi:sla"))
    (row,) = response.context["response_rows"]
    assert (row["name"], row["untouched"]) == ("Mia", 1)
    shown = as_user(dora).get(row["untouched_url"]).context["rows"]
    assert [lead for lead, _at in shown] == [silent]
    median = row["cells"][0]
    assert (median["figure"].value, median["figure"].denominator) == (0, 1)
    assert len(as_user(dora).get(median["bottom_url"]).context["rows"]) == 1
