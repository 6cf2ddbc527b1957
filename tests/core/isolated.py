"""Processes for the tests of what isolates: a first process, and others that share its namespaces or not."""

from __future__ import annotations

from typing import Any

from hardentui.assess import assess
from hardentui.model import Finding, Result
from hardentui.resources import capabilities
from hardentui.snapshot import NAMESPACES, Clock, ConfinedProcess, Question, Reason, Snapshot, Unread

from .sittings import CHECKLISTS

ALL = (1 << len(capabilities.NAMES)) - 1
# What Docker leaves to a container that asks for nothing (its documentation lists them).
DOCKERS = sum(
    1 << capabilities.NAMES.index(f"cap_{name}")
    for name in (
        *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"),
        *("net_bind_service", "net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"),
    )
)
SHARED = {kind: f"{kind}:[{4026531830 + number}]" for number, kind in enumerate(NAMESPACES)}


def apart(*kinds: str, number: int = 4026532000) -> dict[str, str]:
    """The namespaces of a process that has those of ``kinds`` for itself."""
    return SHARED | {kind: f"{kind}:[{number}]" for kind in kinds}


def process(pid: int, name: str, **more: Any) -> ConfinedProcess:
    """A process of root with all of root's means, as far as ``more`` does not say otherwise."""
    facts: dict[str, Any] = {
        "ppid": 1,
        "user": "root",
        "uid": 0,
        "euid": 0,
        "no_new_privs": False,
        "seccomp": 0,
        "seccomp_filters": 0,
        "cap_permitted": ALL,
        "cap_effective": ALL,
        "cap_bounding": ALL,
        "cap_ambient": 0,
        "namespaces": SHARED,
        "root": "/",
        "cgroup": "/system.slice/x.service",
        "label_read": True,
    }
    return ConfinedProcess(pid, name=name, **facts | more)


SYSTEMD = process(1, "systemd", ppid=0, unit="init.scope", cgroup="/init.scope")


def judged(id_: str, host: Any, answers: dict[str, str] | None = None) -> Finding:
    """The finding of one recommendation on a host."""
    (entry,) = [entry for entry in CHECKLISTS.recommendations if entry.id == id_]
    return assess([entry], Snapshot(host), answers or {})[0]


def texts(finding: Finding) -> dict[str, str]:
    """What is shown below a finding, by place."""
    return {place.place: place.text for place in finding.provenance}


def of(resource: str) -> list[str]:
    """The ids of the recommendations of a resource."""
    return [entry.id for entry in CHECKLISTS.recommendations if entry.resource == resource]


class Denying:
    """A host that answers all questions but one, which it denies."""

    label = "a host that denies"

    def __init__(self, host: Any, denied: Question[Any]) -> None:
        self.name = host.name
        self._host = host
        self._denied = denied

    def answer(self, question: Question[Any]) -> tuple[Any, float]:
        """See snapshot.Host."""
        answer, at = self._host.answer(question)
        return (Unread(Reason.DENIED) if question == self._denied else answer), at


def passed_without(id_: str, host: Any, answers: dict[str, str] | None = None) -> list[Question[Any]]:
    """The questions that a passing finding asks, and without which it passes all the same."""
    host.asked.clear()
    assert judged(id_, host, answers).result is Result.PASS
    asked = [q for q in dict.fromkeys(host.asked) if q != Clock()]  # it only dates what was seen
    return [q for q in asked if judged(id_, Denying(host, q), answers).result is Result.PASS]
