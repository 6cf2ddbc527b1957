"""systemd-journald on one host: whether it is there, and what it holds of a setting, now and later."""

from __future__ import annotations

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Reading
from hardentui.resources.daemons import main_process, older_than_files
from hardentui.resources.journal.settings import (
    Effective,
    configuration,
    effective,
    words_at_boot,
    words_now,
)
from hardentui.resources.systemd_conf import Configuration
from hardentui.snapshot import Reason, Snapshot, Stat, Unread

UNIT = "systemd-journald.service"
PROGRAM = "/usr/lib/systemd/systemd-journald"


def is_absent(snapshot: Snapshot) -> bool:
    """Whether there is no journald at all."""
    program = snapshot.ask(Stat(PROGRAM))
    return isinstance(program, Unread) and program.reason is Reason.MISSING


def _reading(found: Effective | Gap) -> Reading:
    if isinstance(found, Gap):
        return Reading(gap=found)
    return Reading({"": found.value}, provenance=found.places)


def at_boot(snapshot: Snapshot, files: Configuration, name: str) -> Reading:
    """What the next start takes of a setting."""
    return _reading(effective(snapshot, files, name, words_at_boot))


def _daemon_gap(snapshot: Snapshot, files: Configuration) -> Gap | None:
    """Why what the files say is not what the running daemon holds; None where it is."""
    daemon = main_process(snapshot, UNIT)
    if isinstance(daemon, Gap):
        return daemon
    if daemon is None:
        return Gap(GapKind.UNTOLD, _("systemd-journald does not run"))
    return older_than_files(snapshot, daemon, files.files, files.folders)


def sides(snapshot: Snapshot, name: str) -> tuple[Reading | None, Reading]:
    """What the running daemon holds of a setting, and what its next start will."""
    files = configuration(snapshot)
    if isinstance(files, Gap):
        return (Reading(gap=files) if snapshot.live else None), Reading(gap=files)
    then = at_boot(snapshot, files, name)
    if not snapshot.live:
        return None, then
    stale = _daemon_gap(snapshot, files)
    if stale is not None:
        return Reading(gap=stale), then
    return _reading(effective(snapshot, files, name, words_now)), then
