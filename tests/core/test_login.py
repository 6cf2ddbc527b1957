"""PAM, login.defs and the shells: what would count, as the libraries and bash itself see it."""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardentui.assess import assess
from hardentui.changeset import change_of
from hardentui.model import Action, Decision, Finding, Result
from hardentui.operations import Refusal, ReplaceLine, WriteFile
from hardentui.rehearsal import rehearse
from hardentui.resources.pam.stack import Stack, read_stack
from hardentui.session import Session
from hardentui.snapshot import Process, Reason, Unread

from . import hosts, users
from .sittings import CHECKLISTS

PASSWD = {"/etc/pam.d/passwd": "password requisite pam_pwquality.so retry=3\npassword required pam_unix.so\n"}


def judge(host: hosts.DictHost, id_: str) -> Finding:
    (found,) = assess([CHECKLISTS.get(id_)], hosts.snapshot(host), {}, CHECKLISTS.questions)
    return found


# --- libpwquality ---------------------------------------------------------------------------------

_SETTINGS = {
    "minlen": 3,
    "dcredit": 4,
    "ucredit": 5,
    "lcredit": 6,
    "ocredit": 7,
    "minclass": 8,
}  # pwquality.h


def by_library(folder: Path) -> dict[str, int]:
    """What libpwquality makes of pwquality.conf and its folder."""
    library = ctypes.CDLL("libpwquality.so.1")
    library.pwquality_default_settings.restype = ctypes.c_void_p
    made = ctypes.c_void_p(library.pwquality_default_settings())
    wrong = ctypes.c_void_p()
    path = str(folder / "pwquality.conf").encode()
    assert library.pwquality_read_config(made, path, ctypes.byref(wrong)) == 0
    values = {}
    for name, number in _SETTINGS.items():
        value = ctypes.c_int()
        assert library.pwquality_get_int_value(made, number, ctypes.byref(value)) == 0
        values[name] = value.value
    return values


_CREDITS = ("dcredit", "ucredit", "lcredit", "ocredit")
_CREDIT_LINE = st.builds("{} = {}".format, st.sampled_from(_CREDITS), st.integers(-2, 2))
_QUALITY_LINE = st.one_of(
    st.builds("{}{}{}".format, st.just("minlen"), st.sampled_from([" = ", "=", "\t= "]), st.integers(6, 20)),
    st.builds("minclass = {}".format, st.integers(0, 4)),
    _CREDIT_LINE,
    st.sampled_from(["# minlen = 30", "", "  minlen =  17   # a remark", "retry = 3", "enforce_for_root"]),
)
_QUALITY = st.lists(_QUALITY_LINE, max_size=4).map(lambda lines: "".join(f"{line}\n" for line in lines))


@pytest.mark.skipif(ctypes.util.find_library("pwquality") is None, reason="libpwquality1 is not installed")
@settings(max_examples=150, deadline=None)
@given(
    main=_QUALITY,
    drop_ins=st.dictionaries(st.sampled_from(["10.conf", "9.conf", "a.conf", "b.txt"]), _QUALITY),
)
def test_the_files_of_pwquality_are_read_as_by_the_library(
    tmp_path_factory, main: str, drop_ins: dict
) -> None:
    folder = tmp_path_factory.mktemp("security")
    (folder / "pwquality.conf").write_text(main)
    (folder / "pwquality.conf.d").mkdir()
    for name, text in drop_ins.items():
        (folder / "pwquality.conf.d" / name).write_text(text)
    expected = by_library(folder)
    files = {f"/etc/security/pwquality.conf.d/{name}": text for name, text in drop_ins.items()}
    host = hosts.DictHost({**PASSWD, "/etc/security/pwquality.conf": main, **files})
    given_ = sum(max(0, expected[name]) for name in _CREDITS)
    demanded = sum(expected[name] < 0 for name in _CREDITS)
    assert judge(host, "users.password-length").running == str(max(6, expected["minlen"] - given_))
    assert judge(host, "users.password-classes").running == str(max(expected["minclass"], demanded))


# --- the stacks of PAM ----------------------------------------------------------------------------


def names(files: dict[str, str], service: str, kind: str) -> list[str]:
    stack = read_stack(hosts.snapshot(hosts.DictHost(files)), service, kind)
    assert isinstance(stack, Stack)
    assert stack.gap is None
    return [module.name for module in stack.modules]


