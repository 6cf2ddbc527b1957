"""What systemd knows of its units: those that are loaded, and those that have files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hardentui.i18n import N_
from hardentui.snapshot import Reason, Unit, UnitFile, Unread

Run = Callable[[tuple[str, ...]], str | Unread]

_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "FragmentPath", "MainPID", "User", "Type", "Listen"),
    *("RequiredBy", "RequisiteOf", "BoundBy", "WantedBy", "NeedDaemonReload"),
)
SHOW = ("systemctl", "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", "*")


def loaded(run: Run, *, booted: bool) -> tuple[Unit, ...] | Unread:
    """The units that the running manager holds; ``booted`` says whether systemd is that manager."""
    if not booted:
        return Unread(Reason.UNSUPPORTED, N_("systemd does not run here"))
    text = run(SHOW)
    return text if isinstance(text, Unread) else tuple(_units(text))


def files(run: Run, root: str) -> tuple[UnitFile, ...] | Unread:
    """The unit files below ``root`` and their states, read from the files by our own systemctl."""
    text = run(("systemctl", f"--root={root}", "list-unit-files", "--no-pager", "--no-legend", "--plain"))
    if isinstance(text, Unread):
        return text
    rows = [line.split() for line in text.splitlines()]
    return tuple(UnitFile(row[0], row[1]) for row in rows if len(row) > 1)


def _units(text: str) -> Iterator[Unit]:
    for block in text.split("\n\n"):
        values: dict[str, list[str]] = {}
        for line in block.splitlines():
            name, _equals, value = line.partition("=")
            values.setdefault(name, []).append(value)
        one = {name: found[0] for name, found in values.items()}
        if not one.get("Id"):
            continue
        pid = one.get("MainPID", "")
        needed = " ".join(one.get(name, "") for name in ("RequiredBy", "RequisiteOf", "BoundBy"))
        yield Unit(
            name=one["Id"],
            load=one.get("LoadState", ""),
            active=one.get("ActiveState", ""),
            sub=one.get("SubState", ""),
            path=one.get("FragmentPath", ""),
            pid=int(pid) if pid.isdecimal() else 0,
            user=one.get("User", ""),
            service=one.get("Type", ""),
            listens=tuple(value for value in values.get("Listen", ()) if value),
            needed_by=tuple(dict.fromkeys(needed.split())),
            wanted_by=tuple(one.get("WantedBy", "").split()),
            stale=one.get("NeedDaemonReload") == "yes",
        )
