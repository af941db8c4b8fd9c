"""Input about opportunities and their steps."""

import datetime
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Role, User
from leads.forms.fields import AmountField, DateInput
from leads.models import Product, Reason, Stage
from leads.models.leads import SELLING
from leads.normalise import SANE_DAYS, validate_text
from pipeline.forms.deals import SeenField, currency_choices
from pipeline.forms.fields import words
from pipeline.models import Opportunity
from pipeline.models.opportunities import OPPORTUNITY_STAGES

OPPORTUNITY_CHOICES = [(stage.value, stage.label) for stage in OPPORTUNITY_STAGES]


class OpportunityForm(forms.ModelForm):
    """Facts of an open opportunity. `seen_at` says which version the person was looking at; what lines make isn't typed.

    Amount and margin are in the deal's currency.
    """

    seen_at = SeenField()
    amount = AmountField(label=_("Amount"), max_digits=14, decimal_places=2, min_value=0, required=False)
    margin = AmountField(
        label=_("Margin"),
        max_digits=14,
        decimal_places=2,
        required=False,
        help_text=_("Left empty, it is reckoned from the product's cost share."),
    )
    currency = forms.ChoiceField(label=_("Currency"), required=False)

    class Meta:
        model = Opportunity
        fields = ["product", "expected_close_on", "next_step", "next_step_on"]
        widgets = {"expected_close_on": DateInput, "next_step_on": DateInput}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        deal = self.instance
        choices = currency_choices(deal.currency)
        self.initial |= {
            "seen_at": deal.updated_at.isoformat(),
            "amount": deal.said_amount,
            "margin": deal.said_margin,
            "currency": deal.currency or choices[0][0],
        }
        self.fields["currency"].choices = choices
        self.fields["expected_close_on"].validators += SANE_DAYS
        chosen = Q(pk=deal.product_id) if deal.product_id else Q()
        self.fields["product"].queryset = Product.objects.filter(Q(is_active=True) | chosen)
        if len(choices) == 1:
            del self.fields["currency"]
        if deal.lines.exists():
            del self.fields["amount"], self.fields["margin"]

    def clean_currency(self) -> str:
        return self.cleaned_data["currency"] or self.instance.currency

    def clean(self) -> dict:
        deal = self.instance
        # A margin that was reckoned, and that nobody typed over, follows the amount.
        if "margin" in self.changed_data or deal.said_margin != deal.reckoned_margin:
            _check_margin(self)
        return self.cleaned_data


def _check_margin(form: forms.BaseForm) -> None:
    amount, margin = form.cleaned_data.get("amount"), form.cleaned_data.get("margin")
    if margin is not None and amount is not None and margin > amount:
        form.add_error("margin", _("The margin can't be larger than the amount."))


