"""Personal data: a copy for the person, erasing them, the acts of that, and how long data is kept."""

import datetime
import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from accounts.models import Organisation
from leads.models import Contact, Erasure, RetentionRule
from pipeline import personal_data as data
from pipeline import retention as limits
from pipeline.forms.personal import EraseForm, PreviewFilter, RetentionForm
from pipeline.views.steps import require


def _contact(request: HttpRequest, pk: int) -> Contact:
    return get_object_or_404(Contact.objects.visible_to(request.user).select_related("company"), pk=pk)


@access.only_for(access.EXPORT_PERSON)
@require_safe
def personal_data(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything that is kept about one person, to be read or printed."""
    contact = _contact(request, pk)
    sections = data.collect(contact, by=request.user)
    return render(request, "pipeline/personal_data.html", {"contact": contact, "sections": sections})


@access.only_for(access.EXPORT_PERSON)
@require_safe
def personal_data_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The same for machines: JSON, with the tables' and fields' own names."""
    contact, now = _contact(request, pk), timezone.now()
    everything = data.as_json(contact, data.collect(contact, by=request.user), at=now)
    text = json.dumps(everything, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
    name = f"personal-data-{contact.pk}-{timezone.localdate():%Y-%m-%d}.json"
    return HttpResponse(
        text,
        content_type="application/json; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@access.only_for(access.ERASE_PERSON)
@require_http_methods(["GET", "HEAD", "POST"])
def contact_erase(request: HttpRequest, pk: int) -> HttpResponse:
    contact = _contact(request, pk)
    if contact.erased_at is not None:
        messages.info(request, _("This person's data is erased already."))
        return redirect("leads:contact_detail", contact.pk)
    form = EraseForm(request.POST if request.method == "POST" else None, number=contact.pk)
    if form.is_valid():
        try:
            data.erase(
                contact,
                Erasure.Cause.REQUEST,
                by=request.user,
                at=timezone.now(),
                note=form.cleaned_data["note"],
            )
        except data.Refused as refusal:
            form.add_error("note", str(refusal))
        else:
            messages.success(request, _("The personal data is erased. The numbers stay."))
            return redirect("leads:contact_detail", contact.pk)
    context = {"contact": contact, "form": form, "leads": contact.leads.count(), "open_work": data.open_work(contact)}
    return render(request, "pipeline/contact_erase.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def erasure_list(request: HttpRequest) -> HttpResponse:
    """The acts: everybody may see that, when and why somebody was erased."""
    acts = Erasure.objects.visible_to(request.user).select_related("erased_by")
    page = keyset_page(acts, request.GET, order=("-pk",))
    return render(request, "pipeline/erasure_list.html", {"page": page})


@login_required
@require_safe
def retention(request: HttpRequest) -> HttpResponse:
    """Each kind of data with its limit."""
    rules = {rule.kind: rule for rule in RetentionRule.objects.all()}
    kinds = [{"kind": kind, "rule": rules.get(kind.value)} for kind in RetentionRule.Kind]
    context = {"kinds": kinds, "today": limits.today(timezone.now())}
    return render(request, "pipeline/retention.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def retention_rule(request: HttpRequest, kind: str) -> HttpResponse:
    """One limit: set it, and see whom it, or one that is tried out (`days`), reaches."""
    if kind not in RetentionRule.Kind.values:
        raise Http404
    of, now = RetentionRule.Kind(kind), timezone.now()
    rule = RetentionRule.objects.filter(kind=of).first() or RetentionRule(kind=of)
    tried = PreviewFilter.read(request.GET).cleaned_data["days"]
    initial = {"days": tried or rule.days, "starts_on": rule.starts_on}
    posted = request.POST if request.method == "POST" else None
    form = RetentionForm(posted, least_days=limits.LEAST_DAYS[of], initial=initial)
    if posted is not None:
        require(request, access.SET_RETENTION)
        if form.is_valid():
            typed = form.cleaned_data
            try:
                rule = limits.set_rule(of, typed["days"], typed["starts_on"], by=request.user, at=now)
            except limits.Refused as refusal:
                form.add_error("starts_on", str(refusal))
            else:
                messages.success(request, _("Saved."))
                return redirect("pipeline:retention_rule", of.value)
    context: dict[str, Any] = {
        "kind": of,
        "rule": rule,
        "form": form,
        "may_set": access.may(request.user, access.SET_RETENTION),
        "of_persons": limits.is_of_persons(of),
        **_preview(request, of, tried or rule.days, rule, now),
    }
    return render(request, "pipeline/retention_rule.html", context, status=422 if form.errors else 200)


def _preview(
    request: HttpRequest, kind: RetentionRule.Kind, days: int | None, rule: RetentionRule, now: datetime.datetime
) -> dict[str, Any]:
    """What a limit would reach when it begins to act, if nothing new comes until then."""
    if days is None:
        return {}
    starts_on = rule.starts_on or limits.today(now) + datetime.timedelta(days=1)
    zone = Organisation.current().tzinfo
    acts_at = max(now, datetime.datetime.combine(starts_on, datetime.time(), zone))
    found = limits.reached(kind, days, acts_at)
    if limits.is_of_persons(kind):
        found = found.select_related("company").defer("note", "search_text")
    page = keyset_page(found, request.GET, order=("pk",))
    return {"days": days, "acts_at": acts_at, "page": page, "count": count_up_to(found, page=page)}
