"""Opportunities in a browser: list, board, page, and the steps to a client or a loss."""

import datetime
import uuid
from decimal import Decimal

import pytest
from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import Organisation
from leads.models import LeadEvent, Stage
from pipeline import board, transitions
from pipeline.forms.deal_filters import OpportunityFilter
from pipeline.forms.selling import OpportunityForm
from pipeline.models import Activity, Opportunity
from tests.factories import (
    CompanyFactory,
    ContactFactory,
    ProductFactory,
    a_contacted_handoff,
    a_won_opportunity,
    an_opportunity,
    days,
    reason,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def now() -> datetime.datetime:
    return timezone.now()


def url(name: str, *args) -> str:
    return reverse(f"pipeline:{name}", args=args)


def facts(opportunity: Opportunity, **changes) -> dict:
    """What the page's form sends."""
    opportunity.refresh_from_db()
    return {"seen_at": opportunity.updated_at.isoformat(), **changes}


def test_facts_are_edited_in_place(as_user, mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia, product=ProductFactory(cost_share=Decimal("0.4")))
    client = as_user(sam)
    data = facts(opportunity, amount="1 000,50", next_step="Send the offer", next_step_on="2026-03-05")
    client.post(url("opportunity_detail", opportunity.pk), data)
    opportunity.refresh_from_db()
    assert (opportunity.amount, opportunity.next_step) == (Decimal("1000.50"), "Send the offer")
    assert opportunity.lead.events.filter(kind="edited").count() == 1


def test_a_reckoned_margin_follows_the_amount_and_a_typed_one_stays(as_user, mia, sam):  # H6
    product = ProductFactory(cost_share=Decimal("0.4"))
    opportunity, client = an_opportunity(sam, by=mia, product=product), as_user(sam)
    page = url("opportunity_detail", opportunity.pk)
    margins = []
    for typed in [{"amount": "1000"}, {"amount": "2000", "margin": "600"}, {"amount": "500", "margin": "1200"}] + [
        {"amount": "2000", "margin": "700"},
        {"amount": "3000", "margin": "700"},
    ]:
        client.post(page, facts(opportunity, product=product.pk, **typed))
        opportunity.refresh_from_db()
        margins.append(opportunity.margin)
    assert margins == [600, 1200, 300, 700, 700]


def test_a_stale_edit_is_refused_and_says_who_changed_it(as_user, mia, sam, max_):  # H6
    opportunity = an_opportunity(sam, by=mia)
    seen = facts(opportunity, next_step="Call")
    as_user(max_).post(url("opportunity_detail", opportunity.pk), facts(opportunity, next_step="Visit"))
    response = as_user(sam).post(url("opportunity_detail", opportunity.pk), seen)
    assert response.status_code == 200
    assert "Max changed this opportunity" in response.content.decode()
    opportunity.refresh_from_db()
    assert opportunity.next_step == "Visit"


def test_what_can_not_be_is_not_saved(as_user, mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    wrong = [
        {"amount": "-1"},
        {"amount": "1e400"},
        {"amount": "NaN"},
        {"amount": "10", "margin": "11"},
        {"next_step": "x" * 201},
        {"next_step": "a\x00b"},
        {"product": "99999"},
        {"expected_close_on": "soon"},
        {"seen_at": "yesterday"},
    ]
    for typed in wrong:
        assert OpportunityForm(facts(opportunity) | typed, instance=opportunity).errors, typed
    before = opportunity.updated_at
    response = as_user(sam).post(url("opportunity_detail", opportunity.pk), facts(opportunity) | wrong[0])
    assert response.status_code == 200
    assert response.context["form"].errors
    opportunity.refresh_from_db()
    assert opportunity.updated_at == before


def test_stage_owner_and_dates_are_not_among_the_fields(as_user, mia, sam, sid):  # H6
    opportunity = an_opportunity(sam, by=mia)
    smuggled = facts(opportunity, stage="won", owner=sid.pk, won_at="2026-01-01", demo_at="2026-01-01", next_step="x")
    as_user(sam).post(url("opportunity_detail", opportunity.pk), smuggled)
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.owner, opportunity.demo_at, opportunity.next_step) == (
        "accepted",
        sam,
        None,
        "x",
    )


def test_a_closed_opportunity_is_not_edited(as_user, mia, sam):  # H6
    opportunity = a_won_opportunity(sam, 1000, by=mia)
    response = as_user(sam).post(url("opportunity_detail", opportunity.pk), facts(opportunity, amount="5"))
    assert "already “Won”" in response.context["form"].non_field_errors()[0]
    opportunity.refresh_from_db()
    assert opportunity.amount == 1000


def test_a_move_by_menu_can_be_undone(as_user, mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    client = as_user(sam)
    client.post(url("opportunity_move", opportunity.pk), {"stage": "demo"})
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.demo_at is not None) == (Stage.DEMO, True)
    client.post(url("undo", LeadEvent.objects.get(kind="moved").pk))
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.demo_at) == (Stage.ACCEPTED, None)


