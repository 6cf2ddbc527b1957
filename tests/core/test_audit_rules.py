"""Audit rules: one form for all spellings, what covers what, and what a boot would load."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardentui import hazards
from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.checklist import load as load_checklists
from hardentui.checklist import shipped_folder
from hardentui.host import openings
from hardentui.host.live import LiveHost
from hardentui.model import Action, Drift, Finding, Gap, Result
from hardentui.operations import EnableUnit, LoadAuditRules, Refusal, WriteFile
from hardentui.rehearsal import rehearse
from hardentui.resources import audit, check
from hardentui.resources.audit import cover, state
from hardentui.resources.audit.catalogue import SETS, wanted
from hardentui.resources.audit.rules import Control, Names, Rule, load, parse
from hardentui.session import Session
from hardentui.snapshot import (
    End,
    FileSurvey,
    Found,
    Kind,
    Openings,
    OpeningsOf,
    Output,
    Reason,
    Stat,
    Survey,
    UnitFile,
    UnitFiles,
    Unread,
)

from . import hosts
from .audit import STARTS, STATE

CHECKLISTS = load_checklists([shipped_folder()], check, hazards.PROBES)
QUESTION = {"sensitive": "/srv/secret"}


def rule(text: str, **names: object) -> Rule:
    (found,) = parse(text, names=Names(**names))  # type: ignore[arg-type]
    assert isinstance(found, Rule), text
    return found


def rules(*texts: str) -> tuple[Rule, ...]:
    return load(one for text in texts for one in parse(text)).rules


def finding(host: hosts.DictHost, id_: str, **answers: str) -> Finding:
    entry = CHECKLISTS.get(id_)
    assert entry is not None
    (found,) = assess([entry], hosts.snapshot(host), QUESTION | answers, CHECKLISTS.questions)
    return found


# --- one form -------------------------------------------------------------------------------------

# What auditctl 4 lists where perm=wa names no system call.
LISTED_BY_4 = (
    "open,bind,truncate,ftruncate,rename,mkdir,rmdir,creat,link,unlink,symlink,chmod,fchmod,chown,fchown,lchown,"
    "mknod,acct,swapon,quotactl,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,openat,mkdirat,"
    "mknodat,fchownat,unlinkat,renameat,linkat,symlinkat,fchmodat,fallocate,renameat2,openat2"
)
SAME = (
    ("-w /etc/passwd -p wa -k identity", "-a always,exit -S all -F path=/etc/passwd -F perm=aw -F key=id"),
    ("-w /etc/ssh/ -p wa", "-a exit,always -F dir=/etc/ssh -F perm=wa"),
    ("-w /etc/shadow", "-w /etc/shadow -p rwxa"),
    ("-w /var/run/utmp -p wa", "-w /run/utmp -p wa"),
    ("-w /sbin/insmod -p x", "-w /usr/sbin/insmod -p x"),
    ("-a always,exit -F arch=b64 -S chmod -S chown", "-a always,exit -F arch=x86_64 -S chown,chmod"),
    (
        "-a always,exit -F arch=b32 -S unlink -F auid>=1000 -F auid!=unset",
        "-a always,exit -F arch=i386 -S unlink -F loginuid!=4294967295 -F auid>=1000 -k x",
    ),
    ("-a always,exit -S open -F exit=-EACCES", "-a always,exit -S open -F exit=-13"),
    (
        "-a always,exit -F arch=b64 -S clock_settime -F a0=0x0",
        "-a always,exit -F arch=b64 -S clock_settime -F a0=0",
    ),
    ("-a always,exit -S 452", "-a always,exit -S fchmodat2"),
    ("-a always,exit -S execve -C uid!=euid", "-a always,exit -S execve -C euid!=uid"),
    ("-a always,exit -S mkdir -F filetype=dir", "-a always,exit -S mkdir -F filetype=16384"),
    ("-a always,exclude -F msgtype=CWD", "-a never,exclude -F msgtype=CWD"),
    (  # as auditctl 4 lists a rule that names no system call
        "-a always,exit -F arch=b64 -F path=/usr/bin/sudo -F perm=x",
        "-a always,exit -F arch=b64 -S execve -F path=/usr/bin/sudo -F perm=x",
    ),
    (
        "-a always,exit -F arch=b64 -F path=/etc/passwd -F perm=wa -F key=identity2",
        f"-a always,exit -F arch=b64 -S {LISTED_BY_4} -F path=/etc/passwd -F perm=wa -F key=identity2",
    ),
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_are_one_rule(one: str, other: str) -> None:
    assert rule(one) == rule(other)


@pytest.mark.parametrize(
    "line",
    [
        "-a always,exit -F arch=b64 -S chmod -k",
        "-a always -S chmod",
        "-a sometimes,exit -S chmod",
        "-w relative -p wa",
        "-w /etc/passwd -p wz",
        "-w /etc/passwd\t-p wa",
        "-x /etc/passwd",
        "chmod",
    ],
)
def test_what_auditctl_refuses_is_no_rule(line: str) -> None:
    (found,) = parse(line)
    assert isinstance(found, Control)
    assert found.name == "refused"


def test_names_of_users_are_their_numbers() -> None:
    named = rule("-a always,exit -S open -F uid=app -F gid=app", users={"app": 990}, groups={"app": 991})
    assert named == rule("-a always,exit -S open -F uid=990 -F gid=991")


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    for one in parse(text):
        if isinstance(one, Rule):
            audit.covers((one,), one)
            one.spelled()


WORDS = st.sampled_from(
    [
        "-a",
        "-A",
        "always,exit",
        "exit,never",
        "-F",
        "-S",
        "-w",
        "-p",
        "-k",
        "-C",
        "-D",
        "-e",
        "2",
        "arch=b64",
        "perm=wa",
        "path=/x",
        "dir=/y",
        "auid>=1000",
        "auid!=unset",
        "exit=-EPERM",
        "chmod",
        "all",
        "wa",
        "/etc",
        "key=k",
        "-b",
    ]
)


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_what_is_read_is_written_the_same(line: str) -> None:
    for one in parse(line):
        if isinstance(one, Rule):
            assert parse(one.spelled()) == (one,)


# --- what covers what -----------------------------------------------------------------------------

CHMOD = "-a always,exit -F arch=b64 -S chmod,fchmod -F auid>=1000 -F auid!=unset"
PASSWD = "-a always,exit -F arch=b64 -F path=/etc/passwd -F perm=wa"
COVERED = (
    (CHMOD, [CHMOD]),
    (CHMOD, ["-a always,exit -F arch=b64 -S chmod,fchmod,chown -F auid>=500 -F auid!=unset"]),
    (CHMOD, ["-a always,exit -F arch=b64 -S all"]),
    (CHMOD, ["-a always,exit -S chmod,fchmod -F auid!=unset"]),
    # one rule for each system call, as the reference checks write them
    (CHMOD, [CHMOD.replace("chmod,fchmod", "chmod"), CHMOD.replace("chmod,fchmod", "fchmod")]),
    (PASSWD, ["-w /etc/passwd -p wa"]),
    (PASSWD, ["-w /etc/passwd -p rwxa -k x"]),
    (PASSWD, ["-w /etc/ -p wa"]),
    (PASSWD, ["-w /etc/passwd -p w", "-w /etc/passwd -p a"]),
    ("-a always,exit -S open -F exit=-EACCES", ["-a always,exit -S open -F success=0"]),
    # what others leave out before does not touch these events
    (CHMOD, ["-a never,exit -S chmod -F auid=unset", CHMOD]),
    (CHMOD, ["-a never,exit -F arch=b32 -S chmod", CHMOD]),
    (CHMOD, ["-a never,exit -S chmod -F auid<1000", CHMOD]),
    (PASSWD, ["-a never,exit -F path=/etc/hosts", "-w /etc/passwd -p wa"]),
    (PASSWD, ["-a never,exit -F path=/etc/passwd -F perm=r", "-w /etc/passwd -p wa"]),
    (CHMOD, ["-a never,exclude -F msgtype=CWD", CHMOD]),
    (CHMOD, [CHMOD, "-a never,exit -S all"]),  # too late
)


@pytest.mark.parametrize(("asked", "held"), COVERED)
def test_rules_that_record_at_least_as_much_cover(asked: str, held: list[str]) -> None:
    assert audit.covers(rules(*held), rule(asked)), cover.judge(rules(*held), rule(asked))


BARE: tuple[tuple[str, list[str]], ...] = (
    (CHMOD, []),
    (CHMOD, ["-a always,exit -F arch=b32 -S chmod,fchmod"]),
    (CHMOD, ["-a always,exit -F arch=b64 -S chmod -F auid>=1000 -F auid!=unset"]),
    (CHMOD, [CHMOD + " -F success=1"]),
    (CHMOD, [CHMOD + " -F dir=/home"]),
    (CHMOD, [CHMOD.replace("auid>=1000", "auid>=2000")]),
    (CHMOD, [CHMOD.replace("exit", "task")]),
    ("-a always,exit -S chmod", ["-a always,exit -F arch=b64 -S chmod"]),  # 32 bit programs are not seen
    (PASSWD, ["-w /etc/passwd -p w"]),
    (PASSWD, ["-w /etc/shadow -p wa"]),
    (PASSWD, ["-w /etc/passwd/ -p wa -F uid=0"]),
    (PASSWD, ["-a always,exit -F path=/etc/passwd -F perm=wa -F exe=/usr/bin/vi"]),
)


@pytest.mark.parametrize(("asked", "held"), BARE)
def test_rules_that_record_less_do_not(asked: str, held: list[str]) -> None:
    verdict = cover.judge(rules(*held), rule(asked))
    assert not verdict.recorded
    assert verdict.lacking
    assert verdict.hidden_by is None


HIDDEN = (
    "-a never,exit -S chmod,fchmod",
    "-a never,exit -F auid>=1000",
    "-a never,task",
    "-a never,exclude -F msgtype=SYSCALL",
    "-a never,exclude -F msgtype!=USER_LOGIN",
    "-a never,exclude -F msgtype>=1300 -F msgtype<=1399",
)


@pytest.mark.parametrize("first", HIDDEN)
def test_an_earlier_rule_that_leaves_the_events_out_is_named(first: str) -> None:
    verdict = cover.judge(rules(first, CHMOD), rule(CHMOD))
    assert not verdict.recorded
    assert verdict.hidden_by is not None
    assert verdict.hidden_by.text == first


@pytest.mark.parametrize(
    "first",
    [
        "-a never,exit -S chmod -F uid=990",
        "-a never,exit -F dir=/srv",
        "-a never,task -F uid=33",
        "-a never,exclude -F msgtype=PATH",
        "-a never,exclude -F uid=990",
    ],
)
def test_an_earlier_rule_that_leaves_out_some_is_named_too(first: str) -> None:
    verdict = cover.judge(rules(first, CHMOD), rule(CHMOD))
    assert verdict.recorded
    assert verdict.holed_by is not None
    assert verdict.holed_by.text == first
    assert not audit.covers(rules(first, CHMOD), rule(CHMOD))


def test_what_is_left_out_of_other_types_is_no_event() -> None:
    for first in (
        "-a never,exclude -F msgtype>=1100 -F msgtype<=1199",
        "-a never,exclude -F msgtype!=SYSCALL",
    ):
        assert cover.judge(rules(first, CHMOD), rule(CHMOD)).hidden_by is None


def test_a_rule_inserted_first_comes_before_all() -> None:
    held = rules(CHMOD, "-A never,exit -S chmod,fchmod")
    assert cover.judge(held, rule(CHMOD)).hidden_by == held[0]


@pytest.mark.parametrize("name", SETS)
def test_every_set_asks_for_both_widths_and_covers_itself(name: str) -> None:
    for one in SETS[name]:
        assert audit.covers(SETS[name], one)
        assert rule(one.spelled()) == one
        other = dataclasses.replace(one, arch="b32" if one.arch == "b64" else "b64")
        assert other in SETS[name] or "stime" in one.syscalls


def test_the_calls_by_which_todays_programs_move_the_clock_are_asked_for() -> None:
    """Of ANSSI's own list alone, what adjtimex(3) of glibc does is not recorded."""
    host = hosts.server()
    lines = [
        line
        for arch in ("b64", "b32")
        for line in (
            f"-a always,exit -F arch={arch} -S adjtimex,settimeofday{',stime' if arch == 'b32' else ''}",
            f"-a always,exit -F arch={arch} -S clock_settime -F a0=0x0",
        )
    ]
    lines.append("-w /etc/localtime -p wa")
    host.commands[state.LISTING.argv] = Output("\n".join(lines) + "\n")
    assert "clock_adjtime" in finding(host, "audit.time").message
    more = [line.replace("clock_settime", "clock_adjtime,clock_settime") for line in lines]
    host.commands[state.LISTING.argv] = Output("\n".join(more) + "\n")
    assert set(finding(host, "audit.time").observation.running.values.values()) == {"recorded"}


