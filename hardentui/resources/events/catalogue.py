"""The classes of events that a server should record, finer than the seven lines of the course.

Each names who speaks of it: programs through syslog (with the words by which a record is known), the
rules of the audit system (by the id of a set in resources/audit/catalogue.py), the audit system by itself,
and the binary records of logins. The words were taken from real systems: openssh 9.2, sudo 1.9.13,
shadow 4.13, util-linux 2.38, systemd 252, linux 6.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from hardentui.i18n import N_

_SSHD = r"sshd(?:-session|-auth)?"
_SHADOW = r"useradd|usermod|userdel|adduser|deluser|newusers"
_GROUPS = r"groupadd|groupmod|groupdel|gpasswd|addgroup|delgroup|groupmems"
_TOOLS = ("/usr/sbin/useradd", "/usr/sbin/usermod")


class Line(StrEnum):
    """The lines of the course: what is to be recorded."""

    AUTHENTICATION = N_("Authentication and privilege elevation")
    ACCOUNTS = N_("Accounts, groups and privileges")
    POLICY = N_("Changes of security policies, logging among them")
    RESOURCES = N_("Access to sensitive resources")
    PROCESSES = N_("Activity of processes")
    SYSTEM = N_("Activity of the system")
    FIREWALL = N_("Events of the firewall")


@dataclass(frozen=True)
class Voice:
    """A program that tells syslog of an event, by a message of this facility and severity.

    ``program`` and ``text`` are regular expressions of its name and words. ``needs`` are files of which
    one is there where the program is installed; none for the kernel and what every system has.
    ``governed`` says whose configuration may change facility and severity, or silence it.
    """

    program: str
    text: str
    facility: str
    severity: str
    needs: tuple[str, ...] = ()
    governed: str = ""

    @cached_property
    def _program(self) -> re.Pattern[str]:
        return re.compile(self.program)

    @cached_property
    def _text(self) -> re.Pattern[str]:
        return re.compile(self.text)

    def said(self, program: str, text: str) -> bool:
        """Whether a message of this program with these words is one of these."""
        return self._program.fullmatch(program) is not None and self._text.search(text) is not None

    @property
    def name(self) -> str:
        """The program's plain name, for a reader."""
        return re.split(r"[|(\\]", self.program, maxsplit=1)[0]


@dataclass(frozen=True)
class EventClass:
    """A class of events.

    ``rules`` is a set of audit rules that records it, ``about`` the paths of that set that matter here
    (none: all), ``keys`` are names that rules of others give it.
    ``types`` are audit records that need no rule: the kernel and PAM write them while auditing is on;
    ``others`` are those that come with a rule, or with a module of PAM, alone.
    ``files`` are binary records of logins. ``special`` names a witness of its own (see told.py).
    ``provoke`` is what a trainer types to see one.
    """

    id: str
    line: Line
    title: str
    provoke: str
    voices: tuple[Voice, ...] = ()
    rules: str = ""
    about: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    failed: bool | None = None  # of the types: the ones that failed, that succeeded, or both
    files: tuple[str, ...] = ()
    special: str = ""


FIREWALL, MAC, SENSITIVE, TYPED = "firewall", "mac", "sensitive", "typed"
SSHD, SUDO = "sshd", "sudo"
_SSH_FILES = ("/usr/sbin/sshd",)
_SUDO = ("/usr/bin/sudo",)

