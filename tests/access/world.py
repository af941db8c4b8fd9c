"""What the access table acts on: the cast, one of each thing (sales' things are Sam's), and a valid body per route."""

import uuid
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django.contrib.auth import get_user_model
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.access import SCOPES
from accounts.models import ApiToken, Role, Team, User
from leads import criteria, demand, questionnaires
from leads.answering import decide, submit, texts_in_force
from leads.confirming import token_of as token_to_confirm
from leads.criteria import approval, drafts
from leads.criteria.approval import Side
from leads.forms.public import Opened
from leads.models import CriteriaSet, ExchangeRate, LeadEvent, Partner, Purpose
from leads.registration import Person
from pipeline import content, feed, recycling, transitions
from pipeline.defaults import create_defaults
from pipeline.models import (
    Absence,
    Activity,
    Checklist,
    ContentItem,
    Handoff,
    MailTemplate,
    Notification,
    ReviewProposal,
    RoutingRule,
    SalesPipeline,
)
from pipeline.nurture.enrol import enter, take_out
from pipeline.nurture.mails import NOBODY, token_of
from pipeline.to_do import finish_task, open_task
from tests import factories
from tests.factories import NOON, PASSWORD

World = SimpleNamespace


def build() -> World:
    """Everything, made once; the tests roll back what they do."""
    create_defaults(at=NOON - factories.days(9000))
    north, south = (Team.objects.create(name=name) for name in ("Sales North", "Sales South"))
    cast = {
        name: _person(name, role, team)
        for name, role, team in [
            ("mia", Role.MARKETER, None),
            ("dan", Role.SDR, None),
            ("sam", Role.SALES_REP, north),
            ("sid", Role.SALES_REP, south),
            ("max", Role.SALES_MANAGER, north),
            ("dora", Role.DIRECTOR, None),
            ("vera", Role.VIEWER, None),
            ("ada", Role.ADMIN, None),
        ]
    }
    world = World(
        **cast,
        team=north,
        bad_uid="zz",
        bad_key="1-bad",
        purpose="mailing",
        retention_kind="lost",
        sessions={},
        tokens={},
    )
    for name, user in cast.items():
        client = Client()
        client.force_login(user)
        world.sessions[name] = client.session.session_key
        for kind, scopes in (("with all scopes", sorted(SCOPES)), ("without scopes", [])):
            token, secret = ApiToken.objects.create(user=user, name=kind, scopes=scopes)
            # Used a moment ago for ever, so that noting its use isn't seen as a change.
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now() + factories.days(1))
            world.tokens[name, kind] = secret
    world.sams_token = ApiToken.objects.create(user=world.sam, name="Sam's", scopes=[])[0].token_key

    world.lead = factories.a_lead(by=world.mia)
    world.contact, world.company = world.lead.contact, world.lead.contact.company
    world.campaign, world.channel = world.lead.campaign, world.lead.campaign.channel
    world.event = factories.EventFactory()
    world.expense = factories.ExpenseFactory(campaign=world.campaign)
    world.product = factories.ProductFactory()
    world.reason = factories.reason()
    world.criteria_set = CriteriaSet.objects.in_force(NOON)
    world.criterion = world.criteria_set.criteria.first()
    world.removal, world.loss = (factories.reason(kind) for kind in ("removal", "loss"))
    world.lead_that_meets_criteria = factories.meet_criteria(factories.a_lead(by=world.mia), by=world.mia)
    world.removed_lead = factories.a_lead(by=world.mia)
    transitions.remove(world.removed_lead, world.removal, by=world.mia, at=NOON)
    world.qualified_lead = factories.a_qualified_lead(by=world.mia)
    world.qualified_event = world.qualified_lead.events.filter(kind=LeadEvent.Kind.QUALIFIED).get()  # Mia can undo it
    _build_questionnaires(world)
    world.sams_handoff = factories.a_handoff(world.sam, by=world.mia)
    world.sams_lead = world.sams_handoff.lead
    world.sams_contacted_handoff = factories.a_contacted_handoff(world.sam, by=world.mia)
    world.sams_activity = world.sams_contacted_handoff.lead.activities.get()
    now = timezone.now()  # the clocks of a handoff of today are in time
    world.sams_fresh_handoff, world.sams_paused_handoff, world.pooled_handoff = (
        factories.a_contacted_handoff(world.sam, by=world.mia, at=now) for _each in range(3)
    )
    transitions.pause(world.sams_paused_handoff, now + factories.days(3), "Wait", by=world.sam, at=now)
    Handoff.objects.filter(pk=world.pooled_handoff.pk).update(pooled_at=now)
    world.returned_handoff, world.disputed_handoff = (factories.a_handoff(world.sam, by=world.mia) for _each in "12")
    for handoff in (world.returned_handoff, world.disputed_handoff):
        transitions.reject(handoff, world.reason, by=world.sam, at=NOON, missing="Budget", criteria_doubt="Too lax")
    transitions.answer_return(world.disputed_handoff, "dispute", note="They have one", by=world.mia, at=NOON)
    world.sams_opportunity = factories.an_opportunity(world.sam, by=world.mia)
    world.sams_won_opportunity = factories.a_won_opportunity(world.sam, by=world.mia)
    world.sams_lead = world.sams_handoff.lead
    world.pipeline, world.demo = SalesPipeline.objects.create(name="Small orders"), "demo"
    world.client = world.sams_won_opportunity.lead.contact
    world.asked, world.proposal = "asked", "proposal"
    world.sams_closed_opportunity = factories.a_won_opportunity(world.sam, by=world.mia)
    world.payment = transitions.record_payment(
        factories.a_won_opportunity(world.sam, by=world.mia), paid_on=NOON.date(), amount=Decimal(7), by=None, at=NOON
    )
    world.objection = transitions.raise_objection(world.sams_opportunity, "price", text="Dear", by=world.sam, at=NOON)
    world.exchange_rate = ExchangeRate.objects.create(currency="CHF", valid_from=NOON.date(), rate=Decimal("1.1"))
    world.sams_opportunity.refresh_from_db()
    world.plan = factories.a_nurture_plan()
    world.step = world.plan.steps.get()
    world.template = MailTemplate.objects.create(name="Hello", subject_en="News", body_en="Hello {first_name}")
    world.sales_template = MailTemplate.objects.create(
        name="First", subject_en="Our talk", body_en="Hello {first_name}", is_for_sales=True
    )
    leads = [factories.a_lead(by=world.mia) for _each in range(3)]
    for lead in leads:
        transitions.keep_warm(lead, by=world.mia, at=NOON)
    world.warm_lead = leads[0]
    world.enrolment, world.left_enrolment = (enter(world.plan, lead, by=world.mia, at=NOON) for lead in leads[1:])
    take_out(world.left_enrolment, by=world.mia, at=NOON)
    world.bounced_contact = factories.ContactFactory(bounced_at=NOON)
    world.mailing_token = token_of(world.contact.pk)
    world.nobodys_token = token_of(NOBODY)
    world.ready_lead = factories.meet_criteria(factories.a_lead(by=world.mia), by=world.mia)
    world.removed_lead = factories.a_lead(by=world.mia)
    transitions.remove(world.removed_lead, factories.reason("removal"), by=world.mia, at=NOON)
    world.partner = Partner.objects.create(name="Acme Partners")
    world.referral = transitions.refer(
        factories.a_lead(by=world.mia), world.partner, passed=["company"], by=world.mia, at=NOON
    )
    world.demand = demand.note_request(factories.a_lead(by=world.mia), "Lamps", by=world.mia, at=NOON).demand
    version = factories.a_questionnaire(
        {"key": "need", "kind": "yes_no"},
        {"key": "meet", "kind": "date", "contact_field": "preferred_meeting_time"},
        campaign=world.campaign,
    )
    world.version, world.open_questionnaire, world.svg = version, version.questionnaire, "svg"
    world.open_key = version.questionnaire.public_key
    world.closed_key = factories.a_questionnaire(is_open=False).questionnaire.public_key
    answers = {"need": True, "meet": NOON.date()}
    asked = submit(
        version,
        answers,
        via="public",
        at=timezone.now(),
        person=Person(email="asked@client.example"),
        consents=texts_in_force(timezone.now(), Purpose.MAILING),
    )
    world.confirm_token = token_to_confirm(asked, "asked@client.example", at=timezone.now())
    world.suspect = submit(version, answers, via="public", at=NOON, suspicion="fast")
    world.spam = decide(submit(version, answers, via="public", at=NOON, suspicion="fast"), "spam", by=None, at=NOON)
    world.thanks = signing.dumps(world.suspect.pk, salt="thanks")
    world.removal_event = world.removed_lead.events.get(kind=LeadEvent.Kind.REMOVED)  # Mia can undo it
    world.sams_task, world.sams_done_task = (
        open_task(title=title, assignee=world.sam, due_at=NOON, by=world.mia, at=NOON, lead=world.sams_lead)
        for title in ("Send the price list", "Send the case")
    )
    finish_task(world.sams_done_task, by=world.sam, at=NOON)
    _build_recycling(world)
    _build_content(world)
    world.sams_calendar, world.no_calendar = feed.new_key(world.sam, has_names=True, at=NOON), "nobodys"
    _build_quality(world)
    _vote_on_criteria(world)
    world.routing_rule = RoutingRule.objects.first()
    world.unused_rule = RoutingRule.objects.create(name="Once", position=9, is_active=False)
    world.sams_absence = Absence.objects.create(user=world.sam, deputy=world.max, **_holidays(30))
    world.sams_notification = world.sam.notifications.unread().first()
    return world


