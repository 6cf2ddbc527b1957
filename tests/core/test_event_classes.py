"""Classes of events: to which a record belongs, and what is predicted of each from a host's configuration."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.host.tail import audit_records, journal_record, syslog_records
from hardentui.model import Drift, Finding, Result
from hardentui.record import FACILITIES, Record
from hardentui.resources.audit.catalogue import SETS
from hardentui.resources.audit.state import LISTING, STATUS
from hardentui.resources.events.catalogue import BY_ID, CLASSES
from hardentui.resources.events.classify import classify
from hardentui.resources.events.told import State, Told, learned_keys, told
from hardentui.resources.firewall import loaded
from hardentui.resources.journal.settings import LEVELS
from hardentui.snapshot import (
    File,
    Folder,
    Mount,
    Mounts,
    Output,
    Process,
    Processes,
    Question,
    Reason,
    Snapshot,
    SpaceUsed,
    Stat,
    UnitFile,
    Unread,
    Usage,
)

from . import hosts
from .audit import STARTS
from .sittings import CHECKLISTS

# As a Debian 12 wrote them, by program.
MESSAGES = [
    ("sshd", "Accepted publickey for root from 10.77.0.1 port 40700 ssh2: ED25519 SHA256:O129", "ssh-login"),
    ("sshd", "Invalid user nosuch from 10.77.0.1 port 34052", "failed-login"),
    ("sshd", "Connection closed by invalid user nosuch 10.77.0.1 port 34052 [preauth]", "failed-login"),
    ("sshd", "Failed password for admin from 10.77.0.1 port 22 ssh2", "failed-login"),
    ("sshd-session", "Accepted password for admin from ::1 port 22 ssh2", "ssh-login"),
    (
        "login",
        "pam_unix(login:session): session opened for user root(uid=0) by LOGIN(uid=0)",
        "console-login",
    ),
    ("su", "(to admin) root on none", "su"),
    ("su", "FAILED SU (to root) carl on none", "su"),
    ("sudo", "   admin : PWD=/home/admin ; USER=root ; COMMAND=/usr/bin/id", "sudo"),
    ("sudo", "carl : 3 incorrect password attempts ; TTY=pts/0 ; COMMAND=/usr/bin/id", "sudo-refused"),
    ("sudo", "carl : user NOT in sudoers ; TTY=pts/0 ; USER=root ; COMMAND=/usr/bin/id", "sudo-refused"),
    ("useradd", "new user: name=bob, UID=1001, GID=1001, home=/home/bob, shell=/bin/sh", "user-changed"),
    ("userdel", "delete user 'bob'", "user-changed"),
    ("useradd", "new group: name=bob, GID=1001", "group-changed"),
    ("usermod", "add 'bob' to group 'sudo'", "group-changed"),
    ("gpasswd", "user bob added by root to group zz", "group-changed"),
    ("chpasswd", "pam_unix(chpasswd:chauthtok): password changed for bob", "password-changed"),
    ("chage", "changed password expiry for admin", "password-changed"),
    ("systemd", "Started cron.service - Regular background program processing daemon.", "service-changed"),
    ("systemd", "Reached target multi-user.target - Multi-User System.", "boot"),
    ("CRON", "(root) CMD (true)", "scheduled-job"),
    ("kernel", "hardentui-drop: IN=eth0 OUT= MAC=52:54 SRC=192.0.2.1 DST=192.0.2.2", "packet-dropped"),
    ("kernel", "[   12.1] usb 1-1: new high-speed USB device number 2 using xhci_hcd", "device"),
    ("kernel", 'audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="open"', "mac-denied"),
    ("sshd", "pam_unix(sshd:session): session closed for user root", None),
    ("systemd", "Startup finished in 69ms.", None),
    ("root", "Accepted publickey for root", None),
]
AUDIT = (
    "type=SYSCALL msg=audit(1795260818.243:24287): arch=c000003e syscall=257 success=yes uid=0 "
    'comm="touch" exe="/usr/bin/touch" subj=unconfined key="identity"\x1dARCH=x86_64 AUID="admin"\n'
    'type=CWD msg=audit(1795260818.243:24287): cwd="/root"\n'
    'type=PATH msg=audit(1795260818.243:24287): item=0 name="/etc/passwd" inode=4 nametype=NORMAL\n'
    'type=USER_CMD msg=audit(1795260819.001:24288): pid=9 uid=1000 auid=1000 msg=\'cwd="/" '
    "cmd=636174202F6574632F736861646F77 terminal=pts/0 res=success'\n"
    "type=USER_LOGIN msg=audit(1795260820.001:24289): pid=9 uid=0 auid=1000 msg='op=login id=1000 "
    'exe="/usr/sbin/sshd" addr=192.0.2.1 terminal=/dev/pts/0 res=success\'\n'
    'type=USER_LOGIN msg=audit(1795260821.001:24290): pid=9 uid=0 msg=\'op=login acct="nosuch" '
    'exe="/usr/sbin/sshd" addr=192.0.2.1 terminal=ssh res=failed\'\n'
    'type=SYSCALL msg=audit(1795260822.001:24291): syscall=87 success=yes exe="/usr/bin/rm" '
    "key=64656C6574650170657273\n"
)


@pytest.mark.parametrize(("program", "text", "kind"), MESSAGES)
def test_a_message_belongs_to_its_class(program: str, text: str, kind: str | None) -> None:
    found = classify(Record(0, "journal", program, text))
    assert (found.id if found else None) == kind


def test_audit_events_belong_to_the_class_of_their_key_or_type() -> None:
    records = list(audit_records(AUDIT.splitlines()))
    kinds = [found.id if (found := classify(one)) else None for one in records]
    assert kinds == ["account-files", "sudo", "ssh-login", "failed-login", "file-deleted"]
    touched, command = records[0], records[1]
    assert touched.types == ("SYSCALL", "CWD", "PATH")
    assert 'name="/etc/passwd"' in touched.text
    assert "AUID" not in touched.text
    assert 'cmd="cat /etc/shadow"' in command.text
    assert records[4].keys == ("delete", "pers")


def test_the_journal_is_read_in_every_form_that_it_has() -> None:
    entry: dict[str, Any] = {
        "__REALTIME_TIMESTAMP": "1795260818662968",
        "SYSLOG_IDENTIFIER": "sudo",
        "SYSLOG_FACILITY": "10",
        "MESSAGE": "x",
    }
    record = journal_record(json.dumps(entry))
    assert record is not None
    assert (record.at, record.facility, record.program, record.text) == (
        1795260818.662968,
        "authpriv",
        "sudo",
        "x",
    )
    spelled = journal_record(json.dumps(entry | {"MESSAGE": [104, 105, 255]}))
    assert spelled is not None
    assert spelled.text == "hi�"
    audited = journal_record(
        json.dumps(entry | {"_TRANSPORT": "audit", "_AUDIT_TYPE_NAME": "SYSCALL", "MESSAGE": 'key="delete"'})
    )
    assert audited is not None
    assert (audited.types, audited.keys) == (("SYSCALL",), ("delete",))
    assert journal_record('{"MESSAGE": null}') is not None
    for no_record in ("", "[]", "7", "{", "[" * 100_000):
        assert journal_record(no_record) is None


@given(st.text())
def test_no_line_breaks_a_reader(text: str) -> None:
    for line in (text, f'{{"MESSAGE": {json.dumps(text)}}}'):
        record = journal_record(line)
        if record is not None:
            classify(record)
    for known in (*audit_records([f"type=X msg=audit(1.2:3): {text}"]), *syslog_records([text], "f")):
        classify(known)


@given(st.sampled_from(["sshd", "sudo", "kernel", "systemd", "useradd", "login"]), st.text(max_size=60))
def test_no_text_of_a_program_breaks_the_classes(program: str, text: str) -> None:
    for kind in (
        classify(Record(0, "journal", program, text)),
        classify(Record(0, "a", "X", text, types=("X",))),
    ):
        assert kind is None or kind.id in BY_ID


def test_both_forms_of_log_files_are_read() -> None:
    lines = [
        "Nov 21 18:49:01 lab sshd[12]: Accepted x",
        "2026-11-21T18:49:01.1+00:00 lab sudo: a : COMMAND=/b",
    ]
    assert [record.program for record in syslog_records(lines, "f")] == ["sshd", "sudo"]


def test_the_table_of_classes_holds_together() -> None:
    assert len({one.id for one in CLASSES}) == len(CLASSES)
    assert {one.rules for one in CLASSES} - {""} == set(SETS)
    for one in CLASSES:
        assert one.provoke
        assert one.voices or one.rules or one.types or one.special, one.id
        for voice in one.voices:
            assert voice.facility in FACILITIES
            assert voice.severity in LEVELS


# --- what is predicted ----------------------------------------------------------------------------------

JOURNALD = Process(33, "systemd-journald", "root", "", "systemd-journald.service", started=hosts.NOW - 60)
RSYSLOG = Process(44, "rsyslogd", "root", "", "rsyslog.service", started=hosts.NOW - 60)
ID = "b0071d"
VOLATILE = f"/run/log/journal/{ID}/system.journal"
PERSISTENT = f"/var/log/journal/{ID}/system.journal"
RULES = 'module(load="imuxsock")\nmodule(load="imklog")\nauth,authpriv.* /var/log/auth.log\n'


def host(
    *more: Process, store: str = VOLATILE, enabled: tuple[str, ...] = (), **files: str
) -> hosts.DictHost:
    """A Debian with sshd, sudo and journald."""
    known = {path.replace("__", "/"): text for path, text in files.items()}
    made = hosts.DictHost(
        files={
            "/usr/lib/systemd/systemd-journald": "",
            "/etc/machine-id": f"{ID}\n",
            "/etc/systemd/journald.conf": "[Journal]\n#Storage=auto\n#ForwardToSyslog=yes\nAudit=no\n",
            "/usr/bin/sudo": "",
            "/usr/sbin/useradd": "",
            "/bin/su": "",
            "/etc/sudoers": "root ALL=(ALL) ALL\n",
            store: "",
            **known,
        },
        kernel={"/proc/cmdline": "quiet"},
        processes=(JOURNALD, *more),
        unit_files=tuple(UnitFile(f"{name}.service", "enabled") for name in enabled),
        commands={loaded.NFT.argv: Output('{"nftables": []}')},
    )
    made.stats[store] = hosts.Status(
        hosts.Kind.FILE, 0o640, 0, 4, "root", "adm", 8, "8:1", hosts.NOW, hosts.NOW
    )
    return made


def of(made: hosts.DictHost, kind: str) -> Told:
    return next(one for one in told(Snapshot(made)) if one.kind.id == kind)


def finding(made: hosts.DictHost, id_: str) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    return assess([entry], Snapshot(made), {}, CHECKLISTS.questions)[0]


def test_a_journal_in_memory_is_lost_with_the_reboot() -> None:
    one = of(host(), "sudo")
    assert (one.now.state, one.boot.state) == (State.PASSING, State.PASSING)
    assert finding(host(), "log.events.authentication").result is Result.FAIL


def test_a_journal_on_disk_keeps_what_programs_tell() -> None:
    made = host(store=PERSISTENT)
    assert (of(made, "sudo").now.state, of(made, "sudo").boot.state) == (State.KEPT, State.KEPT)
    assert finding(made, "log.events.accounts").result is Result.PASS


def test_a_daemon_that_runs_and_is_not_enabled_is_lost_with_the_reboot() -> None:
    made = host(RSYSLOG, __etc__rsyslog_conf="")
    made.files["/etc/rsyslog.conf"] = RULES
    one = of(made, "sudo")
    assert (one.now.state, one.boot.state) == (State.KEPT, State.PASSING)
    assert [store.place for store in one.now.stores] == ["journal", "/var/log/auth.log"]
    found = finding(made, "log.events.accounts")
    assert (found.result, found.drift) == (Result.FAIL, Drift.LOST_AT_REBOOT)


def test_rules_that_leave_a_facility_out_keep_nothing_of_it() -> None:
    made = host(RSYSLOG, enabled=("rsyslog",))
    made.files["/etc/rsyslog.conf"] = RULES.replace("auth,authpriv", "cron")
    assert of(made, "sudo").now.state is State.PASSING


@pytest.mark.parametrize(
    ("inputs", "journald"),
    [
        ('module(load="imklog")', ""),  # nothing is heard of programs
        ('module(load="imuxsock" SysSock.Use="off")', ""),
        ('module(load="imuxsock")', "ForwardToSyslog=no"),
        ('module(load="imuxsock")', "MaxLevelSyslog=err"),
        ('module(load="imjournal")', "Storage=none"),
        ('module(load="imjournal")', "MaxLevelStore=err"),
    ],
)
def test_a_file_of_rsyslog_holds_only_what_comes_in(inputs: str, journald: str) -> None:
    made = host(RSYSLOG, enabled=("rsyslog",))
    made.files["/etc/rsyslog.conf"] = f"{inputs}\nauth,authpriv.* /var/log/auth.log\n"
    made.files["/etc/systemd/journald.conf"] += f"{journald}\n"
    if journald == "Storage=none":
        del made.files[VOLATILE], made.stats[VOLATILE]
    one = of(made, "sudo")
    for side in (one.now, one.boot):
        assert "/var/log/auth.log" not in [store.place for store in side.stores]
        assert side.state is not State.KEPT


@pytest.mark.parametrize(
    ("fstype", "options", "super_options", "now", "boot"),
    [
        ("ext4", "rw", "rw", State.KEPT, State.KEPT),
        ("ext4", "ro", "rw", State.PASSING, State.KEPT),
        ("ext4", "rw", "ro,errors=remount-ro", State.PASSING, State.KEPT),
        ("overlay", "rw", "rw,upperdir=/media/rw/overlay", State.PASSING, State.PASSING),
    ],
)
def test_what_cannot_be_written_or_lies_in_memory_keeps_nothing(
    fstype: str, options: str, super_options: str, now: State, boot: State
) -> None:
    made = host(RSYSLOG, enabled=("rsyslog",))
    made.files["/etc/rsyslog.conf"] = RULES
    made.answers[Mounts] = (
        Mount(1, 0, "8:1", "/", "/", options, fstype, "/dev/sda1", super_options),
        Mount(2, 1, "0:9", "/", "/run", "rw", "tmpfs", "tmpfs", "rw"),
        Mount(3, 1, "0:8", "/", "/media/rw", "rw", "tmpfs", "tmpfs", "rw"),
    )
    one = of(made, "sudo")
    assert (one.now.state, one.boot.state) == (now, boot)


def with_room(free: int, reserved: int = 0, *, user: str = "root") -> hosts.DictHost:
    """rsyslog writes auth.log on a disk with so much room; the journal is in memory, which has some."""
    made = host(RSYSLOG, enabled=("rsyslog",))
    made.files["/etc/rsyslog.conf"] = f"$PrivDropToUser {user}\n{RULES}"
    made.answers[Mounts] = (
        Mount(1, 0, "8:1", "/", "/", "rw", "ext4", "/dev/sda1", "rw"),
        Mount(2, 1, "0:9", "/", "/run", "rw", "tmpfs", "tmpfs", "rw"),
    )
    made.given[SpaceUsed("/")] = Usage(100, 7, 1 << 30, free, reserved)
    return made


@pytest.mark.parametrize(
    ("made", "now", "boot"),
    [
        (with_room(1), State.KEPT, State.KEPT),
        (with_room(0), State.PASSING, State.UNKNOWN),
        (with_room(0, 4096), State.KEPT, State.KEPT),  # what is held back for root
        (with_room(0, 4096, user="syslog"), State.PASSING, State.UNKNOWN),
    ],
)
def test_a_store_on_a_full_file_system_takes_nothing(made: hosts.DictHost, now: State, boot: State) -> None:
    one = of(made, "sudo")
    assert (one.now.state, one.boot.state) == (now, boot)
    assert ("/var/log/auth.log, no room is left on /" in "".join(one.now.silent)) is (now is State.PASSING)
    assert ("no room is left on / now" in "".join(gap.detail for gap in one.boot.gaps)) is (
        boot is State.UNKNOWN
    )


def test_where_the_room_cannot_be_told_nothing_is_said_to_be_kept() -> None:
    made = with_room(1)
    made.given[SpaceUsed("/")] = Unread(Reason.TIMED_OUT)
    assert of(made, "sudo").now.state is State.UNKNOWN


def test_another_store_than_the_full_one_still_keeps_it() -> None:
    made = with_room(0)
    made.files["/etc/rsyslog.conf"] += "*.* @@logs.example:514\n"
    one = of(made, "sudo")
    assert (one.now.state, one.boot.state) == (State.KEPT, State.KEPT)
    assert "/var/log/auth.log" not in [store.place for store in one.now.stores]


def test_a_journal_without_room_lives_on_its_own_old_entries() -> None:
    made = host(store=PERSISTENT)
    made.answers[Mounts] = (Mount(1, 0, "8:1", "/", "/", "rw", "ext4", "/dev/sda1", "rw"),)
    made.given[SpaceUsed("/")] = Usage(100, 7, 1 << 30, 0, 0)
    one = of(made, "sudo")
    assert (one.now.state, one.boot.state) == (State.UNKNOWN, State.UNKNOWN)
    assert "old entries to drop" in one.now.gaps[0].detail


def test_a_journal_that_was_made_read_only_stores_nothing() -> None:
    made = host(store=PERSISTENT)
    made.answers[Mounts] = (Mount(1, 0, "8:1", "/", "/", "rw", "ext4", "/dev/sda1", "ro"),)
    one = of(made, "sudo")
    assert (one.now.state, one.boot.state) == (State.LOST, State.KEPT)
    assert "/ is mounted read-only" in "".join(one.now.silent)


def test_a_relay_is_a_store_on_another_host() -> None:
    made = host(RSYSLOG, enabled=("rsyslog",))
    made.files["/etc/rsyslog.conf"] = f"{RULES}*.* @@logs.example:514\n"
    one = of(made, "user-changed")
    assert one.boot.leaves
    assert [store.encrypted for store in one.boot.stores if store.remote] == [False]


@pytest.mark.parametrize(
    ("line", "state"),
    [("Defaults !syslog", State.LOST), ("Defaults !syslog, logfile=/var/log/sudo.log", State.KEPT)],
)
def test_sudo_that_was_told_to_be_silent(line: str, state: State) -> None:
    made = host(store=PERSISTENT)
    made.files["/etc/sudoers"] += f"{line}\n"
    side = of(made, "sudo").boot
    assert side.state is state
    assert "/etc/sudoers:2" in "".join(side.silent)
    assert of(made, "su").boot.state is State.KEPT


def test_a_log_file_of_sudo_for_some_is_told_of_and_keeps_not_all() -> None:
    """Who only reads that bob's commands are kept would take it that all are."""
    made = host(store=PERSISTENT)
    made.files["/etc/sudoers"] += "Defaults:bob logfile=/var/log/bob.log\n"
    side = of(made, "sudo").boot
    assert (side.state, "/var/log/bob.log" in {store.place for store in side.stores}) == (State.KEPT, True)
    made.files["/etc/sudoers"] += "Defaults !syslog\n"
    side = of(made, "sudo").boot
    assert side.state is State.LOST
    assert [witness.rule for witness in side.witnesses] == ["sudo -> /var/log/bob.log, of some only"]
    assert "/etc/sudoers:3" in "".join(side.silent)


