"""Leads and deals from a file: their dates become reached stages, handoffs, opportunities and the event log.

The order of the stages is the funnel's own. A stage that the file says nothing of isn't invented; dates out of order
are taken as they are, with a warning and a `data_fault` event. What is in the log already is never rewritten: a later
import may add stages to a lead, not move those that it has reached.
"""

import dataclasses
import datetime
import itertools
from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from accounts.models import Organisation, Role, User
from leads.importing import RowRefused, references
from leads.importing.mapping import Field, Kind, Mapping, Row, digest
from leads.importing.running import Outcome
from leads.importing.targets import CONTACT_FIELDS, ERASED, write_contacts
from leads.models import Campaign, Contact, ContactIdentity, Lead, LeadEvent, Product, Reason, Stage
from leads.models.leads import FUNNEL, SELLING
from pipeline.models import Agreement, Handoff, Opportunity, OpportunityLine
from pipeline.sla import Clock

STAGE_OF = {stage.reached_field: stage for stage in Stage}
_SALE = [*SELLING, Stage.WON, Stage.LOST]
# Every stage in the order in which a lead can come to it; those that aren't of the funnel stand where they branch off.
_ORDER = [*FUNNEL]
_ORDER.insert(_ORDER.index(Stage.QUALIFIED), Stage.WARM)
_ORDER.insert(_ORDER.index(Stage.ACCEPTED), Stage.RETURNED)
_ORDER += [Stage.LOST, Stage.REMOVED]
_ENDS = {Stage.WON, Stage.LOST, Stage.REMOVED}

_MOVED = {Stage.DEMO, Stage.PROPOSAL, Stage.CONTRACT}
_KIND_OF = {
    stage: LeadEvent.Kind.REGISTERED
    if stage == Stage.NEW
    else LeadEvent.Kind.MOVED
    if stage in _MOVED
    else LeadEvent.Kind(stage.value)
    for stage in Stage
}
_REASONS = {
    Stage.LOST: ("lost_reason", Reason.Kind.LOSS),
    Stage.REMOVED: ("removal_reason", Reason.Kind.REMOVAL),
    Stage.RETURNED: ("return_reason", Reason.Kind.REJECTION),
}
_PLAIN = (
    "note",
    "brief",
    "met_on",
    "preferred_meeting_time",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
)
_DEAL_PLAIN = ("amount", "margin", "expected_close_on", "next_step")


def _text_field(name: str) -> Field:
    return Field(max_length=Lead._meta.get_field(name).max_length)  # type: ignore[union-attr, arg-type]


class Leads:
    """A lead for each row; with dates of selling stages, its opportunity too."""

    fields = {
        "external_id": Field(max_length=190),
        "channel": Field(max_length=100),
        "campaign": Field(max_length=200),
        "product": Field(max_length=150),
        "owner": Field(max_length=150),
        "met_on": Field(Kind.DAY),
        **{name: _text_field(name) for name in _PLAIN if name != "met_on"},
        "details.*": Field(max_length=500),
        "contact.external_id": Field(max_length=190),
        **{f"contact.{name}": field for name, field in CONTACT_FIELDS.items()},
        "stage": Field(Kind.STAGE),
        **{name: Field(Kind.PAST) for name in STAGE_OF},
        "closed_at": Field(Kind.PAST),
        **{name: Field(max_length=150) for name, _kind in _REASONS.values()},
        "sales_owner": Field(max_length=150),
        "sales_team": Field(max_length=100),
        "amount": Field(Kind.MONEY),
        "margin": Field(Kind.MONEY),
        "expected_close_on": Field(Kind.DAY),
        "next_step": Field(max_length=200),
    }

    def required(self, mapping: Mapping) -> tuple[str, ...]:
        return ("channel", "campaign")

    def write(self, rows: list[Row], mapping: Mapping) -> list[Outcome]:
        return _Batch(rows, mapping).write()


class Deals(Leads):
    """An opportunity for each row: of the lead that `lead` names, or else of a lead made for it."""

    fields = {**Leads.fields, "lead": Field(max_length=190), "lead_system": Field(max_length=50)}

    def required(self, mapping: Mapping) -> tuple[str, ...]:
        return ("sales_owner",) if mapping.maps("lead") else ("sales_owner", *super().required(mapping))


