"""Sales writes to a client: templates, the outbox, taking it back, and what comes back."""

import datetime
import uuid

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.access import NotYours
from accounts.models import Organisation
from integrations import outbox
from integrations.models import OutboxMessage
from kpi import facts
from leads.models import Contact, Lead, LeadEvent, Stage
from pipeline import sales_mail, transitions
from pipeline.models import Activity, Handoff, MailTemplate, Notification
from pipeline.sla import Clock
from pipeline.transitions import TransitionError
from tests.factories import NOON, ContactFactory, ProductFactory, a_handoff
from tests.kpi.test_facts import check

pytestmark = pytest.mark.django_db
MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _to_memory(settings) -> None:
    settings.DELIVERY_EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def handoff(mia, sam):
    contact = ContactFactory(name="Nina Weber", email="nina@client.example", language="ru")
    return a_handoff(sam, by=mia, contact=contact, product=ProductFactory(name="Radar"))


@pytest.fixture
def template() -> MailTemplate:
    return MailTemplate.objects.create(
        name="First",
        is_for_sales=True,
        subject_en="Hello {first_name}",
        body_en="About {product}.\r\n{sender}, {sender_email}",
        subject_ru="Здравствуйте, {first_name}",
        body_ru="Про {product}, {meeting_time}.\n{sender}",
    )


def write(handoff, by, **words):
    words = {"subject": "Our talk", "text": "Hello\n\n<b>https://x.example</b>", "at": NOON} | words
    return transitions.write_to(handoff.lead, by=by, **words)


def delivered() -> list:
    return [each for each in mail.outbox if each.recipients() == ["nina@client.example"]]


def test_a_template_is_filled_in_the_clients_language(handoff, template, sam):  # H5
    draft = sales_mail.draft(template, handoff.lead, sam, Organisation.current())
    assert (draft.subject, draft.language) == ("Здравствуйте, Nina", "ru")
    assert draft.text.splitlines()[1] == "Sam"
    Contact.objects.update(language="", name="www.spam.example")
    lead = Lead.objects.get(pk=handoff.lead_id)
    draft = sales_mail.draft(template, lead, sam, Organisation.current())
    assert draft.subject == "Hello colleague"  # what anybody may type into a form doesn't become our words
    assert draft.text == "About Radar.\nSam, sam@example.com"


def test_a_mail_leaves_through_the_outbox_and_is_the_first_contact(handoff, sam):  # H5
    key = uuid.uuid4()
    activity = write(handoff, sam, submission_key=key, subject="Hi\r\nBcc: all@client.example")
    assert write(handoff, sam, submission_key=key) == activity
    handoff.refresh_from_db()
    assert handoff.first_contact_at == NOON
    message = OutboxMessage.objects.get(pk=activity.message_id)
    assert message.subject == "Hi Bcc: all@client.example"
    assert "&lt;b&gt;" in message.html
    outbox.deliver(clock=lambda: NOON + MINUTE / 4)
    assert delivered() == []  # it can still be taken back
    outbox.deliver(clock=lambda: NOON + MINUTE)
    [sent] = delivered()
    assert sent.from_email.startswith("Sam <")
    assert sent.extra_headers["Reply-To"] == "sam@example.com"
    assert sent.extra_headers["Auto-Submitted"] == "no"
    event = LeadEvent.objects.get(kind="activity")
    with pytest.raises(TransitionError, match="has left already"):
        transitions.undo(event, by=sam, at=NOON + 2 * MINUTE)
    assert Activity.objects.get() == activity


def test_undoing_in_time_stops_the_mail_and_keeps_an_agreed_call(handoff, sam):  # H5
    call_at = NOON + 90 * MINUTE
    transitions.log_activity(
        handoff.lead, Activity.Kind.CALL, Activity.Outcome.NO_ANSWER, by=sam, at=NOON - MINUTE, next_attempt_at=call_at
    )
    write(handoff, sam)
    lead = Lead.objects.get()
    assert (lead.stage, lead.next_attempt_at) == (Stage.IN_WORK, call_at)
    event = LeadEvent.objects.filter(kind="activity").latest("pk")
    transitions.undo(event, by=sam, at=NOON + MINUTE / 6)
    outbox.deliver(clock=lambda: NOON + 5 * MINUTE)
    lead.refresh_from_db()
    assert delivered() == []
    assert (lead.stage, lead.next_attempt_at) == (Stage.HANDED_OVER, call_at)
    assert transitions.note_failures(NOON + 5 * MINUTE) == 0  # nobody is told of what they took back


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"do_not_contact": True}, "doesn't want to be contacted"),
        ({"bounced_at": NOON}, "come back"),
        ({"email": ""}, "don't know their e-mail"),
        ({"erased_at": NOON}, "was erased"),
    ],
)
def test_who_can_not_be_written_to_is_refused_with_words(changes, why, handoff, sam, as_user):  # L13
    Contact.objects.update(**changes)  # while the page was open
    with pytest.raises(TransitionError, match=why):
        write(handoff, sam)
    page = as_user(sam).get(reverse("pipeline:mail_write", args=[handoff.lead_id])).content.decode()
    assert "nina@client.example" not in page or "bounced_at" in changes
    assert "disabled" in page
    assert not OutboxMessage.objects.filter(recipients__icontains="nina").exists()
    assert not Activity.objects.exists()


