"""What SELinux and AppArmor keep in forms of their own: the compiled policy, labels, denials in the logs."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from hardentui.host import files
from hardentui.snapshot import Denial, Mislabelled, Reason, SecurityPolicy, Unread

AUDIT_LOG = "/var/log/audit/audit.log"
KERNEL_LOG = ("journalctl", "--boot", "--dmesg", "--output=cat", "--no-pager", "--quiet")
# -n changes nothing; file systems without labels are left out by itself. The terminals and the tens of
# thousands of files of /sys get their labels when they are made, and what our own scripts keep has those of
# the places it came from.
RELABELLING = (
    *("restorecon", "-n", "-v", "-R", "-i"),
    *("-e", "/dev/pts", "-e", "/sys", "-e", "/var/lib/hardentui"),
    "/",
)

_POLICY_LIMIT = 64 * 1024 * 1024  # bytes; the largest of a distribution has about 10
_LOG_LIMIT = 16 * 1024 * 1024  # bytes of the audit log, its end
_LABEL_LIMIT = 4096

# --- the compiled policy --------------------------------------------------------------------------------
# Its form is that of the kernel's security/selinux/ss/policydb.c, which reads it: little-endian words,
# first the header, then eight tables of symbols in this order.

_MAGIC, _NAME = 0xF97CFF8C, b"SE Linux"
_MLS = 1
# Versions of the format from which on it holds something more (policydb.h).
_CAPABILITIES, _PERMISSIVE, _BOUNDS, _TRANSITIONS, _DEFAULTS, _TYPE_DEFAULT, _NAMED = (
    22,
    23,
    24,
    19,
    27,
    28,
    29,
)
_OLDEST, _NEWEST = 24, 33
_ATTRIBUTE = 2  # TYPEDATUM_PROPERTY_ATTRIBUTE
_BY_NAMES = 5  # CEXPR_NAMES: an expression that holds sets of types


def read_policy(path: str) -> SecurityPolicy | Unread:
    """The compiled policy in ``path``."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as everywhere in this room
            data = file.read(_POLICY_LIMIT + 1)
    except OSError as error:
        return files.unread(error)
    if len(data) > _POLICY_LIMIT:
        return Unread(Reason.TOO_LARGE, f"> {_POLICY_LIMIT} bytes")
    try:
        return parse_policy(data)
    except (ValueError, struct.error) as error:
        return Unread(Reason.FAILED, str(error))


def parse_policy(data: bytes) -> SecurityPolicy:
    """What a compiled policy says.

    Raises:
        ValueError: it is none, or of a version that is not known here.
        struct.error: it ends too early.
    """
    return _Policy(data).read()