def test_what_happened_earlier_keeps_its_day(as_user, mia, sam, now):  # H6
    opportunity = an_opportunity(sam, by=mia, at=now - days(9))
    day = timezone.localdate(now - days(3))
    move = {"stage": "proposal", "happened_on": day.isoformat()}
    as_user(sam).post(url("opportunity_move", opportunity.pk), move)
    opportunity.refresh_from_db()
    assert timezone.localdate(opportunity.proposal_at) == timezone.localdate(opportunity.lead.proposal_at) == day


def test_a_day_to_come_or_before_the_opening_is_refused(as_user, mia, sam, now):  # H6
    opportunity = an_opportunity(sam, by=mia, at=now - days(9))
    client = as_user(sam)
    for back in (-1, 10):
        day = timezone.localdate(now - days(back)).isoformat()
        client.post(url("opportunity_move", opportunity.pk), {"stage": "demo", "happened_on": day})
        client.post(url("opportunity_win", opportunity.pk), {"amount": "5", "happened_on": day})
        opportunity.refresh_from_db()
        assert opportunity.stage == Stage.ACCEPTED


def test_the_same_move_twice_is_one_event(as_user, mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    for _twice in range(2):
        as_user(sam).post(url("opportunity_move", opportunity.pk), {"stage": "demo"})
    assert opportunity.lead.events.filter(kind="moved").count() == 1


def test_the_menu_leads_to_selling_stages_only(as_user, mia, sam):  # H6
    opportunity, client = an_opportunity(sam, by=mia), as_user(sam)
    for stage in ("won", "lost", "new", "removed", "galaxy", ""):
        answer = client.post(url("opportunity_move", opportunity.pk), {"stage": stage})
        assert answer.status_code == 422, stage
    opportunity.refresh_from_db()
    assert opportunity.stage == Stage.ACCEPTED


def test_winning_and_then_losing_on_a_stale_page_is_told(as_user, mia, sam, max_):  # H6
    opportunity = an_opportunity(sam, by=mia)
    today = timezone.localdate().isoformat()
    as_user(max_).post(url("opportunity_win", opportunity.pk), {"amount": "1000", "happened_on": today})
    lost = as_user(sam).post(url("opportunity_lose", opportunity.pk), {"reason": reason("loss").pk})
    again = as_user(sam).post(url("opportunity_win", opportunity.pk), {"amount": "9", "happened_on": today})
    for response in (lost, again):
        assert response.status_code == 200
        assert "Max did that" in response.content.decode()
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.amount) == ("won", 1000)


def test_losing_needs_a_reason(as_user, mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    client = as_user(sam)
    client.post(url("opportunity_lose", opportunity.pk), {"note": "Too dear"})
    opportunity.refresh_from_db()
    assert opportunity.stage == "accepted"
    client.post(url("opportunity_lose", opportunity.pk), {"reason": reason("loss").pk, "note": "Too dear"})
    opportunity.refresh_from_db()
    assert (opportunity.stage, opportunity.lost_note) == ("lost", "Too dear")


def test_the_page_reopens_what_one_just_closed(as_user, mia, sam):  # H5
    opportunity = an_opportunity(sam, by=mia)
    client = as_user(sam)
    client.post(url("opportunity_lose", opportunity.pk), {"reason": reason("loss").pk})
    reopen = url("deal_reopen", opportunity.pk)
    assert reopen in client.get(url("opportunity_detail", opportunity.pk)).content.decode()
    client.post(reopen, {"why": "The wrong client"})
    opportunity.refresh_from_db()
    assert opportunity.stage == "accepted"


def test_a_call_agreed_before_the_verdict_is_seen_on_the_deal(as_user, mia, sam, now):  # H5 H6
    handoff = a_contacted_handoff(sam, by=mia, at=now - days(1))
    call = {"by": sam, "at": now, "next_attempt_at": now + days(1)}
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.CALL_BACK, **call)
    opportunity = transitions.accept(handoff, by=sam, at=now)
    page = strip_tags(as_user(sam).get(url("opportunity_detail", opportunity.pk)).content.decode())
    assert "Call in " in " ".join(page.split())


