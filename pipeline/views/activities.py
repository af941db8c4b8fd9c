"""Recording what was done with a client: from a row by two taps, or on a page of its own; and what is added afterwards."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access
from accounts.models import Organisation
from leads.editing import edit_contact
from leads.models import Lead, LeadEvent
from leads.normalise import read_number
from pipeline import sales_mail, transitions
from pipeline.forms.activities import ActivityForm, MailForm, NoteForm, OtherNumberForm
from pipeline.models import Activity, MailTemplate
from pipeline.views.handoffs import answer, log_menu
from pipeline.views.steps import back, explained, require, say_done


def get_lead(request: HttpRequest, pk: int) -> Lead:
    return get_object_or_404(
        Lead.objects.visible_to(request.user).select_related("contact__company", "product", "campaign"), pk=pk
    )


def after_step(request: HttpRequest, lead: Lead) -> HttpResponse:
    """The fresh row for the inbox, else back to where the form stood."""
    handoff = lead.handoffs.order_by("-pk").first()
    return answer(request, handoff) if handoff else back(request, reverse("leads:lead_detail", args=[lead.pk]))


def is_in_row(request: HttpRequest) -> bool:
    return bool(request.htmx.target) and request.htmx.target.startswith("handoff-")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def activity_log(request: HttpRequest, pk: int) -> HttpResponse:
    """Record a call, mail, meeting or demo; GET asks for it on a page of its own, with a moment of one's own choice."""
    require(request, access.LOG_ACTIVITIES)
    lead, now = get_lead(request, pk), timezone.now()
    form = ActivityForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and (form.is_valid() or is_in_row(request)):
        if form.errors:
            messages.error(request, form.complaint)
            return after_step(request, lead)
        with explained(request, None if is_in_row(request) else form):
            _record(request, lead, form)
            return after_step(request, lead)
        if is_in_row(request):
            return after_step(request, lead)
    context = {"lead": lead, "form": form, "now": timezone.localtime(now), **log_menu(now)}
    if form.is_bound and form.cleaned_data.get("submission_key"):
        context["submission_key"] = form.cleaned_data["submission_key"]
    return render(request, "pipeline/activity_log.html", context, status=422 if form.errors else 200)


def _record(request: HttpRequest, lead: Lead, form: ActivityForm) -> None:
    typed = form.cleaned_data
    activity = transitions.log_activity(
        lead,
        typed["kind"],
        typed["outcome"],
        by=request.user,
        at=timezone.now(),
        note=typed["note"],
        submission_key=typed["submission_key"],
        next_attempt_at=typed["next_attempt_at"],
    )
    said = _("%(activity)s recorded for %(lead)s.") % {"activity": activity, "lead": lead}
    say_done(
        request,
        said[:1].upper() + said[1:],
        lead,
        LeadEvent.Kind.ACTIVITY,
        note_url="" if activity.note else reverse("pipeline:activity_note", args=[activity.pk]),
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def activity_note(request: HttpRequest, pk: int) -> HttpResponse:
    """What was said, written down after the tap that recorded the call."""
    require(request, access.LOG_ACTIVITIES)
    activities = Activity.objects.filter(lead__in=Lead.objects.visible_to(request.user))
    activity = get_object_or_404(activities.select_related("lead__contact", "by"), pk=pk)
    form = NoteForm(request.POST if request.method == "POST" else None, initial={"note": activity.note})
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.note_activity(activity, form.cleaned_data["note"], by=request.user, at=timezone.now())
            messages.success(request, _("Note saved."))
            return back(request, reverse("leads:lead_detail", args=[activity.lead_id]))
    context = {"activity": activity, "lead": activity.lead, "form": form}
    return render(request, "pipeline/activity_note.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def lead_number(request: HttpRequest, pk: int) -> HttpResponse:
    """The right number of a person whom we had under a wrong one."""
    require(request, access.EDIT_CONTACTS)
    lead, form = get_lead(request, pk), OtherNumberForm(request.POST)
    if form.is_valid():
        with explained(request):
            edit_contact(lead.contact, {"phone": form.cleaned_data["phone"]}, by=request.user, at=timezone.now())
            messages.success(request, _("%(lead)s has another number now.") % {"lead": lead})
    else:
        messages.error(request, " ".join(map(str, form.errors["phone"])))
    return after_step(request, lead)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def mail_write(request: HttpRequest, pk: int) -> HttpResponse:
    """A mail to the client: choose a template (`?template=`), change its words, send. What is sent is what is shown."""
    require(request, access.SELL)
    lead, sent = get_lead(request, pk), request.POST if request.method == "POST" else None
    templates = list(sales_mail.templates())
    wanted = read_number(request.GET.get("template"))
    chosen = next((template for template in templates if template.pk == wanted), None)
    if chosen is None and wanted is None and templates:
        chosen = templates[0]

    def filled(template: MailTemplate | None) -> sales_mail.Draft:
        blank = sales_mail.Draft("", "", "")
        return sales_mail.draft(template, lead, request.user, Organisation.current()) if template else blank

    draft, typed = filled(chosen), {}
    if sent is not None and "fill" in sent:  # another template: what was typed over the words of the one before stays
        before = read_number(sent.get("filled_from"))
        was = filled(next((template for template in templates if template.pk == before), None))
        both = {"subject": was.subject, "text": was.text}
        typed = {
            name: now for name, old in both.items() if (now := sent.get(name, "")).split() not in ([], old.split())
        }
        sent = None
    initial = {"subject": draft.subject, "text": draft.text, "submission_key": uuid.uuid4()}
    form = MailForm(sent, initial=initial | typed)
    if sent is not None and form.is_valid():
        with explained(request, form):
            transitions.write_to(lead, **form.cleaned_data, by=request.user, at=timezone.now())
            said = _("Your e-mail to %(lead)s leaves in half a minute.") % {"lead": lead}
            say_done(request, said, lead, LeadEvent.Kind.ACTIVITY)
            return after_step(request, lead)
        lead = get_lead(request, pk)  # as it is now: perhaps somebody else was faster
    context = {
        "lead": lead,
        "contact": lead.contact,
        "templates": templates,
        "chosen": chosen,
        "language": draft.language,
        "is_kept": bool(typed),
        "form": form,
        "why_not": sales_mail.why_not(lead.contact),
        "may_write_templates": access.may(request.user, access.WRITE_SALES_TEMPLATES),
    }
    return render(request, "pipeline/mail_write.html", context, status=422 if form.errors else 200)
