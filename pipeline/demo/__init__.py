"""A believable company with three years of history, of any size: for a newcomer's first look and for benchmarks."""

import bisect
import dataclasses
import datetime
import itertools
import random
from collections.abc import Callable

from django.db import transaction

from accounts.models import User
from integrations.models import OutboxMessage
from leads.models import Campaign, Company, Consent, Contact, CriterionAnswer, Lead, LeadEvent
from pipeline.bulk import Table, Writer, after_filling, set_aside_indexes
from pipeline.demo.board import add_sales_pipelines
from pipeline.demo.clocks import add_clocks
from pipeline.demo.company import CAST, DOMAIN, PASSWORD, found
from pipeline.demo.content import add_content
from pipeline.demo.criteria import vote_on_the_next
from pipeline.demo.deals import add_deals
from pipeline.demo.desk import add_calls
from pipeline.demo.inbox import add_inbox
from pipeline.demo.nurture import add_nurture
from pipeline.demo.partners import add_partners
from pipeline.demo.personal import add_personal_data
from pipeline.demo.quality import add_quality
from pipeline.demo.questionnaires import add_questionnaires
from pipeline.demo.recycling import add_recycling
from pipeline.demo.returns import add_returns
from pipeline.demo.routing import add_routing
from pipeline.demo.suspects import add_suspects
from pipeline.demo.tasks import add_tasks
from pipeline.demo.teller import Tables, Teller
from pipeline.demo.told import long_told
from pipeline.models import Activity, Handoff, Notification, Opportunity, Payment

BATCH = 2_000
INDEXES_COST_MORE_THAN_LEADS = 20_000


class NotEmpty(Exception):
    """There is data already; the demo is for an empty base."""


@dataclasses.dataclass(frozen=True)
class SignIn:
    email: str
    role: str


def sign_ins() -> list[SignIn]:
    """One sign-in per role; all have the password `PASSWORD`."""
    return [SignIn(f"{name.lower()}@{DOMAIN}", str(role.label)) for name, role, _team in CAST]


def is_empty() -> bool:
    return not any(model.objects.exists() for model in (Lead, Contact, Company, Campaign, Opportunity)) and not (
        User.objects.filter(email__endswith=f"@{DOMAIN}").exists()
    )


@transaction.atomic
def load_demo(
    leads: int, *, seed: int, at: datetime.datetime, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Fill an empty base with `leads` leads whose stories end at the moment `at`. All or nothing.

    The same `seed` and `at` give the same data. Raises NotEmpty where there are records already.
    """
    if not is_empty():
        raise NotEmpty
    rng = random.Random(seed)
    company = found(rng, leads, at)
    tables = Tables(
        company=Table(Company),
        contact=Table(Contact),
        consent=Table(Consent),
        lead=Table(Lead),
        also_wanted=Table(Lead.other_products.through),
        answer=Table(CriterionAnswer),
        event=Table(LeadEvent),
        activity=Table(Activity),
        handoff=Table(Handoff),
        opportunity=Table(Opportunity),
        payment=Table(Payment),
        notification=Table(Notification),
    )
    writer = Writer(tables.all())
    teller = Teller(company, tables, rng, at)
    waiting = teller.waiting_today() if leads >= 100 else []
    by_chance = leads - len(waiting)
    sums = list(itertools.accumulate(running.weight for running in company.calendar))

    def fill() -> None:
        for number in range(by_chance):
            share = (number + rng.random()) / by_chance * sums[-1]
            teller.tell(company.calendar[min(bisect.bisect(sums, share), len(sums) - 1)])
            if (number + 1) % BATCH == 0:
                writer.write()
                progress(number + 1)
        for story in waiting:
            story()
        writer.write()
        writer.finish()

    if leads >= INDEXES_COST_MORE_THAN_LEADS:
        with set_aside_indexes(tables.all()):
            fill()
            progress(leads)
    else:
        fill()
    after_filling(tables.all())
    add_partners(company, rng, at)
    add_questionnaires(company, rng, at)
    add_suspects(at)
    vote_on_the_next(company.users, at)
    add_personal_data(company, at)
    add_calls(company, rng, at)
    add_routing(company, at)
    add_clocks(at)
    add_nurture(company, at)
    add_inbox(company, rng, at)
    with long_told(at):
        add_content(company, rng, at)
    add_sales_pipelines(company, rng, at)
    with long_told(at):
        add_returns(company, at)
        add_recycling(company, at)
        add_quality(company, rng, at)
        add_deals(company, rng, at)
    add_tasks(company, rng, at)
    # Whatever was told while the stories were written is long told: none of it leaves.
    OutboxMessage.objects.waiting().filter(recipients__icontains=f"@{DOMAIN}").update(sent_at=at)


__all__ = ["PASSWORD", "NotEmpty", "SignIn", "load_demo", "sign_ins"]
