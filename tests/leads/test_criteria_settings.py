"""Settings → criteria: the set in force, the draft of the next version, and what it changes."""

from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from accounts.access import NotAllowed
from leads import criteria
from leads.criteria import approval, drafts, rules
from leads.criteria.approval import Side
from leads.forms.criteria import CriteriaForm
from leads.models import CriteriaSet, Criterion
from leads.questionnaires import sets_in_force
from tests import factories
from tests.factories import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.once]

READ = "/settings/criteria/"


def in_force() -> CriteriaSet:
    return CriteriaSet.objects.in_force(timezone.now())


@pytest.fixture
def draft(mia) -> CriteriaSet:
    return drafts.start_draft(None, by=mia, at=NOON)


def address(draft: CriteriaSet) -> str:
    return reverse("leads:criteria_edit", args=[draft.pk])


def rows_of(criteria_set: CriteriaSet) -> list[dict]:
    return [
        {"key": c.key, "text": c.text, "kind": "required" if c.is_required else "points", "weight": c.weight or ""}
        for c in criteria_set.criteria.all()
    ]


def typed(draft: CriteriaSet, rows: list[dict] | None = None, **changes) -> dict:
    """What the browser sends for these rows, by default those of the draft. `if` holds a row's conditions."""
    sent = {"threshold": draft.threshold, "note": "Because", "revision": draft.revision}
    for number, row in enumerate(rows_of(draft) if rows is None else rows):
        for name, value in row.items():
            if name != "if":
                sent[f"row-{number}-{name}"] = value
        for inner, condition in enumerate(row.get("if", [])):
            sent |= {f"row-{number}-if-{inner}-{name}": value for name, value in condition.items()}
    return sent | changes


def by_rule(*conditions: tuple, match: str = "all", **row) -> dict:
    """A row that a rule of (field, comparison, value) decides."""
    made = [dict(zip(("field", "comparison", "value"), each, strict=True)) for each in conditions]
    return {"key": "", "text": "Fits", "kind": "required", "decided": "rule", "match": match, "if": made, **row}


def test_everyone_reads_the_set_in_force_and_who_writes_criteria_is_offered_to(as_user, vera, sam, mia, max_, dora):
    for person in (vera, sam):
        page = as_user(person).get(READ).content.decode()
        assert "Has a need that our portfolio solves" in page
        assert "2 points" in page
        assert "Prepare the next version" not in page
    for person in (mia, max_, dora):
        assert "Prepare the next version" in as_user(person).get(READ).content.decode()


def test_a_draft_is_begun_once_as_a_copy_and_changes_nothing_for_any_lead(as_user, mia, dora):  # L6
    for person in (mia, dora):
        answer = as_user(person).post(reverse("leads:criteria_draft"))
        draft = CriteriaSet.objects.get(in_force_at__isnull=True)
        assert answer["Location"] == address(draft)
    assert (draft.version, draft.created_by, rows_of(draft)) == (2, mia, rows_of(in_force()))
    assert in_force().version == 1
    assert "is being written" in as_user(dora).get(READ).content.decode()


def test_a_draft_is_edited_and_the_version_in_force_stays(as_user, mia, draft):  # L6
    kept, dropped = rows_of(draft)[:-1], rows_of(draft)[-1]
    kept[0]["text"] = "Has a need, and says so"
    kept[3] |= {"weight": "5"}
    rows = [kept[1], kept[0], *kept[2:], {"key": "", "text": "Has a champion!", "kind": "points", "weight": "1"}]
    response = as_user(mia).post(address(draft), typed(draft, rows, threshold="6", note="After the review"))
    assert response["Location"] == reverse("leads:criteria_version", args=[draft.pk])
    draft.refresh_from_db()
    assert (draft.threshold, draft.note, draft.edited_by, draft.revision) == (6, "After the review", mia, 2)
    made_rows = list(draft.criteria.values_list("key", "text", "is_required", "weight"))
    assert made_rows[:2] == [
        ("decides", "Decides, or influences the decision", True, 0),
        ("need", "Has a need, and says so", True, 0),
    ]
    assert made_rows[-1] == ("has-a-champion", "Has a champion!", False, 1)
    assert dropped["key"] not in {row[0] for row in made_rows}
    before = in_force()
    assert (before.version, before.threshold, before.criteria.count()) == (1, 2, 6)


