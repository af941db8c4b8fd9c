"""Every number opens the very records that it counts; one year for all tests."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import Role
from kpi import facts
from kpi.metrics import METRIC
from kpi.scope import Scope
from pipeline.defaults import create_defaults
from tests.conftest import START
from tests.factories import NOON, TeamFactory, UserFactory, days
from tests.kpi.test_facts import a_busy_year

pytestmark = pytest.mark.django_db

# Kept to their campaign, and no list narrows leads to campaigns of known reach.
WITHOUT_A_LIST = {"leads_of_reach", "mqls_of_participants", "impressions>leads", "participants>mqls"}


@pytest.fixture(scope="module")
def _year(django_db_setup, django_db_blocker) -> Iterator[SimpleNamespace]:
    with django_db_blocker.unblock(), transaction.atomic():
        create_defaults(at=START)
        mia, dan = UserFactory(name="Mia", role=Role.MARKETER), UserFactory(name="Dan", role=Role.SDR)
        sam, sid = (UserFactory(name=name, role=Role.SALES_REP, team=TeamFactory()) for name in ("Sam", "Sid"))
        a_busy_year(mia, dan, sam, sid)
        facts.recompute()
        yield SimpleNamespace(mia=mia, sam=sam, sid=sid)
        transaction.set_rollback(True)


@pytest.fixture
def year(_year, db) -> SimpleNamespace:
    """The busy year, and who worked in it; `browser` is Mia's."""
    _year.browser = Client()
    _year.browser.force_login(_year.mia)
    return _year


def _scope(year: SimpleNamespace, first: int, last: int) -> Scope:
    return Scope(user=year.mia, start=NOON.date() + days(first), end=NOON.date() + days(last))


def _shown(year: SimpleNamespace, address: str) -> int:
    response = year.browser.get(address)
    assert response.status_code == 200, address
    return len(response.context["page"].rows if "page" in response.context else response.context["rows"])


def test_every_number_opens_the_very_records_that_it_counts(year):  # K1
    everything = _scope(year, 0, 700)
    for scope in (
        everything,
        _scope(year, 40, 120),
        everything.narrow(team=year.sam.team_id),
        everything.narrow(owner=year.sid.pk, product="none"),
    ):
        for measure in facts.MEASURE.values():
            address = scope.url(measure.slug)
            if not address:
                assert measure.slug in WITHOUT_A_LIST or (scope.is_by_person and not measure.by_person)
                continue
            shown = _shown(year, address)
            counted = scope.sums([measure.slug]).get(None, {}).get(measure.slug, (0, 0))[0]
            if measure.slug not in {"margin", "deals_with_cost", "cost_of_sales"}:  # the deals, of known cost or not
                assert shown == counted, address


@pytest.mark.parametrize("slug", ["refusals", "win_rate"])
def test_a_sum_of_counts_opens_all_the_records_that_it_sums(year, slug):  # K1
    for scope in (_scope(year, 0, 700), _scope(year, 40, 120)):
        figure = scope.figures([METRIC[slug]])[None][slug]
        assert _shown(year, scope.url_of(METRIC[slug].denominator)) == figure.denominator > figure.numerator


def test_every_refusal_opens_its_records(year):  # K1
    scope = _scope(year, 0, 700)
    refusals = scope.refusals()
    assert {refusal.step for refusal in refusals} == {"marketing", "verdict", "selling"}
    for refusal in refusals:
        assert _shown(year, scope.refusal_url(refusal)) == refusal.count
