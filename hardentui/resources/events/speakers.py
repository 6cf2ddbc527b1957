"""What programs say by their own configuration: sshd by its LogLevel, sudo by its Defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap
from hardentui.resources.events.catalogue import SSHD, SUDO, Voice
from hardentui.resources.sshd.match import Connection
from hardentui.resources.sshd.state import view
from hardentui.resources.sudoers.grammar import Setting
from hardentui.resources.sudoers.policy import SUDOERS, read_policy
from hardentui.snapshot import Snapshot, Unread

_BELOW_INFO = frozenset({"SILENT", "FATAL", "ERROR"})  # QUIET is SILENT; logins are told of at INFO
_IOLOG = "/var/log/sudo-io"


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a voice speaks: its facility and severity, where that is said, its own files; why it is silent.

    ``partial`` are files that hold what it says of some users, hosts or commands alone.
    """

    facility: str
    severity: str
    place: str = ""
    files: tuple[tuple[str, str], ...] = ()  # path, and where that is said
    partial: tuple[tuple[str, str], ...] = ()
    silent: str = ""


def of(snapshot: Snapshot, voice: Voice, *, boot: bool) -> Spoken | Gap:
    """How a voice speaks on this host."""
    if voice.governed == SSHD:
        return _of_sshd(snapshot, voice, boot=boot)
    if voice.governed == SUDO:
        return _of_sudo(snapshot, voice)
    return Spoken(voice.facility, voice.severity)


def _of_sshd(snapshot: Snapshot, voice: Voice, *, boot: bool) -> Spoken | Gap:
    seen = snapshot.derive(view)
    if seen.gap is not None:
        return seen.gap
    if not boot and seen.running is not None:
        return seen.running
    level, facility = (seen.config.effective(word, Connection()) for word in ("loglevel", "syslogfacility"))
    place = next((f"{line.file}:{line.number}" for line in (*level.lines, *facility.lines)), "")
    name = " ".join(facility.values or ()).lower() or voice.facility
    said = " ".join(level.values or ()).upper()
    silent = _("sshd: LogLevel {level} tells of no login").format(level=said) if said in _BELOW_INFO else ""
    return Spoken(name, voice.severity, place, silent=silent)


def _of_sudo(snapshot: Snapshot, voice: Voice) -> Spoken | Gap:
    policy = snapshot.derive(read_policy)
    if isinstance(policy, Unread):
        return policy.gap(SUDOERS)
    if policy.gaps:
        return policy.gaps[0]
    facility = _last(policy.settings, "syslog")
    files = tuple((one.value, _place(one)) for one in policy.log_files if not one.scope)
    partial = tuple((one.value, _place(one)) for one in policy.log_files if one.scope)
    if facility is not None and facility.operator == "!":
        silent = _("sudo: !syslog in {place}").format(place=_place(facility))
        return Spoken("", "", files=files, partial=partial, silent=silent)
    priority = _last(policy.settings, "syslog_badpri" if voice.severity == "alert" else "syslog_goodpri")
    return Spoken(
        facility.value.lower() if facility and facility.value else voice.facility,
        priority.value.lower() if priority and priority.value else voice.severity,
        _place(facility) if facility else "",
        files,
        partial,
    )


def sessions_of_sudo(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Where sudo keeps what is shown or typed in its sessions, and the line that says so."""
    policy = snapshot.derive(read_policy)
    if isinstance(policy, Unread):
        return
    folder = _last(policy.settings, "iolog_dir")
    for name in ("log_output", "log_input"):
        setting = _last(policy.settings, name, scoped=True)
        if setting is not None and not setting.operator:
            path = folder.value if folder and folder.value.startswith("/") else _IOLOG
            yield path.partition("%")[0].rstrip("/") or _IOLOG, _place(setting)
    for rule in policy.rules:
        if rule.tags.get("LOG_OUTPUT") or rule.tags.get("LOG_INPUT"):
            yield _IOLOG, f"{rule.place.file}:{rule.place.line}"


def _last(settings: Iterable[Setting], name: str, *, scoped: bool = False) -> Setting | None:
    """The setting that counts: sudo takes the last. Those for some users alone count where ``scoped``."""
    found = [one for one in settings if one.name == name and (scoped or not one.scope)]
    return found[-1] if found else None


def _place(setting: Setting) -> str:
    return f"{setting.place.file}:{setting.place.line}"
