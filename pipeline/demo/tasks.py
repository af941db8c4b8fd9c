"""Tasks of the whole cast: overdue, today's and later ones, given by others and done; and how some want to be told."""

import datetime
import random

from leads.models import Campaign, Lead
from leads.models.leads import WITH_MARKETING
from pipeline.choices import Mail, choose
from pipeline.demo.company import Company
from pipeline.models import Handoff, Notification, Opportunity, Task
from pipeline.to_do import finish_task, open_task, tell

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
Kind = Notification.Kind

# Who has it, who gave it, what it is about, what to do, a note, and when it is due.
TASKS = [
    ("Sam", "Sam", "deal", "Send the comparison with the old system", "", -26 * HOUR),
    ("Sam", "Max", "deal", "Ask who signs on their side", "Legal was slow last time.", -3 * HOUR),
    ("Sam", "Sam", "handoff", "Find a reference in the same industry", "", 2 * HOUR),
    ("Sam", "Mia", "handoff", "Tell me whether the brief was enough", "Two questions are new.", 4 * HOUR),
    ("Sam", "Sam", "deal", "Prepare the demo with their own data", "", 2 * DAY),
    ("Sam", "Sam", "", "Renew the train card", "", 6 * DAY),
    ("Sam", "Dora", "deal", "Bring the offer to the weekly review", "", 9 * DAY),
    ("Sid", "Sid", "deal", "Call about the open question of terms", "", -5 * HOUR),
    ("Sid", "Dora", "deal", "Explain the discount in two sentences", "", 20 * HOUR),
    ("Max", "Dora", "", "Name who stands in during the holidays", "", 3 * HOUR),
    ("Max", "Max", "deal", "Listen to the last call together with Sam", "", DAY),
    ("Mia", "Mia", "campaign", "Order the badges", "", -20 * HOUR),
    ("Mia", "Dora", "campaign", "Compare the offers of two stand builders", "Both are in the folder.", 5 * HOUR),
    ("Mia", "Sam", "lead", "Ask for the floor plan", "", 26 * HOUR),
    ("Mia", "Mia", "campaign", "Write the visitors' questionnaire", "", 8 * DAY),
    ("Dora", "Dora", "", "Sign the marketing budget of the next quarter", "", 4 * HOUR),
    ("Dora", "Max", "deal", "Call their director yourself", "They know each other from the fair.", 3 * DAY),
]
DONE = 5  # further ones that Sam did on the days before
CHOICES: dict[str, dict[str, tuple[bool, Mail]]] = {
    "Sam": {Kind.DUE_SOON: (True, Mail.DIGEST), Kind.TASK_DUE: (True, Mail.DIGEST)},
    "Max": {Kind.OVERDUE: (True, Mail.OFF), Kind.ESCALATED: (True, Mail.DIGEST)},
    "Mia": {Kind.WON: (True, Mail.DIGEST), Kind.UNTOUCHED: (False, Mail.DIGEST)},
}


def add_tasks(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """What the cast has to do, and what they were told of it."""
    for name, wanted in CHOICES.items():
        choose(company.users[name], wanted)
    for who, giver, about, title, note, due in TASKS:
        assignee = company.users[who]
        task = open_task(
            title=title,
            note=note,
            assignee=assignee,
            due_at=at + due,
            by=company.users[giver],
            at=min(at, at + due) - rng.randint(20, 60) * HOUR,
            **_about(company, who, about, rng),
        )
        if due < datetime.timedelta(0):
            tell(Kind.TASK_DUE, task, to=[assignee], at=task.due_at)
            Task.objects.filter(pk=task.pk).update(told_at=task.due_at)
    sam = company.users["Sam"]
    for days in range(1, DONE + 1):
        deal, then = _about(company, "Sam", "deal", rng), at - days * DAY
        done = open_task(title="Write down what was agreed", assignee=sam, due_at=then, by=sam, at=then - DAY, **deal)
        finish_task(done, by=sam, at=then - HOUR)


def _about(company: Company, who: str, about: str, rng: random.Random) -> dict:
    """What a task is about, as `open_task` takes it; nothing where the person has nothing of the kind."""
    user = company.users[who]
    if about == "deal":
        deals = Opportunity.objects.open().select_related("lead").order_by("-pk")
        found = list((deals if who in ("Max", "Dora") else deals.filter(owner=user))[:8])
        return {"opportunity": rng.choice(found)} if found else {}
    if about == "handoff":
        handoffs = list(Handoff.objects.pending().filter(assigned_to=user).select_related("lead").order_by("pk")[:8])
        return {"lead": rng.choice(handoffs).lead} if handoffs else {}
    if about == "lead":
        leads = list(Lead.objects.filter(owner=user, stage__in=WITH_MARKETING).order_by("-pk")[:8])
        return {"lead": rng.choice(leads)} if leads else {}
    if about == "campaign":
        return {
            "campaign": Campaign.objects.filter(starts_on__gte=company.today.starts_on).order_by("starts_on").first()
        }
    return {}
