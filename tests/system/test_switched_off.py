"""Services on a booted Debian 12: seen as systemd sees them, switched off, rebooted, and taken back."""

from __future__ import annotations

import json

from rig.nspawn import Nspawn
from rig.product import Product
from rig.state import HISTORY, assert_same, state
from rig.waiting import wait_for

SERVICE = """\
[Unit]
Description=stands in for a service that nobody needs
[Service]
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
Also=avahi-daemon.socket
Alias=dbus-org.freedesktop.Avahi.service
"""
SOCKET = """\
[Socket]
ListenStream=127.0.0.1:7777
[Install]
WantedBy=sockets.target
"""
NEEDY = "[Unit]\nRequires=avahi-daemon.service\n[Service]\nExecStart=/usr/bin/sleep infinity\n"
BROKEN = "[Service]\nType=oneshot\nExecStart=/usr/bin/false\n"
ID = "services.avahi"


def install(machine: Nspawn) -> None:
    for name, text in {
        "avahi-daemon.service": SERVICE,
        "avahi-daemon.socket": SOCKET,
        "needy.service": NEEDY,
        "broken.service": BROKEN,
    }.items():
        machine.put(text.encode(), f"/usr/lib/systemd/system/{name}", "0644")
    machine.sh("systemctl daemon-reload; systemctl enable --now avahi-daemon.socket avahi-daemon.service")
    machine.sh("systemctl start needy; systemctl start broken || :")


def active(machine: Nspawn) -> list[str]:
    units = ("avahi-daemon.service", "avahi-daemon.socket")
    return machine.sh(f"systemctl is-active {' '.join(units)} || :").split()


def test_a_service_is_switched_off_for_good_and_comes_back(host: Nspawn) -> None:
    install(host)
    product = Product(host)
    found = product.scan(plan=False)[ID]
    assert found["result"] == "fail"
    assert found["running"] == found["boot"] == "on"
    assert [hazard["text"] for hazard in found["hazards"]] == ["needed by: needy.service"]
    failed = product.scan(plan=False)["services.none-failed"]
    assert failed["result"] == "fail"
    assert "broken.service" in failed["running"]

    product.plan(ID)
    host.sh("systemctl stop needy; systemctl reset-failed broken")
    before = state(host)
    product.script("apply")
    assert active(host) == ["inactive", "inactive"]
    assert product.scan()[ID]["result"] == "pass"
    host.reboot()
    assert active(host) == ["inactive", "inactive"]
    after = product.scan()
    assert after[ID]["result"] == "pass"
    assert not after[ID]["drift"]
    product.script("rollback")
    assert active(host) == ["active", "active"]
    assert_same(before, state(host), "after the rollback", ignored=HISTORY)


def test_a_socket_that_systemd_holds_is_named_by_its_unit(host: Nspawn) -> None:
    install(host)
    host.sh("systemctl stop avahi-daemon.service")  # while it runs, it holds the socket itself
    seen = json.loads(Product(host).call("ports", "--json").stdout)["listeners"]
    ours = next(one for one in seen if one["port"] == 7777)
    assert (ours["scope"], ours["unit"], ours["reachable"][0]["from"]) == (
        "loopback",
        "avahi-daemon.socket",
        "loopback only",
    )
    ssh = next(one for one in seen if one["port"] == 22)
    assert (ssh["process"], ssh["user"], ssh["unit"]) == ("sshd", "root", "ssh.service")


def test_a_reboot_that_nobody_confirmed_brings_a_service_back(host: Nspawn) -> None:
    """The run is taken back before the services start: it may not wait there for one of them."""
    install(host)
    host.sh("systemctl stop needy; systemctl reset-failed broken")
    product = Product(host)
    product.plan(ID, "sysctl.ipv4-log-martians")
    before = state(host)
    product.script("apply", "--deadline", "600")
    assert active(host) == ["inactive", "inactive"]
    host.reboot()
    wait_for("the service runs again", 60, lambda: active(host) == ["active", "active"])
    assert_same(before, state(host), "after the reboot", ignored=HISTORY)
