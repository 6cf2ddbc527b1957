"""sshd as a kind of setting: verdicts and their provenance, what runs, where a line wins, who stays out."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hardentui import hazards
from hardentui.assess import assess
from hardentui.changeset import compile_plan
from hardentui.checklist import load_files, shipped_folder
from hardentui.model import Action, Finding, Recommendation, Result, Role
from hardentui.operations import ByHand, CheckSyntax, Refusal, ReloadUnit, ReplaceLine, SetMode, WriteFile
from hardentui.rehearsal import rehearse
from hardentui.resources import RESOURCES, check
from hardentui.resources.sshd import algorithms, hostkeys, questions, state
from hardentui.resources.sshd.config import MAIN
from hardentui.session import Session
from hardentui.snapshot import (
    Command,
    Link,
    Output,
    Password,
    Passwords,
    Privileges,
    PrivilegesAre,
    Processes,
    Reason,
    Stat,
    Unread,
)

from . import hosts, ssh
from .rooted import in_namespaces, needs_namespaces
from .sittings import sitting
from .test_grants import NAMES, listed

CHECKLIST = load_files([shipped_folder() / "ports.toml"], check, hazards.PROBES)
ENTRIES = {entry.id: entry for entry in CHECKLIST.recommendations if entry.resource == "sshd"}
ANSWERS = {"ssh-keys": "keys", "ssh-forwarding": "no"}
INCLUDE = f"Include {ssh.FOLDER}/*.conf\n"


def host(files: Mapping[str, str], *, talks: bool = False, **changes: Any) -> hosts.DictHost:
    """A server with these files of sshd; ``talks`` lets root ask sshd itself."""
    made = hosts.server(**changes)
    for path in [path for path in made.files if path.startswith("/etc/ssh/sshd_config")]:
        del made.files[path]
    made.files |= files
    made.commands = {}
    return hosts.with_sshd(made) if talks else made


def found(id_: str, made: hosts.DictHost) -> Finding:
    (finding,) = assess([ENTRIES[id_]], hosts.snapshot(made), ANSWERS)
    return finding


def places(finding: Finding, role: Role) -> list[str]:
    return [f"{p.place}:{p.line}" for p in finding.provenance if p.role is role]


def explicit(finding: Finding) -> str:
    return next(p.text for p in finding.provenance if p.place == "said explicitly")


def session(made: hosts.DictHost) -> Session:
    return sitting(hosts.snapshot(made), ANSWERS, CHECKLIST)


def decided(begun: Session, *ids: str) -> Session:
    for id_ in ids:
        begun = begun.decided(begun.decision(begun.finding(id_), Action.APPLY))
    return begun


def refusal(id_: str, made: hosts.DictHost) -> str:
    begun = session(made)
    return begun.refusal(begun.finding(id_))


# --- verdicts -----------------------------------------------------------------------------------------


def test_the_first_line_wins_and_the_others_are_shown_as_beaten() -> None:
    files = {
        MAIN: INCLUDE + "PermitRootLogin no\n",
        f"{ssh.FOLDER}/50-cloud.conf": "PermitRootLogin yes\n",
        f"{ssh.FOLDER}/99-mine.conf": "PermitRootLogin no\n",
    }
    seen = found("ssh.root-login", host(files))
    assert (seen.result, seen.boot) == (Result.FAIL, "yes")
    assert places(seen, Role.WINS) == [f"{ssh.FOLDER}/50-cloud.conf:1"]
    assert set(places(seen, Role.BEATEN)) == {f"{ssh.FOLDER}/99-mine.conf:1", f"{MAIN}:2"}
    assert explicit(seen).startswith("no: said several times")


@pytest.mark.parametrize(
    ("text", "result", "verdict"),
    [
        ("PermitRootLogin no\n", Result.PASS, "yes: said once"),
        ("", Result.FAIL, "no: no file says it"),
        ("Match all\nPermitRootLogin no\n", Result.PASS, "yes: said once"),
        ("Match User root\nPermitRootLogin no\n", Result.PASS, "no: said for some"),
    ],
)
def test_both_verdicts_are_given(text: str, result: Result, verdict: str) -> None:
    seen = found("ssh.root-login", host({MAIN: text}))
    assert seen.result is result
    assert explicit(seen).startswith(verdict)


def test_a_block_that_weakens_for_some_fails_and_says_for_whom() -> None:
    made = host({MAIN: INCLUDE + "PermitRootLogin no\nMatch Address 10.0.0.0/8\n  PermitRootLogin yes\n"})
    seen = found("ssh.root-login", made)
    assert seen.result is Result.FAIL
    assert seen.message == "Match Address 10.0.0.0/8 yes, expected no"
    assert seen.boot == "Match Address 10.0.0.0/8 yes, else no"
    assert set(places(seen, Role.WINS)) == {f"{MAIN}:2", f"{MAIN}:4"}
    assert places(seen, Role.BEATEN) == []
    assert "Match Address 10.0.0.0/8 (/etc/ssh/sshd_config:4) gives yes" in refusal("ssh.root-login", made)


@pytest.mark.parametrize(
    ("blocks", "result"),
    [
        ("Match User alice\nPermitRootLogin yes\n", Result.PASS),  # root is not alice
        ("Match User *,!root\nPermitRootLogin yes\n", Result.PASS),
        ("Match Group sudo\nPermitRootLogin yes\n", Result.PASS),  # nor is root in that group
        ("Match Group root\nPermitRootLogin yes\n", Result.FAIL),
        ("Match User r*\nPermitRootLogin yes\n", Result.FAIL),
        ("Match all\nPermitRootLogin no\nMatch Address 10.*\nPermitRootLogin yes\n", Result.PASS),
        (
            "Match Address 10.*\nPermitRootLogin no\nMatch Address 10.* User root\nPermitRootLogin yes\n",
            Result.PASS,
        ),
        ("Match Address 10.*\nPermitRootLogin no\nMatch Address 1*\nPermitRootLogin yes\n", Result.FAIL),
    ],
)  # fmt: skip
def test_only_blocks_that_can_win_for_root_count(blocks: str, result: Result) -> None:
    assert found("ssh.root-login", host({MAIN: "PermitRootLogin no\n" + blocks})).result is result


def test_what_sshd_says_of_itself_counts_where_the_files_are_silent() -> None:
    made = host({MAIN: ""}, talks=True)
    made.commands[questions.FOR_ALL.argv] = Output("x11forwarding yes\n")  # a build with another default
    assert found("ssh.x11", made).boot == "yes"


def test_where_sshd_contradicts_our_reading_nothing_is_believed() -> None:
    made = host({MAIN: "X11Forwarding no\n"}, talks=True)
    made.commands[questions.FOR_ALL.argv] = Output("x11forwarding yes\n")
    seen = found("ssh.x11", made)
    assert seen.result is Result.UNKNOWN
    assert "/etc/ssh/sshd_config:1 gives no, and sshd -T says yes" in seen.message
    assert seen.boot == ""


def test_each_block_is_asked_about_with_a_connection_that_it_fits() -> None:
    no = "X11Forwarding no\n"
    text = f"{no}Match User bob Address 10.0.0.0/8,!10.1.0.0/16\n{no}Match Group sudo\n{no}"
    made = host({MAIN: text}, talks=True)
    asked = [argv[3] for argv in made.commands if len(argv) > 3]
    assert "user=bob,host=localhost,addr=10.0.0.0,laddr=127.0.0.1,lport=22" in asked
    assert "user=alice,host=localhost,addr=192.0.2.1,laddr=127.0.0.1,lport=22" in asked
    assert found("ssh.x11", made).result is Result.PASS
    for argv in made.commands:
        if len(argv) > 3 and "bob" in argv[3]:
            made.commands[argv] = Output("x11forwarding yes\n")
    seen = found("ssh.x11", made)
    assert seen.result is Result.UNKNOWN
    assert "sshd -T says yes" in seen.message


@pytest.mark.parametrize("name", ["-x", "a b", "a;b", "$(id)", "\x1b[2J", "a\tb", "a=b", "a" * 80, "\udcff"])
def test_a_name_in_a_block_reaches_no_command_unless_it_is_plain(name: str) -> None:
    made = host({MAIN: f'Match User "{name}"\nX11Forwarding no\n'})
    made.answers[hosts.Accounts] = (hosts.Account(name, 1000, 1000, "/home/x", "/bin/sh"),)
    read = questions.asked(hosts.snapshot(made), state.view(hosts.snapshot(made)).config)
    assert [question for question, _connection in read] == [questions.FOR_ALL, questions.FOR_ROOT]


def test_a_file_that_sshd_refuses_is_no_pass() -> None:
    made = host({MAIN: "PermitRootLogin no\nNonsense yes\n"})
    seen = found("ssh.root-login", made)
    assert seen.result is Result.UNKNOWN
    assert "/etc/ssh/sshd_config:2: unknown keyword Nonsense" in seen.message


def test_what_sshd_alone_refuses_is_no_pass_either() -> None:
    """Names of algorithms, paths: it knows more of them than we do."""
    made = host({MAIN: "PermitRootLogin no\nCiphers made-up\n"})
    failed = Unread(Reason.FAILED, "sshd ended with 255: /etc/ssh/sshd_config line 2: Bad SSH2 cipher spec")
    made.commands = {questions.FOR_ALL.argv: failed, questions.FOR_ROOT.argv: failed}
    seen = found("ssh.root-login", made)
    assert seen.result is Result.UNKNOWN
    assert "Bad SSH2 cipher" in seen.message


@pytest.mark.parametrize(
    "failed",
    [
        Unread(Reason.DENIED, "needs root"),
        Unread(Reason.FAILED, "sshd ended with 255: Missing privilege separation directory: /run/sshd"),
        Unread(Reason.TIMED_OUT, "sshd, after 10 s"),
    ],
)
def test_without_sshd_the_files_are_read_and_it_is_said(failed: Unread) -> None:
    made = host({MAIN: "PermitRootLogin no\n"})
    made.commands = {questions.FOR_ALL.argv: failed, questions.FOR_ROOT.argv: failed}
    seen = found("ssh.root-login", made)
    assert seen.result is Result.PASS
    assert any(p.place == "sshd -T" and failed.detail in p.text for p in seen.provenance)


def test_a_file_that_cannot_be_read_is_no_pass() -> None:
    made = host({MAIN: INCLUDE + "PermitRootLogin no\n", f"{ssh.FOLDER}/50-x.conf": Unread(Reason.DENIED)})
    seen = found("ssh.root-login", made)
    assert seen.result is Result.UNKNOWN
    assert "not readable without root: /etc/ssh/sshd_config.d/50-x.conf" in seen.message


def test_an_image_is_judged_by_its_files() -> None:
    made = host({MAIN: "PermitRootLogin no\n"}, name="image")
    seen = found("ssh.root-login", made)
    assert (seen.result, seen.running, seen.boot) == (Result.PASS, "", "no")
    assert not [q for q in made.asked if isinstance(q, Command | Processes) and q not in state_questions()]


def state_questions() -> tuple[Command, ...]:
    return (questions.FOR_ALL, questions.FOR_ROOT)  # asked, and answered by the image with Unsupported


def test_a_host_without_sshd_is_not_concerned() -> None:
    made = hosts.server()
    for path in [path for path in made.files if "ssh" in path]:
        del made.files[path]
    made.answers[Processes] = ()
    assert {found(id_, made).result for id_ in ENTRIES} == {Result.NOTAPPLICABLE}


# --- what runs ----------------------------------------------------------------------------------------


def status(**changes: Any) -> Any:
    return dataclasses.replace(hosts.SSH_STATS["/run/sshd.pid"], **changes)


@pytest.mark.parametrize("path", [MAIN, f"{ssh.FOLDER}/50-x.conf", ssh.FOLDER])
def test_a_daemon_older_than_its_files_is_unknown_until_it_is_reloaded(path: str) -> None:
    """A folder's time tells of a file that was removed, or took another's name."""
    made = host({MAIN: INCLUDE + "PermitRootLogin no\n", f"{ssh.FOLDER}/50-x.conf": ""})
    made.stats[path] = status(modified=hosts.NOW - 60, changed=hosts.NOW - 60)
    seen = found("ssh.root-login", made)
    assert seen.result is Result.UNKNOWN
    assert f"{path} was changed on 2026-11-21 07:21:31 UTC" in seen.message
    assert "reload pending" in seen.message
    made.stats["/run/sshd.pid"] = status(modified=hosts.NOW - 30)  # a reload writes it anew
    assert found("ssh.root-login", made).result is Result.PASS


def test_no_run_of_ours_puts_in_force_what_others_left_for_the_next_reload() -> None:
    """Whoever it shuts out, no rollback of ours would let them in again."""
    made = host({MAIN: INCLUDE, f"{ssh.FOLDER}/50-x.conf": "AllowUsers nobody\n"})
    made.stats[f"{ssh.FOLDER}/50-x.conf"] = status(modified=hosts.NOW - 60, changed=hosts.NOW - 60)
    for id_ in ("ssh.x11", "ssh.auth-tries"):
        assert f"{ssh.FOLDER}/50-x.conf was changed" in refusal(id_, made)
        assert "could not take it back" in refusal(id_, made)
    made.stats["/run/sshd.pid"] = status(modified=hosts.NOW - 30)
    assert refusal("ssh.x11", made) == ""


def test_a_file_with_an_old_date_that_took_the_place_of_another_counts_as_changed() -> None:
    made = host({MAIN: "PermitRootLogin no\n"})
    made.stats[MAIN] = status(modified=hosts.NOW - 9999999, changed=hosts.NOW - 60)
    assert found("ssh.root-login", made).result is Result.UNKNOWN


def test_a_link_is_followed_to_what_changed() -> None:
    made = host({MAIN: "Include policy\nPermitRootLogin no\n", "/usr/share/p.txt": "MACs hmac-sha2-256\n"})
    made.links["/etc/ssh/policy"] = "../../usr/share/p.txt"
    assert found("ssh.root-login", made).result is Result.PASS
    made.stats["/usr/share/p.txt"] = status(changed=hosts.NOW - 60)
    assert "/usr/share/p.txt was changed" in found("ssh.root-login", made).message


def test_a_daemon_of_which_nobody_knows_when_it_read_is_unknown() -> None:
    made = host({MAIN: "PermitRootLogin no\nPidFile none\n"})
    seen = found("ssh.root-login", made)
    assert seen.result is Result.UNKNOWN
    assert "no file says when" in seen.message


def test_a_socket_that_starts_sshd_makes_the_files_count() -> None:
    made = host({MAIN: "PermitRootLogin no\n"}, processes=())
    del made.files["/run/sshd.pid"]
    made.links["/etc/systemd/system/sockets.target.wants/ssh.socket"] = "/usr/lib/systemd/system/ssh.socket"
    seen = found("ssh.root-login", made)
    assert (seen.result, seen.running) == (Result.PASS, "no")
    assert any("ssh.socket starts it" in p.text for p in seen.provenance)


def test_where_sshd_does_not_run_the_files_alone_are_judged() -> None:
    made = host({MAIN: "PermitRootLogin yes\n"}, processes=())
    seen = found("ssh.root-login", made)
    assert (seen.result, seen.running, seen.boot) == (Result.FAIL, "", "yes")


def test_a_number_of_another_process_in_the_file_says_nothing() -> None:
    made = host({MAIN: "PermitRootLogin no\n"})
    made.files["/run/sshd.pid"] = "1\n"
    assert found("ssh.root-login", made).result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('SSHD_OPTS="-o PermitRootLogin=yes"\n', Result.FAIL),
        ("SSHD_OPTS='-oPermitRootLogin=yes -4'\n", Result.FAIL),
        ("SSHD_OPTS=\n", Result.PASS),
        ("# SSHD_OPTS=-f /x\n", Result.PASS),
        ("SSHD_OPTS=-u0\n", Result.PASS),
        ('SSHD_OPTS="-f /etc/other"\n', Result.UNKNOWN),
        ("SSHD_OPTS=\"-o 'open\n", Result.UNKNOWN),
    ],
)
def test_options_of_the_unit_come_before_the_files(text: str, result: Result) -> None:
    made = host({MAIN: "PermitRootLogin no\n", "/etc/default/ssh": text}, talks=True)
    assert found("ssh.root-login", made).result is result


def test_options_that_came_after_the_start_need_a_restart() -> None:
    began = dataclasses.replace(ssh.DAEMON, started=hosts.NOW - 7200)
    made = host({MAIN: "PermitRootLogin no\n", "/etc/default/ssh": "SSHD_OPTS=\n"}, processes=(began,))
    assert found("ssh.root-login", made).result is Result.PASS
    made.stats["/etc/default/ssh"] = status(changed=hosts.NOW - 5000)  # before the reload, after the start
    seen = found("ssh.root-login", made)
    assert seen.result is Result.UNKNOWN
    assert "restart pending" in seen.message


def test_a_unit_that_starts_another_command_is_not_modelled() -> None:
    override = "/etc/systemd/system/ssh.service.d/x.conf"
    made = host({MAIN: "PermitRootLogin no\n", override: "[Service]\nExecStart=\nExecStart=/x/sshd -D\n"})
    assert found("ssh.root-login", made).result is Result.UNKNOWN


def test_a_drop_in_of_the_unit_that_cannot_be_read_may_start_another_command() -> None:
    override = "/etc/systemd/system/ssh.service.d/x.conf"
    made = host({MAIN: "PermitRootLogin no\n", override: "[Service]\nRestart=always\n"})
    assert found("ssh.root-login", made).result is Result.PASS
    made.files[override] = Unread(Reason.DENIED)
    seen = found("ssh.root-login", made)
    assert seen.result is Result.UNKNOWN
    assert override in seen.message


def test_a_reload_writes_the_number_anew_in_the_real_sshd() -> None:
    """What the time of the last reading rests on: the process stays, its start time too."""
    needs_namespaces("sshd", "ssh-keygen")
    job = {"cases": [], "reload": True}
    times = in_namespaces("namespace_sshd.py", job)
    assert times["started"][0] == times["started"][1]
    assert times["pid"][0] == times["pid"][1]
    assert times["written"][0] < times["changed"] < times["written"][1]


# --- algorithms and keys ------------------------------------------------------------------------------


def test_weak_algorithms_are_named_with_their_reasons() -> None:
    seen = found("ssh.ciphers", hosts.server())
    assert seen.boot == "aes256-cbc,3des-cbc"
    reasons = {p.place: p.text for p in seen.provenance}
    assert "Sweet32" in reasons["3des-cbc"]
    assert "CVE-2008-5161" in reasons["aes256-cbc"]


@pytest.mark.parametrize(
    "text", ["", "Ciphers +3des-cbc\n", "Ciphers ^aes256-ctr\n", "Ciphers -aes256-cbc\n"]
)
def test_a_list_that_rests_on_the_built_in_one_is_known_to_sshd_alone(text: str) -> None:
    made = host({MAIN: text})
    seen = found("ssh.ciphers", made)
    assert seen.result is Result.UNKNOWN
    assert "only sshd -T knows it" in seen.message
    offered = Output("ciphers aes256-ctr,3des-cbc\n")
    made.commands = {questions.FOR_ALL.argv: offered, questions.FOR_ROOT.argv: offered}
    assert found("ssh.ciphers", made).boot == "3des-cbc"


def test_the_change_keeps_what_is_not_weak_in_its_order() -> None:
    change = decided(session(hosts.server()), "ssh.ciphers").compiled()
    (write,) = [op for op in change.operations if isinstance(op, WriteFile)]
    assert "Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes256-ctr\n" in write.content


def test_every_weak_algorithm_is_one_that_openssh_knows() -> None:
    """A pattern that fits nothing would be a wish."""
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh")
    asked = {
        "ciphers": "cipher",
        "macs": "mac",
        "kexalgorithms": "kex",
        "hostkeyalgorithms": "HostKeyAlgorithms",
    }
    gone = {
        "blowfish-cbc",
        "cast128-cbc",
        "arcfour*",
        "hmac-ripemd160*",
        "gss-group1-*",
        "gss-*-sha1-*",
        "rijndael-cbc@*",
    }
    for keyword, question in asked.items():
        names = subprocess.run(
            ("ssh", "-Q", question), capture_output=True, text=True, check=True
        ).stdout.split()
        weak, strong = algorithms.parted(keyword, ",".join(names))
        assert weak
        assert strong
        for pattern in set(algorithms.WEAK[keyword]) - gone:
            assert any(algorithms.like(name, pattern) for name in weak), pattern


def test_the_sizes_of_host_keys_are_read_from_their_public_halves(tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")
    made = hosts.server()
    made.files[MAIN] = ""
    kinds = {
        "rsa1": ("rsa", "1024"),
        "rsa3": ("rsa", "3072"),
        "ec": ("ecdsa", "384"),
        "ed": ("ed25519", "256"),
    }
    for name, (kind, bits) in kinds.items():
        argv = ("ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", "", "-f", str(tmp_path / name))
        subprocess.run(argv, check=True)
        made.files[MAIN] += f"HostKey /etc/ssh/{name}\n"
        made.files[f"/etc/ssh/{name}.pub"] = (tmp_path / f"{name}.pub").read_text()
    seen = found("ssh.host-key-size", made)
    assert seen.observation.boot[0].values == {
        "/etc/ssh/rsa1": "rsa 1024, too short",
        "/etc/ssh/rsa3": "rsa 3072",
        "/etc/ssh/ec": "ecdsa 384",
        "/etc/ssh/ed": "ed25519 256",
    }
    assert seen.message == "/etc/ssh/rsa1 rsa 1024, too short, expected without too short"


@pytest.mark.parametrize(
    "text", ["", "ssh-rsa", "ssh-rsa !!!", "ssh-rsa AAAA", "x25519 AAAA", "ssh-rsa \udcff"]
)
def test_a_public_key_that_is_none_is_no_pass(text: str) -> None:
    made = hosts.server(
        files={"/etc/ssh/ssh_host_ed25519_key.pub": text, "/etc/ssh/ssh_host_rsa_key.pub": text}
    )
    assert found("ssh.host-key-size", made).result in {Result.UNKNOWN, Result.FAIL}


def test_only_keys_that_are_too_open_are_closed() -> None:
    change = decided(session(hosts.server()), "ssh.host-key-mode").compiled()
    assert [(op.path, op.mode, op.owner) for op in change.operations if isinstance(op, SetMode)] == [
        ("/etc/ssh/ssh_host_rsa_key", "0600", "root:root")
    ]


def test_the_group_of_red_hat_may_read_its_keys() -> None:
    made = hosts.server()
    made.stats["/etc/ssh/ssh_host_rsa_key"] = status(mode=0o640, group="ssh_keys")
    assert found("ssh.host-key-mode", made).result is Result.PASS


# --- where a line wins --------------------------------------------------------------------------------


def written(made: hosts.DictHost, id_: str = "ssh.x11") -> WriteFile | ReplaceLine | str:
    begun = session(made)
    said = begun.refusal(begun.finding(id_))
    return said or decided(begun, id_).compiled().operations[0]


@pytest.mark.parametrize(
    ("rivals", "name"),
    [
        ({}, "00-hardentui.conf"),
        ({"50-cloud-init.conf": "X11Forwarding yes\n"}, "00-hardentui.conf"),
        ({"00-hardentui.conf": "X11Forwarding yes\n"}, "00-hardentui.conf"),
        ({"00-aaa.conf": "X11Forwarding yes\n"}, "0-hardentui.conf"),
        ({"0-aaa.conf": "X11Forwarding yes\n"}, "+hardentui.conf"),
        ({"00-aaa.conf": "Match User alice\nX11Forwarding no\n"}, "00-hardentui.conf"),
    ],
)
def test_our_file_has_a_name_that_is_read_first(rivals: dict[str, str], name: str) -> None:
    files = {f"{ssh.FOLDER}/{rival}": text for rival, text in rivals.items()}
    operation = written(host({MAIN: INCLUDE + "X11Forwarding yes\n", **files}))
    assert isinstance(operation, WriteFile)
    assert operation.path == f"{ssh.FOLDER}/{name}"


def test_a_rival_that_no_name_precedes_is_edited_itself() -> None:
    rival = f"{ssh.FOLDER}/!first.conf"
    operation = written(host({MAIN: INCLUDE, rival: "X11Forwarding yes\n"}))
    assert operation == f"no line of ours would win: edit {rival} by hand"  # its name is not plain
    rival = f"{ssh.FOLDER}/+a.conf"
    operation = written(host({MAIN: INCLUDE, rival: "X11Forwarding yes\n"}))
    assert (operation.path, operation.before, operation.after) == (
        rival,
        "X11Forwarding yes",
        "X11Forwarding no",
    )


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("X11Forwarding yes\n" + INCLUDE, "X11Forwarding yes"),  # it stands before the folder is read
        ("X11Forwarding yes\n", "X11Forwarding yes"),
        ("  x11forwarding =  yes # so\n", "  x11forwarding =  yes # so"),
        ("# X11Forwarding yes\nMatch User alice\n", "# X11Forwarding yes"),
        ("Match User alice\n" + INCLUDE, ""),
        ("Port 22\n", None),
    ],
)
def test_without_a_folder_that_comes_first_the_main_file_is_edited(text: str, before: str | None) -> None:
    made = host({MAIN: text}, talks=True)
    made.commands = {
        key: Output("x11forwarding yes\n") for key in (questions.FOR_ALL.argv, questions.FOR_ROOT.argv)
    }
    operation = written(made)
    if before == "":
        assert operation == f"no line of ours would win: edit {MAIN} by hand"
        return
    assert isinstance(operation, ReplaceLine)
    assert (operation.path, operation.before, operation.after) == (MAIN, before or "", "X11Forwarding no")


def test_a_line_that_stands_twice_is_left_to_a_person() -> None:
    made = host({MAIN: "X11Forwarding yes\nPort 22\nX11Forwarding yes\n"})
    assert "edit /etc/ssh/sshd_config by hand" in written(made)


def test_all_decisions_make_one_file_one_check_and_one_reload() -> None:
    begun = session(hosts.server())
    ids = [id_ for id_, entry in ENTRIES.items() if entry.target and not begun.refusal(begun.finding(id_))]
    change = decided(begun, *ids).compiled()
    assert not change.refused
    kinds = [type(operation) for operation in change.operations]
    assert kinds == [WriteFile, CheckSyntax, ReloadUnit, SetMode]
    assert change.can_lock_out
    assert change.operations[0].mode == "0644"  # as the main file
    assert change.operations[2].unit == "ssh.service"


def test_red_hat_has_another_unit_and_a_closed_file() -> None:
    made = hosts.rhel()
    made.stats[MAIN] = status(mode=0o600)
    change = decided(session(made), "ssh.x11").compiled()
    assert (change.operations[0].mode, change.operations[2].unit) == ("0600", "sshd.service")


@pytest.mark.parametrize(
    ("value", "result"),
    [("0", Result.FAIL), ("1h", Result.FAIL), ("1m", Result.PASS), ("20", Result.PASS)],
)
def test_a_time_of_zero_is_no_limit(value: str, result: Result) -> None:
    seen = found("ssh.grace-time", host({MAIN: f"LoginGraceTime {value}\n"}))
    assert seen.result is result
    if result is Result.PASS:
        assert seen.message == "as recommended"  # less than a minute is not worse than one


def test_a_stricter_value_is_never_weakened() -> None:
    operation = written(host({MAIN: INCLUDE + "MaxAuthTries 2\n"}), "ssh.auth-tries")
    assert "MaxAuthTries 2\n" in operation.content


def test_a_policy_of_the_whole_system_is_not_overruled() -> None:
    assert "update-crypto-policies" in refusal("ssh.ciphers", hosts.rhel())


FACTS = {
    "way": "file", "path": f"{ssh.FOLDER}/00-hardentui.conf", "before": "absent", "mode": "0644",
    "seen": "yes", "blocks": (), "policy": "", "unit": "ssh.service",
}  # fmt: skip


@pytest.mark.parametrize(
    "hostile",
    [
        {"path": "/etc/passwd"},
        {"path": f"{ssh.FOLDER}/../../passwd"},
        {"path": f"{ssh.FOLDER}/x-hardentui.conf"},
        {"way": "line", "path": "/etc/passwd", "line": "X11Forwarding yes"},
        {"way": "line", "path": MAIN, "line": "PermitRootLogin no"},
        {"way": "line", "path": MAIN, "line": ""},
        {"way": "append", "path": MAIN, "line": "PermitRootLogin no"},
        {"way": "file", "unit": "cron.service"},
        {"unit": "-x"},
        {"way": "unheard"},
        {"way": 7},
    ],
)
def test_facts_of_a_plan_that_was_tampered_with_are_refused(hostile: dict[str, Any]) -> None:
    entry = ENTRIES["ssh.x11"]
    assert not isinstance(RESOURCES["sshd"].change(entry, FACTS, "no"), Refusal)
    assert isinstance(RESOURCES["sshd"].change(entry, {**FACTS, **hostile}, "no"), Refusal)


@pytest.mark.parametrize("target", ["perhaps", "no\nPermitRootLogin yes", "no yes", ""])
def test_a_target_that_sshd_would_refuse_is_refused(target: str) -> None:
    assert isinstance(RESOURCES["sshd"].change(ENTRIES["ssh.x11"], FACTS, target), Refusal)


@pytest.mark.parametrize("kept", ["", "3des-cbc", "aes256-ctr\nPort 1", "aes256-ctr,", "a b"])
def test_a_list_of_algorithms_that_was_tampered_with_is_refused(kept: str) -> None:
    entry = ENTRIES["ssh.ciphers"]
    assert isinstance(RESOURCES["sshd"].change(entry, {**FACTS, "kept": kept}, "none"), Refusal)


def test_a_host_key_that_an_access_list_opens_does_not_pass() -> None:
    """The mode that RHEL gives its keys is the mask here: who reads it is in the list."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    made = hosts.server()
    made.stats |= {path: hosts.status(0o600) for path in made.stats if path.startswith("/etc/ssh/ssh_host_")}
    helper = dataclasses.replace(hosts.status(0o640, "root", "ssh_keys"), gid=101)
    bob = listed((("user", 1001), 4))
    made.answers |= NAMES
    for acl, result, said in (
        ("", Result.PASS, ""),
        (listed((("user", 0), 4)), Result.PASS, ""),
        (bob, Result.FAIL, f"{key} 0640 root:ssh_keys, user:bob:r--"),
        ("?", Result.UNKNOWN, "access list"),
    ):
        made.stats[key] = dataclasses.replace(helper, acl=acl)
        seen = found("ssh.host-key-mode", made)
        assert (seen.result, said in seen.message) == (result, True), seen.message
    made.stats[key] = dataclasses.replace(helper, acl=bob)
    (step,) = decided(session(made), "ssh.host-key-mode").compiled().operations
    assert isinstance(step, ByHand)
    assert (step.subject, "user:bob:r--" in step.instructions.en) == (key, True)


