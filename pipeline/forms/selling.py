"""Input about opportunities and payments."""

import datetime
import uuid

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from leads.forms.fields import AmountField, DateInput
from leads.models import Product, Reason
from leads.models.leads import SELLING
from pipeline.forms.fields import words
from pipeline.models import Opportunity, Payment


class OpportunityForm(forms.ModelForm):
    """Facts of an open opportunity. `seen_at` says which version the person was looking at."""

    seen_at = forms.CharField(max_length=40, widget=forms.HiddenInput)

    class Meta:
        model = Opportunity
        fields = ["amount", "margin", "product", "expected_close_on", "next_step", "next_step_on"]
        widgets = {"expected_close_on": DateInput, "next_step_on": DateInput}
        field_classes = {"amount": AmountField, "margin": AmountField}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_at"] = self.instance.updated_at.isoformat()
        chosen = Q(pk=self.instance.product_id) if self.instance.product_id else Q()
        self.fields["product"].queryset = Product.objects.filter(Q(is_active=True) | chosen)

    def clean_seen_at(self) -> datetime.datetime:
        try:
            return datetime.datetime.fromisoformat(self.cleaned_data["seen_at"])
        except ValueError as error:
            raise ValidationError(_("This form is damaged. Please reload the page.")) from error

    def clean(self) -> dict:
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


class MoveForm(HappenedForm):
    stage = forms.ChoiceField(label=_("Stage"), choices=[(stage.value, stage.label) for stage in SELLING])


class WinForm(HappenedForm):
    amount = AmountField(label=_("Amount"), max_digits=14, decimal_places=2, min_value=0)
    margin = AmountField(
        label=_("Margin"),
        max_digits=14,
        decimal_places=2,
        required=False,
        help_text=_("Left empty, it is reckoned from the product's cost share."),
    )
    field_order = ["amount", "margin", "happened_on"]

    def clean(self) -> dict:
        _check_margin(self)
        return self.cleaned_data


class LoseForm(forms.Form):
    reason = forms.ModelChoiceField(
        label=_("Why was it lost?"), queryset=Reason.objects.none(), widget=forms.RadioSelect, empty_label=None
    )
    note = words(_("Details"), most=2000)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].queryset = Reason.objects.offered(Reason.Kind.LOSS)


class PaymentForm(forms.ModelForm):
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    class Meta:
        model = Payment
        fields = ["paid_on", "amount", "note"]
        widgets = {"paid_on": DateInput}
        field_classes = {"amount": AmountField}

    def __init__(self, *args, today: datetime.date, **kwargs) -> None:
        kwargs["initial"] = {"submission_key": uuid.uuid4(), "paid_on": today} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_paid_on(self) -> datetime.date:
        if self.cleaned_data["paid_on"] > self.today:
            raise ValidationError(_("This day hasn't come yet. Record a payment when the money is there."))
        return self.cleaned_data["paid_on"]
