"""Areas of text, and the input line."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Input, Static

from hardentui.i18n import _
from hardentui.tui.keys import Key, scrolling
from hardentui.tui.text import line, para
from hardentui.visible import visible

_GAP = "  "


class Plain(Static):
    """A piece of text. It is repainted only when it is another one."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(Content(""), id=id, classes=classes, markup=False)
        self.shown = Content("")

    def show(self, content: Content) -> None:
        """Show ``content``."""
        if not content.is_same(self.shown):
            self.shown = content
            self.update(content)


class ScrollKeys(Widget):
    """The keys of a list, where there are only lines to scroll."""

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


class Page(ScrollKeys, ScrollView, can_focus=True):
    """A text that may be longer than its place, drawn line by line: a Static in a scroll paints thrice."""

    BINDINGS = scrolling()

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.shown = Content("")
        self._lines: list[Content] = []
        self._width = 0

    def show(self, content: Content, *, from_top: bool = True) -> None:
        """Show ``content``, from its first line on unless it is the same one brought up to date."""
        if from_top and self.scroll_offset.y:
            self.scroll_home(animate=False)
        if content.is_same(self.shown):
            return
        self.shown = content
        self._wrap(self._width)

    def on_resize(self) -> None:
        """Lines follow the width."""
        if self.scrollable_content_region.width != self._width:
            self._wrap(self.scrollable_content_region.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """See Widget: as many lines as there are."""
        return len(self.shown.wrap(width)) if width > 0 else 1

    def _wrap(self, width: int) -> None:
        self._width = width
        self._lines = self.shown.wrap(width) if width > 0 else []
        size = Size(width, len(self._lines))
        if size != self.virtual_size or self.styles.is_auto_height:
            self.virtual_size = size
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of what is in sight."""
        at, base = y + self.scroll_offset.y, self.visual_style
        segments = self._lines[at].render_segments(base) if at < len(self._lines) else []
        return Strip(segments).extend_cell_length(self.size.width, base.rich_style).crop(0, self.size.width)


class KeyBar(Plain):
    """The keys of a place, on one line; each can be clicked."""

    def show_keys(self, keys: tuple[Key, ...]) -> None:
        """Show these keys: all of them from 80 columns on; below, the last (help) and what fits before it."""
        parts, room = [_shown(key) for key in keys], self.app.size.width - 2
        while len(parts) > 1 and sum(part.cell_length + len(_GAP) for part in parts) - len(_GAP) > room:
            del parts[-2]
        self.show(Content(_GAP).join(parts))


class Field(Input):
    """One line to type into. Its cursor does not blink: that would write to the terminal for ever."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id, select_on_focus=False, compact=True)
        self.cursor_blink = False

    def put(self, value: str) -> None:
        """Put ``value`` in, the cursor at its end."""
        self.value = visible(value)
        self.cursor_position = len(self.value)


def _shown(key: Key) -> Content:
    action = key.action if "." in key.action else f"screen.{key.action}"
    return line(para(_(key.shown), "bold"), para(" "), para(_(key.label))).stylize(
        Style.from_meta({"@click": action})
    )
