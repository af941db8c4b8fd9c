"""What was answered: counted over all versions by the question's key, each figure opening the leads that it counts."""

import csv
import datetime
import io
from decimal import Decimal

import pytest
from django.urls import reverse

from leads import questionnaires, results
from leads.answering import submit
from leads.models import Contact, Lead, Submission
from leads.registration import Person
from pipeline import transitions
from tests.factories import NOON, a_questionnaire, days, reason

pytestmark = pytest.mark.django_db


@pytest.fixture
def version():
    return a_questionnaire(
        {"key": "size", "kind": "choice", "text_en": "How many shops?",
         "options": [{"key": "one", "text_en": "One"}, {"key": "many", "text_en": "Many"}, {"key": "no", "text_en": "No"}]},
        {"key": "wants", "kind": "multi_choice", "text_en": "What interests you?",
         "options": [{"key": "scanner", "text_en": "Scanner"}, {"key": "till", "text_en": "Till"}]},
        {"key": "need", "kind": "yes_no", "text_en": "Do you need it?"},
        {"key": "people", "kind": "number", "text_en": "How many people?"},
        {"key": "when", "kind": "date", "text_en": "When?"},
        {"key": "more", "kind": "long_text", "text_en": "Anything else?"},
        {"key": "email", "text_en": "E-mail?", "decides": "field", "contact_field": "email"},
    )  # fmt: skip


def fill_in(version, name: str, /, *, via: str = "public", suspicion: str = "", **answers) -> Submission:
    return submit(version, answers, via=via, at=NOON, person=Person(name=name), suspicion=suspicion)


@pytest.fixture
def five(version):
    """Four who count and one suspected of spam."""
    fill_in(version, "Eve", size="one", wants=["scanner", "till"], need=True, people=Decimal(4),
            when=datetime.date(2026, 3, 14), more="=HYPERLINK(1)", email="eve@client.example")  # fmt: skip
    fill_in(version, "Bob", size="many", wants=["till"], need=False, people=Decimal(10), when=datetime.date(2026, 5, 1))
    fill_in(version, "Ann", size="many", need=True, people=Decimal(31), via="stand", more="<b>Hurry</b>")
    fill_in(version, "Joe", people=Decimal(12), via="phone")
    fill_in(version, "Spam", size="one", people=Decimal(999), suspicion="links", email="spam@client.example")
    return version.questionnaire


def by_key(questionnaire, **narrow) -> dict[str, results.Result]:
    found = results.results(questionnaire, results.counted(questionnaire, **narrow))
    return {result.question.key: result for result in found}


def bars(result) -> list[tuple[str, int]]:
    return [(bar.label, bar.value) for bar in result.bars]


def page(name: str, *arguments) -> str:
    return reverse(f"leads:{name}", args=arguments)


def test_each_kind_of_question_is_counted(five):  # L3
    found = by_key(five)
    assert (found["size"].answered, bars(found["size"])) == (3, [("One", 1), ("Many", 2), ("No", 0)])
    assert (found["wants"].answered, bars(found["wants"])) == (2, [("Scanner", 1), ("Till", 2)])
    assert bars(found["need"]) == [("Yes", 2), ("No", 1)]
    people = found["people"]
    assert (people.answered, people.least, people.median, people.most) == (4, 4, 11, 31)
    assert bars(people) == [("0 – 4", 1), ("5 – 9", 0), ("10 – 14", 2), ("15 – 19", 0), ("20 – 24", 0), ("25 – 29", 0),
                            ("30 – 34", 1)]  # fmt: skip
    assert (found["when"].first, found["when"].last) == (datetime.date(2026, 3, 14), datetime.date(2026, 5, 1))
    assert bars(found["when"]) == [("March 2026", 1), ("May 2026", 1)]
    assert [answer.text for answer in found["more"].latest] == ["<b>Hurry</b>", "=HYPERLINK(1)"]


def test_versions_are_counted_together_and_apart_and_what_is_no_longer_asked_stays(five, mia):
    said = questionnaires.content(five.published.questions.get(key="size"))
    fewer = said | {"text_en": "How many stores?", "options": said["options"][1:]}
    questionnaires.save_question(five, "size", fewer, by=mia, at=NOON)
    questionnaires.remove_question(five, "need", by=mia, at=NOON)
    second = questionnaires.publish(five, by=mia, at=NOON, is_acknowledged=True)
    fill_in(second, "Zoe", size="many", people=Decimal("0.5"))
    found = by_key(five)
    assert (str(found["size"].question), bars(found["size"])) == (
        "How many stores?",
        [("Many", 3), ("No", 0), ("One", 1)],
    )
    assert (found["need"].is_asked_now, bars(found["need"])) == (False, [("Yes", 2), ("No", 1)])
    assert bars(by_key(five, version=2)["size"]) == [("Many", 1), ("No", 0)]
    assert by_key(five, version=1)["people"].answered == 4
    assert by_key(five, via="stand")["size"].answered == 1


def test_removed_leads_leave_the_counts(five, mia):
    lead = Lead.objects.get(contact__name="Bob")
    transitions.remove(lead, reason("removal"), by=mia, at=NOON)
    assert bars(by_key(five)["size"]) == [("One", 1), ("Many", 1), ("No", 0)]


