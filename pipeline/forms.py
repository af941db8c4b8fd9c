"""What a person enters about the pipeline, and the filters of its lists."""

import datetime
import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Organisation, Role, Team, User
from leads.forms.fields import AmountField, DateInput
from leads.forms.filters import FilterForm
from leads.forms.leads import NONE, SANE_DAYS, OneOrNoneField, WithNone
from leads.models import Campaign, Channel, Lead, Partner, Product, Reason, Referral
from leads.models.leads import SELLING
from leads.normalise import SEARCH_LENGTH, validate_text
from pipeline import retention
from pipeline.desk import Queue
from pipeline.models import Activity, Agreement, Handoff, Opportunity, Payment
from pipeline.models.opportunities import OPPORTUNITY_STAGES
from pipeline.sla import Clock
from pipeline.transitions.referrals import FACTS


def _words(label: str, *, most: int, rows: int = 2, **kwargs) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=most,
        required=False,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": rows}),
        **kwargs,
    )


def _moment(label: str, **kwargs) -> forms.DateTimeField:
    """Day and time in the reader's time zone, picked in the browser."""
    return forms.DateTimeField(
        label=label,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
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


class CallForm(forms.Form):
    """What came of a call at the desk, sent by one button: `outcome` is “reached”, or “call_back@” and the moment.

    `when` is the moment for “call_back” without one; `retry_at` when to try again somebody who didn't answer, blank
    for no plan. The brief is kept only where the person changed it.
    """

    outcome = forms.CharField(max_length=60)
    when = _moment(_("On"), required=False)
    retry_at = forms.ChoiceField(label=_("If nobody answers, try again"), required=False)
    note = _words(_("Note"), most=5000)
    brief = forms.CharField(
        label=_("What the client needs"),
        max_length=10000,
        required=False,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 4}),
        show_hidden_initial=True,
    )
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args, retries: Iterable[tuple[str, str]], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["retry_at"].choices = [*retries, ("", _("Don't plan it"))]
        if sent := self.data.get("retry_at"):  # offered when the page was opened, perhaps an hour ago
            offered = dict(self.fields["retry_at"].choices)
            self.fields["retry_at"].choices += [] if sent in offered else [(sent, _("as chosen"))]

    def clean_retry_at(self) -> datetime.datetime | None:
        return _read_moment(self.cleaned_data["retry_at"]) if self.cleaned_data["retry_at"] else None

    def clean(self) -> dict:
        data = self.cleaned_data
        outcome, _at, moment = data.get("outcome", "").partition("@")
        if outcome not in Activity.OUTCOMES[Activity.Kind.CALL]:
            raise ValidationError(_("Please choose what came of the call."))
        data["outcome"] = Activity.Outcome(outcome)
        data["next_attempt_at"] = None
        if outcome == Activity.Outcome.CALL_BACK:
            data["next_attempt_at"] = _read_moment(moment) if moment else data.get("when")
            if data["next_attempt_at"] is None and "when" not in self.errors:
                self.add_error("when", _("When should they be called?"))
        elif outcome == Activity.Outcome.NO_ANSWER:
            data["next_attempt_at"] = data.get("retry_at")
        return data

    @property
    def new_brief(self) -> str:
        """The brief as the person wrote it, or nothing where they left it as it was."""
        return self.cleaned_data["brief"] if "brief" in self.changed_data else ""

    @property
    def seen_brief(self) -> str:
        """The brief that the person saw when the page was opened."""
        return self.data.get(self.add_initial_prefix("brief"), "")