@dataclasses.dataclass
class _Past:
    """What one row says of the past. `reached` has the stages that it dates; `stage` where it says the lead stands."""

    row: Row
    reached: dict[Stage, datetime.datetime]
    stage: Stage | None
    outcome: Outcome = dataclasses.field(default_factory=Outcome)

    @property
    def values(self) -> dict[str, Any]:
        return self.row.values

    @property
    def sale_dates(self) -> list[datetime.datetime]:
        return [self.reached[stage] for stage in _SALE if stage in self.reached]

    @property
    def is_sale(self) -> bool:
        return bool(self.sale_dates) or self.stage in _SALE

    def warn_that_stays(self, what: object, was: object, said: object) -> None:
        text = _("“%(stage)s” stays at %(was)s; the file says %(at)s.") % {"stage": what, "was": was, "at": said}
        self.outcome.warnings.append(text)


def _past(row: Row) -> _Past:
    """Raises RowRefused where the row's past can't be told."""
    values = row.values
    reached = {STAGE_OF[name]: values[name] for name in STAGE_OF if name in values}
    stage: Stage | None = values.get("stage")
    if "closed_at" in values and stage in {Stage.WON, Stage.LOST}:
        reached.setdefault(stage, values["closed_at"])
    past = _Past(row, reached, stage)
    if stage is None and not reached:
        past.stage = Stage.NEW
    if stage in _ENDS and stage not in reached:
        raise RowRefused(_("The stage “%(stage)s” needs a date.") % {"stage": stage.label})
    if past.is_sale and not past.sale_dates:
        raise RowRefused(_("The opportunity needs a date: of acceptance, or of a later stage."))
    if stage in {Stage.HANDED_OVER, Stage.IN_WORK} and Stage.HANDED_OVER not in reached:
        raise RowRefused(_("The stage “%(stage)s” needs the date of handing over.") % {"stage": stage.label})
    if (past.is_sale or Stage.HANDED_OVER in reached) and "sales_owner" not in values:
        raise RowRefused(_("It doesn't say who in sales has it (“sales_owner”)."))
    for reached_stage, (name, _kind) in _REASONS.items():
        if reached_stage in reached and name not in values:
            raise RowRefused(
                _("“%(stage)s” needs a reason (“%(field)s”).") % {"stage": reached_stage.label, "field": name}
            )
    if values.get("amount", 0) < 0:
        raise RowRefused(_("The amount is below zero."))
    return past


def out_of_order(reached: dict[Stage, datetime.datetime]) -> list[tuple[Stage, Stage]]:
    """Neighbouring stages of the funnel, of those reached, of which the later was reached before the earlier one."""
    road = [stage for stage in [*FUNNEL, Stage.LOST] if stage in reached]
    return [(early, late) for early, late in itertools.pairwise(road) if reached[late] < reached[early]]


def in_sequence(reached: dict[Stage, datetime.datetime]) -> list[Stage]:
    """The stages as they came: by date, and in the funnel's order where dates are the same or make no sense."""
    if out_of_order(reached):
        return sorted(reached, key=_ORDER.index)
    return sorted(reached, key=lambda stage: (reached[stage], _ORDER.index(stage)))


def stands_at(reached: dict[Stage, datetime.datetime]) -> Stage:
    """Where a lead with these dates stands: at its end when it has come to one, else at the last stage it came to."""
    ends = [stage for stage in reached if stage in _ENDS]
    if ends:
        return max(ends, key=lambda stage: (stage == Stage.REMOVED, reached[stage]))
    return in_sequence(reached)[-1]


