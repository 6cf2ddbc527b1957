"""The records of logins: binary wtmp and lastlog, and the SQLite files that took their place."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from urllib.parse import quote

from hardentui.host import files
from hardentui.snapshot import Account, LastLogin, Login, Reason, Unread

# Where a path of the system that is looked at lies on this one.
Where = Callable[[str], str | Unread]

LASTLOG2 = "/var/lib/lastlog/lastlog2.db"
LASTLOG = "/var/log/lastlog"
WTMPDB = ("/var/lib/wtmpdb/wtmp.db", "/var/log/wtmp.db")
WTMP = "/var/log/wtmp"

_LASTLOG = struct.Struct("=i32s256s")  # bits/utmp.h: the time has 32 bits on every architecture we know
_UTMP = struct.Struct("=hxxi32s4s32s256shhiii4i20x")
_USER_PROCESS = 7  # utmp(5)
_WTMPDB_USER = 3  # wtmpdb(8): USER_PROCESS there
_KEPT = 4000  # logins; more are older than anything that we judge
_SECOND = 1_000_000
_WTMPDB_QUERY = f"""SELECT User, TTY, RemoteHost, Login FROM wtmp
    WHERE Type = {_WTMPDB_USER} AND typeof(Login) = 'integer' ORDER BY Login DESC LIMIT {_KEPT}"""  # noqa: S608 - constants


def last_logins(where: Where, accounts: tuple[Account, ...] | Unread) -> tuple[LastLogin, ...] | Unread:
    """When each account last logged in; Unread where neither record can be read."""
    if isinstance(accounts, Unread):
        return accounts
    rows = _rows(where(LASTLOG2), "SELECT Name, Time FROM Lastlog2")
    if not isinstance(rows, Unread):
        times = {str(name): int(at) for name, at in rows if isinstance(at, int)}
        return tuple(LastLogin(a.name, times.get(a.name, 0), LASTLOG2) for a in accounts)
    if rows.reason is not Reason.MISSING:
        return rows
    path = where(LASTLOG)
    if isinstance(path, Unread):
        return path
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return files.unread(error)
    try:
        if not os.fstat(handle).st_size:  # it is made with the system, and may have no writer any more
            return Unread(Reason.MISSING)
        return tuple(LastLogin(a.name, _last(handle, a.uid), LASTLOG) for a in accounts)
    except OSError as error:
        return files.unread(error)
    finally:
        os.close(handle)


def _last(handle: int, uid: int) -> int:
    # The file is an array by uid, mostly holes: only the places that count are read.
    record = os.pread(handle, _LASTLOG.size, uid * _LASTLOG.size) if uid < 1 << 31 else b""
    return max(0, _LASTLOG.unpack(record)[0]) if len(record) == _LASTLOG.size else 0


def logins(where: Where) -> tuple[Login, ...] | Unread:
    """The newest logins, oldest first; Unread where no record can be read."""
    for place in WTMPDB:
        rows = _rows(where(place), _WTMPDB_QUERY)
        if not isinstance(rows, Unread):
            return tuple(
                Login(_text(user), _text(line), _text(host), at // _SECOND)
                for user, line, host, at in reversed(rows)
                if isinstance(at, int)
            )
        if rows.reason is not Reason.MISSING:
            return rows
    path = where(WTMP)
    return path if isinstance(path, Unread) else _wtmp(path)


def _wtmp(path: str) -> tuple[Login, ...] | Unread:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path of ours, opened as bytes
            whole = os.fstat(file.fileno()).st_size // _UTMP.size
            file.seek(max(0, whole - _KEPT) * _UTMP.size)
            data = file.read(_KEPT * _UTMP.size)
    except OSError as error:
        return files.unread(error)
    records = _UTMP.iter_unpack(data[: len(data) // _UTMP.size * _UTMP.size])
    return tuple(
        Login(_string(r[4]), _string(r[2]), _string(r[5]), r[9]) for r in records if r[0] == _USER_PROCESS
    )


def _rows(path: str | Unread, query: str) -> list[tuple[object, ...]] | Unread:
    """The rows of an SQLite file, opened so that nothing is written: no journal, no lock."""
    if isinstance(path, Unread):
        return path
    status = files.read_status(path)
    if isinstance(status, Unread):
        return status
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error as error:
        if not os.path.exists(path):  # noqa: PTH110 - a link that leads nowhere: Debian 13 ships one
            return Unread(Reason.MISSING)
        denied = not os.access(path, os.R_OK)
        return Unread(Reason.DENIED if denied else Reason.FAILED, path if denied else f"{path}: {error}")


def _string(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
