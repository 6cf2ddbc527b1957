"""Hosts whose firewall ufw or firewalld holds: the commands of a policy are run, and tried by traffic."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from rig.lab import Lab
from rig.machine import Session, finish
from rig.nspawn import ADDRESS, ADMIN_ADDRESS, Nspawn
from rig.packages import installed
from rig.product import SCRIPT, Product
from test_firewall_policy_booted import ID, decide

from hardentui.resources.firewall.policy import commands, parse

pytestmark = pytest.mark.long  # its programs are fetched first

POLICY = f"""in drop
out drop
in tcp 22 from {ADMIN_ADDRESS} course.ssh
in tcp 8080-8081,8443 from any app.web
in tcp 9000 from 192.0.2.0/24 app.others
in udp 162 from 10.77.0.0/24 app.traps
out tcp 53 to {ADMIN_ADDRESS} course.dns
out udp 53 to {ADMIN_ADDRESS} course.dns"""
PORTS = (22, 53, 162, 8080, 8081, 8082, 8443, 9000)
# On both sides: listens on the ports, and answers one byte.
_ANSWER = """
import selectors, socket, sys
doors = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        door = socket.socket(socket.AF_INET, kind)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("0.0.0.0", port))
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
_ASK = """
import json, socket, sys
found = {}
for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
    for port in map(int, sys.argv[2:]):
        one = socket.socket(socket.AF_INET, kind)
        one.settimeout(1)
        try:
            one.connect((sys.argv[1], port))
            if kind == socket.SOCK_DGRAM:
                one.send(b"x")
            found[f"{protocol} {port}"] = bool(one.recv(1))
        except OSError:
            found[f"{protocol} {port}"] = False
        one.close()
print(json.dumps(found))
"""


@pytest.fixture
def held(lab: Lab, layer: Path) -> Iterator[Callable[[str], Nspawn]]:
    """A container with the product and one more package."""
    machines = []

    def start(package: str) -> Nspawn:
        machine = Nspawn(lab, package, [layer, installed(lab, package, "netbase")])
        machines.append(machine)
        machine.__enter__()
        return machine

    yield start
    for machine in machines:
        machine.stop()


def traffic(ask: Sequence[str], answer: Sequence[str], target: str) -> dict[str, bool]:
    """By protocol and port, whether an answer comes back from the other side."""
    python = ("python3", "-I", "-c")
    with Session([*answer, *python, _ANSWER, *map(str, PORTS)]) as listening:
        assert listening.line() == "ready\n"
        argv = [*ask, *python, _ASK, target, *map(str, PORTS)]
        done = finish(argv, stdin="", seconds=60, check=True)
    return json.loads(done.stdout)


def both_ways(machine: Nspawn) -> dict[str, dict[str, bool]]:
    return {
        "in": traffic(machine.beside([]), machine.inside([]), ADDRESS),
        "out": traffic(machine.inside([]), machine.beside([]), ADMIN_ADDRESS),
    }


def expected() -> dict[str, dict[str, bool]]:
    policy, peer = parse(POLICY), ipaddress.ip_address(ADMIN_ADDRESS)
    return {
        direction: {
            f"{protocol} {port}": policy.lets(direction, protocol, port, peer)
            # sshd has the port of TCP, and says more than one byte.
            for protocol in ("tcp", "udp")
            for port in PORTS
        }
        for direction in ("in", "out")
    }


@pytest.mark.parametrize(
    ("holder", "start"),
    [("ufw", "ufw --force enable"), ("firewalld", "systemctl enable --now firewalld")],
)
def test_the_commands_come_to_the_policy(held: Callable[[str], Nspawn], holder: str, start: str) -> None:
    machine = held(holder)
    machine.sh(start)
    product = Product(machine)
    decide(product, POLICY)
    told = machine.run(["bash", SCRIPT, "review"], check=True).stdout  # ufw let nobody in yet
    lines = list(commands.OF_HOLDER[holder](parse(POLICY)))
    assert all(line in told for line in lines), told
    for line in lines:
        machine.sh(line)
    assert both_ways(machine) == expected()
    found = product.scan()[ID]
    assert (found["result"], found["running"]) == ("pass", f"in drop; {holder}")
    machine.reboot()
    assert both_ways(machine) == expected()
    found = product.scan()[ID]
    assert (found["result"], found["drift"]) == ("pass", None)
