"""Fields that several forms have."""

from django import forms
from django.db.models import QuerySet

from accounts import access
from accounts.models import User
from leads.normalise import validate_text


def words(label: str, *, most: int, rows: int = 2, **kwargs) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=most,
        required=False,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": rows}),
        **kwargs,
    )


def moment(label: str, **kwargs) -> forms.DateTimeField:
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
