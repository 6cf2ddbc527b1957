"""What the machine and its firmware say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import nothing, one, wrong_subject
from hardentui.snapshot import File, KernelFile, KernelIs, Reason, Snapshot, Stat, Unread

_WIDE = frozenset({"x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "riscv64", "loongarch64"})
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SECURITY = "/sys/firmware/dmi/entries/24-0/raw"
# SMBIOS 3.x, 7.25: byte 4, bits 3:2 of the "Hardware Security" structure.
_PASSWORD = {0: "disabled", 1: "enabled"}
_PORTABLE = frozenset({8, 9, 10, 11, 14, 30, 31, 32})


class Hardware:
    """The resource "hardware"."""

    name = "hardware"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        reading = _SUBJECTS[entry.subject](snapshot)
        return Observation(reading, seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("only a person can change this, in the firmware or by a new installation"))


def _absent(why: str) -> Reading:
    return Reading(gap=Gap(GapKind.ABSENT, why))


def _bits(snapshot: Snapshot) -> Reading:
    kernel = snapshot.ask(KernelIs())
    if isinstance(kernel, Unread):
        return nothing(kernel, "uname")
    if not kernel.machine:
        return Reading(gap=Gap(GapKind.UNSUPPORTED, _("an image does not run")))
    return one("64" if kernel.machine in _WIDE else "32", "uname -m", kernel.machine)


def _secure_boot(snapshot: Snapshot) -> Reading:
    firmware = snapshot.ask(Stat("/sys/firmware"))
    if isinstance(firmware, Unread):
        return nothing(firmware, "/sys/firmware")
    efi = snapshot.ask(Stat("/sys/firmware/efi"))
    if isinstance(efi, Unread):
        if efi.reason is not Reason.MISSING:
            return nothing(efi, "/sys/firmware/efi")
        return _absent(_("this machine was not started by UEFI"))
    variable = snapshot.ask(File(_SECURE_BOOT))
    if isinstance(variable, Unread):
        return nothing(variable, _SECURE_BOOT)
    data = variable.encode("utf-8", "surrogateescape")
    return one("enabled" if data[4:5] == b"\x01" else "disabled", _SECURE_BOOT)


def _firmware_password(snapshot: Snapshot) -> Reading:
    structure = snapshot.ask(File(_SECURITY))
    if isinstance(structure, Unread):
        gap = structure.gap(_SECURITY)
        kind = GapKind.UNSUPPORTED if gap.kind is GapKind.ABSENT else gap.kind
        return Reading(gap=Gap(kind, _("the firmware does not say (SMBIOS type 24)")))
    data = structure.encode("utf-8", "surrogateescape")
    status = _PASSWORD.get((data[4] >> 2) & 3) if len(data) > 4 else None  # noqa: PLR2004 - see _PASSWORD
    if status is None:
        return Reading(gap=Gap(GapKind.UNSUPPORTED, _("the firmware does not say (SMBIOS type 24)")))
    return one(status, _SECURITY)


def _virtualisation(snapshot: Snapshot) -> Reading:
    text = snapshot.ask(File("/proc/cpuinfo"))
    if isinstance(text, Unread):
        return nothing(text, "/proc/cpuinfo")
    flags: set[str] = set()
    for line in text.splitlines():
        if line.startswith("flags"):
            flags = set(line.partition(":")[2].split())
            break
    if "hypervisor" in flags:
        return _absent(_("this is a virtual machine: the flag is its host's to give"))
    found = sorted(flags & {"vmx", "svm"})
    return one("yes" if found else "no", "/proc/cpuinfo", " ".join(found))


def _chassis(snapshot: Snapshot) -> Reading:
    place = "/sys/class/dmi/id/chassis_type"
    text = snapshot.ask(KernelFile(place))
    if isinstance(text, Unread):
        return nothing(text, place)
    return one("portable" if text.isdigit() and int(text) in _PORTABLE else "fixed", place, text)


_SUBJECTS: Mapping[str, Callable[[Snapshot], Reading]] = {
    "bits": _bits,
    "chassis": _chassis,
    "firmware-password": _firmware_password,
    "secure-boot": _secure_boot,
    "virtualisation": _virtualisation,
}
