"""What rsyslog makes of its files: our reader against the real rsyslogd, message by message."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hardentui.resources.rsyslog import config, rules
from hardentui.resources.rsyslog.config import MAIN
from hardentui.resources.rsyslog.destinations import Destination, destination, file_mode

from .hosts import DictHost, snapshot
from .rooted import in_namespaces, needs_namespaces

FOLDER = "/etc/rsyslog.d"
PROGRAMS = ("alpha", "beta")
FIRST_PORT = 5140


@dataclass(frozen=True)
class Case:
    """A main file and others. OUT stands for the folder of its logs, PORT for a port of the loopback."""

    main: str
    others: dict[str, str] = field(default_factory=dict)

    def files(self, at: int) -> dict[str, str]:
        def placed(text: str) -> str:
            return text.replace("OUT", out(at)).replace("PORT", str(FIRST_PORT + at))

        return {path: placed(text) for path, text in {MAIN: self.main, **self.others}.items()}


def out(at: int) -> str:
    return f"/run/out/{at}"


DEBIAN = """
module(load="imklog") # kernel
$FileOwner root
$FileGroup adm
$FileCreateMode 0640
$DirCreateMode 0755
$Umask 0022
$WorkDirectory OUT
$IncludeConfig /run/x/AT/*.conf
*.*;auth,authpriv.none\t\t-OUT/syslog
auth,authpriv.*\t\t\tOUT/auth.log
cron.*\t\t\t\t-OUT/cron.log
kern.*  -OUT/kern.log
mail.*\t-OUT/mail.log
user.* -OUT/user.log
*.emerg :omusrmsg:*
"""
RHEL = """
global(workDirectory="OUT")
module(load="builtin:omfile" Template="RSYSLOG_TraditionalFileFormat")
include(file="/run/x/none/*.conf" mode="optional")
#kern.*                                                 /dev/console
*.info;mail.none;authpriv.none;cron.none                OUT/messages
authpriv.*                                              OUT/secure
mail.*                                                  -OUT/maillog
*.emerg                                                 :omusrmsg:*
uucp,news.crit                                          OUT/spooler
local7.*                                                OUT/boot.log
"""
CASES = {
    "Debian's own": Case(DEBIAN),
    "RHEL's own": Case(RHEL),
    "one file": Case("*.* OUT/all\n"),
    "single severity": Case("mail.=info OUT/a\n*.=debug OUT/b\n"),
    "without severities": Case("mail.!err OUT/a\n*.*;mail.!=info OUT/b\n*.info;*.!warning OUT/c\n"),
    "none behind all": Case("*.*;mail,news.none OUT/a\nmail.none;*.err OUT/b\n*.!none OUT/c\n"),
    "comma behind a severity": Case("mail.info,news.err OUT/a\n*.*,cron.none OUT/b\n"),
    "other names": Case("security.warn OUT/a\nkern.panic;lpr.error OUT/b\nKERN.Err OUT/c\n"),
    "numbers": Case("mail.3 OUT/a\nauth,32.* OUT/b\n"),
    "unknown facility": Case("mial.* OUT/a\n"),
    "unknown severity": Case("mail.loud OUT/a\n"),
    "no severity": Case("mail,cron OUT/a\n"),
    "several actions for all": Case("OUT/a\n& OUT/b\n& OUT/c\n"),
    "several actions for all, and more": Case("OUT/a\n& OUT/b\nmail.* OUT/c\n& OUT/d\nnews.* OUT/e\n"),
    "stop": Case("mail.* stop\n*.* OUT/a\n"),
    "tilde": Case("mail.* OUT/m\n& ~\n*.* OUT/a\n"),
    "several actions": Case("mail.info OUT/a\n& OUT/b\n& -OUT/c;RSYSLOG_FileFormat\n&stop\n*.* OUT/rest\n"),
    "no filter": Case("OUT/all\n"),
    "braces": Case("mail.* {\n OUT/a\n *.err OUT/b\n stop\n}\n*.* OUT/rest\n"),
    "forward": Case("*.err @127.0.0.1:PORT\nmail.* @@127.0.0.1:PORT;RSYSLOG_ForwardFormat\n"),
    "forward, compressed and in brackets": Case(
        "cron.* @(z0)[127.0.0.1]:PORT\nlocal0.* @@(o)127.0.0.1:PORT\n"
    ),
    "forward, new": Case(
        '*.err action(type="omfwd" target="127.0.0.1" port="PORT" protocol="tcp")\n'
        'mail.* action(type="omfwd" target="127.0.0.1" port="PORT")\n'
    ),
    "property of the text": Case(':msg, contains, "m7m" OUT/a\n:msg, !contains, "1" OUT/b\n*.* OUT/c\n'),
    "property of the text, stop": Case(':msg, contains, "m7m" stop\n*.* OUT/c\nmail.* OUT/d\n'),
    "property that is known": Case(
        ':syslogfacility-text, isequal, "mail" OUT/a\n:syslogseverity, !isequal, "6" OUT/b\n'
        ':programname, startswith, "al" OUT/c\n& stop\n*.* OUT/d\n:pri-text, contains, "news." OUT/e\n'
    ),
    "property, empty": Case(':programname, isempty, "" OUT/a\n:programname, !isempty, "" OUT/b\n'),
    "property, expression": Case(':msg, regex, "m[12]" OUT/a\n:msg, ereregex, "m(3|4)m" OUT/b\n'),
    "if": Case("if $syslogfacility-text == 'mail' then OUT/a\nif $syslogseverity <= 3 then OUT/b\n"),
    "if, numbers as text": Case("if $syslogseverity < '3' then OUT/a\nif $syslogfacility > 16 then OUT/b\n"),
    "if and else": Case(
        "if $syslogseverity-text == 'err' then { OUT/a } else if prifilt('mail.*') then { OUT/b\nstop } "
        "else { OUT/c }\n*.* OUT/rest\n"
    ),
    "and, or, not": Case(
        "if $syslogfacility == 2 or $syslogfacility == 4 and $syslogseverity < 3 then OUT/a\n"
        "if not ($syslogfacility == 2) then OUT/b\n"
        "if not prifilt('mail.*') and not prifilt('news.*') then OUT/c\n"
        "if not $syslogfacility == 2 then OUT/d\n"
    ),
    "lists": Case(
        "if $programname == ['beta', 'gamma'] then OUT/a\n"
        "if $syslogfacility-text != ['mail','news'] then OUT/b\n"
        "if $syslogfacility-text startswith ['au', 'lo'] then OUT/c\n"
    ),
    "what the text decides": Case(
        "if $msg contains 'm7m' and $syslogfacility-text == 'kern' then OUT/a\n"
        "if $msg contains 'm7m' or $syslogfacility-text == 'mail' then OUT/b\n"
        "if re_match($msg, 'm1+m') then stop\n*.* OUT/c\n"
    ),
    "set and unset": Case(
        "set $.x = 'mail';\nif $.x == $syslogfacility-text then OUT/a\n"
        "unset $.x;\nreset $!y = 5 + 3;\n*.* OUT/b\n"
    ),
    "foreach": Case('set $!a = "x";\nforeach ($.i in $!a) do {\n OUT/a\n}\n*.* OUT/b\n'),
    "ruleset and call": Case(
        'ruleset(name="deep") {\n mail.* stop\n *.err OUT/a\n}\n*.* OUT/before\ncall deep\n*.* OUT/after\n'
    ),
    "ruleset with a queue": Case(
        'ruleset(name="deep" queue.type="LinkedList") {\n *.* OUT/a\n stop\n}\ncall deep\n*.* OUT/after\n'
    ),
    "ruleset that nothing calls": Case('ruleset(name="lonely") { *.* OUT/never }\n*.* OUT/a\n'),
    "ruleset of before": Case("$RuleSet other\n*.* OUT/never\n$RuleSet RSYSLOG_DefaultRuleset\n*.* OUT/a\n"),
    "default ruleset": Case('ruleset(name="mine") { mail.* OUT/a }\n*.* OUT/never\n$DefaultRuleset mine\n'),
    "comments": Case(
        "/* one\n*.* OUT/no\n*/ *.* OUT/a # behind\n# mail.* OUT/no\nmail.* /* in between */ OUT/b\n"
    ),
    "comment in an object": Case('*.* action(type="omfile" # of files\n /* the */ file="OUT/a")\n'),
    "lines that go on": Case("*.*;\\\nmail.none;\\\n   news.none \\\n\t OUT/a\nmail.* \\\n\nOUT/b\n"),
    "escapes": Case('*.* action(type="omfile" file="OUT/\\x61\\142c")\nif $msg != \'a\\\'\' then OUT/d\n'),
    "strings of objects": Case('*.* action(type="omfile" file="OUT/\\141\\?")\n'),
    "any case": Case(
        'MODULE(LOAD="builtin:omfile")\nIF $SYSLOGFACILITY-TEXT == "mail" THEN STOP\n*.* OUT/a\n'
    ),
    "people": Case("*.emerg :omusrmsg:*\n*.crit :omusrmsg:root,daemon\nmail.* OUT/a\n"),
    "call of one letter": Case('ruleset(name="r") { *.* OUT/a }\ncall r\n*.* OUT/b\n'),
    "folder of drop-ins": Case(
        "$IncludeConfig /etc/rsyslog.d/AT-*.conf\n*.* OUT/last\n",
        {f"{FOLDER}/AT-20.conf": "news.* OUT/b\n", f"{FOLDER}/AT-10.conf": "news.=err stop\nmail.* OUT/a\n"},
    ),
    "include within a ruleset": Case(
        'ruleset(name="rs") {\n include(file="/run/x/AT/in.conf")\n *.* OUT/b\n}\ncall rs\n*.* OUT/c\n',
        {"/run/x/AT/in.conf": "mail.* OUT/a\nmail.* stop\n"},
    ),
    "include that is not there": Case('include(file="/run/x/AT/gone.conf")\n*.* OUT/a\n'),
    "include that may be absent": Case('include(file="/run/x/AT/gone.conf" mode="optional")\n*.* OUT/a\n'),
    "folder, included by a path": Case(
        "$IncludeConfig /run/x/AT/\n*.* OUT/z\n",
        {"/run/x/AT/b": "mail.* OUT/b\n", "/run/x/AT/a": "mail.=err stop\n"},
    ),
    "modes": Case(
        "$Umask 0027\n$FileCreateMode 0666\n*.* OUT/a\n$FileCreateMode 0600\n*.* OUT/b\n"
        '*.* action(type="omfile" file="OUT/c")\n'
        '*.* action(type="omfile" file="OUT/d" fileCreateMode="0664")\n*.* OUT/e\n'
    ),
    "modes of the module": Case(
        'module(load="builtin:omfile" fileCreateMode="0640")\n*.* OUT/a\n'
        '*.* action(type="omfile" file="OUT/b")\n'
    ),
    "umask, new": Case(
        'global(umask="0077")\n*.* action(type="omfile" file="OUT/b" fileCreateMode="0666")\n'
    ),
    "dynamic": Case(
        '$template old,"OUT/old-%programname%"\n*.* ?old\nmail.* -?old;RSYSLOG_FileFormat\n'
        'template(name="new" type="list") {\n constant(value="OUT/new-")\n property(name="programname")\n}\n'
        'mail.* action(type="omfile" dynaFile="new")\n'
    ),
    "queues": Case(
        "$ActionQueueType LinkedList\n$ActionQueueFileName q\n$ActionResumeRetryCount -1\n"
        "*.err @127.0.0.1:PORT\n"
        '*.* action(type="omfile" file="OUT/a" queue.type="LinkedList" queue.size="5000")\n'
    ),
    "only when the first fails": Case(
        "*.* OUT/a\n$ActionExecOnlyWhenPreviousIsSuspended on\n& OUT/b\n"
        "$ActionExecOnlyWhenPreviousIsSuspended off\n"
        "mail.* OUT/c\n"
    ),
    "module loaded twice": Case('module(load="omprog")\n$ModLoad omprog\n*.* OUT/a\n'),
    "module not loaded": Case('*.* OUT/a\nmail.* action(type="omprog" binary="/bin/true")\n'),
    "module loaded too late": Case('mail.* action(type="omprog" binary="/bin/true")\n$ModLoad omprog\n'),
    "template that is not there": Case('*.* OUT/a\nmail.* OUT/b;later\n$template later,"%msg%"\n'),
    "dynamic template that is not there": Case('*.* action(type="omfile" dynaFile="gone")\n'),
    "syntax error": Case("*.* OUT/a\nif $msg contains then stop\n*.* OUT/b\n"),
    "object not closed": Case('*.* OUT/a\naction(type="omfile" file="OUT/b"\n'),
    "brace too many": Case("*.* OUT/a\n}\n"),
    "invalid character": Case("*.* OUT/a\n( mail.* OUT/b\n"),
    "given twice": Case('*.* action(type="omfile" file="OUT/a" file="OUT/b")\n'),
    "BSD's blocks": Case("!prog\n*.* OUT/a\n"),
    "filter without an action": Case("*.* OUT/a\nmail.*\n"),
    "outchannel": Case("$outchannel ch,OUT/a,100000\n*.* :omfile:$ch\n"),
}


