"""SELinux made to enforce: a checkpoint that looks at labels and denials, in a host whose kernel notes only.

This kernel may know nothing of SELinux: its mode is a plain file here, and the kernel's log is a file that
stands behind journalctl. Labels are real ones, as extended attributes; stat and chcon are the machine's own.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from box import FSTAB
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import DROPIN, replace, script, sysctl, write

from hardentui.operations import SetSelinuxMode

LABELS = {
    "/etc/passwd": "system_u:object_r:passwd_file_t:s0",
    "/etc/shadow": "system_u:object_r:shadow_t:s0",
    "/usr/sbin/sshd": "system_u:object_r:sshd_exec_t:s0",
    "/usr/bin/login": "system_u:object_r:login_exec_t:s0",
    "/var/log": "system_u:object_r:var_log_t:s0-s15:c0.c1023",
}
JOURNALCTL = """#!/bin/bash
for word in --boot --dmesg --output=cat; do
    [[ " $* " == *" $word "* ]] || exit 2  # asked for more than what the kernel said since the start
done
exec cat /var/lib/kernel-log
"""
_SETUP = """
mount -t tmpfs box /sys/fs
mkdir /sys/fs/selinux
echo 0 >/sys/fs/selinux/enforce
mount --bind /var/lib/log /var/log
mount --bind /var/lib/journalctl "$(realpath "$(command -v journalctl)")"
for program in /usr/sbin/sshd /usr/bin/login; do
    [[ ! -e $program ]] || mount --bind "/var/lib/${program##*/}" "$program"
