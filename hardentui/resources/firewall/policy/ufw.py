"""A policy where ufw holds the firewall: its files of rules, written as ufw itself writes them, and read.

ufw keeps its rules in two files, a tuple that it reads and the lines of iptables-restore that it made of it
below. Its program rewrites both at every ``ufw reload``, from the tuples and two more files; so what is
written here must be, to the byte, what it would write. That is proved on each host before anything is
planned: the files that stand there are read, and must come out the same when they are written again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hardentui.i18n import N_, _
from hardentui.model import Fact, Gap, Recommendation
from hardentui.operations import Change, Lines, LoadHolder, Operation, ReplaceLine, WriteFile
from hardentui.resources.base import digest, list_fact, text_fact
from hardentui.resources.firewall import loaded
from hardentui.resources.firewall.policy import (
    DIRECTIONS,
    Direction,
    Network,
    Permit,
    Policy,
    parse_peers,
    parse_ports,
    peer_text,
)
from hardentui.resources.firewall.policy import ufw_around as around
from hardentui.resources.firewall.policy.holder import Holder, refusal
from hardentui.resources.firewall.policy.ufw_around import PREFIX
from hardentui.resources.firewall.ruleset import Json, Ruleset, Span, literal
from hardentui.resources.firewall.sources import networks
from hardentui.snapshot import File, Question, Snapshot, Unread

NAME = "ufw"
SWITCH, DEFAULTS = "/etc/ufw/ufw.conf", "/etc/default/ufw"
RULES: Mapping[int, str] = {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
_ANY = {4: "0.0.0.0/0", 6: "::/0"}
_MOST_PORTS = 15  # that one rule of iptables names; a range counts twice
_LEVELS = ("off", "low", "medium", "high", "full")
_WAYS = ("input", "output", "forward")
_SPACED = " -m limit --limit 3/min --limit-burst 10"
_TUPLE = "### tuple ### "
_OURS = re.compile(
    rf"{_TUPLE}allow (tcp|udp) (\S+) (\S+) any (\S+) (in|out) comment=((?:[0-9a-f]{{2}})+)", re.ASCII
)
_ROUTE = re.compile(
    rf"{_TUPLE}route:[a-z_-]+(?: [\x21-\x7e]+)+|-A ufw6?-user(?:-logging)?-forward [\x20-\x7e]+"
)
_DEFAULT = re.compile(r"DEFAULT_(?:INPUT|OUTPUT)_POLICY=\"?(?:ACCEPT|DROP|REJECT)\"?")
_LEVEL = re.compile(r"LOGLEVEL=\"?(?:off|low|medium|high|full)\"?")
_VERDICTS = {"ACCEPT", "DROP", "REJECT"}

# Why the script does not write to a host, by the word that stands in the plan.
_OBSTACLES = {
    "unread": N_("what ufw holds could not be read"),
    "off": N_("ufw is not enabled here: run ufw enable first, or take it out of service"),
    "ipv6": N_(
        "ufw drops all of IPv6 here (IPV6 is not yes in /etc/default/ufw): set it, run ufw reload, "
        "and look again"
    ),
    "builtins": N_("ufw flushes the rules of others here (MANAGE_BUILTINS=yes in /etc/default/ufw)"),
    "format": N_("the files of rules are not as ufw writes them: run ufw reload, and look again"),
    "loaded": N_("what is loaded is not what the files of ufw say: run ufw reload, and look again"),
    "beside": N_(
        "rules that are no rules of ufw's own open ports beside the policy (iptables -S, and before.rules, "
        "after.rules and their .init in /etc/ufw): take them out first"
    ),
}
# The same of what goes out: it stands only against a policy that closes that.
_BESIDE_OUT = "beside-out"


@dataclass(frozen=True, slots=True)
class Settings:
    """What ufw makes of packets that no rule names, by chain (ACCEPT, DROP, REJECT), and how much it logs.

    ``both`` is whether it filters both versions of IP; else it drops all of IPv6.
    """

    defaults: tuple[str, str, str]
    level: str
    both: bool = True


Block = tuple[str, ...]  # a rule as it stands in a file: its tuple, and what is loaded of it


# --- what the rest of the house asks -----------------------------------------------------------------------


def facts(snapshot: Snapshot) -> dict[str, Fact]:
    """What the steps to a policy depend on: lines to replace, rules to keep, what stands against it."""
    found: dict[str, Fact] = {f"ufw.rules{version}": digest(snapshot, RULES[version]) for version in RULES}
    found["ufw.obstacle"] = _obstacle(snapshot)
    texts = {path: snapshot.ask(File(path)) for path in (SWITCH, DEFAULTS, *RULES.values())}
    if any(isinstance(text, Unread) for text in texts.values()):
        return found
    for name, path, key in (
        ("input", DEFAULTS, "DEFAULT_INPUT_POLICY"),
        ("output", DEFAULTS, "DEFAULT_OUTPUT_POLICY"),
        ("level", SWITCH, "LOGLEVEL"),
    ):
        found[f"ufw.{name}"] = next(iter(_lines_of(str(texts[path]), key)), "")
    settings = _settings(str(texts[SWITCH]), str(texts[DEFAULTS]))
    found["ufw.routed"] = settings.defaults[2] if settings else ""
    for version, path in RULES.items():
        blocks = _blocks(str(texts[path])) or ()
        found[f"ufw.kept{version}"] = tuple(line for b in blocks if _is_route(b) for line in ("", *b))
    return found


def at_boot(snapshot: Snapshot) -> Policy | Gap | None:
    """The policy that the files come to; None where they hold a rule that is no line of a policy.

    A gap where the files around people's rules let more through, or cannot be told.
    """
    settings, blocks = _filed(snapshot)
    if settings is None or blocks is None or not settings.both or settings.defaults[0] == "ACCEPT":
        return None
    permits = []
    for version in RULES:
        for block in blocks[version]:
            if _is_route(block):
                continue
            permit = _permit(version, block)
            if permit is None:
                return None
            permits.append(permit)
    policy = Policy("accept" if settings.defaults[1] == "ACCEPT" else "drop", tuple(permits))
    return around.filed(snapshot, _closed(policy.outgoing)) or policy


def running(snapshot: Snapshot) -> Policy | Gap | None:
    """The policy of the files, where the loaded rules are those; their names stand in the files only."""
    filed = at_boot(snapshot)
    rules = snapshot.derive(loaded.read)
    if not isinstance(filed, Policy) or rules.gap is not None:
        return filed if isinstance(filed, Gap) else None
    versions = _versions(snapshot)
    if not _same_loaded(rules.rules, filed, versions):
        return None
    return around.loaded(rules.rules, _closed(filed.outgoing), versions) or filed


def steps(entry: Recommendation, known: Mapping[str, Fact], policy: Policy) -> Change:
    """Its files written anew, with the rules of the policy and no other, and loaded."""
    obstacle = known.get("ufw.obstacle", "unread")
    if obstacle == _BESIDE_OUT:
        obstacle = "beside" if policy.outgoing == "drop" else ""
    if obstacle != "":
        return refusal(str(obstacle), _OBSTACLES)
    own = (entry.id,)
    level = text_fact(known, "ufw.level").partition("=")[2].strip('"')
    routed = text_fact(known, "ufw.routed")
    if level not in _LEVELS or routed not in _VERDICTS:
        return refusal("unread", _OBSTACLES)
    outgoing = "DROP" if policy.outgoing == "drop" else "ACCEPT"
    settings = Settings(("DROP", outgoing, routed), "low" if level == "off" else level)
    made: list[Operation] = []
    for version, path in RULES.items():
        kept = _kept(list_fact(known, f"ufw.kept{version}"))
        lines = tuple(render(version, [*kept, *_ours(version, policy)], settings))
        made.append(
            WriteFile(
                owners=own,
                can_lock_out=True,
                path=path,
                parts=(Lines(owner=entry.id, lines=lines),),
                mode="0640",
                before=text_fact(known, f"ufw.rules{version}"),
            )
        )
    for name, path, grammar, value in (
        ("input", DEFAULTS, _DEFAULT, 'DEFAULT_INPUT_POLICY="DROP"'),
        ("output", DEFAULTS, _DEFAULT, f'DEFAULT_OUTPUT_POLICY="{outgoing}"'),
        ("level", SWITCH, _LEVEL, f"LOGLEVEL={settings.level}"),
    ):
        line = text_fact(known, f"ufw.{name}")
        if not grammar.fullmatch(line):
            return refusal("unread", _OBSTACLES)
        if line.replace('"', "") != value.replace('"', ""):
            made.append(ReplaceLine(owners=own, can_lock_out=True, path=path, before=line, after=value))
    return (*made, LoadHolder(owners=own, can_lock_out=True, holder=NAME))


def after_load(snapshot: Snapshot) -> dict[Question[Any], Any]:
    """What iptables-save would show once the files were loaded: for a rehearsal."""
    settings, blocks = _filed(snapshot)
    if settings is None or blocks is None:
        return {}
    answers: dict[Question[Any], Any] = {}
    for version, family in ((4, "ip"), (6, "ip6")):
        output = snapshot.ask(loaded.SAVE[family])
        if isinstance(output, Unread):
            continue
        # What ufw makes of its defaults in chains of its own comes to what the policies of the chains do.
        people, made = (
            tuple(f"-A {PREFIX[version]}-{name}-{way} " for name in names for way in _WAYS[:2])
            for names in (("user",), ("reject", "track", "skip-to-policy"))
        )
        lines = [line for line in output.stdout.split("\n") if not line.startswith((*people, *made))]
        lines = [_with_policy(line, settings) for line in lines]
        at = next((n for n, line in enumerate(lines) if line.startswith("*filter")), -1)
        end = next((n for n, line in enumerate(lines) if n > at and line == "COMMIT"), len(lines))
        filed = (line for block in blocks[version] for line in block if line.startswith(people))
        lines[end:end] = map(around.spelled, filed)
        answers[loaded.SAVE[family]] = replace(output, stdout="\n".join(lines))
    return answers


_MOVED: tuple[Question[Any], ...] = tuple(loaded.SAVE.values())


# --- its files ----------------------------------------------------------------------------------------------


def render(version: int, blocks: Iterable[Block], settings: Settings) -> Iterator[str]:
    """The lines of a file of rules, as ufw 0.36 writes them (backend_iptables.py, _write_rules)."""
    own = PREFIX[version]
    yield "*filter"
    logging = [f"{place}-logging-{way}" for place in ("before", "user", "after") for way in _WAYS]
    chains = (*(f"user-{way}" for way in _WAYS), *logging)
    for chain in (*chains, "logging-deny", "logging-allow", "user-limit", "user-limit-accept"):
        yield f":{own}-{chain} - [0:0]"
    yield "### RULES ###"
    for block in blocks:
        yield ""
        yield from block
    yield from ("", "### END RULES ###", "", "### LOGGING ###")
    yield from _logging(own, settings)
    yield from ("### END LOGGING ###", "", "### RATE LIMITING ###")
    if settings.level != "off":
        yield f'-A {own}-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "'
    yield from (f"-A {own}-user-limit -j REJECT", f"-A {own}-user-limit-accept -j ACCEPT")
    yield from ("### END RATE LIMITING ###", "COMMIT")


def _logging(own: str, settings: Settings) -> Iterator[str]:
    """What ufw logs at a level (backend_iptables.py, _get_logging_rules)."""
    level = _LEVELS.index(settings.level)
    if settings.level == "off":
        yield from (f"-I {own}-user-logging-{way} -j RETURN" for way in _WAYS)
        return
    few = _SPACED if settings.level in {"low", "medium"} else ""
    for way, default in zip(_WAYS, settings.defaults, strict=True):
        if default != "ACCEPT":
            yield f'-A {own}-after-logging-{way} -j LOG --log-prefix "[UFW BLOCK] "{few}'
        elif settings.level != "low":
            yield f'-A {own}-after-logging-{way} -j LOG --log-prefix "[UFW ALLOW] "{few}'
    invalid = f"{own}-logging-deny -m conntrack --ctstate INVALID -j"
    if settings.level == "low":
        yield f"-I {invalid} RETURN{few}"
    else:
        yield f'-A {invalid} LOG --log-prefix "[UFW AUDIT INVALID] "{few}'
    yield f'-A {own}-logging-deny -j LOG --log-prefix "[UFW BLOCK] "{few}'
    yield f'-A {own}-logging-allow -j LOG --log-prefix "[UFW ALLOW] "{few}'
    rates = {"medium": f" -m conntrack --ctstate NEW{_SPACED}", "high": _SPACED, "full": ""}
    if level >= _LEVELS.index("medium"):
        rate = rates[settings.level]
        yield from (
            f'-I {own}-before-logging-{way} -j LOG --log-prefix "[UFW AUDIT] "{rate}' for way in _WAYS
        )


def _filed(snapshot: Snapshot) -> tuple[Settings | None, dict[int, tuple[Block, ...]] | None]:
    """The settings and the rules of the files; None for what cannot be read."""
    texts = {path: snapshot.ask(File(path)) for path in (SWITCH, DEFAULTS, *RULES.values())}
    if any(isinstance(text, Unread) for text in texts.values()):
        return None, None
    settings = _settings(str(texts[SWITCH]), str(texts[DEFAULTS]))
    blocks = {version: _blocks(str(texts[path])) for version, path in RULES.items()}
    if not loaded.has_ipv6(snapshot):
        blocks[6] = blocks[6] or ()  # as it came with the package, without the marks
    found = {version: those for version, those in blocks.items() if those is not None}
    return settings, found if len(found) == len(RULES) else None


def _settings(switch: str, defaults: str) -> Settings | None:
    ends = tuple(_value(defaults, f"DEFAULT_{chain}_POLICY") for chain in ("INPUT", "OUTPUT", "FORWARD"))
    level = _value(switch, "LOGLEVEL")
    if level not in _LEVELS or not _VERDICTS.issuperset(ends):
        return None
    return Settings((ends[0], ends[1], ends[2]), level, _value(defaults, "IPV6").lower() == "yes")


def _lines_of(text: str, key: str) -> list[str]:
    return [line for line in text.split("\n") if line.partition("=")[0] == key]


def _value(text: str, key: str) -> str:
    """The value of a key that is set once; "" for none, or for more than one."""
    lines = _lines_of(text, key)
    return lines[0].partition("=")[2].strip('"') if len(lines) == 1 else ""


def _blocks(text: str) -> tuple[Block, ...] | None:
    """The rules of a file; None where it is not marked as ufw marks it."""
    _head, begin, rest = text.partition("### RULES ###\n")
    body, end, _tail = rest.partition("\n### END RULES ###\n")
    if not begin or not end:
        return None
    return tuple(tuple(block.split("\n")) for block in body.strip("\n").split("\n\n") if block)


def _obstacle(snapshot: Snapshot) -> str:
    """Why the script cannot write here, as a word of _OBSTACLES; "" for nothing."""
    settings, blocks = _filed(snapshot)
    if settings is None or blocks is None or snapshot.derive(loaded.read).gap is not None:
        return "unread"
    texts = [snapshot.ask(File(path)) for paths in around.FILES.values() for path in paths]
    if any(isinstance(text, Unread) for text in texts):
        return "unread"
    switch, defaults = (str(snapshot.ask(File(path))) for path in (SWITCH, DEFAULTS))
    if _value(switch, "ENABLED").lower() != "yes":
        return "off"
    if not settings.both:
        return "ipv6"
    if _value(defaults, "MANAGE_BUILTINS").lower() == "yes":
        return "builtins"
    for version in _versions(snapshot):  # ufw leaves the other file as it came
        again = "".join(f"{line}\n" for line in render(version, blocks[version], settings))
        if again != snapshot.ask(File(RULES[version])):
            return "format"
    return _beside(snapshot) if _in_force(snapshot, settings, blocks) else "loaded"


def _versions(snapshot: Snapshot) -> tuple[int, ...]:
    """The versions of IP whose rules ufw loads, where it filters both: those that the kernel has."""
    return tuple(version for version in RULES if version == 4 or loaded.has_ipv6(snapshot))  # noqa: PLR2004 - IPv4


def _beside(snapshot: Snapshot) -> str:
    """What lets packets through beside people's rules, as a word of _OBSTACLES; "" for nothing."""
    rules = snapshot.derive(loaded.read).rules
    for word, ways in (("beside", _closed("accept")), (_BESIDE_OUT, _closed("drop"))):
        if around.loaded(rules, ways, _versions(snapshot)) or around.filed(snapshot, ways):
            return word
    return ""


