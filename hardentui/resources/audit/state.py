"""What the kernel records now, and what it will after a boot: the rules loaded, the rules written."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources import unit_files
from hardentui.resources.audit import conf
from hardentui.resources.audit.rules import Control, Loaded, Names, Rule, load, parse
from hardentui.resources.kernel.loader import boot_entries
from hardentui.resources.mount.boot import container
from hardentui.snapshot import (
    Accounts,
    Command,
    File,
    Folder,
    Groups,
    KernelFile,
    Kind,
    Link,
    Reason,
    Snapshot,
    Stat,
    UnitFiles,
    Unread,
)

STATUS = Command(("auditctl", "-s"), needs_root=True)
LISTING = Command(("auditctl", "-l"), needs_root=True)
FOLDER = "/etc/audit/rules.d"
MERGED = "/etc/audit/audit.rules"
DAEMON = conf.DAEMON
LOADER = "audit-rules.service"  # since audit 4 it loads the rules, and auditd.service needs it
NOT_INSTALLED, OFF = "not installed", "off"  # values, so in no language
_PROGRAMS = ("/usr/sbin/auditctl", "/sbin/auditctl")
_CMDLINE = "/proc/cmdline"
_HOPS = 8


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """``auditctl -s``: enabled 0 (off), 1, or 2 (locked); failure 0 (silent), 1 (log) or 2 (panic).

    ``pid`` is the daemon's, 0 for none; ``backlog_limit`` and ``lost`` count records.
    """

    enabled: int
    failure: int
    pid: int
    backlog_limit: int
    lost: int
    backlog: int


def elsewhere(snapshot: Snapshot) -> Gap | None:
    """Why auditing is not this system's affair: one kernel has one, and in a container it is the host's."""
    inside = container(snapshot)
    if inside is None:
        return None
    if inside.kind is not GapKind.UNMODELLED:
        return inside
    return Gap(GapKind.ABSENT, _("a container: the audit system is the kernel's, ask the host of it"))


def not_installed(snapshot: Snapshot) -> bool | Gap:
    """Whether auditctl is lacking here."""
    for path in _PROGRAMS:
        seen = snapshot.ask(Stat(path))
        if not isinstance(seen, Unread):
            return False
        if seen.reason is not Reason.MISSING:
            return seen.gap(path)
    return True


def status(snapshot: Snapshot) -> KernelStatus | Gap:
    """The state of the kernel's audit system."""
    said = snapshot.ask(STATUS)
    if isinstance(said, Unread):
        return said.gap("auditctl -s")
    values = dict(re.findall(r"^(\w+) (\d+)", said.stdout, re.MULTILINE))
    try:
        return KernelStatus(
            *(int(values[n]) for n in ("enabled", "failure", "pid", "backlog_limit", "lost", "backlog"))
        )
    except KeyError as lacking:
        return Gap(GapKind.FAILED, _("auditctl -s does not say {name}").format(name=lacking))


def loaded(snapshot: Snapshot) -> tuple[Rule, ...] | Gap:
    """The rules that the kernel holds now, in its order."""
    return snapshot.derive(_loaded)


def at_boot(snapshot: Snapshot) -> tuple[Rule, ...] | Gap:
    """The rules that the kernel will hold after a boot; none where nothing will load them."""
    found = boot_loading(snapshot)
    return found if isinstance(found, Gap) else found.rules


def boot_loading(snapshot: Snapshot) -> Loaded | Gap:
    """What will be loaded at boot, and the line at which the loading would stop."""
    return snapshot.derive(_boot_loading)


def written(snapshot: Snapshot) -> tuple[Rule | Control, ...] | Gap:
    """The lines that the loader at boot is given, in its order."""
    return snapshot.derive(_written)


# --- now ------------------------------------------------------------------------------------------


def _loaded(snapshot: Snapshot) -> tuple[Rule, ...] | Gap:
    said = snapshot.ask(LISTING)
    if isinstance(said, Unread):
        return said.gap("auditctl -l")
    lines = parse(said.stdout, "auditctl -l", _names(snapshot))
    rules = (one for one in lines if isinstance(one, Rule))
    return tuple(_as_never(rule, _nevers(snapshot)) for rule in rules)


def _nevers(snapshot: Snapshot) -> frozenset[Rule]:
    lines = written(snapshot)
    known = () if isinstance(lines, Gap) else lines
    return frozenset(one for one in known if isinstance(one, Rule) and one.action == "never")


def _as_never(rule: Rule, nevers: frozenset[Rule]) -> Rule:
    """A rule of the listing as it is: auditctl shows a rule "never" about a file as a plain watch."""
    turned = replace(rule, action="never")
    return turned if rule.text.startswith("-w") and turned in nevers else rule


def _names(snapshot: Snapshot) -> Names:
    accounts, groups = snapshot.ask(Accounts()), snapshot.ask(Groups())
    return Names(
        {} if isinstance(accounts, Unread) else {one.name: one.uid for one in accounts},
        {} if isinstance(groups, Unread) else {one.name: one.gid for one in groups},
        lambda path: path.endswith("/") or kind_of(snapshot, path) is Kind.FOLDER,
    )


def kind_of(snapshot: Snapshot, path: str) -> Kind | None:
    """What a path is once links are followed; None where it is not there or cannot be seen."""
    seen = snapshot.ask(Stat(resolved(snapshot, path)))
    return None if isinstance(seen, Unread) else seen.kind


