"""What is seen of one service before it is confined: its settings, its processes, what they use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hardentui.i18n import _
from hardentui.model import Gap
from hardentui.resources import unit_files
from hardentui.resources.base import why_not
from hardentui.resources.capabilities import NAMES
from hardentui.resources.sandbox.directives import Choice, read_dropin
from hardentui.resources.sandbox.settings import DEFAULTS, Settings, call_sets, settled, words
from hardentui.snapshot import (
    Command,
    ConfinedProcess,
    Confinement,
    ControlGroup,
    ControlGroups,
    File,
    Kind,
    Mounts,
    Reason,
    SandboxSettings,
    ServiceUse,
    Snapshot,
    Socket,
    Sockets,
    Stat,
    Units,
    Unread,
    UseOf,
)

VERSION = Command(("systemctl", "--version"))
FILTERS = Command(("systemd-analyze", "syscall-filter"))
_LOW = 1024  # ports below it need CAP_NET_BIND_SERVICE
_PAM = "libpam.so"
# Folders in which a service keeps its own, by the name of its unit or its program.
_OWN = ("/var/lib/{}", "/var/log/{}", "/var/cache/{}", "/var/spool/{}", "/run/{}")
_DIRECTORIES = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
}
_KEPT = frozenset({"PIDFile", "ReadWritePaths", *_DIRECTORIES})  # what says where a service writes
_NAME = re.compile(r"[A-Za-z0-9_-]{2,64}")


@dataclass(frozen=True)
class Evidence:
    """What is seen of one service.

    ``use`` is None where it cannot be seen, or where the service does not run (``processes`` is empty
    then). ``folders`` are those that carry its name; ``outside`` are processes that descend from it and
    that systemd keeps in other units: the sessions of those who logged in through it. ``sockets`` are
    those that it opened itself; ``ours`` is what our drop-in sets today. ``overlaid``
    are files of /proc over which something else is mounted, as containers have them; ``group`` is the
    control group of the service, None where that cannot be seen.
    """

    unit: str
    settings: Settings
    use: ServiceUse | None
    why_unseen: str = ""
    processes: tuple[ConfinedProcess, ...] = ()
    outside: tuple[ConfinedProcess, ...] = ()
    sockets: tuple[Socket, ...] = ()
    folders: tuple[str, ...] = ()
    ours: Choice = field(default_factory=dict)
    overlaid: tuple[str, ...] = ()
    group: ControlGroup | None = None

    @cached_property
    def whole(self) -> bool:
        """Whether everything was seen that its processes use."""
        return self.use is not None and not self.use.unread

    @cached_property
    def low_ports(self) -> tuple[int, ...]:
        """Ports below 1024 that it opened itself."""
        return tuple(sorted({one.port for one in self.sockets if 0 < one.port < _LOW}))

    @cached_property
    def sessions(self) -> str:
        """What shows that it starts sessions or jobs of others; "" where nothing does."""
        if self.use is not None:
            pam = next((name for name in self.use.libraries if name.startswith(_PAM)), "")
            if pam:
                return pam
        return f"{self.outside[0].name} ({self.outside[0].pid})" if self.outside else ""

    @cached_property
    def users(self) -> tuple[str, ...]:
        """The accounts of its processes, root first."""
        return tuple(sorted({one.user for one in self.processes if one.user}, key=lambda n: (n != "root", n)))

    @cached_property
    def as_root(self) -> bool:
        """Whether one of its processes is root, or starts as root."""
        if self.processes:
            return any(one.euid == 0 for one in self.processes)
        return not self.settings.get("User")

    @cached_property
    def held(self) -> frozenset[str]:
        """The capabilities that its processes hold."""
        mask = 0
        for one in self.processes:
            mask |= one.cap_permitted or 0
        return frozenset(name for bit, name in enumerate(NAMES) if mask >> bit & 1)

    @cached_property
    def holds_unknown(self) -> bool:
        """Whether the capabilities of a process could not be read."""
        return not self.processes or any(one.cap_permitted is None for one in self.processes)

    @cached_property
    def writable(self) -> tuple[str, ...]:
        """What its unit leaves writable below ProtectSystem=strict, as it is."""
        own = self.ours.get("ReadWritePaths", "").split()
        paths = [p.lstrip("-+") for p in words(self.settings, "ReadWritePaths") if p not in own]
        for name, top in _DIRECTORIES.items():
            paths += [f"{top}/{word.partition(':')[0]}" for word in words(self.settings, name)]
        return tuple(paths)

    @cached_property
    def written(self) -> tuple[str, ...]:
        """What it was seen to write: open files, sockets that it made, the file with its number."""
        paths = set(self.use.written) if self.use is not None else set()
        paths |= {one.address for one in self.sockets if one.protocol == "unix"}
        if pid_file := self.settings.get("PIDFile"):
            paths.add(pid_file)
        return tuple(sorted(paths))

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Kinds of namespaces that its processes have beside those that the first of them runs in."""
        if not self.processes:
            return ()
        main = self.processes[0].namespaces
        others = {
            kind
            for one in self.processes[1:]
            for kind, link in one.namespaces.items()
            if kind in main and main[kind] != link
        }
        return tuple(sorted(others - {"time"}))


