"""What holds each running program, read from /proc: one entry for each process that has a program."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping

from hardentui.host import files
from hardentui.host.processes import control_group, status_fields
from hardentui.snapshot import NAMESPACES, ConfinedProcess, Reason, Unread

_NO_LABEL = os.strerror(errno.EINVAL)  # what attr/current says where no module labels processes
_GONE = {Reason.MISSING, Reason.VANISHED}


def read(unit_of: Callable[[str], str], proc: str = "/proc") -> tuple[ConfinedProcess, ...] | Unread:
    """All programs that run, by pid; ``unit_of`` gives the systemd unit that a control group names."""
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdecimal())  # noqa: PTH208 - names only
    except OSError as error:
        return files.unread(error)
    found = (_process(f"{proc}/{pid}", pid, unit_of) for pid in pids)
    return tuple(one for one in found if one is not None)


def _process(folder: str, pid: int, unit_of: Callable[[str], str]) -> ConfinedProcess | None:
    """One process; None for a kernel thread, for a dead one, and for one that ended meanwhile."""
    status = files.read_text(f"{folder}/status")
    if isinstance(status, Unread):
        return None if status.reason in _GONE else ConfinedProcess(pid)  # hidden from us: hidepid=
    fields = status_fields(status)
    if "VmSize" not in fields:  # no memory of its own: no program
        return None
    users = [_number(word) for word in fields.get("Uid", "").split()[:2]] or [None, None]
    group = _text(f"{folder}/cgroup")
    label, label_read = _label(folder)
    seen = ConfinedProcess(
        pid=pid,
        ppid=_number(fields.get("PPid", "")),
        unit=unit_of(group),
        name=_text(f"{folder}/comm").rstrip("\n"),
        user=files.user_name(users[-1]) if users[-1] is not None else "",
        uid=users[0],
        euid=users[-1],
        no_new_privs={"0": False, "1": True}.get(fields.get("NoNewPrivs", "")),
        seccomp=_number(fields.get("Seccomp", "")),
        seccomp_filters=_number(fields.get("Seccomp_filters", "")),
        cap_permitted=_number(fields.get("CapPrm", ""), 16),
        cap_effective=_number(fields.get("CapEff", ""), 16),
        cap_bounding=_number(fields.get("CapBnd", ""), 16),
        cap_ambient=_number(fields.get("CapAmb", ""), 16),
        namespaces=_namespaces(folder),
        root=_link(f"{folder}/root"),
        cgroup=control_group(group),
        label=label,
        label_read=label_read,
    )
    # What ended while it was read would show as one of which little can be read.
    return seen if os.path.lexists(folder) else None


def _namespaces(folder: str) -> Mapping[str, str]:
    links = ((kind, _link(f"{folder}/ns/{kind}")) for kind in NAMESPACES)
    return {kind: link for kind, link in links if link}


def _label(folder: str) -> tuple[str, bool]:
    """What a security module calls a process, and whether that could be read."""
    text = files.read_text(f"{folder}/attr/current")
    if isinstance(text, Unread):
        return "", text.reason is Reason.MISSING or text.detail == _NO_LABEL
    return text.rstrip("\0\n"), True


def _text(path: str) -> str:
    text = files.read_text(path)
    return text if isinstance(text, str) else ""


def _link(path: str) -> str:
    link = files.read_link(path)
    return link if isinstance(link, str) else ""


def _number(text: str, base: int = 10) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None
