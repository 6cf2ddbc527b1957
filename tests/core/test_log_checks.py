"""What is judged of rsyslog: where logs go, how safely, and what is said when that cannot be told."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardentui.host.live import LiveHost
from hardentui.model import Finding, Result
from hardentui.operations import Refusal
from hardentui.resources.daemons import after_restart
from hardentui.resources.rsyslog import certificates, destinations, stale
from hardentui.resources.rsyslog.drop_ins import LogPrograms, LogRelay, LogServer
from hardentui.snapshot import (
    File,
    Kernel,
    KernelIs,
    Kind,
    Output,
    Process,
    Processes,
    Reason,
    Snapshot,
    Socket,
    Sockets,
    Stat,
    Status,
    Unit,
    UnitFile,
    UnitFiles,
    Units,
    Unread,
)
from hardentui.snapshot.secrets import without_secrets

from . import hosts, syslogs
from .hosts import NOW
from .isolated import CHECKLISTS, judged, texts

ANSWERS = {
    "log-role": "sends",
    "log-tunnel": "no",
    "log-server": "logs.example.org",
    "log-port": "2514",
    "log-ca": syslogs.CA,
    "log-certificate": syslogs.CERTIFICATE,
    "log-key": syslogs.KEY,
    "log-tls": "openssl",
    "log-senders": "web02.example.org, *.lan.example.org",
    "log-programs": "cryptopy, apipy",
    "log-folder": "/var/log/cryptosrv",
}
TLS = (
    'tls="on" tls.authMode="name" tls.permittedPeer=["logs.example.org"]'
    f' tls.caCert="{syslogs.CA}" tls.myCert="{syslogs.CERTIFICATE}" tls.myPrivKey="{syslogs.KEY}"'
)
QUEUE = 'queue.type="LinkedList" queue.filename="q" queue.saveOnShutdown="on" action.resumeRetryCount="-1"'


def relp(*more: str, target: str = "logs.example.org") -> str:
    return f'module(load="omrelp")\naction(type="omrelp" target="{target}" port="2514" {" ".join(more)})\n'


def host(text: str = "", **drop_ins: str) -> hosts.DictHost:
    """A Debian with one more file in rsyslog's folder, that is read first."""
    made = hosts.server()
    made.files |= {f"{syslogs.FOLDER}/{name}.conf": body for name, body in {"00-a": text, **drop_ins}.items()}
    return made


def found(id_: str, text: str = "", *, role: str = "sends", **drop_ins: str) -> Finding:
    return judged(id_, host(text, **drop_ins), {**ANSWERS, "log-role": role})


# --- where logs go ----------------------------------------------------------------------------------


def test_destinations_are_in_order_and_say_how_safe_they_are() -> None:
    snapshot = Snapshot(host("*.* @192.0.2.9\n" + relp(TLS)))
    seen = destinations(snapshot, "authpriv", "info")
    assert [(one.kind, one.protocol, one.host, one.port, one.tls) for one in seen[:2]] == [
        ("remote", "udp", "192.0.2.9", "514", False),
        ("remote", "relp", "logs.example.org", "2514", True),
    ]
    assert [one.path for one in seen[2:]] == ["/var/log/auth.log"]
    assert str(seen[2].place) == "/etc/rsyslog.conf:11"
    assert stale(snapshot) is None


def test_a_filter_on_the_text_makes_what_follows_a_stop_uncertain() -> None:
    text = ':msg, contains, "x" stop\n' + relp(TLS)
    (first, *_rest) = destinations(Snapshot(host(text)), "mail", "err")
    assert not first.certain
    assert str(first.doubt) == f"{syslogs.FOLDER}/00-a.conf:1"
    finding = found("central.real-time-export", text)
    assert finding.result is Result.FAIL
    assert finding.running == "relp logs.example.org:2514 (in part)"


@pytest.mark.parametrize(
    ("text", "shown", "result"),
    [
        ("", "none", Result.FAIL),
        (relp(), "relp logs.example.org:2514", Result.PASS),
        ("*.* @192.0.2.9\n", "udp 192.0.2.9:514", Result.PASS),
        ("*.info @@192.0.2.9\n", "tcp 192.0.2.9:514", Result.PASS),
        ("*.notice @@192.0.2.9\n", "tcp 192.0.2.9:514 (in part)", Result.FAIL),
        ("mail.* stop\n*.* @@192.0.2.9\n", "tcp 192.0.2.9:514 (in part)", Result.FAIL),
    ],
)
def test_export_is_judged_for_every_facility_and_severity(text: str, shown: str, result: Result) -> None:
    finding = found("central.real-time-export", text)
    assert (finding.result, finding.running) == (result, shown)


