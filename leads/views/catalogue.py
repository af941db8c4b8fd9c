"""Settings → channels, products, reasons: lists that everyone reads and few edit. Nothing is deleted, only switched off."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.db.models import Count, Max, Model
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access
from accounts.saving import save_unless_taken
from leads.forms.catalogue import ChannelForm, ProductForm, ReasonForm
from leads.models import Channel, Product, Reason


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def channel_list(request: HttpRequest) -> HttpResponse:
    form = ChannelForm(request.POST or None)
    if added := _added(request, form):
        return added
    channels = Channel.objects.annotate(campaign_count=Count("campaigns")).order_by("-is_active", "name")
    return _list(request, "leads/channel_list.html", form, channels=channels)


@access.only_for(access.EDIT_CATALOGUE)
@require_http_methods(["GET", "HEAD", "POST"])
def channel_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, Channel, ChannelForm, pk, title=_("Edit channel"), back="leads:channel_list")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def product_list(request: HttpRequest) -> HttpResponse:
    form = ProductForm(request.POST or None)
    if added := _added(request, form):
        return added
    return _list(request, "leads/product_list.html", form, products=Product.objects.order_by("-is_active", "name"))


@access.only_for(access.EDIT_CATALOGUE)
@require_http_methods(["GET", "HEAD", "POST"])
def product_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, Product, ProductForm, pk, title=_("Edit product"), back="leads:product_list")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def reason_list(request: HttpRequest) -> HttpResponse:
    """All three lists of reasons. A new one says by its `kind` in the address to which list it belongs."""
    kind = request.GET.get("kind", Reason.Kind.REJECTION)
    if kind not in Reason.Kind.values:
        raise BadRequest(_("There is no such list of reasons."))
    last = Reason.objects.filter(kind=kind).aggregate(last=Max("position"))["last"]
    form = ReasonForm(request.POST or None, instance=Reason(kind=kind, position=0 if last is None else last + 1))
    if added := _added(request, form):
        return added
    return _list(
        request,
        "leads/reason_list.html",
        form,
        kind=Reason.Kind(kind),
        kinds=Reason.Kind,
        reasons=Reason.objects.filter(kind=kind).order_by("position", "pk"),
    )


@access.only_for(access.EDIT_CATALOGUE)
@require_http_methods(["GET", "HEAD", "POST"])
def reason_edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, Reason, ReasonForm, pk, title=_("Edit reason"), back="leads:reason_list")


@access.only_for(access.EDIT_CATALOGUE)
@require_POST
def reason_move(request: HttpRequest, pk: int) -> HttpResponse:
    reason = get_object_or_404(Reason, pk=pk)
    Reason.objects.move(reason, 1 if request.POST.get("direction") == "down" else -1)
    return redirect(_list_url("leads:reason_list", reason))


def _list_url(name: str, entry: Model) -> str:
    return f"{reverse(name)}?kind={entry.kind}" if isinstance(entry, Reason) else reverse(name)


def _added(request: HttpRequest, form: ModelForm) -> HttpResponse | None:
    """The answer to a valid new entry; None when there is none to add."""
    if request.method != "POST":
        return None
    if not access.may(request.user, access.EDIT_CATALOGUE):
        raise PermissionDenied
    if not form.is_valid() or not (entry := save_unless_taken(form)):
        return None
    messages.success(request, _("%(entry)s is added.") % {"entry": entry})
    return redirect(request.get_full_path())


def _list(request: HttpRequest, template: str, form: ModelForm, **context: object) -> HttpResponse:
    context |= {"form": form, "may_edit": access.may(request.user, access.EDIT_CATALOGUE)}
    return render(request, template, context, status=422 if form.errors else 200)


@transaction.atomic
def _edit(
    request: HttpRequest, model: type[Model], form_class: type[ModelForm], pk: int, *, title: str, back: str
) -> HttpResponse:
    entries = model._default_manager.all()
    entry = get_object_or_404(entries.select_for_update() if request.method == "POST" else entries, pk=pk)
    form = form_class(request.POST or None, instance=entry)
    if request.method == "POST" and form.is_valid() and save_unless_taken(form):
        messages.success(request, _("%(entry)s is saved.") % {"entry": entry})
        return redirect(_list_url(back, entry))
    context = {"form": form, "title": title, "back": _list_url(back, entry)}
    return render(request, "leads/catalogue_edit.html", context, status=422 if form.errors else 200)
