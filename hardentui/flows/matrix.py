"""The matrix of flows: what the applications of a host need, against what listens and what is let through.

Rows are ports of this host, and machines that it calls; columns are who may come: this host itself, each
object that the applications name, and everybody else. Pure. Never complete: the sources say so themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from hardentui.flows.bindings import Bindings, Bound
from hardentui.flows.needs import Need, Party, needs
from hardentui.flows.profile import Component, Port
from hardentui.i18n import N_, _
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.resources.connections import Contact, contacts
from hardentui.resources.firewall import loaded, verdict
from hardentui.resources.firewall.departure import departure, kinds_out
from hardentui.resources.firewall.evaluate import evaluate
from hardentui.resources.firewall.passage import EVERYWHERE, Passage, Share, passage, together
from hardentui.resources.firewall.policy import Direction, Network, Permit, span_text
from hardentui.resources.firewall.reach import Door, From, Reach
from hardentui.resources.firewall.values import Packet
from hardentui.resources.listeners import Listener, kinds_in, listeners, ways_in
from hardentui.snapshot import Snapshot

HERE, OTHERS = "here", "others"  # the columns beside those of objects


class State(StrEnum):
    """What a cell says."""

    WANTED = N_("open, as needed")
    SILENT = N_("let through, and nothing listens")
    NARROW = N_("needed, and not let through")
    PARTLY = N_("needed, and let through in part only")
    WIDE = N_("open, and nothing here says that it is needed")
    PARTLY_WIDE = N_("open in part, and nothing here says that it is needed")
    SHUT = N_("not let through")
    UNBOUND = N_("needed, and nobody has said who that is")
    UNKNOWN = N_("not known")

    @property
    def differs(self) -> bool:
        """Whether somebody should look."""
        return self in _DIFFERING


_DIFFERING = {State.NARROW, State.PARTLY, State.WIDE, State.PARTLY_WIDE, State.UNBOUND}
_CLOSED = Passage(Share.NONE)
T = TypeVar("T")
_Doors = tuple[tuple[Door, Reach], ...]
_Way = tuple[tuple[_Doors, ...], tuple[Network, ...], tuple[Network, ...]]
_MOST_NAMED = 4  # rules beside a cell
_MANY_KINDS = N_("rules change ports, or ask for them in another form: each of the range may end differently")


@dataclass(frozen=True, slots=True)
class Cell:
    """One port from one side: what it says, whether it is needed, what gets through, who is connected."""

    state: State
    needed: bool
    passage: Passage
    count: int = 0


@dataclass(frozen=True)
class Line:
    """A row: ports of this host ("in"), or of machines that it calls ("out").

    ``needs`` are the flows that ask for it: none where nothing here expects it. ``cells`` has no entry
    for a column where nothing is asked.
    """

    direction: Direction
    protocol: str
    low: int
    high: int
    needs: tuple[Need, ...] = ()
    listeners: tuple[Listener, ...] = ()
    contacts: tuple[Contact, ...] = ()
    advice: tuple[tuple[Component, Port], ...] = ()
    cells: Mapping[str, Cell] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What no other row has."""
        whose = (self.needs[0].name if self.needs else self.processes) if self.direction == "out" else ""
        return f"{self.direction} {self.protocol} {self.ports} {whose}".strip()

    @property
    def ports(self) -> str:
        """The ports alone."""
        return span_text(self.low, self.high)

    @property
    def processes(self) -> str:
        """Who listens, or who calls; "" where nobody is seen."""
        found = self.listeners if self.direction == "in" else self.contacts
        names = [one.process for one in found]
        return ", ".join(dict.fromkeys(filter(None, names)))

    @property
    def peers(self) -> str:
        """Who is called: the objects, or the machines that are seen."""
        named = dict.fromkeys(party.title for need in self.needs for party in need.parties)
        return ", ".join(named or dict.fromkeys(one.peer for one in self.contacts))

    @property
    def differs(self) -> bool:
        """Whether one of its cells should be looked at."""
        return any(cell.state.differs for cell in self.cells.values())