def test_the_page_says_in_words_what_the_draft_changes_who_wrote_it_and_why(as_user, mia, vera, draft):
    rows = rows_of(draft)
    rows[0]["text"] = "Has a <b>need</b>"
    rows[3]["weight"] = "3"
    rows[4] |= {"kind": "required", "weight": ""}
    del rows[5]
    rows[1] |= {
        "decided": "rule",
        "match": "any",
        "if": [
            {"field": "company.employees", "comparison": "at_least", "value": "1 500,5"},
            {"field": "company.country", "comparison": "any_of", "value": "DE; AT ; DE"},
        ],
    }
    rows = [rows[1], rows[0], *rows[2:], {"key": "", "text": "Has a champion", "kind": "points", "weight": "1"}]
    as_user(mia).post(address(draft), typed(draft, rows, threshold="4", note="Sales <i>asked</i>"))
    response = as_user(vera).get(reverse("leads:criteria_version", args=[draft.pk]))
    rule = "Employees is at least 1,500.5 or Country is one of “DE”, “AT”"
    assert response.context["changes"] == [
        "Added: “Has a champion” (1 point)",
        "Removed: “The company fits our target size”",
        f"“Decides, or influences the decision” is decided by a rule: {rule}",
        "Reworded: “Has a need that our portfolio solves” is now “Has a <b>need</b>”",
        "“Has a budget or plans one”: 2 points before, now 3 points",
        "“Wants to decide within six months”: 2 points before, now required",
        "Points needed: 2 before, now 4",
        "The order was changed",
    ]
    page = response.content.decode()
    assert "last edited by Mia" in page
    assert "Sales &lt;i&gt;asked&lt;/i&gt;" in page
    assert f"by rule: {rule}" in page


def test_a_removed_key_never_comes_back_with_another_meaning(as_user, mia, draft):
    browser, rows = as_user(mia), rows_of(draft)
    browser.post(address(draft), typed(draft, [row for row in rows if row["key"] != "size"]))
    draft.refresh_from_db()
    again = [*rows_of(draft), {"key": "size", "text": "Size", "kind": "points", "weight": "1"}]
    browser.post(address(draft), typed(draft, again))
    assert draft.criteria.last().key == "size-2"
    assert Criterion.objects.filter(key="size").count() == 1


def test_a_text_without_latin_letters_gets_a_key_too():
    assert drafts.new_key("Есть бюджет", {"criterion"}) == "criterion-2"
    assert len(drafts.new_key("x" * 200, set())) <= 50


