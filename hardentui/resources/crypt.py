"""Disk encryption: whether a mount point or swap lies on LUKS, which version, how many key slots."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import missing, nothing
from hardentui.resources.mount.boot import holder
from hardentui.snapshot import Command, File, Mounts, Snapshot, Unread

ASPECTS = ("encrypted", "luks-version", "keyslots")
_LSBLK = Command(("lsblk", "--json", "--output", "NAME,KNAME,TYPE,FSTYPE,FSVER,MOUNTPOINTS"))
_DEVICE = re.compile(r"[a-z][a-z0-9-]{1,30}")
_SWAP = "[SWAP]"
_Chain = list[Mapping[str, Any]]


class Crypt:
    """The resource "crypt"."""

    name = "crypt"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if subject != "swap" and not subject.startswith("/"):
            return f"expected a mount point or swap, found {subject!r}"
        return None if aspect in ASPECTS else f"expected an aspect of {', '.join(ASPECTS)}, found {aspect!r}"

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        listed, at = snapshot.ask_timed(_LSBLK)
        if isinstance(listed, Unread):
            return Observation(nothing(listed, "lsblk"), seen_at=at)
        try:
            devices = json.loads(listed.stdout)["blockdevices"]
        except (ValueError, KeyError, TypeError):
            return missing(Gap(GapKind.FAILED, _("lsblk printed no list of devices")))
        found = list(_chains(devices, _mount_point(snapshot, entry.subject)))
        if not found:
            kind = GapKind.ABSENT if entry.subject == "swap" else GapKind.UNSUPPORTED
            return missing(Gap(kind, _("no block device holds {what}").format(what=entry.subject)))
        chains = [chain for chain in found if not _is_zram(chain)]
        if not chains:
            return missing(Gap(GapKind.ABSENT, _("swap lies in memory (zram)")))
        places = tuple(place for chain in chains for place in _places(snapshot, chain))
        # Swap may lie on several devices, and a file system too: each must hold.
        locked = {_named(chain) if len(chains) > 1 else "": _luks(chain) for chain in chains}
        if entry.aspect == "encrypted":
            values = {part: "yes" if luks else "no" for part, luks in locked.items()}
            return Observation(Reading(values, provenance=places), seen_at=at)
        luks_only = {part: luks for part, luks in locked.items() if luks is not None}
        if not luks_only:
            return missing(Gap(GapKind.ABSENT, _("no LUKS device below {what}").format(what=entry.subject)))
        if entry.aspect == "luks-version":
            versions = {part: str(luks.get("fsver") or "") for part, luks in luks_only.items()}
            return Observation(Reading(versions, provenance=places), seen_at=at)
        return _keyslots(
            snapshot, {part: str(luks.get("kname", "")) for part, luks in luks_only.items()}, places
        )

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("encryption is set up by hand: a script could destroy data"))


def _mount_point(snapshot: Snapshot, subject: str) -> str:
    if subject == "swap":
        return _SWAP
    mounts = snapshot.ask(Mounts())
    held = None if isinstance(mounts, Unread) else holder(mounts, subject)
    return held.path if held else subject


def _chains(devices: Any, point: str) -> Iterator[_Chain]:
    """The devices from a disk down to each one that is mounted at ``point``, or swapped to."""
    for device in devices if isinstance(devices, list) else []:
        if point in (device.get("mountpoints") or []):
            yield [device]
        for below in _chains(device.get("children"), point):
            yield [device, *below]


def _named(chain: _Chain) -> str:
    return ">".join(str(device.get("name")) for device in chain)


def _is_zram(chain: _Chain) -> bool:
    return str(chain[-1].get("kname", "")).startswith("zram")


def _luks(chain: _Chain) -> Mapping[str, Any] | None:
    return next((device for device in chain if device.get("fstype") == "crypto_LUKS"), None)


def _places(snapshot: Snapshot, chain: _Chain) -> tuple[Provenance, ...]:
    text = " > ".join(
        f"{device.get('name')} ({device.get('fstype') or device.get('type')})" for device in chain
    )
    return (Provenance("lsblk", text=text), *_crypttab(snapshot, chain))


def _crypttab(snapshot: Snapshot, chain: _Chain) -> tuple[Provenance, ...]:
    text = snapshot.ask(File("/etc/crypttab"))
    if isinstance(text, Unread):
        return ()
    names = {device.get("name") for device in chain}
    return tuple(
        # The third field may name a key file; the options that follow hold no secret.
        Provenance("/etc/crypttab", line=number, text=line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.split() and line.split()[0] in names
    )


def _keyslots(snapshot: Snapshot, devices: Mapping[str, str], places: tuple[Provenance, ...]) -> Observation:
    slots: dict[str, str] = {}
    headers: list[Provenance] = []
    seen_at = 0.0
    for part, device in devices.items():
        if not _DEVICE.fullmatch(device):
            return missing(Gap(GapKind.UNSUPPORTED, device))
        dump, seen_at = snapshot.ask_timed(
            Command(("cryptsetup", "luksDump", f"/dev/{device}"), needs_root=True)
        )
        if isinstance(dump, Unread):
            return Observation(nothing(dump, "cryptsetup luksDump"), seen_at=seen_at)
        used = re.findall(r"^\s+\d+: luks2$|^Key Slot \d+: ENABLED$", dump.stdout, re.MULTILINE)
        tokens = re.findall(r"^\s+\d+: (systemd-\S+|clevis)$", dump.stdout, re.MULTILINE)
        slots[part] = str(len(used))
        headers.append(Provenance(f"cryptsetup luksDump /dev/{device}", text=", ".join(tokens)))
    return Observation(Reading(slots, provenance=(*headers, *places)), seen_at=seen_at)
