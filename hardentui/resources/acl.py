"""Extended access control lists, as the kernel stores them, to what getfacl prints."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

_VERSION = 2  # linux/posix_acl_xattr.h
_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")  # tag, rights, id
_OWNER, _USER, _OWNING_GROUP, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_WORDS = {
    _OWNER: "user",
    _USER: "user",
    _OWNING_GROUP: "group",
    _GROUP: "group",
    _MASK: "mask",
    _OTHER: "other",
}
_MASKED = frozenset({_USER, _OWNING_GROUP, _GROUP})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its tag, the rights that it gives (rwx as 4, 2, 1), and of whom (-1 but for a named one)."""

    tag: int
    rights: int
    who: int = -1

    @property
    def named(self) -> bool:
        """Whether it speaks of a user or group by name: what a plain mode cannot say."""
        return self.tag in {_USER, _GROUP}

    @property
    def is_user(self) -> bool:
        """Whether it speaks of a user by name."""
        return self.tag == _USER

    @property
    def is_owning_group(self) -> bool:
        """Whether it speaks of the group of the file, whose rights the mode does not show then."""
        return self.tag == _OWNING_GROUP


def parse(attribute: str) -> tuple[Entry, ...]:
    """The entries of a system.posix_acl_access or _default attribute, given in hex.

    Raises:
        ValueError: it is no access control list of the version that we know.
    """
    data = bytes.fromhex(attribute)
    if len(data) < _HEADER.size or (len(data) - _HEADER.size) % _ENTRY.size:
        raise ValueError("not an access control list")
    if _HEADER.unpack_from(data)[0] != _VERSION:
        raise ValueError("an access control list of another version")
    entries = []
    for tag, rights, who in _ENTRY.iter_unpack(data[_HEADER.size :]):
        if tag not in _WORDS or rights > 7:  # noqa: PLR2004 - rwx
            raise ValueError("an unknown entry in an access control list")
        entries.append(Entry(tag, rights, who if tag in {_USER, _GROUP} else -1))
    return tuple(entries)


def effective(entry: Entry, entries: tuple[Entry, ...]) -> int:
    """The rights that are left of an entry after the mask."""
    mask = next((one.rights for one in entries if one.tag == _MASK), 7)
    return entry.rights & mask if entry.tag in _MASKED else entry.rights


def lines(
    entries: tuple[Entry, ...], users: Mapping[int, str], groups: Mapping[int, str], *, default: bool = False
) -> tuple[str, ...]:
    """The entries as getfacl prints them; one that the mask cuts ends with its effective rights."""
    return tuple(_line(entry, entries, users, groups, default=default) for entry in entries)


def _line(
    entry: Entry,
    entries: tuple[Entry, ...],
    users: Mapping[int, str],
    groups: Mapping[int, str],
    *,
    default: bool,
) -> str:
    names = users if entry.tag == _USER else groups
    who = names.get(entry.who, str(entry.who)) if entry.named else ""
    left = effective(entry, entries)
    cut = f" #effective:{letters(left)}" if left != entry.rights else ""
    return f"{'default:' if default else ''}{_WORDS[entry.tag]}:{who}:{letters(entry.rights)}{cut}"


def letters(rights: int) -> str:
    """Rights as rwx, a dash for each that is not given."""
    return "".join(letter if rights & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
