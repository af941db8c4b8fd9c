"""Sales' inbox, the list of all handoffs, and what is done with one."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.access import can_sell_for
from accounts.keyset import count_up_to, keyset_page
from accounts.models import Role, User
from leads import criteria
from leads.models import LeadEvent
from pipeline import transitions
from pipeline.forms.filters import HandoffFilter
from pipeline.forms.steps import ReassignForm, RejectForm
from pipeline.models import Activity, Handoff
from pipeline.models.handoffs import HandoffQuerySet
from pipeline.views.steps import back, explained, require, say_done

SCOPES = {"mine": gettext_lazy("Mine"), "team": gettext_lazy("My team"), "all": gettext_lazy("All")}


def scope_of(request: HttpRequest) -> str:
    """Whose work the page shows: `mine`, `team` or `all`, as the address says or as fits the role."""
    scope = request.GET.get("scope")
    if scope is None:
        return {Role.SALES_MANAGER: "team", Role.SALES_REP: "mine"}.get(Role(request.user.role), "all")
    if scope not in SCOPES:
        raise BadRequest(_("There is no such view: %(name)s.") % {"name": scope[:50]})
    return scope


def in_scope(user: User, scope: str) -> HandoffQuerySet:
    handoffs = Handoff.objects.visible_to(user)
    if scope == "team":
        return handoffs.of_team(user)
    return handoffs.filter(assigned_to=user) if scope == "mine" else handoffs


def as_row(handoff: Handoff, user: User) -> dict:
    """A handoff as the inbox shows it. What `user` may do is asked of the rules, not of the page."""
    may_act = handoff.is_pending and can_sell_for(user, handoff.assigned_to)
    return {
        "handoff": handoff,
        "clocks": handoff.clocks(timezone.now()),
        "may_act": may_act,
        "may_reassign": may_act and access.may(user, access.REASSIGN_HANDOFFS),
        "is_mine": handoff.assigned_to_id == user.pk,
        "submission_key": uuid.uuid4(),
    }


@login_required
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Pending handoffs, the one whose clock is due first on top."""
    unknown = set(request.GET) - {"scope", "after"}
    if unknown:
        raise BadRequest(_("There is no such filter: %(names)s.") % {"names": ", ".join(sorted(unknown))[:200]})
    scope = scope_of(request)
    pending = in_scope(request.user, scope).pending().with_next_due().for_list()
    page = keyset_page(pending, request.GET, order=("next_due_at", "pk"), size=30)
    context = {
        "rows": [as_row(handoff, request.user) for handoff in page.rows],
        "next_key": page.next_key,
        "scope": scope,
        "scopes": SCOPES,
        "outcomes": Activity.OUTCOMES,
        "count": count_up_to(in_scope(request.user, scope).pending()),
        "here": request.get_full_path(),
    }
    return render(request, "pipeline/inbox.html", context)


def answer(request: HttpRequest, handoff: Handoff) -> HttpResponse:
    """After a step: the fresh row for the inbox, else back to the page it came from."""
    if not request.htmx.target or not request.htmx.target.startswith("handoff-"):
        return back(request, reverse("pipeline:handoff_detail", args=[handoff.pk]))
    fresh = get_object_or_404(Handoff.objects.visible_to(request.user).for_list(), pk=handoff.pk)
    context = {"row": as_row(fresh, request.user), "outcomes": Activity.OUTCOMES, "is_fragment": True}
    context["here"] = request.htmx.current_url_abs_path or reverse("pipeline:inbox")
    context["opportunity"] = fresh.lead.opportunities.order_by("-pk").first()
    return render(request, "pipeline/inbox.html#row", context)


