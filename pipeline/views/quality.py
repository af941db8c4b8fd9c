"""Quality checks: how people do, what waits for a review, reviewing, and the checklists."""

import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import keyset_page
from accounts.models import Organisation, Role, User
from leads.normalise import read_number
from pipeline import quality, transitions
from pipeline.forms.quality import (
    ChecklistForm,
    ItemForms,
    OverviewFilter,
    PersonFilter,
    ProposalFilter,
    ReviewForm,
    SkipForm,
    initial_items,
)
from pipeline.models import Activity, Checklist, QualityReview, ReviewProposal
from pipeline.transitions.quality import SPOKEN
from pipeline.views.steps import back, explained

LATEST = 5  # reviews on the overview


def _today() -> datetime.date:
    return timezone.localdate(timezone=Organisation.current().tzinfo)


@login_required
@require_safe
def quality_overview(request: HttpRequest) -> HttpResponse:
    """How each salesperson does, and what waits for a review."""
    filters = OverviewFilter.read(request.GET)
    team = filters.cleaned_data["team"]
    reviews = QualityReview.objects.visible_to(request.user)
    rows = quality.people(reviews, _today())
    latest = reviews.filter(person__team=team) if team else reviews
    context = {
        "here": "people",
        "filters": filters,
        "rows": [row for row in rows if not team or row["person"].team_id == team.pk],
        "latest": latest.for_list().order_by("-reviewed_at", "-pk")[:LATEST],
        **_may(request),
    }
    return render(request, "quality/overview.html", context)


def _may(request: HttpRequest) -> dict[str, bool]:
    return {
        "may_review": access.may(request.user, access.REVIEW_WORK),
        "may_edit": access.may(request.user, access.EDIT_CHECKLISTS),
    }


@login_required
@require_safe
def quality_person(request: HttpRequest, pk: int) -> HttpResponse:
    """One person's reviews: their trend, by checklist, by item with the weakest first, and each of them."""
    person = get_object_or_404(User.objects.select_related("team"), pk=pk)
    filters = PersonFilter.read(request.GET)
    today = _today()
    reviews = QualityReview.objects.visible_to(request.user).filter(person=person)
    year = reviews.filter(happened_on__gte=quality.months_until(today)[0])
    page = keyset_page(filters.apply(reviews).for_list(), request.GET, order=("-happened_on", "-pk"), size=20)
    context = {
        "person": person,
        "months": _as_chart(quality.by_month(reviews, today)),
        "checklists": quality.by_checklist(year),
        "items": quality.by_item(year),
        "page": page,
        "filters": filters,
        "waiting": ReviewProposal.objects.open(today).filter(person=person).count(),
        "can_review": access.can_review(request.user, person),
    }
    return render(request, "quality/person.html", context)


