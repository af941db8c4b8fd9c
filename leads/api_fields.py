"""Fields and filters that the API's resources share."""

from typing import Any

import django_filters
from rest_framework import serializers

from leads.normalise import SANE_DAYS, SANE_MOMENTS, validate_text


def text(max_length: int, **options) -> serializers.CharField:
    return serializers.CharField(
        max_length=max_length, required=False, allow_blank=True, default="", validators=[validate_text], **options
    )


def day(**options) -> serializers.DateField:
    return serializers.DateField(validators=SANE_DAYS, **options)


def moment(**options) -> serializers.DateTimeField:
    return serializers.DateTimeField(validators=SANE_MOMENTS, **options)


class ManyFilter(django_filters.MultipleChoiceFilter):
    """Any of several values of a column of the row itself."""

    def __init__(self, *, choices: Any) -> None:
        # No join repeats a row here, and DISTINCT would sort the whole table before its first page.
        super().__init__(choices=choices, distinct=False)
