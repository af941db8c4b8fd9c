import datetime

import pytest
from django.core.exceptions import BadRequest

from accounts.keyset import count_up_to, keyset_page
from leads.models import Lead
from tests.factories import NOON, CampaignFactory, ContactFactory, a_lead, days

pytestmark = pytest.mark.django_db

NEWEST = ("-registered_at", "-pk")


def _leads(*moments: datetime.datetime | None) -> list[Lead]:
    campaign, contact = CampaignFactory(), ContactFactory()
    return Lead.objects.bulk_create(Lead(campaign=campaign, contact=contact, registered_at=at) for at in moments)


def _walk(order: tuple[str, ...], size: int, between=lambda: None) -> list[int]:
    seen, after = [], ""
    while True:
        page = keyset_page(Lead.objects.all(), {"after": after}, order=order, size=size)
        seen += [lead.pk for lead in page.rows]
        if not page.next_key:
            return seen
        after = page.next_key
        between()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 50])
def test_pages_hold_every_row_once_with_ties_by_pk_and_unknown_dates_last(size):
    a, b, unknown, c, also_unknown, d, e = _leads(NOON, NOON + days(1), None, NOON, None, NOON, NOON - days(1))
    newest = [b, d, c, a, e, also_unknown, unknown]
    assert _walk(NEWEST, size) == [lead.pk for lead in newest]
    assert _walk(("registered_at", "pk"), size) == [lead.pk for lead in [e, a, c, d, b, unknown, also_unknown]]
    assert _walk(("registered_at", "-pk"), size)[:5] == [lead.pk for lead in [e, d, c, a, b]]
    assert _walk(("-pk",), size) == sorted((lead.pk for lead in newest), reverse=True)


def test_rows_that_come_in_between_neither_hide_nor_double_others():
    there = {lead.pk for lead in _leads(*[NOON - days(n) for n in range(5)], None, None)}
    seen = _walk(NEWEST, 2, between=lambda: _leads(NOON + days(9), None))
    assert len(seen) == len(set(seen))
    assert there <= set(seen)


def test_microseconds_survive_in_the_key():
    moments = [NOON + datetime.timedelta(microseconds=n) for n in range(5)]
    leads = _leads(*moments)
    assert _walk(NEWEST, 1) == [lead.pk for lead in reversed(leads)]


@pytest.mark.parametrize("after", ["x", "1", "[null, 1]", "\x00", "\ud800", "é" * 5000, "e30:abc"])
def test_a_key_that_nobody_made_is_refused(after):
    with pytest.raises(BadRequest):
        keyset_page(Lead.objects.all(), {"after": after}, order=NEWEST)


def test_a_key_of_another_order_is_refused():
    a_lead(), a_lead()
    key = keyset_page(Lead.objects.all(), {}, order=("-pk",), size=1).next_key
    with pytest.raises(BadRequest):
        keyset_page(Lead.objects.all(), {"after": key}, order=NEWEST)


def test_a_full_page_costs_two_queries(django_assert_num_queries):
    _leads(*[NOON] * 4)
    with django_assert_num_queries(2):
        keyset_page(Lead.objects.all(), {}, order=NEWEST, size=3)


def test_counting_stops_at_the_cap(django_assert_num_queries):
    _leads(*[NOON] * 4)
    with django_assert_num_queries(2):
        exact, capped = count_up_to(Lead.objects.all()), count_up_to(Lead.objects.all(), most=3)
    assert (exact.number, exact.is_capped, capped.number, capped.is_capped) == (4, False, 3, True)
