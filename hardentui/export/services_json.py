"""The matrix of services as JSON, for other programs.

Keys are stable, and values in words that no language changes, but for the details of what was not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from hardentui import __version__
from hardentui.model import Gap
from hardentui.resources import capabilities
from hardentui.resources.confinement.matrix import Matrix, Service
from hardentui.snapshot import ConfinedProcess

_MODES = ("none", "strict", "filter")  # of seccomp


def document(found: Matrix, services: Sequence[Service], taken_at: float) -> str:
    """These services of the matrix, one object each, and what could not be read of it all."""
    content = {
        "hardentui": __version__,
        "taken-at": taken_at,
        "unread": [_unread(gap) for gap in found.gaps],
        "waiting": {unit: list(ports) for unit, ports in found.waiting.items()},
        "services": [_object(one) for one in services],
    }
    # ASCII: bytes of the host that are not UTF-8 survive as lone surrogates.
    return json.dumps(content, indent=2, ensure_ascii=True)


def _unread(gap: Gap) -> Mapping[str, str]:
    return {"kind": gap.kind.value, "detail": gap.detail}


def _object(one: Service) -> Mapping[str, object]:
    group = one.group
    return {
        "unit": one.unit,
        "exposure": one.exposure,
        "open-doors": {door.value: is_open for door, is_open in one.doors.items()},
        "users": list(one.users),
        "no-new-privileges": one.no_new_privs,
        "seccomp": _mode(one.seccomp),
        "seccomp-beyond-first-process": one.filtered,
        "capabilities-permitted": _names(one.permitted),
        "capabilities-bounding": _names(one.bounding),
        "own-namespaces": dict(one.own),
        "root-directories": list(one.roots),
        "labels": list(one.labels),
        "cgroup": one.main.cgroup or None,
        "memory-max": (group.memory_max or None) if group else None,
        "tasks-max": (group.tasks_max or None) if group else None,
        "cpu-max": (group.cpu_max or None) if group else None,
        "listens": [
            {
                "protocol": heard.protocol,
                "address": heard.socket.address,
                "port": heard.socket.port,
                "exposed": heard.exposed,
            }
            for heard in one.listeners
        ],
        "processes-differ-in": sorted(facet.value for facet in one.differing),
        "processes": [_process(process) for process in one.processes],
    }


def _process(one: ConfinedProcess) -> Mapping[str, object]:
    return {
        "pid": one.pid,
        "parent": one.ppid,
        "name": one.name or None,
        "user": one.user or None,
        "no-new-privileges": one.no_new_privs,
        "seccomp": _mode(one.seccomp),
        "seccomp-filters": one.seccomp_filters,
        "capabilities-permitted": _names(one.cap_permitted),
        "capabilities-effective": _names(one.cap_effective),
        "capabilities-bounding": _names(one.cap_bounding),
        "capabilities-ambient": _names(one.cap_ambient),
        "namespaces": dict(one.namespaces),
        "root-directory": one.root or None,
        "cgroup": one.cgroup or None,
        "label": one.label or None,
    }


def _mode(value: int | None) -> str | None:
    return None if value is None else _MODES[value] if value < len(_MODES) else str(value)


def _names(mask: int | None) -> list[str] | None:
    return None if mask is None else list(capabilities.names(mask))
