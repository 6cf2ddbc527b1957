"""What screens with a list share: the detail follows the cursor, and a word picks the rows."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widgets import DataTable, Input

from hardentui.i18n import _
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.tui.keys import Place
from hardentui.tui.screens.base import HardenScreen
from hardentui.tui.text import para
from hardentui.tui.widgets.plain import Field, Page
from hardentui.tui.widgets.table import FactsTable

_DEBOUNCE = 0.08  # seconds until the detail follows the cursor: a held arrow key draws it once


class ListingScreen(HardenScreen):
    """A table ``#list``, the page ``#detail`` of the row under its cursor, and the line ``#search``."""

    def __init__(self) -> None:
        super().__init__()
        self._search = ""
        self._pending: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """List and detail, and the line for a word."""
        with Container(id="body"):
            yield FactsTable(id="list")
            yield Page(id="detail")
        yield Field(id="search")

    def in_short(self, name: str, numbers: str = "", *picked: str) -> Content:
        """The first line of the headline: the list, its numbers, and what is picked of it."""
        parts = [para(name, "bold $text-primary"), *([para(numbers)] if numbers else [])]
        parts += [para(word, "reverse") for word in picked]
        if self._search:
            parts.append(para(_("with: {word}").format(word=self._search), "reverse"))
        return Content("  ").join(parts)

    @property
    def table(self) -> FactsTable:
        """The list."""
        return self.query_one("#list", FactsTable)

    @property
    def key_place(self) -> Place:
        """The line for a word has its own keys."""
        return Place.SEARCH if self.has_class("searching") else self.place

    # --- the detail -------------------------------------------------------------------------------

    def show_detail(self, *, from_top: bool = True) -> None:
        """Show all about the row under the cursor."""
        raise NotImplementedError

    def on_data_table_row_highlighted(self) -> None:
        """The detail follows the cursor, a moment later."""
        if self._pending is not None:
            self._pending.stop()
        self._pending = self.set_timer(_DEBOUNCE, self.show_detail)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the chosen row: the detail alone."""
        event.stop()
        self.action_more()

    def action_more(self) -> None:
        """The detail alone, or beside the list again."""
        alone = not self.has_class("alone")
        self.set_class(alone, "alone")
        (self.query_one("#detail", Page) if alone else self.table).focus()

    def action_back(self) -> None:
        """Close what is open: the line for a word, the detail alone, the word itself; then the screen."""
        if self.has_class("searching"):
            self._close_search(keep="")
        elif self.has_class("alone"):
            self.action_more()
        elif self._search:
            self._search = ""
            self.show_state()
        else:
            super().action_back()

    # --- the word ---------------------------------------------------------------------------------

    def has_word(self, *texts: str) -> bool:
        """Whether one of these texts contains the word that is looked for."""
        return self._search.casefold() in " ".join(texts).casefold()

    def action_search(self) -> None:
        """Type a word; the list follows."""
        self.add_class("searching")
        field = self.query_one("#search", Field)
        field.put(self._search)
        field.focus()
        self.show_state()

    def action_keep_search(self) -> None:
        """Enter, or a click on the key bar."""
        self._close_search(keep=self.query_one("#search", Field).value.strip())

    def on_input_changed(self, event: Input.Changed) -> None:
        """The list follows the word."""
        if event.input.id == "search" and self.has_class("searching"):
            self._search = event.value.strip()
            self.show_state()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the list, which keeps the word."""
        if event.input.id == "search":
            self.action_keep_search()

    def _close_search(self, *, keep: str) -> None:
        self.remove_class("searching")
        self._search = keep
        self.table.focus()
        self.show_state()


def not_read(gaps: Iterable[Gap]) -> list[Content]:
    """A line for each thing that a list does not hold, and why."""
    return [para(f"? {explain(gap)}", "$text-warning") for gap in gaps]