@dataclass(frozen=True)
class Matrix:
    """All rows and columns, and what could not be read."""

    bindings: Bindings
    needs: tuple[Need, ...]
    columns: tuple[Party, ...]
    lines: tuple[Line, ...]
    contacts: tuple[Contact, ...]
    gaps: tuple[Gap, ...]

    def line(self, id_: str) -> Line | None:
        """The row of this id."""
        return next((one for one in self.lines if one.id == id_), None)

    @cached_property
    def differing(self) -> int:
        """How many rows should be looked at."""
        return sum(one.differs for one in self.lines)


def build(bindings: Bindings, snapshot: Snapshot, added: Iterable[Permit] = ()) -> Matrix:
    """The matrix of a host; ``added`` are the flows that a person named."""
    return _Builder(bindings, snapshot, added).matrix()


def decides(snapshot: Snapshot, line: Line, bound: Bound) -> str:
    """The loaded rule that speaks last about a port for the machines of a column; "" where none does.

    It is asked for one machine at each way in, which is what a detail needs. In a row of several ports each
    rule stands behind the first one about which it speaks.
    """
    now = snapshot.derive(loaded.read)
    if now.gap is not None:
        return ""
    alike: dict[_Doors, int] = {}
    for port, doors in _ways(snapshot, line).items():
        alike.setdefault(tuple(doors.items()), port)
    found: dict[str, int] = {}
    for ways, port in alike.items():
        for door, _reach in ways:
            source = next((n for n in bound.networks if n.version == door.address.version), None)
            if source is None or door.address.is_link_local:
                continue
            first = source.network_address + (1 if source.num_addresses > 2 else 0)  # noqa: PLR2004 - the network itself
            outcome = evaluate(now.rules, Packet(door.interface, first, door.address, line.protocol, port))
            found.setdefault(outcome.by, port)
    found.pop("", None)
    named = [rule if line.low == line.high else f"{port}: {rule}" for rule, port in found.items()]
    more = len(named) - _MOST_NAMED
    return "; ".join(named[:_MOST_NAMED]) + (f" +{more}" if more > 0 else "")


