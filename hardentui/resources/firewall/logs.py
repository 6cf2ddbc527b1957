"""Which packets the firewall writes down: the log statements that are loaded, and those of the next boot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hardentui.model import Gap, GapKind
from hardentui.resources.families import family_of
from hardentui.resources.firewall import boot, iptables, loaded, script
from hardentui.resources.firewall.policy import nftables, place
from hardentui.resources.firewall.ruleset import Json, Ruleset, build
from hardentui.snapshot import File, Reason, Snapshot, Unread

UFW, FIREWALLD = "/etc/ufw/ufw.conf", "/etc/firewalld/firewalld.conf"
_VERDICTS = ("drop", "reject", "accept", "queue", "return", "jump", "goto")
_REFUSES = frozenset({"drop", "reject"})
_TELLS = re.compile(r"drop|block|deny|denied|reject|refus", re.IGNORECASE)  # prefixes that name the verdict


@dataclass(frozen=True, slots=True)
class LogRule:
    """A rule that writes packets down.

    ``place`` names it, ``prefix`` stands before its messages. ``refused``: what it logs is then dropped
    or rejected. ``limited``: at a limited rate. ``group``: not to the kernel's log but to a program (ulogd).
    """

    place: str
    prefix: str = ""
    refused: bool = False
    limited: bool = False
    group: bool = False


def now(snapshot: Snapshot) -> tuple[LogRule, ...] | Gap:
    """The rules of the kernel that log."""
    found = snapshot.derive(loaded.read)
    return found.gap if found.gap is not None else tuple(_of_rules(found.rules))


def at_boot(snapshot: Snapshot) -> tuple[LogRule, ...] | Gap:
    """The rules that log of what the next boot loads; a gap where one of its programs is not followed."""
    holders = boot.holders(snapshot)
    if isinstance(holders, Gap):
        return holders
    found: list[LogRule] = []
    for holder in holders:
        read = _HOLDERS.get(holder.name)
        rules = read(snapshot) if read else Gap(GapKind.UNMODELLED, holder.name)
        if isinstance(rules, Gap):
            return rules
        found += rules
    return tuple(found)


# --- loaded rules -----------------------------------------------------------------------------------------


def _of_rules(rules: Ruleset) -> Iterator[LogRule]:
    for chain in rules.chains.values():
        lines = [_Line.of(rule.place, rule.statements) for rule in chain.rules]
        yield from _logging(lines, chain.policy if chain.hook else "")


@dataclass(frozen=True, slots=True)
class _Line:
    """What matters of a rule: its log statement (None: it has none), its verdict, whether it has a limit."""

    place: str
    log: Mapping[str, Json] | None
    verdict: str
    limited: bool

    @classmethod
    def of(cls, place: str, statements: Iterable[Json]) -> _Line:
        """From statements of libnftables JSON; in a plain ``log`` there is nothing."""
        known = {name: value for one in statements if isinstance(one, dict) for name, value in one.items()}
        log = _options(known["log"]) if "log" in known else _foreign(known.get("xt"))
        verdict = next((word for word in _VERDICTS if word in known), "")
        return cls(place, log, verdict, "limit" in known)


def _options(log: Json) -> Mapping[str, Json]:
    """The options of a log statement; a plain one has null there."""
    return log if isinstance(log, dict) else {}


def _foreign(xt: Json) -> Mapping[str, Json] | None:
    """The log statement that an extension of iptables is, of which JSON gives the name alone."""
    name = xt.get("name") if isinstance(xt, dict) else None
    return {"LOG": {}, "NFLOG": {"group": 0}}.get(str(name))


def _logging(lines: list[_Line], policy: str) -> Iterator[LogRule]:
    for at, line in enumerate(lines):
        if line.log is None:
            continue
        prefix = line.log.get("prefix")
        prefix = prefix if isinstance(prefix, str) else ""
        # Without a verdict of its own the packet goes on to the rules below, and in the end to the policy.
        following = {below.verdict for below in lines[at + 1 :]} | {policy}
        refused = line.verdict in _REFUSES or (
            not line.verdict and (bool(following & _REFUSES) or _TELLS.search(prefix) is not None)
        )
        yield LogRule(line.place, prefix, refused, line.limited, "group" in line.log)


# --- what the next boot loads ----------------------------------------------------------------------------


_LOG = re.compile(
    r'(?:^| )log(?P<options>(?: (?:prefix|level|flags|group|snaplen|queue-threshold) (?:"[^"]*"|\S+))*)'
)
_PREFIX = re.compile(r'prefix (?:"([^"]*)"|(\S+))')


def _of_script(snapshot: Snapshot) -> tuple[LogRule, ...] | Gap:
    names = family_of(snapshot)
    if isinstance(names, Gap):
        return names
    path = names.nftables_file
    try:
        chains = script.read(snapshot, path)
    except script.UnclearError as error:
        return Gap(GapKind.UNMODELLED, str(error))
    found: list[LogRule] = []
    for chain in chains.values():
        place = f"{path}: {chain.family} {chain.table} {chain.name}"
        found += _logging(
            [_in_words(place, rule) for rule in chain.rules], chain.policy if chain.hook else ""
        )
    return tuple(found)


def _in_words(place: str, rule: str) -> _Line:
    log = _LOG.search(rule)
    options: dict[str, Json] = {}
    if log is not None:
        prefix = _PREFIX.search(log["options"])
        options["prefix"] = (prefix[1] or prefix[2] or "") if prefix else ""
        if " group " in log["options"]:
            options["group"] = 0
    words = re.sub(r'"[^"]*"', '""', rule).split()
    verdict = next((word for word in _VERDICTS if word in words), "")
    return _Line(place, options if log is not None else None, verdict, "limit" in words)


def _of_ufw(snapshot: Snapshot) -> tuple[LogRule, ...] | Gap:
    text = snapshot.ask(File(UFW))
    if isinstance(text, Unread):
        return text.gap(UFW)
    level = (_setting(text, "LOGLEVEL") or "low").lower()
    if level == "off":
        return ()
    return (LogRule(f"{UFW}: LOGLEVEL={level}", "[UFW BLOCK] ", refused=True, limited=level != "full"),)


def _of_firewalld(snapshot: Snapshot) -> tuple[LogRule, ...] | Gap:
    text = snapshot.ask(File(FIREWALLD))
    if isinstance(text, Unread):
        return () if text.reason is Reason.MISSING else text.gap(FIREWALLD)
    denied = (_setting(text, "LogDenied") or "off").lower()
    if denied == "off":
        return ()
    return (LogRule(f"{FIREWALLD}: LogDenied={denied}", "FINAL_REJECT: ", refused=True),)


def _setting(text: str, name: str) -> str:
    found = re.findall(rf"^\s*{name}\s*=\s*(\S*)", text, re.MULTILINE)
    return found[-1].strip("\"'") if found else ""


def _of_iptables(snapshot: Snapshot) -> tuple[LogRule, ...] | Gap:
    names = family_of(snapshot)
    if isinstance(names, Gap):
        return names
    found: list[LogRule] = []
    for path, family in zip(names.iptables_files, ("ip", "ip6"), strict=True):
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                return text.gap(path)
            continue
        try:
            found += _of_rules(iptables.translate(text, family))
        except ValueError as error:
            return Gap(GapKind.FAILED, f"{path}: {error}")
    return tuple(found)


def _of_policy(snapshot: Snapshot) -> tuple[LogRule, ...] | Gap:
    found = place.at_boot(snapshot)
    if isinstance(found, Gap):
        return found
    return tuple(_of_rules(build(nftables.show(found)))) if found else ()


_HOLDERS: Mapping[str, Callable[[Snapshot], tuple[LogRule, ...] | Gap]] = {
    boot.OURS: _of_policy,
    "nftables": _of_script,
    "ufw": _of_ufw,
    "firewalld": _of_firewalld,
    "iptables": _of_iptables,
}
