"""What clients agreed to pay by when, what they paid, and who hears of it."""

import datetime
import random
import uuid
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.access import NotAllowed
from kpi import facts
from kpi.metrics import METRIC
from kpi.scope import Scope
from leads.models import ExchangeRate
from pipeline import payment_plans, transitions
from pipeline.models import Notification, Opportunity, PlannedPayment
from pipeline.payment_plans import State, split
from pipeline.sweep import sweep
from pipeline.transitions import Instalment, TransitionError
from tests.factories import NOON, a_won_opportunity, an_opportunity, days, reason
from tests.kpi.test_facts import check

pytestmark = pytest.mark.django_db
DAY = NOON.date()


@pytest.fixture
def deal(mia, sam) -> Opportunity:
    return a_won_opportunity(sam, 1000, by=mia)


def plan(deal: Opportunity, *rows: tuple[int, str]) -> None:
    instalments = [Instalment(DAY + days(n), Decimal(amount)) for n, amount in rows]
    transitions.plan_payments(deal, instalments, by=None, at=NOON)


def pay(deal: Opportunity, amount: str, **more):
    said = {"by": None, "at": NOON, "paid_on": DAY, "amount": Decimal(amount)} | more
    return transitions.record_payment(deal, **said)


def states(deal: Opportunity, paid: str, today: datetime.date) -> list[str]:
    return [str(each.state) for each in payment_plans.filled(deal.planned_payments.all(), Decimal(paid), today)]


def test_payments_fill_a_plan_in_order_of_its_days(deal):  # H6
    plan(deal, (60, "300"), (0, "400"), (30, "300"))
    assert [each.due_on for each in deal.planned_payments.all()] == [DAY, DAY + days(30), DAY + days(60)]
    assert states(deal, "0", DAY) == ["due", "due", "due"]
    assert states(deal, "450", DAY + days(1)) == ["paid", "part", "due"]
    assert states(deal, "450", DAY + days(31)) == ["paid", "overdue", "due"]
    assert states(deal, "2000", DAY + days(99)) == ["paid", "paid", "paid"]  # more than was agreed
    before_the_sale = payment_plans.filled(deal.planned_payments.all(), Decimal(0), DAY + days(99), is_owed=False)
    assert {each.state for each in before_the_sale} == {State.DUE}


def test_one_plan_in_python_is_what_many_are_in_the_database(mia, sam):  # H6
    chance = random.Random(3)
    for _deal in range(4):
        deal = a_won_opportunity(sam, 1000, by=mia)
        plan(deal, *((chance.randrange(5), f"{chance.uniform(0.01, 400):.2f}") for _n in range(5)))
        for _n in range(3):
            pay(deal, f"{chance.uniform(0.01, 400):.2f}")
        transitions.void_payment(deal.payments.order_by("?").first(), "x", by=None, at=NOON)
    today = DAY + days(2)
    in_python = []
    for deal in Opportunity.objects.all():
        paid = sum((payment.amount for payment in deal.payments.valid()), Decimal(0))
        in_python += payment_plans.filled(deal.planned_payments.all(), paid, today)
    by_database = {row.pk: row.paid for row in PlannedPayment.objects.all()}
    assert {each.planned.pk: each.paid for each in in_python} == by_database
    overdue = {each.planned.pk for each in in_python if each.state == State.OVERDUE}
    assert overdue == set(PlannedPayment.objects.overdue(today).values_list("pk", flat=True))
    unpaid = {each.planned.pk for each in in_python if each.left}
    assert unpaid == set(PlannedPayment.objects.unpaid().values_list("pk", flat=True))
    assert unpaid.isdisjoint(PlannedPayment.objects.paid_in_full().values_list("pk", flat=True))


def test_an_offered_split_comes_to_the_amount(mia):  # H6
    assert split(Decimal(100), 3, datetime.date(2026, 1, 31)) == [
        (datetime.date(2026, 1, 31), Decimal("33.33")),
        (datetime.date(2026, 2, 28), Decimal("33.33")),
        (datetime.date(2026, 3, 31), Decimal("33.34")),
    ]
    assert split(Decimal("0.05"), 2, DAY)[1][1] == Decimal("0.03")
    assert split(Decimal(7), 1, DAY) == [(DAY, Decimal(7))]


def test_the_owner_hears_once_of_what_is_overdue(deal, sam):  # H6
    plan(deal, (0, "400"), (30, "600"))
    pay(deal, "100")
    told = Notification.objects.filter(kind="payment_overdue", recipient=sam)
    sweep(NOON)
    assert not told.exists()  # due today
    for _twice in range(2):
        sweep(NOON + days(1))
    assert told.get().data["amount"] == "300.00"
    sweep(NOON + days(200))  # what went overdue long ago came with older records
    assert told.count() == 1
    first = deal.planned_payments.first()
    moved = [Instalment(DAY + days(199), first.amount, pk=first.pk)]
    transitions.plan_payments(deal, moved, by=sam, at=NOON)
    sweep(NOON + days(200))
    assert told.count() == 2


def test_a_plan_of_1000_of_which_900_are_paid_is_kept_to_90_percent(deal):  # K1
    plan(deal, (0, "400"), (30, "600"))
    pay(deal, "900")
    facts.recompute()
    scope = Scope(user=None, start=DAY, end=DAY + days(40))
    figure = scope.figures([METRIC["payment_plan_fulfilment"]])[None]["payment_plan_fulfilment"]
    assert (figure.numerator, figure.denominator, figure.value) == (900, 1000, 90)
    plan(deal, (3, "400"))  # what was moved or taken away leaves its old day
    facts.recompute()
    assert "agree" in check()