def test_keys_elsewhere_are_not_touched() -> None:
    entry: Recommendation = ENTRIES["ssh.host-key-mode"]
    facts = {"keys": ({"path": "/etc/shadow", "mode": "0640", "owner": "root:shadow"},)}
    assert isinstance(hostkeys.change(entry, facts), Refusal)


@pytest.mark.parametrize("make", [hosts.server, hosts.rivals], ids=["debian", "old"])
def test_the_real_sshd_says_of_the_changed_files_what_was_promised(make: Any) -> None:
    """The whole loop, but for the judge: files after the rehearsal, and sshd -T of them."""
    needs_namespaces("sshd", "ssh-keygen")
    begun = session(make())
    ids = [id_ for id_, entry in ENTRIES.items() if entry.target and not begun.refusal(begun.finding(id_))]
    ids.remove("ssh.host-key-mode")
    begun = decided(begun, *ids)
    after = rehearse(begun.snapshot, compile_plan(begun.plan, CHECKLIST))
    files = {
        question.path: answer
        for question, answer, _at in after.items()
        if type(question).__name__ == "File" and question.path.startswith("/etc/ssh/sshd_config")
        if isinstance(answer, str)
    }
    job = {"cases": [{"files": files, "links": {}, "ask": ["", "user=root,host=h,addr=192.0.2.1,lport=22"]}]}
    ((for_all, for_root),) = in_namespaces("namespace_sshd.py", job)
    for answer in (for_all, for_root):
        assert answer["status"] == 0, answer["err"]
        said = state.printed(answer["out"])
        for id_ in ids:
            entry = ENTRIES[id_]
            value = " ".join(said[entry.subject.lower()])
            if entry.aspect == "weak":
                assert algorithms.parted(entry.subject.lower(), value)[0] == [], id_
            else:
                assert entry.accept.accepts(value), (id_, value)
    assert len(ids) > 18


