"""Input about leads that are asked again: what the list is narrowed to, and what came of asking."""

import datetime
from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Organisation, User
from leads.forms.fields import DateInput
from leads.forms.leads import OneOrNoneField
from leads.models import Lead, Product, Reason
from leads.normalise import SANE_DAYS
from pipeline.forms.fields import words
from pipeline.forms.filters import PipelineFilter
from pipeline.forms.referrals import ReferForm
from pipeline.models import Recycling
from pipeline.models.recycling import RecyclingQuerySet
from pipeline.recycling import MORNING

ANSWERED = "answered"


def _day(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=DateInput, validators=SANE_DAYS)


class RecyclingFilter(PipelineFilter):
    show = forms.ChoiceField(
        choices=[("", ""), ("later", _("later")), ("done", _("done"))], required=False, widget=forms.HiddenInput
    )
    because = forms.ChoiceField(
        label=_("Because"), choices=[("", _("Any")), *Recycling.Because.choices], required=False
    )
    how = forms.ChoiceField(
        label=_("How"),
        choices=[("", _("Any")), *(each for each in Reason.Recycle.choices if each[0] != Reason.Recycle.NEVER)],
        required=False,
    )
    reason = OneOrNoneField(Reason.objects.filter(kind=Reason.Kind.LOSS), _("None"), label=_("Why lost"))
    owner = forms.ModelChoiceField(
        User.objects.filter(role__in=access.ASK_AGAIN), label=_("Who asks"), required=False, empty_label=_("Any")
    )
    result = forms.ChoiceField(
        label=_("Result"),
        choices=[("", _("Any")), (ANSWERED, _("any answer")), *Recycling.Result.choices],
        required=False,
    )
    closed_from, closed_to = _day(_("Answered from")), _day(_("Answered to"))

    paths = {"because": "because", "how": "how", "reason": "reason"}

    @property
    def periods(self) -> Mapping[str, str]:
        return {"closed": "closed_at"}

    def apply(self, rows: RecyclingQuerySet) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        if user := wanted["owner"]:
            without = Q(opportunity__owner=user) | Q(opportunity__isnull=True, lead__owner=user)
            rows = rows.filter(Q(task__assignee=user) | Q(task__isnull=True) & without)
        if wanted["result"] == ANSWERED:
            return rows.answered()
        return rows.filter(result=wanted["result"]) if wanted["result"] else rows

    def chips(self) -> list[dict[str, Any]]:
        return [chip for chip in super().chips() if chip["label"] != self.fields["show"].label]


class BackForm(forms.Form):
    """They are interested again."""

    product = forms.ModelChoiceField(
        label=_("Interested in"), queryset=Product.objects.none(), required=False, empty_label=_("as before")
    )
    call_on = forms.DateField(
        label=_("Marketing calls on"),
        required=False,
        widget=DateInput,
        validators=SANE_DAYS,
        help_text=_("Left empty, at once."),
    )
    note = words(_("What they said"), most=500)

    def __init__(self, *args, lead: Lead, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["product"].queryset = Product.objects.filter(is_active=True).exclude(pk=lead.product_id)

    @property
    def call_at(self) -> datetime.datetime | None:
        return morning(self.cleaned_data["call_on"]) if self.cleaned_data["call_on"] else None


class LaterForm(forms.Form):
    """Not now."""

    until = forms.DateField(label=_("Ask again on"), widget=DateInput, validators=SANE_DAYS)
    note = words(_("What they said"), most=500)

    @property
    def moment(self) -> datetime.datetime:
        return morning(self.cleaned_data["until"])


class PassForm(ReferForm):
    """It is a partner's business."""

    field_order = ["partner", "passed", "consent", "note", "by_mail"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["note"].max_length = 500


class NoForm(forms.Form):
    """No, for good."""

    note = words(_("What they said"), most=500)


def morning(on: datetime.date) -> datetime.datetime:
    """When work about somebody begins on that day, in the organisation's time zone."""
    return datetime.datetime.combine(on, MORNING, Organisation.current().tzinfo)


class ResultsFilter(PipelineFilter):
    """The days in which answers were given and leads came back."""

    q = None
    closed_from, closed_to = _day(_("From")), _day(_("To"))

    @property
    def periods(self) -> Mapping[str, str]:
        return {"closed": "closed_at"}
