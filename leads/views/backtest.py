"""Backtest of a criteria set: what it would have done with past leads, and those leads by name."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_safe

from accounts import keyset
from leads.criteria.backtest import NO, UNKNOWN, YES, Backtest, Became, CriterionResult, most_valuable, past_leads
from leads.forms.backtest import BacktestFilter
from leads.models import CriteriaSet, Lead
from leads.normalise import read_number

MOST_NAMED = 20
PAGE = 50


@login_required
@require_safe
def criteria_backtest(request: HttpRequest, pk: int) -> HttpResponse:
    sets = CriteriaSet.objects.select_related("product").prefetch_related("criteria")
    criteria_set = get_object_or_404(sets, pk=pk)
    filters = BacktestFilter.read(request.GET)
    now, today = timezone.now(), timezone.localdate()
    in_force = CriteriaSet.objects.in_force(now, criteria_set.product)
    other = in_force if in_force and in_force.pk != criteria_set.pk else None
    keys = {criterion.key for each in (criteria_set, other) if each for criterion in each.criteria.all()}
    leads = Lead.objects.visible_to(request.user)
    pasts, is_cut = past_leads(filters.apply(leads, criteria_set, now), *filters.moments(today), keys)
    test = Backtest(criteria_set, pasts)
    first, last = filters.days(today)
    context: dict[str, Any] = {
        "set": criteria_set,
        "is_in_force": in_force is not None and in_force.pk == criteria_set.pk,
        "is_coming": criteria_set.in_force_at is not None and criteria_set.in_force_at > now,
        "filters": filters,
        "first": first,
        "last": last,
        "test": test,
        "is_cut": is_cut,
    }
    if filters.names_a_part:
        return render(request, "leads/criteria_backtest_leads.html", context | _part(request, test, filters))
    versus = Backtest(other, pasts) if other else None
    lost = test.lost_wins()
    gained = test.gained_wins(versus) if versus else []
    context |= {
        "versus": versus,
        "tables": _tables(test, filters),
        "results": [_result(result, filters) for result in test.results()],
        "never_known": test.never_known(),
        "compared": _compared(test, versus, filters) if versus else [],
        "lost": most_valuable(leads, lost, MOST_NAMED) if lost else [],
        "lost_count": len(lost),
        "lost_more": max(0, len(lost) - MOST_NAMED),
        "lost_url": filters.address(judged="no", won=Became.YES),
        "gained": most_valuable(leads, gained, MOST_NAMED) if gained else [],
        "gained_more": max(0, len(gained) - MOST_NAMED),
        "met_url": filters.address(judged="yes"),
        "open_verdicts": test.accepted[True, Became.OPEN] + test.accepted[False, Became.OPEN],
        "not_asked": test.accepted[True, Became.NOT_ASKED] + test.accepted[False, Became.NOT_ASKED],
        "without_fields": sum(1 for case in test.cases if not case.past.has_fields),
        "has_rules": any(criterion.rule for criterion in test.criteria),
        "all_time_url": filters.address(**{"from": "2000-01-01"}),
    }
    return render(request, "leads/criteria_backtest.html", context)


def _tables(test: Backtest, filters: BacktestFilter) -> list[dict[str, Any]]:
    """The two tables of four: would be a lead or not, against what became of it; what is open stands apart."""
    kinds = (
        ("accepted", test.accepted, [Became.YES, Became.NO, Became.OPEN, Became.NOT_ASKED]),
        ("won", test.won, [Became.YES, Became.NO, Became.OPEN]),
    )
    tables = []
    for name, counts, columns in kinds:
        labels = {column: filters.words(name, column) for column in columns}
        shown = [
            column for column in columns
            if column in (Became.YES, Became.NO) or counts[True, column] or counts[False, column]
        ]  # fmt: skip
        rows = []
        for is_met, judged in ((True, "yes"), (False, "no")):
            cells = [
                {
                    "label": labels[column],
                    "count": counts[is_met, column],
                    "url": filters.address(judged=judged, **{name: column.value}),
                    "is_apart": column not in (Became.YES, Became.NO),
                }
                for column in shown
            ]
            total = sum(counts[is_met, column] for column in shown)
            rows.append({
                "label": filters.words("judged", judged),
                "cells": cells,
                "total": total,
                "url": filters.address(judged=judged),
            })  # fmt: skip
        tables.append({
            "name": name,
            "columns": [{"label": labels[column], "is_apart": column not in (Became.YES, Became.NO)} for column in shown],
            "rows": rows,
        })  # fmt: skip
    return tables


def _result(result: CriterionResult, filters: BacktestFilter) -> dict[str, Any]:
    counts = (
        (pgettext("criterion", "met"), result.met, YES),
        (pgettext("criterion", "not met"), result.not_met, NO),
        (_("unknown"), result.unknown, UNKNOWN),
    )
    return {
        "result": result,
        "counts": [
            {
                "label": label,
                "count": count,
                "url": filters.address(criterion=result.criterion.key, value=value),
            }
            for label, count, value in counts
        ],
    }


def _compared(test: Backtest, versus: Backtest, filters: BacktestFilter) -> list[dict[str, Any]]:
    """Both sets side by side; `is_share` tells a share from a plain count."""
    there = reverse("leads:criteria_backtest", args=[versus.criteria_set.pk])
    rows = [
        (_("Would be leads"), lambda one: one.met, {"judged": "yes"}),
        (_("Became SAL, of those decided"), Backtest.met_accepted, {"judged": "yes", "accepted": Became.YES.value}),
        (_("Won, of those decided"), Backtest.met_won, {"judged": "yes", "won": Became.YES.value}),
        (_("SALs that it would keep"), Backtest.kept_accepted, {"judged": "yes", "accepted": Became.YES.value}),
        (_("Won leads that it would keep"), Backtest.kept_won, {"judged": "yes", "won": Became.YES.value}),
    ]
    return [
        {
            "label": label,
            "is_share": read is not rows[0][1],
            "mine": read(test),
            "url": filters.address(**part),
            "theirs": read(versus),
            "their_url": there + filters.address(**part),
        }
        for label, read, part in rows
    ]


def _part(request: HttpRequest, test: Backtest, filters: BacktestFilter) -> dict[str, Any]:
    """The leads of the named part, a page of them; `after` is the last lead of the page before."""
    wanted = filters.cleaned_data
    keys = [criterion.key for criterion in test.criteria]
    if wanted["criterion"] and wanted["criterion"] not in keys:
        raise BadRequest(_("This version has no such criterion."))
    place = keys.index(wanted["criterion"]) if wanted["criterion"] else None
    cases = [case for case in test.cases if filters.takes(case, place)]
    start = 0
    if keyset.PARAMETER in request.GET:
        last = read_number(request.GET[keyset.PARAMETER])
        start = next((number + 1 for number, case in enumerate(cases) if case.past.pk == last), 0)
        if not start:
            raise BadRequest(_("This page's address is damaged. Please open the list anew."))
    shown = cases[start : start + PAGE]
    leads = Lead.objects.visible_to(request.user).for_list().in_bulk([case.past.pk for case in shown])
    words = [filters.words(name, wanted[name]) for name in ("judged", "accepted", "won") if wanted[name]]
    if place is not None:
        words.append(f"{test.criteria[place]}: {filters.words('value', wanted['value'])}")
    return {
        "rows": [(leads[case.past.pk], case) for case in shown if case.past.pk in leads],
        "count": len(cases),
        "words": words,
        "next_key": shown[-1].past.pk if start + PAGE < len(cases) else "",
        "result_url": filters.address(),
    }
