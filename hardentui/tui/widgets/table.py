"""The list of everything: a DataTable of prepared cells that repaints only what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from hardentui.tui.keys import Place, bindings

_LEAST = 8  # cells of a flexible column, however small the terminal
_MIDDLE = 16  # from this width on, a word is cut in its middle


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and its width in cells with the gap after it; 0 takes what is left."""

    heading: Text
    width: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row: what it is about, and its cells. The last cell of a heading flows over all columns left."""

    key: str
    cells: tuple[Text, ...]
    heading: bool = False


class FactsTable(DataTable[Text]):
    """Rows of facts with a cursor."""

    BINDINGS = bindings(Place.LISTS)

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id, cursor_type="row", cell_padding=0, zebra_stripes=False)
        self._columns: tuple[tuple[Text, int], ...] = ()
        self._rows: list[Row] = []
        self._wanted: tuple[Sequence[Column], Sequence[Row]] | None = None

    @property
    def current(self) -> str:
        """The key of the row under the cursor; "" in an empty table."""
        return self._rows[self.cursor_row].key if 0 <= self.cursor_row < len(self._rows) else ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all rows, in order."""
        return tuple(row.key for row in self._rows)

    def watch_cursor_coordinate(self, old_coordinate: Coordinate, new_coordinate: Coordinate) -> None:
        """The pointer's row goes with the cursor: a key paints it again, wherever it was left."""
        super().watch_cursor_coordinate(old_coordinate, new_coordinate)
        self.set_reactive(DataTable.hover_coordinate, new_coordinate)

    def fill(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Show these rows, once there is room. The cursor stays on its row, or near it when that is gone."""
        self._wanted = columns, rows
        if not self.size.width:
            return  # every width tried in vain would be painted
        sized = self._sized(columns)
        shown = [_cut(row, sized) for row in rows]
        if sized == self._columns and [r.key for r in shown] == list(self.keys):
            self._bring_up_to_date(shown)
            return
        current, near = self.current, _nearest(self._rows, self.cursor_row, shown)
        self._columns, self._rows = sized, shown
        self.clear(columns=True)
        for heading, width in sized:
            self.add_column(heading, width=width)
        for row in shown:
            self.add_row(*row.cells)
        if not self.go_to(current):
            self._put_cursor(near)

    def on_resize(self) -> None:
        """Columns follow the width, and the cursor stays in sight where a line below takes room."""
        if self._wanted is not None:
            self.fill(*self._wanted)
            self._put_cursor(self.cursor_row)

    def go_to(self, key: str) -> bool:
        """Put the cursor on this row; False when there is none."""
        if key not in self.keys:
            return False
        self._put_cursor(self.keys.index(key))
        return True

    def _put_cursor(self, at: int) -> None:
        if at >= 0:
            self.move_cursor(row=at, animate=False)

    def _bring_up_to_date(self, rows: list[Row]) -> None:
        for at, (old, new) in enumerate(zip(self._rows, rows, strict=True)):
            for place, (was, now) in enumerate(zip(old.cells, new.cells, strict=True)):
                if (was.plain, was.style) != (now.plain, now.style):
                    self.update_cell_at(Coordinate(at, place), now)
        self._rows = rows

    def _sized(self, columns: Sequence[Column]) -> tuple[tuple[Text, int], ...]:
        taken = sum(column.width for column in columns)
        flexible = sum(not column.width for column in columns)
        rest = max((self.scrollable_content_region.width - taken) // flexible, _LEAST) if flexible else 0
        return tuple((_fit(c.heading, c.width or rest), c.width or rest) for c in columns)


def _nearest(old: Sequence[Row], at: int, new: Sequence[Row]) -> int:
    """Of the new rows, the one that stood nearest to the row ``at`` of the old ones: below it, if two do."""
    places = {row.key: place for place, row in enumerate(new) if not row.heading}
    kept = (
        (abs(place - at), place < at, places[row.key]) for place, row in enumerate(old) if row.key in places
    )
    return min(kept, default=(0, False, min(at, len(new) - 1)))[-1]


def _cut(row: Row, columns: tuple[tuple[Text, int], ...]) -> Row:
    widths = [width for _heading, width in columns]
    if row.heading:
        own = len(row.cells) - 1
        fixed = [_fit(cell, width) for cell, width in zip(row.cells[:own], widths, strict=False)]
        return Row(row.key, (*fixed, *_flow(row.cells[own], widths[own:])), heading=True)
    return Row(row.key, tuple(_fit(cell, width) for cell, width in zip(row.cells, widths, strict=True)))


def _flow(text: Text, widths: list[int]) -> list[Text]:
    """``text`` over neighbouring columns, as if they were one."""
    rest, parts = _fit(text, sum(widths)), []
    for width in widths:
        part, *more = rest.divide([min(width, len(rest))])
        parts.append(part)
        rest = more[0] if more else Text("")
    return parts


def _fit(text: Text, width: int) -> Text:
    """``text`` in one cell less than ``width``: the gap to the next column. Keys and paths keep their end."""
    room = max(width - 1, 1)
    if text.cell_len > room > _MIDDLE and " " not in text.plain and not text.spans:
        head = room // 3
        return Text(
            f"{text.plain[:head]}…{text.plain[head + 1 - room :]}", style=text.style, no_wrap=True, end=""
        )
    cut = text.copy()
    cut.truncate(room, overflow="ellipsis")
    return cut
