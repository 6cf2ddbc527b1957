"""The main job on one machine: look, decide, review, apply, confirm, reboot, roll back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from rig.machine import Machine
from rig.product import Findings, Product
from rig.state import HISTORY, State, difference, state

# What a rollback may leave to the next boot: a /tmp in use that is to go.
UNTIL_REBOOT = ("mount /tmp:", "mount point /tmp:")


def main_job(
    product: Product, note: Callable[[str], None], state: Callable[[Machine], State] = state
) -> list[str]:
    """Everything that issue and README promise, in the order in which an administrator does it.

    Gives the ids that were applied. ``state`` looks at the machine.
    """
    machine = product.machine
    laps, told = Laps(), Complaints()
    before = state(machine)
    found = product.scan(plan=False)
    laps.lap("scan and state")

    ids = product.plan()
    product.script("review")
    told.none("changed by scan, plan and review", difference(before, state(machine)))
    laps.lap("plan and review")

    product.script("apply", "--deadline", "900")
    applied = product.scan()
    told.none(
        "do not pass after apply, nor will after the reboot",
        (line for line in applied.not_passing(ids) if "drift='not-yet'" not in line),
    )
    laps.lap("apply and rescan")

    product.script("confirm")
    product.script("status")
    laps.lap("confirm")

    settled = state(machine)
    product.script("apply", "--deadline", "900")
    told.none("changed by a second apply", difference(settled, state(machine)))
    laps.lap("second apply")

    machine.reboot()
    rebooted = product.scan()
    told.none("do not pass after the reboot", rebooted.not_passing(ids))
    told.none(
        "drift after the reboot", (line for line in rebooted.drifting() if line.partition(":")[0] in ids)
    )
    laps.lap("reboot and rescan")

    product.script("rollback")
    left = difference(before, state(machine), ignored=HISTORY)
    told.none("are not undone by rollback", (line for line in left if not line.startswith(UNTIL_REBOOT)))
    laps.lap("rollback")
    machine.reboot()
    after = state(machine)
    told.none("not as before after rollback and reboot", difference(before, after, ignored=HISTORY))
    restored = product.scan(plan=False)
    changed = (id_ for id_ in found.by_id if restored[id_]["result"] != found[id_]["result"])
    told.none("have another verdict than before", map(restored.line, changed))
    laps.lap("reboot")

    by_hand = [id_ for id_, each in found.by_id.items() if each["result"] == "fail" and id_ not in ids]
    note(f"{machine.name}: {', '.join(map('='.join, product.answered.items()))}")
    note(f"  {len(found.by_id)} findings, {len(ids)} applied")
    note("  moment         pass  fail  informational  other   of the applied ones")
    moments = {"before": found, "applied": applied, "rebooted": rebooted}
    for moment, findings in (moments | {"rolled back": restored}).items():
        note(f"  {moment:<12} {columns(findings, ids)}")
    note(
        f"  compared: {len(after['sysctl'])} sysctls, {len(after['mount'])} mounts, "
        f"{len(after['etc'])} paths below /etc, {len(after['unit file'])} unit files, fstab"
    )
    note(f"  left by rollback to that reboot: {'; '.join(left) or 'nothing'}")
    note(f"  failing before, with no change to apply: {', '.join(by_hand) or 'none'}")
    note(f"  seconds: {laps}")
    assert not told.heard, "\n".join(told.heard)
    return ids


class Complaints:
    """What went wrong; the job goes on to its end, so that one run tells all."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def none(self, what: str, lines: Iterable[str]) -> None:
        """There should be nothing of which this could be said."""
        found = list(lines)
        if found:
            self.heard.append(f"{len(found)} {what}:\n  " + "\n  ".join(found[:60]))


def columns(findings: Findings, ids: Sequence[str]) -> str:
    """One row of the table."""
    results = findings.results
    other = results.total() - results["pass"] - results["fail"] - results["informational"]
    passing = len(ids) - len(findings.not_passing(ids))
    waiting = sum(findings[id_]["drift"] == "not-yet" for id_ in ids)
    return (
        f"{results['pass']:6}{results['fail']:6}{results['informational']:15}{other:7}   {passing} pass"
        + (f", {waiting} right after the reboot" if waiting else "")
    )


class Laps:
    """How long each part took."""

    def __init__(self) -> None:
        self.laps: list[str] = []
        self.since = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps.append(f"{name} {now - self.since:.1f}")
        self.since = now

    def __str__(self) -> str:
        return ", ".join(self.laps)
