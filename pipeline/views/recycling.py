"""Coming back: who is to be asked again, what came of it, and what brings people back."""

import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Count, Q
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from accounts.models import Organisation
from leads import consents
from leads.models import ConsentText, Lead, LeadEvent, Purpose, Stage
from pipeline import transitions
from pipeline.forms.recycling import BackForm, LaterForm, NoForm, PassForm, RecyclingFilter, ResultsFilter
from pipeline.models import Agreement, Objection, Recycling
from pipeline.recycling import due_after
from pipeline.transitions import Passing
from pipeline.transitions.recycling import STAGES
from pipeline.views.steps import back, explained, require, say_done

ACTIVITIES = 5  # the latest, on the page of one recycling


@login_required
@require_safe
def recycling_list(request: HttpRequest) -> HttpResponse:
    """Whose day has come, who is asked later, and what was answered."""
    filters, now = RecyclingFilter.read(request.GET), timezone.now()
    show = filters.cleaned_data["show"] or "due"
    found = filters.apply(Recycling.objects.visible_to(request.user))
    found, order = {
        "due": (found.due(now), ("due_at", "pk")),
        "later": (found.later(now), ("due_at", "pk")),
        "done": (found.exclude(result=""), ("-closed_at", "-pk")),
    }[show]
    page = keyset_page(found.for_list(), request.GET, order=order)
    context = {
        "page": page,
        "show": show,
        "now": now,
        "filters": filters,
        "count": count_up_to(found, page=page),
        "tabs": [
            ("due", filters.address(show=None, result=None, closed_from=None, closed_to=None), _("Due now")),
            ("later", filters.address(show="later", result=None, closed_from=None, closed_to=None), _("Later")),
            ("done", filters.address(show="done"), _("Answered")),
        ],
        "mine": filters.address(owner=request.user.pk),
        "may_ask": access.may(request.user, access.ASK_AGAIN),
    }
    return render(request, "recycling/list.html", context)


@login_required
@require_safe
def recycling_filter(request: HttpRequest) -> HttpResponse:
    """The filters as a form, in a dialog."""
    context = {"form": RecyclingFilter.read(request.GET), "list_url": reverse("pipeline:recycling_list")}
    return render(request, "pipeline/filter.html", context)


