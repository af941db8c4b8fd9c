"""Giving out what is known of one person, and erasing it: nothing of the person stays, every number does."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO

import pytest
from django.apps import apps
from django.core.mail import send_mail
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.test import override_settings
from django.utils.translation import override

from accounts.access import NotAllowed
from accounts.models import Role, Team, User
from integrations.models import OutboxMessage
from kpi.models import Fact
from leads import consents, contact_sync, editing
from leads.answering import submit
from leads.contact_sync import upsert_contacts
from leads.demand import note_request
from leads.models import (
    Company,
    Consent,
    Contact,
    Erasure,
    LeadEvent,
    LeadJudgement,
    Partner,
    Purpose,
    Referral,
    Stage,
    Submission,
)
from leads.registration import Person, register_lead
from pipeline import personal_data, personal_words, transitions
from pipeline.holdings import HOLDINGS
from pipeline.models import (
    Activity,
    Checklist,
    ContentItem,
    Enrolment,
    MailTemplate,
    Notification,
    NurturePlan,
    ReturnAnswer,
    StepRun,
    Task,
)
from pipeline.personal_data import collect, erase
from pipeline.to_do import open_task
from tests import factories
from tests.factories import NOON, ContactFactory, a_lead, days

pytestmark = pytest.mark.django_db

REQUEST = Erasure.Cause.REQUEST
LATER = NOON + days(60)
SECRETS = (  # every text that tells of Xaverine; nothing of the cast or the defaults is like them
    "xaverine", "quellenfeld", "жозефина", "qfeld-mail", "old-address", "crm-id-4711", "profil-xq",
    "hush-title", "hush-note", "hush-brief", "hush-agreed", "hush-when", "hush-term", "hush-page", "hush-answer",
    "hush-activity", "hush-handoff", "hush-missing", "hush-step", "hush-payment", "hush-lost", "hush-demand",
    "hush-referral", "hush-source", "hush-reason", "hush-task", "hush-typed", "hush-file-7",
    "hush-selling",
)  # fmt: skip
PHONES = ("14155552671", "4155552671", "442079460958")


@pytest.fixture(scope="module")
def _known(django_db_setup, django_db_blocker) -> Iterator[int]:
    """Told once for all tests, whose own changes are rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        teams = {name: factories.TeamFactory(name=name) for name in ("Sales North", "Sales South")}
        mia, sam, sid = (
            factories.UserFactory(name=name, role=role, team=teams.get(team))
            for name, role, team in [
                ("Mia", Role.MARKETER, ""),
                ("Sam", Role.SALES_REP, "Sales North"),
                ("Sid", Role.SALES_REP, "Sales South"),
            ]
        )
        with override_settings(EMAIL_BACKEND="integrations.mail.OutboxBackend"):
            yield _tell(mia, sam, sid).pk
        transaction.set_rollback(True)


@pytest.fixture
def sales_team(_known, db) -> Team:
    return Team.objects.get(name="Sales North")


@pytest.fixture
def mia(_known, db) -> User:
    return User.objects.get(name="Mia")


@pytest.fixture
def sam(_known, db) -> User:
    return User.objects.get(name="Sam")


@pytest.fixture
def xaverine(_known, db) -> Contact:
    """Somebody of whom everything is known that can be: in every table, in the log, and in the mails."""
    return Contact.objects.get(pk=_known)