class _Builder:
    """What all rows of one matrix share."""

    def __init__(self, bindings: Bindings, snapshot: Snapshot, added: Iterable[Permit]) -> None:
        found, seen = listeners(snapshot), contacts(snapshot)
        firewall = snapshot.derive(loaded.read)
        self._bindings = bindings
        self._snapshot = snapshot
        self._listeners = () if isinstance(found, Gap) else found
        self._contacts = () if isinstance(seen, Gap) else seen
        self._gaps = tuple(dict.fromkeys(g for g in (found, seen, firewall.gap) if isinstance(g, Gap)))
        self._unread = explain(firewall.gap) if firewall.gap else ""
        self._outside = {one.name for one in verdict.interfaces(snapshot)}
        self._needs = needs(bindings, snapshot, self._listeners, added)
        comers = {party.id: party for need in self._needs if need.direction == "in" for party in need.parties}
        self._columns = tuple(comers.values())
        self._ears = _by_port((one.protocol, one.socket.port, one) for one in self._listeners)
        self._callers = _by_port(
            (one.protocol, one.port, one) for one in self._contacts if one.direction == "in"
        )
        self._passages: dict[_Way, Passage | None] = {}

    def matrix(self) -> Matrix:
        """All of it: what is needed first, then what nothing here expects."""
        incoming = list(self._incoming())
        outgoing = list(self._outgoing())
        return Matrix(
            bindings=self._bindings,
            needs=self._needs,
            columns=(
                Party(HERE, _("this host"), Bound()),
                Party(OTHERS, _("others"), Bound.everybody("")),
                *self._columns,
            ),
            lines=(
                *incoming,
                *self._unexpected_listeners(incoming),
                *outgoing,
                *self._unexpected_calls(),
            ),
            contacts=self._contacts,
            gaps=self._gaps,
        )

    # --- ports of this host ---------------------------------------------------------------------------

    def _incoming(self) -> Iterator[Line]:
        """A row for each port that somebody needs, with all flows that need it."""
        wanted: dict[tuple[str, int, int], list[Need]] = {}
        for need in self._needs:
            for low, high in need.ports.spans if need.direction == "in" else ():
                wanted.setdefault((need.ports.protocol, low, high), []).append(need)
        for (protocol, low, high), asking in sorted(wanted.items(), key=lambda one: one[0][1:]):
            yield self._port(protocol, low, high, tuple(asking))

    def _unexpected_listeners(self, rows: Iterable[Line]) -> Iterator[Line]:
        known = [(row.protocol, row.low, row.high) for row in rows]
        ports = dict.fromkeys((one.protocol, one.socket.port) for one in self._listeners if one.exposed)
        for protocol, port in sorted(ports, key=lambda one: (one[1], one[0])):
            if not any(protocol == p and low <= port <= high for p, low, high in known):
                yield self._port(protocol, port, port, ())

    def _port(self, protocol: str, low: int, high: int, asking: tuple[Need, ...]) -> Line:
        ports = [(protocol, port) for port in range(low, high + 1)]
        here = tuple(one for port in ports for one in self._ears.get(port, ()))
        called = tuple(one for port in ports for one in self._callers.get(port, ()))
        line = Line("in", protocol, low, high, asking, here, called, tuple(self._advice(protocol, low)))
        return replace(line, cells=dict(self._cells(line)))

    def _cells(self, line: Line) -> Iterator[tuple[str, Cell]]:
        asked_by = {party.id for need in line.needs for party in need.parties}
        if any(not need.parties for need in line.needs):
            state = State.WANTED if line.listeners else State.SILENT
            yield HERE, Cell(state, needed=True, passage=Passage(Share.ALL))
        doors = self._doors(line)
        allowed = [n for party in self._columns if party.id in asked_by for n in party.bound.networks]
        for party in self._columns:
            needed = party.id in asked_by
            passing = self._passage(doors, party.bound.networks, () if needed else allowed)
            if not needed and passing is None:
                continue
            state = _state(line, needed=needed, bound=party.bound, passing=passing or _CLOSED)
            count = sum(one.count for one in line.contacts if party.bound.holds(one.address))
            yield party.id, Cell(state, needed, passing or _CLOSED, count)
        named = [n for party in self._columns if not party.bound.anybody for n in party.bound.networks]
        passing = self._passage(doors, EVERYWHERE, (*allowed, *named))
        if passing is not None:
            strangers = [o for o in line.contacts if not any(p.bound.holds(o.address) for p in self._columns)]
            state = _state(line, needed=False, bound=Bound.everybody(""), passing=passing)
            yield OTHERS, Cell(state, needed=False, passage=passing, count=sum(o.count for o in strangers))

    def _doors(self, line: Line) -> tuple[_Doors, ...]:
        """For each port of a row the ways to it, those alike once."""
        ports = _ways(self._snapshot, line).values()
        return tuple(dict.fromkeys(tuple(self._to_outside(doors).items()) for doors in ports))

    def _to_outside(self, doors: Mapping[Door, Reach]) -> Mapping[Door, Reach]:
        """The ways by interfaces to other machines, where there are some."""
        return {door: reach for door, reach in doors.items() if door.interface in self._outside} or doors

    def _passage(
        self, ports: tuple[_Doors, ...], networks: Iterable[Network], without: Iterable[Network]
    ) -> Passage | None:
        """How much gets in: at all of these ports, or at some."""
        if self._unread:
            return Passage(Share.UNKNOWN, why=self._unread)
        # Thousands of sockets are reached alike.
        key = (ports, tuple(networks), tuple(without))
        if key not in self._passages:
            self._passages[key] = together(passage(dict(doors), key[1], key[2]) for doors in ports)
        return self._passages[key]

    def _advice(self, protocol: str, port: int) -> Iterator[tuple[Component, Port]]:
        for application in self._bindings.applications:
            for component, one in application.profile.ports_of(application.version):
                if one.ports.holds(protocol, port):
                    yield component, one

    # --- machines that this host calls ----------------------------------------------------------------

    def _outgoing(self) -> Iterator[Line]:
        for need in self._needs:
            if need.direction != "out":
                continue
            bound = _joined(need.parties)
            called = tuple(one for one in self._calls() if _is_call(one, need, bound))
            for low, high in need.ports.spans:
                mine = tuple(one for one in called if low <= one.port <= high)
                passing = self._way_out(need.ports.protocol, low, high, bound)
                state = _state_out(bound, passing)
                cell = Cell(state, needed=True, passage=passing, count=sum(one.count for one in mine))
                yield Line(
                    *("out", need.ports.protocol, low, high, (need,), (), mine),
                    advice=tuple(self._advice(need.ports.protocol, low)),
                    cells={HERE: cell},
                )

    def _unexpected_calls(self) -> Iterator[Line]:
        wanted = [(need, _joined(need.parties)) for need in self._needs if need.direction == "out"]
        unknown: dict[tuple[str, int, str], list[Contact]] = {}
        for one in self._calls():
            if not any(_is_call(one, need, bound) for need, bound in wanted):
                unknown.setdefault((one.protocol, one.port, one.process), []).append(one)
        for (protocol, port, _process), found in sorted(unknown.items(), key=lambda one: one[0][1:]):
            count = sum(one.count for one in found)
            cell = Cell(State.WIDE, needed=False, passage=Passage(Share.ALL), count=count)
            yield Line("out", protocol, port, port, (), (), tuple(found), cells={HERE: cell})

    def _calls(self) -> Iterator[Contact]:
        return (one for one in self._contacts if one.direction == "out")

    def _way_out(self, protocol: str, low: int, high: int, bound: Bound) -> Passage:
        """Through the loaded rules; machines that are known by name only may be any."""
        networks = EVERYWHERE if bound.names else bound.networks
        ports = kinds_out(self._snapshot, protocol, low, high)
        if ports is None:
            return Passage(Share.UNKNOWN, why=_(_MANY_KINDS))
        found = together(departure(self._snapshot, protocol, port, networks) for port in ports)
        return found or _CLOSED


