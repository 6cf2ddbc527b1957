"""Searches of file systems, made on demand only: files that should not be where they are."""

from __future__ import annotations

from collections.abc import Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import missing, nothing
from hardentui.snapshot import Mounts, Search, Snapshot, Unread

_DISKS = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "vfat", "overlay", "reiserfs", "jfs"}
)
_SHOWN = 20


class Searches:
    """The resource "search": the value is how many paths were found."""

    name = "search"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or subject not in {"executables-in-tmp", "device-nodes"}:
            return f"expected executables-in-tmp or device-nodes and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == "executables-in-tmp":
            question = Search("executable", ("/tmp", "/var/tmp"))  # noqa: S108 - what is searched
        else:
            mounts = snapshot.ask(Mounts())
            if isinstance(mounts, Unread):
                return missing(mounts.gap("/proc/self/mountinfo"))
            below = (mount.path for mount in mounts if mount.fstype in _DISKS)
            question = Search("device", tuple(dict.fromkeys(below)))
        found, at = snapshot.ask_timed(question)
        if isinstance(found, Unread):
            return Observation(nothing(found, entry.subject), seen_at=at)
        places = tuple(Provenance(path) for path in found[:_SHOWN])
        return Observation(Reading({"": str(len(found))}, provenance=places), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("what was found is for a person to judge"))