EMPLOYEES = ("company.employees", "at_least", "50")


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        ([], {}, "Add at least one criterion"),
        ([{"key": "", "text": " ", "kind": "required"}], {"threshold": 0}, "This field is required."),
        ([{"key": "", "text": "A\x00", "kind": "required"}], {"threshold": 0}, "Null characters"),
        ([{"key": "", "text": "x" * 10_000, "kind": "required"}], {"threshold": 0}, "at most 200 characters"),
        ([{"key": "", "text": "A", "kind": "points", "weight": ""}], {"threshold": 0}, "How many points is it worth?"),
        ([{"key": "", "text": "A", "kind": "points", "weight": "-1"}], {"threshold": 0}, "greater than or equal to 0"),
        (
            [{"key": "", "text": "A", "kind": "points", "weight": "9" * 99}],
            {"threshold": 0},
            "less than or equal to 100",
        ),
        ([{"key": "", "text": "A", "kind": "x"}], {"threshold": 0}, "Select a valid choice"),
        ([{"key": "", "text": "A", "kind": "points", "weight": "2"}], {"threshold": "3"}, "give only 2 points"),
        ([{"key": "", "text": t, "kind": "required"} for t in ("Same", "same")], {"threshold": 0}, "twice"),
        (None, {"note": ""}, "This field is required."),
        (None, {"note": "x" * 10_000}, "at most 500 characters"),
        (None, {"threshold": "many"}, "Enter a whole number."),
        (None, {"revision": ""}, "This field is required."),
        # rules
        ([by_rule()], {"threshold": 0}, "Add at least one condition"),
        ([by_rule(EMPLOYEES, new="company.city")], {"threshold": 0}, "to take this one in"),
        ([by_rule(("company.employees", "at_least", "many"))], {"threshold": 0}, "Enter a number."),
        ([by_rule(("company.employees", "at_least", ""))], {"threshold": 0}, "What is it compared with?"),
        ([by_rule(("company.employees", "contains", "5"))], {"threshold": 0}, "Select a valid choice"),
        ([by_rule(("company.employees", "at_least", "9" * 99))], {"threshold": 0}, "no more than"),
        ([by_rule(("company.employees", "at_least", "NaN"))], {"threshold": 0}, "Enter a number."),
        ([by_rule(("company.city", "at_least", "5"))], {"threshold": 0}, "Select a valid choice"),
        ([by_rule(("company.city", "is", "A\x00"))], {"threshold": 0}, "Null characters"),
        ([by_rule(("company.city", "any_of", " ; ;"))], {"threshold": 0}, "What is it compared with?"),
        ([by_rule(("company.city", "any_of", "; ".join(map(str, range(60)))))], {"threshold": 0}, "too much"),
        ([by_rule(("company.city", "is", "x" * 300))], {"threshold": 0}, "too long"),
        ([by_rule(("company.secret", "is", "x"))], {"threshold": 0}, "This field isn't known"),
        ([by_rule(("__class__", "", ""))], {"threshold": 0}, "This field isn't known"),
        ([by_rule(("answer.unheard-of", "is", "x"))], {"threshold": 0}, "This field isn't known"),
        ([by_rule(EMPLOYEES, match="none")], {"threshold": 0}, "Select a valid choice"),
        ([by_rule(EMPLOYEES, decided="code")], {"threshold": 0}, "Select a valid choice"),
    ],
)
def test_wrong_input_is_named(rows, changes, words):
    sent = QueryDict(urlencode(typed(in_force(), rows, **changes), doseq=True))
    form = CriteriaForm.sent(sent, in_force(), rules.fields())
    assert not form.is_valid()
    marked = [form, *form.rows, *(condition for row in form.rows for condition in row.conditions)]
    assert any(words in error for each in marked for errors in each.errors.values() for error in errors)


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        ([], {}, "Add at least one criterion"),
        (None, {"note": ""}, "This field is required."),
        ([{"key": "", "text": "A", "kind": "points", "weight": ""}], {"threshold": 0}, "How many points is it worth?"),
        ([by_rule(("company.employees", "at_least", "many"))], {"threshold": 0}, "Enter a number."),
        ([by_rule(("company.secret", "is", "x"))], {"threshold": 0}, "This field isn&#x27;t known"),
    ],
)
def test_wrong_input_is_told_and_changes_nothing(as_user, mia, draft, rows, changes, words):
    response = as_user(mia).post(address(draft), typed(draft, rows, **changes))
    assert response.status_code == 422
    assert words in response.content.decode()
    draft.refresh_from_db()
    assert (draft.revision, rows_of(draft)) == (1, rows_of(in_force()))


