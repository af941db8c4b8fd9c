"""What all filters of lists have in common."""

from typing import Self

from django import forms
from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.utils.translation import gettext as _

from accounts import keyset


class FilterForm(forms.Form):
    """A list's filters. Its fields are the only names that the address may have; each may be left out."""

    @classmethod
    def read(cls, parameters: QueryDict) -> Self:
        """The valid filters of an address. An unknown name or value is a 400."""
        form = cls(parameters)
        unknown = set(parameters) - set(form.fields) - {keyset.PARAMETER}
        if unknown or not form.is_valid():
            raise BadRequest(
                _("This list has no such filter: %(names)s") % {"names": ", ".join(unknown | set(form.errors))}
            )
        return form

    @property
    def is_narrowed(self) -> bool:
        return any(self.cleaned_data.values())
