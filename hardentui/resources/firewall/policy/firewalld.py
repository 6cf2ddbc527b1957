"""A policy where firewalld holds the firewall: a zone and a policy object of our own, in files that it reads.

The zone becomes the default one, so that every interface that nobody put elsewhere is in it; the zones that
were there stay as they are, and are the default again after a rollback. The description of the zone keeps the
policy's own text, for firewalld has no comments. What only runs is lost when firewalld reads its files again:
nothing is planned while something does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, unescape

from hardentui.i18n import N_, _
from hardentui.model import Fact, Gap, GapKind, Recommendation
from hardentui.operations import Change, Lines, LoadHolder, Operation, ReplaceLine, WriteFile
from hardentui.resources.base import digest, text_fact
from hardentui.resources.firewall import firewalld_files as files
from hardentui.resources.firewall.policy import (
    Direction,
    Network,
    Policy,
    parse,
    peer_text,
    span_text,
    write,
)
from hardentui.resources.firewall.policy.holder import Holder, refusal
from hardentui.resources.firewall.policy.nftables import PREFIX
from hardentui.snapshot import File, Output, Question, Reason, SlowCommand, Snapshot, UnitFiles, Unread

NAME = "firewalld"
ZONE, OUT = "hardentui", "hardentui-out"
SETTINGS = "/etc/firewalld/firewalld.conf"
ZONE_FILE, OUT_FILE = f"/etc/firewalld/zones/{ZONE}.xml", f"/etc/firewalld/policies/{OUT}.xml"
_MARK = "#: "  # begins a line of the policy's own text
_DHCPV6 = 547  # where a DHCPv6 client asks; the answers belong to no connection
_THEIRS = "allow-host-ipv6"  # what firewalld brings: the neighbour messages that IPv6 cannot do without
SET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:.-]{0,31}")  # the name of a set of addresses
# In a rich rule, whose log may have a limit of its own.
_SHUTS = re.compile(r" (?:reject|drop)\b| accept limit ")
_DEFAULT_ZONE = re.compile(r"DefaultZone=[A-Za-z0-9_/-]{1,64}")

DEFAULT = SlowCommand(("firewall-cmd", "--get-default-zone"), needs_root=True)
ZONES = SlowCommand(("firewall-cmd", "--list-all-zones"), needs_root=True)
POLICIES = SlowCommand(("firewall-cmd", "--list-all-policies"), needs_root=True)
FILED_ZONES = SlowCommand(("firewall-cmd", "--permanent", "--list-all-zones"), needs_root=True)
FILED_POLICIES = SlowCommand(("firewall-cmd", "--permanent", "--list-all-policies"), needs_root=True)
# Rules, chains and passthroughs by which people speak to iptables past the zones.
DIRECT = (
    SlowCommand(("firewall-cmd", "--direct", "--get-all-rules"), needs_root=True),
    SlowCommand(("firewall-cmd", "--direct", "--get-all-chains"), needs_root=True),
    SlowCommand(("firewall-cmd", "--direct", "--get-all-passthroughs"), needs_root=True),
)
FILED_DIRECT = (
    SlowCommand(("firewall-cmd", "--permanent", "--direct", "--get-all-rules"), needs_root=True),
    SlowCommand(("firewall-cmd", "--permanent", "--direct", "--get-all-chains"), needs_root=True),
    SlowCommand(("firewall-cmd", "--permanent", "--direct", "--get-all-passthroughs"), needs_root=True),
)
SETS = SlowCommand(("firewall-cmd", "--get-ipsets"), needs_root=True)
FILED_SETS = SlowCommand(("firewall-cmd", "--permanent", "--get-ipsets"), needs_root=True)
_MOVED: tuple[Question[Any], ...] = (DEFAULT, ZONES, FILED_ZONES, POLICIES, FILED_POLICIES)

# Why the script does not write to a host, by the word that stands in the plan.
_OBSTACLES = {
    "unread": N_("what firewalld holds could not be read, or it does not run"),
    "off": N_("no boot starts firewalld: run systemctl enable firewalld first, or take it out of service"),
    "runtime": N_(
        "firewalld runs with rules that its files do not have, and loading the policy would lose them: "
        "keep them with firewall-cmd --runtime-to-permanent, or drop them with firewall-cmd --reload, "
        "and look again"
    ),
    "members": N_(
        "interfaces or sources are in other zones than the default one, where the policy would not hold "
        "(firewall-cmd --get-active-zones): take them out first"
    ),
    "router": N_(
        "the default zone masquerades or forwards ports, which would end with another default zone: "
        "give it interfaces of its own first"
    ),
    "beside": N_(
        "policy objects or direct rules let packets in or out beside the zones "
        "(firewall-cmd --list-all-policies, --direct --get-all-rules): take them out first"
    ),
}


# --- what the rest of the house asks -----------------------------------------------------------------------


def facts(snapshot: Snapshot) -> dict[str, Fact]:
    """What the steps to a policy depend on: the files, the lines to replace, what stands against it."""
    text = snapshot.ask(File(SETTINGS))
    lines = text.split("\n") if isinstance(text, str) else []
    seen = snapshot.derive(_seen)
    return {
        "firewalld.zone": digest(snapshot, ZONE_FILE),
        "firewalld.out": digest(snapshot, OUT_FILE),
        "firewalld.default": next((line for line in lines if line.startswith("DefaultZone=")), ""),
        "firewalld.forward": bool(seen and seen.default.get("forward") == "yes"),
        "firewalld.obstacle": _obstacle(snapshot, seen),
    }


def shut_out(snapshot: Snapshot) -> tuple[str, ...]:
    """What shuts something out of the default zone, or limits how many come in, while it is not ours."""
    seen = snapshot.derive(_seen)
    if seen is None or seen.name == ZONE:
        return ()
    blocked = (f"icmp-block {name}" for name in seen.default.get("icmp-blocks").split())
    return (*(rule for rule in seen.default.rules if _SHUTS.search(rule)), *blocked)


def at_boot(snapshot: Snapshot) -> Policy | Gap | None:
    """The policy of the files; None where our zone is not the default one, a gap where it was changed."""
    settings = snapshot.ask(File(SETTINGS))
    if isinstance(settings, Unread) or f"DefaultZone={ZONE}" not in settings.split("\n"):
        return None
    zone, out = snapshot.ask(File(ZONE_FILE)), snapshot.ask(File(OUT_FILE))
    if isinstance(zone, Unread):
        return zone.gap(ZONE_FILE)
    try:
        policy = read(zone)
    except ValueError as error:
        return Gap(GapKind.UNTOLD, f"{ZONE_FILE}: {error}")
    if not (isinstance(out, Unread) and policy.outgoing == "accept") and out != _text(render_out(policy)):
        return Gap(GapKind.UNTOLD, f"{OUT_FILE}: " + _("the rules are not those that the policy comes to"))
    return _filed_beside(snapshot) or policy


def running(snapshot: Snapshot) -> Policy | Gap | None:
    """The policy of the files, where firewalld runs with these and with nothing else."""
    policy, seen = at_boot(snapshot), snapshot.derive(_seen)
    if not isinstance(policy, Policy):
        return policy
    runs = seen is not None and seen.name == ZONE and seen.as_filed and not _foreign(seen)
    return policy if runs else None


def steps(entry: Recommendation, known: Mapping[str, Fact], policy: Policy) -> Change:
    """Our zone written and made the default, our policy object for what goes out, and both loaded."""
    obstacle = known.get("firewalld.obstacle", "unread")
    if obstacle != "":
        return refusal(str(obstacle), _OBSTACLES)
    own = (entry.id,)

    def file(path: str, lines: Iterator[str], before: Fact) -> WriteFile:
        parts = (Lines(owner=entry.id, lines=tuple(lines)),)
        return WriteFile(owners=own, can_lock_out=True, path=path, parts=parts, before=str(before))

    forward = known.get("firewalld.forward") is True
    made: list[Operation] = [
        file(ZONE_FILE, render(policy, forward=forward), known.get("firewalld.zone", ""))
    ]
    if policy.outgoing == "drop" or text_fact(known, "firewalld.out") != "absent":
        made.append(file(OUT_FILE, render_out(policy), known.get("firewalld.out", "")))
    line, after = text_fact(known, "firewalld.default"), f"DefaultZone={ZONE}"
    if line and not _DEFAULT_ZONE.fullmatch(line):
        return refusal("unread", _OBSTACLES)
    if line != after:
        made.append(ReplaceLine(owners=own, can_lock_out=True, path=SETTINGS, before=line, after=after))
    return (*made, LoadHolder(owners=own, can_lock_out=True, holder=NAME))


def after_load(snapshot: Snapshot) -> dict[Question[Any], Any]:
    """What firewall-cmd would show once the files were read: for a rehearsal."""
    policy = at_boot(snapshot)
    if not isinstance(policy, Policy):
        return {}
    answers: dict[Question[Any], Any] = {DEFAULT: Output(f"{ZONE}\n")}
    zone = [
        ZONE,
        "  target: DROP",
        "  forward: yes",
        "  rich rules: ",
        *(f"\t{one}" for one in _texts(policy, "in")),
    ]
    out = [OUT, "  target: DROP" if policy.outgoing == "drop" else "  target: CONTINUE"]
    out += ["  ingress-zones: HOST", "  egress-zones: ANY", "  rich rules: "]
    out += [f"\t{one}" for one in _texts(policy, "out") if policy.outgoing == "drop"]
    has_out = not isinstance(snapshot.ask(File(OUT_FILE)), Unread)
    for question, name, lines in (
        (ZONES, ZONE, zone),
        (FILED_ZONES, ZONE, zone),
        (POLICIES, OUT, out if has_out else []),
        (FILED_POLICIES, OUT, out if has_out else []),
    ):
        shown = snapshot.ask(question)
        if isinstance(shown, Output):
            others = [b.strip("\n") for b in shown.stdout.split("\n\n") if b.split()[:1] not in ([], [name])]
            answers[question] = Output("\n\n".join([*others, "\n".join(lines)]) + "\n")
    return answers


# --- its files ----------------------------------------------------------------------------------------------


def render(policy: Policy, *, forward: bool) -> Iterator[str]:
    """The lines of the zone; ``forward`` lets packets pass between its interfaces, as the zone before did."""
    yield from ('<?xml version="1.0" encoding="utf-8"?>', '<zone target="DROP">', f"  <short>{ZONE}</short>")
    yield "  <description>The firewall policy of this host, written by hardentui from its plan."
    *lines, last = write(policy).split("\n")
    yield from (f"{_MARK}{escape(line)}" for line in lines)
    yield f"{_MARK}{escape(last)}</description>"
    if _asks_dhcpv6(policy):
        yield '  <service name="dhcpv6-client"/>'
    for rule in _rules(policy, "in"):
        yield from rule.lines
    if forward:
        yield "  <forward/>"
    yield "</zone>"


def render_out(policy: Policy) -> Iterator[str]:
    """The lines of the policy object; where everything may go out, it says nothing."""
    target = "DROP" if policy.outgoing == "drop" else "CONTINUE"
    yield from (
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<policy target="{target}">',
        f"  <short>{OUT}</short>",
    )
    for rule in _rules(policy, "out") if policy.outgoing == "drop" else ():
        yield from rule.lines
    yield from ('  <ingress-zone name="HOST"/>', '  <egress-zone name="ANY"/>', "</policy>")


def read(text: str) -> Policy:
    """The policy of a zone that ``render`` wrote.

    Raises:
        ValueError: it is none, or somebody changed it; a sentence.
    """
    kept = [line for line in text.split("\n") if line.startswith(_MARK)]
    lines = [line.removeprefix(_MARK).removesuffix("</description>") for line in kept]
    policy = parse("\n".join(map(unescape, lines)))
    if text not in {_text(render(policy, forward=forward)) for forward in (False, True)}:
        raise ValueError(_("the rules below the policy are not those that it comes to"))
    return policy


def _text(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rich rule: what it is given, as firewall-cmd shows the rest, and the elements of that in a file."""

    given: str
    shown: str
    elements: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(filter(None, ("rule", self.given, self.shown)))

    @property
    def lines(self) -> tuple[str, ...]:
        opening = " ".join(filter(None, ("<rule", self.given)))
        return (f"  {opening}>", *(f"    {element}" for element in self.elements), "  </rule>")


