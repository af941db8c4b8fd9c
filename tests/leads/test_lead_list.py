import datetime
import re

import pytest
from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.urls import reverse

from accounts.models import Organisation
from leads.forms.leads import LeadFilter
from leads.models import Lead, Stage
from pipeline import transitions
from tests.factories import (
    NOON,
    CampaignFactory,
    ContactFactory,
    ProductFactory,
    a_contacted_handoff,
    a_handoff,
    a_lead,
    a_qualified_lead,
    a_won_opportunity,
    days,
    reason,
)

pytestmark = pytest.mark.django_db

LIST = "/leads/"


def _found(client, query: str = "") -> set[int]:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200, query
    return {lead.pk for lead in response.context["page"].rows}


@pytest.fixture
def browser(as_user, mia):
    return as_user(mia)


@pytest.mark.parametrize(
    "query",
    [
        "colour=red", "stage=nonsense", "owner=987654", "owner=x", "campaign=99999999999999999999", "sort=name",
        "reached=sold", "from=yesterday", "to=9999-12-31", "from=0001-01-01", "within=-1", "within=99999999999",
        "then=x", "q=%00", "q=" + "x" * 201, "stage=new&stage=x", "pk=1", "owner__email=x",
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(query):  # U3
    with pytest.raises(BadRequest):
        LeadFilter.read(QueryDict(query))


def test_what_is_no_filter_is_a_400(browser):  # U3
    for name in ("leads:lead_list", "leads:lead_export", "leads:lead_filter"):
        for query in ("colour=red", "owner=x"):
            assert browser.get(f"{reverse(name)}?{query}").status_code == 400, name
    assert browser.get(f"{LIST}?after=x").status_code == 400


def test_filters_narrow_by_what_a_lead_is(browser, mia, dan, sales_team):  # U3
    product, campaign = ProductFactory(), CampaignFactory()
    mine, dans = a_lead(by=mia, product=product, campaign=campaign), a_lead(by=dan)
    nobodys = a_lead(by=None)
    dan.team = sales_team
    dan.save()
    assert _found(browser, f"owner={mia.pk}") == {mine.pk}
    assert _found(browser, "owner=none") == {nobodys.pk}
    assert _found(browser, f"team={sales_team.pk}") == {dans.pk}
    assert _found(browser, f"product={product.pk}") == {mine.pk}
    assert _found(browser, "product=none") == {dans.pk, nobodys.pk}
    assert _found(browser, f"campaign={campaign.pk}") == {mine.pk}
    assert _found(browser, "campaign=none") == set()
    assert _found(browser, f"channel={dans.campaign.channel_id}") == {dans.pk}
    assert _found(browser, f"owner={mia.pk}&product=none") == set()
    assert _found(browser, f"q={mine.contact.email}") == {mine.pk}
    assert _found(browser, "q=&owner=&from=&sort=") == _found(browser)


def test_stages_are_the_present_ones_and_may_be_several(browser, mia, sam):  # U3
    new, qualified = a_lead(by=mia), a_qualified_lead(by=mia)
    won = a_won_opportunity(sam, by=mia).lead
    assert _found(browser, "stage=qualified") == {qualified.pk}
    assert _found(browser, "stage=new&stage=won") == {new.pk, won.pk}


def test_removed_leads_are_shown_only_when_asked_for(browser, mia):  # L11
    lead = a_lead(by=mia)
    transitions.remove(lead, reason("removal"), by=mia, at=NOON)
    assert _found(browser) == set()
    assert _found(browser, "stage=removed") == {lead.pk}
    assert _found(browser, "reached=removed") == {lead.pk}
    assert _found(browser, "reached=new") == set()  # never handed over: no number counts it


def test_a_removed_lead_that_sales_had_seen_stays_in_the_numbers_of_its_stages(browser, mia, sam):  # K1
    handoff = a_contacted_handoff(sam, by=mia)
    transitions.reject(handoff, reason(), missing="the budget", by=sam, at=NOON, criteria_doubt="x")
    transitions.remove(handoff.lead, reason("removal"), by=mia, at=NOON)
    assert _found(browser, "reached=handed_over") == {handoff.lead_id}
    assert _found(browser) == set()


def test_reached_counts_leads_that_have_moved_on(browser, mia, sam):  # K1
    a_lead(by=mia)
    qualified, handed = a_qualified_lead(by=mia), a_handoff(sam, by=mia).lead
    assert _found(browser, "reached=qualified") == {qualified.pk, handed.pk}
    assert _found(browser, "reached=qualified&stage=handed_over") == {handed.pk}


def test_days_are_inclusive_and_those_of_the_organisation(browser, mia):  # K1
    organisation = Organisation.current()
    organisation.time_zone = "Asia/Tokyo"
    organisation.save()
    moment = datetime.datetime(2026, 3, 1, 15, 0, tzinfo=datetime.UTC)  # midnight in Tokyo: 2 March begins
    before, begins = a_lead(by=mia, at=moment - datetime.timedelta(microseconds=1)), a_lead(by=mia, at=moment)
    ends, after = (
        a_lead(by=mia, at=moment + days(1) - datetime.timedelta(microseconds=1)),
        a_lead(by=mia, at=moment + days(1)),
    )
    assert _found(browser, "reached=new&from=2026-03-02&to=2026-03-02") == {begins.pk, ends.pk}
    assert _found(browser, "from=2026-03-02") == {begins.pk, ends.pk, after.pk}
    assert _found(browser, "to=2026-03-02") == {before.pk, begins.pk, ends.pk}


def test_then_within_are_the_numerator_of_a_cohort(browser, mia, sam):  # K1
    lead = a_qualified_lead(by=mia, at=NOON)
    transitions.hand_over(lead, to=sam, by=mia, at=NOON + days(10))
    never = a_qualified_lead(by=mia, at=NOON)
    cohort = "reached=qualified&from=2026-03-02&to=2026-03-02"
    assert _found(browser, cohort) == {lead.pk, never.pk}
    assert _found(browser, f"{cohort}&then=handed_over") == {lead.pk}
    assert _found(browser, f"{cohort}&then=handed_over&within=10") == {lead.pk}
    assert _found(browser, f"{cohort}&then=handed_over&within=9") == set()
    assert _found(browser, f"{cohort}&then=won&within=999") == set()


def test_a_fault_in_the_dates_counts_as_reached_in_time(browser, mia, sam):  # K1
    lead = a_qualified_lead(by=mia, at=NOON)
    transitions.hand_over(lead, to=sam, by=mia, at=NOON)
    Lead.objects.filter(pk=lead.pk).update(handed_over_at=NOON - days(3))
    assert _found(browser, "reached=qualified&then=handed_over&within=0") == {lead.pk}


def test_a_chip_takes_away_its_own_filter_only(browser, mia):  # U3
    chips = browser.get(f"{LIST}?q=anna&stage=new&stage=won&owner={mia.pk}&from=2026-03-02").context["filters"].chips()
    left = {chip["text"]: chip["left"] for chip in chips}
    assert "stage=won" in left["New"]
    assert "stage=new" not in left["New"]
    assert "q=" not in left["anna"]
    assert f"owner={mia.pk}" in left["anna"]
    assert len(chips) == 5
    assert "from=" not in chips[-1]["left"]


@pytest.mark.parametrize(("sort", "expected"), [("", [2, 1, 0]), ("oldest", [0, 1, 2]), ("changed", [0, 2, 1])])
def test_the_order_is_one_of_a_few_that_have_an_index(browser, mia, sort, expected):  # U3
    leads = [a_lead(by=mia, at=NOON + days(n)) for n in range(3)]
    leads[0].save()
    rows = browser.get(f"{LIST}?sort={sort}").context["page"].rows
    assert [row.pk for row in rows] == [leads[n].pk for n in expected]


def test_more_pages_hold_every_lead_once_while_others_register(browser, mia, small_pages):  # U3
    there = {a_lead(by=mia, at=NOON + days(n % 3)).pk for n in range(8)}
    seen, url = [], LIST
    while url:
        response = browser.get(url)
        seen += [lead.pk for lead in response.context["page"].rows]
        key = response.context["page"].next_key
        url = f"{LIST}?after={key}" if key else ""
        a_lead(by=mia, at=NOON + days(30))
    assert len(seen) > 6
    assert len(seen) == len(set(seen))
    assert set(seen) == there


def test_load_more_answers_htmx_with_rows_only(browser, mia, small_pages):  # U3
    for _lead in range(4):
        a_lead(by=mia)
    page = browser.get(LIST).context["page"]
    html = browser.get(f"{LIST}?after={page.next_key}", headers={"HX-Request": "true"}).content.decode()
    assert html.count("row-link") == 1
    assert "<html" not in html
    assert 'id="more"' in html


def test_the_list_costs_the_same_whatever_its_length(browser, mia, sam, django_assert_max_num_queries):  # U3
    a_lead(by=mia)
    Organisation.current()
    browser.get(LIST)
    with django_assert_max_num_queries(8) as few:
        browser.get(LIST)
    for _n in range(4):
        a_lead(by=mia, product=ProductFactory())
    with django_assert_max_num_queries(len(few)):
        browser.get(LIST)
    with django_assert_max_num_queries(8):
        browser.get(f"{LIST}?q=contact&stage=new&owner={mia.pk}")


def test_an_empty_base_says_what_to_do_next_and_an_empty_search_how_to_go_back(browser, as_user, vera, mia):  # U6
    assert reverse("leads:lead_add") in browser.get(LIST).content.decode()
    assert reverse("leads:lead_add") not in as_user(vera).get(LIST).content.decode()
    assert reverse("leads:campaign_add") in browser.get(reverse("leads:lead_add")).content.decode()  # a lead needs one
    a_lead(by=mia)
    html = browser.get(f"{LIST}?q=nobody-is-called-so").content.decode()
    assert re.search(r'class="empty".*href="/leads/"', html, re.DOTALL)


def test_only_those_who_hand_over_may_select(browser, as_user, sam, mia):  # U3
    a_lead(by=mia)
    assert 'name="selected"' in browser.get(LIST).content.decode()
    assert 'name="selected"' not in as_user(sam).get(LIST).content.decode()


def test_hostile_names_are_shown_as_text(browser, mia):
    a_lead(by=mia, contact=ContactFactory(name="<script>alert(1)</script>", email="", company=None))
    html = browser.get(LIST).content.decode()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_all_filters_stand_in_one_form(browser, mia):  # U3
    html = browser.get("/leads/filter/?stage=won&owner=none&within=30").content.decode()
    assert 'value="won" ' in html
    assert '<option value="none" selected>' in html
    assert all(
        f'name="{name}"' in html for name in ("q", "team", "channel", "campaign", "product", "reached", "from", "to")
    )
    assert len(Stage.values) == html.count('name="stage"')
