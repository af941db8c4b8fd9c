"""Each of the four main jobs, from the first click to the last, as its people do it."""

import datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from kpi import facts
from leads.models import Contact, Lead, Stage
from pipeline.models import Handoff, Opportunity
from tests.factories import ContactFactory, EventFactory, ProductFactory, a_handoff, a_lead, a_won_opportunity
from tests.journeys.conftest import PHONE

# What a browser shows doesn't depend on the database; the races beneath it are tested on both elsewhere.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


def test_a_marketer_registers_visitors_at_the_stand_and_hands_a_lead_over(page_of, mia, sam):  # L1 L6 H1
    event = EventFactory(name="RetailTech Expo", starts_on=timezone.localdate(), ends_on=timezone.localdate())
    known = ContactFactory(name="Anna Petrova")
    known.set_phone("+14155552671")
    known.save()
    page = page_of(mia, PHONE)

    page.goto(f"/campaigns/{event.pk}/stand/")
    page.get_by_label("Phone").press_sequentially("(415) 555-2671")
    expect(page.get_by_text("Known: Anna Petrova")).to_be_visible()
    page.get_by_role("button", name="Register and next").tap()
    expect(page.get_by_text("You registered 1 today")).to_be_visible()
    page.get_by_label("Name").fill("Boris Godin")
    page.get_by_label("E-mail").fill("boris@client.example")
    page.get_by_label("Company").fill("Acme <b>Works</b>")
    page.get_by_role("button", name="Register and next").tap()
    expect(page.get_by_text("You registered 2 today")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("")
    assert Contact.objects.count() == 2
    lead = Lead.objects.get(contact__name="Boris Godin")

    page.goto(f"/leads/{lead.pk}/")
    expect(page.get_by_text("Acme <b>Works</b>").first).to_be_visible()
    for criterion in page.locator("#criteria form").all():
        with page.expect_response("**/criterion/"):
            criterion.get_by_role("button", name="Yes").tap()
    page.get_by_role("button", name="Qualify").tap()
    expect(page.locator(".ribbon .is-current")).to_contain_text("Qualified")
    page.wait_for_load_state("load")  # links open dialogs once the script has run, pages before
    page.get_by_role("link", name="Hand over to sales").tap()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Sales rep").select_option(label=str(sam))
    dialog.get_by_role("button", name="Hand over").tap()
    expect(page.locator("#lead-panel").get_by_text("Sam")).to_be_visible()
    handoff = Handoff.objects.get(lead=lead)
    assert (handoff.assigned_to, handoff.verdict_due_at - handoff.handed_over_at) == (sam, datetime.timedelta(days=14))


def test_a_rep_contacts_accepts_sells_and_is_paid_and_returns_another_lead(page_of, mia, sam):  # H2 H4 H5 H6
    at = timezone.now() - datetime.timedelta(days=1)
    first = a_handoff(sam, by=mia, at=at, contact=ContactFactory(name="Boris Godin"))
    second = a_handoff(sam, by=mia, at=at, contact=ContactFactory(name="Clara Held"))
    page = page_of(sam)

    page.goto("/inbox/")
    row = page.locator("li, tr").filter(has_text="Boris Godin").last
    row.get_by_text("Log", exact=True).click()
    row.get_by_role("button", name="Reached").first.click()
    row = page.locator("li, tr").filter(has_text="Boris Godin").last
    expect(row.get_by_text("in time")).to_be_visible()
    row.get_by_role("button", name="Accept").click()
    expect(row.get_by_text("accepted", exact=True)).to_be_visible()
    opportunity = Opportunity.objects.get(lead=first.lead)

    page.goto(f"/opportunities/{opportunity.pk}/")
    page.get_by_role("button", name="Proposal").click()
    expect(page.locator(".ribbon .is-current")).to_contain_text("Proposal")
    page.wait_for_load_state("load")  # links open dialogs once the script has run, pages before
    page.get_by_role("link", name="Won…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Amount").fill("1500.50")
    dialog.get_by_role("button", name="Record the sale").click()
    expect(page.get_by_role("heading", name="Payments")).to_be_visible()
    received = page.locator("form").filter(has=page.get_by_role("button", name="Record a payment"))
    received.get_by_label("Amount").fill("900")
    received.get_by_role("button", name="Record a payment").click()
    expect(page.get_by_text("900").first).to_be_visible()
    opportunity.refresh_from_db()
    assert (opportunity.stage, str(opportunity.amount), opportunity.payments.count()) == ("won", "1500.50", 1)

    page.goto("/inbox/")
    row = page.locator("li, tr").filter(has_text="Clara Held").last
    row.get_by_role("link", name="Reject").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("No budget").check()
    dialog.get_by_role("button", name="Reject and return").click()
    expect(dialog.get_by_text("say which criterion fails").first).to_be_visible()
    dialog.get_by_label("Which criterion fails").select_option(label="Has a budget or plans one")
    dialog.get_by_label("What was missing").fill("Nobody asked about the budget")
    dialog.get_by_role("button", name="Reject and return").click()
    expect(page.get_by_role("link", name="Reject")).to_have_count(0)
    second.refresh_from_db()
    assert (second.verdict, second.lead.stage) == ("rejected", Stage.RETURNED)


def test_two_people_who_accept_one_lead_are_both_told_the_truth(page_of, mia, sam, max_):  # H4
    at = timezone.now() - datetime.timedelta(days=1)
    handoff = a_handoff(sam, by=mia, at=at, contact=ContactFactory(name="Boris Godin"))
    pages = [page_of(max_), page_of(sam)]
    pages[0].goto(f"/handoffs/{handoff.pk}/")
    pages[0].get_by_text("Log", exact=True).first.click()
    pages[0].get_by_role("button", name="Reached").first.click()
    for page in pages:
        page.goto(f"/handoffs/{handoff.pk}/")
        expect(page.get_by_role("button", name="Accept")).to_be_visible()
    for page in pages:
        page.get_by_role("button", name="Accept").click()
    expect(pages[1].get_by_text("Max already accepted this lead")).to_be_visible()
    assert Opportunity.objects.count() == 1


def test_a_director_reads_the_week_and_opens_the_records_behind_a_number(page_of, mia, sam, dora):  # P2 K1
    at = timezone.now() - datetime.timedelta(hours=1)
    for _n in range(3):
        a_lead(by=mia, at=at)
    a_won_opportunity(sam, by=mia, at=at, product=ProductFactory())
    facts.rebuild_all(timezone.now())
    page = page_of(dora)

    page.goto("/weekly/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto("/kpi/")
    row = page.get_by_role("row").filter(has_text="Leads").first
    row.get_by_role("link", name="4", exact=True).click()
    expect(page.get_by_role("heading", name="Leads")).to_be_visible()
    expect(page.get_by_text("4 records")).to_be_visible()


def test_the_api_reference_works_under_the_strict_policy(page_of, mia):  # A1
    page = page_of(mia)
    page.goto("/api/v1/docs/")
    expect(page.get_by_text("/api/v1/contacts/bulk-upsert/")).to_be_visible()


@pytest.mark.parametrize(("device", "theme", "turn"), [(None, "light", 0), (PHONE, "dark", 1)], ids=["desk", "phone"])
def test_the_main_pages_have_no_accessibility_faults_and_fit_the_screen(
    page_of, dora, mia, sam, device, theme, turn
):  # U4
    """Each page on one of the two screens, turn about: the checks take a second each."""
    at = timezone.now() - datetime.timedelta(days=1)
    event = EventFactory(starts_on=timezone.localdate(), ends_on=timezone.localdate())
    handoff = a_handoff(sam, by=mia, at=at, campaign=event)
    opportunity = a_won_opportunity(sam, by=mia, at=at)
    facts.rebuild_all(timezone.now())
    page = page_of(dora, {**(device or {}), "color_scheme": theme})
    faults = []
    for path in (
        "/",
        "/leads/",
        f"/leads/{handoff.lead_id}/",
        f"/campaigns/{event.pk}/",
        f"/campaigns/{event.pk}/stand/",
        f"/campaigns/{event.pk}/report/",
        f"/contacts/{handoff.lead.contact_id}/",
        "/desk/",
        "/nurture/",
        "/settings/criteria/",
        "/inbox/?scope=all",
        f"/handoffs/{handoff.pk}/",
        "/opportunities/",
        "/opportunities/list/",
        "/returns/",
        "/payments/plan/",
        "/coming-back/",
        "/coming-back/results/",
        "/quality/",
        "/content/",
        "/tasks/",
        "/notifications/",
        "/absences/",
        "/settings/routing/",
        "/settings/agreement/",
        "/settings/pipelines/",
        f"/opportunities/{opportunity.pk}/",
        "/weekly/",
        "/kpi/",
        "/kpi/channels/",
        "/kpi/sla/",
        "/settings/",
    )[turn::2]:
        page.goto(path)
        results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        faults += [f"{path}: {v['id']} {v['nodes'][0]['html'][:120]}" for v in results.response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults.append(f"{path}: wider than the screen")
    assert faults == []
