"""Areas of text, and the input line."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.content import Content
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


class Page(ScrollKeys, VerticalScroll, can_focus=True):
    """A text that may be longer than its place."""

    BINDINGS = scrolling()

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.text = Plain()

    def compose(self) -> list[Plain]:
        """The text."""
        return [self.text]

    def show(self, content: Content, *, from_top: bool = True) -> None:
        """Show ``content``, from its first line on unless it is the same one brought up to date."""
        self.text.show(content)
        if from_top:
            self.scroll_home(animate=False)


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
