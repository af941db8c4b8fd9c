"""Sales' inbox, the list of all handoffs, and what is done with one."""

import datetime
import uuid
from collections.abc import Iterable

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
from accounts.models import Organisation, Role, User
from leads.models import LeadEvent
from pipeline import lessons, refusals, transitions
from pipeline.briefing import briefing
from pipeline.desk import call_back_times, last_activities
from pipeline.forms.handoff_filters import HandoffFilter
from pipeline.forms.steps import ReassignForm
from pipeline.models import Activity, Handoff
from pipeline.models.handoffs import HandoffQuerySet
from pipeline.sla import Clock, ClockState
from pipeline.views.absences import away_in_scope
from pipeline.views.steps import back, explained, require, say_done

SCOPES = {"mine": gettext_lazy("Mine"), "team": gettext_lazy("My team"), "all": gettext_lazy("All")}
POOL = {"pool": gettext_lazy("Pool")}


def scope_of(request: HttpRequest) -> str:
    """Whose work the page shows: `mine`, `team`, `all` or `pool`, as the address says or as fits the role."""
    scope = request.GET.get("scope")
    if scope is None:
        return {Role.SALES_MANAGER: "team", Role.SALES_REP: "mine"}.get(Role(request.user.role), "all")
    if scope not in SCOPES | POOL:
        raise BadRequest(_("There is no such view: %(name)s.") % {"name": scope[:50]})
    return scope


def in_scope(user: User, scope: str) -> HandoffQuerySet:
    handoffs = Handoff.objects.visible_to(user)
    if scope == "team":
        return handoffs.of_team(user)
    if scope == "pool":
        return handoffs.in_pool()
    return handoffs.filter(assigned_to=user) if scope == "mine" else handoffs


def as_rows(handoffs: Iterable[Handoff], user: User) -> list[dict]:
    """Handoffs as the inbox shows them. What `user` may do is asked of the rules, not of the page.

    The same queries for any number: one, for what sales did last about each.
    """
    handoffs, now = list(handoffs), timezone.now()
    last = last_activities(handoff.lead_id for handoff in handoffs)
    return [_as_row(handoff, user, now, last.get(handoff.lead_id)) for handoff in handoffs]


def as_row(handoff: Handoff, user: User) -> dict:
    return as_rows([handoff], user)[0]


def _as_row(handoff: Handoff, user: User, now: datetime.datetime, last: Activity | None) -> dict:
    may_act = handoff.is_pending and can_sell_for(user, handoff.assigned_to)
    contact = handoff.lead.contact
    if last is not None and last.at < handoff.handed_over_at:
        last = None
    return {
        "handoff": handoff,
        "clocks": handoff.clocks(now),
        **_clock_steps(handoff, user, now, may_act=may_act),
        "may_act": may_act,
        "may_reassign": may_act and access.may(user, access.REASSIGN_HANDOFFS),
        "is_mine": handoff.assigned_to_id == user.pk,
        "submission_key": uuid.uuid4(),
        "last": last,
        "is_call_due": handoff.lead.next_attempt_at is not None and handoff.lead.next_attempt_at <= now,
        # Until somebody changes something about the person: then the number was looked at.
        "asks_number": may_act
        and last is not None
        and last.outcome == Activity.Outcome.WRONG_NUMBER
        and contact.updated_at <= last.created_at,
    }


def log_menu(now: datetime.datetime) -> dict:
    """What the menu of `pipeline/_activity_menu.html` offers."""
    return {
        "outcomes": Activity.OUTCOMES,
        "call_back_times": call_back_times(now, Organisation.current()),
        "submission_key": uuid.uuid4(),
    }


def _clock_steps(handoff: Handoff, user: User, now: datetime.datetime, *, may_act: bool) -> dict[str, bool]:
    """What `user` may do about the clocks of a handoff, and whether they may take it from the pool."""
    states = {handoff.clock_state(clock, now) for clock in Clock}
    may_be_paused = handoff.agreement.max_pauses > 0 and not handoff.is_in_pool
    return {
        "may_pause": may_act and may_be_paused and bool(states & {ClockState.RUNNING, ClockState.SOON}),
        "may_resume": may_act and handoff.is_paused(now),
        "may_take": handoff.is_in_pool and access.may(user, access.SELL),
    }


@login_required
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Pending handoffs, the one whose clock is due first on top; of the pool, the one that waits there longest."""
    unknown = set(request.GET) - {"scope", "after"}
    if unknown:
        raise BadRequest(_("There is no such filter: %(names)s.") % {"names": ", ".join(sorted(unknown))[:200]})
    scope = scope_of(request)
    pending = in_scope(request.user, scope).pending().with_next_due().for_list()
    order = ("pooled_at", "pk") if scope == "pool" else ("next_due_at", "pk")
    page = keyset_page(pending, request.GET, order=order, size=30)
    context = {
        "rows": as_rows(page.rows, request.user),
        "share": lessons.accepted_share(timezone.now()),
        "next_key": page.next_key,
        "scope": scope,
        "scopes": SCOPES,
        "pool_count": count_up_to(Handoff.objects.visible_to(request.user).in_pool()),
        **log_menu(timezone.now()),
        "count": count_up_to(in_scope(request.user, scope).pending()),
        "here": request.get_full_path(),
        "away": away_in_scope(request.user, scope),
        "may_select": access.may(request.user, access.SELL) and scope != "pool",
        "may_reassign": access.may(request.user, access.REASSIGN_HANDOFFS),
    }
    return render(request, "pipeline/inbox.html", context)


def answer(request: HttpRequest, handoff: Handoff) -> HttpResponse:
    """After a step: the fresh row for the inbox, else back to the page it came from."""
    if not request.htmx.target or not request.htmx.target.startswith("handoff-"):
        return back(request, reverse("pipeline:handoff_detail", args=[handoff.pk]))
    fresh = get_object_or_404(Handoff.objects.visible_to(request.user).for_list(), pk=handoff.pk)
    context = {"row": as_row(fresh, request.user), **log_menu(timezone.now()), "is_fragment": True}
    context["here"] = request.htmx.current_url_abs_path or reverse("pipeline:inbox")
    context["may_select"] = context["here"].startswith(reverse("pipeline:inbox"))  # elsewhere nothing is ticked
    context["opportunity"] = fresh.lead.opportunities.current()
    return render(request, "pipeline/_handoff_row.html", context)


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
    handoffs = (
        Handoff.objects.visible_to(request.user)
        .for_list()
        .select_related("handed_over_by", "decided_by", "wanted_product", "failed_criterion")
    )
    handoff = get_object_or_404(handoffs, pk=pk)
    now = timezone.now()
    context = {
        "row": as_row(handoff, request.user),
        "refused": refusals.shown([handoff])[0] if handoff.verdict == Handoff.Verdict.REJECTED else None,
        **log_menu(now),
        **briefing(handoff.lead, handoff, at=now),
        "pauses": handoff.pauses.select_related("paused_by"),
        "activities": handoff.lead.activities.select_related("by", "message").order_by("-at", "-pk")[:20],
        "opportunity": handoff.lead.opportunities.current() if not handoff.is_pending else None,
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
def handoff_reassign(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.REASSIGN_HANDOFFS)
    handoff = get_object_or_404(
        Handoff.objects.visible_to(request.user).select_related(
            "lead__contact", "assigned_to", "decided_by", "agreement"
        ),
        pk=pk,
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
