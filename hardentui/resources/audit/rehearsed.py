"""What the kernel would say of its audit system once rules are loaded, and the daemon started."""

from __future__ import annotations

from typing import Any

from hardentui.model import Gap
from hardentui.resources.audit import state
from hardentui.resources.audit.rules import load
from hardentui.snapshot import Output, Question, Snapshot, Units, Unread

MOVED: tuple[Question[Any], ...] = (state.STATUS, state.LISTING)


def after_loading(snapshot: Snapshot) -> dict[Question[Any], Any]:
    """The answers of auditctl after the rules folder was loaded; none where nothing can be said."""
    now, lines = state.status(snapshot), state.written(snapshot)
    if isinstance(now, Gap) or isinstance(lines, Gap) or now.enabled == 2:  # noqa: PLR2004 - locked
        return {}
    running = snapshot.ask(Units())
    active = not isinstance(running, Unread) and any(
        one.name == state.DAEMON and one.active == "active" for one in running
    )
    backlog = state.controls(lines).get("backlog", str(now.backlog_limit))
    said = {
        "enabled": 1 if active else now.enabled,
        "failure": now.failure,
        "pid": now.pid or int(active),
        "backlog_limit": backlog,
        "lost": now.lost,
        "backlog": now.backlog,
    }
    rules = load(lines, lambda rule: state.can_load(snapshot, rule)).rules
    return {
        state.STATUS: Output("".join(f"{name} {value}\n" for name, value in said.items())),
        state.LISTING: Output("".join(f"{rule.spelled()}\n" for rule in rules) or "No rules\n"),
    }
