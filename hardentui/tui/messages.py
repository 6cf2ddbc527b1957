"""What the workers tell the app; the app's handlers own the state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.text import Text
from textual.message import Message

from hardentui.model import Finding, Plan
from hardentui.operations import ChangeSet
from hardentui.session import Session
from hardentui.snapshot import Snapshot


@dataclass
class FactsRead(Message):
    """The first pass is over: there is a session."""

    session: Session


@dataclass
class FactsMoved(Message):
    """A later pass is over. ``turn`` is the one it was asked for in; ``None`` says nothing moved."""

    turn: int
    moved: tuple[Snapshot, tuple[Finding, ...]] | None


@dataclass
class PassFailed(Message):
    """A pass ended by a failure of our own."""

    why: str


@dataclass
class Saved(Message):
    """The plan stands on disk."""

    plan: Plan


@dataclass
class NotSaved(Message):
    """The plan could not be saved, and why."""

    plan: Plan
    why: str


@dataclass
class Previewed(Message):
    """What a plan would do: its change set, the findings after it, the script; or why not."""

    session: Session
    changes: ChangeSet
    after: tuple[Finding, ...]
    script: list[Text]
    why: str


@dataclass
class Exported(Message):
    """The script was written there, or why it was not."""

    path: Path
    why: str = ""
