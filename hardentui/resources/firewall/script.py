"""The text of an nftables script, as far as a verdict on what no rule names needs it.

Read are tables, chains, their policies and the words of their rules; what the last rule of a chain
does follows jumps to other chains, and defined names are replaced. What stays unclear is said to be so.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hardentui.i18n import _
from hardentui.resources.base import explain
from hardentui.snapshot import File, Folder, Snapshot, Unread

_TOKEN = re.compile(r'#[^\n]*|"[^"\n]*"|[{};\n]|\\\n|[^\s{};"#]+')
_FAMILIES = frozenset({"ip", "ip6", "inet", "arp", "bridge", "netdev"})
_INCLUDES = 16  # files within files, as nft allows
_WORDS = 100_000  # of one statement; names that are defined by each other grow without end
# Words that may stand before a verdict without narrowing what it is for.
_NEUTRAL = re.compile(r"(?:counter(?: packets \d+ bytes \d+)?|log(?: (?:prefix|level|group|flags) \S+)*| )*")
# What makes a rule that accepts a narrow one: it names ports, sources, loopback, ICMP, or known connections.
_NARROW = re.compile(
    r"\bdport (?![<>!])|\bsaddr (?![!<>])|\bicmp(?:v6|x)?\b|\bipv6-icmp\b"
    r"|\biif(?:name)? (?:vmap { )?\"?lo\"?(?: |$)|\bct (?:state|status) (?!.*\bnew\b)"
)
# And what makes it wide all the same: the others, or all of them.
_WIDE = re.compile(r"!=|[<>]|\bsport\b|-65535\b|0\.0\.0\.0/0|::/0|\bmark\b|\$")


class UnclearError(Exception):
    """Something that this reader does not follow; the sentence names the place."""


@dataclass
class ScriptChain:
    """A chain of a script; ``rules`` are their words, one space between."""

    family: str
    table: str
    name: str
    hook: str = ""
    policy: str = "accept"
    rules: list[str] = field(default_factory=list)


Chains = dict[tuple[str, str, str], ScriptChain]


def read(snapshot: Snapshot, path: str) -> Chains:
    """The chains that the script leaves behind.

    Raises:
        UnclearError: it, or a file that it includes, cannot be read or followed.
    """
    chains: Chains = {}
    defined: dict[str, list[str]] = {}
    for statement in _statements(snapshot, path, 0):
        words = [one for word in statement for one in defined.get(word, [word])]
        if len(words) > _WORDS:
            raise UnclearError(
                _("{path}: more than {count} words in one statement").format(path=path, count=_WORDS)
            )
        if words[:1] == ["define"] and len(words) > 3:  # noqa: PLR2004 - define, name, =, value
            defined[f"${words[1]}"] = words[3:]
        else:
            _take(words, chains)
    return chains


def ends(chains: Chains, chain: ScriptChain) -> str:
    """What happens in a base chain to a packet that no rule names: "accept" or "drop".

    Raises:
        UnclearError: the policy is computed, or a rule may let in much that it does not name.
    """
    if chain.policy not in {"accept", "drop"}:
        raise UnclearError(f"{chain.family} {chain.table} {chain.name}: policy {chain.policy}")
    verdicts = (_unconditional(chains, chain, rule, 0) for rule in chain.rules)
    verdict = next(filter(None, verdicts), chain.policy)
    if verdict == "drop":
        _demand_narrow(chains, chain)
    return verdict


def _demand_narrow(chains: Chains, base: ScriptChain) -> None:
    """A closed chain in which some rule may accept nearly everything is not followed here."""
    for chain in chains.values():
        if (chain.family, chain.table) != (base.family, base.table) or chain.hook not in {"", base.hook}:
            continue
        for rule in chain.rules:
            accepts = re.search(r"(?:^| )accept(?: |$|,)", rule)
            if accepts and (not _NARROW.search(rule) or _WIDE.search(rule)):
                raise UnclearError(f"{chain.family} {chain.table} {chain.name}: {rule}")


def _unconditional(chains: Chains, chain: ScriptChain, rule: str, depth: int) -> str:
    """The verdict of a rule that holds for every packet; "" for all other rules."""
    words = _NEUTRAL.sub("", rule, count=1)
    if words == "accept":
        return "accept"
    if words == "drop" or words.partition(" ")[0] == "reject":
        return "drop"
    verb, _space, target = words.partition(" ")
    other = chains.get((chain.family, chain.table, target)) if verb in {"jump", "goto"} else None
    if other is None or depth > _INCLUDES:
        return ""
    for inner in other.rules:
        verdict = _unconditional(chains, other, inner, depth + 1)
        if verdict:
            return verdict
    return ""


def _statements(snapshot: Snapshot, path: str, depth: int) -> Iterator[list[str]]:
    """Top-level statements as lists of words, blocks included; those of included files in their place."""
    text = snapshot.ask(File(path))
    if isinstance(text, Unread):
        raise UnclearError(explain(text.gap(path)))
    if depth > _INCLUDES:
        raise UnclearError(_("{path}: included too deep").format(path=path))
    words: list[str] = []
    level = 0
    for token in _TOKEN.findall(text):
        if token.startswith("#") or token == "\\\n":  # noqa: S105 - a line that goes on
            continue
        level += {"{": 1, "}": -1}.get(token, 0)
        if level < 0:
            raise UnclearError(_("{path}: a brace too many").format(path=path))
        if token in {"\n", ";"} and level == 0:
            yield from _expanded(snapshot, words, path, depth)
            words = []
            continue
        words.append(token)
        if token == "}" and level == 0:  # noqa: S105 - the end of a block
            yield from _expanded(snapshot, words, path, depth)
            words = []
    if level:
        raise UnclearError(_("{path}: a brace too few").format(path=path))
    yield from _expanded(snapshot, words, path, depth)


def _expanded(snapshot: Snapshot, words: list[str], path: str, depth: int) -> Iterator[list[str]]:
    if not words:
        return
    if words[0] != "include":
        if "include" in words:
            raise UnclearError(_("{path}: include inside a block").format(path=path))
        yield words
        return
    pattern = words[1].strip('"') if len(words) > 1 else ""
    if not pattern.startswith("/"):
        raise UnclearError(f"{path}: include {pattern}")
    for name in _matching(snapshot, pattern):
        yield from _statements(snapshot, name, depth + 1)


def _matching(snapshot: Snapshot, pattern: str) -> list[str]:
    folder, _slash, name = pattern.rpartition("/")
    if not re.search(r"[*?\[]", pattern):
        return [pattern]
    if re.search(r"[*?\[]", folder):
        raise UnclearError(f"include {pattern}")
    entries = snapshot.ask(Folder(folder))
    names = () if isinstance(entries, Unread) else tuple(entry.name for entry in entries)
    return [f"{folder}/{one}" for one in sorted(names) if fnmatch.fnmatchcase(one, name)]


def _take(words: list[str], chains: Chains) -> None:
    """Follow one statement."""
    if words[0] in {"add", "create"}:
        words = words[1:]
    match words:
        case ["flush", "ruleset", *_]:
            chains.clear()
        case ["delete" | "destroy" | "reset", *_]:
            _forget(words[1:], chains)
        case ["flush", "table" | "chain", *_]:
            _empty(words[1:], chains)
        case ["table", *rest]:
            family, rest = _family(rest)
            _table(family, rest, chains)
        case ["chain", *rest]:
            family, rest = _family(rest)
            if len(rest) > 1:
                _chain(family, rest[0], rest[1:], chains)
        case ["rule" | "insert", *rest]:
            rest = rest[1:] if rest[:1] == ["rule"] else rest
            family, rest = _family(rest)
            known = chains.get((family, rest[0], rest[1])) if len(rest) > 2 else None  # noqa: PLR2004 - table, chain
            if known is not None:
                at = 0 if words[0] == "insert" else len(known.rules)
                known.rules.insert(at, " ".join(rest[2:]))
        case _:
            pass


def _family(words: list[str]) -> tuple[str, list[str]]:
    return (words[0], words[1:]) if words and words[0] in _FAMILIES else ("ip", words)


def _forget(words: list[str], chains: Chains) -> None:
    kind, (family, rest) = words[0] if words else "", _family(words[1:])
    for key in [k for k in chains if k[0] == family and rest and k[1] == rest[0]]:
        if kind == "table" or (kind == "chain" and key[2] == rest[-1]):
            del chains[key]


def _empty(words: list[str], chains: Chains) -> None:
    kind, (family, rest) = words[0], _family(words[1:])
    for key, chain in chains.items():
        if key[0] == family and rest and key[1] == rest[0] and (kind == "table" or key[2] == rest[-1]):
            chain.rules.clear()


def _table(family: str, words: list[str], chains: Chains) -> None:
    name, inside = (words[0] if words else ""), _inside(words[1:])
    for part in _parts(inside):
        if part[0] == "chain" and len(part) > 1:
            _chain(family, name, part[1:], chains)


def _chain(family: str, table: str, words: list[str], chains: Chains) -> None:
    key = (family, table, words[0])
    chain = chains.setdefault(key, ScriptChain(*key))
    for part in _parts(_inside(words[1:])):
        text = " ".join(word for word in part if word != "\n")
        if part[0] == "type" and "hook" in part:
            chain.hook = part[part.index("hook") + 1] if part.index("hook") + 1 < len(part) else ""
        elif part[0] == "policy":
            chain.policy = part[1] if len(part) > 1 else ""
        elif part[0] != "comment":
            chain.rules.append(text)


def _inside(words: list[str]) -> list[str]:
    """What stands between the outer braces."""
    if not words or words[0] != "{":
        return []
    return words[1:-1]


def _parts(words: list[str]) -> Iterator[list[str]]:
    """The statements of a block: they end at a line end, a semicolon, or with a block of their own."""
    part: list[str] = []
    level = 0
    for word in words:
        level += {"{": 1, "}": -1}.get(word, 0)
        if word in {"\n", ";"} and level == 0:
            if part:
                yield part
            part = []
            continue
        part.append(word)
        if word == "}" and level == 0 and part[0] in {"chain", "set", "map", "flowtable", "counter"}:
            yield part
            part = []
    if part:
        yield part