def test_includes_of_every_kind_are_followed_in_order() -> None:
    files = {
        "/etc/pam.d/x": "auth required pam_a.so\n@include y\n-auth include z\n"
        "auth substack z # why\nAUTH optional pam_e.so\n",
        "/etc/pam.d/y": "auth [success=1 default=ignore] \\\n   /lib/security/pam_b.so nullok\n"
        "account required pam_no.so\n",
        "/usr/lib/pam.d/z": "auth required pam_c.so\nsession required pam_no.so\n",
    }
    assert names(files, "x", "auth") == ["pam_a", "pam_b", "pam_c", "pam_c", "pam_e"]


def test_the_file_of_the_administrator_hides_the_vendors() -> None:
    files = {"/etc/pam.d/x": "auth required pam_a.so\n", "/usr/lib/pam.d/x": "auth required pam_b.so\n"}
    assert names(files, "x", "auth") == ["pam_a"]


def test_arguments_in_brackets_hold_blanks() -> None:
    host = hosts.DictHost({"/etc/pam.d/x": "auth required pam_a.so [query=a b] minlen=3 minlen=4 nullok\n"})
    (module,) = read_stack(hosts.snapshot(host), "x", "auth").modules
    assert module.arguments == ("query=a b", "minlen=3", "minlen=4", "nullok")
    assert (module.argument("minlen"), module.argument("nullok"), module.argument("x")) == ("4", "", None)


@pytest.mark.parametrize("include", ["@include missing", "auth include missing", "@include x"])
def test_an_include_that_leads_nowhere_leaves_it_unknown(include: str) -> None:
    host = hosts.DictHost(
        {"/etc/pam.d/login": f"{include.replace('x', 'login')}\nauth required pam_unix.so\n"}
    )
    assert judge(host, "users.null-passwords").result is Result.UNKNOWN


def test_a_stack_that_cannot_be_read_is_no_pass() -> None:
    host = hosts.rhel()
    host.files["/etc/pam.d/password-auth"] = Unread(Reason.DENIED)
    found = judge(host, "users.null-passwords")
    assert found.result is Result.UNKNOWN
    assert "root" in found.message


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_no_text_breaks_the_reader_of_stacks(text: str) -> None:
    read_stack(hosts.snapshot(hosts.DictHost({"/etc/pam.d/x": text})), "x", "auth")


FAILLOCK = (
    "auth required pam_faillock.so preauth{more}\nauth sufficient pam_unix.so\n"
    "auth [default=die] pam_faillock.so authfail\n"
)


@pytest.mark.parametrize(
    ("id_", "files", "result"),
    [
        ("users.null-passwords", {"/etc/pam.d/common-auth": "auth required pam_unix.so\n"}, "pass"),
        (
            "users.null-passwords",
            {"/etc/pam.d/common-auth": "auth required pam_unix.so nullok_secure\n"},
            "fail",
        ),
        ("users.password-hash", {"/etc/pam.d/passwd": "password required pam_unix.so md5\n"}, "fail"),
        ("users.password-hash", {"/etc/pam.d/passwd": "password required pam_unix.so md5 sha512\n"}, "pass"),
        ("users.password-hash", {"/etc/pam.d/passwd": "password required pam_unix.so\n"}, "pass"),
        (
            "users.password-history",
            {"/etc/pam.d/passwd": "password required pam_unix.so remember=5\n"},
            "pass",
        ),
        ("users.password-history", {"/etc/pam.d/passwd": "password required pam_pwhistory.so\n"}, "pass"),
        ("users.password-length", {"/etc/pam.d/passwd": "password required pam_unix.so minlen=16\n"}, "pass"),
        (
            "users.password-length",
            {"/etc/pam.d/passwd": "password required pam_pwquality.so minlen=16\n"},
            "pass",
        ),
        (
            "users.password-length",
            {"/etc/pam.d/passwd": "password required pam_pwquality.so minlen=16 ucredit=2\n"},
            "fail",
        ),
        (
            "users.password-length",
            {**PASSWD, "/etc/security/pwquality.conf": "minlen = 20\nenforcing = 0\n"},
            "fail",
        ),
        ("users.lockout-attempts", {"/etc/pam.d/common-auth": FAILLOCK.format(more="")}, "pass"),
        ("users.lockout-attempts", {"/etc/pam.d/common-auth": FAILLOCK.format(more=" deny=9")}, "fail"),
        (
            "users.lockout-attempts",
            {"/etc/pam.d/common-auth": "auth required pam_faillock.so preauth\n"},
            "unknown",
        ),
        (
            "users.lockout-time",
            {"/etc/pam.d/common-auth": FAILLOCK.format(more=" unlock_time=never")},
            "pass",
        ),
        ("users.lockout-time", {"/etc/pam.d/common-auth": FAILLOCK.format(more="")}, "fail"),
        ("users.su-group", {"/etc/pam.d/su": "auth required pam_wheel.so use_uid group=ops\n"}, "pass"),
        ("users.su-group", {"/etc/pam.d/su": "auth required pam_wheel.so use_uid\n"}, "pass"),
        ("users.su-group", {"/etc/pam.d/su": "auth required pam_wheel.so deny group=ops\n"}, "fail"),
        ("users.su-group", {"/etc/pam.d/su": "auth sufficient pam_wheel.so trust\n"}, "fail"),
    ],
)
def test_what_the_stack_asks_is_judged(id_: str, files: dict[str, str], result: str) -> None:
    found = judge(hosts.server(files=files), id_)
    assert found.result == result, found.message


