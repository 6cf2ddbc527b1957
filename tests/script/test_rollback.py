"""What rollback does where others were at work since: it keeps theirs, says so, and leaves the choice."""

from __future__ import annotations

import subprocess

import pytest
from box import FSTAB
from plans import DROPIN, KEY, fused, remount, replace, script, sysctl, write

from hardentui.comparison import Comparison, Operator
from hardentui.operations import ReloadManager

MNT = "tmpfs /mnt tmpfs defaults 0 0"
SAFE_MNT = "tmpfs /mnt tmpfs defaults,nosuid,nodev 0 0"
PROC = "proc /proc proc defaults 0 0"


def mnt(box) -> str:
    """The options of what lies on top at /mnt."""
    return box.sh("grep ' /mnt ' /proc/self/mountinfo | tail -n 1").split()[5]


@pytest.mark.parametrize("forced", ["1", "2"])
def test_the_edits_of_one_file_go_back_together(box, forced):
    box.install(script(replace(MNT, SAFE_MNT), replace(PROC, "")))
    before = box.everything()
    box.run("apply")
    (box.etc / "fstab").write_text((box.etc / "fstab").read_text() + "# theirs\n")
    said = box.run("rollback", expected=4)
    assert "+# theirs" in said
    assert "# theirs" in (box.etc / "fstab").read_text()
    assert box.run("rollback", "--force", forced).count(": undone") == 2
    assert box.everything() == before
    assert "# theirs" in next(box.state.rglob("001.found")).read_text()


def test_a_run_can_end_with_what_others_made(box):
    box.install(script(write(), replace(MNT, SAFE_MNT), sysctl()))
    box.run("apply")
    (box.etc / "fstab").write_text("theirs\n")
    assert "rollback --keep 2" in box.run("rollback", expected=4)
    box.run("status", expected=4)
    said = box.run("rollback", "--keep", "2")
    assert "step 2: /etc/fstab is left as it is now" in said
    assert "but for what was left as it is" in said
    assert (box.etc / "fstab").read_text() == "theirs\n"
    assert box.journal[-1] == "run rolled-back"
    box.run("status")
    # Nothing holds up the next plan.
    box.run("apply", script=box.install(script(write(), sysctl()), "next.sh"))


def test_only_what_is_in_doubt_can_be_kept(box):
    box.install(script(write(), sysctl()))
    before = box.everything()
    box.run("apply")
    box.run("rollback", "--keep", "1")
    assert box.everything() == before


@pytest.mark.parametrize(
    "words", [["--keep", "3"], ["--force", "1", "--keep", "1"], ["--keep"], ["--leave", "1"]]
)
def test_what_rollback_does_not_understand(box, words):
    box.install(script(write(), sysctl()))
    assert "--keep STEP" in box.run("rollback", *words, expected=2)


def test_one_file_cannot_be_forced_and_kept(box):
    box.install(script(replace(MNT, SAFE_MNT), replace(PROC, ""), sysctl()))
    box.run("apply")
    applied = box.everything()
    assert "--keep STEP" in box.run("rollback", "--force", "1", "--keep", "2", expected=2)
    assert box.everything() == applied
    box.run("rollback", "--force", "1", "--keep", "3")


def test_a_damaged_journal_of_an_older_run_holds_nobody_up(box):
    first = box.install(script(write(can_lock_out=False)), "first.sh")
    box.run("apply", script=first)
    second = box.install(script(sysctl()), "second.sh")
    box.run("apply", script=second)
    journal = next(box.state.glob("runs/0001-*/journal"))
    journal.write_text(journal.read_text().replace(" done ", " dome ", 1))
    assert ": damaged" in box.run("status", script=second, expected=4)
    box.run("rollback", script=second)
    assert box.sysctl(KEY) == "0"
    assert "is damaged in line" in box.run("rollback", script=first, expected=3)


def test_another_file_system_mounted_there_is_left_alone(box):
    box.install(script(write(), remount()))
    before = box.everything()
    box.run("apply")
    box.sh("mount -t tmpfs -o nosuid,nodev,relatime theirs /mnt")
    assert "was changed since by others" in box.run("status", expected=4)
    for words in ([], ["--force", "2"]):
        said = box.run("rollback", *words, expected=4)
        assert "another file system is mounted there" in said
        assert mnt(box) == "rw,nosuid,nodev,relatime"
    box.sh("umount /mnt")
    box.run("rollback")
    assert box.everything() == before


def test_options_that_a_remount_does_not_speak_of_are_not_its_business(box):
    box.install(script(remount()))
    box.run("apply")
    box.sh("mount --options-mode=ignore -o remount,nosuid,nodev,relatime,size=3M /mnt")
    box.run("rollback")
    assert mnt(box) == "rw,relatime"
    assert "size=3072k" in box.sh("grep ' /mnt ' /proc/self/mountinfo")


def test_options_that_others_added_are_not_run_over(box):
    box.install(script(remount()))
    box.run("apply")
    box.sh("mount --options-mode=ignore -o remount,nosuid,nodev,noexec,relatime /mnt")
    box.run("rollback", expected=4)
    assert mnt(box) == "rw,nosuid,nodev,noexec,relatime"
    box.run("rollback", "--force", "1")
    assert mnt(box) == "rw,relatime"


