"""What clients paid and agreed to pay: the lists, recording and voiding a payment, and one opportunity's plan."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.keyset import keyset_page
from accounts.models import Organisation
from pipeline import payment_plans, transitions
from pipeline.forms.deal_filters import PaymentFilter, PlanFilter
from pipeline.forms.deals import PaymentForm, SeenOpportunity, SplitForm, WhyForm, plan_rows
from pipeline.models import Payment, PlannedPayment
from pipeline.views.deals import said_wrong
from pipeline.views.opportunities import deal_page, get_deal, page_of
from pipeline.views.opportunity_list import COUNTED
from pipeline.views.steps import back, explained, require


@login_required
@require_safe
def payment_list(request: HttpRequest) -> HttpResponse:
    filters = PaymentFilter.read(request.GET)
    payments = filters.apply(Payment.objects.visible_to(request.user).valid())
    context = {
        "page": keyset_page(payments.for_list(), request.GET, order=("-paid_on", "-pk")),
        "filters": filters,
        "totals": payments.order_by()[: COUNTED + 1].aggregate(number=Count("pk"), amount=Sum("amount")),
        "counted": COUNTED,
        "currency": Organisation.current().currency,
    }
    return render(request, "pipeline/payment_list.html", context)


@login_required
@require_safe
def payment_filter(request: HttpRequest) -> HttpResponse:
    """The filters of the list as a form, in a dialog."""
    context = {"form": PaymentFilter.read(request.GET), "list_url": reverse("pipeline:payment_list")}
    return render(request, "pipeline/filter.html", context)


@login_required
@require_safe
def plan_list(request: HttpRequest) -> HttpResponse:
    """Instalments of won opportunities by the day they are due, with what is paid of each."""
    filters = PlanFilter.read(request.GET)
    plan = filters.apply(PlannedPayment.objects.visible_to(request.user).owed())
    page = keyset_page(plan.for_list(), request.GET, order=("due_on", "pk"))
    organisation = Organisation.current()
    today = timezone.localdate(timezone=organisation.tzinfo)
    context = {
        "page": page,
        "rows": [payment_plans.Filled(row, row.paid, row.due_on < today) for row in page.rows],
        "filters": filters,
        # Named otherwise than the column: a sum of the same name would hide it.
        "totals": plan.order_by()[: COUNTED + 1].aggregate(
            number=Count("pk"), amount=Sum("amount"), covered=Sum("paid")
        ),
        "counted": COUNTED,
        "currency": organisation.currency,
    }
    return render(request, "pipeline/plan_list.html", context)


@login_required
@require_safe
def plan_filter(request: HttpRequest) -> HttpResponse:
    """The filters of the list as a form, in a dialog."""
    context = {"form": PlanFilter.read(request.GET), "list_url": reverse("pipeline:plan_list")}
    return render(request, "pipeline/filter.html", context)


@login_required
@require_POST
def payment_add(request: HttpRequest, pk: int) -> HttpResponse:
    opportunity = get_deal(request, pk)
    form = PaymentForm(request.POST, today=timezone.localdate(), currency=opportunity.currency)
    if form.is_valid():
        with explained(request):
            transitions.record_payment(opportunity, by=request.user, at=timezone.now(), **form.cleaned_data)
            messages.success(request, _("Payment recorded."))
    else:
        require(request, access.SELL)
        messages.error(request, _("The payment wasn't recorded.") + " " + said_wrong(form))
    return back(request, page_of(opportunity))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def payment_void(request: HttpRequest, pk: int) -> HttpResponse:
    """Void a payment that was recorded by mistake, with the reason."""
    require(request, access.SELL)
    payments = Payment.objects.visible_to(request.user).select_related("opportunity__lead__contact")
    payment = get_object_or_404(payments, pk=pk)
    form = WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with explained(request, form):
            transitions.void_payment(payment, form.cleaned_data["why"], by=request.user, at=timezone.now())
            messages.success(request, _("The payment is voided. Record it anew if it was only written wrongly."))
            return back(request, page_of(payment.opportunity))
    context = {"opportunity": payment.opportunity, "form": form, "title": _("Void the payment")}
    return render(request, "pipeline/deal_step.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def deal_plan(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the whole payment plan."""
    require(request, access.SELL)
    opportunity = get_deal(request, pk)
    rows, seen = plan_rows(list(opportunity.planned_payments.all()), request.POST), SeenOpportunity(request.POST)
    if seen.is_valid() and rows.is_valid():
        plan = [form.instalment for form in rows.wanted()]
        with explained(request, seen):
            changed = transitions.plan_payments(
                opportunity, plan, by=request.user, at=timezone.now(), seen_at=seen.cleaned_data["seen_at"]
            )
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return back(request, page_of(opportunity) + "#plan")
    return deal_page(request, pk, plan=rows, seen=seen, status=422)


@login_required
@require_POST
def deal_split(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the amount a plan of equal monthly parts."""
    require(request, access.SELL)
    opportunity, form = get_deal(request, pk), SplitForm(request.POST)
    if not form.is_valid():
        messages.error(request, said_wrong(form))
    elif not opportunity.amount or opportunity.amount * 100 < form.cleaned_data["parts"]:
        messages.error(request, _("Say the amount of the opportunity first."))
    else:
        parts = payment_plans.split(opportunity.amount, form.cleaned_data["parts"], form.cleaned_data["first_on"])
        plan = [transitions.Instalment(day, amount) for day, amount in parts]
        with explained(request):
            transitions.plan_payments(
                opportunity, plan, by=request.user, at=timezone.now(), seen_at=form.cleaned_data["seen_at"]
            )
            messages.success(request, _("The plan is made. Change it as was agreed."))
    return back(request, page_of(opportunity) + "#plan")
