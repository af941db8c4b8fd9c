"""The builder of questionnaires: drafts and versions, questions, what stands in the way of publishing, and the pages."""

from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.urls import reverse

from accounts.access import NotAllowed
from leads import questionnaires
from leads.answering import AnswerForm, submit
from leads.forms.questionnaires import QuestionForm
from leads.models import CriteriaSet, Criterion, Option, Question, Questionnaire, QuestionnaireVersion
from leads.questionnaires import CannotPublish, Outdated, Refused
from leads.registration import Person
from tests.factories import NOON, EventFactory, ProductFactory, days

pytestmark = [pytest.mark.django_db, pytest.mark.once]

BLANK = {
    "kind": "text",
    "text_en": "",
    "text_ru": "",
    "help_en": "",
    "help_ru": "",
    "is_required": False,
    "condition": {},
    "decides": "",
    "criterion_key": "",
    "criterion_rule": {},
    "contact_field": "",
    "options": [],
}
EMAIL = {"text_en": "Your e-mail?", "text_ru": "Ваш e-mail?", "decides": "field", "contact_field": "email"}
SIZES = [{"key": "", "text_en": text, "text_ru": "", "product": None} for text in ("One shop", "Many shops")]


def decided(key: str) -> dict:
    """A yes-or-no question that decides a criterion."""
    return {
        "kind": "yes_no",
        "text_en": f"Criterion {key}?",
        "decides": "criterion",
        "criterion_key": key,
        "criterion_rule": {"comparison": "is", "value": True},
    }


@pytest.fixture
def stand(mia) -> Questionnaire:
    """A draft that asks for the e-mail and decides every required criterion."""
    made = questionnaires.create(kind="visitor", name="Stand", campaign=EventFactory(), by=mia, at=NOON)
    for said in (EMAIL, *map(decided, ("need", "decides", "reachable"))):
        add(made, mia, **said)
    return made


def add(questionnaire, by, **said) -> Question:
    return questionnaires.save_question(questionnaire, "", BLANK | said, by=by, at=NOON)


def publish(questionnaire, by, **more) -> QuestionnaireVersion:
    return questionnaires.publish(questionnaire, by=by, at=NOON, is_acknowledged=True, **more)


def keys(questionnaire) -> list[str]:
    return [question.key for question in questionnaires.questions(questionnaires.current(questionnaire))]


def problems(questionnaire) -> list[tuple[str, bool]]:
    found = questionnaires.problems(questionnaires.current(questionnaire), at=NOON)
    return [(problem.text, problem.is_broken) for problem in found]


def page(name: str, *arguments) -> str:
    return reverse(f"leads:{name}", args=arguments)


# --- Drafts and versions ---------------------------------------------------------------------------------------------


def test_a_published_version_never_changes_and_an_edit_makes_the_next_draft(stand, mia):  # L3
    add(stand, mia, kind="choice", text_en="How many shops?", options=SIZES)
    first = publish(stand, mia)
    before = [questionnaires.content(question) for question in questionnaires.questions(first)]
    submit(first, {keys(stand)[0]: "eve@client.example"}, via="public", at=NOON, person=Person(name="Eve"))
    questionnaires.save_question(stand, "your-e-mail", BLANK | EMAIL | {"is_required": True}, by=mia, at=NOON)
    questionnaires.remove_question(stand, "criterion-need", by=mia, at=NOON)
    questionnaires.move_question(stand, "how-many-shops", -9, by=mia, at=NOON)
    questionnaires.write_texts(stand, dict.fromkeys(questionnaires.texts(first), "Hello"), by=mia, at=NOON)
    assert stand.versions.count() == 2
    assert [questionnaires.content(question) for question in questionnaires.questions(first)] == before
    first.refresh_from_db()
    assert (stand.published, first.intro_en) == (first, "")
    draft = stand.draft
    assert [q.key for q in questionnaires.questions(draft)] == [
        "how-many-shops",
        "your-e-mail",
        "criterion-decides",
        "criterion-reachable",
    ]
    assert set(draft.questions.get(key="how-many-shops").options.values_list("key", flat=True)) == {
        "one-shop",
        "many-shops",
    }
    assert questionnaires.change_words(first, draft) == [
        "Removed: “Criterion need?”",
        "Changed: “Your e-mail?”",
        "The order was changed",
        "The texts around the questions were changed",
    ]