# --- what a boot would load -----------------------------------------------------------------------


def test_loading_stops_at_what_cannot_be_loaded_unless_errors_are_ignored() -> None:
    lines = parse("-w /a -p wa\n-x nonsense\n-w /b -p wa")
    stopped = load(lines)
    assert [one.path for one in stopped.rules] == ["/a"]
    assert stopped.stopped_at == lines[1]
    assert [one.path for one in load((Control("ignore-errors", ""), *lines)).rules] == ["/a", "/b"]


def test_delete_takes_away_what_stands_above() -> None:
    held = load(parse("-w /a -p wa -k x\n-w /b -p wa\n-D -k x\n-w /c -p wa\n-W /b -p wa")).rules
    assert [one.path for one in held] == ["/c"]


def test_files_are_read_in_the_order_of_ls() -> None:
    names = [
        f"{stem}.rules"
        for stem in ("10-b", "9-a", "auditing", "zz-h", "00-h", "2", "10-a2", "10-a10", "Z", "a9b")
    ]
    host = hosts.server(files={f"/etc/audit/rules.d/{n}": f"-w /x/{n} -p wa" for n in names})
    host.folders.add("/x")
    read = [one.path for one in state.written(hosts.snapshot(host)) if isinstance(one, Rule)]  # type: ignore[union-attr]
    assert [path.removeprefix("/x/") for path in read] == by_ls(names)


