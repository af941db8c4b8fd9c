"""Fields that several forms need."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _


class DateInput(forms.DateInput):
    """The browser's own date picker."""

    input_type = "date"

    def __init__(self, attrs: dict | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


class AmountField(forms.DecimalField):
    """A number as people type it: `1234.5`, `1 234,50` or `1,234.50`. What could be read in two ways is refused."""

    def __init__(self, **options) -> None:
        options.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        super().__init__(**options)

    def to_python(self, value: object) -> Decimal | None:  # type: ignore[override]
        return super().to_python(_plain_number(value) if isinstance(value, str) else value)


def _plain_number(typed: str) -> str:
    text = "".join(typed.split())
    mark = text[max(text.rfind("."), text.rfind(","))] if {*text} & {*".,"} else ""
    if not mark:
        return text
    if text.count(mark) > 1:  # a mark that repeats groups the thousands
        whole, fraction, separator = text, "", mark
    else:
        whole, _mark, fraction = text.rpartition(mark)
        separator = "," if mark == "." else "."
        if mark == "," and len(fraction) == 3 and separator not in whole:
            raise forms.ValidationError(
                _("“%(typed)s” can be read in two ways. Please write it without the comma, or with two decimals."),
                code="ambiguous",
                params={"typed": typed},
            )
    groups = whole.split(separator)
    if any(len(group) != 3 for group in groups[1:]):
        return text  # a number in no notation: the plain field refuses it
    return f"{''.join(groups)}.{fraction}" if fraction else "".join(groups)
