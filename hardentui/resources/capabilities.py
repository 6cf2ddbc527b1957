"""Linux capabilities: their names, and what a file's attribute or a process's bit mask gives."""

from __future__ import annotations

import struct

# In the order of their bits (linux/capability.h, 6.x).
NAMES = (
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
)
NET_BIND_SERVICE = 1 << NAMES.index("cap_net_bind_service")
# Each of these is enough to become root, or to read and write all that root can.
AS_GOOD_AS_ROOT = frozenset(
    {
        "cap_bpf",
        "cap_chown",
        "cap_dac_override",
        "cap_dac_read_search",
        "cap_fowner",
        "cap_mknod",
        "cap_setfcap",
        "cap_setgid",
        "cap_setuid",
        "cap_sys_admin",
        "cap_sys_module",
        "cap_sys_ptrace",
        "cap_sys_rawio",
    }
)
# What packages ship with them on purpose: each does one checked thing with it.
_EXPECTED = {
    "newuidmap": frozenset({"cap_setuid"}),
    "newgidmap": frozenset({"cap_setgid"}),
    "snap-confine": AS_GOOD_AS_ROOT,
}
_EFFECTIVE = 0x000001  # linux/capability.h, VFS_CAP_FLAGS_EFFECTIVE
_WORDS_OF = {0x01000000: 1, 0x02000000: 2, 0x03000000: 2}  # revision: pairs of 32 bits


def names(mask: int) -> tuple[str, ...]:
    """The names of a bit mask; a bit of a newer kernel shows as its number."""
    return tuple(
        NAMES[bit] if bit < len(NAMES) else str(bit) for bit in range(mask.bit_length()) if mask >> bit & 1
    )


def of_file(attribute: str) -> tuple[int, str]:
    """The bit mask that a file's security.capability gives (in hex), and the text that getcap prints.

    Raises:
        ValueError: it is no such attribute of a revision that we know.
    """
    data = bytes.fromhex(attribute)
    if len(data) < 4:  # noqa: PLR2004 - the revision and flags
        raise ValueError("not file capabilities")
    (magic,) = struct.unpack_from("<I", data)
    count = _WORDS_OF.get(magic & 0xFF000000)
    if count is None or len(data) < 4 + 8 * count:
        raise ValueError("file capabilities of another revision")
    words = struct.unpack_from(f"<{2 * count}I", data, 4)
    permitted = sum(word << 32 * place for place, word in enumerate(words[0::2]))
    inheritable = sum(word << 32 * place for place, word in enumerate(words[1::2]))
    effective = "e" if magic & _EFFECTIVE else ""
    parts = []
    for flags, mask in (
        (f"{effective}ip", permitted & inheritable),
        (f"{effective}p", permitted & ~inheritable),
        (f"{effective}i", inheritable & ~permitted),
    ):
        if mask:
            parts.append(f"{','.join(names(mask))}={flags}")
    return permitted | inheritable, " ".join(parts)


def flagged(mask: int, program: str = "") -> tuple[str, ...]:
    """Those of a mask that are as good as root, less those that ``program`` (a file's name) is known for."""
    known = _EXPECTED.get(program, frozenset())
    return tuple(name for name in names(mask) if name in AS_GOOD_AS_ROOT and name not in known)
