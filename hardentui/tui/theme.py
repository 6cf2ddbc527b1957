"""Three themes (dark, light, high contrast for projectors), and none where NO_COLOR asks for none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.theme import Theme

if TYPE_CHECKING:
    from hardentui.model import Result

DARK = Theme(
    name="hardentui-dark",
    primary="#4f9ddb",
    secondary="#2f5f86",
    warning="#e5c07b",
    error="#f07178",
    success="#98c379",
    accent="#e5c07b",
    foreground="#e0e0e0",
    background="#121518",
    surface="#1a1e22",
    panel="#262c32",
)
LIGHT = Theme(
    name="hardentui-light",
    primary="#0b5394",
    secondary="#3d6f9e",
    warning="#7a4f00",
    error="#a30d1e",
    success="#1d6b2a",
    accent="#7a4f00",
    foreground="#1b1b1b",
    background="#fbfbf8",
    surface="#f1f1ec",
    panel="#e2e2da",
    dark=False,
)
CONTRAST = Theme(
    name="hardentui-contrast",
    primary="#ffff00",
    secondary="#ffffff",
    warning="#ffff00",
    error="#ff8080",
    success="#80ff80",
    accent="#ffff00",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#202020",
)
THEMES = (DARK, LIGHT, CONTRAST)
PLAIN = "ansi-dark"  # Textual's own: the terminal's foreground and background, nothing else

_CHANGED = "bold reverse"


def wanted(environ: Mapping[str, str]) -> str:
    """The theme to start with. An empty NO_COLOR asks for nothing, as no-color.org has it."""
    return PLAIN if environ.get("NO_COLOR") else DARK.name


def after(name: str) -> str:
    """The theme after this one."""
    names = [theme.name for theme in THEMES]
    return names[(names.index(name) + 1) % len(names)] if name in names else name


def cell_style(name: str, result: Result) -> str:
    """The style of a result's table cell, for rich; the mark and the word say the same without it."""
    theme = next((theme for theme in THEMES if theme.name == name), None)
    bold = "bold " if result == "fail" else ""
    colours = {
        "pass": theme.success if theme else "",
        "fail": theme.error if theme else "",
        "error": theme.error if theme else "",
        "unknown": theme.warning if theme else "",
        "notchecked": theme.warning if theme else "",
    }
    return (bold + (colours.get(result) or "")).strip()


def bad_style(name: str) -> str:
    """The style of a row that stands out as bad; its cells say the same without it."""
    theme = next((theme for theme in THEMES if theme.name == name), None)
    return (theme.error or "") if theme else ""


def changed_style() -> str:
    """The style of a value that moved while the screen was open, beside its mark."""
    return _CHANGED
