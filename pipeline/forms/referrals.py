"""Input about passing a lead to a partner."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _

from leads.forms.fields import AmountField
from leads.models import Partner, Referral
from pipeline.forms.fields import words
from pipeline.transitions.referrals import FACTS


class ReferForm(forms.Form):
    """To whom, what is passed, and the person's consent where it isn't recorded yet."""

    partner = forms.ModelChoiceField(label=_("Partner"), queryset=Partner.objects.none())
    passed = forms.MultipleChoiceField(
        label=_("What is passed on"), choices=list(FACTS.items()), widget=forms.CheckboxSelectMultiple
    )
    consent = forms.BooleanField(label=_("They agreed to this"), required=False)
    note = words(_("Note to the partner"), most=5000)
    by_mail = forms.BooleanField(label=_("Send it to the partner by e-mail now"), required=False)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, initial={"passed": ["name", "company", "phone", "email", "brief"]}, **kwargs)
        self.fields["partner"].queryset = Partner.objects.filter(is_active=True)


class ReferralForm(forms.Form):
    """What came of a referral."""

    outcome = forms.ChoiceField(
        label=_("What came of it"),
        choices=[choice for choice in Referral.Outcome.choices if choice[0] != Referral.Outcome.OPEN],
        widget=forms.RadioSelect,
    )
    note = words(_("Note"), most=5000)
    reward = forms.ChoiceField(label=_("Reward"), choices=Referral.Reward.choices, required=False)
    reward_amount = AmountField(label=_("Amount"), required=False, min_value=Decimal("0.01"), max_digits=14)

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("reward") and cleaned.get("reward_amount") is None and "reward_amount" not in self.errors:
            self.add_error("reward_amount", _("How much?"))
        return cleaned
