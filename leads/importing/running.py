"""Taking a file in: batch by batch, each in one transaction, so that it may be killed and run again."""

import collections
import contextlib
import csv
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from django.db import transaction
from django.utils.translation import gettext as _

from leads.importing import ImportStopped, RowRefused
from leads.importing.mapping import Field, Mapping, Row, digest
from leads.importing.reading import Source

BATCH = 1_000
REASON = "refused because"


@dataclasses.dataclass
class Outcome:
    """What became of a row: created, updated or unchanged; refused where there is a reason."""

    status: str = "unchanged"
    warnings: list[str] = dataclasses.field(default_factory=list)
    refused: str = ""


class Target(Protocol):
    """What a file can be imported as."""

    fields: dict[str, Field]

    def required(self, mapping: Mapping) -> tuple[str, ...]:
        """Fields that such a mapping must have."""

    def write(self, rows: list[Row], mapping: Mapping) -> list[Outcome]:
        """Write the rows, at most a batch, in the caller's transaction; an outcome for each, in their order."""


@dataclasses.dataclass
class Summary:
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    refused: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    warned: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    # Only the first are kept for the screen; every refused row is in the file.
    SHOWN = 20

    def add(self, row_number: int, outcome: Outcome) -> None:
        self.counts["refused" if outcome.refused else outcome.status] += 1
        if outcome.refused:
            self._keep(self.refused, row_number, outcome.refused)
        if outcome.warnings:
            self.counts["warned"] += 1
            self._keep(self.warned, row_number, "; ".join(outcome.warnings))

    def _keep(self, kept: list[tuple[int, str]], row_number: int, text: str) -> None:
        if len(kept) < self.SHOWN:
            kept.append((row_number, text))


def run(
    source: Source,
    mapping: Mapping,
    target: Target,
    *,
    refused_path: Path,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> Summary:
    """Import `source`. Refused rows go to `refused_path`, which isn't made when there are none.

    What is written stays the same when the file is imported again, wholly or after a kill. A dry run writes nothing.
    Raises ImportStopped when the file breaks off being readable; the batches before it are kept.
    """
    summary = Summary()
    keys = _Keys(mapping)
    with _refused_rows(refused_path, source, dry_run) as refuse:
        rows = source.rows()
        while batch := list(itertools.islice(rows, BATCH)):
            taken: list[Row] = []
            for number, cells in batch:
                try:
                    if row := _mapped(source, mapping, keys, number, cells):
                        taken.append(row)
                    else:
                        summary.counts["skipped"] += 1
                except RowRefused as refused:
                    summary.add(number, Outcome(refused=str(refused)))
                    refuse(cells, str(refused))
            with transaction.atomic():
                outcomes = target.write(taken, mapping)
                transaction.set_rollback(dry_run)
            for row, outcome in zip(taken, outcomes, strict=True):
                outcome.warnings = [*row.warnings, *outcome.warnings]
                summary.add(row.number, outcome)
                if outcome.refused:
                    refuse(row.cells, outcome.refused)
            progress(batch[-1][0])
    return summary


def _mapped(source: Source, mapping: Mapping, keys: "_Keys", number: int, cells: list[str]) -> Row | None:
    if len(cells) > len(source.header) and any(cell.strip() for cell in cells[len(source.header) :]):
        raise RowRefused(
            _("The row has %(cells)s cells, the header %(header)s.")
            % {"cells": len(cells), "header": len(source.header)}
        )
    missing = [name for name in mapping.columns if source.columns[name] >= len(cells)]
    if missing:
        raise RowRefused(
            _("The row ends after %(cells)s cells, before the column “%(name)s”.")
            % {"cells": len(cells), "name": min(missing, key=source.columns.__getitem__)}
        )
    by_name = {name: cells[source.columns[name]].strip() for name in mapping.columns}
    if mapping.skips(by_name):
        return None
    values, warnings = mapping.read(by_name)
    return Row(number, cells, keys.of(values, number), values, warnings)


class _Keys:
    """Gives each row its key, and refuses a second row with the same id: which of the two were right?"""

    def __init__(self, mapping: Mapping) -> None:
        self._has_ids = mapping.maps("external_id")
        self._seen: dict[int, int] = {}

    def of(self, values: dict, number: int) -> str:
        if self._has_ids:
            key = values.get("external_id")
            if not key:
                raise RowRefused(_("The row has no id."))
            first = self._seen.setdefault(hash(key), number)
            if first != number:
                raise RowRefused(_("Row %(number)s has the same id.") % {"number": first})
            return key
        said = digest(values)
        ordinal = self._seen.get(hash(said), 0)
        self._seen[hash(said)] = ordinal + 1
        return f"{said}-{ordinal}"


@contextlib.contextmanager
def _refused_rows(path: Path, source: Source, dry_run: bool) -> Iterator[Callable[[list[str], str], None]]:
    """Collects refused rows as they came, behind a column with the reason: to be mended and imported again.

    It stands first, so that a row with too few or too many cells stays one until somebody mends it.
    """
    again = source.header[:1] == [REASON]
    with contextlib.ExitStack() as stack:
        writers: list = []

        def refuse(cells: list[str], reason: str) -> None:
            if dry_run:
                return
            if not writers:
                try:
                    file = stack.enter_context(path.open("w", encoding="utf-8", errors="surrogateescape", newline=""))
                except OSError as error:
                    raise ImportStopped(
                        _("Refused rows can't be written to %(path)s: %(why)s. Choose another place with --refused.")
                        % {"path": path, "why": error.strerror}
                    ) from None
                writers.append(csv.writer(file, delimiter=source.delimiter))
                writers[0].writerow([REASON, *source.header[again:]])
            writers[0].writerow([reason, *cells[again:]])

        yield refuse