def test_saying_the_same_again_makes_no_draft(stand, mia):
    publish(stand, mia)
    said = questionnaires.content(stand.published.questions.get(key="your-e-mail"))
    questionnaires.save_question(stand, "your-e-mail", said, by=mia, at=NOON)
    questionnaires.write_texts(stand, questionnaires.texts(stand.published), by=mia, at=NOON)
    questionnaires.order_questions(stand, keys(stand), by=mia, at=NOON)
    assert stand.draft is None


def test_keys_are_new_for_new_questions_and_stay_in_copies(stand, mia):  # L3
    again = questionnaires.duplicate_question(stand, "your-e-mail", by=mia, at=NOON)
    assert keys(stand)[:2] == ["your-e-mail", again.key] == ["your-e-mail", "your-e-mail-2"]
    other = questionnaires.create(kind="visitor", name="Fair", campaign=EventFactory(), copy_of=stand, by=mia, at=NOON)
    assert keys(other) == keys(stand)
    assert add(other, mia, text_en="Your e-mail?").key == "your-e-mail-3"
    assert add(other, mia, text_ru="Сколько?").key == "question"


def test_an_option_keeps_its_key_and_a_new_one_never_takes_an_old_key(stand, mia):
    question = add(stand, mia, kind="choice", text_en="How many shops?", options=SIZES)
    said = questionnaires.content(question)
    one, many = said["options"]
    reworded = [many | {"text_en": "Hundreds"}, {**one, "key": "", "text_en": "Many shops"}]
    questionnaires.save_question(stand, question.key, said | {"options": reworded}, by=mia, at=NOON)
    options = Option.objects.filter(question__key=question.key)
    assert [(option.key, str(option)) for option in options] == [
        ("many-shops", "Hundreds"),
        ("many-shops-2", "Many shops"),
    ]


def test_two_editors_at_once_are_told_and_nothing_is_overwritten(stand, mia, dora):
    seen = questionnaires.fingerprint(questionnaires.content(stand.draft.questions.get(key="your-e-mail")))
    questionnaires.save_question(stand, "your-e-mail", BLANK | EMAIL | {"help_en": "Work"}, by=dora, at=NOON, seen=seen)
    with pytest.raises(Outdated, match="while you were editing"):
        questionnaires.save_question(
            stand, "your-e-mail", BLANK | EMAIL | {"help_en": "Home"}, by=mia, at=NOON, seen=seen
        )
    assert stand.draft.questions.get(key="your-e-mail").help_en == "Work"
    with pytest.raises(Outdated, match="order wasn't saved"):
        questionnaires.order_questions(stand, keys(stand)[1:], by=mia, at=NOON)
    questionnaires.remove_question(stand, "your-e-mail", by=dora, at=NOON)
    for act in (questionnaires.remove_question, questionnaires.duplicate_question):
        with pytest.raises(Outdated, match="removed"):
            act(stand, "your-e-mail", by=mia, at=NOON)


def test_a_removed_question_comes_back_where_it_stood_once(stand, mia):
    before = keys(stand)
    for key in (before[0], before[2]):
        removed = questionnaires.remove_question(stand, key, by=mia, at=NOON)
        questionnaires.restore_question(stand, removed, by=mia, at=NOON)
        questionnaires.restore_question(stand, removed, by=mia, at=NOON)
        assert keys(stand) == before


