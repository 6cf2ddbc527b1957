"""The help: the table of keys, and what the marks mean."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content

from hardentui.i18n import _
from hardentui.tui import words
from hardentui.tui.keys import KEYS, Place
from hardentui.tui.screens.base import HardenScreen
from hardentui.tui.text import line, para, stack
from hardentui.tui.widgets.plain import Page


class HelpScreen(HardenScreen):
    """All keys, by place."""

    place = Place.EVERYWHERE
    AUTO_FOCUS = "Page"

    def compose_body(self) -> ComposeResult:
        """One long text."""
        yield Page(id="help")

    def headline(self) -> Content:
        """What this is."""
        return para(_("Help: every key, and what the marks mean"), "bold $text-primary")

    def show_body(self) -> None:
        """The keys, then the marks."""
        self.query_one("#help", Page).show(stack([*_keys(), *_marks(), *_legend()]), from_top=False)


def _keys() -> list[Content]:
    parts = []
    for place in Place:
        parts.append(para(_(place.value), "bold underline"))
        parts += [
            line(para(f"  {_(key.shown):<7}", "bold"), para(_(key.help)))
            for key in KEYS
            if key.place is place
        ]
        parts.append(para(""))
    return parts


def _marks() -> list[Content]:
    parts = [para(_("Marks"), "bold underline")]
    for value, sign in words.MARKS.items():
        parts.append(line(para(f"  {sign:<7}", "bold"), para(words.result(value))))
    parts.append(line(para("  ~      ", "bold"), para(_("running and boot disagree (drift)"))))
    parts.append(line(para("  *      ", "bold"), para(_("the value changed while you looked; r clears it"))))
    return [*parts, para("")]


def _legend() -> list[Content]:
    return [
        para(_("Running is what the host does now; boot is what its configuration gives after a reboot.")),
        para(_("What could not be read is unknown, never a pass.")),
        para(_("Each decision is saved at once: leaving, or losing the terminal, loses nothing.")),
    ]
