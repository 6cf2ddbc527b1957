"""A record: what a program, the kernel or the audit system wrote down of one event."""

from __future__ import annotations

from dataclasses import dataclass

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
)  # by their numbers in RFC 5424; those beyond have no names that all agree on  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a tail saw it. It may hold what somebody typed: it is shown, and never kept.

    ``at`` is in epoch seconds, ``store`` where it was read ("journal", a path), ``program`` who wrote it
    (its name in syslog; "kernel"; the type of an audit event such as "SYSCALL"), ``facility`` that of
    syslog, "" where it has none. ``types`` and ``keys`` are those of an audit event.
    """

    at: float
    store: str
    program: str
    text: str
    facility: str = ""
    types: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
