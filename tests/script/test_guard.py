"""What runs when nobody is there, without a systemd that would start it: guard and boot, called by hand.

That systemd really starts them, and who may confirm, is seen on booted systems (tests/system).
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from box import FSTAB
from plans import DROPIN, KEY, fused, remount, replace, script, sysctl, write

MNT = "tmpfs /mnt tmpfs defaults 0 0"
SAFE_MNT = "tmpfs /mnt tmpfs defaults,nosuid,nodev 0 0"
OTHER_BOOT = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def waiting(box):
    """An applied run that waits for confirm, armed by hand; its script."""
    fstab = replace(MNT, SAFE_MNT, can_lock_out=True)
    box.install(script(write(), fstab, sysctl()))
    box.before = box.everything()
    box.run("apply", "--without-guard")
    box.boot_id = box.sysctl("kernel/random/boot_id")
    arm(box, 1)
    return box.run_script


def arm(box, deadline: int) -> None:
    run = next((box.state / "runs").iterdir())
    (run / "armed").write_text(f"{deadline} {box.boot_id} found\n")


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


def test_the_deadline_may_be_moved_on_while_the_guard_waits(box, waiting):
    arm(box, 10**9)
    assert box.call("timeout", "3", "bash", waiting, "guard", "1", box.boot_id).returncode == 124
    assert box.journal[-1] == "run applied"


def test_an_apply_that_died_is_not_given_the_time_of_its_steps(box):
    box.install(fused(script(write(), replace(MNT, SAFE_MNT), sysctl()), "kill -KILL $$"))
    before = box.everything()
    (box.scratch / "root/fuse").write_text("30\n")
    box.run("apply", expected=-signal.SIGKILL)
    box.boot_id = box.sysctl("kernel/random/boot_id")
    arm(box, 10**9)  # what it would have had, had it gone on
    box.run("guard", "1", box.boot_id, script=box.run_script)
    assert box.everything() == before
    assert box.journal[-1] == "run rolled-back"


HANGS = {
    "stopped": "kill -STOP $$",
    "stopped-and-deaf": "{ trap '' TERM; while :; do kill -STOP $$; done; }",
    "child-hangs": "sleep 300",
}


@pytest.mark.parametrize("act", HANGS.values(), ids=HANGS)
def test_an_apply_that_hangs_does_not_keep_the_guard_out(box, act):
    box.install(fused(script(write(), replace(MNT, SAFE_MNT), sysctl()), act))
    before = box.everything()
    (box.scratch / "root/fuse").write_text("30\n")
    apply = box.start("bash", "/root/harden.sh", "apply")
    reached = box.call("timeout", "30", "bash", "-c", "until grep -qx 0 /root/fuse; do :; done")
    assert reached.returncode == 0
    box.run("guard", "1", box.sysctl("kernel/random/boot_id"), script=box.run_script)
    apply.send_signal(signal.SIGCONT)  # nsenter stopped along with it
    assert apply.wait(timeout=30) != 0
    assert box.everything() == before
    assert box.journal[-1] == "run rolled-back"


def hanging(box, command: str, body: str) -> None:
    """Puts ``body`` in the place of a command, whose own program is then called REAL."""
    real = f"/root/{command}.real"
    (box.scratch / "root" / command).write_text(body.replace("REAL", real))
    box.sh(f"cp /usr/bin/{command} {real}; chmod 755 /root/{command}")
    box.sh(f"mount --bind /root/{command} /usr/bin/{command}")


def hung(box) -> None:
    assert box.call("timeout", "30", "bash", "-c", "until [[ -e /root/hung ]]; do :; done").returncode == 0


def test_a_shell_that_a_killed_apply_left_behind_does_not_keep_the_guard_out(box):
    box.install(script(write(), replace(MNT, SAFE_MNT, can_lock_out=True)))
    body = '#!/bin/bash\ngrep -q nosuid /etc/fstab && mkdir /root/hung && exec sleep 300\nexec REAL "$@"\n'
    hanging(box, "tar", body)
    before = box.everything()
    apply = box.start("bash", "/root/harden.sh", "apply", "--without-guard")
    hung(box)
    box.sh("kill -KILL $(pgrep -o -f 'script.sh apply')")
    apply.wait(timeout=30)
    box.run("guard", "1", box.sysctl("kernel/random/boot_id"), script=box.run_script)
    assert box.everything() == before


def test_what_a_hung_command_started_does_not_go_on_after_the_guard(box):
    """As mount does for NFS, which has a helper."""
    box.install(script(replace(MNT, SAFE_MNT, can_lock_out=True), remount()))
    body = (
        '#!/bin/bash\n[[ $* == *nosuid* ]] || exec REAL "$@"\n'
        "bash -c 'echo $$ >/root/helper; mkdir /root/hung; sleep 300; :'\nexit 1\n"
    )
    hanging(box, "mount", body)
    apply = box.start("bash", "/root/harden.sh", "apply", "--without-guard")
    hung(box)
    box.run("guard", "1", box.sysctl("kernel/random/boot_id"), script=box.run_script)
    apply.wait(timeout=30)
    assert box.call("bash", "-c", "grep -q . /proc/$(< /root/helper)/cmdline").returncode != 0


def test_a_guard_that_cannot_be_removed_can_be_removed_later(box, waiting):
    box.sh(
        "touch /etc/systemd/system/hardentui-boot.service"
        " && mount --bind /etc/systemd/system /etc/systemd/system"
        " && mount -o remount,bind,ro /etc/systemd/system"
    )
    assert "guard could not be removed" in box.run("rollback", expected=1)
    box.sh("umount /etc/systemd/system")
    box.run("rollback")
    assert box.everything() == box.before


def test_a_link_in_the_place_of_a_file_is_set_aside(box, waiting):
    (box.etc / "fstab").unlink()
    (box.etc / "fstab").symlink_to("/dev/null")
    box.run("guard", "1", box.boot_id, script=waiting)
    assert next(box.state.rglob("002.found")).readlink().as_posix() == "/dev/null"
    assert box.everything() == box.before


def test_what_cannot_be_set_aside_is_a_failure_and_stays_armed(box, waiting):
    (box.etc / "fstab").write_text("theirs\n")
    folder = Path(waiting).parent / "before"
    box.sh(f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}")
    said = box.run("guard", "1", box.boot_id, script=waiting, expected=4)
    assert "/etc/fstab could NOT be restored\n    because: " in said
    assert "Read-only file system" in said
    assert (box.etc / "fstab").read_text() == "theirs\n"
    assert list(box.state.rglob("armed"))


def test_a_damaged_journal_does_not_lock_the_person_out(box, waiting):
    journal = next(box.state.glob("runs/*/journal"))
    damaged = journal.read_text().replace(" done ", " dome ", 1)
    journal.write_text(damaged)
    said = box.run("guard", "1", box.boot_id, script=waiting, expected=4)
    assert "is damaged; what could lock out is restored" in said
    assert (box.etc / "fstab").read_text() == FSTAB
    assert (box.scratch / DROPIN[1:]).exists()
    assert journal.read_text() == damaged


def test_a_damaged_record_restores_nothing(box, waiting):
    journal = next(box.state.glob("runs/*/journal"))
    journal.write_text(journal.read_text().replace(" done ", " dome ", 1))
    record = next(box.state.rglob("002.meta"))
    record.write_text(record.read_text().replace("before file", "before absent"))
    box.run("guard", "1", box.boot_id, script=waiting, expected=4)
    assert SAFE_MNT in (box.etc / "fstab").read_text()


@pytest.fixture
def managed(box):
    """A box whose systemd runs what it is asked to run, and nothing more."""
    (box.scratch / "root/systemd-run").write_text(
        '#!/bin/bash\nwhile [[ $1 != -- ]]; do shift; done\nshift\nsetsid "$@" >/root/guard.log 2>&1 &\n'
    )
    (box.scratch / "root/systemctl").write_text("#!/bin/sh\nexit 0\n")
    box.sh(
        "mkdir -p /run/systemd/system && chmod 755 /root/systemd-run /root/systemctl"
        " && mount --bind /root/systemd-run /usr/bin/systemd-run"
        " && mount --bind /root/systemctl /usr/bin/systemctl"
    )
    return box


LOCKING = (replace(MNT, SAFE_MNT, can_lock_out=True),)


def test_the_deadline_counts_from_the_moment_when_all_is_applied(managed):
    managed.install(fused(script(*LOCKING), "sleep 4"))
    (managed.scratch / "root/fuse").write_text("14\n")
    said = managed.run("apply", "--deadline", "30")
    run = next((managed.state / "runs").iterdir())
    uptimes = [float(line.split()[2]) for line in (run / "journal").read_text().splitlines()]
    assert uptimes[-1] - uptimes[0] > 4  # it was slow
    deadline = int((run / "armed").read_text().split()[0])
    assert 28 <= deadline - uptimes[-1] <= 30
    assert "In 30 seconds" in said or "In 29 seconds" in said
    managed.run("rollback")


def test_a_guard_that_is_being_armed_leaves_nothing_behind(managed):
    text = script(*LOCKING)
    place = 'flush "$BOOT_TEMPORARY"'
    assert text.count(place) == 1
    managed.install(text.replace(place, "kill -KILL $$"))
    before = managed.everything()
    assert managed.call("bash", "/root/harden.sh", "apply").returncode in {-9, 137}
    assert managed.everything() != before
    managed.run("rollback")
    assert managed.everything() == before


# ---- Who sits at the machine itself ----------------------------------------------------------------


def confirm_at_a_terminal(box, *, login: str, console: bool) -> str:
    """What confirm says below ``login`` on a terminal, itself in a terminal of its own as sudo makes one.

    There is no screen here: ``console`` makes the script take that one terminal for one.
    """
    screen, keyboard = os.openpty()
    number = os.minor(os.fstat(keyboard).st_rdev)
    text = script(*LOCKING)
    place = "204 | 229) return 0 ;;"
    assert text.count(place) == 1
    if console:
        text = text.replace(place, f"{place}\n        136) ((minor == {number})) ;;")
    box.install(text)
    box.run("apply", "--without-guard")
    box.boot_id = box.sysctl("kernel/random/boot_id")
    arm(box, 10**9)
    box.sh(f"touch {login} && mount --bind /bin/bash {login}")
    inner = "script -qefc 'bash /root/harden.sh confirm --from-console' /root/said"
    try:
        box.call("setsid", "-cw", login, "-c", f"{inner}; true", stdin=keyboard)
    finally:
        os.close(screen)
        os.close(keyboard)
    return (box.scratch / "root/said").read_text()


def test_the_console_is_known_behind_the_terminal_of_sudo(box):
    assert "Kept." in confirm_at_a_terminal(box, login="/usr/bin/login", console=True)


@pytest.mark.parametrize(
    ("login", "console"), [("/usr/bin/login", False), ("/root/login", True), ("/usr/bin/tmux", True)]
)
def test_what_is_no_login_at_a_console_is_none(box, login, console):
    assert "not a console" in confirm_at_a_terminal(box, login=login, console=console)


@pytest.mark.parametrize(
    "unit", ["auditd.service", "audit-rules.service", "apparmor.service", "nftables.service"]
)
def test_what_reads_our_files_early_waits_for_what_takes_them_back(box, unit):
    """Else rules that nobody confirmed would be loaded, and locked, before their files are gone."""
    box.sh("mkdir -p /run/systemd/system; printf '#!/bin/bash\\n' >/run/true; chmod 755 /run/true")
    box.sh("for tool in systemd-run systemctl; do mount --bind /run/true $(realpath /usr/bin/$tool); done")
    box.install(script(write(can_lock_out=True)))
    box.run("apply")
    text = (box.etc / "systemd/system/hardentui-boot.service").read_text()
    before = [word for line in text.splitlines() if line.startswith("Before=") for word in line[7:].split()]
    assert unit in before
