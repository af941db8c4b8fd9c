"""The story of one lead, told step by step: each step writes what the transition of that name would have written."""

import datetime
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from accounts.models import User
from leads.models import Campaign, CriteriaSet, LeadEvent, Reason, Stage
from leads.models.consents import Purpose
from leads.models.contacts import search_text
from leads.models.leads import WITH_SALES
from leads.normalise import fold
from pipeline.demo.names import NEEDS, a_firm, a_person
from pipeline.models import Activity, Handoff, Notification
from pipeline.routing import by_hand
from pipeline.sla import Clock, after_working_hours, working_seconds

if TYPE_CHECKING:
    from pipeline.demo.teller import Teller

Kind = LeadEvent.Kind
Row = dict[str, Any]

DAY = datetime.timedelta(days=1)
# Looked up a million times: plain values of the enumerations.
STAGES = {stage: (stage.value, stage.reached_field) for stage in Stage}
KINDS = {kind: kind.value for kind in Kind}
REACHED, NO_ANSWER = Activity.Outcome.REACHED.value, Activity.Outcome.NO_ANSWER.value
# What visitors of an event and we agreed on; with some of them nothing yet.
AGREED = [
    "Call in the week after the event",
    "",
    "Send the price list and two cases",
    "A demo for three colleagues, online",
    "",
    "Visit them with an engineer in the plant",
    "Introduce us to the head of purchasing",
]
FEEDBACK = [
    ("missing", "Who signs the contract."),
    ("missing", "How many branches they have."),
    ("not_asked", "Whether there is a budget this year."),
    ("not_asked", "When they want to decide."),
    ("misread", "They wanted training only."),
    ("misread", "“Interested” meant a free trial."),
]


class NotYet(Exception):
    """The next step lies in the future: here the story stops for today."""