def by_ls(names: list[str]) -> list[str]:
    told = subprocess.run(
        ["bash", "-c", 'cd $(mktemp -d) && touch -- "$@" && LC_ALL=C ls -1v; rm -r "$PWD"', "x", *names],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return told.stdout.splitlines()


def test_the_last_setting_counts_and_the_lock_comes_last() -> None:
    files = {
        "/etc/audit/rules.d/10.rules": "-e 2\n-b 100\n-w /etc -p wa",
        "/etc/audit/rules.d/20.rules": "-D\n-b 200\n",
    }
    lines = state.written(hosts.snapshot(hosts.server(files=files)))
    assert not isinstance(lines, Gap)
    assert [one.name if isinstance(one, Control) else one.path for one in lines] == [
        "delete-all", "backlog", "failure", "/etc", "backlog-wait-time", "enabled",
    ]  # fmt: skip
    assert state.controls(lines)["backlog"] == "320"  # audit.rules of the host sorts last


def test_a_unit_that_loads_one_file_does_not_merge_the_folder() -> None:
    host = hosts.server()
    host.files["/etc/systemd/system/auditd.service"] = (
        "[Service]\nExecStart=/sbin/auditd\nExecStartPost=-/sbin/auditctl -R /etc/audit/audit.rules\n"
    )
    host.files["/etc/audit/audit.rules"] = "-w /etc/passwd -p wa\n"
    held = audit.at_boot(hosts.snapshot(host))
    assert [one.path for one in held] == ["/etc/passwd"]  # type: ignore[union-attr]
    assert "does not load the rules" in refusal(host, "audit.sudoers")


# --- findings and changes -------------------------------------------------------------------------


def refusal(host: hosts.DictHost, id_: str) -> str:
    session = Session.begin(CHECKLISTS, hosts.snapshot(host)).answered("sensitive", "/srv/secret")
    found = session.finding(id_)
    assert found is not None
    return session.refusal(found)


def test_in_a_container_the_host_is_to_be_asked() -> None:
    host = hosts.server(files={"/run/systemd/container": "lxc"})
    for id_ in ("audit.service", "audit.identity", "audit.stops-host", "audit.lock"):
        assert finding(host, id_).result is Result.NOTAPPLICABLE
        assert "ask the host" in finding(host, id_).message


def test_where_auditd_is_not_installed_it_fails_and_says_so() -> None:
    host = hosts.server()
    del host.files["/usr/sbin/auditctl"]
    for id_ in ("audit.service", "audit.identity"):
        found = finding(host, id_)
        assert found.result is Result.FAIL
        assert "not installed" in found.message
    assert "not installed" in refusal(host, "audit.identity")


def test_without_root_nothing_passes() -> None:
    host = hosts.server()
    host.commands |= {
        argv: Unread(Reason.DENIED, "needs root") for argv in (state.STATUS.argv, state.LISTING.argv)
    }
    host.files["/etc/audit/rules.d/00-x.rules"] = "\n".join(one.spelled() for one in SETS["identity"])
    found = finding(host, "audit.identity")
    assert found.result is Result.UNKNOWN
    assert finding(host, "audit.service").result is Result.UNKNOWN


def test_rules_that_only_the_kernel_has_are_lost_at_a_reboot() -> None:
    host = hosts.server()
    held = wanted(hosts.snapshot(host), "sudoers")
    host.commands[state.LISTING.argv] = Output("\n".join(one.spelled() for one in held))  # type: ignore[union-attr]
    assert finding(host, "audit.sudoers").drift is Drift.LOST_AT_REBOOT


def test_locked_rules_count_at_the_next_boot() -> None:
    host = hosts.server()
    host.commands[state.STATUS.argv] = Output(STATE.format(enabled=2, pid=612))
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    found = session.finding("audit.identity")
    assert found is not None
    assert any("locked" in hazard.text for hazard in found.hazards)
    session = session.decided(session.decision(found, Action.APPLY))
    after = Session.begin(CHECKLISTS, rehearse(session.snapshot, session.compiled()))
    assert after.finding("audit.identity").drift is Drift.NOT_YET  # type: ignore[union-attr]


def test_a_watch_that_the_listing_makes_of_a_never_rule_is_not_taken_for_one() -> None:
    host = hosts.server(
        files={"/etc/audit/rules.d/10.rules": "-a never,exit -F path=/etc/sudoers -F perm=wa\n"}
    )
    host.commands[state.LISTING.argv] = Output("-w /etc/sudoers -p wa\n-w /etc/sudoers.d -p wa\n")
    found = finding(host, "audit.sudoers")
    assert found.result is Result.FAIL
    assert "not recorded" in str(found.observation.running)  # type: ignore[union-attr]


def test_rules_that_end_with_auditing_off_record_nothing() -> None:
    host = hosts.server()
    text = "".join(f"{one.spelled()}\n" for one in SETS["identity"])
    host.files["/etc/audit/rules.d/20.rules"] = f"{text}-e 0\n"
    host.commands[state.LISTING.argv] = Output(text)
    assert finding(host, "audit.identity").drift is Drift.LOST_AT_REBOOT
    assert finding(host, "audit.service").drift is Drift.LOST_AT_REBOOT
    assert "-e 0" in refusal(host, "audit.sudoers")


def test_the_program_behind_a_link_is_watched() -> None:
    host = hosts.server(
        links={"/usr/bin/sudo": "/etc/alternatives/sudo", "/etc/alternatives/sudo": "/usr/lib/cargo/sudo"}
    )
    host.files["/usr/lib/cargo/sudo"] = ""
    paths = {one.path for one in wanted(hosts.snapshot(host), "privilege")}  # type: ignore[union-attr]
    assert "/usr/lib/cargo/sudo" in paths
    assert "/usr/bin/sudo" not in paths


@pytest.mark.parametrize(
    ("said", "watched"),
    [
        ("", set()),
        ("Defaults logfile=/var/log/sudo.log", {"/var/log/sudo.log"}),
        ("Defaults logfile=/var/log/sudo.log\nDefaults !logfile", set()),
        ("Defaults logfile=/var/log/a\nDefaults:bob logfile=/var/log/b", {"/var/log/a", "/var/log/b"}),
        ("Defaults logfile=/var/log//sudo.log", {"/var/log/sudo.log"}),
        ("Defaults logfile=/var/log/a\nDefaults logfile=b", {"/var/log/a"}),
        ("Defaults logfile=/var/gone/sudo.log", set()),  # the rule could not be loaded
    ],
)
def test_the_log_of_sudo_is_watched_where_its_rules_put_it(said: str, watched: set[str]) -> None:
    host = hosts.server()
    usual = {one.path for one in wanted(hosts.snapshot(host), "logins")}  # type: ignore[union-attr]
    host.files["/etc/sudoers"] = f"{said}\nroot ALL=(ALL) ALL\n"
    paths = {one.path for one in wanted(hosts.snapshot(host), "logins")}  # type: ignore[union-attr]
    assert paths - usual == watched
    assert "/var/log/lastlog" in paths


def test_a_log_of_sudo_whose_name_no_line_can_hold_keeps_nothing_else_from_being_watched() -> None:
    host = hosts.server()
    host.files["/etc/sudoers"] = 'Defaults logfile="/var/log/su do.log"\nroot ALL=(ALL) ALL\n'
    boot = finding(host, "audit.logins").observation.boot[0]  # type: ignore[union-attr]
    assert boot.values["/var/log/su do.log b64"] == "not recorded"
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    found = session.finding("audit.logins")
    assert found is not None
    steps = change_of(found.recommendation, session.decision(found, Action.APPLY))
    assert not isinstance(steps, Refusal)
    (file,) = (step for step in steps if isinstance(step, WriteFile))
    assert "path=/var/log/lastlog" in file.content
    assert "su do" not in file.content


def test_where_the_rules_of_sudo_cannot_be_read_its_log_is_not_known() -> None:
    host = hosts.server()
    host.files["/etc/sudoers"] = Unread(Reason.DENIED)
    found = finding(host, "audit.logins")
    assert found.result is Result.UNKNOWN
    assert "/etc/sudoers" in found.message


def test_edited_facts_bring_no_other_rule() -> None:
    host = hosts.server()
    entry = CHECKLISTS.get("audit.identity")
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    found = session.finding("audit.identity")
    assert entry is not None
    assert found is not None
    made = session.decision(found, Action.APPLY)
    for line in (
        "-a never,exit -S all -F key=identity",
        "-a always,exit -F arch=b64 -F path=/etc/passwd -F perm=wa -F key=other",
        "-a always,exit -F arch=b64 -F path=/etc/$(id) -F perm=wa -F key=identity",
        "-D",
        "-w /etc/passwd -p wa -k identity\n-D",
    ):
        edited = dataclasses.replace(made, facts={**made.facts, "rules": (line,)})
        assert isinstance(change_of(entry, edited), Refusal), line


def test_an_account_can_be_left_out_of_a_sensitive_resource() -> None:
    host = hosts.server()
    session = Session.begin(CHECKLISTS, hosts.snapshot(host)).answered("sensitive", "/srv/secret")
    entry, found = session.entry("audit.sensitive"), session.finding("audit.sensitive")
    assert entry is not None
    assert found is not None
    made = session.decision(found, Action.APPLY)
    steps = change_of(entry, dataclasses.replace(made, target="recorded, except www-data"))
    assert not isinstance(steps, Refusal)
    (file,) = (step for step in steps if isinstance(step, WriteFile))
    assert "-F uid!=www-data" in file.content
    assert not any(isinstance(step, EnableUnit) for step in steps)
    assert isinstance(steps[-1], LoadAuditRules)
    unknown = change_of(entry, dataclasses.replace(made, target="recorded, except nobody-here"))
    assert isinstance(unknown, Refusal)
    listing = file.content.replace("www-data", "33").replace("# audit.sensitive\n-i\n", "")
    host.commands[state.LISTING.argv] = Output(listing)
    host.files["/etc/audit/rules.d/00-hardentui-sensitive.rules"] = listing
    after = finding(host, "audit.sensitive")
    assert after.result is Result.PASS, after.message
    assert "except 33" in after.running


@pytest.mark.parametrize(("path", "words"), [("/srv/none", "does not exist"), ("/proc/kcore", "proc")])
def test_what_cannot_be_watched_is_said(path: str, words: str) -> None:
    host = hosts.server()
    host.kernel["/proc/kcore"] = ""
    found = finding(host, "audit.sensitive", sensitive=path)
    assert found.result is Result.UNKNOWN
    assert words in found.message


def test_programs_that_a_search_found_are_asked_for_too() -> None:
    host = hosts.server()
    host.files["/opt/odd/suid"] = ""
    odd = Found("setuid", "/opt/odd/suid", 0o4755, 0, 0, "root", "root")
    found = Survey(End.COMPLETE, (odd,), (("setuid", 1),), (), 0, ("/",), (), 10, 100, 1.0, "dpkg")
    seen = hosts.snapshot(host).with_answers({FileSurvey(): found}, 0.0)
    assert any(one.path == "/opt/odd/suid" for one in wanted(seen, "privilege"))  # type: ignore[union-attr]


def test_the_settings_of_the_daemon_are_of_before_its_start() -> None:
    host = hosts.server()
    assert finding(host, "audit.stops-host").result is Result.FAIL
    old = host.stats["/etc/audit/auditd.conf"]
    host.stats["/etc/audit/auditd.conf"] = dataclasses.replace(old, modified=hosts.NOW)
    host.files["/etc/audit/auditd.conf"] = "admin_space_left_action = SUSPEND\n"
    found = finding(host, "audit.stops-host")
    assert found.result is Result.UNKNOWN
    assert "started before" in found.message


def test_rotation_that_does_not_fit_is_summed_up() -> None:
    host = hosts.server()
    host.files["/etc/audit/auditd.conf"] = (
        "max_log_file_action = ROTATE\nmax_log_file = 100\nnum_logs = 10\nspace_left = 25%\n"
    )
    found = finding(host, "audit.rotation-fits")  # the file system of the host in memory has 1 GiB
    assert found.result is Result.FAIL
    assert "1000 + 256 of 1024 MiB" in found.message


def test_rotation_with_a_single_file_is_none() -> None:
    host = hosts.server()
    host.files["/etc/audit/auditd.conf"] = (
        f"{STARTS}max_log_file_action = ROTATE\nmax_log_file = 8\nnum_logs = 1\n"
    )
    found = finding(host, "audit.rotation-fits")
    assert (found.result, found.running) == (Result.FAIL, "never rotated: num_logs = 1")


@pytest.mark.parametrize(("daemon", "loader"), [("disabled", "enabled"), ("enabled", "masked")])
def test_since_audit_4_rules_need_both_units(daemon: str, loader: str) -> None:
    host = hosts.server()
    host.files["/etc/audit/rules.d/20.rules"] = "".join(f"{one.spelled()}\n" for one in SETS["identity"])

    def boot(daemon: str, loader: str) -> list[str]:
        host.answers[UnitFiles] = (UnitFile(state.DAEMON, daemon), UnitFile(state.LOADER, loader))
        return [finding(host, id_).boot for id_ in ("audit.service", "audit.identity")]

    assert boot("enabled", "enabled") == ["recording", "recorded"]
    assert not {"recording", "recorded"} & {*boot(daemon, loader)}


def test_since_audit_4_a_rule_that_cannot_be_loaded_keeps_the_daemon_from_starting() -> None:
    host = hosts.server()
    host.files["/etc/audit/rules.d/20.rules"] = "-w /nowhere/at/all -p wa\n"
    assert finding(host, "audit.service").boot == "recording"
    host.answers[UnitFiles] = (*host.answers[UnitFiles], UnitFile(state.LOADER, "enabled"))
    found = finding(host, "audit.service")
    assert found.result is Result.FAIL
    assert found.boot == "rules stop it: /etc/audit/rules.d/20.rules:1"


def test_a_kind_of_an_image_has_no_now() -> None:
    host = hosts.server(name="image")
    found = finding(host, "audit.identity")
    assert found.observation is not None
    assert found.observation.running is None
    assert hosts.snapshot(host).ask(Stat("/etc/passwd")).kind is Kind.FILE  # type: ignore[union-attr]


def test_the_use_of_what_is_sensitive_is_seen_before_the_decision(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    with (tmp_path / "one").open():
        seen, _at = LiveHost().answer(OpeningsOf(str(tmp_path)))
    assert isinstance(seen, Openings)
    assert (seen.files, seen.more) == (2, False)
    assert len(seen.holders) == 1  # this very process
    host = hosts.server()
    host.given[OpeningsOf("/srv/secret")] = seen
    (hazard,) = finding(host, "audit.sensitive").hazards
    assert "2 files" in hazard.text
    assert seen.holders[0] in hazard.text
    assert isinstance(LiveHost().answer(OpeningsOf(f"{tmp_path}/none"))[0], Unread)


def test_a_glance_at_its_use_touches_no_dead_server_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/file").write_text("")
    touched: list[str] = []
    real = os.scandir

    def scandir(path: str) -> object:
        touched.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    seen = openings.read(str(tmp_path), (f"{tmp_path}/3/",))
    assert isinstance(seen, Openings)
    assert (seen.files, seen.more) == (7, False)
    assert f"{tmp_path}/3" not in touched
    monkeypatch.setattr(openings, "FOLDERS", 4)
    seen = openings.read(str(tmp_path))
    assert isinstance(seen, Openings)
    assert (seen.files, seen.more) == (3, True)
