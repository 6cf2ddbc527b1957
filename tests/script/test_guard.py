"""What runs when nobody is there, without a systemd that would start it: guard and boot, called by hand.

That systemd really starts them, and who may confirm, is seen on booted systems (tests/system).
"""

from __future__ import annotations

import pytest
from box import FSTAB
from plans import DROPIN, KEY, replace, script, sysctl, write

SAFE_MNT = "tmpfs /mnt tmpfs defaults,nosuid,nodev 0 0"
OTHER_BOOT = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def waiting(box):
    """An applied run that waits for confirm, armed by hand; its script."""
    fstab = replace("tmpfs /mnt tmpfs defaults 0 0", SAFE_MNT, can_lock_out=True)
    box.install(script(write(), fstab, sysctl()))
    box.before = box.everything()
    box.run("apply", "--without-guard")
    box.boot_id = box.sysctl("kernel/random/boot_id")
    run = next((box.state / "runs").iterdir())
    (run / "armed").write_text(f"1 {box.boot_id} found\n")
    return f"/var/lib/hardentui/runs/{run.name}/script.sh"


def reboot(box) -> None:
    box.sh(f"echo {OTHER_BOOT} > /root/boot_id && mount --bind /root/boot_id /proc/sys/kernel/random/boot_id")


def test_the_guard_takes_back_what_nobody_confirmed(box, waiting):
    assert "nobody confirmed on web01" in box.run("guard", "1", box.boot_id, script=waiting)
    assert box.everything() == box.before
    assert box.journal[-1] == "run rolled-back"
    assert not list(box.state.rglob("armed"))


def test_the_guard_of_another_boot_does_nothing(box, waiting):
    box.run("guard", "1", OTHER_BOOT, script=waiting)
    assert box.journal[-1] == "run applied"


def test_a_confirmed_run_is_left_alone(box, waiting):
    box.sh("rm /var/lib/hardentui/runs/*/armed")
    box.run("confirm")
    after = box.everything()
    box.run("guard", "1", box.boot_id, script=waiting)
    assert box.everything() == after


def test_a_boot_takes_back_what_nobody_confirmed(box, waiting):
    box.run("boot", script=waiting)  # the same boot: nothing to do
    assert box.journal[-1] == "run applied"
    reboot(box)
    box.run("boot", script=waiting)
    assert box.everything() == box.before


def test_nobody_can_be_asked_so_what_locks_out_is_restored_over_others(box, waiting):
    (box.etc / "fstab").write_text("theirs\n")
    (box.scratch / DROPIN[1:]).write_text("theirs too\n")
    said = box.run("guard", "1", box.boot_id, script=waiting, expected=4)
    assert (box.etc / "fstab").read_text() == FSTAB
    assert next(box.state.rglob("002.found")).read_text() == "theirs\n"
    assert (box.scratch / DROPIN[1:]).read_text() == "theirs too\n"
    assert box.sysctl(KEY) == "0"
    assert "NOT all could be taken back" in said
    assert box.journal[-1] == "run partial"


def test_a_failed_unattended_rollback_stays_armed_and_fails(box, waiting):
    box.sh("mount --bind /etc/sysctl.d /etc/sysctl.d && mount -o remount,bind,ro /etc/sysctl.d")
    box.run("guard", "1", box.boot_id, script=waiting, expected=4)
    assert box.journal.count("1 undo-failed") == 3
    assert box.journal[-1] == "run partial"
    assert list(box.state.rglob("armed"))
    assert box.sysctl(KEY) == "0"
    box.sh("umount /etc/sysctl.d")
    reboot(box)
    box.run("boot", script=waiting)
    assert box.everything() == box.before


def test_confirm_needs_a_login_that_is_newer_than_the_changes(box, waiting):
    assert "does not come over ssh" in box.run("confirm", expected=3)
    assert "not a console" in box.run("confirm", "--from-console", expected=3)
    assert box.journal[-1] == "run applied"


@pytest.mark.parametrize(
    "words", [["guard"], ["guard", "1;id", "x"], ["guard", "a[$(id)]", OTHER_BOOT], ["boot", "x"]]
)
def test_the_inner_verbs_take_nothing_else(box, waiting, words):
    box.run(*words, script=waiting, expected=2)