def test_a_rule_is_kept_as_plain_data_and_no_more_than_is_offered(as_user, mia, draft):
    conditions = [EMPLOYEES, ("company.city", "none_of", "Berlin; Köln"), ("contact.email", "filled", "ignored")]
    row = by_rule(*conditions)
    row["if"][0]["code"] = "__import__('os')"
    assert as_user(mia).post(address(draft), typed(draft, [row], threshold=0)).status_code == 302
    assert draft.criteria.get().rule == {
        "match": "all",
        "conditions": [
            {"field": "company.employees", "comparison": "at_least", "value": 50},
            {"field": "company.city", "comparison": "none_of", "value": ["Berlin", "Köln"]},
            {"field": "contact.email", "comparison": "filled"},
        ],
    }
    form = as_user(mia).get(address(draft)).context["form"]
    assert form.rows[0].in_words == (
        "Employees is at least 50 and City is none of “Berlin”, “Köln” and E-mail is filled in"
    )
    draft.refresh_from_db()
    same = by_rule(*conditions, key=draft.criteria.get().key)
    as_user(mia).post(address(draft), typed(draft, [same], threshold=0))
    assert CriteriaSet.objects.get(pk=draft.pk).revision == 2  # nothing new was said


def test_a_stale_edit_is_refused_with_who_was_faster_and_nothing_typed_is_lost(as_user, mia, max_, draft):
    mine = typed(draft, [*rows_of(draft), {"key": "", "text": "My own idea", "kind": "points", "weight": "1"}])
    as_user(max_).post(address(draft), typed(draft, threshold="1"))
    browser = as_user(mia)
    response = browser.post(address(draft), mine)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Max saved this draft on" in page
    assert "My own idea" in page
    assert draft.criteria.count() == 6
    confirmed = mine | {"revision": response.context["form"]["revision"].value()}
    assert browser.post(address(draft), confirmed).status_code == 302
    assert draft.criteria.count() == 7


def test_sending_the_same_twice_saves_once(as_user, mia, draft):
    browser, sent = as_user(mia), typed(draft, threshold="3")
    browser.post(address(draft), sent)
    response = browser.post(address(draft), sent, follow=True)
    assert "Nothing was changed" in response.content.decode()
    assert CriteriaSet.objects.get(pk=draft.pk).revision == 2


def test_the_rules_refuse_other_roles_whatever_page_calls_them(sam, dan, vera, draft):
    for person in (sam, dan, vera):
        with pytest.raises(NotAllowed):
            drafts.start_draft(None, by=person, at=NOON)
        with pytest.raises(NotAllowed):
            drafts.save_draft(draft, [], threshold=0, note="", revision=1, by=person, at=NOON)
        with pytest.raises(NotAllowed):
            drafts.discard_draft(draft, by=person)


def test_an_agreed_version_is_not_edited(as_user, mia):
    agreed = in_force()
    assert as_user(mia).get(address(agreed)).status_code == 302
    response = as_user(mia).post(address(agreed), typed(agreed, threshold="1"))
    assert response.status_code == 422
    assert "is agreed already" in response.content.decode()
    assert in_force().threshold == 2


def test_a_draft_is_discarded(as_user, mia, draft):
    assert as_user(mia).post(reverse("leads:criteria_discard", args=[draft.pk])).status_code == 302
    assert CriteriaSet.objects.count() == 1


def test_a_product_gets_criteria_of_its_own_which_judge_its_leads_alone(as_user, mia):  # L6
    product = factories.ProductFactory(name="Big thing")
    as_user(mia).post(reverse("leads:criteria_draft"), {"product": product.pk})
    own = CriteriaSet.objects.get(product=product)
    assert (own.version, str(own), own.criteria.count()) == (1, "Criteria of Big thing, version 1", 6)
    page = as_user(mia).get(reverse("leads:criteria_of_product", args=[product.pk])).content.decode()
    assert "No version of its own is agreed yet" in page
    assert CriteriaSet.objects.in_force(NOON, product) == in_force()
    CriteriaSet.objects.filter(pk=own.pk).update(in_force_at=NOON)
    assert CriteriaSet.objects.in_force(NOON, product) == own
    assert CriteriaSet.objects.in_force(NOON, factories.ProductFactory()) == in_force()
    assert "Big thing" in as_user(mia).get(READ).content.decode()


