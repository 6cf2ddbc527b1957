"""Which firewall the next boot loads: nftables, ufw, firewalld or iptables, as their files and units say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Provenance, Reading
from hardentui.resources.families import FAMILIES, family_of
from hardentui.resources.firewall import firewalld_files, iptables, script, verdict
from hardentui.resources.firewall.policy import place
from hardentui.snapshot import File, Folder, Reason, Snapshot, UnitFiles, Unread

VERSIONS = ("IPv4", "IPv6")
OURS = "hardentui"  # the holder of a policy that a plan brought
_UFW = ("/etc/ufw/ufw.conf", "/etc/default/ufw")
_FIREWALLD = "/etc/firewalld/firewalld.conf"
# Programs that load rules of their own at boot, which nothing here follows.
_OTHERS = re.compile(
    r"(?:shorewall6?|shorewall-init|ferm|firehol|fireqos|arno-iptables-firewall|csf|lfd|apf|vuurmuur|opensnitch"
    r"|awall|fwbuilder)\.service"
)
_SCRIPTS = ("/etc/rc.local", "/etc/rc.d/rc.local")
_SCRIPT_FOLDERS = ("/etc/network/if-pre-up.d", "/etc/network/if-up.d")
_LOADS = re.compile(r"^[^#\n]*\b(?:iptables|ip6tables|nft)(?:-restore)?\b", re.MULTILINE)


@dataclass(frozen=True)
class Holder:
    """A program that loads a firewall at boot, and what it does with what no rule names."""

    name: str
    reading: Reading


def holders(snapshot: Snapshot) -> tuple[Holder, ...] | Gap:
    """The programs whose units are enabled; none is an answer, too."""
    files = snapshot.ask(UnitFiles())
    if isinstance(files, Unread):
        return files.gap(_("enabled units"))
    enabled = {file.name for file in files if file.state == "enabled"}
    found = []
    for name, (units, read) in _HOLDERS.items():
        mine = enabled & set(units(snapshot))
        if mine and (reading := read(snapshot, frozenset(mine))) is not None:
            found.append(Holder(name, reading))
    others = sorted(name for name in enabled if _OTHERS.fullmatch(name)) or _loading_scripts(snapshot)
    found += [Holder(name, _unclear(name, name)) for name in others]
    return tuple(found)


def _loading_scripts(snapshot: Snapshot) -> list[str]:
    """Start scripts of people that call nft or iptables."""
    paths = list(_SCRIPTS)
    for folder in _SCRIPT_FOLDERS:
        entries = snapshot.ask(Folder(folder))
        paths += [] if isinstance(entries, Unread) else [f"{folder}/{entry.name}" for entry in entries]
    texts = {path: snapshot.ask(File(path)) for path in paths}
    return [path for path, text in texts.items() if isinstance(text, str) and _LOADS.search(text)]


def _unclear(place: str, by: str) -> Reading:
    return Reading(gap=Gap(GapKind.UNMODELLED, place), by=by, provenance=(Provenance(place),))


def _both(four: str, six: str, by: str, *places: Provenance) -> Reading:
    return Reading(dict(zip(VERSIONS, (four, six), strict=True)), provenance=places, by=by)


# --- nftables ---------------------------------------------------------------------------------------


def _nftables(snapshot: Snapshot, units: frozenset[str]) -> Reading | None:  # noqa: ARG001 - one unit only
    names = family_of(snapshot)
    if isinstance(names, Gap):
        return Reading(gap=names, by="nftables")
    path = names.nftables_file
    try:
        chains = script.read(snapshot, path)
        inputs = [chain for chain in chains.values() if chain.hook == "input"]
        four, six = (
            "drop"
            if any(script.ends(chains, c) == "drop" for c in inputs if c.family in {"inet", family})
            else "accept"
            for family in ("ip", "ip6")
        )
    except script.UnclearError as error:
        return Reading(gap=Gap(GapKind.UNMODELLED, str(error)), by="nftables", provenance=(Provenance(path),))
    return _both(four, six, "nftables", Provenance(path))


def _policy(snapshot: Snapshot, units: frozenset[str]) -> Reading | None:  # noqa: ARG001 - one unit only
    """Our own table, which drops what it does not name."""
    found = place.at_boot(snapshot)
    if isinstance(found, Gap):
        return Reading(gap=found, by=place.UNIT, provenance=(Provenance(place.FILE),))
    return _both("drop", "drop", place.UNIT, Provenance(place.FILE)) if found else None


# --- ufw --------------------------------------------------------------------------------------------


def _ufw(snapshot: Snapshot, units: frozenset[str]) -> Reading | None:  # noqa: ARG001 - one unit only
    switch, defaults = (snapshot.ask(File(path)) for path in _UFW)
    for path, text in zip(_UFW, (switch, defaults), strict=True):
        if isinstance(text, Unread):
            return Reading(gap=text.gap(path), by="ufw")
    if _setting(str(switch), "ENABLED").lower() != "yes":
        return None  # the unit runs and loads nothing
    policy = "accept" if _setting(str(defaults), "DEFAULT_INPUT_POLICY") == "ACCEPT" else "drop"
    # With IPV6=no ufw lets nothing in over IPv6.
    six = policy if _setting(str(defaults), "IPV6").lower() == "yes" else "drop"
    return _both(policy, six, "ufw", *(Provenance(path) for path in _UFW))


def _setting(text: str, name: str) -> str:
    found = re.findall(rf"^\s*{name}\s*=\s*(\S*)", text, re.MULTILINE)
    return found[-1].strip("\"'") if found else ""


# --- firewalld --------------------------------------------------------------------------------------


def _firewalld(snapshot: Snapshot, units: frozenset[str]) -> Reading | None:  # noqa: ARG001 - one unit only
    text = snapshot.ask(File(_FIREWALLD))
    if isinstance(text, Unread) and text.reason is not Reason.MISSING:
        return Reading(gap=text.gap(_FIREWALLD), by="firewalld")
    default = (_setting(text, "DefaultZone") if isinstance(text, str) else "") or "public"
    zones = firewalld_files.zones(snapshot)
    if default not in zones:
        return _unclear(f"{_FIREWALLD}: {default}", "firewalld")
    ends = {}
    for name, zone in zones.items():
        if zone.target is None:
            return _unclear(zone.path, "firewalld")
        if name == default or zone.members:
            ends[name] = "accept" if zone.target == "ACCEPT" else "drop"
    # A zone that lets everything in counts for the interfaces and sources that are its members.
    open_ = sorted(name for name, end in ends.items() if end == "accept" and name != default)
    value = "accept" if ends[default] == "accept" else "drop"
    if open_ and value == "drop":
        value = f"accept ({', '.join(open_)})"
    return _both(value, value, "firewalld", Provenance(zones[default].path, text=f"DefaultZone={default}"))


# --- iptables ---------------------------------------------------------------------------------------


def _iptables(snapshot: Snapshot, units: frozenset[str]) -> Reading | None:
    names = family_of(snapshot)
    if isinstance(names, Gap):
        return Reading(gap=names, by="iptables")
    values = {}
    places = []
    for version, path, unit in zip(VERSIONS, names.iptables_files, names.iptables_units, strict=True):
        text = snapshot.ask(File(path)) if unit in units else Unread(Reason.MISSING)
        places.append(Provenance(path))
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                return Reading(gap=text.gap(path), by="iptables", provenance=tuple(places))
            values[version] = "accept"  # nothing is loaded
            continue
        try:
            rules = iptables.translate(text, "ip" if version == "IPv4" else "ip6")
        except ValueError as error:
            return Reading(gap=Gap(GapKind.FAILED, f"{path}: {error}"), by="iptables")
        end = verdict.of_unnamed(rules, version, verdict.interfaces(snapshot))
        if isinstance(end, Gap):
            return Reading(gap=end, by="iptables", provenance=tuple(places))
        values[version] = end
    return Reading(values, by="iptables", provenance=tuple(places))


def _iptables_units(snapshot: Snapshot) -> tuple[str, ...]:
    """The units that load the rules; those of all families where the host's is not known."""
    names = family_of(snapshot)
    families = FAMILIES.values() if isinstance(names, Gap) else (names,)
    return tuple(unit for family in families for unit in family.iptables_units)


_HOLDERS: Mapping[
    str,
    tuple[Callable[[Snapshot], tuple[str, ...]], Callable[[Snapshot, frozenset[str]], Reading | None]],
] = {
    "nftables": (lambda _: ("nftables.service",), _nftables),
    OURS: (lambda _: (place.UNIT,), _policy),
    "ufw": (lambda _: ("ufw.service",), _ufw),
    "firewalld": (lambda _: ("firewalld.service",), _firewalld),
    "iptables": (_iptables_units, _iptables),
}
