"""Accounts and how they are entered: read as the system reads them, and never a hash among the answers."""

from __future__ import annotations

import ctypes
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.host import logins
from hardentui.host.image import ImageHost
from hardentui.host.passwords import classify, nis_entries, read
from hardentui.host.recording import RecordedHost, record
from hardentui.model import Finding, Result
from hardentui.snapshot import (
    Account,
    Accounts,
    File,
    Group,
    KernelFile,
    Kind,
    LastLogin,
    LastLogins,
    Login,
    Logins,
    NisEntries,
    Passwords,
    Reason,
    Snapshot,
    Status,
    Unread,
)

from . import hosts, users
from .sittings import CHECKLISTS

DAY = users.DAY


def judge(host: hosts.DictHost, id_: str) -> Finding:
    (found,) = assess([CHECKLISTS.get(id_)], hosts.snapshot(host), {}, CHECKLISTS.questions)
    return found


# --- hashes ---------------------------------------------------------------------------------------

SCHEMES = {
    "$y$": "yescrypt",
    "$gy$": "gost-yescrypt",
    "$7$": "scrypt",
    "$2b$": "bcrypt",
    "$6$": "sha512crypt",
    "$5$": "sha256crypt",
    "$sha1": "sha1crypt",
    "$md5": "sunmd5",
    "$1$": "md5crypt",
    "$3$": "nt",
    "_": "bsdicrypt",
    "": "descrypt",
}


