"""What marketing and sales do with a lead: the panel on its page, the steps of the funnel, handing over many at once."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.access import can_sell_for
from accounts.models import User
from leads import criteria
from leads.models import CriteriaSet, Lead, LeadEvent, Stage
from leads.models.leads import WITH_MARKETING
from leads.routed import in_words
from pipeline import refusals, response, routing, to_do, transitions
from pipeline.forms.steps import BriefForm, HandOverForm, RemoveForm
from pipeline.models import Handoff, Task
from pipeline.transitions import MOVES, TransitionError
from pipeline.views import nurture
from pipeline.views.handoffs import as_row, log_menu
from pipeline.views.steps import back, explained, require, say_done

MOST_TASKS = 20  # shown of one lead
# Steps of several at once.
TOGETHER = {LeadEvent.Kind.REMOVED, LeadEvent.Kind.ACCEPTED, LeadEvent.Kind.ACTIVITY, LeadEvent.Kind.REASSIGNED}
MOST_AT_ONCE = 500  # leads in one bulk step: what fits into one request


def _lead(request: HttpRequest, pk: int) -> Lead:
    return get_object_or_404(Lead.objects.visible_to(request.user).select_related("contact__company", "product"), pk=pk)


def _page_of(lead: Lead) -> str:
    return reverse("leads:lead_detail", args=[lead.pk])


@login_required
@require_safe
def lead_panel(request: HttpRequest, pk: int) -> HttpResponse:
    """Fragment for the lead's page: its clocks, its handoff, its opportunity, and what one can do next."""
    lead = _lead(request, pk)
    now = timezone.now()
    handoff = (
        Handoff.objects.filter(lead=lead)
        .for_list()
        .select_related("decided_by", "wanted_product", "failed_criterion")
        .order_by("-pk")
        .first()
    )
    opportunity = lead.opportunities.current()
    qualifies, hands_over = (
        access.may(request.user, access.QUALIFY_LEADS),
        access.may(request.user, access.HAND_OVER_LEADS),
    )
    if handoff is not None and handoff.is_pending:
        logs = can_sell_for(request.user, handoff.assigned_to)
    elif opportunity is not None and lead.stage not in MOVES[Stage.QUALIFIED]:
        logs = can_sell_for(request.user, opportunity.owner)
    else:
        logs = qualifies
    in_force = CriteriaSet.objects.in_force(now, lead.product)  # what qualifying judges by
    context = {
        "lead": lead,
        "row": as_row(handoff, request.user) if handoff else None,
        "refused": refusals.shown([handoff])[0] if handoff and handoff.verdict == Handoff.Verdict.REJECTED else None,
        "opportunity": opportunity,
        **log_menu(now),
        "page_url": _page_of(lead),
        "tasks": _tasks_of(lead, request.user),
        "may_add_task": access.may(request.user, access.HAVE_TASKS),
        "may_call": access.may(request.user, access.CALL_LEADS) and lead.stage in WITH_MARKETING,
        "now": now,
        "response": response.clock(lead, now),
        "is_cold": lead.cold_at is not None and lead.cold_at <= now,
        "judgement": criteria.judge(lead, at=now, criteria_set=in_force)
        if qualifies and lead.stage in MOVES[Stage.QUALIFIED]
        else None,
        "may_log": logs and not lead.is_removed,
        "may_qualify": qualifies and lead.stage in MOVES[Stage.QUALIFIED],
        "may_keep_warm": qualifies and lead.stage in MOVES[Stage.WARM],
        "may_brief": qualifies and not lead.is_removed,
        "may_hand_over": hands_over and lead.stage in MOVES[Stage.HANDED_OVER],
        "may_remove": access.may(request.user, access.REMOVE_LEADS) and lead.stage in transitions.REMOVABLE,
        "may_refer": access.may(request.user, access.REFER_LEADS) and lead.stage in MOVES[Stage.REFERRED],
        "may_close_referral": access.may(request.user, access.REFER_LEADS),
        "referral": lead.referrals.select_related("partner").order_by("-pk").first(),
        "may_note_demand": access.may(request.user, access.EDIT_CONTACTS) and not lead.is_removed,
        "may_restore": access.may(request.user, access.REMOVE_LEADS) and lead.is_removed,
        "recycling": lead.recyclings.open().first(),
        **nurture.panel(lead, request.user),
    }
    return render(request, "pipeline/lead_panel.html", context)


