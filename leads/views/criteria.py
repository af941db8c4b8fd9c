"""Settings → criteria: what makes a lead, which versions there were, and the next version."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from accounts.keyset import keyset_page
from leads import criteria
from leads.forms.criteria import CriteriaForm
from leads.models import CriteriaSet


@login_required
@require_safe
def criteria_page(request: HttpRequest) -> HttpResponse:
    versions = CriteriaSet.objects.select_related("created_by").prefetch_related("criteria")
    page = keyset_page(versions, request.GET, order=("-pk",), size=20)
    beyond = versions.filter(pk__lt=page.rows[-1].pk).order_by("-pk")[:1] if page.rows else []
    before: list[CriteriaSet | None] = [*page.rows[1:], *beyond, None]
    return render(
        request,
        "leads/criteria.html",
        {
            "in_force": CriteriaSet.objects.in_force(timezone.now()),
            "versions": [
                {"set": version, "changes": criteria.changes(earlier, version)}
                for version, earlier in zip(page.rows, before, strict=False)
            ],
            "next_key": page.next_key,
            "may_decide": access.may(request.user, access.DECIDE_CRITERIA),
        },
    )


@access.only_for(access.DECIDE_CRITERIA)
@require_http_methods(["GET", "HEAD", "POST"])
def criteria_edit(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    in_force = CriteriaSet.objects.in_force(now)
    if request.method != "POST":
        form = CriteriaForm.of(in_force)
    elif "rearrange" in request.POST:
        form = CriteriaForm.rearranged(request.POST, in_force)
    else:
        form = CriteriaForm.sent(request.POST, in_force)
        if form.is_valid() and (saved := _put_in_force(request, form)):
            return saved
    return render(request, "leads/criteria_edit.html", {"form": form}, status=422 if form.errors else 200)


def _put_in_force(request: HttpRequest, form: CriteriaForm) -> HttpResponse | None:
    """Save a valid form; None when someone else was faster, which the form then says."""
    if not form.changes_something:
        messages.info(request, _("These criteria are in force already: nothing was changed."))
        return redirect("leads:criteria")
    try:
        made = criteria.put_in_force(
            form.criteria,
            threshold=form.cleaned_data["threshold"],
            note=form.cleaned_data["note"],
            by=request.user,
            at=timezone.now(),
            edited_version=form.cleaned_data["edited_version"],
        )
    except criteria.OutdatedEdit as outdated:
        form.refuse_as_outdated(str(outdated), CriteriaSet.objects.in_force(timezone.now()))
        return None
    messages.success(request, _("Version %(version)s is in force.") % {"version": made.version})
    return redirect("leads:criteria")
