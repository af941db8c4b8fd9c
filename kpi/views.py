"""The KPI pages. They read what is kept and write nothing; a figure is as old as the last reckoning, and says so."""

import csv
import datetime
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Count, F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.models import Role, Team, User
from integrations.broker import publish
from kpi.facts import HANDOFF, reckoned_at
from kpi.metrics import METRIC, Figure, Metric, Unit, chosen, plain
from kpi.scope import SPLIT_NAMES, BadParameter, Group, Mode, Refusal, Scope, group_names, read_scope, split_paths
from leads.models import Campaign, Channel, Product, Stage
from leads.models.campaigns import CampaignQuerySet
from leads.models.leads import FUNNEL
from leads.spreadsheet import neutralise
from pipeline.sla import Clock

MOST_OPTIONS = 50
TREND_MONTHS = 13  # the same month of last year stands beside this one

FUNNEL_SECTIONS = [
    (
        gettext_lazy("Conversion"),
        ["reach_to_lead", "participant_to_mql", "mql_to_opportunity", "brief_rate", "lead_quality", "lead_to_won"],
    ),
    (gettext_lazy("Warm leads"), ["warm", "nurtured", "recycled"]),
    (
        gettext_lazy("Cost and return"),
        [
            "spend",
            "cost_per_lead",
            "cost_per_mql",
            "cost_per_sal",
            "cost_per_opportunity",
            "acquisition_cost",
            "roi_margin_multiple",
            "roi_investment",
            "return_on_spend",
        ],
    ),
    (
        gettext_lazy("Sales"),
        [
            "sla_first_contact",
            "sla_verdict",
            "refusals",
            "opportunities",
            "demos",
            "deals",
            "won_value",
            "margin",
            "lost_deals",
            "win_rate",
            "new_clients",
            "payments",
            "average_payment",
            "sales_cycle",
            "sales_cycle_mean",
            "sales_cycle_p90",
        ],
    ),
]
CHANNEL_COLUMNS = [
    "spend",
    "leads",
    "cost_per_lead",
    "qualified",
    "cost_per_mql",
    "accepted",
    "won",
    "lead_to_won",
    "won_value",
    "roi_margin_multiple",
    "roi_investment",
    "return_on_spend",
]
RESPONSE_COLUMNS = [
    "first_response_time",
    "first_response_time_p90",
    "first_response_time_kept",
    "brief_time",
    "brief_time_p90",
    "brief_time_kept",
]
SLA_COLUMNS = ["handoffs", "sla_first_contact", "sla_verdict", "refusals"]
TRENDS = [
    "leads",
    "qualified",
    "nurtured",
    "recycled",
    "handed_over",
    "accepted",
    "lead_quality",
    "mql_to_opportunity",
    "lead_to_won",
    "deals",
    "won_value",
    "spend",
    "cost_per_lead",
    "roi_margin_multiple",
    "sla_first_contact",
    "sla_verdict",
]
REFUSAL_STEPS = {
    "marketing": gettext_lazy("Removed by marketing"),
    "verdict": gettext_lazy("Rejected by sales"),
    "selling": gettext_lazy("Lost in selling"),
}


# --- What the pages share


def _scope(request: HttpRequest, *also: str) -> Scope:
    try:
        return read_scope(request.GET, request.user, also={"format", *also})
    except BadParameter as error:
        raise BadRequest(str(error)) from error


def _cell(scope: Scope, figure: Figure, *, is_short: bool = False) -> dict:
    """A figure with the addresses of the records behind it. A short one leaves out what stands beside it anyway."""
    top = figure.metric.top(cohort=scope.mode is Mode.COHORT)
    bottom = figure.metric.denominator
    top_url = scope.url_of(top)
    return {
        "figure": figure,
        "metric": figure.metric,
        "unit": figure.metric.unit,
        "minutes": figure.value * 60 if figure.metric.unit is Unit.HOURS and figure.value is not None else None,
        "is_short": is_short,
        "value_url": top_url if is_short or not bottom else "",
        "top_url": top_url,
        "bottom_url": scope.url_of(bottom),
    }


