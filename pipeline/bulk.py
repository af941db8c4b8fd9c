"""Writing very many new rows: COPY on PostgreSQL, executemany elsewhere. For bases that are being filled, not for requests."""

import contextlib
import datetime
import io
import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models
from django.db.models import Max


def _escape(text: str) -> str:
    if not text or text.isalnum():
        return text
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text or "\t" in text or "\r" in text:
        text = text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return text


_encode = json.JSONEncoder(ensure_ascii=False).encode


def _json(value: Any) -> str:
    return _escape(_encode(value)) if value else "{}"


# How COPY's text format wants each type. A type that isn't here is an error, rather than a wrong value.
_COPY_TEXT: dict[type, Callable[[Any], str]] = {
    type(None): lambda _value: "\\N",
    str: _escape,
    int: str,
    bool: lambda value: "t" if value else "f",
    datetime.datetime: str,
    datetime.date: str,
    Decimal: str,
    uuid.UUID: str,
    dict: _json,
}


class Table:
    """New rows of one model, gathered as dicts and written together.

    A row may still be changed until its `Writer` writes. Ids are handed out here, so that rows can
    point at each other before any is written; nobody else may add rows meanwhile.
    """

    def __init__(self, model: type[models.Model]) -> None:
        self.model = model
        self._fields = model._meta.concrete_fields
        self._template = {field.attname: _default(field) for field in self._fields}
        self._ids = itertools.count((model._base_manager.aggregate(last=Max("pk"))["last"] or 0) + 1)
        self.rows: list[dict[str, Any]] = []

    def new(self, **values: Any) -> dict[str, Any]:
        row = {**self._template, "id": next(self._ids), **values}
        self.rows.append(row)
        return row

    def _names(self) -> tuple[str, str]:
        quote = connection.ops.quote_name
        return quote(self.model._meta.db_table), ", ".join(quote(str(field.column)) for field in self._fields)

    def as_copy(self) -> tuple[str, str]:
        """The COPY statement for the rows gathered, and its data. They count as written."""
        texts: list[Iterable[str]] = []
        for name, default in self._template.items():
            values = [row[name] for row in self.rows]
            if values.count(default) == len(values):  # so in most columns of a wide table
                texts.append(itertools.repeat(_COPY_TEXT[type(default)](default)))
            else:
                texts.append([_COPY_TEXT[type(value)](value) for value in values])
        lines = map("\t".join, zip(*texts, strict=False))
        data = "\n".join(lines)
        self.rows.clear()
        table, columns = self._names()
        return f"COPY {table} ({columns}) FROM STDIN", data

    def insert(self) -> None:
        table, columns = self._names()
        places = ", ".join(["%s"] * len(self._fields))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 (the names come from the models)
        rows = [[field.get_db_prep_save(row[field.attname], connection) for field in self._fields] for row in self.rows]
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)
        self.rows.clear()


class Writer:
    """Writes the rows of `tables`, in this order. PostgreSQL takes one batch in while the next is being made."""

    def __init__(self, tables: list[Table]) -> None:
        self.tables = tables
        self._sender = ThreadPoolExecutor(max_workers=1) if connection.vendor == "postgresql" else None
        self._sent: Future[None] | None = None

    def write(self) -> None:
        filled = [table for table in self.tables if table.rows]
        if self._sender is None:
            for table in filled:
                table.insert()
            return
        batch = [table.as_copy() for table in filled]
        self.finish()
        connection.ensure_connection()
        # The bare connection: Django's own belongs to this thread, which doesn't use it until the batch is through.
        self._sent = self._sender.submit(_send, connection.connection.cursor(), batch)

    def finish(self) -> None:
        """Wait until everything is in the database. Raises what the database objected to."""
        if self._sent is not None:
            self._sent.result()
            self._sent = None


def _send(cursor: Any, batch: list[tuple[str, str]]) -> None:
    with cursor:
        for statement, data in batch:
            cursor.copy_expert(statement, io.StringIO(data))


def _default(field: models.Field) -> Any:
    value = field.get_default()
    return value.value if isinstance(value, models.TextChoices | models.IntegerChoices) else value


@contextlib.contextmanager
def set_aside_indexes(tables: list[Table]) -> Iterator[None]:
    """On PostgreSQL, fill `tables` without indexes and foreign keys, and put both back afterwards.

    Building an index once, and checking a foreign key once over the whole table, is many times faster than row by row.
    All within the caller's transaction: if anything fails, the constraints included, it is as if nothing had been done.
    """
    if connection.vendor != "postgresql":
        yield
        return
    names = [table.model._meta.db_table for table in tables]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        cursor.execute(
            """
            SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
                   format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%s::regclass[])
            UNION ALL
            SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid)
            FROM pg_index WHERE indrelid = ANY(%s::regclass[])
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            """,
            [names, names],
        )
        statements = cursor.fetchall()
        for drop, _restore in statements:
            cursor.execute(drop)
        yield
        for _drop, restore in statements:
            cursor.execute(restore)


def after_filling(tables: list[Table]) -> None:
    """Let the database's own ids go on behind those handed out here, and its planner know the new sizes."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [table.model for table in tables]):
            cursor.execute(statement)
        for table in tables:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(table.model._meta.db_table)}")
