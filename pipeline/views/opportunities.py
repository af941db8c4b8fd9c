"""An accepted lead in selling: its page, and the steps to a client or a loss."""

import datetime
import uuid
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access
from accounts.access import can_sell_for
from accounts.models import Organisation
from leads.models import LeadEvent, Stage
from pipeline import payment_plans, transitions
from pipeline.board import Stander
from pipeline.forms.deals import ObjectionForm, PaymentForm, SeenOpportunity, SplitForm, line_rows, plan_rows
from pipeline.forms.selling import LoseForm, OpportunityForm, WinForm
from pipeline.models import Objection, Opportunity
from pipeline.models.opportunities import OPPORTUNITY_STAGES, STEPS
from pipeline.views.handoffs import log_menu
from pipeline.views.steps import back, explained, require, say_done


def page_of(opportunity: Opportunity) -> str:
    return reverse("pipeline:opportunity_detail", args=[opportunity.pk])


def get_deal(request: HttpRequest, pk: int) -> Opportunity:
    return get_object_or_404(Opportunity.objects.visible_to(request.user).for_list(), pk=pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything about one opportunity; its facts are edited in place."""
    if request.method != "POST":
        return deal_page(request, pk)
    opportunity = get_deal(request, pk)
    form = OpportunityForm(request.POST, instance=opportunity)
    require(request, access.SELL)
    if form.is_valid():
        changes = {name: form.cleaned_data[name] for name in transitions.EDITABLE if name in form.fields}
        with explained(request, form):
            changed = transitions.edit_opportunity(
                Opportunity.objects.get(pk=pk),
                changes,
                by=request.user,
                at=timezone.now(),
                seen_at=form.cleaned_data["seen_at"],
            )
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return back(request, page_of(opportunity))
    return deal_page(request, pk, form=form)


def deal_page(
    request: HttpRequest,
    pk: int,
    *,
    form: OpportunityForm | None = None,
    lines: Any = None,
    plan: Any = None,
    seen: SeenOpportunity | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page, with the forms that weren't taken as they were typed; `seen` goes with lines and plan."""
    opportunity, now, organisation = get_deal(request, pk), timezone.now(), Organisation.current()
    payments = list(opportunity.payments.select_related("recorded_by", "voided_by"))
    paid = sum((payment.amount for payment in payments if payment.voided_at is None), Decimal(0))
    today = now.astimezone(organisation.tzinfo).date()
    planned = list(opportunity.planned_payments.all())
    plan_now = payment_plans.filled(planned, paid, today, is_owed=opportunity.stage == Stage.WON)
    due_next = None if opportunity.currency else next((each.left for each in plan_now if each.left), None)
    stander = Stander(request.user, now)
    may_act = can_sell_for(request.user, opportunity.owner)
    latest = opportunity.repeated_by.order_by("-pk").first() or opportunity
    context = {
        "opportunity": opportunity,
        "lead": opportunity.lead,
        "is_call_due": opportunity.lead.next_attempt_at is not None and opportunity.lead.next_attempt_at <= now,
        "stages": [{"stage": stage, "at": _reached_at(opportunity, stage)} for stage in OPPORTUNITY_STAGES[:-1]],
        "standing": stander.standing(opportunity),
        "chance": stander.chance(opportunity),
        "form": form or OpportunityForm(instance=opportunity),
        "may_act": may_act,
        "seen": seen,
        "lines": opportunity.lines.select_related("product"),
        "line_rows": lines or line_rows(opportunity),
        "asked": [_asked(opportunity, step, organisation) for step in STEPS],
        "objections": opportunity.objections.select_related("raised_by"),
        "objection_form": ObjectionForm(auto_id="objection-%s"),
        "ends": Objection.End,
        "plan": plan_now,
        "planned": sum((each.amount for each in planned), Decimal(0)),
        "plan_rows": plan or plan_rows(planned),
        "split_form": SplitForm(auto_id="split-%s", initial={"first_on": today}),
        "payments": payments,
        "paid": paid,
        "payment_form": PaymentForm(
            today=timezone.localdate(), currency=opportunity.currency, initial={"amount": due_next}
        ),
        "currency": organisation.currency,
        "repeats": opportunity.repeated_by.select_related("owner").order_by("-pk")[:10],
        "may_buy_again": latest.stage == Stage.WON and opportunity.lead.stage == Stage.WON and may_act,
        "submission_key_again": uuid.uuid4(),
        **log_menu(now),
        "activities": opportunity.lead.activities.select_related("by", "message").order_by("-at", "-pk")[:10],
        "recycling": opportunity.recyclings.open().first(),
    }
    return render(request, "pipeline/opportunity_detail.html", context, status=status)


def _asked(opportunity: Opportunity, step: Stage, organisation: Organisation) -> dict[str, Any]:
    """When a demo, proposal or contract was asked for and sent, and how many working hours lay between."""
    seconds = getattr(opportunity, f"{step}_seconds")
    return {
        "step": step,
        "asked_at": getattr(opportunity, f"{step}_asked_at"),
        "sent_at": getattr(opportunity, f"{step}_at"),
        "hours": None if seconds is None else Decimal(seconds) / 3600,
    }


def _reached_at(opportunity: Opportunity, stage: Stage) -> datetime.datetime | None:
    return opportunity.opened_at if stage == Stage.ACCEPTED else getattr(opportunity, stage.reached_field)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_win(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.SELL)
    opportunity = get_deal(request, pk)
    form = WinForm(request.POST if request.method == "POST" else None, opportunity=opportunity, now=timezone.now())
    if request.method == "POST" and form.is_valid():
        said = {name: form.cleaned_data.get(name) for name in ("amount", "margin", "seen_at")}
        with explained(request, form):
            transitions.win(opportunity, by=request.user, at=form.happened_at, **said)
            say_done(
                request, _("%(lead)s is a client now.") % {"lead": opportunity}, opportunity.lead, LeadEvent.Kind.WON
            )
            return back(request, page_of(opportunity))
        opportunity = get_deal(request, pk)
    context = {
        "opportunity": opportunity,
        "form": form,
        "currency": opportunity.currency or Organisation.current().currency,
        "lines": opportunity.lines.count(),
    }
    return render(request, "pipeline/opportunity_win.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_lose(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.SELL)
    opportunity = get_deal(request, pk)
    form = LoseForm(request.POST if request.method == "POST" else None, opportunity=opportunity)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.lose(opportunity, by=request.user, at=timezone.now(), **form.cleaned_data)
            said = _("%(lead)s is recorded as lost.") % {"lead": opportunity}
            say_done(request, said, opportunity.lead, LeadEvent.Kind.LOST)
            return back(request, page_of(opportunity))
        opportunity = get_deal(request, pk)
    return render(request, "pipeline/opportunity_lose.html", {"opportunity": opportunity, "form": form})
