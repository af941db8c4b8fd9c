"""Settings → criteria: what makes a lead, which versions there were, the draft of the next one, and its approval."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import keyset_page
from accounts.models import User
from leads import criteria
from leads.criteria import approval, drafts, rules
from leads.criteria.approval import ApprovalError
from leads.criteria.drafts import DraftError, Terms
from leads.forms.criteria import CriteriaForm, DecisionForm, ReplaceForm, RoundForm
from leads.models import Approval, ApprovalRound, CriteriaSet, Criterion, Product
from leads.normalise import read_number

_PARTIES = Prefetch("approvals", Approval.objects.select_related("person"))
_ROUNDS = Prefetch("rounds", ApprovalRound.objects.select_related("started_by", "ended_by").prefetch_related(_PARTIES))


@contextmanager
def explained(request: HttpRequest) -> Iterator[None]:
    """Take a step inside. One that can't be taken now is a message, one that isn't allowed a 403."""
    try:
        yield
    except (ApprovalError, DraftError) as refusal:
        messages.error(request, str(refusal))
    except access.NotAllowed as refusal:
        raise PermissionDenied(str(refusal)) from refusal


# --- Reading ---------------------------------------------------------------------------------------------------------


@login_required
@require_safe
def criteria_page(request: HttpRequest) -> HttpResponse:
    """The general criteria."""
    return _page(request, None)


@login_required
@require_safe
def criteria_of_product(request: HttpRequest, pk: int) -> HttpResponse:
    """The criteria that one product has of its own."""
    return _page(request, get_object_or_404(Product, pk=pk))


def _page(request: HttpRequest, product: Product | None) -> HttpResponse:
    now = timezone.now()
    of_it = CriteriaSet.objects.filter(product=product).select_related("product")
    versions = of_it.filter(in_force_at__isnull=False).select_related("created_by")
    page = keyset_page(versions.prefetch_related("criteria", _ROUNDS), request.GET, order=("-pk",), size=20)
    beyond = versions.filter(version__lt=page.rows[-1].version).order_by("-version")[:1] if page.rows else []
    first = drafts.before_it(page.rows[-1]) if page.rows and not beyond else None  # a product's: the general one
    before: list[CriteriaSet | None] = [*page.rows[1:], *beyond, first]
    known = rules.fields_of(criterion for each in page.rows for criterion in each.criteria.all())
    in_force = CriteriaSet.objects.in_force(now, product)
    own = in_force if in_force and in_force.product_id == (product.pk if product else None) else None
    products = Product.objects.filter(Q(is_active=True) | Q(criteria_sets__isnull=False)).distinct().order_by("name")
    have_own = set(CriteriaSet.objects.filter(product__isnull=False).values_list("product_id", flat=True))
    return render(
        request,
        "leads/criteria.html",
        {
            "product": product,
            "products": [each for each in products if each.pk in have_own or each == product],
            "without_own": [each for each in products if each.pk not in have_own],
            "in_force": own,
            "general": in_force if own is None else None,
            "is_given_up": own is None and versions.filter(in_force_at__lte=now).exists(),
            "in_force_rows": _sentences(own) if own else [],
            "coming": [version for version in page.rows if _is_coming(version, now)],
            "draft": of_it.filter(in_force_at__isnull=True).prefetch_related(_ROUNDS).first(),
            "versions": [
                {
                    "set": version,
                    "changes": drafts.changes(Terms.of(earlier) if earlier else None, Terms.of(version), known),
                    "approved_by": _approved_by(version),
                    "is_coming": _is_coming(version, now),
                }
                for version, earlier in zip(page.rows, before, strict=False)
            ],
            "next_key": page.next_key,
            "may_edit": access.may(request.user, access.EDIT_CRITERIA),
        },
    )


def _sentences(criteria_set: CriteriaSet) -> list[tuple[Criterion, str]]:
    """The criteria of a version, each with the sentence of its rule."""
    found = list(criteria_set.criteria.all())
    known = rules.fields_of(found)
    return [(criterion, rules.sentence(criterion.rule, known)) for criterion in found]


def _is_coming(version: CriteriaSet, now: datetime.datetime) -> bool:
    return version.in_force_at is not None and version.in_force_at > now


def _approved_by(version: CriteriaSet) -> list[Approval]:
    return [
        row
        for each in version.rounds.all()
        if each.outcome == approval.Outcome.APPROVED
        for row in each.approvals.all()
        if row.decision == Approval.Decision.APPROVED
    ]


def _versions() -> QuerySet[CriteriaSet]:
    return CriteriaSet.objects.select_related("product", "created_by", "edited_by").prefetch_related("criteria")


@login_required
@require_safe
def criteria_version(request: HttpRequest, pk: int) -> HttpResponse:
    return _version_page(request, get_object_or_404(_versions(), pk=pk))


def _version_page(
    request: HttpRequest, version: CriteriaSet, *, form: DecisionForm | None = None, status: int = 200
) -> HttpResponse:
    """A version: what it says, what it changes, and what its parties said to it, round by round."""
    now = timezone.now()
    rounds = list(version.rounds.select_related("started_by", "ended_by").prefetch_related(_PARTIES))
    open_round = next((each for each in rounds if each.is_open), None)
    approvals = list(open_round.approvals.all()) if open_round else []
    mine = next((row for row in approvals if row.person_id == request.user.pk), None)
    before = drafts.before_it(version)
    terms = Terms.of(version)
    said_before = [Terms.from_json(each.terms) for each in rounds if not each.is_open]
    known = rules.fields_of(
        criterion
        for each in [terms, *([Terms.of(before)] if before else []), *said_before]
        for criterion in each.criteria
    )
    may_edit = access.may(request.user, access.EDIT_CRITERIA)
    waiting = [row for row in approvals if not row.decision]
    context: dict[str, Any] = {
        "version": version,
        "rows": [(criterion, rules.sentence(criterion.rule, known)) for criterion in terms.criteria],
        "before": before,
        "changes": drafts.changes(Terms.of(before) if before else None, terms, known),
        "is_coming": _is_coming(version, now),
        "open_round": open_round,
        "waiting": waiting,
        "mine": mine,
        "form": form or DecisionForm(),
        "may_edit": may_edit and version.is_draft and open_round is None,
        "may_discard": may_edit and version.is_draft and not rounds,
        "may_host": open_round is not None and approval.may_host(open_round, request.user),
        "replacements": [
            (row, ReplaceForm(gone=row))
            for row in waiting
            if open_round and not row.person.is_active and approval.may_host(open_round, request.user)
        ],
        "may_remind": any(row.ask_at <= now - approval.BETWEEN_REMINDERS for row in waiting),
        "rounds": [
            {"round": each, "changed_since": drafts.changes(Terms.from_json(each.terms), terms, known)}
            for each in rounds
            if not each.is_open
        ],
        "may_rejudge": version.in_force_at is not None
        and bool(terms.criteria)
        and access.may(request.user, access.QUALIFY_LEADS),
    }
    return render(request, "leads/criteria_version.html", context, status=status)


# --- The draft -------------------------------------------------------------------------------------------------------


@access.only_for(access.EDIT_CRITERIA)
@require_POST
def criteria_draft(request: HttpRequest) -> HttpResponse:
    """Begin the draft of the next version, or find the one there is: general, or of the product that is sent.

    With `gives_up` the product's begins without criteria.
    """
    product = None
    if request.POST.get("product"):
        product = get_object_or_404(Product, pk=read_number(request.POST["product"]) or 0)
    gives_up = bool(request.POST.get("gives_up"))
    draft = drafts.start_draft(product, gives_up=gives_up, by=request.user, at=timezone.now())
    return redirect("leads:criteria_edit", draft.pk)


@access.only_for(access.EDIT_CRITERIA)
@require_http_methods(["GET", "HEAD", "POST"])
def criteria_edit(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(_versions(), pk=pk)
    known = rules.fields()
    if request.method != "POST":
        with explained(request):
            drafts.require_open(draft)
            return render(request, "leads/criteria_edit.html", {"form": CriteriaForm.of(draft, known), "draft": draft})
        return redirect("leads:criteria_version", draft.pk)
    if "rearrange" in request.POST:
        form = CriteriaForm.rearranged(request.POST, draft, known)
    else:
        form = CriteriaForm.sent(request.POST, draft, known)
        if form.is_valid() and _save(request, draft, form):
            return redirect("leads:criteria_version", draft.pk)
    context = {"form": form, "draft": draft}
    return render(request, "leads/criteria_edit.html", context, status=422 if form.errors else 200)


def _save(request: HttpRequest, draft: CriteriaSet, form: CriteriaForm) -> bool:
    """Save a valid form; False when that can't be, which the form then says."""
    try:
        is_changed = drafts.save_draft(
            draft,
            form.criteria,
            threshold=form.cleaned_data["threshold"],
            note=form.cleaned_data["note"],
            revision=form.cleaned_data["revision"],
            by=request.user,
            at=timezone.now(),
        )
    except drafts.StaleDraft as outdated:
        form.refuse_as_outdated(str(outdated), CriteriaSet.objects.get(pk=draft.pk))
        return False
    except DraftError as refusal:
        form.add_error(None, str(refusal))
        return False
    messages.success(request, _("The draft is saved.") if is_changed else _("Nothing was changed."))
    return True