def hashed(prefix: str) -> str:
    """A hash of libcrypt's own making."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt_gensalt.restype = library.crypt.restype = ctypes.c_char_p
    salt = library.crypt_gensalt(prefix.encode(), 0, b"0123456789abcdef", 16)
    return library.crypt(b"secret", salt).decode()


@pytest.mark.parametrize(("prefix", "scheme"), SCHEMES.items())
def test_a_hash_that_libcrypt_makes_is_named(prefix: str, scheme: str) -> None:
    made = hashed(prefix)
    assert classify(made) == (scheme, False)
    assert classify("!" + made) == (scheme, True)
    assert classify("*" + made) == ("disabled", False)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", ("empty", False)),
        ("!", ("locked", True)),
        ("!!", ("locked", True)),
        ("*", ("disabled", False)),
        ("!*", ("disabled", True)),
        ("*LK*", ("disabled", False)),
        ("$9$new$scheme", ("unknown", False)),
        ("plain text", ("unknown", False)),
    ],
)
def test_a_field_that_is_no_hash_is_named(field: str, expected: tuple[str, bool]) -> None:
    assert classify(field) == expected


SECRET = "$6$s4ltS4lts4lt$" + "wXyZ" * 21 + "ab"
OLD_SECRET = "abJnggxhB/yWI"
TREE = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n"
    f"old:{OLD_SECRET}:1001:1001::/home/old:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/bash\n"
    "+@team::::::\nbob:x:1002:1002::/home/bob:/bin/bash\nbroken:x:1003:1003::/:/bin/sh\n",
    "etc/shadow": f"root:{SECRET}:20228:0:99999:7:::\nalice:!{SECRET}:20000:1:90:7:30:30000:\n"
    f"bob::19000::::::\nbroken:{SECRET}:20228\n",
    "etc/group": "root:x:0:\nsudo:x:27:alice\n+:::\n",
    "etc/os-release": "ID=debian\nVERSION_ID=12\n",
    "etc/login.defs": "SYS_UID_MAX 999\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "root"


def test_no_hash_is_recorded(tree: Path, tmp_path: Path) -> None:
    snapshot = Snapshot(ImageHost(str(tree)), deep=True)
    assess(CHECKLISTS.recommendations, snapshot, {}, CHECKLISTS.questions)
    text = record(snapshot)
    for secret in (SECRET, OLD_SECRET, SECRET.split("$")[2], SECRET.split("$")[3]):
        assert secret not in text
    assert "sha512crypt" in text
    path = tmp_path / "recording.json"
    path.write_text(text, encoding="utf-8")
    assert Snapshot(RecordedHost(path)).ask(Passwords()) == snapshot.ask(Passwords())


@pytest.mark.parametrize("make", [hosts.server, hosts.rhel, hosts.rivals])
def test_no_recommendation_reads_the_files_that_hold_hashes(make) -> None:
    host = make()
    assess(CHECKLISTS.recommendations, Snapshot(host, deep=True), {}, CHECKLISTS.questions)
    asked = {question.path for question in host.asked if isinstance(question, File | KernelFile)}
    assert not asked & {"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/passwd", "/etc/security/opasswd"}
    assert any(isinstance(question, Passwords) for question in host.asked)


def test_each_account_is_told_by_its_line(tree: Path) -> None:
    found = {p.account: p for p in Snapshot(ImageHost(str(tree))).ask(Passwords())}
    assert (found["root"].scheme, found["root"].locked, found["root"].shadowed) == (
        "sha512crypt",
        False,
        True,
    )
    alice = found["alice"]
    assert (alice.scheme, alice.locked, alice.changed, alice.maximum) == ("sha512crypt", True, 20000, 90)
    assert (alice.minimum, alice.warn, alice.inactive, alice.expires) == (1, 7, 30, 30000)
    assert (found["bob"].scheme, found["bob"].maximum) == ("empty", -1)
    assert (found["old"].scheme, found["old"].shadowed) == ("descrypt", False)
    assert found["broken"].scheme == "unknown"
    assert set(found) == {"root", "old", "alice", "bob", "broken"}


def test_entries_for_nis_are_named_without_their_fields(tree: Path) -> None:
    assert Snapshot(ImageHost(str(tree))).ask(NisEntries()) == ("passwd: +@team", "group: +")


@settings(max_examples=200, deadline=None)
@given(passwd=st.text(max_size=80), shadow=st.text(max_size=80))
def test_no_text_breaks_the_reader_of_passwords(passwd: str, shadow: str) -> None:
    texts = {"/etc/passwd": passwd, "/etc/shadow": shadow, "/etc/group": ""}
    for found in read(texts.__getitem__):
        assert found.scheme in {*SCHEMES.values(), "empty", "locked", "disabled", "unknown", "bigcrypt"}
    assert isinstance(nis_entries(texts.__getitem__), tuple)


# --- records of logins ----------------------------------------------------------------------------


def _utmp(kind: int, id_: str, user: str, line: str, host: str, at: str) -> str:
    """A line as utmpdump prints it."""
    return (
        f"[{kind}] [01234] [{id_:4}] [{user:8}] [{line:12}] [{host:20}] [0.0.0.0        ]"
        f" [{at},000000+00:00]\n"
    )


@pytest.mark.skipif(shutil.which("utmpdump") is None, reason="utmpdump is not installed (util-linux)")
def test_wtmp_is_read_as_utmpdump_writes_it(tmp_path: Path) -> None:
    lines = (
        _utmp(2, "~~", "reboot", "~", "6.1.0", "2026-11-20T06:00:00"),
        _utmp(7, "ts/0", "root", "pts/0", "192.0.2.7", "2026-11-20T07:22:31"),
        _utmp(8, "ts/0", "", "pts/0", "", "2026-11-20T08:00:00"),
        _utmp(7, "tty1", "alice", "tty1", "", "2026-11-20T09:00:00"),
    )
    path = tmp_path / "var/log/wtmp"
    path.parent.mkdir(parents=True)
    made = subprocess.run(["utmpdump", "-r"], input="".join(lines).encode(), capture_output=True, check=True)
    path.write_bytes(made.stdout)
    assert Snapshot(ImageHost(str(tmp_path))).ask(Logins()) == (
        Login("root", "pts/0", "192.0.2.7", 1795159351),
        Login("alice", "tty1", "", 1795165200),
    )


def test_lastlog_is_an_array_by_uid(tmp_path: Path) -> None:
    record_ = struct.pack("i32s256s", 1795159351, b"pts/0", b"192.0.2.7")
    path = tmp_path / "lastlog"
    path.write_bytes(b"\0" * 292 * 1000 + record_)
    people = (
        Account("root", 0, 0, "/", ""),
        Account("alice", 1000, 0, "/", ""),
        Account("new", 1001, 0, "/", ""),
    )

    def where(place: str) -> str | Unread:
        return str(path) if place == logins.LASTLOG else Unread(Reason.MISSING)

    found = logins.last_logins(where, people)
    assert [(login.account, login.at) for login in found] == [("root", 0), ("alice", 1795159351), ("new", 0)]


def test_lastlog2_goes_before_lastlog_and_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "var/lib/lastlog/lastlog2.db"
    path.parent.mkdir(parents=True)
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER, TTY TEXT, RemoteHost TEXT)")
    database.execute("INSERT INTO Lastlog2 VALUES('alice', 1795159351, 'pts/0', '')")
    database.commit()
    database.close()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("alice:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n")
    before = sorted((p.name, p.stat().st_mtime_ns) for p in path.parent.iterdir())
    found = Snapshot(ImageHost(str(tmp_path))).ask(LastLogins())
    assert [(login.account, login.at) for login in found] == [("alice", 1795159351), ("bob", 0)]
    assert sorted((p.name, p.stat().st_mtime_ns) for p in path.parent.iterdir()) == before


def test_wtmpdb_is_read_where_there_is_no_wtmp(tmp_path: Path) -> None:
    path = tmp_path / "var/lib/wtmpdb/wtmp.db"
    path.parent.mkdir(parents=True)
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT, Login INTEGER, Logout INTEGER,"
        " TTY TEXT, RemoteHost TEXT, Service TEXT)"
    )
    database.execute("INSERT INTO wtmp VALUES(1, 1, 'reboot', 1795159000000000, NULL, '~', '6.12', NULL)")
    database.execute(
        "INSERT INTO wtmp VALUES(2, 3, 'root', 1795159351000000, NULL, 'pts/0', '192.0.2.7', 'sshd')"
    )
    database.commit()
    database.close()
    assert Snapshot(ImageHost(str(tmp_path))).ask(Logins()) == (
        Login("root", "pts/0", "192.0.2.7", 1795159351),
    )


def test_a_record_that_nobody_writes_is_none(tmp_path: Path) -> None:
    """Debian 13 comes with an empty lastlog, and with a link to a wtmp.db that nothing may ever make."""
    for folder in ("etc", "var/log", "var/lib/wtmpdb"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("alice:x:1000:1000::/:/bin/sh\n")
    (tmp_path / "var/log/lastlog").touch()
    (tmp_path / "var/lib/wtmpdb/wtmp.db").symlink_to("../../log/wtmp.db")
    seen = Snapshot(ImageHost(str(tmp_path)))
    assert seen.ask(LastLogins()) == Unread(Reason.MISSING)
    assert seen.ask(Logins()) == Unread(Reason.MISSING)


def test_a_record_that_is_no_database_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "var/lib/lastlog/lastlog2.db"
    path.parent.mkdir(parents=True)
    path.write_text("not a database, whatever its name says " * 40)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("alice:x:1000:1000::/:/bin/sh\n")
    answer = Snapshot(ImageHost(str(tmp_path))).ask(LastLogins())
    assert isinstance(answer, Unread)
    assert answer.reason is Reason.FAILED


# --- judgement ------------------------------------------------------------------------------------

TOOR = (*users.PEOPLE, Account("toor", 0, 0, "/root", "/bin/sh"))
SHELLED = (*users.PEOPLE, Account("oracle", 200, 200, "/opt/oracle", "/bin/bash"))
NOBODY = (*users.PEOPLE, Account("nobody", 65534, 65534, "/nonexistent", ""))
TWIN = (*users.PEOPLE, Account("alice2", 1000, 1000, "/home/a", "/bin/bash"))


def passwords(account: str, scheme: str, *, locked: bool = False) -> tuple:
    others = tuple(p for p in users.PASSWORDS if p.account != account)
    return (*others, users.password(account, scheme, locked=locked))


@pytest.mark.parametrize(
    ("id_", "changes"),
    [
        ("users.uid0", {"accounts": TOOR}),
        ("setuid.dedicated-account", {"accounts": SHELLED}),
        ("setuid.dedicated-account", {"accounts": NOBODY}),
        ("users.duplicates", {"accounts": TWIN}),
        ("users.duplicates", {"groups": (*users.GROUPS, Group("more", 27, ()))}),
        ("users.legacy-entries", {"nis_entries": ("passwd: +",)}),
        ("users.service-passwords", {"passwords": passwords("www-data", "yescrypt")}),
        ("users.empty-passwords", {"passwords": passwords("alice", "empty")}),
        ("users.hashes", {"passwords": passwords("alice", "md5crypt")}),
        ("users.hashes", {"passwords": passwords("alice", "descrypt", locked=True)}),
        ("users.root-password-complex", {"passwords": passwords("root", "empty")}),
        ("users.root-password-complex", {"passwords": passwords("root", "md5crypt")}),
        ("principle.no-daily-admin-account", {"logins": (Login("root", "tty1", "", int(hosts.NOW) - DAY),)}),
    ],
)
def test_what_is_wrong_with_an_account_fails_and_passes_without_it(id_: str, changes: dict) -> None:
    assert judge(hosts.server(), id_).result is Result.PASS
    assert judge(hosts.server(**changes), id_).result is Result.FAIL


@pytest.mark.parametrize(("uid", "result"), [("0", "fail"), ("1000", "pass"), ("4294967295", "pass")])
def test_a_session_that_root_began_itself_counts(uid: str, result: str) -> None:
    host = hosts.with_kernel(hosts.server(), {})
    host.kernel["/proc/self/loginuid"] = uid
    assert judge(host, "principle.no-daily-admin-account").result == result


@pytest.mark.parametrize(
    ("id_", "changes"),
    [
        ("users.service-passwords", {"passwords": passwords("www-data", "yescrypt", locked=True)}),
        ("users.root-password-complex", {"passwords": passwords("root", "locked", locked=True)}),
        ("users.root-password-complex", {"passwords": passwords("root", "md5crypt", locked=True)}),
        (
            "setuid.dedicated-account",
            {"accounts": (*users.PEOPLE, Account("bob", 1001, 1001, "/h", "/bin/sh"))},
        ),
        (
            "principle.no-daily-admin-account",
            {"logins": (Login("root", "tty1", "", int(hosts.NOW) - 40 * DAY),)},
        ),
    ],
)
def test_what_is_right_passes(id_: str, changes: dict) -> None:
    assert judge(hosts.server(**changes), id_).result is Result.PASS


@pytest.mark.parametrize("id_", ["users.hashes", "users.root-password-complex"])
def test_a_hash_that_nobody_knows_is_no_pass(id_: str) -> None:
    assert judge(hosts.server(passwords=passwords("root", "unknown")), id_).result is Result.UNKNOWN


@pytest.mark.parametrize(
    "id_",
    ["users.root-password-complex", "users.empty-passwords", "users.hashes", "users.service-passwords"],
)
def test_without_root_it_is_said_that_root_is_needed(id_: str) -> None:
    found = judge(hosts.server(passwords=Unread(Reason.DENIED)), id_)
    assert found.result is Result.UNKNOWN
    assert "root" in found.message


@pytest.mark.parametrize(
    "services", ["files ldap", "sss files", "compat", "files winbind [NOTFOUND=return] nis"]
)
def test_accounts_from_elsewhere_leave_no_pass_for_all(services: str) -> None:
    files = {"/etc/nsswitch.conf": f"passwd: {services}\n", "/etc/sssd/sssd.conf": "[sssd]\n"}
    for id_ in ("users.uid0", "users.duplicates", "users.empty-passwords", "setuid.dedicated-account"):
        assert judge(hosts.server(files=files), id_).result is Result.UNKNOWN, id_
    assert judge(hosts.server(files=files, accounts=TOOR), "users.uid0").result is Result.FAIL


def test_sss_that_nobody_set_up_brings_no_accounts() -> None:
    assert judge(hosts.rhel(), "users.uid0").result is Result.PASS


def test_old_accounts_are_told_by_their_days_and_new_ones_as_never() -> None:
    seen = (
        LastLogin("root", int(hosts.NOW) - DAY, "/var/log/lastlog"),
        LastLogin("alice", int(hosts.NOW) - 200 * DAY, "/var/log/lastlog"),
    )
    found = judge(hosts.server(last_logins=seen), "users.unused")
    assert found.result is Result.INFORMATIONAL
    assert "alice 200" in found.message
    never = judge(hosts.server(last_logins=(LastLogin("alice", 0, "x"),)), "users.unused")
    assert "alice never" in never.message
    missing = judge(hosts.server(last_logins=Unread(Reason.MISSING)), "users.unused")
    assert missing.result is Result.UNKNOWN
    assert "no login is on record" in missing.message


def test_an_empty_record_of_logins_is_no_pass() -> None:
    assert judge(hosts.server(logins=()), "principle.no-daily-admin-account").result is Result.UNKNOWN


def home(mode: int, uid: int = 1000, user: str = "alice") -> Status:
    return Status(Kind.FOLDER, mode, uid, uid, user, user, 4096, "8:1")


@pytest.mark.parametrize(
    ("status", "result", "words"),
    [
        (home(0o700), Result.PASS, ""),
        (home(0o750), Result.PASS, ""),
        (home(0o755), Result.FAIL, "alice 0755"),
        (home(0o770), Result.FAIL, "alice 0770"),
        (home(0o700, 1001, "bob"), Result.FAIL, "belongs to bob"),
        (None, Result.FAIL, "is not there"),
    ],
)
def test_a_home_is_judged_by_its_mode_and_its_owner(
    status: Status | None, result: Result, words: str
) -> None:
    people = (users.PEOPLE[0], Account("alice", 1000, 1000, "/home/of-alice", "/bin/bash"))
    stats = {"/root": home(0o700, 0, "root")} | ({"/home/of-alice": status} if status else {})
    found = judge(hosts.server(stats=stats, accounts=people), "users.homes")
    assert found.result is result
    assert words in found.message


def test_who_administers_is_not_known_without_the_accounts() -> None:
    """A group can be an account's own without naming it."""
    host = hosts.server()
    host.answers[Accounts] = Unread(Reason.DENIED)
    found = judge(host, "users.administrators")
    assert found.result is Result.UNKNOWN
    assert "/etc/passwd" in found.message


def test_the_two_views_name_the_people() -> None:
    assert "alice" in judge(hosts.server(), "users.shells").running
    assert "alice" in judge(hosts.server(), "users.administrators").running
    aged = hosts.server(passwords=(users.password("alice", "yescrypt", maximum=90),))
    assert judge(aged, "users.ageing").running == "90"
