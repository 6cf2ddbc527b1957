"""Disk encryption: whether a mount point or swap lies on LUKS, which version, how many key slots."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
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
        chain = _chain(devices, _mount_point(snapshot, entry.subject))
        if not chain:
            kind = GapKind.ABSENT if entry.subject == "swap" else GapKind.UNSUPPORTED
            return Observation(
                Reading(gap=Gap(kind, _("no block device holds {what}").format(what=entry.subject)))
            )
        if entry.subject == "swap" and str(chain[-1].get("kname", "")).startswith("zram"):
            return Observation(Reading(gap=Gap(GapKind.ABSENT, _("swap lies in memory (zram)"))))
        luks = next((device for device in chain if device.get("fstype") == "crypto_LUKS"), None)
        text = " > ".join(
            f"{device.get('name')} ({device.get('fstype') or device.get('type')})" for device in chain
        )
        places = (Provenance("lsblk", text=text), *_crypttab(snapshot, chain))
        if entry.aspect == "encrypted":
            return Observation(Reading({"": "yes" if luks else "no"}, provenance=places), seen_at=at)
        if luks is None:
            return Observation(
                Reading(gap=Gap(GapKind.ABSENT, _("no LUKS device below {what}").format(what=entry.subject)))
            )
        if entry.aspect == "luks-version":
            return Observation(Reading({"": str(luks.get("fsver") or "")}, provenance=places), seen_at=at)
        return _keyslots(snapshot, str(luks.get("kname", "")), places)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("encryption is set up by hand: a script could destroy data"))


def _mount_point(snapshot: Snapshot, subject: str) -> str:
    if subject == "swap":
        return _SWAP
    mounts = snapshot.ask(Mounts())
    held = None if isinstance(mounts, Unread) else holder(mounts, subject)
    return held.path if held else subject


def _chain(devices: Any, point: str) -> list[Mapping[str, Any]]:
    """The devices from a disk down to the one mounted at ``point``; empty when there is none."""
    for device in devices if isinstance(devices, list) else []:
        if point in (device.get("mountpoints") or []):
            return [device]
        below = _chain(device.get("children"), point)
        if below:
            return [device, *below]
    return []


def _crypttab(snapshot: Snapshot, chain: list[Mapping[str, Any]]) -> tuple[Provenance, ...]:
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


def _keyslots(snapshot: Snapshot, device: str, places: tuple[Provenance, ...]) -> Observation:
    if not _DEVICE.fullmatch(device):
        return missing(Gap(GapKind.UNSUPPORTED, device))
    dump, at = snapshot.ask_timed(Command(("cryptsetup", "luksDump", f"/dev/{device}"), needs_root=True))
    if isinstance(dump, Unread):
        return Observation(nothing(dump, "cryptsetup luksDump"), seen_at=at)
    slots = re.findall(r"^\s+\d+: luks2$|^Key Slot \d+: ENABLED$", dump.stdout, re.MULTILINE)
    tokens = re.findall(r"^\s+\d+: (systemd-\S+|clevis)$", dump.stdout, re.MULTILINE)
    place = Provenance(f"cryptsetup luksDump /dev/{device}", text=", ".join(tokens))
    return Observation(Reading({"": str(len(slots))}, provenance=(place, *places)), seen_at=at)
