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
    """Hidden until it asks; its screen takes what was typed, and answers with ``say`` or ``close``."""

    @dataclass
    class Entered(Message):
        """A person typed this, about the subject that was asked for."""

        subject: str
        text: str

    def __init__(self) -> None:
        super().__init__()
        self._subject = ""
        self._hint = ""
        self.display = False

    def compose(self) -> ComposeResult:
        """A label, the line, and a sentence below."""
        with Horizontal(classes="field"):
            yield Plain(id="entry-label")
            yield Field(id="entry-field")
        yield Plain(id="entry-says")

    @property
    def is_open(self) -> bool:
        """Whether it asks for something."""
        return bool(self._subject)

    def ask(self, subject: str, label: str, text: str, hint: str) -> None:
        """Ask for a text about ``subject``; ``text`` stands there already, ``hint`` says what is expected."""
        self._subject, self._hint, self.display = subject, hint, True
        self.query_one("#entry-label", Plain).show(para(label, "bold"))
        field = self.query_one("#entry-field", Field)
        field.put(text)
        self.say("")
        field.focus()

    def say(self, sentence: str) -> None:
        """Say what is wrong, or what is expected when nothing is."""
        shown = para(sentence, "bold $text-error") if sentence else para(self._hint, "dim")
        self.query_one("#entry-says", Plain).show(shown)

    def close(self) -> None:
        """Ask no more."""
        self._subject, self.display = "", False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter takes the line."""
        event.stop()
        if self._subject:
            self.post_message(self.Entered(self._subject, event.value.strip()))
