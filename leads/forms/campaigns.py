"""Input about campaigns and what they cost."""

import datetime

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User
from leads.forms.fields import AmountField, DateInput
from leads.forms.filters import FilterForm
from leads.forms.seen import SeenForm
from leads.models import Campaign, Channel, Expense
from leads.models.campaigns import CampaignQuerySet, ExpenseQuerySet
from leads.normalise import validate_text


class CampaignForm(forms.ModelForm):
    planned_budget = AmountField(
        label=_("Planned budget"), required=False, min_value=0, max_digits=14, decimal_places=2
    )
    seen_at = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Campaign
        fields = [
            "name",
            "channel",
            "owner",
            "starts_on",
            "ends_on",
            "place",
            "planned_budget",
            "impressions",
            "visits",
            "participants",
        ]
        widgets = {"starts_on": DateInput, "ends_on": DateInput}
        help_texts = {
            "ends_on": _("Leave empty when it lasts one day."),
            "impressions": _("How many people saw it."),
            "visits": _("How many came to the page or the stand."),
            "participants": _("How many took part in the event."),
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        campaign = self.instance
        self.fields["channel"].queryset = Channel.objects.filter(Q(is_active=True) | Q(pk=campaign.channel_id))
        self.fields["owner"].queryset = User.objects.filter(Q(is_active=True) | Q(pk=campaign.owner_id))
        self.fields["owner"].empty_label = _("Nobody yet")
        for name in ("impressions", "visits", "participants"):
            self.fields[name].max_value = 10**12
        self.fields["planned_budget"].label = _("Planned budget, %(currency)s") % _currency()
        self.initial["seen_at"] = campaign.updated_at.isoformat() if campaign.pk else ""

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk and cleaned.get("seen_at") != self.initial["seen_at"]:
            self.data = self.data.copy()
            self.data["seen_at"] = self.initial["seen_at"]
            raise forms.ValidationError(
                _("Someone saved this campaign while you were editing it. Nothing of yours is saved yet: open the "
                  "campaign in a new tab to see what changed, then save here again to keep your version."),
                code="outdated",
            )  # fmt: skip
        return cleaned


def _currency() -> dict[str, str]:
    return {"currency": Organisation.current().currency}


class CampaignFilter(FilterForm):
    """What the list of campaigns can be narrowed to."""

    q = forms.CharField(required=False, max_length=200, validators=[validate_text])
    channel = forms.ModelChoiceField(Channel.objects.all(), required=False)
    owner = forms.ModelChoiceField(User.objects.all(), required=False)
    events = forms.ChoiceField(choices=[("1", _("Events only"))], required=False)
    when = forms.ChoiceField(choices=[("upcoming", _("Running or ahead")), ("past", _("Past"))], required=False)
    reach = forms.ChoiceField(
        choices=[("impressions", _("impressions")), ("visits", _("visits")), ("participants", _("participants"))],
        required=False,
    )
    starts_from = forms.DateField(required=False)
    starts_to = forms.DateField(required=False)

    def apply(self, campaigns: CampaignQuerySet, today: datetime.date) -> CampaignQuerySet:
        wanted = self.cleaned_data
        if wanted["q"]:
            campaigns = campaigns.search(wanted["q"])
        if wanted["channel"]:
            campaigns = campaigns.filter(channel=wanted["channel"])
        if wanted["owner"]:
            campaigns = campaigns.filter(owner=wanted["owner"])
        if wanted["events"]:
            campaigns = campaigns.events()
        if wanted["reach"]:
            campaigns = campaigns.filter(**{f"{wanted['reach']}__isnull": False})
        if wanted["starts_from"]:
            campaigns = campaigns.filter(starts_on__gte=wanted["starts_from"])
        if wanted["starts_to"]:
            campaigns = campaigns.filter(starts_on__lte=wanted["starts_to"])
        if wanted["when"]:
            campaigns = campaigns.upcoming(today) if wanted["when"] == "upcoming" else campaigns.past(today)
        return campaigns


class ExpenseForm(SeenForm):
    amount = AmountField(label=_("Amount"), max_digits=14, decimal_places=2, min_value=0)

    class Meta:
        model = Expense
        fields = ["spent_on", "amount", "note"]
        widgets = {"spent_on": DateInput}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"].label = _("Amount, %(currency)s") % _currency()


class ExpenseFilter(FilterForm):
    """What the list of expenses can be narrowed to; both days are included."""

    channel = forms.ModelChoiceField(Channel.objects.all(), required=False)
    campaign = forms.ModelChoiceField(Campaign.objects.all(), required=False)
    withdrawn = forms.ChoiceField(choices=[("1", _("Withdrawn ones"))], required=False)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["from"] = forms.DateField(label=_("From"), required=False, widget=DateInput)
        self.fields["to"] = forms.DateField(label=_("To"), required=False, widget=DateInput)

    def apply(self, expenses: ExpenseQuerySet) -> ExpenseQuerySet:
        wanted = self.cleaned_data
        expenses = expenses.filter(withdrawn_at__isnull=False) if wanted["withdrawn"] else expenses.valid()
        if wanted["channel"]:
            expenses = expenses.filter(campaign__channel=wanted["channel"])
        if wanted["campaign"]:
            expenses = expenses.filter(campaign=wanted["campaign"])
        if wanted["from"]:
            expenses = expenses.filter(spent_on__gte=wanted["from"])
        if wanted["to"]:
            expenses = expenses.filter(spent_on__lte=wanted["to"])
        return expenses