def test_what_is_not_installed_cannot_happen() -> None:
    assert of(host(), "pkexec").boot.state is State.ABSENT
    assert "pkexec" not in finding(host(store=PERSISTENT), "log.events.authentication").running


def test_without_auditd_nobody_sees_a_file_that_is_written() -> None:
    side = of(host(store=PERSISTENT), "account-files").boot
    assert side.state is State.LOST
    assert side.silent


def audited(*rules: str) -> hosts.DictHost:
    """The host with auditd, and these rules loaded now and at boot."""
    made = host(store=PERSISTENT, enabled=("auditd",))
    status = "enabled 1\nfailure 1\npid 9\nrate_limit 0\nbacklog_limit 64\nlost 0\nbacklog 0\n"
    made.files |= {
        "/usr/sbin/auditctl": "",
        "/etc/audit/auditd.conf": STARTS,
        "/etc/audit/audit.rules": "",
    }
    made.files["/etc/audit/rules.d/50.rules"] = "\n".join(rules) + "\n"
    made.files |= dict.fromkeys(("/etc/passwd", "/etc/shadow", "/etc/security/opasswd", "/srv/secret"), "")
    made.commands |= {STATUS.argv: Output(status), LISTING.argv: Output("\n".join(rules) + "\n")}
    return made


