"""The content library, and where its pieces are used."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, OuterRef, Q, Subquery, Sum
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from accounts.models import Organisation
from leads.models import Lead, Stage
from pipeline import content
from pipeline.forms.content import ContentFilter, ContentForm
from pipeline.models import ContentItem, ContentRequest, ContentUse
from pipeline.views.steps import back, explained

SUGGESTED = 5


def _times(**condition: object) -> Subquery:
    """How often the piece of the outer query was used: reckoned for the rows that are shown alone."""
    uses = ContentUse.objects.filter(item=OuterRef("pk"), **condition).order_by().values("item")
    return Subquery(uses.annotate(number=Count("pk")).values("number"))


@login_required
@require_safe
def content_list(request: HttpRequest) -> HttpResponse:
    filters = ContentFilter.read(request.GET)
    items = filters.apply(ContentItem.objects.visible_to(request.user))
    shown = items.select_related("product").annotate(used=_times(), in_won=_times(opportunity__stage=Stage.WON))
    context = {
        "page": keyset_page(shown, request.GET, order=("-added_at", "-pk")),
        "filters": filters,
        "lead": filters.cleaned_data["lead"],
        "count": count_up_to(items),
        "open_requests": count_up_to(ContentRequest.objects.visible_to(request.user).open()),
        "may_keep": access.may(request.user, access.KEEP_CONTENT),
        "may_use": access.may(request.user, access.USE_CONTENT),
    }
    return render(request, "content/library.html", context)


@login_required
@require_safe
def content_filter(request: HttpRequest) -> HttpResponse:
    """The library's filters as a form, in a dialog."""
    context = {"form": ContentFilter.read(request.GET), "list_url": reverse("pipeline:content_list")}
    return render(request, "pipeline/filter.html", context)


@access.only_for(access.KEEP_CONTENT)
@require_http_methods(["GET", "HEAD", "POST"])
def content_add(request: HttpRequest) -> HttpResponse:
    return _edit(request, ContentItem())


@access.only_for(access.KEEP_CONTENT)
@require_http_methods(["GET", "HEAD", "POST"])
def content_add_for(request: HttpRequest, pk: int) -> HttpResponse:
    """A new piece that answers a request in the same breath."""
    asked = get_object_or_404(ContentRequest.objects.visible_to(request.user).select_related("lead"), pk=pk)
    initial = {"title": asked.title, "kind": asked.kind, "product": asked.lead.product_id if asked.lead else None}
    return _edit(request, ContentItem(), initial=initial, asked=asked)


@access.only_for(access.KEEP_CONTENT)
@require_http_methods(["GET", "HEAD", "POST"])
def content_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(ContentItem.objects.visible_to(request.user), pk=pk))


def _edit(
    request: HttpRequest, item: ContentItem, *, initial: dict | None = None, asked: ContentRequest | None = None
) -> HttpResponse:
    sent = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = ContentForm(*sent, instance=item, initial=initial)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            content.keep(
                form.instance, file=form.cleaned_data["upload"], answers=asked, by=request.user, at=timezone.now()
            )
            if asked is not None:
                messages.success(request, _("Done: whoever asked for it has been told."))
                return redirect(asked)
            messages.success(request, _("“%(item)s” is in the library.") % {"item": form.instance})
            return redirect("pipeline:content_item", form.instance.pk)
    context = {"form": form, "item": item if item.pk else None, "asked": asked}
    return render(request, "content/edit.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def content_item(request: HttpRequest, pk: int) -> HttpResponse:
    """One piece, where it was used, and what became of those deals."""
    items = ContentItem.objects.visible_to(request.user).select_related("product", "added_by")
    item = get_object_or_404(items, pk=pk)
    uses = ContentUse.objects.visible_to(request.user).filter(item=item)
    won = Q(opportunity__stage=Stage.WON)
    rows = uses.select_related("lead__contact__company", "opportunity", "used_by")
    context = {
        "item": item,
        "page": keyset_page(rows, request.GET, order=("-used_at", "-pk")),
        "became": uses.aggregate(
            deals=Count("opportunity"),
            won=Count("pk", filter=won),
            lost=Count("pk", filter=Q(opportunity__stage=Stage.LOST)),
            amount=Sum("opportunity__amount", filter=won),
        ),
        "currency": Organisation.current().currency,
        "may_keep": access.may(request.user, access.KEEP_CONTENT),
    }
    return render(request, "content/item.html", context)


@login_required
@require_safe
def content_file(request: HttpRequest, pk: int) -> FileResponse:
    """The file itself, to be saved: never opened in a page of ours."""
    item = get_object_or_404(ContentItem.objects.visible_to(request.user), pk=pk)
    if not item.file:
        raise Http404
    try:
        file = item.file.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    kind = content.type_of(item.file_name)
    response = FileResponse(file, as_attachment=True, filename=item.file_name, content_type=kind)
    response["X-Content-Type-Options"] = "nosniff"
    return response


@login_required
@require_POST
def content_use(request: HttpRequest, pk: int, lead_pk: int) -> HttpResponse:
    item = get_object_or_404(ContentItem.objects.visible_to(request.user), pk=pk)
    lead = get_object_or_404(Lead.objects.visible_to(request.user).select_related("contact"), pk=lead_pk)
    with explained(request):
        used = content.use(item, lead, by=request.user, at=timezone.now())
        tags = f"undo:{reverse('pipeline:content_use_undo', args=[used.pk])}" if used.used_by == request.user else ""
        messages.success(request, _("“%(item)s” used with %(lead)s.") % {"item": item, "lead": lead}, extra_tags=tags)
    return back(request, reverse("pipeline:content_item", args=[pk]), to_referrer=True)


@login_required
@require_POST
def content_use_undo(request: HttpRequest, pk: int) -> HttpResponse:
    uses = ContentUse.objects.visible_to(request.user).select_related("lead__contact")
    used = get_object_or_404(uses, pk=pk)
    with explained(request):
        content.take_back(used, by=request.user, at=timezone.now())
        messages.success(request, _("Taken back."))
    return back(request, reverse("pipeline:content_item", args=[used.item_id]), to_referrer=True)


@login_required
@require_safe
def lead_content(request: HttpRequest, pk: int) -> HttpResponse:
    """What is ready for this lead, what was used with it, and what was asked for: a part of other pages, or a page."""
    leads = Lead.objects.visible_to(request.user).select_related("contact__company")
    lead = get_object_or_404(leads, pk=pk)
    opportunity = lead.opportunities.order_by("-pk").first()
    used = list(lead.content_uses.select_related("item", "used_by").order_by("-used_at", "-pk")[:SUGGESTED])
    suggested = content.fitting(lead, opportunity).exclude(pk__in=[each.item_id for each in used])
    context = {
        "lead": lead,
        "used": used,
        "suggested": list(suggested[:SUGGESTED]),
        "requests": list(lead.content_requests.order_by("-requested_at", "-pk")[:SUGGESTED]),
        "may_use": access.may(request.user, access.USE_CONTENT),
        "may_ask": access.may(request.user, access.ASK_FOR_CONTENT),
    }
    template = (
        "content/lead_content.html#part" if request.htmx.target == "lead-content" else "content/lead_content.html"
    )
    return render(request, template, context)