# --- who stays outside --------------------------------------------------------------------------------

KEYS = "/home/alice/.ssh/authorized_keys"


def people(**changes: Any) -> hosts.DictHost:
    """A server on which alice may come in with a key and a password, and may use sudo."""
    files = {
        MAIN: INCLUDE
        + f"PermitRootLogin yes\n{changes.pop('pam', 'UsePAM yes')}\n"
        + changes.pop("lines", "")
    }
    made = host(files)
    if "keys" in changes and not changes.pop("keys"):
        del made.files[KEYS]
    locked = Password("alice", "yescrypt", True, True, 1, 0, 99999, 7, -1, -1)
    if "password" in changes and not changes.pop("password"):
        made.answers[Passwords] = (locked,)
    if "sudo" in changes and not changes.pop("sudo"):
        made.files["/etc/sudoers"] = "root ALL=(ALL) ALL\n"
    if "sudo_rule" in changes:
        made.files["/etc/sudoers"] = changes.pop("sudo_rule")
    if "shell" in changes:
        shell = changes.pop("shell")
        accounts = made.answers[hosts.Accounts]
        made.answers[hosts.Accounts] = tuple(
            dataclasses.replace(a, shell=shell) if a.name == "alice" else a for a in accounts
        )
    assert not changes
    return made


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, False),
        ({"keys": False}, False),  # a password is left
        ({"password": False}, False),  # a key is left
        ({"password": False, "pam": "UsePAM no"}, True),  # then sshd lets no locked account in
        ({"password": False, "pam": ""}, True),  # its own default
        ({"pam": "UsePAM no"}, False),
        ({"keys": False, "password": False}, True),
        ({"keys": False, "lines": "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"}, True),
        ({"password": False, "lines": "PubkeyAuthentication no\n"}, True),
        ({"password": False, "lines": "AuthorizedKeysFile /etc/keys/%u\n"}, True),
        ({"sudo": False}, True),
        ({"sudo_rule": "alice ALL=(ALL) ALL\n"}, False),
        ({"sudo_rule": "User_Alias TEAM = bob, alice\nTEAM ALL = ALL\n"}, False),
        ({"sudo_rule": "%sudo ALL=(www-data) ALL\n"}, True),
        ({"sudo_rule": "alice ALL=(ALL) /usr/bin/less\n"}, True),
        ({"sudo_rule": "%sudo ALL=(ALL) ALL\nalice ALL = !ALL\n"}, True),
        ({"shell": "/usr/sbin/nologin"}, True),
        ({"lines": "AllowUsers root\n"}, True),
        ({"lines": "AllowUsers al*\n"}, False),
        ({"lines": "DenyUsers alice\n"}, True),
        ({"lines": "AllowGroups sudo\n"}, False),
        ({"lines": "DenyGroups sudo\n"}, True),
    ],
)
def test_root_is_not_shut_out_before_another_can_come_in(changes: dict[str, Any], refused: bool) -> None:
    said = refusal("ssh.root-login", people(**changes))
    assert said.startswith("no account but root") if refused else said == ""


