"""Killed at every boundary, in both directions: status and rollback give the state of before.

A boundary is before and after each wait for the disk, and after each line of the journal. Every eleventh is
tried; all of them with HARDENTUI_EVERY_BOUNDARY=1 in the environment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

import pytest
from plans import POWER, fused, mode, remount, replace, script, sysctl, write

from hardentui.operations import Operation

VALUES = (
    sysctl("net/ipv4/ip_forward", "0", "1"),
    sysctl("net/ipv4/conf/all/accept_redirects", "1", "1"),
    mode(),
    remount(),
)
SMALL = (
    replace("tmpfs /mnt tmpfs defaults 0 0", "tmpfs /mnt tmpfs nosuid,nodev 0 0"),
    write("/etc/made/deeper/ours.conf"),
    *VALUES,
)
KILL = "kill -KILL $$"
# With files among them the journal reaches the disk so often that little of it can be lost.
CUTS = pytest.mark.parametrize(
    ("act", "steps"),
    [(KILL, SMALL), (POWER, VALUES), (POWER, SMALL)],
    ids=["killed", "power-values", "power"],
)
MANY = 400


def killed(box, verb: str, boundary: int) -> bool:
    """Whether the verb was cut at this boundary; else it came to its end."""
    (box.scratch / "root/fuse").write_text(f"{boundary}\n")
    code = box.call("bash", "/root/harden.sh", verb).returncode
    (box.scratch / "root/fuse").unlink()
    assert code in {0, -9, 137}, code
    return code != 0


def recover(box, before: tuple[object, ...]) -> None:
    box.run("status", expected=None)
    journals = [path.read_text() for path in box.state.glob("runs/*/journal")]
    pending = any("\n" in text and " run rolled-back " not in text for text in journals)
    done = box.call("bash", "/root/harden.sh", "rollback")
    assert done.returncode == (0 if pending else 3), done.stdout + done.stderr
    assert box.everything() == before


def kill_at(box, steps: Sequence[Operation], verb: str, boundaries: range, act: str) -> int:
    """How often it was killed."""
    box.install(fused(script(*steps), act))
    before = box.everything()
    for count, boundary in enumerate(boundaries):
        if verb == "rollback":
            box.run("apply")
        if not killed(box, verb, boundary):
            if verb == "apply":
                box.run("rollback")
            return count
        recover(box, before)
        shutil.rmtree(box.state, ignore_errors=True)
    raise AssertionError("more boundaries than expected")


@CUTS
@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_killed_at_some_boundaries(box, verb, act, steps):
    assert kill_at(box, steps, verb, range(2, MANY, 11), act) >= 2


@pytest.mark.skipif("HARDENTUI_EVERY_BOUNDARY" not in os.environ, reason="takes a minute for each direction")
@CUTS
@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_killed_at_every_boundary(box, verb, act, steps):
    assert kill_at(box, steps, verb, range(1, MANY), act) >= 15


def test_an_interrupted_apply_undoes_itself(box):
    """SIGTERM, as from a lost terminal, in the middle of a step."""
    box.install(fused(script(*SMALL), "kill -TERM $$"))
    before = box.everything()
    (box.scratch / "root/fuse").write_text("25\n")
    said = box.run("apply", expected=1)
    assert "All is as it was before" in said
    assert before == box.everything()


def test_an_apply_that_cannot_undo_all_says_that_it_waits(box):
    box.install(fused(script(*SMALL), "{ echo theirs >/etc/fstab; kill -TERM $$; }"))
    (box.scratch / "root/fuse").write_text("40\n")
    assert "rollback" in box.run("apply", expected=4)
    assert box.journal[-1] == "run partial"
    box.run("rollback", "--keep", "1")
    assert (box.etc / "fstab").read_text() == "theirs\n"


def test_a_killed_apply_is_not_applied_again(box):
    box.install(fused(script(*SMALL)))
    assert killed(box, "apply", 30)
    assert "must end first" in box.run("apply", expected=3)
    assert "rollback" in box.run("status", expected=None)


def test_killed_while_its_child_lives_the_lock_is_free(box):
    """A child that outlives the run does not hold the lock: rollback is not kept out."""
    box.install(fused(script(*SMALL), "{ sleep 300 >/dev/null 2>&1 & kill -KILL $$; }"))
    assert killed(box, "apply", 30)
    box.run("rollback")
