"""Saving a form whose record somebody else may be adding at this very moment.

It knows nothing of people; it lives in the lowest layer because every app has names that may be there only once.
"""

from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.forms import ModelForm

Row = TypeVar("Row", bound=Model)


def save_unless_taken(form: "ModelForm[Row]") -> Row | None:
    """Save a valid form. None when somebody was a moment faster with the same name, which the form then says."""
    try:
        with transaction.atomic():
            return form.save()
    except IntegrityError:
        form.full_clean()  # its checks find now what is there, and say it in their words
        if not form.errors:
            raise
        return None
