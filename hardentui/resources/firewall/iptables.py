"""The rules of iptables-save as libnftables JSON, so that one evaluator reads both.

What has no form there becomes an ``xt`` statement with its text: its outcome is then not known.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
import shlex
from collections.abc import Iterator
from typing import Any

from hardentui.resources.firewall.ruleset import Json, Ruleset, build

_HOOKS = {"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward", "OUTPUT": "output"}
# Priorities as the kernel registers the tables (linux/netfilter_ipv4.h).
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_NAT_INPUT = 100
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "RETURN": "return", "REJECT": "reject"}
# Targets that change nothing of what is judged here.
_NEUTRAL = frozenset(
    {"LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "TCPMSS", "CHECKSUM", "CLASSIFY", "DSCP", "TOS"}
)
_PORTS = {"--dport": "dport", "--sport": "sport", "--dports": "dport", "--sports": "sport"}
_CHAIN = re.compile(r":(\S+) (\S+)(?: \[\d+:\d+\])?")
_ALL_BITS = 0xFFFFFFFF


def translate(text: str, family: str, *, legacy: bool = False) -> Ruleset:
    """The ruleset of an iptables-save or ip6tables-save text; ``family`` is "ip" or "ip6".

    Raises:
        ValueError: a line is not of that form.
    """
    return build(_nodes(text, family), legacy=legacy)


def _nodes(text: str, family: str) -> Iterator[Json]:
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":") and (found := _CHAIN.match(line)):
            yield {"chain": _chain(family, table, found[1], found[2])}
        elif line.startswith("-A "):
            words = shlex.split(line)
            if len(words) == 1:
                raise ValueError(f"a rule without a chain: {line!r}")
            statements = _Translator(family, table, words[2:]).statements()
            yield {"rule": {"family": family, "table": table, "chain": words[1], "expr": statements}}
        elif line and not line.startswith("#") and line != "COMMIT":
            raise ValueError(f"not a line of iptables-save: {line!r}")


def _chain(family: str, table: str, name: str, policy: str) -> dict[str, Any]:
    chain = {"family": family, "table": table, "name": name}
    if policy == "-" or name not in _HOOKS:
        return chain
    priority = _NAT_INPUT if (table, name) == ("nat", "INPUT") else _PRIORITIES.get(table, 0)
    kind = "nat" if table == "nat" else "filter"
    return chain | {"type": kind, "hook": _HOOKS[name], "prio": priority, "policy": policy.lower()}


class _Translator:
    """One rule: its words, and the statements that they become."""

    def __init__(self, family: str, table: str, words: list[str]) -> None:
        self._family = family
        self._table = table
        self._words = words
        self._at = 0
        self._found: list[Json] = []
        self._addrtypes: list[Json] = []

    def statements(self) -> list[Json]:
        """Matches first, the target last."""
        module = ""
        while self._at < len(self._words):
            negated = self._next_if("!")
            word = self._next()
            if word in {"-j", "-g"}:
                self._found.append(self._target("goto" if word == "-g" else "jump"))
            elif word == "-m":
                module = self._next()
            else:
                self._option(word, module, "!=" if negated else "==")
        return self._found

    def _next(self) -> str:
        if self._at >= len(self._words):
            raise ValueError(f"a rule ends too early: {' '.join(self._words)}")
        self._at += 1
        return self._words[self._at - 1]

    def _next_if(self, word: str) -> bool:
        if self._at < len(self._words) and self._words[self._at] == word:
            self._at += 1
            return True
        return False

    def _match(self, left: Json, right: Json, operator: str) -> None:
        self._found.append({"match": {"op": operator, "left": left, "right": right}})

    def _option(self, word: str, module: str, operator: str) -> None:  # noqa: C901, PLR0912 - one case for each option
        match word, module:
            case (("-s" | "-d"), _):
                field = "saddr" if word == "-s" else "daddr"
                self._match(
                    {"payload": {"protocol": self._family, "field": field}}, _network(self._next()), operator
                )
            case (("-i" | "-o"), _):
                name = self._next()
                pattern = name[:-1] + "*" if name.endswith("+") else name
                self._match({"meta": {"key": "iifname" if word == "-i" else "oifname"}}, pattern, operator)
            case "-p", _:
                protocol = self._next()
                if protocol != "all":
                    number = int(protocol) if protocol.isdecimal() else protocol
                    self._match({"meta": {"key": "l4proto"}}, number, operator)
            case (("--dport" | "--sport" | "--dports" | "--sports"), ("tcp" | "udp" | "multiport")):
                protocol = "th" if module == "multiport" else module
                self._match(
                    {"payload": {"protocol": protocol, "field": _PORTS[word]}}, _ports(self._next()), operator
                )
            case "--tcp-flags", "tcp":
                mask, wanted = (_flags(self._next()) for _side in range(2))
                self._match(
                    {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, mask]}, wanted, operator
                )
            case (("--ctstate" | "--state"), _):
                states = [state.lower() for state in self._next().split(",")]
                if {"dnat", "snat"} & set(states):
                    self._unknown("match", module, ",".join(states))
                else:
                    self._match({"ct": {"key": "state"}}, {"set": states}, operator)
            case (("--dst-type" | "--src-type"), "addrtype"):
                side = "daddr" if word == "--dst-type" else "saddr"
                types = [kind.lower() for kind in self._next().split(",")]
                self._match({"fib": {"result": "type", "flags": [side]}}, {"set": types}, operator)
            case (("--limit-iface-in" | "--limit-iface-out"), "addrtype"):
                pass
            case "--mark", "mark":
                value, mask = _masked(self._next())
                left: Json = {"meta": {"key": "mark"}}
                self._match(left if mask == _ALL_BITS else {"&": [left, mask]}, value, operator)
            case "--pkt-type", _:
                self._match(
                    {"meta": {"key": "pkttype"}},
                    {"unicast": "host"}.get(kind := self._next(), kind),
                    operator,
                )
            case "--rt-type", "rt":
                self._next()
                self._match({"exthdr": {"name": "rt", "field": "type"}}, 0, operator)
            case "--comment", _:
                self._next()
            case (("--limit" | "--limit-burst"), "limit"):
                self._next()
                self._found.append({"limit": {}})
            case _:
                self._unknown("match", module or word, " ".join([word, *self._rest()]))

    def _rest(self) -> list[str]:
        """The words up to the next option."""
        start = self._at
        while self._at < len(self._words) and not self._words[self._at].startswith(("-", "!")):
            self._at += 1
        return self._words[start : self._at]

    def _unknown(self, kind: str, name: str, text: str) -> None:
        self._found.append({"xt": {"type": kind, "name": name, "text": text}})

    def _target(self, kind: str) -> Json:
        name = self._next()
        options = self._words[self._at :]
        self._at = len(self._words)
        given = dict(itertools.pairwise(options))
        if name in _VERDICTS:
            return {_VERDICTS[name]: None}
        if name in _NEUTRAL:
            return _neutral(name, given)
        match name:
            case "DNAT":
                return {"dnat": _destination(given.get("--to-destination", ""))}
            case "REDIRECT":
                port = given.get("--to-ports", "")
                return {"redirect": {"port": int(port) if port.isdecimal() else port}}
            case "MASQUERADE" | "SNAT" | "NETMAP":
                return {"masquerade": None}
            case "NOTRACK":
                return {"notrack": None}
            case "CT":
                return {"notrack": None} if "--notrack" in options else {"ct helper": None}
            case "MARK":
                return _set_mark(given)
            case "CONNMARK":
                # Saved and restored marks depend on earlier packets.
                holder = "meta" if "--restore-mark" in options else "ct"
                return {"mangle": {"key": {holder: {"key": "mark"}}, "value": None}}
            case _:
                return {
                    kind: {"target": name}
                }  # an extension that is not known here is no chain: see evaluate


def _neutral(name: str, given: dict[str, str]) -> Json:
    if name == "LOG":
        return {"log": {"prefix": given.get("--log-prefix", "")}}
    return {"log": {"group": 0}} if name in {"NFLOG", "ULOG"} else {"counter": None}


def _network(text: str) -> Json:
    address, _slash, mask = text.partition("/")
    if not mask:
        return address
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return {"mask": text}  # a mask with holes: nothing that is understood
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def _ports(text: str) -> Json:
    ends = [[int(end) for end in part.split(":")] for part in text.split(",")]
    nodes = [pair[0] if len(pair) == 1 else {"range": pair} for pair in ends]
    return nodes[0] if len(nodes) == 1 else {"set": nodes}


def _flags(text: str) -> Json:
    if text == "NONE":
        return 0
    names = "FIN,SYN,RST,PSH,ACK,URG" if text == "ALL" else text
    return [name.lower() for name in names.split(",")]


def _masked(text: str) -> tuple[int, int]:
    value, _slash, mask = text.partition("/")
    return int(value, 0), int(mask, 0) if mask else _ALL_BITS


def _set_mark(given: dict[str, str]) -> Json:
    mark: Json = {"meta": {"key": "mark"}}
    if "--set-xmark" in given:
        value, mask = _masked(given["--set-xmark"])
        new = value if mask == _ALL_BITS else {"^": [{"&": [mark, _ALL_BITS & ~mask]}, value]}
        return {"mangle": {"key": mark, "value": new}}
    return {"mangle": {"key": mark, "value": None}}


def _destination(text: str) -> Json:
    address, colon, port = (
        text.rpartition(":") if re.fullmatch(r"(\[.*\]|[0-9.]+):\d+", text) else (text, "", "")
    )
    return {"addr": address.strip("[]")} | ({"port": int(port)} if colon else {})
