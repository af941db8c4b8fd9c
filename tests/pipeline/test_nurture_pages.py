"""Nurture in a browser: plans, steps, who is in them, templates, and what a lead's page tells of it."""

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.models import OutboxMessage
from leads import consents
from leads.models import Contact, Lead, Purpose
from pipeline import transitions
from pipeline.models import MailTemplate, NurturePlan, NurtureStep, StepRun
from pipeline.nurture.enrol import enter
from pipeline.nurture.running import do_due, run
from tests.factories import NOON, ProductFactory, a_lead, a_nurture_plan, a_nurtured_lead, days, meet_criteria

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def a_warm_lead(by, **fields) -> Lead:
    lead = a_lead(by=by, **fields)
    transitions.keep_warm(lead, by=by, at=NOON)
    return Lead.objects.get(pk=lead.pk)


@pytest.fixture
def template() -> MailTemplate:
    return MailTemplate.objects.create(name="Hello", subject_en="News for {company}", body_en="Hello {first_name}")


def test_a_marketer_makes_a_plan_and_starts_it(as_user, mia, template):  # L9
    client = as_user(mia)
    assert "Make the first plan" in client.get("/nurture/").content.decode()
    client.post("/nurture/add/", {"name": "Newcomers", "enters_by_itself": "on", "product": ProductFactory().pk})
    plan = NurturePlan.objects.get()
    page = f"/nurture/{plan.pk}/"
    assert "No step yet" in client.get(page).content.decode()
    assert "needs a step" in client.post(f"{page}start/", follow=True).content.decode()
    add = f"{page}steps/add/"
    client.post(f"{add}?kind=mail", {"wait_days": "3", "template": template.pk})
    client.post(f"{add}?kind=invitation", {"wait_days": "7", "template": template.pk, "campaign": ""})
    client.post(f"{add}?kind=offer", {"wait_days": "7", "template": template.pk, "offer": "10 %", "offer_days": "14"})
    client.post(f"{add}?kind=task", {"wait_days": "7", "task_title": "Call"})
    assert list(plan.steps.values_list("kind", flat=True)) == ["mail", "invitation", "offer", "task"]
    client.post(f"{page}start/")
    plan.refresh_from_db()
    assert plan.is_active
    shown = client.get(page).content.decode()
    assert "3 days after entering" in shown
    assert "the next coming event" in shown
    assert "No mail leaves between 20:00 and 08:00" in shown


def test_a_step_that_lacks_something_is_refused_with_what_was_typed(as_user, mia, template):
    plan, client = a_nurture_plan(), as_user(mia)
    for kind, typed, wrong in [
        ("mail", {"wait_days": "3"}, "template"),
        ("offer", {"wait_days": "3", "offer": "10 %", "offer_days": "0"}, "offer_days"),
        ("task", {"wait_days": "366", "task_title": "Call"}, "wait_days"),
        ("task", {"wait_days": "1", "task_title": ""}, "task_title"),
    ]:
        answer = client.post(f"/nurture/{plan.pk}/steps/add/?kind={kind}", typed)
        assert answer.status_code == 422
        assert wrong in answer.context["form"].errors
    assert plan.steps.count() == 1


def test_unknown_kinds_and_filters_are_bad_requests(as_user, mia):
    plan, client = a_nurture_plan(), as_user(mia)
    for address in ("steps/add/?kind=spam", "?show=all", "results/?what=everything", "results/?nonsense=1"):
        assert client.get(f"/nurture/{plan.pk}/{address}").status_code == 400, address
    assert client.post(f"/nurture/steps/{plan.steps.get().pk}/move/", {"direction": "sideways"}).status_code == 400


def test_a_template_must_fit_the_kind_of_its_steps(as_user, mia, template):  # L9
    offer = MailTemplate.objects.create(name="Offer", subject_en="For you", body_en="{offer} until {offer_until}")
    plan, client = a_nurture_plan(), as_user(mia)
    answer = client.post(f"/nurture/{plan.pk}/steps/add/?kind=mail", {"wait_days": "3", "template": offer.pk})
    assert "{offer}, {offer_until}" in answer.content.decode()
    client.post(f"/nurture/{plan.pk}/steps/add/?kind=mail", {"wait_days": "3", "template": template.pk})
    typed = {"name": "Hello", "subject_en": "News", "body_en": "{offer}", "is_active": "on"}
    typed["seen_at"] = template.updated_at.isoformat()
    answer = client.post(f"/nurture/templates/{template.pk}/edit/", typed)
    assert answer.status_code == 422
    assert "Keep in touch" in answer.content.decode()
    template.refresh_from_db()
    assert template.body_en == "Hello {first_name}"


