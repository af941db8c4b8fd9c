"""Input about leads: what a list is narrowed to, a new lead, and the facts of one that is there."""

import datetime
from collections.abc import Iterator
from typing import Any

from django import forms
from django.db.models import F, Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Organisation, Team, User
from leads.forms.fields import DateInput
from leads.forms.filters import FilterForm
from leads.forms.stand import StandForm
from leads.models import Campaign, Channel, Lead, LeadEvent, Product, Reason, Stage
from leads.models.leads import RESPONSE_KEPT, LeadEventQuerySet, LeadQuerySet
from leads.normalise import FIRST_DAY, LAST_DAY, SANE_DAYS, SEARCH_LENGTH, validate_text

NONE = "none"


class WithNone(forms.models.ModelChoiceIterator):
    def __iter__(self) -> Iterator:
        choices = super().__iter__()
        yield next(choices)
        yield NONE, self.field.none_label
        yield from choices


class OneOrNoneField(forms.ModelChoiceField):
    """A record, or `none`: those that have none."""

    iterator = WithNone

    def __init__(self, queryset: Any, none_label: str | Promise, **options: Any) -> None:
        super().__init__(queryset, required=False, empty_label=_("Any"), **options)
        self.none_label = none_label

    def to_python(self, value: object) -> object:
        return NONE if value == NONE else super().to_python(value)


