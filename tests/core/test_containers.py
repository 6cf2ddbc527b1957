"""Container engines: who commands them, what their containers may do, which ports they publish."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.host.live import LiveHost
from hardentui.model import Result
from hardentui.resources import capabilities
from hardentui.resources.containers.published import DAEMON
from hardentui.resources.containers.running import name_of
from hardentui.snapshot import (
    Account,
    Command,
    Confinement,
    File,
    Group,
    Kind,
    Output,
    Reason,
    Socket,
    Status,
    Unread,
    without_secrets,
)

from . import hosts
from .isolated import ALL, DOCKERS, SYSTEMD, apart, judged, passed_without, process, texts

DOCKERD = process(10, "dockerd", unit="docker.service")
ID = "0123456789ab" + "c" * 52
REDIS = process(
    20,
    "redis-server",
    cap_bounding=DOCKERS,
    namespaces=apart("mnt", "uts", "ipc", "pid", "net", "cgroup"),
    cgroup=f"/system.slice/docker-{ID}.scope",
    unit=f"docker-{ID}.scope",
)
NAME = "docker 0123456789ab"
SOCKET = "/run/docker.sock"
PEOPLE = (
    Account("root", 0, 0, "/root", "/bin/bash"),
    Account("alice", 1000, 1000, "/home/alice", "/bin/bash"),
    Account("builder", 1001, 998, "/srv", "/bin/sh"),
)
GROUPS = (Group("root", 0, ()), Group("docker", 998, ("alice", "root")))
LOCAL = {"files": {"/etc/nsswitch.conf": "passwd: files\ngroup: files\n"}}


def host(*running, **changes):
    return hosts.server(confinement=(SYSTEMD, *running), **{"sockets": (), **LOCAL, **changes})


def socket(mode: int, group: str = "docker", gid: int = 998) -> Status:
    return Status(Kind.SOCKET, mode, 0, gid, "root", group, 0, "0:25")


# --- engines ----------------------------------------------------------------------------------------


def test_an_engine_is_told_with_the_account_that_it_runs_as() -> None:
    rootless = process(11, "podman", user="alice", uid=1000, euid=1000)
    finding = judged("containers.docker-containerd", host(DOCKERD, rootless))
    assert finding.running == "Docker (root), Podman (alice)"
    assert judged("containers.docker-containerd", host()).result is Result.NOTAPPLICABLE


def test_an_engine_that_is_only_installed_is_told_too_on_an_image_as_well() -> None:
    installed = hosts.server(files={"/usr/bin/dockerd": ""}, name="image")
    finding = judged("containers.docker-containerd", installed)
    assert finding.boot == "Docker"
    assert judged("containers.docker-containerd", hosts.server(confinement=Unread(Reason.DENIED))).result is (
        Result.UNKNOWN
    )


# --- who commands them ------------------------------------------------------------------------------


def commanded(mode: int, **changes):
    facts = {"stats": {SOCKET: socket(mode)}, "accounts": PEOPLE, "groups": GROUPS, **changes}
    return judged("containers.commanders", host(DOCKERD, **facts))


@pytest.mark.parametrize(
    ("mode", "who"),
    [(0o660, "builder, alice"), (0o600, "none"), (0o666, "everyone"), (0o640, "none")],
)
def test_whoever_may_write_to_the_socket_is_named(mode: int, who: str) -> None:
    finding = commanded(mode)
    assert finding.running == who
    assert finding.result is (Result.PASS if who == "none" else Result.FAIL)


def test_an_empty_group_passes_only_where_no_directory_can_fill_it() -> None:
    alone = (Group("root", 0, ()), Group("docker", 998, ()))
    people = PEOPLE[:2]
    assert commanded(0o660, groups=alone, accounts=people).result is Result.PASS
    ldap = {"/etc/nsswitch.conf": "passwd: files ldap\ngroup: files ldap\n"}
    assert commanded(0o660, groups=alone, accounts=people, files=ldap).result is Result.UNKNOWN
    assert commanded(0o660, groups=Unread(Reason.DENIED)).result is Result.UNKNOWN


def test_docker_on_a_tcp_port_is_commanded_by_the_network() -> None:
    heard = (Socket("tcp6", "::", 2375, "dockerd", 10),)
    finding = commanded(0o600, sockets=heard)
    assert finding.running == "the network"
    handed = (Socket("tcp6", "::", 2375, "systemd", 1),)
    assert commanded(0o600, sockets=handed).running == "the network", "docker.socket has it open"
    hidden = (Socket("tcp6", "::", 2375, "", 0),)
    assert commanded(0o600, sockets=hidden).result is Result.UNKNOWN
    assert commanded(0o600, sockets=(Socket("tcp", "127.0.0.1", 2375, "dockerd", 10),)).result is Result.PASS


def test_while_docker_runs_any_port_of_a_hidden_process_may_be_its_own() -> None:
    hidden = (Socket("tcp", "0.0.0.0", 4243, "", 0),)
    assert commanded(0o600, sockets=hidden).result is Result.UNKNOWN
    local = (Socket("tcp", "127.0.0.1", 4243, "", 0), Socket("tcp", "0.0.0.0", 22, "sshd", 9))
    assert commanded(0o600, sockets=local).result is Result.PASS
    podman = {"stats": {"/run/podman/podman.sock": socket(0o600)}, "sockets": hidden}
    assert judged("containers.commanders", host(**podman)).result is Result.PASS, "Docker does not run"
    for unseen in ((), Unread(Reason.DENIED)):
        finding = judged("containers.commanders", hosts.server(confinement=unseen, **LOCAL, **podman))
        assert finding.result is Result.UNKNOWN


def test_without_a_socket_of_an_engine_there_is_nothing_to_command() -> None:
    assert judged("containers.commanders", host()).result is Result.NOTAPPLICABLE


# --- what containers may do -------------------------------------------------------------------------


def opened(*containers, **changes):
    return judged("containers.open", host(*containers, **changes))


def mask(*names: str) -> int:
    return sum(1 << capabilities.NAMES.index(name) for name in names)


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({}, Result.PASS),
        ({"cap_bounding": ALL}, Result.FAIL),
        ({"cap_bounding": DOCKERS | mask("cap_sys_admin")}, Result.FAIL),
        ({"cap_bounding": DOCKERS | mask("cap_net_admin")}, Result.PASS),
        ({"cap_bounding": ALL, "namespaces": apart("user", "pid", "mnt")}, Result.PASS),
        ({"cap_bounding": None}, Result.UNKNOWN),
    ],
)
def test_a_container_with_the_hosts_users_and_strong_capabilities_is_open(change, result) -> None:
    finding = opened(dataclasses.replace(REDIS, **change))
    assert finding.result is result
    if result is Result.FAIL:
        assert finding.running == NAME


@pytest.mark.parametrize(
    ("cgroup", "kinds"),
    [
        (f"/system.slice/docker-{'b' * 64}.scope", ("mnt", "ipc")),  # --pid=host
        (f"/system.slice/docker-{'b' * 64}.scope", ("mnt", "ipc", "pid")),  # --pid=container:redis
        (f"/system.slice/web.service/libpod-payload-{'b' * 64}", ("mnt", "ipc", "pid")),  # --cgroups=split
    ],
)
def test_a_container_is_one_in_whatever_namespace_and_unit_it_was_put(cgroup: str, kinds: tuple) -> None:
    unit = "web.service" if "web.service" in cgroup else ""
    free = process(21, "sh", unit=unit, cgroup=cgroup, namespaces=apart(*kinds))
    finding = opened(REDIS, free, kernel={"/proc/21/mountinfo": ""})
    assert finding.result is Result.FAIL
    assert "b" * 12 in str(finding.running)


def test_a_container_that_holds_the_socket_of_the_engine_is_open() -> None:
    finding = given_mounts("0:25 /docker.sock /engine")
    assert finding.result is Result.FAIL
    assert "/run/docker.sock of the host as /engine" in texts(finding)[NAME]
    assert opened(REDIS, kernel={"/proc/20/mountinfo": Unread(Reason.DENIED)}).result is Result.UNKNOWN
    denied = opened(REDIS, kernel={"/proc/20/mountinfo": ""}, mounts=Unread(Reason.DENIED))
    assert denied.result is Result.UNKNOWN


HOSTS_MOUNTS = (
    *(one for one in hosts.mounts() if one.path not in {"/", "/var"}),
    hosts.mount("/", 1, "rw", "ext4"),
    dataclasses.replace(hosts.mount("/run", 40, "rw", "tmpfs"), device="0:25"),
)
MADE = {path: socket(0o660) for path in (SOCKET, "/var/lib/incus/unix.socket")}


def given_mounts(*lines: str, container=REDIS, stats=MADE, mounts=HOSTS_MOUNTS):
    """What is said of a container with these mounts, as "DEVICE ROOT POINT"."""
    text = "".join(f"1 2 {line} rw - x x rw\n" for line in lines)
    return opened(container, kernel={"/proc/20/mountinfo": text}, stats=stats, mounts=mounts)


ITS_OWN = ("0:50 / /", "8:1 /var/lib/docker/volumes/data/_data /data", "0:51 / /run")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("8:1 / /host", "/ of the host as /host"),
        ("8:1 / /with\\040blank", "/ of the host as /with blank"),
        ("0:25 / /var/run", "/run/docker.sock of the host as /var/run/docker.sock"),
        ("8:1 /var/lib /lib", "/var/lib/incus/unix.socket of the host as /lib/incus/unix.socket"),
        ("8:1 /var/lib/incus /x", "/var/lib/incus/unix.socket of the host as /x/unix.socket"),
        ("0:60 /docker.sock /run/docker.sock", "/run/docker.sock"),  # another engine's, /run/user/1000
    ],
)
def test_a_container_that_sees_the_hosts_root_or_the_folder_of_a_socket_is_open(line, shown) -> None:
    finding = given_mounts(*ITS_OWN, line)
    assert finding.result is Result.FAIL
    assert shown in texts(finding)[NAME].split(", ")


@pytest.mark.parametrize(
    "line",
    [
        "8:1 /srv/app/unix.socket /app/unix.socket",  # its own, though an engine's has that name
        "8:1 /etc/hosts /etc/hosts",
        "8:1 /var/lib/lxd /x",  # where an engine that is not there would have its socket
        "0:60 / /run",  # a file system of its own
    ],
)
def test_a_container_with_folders_of_its_own_is_not_open(line: str) -> None:
    assert given_mounts(*ITS_OWN, line).result is Result.PASS


@given(st.text(), st.lists(st.sampled_from(["8:1", "/", "..", "\\777", "\\", "\x0b", " ", "-", "x"])))
def test_no_mount_of_a_container_breaks_the_view(text: str, words: list[str]) -> None:
    finding = given_mounts(text, " ".join(words), "8:1 / /host")
    assert finding.result is Result.FAIL


def test_the_root_of_the_host_may_be_a_part_of_its_file_system() -> None:
    subvolume = tuple(dataclasses.replace(one, root="/@") if one.path == "/" else one for one in HOSTS_MOUNTS)
    stats = MADE | {"/": hosts.status(0o755)}
    assert given_mounts("8:1 /@ /host", mounts=subvolume).result is Result.FAIL
    assert given_mounts("8:1 / /host", mounts=subvolume, stats=stats).result is Result.FAIL
    assert given_mounts("8:1 /@/var/lib/machines/web /", mounts=subvolume).result is Result.PASS


def test_a_socket_that_may_be_in_a_mounted_folder_passes_nothing() -> None:
    hidden = MADE | {SOCKET: Unread(Reason.DENIED)}
    assert given_mounts("0:25 / /var/run", stats=hidden).result is Result.UNKNOWN


def test_root_with_users_of_its_own_is_nobody_in_the_hosts_folders_but_may_be_given_a_socket() -> None:
    mapped = dataclasses.replace(REDIS, namespaces=apart("user", "pid", "mnt"))
    assert given_mounts("8:1 / /host", "0:25 / /run", container=mapped).result is Result.PASS
    assert given_mounts("0:25 /docker.sock /engine", container=mapped).result is Result.FAIL


def test_what_a_container_shares_with_the_host_is_told() -> None:
    finding = opened(dataclasses.replace(REDIS, namespaces=apart("mnt", "pid", "ipc")))
    assert "net, uts" in texts(finding)[NAME]


def test_a_service_with_pids_of_its_own_and_a_host_without_containers_are_none() -> None:
    private = process(30, "x", unit="x.service", cgroup="/system.slice/x.service", namespaces=apart("pid"))
    assert opened(private).result is Result.NOTAPPLICABLE
    assert opened().result is Result.NOTAPPLICABLE
    hidden = process(31, "y", namespaces={})
    assert opened(hidden).result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("cgroup", "name"),
    [
        (f"/system.slice/docker-{ID}.scope", NAME),
        (f"/docker/{ID}", NAME),
        (
            f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container",
            "libpod 0123456789ab",
        ),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-pod7.slice/cri-containerd-{ID}.scope",
            "cri-containerd 0123456789ab",
        ),
        (f"/kubepods/besteffort/pod7/{ID}", "kubepods 0123456789ab"),
        ("/machine.slice/machine-web.scope/payload", "machine web"),
        ("/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn web"),
        ("/lxc.payload.web/init.scope", "lxc web"),
        ("/system.slice/ssh.service", ""),
    ],
)
def test_a_container_has_the_name_that_its_engine_gave_it(cgroup: str, name: str) -> None:
    assert name_of(cgroup) == name


@given(st.text(), st.text())
def test_no_name_of_a_container_breaks_the_view(name: str, cgroup: str) -> None:
    assert opened(dataclasses.replace(REDIS, name=name, cgroup=cgroup)).result is Result.PASS


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="unshare needs root")
@pytest.mark.parametrize(("more", "result"), [((), Result.FAIL), (("-U", "--map-root-user"), Result.PASS)])
def test_a_real_process_with_pids_of_its_own_is_judged_by_its_users(more, result) -> None:
    child = subprocess.Popen(
        ["unshare", *more, "-p", "-f", "--kill-child", "sh", "-c", "echo ready; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        found, _at = LiveHost().answer(Confinement())
        assert not isinstance(found, Unread)
        own = next(one for one in found if one.pid == os.getpid())
        inside = [one for one in found if one.ppid == child.pid]
        first = dataclasses.replace(SYSTEMD, namespaces=own.namespaces)
        assert judged("containers.open", hosts.server(confinement=(first, *inside))).result is result
    finally:
        child.kill()
        child.communicate()


# --- published ports --------------------------------------------------------------------------------

# As Docker writes them, by iptables-save.
RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 6379 -j DNAT --to-destination 172.17.0.2:6379
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 5432 -j DNAT --to-destination 172.17.0.3:5432
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8082 -j DNAT --to-destination 172.17.0.4:8082
COMMIT
"""
NFT = Command(("nft", "--json", "list", "ruleset"), needs_root=True)


