"""What marketing knows of a lead, for whoever of sales takes it over: on one screen, by the same few queries for any lead."""

import datetime
from typing import Any

from django.db.models import Prefetch

from leads import consents, criteria
from leads.answering import latest_answers
from leads.models import Contact, Lead
from pipeline.models import Handoff, NurtureStep, Opportunity, StepRun

MOST_LEADS = 10  # further leads of the same person and company
MOST_COLLEAGUES = 200


def briefing(lead: Lead, handoff: Handoff, *, at: datetime.datetime) -> dict[str, Any]:
    """Everything about `lead` but its own calls and mails, as `pipeline/_briefing.html` shows it."""
    judgement = criteria.judge(lead, at=at)
    return {
        "judgement": judgement,
        "criteria_rows": criteria.explained(judgement),
        "other_products": lead.other_products.all(),
        "said": latest_answers(lead),
        "consent_states": consents.states(lead.contact),
        "offers": offers_made(lead),
        "earlier_handoffs": lead.handoffs.exclude(pk=handoff.pk)
        .select_related("assigned_to", "reason")
        .order_by("-pk"),
        "known_leads": leads_nearby(lead),
    }


def offers_made(lead: Lead) -> list[StepRun]:
    """What nurture plans have offered, the latest first."""
    runs = StepRun.objects.filter(
        enrolment__lead=lead, result=StepRun.Result.SENT, step__kind=NurtureStep.Kind.OFFER
    ).select_related("step")
    return list(runs.order_by("-done_at")[:3])


def leads_nearby(lead: Lead) -> list[Lead]:
    """Other leads of the same person, and of colleagues in the same company, with what sales did about each."""
    people = {lead.contact_id}
    if company := lead.contact.company_id:
        people.update(
            Contact.objects.filter(company=company).order_by("-pk").values_list("pk", flat=True)[:MOST_COLLEAGUES]
        )
    found = Lead.objects.filter(contact__in=people).exclude(pk=lead.pk).select_related("contact", "campaign")
    return list(
        found.prefetch_related(
            Prefetch("handoffs", Handoff.objects.select_related("assigned_to", "reason").order_by("-pk")),
            Prefetch("opportunities", Opportunity.objects.select_related("owner", "product").order_by("-pk")),
        ).order_by("-pk")[:MOST_LEADS]
    )