def test_a_draft_can_be_thrown_away(stand, mia):
    publish(stand, mia)
    add(stand, mia, text_en="More?")
    seen = questionnaires.revision(stand.draft)
    questionnaires.write_texts(stand, dict.fromkeys(questionnaires.texts(stand.draft), "x"), by=mia, at=NOON + days(1))
    with pytest.raises(Outdated):
        questionnaires.discard(stand, by=mia, seen=seen)
    assert questionnaires.discard(stand, by=mia) is False
    assert (stand.draft, stand.published.number) == (None, 1)
    with pytest.raises(Refused):
        questionnaires.discard(stand, by=mia)
    fresh = questionnaires.create(kind="brief", name="Never published", by=mia, at=NOON)
    assert questionnaires.discard(fresh, by=mia) is True
    with pytest.raises(Outdated, match="thrown"):
        add(fresh, mia, text_en="Too late")


def test_only_marketers_and_the_director_build(stand, dan, sam, ada):
    for person in (dan, sam, ada):
        with pytest.raises(NotAllowed):
            add(stand, person, text_en="Mine")
        with pytest.raises(NotAllowed):
            questionnaires.set_open(stand, True, by=person)
        with pytest.raises(NotAllowed):
            questionnaires.create(kind="brief", name="Mine", by=person, at=NOON)


def test_there_are_at_most_so_many_questions(mia, monkeypatch):
    monkeypatch.setattr("leads.questionnaires.drafts.MOST_QUESTIONS", 2)
    brief = questionnaires.create(kind="brief", name="Brief", by=mia, at=NOON)
    add(brief, mia, text_en="One")
    add(brief, mia, text_en="Two")
    with pytest.raises(Refused, match="at most 2"):
        add(brief, mia, text_en="Three")


# --- Publishing ------------------------------------------------------------------------------------------------------


def test_a_sound_questionnaire_has_no_problems_but_a_language_that_is_missing(stand):
    assert problems(stand) == [
        (
            "Not everything is written in Russian; readers would meet the other language in: "
            + ", ".join(f"“Criterion {key}?”" for key in ("need", "decides", "reachable")),
            False,
        )
    ]


def test_what_it_cannot_decide_is_said_and_must_be_acknowledged(stand, mia):  # L3
    questionnaires.remove_question(stand, "criterion-need", by=mia, at=NOON)
    words = "This questionnaire can't decide the required criterion “Has a need that our portfolio solves”."
    assert (words, False) in problems(stand)
    with pytest.raises(CannotPublish, match="can't decide the required criterion"):
        questionnaires.publish(stand, by=mia, at=NOON)
    assert stand.published is None
    assert publish(stand, mia).published_at == NOON


def test_a_rule_over_what_the_questions_fill_in_decides_a_criterion_too(stand, mia):
    need = Criterion.objects.get(key="need")
    questionnaires.remove_question(stand, "criterion-need", by=mia, at=NOON)
    fields = ("contact.email", "company.employees")
    for match, is_decided in (("any", True), ("all", False)):
        need.rule = {"match": match, "conditions": [{"field": f, "comparison": "filled"} for f in fields]}
        need.save()
        assert any("need" in text for text, _broken in problems(stand)) is not is_decided
    add(stand, mia, kind="number", text_en="People?", decides="field", contact_field="company.employees")
    assert not any("has a need" in text.lower() for text, _broken in problems(stand))


