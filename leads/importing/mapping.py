"""The JSON description of a file: which column is which of our fields, and how its cells are read."""

import codecs
import dataclasses
import datetime
import enum
import hashlib
import json
import zoneinfo
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Organisation
from leads.importing import ImportStopped, RowRefused
from leads.importing.values import Dates, Numbers, read_email, read_flag, read_text, read_url
from leads.models import Stage


class Kind(enum.Enum):
    """What a field's cells are."""

    TEXT = enum.auto()
    EMAIL = enum.auto()
    URL = enum.auto()
    FLAG = enum.auto()
    MONEY = enum.auto()
    MOMENT = enum.auto()
    PAST = enum.auto()  # a moment that can't lie in the future
    DAY = enum.auto()
    STAGE = enum.auto()


@dataclasses.dataclass(frozen=True)
class Field:
    """A field that a target takes."""

    kind: Kind = Kind.TEXT
    max_length: int = 200


@dataclasses.dataclass(frozen=True)
class Row:
    """A mapped row: values of the fields that it fills, and what was dropped from it.

    `key` is the id that the source gives, or else what the row says, hashed together with its ordinal among the rows
    that say the same; so a file without ids can be imported again without merging rows that are alike.
    """

    number: int
    cells: list[str]
    key: str
    values: dict[str, Any]
    warnings: list[str]


@dataclasses.dataclass(frozen=True)
class _Rule:
    """Where one field's text comes from."""

    field: str
    columns: tuple[str, ...] = ()
    constant: str = ""
    join: str = " "
    values: dict[str, str] | None = None
    other: str = ""
    empty: str = ""
    invalid: str = "refuse"
    dates: tuple[str, ...] | None = None

    def text(self, cells: dict[str, str]) -> str:
        if not self.columns:
            return self.constant
        text = self.join.join(cells[column] for column in self.columns if cells[column])
        if self.values is not None and text in self.values:
            return self.values[text]
        if self.values is not None and text and self.other != "keep":
            raise RowRefused(_("“%(text)s” isn't among the mapping's values for it.") % {"text": text[:60]})
        return text or self.empty


