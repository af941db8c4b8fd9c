"""What leads ask for and we don't sell."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.access import NotAllowed
from leads import demand
from leads.models import DemandRequest, LeadEvent, Partner, UnmetDemand
from pipeline import transitions
from tests.factories import NOON, a_lead, days, reason

pytestmark = pytest.mark.django_db


def test_the_same_wish_counts_once_for_a_lead_however_it_is_written(mia, sam):
    lead = a_lead(by=mia)
    demand.note_request(lead, "Heat  Pumps", by=mia, at=NOON)
    demand.note_request(lead, "heat pumps", by=sam, at=NOON)
    demand.note_request(a_lead(by=mia), "HEAT PUMPS", by=sam, at=NOON)
    assert UnmetDemand.objects.get().name == "Heat Pumps"
    assert DemandRequest.objects.count() == 2
    assert lead.events.filter(kind=LeadEvent.Kind.DEMAND).count() == 1


def test_a_viewer_records_no_wish(mia, vera):
    with pytest.raises(NotAllowed):
        demand.note_request(a_lead(by=mia), "Heat pumps", by=vera, at=NOON)


def test_the_list_is_ranked_by_the_last_90_days_and_compares_with_those_before(mia):
    for name, ages in {"Lamps": [1, 2, 100], "Pumps": [1, 95, 96, 400], "Roofs": [200, 300, 400]}.items():
        for age in ages:
            demand.note_request(a_lead(by=mia), name, by=mia, at=NOON - days(age))
    found = [(row.name, row.recent, row.before, row.total) for row in demand.ranked(NOON)]
    assert found == [("Lamps", 2, 1, 3), ("Pumps", 1, 2, 4), ("Roofs", 0, 0, 3)]


def test_a_removed_lead_does_not_count(mia):
    lead = a_lead(by=mia)
    demand.note_request(lead, "Lamps", by=mia, at=NOON)
    transitions.remove(lead, reason("removal"), by=mia, at=NOON)
    assert [row.total for row in demand.ranked(NOON)] == [0]


def test_giving_it_the_name_of_another_puts_them_together(mia, sam):
    both = a_lead(by=mia)
    for lead, name in ((both, "Lamps"), (both, "Lighting"), (a_lead(by=mia), "Lighting")):
        demand.note_request(lead, name, by=mia, at=NOON)
    lighting = UnmetDemand.objects.get(name="Lighting")
    with pytest.raises(NotAllowed):
        demand.decide(lighting, name="lamps", answer="", by=sam, at=NOON)
    kept = demand.decide(lighting, name="lamps", answer="From autumn", by=mia, at=NOON)
    assert [(row.name, row.total, row.answer) for row in demand.ranked(NOON)] == [("lamps", 2, "From autumn")]
    assert kept.answered_at == NOON


def test_putting_two_together_keeps_what_was_decided_about_the_one_that_stays(mia):
    for name in ("Lamps", "Lighting"):
        demand.note_request(a_lead(by=mia), name, by=mia, at=NOON)
    lamps, lighting = UnmetDemand.objects.order_by("name")
    demand.decide(lamps, name="Lamps", answer="From autumn", by=mia, at=NOON)
    kept = demand.decide(lighting, name="Lamps", answer="", by=mia, at=NOON + days(1))
    assert (kept.pk, kept.answer, kept.answered_at) == (lamps.pk, "From autumn", NOON)
    with pytest.raises(demand.Gone):  # a second person, whose page is older
        demand.decide(lighting, name="Lights", answer="No", by=mia, at=NOON + days(2))


def test_an_edit_on_a_stale_page_is_refused_once(as_user, mia, dora):
    demand.note_request(a_lead(by=mia), "Lamps", by=mia, at=NOON)
    partner = Partner.objects.create(name="Beta")
    for url, name in (
        (reverse("leads:demand_edit", args=[UnmetDemand.objects.get().pk]), "answer"),
        (reverse("leads:partner_edit", args=[partner.pk]), "services"),
    ):
        client = as_user(mia)
        sent = {key: value for key, value in client.get(url).context["form"].initial.items() if value is not None}
        assert as_user(dora).post(url, sent | {name: "From Dora"}).status_code == 302
        response = client.post(url, sent | {name: "From Mia"})
        assert response.status_code == 422
        again = dict(response.context["form"].data.items())
        assert client.post(url, again).status_code == 302


def test_the_pages_show_who_asked_and_the_trend(as_user, mia):
    lead = a_lead(by=mia)
    url = reverse("leads:lead_demand", args=[lead.pk])
    assert as_user(mia).post(url, {"name": "  "}).status_code == 422
    assert as_user(mia).post(url, {"name": "\x00"}).status_code == 422
    assert as_user(mia).post(url, {"name": "<i>Lamps</i>", "note": "for a hall"}).status_code == 302
    assert "&lt;i&gt;Lamps" in as_user(mia).get(reverse("leads:demand_list")).content.decode()
    page = as_user(mia).get(reverse("leads:demand_detail", args=[UnmetDemand.objects.get().pk])).content.decode()
    assert str(lead) in page
    assert "for a hall" in page
    assert timezone.localdate().strftime("%b %y") in page


def test_the_list_costs_the_same_however_long(as_user, mia, django_assert_max_num_queries):
    browser, url = as_user(mia), reverse("leads:demand_list")
    demand.note_request(a_lead(by=mia), "Lamps", by=mia, at=NOON)
    browser.get(url)
    with django_assert_max_num_queries(10) as few:
        browser.get(url)
    for name in "ABCDEF":
        demand.note_request(a_lead(by=mia), name, by=mia, at=NOON)
    with django_assert_max_num_queries(len(few)):
        browser.get(url)