def _closed(outgoing: str) -> tuple[str, ...]:
    """The ways that a policy closes."""
    return _WAYS[:2] if outgoing == "drop" else _WAYS[:1]


def _in_force(snapshot: Snapshot, settings: Settings, blocks: Mapping[int, tuple[Block, ...]]) -> bool:
    """Whether what is loaded is, in number and by default, what the files say."""
    rules = snapshot.derive(loaded.read)
    for version in _versions(snapshot):
        own = PREFIX[version]
        ends = {way: chain.policy for way in _WAYS for chain in around.base(rules.rules, version, way)}
        wanted = dict(
            zip(_WAYS, ("accept" if d == "ACCEPT" else "drop" for d in settings.defaults), strict=True)
        )
        if ends != wanted:
            return False
        for way in _WAYS[:2]:
            start = f"-A {own}-user-{way} "
            filed = [line for block in blocks[version] for line in block if line.startswith(start)]
            if len(around.chain(rules.rules, version, f"{own}-user-{way}")) != len(filed):
                return False
        if not around.as_many(snapshot, rules.rules, version):
            return False
    return True


# --- rules ------------------------------------------------------------------------------------------------


def _ours(version: int, policy: Policy) -> Iterator[Block]:
    """The rules of a policy, as the files hold them."""
    chains = {"in": f"{PREFIX[version]}-user-input", "out": f"{PREFIX[version]}-user-output"}
    for permit in policy.permits:
        for ports in _by_fifteen(permit):
            for peer in _peers(version, permit):
                ends = (_ANY[version], peer) if permit.direction == "in" else (peer, _ANY[version])
                name = permit.name.encode().hex()
                words = ["-A", chains[permit.direction], "-p", permit.protocol]
                several = "," in ports or ":" in ports
                words += ["-m", "multiport", "--dports", ports] if several else []
                words += ["-d", ends[0]] if ends[0] != _ANY[version] else []
                words += [] if several else ["--dport", ports]
                words += ["-s", ends[1]] if ends[1] != _ANY[version] else []
                who = f"{permit.protocol} {ports} {ends[0]} any {ends[1]} {permit.direction}"
                yield f"{_TUPLE}allow {who} comment={name}", " ".join([*words, "-j", "ACCEPT"])


