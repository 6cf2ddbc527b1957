"""chroot, seccomp and namespaces: what the kernel says of each process, and what it is held to be."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.host.live import LiveHost
from hardentui.model import Result
from hardentui.resources import capabilities
from hardentui.snapshot import Confinement, Interface, Reason, Socket, Unread

from . import hosts
from .isolated import SYSTEMD, apart, judged, of, passed_without, process, texts

BOUND = process(
    10, "named", user="bind", uid=110, euid=110, cap_effective=0, unit="named.service", root="/var/lib/named"
)
FTP = process(20, "ftpd", unit="ftpd.service", root="/srv/ftp")
CHROOTS = 1 << capabilities.NAMES.index("cap_sys_chroot")
NGINX = process(30, "nginx", unit="nginx.service", namespaces=apart("mnt"))
ETH0 = (Interface("eth0", ("192.0.2.7",)),)


def host(*running, **changes):
    return hosts.server(confinement=(SYSTEMD, *running), **{"sockets": (), **changes})


# --- all of them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", of("isolation"))
def test_what_cannot_be_asked_makes_nothing_pass(id_: str) -> None:
    seen = hosts.server(confinement=Unread(Reason.DENIED))
    assert judged(id_, seen).result is Result.UNKNOWN
    assert judged(id_, hosts.server(name="image")).result is Result.NOTCHECKED


@pytest.mark.parametrize(
    "id_", ["chroot.definition", "chroot.needs-privileges", "seccomp.strict", "namespaces.intro"]
)
def test_processes_that_are_hidden_from_us_are_said_to_be(id_: str) -> None:
    hidden = dataclasses.replace(process(40, ""), root="", seccomp=None, namespaces={})
    finding = judged(id_, host(hidden))
    assert finding.result is Result.UNKNOWN
    assert "1 process" in finding.message


@given(st.text(), st.text(min_size=1))
def test_no_name_of_a_process_or_of_a_root_breaks_a_view(name: str, root: str) -> None:
    hostile = process(50, name, root=f"/{root}", seccomp=2, namespaces=apart("mnt", "pid"))
    for id_ in ("chroot.definition", "chroot.needs-privileges", "seccomp.strict", "namespaces.intro"):
        assert judged(id_, host(hostile)).result in {Result.INFORMATIONAL, Result.FAIL}


# --- chroot -----------------------------------------------------------------------------------------


def test_each_other_root_is_shown_with_who_lives_in_it() -> None:
    finding = judged("chroot.definition", host(BOUND, FTP, NGINX))
    assert finding.running == "/srv/ftp 1, /var/lib/named 1"
    assert texts(finding) == {"/var/lib/named": "named.service", "/srv/ftp": "ftpd.service"}
    assert judged("chroot.definition", host(NGINX)).running == "none"


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({}, Result.PASS),
        ({"cap_effective": CHROOTS}, Result.FAIL),
        ({"euid": 0}, Result.FAIL),
        ({"cap_effective": None}, Result.UNKNOWN),
    ],
)
def test_a_chroot_holds_only_who_cannot_call_chroot_again(change, result) -> None:
    finding = judged("chroot.needs-privileges", host(dataclasses.replace(BOUND, **change)))
    assert finding.result is result
    if result is Result.FAIL:
        assert finding.running == "named.service"


def test_a_host_without_chroots_passes_only_when_all_roots_were_read() -> None:
    assert judged("chroot.needs-privileges", host(NGINX)).result is Result.PASS
    unread = dataclasses.replace(NGINX, root="")
    assert judged("chroot.needs-privileges", host(unread)).result is Result.UNKNOWN


# --- seccomp ----------------------------------------------------------------------------------------


def test_modes_of_seccomp_are_counted_and_filtered_services_named() -> None:
    old = process(60, "cruncher", unit="cruncher.service", seccomp=1)
    new = process(61, "resolved", unit="systemd-resolved.service", seccomp=2, seccomp_filters=21)
    finding = judged("seccomp.strict", host(old, new))
    assert finding.running == "none 1, strict 1, filter 1"
    assert texts(finding)["cruncher.service"] == "strict"
    assert "21" in texts(finding)["systemd-resolved.service"]


def reached(pid: int, name: str, port: int, unit: str, address: str = "0.0.0.0") -> Socket:
    return Socket("tcp", address, port, name, pid, "root", unit)


def filtered(*running, sockets: tuple[Socket, ...], first=SYSTEMD):
    seen = hosts.server(confinement=(first, *running), sockets=sockets, interfaces=ETH0)
    return judged("seccomp.filter", seen)


def test_a_service_that_others_reach_is_named_unless_its_calls_are_filtered() -> None:
    sockets = (reached(30, "nginx", 80, "nginx.service"),)
    bare = filtered(NGINX, sockets=sockets)
    assert bare.result is Result.INFORMATIONAL
    assert "nginx.service" in bare.message
    held = dataclasses.replace(NGINX, seccomp=2, seccomp_filters=3)
    assert filtered(held, sockets=sockets).result is Result.PASS


def test_the_filter_that_a_whole_container_inherits_does_not_count() -> None:
    first = dataclasses.replace(SYSTEMD, seccomp=2, seccomp_filters=2)
    sockets = (reached(30, "nginx", 80, "nginx.service"),)
    inherited = dataclasses.replace(NGINX, seccomp=2, seccomp_filters=2)
    assert "nginx.service" in filtered(inherited, sockets=sockets, first=first).message
    own = dataclasses.replace(NGINX, seccomp=2, seccomp_filters=3)
    assert filtered(own, sockets=sockets, first=first).result is Result.PASS


def test_a_listener_whose_process_is_hidden_keeps_the_list_open() -> None:
    finding = filtered(NGINX, sockets=(reached(0, "", 111, ""),))
    assert finding.result is Result.UNKNOWN
    assert "111" in finding.message


def test_what_only_this_host_reaches_is_not_asked_for_a_filter() -> None:
    assert filtered(NGINX, sockets=(reached(30, "nginx", 80, "nginx.service", "127.0.0.1"),)).result is (
        Result.NOTAPPLICABLE
    )


# --- namespaces -------------------------------------------------------------------------------------


def test_each_kind_of_namespace_is_counted_with_who_lives_in_it() -> None:
    kinds = apart("mnt", "pid", "net", number=4026532111)
    container = process(70, "redis", namespaces=kinds, cgroup=f"/docker/{'ab' * 32}")
    finding = judged("namespaces.intro", host(NGINX, container))
    assert finding.running == "mnt 2, uts 0, ipc 0, user 0, pid 1, net 1, cgroup 0, time 0"
    assert "nginx.service" in texts(finding)["mnt"]
    assert "docker abababababab" in texts(finding)["mnt"]
    assert "PrivateNetwork=" in texts(finding)["net"]
    assert texts(finding)["time"].endswith("-")


def test_a_kernel_without_time_namespaces_shows_a_dash() -> None:
    first = dataclasses.replace(
        SYSTEMD, namespaces={k: v for k, v in SYSTEMD.namespaces.items() if k != "time"}
    )
    seen = hosts.server(confinement=(first, dataclasses.replace(NGINX, namespaces=first.namespaces)))
    finding = judged("namespaces.intro", seen)
    assert finding.result is Result.INFORMATIONAL
    assert "time -" in finding.running


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"user/max_user_namespaces": "15000"}, "everyone"),
        ({"user/max_user_namespaces": "0"}, "nobody"),
        ({"user/max_user_namespaces": "15000", "kernel/unprivileged_userns_clone": "0"}, "root"),
        ({"user/max_user_namespaces": "15000", "kernel/unprivileged_userns_clone": "1"}, "everyone"),
        (
            {"user/max_user_namespaces": "15000", "kernel/apparmor_restrict_unprivileged_userns": "1"},
            "apparmor",
        ),
    ],
)
def test_who_may_make_user_namespaces_is_told_for_each_distribution(values, word) -> None:
    seen = hosts.with_kernel(host(), values)
    assert judged("namespaces.user", seen).running == word
    assert judged("namespaces.user", host()).result is Result.NOTAPPLICABLE


def test_nothing_of_these_passes_without_what_it_was_judged_by() -> None:
    assert passed_without("chroot.needs-privileges", host(BOUND)) == []


# --- against the kernel -----------------------------------------------------------------------------

# A process that locks itself in, as old daemons do, and says when it stands.
CHROOTED = textwrap.dedent("""
    import os, sys
    os.chroot(sys.argv[1])
    if len(sys.argv) > 2:
        os.setresuid(65534, 65534, 65534)
    print("ready", flush=True)
    sys.stdin.read()
