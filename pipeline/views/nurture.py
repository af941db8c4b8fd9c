"""Nurture plans, their steps and results, who is in them, and the templates of their mails."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import keyset_page
from accounts.models import User
from accounts.saving import save_unless_taken
from leads import consents
from leads.models import Contact, Lead, Stage
from pipeline.models import Enrolment, MailTemplate, NurturePlan, NurtureStep, StepRun
from pipeline.nurture import enrol, plans
from pipeline.nurture.forms import (
    EnrolmentFilter,
    EnterForm,
    NurturePlanForm,
    NurtureStepForm,
    ResultFilter,
)
from pipeline.transitions import TransitionError
from pipeline.views.steps import back, explained, require

MOST_AT_ONCE = 500  # leads entered by one request
KIND_ICONS = {
    NurtureStep.Kind.MAIL: "envelope",
    NurtureStep.Kind.INVITATION: "calendar-days",
    NurtureStep.Kind.OFFER: "gift",
    NurtureStep.Kind.TASK: "clipboard-document-check",
}
RESULT_NAMES = {
    "sent": gettext_lazy("Sent"),
    "bounced": gettext_lazy("Bounced"),
    "replied": gettext_lazy("Replied"),
    "opted_out": gettext_lazy("Opted out"),
    "came": gettext_lazy("Came to the event"),
    "tasks": gettext_lazy("Tasks"),
    "tasks_done": gettext_lazy("Tasks done"),
    "skipped": gettext_lazy("Left out"),
    "qualified": gettext_lazy("Became MQL"),
}
NOT_YET = dict.fromkeys(RESULT_NAMES, 0)


# --- Plans -----------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def plan_list(request: HttpRequest) -> HttpResponse:
    """Every plan, with how many are in it and what came of it."""
    rows = plans.with_counts(NurturePlan.objects.visible_to(request.user)).select_related(
        "product", "channel", "campaign"
    )
    context = {
        "plans": rows.order_by("-is_active", "name"),
        "may_plan": access.may(request.user, access.PLAN_NURTURE),
        "tab": "plans",
    }
    return render(request, "nurture/plan_list.html", context)


@access.only_for(access.PLAN_NURTURE)
@require_http_methods(["GET", "HEAD", "POST"])
def plan_add(request: HttpRequest) -> HttpResponse:
    form = NurturePlanForm(request.POST if request.method == "POST" else None, initial={"owner": request.user})
    if request.method == "POST" and form.is_valid() and (plan := save_unless_taken(form)):
        messages.success(request, _("The plan “%(plan)s” is made. Add its first step.") % {"plan": plan})
        return redirect("pipeline:nurture_plan", plan.pk)
    return render(request, "nurture/plan_edit.html", {"form": form}, status=422 if form.errors else 200)


@access.only_for(access.PLAN_NURTURE)
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def plan_edit(request: HttpRequest, pk: int) -> HttpResponse:
    rows = NurturePlan.objects.visible_to(request.user)
    plan = get_object_or_404(rows.select_for_update() if request.method == "POST" else rows, pk=pk)
    form = NurturePlanForm(request.POST if request.method == "POST" else None, instance=plan)
    if request.method == "POST" and form.is_valid() and save_unless_taken(form):
        messages.success(request, _("Saved."))
        return redirect("pipeline:nurture_plan", plan.pk)
    status = 422 if form.errors else 200
    return render(request, "nurture/plan_edit.html", {"form": form, "plan": plan}, status=status)


def _plan(request: HttpRequest, pk: int) -> NurturePlan:
    rows = NurturePlan.objects.visible_to(request.user).select_related("product", "channel", "campaign", "owner")
    return get_object_or_404(rows, pk=pk)


@login_required
@require_safe
def plan_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The plan: its steps in order with what came of each, and who is in it."""
    plan = _plan(request, pk)
    show = EnrolmentFilter.read(request.GET).cleaned_data["show"]
    people = plan.enrolments.filter(ended_at__isnull=show != "left").select_related(
        "lead__contact__company", "next_step__template", "plan"
    )
    page = keyset_page(people, request.GET, order=("-entered_at", "-pk"))
    context: dict[str, Any] = {"plan": plan, "page": page, "show": show}
    may_enter = access.may(request.user, access.NURTURE_LEADS)
    context["may_enter"] = may_enter
    if request.htmx and "after" in request.GET:
        return render(request, "nurture/plan_detail.html#people", context)
    results = plans.results(plan)
    steps = [
        {"step": step, "icon": KIND_ICONS[NurtureStep.Kind(step.kind)], **_counts(step, results.get(step.pk, NOT_YET))}
        for step in plan.steps.select_related("template", "campaign")
    ]
    context |= {
        "counts": plans.with_counts(NurturePlan.objects.filter(pk=plan.pk)).get(),
        "steps": [row for row in steps if row["step"].retired_at is None],
        "retired": [row for row in steps if row["step"].retired_at is not None and row["has_results"]],
        "kinds": [(kind, KIND_ICONS[kind]) for kind in NurtureStep.Kind],
        "columns": [(name, label) for name, label in RESULT_NAMES.items() if name != "tasks"],
        "waiting": enrol.segment(plan).filter(~_was_in(plan)).count() if plan.enters_by_itself else None,
        "may_plan": access.may(request.user, access.PLAN_NURTURE),
    }
    return render(request, "nurture/plan_detail.html", context)


