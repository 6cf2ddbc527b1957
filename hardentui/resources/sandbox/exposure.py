"""The exposure of a service as ``systemd-analyze security`` of systemd 252 works it out, from its settings.

Each item has a weight; what is open in it counts by its share of the range. Worked out here, it can be
foretold for settings that nobody has installed, and for a recording or an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hardentui.resources.sandbox.settings import (
    NO_FILTER,
    Settings,
    capabilities,
    is_yes,
    words,
)

_NOBODY = "nobody"
_ROOT = frozenset({"", "0", "root"})


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the account: ``open`` of ``range`` (0 is closed), or None where it is not counted."""

    name: str
    weight: int
    open: int | None
    range: int = 1


def exposure(settings: Settings, calls: Mapping[str, frozenset[str]]) -> int:
    """The exposure in tenths: 96 is what systemd prints as 9.6."""
    counted = [item for item in items(settings, calls) if item.open is not None]
    bad = sum(-(-(item.open or 0) * item.weight // item.range) for item in counted)
    return -(-bad * 100 // sum(item.weight for item in counted))


def shown(tenths: int) -> str:
    """The exposure as systemd prints it."""
    return f"{tenths // 10}.{tenths % 10}"


# From this many tenths on, systemd uses the word.
_PREDICATES = ((100, "DANGEROUS"), (90, "UNSAFE"), (75, "EXPOSED"), (50, "MEDIUM"), (10, "OK"), (1, "SAFE"))


def predicate(tenths: int) -> str:
    """The word that systemd gives an exposure."""
    return next((word for bound, word in _PREDICATES if tenths >= bound), "PERFECT")


def items(settings: Settings, calls: Mapping[str, frozenset[str]]) -> Iterator[Item]:
    """Every item of the account, in systemd's order of kinds."""
    for name, weight in _SWITCHES:
        early = name in _NOT_EARLY and settings.get("DefaultDependencies") == "no"
        closed = is_yes(settings, name) or (name == "PrivateMounts" and _has_own_mounts(settings))
        yield Item(name, weight, None if early else int(not closed))
    yield from _graded(settings)
    yield from _lists(settings)
    for name, weight in _CALLS:
        yield Item(f"SystemCallFilter {name}", weight, _open_calls(settings, name, calls), 10)


# Items that are on or off, and their weights.
_SWITCHES = (
    ("PrivateDevices", 1000),
    ("PrivateMounts", 1000),
    ("PrivateNetwork", 2500),
    ("PrivateTmp", 1000),
    ("PrivateUsers", 1000),
    ("ProtectControlGroups", 1000),
    ("ProtectKernelModules", 1000),
    ("ProtectKernelTunables", 1000),
    ("ProtectKernelLogs", 1000),
    ("ProtectClock", 1000),
    ("ProtectHostname", 50),
    ("LockPersonality", 100),
    ("MemoryDenyWriteExecute", 100),
    ("NoNewPrivileges", 1000),
    ("RestrictRealtime", 500),
    ("RestrictSUIDSGID", 1000),
)
# Not asked of services that start before the file systems are there.
_NOT_EARLY = frozenset({"PrivateTmp", "ProtectHome", "ProtectSystem", "RootDirectory"})
# Any of these gives a service a mount namespace of its own.
_MOUNTING = (
    *("PrivateDevices", "PrivateTmp", "ProtectControlGroups", "ProtectKernelTunables"),
    "ProtectKernelModules",
)


def _has_own_mounts(settings: Settings) -> bool:
    return (
        any(is_yes(settings, name) for name in _MOUNTING)
        or settings.get("ProtectHome", "no") != "no"
        or settings.get("ProtectSystem", "no") != "no"
        or bool(settings.get("RootImage"))
    )


def _graded(settings: Settings) -> Iterator[Item]:
    early = settings.get("DefaultDependencies") == "no"
    user, dynamic = settings.get("User", ""), is_yes(settings, "DynamicUser")
    as_root = user in {"0", "root"} or (not dynamic and not user)
    by_user = 9 if user == _NOBODY else 10 if user in _ROOT and not (dynamic and not user) else 0
    yield Item("User", 2000, by_user, 10)
    groups = None if as_root else int(bool(words(settings, "SupplementaryGroups")))
    yield Item("SupplementaryGroups", 200, groups)
    yield Item("RemoveIPC", 100, None if as_root else int(not is_yes(settings, "RemoveIPC")))
    for name, weight, span, grades in _GRADES:
        worst = span if name != "KeyringMode" else 1
        grade = grades.get(settings.get(name, ""), worst)
        yield Item(name, weight, None if early and name in _NOT_EARLY else grade, span)
    rooted = any(settings.get(name, "") not in {"", "/"} for name in ("RootDirectory", "RootImage"))
    yield Item("RootDirectory", 200, None if early else int(not rooted))
    yield Item("Delegate", 100, int(is_yes(settings, "Delegate")))
    yield Item("NotifyAccess", 1000, int(settings.get("NotifyAccess") == "all"))
    yield Item("UMask", 100, _open_mask(settings.get("UMask", "0022")), 10)
    yield Item("AmbientCapabilities", 500, int(bool(capabilities(settings, "AmbientCapabilities"))))


# Name, weight, range, and how open each value is; any other value is as open as can be.
_GRADES: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("ProtectHome", 1000, 10, {"yes": 0, "tmpfs": 1, "read-only": 5}),
    ("ProtectSystem", 1000, 10, {"strict": 0, "full": 3, "yes": 5}),
    ("ProtectProc", 1000, 3, {"invisible": 0, "ptraceable": 0, "noaccess": 1}),
    ("ProcSubset", 10, 1, {"pid": 0}),
    ("KeyringMode", 1000, 1, {"private": 0}),
)


def _open_mask(mask: str) -> int:
    try:
        bits = int(mask, 8)
    except ValueError:
        bits = 0
    return next((grade for bit, grade in ((0o2, 10), (0o4, 5), (0o20, 2), (0o40, 1)) if not bits & bit), 0)


# Capabilities of the bounding set that count together, and the weight of holding any of them.
_HELD: tuple[tuple[int, frozenset[str]], ...] = tuple(
    (weight, frozenset(f"cap_{name}" for name in names.split()))
    for weight, names in (
        (1500, "sys_admin"),
        (1500, "setuid setgid setpcap"),
        (1500, "sys_ptrace"),
        (1000, "sys_time"),
        (1000, "net_admin"),
        (1000, "sys_rawio"),
        (1000, "sys_module"),
        (500, "audit_control audit_read audit_write"),
        (500, "syslog"),
        (500, "sys_nice sys_resource"),
        (500, "mknod"),
        (1000, "chown fsetid setfcap"),
        (1000, "dac_override dac_read_search fowner ipc_owner"),
        (500, "kill"),
        (500, "net_bind_service net_broadcast net_raw"),
        (100, "sys_boot"),
        (100, "mac_admin mac_override"),
        (75, "linux_immutable"),
        (50, "ipc_lock"),
        (50, "sys_chroot"),
        (25, "block_suspend"),
        (25, "wake_alarm"),
        (25, "lease"),
        (25, "sys_tty_config"),
        (25, "sys_pacct"),
        (25, "bpf"),
    )
)
_NAMESPACES = (
    *(("user", 1500), ("mnt", 500), ("ipc", 500), ("pid", 500), ("cgroup", 500), ("net", 500)),
    ("uts", 100),
)
# Address families that count together; the last row stands for all others.
_FAMILIES: tuple[tuple[int, frozenset[str]], ...] = (
    (1500, frozenset({"AF_INET", "AF_INET6"})),
    (25, frozenset({"AF_UNIX"})),
    (200, frozenset({"AF_NETLINK"})),
    (1000, frozenset({"AF_PACKET"})),
)
_OTHER_FAMILIES = 1250


def _lists(settings: Settings) -> Iterator[Item]:
    held = capabilities(settings)
    for weight, names in _HELD:
        yield Item(f"CapabilityBoundingSet {' '.join(sorted(names))}", weight, int(bool(held & names)))
    allowed = settings.get("RestrictNamespaces", "no")
    for name, weight in _NAMESPACES:
        yield Item(f"RestrictNamespaces {name}", weight, int(allowed == "no" or name in allowed.split()))
    yield from _families(settings)
    calls = words(settings, "SystemCallArchitectures")
    yield Item("SystemCallArchitectures", 1000, 10 if not calls else 0 if calls == ("native",) else 8, 10)
    yield Item("IPAddressDeny", 1000, _open_addresses(settings), 10)
    closed = settings.get("DevicePolicy") in {"closed", "strict"}
    yield Item("DeviceAllow", 1000, 10 if not closed else 5 if settings.get("DeviceAllow") else 0, 10)


def _families(settings: Settings) -> Iterator[Item]:
    value = settings.get("RestrictAddressFamilies", NO_FILTER)
    denies, listed = value.startswith("~"), frozenset(value.lstrip("~").split())
    known = frozenset[str]().union(*(names for _weight, names in _FAMILIES))
    for weight, names in _FAMILIES:
        yield Item(
            f"RestrictAddressFamilies {' '.join(sorted(names))}", weight, _open(names & listed, denies)
        )
    yield Item("RestrictAddressFamilies", _OTHER_FAMILIES, _open(listed - known, denies))


def _open(named: frozenset[str], denies: bool) -> int:  # noqa: FBT001 - a property of the list
    return int(bool(named) != denies)


def _open_addresses(settings: Settings) -> int:
    if settings.get("IPIngressFilterPath") or settings.get("IPEgressFilterPath"):
        return 0
    denied = words(settings, "IPAddressDeny")
    if not {"0.0.0.0/0", "::/0"} <= set(denied):
        return 10
    allowed = words(settings, "IPAddressAllow")
    if any(not _is_localhost(word) for word in allowed):
        return 5
    return 2 if allowed else 0


def _is_localhost(network: str) -> bool:
    return network == "::1/128" or (network.startswith("127.") and network.endswith("/8"))


# The sets of system calls that should be out of reach.
_CALLS = (
    ("@swap", 1000),
    ("@obsolete", 250),
    ("@clock", 1000),
    ("@cpu-emulation", 250),
    ("@debug", 1000),
    ("@mount", 1000),
    ("@module", 1000),
    ("@raw-io", 1000),
    ("@reboot", 1000),
    ("@privileged", 700),
    ("@resources", 700),
)
# Calls of these sets that a machine of 64 bits does not have: nobody need deny them.
_NOT_HERE = frozenset(
    (
        *("bdflush", "break", "chown32", "clock_adjtime64", "clock_settime64", "fchown32", "ftime"),
        *("gtty", "idle", "lchown32", "lock", "mpx", "nice", "pciconfig_iobase", "pciconfig_read"),
        *("pciconfig_write", "prof", "profil", "rtas", "s390_pci_mmio_read", "s390_pci_mmio_write"),
        *("s390_runtime_instr", "setfsgid32", "setfsuid32", "setgid32", "setgroups32", "setregid32"),
        *("setresgid32", "setresuid32", "setreuid32", "setuid32", "sgetmask", "ssetmask", "stime"),
        *("stty", "subpage_prot", "swapcontext", "switch_endian", "sys_debug_setcontext", "ulimit"),
        *("umount", "vm86", "vm86old"),
    )
)


def _open_calls(settings: Settings, name: str, calls: Mapping[str, frozenset[str]]) -> int:
    value = settings.get("SystemCallFilter", NO_FILTER)
    if value == NO_FILTER:
        return 10
    denies = value.startswith("~")
    listed = {word.partition(":")[0] for word in value.lstrip("~").split()}
    wanted = calls.get(name, frozenset()) - _NOT_HERE
    if denies:
        return 0 if wanted <= listed else 10
    return 9 if wanted & listed else 0