def _build_recycling(world: World) -> None:
    """What Sam lost is to be asked again; it is his task."""
    opportunity = factories.an_opportunity(world.sam, by=world.mia)
    transitions.lose(opportunity, world.loss, by=world.sam, at=NOON)
    recycling.run(NOON + factories.days(91))
    world.recycling = opportunity.recyclings.get()
    world.recycling_task = world.recycling.task


def _build_content(world: World) -> None:
    world.content, world.content_with_file = (
        content.keep(ContentItem(title=title, kind="case", link=link), file=file, by=world.mia, at=NOON)
        for title, link, file in [
            ("Case of Acme", "https://case.example/", None),
            ("Prices", "", SimpleUploadedFile("prices.pdf", b"%PDF-1.4 prices")),
        ]
    )
    world.sams_content_use = content.use(world.content, world.sams_lead, by=world.sam, at=NOON)
    world.content_request, world.answered_content_request = (
        content.ask(title=title, kind="deck", by=world.sam, at=NOON) for title in ("Deck for hotels", "Deck for banks")
    )
    content.decline(world.answered_content_request, "We have one for finance.", by=world.mia, at=NOON)


def _build_quality(world: World) -> None:
    """Sam's calls: one reviewed by Max, one picked for review, one left out."""
    world.checklist = Checklist.objects.get(kind="call")
    calls = [
        transitions.log_activity(world.sams_lead, Activity.Kind.CALL, Activity.Outcome.REACHED, by=world.sam, at=NOON)
        for _each in range(3)
    ]
    scores = {item.pk: item.points for item in world.checklist.items.all()}
    world.sams_call, call = calls[0], {"checklist": world.checklist, "person": world.sam, "week": NOON.date()}
    world.sams_review = transitions.review(
        world.checklist, world.sam, scores, activity=calls[0], by=world.max, at=timezone.now()
    )
    world.sams_proposal = ReviewProposal.objects.create(activity=calls[1], **call)
    world.sams_skipped_proposal = ReviewProposal.objects.create(activity=calls[2], skipped_because="Noise", **call)


