"""What a host can answer: values, or an ``Unread`` that says why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hardentui.i18n import _
from hardentui.model import Gap, GapKind


class Reason(StrEnum):
    """Why a question has no answer."""

    MISSING = "missing"
    DENIED = "denied"
    TIMED_OUT = "timed out"
    TOO_LARGE = "too large"
    VANISHED = "vanished"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    NOT_RECORDED = "not recorded"
    ON_DEMAND = "on demand"


NOT_INSTALLED = " is not installed"  # what is said of a program, after its name
_GAPS = {
    Reason.MISSING: GapKind.ABSENT,
    Reason.DENIED: GapKind.DENIED,
    Reason.TIMED_OUT: GapKind.TIMED_OUT,
    Reason.TOO_LARGE: GapKind.TOO_LARGE,
    Reason.VANISHED: GapKind.FAILED,  # it was there, and what it held was not read
    Reason.FAILED: GapKind.FAILED,
    Reason.UNSUPPORTED: GapKind.UNSUPPORTED,
    Reason.NOT_RECORDED: GapKind.NOT_RECORDED,
    Reason.ON_DEMAND: GapKind.ON_DEMAND,
}


@dataclass(frozen=True, slots=True)
class Unread:
    """No answer, and why; ``detail`` is an error text, a size in bytes, an exit status."""

    reason: Reason
    detail: str = ""

    def gap(self, place: str) -> Gap:
        """The same, as a gap of an observation about ``place``."""
        return Gap(_GAPS[self.reason], ": ".join(filter(None, (place, self.words()))))

    def words(self) -> str:
        """The detail in the language in use: sentences of ours stand in English in a recording."""
        program = self.detail.removesuffix(NOT_INSTALLED)
        if program != self.detail:
            return _("{program} is not installed").format(program=program)
        return _(self.detail) if self.detail else ""


class Kind(StrEnum):
    """What a path is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    BLOCK = "block"
    CHARACTER = "character"
    FIFO = "fifo"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a folder."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Status:
    """lstat of a path: mode bits (without the type), owner and group ids and names, size in bytes.

    ``modified`` is when its content last changed, ``changed`` when anything of it did, its name too
    (epoch seconds; 0 in a recording of before it was asked).
    ``acl`` and ``default_acl`` are its access lists, extended attributes in hex (see resources/acl.py): ""
    where it has none, or in a recording of before they were asked; "?" where that cannot be read.
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    size: int
    device: str  # "major:minor" of the file system
    modified: float = 0.0
    changed: float = 0.0
    acl: str = ""
    default_acl: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """statvfs: shares used, in whole percent as df rounds them up; sizes in bytes.

    ``free`` is for everyone, ``reserved`` beside it for root alone; ``inodes`` is 0 where a file system
    does not count them. A recording of before they were asked has -1.
    """

    blocks_used: int
    inodes_used: int
    size: int
    free: int
    reserved: int = -1
    inodes: int = -1
    inodes_free: int = -1


@dataclass(frozen=True, slots=True)
class Output:
    """A command that ended with status 0."""

    stdout: str


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo, its octal escapes undone.

    ``options`` are the mount's own, ``super_options`` those of the file system.
    """

    id: int
    parent: int
    device: str
    root: str
    path: str
    options: str
    fstype: str
    source: str
    super_options: str

    @property
    def words(self) -> tuple[str, ...]:
        """All options, the mount's own first, each once."""
        return tuple(dict.fromkeys((self.options + "," + self.super_options).split(",")))


@dataclass(frozen=True, slots=True)
class Process:
    """A running program; fields that could not be read are "" or -1 (another user's, without root).

    ``uid`` and ``effective_uid`` are the real and the effective user; ``started`` is in epoch seconds;
    the capability sets are bit masks as in /proc/PID/status; ``no_new_privileges`` is 0 or 1;
    ``seccomp`` is 0 (none), 1 (strict) or 2 (filter). A recording of before they were asked has none.
    """

    pid: int
    name: str
    user: str
    executable: str
    unit: str
    ppid: int = -1
    uid: int = -1
    effective_uid: int = -1
    started: float = 0.0
    capabilities: int = -1  # effective
    permitted: int = -1
    bounding: int = -1
    no_new_privileges: int = -1
    seccomp: int = -1


NAMESPACES = ("mnt", "uts", "ipc", "user", "pid", "net", "cgroup", "time")  # namespaces(7)