@access.only_for(access.EDIT_CRITERIA)
@require_POST
def criteria_discard(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(_versions(), pk=pk)
    with explained(request):
        drafts.discard_draft(draft, by=request.user)
        messages.success(request, _("The draft is discarded."))
        return redirect("leads:criteria")
    return redirect("leads:criteria_version", pk)


# --- The vote --------------------------------------------------------------------------------------------------------


@access.only_for(access.EDIT_CRITERIA)
@require_http_methods(["GET", "HEAD", "POST"])
def criteria_vote(request: HttpRequest, pk: int) -> HttpResponse:
    """Name the parties and put the draft to them."""
    draft = get_object_or_404(_versions(), pk=pk)
    form = RoundForm(request.POST if request.method == "POST" else None, suggested=approval.suggested_parties(draft))
    if form.is_bound and form.is_valid():
        try:
            begun = approval.start_round(
                draft,
                form.parties,
                wanted_on=form.cleaned_data["wanted_on"],
                by=request.user,
                at=timezone.now(),
            )
        except (ApprovalError, DraftError) as refusal:
            form.add_error(None, str(refusal))
        else:
            names = ", ".join(str(row.person) for row in begun.approvals.select_related("person"))
            messages.success(request, _("Asked for approval: %(names)s.") % {"names": names})
            return redirect("leads:criteria_version", pk)
    context = {"form": form, "draft": draft}
    return render(request, "leads/criteria_vote.html", context, status=422 if form.errors else 200)


def _round(pk: int) -> ApprovalRound:
    return get_object_or_404(ApprovalRound, pk=pk)


@login_required
@require_POST
def round_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve, or ask for a change: only who is named."""
    asked = _round(pk)
    form = DecisionForm(request.POST)
    if form.is_valid():
        try:
            asked = approval.decide(
                asked,
                Approval.Decision(form.cleaned_data["decision"]),
                comment=form.cleaned_data["comment"],
                by=request.user,
                at=timezone.now(),
            )
        except ApprovalError as refusal:
            form.add_error(None, str(refusal))
        except access.NotAllowed as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        else:
            messages.success(request, _said(asked, form.cleaned_data["decision"]))
            return redirect("leads:criteria_version", asked.criteria_set_id)
    if not asked.approvals.filter(person=request.user).exists():
        raise PermissionDenied
    version = get_object_or_404(_versions(), pk=asked.criteria_set_id)
    return _version_page(request, version, form=form, status=422)


def _said(asked: ApprovalRound, decision: str) -> str:
    if decision == Approval.Decision.CHANGE:
        return _("You asked for a change. The draft can be edited again.")
    version = asked.criteria_set
    if version.in_force_at is None:
        return _("You approved.")
    when = date_format(timezone.localtime(version.in_force_at), "DATETIME_FORMAT")
    return _("All have approved: version %(version)s is in force from %(when)s.") % {
        "version": version.version,
        "when": when,
    }


@access.only_for(access.EDIT_CRITERIA)
@require_POST
def round_remind(request: HttpRequest, pk: int) -> HttpResponse:
    asked = _round(pk)
    with explained(request):
        people = approval.remind(asked, by=request.user, at=timezone.now())
        messages.success(request, _("Asked again: %(names)s.") % {"names": ", ".join(map(str, people))})
    return redirect("leads:criteria_version", asked.criteria_set_id)


@access.only_for(access.EDIT_CRITERIA)
@require_POST
def party_replace(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask somebody else in the place of a party who can't sign in any more."""
    gone = get_object_or_404(Approval.objects.select_related("round"), pk=pk)
    with explained(request):
        try:
            person = User.objects.get(pk=read_number(request.POST.get("person")) or 0)
        except User.DoesNotExist as nobody:
            raise ApprovalError(_("Choose who is asked instead.")) from nobody
        approval.replace(gone, person, by=request.user, at=timezone.now())
        messages.success(request, _("Asked for approval: %(names)s.") % {"names": person})
    return redirect("leads:criteria_version", gone.round.criteria_set_id)


@access.only_for(access.EDIT_CRITERIA)
@require_POST
def round_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    asked = _round(pk)
    with explained(request):
        approval.withdraw(asked, by=request.user, at=timezone.now())
        messages.success(request, _("The round is withdrawn. The draft can be edited again."))
    return redirect("leads:criteria_version", asked.criteria_set_id)


# --- Judging again ---------------------------------------------------------------------------------------------------


@access.only_for(access.QUALIFY_LEADS)
@require_http_methods(["GET", "HEAD", "POST"])
def criteria_rejudge(request: HttpRequest, pk: int) -> HttpResponse:
    """What this version says of leads that marketing judged by an earlier one; then, once confirmed, judge them so."""
    version = get_object_or_404(_versions(), pk=pk)
    now = timezone.now()
    leads = criteria.judged_before(version, at=now)
    if request.method == "POST":
        chosen = {number for each in request.POST.getlist("selected") if (number := read_number(each)) is not None}
        judged = [lead for lead in leads if lead.pk in chosen and criteria.rejudge(lead, by=request.user, at=now)]
        said = ngettext("%(count)s lead is judged again.", "%(count)s leads are judged again.", len(judged))
        messages.success(request, said % {"count": len(judged)})
        return redirect("leads:criteria_version", version.pk)
    return render(
        request,
        "leads/criteria_rejudge.html",
        {
            "version": version,
            "rows": criteria.compared(version, leads),
            "most": criteria.MOST_AT_ONCE,
        },
    )