@dataclasses.dataclass(frozen=True)
class Mapping:
    system: str
    rules: list[_Rule]
    fields: dict[str, Field]
    numbers: Numbers
    dates: Dates
    skip: dict[str, set[str]]
    encoding: str = ""
    delimiter: str = ""
    now: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    @property
    def columns(self) -> set[str]:
        return {column for rule in self.rules for column in rule.columns} | set(self.skip)

    def maps(self, field: str) -> bool:
        return any(rule.field == field for rule in self.rules)

    def skips(self, cells: dict[str, str]) -> bool:
        return any(cells[column] in texts for column, texts in self.skip.items())

    def read(self, cells: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
        """Values of the fields that the row fills, and warnings. Raises RowRefused, naming the column."""
        values: dict[str, Any] = {}
        warnings = []
        for rule in self.rules:
            try:
                text = rule.text(cells)
                if text:
                    values[rule.field] = self._value(rule, text)
            except RowRefused as refused:
                where = " + ".join(rule.columns) or rule.field
                if rule.invalid != "drop":
                    raise RowRefused(f"{where}: {refused}") from None
                warnings.append(f"{where}: {refused}")
        return values, warnings

    def _value(self, rule: _Rule, text: str) -> Any:
        field = self._field(rule.field)
        text = read_text(text, max_length=field.max_length)
        read: dict[Kind, Callable[[str], Any]] = {
            Kind.EMAIL: read_email,
            Kind.URL: read_url,
            Kind.FLAG: read_flag,
            Kind.MONEY: self.numbers.read,
            Kind.STAGE: _read_stage,
        }
        if field.kind in {Kind.MOMENT, Kind.PAST, Kind.DAY}:
            dates = self.dates if rule.dates is None else dataclasses.replace(self.dates, formats=rule.dates)
            moment = dates.read(text, now=self.now)
            if field.kind == Kind.PAST and moment > self.now + datetime.timedelta(days=1):
                raise RowRefused(_("“%(text)s” lies in the future.") % {"text": text[:60]})
            return moment.astimezone(dates.zone).date() if field.kind == Kind.DAY else moment
        return read[field.kind](text) if field.kind in read else text

    def _field(self, name: str) -> Field:
        return self.fields.get(name) or self.fields[name.split(".")[0] + ".*"]


def _read_stage(text: str) -> Stage:
    try:
        return Stage(text)
    except ValueError:
        raise RowRefused(_("“%(text)s” is no stage; map it in “values”.") % {"text": text[:60]}) from None


def digest(values: dict[str, Any]) -> str:
    """What a mapped row says, as a short key."""
    said = "\x1f".join(f"{name}\x1e{values[name]}" for name in sorted(values))
    return hashlib.blake2b(said.encode(), digest_size=15).hexdigest()


def load_mapping(path: Path, fields: dict[str, Field], required: Callable[[Mapping], Iterable[str]]) -> Mapping:
    """The mapping in the file at `path`. Raises ImportStopped for anything in it that isn't known or doesn't fit."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ImportStopped(_("%(path)s can't be read: %(why)s.") % {"path": path, "why": error.strerror}) from None
    except ValueError as error:
        raise ImportStopped(_("%(path)s isn't valid JSON: %(why)s.") % {"path": path, "why": error}) from None
    _check_keys(raw, {"system", "encoding", "delimiter", "dates", "time_zone", "numbers", "skip", "fields"}, "")
    system = raw.get("system")
    if not isinstance(system, str) or not system.strip() or len(system) > 50:
        raise ImportStopped(_("The mapping needs a “system”: a short name of where the file comes from."))
    if not isinstance(raw.get("fields"), dict) or not raw["fields"]:
        raise ImportStopped(_("The mapping needs “fields”."))
    numbers = raw.get("numbers", {})
    _check_keys(numbers, {"decimal", "thousands", "currency"}, "numbers")
    zone = str(raw.get("time_zone") or Organisation.current().time_zone)
    try:
        dates = Dates(_texts(raw.get("dates", []), "dates"), zoneinfo.ZoneInfo(zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ImportStopped(_("“%(zone)s” is no time zone.") % {"zone": zone}) from None
    for name, text in {**numbers, "encoding": raw.get("encoding", ""), "delimiter": raw.get("delimiter", "")}.items():
        if not isinstance(text, str) or (name in {"decimal", "thousands", "delimiter"} and len(text) > 1):
            raise ImportStopped(_("“%(name)s” in the mapping has a wrong form.") % {"name": name})
    if numbers and numbers.get("decimal") == numbers.get("thousands"):
        raise ImportStopped(_("“%(name)s” in the mapping has a wrong form.") % {"name": "numbers"})
    try:
        codecs.lookup(raw.get("encoding") or "utf-8")
    except LookupError:
        raise ImportStopped(_("“%(name)s” is no encoding.") % {"name": raw["encoding"]}) from None
    skip = raw.get("skip", {})
    if not isinstance(skip, dict):
        raise ImportStopped(_("“%(name)s” in the mapping has a wrong form.") % {"name": "skip"})
    mapping = Mapping(
        system=system.strip(),
        rules=[_rule(name, rule, fields) for name, rule in raw["fields"].items()],
        fields=fields,
        numbers=Numbers(**numbers),
        dates=dates,
        skip={column: set(_texts(texts, "skip")) for column, texts in skip.items()},
        encoding=raw.get("encoding", ""),
        delimiter=raw.get("delimiter", ""),
    )
    for name in required(mapping):
        if not mapping.maps(name):
            raise ImportStopped(_("The mapping lacks the field “%(name)s”: a column or a constant.") % {"name": name})
    return mapping


def _rule(name: str, raw: Any, fields: dict[str, Field]) -> _Rule:
    if name not in fields and name.split(".")[0] + ".*" not in fields:
        known = ", ".join(sorted(fields))
        raise ImportStopped(
            _("The mapping's field “%(name)s” isn't one of: %(known)s.") % {"name": name, "known": known}
        )
    if isinstance(raw, str):
        return _Rule(name, columns=(raw,))
    _check_keys(raw, {"column", "columns", "constant", "join", "values", "other", "empty", "invalid", "dates"}, name)
    columns = _texts(raw["columns"], name) if "columns" in raw else (raw["column"],) if "column" in raw else ()
    texts = [*columns, *(raw.get(key, "") for key in ("constant", "join", "other", "empty", "invalid"))]
    values = raw.get("values")
    if (
        not isinstance(values, dict | None)
        or bool(columns) == ("constant" in raw)
        or not all(isinstance(text, str) for text in [*texts, *(values or {}), *(values or {}).values()])
        or raw.get("invalid", "refuse") not in {"refuse", "drop"}
        or raw.get("other", "refuse") not in {"refuse", "keep"}
    ):
        raise ImportStopped(_("“%(name)s” in the mapping has a wrong form.") % {"name": name})
    options = {key: raw[key] for key in ("constant", "join", "values", "other", "empty", "invalid") if key in raw}
    dates = _texts(raw["dates"], name) if "dates" in raw else None
    return _Rule(name, columns=columns, dates=dates, **options)


def _check_keys(raw: Any, known: set[str], where: str) -> None:
    if not isinstance(raw, dict):
        raise ImportStopped(_("“%(name)s” in the mapping has a wrong form.") % {"name": where or "{}"})
    for key in raw:
        if key not in known:
            raise ImportStopped(
                _("“%(name)s” in the mapping isn't one of: %(known)s.")
                % {"name": f"{where}.{key}".strip("."), "known": ", ".join(sorted(known))}
            )


def _texts(raw: Any, where: str) -> tuple[str, ...]:
    texts = [raw] if isinstance(raw, str) else raw
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ImportStopped(_("“%(name)s” in the mapping has a wrong form.") % {"name": where})
    return tuple(texts)
