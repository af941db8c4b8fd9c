"""Input of a whole criteria set: its rows with their rules, in their order, and the points needed; and of its vote."""

import datetime
from decimal import Decimal
from typing import Any, Self

from django import forms
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Role, User
from leads.comparisons import OFFERED, Comparison, Kind
from leads.criteria.approval import SIDES, Party, standing_in
from leads.criteria.drafts import new_key
from leads.criteria.rules import MOST_CONDITIONS, Asked, sentence
from leads.forms.fields import AmountField, DateInput
from leads.models import Approval, CriteriaSet, Criterion
from leads.normalise import read_number, validate_text

MOST_CRITERIA = 40
MOST_VALUES = 50  # in one “is one of”
VALUE_LENGTH = 200


class ConditionForm(forms.Form):
    """One condition of a rule. Its field stands; the comparisons and the value are those that suit its kind."""

    field = forms.CharField(max_length=80, widget=forms.HiddenInput)
    comparison = forms.ChoiceField(label=_("Comparison"), choices=[])

    def __init__(self, data: QueryDict | None = None, *, asked: Asked | None, **options: Any) -> None:
        super().__init__(data, **options)
        self.asked = asked
        if asked is None:
            return
        self.fields["comparison"].choices = [(each.value, each.label) for each in OFFERED[asked.kind]]
        self.fields["value"] = self._value_field(asked)

    @staticmethod
    def _value_field(asked: Asked) -> forms.Field:
        label, plain = _("Value"), {"autocomplete": "off"}
        if asked.kind is Kind.NUMBER:
            return AmountField(label=label, required=False, max_digits=15, decimal_places=4)
        if asked.kind is Kind.DATE:
            return forms.DateField(label=label, required=False, widget=DateInput())
        if asked.kind is Kind.YES_NO:
            return forms.ChoiceField(label=label, required=False, choices=[("yes", _("yes")), ("no", _("no"))])
        if asked.kind is Kind.CHOICE:
            return forms.MultipleChoiceField(
                label=label, required=False, choices=list(asked.options.items()), widget=forms.CheckboxSelectMultiple
            )
        return forms.CharField(
            label=label,
            required=False,
            max_length=VALUE_LENGTH * 10,
            validators=[validate_text],
            widget=forms.TextInput(attrs=plain),
            help_text=_("Separate several with semicolons."),
        )

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if self.asked is None:
            self.add_error(None, _("This field isn't known. Take the condition out."))
            return cleaned
        comparison = cleaned.get("comparison")
        if not comparison or "value" in self.errors or not Comparison(comparison).needs_value:
            cleaned["value"] = None
            return cleaned
        cleaned["value"] = self._typed_value(Comparison(comparison), cleaned.get("value"))
        if cleaned["value"] in (None, "", []):
            self.add_error("value", _("What is it compared with?"))
        return cleaned

    def _typed_value(self, comparison: Comparison, value: Any) -> object:
        """The value as a rule keeps it: text, number, ISO date, bool, or a list of texts."""
        if isinstance(value, datetime.date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        if self.asked and self.asked.kind is Kind.YES_NO:
            return value == "yes" if value else None
        if isinstance(value, list) or value is None:
            return value
        if comparison not in {Comparison.ANY_OF, Comparison.NONE_OF}:
            if len(value) > VALUE_LENGTH:
                self.add_error("value", _("That is too long to compare with."))
            return value
        items = list(dict.fromkeys(item for part in value.split(";") if (item := part.strip())))
        if len(items) > MOST_VALUES or any(len(item) > VALUE_LENGTH for item in items):
            self.add_error("value", _("That is too much to compare with."))
        return items

    @property
    def condition(self) -> dict:
        """The condition as data, once it is valid."""
        made = {"field": self.cleaned_data["field"], "comparison": self.cleaned_data["comparison"]}
        return made if self.cleaned_data["value"] is None else made | {"value": self.cleaned_data["value"]}


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
    decided = forms.ChoiceField(
        label=pgettext_lazy("criterion", "Decided by"),
        required=False,
        choices=[("person", _("A person or a questionnaire")), ("rule", _("A rule"))],
    )
    match = forms.ChoiceField(
        label=_("Met when"),
        required=False,
        choices=[("all", _("all conditions hold")), ("any", _("any condition holds"))],
    )
    new = forms.ChoiceField(label=_("New condition about"), required=False, choices=[])

    def __init__(
        self, data: QueryDict | None = None, *, known: dict[str, Asked], conditions: list[dict], **options: Any
    ) -> None:
        super().__init__(data, **options)
        self.known = known
        facts, answers = (
            [(asked.name, asked.label) for asked in known.values() if asked.is_answer is is_answer]
            for is_answer in (False, True)
        )
        choices: list = [("", _("choose…")), (_("What we know"), facts)]
        self.fields["new"].choices = [*choices, (_("Answers to questions"), answers)] if answers else choices
        self.conditions = [
            ConditionForm(
                data,
                asked=known.get(condition.get("field", "")),
                initial=None if data is not None else condition,
                prefix=f"{self.prefix}-if-{number}",
            )
            for number, condition in enumerate(conditions)
        ]

    @property
    def in_words(self) -> str:
        """The rule as a sentence, as far as it makes one."""
        if self.is_bound:
            return sentence(self.rule, self.known) if self.is_valid() else ""
        typed = {"match": self.initial.get("match"), "conditions": [form.initial for form in self.conditions]}
        try:
            return sentence(self.initial.get("rule") or typed, self.known)
        except (ValueError, KeyError):  # half typed
            return ""

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == "required":
            cleaned["weight"] = 0
        elif not cleaned.get("weight") and "weight" not in self.errors:
            self.add_error("weight", _("How many points is it worth?"))
        if cleaned.get("decided") != "rule":
            return cleaned
        if cleaned.get("new"):
            self.add_error("new", _("Press “Add condition” to take this one in, or choose nothing."))
        elif not self.conditions:
            self.add_error("new", _("Add at least one condition, or let a person decide."))
        if any([form.errors for form in self.conditions]):  # noqa: C419 - a list, so that each one shows its errors
            self.add_error("decided", _("Please mend the conditions marked below."))
        return cleaned

    @property
    def rule(self) -> dict:
        """The rule as data, once it is valid; empty where a person decides."""
        if self.cleaned_data.get("decided") != "rule":
            return {}
        return {
            "match": self.cleaned_data.get("match") or "all",
            "conditions": [form.condition for form in self.conditions],
        }


class CriteriaForm(forms.Form):
    """The draft as a whole. `rows` are the forms of its criteria, numbered in the order in which they stand."""

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
    revision = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        draft: CriteriaSet,
        known: dict[str, Asked],
        rows: list[dict],
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.draft = draft
        self.is_outdated = False
        self.rows = [
            CriterionForm(
                data,
                known=known,
                conditions=row.get("conditions", []),
                initial=None if data is not None else row,
                prefix=f"row-{number}",
            )
            for number, row in enumerate(rows)
        ]

    @classmethod
    def of(cls, draft: CriteriaSet, known: dict[str, Asked]) -> Self:
        """The draft as it is kept, ready to be edited."""
        rows = [
            {
                "key": criterion.key,
                "text": str(criterion),
                "kind": "required" if criterion.is_required else "points",
                "weight": criterion.weight or "",
                "decided": "rule" if criterion.rule else "person",
                "match": criterion.rule.get("match", "all"),
                "rule": criterion.rule,
                "conditions": [_as_typed(each) for each in criterion.rule.get("conditions", [])],
            }
            for criterion in draft.criteria.all()
        ]
        initial = {"threshold": draft.threshold, "note": draft.note, "revision": draft.revision}
        return cls(draft=draft, known=known, rows=rows or ([] if draft.product_id else [{}]), initial=initial)

    @classmethod
    def sent(cls, data: QueryDict, draft: CriteriaSet, known: dict[str, Asked]) -> Self:
        """What was sent, to be checked and saved."""
        return cls(data, draft=draft, known=known, rows=_typed_rows(data))

    @classmethod
    def rearranged(cls, data: QueryDict, draft: CriteriaSet, known: dict[str, Asked]) -> Self:
        """What was sent, with a row or a condition added, removed or moved as the pressed button says; unchecked."""
        rows = _typed_rows(data)
        action, _dash, rest = data.get("rearrange", "").partition("-")
        number, _dash, inner = rest.partition("-")
        place, within = read_number(number), read_number(inner)
        place = place if place is not None and place < len(rows) else None
        added = action == "add" and len(rows) < MOST_CRITERIA
        if added:
            rows.append({"kind": "points"})
        elif place is not None:
            _rearrange(rows, action, place, within, known)
        initial = {name: data.get(name, "") for name in ("threshold", "note", "revision")}
        form = cls(draft=draft, known=known, rows=rows, initial=initial)
        if added:
            form.rows[-1].fields["text"].widget.attrs["autofocus"] = True
        return form

    def refuse_as_outdated(self, why: str, latest: CriteriaSet) -> None:
        """Someone else was faster: say so, keep what was typed, and let the next press decide knowingly."""
        self.add_error(None, why)
        self.is_outdated = True
        self.data = self.data.copy()
        self.data["revision"] = latest.revision

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if not self.rows and self.draft.product_id is None:  # a product may do without criteria of its own
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
        """The rows as `save_draft` wants them: a kept row keeps its key, a new one gets a key never used before."""
        kept = {criterion.key: criterion for criterion in self.draft.criteria.all()}
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
                {
                    "key": key,
                    "text": text,
                    "is_required": typed["kind"] == "required",
                    "weight": typed["weight"] or 0,
                    "rule": row.rule,
                }
            )
        return found


