"""Whatever a client sends, it is the client's error and says so: never ours."""

import json

import pytest

from leads.models import Campaign
from tests.factories import CampaignFactory, a_lead

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"employees": 1e999}',
        b'{"employees": NaN}',
        b'{"employees": ' + b"9" * 5_000 + b"}",
        b'{"name": "\xff"}',
        b"{",
    ],
)
def test_json_that_can_not_be_kept_is_a_400(mia, api, body):  # A1
    answer = api(mia).post("/api/v1/companies/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["code"] == "parse_error"


def test_a_body_beyond_the_limit_is_a_413(mia, api, settings):  # A1
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    client = api(mia)
    assert client.post("/api/v1/companies/", {"name": "A"}, format="json").status_code == 201
    assert client.post("/api/v1/companies/", {"name": "A" * 100}, format="json").status_code == 413


@pytest.mark.parametrize("cursor", ["cD0lMDA=", "cD14", "cD0tMQ==", "bz14", "ü"])  # p=%00, p=x, p=-1, o=x
def test_a_damaged_cursor_is_a_400(mia, api, cursor):  # A2
    a_lead()
    assert api(mia).get("/api/v1/leads/", {"cursor": cursor}).status_code == 400


def test_a_campaign_of_a_name_that_is_there_is_refused(mia, api):  # A1
    there = CampaignFactory(name="Expo")
    wanted = {"name": "EXPO", "channel": there.channel_id, "starts_on": "2026-01-02"}
    answer = api(mia).post("/api/v1/campaigns/", wanted, format="json")
    assert answer.status_code == 400
    assert "campaign of this name already" in json.loads(answer.content)["detail"]


def test_a_campaign_that_ends_before_it_starts_is_refused(mia, api):  # A1
    campaign = CampaignFactory()
    change = {"starts_on": "2026-01-02", "ends_on": "2026-01-01"}
    assert api(mia).patch(f"/api/v1/campaigns/{campaign.pk}/", change, format="json").status_code == 400


def test_a_campaign_whose_name_was_taken_a_moment_ago_is_refused(mia, api, monkeypatch):  # A1
    there = CampaignFactory(name="Expo")
    check, checked = Campaign.validate_constraints, []

    def check_too_early(campaign: Campaign) -> None:
        checked.append(campaign)
        if len(checked) > 1:
            check(campaign)

    monkeypatch.setattr(Campaign, "validate_constraints", check_too_early)
    wanted = {"name": "Expo", "channel": there.channel_id, "starts_on": "2026-01-02"}
    assert api(mia).post("/api/v1/campaigns/", wanted, format="json").status_code == 400
    assert Campaign.objects.count() == 1


def test_a_token_of_foreign_letters_is_a_401(api, client):  # A3
    answer = client.get("/api/v1/leads/", headers={"Authorization": "Bearer \xff"})
    assert answer.status_code == 401


def test_no_cache_keeps_what_a_token_opened(mia, api):  # A1
    assert api(mia).get("/api/v1/leads/")["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "query",
    [
        {"updated_since": "0001-01-01T00:00:00+14:00"},
        {"registered_since": "9999-12-31T23:59:59-14:00"},
        {"channel": "9" * 30},
        {"contact": "9" * 30},
    ],
)
def test_a_filter_beyond_what_a_database_holds_is_a_400(mia, api, query):  # A1
    assert api(mia).get("/api/v1/leads/", query).status_code == 400


def test_half_a_character_can_be_repeated_in_the_refusal(mia, api):  # A1
    client, half = api(mia), '"\\ud800"'
    answer = client.post(
        f"/api/v1/leads/{a_lead().pk}/answer/", f'{{"key": "a", "value": {half}}}', content_type="application/json"
    )
    assert answer.status_code == 400
    assert half.strip('"') in answer.content.decode()
    items = f'{{"system": "crm", "items": [{{"external_id": {half}, "name": "Eve"}}]}}'
    answer = client.post("/api/v1/contacts/bulk-upsert/", items, content_type="application/json")
    assert answer.status_code == 200
    assert json.loads(answer.content)["results"][0]["status"] == "refused"


@pytest.mark.parametrize("query", [{"to": "0001-01-01"}, {"to": "9999-12-31"}, {"from": "0001-01-01"}])
def test_days_that_can_not_be_reckoned_with_are_a_400(mia, api, query):  # A1
    assert api(mia).get("/api/v1/metrics/", query).status_code == 400
