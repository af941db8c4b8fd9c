"""The KPI pages: every number with its definition, its parts and its records; filters in the address."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from celery import current_app
from django.db import connection, transaction
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, User
from kpi import facts
from kpi.metrics import METRIC
from kpi.scope import BadParameter, read_scope
from kpi.views import TRENDS, _trend
from pipeline.defaults import create_defaults
from tests import factories
from tests.conftest import START
from tests.factories import days

pytestmark = [pytest.mark.django_db, pytest.mark.once]

PAGES = ["kpi:funnel", "kpi:channels", "kpi:sla"]


@pytest.fixture(scope="module")
def _recently(django_db_setup, django_db_blocker) -> Iterator[SimpleNamespace]:
    with django_db_blocker.unblock(), transaction.atomic():
        create_defaults(at=START)
        mia = factories.UserFactory(name="Mia", role=Role.MARKETER)
        sam, sid = (
            factories.UserFactory(name=name, role=Role.SALES_REP, team=factories.TeamFactory(name=team))
            for name, team in (("Sam", "Sales North"), ("Sid", "Sales South"))
        )
        at = timezone.now() - days(20)
        campaign = factories.EventFactory(participants=10, impressions=100, starts_on=at.date(), ends_on=None)
        factories.ExpenseFactory(campaign=campaign, spent_on=at.date(), amount=Decimal(500))
        deal = factories.a_won_opportunity(sam, by=mia, at=at, campaign=campaign, product=factories.ProductFactory())
        factories.a_handoff(sam, by=mia, at=at, campaign=campaign)
        facts.rebuild_all(timezone.now())
        yield SimpleNamespace(mia=mia, sam=sam, sid=sid, deal=deal)
        transaction.set_rollback(True)


@pytest.fixture
def recently(_recently, db) -> SimpleNamespace:
    """A won deal and an overdue handoff of the last weeks, and who had to do with them."""
    return _recently


def test_the_funnel_shows_rates_with_their_parts(as_user, vera, recently):  # K3
    text = as_user(vera).get(reverse("kpi:funnel")).content.decode()
    assert "Lead quality (SAL rate)" in text
    assert str(METRIC["lead_quality"].definition) in text
    assert "below ×10" in text
    assert "immature" in text


def test_the_channel_page_opens_its_campaigns(as_user, vera, recently):  # K3
    client, channel = as_user(vera), recently.deal.lead.campaign.channel
    text = client.get(reverse("kpi:channels")).content.decode()
    assert f"channel={channel.pk}" in text
    text = client.get(reverse("kpi:channels"), {"channel": channel.pk}).content.decode()
    assert str(recently.deal.lead.campaign) in text
    assert "500" in text


def test_the_clock_page_tells_who_is_overdue_now(as_user, vera, recently):  # K3
    response = as_user(vera).get(reverse("kpi:sla"))
    (row,) = response.context["rows"]
    assert row["name"] == "Sam"
    assert [count for count, _url in row["overdue"]] == [1, 1]
    response = as_user(vera).get(reverse("kpi:sla"), {"by": "team"})
    assert [row["name"] for row in response.context["rows"]] == ["Sales North"]


@pytest.mark.parametrize("page", PAGES)
def test_what_an_address_can_not_mean_is_refused(as_user, vera, page):  # K3
    assert as_user(vera).get(f"{reverse(page)}?from=yesterday").status_code == 400


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
        # Days that can't be reckoned with.
        "from=9999-12-31",
        "to=9999-12-31",
        "to=0001-01-01",
        "from=0001-01-01",
    ],
)
def test_the_scope_of_such_an_address_is_none(query):  # K3
    with pytest.raises(BadParameter):
        read_scope(QueryDict(query), User())


@pytest.mark.parametrize("page", PAGES)
def test_filters_stay_in_every_address_of_the_page(as_user, vera, page, recently):  # K3
    response = as_user(vera).get(reverse(page), {"owner": recently.mia.pk, "mode": "calendar"})
    assert response.status_code == 200
    for part in (*response.context["periods"], *response.context["modes"]):
        assert parse_qs(urlsplit(part["url"]).query)["owner"] == [str(recently.mia.pk)]
    assert "Mia" in response.content.decode()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("query", [{"product": "none"}, {"owner": 999999}, {"from": "2020-01-01", "to": "2019-01-01"}])
def test_what_has_no_figures_is_told_so(as_user, vera, page, query, recently):  # K3
    assert as_user(vera).get(reverse(page), query).status_code == 200


def test_pages_take_the_same_number_of_queries_however_much_there_is(as_user, dora, recently):  # K3
    client = as_user(dora)

    def queries(page: str) -> int:
        with CaptureQueriesContext(connection) as made:
            client.get(reverse(page))
        return len(made)

    for page in PAGES:
        queries(page)
    few = [queries(page) for page in PAGES]
    assert max(few) <= 40
    for _n in range(2):
        factories.a_won_opportunity(recently.sid, by=recently.mia, at=timezone.now() - days(3))
    facts.rebuild_all(timezone.now())
    assert all(queries(page) <= at_first for page, at_first in zip(PAGES, few, strict=True))


@pytest.mark.parametrize("page", PAGES)
def test_the_export_has_what_the_page_shows(as_user, vera, ada, page, recently):  # K3
    response = as_user(vera).get(reverse(page), {"format": "csv"})
    rows = list(csv.DictReader(StringIO(response.content.decode("utf-8-sig"))))
    assert rows
    assert {"group", "metric", "value"} <= set(rows[0])
    assert as_user(ada).get(reverse(page), {"format": "csv"}).status_code == 403
    assert as_user(vera).get(reverse(page), {"format": "exe"}).status_code == 400


def test_every_trend_can_be_shown(as_user, vera, recently):  # K3
    scope = read_scope(QueryDict(), vera)
    assert all(len(_trend(scope, METRIC[slug])) == 13 for slug in TRENDS)
    client = as_user(vera)
    for slug in {METRIC[slug].unit: slug for slug in TRENDS}.values():
        response = client.get(reverse("kpi:funnel"), {"trend": slug})
        assert response.status_code == 200
        assert len(response.context["trend"]) == 13
    assert client.get(reverse("kpi:funnel"), {"trend": "weather"}).status_code == 400
    assert client.get(reverse("kpi:funnel")).context["trend"][-1]["label"] == f"{timezone.now():%b %y}"


def test_reckoning_on_demand_wakes_a_worker_and_never_hangs_without_one(
    as_user, dora, recently, monkeypatch, settings
):  # K2
    asked = []
    monkeypatch.setattr("kpi.views.publish", lambda task, **kwargs: asked.append((task, kwargs)) or True)
    client = as_user(dora)
    assert client.post(reverse("kpi:reckon"), {"next": "/kpi/sla/"}).url == "/kpi/sla/"
    assert asked == [("kpi.tasks.recompute_facts", {"asked": True})]
    assert client.post(reverse("kpi:reckon"), {"next": "https://evil.example/"}).url == reverse("kpi:funnel")
    assert as_user(recently.mia).post(reverse("kpi:reckon")).status_code == 403
    monkeypatch.undo()
    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    text = client.post(reverse("kpi:reckon"), follow=True).content.decode()
    assert "can&#x27;t be reached" in text


def test_what_is_overdue_opens_its_records(as_user, recently):  # K3
    client = as_user(recently.mia)
    for row in client.get(reverse("kpi:sla")).context["rows"]:
        for count, address in row["overdue"]:
            assert len(client.get(address).context["rows"]) == count
