"""Questionnaires for the staff: the list, the builder, publishing, and what was answered."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from leads import questionnaires, results
from leads.answering import texts_in_force
from leads.forms.answers import AnswerForm
from leads.forms.public import Opened, PublicForm
from leads.forms.questionnaires import (
    AnswersFilter,
    ExportFilter,
    QuestionForm,
    QuestionnaireFilter,
    QuestionnaireForm,
    ResultsFilter,
    TextsForm,
)
from leads.models import Campaign, Purpose, Question, Questionnaire, QuestionnaireVersion, Submission
from leads.normalise import fold, read_number
from leads.questionnaires import CannotPublish, Outdated, Refused
from leads.views.export import table_file

_private = cache_control(private=True, no_store=True)


def _questionnaire(request: HttpRequest, pk: int) -> Questionnaire:
    found = Questionnaire.objects.visible_to(request.user).select_related("campaign__channel", "product")
    return get_object_or_404(found, pk=pk)


def _current(questionnaire: Questionnaire) -> QuestionnaireVersion:
    """The version to edit or to show; a 404 when somebody has thrown the questionnaire away a moment ago."""
    try:
        return questionnaires.current(questionnaire)
    except Outdated as gone:
        raise Http404(str(gone)) from gone


def _may_build(request: HttpRequest) -> bool:
    return access.may(request.user, access.BUILD_QUESTIONNAIRES)


# --- The list --------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def questionnaire_list(request: HttpRequest) -> HttpResponse:
    filters = QuestionnaireFilter.read(request.GET)
    wanted = filters.cleaned_data
    found = Questionnaire.objects.visible_to(request.user)
    if wanted["kind"]:
        found = found.filter(kind=wanted["kind"])
    if wanted["campaign"]:
        found = found.filter(campaign=wanted["campaign"])
    if wanted["q"]:
        found = found.filter(Q(name__icontains=wanted["q"]) | Q(campaign__search_text__contains=fold(wanted["q"])))
    page = keyset_page(
        found.with_state().select_related("campaign", "product"), request.GET, order=("-updated_at", "-pk")
    )
    counts = Submission.objects.counts(page.rows)
    context = {
        "filters": filters,
        "page": page,
        "rows": [(questionnaire, counts.get(questionnaire.pk, 0)) for questionnaire in page.rows],
        "kinds": Questionnaire.Kind,
        "may_build": _may_build(request),
        "may_judge": access.may(request.user, access.JUDGE_SUBMISSIONS),
        "suspected": count_up_to(Submission.objects.visible_to(request.user).suspected(), 999),
    }
    return render(request, "leads/questionnaire_list.html", context)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_http_methods(["GET", "HEAD", "POST"])
def questionnaire_add(request: HttpRequest) -> HttpResponse:
    form = QuestionnaireForm(request.POST or None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        made = questionnaires.create(**form.cleaned_data, by=request.user, at=timezone.now())
        messages.success(request, _("“%(questionnaire)s” is begun. Add its questions.") % {"questionnaire": made})
        return redirect("leads:questionnaire_detail", made.pk)
    return render(request, "leads/questionnaire_add.html", {"form": form}, status=422 if form.errors else 200)


def _initial(request: HttpRequest) -> dict[str, Any]:
    """What the address proposes: a campaign, or a questionnaire to copy."""
    campaigns = Campaign.objects.visible_to(request.user)
    campaign = campaigns.filter(pk=read_number(request.GET.get("campaign")) or 0).first()
    copied = Questionnaire.objects.visible_to(request.user)
    copy_of = copied.filter(pk=read_number(request.GET.get("copy_of")) or 0).first()
    initial: dict[str, Any] = {"kind": Questionnaire.Kind.VISITOR}
    if copy_of:
        initial |= {"copy_of": copy_of, "kind": copy_of.kind, "product": copy_of.product_id, "name": copy_of.name}
    if campaign:
        initial |= {"campaign": campaign, "kind": Questionnaire.Kind.VISITOR, "name": campaign.name}
    return initial


# --- The builder -----------------------------------------------------------------------------------------------------


@login_required
@require_safe
def questionnaire_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The builder: the questions of the draft, else of the published version; `?version=` shows an earlier one."""
    questionnaire = _questionnaire(request, pk)
    versions = list(questionnaire.versions.select_related("published_by")[:50])
    if not versions:  # thrown away a moment ago
        raise Http404
    counted = results.counted(questionnaire).order_by().values("version").annotate(number=Count("pk"))
    answers = dict(counted.values_list("version", "number"))
    version = versions[0]
    if "version" in request.GET:
        number = read_number(request.GET["version"])
        chosen = [each for each in versions if each.number == number]
        if not chosen:
            raise Http404
        version = chosen[0]
    version.questionnaire = questionnaire
    is_latest = version == versions[0]
    published = next((each for each in versions if each.published_at), None)
    problems = questionnaires.problems(version, at=timezone.now()) if is_latest and not version.published_at else []
    context = {
        "questionnaire": questionnaire,
        "version": version,
        "versions": [(each, answers.get(each.pk, 0)) for each in versions],
        "published": published,
        "is_latest": is_latest,
        "rows": _rows(version, problems),
        "problems": [problem for problem in problems if not problem.key],
        "broken_count": sum(problem.is_broken for problem in problems),
        "answer_count": sum(answers.values()),
        "kinds": Question.Kind.choices,
        "may_edit": _may_build(request) and is_latest,
        "may_build": _may_build(request),
    }
    return render(request, "leads/questionnaire_detail.html", context)


