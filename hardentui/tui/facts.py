"""The passes over the host, as a worker thread makes them: read, compare, and assess only what moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hardentui.assess import assess
from hardentui.model import Checklists, Finding, Plan
from hardentui.session import Session, identity
from hardentui.snapshot import Clock, Cost, Host, PrivilegesAre, Question, Snapshot


@dataclass(frozen=True, slots=True)
class Move:
    """What a finding showed before it moved, and the host's clock when that was seen (epoch seconds)."""

    running: str
    boot: str
    at: float


def first_pass(checklists: Checklists, host: Host, plan: Plan | None, *, deep: bool) -> Session:
    """A session on everything that the checklists ask of ``host``."""
    session = Session.begin(checklists, Snapshot(host, deep=deep), plan)
    # Asked now, in the worker: later the screen asks for these, and must not wait.
    identity(session.snapshot)
    session.snapshot.ask(PrivilegesAre())
    session.snapshot.ask(Clock())
    return session


def tick(session: Session, *costs: Cost) -> tuple[Snapshot, tuple[Finding, ...]] | None:
    """The facts of these costs, asked again; None when they are what they were."""
    old = dict(_answers(session.snapshot))
    fresh = session.snapshot.refreshed(*costs)
    for question in old:
        fresh.ask(question)
    if dict(_answers(fresh)) == old:
        return None
    return fresh, findings(session, fresh)


def findings(session: Session, snapshot: Snapshot) -> tuple[Finding, ...]:
    """The findings of the session's plan on a snapshot."""
    lists = session.checklists
    return assess(lists.recommendations, snapshot, session.plan.answers, lists.questions)


def moves(before: Session, after: Session) -> Mapping[str, Move]:
    """What moved between two passes, by the id of its recommendation."""
    old = {found.recommendation.id: found for found in before.findings}
    moved = {}
    for found in after.findings:
        known = old.get(found.recommendation.id)
        if known is not None and (known.running, known.boot) != (found.running, found.boot):
            moved[found.recommendation.id] = Move(known.running, known.boot, after.snapshot.taken_at)
    return moved


def _answers(snapshot: Snapshot) -> Iterator[tuple[Question[Any], Any]]:
    # The clock always moves, and nothing is judged by it.
    return ((question, answer) for question, answer, _at in snapshot.items() if question != Clock())


def looks(session: Session) -> list[tuple[object, ...]]:
    """All that a screen shows of the findings, to see whether another pass changed anything."""
    return [
        (f.recommendation.id, f.result, f.message, f.running, f.boot, f.drift, f.hazards, f.provenance)
        for f in session.findings
    ]
