"""What a new policy would cut: connections that are open now, and that no line of it lets through."""

from __future__ import annotations

from collections.abc import Iterable

from hardentui.resources.connections import Contact
from hardentui.resources.firewall.policy import Policy


def unsaid(policy: Policy, seen: Iterable[Contact]) -> tuple[Contact, ...]:
    """The connections that the policy does not let through, and that nobody acknowledged with a reason."""
    said = {(cut.direction, cut.protocol, cut.port, cut.peer) for cut in policy.cuts}
    return tuple(
        one
        for one in seen
        if not policy.lets(one.direction, one.protocol, one.port, one.address)
        and said.isdisjoint((one.direction, one.protocol, one.port, peer) for peer in (one.address, None))
    )