@pytest.mark.parametrize("what", ["passwords", "keys", "sudoers", "command", "sssd"])
def test_what_cannot_be_seen_is_said_and_does_not_count_as_nobody(what: str) -> None:
    made = people(keys=what not in {"passwords", "command"}, password=what != "keys")
    if what == "passwords":
        made.answers[Passwords] = Unread(Reason.DENIED)
    if what == "keys":
        made.stats[KEYS] = Unread(Reason.DENIED)
    if what == "sudoers":
        made.files["/etc/sudoers"] = Unread(Reason.DENIED)
    if what == "command":
        made = people(keys=False, password=False, lines="AuthorizedKeysCommand /usr/bin/keys\n")
    if what == "sssd":
        made = people(shell="/usr/sbin/nologin")
        made.files["/etc/sssd/sssd.conf"] = ""
    seen = {hazard.id: hazard for hazard in found("ssh.root-login", made).hazards}
    assert "ssh-lockout" not in seen
    assert "cannot be seen here" in seen["ssh-lockout-unread"].text
    assert not seen["ssh-lockout-unread"].refuses


def test_passwords_stay_until_somebody_has_a_key() -> None:
    assert refusal("ssh.passwords", people()) == ""
    assert "no account that may log in has an authorized key" in refusal("ssh.passwords", people(keys=False))