def with_unit(made: hosts.DictHost, name: str) -> hosts.DictHost:
    made.answers[Units] = (*made.answers[Units], Unit(name, "loaded", "active"))
    made.answers[UnitFiles] = (*made.answers[UnitFiles], UnitFile(name, "enabled"))
    return made


def test_an_agent_that_is_not_read_makes_the_export_unknown_and_not_a_failure() -> None:
    finding = judged("central.real-time-export", with_unit(host(), "vector.service"), ANSWERS)
    assert finding.result is Result.UNKNOWN
    assert "vector" in finding.message
    finding = judged("central.syslog-ng-rsyslog", with_unit(host(), "vector.service"), ANSWERS)
    assert finding.running == "rsyslog, vector"


def test_the_sender_of_the_journal_counts_as_export() -> None:
    finding = judged("central.real-time-export", with_unit(host(), "systemd-journal-upload.service"), ANSWERS)
    assert (finding.result, finding.running) == (Result.PASS, "journal-upload")


@pytest.mark.parametrize(
    ("main", "forward", "comes_in"),
    [
        ('module(load="imuxsock")\n', "yes", True),
        ('module(load="imuxsock")\n', "no", False),
        ('module(load="imjournal")\n', "no", True),
        ('module(load="imuxsock" SysSock.Use="off")\nmodule(load="imjournal")\n', "no", True),
        ('module(load="imuxsock" SysSock.Use="off")\n', "yes", False),
        ("", "yes", False),
    ],
)
def test_rsyslog_can_only_send_what_it_gets(main: str, forward: str, comes_in: bool) -> None:
    made = host()
    made.files[syslogs.MAIN] = main + relp(TLS, QUEUE)
    made.files["/usr/lib/systemd/systemd-journald"] = ""
    made.files["/etc/systemd/journald.conf"] = f"[Journal]\nForwardToSyslog={forward}\n"
    journald = Process(300, "systemd-journal", "root", "", "systemd-journald.service", started=NOW - 3600)
    made.answers[Processes] = (*made.answers[Processes], journald)
    for id_ in ("central.real-time-export", "td3.relay-relp"):
        finding = judged(id_, made, ANSWERS)
        assert finding.result is (Result.PASS if comes_in else Result.FAIL), finding.message
        assert ("nothing comes in" in finding.boot) is not comes_in


# --- the daemon and its files -----------------------------------------------------------------------

OF_RSYSLOG = (
    "central.secure-protocols",
    "central.queues",
    "central.identify-source",
    "central.created-modes",
)


@pytest.mark.parametrize("id_", [*OF_RSYSLOG, "central.real-time-export", "td3.relay-relp"])
def test_a_daemon_older_than_its_files_is_no_pass(id_: str) -> None:
    made = host(relp(TLS, QUEUE))
    assert judged(id_, made, ANSWERS).result is Result.PASS
    syslogs.restarted(made, NOW - 100_000)
    finding = judged(id_, made, ANSWERS)
    assert finding.result is Result.UNKNOWN
    assert "restart pending" in finding.message


def test_a_restart_has_the_daemon_read_its_files() -> None:
    made = host()
    syslogs.restarted(made, NOW - 100_000)
    snapshot = Snapshot(made)
    assert stale(snapshot) is not None
    assert stale(snapshot.with_answers(after_restart(snapshot, "rsyslog.service"), NOW)) is None
    assert stale(snapshot.with_answers(after_restart(snapshot, "nginx.service"), NOW)) is not None


@pytest.mark.parametrize("id_", OF_RSYSLOG)
@pytest.mark.parametrize("path", [syslogs.MAIN, f"{syslogs.FOLDER}/00-a.conf"])
def test_a_file_that_cannot_be_read_is_said_and_nothing_is_guessed(id_: str, path: str) -> None:
    made = host(relp(TLS, QUEUE))
    made.files[path] = Unread(Reason.DENIED)
    finding = judged(id_, made, ANSWERS)
    assert finding.result is Result.UNKNOWN
    assert path in finding.message


@pytest.mark.parametrize(
    "text", ["if $msg then }\n", "mail.loud /x\n", "*.* /a;gone\n", "action(type=`echo x`)\n"]
)
def test_what_rsyslog_would_not_read_is_named_with_its_line(text: str) -> None:
    finding = found("central.queues", text)
    assert finding.result is Result.UNKNOWN
    assert f"{syslogs.FOLDER}/00-a.conf:" in finding.message