def _page(request: HttpRequest, scope: Scope, **kept: str) -> dict:
    """Period, mode, filters and age of the figures, as every KPI page shows them. `kept` stays in the addresses."""
    today = timezone.localtime(timezone=scope.organisation.tzinfo).date()
    return {
        "scope": scope,
        "kept": kept,
        "periods": [
            {
                "name": name,
                "url": f"?{scope.params(**kept, **{'from': start, 'to': end})}",
                "is_on": (start, end) == (scope.start, scope.end),
            }
            for name, start, end in _periods(today)
        ],
        "modes": [
            {"name": name, "url": f"?{scope.params(**kept, mode=mode)}", "is_on": scope.mode is mode, "title": title}
            for mode, name, title in [
                (Mode.COHORT, _("Cohort"), _("What became of the records that entered in the period")),
                (Mode.CALENDAR, _("Calendar"), _("What happened in the period")),
            ]
        ],
        "filters": [_filter(scope, name, kept) for name in SPLIT_NAMES],
        "reckoned_at": reckoned_at(),
        "is_preset": any((start, end) == (scope.start, scope.end) for _name, start, end in _periods(today)),
        "other_params": [(name, value) for name, value in {"mode": scope.mode.value, **scope.filters, **kept}.items()],
        "last_year_url": f"?{scope.params(**kept, **{'from': today - datetime.timedelta(days=364), 'to': today})}",
        "can_reckon": access.may(request.user, access.RECKON_FIGURES),
        "can_export": access.may(request.user, access.EXPORT),
        "csv_url": f"?{scope.params(**kept, format='csv')}",
        "scope_query": scope.params(),
        "today": today,
    }


