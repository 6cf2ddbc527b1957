"""One line of text that is asked for at the bottom of a screen, with what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from hardentui.tui.text import para
from hardentui.tui.widgets.plain import Field, Plain


class Entry(Vertical):
    """Shown while its screen has the class "asking"; it takes what is typed, or says what is wrong."""

    @dataclass
    class Entered(Message):
        """A person typed this, about the subject that was asked for."""

        subject: str
        text: str

    def __init__(self) -> None:
        super().__init__()
        self._subject = ""
        self._hint = ""

    def compose(self) -> ComposeResult:
        """A label, the line, and a sentence below."""
        with Horizontal(classes="field"):
            yield Plain(id="entry-label")
            yield Field(id="entry-field")
        yield Plain(id="entry-says")

    def ask(self, subject: str, label: str, text: str, hint: str) -> None:
        """Ask for a text about ``subject``; ``text`` stands there already, ``hint`` says what is expected."""
        self._subject, self._hint = subject, hint
        self.query_one("#entry-label", Plain).show(para(label, "bold"))
        field = self.query_one("#entry-field", Field)
        field.put(text)
        self.say("")
        field.focus()

    def say(self, sentence: str) -> None:
        """Say what is wrong, or what is expected when nothing is."""
        shown = para(sentence, "bold $text-error") if sentence else para(self._hint, "dim")
        self.query_one("#entry-says", Plain).show(shown)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter takes the line."""
        event.stop()
        self.enter()

    def enter(self) -> None:
        """Take the line as it stands."""
        if self._subject:
            self.post_message(
                self.Entered(self._subject, self.query_one("#entry-field", Field).value.strip())
            )