def _build_questionnaires(world: World) -> None:
    """One published, whose two questions are in the other order in BODIES, and one that can be published."""
    at, by = NOON, world.mia
    world.questionnaire = questionnaires.create(kind="visitor", name="Stand", campaign=world.event, by=by, at=at)
    for text in ("Your e-mail?", "Your phone?"):
        said = QUESTION | {"text_en": text, "contact_field": text[5:-1].replace("-", "")}
        questionnaires.save_question(world.questionnaire, "", said, by=by, at=at)
    world.questionnaire_draft = questionnaires.create(
        kind="visitor", name="Next", campaign=world.event, copy_of=world.questionnaire, by=by, at=at
    )
    questionnaires.publish(world.questionnaire, by=by, at=at, is_acknowledged=True)
    world.question_keys = list(world.questionnaire.published.questions.values_list("key", flat=True))
    world.question_key = world.question_keys[1]


def _holidays(from_now: int) -> dict[str, Any]:
    first = timezone.localdate() + factories.days(from_now)
    return {"starts_on": first, "ends_on": first + factories.days(5)}


QUESTION = {
    "kind": "text",
    "text_en": "Your e-mail?",
    "text_ru": "",
    "help_en": "",
    "help_ru": "",
    "is_required": False,
    "condition": {},
    "decides": "field",
    "criterion_key": "",
    "criterion_rule": {},
    "contact_field": "email",
    "options": [],
}