# --- login shells ---------------------------------------------------------------------------------

_SHELL_LINE = st.sampled_from(
    [
        "umask 022",
        "umask 0027; X=1",
        "  umask 077",
        "# umask 000",
        "X=2 # umask 001",
        "if true; then umask 007; fi",
        "if false; then\n  umask 017\nfi",
        'if [ "$X" = 1 ]; then\n  umask 037\nelse\n  umask 070\nfi',
        "case x in x) X=3 ;; esac",
        "TMOUT=60",
        "export TMOUT=120",
        "if false; then TMOUT=240; fi",
    ]
)
_SHELL_TEXT = st.lists(_SHELL_LINE, max_size=4).map(lambda lines: "".join(f"{line}\n" for line in lines))


@settings(max_examples=80, deadline=None)
@given(profile=_SHELL_TEXT, drop_in=_SHELL_TEXT)
def test_the_umask_and_idle_time_of_bash_are_among_those_that_we_name(profile: str, drop_in: str) -> None:
    script = f"umask 022\nunset TMOUT\n{profile}\n{drop_in}\numask\necho ${{TMOUT-none}}\n"
    done = subprocess.run(["bash", "--norc", "-c", script], check=True, capture_output=True, text=True)
    umask, idle = done.stdout.split()
    host = hosts.DictHost({"/etc/profile": profile, "/etc/profile.d/a.sh": drop_in})
    for id_, real in (("users.umask", int(umask, 8)), ("users.idle-timeout", idle)):
        values = judge(host, id_).observation.running.values
        named = [int(v, 8) if id_ == "users.umask" else v for v in values.values()]
        assert real in named, (values, script)
        if list(values) == [""]:
            assert named == [real]


@pytest.mark.parametrize(
    ("files", "result"),
    [
        ({"/etc/profile.d/a.sh": "umask 077\n"}, Result.PASS),
        ({"/etc/profile": "umask 077\n", "/etc/profile.d/a.sh": "umask 022\n"}, Result.FAIL),
        ({"/etc/profile": "umask 077\n", "/etc/profile.d/a.sh": "if x; then\numask 022\nfi\n"}, Result.FAIL),
        ({"/etc/profile.d/a.sh": "umask 077\n", "/etc/bash.bashrc": "umask 022\n"}, Result.FAIL),
        ({"/etc/profile": "umask 022\n", "/etc/profile.d/a.sh": "umask 0077\n"}, Result.PASS),
        (
            {"/etc/profile": "umask 077\n", "/etc/bash.bashrc": "[ `umask` -eq 0 ] && umask 022\n"},
            Result.PASS,
        ),
    ],
)
def test_the_last_umask_counts(files: dict[str, str], result: Result) -> None:
    assert judge(hosts.server(files=files), "users.umask").result is result


# --- changes --------------------------------------------------------------------------------------


