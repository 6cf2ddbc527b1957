"""Redis on a booted Debian 12: seen to listen to everybody, bound to loopback, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.lab import Lab
from rig.nspawn import Nspawn
from rig.packages import installed
from rig.product import ANSWERS, Product
from rig.state import HISTORY, assert_same, state

pytestmark = pytest.mark.long  # its programs are fetched first

ID = "bind.redis"
FILE = "/etc/redis/redis.conf"


@pytest.fixture
def store(lab: Lab, layer: Path) -> Iterator[Nspawn]:
    with Nspawn(lab, "redis", [layer, installed(lab, "redis-server")]) as machine:
        # /var/log is empty at each boot of the lab.
        machine.put(b"d /var/log/redis 0750 redis redis\n", "/usr/lib/tmpfiles.d/redis.conf")
        machine.sh("systemd-tmpfiles --create redis.conf; systemctl reset-failed redis-server")
        machine.sh(f"sed -i 's/^bind .*/bind 0.0.0.0 -::*/' {FILE}; systemctl restart redis-server")
        yield machine


def listens(machine: Nspawn) -> list[str]:
    return sorted(machine.sh("ss -Hltn 'sport = :6379' | awk '{print $4}'").split())


def test_redis_is_bound_to_loopback_and_back(store: Nspawn) -> None:
    product = Product(store, answers={**ANSWERS, "database-clients": "no"})
    found = product.scan(plan=False)[ID]
    assert (found["result"], found["running"], found["boot"]) == ("fail", "any", "any")
    # Debian gives the folder to the service, where no script of root may write; here it is given back.
    store.sh("chown root:root /etc/redis; chmod 0755 /etc/redis")
    product.plan(ID)
    before, everywhere = state(store), listens(store)
    assert "0.0.0.0:6379" in everywhere
    product.script("apply")
    assert set(listens(store)) <= {"127.0.0.1:6379", "[::1]:6379"}
    store.reboot()
    found = product.scan()[ID]
    assert (found["result"], found["running"], found["drift"]) == ("pass", "loopback", None)
    product.script("rollback")
    assert listens(store) == everywhere
    assert_same(before, state(store), "after the rollback", ignored=HISTORY)


def test_redis_reads_its_files_as_we_do(store: Nspawn) -> None:
    """What a start would come to is held against where the real program then listens."""
    product = Product(store, answers={**ANSWERS, "database-clients": "no"})
    for lines, value in {
        "bind 127.0.0.1 -::1": "loopback",
        "bind 0.0.0.0\nbind 127.0.0.1": "loopback",
        "BIND 127.0.0.1 10.77.0.2": "127.0.0.1, 10.77.0.2",
        "# none": "any",
    }.items():
        store.sh(f"sed -i '/^bind /Id' {FILE}; printf '%s\\n' \"$1\" >> {FILE}", lines)
        store.sh("systemctl reset-failed redis-server; systemctl restart redis-server")
        found = product.scan(plan=False)[ID]
        assert found["boot"] == value
        assert set(found["running"].split(", ")) == set(value.split(", "))