def _as_chart(months: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Months as the chart wants them, each opening its reviews."""
    rows = []
    for month in months:
        value = None if month["average"] is None else round(month["average"] * 100, 1)
        number = ngettext("%(count)s review", "%(count)s reviews", month["number"]) % {"count": month["number"]}
        rows.append(
            {
                "label": date_format(month["month"], "M y"),
                "value": value,
                "text": "" if value is None else f"{value:g}\u202f% · {number}",
                "url": "" if value is None else f"?{urlencode({'month': month['month'].isoformat()})}#reviews",
            }
        )
    return rows


# --- Reviewing -------------------------------------------------------------------------------------------------------


def _review(request: HttpRequest, pk: int) -> QualityReview:
    return get_object_or_404(QualityReview.objects.visible_to(request.user).for_list(), pk=pk)


@login_required
@require_safe
def review_detail(request: HttpRequest, pk: int) -> HttpResponse:
    made = _review(request, pk)
    is_other = made.person_id != request.user.pk
    context = {
        "review": made,
        "scores": made.scores.select_related("item"),
        "may_withdraw": access.may(request.user, access.REVIEW_WORK)
        and (made.reviewed_by_id == request.user.pk or (request.user.role == Role.DIRECTOR and is_other)),
    }
    return render(request, "quality/review.html", context)


@login_required
@require_POST
def review_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    made = _review(request, pk)
    with explained(request):
        transitions.withdraw_review(made, by=request.user, at=timezone.now())
        messages.success(request, _("The review is taken back."))
    return redirect("pipeline:quality_person", made.person_id)


@login_required
@require_safe
def activity_reviews(request: HttpRequest, pk: int) -> HttpResponse:
    """One conversation, how it was reviewed, and by which checklists it can be."""
    activity = get_object_or_404(Activity.objects.select_related("lead__contact__company", "by"), pk=pk)
    reviews = list(activity.quality_reviews.select_related("checklist", "reviewed_by").order_by("pk"))
    done = {review.checklist_id for review in reviews}
    fitting = Checklist.objects.filter(kind=activity.kind, is_active=True)
    can_review = activity.by is not None and access.can_review(request.user, activity.by)
    context = {
        "activity": activity,
        "lead": activity.lead,
        "reviews": reviews,
        "was_spoken": activity.outcome in SPOKEN,
        "checklists": [each for each in fitting if each.pk not in done] if can_review else [],
        "can_review": can_review,
    }
    return render(request, "quality/activity.html", context)


@access.only_for(access.REVIEW_WORK)
@require_http_methods(["GET", "HEAD", "POST"])
def review_add(request: HttpRequest) -> HttpResponse:
    """Score a conversation (`activity`) or mystery shopping by the `checklist` of the address."""
    unknown = set(request.GET) - {"activity", "checklist", "person", "next"}
    if unknown:
        raise BadRequest(_("There is no such filter: %(names)s.") % {"names": ", ".join(sorted(unknown))[:200]})
    activity = _activity_of(request)
    if "activity" in request.GET and activity is None:
        messages.error(request, _("This conversation was taken back meanwhile, so there is nothing to review."))
        return back(request, reverse("pipeline:quality"))
    checklist = _checklist_of(request, activity)
    if checklist is None:
        messages.error(request, _("There is no checklist in use for that. Make one first."))
        return redirect("pipeline:checklists")
    person = User.objects.filter(pk=read_number(request.GET.get("person")) or 0).first()
    data = request.POST if request.method == "POST" else None
    options: dict[str, Any] = {"checklist": checklist, "by": request.user, "has_activity": activity is not None}
    initial = {"person": person, "happened_on": _today()}
    form = ReviewForm(data, initial=initial, **options)
    if data is not None and form.is_valid():
        wanted = form.cleaned_data
        with explained(request, form):
            made = transitions.review(
                checklist,
                (activity and activity.by) or wanted["person"],
                form.scores,
                activity=activity,
                happened_on=wanted.get("happened_on"),
                note=wanted["note"],
                seen=wanted["seen"],
                submission_key=wanted["submission_key"],
                by=request.user,
                at=timezone.now(),
            )
            said = _("%(person)s's work is reviewed: %(percent)s %%.")
            percent = round(made.share * 100)
            messages.success(request, said % {"person": made.person, "percent": percent})
            return back(request, reverse("pipeline:review_detail", args=[made.pk]))
    if data is not None and form.errors:  # perhaps the checklist was changed: what is shown now is what it is now
        form.data = data.copy()
        form.data["seen"] = form.initial["seen"]
    context = {"form": form, "checklist": checklist, "activity": activity, "next": request.GET.get("next", "")}
    return render(request, "quality/review_add.html", context, status=422 if form.errors else 200)


def _activity_of(request: HttpRequest) -> Activity | None:
    number = read_number(request.GET.get("activity"))
    found = Activity.objects.select_related("lead__contact__company", "by").filter(pk=number or 0, by__isnull=False)
    return found.first()


def _checklist_of(request: HttpRequest, activity: Activity | None) -> Checklist | None:
    """The one that is named, else the first in use for that kind of conversation."""
    kind = activity.kind if activity is not None else Checklist.Kind.MYSTERY
    named = read_number(request.GET.get("checklist"))
    fitting = Checklist.objects.filter(kind=kind).prefetch_related("items")
    if named:
        return get_object_or_404(fitting, pk=named)
    return fitting.filter(is_active=True).first()


# --- Picked by chance ------------------------------------------------------------------------------------------------


@login_required
@require_safe
def review_proposals(request: HttpRequest) -> HttpResponse:
    """Conversations that were picked by chance and wait for a review; of one week also what became of the others."""
    filters = ProposalFilter.read(request.GET)
    wanted = filters.cleaned_data
    found = ReviewProposal.objects.visible_to(request.user)
    found = found.filter(week=wanted["week"]) if wanted["week"] else found.open(_today())
    if wanted["team"]:
        found = found.filter(person__team=wanted["team"])
    if wanted["person"]:
        found = found.filter(person=wanted["person"])
    page = keyset_page(found.for_list(), request.GET, order=("-week", "pk"))
    context = {
        "here": "proposals",
        "filters": filters,
        "page": page,
        "rows": [(row, access.can_review(request.user, row.person)) for row in page.rows],
        **_may(request),
    }
    return render(request, "quality/proposals.html", context)


def _proposal(request: HttpRequest, pk: int) -> ReviewProposal:
    rows = ReviewProposal.objects.visible_to(request.user).select_related("person")
    return get_object_or_404(rows, pk=pk)


@login_required
@require_POST
def proposal_skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave out what was picked, for a reason."""
    proposal, form = _proposal(request, pk), SkipForm(request.POST)
    with explained(request):
        if form.is_valid():
            transitions.skip_proposal(proposal, form.cleaned_data["because"], by=request.user)
            undo = f"undo:{reverse('pipeline:proposal_restore', args=[pk])}"
            messages.success(request, _("Left out."), extra_tags=undo)
        elif not access.may(request.user, access.REVIEW_WORK):
            transitions.skip_proposal(proposal, "", by=request.user)  # says that they may not
        else:
            messages.error(request, _("Why is it left out? At most 200 characters."))
    return back(request, reverse("pipeline:review_proposals"))


@login_required
@require_POST
def proposal_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Have what was left out wait again."""
    with explained(request):
        transitions.skip_proposal(_proposal(request, pk), "", by=request.user)
        messages.success(request, _("It waits for a review again."))
    return back(request, reverse("pipeline:review_proposals"), to_referrer=True)


# --- Checklists ------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def checklists(request: HttpRequest) -> HttpResponse:
    rows = Checklist.objects.prefetch_related("items").order_by("-is_active", "kind", "name")
    return render(request, "quality/checklists.html", {"here": "checklists", "rows": rows, **_may(request)})


@access.only_for(access.EDIT_CHECKLISTS)
@require_http_methods(["GET", "HEAD", "POST"])
def checklist_add(request: HttpRequest) -> HttpResponse:
    return _edit(request, Checklist())


@access.only_for(access.EDIT_CHECKLISTS)
@require_http_methods(["GET", "HEAD", "POST"])
def checklist_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(Checklist, pk=pk))


def _edit(request: HttpRequest, checklist: Checklist) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    stored = {item.pk: item for item in checklist.items.all()} if checklist.pk else {}
    initial = {"seen": quality.version(checklist)} if checklist.pk else None
    form = ChecklistForm(data, instance=checklist, initial=initial)
    # Once sent, a row is what was sent: compared with what was shown, rows left alone would count as blank.
    items = ItemForms(data, initial=None if data else initial_items(list(stored.values())), prefix="items")
    if data is not None and form.is_valid() and items.is_valid():
        with explained(request, form):
            seen = form.cleaned_data["seen"] or None
            quality.save_checklist(form.save(commit=False), items.items(stored), by=request.user, seen=seen)
            messages.success(request, _("%(checklist)s is saved.") % {"checklist": checklist})
            return redirect("pipeline:checklists")
    status = 422 if form.errors or (data is not None and not items.is_valid()) else 200
    return render(
        request, "quality/checklist_edit.html", {"form": form, "items": items, "checklist": checklist}, status=status
    )