def _rows(version: QuestionnaireVersion, problems: list[questionnaires.Problem]) -> list[dict[str, Any]]:
    """The questions with what they do, in words."""
    asked = questionnaires.questions(version)
    by_key = {question.key: question for question in asked}
    criteria = questionnaires.criteria_offered(version.questionnaire, at=timezone.now())
    return [
        {
            "question": question,
            "condition": _condition_in_words(question, by_key),
            "decides": _decision_in_words(question, criteria),
            "problems": [problem for problem in problems if problem.key == question.key],
        }
        for question in asked
    ]


def _condition_in_words(question: Question, by_key: dict[str, Question]) -> str:
    if not question.condition:
        return ""
    other = by_key.get(question.condition.get("question", ""))
    if other is None:
        return _("Only after a question that was removed")
    rule = questionnaires.in_words(question.condition, other)
    return _("Only if “%(question)s” %(rule)s") % {"question": other, "rule": rule}


def _decision_in_words(question: Question, criteria: dict[str, Any]) -> str:
    if question.decides == Question.Decides.CRITERION:
        rule = questionnaires.in_words(question.criterion_rule, question)
        criterion = criteria.get(question.criterion_key, question.criterion_key)
        return _("Criterion “%(criterion)s” is met when the answer %(rule)s") % {"criterion": criterion, "rule": rule}
    if question.decides == Question.Decides.PRODUCT:
        return _("Names the products of interest")
    if question.decides == Question.Decides.FIELD:
        field = questionnaires.CONTACT_FIELDS.get(question.contact_field, question.contact_field)
        return _("Fills in: %(field)s") % {"field": field}
    return ""


def _done(request: HttpRequest, pk: int, text: str, *, undo: str = "", at: str = "") -> HttpResponse:
    messages.success(request, text, extra_tags=f"undo:{undo}" if undo else "")
    return redirect(f"{reverse('leads:questionnaire_detail', args=[pk])}{f'#question-{at}' if at else ''}")


def _refused(request: HttpRequest, pk: int, why: Exception) -> HttpResponse:
    """Back to the page as it stands now, with the reason."""
    messages.error(request, str(why))
    if not Questionnaire.objects.filter(pk=pk).exists():
        return redirect("leads:questionnaire_list")
    return redirect("leads:questionnaire_detail", pk)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_http_methods(["GET", "HEAD", "POST"])
def questionnaire_texts(request: HttpRequest, pk: int) -> HttpResponse:
    """The name, and the texts around the questions."""
    questionnaire = _questionnaire(request, pk)
    version = _current(questionnaire)
    form = TextsForm(request.POST or None, instance=version, initial={"name": questionnaire.name})
    if request.method == "POST" and form.is_valid():
        try:
            questionnaires.write_texts(
                questionnaire, form.texts, by=request.user, at=timezone.now(), seen=form.cleaned_data["seen"]
            )
            questionnaires.rename(questionnaire, form.cleaned_data["name"], by=request.user)
        except Outdated as outdated:
            form.refuse_as_outdated(str(outdated), _current(questionnaire))
        else:
            return _done(request, pk, _("The texts are saved."))
    context = {"form": form, "questionnaire": questionnaire}
    return render(request, "leads/questionnaire_texts.html", context, status=422 if form.errors else 200)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_http_methods(["GET", "HEAD", "POST"])
