"""What should be recorded: sets of rules by subject, ANSSI's R73 in the form of system calls."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from hardentui.model import Gap
from hardentui.resources.audit.rules import LEGACY, UNSET, Field, Rule, canonical
from hardentui.resources.audit.state import kind_of, resolved
from hardentui.resources.login.settings import LOGIN_DEFS, login_setting
from hardentui.resources.sudoers.policy import SUDOERS, read_policy
from hardentui.snapshot import FileSurvey, KernelIs, Kind, Reason, Snapshot, Unread

UID_MIN = 1000  # where login.defs says nothing
ARCHES: Mapping[str, tuple[str, ...]] = {"x86_64": ("b64", "b32"), "aarch64": ("b64",), "i686": ("b32",)}


@dataclass(frozen=True, slots=True)
class _About:
    """What one rule is about: system calls, a file, or a folder with all below it.

    ``people`` leaves out what no login of a person stands behind. ``archs`` are those that know the call.
    """

    syscalls: tuple[str, ...] = ()
    path: str = ""
    tree: bool = False
    perms: str = ""
    fields: tuple[Field, ...] = ()
    people: bool = False
    archs: tuple[str, ...] = ("b64", "b32")


def _file(*paths: str, perms: str = "wa") -> tuple[_About, ...]:
    return tuple(_About(path=path, perms=perms) for path in paths)


def _tree(*paths: str) -> tuple[_About, ...]:
    return tuple(_About(path=path, tree=True, perms="wa") for path in paths)


def _program(*paths: str) -> tuple[_About, ...]:
    return tuple(_About(path=path, perms="x", people=True) for path in paths)


def _calls(*syscalls: str, people: bool = True) -> _About:
    return _About(syscalls=syscalls, people=people)


# Programs by which one takes or gives rights; that not all are on a host is no matter.
PRIVILEGED = tuple(
    f"/usr/bin/{name}"
    for name in (
        "sudo", "su", "pkexec", "doas", "newgrp", "sg", "passwd", "chsh", "chfn", "chage", "gpasswd",
        "expiry", "crontab", "at", "mount", "umount", "fusermount3", "newuidmap", "newgidmap", "ssh-agent",
        "setfacl", "chcon",
    )
) + tuple(
    f"/usr/sbin/{name}"
    for name in (
        "usermod", "useradd", "userdel", "groupadd", "groupmod", "groupdel", "unix_chkpwd",
        "pam_timestamp_check", "setsebool", "semanage", "restorecon", "userhelper", "postdrop", "postqueue",
    )
) + ("/usr/lib/openssh/ssh-keysign", "/usr/libexec/openssh/ssh-keysign")  # fmt: skip

_ABOUT: Mapping[str, tuple[_About, ...]] = {
    "logins": (*_file("/var/log/lastlog", "/var/log/faillog"), *_tree("/run/faillock", "/var/lib/lastlog")),
    "session": (*_file("/run/utmp", "/var/log/wtmp", "/var/log/btmp"), *_tree("/var/lib/wtmpdb")),
    "privilege": _program(*PRIVILEGED),
    "identity": _file(
        "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/security/opasswd"
    ),
    "sudoers": (*_file("/etc/sudoers"), *_tree("/etc/sudoers.d")),
    "mac-policy": _tree("/etc/selinux", "/etc/apparmor", "/etc/apparmor.d"),
    "audit-policy": (*_file("/etc/libaudit.conf"), *_tree("/etc/audit"), *_program("/usr/sbin/auditctl")),
    "log-policy": (
        *_file("/etc/rsyslog.conf", "/etc/logrotate.conf"),
        *_tree("/etc/rsyslog.d", "/etc/syslog-ng", "/etc/systemd", "/etc/logrotate.d"),
    ),
    "ssh-policy": (*_file("/etc/ssh/sshd_config"), *_tree("/etc/ssh/sshd_config.d")),
    "delete": (_calls("unlink", "unlinkat", "rename", "renameat", "renameat2", "rmdir"),),
    "denied": tuple(
        replace(
            _calls("creat", "open", "openat", "truncate", "ftruncate"), fields=(Field("exit", "=", code),)
        )
        for code in ("-1", "-13")  # EPERM, EACCES
    ),
    "exec": (_calls("execve", "execveat"),),
    "modules": (
        _calls("init_module", "finit_module", "delete_module", people=False),
        *_program("/usr/bin/kmod"),
    ),
    "time": (
        _calls("adjtimex", "settimeofday", people=False),
        replace(_calls("stime", people=False), archs=("b32",)),
        # Of today's glibc adjtimex(3) is clock_adjtime, and settimeofday(3) clock_settime: of CLOCK_REALTIME.
        replace(_calls("clock_adjtime", "clock_settime", people=False), fields=(Field("a0", "=", "0"),)),
        *_file("/etc/localtime"),
    ),
    "network": (
        _calls("sethostname", "setdomainname", people=False),
        *_file("/etc/hosts", "/etc/issue", "/etc/issue.net", "/etc/networks"),
        *_tree("/etc/network", "/etc/netplan", "/etc/systemd/network"),
        *_tree("/etc/NetworkManager/system-connections"),
    ),
    "mounts": (_calls("mount", "umount2"),),
    "permissions": (
        _calls(
            "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat",
            "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
        ),
    ),
}  # fmt: skip
# Since Linux 6.6; by its number, which is the same everywhere: older versions of auditctl lack the name.
_YOUNG_CHMOD, _YOUNG_CHMOD_SINCE = "fchmodat2", (6, 6)


def _rules(name: str, abouts: Iterable[_About], machine: str, uid_min: int) -> Iterator[Rule]:
    people = (Field("auid", ">=", str(uid_min)), Field("auid", "!=", UNSET))
    for about in abouts:
        for arch in ARCHES[machine]:
            missing = LEGACY if machine == "aarch64" else frozenset()
            calls = frozenset(about.syscalls) - missing
            if arch not in about.archs or (about.syscalls and not calls):
                continue
            yield Rule(
                "exit",
                "always",
                arch,
                calls,
                about.path,
                about.tree,
                frozenset(about.perms),
                frozenset((*about.fields, *(people if about.people else ()))),
                frozenset({name}),
            )


SETS: Mapping[str, tuple[Rule, ...]] = {
    name: tuple(_rules(name, abouts, "x86_64", UID_MIN)) for name, abouts in _ABOUT.items()
}


def wanted(snapshot: Snapshot, name: str) -> tuple[Rule, ...] | Gap:
    """The rules of a set on this host: its accounts, its processor, and the files that are there."""
    lowest = snapshot.derive(uid_min)
    if isinstance(lowest, Gap):
        return lowest
    machine, release = _kernel(snapshot)
    logs = _logs_of_sudo(snapshot) if name == "logins" else ()
    if isinstance(logs, Gap):
        return logs
    every = (*_ABOUT[name], *_file(*logs))
    abouts = [here for about in every if (here := _here(snapshot, about)) is not None]
    if name == "privilege":
        known = {about.path for about in abouts}
        abouts += _program(*(path for path in _surveyed(snapshot) if path not in known))
    if name == "permissions" and release >= _YOUNG_CHMOD_SINCE:
        abouts = [replace(about, syscalls=(*about.syscalls, _YOUNG_CHMOD)) for about in abouts]
    return tuple(dict.fromkeys(_rules(name, abouts, machine, lowest)))


def uid_min(snapshot: Snapshot) -> int | Gap:
    """The first number of a person's account."""
    text = login_setting(snapshot, "UID_MIN")
    if isinstance(text, Unread):
        return UID_MIN if text.reason is Reason.MISSING else text.gap(LOGIN_DEFS)
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,9}", text) else UID_MIN


