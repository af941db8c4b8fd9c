"""Input about partners and unmet demand."""

from django import forms
from django.utils.translation import gettext_lazy as _

from leads.forms.seen import SeenForm
from leads.models import Partner, UnmetDemand
from leads.normalise import fold, validate_text


class PartnerForm(SeenForm):
    website = forms.URLField(
        label=_("Website"), required=False, max_length=300, assume_scheme="https", validators=[validate_text]
    )

    class Meta:
        model = Partner
        fields = ["name", "services", "contact_name", "email", "phone", "website", "reward_terms", "is_active"]
        widgets = {"services": forms.Textarea(attrs={"rows": 2})}


class DemandRequestForm(forms.Form):
    """What a lead asked for."""

    name = forms.CharField(
        label=_("What did they ask for?"),
        max_length=150,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"list": "known-demand", "autocomplete": "off"}),
    )
    note = forms.CharField(label=_("In their words"), max_length=500, required=False, validators=[validate_text])

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if not fold(name):
            raise forms.ValidationError(_("Type a name."))
        return name


class DemandForm(SeenForm):
    """Its name, and what was decided about it. A name that another one has puts the two together."""

    class Meta:
        model = UnmetDemand
        fields = ["name", "answer"]

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if not fold(name):
            raise forms.ValidationError(_("Type a name."))
        return name

    @property
    def decided(self) -> dict[str, str]:
        """What `demand.decide` is to keep."""
        return {name: self.cleaned_data[name] for name in ("name", "answer")}
