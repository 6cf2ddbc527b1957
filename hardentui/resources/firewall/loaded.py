"""What the kernel filters by now: nf_tables, with the rules of iptables-nft in full, and legacy tables."""

from __future__ import annotations

from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Provenance
from hardentui.resources.firewall import iptables, ruleset
from hardentui.resources.firewall.ruleset import Ruleset
from hardentui.snapshot import Command, KernelFile, KernelOption, Output, Reason, Snapshot, Unread

NFT = Command(("nft", "--json", "list", "ruleset"), needs_root=True)
SAVE = {
    "ip": Command(("iptables-nft-save",), needs_root=True),
    "ip6": Command(("ip6tables-nft-save",), needs_root=True),
}
_LEGACY = {
    "ip": ("/proc/net/ip_tables_names", Command(("iptables-legacy-save",), needs_root=True)),
    "ip6": ("/proc/net/ip6_tables_names", Command(("ip6tables-legacy-save",), needs_root=True)),
}
_IF_INET6 = "/proc/net/if_inet6"


@dataclass(frozen=True)
class Loaded:
    """The rules in the kernel; ``gap`` says what of them could not be read."""

    rules: Ruleset
    gap: Gap | None
    provenance: tuple[Provenance, ...]


def read(snapshot: Snapshot) -> Loaded:
    """The loaded rules; an image has none."""
    if not snapshot.live:
        return Loaded(Ruleset(), Gap(GapKind.UNSUPPORTED, _("an image does not run")), ())
    rules, gap = _nftables(snapshot)
    places = [Provenance(" ".join(NFT.argv))]
    for family, (names, command) in _LEGACY.items():
        tables = snapshot.ask(KernelFile(names))
        if isinstance(tables, Unread):
            # Without the file the kernel holds no legacy tables.
            if tables.reason is not Reason.MISSING:
                gap = gap or tables.gap(names)
            continue
        if not tables.strip():
            continue
        places.append(Provenance(" ".join(command.argv)))
        found = _translated(snapshot, command, family, legacy=True)
        if isinstance(found, Gap):
            gap = gap or found
        else:
            rules = rules.joined(found)
    return Loaded(rules, gap, tuple(places))


def has_ipv6(snapshot: Snapshot) -> bool:
    """Whether the kernel has IPv6; so it is taken to be where that cannot be seen."""
    there = snapshot.ask(KernelFile(_IF_INET6)) if snapshot.live else ""
    return not (isinstance(there, Unread) and there.reason is Reason.MISSING)


def _nftables(snapshot: Snapshot) -> tuple[Ruleset, Gap | None]:
    output = snapshot.ask(NFT)
    if isinstance(output, Unread):
        gone = output.reason in {Reason.FAILED, Reason.UNSUPPORTED}
        if gone and snapshot.ask(KernelOption("CONFIG_NF_TABLES")) == "n":
            return Ruleset(), None  # this kernel has no nf_tables
        return Ruleset(), output.gap("nft")
    try:
        rules = ruleset.parse(output.stdout)
    except ValueError as error:
        return Ruleset(), Gap(GapKind.FAILED, f"nft: {error}")
    for family, table in sorted(rules.foreign_tables):
        found = _translated(snapshot, SAVE[family], family)
        if isinstance(found, Ruleset) and any(key[:2] == (family, table) for key in found.chains):
            rules = rules.without_table(family, table).joined(found.only_table(family, table))
    return rules, None


def _translated(snapshot: Snapshot, command: Command, family: str, *, legacy: bool = False) -> Ruleset | Gap:
    output: Output | Unread = snapshot.ask(command)
    if isinstance(output, Unread):
        return output.gap(_("tables of iptables are loaded"))
    try:
        return iptables.translate(output.stdout, family, legacy=legacy)
    except ValueError as error:
        return Gap(GapKind.FAILED, f"{command.argv[0]}: {error}")