class HappenedForm(forms.Form):
    """A step that may have happened on an earlier day than it is recorded."""

    happened_on = forms.DateField(label=_("On"), widget=DateInput, help_text=_("Today, unless it happened earlier."))

    def __init__(self, *args, since: datetime.datetime, now: datetime.datetime, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.since, self.now = since, now
        self.fields["happened_on"].initial = timezone.localdate(now)

    def clean_happened_on(self) -> datetime.date:
        day = self.cleaned_data["happened_on"]
        if day > timezone.localdate(self.now):
            raise ValidationError(_("This day hasn't come yet."))
        if day < timezone.localdate(self.since):
            first = date_format(timezone.localdate(self.since), "DATE_FORMAT")
            raise ValidationError(_("The opportunity opened on %(day)s; it can't be earlier."), params={"day": first})
        return day

    @property
    def happened_at(self) -> datetime.datetime:
        """Now for today; noon of an earlier day, but not before the opportunity opened."""
        day = self.cleaned_data["happened_on"]
        if day == timezone.localdate(self.now):
            return self.now
        noon = datetime.datetime.combine(day, datetime.time(12), timezone.get_current_timezone())
        return max(noon.astimezone(datetime.UTC), self.since)


class NextStepForm(forms.Form):
    """What comes next with the client, and when: both, or neither where it may be left open."""

    next_step = forms.CharField(
        label=_("Next step"),
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autofocus": ""}),
    )
    next_step_on = forms.DateField(label=_("On"), widget=DateInput, validators=SANE_DAYS)

    def __init__(self, *args, opportunity: Opportunity, today: datetime.date, **kwargs) -> None:
        planned = {"next_step": opportunity.next_step, "next_step_on": opportunity.next_step_on}
        super().__init__(*args, **{**kwargs, "initial": planned | kwargs.get("initial", {})})
        self.opportunity, self.today = opportunity, today

    def clean_next_step_on(self) -> datetime.date | None:
        day = self.cleaned_data["next_step_on"]
        if day is not None and day < self.today and day != self.opportunity.next_step_on:
            raise ValidationError(_("This day is over. When will it be done?"))
        return day


class MoveForm(NextStepForm, HappenedForm):
    """Another stage, and what comes next. A form without the field of the next step leaves that as it is."""

    stage = forms.ChoiceField(label=_("Stage"), choices=[(stage.value, stage.label) for stage in SELLING])
    seen = forms.ChoiceField(choices=[("", ""), *OPPORTUNITY_CHOICES], required=False, widget=forms.HiddenInput)
    field_order = ["stage", "next_step", "next_step_on", "happened_on"]

    def __init__(self, *args, offered: Sequence[Stage], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for name in ("next_step", "next_step_on"):
            self.fields[name].required = False
        self.fields["next_step"].widget.attrs.pop("autofocus")
        # Offered are the stages of its pipeline; another one is refused by the rule, in its own words.
        self.fields["stage"].widget.choices = [(stage.value, stage.label) for stage in offered]

    def clean(self) -> dict:
        text, day = self.cleaned_data.get("next_step"), self.cleaned_data.get("next_step_on")
        if text and not day and "next_step_on" not in self.errors:
            self.add_error("next_step_on", _("When? A step without a day is forgotten."))
        elif day and not text and "next_step" not in self.errors:
            self.add_error("next_step", _("What is to be done on that day?"))
        return self.cleaned_data

    @property
    def step(self) -> dict[str, Any]:
        """The next step as the transition takes it; nothing when the form didn't ask for it."""
        names = ("next_step", "next_step_on")
        return {name: self.cleaned_data[name] for name in names} if "next_step" in self.data else {}

    @property
    def seen_stage(self) -> Stage | None:
        return Stage(self.cleaned_data["seen"]) if self.cleaned_data["seen"] else None


class OwnerForm(forms.Form):
    """To whom opportunities are given: those for whom `by` may sell."""

    to = forms.ModelChoiceField(User.objects.none(), label=_("New owner"), empty_label=_("Choose…"))

    def __init__(self, *args, by: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        reps = User.objects.active().filter(role__in=access.SELL).order_by("name", "pk")
        self.fields["to"].queryset = (
            reps if by.role == Role.DIRECTOR else reps.filter(Q(team=by.team_id) & ~Q(team=None) | Q(pk=by.pk))
        )


class WinForm(HappenedForm):
    """What it is sold for, in the deal's currency. `seen_at` says which version the person was looking at."""

    seen_at = SeenField(required=False)
    amount = AmountField(label=_("Amount"), max_digits=14, decimal_places=2, min_value=0)
    margin = AmountField(
        label=_("Margin"),
        max_digits=14,
        decimal_places=2,
        required=False,
        help_text=_("Left empty, it is reckoned from the product's cost share."),
    )
    field_order = ["amount", "margin", "happened_on"]

    def __init__(self, *args, opportunity: Opportunity, **kwargs) -> None:
        first = {
            "amount": opportunity.said_amount,
            "margin": opportunity.said_margin,
            "seen_at": opportunity.updated_at.isoformat(),
        }
        super().__init__(*args, initial=first, since=opportunity.opened_at, **kwargs)
        if opportunity.lines.exists():
            del self.fields["amount"], self.fields["margin"]

    def clean(self) -> dict:
        _check_margin(self)
        return self.cleaned_data


class LoseForm(forms.Form):
    reason = forms.ModelChoiceField(
        label=_("Why was it lost?"), queryset=Reason.objects.none(), widget=forms.RadioSelect, empty_label=None
    )
    note = words(_("Details"), most=2000)
    objections_stand = forms.BooleanField(
        label=_("The objections that are still open stand"), required=False, initial=True
    )

    def __init__(self, *args, opportunity: Opportunity, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not opportunity.objections.filter(end="").exists():
            del self.fields["objections_stand"]
        self.fields["reason"].queryset = Reason.objects.offered(Reason.Kind.LOSS)