def test_what_rsyslogd_itself_objects_to_is_unknown() -> None:
    made = host(relp(TLS, QUEUE))
    made.commands["rsyslogd", "-N1"] = Unread(Reason.FAILED, "rsyslogd ended with 1")
    assert judged("central.queues", made, ANSWERS).result is Result.UNKNOWN


def test_a_host_without_rsyslog_is_not_judged_by_its_files() -> None:
    made = host()
    del made.files[syslogs.MAIN]
    made.answers[Processes] = made.answers[Units] = made.answers[UnitFiles] = ()
    assert judged("central.queues", made, ANSWERS).result is Result.NOTAPPLICABLE
    assert judged("central.real-time-export", made, ANSWERS).result is Result.FAIL
    assert judged("central.syslog-ng-rsyslog", made, ANSWERS).running == "none"


def test_a_daemon_in_a_container_is_not_this_hosts() -> None:
    made = host(relp(TLS))
    made.answers[Processes] = (Process(99, "rsyslogd", "root", "", "docker-abc.scope", started=NOW),)
    assert judged("central.real-time-export", made, ANSWERS).running == "none"


def test_a_relay_that_the_next_start_does_not_bring_is_drift() -> None:
    made = host(relp(TLS))
    made.answers[UnitFiles] = (UnitFile("rsyslog.service", "disabled"),)
    finding = judged("central.real-time-export", made, ANSWERS)
    assert (finding.result, finding.running, finding.boot) == (
        Result.FAIL,
        "relp logs.example.org:2514",
        "none",
    )


# --- how safely -------------------------------------------------------------------------------------

LEGACY_QUEUE = (
    "$ActionQueueType LinkedList\n$ActionQueueFileName q\n$ActionQueueSaveOnShutdown on\n"
    "$ActionResumeRetryCount -1\n"
)
LEGACY_TLS = (
    "$DefaultNetstreamDriver gtls\n$ActionSendStreamDriverMode 1\n$ActionSendStreamDriverAuthMode x509/name\n"
)
TCP = 'action(type="omfwd" target="a" protocol="tcp"'
OSSL = 'StreamDriver="ossl" StreamDriverMode="1"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (relp(TLS), "tls"),
        (relp(), "in clear"),
        (relp('tls="on"'), "tls, peer not checked by name"),
        (relp('tls="on" tls.authMode="certvalid"'), "tls, peer not checked by name"),
        (relp('tls="on" tls.authMode="name"'), "tls, peer not checked by name"),
        (relp('tls="on" tls.authMode="name" tls.permittedPeer="*"'), "tls, peer not checked by name"),
        (relp(target="127.0.0.1"), "loopback"),
        ("*.* @192.0.2.9\n", "in clear"),
        ("*.* @@192.0.2.9\n", "in clear"),
        ("*.* @[::1]:514\n", "loopback"),
        (f'{TCP} {OSSL} StreamDriverAuthMode="x509/name")\n', "tls"),
        (f'{TCP} {OSSL} StreamDriverAuthMode="anon")\n', "tls, peer not checked by name"),
        (
            f'{TCP} {OSSL} StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="*")\n',
            "tls, peer not checked by name",
        ),
        (f'action(type="omfwd" target="a" {OSSL} StreamDriverAuthMode="x509/name")\n', "in clear"),
        (f"{LEGACY_TLS}*.* @@logs.example.org:6514\n", "tls"),
        ("$DefaultNetstreamDriver gtls\n*.* @@logs.example.org:6514\n", "in clear"),
    ],
)  # fmt: skip
def test_each_way_out_is_judged(text: str, shown: str) -> None:
    finding = found("central.secure-protocols", text)
    assert finding.running == shown
    assert finding.result is (Result.PASS if shown in {"tls", "loopback"} else Result.FAIL)


def test_inside_a_tunnel_no_other_protection_is_asked() -> None:
    finding = judged("central.secure-protocols", host("*.* @10.0.0.1\n"), {**ANSWERS, "log-tunnel": "yes"})
    assert finding.result is Result.NOTAPPLICABLE


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        (relp(QUEUE), "ok"),
        (relp(QUEUE.replace("-1", "5")), "gives up"),
        (relp(QUEUE.replace('queue.filename="q" ', "")), "no queue on disk"),
        (relp(QUEUE.replace('"on"', '"off"')), "not saved at shutdown"),
        (relp(), "no queue of its own, no queue on disk, not saved at shutdown, gives up"),
        (f"{LEGACY_QUEUE}*.* @@192.0.2.9\n", "ok"),
    ],
)  # fmt: skip
def test_what_would_be_lost_while_the_server_is_away(text: str, lacks: str) -> None:
    finding = found("central.queues", text)
    assert finding.running == lacks
    assert finding.result is (Result.PASS if lacks == "ok" else Result.FAIL)


