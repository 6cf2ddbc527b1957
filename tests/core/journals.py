"""What a host of ours has for its logs and its clock: journald, logrotate, and a client of NTP."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hardentui.resources.families import TIME_CLIENTS
from hardentui.snapshot import (
    Kind,
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

MACHINE = "0123456789abcdef0123456789abcdef"
JOURNALD_CONF = """\
# See journald.conf(5) for details.
[Journal]
#Storage=auto
#ForwardToSyslog=yes
#Audit=no
"""
LOGROTATE_CONF = "weekly\nrotate 4\ncreate\ninclude /etc/logrotate.d\n"
FILES = {
    "/usr/lib/systemd/systemd-journald": "",
    "/etc/systemd/journald.conf": JOURNALD_CONF,
    f"/run/log/journal/{MACHINE}/system.journal": "",
    "/usr/sbin/logrotate": "",
    "/etc/logrotate.conf": LOGROTATE_CONF,
    "/etc/logrotate.d/rsyslog": "/var/log/syslog\n/var/log/auth.log\n{\n weekly\n rotate 4\n}\n",
    "/var/log/syslog": "",
    "/var/log/auth.log": "",
    "/etc/adjtime": "0.0 0 0.0\n0\nUTC\n",
}
CLOCK = ("timedatectl", "show")
DEBIAN_CHRONY = """\
confdir /etc/chrony/conf.d
pool 2.debian.pool.ntp.org iburst
sourcedir /run/chrony-dhcp
sourcedir /etc/chrony/sources.d
driftfile /var/lib/chrony/chrony.drift
"""
RHEL_CHRONY = "pool 2.almalinux.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\nmakestep 1.0 3\n"
SITE = "[Journal]\nStorage=volatile\nMaxLevelStore=err\nForwardToSyslog=no\n"
# Another hand was here: a drop-in for journald, a vendor's age for the folder, chrony with its pool.
RIVALS = {
    "/etc/systemd/journald.conf.d/50-site.conf": SITE,
    "/run/systemd/journald.conf.d/60-audit.conf": "[Journal]\nAudit=yes\n",
    "/var/log/journal/README": "",
    "/var/log/btmp": "",
    "/var/log/wtmp": "",
    "/var/log/lastlog": "",
    "/usr/lib/tmpfiles.d/cryptosrv.conf": "d /var/log/cryptosrv 0750 root adm -\n",
    "/etc/chrony/chrony.conf": DEBIAN_CHRONY,
    "/etc/chrony/sources.d/site.sources": "server 192.0.2.11 iburst\nserver ntp.example.org iburst\n",
}
OPEN = {
    "/var/log/btmp": Status(Kind.FILE, 0o664, 0, 43, "root", "utmp", 384, "8:5"),
    "/var/log/lastlog": Status(Kind.FILE, 0o666, 0, 43, "root", "utmp", 384, "8:5"),
    "/var/log/wtmp": Status(Kind.FILE, 0o666, 0, 43, "root", "utmp", 384, "8:5"),
}
TIMESYNCD = "[Time]\n#NTP=\n#FallbackNTP=0.debian.pool.ntp.org 1.debian.pool.ntp.org\n"


def with_logs(host: DictHost, now: float) -> DictHost:
    """The host with a journal in memory, logrotate that nothing runs, and a client of NTP that is off."""
    host.files = {**FILES, **host.files}
    host.files.setdefault("/etc/systemd/timesyncd.conf", TIMESYNCD)
    large = Status(Kind.FILE, 0o640, 0, 4, "root", "adm", 5 << 20, "8:5", now, now)
    host.stats = {
        "/var/log/syslog": large,
        **{path: one for path, one in OPEN.items() if path in host.files},
        **host.stats,
    }
    if "/var/log/journal/README" in host.files:
        host.stats["/var/log/journal"] = Status(
            Kind.FOLDER, 0o2777, 0, 0, "root", "systemd-journal", 4096, "8:5"
        )
    host.links.setdefault("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
    host.answers[Processes] = (*host.answers[Processes], daemon("systemd-journald", 200, now))
    _add(host, "logrotate.timer", "disabled", "inactive")
    _add(host, "systemd-timesyncd.service", "disabled", "inactive")
    if not any(one.name == "systemd" for one in host.packages):
        host.packages = (*host.packages, Package("systemd", "252.39-1~deb12u2"))
    return host


def with_client(host: DictHost, name: str, now: float) -> DictHost:
    """The host with this client of NTP, which runs and starts, in the place of the one that is off."""
    unit = TIME_CLIENTS[name][-1 if name == "chrony" and "/etc/chrony.conf" in host.files else 0]
    for question, kind in ((Units, Unit), (UnitFiles, UnitFile)):
        host.answers[question] = tuple(
            one for one in host.answers[question] if one.name != "systemd-timesyncd.service"
        )
        assert all(isinstance(one, kind) for one in host.answers[question])
    _add(host, unit, "enabled", "active")
    host.answers[Processes] = (*host.answers[Processes], daemon(unit.removesuffix(".service"), 300, now))
    return host


def daemon(name: str, pid: int, now: float) -> Process:
    """A service that started an hour ago, after its files were last changed."""
    return Process(pid, name, "root", f"/usr/lib/systemd/{name}", f"{name}.service", started=now - 3600)


def started_at(host: DictHost, name: str, at: float) -> None:
    """Have a daemon of the host started at another time."""
    host.answers[Processes] = tuple(
        dataclasses.replace(one, started=at) if one.name == name else one for one in host.answers[Processes]
    )


def _add(host: DictHost, unit: str, state: str, active: str) -> None:
    """One more unit, where the host tells of units at all."""
    for question, one in ((Units, Unit(unit, "loaded", active)), (UnitFiles, UnitFile(unit, state))):
        if not isinstance(known := host.answers[question], Unread):
            host.answers[question] = (*known, one)