# Last of all, what is dropped: at a rate, which LogDenied in the settings of firewalld does not know.
_LOG = f'log prefix="{PREFIX}" level="info"'
_LAST = _Rule(
    'priority="32767"', f'{_LOG} limit value="10/m"', (f"<{_LOG}>", '  <limit value="10/m"/>', "</log>")
)


def _rules(policy: Policy, direction: Direction) -> Iterator[_Rule]:
    """What lets packets pass in a direction; ICMP always does, and pings come in at a measured rate."""
    if direction == "in":
        shown = 'icmp-type name="echo-request" accept limit value="20/s"'
        yield _Rule(
            "",
            shown,
            ('<icmp-type name="echo-request"/>', "<accept>", '  <limit value="20/s"/>', "</accept>"),
        )
    else:
        for name in ("icmp", "ipv6-icmp"):
            yield _Rule("", f'protocol value="{name}" accept', (f'<protocol value="{name}"/>', "<accept/>"))
    for permit in policy.permits:
        if permit.direction != direction:
            continue
        for peer in permit.peers or (None,):
            for low, high in permit.ports:
                port = span_text(low, high)
                yield _permit(direction, peer, f'port="{port}" protocol="{permit.protocol}"')
    yield _LAST


def _permit(direction: Direction, peer: Network | None, ports: str) -> _Rule:
    if peer is None:
        return _Rule("", f"port {ports} accept", (f"<port {ports}/>", "<accept/>"))
    end = f'{"source" if direction == "in" else "destination"} address="{peer_text(peer)}"'
    return _Rule(
        f'family="ipv{peer.version}"',
        f"{end} port {ports} accept",
        (f"<{end}/>", f"<port {ports}/>", "<accept/>"),
    )


