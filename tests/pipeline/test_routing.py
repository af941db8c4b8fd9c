"""Who gets a lead, and why."""

import datetime
import time
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from accounts.models import Organisation, Role, User
from leads.models import Contact, Lead
from leads.routed import in_words
from pipeline import routing, transitions
from pipeline.models import Absence, Handoff, RoutingRule, SalesProfile
from pipeline.transitions import TransitionError
from tests.factories import (
    NOON,
    CampaignFactory,
    CompanyFactory,
    ContactFactory,
    ProductFactory,
    TeamFactory,
    UserFactory,
    a_handoff,
    a_lead,
    a_qualified_lead,
    a_won_opportunity,
    days,
)

pytestmark = pytest.mark.django_db
To, Client, Order = RoutingRule.To, RoutingRule.Client, RoutingRule.Order


@pytest.fixture
def no_rules() -> None:
    RoutingRule.objects.all().delete()


def _rule(name: str, **fields) -> RoutingRule:
    many = {field: fields.pop(field) for field in ("products", "channels") if field in fields}
    rule = RoutingRule.objects.create(name=name, position=fields.pop("position", 10), **fields)
    for field, rows in many.items():
        getattr(rule, field).set(rows)
    return rule


def _away(user: User, deputy: User | None = None, *, first: int = -1, last: int = 1) -> Absence:
    day = NOON.date()
    return Absence.objects.create(user=user, deputy=deputy, starts_on=day + days(first), ends_on=day + days(last))


def _routed(lead: Lead, at: datetime.datetime = NOON) -> tuple[User | None, str]:
    routed = routing.route(lead, at=at)
    return routed.rep, in_words(routed.why)


# --- Conditions ------------------------------------------------------------------------------------------------------


def test_the_first_rule_whose_conditions_all_hold_decides(mia, sam, sid, no_rules):  # H1
    wanted, campaign = ProductFactory(), CampaignFactory()
    there = ContactFactory(company=CompanyFactory(country="DEUTSCHLAND", city="Köln"))
    _rule("Off", to=To.PERSON, person=sam, is_active=False, position=0)
    _rule(
        "Cologne", products=[wanted], channels=[campaign.channel], regions="Polska, köln ,", to=To.PERSON, person=sid,
        position=1,
    )  # fmt: skip
    _rule("Product", products=[wanted], to=To.PERSON, person=sam, position=2)
    leads = [
        a_lead(by=mia, campaign=campaign, contact=there, product=wanted),
        a_lead(by=mia, contact=there, product=wanted),  # another channel
        a_lead(by=mia, campaign=campaign, contact=ContactFactory(company=None), product=wanted),  # no company
    ]
    routed = routing.route_many(leads, at=NOON)
    assert [(each.rep, each.rule.name) for each in routed] == [(sid, "Cologne"), (sam, "Product"), (sam, "Product")]
    other = routing.route(a_lead(by=mia, campaign=campaign), at=NOON)
    assert (other.rule, other.how) == (None, "round_robin")


def test_an_existing_client_goes_to_their_owner_and_a_new_contact_to_whose_turn_it_is(mia, sam, sid):  # H1
    client = a_won_opportunity(sam, by=mia).lead.contact
    a_handoff(sam, by=mia)  # Sid waits longer
    assert _routed(a_lead(by=mia, contact=client)) == (
        sam,
        "The client's owner; a client already; rule “Existing clients go to their owner”",
    )
    assert _routed(a_lead(by=mia))[0] == sid


def test_a_duplicate_or_a_colleague_of_a_client_goes_to_that_clients_owner(mia, sam, sid):  # H1
    client = a_won_opportunity(sam, by=mia).lead.contact
    client.set_phone("+49 151 23456789")
    client.save()
    sids = a_won_opportunity(sid, by=mia, at=NOON + days(1))  # won later, elsewhere
    same_phone = ContactFactory(phone="+4915123456789", company=sids.lead.contact.company)
    for contact, word in [
        (ContactFactory(email=client.email), "same e-mail or phone"),
        (same_phone, "same e-mail or phone"),  # nearer than a colleague
        (ContactFactory(company=client.company), "of a company that is a client already"),
    ]:
        rep, why = _routed(a_lead(by=mia, contact=contact), NOON + days(2))
        assert rep == sam
        assert word in why
    # Before the purchase they weren't clients.
    assert routing.route(a_lead(by=mia, contact=client), at=NOON - days(1)).how == "rule"
    assert routing.route(a_lead(by=mia, contact=client), at=NOON - days(1)).rule.client == Client.NEW


def test_an_owner_who_left_sales_is_passed_over_and_named(mia, sam, sid):  # H1
    client = a_won_opportunity(sam, by=mia).lead.contact
    User.objects.filter(pk=sam.pk).update(is_active=False)
    rep, why = _routed(a_lead(by=mia, contact=client))
    assert rep == sid
    assert "nobody was free by “Existing clients go to their owner”" in why


# --- Who takes -------------------------------------------------------------------------------------------------------


