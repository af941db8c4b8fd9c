"""The agreement between marketing and sales: read by everyone, decided by the director."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import access
from pipeline import agreements
from pipeline.forms.agreement import AgreementForm
from pipeline.models import Agreement
from pipeline.views.steps import require


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def agreement(request: HttpRequest) -> HttpResponse:
    """The version in force and all before it; the director's edit makes the next one."""
    now = timezone.now()
    in_force = Agreement.objects.in_force(now)
    form = AgreementForm(request.POST if request.method == "POST" else None, in_force=in_force)
    if request.method == "POST":
        require(request, access.DECIDE_AGREEMENT)
        if form.is_valid():
            answers = form.cleaned_data
            try:
                made = agreements.put_in_force(
                    answers,
                    channels=form.agreed_channels,
                    seen_version=answers["seen_version"],
                    note=answers["note"],
                    by=request.user,
                    at=now,
                )
            except agreements.NewerVersion as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, _("%(agreement)s is in force.") % {"agreement": made})
                return redirect("pipeline:agreement")
    context = {
        "in_force": in_force,
        "channel_terms": [
            (row["channel"], in_force.terms_of(row["channel"].pk)) for row in agreements.channel_terms(in_force)
        ],
        "versions": agreements.history(),
        "form": form,
        "may_decide": access.may(request.user, access.DECIDE_AGREEMENT),
    }
    status = 200 if request.method != "POST" else 422
    return render(request, "pipeline/agreement.html", context, status=status)
