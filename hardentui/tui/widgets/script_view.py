"""The script, highlighted, line by line: it scrolls both ways and wraps nothing."""

from __future__ import annotations

from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from hardentui.tui.keys import scrolling


class ScriptView(ScrollView, can_focus=True):
    """Prepared lines, drawn as they come into sight."""

    BINDINGS = scrolling()

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self._lines: list[Text] = []

    def show(self, lines: list[Text]) -> None:
        """Show these lines."""
        if lines == self._lines:
            return
        self._lines = lines
        self.virtual_size = Size(max((line.cell_len for line in lines), default=0), len(lines))
        self.refresh()

    def action_cursor_down(self) -> None:
        """A line down."""
        self.scroll_relative(y=1, animate=False)

    def action_cursor_up(self) -> None:
        """A line up."""
        self.scroll_relative(y=-1, animate=False)

    def action_scroll_top(self) -> None:
        """The first line."""
        self.scroll_home(animate=False)

    def action_scroll_bottom(self) -> None:
        """The last line."""
        self.scroll_end(animate=False)

    def render_line(self, y: int) -> Strip:
        """One line of what is in sight."""
        across, down = self.scroll_offset
        if y + down >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        line = self._lines[y + down]
        strip = Strip(line.render(self.app.console), line.cell_len).apply_style(self.rich_style)
        return strip.crop_extend(across, across + self.size.width, self.rich_style)