IDENTITY = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/security/opasswd")


def test_rules_of_audit_record_what_no_program_tells() -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY))
    one = of(made, "account-files")
    assert one.now.state is State.KEPT
    assert one.now.stores[0].place == "/var/log/audit/audit.log"
    assert "-w /etc/passwd -p wa -k usergroup" in {witness.rule for witness in one.now.witnesses}
    less = of(audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY[:-1])), "account-files").now
    assert (less.state, less.silent) == (State.LOST, ("audit: no rule for /etc/security/opasswd",))


@pytest.mark.parametrize(
    ("conf", "now", "boot", "why"),
    [
        ("write_logs = no\n", State.LOST, State.LOST, "nothing stores it"),
        ("log_format = NOLOG\n", State.LOST, State.LOST, "nothing stores it"),
        ("local_events = no\n", State.KEPT, State.LOST, "local_events = no"),  # it was begun before
        (
            "space_left = 800\nadmin_space_left = 700\nadmin_space_left_action = SUSPEND\n",  # of 600 MiB
            State.LOST,
            State.UNKNOWN,
            "admin_space_left_action = suspend",
        ),
        ("space_left = 700\nspace_left_action = SYSLOG\n", State.KEPT, State.KEPT, ""),
        (
            "space_left = 700\nspace_left_action = exec /usr/local/bin/clean\n",
            State.UNKNOWN,
            State.UNKNOWN,
            "space_left_action = exec",
        ),
        ("log_format = ENRICHED # names\n", State.UNKNOWN, State.UNKNOWN, "auditd does not start"),
    ],
)
def test_a_daemon_that_writes_no_log_stores_nothing(conf: str, now: State, boot: State, why: str) -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY))
    made.files["/etc/audit/auditd.conf"] = STARTS + conf
    one = of(made, "account-files")
    assert (one.now.state, one.boot.state) == (now, boot)
    assert why in "".join((*one.boot.silent, *(gap.detail for gap in one.boot.gaps)))


