from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads.models import Lead, Reason, Stage
from tests.factories import (
    CampaignFactory,
    ChannelFactory,
    ExpenseFactory,
    a_contacted_handoff,
    a_handoff,
    a_won_opportunity,
    meet_criteria,
    reason,
)

pytestmark = pytest.mark.django_db


def test_a_lead_goes_the_whole_road_by_rest(mia, sam, api):  # A1
    marketing, sales = api(mia), api(sam)
    body = {
        "campaign": CampaignFactory().pk,
        "name": "Eve",
        "email": "eve@client.example",
        "submission_key": "0b8d2a34-6f0e-4c43-9f0f-7a4d2f6c9a10",
    }
    made = marketing.post("/api/v1/leads/", body, format="json")
    assert (made.status_code, made.data["stage"]) == (201, "new")
    assert marketing.post("/api/v1/leads/", body, format="json").status_code == 200
    lead = Lead.objects.get()

    assert marketing.post(f"/api/v1/leads/{lead.pk}/qualify/").status_code == 409
    for key in ("need", "decides", "reachable", "budget"):
        marketing.post(f"/api/v1/leads/{lead.pk}/answer/", {"key": key, "value": "yes"}, format="json")
    assert marketing.post(f"/api/v1/leads/{lead.pk}/qualify/").data["stage"] == "qualified"
    handoff = marketing.post(f"/api/v1/leads/{lead.pk}/hand-over/", {"to": sam.email}, format="json").data["id"]

    assert sales.post(f"/api/v1/handoffs/{handoff}/accept/").status_code == 409
    call = {"kind": "call", "outcome": "reached"}
    assert sales.post(f"/api/v1/leads/{lead.pk}/activities/", call, format="json").status_code == 201
    opportunity = sales.post(f"/api/v1/handoffs/{handoff}/accept/").data["id"]
    url = f"/api/v1/opportunities/{opportunity}/"
    assert sales.post(url + "move/", {"stage": "proposal"}, format="json").data["stage"] == "proposal"
    assert sales.post(url + "win/", {"amount": "1500.50"}, format="json").data["stage"] == "won"
    payment = {"paid_on": "2026-03-02", "amount": "1500.50"}
    assert sales.post(url + "payments/", payment, format="json").status_code == 201
    assert Decimal(sales.get(url + "payments/").data[0]["amount"]) == Decimal("1500.50")
    lead.refresh_from_db()
    assert lead.stage == Stage.WON


def test_the_second_verdict_is_a_conflict_that_names_the_first(mia, sam, max_, api):  # H4
    handoff = a_contacted_handoff(sam, by=mia)
    assert api(max_).post(f"/api/v1/handoffs/{handoff.pk}/accept/").status_code == 201
    second = api(sam).post(f"/api/v1/handoffs/{handoff.pk}/accept/")
    assert second.status_code == 409
    assert "Max already accepted" in second.json()["detail"]


def test_a_rejection_by_rest_follows_the_same_rules(mia, sam, sid, api):  # H4
    handoff = a_handoff(sam, by=mia)
    url = f"/api/v1/handoffs/{handoff.pk}/reject/"
    body = {
        "reason": reason().pk,
        "missing": "the budget",
        "feedback": [{"kind": "misread", "field": "criterion:budget"}],
    }
    assert api(sid).post(url, body, format="json").status_code == 403
    assert api(sam).post(url, {"reason": reason().pk}, format="json").status_code == 409
    assert (
        api(sam).post(url, {"reason": Reason.objects.filter(kind="loss").first().pk}, format="json").status_code == 400
    )
    assert api(sam).post(url, body, format="json").data["verdict"] == "rejected"


def test_stage_owner_and_due_times_can_not_be_written(mia, sam, api):  # A1
    opportunity = a_won_opportunity(sam, by=mia)
    answer = api(sam).patch(f"/api/v1/opportunities/{opportunity.pk}/", {"stage": "lost"}, format="json")
    assert answer.status_code == 405
    opportunity.refresh_from_db()
    assert opportunity.stage == "won"


def test_a_viewer_reads_and_changes_nothing(mia, sam, vera, api):  # A1
    lead = meet_criteria(a_handoff(sam, by=mia).lead)
    client = api(vera)
    assert client.get(f"/api/v1/leads/{lead.pk}/").status_code == 200
    assert client.post(f"/api/v1/leads/{lead.pk}/keep-warm/").status_code == 403
    assert (
        client.post("/api/v1/campaigns/", {"name": "x", "channel": ChannelFactory().pk}, format="json").status_code
        == 403
    )


def test_lists_take_a_constant_number_of_queries(mia, sam, api):  # A1
    client = api(mia)

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as made:
            assert client.get(f"/api/v1/{path}/").status_code == 200
        return len(made)

    paths = ["leads", "handoffs", "opportunities", "campaigns", "expenses", "companies", "contacts"]
    for path in paths:
        queries(path)
    a_won_opportunity(sam, by=mia)
    ExpenseFactory()
    few = [queries(path) for path in paths]
    assert max(few) <= 6
    for _n in range(2):
        a_won_opportunity(sam, by=mia)
        ExpenseFactory()
    assert [queries(path) for path in paths] == few


@pytest.mark.parametrize(
    "address",
    ["leads/?stage=won&stage=new", "handoffs/?verdict=accepted", "opportunities/?stage=won", "contacts/?system=crm"],
)
def test_a_filter_sorts_no_table_before_its_first_page(mia, api, address):  # A1
    client = api(mia)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/api/v1/{address}").status_code == 200
    assert queries
    assert not [query["sql"] for query in queries if "DISTINCT" in query["sql"]]


def test_the_schema_is_openapi_3_1_and_the_reference_loads_nothing_from_elsewhere(client):  # A1
    schema = client.get("/api/v1/schema/?format=json").json()
    assert schema["openapi"].startswith("3.1")
    page = client.get("/api/v1/docs/").content.decode()
    assert "https://" not in page
    assert "<script>" not in page


@pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/nonsense/", "/api/v1/leads/999999/"])
def test_an_unknown_address_is_a_problem_and_no_page(mia, api, path):  # A1
    answer = api(mia).get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["status"] == 404


def test_an_unknown_page_is_a_page(as_user, mia):  # U4
    answer = as_user(mia).get("/nonsense/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")
