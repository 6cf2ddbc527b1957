"""What ufw has around people's rules: its before.rules and after.rules, and what others put into its chains.

A policy closes what it does not name, but for what the shipped files let pass for the host's own sake. Here
every other rule that lets a packet through is found, in the files and in what is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.firewall import iptables
from hardentui.resources.firewall.ruleset import Chain, Json, Literal, Ruleset, literal
from hardentui.snapshot import File, Reason, Snapshot, Stat, Unread

PREFIX = {4: "ufw", 6: "ufw6"}
FILES = {
    4: ("/etc/ufw/before.rules", "/etc/ufw/after.rules"),
    6: ("/etc/ufw/before6.rules", "/etc/ufw/after6.rules"),
}
_PROGRAMS = ("/etc/ufw/before.init", "/etc/ufw/after.init")  # ufw runs them where they can be executed
_EXECUTABLE = 0o111
_WAYS = ("input", "output")
# Statements that let nothing through by themselves.
_QUIET = frozenset({"match", "drop", "reject", "return", "log", "limit", "counter", "mangle", "jump", "goto"})


def _only(**asked: tuple[Json, ...]) -> Mapping[str, frozenset[Literal | None]]:
    return {name: frozenset(map(literal, values)) for name, values in asked.items()}


def _udp(port: int, **asked: tuple[Json, ...]) -> Mapping[str, frozenset[Literal | None]]:
    return _only(l4proto=("udp",), dport=(port,), **asked)


# What passes beside any policy: a rule that asks for all of one of these is no opening.
_APART = (
    _only(iifname=("lo",)),
    _only(oifname=("lo",)),
    _only(state=("established", "related")),
    _only(l4proto=("icmp", "ipv6-icmp", "icmpv6", 1, 58)),
    # DHCP, mDNS and UPnP, as the shipped files have them.
    _udp(68, sport=(67,)),
    _udp(546, sport=(547,)),
    _udp(5353, daddr=("224.0.0.251", "ff02::fb")),
    _udp(1900, daddr=("239.255.255.250", "ff02::f")),
)


def filed(snapshot: Snapshot, ways: Sequence[str]) -> Gap | None:
    """Why the files let more through than the rules of people: a rule, or one that cannot be told.

    ``ways`` are those that are to be closed, of "input" and "output".
    """
    for path in _PROGRAMS:
        status = snapshot.ask(Stat(path))
        if isinstance(status, Unread):
            if status.reason is not Reason.MISSING:
                return status.gap(path)
        elif status.mode & _EXECUTABLE:
            return Gap(GapKind.UNMODELLED, path)
    for version, paths in FILES.items():
        for path in paths:
            if found := _in_file(snapshot, path, version, ways):
                return found
    return None


def loaded(rules: Ruleset, ways: Sequence[str], versions: Iterable[int]) -> Gap | None:
    """The first loaded rule that lets more through than the rules of people, as a gap; None without one."""
    for version in versions:
        for chains in _filters(rules, version):
            for way in ways:
                if found := _opening_from(chains, version, way):
                    return _beside(found)
    return None


def as_many(snapshot: Snapshot, rules: Ruleset, version: int) -> bool:
    """Whether as many rules are loaded as the files have; what only runs would be lost with the next load."""
    names = [f"{PREFIX[version]}-{place}-{way}" for place in ("before", "after") for way in _WAYS]
    begins = tuple(f"-{how} {name} " for how in "AI" for name in names)
    texts = [snapshot.ask(File(path)) for path in FILES[version]]
    filed = [line for text in texts for line in str(text).split("\n") if line.startswith(begins)]
    to_people = {f"{PREFIX[version]}-user-{way}" for way in _WAYS}  # in no file
    running = [
        rule
        for name in names
        for rule in chain(rules, version, name)
        if not to_people.intersection(_targets(rule))
    ]
    return len(running) == len(filed)


def base(rules: Ruleset, version: int, hook: str) -> list[Chain]:
    """The chain of iptables at a hook."""
    return [one for one in rules.base_chains(version, hook) if one.table == "filter" and one.name.isupper()]


def chain(rules: Ruleset, version: int, name: str) -> tuple[tuple[Json, ...], ...]:
    """The statements of each rule of a chain of iptables, of nf_tables or legacy."""
    for chains in _filters(rules, version):
        if name in chains:
            return tuple(rule.statements for rule in chains[name].rules)
    return ()


def spelled(line: str) -> str:
    """A rule of a file as iptables-save has it, which names the module of a single port."""
    return re.sub(r" -p (tcp|udp) (?!-m)", r" -p \1 -m \1 ", line)


def _family(version: int) -> str:
    return "ip" if version == 4 else "ip6"  # noqa: PLR2004 - IPv4


def _filters(rules: Ruleset, version: int) -> Iterator[Mapping[str, Chain]]:
    """The chains of each table named filter, by name: that of nf_tables, and that of iptables-legacy."""
    for family in (_family(version), f"{_family(version)}-legacy"):
        yield {key[2]: one for key, one in rules.chains.items() if key[:2] == (family, "filter")}


def _declared(text: str) -> str:
    """The text with the chains that its rules name and that ufw made before."""
    text = re.sub(r"^-I (\S+)(?: \d+)?", r"-A \1", text, flags=re.MULTILINE)  # in any order
    made = set(re.findall(r"^:(\S+)", text, re.MULTILINE))
    named = dict.fromkeys(re.findall(r"^-A (\S+)", text, re.MULTILINE))
    more = "".join(f"\n:{name} - [0:0]" for name in named if name not in made)
    lines = "\n".join(map(spelled, text.split("\n")))
    return re.sub(r"^\*filter[ \t]*$", lambda head: head[0] + more, lines, flags=re.MULTILINE)


def _in_file(snapshot: Snapshot, path: str, version: int, ways: Sequence[str]) -> Gap | None:
    text = snapshot.ask(File(path))
    if isinstance(text, Unread):
        return text.gap(path)
    try:
        rules = iptables.translate(_declared(text), _family(version))
    except ValueError as error:
        return Gap(GapKind.UNMODELLED, f"{path}: {error}")
    found = [place for way in ways if (place := _opening_in_file(rules, version, way))]
    return _beside(f"{path}: {found[0]}") if found else None


def _opening_in_file(rules: Ruleset, version: int, way: str) -> str | None:
    own = PREFIX[version]
    # What stands in other files, or what ufw makes: the rules of people, logs, and the default.
    known = {f"{own}-{one}-{way}" for one in ("user", "user-logging", "skip-to-policy")}
    known |= {f"{own}-logging-deny", f"{own}-logging-allow"}
    begins = [f"{own}-{place}-{way}" for place in ("before-logging", "before", "after", "after-logging")]
    return _opening(next(iter(_filters(rules, version))), [way.upper(), *begins], known)


def _opening_from(chains: Mapping[str, Chain], version: int, way: str) -> str | None:
    own = PREFIX[version]
    known = {f"{own}-user-{way}"}
    if way.upper() in chains and chains[way.upper()].policy == "accept":
        known |= {f"{own}-{one}-{way}" for one in ("track", "skip-to-policy")}  # ufw's, for that default
    return _opening(chains, [way.upper()], known)


def _opening(chains: Mapping[str, Chain], begins: Iterable[str], known: Iterable[str]) -> str | None:
    """The place of a rule that lets packets through, of those that one may meet; ``known`` chains may."""
    waiting = [name for name in begins if name in chains]
    seen = set(known)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for rule in chains[name].rules:
            if _is_apart(rule.statements):
                continue
            targets = _targets(rule.statements)
            if not all(one in chains or one in seen for one in targets) or _lets_pass(rule.statements):
                return rule.place
            waiting += targets
    return None


def _targets(statements: tuple[Json, ...]) -> list[str]:
    return [str(one[kind]["target"]) for one in statements for kind in ("jump", "goto") if kind in one]


def _lets_pass(statements: tuple[Json, ...]) -> bool:
    """Whether a packet may be let through by a rule; what is not understood may."""
    return any(
        kind not in _QUIET and not (kind == "xt" and value.get("type") == "match")
        for statement in statements
        for kind, value in statement.items()
    )


def _is_apart(statements: tuple[Json, ...]) -> bool:
    asked = _asked(statements)
    return any(all(asked.get(name, {None}) <= values for name, values in one.items()) for one in _APART)


def _asked(statements: tuple[Json, ...]) -> Mapping[str, frozenset[Literal | None]]:
    """By field, the values that a rule asks for."""
    asked = {}
    for statement in statements:
        match = statement.get("match", {})
        left, right = match.get("left"), match.get("right")
        if match.get("op") not in {"==", "in"} or not isinstance(left, Mapping):
            continue
        for holder in left.values():
            if isinstance(holder, Mapping):
                nodes = right["set"] if isinstance(right, Mapping) and "set" in right else right
                values = nodes if isinstance(nodes, list) else [nodes]
                asked[str(holder.get("key", holder.get("field")))] = frozenset(map(literal, values))
    return asked


def _beside(place: str) -> Gap:
    return Gap(GapKind.UNTOLD, _("{rule} lets packets through beside the policy").format(rule=place))
