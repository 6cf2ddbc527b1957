"""The listening sockets of a host as a table, or as JSON: who listens, for whom, reached from where."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence

from hardentui import __version__
from hardentui.export.text import wrapped
from hardentui.i18n import _
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.reach import Reach
from hardentui.resources.listeners import Listener, listeners, scope_word
from hardentui.snapshot import Snapshot
from hardentui.visible import visible

_GAP = "  "
_REACH = 20  # characters that the last column has at least: it is broken, the others are not
_GIVING_WAY = (3, 5, 6)  # the address tells the scope already; then the user, and the unit


def table(snapshot: Snapshot, width: int) -> Iterator[str] | Gap:
    """The lines of the table, and after them what could not be seen; or why there is none."""
    found = listeners(snapshot)
    return found if isinstance(found, Gap) else _lines(snapshot, found, width)


def document(snapshot: Snapshot) -> str | Gap:
    """The same as JSON; keys are stable, and values in words that no language changes."""
    found = listeners(snapshot)
    if isinstance(found, Gap):
        return found
    gap = snapshot.derive(loaded.read).gap
    content = {
        "hardentui": __version__,
        "taken-at": snapshot.taken_at,
        "firewall-unread": f"{gap.kind.value}: {gap.detail}" if gap else None,
        "processes-hidden": not snapshot.as_root and any(not one.socket.process for one in found),
        "listeners": [_object(one) for one in found],
    }
    # ASCII: bytes of the host that are not UTF-8 survive as lone surrogates.
    return json.dumps(content, indent=2, ensure_ascii=True)


def _object(one: Listener) -> dict[str, object]:
    seen = one.socket
    return {
        "protocol": one.protocol,
        "address": seen.address,
        "port": seen.port,
        "scope": one.scope,
        "dual-stack": one.dual,
        "interfaces": list(one.interfaces),
        "process": seen.process or None,
        "pid": seen.pid or None,
        "user": seen.user or None,
        "unit": one.unit or None,
        "reachable": [
            {
                "at": place or None,
                "from": reach.kind.value,
                "networks": list(reach.networks),
                "without": list(reach.without),
                "why": reach.plain_why() or None,
            }
            for place, reach in one.reach.items()
        ],
    }


def _lines(snapshot: Snapshot, found: Sequence[Listener], width: int) -> Iterator[str]:
    heads = (
        *(_("proto"), _("address"), _("port"), _("scope"), _("process"), _("user"), _("unit")),
        _("reachable from"),
    )
    rows = [heads, *(_row(one) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    shown = _fitting(widths, width)
    before = sum(widths[column] + len(_GAP) for column in shown)
    for row in rows:
        cells = [row[column].ljust(widths[column]) for column in shown]
        first, *more = textwrap.wrap(row[-1], max(_REACH, width - before)) or [""]
        yield _GAP.join([*cells, first]).rstrip()
        yield from (" " * before + line for line in more)
    if lacking := ", ".join(heads[column] for column in range(len(heads) - 1) if column not in shown):
        yield ""
        yield from wrapped(_("No room for: {columns}.").format(columns=lacking), width)
    gap = snapshot.derive(loaded.read).gap
    if gap is not None:
        yield ""
        sentence = _("The firewall's rules could not be read, so nobody knows here who is let in: {why}")
        yield from wrapped(sentence.format(why=explain(gap)), width)
    if not snapshot.as_root and any(not one.socket.process for one in found):
        yield ""
        yield from wrapped(_("Processes of other users are hidden: run it with sudo to see them."), width)


def _fitting(widths: Sequence[int], width: int) -> tuple[int, ...]:
    """The columns before the last for which there is room beside it, in their order."""
    shown = list(range(len(widths) - 1))
    for column in _GIVING_WAY:
        needed = sum(widths[each] + len(_GAP) for each in shown) + min(widths[-1], _REACH)
        if needed > width:
            shown.remove(column)
    return tuple(shown)


def _row(one: Listener) -> tuple[str, ...]:
    seen = one.socket
    cells = (
        *(one.protocol, seen.address, str(seen.port), scope_word(one), one.process or "-", seen.user or "-"),
        *(one.unit or "-", one.reachable(Reach.show)),
    )
    return tuple(visible(cell) for cell in cells)
