"""Settings → routing: the rules in their order, and where last month's leads would have gone by them."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import keyset_page
from accounts.models import User
from accounts.saving import save_unless_taken
from pipeline.forms.routing import TURN, PreviewFilter, RoutingRuleForm
from pipeline.models import Handoff, RoutingRule
from pipeline.routing import rulebook
from pipeline.routing.preview import DAYS, MOST, Compared, preview
from pipeline.views.steps import explained


@login_required
@require_safe
def rule_list(request: HttpRequest) -> HttpResponse:
    context = {
        "rows": rulebook.described(at=timezone.now()),
        "may_edit": access.may(request.user, access.EDIT_ROUTING),
    }
    return render(request, "pipeline/routing_rules.html", context)


@access.only_for(access.EDIT_ROUTING)
@require_http_methods(["GET", "HEAD", "POST"])
def rule_add(request: HttpRequest) -> HttpResponse:
    form = RoutingRuleForm(request.POST if request.method == "POST" else None, instance=rulebook.new_rule())
    return _edited(request, form, _("New routing rule"))


@access.only_for(access.EDIT_ROUTING)
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def rule_edit(request: HttpRequest, pk: int) -> HttpResponse:
    rows = RoutingRule.objects.all()
    rule = (rows.select_for_update() if request.method == "POST" else rows).filter(pk=pk).first()
    if rule is None:
        return _gone(request)
    form = RoutingRuleForm(request.POST if request.method == "POST" else None, instance=rule)
    return _edited(request, form, _("Edit routing rule"))


def _gone(request: HttpRequest) -> HttpResponse:
    messages.error(request, _("This rule isn't there any more: somebody deleted it."))
    return redirect("pipeline:routing_rules")


def _edited(request: HttpRequest, form: RoutingRuleForm, title: str) -> HttpResponse:
    if request.method == "POST" and form.is_valid() and (rule := save_unless_taken(form)):
        text = _("“%(rule)s” is saved. The preview shows where last month's leads would have gone.")
        messages.success(request, text % {"rule": rule})
        return redirect("pipeline:routing_rules")
    context = {"form": form, "title": title}
    return render(request, "pipeline/routing_rule.html", context, status=422 if form.errors else 200)


def _rule(pk: int) -> RoutingRule:
    """The rule, perhaps deleted a moment ago: what is done with it says so."""
    return RoutingRule.objects.filter(pk=pk).first() or RoutingRule(pk=pk)


@access.only_for(access.EDIT_ROUTING)
@require_POST
def rule_move(request: HttpRequest, pk: int) -> HttpResponse:
    places = {"up": -1, "down": 1}.get(request.POST.get("direction", ""))
    if places is None:
        raise BadRequest("direction")
    with explained(request):
        rulebook.move_rule(_rule(pk), places, by=request.user)
    return redirect("pipeline:routing_rules")


@access.only_for(access.EDIT_ROUTING)
@require_POST
def rule_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Into use with `on=1` (in the form, or in the address as in the toast's Undo), out of it without."""
    rule, is_active = _rule(pk), "1" in (request.POST.get("on"), request.GET.get("on"))
    with explained(request):
        rulebook.switch_rule(rule, is_active=is_active, by=request.user)
        text = _("“%(rule)s” is in use.") if is_active else _("“%(rule)s” is not in use any more.")
        back = reverse("pipeline:routing_rule_switch", args=[pk]) + ("" if is_active else "?on=1")
        messages.success(request, text % {"rule": rule}, extra_tags=f"undo:{back}")
    return redirect("pipeline:routing_rules")


@access.only_for(access.EDIT_ROUTING)
@require_POST
def rule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    rule = _rule(pk)
    with explained(request):
        rulebook.delete_rule(rule, by=request.user)
        messages.success(request, _("The rule is deleted."))
    return redirect("pipeline:routing_rules")


@login_required
@require_safe
def routing_preview(request: HttpRequest) -> HttpResponse:
    """Where last month's leads would have gone by the rules as they stand: per rep, per rule, and each lead."""
    filters = PreviewFilter.read(request.GET)
    wanted = filters.cleaned_data
    shown = preview(at=timezone.now(), with_unused=bool(wanted["unused"]))
    chosen = {row.handoff.pk: row for row in shown.rows if _is_wanted(row, wanted)}
    page = keyset_page(
        Handoff.objects.visible_to(request.user).filter(pk__in=chosen).for_list(),
        request.GET,
        order=("-handed_over_at", "-pk"),
    )
    context = {
        "shown": shown,
        "days": DAYS,
        "most": MOST,
        "reps": [
            {
                "rep": rep,
                "had": had,
                "would": would,
                "difference": would - had,
                "had_url": _address(wanted, had=rep.pk),
                "would_url": _address(wanted, would=rep.pk),
            }
            for rep, had, would in shown.per_rep()
        ],
        "rules": [
            {"rule": rule, "count": count, "url": _address(wanted, rule=rule.pk if rule else TURN)}
            for rule, count in shown.per_rule()
        ],
        "moved": sum(row.is_moved for row in shown.rows),
        "moved_url": _address(wanted, moved=1),
        "all_url": _address(wanted),
        "unused": wanted["unused"],
        "narrowed": _in_words(wanted),
        "page": page,
        "rows": [chosen[handoff.pk] for handoff in page.rows if handoff.pk in chosen],
    }
    return render(request, "pipeline/routing_preview.html", context)


def _is_wanted(row: Compared, wanted: dict[str, Any]) -> bool:
    rep, rule = row.routed.rep, row.routed.rule
    return (
        (not wanted["had"] or row.handoff.assigned_to_id == wanted["had"].pk)
        and (not wanted["would"] or (rep is not None and rep.pk == wanted["would"].pk))
        and (not wanted["rule"] or (str(rule.pk) if rule else TURN) == wanted["rule"])
        and (not wanted["moved"] or row.is_moved)
    )


def _address(wanted: dict[str, Any], **narrowed: str | int) -> str:
    kept: dict[str, str | int] = {"unused": 1} if wanted["unused"] else {}
    query = urlencode(kept | narrowed)
    return reverse("pipeline:routing_preview") + (f"?{query}" if query else "") + ("#leads" if narrowed else "")


def _in_words(wanted: dict[str, Any]) -> str:
    """Which of the leads are listed; "" for all."""
    people: dict[str, User] = {name: wanted[name] for name in ("had", "would") if wanted[name]}
    words = []
    if "had" in people:
        words.append(_("got by %(rep)s") % {"rep": people["had"]})
    if "would" in people:
        words.append(_("would have gone to %(rep)s") % {"rep": people["would"]})
    if wanted["rule"] == TURN:
        words.append(_("decided by no rule"))
    elif wanted["rule"]:
        rule = RoutingRule.objects.filter(pk=int(wanted["rule"][:18])).first()
        words.append(_("decided by “%(rule)s”") % {"rule": rule or "—"})
    if wanted["moved"]:
        words.append(_("would have gone elsewhere"))
    return ", ".join(words)
