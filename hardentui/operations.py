"""The operations: the few primitive steps that every change is made of.

An operation is data. The compiler merges and orders them, the renderer writes them as shell, the
rehearsal applies them to facts in memory. Each checks its own grammar when it is made, so that
neither a hand-edited plan nor a hostile host can bring anything else into a script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

from hardentui.comparison import Comparison
from hardentui.model import Text

_PATH = re.compile(r"/[A-Za-z0-9._@:+=,/\-]{0,1023}")
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,254}\.(?:service|socket|mount|timer|target|path)")
# Without these nobody reaches the host any more, or nothing runs on it: never switched off by us.
_LIFELINES = re.compile(
    r"(?:sshd?(?:@.*)?|sshd-keygen.*|dropbear|systemd-.*|NetworkManager.*|networking|network|wicked.*|connman|netplan.*"
    r"|dbus.*|getty@.*|serial-getty@.*|display-manager|user@.*|nftables|firewalld|ufw|iptables|ip6tables"
    r"|netfilter-persistent|cloud-init.*|sssd|nslcd|polkit|wpa_supplicant.*|wg-quick@.*|openvpn.*|strongswan.*|auditd"
    r"|rsyslog|cron|crond|apparmor|tailscaled|qemu-guest-agent|amazon-ssm-agent|waagent|walinuxagent)\.[a-z]+"
)
_ENABLEMENTS = frozenset({"enabled", "disabled", "static", "indirect"})
_KEY = re.compile(r"[a-z][a-z0-9_]*(?:/[A-Za-z0-9_.@:+\-]{1,64}){1,8}")
_MODE = re.compile(r"0[0-7]{3,4}")
_OWNER = re.compile(r"[a-z_][a-z0-9_-]{0,31}:[a-z_][a-z0-9_-]{0,31}")
_WORDS = re.compile(r"[A-Za-z0-9_.:=/%+@\-]{1,64}(?:,[A-Za-z0-9_.:=/%+@\-]{1,64})*")
_POLICY = re.compile(r"[0-9a-f]{16}|absent|")
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
_DIGEST = re.compile(r"[0-9a-f]{64}|absent|")


class Phase(IntEnum):
    """When an operation is made: lower first. One-way steps wait for ``confirm``."""

    FILES = 1
    CHECKS = 2
    RELOADS = 3
    VALUES = 4
    ONE_WAY = 5
    BY_HAND = 6


def _demand(condition: bool, what: str, value: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise ValueError(f"not {what}: {value!r}")


def _demand_path(path: str) -> None:
    parts = path.split("/")
    _demand(
        _PATH.fullmatch(path) is not None and ".." not in parts and "//" not in path,
        "a plain absolute path",
        path,
    )


def _demand_line(text: str) -> None:
    _demand(text.isprintable() or text.replace("\t", " ").isprintable(), "one printable line", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What all operations have: the decisions that own it, and two flags.

    ``can_lock_out`` arms the confirm guard. ``one_way`` marks what no rollback can undo before a
    reboot; such a step is made at ``confirm``, last.
    """

    owners: tuple[str, ...]
    can_lock_out: bool = False
    one_way: bool = False
    phase: ClassVar[Phase]

    @property
    def target(self) -> str:
        """What the operation changes, as a reader would name it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Some lines of a written file, and the decision they serve. ``rank`` orders them: lower first."""

    owner: str
    lines: tuple[str, ...]
    rank: int = 50

    def __post_init__(self) -> None:
        for line in self.lines:
            _demand_line(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile(Operation):
    """Create or replace a file of ours. Two for the same path merge into one.

    ``before`` is the sha256 of what stood there when it was planned, "absent" for nothing, "" where
    it was not seen. ``unique`` marks files whose lines are KEY = VALUE: one key set twice to
    different values is a conflict between decisions. A ``late`` file is written once all services were
    told of the others: it is for their next start.
    """

    path: str
    parts: tuple[Lines, ...]
    mode: str = "0644"
    before: str = ""
    unique: bool = False
    late: bool = False
    phase: ClassVar[Phase] = Phase.FILES

    def __post_init__(self) -> None:
        _demand_path(self.path)
        _demand(_MODE.fullmatch(self.mode) is not None, "a file mode such as 0644", self.mode)
        _demand(_DIGEST.fullmatch(self.before) is not None, "a sha256 or 'absent'", self.before)

    @property
    def target(self) -> str:
        """The path."""
        return self.path

    @property
    def content(self) -> str:
        """The whole text, each line ended: parts by rank, then in the order they came."""
        ordered = sorted(self.parts, key=lambda part: part.rank)
        lines = dict.fromkeys(line for part in ordered for line in part.lines) if self.unique else None
        chosen = list(lines) if lines is not None else [line for part in ordered for line in part.lines]
        return "".join(f"{line}\n" for line in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceLine(Operation):
    """Replace one exact line of a file that has no drop-ins.

    ``before`` "" appends ``after``; ``after`` "" removes ``before``. The line must stand exactly
    once (and where it is appended, not at all), else the step is refused. Edits of one line merge.
    """

    path: str
    before: str
    after: str
    phase: ClassVar[Phase] = Phase.FILES

    def __post_init__(self) -> None:
        _demand_path(self.path)
        _demand_line(self.before)
        _demand_line(self.after)
        _demand(bool(self.before or self.after), "an edit", self.path)

    @property
    def target(self) -> str:
        """The path."""
        return self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMode(Operation):
    """Set the mode and owner of a file or folder. Modes are octal ("0700"), owners "root:root"."""

    path: str
    before_mode: str
    before_owner: str
    mode: str
    owner: str
    phase: ClassVar[Phase] = Phase.VALUES

    def __post_init__(self) -> None:
        _demand_path(self.path)
        for mode in (self.mode, self.before_mode):
            _demand(_MODE.fullmatch(mode) is not None, "a file mode such as 0700", mode)
        for owner in (self.owner, self.before_owner):
            _demand(_OWNER.fullmatch(owner) is not None, "an owner such as root:root", owner)

    @property
    def target(self) -> str:
        """The path."""
        return self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSysctl(Operation):
    """Set one kernel parameter now. ``key`` is its path below /proc/sys, with slashes.

    ``accept`` says what still passes, for values that move by themselves. ``rank`` orders the
    writes: forwarding first, for it resets others.
    """

    key: str
    before: str
    after: str
    accept: Comparison
    rank: int = 50
    phase: ClassVar[Phase] = Phase.VALUES

    def __post_init__(self) -> None:
        _demand(
            _KEY.fullmatch(self.key) is not None and ".." not in self.key.split("/"),
            "a path below /proc/sys",
            self.key,
        )
        for value in (self.before, self.after):
            _demand(re.fullmatch(r"[A-Za-z0-9 ,\t\-]{0,256}", value) is not None, "a sysctl value", value)

    @property
    def target(self) -> str:
        """The key, with slashes."""
        return self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Remount(Operation):
    """Change options of a mounted file system in place.

    ``before`` are the mount options that were seen (mountinfo's words, all of them); ``after`` the
    words that must then be among them. ``set`` and ``unset`` are the words for mount -o remount,
    forth and back. Two for one mount point merge.
    """

    path: str
    before: str
    after: str
    set: str
    unset: str
    phase: ClassVar[Phase] = Phase.VALUES

    def __post_init__(self) -> None:
        _demand_path(self.path)
        for words in (self.before, self.after, self.set, self.unset):
            _demand(_WORDS.fullmatch(words) is not None, "comma-separated mount options", words)

    @property
    def target(self) -> str:
        """The mount point."""
        return self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSelinuxMode(Operation):
    """Have the running SELinux enforce ("enforcing"), or only note ("permissive").

    On the way to enforcing the step is a checkpoint: it is refused until every file has its label and
    a person was shown what would have been denied since the start.
    """

    before: str
    after: str
    phase: ClassVar[Phase] = Phase.VALUES

    def __post_init__(self) -> None:
        for mode in (self.before, self.after):
            _demand(mode in {"enforcing", "permissive"}, "a mode of a running SELinux", mode)

    @property
    def target(self) -> str:
        """The file of the kernel that holds the mode."""
        return "/sys/fs/selinux/enforce"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableUnit(Operation):
    """Enable a systemd unit for the next boot; with ``start`` it is started now, too, and must stay up.

    A rollback disables and stops it again, each only where it was so before.
    """

    unit: str
    start: bool = False
    phase: ClassVar[Phase] = Phase.RELOADS

    def __post_init__(self) -> None:
        _demand(_UNIT.fullmatch(self.unit) is not None, "a systemd unit", self.unit)

    @property
    def target(self) -> str:
        """The unit."""
        return self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableUnit(Operation):
    """Stop a unit, and have no boot start it again: the links that enable it are taken away, and kept.

    ``enablement`` is the word of systemctl is-enabled that was seen, ``active`` whether it ran.
    """

    unit: str
    enablement: str
    active: bool
    phase: ClassVar[Phase] = Phase.VALUES

    def __post_init__(self) -> None:
        _demand(_UNIT.fullmatch(self.unit) is not None, "a systemd unit", self.unit)
        _demand(_LIFELINES.fullmatch(self.unit) is None, "a unit that can be spared", self.unit)
        _demand(self.enablement in _ENABLEMENTS, "a state that can be taken back", self.enablement)

    @property
    def target(self) -> str:
        """The unit."""
        return self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadManager(Operation):
    """Have systemd read its files again (daemon-reload). Any number merge into one."""

    phase: ClassVar[Phase] = Phase.RELOADS

    @property
    def target(self) -> str:
        """The service manager."""
        return "systemd"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckMounts(Operation):
    """Let findmnt --verify judge /etc/fstab before anything relies on it. Any number merge into one."""

    phase: ClassVar[Phase] = Phase.CHECKS

    @property
    def target(self) -> str:
        """The file that is checked."""
        return "/etc/fstab"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSyntax(Operation):
    """Let a program judge its own files before anything relies on them: "sshd", "visudo" or "rsyslogd"."""

    checker: str
    phase: ClassVar[Phase] = Phase.CHECKS

    def __post_init__(self) -> None:
        _demand(self.checker in {"sshd", "visudo", "rsyslogd"}, "a checker that we know", self.checker)

    @property
    def target(self) -> str:
        """The program that judges."""
        return self.checker


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadUnit(Operation):
    """Have a running service read its files again. One that does not run is left alone.

    Any number for one unit merge into one; a rollback reloads once more, when the files are back.
    """

    unit: str
    phase: ClassVar[Phase] = Phase.RELOADS

    def __post_init__(self) -> None:
        _demand(_UNIT.fullmatch(self.unit) is not None, "a systemd unit", self.unit)

    @property
    def target(self) -> str:
        """The unit."""
        return self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartUnit(Operation):
    """Have a running service start anew, under its unit files as they are now: an interruption.

    It must still run a moment later, else the step fails. One that does not run is left alone. A
    rollback restarts what was restarted once more, also when it fell over or ended meanwhile.
    """

    unit: str
    phase: ClassVar[Phase] = Phase.RELOADS

    def __post_init__(self) -> None:
        _demand(_UNIT.fullmatch(self.unit) is not None, "a systemd unit", self.unit)

    @property
    def target(self) -> str:
        """The unit."""
        return self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAuditRules(Operation):
    """Have the kernel audit by /etc/audit/rules.d as it stands. Any number merge into one.

    The rules are never locked by this (``-e 2`` counts from the next boot on); where they are locked
    already, the files count from the next boot on, and the script says so. A rollback loads the files of
    before.
    """

    phase: ClassVar[Phase] = Phase.RELOADS

    @property
    def target(self) -> str:
        """The folder that the rules come from."""
        return "/etc/audit/rules.d"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFirewall(Operation):
    """Have nftables replace our own table by that of a file, whole or not at all; nft judges it first.

    ``before`` and ``after`` are the digests of the policy that the loaded table names, "absent" for no
    table. A rollback loads the table that stood there, or takes ours away; counters begin anew.
    """

    path: str
    before: str
    after: str
    phase: ClassVar[Phase] = Phase.RELOADS

    def __post_init__(self) -> None:
        _demand_path(self.path)
        for policy in (self.before, self.after):
            _demand(_POLICY.fullmatch(policy) is not None, "the digest of a policy", policy)

    @property
    def target(self) -> str:
        """The table."""
        return "inet hardentui"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadHolder(Operation):
    """Have ufw or firewalld, which holds the firewall, load its files as they stand; it judges them first.

    Refused where what is loaded is not what its files say: loading them would lose the rest, and no
    rollback could bring it back. A rollback has it load the files of before.
    """

    holder: str
    phase: ClassVar[Phase] = Phase.RELOADS

    def __post_init__(self) -> None:
        _demand(self.holder in {"ufw", "firewalld"}, "a holder of the firewall that we know", self.holder)

    @property
    def target(self) -> str:
        """The holder."""
        return self.holder


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand(Operation):
    """What only a person can do: shown with its instructions, never run.

    Each line of them is a step, so what is put into one from a plan or a host must be judged by who does.
    """

    subject: str
    instructions: Text
    phase: ClassVar[Phase] = Phase.BY_HAND

    def __post_init__(self) -> None:
        for text in (self.instructions.en, self.instructions.fr):
            whole = text.replace("\n", "").replace("\t", "")
            plain = all(unicodedata.category(char) not in _CONTROLS for char in whole)
            _demand(plain, "instructions in lines of plain text", text)

    @property
    def target(self) -> str:
        """What it is about."""
        return self.subject


def with_words(text: str, words: Sequence[str], *, field: int | None = None) -> str:
    """Mount options with ``words`` added and their opposites taken out.

    ``text`` is the options themselves, or with ``field`` a line whose field of that number (from 0)
    holds them; the white space between fields is kept.

    Raises:
        ValueError: the line has no such field.
    """
    if field is not None:
        parts = re.split(r"(\s+)", text)
        at = 2 * field + (2 if parts and not parts[0] else 0)
        if at >= len(parts) or not parts[at]:
            raise ValueError(f"the line {text!r} has no field {field + 1}")
        parts[at] = with_words(parts[at], words)
        return "".join(parts)
    kept = [word for word in text.split(",") if word]
    for word in words:
        key, equals, _value = word.partition("=")
        opposite = key.removeprefix("no") if key.startswith("no") else _OPPOSITES.get(key, "")
        kept = [
            old
            for old in kept
            if old not in {word, opposite} and not (equals and old.partition("=")[0] == key)
        ]
        kept.append(word)
    return ",".join(kept)


_OPPOSITES = {"ro": "rw", "rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec", "auto": "noauto"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """No change can be made, and why: a sentence."""

    reason: str


Change = tuple[Operation, ...] | Refusal


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A compiled plan: operations merged and in the order in which they are made.

    ``refused`` holds, by decision id, why an ``apply`` decision brings no operation.
    """

    operations: tuple[Operation, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def can_lock_out(self) -> bool:
        """Whether the confirm guard must be armed."""
        return any(operation.can_lock_out for operation in self.operations)
