"""The containers that run: processes in another PID namespace than the system's, or in an engine's group."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from hardentui.i18n import _, ngettext
from hardentui.model import Gap, GapKind
from hardentui.resources import capabilities
from hardentui.resources.containers.engines import ENGINES
from hardentui.snapshot import (
    ConfinedProcess,
    Confinement,
    KernelFile,
    Mount,
    Mounts,
    Reason,
    Snapshot,
    Stat,
    Unread,
)

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
_SOCKETS = tuple(path for engine in ENGINES for path in engine.sockets)
# The same of an engine that keeps them elsewhere: /run/user/1000/docker.sock, given as /run/docker.sock.
_ENDS = tuple(f"/{'/'.join(path.split('/')[-2:])}" for path in _SOCKETS)
_DEVICE, _ROOT, _POINT = 2, 3, 4  # fields of mountinfo (proc(5))
_OUR_MOUNTS = "/proc/self/mountinfo"


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
    given, unread = _given(snapshot, leader, own_users=own_users)
    shares = [
        kind
        for kind in ("pid", "net", "ipc", "uts")
        if leader.namespaces.get(kind) == first.namespaces.get(kind)
    ]
    return Container(name, leader, own_users, (*holes, *given), tuple(shares), gap or unread)


@dataclass(frozen=True, slots=True)
class _Inside:
    """A mount of a container: its device, what of the file system is mounted, and where."""

    device: str
    root: PurePosixPath
    point: PurePosixPath

    def holds(self, place: tuple[str, PurePosixPath]) -> bool:
        """Whether a place, as ``_place_of`` tells it, is seen through this mount."""
        return self.device == place[0] and place[1].is_relative_to(self.root)


def _given(
    snapshot: Snapshot, leader: ConfinedProcess, *, own_users: bool
) -> tuple[tuple[str, ...], Gap | None]:
    """What a container was given of the host that makes it rule the host: its root, sockets of engines.

    Root of a container with users of its own is nobody in a folder of the host; a socket that it was
    given by itself is there to be written to.
    """
    place = f"/proc/{leader.pid}/mountinfo"
    text = snapshot.ask(KernelFile(place))
    if isinstance(text, Unread):
        return (), None if text.reason in {Reason.MISSING, Reason.VANISHED} else text.gap(place)
    mounts = snapshot.ask(Mounts())
    if isinstance(mounts, Unread):
        return (), mounts.gap(_OUR_MOUNTS)
    inside = tuple(_mounts_in(text))
    found = {str(one.point): str(one.point) for one in inside if _ends_like_a_socket(one)}
    gap = None
    for path in _SOCKETS if own_users else ("/", *_SOCKETS):
        there = _place_of(mounts, path)
        if there is None:
            return (), Gap(GapKind.FAILED, _OUR_MOUNTS)
        for mount in (one for one in inside if one.holds(there)):
            by_itself = mount.root == there[1]
            seen = by_itself or (not own_users and _is_there(snapshot, path))
            if isinstance(seen, Gap):
                gap = gap or seen
            elif seen:
                point = str(mount.point / there[1].relative_to(mount.root))
                found[point] = _("{path} of the host as {place}").format(path=path, place=point)
    return tuple(found[point] for point in sorted(found)), gap


def _mounts_in(text: str) -> Iterator[_Inside]:
    """The mounts of a mountinfo, its octal escapes undone."""
    for line in text.split("\n"):
        fields = [
            re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), word) for word in line.split(" ")
        ]
        if len(fields) > _POINT:
            yield _Inside(fields[_DEVICE], PurePosixPath(fields[_ROOT]), PurePosixPath(fields[_POINT]))


def _place_of(mounts: tuple[Mount, ...], path: str) -> tuple[str, PurePosixPath] | None:
    """The device of a path of the host and its path in that file system; None where no mount has it."""
    wanted = PurePosixPath(path)
    above = [one for one in mounts if wanted.is_relative_to(one.path)]
    if not above:
        return None
    # The deepest mount has it, and of several at one place the last.
    mount = max(reversed(above), key=lambda one: len(one.path))
    return mount.device, PurePosixPath(mount.root) / wanted.relative_to(mount.path)


def _ends_like_a_socket(mount: _Inside) -> bool:
    return any(str(path).endswith(_ENDS) for path in (mount.root, mount.point))


def _is_there(snapshot: Snapshot, path: str) -> bool | Gap:
    seen = snapshot.ask(Stat(path))
    if isinstance(seen, Unread):
        return False if seen.reason is Reason.MISSING else seen.gap(path)
    return True