class LeadFilter(FilterForm):
    """What the list of leads can be narrowed to. Every number's link to its leads is made of these.

    `reached` are leads that reached that stage, in the days `from`…`to` of the organisation where they are given;
    `then` those of them that reached another stage too, at most `within` days later (or, in faulty data, earlier).
    `entered` and `left` are leads that came to or went from that stage in those days, for the first time or again.
    """

    ORDERS = {
        "": (_("Newest first"), ("-registered_at", "-pk")),
        "oldest": (_("Oldest first"), ("registered_at", "pk")),
        "changed": (_("Last changed first"), ("-updated_at", "-pk")),
    }

    q = forms.CharField(label=_("Search"), required=False, max_length=SEARCH_LENGTH, validators=[validate_text])
    stage = forms.MultipleChoiceField(
        label=_("Stage"), choices=Stage.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    owner = OneOrNoneField(User.objects.all(), _("Nobody"), label=_("Owner"))
    team = OneOrNoneField(Team.objects.all(), _("None"), label=_("Owner's team"))
    channel = forms.ModelChoiceField(Channel.objects.all(), label=_("Channel"), required=False, empty_label=_("Any"))
    campaign = OneOrNoneField(Campaign.objects.order_by("-starts_on", "-pk"), _("None"), label=_("Campaign"))
    product = OneOrNoneField(Product.objects.all(), _("None"), label=_("Product"))
    reached = forms.ChoiceField(label=_("Reached the stage"), choices=[("", _("Any")), *Stage.choices], required=False)
    then = forms.ChoiceField(label=_("And then"), choices=[("", _("Any")), *Stage.choices], required=False)
    within = forms.IntegerField(label=_("Within days"), required=False, min_value=0, max_value=36_500)
    entered = forms.ChoiceField(choices=[("", ""), *Stage.choices], required=False, widget=forms.HiddenInput)
    left = forms.ChoiceField(choices=[("", ""), *Stage.choices], required=False, widget=forms.HiddenInput)
    proposed = forms.ChoiceField(
        label=_("Proposed"), choices=[("", _("Any")), ("1", _("warm, and meets the criteria"))], required=False
    )
    nurtured_from = forms.DateField(required=False, widget=forms.HiddenInput, validators=SANE_DAYS)
    nurtured_to = forms.DateField(required=False, widget=forms.HiddenInput, validators=SANE_DAYS)
    recycled = forms.ChoiceField(
        label=_("Came back"),
        choices=[
            ("", _("Any")),
            ("1", _("interested again")),
            (Stage.QUALIFIED.value, _("and qualified since")),
            (Stage.ACCEPTED.value, _("and accepted since")),
            (Stage.WON.value, _("and won since")),
        ],
        required=False,
    )
    recycled_from = forms.DateField(required=False, widget=forms.HiddenInput, validators=SANE_DAYS)
    recycled_to = forms.DateField(required=False, widget=forms.HiddenInput, validators=SANE_DAYS)
    response = forms.ChoiceField(
        label=_("First contact"),
        choices=[
            ("", _("Any")),
            ("overdue", _("overdue now")),
            ("due", _("fell due")),
            ("kept", _("made in time")),
            ("measured", _("its time is known")),
            ("briefed", _("the time to the brief is known")),
        ],
        required=False,
    )
    due_from = forms.DateField(required=False, widget=forms.HiddenInput, validators=SANE_DAYS)
    due_to = forms.DateField(required=False, widget=forms.HiddenInput, validators=SANE_DAYS)
    removal_reason = forms.ModelChoiceField(
        Reason.objects.filter(kind=Reason.Kind.REMOVAL),
        label=_("Why removed"),
        required=False,
        widget=forms.HiddenInput,
    )
    sort = forms.ChoiceField(
        label=_("Order"), choices=[(name, label) for name, (label, _order) in ORDERS.items()], required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in (("from", _("From")), ("to", _("To"))):  # words of Python can't be attributes
            self.fields[name] = forms.DateField(label=label, required=False, widget=DateInput, validators=SANE_DAYS)

    @property
    def is_narrowed(self) -> bool:
        return any(value for name, value in self.cleaned_data.items() if name != "sort")

    @property
    def reached_stage(self) -> Stage | None:
        """The stage that the days are about: dates alone mean the registration."""
        wanted = self.cleaned_data
        if wanted["entered"] or wanted["left"]:
            return None
        if wanted["reached"]:
            return Stage(wanted["reached"])
        return Stage.NEW if wanted["from"] or wanted["to"] or wanted["then"] else None

    @property
    def order(self) -> tuple[str, str]:
        if not self.cleaned_data["sort"] and not self.reached_stage and self._is_recycled:
            return ("-recycled_at", "-pk")
        if not self.cleaned_data["sort"] and self.reached_stage:
            return (f"-{self.reached_stage.reached_field}", "-pk")
        return self.ORDERS[self.cleaned_data["sort"]][1]

    def apply(self, leads: LeadQuerySet) -> LeadQuerySet:
        wanted = self.cleaned_data
        if wanted["q"]:
            leads = leads.search(wanted["q"])
        for name in ("owner", "campaign", "product"):
            if wanted[name] == NONE:
                leads = leads.filter(**{f"{name}__isnull": True})
            elif wanted[name]:
                leads = leads.filter(**{name: wanted[name]})
        # The few ids are looked up first: knowing them, the database sees whether a channel has many leads or none.
        if wanted["team"] == NONE:
            leads = leads.filter(owner__team__isnull=True)
        elif wanted["team"]:
            leads = leads.filter(owner__in=list(wanted["team"].members.values_list("pk", flat=True)))
        if wanted["channel"]:
            leads = leads.filter(campaign__in=list(wanted["channel"].campaigns.values_list("pk", flat=True)))
        return self._narrow_to_responses(self._narrow_to_stages(leads))

    def _narrow_to_responses(self, leads: LeadQuerySet) -> LeadQuerySet:
        wanted, now = self.cleaned_data, timezone.now()
        match wanted["response"]:
            case "overdue":
                leads = leads.untouched(now)
            case "measured":
                leads = leads.filter(response_seconds__isnull=False)
            case "briefed":
                leads = leads.filter(brief_seconds__isnull=False)
            case "due" | "kept":  # what comes later today hasn't fallen due
                leads = leads.filter(response_due_at__lte=now)
        if wanted["response"] == "kept":
            leads = leads.filter(RESPONSE_KEPT)
        if wanted["due_from"] or wanted["due_to"]:
            leads = self._between(leads, "response_due_at", wanted["due_from"], wanted["due_to"])
        return leads

    def _narrow_to_stages(self, leads: LeadQuerySet) -> LeadQuerySet:
        wanted, reached = self.cleaned_data, self.reached_stage
        if wanted["entered"] or wanted["left"]:
            return leads.filter(pk__in=self._movements().values("lead"))
        if wanted["removal_reason"]:
            leads = leads.filter(stage=Stage.REMOVED, removal_reason=wanted["removal_reason"])
        elif wanted["stage"]:
            leads = leads.filter(stage__in=wanted["stage"])
        elif (
            reached is None
            and not self._is_nurtured
            and not self._is_recycled
            and wanted["response"] not in {"due", "kept"}
        ):
            leads = leads.present()
        elif reached != Stage.REMOVED:
            leads = leads.counted()
        if wanted["proposed"]:
            leads = leads.filter(stage=Stage.WARM, proposed_at__isnull=False)
        if self._is_nurtured:
            leads = self._between(leads, "nurtured_at", wanted["nurtured_from"], wanted["nurtured_to"])
        if self._is_recycled:
            leads = leads.recycled(Stage(wanted["recycled"]) if wanted["recycled"] in Stage.values else None)
            leads = self._between(leads, "recycled_at", wanted["recycled_from"], wanted["recycled_to"])
        if reached is None:
            return leads
        leads = self._between(leads, reached.reached_field, wanted["from"], wanted["to"])
        if wanted["then"]:
            then = Stage(wanted["then"]).reached_field
            leads = leads.filter(**{f"{then}__isnull": False})
            if wanted["within"] is not None:
                days = datetime.timedelta(days=wanted["within"])
                leads = leads.filter(**{f"{then}__lte": F(reached.reached_field) + days})
        return leads

    @property
    def _is_nurtured(self) -> bool:
        return bool(self.cleaned_data["nurtured_from"] or self.cleaned_data["nurtured_to"])

    @property
    def _is_recycled(self) -> bool:
        return any(self.cleaned_data[name] for name in ("recycled", "recycled_from", "recycled_to"))

    @staticmethod
    def _between(
        leads: LeadQuerySet, field: str, start: datetime.date | None, end: datetime.date | None
    ) -> LeadQuerySet:
        """Leads whose moment `field` is known and lies in those days of the organisation."""
        leads, zone = leads.filter(**{f"{field}__isnull": False}), Organisation.current().tzinfo
        if start:
            leads = leads.filter(**{f"{field}__gte": _midnight(start, zone)})
        if end:
            leads = leads.filter(**{f"{field}__lt": _midnight(end + datetime.timedelta(days=1), zone)})
        return leads

    def _movements(self) -> LeadEventQuerySet:
        wanted, zone = self.cleaned_data, Organisation.current().tzinfo
        start, end = wanted["from"] or FIRST_DAY, wanted["to"] or LAST_DAY
        events = LeadEvent.objects.movements(_midnight(start, zone), _midnight(end + datetime.timedelta(days=1), zone))
        if wanted["entered"]:
            events = events.filter(to_stage=wanted["entered"])
        return events.filter(from_stage=wanted["left"]) if wanted["left"] else events

    def chips(self) -> list[dict[str, str]]:
        """The filters that are set, in words, each with the address that is left when it is taken away."""
        wanted = self.cleaned_data
        chips = [self._chip(gettext("Search"), wanted["q"], "q")] if wanted["q"] else []
        chips += [
            self._chip(self.fields["stage"].label, Stage(stage).label, "stage", stage) for stage in wanted["stage"]
        ]
        for name in ("owner", "team", "channel", "campaign", "product", "removal_reason"):
            if value := wanted[name]:
                text = self.fields[name].none_label if value == NONE else value
                chips.append(self._chip(self.fields[name].label, text, name))
        if wanted["response"]:
            days = [date_format(wanted[name], "SHORT_DATE_FORMAT") for name in ("due_from", "due_to") if wanted[name]]
            words = f"{dict(self.fields['response'].choices)[wanted['response']]} {'–'.join(days)}".strip()
            chips.append(self._chip(self.fields["response"].label, words, "response", "due_from", "due_to"))
        for name, label in (("entered", gettext("Came to")), ("left", gettext("Went from"))):
            if wanted[name]:
                chips.append(self._chip(label, self._reached_words(Stage(wanted[name])), name, "from", "to"))
        if reached := self.reached_stage:
            chips.append(self._chip(gettext("Reached"), self._reached_words(reached), "reached", "from", "to"))
        if wanted["proposed"]:
            chips.append(self._chip(gettext("Proposed"), gettext("meets the criteria"), "proposed"))
        if self._is_nurtured:
            days = self._days("nurtured_from", "nurtured_to")
            chips.append(self._chip(gettext("Became MQL by nurture"), days, "nurtured_from", "nurtured_to"))
        if self._is_recycled:
            days = self._days("recycled_from", "recycled_to")
            words = f"{dict(self.fields['recycled'].choices)[wanted['recycled'] or '1']} {days}".strip()
            chips.append(self._chip(self.fields["recycled"].label, words, "recycled", "recycled_from", "recycled_to"))
        if wanted["then"]:
            words = Stage(wanted["then"]).label
            if wanted["within"] is not None:
                words = gettext("%(stage)s within %(days)s days") % {"stage": words, "days": wanted["within"]}
            chips.append(self._chip(gettext("Then"), words, "then", "within"))
        return chips

    def _reached_words(self, stage: Stage) -> str:
        days = self._days("from", "to")
        return f"{stage.label} {days}" if days else str(stage.label)

    def _days(self, *names: str) -> str:
        start, end = (
            date_format(self.cleaned_data[name], "SHORT_DATE_FORMAT") if self.cleaned_data[name] else ""
            for name in names
        )
        return f"{start}–{end}" if start or end else ""

    def _chip(self, label: object, text: object, name: str, *others: str) -> dict[str, str]:
        left: QueryDict = self.data.copy()
        left.pop("after", None)
        if name == "stage":
            left.setlist("stage", [stage for stage in left.getlist("stage") if stage not in others])
        else:
            for each in (name, *others):
                left.pop(each, None)
        return {"label": str(label), "text": str(text), "left": f"?{left.urlencode()}"}


def _midnight(day: datetime.date, zone: datetime.tzinfo) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), zone)


