"""Who of sales takes what, and who is away: settings → sales people, and the absences."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.access import can_sell_for
from accounts.keyset import keyset_page
from accounts.models import Organisation, User
from pipeline import absences
from pipeline.forms.fields import sales_people
from pipeline.forms.routing import AbsenceFilter, AbsenceForm, SalesProfileForm
from pipeline.models import Absence, SalesProfile
from pipeline.routing.people import LOAD_DAYS, sellers
from pipeline.views.steps import explained

# --- What each takes -------------------------------------------------------------------------------------------------


@login_required
@require_safe
def sales_list(request: HttpRequest) -> HttpResponse:
    """Everybody who sells: what they take, what they have, whether they are there."""
    now, organisation = timezone.now(), Organisation.current()
    today = organisation.day_of(now)
    page = keyset_page(sales_people().select_related("team"), request.GET, order=("name", "pk"))
    staff = sellers(organisation, at=now, absent_from=today, absent_until=today, only=[user.pk for user in page.rows])
    rows = [
        {"seller": seller, "absence": seller.absence_on(today), "may_edit": _may_edit(request.user, seller.user)}
        for user in page.rows
        if (seller := staff.get(user.pk)) is not None
    ]
    context = {"rows": rows, "page": page, "since": today - LOAD_DAYS}
    return render(request, "pipeline/sales_people.html", context)


def _may_edit(by: User, rep: User) -> bool:
    return access.may(by, access.EDIT_ROUTING) and can_sell_for(by, rep)


@access.only_for(access.EDIT_ROUTING)
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def profile_edit(request: HttpRequest, pk: int) -> HttpResponse:
    people = sales_people()
    person = get_object_or_404(people.select_for_update() if request.method == "POST" else people, pk=pk)
    if not _may_edit(request.user, person):
        raise PermissionDenied(_("%(rep)s isn't in your team.") % {"rep": person})
    profile = SalesProfile.objects.filter(user=person).first() or SalesProfile(user=person)
    form = SalesProfileForm(request.POST if request.method == "POST" else None, instance=profile)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("What %(rep)s takes is saved.") % {"rep": person})
        return redirect("pipeline:sales_people")
    context = {"form": form, "person": person}
    return render(request, "pipeline/sales_profile.html", context, status=422 if form.errors else 200)


# --- Absences --------------------------------------------------------------------------------------------------------


def away_in_scope(user: User, scope: str) -> list[Absence]:
    """Who is away today of those whose work `user` looks at; of one's own also those for whom one stands in."""
    today = Organisation.current().day_of(timezone.now())
    away = Absence.objects.between(today, today).select_related("user", "deputy").order_by("ends_on", "pk")
    if scope == "mine":
        away = away.filter(user=user) | away.filter(deputy=user)
    elif scope == "team":
        away = away.filter(user__team=user.team_id) if user.team_id else away.filter(user=user)
    return list(away[:20])


@login_required
@require_safe
def absence_list(request: HttpRequest) -> HttpResponse:
    show = AbsenceFilter.read(request.GET).cleaned_data["show"]
    today = Organisation.current().day_of(timezone.now())
    rows: QuerySet[Absence] = Absence.objects.select_related("user__team", "deputy", "recorded_by")
    rows = rows.filter(ends_on__lt=today) if show == "past" else rows.filter(ends_on__gte=today)
    page = keyset_page(rows, request.GET, order=("-ends_on", "-pk") if show == "past" else ("ends_on", "pk"))
    context = {
        "page": page,
        "show": show,
        "today": today,
        "may_add": access.may(request.user, access.SELL),
    }
    return render(request, "pipeline/absence_list.html", context)


@access.only_for(access.SELL)
@require_http_methods(["GET", "HEAD", "POST"])
def absence_add(request: HttpRequest) -> HttpResponse:
    form = AbsenceForm(request.POST if request.method == "POST" else None, by=request.user)
    return _saved(request, form, _("Record an absence"))


@access.only_for(access.SELL)
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def absence_edit(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Absence.objects.select_related("user")
    absence = get_object_or_404(rows.select_for_update(of=("self",)) if request.method == "POST" else rows, pk=pk)
    if not can_sell_for(request.user, absence.user):
        raise PermissionDenied(_("Only %(rep)s, their manager or the director may do that.") % {"rep": absence.user})
    form = AbsenceForm(request.POST if request.method == "POST" else None, instance=absence, by=request.user)
    return _saved(request, form, _("Change the absence of %(rep)s") % {"rep": absence.user})


def _saved(request: HttpRequest, form: AbsenceForm, title: str) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            today = Organisation.current().day_of(timezone.now())
            absence = absences.save_absence(form.save(commit=False), by=request.user, today=today)
            messages.success(request, _("The absence of %(rep)s is saved.") % {"rep": absence.user})
            if (other := absences.deputy_is_away(absence)) is not None:
                text = _("%(rep)s, the deputy, is away from %(first)s until %(last)s, too.")
                days = {"first": date_format(other.starts_on), "last": date_format(other.ends_on)}
                messages.warning(request, text % {"rep": other.user, **days})
            return redirect("pipeline:absence_detail", absence.pk)
    context = {"form": form, "title": title}
    return render(request, "pipeline/absence_edit.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def absence_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The days, the deputy, and what waits with who is away: the manager can hand all of it to the deputy."""
    absence = get_object_or_404(Absence.objects.select_related("user__team", "deputy", "recorded_by"), pk=pk)
    now = timezone.now()
    today = Organisation.current().day_of(now)
    is_over, user = absence.ends_on < today, request.user
    handoffs = [] if is_over else list(absences.waiting(absence.user))
    may_edit = not is_over and can_sell_for(user, absence.user)
    context: dict[str, Any] = {
        "absence": absence,
        "is_over": is_over,
        "is_running": absence.covers(today),
        "handoffs": [{"handoff": handoff, "clocks": handoff.clocks(now)} for handoff in handoffs],
        "may_edit": may_edit,
        "may_cancel": may_edit and absence.starts_on >= today,
        "may_hand_over": may_edit
        and absence.deputy is not None
        and can_sell_for(user, absence.deputy)  # of another team only the director gives and takes
        and access.may(user, access.REASSIGN_HANDOFFS),
    }
    return render(request, "pipeline/absence_detail.html", context)


@access.only_for(access.SELL)
@require_POST
def absence_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    absence = get_object_or_404(Absence, pk=pk)
    with explained(request):
        absences.cancel_absence(absence, by=request.user, today=Organisation.current().day_of(timezone.now()))
        messages.success(request, _("The absence of %(rep)s is taken out.") % {"rep": absence.user})
        return redirect("pipeline:absence_list")
    return redirect("pipeline:absence_detail", pk)


@access.only_for(access.REASSIGN_HANDOFFS)
@require_POST
def absence_hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Give everything that waits with who is away to the deputy."""
    absence = get_object_or_404(Absence.objects.select_related("user", "deputy"), pk=pk)
    with explained(request):
        done, refused = absences.hand_to_deputy(absence, by=request.user, at=timezone.now())
        text = ngettext("%(rep)s has %(count)s lead more.", "%(rep)s has %(count)s leads more.", done)
        messages.success(request, text % {"rep": absence.deputy, "count": done})
        for why in list(dict.fromkeys(refused))[:3]:
            messages.warning(request, why)
    return redirect("pipeline:absence_detail", pk)