def nft(*rules: list, chain: str = "DOCKER") -> dict:
    """What nft says of these rules of a chain of the table nat."""
    nodes: list[dict] = [{"chain": {"family": "ip", "table": "nat", "name": chain}}]
    nodes += [{"rule": {"family": "ip", "table": "nat", "chain": chain, "expr": rule}} for rule in rules]
    return {NFT.argv: _output({"nftables": nodes})}


def _output(document: dict):
    return Output(json.dumps(document))


def to(port: object, address: str = "") -> list:
    where = {
        "match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": address}
    }
    which = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": port}}
    return [*([where] if address else []), which, {"dnat": {"addr": "172.17.0.2", "port": 6379}}]


def publishing(commands: dict, **changes):
    return judged("derived.docker-published-ports", host(DOCKERD, commands=commands, **changes))


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        (to(6379), "tcp 0.0.0.0:6379"),
        (to(6379, "127.0.0.1"), "none"),
        (to(6379, "192.0.2.7"), "tcp 192.0.2.7:6379"),
        (to(8082), "none"),
        (to({"range": [27000, 27100]}), "tcp 0.0.0.0:27000-27100"),
        (to({"set": [80, 5672]}), "tcp 0.0.0.0:5672"),
    ],
)
def test_a_published_database_is_named_and_other_ports_are_shown(rule, shown) -> None:
    finding = publishing(nft(rule))
    assert finding.running == shown
    assert finding.result is (Result.PASS if shown == "none" else Result.FAIL)
    assert any(place.startswith("tcp ") for place in texts(finding))


