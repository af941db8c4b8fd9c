"""Templates of mails: of nurture plans, and of sales' own mails to one person."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.models import Organisation, User
from accounts.saving import save_unless_taken
from leads.models import Lead
from pipeline import sales_mail
from pipeline.models import MailTemplate, NurtureStep
from pipeline.nurture import mails, running
from pipeline.nurture.forms import MailTemplateForm, PreviewForm, SalesPreviewForm, TemplateFilter


def _may_write(request: HttpRequest, *, for_sales: bool) -> bool:
    return access.may(request.user, access.WRITE_SALES_TEMPLATES if for_sales else access.PLAN_NURTURE)


def _require_writer(request: HttpRequest, *, for_sales: bool) -> None:
    if not _may_write(request, for_sales=for_sales):
        raise PermissionDenied


@login_required
@require_safe
def template_list(request: HttpRequest) -> HttpResponse:
    """Templates of nurture plans; `?kind=sales` those of sales' mails to one person."""
    filters = TemplateFilter.read(request.GET)
    used = NurtureStep.objects.filter(template=OuterRef("pk"), retired_at__isnull=True)
    templates = MailTemplate.objects.filter(is_for_sales=filters.is_for_sales)
    context = {
        "templates": templates.annotate(is_used=Exists(used)).order_by("-is_active", "name"),
        "may_plan": _may_write(request, for_sales=filters.is_for_sales),
        "is_for_sales": filters.is_for_sales,
        "tab": "sales" if filters.is_for_sales else "templates",
    }
    return render(request, "nurture/template_list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def template_add(request: HttpRequest) -> HttpResponse:
    for_sales = TemplateFilter.read(request.GET).is_for_sales
    _require_writer(request, for_sales=for_sales)
    form = MailTemplateForm(request.POST if request.method == "POST" else None, is_for_sales=for_sales)
    if request.method == "POST" and form.is_valid() and (template := save_unless_taken(form)):
        messages.success(request, _("“%(template)s” is saved. This is how a lead reads it.") % {"template": template})
        return redirect("pipeline:mail_template", template.pk)
    return _template_page(request, form)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def template_edit(request: HttpRequest, pk: int) -> HttpResponse:
    rows = MailTemplate.objects.all()
    template = get_object_or_404(rows.select_for_update() if request.method == "POST" else rows, pk=pk)
    _require_writer(request, for_sales=template.is_for_sales)
    form = MailTemplateForm(request.POST if request.method == "POST" else None, instance=template)
    if request.method == "POST" and form.is_valid() and save_unless_taken(form):
        messages.success(request, _("Saved. Mails sent before keep their words."))
        return redirect("pipeline:mail_template", template.pk)
    return _template_page(request, form, pk)


def _template_page(request: HttpRequest, form: MailTemplateForm, pk: int | None = None) -> HttpResponse:
    is_for_sales = form.instance.is_for_sales
    context = {"form": form, "pk": pk, "placeholders": form.placeholders.items(), "is_for_sales": is_for_sales}
    return render(request, "nurture/template_edit.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def template_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The template as a given lead reads it, in both languages."""
    template = get_object_or_404(MailTemplate, pk=pk)
    read_as = SalesPreviewForm if template.is_for_sales else PreviewForm
    form = read_as.read(request.GET)
    lead = form.cleaned_data["lead"] or form.leads().first()
    form = read_as({"lead": str(lead.pk)} if lead else {})
    context = {
        "template": template,
        "form": form,
        "lead": lead,
        "previews": _previews(template, lead, request.user) if lead else [],
        "may_plan": _may_write(request, for_sales=template.is_for_sales),
    }
    return render(request, "nurture/template_detail.html", context)


def _previews(template: MailTemplate, lead: Lead, reader: User) -> list[dict[str, Any]]:
    written = [
        ("en", "English", template.subject_en),
        ("ru", "Русский", template.subject_ru),
    ]
    language = mails.language_of(lead.contact, Organisation.current())
    return [
        {
            "code": code,
            "name": name,
            "mail": _composed(template, lead, code, reader) if subject else None,
            "is_theirs": code == language,
        }
        for code, name, subject in written
    ]


def _composed(template: MailTemplate, lead: Lead, language: str, reader: User) -> mails.Mail:
    """With an example of an event and an offer, and links that unsubscribe nobody; sales' mail as `reader` would send it."""
    organisation = Organisation.current()
    if template.is_for_sales:
        draft = sales_mail.draft(template, lead, reader, organisation, language=language)
        return mails.Mail(draft.subject, draft.text, {})
    today = timezone.localdate(timezone=organisation.tzinfo)
    event = running.event_for(NurtureStep(kind=NurtureStep.Kind.INVITATION), None, today)
    return mails.compose(
        template,
        lead,
        mails.Occasion.example(event, today),
        language=language,
        organisation=organisation,
        sender=running.sender_of(lead, None),
        token=mails.token_of(mails.NOBODY),
    )


@login_required
@require_POST
def template_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the preview to oneself, in the languages that the template has."""
    template = get_object_or_404(MailTemplate, pk=pk)
    _require_writer(request, for_sales=template.is_for_sales)
    read_as = SalesPreviewForm if template.is_for_sales else PreviewForm
    lead = read_as.read(request.GET).cleaned_data["lead"]
    if lead is None:
        messages.error(request, _("Choose the lead as whom you want to read it."))
        return redirect("pipeline:mail_template", template.pk)
    now = timezone.now()
    for code, subject in (("en", template.subject_en), ("ru", template.subject_ru)):
        if subject:
            mails.send_test(_composed(template, lead, code, request.user), request.user, at=now)
    messages.success(request, _("A test is on its way to %(email)s.") % {"email": request.user.email})
    return redirect(f"{reverse('pipeline:mail_template', args=[template.pk])}?lead={lead.pk}")
