"""Services: the settings that systemd holds them by, and what their processes use, read from /proc."""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hardentui.host import files
from hardentui.snapshot import Reason, ServiceSettings, ServiceUse, Unread

Run = Callable[[tuple[str, ...]], str | Unread]

_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "Type", "DefaultDependencies", "User", "DynamicUser", "PIDFile"),
    *(
        "SupplementaryGroups",
        "PrivateDevices",
        "PrivateMounts",
        "PrivateNetwork",
        "PrivateTmp",
        "PrivateUsers",
    ),
    *("ProtectControlGroups", "ProtectKernelModules", "ProtectKernelTunables", "ProtectKernelLogs"),
    *("ProtectClock", "ProtectHome", "ProtectHostname", "ProtectSystem", "ProtectProc", "ProcSubset"),
    *("RootDirectory", "RootImage", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges"),
    *("CapabilityBoundingSet", "AmbientCapabilities", "UMask", "KeyringMode", "NotifyAccess", "RemoveIPC"),
    *("Delegate", "RestrictRealtime", "RestrictSUIDSGID", "RestrictNamespaces", "RestrictAddressFamilies"),
    *("SystemCallArchitectures", "SystemCallFilter", "IPAddressAllow", "IPAddressDeny", "DevicePolicy"),
    *("IPIngressFilterPath", "IPEgressFilterPath", "DeviceAllow", "ReadWritePaths", "NoExecPaths"),
    *("RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory"),
)
SHOW = ("systemctl", "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", "*.service")
_MANY = 1000  # files that are named


def settings(run: Run, *, booted: bool) -> tuple[ServiceSettings, ...] | Unread:
    """The settings of each loaded service; ``booted`` says whether systemd is the manager here."""
    if not booted:
        return Unread(Reason.UNSUPPORTED, "systemd does not run here")
    text = run(SHOW)
    return text if isinstance(text, Unread) else tuple(parse_settings(text))


def parse_settings(text: str) -> Iterator[ServiceSettings]:
    """The services of a ``systemctl show``: blocks of NAME=VALUE, parted by empty lines."""
    for block in text.split("\n\n"):
        found: dict[str, str] = {}
        for line in block.splitlines():
            name, equals, value = line.partition("=")
            if equals:
                found[name] = f"{found[name]}\n{value}" if name in found else value
        if found.get("LoadState") == "loaded" and found.get("Id"):
            yield ServiceSettings(found["Id"], found)


# --- what its processes use -----------------------------------------------------------------------


def use(unit: str, unit_of: Callable[[str], str], proc: str = "/proc") -> ServiceUse | Unread:
    """What the processes of ``unit`` use; ``unit_of`` gives the unit that a control group names."""
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdecimal())  # noqa: PTH208 - names only
    except OSError as error:
        return files.unread(error)
    own = [pid for pid in pids if unit_of(_text(f"{proc}/{pid}/cgroup")) == unit]
    if not own:
        return Unread(Reason.MISSING, unit)
    seen = _Seen(proc)
    unread = sum(not seen.look(pid) for pid in own)
    written = seen.written | (_numbered(own) if proc == "/proc" else set())
    return ServiceUse(
        processes=len(own),
        unread=unread,
        written=_first(written),
        read=_first(seen.read - written),
        devices=tuple(sorted(f"{path} {how}" for path, how in seen.devices.items())),
        families=_first(seen.families),
        other_sockets=seen.other_sockets,
        executable_memory=_first(seen.executable_memory),
        libraries=_first(seen.libraries),
        scheduled=_first(seen.scheduled),
        programs=_first(seen.programs),
        foreign=_first(seen.foreign),
    )


# Tables of sockets below /proc/PID/net: their family, and the column of the inode.
_TABLES = {
    **dict.fromkeys(("tcp", "udp", "udplite", "raw", "icmp"), ("AF_INET", 9)),
    **dict.fromkeys(("tcp6", "udp6", "udplite6", "raw6", "icmp6"), ("AF_INET6", 9)),
    "unix": ("AF_UNIX", 6),
    "netlink": ("AF_NETLINK", 9),
    "packet": ("AF_PACKET", 8),
}
_POLICIES = {"1": "fifo", "2": "rr", "6": "deadline"}  # sched(7)
_WRITE_ONLY, _READ_WRITE = 1, 2  # fcntl(2): the access mode, in the last two bits of the flags
_LIBRARY = re.compile(r"[^/]+\.so(?:\.[0-9.]+)?")
_MAP = re.compile(r"\S+ ([r-])([w-])([x-])([ps]) \S+ \S+ \d+ *(.*)")
_OUR_CLASS = 2 if sys.maxsize > 1 << 32 else 1  # of ELF: 64 or 32 bits