def test_a_payment_is_recorded_once(as_user, mia, sam):  # H6
    opportunity = a_won_opportunity(sam, 1000, by=mia)
    client = as_user(sam)
    data = {"paid_on": timezone.localdate().isoformat(), "amount": "400.50", "submission_key": uuid.uuid4()}
    for _twice in range(2):
        client.post(url("payment_add", opportunity.pk), data)
    assert [payment.amount for payment in opportunity.payments.all()] == [Decimal("400.50")]


def test_a_payment_that_can_not_be_is_a_message(as_user, mia, sam):  # H6
    opportunity, client = a_won_opportunity(sam, 1000, by=mia), as_user(sam)
    data = {"paid_on": timezone.localdate().isoformat(), "amount": "4", "submission_key": uuid.uuid4()}
    for wrong in ({"amount": "0"}, {"amount": "-5"}, {"paid_on": "2999-01-01"}, {"note": "a\x00b"}):
        client.post(url("payment_add", opportunity.pk), data | wrong)
    text = client.get(url("opportunity_detail", opportunity.pk)).content.decode().replace("&#x27;", "'")
    assert text.count("wasn't recorded") == 4
    assert not opportunity.payments.exists()


def test_before_the_sale_there_is_nothing_to_pay(as_user, mia, sam):  # H6
    opportunity = an_opportunity(sam, by=mia)
    data = {"paid_on": timezone.localdate().isoformat(), "amount": "4", "submission_key": uuid.uuid4()}
    response = as_user(sam).post(url("payment_add", opportunity.pk), data, follow=True)
    assert response.status_code == 200
    assert not opportunity.payments.exists()


def test_the_list_of_payments_is_narrowed_and_summed(as_user, mia, sam, sid, now):  # K1
    won, other = (a_won_opportunity(rep, 1000, by=mia, at=now - days(2)) for rep in (sam, sid))
    today = timezone.localdate(now, Organisation.current().tzinfo)
    for opportunity, by, paid_on, amount in [
        (won, sam, today, 5),
        (won, sam, today - days(1), 7),
        (other, sid, today, 11),
    ]:
        transitions.record_payment(opportunity, by=by, at=now, paid_on=paid_on, amount=Decimal(amount))
    client = as_user(mia)
    for query, amount in [
        ("", 23),
        (f"paid_from={today}&paid_to={today}", 16),
        (f"owner={sam.pk}", 12),
        (f"team={sid.team_id}", 11),
        (f"channel={other.lead.campaign.channel_id}", 11),
        (f"campaign={won.lead.campaign_id}", 12),
        (f"q={won.lead.contact.email}", 12),
        (f"paid_to={today - days(2)}", None),
    ]:
        context = client.get(f"{url('payment_list')}?{query}").context
        assert (context["totals"]["amount"], len(context["page"].rows)) == (amount, context["totals"]["number"]), query
    assert client.get(f"{url('payment_list')}?paid=1").status_code == 400


# --- List and board --------------------------------------------------------------------------------------------------


def test_every_filter_of_the_list_opens_its_records_with_their_sums(as_user, mia, sam, sid, now):  # K1
    won = a_won_opportunity(sam, 1000, by=mia, at=now - days(2))
    transitions.record_payment(won, by=sam, at=now, paid_on=timezone.localdate(), amount=Decimal(5))
    lost = an_opportunity(sid, by=mia, at=now - days(1))
    transitions.lose(lost, reason("loss"), by=sid, at=now)
    open_ = an_opportunity(sam, by=mia, at=now)
    transitions.move_opportunity(open_, Stage.DEMO, by=sam, at=now)
    client, today = as_user(mia), timezone.localdate(now, Organisation.current().tzinfo).isoformat()
    expected = {
        "": ({won, lost, open_}, 1000),
        "stage=won": ({won}, 1000),
        f"owner={sid.pk}": ({lost}, None),
        f"team={sam.team_id}": ({won, open_}, 1000),
        f"lost_reason={reason('loss').pk}": ({lost}, None),
        f"opened_from={today}": ({open_}, None),
        f"demo_from={today}": ({open_}, None),
        f"lost_to={today}": ({lost}, None),
        f"won_from={today}": (set(), None),
        "product=none": ({won, lost, open_}, 1000),
        f"channel={won.lead.campaign.channel_id}": ({won}, 1000),
        f"campaign={won.lead.campaign_id}": ({won}, 1000),
        f"q={lost.lead.contact.email}": ({lost}, None),
    }
    shown = {}
    for query in expected:
        context = client.get(f"{url('opportunity_list')}?{query}").context
        shown[query] = (set(context["rows"]), context["totals"]["amount"])
    assert shown == expected


