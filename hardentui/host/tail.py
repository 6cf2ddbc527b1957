"""What this host writes down from now on, as it comes: of the journal, of auditd, of auth.log.

    tail = host.tail()          # a live host; an image and a recording write nothing
    for gap in tail.gaps: ...   # what cannot be followed, and why
    batch = tail.wait(0.5)      # what came within half a second, at most the newest MOST of each source
    tail.close()

Records may hold what somebody typed, passwords among it: nothing of them is kept here, nor recorded.
"""

from __future__ import annotations

import errno
import json
import os
import re
import select
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from hardentui.host import files
from hardentui.i18n import N_
from hardentui.record import FACILITIES, Record
from hardentui.snapshot import NOT_INSTALLED, Reason, Unread

JOURNAL, AUDIT_LOG = "journal", "/var/log/audit/audit.log"
AUTH_LOGS = ("/var/log/auth.log", "/var/log/secure")
MOST = 100  # records of one source that one wait gives; of more, the newest
_FOLLOW = (
    "journalctl",
    "--follow",
    "--output=json",
    "--since=now",
    "--lines=0",
    "--no-pager",
    "--quiet",
    "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_FACILITY,_COMM,_TRANSPORT,_AUDIT_TYPE_NAME,_AUDIT_ID",
)
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_JOURNALS = ("/var/log/journal", "/run/log/journal")
_CHUNK = 1 << 16
_TURN = 4 << 20  # bytes that one wait reads of one source
_LINE = 1 << 18  # bytes of a line, beyond which its beginning is let go
_TURNS_IN_A_SECOND = 20  # how often files are looked at: they wake nobody


@dataclass(frozen=True, slots=True)
class Batch:
    """What came: the newest records, how many lines there were, and how many of them nobody looked at."""

    records: tuple[Record, ...] = ()
    count: int = 0
    left_out: int = 0


class Stream(Protocol):
    """Something that can be followed."""

    gaps: tuple[tuple[str, Unread], ...]

    @property
    def stores(self) -> tuple[str, ...]:
        """What is followed."""
        ...

    def wait(self, seconds: float) -> Batch:
        """What came, as soon as something did; an empty batch when nothing came in time."""
        ...

    def close(self) -> None:
        """Follow no longer; a wait in another thread comes back. May be called twice."""
        ...


@runtime_checkable
class Followable(Protocol):
    """A host that can be followed."""

    def tail(self) -> Stream:
        """What it writes down from now on."""
        ...


class _Lines:
    """Bytes as they come, cut into lines: the newest are given, all are counted."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> tuple[list[str], int]:
        """The newest whole lines, and how many there were."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LINE:]
        newest = whole[-MOST * 8 :]  # an audit event has several lines
        return [line.decode("utf-8", "replace") for line in newest], len(whole)


