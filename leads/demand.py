"""What leads ask for and we don't sell: recording it, counting it, and putting two names of one thing together."""

import datetime

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.utils.translation import gettext as _

from accounts import access
from accounts.access import NotAllowed
from accounts.models import User
from leads.erasures import require_present
from leads.models import DemandRequest, Lead, LeadEvent, UnmetDemand
from leads.normalise import fold

RECENT = datetime.timedelta(days=90)


class Gone(Exception):
    """What was to be changed isn't there any more; the text says why."""


@transaction.atomic
def note_request(lead: Lead, name: str, *, by: User | None, at: datetime.datetime, note: str = "") -> DemandRequest:
    """Record that `lead` asked for something that isn't sold. The same name, however written, counts as one thing.

    A lead that asks for it again isn't counted twice. Raises NotAllowed for the wrong role.
    """
    if not access.may(by, access.EDIT_CONTACTS):
        raise NotAllowed(_("Your role doesn't record what leads ask for."))
    lead = Lead.objects.select_for_update(of=("self",)).select_related("contact").get(pk=lead.pk)
    require_present(lead.contact)
    name = " ".join(name.split())
    demand, _made = UnmetDemand.objects.get_or_create(folded_name=fold(name)[:300], defaults={"name": name})
    asked, is_new = DemandRequest.objects.get_or_create(
        demand=demand, lead=lead, defaults={"at": at, "by": by, "note": note}
    )
    if is_new:
        LeadEvent.objects.record(lead, LeadEvent.Kind.DEMAND, by=by, at=at, demand=demand.name, note=note)
    return asked


def take_back_request(lead: Lead, *, by: User | None, at: datetime.datetime) -> None:
    """Forget what `lead` asked for by a step of `by` at `at` that is undone. A name nobody else asks for goes with it."""
    for asked in DemandRequest.objects.filter(lead=lead, by=by, at=at):
        asked.delete()
        UnmetDemand.objects.filter(pk=asked.demand_id, requests__isnull=True, answer="").delete()


@transaction.atomic
def decide(demand: UnmetDemand, *, name: str, answer: str, by: User | None, at: datetime.datetime) -> UnmetDemand:
    """Keep what was decided about it, and its name. A name that another one has puts the two together.

    Returns the one that stays; where nothing is decided here, what was decided about that one stands. Raises NotAllowed
    for the wrong role, and Gone when somebody has put it together with another meanwhile.
    """
    if not access.may(by, access.EDIT_CATALOGUE):
        raise NotAllowed(_("Your role doesn't edit this list."))
    name = " ".join(name.split())
    same = UnmetDemand.objects.select_for_update().filter(folded_name=fold(name)[:300])
    this = UnmetDemand.objects.select_for_update().filter(pk=demand.pk).first()
    if this is None:
        raise Gone(_("Somebody has put this together with another one meanwhile. Look for it in the list."))
    kept = same.exclude(pk=demand.pk).first() or this
    if kept.pk != demand.pk:
        answer = answer or kept.answer
        has_it = DemandRequest.objects.filter(demand=kept).values("lead")
        DemandRequest.objects.filter(demand=demand).exclude(lead__in=has_it).update(demand=kept)
        UnmetDemand.objects.filter(pk=demand.pk).delete()
    kept.name = name
    if answer != kept.answer:
        kept.answer, kept.answered_at = answer, at if answer else None
    kept.save()
    return kept


def ranked(at: datetime.datetime) -> QuerySet[UnmetDemand]:
    """The list, most wanted first, with `recent` and `before` (requests in the last 90 days, and in the 90 before),
    `total` and `last_at`. Leads that were removed before sales saw them don't count."""
    counted = Q(requests__lead__handed_over_at__isnull=False) | ~Q(requests__lead__stage="removed")
    return UnmetDemand.objects.annotate(
        recent=Count("requests", filter=counted & Q(requests__at__gt=at - RECENT, requests__at__lte=at)),
        before=Count("requests", filter=counted & Q(requests__at__gt=at - 2 * RECENT, requests__at__lte=at - RECENT)),
        total=Count("requests", filter=counted),
        last_at=Max("requests__at", filter=counted),
    ).order_by("-recent", "-total", "folded_name")
