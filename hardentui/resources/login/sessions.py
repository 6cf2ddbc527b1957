"""The umask of sessions: that of login.defs where PAM asks pam_umask for it, or what its argument says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hardentui.i18n import _
from hardentui.model import Fact, Gap, Provenance, Reading, Role
from hardentui.resources.families import family_of
from hardentui.resources.pam.stack import read_stack
from hardentui.snapshot import Reason, Snapshot, Unread

NOT_ASKED = "none"
_MODULE = "pam_umask"
# The services that begin the sessions of people; those that a host does not have are left out.
_SERVICES = ("login", "sshd")


def in_sessions(snapshot: Snapshot, said: Reading) -> tuple[Reading, Mapping[str, Fact]]:
    """What login.defs says (``said``) as it counts in sessions, by service, and what a change must know."""
    values: dict[str, str] = {}
    places: list[Provenance] = []
    gap, rival = said.gap, ""
    for service in _SERVICES:
        stack = read_stack(snapshot, service, "session")
        if isinstance(stack, Unread):
            if stack.reason is not Reason.MISSING:
                gap = gap or stack.gap(f"/etc/pam.d/{service}")
            continue
        gap = gap or stack.gap
        modules = stack.named(_MODULE)
        argument = modules[-1].argument("umask") if modules else None
        if not modules:
            values[service] = NOT_ASKED
            places.append(Provenance(f"/etc/pam.d/{service}", text=_("it does not ask pam_umask")))
        elif argument is not None:
            values[service] = argument
            places.append(replace(modules[-1].provenance, role=Role.WINS))
            rival = f"{modules[-1].file}:{modules[-1].line}"
        else:
            values[service] = said.values.get("", "")
    names = family_of(snapshot)
    facts: dict[str, Fact] = {
        "asked": NOT_ASKED not in values.values(),
        "rival": rival,
        "tool": "" if isinstance(names, Gap) else names.pam_tool,
    }
    if len({*values.values()}) < 2:  # noqa: PLR2004 - all the same, or no service at all
        values = {"": next(iter(values.values()), said.values.get("", ""))}
    return Reading(values, gap, (*dict.fromkeys(places), *said.provenance)), facts
