"""How exposed systemd takes its services to be: what `systemd-analyze security` says of all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from hardentui.snapshot import Reason, SlowCommand, Snapshot, Unread

# One call for all, which asks systemd of each; systemd 250 was the first to write JSON.
SECURITY = SlowCommand(("systemd-analyze", "--no-pager", "--json=short", "security"))
_EXPOSURE = re.compile(r"[0-9]{1,2}\.[0-9]")


def exposures(snapshot: Snapshot) -> Mapping[str, float] | Unread:
    """The exposure of each loaded service, from 0.0 (held by all that systemd knows) to 10.0."""
    seen = snapshot.ask(SECURITY)
    return seen if isinstance(seen, Unread) else parse(seen.stdout)


def parse(text: str) -> Mapping[str, float] | Unread:
    """The exposures in the JSON text that `systemd-analyze security` prints for all services."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Unread(Reason.FAILED, f"not JSON: {error}")
    if not isinstance(rows, list):
        return Unread(Reason.FAILED, "not a list")
    found = {}
    for row in rows:
        unit, exposure = (row.get("unit"), row.get("exposure")) if isinstance(row, dict) else (None, None)
        if isinstance(unit, str) and isinstance(exposure, str) and _EXPOSURE.fullmatch(exposure):
            found[unit] = float(exposure)
    return found
