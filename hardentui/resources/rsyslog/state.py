"""What is known of rsyslog on one host: its files, whether it runs, and whether it has read them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources import daemons, unit_files
from hardentui.resources.rsyslog.config import MAIN, Config, read
from hardentui.snapshot import (
    Command,
    File,
    Process,
    Reason,
    Snapshot,
    UnitFiles,
    Unread,
)

UNIT = "rsyslog.service"
_VALUE = re.compile(r"""^\s*\w+=["']?(.*?)["']?\s*$""", re.MULTILINE)  # of an environment file
_OTHER_FILE = re.compile(r"(?<=\s)-f\s*(\S+)")
CHECK = Command(("rsyslogd", "-N1"), needs_root=True)


@dataclass(frozen=True, slots=True)
class View:
    """All that the resources need, worked out once for a snapshot.

    ``gap`` stands where the files cannot be taken at their word. ``running`` says why the daemon may do
    something else than its files (None: it does what they say), ``boot`` why the next start may.
    """

    config: Config
    gap: Gap | None
    running: Gap | None
    boot: Gap | None
    daemon: Process | None


def view(snapshot: Snapshot) -> View:
    """What this snapshot shows of rsyslog."""
    return snapshot.derive(_view)


def _view(snapshot: Snapshot) -> View:
    config = read(snapshot)
    gap = _gap(snapshot, config)
    daemon = _daemon(snapshot)
    if isinstance(daemon, Gap):
        return View(config, gap, daemon, _boot(snapshot), None)
    return View(config, gap, _changed_since(snapshot, config, daemon), _boot(snapshot), daemon)


def _gap(snapshot: Snapshot, config: Config) -> Gap | None:
    """Why the files cannot be judged; None when they can."""
    for path, unread in config.unread:
        if path == MAIN and unread.reason is Reason.MISSING:
            return Gap(GapKind.ABSENT, MAIN)
        return unread.gap(path)
    started = _started_with(snapshot)
    if started is not None:
        return started
    if config.problems:
        words = _("rsyslog would not read it as a whole, or we cannot: {line}")
        return Gap(GapKind.FAILED, words.format(line=config.problems[0]))
    said = snapshot.ask(CHECK) if snapshot.live else None
    if isinstance(said, Unread) and said.reason is Reason.FAILED:
        return Gap(GapKind.FAILED, _("rsyslogd -N1 finds errors in its files"))
    return None


def _started_with(snapshot: Snapshot) -> Gap | None:
    """Whether the unit has the daemon read another file than MAIN."""
    unit = unit_files.read(snapshot, UNIT)
    if isinstance(unit, Gap):
        return None if unit.kind is GapKind.ABSENT else unit
    given = dict(line for line in unit.lines if line[1])  # of each directive the last that says something
    command = given.get("ExecStart", "")
    path = given.get("EnvironmentFile", "").removeprefix("-")
    if "$" in command and path:
        text = snapshot.ask(File(path))
        if isinstance(text, Unread) and text.reason is not Reason.MISSING:
            return text.gap(path)
        command += " " + " ".join(_VALUE.findall(text if isinstance(text, str) else ""))
    other = next((found[1] for found in _OTHER_FILE.finditer(command) if found[1] != MAIN), "")
    return Gap(GapKind.UNMODELLED, f"{UNIT}: -f {other}") if other else None


def _daemon(snapshot: Snapshot) -> Process | Gap | None:
    """The daemon of this host (not that of a container); None on an image."""
    if not snapshot.live:
        return None
    found = daemons.main_process(snapshot, UNIT, "syslog.service")
    return Gap(GapKind.ABSENT, _("rsyslog does not run")) if found is None else found


def _changed_since(snapshot: Snapshot, config: Config, daemon: Process | None) -> Gap | None:
    """Whether the daemon is older than its files: a reload only has it open its logs anew."""
    if daemon is None:
        return None
    return daemons.older_than_files(snapshot, daemon, config.files, config.folders)


def _boot(snapshot: Snapshot) -> Gap | None:
    """Why the next start may bring no rsyslog; None where its unit is enabled."""
    files = snapshot.ask(UnitFiles())
    if isinstance(files, Unread):
        return files.gap(UNIT)
    state = next((one.state for one in files if one.name == UNIT), "")
    if state == "enabled":
        return None
    if not state:
        return Gap(GapKind.ABSENT, UNIT)
    return Gap(GapKind.ABSENT, _("{unit} is {state}").format(unit=UNIT, state=state))
