"""Areas of text, and the input line."""

from __future__ import annotations

from itertools import zip_longest

from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Input, Static

from hardentui.i18n import _
from hardentui.tui.keys import Key, scrolling
from hardentui.tui.text import line, para
from hardentui.visible import visible

_GAP = "  "
_WHEEL = 3  # lines


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


class Page(Widget, can_focus=True):
    """A text that may be longer than its place, drawn line by line.

    Only the lines that differ are painted again, and its last line says how much follows: a scroll
    view would paint its border and its scroll bar with every text.
    """

    BINDINGS = scrolling()

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.shown = Content("")
        self._heading = Content("")
        self._lines: list[Content] = []
        self._in_sight: list[Content] = []
        self._top = 0

    def head(self, title: Content) -> None:
        """What stands in the border above; a Content, for a string would be markup."""
        # A widget whose border gets a title, be it the same one, is painted whole.
        if not title.is_same(self._heading):
            self._heading = title
            self.border_title = title

    def show(self, content: Content, *, from_top: bool = True) -> None:
        """Show ``content``, from its first line on unless it is the same one brought up to date."""
        if not content.is_same(self.shown):
            self.shown = content
            self._top = 0 if from_top else self._top
            self._lines = self._wrapped(self.size.width)
            if self.styles.is_auto_height:
                self.refresh(layout=True)
        self._paint()

    def on_resize(self) -> None:
        """Lines follow the width."""
        self._lines = self._wrapped(self.size.width)
        self._paint()

    def on_mouse_scroll_down(self) -> None:
        """Three lines down, as terminals do."""
        self._scroll(_WHEEL)

    def on_mouse_scroll_up(self) -> None:
        """Three lines up."""
        self._scroll(-_WHEEL)

    def action_cursor_down(self) -> None:
        """A line down."""
        self._scroll(1)

    def action_cursor_up(self) -> None:
        """A line up."""
        self._scroll(-1)

    def action_page_down(self) -> None:
        """What follows; the last line stays in sight."""
        self._scroll(max(self.size.height - 1, 1))

    def action_page_up(self) -> None:
        """What came before."""
        self._scroll(-max(self.size.height - 1, 1))

    def action_scroll_top(self) -> None:
        """The first line."""
        self._scroll(-len(self._lines))

    def action_scroll_bottom(self) -> None:
        """The last line."""
        self._scroll(len(self._lines))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """See Widget: as many lines as there are."""
        return max(len(self._wrapped(width)), 1)

    def render_line(self, y: int) -> Strip:
        """One line of what is in sight."""
        base = self.visual_style
        segments = self._in_sight[y].render_segments(base) if y < len(self._in_sight) else []
        return Strip(segments).extend_cell_length(self.size.width, base.rich_style).crop(0, self.size.width)

    def _wrapped(self, width: int) -> list[Content]:
        return self.shown.wrap(width) if width > 0 else []

    def _scroll(self, lines: int) -> None:
        self._top += lines
        self._paint()

    def _paint(self) -> None:
        room = self.size.height
        self._top = max(min(self._top, len(self._lines) - room), 0)
        before, self._in_sight = self._in_sight, self._lines[self._top : self._top + room]
        below = len(self._lines) - self._top - room
        if below > 0 and room > 1:
            self._in_sight[-1] = _marked(self._in_sight[-1], below, self.size.width)
        for y, (was, now) in enumerate(zip_longest(before, self._in_sight, fillvalue=Content(""))):
            if not now.is_same(was):
                self.refresh(Region(0, y, max(was.cell_length, now.cell_length), 1))


class KeyBar(Plain):
    """The keys of a place, on one line; each can be clicked."""

    def show_keys(self, keys: tuple[Key, ...]) -> None:
        """Show these keys: all of them from 80 columns on; below, the last (help) and what fits before it."""
        parts, room = [key_hint(key) for key in keys], self.app.size.width - 2
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


def key_hint(key: Key) -> Content:
    """A key and what it does; it can be clicked."""
    action = key.action if "." in key.action else f"screen.{key.action}"
    return line(para(_(key.shown), "bold"), para(" "), para(_(key.label))).stylize(
        Style.from_meta({"@click": action})
    )


def _marked(last: Content, below: int, width: int) -> Content:
    """The last line in sight, its end covered by how many lines follow."""
    mark = para(_(" J: {count} more ").format(count=below), "reverse")
    room = max(width - mark.cell_length, 0)
    return line(last.truncate(room, ellipsis=True, pad=True), mark).truncate(width)
