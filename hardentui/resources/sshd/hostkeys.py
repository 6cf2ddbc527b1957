"""The keys by which clients know the host: their kind and size, and who may read the private ones."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Provenance, Reading, Recommendation
from hardentui.operations import Change, Operation, Refusal, SetMode
from hardentui.resources import grants
from hardentui.resources.base import list_fact, text_fact
from hardentui.resources.sshd.config import Config
from hardentui.resources.sshd.match import Connection
from hardentui.snapshot import File, Groups, Kind, Reason, Snapshot, Stat, Status, Unread

ASPECTS = ("size", "mode")
# What sshd looks for where no HostKey line is (servconf.c).
_DEFAULTS = tuple(f"/etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "ecdsa", "ed25519"))
_PATH = re.compile(r"/etc/ssh/[A-Za-z0-9_.-]{1,64}")
_BITS = {"ssh-ed25519": 256, "ssh-dss": 1024}
_READERS = frozenset({"ssh_keys"})  # the group of the helper that RHEL gives the keys to
# A key below its least size; DSA knows no other than 1024 bits.
SHORT = "too short"
_LEAST = {"rsa": 3072, "dss": 2048}
_CURVE = re.compile(r"ecdsa-sha2-nistp(256|384|521)")


@dataclass(frozen=True, slots=True)
class _Rights:
    """Mode and owner of a private key, and whom its access list lets at it beside them ("" for nobody)."""

    mode: str
    owner: str
    listed: str
    gap: Gap | None = None

    @property
    def value(self) -> str:
        return ", ".join(filter(None, (f"{self.mode} {self.owner}", self.listed)))


def observe(snapshot: Snapshot, seen: Config, aspect: str) -> tuple[Reading, dict[str, Fact]]:
    """The value of each key, by path; and what a change of modes must know."""
    named = seen.effective("hostkey", Connection()).values
    values: dict[str, str] = {}
    places = []
    keys: list[Fact] = []
    gap: Gap | None = None
    for path in named or _DEFAULTS:
        found = _size(snapshot, path) if aspect == "size" else _rights(snapshot, path)
        if isinstance(found, Unread):
            # Of the built-in list, sshd uses the keys that are there.
            if named is not None or found.reason is not Reason.MISSING:
                gap = gap or found.gap(path)
            continue
        values[path] = found if isinstance(found, str) else found.value
        places.append(Provenance(f"{path}.pub" if aspect == "size" else f"stat {path}", text=values[path]))
        if isinstance(found, _Rights):
            gap = gap or found.gap
            keys.append({"path": path, "mode": found.mode, "owner": found.owner, "list": found.listed})
    if not values and gap is None:
        gap = Gap(GapKind.ABSENT, _("no host key is there"))
    return Reading(values, gap, tuple(places)), {"keys": tuple(keys)}


def _size(snapshot: Snapshot, path: str) -> str | Unread:
    text = snapshot.ask(File(f"{path}.pub"))
    if isinstance(text, Unread):
        return text
    words = text.split()
    try:
        kind, bits = words[0], _bits(words[0], base64.b64decode(words[1], validate=True))
    except (IndexError, ValueError, binascii.Error):
        return Unread(Reason.FAILED, _("no public key"))
    name = kind.removeprefix("ssh-").partition("-")[0]
    return f"{name} {bits}, {SHORT}" if bits < _LEAST.get(name, 0) else f"{name} {bits}"


def _bits(kind: str, blob: bytes) -> int:
    """The size of a key, from its public half (RFC 4253, 6.6).

    Raises:
        ValueError: it is of no kind that we know.
    """
    curve = _CURVE.fullmatch(kind)
    if curve:
        return int(curve[1])
    if kind in _BITS:
        return _BITS[kind]
    if kind != "ssh-rsa":
        raise ValueError(kind)
    rest, fields = blob, []
    for _field in range(3):  # the name, the exponent, the modulus
        length = int.from_bytes(rest[:4], "big")
        fields.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    return int.from_bytes(fields[2], "big").bit_length()


def _rights(snapshot: Snapshot, path: str) -> _Rights | Unread:
    status = snapshot.ask(Stat(path))
    if isinstance(status, Unread):
        return status
    if status.kind is not Kind.FILE:
        return Unread(Reason.FAILED, _("no regular file"))
    given = grants.grants(snapshot, path, status)
    gap = given if isinstance(given, Gap) else None
    listed = () if isinstance(given, Gap) else grants.beyond(given, _READERS)
    return _Rights(f"{status.mode:04o}", _owner(snapshot, status), ", ".join(map(str, listed)), gap)


def _owner(snapshot: Snapshot, status: Status) -> str:
    """Owner and group by name; those of an image by its own files."""
    if snapshot.live:
        return f"{status.user}:{status.group}"
    groups = snapshot.ask(Groups())
    known = {} if isinstance(groups, Unread) else {group.gid: group.name for group in groups}
    user = "root" if status.uid == 0 else str(status.uid)
    return f"{user}:{known.get(status.gid, str(status.gid))}"


def change(entry: Recommendation, facts: Mapping[str, Fact]) -> Change:
    """The modes that are too open, closed; a group of the distribution for its own helper stays.

    What an access list gives is left to a person.
    """
    if entry.aspect != "mode":
        return Refusal(_("only a person can change this"))
    operations: list[Operation] = []
    for key in list_fact(facts, "keys"):
        if not isinstance(key, Mapping):
            continue
        path, mode, owner, listed = (text_fact(key, name) for name in ("path", "mode", "owner", "list"))
        if not _PATH.fullmatch(path):
            return Refusal(_("the facts of this decision speak of something else: {what}").format(what=path))
        if listed:
            by_hand = grants.by_hand(entry.id, path, listed)
            if isinstance(by_hand, Refusal):
                return by_hand
            operations.append(by_hand)
        if entry.accept is not None and entry.accept.accepts(f"{mode} {owner}"):
            continue
        operations.append(
            SetMode(
                owners=(entry.id,),
                path=path,
                before_mode=mode,
                before_owner=owner,
                mode="0600",
                owner="root:root",
            )
        )
    return tuple(operations) or Refusal(_("every key has a mode that passes"))
