"""The matrix of flows as a picture for reports: one SVG, no scripts, no fonts of its own."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from hardentui.export.flows import head, incomplete, legend, shown_columns, summary, word
from hardentui.export.text import cut
from hardentui.flows.draft import Draft
from hardentui.flows.matrix import HERE, Cell, Line
from hardentui.flows.needs import Party
from hardentui.i18n import _
from hardentui.visible import visible

_ROW, _LETTER = 20, 7.3  # pixels; the letter is one of a 12 pixel monospaced font
_HEAD, _CELL = 34, 16  # letters of the port, and of a cell
_MARGIN = 14
_INK, _QUIET, _BAD, _FINE, _PAPER = "#1b1f24", "#6b7280", "#b42318", "#0b6e4f", "#ffffff"


def picture(draft: Draft) -> str:
    """The picture; readable in print and on any screen."""
    matrix = draft.matrix
    columns = shown_columns(matrix)
    incoming = [line for line in matrix.lines if line.direction == "in"]
    outgoing = [line for line in matrix.lines if line.direction == "out"]
    parts: list[str] = [*_text(0, 0, summary(draft), bold=True)]
    at = 2
    for heading, lines, shown in (
        (_("Comes in"), incoming, columns),
        (_("Goes out"), outgoing, [one for one in matrix.columns if one.id == HERE]),
    ):
        if lines:
            parts += _headings(at, heading, shown)
            for offset, line in enumerate(lines, at + 1):
                parts += _line(offset, line, shown)
            at += len(lines) + 2
    for sentence in (legend(), incomplete()):
        parts += _text(at, 0, sentence, colour=_QUIET)
        at += 1
    letters = max(_HEAD + _CELL * len(columns), len(legend()))
    width, height = int(letters * _LETTER) + 2 * _MARGIN, at * _ROW + 2 * _MARGIN
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="monospace" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>',
            *parts,
            "</svg>\n",
        )
    )


def _headings(at: int, heading: str, columns: list[Party]) -> Iterator[str]:
    yield from _text(at, 0, heading, bold=True)
    for place, column in enumerate(columns):
        yield from _text(at, _HEAD + place * _CELL, cut(visible(column.title), _CELL - 1), bold=True)
    y = _MARGIN + at * _ROW + _ROW - 4
    yield f'<line x1="{_MARGIN}" x2="100%" y1="{y}" y2="{y}" stroke="{_QUIET}"/>'


def _line(at: int, line: Line, columns: list[Party]) -> Iterator[str]:
    yield from _text(at, 0, cut(visible(head(line)), _HEAD - 1), colour=_BAD if line.differs else _INK)
    for place, column in enumerate(columns):
        cell = line.cells.get(column.id)
        yield from _text(at, _HEAD + place * _CELL, word(cell), colour=_colour(cell))


def _colour(cell: Cell | None) -> str:
    if cell is None or not (cell.needed or cell.state.differs):
        return _QUIET
    return _BAD if cell.state.differs else _FINE


def _text(row: int, letter: int, text: str, *, colour: str = _INK, bold: bool = False) -> Iterator[str]:
    if text.strip():
        x, y = _MARGIN + letter * _LETTER, _MARGIN + row * _ROW + _ROW - 8
        weight = ' font-weight="bold"' if bold else ""
        shown = escape(visible(text))
        yield f'<text x="{x:.0f}" y="{y}" fill="{colour}"{weight} xml:space="preserve">{shown}</text>'