@pytest.mark.parametrize("values", [[], [7], [-3, -1], [1, 2], [0.1, 0.2, 0.3], [10**12, 3], [5, 5, 5, 6]])
def test_the_median_and_the_bars_of_odd_numbers(version, values):
    for value in values:
        fill_in(version, "", people=Decimal(str(value)))
    result = by_key(version.questionnaire)["people"]
    middle = sorted(Decimal(str(value)) for value in values)
    wanted = (middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2 if middle else None
    assert result.median == wanted
    assert sum(bar.value for bar in result.bars) == len(values)
    for bar in result.bars:
        found = results.answers_to(
            "people",
            results.counted(version.questionnaire),
            {name: Decimal(value) for name, value in bar.filters.items()},
        )
        assert found.count() == bar.value, bar


def test_every_bar_of_the_page_opens_just_the_leads_that_it_counts(as_user, vera, five):
    browser = as_user(vera)
    shown = browser.get(page("questionnaire_results", five.pk))
    assert shown["Cache-Control"] == "private, no-store"
    rows = [bar for row in shown.context["results"] for bar in row["bars"]]
    assert len(rows) > 10
    for bar in rows:
        listed = browser.get(bar["url"]).context["page"].rows
        assert len(listed) == bar["value"], bar
    assert "2 · 67\u202f%" in shown.content.decode()
    assert "&lt;b&gt;Hurry&lt;/b&gt;" in shown.content.decode()
    narrowed = browser.get(page("questionnaire_results", five.pk), {"via": "stand"})
    assert all("via=stand" in bar["url"] for row in narrowed.context["results"] for bar in row["bars"])
    listed = browser.get(page("question_answers", five.pk, "more")).content.decode()
    assert "&lt;b&gt;Hurry&lt;/b&gt;" in listed
    assert "Ann" in listed


def test_the_results_take_the_same_queries_for_more_answers_and_questions(
    as_user, vera, five, mia, django_assert_max_num_queries
):
    for number in range(6):
        said = {"key": f"q{number}", "kind": ["number", "choice", "text"][number % 3], "text_en": f"Q{number}?"}
        more = questionnaires.content(five.published.questions.get(key="size")) | said
        more["options"] = [option | {"key": ""} for option in more["options"]] if number % 3 == 1 else []
        questionnaires.save_question(five, "", more, by=mia, at=NOON)
    questionnaires.publish(five, by=mia, at=NOON + days(1), is_acknowledged=True)
    browser = as_user(vera)
    for number in range(5):
        fill_in(five.published, f"P{number}", size="one", people=Decimal(number), more="Text")
    with django_assert_max_num_queries(20):
        browser.get(page("questionnaire_results", five.pk))
    with django_assert_max_num_queries(9):
        browser.get(page("question_answers", five.pk, "size"))


def test_without_answers_the_page_says_what_will_be_there(as_user, vera, version):
    browser, address = as_user(vera), page("questionnaire_results", version.questionnaire.pk)
    assert "No answers yet" in browser.get(address).content.decode()
    fill_in(version, "Eve", size="one")
    assert "Nobody answered so" in browser.get(address, {"via": "phone"}).content.decode()
    listed = page("question_answers", version.questionnaire.pk, "size")
    assert "Nobody answered so" in browser.get(listed, {"option": "many"}).content.decode()


@pytest.mark.parametrize(
    "query",
    ["version=x", "version=0", "via=nonsense", "nonsense=1", "after=damaged", "least=NaN", "since=0", "option=%00",
     "yes=2", "least=" + "9" * 99],
)  # fmt: skip
def test_an_address_of_nonsense_is_refused(as_user, vera, version, query):
    address = page("question_answers", version.questionnaire.pk, "size")
    assert as_user(vera).get(f"{address}?{query}").status_code == 400


def test_a_question_that_was_never_asked_has_no_answers(as_user, vera, five):
    assert as_user(vera).get(page("question_answers", five.pk, "nonsense")).status_code == 404
    assert as_user(vera).get(page("question_answers", 999_999, "size")).status_code == 404


def test_the_answers_leave_as_a_file_that_runs_nothing(as_user, mia, ada, five):
    Contact.objects.filter(name="Eve").update(do_not_contact=True)
    address = page("questionnaire_export", five.pk)
    sent = as_user(mia).get(address)
    rows = list(csv.DictReader(io.StringIO(b"".join(sent.streaming_content).decode("utf-8-sig"))))
    assert [row["name"] for row in rows] == ["Eve", "Bob", "Ann", "Joe"]
    assert (rows[0]["wants"], rows[0]["people"], rows[0]["when"], rows[0]["need"]) == (
        "Scanner; Till",
        "4",
        "2026-03-14",
        "yes",
    )
    assert rows[0]["more"] == "'=HYPERLINK(1)"
    assert (rows[0]["do_not_contact"], rows[0]["email"]) == ("yes", "")
    sent = as_user(mia).get(address, {"format": "xlsx", "via": "stand"})
    assert b"".join(sent.streaming_content)[:2] == b"PK"
    assert as_user(ada).get(address).status_code == 403
    assert as_user(mia).get(address, {"format": "exe"}).status_code == 400


@pytest.mark.parametrize("numbers", [["99999999999999"], ["99999999999999.0001", "99999999999999.0002"], ["0", "1e13"]])
def test_one_visitor_with_an_enormous_number_does_not_take_the_page_away(as_user, vera, version, numbers):
    for number in numbers:
        fill_in(version, "Joe", people=Decimal(number))
    shown = by_key(version.questionnaire)["people"].bars
    assert sum(bar.value for bar in shown) == len(numbers)
    browser, answers = as_user(vera), page("question_answers", version.questionnaire.pk, "people")
    assert {browser.get(answers, bar.filters).status_code for bar in (shown[0], shown[-1])} == {200}
    assert results.bin_width(99999999999999.0, 99999999999999.02) >= 1  # else a bar's place is past any whole number
