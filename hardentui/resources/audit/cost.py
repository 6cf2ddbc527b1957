"""What rules would cost on this host: seen at a glance, before a decision; estimates, and said to be."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hardentui.i18n import _, ngettext
from hardentui.model import Gap, Recommendation
from hardentui.resources.audit import state
from hardentui.snapshot import KernelFile, Logins, Openings, OpeningsOf, Processes, Snapshot, Unread

_STAT = "/proc/stat"
_UPTIME = "/proc/uptime"
_EVENT = 1500  # bytes of one start of a program in an enriched log, with its arguments and file names
_CLOCKS = frozenset({"ntpd", "chronyd", "systemd-timesyn", "ptp4l", "phc2sys"})


def exec_volume(snapshot: Snapshot, entry: Recommendation) -> str | None:  # noqa: ARG001 - a probe
    """How many processes this host begins, and what that would be in the log at the most."""
    stat, uptime = snapshot.ask(KernelFile(_STAT)), snapshot.ask(KernelFile(_UPTIME))
    if isinstance(stat, Unread) or isinstance(uptime, Unread):
        return None
    begun, up = re.search(r"^processes (\d+)", stat, re.MULTILINE), re.match(r"([0-9.]+)", uptime)
    if begun is None or up is None or float(up[1]) < 1:
        return None
    rate = int(begun[1]) / float(up[1])
    return _(
        "this host began {rate} processes a second since its start: if people start all of them, about "
        "{size} MiB of log a day (an estimate)"
    ).format(rate=_about(rate), size=_about(rate * 86400 * _EVENT / (1 << 20)))


def _about(number: float) -> str:
    """A number in two figures: it is an estimate, and must not be another one at each look."""
    rounded = float(f"{number:.2g}")
    return f"{rounded:.0f}" if rounded >= 10 else f"{rounded:g}"  # noqa: PLR2004 - two figures have no point there


def time_daemon(snapshot: Snapshot, entry: Recommendation) -> str | None:  # noqa: ARG001 - a probe
    """The service that keeps the time, whose own adjustments will be recorded."""
    running = snapshot.ask(Processes())
    names = () if isinstance(running, Unread) else sorted({p.name for p in running if p.name in _CLOCKS})
    if not names:
        return None
    return _("{names} adjusts the clock with the same calls: each time is recorded").format(
        names=", ".join(names)
    )


def sessions(snapshot: Snapshot, entry: Recommendation) -> str | None:  # noqa: ARG001 - a probe
    """How many logins there were in the records: what people do is what these rules record."""
    seen = snapshot.ask(Logins())
    if isinstance(seen, Unread) or not seen:
        return None
    return ngettext(
        "one login is on record here: what happens in it is recorded",
        "{count} logins are on record here: what happens in each is recorded",
        len(seen),
    ).format(count=len(seen))


def locked(snapshot: Snapshot, entry: Recommendation) -> str | None:  # noqa: ARG001 - a probe
    """That rules are locked, so that nothing counts before a boot."""
    now = state.status(snapshot)
    if isinstance(now, Gap) or now.enabled != 2:  # noqa: PLR2004 - auditctl -e 2
        return None
    return _("the rules are locked (enabled 2): this counts from the next boot on, and so does its rollback")


def loading_stops(snapshot: Snapshot, entry: Recommendation) -> str | None:  # noqa: ARG001 - a probe
    """The line of the files at which the loading stops today; with ours, what stands below it loads again."""
    found = state.boot_loading(snapshot)
    stop = None if isinstance(found, Gap) else found.stopped_at
    if stop is None:
        return None
    words = _("{place}:{line} cannot be loaded ({text}), and nothing below it is; with our files the rest is")
    return words.format(place=stop.place, line=stop.line, text=stop.text)


def sensitive_use(snapshot: Snapshot, entry: Recommendation) -> str | None:
    """How much the sensitive resources seem to be used now: a glance, no measurement."""
    paths = [word.strip() for word in entry.subject.split(",") if word.strip()]
    told = [
        _seen(path, use) for path in paths if not isinstance(use := snapshot.ask(OpeningsOf(path)), Unread)
    ]
    return "; ".join(told) or None


def _seen(path: str, use: Openings) -> str:
    count = f"{use.files}+" if use.more else str(use.files)
    day = datetime.fromtimestamp(use.read_at, UTC).strftime("%Y-%m-%d")
    said = ngettext(
        "{path}: one file, read last on {day}", "{path}: {count} files, one read last on {day}", use.files
    ).format(path=path, count=count, day=day)
    if use.holders:
        said += _(", open now in {names}: each reading is a record").format(names=", ".join(use.holders[:5]))
    return said
