"""auditd.conf(5): what the daemon does with what it is given, above all where there is no room left."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.daemons import main_process
from hardentui.snapshot import File, Folder, Kind, Reason, Snapshot, Stat, Unread, Usage

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
    "freq": "0",
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
_YES_NO, _NUMBER, _SIZE, _WORD = "yes|no", "[0-9]+", "[0-9]+|[0-9]{1,2}%", "[^ ]+"
_ON_LITTLE = "(?:ignore|syslog|rotate|email|suspend|single|halt)( .*)?|exec /.+"
# The keywords of auditd 3.0 to 4.1, and what it takes for each, in lower case. Only an action may have more
# words behind it: its program for exec, and for the others words that it does not look at.
_KEYWORDS: Mapping[str, str] = {
    "action_mail_acct": _WORD,
    "admin_space_left": _SIZE,
    "admin_space_left_action": _ON_LITTLE,
    "disk_error_action": "(?:ignore|syslog|suspend|single|halt)( .*)?|exec /.+",
    "disk_full_action": "(?:ignore|syslog|rotate|suspend|single|halt)( .*)?|exec /.+",
    "disp_qos": _WORD,
    "dispatcher": _WORD,
    "distribute_network": _YES_NO,
    "enable_krb5": _YES_NO,
    "end_of_event_timeout": _NUMBER,
    "flush": "none|incremental|incremental_async|data|sync",
    "freq": _NUMBER,
    "krb5_key_file": _WORD,
    "krb5_principal": _WORD,
    "local_events": _YES_NO,
    "log_file": "[^ ]{4,}/[^ /]+",  # /var is the shortest folder that it takes
    "log_format": "raw|nolog|enriched",
    "log_group": _WORD,
    "max_log_file": _NUMBER,
    "max_log_file_action": "ignore|syslog|suspend|rotate|keep_logs",
    "max_restarts": _NUMBER,
    "name": _WORD,
    "name_format": "none|hostname|fqd|numeric|user",
    "num_logs": "0*[0-9]{1,3}",
    "overflow_action": "ignore|syslog|suspend|single|halt",
    "plugin_dir": _WORD,
    "priority_boost": _NUMBER,
    "q_depth": "0*[0-9]{1,5}",
    "report_interval": _WORD,
    "space_left": _SIZE,
    "space_left_action": _ON_LITTLE,
    "tcp_client_max_idle": _WORD,  # this one and its like: read only by an auditd that listens
    "tcp_client_ports": _WORD,
    "tcp_listen_port": _WORD,
    "tcp_listen_queue": _WORD,
    "tcp_max_per_addr": _WORD,
    "transport": "tcp|krb5",
    "use_libwrap": _YES_NO,
    "verify_email": _YES_NO,
    "write_logs": _YES_NO,
}
# A program it runs may have it go on: until then it has closed its log, as where it suspends itself.
_STOPS = frozenset({"suspend", "single", "halt", "exec"})
_MIB = 1 << 20
_LAST_BLOCKS = 5 * 4096  # bytes; auditd leaves five blocks, and file systems of logs have them of 4 KiB
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

    That is where it refuses the file, a line of it, or the settings beside each other (auditd-config.c). What
    they name is not looked at: a folder, group or program that is lacking keeps it from starting, too.
    """
    text = snapshot.ask(File(CONF))
    if isinstance(text, Unread):
        return text.gap(CONF)
    if (refused := _refused_file(snapshot)) is not None:
        return refused
    found = dict(DEFAULTS)
    lines = text.split("\n")
    ended = lines[:-1]
    for number, line in enumerate(ended, 1):
        name, *rest = [word for word in line.split(" ") if word] or ["#"]
        if name.startswith("#") or len(line) > _LINE:
            continue
        name, given = name.lower(), " ".join(rest[1:])
        known = _KEYWORDS.get(name)
        if known is None or rest[:1] != ["="] or not re.fullmatch(known, given.lower()):
            why = _("{path}:{line}: auditd does not start with this line: {text}")
            return Gap(GapKind.UNTOLD, why.format(path=CONF, line=number, text=line.strip()))
        if name in found:
            value = rest[1] if name == "log_file" else rest[1].lower()
            found[name] = Setting(value, number, line, lines.count(line) > 1)
    clash = _clash(found) if ended else ""
    return Gap(GapKind.UNTOLD, clash) if clash else found


def _refused_file(snapshot: Snapshot) -> Gap | None:
    seen = snapshot.ask(Stat(CONF))
    if isinstance(seen, Unread):
        return None if seen.reason in {Reason.MISSING, Reason.NOT_RECORDED} else seen.gap(CONF)
    if seen.kind is Kind.FILE and not seen.uid and not seen.mode & 0o002:
        return None
    why = _("{path}: auditd starts with a plain file alone, of root, that not everybody can write")
    return Gap(GapKind.UNTOLD, why.format(path=CONF))


def _clash(found: Mapping[str, Setting]) -> str:
    """The settings with which, beside each other, auditd does not start; "" where it does."""
    one, other = found["space_left"], found["admin_space_left"]
    if not _is_share(one) and not _is_share(other) and mebibytes(one, 0) <= mebibytes(other, 0):
        why = _(
            "{path}: auditd does not start: space_left ({one}) is not more than admin_space_left ({other})"
        )
        return why.format(path=CONF, one=one.value, other=other.value)
    if found["flush"].value.startswith("incremental") and not int(found["freq"].value):
        why = _("{path}: auditd does not start: flush = {flush} needs a freq other than 0")
        return why.format(path=CONF, flush=found["flush"].value)
    return ""


def _is_share(one: Setting) -> bool:
    return one.value.endswith("%") and int(one.value.rstrip("%")) > 0


def is_cut_short(snapshot: Snapshot) -> bool:
    """Whether the last line lacks its end: auditd skips it, and would not once a line is added behind it."""
    text = snapshot.ask(File(CONF))
    last = "" if isinstance(text, Unread) else text.rpartition("\n")[2].strip(" ")
    return bool(last) and not last.startswith("#")


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
    """The setting by which auditd has stopped writing with so little room; "" where it goes on.

    Of room it counts what is for everyone, though it runs as root (f_bavail in auditd-event.c).
    """
    action = found["disk_full_action"].value
    if usage.free < _LAST_BLOCKS and action in _STOPS:
        return f"disk_full_action = {action}"
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


def rights_of_log(snapshot: Snapshot) -> Mapping[str, str]:
    """What auditd sets of its folder and log at each start: "MODE USER:GROUP" by path; {} if not known."""
    found = snapshot.derive(settings)
    if isinstance(found, Gap):
        return {}
    log, group = found["log_file"].value, found["log_group"].value
    if group in {"root", "0"}:
        return {posixpath.dirname(log): "0700 root:root", log: "0600 root:root"}
    return {posixpath.dirname(log): f"0750 root:{group}", log: f"0640 root:{group}"}


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


def to_syslog(snapshot: Snapshot) -> tuple[str, str] | Gap | None:
    """The facility and severity with which a plugin hands the records to syslog; None where none does."""
    for folder in PLUGINS:
        path = f"{folder}/syslog.conf"
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            if text.reason is Reason.MISSING:
                continue
            return text.gap(path)
        if not _is_active(text):
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
