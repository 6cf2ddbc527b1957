"""The passes over the host and the saves, for worker threads: each returns the message to post.

They read, compare, and assess only when something moved; they touch no widget and no state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardentui.assess import assess
from hardentui.errors import InputError
from hardentui.model import Finding, Plan
from hardentui.plan import PlanError
from hardentui.session import Session, identity
from hardentui.snapshot import Clock, Cost, PrivilegesAre, Question, Snapshot
from hardentui.tui.messages import FactsMoved, Moved, NotOpened, NotSaved, Opened, PassFailed, Reread, Saved
from hardentui.tui.opening import Load
from hardentui.tui.store import PlanStore

# Questions whose answers move and change nothing that is shown.
Restless = set[Question[Any]]
# Questions whose answers the screen on top shows.
Watched = frozenset[Question[Any]]


@dataclass(frozen=True, slots=True)
class Move:
    """What a finding showed before it moved, and the host's clock when that was seen (epoch seconds)."""

    running: str
    boot: str
    at: float


def opened(load: Load) -> Opened | NotOpened:
    """Everything that the checklists ask of the host, asked for the first time."""
    try:
        begin = load()
        plan = begin.plan_file.plan if begin.plan_file else None
        session = Session.begin(begin.checklists, Snapshot(begin.host), plan)
    except InputError as error:
        return NotOpened(str(error))
    # Asked now, in the worker: later the screen asks for these, and must not wait.
    identity(session.snapshot)
    session.snapshot.ask(PrivilegesAre())
    session.snapshot.ask(Clock())
    return Opened(session, PlanStore(begin.plan_path, begin.plan_file), begin.guides, begin.profiles)


def again(session: Session, turn: int, *, reread: bool) -> FactsMoved | PassFailed:
    """The findings worked out again: for other answers, in another language, on facts read again.

    What a search found is kept: only another search asks for it again.
    """
    try:
        costs = (Cost.TICK, Cost.CHANGE, Cost.REREAD) if reread else ()
        snapshot = session.snapshot.refreshed(*costs)
        return FactsMoved(turn, (snapshot, _findings(session, snapshot)))
    except Exception as error:  # noqa: BLE001 - a failure of ours is said, and the screen stays
        return PassFailed(f"{type(error).__name__}: {error}")


def tick(
    session: Session, turn: int, restless: Restless, *, slow: bool, watched: Watched = frozenset()
) -> FactsMoved | PassFailed:
    """The facts that may move by themselves, asked again; with ``slow``, those in files too.

    What is ``watched`` by the screen on top is asked again in any case.

    What is ``restless`` (free memory, the load) moves each time and changes no finding: it asks for no
    new findings by itself, except in a slow tick. What turns out to be so is added to it.
    """
    try:
        old = dict(_answers(session.snapshot))
        costs = (Cost.TICK, Cost.CHANGE) if slow else (Cost.TICK,)
        fresh = session.snapshot.refreshed(*costs, also=watched)
        for question in old:
            fresh.ask(question)
        moved = {question for question, answer in _answers(fresh) if old.get(question) != answer}
        if not moved or (moved <= restless and not slow):
            return FactsMoved(turn, (fresh, session.findings) if moved & watched else None)
        findings = _findings(session, fresh)
        if looks(findings) == looks(session.findings):
            restless |= moved
        else:
            restless -= moved
        return FactsMoved(turn, (fresh, findings))
    except Exception as error:  # noqa: BLE001 - as above
        return PassFailed(f"{type(error).__name__}: {error}")


def save(store: PlanStore, plan: Plan) -> Saved | NotSaved:
    """The plan on disk."""
    try:
        store.save(plan)
    except PlanError as error:
        return NotSaved(plan, str(error))
    return Saved(plan)


def reread(store: PlanStore) -> Reread:
    """The plan file as someone else left it."""
    try:
        return Reread(store.reread())
    except InputError as error:
        return Reread(None, str(error))


def elsewhere(store: PlanStore, path: Path, plan: Plan) -> Moved:
    """The plan in another file."""
    try:
        return Moved(store.elsewhere(path, plan))
    except PlanError as error:
        return Moved(None, str(error))


def moves(before: Session, after: Session) -> Mapping[str, Move]:
    """What moved between two passes, by the id of its recommendation."""
    old = {found.recommendation.id: found for found in before.findings}
    moved = {}
    for found in after.findings:
        known = old.get(found.recommendation.id)
        if known is not None and (known.running, known.boot) != (found.running, found.boot):
            moved[found.recommendation.id] = Move(known.running, known.boot, after.snapshot.taken_at)
    return moved


def looks(findings: Iterable[Finding]) -> list[tuple[object, ...]]:
    """All that a screen shows of the findings, to see whether another pass changed anything."""
    return [
        (f.recommendation.id, f.result, f.message, f.running, f.boot, f.drift, f.hazards, f.provenance)
        for f in findings
    ]


def _findings(session: Session, snapshot: Snapshot) -> tuple[Finding, ...]:
    lists = session.checklists
    return assess(lists.recommendations, snapshot, session.plan.answers, lists.questions)


def _answers(snapshot: Snapshot) -> Iterator[tuple[Question[Any], Any]]:
    # The clock always moves, and nothing is judged by it.
    return ((question, answer) for question, answer, _at in snapshot.items() if question != Clock())
