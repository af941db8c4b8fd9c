"""Stand mode: a visitor becomes a lead in under fifteen seconds, and the form is ready for the next one."""

import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access
from leads.forms.stand import StandForm, StandMatchForm
from leads.models import Campaign, Lead
from leads.registration import Registered, register_lead


def _event(request: HttpRequest, pk: int) -> Campaign:
    return get_object_or_404(Campaign.objects.visible_to(request.user).events().select_related("channel"), pk=pk)


@access.only_for(access.REGISTER_LEADS)
@require_http_methods(["GET", "HEAD", "POST"])
def stand(request: HttpRequest, pk: int) -> HttpResponse:
    event = _event(request, pk)
    form = StandForm(request.POST if request.method == "POST" else None, today=timezone.localdate())
    if request.method == "POST" and form.is_valid():
        registered = register_lead(
            event,
            form.person,
            by=request.user,
            at=timezone.now(),
            product=next(iter(form.cleaned_data["products"]), None),
            other_products=list(form.cleaned_data["products"])[1:],
            submission_key=form.cleaned_data["submission_key"],
            note=form.cleaned_data["note"],
            preferred_meeting_time=form.preferred_meeting_time,
            met_on=form.cleaned_data["met_on"],
        )
        _say(request, registered, form)
        if not request.htmx:
            return redirect("leads:stand", event.pk)
        form = StandForm(today=timezone.localdate())
    mine = Lead.objects.filter(campaign=event, registered_by=request.user, registered_at__gte=_midnight())
    return render(
        request,
        "leads/stand.html" + ("#stand" if request.htmx else ""),
        {
            "event": event,
            "form": form,
            "today_count": mine.count(),
            "latest": mine.select_related("contact__company").order_by("-pk")[:3],
        },
        status=422 if form.errors else 200,
    )


def _midnight() -> datetime.datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _say(request: HttpRequest, registered: Registered, form: StandForm) -> None:
    lead = registered.lead
    if registered.is_new or lead.submission_key == form.cleaned_data["submission_key"]:
        text = _("%(visitor)s registered.")
    else:
        text = _("%(visitor)s is registered here already; your note was added.")
    messages.success(
        request,
        format_html(
            '{} <a href="{}">{}</a>', text % {"visitor": lead}, reverse("leads:lead_detail", args=[lead.pk]), _("Open")
        ),
    )


@access.only_for(access.REGISTER_LEADS)
@require_POST
def stand_match(request: HttpRequest, pk: int) -> HttpResponse:
    """Who has the typed e-mail or phone already. A POST, so that addresses of people stay out of logs."""
    event = _event(request, pk)
    form = StandMatchForm(request.POST)
    form.is_valid()
    contact = form.match()
    met = contact.leads.present().filter(registered_at__isnull=False).select_related("campaign") if contact else []
    met = sorted(met, key=lambda lead: lead.registered_at)
    return render(
        request,
        "leads/stand.html#match",
        {
            "contact": contact,
            "last": met[-1] if met else None,
            "is_here": any(lead.campaign_id == event.pk for lead in met),
        },
    )
