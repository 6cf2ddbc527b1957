"""How a folder for temporary files is cleaned: by being in memory, at boot, by age, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from hardentui.model import Fact, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, Lines, WriteFile
from hardentui.resources.base import digest, nothing, text_fact
from hardentui.resources.mount import boot
from hardentui.snapshot import File, Folder, Link, Mount, Reason, Snapshot, Unread

_FOLDERS = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")
_OURS = "/etc/tmpfiles.d/00-hardentui.conf"


class Tmpfiles:
    """The resource "tmpfiles": the value is tmpfs, boot, age or no."""

    name = "tmpfiles"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or not subject.startswith("/"):
            return f"expected an absolute path and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        then = boot.at_boot(snapshot, entry.subject)
        now = boot.mounted(snapshot, entry.subject)
        if isinstance(then, Unread):
            reading = nothing(then, boot.FSTAB)
        elif isinstance(then, boot.BootMount) and then.automatic and then.fstype == "tmpfs":
            reading = Reading({"": "tmpfs"}, provenance=then.provenance)
        elif then is None and isinstance(now, Mount) and now.fstype == "tmpfs":
            reading = Reading({"": "tmpfs"}, provenance=(Provenance("/proc/self/mountinfo"),))
        else:
            reading = _configured(snapshot, entry.subject)
        return Observation(None, (reading,), {"before": digest(snapshot, _OURS)}, snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        # The first line for a path wins, and the name sorts first (tmpfiles.d(5)).
        line = f"D {entry.subject} 1777 root root -"
        parts = (Lines(owner=entry.id, lines=(f"# {entry.id}", line)),)
        return (WriteFile(owners=(entry.id,), path=_OURS, before=text_fact(facts, "before"), parts=parts),)


def _configured(snapshot: Snapshot, path: str) -> Reading:
    files = _files(snapshot)
    if isinstance(files, Reading):
        return files
    for file in files:
        if snapshot.ask(Link(file)) == "/dev/null":
            continue  # masked
        text = snapshot.ask(File(file))
        if isinstance(text, Unread):
            return Reading(gap=text.gap(file))
        for number, line in enumerate(text.splitlines(), 1):
            fields = line.split()
            if len(fields) < 2 or fields[1] != path or fields[0].startswith("#"):  # noqa: PLR2004 - type, path
                continue
            place = Provenance(file, Role.WINS, number, line.strip())
            age = fields[5] if len(fields) > 5 else "-"  # noqa: PLR2004 - the sixth field
            value = "boot" if fields[0].startswith("D") else "age" if age not in {"-", ""} else "no"
            return Reading({"": value}, provenance=(place,))
    return Reading({"": "no"}, provenance=(Provenance("tmpfiles.d"),))


def _files(snapshot: Snapshot) -> list[str] | Reading:
    """The files that count, by name; the first folder wins where two have one of the same name."""
    paths: dict[str, str] = {}
    for folder in _FOLDERS:
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread) and entries.reason is not Reason.MISSING:
            return nothing(entries, folder)
        for entry in () if isinstance(entries, Unread) else entries:
            if entry.name.endswith(".conf"):
                paths.setdefault(entry.name, f"{folder}/{entry.name}")
    return [path for _name, path in sorted(paths.items())]