@dataclass(frozen=True, slots=True)
class ConfinedProcess:
    """A running program and what holds it, as /proc shows it; None and "" where that could not be read.

    ``unit`` is its systemd unit and ``user`` the name of its effective user; the capability sets are bit
    masks, ``seccomp`` is 0 (none), 1 (strict) or 2 (filter). ``namespaces`` maps those kinds of
    NAMESPACES that could be read to "mnt:[4026531841]"; ``root`` is its root directory as we see it and
    ``cgroup`` its path below the mounted hierarchy. ``label`` is what a security module calls it, ""
    where none does or, without ``label_read``, where it could not be read.
    """

    pid: int
    ppid: int | None = None
    unit: str = ""
    name: str = ""
    user: str = ""
    uid: int | None = None
    euid: int | None = None
    no_new_privs: bool | None = None
    seccomp: int | None = None
    seccomp_filters: int | None = None
    cap_permitted: int | None = None
    cap_effective: int | None = None
    cap_bounding: int | None = None
    cap_ambient: int | None = None
    namespaces: Mapping[str, str] = field(default_factory=dict)
    root: str = ""
    cgroup: str = ""
    label: str = ""
    label_read: bool = False


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """A control group, its limits and what its programs use; "" and None where that could not be read.

    ``path`` is that of ConfinedProcess.cgroup. The limits are as the kernel writes them in version 2,
    "max" for none: bytes for memory, a number of tasks, "QUOTA PERIOD" in microseconds for the
    processor (the quota alone in version 1), one "DEVICE KEY=VALUE ..." after another for disks.
    ``cpu_usage`` is in microseconds.
    """

    path: str
    memory_max: str = ""
    memory_high: str = ""
    memory_current: str = ""
    tasks_max: str = ""
    tasks_current: str = ""
    cpu_max: str = ""
    io_max: str = ""
    cpu_usage: int | None = None


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """What a compiled SELinux policy says: its format, and the defaults that it holds.

    ``mls`` says that contexts have a fourth field, the level; ``booleans`` are the switches with their
    state, and ``permissive`` the domains that are never held back, both by name.
    """

    version: int
    mls: bool
    types: int
    booleans: tuple[tuple[str, bool], ...]
    permissive: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Denial:
    """What a security module denied since the start, all alike counted as one.

    ``module`` is "selinux" or "apparmor", ``subject`` the domain or profile, ``operation`` what it wanted
    ("read" of a "file" is "file read"), ``target`` the type or path. ``enforced`` is False where it was
    only noted (permissive, complain).
    """

    module: str
    subject: str
    operation: str
    target: str
    enforced: bool
    count: int


@dataclass(frozen=True, slots=True)
class Mislabelled:
    """A file, the label that it has ("" for none), and the one that the policy gives it."""

    path: str
    label: str
    expected: str


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """A loaded service and the settings that systemd holds it by, in the words of systemctl show.

    Of a setting that has several lines there (DeviceAllow=), all are kept, joined by line breaks.
    """

    unit: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Openings:
    """What is seen of the use of a file, or of a folder with the ``files`` below it (or ``more``).

    ``holders`` are names of processes that have something of it open; ``read_at`` is the newest time of a
    reading (epoch seconds), which most file systems note once a day at the most.
    """

    files: int
    more: bool
    holders: tuple[str, ...]
    read_at: float


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """What the processes of a service use at this moment, as /proc shows it; each list by name.

    ``written`` and ``read`` are files that are open (or mapped and shared), at most a thousand each, no
    devices; files that hold the number of one of the processes count as written. ``devices`` stand as
    "/dev/kmsg r" or "rw"; ``families`` are those of the sockets ("AF_INET"), of which ``other_sockets``
    could not be told. ``executable_memory`` is memory that is writable and executable at once, by what
    is mapped there ("" for nothing). ``scheduled`` are scheduling policies other than the usual one,
    ``programs`` the executables, and ``foreign`` those of another word size than ours.
    ``unread`` counts processes of which the open files, or the memory, could not be read.
    """

    processes: int
    unread: int
    written: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    other_sockets: int = 0
    executable_memory: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    scheduled: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Socket:
    """A listening socket: protocol "tcp", "tcp6", "udp", "udp6", or "unix" with a path as address."""

    protocol: str
    address: str
    port: int
    process: str
    pid: int = 0
    user: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """An established TCP connection or a connected UDP socket, to another machine; ``port`` is the local one.

    ``protocol`` is "tcp" or "udp"; an address of IPv4 in the clothes of IPv6 stands as what it is.
    """

    protocol: str
    address: str
    port: int
    peer: str
    peer_port: int
    process: str = ""
    pid: int = 0
    unit: str = ""


