"""Virtual machines: whether this host is one, runs some, and has what it takes to run them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from hardentui.i18n import _, ngettext
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import names_or_none, nothing, wrong_subject
from hardentui.resources.mount.boot import container
from hardentui.snapshot import (
    Accounts,
    File,
    Groups,
    KernelFile,
    KernelIs,
    Processes,
    Reason,
    Snapshot,
    Stat,
    Status,
    Unread,
)

KVM = "/dev/kvm"
_CPU, _MODULES = "/proc/cpuinfo", "/proc/modules"
_X86 = frozenset({"x86_64", "i686", "i386"})
_EXTENSIONS = {"vmx": "Intel VT-x", "svm": "AMD-V"}
# What a machine is called where a hypervisor made it up: first the maker, then the word of the course.
_MAKERS = (
    ("QEMU", "KVM"),
    ("KVM", "KVM"),
    ("Bochs", "KVM"),
    ("VMware", "VMware"),
    ("innotek", "VirtualBox"),
    ("VirtualBox", "VirtualBox"),
    ("Xen", "Xen"),
    ("Microsoft", "Hyper-V"),
    ("Amazon EC2", "Amazon EC2"),
    ("Google", "Google"),
    ("OpenStack", "OpenStack"),
    ("Parallels", "Parallels"),
)
_DMI = tuple(f"/sys/class/dmi/id/{name}" for name in ("sys_vendor", "product_name", "bios_vendor"))
# Each runs one virtual machine, or manages those of the host.
_HYPERVISORS = re.compile(
    r"qemu-system-.*|qemu-kvm|qemu|kvm|firecracker|cloud-hyperviso.*|VBoxHeadless|VirtualBoxVM|vmware-vmx"
    r"|xenstored|oxenstored|xenconsoled|libvirtd|virtqemud|bhyve"
)
_DRIVERS = re.compile(r"kvm(?:_\w+)?|vboxdrv|vmmon|xen_(?:gntdev|evtchn)")


class Virtualisation:
    """The resource "virtualisation"."""

    name = "virtualisation"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if not snapshot.live:
            return Observation(None, seen_at=snapshot.taken_at)
        return Observation(_SUBJECTS[entry.subject](snapshot), seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("only a person can change this, in the firmware or with the machines"))


def _flags(snapshot: Snapshot) -> frozenset[str] | Unread:
    """The features of the first processor; none where they are not called so (ARM, POWER)."""
    text = snapshot.ask(File(_CPU))
    if isinstance(text, Unread):
        return text
    lines = (line.partition(":") for line in text.splitlines())
    return frozenset(next((rest for name, _colon, rest in lines if name.strip() == "flags"), "").split())


def _role(snapshot: Snapshot) -> Reading:
    """What this machine is for others, and for itself: a guest or not, with machines of its own or not."""
    flags = _flags(snapshot)
    if isinstance(flags, Unread):
        return nothing(flags, _CPU)
    maker, places = _maker(snapshot, flags)
    guest = maker or ("yes" if "hypervisor" in flags else "")
    if guest:
        places.append(Provenance(_CPU, text="hypervisor" if "hypervisor" in flags else ""))
    inside = container(snapshot)
    if inside is not None:
        places.append(Provenance(_("in a container"), text=inside.detail))
    running = _running(snapshot)
    if isinstance(running, Gap):
        return Reading({"guest": guest or "no"}, running, tuple(places))
    places += [Provenance(name, text=_processes(n)) for name, n in running.items()]
    values = {"guest": guest or "no", "runs": ", ".join(running) or "none"}
    return Reading(values, provenance=(*places, *_drivers(snapshot)))


def _maker(snapshot: Snapshot, flags: frozenset[str]) -> tuple[str, list[Provenance]]:
    """Who made this machine up; "" for real hardware, or where the firmware does not say."""
    hypervisor = snapshot.ask(KernelFile("/sys/hypervisor/type"))
    if isinstance(hypervisor, str):
        return hypervisor.capitalize(), [Provenance("/sys/hypervisor/type", text=hypervisor)]
    # A computer that Microsoft or Google sells is no guest: the processor must say so, too.
    for path in _DMI if "hypervisor" in flags else ():
        text = snapshot.ask(KernelFile(path))
        if isinstance(text, Unread):
            continue
        for mark, name in _MAKERS:
            if mark in text:
                return name, [Provenance(path, text=text)]
    return "", []


def _running(snapshot: Snapshot) -> Mapping[str, int] | Gap:
    """The hypervisors that run, and how many processes of each."""
    running = snapshot.ask(Processes())
    if isinstance(running, Unread):
        return running.gap(_("processes"))
    found = Counter(one.name for one in running if _HYPERVISORS.fullmatch(one.name))
    if not found and not any(one.pid == 1 for one in running):  # hidepid= of /proc keeps those of others
        return Gap(GapKind.DENIED, _("processes"))
    return dict(sorted(found.items()))


def _processes(count: int) -> str:
    return ngettext("{count} process", "{count} processes", count).format(count=count)


def _drivers(snapshot: Snapshot) -> tuple[Provenance, ...]:
    """The modules of hypervisors that are loaded, with the number of their users; and /dev/kvm."""
    text = snapshot.ask(File(_MODULES))
    rows = [] if isinstance(text, Unread) else [line.split() for line in text.splitlines()]
    found = [
        Provenance(_MODULES, text=_("{module}, used by {count}").format(module=row[0], count=row[2]))
        for row in rows
        if len(row) > 2 and _DRIVERS.fullmatch(row[0])  # noqa: PLR2004 - name, size, users
    ]
    device = snapshot.ask(Stat(KVM))
    if isinstance(device, Status):
        found.append(Provenance(KVM, text=f"{device.mode:04o} {device.user}:{device.group}"))
    return tuple(found)


def _support(snapshot: Snapshot) -> Reading:
    """Whether virtual machines can run at the speed of the processor: its extensions, and /dev/kvm."""
    kernel = snapshot.ask(KernelIs())
    flags = _flags(snapshot)
    if isinstance(kernel, Unread):
        return nothing(kernel, "uname")
    if isinstance(flags, Unread):
        return nothing(flags, _CPU)
    device = snapshot.ask(Stat(KVM))
    if isinstance(device, Unread) and device.reason is not Reason.MISSING:
        return nothing(device, KVM)
    found = [name for flag, name in _EXTENSIONS.items() if flag in flags]
    places = (Provenance(_CPU, text=", ".join(found) or _("neither vmx nor svm")), *_drivers(snapshot))
    if kernel.machine in _X86 and not found:
        return Reading({"": "no"}, provenance=places)
    value = "yes" if isinstance(device, Status) else f"no {KVM}"
    return Reading({"": value}, provenance=places)


def _undeclared(snapshot: Snapshot) -> Reading:
    """The hypervisors that run: none is expected on a host that is not meant to have one."""
    running = _running(snapshot)
    if isinstance(running, Gap):
        return Reading(gap=running)
    places = tuple(Provenance(name, text=_processes(n)) for name, n in running.items())
    return Reading(names_or_none(running, None), provenance=places)


def _device(snapshot: Snapshot) -> Reading:
    """Mode and owner of /dev/kvm, and who is in its group."""
    seen = snapshot.ask(Stat(KVM))
    if isinstance(seen, Unread):
        return Reading(gap=seen.gap(KVM))
    groups, accounts = snapshot.ask(Groups()), snapshot.ask(Accounts())
    if isinstance(groups, Unread) or isinstance(accounts, Unread):
        unread = groups if isinstance(groups, Unread) else accounts
        gap = unread.gap("/etc/group, /etc/passwd") if isinstance(unread, Unread) else None
        return Reading({"": f"{seen.mode:04o} {seen.user}:{seen.group}"}, gap)
    members = [member for one in groups if one.gid == seen.gid for member in one.members]
    members += [one.name for one in accounts if one.gid == seen.gid]
    text = ", ".join(dict.fromkeys(members)) or _("nobody")
    place = Provenance(_("group {name}").format(name=seen.group), text=text)
    return Reading({"": f"{seen.mode:04o} {seen.user}:{seen.group}"}, provenance=(Provenance(KVM), place))


_SUBJECTS: Mapping[str, Callable[[Snapshot], Reading]] = {
    "device": _device,
    "role": _role,
    "running": _undeclared,
    "support": _support,
}