class _Journal:
    """The journal, by a journalctl that ends with us: it looks whether its output is still read."""

    store = JOURNAL

    def __init__(self, *, audit: bool) -> None:
        self._audit = audit
        self._lines = _Lines()
        self._child = subprocess.Popen(
            _FOLLOW,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        assert self._child.stdout is not None  # noqa: S101 - it is a pipe
        self.descriptor = self._child.stdout.fileno()
        os.set_blocking(self.descriptor, False)
        self.ended = False

    def read(self) -> Batch:
        """What has come."""
        data = bytearray()
        while len(data) < _TURN:
            try:
                chunk = os.read(self.descriptor, _CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                self.ended = True
                break
            data += chunk
        lines, count = self._lines.feed(bytes(data))
        newest = lines[-MOST:]
        records = (record for line in newest if (record := journal_record(line)) is not None)
        return Batch(tuple(r for r in records if self._audit or not r.types), count, count - len(newest))

    def close(self) -> None:
        """End the child, and wait for its end."""
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


def _opened(path: str) -> BinaryIO:
    """A regular file, open for reading: a FIFO in its place would let us wait for whoever writes."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return os.fdopen(handle, "rb")


class _LogFile:
    """A log file from its end on, and the one that takes its place when it is rotated away."""

    descriptor = None
    ended = False

    def __init__(self, path: str) -> None:
        self.store = path
        self._lines = _Lines()
        self._file = _opened(path)
        self._file.seek(0, os.SEEK_END)

    def read(self) -> Batch:
        """What has come; of a file that grew by more than a turn reads, its end."""
        data = self._new()
        if self._is_another():
            data += self._new()
        lines, count = self._lines.feed(data)
        read = audit_records if self.store == AUDIT_LOG else syslog_records
        records = tuple(read(lines, self.store))
        return Batch(records[-MOST:], count, count - len(lines) + len(records[:-MOST]))

    def _new(self) -> bytes:
        size = os.fstat(self._file.fileno()).st_size
        if size < self._file.tell():
            self._file.seek(0)  # it was emptied in its place
        if size - self._file.tell() > _TURN:
            self._file.seek(size - _TURN)
        return self._file.read(_TURN)

    def _is_another(self) -> bool:
        """Whether another file stands there by now; it is opened then."""
        ours = os.fstat(self._file.fileno())
        try:
            there = os.stat(self.store)  # noqa: PTH116 - as everywhere in this room
            if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
                return False
            following = _opened(self.store)
        except OSError:
            return False  # between two files: it is looked for again
        self._file.close()
        self._file = following
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Tail:
    """All that can be followed on this host. One thread waits; any thread may close."""

    def __init__(self) -> None:
        self._sources: list[_Journal | _LogFile] = []
        self._lock = threading.Lock()  # held while the sources are read
        self._closing, self._wake = os.pipe()
        gaps: list[tuple[str, Unread]] = []
        self._open_file(AUDIT_LOG, gaps)
        with_audit = not self._sources  # auditd's own file says more than what the journal has of it
        if (why := _no_journal() or self._open_journal(audit=with_audit)) is not None:
            gaps.append((JOURNAL, why))
            for path in AUTH_LOGS:
                self._open_file(path, gaps)
        self.gaps = tuple(gaps)

    def _open_journal(self, *, audit: bool) -> Unread | None:
        """Follow the journal; why its program cannot be started, where it cannot."""
        try:
            self._sources.append(_Journal(audit=audit))
        except FileNotFoundError:
            return Unread(Reason.UNSUPPORTED, f"journalctl{NOT_INSTALLED}")
        except OSError as error:
            return Unread(Reason.FAILED, f"journalctl: {os.strerror(error.errno or 0)}")
        return None

    def _open_file(self, path: str, gaps: list[tuple[str, Unread]]) -> None:
        try:
            self._sources.append(_LogFile(path))
        except OSError as error:
            if (why := files.unread(error)).reason is not Reason.MISSING:
                gaps.append((path, why))

    @property
    def stores(self) -> tuple[str, ...]:
        """What is followed."""
        return tuple(source.store for source in self._sources)

    def wait(self, seconds: float) -> Batch:
        """See Stream."""
        with self._lock:
            end = time.monotonic() + seconds
            while self._wake >= 0 and (left := end - time.monotonic()) > 0:
                awake = [self._closing, *(s.descriptor for s in self._sources if s.descriptor is not None)]
                looks = len(awake) <= len(self._sources)  # a file does not say that it grew
                select.select(awake, (), (), min(left, 1 / _TURNS_IN_A_SECOND) if looks else left)
                if self._wake >= 0 and (batch := self._read()).count:
                    return batch
        return Batch()

    def _read(self) -> Batch:
        batches = [source.read() for source in self._sources]
        for ended in [source for source in self._sources if source.ended]:
            self._sources.remove(ended)
            ended.close()
            self.gaps = (*self.gaps, (ended.store, Unread(Reason.FAILED, N_("journalctl has ended"))))
        records = sorted((record for batch in batches for record in batch.records), key=lambda r: r.at)
        return Batch(tuple(records), sum(b.count for b in batches), sum(b.left_out for b in batches))

    def close(self) -> None:
        """See Stream."""
        wake, self._wake = self._wake, -1
        if wake < 0:
            return
        os.close(wake)  # whoever waits comes back, and lets go of the lock
        with self._lock:
            os.close(self._closing)
            for source in self._sources:
                source.close()


def _no_journal() -> Unread | None:
    """Why the journal of the system cannot be followed; None where it can."""
    folders = [Path(folder) for folder in _JOURNALS if Path(folder).is_dir()]
    if not any(Path(folder, "journalctl").exists() for folder in _ENVIRONMENT["PATH"].split(":")):
        return Unread(Reason.UNSUPPORTED, f"journalctl{NOT_INSTALLED}")
    if not folders:
        return Unread(Reason.MISSING)
    for folder in folders:
        if any(os.access(path, os.R_OK) for path in folder.glob("*/system.journal")):
            return None
    return Unread(Reason.DENIED if os.geteuid() else Reason.MISSING)


# --- reading a record -----------------------------------------------------------------------------------


def journal_record(line: str) -> Record | None:
    """A record of the journal's JSON (systemd.journal-fields(7)); None for what is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    moment, number = _field(entry, "__REALTIME_TIMESTAMP"), _field(entry, "SYSLOG_FACILITY")
    at = int(moment) / 1e6 if moment.isdecimal() else 0.0
    facility = FACILITIES[int(number)] if number.isdecimal() and int(number) < len(FACILITIES) else ""
    text, kind = _field(entry, "MESSAGE"), _field(entry, "_AUDIT_TYPE_NAME")
    if _field(entry, "_TRANSPORT") == "audit" and kind:
        return Record(at, JOURNAL, kind, text, facility, (kind,), _keys(text))
    program = _field(entry, "SYSLOG_IDENTIFIER") or _field(entry, "_COMM")
    return Record(at, JOURNAL, program, text, facility)


def _field(entry: dict[str, Any], name: str) -> str:
    """A field as text: a list of numbers where its bytes are no text, null where it is too long."""
    value = entry.get(name)
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):  # noqa: PLR2004 - a byte
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


_AUDIT = re.compile(
    r"^(?:node=\S+ )?type=(?P<type>\S+) msg=audit\((?P<at>\d+)\.(?P<part>\d+):(?P<id>\d+)\): ?(?P<body>.*)"
)
_KEY = re.compile(r'\bkey=(?:"([^"]*)"|([0-9A-F]+)\b)')
_TOLD = re.compile(
    r'\b(?:auid|uid|exe|comm|name|nametype|success|res|acct|addr|terminal|op|cmd|table|operation|profile|apparmor|denied_mask|id|grp|data)=(?:"[^"]*"|\'[^\']*\'|[^\s\']+)'
)
_HEX_OF = re.compile(r"\b(cmd|name|comm|exe|acct|data|grp)=((?:[0-9A-F]{2})+)(?=\s|'|$)")


def audit_records(lines: Sequence[str], store: str = AUDIT_LOG) -> Iterator[Record]:
    """The events of these lines of auditd: several lines of one number are one event."""
    event: list[re.Match[str]] = []
    for line in lines:
        found = _AUDIT.match(line.partition("\x1d")[0])  # behind it the same is said in words
        if found is None:
            continue
        if event and event[0]["id"] != found["id"]:
            yield _event(event, store)
            event = []
        event.append(found)
    if event:
        yield _event(event, store)


def _event(lines: list[re.Match[str]], store: str) -> Record:
    first = lines[0]
    bodies = [line["body"] for line in lines]
    told = dict.fromkeys(word for body in bodies for word in _TOLD.findall(_HEX_OF.sub(_from_hex, body)))
    return Record(
        at=float(f"{first['at']}.{first['part']}"),
        store=store,
        program=first["type"],
        text=" ".join(told) or bodies[0],
        types=tuple(dict.fromkeys(line["type"] for line in lines)),
        keys=tuple(dict.fromkeys(key for body in bodies for key in _keys(body))),
    )


def _from_hex(found: re.Match[str]) -> str:
    """A value that stood in hex because it holds blanks or quotes: now quoted, without quotes inside."""
    text = bytes.fromhex(found[2]).decode("utf-8", "replace").replace('"', "'")
    return f'{found[1]}="{text}"'


def _keys(text: str) -> tuple[str, ...]:
    r"""The keys of a rule: several stand in hex, with a \x01 between them."""
    found: list[str] = []
    for plain, coded in _KEY.findall(text):
        joined = plain or (bytes.fromhex(coded).decode("utf-8", "replace") if len(coded) % 2 == 0 else "")
        found += [key for key in joined.split("\x01") if key]
    return tuple(found)


# The old form begins with "Nov 21 18:49:01", the new one with "2026-11-21T18:49:01.1+00:00".
_SYSLOG = re.compile(
    r"^(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\S+) \S+ (?P<program>[^\s:\[]+)(?:\[\d+\])?: (?P<text>.*)"
)


def syslog_records(lines: Sequence[str], store: str) -> Iterator[Record]:
    """The records of a log file in one of the two forms that distributions write; read just now."""
    for line in lines:
        if found := _SYSLOG.match(line):
            yield Record(time.time(), store, found["program"], found["text"])