def test_the_directives_of_a_queue_count_for_one_action() -> None:
    text = f"{LEGACY_QUEUE}*.* @@192.0.2.9\n*.* @@192.0.2.10\n"
    values = found("central.queues", text).observation.running.values
    assert values["tcp 192.0.2.9:514"] == "ok"
    assert values["tcp 192.0.2.10:514"] != "ok"


def test_files_that_wait_in_the_spool_are_counted() -> None:
    made = host(relp(TLS, QUEUE))
    made.folders.add("/var/spool/rsyslog")
    assert judged("central.backlog", made, ANSWERS).result is Result.PASS
    made.files |= {
        f"/var/spool/rsyslog/{name}": "" for name in ("q.00000001", "q.00000002", "q.qi", "other.1")
    }
    finding = judged("central.backlog", made, ANSWERS)
    assert (finding.result, finding.running) == (Result.FAIL, "2 files in /var/spool/rsyslog")
    assert found("central.backlog").result is Result.NOTAPPLICABLE


def test_auth_and_authpriv_are_looked_at_apart() -> None:
    finding = found("td3.relay-auth-authpriv", "auth.* @@192.0.2.9\nauthpriv.info @@192.0.2.9\n")
    assert finding.result is Result.FAIL
    assert finding.observation.running.values == {"auth": "tcp 192.0.2.9:514", "authpriv": "not relayed"}
    assert found("td3.relay-auth-authpriv", "auth,authpriv.* @@192.0.2.9\n").result is Result.PASS


# --- files and records ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ('string="/l/%hostname%.log"', "hostname"),
        ('string="/l/%hostname:::secpath-replace%/%programname:::lowercase,secpath-drop%.log"', "ok"),
        ('string="/l/%fromhost-ip%-%$year%%$MONTH%-%timegenerated:1:10:date-rfc3339%"', "ok"),
        ('string="/l/%$!json!x%-%msg%"', "$!json!x, msg"),
    ],
)
def test_names_of_files_that_a_sender_may_choose_are_found(template: str, shown: str) -> None:
    text = f'template(name="t" type="string" {template})\n*.* ?t\n'
    finding = found("derived.rsyslog-secpath", text)
    assert finding.running == shown
    assert finding.result is (Result.PASS if shown == "ok" else Result.FAIL)


def test_the_parts_of_a_list_are_looked_at_too() -> None:
    part = 'property(name="programname"{})'
    text = (
        'template(name="t" type="list") {{ constant(value="/l/") {} }}\naction(type="omfile" dynaFile="t")\n'
    )
    assert found("derived.rsyslog-secpath", text.format(part.format(""))).result is Result.FAIL
    secure = part.format(' securepath="replace"')
    assert found("derived.rsyslog-secpath", text.format(secure)).result is Result.PASS


def test_the_directive_of_before_does_not_close_the_files_of_new_actions() -> None:
    finding = found("central.created-modes", '*.* action(type="omfile" file="/var/log/new")\n')
    assert finding.result is Result.FAIL
    assert finding.observation.running.values["/var/log/new"] == "0644"
    assert finding.observation.running.values["/var/log/auth.log"] == "0640"


def test_the_umask_of_the_unit_counts() -> None:
    made = hosts.rhel()
    assert judged("central.created-modes", made, ANSWERS).result is Result.FAIL
    made.files["/usr/lib/systemd/system/rsyslog.service"] = "[Service]\nUMask=0066\n"
    finding = judged("central.created-modes", made, ANSWERS)
    assert (finding.result, finding.running) == (Result.PASS, "0600")


@pytest.mark.parametrize(
    ("mode", "user", "group", "ok"),
    [
        (0o640, "root", "adm", True), (0o600, "root", "root", True), (0o644, "root", "adm", False),
        (0o660, "root", "adm", False), (0o640, "alice", "adm", False), (0o640, "root", "users", False),
    ],
)  # fmt: skip
def test_log_files_that_are_there(mode: int, user: str, group: str, ok: bool) -> None:
    made = host()
    made.stats["/var/log/syslog"] = made.stats["/var/log/auth.log"] = Status(
        Kind.FILE, mode, 0, 4, user, group, 1, "8:1", NOW, NOW
    )
    assert judged("central.file-modes", made, ANSWERS).result is (Result.PASS if ok else Result.FAIL)


