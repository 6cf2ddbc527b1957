"""What no tool can see: a person says it, dated, and the plan keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Observation, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.snapshot import Snapshot


class Attestation:
    """The resource "attestation": nothing is observed."""

    name = "attestation"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return None if subject and not aspect else "expected a subject and no aspect"

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG002
        """See Resource."""
        return Observation(None, seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("only a person can see to this"))