def _tell(mia: User, sam: User, sid: User) -> Contact:
    contact = ContactFactory(
        name="Xaverine Quellenfeld Жозефина",
        email="Xaverine@qfeld-mail.example",
        job_title="hush-title",
        profile_url="https://social.example/profil-xq",
        note="hush-note",
    )
    contact.set_phone("+44 20 7946 0958")
    contact.save()
    contact.identities.create(system="crm", external_id="crm-id-4711")
    product = factories.ProductFactory()
    won = factories.a_won_opportunity(
        sam,
        1000,
        by=mia,
        contact=Contact.objects.get(pk=contact.pk),
        product=product,
        note="hush-note",
        agreed="hush-agreed",
        preferred_meeting_time="hush-when",
        utm_term="hush-term",
        source_details={"page": "https://x.example/?hush-page"},
    )
    transitions.record_payment(
        won, by=sam, at=NOON, paid_on=NOON.date(), amount=Decimal(100), note="hush-payment xaverine"
    )
    contact = Contact.objects.get(pk=contact.pk)
    editing.edit_contact(contact, {"email": "old-address@qfeld-mail.example"}, by=mia, at=NOON)
    editing.edit_contact(
        contact, {"email": "xaverine@qfeld-mail.example", "phone": "+1 (415) 555-2671"}, by=mia, at=NOON
    )
    lead = won.lead
    lead.source_system, lead.external_id = "file", "hush-file-7"
    lead.save()
    type(won).objects.filter(pk=won.pk).update(
        next_step="hush-step", lost_note="hush-lost", source_system="file", external_id="hush-file-7"
    )
    transitions.record_brief(lead, "hush-brief", by=mia, at=NOON)
    transitions.log_activity(
        lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=sam, at=NOON, note="hush-activity жозефина"
    )
    editing.add_note(lead, "hush-note: Xaverine Quellenfeld, +1 415 555 2671", by=mia, at=NOON)
    _answer(lead, mia)
    note_request(lead, "Something else", by=mia, at=NOON, note="hush-demand")
    consents.give(contact, Purpose.MAILING, source="hush-source", by=mia, at=NOON)
    LeadJudgement.objects.create(
        lead=lead, criteria_set=lead.criteria_set, at=NOON, is_met=True, points=2, answers={"need": "yes"}
    )
    returned = factories.a_contacted_handoff(sid, by=mia, contact=Contact.objects.get(pk=contact.pk))
    type(returned).objects.filter(pk=returned.pk).update(note="hush-handoff")
    transitions.reject(
        returned, factories.reason(), by=sid, at=NOON, missing="hush-missing", misread="hush-reason", criteria_doubt="x"
    )
    partner = Partner.objects.create(name="Bright Ltd")
    Referral.objects.create(
        lead=returned.lead, partner=partner, referred_at=NOON, passed=["name"], note="hush-referral"
    )
    open_task(
        title="hush-task: call Xaverine", assignee=sam, due_at=LATER, by=mia, at=NOON, lead=lead, note="hush-task"
    )
    _selling(won, returned)
    _nurture(lead)
    _mails(lead, mia)
    return contact


def _answer(lead, mia) -> None:
    version = factories.a_questionnaire(
        {"key": "wish", "kind": "text"}, {"key": "seats", "kind": "number"}, campaign=lead.campaign
    )
    submit(version, {"wish": "hush-answer", "seats": Decimal(40)}, via="phone", at=NOON, by=mia, lead=lead)
    suspected = Person(name="Xaverine", email="XAVERINE@qfeld-mail.example", phone="hush-typed")
    submit(version, {"wish": "hush-answer"}, via="public", at=NOON, person=suspected, suspicion="fast")
    told = {"wish": "hush-answer: write to Xaverine@qfeld-mail.example"}
    submit(version, told, via="public", at=NOON, person=Person(phone="+49 30 1234567"), suspicion="fast")


