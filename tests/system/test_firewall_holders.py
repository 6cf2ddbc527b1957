"""Hosts whose firewall ufw or firewalld holds: the script brings a policy in, and takes it back."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from rig.lab import Lab
from rig.machine import Session, finish, said
from rig.nspawn import ADDRESS, ADMIN_ADDRESS, Nspawn
from rig.packages import installed
from rig.product import SCRIPT, Product
from rig.state import HISTORY, assert_same, state
from test_firewall_policy_booted import ID, decide, gets_in, loaded

from hardentui.resources.firewall.policy import parse

pytestmark = pytest.mark.long  # its programs are fetched first

ADDRESS_6, ADMIN_ADDRESS_6 = "fd77::2", "fd77::1"
POLICY = f"""in drop
out drop
in tcp 22 from {ADMIN_ADDRESS},{ADMIN_ADDRESS_6} course.ssh
in tcp 8080-8081,8443 from any app.web
in tcp 9000 from 192.0.2.0/24,2001:db8::/64 app.others
in udp 162 from 10.77.0.0/24,fd77::/64 app.traps
out tcp 53 to {ADMIN_ADDRESS},{ADMIN_ADDRESS_6} course.dns
out udp 53 to {ADMIN_ADDRESS} course.dns"""
OTHER = f"""in drop
out accept
in tcp 22 from {ADMIN_ADDRESS},{ADMIN_ADDRESS_6} course.ssh
in tcp 8082 from any app.web"""
LOCKED_OUT = "in drop\nout drop\nin tcp 22 from 192.0.2.1 course.ssh"
AT_FIRST = "in drop\nout accept\nin tcp 22,8082 from any as.started"  # what START comes to
PORTS = (22, 53, 162, 8080, 8081, 8082, 8443, 9000)
# What an administrator has: SSH, and a port that the policy does not name.
START = {
    "ufw": "ufw --force enable && ufw allow 22/tcp && ufw allow 8082/tcp comment 'our old one' && "
    "ufw route allow in on host0 out on eth9 to 10.1.1.1 && ufw reload",
    "firewalld": "systemctl enable --now firewalld && firewall-cmd --permanent --add-port=8082/tcp && "
    "firewall-cmd --permanent --new-ipset=kept --type=hash:ip && "
    "firewall-cmd --permanent --ipset=kept --add-entry=192.0.2.9 && "
    "firewall-cmd --permanent --new-ipset=passing --type=hash:ip --option=timeout=3600 && "
    "firewall-cmd --reload",
}
# What only runs, and how it ends.
RUNNING = {
    "ufw": ("iptables -I ufw-before-input -s 192.0.2.7 -j DROP", "iptables -D ufw-before-input 1"),
    "firewalld": tuple(f"firewall-cmd --ipset=kept --{verb}-entry=192.0.2.7" for verb in ("add", "remove")),
}
# On both sides: listens on the ports, over both versions of IP, and answers one byte.
_ANSWER = """
import selectors, socket, sys
doors = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            door = socket.socket(family, kind)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                door.bind((address, port))
            except OSError:
                continue  # sshd has it
            if kind == socket.SOCK_STREAM:
                door.listen()
            doors.register(door, selectors.EVENT_READ, kind)
print("ready", flush=True)
while True:
    for key, _ in doors.select():
        if key.data == socket.SOCK_STREAM:
            one = key.fileobj.accept()[0]
            one.send(b"y")
            one.close()
        else:
            key.fileobj.sendto(b"y", key.fileobj.recvfrom(9)[1])
"""
# Waits long where an answer is expected, for a machine may be slow, and not where none is.
_ASK = """
import json, socket, sys
expected, found = json.loads(sys.argv[2]), {}
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
    for port in map(int, sys.argv[3:]):
        way = f"{protocol} {port}"
        one = socket.socket(family, kind)
        one.settimeout(10 if expected[way] else 1)
        try:
            one.connect((sys.argv[1], port))
            if kind == socket.SOCK_DGRAM:
                one.send(b"x")
            found[way] = bool(one.recv(1))
        except OSError:
            found[way] = False
        one.close()
