"""The kernel's command line, its build options, what is loaded into it, and the boot loader's password."""

from __future__ import annotations

import pytest

from hardentui.assess import assess
from hardentui.model import Finding, Result
from hardentui.resources.kernel.loader import boot_entries
from hardentui.snapshot import Reason, Unread

from .hosts import DictHost, snapshot
from .sittings import CHECKLISTS

GRUB = """set superusers="admin"
password_pbkdf2 admin grub.pbkdf2.sha512.10000.AB.CD
menuentry 'Debian GNU/Linux' --class debian {
	linux	/boot/vmlinuz-6.1.0-28-amd64 root=UUID=1 ro quiet iommu=force
}
submenu 'Advanced options for Debian GNU/Linux' {
	menuentry 'Debian, with Linux 6.1.0-25-amd64' {
		linux	/boot/vmlinuz-6.1.0-25-amd64 root=UUID=1 ro quiet mitigations=off
	}
	menuentry 'Debian, with Linux 6.1.0-25-amd64 (recovery mode)' {
		linux	/boot/vmlinuz-6.1.0-25-amd64 root=UUID=1 ro single
	}
}
"""
BLS = "title AlmaLinux (5.14)\nlinux /vmlinuz-5.14\noptions $kernelopts $tuned_params\noptions audit=1\n"
CONFIG = "/boot/config-6.1.0-28-amd64"


def found(host: DictHost, id_: str) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    return assess([entry], snapshot(host), {})[0]


def host(cmdline: str, **files: str) -> DictHost:
    return DictHost({"/boot/grub/grub.cfg": GRUB, **files}, kernel={"/proc/cmdline": cmdline})


def test_each_entry_that_starts_the_system_is_read_and_no_rescue_entry():
    entries = boot_entries(snapshot(host("quiet")))
    assert [entry.title for entry in entries] == ["Debian GNU/Linux", "Debian, with Linux 6.1.0-25-amd64"]
    assert entries[0].arguments == ("root=UUID=1", "ro", "quiet", "iommu=force")
    assert (entries[1].place, entries[1].line) == ("/boot/grub/grub.cfg", 8)


def test_an_entry_of_the_menu_that_weakens_is_named_though_the_running_kernel_is_well():
    seen = found(host("ro quiet"), "kernel.command-line.weakening")
    assert seen.result is Result.FAIL
    assert "Debian, with Linux 6.1.0-25-amd64 mitigations=off" in seen.message


def test_what_runs_but_no_longer_boots_so_is_drift():
    seen = found(host("ro mitigations=off"), "kernel.command-line.weakening")
    assert (seen.result, seen.running) == (Result.FAIL, "mitigations=off")


def test_a_parameter_counts_as_the_kernel_takes_it_the_last_one():
    assert found(host("iommu=force iommu=off"), "kernel.command-line.iommu").running == "lacking: iommu=force"
    assert found(host("iommu=off iommu=force"), "kernel.command-line.iommu").running == "complete"


def test_loader_entries_take_the_variables_of_grub():
    files = {
        "/boot/loader/entries/a.conf": BLS,
        "/boot/grub2/grubenv": "# GRUB Environment Block\nkernelopts=root=/dev/vda1 ro iommu=force\n####",
    }
    (entry,) = boot_entries(snapshot(DictHost(files)))
    assert entry.arguments == ("root=/dev/vda1", "ro", "iommu=force", "audit=1")


def test_a_loader_that_cannot_be_read_is_never_a_pass():
    hidden = DictHost({"/boot/grub/grub.cfg": Unread(Reason.DENIED)}, kernel={"/proc/cmdline": "iommu=force"})
    for id_ in ("kernel.command-line.weakening", "kernel.command-line.iommu", "attacker.boot-chain"):
        assert found(hidden, id_).result is Result.UNKNOWN
    other = DictHost({}, kernel={"/proc/cmdline": "iommu=force"})
    assert found(other, "kernel.command-line.iommu").result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (GRUB, Result.PASS),
        (GRUB.replace("set superusers", "# set superusers"), Result.FAIL),
        (GRUB.replace("password_pbkdf2", "# password_pbkdf2"), Result.FAIL),
    ],
)
def test_the_loader_is_protected_by_a_superuser_and_a_password_together(text, result):
    assert found(DictHost({"/boot/grub/grub.cfg": text}), "attacker.boot-chain").result is result


def test_the_password_of_the_rhel_family_stands_in_a_file_of_its_own():
    files = {
        "/boot/grub2/grub.cfg": 'set superusers="root"\nmenuentry "x" {\n}\n',
        "/boot/grub2/user.cfg": "GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.AB.CD\n",
    }
    assert found(DictHost(files), "attacker.boot-chain").result is Result.PASS
    del files["/boot/grub2/user.cfg"]
    assert found(DictHost(files), "attacker.boot-chain").result is Result.FAIL


def test_build_options_show_where_they_differ():
    config = "CONFIG_SECCOMP=y\nCONFIG_SECCOMP_FILTER=y\nCONFIG_SECURITY=y\n"
    seen = found(DictHost({CONFIG: config}), "kernel.build.primitives")
    assert (seen.result, seen.running) == (Result.INFORMATIONAL, "differs: SECURITY_YAMA=n")
    whole = DictHost({CONFIG: config + "CONFIG_SECURITY_YAMA=y\n"})
    assert found(whole, "kernel.build.primitives").result is Result.PASS


def test_an_option_that_became_the_rule_counts_as_met():
    config = "CONFIG_PAGE_POISONING=y\nCONFIG_SLAB_FREELIST_RANDOM=y\nCONFIG_SLAB_FREELIST_HARDENED=y\n"
    config += "CONFIG_SLUB_DEBUG=y\n"
    assert found(DictHost({CONFIG: config}), "kernel.build.allocator").result is Result.PASS


def test_a_configuration_that_cannot_be_read_is_unknown():
    assert found(DictHost({}), "kernel.build.memory").result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("kernel", "value", "result"),
    [
        (
            {"/sys/kernel/security/lockdown": "none [integrity] confidentiality"},
            "lockdown=integrity",
            Result.PASS,
        ),
        ({"/sys/kernel/security/lockdown": "[none] integrity"}, "open", Result.FAIL),
        ({"/sys/module/module/parameters/sig_enforce": "Y"}, "signed-modules", Result.PASS),
        ({"/sys/kernel/security/lockdown": Unread(Reason.DENIED)}, "", Result.UNKNOWN),
    ],
)
def test_what_keeps_foreign_code_out_of_the_kernel(kernel, value, result):
    seen = found(DictHost({CONFIG: "CONFIG_MODULES=y\n"}, kernel=kernel), "attacker.kernel-injection")
    assert (seen.result, seen.running) == (result, value)


def test_foreign_modules_are_named_from_the_taint_bits():
    tainted = DictHost({}, kernel={"/proc/sys/kernel/tainted": str(1 << 12 | 1 << 13 | 1 << 9)})
    assert found(tainted, "attacker.foreign-modules").running == "out-of-tree unsigned"
    assert (
        found(DictHost({}, kernel={"/proc/sys/kernel/tainted": "512"}), "attacker.foreign-modules").result
        is Result.PASS
    )
