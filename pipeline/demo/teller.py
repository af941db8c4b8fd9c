"""Who tells the leads' stories: chance, the calendar of campaigns, and what must be waiting when the demo opens."""

import collections
import dataclasses
import datetime
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from accounts.models import User
from leads.models import Campaign, Stage
from pipeline.bulk import Table
from pipeline.demo.board import SMALL
from pipeline.demo.company import Company, Running
from pipeline.demo.names import Firm
from pipeline.demo.story import DAY, NotYet, Row, Story


@dataclasses.dataclass
class Tables:
    company: Table
    contact: Table
    consent: Table
    lead: Table
    also_wanted: Table
    answer: Table
    event: Table
    activity: Table
    handoff: Table
    opportunity: Table
    payment: Table
    notification: Table

    def all(self) -> list[Table]:
        return list(vars(self).values())


class Teller:
    """Tells stories with the people, campaigns and reasons of one company, until the moment `now`."""

    def __init__(self, company: Company, tables: Tables, rng: random.Random, now: datetime.datetime) -> None:
        self.company = company
        self.tables = tables
        self.rng = rng
        self.now = now
        self.zone = company.organisation.tzinfo
        self.firms: collections.deque[tuple[int, Firm]] = collections.deque(maxlen=500)
        self.known: collections.deque[tuple[Row, Campaign]] = collections.deque(maxlen=2_000)
        self.prices = {product.pk: price for product, price in company.products}
        self.cost_shares = {product.pk: product.cost_share or Decimal(0) for product, _price in company.products}
        self.small = {product.pk for product, _price in company.products if product.name in SMALL}
        self.turn = 0
        self.midnights: dict[datetime.date, datetime.datetime] = {}

    # --- Chance ---

    def happens(self, probability: float) -> bool:
        return self.rng.random() < probability

    def moment(self, day: datetime.date) -> datetime.datetime:
        """Some moment in the working hours of `day`, not after now."""
        midnight = self.midnights.get(day)
        if midnight is None:
            midnight = datetime.datetime.combine(day, datetime.time(), self.zone).astimezone(datetime.UTC)
            self.midnights[day] = midnight
        at = midnight + datetime.timedelta(seconds=int(32_400 + self.rng.random() * 32_400))
        if at > self.now:
            at = max(midnight, self.now - datetime.timedelta(minutes=1 + int(self.rng.random() * 120)))
        return at

    def next_rep(self) -> User:
        self.turn += 1
        return self.company.reps[self.turn % len(self.company.reps)]

    # --- Stories ---

    def tell(self, running: Running) -> None:
        """One lead of a campaign's day, and what chance makes of it."""
        rng, quality = self.rng, running.quality
        story = Story(self, running.campaign, self.moment(running.day))
        try:
            if self.happens(0.04):
                story.wait(2)
                story.remove()
                return
            story.wait(1.5)
            if not story.marketing_contact():
                story.wait(6)
                story.keep_warm()
                return
            if self.happens(0.6):
                story.wait(1)
                story.brief()
            story.wait(1.5)
            if not self.happens(min(0.9, 0.36 * quality)):
                story.judge(good=False)
                story.keep_warm()
                if self.happens(0.08):
                    story.wait(30)
                    story.remove()
                return
            story.judge(good=True)
            story.qualify()
            for _round in range(2):
                story.wait(1.5)
                story.hand_over(self.next_rep())
                if self._sales_accepts(story, quality):
                    self._sell(story, quality)
                    return
                story.wait(5)
                if not self.happens(0.35):
                    break
                story.qualify()
            if self.happens(0.6):
                story.keep_warm()
        except NotYet:
            pass
        finally:
            story.close()
        if rng.random() < 0.5:
            self.known.append((story.contact, running.campaign))

    def _sales_accepts(self, story: Story, quality: float) -> bool:
        """What the rep does within about two weeks; now and then too late."""
        if self.happens(0.06):
            for _attempt in range(3):
                story.wait(3, at_least=1)
                story.attempt(story.rep)
            story.wait(1)
            story.reject(unreachable=True)
            return False
        if self.happens(0.2):
            story.wait(1)
            story.attempt(story.rep)
        story.wait(12 if self.happens(0.12) else 2.5)
        story.sales_contact()
        story.wait(16 if self.happens(0.1) else 4.5)
        if not self.happens(min(0.95, 0.62 + 0.08 * quality)):
            story.reject(unreachable=False)
            return False
        story.accept()
        return True

    def _sell(self, story: Story, quality: float) -> None:
        """Through the selling stages; each may end it."""
        for stage, stays, mean_days in ((Stage.DEMO, 0.8, 9), (Stage.PROPOSAL, 0.75, 12), (Stage.CONTRACT, 0.8, 14)):
            if self.happens(0.5):
                story.wait(mean_days / 2)
                story.sales_contact()
            story.wait(mean_days)
            if not self.happens(min(0.97, stays + 0.05 * (quality - 1))):
                story.lose()
                return
            if self.happens(0.9) and not (stage == Stage.DEMO and story.is_small):
                story.move(stage)
        story.wait(10)
        if not self.happens(0.8):
            story.lose()
            return
        story.win()
        instalments = self.rng.choice((1, 2, 2, 3))
        for _instalment in range(instalments):
            story.wait(20, at_least=3)
            story.pay(instalments)

    def waiting_today(self) -> list[Callable[[], None]]:
        """Leads placed so that lists, inbox, board and stand show something in every state: one call tells each."""
        people = self.company.users
        events = [running.campaign for running in self.company.calendar if running.campaign.channel.is_event][-40:]

        def qualified(age: float) -> Story:
            story = Story(self, self.rng.choice(events), self.now - (age + 1.5) * DAY)
            story.at = self.now - (age + 0.5) * DAY
            story.marketing_contact(surely=True)
            story.brief()
            story.judge(good=True)
            story.at = self.now - age * DAY
            story.qualify()
            return story

        def handed_over(rep: str, age: float, contact_after: float | None) -> Story:
            story = qualified(age)
            story.hand_over(people[rep], chosen=True)
            if contact_after is not None:
                story.at += contact_after * DAY
                story.sales_contact()
            return story

        def returned(rep: str, age: float) -> Story:
            story = handed_over(rep, age + 5, 1.0)
            story.at = self.now - age * DAY
            story.reject(unreachable=False)
            return story

        def selling(rep: str, age: float, stages: list[Stage]) -> Story:
            story = handed_over(rep, age + 6, 2.0)
            story.at = self.now - age * DAY
            story.accept()
            for number, stage in enumerate(stages, start=1):
                story.at = self.now - age * DAY * (1 - number / 4)
                story.sales_contact()
                story.move(stage)
            return story

        def met(age: float) -> Story:
            return Story(self, self.rng.choice(events), self.now - age * DAY)

        def met_today() -> Story:
            return Story(self, self.company.today, self.now - datetime.timedelta(minutes=self.rng.randrange(5, 90)))

        demo, proposal, contract = Stage.DEMO, Stage.PROPOSAL, Stage.CONTRACT
        stories: list[tuple[Callable[..., Story], tuple[Any, ...]]] = [
            *((selling, ("Sam", age, stages)) for age, stages in ((3, []), (9, [demo]), (18, [demo, proposal]))),
            *((selling, ("Sam", age, [demo, proposal, contract])) for age in (30, 24)),
            *((selling, ("Sid", age, stages)) for age, stages in ((5, []), (12, [demo]), (21, [demo, proposal]))),
            # days since the handoff, and from there to the first contact (None: not yet)
            *(
                (handed_over, ("Sam", age, contact_after))
                for age, contact_after in (
                    (15.4, 6.0),
                    (12.7, 3.1),
                    (8.3, None),
                    (5.6, None),
                    (4.2, 1.0),
                    (2.5, None),
                    (0.2, None),
                )
            ),
            *((handed_over, ("Sid", age, after)) for age, after in ((12.9, 2.0), (6.2, None), (0.4, None))),
            *((returned, (rep, age)) for rep in ("Sam", "Sid", "Sonya") for age in (2.3, 8.1, 19.6)),
            (handed_over, ("Stan", 16.1, None)),
            (handed_over, ("Sonya", 7.9, None)),
            *((qualified, (age,)) for age in (2.1, 1.2, 0.6, 0.1)),
            *((met, (age,)) for age in (1.2, 1.4, 1.9, 2.3, 3.2, 4.1)),
            *((met_today, ()) for _visitor in range(3)),
        ]

        def story(make: Callable[..., Story], arguments: tuple) -> Callable[[], None]:
            return lambda: make(*arguments).close()

        return [story(make, arguments) for make, arguments in stories]
