"""Contacts and expenses from a file."""

import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.contact_sync import upsert_contacts
from leads.importing import references
from leads.importing.mapping import Field, Kind, Mapping, Row
from leads.importing.running import Outcome
from leads.models import Expense

# Names as `contact_sync` has them.
CONTACT_FIELDS = {
    "name": Field(max_length=200),
    "job_title": Field(max_length=150),
    "email": Field(Kind.EMAIL, max_length=254),
    "phone": Field(max_length=50),
    "company": Field(max_length=200),
    "profile_url": Field(Kind.URL, max_length=300),
    "note": Field(max_length=5000),
    "do_not_contact": Field(Kind.FLAG),
}


ERASED = gettext_lazy("This person's data was erased here, so an old copy of it isn't taken in.")


def write_contacts(
    items: dict[str, dict[str, Any]], *, system: str, at: datetime.datetime
) -> dict[str, tuple[int, str]]:
    """Write contacts by their id in `system`; gives each contact's own id and what became of it.

    What the file leaves blank is left alone. Whose data was erased here isn't in the answer: `ERASED` says so.
    """
    upserted = upsert_contacts(
        system, [{**values, "external_id": key} for key, values in items.items()], by=None, at=at
    )
    return {
        key: (done.contact_id, "updated" if done.status == "linked" else done.status)
        for key, done in upserted.items()
        if done.contact_id is not None
    }


class Contacts:
    fields = {"external_id": Field(max_length=200), **CONTACT_FIELDS}

    def required(self, mapping: Mapping) -> tuple[str, ...]:
        return ()

    def write(self, rows: list[Row], mapping: Mapping) -> list[Outcome]:
        named = {row.key: _without_id(row.values) for row in rows if self._names_somebody(row)}
        written = write_contacts(named, system=mapping.system, at=mapping.now)
        nobody = _("There is neither a name nor an e-mail, a phone or a company.")
        return [
            Outcome(status=written[row.key][1])
            if row.key in written
            else Outcome(refused=str(ERASED) if row.key in named else nobody)
            for row in rows
        ]

    def _names_somebody(self, row: Row) -> bool:
        return any(row.values.get(field) for field in ("name", "email", "phone", "company"))


def _without_id(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "external_id"}


class Expenses:
    fields = {
        "external_id": Field(max_length=200),
        "channel": Field(max_length=100),
        "campaign": Field(max_length=200),
        "spent_on": Field(Kind.DAY),
        "amount": Field(Kind.MONEY),
        "note": Field(max_length=300),
    }
    NEEDED = ("channel", "campaign", "spent_on", "amount")

    def required(self, mapping: Mapping) -> tuple[str, ...]:
        return self.NEEDED

    def write(self, rows: list[Row], mapping: Mapping) -> list[Outcome]:
        outcomes = [Outcome(refused=self._fault(row)) for row in rows]
        good = [(row, outcome) for row, outcome in zip(rows, outcomes, strict=True) if not outcome.refused]
        days: dict[tuple[str, str], datetime.date] = {}
        for row, _outcome in good:
            named = (row.values["channel"], row.values["campaign"])
            days[named] = min(days.get(named, row.values["spent_on"]), row.values["spent_on"])
        campaigns = references.campaigns(days)
        keys = [row.key for row, _outcome in good]
        found = Expense.objects.select_for_update().filter(source_system=mapping.system, external_id__in=keys)
        known = {expense.external_id: expense for expense in found.order_by("pk")}
        new, changed = [], []
        for row, outcome in good:
            values = row.values
            said = {
                "campaign_id": campaigns[values["channel"], values["campaign"]].pk,
                "spent_on": values["spent_on"],
                "amount": values["amount"],
                "note": values.get("note", ""),
            }
            expense = known.get(row.key)
            if expense is None:
                new.append(Expense(source_system=mapping.system, external_id=row.key, **said))
                outcome.status = "created"
            elif any(getattr(expense, name) != value for name, value in said.items()):
                for name, value in said.items():
                    setattr(expense, name, value)
                expense.updated_at = mapping.now
                changed.append(expense)
                outcome.status = "updated"
        Expense.objects.bulk_create(new)
        Expense.objects.bulk_update(changed, ["campaign", "spent_on", "amount", "note", "updated_at"], batch_size=200)
        return outcomes

    def _fault(self, row: Row) -> str:
        for name in self.NEEDED:
            if name not in row.values:
                return _("“%(name)s” is empty.") % {"name": name}
        return "" if row.values["amount"] > Decimal(0) else _("The amount isn't above zero.")