def test_ubuntus_account_may_own_the_logs() -> None:
    made = host()
    made.files[syslogs.MAIN] = "$PrivDropToUser syslog\n" + syslogs.DEBIAN
    for path in ("/var/log/syslog", "/var/log/auth.log"):
        made.stats[path] = syslogs.status(0o640, "adm", NOW, "syslog")
    assert judged("central.file-modes", made, ANSWERS).result is Result.PASS


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("*.* /a;RSYSLOG_TraditionalFileFormat\n", "year and zone"),
        ('$template t,"%timereported:::date-rfc3339% %HOSTNAME% %syslogtag%%msg%\\n"\n*.* /a;t\n', "ok"),
        ('$template t,"%timereported% %HOSTNAME% %msg%\\n"\n*.* /a;t\n', "program, year and zone"),
        ("*.* @192.0.2.9\n", "year and zone"),
        ("*.* @192.0.2.9;RSYSLOG_ForwardFormat\n", "ok"),
    ],
)
def test_what_a_record_does_not_tell(text: str, lacks: str) -> None:
    finding = found("central.identify-source", text)
    assert lacks in finding.observation.running.values.values()
    assert finding.result is (Result.PASS if lacks == "ok" else Result.FAIL)


def test_something_is_structured() -> None:
    assert found("central.structured").result is Result.INFORMATIONAL
    assert found("central.structured", "*.* /a;RSYSLOG_SyslogProtocol23Format\n").result is Result.PASS
    as_json = (
        'template(name="j" type="list" option.jsonf="on") { property(name="msg" format="jsonf") }\n*.* /a;j\n'
    )
    assert found("central.structured", as_json).result is Result.PASS


# --- what comes in ----------------------------------------------------------------------------------

IMRELP = 'module(load="imrelp")\ninput(type="imrelp" port="2514" {})\n'
STORED = (
    'template(name="r" type="string" string="/l/%hostname:::secpath-replace%-%timereported:1:10%")\n'
    'ruleset(name="remote") { action(type="omfile" dynaFile="r") }\n'
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('module(load="imudp")\ninput(type="imudp" port="514")\n', "in clear"),
        ("$ModLoad imtcp\n$InputTCPServerRun 514\n", "in clear"),
        ('module(load="imudp")\ninput(type="imudp" port="514" address="127.0.0.1")\n', "loopback"),
        (IMRELP.format(""), "in clear"),
        (IMRELP.format('tls="on"'), "tls, peer not checked by name"),
        (
            IMRELP.format('tls="on" tls.authMode="name" tls.permittedPeer=["*"]'),
            "tls, peer not checked by name",
        ),
        (IMRELP.format(TLS), "tls"),
    ],
)
def test_inputs_from_the_network(text: str, shown: str) -> None:
    sender = found("central.no-listeners", text)
    assert sender.running == shown
    assert sender.result is (Result.PASS if shown == "loopback" else Result.FAIL)
    central = found("central.listeners-secure", text, role="central")
    assert central.result is (Result.PASS if shown in {"loopback", "tls"} else Result.FAIL)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (IMRELP.format(TLS), "among this host's own"),
        (STORED + IMRELP.format(f'{TLS} ruleset="remote"'), "ok"),
        ('ruleset(name="remote") {\n *.* /var/log/remote\n}\n' + IMRELP.format(f'{TLS} ruleset="remote"'),
         "not by host and date"),
    ],
)  # fmt: skip
def test_what_others_send_is_kept_apart(text: str, shown: str) -> None:
    finding = found("td3.central-omfile-host-date", text, role="central")
    assert finding.running == shown
    assert finding.result is (Result.PASS if shown == "ok" else Result.FAIL)


def test_a_log_database_that_the_network_reaches() -> None:
    made = host()
    made.answers[Sockets] = (Socket("tcp6", "::", 9200, "java"), Socket("tcp", "127.0.0.1", 9300, "java"))
    finding = judged("central.elasticsearch-logstash", made, ANSWERS)
    assert finding.result is Result.INFORMATIONAL
    assert finding.observation.running.values == {
        "9200 (Elasticsearch)": "::",
        "9300 (Elasticsearch)": "loopback",
    }
    assert judged("central.elasticsearch-logstash", host(), ANSWERS).result is Result.NOTAPPLICABLE