def _selling(won, returned) -> None:
    """Every further table of selling, with a text wherever one may be written."""
    returned.pauses.create(
        reason="hush-selling",
        started_at=NOON,
        until=LATER,
        first_contact_due_before=NOON,
        verdict_due_before=NOON,
    )
    returned.feedback.create(kind="missing", field="company.employees")
    ReturnAnswer.objects.create(handoff=returned, answer="agree", note="hush-selling", answered_at=NOON)
    won.lines.create(text="hush-selling", amount=1)
    won.objections.create(kind="price", text="hush-selling", raised_at=NOON)
    won.planned_payments.create(due_on=LATER.date(), amount=1, paid=1, note="hush-selling")
    won.lead.recyclings.create(because="lost", how="call", due_at=LATER, opened_at=NOON, result_note="hush-selling")
    won.lead.content_requests.create(title="hush-selling", kind="case", note="hush-selling", requested_at=NOON)
    item = ContentItem.objects.create(title="Case", kind="case", link="https://case.example/", added_at=NOON)
    item.uses.create(lead=won.lead, used_at=NOON)
    checklist = Checklist.objects.create(name="Calls", kind="call")
    looked_at = checklist.items.create(text="Asks questions")
    activity = won.lead.activities.first()
    review = activity.quality_reviews.create(
        checklist=checklist,
        person=won.owner,
        happened_on=NOON.date(),
        note="hush-selling",
        points=1,
        most_points=5,
        reviewed_at=NOON,
    )
    review.scores.create(item=looked_at, text="Asks questions", points=1, most_points=5)
    activity.review_proposals.create(
        checklist=checklist, person=won.owner, week=NOON.date(), skipped_because="hush-selling"
    )


def _nurture(lead) -> None:
    template = MailTemplate.objects.create(name="Hello", subject_en="Hello", body_en="Hello")
    plan = NurturePlan.objects.create(name="Keep warm")
    step = plan.steps.create(kind="mail", template=template)
    enrolment = Enrolment.objects.create(plan=plan, lead=lead, entered_at=NOON, next_step=step, next_due_at=LATER)
    message = OutboxMessage.objects.create(
        sender="us@example.com",
        recipients=["gone-address@example.net"],
        subject="hush-note",
        text="hush-note",
        created_at=NOON,
        next_attempt_at=NOON,
    )
    StepRun.objects.create(enrolment=enrolment, step=step, done_at=NOON, result="sent", message=message)


def _mails(lead, mia) -> None:
    send_mail("Hello Xaverine", "hush-note", None, ["Xaverine Q <xaverine@qfeld-mail.example>"])
    send_mail("For a colleague", "They are at +1 (415) 555-2671, hush-note", None, [mia.email])
    send_mail("Of somebody else", "Nothing about her", None, ["else@client.example"])


def _dump() -> str:
    """Every row of every table as text."""
    if connection.vendor == "sqlite":
        return "\n".join(connection.connection.iterdump())
    out = StringIO()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.copy_expert(f'COPY "{table}" TO STDOUT', out)
    return out.getvalue()


def _found_in(dump: str) -> set[str]:
    """Which secrets a dump tells, in whatever notation: letters may be escaped, phones written in any way."""
    text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda sign: chr(int(sign[1], 16)), dump).casefold()
    without_marks = re.sub(r"[\s()+\-./]", "", re.sub(r"\b[0-9a-f]{64}\b", "", text))
    return {secret for secret in SECRETS if secret in text} | {phone for phone in PHONES if phone in without_marks}


# --- Nothing is forgotten --------------------------------------------------------------------------------------------


def _leads_to_a_person(model: type[models.Model], seen: frozenset = frozenset()) -> bool:
    if model is Contact:
        return True
    others = {field.related_model for field in model._meta.concrete_fields if field.many_to_one or field.one_to_one}
    return any(_leads_to_a_person(other, seen | {model}) for other in others - seen - {model})


def test_every_table_that_leads_to_a_person_is_given_out_and_erased():  # L13
    known = {holding.model for holding in HOLDINGS}
    forgotten = {model for model in apps.get_models() if _leads_to_a_person(model)} - known
    assert not forgotten, f"name them in HOLDINGS of pipeline/holdings.py: {forgotten}"
    assert len(known) == len(HOLDINGS)


def test_every_name_in_the_copy_of_a_persons_data_is_said_in_russian():
    said = []
    with override("ru"):
        for model in [*(holding.model for holding in HOLDINGS), Company, OutboxMessage]:
            fields = [field for field in model._meta.get_fields() if field.concrete]
            names = [model._meta.verbose_name_plural, *(field.verbose_name for field in fields)]
            said += [personal_words.in_words(str(name)) for name in names]
    assert {words for words in said if not re.search("[а-я]", words)} == {"ID", "Html", "Search text"}


