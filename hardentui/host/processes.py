"""What /proc says of one process beyond what psutil reads: parent, users, capabilities, confinement."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypedDict

from hardentui.host import files


class Standing(TypedDict):
    """Fields of snapshot.Process, by name; see there."""

    ppid: int
    uid: int
    effective_uid: int
    capabilities: int
    permitted: int
    bounding: int
    no_new_privileges: int
    seccomp: int


def standing(pid: int) -> Standing:
    """The standing of a process; -1 where the kernel does not say, or the process is gone."""
    text = files.read_text(f"/proc/{pid}/status")
    return parse_status(text if isinstance(text, str) else "")


def parse_status(text: str) -> Standing:
    """What the fields of /proc/PID/status (proc(5)) say of a standing."""
    fields = status_fields(text)
    users = fields.get("Uid", "").split()
    return Standing(
        ppid=_number(fields.get("PPid", "")),
        uid=_number(users[0]) if users else -1,
        effective_uid=_number(users[1]) if len(users) > 1 else -1,
        capabilities=_number(fields.get("CapEff", ""), 16),
        permitted=_number(fields.get("CapPrm", ""), 16),
        bounding=_number(fields.get("CapBnd", ""), 16),
        no_new_privileges=_number(fields.get("NoNewPrivs", "")),
        seccomp=_number(fields.get("Seccomp", "")),
    )


def status_fields(text: str) -> Mapping[str, str]:
    """The fields of /proc/PID/status by name. The program's own name in it can hold no line break."""
    lines = (line.partition(":") for line in text.split("\n"))
    return {name: value.strip() for name, _colon, value in lines}


def control_group(text: str) -> str:
    """The control group in which systemd keeps a process, of /proc/PID/cgroup; else the unified one."""
    groups = dict(line.split(":", 2)[1:] for line in text.split("\n") if line.count(":") > 1)
    own, unified = groups.get("name=systemd", ""), groups.get("", "")
    # In a container whose systemd keeps to the unified one, the other stays at its root ("/", or "/../.."
    # as seen from below).
    return own if own.strip("/.") or not unified else unified


def first_holder(pid: int, handle: int) -> int:
    """The process from which ``pid`` inherited an open socket: the parent of workers, else ``pid`` itself.

    systemd is not gone back to: it holds the sockets of its units beside the services that serve them.
    """
    link = files.read_link(f"/proc/{pid}/fd/{handle}")
    while isinstance(link, str) and (parent := standing(pid)["ppid"]) > 1 and _holds(parent, link):
        pid = parent
    return pid


def _holds(pid: int, link: str) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        return any(files.read_link(f"{folder}/{name}") == link for name in os.listdir(folder))  # noqa: PTH208 - many reads
    except OSError:
        return False


def _number(text: str, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        return -1
