"""Input of the questionnaire builder: a questionnaire, its texts, and one question with its options and rules.

What a question's form asks depends on what was chosen in it (the kind of answer, what it decides, after which question
it comes), so it is drawn anew after such a choice: by the script at once, without a script by a button.
"""

import datetime
from decimal import Decimal
from typing import Any, Self

from django import forms
from django.http import QueryDict
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from leads import questionnaires
from leads.comparisons import Comparison
from leads.comparisons import Kind as Compared
from leads.forms.fields import AmountField, DateInput
from leads.forms.filters import FilterForm
from leads.models import Campaign, Criterion, Option, Product, Question, Questionnaire, QuestionnaireVersion, Submission
from leads.normalise import read_number, validate_text
from leads.questionnaires import CHOICES, COMPARED_AS, CONTACT_FIELDS, FIELD_KINDS, MOST_OPTIONS

_Decides = Question.Decides
_TYPED = {"autocomplete": "off"}
# What is typed while the form is on its way to be drawn anew stays.
_KEPT = _TYPED | {"hx-preserve": "true"}


class QuestionnaireFilter(FilterForm):
    q = forms.CharField(required=False, max_length=200, validators=[validate_text])
    kind = forms.ChoiceField(choices=Questionnaire.Kind.choices, required=False)
    campaign = forms.ModelChoiceField(Campaign.objects.all(), required=False)


