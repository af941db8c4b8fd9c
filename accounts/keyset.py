"""Pages of a long list: each begins where the last one ended, by key, so that page 1,000 costs what page 1 does.

It knows nothing of people; it lives in the lowest layer because every list, theirs included, is paged so.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from django.core import signing
from django.core.exceptions import BadRequest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.db.models.lookups import GreaterThan, LessThan
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext as _

PARAMETER = "after"

Row = TypeVar("Row", bound=Model)


@dataclasses.dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows of one page. `next_key` goes into the address as `after` for the next page; "" on the last one."""

    rows: list[Row]
    next_key: str
    is_first: bool = False


@dataclasses.dataclass(frozen=True)
class Count:
    """How many rows there are, counted no further than is cheap."""

    number: int
    is_capped: bool


def count_up_to(queryset: QuerySet, most: int = 10_000, *, page: Page | None = None) -> Count:
    """Count the rows, but stop after `most`: counting a whole table costs more than showing it.

    Given the `page` that is shown of them, the only page is its own count.
    """
    if page is not None and page.is_first and not page.next_key:
        return Count(len(page.rows), False)
    number = queryset.order_by().values("pk")[: most + 1].count()
    return Count(min(number, most), number > most)


def keyset_page(
    queryset: QuerySet[Row], parameters: Mapping[str, str], *, order: tuple[str, ...], size: int = 50
) -> Page[Row]:
    """The page that `parameters["after"]` asks for, without COUNT or OFFSET.

    `order` is ("-pk",) or a field (or annotation) and "pk" as tie-breaker, each with "-" for descending; it must have an
    index, and the program chooses it, never the request. Rows whose field is null come last. That makes two queries,
    three where the nulls begin. An `after` that this function hasn't made for this order is a 400.
    """
    *fields, key = order
    field, tie = fields[0] if fields else None, _Column(queryset, key)
    if len(fields) > 1 or tie.name != "pk":
        raise ValueError(f"A keyset orders by at most one field and then by pk, not by {order}.")
    signer = _signer(queryset.model, order)
    last = _read(signer, parameters.get(PARAMETER, ""))

    column = _Column(queryset, field) if field else tie
    found = _after(queryset, order, column, tie, last, size + 1)
    # The keys first, of one table in the order of its index: a join may tempt the database into another order and a sort.
    rows_by_pk = queryset.in_bulk([pk for *_value, pk in found[:size]])
    rows = [rows_by_pk[pk] for *_value, pk in found[:size] if pk in rows_by_pk]
    if len(found) <= size:
        return Page(rows, "", is_first=last is None)
    *value, pk = found[size - 1]
    return Page(rows, signer.sign_object([_written(value[0]) if field else None, pk]), is_first=last is None)


def key_after(row: Model, order: tuple[str, ...]) -> str:
    """The `after` of the page that begins behind `row`, where a first page was made otherwise than by `keyset_page`."""
    *fields, _key = order
    value = _written(getattr(row, fields[0].removeprefix("-"))) if fields else None
    return _signer(type(row), order).sign_object([value, row.pk])


def _signer(model: type[Model], order: tuple[str, ...]) -> signing.Signer:
    return signing.Signer(salt=f"keyset {model._meta.label} {','.join(order)}")


def _after(
    queryset: QuerySet, order: tuple[str, ...], column: "_Column", tie: "_Column", last: list | None, most: int
) -> list[tuple]:
    """Up to `most` times (value of the ordered column, pk), from behind `last` on."""
    names = [name.removeprefix("-") for name in order]
    keys = queryset.order_by(*order).values_list(*names)
    if column is tie:
        return list(keys.filter(tie.beyond(last[1]) if last else Q())[:most])
    found = []
    if last is None or last[0] is not None:
        known = keys.filter(**{f"{column.name}__isnull": False}) if column.may_be_null else keys
        found = list((known.filter(_beyond(column, tie, *last)) if last else known)[:most])
    if column.may_be_null and len(found) < most:
        unknown = keys.filter(**{f"{column.name}__isnull": True})
        if last and last[0] is None:
            unknown = unknown.filter(tie.beyond(last[1]))
        found += unknown[: most - len(found)]
    return found


class _Column:
    """One ordered column of a query."""

    def __init__(self, queryset: QuerySet, name: str) -> None:
        self.name = name.removeprefix("-")
        self.is_descending = name.startswith("-")
        annotation = queryset.query.annotations.get(self.name)
        meta = queryset.model._meta
        if annotation is not None:
            self.field: Field = annotation.output_field
        else:
            self.field = meta.pk if self.name == "pk" else meta.get_field(self.name)
        self.may_be_null = annotation is None and self.field.null

    def beyond(self, value: Any) -> Q:
        return Q(**{f"{self.name}__{'lt' if self.is_descending else 'gt'}": self.field.to_python(value)})


class _RowLessThan(TupleLessThan):
    def get_fallback_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        """SQLite compares rows as well, though Django 5.2 doesn't ask it to."""
        return LessThan.as_sql(self, compiler, connection)


class _RowGreaterThan(TupleGreaterThan):
    def get_fallback_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        return GreaterThan.as_sql(self, compiler, connection)


def _beyond(column: _Column, tie: _Column, value: Any, pk: Any) -> Q | TupleLessThan | TupleGreaterThan:
    if column.is_descending != tie.is_descending:
        return column.beyond(value) | Q(**{column.name: column.field.to_python(value)}) & tie.beyond(pk)
    # A comparison of rows is one range of the index, and the database knows how large. Said with OR it would be two
    # scans and a sort: 400 times slower on 100,000 leads.
    lookup = _RowLessThan if column.is_descending else _RowGreaterThan
    return lookup(Tuple(column.name, tie.name), (column.field.to_python(value), tie.field.to_python(pk)))


def _written(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _read(signer: signing.Signer, text: str) -> list | None:
    """What `keyset_page` signed: [value of the field or None, pk]; None for the first page."""
    if not text:
        return None
    try:
        return signer.unsign_object(text)
    except (signing.BadSignature, UnicodeError) as error:
        raise BadRequest(_("This page's address is damaged. Please open the list anew.")) from error
