"""Hosts in memory with the audit system, and AIDE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardentui.resources.audit.state import LISTING, STATUS
from hardentui.snapshot import Kind, Output, Process, Processes, Status, Unit, UnitFile, UnitFiles, Units

if TYPE_CHECKING:
    from .hosts import DictHost

NOW = 1_795_245_751.0
STATE = "enabled {enabled}\nfailure 1\npid {pid}\nrate_limit 0\nbacklog_limit 64\nlost 3\nbacklog 0\n"
# As the package of Debian 12 leaves it, and what somebody made worse.
DEBIAN_RULES = "## First rule - delete all\n-D\n\n-b 320\n--backlog_wait_time 60000\n-f 1\n\n"
CONF = """\
#
local_events = yes
write_logs = no
log_file = /var/log/audit/audit.log
log_group = adm
log_format = RAW
flush = NONE
max_log_file = 8
num_logs = 5
max_log_file_action = ignore
space_left = 800
space_left_action = IGNORE
admin_space_left = 700
admin_space_left_action = halt
disk_full_action = SINGLE
disk_error_action = SUSPEND
"""
STARTS = "space_left = 75\n"  # the least that auditd starts with: its own default is 0, which it refuses
UNIT = "[Service]\nExecStart=/sbin/auditd\nExecStartPost=-/sbin/augenrules --load\n"
OTHERS = """\
-w /etc/passwd -p wa -k usergroup_modification
-a always,exit -F arch=b64 -S adjtimex,settimeofday -F key=audit_time_rules
-a never,exit -F arch=b64 -S openat -F dir=/var/lib/app
"""
AIDE_CONF = """\
@@define DBDIR /var/lib/aide
database_in=file:@@{DBDIR}/aide.db
# what is sealed
/etc R
/usr/bin R
!/var/log
"""
FILES = (
    "/usr/sbin/auditctl",
    "/usr/sbin/auditd",
    "/usr/bin/sudo",
    "/usr/bin/passwd",
    "/usr/bin/kmod",
    "/usr/bin/aide",
    "/var/log/lastlog",
    "/var/log/wtmp",
    "/run/utmp",
    "/etc/passwd",
    "/etc/systemd/journald.conf",
    "/srv/secret",
)


def with_audit(host: DictHost) -> DictHost:
    """auditd as a package leaves it, with settings that harm; AIDE, never run."""
    for path in FILES:
        host.files.setdefault(path, "")
    host.files |= {
        "/etc/audit/auditd.conf": CONF,
        "/etc/audit/rules.d/audit.rules": DEBIAN_RULES,
        "/etc/audit/plugins.d/syslog.conf": "active = no\ndirection = out\n",
        "/usr/lib/systemd/system/auditd.service": UNIT,
        "/etc/aide/aide.conf": AIDE_CONF,
    }
    host.stats |= {
        "/etc/audit/rules.d": Status(Kind.FOLDER, 0o755, 0, 0, "root", "root", 4096, "8:1"),
        "/etc/audit/auditd.conf": Status(Kind.FILE, 0o644, 0, 0, "root", "root", 900, "8:1", NOW - 90000),
    }
    host.commands |= {
        STATUS.argv: Output(STATE.format(enabled=1, pid=612)),
        LISTING.argv: Output("No rules\n"),
    }
    mine = (UnitFile("auditd.service", "enabled"), UnitFile("dailyaidecheck.timer", "disabled"))
    daemon = Process(612, "auditd", "root", "/usr/sbin/auditd", "auditd.service", started=NOW - 3600)
    host.answers[UnitFiles] += mine
    host.answers[Units] += (Unit("auditd.service", "loaded", "active"),)
    host.answers[Processes] += (daemon,)
    return host


def silenced(host: DictHost) -> DictHost:
    """auditd is there and off, and others wrote rules for it."""
    host.files["/etc/audit/rules.d/20-others.rules"] = OTHERS
    large = CONF.replace("_action = ignore", "_action = ROTATE").replace("num_logs = 5", "num_logs = 500")
    host.files["/etc/audit/auditd.conf"] = large
    host.commands |= {STATUS.argv: Output(STATE.format(enabled=0, pid=0)), LISTING.argv: Output("No rules\n")}
    host.answers[UnitFiles] = tuple(
        UnitFile(one.name, "disabled") if one.name == "auditd.service" else one
        for one in host.answers[UnitFiles]
    )
    host.answers[Units] = tuple(one for one in host.answers[Units] if one.name != "auditd.service")
    host.answers[Processes] = tuple(one for one in host.answers[Processes] if one.name != "auditd")
    return host


def deaf(host: DictHost) -> DictHost:
    """The first rule says that nothing is to be recorded of any process: what Fedora ships."""
    host.files["/etc/audit/rules.d/audit.rules"] = "-D\n-b 8192\n-f 1\n-a task,never\n"
    host.commands |= {
        STATUS.argv: Output(STATE.format(enabled=1, pid=612)),
        LISTING.argv: Output("-a never,task\n"),
    }
    return host