def _permit(version: int, block: Block) -> Permit | None:
    """The line of a policy that a rule comes to; None where it comes to none."""
    found = _OURS.fullmatch(block[0])
    if found is None:
        return None
    protocol, ports, to, source, direction, name = found.groups()
    peer, other = (source, to) if direction == "in" else (to, source)
    try:
        permit = Permit(
            "in" if direction == "in" else "out",
            "tcp" if protocol == "tcp" else "udp",
            parse_ports(ports.replace(":", "-")),
            parse_peers(peer),
            bytes.fromhex(name).decode("ascii"),
        )
    except ValueError:
        return None
    again = list(_ours(version, Policy("accept", (permit,))))
    return permit if other == _ANY[version] and again == [block] else None


def shut_out(snapshot: Snapshot) -> tuple[str, ...]:
    """The rules of people that shut something out (deny, reject, limit), in words; () where ufw is off."""
    switch = snapshot.ask(File(SWITCH))
    _settings, blocks = _filed(snapshot)
    if isinstance(switch, Unread) or blocks is None or _value(switch, "ENABLED").lower() != "yes":
        return ()
    rules = (block[0].removeprefix(_TUPLE).split() for version in RULES for block in blocks[version])
    return tuple(dict.fromkeys(_in_words(*rule[:7]) for rule in rules if _shuts(rule)))