@pytest.mark.parametrize(
    ("action", "free", "now", "boot"),
    [
        ("SUSPEND", 0, State.LOST, State.UNKNOWN),
        ("SUSPEND", 4 * 4096, State.LOST, State.UNKNOWN),
        ("SUSPEND", 5 * 4096, State.KEPT, State.KEPT),
        ("SYSLOG", 0, State.KEPT, State.KEPT),  # it writes on what is held back for root
    ],
)
def test_a_daemon_that_stops_where_its_disk_is_full_does_so_before_the_room_for_root(
    action: str, free: int, now: State, boot: State
) -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY))
    made.files["/etc/audit/auditd.conf"] = (
        "space_left = 75\nspace_left_action = SYSLOG\nadmin_space_left_action = SYSLOG\n"
        f"disk_full_action = {action}\n"
    )
    made.answers[Mounts] = (Mount(1, 0, "8:1", "/", "/", "rw", "ext4", "/dev/sda1", "rw"),)
    full = Usage(100, 7, 1 << 30, free, 50 << 20)
    made.given |= {SpaceUsed("/"): full, SpaceUsed("/var/log/audit"): full}
    one = of(made, "account-files")
    assert (one.now.state, one.boot.state) == (now, boot)
    words = "".join((*one.now.silent, *(gap.detail for gap in one.boot.gaps)))
    assert ("disk_full_action = suspend" in words) is (now is State.LOST)


