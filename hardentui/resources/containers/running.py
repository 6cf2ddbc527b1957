"""The containers that run: processes in another PID namespace than the system's, or in an engine's group."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hardentui.i18n import _, ngettext
from hardentui.model import Gap, GapKind
from hardentui.resources import capabilities
from hardentui.resources.containers.engines import ENGINES
from hardentui.snapshot import ConfinedProcess, Confinement, KernelFile, Reason, Snapshot, Unread

_FIRST = 1
_HEX = 12  # digits of a container's id, as the engines print them
# Names of control groups by which engines call their containers.
_NAMES = (
    re.compile(r"/(?P<engine>docker|libpod|crio|cri-containerd|nerdctl)(?:-payload)?-(?P<id>[0-9a-f]{64})"),
    re.compile(r"/(?P<engine>docker|libpod)/(?P<id>[0-9a-f]{64})"),
    re.compile(r"/(?P<engine>kubepods)[^/]*/.*/(?P<id>[0-9a-f]{64})"),
    re.compile(r"/(?P<engine>machine)-(?P<name>.+)\.scope"),
    re.compile(r"/(?P<engine>systemd-nspawn)@(?P<name>.+?)\.service"),
    re.compile(r"/(?P<engine>lxc)(?:\.payload)?[./](?P<name>[^/]+)"),
)
# With one of these root of a container becomes root of the host; no engine gives them by itself.
_ESCAPES = frozenset(
    {"cap_bpf", "cap_dac_read_search", "cap_sys_admin", "cap_sys_module", "cap_sys_ptrace", "cap_sys_rawio"}
)
_SOCKETS = tuple(path.rpartition("/")[2] for engine in ENGINES for path in engine.sockets)


@dataclass(frozen=True, slots=True)
class Container:
    """A container: its name, its first process, and in which respects it is not cut off from the host.

    ``holes`` are what makes its root as good as that of the host, ``shares`` what it has in common with
    it; ``own_users`` says that it has a user namespace, in which root is nobody.
    """

    name: str
    leader: ConfinedProcess
    own_users: bool
    holes: tuple[str, ...]
    shares: tuple[str, ...]
    gap: Gap | None


def containers(snapshot: Snapshot) -> tuple[Container, ...] | Gap:
    """The containers that run, by name; a Gap where the namespaces of processes cannot be told."""
    running = snapshot.ask(Confinement())
    if isinstance(running, Unread):
        return running.gap(_("processes"))
    first = next((one for one in running if one.pid == _FIRST), None)
    if first is None or "pid" not in first.namespaces:
        return Gap(GapKind.DENIED, _("the namespaces of the first process"))
    hidden = sum("pid" not in one.namespaces for one in running)
    if hidden:
        sentence = ngettext("{what} of {count} process", "{what} of {count} processes", hidden)
        return Gap(GapKind.DENIED, sentence.format(what=_("the namespaces"), count=hidden))
    leaders: dict[tuple[str, str], ConfinedProcess] = {}
    for one in sorted(running, key=lambda one: one.pid):
        # With --pid a container has the namespace of the host, or of another one.
        here = one.namespaces["pid"], _group_of(one.cgroup)
        if here != (first.namespaces["pid"], ""):
            leaders.setdefault(here, one)
    found = [_container(snapshot, leader, first) for leader in leaders.values() if not _is_service(leader)]
    return tuple(sorted(found, key=lambda one: one.name))


def name_of(cgroup: str) -> str:
    """How an engine calls the container of a control group; "" for a group of no engine."""
    for pattern in _NAMES:
        if found := pattern.search(cgroup):
            parts = found.groupdict()
            return f"{parts['engine']} {parts.get('name') or parts['id'][:_HEX]}"
    return ""


def _group_of(cgroup: str) -> str:
    """The id that an engine gave the container of a control group; "" where it gave none."""
    found = (pattern.search(cgroup) for pattern in _NAMES if "id" in pattern.groupindex)
    return next((one["id"] for one in found if one), "")


def _is_service(one: ConfinedProcess) -> bool:
    """A service of the host with PIDs of its own (PrivatePIDs=) is no container."""
    return one.unit.endswith(".service") and not name_of(one.cgroup)


def _container(snapshot: Snapshot, leader: ConfinedProcess, first: ConfinedProcess) -> Container:
    name = name_of(leader.cgroup) or leader.name or str(leader.pid)
    users = leader.namespaces.get("user"), first.namespaces.get("user")
    own_users = None not in users and users[0] != users[1]
    holes: list[str] = []
    gap = None
    if leader.cap_bounding is None or None in users:
        gap = Gap(GapKind.DENIED, _("the capabilities of {name}").format(name=name))
    elif not own_users:
        holes += [held for held in capabilities.names(leader.cap_bounding) if held in _ESCAPES]
    control, unread = _control_sockets(snapshot, leader)
    shares = [
        kind
        for kind in ("pid", "net", "ipc", "uts")
        if leader.namespaces.get(kind) == first.namespaces.get(kind)
    ]
    return Container(name, leader, own_users, (*holes, *control), tuple(shares), gap or unread)


def _control_sockets(snapshot: Snapshot, leader: ConfinedProcess) -> tuple[tuple[str, ...], Gap | None]:
    """The sockets of engines that are mounted in a container: who writes to one rules the host."""
    place = f"/proc/{leader.pid}/mountinfo"
    text = snapshot.ask(KernelFile(place))
    if isinstance(text, Unread):
        return (), None if text.reason in {Reason.MISSING, Reason.VANISHED} else text.gap(place)
    mounted = {field for line in text.splitlines() for field in line.split(" ")[3:5]}
    return tuple(sorted({path for path in mounted if path.endswith(_SOCKETS)})), None
