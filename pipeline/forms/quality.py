"""Input about quality checks: checklists, reviews, and what lists of them are narrowed to."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Team, User
from leads.forms.fields import DateInput
from leads.forms.filters import FilterForm
from leads.normalise import SANE_DAYS, validate_text
from pipeline.forms.fields import words
from pipeline.models import Checklist, ChecklistItem
from pipeline.quality import Item

NEW_ROWS = 3  # blank ones at the end of a checklist being edited


class ChecklistForm(forms.ModelForm):
    """The checklist itself; a default's name is shown translated, and stored only where it was changed."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    class Meta:
        model = Checklist
        fields = ["name", "kind", "a_week", "is_active"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["name"] = self._shown = str(self.instance)
            self._stored = self.instance.name

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk and cleaned.get("name") == self._shown:
            cleaned["name"] = self._stored
        if cleaned.get("kind") == Checklist.Kind.MYSTERY and cleaned.get("a_week"):
            self.add_error("a_week", _("Mystery shopping has no conversations to pick from."))
        return cleaned


class ItemForm(forms.Form):
    """One row of a checklist; a new one that is left blank is no row."""

    pk = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1)
    text = forms.CharField(label=_("What is looked at"), max_length=200, required=False, validators=[validate_text])
    points = forms.IntegerField(label=_("Points"), required=False, min_value=1, max_value=100)
    place = forms.IntegerField(label=_("Place"), required=False, min_value=0, max_value=999)
    is_active = forms.BooleanField(label=_("in use"), required=False, initial=True)

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if (cleaned.get("pk") or cleaned.get("points")) and not cleaned.get("text") and "text" not in self.errors:
            self.add_error("text", _("What is looked at? To take an item out, say that it isn't in use."))
        if cleaned.get("text") and cleaned.get("points") is None and "points" not in self.errors:
            self.add_error("points", _("How many points at most?"))
        return cleaned


class ItemForms(forms.formset_factory(ItemForm, extra=0, max_num=100, absolute_max=100)):
    def items(self, stored: dict[int, ChecklistItem]) -> list[Item]:
        """The rows in the order of their places; a default's words that were left alone stay as they are stored."""
        rows = []
        for number, form in enumerate(self.forms):
            data = form.cleaned_data
            if not data.get("text"):
                continue
            before = stored.get(data["pk"]) if data["pk"] else None
            text = before.text if before is not None and data["text"] == str(before) else data["text"]
            place = number + 1 if data["place"] is None else data["place"]
            rows.append((place, number, Item(text, data["points"], data["is_active"], data["pk"])))
        return [item for _place, _number, item in sorted(rows, key=lambda row: row[:2])]


def initial_items(items: list[ChecklistItem]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"pk": item.pk, "text": str(item), "points": item.points, "place": place, "is_active": item.is_active}
        for place, item in enumerate(items, start=1)
    ]
    return rows + [{"is_active": True}] * NEW_ROWS


NOT_APPLICABLE = "none"


class ReviewForm(forms.Form):
    """A score for each item in use of one checklist; `seen` says which items and points the reviewer saw."""

    person = forms.ModelChoiceField(label=_("Whose work"), queryset=User.objects.none(), empty_label=_("Choose…"))
    happened_on = forms.DateField(label=_("Happened on"), widget=DateInput, validators=SANE_DAYS)
    note = words(_("Note"), most=5000, rows=4)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args, checklist: Checklist, by: User, has_activity: bool, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if has_activity:
            del self.fields["person"], self.fields["happened_on"]
        else:
            people = User.objects.active().filter(role__in=access.HAVE_TASKS).order_by("name", "pk")
            allowed = [user.pk for user in people if access.can_review(by, user)]
            self.fields["person"].queryset = people.filter(pk__in=allowed)
        self.initial |= {"seen": checklist.fingerprint, "submission_key": uuid.uuid4()}
        self.items = [item for item in checklist.items.all() if item.is_active]
        for item in self.items:
            self.fields[f"item-{item.pk}"] = forms.TypedChoiceField(
                label=str(item),
                choices=_steps(item.points),
                coerce=lambda value: None if value == NOT_APPLICABLE else int(value),
                empty_value=None,
                widget=forms.RadioSelect if item.points <= MOST_BUTTONS else forms.Select,
            )

    @property
    def score_fields(self) -> list[forms.BoundField]:
        return [self[f"item-{item.pk}"] for item in self.items]

    @property
    def scores(self) -> dict[int, int | None]:
        return {item.pk: self.cleaned_data[f"item-{item.pk}"] for item in self.items}


MOST_BUTTONS = 10


def _steps(points: int) -> list[tuple[str, str]]:
    blank = [("", _("Choose…"))] if points > MOST_BUTTONS else []
    return [*blank, *((str(number), str(number)) for number in range(points + 1)), (NOT_APPLICABLE, _("doesn't apply"))]


class SkipForm(forms.Form):
    because = forms.CharField(label=_("Why not"), max_length=200, validators=[validate_text])


class OverviewFilter(FilterForm):
    team = forms.ModelChoiceField(Team.objects.all(), label=_("Team"), required=False, empty_label=_("All"))


class ProposalFilter(OverviewFilter):
    week = forms.DateField(label=_("Week"), required=False, widget=forms.HiddenInput, validators=SANE_DAYS)
    person = forms.ModelChoiceField(User.objects.all(), label=_("Whose work"), required=False, widget=forms.HiddenInput)


class PersonFilter(FilterForm):
    """What the list of one person's reviews is narrowed to: a month (its first day), a checklist, an item."""

    month = forms.DateField(required=False, validators=SANE_DAYS)
    checklist = forms.ModelChoiceField(Checklist.objects.all(), required=False)
    item = forms.ModelChoiceField(ChecklistItem.objects.all(), required=False)

    def apply(self, reviews: Any) -> Any:
        wanted = self.cleaned_data
        if month := wanted["month"]:
            reviews = reviews.filter(happened_on__year=month.year, happened_on__month=month.month)
        if wanted["checklist"]:
            reviews = reviews.filter(checklist=wanted["checklist"])
        return reviews.filter(scores__item=wanted["item"]) if wanted["item"] else reviews
