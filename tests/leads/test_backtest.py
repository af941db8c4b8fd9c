"""Backtest of criteria: what a set would have done with past leads.  # L7"""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads import criteria
from leads.criteria.backtest import Backtest, Became, Share, past_leads, wilson
from leads.models import CriteriaSet, Criterion, CriterionAnswer, Lead, Stage
from pipeline import transitions
from tests import factories
from tests.factories import NOON, days

pytestmark = pytest.mark.django_db

START, END = NOON - days(1), NOON + days(30)


def draft(*rows: dict, threshold: int = 0, **fields) -> CriteriaSet:
    made = CriteriaSet.objects.create(version=7, threshold=threshold, **fields)
    for position, row in enumerate(rows):
        Criterion.objects.create(criteria_set=made, position=position, **({"text": row["key"].title()} | row))
    return made


def rule(field: str, comparison: str, value: object = None) -> dict:
    return {"match": "all", "conditions": [{"field": field, "comparison": comparison, "value": value}]}


def backtest(criteria_set: CriteriaSet, start=START, end=END) -> Backtest:
    keys = [criterion.key for criterion in criteria_set.criteria.all()]
    return Backtest(criteria_set, past_leads(Lead.objects.all(), start, end, keys)[0])


def handed_over(sam, answers: dict[str, str] | None = None, **fields) -> Lead:
    """A lead that sales got at noon, of which `answers` were known."""
    lead = factories.meet_criteria(factories.a_lead(**fields))
    for key, value in (answers or {}).items():
        criteria.answer(lead, key, value, by=None, at=NOON)
    transitions.qualify(lead, by=None, at=NOON)
    transitions.hand_over(lead, to=sam, by=None, at=NOON)
    lead.refresh_from_db()
    return lead


def become(lead: Lead, what: str, sam) -> None:
    if what != "open":
        transitions.log_activity(lead, "call", "reached", by=sam, at=NOON)
    handoff = lead.handoffs.get()
    handoff.refresh_from_db()
    if what == "returned":
        transitions.reject(handoff, factories.reason(), missing="All", by=sam, at=NOON, criteria_doubt="x")
    elif what != "open":
        opportunity = transitions.accept(handoff, by=sam, at=NOON)
        if what == "won":
            transitions.win(opportunity, amount=1000, by=sam, at=NOON)
        elif what == "lost":
            transitions.lose(opportunity, factories.reason("loss"), by=sam, at=NOON)


def test_wilsons_interval_as_reckoned_by_hand():
    # 8 of 10, z = 1.96: p = 0.8, z² = 3.8415, z²/n = 0.38415.
    # middle = 0.8 + 0.19207 = 0.99207; under the root: 0.16/10 + 3.8415/400 = 0.016 + 0.0096037 = 0.0256037, √ = 0.160012
    # half = 1.96 · 0.160012 = 0.313617; (0.99207 ∓ 0.313617) / 1.38415 = 0.49016 and 0.94331
    assert wilson(8, 10) == pytest.approx((0.49016, 0.94331), abs=1e-4)
    # Textbook: none of 10 → 0 to z²/(n + z²) = 3.8415/13.8415 = 0.27753; all of 10 is its mirror image.
    assert wilson(0, 10) == pytest.approx((0, 0.27753), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.72247, 1), abs=1e-4)
    assert wilson(0, 0) is None