def _shuts(rule: list[str]) -> bool:
    return rule[0].partition("_")[0] in {"deny", "reject", "limit"} and len(rule) > 6  # noqa: PLR2004 - its fields


def _in_words(action: str, protocol: str, port: str, to: str, _from: str, source: str, way: str) -> str:
    word, peer = ("to", to) if way.startswith("out") else ("from", source)
    return f"{action} {protocol} {port} {word} {'any' if peer in _ANY.values() else peer}"


def _is_route(block: Block) -> bool:
    """Whether a rule is about packets that are forwarded, which is not a policy's matter."""
    return block[0].startswith(f"{_TUPLE}route:")


def _kept(lines: tuple[Fact, ...]) -> list[Block]:
    """The rules of before that stay.

    Raises:
        ValueError: a line is none of them: somebody changed the plan.
    """
    for line in lines:
        if line and not _ROUTE.fullmatch(str(line)):
            raise ValueError(_("no rule of ufw about forwarded packets: {line}").format(line=ascii(line)))
    blocks = "\n".join(map(str, lines)).strip("\n").split("\n\n")
    return [tuple(block.split("\n")) for block in blocks if block]


def _peers(version: int, permit: Permit) -> tuple[str, ...]:
    if not permit.peers:
        return (_ANY[version],)
    return tuple(peer_text(peer) for peer in permit.peers if peer.version == version)


