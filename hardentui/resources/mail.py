"""Where mail for root goes: programs that fail at night write to root, and nobody reads root's mailbox."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import nothing
from hardentui.snapshot import File, Snapshot, Unread

ALIASES = "/etc/aliases"
_LINE = re.compile(r"^(\S+?)\s*:\s*(.*)$")


class Mail:
    """The resource "mail": the value is where root's mail ends, or "none"."""

    name = "mail"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return None if (subject, aspect) == ("root-alias", "") else f"expected root-alias, found {subject!r}"

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG002
        """See Resource."""
        text, at = snapshot.ask_timed(File(ALIASES))
        if isinstance(text, Unread):
            return Observation(None, (nothing(text, ALIASES),), seen_at=at)
        target, line = _followed(_aliases(text), "root")
        reading = Reading({"": target}, provenance=(Provenance(ALIASES, line=line),))
        return Observation(None, (reading,), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("who reads the mail is for a person to say"))


def _aliases(text: str) -> Mapping[str, tuple[str, int]]:
    """By name, what it stands for and in which line; a line that begins with a blank goes on."""
    found: dict[str, tuple[str, int]] = {}
    name = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        if line[0] in " \t" and name:
            found[name] = (f"{found[name][0]} {line.strip()}".strip(), found[name][1])
        elif match := _LINE.match(line):
            name = match[1].strip('"').lower()
            found[name] = (match[2].strip(), number)
    return found


def _followed(aliases: Mapping[str, tuple[str, int]], name: str) -> tuple[str, int]:
    """Where a name leads in the end; "none" where it leads nowhere but to itself."""
    seen: set[str] = set()
    line = 0
    while name.lower() in aliases and name.lower() not in seen:
        seen.add(name.lower())
        target, line = aliases[name.lower()]
        name = target.lstrip("\\")
    return ("none", line) if name.lower() in seen | {"root", "", "/dev/null"} else (name, line)