def _read_moment(text: str) -> datetime.datetime:
    """A moment that a button or an option carries."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValidationError(_("This page is damaged. Please reload it."))
    return moment


class TaskForm(forms.Form):
    title = forms.CharField(label=_("What to do"), max_length=300, validators=[validate_text])
    assignee = forms.ModelChoiceField(label=_("Who"), queryset=User.objects.none(), empty_label=None)
    due_at = _moment(_("When"))
    note = _words(_("Note"), most=5000)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = User.objects.active().filter(role__in=access.HAVE_TASKS)

    def clean_due_at(self) -> datetime.datetime:
        due_at = self.cleaned_data["due_at"]
        if not SANE_DAYS[0].limit_value <= due_at.date() <= SANE_DAYS[1].limit_value:
            raise ValidationError(_("Please choose a real date."))
        return due_at


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

    def __init__(self, *args, by: User, holder: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        people = sales_people()
        if by.role == Role.SALES_MANAGER:
            people = people.filter(Q(team=by.team_id) if by.team_id else Q(pk=by.pk))
        if not self.is_bound:  # what was offered stays valid, though it came true meanwhile
            people = people.exclude(pk=holder.pk)
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


# --- Partners --------------------------------------------------------------------------------------------------------


class ReferForm(forms.Form):
    """To whom, what is passed, and the person's consent where it isn't recorded yet."""

    partner = forms.ModelChoiceField(label=_("Partner"), queryset=Partner.objects.none())
    passed = forms.MultipleChoiceField(
        label=_("What is passed on"), choices=list(FACTS.items()), widget=forms.CheckboxSelectMultiple
    )
    consent = forms.BooleanField(label=_("They agreed to this"), required=False)
    note = _words(_("Note to the partner"), most=5000)
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
    note = _words(_("Note"), most=5000)
    reward = forms.ChoiceField(label=_("Reward"), choices=Referral.Reward.choices, required=False)
    reward_amount = AmountField(label=_("Amount"), required=False, min_value=Decimal("0.01"), max_digits=14)

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("reward") and cleaned.get("reward_amount") is None and "reward_amount" not in self.errors:
            self.add_error("reward_amount", _("How much?"))
        return cleaned


# --- Selling ---------------------------------------------------------------------------------------------------------


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
    note = _words(_("Details"), most=2000)

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
            "response_hours",
            "brief_hours",
            "note",
        ]

    def clean(self) -> dict:
        data = super().clean() or self.cleaned_data
        self._in_order("first_contact_days", "verdict_days", _("The verdict can't be due before the first contact."))
        self._in_order("response_hours", "brief_hours", _("The brief can't be due before the first contact."))
        self._in_order("manager_days", "director_days", _("The director is told after the manager, not before."))
        return data

    def _in_order(self, first: str, then: str, otherwise: str) -> None:
        earlier, later = self.cleaned_data.get(first), self.cleaned_data.get(then)
        if earlier is not None and later is not None and later < earlier:
            self.add_error(then, otherwise)


# --- Personal data ---------------------------------------------------------------------------------------------------


class EraseForm(forms.Form):
    """Why a person is erased; their number, typed, says that it is meant."""

    note = forms.CharField(
        label=_("How we were asked"),
        max_length=500,
        validators=[validate_text],
        help_text=_("For instance: by letter of 3 March. It stays in the act, so don't name the person."),
    )
    number = forms.CharField(label=_("Type the number to confirm"), max_length=20)

    def __init__(self, data: object = None, *, number: int) -> None:
        super().__init__(data)
        self.contact_number = number
        self.fields["number"].help_text = _("The number is %(number)s.") % {"number": number}
        self.fields["number"].widget.attrs |= {"inputmode": "numeric", "autocomplete": "off"}

    def clean_number(self) -> int:
        if self.cleaned_data["number"].strip().lstrip("№#") != str(self.contact_number):
            raise ValidationError(_("This isn't the number of the person to erase."))
        return self.contact_number


class RetentionForm(forms.Form):
    """How many days data of a kind is kept; blank: for ever."""

    days = forms.IntegerField(
        label=_("Erase after days without anything new"),
        required=False,
        max_value=retention.MOST_DAYS,
        help_text=_("Blank: nothing is erased by itself."),
    )
    starts_on = forms.DateField(
        label=_("Acts from"),
        required=False,
        widget=DateInput,
        validators=SANE_DAYS,
        help_text=_("Tomorrow at the earliest. Until then nothing is erased, and you can look at whom it reaches."),
    )

    def __init__(self, data: object = None, *, least_days: int, **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["days"].min_value = least_days
        self.fields["days"].validators.append(MinValueValidator(least_days))
        self.fields["days"].widget.attrs["min"] = least_days


class PreviewFilter(FilterForm):
    """The limit that is tried out, before it is set."""

    days = forms.IntegerField(required=False, min_value=1, max_value=retention.MOST_DAYS)


# --- Filters of lists ------------------------------------------------------------------------------------------------


class _SalesPeople(WithNone):
    """Offers those who sell; an address may name anybody, such as a rep who changed departments."""

    def __init__(self, field: OneOrNoneField) -> None:
        super().__init__(field)
        self.queryset = field.queryset.filter(role__in=access.SELL)


class SalesPersonField(OneOrNoneField):
    iterator = _SalesPeople


def _one(label: str, rows: QuerySet, none_label: str = _("None")) -> OneOrNoneField:
    return OneOrNoneField(rows, none_label, label=label)


def _choice(label: str, choices: Iterable[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=[("", _("Any")), *choices], required=False)


def _day(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=DateInput, validators=SANE_DAYS)


class PipelineFilter(FilterForm):
    """Filters that lists of the pipeline share.

    `paths` says which column each choice filters; `periods` which moment each pair `<name>_from`, `<name>_to` bounds, in
    days of the organisation, both included.
    """

    lead_path = "lead"
    paths: dict[str, str] = {}
    q = forms.CharField(label=_("Search"), max_length=SEARCH_LENGTH, required=False, validators=[validate_text])

    @property
    def periods(self) -> Mapping[str, str]:
        return {}

    @cached_property
    def _zone(self) -> datetime.tzinfo:
        return Organisation.current().tzinfo

    @property
    def chosen(self) -> dict[str, object]:
        """The filters that are set, by name."""
        return {name: value for name, value in self.cleaned_data.items() if value}

    def apply(self, rows: Any) -> Any:
        """`rows` as far as every filter that is set lets them through."""
        for name, value in self.chosen.items():
            if name == "q":
                rows = rows.filter(**{f"{self.lead_path}__in": Lead.objects.search(str(value))})
            elif name in self.paths:
                path = self.paths[name]
                rows = rows.filter(**({f"{path}__isnull": True} if value == NONE else {path: value}))
        for name, path in self.periods.items():
            rows = rows.filter(self._between(path, name))
        return rows

    def _between(self, path: str, name: str) -> Q:
        """The moment `path` is within the days `<name>_from` to `<name>_to`, as far as they are set."""
        between = Q()
        if first := self.cleaned_data[f"{name}_from"]:
            between &= Q(**{f"{path}__gte": datetime.datetime.combine(first, datetime.time(), self._zone)})
        if last := self.cleaned_data[f"{name}_to"]:
            after = last + datetime.timedelta(days=1)
            between &= Q(**{f"{path}__lt": datetime.datetime.combine(after, datetime.time(), self._zone)})
        return between

    def address(self, **changes: object) -> str:
        """The query of the same list with other filters: `?stage=won`; None takes one away."""
        wanted = {name: self.data[name] for name in self.chosen} | changes
        return "?" + urlencode({name: value for name, value in wanted.items() if value is not None})

    def chips(self) -> list[dict[str, Any]]:
        """The filters that are set, in words, each with the address that is left when it is taken away."""
        return [
            {"label": self.fields[name].label, "text": self._text(name, value), "left": self.address(**{name: None})}
            for name, value in self.chosen.items()
        ]

    def _text(self, name: str, value: object) -> str:
        field = self.fields[name]
        if value == NONE and isinstance(field, OneOrNoneField):  # a search for the word is a search
            return str(field.none_label)
        if isinstance(value, datetime.date):
            return date_format(value, "SHORT_DATE_FORMAT")
        return str(dict(field.choices)[value]) if type(field) is forms.ChoiceField else str(value)


class HandoffFilter(PipelineFilter):
    verdict = _choice(_("Verdict"), Handoff.Verdict.choices)
    clock = _choice(_("Clock"), [(clock.value, clock.label) for clock in Clock])
    state = _choice(
        _("Clock is"), [("overdue", _("overdue")), ("running", _("running")), ("kept", _("kept")), ("late", _("late"))]
    )
    rep = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Sales rep"))
    team = _one(_("Team"), Team.objects.all())
    reason = _one(_("Reason"), Reason.objects.filter(kind=Reason.Kind.REJECTION))
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    product = _one(_("Product"), Product.objects.all())
    handed_over_from, handed_over_to = _day(_("Handed over from")), _day(_("Handed over to"))
    contacted_from, contacted_to = _day(_("Contacted from")), _day(_("Contacted to"))
    decided_from, decided_to = _day(_("Decided from")), _day(_("Decided to"))
    due_from, due_to = _day(_("Clock fell due from")), _day(_("Clock fell due to"))

    paths = {
        "verdict": "verdict",
        "rep": "assigned_to",
        "team": "assigned_to__team",
        "reason": "reason",
        "channel": "lead__campaign__channel",
        "campaign": "lead__campaign",
        "product": "lead__product",
    }

    @property
    def periods(self) -> dict[str, str]:
        moments = {"handed_over": "handed_over_at", "contacted": "first_contact_at", "decided": "decided_at"}
        clock = self.cleaned_data.get("clock")
        return moments | {"due": f"{clock}_due_at"} if clock else moments

    def clean(self) -> dict:
        if not self.cleaned_data.get("clock"):
            for name in ("state", "due_from", "due_to"):
                if self.cleaned_data.get(name):
                    self.add_error(name, _("Choose a clock, too."))
        return self.cleaned_data

    def apply(self, rows: Any) -> Any:
        rows, wanted, now = super().apply(rows), self.cleaned_data, timezone.now()
        if wanted["state"]:
            rows = rows.with_clock(Clock(wanted["clock"]), wanted["state"], now)
        if wanted["due_from"] or wanted["due_to"]:  # “fell due”: what comes later today hasn't
            rows = rows.filter(**{f"{wanted['clock']}_due_at__lte": now})
        return rows


class DeskFilter(FilterForm):
    """Whose leads the desk goes through, and of what. `queue` is one queue, shown whole."""

    whose = _choice(_("Whose"), [("mine", _("Mine"))])
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    product = _one(_("Product"), Product.objects.all())
    queue = _choice(_("Queue"), Queue.choices)

    NARROWING = ("whose", "campaign", "product")

    @property
    def address(self) -> str:
        """The filters alone, as a query: what goes along from one lead to the next."""
        chosen = {name: self.data[name] for name in self.NARROWING if self.cleaned_data[name]}
        return f"?{urlencode(chosen)}" if chosen else ""

    def apply(self, leads: Any, user: User) -> Any:
        wanted = self.cleaned_data
        if wanted["whose"] == "mine":
            leads = leads.filter(owner=user)
        for name in ("campaign", "product"):
            if wanted[name]:
                leads = leads.filter(**{name: None if wanted[name] == NONE else wanted[name]})
        return leads

    def chips(self) -> list[dict[str, Any]]:
        """Campaign and product that are set, in words, each with the address that is left without it."""
        chips = []
        for name in ("campaign", "product"):
            if value := self.cleaned_data[name]:
                left = {key: self.data[key] for key in self.NARROWING if key != name and self.cleaned_data[key]}
                text = self.fields[name].none_label if value == NONE else value
                chips.append({"label": self.fields[name].label, "text": text, "left": f"?{urlencode(left)}"})
        return chips


class DeskStep(DeskFilter):
    """From one lead to the next: `skip` is passed over with all before it, `besides` is done with."""

    skip = forms.IntegerField(required=False, min_value=1, max_value=2**62)
    besides = forms.IntegerField(required=False, min_value=1, max_value=2**62)


class OpportunityFilter(PipelineFilter):
    stage = _choice(_("Stage"), [(stage.value, stage.label) for stage in OPPORTUNITY_STAGES])
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = _one(_("Team"), Team.objects.all())
    product = _one(_("Product"), Product.objects.all())
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    lost_reason = _one(_("Why lost"), Reason.objects.filter(kind=Reason.Kind.LOSS))
    new_clients = _choice(_("Clients"), [("1", _("bought for the first time"))])
    open_on = _day(_("Open on the morning of"))
    opened_from, opened_to = _day(_("Opened from")), _day(_("Opened to"))
    demo_from, demo_to = _day(_("Demo from")), _day(_("Demo to"))
    proposal_from, proposal_to = _day(_("Proposal from")), _day(_("Proposal to"))
    contract_from, contract_to = _day(_("Contract from")), _day(_("Contract to"))
    won_from, won_to = _day(_("Won from")), _day(_("Won to"))
    lost_from, lost_to = _day(_("Lost from")), _day(_("Lost to"))
    closed_from, closed_to = _day(_("Closed from")), _day(_("Closed to"))

    paths = {
        "stage": "stage",
        "owner": "owner",
        "team": "owner__team",
        "product": "product",
        "channel": "lead__campaign__channel",
        "campaign": "lead__campaign",
        "lost_reason": "lost_reason",
    }

    @property
    def periods(self) -> Mapping[str, str]:
        return {name: f"{name}_at" for name in ("opened", "demo", "proposal", "contract", "won", "lost")}

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        if wanted["opened_from"] or wanted["opened_to"]:
            rows = rows.of_known_opening()
        if day := wanted["open_on"]:
            rows = rows.open_at(datetime.datetime.combine(day, datetime.time(), Organisation.current().tzinfo))
        if wanted["new_clients"]:
            rows = rows.first_of_clients()
        if wanted["closed_from"] or wanted["closed_to"]:  # won or lost
            rows = rows.filter(self._between("won_at", "closed") | self._between("lost_at", "closed"))
        return rows


class PaymentFilter(PipelineFilter):
    owner = SalesPersonField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = _one(_("Team"), Team.objects.all())
    product = _one(_("Product"), Product.objects.all())
    channel = _one(_("Channel"), Channel.objects.all())
    campaign = _one(_("Campaign"), Campaign.objects.order_by("-starts_on", "-pk"))
    paid_from, paid_to = _day(_("Paid from")), _day(_("Paid to"))

    lead_path = "opportunity__lead"
    paths = {
        "owner": "opportunity__owner",
        "team": "opportunity__owner__team",
        "product": "opportunity__product",
        "channel": "opportunity__lead__campaign__channel",
        "campaign": "opportunity__lead__campaign",
    }

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        rows = rows.filter(paid_on__gte=wanted["paid_from"]) if wanted["paid_from"] else rows
        return rows.filter(paid_on__lte=wanted["paid_to"]) if wanted["paid_to"] else rows
