"""The firewall of this host: what it does now with what no rule names, and what the next boot loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import wrong_subject
from hardentui.resources.firewall import boot, loaded, verdict
from hardentui.resources.firewall.loaded import Loaded
from hardentui.resources.firewall.policy import Policy, applied, nftables
from hardentui.resources.firewall.ruleset import Ruleset
from hardentui.snapshot import KernelFile, Snapshot

_IPV6_OFF = "/proc/sys/net/ipv6/conf/all/disable_ipv6"


class Firewall:
    """The resource "firewall"."""

    name = "firewall"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, (*_SUBJECTS, _POLICY))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == _POLICY:
            return _policy(snapshot)
        running, then = _SUBJECTS[entry.subject](snapshot)
        return Observation(running if snapshot.live else None, then, seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject == _POLICY:
            return applied.change(entry, facts, target)
        return Refusal(_("rules are for a person to write: what is cut off is known here only"))


def _versions(snapshot: Snapshot) -> tuple[str, ...]:
    """The versions of IP that this host speaks; both where it cannot be seen."""
    if not snapshot.live:
        return boot.VERSIONS
    off = not loaded.has_ipv6(snapshot) or snapshot.ask(KernelFile(_IPV6_OFF)) == "1"
    return boot.VERSIONS[:1] if off else boot.VERSIONS


def _input(snapshot: Snapshot) -> tuple[Reading, tuple[Reading, ...]]:
    versions = _versions(snapshot)
    now = snapshot.derive(loaded.read)
    return _input_now(snapshot, now, versions), _input_at_boot(snapshot, versions)


def _input_now(snapshot: Snapshot, now: Loaded, versions: tuple[str, ...]) -> Reading:
    if now.gap is not None:
        return Reading(gap=now.gap, provenance=now.provenance)
    values: dict[str, str] = {}
    gap = None
    for version in versions:
        end = verdict.of_unnamed(now.rules, version, verdict.interfaces(snapshot))
        if isinstance(end, Gap):
            gap = end
        else:
            values[version] = end
    chains = [*now.rules.base_chains(4, "input"), *now.rules.base_chains(6, "input")]
    places = tuple(
        dict.fromkeys(Provenance(chain.place, text=f"hook input, policy {chain.policy}") for chain in chains)
    )
    return Reading(values, gap, now.provenance + places)


def _input_at_boot(snapshot: Snapshot, versions: tuple[str, ...]) -> tuple[Reading, ...]:
    found = boot.holders(snapshot)
    if isinstance(found, Gap):
        return (Reading(gap=found),)
    if not found:
        place = Provenance(_("no enabled unit loads a firewall"))
        return (Reading(dict.fromkeys(versions, "accept"), provenance=(place,)),)
    # A packet must pass every table: what our own closes, no other opens.
    ours = [holder.reading for holder in found if holder.name == boot.OURS and not holder.reading.gap]
    readings = ours or [holder.reading for holder in found]
    return tuple(
        Reading({v: one.values[v] for v in versions if v in one.values}, one.gap, one.provenance, one.by)
        for one in readings
    )


def _output(snapshot: Snapshot) -> tuple[Reading, tuple[Reading, ...]]:
    now = snapshot.derive(loaded.read)
    if now.gap is not None:
        return Reading(gap=now.gap, provenance=now.provenance), ()
    values = {}
    for version, number in zip(boot.VERSIONS, (4, 6), strict=True):
        chains = now.rules.base_chains(number, "output")
        shut = any(chain.policy == "drop" or _ends_shut(chain.rules) for chain in chains)
        values[version] = "drop" if shut else "accept"
    return Reading({v: values[v] for v in _versions(snapshot)}, provenance=now.provenance), ()


def _ends_shut(rules: tuple[object, ...]) -> bool:
    """Whether the last rule of a chain drops or rejects all that came so far."""
    statements = getattr(rules[-1], "statements", ()) if rules else ()
    kinds = [next(iter(one)) for one in statements if isinstance(one, dict)]
    return bool({"drop", "reject"} & set(kinds)) and set(kinds) <= {"drop", "reject", "counter", "log"}


def _holder(snapshot: Snapshot) -> tuple[Reading, tuple[Reading, ...]]:
    now = snapshot.derive(loaded.read)
    then = boot.holders(snapshot)
    if isinstance(then, Gap):
        boots = (Reading(gap=then),)
    else:
        names = ",".join(dict.fromkeys(_KINDS.get(holder.name, holder.name) for holder in then)) or "none"
        boots = (Reading({"": names}, provenance=tuple(p for h in then for p in h.reading.provenance)),)
    if now.gap is not None:
        return Reading(gap=now.gap, provenance=now.provenance), boots
    return Reading({"": ",".join(_holding(now)) or "none"}, provenance=now.provenance), boots


def _policy(snapshot: Snapshot) -> Observation:
    """Our own policy; where another program holds the firewall, whether that is closed."""
    holder = _other_holder(snapshot)
    seen = applied.observe(snapshot, holder)
    sides = (*((seen.running,) if seen.running else ()), *seen.boot)
    if holder in {"", "none"} or any(side.values != {"": "none"} for side in sides):
        return seen
    running, then = _input(snapshot)
    known = applied.HOLDERS.get(holder)
    now, filed = (known.running(snapshot), known.at_boot(snapshot)) if known else (None, None)
    running = _of_others(running, holder, now)
    if known and isinstance(filed, Policy) and not now and running.gap is None:
        running = dataclasses.replace(running, gap=Gap(GapKind.STALE, known.file))
    return dataclasses.replace(
        seen,
        running=running if snapshot.live else None,
        boot=tuple(_of_others(one, holder, filed) for one in then),
    )


def _of_others(seen: Reading, holder: str, policy: Policy | Gap | None) -> Reading:
    """The policy that the rules of another program come to; else what they do with what they do not name."""
    if seen.gap is not None or not seen.values:
        return seen
    end = "drop" if set(seen.values.values()) == {"drop"} else "accept"
    text = f"in {end}; {holder}"
    if isinstance(policy, Policy) and end == "drop":
        text = applied.on_one_line(policy)
    return dataclasses.replace(seen, values={"": text}, gap=policy if isinstance(policy, Gap) else None)


def _other_holder(snapshot: Snapshot) -> str:
    """Who but our own policy filters what comes in: "none" for nobody, "" where it cannot be told."""
    then = boot.holders(snapshot)
    if isinstance(then, Gap):
        return ""
    found = {holder.name for holder in then if holder.name != boot.OURS and _filters(holder.reading)}
    if snapshot.live:
        now = loaded.read(snapshot)
        if now.gap is not None and now.gap.kind is not GapKind.UNSUPPORTED:
            return ""
        others = now.rules.without_table(nftables.FAMILY, nftables.TABLE)
        found |= set(_holding(dataclasses.replace(now, rules=others)))
    return ",".join(sorted(found)) or "none"


def _filters(reading: Reading) -> bool:
    """Whether a boot closes something by this; an example that accepts everything holds nothing."""
    return reading.gap is not None or set(reading.values.values()) != {"accept"}


# Chains and tables by which programs that add a few rules to the firewall of another are known.
_GUESTS = (
    "docker",
    "f2b",
    "fail2ban",
    "cni",
    "kube",
    "libvirt",
    "crowdsec",
    "sshguard",
    "lxc",
    "podman",
    "netavark",
)


def _holding(now: Loaded) -> list[str]:
    """The programs whose tables filter what comes in."""
    rules: Ruleset = now.rules
    chains = [c for c in rules.chains.values() if c.hook == "input" and (c.rules or c.policy == "drop")]
    found = set()
    for chain in chains:
        names = {known.name.lower() for known in rules.chains.values() if known.table == chain.table}
        if chain.table == "firewalld":
            found.add("firewalld")
        elif any(name.startswith(("ufw-", "ufw6-")) for name in names):
            found.add("ufw")
        elif chain.legacy:
            found.add("iptables-legacy")
        elif any(guest in chain.table.lower() for guest in _GUESTS):
            continue
        elif chain.family in {"ip", "ip6"} and chain.name == "INPUT":
            found.add("iptables")
        else:
            found.add("nftables")
    return sorted(found)


_POLICY = "policy"
_KINDS = {boot.OURS: "nftables"}
_SUBJECTS: Mapping[str, Callable[[Snapshot], tuple[Reading, tuple[Reading, ...]]]] = {
    "holder": _holder,
    "input": _input,
    "output": _output,
}
