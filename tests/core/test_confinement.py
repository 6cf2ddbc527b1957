"""What holds running programs: as the kernel tells it, and what is said of what it does not tell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.host import confinement, live
from hardentui.host.image import ImageHost
from hardentui.host.live import LiveHost
from hardentui.host.recording import RecordedHost, RecordingError, record
from hardentui.resources import capabilities
from hardentui.snapshot import NAMESPACES, ConfinedProcess, Confinement, Reason, Snapshot, Unread

from .rooted import needs_namespaces

PF_KTHREAD = 0x00200000  # include/linux/sched.h


def seen(pid: int) -> ConfinedProcess | None:
    found, _at = LiveHost().answer(Confinement())
    return next((one for one in found if one.pid == pid), None)


def started(*argv: str) -> subprocess.Popen[bytes]:
    """A program that ends in cat, once cat runs: whatever started it is through."""
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(b"up\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"up\n"
    return child


def ended(child: subprocess.Popen[bytes]) -> None:
    child.stdin.close()
    child.wait()
    child.stdout.close()


# --- read from the kernel --------------------------------------------------------------------------


def test_what_setpriv_takes_away_is_seen() -> None:
    if shutil.which("setpriv") is None or os.geteuid() != 0:
        pytest.skip("needs root and setpriv")
    wanted = ("--reuid", "33", "--regid", "33", "--clear-groups", "--no-new-privs")
    caps = ("--inh-caps", "-all,+net_raw", "--ambient-caps", "+net_raw", "--bounding-set", "-sys_admin")
    child = started("setpriv", *wanted, *caps, "cat")
    try:
        one = seen(child.pid)
    finally:
        ended(child)
    assert (one.name, one.uid, one.euid, one.ppid, one.no_new_privs) == ("cat", 33, 33, os.getpid(), True)
    assert (one.seccomp, one.root) == (0, "/")
    for mask in (one.cap_permitted, one.cap_effective, one.cap_ambient):
        assert capabilities.names(mask) == ("cap_net_raw",)
    assert "cap_sys_admin" not in capabilities.names(one.cap_bounding)


def test_namespaces_of_its_own_are_seen_and_those_it_shares() -> None:
    needs_namespaces()
    plain = started("cat")
    held = started("unshare", "--net", "--ipc", "cat")
    try:
        one, other = seen(plain.pid), seen(held.pid)
    finally:
        ended(plain)
        ended(held)
    assert set(one.namespaces) == {kind for kind in NAMESPACES if Path(f"/proc/self/ns/{kind}").exists()}
    different = {kind for kind in one.namespaces if one.namespaces[kind] != other.namespaces[kind]}
    assert different == {"net", "ipc"}


def test_the_root_directory_of_a_program_in_a_chroot_is_seen(tmp_path: Path) -> None:
    needs_namespaces("chroot")
    child = started("unshare", "-m", "sh", "-c", f"mount --rbind / {tmp_path} && exec chroot {tmp_path} cat")
    try:
        one = seen(child.pid)
    finally:
        ended(child)
    assert one.root == str(tmp_path)


def test_a_filter_of_system_calls_is_seen() -> None:
    program = (
        "import ctypes, sys\nlibc = ctypes.CDLL(None)\nlibc.prctl(38, 1, 0, 0, 0)\n"
        "class P(ctypes.Structure):\n    _fields_ = [('n', ctypes.c_ushort), ('f', ctypes.c_char_p)]\n"
        "allow = b'\\x06\\x00\\x00\\x00\\x00\\x00\\xff\\x7f'\n"  # BPF: return SECCOMP_RET_ALLOW
        "assert libc.prctl(22, 2, ctypes.byref(P(1, allow)), 0, 0) == 0\n"
        "print(sys.stdin.readline(), end='', flush=True)\nsys.stdin.read()"
    )
    child = started(sys.executable, "-c", program)
    try:
        one = seen(child.pid)
    finally:
        ended(child)
    assert (one.no_new_privs, one.seccomp, one.seccomp_filters) == (True, 2, 1)


def test_the_dead_and_the_kernel_s_own_are_left_out_and_the_first_is_there() -> None:
    child = started("cat")
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    try:
        found, _at = LiveHost().answer(Confinement())
    finally:
        ended(child)
    pids = {one.pid for one in found}
    assert {1, os.getpid()} <= pids
    assert child.pid not in pids
    threads = {int(p.name) for p in Path("/proc").glob("[0-9]*") if _is_kernel_thread(p)}
    assert not threads & pids


def _is_kernel_thread(folder: Path) -> bool:
    try:
        flags = (folder / "stat").read_text().rpartition(")")[2].split()[6]
    except OSError:
        return False
    return bool(int(flags) & PF_KTHREAD)


def test_an_ordinary_user_is_told_field_by_field_what_is_hidden() -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, to become somebody else")
    child = started("cat")
    look = (
        "from hardentui.host.live import LiveHost\nfrom hardentui.host.recording import record\n"
        "from hardentui.snapshot import Confinement, Snapshot\n"
        "s = Snapshot(LiveHost())\ns.ask(Confinement())\nprint(record(s))"
    )
    user = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    try:
        done = subprocess.run(
            (*user, sys.executable, "-c", look), check=True, capture_output=True, text=True, cwd="/"
        )
    finally:
        ended(child)
    (entry,) = json.loads(done.stdout)["answers"]
    (one,) = [found for found in entry["answer"] if found["pid"] == child.pid]
    assert (one["euid"], one["seccomp"], one["no_new_privs"]) == (0, 0, False)
    assert (one["namespaces"], one["root"]) == ({}, "")


# --- what /proc may hold ----------------------------------------------------------------------------


def process(folder: Path, pid: int, status: str, cgroup: str = "", label: str | None = None) -> None:
    here = folder / str(pid)
    (here / "attr").mkdir(parents=True)
    (here / "status").write_text(status)
    (here / "cgroup").write_text(cgroup)
    if label is not None:
        (here / "attr/current").write_text(label)


def read(folder: Path) -> tuple[ConfinedProcess, ...]:
    found = confinement.read(lambda group: group.strip(), str(folder))
    assert not isinstance(found, Unread)
    return found


def test_labels_of_security_modules_lose_their_ends(tmp_path: Path) -> None:
    process(tmp_path, 1, "VmSize:\t1 kB\n", label="system_u:system_r:httpd_t:s0\0")
    process(tmp_path, 2, "VmSize:\t1 kB\n", label="/usr/sbin/cupsd (enforce)\n")
    process(tmp_path, 3, "VmSize:\t1 kB\n")
    found = [(one.label, one.label_read) for one in read(tmp_path)]
    assert found == [("system_u:system_r:httpd_t:s0", True), ("/usr/sbin/cupsd (enforce)", True), ("", True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/system.slice/nginx.service\n", "/system.slice/nginx.service"),
        ("5:pids:/x\n1:name=systemd:/system.slice/a:b.service\n0::/\n", "/system.slice/a:b.service"),
        ("1:name=systemd:/\n0::/system.slice/cron.service\n", "/system.slice/cron.service"),  # a container
        ("1:name=systemd:/../..\n0::/init.scope\n", "/init.scope"),
        ("5:pids:/x\n", ""),
        ("nonsense\n", ""),
    ],
)
def test_the_control_group_is_the_one_that_systemd_keeps(tmp_path: Path, text: str, expected: str) -> None:
    process(tmp_path, 7, "VmSize:\t1 kB\n", text)
    assert [one.cgroup for one in read(tmp_path)] == [expected]


@pytest.mark.parametrize(
    ("group", "unit"),
    [
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        ("/user.slice/user-0.slice/user@0.service/app.slice/x.service", "user@0.service"),
        ("/system.slice/nginx.service/below.service", "nginx.service"),
        (
            "/machine.slice/systemd-nspawn@a.service/payload/system.slice/b.service",
            "systemd-nspawn@a.service",
        ),
        ("/docker/0a1b/system.slice/nginx.service", ""),  # systemd in a container, not ours
        ("/init.scope", "init.scope"),
        ("/_.hidden.service", ".hidden.service"),
        ("/system.slice", ""),
        ("/", ""),
    ],
)
def test_the_unit_is_the_first_group_below_the_slices(
    monkeypatch: pytest.MonkeyPatch, group: str, unit: str
) -> None:
    monkeypatch.setattr(live, "_tree", lambda: "")  # as on a host, where systemd has the whole tree
    assert live._unit_of(f"0::{group}\n") == unit


def test_a_status_that_says_nothing_gives_no_zero(tmp_path: Path) -> None:
    process(tmp_path, 7, "VmSize:\t1 kB\n")
    (one,) = read(tmp_path)
    numbers = (one.uid, one.euid, one.ppid, one.seccomp, one.seccomp_filters, one.no_new_privs)
    masks = (one.cap_permitted, one.cap_effective, one.cap_bounding, one.cap_ambient)
    assert {*numbers, *masks} == {None}


@given(st.text(st.sampled_from("Uid:\t0123456789 -CapEffPidVmSize\r\n:x"), max_size=80))
def test_no_process_breaks_the_reader(tmp_path_factory, text: str) -> None:
    folder = tmp_path_factory.mktemp("proc")
    process(folder, 7, text, text, text)
    read(folder)


# --- recordings and images --------------------------------------------------------------------------


def test_a_recording_gives_back_what_was_seen(tmp_path: Path) -> None:
    snapshot = Snapshot(LiveHost())
    found = snapshot.ask(Confinement())
    path = tmp_path / "host.json"
    path.write_text(record(snapshot))
    assert Snapshot(RecordedHost(path)).ask(Confinement()) == found


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seccomp", "2", "seccomp: expected int"),
        ("no_new_privs", 1, "no_new_privs: expected bool"),
        ("cap_permitted", 2**70, "cap_permitted: the number"),
        ("namespaces", ["net"], "namespaces: expected a table"),
        ("namespaces", {"net": 3}, "namespaces, 'net': expected str"),
        ("label", None, "label: expected str"),
    ],
)
def test_a_field_of_a_wrong_form_is_named(tmp_path: Path, field: str, value: object, said: str) -> None:
    one = {"is": "ConfinedProcess", "pid": 1, field: value}
    answers = [{"question": ["Confinement"], "answer": [one], "at": 1.0}]
    path = tmp_path / "host.json"
    path.write_text(json.dumps({"hardentui-recording": 1, "host": "live", "answers": answers}))
    with pytest.raises(RecordingError, match=said):
        RecordedHost(path)


def test_nothing_runs_on_an_image(tmp_path: Path) -> None:
    answer, _at = ImageHost(str(tmp_path)).answer(Confinement())
    assert isinstance(answer, Unread)
    assert answer.reason is Reason.UNSUPPORTED