def question_add(request: HttpRequest, pk: int) -> HttpResponse:
    return _question_page(request, _questionnaire(request, pk), key="")


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_http_methods(["GET", "HEAD", "POST"])
def question_edit(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    return _question_page(request, _questionnaire(request, pk), key)


def _question_page(request: HttpRequest, questionnaire: Questionnaire, key: str) -> HttpResponse:
    """One question: a new one without a `key`."""
    asked = questionnaires.questions(_current(questionnaire))
    question = next((each for each in asked if each.key == key), None) if key else None
    if key and question is None:
        return _refused(request, questionnaire.pk, Outdated(_("Somebody has removed this question meanwhile.")))
    said = questionnaires.content(question) if question else None
    context = {
        "earlier": asked[: asked.index(question)] if question else asked,
        "criteria": questionnaires.criteria_offered(questionnaire, at=timezone.now()),
    }
    if request.method != "POST":
        kind = request.GET.get("kind", "")
        form = QuestionForm.of(said, kind=kind if kind in Question.Kind.values else "", **context)
    elif "rearrange" in request.POST:
        form = QuestionForm.rearranged(request.POST, said, **context)
    else:
        form = QuestionForm.sent(request.POST, said, **context)
        if form.is_valid() and (saved := _save_question(request, questionnaire, key, form)):
            return saved
    return render(
        request,
        "leads/questionnaire_question.html",
        {"form": form, "questionnaire": questionnaire, "question": question},
        status=422 if form.errors else 200,
    )


def _save_question(
    request: HttpRequest, questionnaire: Questionnaire, key: str, form: QuestionForm
) -> HttpResponse | None:
    """None when the form has to say why not."""
    try:
        question = questionnaires.save_question(
            questionnaire, key, form.said, by=request.user, at=timezone.now(), seen=form.cleaned_data["seen"]
        )
    except Refused as refused:
        form.add_error(None, str(refused))
        return None
    except Outdated as outdated:
        asked = questionnaires.questions(_current(questionnaire))
        now = next((each for each in asked if each.key == key), None)
        if now is None:
            return _refused(request, questionnaire.pk, outdated)
        form.refuse_as_outdated(str(outdated), questionnaires.content(now))
        return None
    if "another" in request.POST:
        messages.success(request, _("“%(question)s” is saved.") % {"question": question})
        return redirect(
            f"{reverse('leads:question_add', args=[questionnaire.pk])}?{urlencode({'kind': question.kind})}"
        )
    return _done(request, questionnaire.pk, _("“%(question)s” is saved.") % {"question": question}, at=question.key)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_POST
def question_duplicate(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    questionnaire = _questionnaire(request, pk)
    try:
        made = questionnaires.duplicate_question(questionnaire, key, by=request.user, at=timezone.now())
    except (Outdated, Refused) as why:
        return _refused(request, pk, why)
    return _done(request, pk, _("“%(question)s” is there twice now; change one.") % {"question": made}, at=made.key)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_POST
def question_move(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    questionnaire = _questionnaire(request, pk)
    step = 1 if request.POST.get("direction") == "down" else -1
    try:
        questionnaires.move_question(questionnaire, key, step, by=request.user, at=timezone.now())
    except Outdated as why:
        return _refused(request, pk, why)
    return redirect(f"{reverse('leads:questionnaire_detail', args=[pk])}#question-{key}")


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_POST
def questionnaire_order(request: HttpRequest, pk: int) -> HttpResponse:
    """The questions in the order in which they were dropped."""
    questionnaire = _questionnaire(request, pk)
    keys = request.POST.getlist("order")[: questionnaires.MOST_QUESTIONS + 1]
    try:
        questionnaires.order_questions(questionnaire, keys, by=request.user, at=timezone.now())
    except Outdated as why:
        return _refused(request, pk, why)
    return redirect("leads:questionnaire_detail", pk)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_POST
def question_remove(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    questionnaire = _questionnaire(request, pk)
    try:
        removed = questionnaires.remove_question(questionnaire, key, by=request.user, at=timezone.now())
    except Outdated as why:
        return _refused(request, pk, why)
    request.session["removed_question"] = removed
    undo = reverse("leads:question_restore", args=[pk])
    text = removed["text_en"] or removed["text_ru"]
    return _done(request, pk, _("“%(question)s” is removed.") % {"question": text}, undo=undo)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_POST
def question_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring back the question that this person removed last."""
    questionnaire = _questionnaire(request, pk)
    removed = request.session.get("removed_question") or {}
    if removed.get("questionnaire") != pk:
        return _refused(request, pk, Refused(_("There is nothing to bring back.")))
    try:
        questionnaires.restore_question(questionnaire, removed, by=request.user, at=timezone.now())
    except (Outdated, Refused) as why:
        return _refused(request, pk, why)
    return _done(request, pk, _("The question is back."), at=removed["key"])


# --- Publishing ------------------------------------------------------------------------------------------------------


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_http_methods(["GET", "HEAD", "POST"])
def questionnaire_publish(request: HttpRequest, pk: int) -> HttpResponse:
    questionnaire = _questionnaire(request, pk)
    draft = questionnaire.draft
    if draft is None:
        return _refused(request, pk, Refused(_("Everything is published already.")))
    error = ""
    if request.method == "POST":
        try:
            made = questionnaires.publish(
                questionnaire,
                by=request.user,
                at=timezone.now(),
                seen=request.POST.get("seen", "")[:100],
                is_acknowledged="acknowledged" in request.POST,
            )
        except CannotPublish as cannot:
            is_broken = any(problem.is_broken for problem in cannot.problems)
            error = _("Nothing is published yet: mend what is broken.") if is_broken else _("Confirm that you know.")
        except (Outdated, Refused) as why:
            error = str(why)
            draft = questionnaire.draft
            if draft is None:
                return _refused(request, pk, why)
        else:
            return _done(request, pk, _("Version %(number)s is published.") % {"number": made.number})
    problems = questionnaires.problems(draft, at=timezone.now())
    before = questionnaire.published
    context = {
        "questionnaire": questionnaire,
        "draft": draft,
        "seen": questionnaires.revision(draft),
        "broken": [problem for problem in problems if problem.is_broken],
        "warnings": [problem for problem in problems if not problem.is_broken],
        "changes": questionnaires.change_words(before, draft),
        "before": before,
        "error": error,
    }
    return render(request, "leads/questionnaire_publish.html", context, status=422 if error else 200)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_http_methods(["GET", "HEAD", "POST"])
def questionnaire_discard(request: HttpRequest, pk: int) -> HttpResponse:
    questionnaire = _questionnaire(request, pk)
    if request.method == "POST":
        try:
            is_gone = questionnaires.discard(questionnaire, by=request.user, seen=request.POST.get("seen", "")[:100])
        except (Outdated, Refused) as why:
            return _refused(request, pk, why)
        if is_gone:
            messages.success(request, _("The questionnaire is thrown away."))
            return redirect("leads:questionnaire_list")
        return _done(request, pk, _("The draft is thrown away. What is published stands."))
    draft = questionnaire.draft
    if draft is None:
        return _refused(request, pk, Refused(_("There is no draft any more.")))
    context = {"questionnaire": questionnaire, "draft": draft, "seen": questionnaires.revision(draft)}
    return render(request, "leads/questionnaire_discard.html", context)


@access.only_for(access.BUILD_QUESTIONNAIRES)
@require_POST
def questionnaire_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Open it to the public, or close it; `open` is 1 or 0, also in the address, for Undo."""
    questionnaire = _questionnaire(request, pk)
    wanted = request.POST.get("open") or request.GET.get("open")
    if wanted not in {"0", "1"}:
        raise BadRequest(_("Say whether it is to be open."))
    try:
        is_changed = questionnaires.set_open(questionnaire, wanted == "1", by=request.user)
    except (Outdated, Refused) as why:
        return _refused(request, pk, why)
    text = _("It is open to the public.") if wanted == "1" else _("It is closed to the public.")
    undo = f"{reverse('leads:questionnaire_open', args=[pk])}?open={'0' if wanted == '1' else '1'}"
    return _done(request, pk, text, undo=undo if is_changed else "")


@login_required
@require_safe
def questionnaire_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """The draft, else the published version, as on two phones; what is answered there goes nowhere."""
    questionnaire = _questionnaire(request, pk)
    version = _current(questionnaire)
    now = timezone.now()
    opened = None
    if questionnaire.kind == Questionnaire.Kind.VISITOR:
        opened = Opened.now(version, texts_in_force(now, Purpose.CONTACT, Purpose.MAILING), now)
    phones = []
    for code, label in (("en", _("English")), ("ru", _("Russian"))):
        with translation.override(code):
            ids = f"id_{code}_%s"
            form = (
                PublicForm(opened, prefix=code, auto_id=ids)
                if opened
                else AnswerForm(version, prefix=code, auto_id=ids)
            )
            # Drawn now: choices are translated when drawn.
            phone = {
                "code": code,
                "label": label,
                "questions": render_to_string("leads/_questions.html", {"form": form}),
                "person": render_to_string("leads/public/_person.html", {"form": form}) if opened else "",
                "intro": version.intro,
                "thanks": version.thanks,
            }
        phones.append(phone)
    context = {"questionnaire": questionnaire, "version": version, "phones": phones}
    return render(request, "leads/questionnaire_preview.html", context)


# --- Results ---------------------------------------------------------------------------------------------------------


@login_required
@require_safe
@_private
def questionnaire_results(request: HttpRequest, pk: int) -> HttpResponse:
    questionnaire = _questionnaire(request, pk)
    filters = ResultsFilter.read(request.GET)
    submissions = results.counted(questionnaire, **_narrow(filters.cleaned_data))
    count = submissions.count()
    context = {
        "questionnaire": questionnaire,
        "filters": filters,
        "count": count,
        "results": [_drawn(result, pk, filters.cleaned_data) for result in results.results(questionnaire, submissions)]
        if count
        else [],
        "versions": list(
            questionnaire.versions.filter(published_at__isnull=False).values_list("number", flat=True)[:50]
        ),
        "ways": Submission.Via,
        "may_export": access.may(request.user, access.EXPORT),
    }
    return render(request, "leads/questionnaire_results.html", context)


def _narrow(wanted: dict[str, Any]) -> dict[str, Any]:
    return {"version": wanted["version"], "via": wanted["via"]}


def _drawn(result: results.Result, pk: int, wanted: dict[str, Any]) -> dict[str, Any]:
    """A result with its bars as charts want them; each opens the answers that it counts."""
    address = reverse("leads:question_answers", args=[pk, result.question.key])
    narrow = {name: value for name, value in _narrow(wanted).items() if value}
    bars = [
        {
            "label": bar.label,
            "value": bar.value,
            "text": f"{bar.value} · {_share(bar.value, result.answered)}",
            "url": f"{address}?{urlencode(narrow | bar.filters)}",
        }
        for bar in result.bars
    ]
    words = ngettext("%(count)s answer", "%(count)s answers", result.answered) % {"count": result.answered}
    url = f"{address}?{urlencode(narrow)}" if narrow else address
    return {"result": result, "bars": bars, "summary": words, "url": url}


def _share(part: int, whole: int) -> str:
    """Whole per cent: a finer figure would pretend more than some dozens of answers say."""
    return f"{round(100 * part / whole)}\N{NARROW NO-BREAK SPACE}%" if whole else "—"


@login_required
@require_safe
@_private
def question_answers(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Who answered what to one question."""
    questionnaire = _questionnaire(request, pk)
    question = results.wording(questionnaire).get(key)
    if question is None:
        raise Http404
    filters = AnswersFilter.read(request.GET)
    wanted = filters.cleaned_data
    answers: Any = results.answers_to(key, results.counted(questionnaire, **_narrow(wanted)), wanted)
    answers = answers.select_related("option", "submission__version", "submission__lead__contact__company")
    page = keyset_page(answers, request.GET, order=("-pk",))
    context = {
        "questionnaire": questionnaire,
        "question": question,
        "page": page,
        "rows": [(answer, results.in_words(answer)) for answer in page.rows],
        "is_narrowed": filters.is_narrowed,
    }
    return render(request, "leads/questionnaire_answers.html", context)


@access.only_for(access.EXPORT)
@require_safe
def questionnaire_export(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The filled-in questionnaires that the results count, as CSV or XLSX."""
    questionnaire = _questionnaire(request, pk)
    wanted = ExportFilter.read(request.GET).cleaned_data
    submissions = results.counted(questionnaire, **_narrow(wanted))
    header, rows = results.sheet_header(questionnaire), results.sheet(questionnaire, submissions)
    return table_file(wanted["format"] or "csv", questionnaire.name, questionnaire.name, header, rows)
