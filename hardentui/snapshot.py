"""One consistent pass over a host: typed questions, each asked at most once, answered with a time.

Resources ask the snapshot and nothing else. Answers are values: what was read, or an ``Unread``
that says why not. Nothing here touches the system; a ``Host`` does (see hardentui.host).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from hardentui.i18n import _
from hardentui.model import Gap, GapKind

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Cost(Enum):
    """How often a live screen may ask again."""

    TICK = "each tick"
    CHANGE = "when a file changes"
    REREAD = "when a person reads all again"
    DEMAND = "on demand"


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


# --- what can be answered -------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Usage:
    """statvfs: shares used, in whole percent as df rounds them up; sizes in bytes."""

    blocks_used: int
    inodes_used: int
    size: int
    free: int


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
    namespaces: Mapping[str, str] = dataclasses.field(default_factory=dict)
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


# --- what can be asked ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question(Generic[T_co]):
    """A question with an answer of type T_co. Its class name and fields are its key in a recording."""

    cost: ClassVar[Cost] = Cost.CHANGE


@dataclass(frozen=True, slots=True)
class File(Question[str]):
    """The text of a regular or kernel file; bytes that are not UTF-8 come as surrogate escapes."""

    path: str


@dataclass(frozen=True, slots=True)
class KernelFile(Question[str]):
    """The text of a file in /proc or /sys that may move by itself, stripped of its last newline."""

    path: str
    cost: ClassVar[Cost] = Cost.TICK


@dataclass(frozen=True, slots=True)
class Folder(Question[tuple[Entry, ...]]):
    """The entries of a folder, by name."""

    path: str


@dataclass(frozen=True, slots=True)
class Link(Question[str]):
    """Where a symbolic link points, as written; Unread FAILED when the path is no link."""

    path: str


@dataclass(frozen=True, slots=True)
class Stat(Question[Status]):
    """The status of a path itself (a link is not followed)."""

    path: str


@dataclass(frozen=True, slots=True)
class SpaceUsed(Question[Usage]):
    """How full the file system of a path is."""

    path: str
    cost: ClassVar[Cost] = Cost.TICK


@dataclass(frozen=True, slots=True)
class Command(Question[Output]):
    """What a command prints: fixed words, or device names that match a strict pattern; no shell."""

    argv: tuple[str, ...]
    needs_root: bool = False


@dataclass(frozen=True, slots=True)
class SlowCommand(Command):
    """A command that takes seconds on a busy host: asked once, and again when a person reads all again."""

    cost: ClassVar[Cost] = Cost.REREAD


@dataclass(frozen=True, slots=True)
class Search(Question[tuple[str, ...]]):
    """Paths below folders of one file system each, found by a named rule; older recordings hold it.

    ``rule`` is "executable" (regular files with an execute bit) or "device" (block and character
    devices).
    """

    rule: str
    below: tuple[str, ...]
    cost: ClassVar[Cost] = Cost.DEMAND


@dataclass(frozen=True, slots=True)
class FileSurvey(Question[Survey]):
    """One walk over all local file systems, for all rules at once. Slow: on demand only.

    The rules: "setuid" (set-user-ID and set-group-ID files), "capability", "acl", "default-acl",
    "open-file" (written by everyone), "open-folder" (the same, without the sticky bit), "shared-folder"
    (with it, not root's), "ownerless" (owner or group without a name), "device" (outside /dev),
    "temporary" (executables in /tmp and /var/tmp), "key" (private keys that others than the owner may
    open; only their first line is looked at, and not kept) and "pipe" (named pipes open to everyone).
    """

    cost: ClassVar[Cost] = Cost.DEMAND


@dataclass(frozen=True, slots=True)
class Mounts(Question[tuple[Mount, ...]]):
    """What is mounted, in the order of mountinfo."""

    cost: ClassVar[Cost] = Cost.TICK


@dataclass(frozen=True, slots=True)
class Sockets(Question[tuple[Socket, ...]]):
    """What listens."""


@dataclass(frozen=True, slots=True)
class Units(Question[tuple[Unit, ...]]):
    """The units that the running systemd has loaded."""


@dataclass(frozen=True, slots=True)
class UnitFiles(Question[tuple[UnitFile, ...]]):
    """The units that have files, and which of them start at boot."""


@dataclass(frozen=True, slots=True)
class SandboxSettings(Question[tuple[ServiceSettings, ...]]):
    """The settings by which systemd holds each service that it has loaded."""


@dataclass(frozen=True, slots=True)
class UseOf(Question[ServiceUse]):
    """What the processes of a unit use at this moment; MISSING where none runs."""

    unit: str


@dataclass(frozen=True, slots=True)
class Processes(Question[tuple[Process, ...]]):
    """What runs."""


@dataclass(frozen=True, slots=True)
class Confinement(Question[tuple[ConfinedProcess, ...]]):
    """What holds each running program, the first process among them; kernel threads and the dead left out."""


@dataclass(frozen=True, slots=True)
class ControlGroups(Question[tuple[ControlGroup, ...]]):
    """The control groups down to the units of systemd, by path; those below a unit are its own affair."""


@dataclass(frozen=True, slots=True)
class FileLabel(Question[str]):
    """The SELinux label of a path itself (a link is not followed); Unread MISSING where it has none."""

    path: str


@dataclass(frozen=True, slots=True)
class PolicyIs(Question[SecurityPolicy]):
    """What the compiled SELinux policy in a file says; /sys/fs/selinux/policy is the one that is loaded."""

    path: str


@dataclass(frozen=True, slots=True)
class Denials(Question[tuple[Denial, ...]]):
    """What the security modules denied since this start, as the kernel's and the audit log have it."""


@dataclass(frozen=True, slots=True)
class WrongLabels(Question[tuple[Mislabelled, ...]]):
    """The files whose SELinux label is not the policy's. Reads every file's label: on demand only."""

    cost: ClassVar[Cost] = Cost.DEMAND


@dataclass(frozen=True, slots=True)
class Interfaces(Question[tuple[Interface, ...]]):
    """The network interfaces."""


@dataclass(frozen=True, slots=True)
class Accounts(Question[tuple[Account, ...]]):
    """The accounts of /etc/passwd."""


@dataclass(frozen=True, slots=True)
class Groups(Question[tuple[Group, ...]]):
    """The groups of /etc/group."""


@dataclass(frozen=True, slots=True)
class Passwords(Question[tuple[Password, ...]]):
    """How each account of /etc/passwd may be entered: classes of hashes, never a hash."""


@dataclass(frozen=True, slots=True)
class NisEntries(Question[tuple[str, ...]]):
    """Entries of passwd, group and shadow that begin with + or -: "passwd: +@team", no other field."""


@dataclass(frozen=True, slots=True)
class LastLogins(Question[tuple[LastLogin, ...]]):
    """When each account of /etc/passwd last logged in (lastlog2, else lastlog)."""


@dataclass(frozen=True, slots=True)
class Logins(Question[tuple[Login, ...]]):
    """The newest logins of the records (wtmpdb, else wtmp), oldest first."""


@dataclass(frozen=True, slots=True)
class Packages(Question[tuple[Package, ...]]):
    """The installed packages, by name."""


@dataclass(frozen=True, slots=True)
class Updates(Question[tuple[Update, ...]]):
    """What the package manager would update, from the lists that it has. A second or more: on demand."""

    cost: ClassVar[Cost] = Cost.DEMAND


@dataclass(frozen=True, slots=True)
class DistributionIs(Question[Distribution]):
    """Which distribution this is."""


@dataclass(frozen=True, slots=True)
class PrivilegesAre(Question[Privileges]):
    """Who asks."""


@dataclass(frozen=True, slots=True)
class KernelIs(Question[Kernel]):
    """The running kernel and host name; on an image, only the host name is known."""


@dataclass(frozen=True, slots=True)
class KernelOption(Question[str]):
    """The value of a build option of the running kernel, such as CONFIG_X: "n" where it is not set."""

    name: str


@dataclass(frozen=True, slots=True)
class Clock(Question[float]):
    """Seconds since the epoch."""

    cost: ClassVar[Cost] = Cost.TICK


@dataclass(frozen=True, slots=True)
class BootId(Question[str]):
    """The kernel's id of this boot."""


QUESTIONS: Mapping[str, type[Question[Any]]] = {
    cls.__name__: cls
    for cls in (
        File,
        KernelFile,
        Folder,
        Link,
        Stat,
        SpaceUsed,
        Command,
        SlowCommand,
        Search,
        FileSurvey,
        Mounts,
        Sockets,
        Units,
        UnitFiles,
        SandboxSettings,
        UseOf,
        Processes,
        Confinement,
        FileLabel,
        PolicyIs,
        Denials,
        WrongLabels,
        ControlGroups,
        Interfaces,
        Accounts,
        Groups,
        Passwords,
        NisEntries,
        LastLogins,
        Logins,
        Packages,
        Updates,
        DistributionIs,
        PrivilegesAre,
        KernelIs,
        KernelOption,
        Clock,
        BootId,
    )
}


class Host(Protocol):
    """Where answers come from: the live system, a mounted image, or a recording."""

    name: str  # "live", "image" or "recording"
    label: str  # what a person reads: "this host", the folder, the file

    def answer(self, question: Question[T]) -> tuple[T | Unread, float]:
        """The answer and when it was read (epoch seconds). Never raises for what a host may hold."""
        ...


class Snapshot:
    """The answers of one pass. Asking twice gives the same answer; a frozen one asks no more.

    Questions that cost a search of file systems are answered only when the snapshot is ``deep``.
    """

    def __init__(
        self,
        host: Host,
        kept: Mapping[Question[Any], tuple[Any, float]] | None = None,
        *,
        deep: bool = False,
    ) -> None:
        self.host = host
        self.deep = deep
        self._answers: dict[Question[Any], tuple[Any, float]] = dict(kept or {})
        self._derived: dict[Callable[[Snapshot], Any], Any] = {}
        self._frozen = False

    def ask(self, question: Question[T]) -> T | Unread:
        """The answer to ``question``."""
        return self.ask_timed(question)[0]

    def ask_timed(self, question: Question[T]) -> tuple[T | Unread, float]:
        """The answer, and when it was read (epoch seconds)."""
        known = self._answers.get(question)
        if known is None:
            replayed = getattr(self.host, "replays", self.host.name == "recording")
            if question.cost is Cost.DEMAND and not self.deep and not replayed:
                return Unread(Reason.ON_DEMAND), 0.0
            if self._frozen:
                return Unread(Reason.NOT_RECORDED), 0.0
            answer, at = self.host.answer(question)
            known = without_secrets(question, answer), at
            self._answers[question] = known
        return cast("tuple[T | Unread, float]", known)

    def derive(self, work_out: Callable[[Snapshot], T]) -> T:
        """What ``work_out`` makes of this snapshot, worked out once: for what many resources need."""
        if work_out not in self._derived:
            self._derived[work_out] = work_out(self)
        return cast("T", self._derived[work_out])

    def freeze(self) -> Snapshot:
        """Ask nothing more: what was not asked is NOT_RECORDED from now on."""
        self._frozen = True
        return self

    def refreshed(self, *costs: Cost, also: Container[Question[Any]] = ()) -> Snapshot:
        """A new snapshot of the same host that asks some things again, and keeps the rest.

        Asked again is what has one of ``costs``, and what is among ``also``.
        """
        kept = {
            question: known
            for question, known in self._answers.items()
            if question.cost not in costs and question not in also
        }
        return Snapshot(self.host, kept, deep=self.deep)

    def with_answers(self, answers: Mapping[Question[Any], Any], at: float) -> Snapshot:
        """A copy in which these questions have these answers; what a rehearsal stands on."""
        kept = dict(self._answers)
        kept.update({question: (answer, at) for question, answer in answers.items()})
        copy = Snapshot(self.host, kept, deep=self.deep)
        copy._frozen = self._frozen
        return copy

    def items(self) -> Iterator[tuple[Question[Any], Any, float]]:
        """Every question that was asked, with its answer and time."""
        for question, (answer, at) in self._answers.items():
            yield question, answer, at

    @property
    def live(self) -> bool:
        """Whether the running side can be seen: not on an image."""
        return self.host.name != "image"

    @property
    def as_root(self) -> bool:
        """Whether root asks; not where that cannot be told."""
        who = self.ask(PrivilegesAre())
        return not isinstance(who, Unread) and who.uid == 0

    @property
    def taken_at(self) -> float:
        """The host's clock at the pass (epoch seconds); recorded with a recording."""
        now = self.ask(Clock())
        return now if isinstance(now, float) else 0.0


# --- secrets --------------------------------------------------------------------------------------

HIDDEN = "<hidden>"  # what stands in an answer for a secret that the host holds there
# The same for a variable of a unit whatever its name, where the value itself says that it holds a secret.
HIDDEN_LOGIN = "<hidden-login>"
_SERVICE = re.compile(r"/.*\.service(?:\.d/.*)?|/.*/service\.d/.*")
_STARTS = re.compile(rf"/etc/docker/daemon\.json|/var/lib/lxc/.*|{_SERVICE.pattern}")  # it starts programs
_MAY_HOLD_SECRETS = re.compile(
    r"/etc/fstab|/proc/cmdline|/proc/\d+/mountinfo|/.*\.mount(?:\.d/.*)?|/.*/mount\.d/.*"
    rf"|{_STARTS.pattern}"
)
# KEY=SECRET of mount options and of the kernel's command line (mount.cifs(8), dracut.cmdline(7), iscsi),
# user=NAME%SECRET (User=NAME%i of a unit is none), and SCHEME://USER:SECRET@HOST.
_SECRETS = re.compile(
    r"""(?P<key>(?<![A-Za-z0-9])(?:[A-Za-z0-9_.-]{0,32}(?:pass(?:word|wd|phrase)?2?|passwd|secret|sshpw)|set_credential"""
    r"""(?:_binary)?|(?:rd\.)?luks\.key)=)(?:"[^"\n]*"|[^\s,]+)"""
    r"""|(?P<user>(?<![A-Za-z0-9])(?!(?-i:User)=)user(?:name)?=[^\s,%]{0,256}%)[^\s,]+"""
    r"""|(?P<place>(?:://|iscsi:)[^\s/:@,]*:)[^\s/@,]+(?=@)""",
    re.IGNORECASE,
)

# What programs are started with: --api-key SECRET, TOKEN=SECRET, "token": "SECRET". A place is kept.
_SENSITIVE = r"(?:pass(?:word|wd|phrase)?|secret|token|(?:api|access|auth|private|secret)[_-]?key)"
_ARGUMENT = re.compile(
    rf"""(?P<key>(?<![A-Za-z0-9])(?:[A-Za-z0-9_.-]{{0,32}}{_SENSITIVE}["']?[ \t]*[=:][ \t]*"""
    rf"""|--?[A-Za-z0-9-]{{0,32}}{_SENSITIVE}[ \t]+))"""
    r"""(?P<value>"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,"']+)""",
    re.IGNORECASE,
)

# What a unit gives to its programs (systemd.exec(5)), with the lines that go on after a backslash. Of an
# environment only what names a place is kept. What was put out of use by a # is cut, too.
_GIVEN = re.compile(
    r"^([ \t#;]*(?:Environment|SetCredential(?:Encrypted)?)[ \t]*=)((?:.*\\\n(?:[ \t]*[#;].*\n)*)*.*)$",
    re.MULTILINE,
)
_WORD = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S+""", re.DOTALL)
_NAMED = re.compile(r"""["']?(?P<name>[^=:]*[=:])(?P<value>.*?)["']?""", re.DOTALL)
_PLACE = re.compile(r"/(?:dev|etc|home|mnt|opt|root|run|srv|tmp|usr|var)/[A-Za-z0-9._/@%:+-]+")


def without_secrets(question: Question[T], answer: T | Unread) -> T | Unread:
    """An answer without the passwords that it may hold: so no recording, plan or script can hold them."""
    if isinstance(answer, str) and isinstance(question, (File, KernelFile)):
        text: str = answer
        if _SERVICE.fullmatch(question.path):
            text = _GIVEN.sub(_without_values, text)
        if _STARTS.fullmatch(question.path):
            text = _ARGUMENT.sub(_without_argument, text)
        return cast("T", _hidden(text)) if _MAY_HOLD_SECRETS.fullmatch(question.path) else answer
    if isinstance(answer, tuple) and isinstance(question, Mounts):
        return cast("T", tuple(_without_secrets(mount) for mount in answer))
    return answer


def _without_secrets(mount: Mount) -> Mount:
    return dataclasses.replace(
        mount,
        source=_hidden(mount.source),
        options=_hidden(mount.options),
        super_options=_hidden(mount.super_options),
    )


def _without_values(given: re.Match[str]) -> str:
    """The line of a unit that gives variables or credentials, with their names alone."""
    first, *more = given[2].split("\n")
    lines = [first, *("#" if line.lstrip().startswith(("#", ";")) else line for line in more)]
    return given[1] + "\n".join(_WORD.sub(_without_value, line) for line in lines)


def _without_value(word: re.Match[str]) -> str:
    if word[0] in {"\\", "#"}:  # the line goes on; a comment stood here
        return word[0]
    pair = _NAMED.fullmatch(word[0])
    if pair is None:
        return HIDDEN
    value = pair["value"]
    if _PLACE.fullmatch(value) or value == HIDDEN_LOGIN:  # so it was cut when it was recorded
        return word[0]
    return f"{pair['name']}{HIDDEN_LOGIN if _SECRETS.search(value) else HIDDEN}"


def _without_argument(given: re.Match[str]) -> str:
    value = given["value"]
    quote = value[0] if value[0] in "\"'" else ""
    return given[0] if _PLACE.fullmatch(value.strip("\"'")) else f"{given['key']}{quote}{HIDDEN}{quote}"


def _hidden(text: str) -> str:
    return _SECRETS.sub(lambda found: f"{found['key'] or found['user'] or found['place']}{HIDDEN}", text)


def fields(question: Question[Any]) -> tuple[Any, ...]:
    """The fields of a question, in order: its key in a recording, after its class name."""
    return tuple(getattr(question, field.name) for field in dataclasses.fields(question))
