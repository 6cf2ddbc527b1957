"""Encryption: every device below a mount point or swap must hold, not the first one that is found."""

from __future__ import annotations

import json
from typing import Any

from hardentui.assess import assess
from hardentui.model import Finding, Result
from hardentui.resources.crypt import _LSBLK
from hardentui.snapshot import Command, Output

from .hosts import DictHost, snapshot
from .sittings import CHECKLISTS


def device(name: str, fstype: str, *below: Any, at: str = "", version: str = "") -> dict[str, Any]:
    mountpoints = [at] if at else [None]
    found = {"name": name, "kname": name, "type": "part", "fstype": fstype, "fsver": version}
    return {**found, "mountpoints": mountpoints, "children": list(below)}


def found(id_: str, *devices: Any, **commands: str) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    answers = {_LSBLK.argv: Output(json.dumps({"blockdevices": devices}))}
    for name, text in commands.items():
        answers[Command(("cryptsetup", "luksDump", f"/dev/{name}")).argv] = Output(text)
    return assess([entry], snapshot(DictHost(commands=answers)), {"role": "mobile"})[0]


SWAP = "crypt.mandatory-for-mobile.swap"


def test_one_swap_in_the_clear_is_enough_to_fail():
    locked = device("sda2", "crypto_LUKS", device("swap0", "swap", at="[SWAP]"), version="2")
    clear = device("sda3", "swap", at="[SWAP]")
    assert found(SWAP, locked).result is Result.PASS
    seen = found(SWAP, locked, clear)
    assert seen.result is Result.FAIL
    assert seen.running == "sda2>swap0 yes, sda3 no"


def test_a_volume_on_two_disks_of_which_one_is_in_the_clear_fails():
    locked = device(
        "sda2", "crypto_LUKS", device("luks", "LVM2_member", device("root", "ext4", at="/")), version="2"
    )
    clear = device("sdb1", "LVM2_member", device("root", "ext4", at="/"))
    assert found("crypt.mandatory-for-mobile", locked).result is Result.PASS
    assert found("crypt.mandatory-for-mobile", locked, clear).result is Result.FAIL
    assert found("crypt.mandatory-for-mobile", clear, locked).result is Result.FAIL


def test_swap_in_memory_beside_another_does_not_hide_it():
    zram, clear = device("zram0", "swap", at="[SWAP]"), device("sda3", "swap", at="[SWAP]")
    assert found(SWAP, zram).result is not Result.PASS
    assert found(SWAP, zram, clear).result is Result.FAIL


def test_every_luks_header_counts_its_slots():
    dump = "Keyslots:\n  0: luks2\n  1: luks2\nTokens:\n"
    locked = device("sda2", "crypto_LUKS", device("root", "ext4", at="/"), version="2")
    assert found("crypt.escrow-key", locked, sda2=dump).running == "2"
    other = device("sdb2", "crypto_LUKS", device("root", "ext4", at="/"), version="2")
    both = found("crypt.escrow-key", locked, other, sda2=dump, sdb2=dump.replace("  1: luks2\n", ""))
    assert both.running == "sda2>root 2, sdb2>root 1"