@pytest.mark.parametrize(
    ("action", "size", "state"),
    [
        ("SUSPEND", 8 << 20, State.LOST),
        ("SUSPEND", (8 << 20) - 1, State.KEPT),
        ("ROTATE", 8 << 20, State.KEPT),
        ("SUSPEND", None, State.UNKNOWN),
    ],
)
def test_a_daemon_that_stops_at_the_size_of_its_log_writes_no_more(
    action: str, size: int | None, state: State
) -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY))
    made.files["/etc/audit/auditd.conf"] = f"{STARTS}max_log_file = 8\nmax_log_file_action = {action}\n"
    log = dataclasses.replace(hosts.status(0o640), size=size or 0)
    made.stats["/var/log/audit/audit.log"] = Unread(Reason.DENIED) if size is None else log
    one = of(made, "account-files")
    assert (one.now.state, one.boot.state) == (state, state)
    assert ("has reached max_log_file = 8" in "".join(one.now.silent)) is (state is State.LOST)


@pytest.mark.parametrize("denied", [Folder("/etc/audit/plugins.d"), File("/etc/audit/plugins.d/syslog.conf")])
def test_plugins_that_cannot_be_read_may_hand_the_records_on(denied: Question[Any]) -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY))
    made.files |= {
        "/etc/audit/auditd.conf": f"{STARTS}write_logs = no\n",
        "/etc/audit/plugins.d/syslog.conf": "active = no\ndirection = out\n",
    }
    assert of(made, "account-files").now.state is State.LOST
    made.given[denied] = Unread(Reason.DENIED)
    one = of(made, "account-files")
    assert (one.now.state, one.boot.state) == (State.UNKNOWN, State.UNKNOWN)
    assert "/etc/audit/plugins.d" in "".join(gap.detail for gap in one.now.gaps)