def test_the_key_of_root_alone_does_not_keep_the_door_open() -> None:
    """The same plan may close root's login, as alice can come in: by the password that this would end."""
    made = people(keys=False)
    made.files["/root/.ssh/authorized_keys"] = "ssh-ed25519 AAAA backup\n"
    assert refusal("ssh.root-login", made) == ""
    assert "only root itself has an authorized key: give alice one" in refusal("ssh.passwords", made)
    made = people(keys=False, sudo=False)  # here root's login stays open
    made.files["/root/.ssh/authorized_keys"] = "ssh-ed25519 AAAA backup\n"
    assert refusal("ssh.root-login", made).startswith("no account but root")
    assert refusal("ssh.passwords", made) == ""


def test_who_comes_by_password_alone_is_named() -> None:
    made = people()
    bob = hosts.Account("bob", 1001, 1001, "/home/bob", "/bin/bash")
    made.answers[hosts.Accounts] = (*made.answers[hosts.Accounts], bob)
    own = Password("bob", "yescrypt", False, True, 1, 0, 99999, 7, -1, -1)
    made.answers[Passwords] = (*made.answers[Passwords], own)
    seen = {hazard.id: hazard.text for hazard in found("ssh.passwords", made).hazards}
    assert seen["ssh-password-only"].endswith("bob")
    assert "alice" not in seen["ssh-password-only"]
    assert "ssh-no-key" not in seen


