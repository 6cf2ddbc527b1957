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

    imjournal reads the journal by itself. imuxsock stands behind journald where systemd runs: it gets what
    ForwardToSyslog= passes on.
    """
    loaded = config.loaded
    if "imjournal" in loaded:
        return True
    if "imuxsock" not in loaded or loaded["imuxsock"].parameters.one("syssock.use").lower() in {"off", "no"}:
        return False
    kept = journal.keeps(snapshot)
    if isinstance(kept, Gap):
        return True if kept.kind is GapKind.ABSENT else kept  # without journald the socket is rsyslog's own
    forward = kept.forward_boot if boot else kept.forward_now
    if not forward:
        return Gap(GapKind.UNTOLD, _("whether journald forwards to rsyslog is not known"))
    return forward == "yes"
