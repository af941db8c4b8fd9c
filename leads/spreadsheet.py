"""Tables for spreadsheets, whose cells are shown as text and never run as a formula."""

import csv
import datetime
import re
from collections.abc import Iterable, Iterator, Sequence

# What makes a spreadsheet take a cell for a formula, after any blanks and control characters; wide signs count, too.
_FORMULA = re.compile(r"'*[\s\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060\ufeff]*[=+\-@＝＋－＠]")


def neutralise(text: str) -> str:
    """`text` with an apostrophe before it where a spreadsheet might run it. `restore` takes it away again."""
    return f"'{text}" if _FORMULA.match(text) else text


def restore(text: str) -> str:
    """What `neutralise` was given: so an exported phone such as '+7… is read back as it was."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


LINES_AT_ONCE = 500  # each piece that is sent costs; a line is a small one


class _Echo:
    """A file that gives back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The rows as CSV, piece by piece, none of them kept."""
    writer = csv.writer(_Echo())
    yield "\ufeff"  # by this mark spreadsheets know UTF-8
    lines: list[str] = []
    for row in rows:
        lines.append(writer.writerow(map(_cell, row)))
        if len(lines) == LINES_AT_ONCE:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)


def _cell(value: object) -> str | int:
    if value is None or value == "":
        return ""
    if type(value) is str:  # most cells are
        return neutralise(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="seconds")
    return neutralise(str(value))
