"""The desk of the demo: calls that were agreed on, attempts in vain, and tasks of today."""

import datetime
import random

from leads.models import Lead, Stage
from pipeline import transitions
from pipeline.demo.company import Company
from pipeline.models import Activity
from pipeline.to_do import finish_task, open_task

HOUR, MINUTE = datetime.timedelta(hours=1), datetime.timedelta(minutes=1)
Outcome = Activity.Outcome
# What came of the last calls: how long ago, when the next one is planned, what was noted.
CALLS = [
    (Outcome.CALL_BACK, -5 * HOUR, -20 * MINUTE, "In a meeting; asked to be called in the afternoon."),
    (Outcome.CALL_BACK, -26 * HOUR, -2 * HOUR, "Wants to talk once the budget is known."),
    (Outcome.NO_ANSWER, -22 * HOUR, -90 * MINUTE, ""),
    (Outcome.NO_ANSWER, -3 * HOUR, 21 * HOUR, ""),
    (Outcome.CALL_BACK, -2 * HOUR, 70 * HOUR, "Back from holiday on that day."),
    (Outcome.REACHED, -4 * MINUTE, None, "Likes the idea; asks a colleague about the number of shops."),
]
TASKS = [
    ("Send the price list for twenty shops", -2 * HOUR),
    ("Find out who signs the contract", 2 * HOUR),
    ("Write to the organiser about the list of visitors", 26 * HOUR),
]


def add_calls(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """Calls of the last day with what was agreed, and tasks of an SDR, as the pages would have recorded them."""
    waiting = Lead.objects.filter(stage=Stage.NEW, registered_at__lt=at - 27 * HOUR).order_by("-registered_at", "-pk")
    for lead, (outcome, ago, then, note) in zip(list(waiting[: len(CALLS)]), CALLS, strict=False):
        transitions.log_activity(
            lead,
            Activity.Kind.CALL,
            outcome,
            by=rng.choice(company.sdrs),
            at=at + ago,
            note=note,
            next_attempt_at=at + then if then else None,
        )
    sdr = company.sdrs[0]
    called = list(Lead.objects.filter(stage=Stage.CONTACTED).select_related("owner").order_by("-pk")[: len(TASKS)])
    for lead, (title, due) in zip(called, TASKS, strict=False):
        open_task(title=title, assignee=sdr, due_at=at + due, by=lead.owner, at=at - HOUR, lead=lead)
    if called:
        done = open_task(title="Call the printer", assignee=sdr, due_at=at - 5 * HOUR, by=sdr, at=at - 6 * HOUR)
        finish_task(done, by=sdr, at=at - 4 * HOUR)
