"""Build options of the running kernel, in the groups of ANSSI-BP-028 (R15 to R27)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import missing, nothing
from hardentui.snapshot import KernelIs, KernelOption, Reason, Snapshot, Unread

_X86 = ("x86_64",)
_ARM = ("aarch64",)
_Release = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Option:
    """One build option and the value that is asked for ("n" where it should not be set).

    ``or_else`` are options that do as much or more, ``gone`` the release that no longer has the option,
    ``on`` the machines that know it (all where empty).
    """

    name: str
    wanted: str = "y"
    or_else: tuple[str, ...] = ()
    gone: _Release | None = None
    on: tuple[str, ...] = ()


_ZEROED = ("INIT_STACK_ALL_ZERO", "INIT_STACK_ALL_PATTERN")
GROUPS: Mapping[str, tuple[_Option, ...]] = {
    "memory": (
        _Option("STRICT_KERNEL_RWX"),
        _Option("DEBUG_WX"),
        _Option("DEBUG_FS", "n"),
        _Option("STACKPROTECTOR"),
        _Option("STACKPROTECTOR_STRONG"),
        _Option("SCHED_STACK_END_CHECK"),
        _Option("HARDENED_USERCOPY"),
        _Option("HARDENED_USERCOPY_FALLBACK", "n"),
        _Option("VMAP_STACK"),
        _Option("REFCOUNT_FULL", gone=(5, 5)),  # since then every reference counter is checked
        _Option("FORTIFY_SOURCE"),
        _Option("ACPI_CUSTOM_METHOD", "n"),
        _Option("DEVKMEM", "n"),
        _Option("PROC_KCORE", "n"),
        _Option("COMPAT_VDSO", "n"),
        _Option("SECURITY_DMESG_RESTRICT"),
        _Option("RETPOLINE", or_else=("MITIGATION_RETPOLINE",), on=_X86),
        _Option("LEGACY_VSYSCALL_NONE", on=_X86),
        _Option("LEGACY_VSYSCALL_EMULATE", "n", on=_X86),
        _Option("LEGACY_VSYSCALL_XONLY", "n", on=_X86),
        _Option("X86_VSYSCALL_EMULATION", "n", on=_X86),
    ),
    "structures": (
        _Option("DEBUG_CREDENTIALS", gone=(6, 7)),
        _Option("DEBUG_NOTIFIERS"),
        _Option("DEBUG_LIST", or_else=("LIST_HARDENED",)),
        _Option("DEBUG_SG"),
        _Option("BUG_ON_DATA_CORRUPTION"),
    ),
    "allocator": (
        _Option("SLAB_FREELIST_RANDOM"),
        _Option("SLAB_FREELIST_HARDENED"),
        _Option("SLAB_MERGE_DEFAULT", "n"),
        _Option("SLUB_DEBUG"),
        _Option("PAGE_POISONING", or_else=("INIT_ON_FREE_DEFAULT_ON",)),
        _Option("PAGE_POISONING_NO_SANITY", gone=(5, 11)),
        _Option("PAGE_POISONING_ZERO", gone=(5, 11)),
        _Option("COMPAT_BRK", "n"),
    ),
    "modules": (
        _Option("STRICT_MODULE_RWX"),
        _Option("MODULE_SIG"),
        _Option("MODULE_SIG_FORCE"),
        _Option("MODULE_SIG_ALL"),
        _Option("MODULE_SIG_SHA512", or_else=("MODULE_SIG_SHA3_512",)),
    ),
    "abnormal": (
        _Option("BUG"),
        _Option("PANIC_ON_OOPS"),
        _Option("PANIC_TIMEOUT", "0"),
    ),
    "primitives": (
        _Option("SECCOMP"),
        _Option("SECCOMP_FILTER"),
        _Option("SECURITY"),
        _Option("SECURITY_YAMA"),
        _Option("SECURITY_WRITABLE_HOOKS", "n"),
    ),
    "plugins": (
        _Option("GCC_PLUGIN_LATENT_ENTROPY"),
        _Option("GCC_PLUGIN_STACKLEAK", or_else=("KSTACK_ERASE",)),
        _Option("GCC_PLUGIN_STRUCTLEAK", or_else=_ZEROED),
        _Option("GCC_PLUGIN_STRUCTLEAK_BYREF_ALL", or_else=_ZEROED),
        _Option("GCC_PLUGIN_RANDSTRUCT", or_else=("RANDSTRUCT",)),
    ),
    "network": (_Option("SYN_COOKIES"),),
    "behaviour": (
        _Option("KEXEC", "n"),
        _Option("HIBERNATION", "n"),
        _Option("BINFMT_MISC", "n"),
        _Option("LEGACY_PTYS", "n"),
    ),
    "x86_64": (
        _Option("DEFAULT_MMAP_MIN_ADDR", "65536"),
        _Option("RANDOMIZE_BASE"),
        _Option("RANDOMIZE_MEMORY"),
        _Option("PAGE_TABLE_ISOLATION", or_else=("MITIGATION_PAGE_TABLE_ISOLATION",)),
        _Option("IA32_EMULATION", "n"),
        _Option("MODIFY_LDT_SYSCALL", "n"),
    ),
    "arm64": (
        _Option("DEFAULT_MMAP_MIN_ADDR", "32768"),
        _Option("RANDOMIZE_BASE"),
        _Option("ARM64_SW_TTBR0_PAN"),
        _Option("UNMAP_KERNEL_AT_EL0"),
    ),
}
_ONLY_ON: Mapping[str, tuple[str, ...]] = {"x86_64": _X86, "arm64": _ARM}


class KernelBuild:
    """The resource "kernel-build": the value is "as listed", or which options of a group differ."""

    name = "kernel-build"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        if aspect or subject not in GROUPS:
            return f"expected one of {', '.join(GROUPS)} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        kernel = snapshot.ask(KernelIs())
        if isinstance(kernel, Unread):
            return missing(kernel.gap("uname"))
        if not kernel.release:
            return missing(Gap(GapKind.UNSUPPORTED, _("an image does not run")))
        machines = _ONLY_ON.get(entry.subject, ())
        if machines and kernel.machine not in machines:
            return missing(Gap(GapKind.ABSENT, _("this machine is {machine}").format(machine=kernel.machine)))
        return Observation(
            _reading(snapshot, entry.subject, kernel.release, kernel.machine), seen_at=snapshot.taken_at
        )

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("only who builds the kernel can change this"))


def _reading(snapshot: Snapshot, group: str, release: str, machine: str) -> Reading:
    if group == "modules" and snapshot.ask(KernelOption("CONFIG_MODULES")) == "n":
        return Reading(gap=Gap(GapKind.ABSENT, _("this kernel loads no modules")))
    differ: list[str] = []
    places: list[Provenance] = []
    place = f"/boot/config-{release}"
    for option in GROUPS[group]:
        if option.on and machine not in option.on:
            continue
        value = snapshot.ask(KernelOption(f"CONFIG_{option.name}"))
        if isinstance(value, Unread):
            if value.reason is Reason.MISSING:  # the kernel has options, wherever they are written
                return Reading(gap=Gap(GapKind.UNSUPPORTED, f"{place}, /proc/config.gz"))
            return nothing(value, place)
        if not _is_met(snapshot, option, value, release):
            differ.append(f"{option.name}={value}")
            places.append(Provenance(place, text=f"CONFIG_{option.name}={value}, {option.wanted}"))
    value = f"differs: {' '.join(differ)}" if differ else "as listed"
    return Reading({"": value}, provenance=tuple(places) or (Provenance(place),))


def _is_met(snapshot: Snapshot, option: _Option, value: str, release: str) -> bool:
    if value == option.wanted or (option.gone and _number(release) >= option.gone):
        return True
    return any(snapshot.ask(KernelOption(f"CONFIG_{name}")) == "y" for name in option.or_else)


def _number(release: str) -> _Release:
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
