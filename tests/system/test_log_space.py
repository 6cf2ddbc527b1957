"""The timer that warns before a file system of logs is full, on a booted Debian 12."""

from __future__ import annotations

import json
from collections.abc import Callable

from rig.nspawn import Nspawn
from rig.product import Product
from rig.state import HISTORY, assert_same, state
from rig.waiting import wait_for

ID = "central.volume-supervision"
UNIT = "hardentui-log-space"


def fill(machine: Nspawn, percent: int) -> None:
    """Fill /var/log, which is a small file system of its own, up to a share."""
    machine.sh(
        "set -- $(df --output=size,used -B1 /var/log | tail -n 1);"
        f"head -c $(($1 * {percent} / 100 - $2)) /dev/zero > /var/log/filling || true"
    )


def warnings(machine: Nspawn) -> list[str]:
    said = machine.sh(f"journalctl --quiet --output=cat --priority=warning --identifier={UNIT}")
    return said.splitlines()


def looked(machine: Nspawn) -> None:
    machine.sh(f"systemctl start {UNIT}.service")
    machine.sh("journalctl --sync")


def test_a_full_log_file_system_is_warned_of_and_all_comes_back(
    host: Nspawn, note: Callable[[str], None]
) -> None:
    product = Product(host)
    assert product.scan(plan=False)[ID]["result"] == "fail"
    product.plan(ID)
    before = state(host)
    product.script("apply")
    found = product.scan()[ID]
    assert (found["result"], found["drift"]) == ("pass", None), found
    assert host.sh(f"systemctl is-active {UNIT}.timer").strip() == "active"

    looked(host)
    assert warnings(host) == []
    fill(host, 85)
    looked(host)
    (line,) = warnings(host)
    assert line.startswith("/var/log: 8")
    assert line.endswith("warning from 80 %")
    host.sh("rm /var/log/filling")
    fill(host, 101)  # nothing is left at all
    looked(host)
    assert len(warnings(host)) == 2, "it warns on a full file system too"
    host.sh("rm /var/log/filling")

    rate = host.sh(f"systemd-analyze security --no-pager {UNIT}.service | tail -n 1")
    note(f"log space: {line!r}; {rate.strip()}")
    host.reboot()
    again = product.scan()[ID]
    assert (again["result"], again["drift"]) == ("pass", None), again
    wait_for(
        "the timer to come by itself",
        200,
        lambda: (
            host.sh(f"systemctl show --value --property=LastTriggerUSec {UNIT}.timer").strip()
            not in {"", "n/a"}
        ),
    )
    product.script("rollback")
    assert host.sh(f"systemctl is-active {UNIT}.timer || :").strip() == "inactive"
    assert_same(before, state(host), "after the rollback", ignored=HISTORY)


def test_the_command_tells_what_the_files_tell(host: Nspawn) -> None:
    """The journal of a booted system, as journalctl has it, and a text log with its generations."""
    host.sh("mkdir -p /var/log/journal; journalctl --flush; logger -t probe hello; journalctl --sync")
    host.sh("printf '2026-01-01T00:00:00+00:00 a\\n' > /var/log/app.log; truncate -s 1M /var/log/app.log.1")
    found = json.loads(Product(host).call("volume", "--json").stdout)
    systems = {one["path"]: one for one in found["file-systems"]}
    logs = {log["name"]: log for log in systems["/var/log"]["logs"]}
    usage = host.sh("journalctl --disk-usage --output=cat")
    assert logs["/var/log/journal"]["kept-by"] == "journald"
    assert "take up" in usage
    assert logs["/var/log/app.log"]["files"] == 2
    assert systems["/var/log"]["for-logs-alone"] is True
    size = int(host.sh("stat --file-system --format='%b' /var/log"))
    block = int(host.sh("stat --file-system --format='%S' /var/log"))
    assert systems["/var/log"]["size"] == size * block
    shown = Product(host).call("volume").stdout
    assert "/var/log is for logs alone" in shown
