"""The one way from data to a widget: plain text, in which nothing of the host can draw, click or move.

A ``str`` given to a Textual widget is markup: ``[/etc/passwd]`` ends the program and
``[@click=...]`` becomes a button. So widgets are only ever given what comes from here: ``Text``
for table cells, ``Content`` for everything else.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.content import Content

from hardentui.visible import visible


def cell(value: str, style: str = "") -> Text:
    """One table cell."""
    return Text(visible(value), style=style, no_wrap=True, overflow="ellipsis", end="")


def para(value: str, style: str = "") -> Content:
    """One paragraph, wrapped by the widget."""
    return Content.styled(visible(value), style) if style else Content(visible(value))


def prose(value: str, style: str = "") -> Content:
    """A text of several paragraphs: its own line ends are kept."""
    return Content("\n").join(para(line, style) for line in value.splitlines())


def line(*parts: Content) -> Content:
    """Parts side by side on one line."""
    return Content("").join(parts)


def labelled(label: str, value: str, style: str = "") -> Content:
    """A value after what it is."""
    return line(para(f"{label}  ", "bold"), para(value, style))


def stack(parts: Iterable[Content]) -> Content:
    """Paragraphs, one below the other."""
    return Content("\n").join(parts)