def test_the_criteria_of_the_products_that_it_names_count_too(stand, mia):
    scanner = ProductFactory(name="Scanner")
    own = CriteriaSet.objects.create(product=scanner, version=1, in_force_at=NOON - days(1))
    Criterion.objects.create(criteria_set=own, key="shelves", text="Has shelves")
    words = "can't decide the required criterion “Has shelves” of Scanner"
    assert not any(words in text for text, _broken in problems(stand))
    options = [{"key": "", "text_en": t, "text_ru": "", "product": p} for t, p in (("A", scanner.pk), ("B", None))]
    add(stand, mia, kind="choice", text_en="What interests you?", decides="product", options=options)
    assert any(words in text for text, _broken in problems(stand))
    add(stand, mia, **decided("shelves"))
    assert not any(words in text for text, _broken in problems(stand))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"kind": "choice", "options": SIZES[:1]}, "a choice needs at least two answers"),
        ({"condition": {"question": "later", "comparison": "filled"}}, "a question that comes later"),
        ({"condition": {"question": "gone", "comparison": "filled"}}, "a question that was removed"),
        ({"condition": {"question": "size", "comparison": "any_of", "value": ["gone"]}}, "it names was removed"),
        ({"condition": {"question": "size", "comparison": "at_least", "value": 3}}, "doesn't suit the kind"),
        ({"kind": "number", "decides": "field", "contact_field": "email"}, "doesn't fit the field"),
        ({"decides": "field", "contact_field": "is_superuser"}, "doesn't fit the field"),
        ({"kind": "choice", "options": SIZES, "decides": "product"}, "no answer names a product"),
        (
            {"kind": "number", "decides": "criterion", "criterion_key": "budget",
             "criterion_rule": {"comparison": "at_least", "value": "much"}},
            "it names no number",
        ),
        ({"decides": "criterion", "criterion_key": "budget", "criterion_rule": {}}, "meet the criterion isn't clear"),
        ({"kind": "date", "decides": "criterion", "criterion_key": "timing",
          "criterion_rule": {"comparison": "at_most", "value": "soon"}}, "it names no day"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_and_blocks(stand, mia, said, words):
    draft = stand.draft
    options = [{"key": key, "text_en": key, "text_ru": "", "product": None} for key in ("one", "many")]
    rows = [
        BLANK | {"key": "size", "text_en": "Size?", "kind": "choice", "options": options},
        BLANK | {"key": "odd", "text_en": "Odd?", **said},
        BLANK | {"key": "later", "text_en": "Later?"},
    ]
    rows[1]["options"] = [option | {"key": f"o{n}"} for n, option in enumerate(rows[1]["options"])]
    questionnaires.write_questions(draft, rows, first=10)
    assert [text for text, is_broken in problems(stand) if is_broken and text.startswith("“Odd?”") and words in text]
    with pytest.raises(CannotPublish, match="Odd"):
        publish(stand, mia)


def test_a_page_that_asks_for_the_address_by_itself_needs_no_question_for_it(as_user, mia, stand):
    assert problems(questionnaires.create(kind="brief", name="B", by=mia, at=NOON)) == [
        ("There is no question yet.", True)
    ]
    questionnaires.remove_question(stand, "your-e-mail", by=mia, at=NOON)
    assert not any(is_broken for _text, is_broken in problems(stand))
    assert "How can we reach you?" in as_user(mia).get(page("questionnaire_preview", stand.pk)).content.decode()
    brief = questionnaires.create(kind="brief", name="Brief", copy_of=stand, by=mia, at=NOON)
    assert not any(is_broken for _text, is_broken in problems(brief))


def test_what_is_published_is_what_was_seen_and_once(stand, mia, dora):
    seen = questionnaires.revision(stand.draft)
    questionnaires.save_question(stand, "", BLANK | {"text_en": "More?"}, by=dora, at=NOON + days(1))
    with pytest.raises(Outdated):
        publish(stand, mia, seen=seen)
    publish(stand, mia)
    with pytest.raises(Refused, match="published already"):
        publish(stand, mia)


def test_only_a_published_questionnaire_of_visitors_opens_to_the_public(stand, mia):
    with pytest.raises(Refused, match="Publish"):
        questionnaires.set_open(stand, True, by=mia)
    publish(stand, mia)
    assert questionnaires.set_open(stand, True, by=mia) is True
    assert questionnaires.set_open(stand, True, by=mia) is False
    stand.refresh_from_db()
    assert stand.is_open
    with pytest.raises(Refused, match="no public page"):
        questionnaires.set_open(Questionnaire.objects.get(kind="brief"), True, by=mia)


def test_the_brief_that_everybody_starts_with_is_sound_and_decides_every_criterion():
    brief = Questionnaire.objects.get(kind="brief")
    version = brief.published
    assert not [problem for problem in questionnaires.problems(version, at=NOON) if problem.is_broken]
    assert questionnaires.undecided(brief, questionnaires.questions(version), at=NOON) == []
    asked = {question.criterion_key for question in questionnaires.questions(version)} - {""}
    assert asked == {"need", "decides", "budget", "timing", "size", "reachable"}
    assert version.script
    assert AnswerForm(version).rows


# --- The pages -------------------------------------------------------------------------------------------------------


def test_a_marketer_builds_publishes_and_opens_a_questionnaire_in_the_browser(as_user, mia):  # L3
    browser, event, scanner = as_user(mia), EventFactory(name="Expo"), ProductFactory(name="Scanner")
    answer = browser.post(page("questionnaire_add"), {"kind": "visitor", "name": "Expo", "campaign": event.pk})
    made = Questionnaire.objects.get(name="Expo")
    assert answer["Location"] == page("questionnaire_detail", made.pk)
    adding = page("question_add", made.pk)
    for typed in (
        {"kind": "text", "text_en": "Your e-mail?", "decides": "field", "contact_field": "email", "is_required": "on"},
        {"kind": "choice", "text_en": "What do you need?", "text_ru": "Что нужно?", "decides": "criterion",
         "criterion_key": "need", "option-0-text_en": "A scanner", "option-0-meets": "on",
         "option-1-text_en": "Nothing <b>yet</b>", "option-2-text_en": ""},
        {"kind": "number", "text_en": "How many?", "ask_after": "what-do-you-need", "ask_comparison": "any_of",
         "ask_value": ["a-scanner"], "decides": "criterion", "criterion_key": "budget",
         "rule_comparison": "at_least", "rule_value": "1 000"},
        {"kind": "multi_choice", "text_en": "Which?", "decides": "product", "option-0-text_en": "S",
         "option-0-product": scanner.pk, "option-1-text_en": "Other"},
        {"kind": "yes_no", "text_en": "Decides?", "decides": "criterion", "criterion_key": "decides",
         "rule_comparison": "is", "rule_value": "yes", "ask_after": "how-many", "ask_comparison": "at_least",
         "ask_value": "2,5"},
    ):  # fmt: skip
        response = browser.post(adding, typed)
        assert response.status_code == 302, response.context["form"].errors
    by_key = {question.key: question for question in made.draft.questions.all()}
    assert by_key["what-do-you-need"].criterion_rule == {"comparison": "any_of", "value": ["a-scanner"]}
    assert by_key["how-many"].condition == {
        "question": "what-do-you-need",
        "comparison": "any_of",
        "value": ["a-scanner"],
    }
    assert by_key["how-many"].criterion_rule == {"comparison": "at_least", "value": 1000}
    assert by_key["decides"].condition["value"] == 2.5
    assert by_key["decides"].criterion_rule == {"comparison": "is", "value": True}
    assert by_key["which"].options.get(key="s").product == scanner
    shown = browser.get(page("questionnaire_detail", made.pk)).content.decode()
    assert "Nothing &lt;b&gt;yet&lt;/b&gt;" in shown
    assert "Only if “What do you need?” is one of “A scanner”" in shown
    publishing = page("questionnaire_publish", made.pk)
    shown = browser.get(publishing)
    assert "can&#x27;t decide the required criterion" in shown.content.decode()
    assert browser.post(publishing, {"seen": shown.context["seen"]}).status_code == 422
    assert browser.post(publishing, {"seen": shown.context["seen"], "acknowledged": "1"}).status_code == 302
    assert browser.post(page("questionnaire_open", made.pk), {"open": "1"}).status_code == 302
    made.refresh_from_db()
    assert (made.is_open, made.published.number, made.draft) == (True, 1, None)
    assert (
        page("questionnaire_public", made.public_key) in browser.get(page("campaign_detail", event.pk)).content.decode()
    )


def test_what_is_saved_is_shown_again_as_it_was_typed(as_user, mia, stand):
    browser = as_user(mia)
    add(stand, mia, kind="date", text_en="When?", condition={"question": "criterion-need", "comparison": "is", "value": False},
        decides="criterion", criterion_key="timing", criterion_rule={"comparison": "at_most", "value": "2026-06-30"})  # fmt: skip
    form = browser.get(page("question_edit", stand.pk, "when")).context["form"]
    sent = {name: form[name].value() for name in form.fields} | {"is_required": ""}
    assert (sent["ask_after"], sent["ask_value"], sent["rule_value"]) == ("criterion-need", "no", "2026-06-30")
    before = questionnaires.content(stand.draft.questions.get(key="when"))
    assert browser.post(page("question_edit", stand.pk, "when"), sent).status_code == 302
    assert questionnaires.content(stand.draft.questions.get(key="when")) == before


def test_a_choice_in_the_form_draws_the_fields_that_belong_to_it_and_keeps_what_was_typed(as_user, mia, stand):
    ProductFactory(name="Scanner")
    browser, address = as_user(mia), page("question_add", stand.pk)
    typed = {"text_en": "Typed", "kind": "choice", "decides": "product", "rearrange": "redraw"}
    form = browser.post(address, typed).context["form"]
    assert (form["text_en"].value(), len(form.rows), form.errors) == ("Typed", 3, {})
    typed |= {"option-0-text_en": "A", "option-1-text_en": "B", "option-2-text_en": ""}
    form = browser.post(address, typed | {"rearrange": "products"}).context["form"]
    assert [row["text_en"].value() for row in form.rows] == ["A", "B", "Scanner"]
    form = browser.post(address, typed | {"rearrange": "up-1"}).context["form"]
    assert [row["text_en"].value() for row in form.rows] == ["B", "A", ""]
    form = browser.post(address, typed | {"rearrange": "remove-0"}).context["form"]
    assert [row["text_en"].value() for row in form.rows] == ["B", ""]
    for odd in ("remove-99", "up-x", "down-" + "9" * 40, "\x00", ""):
        assert browser.post(address, typed | {"rearrange": odd}).status_code == 200
    form = browser.post(address, {"kind": "text", "ask_after": "criterion-need", "rearrange": "redraw"}).context["form"]
    assert list(form.fields["ask_comparison"].choices) == [("is", "is")]
    assert stand.draft.questions.count() == 4


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"kind": "text"}, "at least one language"),
        ({"kind": "text", "text_en": "a\x00b"}, "Null characters"),
        ({"kind": "text", "text_en": "x" * 100_000}, "at most 300 characters"),
        ({"kind": "<script>", "text_en": "A"}, "Select a valid choice"),
        ({"kind": "choice", "text_en": "A"}, "at least two answers"),
        ({"kind": "choice", "text_en": "A", "option-0-text_en": "B", "option-1-text_en": "b"}, "there twice"),
        ({"kind": "choice", "text_en": "A", "option-0-text_en": "\x00", "option-1-text_en": "b"}, "Null characters"),
        ({"kind": "choice", "text_en": "A", "decides": "product", "option-0-text_en": "B", "option-1-text_en": "C",
          "option-0-product": "999999999999999999999"}, "Select a valid choice"),
        ({"kind": "choice", "text_en": "A", "decides": "criterion", "criterion_key": "need", "option-0-text_en": "B",
          "option-1-text_en": "C"}, "Mark the answers"),
        ({"kind": "text", "text_en": "A", "decides": "product"}, "Select a valid choice"),
        ({"kind": "text", "text_en": "A", "decides": "field", "contact_field": "company.employees"}, "valid choice"),
        ({"kind": "text", "text_en": "A", "decides": "criterion", "criterion_key": "nonsense"}, "Select a valid choice"),
        ({"kind": "number", "text_en": "A", "decides": "criterion", "criterion_key": "need",
          "rule_comparison": "at_least", "rule_value": ""}, "Compared with what?"),
        ({"kind": "number", "text_en": "A", "decides": "criterion", "criterion_key": "need",
          "rule_comparison": "contains", "rule_value": "1"}, "Select a valid choice"),
        ({"kind": "text", "text_en": "A", "ask_after": "nonsense"}, "Select a valid choice"),
        ({"kind": "text", "text_en": "A", "ask_after": "criterion-need", "ask_comparison": "is", "ask_value": "perhaps"},
         "Select a valid choice"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(typed, words):
    criteria = {criterion.key: criterion for criterion in Criterion.objects.all()}
    earlier = [Question(pk=1, key="criterion-need", kind="yes_no", text_en="Criterion need?")]
    form = QuestionForm.sent(QueryDict(urlencode(typed)), None, earlier=earlier, criteria=criteria)
    assert not form.is_valid()
    marked = [form, *form.rows]
    assert any(words in error for each in marked for errors in each.errors.values() for error in errors)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"kind": "text"}, "at least one language"),
        ({"kind": "<script>", "text_en": "A"}, "Select a valid choice"),
        ({"kind": "choice", "text_en": "A", "option-0-text_en": "\x00", "option-1-text_en": "b"}, "Null characters"),
        ({"kind": "text", "text_en": "A", "ask_after": "criterion-need", "ask_comparison": "is", "ask_value": "perhaps"},
         "Select a valid choice"),
    ],
)  # fmt: skip
def test_wrong_input_is_told_and_changes_nothing(as_user, mia, stand, typed, words):
    response = as_user(mia).post(page("question_add", stand.pk), typed)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert stand.draft.questions.count() == 4


