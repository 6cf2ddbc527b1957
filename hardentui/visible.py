"""Making what a host says safe to print: nothing of it may draw on a terminal or reverse the text."""

from __future__ import annotations

import unicodedata

# Characters that change the direction of what follows, or end a line for some readers.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


# Marks drawn over the character before them: languages need up to three, more only cover the neighbours.
_MARKS = frozenset({"Mn", "Me"})
_STACK = 3


def visible(text: str) -> str:
    r"""``text`` on one line, every control, format or broken character written as \xNN or \uNNNN.

    So is a mark that has no character to stand on, or stands on a whole stack of others.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = []
    room = 0  # marks that may still stand on the last character
    for char in text:
        category = unicodedata.category(char)
        if category in _MARKS and room:
            room -= 1
        elif category in _HIDDEN or category in _MARKS:
            char, room = _shown(char), 0  # noqa: PLW2901 - it takes the place of the character
        else:
            room = 0 if char.isspace() else _STACK
        shown.append(char)
    return "".join(shown)


def _shown(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - a byte that is not UTF-8, kept as a lone surrogate
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:  # noqa: PLR2004 - one byte
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - one plane
