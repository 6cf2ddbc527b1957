"""The state of a machine before and after, and the difference in words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping

from rig.machine import Machine

State = Mapping[str, Mapping[str, str]]

# The journal of what was done stays after a rollback, on purpose: it is the one thing that may.
HISTORY = frozenset({"product"})


def state(machine: Machine) -> State:
    """What a person would call the configuration of the machine, live and on disk."""
    found: State = json.loads(machine.python("state.py").stdout)
    assert len(found["sysctl"]) > 300, f"only {len(found['sysctl'])} sysctls seen"
    assert len(found["etc"]) > 100, f"only {len(found['etc'])} files seen"
    assert "/" in found["mount"]
    return found


def difference(before: State, after: State, ignored: Collection[str] = ()) -> list[str]:
    """One line for each thing that differs: what it is, what it was, what it is now."""
    found = []
    for kind in before:
        if kind in ignored:
            continue
        was, now = before[kind], after[kind]
        if kind == "fstab":
            found += [
                f"fstab: {line}"
                for line in difflib.unified_diff(list(was.values()), list(now.values()), lineterm="", n=0)
                if not line.startswith(("---", "+++", "@@"))
            ]
            continue
        for name in sorted({*was, *now}, key=str):
            if was.get(name) != now.get(name):
                found.append(f"{kind} {name}: {was.get(name, '(not there)')}  ->  {now.get(name, '(gone)')}")
    return found


def assert_same(before: State, after: State, when: str, ignored: Collection[str] = ()) -> None:
    """The state is as it was; if not, the message lists what is not."""
    found = difference(before, after, ignored)
    assert not found, f"{when}: {len(found)} things differ (before -> now)\n  " + "\n  ".join(found[:60])