def test_what_becomes_of_every_text_about_a_person_is_decided():  # L13
    texts = (models.CharField, models.TextField, models.JSONField)
    for holding in HOLDINGS:
        decided = {*holding.erased, *holding.cleaned, *holding.kept}
        fields = {f.name for f in holding.model._meta.concrete_fields if isinstance(f, texts) and not f.choices}
        assert fields <= decided, f"{holding.model.__name__}: {fields - decided}"
        assert decided <= {field.name for field in holding.model._meta.concrete_fields}


# --- Erasing ---------------------------------------------------------------------------------------------------------


def test_an_erased_person_is_nowhere_in_a_dump_of_the_database(xaverine, dora):  # L13
    assert _found_in(_dump()) == {*SECRETS, *PHONES}  # all were there to be found
    act = erase(xaverine, REQUEST, by=dora, at=LATER, note="by letter")
    assert _found_in(_dump()) == set()
    xaverine.refresh_from_db()
    assert str(xaverine) == f"Erased person №{xaverine.pk}"
    assert (xaverine.erased_at, xaverine.do_not_contact) == (LATER, True)
    assert (act.contact_number, act.erased_by, act.note) == (xaverine.pk, dora, "by letter")
    assert act.scope["leads_leadevent"] > 3
    assert act.scope["leads_contactidentity"] == 1


def test_the_numbers_stay(xaverine, mia, dora):  # L13
    call_command("recompute_facts", all=True, stdout=StringIO())

    def figures() -> list:
        fields = ("day", "measure", "campaign", "product", "person", "count", "value")
        return sorted(Fact.objects.values_list(*fields), key=str)

    before, rows = figures(), {h.model: h.model._base_manager.count() for h in HOLDINGS if not h.is_deleted}
    stages = list(xaverine.leads.order_by("pk").values_list("stage", *(stage.reached_field for stage in Stage)))
    erase(xaverine, REQUEST, by=dora, at=LATER)
    call_command("recompute_facts", all=True, stdout=StringIO())
    assert before
    assert figures() == before
    said = StringIO()
    call_command("check_kpi", stdout=said)
    assert "agree" in said.getvalue()
    assert stages == list(xaverine.leads.order_by("pk").values_list("stage", *(stage.reached_field for stage in Stage)))
    after = {model: model._base_manager.count() for model in rows}
    assert after.pop(LeadEvent) == rows.pop(LeadEvent) + xaverine.leads.count()  # that it was erased
    assert after == rows


def test_what_was_running_about_the_person_ends(xaverine, dora):  # L13
    erase(xaverine, REQUEST, by=dora, at=LATER)
    to_her = OutboxMessage.objects.filter(recipients=[])
    assert to_her.count() == 2
    assert not OutboxMessage.objects.waiting().exclude(subject="Of somebody else").filter(subject="").exists()
    assert OutboxMessage.objects.waiting().filter(subject="Of somebody else").exists()
    assert not Enrolment.objects.running().exists()
    assert not Task.objects.open().exists()
    assert not Consent.objects.valid().exists()
    assert not Submission.objects.suspected().exists()
    answers = list(Submission.objects.get(lead__isnull=False).answers.order_by("pk").values_list("text", "number"))
    assert answers == [("", None), ("", Decimal(40))]


def test_what_is_held_back_is_found_by_a_number_that_cannot_be_read(mia, dora):
    contact = ContactFactory(email="")
    contact.set_phone("ext. 12-34-5")
    contact.save()
    version = factories.a_questionnaire({"key": "wish", "kind": "text"})
    person = Person(name="Xaverine", phone="Ext. 123 45")
    held_back = submit(version, {}, via="public", at=NOON, person=person, suspicion="fast")
    erase(contact, REQUEST, by=dora, at=LATER)
    held_back.refresh_from_db()
    assert (contact.phone, held_back.person) == ("", {})


