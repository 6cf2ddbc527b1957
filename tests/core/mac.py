"""Hosts in memory with SELinux or AppArmor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardentui.snapshot import (
    ConfinedProcess,
    FileLabel,
    PolicyIs,
    SecurityPolicy,
    UnitFile,
    UnitFiles,
    Unread,
)

if TYPE_CHECKING:
    from .hosts import DictHost

GRUB = "menuentry 'Linux' {{\n  linux /vmlinuz root=UUID=0a1b ro quiet{words}\n}}\n"
# Heads of profiles as Debian's apparmor-profiles ships them.
PING = "profile ping /{usr/,}bin/{,iputils-}ping flags=(complain) {"
DNSMASQ = "profile dnsmasq /usr/{bin,sbin}/dnsmasq flags=(attach_disconnected,complain) {"
PROFILES = {
    "/etc/apparmor.d/bin.ping": f"#include <tunables/global>\n{PING}\n  capability net_raw,\n}}\n",
    "/etc/apparmor.d/usr.sbin.dnsmasq": (
        f"{DNSMASQ}\n  /usr/sbin/dnsmasq mr,\n  profile libvirt_leaseshelper {{\n    /etc/x r,\n  }}\n}}\n"
    ),
    "/etc/apparmor.d/usr.sbin.ntpd": "/usr/sbin/ntpd {\n  /etc/ntp.conf r,\n}\n",
}
LOADED = (
    "ping (complain)\ndnsmasq (complain)\ndnsmasq//libvirt_leaseshelper (enforce)\n/usr/sbin/ntpd (enforce)"
)
CONFIG = "# SELINUX= can take one of three values\nSELINUX={mode}\nSELINUXTYPE=targeted\n"
POLICY = SecurityPolicy(33, True, 4000, (("deny_execmem", False), ("selinuxuser_execheap", False)), ())
LABELS = {
    "/etc": "system_u:object_r:etc_t:s0",
    "/etc/passwd": "system_u:object_r:passwd_file_t:s0",
    "/etc/shadow": "system_u:object_r:shadow_t:s0",
    "/usr/sbin/sshd": "system_u:object_r:sshd_exec_t:s0",
    "/var/log": "system_u:object_r:var_log_t:s0",
}
SERVICES = (
    ConfinedProcess(
        1, unit="init.scope", name="systemd", label="system_u:system_r:init_t:s0", label_read=True
    ),
    ConfinedProcess(
        900, 1, "sshd.service", "sshd", label="system_u:system_r:sshd_t:s0-s0:c0.c1023", label_read=True
    ),
    ConfinedProcess(
        901, 1, "thing.service", "thing", label="system_u:system_r:unconfined_service_t:s0", label_read=True
    ),
)


def with_apparmor(host: DictHost) -> DictHost:
    """AppArmor runs, two of its profiles only complain, and no start loads them."""
    host.files |= {**PROFILES, "/boot/grub/grub.cfg": GRUB.format(words="")}
    host.kernel |= {
        "/sys/module/apparmor/parameters/enabled": "Y",
        "/sys/kernel/security/lsm": "lockdown,capability,landlock,yama,apparmor,bpf",
        "/sys/kernel/security/apparmor/profiles": LOADED,
    }
    files = host.answers[UnitFiles]
    if not isinstance(files, Unread):
        host.answers[UnitFiles] = (*files, UnitFile("apparmor.service", "disabled"))
    return host


def with_selinux(host: DictHost, mode: str, grub: str = "/boot/grub/grub.cfg") -> DictHost:
    """SELinux as its file has it; where that says disabled, no policy is loaded."""
    host.kernel.pop("/sys/module/apparmor/parameters/enabled", None)
    host.kernel["/sys/kernel/security/lsm"] = "lockdown,capability,landlock,yama,selinux,bpf"
    host.kernel["/proc/cmdline"] = f"{host.kernel['/proc/cmdline']} security=selinux"
    policy = "/etc/selinux/targeted/policy/policy.33"
    host.files |= {
        grub: GRUB.format(words=" security=selinux"),
        "/etc/selinux/config": CONFIG.format(mode=mode),
        "/etc/selinux/targeted/seusers": "root:unconfined_u:s0-s0\n__default__:unconfined_u:s0-s0\n",
        policy: "",
    }
    host.given[PolicyIs(policy)] = POLICY
    host.given |= {FileLabel(path): label for path, label in LABELS.items()}
    if mode != "disabled":
        host.kernel["/sys/fs/selinux/enforce"] = "1" if mode == "enforcing" else "0"
        host.given[PolicyIs("/sys/fs/selinux/policy")] = POLICY
    return host
