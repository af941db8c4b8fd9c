"""Input of a whole criteria set: its rows, in their order, the points needed, and what changed."""

from typing import Self

from django import forms
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from leads.criteria import new_key
from leads.models import CriteriaSet, Criterion
from leads.normalise import read_number, validate_text

MOST_CRITERIA = 40


class CriterionForm(forms.Form):
    key = forms.CharField(required=False, max_length=50, widget=forms.HiddenInput)
    text = forms.CharField(
        label=_("Criterion"),
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=[("required", _("Required")), ("points", _("Gives points"))])
    weight = forms.IntegerField(
        label=_("Points"),
        required=False,
        min_value=0,
        max_value=100,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == "required":
            cleaned["weight"] = 0
        elif not cleaned.get("weight") and "weight" not in self.errors:
            self.add_error("weight", _("How many points is it worth?"))
        return cleaned


class CriteriaForm(forms.Form):
    """The set as a whole. `rows` are the forms of its criteria, numbered in the order in which they stand."""

    threshold = forms.IntegerField(
        label=_("Points needed"),
        min_value=0,
        max_value=4000,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        help_text=_("A lead qualifies when every required criterion is met and the others reach this many points."),
    )
    note = forms.CharField(
        label=_("What changed, and why"),
        max_length=500,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Everyone reads this beside the version."),
    )
    edited_version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(
        self, data: QueryDict | None = None, *, in_force: CriteriaSet | None, rows: list[dict], **kwargs
    ) -> None:
        super().__init__(data, **kwargs)
        self.in_force = in_force
        self.is_outdated = False
        self.rows = [
            CriterionForm(data, prefix=f"row-{number}") if data is not None
            else CriterionForm(initial=row, prefix=f"row-{number}")
            for number, row in enumerate(rows)
        ]  # fmt: skip

    @classmethod
    def of(cls, in_force: CriteriaSet | None) -> Self:
        """The set in force, ready to be edited."""
        rows = [
            {
                "key": criterion.key,
                "text": str(criterion),
                "kind": "required" if criterion.is_required else "points",
                "weight": criterion.weight or "",
            }
            for criterion in (in_force.criteria.all() if in_force else [])
        ]
        initial = {
            "threshold": in_force.threshold if in_force else 0,
            "edited_version": in_force.version if in_force else 0,
        }
        return cls(in_force=in_force, rows=rows or [{}], initial=initial)

    @classmethod
    def sent(cls, data: QueryDict, in_force: CriteriaSet | None) -> Self:
        """What was sent, to be checked and saved."""
        return cls(data, in_force=in_force, rows=_typed_rows(data))

    @classmethod
    def rearranged(cls, data: QueryDict, in_force: CriteriaSet | None) -> Self:
        """What was sent, with a row added, removed or moved as the pressed button says; nothing is checked yet."""
        rows = _typed_rows(data)
        action, _dash, number = data.get("rearrange", "").partition("-")
        place = read_number(number)
        place = place if place is not None and place < len(rows) else None
        if action == "add" and len(rows) < MOST_CRITERIA:
            rows.append({"kind": "points"})
        elif action == "remove" and place is not None:
            del rows[place]
        elif action == "up" and place:
            rows.insert(place - 1, rows.pop(place))
        elif action == "down" and place is not None:
            rows.insert(place + 1, rows.pop(place))
        initial = {name: data.get(name, "") for name in ("threshold", "note", "edited_version")}
        form = cls(in_force=in_force, rows=rows, initial=initial)
        if action == "add" and form.rows:
            form.rows[-1].fields["text"].widget.attrs["autofocus"] = True
        return form

    def refuse_as_outdated(self, why: str, latest: CriteriaSet | None) -> None:
        """Someone else was faster: say so, keep what was typed, and let the next press decide knowingly."""
        self.add_error(None, why)
        self.is_outdated = True
        self.data = self.data.copy()
        self.data["edited_version"] = latest.version if latest else 0

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if not self.rows:
            self.add_error(None, _("Add at least one criterion: without one nothing can be qualified."))
        if any([row.errors for row in self.rows]):  # noqa: C419 - a list, so that each row is checked and shows its errors
            self.add_error(None, _("Please mend the criteria marked below."))
            return cleaned
        texts = [row.cleaned_data["text"].casefold() for row in self.rows]
        for row, text in zip(self.rows, texts, strict=True):
            if texts.count(text) > 1:
                row.add_error("text", _("This criterion is in the list twice."))
        reachable = sum(row.cleaned_data["weight"] or 0 for row in self.rows)
        if cleaned.get("threshold", 0) > reachable:
            self.add_error(
                "threshold",
                _("All criteria together give only %(points)s points, so no lead could ever qualify.")
                % {"points": reachable},
            )
        if any(row.errors for row in self.rows):
            self.add_error(None, _("Please mend the criteria marked below."))
        return cleaned

    @cached_property
    def criteria(self) -> list[dict]:
        """The rows as `put_in_force` wants them: a kept row keeps its key, a new one gets a key never used before."""
        kept = {criterion.key: criterion for criterion in (self.in_force.criteria.all() if self.in_force else [])}
        used = set(Criterion.objects.values_list("key", flat=True).distinct())
        found = []
        for row in self.rows:
            typed = row.cleaned_data
            before = kept.pop(typed["key"], None)
            key = before.key if before else new_key(typed["text"], used)
            used.add(key)
            # A default's text is shown translated; left untouched it stays as it is kept.
            text = before.text if before and typed["text"] == str(before) else typed["text"]
            found.append(
                {"key": key, "text": text, "is_required": typed["kind"] == "required", "weight": typed["weight"] or 0}
            )
        return found

    @property
    def changes_something(self) -> bool:
        if self.in_force is None:
            return True
        before = [
            {"key": c.key, "text": c.text, "is_required": c.is_required, "weight": c.weight}
            for c in self.in_force.criteria.all()
        ]
        return before != self.criteria or self.in_force.threshold != self.cleaned_data["threshold"]


def _typed_rows(data: QueryDict) -> list[dict]:
    rows: list[dict] = []
    while f"row-{len(rows)}-text" in data and len(rows) < MOST_CRITERIA:
        rows.append({name: data.get(f"row-{len(rows)}-{name}", "") for name in ("key", "text", "kind", "weight")})
    return rows
