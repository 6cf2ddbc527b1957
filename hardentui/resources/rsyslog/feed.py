"""Whether the messages of this host come to rsyslog at all: from journald, or past it."""

from __future__ import annotations

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources import journal
from hardentui.resources.rsyslog.config import Config
from hardentui.snapshot import Snapshot

UNFED = "nothing comes in"  # what stands behind a host that rsyslog would send to, had it anything to send


def is_fed(snapshot: Snapshot, config: Config, *, boot: bool) -> bool | Gap:
    """Whether rsyslog gets what this host says, now or after a boot; a Gap where that is not known.

    imjournal reads the journal by itself, where there is one. imuxsock stands behind journald where systemd
    runs: it gets what ForwardToSyslog= passes on.
    """
    if "imjournal" not in config.loaded and not config.hears_programs:
        return False
    kept = snapshot.derive(journal.keeps)
    if isinstance(kept, Gap):
        # Without journald the socket is rsyslog's own.
        return "imjournal" not in config.loaded if kept.kind is GapKind.ABSENT else kept
    if "imjournal" in config.loaded:
        storage = kept.storage_boot if boot else kept.storage_now
        return (
            storage != journal.NONE
            if storage
            else Gap(GapKind.UNTOLD, _("where journald stores is not known"))
        )
    forward = kept.forward_boot if boot else kept.forward_now
    if not forward:
        return Gap(GapKind.UNTOLD, _("whether journald forwards to rsyslog is not known"))
    return forward == "yes"


def is_whole(snapshot: Snapshot, config: Config) -> bool:
    """Whether what comes in from journald leaves nothing out but debugging."""
    kept = snapshot.derive(journal.keeps)
    if isinstance(kept, Gap):
        return True  # is_fed says what is not known
    return (kept.level if "imjournal" in config.loaded else kept.level_forwarded) in journal.EVERYTHING
