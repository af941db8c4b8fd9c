"""The board and the list of opportunities in a browser: filters, orders, more cards, drops, and what comes next."""

import datetime
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from leads.models import Stage
from pipeline import board, transitions
from pipeline.models import SalesPipeline
from tests.factories import ContactFactory, ProductFactory, a_contacted_handoff, an_opportunity, days

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime.datetime:
    return timezone.now()


def url(name: str, *args) -> str:
    return reverse(f"pipeline:{name}", args=args)


def drop(client, opportunity, stage: str, *, seen: str = "accepted", query: str = "", site: str = "http://testserver"):
    """What the board's script sends."""
    headers = {
        "HX-Request": "true",
        "HX-Target": f"card-{opportunity.pk}",
        "HX-Current-URL": f"{site}{url('opportunity_board')}{query}",
    }
    data = {"stage": stage, "seen": seen}
    return client.post(url("opportunity_move", opportunity.pk), data, headers=headers)


def test_a_drop_answers_with_the_card_the_sums_and_an_undo(as_user, mia, sam, sid, max_, now):  # H6
    opportunity = an_opportunity(sam, by=mia, at=now)
    client = as_user(sam)
    text = drop(client, opportunity, "proposal", query=f"?owner={sam.pk}").content.decode()
    assert f'id="card-{opportunity.pk}" data-stage="proposal"' in text
    assert 'id="head-accepted"' in text
    assert "Undo" in text
    assert "data-asks" in text  # nobody said what comes next
    for again in (drop(client, opportunity, "proposal"), drop(as_user(max_), opportunity, "demo")):
        assert f'id="card-{opportunity.pk}" data-stage="proposal"' in again.content.decode()
    assert "by now, so it wasn" in again.content.decode()
    assert "no such stage" in drop(client, opportunity, "won", seen="proposal").content.decode()
    assert "belongs to Sam" in drop(as_user(sid), opportunity, "demo", seen="proposal").content.decode()
    assert drop(as_user(mia), opportunity, "demo", seen="proposal").status_code == 403
    assert drop(client, opportunity, "demo", seen="proposal", query="?colour=red").status_code == 200
    assert drop(client, opportunity, "demo", seen="proposal", site="http://[").status_code == 400  # no address
    assert opportunity.lead.events.filter(kind="moved").count() == 2


def test_the_next_step_is_asked_for_and_both_of_it(as_user, mia, sam, now):  # H6
    handoff, client = a_contacted_handoff(sam, by=mia, at=now), as_user(sam)
    page = client.post(url("handoff_accept", handoff.pk), follow=True)
    opportunity = handoff.lead.opportunities.get()
    step, today = url("opportunity_step", opportunity.pk), timezone.localdate()
    assert f'href="{step}"' in page.content.decode()
    move = url("opportunity_move", opportunity.pk)
    for wrong in (
        {"next_step": "Call"},
        {"next_step": "", "next_step_on": today},
        {"next_step": "Call", "next_step_on": today - days(1)},
        {"next_step": "Call", "next_step_on": "0001-01-01"},
        {"next_step": "x" * 201, "next_step_on": today},
    ):
        assert client.post(step, wrong).status_code == 422
        assert client.post(move, {"stage": "demo", **wrong}).status_code == 422
    client.post(move, {"stage": "demo", "next_step": "Call", "next_step_on": today})
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.next_step, opportunity.next_step_on) == ("demo", "Call", today)
    client.post(move, {"stage": "proposal"})  # the menu doesn't ask for the step: it stays
    client.post(step, {"next_step": "Write", "next_step_on": today + days(1)})
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.next_step) == ("proposal", "Write")


def test_what_is_neglected_is_marked_on_the_board_listed_and_on_my_day(as_user, mia, sam, now):  # H6
    fresh = an_opportunity(sam, by=mia, at=now)
    transitions.edit_opportunity(
        fresh, {"next_step": "Call", "next_step_on": timezone.localdate() + days(3)}, by=sam, at=now
    )
    old = an_opportunity(sam, by=mia, at=now - days(16.5))
    client = as_user(sam)
    page = client.get(url("opportunity_board")).content.decode()
    for words in ("rotting: 3 days over", "cold", "no next step", "16 days here", ">Sam<"):
        assert words in page
    for query in ("rotting=1", "cold=1", "step=none"):
        assert list(client.get(f"{url('opportunity_list')}?{query}").context["rows"]) == [old]
    titles = {section["title"]: section["rows"] for section in client.get(url("home")).context["sections"]}
    assert titles["Rotting: too long in one stage"] == titles["No next step"] == [old]


def test_more_cards_come_in_place_and_miss_none(as_user, mia, sam, now, monkeypatch):  # H6
    monkeypatch.setattr(board, "CARDS", 2)
    made = [an_opportunity(sam, by=mia, at=now - days(n)) for n in range(5)]
    client, seen = as_user(sam), []
    columns = {each.stage: each for each in client.get(url("opportunity_board")).context["columns"]}
    column = columns[Stage.ACCEPTED]
    seen += [card.opportunity for card in column.cards]
    key, address = column.next_key, url("board_column", "accepted")
    while key:
        page = client.get(address, {"after": key}, headers={"HX-Request": "true"})
        seen += [card.opportunity for card in page.context["cards"]]
        key = page.context["next_key"]
    assert seen == made
    assert client.get(address).url.endswith("/opportunities/list/?stage=accepted")
    assert client.get(url("board_column", "new")).status_code == 404
    assert client.get(f"{address}?after=forged", headers={"HX-Request": "true"}).status_code == 400