def test_hunters_of_a_team_the_least_loaded_first(mia, sam, no_rules):  # H1
    ann, ben = (UserFactory(name=name, role=Role.SALES_REP, team=sam.team) for name in ("Ann", "Ben"))
    fay = UserFactory(name="Fay", role=Role.SALES_REP, team=sam.team)
    SalesProfile.objects.create(user=fay, takes="farmer")
    SalesProfile.objects.create(user=ann, takes="hunter")
    for rep, handoffs in ((sam, 2), (ann, 2), (ben, 1)):
        for _n in range(handoffs):
            a_handoff(rep, by=mia)
    _rule("North", to=To.TEAM, team=sam.team, takes="hunter", order=Order.LEAST_LOADED)
    assert _routed(a_lead(by=mia)) == (ben, "Hunters of Sales North, least loaded of 3; rule “North”")
    Handoff.objects.filter(assigned_to=ben).update(pooled_at=NOON)  # back in the pool, so nobody's load
    SalesProfile.objects.filter(user=ann).update(is_receiving=False)
    why = _routed(a_lead(by=mia))[1]
    assert why == "Hunters of Sales North, least loaded of 2; gets no leads by the rules: Ann; rule “North”"


def test_who_is_over_a_limit_is_passed_over_until_everybody_is(mia, sam, sid, no_rules):  # H1
    SalesProfile.objects.create(user=sam, max_open=1)
    SalesProfile.objects.create(user=sid, max_in_30_days=1)
    _rule("All")
    a_handoff(sid, by=mia, at=NOON - days(31))  # long ago: doesn't count
    assert _routed(a_lead(by=mia)) == (sam, "All of sales, longest without a new lead of 2; rule “All”")
    a_handoff(sam, by=mia)
    assert _routed(a_lead(by=mia)) == (sid, "All of sales, the only one free; over limit: Sam; rule “All”")
    a_handoff(sid, by=mia, at=NOON + days(1))
    rep, why = _routed(a_lead(by=mia), NOON + days(2))
    assert rep == sam
    assert why == (
        "Whose turn it was, nobody was below their limit, longest without a new lead of 2;"
        " over limit: Sid; nobody was free by “All”"
    )


def test_a_rule_in_office_hours_passes_over_who_is_not_at_work(mia, sam, sid, no_rules):  # H1
    Organisation.objects.update(time_zone="Europe/Berlin", country="DE")
    User.objects.filter(pk=sid.pk).update(time_zone="America/New_York")
    SalesProfile.objects.create(user=sid, works_from=datetime.time(8), works_until=datetime.time(16))
    _rule("At work", in_office_hours=True)
    lead, utc = a_lead(by=mia), datetime.UTC
    # New York's clocks change on 8 March, Berlin's on the 29th: 8:00 there is 13:00 UTC before, 12:00 UTC after.
    friday, monday = (
        datetime.datetime(2026, 3, 6, 12, 30, tzinfo=utc),
        datetime.datetime(2026, 3, 9, 12, 30, tzinfo=utc),
    )
    assert _routed(lead, friday)[1] == "All of sales, the only one free; not at work then: Sid; rule “At work”"
    assert "longest without a new lead of 2" in _routed(lead, monday)[1]
    assert _routed(lead, monday + datetime.timedelta(hours=6))[0] == sid  # 19:30 in Berlin
    sunday = datetime.datetime(2026, 3, 29, 12, 30, tzinfo=utc)
    routed = routing.route(lead, at=sunday)
    assert (routed.how, routed.why["nobody"]) == ("round_robin", ["At work"])


# --- Away ------------------------------------------------------------------------------------------------------------


def test_who_is_away_is_replaced_by_the_deputy_through_a_chain(mia, sam, sid, max_, no_rules):  # H1
    rule = _rule("Sid's", to=To.PERSON, person=sid)
    absence = _away(sid, sam, last=0)
    rep, why = _routed(a_lead(by=mia))
    assert rep == sam
    assert (
        why
        == "The one whom the rule names; as the deputy of Sid; Sid is away until 2 March (deputy: Sam); rule “Sid's”"
    )
    with translation.override("ru"):
        assert "2 марта" in in_words(routing.route(a_lead(by=mia), at=NOON).why)
    _away(sam, max_)
    assert _routed(a_lead(by=mia))[0] == max_
    _away(max_, sid)  # round in a circle: nobody is left of the rule, so it is somebody's turn
    routed = routing.route(a_lead(by=mia), at=NOON)
    assert (routed.how, routed.why["nobody"], routed.why["regardless"]) == ("round_robin", [rule.name], "all")
    assert _routed(a_lead(by=mia), NOON + days(1))[0] == sid  # back the day after
    assert absence.covers(NOON.date())


def test_a_deputy_of_the_same_team_has_one_turn_not_two(mia, sam, sid):  # H1
    third = UserFactory(name="Ann", role=Role.SALES_REP)
    _away(sid, sam)
    leads = Lead.objects.filter(pk__in=[a_lead(by=mia).pk for _n in range(6)])
    given = Counter(each.rep for each in routing.route_many(list(leads), at=NOON))
    assert given == {sam: 3, third: 3}


