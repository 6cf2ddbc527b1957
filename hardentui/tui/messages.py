"""What the workers tell the app; the app's handlers own the state.

Types only are imported here: what judges a host takes as long to import as all of Textual, and the
first frame does not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.message import Message

if TYPE_CHECKING:
    from hardentui.flows.draft import Draft
    from hardentui.flows.profile import Profile
    from hardentui.guide import Guide
    from hardentui.model import Finding, Gap, Plan
    from hardentui.operations import ChangeSet
    from hardentui.plan import PlanFile
    from hardentui.record import Record
    from hardentui.resources.events.catalogue import EventClass
    from hardentui.resources.sandbox.bench import Bench
    from hardentui.session import Session
    from hardentui.snapshot import Question, Snapshot
    from hardentui.tui.store import PlanStore


@dataclass
class Opened(Message):
    """The first pass is over: there is a session, and a place to save its plan."""

    session: Session
    store: PlanStore
    guides: tuple[Guide, ...]
    profiles: tuple[Profile, ...]


@dataclass
class NotOpened(Message):
    """The checklists, the plan or the recording cannot be used: the sentences say why."""

    why: str


@dataclass
class FactsMoved(Message):
    """A later pass is over. ``turn`` is the one it was asked for in; ``None`` says nothing moved."""

    turn: int
    moved: tuple[Snapshot, tuple[Finding, ...]] | None


@dataclass
class Searching(Message):
    """The search that begins, or has come further: which one of how many."""

    number: int
    count: int
    question: Question[Any]
    share: int | None = None  # in tens of percent, where it is known


@dataclass
class Searched(Message):
    """The searches are over, or were stopped: what was found and when, of how many."""

    found: Mapping[Question[Any], tuple[Any, float]]
    count: int


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
class Reread(Message):
    """The plan file as it stands on disk now (None: there is none), or why it cannot be read."""

    file: PlanFile | None
    why: str = ""


@dataclass
class Moved(Message):
    """The plan was written to another file, which is kept from now on; or why it was not."""

    store: PlanStore | None
    why: str = ""


@dataclass
class Previewed(Message):
    """What a plan would do: its change set, the findings after it, the script; or why not."""

    session: Session
    changes: ChangeSet
    after: tuple[Finding, ...]
    script: list[Text]
    why: str


@dataclass
class Benched(Message):
    """A service as the workbench sees it, or why it does not."""

    bench: Bench | Gap

    @classmethod
    def of(cls, snapshot: Snapshot, unit: str, chosen: Mapping[str, str] | None) -> Benched:
        """Look at a service; in a worker, for it asks the host."""
        from hardentui.resources import unit_files  # noqa: PLC0415 - not for the first frame
        from hardentui.resources.sandbox.bench import Bench  # noqa: PLC0415 - as above

        bench = Bench.open(snapshot, unit, chosen)
        if isinstance(bench, Bench):
            # Asked now: the screen asks for these with each choice, and must not wait.
            unit_files.read(snapshot, bench.seen.unit)
            _ = bench.before, bench.after
        return cls(bench)


@dataclass
class Came(Message):
    """Records as the tail saw them, each with its class; how many came a second where that is a flood."""

    records: tuple[tuple[EventClass, Record], ...] = ()
    rate: int = 0


@dataclass
class Drafted(Message):
    """The flows of this host, and the policy that they come to; ``of`` says from what it was made."""

    draft: Draft
    of: object

    @classmethod
    def made(
        cls,
        profiles: tuple[Profile, ...],
        answers: Mapping[str, str],
        snapshot: Snapshot,
        decided: str,
        of: object,
    ) -> Drafted:
        """Work it out; in a worker, for it asks the host and follows its rules."""
        from hardentui.flows.draft import Draft  # noqa: PLC0415 - not for the first frame

        return cls(Draft.open(profiles, answers, snapshot, decided), of)


@dataclass
class Exported(Message):
    """The script was written there, or why it was not."""

    path: Path
    why: str = ""