def test_all_cards_share_one_menu_and_link_to_the_page_that_does_the_same(as_user, mia, sam, now):  # H6
    client = as_user(sam)
    an_opportunity(sam, by=mia, at=now)
    with CaptureQueriesContext(connection) as one:
        client.get(url("opportunity_board"))
    opportunity = an_opportunity(sam, by=mia, at=now)
    with CaptureQueriesContext(connection) as two:
        page = client.get(url("opportunity_board")).content.decode()
    assert len(two) <= len(one)
    assert page.count('id="card-menu"') == page.count('data-of="move/"') == 1
    board_address = url("opportunity_board")
    move = f"{url('opportunity_move', opportunity.pk)}?next={quote(board_address, safe='')}"
    assert page.count(move) == 1
    text = client.get(move).content.decode()
    for name in ("opportunity_win", "opportunity_lose", "opportunity_step"):
        assert f'href="{url(name, opportunity.pk)}?next={board_address}' in text


def test_the_board_of_a_pipeline_has_its_stages_and_marks_what_stands_elsewhere(as_user, mia, sam, now):  # H6
    small, product = SalesPipeline.objects.create(name="Small", uses_demo=False), ProductFactory()
    astray = an_opportunity(sam, by=mia, at=now, product=product)
    transitions.move_opportunity(astray, Stage.DEMO, by=sam, at=now)
    client = as_user(sam)

    def stages() -> dict:
        columns = client.get(f"{url('opportunity_board')}?pipeline={small.pk}").context["columns"]
        return {column.stage: column.is_left_out for column in columns}

    assert Stage.DEMO not in stages()
    small.its_products.create(product=product)
    assert stages()[Stage.DEMO] is True
    small.name = "<i>Renamed</i>"
    small.save()
    text = client.get(f"{url('opportunity_board')}?pipeline={small.pk}").content.decode()
    assert "stage not of its pipeline" in text
    assert "<i>Renamed" not in text


def test_every_order_of_the_list_goes_through_all_pages(as_user, mia, sam, now):  # U3
    for n in range(4):
        opportunity = an_opportunity(sam, by=mia, at=now - days(n))
        known = n != 2  # one knows neither amount nor day
        changes = {
            "amount": Decimal(100 * n) if known else None,
            "expected_close_on": timezone.localdate() + days(9 - n) if known else None,
        }
        transitions.edit_opportunity(opportunity, changes, by=sam, at=now)
    client, expected = (
        as_user(sam),
        {
            "": [0, 1, 2, 3],
            "-opened": [3, 2, 1, 0],
            "close": [3, 1, 0, 2],
            "-close": [0, 1, 3, 2],
            "amount": [3, 1, 0, 2],
            "-amount": [0, 1, 3, 2],
            "stage": [3, 2, 1, 0],
            "step": [0, 1, 2, 3],
        },
    )
    shown = {}
    for sort in expected:
        rows = client.get(url("opportunity_list"), {"sort": sort}).context["rows"]
        shown[sort] = [(now - each.opened_at).days for each in rows]
    assert shown == expected
    assert client.get(url("opportunity_list"), {"sort": "owner"}).status_code == 400
    ranged = client.get(url("opportunity_list"), {"amount_from": "100", "close_to": timezone.localdate() + days(6)})
    assert [(now - each.opened_at).days for each in ranged.context["rows"]] == [3]


def test_a_team_is_found_by_its_people_without_joining_them(as_user, mia, sam, max_, now):  # H6
    mine, other = an_opportunity(sam, by=mia, at=now), an_opportunity(max_, by=mia, at=now)
    people, others = Team.objects.create(name="Here"), Team.objects.create(name="Elsewhere")
    User.objects.filter(pk=sam.pk).update(team=people)
    User.objects.filter(pk=max_.pk).update(team=others)
    client, address = as_user(sam), url("opportunity_list")
    with CaptureQueriesContext(connection) as made:
        assert list(client.get(address, {"team": people.pk}).context["rows"]) == [mine]
    assert not [
        query for query in made if '"accounts_user"."team_id" = ' in query["sql"] and "ORDER BY 1" in query["sql"]
    ]
    assert list(client.get(address, {"team": others.pk}).context["rows"]) == [other]
    empty = Team.objects.create(name="Empty")
    assert list(client.get(address, {"team": empty.pk}).context["rows"]) == []
    assert client.get(address, {"team": "none"}).status_code == 200


def test_the_file_is_what_the_list_shows_and_runs_no_formula(as_user, mia, sam, now):  # U3
    contact = ContactFactory(name='=HYPERLINK("http://evil.example")')
    an_opportunity(sam, by=mia, at=now, contact=contact)
    an_opportunity(sam, by=mia, at=now)
    response = as_user(sam).get(url("opportunity_export"), {"q": contact.email})
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert "'=HYPERLINK" in lines[1]
    assert ",Sales," in lines[1]
