"""What a person enters about the pipeline, and the filters of its lists."""

import datetime
import uuid
from collections.abc import Iterable

from django import forms
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Organisation, Role, Team, User
from leads.models import Campaign, Channel, Lead, Product, Reason
from leads.models.leads import SELLING
from leads.normalise import validate_text
from pipeline.models import Activity, Agreement, Handoff, Opportunity, Payment
from pipeline.models.opportunities import OPPORTUNITY_STAGES
from pipeline.sla import Clock


def _date(**kwargs) -> forms.DateField:
    return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **kwargs)


def _words(label: str, *, most: int, rows: int = 2, **kwargs) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=most,
        required=False,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": rows}),
        **kwargs,
    )


def sales_people() -> QuerySet[User]:
    """Who can be given a lead."""
    return User.objects.active().filter(role__in=access.SELL)


# --- Steps of the funnel ---------------------------------------------------------------------------------------------


class ActivityForm(forms.Form):
    """What was done and what came of it, sent by one button: `what` is “call:reached”."""

    what = forms.CharField(max_length=30)
    note = _words(_("Note"), most=5000)
    submission_key = forms.UUIDField(required=False)

    def clean_what(self) -> tuple[Activity.Kind, Activity.Outcome]:
        kind, _colon, outcome = self.cleaned_data["what"].partition(":")
        if outcome not in Activity.OUTCOMES.get(kind, []):
            raise ValidationError(_("Please choose what you did and what came of it."))
        return Activity.Kind(kind), Activity.Outcome(outcome)


class RejectForm(forms.Form):
    reason = forms.ModelChoiceField(
        label=_("Reason"), queryset=Reason.objects.none(), widget=forms.RadioSelect, empty_label=None
    )
    missing = _words(_("What was missing?"), most=2000, rows=1)
    not_asked = _words(_("What was not asked?"), most=2000, rows=1)
    misread = _words(_("What was misread?"), most=2000, rows=1)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].queryset = Reason.objects.offered(Reason.Kind.REJECTION)


class ReassignForm(forms.Form):
    to = forms.ModelChoiceField(label=_("Give it to"), queryset=User.objects.none())

    def __init__(self, *args, by: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        people = sales_people()
        if by.role == Role.SALES_MANAGER:
            people = people.filter(Q(team=by.team_id) if by.team_id else Q(pk=by.pk))
        self.fields["to"].queryset = people


class HandOverForm(forms.Form):
    to = forms.ModelChoiceField(
        label=_("Sales rep"), queryset=User.objects.none(), required=False, empty_label=_("Whose turn it is")
    )
    note = _words(_("Note to sales"), most=5000, help_text=_("What was agreed with the client, and what comes next."))

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = sales_people().select_related("team")


class BriefForm(forms.Form):
    brief = forms.CharField(
        label=_("What the client needs"),
        max_length=10000,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 8}),
    )


class RemoveForm(forms.Form):
    reason = forms.ModelChoiceField(
        label=_("Reason"), queryset=Reason.objects.none(), widget=forms.RadioSelect, empty_label=None
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].queryset = Reason.objects.offered(Reason.Kind.REMOVAL)


# --- Selling ---------------------------------------------------------------------------------------------------------


class OpportunityForm(forms.ModelForm):
    """Facts of an open opportunity. `seen_at` says which version the person was looking at."""

    seen_at = forms.CharField(max_length=40, widget=forms.HiddenInput)

    class Meta:
        model = Opportunity
        fields = ["amount", "margin", "product", "expected_close_on", "next_step", "next_step_on"]
        widgets = {
            "expected_close_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "next_step_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }

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

    happened_on = _date(label=_("On"), help_text=_("Today, unless it happened earlier."))

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
    amount = forms.DecimalField(label=_("Amount"), max_digits=14, decimal_places=2, min_value=0)
    margin = forms.DecimalField(
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
    note = _words(_("Details"), most=2000)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].queryset = Reason.objects.offered(Reason.Kind.LOSS)