def _by_fifteen(permit: Permit) -> Iterator[str]:
    """The ports of a permit, as many at a time as one rule takes."""
    words: list[str] = []
    count = 0
    for low, high in permit.ports:
        size = 1 if low == high else 2
        if count + size > _MOST_PORTS:
            yield ",".join(words)
            words, count = [], 0
        words.append(str(low) if low == high else f"{low}:{high}")
        count += size
    yield ",".join(words)


# --- what is loaded ---------------------------------------------------------------------------------------


def _same_loaded(rules: Ruleset, policy: Policy, versions: Iterable[int]) -> bool:
    """Whether the loaded rules of people let through what the policy does, and the rest is dropped."""
    for version in versions:
        own = PREFIX[version]
        ends = {way: {chain.policy for chain in around.base(rules, version, way)} for way in _WAYS[:2]}
        if ends != {"input": {"drop"}, "output": {policy.outgoing}}:
            return False
        for direction, way in zip(DIRECTIONS, _WAYS, strict=False):
            seen = {_loaded(one, direction) for one in around.chain(rules, version, f"{own}-user-{way}")}
            if seen != set(_wanted(policy, version, direction)):
                return False
    return True


_Loaded = tuple[str, tuple[tuple[int, int], ...], tuple[Network, ...]]


def _wanted(policy: Policy, version: int, direction: Direction) -> Iterator[_Loaded]:
    for permit in policy.permits:
        if permit.direction == direction:
            for ports in _by_fifteen(permit):
                spans = parse_ports(ports.replace(":", "-"))
                for peer in _peers(version, permit):
                    yield permit.protocol, spans, () if peer == _ANY[version] else parse_peers(peer)


