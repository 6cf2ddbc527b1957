"""The matrix of services against those who know: systemd, and the kernel's own words on each process."""

from __future__ import annotations

import json
from typing import Any

from rig.machine import Machine
from rig.nspawn import Nspawn
from rig.product import HOME, Product

NAMESPACES = ("mnt", "uts", "ipc", "user", "pid", "net", "cgroup", "time")
UNITS = {
    "lab-held": "User=www-data\nNoNewPrivileges=yes\nPrivateNetwork=yes\nPrivateTmp=yes\n"
    "ProtectHostname=yes\nSystemCallFilter=@system-service\nCapabilityBoundingSet=CAP_CHOWN CAP_KILL",
    "lab-mixed": "",
}
# A program of root beside one that is held: what the unit may is what the freer of them may.
MIXED = "/bin/sh -c 'setpriv --reuid 33 --clear-groups --no-new-privs sleep infinity & exec sleep infinity'"


def services(machine: Machine) -> dict[str, dict[str, Any]]:
    told = json.loads(Product(machine).call("services", "--json").stdout)
    assert told["unread"] == []
    return {one["unit"]: one for one in told["services"]}


def test_the_matrix_says_what_systemd_and_the_kernel_say(host: Nspawn) -> None:
    for name, lines in UNITS.items():
        command = MIXED if name == "lab-mixed" else "/bin/sleep infinity"
        text = f"[Service]\nType=exec\nExecStart={command}\n{lines}\n"
        host.put(text.encode(), f"/etc/systemd/system/{name}.service", "0644")
    host.sh(f"systemctl daemon-reload; systemctl start {' '.join(UNITS)}")
    found = services(host)

    running = host.sh("systemctl list-units --type=service --state=running --no-legend --plain --no-pager")
    assert set(found) == {line.split()[0] for line in running.splitlines()}
    rated = {
        row[0]: float(row[1])
        for line in host.sh("systemd-analyze security --no-pager").splitlines()
        if len(row := line.split()) > 1 and row[0].endswith(".service")
    }
    for unit, one in found.items():
        main = one["processes"][0]
        assert one["exposure"] == rated[unit], unit
        assert str(main["pid"]) == host.sh(f"systemctl show --value --property=MainPID {unit}").strip(), unit
        group = host.sh(f"systemctl show --value --property=ControlGroup {unit}").strip()
        assert f"{one['cgroup']}/".startswith(f"{group}/"), unit  # a manager of its own makes more below
        text = host.get(f"/proc/{main['pid']}/status")
        fields = dict(line.split(":\t") for line in text.splitlines() if ":\t" in line)
        assert main["no-new-privileges"] == (fields["NoNewPrivs"] == "1"), unit
        assert main["seccomp"] == ("none", "strict", "filter")[int(fields["Seccomp"])], unit
        own = host.sh(
            'for n in $2; do [ "$(readlink /proc/$1/ns/$n)" = "$(readlink /proc/1/ns/$n)" ] || echo $n; done',
            str(main["pid"]),
            " ".join(NAMESPACES),
        )
        if len(one["processes"]) == 1:
            assert [kind for kind, is_own in one["own-namespaces"].items() if is_own] == own.split(), unit

    held, mixed = found["lab-held.service"], found["lab-mixed.service"]
    assert not any(held["open-doors"].values())
    assert held["capabilities-bounding"] == ["cap_chown", "cap_kill"]
    assert {kind for kind, own in held["own-namespaces"].items() if own} >= {"mnt", "net", "uts"}
    assert all(mixed["open-doors"].values())
    assert mixed["processes-differ-in"] == ["capabilities-permitted", "no-new-privileges", "user"]


def test_an_ordinary_user_is_told_what_is_hidden(host: Nspawn) -> None:
    argv = ["env", "COLUMNS=200", f"PYTHONPATH={HOME}", "python3", "-m", "hardentui", "services"]
    done = host.login(argv, user="admin")
    assert done.returncode == 3, done.stderr
    assert "Not all could be read" in done.stdout
    assert "not readable without root" in done.stdout