def test_after_a_reboot_the_mount_is_still_ours(box):
    """A boot numbers the devices anew, and mounts from the files."""
    box.install(script(remount()))
    box.run("apply")
    box.sh(
        "umount /mnt && mount -t tmpfs -o size=2M,mode=0755,nosuid,nodev,relatime box /mnt"
        " && echo 11111111-2222-3333-4444-555555555555 > /root/boot_id"
        " && mount --bind /root/boot_id /proc/sys/kernel/random/boot_id"
    )
    box.run("status")
    box.run("rollback")
    assert mnt(box) == "rw,relatime"


def test_a_value_that_others_raised_is_not_run_over(box):
    at_least = Comparison(Operator.AT_LEAST, ("1",))
    box.install(script(sysctl(accept=at_least)))
    box.run("apply")
    box.set_sysctl(KEY, "2")
    box.run("status")  # it is as good
    assert "Now: 2. Ours: 1. Before: 0" in box.run("rollback", expected=4)
    assert box.sysctl(KEY) == "2"


def test_rights_that_others_gave_are_not_run_over(box):
    box.install(script(write()))
    before = box.everything()
    box.run("apply")
    path = box.scratch / DROPIN[1:]
    subprocess.run(["setfacl", "-m", "u:1000:r", path], check=True)
    assert path.stat().st_mode & 0o777 == 0o644
    box.run("status", expected=4)
    box.run("rollback", expected=4)
    assert (
        b"user:1000:r--" in subprocess.run(["getfacl", "-cn", path], capture_output=True, check=True).stdout
    )
    box.run("rollback", "--force", "1")
    assert box.everything() == before


def test_a_value_that_was_never_written_is_left_alone_by_a_rollback_that_was_killed(box):
    untouched = "net/ipv4/conf/all/arp_ignore"
    box.install(fused(script(sysctl(), sysctl(untouched, "0", "0"))))
    box.run("apply")
    box.set_sysctl(untouched, "2")
    (box.scratch / "root/fuse").write_text("2\n")
    assert box.call("bash", "/root/harden.sh", "rollback").returncode in {-9, 137}
    assert box.journal[-1] == "run rolling-back"
    box.run("rollback")
    assert box.sysctl(untouched) == "2"
    assert box.sysctl(KEY) == "0"


def test_the_value_of_an_interface_that_went_away_is_no_drift(box):
    box.sh("ip link add v0 type veth peer name v1")
    box.install(script(write(), sysctl("net/ipv4/conf/v0/log_martians")))
    box.run("apply")
    box.sh("ip link del v0")
    assert "step 2: gone: net/ipv4/conf/v0/log_martians" in box.run("status")
    assert "as this run left it" in box.run("apply")
    assert "is gone: nothing to restore" in box.run("rollback")
    assert (box.etc / "fstab").read_text() == FSTAB


def test_a_step_whose_record_is_damaged_can_be_left(box):
    box.install(script(write(), sysctl()))
    box.run("apply")
    next(box.state.rglob("001.meta")).write_text("garbage\n")
    box.run("rollback", expected=1)
    box.run("rollback", "--keep", "1")
    assert box.journal[-1] == "run rolled-back"


def test_a_reload_that_fails_can_be_left(box):
    box.install(script(write(), ReloadManager(owners=("sysctl.martians",))))
    box.run("apply")
    (box.scratch / "root/systemctl").write_text("#!/bin/sh\nexit 1\n")
    box.sh(
        "mkdir -p /run/systemd/system && chmod 755 /root/systemctl"
        " && mount --bind /root/systemctl /usr/bin/systemctl"
    )
    box.run("rollback", expected=1)
    box.run("rollback", "--keep", "2")
    assert box.journal[-1] == "run rolled-back"


def test_a_read_only_mount_of_a_file_system_leaves_its_other_mounts_writable(box):
    box.sh(
        "mkdir /run/all && umount /mnt && mount -t tmpfs -o mode=0755 all /run/all && mkdir /run/all/part"
        " && mount --bind /run/all/part /mnt && mount -o remount,bind,ro /mnt"
    )
    box.install(script(remount(before="ro,relatime")))
    box.run("apply")
    assert mnt(box) == "ro,nosuid,nodev,relatime"
    box.sh("touch /run/all/file")
    box.run("rollback")
    assert mnt(box) == "ro,relatime"
    box.sh("touch /run/all/file")


def test_after_a_reboot_a_device_may_have_another_name(box):
    box.install(script(remount()))
    box.run("apply")
    box.sh(
        "umount /mnt && mount -t tmpfs -o size=2M,mode=0755,nosuid,nodev,relatime other /mnt"
        " && echo 11111111-2222-3333-4444-555555555555 > /root/boot_id"
        " && mount --bind /root/boot_id /proc/sys/kernel/random/boot_id"
    )
    box.run("rollback")
    assert mnt(box) == "rw,relatime"