def test_ten_leads_reckoned_by_hand(sam):  # L7
    # “Budget” was asked of ten leads; the draft requires it. What became of them:
    #   budget yes: won, won, accepted and lost, returned, verdict open   → 5 would be leads
    #   budget no:  won, returned, returned                               → 3 would not
    #   unknown:    returned, verdict open                                → 2 would not
    plan = {
        "yes": ["won", "won", "lost", "returned", "open"],
        "no": ["won", "returned", "returned"],
        "": ["returned", "open"],
    }
    for budget, fates in plan.items():
        for fate in fates:
            become(handed_over(sam, {"money": budget} if budget else {}), fate, sam)
    test = backtest(draft({"key": "money"}, {"key": "need"}))

    assert (test.total, test.met) == (10, 5)
    # Table of four against the verdict: SAL / not SAL, and open apart.
    assert [test.accepted[True, became] for became in Became] == [3, 1, 1, 0]
    assert [test.accepted[False, became] for became in Became] == [1, 3, 1, 0]
    # … and against the sale: an open verdict is still with sales; the lost one is decided.
    assert [test.won[True, became] for became in Became] == [2, 2, 1, 0]
    assert [test.won[False, became] for became in Became] == [1, 3, 1, 0]
    # SAL among would-be leads 3/4, among all decided 4/8: lift 0.75 / 0.5 = 1.5
    share = test.met_accepted()
    assert (share.count, share.of) == (3, 4)
    assert test.all_accepted() == Share(4, 8)
    assert share.lift == 1.5
    # Wilson 3/4: z²/n = 0.96036; middle 0.75 + 0.48018 = 1.23018; half = 1.96·√(0.1875/4 + 0.96036/16)
    #   = 1.96·√(0.046875 + 0.0600225) = 1.96·0.326952 = 0.640814; over 1.96036: 0.30064 and 0.95441. Lift: twice that.
    assert share.interval == pytest.approx((0.30064, 0.95441), abs=1e-4)
    assert share.lift_interval == pytest.approx((0.60128, 1.90882), abs=2e-4)
    assert share.is_better is None  # 1 lies within: chance may explain it
    # Won: 2/4 of the would-be leads, 3/8 of all: lift 1.3333. Of three won, two are kept, one would be lost.
    assert (test.met_won().count, test.met_won().of) == (2, 4)
    assert test.met_won().lift == pytest.approx(4 / 3)
    assert test.kept_won() == Share(2, 3)
    assert test.kept_accepted() == Share(3, 4)
    (lost,) = test.lost_wins()
    assert CriterionAnswer.objects.get(lead=lost, key="money").value == "no"
    money, need = test.results()
    assert (money.met, money.not_met, money.unknown) == (5, 3, 2)
    assert (need.met, need.not_met, need.unknown) == (10, 0, 0)
    assert need.accepted.lift == 1  # everybody met it: it tells nothing
    assert money.won.lift == pytest.approx(4 / 3)


def test_points_and_threshold_decide_as_when_judging(sam):
    weighted = {"is_required": False, "weight": 1}
    made = draft({"key": "one", **weighted}, {"key": "two", **weighted}, {"key": "three", **weighted}, threshold=2)
    enough = handed_over(sam, {"one": "yes", "two": "yes", "three": "no"})
    short = handed_over(sam, {"one": "yes"})
    by_lead = {case.past.pk: case.is_met for case in backtest(made).cases}
    assert by_lead == {enough.pk: True, short.pk: False}
    for lead in (enough, short):
        assert criteria.judge(lead, at=NOON, criteria_set=made).is_met is by_lead[lead.pk]


def test_what_was_learnt_after_the_handoff_does_not_count(sam):  # L7: no leakage
    made = draft({"key": "money"}, {"key": "big", "rule": rule("company.employees", "at_least", 100)})
    lead = handed_over(sam)
    criteria.answer(lead, "money", "yes", by=None, at=NOON + days(1))
    lead.contact.company.employees = 500
    lead.contact.company.save()
    (case,) = backtest(made).cases
    assert case.values == ("unknown", "unknown")
    lead.refresh_from_db()
    assert criteria.judge(lead, at=NOON, criteria_set=made).is_met  # today it would be known


def test_a_field_that_was_blank_at_the_handoff_was_known_to_be_blank(sam):
    made = draft({"key": "filled", "rule": rule("company.employees", "filled")})
    handed_over(sam)
    (case,) = backtest(made).cases
    assert case.values == ("no",)


