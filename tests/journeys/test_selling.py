"""Selling: a lead from the handoff to the paid client, and a refusal from the rep's reasons to the director's decision."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from leads.models import Stage
from pipeline.models import Handoff
from tests.factories import ContactFactory, a_contacted_handoff, a_qualified_lead, days
from tests.journeys.conftest import DESK, PHONE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


def row_of(page, name):
    return page.locator("main li").filter(has_text=name).last


def is_within_the_window(locator) -> bool:
    return locator.evaluate(
        "e => { const box = e.getBoundingClientRect(); return 0 <= box.top && box.bottom <= innerHeight; }"
    )


def test_one_lead_becomes_a_paid_client_and_a_refusal_is_disputed_and_decided(  # H1 H2 H4 H5 H6
    page_of, mia, sam, dora
):
    at = timezone.now() - days(1)
    lead = a_qualified_lead(by=mia, at=at, contact=ContactFactory(name="Boris Berg"))
    refused = a_contacted_handoff(sam, by=mia, at=at, contact=ContactFactory(name="Clara Held"))
    marketing = page = page_of(mia)
    page.goto(f"/leads/{lead.pk}/")
    page.get_by_role("link", name="Hand over to sales").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("By the rules it would go to Sam now.")).to_be_visible()
    dialog.get_by_label("Note to sales").fill("Wants two cells")
    dialog.get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("Boris Berg handed over to Sam.")).to_be_visible()

    page = page_of(sam, PHONE)
    page.goto("/inbox/")
    row = row_of(page, "Boris Berg")
    expect(row.get_by_text("rule “New contacts")).to_be_visible()
    row.get_by_text("Log", exact=True).tap()
    row.get_by_label("Note").tap()
    page.set_viewport_size({"width": 390, "height": 480})  # the keyboard comes
    row.get_by_label("Note").fill("Call next week")
    assert is_within_the_window(row.locator(".menu-panel"))
    row.get_by_role("button", name="Reached").tap()
    expect(row.get_by_text("in time")).to_be_visible()
    page.set_viewport_size(PHONE["viewport"])
    row.get_by_role("link", name="Pause").tap()
    page.get_by_role("dialog").get_by_label("Why").fill("On holiday")
    page.get_by_role("dialog").get_by_role("button", name="Pause").tap()
    expect(page.get_by_text("The clocks of Boris Berg wait until")).to_be_visible()
    expect(row.get_by_text("paused until").first).to_be_visible()
    row.get_by_role("button", name="Accept").tap()
    expect(page.get_by_text("The opportunity is open.")).to_be_visible()

    page.set_viewport_size(DESK["viewport"])  # back at the desk
    page.goto("/opportunities/")
    card = page.locator(".board-card").filter(has_text="Boris Berg")
    card.locator("[data-grip]").focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Next step").fill("Send the contract")
    dialog.get_by_label("On").fill(timezone.localdate().isoformat())
    dialog.get_by_role("button", name="Plan it").click()
    expect(page.locator(".board-column[data-stage=proposal]").get_by_text("Send the contract")).to_be_visible()
    page.goto(card.locator(".row-link").get_attribute("href"))
    page.get_by_role("link", name="Won…").click()
    dialog.get_by_label("Amount").fill("1000")
    dialog.get_by_role("button", name="Record the sale").click()
    expect(page.get_by_text("Boris Berg is a client now.")).to_be_visible()
    page.get_by_label("Split").select_option(label="two halves")
    page.get_by_role("button", name="Plan it so").click()
    plan = page.locator("#plan")
    expect(plan.get_by_text("due", exact=True)).to_have_count(2)
    for paid in (1, 2):
        page.get_by_role("button", name="Record a payment").click()  # what is due next stands there already
        expect(plan.get_by_text("paid", exact=True)).to_have_count(paid)
    lead.refresh_from_db()
    opportunity = lead.opportunities.get()
    assert (lead.stage, [payment.amount for payment in opportunity.payments.all()]) == (Stage.WON, [500, 500])

    page.goto("/inbox/")
    row_of(page, "Clara Held").get_by_role("link", name="Reject").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("No budget", exact=True).click()
    dialog.get_by_label("Which criterion fails").select_option(label="Has a budget or plans one")
    dialog.get_by_label("What was not asked").fill("Who pays")
    reject = dialog.get_by_role("button", name="Reject and return")
    assert is_within_the_window(reject)
    reject.click()
    expect(page.get_by_text("Clara Held went back to marketing")).to_be_visible()

    page = marketing
    page.goto("/returns/")
    row = row_of(page, "Clara Held")
    expect(row.get_by_text("Who pays")).to_be_visible()
    row.get_by_label("Note").fill("She named the sum")
    row.get_by_role("button", name="Dispute").click()
    expect(page.get_by_text("The director decides about Clara Held.")).to_be_visible()

    page = page_of(dora)
    page.get_by_role("link", name="Decide").click()
    expect(page.locator("p").get_by_text("She named the sum")).to_be_visible()
    page.get_by_label("it is a lead").check()
    page.get_by_label("Why", exact=True).fill("The budget is named")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("Decided about Clara Held")).to_be_visible()
    assert Handoff.objects.pending().get(lead=refused.lead).assigned_to == sam
