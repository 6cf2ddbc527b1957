"""sudoers as sudo reads it: accepted, refused and understood as by visudo and cvtsudoers themselves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.model import Action, Finding, Result
from hardentui.operations import CheckSyntax, Refusal, WriteFile
from hardentui.resources.sudoers import OURS
from hardentui.resources.sudoers.grammar import Alias, Member, MemberKind, Mistake, Rule, Setting, parse
from hardentui.resources.sudoers.policy import read_policy
from hardentui.session import Session
from hardentui.snapshot import KernelIs, Kind, Package, Reason, Status, Unread

from . import hosts
from .sittings import CHECKLISTS

needs_sudo = pytest.mark.skipif(
    shutil.which("visudo") is None or shutil.which("cvtsudoers") is None,
    reason="visudo and cvtsudoers are not installed (package sudo)",
)

DIGEST = "sha256:" + "0123456789abcdef" * 4
# Written by hand: each once, so that a difference names itself.
CONFIGURATIONS = (
    "",
    "# nothing but a comment\n#-and another\n   # and a third",
    "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL",
    "Defaults env_reset\nDefaults mail_badpass\nDefaults use_pty",
    'Defaults secure_path="/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"',
    "Defaults secure_path = /sbin:/bin # with a comment",
    "Defaults !env_reset,use_pty , umask=0077",
    'Defaults env_keep = "A B"\nDefaults env_keep += "C D"\nDefaults env_keep -= A',
    "Defaults:alice,bob !requiretty",
    "Defaults: %adm requiretty",
    'Defaults:"al ice" requiretty',
    "Defaults:#1000 requiretty",
    "Defaults@web01,!web02 log_output",
    "Defaults>root,%dba umask=0022",
    "Defaults!/bin/ls,/usr/bin/id noexec",
    "Cmnd_Alias SHELLS = /bin/sh, /bin/bash\nDefaults!SHELLS noexec",
    "\tDefaults requiretty",
    'Defaults passprompt="[sudo] \\"really\\" %p:"',
    "Defaults badpass_message=a\\ b\\,c",
    "Defaults passwd_tries = 3, timestamp_timeout=5",
    "Defaults",
    "Defaults env_reset env_keep",
    'Defaults passprompt="not ended\nalice ALL=ALL',
    "Defaults env_keep=",
    'Defaults env_keep="A" "B"',
    "Defaultsx requiretty",
    "alice ALL = /bin/ls",
    'alice ALL = /bin/ls -l /etc, /usr/bin/id ""',
    "alice ALL=NOPASSWD: /bin/ls, /bin/cat /etc/shadow, !/bin/su",
    "alice ALL=NOPASSWD : ALL",
    "alice ALL=(root) NOPASSWD:NOEXEC: /usr/bin/vi, PASSWD: /bin/ls, EXEC: /bin/id",
    "alice ALL=SETENV:NOSETENV:LOG_INPUT:NOLOG_OUTPUT:MAIL:NOMAIL:FOLLOW:NOFOLLOW: /bin/ls",
    "alice ALL=(root)/bin/ls,(bob)/bin/id,/bin/cat",
    "alice ALL=(:adm) /bin/ls",
    "alice ALL=() /bin/ls",
    "alice ALL=(bob:) /bin/ls",
    "alice ALL=(bob, !root : adm, wheel) /bin/ls",
    "alice ALL=TIMEOUT=10m /bin/ls",
    "alice ALL=TIMEOUT=soon /bin/ls",
    "alice ALL=ROLE=sysadm_r TYPE=sysadm_t /bin/ls",
    "alice ALL=NOTBEFORE=20260101000000Z NOTAFTER=20270101000000Z /bin/ls",
    "alice ALL=/bin/ls \\\n   -l, /bin/id",
    "alice ALL=\\\n(root) /bin/ls",
    "alice ALL=/bin/ls \\",
    "alice ALL=/bin/a\\ b c\\,d\\:e\\=f \\* [a-z]* ?",
    "alice ALL=/bin/ls#comment",
    "alice ALL=/bin/echo a#b",
    "alice ALL=/bin/",
    "alice ALL=/bin/ -l",
    "alice ALL=/",
    "alice ALL=ls",
    'alice ALL="/bin/ls"',
    "alice ALL=sudoedit /etc/hosts, sudoedit",
    "alice ALL=^/bin/(ls|cat)$ ^-l .*$",
    "alice ALL=/bin/ls ^-[a-z]+$",
    "alice ALL=^/bin/(ls",
    f"alice ALL={DIGEST} /bin/ls",
    f"alice ALL={DIGEST}, sha224:0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ== /bin/ls",
    f"alice ALL={DIGEST} ALL",
    f"alice ALL={DIGEST} LIST\nCmnd_Alias LIST = /bin/ls",
    "alice ALL=sha256:abc /bin/ls",
    "alice web01=/bin/ls : web02, web03=/bin/id : ALL=ALL",
    "alice ALL=ALL : ",
    "alice 192.0.2.1=ALL\nbob 192.0.2.0/24=ALL\ncarol 192.0.2.0/255.255.255.0=ALL",
    "alice 2001:db8::1=ALL\nbob fe80::/10=ALL",
    "alice fe80::1::2=ALL",
    "#1000 ALL=(#33) ALL\n%#27 ALL=(%#4) ALL",
    "+netgroup +hosts=ALL\n%:domain ALL=ALL",
    "+ ALL=ALL",
    '"al ice" ALL=ALL\n"%domain users" ALL=ALL\nal\\ ice ALL=ALL',
    '"" ALL=ALL',
    "!alice ALL=ALL\nALL,!!bob ALL=!!!/bin/ls",
    "User_Alias A = alice, %adm : B = !bob\n"  # noqa: ISC004 - four lines of one text
    "Host_Alias W = web01, 192.0.2.0/24\nRunas_Alias D = postgres\n"
    "Cmnd_Alias C = /bin/ls, /bin/id -u\nA,B W=(D) NOPASSWD: C, !/bin/su",
    "User_Alias alice = bob",
    "User_Alias ALL = bob",
    "Cmd_Alias X = /bin/sh\nalice ALL = X",
    "alice ALL = NOT_DEFINED",
    "User_Alias A = B\nUser_Alias B = A\nA ALL=ALL",
    "alice ALL",
    "alice = /bin/ls",
    "alice, ALL=ALL",
    "alice ALL=,ALL",
    "alice ALL==ALL",
    "@include",
    "alice ALL=ALL \t# a tab\n bob ALL=ALL",
    "alice ALL=/usr/bin/systemctl restart nginx.service, /usr/bin/systemctl status *",
)
# What visudo refuses although every word stands where it may: names and values of settings.
_MEANING = re.compile(
    r"unknown defaults|no value specified|does not take a value|is invalid for|must start with"
    r"|already defined|invalid (?:notbefore|notafter|timeout)|cycle in|stat of|too many"
)


def visudo(text: str, tmp_path: Path) -> tuple[bool, str]:
    """Whether visudo takes a text, and what it says."""
    file = tmp_path / "sudoers"
    file.write_text(text, encoding="utf-8", newline="")
    file.chmod(0o440)
    done = subprocess.run(
        ["visudo", "-c", "-f", str(file)],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    file.unlink()
    return done.returncode == 0, done.stdout + done.stderr


def accepts(text: str) -> bool:
    return not any(isinstance(item, Mistake) for item in parse(text, "sudoers"))


@needs_sudo
@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_text_is_accepted_or_refused_as_by_visudo(text: str, tmp_path: Path) -> None:
    taken, said = visudo(text, tmp_path)
    assert accepts(text) == taken, said


# --- meaning --------------------------------------------------------------------------------------

_TAGS = {
    "authenticate": "PASSWD",
    "noexec": "EXEC",
    "setenv": "SETENV",
    "log_input": "LOG_INPUT",
    "log_output": "LOG_OUTPUT",
    "sudoedit_follow": "FOLLOW",
    "send_mail": "MAIL",
}
_MARKS = {"usergroup": "%", "netgroup": "+", "userid": "#", "usergid": "%#", "nonunixgroup": "%:"}


def understood(text: str, tmp_path: Path) -> dict[str, Any]:
    """What cvtsudoers understands, as flat lists."""
    file = tmp_path / "sudoers"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(["cvtsudoers", "-f", "json", str(file)], check=True, capture_output=True, text=True)
    data = json.loads(done.stdout or "{}")
    rules = [
        (
            _list(spec["User_List"]),
            _list(spec["Host_List"]),
            _list(part["runasusers"]) if "runasusers" in part else None,
            _list(part["runasgroups"]) if "runasgroups" in part else None,
            _tags(part.get("Options", [])),
            *_list([command]),
        )
        for spec in data.get("User_Specs", [])
        for part in spec["Cmnd_Specs"]
        for command in part["Commands"]
    ]
    defaults = [
        (_list(group.get("Binding", [])), *option)
        for group in data.get("Defaults", [])
        for option in map(_option, group["Options"])
    ]
    aliases = {
        (kind.partition("_")[0].replace("Command", "Cmnd"), name): _list(members)
        for kind in ("User_Aliases", "Runas_Aliases", "Host_Aliases", "Command_Aliases")
        for name, members in data.get(kind, {}).items()
    }
    return {"rules": rules, "defaults": defaults, "aliases": aliases}


def _list(members: list[dict[str, Any]]) -> tuple[str, ...]:
    found = []
    for member in members:
        key = next(k for k in member if k != "negated" and not k.startswith("sha"))
        mark = _MARKS.get(key, "")
        words = str(member[key])
        words = words if words.startswith(mark) else mark + words
        found.append(("!" if member.get("negated") else "") + words)
    return tuple(found)


def _tags(options: list[dict[str, Any]]) -> dict[str, bool]:
    return {_TAGS[k]: v != (k == "noexec") for option in options for k, v in option.items() if k in _TAGS}


def _option(option: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    operator = {"list_add": "+=", "list_remove": "-=", "list_assign": "="}.get(
        option.get("operation", ""), ""
    )
    name = next(key for key in option if key != "operation")
    value = option[name]
    if isinstance(value, bool):
        return name, "" if value else "!", ()
    return name, operator or "=", tuple(value) if isinstance(value, list) else (str(value),)


def ours(text: str) -> dict[str, Any]:
    """The same of our own reading."""
    items = parse(text, "sudoers")
    rules = [
        (
            _show(item.users),
            _show(item.hosts),
            None if item.as_users is None else _show(item.as_users),
            None if item.as_groups is None else _show(item.as_groups),
            dict(item.tags),
            item.command.show(),
        )
        for item in items
        if isinstance(item, Rule)
    ]
    defaults = [
        (_show(item.members), item.name, item.operator, _value(item))
        for item in items
        if isinstance(item, Setting)
    ]
    aliases = {(item.kind, item.name): _show(item.members) for item in items if isinstance(item, Alias)}
    return {"rules": rules, "defaults": defaults, "aliases": aliases}


def _value(setting: Setting) -> tuple[str, ...]:
    if setting.operator in {"", "!"}:
        return ()
    return tuple(setting.value.split()) if setting.name == "env_keep" else (setting.value,)


def _show(members: tuple[Member, ...]) -> tuple[str, ...]:
    return tuple("" if m.kind is MemberKind.MYSELF else m.show() for m in members)


def comparable(meaning: dict[str, Any]) -> dict[str, Any]:
    """Without what cvtsudoers writes otherwise: an empty target, marks of groups, what ALL brings along.

    ALL lets its caller set the environment: cvtsudoers then prints SETENV of one command for others as well.
    """
    has_all = any(rule[-1] == "ALL" for rule in meaning["rules"])
    rules = [
        (
            users,
            hosts_,
            None if as_users in {(), ("",)} else as_users,
            as_groups and tuple(group.lstrip("%#!") for group in as_groups),
            {tag: on for tag, on in tags.items() if not (has_all and tag == "SETENV")},
            command,
        )
        for users, hosts_, as_users, as_groups, tags, command in meaning["rules"]
    ]
    return {**meaning, "rules": rules}


@needs_sudo
@pytest.mark.parametrize(
    "text",
    [text for text in CONFIGURATIONS if accepts(text) and "A = B" not in text and "ROLE" not in text],
)
def test_a_text_means_what_cvtsudoers_says(text: str, tmp_path: Path) -> None:
    assert comparable(ours(text)) == comparable(understood(text, tmp_path))


# --- generated ------------------------------------------------------------------------------------

_USER = st.sampled_from(["alice", "bob", "%adm", "#1000", "+net", "ALL", "ADMINS", "!carol", '"al ice"'])
_HOST = st.sampled_from(["ALL", "web01", "192.0.2.0/24", "2001:db8::1", "!web02", "+hosts", "WEB"])
_COMMAND = st.sampled_from(
    [
        "/bin/ls",
        "/bin/ls -l",
        '/usr/bin/id ""',
        "ALL",
        "!/bin/su",
        "SHELLS",
        "/bin/cat /var/log/*",
        "sudoedit /x",
        "/usr/bin/",
        "/bin/a\\ b c\\,d",
        f"{DIGEST} /bin/sum",
        "/bin/echo a\\:b\\=c",
    ]
)
_TAG = st.sampled_from(
    ["", "NOPASSWD: ", "PASSWD:", "NOEXEC:NOPASSWD: ", "SETENV: ", "NOSETENV:EXEC: ", "MAIL:"]
)
_TARGET = st.sampled_from(["", "(root) ", "(ALL:ALL) ", "(bob, #33) ", "(:adm) ", "(%dba) ", "(!root,ALL)"])
_SETTING = st.sampled_from(
    [
        "requiretty",
        "!use_pty",
        "env_reset",
        "umask=0077",
        "passwd_tries=3",
        'secure_path="/a:/b"',
        'env_keep += "A B"',
        "timestamp_timeout = 5",
        "logfile=/var/log/s",
        "!noexec",
    ]
)
_SCOPE = st.sampled_from(["", "", ":alice", "@web01", ">root", "!/bin/ls", ":%adm,bob"])


def _joined(items: st.SearchStrategy[str], most: int = 3) -> st.SearchStrategy[str]:
    return st.lists(items, min_size=1, max_size=most).map(", ".join)


_RULE = st.builds(
    "{} {} = {}".format,
    _joined(_USER),
    _joined(_HOST, 2),
    _joined(st.builds("{}{}{}".format, _TARGET, _TAG, _COMMAND), 4),
)
_LINE = st.one_of(
    _RULE,
    st.builds("Defaults{} {}".format, _SCOPE, _joined(_SETTING, 2)),
    st.just("# a comment"),
    st.just(""),
)
_TEXT = st.lists(_LINE, min_size=1, max_size=5).map("\n".join)


@needs_sudo
@pytest.mark.parametrize(
    "user", ["z:db8::1", "b2001:db8::1", "z::1", "z:::1", "z::1::2", "b20:db8::1", "z ::1/::1::"]
)
def test_an_address_behind_a_colon(tmp_path, user: str) -> None:
    taken, said = visudo(f"{user} = /bin/ls\n", tmp_path)
    assert accepts(f"{user} = /bin/ls\n") == taken, said


@needs_sudo
@settings(max_examples=120, deadline=None)
@given(text=_TEXT)
def test_generated_texts_mean_what_cvtsudoers_says(tmp_path_factory, text: str) -> None:
    tmp_path = tmp_path_factory.getbasetemp()
    taken, said = visudo(text, tmp_path)
    assert accepts(text) == taken, said
    if taken:
        assert comparable(ours(text)) == comparable(understood(text, tmp_path))


@needs_sudo
@settings(max_examples=300, deadline=None)
@given(
    text=_TEXT,
    at=st.integers(0, 400),
    cut=st.integers(0, 3),
    put=st.text(alphabet=' \t\\,:=!()#"%@+\nA/x.^$*', max_size=2),
)
def test_broken_texts_are_refused_as_by_visudo(
    tmp_path_factory, text: str, at: int, cut: int, put: str
) -> None:
    at = min(at, len(text))
    text = text[:at] + put + text[at + cut :]
    taken, said = visudo(text, tmp_path_factory.getbasetemp())
    assume(taken or not _MEANING.search(said))
    assert accepts(text) == taken, said


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_no_text_breaks_the_reader(text: str) -> None:
    for item in parse(text, "sudoers"):
        assert item.place.line >= 1


# --- files ----------------------------------------------------------------------------------------

MAIN = "Defaults !requiretty\n@includedir sudoers.d\n@include more\nDefaults passwd_tries=9\n"
FILES = {
    "sudoers": MAIN,
    "more": "Defaults passwd_tries=7\n",
    "sudoers.d/10-first": "Defaults passwd_tries=1\n",
    "sudoers.d/9-second": "Defaults passwd_tries=2\n",
    "sudoers.d/B": "Defaults passwd_tries=3\n",
    "sudoers.d/a": "Defaults passwd_tries=4\n",
    "sudoers.d/a~": "Defaults passwd_tries=5\n",
    "sudoers.d/a.rpmsave": "Defaults passwd_tries=6\n",
    "sudoers.d/sub/c": "Defaults passwd_tries=8\n",
}


@needs_sudo
def test_files_are_read_in_the_order_of_sudo(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = ["cvtsudoers", "-f", "sudoers", "-e", str(tmp_path / "sudoers")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    order = re.findall(r"passwd_tries=(\d)", done.stdout)
    policy = read_policy(hosts.snapshot(hosts.DictHost({f"/etc/{name}": t for name, t in FILES.items()})))
    assert [s.value for s in policy.settings if s.name == "passwd_tries"] == order == list("123479")


def test_a_file_that_sudo_does_not_trust_is_named_and_does_not_count() -> None:
    stats = {
        "/etc/sudoers.d/mine": Status(Kind.FILE, 0o440, 1000, 0, "alice", "root", 10, "8:1"),
        "/etc/sudoers.d/open": Status(Kind.FILE, 0o666, 0, 0, "root", "root", 10, "8:1"),
    }
    granted = "bob ALL=(ALL) NOPASSWD: ALL\n"
    host = hosts.server(files={"/etc/sudoers.d/mine": granted, "/etc/sudoers.d/open": granted}, stats=stats)
    assert judge(host, "users.sudo-no-password").result is Result.PASS
    found = judge(host, "users.sudo-mistakes")
    assert found.result is Result.FAIL
    assert "/etc/sudoers.d/mine" in found.running
    assert "/etc/sudoers.d/open" in found.running


def test_includes_that_go_round_in_circles_end() -> None:
    host = hosts.server(files={"/etc/sudoers": "@include sudoers\n@include sudoers\nalice ALL=ALL\n"})
    assert judge(host, "users.sudo-mistakes").result is Result.FAIL


# --- judgement ------------------------------------------------------------------------------------


def judge(host: hosts.DictHost, id_: str) -> Finding:
    (found,) = assess([CHECKLISTS.get(id_)], hosts.snapshot(host), {}, CHECKLISTS.questions)
    return found


def sudoers(text: str, **more: Any) -> hosts.DictHost:
    return hosts.server(files={"/etc/sudoers": text + "@includedir /etc/sudoers.d\n", **more})


@pytest.mark.parametrize(
    ("rule", "id_"),
    [
        ("bob ALL=NOPASSWD: /bin/ls -l", "users.sudo-no-password"),
        ("Defaults:bob !authenticate", "users.sudo-no-password"),
        ("bob ALL=(postgres) ALL", "users.sudo-all-commands"),
        ("Cmnd_Alias X = /bin/ls, ALL\nbob ALL=(postgres) X", "users.sudo-all-commands"),
        ("bob ALL=(postgres) ALL, !/bin/su", "users.sudo-negations"),
        ("Cmnd_Alias X = /bin/ls, !/bin/su\nbob ALL=(postgres) /bin/id", "users.sudo-negations"),
        ("bob ALL=/bin/cat /var/log/*", "users.sudo-wildcards"),
        ("bob ALL=/bin/ca? x", "users.sudo-wildcards"),
        ("bob ALL=/bin/cat ^[a-z]+$", "users.sudo-wildcards"),
        ("bob ALL=/bin/cat", "users.sudo-arguments"),
        ("bob ALL=/usr/local/bin/", "users.sudo-arguments"),
        ("bob ALL=/usr/bin/vim /etc/hosts", "users.sudo-editors"),
        ("Cmnd_Alias X = /usr/bin/vim /etc/hosts\nbob ALL=X", "users.sudo-editors"),
    ],
)
def test_a_rule_that_grants_too_much_fails(rule: str, id_: str) -> None:
    assert judge(sudoers(f"{rule}\n"), id_).result is Result.FAIL


@pytest.mark.parametrize(
    ("rule", "id_"),
    [
        ("root ALL=(ALL) NOPASSWD: ALL", "users.sudo-no-password"),
        ("root ALL=(ALL) ALL", "users.sudo-all-commands"),
        ("bob ALL=/bin/cat /var/log/a\\*", "users.sudo-wildcards"),
        ('bob ALL=/bin/cat ""', "users.sudo-arguments"),
        ("bob ALL=sudoedit /etc/hosts", "users.sudo-editors"),
        ("bob ALL=(postgres) /usr/bin/pg_dump", "users.sudo-root-targets"),
    ],
)
def test_a_narrow_rule_passes(rule: str, id_: str) -> None:
    assert judge(sudoers(f"{rule}\n"), id_).result is Result.PASS


def test_a_mistake_leaves_nothing_to_pass() -> None:
    """sudo goes on after a line that it cannot read, or not, by its version: nobody can say what counts."""
    host = sudoers("Defaults use_pty\nalice ALL\n")
    assert judge(host, "users.sudo-use-pty").result is Result.UNKNOWN
    assert judge(host, "users.sudo-no-password").result is Result.UNKNOWN
    found = judge(host, "users.sudo-mistakes")
    assert found.result is Result.FAIL
    assert "/etc/sudoers:2" in found.message


@pytest.mark.parametrize("path", ["/etc/sudoers", "/etc/sudoers.d/secret"])
def test_a_file_that_cannot_be_read_leaves_it_unknown(path: str) -> None:
    host = sudoers("Defaults use_pty\n")
    host.files[path] = Unread(Reason.DENIED)
    for id_ in ("users.sudo-no-password", "users.sudo-use-pty", "users.sudo-noexec"):
        found = judge(host, id_)
        assert found.result is Result.UNKNOWN
        assert "root" in found.message


def test_an_include_by_host_name_needs_the_host_name() -> None:
    host = sudoers("Defaults use_pty\n@include /etc/sudoers.%h\n")
    host.files["/etc/sudoers.web01"] = "# nothing\n"
    assert judge(host, "users.sudo-use-pty").result is Result.PASS
    host.answers[KernelIs] = Unread(Reason.DENIED)
    found = judge(host, "users.sudo-use-pty")
    assert found.result is Result.UNKNOWN
    assert "/etc/sudoers.%h" in found.message


def test_a_host_without_sudo_is_not_concerned() -> None:
    host = hosts.server()
    del host.files["/etc/sudoers"]
    assert judge(host, "users.sudo-use-pty").result is Result.NOTAPPLICABLE


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Defaults use_pty\nDefaults !use_pty\n", Result.FAIL),
        ("Defaults !use_pty\nDefaults use_pty\n", Result.PASS),
        ("Defaults:bob !use_pty\nDefaults use_pty\n", Result.FAIL),
        ("Defaults use_pty=yes\n", Result.FAIL),
        ("# use_pty\n", Result.FAIL),
    ],
)
def test_the_setting_that_sudo_would_use_is_judged(text: str, result: Result) -> None:
    assert judge(sudoers(text), "users.sudo-use-pty").result is result


@pytest.mark.parametrize(("version", "result"), [("1.9.13p3-1+deb12u1", "fail"), ("1.9.16p2-3", "pass")])
def test_newer_versions_use_a_terminal_of_their_own_unasked(version: str, result: str) -> None:
    host = sudoers("")
    host.packages = (Package("sudo", version),)
    assert judge(host, "users.sudo-use-pty").result == result


def test_the_sudo_written_in_rust_is_not_taken_for_the_other() -> None:
    host = sudoers("Defaults ignore_dot\n")
    host.links["/etc/alternatives/sudo"] = "/usr/lib/cargo/bin/sudo"
    assert judge(host, "users.sudo-ignore-dot").result is Result.UNKNOWN
    assert "sudo-rs" in change(host, "users.sudo-noexec").refused["users.sudo-noexec"]


# --- the change -----------------------------------------------------------------------------------


def change(host: hosts.DictHost, *ids: str) -> Any:
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    for id_ in ids:
        session = session.decided(session.decision(session.finding(id_), Action.APPLY))
    return session.compiled()


CHANGED = (
    "users.sudo-use-pty",
    "users.sudo-env-reset",
    "users.sudo-ignore-dot",
    "users.sudo-umask",
    "users.sudo-noexec",
    "users.sudo-requiretty",
    "users.sudo-secure-path",
)


@needs_sudo
def test_the_file_that_we_write_is_one_that_visudo_accepts(tmp_path: Path) -> None:
    compiled = change(sudoers("%sudo ALL=(ALL) EXEC: ALL\n"), *CHANGED)
    written = [operation for operation in compiled.operations if isinstance(operation, WriteFile)]
    assert [(w.path, w.mode) for w in written] == [(OURS, "0440")]
    assert any(isinstance(op, CheckSyntax) and op.checker == "visudo" for op in compiled.operations)
    assert compiled.can_lock_out
    taken, said = visudo(written[0].content, tmp_path)
    assert taken, said
    assert written[0].content.count("Defaults") == len(CHANGED)


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ("%sudo ALL=(ALL:ALL) ALL", False),
        ("%sudo ALL=(ALL:ALL) EXEC: ALL", True),
        ("alice ALL = EXEC: /bin/bash", True),
        ("Cmnd_Alias SHELLS = /bin/sh, /bin/bash\nalice ALL = EXEC: SHELLS", True),
        ("alice ALL = EXEC: /usr/bin/apt", False),
        ("alice ALL = (www-data) EXEC: ALL", False),
        ("alice ALL = EXEC: !ALL", False),
        ("root ALL = EXEC: ALL", False),
    ],
)
def test_noexec_waits_for_a_rule_by_which_the_script_itself_can_still_be_run(rule: str, taken: bool) -> None:
    refused = change(sudoers(f"{rule}\n"), "users.sudo-noexec").refused
    assert ("rollback" in refused.get("users.sudo-noexec", "")) is not taken


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("", {"/etc/sudoers.d/zzz": "Defaults !use_pty\n"}),
        ("Defaults:bob !use_pty\n", {}),
        ("@includedir /etc/sudoers.d\nDefaults !use_pty\n", {}),
    ],
)
def test_a_line_that_would_win_over_ours_refuses_the_change(text: str, more: dict[str, str]) -> None:
    refused = change(sudoers(text, **more), "users.sudo-use-pty").refused
    assert "would still win" in refused["users.sudo-use-pty"]


def test_without_the_folder_of_drop_ins_the_change_is_refused() -> None:
    host = hosts.server(files={"/etc/sudoers": "Defaults !use_pty\n"})
    assert "does not include" in change(host, "users.sudo-use-pty").refused["users.sudo-use-pty"]


@pytest.mark.parametrize(
    "value", ["on\nALL ALL=NOPASSWD: ALL", "0077, !authenticate", "0077 #", "", "/x\\\n"]
)
def test_a_hostile_target_reaches_no_file(value: str) -> None:
    session = Session.begin(CHECKLISTS, hosts.snapshot(sudoers("")))
    for id_ in ("users.sudo-umask", "users.sudo-use-pty", "users.sudo-secure-path"):
        decision = session.decision(session.finding(id_), Action.APPLY)
        entry = CHECKLISTS.get(id_)
        made = change_of(entry, type(decision)(**{**as_dict(decision), "target": value}))
        assert isinstance(made, Refusal) or (not value and all("ALL" not in str(op) for op in made))


def as_dict(decision: Any) -> dict[str, Any]:
    return {name: getattr(decision, name) for name in decision.__dataclass_fields__}