def decided(host: hosts.DictHost, id_: str, **changes: Any) -> Any:
    """The change of one recommendation, its decision edited by hand as given."""
    session = Session.begin(CHECKLISTS, hosts.snapshot(host))
    decision = session.decision(session.finding(id_), Action.APPLY)
    fields = {name: getattr(decision, name) for name in decision.__dataclass_fields__}
    return change_of(CHECKLISTS.get(id_), Decision(**{**fields, **changes}))


def test_a_length_set_in_the_main_file_is_changed_there() -> None:
    """The main file has the last word over its folder."""
    (made,) = decided(hosts.rhel(), "users.password-length")
    assert made == ReplaceLine(
        owners=("users.password-length",),
        path="/etc/security/pwquality.conf",
        before="minlen = 9",
        after="minlen = 15",
    )
    (made,) = decided(hosts.server(), "users.password-length")
    assert isinstance(made, WriteFile)
    assert made.path.startswith("/etc/security/pwquality.conf.d/")


def test_an_argument_in_the_stack_refuses_the_change_of_the_file() -> None:
    files = {"/etc/pam.d/passwd": "password required pam_pwquality.so minlen=8\n"}
    made = decided(hosts.server(files=files), "users.password-length")
    assert isinstance(made, Refusal)
    assert "/etc/pam.d/passwd:1" in made.reason


@pytest.mark.parametrize(
    ("make", "tool"), [(hosts.server, "pam-auth-update"), (hosts.rhel, "authselect")], ids=["debian", "rhel"]
)
def test_a_module_that_nobody_asks_is_added_by_hand_with_the_familys_tool(make, tool: str) -> None:
    host = make()
    for path in ("common-auth", "common-password", "system-auth", "password-auth"):
        host.files[f"/etc/pam.d/{path}"] = "auth required pam_unix.so\npassword required pam_unix.so\n"
    for id_ in ("users.lockout-attempts", "users.password-length"):
        made = decided(host, id_)
        assert isinstance(made, Refusal)
        assert tool in made.reason


def test_no_change_touches_a_stack_of_pam() -> None:
    for make in (hosts.server, hosts.rhel, hosts.rivals):
        session = Session.begin(CHECKLISTS, hosts.snapshot(make()))
        for entry in CHECKLISTS.recommendations:
            if entry.resource in {"pam", "login", "accounts", "sudoers"} and entry.target:
                finding = session.finding(entry.id)
                if finding.observation is None:
                    continue
                made = change_of(entry, session.decision(finding, Action.APPLY))
                assert isinstance(made, Refusal) or not [
                    op for op in made if op.target.startswith("/etc/pam.d")
                ]


@pytest.mark.parametrize(
    ("id_", "facts"),
    [
        ("users.encrypt-method", {"line": "UID_MIN 1000", "file": "/etc/login.defs"}),
        ("users.encrypt-method", {"line": "ENCRYPT_METHOD MD5", "file": "/etc/passwd"}),
        ("users.password-length", {"line": "retry = 3", "asked": True}),
        ("users.lockout-attempts", {"line": "silent", "asked": True}),
    ],
)
def test_facts_that_someone_edited_are_refused(id_: str, facts: dict[str, Any]) -> None:
    assert isinstance(decided(hosts.rhel(), id_, facts=facts), Refusal)


@pytest.mark.parametrize(
    ("id_", "files"),
    [
        ("users.encrypt-method", {"/etc/login.defs": "ENCRYPT_METHOD MD5\nENCRYPT_METHOD MD5\n"}),
        ("users.password-length", {**PASSWD, "/etc/security/pwquality.conf": "minlen = 9\nminlen = 9\n"}),
    ],
)
def test_a_line_that_stands_twice_is_left_to_a_person(id_: str, files: dict[str, str]) -> None:
    made = decided(hosts.server(files=files), id_)
    assert isinstance(made, Refusal)
    assert "twice" in made.reason


@pytest.mark.parametrize("target", ["077; reboot", "$(x)", "600\nx", "-1", "", "YESCRYPT #"])
def test_a_hostile_target_is_refused(target: str) -> None:
    for id_ in ("users.umask", "users.idle-timeout", "users.password-length", "users.encrypt-method"):
        made = decided(hosts.rhel(), id_, target=target)
        assert isinstance(made, Refusal) or not target, id_


