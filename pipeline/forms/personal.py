"""Input about erasing a person and about how long data is kept."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.utils.translation import gettext_lazy as _

from leads.forms.fields import DateInput
from leads.forms.filters import FilterForm
from leads.normalise import SANE_DAYS, validate_text
from pipeline import retention


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
