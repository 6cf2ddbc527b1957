"""Whether a listening socket can be reached through the loaded rules, and from where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hardentui.i18n import N_, _
from hardentui.model import Gap
from hardentui.resources.base import explain
from hardentui.resources.firewall import sources
from hardentui.resources.firewall.evaluate import Verdict, evaluate
from hardentui.resources.firewall.policy import peer_text
from hardentui.resources.firewall.ruleset import Ruleset, Span
from hardentui.resources.firewall.selection import Selection, Selections
from hardentui.resources.firewall.values import Packet

_SHOWN = 4  # networks named in one line
_STEPS = 600_000  # rules that are looked at for one host: a second or two


class From(StrEnum):
    """From where a socket can be reached."""

    ANY = "any"
    SOME = "some"
    LOOPBACK = "loopback only"
    NOBODY = "nobody"
    DIVERTED = "diverted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reach:
    """The answer: for SOME the networks, for ANY those that are left out; ``why`` where it is not plain.

    Of UNKNOWN, ``why`` is a place in the rules or a sentence of ours, and ``gap`` what could not be read.
    """

    kind: From
    networks: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    why: str = ""
    gap: Gap | None = None

    def show(self) -> str:
        """The answer on one line, in the language in use."""
        return self._line(_, explain(self.gap) if self.gap else _(self.why) if self.why else "")

    def value(self) -> str:
        """The same in words that no language changes: what a plan keeps."""
        return self._line(str, self.plain_why())

    def plain_why(self) -> str:
        """Why it is not plain, in words that no language changes."""
        return f"{self.gap.kind.value}: {self.gap.detail}" if self.gap else self.why

    def _line(self, say: Callable[[str], str], why: str) -> str:
        match self.kind:
            case From.ANY if self.without:
                return say(N_("any, but {networks}")).format(networks=_listed(self.without))
            case From.SOME:
                return _listed(self.networks)
            case From.DIVERTED:
                return say(N_("diverted to {target}")).format(target=self.why)
            case From.UNKNOWN:
                return say(N_("unknown: {why}")).format(why=why)
            case _:
                return say(_WORDS[self.kind])


_WORDS = {From.ANY: N_("any"), From.LOOPBACK: N_("loopback only"), From.NOBODY: N_("nobody")}


def _listed(networks: Sequence[str]) -> str:
    more = len(networks) - _SHOWN
    return ", ".join(networks[:_SHOWN]) + (f" +{more}" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Door:
    """A way to a socket: the interface by which packets come in, and the address that they are sent to."""

    interface: str
    address: sources.Address


class Reachability:
    """Answers for one ruleset; what all sockets share is worked out once."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._steps = _STEPS
        self._rewriting = tuple(_rewriting(ruleset))
        self._selections = Selections(ruleset, "saddr")
        self._classes = {version: sources.classes(ruleset, version) for version in (4, 6)}
        self._known: dict[tuple[Selection, str, Door], Reach] = {}

    def of(self, protocol: str, port: int, doors: Iterable[Door]) -> Mapping[Door, Reach]:
        """For a socket of a protocol ("tcp" or "udp") and port, the answer at each of its doors."""
        found = {door: self._at(protocol, port, door) for door in doors}
        if (place := self._led_here(port)) and any(one.kind is not From.ANY for one in found.values()):
            # Packets for another port may be sent here, by a way that was not followed.
            return dict.fromkeys(found, Reach(From.UNKNOWN, why=f"{place} (redirect)"))
        return found

    def kinds(self, protocol: str, low: int, high: int) -> tuple[int, ...] | None:
        """One port for each kind of a range that the rules tell apart; None where they are too many."""
        return self._selections.kinds(protocol, low, high)

    def _led_here(self, port: int) -> str:
        """A rule that sends packets for other ports to this one; "" when there is none."""
        return next((place for place, to in self._rewriting if to in {port, None}), "")

    def _at(self, protocol: str, port: int, door: Door) -> Reach:
        selection = self._selections.about(protocol, port)
        if selection.by_port:
            return self._follow(selection, protocol, port, door)
        known = self._known.get((selection, protocol, door))
        if known is None:
            known = self._known[selection, protocol, door] = self._follow(selection, protocol, port, door)
        return known

    def _follow(self, selection: Selection, protocol: str, port: int, door: Door) -> Reach:
        found = self._classes[door.address.version]
        if found is None:
            return Reach(From.UNKNOWN, why=N_("the rules name too many addresses"))
        ends: dict[Verdict, list[Span]] = {}
        target = ""
        for rules, alike in selection.apart(door.address.version, found):
            # Packets to an address of the link come from the link only.
            inside = [one for one in alike if one.sample.is_link_local or not door.address.is_link_local]
            if not inside:
                continue
            if self._steps <= 0:
                return Reach(From.UNKNOWN, why=N_("too many rules to follow"))
            outcome = evaluate(rules, Packet(door.interface, inside[0].sample, door.address, protocol, port))
            self._steps -= outcome.steps
            verdict = outcome.sure
            if verdict is None:
                return Reach(From.UNKNOWN, why="; ".join(outcome.doubts[:_SHOWN]))
            target = outcome.diverted or target
            ends.setdefault(verdict, []).extend(span for one in inside for span in one.spans)
        return _answer(ends, target)


def _rewriting(ruleset: Ruleset) -> Iterator[tuple[str, int | None]]:
    """Rules that send packets to a port of this host, with the port; None where they compute it."""
    for rule in ruleset.rules:
        for statement in rule.statements:
            kind, body = next(iter(statement.items())) if isinstance(statement, Mapping) else ("", None)
            if kind == "redirect" and isinstance(body, Mapping) and body.get("port") is not None:
                port = body["port"]
                yield rule.place, port if isinstance(port, int) else None


def _answer(ends: Mapping[Verdict, list[Span]], target: str) -> Reach:
    let_in = ends.get(Verdict.ACCEPT, [])
    if not let_in:
        if Verdict.DIVERTED in ends:
            return Reach(From.DIVERTED, why=target)
        return Reach(From.NOBODY)
    others = [span for verdict, spans in ends.items() if verdict is not Verdict.ACCEPT for span in spans]
    if sources.size(others) < sources.size(let_in):
        return Reach(From.ANY, without=_texts(others))
    return Reach(From.SOME, networks=_texts(let_in))


def _texts(spans: Iterable[Span]) -> tuple[str, ...]:
    return tuple(map(peer_text, sources.networks(spans)))
