"""The geometry of charts that the server draws as SVG: plain rows in, ready-made coordinates out.

Coordinates are text ("41.67%") because numbers in templates follow the reader's language and `41,67%` is not SVG.
Percentages keep text at its own size on every screen width. A value of None is "no data" and draws nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10
from typing import Any

MOST_LABELS = 12


def share(value: float, of: float) -> float:
    """`value` as a percentage of `of`, kept within 0..100; 0 when there is nothing to share."""
    return max(0.0, min(100.0, 100.0 * float(value) / float(of))) if of else 0.0


def at(position: float) -> str:
    """A position for an SVG attribute."""
    return f"{position:.2f}%"


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers (1, 2 or 5 × 10ⁿ apart) that cover `low`..`high`, in about `about` steps."""
    if high <= low:
        high = low + 1
    rough = (high - low) / about
    power = 10 ** floor(log10(rough))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough * 0.999)
    first = floor(low / step)
    count = first
    marks = [first * step]
    while marks[-1] < high - step * 1e-9:
        count += 1
        marks.append(count * step)
    return [round(mark, 10) for mark in marks]


def bars(rows: Sequence[Mapping]) -> list[dict]:
    """Rows with `width`, the largest value being the full width."""
    top = max((float(row["value"]) for row in rows if row["value"] is not None), default=0)
    return [{**row, "width": at(share(row["value"] or 0, top))} for row in rows]


def funnel(rows: Sequence[Mapping]) -> list[dict]:
    """Rows with `width`, and the `rate` from the stage before as a share (None when that stage is empty)."""
    drawn = bars(rows)
    for before, row in pairwise(drawn):
        if "rate" not in row:
            row["rate"] = (
                float(row["value"]) / float(before["value"]) if before["value"] and row["value"] is not None else None
            )
    return drawn


@dataclass(frozen=True)
class Trend:
    """A value over time. `lines` are unbroken runs of points in a 100 × 100 box; `gridlines` are (y, value)."""

    kind: str
    points: list[dict]
    lines: list[str]
    gridlines: list[tuple[str, float]]
    places: int


def trend(rows: Sequence[Mapping], *, kind: str = "line") -> Trend:
    """Points with x, y and their touch column. The scale starts at zero unless values are negative."""
    values = [float(row["value"]) for row in rows if row["value"] is not None]
    marks = ticks(min([0.0, *values]), max([0.0, *values]))
    low, high = marks[0], marks[-1]
    zero = 100 - share(-low, high - low)
    slot = 100 / max(len(rows), 1)
    every = -(-len(rows) // MOST_LABELS) or 1
    points: list[dict[str, Any]] = []
    runs: list[list[str]] = []
    run: list[str] = []
    for number, row in enumerate(rows):
        x = slot * (number + 0.5)
        point = {
            **row,
            "x": at(x),
            "left": at(slot * number),
            "slot": at(slot),
            # The newest label always stands; on a phone only every second one does.
            "labelled": (len(rows) - 1 - number) % every == 0,
            "minor": ((len(rows) - 1 - number) // every) % 2 == 1,
        }
        if row["value"] is None:
            runs, run = [*runs, run], []
        else:
            y = 100 - share(float(row["value"]) - low, high - low)
            run.append(f"{x:.2f},{y:.2f}")
            point |= {
                "y": at(y),
                "top": at(min(y, zero)),
                "height": at(abs(zero - y)),
                "bar_left": at(slot * (number + 0.18)),
                "bar_width": at(slot * 0.64),
            }
        points.append(point)
    step = marks[1] - marks[0]
    return Trend(
        kind=kind,
        points=points,
        lines=[" ".join(each) for each in [*runs, run] if len(each) > 1],
        gridlines=[(at(100 - share(mark - low, high - low)), mark) for mark in marks],
        places=max(0, -floor(log10(step))),
    )