@pytest.mark.parametrize(
    ("args", "kept"),
    [("LOG_INFO", True), ("LOG_LOCAL6 LOG_NOTICE", True), ("", True), ("LOG_DEBUG", False)],
)
def test_records_that_a_plugin_hands_to_syslog_are_kept_where_it_keeps_them(args: str, kept: bool) -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY))
    made.files["/etc/systemd/journald.conf"] += "MaxLevelStore=info\n"
    made.files |= {
        "/etc/audit/auditd.conf": f"{STARTS}write_logs = no\n",
        "/etc/audit/plugins.d/syslog.conf": f"active = yes\ndirection = out\nargs = {args}\n",
    }
    one = of(made, "account-files")
    assert (one.now.state, one.boot.state) == ((State.KEPT,) * 2 if kept else (State.LOST,) * 2)
    assert [store.place for store in one.boot.stores] == (["journal"] if kept else [])


def test_a_daemon_that_is_older_than_its_settings_is_not_judged_by_them() -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY))
    made.answers[Processes] += (Process(9, "auditd", "root", "", "auditd.service", started=hosts.NOW - 9e6),)
    assert of(made, "account-files").now.state is State.UNKNOWN
    assert of(made, "account-files").boot.state is State.KEPT


def test_rules_that_are_loaded_and_switched_off_record_nothing() -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY), "-e 0")
    made.commands[STATUS.argv] = Output(made.commands[STATUS.argv].stdout.replace("enabled 1", "enabled 0"))
    one = of(made, "account-files")
    assert (one.now.state, one.boot.state) == (State.LOST, State.LOST)


