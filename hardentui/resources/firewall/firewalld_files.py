"""The files of firewalld: its zones, and what decides beside them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hardentui.model import Gap, GapKind
from hardentui.snapshot import File, Folder, Reason, Snapshot, Unread

_OWN_ZONES, _OWN_POLICIES = "/etc/firewalld/zones", "/etc/firewalld/policies"
_ZONES = (_OWN_ZONES, "/usr/lib/firewalld/zones")  # the first file of a name counts
_DIRECT = "/etc/firewalld/direct.xml"
_OF_HOST = frozenset({"INPUT", "OUTPUT"})  # chains of iptables that see what the host gets and sends


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone: the file that counts, its target (None for what is no zone), and whether it has members."""

    path: str
    target: str | None
    members: bool


def zones(snapshot: Snapshot) -> Mapping[str, Zone]:
    """The zones by name; without those of a folder that cannot be read."""
    found: dict[str, Zone] = {}
    for folder in _ZONES:
        for path in _files(snapshot, folder):
            name = _name(path)
            if name not in found:
                found[name] = _zone(path, snapshot.ask(File(path)))
    return found


def members_beside(snapshot: Snapshot, zone: str) -> str | Gap | None:
    """The file of the first zone but this one that has interfaces or sources; None where none has."""
    listed = snapshot.ask(Folder(_OWN_ZONES))
    if isinstance(listed, Unread) and listed.reason is not Reason.MISSING:
        return listed.gap(_OWN_ZONES)
    for name, one in zones(snapshot).items():
        if one.target is None:
            return Gap(GapKind.UNMODELLED, one.path)
        if name != zone and one.members:
            return one.path
    return None


def rules_beside(snapshot: Snapshot, policy: str) -> str | Gap | None:
    """The file of people's that lets packets in or out beside the zones; None where none does.

    It is a policy object with this host as one end, but for the one called ``policy``, or direct rules.
    """
    listed = snapshot.ask(Folder(_OWN_POLICIES))
    if isinstance(listed, Unread) and listed.reason is not Reason.MISSING:
        return listed.gap(_OWN_POLICIES)
    paths = [path for path in _files(snapshot, _OWN_POLICIES) if _name(path) != policy]
    for path in (*paths, _DIRECT):
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            if path == _DIRECT and text.reason is Reason.MISSING:
                continue
            return text.gap(path)
        root = _element(text)
        if root is None:
            return Gap(GapKind.UNMODELLED, path)
        if _is_of_host(root):
            return path
    return None


def _files(snapshot: Snapshot, folder: str) -> Iterator[str]:
    entries = snapshot.ask(Folder(folder))
    for entry in () if isinstance(entries, Unread) else entries:
        if entry.name.endswith(".xml"):
            yield f"{folder}/{entry.name}"


def _name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".xml")


def _zone(path: str, text: str | Unread) -> Zone:
    zone = _element(text) if isinstance(text, str) else None
    if zone is None:
        return Zone(path, None, members=False)
    members = zone.find("interface") is not None or zone.find("source") is not None
    return Zone(path, zone.get("target", "default"), members)


def _element(text: str) -> ET.Element | None:
    """The root of a file; None for what is no XML, or has entities of its own."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ET.fromstring(text)  # noqa: S314 - no entities, see above
    except ET.ParseError:
        return None


def _is_of_host(root: ET.Element) -> bool:
    """Whether a policy object or direct rules are about what this host gets or sends."""
    ends = [end for kind in ("ingress-zone", "egress-zone") for end in root.findall(kind)]
    chains = [rule.get("chain", "") for rule in root.findall("rule")]
    words = [word for one in root.findall("passthrough") for word in (one.text or "").split()]
    return any(end.get("name") == "HOST" for end in ends) or not _OF_HOST.isdisjoint((*chains, *words))