def test_a_stale_form_comes_back_with_what_was_typed_and_saves_when_pressed_again(as_user, mia, dora, stand):
    browser, address = as_user(mia), page("question_edit", stand.pk, "your-e-mail")
    seen = browser.get(address).context["form"]["seen"].value()
    questionnaires.save_question(stand, "your-e-mail", BLANK | EMAIL | {"help_en": "Work"}, by=dora, at=NOON)
    typed = {"kind": "text", "text_en": "Mine?", "decides": "field", "contact_field": "email", "seen": seen}
    response = browser.post(address, typed)
    assert response.status_code == 422
    assert "Mine?" in response.content.decode()
    assert browser.post(address, typed | {"seen": response.context["form"]["seen"].value()}).status_code == 302
    assert stand.draft.questions.get(key="your-e-mail").text_en == "Mine?"
    questionnaires.remove_question(stand, "your-e-mail", by=dora, at=NOON)
    for response in (browser.get(address, follow=True), browser.post(address, typed, follow=True)):
        assert "Somebody has removed this question" in response.content.decode()
    seen = browser.get(page("questionnaire_texts", stand.pk)).context["form"]["seen"].value()
    questionnaires.write_texts(stand, dict.fromkeys(questionnaires.texts(stand.draft), "Hers"), by=dora, at=NOON)
    response = browser.post(page("questionnaire_texts", stand.pk), {"name": "Stand", "intro_en": "Mine", "seen": seen})
    assert (response.status_code, stand.draft.intro_en) == (422, "Hers")


