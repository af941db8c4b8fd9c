"""Refusing a lead, marketing's answers to what came back, the director's decisions, and what criteria learn from it."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from accounts.models import User
from leads import criteria
from leads.models import CriteriaSet, LeadEvent
from leads.timeline import entries
from pipeline import lessons, refusals, transitions
from pipeline.forms.returns import DisputeForm, RejectForm, ReturnAnswerForm
from pipeline.models import Handoff, ReturnAnswer
from pipeline.models.handoffs import HandoffQuerySet
from pipeline.views.steps import back, explained, require, say_done

SCOPES = {"mine": gettext_lazy("Mine"), "all": gettext_lazy("All")}
LATEST = 30  # events beside a dispute
PEOPLE = ("handed_over_by", "decided_by", "wanted_product", "failed_criterion", "lead__owner", "lead__criteria_set")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def handoff_reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks why, then returns the lead to marketing."""
    require(request, access.SELL)
    handoffs = Handoff.objects.visible_to(request.user).for_list().select_related(*PEOPLE)
    handoff = get_object_or_404(handoffs, pk=pk)
    seen = refusals.refusable(handoff)
    form = RejectForm(request.POST if request.method == "POST" else None, seen=seen)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.reject(handoff, by=request.user, at=timezone.now(), **form.verdict)
            said = _("%(lead)s went back to marketing, with your reasons.") % {"lead": handoff.lead}
            say_done(request, said, handoff.lead, LeadEvent.Kind.RETURNED)
            return back(request, reverse("pipeline:handoff_detail", args=[pk]))
        handoff = get_object_or_404(handoffs, pk=pk)  # as it is now: perhaps somebody else decided
    context = {
        "handoff": handoff,
        "form": form,
        "seen": seen,
        "refused": refusals.shown([handoff])[0],
        "attempts": transitions.recorded_attempts(handoff),
        "needed": handoff.agreement.unreachable_attempts,
    }
    return render(request, "pipeline/handoff_reject.html", context, status=422 if form.errors else 200)


def unanswered(user: User, scope: str) -> HandoffQuerySet:
    """Refused handoffs that wait for marketing: all, or those of leads that are `user`'s or nobody's."""
    waiting = Handoff.objects.visible_to(user).unanswered()
    if scope == "mine":
        waiting = waiting.filter(lead__owner=user) | waiting.filter(lead__owner=None)
    return waiting


@login_required
@require_safe
def return_list(request: HttpRequest) -> HttpResponse:
    """What sales refused and marketing hasn't answered yet, the oldest first; beside it what refusals add up to."""
    unknown = set(request.GET) - {"scope", "after"}
    scope = request.GET.get("scope", "all")
    if unknown or scope not in SCOPES:
        raise BadRequest(
            _("There is no such filter: %(names)s.") % {"names": ", ".join(sorted(unknown | {scope}))[:200]}
        )
    now, waiting = timezone.now(), unanswered(request.user, scope)
    page = keyset_page(waiting.for_list().select_related(*PEOPLE), request.GET, order=("decided_at", "pk"), size=20)
    disputes = Handoff.objects.visible_to(request.user).filter(answer__in=ReturnAnswer.objects.to_decide())
    context = {
        "rows": refusals.shown(page.rows),
        "next_key": page.next_key,
        "count": count_up_to(waiting, page=page),
        "scope": scope,
        "scopes": SCOPES,
        "may_answer": access.may(request.user, access.ANSWER_RETURNS),
        "form": ReturnAnswerForm(auto_id=False),
        "share": lessons.accepted_share(now),
        "by_reason": lessons.refusals_by_reason(now),
        "disputes": disputes.for_list().order_by("answer__answered_at", "pk")[:20],
        "here": request.get_full_path(),
    }
    return render(request, "pipeline/return_list.html", context)


