"""How much of some networks the loaded firewall lets through to a port of this host: all, some, none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network

from hardentui.resources.firewall.policy import Network
from hardentui.resources.firewall.reach import Door, From, Reach

Range = tuple[int, int]  # from the first address to the last, as numbers

# Addresses that no packet of another machine has as its source; see sources.py.
_NEVER = {
    4: [ip_network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")],
    6: [ip_network(text) for text in ("::/127", "ff00::/8")],
}
EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_LINK = ip_network("fe80::/10")


class Share(StrEnum):
    """How much gets through."""

    ALL = "all"
    SOME = "some"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Passage:
    """The answer; ``published`` says that a container engine diverts the port, past the rules for input."""

    share: Share
    published: bool = False
    why: str = ""


def passage(
    doors: Mapping[Door, Reach], networks: Iterable[Network], without: Iterable[Network] = ()
) -> Passage | None:
    """How much of ``networks``, but those ``without``, gets in by these ways.

    None where nothing is asked: no machine is left, or no way speaks its version of IP.
    """
    named, left_out = tuple(networks), tuple(without)
    asked = {v: _minus(_common(_ranges(named, v), _everybody(v)), _ranges(left_out, v)) for v in (4, 6)}
    shares: set[Share] = set()
    published, why = False, ""
    for door, reach in doors.items():
        version = door.address.version
        link = _ranges([_LINK], version)
        usable = (_common if door.address.is_link_local else _minus)(asked[version], link)
        if not usable:
            continue
        published = published or reach.kind is From.DIVERTED
        if reach.kind is From.UNKNOWN:
            why = why or reach.show()
            shares.add(Share.UNKNOWN)
            continue
        passing = _size(_common(usable, _let_in(reach, version)))
        shares.add(Share.ALL if passing == _size(usable) else Share.SOME if passing else Share.NONE)
    if not shares:
        return None
    if Share.UNKNOWN in shares:
        return Passage(Share.UNKNOWN, published, why)
    return Passage(shares.pop() if len(shares) == 1 else Share.SOME, published)


def together(parts: Iterable[Passage | None]) -> Passage | None:
    """How much gets through of several ports, where each has an answer; None where nothing is asked."""
    asked = [one for one in parts if one is not None]
    if not asked:
        return None
    shares = {one.share for one in asked}
    share = Share.UNKNOWN if Share.UNKNOWN in shares else shares.pop() if len(shares) == 1 else Share.SOME
    why = next((one.why for one in asked if one.share is Share.UNKNOWN), "")
    return Passage(share, any(one.published for one in asked), why)


def _let_in(reach: Reach, version: int) -> list[Range]:
    match reach.kind:
        case From.ANY:
            return _minus(_everybody(version), _ranges(map(ip_network, reach.without), version))
        case From.SOME:
            return _ranges(map(ip_network, reach.networks), version)
        case From.DIVERTED:
            return _everybody(version)
        case _:
            return []


def _everybody(version: int) -> list[Range]:
    bits = 32 if version == 4 else 128  # noqa: PLR2004 - IPv4
    return _minus([(0, 2**bits - 1)], _ranges(_NEVER[version], version))


def _ranges(networks: Iterable[Network], version: int) -> list[Range]:
    """The networks of one version as ranges, in order and apart."""
    found = sorted(
        (int(n.network_address), int(n.broadcast_address)) for n in networks if n.version == version
    )
    apart: list[Range] = []
    for low, high in found:
        if apart and low <= apart[-1][1] + 1:
            apart[-1] = (apart[-1][0], max(high, apart[-1][1]))
        else:
            apart.append((low, high))
    return apart


def _common(ones: Sequence[Range], others: Sequence[Range]) -> list[Range]:
    return [(max(a, c), min(b, d)) for a, b in ones for c, d in others if max(a, c) <= min(b, d)]


def _minus(ones: Sequence[Range], taken: Sequence[Range]) -> list[Range]:
    left = list(ones)
    for low, high in taken:
        left = [
            part
            for a, b in left
            for part in (((a, b),) if high < a or b < low else ((a, low - 1), (high + 1, b)))
            if part[0] <= part[1]
        ]
    return left


def _size(ranges: Iterable[Range]) -> int:
    return sum(high - low + 1 for low, high in ranges)