def test_a_placeholder_left_open_and_another_reps_lead_are_refused(handoff, sam, sid):  # H5
    with pytest.raises(TransitionError, match=r"\{first_nme\}"):
        write(handoff, sam, text="Hello {first_nme}")
    with pytest.raises(NotYours):
        write(handoff, sid)
    assert not Activity.objects.exists()


def test_the_rep_is_told_once_of_a_mail_that_did_not_arrive(handoff, sam):  # H5
    activity = write(handoff, sam)
    OutboxMessage.objects.filter(pk=activity.message_id).update(failed_at=NOON + MINUTE, bounced_at=NOON + MINUTE)
    told = [transitions.note_failures(NOON + minutes * MINUTE) for minutes in (0, 2, 3)]
    assert told == [0, 1, 0]
    assert Notification.objects.get(kind="mail_failed").recipient == sam
    assert LeadEvent.objects.get(kind="mail_failed").data["subject"] == "Our talk"


def test_a_mail_that_did_not_arrive_was_no_contact_and_the_clock_runs_again(handoff, sam, mia):  # H2
    due_at = handoff.first_contact_due_at
    activity = write(handoff, sam)
    OutboxMessage.objects.filter(pk=activity.message_id).update(failed_at=NOON + MINUTE)
    facts.recompute(NOON + MINUTE)
    transitions.note_failures(NOON + 2 * MINUTE)
    handoff = Handoff.objects.select_related("lead").get()
    assert (handoff.first_contact_at, handoff.first_contact_due_at, handoff.lead.last_contact_at) == (
        None,
        due_at,
        None,
    )
    told = Notification.objects.get(kind="mail_failed")
    assert (told.clock_label, told.due_at) == (Clock.FIRST_CONTACT.label, due_at)
    with pytest.raises(TransitionError):
        transitions.accept(handoff, by=sam, at=NOON + 3 * MINUTE)
    facts.recompute()
    assert "agree" in check()
    transitions.log_activity(handoff.lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON + 5 * MINUTE)
    again = write(handoff, sam, at=NOON + 6 * MINUTE)
    OutboxMessage.objects.filter(pk=again.message_id).update(failed_at=NOON + 7 * MINUTE)
    transitions.note_failures(NOON + 8 * MINUTE)
    handoff.refresh_from_db()
    assert handoff.first_contact_at == Lead.objects.get().last_contact_at == NOON + 5 * MINUTE  # the call was one
    transitions.accept(handoff, by=sam, at=NOON + 9 * MINUTE)


def test_the_page_fills_the_template_keeps_what_is_typed_and_sends(handoff, template, sam, as_user):  # H5
    client, url = as_user(sam), reverse("pipeline:mail_write", args=[handoff.lead_id])
    page = client.get(url)
    assert page.context["form"].initial["subject"] == "Здравствуйте, Nina"
    assert client.get(url, {"template": "0"}).context["form"].initial["subject"] == ""
    switch = {
        "fill": "1",
        "filled_from": template.pk,
        "subject": page.context["form"].initial["subject"],
        "text": "Mine",
    }
    for number in (0, template.pk):
        page = client.post(f"{url}?template={number}", switch)
        shown = page.context["form"].initial
        # What nobody changed is the chosen template's; what was typed stays.
        assert (page.status_code, shown["subject"], shown["text"]) == (
            200,
            (number and switch["subject"]) or "",
            "Mine",
        )
        assert "What you typed is kept" in page.content.decode()
    words = {"subject": "About you", "text": "Hello {name}", "submission_key": uuid.uuid4()}
    for wrong in ({}, {"text": "x" * 500_000}, {"subject": "\r\n"}, {"text": ""}):
        response = client.post(url, words | wrong)
        assert response.status_code == 422
        assert "About you" in response.content.decode() or wrong.get("subject")
    assert not Activity.objects.exists()
    sent = client.post(url, words | {"text": "Hello Nina"}, follow=True)
    assert "leaves in half a minute" in sent.content.decode()
    message = OutboxMessage.objects.get(recipients__icontains="nina")
    assert message.next_attempt_at > timezone.now() + MINUTE / 4
    shown = client.get(reverse("pipeline:handoff_detail", args=[handoff.pk])).content.decode()
    assert "leaves in a moment" in shown


def test_sales_managers_write_sales_templates_and_only_those(max_, sam, mia, template, as_user):  # H5
    client, add = as_user(max_), reverse("pipeline:mail_template_add")
    assert client.get(add).status_code == 403
    assert as_user(sam).get(f"{add}?kind=sales").status_code == 403
    words = {"name": "After a fair", "subject_en": "Hello", "body_en": "We met at {campaign}", "is_active": "on"}
    assert client.post(f"{add}?kind=sales", words | {"body_en": "{offer} {"}).status_code == 422
    client.post(f"{add}?kind=sales", words)
    made = MailTemplate.objects.get(name="After a fair")
    assert made.is_for_sales
    assert "After a fair" in client.get(reverse("pipeline:mail_templates"), {"kind": "sales"}).content.decode()
    assert "After a fair" not in client.get(reverse("pipeline:mail_templates")).content.decode()
    assert client.get(reverse("pipeline:mail_template", args=[made.pk])).status_code == 200
    assert as_user(mia).get(reverse("pipeline:mail_template_edit", args=[made.pk])).status_code == 200
