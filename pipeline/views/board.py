"""The board of opportunities: its columns and cards, moving a card, and what comes next with a client."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import reswap, trigger_client_event

from accounts import access
from accounts.keyset import keyset_page
from accounts.models import Organisation
from leads.models import LeadEvent, Stage
from leads.models.leads import SELLING
from pipeline import board, transitions
from pipeline.board import Stander
from pipeline.forms.deal_filters import OpportunityFilter
from pipeline.forms.selling import MoveForm, NextStepForm
from pipeline.models import Opportunity
from pipeline.models.opportunities import OPPORTUNITY_STAGES, OpportunityQuerySet
from pipeline.views.steps import back, explained, require, say_done


@login_required
@require_safe
def opportunity_board(request: HttpRequest) -> HttpResponse:
    """Open opportunities by stage, and those lately won and lost."""
    filters = OpportunityFilter.read(request.GET)
    stander = Stander(request.user, timezone.now())
    shown = board.on_board(filters.apply(_visible(request)), stander.at)
    columns = board.columns(shown, stander, filters.cleaned_data["pipeline"])
    board.deal_cards(columns, shown, stander)
    selling = [column for column in columns.values() if not column.is_closed]
    weighed = [column.weighted for column in selling if column.weighted is not None]
    context = _board(request, filters, stander) | {
        "columns": columns.values(),
        "pipelines": stander.ways.pipelines,
        "number": sum(column.number for column in selling),
        "amount": sum(column.amount or 0 for column in selling),
        "weighted": sum(weighed) if weighed or not any(column.is_part for column in selling) else None,
        "is_part": any(column.is_part for column in selling),
        "is_empty": not any(column.number for column in columns.values()),
        "is_mine": str(filters.data.get("owner")) == str(request.user.pk),
        "may_sell": access.may(request.user, access.SELL),
    }
    return render(request, "pipeline/opportunity_board.html", context)


def _visible(request: HttpRequest) -> OpportunityQuerySet:
    return Opportunity.objects.visible_to(request.user)


def _board(request: HttpRequest, filters: OpportunityFilter, stander: Stander) -> dict[str, object]:
    """What columns and cards need beside their own data."""
    here = f"{reverse('pipeline:opportunity_board')}{filters.address()}"
    return {
        "filters": filters,
        "currency": Organisation.current().currency,
        "closed_days": board.CLOSED_DAYS,
        "first_closed_day": board.first_closed_day(stander.at).isoformat(),
        "here": here,
        "next_query": f"?{urlencode({'next': here})}",
    }


@login_required
@require_safe
def board_column(request: HttpRequest, stage: str) -> HttpResponse:
    """The next cards of one column; opened by itself, the list of that stage."""
    if stage not in OPPORTUNITY_STAGES:
        raise Http404
    filters = OpportunityFilter.read(request.GET)
    if not request.htmx:
        return redirect(f"{reverse('pipeline:opportunity_list')}{filters.address(stage=stage)}")
    stander = Stander(request.user, timezone.now())
    shown = board.on_board(filters.apply(_visible(request)), stander.at).filter(stage=stage)
    page = keyset_page(shown.for_board(), request.GET, order=board.ORDER, size=board.MORE_CARDS)
    context = _board(request, filters, stander) | {
        "cards": [stander.standing(opportunity) for opportunity in page.rows],
        "stage": stage,
        "next_key": page.next_key,
    }
    return render(request, "pipeline/_board_cards.html", context)


def _on_card(request: HttpRequest) -> bool:
    """True when the board's script dropped a card and waits for that card's answer."""
    return (request.htmx.target or "").startswith("card-")


def _board_answer(request: HttpRequest, pk: int) -> HttpResponse:
    """The card as it stands now, the sums of all columns by the filters of the board that is open, and the messages."""
    address = urlsplit(request.htmx.current_url or "")
    is_board = address.path == reverse("pipeline:opportunity_board")
    try:
        filters = OpportunityFilter.read(QueryDict(address.query if is_board else ""))
    except BadRequest:  # the board's address was tampered with since it was drawn
        filters = OpportunityFilter.read(QueryDict())
    stander = Stander(request.user, timezone.now())
    shown = board.on_board(filters.apply(_visible(request)), stander.at)
    context = _board(request, filters, stander) | {
        "card": stander.standing(get_object_or_404(_visible(request).for_board(), pk=pk)),
        "columns": board.columns(shown, stander, filters.cleaned_data["pipeline"]).values(),
    }
    return render(request, "pipeline/_board_answer.html", context)


def _get(request: HttpRequest, pk: int) -> Opportunity:
    return get_object_or_404(_visible(request).for_list(), pk=pk)


def _page_of(opportunity: Opportunity) -> str:
    return reverse("pipeline:opportunity_detail", args=[opportunity.pk])


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_move(request: HttpRequest, pk: int) -> HttpResponse:
    """To another selling stage; GET asks for the stage, the next step and the day, for what happened earlier."""
    require(request, access.SELL)
    opportunity = _get(request, pk)
    now = timezone.now()
    data = request.POST.copy() if request.method == "POST" else None
    if data is not None:
        data.setdefault("happened_on", timezone.localdate(now).isoformat())
    stages = Stander(request.user, now).ways.of(opportunity.product_id).stages
    form = MoveForm(
        data,
        opportunity=opportunity,
        offered=[stage for stage in SELLING if stage in stages or stage == opportunity.stage],
        since=opportunity.opened_at,
        now=now,
        today=timezone.localdate(now),
        initial={"stage": opportunity.stage, "seen": opportunity.stage},
    )
    if data is not None and (form.is_valid() or _on_card(request)):
        if form.is_valid():
            _move(request, opportunity, form)
        else:
            messages.error(request, _("The card wasn't moved: there is no such stage."))
        return _board_answer(request, pk) if _on_card(request) else back(request, _page_of(opportunity))
    context = {"opportunity": opportunity, "form": form}
    return render(request, "pipeline/opportunity_move.html", context, status=422 if form.errors else 200)


def _move(request: HttpRequest, opportunity: Opportunity, form: MoveForm) -> None:
    stage, before = Stage(form.cleaned_data["stage"]), opportunity.stage
    with explained(request):
        transitions.move_opportunity(
            opportunity, stage, by=request.user, at=form.happened_at, seen=form.seen_stage, **form.step
        )
        if stage != before:
            said = _("%(lead)s is now in “%(stage)s”.") % {"lead": opportunity, "stage": stage.label}
            say_done(request, said, opportunity.lead, LeadEvent.Kind.MOVED)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def opportunity_step(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks what comes next with the client, and when."""
    require(request, access.SELL)
    opportunity, now = _get(request, pk), timezone.now()
    posted = request.POST if request.method == "POST" else None
    form = NextStepForm(posted, opportunity=opportunity, today=timezone.localdate(now))
    if posted is not None and form.is_valid():
        with explained(request, form):
            transitions.edit_opportunity(opportunity, form.cleaned_data, by=request.user, at=now)
            messages.success(request, _("The next step with %(lead)s is planned.") % {"lead": opportunity})
            if urlsplit(request.htmx.current_url or "").path == reverse("pipeline:opportunity_board"):
                answer = reswap(_board_answer(request, pk), "none")
                return trigger_client_event(answer, "board-answered")
            return back(request, _page_of(opportunity), to_referrer=True)
        opportunity = _get(request, pk)
    context = {"opportunity": opportunity, "form": form}
    return render(request, "pipeline/opportunity_step.html", context, status=422 if form.errors else 200)
