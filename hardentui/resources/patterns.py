"""The paths that a pattern of glob(3) stands for, as a snapshot shows them."""

from __future__ import annotations

import fnmatch
import re

from hardentui.snapshot import Folder, Reason, Snapshot, Stat, Unread

Obstacle = tuple[str, Unread]  # a path that could not be looked at, and why


def is_wild(pattern: str) -> bool:
    """Whether a path is a pattern."""
    return re.search(r"[*?[]", pattern) is not None


def matching(snapshot: Snapshot, pattern: str) -> tuple[tuple[str, ...], tuple[Obstacle, ...]]:
    """The paths that an absolute pattern stands for, sorted by bytes as in the locale "C", and obstacles."""
    parts = pattern.strip("/").split("/")
    plain = next((n for n, part in enumerate(parts[:-1]) if is_wild(part)), len(parts) - 1)
    found = ["".join(f"/{part}" for part in parts[:plain])]
    obstacles: list[Obstacle] = []
    for part in parts[plain:]:
        found = [path for folder in found for path in _entries(snapshot, folder, part, obstacles)]
    return tuple(sorted(found, key=lambda path: path.encode("utf-8", "surrogateescape"))), tuple(obstacles)


def _entries(snapshot: Snapshot, folder: str, part: str, obstacles: list[Obstacle]) -> list[str]:
    if not is_wild(part):
        path = f"{folder}/{part}"
        status = snapshot.ask(Stat(path))
        if isinstance(status, Unread) and status.reason not in {Reason.MISSING, Reason.VANISHED}:
            obstacles.append((path, status))
        return [] if isinstance(status, Unread) else [path]
    entries = snapshot.ask(Folder(folder or "/"))
    if isinstance(entries, Unread):
        if entries.reason not in {Reason.MISSING, Reason.VANISHED}:
            obstacles.append((folder, entries))
        return []
    names = [entry.name for entry in entries if part.startswith(".") or not entry.name.startswith(".")]
    return [f"{folder}/{name}" for name in names if fnmatch.fnmatchcase(name, part)]
