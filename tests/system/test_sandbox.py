"""Services confined on a booted system by the drop-ins that the workbench proposes: they go on working."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from rig.machine import Machine
from rig.nspawn import Nspawn
from rig.product import PLAN, SCRIPT, Product
from rig.waiting import wait_for

Note = Callable[[str], None]

REAL = ("nginx.service", "ssh.service", "rsyslog.service", "cron.service")
# Beside the real ones, so that predictions are tried on settings of many kinds: options of the command
# line, and what the unit says by itself.
TRIED: Mapping[str, tuple[str, Sequence[str]]] = {
    "lab-root": ("", ["--recommended"]),
    "lab-safe": ("", ["--safe"]),
    "lab-user": ("User=www-data", ["--recommended"]),
    "lab-dynamic": ("DynamicUser=yes", ["--recommended"]),
    "lab-filter": (
        "SystemCallFilter=~@clock",
        ["--set", "SystemCallFilter=@system-service ~@privileged @resources"],
    ),
    "lab-list": ("RestrictAddressFamilies=~AF_PACKET", ["--set", "RestrictAddressFamilies=AF_UNIX AF_INET"]),
    "lab-spaces": (
        "RestrictNamespaces=~user",
        ["--set", "RestrictNamespaces=mnt uts", "--set", "UMask=0077"],
    ),
    "lab-bound": (
        "CapabilityBoundingSet=~CAP_SYS_ADMIN",
        ["--set", "CapabilityBoundingSet=CAP_CHOWN CAP_KILL"],
    ),
}
# Services of which a directive takes away what they need, and what shows it.
NEEDY: Mapping[str, tuple[str, str, str]] = {
    "low": (
        "import http.server as h; h.HTTPServer(('', 81), None).serve_forever()",
        "CapabilityBoundingSet=CAP_KILL",
        "port 81",
    ),
    "path": (
        "import time; f = open('/var/lib/needy', 'a'); time.sleep(1e6)",
        "ProtectSystem=strict",
        "/var/lib/needy",
    ),
    "jit": (
        "import mmap, time; m = mmap.mmap(-1, 4096, prot=7); time.sleep(1e6)",
        "MemoryDenyWriteExecute=yes",
        "writable and executable",
    ),
    "capability": (
        "import os, time; n = os.fork(); n and os.waitpid(n, 0) or os.setuid(33) or time.sleep(1e6)",
        "CapabilityBoundingSet=CAP_KILL",
        "change accounts",
    ),
}


def unit(machine: Machine, name: str, lines: str, command: str = "/bin/sleep infinity") -> None:
    text = f"[Service]\nType=exec\nExecStart={command}\n{lines}\n"
    machine.put(text.encode(), f"/etc/systemd/system/{name}.service", "0644")


def exposures(machine: Machine) -> dict[str, str]:
    rows = [line.split() for line in machine.sh("systemd-analyze security --no-pager").splitlines()]
    return {row[0]: row[1] for row in rows if len(row) > 1 and row[0].endswith(".service")}


def status(machine: Machine, unit_: str) -> dict[str, str]:
    pid = machine.sh(f"systemctl show --value --property=MainPID {unit_}").strip()
    return dict(re.findall(r"^(\w+):\s+(.*)$", machine.get(f"/proc/{pid}/status"), re.MULTILINE))


def works(machine: Machine) -> None:
    """A page, a login, a message, a job."""
    page = "import urllib.request as u; print(u.urlopen('http://127.0.0.1/').status)"
    assert machine.run(["python3", "-c", page]).stdout == "200\n"
    assert machine.login(["sudo", "-n", "id", "-u"], user="admin").stdout == "0\n", "with all its rights"
    machine.run(["sh", "-c", "rm -f /var/log/syslog.seen; logger said-by-the-lab"], check=True)
    wait_for("the message", 60, lambda: "said-by-the-lab" in machine.get("/var/log/syslog"))


@pytest.fixture
def served(host: Nspawn) -> Nspawn:
    """A machine on which the four real services run, and those that are only tried."""
    for name, (lines, _options) in TRIED.items():
        unit(host, name, lines)
    host.sh("echo '@reboot root date > /var/lib/job' > /etc/cron.d/lab")
    host.sh("systemctl enable --quiet nginx rsyslog 2>&1")  # syslog.socket looks for its alias
    host.sh(f"systemctl daemon-reload; systemctl start nginx rsyslog {' '.join(TRIED)}")
    return host


def test_confined_as_proposed_they_do_their_work(served: Nspawn, note: Note) -> None:
    product = Product(served)
    works(served)
    before = exposures(served)
    foretold: dict[str, str] = {}
    wanted: dict[str, Sequence[str]] = {name: ["--recommended"] for name in REAL}
    wanted |= {f"{name}.service": options for name, (_lines, options) in TRIED.items()}
    for name, options in wanted.items():
        said = product.call("sandbox", name, *options, "--force", "--json", "--plan", PLAN, allowed=(0, 1))
        account = json.loads(said.stdout)["exposure"]
        assert f"{account['now']:.1f}" == before[name]
        foretold[name] = f"{account['chosen']:.1f}"
    product.call("script", PLAN, "-o", SCRIPT)
    served.sh("rm -f /run/crond.reboot")  # so that cron takes its restart for the first of this boot
    product.script("apply", "--deadline", "900")
    product.script("confirm")
    after = exposures(served)
    note(f"sandbox, exposure: {', '.join(f'{name} {before[name]} -> {after[name]}' for name in wanted)}")
    assert {name: after[name] for name in wanted} == foretold
    assert len(wanted) >= 10
    assert float(after["nginx.service"]) < 3.0
    held = status(served, "nginx.service")
    assert (held["NoNewPrivs"], held["Seccomp"]) == ("1", "2")
    assert int(held["CapBnd"], 16).bit_count() == 7
    works(served)
    wait_for("the job of cron", 60, lambda: served.exists("/var/lib/job"))
    assert all(served.sh(f"systemctl is-active {name}") == "active\n" for name in wanted)
    product.script("rollback")
    assert {name: exposures(served)[name] for name in wanted} == {name: before[name] for name in wanted}
    works(served)


def row(account: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next(one for one in account["directives"] if one["name"] == name)


def test_what_would_break_is_warned_about_and_breaks(host: Nspawn, note: Note) -> None:
    """And the script, when somebody insists, takes it back: the service runs."""
    product = Product(host)
    for name, (program, _directive, _sign) in NEEDY.items():
        unit(host, f"needy-{name}", "", f'/usr/bin/python3 -c "{program}"')
    host.sh(f"systemctl daemon-reload; systemctl start {' '.join(f'needy-{name}' for name in NEEDY)}")
    for name, (_program, directive, sign) in NEEDY.items():
        service = f"needy-{name}.service"
        await_warning(product, service, directive, sign)
        refused = product.call("sandbox", service, "--set", directive, "--plan", PLAN, allowed=(2,))
        assert "not put into the plan" in refused.stderr
        host.run(["rm", "-f", PLAN, SCRIPT])
        product.call("sandbox", service, "--set", directive, "--plan", PLAN, "--force", allowed=(1,))
        product.call("script", PLAN, "-o", SCRIPT)
        product.script("apply", expected=1)
        assert host.sh(f"systemctl is-active {service}") == "active\n"
        assert not host.exists(f"/etc/systemd/system/{service}.d")
    note(f"sandbox, warned about, insisted on, taken back: {', '.join(NEEDY)}")


def await_warning(product: Product, service: str, directive: str, sign: str) -> None:
    """The workbench warns as soon as the service has begun to do what it needs the right for."""

    def warned() -> bool:
        said = product.call("sandbox", service, "--set", directive, "--json", allowed=(0, 1, 3))
        found = row(json.loads(said.stdout), directive.partition("=")[0])
        return found["verdict"] == "breaks" and sign in found["why"]

    wait_for(f"a warning about {directive}", 60, warned, every=0.3)
