"""Building questionnaires: drafts, their questions, what stands in the way of publishing them, and publishing.

A published version is never changed again, since answers refer to it: every edit goes to the draft, which is made from
the published version by the first edit. Questions are named by their keys, which stay the same over all versions.
"""

import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext

from accounts import access
from accounts.models import User
from leads.comparisons import Comparison
from leads.criteria.drafts import new_key
from leads.models import (
    Campaign,
    Option,
    Product,
    Question,
    Questionnaire,
    QuestionnaireVersion,
)
from leads.questionnaires.checks import problems
from leads.questionnaires.plain import (
    CHOICES,
    MOST_QUESTIONS,
    PLAIN,
    CannotPublish,
    Outdated,
    Refused,
    content,
    fingerprint,
    questions,
    texts,
    write_options,
    write_questions,
)


def _locked(questionnaire: Questionnaire, by: User | None) -> Questionnaire:
    """The row, locked: everyone who changes a questionnaire waits here for the others."""
    if not access.may(by, access.BUILD_QUESTIONNAIRES):
        raise access.NotAllowed(gettext("Only marketers and the director build questionnaires."))
    found = Questionnaire.objects.select_for_update().filter(pk=questionnaire.pk).first()
    if found is None:
        raise Outdated(gettext("Somebody has thrown this questionnaire away."))
    return found


def current(questionnaire: Questionnaire) -> QuestionnaireVersion:
    """The version that an edit begins from: the draft, else the published one. Raises Outdated when it was thrown away."""
    version = questionnaire.versions.order_by("-number").first()
    if version is None:  # it is made with its first draft, and goes with it
        raise Outdated(gettext("Somebody has thrown this questionnaire away."))
    return version


def _draft(questionnaire: Questionnaire, at: datetime.datetime) -> QuestionnaireVersion:
    """The draft, to be written to; copied from the published version where there is none."""
    version = current(questionnaire)
    if version.published_at is not None:
        before = version
        version = QuestionnaireVersion.objects.create(
            questionnaire=questionnaire, number=before.number + 1, **texts(before)
        )
        write_questions(version, [content(question) for question in questions(before)])
    _touch(version, at)
    return version


def _touch(version: QuestionnaireVersion, at: datetime.datetime) -> None:
    if version.published_at is not None:
        raise Refused(gettext("A published version is never changed: its answers refer to it."))
    QuestionnaireVersion.objects.filter(pk=version.pk).update(updated_at=at)
    Questionnaire.objects.filter(pk=version.questionnaire_id).update(updated_at=at)
    version.updated_at = at


def revision(version: QuestionnaireVersion) -> str:
    """Names the state of a draft as a whole, for those who publish or discard just what they saw."""
    return f"{version.number} {version.updated_at.isoformat()}"


@transaction.atomic
def create(
    *,
    kind: str,
    name: str,
    by: User | None,
    at: datetime.datetime,
    campaign: Campaign | None = None,
    product: Product | None = None,
    copy_of: Questionnaire | None = None,
) -> Questionnaire:
    """Begin a questionnaire: empty, or with the questions of `copy_of`, whose keys stay, so that answers compare.

    Raises NotAllowed for the wrong role.
    """
    if not access.may(by, access.BUILD_QUESTIONNAIRES):
        raise access.NotAllowed(gettext("Only marketers and the director build questionnaires."))
    made = Questionnaire.objects.create(kind=kind, name=name, campaign=campaign, product=product, created_by=by)
    source = current(copy_of) if copy_of else None
    draft = QuestionnaireVersion.objects.create(questionnaire=made, number=1, **(texts(source) if source else {}))
    if source:
        write_questions(draft, [content(question) for question in questions(source)])
    _touch(draft, at)
    return made


@transaction.atomic
def rename(questionnaire: Questionnaire, name: str, *, by: User | None) -> None:
    """The name is for the staff and belongs to no version."""
    questionnaire = _locked(questionnaire, by)
    if questionnaire.name != name:
        questionnaire.name = name
        questionnaire.save(update_fields=["name", "updated_at"])


@transaction.atomic
def write_texts(
    questionnaire: Questionnaire, said: dict[str, str], *, by: User | None, at: datetime.datetime, seen: str = ""
) -> None:
    """Write introduction, thanks and script to the draft. `seen` is the fingerprint of the texts that were edited.

    Raises NotAllowed and Outdated. What says the same changes nothing, and makes no draft.
    """
    questionnaire = _locked(questionnaire, by)
    now = texts(current(questionnaire))
    if fingerprint(now) == fingerprint(said):
        return
    if seen and seen != fingerprint(now):
        raise Outdated(gettext("Somebody changed these texts while you were editing them."))
    draft = _draft(questionnaire, at)
    QuestionnaireVersion.objects.filter(pk=draft.pk).update(**said)


