"""A policy that shuts administrators out: nobody whatever could come in to a port on which sshd listens.

Who is connected just now says nothing of it: nobody may be. A policy that lets in somebody, were it one
address, is a choice and no mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.firewall.policy import Direction, Policy, Protocol
from hardentui.resources.sockets import address_of, programs, scope_of, socket_units, takes_both, unit_of
from hardentui.snapshot import Snapshot, Sockets, Unread

_PROGRAM = "sshd"
_TEXT = re.compile(r"tcp ([1-9][0-9]{0,4}) \((IPv4|IPv6|IPv4, IPv6)\)")
_VERSIONS = {(4,): "IPv4", (6,): "IPv6", (4, 6): "IPv4, IPv6"}
_UNREAD = "unread"


@dataclass(frozen=True, slots=True, order=True)
class Entrance:
    """A TCP port on which sshd waits for other machines, and the versions of IP over which it does.

    As text it is what a policy names that shuts it: this port, for any peer. ``seen`` is False where
    nobody could look, and this is sshd's own default.
    """

    direction: ClassVar[Direction] = "in"
    protocol: ClassVar[Protocol] = "tcp"
    address: ClassVar[None] = None
    port: int
    versions: tuple[int, ...]
    seen: bool = True

    def __str__(self) -> str:
        return f"{self.direction} {self.protocol} {self.port} any"

    @property
    def place(self) -> str:
        """Where sshd listens, in words that no language changes: what a plan keeps."""
        return f"{self.protocol} {self.port} ({_VERSIONS[self.versions]})" if self.seen else _UNREAD

    @classmethod
    def parse(cls, place: str) -> Entrance:
        """From what ``place`` gives.

        Raises:
            ValueError: it is of no such form.
        """
        if place == _UNREAD:
            return ASSUMED
        found = _TEXT.fullmatch(place)
        if found is None:
            raise ValueError(_("{text} is no port of sshd").format(text=ascii(place[:80])))
        return cls(int(found[1]), next(one for one, words in _VERSIONS.items() if words == found[2]))

    def is_open(self, policy: Policy) -> bool:
        """Whether the policy lets any machine in."""
        return any(
            permit.direction == self.direction
            and permit.names(self.protocol, self.port)
            and (not permit.peers or any(peer.version in self.versions for peer in permit.peers))
            for permit in policy.permits
        )


ASSUMED = Entrance(22, (4, 6), seen=False)


def entrances(snapshot: Snapshot) -> tuple[Entrance, ...] | Gap:
    """Where sshd listens for other machines now, itself or by a socket unit."""
    if not snapshot.live:
        return Gap(GapKind.UNSUPPORTED, _("an image does not run"))
    sockets = snapshot.ask(Sockets())
    if isinstance(sockets, Unread):
        return sockets.gap(_("listening sockets"))
    both, units = takes_both(snapshot), socket_units(snapshot)
    found: dict[int, set[int]] = {}
    hidden = False
    for one in sockets:
        if one.protocol not in {"tcp", "tcp6"} or scope_of(one.address) == "loopback":
            continue
        unit = unit_of(one, units)
        hidden = hidden or not (one.process or unit)
        # Whoever likes may call a process sshd; the one that lets administrators in is root's.
        if _PROGRAM in programs(one, unit) and one.user in {"", "root"}:
            dual = both and one.address == "::"
            found.setdefault(one.port, set()).update((4, 6) if dual else (address_of(one.address).version,))
    if hidden and not found and not snapshot.as_root:
        return Gap(GapKind.DENIED, _("the programs behind listening sockets"))
    return tuple(Entrance(port, tuple(sorted(versions))) for port, versions in sorted(found.items()))


def known(found: tuple[Entrance, ...] | Gap) -> tuple[Entrance, ...]:
    """These, or what stands for them where they could not be read."""
    return (ASSUMED,) if isinstance(found, Gap) else found


def shut(policy: Policy, listening: Iterable[Entrance]) -> tuple[Entrance, ...]:
    """Where sshd listens, if the policy lets nobody in to any of it; without what somebody acknowledged."""
    listed = tuple(listening)
    if any(one.is_open(policy) for one in listed):
        return ()
    said = {(cut.direction, cut.protocol, cut.port, cut.peer) for cut in policy.cuts}
    return tuple(one for one in listed if (one.direction, one.protocol, one.port, one.address) not in said)


def sentence(one: Entrance) -> str:
    """What a policy does that shuts this."""
    if one.seen:
        where = _("sshd listens on {place}").format(place=one.place)
    else:
        where = _("where sshd listens could not be read (by itself on tcp {port})").format(port=one.port)
    return _(
        "{where}, and no line of the policy lets anybody in there: nobody could log in from afar any more"
    ).format(where=where)
