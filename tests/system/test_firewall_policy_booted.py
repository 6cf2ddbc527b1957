"""A firewall policy on a booted Debian 12: traffic from elsewhere, the guard, a reboot, the way back."""

from __future__ import annotations

import re

from rig.machine import finish
from rig.nspawn import ADDRESS, ADMIN_ADDRESS, Nspawn
from rig.product import PLAN, SCRIPT, Product
from rig.state import HISTORY, assert_same, state
from rig.waiting import wait_for

ID = "firewall.policy"
TABLE = "table inet hardentui"
POLICY = f"in drop\nout accept\nin tcp 22 from {ADMIN_ADDRESS} course.ssh\nin udp 162 from any app.traps"
# What others loaded, and no file of theirs loads again.
THEIRS = "table ip nat { chain DOCKER { tcp dport 8080 dnat to 172.17.0.2:80; }; }"
_KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()
except OSError:
    sys.exit(1)
"""


def gets_in(machine: Nspawn, port: int) -> bool:
    """Whether the administrator's machine can connect."""
    argv = ["python3", "-I", "-c", _KNOCK, ADDRESS, str(port)]
    return finish(machine.beside(argv), stdin="", seconds=20, check=False).returncode == 0


def loaded(machine: Nspawn) -> str:
    """All rules, without what they counted."""
    return machine.sh("nft --stateless list ruleset")


def decide(product: Product, policy: str = POLICY) -> None:
    """A plan with this policy, and its script."""
    product.plan(ID)
    text = product.machine.sh(f"cat {PLAN}")
    quoted = policy.replace("\n", "\\n")
    changed, count = re.subn(
        r'^target = "proposed"$', lambda _: f'target = "{quoted}"', text, flags=re.MULTILINE
    )
    assert count == 1, text
    product.machine.put(changed.encode(), PLAN)
    product.call("script", PLAN, "--force", "-o", SCRIPT)


def test_a_policy_is_loaded_confirmed_kept_over_a_reboot_and_taken_back(host: Nspawn) -> None:
    host.sh("systemctl enable --now nginx")
    product = Product(host)
    found = product.scan(plan=False)[ID]
    assert (found["result"], found["running"], found["boot"]) == ("fail", "none", "none")
    before, rules = state(host), loaded(host)
    assert gets_in(host, 80)

    decide(product)
    product.script("apply")
    assert gets_in(host, 22)
    assert not gets_in(host, 80)
    assert product.scan()[ID]["result"] == "pass"
    product.script("confirm")

    host.sh("systemctl start nftables")  # an empty set of rules of its own, and ours is gone
    host.sh("systemctl reload nftables")
    wait_for("our rules, which what reloads nftables brings back", 60, lambda: TABLE in loaded(host))
    host.sh("systemctl stop nftables")

    host.reboot()
    assert not gets_in(host, 80)
    after = product.scan()[ID]
    assert (after["result"], after["drift"]) == ("pass", None)
    assert after["running"] == POLICY.replace("\n", "; ")
    product.script("status")

    product.script("rollback")
    assert gets_in(host, 80)
    assert loaded(host) == rules
    assert_same(before, state(host), "after the rollback", ignored=HISTORY)


def test_a_policy_that_locks_its_administrator_out_is_taken_back(host: Nspawn) -> None:
    host.sh(f"nft -f - <<'END'\n{THEIRS}\nEND")
    product = Product(host)
    before, rules = state(host), loaded(host)
    decide(product, "in drop\nout accept\nin tcp 22 from 192.0.2.1 course.ssh")
    product.script("apply", "--deadline", "30")
    assert not gets_in(host, 22)
    product.wait_taken_back(120)
    assert gets_in(host, 22)
    assert loaded(host) == rules
    assert_same(before, state(host), "after the guard", ignored=HISTORY)


def test_a_policy_that_lets_nobody_in_to_sshd_makes_no_script_while_nobody_says_why(host: Nspawn) -> None:
    """Nobody is connected; sshd listens by itself, or systemd does for it, on a port of its own."""
    product = Product(host)
    host.sh("echo 'Port 2222' >>/etc/ssh/sshd_config && systemctl restart ssh")
    decide(product, "in drop\nout accept\nin tcp 22 from any course.ssh")
    refused = product.call("script", PLAN, "--force", "-o", SCRIPT).stderr
    assert f"{ID} is left out: sshd listens on tcp 2222 (IPv4, IPv6)" in refused
    assert "cut in tcp 2222 any: REASON" in refused
    host.sh(
        "mkdir /etc/systemd/system/ssh.socket.d && systemctl stop ssh.service && "
        "printf '[Socket]\\nListenStream=\\nListenStream=2200\\n' "
        ">/etc/systemd/system/ssh.socket.d/port.conf && systemctl daemon-reload && systemctl start ssh.socket"
    )
    decide(product, "in drop\nout accept\nin tcp 2222 from any course.ssh")
    refused = product.call("script", PLAN, "--force", "-o", SCRIPT).stderr
    assert f"{ID} is left out: sshd listens on tcp 2200 (IPv4, IPv6)" in refused
    decide(product, "in drop\nout accept\nin tcp 2200 from 192.0.2.1 course.ssh")
    assert ID not in product.call("script", PLAN, "--force", "-o", SCRIPT).stderr


def test_a_reboot_that_nobody_confirmed_brings_no_rules_back(host: Nspawn) -> None:
    product = Product(host)
    before = state(host)
    decide(product, "in drop\nout drop\ncut in tcp 22 any: somebody sits at the machine")
    # At the machine itself: over ssh this policy would cut the very line on which apply speaks.
    host.run(["bash", SCRIPT, "apply", "--deadline", "600"], check=True)
    assert not gets_in(host, 22)
    host.reboot()
    assert gets_in(host, 22)
    assert "hardentui" not in loaded(host)
    assert_same(before, state(host), "after the reboot", ignored=HISTORY)