_SAID = {
    ReturnAnswer.Answer.REQUALIFY: gettext_lazy("%(lead)s is with you again, to be qualified."),
    ReturnAnswer.Answer.NURTURE: gettext_lazy("%(lead)s is kept warm."),
    ReturnAnswer.Answer.AGREE: gettext_lazy("Answered: sales is right about %(lead)s."),
    ReturnAnswer.Answer.DISPUTE: gettext_lazy("The director decides about %(lead)s."),
}
# The event that undoing the answer takes back.
_UNDOES = {ReturnAnswer.Answer.NURTURE: LeadEvent.Kind.WARM}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def return_answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Marketing's answer to one return. What can't be taken is said beside what was typed."""
    require(request, access.ANSWER_RETURNS)
    handoffs = Handoff.objects.visible_to(request.user).for_list().select_related(*PEOPLE)
    handoff = get_object_or_404(handoffs, pk=pk)
    form = ReturnAnswerForm(request.POST if request.method == "POST" else None, auto_id=False)
    if request.method == "POST" and form.is_valid():
        answer = ReturnAnswer.Answer(form.cleaned_data.pop("answer"))
        with explained(request, form):
            transitions.answer_return(handoff, answer, by=request.user, at=timezone.now(), **form.cleaned_data)
            is_removed = form.cleaned_data["removal"] is not None
            undoes = LeadEvent.Kind.REMOVED if is_removed else _UNDOES.get(answer, LeadEvent.Kind.RETURN_ANSWERED)
            say_done(request, _SAID[answer] % {"lead": handoff.lead}, handoff.lead, undoes)
            return back(request, reverse("pipeline:return_list"))
        handoff = get_object_or_404(handoffs, pk=pk)
    context = {
        "refused": refusals.shown([handoff])[0],
        "handoff": handoff,
        "form": form,
        "waits": handoff.verdict == Handoff.Verdict.REJECTED and handoff.return_closed_at is None,
    }
    return render(request, "pipeline/return_answer.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dispute_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Both sides of a dispute with the criteria and what happened; the director decides."""
    require(request, access.DECIDE_DISPUTES)
    handoffs = Handoff.objects.visible_to(request.user).for_list().select_related(*PEOPLE)
    handoff = get_object_or_404(handoffs, pk=pk)
    form = DisputeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        decision = ReturnAnswer.Decision(form.cleaned_data.pop("decision"))
        with explained(request, form):
            transitions.decide_dispute(handoff, decision, by=request.user, at=timezone.now(), **form.cleaned_data)
            said = _("Decided about %(lead)s: %(decision)s.") % {"lead": handoff.lead, "decision": decision.label}
            say_done(request, said, handoff.lead, LeadEvent.Kind.DISPUTE_DECIDED)
            return back(request, reverse("pipeline:home"))
        handoff = get_object_or_404(handoffs, pk=pk)
    refused = refusals.shown([handoff])[0]
    judgement = refusals.refusable(handoff).judgement
    events = handoff.lead.events.select_related("actor").order_by("-at", "-pk")[:LATEST]
    context = {
        "refused": refused,
        "handoff": handoff,
        "form": form,
        "waits": refused.answer is not None and refused.answer.is_open_dispute,
        "judgement": judgement,
        "criteria_rows": criteria.explained(judgement),
        "entries": entries(events),
    }
    return render(request, "pipeline/dispute_decide.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def criteria_lessons(request: HttpRequest, pk: int) -> HttpResponse:
    """What refusals say of the criteria, of this version's first; the pages of criteria load it."""
    criteria_set = get_object_or_404(CriteriaSet.objects.prefetch_related("criteria"), pk=pk)
    now = timezone.now()
    rows, all_url = lessons.doubts(now)
    context = {
        "version": criteria_set,
        "rows": lessons.of_criteria(criteria_set.criteria.all(), now),
        "doubts": rows,
        "doubts_url": all_url,
    }
    return render(request, "pipeline/criteria_lessons.html", context)
