"""Accepted leads in selling: list, board, page, and the steps to a client or a loss."""

import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, F, Q, Sum, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.access import can_sell_for
from accounts.keyset import keyset_page
from accounts.models import Organisation
from leads.models import LeadEvent, Stage
from leads.models.leads import SELLING
from pipeline import transitions
from pipeline.forms.filters import OpportunityFilter
from pipeline.forms.selling import LoseForm, MoveForm, OpportunityForm, PaymentForm, WinForm
from pipeline.models import Opportunity
from pipeline.models.opportunities import OPPORTUNITY_STAGES, OpportunityQuerySet
from pipeline.views.steps import back, explained, require, say_done

CARDS = 20  # in one column of the board; the rest is one link away
CLOSED_DAYS = 30  # how long won and lost ones stay on the board
COUNTED = 10_000  # sums over more than this are not worth the wait


def _page_of(opportunity: Opportunity) -> str:
    return reverse("pipeline:opportunity_detail", args=[opportunity.pk])


@login_required
@require_safe
def opportunity_list(request: HttpRequest) -> HttpResponse:
    filters = OpportunityFilter.read(request.GET)
    opportunities: OpportunityQuerySet = filters.apply(Opportunity.objects.visible_to(request.user))
    page = keyset_page(opportunities.for_list(), request.GET, order=("-opened_at", "-pk"))
    context = {
        "rows": page.rows,
        "next_key": page.next_key,
        "filters": filters,
        "totals": opportunities.order_by()[: COUNTED + 1].aggregate(
            number=Count("pk"), amount=Sum("amount"), margin=Sum("margin")
        ),
        "counted": COUNTED,
        "currency": Organisation.current().currency,
    }
    return render(request, "pipeline/opportunity_list.html", context)


@login_required
@require_safe
def opportunity_filter(request: HttpRequest) -> HttpResponse:
    """The filters of list and board as a form, in a dialog."""
    context = {"form": OpportunityFilter.read(request.GET), "list_url": reverse("pipeline:opportunity_list")}
    return render(request, "pipeline/filter.html", context | {"board_url": reverse("pipeline:opportunity_board")})


@login_required
@require_safe
def opportunity_board(request: HttpRequest) -> HttpResponse:
    """Open opportunities by stage, and those lately won and lost."""
    filters = OpportunityFilter.read(request.GET)
    now = timezone.now()
    since = now - datetime.timedelta(days=CLOSED_DAYS)
    lately = Q(stage__in=SELLING) | Q(stage=Stage.WON, won_at__gte=since) | Q(stage=Stage.LOST, lost_at__gte=since)
    shown = filters.apply(Opportunity.objects.visible_to(request.user)).filter(lately)
    totals = {
        row["stage"]: row for row in shown.order_by().values("stage").annotate(number=Count("pk"), amount=Sum("amount"))
    }
    # The places are reckoned on bare rows: carrying everything that a card shows through the sort costs ten times more.
    place = Window(RowNumber(), partition_by="stage", order_by=[F("stage_at").desc(), F("pk").desc()])
    first = list(shown.order_by().annotate(place=place).filter(place__lte=CARDS).values_list("pk", flat=True))
    cards = Opportunity.objects.filter(pk__in=first).for_list().order_by("-stage_at", "-pk")
    columns: dict[Stage, list[dict]] = {stage: [] for stage in OPPORTUNITY_STAGES}
    for opportunity in cards:
        may_act = opportunity.is_open and can_sell_for(request.user, opportunity.owner)
        card = {"opportunity": opportunity, "may_act": may_act, "is_cold": opportunity.is_cold(now)}
        columns[Stage(opportunity.stage)].append(card)
    first_day = timezone.localdate(since, Organisation.current().tzinfo).isoformat()
    context = {
        "columns": [
            {
                "stage": stage,
                "cards": its_cards,
                "total": totals.get(stage, {"number": 0, "amount": None}),
                "more": max(0, totals.get(stage, {"number": 0})["number"] - CARDS),
                "is_closed": stage in (Stage.WON, Stage.LOST),
                "url": filters.address(
                    stage=stage.value, **({f"{stage}_from": first_day} if stage not in SELLING else {})
                ),
            }
            for stage, its_cards in columns.items()
        ],
        "selling": SELLING,
        "closed_days": CLOSED_DAYS,
        "filters": filters,
        "currency": Organisation.current().currency,
        "is_empty": not totals,
    }
    return render(request, "pipeline/opportunity_board.html", context)


