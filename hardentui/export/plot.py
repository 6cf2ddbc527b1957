"""A plot of a few curves, drawn with characters: braille dots, or ASCII where a terminal has no others.

A plot is rows of cells; each cell says which curve it shows, so that a screen can colour it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

_BLANK = " "
_BRAILLE = 0x2800
# The bits of the eight dots of a braille character, by column and row (Unicode, Braille Patterns).
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_ACROSS, _DOWN = 2, 4


class Curve(Enum):
    """What a curve is; of two in one cell, the later of these is shown. The value is its sign in ASCII."""

    LIMIT = "-"
    QUIET = "."
    LOUD = ":"
    PAST = "#"


@dataclass(frozen=True, slots=True)
class Line:
    """A curve by its points, x rising, interpolated between them; ``gaps`` draws it dashed."""

    curve: Curve
    points: Sequence[tuple[float, float]]
    gaps: bool = False

    def at(self, x: float) -> float | None:
        """Its height at x; None before its first point and behind its last."""
        for (left, low), (right, high) in zip(self.points, self.points[1:], strict=False):
            if left <= x <= right:
                return high if right == left else low + (high - low) * (x - left) / (right - left)
        return None


@dataclass(frozen=True, slots=True)
class Cell:
    """One character of a plot, and the curve that it shows (None for none)."""

    character: str
    curve: Curve | None = None


def plot(
    lines: Sequence[Line], width: int, height: int, top: float, *, braille: bool = True
) -> list[list[Cell]]:
    """``height`` rows of ``width`` cells; the lowest row begins at 0, the highest ends at ``top``."""
    across, down = (_ACROSS, _DOWN) if braille else (1, 1)
    xs = [x for line in lines for x, _y in line.points]
    first, last = (min(xs), max(xs)) if xs else (0.0, 0.0)
    dots: dict[tuple[int, int], dict[Curve, int]] = {}
    columns, rows = width * across, height * down
    for line in lines:
        previous: int | None = None
        for column in range(columns):
            y = line.at(first + (last - first) * column / max(columns - 1, 1))
            row = None if y is None or top <= 0 else _row(y / top, rows)
            for dot in _between(previous, row, rows):
                if not line.gaps or column % (2 * across) < across:
                    cell = dots.setdefault((dot // down, column // across), {})
                    bit = _DOTS[column % across][dot % down] if braille else 1
                    cell[line.curve] = cell.get(line.curve, 0) | bit
            previous = row
    return [
        [_cell(dots.get((row, column)), braille=braille) for column in range(width)] for row in range(height)
    ]


def text(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """The plot as lines of text."""
    return ["".join(cell.character for cell in row).rstrip() for row in rows]


def _row(share: float, rows: int) -> int:
    """The row of dots, from the top, of a share of the height; what lies outside is drawn at the edge."""
    return round((1 - min(max(share, 0.0), 1.0)) * (rows - 1))


def _between(before: int | None, now: int | None, rows: int) -> range:
    """The dots from the neighbour's height to this one, so that a steep curve is not torn."""
    if now is None:
        return range(0)
    if before is None or abs(before - now) <= 1:
        return range(now, now + 1)
    return range(now, before) if now < before else range(before + 1, min(now + 1, rows))


def _cell(found: dict[Curve, int] | None, *, braille: bool) -> Cell:
    if not found:
        return Cell(_BLANK)
    curve = max(found, key=list(Curve).index)
    bits = 0
    for more in found.values():
        bits |= more
    return Cell(chr(_BRAILLE + bits) if braille else curve.value, curve)
