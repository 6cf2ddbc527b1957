"""The workbench as text and as JSON: every directive for one service, the exposure, the drop-in."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hardentui import __version__
from hardentui.export.text import wrapped
from hardentui.i18n import _
from hardentui.resources.sandbox import is_way_in
from hardentui.resources.sandbox.bench import Bench, Row
from hardentui.resources.sandbox.directives import lines
from hardentui.resources.sandbox.evidence import Evidence
from hardentui.resources.sandbox.exposure import predicate, shown
from hardentui.resources.sandbox.settings import FOLLOWED
from hardentui.resources.sandbox.verdict import Effect, Judgement
from hardentui.visible import visible

SIGNS = {Effect.SAFE: "+", Effect.UNKNOWN: "?", Effect.BREAKS: "x", Effect.LACKING: "-"}


def text(bench: Bench, width: int) -> Iterator[str]:
    """All about a service: what it does, each directive with its verdict, the exposure, the drop-in."""
    yield visible(bench.seen.unit)
    for line in facts(bench.seen):
        yield from wrapped(line, width, "  ")
    yield ""
    for row in bench.rows:
        if row.judgement is not None:
            yield from _directive(row, width)
    yield ""
    yield exposure(bench)
    yield from wrapped(follows(bench), width)
    yield from wrapped(footer(), width)
    if bench.chosen:
        yield from wrapped(interruption(bench), width)
        yield ""
        yield from (visible(line) for line in bench.dropin.splitlines())


def interruption(bench: Bench) -> str:
    """What the script will do to the service."""
    unit = bench.seen.unit
    if is_way_in(unit):
        return _("{unit} is restarted, and you may come in through it: confirm from a new login").format(
            unit=unit
        )
    return _("{unit} is restarted: its work is interrupted, open connections are lost").format(unit=unit)


def follows(bench: Bench) -> str:
    """By which systemd the exposure is worked out: another one may weigh otherwise."""
    here = bench.version or "?"
    return _("Worked out as systemd {version} does it; {here} runs here.").format(version=FOLLOWED, here=here)


def footer() -> str:
    """What nobody can promise."""
    return _(
        "What was not seen during this look may still break: try it where it may fail, and read its log."
    )


def exposure(bench: Bench) -> str:
    """The exposure now and with what is chosen, on one line."""
    now = f"{shown(bench.before)} {predicate(bench.before)}"
    if not bench.chosen:
        return _("exposure {now}").format(now=now)
    then = f"{shown(bench.after)} {predicate(bench.after)}"
    return _("exposure {now} -> {then} (directives: {count})").format(
        now=now, then=then, count=len(bench.chosen)
    )


def facts(seen: Evidence) -> Iterator[str]:
    """What was seen of the service, one thing on each line."""
    if seen.use is None:
        yield _("its processes are not seen: {why}").format(why=seen.why_unseen)
        return
    yield _("processes: {count}, of {users}").format(
        count=seen.use.processes, users=", ".join(seen.users) or "?"
    )
    if seen.use.unread:
        yield _("not readable: the open files or the memory of {count}").format(count=seen.use.unread)
    told = (
        (_("ports below 1024"), tuple(map(str, seen.low_ports))),
        (_("writes"), seen.written),
        (_("devices"), seen.use.devices),
        (_("sockets"), seen.use.families),
        (_("writable and executable memory"), tuple(path or "-" for path in seen.use.executable_memory)),
        (_("namespaces of its own"), seen.namespaces),
        (_("starts sessions or jobs"), (seen.sessions,) if seen.sessions else ()),
    )
    yield from (label + _(": ") + ", ".join(values) for label, values in told if values)


def verdict(found: Judgement) -> str:
    """A verdict with its reason, on one line."""
    return _(found.effect.value) + _(": ") + found.why


def _directive(row: Row, width: int) -> Iterator[str]:
    found = row.judgement
    if found is None:
        return
    mark = "*" if row.chosen is not None else " "
    value = row.chosen if row.chosen is not None else row.proposed
    name = f"{row.directive.name}={value}"
    yield from wrapped(f"{mark} {SIGNS[found.effect]} {name}", width, hanging=" " * 4)
    yield from wrapped(verdict(found), width, " " * 6)
    for needed, wanted in found.needs.items():
        yield from wrapped(_("needs {line}").format(line=f"{needed}={wanted}"), width, " " * 6)


def document(bench: Bench) -> str:
    """The same as JSON; keys are stable, and values in words that no language changes."""
    use = bench.seen.use
    content = {
        "hardentui": __version__,
        "taken-at": bench.snapshot.taken_at,
        "unit": bench.seen.unit,
        "systemd": bench.version or None,
        "exposure-follows-systemd": FOLLOWED,
        "exposure": {"now": bench.before / 10, "chosen": bench.after / 10 if bench.chosen else None},
        "seen": None
        if use is None
        else {
            "processes": use.processes,
            "unread": use.unread,
            "users": list(bench.seen.users),
            "low-ports": list(bench.seen.low_ports),
            "written": list(bench.seen.written),
            "devices": list(use.devices),
            "families": list(use.families),
            "executable-memory": list(use.executable_memory),
            "namespaces": list(bench.seen.namespaces),
            "starts-sessions": bench.seen.sessions or None,
        },
        "directives": [_object(row) for row in bench.rows],
        "drop-in": [f"{name}={value}" for name, value in lines(bench.chosen)],
    }
    return json.dumps(content, indent=2, ensure_ascii=True)


def _object(row: Row) -> dict[str, object]:
    found = row.judgement
    return {
        "name": row.directive.name,
        "since": row.directive.since,
        "current": row.current or None,
        "chosen": row.chosen,
        "proposed": row.proposed or None,
        "verdict": found.effect.name.lower() if found else None,
        "why": found.why if found else None,
        "needs": dict(found.needs) if found else {},
    }