def test_questions_are_moved_removed_and_brought_back_by_buttons(as_user, mia, stand):
    browser, before = as_user(mia), keys(stand)
    browser.post(page("question_move", stand.pk, before[1]), {"direction": "up"})
    browser.post(page("questionnaire_order", stand.pk), {"order": before[::-1]})
    assert keys(stand) == before[::-1]
    hostile = browser.post(page("questionnaire_order", stand.pk), {"order": ["\x00", "x"] * 200}, follow=True)
    assert "order wasn&#x27;t saved" in hostile.content.decode()
    shown = browser.post(page("question_remove", stand.pk, before[0]), follow=True).content.decode()
    assert page("question_restore", stand.pk) in shown
    assert len(keys(stand)) == 3
    browser.post(page("question_restore", stand.pk))
    assert keys(stand) == before[::-1]
    other = questionnaires.create(kind="brief", name="Other", by=mia, at=NOON)
    browser.post(page("question_restore", other.pk))
    assert keys(other) == []


def test_an_earlier_version_is_shown_as_it_was(as_user, mia, vera, stand):
    publish(stand, mia)
    questionnaires.save_question(stand, "your-e-mail", BLANK | EMAIL | {"text_en": "Reworded?"}, by=mia, at=NOON)
    reader, address = as_user(vera), page("questionnaire_detail", stand.pk)
    assert "Reworded?" in reader.get(address).content.decode()
    shown = reader.get(address, {"version": 1}).content.decode()
    assert "Your e-mail?" in shown
    assert "Reworded?" not in shown
    assert page("question_add", stand.pk) not in shown
    for odd in ("0", "99", "x", "9" * 30):
        assert reader.get(address, {"version": odd}).status_code == 404


