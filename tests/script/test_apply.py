"""The script for real, in a throw-away host: apply, look, take back, compare."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from box import FSTAB, SCRIPT, tree
from plans import DROPIN, KEY, mode, plan, remount, replace, script, sha256, sysctl, write

from hardentui.comparison import Comparison, Operator
from hardentui.model import Text
from hardentui.operations import ByHand, ChangeSet, CheckMounts, EnableUnit, ReloadManager
from hardentui.script import render

OWNER = ("sysctl.martians",)
MNT = "tmpfs /mnt tmpfs defaults 0 0"
SAFE_MNT = "tmpfs /mnt tmpfs defaults,nosuid,nodev 0 0"
PROC = "proc /proc proc defaults 0 0"


def everything() -> str:
    unit = ("[Unit]", "Description=ours", "[Install]", "WantedBy=multi-user.target")
    return script(
        write(),
        write("/etc/made/deeper/ours.conf", "x = 1", "y = 'two'"),
        write("/etc/systemd/system/ours.service", *unit),
        replace(MNT, SAFE_MNT),
        replace(PROC, ""),
        replace("", "kernel.kptr_restrict = 2", path="/etc/sysctl.conf"),
        CheckMounts(owners=OWNER),
        ReloadManager(owners=OWNER),
        EnableUnit(owners=OWNER, unit="ours.service"),
        sysctl("net/ipv4/ip_forward", "0", "1", rank=0),
        sysctl(),
        sysctl("net/ipv4/conf/all/accept_redirects", "1", "1"),  # reset by forwarding
        mode(),
        remount(),
    )


def test_apply_then_rollback_leaves_the_host_as_it_was(box):
    box.install(everything())
    before = box.everything()
    assert "All is as" not in box.run("review")
    assert before == box.everything()
    box.run("apply")
    assert box.journal[-1] == "run kept"
    assert (box.etc / "made/deeper/ours.conf").read_text() == "x = 1\ny = 'two'\n"
    assert SAFE_MNT in (box.etc / "fstab").read_text()
    assert PROC not in (box.etc / "fstab").read_text()
    assert (box.etc / "sysctl.conf").read_text().endswith("kernel.sysrq = 1\nkernel.kptr_restrict = 2\n")
    assert (box.etc / "systemd/system/multi-user.target.wants/ours.service").is_symlink()
    assert box.sysctl(KEY) == "1"
    assert box.sysctl("net/ipv4/conf/all/accept_redirects") == "1"
    assert (box.etc / "crontab").stat().st_mode & 0o777 == 0o600
    assert "nosuid,nodev" in box.sh("grep ' /mnt ' /proc/self/mountinfo")
    after = box.everything()
    assert "as this run left it" in box.run("apply")
    assert after == box.everything()
    box.run("rollback")
    assert before == box.everything()
    box.run("rollback", expected=3)
    assert "was rolled back and is over" in box.run("apply", script=box.run_script, expected=3)
    box.run("apply")
    assert box.journal[-1] == "run kept"


def test_review_and_status_write_nothing(box):
    box.install(everything())
    for _turn in ("before", "after"):
        seen = tree(box.scratch, times=True)
        box.run("review")
        box.run("status")
        box.run("status", script=SCRIPT)
        assert tree(box.scratch, times=True) == seen
        box.run("apply")


def test_review_shows_the_changes_and_what_is_by_hand(box):
    manual = ByHand(owners=OWNER, subject="UEFI", instructions=Text("Set it's\npassword", "Poser"))
    change_set = ChangeSet((write(), replace(MNT, SAFE_MNT, can_lock_out=True), manual))
    box.install(render(change_set, plan(), {}))
    said = box.run()
    assert "+net.ipv4.conf.all.log_martians = 1" in said
    assert f"-{MNT}" in said
    assert "        Set it's\n        password" in said
    assert "must be confirmed" in said


def test_the_script_speaks_the_language_of_the_plan(box):
    box.install(script(write(), language="fr"))
    assert "étape 1 : /etc/sysctl.d/99-zz-hardentui.conf (pour sysctl.martians)" in box.run()


def test_another_machine_is_refused(box):
    (box.etc / "machine-id").write_text("f" * 32 + "\n")
    box.install(script(write()))
    assert "another machine" in box.run("apply", expected=3)
    assert not box.state.exists()


@pytest.mark.parametrize(
    "words", [["applied"], ["apply", "--deadline", "5"], ["rollback", "--force", "a[$(id)]"]]
)
def test_wrong_words_are_usage_errors(box, words):
    box.install(script(write()))
    assert "usage:" in box.run(*words, expected=2)


def test_what_the_plan_did_not_see_is_refused(box):
    (box.etc / "sysctl.d/99-zz-hardentui.conf").write_text("theirs\n")
    box.install(script(write(), replace("no such line", "x"), sysctl("net/ipv4/ip_forward", "7", "8")))
    before = box.everything()
    said = box.run("apply", expected=3)
    assert said.count("is not what the plan saw") == 3
    assert before == box.everything()
    assert not (box.state / "runs").exists()


def test_a_line_that_stands_twice_is_refused(box):
    (box.etc / "fstab").write_text(FSTAB + MNT + "\n")
    box.install(script(replace(MNT, SAFE_MNT)))
    said = box.run("apply", expected=3)
    assert f"The line to replace ({MNT}) stands there 2 times, the new line ({SAFE_MNT}) 0 times" in said


def test_a_line_is_not_replaced_by_one_that_stands_there(box):
    (box.etc / "fstab").write_text(FSTAB + SAFE_MNT + "\n")
    box.install(script(replace(MNT, SAFE_MNT)))
    assert f"the new line ({SAFE_MNT}) 1 times" in box.run("apply", expected=3)


def test_the_line_ends_of_a_file_stay_what_they_are(box):
    path = box.etc / "fstab"
    path.write_bytes(FSTAB.replace("\n", "\r\n").removesuffix("\r\n").encode())
    box.install(script(replace(MNT, SAFE_MNT), replace(PROC, ""), replace("", "tmpfs /x tmpfs noauto 0 0")))
    before = box.everything()
    box.run("apply")
    head = FSTAB.splitlines()[0]
    assert path.read_bytes() == f"{head}\r\n{SAFE_MNT}\r\ntmpfs /x tmpfs noauto 0 0\r\n".encode()
    assert "as this run left it" in box.run("apply")
    box.run("rollback")
    assert box.everything() == before


def test_who_saves_a_file_meanwhile_is_not_run_over(box):
    """At the moment when step 1 ends, another writer changes the line that step 2 would replace."""
    place = 'say step-done "$step" "${TARGET[step]}"'
    theirs = FSTAB.replace(MNT, "tmpfs /mnt tmpfs ro 0 0")
    text = script(write(), replace(MNT, SAFE_MNT))
    assert text.count(place) == 1
    box.install(text.replace(place, f"{place}; cat /root/theirs >/etc/fstab"))
    (box.scratch / "root/theirs").write_text(theirs)
    said = box.run("apply", expected=1)
    assert f"The line to replace ({MNT}) stands there 0 times" in said
    assert (box.etc / "fstab").read_text() == theirs
    assert not (box.scratch / DROPIN[1:]).exists()


def test_the_special_bits_of_a_folder_go_and_come_back(box):
    folder = box.etc / "shared"
    folder.mkdir()
    folder.chmod(0o2775)
    box.install(script(mode("/etc/shared", "02775", "0755")))
    box.run("apply")
    assert folder.stat().st_mode & 0o7777 == 0o755
    box.run("rollback")
    assert folder.stat().st_mode & 0o7777 == 0o2775


def test_values_that_pass_are_left_alone(box):
    box.set_sysctl(KEY, "1")
    at_least = Comparison(Operator.AT_LEAST, ("1",))
    box.install(script(sysctl(before="0", after="2", accept=at_least)))
    assert "already so" in box.run("review")
    assert "nothing to do" in box.run("apply")
    assert box.sysctl(KEY) == "1"


def test_a_key_that_went_away_is_skipped(box):
    box.install(script(write(), sysctl("net/ipv4/conf/gone0/log_martians")))
    assert "does not exist here" in box.run("review")
    box.run("apply")
    box.run("rollback")


def test_links_hard_links_and_open_folders_are_refused(box):
    conf = box.etc / "sysctl.d/99-zz-hardentui.conf"
    conf.symlink_to("/etc/passwd")
    (box.etc / "other").hardlink_to(box.etc / "crontab")
    (box.etc / "open").mkdir()
    (box.etc / "open").chmod(0o777)
    box.install(script(write(), mode(), write("/etc/open/x.conf")))
    said = box.run("apply", expected=3)
    assert "Now: symbolic-link" in said
    assert "Now: hard-link" in said
    assert "others than root can change /etc/open" in said


def test_a_script_that_others_can_change_is_refused(box):
    path = box.install(script(write()))
    (box.scratch / "root/harden.sh").chmod(0o722)
    assert "others can change" in box.run("review", expected=3)
    (box.scratch / "root/harden.sh").chmod(0o700)
    os.chown(box.scratch / "root/harden.sh", 1000, 1000)
    box.run("review", expected=3)
    box.run("review", env={"SUDO_UID": "1000"})
    (box.scratch / "root").chmod(0o777)
    assert "others can write there" in box.run("review", expected=3, script=path)


def test_a_state_folder_that_is_not_roots_is_refused(box):
    box.install(script(write()))
    box.state.mkdir(mode=0o755)
    assert "/var/lib/hardentui" in box.run("apply", expected=3)


def test_a_hostile_environment_does_nothing(box):
    box.install(script(write(), replace(MNT, SAFE_MNT), sysctl()))
    before = box.everything()
    hostile = {
        f"BASH_FUNC_{name}%%": "() { /bin/touch /root/canary; }"
        for name in (
            "exec",
            "set",
            "printf",
            "readonly",
            "declare",
            "stat",
            "cat",
            "trap",
            "exit",
            "umask",
            "cd",
            "main",
        )
    }
    (box.scratch / "root/bin").mkdir()
    for name in ("env", "stat", "sync", "mv", "sha256sum"):
        fake = box.scratch / "root/bin" / name
        fake.write_text("#!/bin/sh\ntouch /root/canary\n")
        fake.chmod(0o755)
    env = {
        **hostile,
        "PATH": f"/root/bin:{os.environ['PATH']}",
        "IFS": "e/",
        "LC_ALL": "fr_FR.UTF-8",
        "GLOBIGNORE": "*",
        "CDPATH": "/root",
        "TMPDIR": "/nonexistent",
        "HARDENTUI_PID": "1",
        "SHELLOPTS": "noclobber:nounset",
    }
    box.run("apply", env=env, umask=0)
    assert (box.etc / "sysctl.d/99-zz-hardentui.conf").stat().st_mode & 0o777 == 0o644
    box.run("rollback", env=env, umask=0o777)
    assert not (box.scratch / "root/canary").exists()
    assert before == box.everything()


def test_what_bash_env_brings_in_does_not_reach_the_run(box):
    box.install(script(write()))
    (box.scratch / "root/env").write_text(
        "stat() { touch /root/canary; }; sync() { touch /root/canary; }\nset -x\n"
    )
    box.run("apply", env={"BASH_ENV": "/root/env"})
    assert not (box.scratch / "root/canary").exists()


def test_a_reader_that_goes_away_does_not_stop_it(box):
    box.install(everything())
    before = box.everything()
    box.call("bash", "-c", f"bash {SCRIPT} apply | head -1; exit ${{PIPESTATUS[0]}}")
    assert box.journal[-1] == "run kept"
    box.call("bash", "-c", f"bash {SCRIPT} rollback >&- 2>&-")
    assert before == box.everything()


def test_a_failing_step_undoes_the_run(box):
    refused = sysctl("net/ipv4/conf/all/arp_ignore", "0", "99999999999", Comparison(Operator.EQUAL, ("1",)))
    box.install(script(write(), replace(MNT, SAFE_MNT), sysctl(), refused))
    before = box.everything()
    said = box.run("apply", expected=1)
    assert "step 4: net/ipv4/conf/all/arp_ignore: FAILED\n    because: " in said
    assert "Invalid argument" in said
    assert "All is as it was before" in said
    assert before == box.everything()
    assert box.journal[-1] == "run rolled-back"


def test_a_bad_fstab_is_undone(box):
    box.install(script(replace(MNT, "tmpfs /mnt tmpfs defaults zero nought"), CheckMounts(owners=OWNER)))
    before = box.everything()
    said = box.run("apply", expected=1)
    assert "findmnt --verify finds errors" in said
    assert before == box.everything()


def test_steps_that_can_lock_out_need_a_guard(box):
    box.install(script(replace(MNT, SAFE_MNT, can_lock_out=True)))
    assert "--without-guard" in box.run("apply", expected=3)
    assert "WITHOUT A GUARD" in box.run("apply", "--without-guard")
    assert box.journal[-1] == "run applied"
    assert "confirm" in box.run("status", expected=4)
    box.run("confirm")
    assert box.journal[-1] == "run kept"


def test_one_way_steps_wait_for_confirm(box):
    box.install(script(write(), sysctl(one_way=True)))
    assert "confirm makes them" in box.run("apply")
    assert box.sysctl(KEY) == "0"
    assert "step 2: waiting" in box.run("status", expected=4)
    box.run("confirm")
    assert box.sysctl(KEY) == "1"
    assert box.journal[-1] == "2 irreversible"
    box.run("apply")
    assert "cannot be taken back before a reboot" in box.run("rollback")
    assert box.sysctl(KEY) == "1"
    assert not (box.etc / "sysctl.d/99-zz-hardentui.conf").exists()


def test_an_unconfirmed_run_keeps_other_plans_out(box):
    box.install(script(write(), sysctl(one_way=True)))
    box.run("apply")
    other = box.install(script(write("/etc/sysctl.d/other.conf")), "other.sh")
    assert "is applied and must end first" in box.run("apply", expected=3, script=other)


def test_generations_stack_and_only_the_newest_rolls_back(box):
    box.install(script(write(), sysctl()))
    before = box.everything()
    box.run("apply")
    # Planned before the first run was applied: what stands there now is what the first run wrote.
    other = box.install(script(write(DROPIN, "a = 1"), sysctl(before="5", after="0")), "other.sh")
    middle = box.everything()
    box.run("apply", script=other)
    # What the later run replaced is nobody else's doing.
    assert "step 1: replaced: " in box.run("status")
    assert "as this run left it" in box.run("apply")
    box.set_sysctl(KEY, "7")
    assert f"step 2: {KEY} was changed since by others" in box.run("status", expected=4)
    box.set_sysctl(KEY, "0")
    assert "must be rolled back first" in box.run("rollback", expected=3)
    box.run("rollback", script=other)
    assert middle == box.everything()
    box.run("rollback")
    assert before == box.everything()


def test_a_file_of_ours_that_others_deleted_is_undone_already(box):
    box.install(script(write(), sysctl()))
    before = box.everything()
    box.run("apply")
    (box.etc / "sysctl.d/99-zz-hardentui.conf").unlink()
    assert "changed since by others" in box.run("status", expected=4)
    box.run("rollback")
    assert before == box.everything()


@pytest.mark.parametrize("change", ["edit", "link", "mode"])
def test_what_others_changed_is_kept_and_said(box, change):
    box.install(script(write(), replace(MNT, SAFE_MNT), sysctl()))
    before = box.everything()
    box.run("apply")
    path = box.etc / "sysctl.d/99-zz-hardentui.conf"
    match change:
        case "edit":
            path.write_text("theirs \x1b[31m\n")
        case "mode":
            path.chmod(0o600)
        case "link":
            path.unlink()
            path.symlink_to("/etc/passwd")
    assert "changed since by others" in box.run("status", expected=4)
    assert "changed since by others" in box.run("apply", expected=4)
    said = box.run("rollback", expected=4)
    assert "step 1: /etc/sysctl.d/99-zz-hardentui.conf was changed by others and is kept" in said
    assert "\x1b" not in said
    assert box.journal[-1] == "run partial"
    assert (box.etc / "fstab").read_text() == FSTAB
    assert box.sysctl(KEY) == "0"
    box.run("rollback", expected=4)
    box.run("rollback", "--force", "1")
    assert before == box.everything()
    assert box.journal[-1] == "run rolled-back"
    if change == "edit":
        found = next(box.state.rglob("001.found"))
        assert found.read_text() == "theirs \x1b[31m\n"


def test_a_value_that_others_changed_is_kept(box):
    box.install(script(sysctl("net/ipv4/conf/all/arp_ignore", "0", "1")))
    box.run("apply")
    box.set_sysctl("net/ipv4/conf/all/arp_ignore", "2")
    box.run("rollback", expected=4)
    assert box.sysctl("net/ipv4/conf/all/arp_ignore") == "2"


def test_a_failing_undo_does_not_stop_the_others(box):
    box.install(script(write(), write("/etc/stuck/ours.conf"), replace(MNT, SAFE_MNT), sysctl()))
    before = box.everything()
    box.run("apply")
    stuck = box.etc / "stuck/ours.conf"
    subprocess.run(["chattr", "+i", stuck], check=False)
    if "i" not in subprocess.run(["lsattr", stuck], capture_output=True, text=True, check=False).stdout[:20]:
        box.sh("mount --bind /etc/stuck /etc/stuck && mount -o remount,bind,ro /etc/stuck")
    try:
        said = box.run("rollback", expected=1)
    finally:
        subprocess.run(["chattr", "-i", stuck], check=False)
        box.sh("umount /etc/stuck 2>/dev/null || :")
    assert "step 2: /etc/stuck/ours.conf could NOT be restored\n    because: " in said
    assert "Operation not permitted" in said or "Read-only file system" in said
    assert box.sysctl(KEY) == "0"
    assert (box.etc / "fstab").read_text() == FSTAB
    assert box.journal[-1] == "run partial"
    assert "--force STEP or --keep STEP" in box.run("status", expected=4)
    box.run("rollback")
    assert before == box.everything()
    box.run("status")


def test_a_full_disk_is_undone(box):
    """The state folder has room for a start, and none for a journal."""
    box.sh("mkdir -m 700 /var/lib/hardentui && mount -t tmpfs -o size=160k,mode=0700 box /var/lib/hardentui")
    lines = [f"# {'x' * 2000} {number}" for number in range(60)]
    box.install(script(sysctl(), write(DROPIN, *lines)))
    before = box.everything()
    said = box.run("apply", expected=None)
    assert "as it was before" in said or "Refused" in said
    assert before == box.everything()


def test_a_full_disk_below_the_target_is_undone(box):
    box.sh("mkdir /mnt/conf && chmod 755 /mnt/conf")
    lines = [f"# {'x' * 2000} {number}" for number in range(40)]
    box.install(script(sysctl(), write("/mnt/conf/big.conf", *lines)))
    box.sh("head -c 2020K /dev/zero > /mnt/fill; true")
    before = box.everything()
    box.run("apply", expected=1)
    assert box.sh("ls -A /mnt/conf") == ""
    assert before == box.everything()


def test_a_read_only_state_folder_is_refused(box):
    box.install(script(sysctl(), write()))
    box.sh("mkdir -m 700 /var/lib/hardentui && mount -t tmpfs -o ro,mode=0700 box /var/lib/hardentui")
    before = box.everything()
    box.run("apply", expected=3)
    assert before == box.everything()


def test_a_target_on_a_read_only_file_system_is_undone(box):
    box.install(script(sysctl(), write(), write("/mnt/conf/ours.conf")))
    box.sh(
        "mkdir /mnt/conf && chmod 755 /mnt/conf && mount --bind /mnt/conf /mnt/conf"
        " && mount -o remount,bind,ro /mnt/conf"
    )
    before = box.everything()
    box.run("apply", expected=1)
    assert before == box.everything()


def test_a_damaged_journal_stops_everything_and_a_torn_line_does_not(box):
    box.install(script(write(), sysctl()))
    before = box.everything()
    box.run("apply")
    journal = next(box.state.glob("runs/*/journal"))
    whole = journal.read_text()
    journal.write_text(whole.replace(" done ", " dome ", 1))
    assert "is damaged in line" in box.run("rollback", expected=3)
    journal.write_text(whole + "99 torn\0\0\0")
    assert "warning" not in box.run("status")
    assert "warning" not in box.run("rollback")
    assert "torn" not in journal.read_text()
    assert before == box.everything()


def test_the_lock_keeps_a_second_run_out_and_children_do_not_hold_it(box):
    box.install(script(write()))
    box.state.mkdir(mode=0o700)
    held = ["flock", "-n", "/var/lib/hardentui", "bash", SCRIPT, "apply"]
    assert box.call(*held).returncode == 75
    slow = script(write()).replace("try sync --", "ls -l /proc/self/fd >> /root/fds; try sync --")
    box.install(slow)
    box.run("apply")
    fds = (box.scratch / "root/fds").read_text()
    assert fds
    assert "/var/lib/hardentui\n" not in re.sub(r"runs/\S*", "", fds)


def test_owners_modes_and_attributes_survive_an_edit(box):
    path = box.etc / "fstab"
    path.chmod(0o640)
    os.chown(path, 0, 1000)
    os.setxattr(path, "user.note", b"kept")
    if shutil.which("setfacl"):
        subprocess.run(["setfacl", "-m", "u:1000:r", path], check=True)
    acl = subprocess.run(["getfacl", "-cn", path], capture_output=True, check=False).stdout
    box.install(script(replace(MNT, SAFE_MNT)))
    before = box.everything()
    for verb in ("apply", "rollback"):
        box.run(verb)
        assert (path.stat().st_mode & 0o777, path.stat().st_gid) == (before[0][str(path)][0] & 0o777, 1000)
        assert os.getxattr(path, "user.note") == b"kept"
        assert subprocess.run(["getfacl", "-cn", path], capture_output=True, check=False).stdout == acl
    assert before == box.everything()


def test_what_is_replaced_is_what_the_plan_saw(box):
    path = box.etc / "sysctl.d/99-zz-hardentui.conf"
    path.write_text("old = 1\n")
    box.install(script(write(before=sha256(path))))
    before = box.everything()
    box.run("apply")
    assert path.read_text() == "net.ipv4.conf.all.log_martians = 1\n"
    box.run("rollback")
    assert before == box.everything()


def test_a_reboot_is_not_a_confirmation(box):
    """The journal's boot id is another one: confirm refuses, rollback works."""
    box.install(script(replace(MNT, SAFE_MNT, can_lock_out=True)))
    box.run("apply", "--without-guard")
    box.sh(
        "echo 11111111-2222-3333-4444-555555555555 > /root/boot_id"
        " && mount --bind /root/boot_id /proc/sys/kernel/random/boot_id"
    )
    assert "rebooted since apply" in box.run("confirm", expected=3)
    box.run("rollback")
    assert (box.etc / "fstab").read_text() == FSTAB
