"""What people agreed to: recording it for one person, and the words that they agree to."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from leads import consents
from leads.forms.consents import ConsentForm, ConsentTextForm
from leads.models import ConsentText, Contact, Purpose


def _purpose(value: str) -> Purpose:
    if value not in Purpose.values:
        raise Http404
    return Purpose(value)


@access.only_for(access.RECORD_CONSENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def contact_consent(request: HttpRequest, pk: int, purpose: str) -> HttpResponse:
    """Record that a person agreed to a purpose, or withdrew: whichever isn't the case now."""
    about = _purpose(purpose)
    contact = get_object_or_404(Contact.objects.visible_to(request.user), pk=pk)
    now = timezone.now()
    is_given = consents.agreed(contact, about)
    form = ConsentForm(
        request.POST if request.method == "POST" else None, initial={"step": "withdraw" if is_given else "give"}
    )
    if form.is_valid():
        source = form.cleaned_data["source"]
        if form.cleaned_data["step"] == "give":
            consents.give(contact, about, source=source, by=request.user, at=now)
            messages.success(request, _("The consent is recorded."))
        else:
            consents.withdraw(contact, about, source=source, by=request.user, at=now)
            messages.success(request, _("The withdrawal is recorded."))
        return redirect("leads:contact_detail", contact.pk)
    context = {
        "contact": contact,
        "purpose": about,
        "is_given": is_given,
        "text": ConsentText.objects.in_force(about, now),
        "form": form,
    }
    return render(request, "leads/contact_consent.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def consent_texts(request: HttpRequest) -> HttpResponse:
    """All versions of the words of each purpose, the one in force first."""
    texts: dict[str, list[ConsentText]] = {}
    for text in ConsentText.objects.select_related("created_by").order_by("-version"):
        texts.setdefault(text.purpose, []).append(text)
    purposes = [{"value": p.value, "label": p.label, "texts": texts.get(p.value, [])} for p in Purpose]
    may_write = access.may(request.user, access.WRITE_CONSENT_TEXTS)
    return render(request, "leads/consent_texts.html", {"purposes": purposes, "may_write": may_write})


@access.only_for(access.WRITE_CONSENT_TEXTS)
@require_http_methods(["GET", "HEAD", "POST"])
def consent_text_edit(request: HttpRequest, purpose: str) -> HttpResponse:
    about, now = _purpose(purpose), timezone.now()
    latest = ConsentText.objects.filter(purpose=about).order_by("-version").first()
    initial: dict[str, object] = {"seen_version": latest.version if latest else 0}
    if latest:
        initial |= {"text_en": latest.text_en, "text_ru": latest.text_ru}
    form = ConsentTextForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        typed = form.cleaned_data
        try:
            made = consents.put_text_in_force(
                about,
                typed["text_en"],
                typed["text_ru"],
                seen_version=typed["seen_version"],
                by=request.user,
                at=now,
            )
        except consents.Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            if made == latest:
                messages.info(request, _("These words are in force already: nothing was changed."))
            else:
                messages.success(request, _("Version %(version)s is in force.") % {"version": made.version})
            return redirect("leads:consent_texts")
    context = {"purpose": about, "form": form}
    return render(request, "leads/consent_text_edit.html", context, status=422 if form.errors else 200)