def test_a_template_that_cannot_be_filled_in_is_refused(as_user, mia):  # L9
    client = as_user(mia)
    for typed, field in [
        ({"subject_en": "Hi {nme}", "body_en": "Text"}, "subject_en"),
        ({"subject_en": "Hi", "body_en": "{{ contact.email }} {% debug %}"}, "body_en"),
        ({"subject_en": "Hi", "body_en": ""}, "body_en"),
        ({"subject_ru": "", "body_ru": "Текст"}, "subject_ru"),
        ({}, "subject_en"),
    ]:
        answer = client.post("/nurture/templates/add/", {"name": "New", **typed})
        assert answer.status_code == 422
        assert field in answer.context["form"].errors
    assert not MailTemplate.objects.exists()


def test_somebody_elses_edit_is_not_written_over(as_user, mia, template):
    typed = {"name": "Hello", "subject_en": "Mine", "body_en": "Mine", "seen_at": "2020-01-01"}
    answer = as_user(mia).post(f"/nurture/templates/{template.pk}/edit/", typed)
    assert answer.status_code == 422
    assert "Mine" in answer.content.decode()
    typed["seen_at"] = answer.context["form"].data["seen_at"]
    assert as_user(mia).post(f"/nurture/templates/{template.pk}/edit/", typed).status_code == 302


def test_a_preview_reads_as_the_chosen_lead_and_shows_what_was_typed_as_text(as_user, mia, template):  # L9
    template.body_en = "<script>alert(1)</script> {name}"
    template.save()
    a_warm_lead(mia)
    lead = a_warm_lead(mia)
    Contact.objects.filter(pk=lead.contact_id).update(name="Anna Berg")
    shown = as_user(mia).get(f"/nurture/templates/{template.pk}/?lead={lead.pk}").content.decode()
    assert f"News for {lead.contact.company}" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Anna Berg" in shown
    assert "Not written in this language" in shown
    assert as_user(mia).get(f"/nurture/templates/{template.pk}/?lead=x").status_code == 400


def test_a_preview_offers_nobody_whose_data_was_erased(as_user, mia, template):  # L9, L13
    known, erased = a_warm_lead(mia), a_warm_lead(mia)
    Contact.objects.filter(pk=erased.contact_id).update(erased_at=NOON)
    form = as_user(mia).get(f"/nurture/templates/{template.pk}/").context["form"]
    assert list(form.fields["lead"].queryset) == [known]


def test_a_test_goes_to_oneself_through_the_outbox_and_is_no_step(as_user, mia, template, settings):  # L9
    settings.EMAIL_BACKEND = "integrations.mail.OutboxBackend"
    lead = a_warm_lead(mia)
    as_user(mia).post(f"/nurture/templates/{template.pk}/test/?lead={lead.pk}")
    message = OutboxMessage.objects.get()
    assert message.recipients == [mia.email]
    assert message.subject == f"Test: News for {lead.contact.company}"
    assert "List-Unsubscribe" not in message.headers
    assert not StepRun.objects.exists()
    assert mail.outbox == []


def test_selected_leads_enter_and_the_page_says_why_others_do_not(as_user, dan):  # L9
    plan, client = a_nurture_plan(), as_user(dan)
    warm, new = a_warm_lead(dan), a_lead(by=dan)
    asked = client.post("/leads/nurture/", {"selected": [warm.pk, new.pk]}).content.decode()
    assert "1 of them warm" in asked
    told = client.post("/leads/nurture/", {"selected": [warm.pk, new.pk], "plan": plan.pk, "confirmed": "1"})
    assert "1 entered, 1 not." in told.content.decode()
    assert "Only warm leads are nurtured" in told.content.decode()
    assert plan.enrolments.get().lead == warm
    assert client.post("/leads/nurture/", {}).status_code == 302


def test_the_page_says_who_entered_but_gets_no_mails(as_user, dan):  # L9, L13
    plan, asks_for_mails, asks_for_none = a_nurture_plan(), a_warm_lead(dan), a_warm_lead(dan)
    Contact.objects.filter(pk=asks_for_mails.contact_id).update(email="yes@example.com")
    consents.give(asks_for_mails.contact, Purpose.MAILING, source="stand", by=dan, at=NOON)
    typed = {"selected": [asks_for_mails.pk, asks_for_none.pk], "plan": plan.pk, "confirmed": "1"}
    answer = as_user(dan).post("/leads/nurture/", typed)
    assert {row["lead"]: row["is_mailed"] for row in answer.context["rows"]} == {
        asks_for_mails: True,
        asks_for_none: False,
    }
    assert answer.content.decode().count("they may not be mailed") == 1


