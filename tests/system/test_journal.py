"""The journal on a booted Debian 12: put on disk, kept over a reboot, and given back; logs deleted by age."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from rig.nspawn import Nspawn
from rig.product import ANSWERS, Product
from rig.state import HISTORY, assert_same, state
from rig.waiting import wait_for

FOLDER = "/var/log/cryptosrv"
SITE = "/etc/systemd/journald.conf.d/10-site.conf"
IDS = ("journal.storage", "journal.level", "journal.audit", "retention.dated")
ANSWERED = ANSWERS | {"log-folder": FOLDER, "log-retention-days": "7"}
OURS = "/etc/systemd/journald.conf.d/99-zz-hardentui.conf"


@pytest.fixture
def product(host: Nspawn) -> Product:
    """A container whose logs lie on its disk, with a journal in memory that stores errors alone."""
    host.put(b"[Journal]\nStorage=volatile\nMaxLevelStore=err\n", SITE, "0644")
    host.sh(r"sed -i '\,^tmpfs /var/log ,d' /etc/fstab")
    host.reboot()
    return Product(host, ANSWERED)


def machine_id(machine: Nspawn) -> str:
    return machine.get("/etc/machine-id").strip()


def stored(machine: Nspawn, priority: str) -> bool:
    """Whether a message of this priority comes into the journal; the one behind it surely does."""
    mark, end = f"mark-{priority}", uuid.uuid4().hex  # not what an earlier call left there
    machine.sh(f"logger -t {mark} -p user.{priority} hello; logger -t mark-end -p user.crit {end}")
    wait_for("the last message", 60, lambda: end in machine.sh("journalctl -q -b -t mark-end"))
    return "hello" in machine.sh(f"journalctl -q -b -t {mark}")


def seen(product: Product, id_: str, *, plan: bool = True) -> tuple[Any, Any, Any]:
    found: Mapping[str, Any] = product.scan(plan=plan)[id_]
    return found["result"], found["running"], found["boot"]


def test_the_journal_goes_to_disk_and_comes_back(host: Nspawn, product: Product) -> None:
    assert seen(product, "journal.storage", plan=False) == ("fail", "volatile", "volatile")
    assert seen(product, "journal.level", plan=False) == ("fail", "err", "err")
    assert seen(product, "journal.audit", plan=False) == ("fail", "no", "no")
    assert not stored(host, "info")
    before = state(host)
    product.plan(*IDS)

    product.script("apply")
    lines = [line for line in host.get(OURS).splitlines() if not line.startswith("#")]
    assert lines == ["[Journal]", "Storage=persistent", "MaxLevelStore=debug", "Audit="]
    on_disk = f"/var/log/journal/{machine_id(host)}/system.journal"
    assert host.sh(f"stat -c %s {on_disk}").strip()
    assert stored(host, "debug")
    assert not product.scan().not_passing(IDS)

    host.reboot()
    assert "hello" in host.sh("journalctl -q -b -1 -t mark-debug"), "what was said before the reboot is gone"
    assert not product.scan().not_passing(IDS)

    product.script("rollback")
    assert_same(before, state(host), "after the rollback", ignored=HISTORY)
    assert seen(product, "journal.storage", plan=False) == ("fail", "volatile", "volatile")
    assert not stored(host, "info")


def test_files_that_changed_since_journald_started_are_not_in_force(host: Nspawn, product: Product) -> None:
    host.put(b"[Journal]\nMaxLevelStore=debug\n", "/etc/systemd/journald.conf.d/20-more.conf", "0644")
    result, running, then = seen(product, "journal.level", plan=False)
    assert (result, running, then) == ("unknown", None, "debug")
    assert not stored(host, "notice"), "journald reads its files at its start alone"
    host.sh("systemctl restart systemd-journald")
    assert seen(product, "journal.level", plan=False) == ("pass", "debug", "debug")
    assert stored(host, "notice")
    host.sh("rm /etc/systemd/journald.conf.d/20-more.conf")
    assert seen(product, "journal.level", plan=False)[2] == "err"


def test_dated_logs_are_deleted_by_their_age(host: Nspawn, product: Product) -> None:
    product.plan("retention.dated")
    product.script("apply")
    host.sh(
        f'mkdir -p {FOLDER}/sub; for days in 1 6 8 40; do touch -d "$days days ago" '
        f"{FOLDER}/a-$days.log {FOLDER}/sub/b-$days.log /var/log/c-$days.log; done"
    )
    host.sh("systemctl start systemd-tmpfiles-clean.service")
    left = host.sh(f"cd {FOLDER}; ls; ls sub; cd ..; ls c-*.log").split()
    assert left == ["a-1.log", "a-6.log", "sub", "b-1.log", "b-6.log", *(f"c-{d}.log" for d in (1, 40, 6, 8))]