# --- certificates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "name", "wrong"),
    [
        (200, "web01.example.org", ""), (200, "*.example.org", ""), (12, "web01", "expires in 1"),
        (-3, "web01", "expired"), (200, "db01.example.org", "does not name this host"),
    ],
)  # fmt: skip
def test_certificates(days: int, name: str, wrong: str) -> None:
    made = host(relp(TLS))
    syslogs.certified(made, NOW, days, name)
    finding = judged("central.certificates", made, ANSWERS)
    assert finding.result is (Result.FAIL if wrong else Result.PASS)
    assert wrong in finding.message


@pytest.mark.parametrize(
    ("host_name", "names", "common", "named"),
    [
        ("web01", "DNS:web01.example.org", "x", True),
        ("web01.example.org", "DNS:web01.example.org", "x", True),
        ("web01.example.org", "DNS:web01", "x", True),
        ("WEB01.example.org", "DNS:web01.Example.org", "x", True),
        ("web01.example.org", "DNS:web01.example.net", "x", False),
        ("web01.example.org", "DNS:*.example.org", "x", True),
        ("web01.example.org", "DNS:*.example.net", "x", False),
        ("web01.example.org", "DNS:*.org", "x", False),  # a star is one label
        ("web01", "DNS:*", "x", False),
        ("web01", "DNS:web*.example.org", "x", False),
        ("web01", "DNS:db01.example.org, DNS:web01.example.org", "x", True),
        ("web01", "DNS:logs.example.org", "web01.example.org", True),  # rsyslog goes on to the common name
        ("web01", "IP Address:192.0.2.1", "x", False),
        ("web01", "", "web01", True),
        ("web01", "", "x, O = Old CN = web01", False),
    ],
)
def test_the_names_of_a_certificate_are_held_against_the_host(
    host_name: str, names: str, common: str, named: bool
) -> None:
    made = host(relp(TLS))
    made.answers[KernelIs] = Kernel(host_name, "6.1.0", "x86_64")
    syslogs.certified(made, NOW, 200)
    said = made.commands[certificates.question(syslogs.CERTIFICATE).argv].stdout
    end = said.partition("\n")[0]
    alternative = f"X509v3 Subject Alternative Name: \n    {names}\n" if names else ""
    made.commands[certificates.question(syslogs.CERTIFICATE).argv] = Output(
        f"{end}\nsubject=C = FR, CN = {common}\nissuer=CN = Log CA\n{alternative}"
    )
    finding = judged("central.certificates", made, ANSWERS)
    assert finding.result is (Result.PASS if named else Result.FAIL), finding.message
    assert ("does not name this host" in finding.message) is not named


def test_a_certificate_of_another_authority_or_none_at_all() -> None:
    made = host(relp(TLS))
    made.commands[certificates.chain(syslogs.CA, syslogs.CERTIFICATE).argv] = Unread(Reason.FAILED, "2")
    assert "not of the CA" in judged("central.certificates", made, ANSWERS).message
    del made.files[syslogs.CERTIFICATE]
    assert "not there" in judged("central.certificates", made, ANSWERS).message


@pytest.mark.parametrize("path", [syslogs.CERTIFICATE, syslogs.CA])
def test_openssl_waits_at_no_fifo(path: str) -> None:
    made = host(relp(TLS))
    made.stats[path] = hosts.status(0o644, kind=Kind.FIFO)
    assert judged("central.certificates", made, ANSWERS).result is Result.FAIL
    assert not [q for q in made.asked if path in getattr(q, "argv", ())]


def test_openssl_reads_no_authority_behind_a_dead_server() -> None:
    made = host(relp(TLS))
    made.stats[syslogs.CA] = Unread(Reason.UNSUPPORTED, "on a network file system, which is not entered")
    assert judged("central.certificates", made, ANSWERS).result is Result.UNKNOWN
    assert not [q for q in made.asked if syslogs.CA in getattr(q, "argv", ())]


@pytest.mark.parametrize("path", ["/etc/a b.crt", "/etc/../x.crt", "-in.crt", "/etc/$(id).crt", "/etc/x;y"])
def test_openssl_is_given_plain_paths_only(path: str) -> None:
    made = host(relp(TLS.replace(syslogs.CERTIFICATE, path)))
    finding = judged("central.certificates", made, ANSWERS)
    assert finding.result is Result.UNKNOWN
    assert not [q for q in made.asked if path in str(getattr(q, "argv", ""))]