class LeadForm(StandForm):
    """A lead that comes from anywhere: what the stand asks, and where it came from."""

    campaign = forms.ModelChoiceField(
        Campaign.objects.order_by("-starts_on", "-pk"), label=_("Campaign"), empty_label=_("Choose…")
    )
    meet_other = forms.CharField(
        label=_("Preferred meeting time"), required=False, max_length=100, validators=[validate_text]
    )
    met_on = forms.DateField(label=_("Met on"), required=False, widget=DateInput, validators=SANE_DAYS)
    page = forms.CharField(
        label=_("Page or place it came from"), required=False, max_length=500, validators=[validate_text]
    )

    UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")

    def __init__(self, data: object = None, *, today: datetime.date, campaign: Campaign | None = None) -> None:
        super().__init__(data, today=today)
        self.initial |= {"met_on": None, "campaign": campaign}
        self.fields["name"].widget.attrs.pop("autofocus", None)  # here the campaign comes first
        for name in self.UTM:
            self.fields[name] = Lead._meta.get_field(name).formfield(label=name, required=False)

    def clean_met_on(self) -> Any:
        return super().clean_met_on() if self.cleaned_data["met_on"] else None

    @property
    def has_source_errors(self) -> bool:
        return any(name in self.errors for name in ("profile_url", "page", *self.UTM))

    @property
    def details(self) -> dict[str, Any]:
        """The lead's own fields, as `register_lead` takes them."""
        typed = self.cleaned_data
        return {
            "note": typed["note"],
            "met_on": typed["met_on"],
            "preferred_meeting_time": self.preferred_meeting_time,
            "source_details": {"page": typed["page"]} if typed["page"] else {},
            **{name: typed[name] for name in self.UTM},
        }