def test_the_preview_shows_the_draft_in_both_languages(as_user, vera, mia, stand):
    add(
        stand,
        mia,
        text_en="Only if needed?",
        condition={"question": "criterion-need", "comparison": "is", "value": True},
    )
    shown = as_user(vera).get(page("questionnaire_preview", stand.pk)).content.decode()
    assert "Your e-mail?" in shown
    assert "Ваш e-mail?" in shown
    assert "data-when" in shown
    assert "Да" in shown


def test_the_list_finds_narrows_and_needs_no_query_more_for_more_rows(
    as_user, mia, stand, django_assert_max_num_queries
):
    browser, address = as_user(mia), page("questionnaire_list")
    assert [q.name for q in browser.get(address, {"kind": "brief"}).context["page"].rows] == ["Brief"]
    assert [q.name for q in browser.get(address, {"q": "STAND"}).context["page"].rows] == ["Stand"]
    assert browser.get(address, {"nonsense": 1}).status_code == 400
    assert "No questionnaire fits" in browser.get(address, {"q": "zzz"}).content.decode()
    for number in range(12):
        questionnaires.create(kind="brief", name=f"B{number}", by=mia, at=NOON)
    with django_assert_max_num_queries(10):
        assert len(browser.get(address).context["page"].rows) == 14