def test_erasing_twice_is_once(xaverine, dora):
    act = erase(xaverine, REQUEST, by=dora, at=LATER)
    assert erase(xaverine, REQUEST, by=dora, at=LATER + days(1)) == act
    assert Erasure.objects.count() == 1


@pytest.mark.parametrize("who", ["mia", "dan", "sam", "max_", "vera"])
def test_only_the_director_and_administrators_erase(who, request, mia):
    contact = a_lead(by=mia).contact
    with pytest.raises(NotAllowed):
        erase(contact, REQUEST, by=request.getfixturevalue(who), at=LATER)
    assert Contact.objects.get(pk=contact.pk).erased_at is None


@pytest.mark.parametrize(
    "note",
    [
        "asked by XAVERINE quellenfeld жозефина",
        "Mrs. Quellenfeld’s letter",
        "call 415 555-2671",
        "old-address@qfeld-mail.example",
    ],
)
def test_a_note_that_names_the_person_is_refused(note, xaverine, dora):
    with pytest.raises(personal_data.Refused):
        erase(xaverine, REQUEST, by=dora, at=LATER, note=note)
    assert Contact.objects.get(pk=xaverine.pk).name


def test_nothing_is_written_about_an_erased_person_any_more(xaverine, mia, dora):
    lead = xaverine.leads.first()
    stale = type(lead).objects.select_related("contact").get(pk=lead.pk)  # read before the person was erased
    erase(xaverine, REQUEST, by=dora, at=LATER)
    lead.refresh_from_db()
    contact = Contact.objects.get(pk=xaverine.pk)
    for write in (
        lambda: editing.edit_contact(contact, {"name": "Xaverine"}, by=mia, at=LATER),
        lambda: editing.edit_lead(lead, {"note": "Xaverine"}, by=mia, at=LATER),
        lambda: editing.add_note(type(lead).objects.get(pk=lead.pk), "Xaverine", by=mia, at=LATER),
        lambda: consents.give(contact, Purpose.MAILING, source="", by=mia, at=LATER),
        lambda: a_lead(by=mia, contact=contact),
        lambda: transitions.record_brief(lead, "Xaverine", by=mia, at=LATER),
        lambda: transitions.log_activity(lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=mia, at=LATER),
        lambda: transitions.log_activity(stale, Activity.Kind.CALL, Activity.Outcome.REACHED, by=mia, at=LATER),
        lambda: editing.add_note(stale, "Xaverine", by=mia, at=LATER),
        lambda: note_request(lead, "A drone", by=mia, at=LATER, note="Xaverine"),
        lambda: open_task(title="Xaverine", assignee=mia, due_at=LATER, by=mia, at=LATER, lead=lead),
        lambda: transitions.refer(lead, Partner.objects.get(), passed=["brief"], by=mia, at=LATER, note="Xaverine"),
    ):
        with pytest.raises(NotAllowed):
            write()


def test_a_company_stays_unless_it_is_the_person(mia, dora):
    own, shared, other = (factories.CompanyFactory(name=n) for n in ("Zoe Smith GmbH", "Zoe Smith", "Acme"))
    ContactFactory(company=shared)
    for company in (own, shared, other):
        erase(ContactFactory(name="Zoé Smith", company=company), REQUEST, by=dora, at=LATER)
        company.refresh_from_db()
    assert (own.name, shared.name, other.name) == (f"№{own.pk}", "Zoe Smith", "Acme")


# --- The log stays append-only ---------------------------------------------------------------------------------------


def test_the_log_is_append_only_before_and_after_an_erasure(xaverine, dora):  # U3
    def change_refused(**values) -> bool:
        try:
            with transaction.atomic():
                LeadEvent.objects.filter(lead__contact=xaverine).update(**values)
        except DatabaseError as error:
            return "append-only" in str(error)
        return False

    assert change_refused(data={})
    erase(xaverine, REQUEST, by=dora, at=LATER)
    assert change_refused(data={"note": "back"})


