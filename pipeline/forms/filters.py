"""Filters of the pipeline's lists: what they share."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import Organisation, Team, User
from leads.forms.fields import DateInput
from leads.forms.filters import FilterForm
from leads.forms.leads import NONE, OneOrNoneField, WithNone
from leads.models import Lead
from leads.normalise import SANE_DAYS, SEARCH_LENGTH, validate_text


class _SalesPeople(WithNone):
    """Offers those who sell; an address may name anybody, such as a rep who changed departments."""

    def __init__(self, field: OneOrNoneField) -> None:
        super().__init__(field)
        self.queryset = field.queryset.filter(role__in=access.SELL)


class SalesPersonField(OneOrNoneField):
    iterator = _SalesPeople


def one(label: str, rows: QuerySet, none_label: str = _("None")) -> OneOrNoneField:
    return OneOrNoneField(rows, none_label, label=label)


def choice(label: str, choices: Iterable[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=[("", _("Any")), *choices], required=False)


def day(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=DateInput, validators=SANE_DAYS)


class PipelineFilter(FilterForm):
    """Filters that lists of the pipeline share.

    `paths` says which column each choice filters; `periods` which moment each pair `<name>_from`, `<name>_to` bounds, in
    days of the organisation, both included.
    """

    lead_path = "lead"
    paths: dict[str, str] = {}
    q = forms.CharField(label=_("Search"), max_length=SEARCH_LENGTH, required=False, validators=[validate_text])

    @property
    def periods(self) -> Mapping[str, str]:
        return {}

    @cached_property
    def _zone(self) -> datetime.tzinfo:
        return Organisation.current().tzinfo

    @property
    def chosen(self) -> dict[str, object]:
        """The filters that are set, by name."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}

    def apply(self, rows: Any) -> Any:
        """`rows` as far as every filter that is set lets them through."""
        for name, value in self.chosen.items():
            if name == "q":
                rows = self.search(rows, str(value))
            elif isinstance(value, Team):
                # By its people, which are few: joined to them, a list in order of time sorts all rows that there are.
                people = list(User.objects.filter(team=value).values_list("pk", flat=True))
                rows = rows.filter(**{f"{self.paths[name].removesuffix('__team')}__in": people})
            elif name in self.paths:
                path = self.paths[name]
                rows = rows.filter(**({f"{path}__isnull": True} if value == NONE else {path: value}))
        for name, path in self.periods.items():
            rows = rows.filter(self._between(path, name))
        return rows

    def search(self, rows: Any, text: str) -> Any:
        """Those of `rows` that `text` finds: by their lead, unless a list looks elsewhere."""
        return rows.filter(**{f"{self.lead_path}__in": Lead.objects.search(text)})

    def _between(self, path: str, name: str) -> Q:
        """The moment `path` is within the days `<name>_from` to `<name>_to`, as far as they are set."""
        between = Q()
        if first := self.cleaned_data[f"{name}_from"]:
            between &= Q(**{f"{path}__gte": datetime.datetime.combine(first, datetime.time(), self._zone)})
        if last := self.cleaned_data[f"{name}_to"]:
            after = last + datetime.timedelta(days=1)
            between &= Q(**{f"{path}__lt": datetime.datetime.combine(after, datetime.time(), self._zone)})
        return between

    @property
    def query(self) -> QueryDict:
        """The filters that are set, as an address has them."""
        query = QueryDict(mutable=True)
        for name in self.chosen:
            query[name] = self.data[name]
        return query

    def address(self, **changes: object) -> str:
        """The query of the same list with other filters: `?stage=won`; None takes one away."""
        wanted = {name: self.data[name] for name in self.chosen} | changes
        return "?" + urlencode({name: value for name, value in wanted.items() if value is not None})

    def chips(self) -> list[dict[str, Any]]:
        """The filters that are set, in words, each with the address that is left when it is taken away."""
        return [
            {
                "name": name,
                "label": self.fields[name].label,
                "text": self._text(name, value),
                "left": self.address(**{name: None}),
            }
            for name, value in self.chosen.items()
        ]

    def _text(self, name: str, value: object) -> str:
        field = self.fields[name]
        if value == NONE and isinstance(field, OneOrNoneField):  # a search for the word is a search
            return str(field.none_label)
        if isinstance(value, datetime.date):
            return date_format(value, "SHORT_DATE_FORMAT")
        return str(dict(field.choices)[value]) if type(field) is forms.ChoiceField else str(value)