def resolved(snapshot: Snapshot, path: str) -> str:
    """Where the links of a path lead: a rule about a link is never met, the kernel goes by the file."""
    here = path.rstrip("/") or "/"
    for _hop in range(_HOPS):
        seen = snapshot.ask(Stat(here))
        if isinstance(seen, Unread) or seen.kind is not Kind.LINK:
            break
        target = snapshot.ask(Link(here))
        if isinstance(target, Unread):
            break
        here = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
    return here


# --- at boot --------------------------------------------------------------------------------------


def _boot_loading(snapshot: Snapshot) -> Loaded | Gap:
    off = off_at_boot(snapshot)
    if isinstance(off, Gap):
        return off
    if off:
        return Loaded(())
    lines = written(snapshot)
    return lines if isinstance(lines, Gap) else load(lines, lambda rule: can_load(snapshot, rule))


def can_load(snapshot: Snapshot, rule: Rule) -> bool:
    """Whether the kernel takes a rule: its folder, or the folder of its file, must be there."""
    if not rule.path:
        return True
    return kind_of(snapshot, rule.path if rule.tree else posixpath.dirname(rule.path)) is Kind.FOLDER


def off_at_boot(snapshot: Snapshot) -> str | Gap:
    """Why no rule will be loaded at boot, in words of no language; "" where rules will."""
    lacking = not_installed(snapshot)
    if isinstance(lacking, Gap):
        return lacking
    if lacking:
        return NOT_INSTALLED
    word = off_by_command_line(snapshot)
    if word:
        return word
    files = snapshot.ask(UnitFiles())
    if isinstance(files, Unread):
        return files.gap("systemctl list-unit-files")
    states = {one.name: one.state for one in files}
    if states.get(LOADER) == "masked":
        return f"{LOADER} masked"
    # Rules without the daemon, which switches auditing on, record nothing.
    if states.get(DAEMON) != "enabled":
        return f"{DAEMON} not enabled"
    return others_only(snapshot)


def others_only(snapshot: Snapshot) -> str | Gap:
    """The setting by which auditd takes in nothing of this host, but of others; "" where it does."""
    found = snapshot.derive(conf.settings)
    if isinstance(found, Gap):
        return "" if found.kind is GapKind.ABSENT else found
    return "local_events = no" if found["local_events"].value == "no" else ""


def off_by_command_line(snapshot: Snapshot) -> str | Gap:
    """The word of the kernel command line that switches auditing off at the next boot; "" for none.

    Where the boot loader is not known, the next boot is taken to be given the words of this one.
    """
    entries = boot_entries(snapshot)
    if isinstance(entries, Gap):
        if entries.kind is not GapKind.UNMODELLED:
            return entries
        line = snapshot.ask(KernelFile(_CMDLINE)) if snapshot.live else ""
        given = [[] if isinstance(line, Unread) else line.split()]
    else:
        given = [list(entry.arguments) for entry in entries]
    return next((word for words in given for word in words if word in {"audit=0", "audit=off"}), "")


def _written(snapshot: Snapshot) -> tuple[Rule | Control, ...] | Gap:
    by_folder = merges(snapshot)
    if isinstance(by_folder, Gap):
        return by_folder
    if by_folder:
        found = _folder(snapshot)
        if found is not None:
            return found
    text = snapshot.ask(File(MERGED))
    if isinstance(text, Unread):
        return () if text.reason is Reason.MISSING else text.gap(MERGED)
    return parse(text, MERGED, _names(snapshot))


def merges(snapshot: Snapshot) -> bool | Gap:
    """Whether the unit that loads the rules merges the folder first (augenrules); else it takes one file."""
    for unit in (LOADER, DAEMON):
        found = unit_files.read(snapshot, unit)
        if isinstance(found, Gap):
            if found.kind is not GapKind.ABSENT:
                return found
            continue
        commands = [value for name, value in found.lines if name in {"ExecStart", "ExecStartPost"}]
        if any("augenrules" in command for command in commands):
            return True
        if any("auditctl" in command for command in commands):
            return False
    return True  # both families ship it so


def _folder(snapshot: Snapshot) -> tuple[Rule | Control, ...] | Gap | None:
    """The merged files of the folder; None where it is not there."""
    entries = snapshot.ask(Folder(FOLDER))
    if isinstance(entries, Unread):
        return None if entries.reason is Reason.MISSING else entries.gap(FOLDER)
    names = (one.name for one in entries if one.name.endswith(".rules") and not one.name.startswith("."))
    lines: list[Rule | Control] = []
    for name in sorted(names, key=_natural):
        path = f"{FOLDER}/{name}"
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            return text.gap(path)
        lines += parse(text, path, _names(snapshot))
    return tuple(_merged(lines))


def _merged(lines: list[Rule | Control]) -> Iterator[Rule | Control]:
    """The order of augenrules: the last of -D, -b and -f first, the last -e at the end."""
    last: dict[str, Control] = {}
    rest: list[Rule | Control] = []
    for one in lines:
        if isinstance(one, Control) and one.name in _MOVED and not (one.name == "delete-all" and one.value):
            last[one.name] = one
        else:
            rest.append(one)
    yield from (last[name] for name in _MOVED[:-1] if name in last)
    yield from rest
    yield from (last[name] for name in _MOVED[-1:] if name in last)


_MOVED = ("delete-all", "backlog", "failure", "enabled")


def _natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """The order of ls -v, which augenrules uses: numbers in names count as numbers."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def switches_off(lines: tuple[Rule | Control, ...]) -> bool:
    """Whether the lines end with auditing off (-e 0), whatever rules they hold."""
    return controls(lines).get("enabled") == "0"


def controls(lines: tuple[Rule | Control, ...]) -> Mapping[str, str]:
    """What the lines that are no rules set: the last of each."""
    return {one.name: one.value for one in lines if isinstance(one, Control)}
