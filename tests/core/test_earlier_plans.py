"""What an earlier plan wrote stays: a later one, of fewer decisions, takes no line out of our files."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from pathlib import Path

import pytest

from hardentui.assess import assess
from hardentui.changeset import ConflictError, compile_plan
from hardentui.model import Action
from hardentui.operations import WriteFile
from hardentui.plan import PlanFile, render
from hardentui.rehearsal import rehearse, undo
from hardentui.session import Session
from hardentui.snapshot import File

from . import hosts
from .sittings import sitting
from .test_closed_loop import CHANGES, CHECKLISTS, FIRST, HOSTS, begun, decided, findings, holds

DROPIN = "/etc/sysctl.d/99-zz-hardentui.conf"
TMPFILES = "/etc/tmpfiles.d/00-hardentui.conf"


def anew(session: Session, snapshot: object) -> Session:
    """A session that knows the host as it is now, and no plan."""
    return sitting(snapshot, session.plan.answers)


@functools.cache
def hardened(host: str = "server", **answers: str) -> tuple[Session, list]:
    session = begun(host, tuple(sorted((FIRST | answers).items())))
    entries = [e for e in CHANGES if not e.alternatives and not session.refusal(session.finding(e.id))]
    session = decided(session, entries)
    return anew(session, rehearse(session.snapshot, session.compiled())), entries


@pytest.mark.parametrize("host", HOSTS)
def test_a_plan_of_one_decision_on_a_hardened_host_undoes_no_other(host: str) -> None:
    session, entries = hardened(host)
    kinds = {
        (e.resource, e.subject.count("*")): e for e in entries if not session.refusal(session.finding(e.id))
    }
    for entry in kinds.values():
        later = decided(session, [entry])
        after = rehearse(later.snapshot, later.compiled())
        seen = assess(entries, after, later.plan.answers, CHECKLISTS.questions)
        lost = {found.recommendation.id: found.message for found in seen if not holds(found)}
        assert not lost, entry.id


def test_what_is_kept_is_said_in_the_file_and_a_rollback_brings_the_old_one_back() -> None:
    session, entries = hardened()
    kept = next(e for e in entries if e.subject == "kernel.kptr_restrict")
    one = next(e for e in entries if e.subject == "kernel.dmesg_restrict")
    old = session.snapshot.ask(File(DROPIN))
    later = decided(session, [one])
    change_set = later.compiled()
    (write,) = (o for o in change_set.operations if isinstance(o, WriteFile))
    lines = write.content.split("\n")
    at = lines.index("kernel.kptr_restrict = 2")
    assert f"# {kept.id} (kept from an earlier plan)" in lines[:at]
    assert f"# {one.id}" in lines
    assert lines.count("kernel.dmesg_restrict = 1") == 1
    assert write.before == hashlib.sha256(old.encode()).hexdigest()
    after = rehearse(session.snapshot, change_set)
    assert undo(after, change_set, session.snapshot).ask(File(DROPIN)) == old


def test_a_third_plan_still_says_whose_lines_they_are() -> None:
    session, entries = hardened()
    one, two = (e for e in entries if e.subject in {"kernel.dmesg_restrict", "kernel.sysrq"})
    second = decided(session, [one])
    third = decided(anew(second, rehearse(second.snapshot, second.compiled())), [two])
    text = rehearse(third.snapshot, third.compiled()).ask(File(DROPIN))
    assert f"# {one.id} (kept from an earlier plan)\n" in text
    assert "earlier plan) (kept" not in text
    assert text.count("Written by hardentui") == 1


def test_an_old_line_for_one_interface_gives_way_to_a_new_pattern() -> None:
    """It would win over the pattern at boot, and hold the old value there."""
    session, entries = hardened()
    text = session.snapshot.ask(File(DROPIN)) + "net.ipv4.conf.eth0.log_martians = 0\n"
    host = hosts.server(files={DROPIN: text})
    entry = next(e for e in entries if e.subject == "net.ipv4.conf.*.log_martians")
    later = decided(anew(session, hosts.snapshot(host)), [entry])
    after = rehearse(later.snapshot, later.compiled())
    assert "eth0.log_martians" not in after.ask(File(DROPIN))
    assert holds(findings(later, after)[entry.id])


def test_forwarding_still_comes_first() -> None:
    """Changing it resets accept_redirects: a kept line must not end up before a new ip_forward."""
    session, entries = hardened()
    entry = next(e for e in CHANGES if e.subject == "net.ipv4.ip_forward")
    assert entry in entries
    later = decided(session, [entry])
    lines = rehearse(later.snapshot, later.compiled()).ask(File(DROPIN)).split("\n")
    forward = next(n for n, line in enumerate(lines) if line.startswith("net.ipv4.ip_forward"))
    redirects = next(n for n, line in enumerate(lines) if "accept_redirects" in line)
    assert forward < redirects


def test_lines_of_tmpfiles_are_kept_too() -> None:
    session = begun("server", tuple(sorted(FIRST.items())))
    entry = next(e for e in CHANGES if e.resource == "tmpfiles")
    earlier = f"# tmp.other\nD /srv/tmp 1777 root root -\n# {entry.id}\nD {entry.subject} 1777 root root -\n"
    host = hosts.server(files={TMPFILES: earlier})
    later = decided(anew(session, hosts.snapshot(host)), [entry])
    text = rehearse(later.snapshot, later.compiled()).ask(File(TMPFILES))
    assert "# tmp.other (kept from an earlier plan)\nD /srv/tmp 1777 root root -\n" in text
    assert text.count(f"D {entry.subject} ") == 1


SSHD = "/etc/ssh/sshd_config.d/00-hardentui.conf"
SUDOERS = "/etc/sudoers.d/zz-hardentui"
LOGIN = "/etc/profile.d/zz-hardentui.sh"
PWQUALITY = "/etc/security/pwquality.conf.d/zz-hardentui.conf"


def _later(path: str, resource: str, subject: str, change: tuple[str, str] = ("", "")) -> str:
    """The file after a plan of one decision on a hardened host, where ``change`` was made to it before."""
    session, _entries = hardened()
    old = session.snapshot.ask(File(path))
    snapshot = session.snapshot.with_answers({File(path): old.replace(*change, 1)}, session.snapshot.taken_at)
    entry = next(e for e in CHANGES if (e.resource, e.subject) == (resource, subject))
    later = decided(anew(session, snapshot), [entry])
    return rehearse(later.snapshot, later.compiled()).ask(File(path))


@pytest.mark.parametrize(
    ("path", "resource", "subject"),
    [
        (SSHD, "sshd", "PermitRootLogin"),
        (SUDOERS, "sudoers", "use_pty"),
        (LOGIN, "login", "umask"),
        (LOGIN, "login", "idle-timeout"),
        (PWQUALITY, "pam", "password-length"),
    ],
)
def test_files_of_other_kinds_keep_their_lines(path: str, resource: str, subject: str) -> None:
    """The same settings stand there, each once, and no comment is lost or said twice."""
    before = hardened()[0].snapshot.ask(File(path)).split("\n")
    after = _later(path, resource, subject).split("\n")
    assert sorted(line for line in after if line[:1] != "#") == sorted(x for x in before if x[:1] != "#")
    assert sum(line.startswith("#") for line in after) == sum(line.startswith("#") for line in before)
    assert any(line.endswith(" (kept from an earlier plan)") for line in after)


def test_the_lines_of_the_idle_time_stay_in_their_order() -> None:
    """What is readonly already cannot be set."""
    lines = _later(LOGIN, "login", "umask").split("\n")
    at = next(n for n, line in enumerate(lines) if line.startswith("TMOUT="))
    assert lines[at + 1 : at + 3] == ["readonly TMOUT", "export TMOUT"]


@pytest.mark.parametrize(
    ("path", "resource", "subject", "change"),
    [
        (SSHD, "sshd", "PermitRootLogin", ("MaxAuthTries", "PermitRootLogin yes\nMaxAuthTries")),
        (SUDOERS, "sudoers", "use_pty", ("Defaults", "Defaults !use_pty\nDefaults")),
        (LOGIN, "login", "umask", ("TMOUT", "umask 000\nTMOUT")),
        (PWQUALITY, "pam", "password-length", ("minclass", "minlen = 1\nminclass")),
    ],
)
def test_an_old_line_gives_way_to_the_new_one(
    path: str, resource: str, subject: str, change: tuple[str, str]
) -> None:
    assert change[1].split("\n")[0] not in _later(path, resource, subject, change).split("\n")


@pytest.mark.parametrize(
    ("path", "resource", "subject", "line"),
    [
        (SSHD, "sshd", "PermitRootLogin", "Match User eve"),
        (SSHD, "sshd", "PermitRootLogin", "AuthorizedKeysCommand /tmp/x"),
        (SSHD, "sshd", "PermitRootLogin", "MaxAuthTries many"),
        (SUDOERS, "sudoers", "use_pty", "eve ALL=(ALL) NOPASSWD: ALL"),
        (SUDOERS, "sudoers", "use_pty", "Defaults secure_path=/bin,!authenticate"),
        (LOGIN, "login", "umask", "umask 027; /tmp/x"),
        (LOGIN, "login", "umask", "TMOUT=$(/tmp/x)"),
        (PWQUALITY, "pam", "password-length", "enforcing = 0"),
    ],
)
def test_a_line_that_is_none_of_ours_is_not_kept(path: str, resource: str, subject: str, line: str) -> None:
    """Neither from the host's file nor from a plan that somebody edited."""
    session, _entries = hardened()
    entry = next(e for e in CHANGES if (e.resource, e.subject) == (resource, subject))
    later = decided(session, [entry])
    forged = {path: (*later.plan.files[path], line)}
    with pytest.raises(ConflictError, match="cannot be kept"):
        compile_plan(dataclasses.replace(later.plan, files=forged), CHECKLISTS)