print(json.dumps(found))
"""
# What lets packets in beside the policy, and how it ends.
OPENING = {
    "ufw": ("iptables -I INPUT -p tcp --dport 23 -j ACCEPT", "iptables -D INPUT 1"),
    "firewalld": ("firewall-cmd --add-port=23/tcp", "firewall-cmd --remove-port=23/tcp"),
}


@pytest.fixture
def held(lab: Lab, layer: Path) -> Iterator[Callable[[str], Nspawn]]:
    """A container with the product, whose firewall this package holds."""
    machines = []

    def start(package: str) -> Nspawn:
        machine = Nspawn(lab, package, [layer, installed(lab, package, "netbase")])
        machines.append(machine)
        machine.__enter__()
        machine.sh(START[package])
        addressed(machine)
        return machine

    yield start
    for machine in machines:
        machine.stop()


def addressed(machine: Nspawn) -> None:
    """What a boot forgets: the machine's IPv6 address, and a value that ufw sets otherwise when it loads."""
    machine.sh("sysctl -qw net.ipv4.conf.all.log_martians=1")
    machine.sh(f"ip -6 addr replace {ADDRESS_6}/64 dev host0 nodad")
    argv = ["ip", "-6", "addr", "replace", f"{ADMIN_ADDRESS_6}/64", "dev", "br0", "nodad"]
    finish(machine.beside(argv), stdin="", seconds=20, check=True)


Ways = dict[str, dict[str, bool]]  # by direction and the other side's address, protocol and port: what passes


def traffic(
    ask: Sequence[str], answer: Sequence[str], target: str, wanted: dict[str, bool]
) -> dict[str, bool]:
    """By protocol and port, whether an answer comes back from the other side."""
    python = ("python3", "-I", "-c")
    with Session([*answer, *python, _ANSWER, *map(str, PORTS)]) as listening:
        assert listening.line() == "ready\n"
        argv = [*ask, *python, _ASK, target, json.dumps(wanted), *map(str, PORTS)]
        done = finish(argv, stdin="", seconds=180, check=True)
    found: dict[str, bool] = json.loads(done.stdout)
    return found


def assert_passes(machine: Nspawn, policy: str) -> None:
    """Exactly what the policy permits comes in and goes out."""
    inside, beside, wanted = machine.inside([]), machine.beside([]), expected(policy)
    ends = {ADMIN_ADDRESS: ADDRESS, ADMIN_ADDRESS_6: ADDRESS_6}
    found: Ways = {}
    for admin, own in ends.items():
        found[f"in {admin}"] = traffic(beside, inside, own, wanted[f"in {admin}"])
        found[f"out {admin}"] = traffic(inside, beside, admin, wanted[f"out {admin}"])
    assert found == wanted


def expected(text: str) -> Ways:
    policy = parse(text)
    return {
        f"{direction} {peer}": {
            f"{protocol} {port}": policy.lets(direction, protocol, port, ipaddress.ip_address(peer))
            # sshd has the port of TCP, and says more than one byte.
            for protocol in ("tcp", "udp")
            for port in PORTS
        }
        for direction in ("in", "out")
        for peer in (ADMIN_ADDRESS, ADMIN_ADDRESS_6)
    }


def shown_by(machine: Nspawn, holder: str) -> str:
    """What the holder's own program says of its rules."""
    told = {"ufw": "ufw status verbose", "firewalld": "firewall-cmd --info-zone=hardentui"}
    return machine.sh(told[holder])


OWN_WORDS = {
    "ufw": (
        "22/tcp",
        f"{ADMIN_ADDRESS_6}",
        "# course.ssh",
        "deny (incoming), deny (outgoing)",
        "10.1.1.1 on eth9",
    ),
    "firewalld": ("target: DROP", f'source address="{ADMIN_ADDRESS_6}" port port="22" protocol="tcp" accept'),
}