@transaction.atomic
def discard(questionnaire: Questionnaire, *, by: User | None, seen: str = "") -> bool:
    """Throw the draft away; a questionnaire that was never published goes with it. True when it has gone.

    Raises NotAllowed, Outdated when the draft isn't the one `seen`, and Refused when there is none.
    """
    questionnaire = _locked(questionnaire, by)
    draft = questionnaire.draft
    if draft is None:
        raise Refused(gettext("There is no draft any more."))
    if seen and seen != revision(draft):
        raise Outdated(gettext("The draft was changed after you opened this page. Please look at it once more."))
    if draft.number == 1:
        questionnaire.delete()
        return True
    draft.delete()
    return False


@transaction.atomic
def publish(
    questionnaire: Questionnaire,
    *,
    by: User | None,
    at: datetime.datetime,
    seen: str = "",
    is_acknowledged: bool = False,
) -> QuestionnaireVersion:
    """Freeze the draft: from now on it is what is asked.

    Raises NotAllowed, Outdated when the draft isn't the one `seen`, Refused when there is none, and CannotPublish when
    something is broken, or when there are warnings and `is_acknowledged` isn't given.
    """
    questionnaire = _locked(questionnaire, by)
    draft = questionnaire.draft
    if draft is None:
        raise Refused(gettext("Everything is published already."))
    if seen and seen != revision(draft):
        raise Outdated(gettext("The draft was changed after you opened this page. Please look at it once more."))
    found = problems(draft, at=at)
    if any(problem.is_broken for problem in found) or (found and not is_acknowledged):
        raise CannotPublish(found)
    draft.published_at, draft.published_by = at, by
    draft.save(update_fields=["published_at", "published_by", "updated_at"])
    Questionnaire.objects.filter(pk=questionnaire.pk).update(updated_at=at)
    return draft


@transaction.atomic
def set_open(questionnaire: Questionnaire, is_open: bool, *, by: User | None) -> bool:
    """Let the public fill it in, or no longer. False when it stood so already. Raises NotAllowed and Refused."""
    questionnaire = _locked(questionnaire, by)
    if questionnaire.is_open == is_open:
        return False
    if is_open and questionnaire.kind != Questionnaire.Kind.VISITOR:
        raise Refused(gettext("A brief is filled in by colleagues; it has no public page."))
    if is_open and questionnaire.published is None:
        raise Refused(gettext("Publish the questionnaire first: nothing can be asked yet."))
    questionnaire.is_open = is_open
    questionnaire.save(update_fields=["is_open", "updated_at"])
    return True


# --- Questions of the draft ------------------------------------------------------------------------------------------


def _find(version: QuestionnaireVersion, key: str) -> Question:
    question = version.questions.prefetch_related("options").filter(key=key).first()
    if question is None:
        raise Outdated(gettext("Somebody has removed this question meanwhile."))
    return question


@transaction.atomic
def save_question(
    questionnaire: Questionnaire,
    key: str,
    said: dict[str, Any],
    *,
    by: User | None,
    at: datetime.datetime,
    seen: str = "",
) -> Question:
    """Write a question to the draft; without a `key` it is a new one, at the end.

    `said` is as `content` gives it; options without a key are new; `meets` of an option says that it meets the
    criterion. `seen` is the fingerprint of the question that was edited. Raises NotAllowed, Outdated, and Refused
    when there are too many. What says the same changes nothing, and makes no draft.
    """
    questionnaire = _locked(questionnaire, by)
    version = current(questionnaire)
    before = content(_find(version, key)) if key else None
    said = {**said, "key": key or _new_question_key(said), "options": [dict(option) for option in said["options"]]}
    _name_options(said, before)
    if before and fingerprint(said) == fingerprint(before):
        return _find(version, key)
    if before and seen and seen != fingerprint(before):
        raise Outdated(gettext("Somebody changed this question while you were editing it."))
    draft = _draft(questionnaire, at)
    if before is None:
        return _append(draft, said)
    question = _find(draft, key)
    for name in PLAIN:
        setattr(question, name, said[name])
    question.save()
    question.options.all().delete()
    write_options([question], [said])
    return question


