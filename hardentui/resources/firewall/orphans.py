"""Forgotten openings: ports that a rule of the loaded firewall lets in, and nothing listens there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hardentui.i18n import _
from hardentui.model import Provenance, Reading
from hardentui.resources.base import nothing
from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.policy import span_text
from hardentui.resources.firewall.ruleset import Chain, Json, Rule, Ruleset, Span, literal
from hardentui.snapshot import Snapshot, Socket, Unread

_CLIENTS = {("udp", 68), ("udp", 546)}  # of DHCP: they listen while they ask only
_WIDE = 64  # ports of one rule; more are no opening for one service


def read(snapshot: Snapshot, seen: tuple[Socket, ...] | Unread) -> Reading:
    """The ports that a rule lets in and at which nothing listens; "none" where there are none."""
    if isinstance(seen, Unread):
        return nothing(seen, _("listening sockets"))
    now = snapshot.derive(loaded.read)
    if now.gap is not None:
        return Reading(gap=now.gap, provenance=now.provenance)
    listening = {(one.protocol[:3], one.port) for one in seen if one.protocol != "unix"}
    listening |= _CLIENTS
    orphans: dict[str, str] = {}
    for rule in _of_input(now.rules):
        for protocol, low, high in _opened(rule):
            behind = any(p == protocol and low <= port <= high for p, port in listening)
            if not behind and high - low < _WIDE:
                ports = span_text(low, high)
                orphans[f"{protocol} {ports}"] = rule.place
    places = tuple(Provenance(place, text=port) for port, place in orphans.items())
    return Reading({"": "; ".join(sorted(orphans)) or "none"}, provenance=places or now.provenance)


def _of_input(rules: Ruleset) -> Iterator[Rule]:
    """The rules that packets for this host can come to."""
    waiting = [c for c in rules.chains.values() if c.hook == "input"]
    known: dict[int, Chain] = {}
    while waiting:
        chain = waiting.pop()
        if id(chain) in known:
            continue
        known[id(chain)] = chain
        for rule in chain.rules:
            yield rule
            for name in _targets(rule.statements):
                following = rules.chains.get((chain.family, chain.table, name))
                if following is not None:
                    waiting.append(following)


def _targets(node: Json) -> Iterator[str]:
    """The chains that a rule may go to."""
    if isinstance(node, Mapping):
        for kind, inner in node.items():
            if (
                kind in {"jump", "goto"}
                and isinstance(inner, Mapping)
                and isinstance(inner.get("target"), str)
            ):
                yield inner["target"]
            else:
                yield from _targets(inner)
    elif isinstance(node, list | tuple):
        for inner in node:
            yield from _targets(inner)


def _opened(rule: Rule) -> Iterator[tuple[str, int, int]]:
    """The ports that a rule names and lets in."""
    kinds = {next(iter(node)) for node in rule.statements if isinstance(node, Mapping) and node}
    if "accept" not in kinds:
        return
    for node in rule.statements:
        match = node.get("match") if isinstance(node, Mapping) else None
        if not isinstance(match, Mapping) or match.get("op") not in ("==", "in"):
            continue
        payload = match.get("left", {}).get("payload") if isinstance(match.get("left"), Mapping) else None
        if not isinstance(payload, Mapping) or payload.get("field") != "dport":
            continue
        for span in _spans(match.get("right")):
            for protocol in ("tcp", "udp") if payload.get("protocol") == "th" else (payload.get("protocol"),):
                if protocol in {"tcp", "udp"}:
                    yield str(protocol), span.low, span.high


def _spans(node: Json) -> Iterator[Span]:
    if isinstance(node, Mapping) and isinstance(node.get("set"), list):
        for inner in node["set"]:
            yield from _spans(inner)
        return
    found = literal(node)
    if isinstance(found, Span) and not found.version:
        yield found
