"""rsyslog on the synthetic hosts: its files as distributions ship them, the daemon, certificates."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hardentui.resources.rsyslog import certificates
from hardentui.snapshot import (
    Kind,
    Output,
    Package,
    Process,
    Processes,
    Status,
    Unit,
    UnitFile,
    UnitFiles,
    Units,
    Unread,
)

if TYPE_CHECKING:
    from .hosts import DictHost

MAIN = "/etc/rsyslog.conf"
FOLDER = "/etc/rsyslog.d"
CA, CERTIFICATE, KEY = (f"/etc/rsyslog-tls/{name}" for name in ("ca.crt", "host.crt", "host.key"))
DEBIAN = """\
module(load="imuxsock")
module(load="imklog")
$FileOwner root
$FileGroup adm
$FileCreateMode 0640
$DirCreateMode 0755
$Umask 0022
$WorkDirectory /var/spool/rsyslog
$IncludeConfig /etc/rsyslog.d/*.conf
*.*;auth,authpriv.none		-/var/log/syslog
auth,authpriv.*			/var/log/auth.log
*.emerg				:omusrmsg:*
"""
RHEL = """\
global(workDirectory="/var/lib/rsyslog")
module(load="builtin:omfile" Template="RSYSLOG_TraditionalFileFormat")
module(load="imjournal" StateFile="imjournal.state")
include(file="/etc/rsyslog.d/*.conf" mode="optional")
*.info;mail.none;authpriv.none;cron.none                /var/log/messages
authpriv.*                                              /var/log/secure
*.emerg                                                 :omusrmsg:*
"""
# Logs in clear to a server of before, and a firewall's lines that go no further.
CLEAR = "*.* @@192.0.2.7:514\n"
UFW = ':msg,contains,"[UFW " /var/log/ufw.log\n& stop\n'


def status(mode: int, group: str, at: float, user: str = "root") -> Status:
    return Status(Kind.FILE, mode, 0, 0, user, group, 4096, "8:1", at, at)


def with_rsyslog(host: DictHost, now: float, main: str = DEBIAN, **drop_ins: str) -> DictHost:
    """The host with rsyslog, started an hour ago, a day after the last change of its files."""
    host.files |= {MAIN: main, **{f"{FOLDER}/{name}.conf": text for name, text in drop_ins.items()}}
    host.folders |= {FOLDER, "/var/log"}
    host.files |= dict.fromkeys((CA, CERTIFICATE, KEY, "/var/log/syslog", "/var/log/auth.log"), "")
    day = now - 86400
    host.stats |= {
        "/var/log/syslog": status(0o644, "adm", day),
        "/var/log/auth.log": status(0o640, "adm", day),
        KEY: status(0o600, "root", day),
    }
    daemon = Process(710, "rsyslogd", "root", "/usr/sbin/rsyslogd", "rsyslog.service", started=now - 3600)
    host.answers[Processes] = (*host.answers[Processes], daemon)
    host.answers[Units] = (*host.answers[Units], Unit("rsyslog.service", "loaded", "active"))
    host.answers[UnitFiles] = (*host.answers[UnitFiles], UnitFile("rsyslog.service", "enabled"))
    if not isinstance(host.packages, Unread):
        host.packages = (*host.packages, Package("rsyslog", "8.2302.0"), Package("rsyslog-relp", "8.2302.0"))
    certified(host, now)
    return host


def certified(host: DictHost, now: float, days: float = 200, name: str = "web01.example.org") -> None:
    """What openssl says of the certificates of the host."""
    end = datetime.fromtimestamp(now + days * 86400, UTC).strftime("%b %e %H:%M:%S %Y GMT")
    for path, common in ((CA, "Log CA"), (CERTIFICATE, name)):
        said = f"notAfter={end}\nsubject=CN = {common}\nissuer=CN = Log CA\n"
        said += f"X509v3 Subject Alternative Name: \n    DNS:{name}\n" if path == CERTIFICATE else ""
        host.commands[certificates.question(path).argv] = Output(said)
    host.commands[certificates.chain(CA, CERTIFICATE).argv] = Output(f"{CERTIFICATE}: OK\n")


def restarted(host: DictHost, at: float) -> None:
    """rsyslogd started at another time."""
    host.answers[Processes] = tuple(
        dataclasses.replace(one, started=at) if one.name == "rsyslogd" else one
        for one in host.answers[Processes]
    )
