"""Listening sockets by themselves: whom each one's address is for, and for which programs it waits."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from hardentui.snapshot import KernelFile, Snapshot, Socket, Units, Unread

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_BINDV6ONLY = "/proc/sys/net/ipv6/bindv6only"
_LISTENED = re.compile(r"(?:(?P<address>.*):)?(?P<port>\d+) \((?:Stream|Datagram)\)")


def address_of(text: str) -> Address:
    """The address of a socket, without its interface; one of IPv4 in the clothes of IPv6 as what it is."""
    own = ipaddress.ip_address(text.partition("%")[0])
    return own.ipv4_mapped or own if isinstance(own, ipaddress.IPv6Address) else own


def scope_of(address: str) -> str:
    """Who an address is for: "loopback", "link-local", "multicast", "private", "public" or "any"."""
    own = address_of(address)
    if own.is_unspecified:
        return "any"
    if own.is_multicast:
        return "multicast"
    if own.is_loopback:
        return "loopback"
    if own.is_link_local:
        return "link-local"
    return "private" if own.is_private else "public"


def takes_both(snapshot: Snapshot) -> bool:
    """Whether a socket for all addresses of IPv6 takes IPv4, too, unless its program says otherwise."""
    return snapshot.ask(KernelFile(_BINDV6ONLY)) == "0"


def socket_units(snapshot: Snapshot) -> Mapping[tuple[str, int], str]:
    """By protocol ("tcp" or "udp") and port, the socket unit for which systemd itself listens."""
    units = snapshot.ask(Units())
    found = {}
    for unit in () if isinstance(units, Unread) else units:
        for text in unit.listens:
            if match := _LISTENED.fullmatch(text):
                protocol = "udp" if text.endswith("(Datagram)") else "tcp"
                found[protocol, int(match["port"])] = unit.name
    return found


def unit_of(socket: Socket, units: Mapping[tuple[str, int], str]) -> str:
    """The unit of a socket: its program's; of ``socket_units`` where systemd listens, or nobody is seen."""
    if socket.unit and socket.pid != 1:
        return socket.unit
    return units.get((socket.protocol[:3], socket.port), socket.unit)


def programs(socket: Socket, unit: str) -> frozenset[str]:
    """By which names the program is known that a socket is for: "ssh.socket" is for ssh or sshd."""
    stem = unit.partition(".")[0]
    waiting = {stem, f"{stem}d"} if unit.endswith(".socket") else set()
    return frozenset({socket.process, *waiting} - {""})