@login_required
@require_safe
def handoff_list(request: HttpRequest) -> HttpResponse:
    filters = HandoffFilter.read(request.GET)
    handoffs: HandoffQuerySet = filters.apply(Handoff.objects.visible_to(request.user))
    page = keyset_page(handoffs.for_list(), request.GET, order=("-handed_over_at", "-pk"))
    now = timezone.now()
    context = {
        "rows": [{"handoff": handoff, "clocks": handoff.clocks(now)} for handoff in page.rows],
        "next_key": page.next_key,
        "filters": filters,
        "count": count_up_to(handoffs),
    }
    return render(request, "pipeline/handoff_list.html", context)


@login_required
@require_safe
def handoff_filter(request: HttpRequest) -> HttpResponse:
    """The list's filters as a form, in a dialog."""
    context = {"form": HandoffFilter.read(request.GET), "list_url": reverse("pipeline:handoff_list")}
    return render(request, "pipeline/filter.html", context)


@login_required
@require_safe
def handoff_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """All that marketing knows of the lead, how the clocks stand, and what can be done."""
    handoffs = Handoff.objects.visible_to(request.user).for_list().select_related("handed_over_by", "decided_by")
    handoff = get_object_or_404(handoffs, pk=pk)
    now = timezone.now()
    judgement = criteria.judge(handoff.lead, at=now)
    context = {
        "row": as_row(handoff, request.user),
        "outcomes": Activity.OUTCOMES,
        "judgement": judgement,
        "criteria_rows": criteria.explained(judgement),
        "other_products": handoff.lead.other_products.all(),
        "activities": handoff.lead.activities.select_related("by").order_by("-at", "-pk")[:20],
        "opportunity": handoff.lead.opportunities.order_by("-pk").first() if not handoff.is_pending else None,
    }
    return render(request, "pipeline/handoff_detail.html", context)


@login_required
@require_POST
def handoff_accept(request: HttpRequest, pk: int) -> HttpResponse:
    handoff = get_object_or_404(Handoff.objects.visible_to(request.user), pk=pk)
    with explained(request):
        transitions.accept(handoff, by=request.user, at=timezone.now())
        said = _("%(lead)s accepted. The opportunity is open.") % {"lead": handoff.lead}
        say_done(request, said, handoff.lead, LeadEvent.Kind.ACCEPTED)
    return answer(request, handoff)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def handoff_reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks why, then returns the lead to marketing."""
    require(request, access.SELL)
    handoffs = Handoff.objects.visible_to(request.user).select_related(
        "lead__contact", "agreement", "assigned_to", "decided_by"
    )
    handoff = get_object_or_404(handoffs, pk=pk)
    form = RejectForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.reject(handoff, by=request.user, at=timezone.now(), **form.cleaned_data)
            said = _("%(lead)s went back to marketing, with your reasons.") % {"lead": handoff.lead}
            say_done(request, said, handoff.lead, LeadEvent.Kind.RETURNED)
            return back(request, reverse("pipeline:handoff_detail", args=[pk]))
        handoff = get_object_or_404(handoffs, pk=pk)  # as it is now: perhaps somebody else decided
    context = {
        "handoff": handoff,
        "form": form,
        "attempts": transitions.recorded_attempts(handoff),
        "needed": handoff.agreement.unreachable_attempts,
    }
    return render(request, "pipeline/handoff_reject.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def handoff_reassign(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.REASSIGN_HANDOFFS)
    handoff = get_object_or_404(
        Handoff.objects.visible_to(request.user).select_related("lead__contact", "assigned_to", "decided_by"), pk=pk
    )
    sent = request.POST if request.method == "POST" else None
    form = ReassignForm(sent, by=request.user, holder=handoff.assigned_to)
    if request.method == "POST" and form.is_valid():
        to = form.cleaned_data["to"]
        with explained(request):
            transitions.reassign(handoff, to, by=request.user, at=timezone.now())
            messages.success(request, _("%(rep)s has %(lead)s now.") % {"rep": to, "lead": handoff.lead})
        return back(request, reverse("pipeline:handoff_detail", args=[pk]))
    return render(request, "pipeline/handoff_reassign.html", {"handoff": handoff, "form": form})
