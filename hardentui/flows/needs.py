"""What is needed of this host's firewall: the flows of its applications that begin or end here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hardentui.flows.bindings import Application, Bindings, Bound, is_needed, log_relays, own_addresses
from hardentui.flows.profile import Flow, Ports
from hardentui.resources.firewall.policy import Address, Direction, Permit
from hardentui.resources.listeners import Listener
from hardentui.resources.sockets import programs
from hardentui.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a flow, as a person binds it: ``id`` is the question that asks who they are."""

    id: str
    title: str
    bound: Bound


@dataclass(frozen=True)
class Need:
    """A flow that this host takes part in; ``name`` is how a policy calls it.

    ``parties`` are the other side: () where that is this host itself, and loopback is enough.
    ``flow`` is None for one that a person added.
    """

    name: str
    title: str
    direction: Direction
    ports: Ports
    parties: tuple[Party, ...]
    application: Application | None = None
    flow: Flow | None = None


def needs(
    bindings: Bindings, snapshot: Snapshot, listeners: Iterable[Listener], added: Iterable[Permit]
) -> tuple[Need, ...]:
    """All of them: those of the applications in their order, then what a person added."""
    own, listening = own_addresses(snapshot), tuple(listeners)
    found: list[Need] = []
    for application in bindings.applications:
        for flow in application.flows:
            if is_needed(snapshot, flow.needs):
                found += _of_flow(application, flow, own, listening, snapshot)
    return (*found, *map(_of_permit, added))


def _of_flow(
    application: Application,
    flow: Flow,
    own: frozenset[Address],
    listening: tuple[Listener, ...],
    snapshot: Snapshot,
) -> Iterator[Need]:
    name = f"{application.profile.id}.{flow.id}"
    title = str(flow.title)
    begins_here = bool(application.roles & set(flow.origins))
    ends_here = bool(application.roles & set(flow.destinations))
    if ends_here:
        parties = tuple(_parties(application, flow.origins, own))
        if parties or begins_here:
            yield Need(name, title, "in", _here(flow, listening), parties, application, flow)
    if begins_here and (parties := tuple(_parties(application, flow.destinations, own))):
        yield Need(name, title, "out", _there(flow, snapshot), parties, application, flow)


def _parties(application: Application, objects: Iterable[str], own: frozenset[Address]) -> Iterator[Party]:
    """These objects, but not where they are this host alone, nor the makers' additions that nobody bound."""
    for id_ in objects:
        one = application.profile.object(id_)
        bound = application.objects[id_]
        others = tuple(n for n in bound.networks if n.num_addresses > 1 or n.network_address not in own)
        if one is None or (id_ in application.roles and not others) or (one.upstream and not bound.known):
            continue
        yield Party(one.question, str(one.title), Bound(others, bound.names, bound.by))


def _here(flow: Flow, listening: tuple[Listener, ...]) -> Ports:
    """The ports of a flow that ends here: where its program is seen to listen, those."""
    seen = {
        (one.socket.port, one.socket.port)
        for one in listening
        if flow.program
        and one.exposed
        and one.protocol == flow.ports.protocol
        and flow.program in programs(one.socket, one.unit)
    }
    return Ports(flow.ports.protocol, tuple(sorted(seen))) if seen else flow.ports


def _there(flow: Flow, snapshot: Snapshot) -> Ports:
    """The ports of a flow that begins here: a relay of logs has those of rsyslog's files."""
    seen = {(port, port) for _host, port in snapshot.derive(log_relays)} if flow.needs == "relp" else ()
    return Ports(flow.ports.protocol, tuple(sorted(seen))) if seen else flow.ports


def _of_permit(permit: Permit) -> Need:
    party = Party(f"added:{permit.name}", permit.name, Bound(permit.peers, (), "added"))
    if not permit.peers:
        party = Party(party.id, party.title, Bound.everybody("added"))
    return Need(permit.name, permit.name, permit.direction, Ports(permit.protocol, permit.ports), (party,))