def test_a_voided_payment_counts_no_more_and_stays(deal, sam, sid, as_user):  # H6
    plan(deal, (0, "400"))
    payment = pay(deal, "400")
    facts.recompute()
    client, void = as_user(sam), reverse("pipeline:payment_void", args=[payment.pk])
    assert client.post(void, {"why": " "}).status_code == 422
    with pytest.raises(NotAllowed):
        transitions.void_payment(payment, "x", by=sid, at=NOON)
    for _twice in range(2):
        client.post(void, {"why": "Another client's"})
    payment.refresh_from_db()
    assert (payment.void_reason, payment.voided_by, deal.payments.valid().count()) == ("Another client's", sam, 0)
    assert deal.lead.events.filter(kind="payment").count() == 2
    facts.recompute()
    scope = Scope(user=None, start=DAY, end=DAY)
    assert scope.figures([METRIC["payments"]])[None]["payments"].value == 0
    assert "agree" in check()
    assert (
        "Another client&#x27;s" in client.get(reverse("pipeline:opportunity_detail", args=[deal.pk])).content.decode()
    )
    assert "voided the payment" in client.get(reverse("leads:lead_detail", args=[deal.lead_id])).content.decode()


def test_a_payment_in_another_currency_counts_at_the_rate_of_its_day(deal, sam):  # H6
    for rate, at in (("1.1", -5), ("1.2", 0)):
        ExchangeRate.objects.create(currency="EUR", valid_from=DAY + days(at), rate=Decimal(rate))
    paid = pay(deal, "100", currency="eur", paid_on=DAY - days(1))
    assert (paid.amount, paid.foreign_amount, paid.currency, paid.rate) == (110, 100, "EUR", Decimal("1.1"))
    own = pay(deal, "100", currency="USD")
    assert (own.amount, own.foreign_amount, own.currency) == (100, None, "")
    with pytest.raises(TransitionError, match="No exchange rate"):
        pay(deal, "100", currency="EUR", paid_on=DAY - days(9))
    ExchangeRate.objects.create(currency="VND", valid_from=DAY, rate=Decimal("0.00004"))
    with pytest.raises(TransitionError, match="cent"):
        pay(deal, "100", currency="VND")


def test_plans_that_can_not_be_are_refused(deal, mia, sam, sid):  # H6
    for rows in (
        [Instalment(DAY, Decimal(0))],
        [Instalment(DAY, Decimal(-5))],
        [Instalment(DAY, Decimal("NaN"))],
        [Instalment(DAY, Decimal("1e14"))],
        [Instalment(DAY, Decimal(1))] * 121,
    ):
        with pytest.raises(TransitionError):
            transitions.plan_payments(deal, rows, by=sam, at=NOON)
    with pytest.raises(NotAllowed):
        transitions.plan_payments(deal, [], by=sid, at=NOON)
    lost = an_opportunity(sam, by=mia)
    transitions.lose(lost, reason("loss"), by=sam, at=NOON)
    with pytest.raises(TransitionError, match="lost"):
        transitions.plan_payments(lost, [Instalment(DAY, Decimal(1))], by=sam, at=NOON)


def test_a_plan_is_offered_written_and_listed(deal, sam, vera, as_user, django_assert_max_num_queries):  # H6
    client, page = as_user(sam), reverse("pipeline:opportunity_detail", args=[deal.pk])
    deal.refresh_from_db()
    old = deal.updated_at.isoformat()
    offer = {"parts": "2", "first_on": "2026-01-10", "seen_at": old}
    client.post(reverse("pipeline:deal_split", args=[deal.pk]), offer)
    first, second = deal.planned_payments.all()
    assert (first.amount, second.due_on) == (500, datetime.date(2026, 2, 10))
    deal.refresh_from_db()
    data = {
        "plan-TOTAL_FORMS": "3",
        "plan-INITIAL_FORMS": "2",
        "plan-0-pk": first.pk,
        "plan-0-due_on": "2026-01-10",
        "plan-0-amount": "400",
        "plan-1-pk": second.pk,
        "plan-1-due_on": "2026-02-10",
        "plan-1-amount": "500",
        "plan-1-DELETE": "on",
        "plan-2-due_on": "2026-01-05",
        "plan-2-amount": "100,50",
    }
    url = reverse("pipeline:deal_plan", args=[deal.pk])
    assert client.post(url, data | {"seen_at": old}).status_code == 422  # an older look
    assert client.post(url, data | {"plan-2-amount": "-1"}).status_code == 422
    client.post(url, data | {"seen_at": deal.updated_at.isoformat()})
    assert [each.amount for each in deal.planned_payments.all()] == [Decimal("100.50"), 400]
    assert "The plan comes to" in client.get(page).content.decode()
    key = {"submission_key": uuid.uuid4()}
    for day in ("0001-01-01", "2026-02-01"):  # nobody was paid in the year 1
        client.post(reverse("pipeline:payment_add", args=[deal.pk]), {"paid_on": day, "amount": "150"} | key)
    assert client.get(page).context["payment_form"].initial["amount"] == Decimal("350.50")  # what is left of the next
    listed = reverse("pipeline:plan_list")
    reader = as_user(vera)
    for query, number, amount in (
        ("", 2, Decimal("500.50")),
        ("?state=overdue", 1, 400),
        ("?state=paid", 1, Decimal("100.50")),
        ("?due_from=2026-01-06", 1, 400),
        (f"?owner={vera.pk}", 0, None),
    ):
        context = reader.get(listed + query).context
        assert (context["totals"]["number"], context["totals"]["amount"], len(context["rows"])) == (
            number,
            amount,
            number,
        )
    assert reader.get(listed).context["totals"]["covered"] == 150
    assert reader.get(f"{listed}?state=x").status_code == 400
    with django_assert_max_num_queries(10):
        reader.get(listed)