def _vote_on_criteria(world: World) -> None:
    """A lead judged by the first version, the second in force, a draft that Mia wrote, and a product's in a round."""
    world.lead_judged_before = factories.a_qualified_lead(by=world.mia)
    rows = [drafts.as_row(criterion) for criterion in CriteriaSet.objects.in_force(NOON).criteria.all()]
    world.criteria = criteria.put_in_force(rows, threshold=1, note="", by=None, at=timezone.now())
    parties = [
        (world.mia, Side.MARKETING),
        (world.max, Side.SALES),
        (world.dora, Side.DIRECTOR),
        (world.vera, Side.GENERAL),
        (gone := _person("gone", Role.VIEWER, None), Side.OTHER),
    ]
    product = factories.ProductFactory()
    for name, of in (("criteria_draft", None), ("voted_criteria", product)):
        draft = drafts.start_draft(of, by=world.mia, at=NOON)
        drafts.save_draft(draft, rows, threshold=2, note="Stricter", revision=1, by=world.mia, at=NOON)
        setattr(world, name, draft)
    CriteriaSet.objects.update(revision=1)
    world.round = approval.start_round(world.voted_criteria, parties, by=world.mia, at=NOON)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    world.gone_party = world.round.approvals.get(person=gone)


def _person(name: str, role: Role, team: Team | None) -> User:
    return get_user_model().objects.create_user(
        f"{name}@example.com", PASSWORD, name=name.title(), role=role, team=team
    )


NEW_PASSWORD = "an even longer pass phrase"

PIPELINE_DAYS = {f"{stage}_days": 14 for stage in ("accepted", "demo", "proposal", "contract")}
ROUTING_RULE = {"client": "any", "to": "anyone", "takes": "both", "order": "least_loaded", "is_active": "on"}


def _an_item(text: str) -> dict[str, str]:
    management = {"items-TOTAL_FORMS": "1", "items-INITIAL_FORMS": "0"}
    return management | {"items-0-text": text, "items-0-points": "5", "items-0-is_active": "on"}


