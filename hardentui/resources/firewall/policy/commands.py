"""A policy as the commands of ufw and firewalld, for a person on a host that one of them holds.

Their rules stand in files of their own, among those that people wrote: which of these are still wanted is
for a person to say. So the commands add what the policy permits, and close the rest; the last ones show
what else is open.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network

from hardentui.resources.firewall.policy import Network, Permit, Policy, peer_text

_MOST_PORTS = 15  # that one rule of ufw names; a range counts twice
_NAME = "hardentui"  # of the zone and the policy of firewalld


def ufw(policy: Policy) -> Iterator[str]:
    """What makes ufw let in and out what the policy does; each line counts as soon as it was run."""
    for permit in policy.permits:
        for ports in _by_fifteen(permit):
            for peer in _peers(permit):
                ends = f"from {peer} to any" if permit.direction == "in" else f"to {peer}"
                yield (
                    f"ufw allow {permit.direction} proto {permit.protocol} {ends} port {ports} "
                    f"comment {shlex.quote(permit.name)}"
                )
    yield "ufw default deny incoming"
    yield f"ufw default {'deny' if policy.outgoing == 'drop' else 'allow'} outgoing"
    yield "ufw logging low"
    yield "ufw status numbered"


def firewalld(policy: Policy) -> Iterator[str]:
    """What makes firewalld let in and out what the policy does; nothing changes before --reload."""
    zone = f"firewall-cmd --permanent --zone={_NAME}"
    yield f"firewall-cmd --permanent --new-zone={_NAME}"
    yield f"{zone} --set-target=DROP"
    yield _rich(zone, 'icmp-type name="echo-request" accept limit value="20/s"')
    yield from _permits(zone, policy, "in")
    if policy.outgoing == "drop":
        out = f"firewall-cmd --permanent --policy={_NAME}-out"
        yield f"firewall-cmd --permanent --new-policy={_NAME}-out"
        yield f"{out} --add-ingress-zone=HOST"
        yield f"{out} --add-egress-zone=ANY"
        yield f"{out} --set-target=DROP"
        yield _rich(out, 'protocol value="icmp" accept')
        yield _rich(out, 'protocol value="ipv6-icmp" accept')
        yield from _permits(out, policy, "out")
    yield "firewall-cmd --check-config"
    yield "firewall-cmd --reload"
    yield f"firewall-cmd --set-default-zone={_NAME}"
    yield "firewall-cmd --set-log-denied=unicast"
    yield "firewall-cmd --get-active-zones"


OF_HOLDER: Mapping[str, Callable[[Policy], Iterator[str]]] = {"firewalld": firewalld, "ufw": ufw}


def _permits(where: str, policy: Policy, direction: str) -> Iterator[str]:
    for permit in policy.permits:
        if permit.direction != direction:
            continue
        for peer in permit.peers or (None,):
            for low, high in permit.ports:
                port = str(low) if low == high else f"{low}-{high}"
                rule = f'{_end(permit, peer)}port port="{port}" protocol="{permit.protocol}" accept'
                yield _rich(where, rule)


def _end(permit: Permit, peer: Network | None) -> str:
    if peer is None:
        return ""
    family = "ipv4" if isinstance(peer, IPv4Network) else "ipv6"
    end = "source" if permit.direction == "in" else "destination"
    return f'family="{family}" {end} address="{peer_text(peer)}" '


def _rich(where: str, rule: str) -> str:
    return f"{where} --add-rich-rule={shlex.quote(f'rule {rule}')}"


def _peers(permit: Permit) -> tuple[str, ...]:
    return tuple(map(peer_text, permit.peers)) or ("any",)


def _by_fifteen(permit: Permit) -> Iterator[str]:
    """The ports of a permit, as many at a time as one rule of ufw takes."""
    words: list[str] = []
    count = 0
    for low, high in permit.ports:
        size = 1 if low == high else 2
        if count + size > _MOST_PORTS:
            yield ",".join(words)
            words, count = [], 0
        words.append(str(low) if low == high else f"{low}:{high}")
        count += size
    yield ",".join(words)