class PaymentForm(forms.ModelForm):
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    class Meta:
        model = Payment
        fields = ["paid_on", "amount", "note"]
        widgets = {"paid_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}

    def __init__(self, *args, today: datetime.date, **kwargs) -> None:
        kwargs["initial"] = {"submission_key": uuid.uuid4(), "paid_on": today} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_paid_on(self) -> datetime.date:
        if self.cleaned_data["paid_on"] > self.today:
            raise ValidationError(_("This day hasn't come yet. Record a payment when the money is there."))
        return self.cleaned_data["paid_on"]


# --- Agreement -------------------------------------------------------------------------------------------------------


class AgreementForm(forms.ModelForm):
    """The terms of the next version; `seen_version` says which one it is meant to replace."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = Agreement
        fields = [
            "first_contact_days",
            "verdict_days",
            "day_kind",
            "remind_days",
            "manager_days",
            "director_days",
            "cold_days",
            "unreachable_attempts",
            "note",
        ]

    def clean(self) -> dict:
        data = super().clean() or self.cleaned_data
        self._in_order("first_contact_days", "verdict_days", _("The verdict can't be due before the first contact."))
        self._in_order("manager_days", "director_days", _("The director is told after the manager, not before."))
        return data

    def _in_order(self, first: str, then: str, otherwise: str) -> None:
        earlier, later = self.cleaned_data.get(first), self.cleaned_data.get(then)
        if earlier is not None and later is not None and later < earlier:
            self.add_error(then, otherwise)


# --- Filters of lists ------------------------------------------------------------------------------------------------

NONE = "none"


class OneOrNone(forms.ModelChoiceField):
    """Any one row, or `none`: those that have none. The menu offers its queryset, an address may name any row."""

    def to_python(self, value):
        if value in self.empty_values or value == NONE:
            return value or None
        try:
            return self.queryset.model._default_manager.get(pk=value)
        except (ValueError, TypeError, self.queryset.model.DoesNotExist) as error:
            raise ValidationError(self.error_messages["invalid_choice"], code="invalid_choice") from error

    def validate(self, value) -> None:
        forms.Field.validate(self, value)


def _one(label: str, rows: QuerySet, *, hidden: bool = False) -> OneOrNone:
    return OneOrNone(
        label=label, queryset=rows, required=False, empty_label=_("any"), widget=forms.HiddenInput if hidden else None
    )


def _choice(label: str, choices: Iterable[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=[("", _("any")), *choices], required=False)


class FilterForm(forms.Form):
    """Filters of a list as they stand in its address. What isn't offered, a name or a value, is a 400.

    `paths` says which column each choice filters, `periods` which moment a pair of `<name>_from` and `<name>_to` does;
    their days are the organisation's.
    """

    paths: dict[str, str] = {}
    periods: dict[str, str] = {}
    q = forms.CharField(label=_("Search"), max_length=200, required=False, validators=[validate_text])

    def __init__(self, parameters: QueryDict) -> None:
        unknown = set(parameters) - set(self.base_fields) - {"after", "view", "show"}
        if unknown:
            raise BadRequest(
                gettext("There is no such filter: %(names)s.") % {"names": ", ".join(sorted(unknown))[:200]}
            )
        super().__init__(parameters)
        if not self.is_valid():
            wrong = ", ".join(str(self.fields[name].label) for name in self.errors if name in self.fields)
            raise BadRequest(gettext("A filter's value can't be read: %(names)s.") % {"names": wrong})

    def narrow(self, rows: QuerySet) -> QuerySet:
        """`rows` as far as every filter that is set lets them through."""
        for name, value in self.chosen.items():
            if name == "q":
                rows = rows.filter(lead__in=Lead.objects.search(value))
            elif name in self.paths:
                path = self.paths[name]
                rows = rows.filter(**({f"{path}__isnull": True} if value == NONE else {path: value}))
            elif name.removesuffix("_from").removesuffix("_to") in self.periods:
                rows = rows.filter(self._bound(name, value))
        return rows

    def _bound(self, name: str, day: datetime.date) -> Q:
        zone = Organisation.current().tzinfo
        period, _underscore, end = name.rpartition("_")
        path = self.periods[period]
        if path.endswith("_on"):
            return Q(**{f"{path}__{'gte' if end == 'from' else 'lte'}": day})
        if end == "from":
            return Q(**{f"{path}__gte": datetime.datetime.combine(day, datetime.time(), zone)})
        return Q(**{f"{path}__lt": datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), zone)})

    @property
    def chosen(self) -> dict[str, object]:
        """The filters that are set, by name."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "", [])}

    def address(self, **changes: object) -> str:
        """The query of the same list with other filters: `?stage=won`; None takes one away."""
        wanted = {name: self.data[name] for name in self.chosen} | changes
        return "?" + urlencode({name: value for name, value in wanted.items() if value is not None})

    @property
    def chips(self) -> list[dict]:
        """What is set, in words, each with the change of the address that takes it away."""
        return [
            {"label": self.fields[name].label, "value": self._shown(name, value), "url": self.address(**{name: None})}
            for name, value in self.chosen.items()
        ]

    def _shown(self, name: str, value: object) -> str:
        if value == NONE:
            return gettext("none")
        if isinstance(value, datetime.date):
            return date_format(value, "SHORT_DATE_FORMAT")
        field = self.fields[name]
        return str(dict(field.choices)[value]) if type(field) is forms.ChoiceField else str(value)


class HandoffFilter(FilterForm):
    verdict = _choice(_("Verdict"), Handoff.Verdict.choices)
    clock = _choice(_("Clock"), [(clock.value, clock.label) for clock in Clock])
    state = _choice(
        _("Clock is"), [("overdue", _("overdue")), ("running", _("running")), ("kept", _("kept")), ("late", _("late"))]
    )
    rep = _one(_("Sales rep"), User.objects.filter(role__in=access.SELL))
    team = _one(_("Team"), Team.objects.all())
    reason = _one(_("Reason"), Reason.objects.filter(kind=Reason.Kind.REJECTION))
    channel = _one(_("Channel"), Channel.objects.all())
    product = _one(_("Product"), Product.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.all(), hidden=True)
    handed_over_from = _date(label=_("Handed over from"), required=False)
    handed_over_to = _date(label=_("Handed over to"), required=False)
    contacted_from = _date(label=_("Contacted from"), required=False)
    contacted_to = _date(label=_("Contacted to"), required=False)
    decided_from = _date(label=_("Decided from"), required=False)
    decided_to = _date(label=_("Decided to"), required=False)
    due_from = _date(label=_("Fell due from"), required=False)
    due_to = _date(label=_("Fell due to"), required=False)

    paths = {
        "verdict": "verdict",
        "rep": "assigned_to",
        "team": "assigned_to__team",
        "reason": "reason",
        "channel": "lead__campaign__channel",
        "campaign": "lead__campaign",
        "product": "lead__product",
    }
    periods = {"handed_over": "handed_over_at", "contacted": "first_contact_at", "decided": "decided_at"}

    def clean(self) -> dict:
        for name in ("state", "due_from", "due_to"):
            if self.cleaned_data.get(name) and not self.cleaned_data.get("clock"):
                self.add_error(name, _("Choose a clock, too."))
        return self.cleaned_data

    def narrow(self, rows: QuerySet) -> QuerySet:
        self.periods = {**self.periods, "due": f"{self.cleaned_data['clock']}_due_at"}
        rows = super().narrow(rows)
        if self.cleaned_data["due_from"] or self.cleaned_data["due_to"]:
            rows = rows.filter(**{f"{self.periods['due']}__lte": timezone.now()})
        if self.cleaned_data["state"]:
            rows = rows.with_clock(Clock(self.cleaned_data["clock"]), self.cleaned_data["state"], timezone.now())
        return rows


class OpportunityFilter(FilterForm):
    stage = _choice(_("Stage"), [(stage.value, stage.label) for stage in OPPORTUNITY_STAGES])
    owner = _one(_("Owner"), User.objects.filter(role__in=access.SELL))
    team = _one(_("Team"), Team.objects.all())
    product = _one(_("Product"), Product.objects.all())
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.all(), hidden=True)
    lost_reason = _one(_("Why lost"), Reason.objects.filter(kind=Reason.Kind.LOSS))
    new_clients = _choice(_("Clients"), [("1", _("bought for the first time"))])
    opened_from = _date(label=_("Opened from"), required=False)
    opened_to = _date(label=_("Opened to"), required=False)
    demo_from = _date(label=_("Demo from"), required=False)
    demo_to = _date(label=_("Demo to"), required=False)
    proposal_from = _date(label=_("Proposal from"), required=False)
    proposal_to = _date(label=_("Proposal to"), required=False)
    contract_from = _date(label=_("Contract from"), required=False)
    contract_to = _date(label=_("Contract to"), required=False)
    won_from = _date(label=_("Won from"), required=False)
    won_to = _date(label=_("Won to"), required=False)
    lost_from = _date(label=_("Lost from"), required=False)
    lost_to = _date(label=_("Lost to"), required=False)
    paid_from = _date(label=_("Paid from"), required=False)
    paid_to = _date(label=_("Paid to"), required=False)

    paths = {
        "stage": "stage",
        "owner": "owner",
        "team": "owner__team",
        "product": "product",
        "channel": "lead__campaign__channel",
        "campaign": "lead__campaign",
        "lost_reason": "lost_reason",
    }
    periods = {
        "opened": "opened_at",
        "demo": "demo_at",
        "proposal": "proposal_at",
        "contract": "contract_at",
        "won": "won_at",
        "lost": "lost_at",
    }

    def narrow(self, rows: QuerySet) -> QuerySet:
        rows = super().narrow(rows)
        if self.cleaned_data["opened_from"] or self.cleaned_data["opened_to"]:
            rows = rows.of_known_opening()
        if self.cleaned_data["new_clients"]:
            rows = rows.first_of_clients()
        since, until = self.cleaned_data["paid_from"], self.cleaned_data["paid_to"]
        if since or until:
            paid = Payment.objects.all()
            paid = paid.filter(paid_on__gte=since) if since else paid
            paid = paid.filter(paid_on__lte=until) if until else paid
            rows = rows.filter(pk__in=paid.values("opportunity"))
        return rows