def test_what_is_typed_is_noted_where_pam_says_so_and_the_kernel_audits() -> None:
    made = audited()
    assert of(made, "typed").now.state is State.LOST
    made.files["/etc/pam.d/sudo"] = "session required pam_tty_audit.so enable=*\n"
    assert of(made, "typed").now.state is State.KEPT
    made.commands[STATUS.argv] = Output(made.commands[STATUS.argv].stdout.replace("enabled 1", "enabled 0"))
    assert of(made, "typed").now.state is State.LOST


def test_types_of_records_that_a_rule_leaves_out_are_not_written() -> None:
    def by_audit(*rules: str) -> list[str]:
        one = of(audited(*rules), "service-changed")
        return [w.rule for side in (one.now, one.boot) for w in side.witnesses if w.place == "auditd"]

    started, stopped = (f"-a always,exclude -F msgtype=SERVICE_{word}" for word in ("START", "STOP"))
    assert len(by_audit()) == len(by_audit(started)) == 2
    assert not by_audit(started, stopped)
    assert not by_audit("-a never,user")


def test_a_sensitive_resource_behind_a_rule_that_leaves_it_out_is_not_recorded() -> None:
    rule = "-a always,exit -F arch=b64 -F path=/srv/secret -F perm=rwxa -F key=sensitive"
    assert of(audited("-a never,task", rule), "sensitive-access").now.state is State.LOST


def test_a_record_that_comes_with_a_rule_alone_is_not_expected_without() -> None:
    assert of(audited(), "module-loaded").now.state is State.LOST
    assert classify(Record(0, "a", "X", "", types=("KERN_MODULE",))) is BY_ID["module-loaded"]


