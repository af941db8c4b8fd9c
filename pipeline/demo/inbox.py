"""Sales' inbox in the demo: templates of first e-mails, mails that were written, and calls agreed on for today."""

import datetime
import random

from accounts.models import User
from integrations.models import OutboxMessage
from leads.models import Lead, Stage
from leads.models.leads import SELLING
from pipeline import sales_mail, transitions
from pipeline.demo.company import Company
from pipeline.models import Activity, Handoff, MailTemplate

HOUR, MINUTE = datetime.timedelta(hours=1), datetime.timedelta(minutes=1)
Kind, Outcome = Activity.Kind, Activity.Outcome
# name, subject and text in English and in Russian
TEMPLATES = [
    (
        "1. First e-mail",
        "{first_name}, about {product}",
        (
            "Hello {first_name},\n\nwe met at {campaign}; thank you for your time. You were interested in {product}, and I "
            "am the one who can show it to you.\n\nShall we talk for twenty minutes, {meeting_time}?\n\n"
            "{sender}\n{sender_email}"
        ),
        "{first_name}, по поводу {product}",
        (
            "Здравствуйте, {first_name}!\n\nСпасибо за знакомство ({campaign}). Вы интересовались: {product}. Я расскажу и "
            "покажу.\n\nДавайте созвонимся на двадцать минут: {meeting_time}?\n\n{sender}\n{sender_email}"
        ),
    ),
    (
        "2. Could not reach you",
        "I tried to call you",
        (
            "Hello {first_name},\n\nI tried to reach you by phone today. When is a good moment? Just answer with a day and "
            "an hour.\n\n{sender}, {organisation}"
        ),
        "Не дозвонился до вас",
        (
            "Здравствуйте, {first_name}!\n\nСегодня пытался вам дозвониться. Когда вам удобно? Ответьте просто днём и "
            "часом.\n\n{sender}, {organisation}"
        ),
    ),
    (
        "3. After the call",
        "What we agreed on",
        (
            "Hello {first_name},\n\nthank you for the call. I'll prepare a proposal on {product} for {company} and come back "
            "to you this week.\n\n{sender}\n{sender_email}"
        ),
        "О чём мы договорились",
        (
            "Здравствуйте, {first_name}!\n\nСпасибо за разговор. Подготовлю предложение ({product}) для {company} и вернусь "
            "к вам на этой неделе.\n\n{sender}\n{sender_email}"
        ),
    ),
]
# When the rep promised to call: from now.
CALLS = [-40 * MINUTE, 25 * MINUTE, 2 * HOUR, 26 * HOUR]
MAILED = 3
PREFERRED = [
    "Tuesdays after 15:00",
    "before noon",
    "Thursday or Friday, not by phone",
    "после 16:00",
    "any day, 9:00–11:00",
]


def add_inbox(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """The templates; some first mails of the last hours, of which one came back; calls agreed on with Sam and others."""
    names = ("name", "subject_en", "body_en", "subject_ru", "body_ru")
    some = Lead.objects.filter(handoffs__verdict=Handoff.Verdict.PENDING, preferred_meeting_time="").order_by("pk")
    for number, lead in enumerate(some):
        if number % 3 != 2:
            Lead.objects.filter(pk=lead.pk).update(preferred_meeting_time=PREFERRED[number % len(PREFERRED)])
    first, *_others = [
        MailTemplate.objects.create(is_for_sales=True, **dict(zip(names, words, strict=True))) for words in TEMPLATES
    ]
    waiting = Handoff.objects.awaiting_first_contact().filter(
        lead__contact__do_not_contact=False,
        lead__contact__bounced_at=None,
        pooled_at=None,
        handed_over_at__lt=at - HOUR,
    )
    waiting = waiting.exclude(lead__contact__email="").for_list().order_by("-handed_over_at", "pk")
    for number, handoff in enumerate(waiting[:MAILED]):
        _mail(handoff, first, company, at - (50 - 15 * number) * MINUTE, came_back=number == 1)
    talked_to = Lead.objects.filter(
        stage__in=[Stage.IN_WORK, *SELLING],
        contact__do_not_contact=False,
        next_attempt_at=None,
        last_contact_at__lt=at - HOUR,
    )
    by_rep: dict[int, int] = {}
    for lead in talked_to.order_by("-last_contact_at", "pk")[:60]:
        rep = _rep_of(lead)
        if rep is not None and (planned := by_rep.get(rep.pk, 0)) < len(CALLS):
            transitions.log_activity(
                lead,
                Kind.CALL,
                Outcome.CALL_BACK,
                by=rep,
                at=at - (3 + rng.randrange(4)) * HOUR,
                note=rng.choice(
                    ["Was in a meeting.", "Wants to look at the figures first.", "Asks to have the director join."]
                ),
                next_attempt_at=at + CALLS[planned],
            )
            by_rep[rep.pk] = planned + 1


def _rep_of(lead: Lead) -> User | None:
    handoff = lead.handoffs.pending().select_related("assigned_to").first()
    if handoff is not None:
        return handoff.assigned_to
    opportunity = lead.opportunities.select_related("owner").order_by("-pk").first()
    return opportunity.owner if opportunity else None


def _mail(
    handoff: Handoff, template: MailTemplate, company: Company, at: datetime.datetime, *, came_back: bool
) -> None:
    rep = handoff.assigned_to
    words = sales_mail.draft(template, handoff.lead, rep, company.organisation)
    activity = transitions.write_to(handoff.lead, words.subject, words.text, by=rep, at=at)
    left = at + sales_mail.LEAVES_AFTER
    fate = {"failed_at": left, "bounced_at": left} if came_back else {"sent_at": left}
    OutboxMessage.objects.filter(pk=activity.message_id or 0).update(attempts=1, **fate)
    if came_back:
        transitions.note_failures(left + MINUTE)
        handoff.lead.contact.bounced_at = left
        handoff.lead.contact.save(update_fields=["bounced_at"])
