"""What loaded rules do with the first packet of a connection to or from this host. Never a guess.

A packet is followed through the chains of the hooks ingress, prerouting and input, or output and
postrouting. Where a rule asks what cannot be known here (a rate, a counter, a socket's owner), both ways
are followed: the outcome holds every verdict that is possible, and the rules that leave it open.

Assumed: the packet is whole, comes from another machine, and answers to its source go back through the
interface by which it came.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hardentui.resources.firewall.ruleset import (
    HOOKS,
    WAY_OUT,
    Anything,
    Chain,
    Elements,
    Json,
    Rule,
    Ruleset,
    Span,
    literal,
)
from hardentui.resources.firewall.values import (
    FLAGS,
    AbsentError,
    Fields,
    Packet,
    State,
    all_of,
    among,
    any_of,
    equal,
    holds,
    names_of,
    negated,
    number_of,
    ordered,
    words_of,
)

_DEPTH = 16  # jumps that the kernel allows
_CONNTRACK = -200  # the priority at which connections are looked up (linux/netfilter_ipv4.h)


class Verdict(StrEnum):
    """How a packet can end."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    DIVERTED = "diverted"  # its destination is rewritten: the socket that we ask about does not see it


@dataclass(frozen=True, slots=True)
class Outcome:
    """Every verdict that is possible, the rules that leave it open, and where the packet is diverted to.

    ``by`` is the rule that spoke last, or the chain whose policy did; "" where no chain looks at the packet.
    """

    verdicts: frozenset[Verdict]
    doubts: tuple[str, ...] = ()
    diverted: str = ""
    steps: int = 0  # rules that were looked at
    by: str = ""

    @property
    def sure(self) -> Verdict | None:
        """The verdict, where there is only one."""
        return next(iter(self.verdicts)) if len(self.verdicts) == 1 else None


def evaluate(ruleset: Ruleset, packet: Packet) -> Outcome:
    """What the rules do with the packet; of rules in a form that nft does not write, nothing is known."""
    try:
        return _Run(ruleset, packet).outcome()
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
        return Outcome(frozenset({Verdict.ACCEPT, Verdict.DROP}), (f"nft: {error!r}",))


@dataclass(slots=True)
class _Walk:
    """What a rule or chain can come to, and the state of the packet then.

    ``ends`` are verdicts that end the base chain, ``accepted`` the state at an accept; ``on`` says
    whether what follows is reached, with ``state``; ``returned`` is the state of going back to the
    caller. A state of None is that this does not happen.
    """

    state: State
    ends: set[Verdict] = field(default_factory=set)
    on: bool = True
    accepted: State | None = None
    returned: State | None = None

    def took(self, step: _Walk) -> None:
        """Go the way of a step, whichever of its ends it comes to."""
        self.ends |= step.ends
        self.accepted = _joined(self.accepted, step.accepted)
        self.returned = _joined(self.returned, step.returned)
        self.state, self.on = step.state, step.on


def _opaque(state: State) -> _Walk:
    """Anything may come of it."""
    return _Walk(state, {Verdict.ACCEPT, Verdict.DROP}, accepted=state)