done
"""
# Root's files with one more among them, which no bind mount could add.
_WITH_AUTORELABEL = """
mkdir /run/machine
for path in /*; do
    if [[ -L $path ]]; then cp -a "$path" /run/machine/
    elif [[ -d $path ]]; then mkdir "/run/machine$path"; mount --rbind "$path" "/run/machine$path"; fi
done
touch /run/machine/.autorelabel
"""
OTHER_BOOT = "11111111-2222-3333-4444-555555555555"
STARTED = int(re.search(r"^btime (\d+)$", Path("/proc/stat").read_text(), re.MULTILINE)[1])
RUNTIME = Path(__file__).parents[2] / "hardentui/script/runtime.sh"


@pytest.fixture
def machine(box):
    """A host whose SELinux is permissive: every file is labelled, and nothing was denied."""
    lib = box.scratch / "lib"
    (lib / "log/audit").mkdir(parents=True)
    (lib / "kernel-log").touch()
    (box.etc / "shadow").touch(mode=0o600)
    for name, text in {"journalctl": JOURNALCTL, "sshd": "", "login": ""}.items():
        (lib / name).write_text(text)
        (lib / name).chmod(0o755)
    box.sh(_SETUP)
    for path, label in LABELS.items():
        relabel(box, path, label)
    return box


def on_disk(box, path: str) -> Path:
    """Where the file of the box stands for us; the programs are bound from /var/lib."""
    if path.startswith("/etc/"):
        return box.scratch / path[1:]
    return box.scratch / "lib" / path.rsplit("/", 1)[1]


def relabel(box, path: str, label: str) -> None:
    try:
        os.setxattr(on_disk(box, path), "security.selinux", label.encode() + b"\0")
    except OSError as error:
        pytest.skip(f"no labels can be put on files here: {error}")


def enforcing(box) -> str:
    return box.sh("cat /sys/fs/selinux/enforce")


def seen(box) -> tuple[object, ...]:
    """All that apply may change here."""
    return box.everything(), enforcing(box)


def denial(domain: str, permissions: str = "read", target: str = "file etc_t", at: int = STARTED) -> str:
    """A record without the words of the log that it stands in; the target is a class and a type."""
    kind, type_ = target.split()
    return (
        f'audit({at}.204:3): avc:  denied  {{ {permissions} }} for  pid=7 comm="x" name="y" dev="vda1" ino=3 '
        f"scontext=system_u:system_r:{domain}:s0 tcontext=system_u:object_r:{type_}:s0 tclass={kind} "
        "permissive=1\n"
    )


def kernel_says(box, *records: str) -> None:
    """They are added to the log of the kernel."""
    with (box.scratch / "lib/kernel-log").open("a") as log:
        log.writelines(f"audit: type=1400 {record}" for record in records)


def auditd_says(box, *records: str, name: str = "audit.log") -> None:
    with (box.scratch / "lib/log/audit" / name).open("a") as log:
        log.writelines(f"type=AVC msg={record}" for record in records)


def shown(said: str) -> list[str]:
    """The denials that were shown: what is set in below their heading."""
    if "SELinux would have denied" not in said:
        return []
    lines = said.split("SELinux would have denied", 1)[1].splitlines()[1:]
    end = next(i for i, line in enumerate([*lines, ""]) if not line.startswith("    "))
    return [line.strip() for line in lines[:end]]


def mode(before: str = "permissive", after: str = "enforcing") -> SetSelinuxMode:
    return SetSelinuxMode(owners=("selinux.mode",), before=before, after=after, can_lock_out=True)


def install(box) -> None:
    """A script that makes it enforce, and changes a file and a value besides."""
    box.install(script(write(), sysctl(), mode()))


def apply(box, expected: int = 0) -> str:
    return box.run("apply", "--without-guard", expected=expected)


def stopped(box) -> str:
    """What apply says, which waits for a person and leaves the host as it found it."""
    before = seen(box)
    said = apply(box, expected=3)
    assert "/sys/fs/selinux/enforce: waits at a checkpoint; nothing was changed" in said
    assert "FAILED" not in said
    assert "Taking back" not in said
    assert "All is as it was before." in said
    assert seen(box) == before
    assert box.journal[-1] == "run rolled-back"
    return said


# --- the way there and back ------------------------------------------------------------------------


def test_it_enforces_and_only_notes_again_after_rollback(machine):
    install(machine)
    before = seen(machine)
    machine.run("review")
    assert seen(machine) == before
    said = apply(machine)
    assert "WITHOUT A GUARD" in said
    assert not shown(said)
    assert enforcing(machine) == "1"
    assert (machine.scratch / DROPIN[1:]).exists()
    machine.run("rollback")
    assert seen(machine) == before


def test_it_may_lock_out_so_without_systemd_it_must_be_said(machine):
    install(machine)
    before = seen(machine)
    assert "steps can lock you out" in machine.run("apply", expected=3)
    assert seen(machine) == before


@pytest.mark.parametrize("end", ["guard", "boot"])
def test_what_nobody_confirmed_only_notes_again(machine, end):
    install(machine)
    before = seen(machine)
    apply(machine)
    boot = machine.sysctl("kernel/random/boot_id")
    copy = machine.run_script
    (machine.state / "runs" / copy.split("/")[-2] / "armed").write_text(f"1 {boot} found\n")
    if end == "guard":
        machine.run("guard", "1", boot, script=copy)
    else:
        machine.sh(f"echo {OTHER_BOOT} >/root/id && mount --bind /root/id /proc/sys/kernel/random/boot_id")
        machine.run("boot", script=copy)
    assert seen(machine) == before


def test_a_step_that_fails_after_it_takes_it_back(machine):
    machine.install(script(mode(), sysctl(after="no number")))
    before = seen(machine)
    said = apply(machine, expected=1)
    assert "step 1: /sys/fs/selinux/enforce: done" in said
    assert "log_martians: FAILED\n    because: Invalid argument" in said
    assert seen(machine) == before


def test_back_to_permissive_there_is_nothing_to_look_at(machine):
    machine.sh("echo 1 >/sys/fs/selinux/enforce")
    kernel_says(machine, denial("httpd_t"))
    relabel(machine, "/etc/passwd", "system_u:object_r:unlabeled_t:s0")
    machine.install(script(mode("enforcing", "permissive")))
    apply(machine)
    assert enforcing(machine) == "0"
    machine.run("rollback")
    assert enforcing(machine) == "1"


@pytest.mark.parametrize("found", ["rm /sys/fs/selinux/enforce", "echo 2 >/sys/fs/selinux/enforce"])
def test_a_kernel_that_is_not_as_the_plan_saw_it_is_refused(machine, found):
    install(machine)
    machine.sh(found)
    before = machine.everything()
    assert "is not what the plan saw" in machine.run("apply", "--without-guard", expected=3)
    assert machine.everything() == before


# --- labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LABELS)
@pytest.mark.parametrize(
    "label",
    [
        None,
        "system_u:object_r:unlabeled_t:s0",
        "system_u:object_r:file_t:s0",
        "system_u:object_r:default_t",
        "$(touch /root/owned)",
    ],
)
def test_a_file_without_a_label_of_the_policy_stops_it(machine, path, label):
    if not machine.sh(f"ls -d {path} 2>/dev/null || :"):
        pytest.skip(f"no {path} on this machine")
    install(machine)
    if label is None:
        os.removexattr(on_disk(machine, path), "security.selinux")
    else:
        relabel(machine, path, label)
    assert f"{path} has no label of the policy: restorecon gives it one" in stopped(machine)
    assert not (machine.scratch / "root/owned").exists()
    relabel(machine, path, LABELS[path])
    apply(machine)
    assert enforcing(machine) == "1"


def test_a_type_that_only_ends_like_an_unlabelled_one_is_a_label(machine):
    install(machine)
    relabel(machine, "/etc/passwd", "system_u:object_r:site_default_t:s0")
    apply(machine)
    assert enforcing(machine) == "1"


def test_a_relabelling_that_waits_for_the_next_start_stops_it(machine):
    install(machine)
    machine.sh(_WITH_AUTORELABEL)
    before = seen(machine)
    inside = ("chroot", "/run/machine", "bash", "/root/harden.sh", "apply", "--without-guard")
    done = machine.call(*inside)
    assert done.returncode == 3, done.stderr
    assert "/.autorelabel waits: start the machine anew" in done.stdout + done.stderr
    assert seen(machine) == before
    machine.sh("rm /run/machine/.autorelabel")
    assert machine.call(*inside).returncode == 0
    assert enforcing(machine) == "1"


# --- denials ---------------------------------------------------------------------------------------


def test_denials_are_shown_once_and_a_new_kind_of_them_stops_it_again(machine):
    install(machine)
    reads = "getattr open read"
    kernel_says(machine, denial("httpd_t", reads), denial("httpd_t", reads, at=STARTED + 9))
    auditd_says(machine, denial("httpd_t", reads), denial("getty_t", target="dir tmp_t"))
    said = stopped(machine)
    assert shown(said) == ["getty_t dir { read } tmp_t", "httpd_t file { getattr open read } etc_t"]
    assert "Then apply again" in said
    kernel_says(machine, denial("httpd_t", "write"))
    assert shown(stopped(machine)) == ["httpd_t file { write } etc_t"], "what was shown is not shown again"
    assert not shown(apply(machine))
    assert enforcing(machine) == "1"


def test_the_same_denials_after_another_start_are_known(machine):
    install(machine)
    kernel_says(machine, denial("httpd_t"))
    stopped(machine)
    (machine.scratch / "lib/kernel-log").write_text("")
    kernel_says(machine, denial("httpd_t", at=STARTED + 1000))
    apply(machine)
    assert enforcing(machine) == "1"


def test_what_was_denied_before_the_start_does_not_count(machine):
    install(machine)
    auditd_says(machine, denial("old_t", at=STARTED - 1), denial("older_t", at=9))
    apply(machine)
    assert enforcing(machine) == "1"


def test_the_log_that_auditd_put_aside_counts(machine):
    install(machine)
    auditd_says(machine, denial("early_t"), name="audit.log.1")
    assert shown(stopped(machine)) == ["early_t file { read } etc_t"]


def test_without_the_log_of_the_kernel_it_is_not_done(machine):
    """Nor when auditd has a log: what came before auditd is not in it."""
    install(machine)
    (machine.scratch / "lib/kernel-log").unlink()
    auditd_says(machine, denial("httpd_t"))
    for _turn in range(2):
        before = seen(machine)
        said = apply(machine, expected=1)
        assert "enforce: FAILED\n    because: what SELinux would have denied cannot be read" in said
        assert seen(machine) == before


def test_without_auditd_the_log_of_the_kernel_is_enough(machine):
    install(machine)
    (machine.scratch / "lib/log/audit").rmdir()
    kernel_says(machine, denial("httpd_t"))
    assert shown(stopped(machine)) == ["httpd_t file { read } etc_t"]
    apply(machine)


COMMANDS = r"$(touch /root/owned) `touch /root/owned` %s%n [bold] \x41 ;touch /root/owned"
HOSTILE = f"\x1b]0;owned\x07\x9b31m\u202e {COMMANDS}"


def test_a_hostile_denial_is_shown_harmless(machine):
    install(machine)
    kernel_says(machine, denial("httpd_t", HOSTILE))
    kernel_says(machine, denial("$(touch${IFS}/root/owned)\x1b[2J"))
    with (machine.scratch / "lib/kernel-log").open("ab") as log:
        log.write(b"\xff\x00 no record\n" + denial("init_t").encode().replace(b'"y"', b'"\xff\xfe"'))
    said = stopped(machine)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", said)
    assert r"\x1b]0;owned\x07" in said
    assert COMMANDS in said
    assert "init_t file { read } etc_t" in shown(said)
    assert not (machine.scratch / "root/owned").exists()
    apply(machine)
    assert enforcing(machine) == "1"


# --- records ---------------------------------------------------------------------------------------

NUMBERED = "audit(1795274677.832:40): "
UNIT_START = (
    "pid=1 uid=0 auid=4294967295 ses=4294967295 subj=system_u:system_r:init_t:s0 msg='avc:  denied  "
    '{ start } for auid=1000 uid=1000 gid=1000 path="/usr/lib/systemd/system/x.service" cmdline="CMDLINE" '
    'function="bus_unit_method_start_generic" scontext=user_u:user_r:user_t:s0-s0:c0.c1023 '
    "tcontext=system_u:object_r:systemd_unit_file_t:s0 tclass=service permissive=1  "
    'exe="/usr/lib/systemd/systemd" sauid=0 hostname=? addr=? terminal=?\''
)
DBUS = (
    "pid=400 uid=100 auid=4294967295 ses=4294967295 subj=system_u:system_r:system_dbusd_t:s0-s0:c0.c1023 "
    "msg='avc:  denied  { send_msg } for  scontext=system_u:system_r:policykit_t:s0 "
    'tcontext=system_u:system_r:init_t:s0 tclass=dbus permissive=1 exe="/usr/bin/dbus-daemon" sauid=100 '
    "hostname=? addr=? terminal=?'"
)
FILE = (
    'avc:  denied  { getattr open read } for  pid=194 comm="systemd-sysuser" path="/var/lib/x" dev="vda1" '
    "ino=18332 scontext=system_u:system_r:systemd_sysusers_t:s0 tcontext=system_u:object_r:unlabeled_t:s0 "
    "tclass=file permissive=1"
)
CAPABILITY = (
    'avc:  denied  { checkpoint_restore } for  pid=282 comm="agetty" capability=40  '
    "scontext=system_u:system_r:getty_t:s0 tcontext=system_u:system_r:getty_t:s0 tclass=capability2 "
    "permissive=1"
)
FILE_READ = "1795274677 systemd_sysusers_t file { getattr open read } unlabeled_t"
RESTORED = "1795274677 getty_t capability2 { checkpoint_restore } getty_t"
STARTED_UNIT = "1795274677 user_t service { start } systemd_unit_file_t"


def runtime(command: str, line: str) -> str:
    """What functions of the runtime print of a line of a log."""
    done = subprocess.run(
        ["bash", "-c", f'. "$1"; {command}', "bash", RUNTIME],
        input=f"{line}\n".encode(errors="surrogateescape"),
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        check=True,
    )
    return done.stdout.decode(errors="surrogateescape")


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (f"audit: type=1400 {NUMBERED}{FILE}", FILE_READ),
        (f"type=AVC msg={NUMBERED}{FILE}", FILE_READ),
        (f"node=web01 type=AVC msg={NUMBERED}{FILE}", FILE_READ),
        (f'type=AVC msg={NUMBERED}{FILE}\x1dARCH=x86_64 AUID="unset"', FILE_READ),
        (f"type=AVC msg={NUMBERED}{CAPABILITY}", RESTORED),
        (f"type=USER_AVC msg={NUMBERED}{UNIT_START}", STARTED_UNIT),
        (f"audit: type=1107 {NUMBERED}{UNIT_START}", STARTED_UNIT),
        (f"type=USER_AVC msg={NUMBERED}{DBUS}", "1795274677 policykit_t dbus { send_msg } init_t"),
    ],
)
def test_each_form_of_a_denial_is_read(line, record):
    assert runtime("selinux_records", line) == f"{record}\n"


@pytest.mark.parametrize(
    "line",
    [
        f"audit: type=1403 {NUMBERED}auid=4294967295 ses=4294967295 lsm=selinux res=1",
        f"type=AVC msg={NUMBERED}{FILE.replace('denied ', 'granted')}",
        f"type=USER_AVC msg={NUMBERED}pid=1 uid=0 msg='avc:  received setenforce notice (enforcing=0)'",
        f'audit: type=1400 {NUMBERED}apparmor="DENIED" operation="open" profile="ntpd" name="/etc/x" pid=7',
        f'type=SYSCALL msg={NUMBERED}arch=c000003e syscall=257 success=yes exit=3 comm="cat"',
    ],
)
def test_what_denies_nothing_is_no_denial(line):
    assert runtime("selinux_records", line) == ""


@pytest.mark.parametrize(
    "words",
    [
        "audit(1.0:1): avc:  denied  { read } for ",
        "systemctl start avc:  denied  { read } x",
        "scontext=a:b:harmless_t:s0 tcontext=a:b:harmless_t:s0 tclass=file ",
    ],
)
def test_what_a_user_typed_does_not_stand_in_for_the_denial(words):
    """The command line of who asks stands in a USER_AVC as it is."""
    line = f"type=USER_AVC msg={NUMBERED}{UNIT_START.replace('CMDLINE', words)}"
    assert runtime("selinux_records", line) == f"{STARTED_UNIT}\n"


@settings(max_examples=60, deadline=None)
@given(st.binary().filter(lambda b: b"\n" not in b and b"\0" not in b))
def test_no_name_of_a_file_hides_a_denial_or_draws_on_the_terminal(name):
    path = name.decode(errors="surrogateescape").replace('"', "")
    line = f"type=AVC msg={NUMBERED}{FILE.replace('/var/lib/x', path)}"
    assert runtime("selinux_records | show_lines", line) == f"    {FILE_READ}\n"


# --- files that come back --------------------------------------------------------------------------


def test_a_file_that_was_labelled_anew_beside_us_comes_back_with_its_own_label(machine):
    """A relabelling of the whole machine takes our copy of the original for a file of /var/lib."""
    fstab, own = on_disk(machine, "/etc/fstab"), b"system_u:object_r:etc_t:s0\0"
    os.setxattr(fstab, "security.selinux", own)
    machine.install(script(replace("proc /proc proc defaults 0 0", "")))
    machine.run("apply")
    [copy] = machine.state.glob("runs/*/before/001")
    os.setxattr(copy, "security.selinux", b"system_u:object_r:var_lib_t:s0\0")
    os.setxattr(fstab, "security.selinux", own)
    machine.run("rollback")
    assert fstab.read_text() == FSTAB
    assert os.getxattr(fstab, "security.selinux") == own


