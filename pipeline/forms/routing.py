"""Input about routing: rules, what each of sales takes, absences, and the preview."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import User
from leads.forms.catalogue import TranslatedName
from leads.forms.fields import DateInput
from leads.forms.filters import FilterForm
from leads.forms.seen import SeenForm
from leads.models import Channel, Product
from leads.normalise import SANE_DAYS
from pipeline.forms.fields import sales_people
from pipeline.models import Absence, RoutingRule, SalesProfile
from pipeline.routing.rulebook import MOST_RULES

TURN = "turn"  # as a filter: no rule decided


class RoutingRuleForm(TranslatedName):
    translated = "name"

    class Meta:
        model = RoutingRule
        fields = [
            "name", "products", "channels", "regions", "client", "in_office_hours", "to", "team", "person", "takes",
            "order", "is_active",
        ]  # fmt: skip
        widgets = {"products": forms.CheckboxSelectMultiple, "channels": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.instance
        kept = {"products": Q(pk__in=[]), "channels": Q(pk__in=[])}
        if rule.pk:
            kept = {name: Q(pk__in=getattr(rule, name).values("pk")) for name in kept}
        self.fields["products"].queryset = Product.objects.filter(Q(is_active=True) | kept["products"])
        self.fields["channels"].queryset = Channel.objects.filter(Q(is_active=True) | kept["channels"])
        self.fields["person"].queryset = User.objects.filter(
            Q(is_active=True, role__in=access.SELL) | Q(pk=rule.person_id)
        )
        self.fields["team"].empty_label = self.fields["person"].empty_label = _("Choose…")
        self.fields["in_office_hours"].label = _("Only to who is at work at that moment")
        self.fields["takes"].help_text = _("Of a team or of all of sales.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        to = cleaned.get("to")
        for name, needs, error in (
            ("team", RoutingRule.To.TEAM, _("Choose the team.")),
            ("person", RoutingRule.To.PERSON, _("Choose the person.")),
        ):
            if to != needs:
                cleaned[name] = None  # chosen before another target was
                self.errors.pop(name, None)
            elif not cleaned.get(name) and name not in self.errors:
                self.add_error(name, error)
        if not self.instance.pk and RoutingRule.objects.count() >= MOST_RULES:
            raise ValidationError(
                ngettext(
                    "There is %(most)s rule already, and more can't be kept apart. Delete one first.",
                    "There are %(most)s rules already, and more can't be kept apart. Delete one first.",
                    MOST_RULES,
                )
                % {"most": MOST_RULES}
            )
        return cleaned


class SalesProfileForm(SeenForm):
    class Meta:
        model = SalesProfile
        fields = ["is_receiving", "takes", "max_open", "max_in_30_days", "works_from", "works_until"]
        widgets = {
            "works_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "works_until": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if bool(cleaned.get("works_from")) != bool(cleaned.get("works_until")) and not self.errors:
            self.add_error("works_until", _("Give both times, or neither."))
        return cleaned


class AbsenceForm(SeenForm):
    """For whom: oneself, who of one's team, or anybody of sales, as the role says."""

    class Meta:
        model = Absence
        fields = ["user", "starts_on", "ends_on", "deputy", "note"]
        widgets = {"starts_on": DateInput, "ends_on": DateInput}

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = [user.pk for user in sales_people() if access.can_sell_for(by, user)]
        self.fields["user"].queryset = User.objects.filter(pk__in=mine)
        self.fields["user"].empty_label = None
        self.initial.setdefault("user", by.pk)
        if self.instance.pk:
            del self.fields["user"]  # whose days they are doesn't change
        elif mine == [by.pk]:
            self.fields["user"].disabled, self.fields["user"].widget = True, forms.HiddenInput()
        self.fields["deputy"].queryset = User.objects.filter(
            Q(is_active=True, role__in=access.SELL) | Q(pk=self.instance.deputy_id)
        )
        self.fields["deputy"].empty_label = _("Nobody")
        self.fields["deputy"].help_text = _("Gets the leads that the rules would give to who is away.")
        for name in ("starts_on", "ends_on"):
            self.fields[name].validators += SANE_DAYS


class AbsenceFilter(FilterForm):
    show = forms.ChoiceField(choices=[("", _("Now and to come")), ("past", _("Past"))], required=False)


class PreviewFilter(FilterForm):
    """Which rules the preview goes by, and which of its leads are listed."""

    unused = forms.ChoiceField(choices=[("", ""), ("1", "1")], required=False)
    had = forms.ModelChoiceField(User.objects.all(), required=False)
    would = forms.ModelChoiceField(User.objects.all(), required=False)
    rule = forms.CharField(max_length=20, required=False)
    moved = forms.ChoiceField(choices=[("", ""), ("1", "1")], required=False)

    NARROWING = ("had", "would", "rule", "moved")

    def clean_rule(self) -> str:
        rule = self.cleaned_data["rule"]
        if rule and rule != TURN and not (rule.isascii() and rule.isdigit()):
            raise ValidationError(gettext("There is no such rule."))
        return rule