def test_the_plan_that_was_saved_keeps_them_as_well(tmp_path: Path) -> None:
    session, entries = hardened()
    later = decided(session, entries[:1] + [e for e in entries if e.subject == "kernel.sysrq"])
    path = tmp_path / "plan.toml"
    path.write_text(render(later.plan), encoding="utf-8")
    read = PlanFile.read(path)
    assert read.plan == later.plan
    assert compile_plan(read.plan, CHECKLISTS) == later.compiled()
    assert read.save(read.plan).text == read.text


def test_a_file_that_the_plan_does_not_know_is_not_written_over() -> None:
    session, entries = hardened()
    later = decided(session, [e for e in entries if e.subject == "kernel.sysrq"])
    forgetful = dataclasses.replace(later.plan, files={})
    with pytest.raises(ConflictError, match="plan refresh"):
        compile_plan(forgetful, CHECKLISTS)


def test_lines_put_into_the_plan_by_hand_do_not_pass_for_those_of_the_file() -> None:
    """The script compares the file with the sha256 of what the plan says stood there, and stops."""
    session, entries = hardened()
    later = decided(session, [e for e in entries if e.subject == "kernel.sysrq"])
    (seen,) = (o.before for o in later.compiled().operations if isinstance(o, WriteFile))
    forged = {DROPIN: (*later.plan.files[DROPIN], "kernel.core_pattern = |/tmp/x")}
    change_set = compile_plan(dataclasses.replace(later.plan, files=forged), CHECKLISTS)
    (write,) = (o for o in change_set.operations if isinstance(o, WriteFile))
    assert write.before != seen