def _was_in(plan: NurturePlan) -> Exists:
    return Exists(Enrolment.objects.filter(plan=plan, lead=OuterRef("pk")))


# What can come of a step of each kind; elsewhere a 0 would say nothing.
_OF_MAILS = {"sent", "bounced", "replied", "opted_out", "skipped", "qualified"}
CAN_COME = {
    NurtureStep.Kind.MAIL: _OF_MAILS,
    NurtureStep.Kind.OFFER: _OF_MAILS,
    NurtureStep.Kind.INVITATION: _OF_MAILS | {"came"},
    NurtureStep.Kind.TASK: {"tasks_done", "qualified"},
}


def _counts(step: NurtureStep, found: dict[str, int]) -> dict[str, Any]:
    applies = CAN_COME[NurtureStep.Kind(step.kind)]
    return {
        "results": [
            {"name": name, "label": label, "count": found[name], "applies": name in applies}
            for name, label in RESULT_NAMES.items()
            if name != "tasks"
        ],
        "has_results": any(found.values()),
    }


@access.only_for(access.PLAN_NURTURE)
@require_POST
def plan_start(request: HttpRequest, pk: int) -> HttpResponse:
    plan = _plan(request, pk)
    with explained(request):
        plans.start(plan, by=request.user)
        text = _("“%(plan)s” is running.") % {"plan": plan}
        messages.success(request, text, extra_tags=f"undo:{reverse('pipeline:nurture_plan_stop', args=[plan.pk])}")
    return redirect("pipeline:nurture_plan", plan.pk)


@access.only_for(access.PLAN_NURTURE)
@require_POST
def plan_stop(request: HttpRequest, pk: int) -> HttpResponse:
    plan = _plan(request, pk)
    with explained(request):
        plans.stop(plan, by=request.user)
        text = _("“%(plan)s” is stopped. Who is in it stays there and waits.") % {"plan": plan}
        messages.success(request, text, extra_tags=f"undo:{reverse('pipeline:nurture_plan_start', args=[plan.pk])}")
    return redirect("pipeline:nurture_plan", plan.pk)


# --- Steps -----------------------------------------------------------------------------------------------------------


def _kind(name: str) -> NurtureStep.Kind:
    if name not in NurtureStep.Kind.values:
        raise BadRequest("kind")
    return NurtureStep.Kind(name)


@access.only_for(access.PLAN_NURTURE)
@require_http_methods(["GET", "HEAD", "POST"])
def step_add(request: HttpRequest, pk: int) -> HttpResponse:
    """A step at the end of the plan; `kind` in the address says which."""
    plan = _plan(request, pk)
    kind = _kind(request.GET.get("kind", NurtureStep.Kind.MAIL))
    form = NurtureStepForm(request.POST if request.method == "POST" else None, kind=kind)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            plans.add_step(plan, form.step_words, by=request.user)
            messages.success(request, _("The step is added."))
            return redirect("pipeline:nurture_plan", plan.pk)
    return _step_page(request, plan, form, kind)


@access.only_for(access.PLAN_NURTURE)
@require_http_methods(["GET", "HEAD", "POST"])
def step_edit(request: HttpRequest, pk: int) -> HttpResponse:
    step = _step(request, pk)
    kind = NurtureStep.Kind(step.kind)
    form = NurtureStepForm(request.POST if request.method == "POST" else None, instance=step, kind=kind)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            _changed, is_new = plans.change_step(step, form.step_words, by=request.user, at=timezone.now())
            text = _("The changed step has taken the old one's place, whose results stay.") if is_new else _("Saved.")
            messages.success(request, text)
            return redirect("pipeline:nurture_plan", step.plan_id)
    return _step_page(request, step.plan, form, kind, step)


