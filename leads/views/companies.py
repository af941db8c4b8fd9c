"""Companies: the list, a page, its facts."""

import copy
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from leads.editing import StaleEdit, edit_company
from leads.forms.contacts import CompanyFilter, CompanyForm
from leads.models import Company, Lead


@login_required
@require_safe
def company_list(request: HttpRequest) -> HttpResponse:
    filters = CompanyFilter.read(request.GET)
    found = Company.objects.visible_to(request.user)
    if filters.cleaned_data["q"]:
        found = found.search(filters.cleaned_data["q"])
    context: dict[str, Any] = {"page": keyset_page(found, request.GET, order=("folded_name", "pk"))}
    if request.htmx and "after" in request.GET:
        return render(request, "leads/company_list.html#rows", context)
    context |= {"filters": filters, "count": count_up_to(found, page=context["page"])}
    return render(request, "leads/company_list.html", context)


def _company(request: HttpRequest, pk: int) -> Company:
    return get_object_or_404(Company.objects.visible_to(request.user), pk=pk)


@login_required
@require_safe
def company_detail(request: HttpRequest, pk: int) -> HttpResponse:
    company = _company(request, pk)
    contacts = keyset_page(company.contacts.defer("note", "search_text"), request.GET, order=("-pk",))
    leads = Lead.objects.visible_to(request.user).filter(contact__company=company)
    return render(
        request,
        "leads/company_detail.html",
        {
            "company": company,
            "contacts": contacts,
            "leads": leads.for_list().order_by("-pk")[:20],
            "may_edit": access.may(request.user, access.EDIT_CONTACTS),
        },
    )


@access.only_for(access.EDIT_CONTACTS)
@require_http_methods(["GET", "HEAD", "POST"])
def company_edit(request: HttpRequest, pk: int) -> HttpResponse:
    company = _company(request, pk)
    posted = request.POST if request.method == "POST" else None
    form = CompanyForm(posted, instance=copy.copy(company))
    if posted is not None and form.is_valid():
        try:
            edit_company(
                company,
                form.changes,
                by=request.user,
                at=timezone.now(),
                version=_moment(form.cleaned_data["version"]),
            )
        except StaleEdit as stale:
            form.show_stale(str(stale), CompanyForm(instance=_company(request, pk)))
        else:
            messages.success(request, _("Saved."))
            return redirect("leads:company_detail", company.pk)
    return render(request, "leads/company_edit.html", {"company": company, "form": form})


def _moment(text: str) -> Any:
    """The version that the form was opened on; what can't be read is a version that never was."""
    try:
        return parse_datetime(text) or ""
    except ValueError:
        return ""