def _get(request: HttpRequest, pk: int) -> Opportunity:
    return get_object_or_404(Opportunity.objects.visible_to(request.user).for_list(), pk=pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything about one opportunity; its facts are edited in place."""
    opportunity = _get(request, pk)
    may_act = can_sell_for(request.user, opportunity.owner)
    form = OpportunityForm(request.POST if request.method == "POST" else None, instance=opportunity)
    if request.method == "POST":
        require(request, access.SELL)
        if form.is_valid():
            changes = {name: form.cleaned_data[name] for name in transitions.EDITABLE}
            with explained(request, form):
                changed = transitions.edit_opportunity(
                    Opportunity.objects.get(pk=pk),
                    changes,
                    by=request.user,
                    at=timezone.now(),
                    seen_at=form.cleaned_data["seen_at"],
                )
                messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
                return back(request, _page_of(opportunity))
        opportunity = _get(request, pk)
    last = opportunity.lead.events.order_by("-pk").first()
    closing = {LeadEvent.Kind.WON, LeadEvent.Kind.LOST}
    payments = list(opportunity.payments.select_related("recorded_by"))
    context = {
        "opportunity": opportunity,
        "lead": opportunity.lead,
        "stages": [{"stage": stage, "at": _reached_at(opportunity, stage)} for stage in OPPORTUNITY_STAGES[:-1]],
        "selling": SELLING,
        "form": form,
        "may_act": may_act,
        "is_cold": opportunity.is_cold(timezone.now()),
        "may_undo": last
        if last and last.kind in closing and last.actor_id == request.user.pk and not payments
        else None,
        "payments": payments,
        "paid": sum(payment.amount for payment in payments),
        "payment_form": PaymentForm(today=timezone.localdate()),
        "currency": Organisation.current().currency,
        "activities": opportunity.lead.activities.select_related("by").order_by("-at", "-pk")[:10],
    }
    return render(request, "pipeline/opportunity_detail.html", context)


def _reached_at(opportunity: Opportunity, stage: Stage) -> datetime.datetime | None:
    return opportunity.opened_at if stage == Stage.ACCEPTED else getattr(opportunity, stage.reached_field)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_move(request: HttpRequest, pk: int) -> HttpResponse:
    """To another selling stage; GET asks for the stage and the day, for what happened earlier."""
    require(request, access.SELL)
    opportunity = _get(request, pk)
    now = timezone.now()
    data = request.POST.copy() if request.method == "POST" else None
    if data is not None:
        data.setdefault("happened_on", timezone.localdate(now).isoformat())
    form = MoveForm(data, since=opportunity.opened_at, now=now, initial={"stage": opportunity.stage})
    if data is not None and form.is_valid():
        stage = Stage(form.cleaned_data["stage"])
        before = opportunity.stage
        with explained(request):
            transitions.move_opportunity(opportunity, stage, by=request.user, at=form.happened_at)
            if stage != before:
                said = _("%(lead)s is now in “%(stage)s”.") % {"lead": opportunity, "stage": stage.label}
                say_done(request, said, opportunity.lead, LeadEvent.Kind.MOVED)
        return back(request, _page_of(opportunity))
    return render(request, "pipeline/opportunity_move.html", {"opportunity": opportunity, "form": form})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_win(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.SELL)
    opportunity = _get(request, pk)
    initial = {"amount": opportunity.amount, "margin": opportunity.margin}
    form = WinForm(
        request.POST if request.method == "POST" else None,
        since=opportunity.opened_at,
        now=timezone.now(),
        initial=initial,
    )
    if request.method == "POST" and form.is_valid():
        amount, margin = form.cleaned_data["amount"], form.cleaned_data["margin"]
        with explained(request, form):
            transitions.win(opportunity, by=request.user, at=form.happened_at, amount=amount, margin=margin)
            say_done(
                request, _("%(lead)s is a client now.") % {"lead": opportunity}, opportunity.lead, LeadEvent.Kind.WON
            )
            return back(request, _page_of(opportunity))
        opportunity = _get(request, pk)
    context = {"opportunity": opportunity, "form": form, "currency": Organisation.current().currency}
    return render(request, "pipeline/opportunity_win.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_lose(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.SELL)
    opportunity = _get(request, pk)
    form = LoseForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.lose(opportunity, by=request.user, at=timezone.now(), **form.cleaned_data)
            said = _("%(lead)s is recorded as lost.") % {"lead": opportunity}
            say_done(request, said, opportunity.lead, LeadEvent.Kind.LOST)
            return back(request, _page_of(opportunity))
        opportunity = _get(request, pk)
    return render(request, "pipeline/opportunity_lose.html", {"opportunity": opportunity, "form": form})


@login_required
@require_POST
def payment_add(request: HttpRequest, pk: int) -> HttpResponse:
    opportunity = _get(request, pk)
    form = PaymentForm(request.POST, today=timezone.localdate())
    if form.is_valid():
        with explained(request):
            transitions.record_payment(opportunity, by=request.user, at=timezone.now(), **form.cleaned_data)
            messages.success(request, _("Payment recorded."))
    else:
        require(request, access.SELL)
        words = [f"{form.fields[name].label}: {error}" for name, errors in form.errors.items() for error in errors]
        messages.error(request, _("The payment wasn't recorded.") + " " + " ".join(words))
    return back(request, _page_of(opportunity))
