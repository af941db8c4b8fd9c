"""The spam queue: public submissions that a person looks at before they become leads; and what one submission says."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from leads import suspicions
from leads.answering import NotNow, decide, told
from leads.forms.questionnaires import SubmissionFilter
from leads.models import Submission
from leads.normalise import read_number

Verdict = Submission.Verdict
_MOST = 200  # decided in one go
_PERSON = ("name", "company", "email", "phone")


@access.only_for(access.JUDGE_SUBMISSIONS)
@require_safe
def submission_list(request: HttpRequest) -> HttpResponse:
    """What waits to be looked at; `?spam=1` shows what was found to be spam."""
    shows_spam = SubmissionFilter.read(request.GET).cleaned_data["spam"] == "1"
    found = Submission.objects.visible_to(request.user)
    found = found.filter(verdict=Verdict.SPAM) if shows_spam else found.suspected()
    page = keyset_page(
        found.select_related("version__questionnaire__campaign", "decided_by").prefetch_related(
            "answers__question", "answers__option"
        ),
        request.GET,
        order=("-pk",),
    )
    context = {
        "page": page,
        "rows": [_row(submission) for submission in page.rows],
        "shows_spam": shows_spam,
        "count": count_up_to(found, page=page),
    }
    return render(request, "leads/submission_list.html", context)


def _row(submission: Submission) -> dict[str, Any]:
    texts = [answer.text for answer in submission.answers.all() if answer.text]
    return {
        "submission": submission,
        "who": [submission.person[name] for name in _PERSON if submission.person.get(name)],
        "reasons": suspicions.in_words(submission.suspicion),
        "longest": max(texts, key=len, default="")[:200],
    }


@access.only_for(access.JUDGE_SUBMISSIONS)
@require_POST
def submission_decide(request: HttpRequest) -> HttpResponse:
    """Genuine, spam, or suspected again: for each submission that was selected."""
    verdict = request.POST.get("verdict", "")
    pks = [pk for text in request.POST.getlist("selected")[:_MOST] if (pk := read_number(text)) is not None]
    if verdict not in Verdict.values or not pks:
        messages.error(request, _("Select what you want to decide about first."))
        return redirect("leads:submission_list")
    decided: list[Submission] = []
    for submission in Submission.objects.visible_to(request.user).filter(pk__in=pks).order_by("pk"):
        try:
            decided.append(decide(submission, verdict, by=request.user, at=timezone.now()))
        except NotNow as refusal:
            messages.error(request, str(refusal))
    if decided:
        _say(request, verdict, decided)
    return redirect("leads:submission_list")


def _say(request: HttpRequest, verdict: str, decided: list[Submission]) -> None:
    count = len(decided)
    if verdict == Verdict.GENUINE:
        text = ngettext("%(count)s lead is registered.", "%(count)s leads are registered.", count)
    elif verdict == Verdict.SPAM:
        text = ngettext("%(count)s submission is spam.", "%(count)s submissions are spam.", count)
    else:
        text = ngettext("%(count)s submission waits again.", "%(count)s submissions wait again.", count)
    tags = ""
    if verdict == Verdict.SPAM and count == 1:
        tags = f"undo:{reverse('leads:submission_undo', args=[decided[0].pk])}"
    messages.success(request, text % {"count": count}, extra_tags=tags)


@access.only_for(access.JUDGE_SUBMISSIONS)
@require_POST
def submission_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """It wasn't spam after all, or not surely: it waits in the queue again."""
    submission = get_object_or_404(Submission.objects.visible_to(request.user), pk=pk)
    try:
        decide(submission, Verdict.SUSPECT, by=request.user, at=timezone.now())
    except NotNow as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("It waits in the queue again."))
    return redirect("leads:submission_list")


@login_required
@require_safe
def submission_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """What was answered, when and where, and what was agreed to."""
    found = Submission.objects.visible_to(request.user).select_related(
        "version__questionnaire__campaign", "lead__contact", "submitted_by", "decided_by"
    )
    submission = get_object_or_404(found, pk=pk)
    context = {
        "submission": submission,
        "said": told(submission),
        "who": [submission.person[name] for name in _PERSON if submission.person.get(name)],
        "reasons": suspicions.in_words(submission.suspicion),
        "agreed_to": submission.consent_texts.all(),
        "may_judge": access.may(request.user, access.JUDGE_SUBMISSIONS) and submission.lead_id is None,
    }
    return render(request, "leads/submission_detail.html", context)
