"""Trees of logs whose growth is known: what readers and forecasts are tried on."""

from __future__ import annotations

from hardentui.snapshot import LogFile, LogTree

from .hosts import NOW

DAY, MIB = 86400.0, 1 << 20
MACHINE = "/var/log/journal/0123456789abcdef0123456789abcdef"


def file(path: str, size: int, first: float, last: float, *, content: int | None = None) -> LogFile:
    """A file of logs, its times in days before NOW."""
    return LogFile(
        path, size, size, size if content is None else content, NOW - first * DAY, NOW - last * DAY
    )


def rotated(path: str, daily: int, generations: int, *, packed: float = 0.1) -> tuple[LogFile, ...]:
    """A log that is rotated each day: today's, yesterday's, and older ones packed to a share."""
    older = (
        file(f"{path}.{day}.gz", int(daily * packed), day + 0.5, day - 0.5, content=daily)
        for day in range(2, generations + 1)
    )
    return (file(path, daily // 2, 0.5, 0.0), file(f"{path}.1", daily, 1.5, 0.5), *older)


def journal(daily: int, days: int) -> tuple[LogFile, ...]:
    """A journal that begins a new file each day."""
    old = [
        file(f"{MACHINE}/system@{day:032x}-{day:016x}-{day:016x}.journal", daily, day + 1, day)
        for day in range(1, days)
    ]
    return (*old, file(f"{MACHINE}/system.journal", daily, 1, 0))


def tree(*files: LogFile) -> LogTree:
    return LogTree(tuple(sorted(files, key=lambda one: one.path)))


BUSY = tree(
    *journal(24 * MIB, 20),
    *rotated("/var/log/syslog", 6 * MIB, 7),
    *rotated("/var/log/auth.log", MIB, 4),
    *rotated("/var/log/nginx/access.log", 3 * MIB, 14),
    *(
        file(f"/var/log/remote/web0{host}/2026-11-{20 - day:02d}.log", host * MIB, day + 1, day)
        for host in (1, 2, 3)
        for day in range(10)
    ),
    *(
        file(f"/var/log/audit/audit.log{end}", 8 * MIB, age + 2.0, age)
        for end, age in (("", 0.0), (".1", 2.0), (".2", 4.5), (".3", 6.0))
    ),
    LogFile("/var/log/btmp", 4 * MIB, 4 * MIB, 4 * MIB, 0.0, NOW - DAY / 10),
)
