"""From a file's bytes to rows of cells, whatever its encoding and separator; never the whole file in memory."""

import codecs
import csv
import dataclasses
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from django.utils.translation import gettext as _

from leads.importing import ImportStopped

MAX_BYTES = 1_000_000_000
MAX_ROWS = 2_000_000
MAX_COLUMNS = 500
MAX_CELL = 100_000
# A header is looked for below title lines, among the first rows.
HEADER_WITHIN = 20
DELIMITERS = ",;\t|"
_SAMPLE = 200_000
_BOMS = [(codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")]
_CYRILLIC_WORD = re.compile(rb"[\xc0-\xff\xa8\xb8]{3,}")


@dataclasses.dataclass(frozen=True)
class Source:
    """A file whose header was found. `columns` maps a column's name to its place."""

    path: Path
    encoding: str
    delimiter: str
    header_row: int
    header: list[str]
    columns: dict[str, int]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row below the header with its number, the file's first being 1. Rows without any text are left out."""
        with _open(self.path, self.encoding) as file:
            numbered = enumerate(_reader(file, self.delimiter), start=1)
            for number, cells in itertools.islice(_guarded(numbered), self.header_row, None):
                if number > MAX_ROWS:
                    raise ImportStopped(_("The file has more than %(max)s rows; please split it.") % {"max": MAX_ROWS})
                if any(cell.strip() for cell in cells):
                    yield number, cells


def find_source(path: Path, wanted: Iterable[str], *, encoding: str = "", delimiter: str = "") -> Source:
    """The file with its encoding, separator and the header row that has every `wanted` column.

    Raises ImportStopped when the file can't be read, is too big, or lacks a column.
    """
    try:
        size = os.path.getsize(path)
    except OSError as error:
        raise ImportStopped(_("%(path)s can't be read: %(why)s.") % {"path": path, "why": error.strerror}) from None
    if size > MAX_BYTES:
        raise ImportStopped(
            _("The file has %(size)s bytes; at most %(max)s are taken.") % {"size": size, "max": MAX_BYTES}
        )
    encoding = encoding or _detect_encoding(path)
    wanted = list(wanted)
    nearest: list[str] = wanted
    for candidate in [delimiter] if delimiter else DELIMITERS:
        with _open(path, encoding) as file:
            numbered = enumerate(_reader(file, candidate), start=1)
            for number, cells in itertools.islice(_guarded(numbered), HEADER_WITHIN):
                header = [cell.strip().removeprefix("\ufeff") for cell in cells]
                missing = [column for column in wanted if column not in header]
                if not missing:
                    _check_header(header, wanted)
                    columns = {name: place for place, name in reversed(list(enumerate(header)))}
                    return Source(path, encoding, candidate, number, header, columns)
                nearest = min(nearest, missing, key=len)
    raise ImportStopped(
        _("The file lacks the columns %(names)s.") % {"names": ", ".join(f"“{name}”" for name in nearest)}
    )


def _check_header(header: list[str], wanted: list[str]) -> None:
    if len(header) > MAX_COLUMNS:
        raise ImportStopped(_("The file has more than %(max)s columns.") % {"max": MAX_COLUMNS})
    for column in wanted:
        if header.count(column) > 1:
            raise ImportStopped(_("The column “%(name)s” is there more than once.") % {"name": column})


def _open(path: Path, encoding: str) -> IO[str]:
    # Bytes that don't fit become lone surrogates, so that only the rows that hold them are refused.
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return path.open(encoding=encoding, errors=errors, newline="")


def _reader(file: IO[str], delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_CELL)
    return csv.reader(file, delimiter=delimiter)


def _guarded(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        for number, cells in rows:
            yield number, cells
    except csv.Error as error:
        raise ImportStopped(
            _("Row %(number)s can't be read: %(why)s. Is a quotation mark left open?")
            % {"number": number + 1, "why": error}
        ) from None
    except UnicodeError as error:
        raise ImportStopped(
            _("Row %(number)s can't be read: %(why)s. Give the file's encoding in the mapping.")
            % {"number": number + 1, "why": error}
        ) from None


def _detect_encoding(path: Path) -> str:
    """UTF-8 where the file is that, or mostly; else the code page of Cyrillic or of Western texts.

    In those, letters above ASCII make whole words or stand alone. Rarer encodings are named in the mapping.
    """
    with path.open("rb") as file:
        start = file.read(_SAMPLE)
        for bom, encoding in _BOMS:
            if start.startswith(bom):
                return encoding
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk := file.read(1_000_000):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
            return "utf-8"
        except UnicodeDecodeError:
            pass
    decoded = start.decode("utf-8", errors="surrogateescape")
    broken = sum("\udc80" <= c <= "\udcff" for c in decoded)
    sound = sum(c > "\x7f" for c in decoded) - broken
    if sound > broken or not broken:
        return "utf-8"
    letters = sum(byte >= 0xC0 for byte in start)
    in_words = sum(len(word) for word in _CYRILLIC_WORD.findall(start))
    return "cp1251" if in_words > letters / 2 else "cp1252"