def test_a_product_gives_its_own_criteria_up_by_a_vote_and_the_general_ones_count_again(  # L6
    as_user, mia, max_, dora, vera
):
    product = factories.ProductFactory(name="Big thing")
    parties = [(mia, Side.MARKETING), (max_, Side.SALES), (dora, Side.DIRECTOR), (vera, Side.GENERAL)]
    never = drafts.start_draft(product, gives_up=True, by=mia, at=NOON)
    with pytest.raises(approval.ApprovalError, match="no criteria yet"):  # there is nothing to give up
        approval.start_round(never, parties, by=mia, at=NOON)
    never.delete()
    own = drafts.start_draft(product, by=mia, at=NOON)
    CriteriaSet.objects.filter(pk=own.pk).update(in_force_at=NOON)
    lead = factories.a_lead(by=mia, product=product)
    assert CriteriaSet.objects.with_own(NOON) == [product.pk]

    page = reverse("leads:criteria_of_product", args=[product.pk])
    assert "use the general criteria again" in as_user(mia).get(page).content.decode()
    response = as_user(mia).post(reverse("leads:criteria_draft"), {"product": product.pk, "gives_up": "1"})
    draft = CriteriaSet.objects.get(product=product, in_force_at=None)
    edited = as_user(mia).get(response["Location"]).content.decode()
    assert "leads of Big thing are judged by the general ones" in edited
    assert as_user(mia).post(address(draft), typed(draft, [], threshold=0, note="Too few leads")).status_code == 302
    shown = as_user(vera).get(reverse("leads:criteria_version", args=[draft.pk])).content.decode()
    assert "the general ones count" in shown
    assert CriteriaSet.objects.in_force(NOON, product) == own, "not before all have approved"
    asked = approval.start_round(CriteriaSet.objects.get(pk=draft.pk), parties, by=mia, at=NOON)
    later = timezone.now()
    for person, _side in parties:
        approval.decide(asked, approval.Decision.APPROVED, by=person, at=later)

    assert CriteriaSet.objects.in_force(NOON, product) == own
    assert CriteriaSet.objects.in_force(later, product) == in_force()
    assert CriteriaSet.objects.with_own(later) == []
    assert set(sets_in_force(later)) == {None}
    assert not criteria.judge(lead, at=later, criteria_set=CriteriaSet.objects.get(pk=draft.pk)).is_met
    assert "no criteria of its own any more" in as_user(vera).get(page).content.decode()
    again = drafts.start_draft(product, by=mia, at=later)
    assert again.criteria.count() == in_force().criteria.count(), "the next own version begins with the general ones"


def test_a_version_for_a_later_day_waits_for_it(as_user, vera, draft):
    later = timezone.now() + factories.days(3)
    CriteriaSet.objects.filter(pk=draft.pk).update(in_force_at=later)
    assert in_force().version == 1
    assert CriteriaSet.objects.in_force(later).version == 2
    assert CriteriaSet.objects.in_force(later - factories.days(1)).version == 1
    page = as_user(vera).get(READ)
    assert [version.pk for version in page.context["coming"]] == [draft.pk]
    assert page.context["in_force"].version == 1