""")
STRICT = textwrap.dedent("""
    import ctypes, os
    strict = ctypes.CDLL(None).prctl
    if strict(22, 1, 0, 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_STRICT
        os._exit(3)
    os.write(1, b"ready\\n")
    while True:
        os.read(0, 1)
""")


@pytest.fixture
def start() -> Iterator:
    children = []

    def begin(*argv: str) -> int:
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        return child.pid

    yield begin
    for child in children:
        child.kill()
        child.communicate()


def only(*pids: int):
    """This host, as if only the first process and these ran."""
    found, _at = LiveHost().answer(Confinement())
    assert not isinstance(found, Unread)
    return hosts.server(confinement=(SYSTEMD, *(one for one in found if one.pid in pids)))


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
def test_a_real_chroot_is_seen_and_told_apart_by_whether_it_holds(start, tmp_path) -> None:
    root = start(sys.executable, "-c", CHROOTED, str(tmp_path))
    nobody = start(sys.executable, "-c", CHROOTED, str(tmp_path), "drop")
    assert judged("chroot.definition", only(root, nobody)).running == f"{tmp_path} 2"
    assert judged("chroot.needs-privileges", only(root)).result is Result.FAIL
    assert judged("chroot.needs-privileges", only(nobody)).result is Result.PASS


def test_a_process_in_strict_mode_is_counted_as_such(start) -> None:
    pid = start(sys.executable, "-c", STRICT)
    assert "strict 1" in judged("seccomp.strict", only(pid)).running


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="unshare needs root")
def test_a_new_namespace_of_each_kind_is_counted_as_lsns_sees_it(start) -> None:
    pid = start("unshare", "-muin", "--cgroup", "--time", "sh", "-c", "echo ready; read line")
    own, _at = LiveHost().answer(Confinement())
    assert not isinstance(own, Unread)
    here = next(one for one in own if one.pid == os.getpid())
    mine = dataclasses.replace(SYSTEMD, namespaces=here.namespaces)
    seen = hosts.server(confinement=(mine, *(one for one in own if one.pid == pid)))
    assert (
        judged("namespaces.intro", seen).running
        == "mnt 1, uts 1, ipc 1, user 0, pid 0, net 1, cgroup 1, time 1"
    )
    listed = subprocess.run(
        ["lsns", "-n", "-o", "TYPE,NS", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    inodes = {f"{kind}:[{inode}]" for kind, inode in map(str.split, listed.stdout.splitlines())}
    (unshared,) = [one for one in own if one.pid == pid]
    assert set(unshared.namespaces.values()) == inodes
