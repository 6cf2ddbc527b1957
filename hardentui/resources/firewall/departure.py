"""Whether the loaded firewall lets this host call other machines: all of some networks, some, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from hardentui.i18n import _
from hardentui.resources.base import explain
from hardentui.resources.firewall import loaded, sources, verdict
from hardentui.resources.firewall.evaluate import Verdict, evaluate
from hardentui.resources.firewall.passage import Passage, Share
from hardentui.resources.firewall.policy import Address, Network
from hardentui.resources.firewall.ruleset import WAY_OUT, Ruleset, Span
from hardentui.resources.firewall.selection import Alike, Selections
from hardentui.resources.firewall.values import Packet
from hardentui.snapshot import Snapshot

_MANY = 3  # rules named where the answer is not known


def departure(snapshot: Snapshot, protocol: str, port: int, networks: Iterable[Network]) -> Passage:
    """How much of ``networks`` this host may call at a port."""
    now = snapshot.derive(loaded.read)
    if now.gap is not None:
        return Passage(Share.UNKNOWN, why=explain(now.gap))
    named = tuple(networks)
    shares: set[Share] = set()
    for version in (4, 6):
        wanted = [_span(network) for network in named if network.version == version]
        ways = list(_ways(snapshot, version))
        if not wanted or not ways:
            continue
        if not any(now.rules.base_chains(version, hook) for hook in WAY_OUT):
            shares.add(Share.ALL)
            continue
        kinds = snapshot.derive(_kinds)[version]
        if kinds is None:
            return Passage(Share.UNKNOWN, why=_("the rules name too many addresses"))
        alike = snapshot.derive(_selections).about(protocol, port).apart(version, kinds)
        for rules, packet in _packets(alike, version, ways, wanted, protocol, port):
            outcome = evaluate(rules, packet)
            if outcome.sure is None:
                return Passage(Share.UNKNOWN, why="; ".join(outcome.doubts[:_MANY]))
            shares.add(Share.ALL if outcome.sure is Verdict.ACCEPT else Share.NONE)
    if not shares:
        return Passage(Share.NONE)
    return Passage(shares.pop() if len(shares) == 1 else Share.SOME)


def kinds_out(snapshot: Snapshot, protocol: str, low: int, high: int) -> tuple[int, ...] | None:
    """One port for each kind of a range that the loaded rules tell apart; None where they are too many."""
    return snapshot.derive(_selections).kinds(protocol, low, high)


def _kinds(snapshot: Snapshot) -> Mapping[int, tuple[sources.SourceClass, ...] | None]:
    """By version of IP, the kinds of machines that no rule tells apart; None for too many."""
    rules = snapshot.derive(loaded.read).rules
    return {version: sources.classes(rules, version) for version in (4, 6)}


def _selections(snapshot: Snapshot) -> Selections:
    return Selections(snapshot.derive(loaded.read).rules, "daddr")


def _packets(
    alike: Iterable[Alike],
    version: int,
    ways: Iterable[tuple[str, Address]],
    wanted: list[Span],
    protocol: str,
    port: int,
) -> Iterator[tuple[Ruleset, Packet]]:
    """One packet for each way out and the kinds of destinations that these rules do not tell apart."""
    make = IPv4Address if version == 4 else IPv6Address  # noqa: PLR2004 - IPv4
    for rules, kinds in alike:
        spans = [span for kind in kinds for span in kind.spans]
        common = next((max(o.low, p.low) for o in wanted for p in spans if _meet(o, p)), None)
        for interface, own in ways if common is not None else ():
            yield rules, Packet(interface, own, make(common or 0), protocol, port, outgoing=True)


def _meet(one: Span, other: Span) -> bool:
    return one.low <= other.high and other.low <= one.high


def _span(network: Network) -> Span:
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


def _ways(snapshot: Snapshot, version: int) -> Iterator[tuple[str, Address]]:
    """The interfaces to other machines, each with an own address of this version."""
    link = ip_network("fe80::/10")
    for one in verdict.interfaces(snapshot):
        for text in one.addresses:
            own = ip_address(text)
            if own.version == version and own not in link:
                yield one.name, own
                break