def test_a_rule_of_an_engine_whose_ports_are_not_understood_makes_nothing_pass() -> None:
    ports = {"map": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": "@ports"}}
    assert publishing(nft([{"dnat": {"addr": ports}}])).result is Result.UNKNOWN
    assert publishing(nft([{"dnat": {"addr": ports}}], to(6379))).result is Result.FAIL


def test_rules_of_others_that_divert_ports_are_not_those_of_an_engine() -> None:
    finding = publishing(nft(to(6379), chain="PREROUTING"))
    assert finding.result is Result.PASS


def test_a_proxy_of_the_engine_publishes_too_and_a_hidden_one_may() -> None:
    proxy = (Socket("tcp", "0.0.0.0", 27017, "docker-proxy", 44),)
    assert publishing(nft(), sockets=proxy).running == "tcp 0.0.0.0:27017"
    hidden = (Socket("tcp", "0.0.0.0", 27017, "", 0),)
    assert publishing(nft(), sockets=hidden).result is Result.UNKNOWN


def test_rules_that_cannot_be_read_pass_nothing_but_a_seen_port_still_fails() -> None:
    denied = {NFT.argv: Unread(Reason.DENIED)}
    assert publishing(denied).result is Result.UNKNOWN
    proxy = (Socket("tcp", "0.0.0.0", 6379, "docker-proxy", 44),)
    assert publishing(denied, sockets=proxy).result is Result.FAIL


def test_a_host_without_an_engine_publishes_nothing() -> None:
    finding = judged("derived.docker-published-ports", host(commands=nft()))
    assert finding.result is Result.NOTAPPLICABLE


def test_dockers_own_settings_are_shown_without_the_passwords_of_a_proxy() -> None:
    text = '{"ip": "127.0.0.1", "iptables": true, "hosts": ["tcp://bob:geheim@0.0.0.0"]}'
    shown = texts(publishing(nft(to(80)), files={**LOCAL["files"], DAEMON: text}))[DAEMON]
    assert '"127.0.0.1"' in shown
    assert "geheim" not in shown
    assert texts(publishing(nft(to(80)), files={**LOCAL["files"], DAEMON: "[" * 9000}))[DAEMON]


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["set", "range", "field"]), inner)
    ),
    max_leaves=4,
)
STRANGE = st.fixed_dictionaries(
    {
        "match": st.fixed_dictionaries(
            {
                "op": st.just("==") | ANYTHING,
                "left": ANYTHING
                | st.fixed_dictionaries(
                    {
                        "payload": ANYTHING
                        | st.fixed_dictionaries(
                            {"protocol": ANYTHING, "field": st.sampled_from(["dport", "daddr"]) | ANYTHING}
                        )
                    }
                ),
                "right": ANYTHING,
            }
        )
    }
)


