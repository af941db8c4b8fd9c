"""The page of the weekly meeting."""

import datetime

from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import Organisation
from pipeline.review import MOST_NAMED, Review, Week

FIRST_DAY, LAST_DAY = datetime.date(1990, 1, 1), datetime.date(2200, 1, 1)


@login_required
@require_safe
def weekly_review(request: HttpRequest) -> HttpResponse:
    """This week against last. `?week=` names any day of the week that is asked for."""
    now = timezone.now()
    today = now.astimezone(Organisation.current().tzinfo).date()
    if set(request.GET) - {"week"}:
        raise BadRequest(_("There is no such filter: %(names)s.") % {"names": ", ".join(request.GET)[:200]})
    try:
        day = datetime.date.fromisoformat(request.GET["week"]) if request.GET.get("week") else today
    except ValueError:
        raise BadRequest("week") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise BadRequest("week")
    week = Week.of(day)
    context = {
        "week": week,
        "review": Review(week, request.user, now),
        "is_running": week.monday <= today <= week.sunday,
        "is_ahead": week.monday > today,
        "most_named": MOST_NAMED,
    }
    return render(request, "pipeline/weekly_review.html", context)
