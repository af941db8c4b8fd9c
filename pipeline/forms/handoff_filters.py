"""What lists of handoffs and the desk are narrowed to."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from accounts.models import Team, User
from leads.forms.filters import FilterForm
from leads.forms.leads import NONE
from leads.models import Campaign, Channel, Criterion, Product, Reason
from pipeline.desk import Queue
from pipeline.forms.filters import PipelineFilter, SalesPersonField, choice, day, one
from pipeline.models import Handoff
from pipeline.sla import Clock, ClockState


def _criteria() -> list[tuple[str, str]]:
    """Every criterion that there ever was, by its key, in its newest words."""
    texts = {criterion.key: str(criterion) for criterion in Criterion.objects.order_by("criteria_set__version", "pk")}
    return [("", str(_("Any"))), *sorted(texts.items(), key=lambda entry: entry[1])]


class HandoffFilter(PipelineFilter):
    verdict = choice(_("Verdict"), Handoff.Verdict.choices)
    clock = choice(_("Clock"), [(clock.value, clock.label) for clock in Clock])
    state = choice(
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
    team = one(_("Team"), Team.objects.all())
    reason = one(_("Reason"), Reason.objects.filter(kind=Reason.Kind.REJECTION))
    refusal = choice(_("Refusal"), Handoff.REFUSALS.items())
    feedback = choice(_("Sales says"), Handoff.FEEDBACK.items())
    criterion = forms.ChoiceField(label=_("Of the criterion"), choices=_criteria, required=False)
    pool = choice(_("Pool"), [("yes", _("in the pool")), ("no", _("not in the pool"))])
    channel = one(_("Channel"), Channel.objects.all())
    campaign = one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    product = one(_("Product"), Product.objects.all())
    handed_over_from, handed_over_to = day(_("Handed over from")), day(_("Handed over to"))
    contacted_from, contacted_to = day(_("Contacted from")), day(_("Contacted to"))
    decided_from, decided_to = day(_("Decided from")), day(_("Decided to"))
    due_from, due_to = day(_("Clock fell due from")), day(_("Clock fell due to"))

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

    whose = choice(_("Whose"), [("mine", _("Mine"))])
    campaign = one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    product = one(_("Product"), Product.objects.all())
    queue = choice(_("Queue"), Queue.choices)

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
