"""What every page needs besides its own data."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts import access
from accounts.models import Organisation, Role

OVERLAYS = ("drawer-body", "dialog-body")


@dataclass(frozen=True)
class Entry:
    """One line of the navigation. `roles` empty: everyone signed in."""

    url_name: str
    label: str | Promise
    icon: str
    short: str | Promise = ""  # for the phone's bottom bar, which shows the entries that have one
    roles: Set[Role] = frozenset()
    short_roles: Set[Role] = frozenset()  # whose bottom bar shows it; empty: everyone's
    also: tuple[str, ...] = ()  # where the addresses begin of pages that belong to it and stand elsewhere
    is_apart: bool = False  # another kind of work begins


NOT_MARKETING = frozenset(Role) - access.MARKETING

NAVIGATION = (
    Entry("pipeline:home", _("My day"), "sun", pgettext_lazy("bottom bar", "My day")),
    Entry("pipeline:task_list", _("Tasks"), "check-circle", roles=access.HAVE_TASKS),
    Entry("leads:lead_list", _("Leads"), "user-plus", pgettext_lazy("bottom bar", "Leads")),
    Entry("pipeline:desk", _("To call"), "phone", _("To call"), roles=access.CALL_LEADS, short_roles=access.MARKETING),
    Entry(
        "pipeline:inbox",
        _("Inbox"),
        "inbox",
        pgettext_lazy("bottom bar", "Inbox"),
        short_roles=NOT_MARKETING,
        also=("/handoffs/", "/returns/"),
    ),
    Entry(
        "pipeline:opportunity_board",
        _("Opportunities"),
        "view-columns",
        pgettext_lazy("bottom bar", "Deals"),
        short_roles=NOT_MARKETING,
        also=("/payments/",),
    ),
    Entry(
        "leads:campaign_list",
        _("Campaigns"),
        "megaphone",
        pgettext_lazy("bottom bar", "Campaigns"),
        also=("/questionnaires/", "/answers/", "/expenses/"),
        is_apart=True,
    ),
    Entry("pipeline:nurture_plans", _("Nurture"), "sparkles"),
    Entry("pipeline:recycling_list", _("Coming back"), "arrow-path"),
    Entry("pipeline:content_list", _("Content"), "document-text"),
    Entry("leads:partner_list", _("Partners"), "building-storefront", also=("/demand/",)),
    Entry("leads:contact_list", _("Contacts"), "user-group", is_apart=True),
    Entry("leads:company_list", _("Companies"), "building-office-2"),
    Entry("pipeline:weekly_review", _("Weekly review"), "presentation-chart-line", is_apart=True),
    Entry("kpi:funnel", _("KPI"), "chart-bar"),
    Entry("pipeline:quality", _("Quality"), "clipboard-document-check"),
    Entry(
        "accounts:settings",
        _("Settings"),
        "cog-6-tooth",
        roles=access.EDIT_CATALOGUE | access.EDIT_ORGANISATION | access.EDIT_PIPELINES,
    ),
)


def page(request: HttpRequest) -> dict[str, object]:
    """Layout, navigation and the reader's display choices (kept in cookies, so pages never flash)."""
    htmx = getattr(request, "htmx", None)
    return {
        "csp_nonce": getattr(request, "csp_nonce", ""),
        # Any page opened in the drawer or the dialog comes without the frame around it.
        "layout": "_layout_overlay.html" if htmx and htmx.target in OVERLAYS else "_layout_page.html",
        "organisation": SimpleLazyObject(Organisation.current),
        "theme": request.COOKIES.get("theme") if request.COOKIES.get("theme") in ("light", "dark") else "",
        "narrow_navigation": request.COOKIES.get("navigation") == "narrow",
        "navigation": lambda: navigation(request),
    }


def navigation(request: HttpRequest) -> list[dict[str, object]]:
    """The entries this person may open, the current one marked (the longest address that the path begins with)."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    entries: list[dict[str, Any]] = []
    for entry in NAVIGATION:
        if entry.roles and user.role not in entry.roles:
            continue
        url = reverse(entry.url_name)
        short = entry.short if not entry.short_roles or user.role in entry.short_roles else ""
        entries.append({"entry": entry, "url": url, "short": short, "is_current": False})
    matching = [
        item for item in entries if request.path.startswith((item["url"].rstrip("/") + "/", *item["entry"].also))
    ]
    if matching:
        best = max(matching, key=lambda item: len(item["url"]))
        best["is_current"] = best["url"] != "/" or request.path == "/"
    return entries