@pytest.mark.parametrize(
    ("button", "texts"),
    [
        ("up-1", ["B", "A", "C"]),
        ("up-0", ["A", "B", "C"]),
        ("down-0", ["B", "A", "C"]),
        ("down-2", ["A", "B", "C"]),
        ("remove-1", ["A", "C"]),
        ("add", ["A", "B", "C", ""]),
        ("up-99", ["A", "B", "C"]),
        ("remove-x", ["A", "B", "C"]),
        ("explode", ["A", "B", "C"]),
        ("explode-0", ["A", "B", "C"]),
    ],
)
def test_rows_are_added_removed_and_moved_by_buttons(button, texts):
    rows = [{"key": "need", "text": text, "kind": "points", "weight": "many"} for text in "ABC"]
    sent = QueryDict(urlencode(typed(in_force(), rows, rearrange=button)))
    form = CriteriaForm.rearranged(sent, in_force(), rules.fields())
    assert [row["text"].value() or "" for row in form.rows] == texts


def test_a_button_neither_checks_nor_saves_nor_loses_what_was_typed(as_user, mia, draft):
    rows = [{"key": "need", "text": text, "kind": "points", "weight": "many"} for text in "ABC"]
    response = as_user(mia).post(address(draft), typed(draft, rows, rearrange="up-1", note="Typed so far"))
    form = response.context["form"]
    assert response.status_code == 200
    assert [row["text"].value() for row in form.rows] == ["B", "A", "C"]
    assert form["note"].value() == "Typed so far"
    assert form.rows[0]["weight"].value() == "many"
    assert draft.criteria.count() == 6


def test_conditions_are_added_and_dropped_by_buttons(as_user, mia, draft):
    browser = as_user(mia)
    row = by_rule(("company.city", "is", "Bonn"), new="company.employees")
    row["if"][0]["value"] = "Bonn; Kiel"

    def conditions(button: str, row: dict = row) -> list:
        form = browser.post(address(draft), typed(draft, [row], rearrange=button)).context["form"]
        return [(each["field"].value(), each["value"].value() or "") for each in form.rows[0].conditions]

    assert conditions("when-0") == [("company.city", "Bonn; Kiel"), ("company.employees", "")]
    assert conditions("drop-0-0") == []
    for damaged in ("when-7", "drop-0-7", "drop-0-", "drop-0-x", "drop-0"):
        assert conditions(damaged) == [("company.city", "Bonn; Kiel")]
    assert conditions("when-0", row | {"new": "__class__"}) == [("company.city", "Bonn; Kiel")]


def test_without_criteria_the_page_says_what_follows_and_the_first_draft_is_empty(as_user, mia, sam):
    CriteriaSet.objects.all().delete()
    assert "Prepare the first version" in as_user(mia).get(READ).content.decode()
    assert "nothing can be qualified" in as_user(sam).get(READ).content.decode()
    as_user(mia).post(reverse("leads:criteria_draft"))
    first = CriteriaSet.objects.get()
    row = {"row-0-text": "Has a need", "row-0-kind": "required", "threshold": 0, "note": "First", "revision": 1}
    assert as_user(mia).post(address(first), row).status_code == 302
    assert first.criteria.get().key == "has-a-need"
    assert in_force() is None


def test_the_number_of_queries_does_not_grow_with_versions(as_user, mia, dora, django_assert_max_num_queries):
    rows = [{"key": f"k{n}", "text": f"T{n}", "is_required": True, "weight": 0} for n in range(5)]
    for _version in range(25):
        criteria.put_in_force(rows, threshold=0, note="", by=dora, at=timezone.now())
    browser = as_user(mia)
    browser.get(READ)
    with django_assert_max_num_queries(14):
        response = browser.get(READ)
    assert [version["set"].version for version in response.context["versions"]] == list(range(26, 6, -1))
    older = browser.get(READ, {"after": response.context["next_key"]}).context["versions"]
    assert [version["set"].version for version in older] == list(range(6, 0, -1))


@pytest.mark.parametrize("place", ["9" * 5000, "\u0663", "-1", "x", ""])
def test_a_damaged_button_moves_no_row(mia, as_user, draft, place):  # L6
    answer = as_user(mia).post(address(draft), {"rearrange": f"remove-{place}", "row-0-text": "Budget"})
    assert answer.status_code == 200
    assert len(answer.context["form"].rows) == 1
