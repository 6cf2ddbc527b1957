"""The control groups in which systemd and others keep programs, their limits and what they use."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hardentui.host import files
from hardentui.snapshot import ControlGroup, Mount, Reason, Unread

MOST = 5000  # groups; beyond it something makes them without end
_UNLIMITED = 1 << 62  # version 1 writes the largest number of pages instead of "max"
# Below a unit the groups are its own affair (delegation).
_UNITS = (".service", ".scope", ".socket", ".mount", ".swap")
# Field of ControlGroup: the file of version 2; controller and file of version 1.
_LIMITS: Mapping[str, tuple[str, str, str]] = {
    "memory_max": ("memory.max", "memory", "memory.limit_in_bytes"),
    "memory_high": ("memory.high", "memory", ""),
    "memory_current": ("memory.current", "memory", "memory.usage_in_bytes"),
    "tasks_max": ("pids.max", "pids", "pids.max"),
    "tasks_current": ("pids.current", "pids", "pids.current"),
    "cpu_max": ("cpu.max", "cpu", "cpu.cfs_quota_us"),
    "io_max": ("io.max", "blkio", ""),
}


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    """Where the tree is mounted, and where version 1 mounts each controller; none in version 2."""

    tree: str
    controllers: Mapping[str, str]


def read(mounts: Iterable[Mount] | Unread) -> tuple[ControlGroup, ...] | Unread:
    """All groups down to the units of systemd, by path."""
    if isinstance(mounts, Unread):
        return mounts
    hierarchy = _hierarchy(mounts)
    if hierarchy is None:
        return Unread(Reason.MISSING, "no control group file system is mounted")
    found: list[ControlGroup] = []
    try:
        for path in _groups(hierarchy.tree, ""):
            if len(found) == MOST:
                return Unread(Reason.TOO_LARGE, f"> {MOST} control groups")
            found.append(_group(hierarchy, path))
    except OSError as error:
        return files.unread(error)
    return tuple(sorted(found, key=lambda one: one.path))


def _hierarchy(mounts: Iterable[Mount]) -> _Hierarchy | None:
    """The tree that systemd uses: its own of version 1 where there is one, else that of version 2."""
    unified = named = ""
    controllers: dict[str, str] = {}
    for mount in mounts:
        if mount.fstype == "cgroup2":
            unified = unified or mount.path
        elif mount.fstype == "cgroup":
            words = mount.super_options.split(",")
            if "name=systemd" in words:
                named = mount.path
            controllers |= dict.fromkeys(words, mount.path)
    if named:
        return _Hierarchy(named, controllers)
    return _Hierarchy(unified, {}) if unified else None


def _groups(folder: str, path: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        below = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in below:
        yield f"{path}/{name}"
        if not name.endswith(_UNITS):
            try:
                yield from _groups(f"{folder}/{name}", f"{path}/{name}")
            except FileNotFoundError:  # it ended meanwhile
                continue


def _group(hierarchy: _Hierarchy, path: str) -> ControlGroup:
    texts = {}
    for field, (second, controller, first) in _LIMITS.items():
        if not hierarchy.controllers:
            texts[field] = _limit(f"{hierarchy.tree}{path}/{second}")
        elif first and controller in hierarchy.controllers:
            texts[field] = _limit(f"{hierarchy.controllers[controller]}{path}/{first}")
    return ControlGroup(path=path, cpu_usage=_cpu_usage(hierarchy, path), **texts)


def _limit(place: str) -> str:
    """The text of a file, "max" for no limit however it is written; "" where it cannot be read."""
    text = files.read_text(place)
    if isinstance(text, Unread):
        return ""
    text = " ".join(text.split())
    name = place.rpartition("/")[2]
    if name == "io.max":
        return text or "max"
    if name == "cpu.max":
        return "max" if text.startswith("max") else text
    number = int(text) if text.lstrip("-").isdecimal() else 0
    return "max" if number < 0 or number >= _UNLIMITED else text


def _cpu_usage(hierarchy: _Hierarchy, path: str) -> int | None:
    """Microseconds that its programs have computed."""
    if not hierarchy.controllers:
        text = files.read_text(f"{hierarchy.tree}{path}/cpu.stat")
        first = text.partition("\n")[0] if isinstance(text, str) else ""
        number = first.removeprefix("usage_usec ")
        return int(number) if number.isdecimal() else None
    folder = hierarchy.controllers.get("cpuacct")
    text = files.read_text(f"{folder}{path}/cpuacct.usage") if folder else ""
    number = text.strip() if isinstance(text, str) else ""
    return int(number) // 1000 if number.isdecimal() else None
