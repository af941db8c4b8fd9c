"""The KPI pages of an organisation that has hardly begun."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from kpi import facts
from pipeline import transitions
from pipeline.sweep import sweep
from tests.factories import a_lead, days
from tests.kpi.test_pages import PAGES

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_base_says_what_the_page_is_for(as_user, dora, page):  # U6
    text = as_user(dora).get(reverse(page)).content.decode()
    assert 'class="empty"' in text
    assert "Not reckoned yet" in text


def test_the_clock_page_tells_marketings_speed_by_person_and_opens_who_was_not_called(as_user, mia, dora):  # K3 L8
    now = timezone.now()
    answered, silent = a_lead(by=mia, at=now - days(14)), a_lead(by=mia, at=now - days(14))
    transitions.log_activity(answered, "call", "reached", by=mia, at=now - days(14))
    sweep(now)
    facts.recompute()
    response = as_user(dora).get(reverse("kpi:sla"))
    (row,) = response.context["response_rows"]
    assert (row["name"], row["untouched"]) == ("Mia", 1)
    shown = as_user(dora).get(row["untouched_url"]).context["rows"]
    assert [lead for lead, _at in shown] == [silent]
    median = row["cells"][0]
    assert (median["figure"].value, median["figure"].denominator) == (0, 1)
    assert len(as_user(dora).get(median["bottom_url"]).context["rows"]) == 1


def test_a_period_ends_with_today_of_the_organisation(as_user, vera):  # K3
    today = datetime.datetime.now(datetime.UTC).date()
    assert as_user(vera).get(reverse("kpi:funnel")).context["scope"].end == today