def placed(cases: list[Case]) -> list[dict[str, str]]:
    """The files of each case, which all stand in one tree."""
    texts = [case.files(at) for at, case in enumerate(cases)]
    return [
        {path.replace("AT", str(at)): text.replace("AT", str(at)) for path, text in files.items()}
        for at, files in enumerate(texts)
    ]


def really(cases: list[Case]) -> list[dict]:
    job = [
        {"out": out(at), "port": FIRST_PORT + at, "files": files} for at, files in enumerate(placed(cases))
    ]
    return in_namespaces("namespace_rsyslog.py", {"programs": PROGRAMS, "cases": job})


def target(found: Destination) -> str:
    """How the collector calls it; "" for what it cannot see."""
    if found.kind == "remote":
        return found.protocol
    return found.path if found.kind == "file" else ""


def expected(seen: config.Config) -> dict[str, tuple[set[str], set[str], str]]:
    """For each target the messages that go there for certain, those that may, and the mode of the file."""
    found: dict[str, tuple[set[str], set[str], str]] = {}
    for program in PROGRAMS:
        for priority in range(24 * 8):
            message = rules.Message(priority // 8, priority % 8, program)
            for step in rules.steps(seen, message):
                one = destination(seen, step)
                if one is None or not target(one):
                    continue
                path = target(one).replace("%programname%", program) if one.dynamic else target(one)
                mode = file_mode(seen, one.action) if one.kind == "file" else ""
                certain, possible, _mode = found.setdefault(path, (set(), set(), mode))
                possible.add(f"{program} {priority}")
                if one.certain:
                    certain.add(f"{program} {priority}")
    return found


def differences(files: dict[str, str], answer: dict) -> list[str]:
    seen = config.read(snapshot(DictHost(files)))
    assert not seen.unread, seen.unread
    if bool(answer["status"]) != bool(seen.problems):
        return [f"status {answer['status']}, {answer['said']!r}; ours: {seen.problems}"]
    if seen.problems:
        return []
    wanted, real = expected(seen), answer["seen"]
    wrong = [f"nobody expected {path}: {lines[:4]}" for path, lines in real.items() if path not in wanted]
    for path, (certain, possible, mode) in wanted.items():
        had, *lines = real.get(path, [mode])
        missing, more = sorted(certain - set(lines)), sorted(set(lines) - possible)
        if missing or more or had != mode:
            wrong.append(f"{path}: without {missing[:4]}, and {more[:4]}; mode {had}, ours {mode}")
    return wrong


@functools.cache
def answers() -> list[dict]:
    """One start of the namespaces for all cases."""
    return really(list(CASES.values()))


@pytest.mark.parametrize("name", CASES)
def test_the_reader_agrees_with_rsyslogd(name: str) -> None:
    needs_namespaces("rsyslogd")
    at = list(CASES).index(name)
    assert differences(placed(list(CASES.values()))[at], answers()[at]) == []


def test_most_of_the_cases_are_accepted_and_write_something() -> None:
    """Else the comparison above would compare nothing."""
    needs_namespaces("rsyslogd")
    assert sum(bool(answer["seen"]) for answer in answers()) >= 45


# --- made up ones -------------------------------------------------------------------------------------

_LINES = (
    "*.* OUT/a", "mail.* OUT/b", "*.err;cron.none -OUT/c", "auth,authpriv.* OUT/d", "& OUT/e", "& stop",
    "stop", "kern.=info stop", ':msg, contains, "m3" OUT/a', ':programname, isequal, "alpha" stop', "{", "}",
    "if $syslogseverity < 4 then {", "if $syslogfacility-text == 'mail' then OUT/f", "else", "else {",
    "if $msg contains 'm5' or $syslogseverity == 2 then stop", "if $programname != 'alpha' then", "# nothing",
    'action(type="omfile" file="OUT/g")', "call deep", "*.* @127.0.0.1:PORT", "\\", "/* here", "*/",
    'ruleset(name="deep") {', "$RuleSet deep", "$RuleSet RSYSLOG_DefaultRuleset", "$FileCreateMode 0600",
    "$IncludeConfig /run/x/AT/*", 'include(file="/run/x/AT/one" mode="optional")', "*.info", "",
)  # fmt: skip
_TEXTS = st.lists(st.sampled_from(_LINES), max_size=10).map(lambda lines: "\n".join([*lines, ""]))
_MADE = st.builds(Case, _TEXTS, st.fixed_dictionaries({"/run/x/AT/one": _TEXTS, "/run/x/AT/two": _TEXTS}))


@given(st.lists(_MADE, min_size=60, max_size=60))
@settings(
    max_examples=1,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
def test_made_up_configurations_agree_with_rsyslogd(made: list[Case]) -> None:
    """Many at a time: the namespaces are made once."""
    needs_namespaces("rsyslogd")
    for files, answer in zip(placed(made), really(made), strict=True):
        assert differences(files, answer) == [], files


@given(
    st.text(alphabet="ifthenmail.*;=!,/&~@:$%\"'`(){}[]\\# \t\n\x00\udcff0", max_size=120),
    st.lists(st.sampled_from(_LINES), max_size=6),
    st.text(max_size=40),
)
@settings(max_examples=400, deadline=None)
def test_no_text_breaks_the_reader(signs: str, lines: list[str], text: str) -> None:
    seen = config.read(snapshot(DictHost({MAIN: "\n".join([signs, *lines, text])})))
    for step in rules.steps(seen, rules.Message(2, 3, "alpha")):
        destination(seen, step)


def test_nesting_without_end_is_refused() -> None:
    for text in ("if (" * 3000, "mail.* {\n" * 3000, 'include(file="/etc/rsyslog.conf")\n'):
        assert config.read(snapshot(DictHost({MAIN: text}))).problems


MANY = {f"/etc/rsyslog.d/{number}.conf": "$IncludeConfig /etc/rsyslog.d/*.conf\n" for number in range(900)}
BRANCHING = {
    f"/etc/rsyslog.d/{number}": f'include(file="/etc/rsyslog.d/{number + 1}")\n' * 2 for number in range(40)
}


@pytest.mark.parametrize(
    ("main", "more"),
    [
        ("$IncludeConfig /etc/rsyslog.d/*.conf\n" * 20_000, {"/etc/rsyslog.d/a.conf": ""}),
        ("$IncludeConfig /etc/rsyslog.d/*.conf\n", MANY),
        ('include(file="/etc/rsyslog.d/0")\n', BRANCHING),
        ('include(file="/etc/none-*")\n' * 20_000, {}),
        ("*.* /var/log/x\n" * 200_000, {}),
        ("$IncludeConfig /etc/a\n" * 3, {"/etc/a": "*.* /var/log/x\n" * 40_000}),
    ],
)
def test_files_without_end_are_not_read_to_the_end_and_it_is_said(main: str, more: dict[str, str]) -> None:
    """Else they would take minutes, and as much memory as there is."""
    host = DictHost({MAIN: main, **more})
    seen = config.read(snapshot(host))
    assert "not read to the end" in str(seen.problems[-1])
    assert len(seen.problems) < 3000
    assert len(seen.actions) < 100_000
    assert len(host.asked) < 5000


def test_some_hundred_files_are_read() -> None:
    files = {f"/etc/rsyslog.d/{number}.conf": f"*.* /var/log/{number}\n" for number in range(400)}
    seen = config.read(snapshot(DictHost({MAIN: "$IncludeConfig /etc/rsyslog.d/*.conf\n", **files})))
    assert (len(seen.actions), seen.problems) == (400, ())


@pytest.mark.parametrize("start", ['action(type="omfile" a="', "if $msg == '", "action(a=`"])
def test_a_string_that_never_ends_is_not_looked_for_at_every_sign(start: str) -> None:
    """Else a file of 100 KB would take hours."""
    host = DictHost()
    host.files[MAIN] = f"{start}{chr(92)}{start[-1]}" + f"{chr(92)}{start[-1]}" * 50_000
    assert snapshot(host).derive(config.read).problems