def _periods(today: datetime.date) -> list[tuple[str, datetime.date, datetime.date]]:
    month = today.replace(day=1)
    last_month = (month - datetime.timedelta(days=1)).replace(day=1)
    quarter = month.replace(month=(today.month - 1) // 3 * 3 + 1)
    year = today.replace(month=1, day=1)
    return [
        (_("Last 90 days"), today - datetime.timedelta(days=89), today),
        (_("This month"), month, today),
        (_("Last month"), last_month, month - datetime.timedelta(days=1)),
        (_("This quarter"), quarter, today),
        (_("This year"), year, today),
        (_("Last year"), year.replace(year=year.year - 1), year - datetime.timedelta(days=1)),
    ]


def _filter(scope: Scope, name: str, kept: dict) -> dict:
    choice = getattr(scope, name)
    options = {
        "channel": Channel.objects.all(),
        "campaign": _campaigns(scope).order_by("-starts_on", "-pk"),
        "product": Product.objects.filter(is_active=True),
        "owner": User.objects.active().exclude(role__in=[Role.VIEWER, Role.ADMIN]),
        "team": Team.objects.all(),
    }[name]
    listed = {} if choice is not None else {row.pk: str(row) for row in options[:MOST_OPTIONS]}
    chosen_name = None
    if choice is not None:
        chosen_name = group_names(name, [None if choice == "none" else choice]).get(
            None if choice == "none" else choice, _("unknown")
        )
    return {
        "label": SPLIT_NAMES[name],
        "chosen": chosen_name,
        "without_url": f"?{scope.params(**kept, **{name: None})}",
        "options": [{"name": text, "url": f"?{scope.params(**kept, **{name: pk})}"} for pk, text in listed.items()],
    }


def _campaigns(scope: Scope) -> CampaignQuerySet:
    rows = Campaign.objects.all() if scope.user is None else Campaign.objects.visible_to(scope.user)
    return rows.filter(channel=scope.channel) if isinstance(scope.channel, int) else rows


def _csv(name: str, header: list[str], rows: Iterable[list], request: HttpRequest) -> HttpResponse:
    if not access.may(request.user, access.EXPORT):
        raise PermissionDenied
    response = HttpResponse(
        "\ufeff",  # by this mark spreadsheets know UTF-8
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{timezone.localdate():%Y-%m-%d}.csv"'},
    )
    writer = csv.writer(response)
    writer.writerow(header)
    writer.writerows([neutralise(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return response


def _wants_csv(request: HttpRequest) -> bool:
    wanted = request.GET.get("format", "")
    if wanted not in ("", "csv"):
        raise BadRequest("format")
    return wanted == "csv"


def _figures_csv(name: str, rows: Iterable[tuple[str, Figure]], request: HttpRequest) -> HttpResponse:
    header = ["group", "metric", "name", "numerator", "denominator", "value", "is_mature"]
    return _csv(
        name,
        header,
        [
            [
                group,
                f.metric.slug,
                str(f.metric.name),
                plain(f.numerator),
                plain(f.denominator),
                plain(f.value),
                f.is_mature,
            ]
            for group, f in rows
        ],
        request,
    )


# --- Funnel


@login_required
@require_safe
def funnel(request: HttpRequest) -> HttpResponse:
    """How leads flow from stage to stage, what that cost and brought, and why leads were refused."""
    scope = _scope(request, "trend")
    trend = request.GET.get("trend") or "leads"
    if trend not in TRENDS:
        raise BadRequest("trend")
    counts = [METRIC["leads" if stage is Stage.NEW else stage.value] for stage in FUNNEL]
    conversions = chosen(["stage_conversion"])
    sections = [(name, chosen(slugs)) for name, slugs in FUNNEL_SECTIONS]
    metrics = [*counts, *conversions, *(metric for _name, some in sections for metric in some)]
    figures = scope.figures(metrics)[None]
    if _wants_csv(request):
        return _figures_csv("funnel", (("all", figure) for figure in figures.values()), request)
    stages = [
        {"count": _cell(scope, figures[count.slug]), "rate": _cell(scope, figures[rate.slug]) if rate else None}
        for count, rate in zip(counts, [None, *conversions], strict=True)
    ]
    rates = [None, *(figures[rate.slug] for rate in conversions)]
    first, last = figures["leads"], figures["won"]
    context = {
        "stages": stages,
        "chart": [
            {
                "label": str(count.name),
                "value": figures[count.slug].value,
                "url": _cell(scope, figures[count.slug])["top_url"],
                "rate": rate.value / 100 if rate and rate.value is not None else None,
                "immature": rate is not None and not rate.is_mature,
            }
            for count, rate in zip(counts, rates, strict=True)
        ],
        "chart_summary": _("%(leads)s leads came in, %(won)s were won in the period.")
        % {"leads": plain(first.value), "won": plain(last.value)},
        "is_empty": not any(figure.numerator or figure.denominator for figure in figures.values()),
        "sections": [
            {"name": name, "cells": [_cell(scope, figures[metric.slug]) for metric in some]} for name, some in sections
        ],
        "trend": _trend(scope, METRIC[trend]),
        "trend_metric": METRIC[trend],
        "trends": [{"name": METRIC[slug].name, "url": f"?{scope.params(trend=slug)}#trend"} for slug in TRENDS],
        "refusals": _refusals(scope),
        **_page(request, scope, **({"trend": trend} if trend != "leads" else {})),
    }
    return render(request, "kpi/funnel.html", context)


def _trend(scope: Scope, metric: Metric) -> list[dict]:
    """One point for each month up to the end of the period; a month without facts is 0 for a count, a gap for a rate."""
    months = [scope.end.replace(day=1)]
    while len(months) < TREND_MONTHS:
        months.insert(0, (months[0] - datetime.timedelta(days=1)).replace(day=1))
    long = scope.narrow(start=months[0])
    figures = long.figures([metric], "month")
    empty = Figure(metric, None, None, None if metric.denominator else Decimal(0))
    points = []
    for month, after in zip(months, [*months[1:], scope.end + datetime.timedelta(days=1)], strict=True):
        of_month = scope.narrow(start=month, end=after - datetime.timedelta(days=1))
        figure = figures.get(month, {}).get(metric.slug, empty)
        points.append(
            {
                "label": date_format(month, pgettext("date format", "M y")),
                "value": figure.value,
                "text": _text(figure),
                "url": _cell(of_month, figure)["top_url"],
                "immature": not figure.is_mature,
            }
        )
    return points


def _text(figure: Figure) -> str:
    if figure.value is None:
        return _("no data")
    return f"{number_format(figure.value, 1)}\N{NARROW NO-BREAK SPACE}%" if figure.metric.unit is Unit.PERCENT else ""


def _refusals(scope: Scope) -> list[dict]:
    steps: dict[str, list[Refusal]] = {}
    for refusal in scope.refusals():
        steps.setdefault(refusal.step, []).append(refusal)
    return [
        {
            "name": REFUSAL_STEPS[step],
            "of": rows[0].of,
            "rows": [
                {"reason": _(row.text) if row.text else _("none"), "count": row.count, "url": scope.refusal_url(row)}
                for row in rows
            ],
        }
        for step, rows in steps.items()
    ]


# --- Channels


@login_required
@require_safe
def channels(request: HttpRequest) -> HttpResponse:
    """What each channel costs and brings; with a channel chosen, each of its campaigns."""
    scope = _scope(request)
    by = "channel" if scope.channel is None else "campaign"
    metrics = chosen(CHANNEL_COLUMNS)
    if _wants_csv(request):
        return _figures_csv("channels", scope.listed(metrics, by), request)
    groups = {
        group: figures
        for group, figures in scope.figures(metrics, by).items()
        if any(figure.numerator or figure.denominator for figure in figures.values())
    }
    names = group_names(by, groups)
    rows: list[dict[str, Any]] = [
        {
            "name": names[group],
            "url": f"{reverse('kpi:channels' if by == 'channel' else 'kpi:funnel')}?{scope.into(by, group).params()}",
            "cells": [
                _cell(scope.into(by, group), figures[m.slug], is_short=m.unit is not Unit.PERCENT) for m in metrics
            ],
        }
        for group, figures in groups.items()
    ]
    rows.sort(
        key=lambda row: (-(row["cells"][0]["figure"].value or 0), -(row["cells"][1]["figure"].value or 0), row["name"])
    )
    context = {
        "metrics": metrics,
        "rows": rows,
        "by": by,
        "total": [
            _cell(scope, figure, is_short=figure.metric.unit is not Unit.PERCENT)
            for figure in scope.figures(metrics)[None].values()
        ],
        **_page(request, scope),
    }
    return render(request, "kpi/channels.html", context)


# --- Clocks


@login_required
@require_safe
def sla(request: HttpRequest) -> HttpResponse:
    """Who keeps the clocks: of what fell due in the period, and what is overdue right now."""
    scope = _scope(request, "by")
    by = request.GET.get("by") or "owner"
    if by not in ("owner", "team"):
        raise BadRequest("by")
    metrics = chosen(SLA_COLUMNS)
    if _wants_csv(request):
        return _figures_csv("sla", scope.listed([*metrics, *chosen(RESPONSE_COLUMNS)], by), request)
    groups, overdue = scope.figures(metrics, by), _overdue_now(scope, by)
    told = [
        group
        for group in dict.fromkeys([*groups, *overdue])
        if group in overdue or any(f.numerator or f.denominator for f in groups[group].values())
    ]
    names = group_names(by, told)
    rows = [
        _sla_row(scope.into(by, group), names[group], groups.get(group, {}), overdue.get(group, {})) for group in told
    ]
    rows.sort(key=lambda row: (-sum(count for count, _url in row["overdue"]), row["name"]))
    every = {clock: sum(counts.get(clock, 0) for counts in overdue.values()) for clock in Clock}
    context = {
        "metrics": metrics,
        "rows": rows,
        "total": _sla_row(scope, _("All"), scope.figures(metrics)[None], every),
        "paused": scope.handoffs().paused(timezone.now()).count(),
        "paused_url": scope.paused_url(),
        "by": by,
        "splits": [
            {"name": name, "url": f"?{scope.params(by=split)}", "is_on": by == split}
            for split, name in [("owner", _("By person")), ("team", _("By team"))]
        ],
        **_responses(scope, by),
        **_page(request, scope, by=by),
    }
    return render(request, "kpi/sla.html", context)


def _responses(scope: Scope, by: str) -> dict[str, Any]:
    """Marketing's own clock by person or team, and how many leads nobody called in time, as of now."""
    metrics = chosen(RESPONSE_COLUMNS)
    groups, untouched = scope.figures(metrics, by), scope.untouched_now(by)
    told = [
        group
        for group in dict.fromkeys([*groups, *untouched])
        if group in untouched or any(figure.denominator for figure in groups[group].values())
    ]
    names = group_names(by, told)

    def row(of: Scope, name: str, figures: dict[str, Figure], count: int) -> dict[str, Any]:
        cells = [_cell(of, figures.get(metric.slug) or Figure(metric, None, None, None)) for metric in metrics]
        return {"name": name, "cells": cells, "untouched": count, "untouched_url": of.untouched_url()}

    rows = [row(scope.into(by, each), names[each], groups.get(each, {}), untouched.get(each, 0)) for each in told]
    rows.sort(key=lambda row: (-row["untouched"], row["name"]))
    return {
        "response_metrics": metrics,
        "response_rows": rows,
        "response_total": row(scope, _("All"), scope.figures(metrics)[None], sum(untouched.values())),
    }


def _overdue_now(scope: Scope, by: str) -> dict[Group, dict[Clock, int]]:
    """Handoffs whose clock is overdue at this moment, by person or team, whatever the period."""
    path, now = split_paths(HANDOFF)[by], timezone.now()
    overdue: dict[Group, dict[Clock, int]] = {}
    for clock in Clock:
        rows = scope.handoffs().overdue(clock, now).order_by().values(group=F(path)).annotate(n=Count("pk"))
        for row in rows:
            overdue.setdefault(row["group"], {})[clock] = row["n"]
    return overdue


def _sla_row(scope: Scope, name: str, figures: dict[str, Figure], overdue: dict[Clock, int]) -> dict:
    return {
        "name": name,
        "cells": [_cell(scope, figures.get(slug) or METRIC[slug].figure({}, cohort=False)) for slug in SLA_COLUMNS],
        "overdue": [(overdue.get(clock, 0), scope.overdue_url(clock)) for clock in Clock],
    }


# --- Reckoning on demand


@login_required
@require_POST
def reckon(request: HttpRequest) -> HttpResponse:
    """Have the figures reckoned now instead of within the hour."""
    if not access.may(request.user, access.RECKON_FIGURES):
        raise PermissionDenied
    if publish("kpi.tasks.recompute_facts", asked=True):
        messages.success(request, _("The figures are being reckoned. Load the page again in a moment."))
    else:
        messages.error(
            request, _("The worker can't be reached now. The figures are reckoned every hour by themselves.")
        )
    back = request.POST.get("next", "")
    return redirect(back if url_has_allowed_host_and_scheme(back, None) else "kpi:funnel")
