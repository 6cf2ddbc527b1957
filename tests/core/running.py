"""Hosts in memory on which services run, held more or less: what the matrix of services is tried on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hardentui.host.recording import record
from hardentui.resources.confinement.exposure import SECURITY
from hardentui.snapshot import (
    NAMESPACES,
    ConfinedProcess,
    Confinement,
    ControlGroup,
    ControlGroups,
    Output,
    Reason,
    Snapshot,
    Socket,
    Sockets,
    Units,
    Unread,
)

from . import hosts

ALL = (1 << 41) - 1
FIRST = ConfinedProcess(
    pid=1,
    ppid=0,
    name="systemd",
    user="root",
    uid=0,
    euid=0,
    no_new_privs=False,
    seccomp=0,
    seccomp_filters=0,
    cap_permitted=ALL,
    cap_effective=ALL,
    cap_bounding=ALL,
    cap_ambient=0,
    namespaces={kind: f"{kind}:[{number}]" for number, kind in enumerate(NAMESPACES)},
    root="/",
    cgroup="/init.scope",
    label_read=True,
)


def process(pid: int, unit: str = "nginx.service", **others: Any) -> ConfinedProcess:
    given = {"ppid": 1, "name": "nginx", "cgroup": f"/system.slice/{unit}", **others}
    return dataclasses.replace(FIRST, pid=pid, unit=unit, **given)


HELD = {
    "user": "www-data",
    "euid": 33,
    "no_new_privs": True,
    "seccomp": 2,
    "seccomp_filters": 3,
    "cap_permitted": 0,
    "cap_bounding": 1 << 10,
    "namespaces": FIRST.namespaces | {"mnt": "mnt:[99]"},
}


def snapshot(*processes: ConfinedProcess, first: ConfinedProcess | None = FIRST, **others: Any) -> Snapshot:
    rates = others.pop("exposure", Unread(Reason.UNSUPPORTED, "systemd-analyze is not installed"))
    host = hosts.DictHost(
        confinement=((first,) if first else ()) + processes, commands={SECURITY.argv: rates}, **others
    )
    return Snapshot(host)


def rated(**rates: str) -> Output:
    """What `systemd-analyze security` prints of services with these exposures."""
    return Output(json.dumps([{"unit": f"{unit}.service", "exposure": rate} for unit, rate in rates.items()]))


def many(count: int) -> Snapshot:
    """A host with this many services of all kinds, and all that the matrix asks of it."""
    names = [f"app-{number:03}" for number in range(count)]
    rates = rated(**{name: f"{number % 100 / 10:.1f}" for number, name in enumerate(names)})
    sockets = tuple(
        Socket("tcp", "0.0.0.0", 8000 + number, name, 100 + 2 * number, "root", f"{name}.service")
        for number, name in enumerate(names)
        if number % 3 == 0
    )
    groups = tuple(ControlGroup(f"/system.slice/{name}.service", "max", tasks_max="4915") for name in names)
    return snapshot(*_processes(names), exposure=rates, sockets=sockets, control_groups=groups)


def _processes(names: list[str]) -> Iterator[ConfinedProcess]:
    for number, name in enumerate(names):
        pid, held = 100 + 2 * number, HELD if number % 4 == 0 else {}
        yield process(pid, f"{name}.service", name=name, **held)
        yield process(pid + 1, f"{name}.service", name=name, ppid=pid, user="www-data", euid=33)


def recorded(path: Path, seen: Snapshot) -> Path:
    """The recording of all that the matrix asks of a host."""
    for question in (Confinement(), ControlGroups(), Sockets(), Units(), SECURITY):
        seen.ask(question)
    path.write_text(record(seen))
    return path
