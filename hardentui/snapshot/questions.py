"""What a host can be asked. A question's class says what comes back, and what it costs to ask again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

from hardentui.snapshot.answers import (
    Account,
    ConfinedProcess,
    Connection,
    ControlGroup,
    Denial,
    Distribution,
    Entry,
    Group,
    Interface,
    Kernel,
    LastLogin,
    Login,
    LogTree,
    Mislabelled,
    Mount,
    Openings,
    Output,
    Package,
    Password,
    Privileges,
    Process,
    SecurityPolicy,
    ServiceSettings,
    ServiceUse,
    Socket,
    Status,
    Survey,
    Unit,
    UnitFile,
    Update,
    Usage,
)

T_co = TypeVar("T_co", covariant=True)


class Cost(Enum):
    """How often a live screen may ask again."""

    TICK = "each tick"
    CHANGE = "when a file changes"
    REREAD = "when a person reads all again"
    DEMAND = "on demand"


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
class LogFiles(Question[LogTree]):
    """The files below some folders of logs, on local file systems; folders that are not there hold none."""

    below: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mounts(Question[tuple[Mount, ...]]):
    """What is mounted, in the order of mountinfo."""

    cost: ClassVar[Cost] = Cost.TICK


@dataclass(frozen=True, slots=True)
class Sockets(Question[tuple[Socket, ...]]):
    """What listens."""


@dataclass(frozen=True, slots=True)
class Connections(Question[tuple[Connection, ...]]):
    """Who is connected with other machines at this moment."""


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
class OpeningsOf(Question[Openings]):
    """Who has a path open at this moment, how many files are below it, and when one was read last."""

    path: str
    cost: ClassVar[Cost] = Cost.REREAD


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
        LogFiles,
        Mounts,
        Sockets,
        Connections,
        Units,
        UnitFiles,
        SandboxSettings,
        UseOf,
        OpeningsOf,
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


def fields(question: Question[Any]) -> tuple[Any, ...]:
    """The fields of a question, in order: its key in a recording, after its class name."""
    return tuple(getattr(question, field.name) for field in dataclasses.fields(question))
