"""What keeps a log from growing for ever: a number of bytes, a number of days, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from hardentui.model import Gap
from hardentui.resources import systemd_conf
from hardentui.resources.audit import conf
from hardentui.resources.journal import settings
from hardentui.resources.retention import logrotate, rotation
from hardentui.resources.volume.sources import Source
from hardentui.snapshot import Snapshot, Usage

JOURNALD, AUDITD = "journald", "auditd"
_MIB = 1 << 20
_MOST = 4 << 30  # bytes: journald's own limit where its files give none, and the least that it leaves free
_LEAST = 1 << 20
_SHARE, _FREE_SHARE = 10, 15  # percent of the file system


@dataclass(frozen=True, slots=True)
class Limit:
    """Who keeps a log, and to how many bytes or days; ``by`` is "" where nobody is known to.

    ``endless`` says why it grows all the same, ``gap`` why it is not known whether somebody keeps it.
    """

    by: str = ""
    size: int | None = None
    days: float | None = None
    endless: str = ""
    gap: Gap | None = None


NONE = Limit()


def of(snapshot: Snapshot, source: Source, usage: Usage | None) -> Limit:
    """What limits a log that lies on a file system with so much space."""
    if source.journal:
        return _journal(snapshot, source, usage)
    if source.name == audit_log(snapshot):
        return _audit(snapshot)
    return _rotated(snapshot, source.files[-1].path)


def audit_log(snapshot: Snapshot) -> str:
    """Where auditd writes; "" where that is not known."""
    found = snapshot.derive(conf.settings)
    return "" if isinstance(found, Gap) else found["log_file"].value


def keep_free(snapshot: Snapshot, usage: Usage) -> int | Gap:
    """The bytes of its file system that journald leaves to others."""
    files = settings.configuration(snapshot)
    if isinstance(files, Gap):
        return files
    said = _bytes(files, "SystemKeepFree")
    return min(usage.size * _FREE_SHARE // 100, _MOST) if said is None else said


def _journal(snapshot: Snapshot, source: Source, usage: Usage | None) -> Limit:
    """What the configuration gives, or the share that journald takes by itself (journald.conf(5))."""
    files = settings.configuration(snapshot)
    if isinstance(files, Gap):
        return Limit(JOURNALD, gap=files)
    days = _days(snapshot, files)
    name = "RuntimeMaxUse" if source.name.startswith("/run/") else "SystemMaxUse"
    most = _bytes(files, name)
    if most is None and usage is None:
        return Limit(JOURNALD, days=days)
    if most is None and usage is not None:
        most = min(max(usage.size * _SHARE // 100, _LEAST), _MOST)
    left = keep_free(snapshot, usage) if usage is not None and name == "SystemMaxUse" else 0
    if usage is not None and most is not None and not isinstance(left, Gap):
        most = min(most, source.disk + max(usage.free - left, 0))
    return Limit(JOURNALD, most, days)


def _bytes(files: systemd_conf.Configuration, name: str) -> int | None:
    said = files.of(name, lambda value: systemd_conf.size(value) is not None)
    return systemd_conf.size(said[-1].value) if said else None


def _days(snapshot: Snapshot, files: systemd_conf.Configuration) -> float | None:
    """MaxRetentionSec in days; None where there is none."""
    found = settings.effective(snapshot, files, "MaxRetentionSec")
    days = 0.0 if isinstance(found, Gap) else float(found.value or 0)
    return days or None


def _rotated(snapshot: Snapshot, path: str) -> Limit:
    """What logrotate or systemd-tmpfiles does with a log, by the file that is written."""
    kept = rotation(snapshot, path)
    if isinstance(kept, Gap):
        return Limit(gap=kept)
    if kept is None:
        return NONE
    if kept.endless or kept.days is not None:
        return Limit(kept.by, days=kept.days, endless=kept.endless)
    rules = snapshot.derive(logrotate.read)
    rule = None if isinstance(rules, Gap) else rules.rule_for(path)
    if rule is None or rule.settings.rotate == logrotate.FOREVER:
        return Limit(kept.by)
    return Limit(kept.by, rule.settings.size * (rule.settings.rotate + 1))


def _audit(snapshot: Snapshot) -> Limit:
    """max_log_file times num_logs, where auditd rotates."""
    found = snapshot.derive(conf.settings)
    if isinstance(found, Gap):
        return Limit(AUDITD, gap=found)
    size, number = found["max_log_file"].value, found["num_logs"].value
    rotated = found["max_log_file_action"].value == "rotate" and conf.rotates(number)
    if not rotated or not size.isdecimal():
        return Limit(AUDITD, endless=f"max_log_file_action = {found['max_log_file_action'].value}")
    return Limit(AUDITD, int(size) * int(number) * _MIB)
