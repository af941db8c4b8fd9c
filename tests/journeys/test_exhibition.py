"""From a question that marketing writes to a lead in a rep's inbox, each step by the person whose job it is."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from leads import suspicions
from leads.models import Lead
from pipeline.models import Handoff
from tests.factories import EventFactory, ProductFactory
from tests.journeys.conftest import PHONE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


def redrawn(page):
    """A choice draws the form anew; the next one is made in the new form."""
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def add_question(page, kind, english, russian, **chosen):
    page.get_by_role("link", name="Add", exact=False).filter(has_text="question").click()
    page.get_by_label("Kind of answer").select_option(label=kind)
    redrawn(page)
    page.get_by_label("Question in English").fill(english)
    page.get_by_label("Question in Russian").fill(russian)
    for name, label in chosen.items():
        field = page.locator(f"[name={name}]")  # the field is drawn after the choice before it
        field.select_option(label=label)
        redrawn(page)
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_role("link", name=english)).to_be_visible()


def test_an_answer_given_at_the_stand_becomes_a_lead_in_the_reps_inbox(  # L2 L3 L6 L8 H1
    page_of, browser, live_server, monkeypatch, mia, dan, sam
):
    monkeypatch.setattr(suspicions, "FASTEST", 0)  # a robot fills in faster than anybody reads
    event = EventFactory(name="RetailTech Expo", starts_on=timezone.localdate(), ends_on=timezone.localdate())
    ProductFactory(name="Welding cell")

    page = page_of(mia)
    page.goto(f"/campaigns/{event.pk}/")
    page.get_by_role("link", name="Build a questionnaire").click()
    page.get_by_role("button", name="Begin").click()
    add_question(
        page,
        "yes or no",
        "Do you decide?",
        "Решаете вы?",
        decides="a criterion",
        criterion_key="Decides, or influences the decision",
        rule_value="yes",
    )
    add_question(
        page,
        "date",
        "When do we meet?",
        "Когда встретимся?",
        decides="a field of the contact",
        contact_field="Preferred time",
    )
    expect(page.get_by_text("can't decide the required criterion “Has a need").first).to_be_visible()
    page.get_by_role("link", name="Publish").click()
    page.get_by_label("I know, and publish it so").check()
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("button", name="Open to the public").click()
    address = page.get_by_role("link", name="Public page").get_attribute("href")

    visitor = browser.new_context(base_url=live_server.url, locale="ru-RU", **PHONE)
    phone = visitor.new_page()
    phone.goto(address)
    phone.get_by_role("radio", name="Да").check()
    phone.get_by_label("Когда встретимся?").fill("2027-03-01")
    phone.get_by_label("Имя").fill("Борис Годунов")
    phone.locator("[name=phone]").fill("+7 495 555-26-71")
    phone.locator("[name=consent-contact]").check()
    phone.get_by_role("button", name="Отправить").tap()
    expect(phone.get_by_role("heading", name="Спасибо")).to_be_visible()
    with phone.expect_download() as calendar:
        phone.get_by_role("link", name="Добавить в календарь").tap()
    assert "DTSTART;VALUE=DATE:20270301" in calendar.value.path().read_text()
    visitor.close()

    page = page_of(dan, PHONE)
    page.goto("/desk/")
    page.get_by_role("link", name="Call the next one").tap()
    expect(page.get_by_role("heading", name="Борис Годунов")).to_be_visible()
    to_ask = page.locator("#criteria > .criteria form")
    expect(to_ask).to_have_count(5)  # what the visitor answered isn't asked again
    for left in (4, 3, 2, 1, 0):
        to_ask.first.get_by_role("button", name="Yes").tap()
        expect(to_ask).to_have_count(left)
    with page.expect_navigation():
        page.get_by_role("button", name="Reached").tap()
    lead = Lead.objects.get()
    page.goto(f"/desk/{lead.pk}/")
    page.get_by_role("button", name="Qualify").tap()
    page.wait_for_load_state("load")  # links open dialogs once the script has run, pages before
    page.get_by_role("link", name="Hand over to sales").tap()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Sales rep").select_option(label=str(sam))
    dialog.get_by_role("button", name="Hand over").tap()
    expect(page.get_by_text("handed over", exact=False).first).to_be_visible()
    handoff = Handoff.objects.get(lead=lead)
    assert (handoff.assigned_to, lead.contact.name, lead.preferred_meeting_time) == (sam, "Борис Годунов", "2027-03-01")

    page = page_of(sam)
    page.goto("/inbox/")
    expect(page.get_by_text("Борис Годунов").first).to_be_visible()
