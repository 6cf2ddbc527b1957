"""What sshd makes of its files: our reader against the real ``sshd -T``, with and without a connection."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hardentui.resources.sshd import config, questions
from hardentui.resources.sshd.config import MAIN
from hardentui.resources.sshd.keywords import KEYWORDS, Rule
from hardentui.resources.sshd.match import Connection
from hardentui.snapshot import Group

from .hosts import DictHost, snapshot
from .rooted import in_namespaces, needs_namespaces

FOLDER = "/etc/ssh/sshd_config.d"
INCLUDE = f"Include {FOLDER}/*.conf\n"
# The groups of accounts that every Debian and RHEL has.
GROUPS = {"root": {"root"}, "daemon": {"daemon"}, "nobody": {"nogroup"}}
ROOT = "user=root,host=admin.example.org,addr=10.1.2.3,laddr=192.0.2.1,lport=22"
DAEMON = "user=daemon,host=other.test,addr=2001:db8::7,laddr=192.0.2.9,lport=2222"
NOBODY = "user=nobody,host=10.9.9.9,addr=198.51.100.7,laddr=::1,lport=22"
# Settings that depend on the release, on names, or that are looked up; the rest is compared.
NOT_COMPARED = {
    "listenaddress", "hostkey", "ipqos", "xauthlocation", "modulifile", "pidfile", "sshdsessionpath",
    "fingerprinthash", "persourcepenalties", "persourcepenaltyexemptlist", "persourcenetblocksize",
    "ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "casignaturealgorithms",
    "hostbasedacceptedalgorithms", "pubkeyacceptedalgorithms", "gssapikexalgorithms",
}  # fmt: skip


@dataclass
class Case:
    """The main file, other files by path, links by path, and the connections to ask about."""

    main: str
    others: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    ask: tuple[str, ...] = (ROOT, DAEMON, NOBODY)

    @property
    def files(self) -> dict[str, str]:
        return {MAIN: self.main, **self.others}

    @property
    def questions(self) -> list[str]:
        """Its own connections, nobody in particular, and those that we would try for its blocks."""
        host = snapshot(DictHost(self.files, self.links, groups=(Group("root", 0, ()),)))
        asked = (command.argv for command, _connection in questions.asked(host, config.read(host)))
        return [*self.ask, "", *(argv[3] for argv in asked if len(argv) > 3)]


def connection(specification: str) -> Connection:
    given = dict(part.split("=", 1) for part in specification.split(",") if part)
    return Connection(
        user=given.get("user"),
        host=given.get("host"),
        address=given.get("addr"),
        local_address=given.get("laddr"),
        local_port=int(given["lport"]) if "lport" in given else None,
        groups=lambda user: frozenset(GROUPS.get(user, ())),
    )


def parsed(case: Case) -> config.Config:
    seen = config.read(snapshot(DictHost(case.files, case.links)))
    assert not seen.unread, seen.unread
    return seen


def really(cases: list[Case]) -> list[list[dict]]:
    job = {"cases": [{"files": c.files, "links": c.links, "ask": c.questions} for c in cases]}
    return in_namespaces("namespace_sshd.py", job)


def printed(text: str) -> dict[str, tuple[str, ...]]:
    """What ``sshd -T`` says, by keyword."""
    seen: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        word, _space, value = line.partition(" ")
        seen[word] = (*seen.get(word, ()), value)
    return seen


def differences(case: Case, answers: list[dict]) -> list[str]:
    seen = parsed(case)
    found = []
    for specification, answer in zip(case.questions, answers, strict=True):
        if "not in connection test specification" in answer["err"]:
            continue  # a block for a port, and no port was given
        if bool(answer["status"]) != bool(seen.problems):
            return [f"status {answer['status']}, {answer['err']!r}; ours: {seen.problems}"]
        if seen.problems:
            continue  # both refuse: sshd says no value then
        real = printed(answer["out"])
        for keyword, known in KEYWORDS.items():
            ours = seen.effective(keyword, connection(specification))
            theirs = real.get(keyword)
            if keyword in NOT_COMPARED or (theirs is None and not ours.lines):
                continue
            values = ours.values if ours.lines or known.default is None else (known.default,)
            want = tuple(value.replace("without-password", "prohibit-password") for value in theirs or ())
            if values is not None and tuple(values) != want:
                found.append(f"{specification}: {keyword}: sshd {theirs}, ours {values}")
    return found


DROPINS = {f"{FOLDER}/10-a.conf": "PermitRootLogin no\n", f"{FOLDER}/20-b.conf": "PermitRootLogin yes\n"}
CASES = {
    "nothing": Case(""),
    "only comments": Case("# PermitRootLogin no\n   # X11Forwarding yes\n\n"),
    "one value": Case("PermitRootLogin no\n"),
    "any case": Case("pErMitRoOtLogin NO\nX11FORWARDING Yes\n"),
    "first wins": Case("PermitRootLogin no\nPermitRootLogin yes\n"),
    "equals sign": Case("PermitRootLogin=no\nMaxAuthTries = 3\nLogLevel= VERBOSE\nX11Forwarding =yes\n"),
    "two equals signs": Case("PermitRootLogin==no\n"),
    "tabs": Case("\tPermitRootLogin\t \tno\t\n"),
    "quoted value": Case('PermitRootLogin "no"\nBanner "/etc/issue net"\n'),
    "single quotes": Case("PermitRootLogin 'no'\nBanner '/etc/a \"b'\n"),
    "escapes": Case('Banner /etc/a\\ b\\"c\\\\d\\e\n'),
    "quote not closed": Case('PermitRootLogin "no\n'),
    "quoted keyword": Case('"PermitRootLogin" no\n'),
    "comment behind": Case("PermitRootLogin no # not yes\nX11Forwarding yes#no\n"),
    "comment behind, apart": Case("X11Forwarding yes # no\nMaxAuthTries 4 #5\n"),
    "no value": Case("PermitRootLogin\n"),
    "no value but a comment": Case("PermitRootLogin # no\n"),
    "too many words": Case("PermitRootLogin no yes\n"),
    "unknown keyword": Case("PermitRoot no\n"),
    "unknown value": Case("PermitRootLogin maybe\n"),
    "carriage returns": Case("PermitRootLogin no\r\nX11Forwarding yes\r\n"),
    "form feed": Case("PermitRootLogin no\f\n"),
    "no last newline": Case("PermitRootLogin no"),
    "without-password": Case("PermitRootLogin without-password\n"),
    "forced commands": Case("PermitRootLogin forced-commands-only\n"),
    "old names": Case("ChallengeResponseAuthentication no\nKeepAlive no\n"),
    "removed keywords": Case("Protocol 1\nUsePrivilegeSeparation no\nServerKeyBits 768\nUseLogin yes\n"),
    "times": Case("LoginGraceTime 1h30m\nClientAliveInterval 5M\n"),
    "times together": Case("LoginGraceTime 1w2d3h4m5s6\n"),
    "no time": Case("LoginGraceTime soon\n"),
    "time without a number": Case("LoginGraceTime m\n"),
    "time zero": Case("LoginGraceTime 0\nUnusedConnectionTimeout none\n"),
    "numbers": Case("MaxAuthTries 007\nMaxSessions 0\nClientAliveCountMax 2147483647\n"),
    "number too large": Case("MaxAuthTries 2147483648\n"),
    "negative number": Case("MaxAuthTries -1\n"),
    "no number": Case("MaxAuthTries three\n"),
    "start-ups": Case("MaxStartups 4:50:20\n"),
    "start-ups, one number": Case("MaxStartups 7\n"),
    "start-ups, last wins": Case("MaxStartups 7:20:70\nMaxStartups 8:30:80\n"),
    "start-ups refused": Case("MaxStartups 20:50:10\n"),
    "rekey": Case("RekeyLimit 1G 1h\n"),
    "rekey default": Case("RekeyLimit default none\n"),
    "rekey too small": Case("RekeyLimit 15\n"),
    "levels": Case("LogLevel verbose\nSyslogFacility authpriv\n"),
    "quiet": Case("LogLevel QUIET\n"),
    "debug": Case("LogLevel debug1\n"),
    "unknown level": Case("LogLevel LOUD\n"),
    "forwarding": Case(
        "AllowTcpForwarding local\nAllowStreamLocalForwarding all\nGatewayPorts clientspecified\n"
    ),
    "tunnel": Case("PermitTunnel ethernet\n"),
    "tunnel in another case": Case("PermitTunnel YES\n"),
    "environment": Case("PermitUserEnvironment LANG,LC_*\nAcceptEnv LANG LC_*\nAcceptEnv XMODIFIERS\n"),
    "environment refused": Case("AcceptEnv A=b\n"),
    "lists add up": Case("AllowUsers alice bob\nAllowUsers carol@10.*\nDenyGroups a\nDenyGroups b\n"),
    "empty list": Case("AllowUsers\n"),
    "ports": Case("Port 22\nPort 2222\n"),
    "port refused": Case("Port 70000\n"),
    "subsystems": Case("Subsystem sftp /usr/lib/sftp-server -l INFO\nSubsystem x internal-sftp\n"),
    "subsystem twice": Case("Subsystem sftp a\nSubsystem sftp b\n"),
    "subsystem without command": Case("Subsystem sftp\n"),
    "methods": Case("AuthenticationMethods publickey,password publickey,keyboard-interactive\n"),
    "key options": Case("PubkeyAuthOptions touch-required verify-required\n"),
    "authorized keys files": Case("AuthorizedKeysFile .ssh/a .ssh/b\nAuthorizedKeysFile .ssh/c\n"),
    "commands": Case("AuthorizedKeysCommand /usr/bin/k %u  --x\nAuthorizedKeysCommandUser nobody\n"),
    "command refused": Case("AuthorizedKeysCommand k\n"),
    "addendum": Case("VersionAddendum hello  world # no\n"),
    "rhosts": Case("IgnoreRhosts shosts-only\n"),
    "include": Case(INCLUDE, DROPINS),
    "include before": Case(INCLUDE + "PermitRootLogin prohibit-password\n", DROPINS),
    "include behind": Case("PermitRootLogin prohibit-password\n" + INCLUDE, DROPINS),
    "include nothing": Case(INCLUDE + "PermitRootLogin no\n"),
    "include a file that is not there": Case("Include /etc/ssh/nowhere\nPermitRootLogin no\n"),
    "include relative": Case("Include sshd_config.d/*.conf\n", DROPINS),
    "include two patterns": Case(f"Include {FOLDER}/20* {FOLDER}/10*\n", DROPINS),
    "include the same twice": Case(INCLUDE + INCLUDE, DROPINS),
    "include not hidden": Case(INCLUDE, {f"{FOLDER}/.a.conf": "PermitRootLogin no\n"}),
    "include not another suffix": Case(INCLUDE, {f"{FOLDER}/a.conf~": "PermitRootLogin no\n"}),
    "include a folder": Case(INCLUDE, {f"{FOLDER}/a.conf/x": "PermitRootLogin no\n"}),
    "include folders by pattern": Case(
        "Include /etc/ssh/*.d/1?-[a-c].conf\n", {**DROPINS, "/etc/ssh/a.d/11-c.conf": "PermitRootLogin yes\n"}
    ),
    "include quoted": Case(
        f'Include "{FOLDER}/10 a.conf"\n', {f"{FOLDER}/10 a.conf": "PermitRootLogin no\n"}
    ),
    "include sorts by bytes": Case(
        INCLUDE, {f"{FOLDER}/a.conf": "PermitRootLogin no\n", f"{FOLDER}/Z.conf": "PermitRootLogin yes\n"}
    ),
    "include signs sort": Case(
        INCLUDE,
        {
            f"{FOLDER}/00-hardentui.conf": "PermitRootLogin no\n",
            f"{FOLDER}/0-hardentui.conf": "PermitRootLogin yes\n",
            f"{FOLDER}/+hardentui.conf": "PermitRootLogin forced-commands-only\n",
        },
    ),
    "include nested": Case(
        "Include a\nMaxAuthTries 5\n",
        {"/etc/ssh/a": "Include b\nMaxAuthTries 4\n", "/etc/ssh/b": "MaxAuthTries 3\n"},
    ),
    "include in a circle": Case("Include sshd_config\n"),
    "include a link": Case(
        INCLUDE, {"/etc/ssh/real": "PermitRootLogin no\n"}, {f"{FOLDER}/1.conf": "../real"}
    ),
    "include without a name": Case("Include\n"),
    "error in an included file": Case(INCLUDE, {f"{FOLDER}/1.conf": "Nonsense yes\n"}),
    "match user": Case("PermitRootLogin no\nMatch User root\n  PermitRootLogin yes\n"),
    "match users": Case("X11Forwarding no\nMatch User dae*,!root\nX11Forwarding yes\n"),
    "match not": Case("Match User !root,*\nX11Forwarding yes\n"),
    "match group": Case("Match Group root,wheel\nX11Forwarding yes\n"),
    "match not group": Case("Match Group *,!root\nX11Forwarding yes\n"),
    "match host": Case("Match Host *.EXAMPLE.org\nX11Forwarding yes\n"),
    "match address": Case("Match Address 10.0.0.0/8,2001:db8::/32\nPermitRootLogin yes\n"),
    "match address pattern": Case("Match Address 10.1.*\nPermitRootLogin yes\n"),
    "match not address": Case("Match Address *,!10.0.0.0/8\nPermitRootLogin yes\n"),
    "match one address": Case("Match Address 10.1.2.3\nPermitRootLogin yes\n"),
    "match address refused": Case("Match Address 10.0.0.1/8\nPermitRootLogin yes\n"),
    "match local": Case("Match LocalAddress 192.0.2.0/29 LocalPort 22\nMaxSessions 3\n"),
    "match local port": Case("Match LocalPort 2222\nMaxSessions 3\n"),
    "match port refused": Case("Match LocalPort twenty\nMaxSessions 3\n"),
    "match all": Case("MaxAuthTries 4\nMatch all\nMaxAuthTries 5\nPort 2222\n"),
    "match all and more": Case("Match all User root\nMaxAuthTries 5\n"),
    "match nothing": Case("Match\nMaxAuthTries 5\n"),
    "match without a pattern": Case("Match User\nMaxAuthTries 5\n"),
    "match what is unknown": Case("Match Moon full\nMaxAuthTries 5\n"),
    "match with a comment": Case("Match User root # only\nMaxAuthTries 5\n"),
    "match with equals": Case("Match User=root Address=10.*\nMaxAuthTries 5\n"),
    "match with quotes": Case('Match User "root"\nMaxAuthTries 5\n'),
    "first block wins": Case("Match User root\nMaxAuthTries 3\nMatch Address 10.*\nMaxAuthTries 5\n"),
    "two blocks, two keywords": Case("Match User root\nMaxAuthTries 3\nMatch Address 10.*\nMaxSessions 5\n"),
    "global keyword in a block": Case("Match User root\nPort 2222\n"),
    "removed keyword in a block": Case("Match User root\nProtocol 2\n"),
    "removed keyword that may": Case("Match User root\nRSAAuthentication no\n"),
    "block replaces lists": Case(
        "AllowUsers root\nMatch Address 10.*\nAllowUsers daemon\nAllowUsers nobody\n"
    ),
    "block in a drop-in ends with it": Case(
        INCLUDE + "X11Forwarding yes\n", {f"{FOLDER}/1.conf": "Match User root\nX11Forwarding no\n"}
    ),
    "include in a block": Case("Match User root\n" + INCLUDE, {f"{FOLDER}/1.conf": "MaxAuthTries 2\n"}),
    "include a block in a block": Case(
        "Match User root\n" + INCLUDE + "MaxSessions 4\n",
        {f"{FOLDER}/1.conf": "MaxAuthTries 2\nMatch Address 198.*\nMaxAuthTries 1\nMaxSessions 1\n"},
    ),
    "global keyword included in a block": Case(
        "Match User root\n" + INCLUDE, {f"{FOLDER}/1.conf": "UsePAM yes\n"}
    ),
    "include in match all": Case(
        "Match all\n" + INCLUDE, {f"{FOLDER}/1.conf": "UsePAM yes\nMaxAuthTries 2\n"}
    ),
    "force command": Case("Match User root\nForceCommand internal-sftp -d '%u' # x\nChrootDirectory none\n"),
    "error in a block": Case("Match User root\nMaxAuthTries many\n"),
    "debian's own": Case(
        INCLUDE + "KbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\n"
        "AcceptEnv LANG LC_*\nSubsystem\tsftp\t/usr/lib/openssh/sftp-server\n",
        {f"{FOLDER}/50-cloud-init.conf": "PasswordAuthentication yes\n"},
    ),
    "partial connection": Case(
        "Match User root Address 10.*\nMaxAuthTries 5\n", ask=("user=root", "addr=10.1.1.1")
    ),
    "NUL byte": Case("PermitRootLogin no\nX11\0Forwarding yes\n"),
    "stray bytes": Case("Banner /etc/\udcff\n# \udcfe\n"),
}


@functools.cache
def answers() -> dict[str, list[dict]]:
    """One start of the namespaces for all cases."""
    return dict(zip(CASES, really(list(CASES.values())), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_reader_agrees_with_sshd(name: str) -> None:
    needs_namespaces("sshd", "ssh-keygen")
    assert differences(CASES[name], answers()[name]) == []


# --- made up ones -------------------------------------------------------------------------------------

_SETTINGS = (
    "PermitRootLogin yes", "PermitRootLogin no", "permitrootlogin=prohibit-password", "X11Forwarding yes",
    "X11Forwarding no", "MaxAuthTries 2", "MaxAuthTries 5", "MaxSessions 3", "LogLevel VERBOSE",
    "LogLevel ERROR", "AllowUsers root daemon", "AllowUsers nobody", "AcceptEnv LANG", "Banner /etc/issue",
    "ClientAliveInterval 5m", "AllowTcpForwarding local", "PasswordAuthentication no", "# nothing", "",
    "AuthorizedKeysFile /etc/k/%u", "AuthorizedKeysFile .ssh/a .ssh/b", "PermitOpen none", "PermitTTY no",
)  # fmt: skip
_GLOBAL = (
    "LoginGraceTime 30",
    "LoginGraceTime 1m",
    "Port 2222",
    "UsePAM yes",
    "MaxStartups 5:50:9",
    "Protocol 2",
)
_BLOCKS = (
    "Match User root", "Match User daemon,nobody", "Match User *,!root", "Match Address 10.0.0.0/8",
    "Match Address *,!10.0.0.0/8", "Match Group root", "Match Host *.test", "Match all", "Match LocalPort 22",
    "Match User root Address 10.*", "Match LocalAddress 192.0.2.0/24", "Match Address 2001:db8::/32",
)  # fmt: skip
_INCLUDES = ("Include /etc/ssh/sshd_config.d/*.conf", "Include one two", "Include sshd_config.d/b.conf")
_LINES = st.lists(
    st.one_of(st.sampled_from(_SETTINGS), st.sampled_from(_GLOBAL), st.sampled_from(_BLOCKS)), max_size=9
).map(lambda lines: "\n".join(lines) + "\n")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    main = draw(
        st.lists(
            st.one_of(
                st.sampled_from(_SETTINGS),
                st.sampled_from(_BLOCKS),
                st.sampled_from(_INCLUDES),
                st.sampled_from(_GLOBAL),
            ),
            max_size=12,
        )
    )
    names = [f"{FOLDER}/a.conf", f"{FOLDER}/b.conf", "/etc/ssh/one", "/etc/ssh/two"]
    return Case("\n".join(main), {name: draw(_LINES) for name in names})


@given(st.lists(cases(), min_size=60, max_size=60))
@settings(
    max_examples=1,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
def test_made_up_configurations_agree_with_sshd(made: list[Case]) -> None:
    """Many at a time: the namespaces and their key are made once."""
    needs_namespaces("sshd", "ssh-keygen")
    for case, real in zip(made, really(made), strict=True):
        assert differences(case, real) == [], case


SIGNS = "abnoPermitUserLgMch =#*!,/.0159" + "\"'\\\t\r\f\x00\x1b\udcff\n"


@given(
    st.text(alphabet=SIGNS, max_size=80),
    st.text(max_size=40),
)
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_the_reader(start: str, text: str) -> None:
    """What it cannot read becomes a problem with a line, never an exception."""
    for written in (start + text, f"Match {text}\n{start}", f"Include {text}\n", f"PermitRootLogin {text}\n"):
        seen = config.read(snapshot(DictHost({MAIN: written})))
        for keyword in KEYWORDS:
            seen.effective(keyword, connection(ROOT))
            assert seen.outcomes(keyword, Connection(user="root"))
            assert seen.explicit(keyword)
        assert all(problem.file == MAIN and problem.number > 0 for problem in seen.problems)


@pytest.mark.parametrize("name", CASES)
def test_every_value_of_a_connection_is_among_the_outcomes(name: str) -> None:
    """Judged for everybody: what one connection gets is never forgotten."""
    case = CASES[name]
    seen = parsed(case)
    for keyword in () if seen.problems else KEYWORDS:
        if KEYWORDS[keyword].rule is not Rule.FIRST:
            continue  # of lists that add up, each block's own part is shown
        for specification in case.ask:
            who = connection(specification)
            possible = {outcome.values for outcome in seen.outcomes(keyword, Connection())}
            assert seen.effective(keyword, who).values in possible, keyword


def test_what_the_cases_hold() -> None:
    """The issue asks for fifty, with every difficulty in them."""
    text = "\n".join(content for case in CASES.values() for content in case.files.values())
    assert len(CASES) >= 50
    for needed in ("Include", "Match", "/8", "1h30m", "Nonsense"):
        assert needed in text
