"""auditd.conf(5): what the daemon does with what it is given, above all where there is no room left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.daemons import main_process
from hardentui.snapshot import File, Folder, Reason, Snapshot, Stat, Unread, Usage

DAEMON = "auditd.service"
CONF = "/etc/audit/auditd.conf"
PLUGINS = ("/etc/audit/plugins.d", "/etc/audisp/plugins.d")
# What counts where the file says nothing (auditd-config.c); words in lower case, as all that we compare.
_DEFAULTS: Mapping[str, str] = {
    "admin_space_left": "0",
    "admin_space_left_action": "ignore",
    "disk_error_action": "syslog",
    "disk_full_action": "ignore",
    "flush": "none",
    "local_events": "yes",
    "log_file": "/var/log/audit/audit.log",
    "log_format": "raw",
    "log_group": "root",
    "max_log_file": "0",
    "max_log_file_action": "ignore",
    "num_logs": "0",
    "space_left": "0",
    "space_left_action": "ignore",
    "write_logs": "yes",
}
_STOPS = frozenset({"suspend", "single", "halt"})
_MIB = 1 << 20
_SEVERITIES = frozenset({"debug", "info", "notice", "warning", "err", "crit", "alert", "emerg"})
_LINE = 158  # bytes; auditd skips a longer line


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its value in lower case, the line that gives it (0 for none), and that line as written.

    ``twice`` where the very line stands again, so that no edit can name it.
    """

    value: str
    line: int = 0
    text: str = ""
    twice: bool = False


DEFAULTS: Mapping[str, Setting] = {name: Setting(value) for name, value in _DEFAULTS.items()}


def settings(snapshot: Snapshot) -> Mapping[str, Setting] | Gap:
    """Every setting that we know, by name: of two lines the last counts; a gap where auditd would not start.

    It takes a line apart at its blanks, and gives up at one that is not "name = value" (auditd-config.c).
    """
    text = snapshot.ask(File(CONF))
    if isinstance(text, Unread):
        return text.gap(CONF)
    found = dict(DEFAULTS)
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        name, *rest = [word for word in line.split(" ") if word] or ["#"]
        if name.startswith("#") or len(line) > _LINE:
            continue
        if len(rest) < 2 or rest[0] != "=":  # noqa: PLR2004 - the sign, and a value
            why = _("{path}:{line}: auditd does not start with this line: {text}")
            return Gap(GapKind.UNTOLD, why.format(path=CONF, line=number, text=line.strip()))
        name, value = name.lower(), " ".join(rest[1:])
        if name in found:
            shown = value if name == "log_file" else value.lower()
            found[name] = Setting(shown, number, line, lines.count(line) > 1)
    return found


def rotates(number: str) -> bool:
    """Whether auditd rotates its log with this num_logs: with fewer than two files it lets the log grow."""
    return number.isdecimal() and int(number) > 1


def without_log(found: Mapping[str, Setting]) -> str:
    """The setting by which auditd writes no log, its plugins apart; "" where it writes one."""
    for name, value in (("write_logs", "no"), ("log_format", "nolog")):
        if found[name].value == value:
            return f"{name} = {value}"
    return ""


def without_room(found: Mapping[str, Setting], usage: Usage) -> str:
    """The setting by which auditd has stopped writing with so little room; "" where it goes on."""
    size, free = usage.size // _MIB, usage.free // _MIB
    for name in ("space_left", "admin_space_left"):
        action = found[f"{name}_action"].value
        if free < mebibytes(found[name], size) and action in _STOPS:
            return f"{name}_action = {action}"
    return ""


def mebibytes(one: Setting, size: int) -> int:
    """A size of auditd.conf, MiB or a share of a file system of ``size`` MiB; 0 for what is none."""
    number = one.value.rstrip("%")
    if not number.isdecimal():
        return 0
    return int(number) * size // 100 if one.value.endswith("%") else int(number)


def stale(snapshot: Snapshot) -> Gap | None:
    """Why what the file says is not what the daemon does: it does not run, or began before the file changed.

    A daemon that read the file again since then leaves no trace of it. Only a change of the content counts:
    we tighten the mode of the file, too.
    """
    daemon = main_process(snapshot, DAEMON)
    if isinstance(daemon, Gap):
        return daemon
    if daemon is None:
        return Gap(GapKind.UNTOLD, _("auditd does not run"))
    seen = snapshot.ask(Stat(CONF))
    if isinstance(seen, Unread):
        return seen.gap(CONF)
    if seen.modified > daemon.started + 1:
        why = _("{unit} was started before {path} was changed")
        return Gap(GapKind.STALE, why.format(unit=DAEMON, path=CONF))
    return None


def exporters(snapshot: Snapshot) -> tuple[str, ...] | Gap:
    """The plugins that hand each event on, away from the log of this host, by the names of their files."""
    found: list[str] = []
    for folder in PLUGINS:
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread):
            if entries.reason is Reason.MISSING:
                continue
            return entries.gap(folder)
        for name in (one.name for one in entries if one.name.endswith(".conf")):
            text = snapshot.ask(File(f"{folder}/{name}"))
            if isinstance(text, Unread):
                return text.gap(f"{folder}/{name}")
            if _is_active(text):
                found.append(name.removesuffix(".conf"))
    return tuple(dict.fromkeys(found))


def to_syslog(snapshot: Snapshot) -> tuple[str, str] | None:
    """The facility and severity with which a plugin hands the records to syslog; None where none does."""
    for folder in PLUGINS:
        text = snapshot.ask(File(f"{folder}/syslog.conf"))
        if isinstance(text, Unread) or not _is_active(text):
            continue
        found = re.search(r"^\s*args\s*=(.*)$", text, re.MULTILINE | re.IGNORECASE)
        words = [word.lower().removeprefix("log_") for word in (found[1].split() if found else ())]
        severity = next((word for word in words if word in _SEVERITIES), "info")
        return next((word for word in words if word not in _SEVERITIES), "user"), severity
    return None


def _is_active(text: str) -> bool:
    pairs = (line.partition("=") for line in text.split("\n") if not line.lstrip().startswith("#"))
    given = {name.strip().lower(): value.strip().lower() for name, equals, value in pairs if equals}
    return given.get("active") == "yes" and given.get("direction", "out") == "out"