class EditForm(forms.ModelForm):
    """A form that knows which version of the record it was opened on, and shows what somebody else wrote since."""

    version = forms.CharField(widget=forms.HiddenInput, required=False, max_length=50)

    theirs: list[tuple[str, str]] = []

    def __init__(self, *args: Any, version: object, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"] = str(version)

    @property
    def changes(self) -> dict[str, Any]:
        """What `leads.editing` is to write."""
        return {name: value for name, value in self.cleaned_data.items() if name != "version"}

    def show_stale(self, message: str, current: forms.ModelForm) -> None:
        """Say what the record holds now where it differs from what was typed; saving again means it."""
        self.add_error(None, message)
        self.data = self.data.copy()
        self.data["version"] = current.initial["version"]
        self.theirs = [
            (str(field.label), _shown(current, field.name))
            for field in self.visible_fields()
            if _shown(current, field.name) != _shown(self, field.name, typed=True)
        ]


def _shown(form: forms.ModelForm, name: str, *, typed: bool = False) -> str:
    """A field's value as a person reads it."""
    value = form.cleaned_data.get(name) if typed else form.get_initial_for_field(form.fields[name], name)
    field = form.fields[name]
    if isinstance(field, forms.ModelMultipleChoiceField):
        return ", ".join(sorted(str(each) for each in value or [])) or "—"
    if isinstance(field, forms.ModelChoiceField) and isinstance(value, int):
        value = field.queryset.filter(pk=value).first()
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, datetime.date):
        return date_format(value, "SHORT_DATE_FORMAT")
    return str(value) if value not in (None, "") else "—"


class LeadFactsForm(EditForm):
    class Meta:
        model = Lead
        fields = ["product", "other_products", "owner", "met_on", "preferred_meeting_time", "note"]
        widgets = {
            "met_on": DateInput,
            "other_products": forms.CheckboxSelectMultiple,
            "note": forms.Textarea(attrs={"rows": 4}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lead = self.instance
        wanted = Q(is_active=True) | Q(pk=lead.product_id) | Q(also_wanted_by=lead)
        self.fields["product"].queryset = Product.objects.filter(wanted).distinct()
        self.fields["other_products"].queryset = self.fields["product"].queryset
        self.fields["owner"].queryset = User.objects.filter(
            Q(is_active=True, role__in=access.QUALIFY_LEADS) | Q(pk=lead.owner_id)
        )
        self.fields["product"].empty_label = _("Not known yet")
        self.fields["owner"].empty_label = _("Nobody")
        self.fields["met_on"].validators += SANE_DAYS


class NoteForm(forms.Form):
    text = forms.CharField(
        label=_("Note"),
        max_length=5000,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": _("Write a note: what was said, what was agreed…")}),
    )