def test_without_what_was_kept_only_answers_given_in_time_count_and_no_rule_decides(sam):
    made = draft(
        {"key": "early"},
        {"key": "late"},
        {"key": "filled", "rule": rule("company.name", "filled")},
        {"key": "blank", "rule": rule("company.industry", "blank")},
    )
    lead = handed_over(sam, {"early": "yes"})
    criteria.answer(lead, "late", "yes", by=None, at=NOON + datetime.timedelta(seconds=1))
    Lead.objects.update(known_at_handoff=None)
    (case,) = backtest(made).cases
    assert case.values == ("yes", "unknown", "unknown", "unknown")
    assert [criterion.key for criterion in backtest(made).never_known()] == ["late", "filled", "blank"]


def history(**fields) -> Lead:
    """A lead of imported history: what its file told, and no handoff."""
    lead = factories.a_lead()
    Lead.objects.filter(pk=lead.pk).update(created_at=NOON + days(100), **fields)
    return lead


def test_imported_history_stands_at_its_first_known_moment_and_has_no_verdict():
    history(qualified_at=NOON, stage=Stage.QUALIFIED)
    won = history(qualified_at=NOON, won_at=NOON - days(0.5), stage=Stage.WON)
    history(won_at=NOON + days(60), stage=Stage.WON)  # after the period
    history(stage=Stage.NEW)
    test = backtest(draft({"key": "need"}))
    assert test.total == 2
    assert {case.past.pk: case.past.at for case in test.cases}[won.pk] == NOON - days(0.5)
    assert test.accepted == {(False, Became.NOT_ASKED): 2}
    assert test.all_won() == Share(1, 2)
    assert test.all_accepted().value is None
    assert test.met_accepted().lift is None


def test_a_lead_of_today_that_waits_to_be_handed_over_is_not_judged():
    at = timezone.now()
    lead = factories.a_qualified_lead(at=at)
    assert lead.created_at <= lead.qualified_at or lead.qualified_at == at
    Lead.objects.update(created_at=at - days(1))
    assert backtest(draft({"key": "need"}), at - days(2), at + days(2)).total == 0


def test_reading_the_past_takes_the_same_few_queries_for_any_number(sam):
    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            past_leads(Lead.objects.all(), START, END, ["need"])
        return len(made)

    handed_over(sam)
    Lead.objects.update(known_at_handoff=None)
    few = queries()
    for _lead in range(3):
        handed_over(sam)
    assert queries() == few <= 3


# --- The page ---------------------------------------------------------------------------------------------------------

PERIOD = "?from=2026-03-01&to=2026-03-31"


def url(criteria_set: CriteriaSet, query: str = PERIOD) -> str:
    return f"/settings/criteria/{criteria_set.pk}/backtest/{query}"


def test_the_page_shows_tables_the_set_in_force_beside_and_names_of_what_would_be_lost(as_user, vera, sam):
    contact = factories.ContactFactory(name="Lost Larry")
    become(handed_over(sam, contact=contact), "won", sam)
    become(handed_over(sam, {"money": "yes"}), "returned", sam)
    made = draft({"key": "money"})
    response = as_user(vera).get(url(made))
    page = response.content.decode()
    assert "Lost Larry" in page
    assert "1 000" in page.replace("\u202f", " ")
    assert response.context["versus"].criteria_set == CriteriaSet.objects.in_force(NOON)
    assert response.context["versus"].met == 2
    assert "no data" not in page
    in_force = as_user(vera).get(url(CriteriaSet.objects.in_force(NOON))).context
    assert in_force["versus"] is None


