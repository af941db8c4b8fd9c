"""The list of leads, a lead's page, and what is written on it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from leads import criteria, timeline
from leads.answering import latest_answers
from leads.editing import StaleEdit, add_note, edit_lead, lead_version
from leads.forms.leads import LeadFactsForm, LeadFilter, LeadForm, NoteForm
from leads.forms.stand import StandMatchForm
from leads.models import Campaign, CriteriaSet, CriterionAnswer, Lead, Stage
from leads.models.leads import FUNNEL
from leads.normalise import read_number
from leads.registration import register_lead

# --- The list --------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def lead_list(request: HttpRequest) -> HttpResponse:
    filters = LeadFilter.read(request.GET)
    found = filters.apply(Lead.objects.visible_to(request.user))
    page = keyset_page(found.for_list().defer(*_NOT_LISTED), request.GET, order=filters.order)
    reached, now = filters.reached_stage or Stage.NEW, timezone.now()
    context: dict[str, Any] = {
        "page": page,
        "rows": [(lead, getattr(lead, reached.reached_field)) for lead in page.rows],
        "untouched": {lead.pk for lead in page.rows if lead.is_untouched(now)},
        "reached": reached,
        "may_hand_over": access.may(request.user, access.HAND_OVER_LEADS),
    }
    if request.htmx and "after" in request.GET:
        return render(request, "leads/lead_list.html#rows", context)
    context |= {
        "filters": filters,
        "count": count_up_to(found, page=context["page"]),
        "stages": Stage,
        "orders": [(name, label) for name, (label, _order) in LeadFilter.ORDERS.items()],
        "may_register": access.may(request.user, access.REGISTER_LEADS),
        "may_export": access.may(request.user, access.EXPORT),
    }
    return render(request, "leads/lead_list.html", context)


# What a row doesn't show and a page of fifty needn't carry.
_NOT_LISTED = ["note", "brief", "source_details", "search_text", "contact__note", "contact__search_text"]


@login_required
@require_safe
def lead_filter(request: HttpRequest) -> HttpResponse:
    """All filters as one form, which leads back to the list."""
    return render(request, "leads/lead_filter.html", {"form": LeadFilter.read(request.GET)})


@access.only_for(access.REGISTER_LEADS)
@require_http_methods(["GET", "HEAD", "POST"])
def lead_add(request: HttpRequest) -> HttpResponse:
    campaign = (
        Campaign.objects.visible_to(request.user).filter(pk=read_number(request.GET.get("campaign")) or 0).first()
    )
    posted = request.POST if request.method == "POST" else None
    form = LeadForm(posted, today=timezone.localdate(), campaign=campaign)
    if posted is not None and form.is_valid():
        products = list(form.cleaned_data["products"])
        registered = register_lead(
            form.cleaned_data["campaign"],
            form.person,
            by=request.user,
            at=timezone.now(),
            product=next(iter(products), None),
            other_products=products[1:],
            submission_key=form.cleaned_data["submission_key"],
            **form.details,
        )
        lead = registered.lead
        if registered.is_new or lead.submission_key == form.cleaned_data["submission_key"]:
            messages.success(request, _("%(lead)s is registered.") % {"lead": lead})
        else:
            text = _("%(lead)s was registered in this campaign already. Your note was added to that lead.")
            messages.info(request, text % {"lead": lead})
        return redirect("leads:lead_detail", lead.pk)
    context = {"form": form, "may_plan": access.may(request.user, access.PLAN_CAMPAIGNS)}
    return render(request, "leads/lead_add.html", context, status=422 if form.errors else 200)


@access.only_for(access.REGISTER_LEADS)
@require_POST
def lead_match(request: HttpRequest) -> HttpResponse:
    """Who has the typed e-mail or phone already. A POST, so that addresses of people stay out of logs."""
    form = StandMatchForm(request.POST)
    form.is_valid()
    contact = form.match()
    leads = contact.leads.select_related("campaign").order_by("-pk")[:3] if contact else []
    return render(request, "leads/lead_add.html#match", {"contact": contact, "leads": leads})


# --- The page of one lead --------------------------------------------------------------------------------------------


def _lead(request: HttpRequest, pk: int) -> Lead:
    leads = Lead.objects.visible_to(request.user).for_list()
    return get_object_or_404(leads.select_related("registered_by", "criteria_set", "removal_reason"), pk=pk)


def _may_edit(request: HttpRequest, lead: Lead) -> bool:
    return access.may(request.user, access.EDIT_CONTACTS) and lead.contact.erased_at is None


@login_required
@require_safe
def lead_detail(request: HttpRequest, pk: int) -> HttpResponse:
    lead = _lead(request, pk)
    context = {"lead": lead, **_timeline(request, lead), "may_edit": _may_edit(request, lead)}
    if request.htmx and "after" in request.GET:
        return render(request, "leads/lead_detail.html#events", context)
    context |= {
        "ribbon": _ribbon(lead),
        "sources": _sources(lead),
        "may_note_bounce": access.may(request.user, access.QUALIFY_LEADS),
        "note_form": NoteForm(),
        "other_leads": lead.contact.leads.exclude(pk=lead.pk).select_related("campaign").order_by("-pk")[:5],
        "said": latest_answers(lead),
        **_criteria(request, lead),
    }
    return render(request, "leads/lead_detail.html", context)


def _ribbon(lead: Lead) -> list[dict[str, Any]]:
    """The funnel with the dates reached; where the lead stands aside of it (warm, returned, lost), that comes last."""
    steps = [
        {"label": stage.label, "at": at, "is_current": stage == lead.stage, "is_won": stage == Stage.WON and at}
        for stage, at in lead.reached()
    ]
    stage = Stage(lead.stage)
    if stage not in FUNNEL:
        last = max((index for index, step in enumerate(steps) if step["at"]), default=0)
        at = getattr(lead, stage.reached_field)
        steps.insert(last + 1, {"label": stage.label, "at": at, "is_current": True, "is_stopped": True})
    return steps


def _sources(lead: Lead) -> list[tuple[str, Any]]:
    """Where the lead came from beyond its campaign, as (name, value)."""
    utm = [(name, getattr(lead, name)) for name in LeadForm.UTM]
    return [(name, value) for name, value in [*utm, *lead.source_details.items()] if value]


def _timeline(request: HttpRequest, lead: Lead) -> dict[str, Any]:
    page = keyset_page(lead.events.select_related("actor"), request.GET, order=("-at", "-pk"), size=30)
    return {"events": page, "entries": timeline.entries(page.rows)}


def _criteria(request: HttpRequest, lead: Lead) -> dict[str, Any]:
    now = timezone.now()
    judgement = criteria.judge(lead, at=now)
    judges = access.may(request.user, access.QUALIFY_LEADS)
    again = CriteriaSet.objects.in_force(now, lead.product) if judges and criteria.was_judged(lead) else None
    return {
        "judgement": judgement,
        "criteria_rows": criteria.explained(judgement),
        "answers": CriterionAnswer.Value,
        "may_answer": judges and not lead.is_removed,
        "rejudge_by": again if again != lead.criteria_set else None,
        "judgements": lead.judgements.select_related("criteria_set__product", "by").order_by("-at", "-pk")[:10]
        if lead.criteria_set
        else [],
    }


@access.only_for(access.EDIT_CONTACTS)
@require_POST
def lead_note(request: HttpRequest, pk: int) -> HttpResponse:
    lead = _lead(request, pk)
    form = NoteForm(request.POST)
    if form.is_valid():
        add_note(lead, form.cleaned_data["text"], by=request.user, at=timezone.now())
        form = NoteForm()
    elif not request.htmx:
        messages.error(request, " ".join(map(str, form.errors["text"])))
    if not request.htmx:
        return redirect("leads:lead_detail", lead.pk)
    context = {"lead": lead, "note_form": form, "may_edit": True, **_timeline(request, lead)}
    return render(request, "leads/lead_detail.html#timeline", context)


@access.only_for(access.QUALIFY_LEADS)
@require_POST
def lead_criterion(request: HttpRequest, pk: int) -> HttpResponse:
    """One answer to one criterion."""
    lead = _lead(request, pk)
    rows = {row.criterion.key: row for row in criteria.judge(lead, at=timezone.now()).rows}
    key, value = request.POST.get("key", ""), request.POST.get("value", "")
    if key in rows and rows[key].by_rule:
        messages.error(request, _("A rule decides this from what is known, so it isn't asked."))
    elif key in rows and value in CriterionAnswer.Value.values:
        criteria.answer(lead, key, value, by=request.user, at=timezone.now())
    else:
        messages.error(request, _("The criteria have changed meanwhile. Please answer again."))
    if not request.htmx:
        return redirect(f"{reverse('leads:lead_detail', args=[lead.pk])}#criteria")
    response = render(request, "leads/lead_detail.html#criteria", {"lead": lead, **_criteria(request, lead)})
    response["HX-Trigger-After-Settle"] = "lead-changed"
    return response


@access.only_for(access.QUALIFY_LEADS)
@require_POST
def lead_rejudge(request: HttpRequest, pk: int) -> HttpResponse:
    """Judge the lead by the version in force now; the old result stays beside the new one."""
    lead = _lead(request, pk)
    try:
        judged = criteria.rejudge(lead, by=request.user, at=timezone.now())
    except criteria.NotJudged as refusal:
        messages.error(request, str(refusal))
    else:
        if judged is None:
            messages.info(request, _("The lead is under the version in force already."))
        else:
            said = _("Judged by version %(version)s: %(result)s.")
            result = pgettext("criteria", "met") if judged[1].is_met else pgettext("criteria", "not met")
            messages.success(request, said % {"version": judged[1].criteria_set.version, "result": result})
    return redirect(f"{reverse('leads:lead_detail', args=[lead.pk])}#criteria")


@access.only_for(access.EDIT_CONTACTS)
@require_http_methods(["GET", "HEAD", "POST"])
def lead_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The facts of a lead: in place on its page, or a page of its own."""
    lead = _lead(request, pk)
    posted = request.POST if request.method == "POST" else None
    form = LeadFactsForm(posted, instance=lead, version=lead_version(lead))
    if posted is not None and form.is_valid():
        try:
            edit_lead(
                lead,
                form.changes,
                by=request.user,
                at=timezone.now(),
                version=read_number(form.cleaned_data["version"]) or 0,
            )
        except StaleEdit as stale:
            current = _lead(request, pk)
            form.show_stale(str(stale), LeadFactsForm(instance=current, version=lead_version(current)))
        else:
            if not request.htmx or request.htmx.current_url_abs_path == request.path:
                messages.success(request, _("Saved."))
                url = reverse("leads:lead_detail", args=[lead.pk])
                return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
            response = render(request, "leads/lead_detail.html#facts", {"lead": _lead(request, pk), "may_edit": True})
            response["HX-Trigger-After-Settle"] = "lead-changed"
            return response
    fragment = "#form" if request.htmx and posted is not None else ""
    return render(request, f"leads/lead_edit.html{fragment}", {"lead": lead, "form": form})
