"""What is done with several handoffs of the inbox at once: each by itself, and of each is said what became of it."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import access
from accounts.access import NotAllowed
from accounts.models import Organisation
from leads.models import LeadEvent
from leads.normalise import read_number
from pipeline import sales_mail, transitions
from pipeline.forms.activities import BulkMailForm
from pipeline.forms.steps import ReassignForm
from pipeline.models import Handoff
from pipeline.transitions import TransitionError
from pipeline.views.steps import back, require

MOST_AT_ONCE = 50


def _selected(request: HttpRequest) -> list[Handoff] | HttpResponse:
    """The handoffs that were ticked, the first verdict due on top; or the way back when there are none, or too many."""
    wanted = {number for pk in request.POST.getlist("selected") if (number := read_number(pk))}
    if len(wanted) > MOST_AT_ONCE:
        text = _("You selected %(count)s leads; at most %(most)s can be dealt with at once. Nothing was done.")
        messages.error(request, text % {"count": len(wanted), "most": MOST_AT_ONCE})
        return back(request, reverse("pipeline:inbox"))
    handoffs = Handoff.objects.visible_to(request.user).filter(pk__in=wanted)
    found = list(handoffs.for_list().select_related("decided_by").order_by("verdict_due_at", "pk"))
    if not found:
        messages.error(request, _("Select the leads first."))
        return back(request, reverse("pipeline:inbox"))
    return found


def _each(handoffs: list[Handoff], step: Callable[[Handoff], object]) -> list[dict[str, Any]]:
    results = []
    for handoff in handoffs:
        try:
            step(handoff)
            results.append({"handoff": handoff, "why_not": ""})
        except (TransitionError, NotAllowed) as refusal:
            results.append({"handoff": handoff, "why_not": str(refusal)})
    return results


def _page(request: HttpRequest, title: str, *, status: int = 200, **context: Any) -> HttpResponse:
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    context |= {"title": title, "next": wanted if is_ours else "", "inbox_url": reverse("pipeline:inbox")}
    return render(request, "pipeline/handoffs_bulk.html", context, status=status)


def _told(
    request: HttpRequest, title: str, results: list[dict[str, Any]], undoes: LeadEvent | None = None
) -> HttpResponse:
    done = sum(1 for result in results if not result["why_not"])
    said = ngettext("%(done)s lead: done.", "%(done)s leads: done.", done) % {"done": done}
    undo_url = reverse("pipeline:undo_together", args=[undoes.pk]) if undoes else ""
    level = messages.SUCCESS if done else messages.WARNING
    messages.add_message(request, level, said, extra_tags=f"undo:{undo_url}" if undo_url else "")
    return _page(request, title, results=results, done=done, left=len(results) - done, undo_url=undo_url)


def _last_event(request: HttpRequest, handoffs: list[Handoff], kind: LeadEvent.Kind, at: Any) -> LeadEvent | None:
    """Any one of what was done at this moment: by it the undo knows the others."""
    leads = [handoff.lead_id for handoff in handoffs]
    return LeadEvent.objects.filter(lead__in=leads, kind=kind, actor=request.user, at=at).first()


@login_required
@require_POST
def handoffs_accept(request: HttpRequest) -> HttpResponse:
    """Accept those of the selected whose client was contacted."""
    require(request, access.SELL)
    handoffs = _selected(request)
    if isinstance(handoffs, HttpResponse):
        return handoffs
    now = timezone.now()
    results = _each(handoffs, lambda handoff: transitions.accept(handoff, by=request.user, at=now))
    return _told(request, _("Accept leads"), results, _last_event(request, handoffs, LeadEvent.Kind.ACCEPTED, now))


@login_required
@require_POST
def handoffs_reassign(request: HttpRequest) -> HttpResponse:
    """Give the selected to another rep: asks to whom. `confirmed` says that the question was answered."""
    require(request, access.REASSIGN_HANDOFFS)
    handoffs = _selected(request)
    if isinstance(handoffs, HttpResponse):
        return handoffs
    form = ReassignForm(request.POST if "confirmed" in request.POST else None, by=request.user)
    if not form.is_valid():
        rows = [{"handoff": handoff, "subject": str(handoff.assigned_to)} for handoff in handoffs]
        context = {"rows": rows, "form": form, "action": _("Reassign")}
        return _page(request, _("Reassign leads"), status=422 if form.errors else 200, **context)
    now, to = timezone.now(), form.cleaned_data["to"]
    results = _each(handoffs, lambda handoff: transitions.reassign(handoff, to, by=request.user, at=now))
    return _told(request, _("Reassign leads"), results)


@login_required
@require_POST
def handoffs_mail(request: HttpRequest) -> HttpResponse:
    """Write to the selected from one template, to each in their language. Sent twice, it writes once."""
    require(request, access.SELL)
    handoffs = _selected(request)
    if isinstance(handoffs, HttpResponse):
        return handoffs
    is_sure = "confirmed" in request.POST
    form = BulkMailForm(request.POST if is_sure else None, initial={"submission_key": uuid.uuid4()})
    if not form.is_valid():
        rows = [{"handoff": handoff, "why_not": sales_mail.why_not(handoff.lead.contact)} for handoff in handoffs]
        context = {"rows": rows, "form": form, "action": _("Send")}
        return _page(request, _("Write to several clients"), status=422 if form.errors else 200, **context)
    now, template, organisation = timezone.now(), form.cleaned_data["template"], Organisation.current()
    batch = form.cleaned_data["submission_key"]

    def write(handoff: Handoff) -> None:
        filled = sales_mail.draft(template, handoff.lead, request.user, organisation)
        transitions.write_to(
            handoff.lead,
            filled.subject,
            filled.text,
            by=request.user,
            at=now,
            submission_key=uuid.uuid5(batch, str(handoff.lead_id)),
        )

    results = _each(handoffs, write)
    undoes = _last_event(request, handoffs, LeadEvent.Kind.ACTIVITY, now)
    return _told(request, _("Write to several clients"), results, undoes)
