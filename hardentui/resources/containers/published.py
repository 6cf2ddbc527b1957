"""Ports that container engines publish: what rules divert before the input chain, and what proxies hold."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Provenance
from hardentui.resources.containers.engines import PROXIES
from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.ruleset import Rule, Ruleset, base_family
from hardentui.resources.listeners import DATABASES
from hardentui.resources.sockets import scope_of
from hardentui.snapshot import File, Reason, Snapshot, Sockets, Unread

DAEMON = "/etc/docker/daemon.json"
_ENGINE_CHAIN = re.compile(r"docker|netavark|cni-|podman|lxd|incus", re.IGNORECASE)
_ANY = {"ip": "0.0.0.0", "ip6": "::"}  # noqa: S104 - what is seen
# Of Docker's own settings, those that say where ports are published and who filters them.
_SETTINGS = ("iptables", "ip6tables", "ip", "userland-proxy", "firewall-backend", "userns-remap", "hosts")


@dataclass(frozen=True, slots=True, order=True)
class Published:
    """A port of the host that leads into a container; ``low`` and ``high`` are 0 where a rule names none."""

    protocol: str
    address: str
    low: int
    high: int
    by: str  # the rule, or the process that holds the socket

    @property
    def name(self) -> str:
        """As a socket is named: "tcp 0.0.0.0:6379"."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        ports = _("every port") if not self.high else str(self.low)
        return f"{self.protocol} {address}:{ports}" + (f"-{self.high}" if self.high > self.low else "")

    @property
    def is_data(self) -> bool:
        """Whether other machines find a database or a message broker there."""
        known = DATABASES.get(self.protocol, frozenset())
        return scope_of(self.address) != "loopback" and any(self.low <= port <= self.high for port in known)


def published(snapshot: Snapshot) -> tuple[tuple[Published, ...], Gap | None]:
    """All published ports, each once, and what could not be read of them."""
    now = snapshot.derive(loaded.read)
    found = list(_of_rules(now.rules))
    gap = now.gap
    sockets = snapshot.ask(Sockets())
    if isinstance(sockets, Unread):
        gap = gap or sockets.gap(_("listening sockets"))
    else:
        found += [
            Published(one.protocol.removesuffix("6"), one.address, one.port, one.port, one.process)
            for one in sockets
            if one.process in PROXIES and one.protocol != "unix"
        ]
        hidden = sorted({one.port for one in sockets if one.protocol != "unix" and not one.pid})
        if hidden:
            ports = ", ".join(map(str, hidden))
            gap = gap or Gap(GapKind.DENIED, _("whose the ports {ports} are").format(ports=ports))
    # A rule of which the ports are not understood may lead to a database, too.
    wide = [one.by for one in found if not one.high and scope_of(one.address) != "loopback"]
    gap = gap or (Gap(GapKind.UNMODELLED, wide[0]) if wide else None)
    once = {(one.protocol, one.address, one.low, one.high): one for one in reversed(found)}
    return tuple(sorted(once.values())), gap


def _of_rules(rules: Ruleset) -> Iterator[Published]:
    for (family, table, name), chain in rules.chains.items():
        if _ENGINE_CHAIN.search(f"{table} {name}"):
            for rule in chain.rules:
                yield from _of_rule(rule, base_family(family))


def _of_rule(rule: Rule, family: str) -> Iterator[Published]:
    """What one rule diverts to a container, if it does."""
    kinds = {next(iter(node)) for node in rule.statements if isinstance(node, dict) and node}
    if not kinds & {"dnat", "redirect"}:
        return
    protocols, address, spans = ["tcp", "udp"], _ANY.get(family, _ANY["ip"]), [(0, 0)]
    for node in rule.statements:
        match = node.get("match") if isinstance(node, dict) else None
        if not isinstance(match, dict) or match.get("op") not in ("==", "in"):
            continue
        left, right = match.get("left"), match.get("right")
        payload = left.get("payload") if isinstance(left, dict) else None
        protocol, field = (
            (payload.get("protocol"), payload.get("field")) if isinstance(payload, dict) else ("", "")
        )
        if field == "dport":
            spans = list(_spans(right)) or spans
            protocols = [protocol] if protocol in ("tcp", "udp") else protocols
        elif field == "daddr":
            address = _address(right) or address
        elif left == {"meta": {"key": "l4proto"}} and right in ("tcp", "udp"):
            protocols = [right]
    for spoken in protocols:
        for low, high in spans:
            yield Published(spoken, address, low, high, rule.place)


def _spans(node: Any) -> Iterator[tuple[int, int]]:
    if isinstance(node, int):
        yield node, node
    elif isinstance(node, dict) and isinstance(ends := node.get("range"), list):
        if len(ends) == 2 and all(isinstance(end, int) for end in ends):  # noqa: PLR2004 - from and to
            yield ends[0], ends[1]
    elif isinstance(node, dict) and isinstance(node.get("set"), list):
        for inner in node["set"]:
            yield from _spans(inner)


def _address(node: Any) -> str:
    """The one address that a rule is for; "" where it is for several."""
    if isinstance(node, dict) and isinstance(prefix := node.get("prefix"), dict):
        try:
            network = ipaddress.ip_network(f"{prefix.get('addr')}/{prefix.get('len')}", strict=False)
        except ValueError:
            return ""
        return str(network.network_address) if network.num_addresses == 1 or network.is_loopback else ""
    try:
        return str(ipaddress.ip_address(node)) if isinstance(node, str) else ""
    except ValueError:
        return ""


def settings(snapshot: Snapshot) -> tuple[Provenance, ...]:
    """What Docker's own file says of the ports; a file that is no such JSON says so."""
    text = snapshot.ask(File(DAEMON))
    if isinstance(text, Unread):
        return () if text.reason is Reason.MISSING else (Provenance(DAEMON, text=str(text.reason)),)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return (Provenance(DAEMON, text=_("not JSON")),)
    said = [f"{name}={json.dumps(document[name])}" for name in _SETTINGS if name in document]
    return (Provenance(DAEMON, text=", ".join(said)),)
