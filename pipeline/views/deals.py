"""What belongs to one opportunity: its lines, what was asked for and objected, and taking back that it was closed."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.access import can_sell_for
from accounts.models import User
from leads.models import Company, Contact, LeadEvent, Stage
from pipeline import transitions
from pipeline.forms.deals import (
    DATED,
    DatedForm,
    ObjectionEndForm,
    ObjectionForm,
    SeenOpportunity,
    WhyForm,
    line_rows,
    lines_of,
)
from pipeline.models import Objection, Opportunity
from pipeline.transitions.askings import SENT
from pipeline.views.opportunities import deal_page, get_deal, page_of
from pipeline.views.steps import back, explained, require, say_done


def said_wrong(form: Any) -> str:
    """A form's errors in one sentence, each with the name of its field."""
    words = []
    for name, errors in form.errors.items():
        label = f"{form.fields[name].label}: " if name in form.fields else ""
        words += [f"{label}{error}" for error in errors]
    return " ".join(words)


@login_required
@require_POST
def deal_lines(request: HttpRequest, pk: int) -> HttpResponse:
    """Save all lines; `move` names one to move up or down."""
    require(request, access.SELL)
    opportunity = get_deal(request, pk)
    rows, seen = line_rows(opportunity, request.POST), SeenOpportunity(request.POST)
    if seen.is_valid() and rows.is_valid():
        lines = lines_of(rows, request.POST.get("move", ""))
        with explained(request, seen):
            changed = transitions.set_lines(
                opportunity, lines, by=request.user, at=timezone.now(), seen_at=seen.cleaned_data["seen_at"]
            )
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return back(request, page_of(opportunity) + "#lines")
    return deal_page(request, pk, lines=rows, seen=seen, status=422)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def deal_dated(request: HttpRequest, pk: int, what: str, step: str) -> HttpResponse:
    """When the client asked for a demo, proposal or contract (`what` “asked”), or when it was sent."""
    require(request, access.SELL)
    title = DATED.get(what, {}).get(step)  # type: ignore[call-overload]
    if title is None:
        raise Http404
    opportunity, now = get_deal(request, pk), timezone.now()
    form = DatedForm(request.POST if request.method == "POST" else None, now=now)
    if request.method == "POST" and form.is_valid():
        note = transitions.note_asked if what == "asked" else transitions.note_sent
        with explained(request, form):
            note(opportunity, Stage(step), form.cleaned_data["when"], by=request.user, at=now)
            kind = LeadEvent.Kind.ASKED_FOR if what == "asked" else SENT[Stage(step)]
            say_done(request, f"{title}.", opportunity.lead, kind)
            return back(request, page_of(opportunity))
    context = {"opportunity": opportunity, "form": form, "title": title}
    return render(request, "pipeline/deal_step.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def objection_add(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.SELL)
    opportunity, form = get_deal(request, pk), ObjectionForm(request.POST)
    if form.is_valid():
        with explained(request):
            transitions.raise_objection(opportunity, by=request.user, at=timezone.now(), **form.cleaned_data)
            messages.success(request, _("The objection is noted."))
    else:
        messages.error(request, said_wrong(form))
    return back(request, page_of(opportunity) + "#objections")


@login_required
@require_POST
def objection_end(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.SELL)
    objections = Objection.objects.visible_to(request.user).select_related("opportunity__lead")
    objection, form = get_object_or_404(objections, pk=pk), ObjectionEndForm(request.POST)
    if form.is_valid():
        with explained(request):
            transitions.end_objection(objection, by=request.user, at=timezone.now(), **form.cleaned_data)
            messages.success(request, _("How the objection ended is noted."))
    else:
        messages.error(request, said_wrong(form))
    return back(request, page_of(objection.opportunity) + "#objections")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def deal_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back that it was won or lost, with the reason."""
    require(request, access.SELL)
    opportunity = get_deal(request, pk)
    form = WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.reopen(opportunity, form.cleaned_data["why"], by=request.user, at=timezone.now())
            messages.success(request, _("%(lead)s is open again.") % {"lead": opportunity})
            return back(request, page_of(opportunity))
        opportunity = get_deal(request, pk)
    context = {"opportunity": opportunity, "form": form, "title": _("Reopen: %(lead)s") % {"lead": opportunity}}
    return render(request, "pipeline/deal_step.html", context, status=422 if form.errors else 200)


# --- Clients who buy again -------------------------------------------------------------------------------------------


@login_required
@require_safe
def client_panel(request: HttpRequest, pk: int) -> HttpResponse:
    """Fragment for a contact's page: what a client bought, and one tap for the next purchase."""
    contact = get_object_or_404(Contact.objects.visible_to(request.user), pk=pk)
    deals = Opportunity.objects.visible_to(request.user).filter(lead__contact=contact)
    shown = list(deals.select_related("owner", "product", "lead").order_by("-opened_at", "-pk")[:20])
    latest = deals.won().select_related("owner", "lead__contact").order_by("-won_at", "-pk").first()
    context = {
        "contact": contact,
        "deals": shown,
        "may_buy_again": latest is not None and _may_buy_again(request.user, latest),
        "submission_key": uuid.uuid4(),
        "here": reverse("leads:contact_detail", args=[pk]),
    }
    return render(request, "pipeline/client_panel.html", context)


def _may_buy_again(user: User, latest: Opportunity) -> bool:
    """Whether `user` may open a client's next purchase; `latest` is the last one that was won."""
    is_there = latest.lead.contact.erased_at is None and latest.lead.stage == Stage.WON
    return is_there and can_sell_for(user, latest.owner)


@login_required
@require_safe
def company_panel(request: HttpRequest, pk: int) -> HttpResponse:
    """Fragment for a company's page: who of it bought last, and one tap for the next purchase of each."""
    company = get_object_or_404(Company.objects.visible_to(request.user), pk=pk)
    won = Opportunity.objects.visible_to(request.user).won().filter(lead__contact__company=company)
    latest: dict[int, Opportunity] = {}
    for deal in won.select_related("owner", "product", "lead__contact").order_by("-won_at", "-pk")[:20]:
        latest.setdefault(deal.lead.contact_id, deal)
    context = {
        "rows": [
            {"deal": deal, "may_buy_again": _may_buy_again(request.user, deal), "submission_key": uuid.uuid4()}
            for deal in latest.values()
        ]
    }
    return render(request, "pipeline/company_panel.html", context)


@login_required
@require_POST
def buy_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a repeat purchase of a client, and go there."""
    require(request, access.SELL)
    contact = get_object_or_404(Contact.objects.visible_to(request.user), pk=pk)
    try:
        key = uuid.UUID(request.POST.get("submission_key", ""))
    except ValueError:
        key = None
    with explained(request):
        opportunity = transitions.buy_again(contact, by=request.user, at=timezone.now(), submission_key=key)
        said = _("A new opportunity of %(client)s is open.") % {"client": contact}
        say_done(request, said, opportunity.lead, LeadEvent.Kind.REPEAT)
        return back(request, page_of(opportunity))
    return back(request, reverse("leads:contact_detail", args=[pk]), to_referrer=True)
