"""Filters of the pipeline's lists."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Organisation, Team, User
from leads.forms.fields import DateInput
from leads.forms.filters import FilterForm
from leads.forms.leads import NONE, SANE_DAYS, OneOrNoneField, WithNone
from leads.models import Campaign, Channel, Lead, Product, Reason
from leads.normalise import SEARCH_LENGTH, validate_text
from pipeline.desk import Queue
from pipeline.models import Handoff
from pipeline.models.opportunities import OPPORTUNITY_STAGES
from pipeline.sla import Clock


class _SalesPeople(WithNone):
    """Offers those who sell; an address may name anybody, such as a rep who changed departments."""

    def __init__(self, field: OneOrNoneField) -> None:
        super().__init__(field)
        self.queryset = field.queryset.filter(role__in=access.SELL)


class SalesPersonField(OneOrNoneField):
    iterator = _SalesPeople


def _one(label: str, rows: QuerySet, none_label: str = _("None")) -> OneOrNoneField:
    return OneOrNoneField(rows, none_label, label=label)


def _choice(label: str, choices: Iterable[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=[("", _("Any")), *choices], required=False)


def _day(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=DateInput, validators=SANE_DAYS)


class PipelineFilter(FilterForm):
    """Filters that lists of the pipeline share.

    `paths` says which column each choice filters; `periods` which moment each pair `<name>_from`, `<name>_to` bounds, in
    days of the organisation, both included.
    """

    lead_path = "lead"
    paths: dict[str, str] = {}
    q = forms.CharField(label=_("Search"), max_length=SEARCH_LENGTH, required=False, validators=[validate_text])

    @property
    def periods(self) -> Mapping[str, str]:
        return {}

    @cached_property
    def _zone(self) -> datetime.tzinfo:
        return Organisation.current().tzinfo

    @property
    def chosen(self) -> dict[str, object]:
        """The filters that are set, by name."""
        return {name: value for name, value in self.cleaned_data.items() if value}

    def apply(self, rows: Any) -> Any:
        """`rows` as far as every filter that is set lets them through."""
        for name, value in self.chosen.items():
            if name == "q":
                rows = rows.filter(**{f"{self.lead_path}__in": Lead.objects.search(str(value))})
            elif name in self.paths:
                path = self.paths[name]
                rows = rows.filter(**({f"{path}__isnull": True} if value == NONE else {path: value}))
        for name, path in self.periods.items():
            rows = rows.filter(self._between(path, name))
        return rows

    def _between(self, path: str, name: str) -> Q:
        """The moment `path` is within the days `<name>_from` to `<name>_to`, as far as they are set."""
        between = Q()
        if first := self.cleaned_data[f"{name}_from"]:
            between &= Q(**{f"{path}__gte": datetime.datetime.combine(first, datetime.time(), self._zone)})
        if last := self.cleaned_data[f"{name}_to"]:
            after = last + datetime.timedelta(days=1)
            between &= Q(**{f"{path}__lt": datetime.datetime.combine(after, datetime.time(), self._zone)})
        return between

    def address(self, **changes: object) -> str:
        """The query of the same list with other filters: `?stage=won`; None takes one away."""
        wanted = {name: self.data[name] for name in self.chosen} | changes
        return "?" + urlencode({name: value for name, value in wanted.items() if value is not None})

    def chips(self) -> list[dict[str, Any]]:
        """The filters that are set, in words, each with the address that is left when it is taken away."""
        return [
            {"label": self.fields[name].label, "text": self._text(name, value), "left": self.address(**{name: None})}
            for name, value in self.chosen.items()
        ]

    def _text(self, name: str, value: object) -> str:
        field = self.fields[name]
        if value == NONE and isinstance(field, OneOrNoneField):  # a search for the word is a search
            return str(field.none_label)
        if isinstance(value, datetime.date):
            return date_format(value, "SHORT_DATE_FORMAT")
        return str(dict(field.choices)[value]) if type(field) is forms.ChoiceField else str(value)


class HandoffFilter(PipelineFilter):
    verdict = _choice(_("Verdict"), Handoff.Verdict.choices)
    clock = _choice(_("Clock"), [(clock.value, clock.label) for clock in Clock])
    state = _choice(
        _("Clock is"), [("overdue", _("overdue")), ("running", _("running")), ("kept", _("kept")), ("late", _("late"))]
    )
    rep = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Sales rep"))
    team = _one(_("Team"), Team.objects.all())
    reason = _one(_("Reason"), Reason.objects.filter(kind=Reason.Kind.REJECTION))
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    product = _one(_("Product"), Product.objects.all())
    handed_over_from, handed_over_to = _day(_("Handed over from")), _day(_("Handed over to"))
    contacted_from, contacted_to = _day(_("Contacted from")), _day(_("Contacted to"))
    decided_from, decided_to = _day(_("Decided from")), _day(_("Decided to"))
    due_from, due_to = _day(_("Clock fell due from")), _day(_("Clock fell due to"))

    paths = {
        "verdict": "verdict",
        "rep": "assigned_to",
        "team": "assigned_to__team",
        "reason": "reason",
        "channel": "lead__campaign__channel",
        "campaign": "lead__campaign",
        "product": "lead__product",
    }

    @property
    def periods(self) -> dict[str, str]:
        moments = {"handed_over": "handed_over_at", "contacted": "first_contact_at", "decided": "decided_at"}
        clock = self.cleaned_data.get("clock")
        return moments | {"due": f"{clock}_due_at"} if clock else moments

    def clean(self) -> dict:
        if not self.cleaned_data.get("clock"):
            for name in ("state", "due_from", "due_to"):
                if self.cleaned_data.get(name):
                    self.add_error(name, _("Choose a clock, too."))
        return self.cleaned_data

    def apply(self, rows: Any) -> Any:
        rows, wanted, now = super().apply(rows), self.cleaned_data, timezone.now()
        if wanted["state"]:
            rows = rows.with_clock(Clock(wanted["clock"]), wanted["state"], now)
        if wanted["due_from"] or wanted["due_to"]:  # “fell due”: what comes later today hasn't
            rows = rows.filter(**{f"{wanted['clock']}_due_at__lte": now})
        return rows


class DeskFilter(FilterForm):
    """Whose leads the desk goes through, and of what. `queue` is one queue, shown whole."""

    whose = _choice(_("Whose"), [("mine", _("Mine"))])
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    product = _one(_("Product"), Product.objects.all())
    queue = _choice(_("Queue"), Queue.choices)

    NARROWING = ("whose", "campaign", "product")

    @property
    def address(self) -> str:
        """The filters alone, as a query: what goes along from one lead to the next."""
        chosen = {name: self.data[name] for name in self.NARROWING if self.cleaned_data[name]}
        return f"?{urlencode(chosen)}" if chosen else ""

    def apply(self, leads: Any, user: User) -> Any:
        wanted = self.cleaned_data
        if wanted["whose"] == "mine":
            leads = leads.filter(owner=user)
        for name in ("campaign", "product"):
            if wanted[name]:
                leads = leads.filter(**{name: None if wanted[name] == NONE else wanted[name]})
        return leads

    def chips(self) -> list[dict[str, Any]]:
        """Campaign and product that are set, in words, each with the address that is left without it."""
        chips = []
        for name in ("campaign", "product"):
            if value := self.cleaned_data[name]:
                left = {key: self.data[key] for key in self.NARROWING if key != name and self.cleaned_data[key]}
                text = self.fields[name].none_label if value == NONE else value
                chips.append({"label": self.fields[name].label, "text": text, "left": f"?{urlencode(left)}"})
        return chips


class DeskStep(DeskFilter):
    """From one lead to the next: `skip` is passed over with all before it, `besides` is done with."""

    skip = forms.IntegerField(required=False, min_value=1, max_value=2**62)
    besides = forms.IntegerField(required=False, min_value=1, max_value=2**62)


class OpportunityFilter(PipelineFilter):
    stage = _choice(_("Stage"), [(stage.value, stage.label) for stage in OPPORTUNITY_STAGES])
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = _one(_("Team"), Team.objects.all())
    product = _one(_("Product"), Product.objects.all())
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    lost_reason = _one(_("Why lost"), Reason.objects.filter(kind=Reason.Kind.LOSS))
    new_clients = _choice(_("Clients"), [("1", _("bought for the first time"))])
    open_on = _day(_("Open on the morning of"))
    opened_from, opened_to = _day(_("Opened from")), _day(_("Opened to"))
    demo_from, demo_to = _day(_("Demo from")), _day(_("Demo to"))
    proposal_from, proposal_to = _day(_("Proposal from")), _day(_("Proposal to"))
    contract_from, contract_to = _day(_("Contract from")), _day(_("Contract to"))
    won_from, won_to = _day(_("Won from")), _day(_("Won to"))
    lost_from, lost_to = _day(_("Lost from")), _day(_("Lost to"))
    closed_from, closed_to = _day(_("Closed from")), _day(_("Closed to"))

    paths = {
        "stage": "stage",
        "owner": "owner",
        "team": "owner__team",
        "product": "product",
        "channel": "lead__campaign__channel",
        "campaign": "lead__campaign",
        "lost_reason": "lost_reason",
    }

    @property
    def periods(self) -> Mapping[str, str]:
        return {name: f"{name}_at" for name in ("opened", "demo", "proposal", "contract", "won", "lost")}

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        if wanted["opened_from"] or wanted["opened_to"]:
            rows = rows.of_known_opening()
        if day := wanted["open_on"]:
            rows = rows.open_at(datetime.datetime.combine(day, datetime.time(), Organisation.current().tzinfo))
        if wanted["new_clients"]:
            rows = rows.first_of_clients()
        if wanted["closed_from"] or wanted["closed_to"]:  # won or lost
            rows = rows.filter(self._between("won_at", "closed") | self._between("lost_at", "closed"))
        return rows


class PaymentFilter(PipelineFilter):
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = _one(_("Team"), Team.objects.all())
    product = _one(_("Product"), Product.objects.all())
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    paid_from, paid_to = _day(_("Paid from")), _day(_("Paid to"))

    lead_path = "opportunity__lead"
    paths = {
        "owner": "opportunity__owner",
        "team": "opportunity__owner__team",
        "product": "opportunity__product",
        "channel": "opportunity__lead__campaign__channel",
        "campaign": "opportunity__lead__campaign",
    }

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        rows = rows.filter(paid_on__gte=wanted["paid_from"]) if wanted["paid_from"] else rows
        return rows.filter(paid_on__lte=wanted["paid_to"]) if wanted["paid_to"] else rows