@pytest.mark.parametrize("holder", START)
def test_a_policy_comes_in_by_the_script_and_goes_back(held: Callable[[str], Nspawn], holder: str) -> None:
    machine = held(holder)
    product = Product(machine)
    before, rules = state(machine), loaded(machine)
    assert_passes(machine, AT_FIRST)  # a port is open that is no line of the policy
    decide(product, POLICY)
    assert "step 1: " in product.script("review").stdout
    assert loaded(machine) == rules, "a review loads nothing"
    begin, end = RUNNING[holder]
    machine.sh(begin)
    assert "is not what its files say" in said(product.script("apply", "--deadline", "600", expected=1))
    machine.sh(end)
    assert loaded(machine) == rules, "what only runs was not lost, and nothing else was loaded"

    product.script("apply", "--deadline", "600")
    assert_passes(machine, POLICY)
    told = shown_by(machine, holder)
    assert all(word in told for word in OWN_WORDS[holder]), told
    found = product.scan()[ID]
    assert (found["result"], found["running"], found["drift"]) == ("pass", POLICY.replace("\n", "; "), None)
    begin, end = OPENING[holder]
    machine.sh(begin)
    assert product.scan()[ID]["result"] == "unknown"
    machine.sh(end)
    if holder == "ufw":  # its program reads the files and writes them anew: not a byte may move
        written = machine.sh("cat /etc/ufw/user.rules /etc/ufw/user6.rules")
        machine.sh("ufw reload")
        assert machine.sh("cat /etc/ufw/user.rules /etc/ufw/user6.rules") == written
    product.script("status", expected=4)  # it waits for confirm
    product.script("confirm")

    machine.reboot()
    addressed(machine)
    assert_passes(machine, POLICY)
    found = product.scan()[ID]
    assert (found["result"], found["boot"], found["drift"]) == ("pass", POLICY.replace("\n", "; "), None)
    product.script("status")

    comes_after_and_goes_back(product)
    product.script("status")

    product.script("rollback")
    assert loaded(machine) == rules
    assert_same(before, state(machine), "after the rollback", ignored=HISTORY)
    assert_passes(machine, AT_FIRST)


def comes_after_and_goes_back(product: Product) -> None:
    """Another policy replaces the one that a run of ours left, as loaded, and goes back to it."""
    machine = product.machine
    before, rules = state(machine), loaded(machine)
    machine.sh(f"cp -p {SCRIPT} {SCRIPT}.first")
    decide(product, OTHER)
    product.script("apply", "--deadline", "600")
    assert_passes(machine, OTHER)
    assert product.scan()[ID]["running"] == OTHER.replace("\n", "; ")
    product.script("rollback")
    assert loaded(machine) == rules
    machine.sh(f"mv {SCRIPT}.first {SCRIPT}")
    assert_same(before, state(machine), "after the rollback of the second", ignored=HISTORY)
    assert_passes(machine, POLICY)


@pytest.mark.parametrize("holder", START)
def test_a_policy_that_locks_its_administrator_out_is_taken_back(
    held: Callable[[str], Nspawn], holder: str
) -> None:
    """By the guard once its time is over, and by a boot that comes before."""
    machine = held(holder)
    product = Product(machine)
    before, rules = state(machine), loaded(machine)
    assert_passes(machine, AT_FIRST)
    decide(product, LOCKED_OUT)
    # At the machine itself: over ssh this policy would cut the very line on which apply speaks.
    machine.run(["bash", SCRIPT, "apply", "--deadline", "30"], check=True)
    assert not gets_in(machine, 22)
    product.wait_taken_back(240)
    assert gets_in(machine, 22)
    assert loaded(machine) == rules
    assert_same(before, state(machine), "after the guard", ignored=HISTORY)
    assert_passes(machine, AT_FIRST)

    decide(product, f"{LOCKED_OUT}\nout udp 123 to any course.ntp")
    machine.run(["bash", SCRIPT, "apply", "--deadline", "600"], check=True)
    assert not gets_in(machine, 22)
    machine.reboot()
    assert gets_in(machine, 22)
    assert loaded(machine) == rules
    addressed(machine)
    assert_same(before, state(machine), "after the reboot", ignored=HISTORY)