def test_a_lead_enters_from_its_page_and_is_taken_out_and_put_back(as_user, mia):  # L9
    plan, lead, client = a_nurture_plan(), a_warm_lead(mia), as_user(mia)
    panel = reverse("pipeline:lead_panel", args=[lead.pk])
    assert "Add to a nurture plan" in client.get(panel).content.decode()
    client.post(f"/leads/{lead.pk}/nurture/", {"plan": plan.pk})
    shown = client.get(panel).content.decode()
    assert "Keep in touch" in shown
    assert "Call them" in shown
    again = client.post(f"/leads/{lead.pk}/nurture/", {"plan": plan.pk})
    assert again.status_code == 422
    assert "already" in again.content.decode()
    enrolment = plan.enrolments.get()
    taken = client.post(f"/nurture/enrolments/{enrolment.pk}/take-out/", follow=True).content.decode()
    assert f"/nurture/enrolments/{enrolment.pk}/put-back/" in taken
    client.post(f"/nurture/enrolments/{enrolment.pk}/put-back/")
    enrolment.refresh_from_db()
    assert enrolment.ended_at is None


def test_a_plan_that_does_not_run_lets_nobody_in(as_user, mia):
    lead = a_warm_lead(mia)
    assert "No plan is running" in as_user(mia).get(f"/leads/{lead.pk}/nurture/").content.decode()


def test_the_plan_says_what_a_step_waits_for(as_user, mia, template):  # L9
    plan, lead = a_nurture_plan(), a_warm_lead(mia)
    consents.give(lead.contact, Purpose.MAILING, source="Expo", at=NOON)
    NurtureStep.objects.update(kind="mail", template=template)
    enter(plan, lead, by=mia, at=NOON + days(0.5))
    do_due(NOON + days(0.5))
    shown = as_user(mia).get(f"/nurture/{plan.pk}/").content.decode()
    assert "waits until" in shown
    assert "quiet hours" in shown
    NurturePlan.objects.update(is_active=False)
    assert "waits until the plan runs" in as_user(mia).get(f"/nurture/{plan.pk}/").content.decode()


def test_every_number_of_a_plan_opens_its_leads(as_user, mia, vera):  # L9 K1
    lead = a_nurtured_lead(by=mia)
    plan, client = NurturePlan.objects.get(), as_user(vera)
    step = plan.steps.get()
    shown = client.get(f"/nurture/{plan.pk}/").content.decode()
    link = f"/nurture/{plan.pk}/results/?step={step.pk}&amp;what=qualified"
    assert link in shown
    assert str(lead) in client.get(link.replace("&amp;", "&")).content.decode()
    assert "Nothing of that kind yet" in client.get(f"/nurture/{plan.pk}/results/?what=bounced").content.decode()


def test_a_proposed_lead_is_on_my_day_in_the_list_and_on_its_page(as_user, mia):  # L9
    lead = a_warm_lead(mia)
    meet_criteria(lead, at=NOON + days(1))
    run(NOON + days(2))
    client = as_user(mia)
    assert "Warm, and meets the criteria: qualify?" in client.get("/").content.decode()
    other = a_warm_lead(mia)
    listed = client.get("/leads/?proposed=1").content.decode()
    assert str(lead) in listed
    assert str(other) not in listed
    assert "Meets the criteria: qualify?" in client.get(reverse("pipeline:lead_panel", args=[lead.pk])).content.decode()


def test_the_list_behind_the_figure_holds_the_nurtured_leads_of_those_days(as_user, vera, mia):  # K1
    lead, other = a_nurtured_lead(by=mia), a_nurtured_lead(by=mia, at=NOON + days(9))
    listed = as_user(vera).get("/leads/?nurtured_from=2026-03-01&nurtured_to=2026-03-05").content.decode()
    assert reverse("leads:lead_detail", args=[lead.pk]) in listed
    assert reverse("leads:lead_detail", args=[other.pk]) not in listed
    assert "Became MQL by nurture" in listed


def test_marketing_notes_a_bounce_and_takes_it_back(as_user, dan):  # L9
    contact, client = a_lead(by=dan).contact, as_user(dan)
    told = client.post(f"/contacts/{contact.pk}/bounced/", follow=True).content.decode()
    assert "bounced" in told
    assert "The e-mail works again" in told
    client.post(f"/contacts/{contact.pk}/reachable/", {"next": "https://evil.example/"})
    contact.refresh_from_db()
    assert contact.bounced_at is None


def test_a_page_with_many_rows_costs_no_more_queries_than_one_with_few(as_user, mia, template):
    plan, client = a_nurture_plan(), as_user(mia)
    NurtureStep.objects.create(plan=plan, position=5, kind="mail", template=template)

    def add(number: int) -> None:
        for each in range(number):
            enter(plan, a_warm_lead(mia), by=mia, at=NOON)
            name = f"{number} {each}"
            NurturePlan.objects.create(name=name)
            NurtureStep.objects.create(plan=plan, position=9, kind="task", task_title=name)
            MailTemplate.objects.create(name=name, subject_en="A", body_en="B")
        do_due(NOON)

    counts = []
    for number in (2, 3):
        add(number)
        for address in ("/nurture/", f"/nurture/{plan.pk}/", f"/nurture/{plan.pk}/results/", "/nurture/templates/"):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            counts.append(len(queries))
    assert counts[:4] == counts[4:]
