"""SELinux on a virtual machine: what is shown is what its own tools say; the way to enforcing, and back."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable

import pytest
from rig.product import Product
from rig.vm import Vm

from hardentui.host.selinux import RELABELLING, parse_relabelling

# Beside the other virtual machine, on a disk of its own.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("second-vm")]

CHAPTER = "selinux"
ENFORCING = "selinux.enforcing"
CONFIG = "/etc/selinux/config"
# The kernel's log has what came before auditd, and auditd's log the rest.
LOGS = "dmesg; cat /var/log/audit/audit.log 2>/dev/null || :"
DENIED = re.compile(r"audit\(([\d.:]+)\): (avc:  denied .* scontext=\w+:\w+:(\w+):.*)")


def mode(vm: Vm) -> tuple[str, str]:
    """Now, and at the next start: in the words of SELinux's own tools."""
    return vm.sh("getenforce").strip(), vm.sh(f"sed -n s/^SELINUX=//p {CONFIG}").strip()


def denied(vm: Vm) -> Counter[str]:
    """How often each domain was denied something since the start, each record counted once."""
    return Counter(domain for _id, _record, domain in set(DENIED.findall(vm.sh(LOGS))))


def test_what_is_shown_is_what_the_tools_of_selinux_say(selinux_vm: Vm) -> None:
    vm = selinux_vm
    vm.write_boot_entry()
    vm.sh("setsebool ssh_sysadm_login off")  # without -P: until the next start
    vm.sh("chcon -t default_t /etc/shadow")
    found = Product(vm).scan(plan=False, chapter=CHAPTER)
    assert (found[ENFORCING]["running"], found[ENFORCING]["boot"]) == ("permissive", "permissive")
    assert mode(vm) == ("Permissive", "permissive")

    modules = len(vm.sh("semodule -l").splitlines())
    assert found["selinux.policy"]["running"] == "default"
    assert f"{modules} modules" in [place["text"] for place in found["selinux.policy"]["provenance"]]

    states = [line.split(" --> ") for line in vm.sh("getsebool -a").splitlines()]
    on = sum(state == "on" for _name, state in states)
    assert (
        found["selinux.booleans"]["running"] == f"{len(states)} booleans, {on} on, 1 otherwise after a start"
    )
    login = found["selinux.boolean-ssh-sysadm"]
    assert (login["running"], login["boot"], login["drift"]) == ("restricted", "open", "lost-at-reboot")

    contexts = {place["place"]: place["text"] for place in found["mac.selinux-contexts"]["provenance"]}
    for unit in ("ssh.service", "cron.service", "systemd-journald.service"):
        pid = vm.sh(f"systemctl show --value -p MainPID {unit}").strip()
        assert contexts[unit].startswith(vm.sh(f"ps -o label= -p {pid}").strip() + ":")
    labels = {place["place"]: place["text"] for place in found["mac.ls-z-example"]["provenance"]}
    for path, label in labels.items():
        assert label == vm.sh('stat -c %C "$1"', path).strip()

    noted = denied(vm)
    assert noted, "a start that SELinux has nothing to say about: then this shows nothing"
    head, _colon, shares = found["mac.denials"]["running"].partition(": ")
    assert head == f"0 denied, {noted.total()} noted"
    assert dict(part.split() for part in shares.split(", ")) == {
        name: str(number) for name, number in noted.most_common(5)
    }

    # The whole search takes minutes here; the same command on one folder.
    wrong = parse_relabelling(vm.run([*RELABELLING[:-1], "/etc"]).stdout)
    assert [(one.path, one.label.split(":")[2], one.expected.split(":")[2]) for one in wrong] == [
        ("/etc/shadow", "default_t", "shadow_t")
    ]


def test_the_way_to_enforcing_and_back(selinux_vm: Vm, note: Callable[[str], None]) -> None:
    vm = selinux_vm
    vm.write_boot_entry()
    product = Product(vm)
    product.decide([ENFORCING], [CHAPTER])
    label = vm.sh(f"stat -c %C {CONFIG}")

    stopped = product.script("apply", "--deadline", "30", expected=3)
    assert "enforce: waits at a checkpoint; nothing was changed" in stopped.stderr
    assert set(re.findall(r"^    (\w+_t) ", stopped.stdout, re.MULTILINE)) == set(denied(vm))
    vm.sh("chcon -t default_t /usr/bin/login")
    stopped = product.script("apply", "--deadline", "30", expected=3)
    assert "/usr/bin/login has no label of the policy" in stopped.stderr
    assert mode(vm) == ("Permissive", "permissive")
    vm.sh("restorecon /usr/bin/login")

    begin = time.monotonic()
    product.script("apply", "--deadline", "30")
    assert mode(vm) == ("Enforcing", "enforcing")
    product.wait_taken_back(330)
    assert mode(vm) == ("Permissive", "permissive")
    note(f"{vm.name}: nobody confirmed: permissive again after {time.monotonic() - begin:.0f} s")

    product.script("apply", "--deadline", "900")
    product.script("confirm")
    vm.reboot()
    assert mode(vm) == ("Enforcing", "enforcing")
    assert vm.sh("systemctl is-system-running").strip() == "running"
    found = product.scan(chapter=CHAPTER)
    assert (found[ENFORCING]["result"], found[ENFORCING]["drift"]) == ("pass", None)
    assert found["mac.denials"]["running"].startswith(f"{denied(vm).total()} denied, 0 noted")
    product.script("rollback")
    assert mode(vm) == ("Permissive", "permissive")
    assert vm.sh(f"stat -c %C {CONFIG}") == label