def _step_page(
    request: HttpRequest,
    plan: NurturePlan,
    form: NurtureStepForm,
    kind: NurtureStep.Kind,
    step: NurtureStep | None = None,
) -> HttpResponse:
    context = {
        "plan": plan,
        "form": form,
        "kind": kind,
        "step": step,
        "has_results": step is not None and step.runs.exists(),
        "has_templates": kind == NurtureStep.Kind.TASK or MailTemplate.objects.exists(),
    }
    return render(request, "nurture/step_edit.html", context, status=422 if form.errors else 200)


def _step(request: HttpRequest, pk: int) -> NurtureStep:
    rows = NurtureStep.objects.filter(plan__in=NurturePlan.objects.visible_to(request.user))
    return get_object_or_404(rows.select_related("plan", "template"), pk=pk)


@access.only_for(access.PLAN_NURTURE)
@require_POST
def step_move(request: HttpRequest, pk: int) -> HttpResponse:
    step = _step(request, pk)
    places = {"up": -1, "down": 1}.get(request.POST.get("direction", ""))
    if places is None:
        raise BadRequest("direction")
    with explained(request):
        plans.move_step(step, places, by=request.user)
    return redirect("pipeline:nurture_plan", step.plan_id)


@access.only_for(access.PLAN_NURTURE)
@require_POST
def step_retire(request: HttpRequest, pk: int) -> HttpResponse:
    step = _step(request, pk)
    with explained(request):
        plans.retire_step(step, by=request.user, at=timezone.now())
        undo = f"undo:{reverse('pipeline:nurture_step_restore', args=[step.pk])}"
        messages.success(request, _("The step is taken out; its results stay."), extra_tags=undo)
    return redirect("pipeline:nurture_plan", step.plan_id)


@access.only_for(access.PLAN_NURTURE)
@require_POST
def step_restore(request: HttpRequest, pk: int) -> HttpResponse:
    step = _step(request, pk)
    with explained(request):
        plans.restore_step(step, by=request.user)
        messages.success(request, _("The step is back in the plan."))
    return redirect("pipeline:nurture_plan", step.plan_id)


@login_required
@require_safe
def step_results(request: HttpRequest, pk: int) -> HttpResponse:
    """The leads behind a number of the plan's page."""
    plan = _plan(request, pk)
    wanted = ResultFilter.read(request.GET).cleaned_data
    runs = StepRun.objects.filter(enrolment__plan=plan)
    if wanted["step"]:
        runs = runs.filter(step=wanted["step"])
    if wanted["what"]:
        runs = runs.filter(plans.RESULTS[wanted["what"]])
    rows = runs.select_related("enrolment__lead__contact__company", "step__template", "campaign", "task", "message")
    context = {
        "plan": plan,
        "step": wanted["step"],
        "what": RESULT_NAMES.get(wanted["what"], ""),
        "page": keyset_page(rows, request.GET, order=("-done_at", "-pk")),
    }
    return render(request, "nurture/results.html", context)


# --- Who is in it ----------------------------------------------------------------------------------------------------