def test_every_count_opens_its_leads(as_user, vera, sam):
    for _lead in range(2):
        become(handed_over(sam, {"money": "yes"}), "won", sam)
    become(handed_over(sam, {"money": "no"}), "returned", sam)
    handed_over(sam)
    made, browser = draft({"key": "money"}), as_user(vera)
    shown = browser.get(url(made)).context
    opened = 0
    cells = [cell for table in shown["tables"] for row in table["rows"] for cell in [*row["cells"]]]
    for cell in [*cells, *(cell for row in shown["results"] for cell in row["counts"])]:
        if cell["count"]:
            listed = browser.get(url(made, cell["url"])).context
            assert listed["count"] == len(listed["rows"]) == cell["count"], cell
            opened += 1
    assert opened >= 8


def test_lists_of_a_part_go_on_page_by_page(as_user, vera, sam, monkeypatch):
    monkeypatch.setattr("leads.views.backtest.PAGE", 1)
    leads = {handed_over(sam).pk for _lead in range(3)}
    made, browser, seen, after = draft({"key": "need"}), as_user(vera), [], ""
    for _page in range(3):
        context = browser.get(
            url(made, f"{PERIOD}&judged=yes&after={after}" if after else f"{PERIOD}&judged=yes")
        ).context
        seen += [lead.pk for lead, _case in context["rows"]]
        after = context["next_key"]
    assert (len(seen), set(seen), after) == (3, leads, "")


def test_an_empty_period_says_what_a_backtest_is_and_never_nought_percent(as_user, vera):
    page = as_user(vera).get(url(draft({"key": "need"}))).content.decode()
    assert "No past leads in this period" in page
    assert "0.0" not in page


def test_criteria_that_nobody_could_have_known_are_warned_of(as_user, vera, sam):
    handed_over(sam)
    page = as_user(vera).get(url(draft({"key": "brand-new", "text": "Wants it in pink"}))).content.decode()
    assert "Of no lead it was known at handoff" in page
    assert "Wants it in pink" in page
    assert "no data" in page


def test_a_products_set_judges_its_leads_and_the_general_one_leaves_them_out(as_user, vera, sam):
    product = factories.ProductFactory()
    mine, other = handed_over(sam, product=product), handed_over(sam)
    general = draft({"key": "need"})
    own = draft({"key": "need"}, product=product, in_force_at=NOON - days(100))
    browser = as_user(vera)
    assert [case.past.pk for case in browser.get(url(own)).context["test"].cases] == [mine.pk]
    assert [case.past.pk for case in browser.get(url(general)).context["test"].cases] == [other.pk]
    asked = browser.get(url(general, f"{PERIOD}&product={product.pk}")).context["test"]
    assert [case.past.pk for case in asked.cases] == [mine.pk]


def test_campaign_and_channel_narrow_the_leads(as_user, vera, sam):
    lead, _other = handed_over(sam), handed_over(sam)
    made, browser = draft({"key": "need"}), as_user(vera)
    for query in (f"campaign={lead.campaign_id}", f"channel={lead.campaign.channel_id}"):
        cases = browser.get(url(made, f"{PERIOD}&{query}")).context["test"].cases
        assert [case.past.pk for case in cases] == [lead.pk]


@pytest.mark.parametrize(
    "query",
    ["?from=x", "?nonsense=1", "?judged=perhaps", "?criterion=need", "?criterion=none&value=yes", "?judged=yes&after=x",
     "?from=0001-01-01", "?judged=yes&after=99999999999999999999"],
)  # fmt: skip
def test_a_damaged_address_is_a_400(as_user, vera, query):
    assert as_user(vera).get(url(draft({"key": "need"}), query)).status_code == 400


def test_the_page_takes_as_many_queries_for_four_leads_as_for_one(as_user, vera, sam):
    made, browser = draft({"key": "money"}), as_user(vera)

    def queries() -> int:
        with CaptureQueriesContext(connection) as done:
            browser.get(url(made))
        return len(done)

    become(handed_over(sam), "won", sam)
    queries()
    few = queries()
    for _lead in range(3):
        become(handed_over(sam), "won", sam)
    assert queries() == few
