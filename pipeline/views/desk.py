"""The qualification desk: the SDR's queue, and the call sheet of one lead."""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.access import NotAllowed
from accounts.keyset import count_up_to, keyset_page
from accounts.models import Organisation
from leads import criteria
from leads.answering import answered_before
from leads.forms.phone import PhoneForm
from leads.models import CriterionAnswer, Lead, LeadEvent, QuestionnaireVersion, Stage
from pipeline import response, transitions
from pipeline.desk import TO_CALL, Queue, attempts, call_back_times, just_called, next_lead, ready_to_qualify, retry_at
from pipeline.forms.handoff_filters import DeskFilter, DeskStep
from pipeline.forms.steps import CallForm
from pipeline.models import Activity, Agreement
from pipeline.transitions import MOVES, TransitionError
from pipeline.views.steps import explained, say_done

SHOWN = 8  # rows of one queue on the desk; the rest is behind its “All”
LATEST = 5  # activities on the sheet


@access.only_for(access.CALL_LEADS)
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """Who to call next: every queue's first, or one queue whole."""
    filters, now = DeskFilter.read(request.GET), timezone.now()
    leads = filters.apply(Lead.objects.visible_to(request.user), request.user)
    chosen = filters.cleaned_data["queue"]
    sections: list[dict[str, Any]] = []
    ready = ready_to_qualify(leads, now) if chosen in ("", Queue.READY, Queue.OPEN) else []
    for queue in [Queue(chosen)] if chosen else Queue:
        waiting = queue.of(leads, now, ready)
        if chosen:
            page = keyset_page(waiting.for_list(), request.GET, order=queue.order, size=30)
        else:
            page = keyset_page(waiting.for_list(), {}, order=queue.order, size=SHOWN)
        is_ready = queue is Queue.READY
        sections.append(
            {"queue": queue, "is_ready": is_ready, "page": page, "count": count_up_to(waiting, 1_000, page=page)}
        )
    rows = as_rows([lead for section in sections for lead in section["page"].rows], now)
    for section in sections:
        section["rows"] = [rows[lead.pk] for lead in section["page"].rows]
    context = {
        "sections": [section for section in sections if section["rows"]],
        "filters": filters,
        "chosen": Queue(chosen) if chosen else None,
        "now": now,
        "next_lead": None if chosen else next_lead(leads, now),
        "waiting": sum(section["count"].number for section in sections if section["queue"] in TO_CALL),
    }
    return render(request, "pipeline/desk.html", context)


def as_rows(leads: Sequence[Lead], now: datetime.datetime) -> dict[int, dict[str, Any]]:
    """Each lead with its clock, who called just now, and how often nobody answered. The same queries for any number."""
    recent, tried = just_called(leads, now), attempts(leads)
    agreements, organisation = list(Agreement.objects.order_by("-in_force_at", "-version")), Organisation.current()
    return {
        lead.pk: {
            "lead": lead,
            "clock": response.clock(lead, now, agreements=agreements, organisation=organisation)
            if lead.contacted_at is None
            else None,
            "recent": recent.get(lead.pk),
            "attempts": tried.get(lead.pk, 0),
        }
        for lead in leads
    }


@access.only_for(access.CALL_LEADS)
@require_safe
def desk_filter(request: HttpRequest) -> HttpResponse:
    """The desk's filters as a form, in a dialog."""
    context = {"form": DeskFilter.read(request.GET), "list_url": reverse("pipeline:desk")}
    return render(request, "pipeline/filter.html", context)


@access.only_for(access.CALL_LEADS)
@require_safe
def desk_next(request: HttpRequest) -> HttpResponse:
    """To the sheet of the lead that is next: behind the one that is skipped, or besides the one that is done with."""
    filters = DeskStep.read(request.GET)
    leads = Lead.objects.visible_to(request.user).select_related("contact")
    skipped, done = (leads.filter(pk=filters.cleaned_data[name] or 0).first() for name in ("skip", "besides"))
    return _to_next(request, filters, skipped=skipped, done=done)


def _to_next(
    request: HttpRequest, filters: DeskFilter, *, skipped: Lead | None = None, done: Lead | None = None
) -> HttpResponseRedirect:
    leads = filters.apply(Lead.objects.visible_to(request.user), request.user)
    following = next_lead(leads, timezone.now(), after=skipped, besides=done)
    if following is not None:
        return redirect(reverse("pipeline:desk_sheet", args=[following.pk]) + filters.address)
    messages.info(request, _("Nobody else is waiting for a call."))
    return redirect(reverse("pipeline:desk") + filters.address)


# --- The call sheet --------------------------------------------------------------------------------------------------


def _lead(request: HttpRequest, pk: int) -> Lead:
    leads = Lead.objects.visible_to(request.user).for_list().select_related("criteria_set", "removal_reason")
    return get_object_or_404(leads, pk=pk)