@pytest.mark.parametrize("values", [{"at": LATER}, {"kind": "note"}, {"to_stage": "won"}, {"actor": None}])
def test_even_while_erasing_only_data_can_be_rewritten(values, mia):
    lead = a_lead(by=mia)

    def rewrite() -> None:
        with transaction.atomic():
            personal_data.erasures.let_history_be_erased(True)
            lead.events.update(**values)

    with pytest.raises(DatabaseError, match="append-only"):
        rewrite()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        lead.events.update(data={})


# --- Who comes back --------------------------------------------------------------------------------------------------


def test_an_old_copy_of_an_erased_person_isnt_taken_in(xaverine, mia, dora):  # A2 L13
    erase(xaverine, REQUEST, by=dora, at=LATER)
    items = [
        {"external_id": "crm-id-4711", "name": "Xaverine"},
        {"external_id": "2", "name": "X", "email": "xaverine@qfeld-mail.example"},
        {"external_id": "3", "name": "X", "email": "old-address@qfeld-mail.example"},
        {"external_id": "4", "name": "X", "phone": "001 415 555 26 71"},
        {"external_id": "5", "name": "Somebody else", "email": "else@client.example"},
    ]
    done = upsert_contacts("crm", items, by=mia, at=LATER)
    assert {key: one.status for key, one in done.items()} == {
        "crm-id-4711": "erased", "2": "erased", "3": "erased", "4": "erased", "5": "created",
    }  # fmt: skip
    assert _found_in(_dump()) == set()


def test_a_person_who_comes_back_of_themselves_is_a_new_contact_and_synced_again(xaverine, mia, dora):  # L13
    erase(xaverine, REQUEST, by=dora, at=LATER)
    who = Person(name="Xaverine", email="xaverine@qfeld-mail.example")
    lead = register_lead(factories.CampaignFactory(), who, by=mia, at=LATER).lead
    assert lead.contact_id != xaverine.pk
    item = {"external_id": "crm-id-4711", "email": "xaverine@qfeld-mail.example"}
    done = upsert_contacts("crm", [item], by=mia, at=LATER)
    assert (done["crm-id-4711"].status, done["crm-id-4711"].contact_id) == ("linked", lead.contact_id)


# --- Giving it out ---------------------------------------------------------------------------------------------------


def test_everything_about_a_person_is_given_out(xaverine, mia, django_assert_max_num_queries):  # L13
    with django_assert_max_num_queries(75):
        sections = collect(xaverine, by=mia)
    text = json.dumps(personal_data.as_json(xaverine, sections, at=LATER), default=str, ensure_ascii=False)
    assert _found_in(text) == {*SECRETS, *PHONES}
    assert "Nothing about her" not in text
    everything = {section.model for section in sections}
    assert {holding.model for holding in HOLDINGS} - everything <= {Notification} | set()


def test_an_erased_persons_copy_says_nothing(xaverine, dora):
    erase(xaverine, REQUEST, by=dora, at=LATER)
    text = json.dumps(personal_data.as_json(xaverine, collect(xaverine, by=dora), at=LATER), default=str)
    assert _found_in(text) == set()


@pytest.mark.parametrize("who", ["dan", "sam", "max_", "vera"])
def test_who_may_not_gets_no_copy(who, request, mia):
    with pytest.raises(NotAllowed):
        collect(a_lead(by=mia).contact, by=request.getfixturevalue(who))


def test_a_bulk_write_that_waited_for_the_erasure_does_not_fill_the_contact_again(mia):
    contact = ContactFactory(name="", erased_at=NOON)
    contact.identities.create(system="crm", external_id="7")  # as it was read before the erasure deleted it
    assert contact_sync._lock_known("crm", ["7"]) == {}