def services(snapshot: Snapshot) -> Mapping[str, Settings] | Unread:
    """The loaded services and their settings, by name."""
    known = snapshot.ask(SandboxSettings())
    if isinstance(known, Unread):
        return known
    return {one.unit: one.settings for one in known}


def gather(snapshot: Snapshot, unit: str) -> Evidence | None:
    """What is seen of a service; its files speak where the manager does not hold it. None: there is none."""
    known = snapshot.derive(services)
    settings = None if isinstance(known, Unread) else known.get(unit)
    if settings is None:
        files = unit_files.read(snapshot, unit)
        if isinstance(files, Gap):
            return None
        kept = {name: value for name, value in files.lines if name in _KEPT}
        settings = {**settled(DEFAULTS, files.lines, calls(snapshot)), **kept}
    use = snapshot.ask(UseOf(unit))
    running = snapshot.ask(Confinement())
    processes = () if isinstance(running, Unread) else running
    own = tuple(one for one in processes if one.unit == unit)
    text = snapshot.ask(File(unit_files.dropin(unit)))
    return Evidence(
        unit=unit,
        settings=settings,
        use=None if isinstance(use, Unread) else use,
        why_unseen=_why_unseen(snapshot, unit, use) if isinstance(use, Unread) else "",
        processes=own,
        outside=tuple(_descendants(own, processes, unit)),
        sockets=tuple(_sockets(snapshot, unit)),
        folders=tuple(_folders(snapshot, unit, own)),
        overlaid=tuple(_overlaid(snapshot)),
        ours={} if isinstance(text, Unread) else read_dropin(unit_files.assignments(text)),
        group=_group(snapshot, unit, own),
    )


def _why_unseen(snapshot: Snapshot, unit: str, use: Unread) -> str:
    """Why nothing is seen of a service at work, as a sentence."""
    if use.reason is not Reason.MISSING:
        return why_not(use)
    units = snapshot.ask(Units())
    socket = unit.removesuffix(".service").partition("@")[0] + ".socket"
    if any(one.name == socket and one.listens for one in (() if isinstance(units, Unread) else units)):
        return _("it does not run: systemd listens for it ({unit}), and starts it at the first call").format(
            unit=socket
        )
    return _("it does not run")


def gather_all(snapshot: Snapshot) -> None:
    """Ask what the workbench asks about each service that runs, so that a recording holds it."""
    known = snapshot.derive(services)
    version(snapshot)
    for unit, settings in () if isinstance(known, Unread) else known.items():
        if settings.get("ActiveState") == "active":
            gather(snapshot, unit)
            unit_files.read(snapshot, unit)


def version(snapshot: Snapshot) -> int:
    """The systemd that runs; 0 where that cannot be told."""
    said = snapshot.ask(VERSION)
    found = None if isinstance(said, Unread) else re.match(r"systemd (\d+)", said.stdout)
    return int(found[1]) if found else 0


def calls(snapshot: Snapshot) -> Mapping[str, frozenset[str]]:
    """The sets of system calls of the systemd that runs; those that come with us where it cannot say."""
    said = snapshot.ask(FILTERS)
    return call_sets("" if isinstance(said, Unread) else said.stdout)


def _sockets(snapshot: Snapshot, unit: str) -> Iterator[Socket]:
    """What a service listens on, without what systemd opens for it (socket units)."""
    sockets, units = snapshot.ask(Sockets()), snapshot.ask(Units())
    handed = {
        words_[0]
        for one in (() if isinstance(units, Unread) else units)
        for each in one.listens
        if (words_ := each.split())
    }
    for one in () if isinstance(sockets, Unread) else sockets:
        place = one.address if one.protocol == "unix" else f":{one.port}"
        if one.unit == unit and not any(each == place or each.endswith(place) for each in handed):
            yield one


def _group(snapshot: Snapshot, unit: str, own: tuple[ConfinedProcess, ...]) -> ControlGroup | None:
    """The control group of the service itself, of which those of its processes may lie below."""
    groups = snapshot.ask(ControlGroups())
    path = own[0].cgroup if own else ""
    while path and path.rpartition("/")[2] != unit:
        path = path.rpartition("/")[0]
    known = () if isinstance(groups, Unread) else groups
    return next((one for one in known if path and one.path == path), None)


def _overlaid(snapshot: Snapshot) -> Iterator[str]:
    mounts = snapshot.ask(Mounts())
    for one in () if isinstance(mounts, Unread) else mounts:
        if one.path.startswith("/proc/"):
            yield one.path


def _descendants(
    own: tuple[ConfinedProcess, ...], processes: tuple[ConfinedProcess, ...], unit: str
) -> Iterator[ConfinedProcess]:
    """Processes that descend from a service, and that belong to another unit."""
    family = {one.pid for one in own}
    for one in sorted(processes, key=lambda each: each.pid):
        if one.ppid in family and one.unit and one.unit != unit:
            yield one


def _folders(snapshot: Snapshot, unit: str, own: tuple[ConfinedProcess, ...]) -> Iterator[str]:
    names = {unit.removesuffix(".service").partition("@")[0], *(one.name for one in own)}
    for name in sorted(name for name in names if _NAME.fullmatch(name)):
        for place in _OWN:
            path = place.format(name)
            status = snapshot.ask(Stat(path))
            if not isinstance(status, Unread) and status.kind is Kind.FOLDER:
                yield path