@access.only_for(access.CALL_LEADS)
@require_http_methods(["GET", "HEAD", "POST"])
def desk_sheet(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything for one call: what is known, what to ask, what came of it. Saving leads to the next lead."""
    filters, lead, now = DeskFilter.read(request.GET), _lead(request, pk), timezone.now()
    organisation = Organisation.current()
    times, retry = call_back_times(now, organisation), retry_at(now, organisation)
    form = CallForm(
        request.POST if request.method == "POST" else None,
        retries={each.value: str(each.label) for each in (retry, *times)}.items(),
        initial={"brief": lead.brief, "retry_at": retry.value, "submission_key": uuid.uuid4()},
    )
    version = QuestionnaireVersion.objects.brief_of(lead)
    brief = _brief_form(request, lead, version, now) if version else None
    # An untouched brief may have required questions: nobody was there to answer them.
    is_brief_right = brief is None or not brief.is_bound or _may_be_kept(brief)
    if request.method == "POST" and form.is_valid() and is_brief_right:
        with explained(request, form):
            try:
                activity = _record(request, lead, form, brief)
            except NotAllowed as refusal:  # the role may; it is the lead that somebody handed over during the call
                raise TransitionError(_("Sales has this lead now. %(why)s") % {"why": refusal}) from refusal
            return _answer_call(
                request, lead, activity, filters, can_undo=not (form.new_brief or (brief and brief.is_touched))
            )
        lead = _lead(request, pk)  # as it is now: perhaps somebody else was faster
    activities = list(lead.activities.select_related("by").order_by("-at", "-pk")[:LATEST])
    context = {
        "lead": lead,
        "form": form,
        "brief": brief,
        "version": version,
        "is_brief_open": bool(
            brief and (brief.initial.keys() - {"submission_key"} or (brief.is_bound and brief.errors))
        ),
        "filters": filters,
        "desk_url": reverse("pipeline:desk") + filters.address,
        "clock": response.clock(lead, now, organisation=organisation),
        "times": times,
        "recent": just_called([lead], now).get(lead.pk),
        "activities": activities,
        "attempts": attempts([lead]).get(lead.pk, 0),
        "other_products": lead.other_products.all(),
        **_criteria(request, lead),
    }
    return render(request, "pipeline/desk_sheet.html", context, status=422 if request.method == "POST" else 200)


def _brief_form(request: HttpRequest, lead: Lead, version: QuestionnaireVersion, now: datetime.datetime) -> PhoneForm:
    """The brief's questions, filled with what was answered before. It is sent with the call and shares its key."""
    sent = request.POST if request.method == "POST" else None
    return PhoneForm(version, sent, contact=lead.contact, at=now, initial=answered_before(lead, version))


def _may_be_kept(brief: PhoneForm) -> bool:
    return brief.is_valid() or brief.is_half_filled or not brief.is_touched


@transaction.atomic
def _record(request: HttpRequest, lead: Lead, form: CallForm, brief: PhoneForm | None) -> Activity:
    """The call, then what was learned in it: the first contact comes before the brief."""
    now, typed = timezone.now(), form.cleaned_data
    activity = transitions.log_activity(
        lead,
        Activity.Kind.CALL,
        typed["outcome"],
        by=request.user,
        at=now,
        note=typed["note"],
        submission_key=typed["submission_key"],
        next_attempt_at=typed["next_attempt_at"],
    )
    if form.new_brief:
        transitions.record_brief(lead, form.new_brief, by=request.user, at=now, seen=form.seen_brief)
    if brief is not None and brief.is_touched:
        transitions.fill_in(
            lead,
            brief.version,
            brief.answers,
            is_complete=not brief.errors,
            submission_key=typed["submission_key"],
            consents=brief.agreed_to,
            by=request.user,
            at=now,
        )
    return activity


def _answer_call(
    request: HttpRequest, lead: Lead, activity: Activity, filters: DeskFilter, *, can_undo: bool
) -> HttpResponse:
    said = _("%(activity)s recorded for %(lead)s.") % {"activity": activity, "lead": lead}
    say_done(request, said[:1].upper() + said[1:], lead, LeadEvent.Kind.ACTIVITY if can_undo else None)
    if activity.outcome == Activity.Outcome.WRONG_NUMBER:
        messages.warning(request, _("Look for another number, write an e-mail, or remove the lead."))
        return redirect(reverse("pipeline:desk_sheet", args=[lead.pk]) + filters.address)
    return _to_next(request, filters, done=lead)


@access.only_for(access.CALL_LEADS)
@require_POST
def desk_criterion(request: HttpRequest, pk: int) -> HttpResponse:
    """One answer to one criterion, by one tap."""
    filters, lead = DeskFilter.read(request.GET), _lead(request, pk)
    keys = {row.criterion.key for row in criteria.judge(lead, at=timezone.now()).rows if not row.by_rule}
    key, value = request.POST.get("key", ""), request.POST.get("value", "")
    if key in keys and value in CriterionAnswer.Value.values:
        criteria.answer(lead, key, value, by=request.user, at=timezone.now())
    else:
        messages.error(request, _("The criteria have changed meanwhile. Please answer again."))
    if not request.htmx:
        return redirect(f"{reverse('pipeline:desk_sheet', args=[lead.pk])}{filters.address}#criteria")
    context = {"lead": lead, "filters": filters, "is_fragment": True, **_criteria(request, lead)}
    return render(request, "pipeline/desk_sheet.html#decide", context)


def _criteria(request: HttpRequest, lead: Lead) -> dict:
    """What is still to be asked, what is known already, and what can be decided now."""
    judgement = criteria.judge(lead, at=timezone.now())
    rows = judgement.rows
    asked = [row for row in rows if not row.by_rule and row.value == CriterionAnswer.Value.UNKNOWN]
    return {
        "judgement": judgement,
        "asked": asked,
        "known": [row for row in rows if row not in asked],
        "answers": CriterionAnswer.Value,
        "fails": [row.criterion for row in rows if row.criterion.is_required and row.value == "no"],
        "may_answer": not lead.is_removed,
        "may_qualify": lead.stage in MOVES[Stage.QUALIFIED],
        "may_keep_warm": lead.stage in MOVES[Stage.WARM],
        "may_hand_over": lead.stage in MOVES[Stage.HANDED_OVER],
        "may_remove": lead.stage in transitions.REMOVABLE,
    }
