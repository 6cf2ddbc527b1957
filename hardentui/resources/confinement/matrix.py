"""The matrix of services: what holds each service that runs, told by its least held process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.confinement.exposure import SECURITY, exposures
from hardentui.resources.listeners import Listener, listeners
from hardentui.snapshot import (
    NAMESPACES,
    ConfinedProcess,
    Confinement,
    ControlGroup,
    ControlGroups,
    Snapshot,
    Units,
    Unread,
)

_STRICT = 1  # seccomp(2): read, write and exit, nothing else


class Door(StrEnum):
    """What an intruder in a service has before them; each is open, closed, or not known."""

    ROOT = "root"
    PRIVILEGES = "new-privileges"
    SYSCALLS = "system-calls"
    CAPABILITIES = "capabilities"
    FILES = "file-system"


class Facet(StrEnum):
    """One of the things in which the processes of a service may differ."""

    USER = "user"
    NO_NEW_PRIVS = "no-new-privileges"
    SECCOMP = "seccomp"
    PERMITTED = "capabilities-permitted"
    BOUNDING = "capabilities-bounding"
    NAMESPACES = "namespaces"
    ROOT = "root-directory"
    LABEL = "label"


_FACETS: Mapping[Facet, Callable[[ConfinedProcess], Hashable]] = {
    Facet.USER: lambda one: one.euid,
    Facet.NO_NEW_PRIVS: lambda one: one.no_new_privs,
    Facet.SECCOMP: lambda one: (one.seccomp, one.seccomp_filters),
    Facet.PERMITTED: lambda one: one.cap_permitted,
    Facet.BOUNDING: lambda one: one.cap_bounding,
    Facet.NAMESPACES: lambda one: tuple(sorted(one.namespaces.items())),
    Facet.ROOT: lambda one: one.root,
    Facet.LABEL: lambda one: one.label,
}


@dataclass(frozen=True)
class Service:
    """A service that runs. What its processes do not share is told of the one that is held least.

    ``processes`` begin with the main one; ``first`` is the first process of the system, to which they
    are compared: in a container everything is held as it is, and only what goes further counts. None
    stands for what could not be read. ``exposure`` is systemd's, from 0.0 to 10.0, as it was at ``rated_at``
    (epoch seconds): it costs more than the rest, and is asked less often.
    """

    unit: str
    processes: tuple[ConfinedProcess, ...]
    first: ConfinedProcess | None
    listeners: tuple[Listener, ...] = ()
    group: ControlGroup | None = None
    exposure: float | None = None
    rated_at: float = 0.0
    ears_known: bool = True  # False where the owner of a listening socket is hidden from us

    @property
    def main(self) -> ConfinedProcess:
        """The process for which systemd holds the unit; the eldest where that is not known."""
        return self.processes[0]

    @cached_property
    def users(self) -> tuple[str, ...]:
        """As whom its processes run, root first."""
        names = {one.user: one.euid for one in self.processes if one.user}
        return tuple(sorted(names, key=lambda name: (names[name] != 0, name)))

    @cached_property
    def no_new_privs(self) -> bool | None:
        """Whether none of its processes can gain a privilege by running a program."""
        return _all(one.no_new_privs for one in self.processes)

    @cached_property
    def seccomp(self) -> int | None:
        """The mode of its least filtered process: 0 (none), 1 (strict) or 2 (filter)."""
        return _least((one.seccomp for one in self.processes), 0)

    @cached_property
    def filtered(self) -> bool | None:
        """Whether system calls are filtered further than those of the first process."""
        return _all(_is_filtered(one, self.first) for one in self.processes)

    @cached_property
    def permitted(self) -> int | None:
        """The capabilities that one of its processes has, as a bit mask."""
        return _union(one.cap_permitted for one in self.processes)

    @cached_property
    def bounding(self) -> int | None:
        """The capabilities that one of its processes could still come by, as a bit mask."""
        return _union(one.cap_bounding for one in self.processes)

    @cached_property
    def bounded(self) -> bool | None:
        """Whether some capabilities of the first process are out of reach for all of its processes."""
        if self.bounding is None or self.first is None or self.first.cap_bounding is None:
            return None
        return bool(self.first.cap_bounding & ~self.bounding)

    @cached_property
    def own(self) -> Mapping[str, bool | None]:
        """For each kind of namespace, whether none of its processes shares that of the first process.

        A kind that the first process does not have, where its others can be read, this kernel does not know.
        """
        first = self.first.namespaces if self.first else {}
        return {
            kind: _all(_is_own(one.namespaces.get(kind), first.get(kind)) for one in self.processes)
            for kind in (first or NAMESPACES)
        }

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The root directories of its processes; empty where none could be read."""
        return tuple(sorted({one.root for one in self.processes if one.root}))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What a security module calls its processes; empty where none does."""
        return tuple(sorted({one.label for one in self.processes if one.label}))

    @cached_property
    def doors(self) -> Mapping[Door, bool | None]:
        """Which doors are open; None for one of which that is not known."""
        return {
            Door.ROOT: _any(_is_root(one.euid) for one in self.processes),
            Door.PRIVILEGES: _not(self.no_new_privs),
            Door.SYSCALLS: _not(self.filtered),
            Door.CAPABILITIES: _not(self.bounded),
            Door.FILES: _not(_all(_own_files(one, self.first) for one in self.processes)),
        }

    @property
    def open_doors(self) -> int:
        """How many doors are open for certain."""
        return sum(is_open is True for is_open in self.doors.values())

    @property
    def known(self) -> bool:
        """Whether nothing is missing that tells how it is held and who can reach it."""
        return self.ears_known and None not in self.doors.values() and None not in self.own.values()

    @property
    def exposed(self) -> tuple[Listener, ...]:
        """Where other machines could reach it if no firewall rule forbade it."""
        return tuple(one for one in self.listeners if one.exposed)

    @cached_property
    def differing(self) -> frozenset[Facet]:
        """In what its processes differ."""
        return frozenset(
            facet for facet, of in _FACETS.items() if len({of(one) for one in self.processes}) > 1
        )


@dataclass(frozen=True)
class Matrix:
    """The services that run, the most exposed first, and what could not be read about them.

    ``waiting`` are the socket units, with their ports, for whose services systemd itself listens: those do
    not run before somebody calls.
    """

    services: tuple[Service, ...]
    gaps: tuple[Gap, ...]
    unrated: Gap | None = None  # why no exposure is known; it is among the gaps, too
    waiting: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def service(self, unit: str) -> Service | None:
        """The service of this name; ``.service`` may be left out."""
        return next((one for one in self.services if one.unit in {unit, f"{unit}.service"}), None)


def matrix(snapshot: Snapshot) -> Matrix | Gap:
    """The matrix of what a snapshot shows; why there is none where it shows no processes."""
    if not snapshot.live:
        return Gap(GapKind.UNSUPPORTED, _("an image does not run"))
    seen = snapshot.ask(Confinement())
    if isinstance(seen, Unread):
        return seen.gap(_("processes"))
    found = snapshot.derive(_matrix)
    return found if found.services else Gap(GapKind.ABSENT, _("no process belongs to a systemd service"))


def _matrix(snapshot: Snapshot) -> Matrix:
    seen = snapshot.ask(Confinement())
    processes = () if isinstance(seen, Unread) else seen
    rated, groups, units = exposures(snapshot), snapshot.ask(ControlGroups()), snapshot.ask(Units())
    heard, rated_at = listeners(snapshot), snapshot.ask_timed(SECURITY)[1]
    rates = {} if isinstance(rated, Unread) else rated
    limits = {} if isinstance(groups, Unread) else {one.path: one for one in groups}
    mains = {} if isinstance(units, Unread) else {one.name: one.pid for one in units}
    ears = _by_unit(() if isinstance(heard, Gap) else heard)
    hidden = _without_owner(() if isinstance(heard, Gap) else heard)
    first = next((one for one in processes if one.pid == 1), None)
    services = [
        Service(
            unit=unit,
            processes=_main_first(members, mains.get(unit, 0)),
            first=first,
            listeners=ears.get(unit, ()),
            group=_group(members[0].cgroup, limits),
            exposure=rates.get(unit),
            rated_at=rated_at,
            ears_known=not isinstance(heard, Gap) and not hidden,
        )
        for unit, members in _members(processes).items()
    ]
    unrated = rated.gap(_("exposure")) if isinstance(rated, Unread) else None
    gaps = [
        *([unrated] if unrated else []),
        *([heard] if isinstance(heard, Gap) else []),
        *([Gap(GapKind.DENIED, _("whose the ports {ports} are").format(ports=hidden))] if hidden else []),
        *([groups.gap(_("control groups"))] if isinstance(groups, Unread) else []),
        *([units.gap("systemctl show")] if isinstance(units, Unread) else []),
        *_hidden(first, services),
    ]
    waiting = _waiting(() if isinstance(heard, Gap) else heard, services)
    return Matrix(tuple(sorted(services, key=_rank)), tuple(gaps), unrated, waiting)


def _rank(one: Service) -> tuple[float, int, str]:
    rate = -1.0 if one.exposure is None else one.exposure
    return -rate, -one.open_doors, one.unit


def _members(processes: Iterable[ConfinedProcess]) -> Mapping[str, list[ConfinedProcess]]:
    found: dict[str, list[ConfinedProcess]] = defaultdict(list)
    for one in processes:
        if one.unit.endswith(".service"):
            found[one.unit].append(one)
    return found


def _main_first(members: list[ConfinedProcess], main: int) -> tuple[ConfinedProcess, ...]:
    inside = {one.pid for one in members}
    return tuple(sorted(members, key=lambda one: (one.pid != main, one.ppid in inside, one.pid)))


def _by_unit(heard: Iterable[Listener]) -> Mapping[str, tuple[Listener, ...]]:
    """The sockets of each service; what systemd holds for a socket unit is that of the service it starts."""
    found: dict[str, list[Listener]] = defaultdict(list)
    for one in heard:
        handed = one.waiting_unit.removesuffix(".socket")
        found[f"{handed}.service" if handed else one.socket.unit].append(one)
    return {unit: tuple(those) for unit, those in found.items()}


def _without_owner(heard: Iterable[Listener]) -> str:
    """The ports of which the process is hidden from us, in words."""
    hidden = {one.socket.port for one in heard if not one.socket.pid and not one.waiting_unit}
    return ", ".join(map(str, sorted(hidden)))


def _waiting(heard: Iterable[Listener], services: Iterable[Service]) -> Mapping[str, tuple[int, ...]]:
    """The socket units of which no service runs, with their ports."""
    running = {one.unit.removesuffix(".service").partition("@")[0] for one in services}
    found: dict[str, set[int]] = defaultdict(set)
    for one in heard:
        if one.waiting_unit and one.waiting_unit.removesuffix(".socket") not in running:
            found[one.waiting_unit].add(one.socket.port)
    return {unit: tuple(sorted(ports)) for unit, ports in sorted(found.items())}


def _group(path: str, limits: Mapping[str, ControlGroup]) -> ControlGroup | None:
    """The control group of a unit: that of a process, or one above it where the unit made its own below."""
    while path and path not in limits:
        path = path.rpartition("/")[0]
    return limits.get(path)


def _hidden(first: ConfinedProcess | None, services: Iterable[Service]) -> list[Gap]:
    """What is not shown to us of processes that are not ours."""
    if first is None or not first.namespaces:
        return [Gap(GapKind.DENIED, _("namespaces of the first process, which the others are compared to"))]
    count = sum(any(not one.namespaces for one in service.processes) for service in services)
    if not count:
        return []
    return [Gap(GapKind.DENIED, _("namespaces and root directories of {count} services").format(count=count))]


# --- what is not known stays so ------------------------------------------------------------------------


def _all(values: Iterable[bool | None]) -> bool | None:
    """Whether all hold; not known where none fails and one is not known."""
    seen = set(values)
    return False if False in seen else None if None in seen else True


def _any(values: Iterable[bool | None]) -> bool | None:
    return _not(_all(_not(value) for value in values))


def _not(value: bool | None) -> bool | None:  # noqa: FBT001 - it is the value
    return None if value is None else not value


def _least(values: Iterable[int | None], least: int) -> int | None:
    """The smallest; not known where one is not, unless another is as small as can be."""
    seen = list(values)
    known = [value for value in seen if value is not None]
    return min(known) if known and (least in known or len(known) == len(seen)) else None


def _union(masks: Iterable[int | None]) -> int | None:
    together = 0
    for mask in masks:
        if mask is None:
            return None
        together |= mask
    return together


def _is_root(euid: int | None) -> bool | None:
    return None if euid is None else euid == 0


def _is_own(namespace: str | None, first: str | None) -> bool | None:
    return None if namespace is None or first is None else namespace != first


def _is_filtered(one: ConfinedProcess, first: ConfinedProcess | None) -> bool | None:
    if one.seccomp is None or not one.seccomp:
        return one.seccomp if one.seccomp is None else False
    if one.seccomp == _STRICT:
        return True
    if first is None or first.seccomp is None:
        return None
    if one.seccomp_filters is None or first.seccomp_filters is None:  # kernels before 5.9 do not count them
        return None if first.seccomp else True
    return one.seccomp_filters > first.seccomp_filters


def _own_files(one: ConfinedProcess, first: ConfinedProcess | None) -> bool | None:
    """Whether a process sees another tree of files than the first one does."""
    own = _is_own(one.namespaces.get("mnt"), first.namespaces.get("mnt") if first else None)
    if own is False and one.root and first is not None:
        return one.root != first.root
    return own