def test_the_builder_needs_no_query_more_for_more_questions(as_user, mia, stand, django_assert_max_num_queries):
    for number in range(15):
        add(stand, mia, kind="choice", text_en=f"Q{number}", options=SIZES)
    browser = as_user(mia)
    with django_assert_max_num_queries(24):
        browser.get(page("questionnaire_detail", stand.pk))


def test_a_page_of_what_was_just_thrown_away_is_not_there(as_user, mia, stand):
    browser, addresses = as_user(mia), [page("questionnaire_texts", stand.pk), page("question_add", stand.pk)]
    addresses += [page("questionnaire_preview", stand.pk), page("questionnaire_detail", stand.pk)]
    QuestionnaireVersion.objects.filter(questionnaire=stand).delete()  # as it is between two queries of a request
    for address in addresses:
        assert browser.get(address).status_code == 404
        assert browser.post(address, {"name": "x", "text_en": "x", "kind": "text"}).status_code in {404, 405}


def test_a_choice_with_too_many_answers_is_refused_and_none_is_dropped_in_silence(as_user, mia, stand):
    typed = {f"option-{number}-text_en": str(number) for number in range(questionnaires.MOST_OPTIONS + 1)}
    response = as_user(mia).post(page("question_add", stand.pk), typed | {"kind": "choice", "text_en": "Which?"})
    assert response.status_code == 422
    assert "at most 40 answers" in response.content.decode()
