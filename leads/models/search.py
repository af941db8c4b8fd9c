"""Search by part of a name, e-mail, company or phone: one normalised column, one trigram index."""

from typing import Self

from django.db import models
from django.db.models import Q

from accounts.models import Organisation
from leads.normalise import is_short, search_terms


class Searchable(models.QuerySet):
    """Rows with a column of folded words and phone digits."""

    searched_column = "search_text"

    def search(self, text: str) -> Self:
        """Rows that contain every word of `text`, whatever its case and accents; a phone in any notation.

        One or two letters are looked for where a word begins.
        """
        for term in search_terms(text, Organisation.current().country):
            found = Q(**{f"{self.searched_column}__contains": term})
            if is_short(term):
                # Two letters have no trigram of their own, but together with the blank before them they do.
                found = Q(**{f"{self.searched_column}__startswith": term}) | Q(
                    **{f"{self.searched_column}__contains": f" {term}"}
                )
            self = self.filter(found)
        return self
