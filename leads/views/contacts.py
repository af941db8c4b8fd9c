"""Persons: the list, a page, its facts."""

import copy
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from leads import consents
from leads.editing import StaleEdit, edit_contact, note_bounce
from leads.forms.contacts import ContactFilter, ContactForm
from leads.models import Contact
from leads.normalise import read_number


@login_required
@require_safe
def contact_list(request: HttpRequest) -> HttpResponse:
    filters = ContactFilter.read(request.GET)
    found = Contact.objects.visible_to(request.user)
    if filters.cleaned_data["q"]:
        found = found.search(filters.cleaned_data["q"])
    rows = found.select_related("company").defer("note", "search_text")
    context: dict[str, Any] = {"page": keyset_page(rows, request.GET, order=("-updated_at", "-pk"))}
    if request.htmx and "after" in request.GET:
        return render(request, "leads/contact_list.html#rows", context)
    context |= {"filters": filters, "count": count_up_to(found, page=context["page"])}
    return render(request, "leads/contact_list.html", context)


def _contact(request: HttpRequest, pk: int) -> Contact:
    return get_object_or_404(Contact.objects.visible_to(request.user).select_related("company"), pk=pk)


@login_required
@require_safe
def contact_detail(request: HttpRequest, pk: int) -> HttpResponse:
    contact = _contact(request, pk)
    leads = keyset_page(
        contact.leads.select_related("campaign__channel", "product", "owner"), request.GET, order=("-pk",)
    )
    return render(
        request,
        "leads/contact_detail.html",
        {
            "contact": contact,
            "leads": leads,
            "consents": consents.states(contact),
            "identities": contact.identities.order_by("system", "external_id"),
            "may_edit": access.may(request.user, access.EDIT_CONTACTS) and contact.erased_at is None,
            "may_export": access.may(request.user, access.EXPORT_PERSON),
            "may_erase": access.may(request.user, access.ERASE_PERSON),
            "may_register": access.may(request.user, access.REGISTER_LEADS),
            "may_note_bounce": access.may(request.user, access.QUALIFY_LEADS),
        },
    )


@access.only_for(access.EDIT_CONTACTS)
@require_http_methods(["GET", "HEAD", "POST"])
def contact_edit(request: HttpRequest, pk: int) -> HttpResponse:
    contact = _contact(request, pk)
    posted = request.POST if request.method == "POST" else None
    form = ContactForm(posted, instance=copy.copy(contact))
    if posted is not None and form.is_valid():
        try:
            edit_contact(
                contact,
                form.changes,
                by=request.user,
                at=timezone.now(),
                version=read_number(form.cleaned_data["version"]) or 0,
            )
        except StaleEdit as stale:
            form.show_stale(str(stale), ContactForm(instance=_contact(request, pk)))
        else:
            messages.success(request, _("Saved."))
            lead = contact.leads.filter(pk=read_number(request.GET.get("lead")) or 0).first()
            return redirect("leads:lead_detail", lead.pk) if lead else redirect("leads:contact_detail", contact.pk)
    return render(request, "leads/contact_edit.html", {"contact": contact, "form": form})


@access.only_for(access.QUALIFY_LEADS)
@require_POST
def contact_bounced(request: HttpRequest, pk: int) -> HttpResponse:
    """A mail to this person came back."""
    return _note_bounce(request, pk, bounced=True)


@access.only_for(access.QUALIFY_LEADS)
@require_POST
def contact_reachable(request: HttpRequest, pk: int) -> HttpResponse:
    """Mails to this person arrive again."""
    return _note_bounce(request, pk, bounced=False)


def _note_bounce(request: HttpRequest, pk: int, *, bounced: bool) -> HttpResponse:
    contact = _contact(request, pk)
    note_bounce(contact, by=request.user, at=timezone.now(), bounced=bounced)
    if bounced:
        undo = f"undo:{reverse('leads:contact_reachable', args=[pk])}"
        messages.success(request, _("Noted: mails to %(contact)s bounce.") % {"contact": contact}, extra_tags=undo)
    else:
        messages.success(request, _("Mails may go to %(contact)s again.") % {"contact": contact})
    page = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return redirect(page if is_ours else reverse("leads:contact_detail", args=[pk]))
