"""What happens when a file system of logs is full: a sentence for each that writes there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hardentui.i18n import N_, _
from hardentui.model import Gap
from hardentui.resources.audit import conf
from hardentui.resources.base import explain
from hardentui.resources.rsyslog import destinations
from hardentui.resources.volume import limits
from hardentui.resources.volume.forecast import Kept, LogSystem
from hardentui.resources.volume.words import amount
from hardentui.snapshot import Snapshot

# The actions of auditd.conf(5), in lower case.
_ACTIONS: Mapping[str, str] = {
    "ignore": N_("nothing is done"),
    "syslog": N_("a warning is logged"),
    "email": N_("a mail is sent and a warning logged"),
    "exec": N_("a program is run"),
    "rotate": N_("the oldest file of the audit is removed"),
    "suspend": N_("auditd writes no more, and what happens then is not recorded"),
    "single": N_("the machine goes to single user mode: its services end, and nobody reaches it"),
    "halt": N_("the machine is shut down"),
}


def when_full(snapshot: Snapshot, system: LogSystem) -> tuple[str, ...]:
    """What happens then, what concerns most of the host first."""
    return (_alone(system), *_audit(snapshot, system), *_journal(snapshot, system), *_text(snapshot, system))


def _alone(system: LogSystem) -> str:
    if system.own:
        sentence = _("{path} is for logs alone: logs are lost then, and the services go on")
    else:
        sentence = _(
            "{path} is not for logs alone: every service that writes there fails then, "
            "databases and updates too, and nobody may be able to log in"
        )
    text = sentence.format(path=system.path)
    if system.usage is None or system.usage.reserved <= 0:
        return text
    reserve = _("{size} are kept for root, whose services write on a while")
    return text + _("; ") + reserve.format(size=amount(system.usage.reserved))


def _audit(snapshot: Snapshot, system: LogSystem) -> Iterator[str]:
    log = limits.audit_log(snapshot)
    if not any(kept.source.name == log for kept in system.logs):
        return
    found = snapshot.derive(conf.settings)
    if isinstance(found, Gap):
        yield _("auditd: {why}").format(why=explain(found))
        return
    for name in ("space_left", "admin_space_left"):
        left, action = found[name].value, found[f"{name}_action"].value
        if left not in {"", "0"}:
            size = left if left.endswith("%") else f"{left} MiB"
            yield _("auditd, when less than {size} are free: {action}").format(
                size=size, action=_action(action)
            )
    yield _("auditd, when it is full: {action}").format(action=_action(found["disk_full_action"].value))


def _action(word: str) -> str:
    known = _ACTIONS.get(word)
    return _(known) if known else word


def _journal(snapshot: Snapshot, system: LogSystem) -> Iterator[str]:
    for kept in system.logs:
        if kept.source.journal and system.usage is not None:
            yield _journal_drops(snapshot, kept, system)


def _journal_drops(snapshot: Snapshot, kept: Kept, system: LogSystem) -> str:
    left = limits.keep_free(snapshot, system.usage) if system.usage else 0
    if kept.limit.size is None or isinstance(left, Gap):
        return _("journald drops its oldest entries; at what size is not known")
    return _("journald drops its oldest entries at {size}, or when less than {left} are free").format(
        size=amount(kept.limit.size), left=amount(left)
    )


def _text(snapshot: Snapshot, system: LogSystem) -> Iterator[str]:
    """What rsyslogd writes there; where it cannot be told who writes, nothing is said of it."""
    found = destinations(snapshot, "authpriv", "info")
    if isinstance(found, Gap):
        return
    names = {kept.source.name for kept in system.logs}
    if not any(one.kind == "file" and one.path.lstrip("-") in names for one in found):
        return
    if any(one.kind == "remote" for one in found):
        yield _("rsyslogd cannot write its files; what it sends to other hosts still goes there")
    else:
        yield _("rsyslogd cannot write its files, and sends them nowhere: these lines are lost")
