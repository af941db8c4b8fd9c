"""Settings → criteria: the set in force, the next version, and what changed."""

import pytest
from django.urls import reverse
from django.utils import timezone

from leads import criteria
from leads.models import CriteriaSet, Criterion
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db

ADDRESS = "/settings/criteria/edit/"
READ = "/settings/criteria/"


def in_force() -> CriteriaSet:
    return CriteriaSet.objects.in_force(timezone.now())


def rows_of(criteria_set: CriteriaSet) -> list[dict]:
    return [
        {"key": c.key, "text": c.text, "kind": "required" if c.is_required else "points", "weight": c.weight or ""}
        for c in criteria_set.criteria.all()
    ]


def typed(rows: list[dict] | None = None, **changes) -> dict:
    """What the browser sends for these rows, by default those in force."""
    now = in_force()
    sent = {"threshold": now.threshold, "note": "Because", "edited_version": now.version}
    for number, row in enumerate(rows_of(now) if rows is None else rows):
        sent |= {f"row-{number}-{name}": value for name, value in row.items()}
    return sent | changes


def test_everyone_reads_the_set_in_force_and_only_the_director_is_offered_to_edit(as_user, vera, dora):
    page = as_user(vera).get(READ).content.decode()
    assert "Has a need that our portfolio solves" in page
    assert "2 points" in page
    assert ADDRESS not in page
    assert ADDRESS in as_user(dora).get(READ).content.decode()


def test_the_director_puts_the_next_version_in_force_and_the_old_one_stays(as_user, dora):  # L6, lean
    before = in_force()
    kept, dropped = rows_of(before)[:-1], rows_of(before)[-1]
    kept[0]["text"] = "Has a need, and says so"
    kept[3] |= {"weight": "5"}
    rows = [kept[1], kept[0], *kept[2:], {"key": "", "text": "Has a champion!", "kind": "points", "weight": "1"}]
    response = as_user(dora).post(ADDRESS, typed(rows, threshold="6", note="After the review"))
    assert response["Location"] == READ
    made = in_force()
    assert (made.version, made.threshold, made.note, made.created_by) == (2, 6, "After the review", dora)
    made_rows = list(made.criteria.values_list("key", "text", "is_required", "weight"))
    assert made_rows[:2] == [
        ("decides", "Decides, or influences the decision", True, 0),
        ("need", "Has a need, and says so", True, 0),
    ]
    assert made_rows[-1] == ("has-a-champion", "Has a champion!", False, 1)
    assert dropped["key"] not in {row[0] for row in made_rows}
    before = CriteriaSet.objects.get(version=1)
    assert (before.threshold, before.criteria.count()) == (2, 6)


def test_a_lead_keeps_the_version_it_was_judged_by(as_user, mia, dora):
    lead = factories.a_qualified_lead(by=mia, at=timezone.now())
    as_user(dora).post(
        ADDRESS, typed([{"key": "", "text": "Brand new", "kind": "required", "weight": ""}], threshold=0)
    )
    lead.refresh_from_db()
    assert lead.criteria_set.version == 1
    assert criteria.judge(lead, at=timezone.now()).is_met


def test_the_page_says_in_words_what_each_version_changed_who_did_it_and_why(as_user, dora, vera):
    rows = rows_of(in_force())
    rows[0]["text"] = "Has a <b>need</b>"
    rows[3]["weight"] = "3"
    rows[4] |= {"kind": "required", "weight": ""}
    del rows[5]
    rows = [rows[1], rows[0], *rows[2:], {"key": "", "text": "Has a champion", "kind": "points", "weight": "1"}]
    as_user(dora).post(ADDRESS, typed(rows, threshold="4", note="Sales <i>asked</i>"))
    versions = as_user(vera).get(READ).context["versions"]
    assert versions[0]["changes"] == [
        "Added: “Has a champion” (1 point)",
        "Removed: “The company fits our target size”",
        "Reworded: “Has a need that our portfolio solves” is now “Has a <b>need</b>”",
        "“Has a budget or plans one”: 2 points before, now 3 points",
        "“Wants to decide within six months”: 2 points before, now required",
        "Points needed: 2 before, now 4",
        "The order was changed",
    ]
    assert versions[1]["changes"] == []
    page = as_user(vera).get(READ).content.decode()
    assert "Dora" in page
    assert "Sales &lt;i&gt;asked&lt;/i&gt;" in page
    assert "Has a &lt;b&gt;need&lt;/b&gt;" in page


def test_a_removed_key_never_comes_back_with_another_meaning(as_user, dora):
    browser, rows = as_user(dora), rows_of(in_force())
    browser.post(ADDRESS, typed([row for row in rows if row["key"] != "size"]))
    again = [*rows_of(in_force()), {"key": "size", "text": "Size", "kind": "points", "weight": "1"}]
    browser.post(ADDRESS, typed(again))
    assert in_force().version == 3
    assert Criterion.objects.filter(key="size").count() == 1
    assert in_force().criteria.last().key == "size-2"


