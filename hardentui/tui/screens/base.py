"""What all screens have: a headline, a key bar, and the app's state to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from hardentui.i18n import _
from hardentui.tui import keys
from hardentui.tui.keys import Place
from hardentui.tui.text import line, para
from hardentui.tui.widgets.plain import KeyBar, Plain

if TYPE_CHECKING:
    from hardentui.snapshot import Question
    from hardentui.tui.app import HardenApp


class HardenScreen(Screen[None]):
    """A screen that shows the app's session and forwards what a person decides."""

    place: ClassVar[Place]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - Textual's own type
    AUTO_FOCUS = "FactsTable"
    # What the screen shows itself, beside findings: asked again with each tick while it is on top.
    watches: frozenset[Question[Any]] = frozenset()

    @property
    def harden(self) -> HardenApp:
        """The app, which owns the state."""
        return cast("HardenApp", self.app)

    @property
    def wide(self) -> bool:
        """Whether there is room for two columns."""
        return self.app.size.width >= 110  # noqa: PLR2004 - as in HORIZONTAL_BREAKPOINTS

    def compose(self) -> ComposeResult:
        """Headline, body, key bar."""
        yield Plain(id="headline")
        yield from self.compose_body()
        yield KeyBar(id="keys")

    def compose_body(self) -> ComposeResult:
        """What stands between headline and key bar."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Show what there is, in the first frame already, and in the layout that will stay."""
        self.set_class(self.wide, "-wide")
        self.show_state()

    def on_screen_resume(self) -> None:
        """Show what moved meanwhile."""
        self.show_state()

    def on_resize(self) -> None:
        """Columns follow the width."""
        self.call_after_refresh(self.show_state)

    def show_state(self) -> None:
        """Show the app's state; called when it moved."""
        if not self.query("#keys"):
            return  # not composed yet
        self.query_one("#headline", Plain).show(self._headline())
        self.query_one("#keys", KeyBar).show_keys(keys.bar(self.key_place))
        self.show_body()

    @property
    def key_place(self) -> Place:
        """Whose keys the bar shows."""
        return self.place

    def _headline(self) -> Content:
        parts = [self.headline()]
        if self.harden.unsaved:
            sentence = _("NOT SAVED (S: what to do): {why}").format(why=self.harden.unsaved)
            parts.append(para(sentence, "bold $text-error"))
        if self.harden.searching:
            parts.append(para(self.harden.searching, "bold $text-warning"))
        if self.harden.trouble:
            parts.append(para(self.harden.trouble, "bold $text-error"))
        return Content("\n").join(parts)

    def headline(self) -> Content:
        """What the screen is about."""
        raise NotImplementedError

    def show_body(self) -> None:
        """Bring what stands between headline and key bar up to date."""
        raise NotImplementedError

    def action_text_down(self) -> None:
        """What follows of the text beside or below the list."""
        self._text.action_page_down()

    def action_text_up(self) -> None:
        """What came before in it."""
        self._text.action_page_up()

    @property
    def _text(self) -> Widget:
        """The text that has the focus, or the first in sight."""
        texts = [text for text in self.query("Page, ScriptView") if text.region]
        return self.focused if self.focused in texts else texts[0]

    def action_back(self) -> None:
        """Back to the screen below."""
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()


def reading() -> Content:
    """What stands where facts will be."""
    return line(para(_("reading the facts of this host...")))