class QuestionnaireForm(forms.ModelForm):
    copy_of = forms.ModelChoiceField(
        Questionnaire.objects.order_by("-updated_at", "-pk"),
        label=_("Begin with the questions of"),
        required=False,
        empty_label=_("an empty questionnaire"),
        help_text=_("Copied questions stay the same questions: their answers can be compared and rules know them."),
    )

    class Meta:
        model = Questionnaire
        fields = ["kind", "name", "campaign", "product"]
        help_texts = {
            "campaign": _("Whose visitors are asked."),
            "product": _("Whose brief it is; leave empty for the brief of all products."),
        }

    field_order = ["kind", "name", "campaign", "product", "copy_of"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["campaign"].queryset = Campaign.objects.order_by("-starts_on", "-pk")
        self.fields["campaign"].empty_label = _("Choose…")
        self.fields["product"].queryset = Product.objects.filter(is_active=True)
        self.fields["product"].empty_label = _("All products")

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == Questionnaire.Kind.BRIEF:
            cleaned["campaign"] = None
        else:
            cleaned["product"] = None
            if not cleaned.get("campaign") and "campaign" not in self.errors:
                self.add_error("campaign", _("Whose visitors does it ask? Choose a campaign."))
        return cleaned


class TextsForm(forms.ModelForm):
    """The name, and the version's texts around the questions."""

    name = forms.CharField(label=pgettext_lazy("thing", "Name"), max_length=200, validators=[validate_text])
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=50)

    class Meta:
        model = QuestionnaireVersion
        fields = ["intro_en", "intro_ru", "thanks_en", "thanks_ru", "script"]
        widgets = {
            **{name: forms.Textarea(attrs={"rows": 3}) for name in ("intro_en", "intro_ru", "thanks_en", "thanks_ru")},
            "script": forms.Textarea(attrs={"rows": 6}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = questionnaires.fingerprint(questionnaires.texts(self.instance))

    @property
    def texts(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in self.Meta.fields}

    def refuse_as_outdated(self, why: str, now: QuestionnaireVersion) -> None:
        """Keep what was typed; the next press decides knowingly."""
        self.add_error(None, why)
        self.data = self.data.copy()
        self.data["seen"] = questionnaires.fingerprint(questionnaires.texts(now))


# --- One question ----------------------------------------------------------------------------------------------------


class OptionForm(forms.Form):
    key = forms.CharField(required=False, max_length=50, widget=forms.HiddenInput)
    text_en = forms.CharField(
        label=_("Answer in English"),
        required=False,
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_TYPED),
    )
    text_ru = forms.CharField(
        label=_("Answer in Russian"),
        required=False,
        max_length=200,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_TYPED | {"lang": "ru"}),
    )
    product = forms.ModelChoiceField(
        Product.objects.all(), label=_("Product of interest"), required=False, empty_label=_("none")
    )
    meets = forms.BooleanField(label=_("meets the criterion"), required=False)

    def __init__(self, *args: Any, products: list[Product], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Every row offers the same products: read once, not once a row.
        self.fields["product"].choices = [("", _("none")), *((product.pk, str(product)) for product in products)]

    @property
    def is_blank(self) -> bool:
        return not (self.cleaned_data.get("text_en") or self.cleaned_data.get("text_ru"))


class RuleFields:
    """The pair of fields “comparison” and “value” that fits the answer of one question."""

    def __init__(self, kind: str, options: list[tuple[str, str]], *, is_condition: bool) -> None:
        self.compared = COMPARED_AS[Question.Kind(kind)]
        self.options = options
        # An answer that isn't there decides no criterion.
        self.comparisons = [c for c in questionnaires.offered(kind) if is_condition or c is not Comparison.BLANK]

    def comparison(self) -> forms.ChoiceField:
        return forms.ChoiceField(
            label=_("Comparison"), required=False, choices=[(c.value, c.label) for c in self.comparisons]
        )

    def value(self) -> forms.Field:
        if self.compared is Compared.CHOICE:
            return forms.MultipleChoiceField(
                label=_("Answers"), required=False, choices=self.options, widget=forms.CheckboxSelectMultiple
            )
        if self.compared is Compared.YES_NO:
            return forms.ChoiceField(label=_("Answer"), required=False, choices=[("yes", _("yes")), ("no", _("no"))])
        if self.compared is Compared.NUMBER:
            return AmountField(label=_("Number"), required=False, max_digits=18, decimal_places=4)
        if self.compared is Compared.DATE:
            return forms.DateField(label=_("Day"), required=False, widget=DateInput)
        return forms.CharField(
            label=_("Words"),
            required=False,
            max_length=200,
            validators=[validate_text],
            widget=forms.TextInput(attrs=_TYPED),
            help_text=_("For “one of” and “none of”, separate them by commas."),
        )

    def rule(self, comparison: str, value: object) -> dict[str, Any]:
        """The rule as it is kept."""
        chosen = Comparison(comparison)
        if not chosen.needs_value:
            return {"comparison": chosen.value}
        return {"comparison": chosen.value, "value": self._kept(chosen, value)}

    def _kept(self, comparison: Comparison, value: object) -> object:
        if self.compared is Compared.YES_NO:
            return value == "yes"
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        if isinstance(value, datetime.date):
            return value.isoformat()
        if isinstance(value, str) and comparison in {Comparison.ANY_OF, Comparison.NONE_OF}:
            return [part.strip() for part in value.split(",") if part.strip()]
        return value


class QuestionForm(forms.Form):
    """One question. `earlier` are the questions before it, after whose answers it may come."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=50)
    kind = forms.ChoiceField(label=_("Kind of answer"), choices=Question.Kind.choices)
    text_en = forms.CharField(
        label=_("Question in English"),
        required=False,
        max_length=300,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_KEPT),
    )
    text_ru = forms.CharField(
        label=_("Question in Russian"),
        required=False,
        max_length=300,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_KEPT | {"lang": "ru"}),
    )
    help_en = forms.CharField(
        label=_("Hint in English"),
        required=False,
        max_length=300,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_KEPT),
    )
    help_ru = forms.CharField(
        label=_("Hint in Russian"),
        required=False,
        max_length=300,
        validators=[validate_text],
        widget=forms.TextInput(attrs=_KEPT | {"lang": "ru"}),
    )
    is_required = forms.BooleanField(label=_("Must be answered"), required=False)
    ask_after = forms.ChoiceField(label=_("Ask it"), required=False)
    decides = forms.ChoiceField(label=_("Its answer decides"), required=False)

    # What decides which fields there are.
    SHAPING = ("kind", "ask_after", "decides")

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        initial: dict[str, Any],
        rows: list[dict[str, Any]],
        earlier: list[Question],
        criteria: dict[str, Criterion],
    ) -> None:
        super().__init__(data, initial=initial)
        self.earlier = {question.key: question for question in earlier}
        shape = {name: (data.get(name, "") if data is not None else initial.get(name, "")) for name in self.SHAPING}
        self.kind_now = shape["kind"] if shape["kind"] in Question.Kind.values else Question.Kind.TEXT.value
        self.has_options = self.kind_now in CHOICES
        self.fields["ask_after"].choices = [
            ("", _("always")),
            *((q.key, _("only after: %(question)s") % {"question": Truncator(q).chars(80)}) for q in earlier),
        ]
        self.fields["decides"].choices = self._decisions(criteria)
        self.decides_now = shape["decides"] if shape["decides"] in dict(self.fields["decides"].choices) else ""
        self.condition = self._add_condition(self.earlier.get(shape["ask_after"]))
        self.rule = self._add_decision(criteria)
        self.rows = self._options(data, rows) if self.has_options else []

    def _decisions(self, criteria: dict[str, Criterion]) -> list[tuple[str, Any]]:
        fits = {
            _Decides.NOTHING: True,
            _Decides.CRITERION: bool(criteria) or self.initial.get("decides") == _Decides.CRITERION,
            _Decides.PRODUCT: self.has_options,
            _Decides.FIELD: any(self.kind_now in kinds for kinds in FIELD_KINDS.values()),
        }
        return [(decision.value, decision.label) for decision in _Decides if fits[decision]]

    def _add_condition(self, other: Question | None) -> RuleFields | None:
        if other is None:
            return None
        options = [(option.key, str(option)) for option in other.options.all()]
        condition = RuleFields(other.kind, options, is_condition=True)
        self.fields["ask_comparison"], self.fields["ask_value"] = condition.comparison(), condition.value()
        return condition

    def _add_decision(self, criteria: dict[str, Criterion]) -> RuleFields | None:
        if self.decides_now == _Decides.FIELD:
            fields = [(name, label) for name, label in CONTACT_FIELDS.items() if self.kind_now in FIELD_KINDS[name]]
            self.fields["contact_field"] = forms.ChoiceField(label=_("Field"), choices=[("", _("Choose…")), *fields])
        if self.decides_now != _Decides.CRITERION:
            return None
        choices = [("", _("Choose…")), *((key, str(criterion)) for key, criterion in criteria.items())]
        kept = self.initial.get("criterion_key")
        if kept and kept not in criteria:
            choices.append((kept, _("%(key)s (not in force)") % {"key": kept}))
        self.fields["criterion_key"] = forms.ChoiceField(label=_("Criterion"), choices=choices)
        if self.has_options:  # each option says whether it meets the criterion
            return None
        rule = RuleFields(self.kind_now, [], is_condition=False)
        self.fields["rule_comparison"], self.fields["rule_value"] = rule.comparison(), rule.value()
        self.fields["rule_comparison"].label = _("Met when the answer")
        return rule

    def _options(self, data: QueryDict | None, rows: list[dict[str, Any]]) -> list[OptionForm]:
        rows = rows or [{}, {}, {}]
        mine = [read_number(str(row.get("product") or "")) or 0 for row in rows]
        active = Product.objects.filter(is_active=True) | Product.objects.filter(pk__in=mine)
        products = list(active.order_by("name"))
        return [
            OptionForm(data, initial=row, prefix=f"option-{number}", products=products)
            for number, row in enumerate(rows)
        ]

    # How one comes about

    @classmethod
    def of(cls, said: dict[str, Any] | None, *, kind: str = "", **context: Any) -> Self:
        """A question ready to be edited; without one, a new one of that kind."""
        if said is None:
            return cls(initial={"kind": kind or Question.Kind.TEXT.value, "seen": ""}, rows=[], **context)
        initial = {name: value for name, value in said.items() if name != "options"}
        initial |= {"seen": questionnaires.fingerprint(said), "ask_after": said["condition"].get("question", "")}
        initial["ask_comparison"], initial["ask_value"] = _shown(said["condition"], context["earlier"])
        initial["rule_comparison"], initial["rule_value"] = _shown({**said["criterion_rule"], "question": ""}, [])
        meeting = said["criterion_rule"].get("value") or []
        rows = [
            {**option, "meets": isinstance(meeting, list) and option["key"] in meeting} for option in said["options"]
        ]
        return cls(initial=initial, rows=rows, **context)

    @classmethod
    def sent(cls, data: QueryDict, said: dict[str, Any] | None, **context: Any) -> Self:
        """What was sent, to be checked and saved."""
        initial = {"criterion_key": said["criterion_key"], "decides": said["decides"]} if said else {}
        return cls(data, initial=initial, rows=_typed_rows(data), **context)

    @classmethod
    def rearranged(cls, data: QueryDict, said: dict[str, Any] | None, **context: Any) -> Self:
        """What was sent, drawn anew after a choice, or with an option added, removed or moved; nothing is checked."""
        rows = _typed_rows(data)
        action, _dash, number = data.get("rearrange", "").partition("-")
        place = read_number(number)
        place = place if place is not None and place < len(rows) else None
        if action == "add" and len(rows) < MOST_OPTIONS:
            rows.append({})
        elif action == "products":
            rows = _with_products(rows)
        elif action == "remove" and place is not None:
            del rows[place]
        elif action == "up" and place:
            rows.insert(place - 1, rows.pop(place))
        elif action == "down" and place is not None:
            rows.insert(place + 1, rows.pop(place))
        initial: dict[str, Any] = {name: data.get(name, "") for name in data if not name.startswith("option-")}
        initial |= {name: data.getlist(name) for name in ("ask_value", "rule_value") if len(data.getlist(name)) > 1}
        initial["is_required"] = "is_required" in data
        if said and said["criterion_key"] and not initial.get("criterion_key"):
            initial["criterion_key"] = said["criterion_key"]
        form = cls(initial=initial, rows=rows, **context)
        if action == "add" and form.rows:
            form.rows[-1].fields["text_en"].widget.attrs["autofocus"] = True
        return form

    def refuse_as_outdated(self, why: str, now: dict[str, Any]) -> None:
        """Keep what was typed; the next press decides knowingly."""
        self.add_error(None, why)
        self.data = self.data.copy()
        self.data["seen"] = questionnaires.fingerprint(now)

    # What it says

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        if not (cleaned.get("text_en") or cleaned.get("text_ru")) and not {"text_en", "text_ru"} & set(self.errors):
            self.add_error("text_en", _("Write the question in at least one language."))
        if self.condition:
            self._check_rule(self.condition, "ask_comparison", "ask_value")
        if self.rule:
            self._check_rule(self.rule, "rule_comparison", "rule_value")
        if self.has_options:
            self._check_options()
        return cleaned

    def _check_rule(self, fields: RuleFields, comparison: str, value: str) -> None:
        chosen = self.cleaned_data.get(comparison)
        if not chosen:
            if comparison not in self.errors:
                self.add_error(comparison, _("Choose how to compare."))
            return
        is_missing = self.cleaned_data.get(value) in (None, "", [])
        if is_missing and value not in self.errors and Comparison(chosen).needs_value:
            self.add_error(value, _("Compared with what?"))

    def _check_options(self) -> None:
        if any([row.errors for row in self.rows]):  # noqa: C419 - a list, so that each row is checked and shows its errors
            self.add_error(None, _("Please mend the answers marked below."))
            return
        written = [row for row in self.rows if not row.is_blank]
        for row in self.rows:
            if row.is_blank and (row.cleaned_data["product"] or row.cleaned_data["meets"]):
                row.add_error("text_en", _("Write the answer in at least one language."))
        seen: set[str] = set()
        for row in written:
            typed = row.cleaned_data
            for name in ("text_en", "text_ru"):
                folded = f"{name} {typed[name].casefold()}"
                if typed[name] and folded in seen:
                    row.add_error(name, _("This answer is there twice."))
                seen.add(folded)
        if len(self.rows) > MOST_OPTIONS:
            self.add_error(None, _("A choice has at most %(most)s answers.") % {"most": MOST_OPTIONS})
        if len(written) < 2:
            self.add_error(None, _("A choice needs at least two answers."))
        elif self.decides_now == _Decides.PRODUCT and not any(row.cleaned_data["product"] for row in written):
            self.add_error(None, _("Say which answer names which product of interest."))
        elif self.decides_now == _Decides.CRITERION and not any(row.cleaned_data["meets"] for row in written):
            self.add_error(None, _("Mark the answers that meet the criterion."))
        if any(row.errors for row in self.rows):
            self.add_error(None, _("Please mend the answers marked below."))

    @property
    def said(self) -> dict[str, Any]:
        """The question as `leads.questionnaires.save_question` wants it."""
        typed = self.cleaned_data
        plain = {name: typed[name] for name in ("kind", "text_en", "text_ru", "help_en", "help_ru", "is_required")}
        condition: dict[str, Any] = {}
        if self.condition:
            rule = self.condition.rule(typed["ask_comparison"], typed["ask_value"])
            condition = {"question": typed["ask_after"], **rule}
        rule = self.rule.rule(typed["rule_comparison"], typed["rule_value"]) if self.rule else {}
        return plain | {
            "condition": condition,
            "decides": typed["decides"],
            "criterion_key": typed.get("criterion_key", ""),
            "criterion_rule": rule,
            "contact_field": typed.get("contact_field", ""),
            "options": [
                {
                    "key": row.cleaned_data["key"],
                    "text_en": row.cleaned_data["text_en"],
                    "text_ru": row.cleaned_data["text_ru"],
                    "product": self._product(row),
                    "meets": row.cleaned_data["meets"],
                }
                for row in self.rows
                if not row.is_blank
            ],
        }

    def _product(self, row: OptionForm) -> int | None:
        product = row.cleaned_data["product"]
        return product.pk if product and self.decides_now == _Decides.PRODUCT else None


def _shown(rule: dict[str, Any], earlier: list[Question]) -> tuple[object, object]:
    """A kept rule as its two fields show it."""
    value = rule.get("value")
    if isinstance(value, bool):
        return rule.get("comparison"), "yes" if value else "no"
    other = next((q for q in earlier if q.key == rule.get("question")), None)
    if isinstance(value, list) and not (other and other.kind in CHOICES):
        value = ", ".join(str(part) for part in value)
    return rule.get("comparison"), value


def _typed_rows(data: QueryDict) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while (
        f"option-{len(rows)}-text_en" in data and len(rows) <= MOST_OPTIONS
    ):  # one more than may be, so that it is refused
        prefix = f"option-{len(rows)}-"
        row: dict[str, Any] = {name: data.get(prefix + name, "") for name in ("key", "text_en", "text_ru", "product")}
        rows.append({**row, "meets": prefix + "meets" in data})
    return rows


def _with_products(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One answer for each product on sale that none names yet; blank rows give way."""
    written = [row for row in rows if row["text_en"] or row["text_ru"]]
    named = {str(row["product"]) for row in written}
    for product in Product.objects.filter(is_active=True).order_by("name")[:MOST_OPTIONS]:
        if str(product.pk) not in named and len(written) < MOST_OPTIONS:
            name = product.name[: Option._meta.get_field("text_en").max_length]
            written.append({"text_en": name, "text_ru": name, "product": product.pk})
    return written


# --- Results ---------------------------------------------------------------------------------------------------------


class ResultsFilter(FilterForm):
    """Which filled-in questionnaires count."""

    version = forms.IntegerField(required=False, min_value=1, max_value=10**6)
    via = forms.ChoiceField(choices=Submission.Via.choices, required=False)


class AnswersFilter(ResultsFilter):
    """Which answers to one question are listed."""

    option = forms.SlugField(required=False, max_length=50)
    yes = forms.ChoiceField(choices=[("1", _("yes")), ("0", _("no"))], required=False)
    least = forms.DecimalField(required=False, max_digits=18, decimal_places=4)
    below = forms.DecimalField(required=False, max_digits=18, decimal_places=4)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)


class ExportFilter(ResultsFilter):
    format = forms.ChoiceField(choices=[("csv", "CSV"), ("xlsx", "XLSX")], required=False)


class SubmissionFilter(FilterForm):
    """The spam queue: what waits, or what was found to be spam."""

    spam = forms.ChoiceField(choices=[("1", "1")], required=False)
