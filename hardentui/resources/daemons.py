"""Running services: since when one runs, and whether its files changed since."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.snapshot import Kind, Link, Process, Processes, Question, Reason, Snapshot, Stat, Unread

_HOPS = 8  # links to links that are followed
# The start of a process is known from a boot time in whole seconds: it may be that much too early.
_DOUBT = 1.0


def main_process(snapshot: Snapshot, *units: str) -> Process | Gap | None:
    """The oldest process of a unit, under whichever of its names; None where it does not run."""
    processes = snapshot.ask(Processes())
    if isinstance(processes, Unread):
        return processes.gap(_("list of processes"))
    return min((one for one in processes if one.unit in units), key=lambda one: one.pid, default=None)


def older_than_files(
    snapshot: Snapshot, process: Process, files: Iterable[str], folders: Iterable[str] = ()
) -> Gap | None:
    """The gap of a process that reads its files at its start alone and started before one changed.

    ``folders`` are those in which files may have come or gone.
    """
    if not process.started:
        return Gap(GapKind.STALE, _("when {name} started is not known").format(name=process.name))
    for path, at in _changes(snapshot, files, folders):
        if not at:
            return Gap(GapKind.STALE, _("when {path} was changed is not known").format(path=path))
        if at > process.started + _DOUBT:
            words = _("{path} was changed on {changed}, and {name} started on {started}: restart pending")
            return Gap(
                GapKind.STALE,
                words.format(path=path, changed=_time(at), name=process.name, started=_time(process.started)),
            )
    return None


def after_restart(snapshot: Snapshot, unit: str) -> dict[Question[Any], Any]:
    """The processes as they would be once a unit was restarted: for a rehearsal."""
    processes = snapshot.ask(Processes())
    if isinstance(processes, Unread):
        return {}
    now = snapshot.taken_at
    return {
        Processes(): tuple(
            dataclasses.replace(one, started=now) if one.unit == unit else one for one in processes
        )
    }


def _changes(snapshot: Snapshot, files: Iterable[str], folders: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Each file, the links on the way to it, and each folder, with when it last changed."""
    for folder in folders:
        status = snapshot.ask(Stat(folder))
        if not isinstance(status, Unread):
            yield folder, status.modified
        elif status.reason is not Reason.MISSING:
            yield folder, 0.0
    for file in files:
        path = file
        for _hop in range(_HOPS):
            status = snapshot.ask(Stat(path))
            if isinstance(status, Unread):
                if status.reason is not Reason.MISSING:
                    yield path, 0.0
                break
            yield path, status.changed
            target = snapshot.ask(Link(path)) if status.kind is Kind.LINK else ""
            if not isinstance(target, str) or not target:
                break
            path = posixpath.normpath(posixpath.join(path, "..", target))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