def test_where_no_security_module_runs_none_denies() -> None:
    made = host(store=PERSISTENT)
    assert of(made, "mac-denied").now.state is State.ABSENT
    made.kernel["/sys/module/apparmor/parameters/enabled"] = "Y"
    assert of(made, "mac-denied").now.state is State.KEPT


def test_a_key_for_several_files_is_no_login_for_each_of_them() -> None:
    learned = {"logins": BY_ID["ssh-login"]}
    wrote = {
        path: Record(0, "", "SYSCALL", f'name="{path}"', types=("SYSCALL",), keys=("logins",))
        for path in ("/var/log/lastlog", "/run/faillock", "/var/log/sudo.log")
    }
    kinds = {path: found.id if (found := classify(one, learned)) else "" for path, one in wrote.items()}
    assert kinds == {"/var/log/lastlog": "ssh-login", "/run/faillock": "", "/var/log/sudo.log": ""}


def test_the_keys_of_the_hosts_own_rules_are_learned() -> None:
    made = audited(*(f"-w {path} -p wa -k usergroup" for path in IDENTITY))
    record = Record(0, "a", "SYSCALL", "success=yes", types=("SYSCALL",), keys=("usergroup",))
    assert classify(record) is None
    assert classify(record, learned_keys(Snapshot(made))) is BY_ID["account-files"]


def test_what_was_named_as_sensitive_has_a_class() -> None:
    assert of(audited(), "sensitive-access").now.state is State.LOST
    made = audited("-a always,exit -F arch=b64 -F path=/srv/secret -F perm=rwxa -F key=sensitive")
    assert of(made, "sensitive-access").now.state is State.KEPT


def test_a_journal_that_stores_less_loses_what_is_less_urgent() -> None:
    made = host(store=PERSISTENT)
    made.files["/etc/systemd/journald.conf"] += "MaxLevelStore=err\n"
    assert of(made, "sudo").boot.state is State.LOST
    assert of(made, "sudo-refused").boot.state is State.KEPT  # an alert


@pytest.mark.parametrize(("level", "state"), [("QUIET", State.LOST), ("VERBOSE", State.KEPT)])
def test_sshd_speaks_as_its_level_says(level: str, state: State) -> None:
    made = host(store=PERSISTENT)
    made.files |= {"/usr/sbin/sshd": "", "/etc/ssh/sshd_config": f"LogLevel {level}\n"}
    assert of(made, "ssh-login").boot.state is state


def test_what_could_not_be_read_is_never_said_to_be_lost() -> None:
    made = host()
    made.answers[hosts.Processes] = hosts.Unread(hosts.Reason.DENIED)
    assert of(made, "user-changed").now.state is State.UNKNOWN
    assert finding(made, "log.events.accounts").result in {Result.UNKNOWN, Result.FAIL}


@pytest.mark.parametrize(
    "denied",
    [
        Stat("/usr/sbin/useradd"),
        Stat(PERSISTENT),
        File("/etc/machine-id"),
        File("/etc/systemd/journald.conf"),
        File("/etc/fstab"),
        Processes(),
        Mounts(),
    ],
)
def test_a_sole_witness_of_which_something_could_not_be_read_is_none(denied: Question[Any]) -> None:
    made = host(store=PERSISTENT)
    assert finding(made, "log.events.accounts").result is Result.PASS
    made.given[denied] = Unread(Reason.DENIED)
    assert finding(made, "log.events.accounts").result is Result.UNKNOWN


def test_a_recording_of_before_is_unknown_and_no_failure_of_ours() -> None:
    silent = Snapshot(hosts.DictHost()).freeze()
    assert {one.boot.state for one in told(silent)} <= {State.UNKNOWN, State.LOST}
    entries = [one for one in CHECKLISTS.recommendations if one.resource in {"events", "service-logs"}]
    found = assess(entries, silent, {}, CHECKLISTS.questions)
    assert {one.result for one in found} <= {Result.UNKNOWN, Result.NOTCHECKED}


def test_an_image_is_judged_by_what_it_will_do() -> None:
    made = host(store=PERSISTENT)
    made.name = "image"
    one = of(made, "user-changed")
    assert one.now is None
    assert one.boot.state is State.KEPT