class _Run:
    """One packet on its way."""

    def __init__(self, ruleset: Ruleset, packet: Packet) -> None:
        self._ruleset = ruleset
        self._packet = packet
        self._fields = Fields(packet)
        self._doubts: dict[str, None] = {}
        self._steps = 0
        self._by = ""

    def outcome(self) -> Outcome:
        """Through all hooks; a drop in any base chain is the end."""
        state: State | None = State(dport=self._packet.dport)
        ends: set[Verdict] = set()
        for hook in WAY_OUT if self._packet.outgoing else HOOKS:
            for chain in self._ruleset.base_chains(self._packet.version, hook):
                if chain.devices and self._packet.interface not in chain.devices:
                    continue
                late = hook in {"input", "postrouting"}
                self._fields.tracking = late or (hook != "ingress" and chain.priority >= _CONNTRACK)
                walk = self._base_chain(chain, state or State())
                ends |= walk.ends - {Verdict.ACCEPT}
                state = walk.accepted
                if state is None:
                    return self._result(ends)
            if hook in {"prerouting", "output"} and state is not None and state.diverted:
                return self._result(ends | {Verdict.DIVERTED}, state.diverted)
        if state is not None and state.diverted is None:
            ends.add(Verdict.DIVERTED)
        return self._result(ends | {Verdict.ACCEPT})

    def _base_chain(self, chain: Chain, state: State) -> _Walk:
        """A base chain with its policy: ``accepted`` is how the packet goes on, if it does."""
        walk = self._chain(chain, state, 0)
        if walk.on:
            self._by = f"{chain.place} (policy {chain.policy})"
            walk.ends.add(Verdict(chain.policy))
            if chain.policy == Verdict.ACCEPT:
                walk.accepted = _joined(walk.accepted, walk.state)
        if chain.hook == "ingress" and not chain.devices and walk.ends != {Verdict.ACCEPT}:
            # The nft of Debian 12 does not say in JSON of which device such a chain is.
            self._doubts[f"{chain.place} ({chain.hook})"] = None
            walk.accepted = _joined(walk.accepted, state)
        return walk

    def _result(self, ends: set[Verdict], diverted: str = "") -> Outcome:
        doubts = tuple(self._doubts) if len(ends) > 1 else ()
        return Outcome(frozenset(ends), doubts, diverted, self._steps, self._by)

    # --- chains and rules ---------------------------------------------------------------------------

    def _chain(self, chain: Chain, state: State, depth: int) -> _Walk:
        """All rules of a chain; ``on`` says whether its end, or a return, is reached."""
        walk = _Walk(state)
        if depth > _DEPTH:
            self._doubts[chain.place] = None
            return _opaque(state)
        for rule in chain.rules:
            self._steps += 1
            walk.took(self._rule(chain, rule, walk.state, depth))
            if not walk.on:
                break
        state_after = _joined(walk.state if walk.on else None, walk.returned)
        return _Walk(state_after or walk.state, walk.ends, state_after is not None, walk.accepted)

    def _rule(self, chain: Chain, rule: Rule, state: State, depth: int) -> _Walk:
        walk = _Walk(state)
        why = ""
        for statement in rule.statements:
            kind, body = (
                next(iter(statement.items())) if isinstance(statement, Mapping) else (statement, None)
            )
            matched = self._matches(chain, kind, body, walk.state)
            if matched is False:
                break
            if matched is None or _is_opaque(kind, body):
                why = why or _kind(kind, body)
            spoke = self._by
            step = self._act(chain, kind, body, walk.state, depth)
            if step is not None:
                walk.took(step)
                if step.ends and self._by == spoke:  # and not a rule of the chain that it jumps to
                    self._by = rule.place
            if not walk.on:
                break
        if why:
            # The rule may as well not hold: what follows is reached, too, and as if it were not there.
            if walk.ends or walk.returned or walk.state != state:
                self._doubts[f"{rule.place} ({why})"] = None
            walk.state = _merged(state, walk.state) if walk.on else state
            walk.on = True
        return walk

    def _act(self, chain: Chain, kind: str, body: Json, state: State, depth: int) -> _Walk | None:
        """What a statement does; None when the rule simply goes on."""
        match kind:
            case "drop" | "reject":
                return _Walk(state, {Verdict(kind)}, on=False)
            case "accept" | "snat" | "masquerade":
                return _Walk(state, {Verdict.ACCEPT}, on=False, accepted=state)
            case "dnat" | "redirect":
                changed = self._rewritten(kind, body, state)
                return _Walk(changed, {Verdict.ACCEPT}, on=False, accepted=changed)
            case "return":
                return _Walk(state, on=False, returned=state)
            case "jump" | "goto":
                return self._go(chain, kind, body["target"], state, depth)
            case "vmap":
                return self._verdict_map(chain, body, state, depth)
            case "mangle":
                return _Walk(self._mangled(body, state))
            case "notrack":
                return _Walk(dataclasses.replace(state, tracked=False))
            case _:
                return _opaque(state) if _is_opaque(kind, body) else None

    def _go(self, chain: Chain, kind: str, target: str, state: State, depth: int) -> _Walk:
        other = self._ruleset.chains.get((chain.family, chain.table, target))
        if other is None:
            self._doubts[f"{chain.family} {chain.table} {target}"] = None
            return _opaque(state)
        walk = self._chain(other, state, depth + 1)
        if kind == "goto":
            returned = walk.state if walk.on else None
            return _Walk(walk.state, walk.ends, on=False, accepted=walk.accepted, returned=returned)
        return walk

    def _verdict_map(self, chain: Chain, body: Json, state: State, depth: int) -> _Walk | None:
        elements = self._elements(chain, body["data"])
        found = None if elements is None else self._look_up(body["key"], elements, state)
        if found is not None:
            return self._verdict(chain, found, state, depth) if found else None
        self._doubts[f"{chain.place} (vmap)"] = None
        if elements is None:
            return _opaque(state)
        walk = _Walk(state)
        for _key, verdict in elements.items:
            step = self._verdict(chain, verdict, state, depth)
            after = _merged(walk.state, step.state) if step.on else walk.state
            walk.took(step)
            walk.state, walk.on = after, True
        return walk

    def _verdict(self, chain: Chain, verdict: Json, state: State, depth: int) -> _Walk:
        kind, body = next(iter(verdict.items()))
        return self._act(chain, kind, body, state, depth) or _Walk(state)

    def _mangled(self, body: Json, state: State) -> State:
        key = body.get("key", {})
        value = (
            self._fields.of(body.get("value"), state)
            if isinstance(body.get("value"), int | Mapping)
            else None
        )
        number = value.low if isinstance(value, Span) and not value.version else None
        if key == {"meta": {"key": "mark"}}:
            return dataclasses.replace(state, mark=number)
        if key == {"ct": {"key": "mark"}}:
            return dataclasses.replace(state, connection_mark=number)
        if isinstance(key, Mapping) and "payload" in key:
            return dataclasses.replace(state, diverted=None, dport=None)  # a header is rewritten by hand
        return state

    @staticmethod
    def _rewritten(kind: str, body: Json, state: State) -> State:
        node = body if isinstance(body, Mapping) else {}
        address, port = node.get("addr", ""), node.get("port", "")
        plain = isinstance(address, str) and isinstance(port, int | str)
        target = f"{address}:{port}".rstrip(":") if plain else ""
        return dataclasses.replace(state, diverted=target or kind, dport=None)

    # --- matches --------------------------------------------------------------------------------------

    def _matches(self, chain: Chain, kind: str, body: Json, state: State) -> bool | None:
        """Whether a statement lets its rule go on; None is not known."""
        match kind:
            case "match":
                try:
                    return self._match(chain, body, state)
                except AbsentError:
                    return False
            case "set" | "map":
                return None if "stmt" in body else True
            case "xt" if isinstance(body, Mapping) and body.get("name") == "comment":
                return True
            case "xt":
                return None
            case _:
                return None if kind in _SOMETIMES else True

    def _match(self, chain: Chain, body: Json, state: State) -> bool | None:
        left, right, operator = body["left"], body["right"], body.get("op", "==")
        if isinstance(left, Mapping) and "concat" in left:
            if not isinstance(right, str):
                elements = (
                    Elements.of(right["set"]) if isinstance(right, Mapping) and "set" in right else None
                )
            else:
                elements = self._elements(chain, right)
            found = self._look_up(left, elements, state) if elements else None
            held = None if found is None else found is not _NOTHING
            return negated(held) if operator == "!=" else held
        names = names_of(left)
        value = self._fields.of(left, state)
        if value is None:
            return None
        if operator in {"<", ">", "<=", ">="}:
            return ordered(value, operator, literal(right))
        held = self._within(chain, value, right, operator, names)
        return negated(held) if operator in {"!=", "!in"} else held

    def _within(
        self,
        chain: Chain,
        value: Span | frozenset[str] | str,
        right: Json,
        operator: str,
        names: Mapping[str, int],
    ) -> bool | None:
        """Whether a value is, or is among, what stands on the right."""
        if isinstance(right, Mapping) and "set" in right:
            nodes = right["set"] if isinstance(right["set"], list) else [right["set"]]
            return any_of(self._within(chain, value, node, operator, names) for node in nodes)
        if isinstance(right, str) and right.startswith("@"):
            elements = self._elements(chain, right)
            return None if elements is None else among(value, elements, names)
        if isinstance(value, frozenset):
            words = words_of(right)
            return None if words is None else bool(value & words)
        if names is FLAGS and isinstance(value, Span):
            bits = number_of(right, names)
            if bits is None:
                return None
            return bool(value.low & bits) if operator in {"in", "!in"} else value.low == bits
        return equal(value, literal(right), names)

    def _elements(self, chain: Chain, node: Json) -> Elements | None:
        if isinstance(node, str) and node.startswith("@"):
            return self._ruleset.sets.get((chain.family, chain.table, node[1:]))
        if isinstance(node, Mapping) and "set" in node:
            return Elements.of(node["set"])
        return None

    def _look_up(self, left: Json, elements: Elements, state: State) -> Json | None:
        """The data of the element that holds the key: None is not known, _NOTHING is that there is none."""
        fields = left["concat"] if isinstance(left, Mapping) and "concat" in left else [left]
        try:
            values = [self._fields.of(one, state) for one in fields]
        except AbsentError:
            return _NOTHING
        names = [names_of(one) for one in fields]
        unsure = False
        fallback: Json = _NOTHING
        for key, data in elements.items:
            if len(key) == 1 and isinstance(key[0], Anything):
                fallback = data if data is not None else _FOUND
                continue
            if len(key) != len(values):
                return None
            held = all_of(holds(*both) for both in zip(values, key, names, strict=True))
            if held:
                return _FOUND if data is None else (None if unsure else data)
            unsure = unsure or held is None
        return None if unsure else fallback


