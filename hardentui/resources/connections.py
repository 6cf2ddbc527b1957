"""Who is connected with other machines now, and who called whom: the way to a listening socket is in."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from dataclasses import dataclass
from typing import cast

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.firewall.policy import Address, Direction, Protocol
from hardentui.snapshot import Connection, Connections, Snapshot, Sockets, Unread

_TEXT = re.compile(r"(in|out) (tcp|udp) ([0-9]{1,5}) ([0-9a-f.:]+)")


@dataclass(frozen=True, slots=True, order=True)
class Contact:
    """Connections of one kind with one machine; ``port`` is the one that was called."""

    direction: Direction
    protocol: Protocol
    port: int
    peer: str
    process: str
    unit: str
    count: int

    @property
    def address(self) -> Address:
        """The other machine."""
        return ipaddress.ip_address(self.peer)

    def __str__(self) -> str:
        return f"{self.direction} {self.protocol} {self.port} {self.peer}"

    @classmethod
    def parse(cls, text: str) -> Contact:
        """From what ``str`` gives; who is connected, and how often, is not in it.

        Raises:
            ValueError: it is of no such form.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(_("{text} is no connection").format(text=ascii(text[:80])))
        ipaddress.ip_address(found[4])
        direction, protocol = cast("Direction", found[1]), cast("Protocol", found[2])
        return cls(direction, protocol, int(found[3]), found[4], "", "", 1)


def contacts(snapshot: Snapshot) -> tuple[Contact, ...] | Gap:
    """All that is connected with other machines; those of containers with a network of their own are not."""
    if not snapshot.live:
        return Gap(GapKind.UNSUPPORTED, _("an image does not run"))
    for question in (Connections(), Sockets()):
        seen = snapshot.ask(question)
        if isinstance(seen, Unread):
            return seen.gap(_("connections"))
    return snapshot.derive(_contacts)


def _contacts(snapshot: Snapshot) -> tuple[Contact, ...]:
    seen, sockets = snapshot.ask(Connections()), snapshot.ask(Sockets())
    if isinstance(seen, Unread) or isinstance(sockets, Unread):
        return ()
    listening = {(one.protocol[:3], one.port) for one in sockets}
    found = Counter(key for one in seen if (key := _key(one, listening)))
    return tuple(sorted(Contact(*key, count) for key, count in found.items()))


def _key(
    one: Connection, listening: set[tuple[str, int]]
) -> tuple[Direction, Protocol, int, str, str, str] | None:
    """What connections that count as one have in common; None for one of no known form."""
    protocol: Protocol = "udp" if one.protocol == "udp" else "tcp"
    called_here = (one.protocol, one.port) in listening
    port = one.port if called_here else one.peer_port
    try:
        ipaddress.ip_address(one.peer)
    except ValueError:
        return None  # a recording that was edited
    return ("in" if called_here else "out"), protocol, port, one.peer, one.process, one.unit