def _as_typed(condition: dict) -> dict:
    """A kept condition as its form shows it."""
    value = condition.get("value")
    if isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, list) and not condition["field"].startswith("answer."):
        value = "; ".join(map(str, value))
    return {**condition, "value": value}


def _rearrange(rows: list[dict], action: str, place: int, within: int | None, known: dict[str, Asked]) -> None:
    """Do what a button of the row at `place` says; of a damaged button nothing comes."""
    conditions = rows[place].setdefault("conditions", [])
    if action == "remove":
        del rows[place]
    elif action == "up" and place:
        rows.insert(place - 1, rows.pop(place))
    elif action == "down":
        rows.insert(place + 1, rows.pop(place))
    elif action == "when" and rows[place].get("new") in known and len(conditions) < MOST_CONDITIONS:
        conditions.append({"field": rows[place].pop("new")})
    elif action == "drop" and within is not None and within < len(conditions):
        del conditions[within]


def _typed_rows(data: QueryDict) -> list[dict]:
    rows: list[dict] = []
    while f"row-{len(rows)}-text" in data and len(rows) < MOST_CRITERIA:
        prefix = f"row-{len(rows)}"
        names = ("key", "text", "kind", "weight", "decided", "match", "new")
        row: dict = {name: data.get(f"{prefix}-{name}", "") for name in names}
        conditions: list[dict] = []
        row["conditions"] = conditions
        while f"{prefix}-if-{len(conditions)}-field" in data and len(conditions) < MOST_CONDITIONS:
            inner = f"{prefix}-if-{len(conditions)}"
            values = data.getlist(f"{inner}-value")
            field = data.get(f"{inner}-field", "")
            conditions.append(
                {
                    "field": field,
                    "comparison": data.get(f"{inner}-comparison", ""),
                    "value": values if len(values) > 1 else next(iter(values), ""),
                }
            )
        rows.append(row)
    return rows