_NOTHING: Mapping[str, Json] = {}  # no element: a map's data is never empty
_FOUND: Mapping[str, Json] = {"found": None}
# Statements that let a rule go on at some times only.
_SOMETIMES = frozenset({"limit", "quota", "ct count", "meter"})
_KNOWN = _SOMETIMES | {
    *("accept", "drop", "reject", "return", "jump", "goto", "continue", "vmap", "match"),
    *("mangle", "notrack", "dnat", "redirect", "snat", "masquerade"),
    *("counter", "log", "set", "map", "dup", "flow", "ct helper", "ct timeout", "ct expectation", "secmark"),
}
_LOGS = frozenset({"LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "SECMARK"})


def _is_opaque(kind: str, body: Json) -> bool:
    """Whether a statement may end the packet's way in a manner that is not known here."""
    if kind != "xt":
        return kind not in _KNOWN
    if not isinstance(body, Mapping):
        return True
    return body.get("type") == "target" and body.get("name") not in _LOGS


def _kind(kind: str, body: Json) -> str:
    """What a reader is told of an expression that cannot be evaluated."""
    if kind == "xt" and isinstance(body, Mapping):
        return f"{body.get('name', kind)}{' ' + body['text'] if 'text' in body else ''}"
    if kind != "match":
        return kind
    left = body["left"]
    if isinstance(left, Mapping):
        name, inner = next(iter(left.items()))
        if isinstance(inner, Mapping):
            return " ".join([str(name), *(str(v) for v in inner.values() if isinstance(v, str))])
        return str(name)
    return kind


def _merged(one: State, other: State) -> State:
    """The state after either of two ways: what differs is not known."""
    if one == other:
        return one
    changes = {
        name.name: None
        for name in dataclasses.fields(State)
        if getattr(one, name.name) != getattr(other, name.name)
    }
    return dataclasses.replace(one, **changes)


def _joined(one: State | None, other: State | None) -> State | None:
    """The state after either way, of those that happen at all."""
    if one is None or other is None:
        return one or other
    return _merged(one, other)
