"""Campaigns and events: what is planned, what it costs, whom it brought."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import count_up_to, keyset_page
from accounts.models import Organisation, User
from accounts.saving import save_unless_taken
from leads.forms.campaigns import CampaignFilter, CampaignForm, ExpenseFilter, ExpenseForm
from leads.models import Campaign, Channel, Expense, Lead, Submission
from leads.models.leads import ASIDE, FUNNEL, Stage


@login_required
@require_safe
def campaign_list(request: HttpRequest) -> HttpResponse:
    filters = CampaignFilter.read(request.GET)
    today = timezone.localdate()
    campaigns = filters.apply(Campaign.objects.visible_to(request.user), today)
    page = keyset_page(
        campaigns.with_results().select_related("channel", "owner"), request.GET, order=("-starts_on", "-pk")
    )
    return render(
        request,
        "leads/campaign_list.html",
        {
            "filters": filters,
            "page": page,
            "channels": Channel.objects.all(),
            "owners": User.objects.filter(campaigns__isnull=False).distinct(),
            "today": today,
            "currency": Organisation.current().currency,
            "may_plan": access.may(request.user, access.PLAN_CAMPAIGNS),
            "may_register": access.may(request.user, access.REGISTER_LEADS),
            "suspected": _suspected(request.user),
        },
    )


def _suspected(user: User, campaign: Campaign | None = None) -> int:
    """How many submissions wait in the spam queue (no more than a hundred are counted), for those who may look."""
    if not access.may(user, access.JUDGE_SUBMISSIONS):
        return 0
    waiting = Submission.objects.visible_to(user).suspected()
    if campaign is not None:
        waiting = waiting.filter(version__questionnaire__campaign=campaign)
    return count_up_to(waiting, 100).number


@login_required
@require_safe
def campaign_detail(request: HttpRequest, pk: int) -> HttpResponse:
    return _campaign_page(request, pk, ExpenseForm(initial={"spent_on": timezone.localdate()}))


def _campaign_page(request: HttpRequest, pk: int, expense_form: ExpenseForm) -> HttpResponse:
    """The page of one campaign; also what a refused expense comes back on, with what was typed."""
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user).select_related("channel", "owner"), pk=pk)
    leads = Lead.objects.visible_to(request.user).filter(campaign=campaign)
    counts = leads.reached_counts()
    lead_list = f"{reverse('leads:lead_list')}?campaign={campaign.pk}&reached="

    def bars(stages: list[Stage]) -> list[dict]:
        return [{"label": stage.label, "value": counts[stage], "url": f"{lead_list}{stage.value}"} for stage in stages]

    spent = campaign.expenses.valid().total()
    expenses = list(campaign.expenses.valid().select_related("recorded_by")[:11])
    questionnaires = list(campaign.questionnaires.with_state().order_by("-pk")[:5])
    answered = Submission.objects.counts(questionnaires)
    return render(
        request,
        "leads/campaign_detail.html",
        {
            "campaign": campaign,
            "counts": counts,
            "lead_list": lead_list,
            "reached": bars(FUNNEL),
            "aside": [bar for bar in bars([*ASIDE, Stage.REMOVED]) if bar["value"]],
            "spent": spent,
            "over_budget": (spent or 0) - campaign.planned_budget if campaign.planned_budget is not None else None,
            "expenses": expenses[:10],
            "has_more_expenses": len(expenses) > 10,
            "expense_form": expense_form,
            "latest": leads.present().for_list().order_by("-pk")[:5],
            "is_over": campaign.is_over(timezone.localdate()),
            "questionnaires": [(each, answered.get(each.pk, 0)) for each in questionnaires],
            "may_build": access.may(request.user, access.BUILD_QUESTIONNAIRES),
            "currency": Organisation.current().currency,
            "may_plan": access.may(request.user, access.PLAN_CAMPAIGNS),
            "may_spend": access.may(request.user, access.RECORD_EXPENSES),
            "may_register": access.may(request.user, access.REGISTER_LEADS),
            "suspected": _suspected(request.user, campaign),
        },
        status=422 if expense_form.errors else 200,
    )


@access.only_for(access.PLAN_CAMPAIGNS)
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_add(request: HttpRequest) -> HttpResponse:
    form = CampaignForm(request.POST or None, initial={"owner": request.user})
    if request.method == "POST" and form.is_valid() and (campaign := save_unless_taken(form)):
        messages.success(request, _("%(campaign)s is planned.") % {"campaign": campaign})
        return redirect("leads:campaign_detail", campaign.pk)
    return render(request, "leads/campaign_edit.html", {"form": form}, status=422 if form.errors else 200)


@access.only_for(access.PLAN_CAMPAIGNS)
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def campaign_edit(request: HttpRequest, pk: int) -> HttpResponse:
    campaigns = Campaign.objects.visible_to(request.user)
    campaign = get_object_or_404(campaigns.select_for_update() if request.method == "POST" else campaigns, pk=pk)
    form = CampaignForm(request.POST or None, instance=campaign)
    if request.method == "POST" and form.is_valid() and save_unless_taken(form):
        messages.success(request, _("%(campaign)s is saved.") % {"campaign": campaign})
        return redirect("leads:campaign_detail", campaign.pk)
    return render(
        request, "leads/campaign_edit.html", {"form": form, "campaign": campaign}, status=422 if form.errors else 200
    )


@login_required
@require_safe
def expense_list(request: HttpRequest) -> HttpResponse:
    filters = ExpenseFilter.read(request.GET)
    expenses = filters.apply(Expense.objects.visible_to(request.user))
    return render(
        request,
        "leads/expense_list.html",
        {
            "filters": filters,
            "total": expenses.total(),
            "page": keyset_page(
                expenses.select_related("campaign__channel", "recorded_by"), request.GET, order=("-spent_on", "-pk")
            ),
            "channels": Channel.objects.all(),
            "currency": Organisation.current().currency,
            "may_spend": access.may(request.user, access.RECORD_EXPENSES),
        },
    )


@access.only_for(access.RECORD_EXPENSES)
@require_http_methods(["GET", "HEAD", "POST"])
def expense_add(request: HttpRequest, campaign_pk: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign.objects.visible_to(request.user), pk=campaign_pk)
    if request.method != "POST":  # the address of a refused expense, opened anew: its form is on the campaign's page
        return redirect("leads:campaign_detail", campaign.pk)
    form = ExpenseForm(request.POST, instance=Expense(campaign=campaign, recorded_by=request.user))
    if not form.is_valid():
        return _campaign_page(request, campaign_pk, form)
    expense = form.save()
    messages.success(
        request,
        _("Expense recorded."),
        extra_tags=f"undo:{reverse('leads:expense_withdraw', args=[expense.pk])}",
    )
    return redirect("leads:campaign_detail", campaign.pk)


@access.only_for(access.RECORD_EXPENSES)
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def expense_edit(request: HttpRequest, pk: int) -> HttpResponse:
    expenses = Expense.objects.visible_to(request.user).valid().select_related("campaign")
    expense = get_object_or_404(
        expenses.select_for_update(of=("self",)) if request.method == "POST" else expenses, pk=pk
    )
    form = ExpenseForm(request.POST or None, instance=expense)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Expense saved."))
        return redirect("leads:campaign_detail", expense.campaign_id)
    return render(
        request, "leads/expense_edit.html", {"form": form, "expense": expense}, status=422 if form.errors else 200
    )


@access.only_for(access.RECORD_EXPENSES)
@require_POST
def expense_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an expense out of all sums. The row stays, and can be brought back."""
    expense = get_object_or_404(Expense.objects.visible_to(request.user), pk=pk)
    now = timezone.now()
    if Expense.objects.valid().filter(pk=pk).update(withdrawn_at=now, updated_at=now):
        messages.success(
            request,
            _("Expense withdrawn: it no longer counts."),
            extra_tags=f"undo:{reverse('leads:expense_restore', args=[pk])}",
        )
    else:
        messages.info(request, _("This expense was withdrawn already."))
    return redirect("leads:campaign_detail", expense.campaign_id)


@access.only_for(access.RECORD_EXPENSES)
@require_POST
def expense_restore(request: HttpRequest, pk: int) -> HttpResponse:
    expense = get_object_or_404(Expense.objects.visible_to(request.user), pk=pk)
    Expense.objects.filter(pk=pk).update(withdrawn_at=None, updated_at=timezone.now())
    messages.success(request, _("The expense counts again."))
    return redirect("leads:campaign_detail", expense.campaign_id)