def test_root_keys_and_a_session_of_root_are_pointed_out() -> None:
    made = people()
    made.files["/root/.ssh/authorized_keys"] = "ssh-ed25519 AAAA backup\n"
    made.answers[PrivilegesAre] = Privileges(0, "root", "192.0.2.7")
    seen = {hazard.id: hazard.text for hazard in found("ssh.root-login", made).hazards}
    assert "backup" in seen["ssh-root-keys"]
    assert "from 192.0.2.7" in seen["ssh-root-session"]


def test_you_are_told_when_the_lists_leave_you_out() -> None:
    made = people(lines="AllowUsers root\n")
    made.answers[PrivilegesAre] = Privileges(0, "alice", "192.0.2.7")
    seen = {hazard.id: hazard.text for hazard in found("ssh.access", made).hazards}
    assert seen["ssh-not-listed"] == "you are alice, and the lists of sshd do not let alice in"


# --- lists --------------------------------------------------------------------------------------------


def test_who_may_come_in_is_shown() -> None:
    assert found("ssh.access", host({MAIN: ""})).boot == "everybody"
    seen = found("ssh.access", host({MAIN: "AllowUsers a\nDenyUsers c\nAllowUsers b@10.*\n"}))
    assert (seen.result, seen.boot) == (Result.PASS, "AllowUsers a b@10.*, DenyUsers c")


