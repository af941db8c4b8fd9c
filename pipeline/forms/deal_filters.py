"""What lists of opportunities, payments, instalments and objections are narrowed to."""

import datetime
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, Team, User
from leads.forms.fields import AmountField
from leads.models import Campaign, Channel, Product, Reason, Stage
from leads.models.leads import SELLING
from pipeline.forms.filters import PipelineFilter, SalesPersonField, choice, day, one
from pipeline.models import Objection, SalesPipeline
from pipeline.models.opportunities import OPPORTUNITY_STAGES, STEPS


def _yes(label: str, text: str) -> forms.ChoiceField:
    return choice(label, [("1", text)])


def _sum(label: str) -> AmountField:
    return AmountField(label=label, required=False, max_digits=14, decimal_places=2, min_value=0)


class OpportunityFilter(PipelineFilter):
    pipeline = forms.ModelChoiceField(
        SalesPipeline.objects.all(), label=_("Pipeline"), required=False, empty_label=_("Any")
    )
    stage = choice(_("Stage"), [(stage.value, stage.label) for stage in OPPORTUNITY_STAGES])
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = one(_("Team"), Team.objects.all())
    product = one(_("Product"), Product.objects.all())
    rotting = _yes(_("Rotting"), _("longer in its stage than its pipeline allows"))
    cold = _yes(_("Cold"), _("nobody has been in touch"))
    step = choice(
        _("Next step"), [("none", _("none is planned")), ("overdue", _("overdue")), ("due", _("due by today"))]
    )
    close_from, close_to = day(_("Expected close from")), day(_("Expected close to"))
    amount_from, amount_to = _sum(_("Amount from")), _sum(_("Amount to"))
    channel = one(_("Channel"), Channel.objects.all())
    campaign = one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    lost_reason = one(_("Why lost"), Reason.objects.filter(kind=Reason.Kind.LOSS))
    new_clients = choice(_("Clients"), [("1", _("bought for the first time"))])
    reached = choice(_("Came to"), [(stage.value, stage.label) for stage in SELLING])
    asked = choice(_("Asked for and sent"), [(step.value, step.label) for step in STEPS])
    purchase = choice(_("Purchase"), [("first", _("first of its lead")), ("repeat", _("repeat purchase"))])
    open_on = day(_("Open on the morning of"))
    opened_from, opened_to = day(_("Opened from")), day(_("Opened to"))
    demo_from, demo_to = day(_("Demo from")), day(_("Demo to"))
    proposal_from, proposal_to = day(_("Proposal from")), day(_("Proposal to"))
    contract_from, contract_to = day(_("Contract from")), day(_("Contract to"))
    won_from, won_to = day(_("Won from")), day(_("Won to"))
    lost_from, lost_to = day(_("Lost from")), day(_("Lost to"))
    closed_from, closed_to = day(_("Closed from")), day(_("Closed to"))

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
    team = one(_("Team"), Team.objects.all())
    product = one(_("Product"), Product.objects.all())
    channel = one(_("Channel"), Channel.objects.all())
    campaign = one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    paid_from, paid_to = day(_("Paid from")), day(_("Paid to"))

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


class PlanFilter(PipelineFilter):
    """Instalments that clients agreed to pay."""

    state = choice(
        _("Payment is"), [("overdue", _("overdue")), ("unpaid", _("not paid in full")), ("paid", _("paid in full"))]
    )
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = one(_("Team"), Team.objects.all())
    product = one(_("Product"), Product.objects.all())
    channel = one(_("Channel"), Channel.objects.all())
    campaign = one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    due_from, due_to = day(_("Due from")), day(_("Due to"))

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
    kind = choice(_("Objection"), Objection.Kind.choices)
    end = choice(_("How it ended"), [("open", _("still open")), *Objection.End.choices])
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = one(_("Team"), Team.objects.all())
    product = one(_("Product"), Product.objects.all())
    raised_from, raised_to = day(_("Raised from")), day(_("Raised to"))

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
