"""Reviews of a year with their trends, and conversations of last week that wait for one."""

import datetime
import random

from accounts.models import User
from pipeline import quality, transitions
from pipeline.demo.company import Company
from pipeline.models import Activity, Checklist
from pipeline.transitions.quality import SPOKEN

MONTHS = 9
A_MONTH = 2  # reviews of each rep
# How well each rep does at first and how much better in the end, as a part of the points.
SKILL = {"Sam": (0.62, 0.26), "Sonya": (0.8, 0.06), "Sid": (0.7, -0.08), "Stan": (0.55, 0.2)}
NOTES = [
    "Let the client finish. Good.",
    "",
    "The next step stayed vague: who sends what by when?",
    "Asked for the budget at last, and got an answer.",
    "",
    "Too fast through the price.",
]


def add_quality(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """Two conversations a month of each rep, reviewed by their manager, mystery shopping, and the draw of last week."""
    for rep in (user for user in company.reps if user.name in SKILL):
        manager = next((user for user in company.users.values() if _manages(user, rep)), company.users["Dora"])
        for month in range(MONTHS, 0, -1):
            _review_month(rep, manager, month, rng, at)
        shopped_on = (at - datetime.timedelta(days=20)).date()
        mystery = Checklist.objects.get(kind=Checklist.Kind.MYSTERY)
        scores = _scores(mystery, rep, 1, rng)
        transitions.review(
            mystery, rep, scores, happened_on=shopped_on, by=manager, at=at - datetime.timedelta(days=19)
        )
    quality.propose(at)


def _manages(user: User, rep: User) -> bool:
    return user.role == "sales_manager" and user.team_id == rep.team_id


def _review_month(rep: User, manager: User, months_ago: int, rng: random.Random, at: datetime.datetime) -> None:
    until = at - datetime.timedelta(days=30 * (months_ago - 1) + 8)
    since = until - datetime.timedelta(days=22)
    kinds = ["call", "call", "meeting", "demo"]
    spoken = Activity.objects.filter(by=rep, outcome__in=SPOKEN, kind__in=kinds, at__gte=since, at__lt=until)
    activities = spoken.select_related("lead__contact", "by").order_by("pk")
    for activity in activities[:A_MONTH]:
        checklist = Checklist.objects.filter(kind=activity.kind).first()
        if checklist is None:
            continue
        scores = _scores(checklist, rep, 1 - months_ago / MONTHS, rng)
        reviewed_at = activity.at + datetime.timedelta(days=3)
        note = rng.choice(NOTES)
        transitions.review(checklist, rep, scores, activity=activity, note=note, by=manager, at=reviewed_at)


def _scores(checklist: Checklist, rep: User, progress: float, rng: random.Random) -> dict[int, int | None]:
    begins, grows = SKILL[rep.name]
    share = begins + grows * progress
    return {
        item.pk: max(0, min(item.points, round(item.points * (share + rng.uniform(-0.2, 0.2)))))
        for item in checklist.items.all()
    }