def test_lines_for_settings_that_are_gone_are_named() -> None:
    seen = found("ssh.removed", host({MAIN: "Protocol 2\nUsePrivilegeSeparation=sandbox\n"}))
    assert (seen.result, seen.boot) == (Result.INFORMATIONAL, "Protocol,UsePrivilegeSeparation")
    assert found("ssh.removed", host({MAIN: ""})).result is Result.PASS


def test_what_is_not_said_once_is_listed() -> None:
    seen = found("ssh.unclear", host({MAIN: "UsePAM yes\nX11Forwarding no\nX11Forwarding yes\n"}))
    values = seen.observation.boot[0].values
    assert values["repeated"] == "X11Forwarding"
    assert "PermitRootLogin" in values["unsaid"]
    assert "UsePAM" not in " ".join(values.values())


def test_a_banner_is_shown() -> None:
    assert found("ssh.banner", host({MAIN: "Banner /etc/issue.net\n"})).boot == "/etc/issue.net"


def test_hostile_bytes_of_the_files_stay_data() -> None:
    made = host({MAIN: INCLUDE + "Banner /etc/\x1b]0;x\x07\nMatch User \x1b[2J\n  X11Forwarding yes\n"})
    seen = found("ssh.x11", made)
    assert seen.result is Result.FAIL
    assert isinstance(written(made), str)


def test_a_question_of_a_link_that_goes_in_a_circle_ends() -> None:
    made = host({MAIN: "Include loop\nPermitRootLogin no\n"})
    made.links["/etc/ssh/loop"] = "loop"
    assert isinstance(hosts.snapshot(made).ask(Link("/etc/ssh/loop")), str)
    assert found("ssh.root-login", made).result in {Result.UNKNOWN, Result.PASS}
    assert isinstance(hosts.snapshot(made).ask(Stat("/etc/ssh/loop")), hosts.Status)


def test_a_block_that_passes_too_leaves_the_rest_to_our_file() -> None:
    made = host({MAIN: INCLUDE + "MaxAuthTries 6\nMatch User alice\nMaxAuthTries 3\n"})
    operation = written(made, "ssh.auth-tries")
    assert "MaxAuthTries 4\n" in operation.content


@pytest.mark.parametrize("unit", ["ssh", "-x.service", "a b.service", "../x.service", "ssh.service\n"])
def test_only_a_unit_is_reloaded(unit: str) -> None:
    with pytest.raises(ValueError, match="unit"):
        ReloadUnit(owners=("x",), unit=unit)
