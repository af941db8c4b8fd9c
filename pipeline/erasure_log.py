"""The acts of erasing, once more outside of the database: a file that a restored backup doesn't take back.

It holds numbers, keyed hashes and times, nothing of the persons. One line of JSON for each act; lines are only added.
"""

import datetime
import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.dateparse import parse_datetime

from leads.models import Erasure

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    contact: int
    cause: Erasure.Cause
    at: datetime.datetime
    marks: frozenset[str]


def path() -> Path:
    return Path(settings.DATA_DIR) / "erasures.jsonl"


def append(acts: Iterable[Erasure]) -> None:
    """Write the acts at the end of the file, down to the disk. An act that is there already does no harm."""
    lines = [
        json.dumps(
            {
                "contact": act.contact_number,
                "cause": act.cause,
                "at": act.erased_at.isoformat(),
                "marks": sorted(act.marks.values_list("digest", flat=True)),
            }
        )
        for act in acts
    ]
    if not lines:
        return
    path().parent.mkdir(parents=True, exist_ok=True)
    is_new = not path().exists()
    descriptor = os.open(path(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # A line before that was cut off by a crash ends here; the empty line that this may leave is skipped.
        os.write(descriptor, "".join(f"\n{line}\n" for line in lines).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        folder = os.open(path().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(file: Path) -> Iterator[Line]:
    """The acts in `file`, oldest first; a line that can't be read is skipped, and logged."""
    if not file.exists():
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            try:
                yield _line(json.loads(text))
            except (ValueError, KeyError, TypeError, AttributeError):
                log.warning("%s: line %s can't be read", file, number)


def _line(data: dict) -> Line:
    at = parse_datetime(data["at"])
    if at is None or at.tzinfo is None:
        raise ValueError(data["at"])
    return Line(int(data["contact"]), Erasure.Cause(data["cause"]), at, frozenset(map(str, data["marks"])))
