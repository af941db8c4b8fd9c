"""The visitor report of an event: whom we met, what was agreed, what each became; and adding people to it."""

import datetime
from collections.abc import Iterator

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from accounts.models import Organisation
from leads import visitors
from leads.forms.visitors import VisitorExportFilter, VisitorFilter, VisitorSheet
from leads.models import Campaign, Lead, Stage
from leads.models.contacts import WAYS_TO_REACH
from leads.models.leads import LeadQuerySet
from leads.registration import register_lead
from leads.views.export import table_file

MOST_PRINTED = 1_000  # people on the page that is made to be printed; a file takes any number
ORDER = ("-registered_at", "-pk")


def _event(request: HttpRequest, pk: int) -> Campaign:
    return get_object_or_404(Campaign.objects.visible_to(request.user).events().select_related("channel"), pk=pk)


def _met(request: HttpRequest, event: Campaign) -> LeadQuerySet:
    """The event's visitors, as the numbers count them."""
    return Lead.objects.visible_to(request.user).counted().filter(campaign=event)


@login_required
@require_safe
def visitor_report(request: HttpRequest, pk: int) -> HttpResponse:
    filters = VisitorFilter.read(request.GET)
    event = _event(request, pk)
    met = _met(request, event)
    shown = met.select_related("contact__company", "registered_by")
    is_whole = bool(filters.cleaned_data["all"])
    page = keyset_page(shown, request.GET, order=ORDER, size=MOST_PRINTED if is_whole else 50)
    lead_list = f"{reverse('leads:lead_list')}?campaign={event.pk}"
    results = visitors.outcomes(event, request.user)
    context = {
        "event": event,
        "page": page,
        "rows": [(lead, getattr(lead, Stage(lead.stage).reached_field)) for lead in page.rows],
        "is_whole": is_whole,
        "most_printed": MOST_PRINTED,
        "count": count_up_to(met, page=page),
        "result": results[0],
        "results": results,
        "standing": [
            {"stage": stage, "count": count, "url": f"{lead_list}&stage={stage.value}"}
            for stage, count in visitors.standing(met)
        ],
        "reached_url": f"{lead_list}&reached=",
        "is_over": event.is_over(timezone.localdate()),
        "currency": Organisation.current().currency,
        "may_register": access.may(request.user, access.REGISTER_LEADS),
        "may_export": access.may(request.user, access.EXPORT),
    }
    return render(request, "leads/visitor_report.html", context)


# --- As a file --------------------------------------------------------------------------------------------------------

# name of the column, path from the lead
COLUMNS = [
    ("name", "contact__name"),
    ("job_title", "contact__job_title"),
    ("company", "contact__company__name"),
    ("phone", "contact__phone"),
    ("phone_as_typed", "contact__phone_as_typed"),
    ("email", "contact__email"),
    ("profile_url", "contact__profile_url"),
    ("do_not_contact", "contact__do_not_contact"),
    ("met_by", "registered_by__name"),
    ("met_on", "met_on"),
    ("agreed", "agreed"),
    ("preferred_meeting_time", "preferred_meeting_time"),
    ("note", "note"),
    ("stage", "stage"),
    *((stage.reached_field, stage.reached_field) for stage in visitors.REPORTED),
]


@access.only_for(access.EXPORT)
@require_safe
def visitor_export(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Everybody of the report, as CSV or XLSX."""
    wanted = VisitorExportFilter.read(request.GET).wanted
    event = _event(request, pk)
    header = [title for title, _path in COLUMNS]
    return table_file(wanted, event.name, event.name, header, _rows(_met(request, event)))


def _rows(met: LeadQuerySet) -> Iterator[list[object]]:
    names = [name for name, _path in COLUMNS]
    hidden, flag = [place for place, name in enumerate(names) if name in WAYS_TO_REACH], names.index("do_not_contact")
    paths = [path for _name, path in COLUMNS]
    for row in met.order_by(*ORDER).values_list(*paths).iterator(chunk_size=2000):
        cells = [timezone.localtime(value) if isinstance(value, datetime.datetime) else value for value in row]
        if cells[flag]:
            for place in hidden:
                cells[place] = ""
        yield cells


# --- Adding people ----------------------------------------------------------------------------------------------------


@access.only_for(access.REGISTER_LEADS)
@require_http_methods(["GET", "HEAD", "POST"])
def visitor_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Several people at once. Good rows are saved, once; the others come back as they were typed, with the reason."""
    event = _event(request, pk)
    saved: list[Lead] = []
    nothing_typed = False
    if request.method != "POST":
        sheet = VisitorSheet.blank()
    elif "rearrange" in request.POST:
        sheet = VisitorSheet.rearranged(request.POST)
    else:
        sheet = VisitorSheet.sent(request.POST)
        saved, sheet, nothing_typed = _save(request, event, sheet), sheet.refused(), not sheet.rows
        if saved and not sheet.rows:
            return redirect("leads:visitor_report", event.pk)
        sheet = sheet if sheet.rows else VisitorSheet.blank()
    is_refused = nothing_typed or any(row.is_bound for row in sheet.rows)
    context = {"event": event, "sheet": sheet, "saved": saved, "nothing_typed": nothing_typed}
    return render(request, "leads/visitor_add.html", context, status=422 if is_refused else 200)


def _save(request: HttpRequest, event: Campaign, sheet: VisitorSheet) -> list[Lead]:
    now, today = timezone.now(), timezone.localdate()
    last_day = min(event.ends_on or event.starts_on, today)
    saved = [
        register_lead(
            event,
            row.person,
            by=request.user,
            at=now,
            submission_key=row.cleaned_data["key"],
            agreed=row.cleaned_data["agreed"],
            met_on=last_day,
        ).lead
        for row in sheet.rows
        if row.is_valid()
    ]
    if saved:
        text = ngettext("%(count)s person is in the report.", "%(count)s people are in the report.", len(saved))
        messages.success(request, text % {"count": len(saved)})
    return saved
