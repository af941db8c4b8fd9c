"""Who is a client already, and whose: the owner of their last won opportunity.

A client is who bought, or who has the e-mail or phone of somebody who bought (the same person registered twice), or who
works in a company that bought; in this order.
"""

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any

from leads.models import Contact
from pipeline.models import Opportunity

BLOCK = 10_000  # contacts looked up by one round of queries: a database takes only so many parameters


@dataclasses.dataclass(frozen=True)
class Client:
    """By what somebody is known as a client, and who of us looks after them."""

    how: str  # "contact", "duplicate" or "company"
    owner_id: int
    owner: str


@dataclasses.dataclass(frozen=True)
class _Won:
    at: datetime.datetime
    owner_id: int
    owner: str


class Clients:
    """What was won of some contacts, loaded at once: four queries for up to `BLOCK` contacts."""

    # By what a won opportunity's contact is the lead's: the contact's field, and what that makes the lead.
    KEYS = (("pk", "contact"), ("email", "duplicate"), ("phone", "duplicate"), ("company_id", "company"))

    def __init__(self, contacts: Iterable[Contact]) -> None:
        self._won: dict[tuple[str, Any], list[_Won]] = {}
        known = list({contact.pk: contact for contact in contacts if contact.pk}.values())
        for start in range(0, len(known), BLOCK):
            self._load(known[start : start + BLOCK])

    def _load(self, contacts: list[Contact]) -> None:
        for field, _how in self.KEYS:
            values = {value for contact in contacts if (value := getattr(contact, field))}
            if not values:
                continue
            path = f"lead__contact__{field}" if field != "pk" else "lead__contact"
            won = Opportunity.objects.won().filter(**{f"{path}__in": values}).order_by("won_at", "pk")
            for value, at, owner_id, owner in won.values_list(path, "won_at", "owner", "owner__name"):
                self._won.setdefault((field, value), []).append(_Won(at, owner_id, owner))

    def of(self, contact: Contact, at: datetime.datetime) -> Client | None:
        """The contact as a client at that moment; None where nothing was won of them by then."""
        for field, how in self.KEYS:
            won = [each for each in self._won.get((field, getattr(contact, field)), ()) if each.at <= at]
            if won:
                return Client(how, won[-1].owner_id, won[-1].owner)
        return None
