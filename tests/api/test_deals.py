"""Opportunities by REST: what they are worth, and their steps."""

import pytest

from tests.factories import an_opportunity

pytestmark = pytest.mark.django_db


def test_the_api_knows_what_a_deal_is_worth_and_its_steps(mia, sam, sid, api):  # A1
    deal = an_opportunity(sam, by=mia)
    url, client = f"/api/v1/opportunities/{deal.pk}/", api(sam)
    body = {"lines": [{"text": "Licences", "amount": "1000.00", "cost_share": "0.4"}], "next_step": "Call"}
    answer = client.post(url + "edit/", body, format="json")
    assert (answer.status_code, answer.data["amount"], answer.data["margin"]) == (200, "1000.00", "600.00")
    seen = answer.data["updated_at"]
    line = answer.data["lines"][0] | {"amount": "1200.00"}
    assert client.post(url + "edit/", {"lines": [line], "seen_at": seen}, format="json").data["amount"] == "1200.00"
    for wrong, code in (
        ({"lines": [line], "seen_at": seen}, 409),
        ({"currency": "EUR"}, 409),
        ({"currency": "x1"}, 400),
        ({"amount": "NaN"}, 400),
        ({"lines": [{"text": "x", "amount": "-1"}]}, 400),
        ({"lines": "x"}, 400),
        ({"product": 999999}, 400),
        ({"expected_close_on": "0001-01-01"}, 400),
        ({"next_step_on": "9999-12-31"}, 400),
        ({"seen_at": "9999-12-31T23:59:59-14:00"}, 400),
    ):
        assert client.post(url + "edit/", wrong, format="json").status_code == code, wrong
    assert client.post(url + "asked/", {"step": "proposal"}, format="json").data["proposal_asked_at"]
    assert client.post(url + "sent/", {"step": "won"}, format="json").status_code == 400
    assert client.post(url + "sent/", {"step": "demo", "at": "0001-01-01T00:00:00Z"}, format="json").status_code == 400
    for day in ("1899-12-31", "3000-01-01"):
        refused = client.put(url + "plan/", [{"due_on": day, "amount": "7"}], format="json")
        assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
        assert client.post(url + "payments/", {"paid_on": day, "amount": "6"}, format="json").status_code == 400
    plan = [{"due_on": "2026-06-01", "amount": "700.00"}, {"due_on": "2026-05-01", "amount": "500.00"}]
    assert [row["due_on"] for row in client.put(url + "plan/", plan, format="json").data] == [
        "2026-05-01",
        "2026-06-01",
    ]
    assert client.post(url + "win/", {}, format="json").data["stage"] == "won"
    assert (
        client.post(url + "payments/", {"paid_on": "2026-03-02", "amount": "600.00"}, format="json").status_code == 201
    )
    assert [row["paid"] for row in client.get(url + "plan/").data] == ["500.00", "100.00"]
    repeat = client.post(url + "repeat/", {}, format="json")
    assert (repeat.status_code, repeat.data["repeats"], repeat.data["stage"]) == (201, deal.pk, "accepted")
    assert api(sid).post(url + "repeat/", {}, format="json").status_code == 403
    assert client.post(url + "reopen/", {"why": "x"}, format="json").status_code == 409