def _tasks_of(lead: Lead, user: User) -> list[tuple[Task, bool]]:
    """What is still to be done about the lead, each with whether `user` may change it."""
    tasks = Task.objects.visible_to(user).open().filter(lead=lead).for_list().order_by("due_at", "pk")
    return [(task, to_do.may_change(task, user)) for task in tasks[:MOST_TASKS]]


@login_required
@require_POST
def lead_qualify(request: HttpRequest, pk: int) -> HttpResponse:
    lead = _lead(request, pk)
    with explained(request):
        transitions.qualify(lead, by=request.user, at=timezone.now())
        say_done(request, _("%(lead)s is qualified.") % {"lead": lead}, lead, LeadEvent.Kind.QUALIFIED)
    return back(request, _page_of(lead))


@login_required
@require_POST
def lead_keep_warm(request: HttpRequest, pk: int) -> HttpResponse:
    lead = _lead(request, pk)
    with explained(request):
        transitions.keep_warm(lead, by=request.user, at=timezone.now())
        say_done(request, _("%(lead)s is kept warm.") % {"lead": lead}, lead, LeadEvent.Kind.WARM)
    return back(request, _page_of(lead))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def lead_brief(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.QUALIFY_LEADS)
    lead = _lead(request, pk)
    form = BriefForm(request.POST if request.method == "POST" else None, initial={"brief": lead.brief})
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.record_brief(lead, form.cleaned_data["brief"], by=request.user, at=timezone.now())
            messages.success(request, _("Brief saved."))
            return back(request, _page_of(lead))
    return render(request, "pipeline/lead_brief.html", {"lead": lead, "form": form})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def lead_hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.HAND_OVER_LEADS)
    lead = _lead(request, pk)
    form = HandOverForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            handoff = transitions.hand_over(lead, by=request.user, at=timezone.now(), **form.cleaned_data)
            said = _("%(lead)s handed over to %(rep)s.") % {"lead": lead, "rep": handoff.assigned_to}
            say_done(request, said, lead, LeadEvent.Kind.HANDED_OVER)
            return back(request, _page_of(lead))
    routed = routing.would_go_to(lead, at=timezone.now())
    context = {"lead": lead, "form": form, "routed": routed, "routed_why": in_words(routed.why)}
    return render(request, "pipeline/lead_hand_over.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def lead_remove(request: HttpRequest, pk: int) -> HttpResponse:
    require(request, access.REMOVE_LEADS)
    lead = _lead(request, pk)
    form = RemoveForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.remove(lead, form.cleaned_data["reason"], by=request.user, at=timezone.now())
            say_done(request, _("%(lead)s removed.") % {"lead": lead}, lead, LeadEvent.Kind.REMOVED)
            return back(request, _page_of(lead))
    return render(request, "pipeline/lead_remove.html", {"lead": lead, "form": form})


@login_required
@require_POST
def lead_restore(request: HttpRequest, pk: int) -> HttpResponse:
    lead = _lead(request, pk)
    with explained(request):
        transitions.restore(lead, by=request.user, at=timezone.now())
        messages.success(request, _("%(lead)s is back where it stood.") % {"lead": lead})
    return back(request, _page_of(lead))


@login_required
@require_POST
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back one's own last step, as its toast offers."""
    leads = Lead.objects.visible_to(request.user)
    event = get_object_or_404(LeadEvent.objects.filter(lead__in=leads).select_related("lead__contact"), pk=pk)
    with explained(request):
        transitions.undo(event, by=request.user, at=timezone.now())
        messages.success(request, _("Undone: “%(step)s”.") % {"step": event.get_kind_display()})
    return back(request, _page_of(event.lead), to_referrer=True)


def _selected(request: HttpRequest) -> list[Lead] | HttpResponse:
    """The leads that were ticked in the list, longest qualified first; or the way back when there are none, or too many."""
    wanted = {int(pk) for pk in request.POST.getlist("selected") if pk.isascii() and pk.isdigit() and len(pk) < 19}
    if len(wanted) > MOST_AT_ONCE:
        text = _("You selected %(count)s leads; at most %(most)s can be dealt with at once. Nothing was done.")
        messages.error(request, text % {"count": len(wanted), "most": MOST_AT_ONCE})
        return back(request, reverse("leads:lead_list"))
    leads = list(Lead.objects.visible_to(request.user).filter(pk__in=wanted).for_list().order_by("qualified_at", "pk"))
    if not leads:
        messages.error(request, _("Select the leads first."))
        return back(request, reverse("leads:lead_list"))
    return leads


@login_required
@require_POST
def leads_hand_over(request: HttpRequest) -> HttpResponse:
    """Hand over the selected leads: asks to whom, does each by itself, and says of each what became of it.

    `selected` are ids of leads; `confirmed` says that the question was answered.
    """
    require(request, access.HAND_OVER_LEADS)
    leads = _selected(request)
    if isinstance(leads, HttpResponse):
        return leads
    form = HandOverForm(request.POST if "confirmed" in request.POST else None)
    if not form.is_valid():
        ready = [lead for lead in leads if lead.stage in MOVES[Stage.HANDED_OVER]]
        context = {"leads": leads, "ready": ready, "form": form}
        return render(request, "pipeline/leads_hand_over.html", context)
    try:
        handed = transitions.hand_over_many(leads, by=request.user, at=timezone.now(), **form.cleaned_data)
    except TransitionError as refusal:
        handed = [(lead, refusal) for lead in leads]
    results = [
        {"lead": lead, "rep": None, "why_not": str(what)}
        if isinstance(what, TransitionError)
        else {"lead": lead, "rep": what.assigned_to, "why": what.why_them, "why_not": ""}
        for lead, what in handed
    ]
    done = sum(1 for result in results if result["rep"])
    said = ngettext("%(done)s lead handed over.", "%(done)s leads handed over.", done) % {"done": done}
    messages.add_message(request, messages.SUCCESS if done else messages.WARNING, said)
    context = {"results": results, "done": done, "left": len(results) - done}
    return render(request, "pipeline/leads_hand_over.html", context)


@login_required
@require_POST
def leads_remove(request: HttpRequest) -> HttpResponse:
    """Remove the selected leads for one reason: asks for it, does each by itself, and says of each what became of it.

    `selected` are ids of leads; `confirmed` says that the question was answered.
    """
    require(request, access.REMOVE_LEADS)
    leads = _selected(request)
    if isinstance(leads, HttpResponse):
        return leads
    form = RemoveForm(request.POST if "confirmed" in request.POST else None)
    if not form.is_valid():
        ready = [lead for lead in leads if lead.stage in transitions.REMOVABLE]
        context = {"leads": leads, "ready": ready, "form": form}
        return render(request, "pipeline/leads_remove.html", context, status=422 if form.errors else 200)
    now, results, undoes = timezone.now(), [], None  # one moment: by it the undo knows what belongs together
    for lead in leads:
        try:
            transitions.remove(lead, form.cleaned_data["reason"], by=request.user, at=now)
            undoes = undoes or lead.events.filter(kind=LeadEvent.Kind.REMOVED, actor=request.user, at=now).get()
            results.append({"lead": lead, "why_not": ""})
        except TransitionError as refusal:
            results.append({"lead": lead, "why_not": str(refusal)})
    done = sum(1 for result in results if not result["why_not"])
    said = ngettext("%(done)s lead removed.", "%(done)s leads removed.", done) % {"done": done}
    undo_url = reverse("pipeline:undo_together", args=[undoes.pk]) if undoes else ""
    messages.add_message(
        request,
        messages.SUCCESS if done else messages.WARNING,
        said,
        extra_tags=f"undo:{undo_url}" if undo_url else "",
    )
    context = {"results": results, "done": done, "left": len(results) - done, "undo_url": undo_url}
    return render(request, "pipeline/leads_remove.html", context)


@login_required
@require_POST
def undo_together(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back what was done together, as the toast offers; `pk` is the event of any one of them."""
    leads = Lead.objects.visible_to(request.user)
    event = get_object_or_404(LeadEvent, pk=pk, lead__in=leads, kind__in=TOGETHER)
    with explained(request):
        restored, left = transitions.undo_together(event, by=request.user, at=timezone.now())
        if restored:
            text = ngettext(
                "%(count)s lead is back where it stood.", "%(count)s leads are back where they stood.", restored
            )
            messages.success(request, text % {"count": restored})
        if left:
            text = ngettext(
                "%(count)s lead has moved on since and stays as it is.",
                "%(count)s leads have moved on since and stay as they are.",
                left,
            )
            messages.info(request, text % {"count": left})
    is_of_deals = event.kind == LeadEvent.Kind.REASSIGNED
    return back(request, reverse("pipeline:opportunity_list" if is_of_deals else "leads:lead_list"))
