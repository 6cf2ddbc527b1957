"""The one way from data to a widget: plain text, in which nothing of the host can draw, click or move.

A ``str`` given to a Textual widget is markup: ``[/etc/passwd]`` ends the program and
``[@click=...]`` becomes a button. So widgets are only ever given what comes from here: ``Text``
for table cells, ``Content`` for everything else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from rich.text import Text
from textual.content import Content

_CONTROLS = 0x20
_DELETE = 0x7F
_SURROGATES = range(0xDC80, 0xDD00)  # bytes that were not UTF-8, as the host reads them
_LATIN = 0x100
# Control, format (bidi), surrogate, private use, unassigned; line and paragraph separators; and marks
# that join the letter before: one does no harm, a hundred on one letter paint over other lines.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me"})


def visible(value: str) -> str:
    """``value`` on one line, with everything that does not print written out: ^J, \\x9b, \\u202e."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(
        _written_out(char) if unicodedata.category(char) in _HIDDEN else char for char in value
    )


def _written_out(char: str) -> str:
    code = ord(char)
    if code < _CONTROLS:
        return "^" + chr(code + 64)
    if code == _DELETE:
        return "^?"
    if code in _SURROGATES:
        return f"\\x{code - 0xDC00:02x}"
    if code < _LATIN:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the basic plane


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


def stack(parts: Iterable[Content]) -> Content:
    """Paragraphs, one below the other."""
    return Content("\n").join(parts)