def test_a_filter_that_is_not_offered_is_a_400(as_user, mia):  # U3
    client = as_user(mia)
    for name in ("opportunity_list", "opportunity_board", "opportunity_filter"):
        assert client.get(f"{url(name)}?colour=red").status_code == 400
    for query in ("colour=red", "owner=x", "stage=new", "won_from=soon", "q=%00"):
        with pytest.raises(BadRequest):
            OpportunityFilter.read(QueryDict(query))


def test_the_boards_columns_count_all_and_show_the_newest(as_user, mia, sam, now, monkeypatch):  # H6
    monkeypatch.setattr(board, "CARDS", 2)
    for n in range(4):
        opportunity = an_opportunity(sam, by=mia, at=now - days(n))
        changes = {"amount": Decimal(100)}
        transitions.edit_opportunity(opportunity, changes, by=sam, at=now - days(n))
    a_won_opportunity(sam, 700, by=mia, at=now)
    a_won_opportunity(sam, 900, by=mia, at=now - days(40))
    page = as_user(sam).get(url("opportunity_board"))
    columns = {column.stage: column for column in page.context["columns"]}
    accepted, won = columns[Stage.ACCEPTED], columns[Stage.WON]
    assert (accepted.number, accepted.amount, accepted.more) == (4, 400, 2)
    assert [timezone.localdate(card.opportunity.stage_at) for card in accepted.cards] == [
        timezone.localdate(now - days(n)) for n in (0, 1)
    ]
    assert (won.number, won.amount) == (1, 700)
    since = timezone.localdate(now - days(board.CLOSED_DAYS), Organisation.current().tzinfo).isoformat()
    assert f'href="{url("opportunity_list")}?stage=won&amp;won_from={since}"' in page.content.decode()
    linked = as_user(sam).get(f"{url('opportunity_list')}?stage=won&won_from={since}").context["totals"]
    assert linked["amount"] == 700


def test_the_board_offers_moves_only_to_who_may_make_them(as_user, mia, sam, sid, now):  # H6
    an_opportunity(sam, by=mia, at=now)
    move = url("opportunity_move", Opportunity.objects.get().pk)
    offered = {
        person.name: move in as_user(person).get(url("opportunity_board")).content.decode()
        for person in (sam, sid, mia)
    }
    assert offered == {"Sam": True, "Sid": False, "Mia": False}


def test_the_number_of_queries_does_not_grow_with_the_rows(as_user, mia, sam, now, django_assert_max_num_queries):  # U3
    client = as_user(sam)
    needed = dict.fromkeys(["opportunity_list", "opportunity_board", "home"], 16)  # at most; with four rows as with one
    for rows in (1, 3):
        for _n in range(rows):
            opportunity = an_opportunity(sam, by=mia, at=now - days(20))
            changes = {"next_step": "Call", "next_step_on": timezone.localdate()}
            transitions.edit_opportunity(opportunity, changes, by=sam, at=now - days(20))
        for name, most in needed.items():
            with django_assert_max_num_queries(most) as made:
                assert client.get(url(name)).status_code == 200
            needed[name] = len(made)


def test_hostile_names_are_only_text(as_user, mia, sam, now):  # U4
    hostile = '"><script>alert(1)</script>{{ 7|add:7 }}'
    contact = ContactFactory(name=hostile, company=CompanyFactory(name=hostile))
    opportunity = an_opportunity(sam, by=mia, at=now, contact=contact)
    client = as_user(sam)
    response = client.post(url("opportunity_move", opportunity.pk), {"stage": "demo"}, follow=True)
    pages = [response] + [
        client.get(page)
        for page in (url("opportunity_board"), url("opportunity_list"), url("opportunity_lose", opportunity.pk))
    ]
    for page in pages:
        text = page.content.decode()
        assert "<script>alert(1)" not in text
        assert "{{ 7|add:7 }}" in text