@pytest.mark.parametrize(("folder", "newer"), [("apparmor.d", True), ("other.d", False)])
def test_only_a_profile_of_apparmor_comes_back_newer_than_its_cache(box, folder, newer):
    """apparmor_parser would go on with what it compiled of the profile that we wrote."""
    path = box.etc / folder / "usr.bin.x"
    path.parent.mkdir()
    path.write_text("profile x {\n  /etc/x r,\n}\n")
    os.utime(path, (10**9, 10**9))
    original = path.read_bytes()
    box.install(script(replace("  /etc/x r,", "  /etc/y r,", path=f"/etc/{folder}/usr.bin.x")))
    box.run("apply")
    applied = path.stat().st_mtime
    box.run("rollback")
    assert path.read_bytes() == original
    assert path.stat().st_mtime >= applied if newer else path.stat().st_mtime == 10**9


def test_a_fifo_beside_the_audit_log_holds_nobody_up(machine):
    os.mkfifo(machine.scratch / "lib/log/audit/audit.log.1")
    install(machine)
    auditd_says(machine, denial("httpd_t"))
    said = machine.call("timeout", "60", "bash", "/root/harden.sh", "apply", "--without-guard").stdout
    assert shown(said if isinstance(said, str) else said.decode()) == ["httpd_t file { read } etc_t"]