class _Policy:
    """A reader that stands at a place in the data."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._version = 0
        self._mls = False
        self._attributes = 0  # names of sets of types, which stand in the table of types

    def read(self) -> SecurityPolicy:
        """The whole of it, as far as the table of booleans."""
        magic, length = self._words(2)
        if magic != _MAGIC or self._bytes(length) != _NAME:
            raise ValueError("not a compiled SELinux policy")
        self._version, config, _symbols, _contexts = self._words(4)
        if not _OLDEST <= self._version <= _NEWEST:
            raise ValueError(f"a policy of version {self._version}, which is not known here")
        self._mls = bool(config & _MLS)
        self._bitmap()  # policy capabilities
        permissive = self._bitmap()
        self._table(self._common)
        self._table(self._class)
        self._table(self._role)
        types = dict(self._table(self._type))
        self._table(self._user)
        booleans = self._table(self._boolean)
        return SecurityPolicy(
            version=self._version,
            mls=self._mls,
            types=len(types) - self._attributes,
            booleans=tuple(sorted((name, bool(state)) for state, name in booleans)),
            permissive=tuple(sorted(types[number] for number in permissive if number in types)),
        )

    def _table(self, entry: Callable[[], tuple[int, str]]) -> list[tuple[int, str]]:
        _names, count = self._words(2)
        return [entry() for _ in range(count)]

    def _common(self) -> tuple[int, str]:
        length, value, _names, count = self._words(4)
        name = self._text(length)
        self._permissions(count)
        return value, name

    def _permissions(self, count: int) -> None:
        for _ in range(count):
            length, _value = self._words(2)
            self._bytes(length)

    def _class(self) -> tuple[int, str]:
        length, common, value, _names, count, constraints = self._words(6)
        name = self._text(length)
        self._bytes(common)
        self._permissions(count)
        self._constraints(constraints)
        self._constraints(self._words(1)[0])
        if self._version >= _DEFAULTS:
            self._words(3)
        if self._version >= _TYPE_DEFAULT:
            self._words(1)
        return value, name

    def _constraints(self, count: int) -> None:
        for _ in range(count):
            _permissions, expressions = self._words(2)
            for _each in range(expressions):
                kind, _attribute, _operator = self._words(3)
                if kind != _BY_NAMES:
                    continue
                self._bitmap()
                if self._version >= _NAMED:
                    self._bitmap()
                    self._bitmap()
                    self._words(1)

    def _role(self) -> tuple[int, str]:
        length, value, _bounds = self._words(3)
        name = self._text(length)
        self._bitmap()
        self._bitmap()
        return value, name

    def _type(self) -> tuple[int, str]:
        length, value, properties, _bounds = self._words(4)
        self._attributes += bool(properties & _ATTRIBUTE)
        return value, self._text(length)

    def _user(self) -> tuple[int, str]:
        length, value, _bounds = self._words(3)
        name = self._text(length)
        self._bitmap()
        if self._mls:
            (levels,) = self._words(1)
            self._words(levels)
            for _each in range(levels):
                self._bitmap()
            self._words(1)
            self._bitmap()
        return value, name

    def _boolean(self) -> tuple[int, str]:
        _value, state, length = self._words(3)
        return state, self._text(length)

    def _bitmap(self) -> set[int]:
        """The numbers of a set, counted from 0."""
        size, _highest, count = self._words(3)
        numbers = set()
        for _ in range(count):
            (start,) = self._words(1)
            (bits,) = struct.unpack("<Q", self._bytes(8))
            numbers |= {start + bit for bit in range(size) if bits >> bit & 1}
        return numbers

    def _words(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self._bytes(4 * count))

    def _text(self, length: int) -> str:
        return self._bytes(length).decode("utf-8", "surrogateescape")

    def _bytes(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            raise ValueError("the policy ends too early")
        self._at += count
        return found


# --- labels ------------------------------------------------------------------------------------------------


def read_label(path: str) -> str | Unread:
    """The SELinux label of a path itself."""
    try:
        label = os.getxattr(path, "security.selinux", follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return Unread(Reason.MISSING, "no label")
        return files.unread(error)
    return label[:_LABEL_LIMIT].rstrip(b"\0").decode("utf-8", "surrogateescape")


_WOULD = re.compile(r"^Would relabel (?P<path>.+) from (?P<label>\S+) to (?P<expected>\S+)$", re.MULTILINE)


def wrong_labels(run: Callable[[tuple[str, ...]], str | Unread]) -> tuple[Mislabelled, ...] | Unread:
    """The files that restorecon would give another label."""
    said = run(RELABELLING)
    return said if isinstance(said, Unread) else parse_relabelling(said)


def parse_relabelling(text: str) -> tuple[Mislabelled, ...]:
    """What restorecon -n -v says that it would do."""
    return tuple(
        Mislabelled(one["path"], "" if one["label"] == "<no" else one["label"], one["expected"])
        for one in _WOULD.finditer(text.replace(" from <no context> to ", " from <no to "))
    )


# --- denials ------------------------------------------------------------------------------------------

_BOOTED = re.compile(r"^btime (\d+)$", re.MULTILINE)
_RECORD = re.compile(r"audit\((?P<at>\d+)\.(?P<id>\d+:\d+)\): (?P<body>[^\x1d\n]*)")
_AVC = re.compile(
    # Greedy: a command line that stands in between may look like contexts.
    r"avc: +denied +\{ (?P<permissions>[^}]*?) \}.*"
    r" scontext=(?P<subject>\S+) tcontext=(?P<target>\S+) tclass=(?P<kind>\w+)"
    r"(?: permissive=(?P<permissive>[01]))?"
)
_APPARMOR = re.compile(r'apparmor="(?P<verdict>DENIED|ALLOWED)"')
_PAIR = re.compile(r'(?P<key>\w+)=(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))')
_HEX = re.compile(r"(?:[0-9A-F]{2})+")


def read_denials(run: Callable[[tuple[str, ...]], str | Unread]) -> tuple[Denial, ...] | Unread:
    """What was denied since this start: of the kernel's log before auditd took over, and of auditd's."""
    started = files.read_text("/proc/stat")
    if isinstance(started, Unread):
        return started
    found = _BOOTED.search(started)
    since = int(found[1]) if found else 0
    audited = _audit_log(since)
    if isinstance(audited, Unread):
        return audited
    kernel = run(KERNEL_LOG)
    if isinstance(kernel, Unread):
        return kernel
    if not kernel.strip():  # no kernel starts without a word: it is not kept, or not for us
        return Unread(Reason.FAILED if os.geteuid() == 0 else Reason.DENIED, " ".join(KERNEL_LOG[:3]))
    return parse_denials((kernel, *audited), since)


def _audit_log(since: int) -> list[str] | Unread:
    """The audit log and those rotated away, as far back as ``since`` (epoch seconds); none without auditd."""
    texts: list[str] = []
    left = _LOG_LIMIT
    for number in range(100):
        path = f"{AUDIT_LOG}.{number}" if number else AUDIT_LOG
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - as everywhere in this room
                data = file.read(left + 1)
        except FileNotFoundError:
            break
        except OSError as error:
            return files.unread(error)
        if len(data) > left:
            return Unread(Reason.TOO_LARGE, f"{path}: > {_LOG_LIMIT} bytes since the start")
        left -= len(data)
        texts.append(data.decode("utf-8", "surrogateescape"))
        first = _RECORD.search(texts[-1])
        if first and int(first["at"]) < since:
            break
    return texts


def parse_denials(logs: Iterable[str], since: int = 0) -> tuple[Denial, ...]:
    """The denials of these logs from ``since`` on (epoch seconds), each record counted once."""
    seen: set[tuple[str, str, str]] = set()
    counted: Counter[Denial] = Counter()
    for record in (record for log in logs for record in _RECORD.finditer(log)):
        key = (record["at"], record["id"], record["body"])
        if int(record["at"]) >= since and key not in seen:
            seen.add(key)
            counted.update(_denials(record["body"]))
    return tuple(
        Denial(one.module, one.subject, one.operation, one.target, one.enforced, count)
        for one, count in sorted(counted.items(), key=lambda item: (-item[1], repr(item[0])))
    )


def _denials(body: str) -> Iterator[Denial]:
    """What one record says was denied; its count is 1."""
    if found := _AVC.search(body):
        operation = f"{found['kind']} {found['permissions']}"
        yield Denial(
            "selinux",
            domain_of(found["subject"]),
            operation,
            domain_of(found["target"]),
            found["permissive"] != "1",
            1,
        )
    elif verdict := _APPARMOR.search(body):
        pairs = {one["key"]: _word(one) for one in _PAIR.finditer(body)}
        operation = f"{pairs.get('operation', '')} {pairs.get('denied_mask', '')}".strip()
        target = pairs.get("name", pairs.get("capname", ""))
        enforced = verdict["verdict"] == "DENIED"
        yield Denial("apparmor", pairs.get("profile", ""), operation, target, enforced, 1)


def _word(pair: re.Match[str]) -> str:
    """A value of an audit record: quoted, or in hex where it holds what quotes could not."""
    if pair["quoted"] is not None:
        return pair["quoted"]
    bare = pair["bare"]
    if pair["key"] in {"name", "profile"} and _HEX.fullmatch(bare):
        return bytes.fromhex(bare).decode("utf-8", "surrogateescape")
    return bare


def domain_of(context: str) -> str:
    """The third field of a context: the domain of a process, the type of a file."""
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else context  # noqa: PLR2004 - user, role, type