def test_a_text_without_latin_letters_gets_a_key_too():
    assert criteria.new_key("Есть бюджет", {"criterion"}) == "criterion-2"
    assert len(criteria.new_key("x" * 200, set())) <= 50


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
        (None, {"edited_version": ""}, "This field is required."),
    ],
)
def test_wrong_input_is_told_and_changes_nothing(as_user, dora, rows, changes, words):
    response = as_user(dora).post(ADDRESS, typed(rows, **changes))
    assert response.status_code == 422
    assert words in response.content.decode()
    assert CriteriaSet.objects.count() == 1


def test_a_stale_edit_is_refused_with_who_was_faster_and_nothing_typed_is_lost(as_user, dora):
    browser = as_user(dora)
    mine = typed([*rows_of(in_force()), {"key": "", "text": "My own idea", "kind": "points", "weight": "1"}])
    criteria.put_in_force(
        [{"key": "need", "text": "Has a need", "is_required": True, "weight": 0}],
        threshold=0, note="Faster", by=dora, at=timezone.now(),
    )  # fmt: skip
    response = browser.post(ADDRESS, mine)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Dora put version 2 in force" in page
    assert "My own idea" in page
    assert CriteriaSet.objects.count() == 2
    confirmed = mine | {"edited_version": response.context["form"]["edited_version"].value()}
    assert browser.post(ADDRESS, confirmed).status_code == 302
    assert in_force().version == 3


def test_the_transition_itself_refuses_a_stale_version_and_other_roles(mia, dora):
    row = {"key": "need", "text": "Has a need", "is_required": True, "weight": 0}
    for person, edited, error in ((mia, 1, criteria.access.NotAllowed), (dora, 0, criteria.OutdatedEdit)):
        with pytest.raises(error):
            criteria.put_in_force([row], threshold=0, note="", by=person, at=NOON, edited_version=edited)
    assert CriteriaSet.objects.count() == 1


def test_sending_the_same_twice_makes_one_version(as_user, dora):
    browser, sent = as_user(dora), typed(threshold="3")
    browser.post(ADDRESS, sent)
    response = browser.post(ADDRESS, sent, follow=True)
    assert "nothing was changed" in response.content.decode()
    assert CriteriaSet.objects.count() == 2


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
    ],
)
def test_rows_are_added_removed_and_moved_by_buttons_without_saving(as_user, dora, button, texts):
    rows = [{"key": "need", "text": text, "kind": "points", "weight": "many"} for text in "ABC"]
    response = as_user(dora).post(ADDRESS, typed(rows, rearrange=button, note="Typed so far"))
    form = response.context["form"]
    assert response.status_code == 200
    assert [row["text"].value() or "" for row in form.rows] == texts
    assert form["note"].value() == "Typed so far"
    assert form.rows[0]["weight"].value() == "many"  # not checked yet, so not lost either
    assert CriteriaSet.objects.count() == 1


def test_without_criteria_the_page_says_what_follows(as_user, dora, mia):
    CriteriaSet.objects.all().delete()
    assert "Write the first version" in as_user(dora).get(READ).content.decode()
    assert "nothing can be qualified" in as_user(mia).get(READ).content.decode()
    row = {"row-0-text": "Has a need", "row-0-kind": "required", "threshold": 0, "note": "First", "edited_version": 0}
    assert as_user(dora).post(ADDRESS, row).status_code == 302
    assert in_force().version == 1


def test_the_number_of_queries_does_not_grow_with_versions(as_user, mia, dora, django_assert_max_num_queries):
    rows = [{"key": f"k{n}", "text": f"T{n}", "is_required": True, "weight": 0} for n in range(5)]
    for _version in range(25):
        criteria.put_in_force(rows, threshold=0, note="", by=dora, at=timezone.now())
    browser = as_user(mia)
    browser.get(READ)
    with django_assert_max_num_queries(10):
        response = browser.get(READ)
    assert [version["set"].version for version in response.context["versions"]] == list(range(26, 6, -1))
    older = browser.get(READ, {"after": response.context["next_key"]}).context["versions"]
    assert [version["set"].version for version in older] == list(range(6, 0, -1))


@pytest.mark.parametrize("place", ["9" * 5000, "\u0663", "-1", "x", ""])
def test_a_damaged_button_moves_no_row(dora, as_user, place):  # L6
    answer = as_user(dora).post(
        reverse("leads:criteria_edit"), {"rearrange": f"remove-{place}", "row-0-text": "Budget"}
    )
    assert answer.status_code == 200
    assert len(answer.context["form"].rows) == 1