def test_a_plan_that_was_applied_takes_one_more_decision() -> None:
    """Its file is its own: nothing in it is foreign, and it is what the script expects to find."""
    session = begun("server", tuple(sorted(FIRST.items())))
    *first, last = [
        e for e in CHANGES if e.subject in {"kernel.dmesg_restrict", "kernel.sysrq", "fs.suid_dumpable"}
    ]
    session = decided(session, first)
    later = decided(session.with_snapshot(rehearse(session.snapshot, session.compiled())), [last])
    (write,) = (o for o in later.compiled().operations if isinstance(o, WriteFile))
    assert "kept from" not in write.content
    assert write.before == hashlib.sha256(later.snapshot.ask(File(DROPIN)).encode()).hexdigest()


def test_after_a_rollback_the_old_lines_are_forgotten() -> None:
    session, entries = hardened()
    entry = next(e for e in entries if e.subject == "kernel.sysrq")
    plan = decided(session, [entry]).plan
    back = Session.begin(CHECKLISTS, hosts.snapshot(hosts.server()), plan)
    finding = back.finding(entry.id)
    again = back.decided(back.decision(finding, Action.APPLY))
    (write,) = (o for o in again.compiled().operations if isinstance(o, WriteFile))
    assert write.before == "absent"
    assert "kept from" not in write.content