@login_required
@require_safe
def recycling_of_task(request: HttpRequest, pk: int) -> HttpResponse:
    """From a task to what it is about."""
    row = Recycling.objects.visible_to(request.user).filter(task=pk).order_by("-pk").first()
    if row is None:
        raise Http404
    return redirect("pipeline:recycling_detail", row.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def recycling_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """What happened, what could be offered, and what came of asking again. The button that is pressed says the result."""
    row = get_object_or_404(Recycling.objects.visible_to(request.user).for_list(), pk=pk)
    posted = request.POST.get("result", "") if request.method == "POST" else None
    forms = _forms(request, row, posted)
    if posted is not None:
        require(request, access.ASK_AGAIN)
        if posted not in forms:
            return back(request, reverse("pipeline:recycling_detail", args=[pk]))
        form = forms[posted]
        if form.is_valid():
            with explained(request, form), transaction.atomic():
                said, undoes = _answer(request, row, posted, form)
                say_done(request, said, row.lead, undoes)
                return back(request, reverse("pipeline:recycling_list"))
            row = get_object_or_404(Recycling.objects.visible_to(request.user).for_list(), pk=pk)
    context = {"row": row, "forms": forms, "answered_as": posted, **_known(request, row)}
    has_errors = any(form.errors for form in forms.values())
    return render(request, "recycling/detail.html", context, status=422 if has_errors else 200)


def _forms(request: HttpRequest, row: Recycling, posted: str | None) -> dict[str, BaseForm]:
    """The form of each result by its name; the one that was sent has what was typed."""

    def data(result: str) -> Any:
        return request.POST if posted == result else None

    now = timezone.now()
    days = (row.reason and row.reason.recycle_days) or Agreement.objects.in_force(now).recycle_days
    again = due_after(now, days, Organisation.current()).date()
    return {
        "back": BackForm(data("back"), lead=row.lead, auto_id="back-%s"),
        "later": LaterForm(data("later"), initial={"until": again}, auto_id="later-%s"),
        "partner": PassForm(data("partner"), auto_id="partner-%s"),
        "no": NoForm(data("no"), auto_id="no-%s"),
    }


def _answer(request: HttpRequest, row: Recycling, result: str, form: Any) -> tuple[str, LeadEvent.Kind | None]:
    """Take the step that the form says; returns what to say, and which step an Undo takes back."""
    who: dict[str, Any] = {"by": request.user, "at": timezone.now(), "note": form.cleaned_data["note"]}
    named = {"lead": row.lead}
    match result:
        case "back":
            product = form.cleaned_data["product"]
            transitions.recycle(row, product=product, call_at=form.call_at, **who)
            return _("%(lead)s is interested again, and with marketing.") % named, LeadEvent.Kind.RECYCLED
        case "later":
            transitions.postpone(row, form.moment, **who)
            return _("%(lead)s is asked again on that day.") % named, LeadEvent.Kind.RECYCLING
        case "partner":
            wanted = form.cleaned_data
            if wanted["consent"]:
                source = str(wanted["partner"])
                consents.give(row.lead.contact, Purpose.SHARING, source=source, at=who["at"], by=request.user)
            passing = Passing(wanted["partner"], wanted["passed"], by_mail=wanted["by_mail"])
            transitions.pass_on(row, passing, **who)
            said = _("%(lead)s is referred to %(partner)s.") % (named | {"partner": wanted["partner"]})
            return said, None if wanted["by_mail"] else LeadEvent.Kind.REFERRED
    transitions.give_up(row, **who)
    return _("%(lead)s isn't asked again.") % named, LeadEvent.Kind.RECYCLING


def _known(request: HttpRequest, row: Recycling) -> dict[str, Any]:
    """What helps whoever asks: the past of the lead, and what else could be offered."""
    lead, opportunity = row.lead, row.opportunity
    return {
        "lead": lead,
        "now": timezone.now(),
        "may_answer": transitions.may_answer(row, request.user)
        and not row.result
        and lead.stage == STAGES[Recycling.Because(row.because)]
        and lead.contact.erased_at is None,
        "objections": Objection.objects.filter(opportunity=opportunity) if opportunity else [],
        "wishes": lead.demand_requests.select_related("demand").order_by("-at", "-pk"),
        "other_products": lead.other_products.filter(is_active=True),
        "activities": lead.activities.select_related("by").order_by("-at", "-pk")[:ACTIVITIES],
        "currency": Organisation.current().currency,
        "earlier": lead.recyclings.exclude(pk=row.pk).select_related("closed_by").order_by("-opened_at", "-pk"),
        "agreed": consents.agreed(lead.contact, Purpose.SHARING),
        "words": ConsentText.objects.in_force(Purpose.SHARING, timezone.now()),
    }


@login_required
@require_safe
def recycling_results(request: HttpRequest) -> HttpResponse:
    """How many came back and what became of them, and which losses come back best."""
    filters = ResultsFilter.read(request.GET)
    first, last = filters.cleaned_data["closed_from"], filters.cleaned_data["closed_to"]
    days = {f"closed_{name}": day.isoformat() for name, day in (("from", first), ("to", last)) if day}
    context = {
        "filters": filters,
        "funnel": _funnel(request, first, last),
        "groups": _groups(filters.apply(Recycling.objects.visible_to(request.user).answered()), days),
    }
    return render(request, "recycling/results.html", context)


def _funnel(request: HttpRequest, first: datetime.date | None, last: datetime.date | None) -> list[dict[str, Any]]:
    """Leads that came back in those days, and how many of them were qualified, accepted and won since."""
    zone, midnight = Organisation.current().tzinfo, datetime.time()
    came_back = Q()
    if first:
        came_back &= Q(recycled_at__gte=datetime.datetime.combine(first, midnight, zone))
    if last:
        day_after = last + datetime.timedelta(days=1)
        came_back &= Q(recycled_at__lt=datetime.datetime.combine(day_after, midnight, zone))
    days = {f"recycled_{name}": day.isoformat() for name, day in (("from", first), ("to", last)) if day}
    rows: list[dict[str, Any]] = []
    for then, label in (
        (None, _("Came back")),
        (Stage.QUALIFIED, Stage.QUALIFIED.label),
        (Stage.ACCEPTED, Stage.ACCEPTED.label),
        (Stage.WON, Stage.WON.label),
    ):
        number = Lead.objects.visible_to(request.user).counted().recycled(then).filter(came_back).count()
        before = rows[-1]["value"] if rows else 0
        url = f"{reverse('leads:lead_list')}?{urlencode({'recycled': then.value if then else '1'} | days)}"
        rows.append(
            {
                "label": str(label),
                "value": number,
                "url": url,
                "before": before,
                "rate": number / before if before else None,
            }
        )
    return rows


def _groups(answered: Any, days: dict[str, str]) -> list[dict[str, Any]]:
    """For each reason of a loss, and for warm leads, how many were asked and what they said; the best first."""
    results = [Recycling.Result.BACK, Recycling.Result.LATER, Recycling.Result.PARTNER, Recycling.Result.NO]
    counted = (
        answered.order_by()
        .values("because", "reason", "reason__text")
        .annotate(asked=Count("pk"), **{each.value: Count("pk", filter=Q(result=each)) for each in results})
    )
    groups = []
    for row in counted:
        narrowed = (
            days | {"show": "done", "because": row["because"]} | ({"reason": row["reason"]} if row["reason"] else {})
        )
        address = reverse("pipeline:recycling_list") + "?"
        groups.append(
            {
                "label": _(row["reason__text"]) if row["reason__text"] else Recycling.Because(row["because"]).label,
                "asked": row["asked"],
                "asked_url": address + urlencode(narrowed | {"result": "answered"}),
                "numbers": [
                    {
                        "label": each.label,
                        "value": row[each.value],
                        "url": address + urlencode(narrowed | {"result": each.value}),
                    }
                    for each in results
                ],
                "back": row[Recycling.Result.BACK.value],
                "back_url": address + urlencode(narrowed | {"result": Recycling.Result.BACK.value}),
            }
        )
    return sorted(groups, key=lambda group: (-group["back"] / group["asked"], -group["asked"]))