@dataclass
class _Seen:
    """What is gathered while the processes are looked at, one after the other."""

    proc: str
    written: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    devices: dict[str, str] = field(default_factory=dict)
    families: set[str] = field(default_factory=set)
    other_sockets: int = 0
    executable_memory: set[str] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)
    scheduled: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    _tables: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def look(self, pid: int) -> bool:
        """Look at one process; False when its open files or its memory could not be read."""
        folder = f"{self.proc}/{pid}"
        self._policy(folder)
        self._program(folder)
        maps = files.read_text(f"{folder}/maps")
        if not isinstance(maps, Unread):
            self._memory(maps)
        return self._files(folder) and not isinstance(maps, Unread)

    def _files(self, folder: str) -> bool:
        try:
            names = os.listdir(f"{folder}/fd")  # noqa: PTH208 - as above
        except OSError:
            return False
        for name in names:
            link = files.read_link(f"{folder}/fd/{name}")
            if isinstance(link, Unread):
                continue  # closed meanwhile
            if link.startswith("socket:["):
                self._socket(folder, link)
            elif link.startswith("/"):
                self._file(link, _mode(_text(f"{folder}/fdinfo/{name}")))
        return True

    def _file(self, link: str, mode: int) -> None:
        path = link.removesuffix(" (deleted)")
        writes = mode in {_WRITE_ONLY, _READ_WRITE}
        if path.startswith("/memfd:"):
            return
        if path.startswith("/dev/") and not path.startswith("/dev/shm/"):  # noqa: S108 - a name to look for
            how = "rw" if writes else "r"
            self.devices[path] = max(self.devices.get(path, ""), how)
        else:
            (self.written if writes else self.read).add(path)

    def _socket(self, folder: str, link: str) -> None:
        family = self._sockets(folder).get(link[len("socket:[") : -1])
        if family:
            self.families.add(family)
        else:
            self.other_sockets += 1

    def _sockets(self, folder: str) -> Mapping[str, str]:
        """The family of each socket, by inode, in the network namespace of a process."""
        place = files.read_link(f"{folder}/ns/net")
        key = place if isinstance(place, str) else folder
        if key not in self._tables:
            found: dict[str, str] = {}
            for name, (family, column) in _TABLES.items():
                rows = (line.split() for line in _text(f"{folder}/net/{name}").splitlines()[1:])
                found.update((row[column], family) for row in rows if len(row) > column)
            self._tables[key] = found
        return self._tables[key]

    def _memory(self, maps: str) -> None:
        for found in filter(None, map(_MAP.fullmatch, maps.splitlines())):
            _readable, writable, executable, shared, path = found.groups()
            path = path.removesuffix(" (deleted)")
            if writable == "w" and executable == "x":
                self.executable_memory.add(path)
            if writable == "w" and shared == "s" and path.startswith("/") and not path.startswith("/dev/"):
                self._file(path, _READ_WRITE)
            name = path.rpartition("/")[2]
            if _LIBRARY.fullmatch(name):
                self.libraries.add(name)

    def _policy(self, folder: str) -> None:
        fields = _text(f"{folder}/stat").rpartition(")")[2].split()
        policy = fields[38] if len(fields) > 38 else ""  # noqa: PLR2004 - field 41 of proc(5), after the name
        if policy in _POLICIES:
            self.scheduled.add(_POLICIES[policy])

    def _program(self, folder: str) -> None:
        path = files.read_link(f"{folder}/exe")
        if isinstance(path, Unread):
            return
        self.programs.add(path.removesuffix(" (deleted)"))
        if _elf_class(f"{folder}/exe") not in {0, _OUR_CLASS}:
            self.foreign.add(path)


def _elf_class(path: str) -> int:
    """1 for a program of 32 bits, 2 for one of 64; 0 where that could not be read."""
    try:
        with open(path, "rb") as program:  # noqa: PTH123 - a link of /proc, opened as it is
            magic, kind = struct.unpack("4sB", program.read(5))
    except (OSError, struct.error):
        return 0
    return int(kind) if magic == b"\x7fELF" else 0


def _mode(fdinfo: str) -> int:
    found = re.search(r"^flags:\s+([0-7]+)$", fdinfo, re.MULTILINE)
    return int(found[1], 8) & 3 if found else 0


def _numbered(pids: list[int]) -> set[str]:
    """Files below /run that hold the number of one of these processes: written once, and closed."""
    numbers = {str(pid) for pid in pids}
    found = set()
    for folder in ("/run", *_folders("/run")):
        entries = files.read_folder(folder)
        for entry in () if isinstance(entries, Unread) else entries:
            path = f"{folder}/{entry.name}"
            if entry.name.endswith(".pid") and _text(path).strip() in numbers:
                found.add(path)
    return found


def _folders(path: str) -> Iterator[str]:
    entries = files.read_folder(path)
    for entry in () if isinstance(entries, Unread) else entries:
        if entry.kind.value == "folder":
            yield f"{path}/{entry.name}"


def _text(path: str) -> str:
    text = files.read_text(path)
    return text if isinstance(text, str) else ""


def _first(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names)[:_MANY])