@given(STRANGE)
def test_no_rule_of_a_strange_form_breaks_the_list(node) -> None:
    finding = publishing(nft([node, {"dnat": {"addr": "172.17.0.2"}}]))
    assert finding.result is not Result.ERROR


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("iptables-nft-restore") or not shutil.which("nft"),
    reason="needs root and iptables-nft",
)
def test_rules_as_docker_loads_them_are_read_from_the_kernel() -> None:
    program = textwrap.dedent("""
        from hardentui.host.live import LiveHost
        from hardentui.resources.containers.published import published
        from hardentui.snapshot import Snapshot
        found, gap = published(Snapshot(LiveHost()))
        print(*sorted(one.name for one in found if one.by.startswith("ip nat")), gap, sep="\\n")
    """)
    shell = 'iptables-nft-restore && exec "$1" -c "$2"'
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", shell, "sh", sys.executable, program],
        input=RULES,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["tcp 0.0.0.0:6379", "tcp 0.0.0.0:8082", "tcp 127.0.0.1:5432", "None"]


# --- LXC, machines, firejail ------------------------------------------------------------------------


def test_lxc_containers_are_told_apart_by_whether_their_users_are_mapped() -> None:
    files = {
        "/var/lib/lxc/web/config": "lxc.idmap = u 0 100000 65536\nlxc.environment = DB_PASSWORD=geheim\n",
        "/var/lib/lxc/old/config": "# lxc.idmap = u 0 100000 65536\nlxc.uts.name = old\n",
        "/var/lib/lxc/notes": "",
    }
    finding = judged("containers.lxc", host(files=files))
    assert finding.running == "old privileged, web unprivileged"
    assert judged("containers.lxc", host()).result is Result.NOTAPPLICABLE
    denied = files | {"/var/lib/lxc/old/config": Unread(Reason.DENIED)}
    assert judged("containers.lxc", host(files=denied)).result is Result.UNKNOWN
    kept = without_secrets(File("/var/lib/lxc/web/config"), files["/var/lib/lxc/web/config"])
    assert "geheim" not in str(kept)