class Story:
    """One lead. `at` is where the story has come to; each step below happens then."""

    def __init__(self, teller: "Teller", campaign: Campaign, at: datetime.datetime) -> None:
        self.teller = teller
        self.tables = teller.tables
        self.campaign = campaign
        self.at = at
        rng, company = teller.rng, teller.company
        is_event = campaign.channel.is_event
        self.marketer = (campaign.owner if is_event else None) or rng.choice(company.sdrs)
        self.sdr = rng.choice(company.sdrs)
        self.rep = self.sdr  # until the lead is handed over
        self.handoff: Row | None = None
        self.criteria_set: CriteriaSet | None = None
        self.opportunity: Row | None = None
        self.handoffs: list[Row] = []
        self.contact = self._contact()
        product = rng.choice(company.products)[0] if teller.happens(0.8) else None
        day = at.astimezone(teller.zone).date() if is_event else None
        self.lead = self.tables.lead.new(
            contact_id=self.contact["id"],
            campaign_id=campaign.pk,
            product_id=product.pk if product else None,
            owner_id=self.marketer.pk,
            registered_by_id=self.marketer.pk if is_event else None,
            registered_at=at,
            response_due_at=after_working_hours(at, company.agreement.response_hours, company.organisation),
            met_on=day,
            note=rng.choice(NEEDS) if teller.happens(0.4) else "",
            agreed=AGREED[self.contact["id"] % len(AGREED)] if is_event else "",
            utm_source="search" if campaign.channel.name == "PPC" else "",
            utm_medium="cpc" if campaign.channel.name == "PPC" else "",
            search_text=self.contact["search_text"],
            created_at=at,
            updated_at=at,
        )
        if product and teller.happens(0.15):
            other = rng.choice(company.products)[0]
            if other != product:
                self.tables.also_wanted.new(lead_id=self.lead["id"], product_id=other.pk)
        self._event(Kind.REGISTERED, self.marketer if is_event else None, to_stage=Stage.NEW.value)

    def _contact(self) -> Row:
        teller, rng = self.teller, self.teller.rng
        if teller.known and teller.happens(0.06):
            contact, campaign = rng.choice(teller.known)
            if campaign != self.campaign:
                return contact
        contact = self.tables.contact.new(created_at=self.at, updated_at=self.at)
        if teller.firms and teller.happens(0.6):
            company_id, firm = rng.choice(teller.firms)
        else:
            company = self.tables.company.new(created_at=self.at, updated_at=self.at)
            firm = a_firm(rng, company["id"])
            company.update(
                name=firm.name,
                folded_name=fold(firm.name),
                industry=firm.industry,
                country=firm.country,
                city=firm.city,
                employees=rng.choice((12, 40, 85, 150, 400, 1_200)),
            )
            company_id = company["id"]
            teller.firms.append((company_id, firm))
        person = a_person(rng, contact["id"], firm)
        has_email, has_phone = teller.happens(0.92), teller.happens(0.8)
        email, phone = (person.email if has_email or not has_phone else "", person.phone if has_phone else "")
        contact.update(
            name=person.name,
            email=email,
            phone=phone,
            phone_as_typed=phone,
            job_title=person.job_title,
            profile_url=f"https://people.example/in/{contact['id']}" if contact["id"] % 3 == 0 else "",
            company_id=company_id,
            search_text=search_text(person.name, email, firm.name, phone, phone),
        )
        self._consent(Purpose.CONTACT, contact)
        if email and contact["id"] % 3:
            self._consent(Purpose.MAILING, contact)
        return contact

    def _consent(self, purpose: Purpose, contact: Row) -> None:
        text = self.teller.company.consent_texts.get(purpose)
        self.tables.consent.new(
            contact_id=contact["id"],
            purpose=purpose.value,
            text_id=text.pk if text else None,
            given_at=self.at,
            source=self.campaign.name,
            recorded_by_id=self.marketer.pk if self.campaign.channel.is_event else None,
        )

    # --- Bookkeeping ---

    def wait(self, mean_days: float, *, at_least: int = 0) -> None:
        """Go on to a working hour some days later; raises NotYet when that day hasn't come."""
        teller = self.teller
        days = max(at_least, int(teller.rng.expovariate(1 / mean_days)))
        if days:
            day = self.at.astimezone(teller.zone).date() + days * DAY
            weekday = day.weekday()
            at = teller.moment(day + (7 - weekday) * DAY if weekday > 4 else day) if day <= teller.now.date() else None
        else:
            at = self.at + datetime.timedelta(seconds=int(600 + teller.rng.random() * 9_000))
        if at is None or at > teller.now or at <= self.at:
            raise NotYet
        self.at = at

    def _event(
        self, kind: Kind, actor: User | None, *, from_stage: str = "", to_stage: str = "", **data: object
    ) -> None:
        self.tables.event.new(
            lead_id=self.lead["id"],
            kind=KINDS[kind],
            actor_id=actor.pk if actor else None,
            from_stage=from_stage,
            to_stage=to_stage,
            at=self.at,
            recorded_at=self.at,
            data=data,
        )

    def _move(self, to: Stage, kind: Kind, by: User | None, **data: object) -> None:
        lead, stage, reached_field = self.lead, *STAGES[to]
        self._event(kind, by, from_stage=lead["stage"], to_stage=stage, **data)
        lead["stage"] = stage
        if lead[reached_field] is None:
            lead[reached_field] = self.at
        lead["updated_at"] = self.at

    def _activity(self, by: User, outcome: str) -> None:
        kind = self.teller.rng.choice(("call", "call", "email", "meeting") if outcome == REACHED else ("call",))
        outcome = "sent" if kind == "email" else outcome
        activity = self.tables.activity.new(
            lead_id=self.lead["id"], kind=kind, outcome=outcome, at=self.at, by_id=by.pk, created_at=self.at
        )
        self._event(Kind.ACTIVITY, by, activity=kind, outcome=outcome, note="", activity_id=activity["id"])
        if outcome != NO_ANSWER:
            self.lead["last_contact_at"] = self.at
            if self.lead["stage"] in WITH_SALES:
                self._restart_cold_clock()
        self.lead["updated_at"] = self.at

    def _restart_cold_clock(self) -> None:
        self.lead["cold_at"] = self.at + self.teller.company.agreement.cold_days * DAY

    def _notify(self, kind: Notification.Kind, user: User | None, **data: object) -> None:
        age = self.teller.now - self.at
        if user is not None and age < 14 * DAY:
            self.tables.notification.new(
                recipient_id=user.pk,
                kind=kind.value,
                lead_id=self.lead["id"],
                data=data,
                created_at=self.at,
                read_at=self.at + DAY / 2 if age > 2 * DAY else None,
            )

    # --- Marketing ---

    def attempt(self, by: User) -> None:
        self._activity(by, NO_ANSWER)

    def marketing_contact(self, *, surely: bool = False) -> bool:
        """Dan or his colleague gets through, perhaps at the second try; False when they give up."""
        if not surely and self.teller.happens(0.25):
            self.attempt(self.sdr)
            self.wait(2, at_least=1)
            if self.teller.happens(0.4):
                self.attempt(self.sdr)
                return False
        self._activity(self.sdr, REACHED)
        self.lead["response_seconds"] = self._working_seconds()
        self._move(Stage.CONTACTED, Kind.CONTACTED, self.sdr)
        return True

    def _working_seconds(self) -> int:
        """Of working time since the lead was registered."""
        return working_seconds(self.lead["registered_at"], self.at, self.teller.company.organisation)

    def brief(self) -> None:
        self.lead["brief"] = self.teller.rng.choice(NEEDS)
        self.lead["brief_seconds"] = self._working_seconds()
        self._move(Stage.BRIEFED, Kind.BRIEFED, self.sdr)

    def judge(self, *, good: bool) -> None:
        """Answers to the criteria: all that are needed, or no to one that is required."""
        rng = self.teller.rng
        criteria_set = self._judged_by()
        asked = [criterion for criterion in criteria_set.criteria.all() if not criterion.rule]
        if good:
            # Every required one, and weighted ones until the threshold is surely reached.
            points, answers = 0, []
            for criterion in asked:
                if criterion.is_required or points < criteria_set.threshold:
                    answers.append((criterion.key, "yes"))
                    points += 0 if criterion.is_required else criterion.weight
                elif self.teller.happens(0.4):
                    answers.append((criterion.key, rng.choice(("yes", "no"))))
        else:
            answers = [(rng.choice(asked).key, "no")]
        for key, value in answers:
            self.tables.answer.new(
                lead_id=self.lead["id"], key=key, value=value, answered_by_id=self.sdr.pk, answered_at=self.at
            )
            self._event(Kind.CRITERION, self.sdr, key=key, value=value)

    def _judged_by(self) -> CriteriaSet:
        """The version that the lead keeps since it was first judged."""
        if self.criteria_set is None:
            self.criteria_set = self.teller.company.criteria_at(self.at)
            self.lead["criteria_set_id"] = self.criteria_set.pk
        return self.criteria_set

    def qualify(self) -> None:
        self._move(Stage.QUALIFIED, Kind.QUALIFIED, self.sdr, criteria_version=self._judged_by().version)

    def keep_warm(self) -> None:
        self._judged_by()
        self._move(Stage.WARM, Kind.WARM, self.sdr)

    def remove(self) -> None:
        reason = self.teller.rng.choice(self.teller.company.reasons[Reason.Kind.REMOVAL])
        self.lead.update(stage_before_removal=self.lead["stage"], removal_reason_id=reason.pk)
        self._move(Stage.REMOVED, Kind.REMOVED, self.sdr, reason=reason.text)

    def _why(self, *, chosen: bool) -> dict[str, Any] | None:
        """Why the rep got it; of older handoffs that was not kept."""
        if chosen:
            return by_hand("chosen", self.sdr)
        if self.at < self.teller.now - 90 * DAY:
            return None
        return {
            "how": "rule",
            "rule": "New contacts: whose turn it is",
            "to": "anyone",
            "takes": "both",
            "order": "least_recent",
            "of": len(self.teller.company.reps),
        }

    def hand_over(self, rep: User, *, chosen: bool = False) -> None:
        company = self.teller.company
        agreement = company.agreement
        channel = self.campaign.channel_id
        due = {
            clock: agreement.due_at(clock, self.at, channel=channel, organisation=company.organisation)
            for clock in Clock
        }
        self.rep = rep
        why = self._why(chosen=chosen)
        how = why["how"] if why else "round_robin"
        told = {"how": how, "note": "", **({"routing": why} if why else {})}
        self._restart_cold_clock()
        self._move(Stage.HANDED_OVER, Kind.HANDED_OVER, self.sdr, rep=rep.name, **told)
        self.handoff = self.tables.handoff.new(
            lead_id=self.lead["id"],
            agreement_id=agreement.pk,
            handed_over_by_id=self.sdr.pk,
            assigned_to_id=rep.pk,
            assigned_how=how,
            routing=why,
            handed_over_at=self.at,
            first_contact_due_at=due[Clock.FIRST_CONTACT],
            verdict_due_at=due[Clock.VERDICT],
            updated_at=self.at,
        )
        self.handoffs.append(self.handoff)
        first_due_at = due[Clock.FIRST_CONTACT].isoformat()
        self._notify(
            Notification.Kind.HANDED_OVER,
            rep,
            actor=self.sdr.name,
            clock=Clock.FIRST_CONTACT.value,
            due_at=first_due_at,
        )

    # --- Sales ---

    def sales_contact(self) -> None:
        self._activity(self.rep, REACHED)
        if self.handoff and self.handoff["verdict"] == "pending" and self.handoff["first_contact_at"] is None:
            self.handoff.update(first_contact_at=self.at, updated_at=self.at)
            self._move(Stage.IN_WORK, Kind.IN_WORK, self.rep)

    def _decide(self, verdict: Handoff.Verdict, **feedback: object) -> None:
        assert self.handoff is not None
        self.handoff.update(
            verdict=verdict.value, decided_at=self.at, decided_by_id=self.rep.pk, updated_at=self.at, **feedback
        )

    def reject(self, *, unreachable: bool) -> None:
        rng = self.teller.rng
        reasons = self.teller.company.reasons[Reason.Kind.REJECTION]
        reason = rng.choice(
            [reason for reason in reasons if (reason.evidence == Reason.Evidence.ATTEMPTS) is unreachable] or reasons
        )
        feedback = {"missing": "", "not_asked": "", "misread": ""}
        if not unreachable:
            feedback.update([rng.choice(FEEDBACK)])
        self._decide(Handoff.Verdict.REJECTED, reason_id=reason.pk, **feedback)
        self.lead["cold_at"] = None
        self._move(Stage.RETURNED, Kind.RETURNED, self.rep, reason=reason.text, **feedback)
        for user in {self.sdr, self.marketer}:
            self._notify(Notification.Kind.RETURNED, user, actor=self.rep.name, reason=reason.text)

    def accept(self) -> None:
        self._decide(Handoff.Verdict.ACCEPTED)
        self._move(Stage.ACCEPTED, Kind.ACCEPTED, self.rep)
        rng = self.teller.rng
        self.opportunity = self.tables.opportunity.new(
            lead_id=self.lead["id"],
            owner_id=self.rep.pk,
            product_id=self.lead["product_id"] or rng.choice(self.teller.company.products)[0].pk,
            opened_at=self.at,
            stage_at=self.at,
            expected_close_on=(self.at + rng.randrange(25, 90) * DAY).date(),
            updated_at=self.at,
        )
        price = self.teller.prices[self.opportunity["product_id"]]
        self._price(Decimal(round(price * rng.lognormvariate(0.2, 0.5), -2)))
        self._notify(Notification.Kind.ACCEPTED, self.sdr, actor=self.rep.name)

    def _price(self, amount: Decimal) -> None:
        assert self.opportunity is not None
        cost = (amount * self.teller.cost_shares[self.opportunity["product_id"]]).quantize(Decimal("0.01"))
        self.opportunity.update(amount=amount, margin=amount - cost)

    def _step(self, to: Stage, kind: Kind, changes: Row, **data: object) -> None:
        assert self.opportunity is not None
        self.opportunity.update(stage=to.value, stage_at=self.at, updated_at=self.at, **changes)
        self._move(to, kind, self.rep, **data)

    def move(self, stage: Stage) -> None:
        self._step(stage, Kind.MOVED, {stage.reached_field: self.at})

    def lose(self) -> None:
        reason = self.teller.rng.choice(self.teller.company.reasons[Reason.Kind.LOSS])
        self.lead["cold_at"] = None
        self._step(
            Stage.LOST, Kind.LOST, {"lost_at": self.at, "lost_reason_id": reason.pk}, reason=reason.text, note=""
        )

    def win(self) -> None:
        assert self.opportunity is not None
        self.lead["cold_at"] = None
        amount = self.opportunity["amount"]
        self._step(Stage.WON, Kind.WON, {"won_at": self.at}, amount=str(amount))
        self._notify(Notification.Kind.WON, self.marketer, actor=self.rep.name, amount=str(amount))

    def pay(self, instalments: int) -> None:
        assert self.opportunity is not None
        amount = (self.opportunity["amount"] / instalments).quantize(Decimal("0.01"), ROUND_DOWN)
        if amount <= 0:
            return
        day = self.at.astimezone(self.teller.zone).date()
        self.tables.payment.new(
            opportunity_id=self.opportunity["id"],
            paid_on=day,
            amount=amount,
            recorded_by_id=self.rep.pk,
            recorded_at=self.at,
        )
        self._event(Kind.PAYMENT, self.rep, amount=str(amount), paid_on=day.isoformat())

    @property
    def is_small(self) -> bool:
        """True of what is sold without a demo."""
        return self.opportunity is not None and self.opportunity["product_id"] in self.teller.small

    # --- The end ---

    def close(self) -> None:
        """What the clocks did meanwhile: overdue and cold as the sweep would have recorded them."""
        now, offsets = self.teller.now, self.teller.company.agreement.alert_offsets
        for handoff in self.handoffs:
            stopped_first = handoff["first_contact_at"] or handoff["decided_at"]
            for clock, stopped in ((Clock.FIRST_CONTACT, stopped_first), (Clock.VERDICT, handoff["decided_at"])):
                due = handoff[f"{clock.value}_due_at"]
                if due < (stopped or now):
                    self.at = due
                    facts = {"clock": clock.value, "due_at": due.isoformat(), "rep": self.rep.name}
                    self._event(Kind.OVERDUE, None, handoff=handoff["id"], told=[self.rep.name], **facts)
                passed = [level for level, offset in offsets.items() if due + offset < (stopped or now)]
                handoff[f"{clock.value}_alert"] = max(passed, default=Handoff.Alert.NONE.value)
        untouched_at = self.lead["response_due_at"]
        if untouched_at < now and self.lead["stage"] == Stage.NEW.value:
            self.at = self.lead["response_flagged_at"] = untouched_at
            self._event(Kind.UNTOUCHED, None, told=[self.marketer.name], due_at=untouched_at.isoformat())
            self._notify(Notification.Kind.UNTOUCHED, self.marketer, due_at=untouched_at.isoformat())
        cold_at = self.lead["cold_at"]
        if cold_at is not None and cold_at <= now and self.lead["stage"] in WITH_SALES:
            self.at = cold_at
            self.lead["cold_flagged_at"] = cold_at
            self._event(Kind.COLD, None, rep=self.rep.name)
