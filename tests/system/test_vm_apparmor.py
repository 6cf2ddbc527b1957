"""AppArmor on the virtual machine: what is shown is what its own tools say, and a profile really enforces."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

import pytest
from rig.product import Product
from rig.vm import Vm

pytestmark = pytest.mark.xdist_group("second-vm")  # beside the other virtual machine

SLEEPER = "/usr/local/bin/sleeper"  # a program with a profile; so is its copy of cat, which reads
READER = "/usr/local/bin/reader"
FILE = "/etc/apparmor.d/local-tools"
PROFILES = f"""\
abi <abi/3.0>,
#include <tunables/global>
profile sleeper {SLEEPER} flags=(complain) {{
  {SLEEPER} mr,
}}
profile reader {READER} flags=(attach_disconnected, complain) {{
  #include <abstractions/base>
  {READER} mr,
  /etc/hostname r,
}}
"""


def modes(vm: Vm) -> Mapping[str, str]:
    """The mode of each profile."""
    told: Mapping[str, Mapping[str, str]] = json.loads(vm.sh("aa-status --json"))
    return told["profiles"]


def reads(vm: Vm, path: str) -> bool:
    return vm.run([READER, path]).returncode == 0


def test_profiles_are_seen_and_enforced_and_complain_again(vm: Vm) -> None:
    vm.write_boot_entry()
    vm.sh(f"cp /bin/sleep {SLEEPER}; cp /bin/cat {READER}")
    vm.sh(f"setsid {SLEEPER} 900 >/dev/null 2>&1 &")  # it runs before there is a profile for it
    vm.put(PROFILES.encode(), FILE, "0644")
    vm.sh(f"apparmor_parser --replace {FILE}")
    before = modes(vm)
    assert (before["sleeper"], before["reader"]) == ("complain", "complain")
    assert reads(vm, "/etc/machine-id")  # noted, not denied
    product = Product(vm)
    found = product.scan(plan=False, chapter="selinux")
    counts = "".join(f", {number} {mode}" for mode, number in sorted(Counter(before.values()).items()))
    assert found["apparmor.profiles"]["running"] == f"{len(before)} profiles{counts}"
    assert found["apparmor.enforced"]["running"] == found["apparmor.enforced"]["boot"] == "reader, sleeper"
    assert found["apparmor.enabled"]["result"] == "pass"
    assert found["apparmor.beside-profile"]["running"] == "sleeper"
    assert found["mac.denials"]["running"] == "0 denied, 1 noted: reader 1"
    assert found["selinux.enforcing"]["result"] == "notapplicable"

    product.decide(["apparmor.enforced"], ["selinux"])
    product.script("apply", "--deadline", "900")
    assert set(modes(vm).values()) == {"enforce"}
    assert reads(vm, "/etc/hostname")
    assert not reads(vm, "/etc/machine-id")
    product.script("rollback")
    assert modes(vm) == before
    assert reads(vm, "/etc/machine-id")
    assert vm.get(FILE) == PROFILES
