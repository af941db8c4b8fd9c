"""What a person does about the clocks of a handoff: pause them, let them go on, take a cold lead from the pool."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access
from leads.models import LeadEvent
from pipeline import transitions
from pipeline.forms.steps import PauseForm
from pipeline.models import Handoff
from pipeline.transitions.rules import exactly
from pipeline.views.handoffs import answer
from pipeline.views.steps import back, explained, require, say_done


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def handoff_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks until when and why, then lets the clocks stand still."""
    require(request, access.SELL)
    handoffs = Handoff.objects.visible_to(request.user).select_related("lead__contact", "agreement", "assigned_to")
    handoff, now = get_object_or_404(handoffs, pk=pk), timezone.now()
    form = PauseForm(request.POST if request.method == "POST" else None, handoff=handoff, now=now)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            made = transitions.pause(handoff, by=request.user, at=now, **form.cleaned_data)
            said = _("The clocks of %(lead)s wait until %(when)s.")
            said %= {"lead": handoff.lead, "when": exactly(made.until)}
            say_done(request, said, handoff.lead, LeadEvent.Kind.PAUSED)
            return back(request, reverse("pipeline:handoff_detail", args=[pk]))
    context = {
        "handoff": handoff,
        "form": form,
        "left": max(0, handoff.agreement.max_pauses - handoff.pauses.count()),
        "clocks": handoff.clocks(now),
    }
    return render(request, "pipeline/handoff_pause.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def handoff_resume(request: HttpRequest, pk: int) -> HttpResponse:
    handoff = get_object_or_404(Handoff.objects.visible_to(request.user), pk=pk)
    with explained(request):
        transitions.resume(handoff, by=request.user, at=timezone.now())
        messages.success(request, _("The clocks of %(lead)s go on.") % {"lead": handoff.lead})
    return answer(request, handoff)


@login_required
@require_POST
def handoff_take(request: HttpRequest, pk: int) -> HttpResponse:
    handoff = get_object_or_404(Handoff.objects.visible_to(request.user), pk=pk)
    with explained(request):
        transitions.take(handoff, by=request.user, at=timezone.now())
        messages.success(request, _("You have %(lead)s now.") % {"lead": handoff.lead})
    return answer(request, handoff)
