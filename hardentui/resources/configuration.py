"""Configuration files as systemd finds them: what a name of a file hides, and what masks it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.snapshot import File, Folder, Kind, Link, Reason, Snapshot, Unread

_ABOVE = ("/etc/systemd/system", "/run/systemd/system")  # where a mask hides what the vendor ships
_HOPS = 8  # links to links that are followed


def text_of(snapshot: Snapshot, path: str, *, may_be_link: bool = True) -> str | Unread:
    """The text of a configuration file; "" for one that is masked by a link to /dev/null.

    ``may_be_link`` off spares the question where a folder said already that it is none.
    """
    here = path
    for _hop in range(_HOPS if may_be_link else 0):
        target = snapshot.ask(Link(here))
        if not isinstance(target, str):
            break
        here = posixpath.normpath(posixpath.join(here, "..", target))
        if here == "/dev/null":
            return ""
    return snapshot.ask(File(path))


def by_name(
    snapshot: Snapshot, folders: Iterable[str], ending: str = ".conf"
) -> tuple[tuple[str, Kind], ...] | Gap:
    """The files of some folders in the order of their names; of one name, the first folder's counts."""
    found: dict[str, tuple[str, Kind]] = {}
    for folder in folders:
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread):
            if entries.reason is not Reason.MISSING:
                return entries.gap(folder)
            continue
        for entry in entries:
            if entry.name.endswith(ending):
                found.setdefault(entry.name, (f"{folder}/{entry.name}", entry.kind))
    return tuple(place for _name, place in sorted(found.items()))


def mask_of(snapshot: Snapshot, unit: str) -> Gap | None:
    """The mask of a unit, by a link to /dev/null or an empty file; or why it cannot be told."""
    for folder in _ABOVE:
        path = f"{folder}/{unit}"
        text = text_of(snapshot, path)
        if text == "":
            return Gap(GapKind.UNMODELLED, _("{unit} is masked").format(unit=path))
        if isinstance(text, Unread) and text.reason is not Reason.MISSING:
            return text.gap(path)
    return None