def _texts(policy: Policy, direction: Direction) -> list[str]:
    return [rule.text for rule in _rules(policy, direction)]


def _asks_dhcpv6(policy: Policy) -> bool:
    asks = any(permit.direction == "out" and permit.names("udp", _DHCPV6) for permit in policy.permits)
    return asks or policy.outgoing == "accept"


# --- what it holds ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shown:
    """A zone or a policy object, as firewall-cmd lists it."""

    values: Mapping[str, str]
    rules: tuple[str, ...]

    def get(self, key: str) -> str:
        """A value as it is written; "" where it is not."""
        return self.values.get(key, "")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What firewalld runs with, and what its files would give (without the interfaces, which come and go)."""

    name: str
    zones: Mapping[str, _Shown]
    policies: Mapping[str, _Shown]
    beside: tuple[str, ...]  # direct rules, chains and passthroughs; sets and what is in them
    filed: tuple[Mapping[str, _Shown], Mapping[str, _Shown], tuple[str, ...]]

    @property
    def default(self) -> _Shown:
        return self.zones.get(self.name, _Shown({}, ()))

    @property
    def as_filed(self) -> bool:
        """Whether it runs with what its files say."""
        zones, policies, beside = self.filed
        return (_fixed(self.zones), _fixed(self.policies), self.beside) == (
            _fixed(zones),
            _fixed(policies),
            beside,
        )


def _seen(snapshot: Snapshot) -> _Seen | None:
    questions = (DEFAULT, ZONES, POLICIES, FILED_ZONES, FILED_POLICIES)
    texts = [answer.stdout for answer in map(snapshot.ask, questions) if isinstance(answer, Output)]
    beside, filed = _beside(snapshot, DIRECT, SETS), _beside(snapshot, FILED_DIRECT, FILED_SETS)
    if len(texts) < len(questions) or beside is None or filed is None:
        return None
    name, *rest = texts
    zones, policies, filed_zones, filed_policies = map(_listed, rest)
    return _Seen(name.strip(), zones, policies, beside, (filed_zones, filed_policies, filed))


def _beside(snapshot: Snapshot, direct: tuple[SlowCommand, ...], sets: SlowCommand) -> tuple[str, ...] | None:
    """What is there beside zones and policy objects, a line each, sorted; None where it cannot be read."""
    answers = [snapshot.ask(question) for question in (*direct, sets)]
    texts = [answer.stdout for answer in answers if isinstance(answer, Output)]
    if len(texts) < len(answers):
        return None
    *texts, names = texts
    found = [line for text in texts for line in text.split("\n") if line]
    for name in names.split():
        if not SET.fullmatch(name):
            return None
        entries = snapshot.ask(_entries(name, filed=sets is FILED_SETS))
        # A set with a time limit has none in its file, and firewall-cmd fails when it is asked for them.
        if isinstance(entries, Unread) and entries.reason is not Reason.FAILED:
            return None
        inside = entries.stdout.split() if isinstance(entries, Output) else []
        found += [f"ipset {name}", *(f"ipset {name} {entry}" for entry in inside)]
    return tuple(sorted(found))


def _entries(name: str, *, filed: bool) -> SlowCommand:
    """What is in a set of addresses; ``name`` has the form of SET."""
    if filed:
        return SlowCommand(
            ("firewall-cmd", "--permanent", f"--ipset={name}", "--get-entries"), needs_root=True
        )
    return SlowCommand(("firewall-cmd", f"--ipset={name}", "--get-entries"), needs_root=True)


def _listed(text: str) -> Mapping[str, _Shown]:
    """What --list-all-zones or --list-all-policies prints, by name: keys behind two blanks, rules a tab."""
    found: dict[str, _Shown] = {}
    name, values, rules = "", dict[str, str](), list[str]()
    for line in [*text.split("\n"), "end"]:
        if line[:1] == "\t":
            rules.append(line.strip())
        elif line[:2] == "  ":
            key, _colon, value = line.strip().partition(":")
            values[key] = value.strip()
        elif line.strip():
            if name:
                found[name] = _Shown(values, tuple(rules))
            name, values, rules = line.split(" ")[0], {}, []
    return found


def _obstacle(snapshot: Snapshot, seen: _Seen | None) -> str:
    """Why the script cannot write here, as a word of _OBSTACLES; "" for nothing."""
    units = snapshot.ask(UnitFiles())
    if seen is None or isinstance(units, Unread) or not seen.name:
        return "unread"
    if not any(unit.name == "firewalld.service" and unit.state == "enabled" for unit in units):
        return "off"
    if not seen.as_filed:
        return "runtime"
    if seen.default.get("masquerade") == "yes" or seen.default.get("forward-ports"):
        return "router"
    return _foreign(seen) or ("beside" if files.rules_beside(snapshot, OUT) else "")


def _foreign(seen: _Seen) -> str:
    """What makes that our zone is not all that decides, as a word of _OBSTACLES; "" for nothing."""
    for name, zone in seen.zones.items():
        filed = seen.filed[0].get(name, zone)
        # What the files put into a zone stays there, also when another one becomes the default.
        stays = zone.get("sources") or (name != ZONE and filed.get("interfaces"))
        if stays or (name != seen.name and zone.get("interfaces")):
            return "members"
    ways = [
        f"{one.get('ingress-zones')} {one.get('egress-zones')}".split()
        for name, one in seen.policies.items()
        if name not in {OUT, _THEIRS}
    ]
    rules = [line.split() for line in seen.beside]
    if any("HOST" in way for way in ways) or any({"INPUT", "OUTPUT"} & set(words) for words in rules):
        return "beside"
    return ""


def _filed_beside(snapshot: Snapshot) -> Gap | None:
    """What makes that our zone is not all that decides at the next boot, as the files say."""
    for word, found in (
        ("members", files.members_beside(snapshot, ZONE)),
        ("beside", files.rules_beside(snapshot, OUT)),
    ):
        if found is not None:
            why = f"{found}: {_(_OBSTACLES[word])}"
            return found if isinstance(found, Gap) else Gap(GapKind.UNTOLD, why)
    return None


def _fixed(shown: Mapping[str, _Shown]) -> Mapping[str, _Shown]:
    """Without the interfaces, and the rules in one order: running ones are listed in any."""
    return {
        name: _Shown(
            {key: value for key, value in one.values.items() if key != "interfaces"}, tuple(sorted(one.rules))
        )
        for name, one in shown.items()
    }


HOLDER = Holder(NAME, ZONE_FILE, running, at_boot, facts, shut_out, steps, after_load, _MOVED)