def test_machines_of_nspawn_are_listed_with_those_that_run() -> None:
    runs = process(
        50,
        "systemd",
        cgroup="/machine.slice/machine-web.scope/payload",
        unit="machine-web.scope",
        namespaces=apart("pid", "user"),
    )
    files = {"/var/lib/machines/web/etc/os-release": "", "/etc/systemd/nspawn/db.nspawn": "[Exec]\n"}
    finding = judged("containers.nspawn-machined", host(runs, files=files))
    assert finding.running == "web, db"
    assert "users of its own" in texts(finding)["/var/lib/machines/web"]
    assert texts(finding)["/etc/systemd/nspawn/db.nspawn"] == "does not run"
    assert judged("containers.nspawn-machined", host()).result is Result.NOTAPPLICABLE


def test_firejail_is_told_with_its_setuid_bit() -> None:
    stats = {"/usr/bin/firejail": hosts.status(0o4755)}
    finding = judged("firejail.linux", host(stats=stats, files={"/etc/firejail/vlc.profile": ""}))
    assert finding.running == "setuid"
    assert texts(finding)["/etc/firejail"] == "1 profile"
    assert judged("firejail.linux", host()).result is Result.NOTAPPLICABLE


def test_nothing_of_containers_passes_without_what_it_was_judged_by() -> None:
    stats = {SOCKET: socket(0o600)}
    commands = nft(to(8082)) | {("iptables-nft-save",): Unread(Reason.UNSUPPORTED)}
    seen = host(DOCKERD, REDIS, stats=stats, commands=commands, kernel={"/proc/20/mountinfo": ""})
    assert passed_without("containers.open", seen) == []
    assert passed_without("containers.commanders", seen) == []
    only_shown = [File(DAEMON)]
    assert passed_without("derived.docker-published-ports", seen) == only_shown