@pytest.mark.parametrize(
    ("mode", "user", "group", "ok"),
    [
        (0o600, "root", "root", True), (0o640, "root", "ssl-cert", True), (0o640, "root", "users", False),
        (0o644, "root", "root", False), (0o600, "alice", "root", False),
    ],
)  # fmt: skip
def test_private_keys_are_closed_and_never_read(mode: int, user: str, group: str, ok: bool) -> None:
    made = host(relp(TLS))
    made.stats[syslogs.KEY] = Status(Kind.FILE, mode, 0, 0, user, group, 1, "8:1", NOW, NOW)
    assert judged("central.keys", made, ANSWERS).result is (Result.PASS if ok else Result.FAIL)
    assert File(syslogs.KEY) not in made.asked
    assert Stat(syslogs.KEY) in made.asked


# --- what is written --------------------------------------------------------------------------------


def refused(id_: str, made: hosts.DictHost, **answers: str) -> str:
    given = {**ANSWERS, **{name.replace("_", "-"): answer for name, answer in answers.items()}}
    finding = judged(id_, made, given)
    entry = finding.recommendation
    kind = {"log-relay": LogRelay, "log-server": LogServer, "log-programs": LogPrograms}[entry.resource]()
    change = kind.change(entry, finding.observation.facts, entry.target)
    return change.reason if isinstance(change, Refusal) else ""


def test_what_hinders_a_relay_is_said() -> None:
    assert refused("td3.relay-relp", host()) == ""
    assert "must have a name" in refused("td3.relay-relp", host(), log_server="192.0.2.9")
    bare = host()
    bare.packages = tuple(one for one in bare.packages if one.name != "rsyslog-relp")
    assert "apt-get install rsyslog-relp" in refused("td3.relay-relp", bare)
    keyless = host()
    del keyless.files[syslogs.KEY], keyless.stats[syslogs.KEY]
    assert syslogs.KEY in refused("td3.relay-relp", keyless)
    assert "00-a.conf" in refused("td3.relay-relp", host('module(load="omrelp" tls.tlslib="gnutls")\n'))
    assert "50-z.conf" in refused(
        "td3.relay-relp", host(**{"50-z": 'module(load="omrelp" tls.tlslib="openssl")\n'})
    )
    late = host()
    late.files[syslogs.MAIN] += LOADED
    assert syslogs.MAIN in refused("td3.relay-relp", late)
    alone = host()
    alone.files[syslogs.MAIN] = 'module(load="imuxsock")\n*.* /var/log/all\n'
    assert syslogs.FOLDER in refused("td3.relay-relp", alone)
    asleep = host()
    asleep.answers[Processes] = ()
    assert "does not run" in refused("td3.relay-relp", asleep)


LOADED = 'module(load="omrelp" tls.tlslib="openssl")\n'


def test_a_module_that_is_loaded_before_is_not_loaded_again() -> None:
    finding = judged("td3.relay-relp", host(LOADED), ANSWERS)
    entry = finding.recommendation
    early = host()
    early.files[syslogs.MAIN] = LOADED + syslogs.DEBIAN
    for made, loads in ((early, False), (host(), True)):
        facts = judged("td3.relay-relp", made, ANSWERS).observation.facts
        (write, *_rest) = LogRelay().change(entry, facts, entry.target)
        assert ("module(load" in write.content) is loads


@given(st.text(max_size=60), st.sampled_from(["host", "ca", "peers", "words", "folder"]))
@settings(max_examples=200, deadline=None)
def test_a_target_from_an_edited_plan_brings_nothing_else_into_a_file(text: str, where: str) -> None:
    identity = "ca={ca} certificate=/b key=/c tls=openssl".format(ca=text if where == "ca" else "/a")
    named = text if where == "host" else "logs.example.org"
    peers = text if where == "peers" else "web02"
    words, folder = (text if where == "words" else "a"), (text if where == "folder" else "/var/log/x")
    facts = judged("td3.relay-relp", SERVER, ANSWERS).observation.facts
    for id_, kind, target in (
        ("td3.relay-relp", LogRelay(), f"relp {named}:2514 {identity}"),
        ("td3.central-imrelp", LogServer(), f"relp 2514 {identity} peers={peers}"),
        ("td3.rsyslog-omfile", LogPrograms(), f"{words} in {folder}"),
    ):
        entry = CHECKLISTS.get(id_)
        change = kind.change(entry, dict(facts), target)
        if not isinstance(change, Refusal):
            assert change[0].content.count('"') % 2 == 0
            assert not set("\\`;|<>(){}") & set(target)


SERVER = host()


