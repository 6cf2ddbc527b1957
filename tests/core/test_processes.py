"""What runs: read from the kernel as it is, and shown to a person as trees, accounts and exposures."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.host.live import LiveHost
from hardentui.host.processes import parse_status
from hardentui.host.recording import RecordedHost
from hardentui.model import Finding, Result
from hardentui.resources import capabilities
from hardentui.snapshot import (
    Account,
    Accounts,
    Kind,
    Process,
    Processes,
    Reason,
    Snapshot,
    Socket,
    Sockets,
    Unread,
)

from . import hosts
from .sittings import CHECKLISTS

ALL = (1 << len(capabilities.NAMES)) - 1
IDS = {"root": 0, "www-data": 33, "postgres": 110, "daemon": 1}


def process(pid: int, name: str, user: str = "root", unit: str = "", ppid: int = 1, **more) -> Process:
    uid = IDS[user]
    held = ALL if uid == 0 else 0
    facts = {"capabilities": held, "permitted": held, "bounding": ALL, "no_new_privileges": 0, "seccomp": 0}
    return Process(pid, name, user, f"/usr/sbin/{name}", unit, ppid, uid, uid, 1.0, **{**facts, **more})


SYSTEMD = process(1, "systemd", unit="init.scope", ppid=0)
KTHREAD = process(2, "kthreadd", ppid=0)
NGINX = (
    process(10, "nginx", unit="nginx.service"),
    process(11, "nginx", "www-data", "nginx.service", 10),
    process(12, "nginx", "www-data", "nginx.service", 10),
)
CRON = process(20, "cron", unit="cron.service")
PHP = process(30, "php-fpm", "www-data", "php-fpm.service")
POSTGRES = (
    process(40, "postgres", "postgres", "postgresql@15-main.service"),
    process(41, "postgres", "postgres", "postgresql@16-main.service"),
)


def judged(id_: str, *running: Process, **changes) -> Finding:
    facts = {"processes": (SYSTEMD, KTHREAD, *running), "sockets": (), **changes}
    host = hosts.server(**facts)
    host.answers[Accounts] = tuple(Account(name, uid, uid, "/", "/bin/false") for name, uid in IDS.items())
    (entry,) = [entry for entry in CHECKLISTS.recommendations if entry.id == id_]
    return assess([entry], Snapshot(host), {})[0]


def texts(finding: Finding) -> dict[str, str]:
    return {place.place: place.text for place in finding.provenance}


VIEWS = [entry.id for entry in CHECKLISTS.recommendations if entry.resource == "processes"]


@pytest.mark.parametrize("id_", VIEWS)
def test_a_view_neither_passes_nor_fails_and_says_when_it_cannot_see(id_: str) -> None:
    seen = judged(id_, *NGINX)
    assert seen.result is Result.INFORMATIONAL
    denied = Unread(Reason.DENIED, "not root")
    host = hosts.server(processes=denied)
    (entry,) = [entry for entry in CHECKLISTS.recommendations if entry.id == id_]
    assert assess([entry], Snapshot(host), {})[0].result is Result.UNKNOWN
    image = hosts.server(name="image")
    assert assess([entry], Snapshot(image), {})[0].result is Result.NOTCHECKED


def test_accounts_that_two_unrelated_services_share_are_named() -> None:
    finding = judged("dac.user-per-process", *NGINX, CRON, PHP, *POSTGRES)
    assert finding.running == "shared: www-data; services of root: 2"
    assert texts(finding)["www-data"] == "nginx.service, php-fpm.service"
    assert texts(finding)["root"] == "cron.service, nginx.service"
    alone = judged("dac.user-per-process", *NGINX, *POSTGRES)
    assert alone.running == "shared: none; services of root: 1"


def test_sessions_and_login_prompts_are_no_services() -> None:
    prompts = (
        process(50, "agetty", unit="getty@tty1.service"),
        process(51, "agetty", unit="serial-getty@ttyS0.service"),
    )
    finding = judged(
        "dac.user-per-process", *prompts, process(52, "systemd", "www-data", "user@33.service"), CRON
    )
    assert finding.running == "shared: none; services of root: 1"


def test_a_host_without_systemd_has_no_services_to_show() -> None:
    assert judged("dac.user-per-process", process(9, "runit")).result is Result.NOTAPPLICABLE


def listening(port: int, pid: int, address: str = "0.0.0.0", name: str = "x", unit: str = "") -> Socket:
    return Socket("tcp6" if ":" in address else "tcp", address, port, name, pid, "", unit)


def test_listeners_of_root_are_shown_with_from_where_they_can_be_reached() -> None:
    sockets = (
        listening(80, 10, "0.0.0.0", "nginx", "nginx.service"),
        listening(443, 10, "::", "nginx", "nginx.service"),
        listening(631, 20, "127.0.0.1", "cron", "cron.service"),
        listening(2049, 20, "192.0.2.7", "cron", "cron.service"),
        listening(5432, 40, "0.0.0.0", "postgres"),
        listening(22, 1, "::", "systemd"),
        Socket("unix", "/run/x.sock", 0, "cron", 20),
    )
    finding = judged("dac.uid0-compromise", *NGINX, CRON, *POSTGRES, sockets=sockets)
    assert finding.running == "cron, nginx, systemd"
    shown = texts(finding)
    assert shown["tcp 0.0.0.0:80"] == "nginx (nginx.service), every address"
    assert shown["tcp6 [::]:443"].endswith("every address")
    assert shown["tcp 127.0.0.1:631"].endswith("this host only")
    assert shown["tcp 192.0.2.7:2049"].endswith("192.0.2.7")
    assert shown["tcp6 [::]:22"].startswith("systemd, for a socket unit")
    assert "tcp 0.0.0.0:5432" not in shown


def test_a_listener_whose_process_is_hidden_is_a_gap_not_a_clean_list() -> None:
    finding = judged("dac.uid0-compromise", *NGINX, sockets=(listening(111, 0),))
    assert finding.result is Result.UNKNOWN
    assert "111" in finding.message


def test_ports_that_ask_for_a_privilege_are_shown_with_what_their_process_kept() -> None:
    running = (
        process(60, "all"),
        process(61, "less", bounding=capabilities.NET_BIND_SERVICE),
        process(62, "bind", "www-data", capabilities=capabilities.NET_BIND_SERVICE),
        process(63, "given", "www-data"),
        process(64, "more", "www-data", capabilities=capabilities.NET_BIND_SERVICE | 1 << 21),
    )
    sockets = tuple(listening(number, 60 + number - 1) for number in range(1, 6))
    finding = judged("why-isolate.privileged-ports", *running, sockets=(*sockets, listening(1024, 60)))
    assert finding.running == "as root: 1, 2"
    shown = texts(finding)
    assert "all its capabilities" in shown["tcp 0.0.0.0:1"]
    assert "some capabilities taken away" in shown["tcp 0.0.0.0:2"]
    assert "nothing but cap_net_bind_service" in shown["tcp 0.0.0.0:3"]
    assert "without a capability" in shown["tcp 0.0.0.0:4"]
    assert "cap_sys_admin" in shown["tcp 0.0.0.0:5"]
    assert "tcp 0.0.0.0:1024" not in shown


def test_the_first_free_port_is_the_kernels() -> None:
    host = hosts.server(processes=(SYSTEMD, *NGINX), sockets=(listening(80, 10), listening(20, 10)))
    host.kernel["/proc/sys/net/ipv4/ip_unprivileged_port_start"] = "53"
    (entry,) = [e for e in CHECKLISTS.recommendations if e.id == "why-isolate.privileged-ports"]
    assert assess([entry], Snapshot(host), {})[0].running == "as root: 20"


def test_services_that_hand_their_work_down_are_told_from_those_that_stay_root() -> None:
    finding = judged("setuid.serious-services", *NGINX, CRON, *POSTGRES)
    assert finding.running == "1 hand work to another user, 1 stay root"
    assert texts(finding) == {
        "nginx.service": "root nginx > www-data nginx (2)",
        "cron.service": "root cron",
    }


def test_processes_of_others_than_root_with_capabilities_are_listed() -> None:
    strong = process(70, "dumper", "daemon", permitted=1 << 21 | 1 << 13)
    weak = process(71, "ping", "daemon", permitted=1 << 13)
    finding = judged("capabilities.processes", *NGINX, strong, weak)
    assert finding.running == "2 processes, 1 as good as root"
    assert "as good as root: cap_sys_admin" in texts(finding)["daemon dumper"]
    hidden = judged("capabilities.processes", process(72, "x", "daemon", permitted=-1))
    assert hidden.result is Result.UNKNOWN


def test_what_holds_each_service_is_shown() -> None:
    held = process(80, "held", "daemon", "held.service", no_new_privileges=1, seccomp=2, bounding=0)
    finding = judged("setuid.write-systemd-service", CRON, held)
    assert finding.running == "2 services, 1 of them root with nothing that holds them"
    assert (
        texts(finding)["held.service"]
        == "daemon: no new privileges, system calls filtered, capabilities bounded"
    )
    assert texts(finding)["cron.service"] == "root: nothing holds it"


def test_what_a_container_holds_as_a_whole_is_no_merit_of_its_services() -> None:
    bounded = ALL & ~(1 << 16)
    init = process(1, "systemd", unit="init.scope", ppid=0, seccomp=2, bounding=bounded)
    cron = process(20, "cron", unit="cron.service", seccomp=2, bounding=bounded)
    less = process(21, "less", unit="less.service", seccomp=2, bounding=0)
    host = hosts.server(processes=(init, cron, less))
    (entry,) = [e for e in CHECKLISTS.recommendations if e.id == "setuid.write-systemd-service"]
    shown = texts(assess([entry], Snapshot(host), {})[0])
    assert shown == {"cron.service": "root: nothing holds it", "less.service": "root: capabilities bounded"}


# --- read from the kernel --------------------------------------------------------------------------


def held_by(*options: str) -> Process:
    """A real process, started under ``options`` of setpriv, as the live host sees it."""
    if shutil.which("setpriv") is None or os.geteuid() != 0:
        pytest.skip("needs root and setpriv")
    child = subprocess.Popen(("setpriv", *options, "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdin.write(b"up\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"up\n"  # cat runs: setpriv is through
        running, _at = LiveHost().answer(Processes())
        (seen,) = [one for one in running if one.pid == child.pid]
        return seen
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()


def test_the_standing_of_a_process_is_read_as_it_was_given() -> None:
    options = ("--reuid", "33", "--regid", "33", "--clear-groups", "--no-new-privs")
    seen = held_by(
        *options, "--inh-caps", "-all,+net_raw", "--ambient-caps", "+net_raw", "--bounding-set", "-sys_admin"
    )
    assert (seen.uid, seen.effective_uid, seen.ppid) == (33, 33, os.getpid())
    assert capabilities.names(seen.capabilities) == capabilities.names(seen.permitted) == ("cap_net_raw",)
    assert "cap_sys_admin" not in capabilities.names(seen.bounding)
    assert "cap_chown" in capabilities.names(seen.bounding)
    assert (seen.no_new_privileges, seen.seccomp) == (1, 0)


def test_every_process_has_the_parent_and_user_that_psutil_gives_it() -> None:
    running, _at = LiveHost().answer(Processes())
    known = {one.pid: one for one in running}
    me = psutil.Process()
    seen = known[me.pid]
    assert (seen.ppid, seen.uid, seen.effective_uid) == (me.ppid(), me.uids().real, me.uids().effective)
    assert seen.started == pytest.approx(
        me.create_time(), abs=2
    )  # psutil knows the start of the host to a second
    assert seen.seccomp in {0, 1, 2}


def test_a_listener_is_shown_with_its_process_and_the_user_whose_rights_it_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sockets, _at = LiveHost().answer(Sockets())
        (seen,) = [s for s in sockets if s.port == server.getsockname()[1]]
    assert seen.pid == os.getpid()
    assert seen.user == psutil.Process().username()


def test_sockets_of_one_program_stand_once_and_the_first_process_speaks() -> None:
    """A worker that inherited the socket of its parent is not a second listener."""
    program = (
        "import os, sys\nif os.fork() == 0:\n    sys.stdin.read()\n    os._exit(0)\n"
        "print('up', flush=True)\nos.wait()"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = subprocess.Popen(
            (sys.executable, "-c", program),
            pass_fds=(server.fileno(),),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        port = server.getsockname()[1]
        assert child.stdout.readline() == b"up\n"
    sockets, _at = LiveHost().answer(Sockets())
    child.stdin.close()
    child.wait()
    child.stdout.close()
    assert [s.pid for s in sockets if s.port == port] == [child.pid]


@given(st.text(st.sampled_from("Uid:\t0123456789 -CapEffPid\nx"), max_size=80))
def test_no_status_breaks_the_reader(text: str) -> None:
    assert set(parse_status(text)) <= {field.name for field in dataclasses.fields(Process)}


def test_a_status_that_says_nothing_gives_no_zero() -> None:
    assert set(parse_status("").values()) == {-1}


def test_a_recording_of_before_replays_and_says_that_the_users_are_missing(tmp_path: Path) -> None:
    old = {
        "is": "Process",
        "pid": 1,
        "name": "systemd",
        "user": "root",
        "executable": "",
        "unit": "init.scope",
    }
    sockets = {"is": "Socket", "protocol": "tcp", "address": "::", "port": 22, "process": "sshd"}
    document = {
        "hardentui-recording": 1,
        "host": "live",
        "answers": [
            {"question": ["Processes"], "answer": [old], "at": 1.0},
            {"question": ["Sockets"], "answer": [sockets], "at": 1.0},
        ],
    }
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document))
    snapshot = Snapshot(RecordedHost(path))
    assert snapshot.ask(Processes())[0].effective_uid == -1
    assert snapshot.ask(Sockets())[0].pid == 0
    entries = [entry for entry in CHECKLISTS.recommendations if entry.resource == "processes"]
    assert {finding.result for finding in assess(entries, snapshot, {})} == {Result.UNKNOWN}


# --- sockets with a path ---------------------------------------------------------------------------


def socket_finding(mode: int, path: str = "/run/php/fpm.sock", **folders: int) -> Finding:
    stats = {path: hosts.status(mode, "root", "http", Kind.SOCKET)}
    stats |= {
        "/run": hosts.status(0o755, kind=Kind.FOLDER),
        "/run/php": hosts.status(0o755, kind=Kind.FOLDER),
    }
    stats |= {f"/run/{name}": hosts.status(bits, kind=Kind.FOLDER) for name, bits in folders.items()}
    sockets = (Socket("unix", path, 0, "php-fpm"),)
    return judged("dac.example-web-php-socket", stats=stats, sockets=sockets)


def test_a_socket_of_a_shared_group_is_fine_and_one_for_everyone_is_looked_at() -> None:
    fine = socket_finding(0o660)
    assert fine.running == "1 sockets, 0 to look at"
    assert texts(fine)["/run/php/fpm.sock"] == "0660 root:http, php-fpm"
    loose = socket_finding(0o666)
    assert loose.running == "1 sockets, 1 to look at"
    assert "everyone may use it" in texts(loose)["/run/php/fpm.sock"]
    assert socket_finding(0o664).running == "1 sockets, 0 to look at"  # reading does not connect


def test_the_folder_of_a_socket_counts_too() -> None:
    assert socket_finding(0o666, php=0o750).running == "1 sockets, 0 to look at"
    replaced = socket_finding(0o660, php=0o777)
    assert "everyone may replace it" in texts(replaced)["/run/php/fpm.sock"]
    assert socket_finding(0o660, php=0o1777).running == "1 sockets, 0 to look at"


def test_sockets_that_ask_who_is_calling_are_not_counted() -> None:
    assert socket_finding(0o666, "/run/systemd/notify", systemd=0o755).running == "1 sockets, 0 to look at"


def test_a_real_socket_on_this_machine_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o666)
        (entry,) = [e for e in CHECKLISTS.recommendations if e.id == "dac.example-web-php-socket"]
        finding = assess([entry], Snapshot(LiveHost()), {})[0]
    assert texts(finding)[str(path)].startswith("0666 ")


def test_a_host_without_such_sockets_has_nothing_to_show() -> None:
    assert judged("dac.example-web-php-socket", sockets=()).result is Result.NOTAPPLICABLE