class End(StrEnum):
    """How a walk over the files ended."""

    COMPLETE = "complete"
    STOPPED = "stopped"  # by a person
    TIMED_OUT = "timed out"
    BROKEN = "broken"  # it ended before its time, of itself


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a rule of the walk picked (see ``FileSurvey``), its status, and what belongs to the rule.

    ``detail`` is an extended attribute in hex (rules "capability", "acl" and "default-acl"), else "".
    ``package`` owns the file ("" for none), and ``recorded`` is the octal mode that the packages'
    records give it ("" for none); both are looked up for "setuid" and "capability" only.
    """

    rule: str
    path: str
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    detail: str = ""
    package: str = ""
    recorded: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A folder that the walk did not enter on purpose; ``why`` is one word of hardentui.host.search."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What one walk over the local file systems found, and how complete it is.

    ``counts`` says for each rule how many files it picked; ``found`` holds the first thousand of each.
    ``unread`` holds the first thousand folders (and key files) that could not be read, of
    ``unread_count``. ``manager`` is "dpkg", "rpm", or "" where the packages' files are not known.
    """

    end: End
    found: tuple[Found, ...]
    counts: tuple[tuple[str, int], ...]
    unread: tuple[str, ...]
    unread_count: int
    walked: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    folders: int
    files: int
    seconds: float
    manager: str

    def of(self, rule: str) -> tuple[Found, ...]:
        """What a rule picked, by path."""
        return tuple(sorted((one for one in self.found if one.rule == rule), key=lambda one: one.path))

    def count(self, rule: str) -> int:
        """How many files a rule picked, those beyond the first thousand too."""
        return dict(self.counts).get(rule, 0)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of logs; ``size`` in bytes, ``disk`` what it takes on its file system.

    ``content`` is its size once unpacked, and of a journal file what entries take of it; -1 where that is
    not known. ``first`` and ``last`` are when the first and the last entry were made (epoch seconds): 0 for
    a first one that does not say, the file's time of change for a last one.
    """

    path: str
    size: int
    disk: int
    content: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class LogTree:
    """The regular files below the folders of logs, by path, and how complete that is.

    ``unread`` names the first hundred paths that could not be read, of ``unread_count``: folders, and files
    of which only size and time are known then. ``cut`` is "time" or "files" where a walk came to its limit.
    """

    files: tuple[LogFile, ...]
    left_out: tuple[LeftOut, ...] = ()
    unread: tuple[str, ...] = ()
    unread_count: int = 0
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that systemd has loaded, in the words of systemctl show; ``service`` is its Type=.

    ``listens`` are the addresses of a socket unit ("[::]:22 (Stream)"), ``needed_by`` the units that
    fail or stop with it, ``wanted_by`` those that start it. ``stale``: its file changed since it was read.
    """

    name: str
    load: str
    active: str
    sub: str = ""
    path: str = ""
    pid: int = 0
    user: str = ""
    service: str = ""
    listens: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    wanted_by: tuple[str, ...] = ()
    stale: bool = False


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A unit that has a file, and its state: "enabled", "disabled", "static", "masked", "alias" ..."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface and its addresses (IPv6 without scope suffix)."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A user account. The class of the password hash, never the hash, is known to later chapters."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True)
class Password:
    """How an account may be entered, without the hash or its salt, which are never kept.

    ``scheme`` is "empty" (no password is asked), "disabled" (no password fits: ``*``, ``!*``),
    "locked" (only a lock, no hash behind it), the name of a hash scheme, or "unknown". ``locked`` says
    that a hash is put out of use by a ``!``. ``shadowed`` is False where the field stands in
    /etc/passwd, for everyone to read. The others are those of shadow(5), in days, -1 where not set;
    ``changed`` and ``expires`` count from 1970-01-01.
    """

    account: str
    scheme: str
    locked: bool
    shadowed: bool
    changed: int
    minimum: int
    maximum: int
    warn: int
    inactive: int
    expires: int


@dataclass(frozen=True, slots=True)
class LastLogin:
    """When an account last logged in (epoch seconds, 0 for never), and which record says so."""

    account: str
    at: int
    record: str


@dataclass(frozen=True, slots=True)
class Login:
    """One login of the records: account, terminal, remote host ("" for none), epoch seconds."""

    account: str
    line: str
    host: str
    at: int


@dataclass(frozen=True, slots=True)
class Group:
    """A group and its members by name."""

    name: str
    gid: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Update:
    """A package that the package manager would bring to ``candidate``; ``installed`` is "" for a new one."""

    name: str
    installed: str
    candidate: str
    security: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    """os-release, read by the distro package; ``family`` is "debian", "rhel" or the id itself."""

    id: str
    name: str
    version: str
    codename: str
    family: str
    support_end: str  # ISO date, or "" where the distribution does not say


@dataclass(frozen=True, slots=True)
class Privileges:
    """Who asks: effective uid, login name behind sudo, and where the session comes from.

    ``session`` is the address of the SSH client, or "" at the console or when it is not known.
    """

    uid: int
    user: str
    session: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """uname: host name, release, machine."""

    hostname: str
    release: str
    machine: str