def _by_port(found: Iterable[tuple[str, int, T]]) -> Mapping[tuple[str, int], list[T]]:
    """By protocol and port, in the order in which they come."""
    known: dict[tuple[str, int], list[T]] = {}
    for protocol, port, one in found:
        known.setdefault((protocol, port), []).append(one)
    return known


def _ways(snapshot: Snapshot, line: Line) -> Mapping[int, Mapping[Door, Reach]]:
    """By port of a row the ways to its sockets; where nobody listens, all ways there would be to it.

    Of ports that nobody listens to, one stands for all that the rules do not tell apart.
    """
    heard: dict[int, dict[Door, Reach]] = {}
    for one in line.listeners:
        heard.setdefault(one.socket.port, {}).update(one.doors)
    if heard:
        return heard
    kinds = kinds_in(snapshot, line.protocol, line.low, line.high)
    found = {port: ways_in(snapshot, line.protocol, port) for port in kinds or (line.low,)}
    ways = {port: {} if isinstance(one, Gap) else one for port, one in found.items()}
    if kinds is None:
        return {port: dict.fromkeys(one, Reach(From.UNKNOWN, why=_MANY_KINDS)) for port, one in ways.items()}
    return ways


def _joined(parties: Iterable[Party]) -> Bound:
    """All machines of several parties."""
    listed = tuple(parties)
    return Bound(
        tuple(dict.fromkeys(n for one in listed for n in one.bound.networks)),
        tuple(dict.fromkeys(name for one in listed for name in one.bound.names)),
    )


def _is_call(contact: Contact, need: Need, bound: Bound) -> bool:
    """Whether a connection is one of a flow; a machine that is known by name only may be any."""
    return need.ports.holds(contact.protocol, contact.port) and bound.may_hold(contact.address)


def _state(line: Line, *, needed: bool, bound: Bound, passing: Passage) -> State:
    """What a cell of a port of this host says."""
    if needed and not bound.networks:
        return State.UNBOUND
    listening = bool(line.listeners) or passing.published
    match passing.share:
        case Share.UNKNOWN:
            return State.UNKNOWN
        case Share.NONE:
            return State.NARROW if needed else State.SHUT
        case Share.ALL if needed:
            return State.WANTED if listening else State.SILENT
        case Share.SOME if needed:
            return State.PARTLY
        case _ if not listening:
            return State.SILENT
        case Share.ALL:
            return State.WIDE
    return State.PARTLY_WIDE


def _state_out(bound: Bound, passing: Passage) -> State:
    if not bound.known:
        return State.UNBOUND
    return {
        Share.ALL: State.WANTED,
        Share.SOME: State.PARTLY,
        Share.NONE: State.NARROW,
        Share.UNKNOWN: State.UNKNOWN,
    }[passing.share]
