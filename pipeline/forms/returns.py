"""What sales enters when it refuses a lead, marketing when it answers, and the director when they disagree."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models import Criterion, Product, Reason
from leads.normalise import validate_text
from pipeline.forms.fields import sales_people, words
from pipeline.models import ReturnAnswer, ReturnFeedback
from pipeline.refusals import Refusable

Kind = ReturnFeedback.Kind


class _Reasons(forms.RadioSelect):
    """Says of each reason which evidence it asks for, so that the page shows only that."""

    def create_option(self, name, value, *args, **kwargs) -> dict:
        option = super().create_option(name, value, *args, **kwargs)
        if value:
            option["attrs"]["data-evidence"] = value.instance.evidence
        return option


class _Pointed(forms.MultipleChoiceField):
    """Criteria and facts to tick. What was offered stays valid, though it isn't worth offering any more."""

    widget = forms.CheckboxSelectMultiple
    seen: Refusable

    def valid_value(self, value: str) -> bool:
        return self.seen.may_point_at(str(value))


def _line(label: str, most: int) -> forms.CharField:
    return forms.CharField(label=label, max_length=most, required=False, validators=[validate_text])


class RejectForm(forms.Form):
    """A reason, what it asks to be shown, and what marketing can learn; `seen` is how the lead stood at its handoff."""

    reason = forms.ModelChoiceField(
        label=_("Reason"),
        queryset=Reason.objects.none(),
        widget=_Reasons,
        empty_label=None,
        error_messages={"invalid_choice": _("This reason is not in use any more. Choose another.")},
    )
    who_said_no = _line(_("Who said no?"), 200)
    wanted_product = forms.ModelChoiceField(
        label=_("Which product was wanted?"),
        queryset=Product.objects.none(),
        required=False,
        empty_label=_("None of ours"),
        error_messages={"invalid_choice": _("This product is not in use any more. Choose another.")},
    )
    wanted_text = _line(_("Or what, that we don't sell?"), 150)
    failed_criterion = forms.ModelChoiceField(
        label=_("Which criterion fails?"),
        queryset=Criterion.objects.none(),
        required=False,
        empty_label=_("Choose one"),
        error_messages={
            "invalid_choice": _("This lead wasn't judged by that criterion. Choose among those that are shown.")
        },
    )
    missing_at, not_asked_at, misread_at = (_Pointed(required=False, label=kind.label) for kind in Kind)
    missing = words(_("What was missing?"), most=2000, rows=1)
    not_asked = words(_("What was not asked?"), most=2000, rows=1)
    misread = words(_("What was misread?"), most=2000, rows=1)
    criteria_doubt = words(_("Why are the criteria wrong?"), most=2000)

    def __init__(self, *args, seen: Refusable, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.seen = seen
        self.fields["reason"].queryset = Reason.objects.offered(Reason.Kind.REJECTION)
        self.fields["wanted_product"].queryset = Product.objects.filter(is_active=True)
        self.fields["failed_criterion"].queryset = Criterion.objects.filter(
            pk__in=[criterion.pk for criterion in seen.criteria]
        )
        for kind, pointers in seen.pointers().items():
            field = self.fields[f"{kind}_at"]
            field.seen = seen
            field.choices = [(pointer.field, pointer.text) for pointer in pointers]

    def groups(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """For each kind of feedback what may be ticked, and the person's own words."""
        return [(self[f"{kind.value}_at"], self[kind.value]) for kind in Kind]

    @property
    def verdict(self) -> dict[str, Any]:
        """What `transitions.reject` is told."""
        data = {name: value for name, value in self.cleaned_data.items() if not name.endswith("_at")}
        return data | {
            "feedback": [(kind.value, field) for kind in Kind for field in self.cleaned_data[f"{kind.value}_at"]]
        }


class ReturnAnswerForm(forms.Form):
    """Marketing's answer, sent by one button: `answer`, or the reason why the lead is removed in the same breath."""

    answer = forms.ChoiceField(
        choices=ReturnAnswer.Answer.choices,
        required=False,
        error_messages={"invalid_choice": _("Choose one of the answers.")},
    )
    note = words(_("Note"), most=2000, rows=1)
    agree_and_remove = forms.ModelChoiceField(
        queryset=Reason.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("This reason is not in use any more. Choose another.")},
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agree_and_remove"].queryset = Reason.objects.offered(Reason.Kind.REMOVAL)

    @cached_property
    def removals(self) -> list[Reason]:
        return list(self.fields["agree_and_remove"].queryset)

    def clean(self) -> dict:
        data = self.cleaned_data
        data["removal"] = data.pop("agree_and_remove", None)
        if data["removal"] is not None:
            data["answer"] = ReturnAnswer.Answer.AGREE
        if not data.get("answer") and not self.errors:
            raise ValidationError(_("Choose one of the answers."))
        return data


class DisputeForm(forms.Form):
    decision = forms.ChoiceField(label=_("Decision"), choices=ReturnAnswer.Decision.choices, widget=forms.RadioSelect)
    to = forms.ModelChoiceField(
        label=_("Who takes it"),
        queryset=User.objects.none(),
        required=False,
        empty_label=_("the same rep"),
        help_text=_("Only where sales takes it again."),
    )
    note = words(_("Why"), most=2000, help_text=_("Both sides read this."))

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = sales_people()
