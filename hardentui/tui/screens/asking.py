"""What screens share that ask for a text: a line below, with what is expected and what is wrong."""

from __future__ import annotations

from textual.app import ComposeResult

from hardentui.tui.keys import Place
from hardentui.tui.screens.base import HardenScreen
from hardentui.tui.widgets.entry import Entry
from hardentui.tui.widgets.table import FactsTable


class AskingScreen(HardenScreen):
    """A screen with a list, below which a line for a text stands while it has the class "asking"."""

    def compose_body(self) -> ComposeResult:
        """The line, below what the screen is made of."""
        yield from super().compose_body()
        yield Entry()

    @property
    def key_place(self) -> Place:
        """The line has the keys of a panel."""
        return Place.PANEL if self.has_class("asking") else super().key_place

    def ask(self, subject: str, label: str, text: str, hint: str) -> None:
        """Ask for a text about ``subject``, see ``Entry.ask``; ``take`` gets it."""
        self.add_class("asking")
        self.query_one(Entry).ask(subject, label, text, hint)
        self.show_state()

    def take(self, subject: str, text: str) -> None:
        """Make use of a text.

        Raises:
            ValueError: it does not fit; a sentence, which is shown below the line.
        """
        raise NotImplementedError

    def action_record(self) -> None:
        """Take what was typed, for who clicks on the key bar."""
        self.query_one(Entry).enter()

    def on_entry_entered(self, entered: Entry.Entered) -> None:
        """Take the text, unless it does not fit."""
        try:
            self.take(entered.subject, entered.text)
        except ValueError as error:
            self.query_one(Entry).say(str(error))
            return
        self._close_entry()

    def action_back(self) -> None:
        """Close the line; then as the screen does."""
        if self.has_class("asking"):
            self._close_entry()
        else:
            super().action_back()

    def _close_entry(self) -> None:
        self.remove_class("asking")
        self.query_one(FactsTable).focus()
        self.show_state()