class RoundForm(forms.Form):
    """Who is to approve a draft, for which side, and from when it is to be in force."""

    marketing = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), label=_("Marketing"), widget=forms.CheckboxSelectMultiple
    )
    sales = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), label=_("Sales"), widget=forms.CheckboxSelectMultiple
    )
    director = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), label=_("Director of marketing and sales"), widget=forms.CheckboxSelectMultiple
    )
    general = forms.ModelChoiceField(
        queryset=User.objects.none(), label=_("General director"), empty_label=_("choose…")
    )
    other = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), label=_("Others"), required=False, widget=forms.CheckboxSelectMultiple
    )
    wanted_on = forms.DateField(
        label=_("In force from"),
        required=False,
        widget=DateInput(),
        help_text=_("Without a day: as soon as the last party approves."),
    )

    def __init__(self, data: QueryDict | None = None, *, suggested: list[Party]) -> None:
        chosen: dict[str, list[int]] = {}
        for person, side in suggested:
            chosen.setdefault(side.value, []).append(person.pk)
        initial: dict[str, Any] = dict(chosen)
        initial["general"] = next(iter(chosen.get("general", [])), None)
        super().__init__(data, initial=initial)
        people = User.objects.active().order_by("name", "pk")
        for side, roles in SIDES.items():
            self.fields[side.value].queryset = people if roles == set(Role) else people.filter(role__in=roles)
        self.fields["other"].queryset = people

    @property
    def parties(self) -> list[Party]:
        """Who was chosen, side by side, once the form is valid."""
        found: list[Party] = []
        for side in Approval.Side:
            chosen = self.cleaned_data[side.value]
            found += [(person, side) for person in ([chosen] if isinstance(chosen, User) else chosen)]
        return found


class ReplaceForm(forms.Form):
    """Who is asked in the place of a party who can't decide any more."""

    person = forms.ModelChoiceField(queryset=User.objects.none(), label=_("Ask instead"), empty_label=_("choose…"))

    def __init__(self, data: QueryDict | None = None, *, gone: Approval) -> None:
        super().__init__(data, auto_id=f"id_{gone.pk}_%s")
        self.fields["person"].queryset = standing_in(gone)


class DecisionForm(forms.Form):
    decision = forms.ChoiceField(
        choices=[(each.value, each.label) for each in (Approval.Decision.APPROVED, Approval.Decision.CHANGE)],
        widget=forms.HiddenInput,
    )
    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=2000,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Needed when you ask for a change: say which."),
    )