def test_umask_and_idle_time_share_one_file_that_bash_obeys(tmp_path: Path) -> None:
    session = Session.begin(CHECKLISTS, hosts.snapshot(hosts.server()))
    for id_ in ("users.umask", "users.idle-timeout"):
        session = session.decided(session.decision(session.finding(id_), Action.APPLY))
    compiled = session.compiled()
    (written,) = compiled.operations
    file = tmp_path / "ours.sh"
    file.write_text(written.content)
    command = ["bash", "--norc", "-c", f". {file}; umask; bash --norc -c 'echo $TMOUT'; TMOUT=0 || true"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.split() == ["0077", "600"]
    assert "readonly" in done.stderr
    after = rehearse(session.snapshot, compiled)
    for id_ in ("users.umask", "users.idle-timeout"):
        (found,) = assess([CHECKLISTS.get(id_)], after, {}, CHECKLISTS.questions)
        assert found.result is Result.PASS


def test_a_tmout_that_is_fixed_elsewhere_refuses_ours() -> None:
    host = hosts.server(files={"/etc/profile.d/a.sh": "readonly TMOUT=3600\n"})
    made = decided(host, "users.idle-timeout")
    assert isinstance(made, Refusal)
    assert "/etc/profile.d/a.sh" in made.reason


def test_web_servers_and_builders_warn_before_the_umask() -> None:
    def texts(host: hosts.DictHost) -> list[str]:
        return [hazard.text for hazard in judge(host, "users.umask").hazards]

    assert not texts(hosts.server())
    nginx = (Process(7, "nginx", "root", "/usr/sbin/nginx", "nginx.service"),)
    assert "nginx" in texts(hosts.server(processes=nginx))[0]
    assert "rpmbuild" in texts(hosts.server(files={"/usr/bin/rpmbuild": ""}))[0]


def test_automation_and_shells_warn_before_strict_settings_of_sudo() -> None:
    rule = "ansible ALL=(ALL) NOPASSWD: /usr/bin/apt-get\n"
    host = hosts.server(files={"/etc/sudoers": users.SUDOERS + rule})
    assert "ansible" in judge(host, "users.sudo-requiretty").hazards[0].text
    assert "%sudo" in judge(host, "users.sudo-noexec").hazards[0].text
    assert not judge(hosts.server(), "users.sudo-requiretty").hazards


ASKED = "session optional pam_umask.so\n"


@pytest.mark.parametrize(
    ("session", "umask", "result", "words"),
    [
        (ASKED, "077", Result.PASS, ""),
        (ASKED, "022", Result.FAIL, "022"),
        ("", "077", Result.FAIL, "none"),  # as Debian 12 comes
        ("session optional pam_umask.so umask=0077\n", "022", Result.PASS, ""),
        ("session optional pam_umask.so umask=022\n", "077", Result.FAIL, "022"),
        (f"{ASKED}session optional pam_umask.so umask=027\n", "077", Result.FAIL, "027"),
    ],
)
def test_the_umask_of_sessions_is_the_one_that_pam_gives(
    session: str, umask: str, result: Result, words: str
) -> None:
    files = {"/etc/pam.d/common-session": session, "/etc/login.defs": f"UMASK {umask}\n"}
    found = judge(hosts.server(files=files), "users.umask-login")
    assert found.result is result
    assert words in found.message


def test_a_way_in_that_does_not_ask_for_the_umask_is_named() -> None:
    files = {"/etc/pam.d/sshd": "session required pam_unix.so\n", "/etc/login.defs": "UMASK 077\n"}
    found = judge(hosts.server(files=files), "users.umask-login")
    assert found.result is Result.FAIL
    assert "sshd none" in found.message


@pytest.mark.parametrize(
    ("session", "why"), [("", "pam_umask is not asked"), (ASKED[:-1] + " umask=022\n", "would still win")]
)
def test_a_umask_that_no_session_would_get_is_not_written(session: str, why: str) -> None:
    host = hosts.server(files={"/etc/pam.d/common-session": session})
    begun = Session.begin(CHECKLISTS, hosts.snapshot(host))
    assert why in begun.refusal(begun.finding("users.umask-login"))


def test_the_last_line_of_login_defs_counts() -> None:
    host = hosts.server(files={"/etc/login.defs": "ENCRYPT_METHOD YESCRYPT\nENCRYPT_METHOD MD5 # old\n"})
    found = judge(host, "users.encrypt-method")
    assert (found.result, found.running) == (Result.FAIL, "MD5")