def _lead(request: HttpRequest, pk: int) -> Lead:
    return get_object_or_404(Lead.objects.visible_to(request.user).select_related("contact__company"), pk=pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def lead_enter(request: HttpRequest, pk: int) -> HttpResponse:
    """Enter one lead, from its page."""
    require(request, access.NURTURE_LEADS)
    lead = _lead(request, pk)
    form = EnterForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            enrolment = enrol.enter(form.cleaned_data["plan"], lead, by=request.user, at=timezone.now())
            _say_entered(request, enrolment, lead)
            return back(request, reverse("leads:lead_detail", args=[lead.pk]))
    context = {"lead": lead, "form": form, "has_plans": NurturePlan.objects.filter(is_active=True).exists()}
    return render(request, "nurture/lead_enter.html", context, status=422 if form.errors else 200)


def _say_entered(request: HttpRequest, enrolment: Enrolment, lead: Lead) -> None:
    undo = f"undo:{reverse('pipeline:nurture_take_out', args=[enrolment.pk])}"
    text = _("%(lead)s is in “%(plan)s”.") % {"lead": lead, "plan": enrolment.plan}
    messages.success(request, text, extra_tags=undo)


@login_required
@require_POST
def leads_enter(request: HttpRequest) -> HttpResponse:
    """Enter the selected leads: asks into which plan, does each by itself, and says of each what became of it."""
    require(request, access.NURTURE_LEADS)
    wanted = {int(pk) for pk in request.POST.getlist("selected") if pk.isascii() and pk.isdigit() and len(pk) < 19}
    if len(wanted) > MOST_AT_ONCE:
        text = _("You selected %(count)s leads; at most %(most)s can be entered at once. Nothing was done.")
        messages.error(request, text % {"count": len(wanted), "most": MOST_AT_ONCE})
        return back(request, reverse("leads:lead_list"))
    leads = list(Lead.objects.visible_to(request.user).filter(pk__in=wanted).for_list().order_by("pk"))
    if not leads:
        messages.error(request, _("Select the leads first."))
        return back(request, reverse("leads:lead_list"))
    form = EnterForm(request.POST if "confirmed" in request.POST else None)
    if not form.is_valid():
        context = {
            "leads": leads,
            "ready": [lead for lead in leads if lead.stage == Stage.WARM],
            "form": form,
            "has_plans": NurturePlan.objects.filter(is_active=True).exists(),
        }
        return render(request, "nurture/leads_enter.html", context, status=422 if form.errors else 200)
    plan, rows = form.cleaned_data["plan"], []
    mailable = set(consents.may_be_mailed(Contact.objects.filter(leads__in=leads)).values_list("pk", flat=True))
    for lead in leads:
        try:
            enrol.enter(plan, lead, by=request.user, at=timezone.now())
            # By hand they may enter all the same: the plan's tasks are done, its mails are left out.
            rows.append({"lead": lead, "why_not": "", "is_mailed": lead.contact_id in mailable})
        except TransitionError as refusal:
            rows.append({"lead": lead, "why_not": str(refusal)})
    done = sum(1 for row in rows if not row["why_not"])
    said = ngettext("%(done)s lead entered.", "%(done)s leads entered.", done) % {"done": done}
    messages.add_message(request, messages.SUCCESS if done else messages.WARNING, said)
    context = {"rows": rows, "plan": plan, "done": done, "left": len(rows) - done}
    return render(request, "nurture/leads_enter.html", context)


def _enrolment(request: HttpRequest, pk: int) -> Enrolment:
    rows = Enrolment.objects.filter(lead__in=Lead.objects.visible_to(request.user))
    return get_object_or_404(rows.select_related("plan", "lead__contact"), pk=pk)


@access.only_for(access.NURTURE_LEADS)
@require_POST
def take_out(request: HttpRequest, pk: int) -> HttpResponse:
    enrolment = _enrolment(request, pk)
    with explained(request):
        enrol.take_out(enrolment, by=request.user, at=timezone.now())
        text = _("%(lead)s is out of “%(plan)s”.") % {"lead": enrolment.lead, "plan": enrolment.plan}
        undo = f"undo:{reverse('pipeline:nurture_put_back', args=[enrolment.pk])}"
        messages.success(request, text, extra_tags=undo)
    return back(request, reverse("pipeline:nurture_plan", args=[enrolment.plan_id]), to_referrer=True)


@access.only_for(access.NURTURE_LEADS)
@require_POST
def put_back(request: HttpRequest, pk: int) -> HttpResponse:
    enrolment = _enrolment(request, pk)
    with explained(request):
        enrol.put_back(enrolment, by=request.user, at=timezone.now())
        text = _("%(lead)s is in “%(plan)s” again.") % {"lead": enrolment.lead, "plan": enrolment.plan}
        messages.success(request, text)
    return back(request, reverse("pipeline:nurture_plan", args=[enrolment.plan_id]), to_referrer=True)


def panel(lead: Lead, user: User) -> dict[str, Any]:
    """What the panel on a lead's page tells of its nurturing."""
    return {
        "enrolments": lead.enrolments.running().select_related("plan", "next_step__template").order_by("pk"),
        "may_nurture": access.may(user, access.NURTURE_LEADS) and lead.stage == Stage.WARM,
        "is_proposed": lead.stage == Stage.WARM and lead.proposed_at is not None,
    }