CLASSES: tuple[EventClass, ...] = (
    EventClass(
        id="ssh-login",
        line=Line.AUTHENTICATION,
        title=N_("Login over SSH"),
        provoke="ssh localhost",
        voices=(Voice(_SSHD, r"^Accepted ", "auth", "info", _SSH_FILES, SSHD),),
        rules="logins",
        about=("/var/log/lastlog", "/var/lib/lastlog"),
        keys=("logins",),
        types=("USER_LOGIN",),
        failed=False,
        files=("/var/log/wtmp", "/var/lib/wtmpdb/wtmp.db"),
    ),
    EventClass(
        id="console-login",
        line=Line.AUTHENTICATION,
        title=N_("Login at the console"),
        provoke=N_("log in on another console (Ctrl-Alt-F2)"),
        voices=(
            Voice(
                "login",
                r"^pam_unix\(login:session\): session opened|^(?:ROOT )?LOGIN ON|^LOGIN ON",
                "authpriv",
                "info",
                ("/bin/login", "/usr/bin/login"),
            ),
        ),
        rules="logins",
        about=("/var/log/lastlog", "/var/lib/lastlog"),
        files=("/var/log/wtmp", "/var/lib/wtmpdb/wtmp.db"),
    ),
    EventClass(
        id="failed-login",
        line=Line.AUTHENTICATION,
        title=N_("Failed login"),
        provoke="ssh nobody-there@localhost",
        voices=(
            Voice(
                _SSHD,
                r"^(?:Failed |Invalid user |Connection (?:closed|reset) by (?:invalid|authenticating) user "
                r"|Disconnected from (?:invalid|authenticating) user |(?:error: )?maximum authentication)",
                "auth",
                "info",
                _SSH_FILES,
                SSHD,
            ),
            Voice(
                rf"login|{_SSHD}",
                r"^FAILED LOGIN|^pam_unix\((?:login|sshd):auth\): (?:authentication failure|check pass)"
                r"|^pam_faillock",
                "authpriv",
                "notice",
                ("/bin/login", "/usr/bin/login"),
            ),
        ),
        rules="session",
        about=("/var/log/btmp",),
        types=("USER_LOGIN", "USER_AUTH", "USER_ERR", "ANOM_LOGIN_FAILURES", "RESP_ACCT_LOCK"),
        failed=True,
        files=("/var/log/btmp",),
    ),
    EventClass(
        id="su",
        line=Line.AUTHENTICATION,
        title=N_("Change of user (su)"),
        provoke="su nobody -s /bin/true",
        voices=(Voice("su", r"^(?:FAILED SU )?\(to ", "auth", "notice", ("/bin/su", "/usr/bin/su")),),
        rules="privilege",
        about=("/usr/bin/su",),
        keys=("privilege", "privileged"),
    ),
    EventClass(
        id="sudo",
        line=Line.AUTHENTICATION,
        title=N_("Command by sudo"),
        provoke="sudo true",
        voices=(
            Voice(
                "sudo",
                r"^\s*\S+ : (?!.*(?:NOT |incorrect |not allowed )).*COMMAND=",
                "authpriv",
                "notice",
                _SUDO,
                SUDO,
            ),
        ),
        rules="privilege",
        about=("/usr/bin/sudo",),
        keys=("privilege", "privileged", "privileged-sudo"),
        types=("USER_CMD",),
    ),
    EventClass(
        id="sudo-refused",
        line=Line.AUTHENTICATION,
        title=N_("sudo refused"),
        provoke=N_("sudo -k; sudo -v, with a wrong password"),
        voices=(
            Voice(
                "sudo",
                r" : .*(?:NOT in sudoers|incorrect password|command not allowed|NOT authorized)|"
                r"^pam_unix\(sudo:auth\): (?:authentication failure|auth could not)",
                "authpriv",
                "alert",
                _SUDO,
                SUDO,
            ),
        ),
    ),
    EventClass(
        id="pkexec",
        line=Line.AUTHENTICATION,
        title=N_("Command by pkexec (polkit)"),
        provoke="pkexec true",
        voices=(
            Voice(
                "pkexec",
                r"Executing command|Error executing command",
                "authpriv",
                "notice",
                ("/usr/bin/pkexec",),
            ),
        ),
        rules="privilege",
        about=("/usr/bin/pkexec",),
        keys=("privilege", "privileged"),
    ),
    EventClass(
        id="privileged-program",
        line=Line.AUTHENTICATION,
        title=N_("Other program with more rights started"),
        provoke=N_("passwd --status, as an ordinary user"),
        rules="privilege",
        keys=("privilege", "privileged"),
    ),
    EventClass(
        id="user-changed",
        line=Line.ACCOUNTS,
        title=N_("Account added, changed or removed"),
        provoke="useradd lab-event && userdel lab-event",
        voices=(
            Voice(
                _SHADOW,
                r"^(?:new user|delete user|change user|account added|lock user|unlock user)",
                "authpriv",
                "info",
                _TOOLS,
            ),
        ),
        types=("ADD_USER", "DEL_USER", "USER_MGMT", "ACCT_LOCK", "ACCT_UNLOCK"),
        rules="identity",
    ),
    EventClass(
        id="group-changed",
        line=Line.ACCOUNTS,
        title=N_("Group or membership changed"),
        provoke="groupadd lab-event && groupdel lab-event",
        voices=(
            Voice(
                rf"{_GROUPS}|{_SHADOW}",
                r"^(?:new group|group |removed (?:shadow )?group|add '[^']*' to |delete '[^']*' from "
                r"|user \S+ (?:added|removed) |(?:shadow )?members of)",
                "authpriv",
                "info",
                _TOOLS,
            ),
        ),
        types=("ADD_GROUP", "DEL_GROUP", "GRP_MGMT"),
        rules="identity",
    ),
    EventClass(
        id="password-changed",
        line=Line.ACCOUNTS,
        title=N_("Password or its age changed"),
        provoke="chage --mindays 0 root",
        voices=(
            Voice(
                "passwd|chpasswd|chage",
                r"password (?:for .* )?changed|changed password expiry|^changed ",
                "authpriv",
                "info",
                ("/usr/bin/passwd",),
            ),
        ),
        types=("USER_CHAUTHTOK",),
        rules="identity",
    ),
    EventClass(
        id="account-files",
        line=Line.ACCOUNTS,
        title=N_("/etc/passwd, shadow or group written by hand"),
        provoke="touch /etc/passwd",
        rules="identity",
        keys=("identity", "audit_rules_usergroup_modification"),
    ),
    EventClass(
        id="sudoers-changed",
        line=Line.ACCOUNTS,
        title=N_("Rules of sudo changed"),
        provoke="touch /etc/sudoers",
        rules="sudoers",
        keys=("sudoers", "actions", "scope"),
    ),
    EventClass(
        id="ssh-policy",
        line=Line.POLICY,
        title=N_("Configuration of sshd changed"),
        provoke="touch /etc/ssh/sshd_config",
        rules="ssh-policy",
        keys=("ssh-policy", "sshd_config", "sshd"),
    ),
    EventClass(
        id="log-policy",
        line=Line.POLICY,
        title=N_("Configuration of journald or rsyslog changed"),
        provoke="touch /etc/rsyslog.conf",
        rules="log-policy",
        keys=("log-policy",),
    ),
    EventClass(
        id="audit-policy",
        line=Line.POLICY,
        title=N_("Rules or configuration of auditing changed"),
        provoke="touch /etc/audit/auditd.conf",
        rules="audit-policy",
        keys=("audit-policy", "auditconfig"),
        types=("CONFIG_CHANGE", "DAEMON_CONFIG", "DAEMON_ABORT", "DAEMON_END"),
    ),
    EventClass(
        id="mac-policy",
        line=Line.POLICY,
        title=N_("SELinux or AppArmor policy changed"),
        provoke="touch /etc/apparmor.d/local",
        rules="mac-policy",
        keys=("mac-policy", "MAC-policy"),
        voices=(
            Voice("kernel|audit", r'apparmor="STATUS"|SELinux: +policy|policy loaded', "kern", "notice"),
        ),
        types=("MAC_POLICY_LOAD", "MAC_STATUS", "MAC_CONFIG_CHANGE"),
        special=MAC,
    ),
    EventClass(
        id="firewall-policy",
        line=Line.POLICY,
        title=N_("Rules of the firewall changed"),
        provoke="nft add table inet lab_event; nft delete table inet lab_event",
        types=("NETFILTER_CFG",),
    ),
    EventClass(
        id="network-changed",
        line=Line.POLICY,
        title=N_("Host name or network files changed"),
        provoke="touch /etc/hosts",
        rules="network",
        keys=("network", "system-locale", "audit_rules_networkconfig_modification"),
    ),
    EventClass(
        id="sensitive-access",
        line=Line.RESOURCES,
        title=N_("Access to what was named as sensitive"),
        provoke=N_("cat one of the files that were named"),
        keys=(SENSITIVE,),
        special=SENSITIVE,
    ),
    EventClass(
        id="access-denied",
        line=Line.RESOURCES,
        title=N_("Access to a file refused by its rights"),
        provoke=N_("cat /etc/shadow, as an ordinary user"),
        rules="denied",
        keys=("denied", "access"),
    ),
    EventClass(
        id="mac-denied",
        line=Line.RESOURCES,
        title=N_("Access refused by SELinux or AppArmor"),
        provoke=N_("let a confined program read what its profile does not name"),
        types=("AVC", "USER_AVC", "SELINUX_ERR"),
        voices=(Voice("kernel|audit", r'apparmor="DENIED"|avc: +denied', "kern", "notice"),),
        special=MAC,
    ),
    EventClass(
        id="file-deleted",
        line=Line.RESOURCES,
        title=N_("File removed or renamed by a person"),
        provoke=N_("touch ~/lab-event; rm ~/lab-event, as an ordinary user"),
        rules="delete",
        keys=("delete",),
    ),
    EventClass(
        id="rights-changed",
        line=Line.RESOURCES,
        title=N_("Owner or rights of a file changed by a person"),
        provoke=N_("chmod 700 ~, as an ordinary user"),
        rules="permissions",
        keys=("permissions", "perm_mod"),
    ),
    EventClass(
        id="program-started",
        line=Line.PROCESSES,
        title=N_("Program started by a person"),
        provoke=N_("id, as an ordinary user"),
        rules="exec",
        keys=("exec", "execve"),
    ),
    EventClass(
        id="typed",
        line=Line.PROCESSES,
        title=N_("What is typed in a terminal of root"),
        provoke="sudo -i",
        others=("TTY", "USER_TTY"),
        special=TYPED,
    ),
    EventClass(
        id="service-changed",
        line=Line.PROCESSES,
        title=N_("Service started, stopped or failed"),
        provoke="systemctl restart cron",
        voices=(
            Voice(
                "systemd",
                r"^(?:Started|Stopped|Failed to start|Reloaded) |\.service: (?:Failed|Main process)",
                "daemon",
                "info",
            ),
        ),
        types=("SERVICE_START", "SERVICE_STOP"),
    ),
    EventClass(
        id="scheduled-job",
        line=Line.PROCESSES,
        title=N_("Job of cron started"),
        provoke="echo '* * * * * true' | crontab -",
        voices=(
            Voice(
                "CRON|crond|CROND|anacron",
                r"\bCMD\b|Job `.*' started",
                "cron",
                "info",
                ("/usr/sbin/cron", "/usr/sbin/crond"),
            ),
        ),
    ),
    EventClass(
        id="program-crashed",
        line=Line.PROCESSES,
        title=N_("Program crashed"),
        provoke="sleep 60 & kill -SEGV $!",
        voices=(Voice("kernel", r"segfault at|general protection|traps: |invalid opcode", "kern", "info"),),
        types=("ANOM_ABEND",),
    ),
    EventClass(
        id="boot",
        line=Line.SYSTEM,
        title=N_("Start of the system"),
        provoke="journalctl --list-boots",
        voices=(
            Voice("kernel", r"^(?:\[ *[\d.]+\] )?Linux version ", "kern", "notice"),
            Voice("systemd", r"^Reached target (?:multi-user\.target|Multi-User)", "daemon", "info"),
        ),
        types=("SYSTEM_BOOT", "DAEMON_START", "SYSTEM_SHUTDOWN"),
        files=("/var/log/wtmp", "/var/lib/wtmpdb/wtmp.db"),
    ),
    EventClass(
        id="module-loaded",
        line=Line.SYSTEM,
        title=N_("Kernel module loaded or removed"),
        provoke="modprobe dummy && modprobe -r dummy",
        rules="modules",
        keys=("modules", "module-load"),
        others=("KERN_MODULE",),
    ),
    EventClass(
        id="device",
        line=Line.SYSTEM,
        title=N_("Device plugged in"),
        provoke=N_("plug in a USB stick"),
        voices=(Voice("kernel", r"(?:^|\] )(?:usb \d|sd \d|scsi \d|usb-storage |input: )", "kern", "info"),),
    ),
    EventClass(
        id="mount",
        line=Line.SYSTEM,
        title=N_("File system mounted by a person"),
        provoke=N_("mount by sudo, as an ordinary user"),
        rules="mounts",
        keys=("mounts", "export", "mount"),
    ),
    EventClass(
        id="time-changed",
        line=Line.SYSTEM,
        title=N_("Clock set"),
        provoke="touch /etc/localtime",
        rules="time",
        keys=("time", "time-change", "audit_time_rules"),
        others=("TIME_INJOFFSET", "TIME_ADJNTPVAL"),
    ),
    EventClass(
        id="packet-dropped",
        line=Line.FIREWALL,
        title=N_("Packet refused by the firewall"),
        provoke=N_("nc -z HOST 81, from another machine"),
        voices=(Voice("kernel", r"\bIN=\S* OUT=\S* ", "kern", "info"),),
        special=FIREWALL,
    ),
)
BY_ID: Mapping[str, EventClass] = {one.id: one for one in CLASSES}
