"""Who was lost or warm and is asked again: answers of the last year, and what is due today."""

import datetime
from decimal import Decimal

from accounts.models import User
from leads import consents, criteria
from leads.models import Lead, LeadEvent, Partner, Purpose, Reason
from pipeline import recycling, transitions
from pipeline.demo.company import Company
from pipeline.models import Activity, Agreement, Enrolment, Opportunity, Recycling, Task
from pipeline.transitions import Passing

DAY = datetime.timedelta(days=1)
ANSWERED = 26  # of the last year
DUE = 3  # today, of Sam and of Mia
# What came of asking, in turn, and what they said.
ANSWERS = [
    ("back", "The budget is there now; they want to see it again."),
    ("later", "Moving offices first. Call after the summer."),
    ("no", "Signed for three years with somebody else."),
    ("back", "New head of sales, asks for a demo."),
    ("no", "Has stopped the project."),
    ("later", "The decision is with the board."),
    ("partner", "Wants the furniture as well."),
]


def add_recycling(company: Company, at: datetime.datetime) -> None:
    """Answers of the last year to losses of the year before, then what a run of today finds due."""
    days = Agreement.objects.in_force(at).recycle_days
    lost = Opportunity.objects.filter(
        stage="lost", lead__stage="lost", lost_at__lt=at - (days + 40) * DAY, lost_at__gt=at - 500 * DAY
    ).exclude(lost_reason__recycle_how="never")
    rows = lost.select_related("lead__contact", "owner", "lost_reason").order_by("-lost_at", "pk")
    for number, opportunity in enumerate(rows[:ANSWERED]):
        _answer(opportunity, number, company, days)
    _have_due(company, at)
    recycling.run(at)
    for name in ("Sam", "Mia"):
        _leave_some_to(name, at)


def _answer(opportunity: Opportunity, number: int, company: Company, days: int) -> None:
    lead, reason, lost_at = opportunity.lead, opportunity.lost_reason, opportunity.lost_at
    assert reason is not None and lost_at is not None
    due_at = recycling.due_after(lost_at, reason.recycle_days or days, company.organisation)
    opened_at, answered_at = lost_at + datetime.timedelta(minutes=40), due_at + (number % 5) * DAY / 3
    task = Task.objects.create(
        kind=Task.Kind.OFFER if reason.recycle_how == "offer" else Task.Kind.RECYCLE,
        title="",
        lead=lead,
        opportunity=opportunity,
        assignee=opportunity.owner,
        due_at=due_at,
    )
    row = Recycling.objects.create(
        lead=lead,
        opportunity=opportunity,
        because=Recycling.Because.LOST,
        reason=reason,
        how=reason.recycle_how,
        due_at=due_at,
        opened_at=opened_at,
        task=task,
    )
    task.title = recycling.title_of(row, opportunity.owner)
    task.save(update_fields=["title"])
    LeadEvent.objects.create(
        lead=lead, kind=LeadEvent.Kind.RECYCLING, at=opened_at, data={"step": "opened", "when": due_at.isoformat()}
    )
    result, note = ANSWERS[number % len(ANSWERS)]
    by: User = opportunity.owner
    if result == "back":
        transitions.recycle(row, by=by, at=answered_at, note=note)
        _go_on(lead, by, number, company, answered_at)
    elif result == "later":
        transitions.postpone(row, answered_at + 400 * DAY, by=by, at=answered_at, note=note)
    elif result == "partner" and (partner := Partner.objects.filter(is_active=True).first()):
        consents.give(lead.contact, Purpose.SHARING, source="Phone", at=answered_at, by=by)
        transitions.pass_on(row, Passing(partner, ["name", "company"]), by=by, at=answered_at, note=note)
    else:
        transitions.give_up(row, by=by, at=answered_at, note=note)


def _go_on(lead: Lead, rep: User, number: int, company: Company, at: datetime.datetime) -> None:
    """What became of who came back: warm again, an MQL, or a client after all."""
    dan = company.users["Dan"]
    reached = Activity.Kind.CALL, Activity.Outcome.REACHED
    transitions.log_activity(lead, *reached, by=dan, at=at + DAY)
    lead.refresh_from_db()
    if number % 2 or not criteria.judge(lead, at=at + DAY).is_met:
        transitions.keep_warm(lead, by=dan, at=at + 2 * DAY)
        return
    transitions.qualify(lead, by=dan, at=at + 2 * DAY)
    handoff = transitions.hand_over(lead, to=rep, by=dan, at=at + 2 * DAY)
    transitions.log_activity(lead, *reached, by=rep, at=at + 4 * DAY)
    opportunity = transitions.accept(handoff, by=rep, at=at + 5 * DAY)
    if number % 4 == 0:
        transitions.win(opportunity, amount=Decimal(5_200 + 700 * number), by=rep, at=at + 20 * DAY)
    else:
        transitions.lose(opportunity, Reason.objects.offered(Reason.Kind.LOSS).last(), by=rep, at=at + 20 * DAY)


def _have_due(company: Company, at: datetime.datetime) -> None:
    """Something for Sam and for Mia today, however few leads there are: who had asked for a call on this day."""
    zone = company.organisation.tzinfo  # today, even where today is a Sunday: a demo is looked at any day
    due_at = datetime.datetime.combine(at.astimezone(zone).date(), recycling.MORNING, zone)
    sam, mia = company.users["Sam"], company.users["Mia"]
    lost = Opportunity.objects.filter(
        owner=sam, stage="lost", lead__stage="lost", lost_at__lt=at - 7 * DAY, recyclings__isnull=True
    ).exclude(lost_reason__recycle_how="never")
    for opportunity in lost.select_related("lead", "lost_reason").order_by("-lost_at", "pk")[:DUE]:
        reason, lost_at = opportunity.lost_reason, opportunity.lost_at
        assert reason is not None and lost_at is not None
        Recycling.objects.create(
            lead=opportunity.lead,
            opportunity=opportunity,
            because=Recycling.Because.LOST,
            reason=reason,
            how=reason.recycle_how,
            due_at=due_at,
            opened_at=lost_at + datetime.timedelta(minutes=40),
        )
    running = Enrolment.objects.running().values("lead")
    warm = Lead.objects.filter(stage="warm", owner=mia, warm_at__lt=at - 30 * DAY, recyclings__isnull=True)
    askable = warm.filter(contact__do_not_contact=False, contact__erased_at__isnull=True).exclude(pk__in=running)
    for lead in askable.order_by("-warm_at", "pk")[:DUE]:
        Recycling.objects.create(
            lead=lead,
            because=Recycling.Because.WARM,
            how="call",
            due_at=due_at,
            opened_at=at - datetime.timedelta(hours=2),
        )


def _leave_some_to(name: str, at: datetime.datetime) -> None:
    """Of what one person is given on the first day only a handful stays: the rest was answered this week."""
    rows = Recycling.objects.open().filter(task__assignee__name=name).order_by("due_at", "pk")
    for number, row in enumerate(rows.select_related("lead__contact", "opportunity__owner", "task__assignee")[4:]):
        asked_at = at - datetime.timedelta(hours=2 + number)
        transitions.postpone(
            row, at + (60 + number) * DAY, by=row.task.assignee if row.task else None, at=asked_at, note="Not yet."
        )
