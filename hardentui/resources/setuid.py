"""Programs with the set-user-ID or set-group-ID bit: who gave it to them, and who needs it."""

from __future__ import annotations

from hardentui.i18n import _
from hardentui.snapshot import Found, Survey

# Logins and everyday work depend on the bit of these: its removal is never proposed.
NEEDED = frozenset(
    {
        "dbus-daemon-launch-helper",
        "doas",
        "fusermount",
        "fusermount3",
        "mount",
        "newgidmap",
        "newuidmap",
        "pam_timestamp_check",
        "passwd",
        "pkexec",
        "polkit-agent-helper-1",
        "su",
        "sudo",
        "sudoedit",
        "umount",
        "unix_chkpwd",
    }
)
# Others that distributions ship with it, each for a task that a server may do without.
_COMMON = frozenset(
    {
        "at",
        "bsd-write",
        "chage",
        "chfn",
        "chsh",
        "crontab",
        "dotlockfile",
        "expiry",
        "gpasswd",
        "grub2-set-bootflag",
        "locate",
        "mail-dotlock",
        "mlocate",
        "mount.cifs",
        "mount.nfs",
        "newgrp",
        "ntfs-3g",
        "ping",
        "plocate",
        "postdrop",
        "postqueue",
        "pppd",
        "procmail",
        "snap-confine",
        "ssh-agent",
        "ssh-keysign",
        "staprun",
        "userhelper",
        "usernetctl",
        "utempter",
        "wall",
        "write",
        "Xorg.wrap",
    }
)
_BITS = 0o6000


def is_foreign(survey: Survey, found: Found) -> bool:
    """Whether no package gives a file its bit: none owns it, or its records give it another mode.

    rpm records every mode; dpkg only those that an administrator set with dpkg-statoverride.
    """
    if not found.package:
        return True
    recorded = int(found.recorded, 8) if survey.manager == "rpm" and found.recorded else found.mode
    return bool(found.mode & _BITS & ~recorded)


def runs_as_root(found: Found) -> bool:
    """Whether whoever starts it becomes root, or of root's group."""
    return bool((found.mode & 0o4000 and not found.uid) or (found.mode & 0o2000 and not found.gid))


def standing(survey: Survey, found: Found) -> str:
    """What is to be said of such a file, in a few words."""
    if not survey.manager:
        return _("package not known")
    if not found.package:
        return _("of no package")
    if is_foreign(survey, found):
        return _("{package}, which gives it mode {mode}").format(package=found.package, mode=found.recorded)
    name = found.path.rpartition("/")[2]
    if name in NEEDED:
        return _("{package}; logins depend on it").format(package=found.package)
    if name in _COMMON or found.recorded:
        return _("{package}; do without it where nobody uses it").format(package=found.package)
    return _("{package}; not among the usual ones").format(package=found.package)
