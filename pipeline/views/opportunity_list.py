"""All opportunities as a list: sorted, narrowed, as a file, and given to others."""

from collections.abc import Iterator

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.access import NotAllowed
from accounts.keyset import keyset_page
from accounts.models import Organisation
from leads.models import Channel, LeadEvent
from leads.views.export import table_file
from pipeline import transitions
from pipeline.board import Stander
from pipeline.forms.deal_filters import OpportunityFilter
from pipeline.forms.selling import OwnerForm
from pipeline.models import Opportunity, SalesPipeline
from pipeline.models.opportunities import OpportunityQuerySet
from pipeline.transitions import TransitionError
from pipeline.views.steps import back, require

COUNTED = 10_000  # sums over more than this are not worth the wait
MOST_AT_ONCE = 200


@login_required
@require_safe
def opportunity_list(request: HttpRequest) -> HttpResponse:
    filters = OpportunityFilter.read(request.GET)
    opportunities: OpportunityQuerySet = filters.apply(Opportunity.objects.visible_to(request.user))
    page = keyset_page(opportunities.for_list(), request.GET, order=filters.order)
    stander = Stander(request.user, timezone.now())
    context = {
        "page": page,
        "rows": page.rows,
        "standings": [stander.standing(opportunity) for opportunity in page.rows],
        "currency": Organisation.current().currency,
        "may_give": access.may(request.user, access.REASSIGN_OPPORTUNITIES),
        "filters": filters,
    }
    if request.htmx and "after" in request.GET:
        return render(request, "pipeline/opportunity_list.html#rows", context)
    context |= {
        "totals": opportunities.order_by()[: COUNTED + 1].aggregate(
            number=Count("pk"), amount=Sum("amount"), margin=Sum("margin")
        ),
        "counted": COUNTED,
        "pipelines": stander.ways.pipelines,
        "is_mine": str(filters.data.get("owner")) == str(request.user.pk),
        "may_sell": access.may(request.user, access.SELL),
        "may_export": access.may(request.user, access.EXPORT),
    }
    return render(request, "pipeline/opportunity_list.html", context)


@login_required
@require_safe
def opportunity_filter(request: HttpRequest) -> HttpResponse:
    """The filters of list and board as a form, in a dialog."""
    context = {"form": OpportunityFilter.read(request.GET), "list_url": reverse("pipeline:opportunity_list")}
    return render(request, "pipeline/filter.html", context | {"board_url": reverse("pipeline:opportunity_board")})


# --- As a file -------------------------------------------------------------------------------------------------------

# name of the column in the file, path from the opportunity
COLUMNS = [
    *(
        ("id", "pk"),
        ("lead", "lead_id"),
        ("client", "lead__contact__name"),
        ("company", "lead__contact__company__name"),
    ),
    *(("pipeline", "product_id"), ("product", "product__name"), ("stage", "stage"), ("in_stage_since", "stage_at")),
    *((name, name) for name in ("amount", "margin", "expected_close_on", "next_step", "next_step_on")),
    *(("owner", "owner__email"), ("campaign", "lead__campaign__name"), ("channel", "lead__campaign__channel")),
    *((f"{name}_at", f"{name}_at") for name in ("opened", "demo", "proposal", "contract", "won", "lost")),
    *(("lost_reason", "lost_reason__text"), ("lost_note", "lost_note")),
]


@access.only_for(access.EXPORT)
@require_safe
def opportunity_export(request: HttpRequest) -> HttpResponseBase:
    """Every opportunity that the same address shows as a list, in its order, as CSV."""
    filters = OpportunityFilter.read(request.GET)
    found = filters.apply(Opportunity.objects.visible_to(request.user)).order_by(*filters.order)
    return table_file("csv", "opportunities", _("Opportunities"), [name for name, _path in COLUMNS], _rows(found))


def _rows(opportunities: OpportunityQuerySet) -> Iterator[list]:
    channels = {channel.pk: str(channel) for channel in Channel.objects.all()}
    ways = SalesPipeline.objects.ways()
    names = [name for name, _path in COLUMNS]
    pipeline, channel = names.index("pipeline"), names.index("channel")
    for row in opportunities.values_list(*(path for _name, path in COLUMNS)).iterator(chunk_size=2000):
        cells = list(row)
        cells[pipeline], cells[channel] = str(ways.of(cells[pipeline])), channels[cells[channel]]
        yield cells


# --- To another owner ------------------------------------------------------------------------------------------------


@login_required
@require_POST
def opportunities_give(request: HttpRequest) -> HttpResponse:
    """Give the selected opportunities to another rep: asks to whom, does each by itself, says what became of it.

    `selected` are ids; `confirmed` says that the question was answered.
    """
    require(request, access.REASSIGN_OPPORTUNITIES)
    wanted = {int(pk) for pk in request.POST.getlist("selected") if pk.isascii() and pk.isdigit() and len(pk) < 19}
    if len(wanted) > MOST_AT_ONCE:
        text = _("You selected %(count)s opportunities; at most %(most)s can be dealt with at once. Nothing was done.")
        messages.error(request, text % {"count": len(wanted), "most": MOST_AT_ONCE})
        return back(request, reverse("pipeline:opportunity_list"))
    selected = list(Opportunity.objects.visible_to(request.user).filter(pk__in=wanted).for_list().order_by("pk"))
    if not selected:
        messages.error(request, _("Select the opportunities first."))
        return back(request, reverse("pipeline:opportunity_list"))
    form = OwnerForm(request.POST if "confirmed" in request.POST else None, by=request.user)
    if not form.is_valid():
        ready = [each for each in selected if each.is_open and access.can_sell_for(request.user, each.owner)]
        context = {"selected": selected, "ready": ready, "form": form}
        return render(request, "pipeline/opportunities_give.html", context, status=422 if form.errors else 200)
    to, results = form.cleaned_data["to"], []
    now = timezone.now()  # one moment: by it the undo knows what belongs together
    for opportunity in selected:
        try:
            transitions.give_opportunity(opportunity, to, by=request.user, at=now)
            results.append({"opportunity": opportunity, "why_not": ""})
        except (TransitionError, NotAllowed) as refusal:
            results.append({"opportunity": opportunity, "why_not": str(refusal)})
    done = sum(1 for result in results if not result["why_not"])
    said = ngettext("%(rep)s has %(done)s opportunity more.", "%(rep)s has %(done)s opportunities more.", done)
    given = LeadEvent.objects.filter(kind=LeadEvent.Kind.REASSIGNED, actor=request.user, at=now)
    undoes = given.filter(lead__in=[each.lead_id for each in selected]).first()
    undo_url = reverse("pipeline:undo_together", args=[undoes.pk]) if undoes else ""
    level, tags = messages.SUCCESS if done else messages.WARNING, f"undo:{undo_url}" if undoes else ""
    messages.add_message(request, level, said % {"rep": to, "done": done}, extra_tags=tags)
    context = {"results": results, "done": done, "left": len(results) - done, "to": to, "undo_url": undo_url}
    return render(request, "pipeline/opportunities_give.html", context)
