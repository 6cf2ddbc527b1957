"""What is measured while someone looks: how many bytes came to each log since the first look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hardentui.model import Gap
from hardentui.resources.volume.forecast import FOLDERS, volumes
from hardentui.snapshot import Snapshot

_KEPT = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Sample:
    """The bytes of each log, unpacked, at a moment (epoch seconds)."""

    at: float
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of the last hour, oldest first."""

    taken: tuple[Sample, ...] = ()

    def grown(self, snapshot: Snapshot) -> Samples:
        """With what a newer snapshot shows; the same where it shows nothing newer."""
        at = snapshot.ask_timed(FOLDERS)[1]
        if self.taken and at <= self.taken[-1].at:
            return self
        found = volumes(snapshot)
        if isinstance(found, Gap):
            return self
        sizes = {
            kept.source.name: sum(max(one.content, 0) for one in kept.source.files)
            for system in found.systems
            for kept in system.logs
        }
        return Samples((*(one for one in self.taken if one.at > at - _KEPT), Sample(at, sizes)))

    def measured(self, *names: str) -> tuple[float, float, int] | None:
        """From when to when these logs were measured, and the bytes that came; None before two looks.

        A log that is not in both, or is smaller now (rotated away), counts as nothing.
        """
        if len(self.taken) < 2:  # noqa: PLR2004 - a first and a last one
            return None
        first, last = self.taken[0], self.taken[-1]
        came = sum(
            max(last.sizes[name] - first.sizes[name], 0)
            for name in names
            if name in first.sizes and name in last.sizes
        )
        return first.at, last.at, came
