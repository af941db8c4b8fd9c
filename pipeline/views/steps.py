"""How a page takes a step of the funnel for the person: what was done, or why not, becomes a message."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import access
from accounts.access import NotAllowed, NotYours
from accounts.models import Role
from leads.models import Lead, LeadEvent
from pipeline.transitions import TransitionError


@contextmanager
def explained(request: HttpRequest, form: BaseForm | None = None) -> Iterator[None]:
    """Take steps inside. One that can't be taken now (somebody was faster) is a message, or an error of `form`, which
    keeps what was typed; a role that may not is a 403.
    """
    try:
        yield
    except (TransitionError, NotYours) as refusal:
        if form is None:
            messages.error(request, str(refusal))
        else:
            form.add_error(None, str(refusal))
    except NotAllowed as refusal:
        raise PermissionDenied(str(refusal)) from refusal


def require(request: HttpRequest, allowed: set[Role]) -> None:
    """403 for roles that could never send this form, before it is shown."""
    if not access.may(request.user, allowed):
        raise PermissionDenied


def say_done(
    request: HttpRequest, text: str, lead: Lead, undoes: LeadEvent.Kind | None = None, *, note_url: str = ""
) -> None:
    """Say what happened, with an Undo for the person's last step of the kind `undoes`, and where to add a note.

    Whoever sells to the lead is asked what comes next, on the board at once where nothing does.
    """
    event = undoes and lead.events.filter(kind=undoes, actor=request.user).order_by("-pk").first()
    tags = [f"undo:{reverse('pipeline:undo', args=[event.pk])}"] if event else []
    tags += [f"note:{note_url}"] if note_url else []
    opportunity = lead.opportunities.open().select_related("owner").order_by("-pk").first()
    if opportunity is not None and access.can_sell_for(request.user, opportunity.owner):
        is_due = opportunity.next_step_on is None or opportunity.next_step_on <= timezone.localdate()
        url = reverse("pipeline:opportunity_step", args=[opportunity.pk])
        tags.append(f"{'asks' if is_due else 'offers'}:{url}")
    messages.success(request, text, extra_tags=" ".join(tags))


def back(request: HttpRequest, default: str, *, to_referrer: bool = False) -> HttpResponseRedirect:
    """To the page of ours that the form names in `next`, or (`to_referrer`) that it stood on; else to `default`."""
    referrer = request.headers.get("Referer", "") if to_referrer else ""
    for wanted in (request.POST.get("next"), request.GET.get("next"), referrer):
        if wanted and url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
            return HttpResponseRedirect(wanted)
    return HttpResponseRedirect(default)
