"""What a firewall that shuts by default means for logs on their way."""

from __future__ import annotations

import re
from dataclasses import replace

from hardentui.i18n import _
from hardentui.model import Recommendation
from hardentui.resources.firewall import Firewall
from hardentui.snapshot import Snapshot


def way_out(snapshot: Snapshot, entry: Recommendation) -> str | None:
    """Why the relay may not get out; None where what leaves is not filtered."""
    found = re.match(r"relp (\S+):(\d+) ", entry.target)
    if found is None or not _shuts(snapshot, entry, "output"):
        return None
    words = _("the firewall drops what no rule lets out: it needs one for TCP port {port} to {host}")
    return words.format(port=found[2], host=found[1])


def way_in(snapshot: Snapshot, entry: Recommendation) -> str | None:
    """Why senders may not get in; None where what comes in is not filtered."""
    found = re.match(r"relp (\d+) ", entry.target)
    if found is None or not _shuts(snapshot, entry, "input"):
        return None
    words = _(
        "the firewall drops what no rule lets in: it needs one for TCP port {port}, from the senders alone"
    )
    return words.format(port=found[1])


def _shuts(snapshot: Snapshot, entry: Recommendation, hook: str) -> bool:
    seen = Firewall().observe(snapshot, replace(entry, subject=hook)).running
    return seen is not None and any(value == "drop" for value in seen.values.values())
