"""The one way by which text gets into a script: as a quoted word, or as a comment."""

from __future__ import annotations

import re
import textwrap

from hardentui.visible import visible

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,-]+")


def word(text: str) -> str:
    """``text`` as one word of bash that stands for exactly these characters.

    Raises:
        ValueError: it holds a character that is not printable, other than a tab: no operation and
            no text of ours has one, and a reader would not see it.
    """
    spaced = text.replace("\t", " ")
    if visible(spaced) != spaced:
        raise ValueError(f"not printable: {text!r}")
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def comment(text: str, width: int = 100, indent: str = "", hanging: str = "") -> list[str]:
    """``text`` as comment lines; what would end a line or turn it round is written as an escape."""
    wrapped = textwrap.wrap(
        visible(text),
        width,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [f"# {line}" for line in wrapped] or ["#"]
