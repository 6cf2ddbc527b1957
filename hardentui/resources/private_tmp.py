"""Folders for temporary files that each account has to itself (ANSSI's R55), given by a PAM module."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.snapshot import File, Folder, Kind, Reason, Snapshot, Unread

_PAM = ("/etc/pam.d", "/usr/lib/pam.d")
_SESSION = re.compile(r"^-?session\s+(?:\[[^]\n]*\]|\S+)\s+\S*pam_(namespace|mktemp)\.so", re.MULTILINE)
_NAMESPACE = "/etc/security/namespace.conf"
_NAMESPACES = "/etc/security/namespace.d"

_Places = tuple[Provenance, ...]


class PrivateTmp:
    """The resource "private-tmp": the value is pam_namespace, pam_mktemp or no."""

    name = "private-tmp"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or not subject.startswith("/"):
            return f"expected an absolute path and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        modules, gap = _modules(snapshot)
        value, places = "no", modules.get("mktemp") or modules.get("namespace") or (Provenance(_PAM[0]),)
        if "mktemp" in modules:
            value = "pam_mktemp"
        elif "namespace" in modules:
            lines, unread = _lines(snapshot, entry.subject)
            gap = gap or unread
            places += lines
            value = "pam_namespace" if lines else "no"
        if value != "no":
            return _at_boot(snapshot, Reading({"": value}, provenance=places))
        return _at_boot(snapshot, Reading({} if gap else {"": value}, gap, places))

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("who shares files through it, only a person knows"))


def _at_boot(snapshot: Snapshot, reading: Reading) -> Observation:
    return Observation(None, (reading,), seen_at=snapshot.taken_at)


def _modules(snapshot: Snapshot) -> tuple[Mapping[str, _Places], Gap | None]:
    """Where each of the two modules is asked for at the opening of a session, and what was not read."""
    found: dict[str, _Places] = {}
    gap: Gap | None = None
    for path in _services(snapshot):
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            gap = gap or text.gap(path)
            continue
        for line in _SESSION.finditer(text):
            found[line[1]] = (*found.get(line[1], ()), Provenance(path, text=line[0]))
    return found, gap


def _services(snapshot: Snapshot) -> list[str]:
    """The files of PAM's services; one in the first folder hides its like in the second (pam.d(5))."""
    paths: dict[str, str] = {}
    for folder in _PAM:
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread):
            if entries.reason is not Reason.MISSING:
                paths[folder] = folder  # asked as a file it gives the gap
            continue
        for entry in entries:
            if entry.kind is not Kind.FOLDER:
                paths.setdefault(entry.name, f"{folder}/{entry.name}")
    return list(paths.values())


def _lines(snapshot: Snapshot, path: str) -> tuple[_Places, Gap | None]:
    """The lines of namespace.conf(5) that give each account its own ``path``, and what was not read."""
    entries = snapshot.ask(Folder(_NAMESPACES))
    names = () if isinstance(entries, Unread) else tuple(entry.name for entry in entries)
    found: list[Provenance] = []
    gap: Gap | None = None
    for file in (_NAMESPACE, *(f"{_NAMESPACES}/{name}" for name in names if name.endswith(".conf"))):
        text = snapshot.ask(File(file))
        if isinstance(text, Unread):
            gap = gap if text.reason is Reason.MISSING else gap or text.gap(file)
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if line.split()[:1] == [path]:
                found.append(Provenance(file, line=number, text=line.strip()))
    return tuple(found), gap
