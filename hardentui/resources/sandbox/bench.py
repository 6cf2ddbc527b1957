"""The workbench: one service, the directives that are chosen for it, and what they come to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources import sandbox, unit_files
from hardentui.resources.cgroups import mebibytes
from hardentui.resources.sandbox import judge
from hardentui.resources.sandbox.directives import BY_NAME, DIRECTIVES, Choice, Directive, lines
from hardentui.resources.sandbox.evidence import Evidence, calls, gather, version
from hardentui.resources.sandbox.exposure import exposure
from hardentui.resources.sandbox.limits import UNLIMITED
from hardentui.resources.sandbox.verdict import Effect, Judgement
from hardentui.snapshot import ControlGroup, Link, Snapshot

PATTERN = "sandbox.service"  # the entry of the checklist that decisions of the workbench are about
_SHORT = 60  # characters of a value that is shown as it is
_LIMITS: Mapping[str, Callable[[ControlGroup], str]] = {
    "MemoryMax": lambda group: mebibytes(group.memory_max).replace("max", UNLIMITED),
    "TasksMax": lambda group: group.tasks_max.replace("max", UNLIMITED),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One directive for the service: what holds now, what is chosen ("" for nothing), and the verdict.

    The verdict is on what is chosen, or else on what would be ``proposed``; None where that is nothing.
    """

    directive: Directive
    current: str
    chosen: str | None
    proposed: str
    judgement: Judgement | None


@dataclass(frozen=True)
class Bench:
    """A service on the workbench. Every change gives a new one."""

    snapshot: Snapshot
    seen: Evidence
    version: int
    chosen: Choice

    @classmethod
    def open(cls, snapshot: Snapshot, unit: str, chosen: Choice | None = None) -> Bench | Gap:
        """The workbench of a service, with what our drop-in sets today, or with what is ``chosen``."""
        seen = gather(snapshot, canonical(snapshot, unit))
        if seen is None:
            return Gap(GapKind.ABSENT, _("no service {name}").format(name=unit))
        return cls(snapshot, seen, version(snapshot), dict(seen.ours if chosen is None else chosen))

    @property
    def id(self) -> str:
        """The id of the decision about this service."""
        return f"{PATTERN}:{self.seen.unit}"

    def setting(self, name: str, value: str) -> Bench:
        """With a directive chosen, or another value for it.

        Raises:
            ValueError: the value is none of this directive; a sentence.
        """
        directive = BY_NAME.get(name)
        if directive is None:
            raise ValueError(_("{line} is no directive that is known here").format(line=repr(name)))
        if wrong := directive.wrong(value):
            raise ValueError(wrong)
        return replace(self, chosen={**self.chosen, name: value})

    def choosing(self, chosen: Choice) -> Bench:
        """With these directives, and no others."""
        return replace(self, chosen=dict(chosen))

    def without(self, name: str) -> Bench:
        """Without a directive."""
        return replace(self, chosen={known: value for known, value in self.chosen.items() if known != name})

    def proposing(self, *, only_safe: bool) -> Bench:
        """With all that is proposed for this service, and nothing else."""
        return replace(self, chosen=judge.recommended(self.seen, self.version, only_safe=only_safe))

    def completed(self) -> Bench:
        """With what the chosen directives need beside them."""
        needs = {name: value for found in self.verdicts.values() for name, value in found.needs.items()}
        return replace(self, chosen={**self.chosen, **judge.joined(self.chosen, needs)})

    @cached_property
    def verdicts(self) -> Mapping[str, Judgement]:
        """The verdict on each directive that is chosen."""
        return judge.verdicts(self.chosen, self.seen, self.version)

    @property
    def breaks(self) -> Mapping[str, Judgement]:
        """Those that would break something."""
        bad = {Effect.BREAKS, Effect.LACKING}
        return {name: found for name, found in self.verdicts.items() if found.effect in bad}

    @cached_property
    def before(self) -> int:
        """The exposure of today, in tenths."""
        return exposure(self.seen.settings, calls(self.snapshot))

    @cached_property
    def after(self) -> int:
        """The exposure with what is chosen, in tenths."""
        return sandbox.after(self.snapshot, self.seen, self.chosen)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every directive, in the order of the table."""
        return tuple(self._row(directive) for directive in DIRECTIVES)

    @property
    def dropin(self) -> str:
        """The drop-in that the script would write; "" when nothing is chosen."""
        if not self.chosen:
            return ""
        body = "\n".join(f"{name}={value}" for name, value in lines(self.chosen))
        return f"# {unit_files.dropin(self.seen.unit)}\n[Service]\n{body}\n"

    def _row(self, directive: Directive) -> Row:
        name = directive.name
        chosen = self.chosen.get(name)
        proposed = judge.proposal(name, self.seen, self.version)
        tried = chosen if chosen is not None else proposed
        found = self.verdicts.get(name)
        if found is None and tried:
            found = self._tried(name, tried)
        return Row(directive, current(name, self.seen), chosen, proposed, found)

    def _tried(self, name: str, value: str) -> Judgement:
        """The verdict on a directive that is not chosen, with what it needs beside it."""
        found = judge.judge(name, value, self.seen, self.chosen, self.version)
        if not found.needs:
            return found
        beside = {**self.chosen, **judge.joined(self.chosen, found.needs)}
        return replace(judge.judge(name, value, self.seen, beside, self.version), needs=found.needs)


def current(name: str, seen: Evidence) -> str:
    """The value that a service has today; a long one is counted."""
    if name in _LIMITS:
        return _LIMITS[name](seen.group) if seen.group else ""
    value = " ".join(seen.settings.get(name, "").split())
    if value == "~":
        return ""
    if len(value) > _SHORT and name in {"SystemCallFilter", "CapabilityBoundingSet"}:
        sign = "~" if value.startswith("~") else ""
        return sign + _("{count} names").format(count=len(value.split()))
    return value


_LINK = re.compile(r"[A-Za-z0-9:_.@-]+\.service")


def canonical(snapshot: Snapshot, unit: str) -> str:
    """The name under which systemd knows a service: with its ending, and not an alias."""
    name = unit if unit.endswith(".service") else f"{unit}.service"
    for folder in unit_files.FOLDERS:
        target = snapshot.ask(Link(f"{folder}/{name}"))
        if isinstance(target, str) and _LINK.fullmatch(real := target.rpartition("/")[2]):
            return real
    return name
