"""rsyslog: where the messages of this host go, and what rsyslog takes in from others."""

from __future__ import annotations

from hardentui.model import Gap
from hardentui.resources.rsyslog.certificates import LogCertificates
from hardentui.resources.rsyslog.checks import Rsyslog
from hardentui.resources.rsyslog.destinations import Destination, destination
from hardentui.resources.rsyslog.drop_ins import LogPrograms, LogRelay, LogServer
from hardentui.resources.rsyslog.exporters import LogExport
from hardentui.resources.rsyslog.rules import Message, steps
from hardentui.resources.rsyslog.state import view
from hardentui.snapshot import Snapshot

__all__ = [
    "Destination",
    "LogCertificates",
    "LogExport",
    "LogPrograms",
    "LogRelay",
    "LogServer",
    "Rsyslog",
    "destinations",
    "stale",
]


def destinations(
    snapshot: Snapshot, facility: str, severity: str, program: str | None = None
) -> tuple[Destination, ...] | Gap:
    """Where rsyslog's files send a message of this host, in order; a Gap where they cannot be judged.

    Facility and severity are syslog's names ("authpriv", "info"). What the content of a message decides is
    among them, and not ``certain``. Whether the daemon runs with these files is what ``stale`` says.

    Raises:
        ValueError: no such facility or severity.
    """
    seen = view(snapshot)
    if seen.gap is not None:
        return seen.gap
    found = steps(seen.config, Message.of(facility, severity, program))
    return tuple(one for step in found if (one := destination(seen.config, step)) is not None)


def stale(snapshot: Snapshot) -> Gap | None:
    """Why the running rsyslog may do something else than its files: it is older, or does not run."""
    return view(snapshot).running