class _Batch:
    """The rows of one batch, written set by set."""

    def __init__(self, rows: list[Row], mapping: Mapping) -> None:
        self.rows = rows
        self.mapping = mapping
        self.now = mapping.now
        self.pasts: list[_Past] = []
        self.new_leads: list[Lead] = []
        self.changed: dict[int, Lead] = {}
        self.changed_fields: set[str] = set()
        self.events: list[LeadEvent] = []
        self.handoffs: list[Handoff] = []
        self.decided: list[Handoff] = []
        self.new_deals: list[Opportunity] = []
        self.changed_deals: list[Opportunity] = []

    def write(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for row in self.rows:
            try:
                past = _past(row)
            except RowRefused as refused:
                outcomes.append(Outcome(refused=str(refused)))
            else:
                self.pasts.append(past)
                outcomes.append(past.outcome)
        leads = self._known_leads()
        self._drop_those_without_lead(leads)
        self._find_references(leads.values())
        contacts = self._contacts([past for past in self.pasts if self._lead_key(past) not in leads])
        self._drop_the_erased(leads, contacts)
        deals, pending = self._known_deals(), self._pending_handoffs(leads.values())
        for past in self.pasts:
            lead = leads.get(self._lead_key(past))
            if lead is None:
                lead = self._new_lead(past, contacts)
                past.outcome.status = "created"
            self._take(past, lead, deals.get(past.row.key), pending.get(lead.pk))
        self._save()
        return outcomes

    # --- What is there already ---

    def _lead_key(self, past: _Past) -> tuple[str, str]:
        if "lead" in past.values:
            return past.values.get("lead_system", self.mapping.system), past.values["lead"]
        return self.mapping.system, past.row.key

    def _known_leads(self) -> dict[tuple[str, str], Lead]:
        keys = [self._lead_key(past) for past in self.pasts]
        found = Lead.objects.select_for_update(of=("self",)).filter(
            source_system__in={system for system, _key in keys}, external_id__in={key for _system, key in keys}
        )
        return {(lead.source_system, lead.external_id): lead for lead in found.order_by("pk")}

    def _drop_those_without_lead(self, leads: dict[tuple[str, str], Lead]) -> None:
        for past in self.pasts:
            key = self._lead_key(past)
            if "lead" in past.values and key not in leads:
                past.outcome.refused = _("There is no lead “%(id)s” from “%(system)s”.") % {
                    "system": key[0],
                    "id": key[1],
                }
            elif key not in leads:
                for name in ("channel", "campaign"):
                    if name not in past.values:
                        past.outcome.refused = _("“%(name)s” is empty.") % {"name": name}
        self.pasts = [past for past in self.pasts if not past.outcome.refused]

    def _drop_the_erased(self, leads: dict[tuple[str, str], Lead], contacts: dict[str, tuple[int, str]]) -> None:
        for past in self.pasts:
            if self._lead_key(past) not in leads and self._contact_key(past) not in contacts:
                past.outcome.refused = str(ERASED)
        self.pasts = [past for past in self.pasts if not past.outcome.refused]

    def _known_deals(self) -> dict[str, Opportunity]:
        keys = [past.row.key for past in self.pasts if past.is_sale]
        # Lines, and a foreign amount at its rate, make what a deal is worth: a file's sum doesn't overrule them.
        reckoned = ~Q(currency="") | Exists(OpportunityLine.objects.filter(opportunity=OuterRef("pk")))
        found = Opportunity.objects.filter(source_system=self.mapping.system, external_id__in=keys)
        found = found.select_related("product").annotate(is_reckoned=reckoned)
        self.reckoned = {deal.pk for deal in found if deal.is_reckoned}
        return {deal.external_id: deal for deal in found}

    def _pending_handoffs(self, leads: Iterable[Lead]) -> dict[int, Handoff]:
        return {handoff.lead_id: handoff for handoff in Handoff.objects.pending().filter(lead__in=list(leads))}

    # --- What rows name ---

    def _find_references(self, leads: Iterable[Lead]) -> None:
        zone = self.mapping.dates.zone
        people: dict[str, tuple[Role, str]] = {}
        days: dict[tuple[str, str], datetime.date] = {}
        for past in self.pasts:
            values = past.values
            if "sales_owner" in values:
                people[values["sales_owner"]] = (Role.SALES_REP, values.get("sales_team", ""))
            if "owner" in values:
                people.setdefault(values["owner"], (Role.SDR, ""))
            if "channel" in values and "campaign" in values:
                named = values["channel"], values["campaign"]
                day = min(past.reached.values(), default=self.now).astimezone(zone).date()
                days[named] = min(days.get(named, day), day)
        self.people: dict[str, User] = references.people(people, system=self.mapping.system)
        self.campaigns: dict[tuple[str, str], Campaign] = references.campaigns(days)
        campaigns = {campaign.pk for campaign in self.campaigns.values()} | {lead.campaign_id for lead in leads}
        self.channels = dict(Campaign.objects.filter(pk__in=campaigns).values_list("pk", "channel"))
        self.products: dict[str, Product] = references.products(
            {past.values["product"] for past in self.pasts if "product" in past.values}
        )
        self.reasons = references.reasons(
            {
                (kind, past.values[name])
                for past in self.pasts
                for stage, (name, kind) in _REASONS.items()
                if stage in past.reached
            }
        )
        self.organisation = Organisation.current()
        self.agreements = list(Agreement.objects.order_by("-in_force_at", "-version"))

    def _reason(self, past: _Past, stage: Stage) -> Reason:
        name, kind = _REASONS[stage]
        return self.reasons[kind, past.values[name]]

    def _contact_key(self, past: _Past) -> str:
        if "contact.external_id" in past.values:
            return past.values["contact.external_id"]
        if "contact.email" in past.values:
            return f"email:{digest({'email': past.values['contact.email']})}"
        return f"lead:{past.row.key}"

    def _contacts(self, pasts: list[_Past]) -> dict[str, tuple[int, str]]:
        """Id and search text of the contact of each new lead, by the contact's key; those known stay as they are."""
        items: dict[str, dict[str, Any]] = {}
        for past in pasts:
            said = {name.removeprefix("contact."): value for name, value in past.values.items() if "contact." in name}
            said.pop("external_id", None)
            items.setdefault(self._contact_key(past), {}).update(said)
        known = ContactIdentity.objects.filter(system=self.mapping.system, external_id__in=items)
        ids = dict(known.values_list("external_id", "contact_id"))
        unknown = {key: item for key, item in items.items() if key not in ids}
        written = write_contacts(unknown, system=self.mapping.system, at=self.now)
        ids |= {key: contact_id for key, (contact_id, _status) in written.items()}
        texts = dict(Contact.objects.filter(pk__in=ids.values()).values_list("pk", "search_text"))
        return {key: (contact_id, texts[contact_id]) for key, contact_id in ids.items()}

    # --- One row ---

    def _new_lead(self, past: _Past, contacts: dict[str, tuple[int, str]]) -> Lead:
        contact_id, search_text = contacts[self._contact_key(past)]
        lead = Lead(
            contact_id=contact_id,
            search_text=search_text,
            source_system=self.mapping.system,
            external_id=past.row.key,
        )
        self.new_leads.append(lead)
        return lead

    def _take(self, past: _Past, lead: Lead, deal: Opportunity | None, handoff: Handoff | None) -> None:
        changed = self._set_facts(past, lead)
        was, stage = lead.reached_stages(), lead.stage
        added = self._add_stages(past, lead, was)
        if added or lead.pk is None:
            self._log(past, lead, was, added, before=stage if lead.pk else "")
            self._set_stage(past, lead, {**was, **added}, is_new=lead.pk is None)
            self._hand_over(past, lead, handoff, added)
        changed |= {stage.reached_field for stage in added}
        if lead.stage != stage:
            changed |= {"stage", "stage_before_removal", "removal_reason"}
        if past.is_sale and deal is None:
            self._open_deal(past, lead)
            past.outcome.status = "created"
        elif deal is not None and self._change_deal(past, deal):
            changed.add("updated_at")
        if changed and lead.pk is not None:
            lead.updated_at = self.now
            self.changed[lead.pk] = lead
            self.changed_fields |= changed | {"updated_at"}
            if past.outcome.status == "unchanged":
                past.outcome.status = "updated"

    def _set_facts(self, past: _Past, lead: Lead) -> set[str]:
        """Set the plain fields that the row fills; gives the names of those that changed."""
        values = past.values
        said: dict[str, Any] = {name: values[name] for name in _PLAIN if name in values}
        if "owner" in values:
            said["owner_id"] = self.people[values["owner"]].pk
        if "product" in values:
            said["product_id"] = self.products[values["product"]].pk
        if "channel" in values and "campaign" in values:
            said["campaign_id"] = self.campaigns[values["channel"], values["campaign"]].pk
        details = {
            name.removeprefix("details."): value for name, value in values.items() if name.startswith("details.")
        }
        if details:
            said["source_details"] = {**lead.source_details, **details}
        changed = {name for name, value in said.items() if getattr(lead, name) != value}
        for name in changed:
            setattr(lead, name, said[name])
        return {name.removesuffix("_id") for name in changed}

    def _add_stages(
        self, past: _Past, lead: Lead, was: dict[Stage, datetime.datetime]
    ) -> dict[Stage, datetime.datetime]:
        added = {}
        for stage, at in past.reached.items():
            if stage not in was:
                added[stage] = at
                setattr(lead, stage.reached_field, at)
            elif was[stage] != at and stage not in _SALE:
                past.warn_that_stays(stage.label, f"{was[stage]:%Y-%m-%d %H:%M}", f"{at:%Y-%m-%d %H:%M}")
        return added

    def _event(self, lead: Lead, kind: LeadEvent.Kind, at: datetime.datetime, **fields: Any) -> None:
        data = {"source": "import", "system": self.mapping.system, **fields.pop("data", {})}
        self.events.append(LeadEvent(lead=lead, kind=kind, at=at, data=data, **fields))

    def _log(
        self,
        past: _Past,
        lead: Lead,
        was: dict[Stage, datetime.datetime],
        added: dict[Stage, datetime.datetime],
        before: str,
    ) -> None:
        facts: dict[Stage, dict[str, str]] = {
            stage: {"reason": past.values[name]} for stage, (name, _kind) in _REASONS.items() if name in past.values
        }
        facts[Stage.HANDED_OVER] = {"rep": past.values.get("sales_owner", "")}
        facts[Stage.WON] = {"amount": str(past.values["amount"])} if "amount" in past.values else {}
        for stage in in_sequence(added):
            self._event(
                lead,
                _KIND_OF[stage],
                added[stage],
                from_stage=before,
                to_stage=stage.value,
                data=facts.get(stage, {}),
            )
            before = stage.value
        dates = was | added
        for early, late in out_of_order(dates):
            if early in added or late in added:
                said = {stage.value: dates[stage].isoformat() for stage in (early, late)}
                self._event(lead, LeadEvent.Kind.DATA_FAULT, dates[late], data=said)
                past.outcome.warnings.append(
                    _("“%(late)s” (%(late_at)s) is dated before “%(early)s” (%(early_at)s).")
                    % {
                        "late": late.label,
                        "late_at": f"{dates[late]:%Y-%m-%d}",
                        "early": early.label,
                        "early_at": f"{dates[early]:%Y-%m-%d}",
                    }
                )

    def _set_stage(self, past: _Past, lead: Lead, reached: dict[Stage, datetime.datetime], *, is_new: bool) -> None:
        """Where the lead stands: as the row says, else by its dates. A lead that is known only goes forward."""
        stage = past.stage or stands_at(reached)
        if not is_new and _ORDER.index(stage) <= _ORDER.index(Stage(lead.stage)):
            return
        if stage == Stage.REMOVED:
            others: dict[Stage, datetime.datetime] = {
                other: at for other, at in reached.items() if other != Stage.REMOVED
            }
            lead.stage_before_removal = stands_at(others) if others else Stage.NEW
            lead.removal_reason = self._reason(past, stage)
        lead.stage = stage

    def _hand_over(
        self, past: _Past, lead: Lead, handoff: Handoff | None, added: dict[Stage, datetime.datetime]
    ) -> None:
        """The handoff that the row tells of, with the verdict that followed; or the verdict of the one still pending."""
        handed_over_at = past.reached.get(Stage.HANDED_OVER)
        if Stage.HANDED_OVER in added and handed_over_at is not None:
            agreement = next((a for a in self.agreements if a.in_force_at <= handed_over_at), self.agreements[-1])
            due = {
                clock: agreement.due_at(
                    clock,
                    handed_over_at,
                    channel=self.channels[lead.campaign_id],
                    organisation=self.organisation,
                )
                for clock in Clock
            }
            handoff = Handoff(
                lead=lead,
                agreement=agreement,
                assigned_to=self.people[past.values["sales_owner"]],
                assigned_how="import",
                handed_over_at=handed_over_at,
                first_contact_due_at=due[Clock.FIRST_CONTACT],
                verdict_due_at=due[Clock.VERDICT],
            )
            self.handoffs.append(handoff)
        elif handoff is not None:
            self.decided.append(handoff)
        else:
            return
        handoff.first_contact_at = handoff.first_contact_at or past.reached.get(Stage.IN_WORK)
        returned_at = past.reached.get(Stage.RETURNED)
        accepted_at = min(past.sale_dates, default=None)
        if returned_at and (accepted_at is None or returned_at <= accepted_at):
            handoff.verdict, handoff.decided_at = Handoff.Verdict.REJECTED, returned_at
            handoff.reason = self._reason(past, Stage.RETURNED)
            # A lead that has moved on since needs no answer any more.
            handoff.return_closed_at = None if lead.stage == Stage.RETURNED else returned_at
        elif accepted_at:
            handoff.verdict, handoff.decided_at = Handoff.Verdict.ACCEPTED, accepted_at
        if handoff.is_pending:
            # Nobody needs telling of what was overdue before the import.
            for clock in Clock:
                setattr(handoff, f"{clock}_alert", handoff.alert_level(clock, self.now))

    def _deal_state(self, past: _Past) -> dict[str, Any]:
        dates = {stage: past.reached[stage] for stage in _SALE if stage in past.reached}
        stage = past.stage if past.stage in _SALE else stands_at(dates)
        return {
            "stage": stage,
            "stage_at": dates.get(stage, max(dates.values())),
            **{field: dates[s] for s in _MOVED if (field := s.reached_field) and s in dates},
            "won_at": dates[Stage.WON] if stage == Stage.WON else None,
            "lost_at": dates[Stage.LOST] if stage == Stage.LOST else None,
            "lost_reason": self._reason(past, Stage.LOST) if stage == Stage.LOST else None,
        }

    def _deal_facts(self, past: _Past) -> dict[str, Any]:
        facts = {name: past.values[name] for name in _DEAL_PLAIN if name in past.values}
        if "product" in past.values:
            facts["product"] = self.products[past.values["product"]]
        facts["owner"] = self.people[past.values["sales_owner"]]
        return facts

    def _open_deal(self, past: _Past, lead: Lead) -> None:
        deal = Opportunity(
            lead=lead,
            source_system=self.mapping.system,
            external_id=past.row.key,
            opened_at=min(past.sale_dates),
            **{"product_id": lead.product_id, **self._deal_facts(past)},
            **self._deal_state(past),
        )
        deal.reckon_margin()
        self.new_deals.append(deal)

    def _change_deal(self, past: _Past, deal: Opportunity) -> bool:
        """Facts as the file has them now; its stage only as long as the deal is open here."""
        said = self._deal_facts(past)
        state = self._deal_state(past)
        if deal.is_open and _SALE.index(state["stage"]) > _SALE.index(Stage(deal.stage)):
            said |= state
        changed = {name: value for name, value in said.items() if getattr(deal, name) != value}
        for name in {"amount", "margin"} & changed.keys() if deal.pk in self.reckoned else ():
            was = getattr(deal, name)
            past.warn_that_stays(_(name), "–" if was is None else was, changed.pop(name))
        for name, value in changed.items():
            setattr(deal, name, value)
        if changed:
            deal.updated_at = self.now
            self.changed_deals.append(deal)
        return bool(changed)

    # --- All rows ---

    def _save(self) -> None:
        Lead.objects.bulk_create(self.new_leads)
        if self.changed:
            Lead.objects.bulk_update(self.changed.values(), sorted(self.changed_fields), batch_size=200)
        LeadEvent.objects.bulk_create(self.events)
        Handoff.objects.bulk_create(self.handoffs)
        Handoff.objects.bulk_update(
            self.decided, ["first_contact_at", "verdict", "decided_at", "reason", "return_closed_at"], batch_size=200
        )
        Opportunity.objects.bulk_create(self.new_deals)
        Opportunity.objects.bulk_update(
            self.changed_deals,
            [
                *_DEAL_PLAIN,
                *(stage.reached_field for stage in _MOVED),
                "product",
                "owner",
                "stage",
                "stage_at",
                "won_at",
                "lost_at",
                "lost_reason",
                "updated_at",
            ],
            batch_size=200,
        )