def arches(snapshot: Snapshot) -> tuple[str, ...]:
    """The widths of system calls that programs of this host may use."""
    return ARCHES[_kernel(snapshot)[0]]


def _kernel(snapshot: Snapshot) -> tuple[str, tuple[int, int]]:
    """The machine, x86_64 where it is not known, and the version of the kernel."""
    seen = snapshot.ask(KernelIs())
    if isinstance(seen, Unread):
        return "x86_64", (0, 0)
    found = re.match(r"(\d+)\.(\d+)", seen.release)
    machine = seen.machine if seen.machine in ARCHES else "x86_64"
    return machine, (int(found[1]), int(found[2])) if found else (0, 0)


def _here(snapshot: Snapshot, about: _About) -> _About | None:
    """What a rule can be about on this host; None where there is nothing of the kind."""
    if not about.path:
        return about
    if about.tree:
        return about if kind_of(snapshot, about.path) is Kind.FOLDER else None
    if about.people:  # a program: the one that really runs
        path = resolved(snapshot, about.path)
        return replace(about, path=path) if kind_of(snapshot, path) is Kind.FILE else None
    # A file that is not there yet can be watched where its folder is.
    return about if kind_of(snapshot, posixpath.dirname(about.path)) is Kind.FOLDER else None


def _logs_of_sudo(snapshot: Snapshot) -> tuple[str, ...] | Gap:
    """The files that sudo writes its log to; none where it tells syslog alone, which is its default."""
    policy = snapshot.derive(read_policy)
    if isinstance(policy, Unread):
        return () if policy.reason is Reason.MISSING else policy.gap(SUDOERS)
    if policy.gaps:
        return policy.gaps[0]
    return tuple(canonical(resolved(snapshot, one.value)) for one in policy.log_files)


def _surveyed(snapshot: Snapshot) -> tuple[str, ...]:
    """The programs that give their user the rights of root, where files were searched for them."""
    survey = snapshot.ask(FileSurvey())
    if isinstance(survey, Unread):
        return ()
    return tuple(one.path for one in survey.of("setuid") if one.mode & 0o4000 and not one.uid)
