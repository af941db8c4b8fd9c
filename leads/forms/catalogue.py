"""Input about the kept lists: channels, products, reasons."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _

from leads.forms.fields import AmountField
from leads.forms.seen import SeenForm
from leads.models import Channel, Product, Reason


class TranslatedName(SeenForm):
    """A default's English name is shown translated; saving it untouched must not store the translation."""

    translated: str

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial[self.translated] = self._shown = str(self.instance)
            self._stored = getattr(self.instance, self.translated)

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk and cleaned.get(self.translated) == self._shown:
            cleaned[self.translated] = self._stored
        return cleaned


class ChannelForm(TranslatedName):
    translated = "name"

    class Meta:
        model = Channel
        fields = ["name", "audience", "is_event", "is_active"]


class ProductForm(SeenForm):
    """The share is typed and shown in percent, and kept as a part of one."""

    cost_percent = AmountField(
        label=_("Cost share, %"),
        required=False,
        min_value=0,
        max_value=100,
        max_digits=5,
        decimal_places=2,
        help_text=_("Cost of sales as a part of the price: 40 means that 40 of every 100 are cost. Empty: not known."),
    )

    class Meta:
        model = Product
        fields = ["name", "is_active"]

    field_order = ["name", "cost_percent", "is_active"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.cost_share is not None:
            self.initial["cost_percent"] = f"{self.instance.cost_share * 100:f}".rstrip("0").rstrip(".")

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        percent = cleaned.get("cost_percent")
        self.instance.cost_share = None if percent is None else percent / Decimal(100)
        return cleaned


class ReasonForm(TranslatedName):
    translated = "text"

    class Meta:
        model = Reason
        fields = ["kind", "text", "evidence", "recycle_days", "recycle_how", "is_active"]
        widgets = {"kind": forms.HiddenInput}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].disabled = True  # a reason stays in the list that it was made for
        if self.instance.kind != Reason.Kind.REJECTION:
            del self.fields["evidence"]
        if self.instance.kind != Reason.Kind.LOSS:
            del self.fields["recycle_days"], self.fields["recycle_how"]
        else:
            self.fields["recycle_how"].required = False  # left out, the default
