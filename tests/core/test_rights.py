"""Sensitive files by family, and private folders for temporary files."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest

from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.host.image import ImageHost
from hardentui.host.live import LiveHost
from hardentui.model import Action, Finding, Result
from hardentui.operations import Refusal, SetMode
from hardentui.resources.guarded import GUARDED
from hardentui.session import Session
from hardentui.snapshot import Kind, Reason, Snapshot, Stat, Unread

from . import hosts
from .audit import STARTS
from .sittings import CHECKLISTS

RIGHTS = [entry for entry in CHECKLISTS.recommendations if entry.resource == "rights"]


def judged(host, id_: str) -> Finding:
    (entry,) = [entry for entry in CHECKLISTS.recommendations if entry.id == id_]
    return assess([entry], Snapshot(host), {})[0]


def with_shadow(mode: int, user: str = "root", group: str = "shadow", **changes):
    return hosts.server(stats={"/etc/shadow": hosts.status(mode, user, group)}, **changes)


def test_every_group_of_files_has_a_recommendation() -> None:
    subjects = {name for tables in GUARDED.values() for name in tables}
    assert {entry.subject for entry in RIGHTS} == subjects
    assert all(set(tables) == subjects for tables in GUARDED.values())


@pytest.mark.parametrize(
    ("mode", "group", "family", "result"),
    [
        (0o640, "shadow", hosts.DEBIAN, Result.PASS),
        (0o600, "root", hosts.DEBIAN, Result.PASS),
        (0o000, "root", hosts.DEBIAN, Result.PASS),
        (0o644, "shadow", hosts.DEBIAN, Result.FAIL),
        (0o660, "shadow", hosts.DEBIAN, Result.FAIL),
        (0o640, "users", hosts.DEBIAN, Result.FAIL),
        (0o000, "root", hosts.ALMA, Result.PASS),
        (0o640, "shadow", hosts.ALMA, Result.FAIL),
    ],
)
def test_the_password_file_is_judged_by_the_rules_of_its_family(mode, group, family, result) -> None:
    assert judged(with_shadow(mode, group=group, distribution=family), "files.passwords").result is result


def test_only_what_is_too_open_is_named() -> None:
    finding = judged(hosts.server(), "files.accounts")
    assert finding.result is Result.FAIL
    assert finding.message.startswith("/etc/passwd 0666 root:root")
    assert "/etc/group" not in finding.message


def test_an_unknown_family_is_not_judged() -> None:
    suse = dataclasses.replace(hosts.DEBIAN, id="opensuse", family="suse", name="openSUSE")
    finding = judged(with_shadow(0o666, distribution=suse), "files.passwords")
    assert finding.result is Result.UNKNOWN
    assert "openSUSE" in finding.message


def test_a_file_that_cannot_be_looked_at_keeps_the_rest_from_passing() -> None:
    denied = Unread(Reason.DENIED)
    host = hosts.server(stats={"/etc/shadow": hosts.status(0o640, group="shadow"), "/etc/gshadow": denied})
    assert judged(host, "files.passwords").result is Result.UNKNOWN
    host = hosts.server(stats={"/etc/shadow": hosts.status(0o644, group="shadow"), "/etc/gshadow": denied})
    assert judged(host, "files.passwords").result is Result.FAIL


def test_a_link_is_not_judged_by_its_own_mode() -> None:
    host = hosts.server(stats={"/root": hosts.status(0o777, kind=Kind.LINK)})
    assert judged(host, "files.root-home").result is Result.NOTAPPLICABLE


def operations(host, id_: str, facts=None):
    session = Session.begin(CHECKLISTS, Snapshot(host))
    finding = session.finding(id_)
    decision = session.decision(finding, Action.APPLY)
    if facts is not None:
        decision = dataclasses.replace(decision, facts=facts)
    return change_of(finding.recommendation, decision)


def test_a_change_takes_bits_away_and_never_adds_one() -> None:
    (step,) = operations(with_shadow(0o604, "alice", "users"), "files.passwords")
    assert step == SetMode(
        owners=("files.passwords",),
        path="/etc/shadow",
        before_mode="0604",
        before_owner="alice:users",
        mode="0600",
        owner="root:shadow",
    )
    (kept,) = operations(with_shadow(0o644, group="root"), "files.passwords")
    assert (kept.mode, kept.owner) == ("0640", "root:root")


def test_a_folder_with_the_sticky_bit_can_be_written_too() -> None:
    stats = {"/var/spool/cron/crontabs": hosts.status(0o1733, group="crontab", kind=Kind.FOLDER)}
    (step,) = operations(hosts.server(stats=stats), "files.cron")
    assert (step.before_mode, step.mode) == ("01733", "01730")


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"family": "plan9", "files": {}},
        {"family": "debian", "files": {"/etc/passwd": {"mode": "0666", "owner": "root:root"}}},
        {"family": "debian", "files": {"/etc/shadow": {"mode": "rw-", "owner": "root:root"}}},
        {"family": "debian", "files": {"/etc/shadow": "0644"}},
        {"family": "debian", "files": {"/etc/shadow": {"mode": "0644", "owner": "root:root; reboot"}}},
        {"family": "debian", "files": {"/etc/shadow": {"mode": "0644"}}},
        {"family": "rhel", "files": {"/var/spool/cron/crontabs": {"mode": "0644", "owner": "root:root"}}},
    ],
)
def test_facts_that_a_person_made_up_are_refused_with_a_sentence(facts) -> None:
    refusal = operations(with_shadow(0o644), "files.passwords", facts)
    assert isinstance(refusal, Refusal)
    assert len(refusal.reason) > 10


def test_an_image_is_judged_by_its_own_names(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give files away")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nNAME="Debian"\n')
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\nshadow:x:4343:\n")
    shadow = tmp_path / "etc/shadow"
    shadow.write_text("root:*:1::::::\n")
    shadow.chmod(0o640)
    os.chown(shadow, 0, 4343)
    finding = judged(ImageHost(str(tmp_path)), "files.passwords")
    assert finding.result is Result.PASS, finding.message
    os.chown(shadow, 0, 42)  # shadow of this host, nobody's in the image
    finding = judged(ImageHost(str(tmp_path)), "files.passwords")
    assert finding.result is Result.FAIL
    assert "0640 root:42" in finding.message


def test_what_a_distribution_ships_for_passwords_passes_on_this_machine() -> None:
    if not Path("/etc/debian_version").exists():
        pytest.skip("needs a Debian system")
    host = LiveHost()
    status, _at = host.answer(Stat("/etc/shadow"))
    assert status.mode == stat.S_IMODE(Path("/etc/shadow").stat().st_mode)
    if status.group == "shadow" and not status.mode & 0o037:
        assert "/etc/shadow" not in judged(host, "files.passwords").message


# --- private folders for temporary files ------------------------------------------------------------

NAMESPACE = "session    required     pam_namespace.so\n"
LINES = "/tmp     /tmp/tmp-inst/       \tlevel      root,adm\n"


def private(**files: str) -> Finding:
    paths = {path.replace("__", "/"): text for path, text in files.items()}
    return judged(
        hosts.server(files={f"/etc/{path}": text for path, text in paths.items()}), "files.private-tmp"
    )


def test_the_module_alone_is_not_enough_and_neither_is_its_file() -> None:
    both = {"pam.d__sshd": NAMESPACE, "security__namespace.conf": LINES}
    assert private(**both).result is Result.PASS
    assert private(**both).boot == "pam_namespace"
    assert private(**{"pam.d__sshd": NAMESPACE}).boot == "no"
    assert private(**{**both, "pam.d__sshd": "# " + NAMESPACE}).boot == "no"
    assert private(**{**both, "security__namespace.conf": "# " + LINES}).boot == "no"
    assert private(**{**both, "security__namespace.conf": LINES.replace("/tmp  ", "/var/tmp  ")}).boot == "no"
    dropped = {"pam.d__sshd": NAMESPACE, "security__namespace.d__tmp.conf": LINES}
    assert private(**dropped).boot == "pam_namespace"


def test_pam_mktemp_needs_no_file() -> None:
    assert (
        private(**{"pam.d__login": "session [success=1 default=ignore] pam_mktemp.so\n"}).result
        is Result.PASS
    )


def test_a_service_file_that_cannot_be_read_leaves_the_question_open() -> None:
    host = hosts.server(files={"/etc/pam.d/sshd": Unread(Reason.DENIED)})
    assert judged(host, "files.private-tmp").result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("conf", "files", "steps"),
    [
        # What auditd sets at its next start: anything else a rollback would take for somebody's change.
        (
            "log_group = adm\n",
            {},
            {"/var/log/audit": "0750 root:adm", "/var/log/audit/audit.log": "0640 root:adm"},
        ),
        ("", {}, {"/var/log/audit": "0700 root:root", "/var/log/audit/audit.log": "0600 root:root"}),
        # A group of people must not get the log from us.
        (
            "log_group = users\n",
            {},
            {"/var/log/audit": "0750 root:root", "/var/log/audit/audit.log": "0640 root:root"},
        ),
        # What a plan that was edited says.
        ("", {"/var/log/audit": "0755 root:adm"}, {"/var/log/audit": "0750 root:root"}),
        ("", {"/var/log/audit": "0750 bob:adm"}, {"/var/log/audit": "0750 root:root"}),
    ],
)
def test_the_log_of_audit_gets_the_rights_that_auditd_gives_it_at_each_start(
    conf: str, files: dict[str, str], steps: dict[str, str]
) -> None:
    stats = {"/var/log/audit": hosts.status(0o755), "/var/log/audit/audit.log": hosts.status(0o644)}
    host = hosts.server(stats=stats)
    host.files["/etc/audit/auditd.conf"] = STARTS + conf
    session = Session.begin(CHECKLISTS, Snapshot(host))
    entry, found = session.entry("audit.rights"), session.finding("audit.rights")
    assert entry is not None
    assert found is not None
    made = session.decision(found, Action.APPLY)
    if files:
        edited = {path: {"mode": "0755", "owner": "root:root", "anew": anew} for path, anew in files.items()}
        made = dataclasses.replace(made, facts={**made.facts, "files": edited})
    changed = change_of(entry, made)
    assert not isinstance(changed, Refusal)
    seen = {one.path: f"{one.mode} {one.owner}" for one in changed if isinstance(one, SetMode)}
    assert steps.items() <= seen.items()