def _append(draft: QuestionnaireVersion, said: dict[str, Any], *, after: str = "") -> Question:
    """Add a question to the draft, behind the question `after` or at the end."""
    keys = list(draft.questions.values_list("key", flat=True))
    if len(keys) >= MOST_QUESTIONS:
        raise Refused(gettext("A questionnaire has at most %(most)s questions.") % {"most": MOST_QUESTIONS})
    (question,) = write_questions(draft, [said], first=len(keys))
    if after in keys:
        keys.insert(keys.index(after) + 1, said["key"])
        _number(draft, keys)
    return question


def _new_question_key(said: dict[str, Any]) -> str:
    used = set(Question.objects.order_by().values_list("key", flat=True).distinct())
    return new_key(said["text_en"] or said["text_ru"], used, otherwise="question")


def _name_options(said: dict[str, Any], before: dict[str, Any] | None) -> None:
    """Give keys to new options, never one that this question had before in any version; write the rule they make."""
    known_keys = {option["key"] for option in before["options"]} if before else set()
    used = set(Option.objects.filter(question__key=said["key"]).values_list("key", flat=True)) if before else set()
    meets = []
    for option in said["options"]:
        if option.get("key") not in known_keys:
            option["key"] = new_key(option["text_en"] or option["text_ru"], used, otherwise="option")
        known_keys.discard(option["key"])
        used.add(option["key"])
        if option.pop("meets", False):
            meets.append(option["key"])
    if said["decides"] == Question.Decides.CRITERION and said["kind"] in CHOICES:
        said["criterion_rule"] = {"comparison": Comparison.ANY_OF.value, "value": meets}


@transaction.atomic
def duplicate_question(questionnaire: Questionnaire, key: str, *, by: User | None, at: datetime.datetime) -> Question:
    """The same question once more, right behind, under a key of its own. Raises NotAllowed, Outdated and Refused."""
    questionnaire = _locked(questionnaire, by)
    _find(current(questionnaire), key)
    draft = _draft(questionnaire, at)
    said = content(_find(draft, key))
    said["key"] = _new_question_key(said)
    return _append(draft, said, after=key)


@transaction.atomic
def remove_question(questionnaire: Questionnaire, key: str, *, by: User | None, at: datetime.datetime) -> dict:
    """Take a question out of the draft; what comes back is what `restore_question` wants. Raises as the others do."""
    questionnaire = _locked(questionnaire, by)
    _find(current(questionnaire), key)
    draft = _draft(questionnaire, at)
    question = _find(draft, key)
    said = content(question)
    keys = list(draft.questions.values_list("key", flat=True))
    place = keys.index(key)
    question.delete()
    return {**said, "after": keys[place - 1] if place else "", "questionnaire": questionnaire.pk}


@transaction.atomic
def restore_question(questionnaire: Questionnaire, removed: dict, *, by: User | None, at: datetime.datetime) -> None:
    """Bring a removed question back to where it stood. Twice changes nothing."""
    questionnaire = _locked(questionnaire, by)
    if current(questionnaire).questions.filter(key=removed["key"]).exists():
        return
    draft = _draft(questionnaire, at)
    _append(draft, removed, after=removed["after"])
    if not removed["after"]:
        _number(draft, [removed["key"], *draft.questions.exclude(key=removed["key"]).values_list("key", flat=True)])


@transaction.atomic
def order_questions(questionnaire: Questionnaire, keys: list[str], *, by: User | None, at: datetime.datetime) -> None:
    """Put the draft's questions in the order of `keys`. Raises Outdated unless these are its questions, each once."""
    questionnaire = _locked(questionnaire, by)
    now = list(current(questionnaire).questions.values_list("key", flat=True))
    if sorted(now) != sorted(keys):
        raise Outdated(
            gettext("The questions have changed meanwhile, so the order wasn't saved. Please order them again.")
        )
    if now != keys:
        _number(_draft(questionnaire, at), keys)


def move_question(questionnaire: Questionnaire, key: str, step: int, *, by: User | None, at: datetime.datetime) -> None:
    """Move a question `step` places down (up when negative). Raises as `order_questions`."""
    keys = list(current(questionnaire).questions.values_list("key", flat=True))
    if key not in keys:
        raise Outdated(gettext("Somebody has removed this question meanwhile."))
    place = keys.index(key)
    keys.insert(max(0, place + step), keys.pop(place))
    order_questions(questionnaire, keys, by=by, at=at)


def _number(draft: QuestionnaireVersion, keys: list[str]) -> None:
    rows = list(draft.questions.all())
    for question in rows:
        question.position = keys.index(question.key)
    Question.objects.bulk_update(rows, ["position"])
