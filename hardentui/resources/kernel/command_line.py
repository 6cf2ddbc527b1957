"""The kernel command line: what the kernel was started with, and what the boot loader will give it next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import nothing
from hardentui.resources.kernel.loader import boot_entries
from hardentui.snapshot import KernelFile, KernelIs, Snapshot, Unread

_CMDLINE = "/proc/cmdline"


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter and the values that do (the first is the one that is asked for); "" is the bare word."""

    name: str
    values: tuple[str, ...]
    or_else: tuple[str, ...] = ()  # whole words that do as much
    x86: bool = False


WANTED: Mapping[str, tuple[_Parameter, ...]] = {
    "memory": (
        _Parameter("l1tf", ("full,force",), x86=True),
        _Parameter("page_poison", ("1", "on"), or_else=("init_on_free=1",)),
        _Parameter("pti", ("on",), x86=True),
        _Parameter("slab_nomerge", ("", "yes")),
        _Parameter("slub_debug", ("FZP", "FZ"), or_else=("slab_debug=FZP", "slab_debug=FZ")),
        _Parameter("spec_store_bypass_disable", ("seccomp", "on")),
        _Parameter("spectre_v2", ("on",), x86=True),
        _Parameter("mds", ("full,nosmt",), x86=True),
        _Parameter("mce", ("0",), x86=True),
        _Parameter("page_alloc.shuffle", ("1", "Y", "y", "on")),
        _Parameter("rng_core.default_quality", ("500",)),
    ),
    "iommu": (_Parameter("iommu", ("force",)),),
    "audit": (_Parameter("audit", ("1", "on")),),
}
# What switches a protection of the processor or of the memory off.
WEAKENING = frozenset(
    {
        "nosmep", "nosmap", "nopti", "pti=off", "nokaslr", "noexec=off", "noexec32=off",
        "mitigations=off", "nospectre_v1", "nospectre_v2", "spectre_v2=off", "spectre_v2_user=off",
        "nospec_store_bypass_disable", "spec_store_bypass_disable=off", "l1tf=off", "mds=off",
        "tsx_async_abort=off", "kvm.nx_huge_pages=off", "mmio_stale_data=off", "retbleed=off",
        "srbds=off", "gather_data_sampling=off", "spec_rstack_overflow=off",
        "reg_file_data_sampling=off", "vsyscall=emulate", "vsyscall=native",
        "randomize_kstack_offset=off", "init_on_alloc=0", "hardened_usercopy=off", "rodata=off",
        "module.sig_enforce=0",
    }
)  # fmt: skip


class CommandLine:
    """The resource "command-line".

    For "weakening" the value is the words that weaken, or "none"; else "complete", or what is lacking.
    """

    name = "command-line"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        known = (*WANTED, "weakening")
        if aspect or subject not in known:
            return f"expected one of {', '.join(known)} and no aspect, found {subject!r} {aspect!r}"
        return None

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        kernel = snapshot.ask(KernelIs())
        machine = "" if isinstance(kernel, Unread) else kernel.machine
        boot = _boot(snapshot, entry.subject, machine)
        if not snapshot.live:
            return Observation(None, (boot,), seen_at=snapshot.taken_at)
        line, at = snapshot.ask_timed(KernelFile(_CMDLINE))
        if isinstance(line, Unread):
            return Observation(nothing(line, _CMDLINE), (boot,), seen_at=at)
        value = _judge(entry.subject, line.split(), machine)
        running = Reading({"": value}, provenance=(Provenance(_CMDLINE, text=line),))
        return Observation(running, (boot,), seen_at=at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("the boot loader is configured by a person: see the procedure"))


def _boot(snapshot: Snapshot, subject: str, machine: str) -> Reading:
    entries = boot_entries(snapshot)
    if isinstance(entries, Gap):
        return Reading(gap=entries)
    judged = {entry: _judge(subject, entry.arguments, machine) for entry in entries}
    places = tuple(Provenance(e.place, line=e.line, text=" ".join(e.arguments)) for e in entries)
    # One value where all kernels are started alike; else each under the name of its entry.
    if len(set(judged.values())) == 1:
        return Reading({"": next(iter(judged.values()))}, provenance=places)
    return Reading({entry.title or entry.place: value for entry, value in judged.items()}, provenance=places)


def _judge(subject: str, words: Iterable[str], machine: str) -> str:
    given = list(words)
    if subject == "weakening":
        return " ".join(word for word in given if word in WEAKENING) or "none"
    last = {name: (value if equals else "") for name, equals, value in (w.partition("=") for w in given)}
    lacking = [
        parameter.name + (f"={parameter.values[0]}" if parameter.values[0] else "")
        for parameter in WANTED[subject]
        if (machine in {"", "x86_64"} or not parameter.x86)
        and last.get(parameter.name) not in parameter.values
        and not set(parameter.or_else) & set(given)
    ]
    return f"lacking: {' '.join(lacking)}" if lacking else "complete"
