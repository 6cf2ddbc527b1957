"""What the kernel makes of its parameters: combination, defaults, one-way keys. Facts, with their source.

Source: Linux 6.1 include/linux/inetdevice.h (IN_DEV_*CONF), net/ipv4/devinet.c, net/ipv6/addrconf.c,
Documentation/networking/ip-sysctl.rst, Documentation/admin-guide/sysctl/kernel.rst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from hardentui.snapshot import KernelOption, Snapshot, Unread


class Combine(Enum):
    """How the value of ``all`` and that of an interface make the one that the kernel uses there."""

    ANY = "all or interface"  # IN_DEV_ORCONF
    BOTH = "all and interface"  # IN_DEV_ANDCONF
    HIGHEST = "the higher of all and interface"  # IN_DEV_MAXCONF
    LOWEST = "the lower of all and interface"  # ipv6 accept_source_route, exthdrs.c
    REDIRECTS = "both when it forwards, else any"  # IN_DEV_RX_REDIRECTS
    OWN = "interface alone"  # ipv6: all reaches no interface

    def of(self, all_: str, own: str, *, forwards: bool = False) -> str:
        """The value in force on an interface. Values that are no numbers are given back as they are."""
        try:
            a, b = int(all_), int(own)
        except ValueError:
            return own
        match self:
            case Combine.OWN:
                return own
            case Combine.HIGHEST:
                return str(max(a, b))
            case Combine.LOWEST:
                return str(min(a, b))
            case Combine.BOTH:
                return str(int(bool(a) and bool(b)))
            case Combine.REDIRECTS if forwards:
                return str(int(bool(a) and bool(b)))
            case _:
                return str(int(bool(a) or bool(b)))


@dataclass(frozen=True, slots=True)
class Leaf:
    """A per-interface parameter: how it combines, its built-in value for ``all`` and for an interface.

    ``reaches`` says that writing ``all`` also writes every interface (ipv6 disable_ipv6, forwarding).
    """

    combine: Combine
    all_default: str
    default: str
    reaches: bool = False


IPV4: Mapping[str, Leaf] = {
    "accept_local": Leaf(Combine.ANY, "0", "0"),
    "accept_redirects": Leaf(Combine.REDIRECTS, "1", "1"),
    "accept_source_route": Leaf(Combine.BOTH, "0", "1"),
    "arp_filter": Leaf(Combine.ANY, "0", "0"),
    "arp_ignore": Leaf(Combine.HIGHEST, "0", "0"),
    "drop_gratuitous_arp": Leaf(Combine.ANY, "0", "0"),
    "log_martians": Leaf(Combine.ANY, "0", "0"),
    "route_localnet": Leaf(Combine.ANY, "0", "0"),
    "rp_filter": Leaf(Combine.HIGHEST, "0", "0"),
    "secure_redirects": Leaf(Combine.ANY, "1", "1"),
    "send_redirects": Leaf(Combine.ANY, "1", "1"),
    "shared_media": Leaf(Combine.ANY, "1", "1"),
}
IPV6: Mapping[str, Leaf] = {
    "accept_ra_defrtr": Leaf(Combine.OWN, "1", "1"),
    "accept_ra_pinfo": Leaf(Combine.OWN, "1", "1"),
    "accept_ra_rtr_pref": Leaf(Combine.OWN, "1", "1"),
    "accept_redirects": Leaf(Combine.OWN, "1", "1"),
    "accept_source_route": Leaf(Combine.LOWEST, "0", "0"),
    "autoconf": Leaf(Combine.OWN, "1", "1"),
    "disable_ipv6": Leaf(Combine.OWN, "0", "0", reaches=True),
    "forwarding": Leaf(Combine.OWN, "0", "0", reaches=True),
    "max_addresses": Leaf(Combine.OWN, "16", "16"),
    "router_solicitations": Leaf(Combine.OWN, "-1", "-1"),
}
LEAVES: Mapping[str, Mapping[str, Leaf]] = {"net/ipv4/conf": IPV4, "net/ipv6/conf": IPV6}

# What cannot be taken back before a reboot, once it has this value (tried in a VM).
ONE_WAY: Mapping[str, frozenset[str]] = {
    "kernel/kexec_load_disabled": frozenset({"1"}),
    "kernel/modules_disabled": frozenset({"1"}),
    "kernel/unprivileged_bpf_disabled": frozenset({"1"}),
    "kernel/yama/ptrace_scope": frozenset({"3"}),
}

# The values that the kernel takes for a key; others it refuses, and keeps the one it has (EINVAL).
# Source: the ctl_table entries of Linux 6.1 (kernel/sysctl.c, kernel/pid.c, kernel/printk/sysctl.c,
# fs/exec.c, security/yama/yama_lsm.c, kernel/events/core.c, kernel/bpf/syscall.c).
LIMITS: Mapping[str, tuple[int, int]] = {
    "fs/protected_fifos": (0, 2),
    "fs/protected_hardlinks": (0, 1),
    "fs/protected_regular": (0, 2),
    "fs/protected_symlinks": (0, 1),
    "fs/suid_dumpable": (0, 2),
    "kernel/dmesg_restrict": (0, 1),
    "kernel/kptr_restrict": (0, 2),
    "kernel/perf_cpu_time_max_percent": (0, 100),
    "kernel/pid_max": (301, 4194304),
    "kernel/unprivileged_bpf_disabled": (0, 2),
    "kernel/yama/ptrace_scope": (0, 3),
}


def takes(key: str, value: str) -> bool:
    """Whether the kernel takes ``value`` for ``key``, as far as its limits are known here."""
    limits = LIMITS.get(key)
    if limits is None:
        return True
    try:
        return limits[0] <= int(value) <= limits[1]
    except ValueError:
        return False


# Order of writes: forwarding resets other values; the sample rate is refused while percent is 0 or 100.
RANKS: Mapping[str, int] = {
    "net/ipv4/ip_forward": 10,
    "net/ipv6/conf/all/forwarding": 11,
    "kernel/perf_cpu_time_max_percent": 40,
    "kernel/modules_disabled": 90,
}
RANK = 50


def built_in(snapshot: Snapshot, spec: str) -> str | None:
    """The value that a build option gives to a key: spec is "CONFIG_X" or "CONFIG_X:y=3:n=2".

    None when the options of this kernel cannot be read.
    """
    name, *cases = spec.split(":")
    value = snapshot.ask(KernelOption(name))
    if isinstance(value, Unread):
        return None
    mapped = dict(case.split("=", 1) for case in cases)
    if value in mapped:
        return mapped[value]
    if value in {"y", "m", "n"}:
        return "0" if value == "n" else "1"
    return str(int(value, 16)) if value.startswith("0x") else value


def side_effects(key: str, value: str, interfaces: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
    """What else the kernel writes when ``key`` changes to ``value``, by path below /proc/sys.

    ``interfaces`` lists the folders below net/ipv4/conf and net/ipv6/conf.
    """
    if key == "net/ipv4/ip_forward":
        forwarding = {
            f"net/ipv4/conf/{name}/forwarding": value for name in interfaces.get("net/ipv4/conf", ())
        }
        return forwarding | {"net/ipv4/conf/all/accept_redirects": "0" if value == "1" else "1"}
    folder, _all, name = key.partition("/all/")
    leaf = LEAVES.get(folder, {}).get(name)
    if leaf is not None and leaf.reaches:
        return {f"{folder}/{interface}/{name}": value for interface in interfaces.get(folder, ())}
    return {}
