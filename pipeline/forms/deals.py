"""Input about what a deal is worth, what was asked for and objected, and what is paid."""

import datetime
import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from leads.forms.fields import AmountField, DateInput
from leads.models import ExchangeRate, Product, Stage
from leads.normalise import SANE_DAYS, read_number, validate_text
from pipeline.forms.fields import moment
from pipeline.models import Objection, Opportunity, Payment, PlannedPayment
from pipeline.transitions import Instalment, Line

LATEST_DAY = datetime.date(2199, 12, 31)


def currency_choices(*also: str) -> list[tuple[str, str]]:
    """The organisation's currency first, then those of which a rate is known, and `also`."""
    own = Organisation.current().currency
    others = {*ExchangeRate.objects.currencies(), *also} - {own, ""}
    return [(code, code) for code in (own, *sorted(others))]


class SeenField(forms.CharField):
    """Which version of the opportunity the person was looking at: a hidden moment; None where it isn't said."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=40, widget=forms.HiddenInput, **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return datetime.datetime.fromisoformat(text) if text else None
        except ValueError as error:
            raise ValidationError(_("This form is damaged. Please reload the page.")) from error


class SeenOpportunity(forms.Form):
    """What goes along with the lines and the plan."""

    seen_at = SeenField(required=False)


# --- Lines -----------------------------------------------------------------------------------------------------------


class LineForm(forms.Form):
    pk = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**62)
    product = forms.ModelChoiceField(Product.objects.none(), label=_("Product"), required=False)
    text = forms.CharField(label=_("What"), max_length=200, required=False, validators=[validate_text])
    amount = AmountField(label=_("Amount"), max_digits=14, decimal_places=2, min_value=0, required=False)
    cost_percent = AmountField(
        label=_("Cost share, %"), max_digits=5, decimal_places=2, min_value=0, max_value=100, required=False
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        chosen = Q(pk=self.initial["product"].pk) if self.initial.get("product") else Q(pk__in=[])
        self.fields["product"].queryset = Product.objects.filter(Q(is_active=True) | chosen)

    def clean(self) -> dict:
        said = self.cleaned_data
        names = said.get("product") or said.get("text", "").strip()
        if self.has_changed() and not self.errors:
            if not names:
                self.add_error("product", _("Choose a product, or write what it is."))
            if said.get("amount") is None:
                self.add_error("amount", _("How much?"))
        return said

    @property
    def line(self) -> Line:
        said = self.cleaned_data
        percent = said["cost_percent"]
        share = None if percent is None else percent / 100
        return Line(said["amount"], said["product"], said["text"], share, said["pk"])


class _Rows(forms.BaseFormSet):
    """Rows that are there and a few empty ones; a row that is marked to be removed, or was left empty, is none."""

    def wanted(self) -> list[Any]:
        return [form for form in self.forms if form not in self.deleted_forms and (form.initial or form.has_changed())]


_LineRows = forms.formset_factory(LineForm, formset=_Rows, extra=1, can_delete=True, max_num=50, absolute_max=60)
_MOVES = {"up": -1, "down": 1}


def line_rows(opportunity: Opportunity, data: Any = None) -> Any:
    lines = opportunity.lines.select_related("product")
    initial = [
        {
            "pk": line.pk,
            "product": line.product,
            "text": line.text,
            "amount": line.amount,
            "cost_percent": None if line.cost_share is None else (line.cost_share * 100).normalize().__format__("f"),
        }
        for line in lines
    ]
    return _LineRows(data, prefix="line", initial=initial)


def lines_of(rows: Any, move: str = "") -> list[Line]:
    """The lines of valid rows in order; `move`, such as “2:up”, moves one by one place."""
    forms_ = rows.wanted()
    named, _colon, direction = move.partition(":")
    place = read_number(named)
    if direction in _MOVES and place is not None and place < len(rows.forms) and rows.forms[place] in forms_:
        start = forms_.index(rows.forms[place])
        forms_.insert(max(0, start + _MOVES[direction]), forms_.pop(start))
    return [form.line for form in forms_]


# --- Payment plan ----------------------------------------------------------------------------------------------------


class InstalmentForm(forms.Form):
    pk = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**62)
    due_on = forms.DateField(label=_("Due"), widget=DateInput, required=False)
    amount = AmountField(label=_("Amount"), max_digits=14, decimal_places=2, min_value=Decimal("0.01"), required=False)
    note = forms.CharField(label=_("Note"), max_length=300, required=False, validators=[validate_text])

    def clean_due_on(self) -> datetime.date | None:
        day = self.cleaned_data["due_on"]
        if day and not datetime.date(1990, 1, 1) <= day <= LATEST_DAY:
            raise ValidationError(_("Please choose another day."))
        return day

    def clean(self) -> dict:
        if self.has_changed() and not self.errors:
            for name in ("due_on", "amount"):
                if self.cleaned_data.get(name) is None:
                    self.add_error(name, _("This is needed."))
        return self.cleaned_data

    @property
    def instalment(self) -> Instalment:
        said = self.cleaned_data
        return Instalment(said["due_on"], said["amount"], said["note"], said["pk"])


_PlanRows = forms.formset_factory(
    InstalmentForm, formset=_Rows, extra=1, can_delete=True, max_num=120, absolute_max=130
)


def plan_rows(plan: list[PlannedPayment], data: Any = None) -> Any:
    initial = [{"pk": each.pk, "due_on": each.due_on, "amount": each.amount, "note": each.note} for each in plan]
    return _PlanRows(data, prefix="plan", initial=initial)


class SplitForm(SeenOpportunity):
    """A plan that is offered: in so many monthly parts, from a first day on."""

    parts = forms.TypedChoiceField(
        label=_("Split"),
        coerce=int,
        choices=[
            (1, _("one payment")),
            (2, _("two halves")),
            (3, _("3 monthly")),
            (4, _("4 monthly")),
            (6, _("6 monthly")),
            (12, _("12 monthly")),
            (24, _("24 monthly")),
        ],
    )
    first_on = forms.DateField(label=_("First due"), widget=DateInput)

    def clean_first_on(self) -> datetime.date:
        day = self.cleaned_data["first_on"]
        if not datetime.date(1990, 1, 1) <= day <= LATEST_DAY - datetime.timedelta(days=3650):
            raise ValidationError(_("Please choose another day."))
        return day


# --- Payments --------------------------------------------------------------------------------------------------------


class PaymentForm(forms.ModelForm):
    submission_key = forms.UUIDField(widget=forms.HiddenInput)
    amount = AmountField(label=_("Amount"), max_digits=14, decimal_places=2, min_value=Decimal("0.01"))
    currency = forms.ChoiceField(label=_("Currency"), required=False)

    class Meta:
        model = Payment
        fields = ["paid_on", "note"]
        widgets = {"paid_on": DateInput}

    field_order = ["paid_on", "amount", "currency", "note"]

    def __init__(self, *args, today: datetime.date, currency: str = "", **kwargs) -> None:
        choices = currency_choices(currency)
        first = {"submission_key": uuid.uuid4(), "paid_on": today, "currency": currency or choices[0][0]}
        kwargs["initial"] = first | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["paid_on"].validators += SANE_DAYS
        self.fields["currency"].choices = choices
        if len(choices) == 1:
            del self.fields["currency"]

    def clean_paid_on(self) -> datetime.date:
        if self.cleaned_data["paid_on"] > self.today:
            raise ValidationError(_("This day hasn't come yet. Record a payment when the money is there."))
        return self.cleaned_data["paid_on"]


class WhyForm(forms.Form):
    """A reason for what is taken back."""

    why = forms.CharField(
        label=_("Why?"), max_length=300, validators=[validate_text], widget=forms.Textarea(attrs={"rows": 2})
    )


# --- What was asked for, and what is objected ------------------------------------------------------------------------


class DatedForm(forms.Form):
    when = moment(_("When"))

    def __init__(self, *args, now: datetime.datetime, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.fields["when"].initial = timezone.localtime(now).replace(second=0, microsecond=0)

    def clean_when(self) -> datetime.datetime:
        """A moment within this minute is now: the field knows no seconds."""
        when = self.cleaned_data["when"]
        is_now = self.now.replace(second=0, microsecond=0) == when.replace(second=0, microsecond=0)
        if not is_now and when > self.now:
            raise ValidationError(_("This moment hasn't come yet."))
        return self.now if is_now else when


class ObjectionForm(forms.Form):
    kind = forms.ChoiceField(label=_("Objection"), choices=Objection.Kind.choices)
    text = forms.CharField(label=_("In their words"), max_length=500, required=False, validators=[validate_text])


class ObjectionEndForm(forms.Form):
    end = forms.ChoiceField(label=_("How it ended"), choices=Objection.End.choices)
    note = forms.CharField(label=_("Note"), max_length=500, required=False, validators=[validate_text])


DATED = {
    "asked": {
        Stage.DEMO: _("The client asked for a demo"),
        Stage.PROPOSAL: _("The client asked for a proposal"),
        Stage.CONTRACT: _("The client asked for a contract"),
    },
    "sent": {
        Stage.DEMO: _("The demo was held"),
        Stage.PROPOSAL: _("The proposal was sent"),
        Stage.CONTRACT: _("The contract was sent"),
    },
}
