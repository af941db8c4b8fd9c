"""Filters of the pipeline's lists."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Organisation, Team, User
from leads.forms.fields import AmountField, DateInput
from leads.forms.filters import FilterForm
from leads.forms.leads import NONE, OneOrNoneField, WithNone
from leads.models import Campaign, Channel, Criterion, Lead, Product, Reason, Stage
from leads.models.leads import SELLING
from leads.normalise import SANE_DAYS, SEARCH_LENGTH, fold, validate_text
from pipeline.desk import Queue
from pipeline.models import ContentKind, ContentRequest, Handoff, Objection, SalesPipeline
from pipeline.models.opportunities import OPPORTUNITY_STAGES, STEPS
from pipeline.sla import Clock, ClockState


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


def _criteria() -> list[tuple[str, str]]:
    """Every criterion that there ever was, by its key, in its newest words."""
    texts = {criterion.key: str(criterion) for criterion in Criterion.objects.order_by("criteria_set__version", "pk")}
    return [("", str(_("Any"))), *sorted(texts.items(), key=lambda entry: entry[1])]


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
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}

    def apply(self, rows: Any) -> Any:
        """`rows` as far as every filter that is set lets them through."""
        for name, value in self.chosen.items():
            if name == "q":
                rows = self.search(rows, str(value))
            elif isinstance(value, Team):
                # By its people, which are few: joined to them, a list in order of time sorts all rows that there are.
                people = list(User.objects.filter(team=value).values_list("pk", flat=True))
                rows = rows.filter(**{f"{self.paths[name].removesuffix('__team')}__in": people})
            elif name in self.paths:
                path = self.paths[name]
                rows = rows.filter(**({f"{path}__isnull": True} if value == NONE else {path: value}))
        for name, path in self.periods.items():
            rows = rows.filter(self._between(path, name))
        return rows

    def search(self, rows: Any, text: str) -> Any:
        """Those of `rows` that `text` finds: by their lead, unless a list looks elsewhere."""
        return rows.filter(**{f"{self.lead_path}__in": Lead.objects.search(text)})

    def _between(self, path: str, name: str) -> Q:
        """The moment `path` is within the days `<name>_from` to `<name>_to`, as far as they are set."""
        between = Q()
        if first := self.cleaned_data[f"{name}_from"]:
            between &= Q(**{f"{path}__gte": datetime.datetime.combine(first, datetime.time(), self._zone)})
        if last := self.cleaned_data[f"{name}_to"]:
            after = last + datetime.timedelta(days=1)
            between &= Q(**{f"{path}__lt": datetime.datetime.combine(after, datetime.time(), self._zone)})
        return between

    @property
    def query(self) -> QueryDict:
        """The filters that are set, as an address has them."""
        query = QueryDict(mutable=True)
        for name in self.chosen:
            query[name] = self.data[name]
        return query

    def address(self, **changes: object) -> str:
        """The query of the same list with other filters: `?stage=won`; None takes one away."""
        wanted = {name: self.data[name] for name in self.chosen} | changes
        return "?" + urlencode({name: value for name, value in wanted.items() if value is not None})

    def chips(self) -> list[dict[str, Any]]:
        """The filters that are set, in words, each with the address that is left when it is taken away."""
        return [
            {
                "name": name,
                "label": self.fields[name].label,
                "text": self._text(name, value),
                "left": self.address(**{name: None}),
            }
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
        _("Clock is"),
        [
            ("overdue", _("overdue")),
            ("running", _("running")),
            ("paused", _("paused")),
            ("kept", _("kept")),
            ("late", _("late")),
        ],
    )
    rep = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Sales rep"))
    team = _one(_("Team"), Team.objects.all())
    reason = _one(_("Reason"), Reason.objects.filter(kind=Reason.Kind.REJECTION))
    refusal = _choice(_("Refusal"), Handoff.REFUSALS.items())
    feedback = _choice(_("Sales says"), Handoff.FEEDBACK.items())
    criterion = forms.ChoiceField(label=_("Of the criterion"), choices=_criteria, required=False)
    pool = _choice(_("Pool"), [("yes", _("in the pool")), ("no", _("not in the pool"))])
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
                if self.cleaned_data.get(name) not in (None, "", ClockState.PAUSED):
                    self.add_error(name, _("Choose a clock, too."))
        return self.cleaned_data

    def apply(self, rows: Any) -> Any:
        rows, wanted, now = super().apply(rows), self.cleaned_data, timezone.now()
        if wanted["refusal"]:
            rows = rows.refused(wanted["refusal"])
        if wanted["feedback"] or wanted["criterion"]:
            rows = rows.telling(wanted["feedback"], wanted["criterion"])
        if wanted["state"] == ClockState.PAUSED and not wanted["clock"]:
            rows = rows.paused(now)
        elif wanted["state"]:
            rows = rows.with_clock(Clock(wanted["clock"]), wanted["state"], now)
        if wanted["pool"]:
            rows = rows.in_pool() if wanted["pool"] == "yes" else rows.filter(pooled_at__isnull=True)
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


def _yes(label: str, text: str) -> forms.ChoiceField:
    return _choice(label, [("1", text)])


def _sum(label: str) -> AmountField:
    return AmountField(label=label, required=False, max_digits=14, decimal_places=2, min_value=0)


class OpportunityFilter(PipelineFilter):
    pipeline = forms.ModelChoiceField(
        SalesPipeline.objects.all(), label=_("Pipeline"), required=False, empty_label=_("Any")
    )
    stage = _choice(_("Stage"), [(stage.value, stage.label) for stage in OPPORTUNITY_STAGES])
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = _one(_("Team"), Team.objects.all())
    product = _one(_("Product"), Product.objects.all())
    rotting = _yes(_("Rotting"), _("longer in its stage than its pipeline allows"))
    cold = _yes(_("Cold"), _("nobody has been in touch"))
    step = _choice(
        _("Next step"), [("none", _("none is planned")), ("overdue", _("overdue")), ("due", _("due by today"))]
    )
    close_from, close_to = _day(_("Expected close from")), _day(_("Expected close to"))
    amount_from, amount_to = _sum(_("Amount from")), _sum(_("Amount to"))
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    lost_reason = _one(_("Why lost"), Reason.objects.filter(kind=Reason.Kind.LOSS))
    new_clients = _choice(_("Clients"), [("1", _("bought for the first time"))])
    reached = _choice(_("Came to"), [(stage.value, stage.label) for stage in SELLING])
    asked = _choice(_("Asked for and sent"), [(step.value, step.label) for step in STEPS])
    purchase = _choice(_("Purchase"), [("first", _("first of its lead")), ("repeat", _("repeat purchase"))])
    open_on = _day(_("Open on the morning of"))
    opened_from, opened_to = _day(_("Opened from")), _day(_("Opened to"))
    demo_from, demo_to = _day(_("Demo from")), _day(_("Demo to"))
    proposal_from, proposal_to = _day(_("Proposal from")), _day(_("Proposal to"))
    contract_from, contract_to = _day(_("Contract from")), _day(_("Contract to"))
    won_from, won_to = _day(_("Won from")), _day(_("Won to"))
    lost_from, lost_to = _day(_("Lost from")), _day(_("Lost to"))
    closed_from, closed_to = _day(_("Closed from")), _day(_("Closed to"))

    # How the list may be sorted: name in the address, label, and the order, which has an index.
    ORDERS = {
        "opened": (_("Opened"), "-opened_at"),
        "close": (_("Expected close"), "expected_close_on"),
        "amount": (_("Amount"), "-amount"),
        "stage": (_("In this stage since"), "stage_at"),
        "step": (_("Next step"), "next_step_on"),
    }
    sort = forms.ChoiceField(
        label=_("Sorted by"),
        required=False,
        choices=[
            ("", _("Opened")),
            *((name, label) for name, (label, _order) in ORDERS.items()),
            *(
                (f"-{name}", format_lazy(_("{column}, the other way round"), column=label))
                for name, (label, _order) in ORDERS.items()
            ),
        ],
    )

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

    @property
    def order(self) -> tuple[str, str]:
        """As the list is sorted. By default each column begins with what is looked at first; “-” turns it round."""
        wanted = self.cleaned_data["sort"] or "opened"
        _label, column = self.ORDERS[wanted.removeprefix("-")]
        if wanted.startswith("-"):
            column = column.removeprefix("-") if column.startswith("-") else f"-{column}"
        return column, "-pk" if column.startswith("-") else "pk"

    @property
    def is_narrowed(self) -> bool:
        return bool(self.narrowing)

    @property
    def narrowing(self) -> set[str]:
        return set(self.chosen) - {"sort"}

    def chips(self) -> list[dict[str, Any]]:
        return [chip for chip in super().chips() if chip["name"] != "sort"]

    def heads(self) -> dict[str, dict[str, Any]]:
        """The columns by which the list is sorted: label, the address that sorts by it, and how it is sorted now."""
        now = self.cleaned_data["sort"] or "opened"
        return {
            name: {
                "label": label,
                "address": self.address(sort=f"-{name}" if now == name else name),
                "is_first": now == name,
                "is_turned": now == f"-{name}",
                "is_descending": self.order[0].startswith("-"),
            }
            for name, (label, _order) in self.ORDERS.items()
        }

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        if wanted["opened_from"] or wanted["opened_to"]:
            rows = rows.of_known_opening()
        if day := wanted["open_on"]:
            rows = rows.open_at(datetime.datetime.combine(day, datetime.time(), Organisation.current().tzinfo))
        if wanted["asked"]:
            rows = rows.filter(**{f"{wanted['asked']}_seconds__isnull": False})
        if wanted["purchase"]:
            rows = rows.filter(repeats__isnull=wanted["purchase"] == "first")
        if wanted["new_clients"]:
            rows = rows.first_of_clients()
        if wanted["closed_from"] or wanted["closed_to"]:  # won or lost
            rows = rows.filter(self._between("won_at", "closed") | self._between("lost_at", "closed"))
        return self._narrow_to_standing(self._narrow_to_values(rows))

    def _narrow_to_values(self, rows: Any) -> Any:
        wanted = self.cleaned_data
        bounds = {"close_from": "expected_close_on__gte", "close_to": "expected_close_on__lte"}
        bounds |= {"amount_from": "amount__gte", "amount_to": "amount__lte"}
        rows = rows.filter(**{path: wanted[name] for name, path in bounds.items() if wanted[name] is not None})
        if wanted["reached"] and wanted["reached"] != Stage.ACCEPTED:  # where each of them began
            rows = rows.filter(**{f"{Stage(wanted['reached']).reached_field}__isnull": False})
        return rows

    def _narrow_to_standing(self, rows: Any) -> Any:
        """How they stand now: in which pipeline, and what is neglected."""
        wanted, now = self.cleaned_data, timezone.now()
        if wanted["pipeline"]:
            rows = rows.of_pipeline(wanted["pipeline"])
        if wanted["rotting"]:
            rows = rows.rotting(now)
        if wanted["cold"]:
            rows = rows.cold(now)
        match wanted["step"]:
            case "none":
                rows = rows.without_next_step()
            case "overdue":
                rows = rows.step_due(timezone.localdate(now) - datetime.timedelta(days=1))
            case "due":
                rows = rows.step_due(timezone.localdate(now))
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


class ContentFilter(PipelineFilter):
    """What of the library is shown. With `lead`, each piece can be used with that lead."""

    kind = _choice(_("Kind"), ContentKind.choices)
    product = _one(_("Product"), Product.objects.all(), _("All products"))
    industry = forms.CharField(label=_("Industry"), max_length=100, required=False, validators=[validate_text])
    stage = _choice(_("Stage"), [(stage.value, stage.label) for stage in SELLING])
    state = _choice(_("Show"), [("unused", _("never used")), ("off", _("not in use any more"))])
    lead = forms.ModelChoiceField(
        Lead.objects.select_related("contact"), label=_("For"), required=False, widget=forms.HiddenInput
    )

    paths = {"product": "product", "kind": "kind", "stage": "stage"}

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        for word in fold(wanted["industry"]).split():
            rows = rows.filter(search_text__contains=word)
        rows = rows.filter(is_active=wanted["state"] != "off")
        return rows.filter(uses__isnull=True) if wanted["state"] == "unused" else rows

    def search(self, rows: Any, text: str) -> Any:
        for word in fold(text).split():
            rows = rows.filter(search_text__contains=word)
        return rows


class ContentRequestFilter(PipelineFilter):
    status = _choice(_("Status"), [("open", _("open")), ("late", _("late")), *ContentRequest.Status.choices])
    kind = _choice(_("Kind"), ContentKind.choices)
    owner = _one(_("Who makes it"), User.objects.filter(role__in=access.KEEP_CONTENT), _("Nobody yet"))
    asked_by = _one(_("Asked by"), User.objects.all())

    paths = {"kind": "kind", "owner": "owner", "asked_by": "requested_by"}

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        match wanted["status"]:
            case "open":
                return rows.open()
            case "late":
                return rows.open().filter(due_on__lt=timezone.localdate())
            case "":
                return rows
        return rows.filter(status=wanted["status"])

    def search(self, rows: Any, text: str) -> Any:
        return rows.filter(Q(title__icontains=text) | Q(lead__in=Lead.objects.search(text)))


class PlanFilter(PipelineFilter):
    """Instalments that clients agreed to pay."""

    state = _choice(
        _("Payment is"), [("overdue", _("overdue")), ("unpaid", _("not paid in full")), ("paid", _("paid in full"))]
    )
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = _one(_("Team"), Team.objects.all())
    product = _one(_("Product"), Product.objects.all())
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    due_from, due_to = _day(_("Due from")), _day(_("Due to"))

    lead_path = "opportunity__lead"
    paths = PaymentFilter.paths

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        if wanted["state"] == "overdue":
            rows = rows.overdue(timezone.localdate(timezone=self._zone))
        elif wanted["state"]:
            rows = rows.unpaid() if wanted["state"] == "unpaid" else rows.paid_in_full()
        rows = rows.filter(due_on__gte=wanted["due_from"]) if wanted["due_from"] else rows
        return rows.filter(due_on__lte=wanted["due_to"]) if wanted["due_to"] else rows


class ObjectionFilter(PipelineFilter):
    kind = _choice(_("Objection"), Objection.Kind.choices)
    end = _choice(_("How it ended"), [("open", _("still open")), *Objection.End.choices])
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = _one(_("Team"), Team.objects.all())
    product = _one(_("Product"), Product.objects.all())
    raised_from, raised_to = _day(_("Raised from")), _day(_("Raised to"))

    lead_path = "opportunity__lead"
    paths = {
        "kind": "kind",
        "owner": "opportunity__owner",
        "team": "opportunity__owner__team",
        "product": "opportunity__product",
    }

    @property
    def periods(self) -> Mapping[str, str]:
        return {"raised": "raised_at"}

    def apply(self, rows: Any) -> Any:
        rows, end = super().apply(rows), self.cleaned_data["end"]
        return rows.filter(end="" if end == "open" else end) if end else rows
