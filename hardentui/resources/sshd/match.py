"""Match blocks: for whom a block of sshd_config holds.

A connection may be known in part only ("root, from anywhere"): then the answer may be None, for "it
depends". Patterns are those of ssh_config(5): ``*``, ``?``, lists with commas, ``!`` for "but not".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

_ATTRIBUTES = frozenset({"user", "group", "host", "address", "localaddress", "localport", "rdomain"})
# Of newer releases than the one that we were held against: they parse, and it depends.
_NEWER = frozenset({"invalid-user", "version", "sessiontype", "command", "tag"})


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition of a Match line: the attribute in lower case and its pattern ("" for none)."""

    attribute: str
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A Match line: its conditions, all of which must hold. ``all`` has none."""

    file: str
    line: int
    criteria: frozenset[Criterion]
    text: str


@dataclass(frozen=True, slots=True)
class Connection:
    """Who connects, from where, to which address and port; None for what is not known.

    ``groups`` gives the groups of a user by name, or None where they cannot be known.
    """

    user: str | None = None
    host: str | None = None
    address: str | None = None
    local_address: str | None = None
    local_port: int | None = None
    groups: Callable[[str], frozenset[str] | None] = lambda _user: None


def read_criteria(words: list[str]) -> frozenset[Criterion]:
    """The conditions of a Match line.

    Raises:
        ValueError: sshd refuses them; the message says why.
    """
    found: list[Criterion] = []
    rest = list(words)
    while rest:
        attribute = rest.pop(0).lower()
        if attribute == "all":
            if found or rest:
                raise ValueError("'all' cannot be combined with other conditions")
            return frozenset()
        if attribute not in _ATTRIBUTES | _NEWER:
            raise ValueError(f"unknown condition {attribute!r}")
        if attribute == "invalid-user":
            found.append(Criterion(attribute))
            continue
        if not rest or not rest[0]:
            raise ValueError(f"a pattern is missing after {attribute}")
        pattern = rest.pop(0)
        if attribute in {"address", "localaddress"}:
            in_addresses(None, pattern)
        if attribute == "localport" and not (re.fullmatch(r"[0-9]{1,5}", pattern) and int(pattern) < 1 << 16):
            raise ValueError(f"not a port: {pattern!r}")
        found.append(Criterion(attribute, pattern))
    if not found:
        raise ValueError("Match needs a condition")
    return frozenset(found)


def holds(criteria: frozenset[Criterion], connection: Connection) -> bool | None:
    """Whether all conditions hold for a connection; None when that depends on what is not known."""
    answers = [_criterion(criterion, connection) for criterion in criteria]
    if False in answers:
        return False
    return None if None in answers else True


def _criterion(criterion: Criterion, connection: Connection) -> bool | None:
    pattern = criterion.pattern
    match criterion.attribute:
        case "user":
            return None if connection.user is None else in_list(connection.user, pattern)
        case "group":
            groups = None if connection.user is None else connection.groups(connection.user)
            return None if groups is None else _in_groups(groups, pattern)
        case "host":
            host = connection.host
            return None if host is None else in_list(host.lower(), pattern.lower())
        case "address":
            return None if connection.address is None else in_addresses(connection.address, pattern)
        case "localaddress":
            here = connection.local_address
            return None if here is None else in_addresses(here, pattern)
        case "localport":
            return None if connection.local_port is None else connection.local_port == int(pattern)
        case _:
            return None


def like(text: str, pattern: str) -> bool:
    """Whether a text is of a pattern with ``*`` and ``?``; no other sign is special."""
    parts = ("." if sign == "?" else ".*" if sign == "*" else re.escape(sign) for sign in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def in_list(text: str, patterns: str) -> bool:
    """Whether a text is in a list of patterns: one must match, and none of those with a ``!``."""
    found = False
    for pattern in filter(None, patterns.split(",")):
        negated = pattern.startswith("!")
        if like(text, pattern[negated:]):
            if negated:
                return False
            found = True
    return found


def _in_groups(groups: frozenset[str], patterns: str) -> bool:
    """As in_list, for somebody who has several names: a ``!`` that matches one of them decides."""
    found = False
    for pattern in filter(None, patterns.split(",")):
        negated = pattern.startswith("!")
        if any(like(group, pattern[negated:]) for group in groups):
            if negated:
                return False
            found = True
    return found


def in_addresses(address: str | None, patterns: str) -> bool:
    """Whether an address is in a list of addresses, networks and patterns; None only checks the list.

    Raises:
        ValueError: an entry is not consistent, such as 10.0.0.1/8.
    """
    seen = _address(address) if address is not None else None
    found = False
    for written in patterns.split(","):
        negated = written.startswith("!")
        pattern = written[negated:]
        if not pattern:
            raise ValueError(f"an empty entry in {patterns!r}")
        network = _network(pattern)
        if address is None or (seen is None and network is not None):
            continue
        inside = seen in network if network is not None else like(address, pattern)
        if inside and negated:
            return False
        found = found or inside
    return found


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    base, slash, bits = text.partition("/")
    if _address(base) is None or (slash and not (bits.isascii() and bits.isdigit() and int(bits) <= 128)):  # noqa: PLR2004 - an IPv6 mask
        return None
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"not a network: {text!r}") from error
