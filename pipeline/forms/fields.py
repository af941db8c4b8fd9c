"""Fields that several forms have."""

import datetime

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Organisation, User
from leads.normalise import validate_text
from pipeline.models import Absence


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


def read_moment(text: str) -> datetime.datetime:
    """A moment that a button or an option carries."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValidationError(_("This page is damaged. Please reload it."))
    return moment


def sales_people() -> QuerySet[User]:
    """Who can be given a lead."""
    return User.objects.active().filter(role__in=access.SELL)


class RepField(forms.ModelChoiceField):
    """One of sales; who is away today is offered with the day until which."""

    @cached_property
    def away(self) -> dict[int, Absence]:
        """Today's absences, by whose they are."""
        today = Organisation.current().day_of(timezone.now())
        return {
            absence.user_id: absence
            for absence in Absence.objects.between(today, today).select_related("user", "deputy")
        }

    def label_from_instance(self, obj: Model) -> str:
        absence = self.away.get(obj.pk)
        if absence is None:
            return str(obj)
        return gettext("%(rep)s (away until %(day)s)") % {"rep": obj, "day": date_format(absence.ends_on, "j E")}