def test_passwords_are_cut_out_of_the_files() -> None:
    text = (
        'action(type="ommysql" server="db" uid="u" pwd="Pass\\"1")\n'
        'action(type="omelasticsearch" uid="x"\n  pwd = "Pass2")\n'
        '*.* action(type="omhttp" httpheaders=["Authorization: Bearer Pass3"] apikey="Pass4")\n'
        'action(type="omhttp" httpheaders=["X-Of: [a]", "X-Key: PassS"])\n'
        'action(type="omkafka" confParam=["sasl.username=a", "sasl.password=Pass5"])\n'
        "*.* >db,logs,user,Pass6;tpl\n*.* :ommysql:db,logs,user,Pass7\n"
        '$ActionLibdbiPassword Pass8\n# pwd="Pass9"\n'
        'action(type="ompgsql" server="db" user="u" pass="PassA")\n'
        'action(type="ompgsql" conninfo="postgresql://u:PassB@db/logs")\n'
        'action(type="omhttp" server=["https://u:PassC@es"] restpath="collect?token=PassD&x=y")\n'
        'action(type="ommongodb" uristr="mongodb://u:PassE@db/")\n'
        'action(type="omprog" binary="/usr/bin/send -u me:PassF --token \\"PassG\\" -v")\n'
        "*.* ^/usr/bin/send --token=PassH me:PassI;fmt\n& ^/bin/y;PassJ\n"
        "if $programname == 'x' then ^/bin/w PassK\\\nPassL\n$ActionOMProgBinary /bin/x PassM\n"
        'set $.token = "Pass" & \'Two\';\nreset $!my_password=`echo PassN`; set $.h = "Bearer PassO";\n'
        'include(text="action(type=\\"omhttp\\" pwd=\\"PassP\\")")\ninclude(mode="abort" text=`echo PassQ`)\n'
        'include(file="https://u:PassR@host/x")\n'
    )
    rest = f'{relp(TLS)}if $syslogseverity > 3 and $programname == ["a","b","c","d"] then stop\n'
    rest += ':msg, regex, "^a b" stop\nset $.path = "/var/log/x";\n*.* ^/usr/bin/plain\n'
    for path in (syslogs.MAIN, f"{syslogs.FOLDER}/a", "/opt/app/logging.conf"):
        cut = without_secrets(File(path), text + rest)
        assert not [word for word in cut.split() if "Pass" in word.replace("Password", "")]
        assert "Two" not in cut
        assert cut.endswith(rest)
        assert without_secrets(File(path), cut) == cut
    assert destinations(Snapshot(host(text + rest)), "user", "info") is not None


def test_what_a_hostile_file_says_is_shown_as_it_stands() -> None:
    evil = "*.* @[@click=app.quit].example\n"
    finding = found("central.secure-protocols", evil)
    assert finding.result in {Result.FAIL, Result.UNKNOWN}
    assert isinstance(texts(finding), dict)


def test_output_of_openssl_in_other_words_is_no_pass() -> None:
    made = host(relp(TLS))
    made.commands[certificates.question(syslogs.CERTIFICATE).argv] = Output("nothing of the kind\n")
    assert judged("central.certificates", made, ANSWERS).result is Result.FAIL


def test_a_program_started_after_a_file_was_written_is_younger_than_it(tmp_path) -> None:
    """psutil alone gives whole seconds of the boot, and would be wrong for most of a second."""
    path = tmp_path / "rsyslog.conf"
    path.write_text("*.* /x\n")
    child = subprocess.Popen(("sleep", "60"))
    try:
        started = {one.pid: one.started for one in Snapshot(LiveHost()).ask(Processes())}[child.pid]
    finally:
        child.kill()
        child.wait()
    after = time.time()
    assert path.stat().st_ctime - 0.02 <= started <= after


@pytest.mark.parametrize("hook", ["output", "input"])
def test_a_firewall_that_drops_by_default_is_remembered(hook: str) -> None:
    made = host()
    base = {
        "family": "inet",
        "table": "f",
        "name": hook,
        "handle": 1,
        "type": "filter",
        "hook": hook,
        "prio": 0,
    }
    chains = [{"table": {"family": "inet", "name": "f", "handle": 1}}, {"chain": base | {"policy": "drop"}}]
    made.commands["nft", "--json", "list", "ruleset"] = Output(json.dumps({"nftables": chains}))
    sender = judged("td3.relay-relp", made, ANSWERS)
    central = judged("td3.central-imrelp", made, {**ANSWERS, "log-role": "central"})
    assert [h.id for h in sender.hazards] == (["log-relay-port"] if hook == "output" else [])
    assert [h.id for h in central.hazards] == (["log-server-port"] if hook == "input" else [])
    assert all("2514" in h.text for h in (*sender.hazards, *central.hazards))
    assert not judged("td3.relay-relp", host(), ANSWERS).hazards