# Valid bodies of POST (for the API, of any method: as JSON), by route name. `world.me` is the person of the column.
_CONTENT = {"title": "Case of Bolt", "kind": "case", "link": "https://bolt.example/"}
_CONTENT_REQUEST = {"title": "Case of a bank", "kind": "case", "submission_key": str(uuid.uuid4())}
TASK = {"title": "Send the price list", "due_at": "2026-03-03T10:00"}
BODIES: dict[str, Any] = {
    "pipeline:content_add": lambda world: _CONTENT,
    "pipeline:content_edit": lambda world: _CONTENT,
    "pipeline:content_add_for": lambda world: _CONTENT,
    "pipeline:content_request_add": lambda world: _CONTENT_REQUEST,
    "pipeline:content_request_add_for": lambda world: _CONTENT_REQUEST,
    "pipeline:content_request_deliver": lambda world: {"item": world.content.pk},
    "pipeline:content_request_decline": lambda world: {"answer": "There is one."},
    "account_login": lambda world: {"login": "ada@example.com", "password": PASSWORD},
    "account_change_password": lambda world: {
        "oldpassword": PASSWORD,
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
    },
    "account_reset_password": lambda world: {"email": "ada@example.com"},
    "account_reset_password_from_key": lambda world: {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
    "set_language": lambda world: {"language": "ru"},
    "accounts:first_run": lambda world: {
        "name": "Acme",
        "currency": "EUR",
        "country": "DE",
        "time_zone": "Europe/Berlin",
        "person": "Mallory",
        "email": "mallory@example.com",
        "password": NEW_PASSWORD,
    },
    "accounts:profile": lambda world: {"name": "Me", "language": "en", "time_zone": "UTC"},
    "accounts:token_add": lambda world: {"name": "Sync", "days": 30, "scopes": ["contacts:read"]},
    "accounts:organisation": lambda world: {
        "name": "Acme",
        "currency": "EUR",
        "country": "DE",
        "time_zone": "Europe/Berlin",
        "language": "ru",
        "office_opens_at": "08:00",
        "office_closes_at": "17:00",
        "quiet_from": "20:00",
        "quiet_until": "08:00",
        "mails_a_week": 2,
    },
    "accounts:user_add": lambda world: {
        "name": "Nina",
        "email": "nina@example.com",
        "role": Role.MARKETER,
        "team": "",
        "language": "ru",
        "time_zone": "UTC",
    },
    "accounts:user_edit": lambda world: {
        "name": "Samuel",
        "email": "samuel@example.com",
        "role": Role.ADMIN,
        "team": world.team.pk,
        "language": "en",
        "time_zone": "UTC",
        "is_active": "on",
    },
    "accounts:team_add": lambda world: {"name": "Sales West"},
    "accounts:team_edit": lambda world: {"name": "Sales Far North"},
    "leads:lead_add": lambda world: {
        "campaign": world.campaign.pk,
        "name": "Anna",
        "submission_key": str(uuid.uuid4()),
    },
    "leads:lead_match": lambda world: {"email": world.contact.email},
    "leads:lead_edit": lambda world: {"version": "0", "preferred_meeting_time": "mornings"},
    "leads:lead_note": lambda world: {"text": "Likes tea"},
    "leads:lead_criterion": lambda world: {"key": "need", "value": "yes"},
    "leads:partner_list": lambda world: {"name": "Bright", "is_active": "on"},
    "leads:partner_edit": lambda world: {"name": "Brighter", "is_active": "on"},
    "leads:demand_edit": lambda world: {"name": "Lighting", "answer": "From autumn"},
    "leads:lead_demand": lambda world: {"name": "Heat pumps"},
    "pipeline:lead_refer": lambda world: {"partner": world.partner.pk, "passed": ["company"]},
    "pipeline:referral_close": lambda world: {"outcome": "won"},
    "leads:questionnaire_public": lambda world: {
        "token": Opened.now(world.version, [], timezone.now()).token,
        "q-need": "yes",
        "phone": "+1 650 253 0000",
    },
    "pipeline:lead_questionnaire": lambda world: {"q-need": "yes", "submission_key": str(uuid.uuid4())},
    "leads:submission_decide": lambda world: {"selected": [world.suspect.pk], "verdict": "genuine"},
    "leads:contact_edit": lambda world: {"version": world.contact.version, "name": "Anna"},
    "leads:contact_consent": lambda world: {"step": "give", "source": "by phone"},
    "leads:consent_text_edit": lambda world: {"seen_version": 1, "text_en": "I agree to letters."},
    "leads:company_edit": lambda world: {"version": world.company.updated_at.isoformat(), "name": "Acme"},
    "leads:campaign_add": lambda world: {"name": "Expo", "channel": world.channel.pk, "starts_on": "2026-03-02"},
    "leads:campaign_edit": lambda world: {
        "name": "Renamed",
        "channel": world.channel.pk,
        "starts_on": "2026-03-02",
        "seen_at": world.campaign.updated_at.isoformat(),
    },
    "leads:expense_add": lambda world: {"spent_on": "2026-03-02", "amount": "50"},
    "leads:expense_edit": lambda world: {"spent_on": "2026-03-03", "amount": "60"},
    "leads:stand": lambda world: {"name": "Anna", "met_on": "2026-03-02", "submission_key": str(uuid.uuid4())},
    "leads:stand_entry": lambda world: {"name": "Anna", "submission_key": str(uuid.uuid4()), "waited": "60"},
    "leads:stand_match": lambda world: {"email": world.contact.email, "phone": ""},
    "leads:visitor_add": lambda world: {"row-0-key": str(uuid.uuid4()), "row-0-name": "Anna", "row-0-agreed": "Call"},
    "leads:channel_list": lambda world: {"name": "Podcast", "audience": "mass", "is_active": "on"},
    "leads:channel_edit": lambda world: {"name": "Podcast", "audience": "mass"},
    "leads:product_list": lambda world: {"name": "Consulting", "cost_percent": "40", "is_active": "on"},
    "leads:product_edit": lambda world: {"name": "Consulting", "cost_percent": "40"},
    "leads:reason_list": lambda world: {"text": "Moved abroad", "is_active": "on"},
    "leads:reason_edit": lambda world: {"text": "Never answers"},
    "leads:reason_move": lambda world: {"direction": "down"},
    "leads:criteria_draft": lambda world: {"product": world.product.pk},
    "leads:criteria_vote": lambda world: {
        "marketing": [world.mia.pk],
        "sales": [world.max.pk],
        "director": [world.dora.pk],
        "general": world.vera.pk,
    },
    "leads:criteria_rejudge": lambda world: {"selected": [world.lead_judged_before.pk]},
    "leads:party_replace": lambda world: {"person": world.sid.pk},
    "leads:round_decide": lambda world: {"decision": "approved"},
    "leads:criteria_edit": lambda world: {
        "revision": 1,
        "row-0-text": "Has a need",
        "row-0-kind": "required",
        "threshold": "0",
        "note": "Simpler",
    },
    "leads:questionnaire_add": lambda world: {"kind": "visitor", "name": "Fair", "campaign": world.event.pk},
    "leads:questionnaire_texts": lambda world: {"name": "Stand", "intro_en": "Welcome"},
    "leads:questionnaire_publish": lambda world: {"acknowledged": "1"},
    "leads:questionnaire_open": lambda world: {"open": "1"},
    "leads:questionnaire_order": lambda world: {"order": world.question_keys[::-1]},
    "leads:question_add": lambda world: {"kind": "text", "text_en": "Your shoe size?"},
    "leads:question_edit": lambda world: {"kind": "text", "text_en": "Your mobile phone?"},
    "leads:question_move": lambda world: {"direction": "up"},
    "pipeline:handoff_reject": lambda world: {
        "reason": factories.reason().pk,
        "missing": "The budget",
        "criteria_doubt": "Budgets change",
    },
    "pipeline:return_answer": lambda world: {"answer": "requalify"},
    "pipeline:dispute_decide": lambda world: {"decision": "overturned", "note": "They asked for an offer"},
    "pipeline:handoff_pause": lambda world: {
        "until": f"{timezone.localtime() + factories.days(3):%Y-%m-%dT%H:%M}",
        "reason": "On holiday",
    },
    "pipeline:handoff_reassign": lambda world: {"to": world.max.pk},
    "pipeline:activity_log": lambda world: {"what": "call:reached"},
    "pipeline:activity_note": lambda world: {"note": "Asked for a price"},
    "pipeline:handoffs_accept": lambda world: {"selected": [world.sams_contacted_handoff.pk]},
    "pipeline:handoffs_reassign": lambda world: {
        "selected": [world.sams_handoff.pk],
        "to": world.max.pk,
        "confirmed": "1",
    },
    "pipeline:handoffs_mail": lambda world: {
        "selected": [world.sams_handoff.pk],
        "template": world.sales_template.pk,
        "submission_key": str(uuid.uuid4()),
        "confirmed": "1",
    },
    "pipeline:mail_write": lambda world: {
        "subject": "Our talk",
        "text": "Hello",
        "submission_key": str(uuid.uuid4()),
    },
    "pipeline:lead_number": lambda world: {"phone": "+44 20 7946 0018"},
    "pipeline:desk_sheet": lambda world: {
        "outcome": "reached",
        "brief": "Wants to count visitors",
        "submission_key": str(uuid.uuid4()),
    },
    "pipeline:desk_criterion": lambda world: {"key": "need", "value": "yes"},
    "pipeline:task_new": lambda world: TASK | {"assignee": world.mia.pk},
    "pipeline:opportunity_task_add": lambda world: TASK | {"assignee": world.mia.pk},
    "pipeline:campaign_task_add": lambda world: TASK | {"assignee": world.mia.pk},
    "pipeline:task_detail": lambda world: (
        TASK | {"assignee": world.sam.pk, "seen_at": world.sams_task.updated_at.isoformat()}
    ),
    "pipeline:tasks_change": lambda world: {"selected": [world.sams_task.pk], "do": "done"},
    "pipeline:notification_choices": lambda world: (
        {"all": "digest"} | {f"{kind}_mail": "digest" for kind in Notification.Kind.values}
    ),
    "pipeline:task_add": lambda world: {
        "title": "Send the price list",
        "assignee": world.mia.pk,
        "due_at": "2026-03-03T10:00",
    },
    "pipeline:lead_brief": lambda world: {"brief": "Wants to count visitors"},
    "pipeline:lead_hand_over": lambda world: {"to": world.sam.pk},
    "pipeline:leads_hand_over": lambda world: {"selected": [world.qualified_lead.pk], "confirmed": "1"},
    "pipeline:leads_remove": lambda world: {
        "selected": [world.lead.pk],
        "confirmed": "1",
        "reason": factories.reason("removal").pk,
    },
    "pipeline:nurture_plan_add": lambda world: {"name": "Newcomers"},
    "pipeline:nurture_plan_edit": lambda world: {"name": "Renamed", "seen_at": world.plan.updated_at.isoformat()},
    "pipeline:nurture_step_add": lambda world: {"wait_days": 3, "template": world.template.pk},
    "pipeline:nurture_step_edit": lambda world: {"wait_days": 9, "task_title": "Visit them"},
    "pipeline:nurture_step_move": lambda world: {"direction": "up"},
    "pipeline:leads_nurture": lambda world: {
        "selected": [world.warm_lead.pk],
        "plan": world.plan.pk,
        "confirmed": "1",
    },
    "pipeline:lead_nurture": lambda world: {"plan": world.plan.pk},
    "pipeline:mail_template_add": lambda world: {"name": "Offer", "subject_en": "For you", "body_en": "Hello"},
    "pipeline:mail_template_edit": lambda world: {
        "name": "Hello",
        "subject_en": "Other news",
        "body_en": "Hello",
        "is_active": "on",
        "seen_at": world.template.updated_at.isoformat(),
    },
    "pipeline:mailing_preferences": lambda world: {"do_not_contact": "on"},
    "pipeline:lead_remove": lambda world: {"reason": factories.reason("removal").pk},
    "pipeline:opportunity_detail": lambda world: {
        "next_step": "Call on Monday",
        "seen_at": world.sams_opportunity.updated_at.isoformat(),
    },
    "pipeline:opportunity_move": lambda world: {"stage": "demo"},
    "pipeline:opportunity_step": lambda world: {
        "next_step": "Call on Monday",
        "next_step_on": timezone.localdate().isoformat(),
    },
    "pipeline:opportunities_give": lambda world: {
        "selected": [world.sams_opportunity.pk],
        "to": world.max.pk,
        "confirmed": "1",
    },
    "pipeline:pipeline_add": lambda world: {"name": "Projects", **PIPELINE_DAYS},
    "pipeline:pipeline_edit": lambda world: {"name": "Projects", **PIPELINE_DAYS},
    "pipeline:opportunity_win": lambda world: {"amount": "1000", "happened_on": timezone.localdate().isoformat()},
    "pipeline:opportunity_lose": lambda world: {"reason": factories.reason("loss").pk},
    "pipeline:payment_add": lambda world: {
        "paid_on": timezone.localdate().isoformat(),
        "amount": "10",
        "submission_key": "6f6fa2a7-6e0c-4c3b-8a71-1f9d3f0f8a11",
    },
    "pipeline:recycling_detail": lambda world: {"result": "no", "note": "They closed down"},
    "pipeline:deal_lines": lambda world: {
        "line-TOTAL_FORMS": "1",
        "line-INITIAL_FORMS": "0",
        "line-0-text": "Licences",
        "line-0-amount": "1000",
    },
    "pipeline:deal_plan": lambda world: {
        "plan-TOTAL_FORMS": "1",
        "plan-INITIAL_FORMS": "0",
        "plan-0-due_on": "2026-05-01",
        "plan-0-amount": "500",
    },
    "pipeline:deal_split": lambda world: {"parts": "2", "first_on": "2026-05-01"},
    "pipeline:deal_dated": lambda world: {"when": timezone.localtime().strftime("%Y-%m-%dT%H:%M")},
    "pipeline:deal_reopen": lambda world: {"why": "Signed by mistake"},
    "pipeline:objection_add": lambda world: {"kind": "terms", "text": "Too long"},
    "pipeline:objection_end": lambda world: {"end": "answered"},
    "pipeline:payment_void": lambda world: {"why": "Typed twice"},
    "pipeline:buy_again": lambda world: {"submission_key": str(uuid.uuid4())},
    "pipeline:rate_list": lambda world: {"currency": "GBP", "valid_from": "2026-03-02", "rate": "1.27"},
    "pipeline:rate_edit": lambda world: {"currency": "CHF", "valid_from": "2026-03-02", "rate": "1.12"},
    "pipeline:review_add": lambda world: {
        "person": world.sam.pk,
        "happened_on": "2026-03-02",
        "seen": (mystery := Checklist.objects.get(kind="mystery")).fingerprint,
        "submission_key": str(uuid.uuid4()),
        **{f"item-{item.pk}": "none" if item.position else "3" for item in mystery.items.all()},
    },
    "pipeline:proposal_skip": lambda world: {"because": "Too short"},
    "pipeline:checklist_add": lambda world: (
        {"name": "Short calls", "kind": "call", "a_week": "0", "is_active": "on"} | _an_item("Polite")
    ),
    "pipeline:checklist_edit": lambda world: (
        {"name": "Calls", "kind": "call", "a_week": "3", "is_active": "on"} | _an_item("Polite")
    ),
    "pipeline:contact_erase": lambda world: {"note": "by letter", "number": world.contact.pk},
    "pipeline:retention_rule": lambda world: {"days": 400, "starts_on": ""},
    "pipeline:agreement": lambda world: {
        "first_contact_days": 5,
        "verdict_days": 10,
        "day_kind": "working",
        "remind_days": 1,
        "manager_days": 1,
        "director_days": 2,
        "cold_days": 14,
        "unreachable_attempts": 3,
        "response_hours": 8,
        "brief_hours": 24,
        "max_pauses": 2,
        "max_pause_days": 30,
        "accepted_share": 70,
        "recycle_days": 90,
        "channels-TOTAL_FORMS": 0,
        "channels-INITIAL_FORMS": 0,
        "seen_version": 1,
    },
    "pipeline:routing_rule_add": lambda world: {**ROUTING_RULE, "name": "Everybody"},
    "pipeline:routing_rule": lambda world: {**ROUTING_RULE, "name": "Clients"},
    "pipeline:routing_rule_move": lambda world: {"direction": "down"},
    "pipeline:sales_profile": lambda world: {"is_receiving": "on", "takes": "hunter", "max_open": 7},
    "pipeline:absence_add": lambda world: {"user": (world.me or world.sam).pk, **_holidays(60)},
    "pipeline:absence_edit": lambda world: {**_holidays(31), "deputy": world.max.pk},
    # REST
    "api:tokens": lambda world: {
        "email": "ada@example.com",
        "password": PASSWORD,
        "name": "Sync",
        "scopes": ["leads:read"],
    },
    "api:contact-list": lambda world: {"name": "Nina", "email": "nina@client.example"},
    "api:contact-bulk-upsert": lambda world: {"system": "crm", "items": [{"external_id": "7", "name": "Nina"}]},
    "api:contact-detail": lambda world: {"name": "Nina", "email": "nina@client.example"},
    "api:company-list": lambda world: {"name": "Initech"},
    "api:company-detail": lambda world: {"name": "Initech"},
    "api:campaign-list": lambda world: {"name": "Fair", "channel": world.channel.pk, "starts_on": "2026-03-02"},
    "api:campaign-detail": lambda world: {"name": "Fair", "channel": world.channel.pk, "starts_on": "2026-03-02"},
    "api:expense-list": lambda world: {"campaign": world.campaign.pk, "spent_on": "2026-03-02", "amount": "10.00"},
    "api:expense-detail": lambda world: {"campaign": world.campaign.pk, "spent_on": "2026-03-02", "amount": "10.00"},
    "api:lead-list": lambda world: {"campaign": world.campaign.pk, "name": "Nina", "email": "nina@client.example"},
    "api:lead-answer": lambda world: {"key": world.criterion.key, "value": "yes"},
    "api:lead-activities": lambda world: {"kind": "call", "outcome": "reached"},
    "api:lead-remove": lambda world: {"reason": world.removal.pk},
    "api:handoff-reject": lambda world: {"reason": world.reason.pk, "missing": "The budget", "criteria_doubt": "x"},
    "api:handoff-answer-return": lambda world: {"answer": "agree"},
    "api:handoff-decide-dispute": lambda world: {"decision": "upheld", "note": "They have no money"},
    "api:handoff-pause": lambda world: {
        "until": (timezone.now() + factories.days(3)).isoformat(),
        "reason": "On holiday",
    },
    "api:handoff-reassign": lambda world: {"to": world.max.email},
    "api:opportunity-move": lambda world: {"stage": "demo"},
    "api:opportunity-win": lambda world: {"amount": "1000.00"},
    "api:opportunity-lose": lambda world: {"reason": world.loss.pk},
    "api:opportunity-edit": lambda world: {"lines": [{"text": "Licences", "amount": "1000.00"}]},
    "api:opportunity-reopen": lambda world: {"why": "Signed by mistake"},
    "api:opportunity-asked": lambda world: {"step": "proposal"},
    "api:opportunity-sent": lambda world: {"step": "proposal"},
    "api:opportunity-objections": lambda world: {"kind": "terms", "text": "Too long"},
    "api:opportunity-plan": lambda world: [{"due_on": "2026-05-01", "amount": "500.00"}],
    "api:opportunity-payments": lambda world: {"paid_on": "2026-03-02", "amount": "10.00"},
}