def _loaded(statements: tuple[Json, ...], direction: Direction) -> _Loaded | None:
    """Protocol, ports and peer of a loaded rule; None for one that asks for anything else."""
    peers: tuple[Network, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    protocol = ""
    side = "saddr" if direction == "in" else "daddr"
    for statement in statements[:-1]:
        match = statement.get("match") if isinstance(statement, Mapping) else None
        if match is None or match["op"] != "==":
            return None
        left = match["left"]
        payload = left.get("payload", {})
        if left == {"meta": {"key": "l4proto"}}:
            protocol = str(match["right"])
        elif payload.get("field") == side:
            peers = networks([span for span in [literal(match["right"])] if isinstance(span, Span)])
        elif payload.get("field") == "dport":
            right = match["right"]
            nodes = right["set"] if isinstance(right, Mapping) and "set" in right else [right]
            ports = tuple((s.low, s.high) for s in map(literal, nodes) if isinstance(s, Span))
        else:
            return None
    return (protocol, ports, peers) if statements[-1:] == ({"accept": None},) else None


def _with_policy(line: str, settings: Settings) -> str:
    """A line of iptables-save, with the default of its chain as the settings say."""
    for chain, default in zip(("INPUT", "OUTPUT"), settings.defaults, strict=False):
        if line.startswith(f":{chain} "):
            return f":{chain} {'ACCEPT' if default == 'ACCEPT' else 'DROP'} [0:0]"
    return line


HOLDER = Holder(NAME, RULES[4], running, at_boot, facts, shut_out, steps, after_load, _MOVED)
