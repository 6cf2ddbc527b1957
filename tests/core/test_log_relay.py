"""Logs on their way: two hosts and a log server with the files that we write, and certificates as we say."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from hardentui.model import Action
from hardentui.operations import CheckSyntax, RestartUnit, WriteFile
from hardentui.resources.rsyslog import certificates
from hardentui.snapshot import Clock, Output, Reason, Unread

from . import hosts, syslogs
from .isolated import judged
from .rooted import in_namespaces, needs_namespaces
from .sittings import CHECKLISTS, sitting

SERVER, SENDER = "logs.example.org", "web01.example.org"
ANSWERS = {
    "log-server": SERVER,
    "log-port": "2514",
    "log-ca": "/etc/rsyslog-tls/ca.crt",
    "log-certificate": "/etc/rsyslog-tls/host.crt",
    "log-key": "/etc/rsyslog-tls/host.key",
    "log-senders": f"{SENDER}, *.lan.example.org",
    "log-programs": "cryptopy, apipy",
    "log-folder": "/var/log/cryptosrv",
}
# Where the certificates lie in the namespaces: /etc itself is the machine's.
PLACE = "/etc/rsyslog.d/tls"
MAIN = """\
global(processInternalMessages="on")
module(load="imuxsock" SysSock.Name="/run/log" SysSock.RateLimit.Interval="0")
$WorkDirectory /var/spool/rsyslog
$FileCreateMode 0640
$Umask 0022
$IncludeConfig /etc/rsyslog.d/*.conf
*.* /var/log/all
"""


def written(id_: str, **answers: str) -> tuple[str, str]:
    """The path and the text of the file that a recommendation brings, on a Debian with these answers."""
    given = {**ANSWERS, **{name.replace("_", "-"): answer for name, answer in answers.items()}}
    session = sitting(hosts.snapshot(hosts.server()), given)
    finding = session.finding(id_)
    assert not session.refusal(finding), session.refusal(finding)
    change = session.decided(session.decision(finding, Action.APPLY)).compiled()
    kinds = [type(step) for step in change.operations]
    assert kinds == [WriteFile, CheckSyntax, RestartUnit]
    return change.operations[0].path, change.operations[0].content


def relay(library: str) -> dict[str, str]:
    path, text = written("td3.relay-relp", log_role="sends", log_tls=library)
    return {path: text.replace("/etc/rsyslog-tls", PLACE)}


def server(library: str) -> dict[str, str]:
    path, text = written("td3.central-imrelp", log_role="central", log_tls=library)
    return {path: text.replace("/etc/rsyslog-tls", PLACE)}


# --- certificates, by the procedure ---------------------------------------------------------------------


def procedure(language: str) -> list[list[str]]:
    """The commands of the procedure, step by step."""
    text = getattr(CHECKLISTS.get("central.certificates").procedure, language)
    steps = re.split(r"^\d\. ", text, flags=re.MULTILINE)[1:]
    return [re.findall(r"^   (\S.*)$", step, re.MULTILINE) for step in steps]


def done(commands: Iterable[str], folder: Path, name: str = "", root: str = "") -> None:
    """Run commands as somebody would type them, without a terminal: the passphrase comes from stdin."""
    script = "\n".join(commands).replace("NAME", name).replace("/etc/rsyslog-tls", root)
    ran = subprocess.run(
        ("setsid", "sh", "-euc", script),
        cwd=folder,
        input="correct horse\n" * 4,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def authority(folder: Path, language: str = "en") -> Path:
    folder.mkdir()
    done(procedure(language)[0], folder)
    return folder


def identity(ca: Path, name: str, *, days: int = 365, language: str = "en") -> dict[str, str]:
    """The files of one host, as step 4 puts them there."""
    _make, request, sign, carry, *_rest = procedure(language)
    target = ca / f"of-{name}-{days}"
    done([*request, *(line.replace("-days 365", f"-days {days}") for line in sign)], ca, name)
    done(carry, ca, name, str(target))
    assert {p.name: p.stat().st_mode & 0o777 for p in target.iterdir()} == {
        "ca.crt": 0o644, "host.crt": 0o644, "host.key": 0o600
    }  # fmt: skip
    return {f"{PLACE}/{path.name}": path.read_text() for path in target.iterdir()}


@functools.cache
def authorities(folder: Path) -> tuple[Path, Path]:
    return authority(folder / "good", "en"), authority(folder / "foreign", "fr")


@pytest.fixture
def two(tmp_path_factory) -> tuple[Path, Path]:
    """Our authority, and a foreign one of the same name; made once."""
    needs_namespaces("rsyslogd", "openssl", "setsid", "nsenter")
    return authorities(tmp_path_factory.getbasetemp())


def host(address: str, *parts: dict[str, str]) -> dict[str, object]:
    files = {"/run/main.conf": MAIN}
    for part in parts:
        files |= part
    return {"address": address, "files": files}


def line(text: str, facility: int = 4, tag: str = "t", host_name: str = "") -> str:
    name = f"{host_name} " if host_name else ""
    return f"<{facility * 8 + 6}>Nov 21 12:00:00 {name}{tag}: {text}"


REMOTE = "/var/log/remote"


def below(files: dict[str, list[str]], folder: str = REMOTE) -> dict[str, list[str]]:
    return {path: found for path, found in files.items() if path.startswith(f"{folder}/")}


@pytest.mark.parametrize("library", ["openssl", "gnutls"])
def test_messages_cross_with_certificates_on_both_ends_and_none_is_lost(two, library) -> None:
    good, _foreign = two
    steps = [
        ("start", SERVER), ("start", SENDER),
        ("say", SENDER, line("first-message")), ("await", SERVER, "first-message", REMOTE),
        ("stop", SERVER),
        ("say", SENDER, line("while-away")), ("await", SENDER, "while-away"),
        ("start", SERVER),
        ("say", SENDER, line("afterwards")),
        ("await", SERVER, "while-away", REMOTE), ("await", SERVER, "afterwards", REMOTE),
        ("stop", SENDER), ("stop", SERVER), ("look", SERVER), ("look", SENDER),
    ]  # fmt: skip
    job = {
        "hosts": {
            SERVER: host("10.77.0.1", server(library), identity(good, SERVER)),
            SENDER: host("10.77.0.2", relay(library), identity(good, SENDER)),
        },
        "steps": steps,
    }
    on_server, on_sender = in_namespaces("namespace_relp.py", job)
    files = below(on_server)
    name = f"{REMOTE}/{SENDER.partition('.')[0]}/{SENDER.partition('.')[0]}-"
    assert all(re.fullmatch(rf"{re.escape(name)}\d{{4}}-\d\d-\d\d\.log", path) for path in files), files
    assert {mode for mode, _text in files.values()} == {"0640"}
    text = "".join(text for _path, (_mode, text) in sorted(files.items()))  # two, if it runs over midnight
    order = [text.index(token) for token in ("first-message", "while-away", "afterwards")]
    assert order == sorted(order)
    assert " 10.77.0.2 auth.info " in text
    local = on_server.get("/var/log/all", ["", ""])[1]
    assert "first-message" not in local, "what others send is no message of this host"
    assert "first-message" in on_sender["/var/log/all"][1], "the relay takes nothing from the local files"


def test_what_openssl_says_of_them_is_understood(two) -> None:
    """The real program, on the real certificates: only the host around them is made up."""
    good, foreign = two

    def judged_with(files: dict[str, str], folder: Path) -> str:
        folder.mkdir(parents=True)
        ca, own = folder / "ca.crt", folder / "host.crt"
        for path in (ca, own):
            path.write_text(files[f"{PLACE}/{path.name}"])
        made = hosts.server()
        made.files |= {str(ca): "", str(own): ""}
        text = f'action(type="omfwd" target="a" StreamDriver.CAFile="{ca}" StreamDriver.CertFile="{own}")\n'
        made.files["/etc/rsyslog.d/00-a.conf"] = text
        for asked in (
            *map(certificates.question, (str(ca), str(own))),
            certificates.chain(str(ca), str(own)),
        ):
            ran = subprocess.run(asked.argv, capture_output=True, text=True, check=False)
            made.commands[asked.argv] = Output(ran.stdout) if not ran.returncode else Unread(Reason.FAILED)
        made.answers[Clock] = time.time()
        syslogs.restarted(made, time.time())
        return judged("central.certificates", made).running

    place = good.parent / "judged"
    assert judged_with(identity(good, SENDER), place / "a") == "ok"
    assert "expired" in judged_with(identity(good, SENDER, days=-1), place / "b")
    assert "expires in 1" in judged_with(identity(good, SENDER, days=15), place / "c")
    assert "does not name this host" in judged_with(identity(good, SERVER), place / "d")
    assert "not of the CA" in judged_with(wrong_authority(good, foreign), place / "e")


def test_an_authority_that_the_system_trusts_is_not_ours(two, tmp_path) -> None:
    """Else any certificate of a public authority would be of our CA."""
    public = identity(two[1], SENDER)
    ca, own, trusted = tmp_path / "ca.crt", tmp_path / "host.crt", tmp_path / "trusted"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=Ours"
    subprocess.run((*make.split(), "-out", ca), check=True, capture_output=True)
    own.write_text(public[f"{PLACE}/host.crt"])
    trusted.mkdir()
    (trusted / "public.pem").write_text(public[f"{PLACE}/ca.crt"])
    subprocess.run(("openssl", "rehash", trusted), check=True, capture_output=True)

    def verified(*argv: str) -> bool:
        environment = {**os.environ, "SSL_CERT_DIR": str(trusted)}
        return subprocess.run(argv, env=environment, capture_output=True, check=False).returncode == 0

    asked = certificates.chain(str(ca), str(own))
    assert verified("openssl", "verify", "-CAfile", str(ca), str(own))  # so the system does trust it
    assert not verified(*asked.argv)


# What a stranger may bring.
def wrong_authority(good: Path, foreign: Path) -> dict[str, str]:
    trusting = identity(good, SENDER)[f"{PLACE}/ca.crt"]
    return {**identity(foreign, SENDER), f"{PLACE}/ca.crt": trusting}


def wrong_name(good: Path, _foreign: Path) -> dict[str, str]:
    return identity(good, "web02.example.org")


def expired(good: Path, _foreign: Path) -> dict[str, str]:
    return identity(good, SENDER, days=-1)


@pytest.mark.parametrize("library", ["openssl", "gnutls"])
@pytest.mark.parametrize("bring", [wrong_authority, wrong_name, expired])
def test_a_stranger_is_refused(two, library, bring) -> None:
    stranger = "stranger.example.org"
    steps = [
        ("start", SERVER), ("start", stranger), ("say", stranger, line("forged-one")),
        ("await", SERVER, "authentication error"), ("start", SENDER), ("say", SENDER, line("honest-one")),
        ("await", SERVER, "honest-one", REMOTE), ("say", stranger, line("forged-two")),
        ("await", stranger, "omrelp"),
        ("stop", stranger), ("stop", SENDER), ("stop", SERVER), ("look", SERVER),
    ]  # fmt: skip
    job = {
        "hosts": {
            SERVER: host("10.77.0.1", server(library), identity(two[0], SERVER)),
            SENDER: host("10.77.0.2", relay(library), identity(two[0], SENDER)),
            stranger: host("10.77.0.3", relay(library), bring(*two)),
        },
        "steps": steps,
    }
    (on_server,) = in_namespaces("namespace_relp.py", job)
    texts = [text for _mode, text in below(on_server).values()]
    assert any("honest-one" in text for text in texts)
    assert not any("forged" in text for text in texts)


def test_nothing_is_sent_to_a_server_that_cannot_prove_its_name(two) -> None:
    steps = [
        ("start", SERVER), ("start", SENDER), ("say", SENDER, line("for-the-server-alone")),
        ("await", SENDER, "authentication error"), ("stop", SENDER), ("stop", SERVER), ("look", SERVER),
    ]  # fmt: skip
    job = {
        "hosts": {
            SERVER: host("10.77.0.1", server("openssl"), identity(two[0], "other.example.org")),
            SENDER: host("10.77.0.2", relay("openssl"), identity(two[0], SENDER)),
        },
        "steps": steps,
    }
    (on_server,) = in_namespaces("namespace_relp.py", job)
    assert not any("for-the-server-alone" in text for _mode, text in on_server.values())


# What a sender may call itself. From the folder of the logs these lead to others of the server's own.
HOSTILE = ("../../../run/escaped", "..", ".", "a/b", "/opt/escaped", "...", "x%hostname%", "$(id)", "-rf")


def test_a_host_may_call_itself_what_it_likes_and_escapes_nowhere(two) -> None:
    record = "<38>1 2026-11-21T12:00:00Z %msg:2:$% ../p - - - who-am-i\\n"
    evil = f'template(name="evil" type="string" string="{record}")\n'
    ((path, text),) = relay("openssl").items()
    forged = {path: evil + text.replace("RSYSLOG_SyslogProtocol23Format", "evil")}
    job = {
        "hosts": {
            SERVER: host("10.77.0.1", server("openssl"), identity(two[0], SERVER)),
            SENDER: host("10.77.0.2", forged, identity(two[0], SENDER)),
        },
        "steps": [
            ("start", SERVER), ("start", SENDER),
            *(("say", SENDER, line(name)) for name in (*HOSTILE, "the-last")),
            ("await", SERVER, "the-last 10.77.0.2", REMOTE),
            ("stop", SENDER), ("stop", SERVER), ("look", SERVER),
        ],
    }  # fmt: skip
    (on_server,) = in_namespaces("namespace_relp.py", job)
    found = [path for path, (_mode, text) in on_server.items() if "who-am-i" in text]
    assert len(found) >= len(HOSTILE)
    assert [path for path in found if not re.fullmatch(rf"{REMOTE}/[^/]+/[^/]+-2026-11-21\.log", path)] == []
    assert not {part for path in found for part in path.split("/")} & {"..", "."}


def test_programs_have_files_of_their_own_by_day(two) -> None:
    path, text = written("td3.rsyslog-omfile")
    steps = [
        ("start", SENDER), ("say", SENDER, line("of-one", tag="cryptopy[12]")),
        ("say", SENDER, line("of-other", tag="apipy")), ("say", SENDER, line("of-third", tag="crypto")),
        ("await", SENDER, "of-third"), ("stop", SENDER), ("look", SENDER),
    ]  # fmt: skip
    job = {"hosts": {SENDER: host("10.77.0.2", {path: text})}, "steps": steps}
    (seen,) = in_namespaces("namespace_relp.py", job)
    files = below(seen, "/var/log/cryptosrv")
    assert sorted(re.sub(r"\d{4}-\d\d-\d\d", "DAY", path) for path in files) == [
        "/var/log/cryptosrv/apipy-DAY.log", "/var/log/cryptosrv/cryptopy-DAY.log"
    ]  # fmt: skip
    texts = {path.rpartition("/")[2].partition("-")[0]: (mode, text) for path, (mode, text) in files.items()}
    assert {mode for mode, _text in texts.values()} == {"0640"}
    assert "of-one" in texts["cryptopy"][1]
    assert "of-other" in texts["apipy"][1]
    assert all(token in seen["/var/log/all"][1] for token in ("of-one", "of-other", "of-third"))


def test_the_procedure_is_the_same_in_both_languages() -> None:
    assert procedure("en") == procedure("fr")
    assert sum(map(len, procedure("en"))) == 9
