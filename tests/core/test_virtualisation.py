"""Virtual machines: guest or host, what the role demands, and who may open /dev/kvm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.model import Result
from hardentui.snapshot import Account, File, Group, Kind, Process, Processes, Reason, Status, Unread

from . import hosts
from .isolated import judged, passed_without, texts

KVM = "/dev/kvm"
DEVICE = Status(Kind.CHARACTER, 0o660, 0, 104, "root", "kvm", 0, "0:5")
QEMU = Process(40, "qemu-system-x86_64", "libvirt-qemu", "/usr/bin/qemu-system-x86_64", "")
INIT = Process(1, "systemd", "root", "/usr/lib/systemd/systemd", "init.scope")
MODULES = "kvm_intel 368640 4 - Live 0x0\nkvm 1146880 1 kvm_intel, Live 0x0\nnf_tables 1 0 - Live 0x0\n"


def cpu(*flags: str) -> dict[str, str]:
    return {"/proc/cpuinfo": f"processor\t: 0\nflags\t\t: fpu {' '.join(flags)}\n\nprocessor\t: 1\n"}


def host(*flags: str, running=(INIT,), kvm: Status | Unread | None = None, files=None, **changes):
    stats = {KVM: kvm} if kvm else {}
    return hosts.server(files=cpu(*flags) | (files or {}), stats=stats, processes=running, **changes)


DMI = "/sys/class/dmi/id/sys_vendor"


@pytest.mark.parametrize(
    ("flags", "vendor", "guest"),
    [
        ((), "Dell Inc.", "no"),
        (("hypervisor",), "QEMU", "KVM"),
        (("hypervisor",), "VMware, Inc.", "VMware"),
        (("hypervisor",), "innotek GmbH", "VirtualBox"),
        (("hypervisor",), "Nobody knows", "yes"),
        ((), "Microsoft Corporation", "no"),  # a computer that Microsoft sells
    ],
)
def test_a_guest_is_told_with_who_made_it_up(flags, vendor, guest) -> None:
    finding = judged("virt.hypervisor", host(*flags, kernel={DMI: vendor}))
    assert finding.running == f"guest {guest}, runs none"


def test_a_host_is_told_with_its_hypervisors_modules_and_device() -> None:
    finding = judged(
        "virt.hypervisor", host("vmx", running=(QEMU, QEMU), kvm=DEVICE, files={"/proc/modules": MODULES})
    )
    assert finding.running == "guest no, runs qemu-system-x86_64"
    shown = [(place.place, place.text) for place in finding.provenance]
    assert ("/proc/modules", "kvm_intel, used by 4") in shown
    assert (KVM, "0660 root:kvm") in shown
    assert not any("nf_tables" in text for _place, text in shown)


YES, NO = {"hypervisor": "yes"}, {"hypervisor": "no"}


@pytest.mark.parametrize(
    ("flags", "kvm", "value", "result"),
    [
        (("vmx",), DEVICE, "yes", Result.PASS),
        (("svm", "hypervisor"), DEVICE, "yes", Result.PASS),
        (("vmx",), None, "no /dev/kvm", Result.FAIL),
        ((), None, "no", Result.FAIL),
        (("vmx",), Unread(Reason.DENIED), "", Result.UNKNOWN),
    ],
)
def test_a_hypervisor_needs_the_extensions_and_their_device(flags, kvm, value, result) -> None:
    finding = judged("virt.hardware-support", host(*flags, kvm=kvm), YES)
    assert (finding.running, finding.result) == (value, result)


def test_one_answer_decides_what_is_asked_of_this_host() -> None:
    seen = host("vmx", running=(QEMU,), kvm=DEVICE)
    asked = ("virt.hardware-support", "virt.undeclared", "hw.vtx-only-if-needed")
    assert [judged(id_, seen, YES).result for id_ in asked] == [
        Result.PASS,
        Result.NOTAPPLICABLE,
        Result.NOTAPPLICABLE,
    ]
    assert [judged(id_, seen, NO).result for id_ in asked] == [Result.NOTAPPLICABLE, Result.FAIL, Result.FAIL]
    assert {judged(id_, seen).result for id_ in asked} == {Result.NOTCHECKED}


def test_an_undeclared_virtual_machine_is_named_and_an_unread_list_passes_nothing() -> None:
    assert judged("virt.undeclared", host(running=(QEMU,)), NO).running == "qemu-system-x86_64"
    assert judged("virt.undeclared", host(), NO).result is Result.PASS
    unread = host()
    unread.answers[Processes] = Unread(Reason.DENIED)
    assert judged("virt.undeclared", unread, NO).result is Result.UNKNOWN
    hidden = host(running=())  # what hidepid= leaves of /proc to an ordinary user
    assert judged("virt.undeclared", hidden, NO).result is Result.UNKNOWN


def test_nothing_of_the_role_passes_without_what_it_was_judged_by() -> None:
    only_shown = {File("/proc/modules")}
    assert set(passed_without("virt.hardware-support", host("vmx", kvm=DEVICE), YES)) == only_shown
    assert passed_without("virt.undeclared", host(), NO) == []


def test_who_may_open_the_device_is_told() -> None:
    groups = (Group("kvm", 104, ("alice",)),)
    people = (Account("libvirt-qemu", 64055, 104, "/var/lib/libvirt", "/bin/false"),)
    finding = judged("virt.kvm-device", host(kvm=DEVICE, groups=groups, accounts=people))
    assert finding.running == "0660 root:kvm"
    assert texts(finding)["group kvm"] == "alice, libvirt-qemu"
    assert judged("virt.kvm-device", host()).result is Result.NOTAPPLICABLE
    unread = host(kvm=DEVICE, groups=Unread(Reason.DENIED))
    assert judged("virt.kvm-device", unread).result is Result.UNKNOWN


@pytest.mark.parametrize(
    "id_", ["virt.hypervisor", "virt.hardware-support", "virt.undeclared", "virt.kvm-device"]
)
def test_an_image_runs_nothing_and_has_no_device(id_: str) -> None:
    answers = NO if id_ == "virt.undeclared" else YES
    assert judged(id_, host(name="image"), answers).result is Result.NOTCHECKED


@given(st.text(), st.text(), st.text())
def test_no_text_of_the_kernel_or_firmware_breaks_a_view(processor: str, vendor: str, modules: str) -> None:
    files = {"/proc/cpuinfo": processor, "/proc/modules": modules}
    seen = hosts.server(files=files, kernel={DMI: vendor}, stats={KVM: DEVICE})
    for id_ in ("virt.hypervisor", "virt.hardware-support", "virt.kvm-device"):
        assert judged(id_, seen, YES).result is not Result.ERROR