def test_nobody_of_sales_at_all_is_said_and_a_lead_is_never_lost_otherwise(mia, dora, no_rules):  # H1
    lead = a_qualified_lead(by=mia)
    _rule("An empty team", to=To.TEAM, team=TeamFactory())
    with pytest.raises(TransitionError, match="no active sales rep"):
        transitions.hand_over(lead, by=mia, at=NOON)
    sam = UserFactory(name="Sam", role=Role.SALES_REP)
    SalesProfile.objects.create(user=sam, is_receiving=False, max_open=1)
    handoff = transitions.hand_over(lead, by=mia, at=NOON)
    assert (handoff.assigned_to, handoff.assigned_how) == (sam, "round_robin")
    assert in_words(handoff.routing) == (
        "Whose turn it was, nobody was there, the only one free; gets no leads by the rules: Sam;"
        " nobody was free by “An empty team”"
    )


# --- Kept explanations -----------------------------------------------------------------------------------------------


def test_the_explanation_is_kept_with_the_handoff_and_shown(as_user, mia, sam, max_):  # H1
    lead = a_qualified_lead(by=mia)
    handoff = transitions.hand_over(lead, by=mia, at=NOON)
    assert (handoff.assigned_how, handoff.routing["rule"]) == ("rule", "New contacts: whose turn it is")
    words = "All of sales, the only one free"
    browser = as_user(max_)
    for url in (f"/handoffs/{handoff.pk}/", f"/leads/{lead.pk}/panel/", f"/leads/{lead.pk}/", "/inbox/"):
        assert words in browser.get(url).content.decode(), url
    transitions.reassign(handoff, max_, by=max_, at=NOON)
    handoff.refresh_from_db()
    assert in_words(handoff.routing) == "Reassigned by Max; before: Sam"
    chosen = a_handoff(sam, by=mia)
    assert (chosen.assigned_how, in_words(chosen.routing)) == ("chosen", "Chosen by Mia")


def test_odd_explanations_are_no_reason_to_fail():
    for odd in (None, {}, [], "x", {"how": "x", "passed": [{}], "of": None}, {"passed": [{"why": "away", "until": 5}]}):
        assert isinstance(in_words(odd), str)


# --- Many at once ----------------------------------------------------------------------------------------------------


def test_handing_over_many_is_routed_together_and_says_of_each_what_became_of_it(mia, sam, sid):  # H1
    leads = [a_qualified_lead(by=mia) for _n in range(4)]
    not_yet = a_lead(by=mia)
    results = transitions.hand_over_many([*leads, not_yet], by=mia, at=NOON)
    assert [lead for lead, _what in results] == [*leads, not_yet]
    assert [what.assigned_to for _lead, what in results[:4]] == [sam, sid, sam, sid]
    assert isinstance(results[4][1], TransitionError)
    again = transitions.hand_over_many(leads, by=mia, at=NOON)
    assert all(isinstance(what, TransitionError) for _lead, what in again)
    assert Handoff.objects.count() == 4


def test_as_many_queries_for_four_leads_as_for_one(mia, sam):  # H1
    a_won_opportunity(sam, by=mia)
    _rule("Place", regions="Nowhere", channels=[CampaignFactory().channel], position=0)
    pks = [a_lead(by=mia).pk for _n in range(4)]
    counts = []
    for number in (1, 4):
        leads = list(Lead.objects.filter(pk__in=pks[:number]))
        with CaptureQueriesContext(connection) as queries:
            routing.route_many(leads, at=NOON)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 15


def test_ten_thousand_leads_are_spread_evenly_below_each_limit_in_seconds(mia, sam, no_rules):  # H1
    reps = [UserFactory(name=f"Rep {n}", role=Role.SALES_REP, team=sam.team) for n in range(19)]
    SalesProfile.objects.bulk_create(
        [SalesProfile(user=rep, takes="farmer") for rep in reps[:5]]
        + [SalesProfile(user=rep, takes="hunter", max_open=300) for rep in reps[5:7]]
    )
    wanted, campaign = ProductFactory(), CampaignFactory()
    _rule("North", products=[wanted], to=To.TEAM, team=sam.team, takes="hunter", order=Order.LEAST_LOADED)
    _rule("Old clients", client=Client.EXISTING, takes="farmer", position=11)
    companies = [CompanyFactory(country="Germany") for _n in range(3)]
    contacts = [Contact(pk=n + 10**6, company=companies[n % 3], email=f"{n}@x.example") for n in range(10_000)]
    leads = [
        Lead(contact=contact, campaign=campaign, product=wanted if n % 2 else None)
        for n, contact in enumerate(contacts)
    ]
    started = time.process_time()
    routed = routing.route_many(leads, at=NOON)
    assert time.process_time() - started < 10
    given = Counter(each.rep for each in routed)
    limited, others = [given[rep] for rep in reps[5:7]], [given[rep] for rep in [sam, *reps[:5], *reps[7:]]]
    assert limited == [300, 300]
    assert (sum(others), max(others) - min(others) <= 1) == (9_400, True)
    by_rule = Counter(each.rep for each in routed if each.rule)
    assert sum(by_rule.values()) == 5_000
    assert not any(by_rule[rep] for rep in reps[:5])  # farmers
