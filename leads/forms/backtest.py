"""Input of a backtest: which past leads are judged, and which of the result are listed."""

import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation
from leads.criteria.backtest import Became, Case
from leads.forms.fields import DateInput
from leads.forms.filters import FilterForm
from leads.models import Campaign, Channel, CriteriaSet, CriterionAnswer, Product
from leads.models.leads import LeadQuerySet
from leads.normalise import SANE_DAYS

ONE_YEAR = datetime.timedelta(days=364)


class BacktestFilter(FilterForm):
    """`from`…`to` are days of the organisation, both included; without them the last year.

    `judged`, `accepted`, `won` and `criterion` with `value` name a part of the result, whose leads are then listed.
    """

    channel = forms.ModelChoiceField(Channel.objects.all(), label=_("Channel"), required=False, empty_label=_("Any"))
    campaign = forms.ModelChoiceField(
        Campaign.objects.order_by("-starts_on", "-pk"), label=_("Campaign"), required=False, empty_label=_("Any")
    )
    product = forms.ModelChoiceField(Product.objects.all(), label=_("Product"), required=False, empty_label=_("Any"))
    judged = forms.ChoiceField(
        choices=[("yes", _("would be a lead")), ("no", _("would not be a lead"))], required=False
    )
    accepted = forms.ChoiceField(
        choices=[
            (Became.YES, _("became SAL")),
            (Became.NO, _("did not become SAL")),
            (Became.OPEN, _("verdict is open")),
            (Became.NOT_ASKED, _("no verdict is known")),
        ],
        required=False,
    )
    won = forms.ChoiceField(
        choices=[
            (Became.YES, pgettext_lazy("one lead", "won")),
            (Became.NO, pgettext_lazy("one lead", "not won")),
            (Became.OPEN, _("still with sales")),
        ],
        required=False,
    )
    criterion = forms.SlugField(required=False, max_length=50)
    value = forms.ChoiceField(choices=CriterionAnswer.Value.choices, required=False)

    PART = ("judged", "accepted", "won", "criterion", "value")
    WHICH = ("from", "to", "channel", "campaign", "product")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in (("from", _("Handed over from")), ("to", _("Handed over to"))):
            self.fields[name] = forms.DateField(label=label, required=False, widget=DateInput, validators=SANE_DAYS)
        self.order_fields([*self.WHICH, *self.PART])

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("criterion")) != bool(cleaned.get("value")):
            self.add_error("criterion", _("A criterion and its value go together."))
        return cleaned

    @property
    def names_a_part(self) -> bool:
        return any(self.cleaned_data[name] for name in self.PART)

    @property
    def is_narrowed(self) -> bool:
        return any(self.cleaned_data[name] for name in self.WHICH)

    def days(self, today: datetime.date) -> tuple[datetime.date, datetime.date]:
        """First and last day."""
        last = self.cleaned_data["to"] or today
        return self.cleaned_data["from"] or min(last, today) - ONE_YEAR, last

    def moments(self, today: datetime.date) -> tuple[datetime.datetime, datetime.datetime]:
        """The period's start, and the moment that it ends before."""
        first, last = self.days(today)
        after = last + datetime.timedelta(days=1)
        zone = Organisation.current().tzinfo
        return tuple(datetime.datetime.combine(day, datetime.time(), zone) for day in (first, after))

    def apply(self, leads: LeadQuerySet, criteria_set: CriteriaSet, at: datetime.datetime) -> LeadQuerySet:
        """The leads that this set is for: its product's; a general one leaves out products with criteria of their own."""
        wanted = self.cleaned_data
        if criteria_set.product_id:
            leads = leads.filter(product=criteria_set.product_id)
        elif wanted["product"]:
            leads = leads.filter(product=wanted["product"])
        else:
            own = CriteriaSet.objects.with_own(at)
            leads = leads.exclude(product__in=own) if own else leads
        if wanted["campaign"]:
            leads = leads.filter(campaign=wanted["campaign"])
        if wanted["channel"]:
            leads = leads.filter(campaign__in=list(wanted["channel"].campaigns.values_list("pk", flat=True)))
        return leads

    def takes(self, case: Case, place: int | None) -> bool:
        """Whether a judged lead belongs to the part that is named. `place` is where its criterion stands in the set."""
        wanted = self.cleaned_data
        return (
            (not wanted["judged"] or case.is_met == (wanted["judged"] == "yes"))
            and (not wanted["accepted"] or case.past.accepted == wanted["accepted"])
            and (not wanted["won"] or case.past.won == wanted["won"])
            and (place is None or case.values[place] == wanted["value"])
        )

    def words(self, name: str, value: str) -> str:
        """A choice of the field `name`, as people read it."""
        return str(dict(self.fields[name].choices)[value])

    @cached_property
    def _which(self) -> dict[str, str]:
        return {name: self.data[name] for name in self.WHICH if self.cleaned_data[name]}

    def address(self, **part: object) -> str:
        """The query of the same leads, and of that part of the result."""
        return "?" + urlencode(self._which | part)

    def without(self, name: str) -> str:
        return "?" + urlencode({key: value for key, value in self._which.items() if key != name})

    def chosen(self) -> list[dict[str, Any]]:
        """Filters that are set, apart from the days, with the address that is left without each."""
        return [
            {
                "name": name,
                "value": self.data[name],
                "label": self.fields[name].label,
                "text": str(self.cleaned_data[name]),
                "left": self.without(name),
            }
            for name in ("channel", "campaign", "product")
            if self.cleaned_data[name]
        ]
