"""The stand without a network: what is typed there arrives, once, whatever happens in between (L1)."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from leads.models import Contact, Lead, LeadEvent
from tests.chromium import find_chromium
from tests.factories import PASSWORD, EventFactory
from tests.journeys.conftest import FLAGS, PHONE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

# Types each person into the form and registers them as soon as the form is free again.
TYPE = """async (people) => {
    const name = document.getElementById("id_name");
    for (const each of people) {
        for (const [field, value] of Object.entries(each)) document.getElementById(`id_${field}`).value = value;
        document.getElementById("visitor").requestSubmit();
        while (name.value) await new Promise((resolve) => setTimeout(resolve, 5));
    }
}"""


@pytest.fixture
def event():
    return EventFactory(name="RetailTech Expo", starts_on=timezone.localdate(), ends_on=timezone.localdate())


@pytest.fixture
def device(browser, live_server, tmp_path):
    """`device()` opens a page of a phone whose browser is started anew, with what it kept before."""
    contexts = []

    def start(*, offline: bool = False):
        context = browser.browser_type.launch_persistent_context(
            tmp_path / "profile", executable_path=find_chromium(), args=FLAGS, base_url=live_server.url, **PHONE
        )
        contexts.append(context)
        context.set_offline(offline)
        return context, context.pages[0]

    yield start
    for context in contexts:
        context.close()


def sign_in(page, user):
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").tap()


def open_stand(page, event, user):
    page.goto(f"/campaigns/{event.pk}/stand/")
    sign_in(page, user)
    expect(page.locator(".stand-state")).to_have_text("All sent")


def test_twenty_visitors_registered_without_a_network_become_twenty_leads(device, mia, ada, event):
    people = [{"name": f"Visitor {n}", "email": f"visitor{n}@client.example"} for n in range(20)]
    context, page = device()
    open_stand(page, event, mia)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")

    context.set_offline(True)
    page.get_by_label("Name").fill("Visitor 0")
    page.get_by_label("E-mail").fill("visitor0@client.example")
    page.get_by_role("button", name="Register and next").tap()
    expect(page.locator(".stand-state")).to_contain_text("Waiting: 1")
    page.evaluate(TYPE, people[1:12])
    expect(page.locator(".stand-state")).to_have_text("Waiting: 12 · no connection")
    context.close()

    context, page = device(offline=True)
    page.goto(f"/campaigns/{event.pk}/stand/")
    expect(page.get_by_role("heading", name="RetailTech Expo")).to_be_visible()
    expect(page.locator(".stand-state")).to_contain_text("Waiting: 12")
    page.evaluate(TYPE, people[12:])
    expect(page.locator(".stand-state")).to_have_text("Waiting: 20 · no connection")
    assert not Lead.objects.exists()
    second = context.new_page()
    second.goto(f"/campaigns/{event.pk}/stand/")
    expect(second.locator(".stand-state")).to_contain_text("Waiting: 20")

    context.set_offline(False)
    for each in (page, second):
        expect(each.locator(".stand-state")).to_have_text("All sent")
    expect(page.get_by_text("You registered 20 today")).to_be_visible()
    assert Lead.objects.filter(registered_by=mia, campaign=event).count() == Contact.objects.count() == 20
    assert LeadEvent.objects.count() == 20


def test_what_ends_badly_is_kept_and_sent_once_when_it_can_be(device, mia, ada, event):
    context, page = device()
    open_stand(page, event, mia)
    state = page.locator(".stand-state")

    def register(**typed):
        for label, value in typed.items():
            page.get_by_label(label.replace("_", "-")).fill(value)
        page.get_by_role("button", name="Register and next").tap()

    # The server took it, but its answer was lost: the same key is sent again.
    lost = []

    def lose_the_answer(route):
        route.fetch()
        lost.append(route.request.post_data)
        route.abort() if len(lost) == 1 else route.fallback()

    page.route("**/stand/entry/", lose_the_answer)
    register(Name="Anna", E_mail="anna@client.example")
    expect(state).to_contain_text("Waiting: 1")
    expect(state).to_have_text("All sent")
    page.unroute("**/stand/entry/")
    keys = [re.search("submission_key=([^&]+)", body)[1] for body in lost]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert Lead.objects.count() == LeadEvent.objects.count() == 1

    # The sign-in ended: what waits is kept, also while signing in again.
    context.clear_cookies()
    register(Name="Boris", E_mail="boris@client.example")
    expect(page.get_by_text("Sign in to send what waits here: 1")).to_be_visible()
    page.get_by_label("Name").fill("Half typed")
    page.get_by_role("link", name="Sign in").tap()
    sign_in(page, mia)
    expect(page.get_by_text("Boris registered.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Half typed")

    # It is refused: it comes back to be mended, and stays in the list until it is.
    register(Name="Clara", E_mail="clara@-client.example")
    expect(state).to_have_text("To mend: 1")
    expect(page.get_by_label("E-mail")).to_have_value("clara@-client.example")
    register(E_mail="clara@client.example")
    expect(state).to_have_text("All sent")
    assert sorted(Contact.objects.values_list("name", flat=True)) == ["Anna", "Boris", "Clara"]
