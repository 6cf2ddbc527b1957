"""The files of users, PAM and sudo of two families of distributions, as they come, for hosts in memory."""

from __future__ import annotations

from hardentui.snapshot import Account, Group, LastLogin, Login, Password

DAY = 86400

PEOPLE = (
    Account("root", 0, 0, "/root", "/bin/bash"),
    Account("daemon", 1, 1, "/usr/sbin", "/usr/sbin/nologin"),
    Account("sync", 4, 65534, "/bin", "/bin/sync"),
    Account("www-data", 33, 33, "/var/www", "/usr/sbin/nologin"),
    Account("alice", 1000, 1000, "/home/alice", "/bin/bash"),
)
GROUPS = (
    Group("root", 0, ()),
    Group("daemon", 1, ()),
    Group("adm", 4, ()),
    Group("sudo", 27, ("alice",)),
    Group("www-data", 33, ()),
    Group("alice", 1000, ()),
)


def password(account: str, scheme: str, *, locked: bool = False, maximum: int = 99999) -> Password:
    return Password(account, scheme, locked, True, 20228, 0, maximum, 7, -1, -1)


PASSWORDS = (
    password("root", "yescrypt"),
    password("daemon", "disabled"),
    password("sync", "disabled"),
    password("www-data", "disabled"),
    password("alice", "yescrypt"),
)


def last_logins(now: float) -> tuple[LastLogin, ...]:
    days = {"root": 3, "alice": 2}
    return tuple(
        LastLogin(a.name, int(now) - days[a.name] * DAY if a.name in days else 0, "/var/log/lastlog")
        for a in PEOPLE
    )


def logins(now: float) -> tuple[Login, ...]:
    return (Login("alice", "pts/0", "192.0.2.7", int(now) - 2 * DAY),)


# sudo 1.9.13p3-1+deb12u1, its comments left out.
SUDOERS = """\
Defaults\tenv_reset
Defaults\tmail_badpass
Defaults\tsecure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults\tuse_pty
root\tALL=(ALL:ALL) ALL
%sudo\tALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""
SUDOERS_RHEL = """\
Defaults   !visiblepw
Defaults    always_set_home
Defaults    match_group_by_gid
Defaults    env_reset
Defaults    env_keep =  "COLORS DISPLAY HOSTNAME HISTSIZE KDEDIR LS_COLORS"
Defaults    env_keep += "MAIL PS1 PS2 QTDIR USERNAME LANG LC_ADDRESS LC_CTYPE"
Defaults    secure_path = /sbin:/bin:/usr/sbin:/usr/bin
root\tALL=(ALL) \tALL
%wheel\tALL=(ALL)\tEXEC: ALL
#includedir /etc/sudoers.d
"""
_COMMON_PASSWORD = """\
password\trequisite\t\t\tpam_pwquality.so retry=3
password\t[success=1 default=ignore]\tpam_unix.so obscure use_authtok try_first_pass yescrypt
password\trequisite\t\t\tpam_deny.so
password\trequired\t\t\tpam_permit.so
"""
_COMMON_AUTH = """\
auth\t[success=1 default=ignore]\tpam_unix.so nullok
auth\trequisite\t\t\tpam_deny.so
auth\trequired\t\t\tpam_permit.so
"""
_SERVICE = (
    "@include common-auth\n@include common-account\n@include common-session\n@include common-password\n"
)
LOGIN_DEFS = """\
# comment
UMASK\t\t022
PASS_MAX_DAYS\t99999
PASS_MIN_DAYS\t0
PASS_WARN_AGE\t7
SYS_UID_MAX\t\t 999
ENCRYPT_METHOD SHA512
"""
DEBIAN = {
    "/etc/sudoers": SUDOERS,
    "/etc/pam.d/common-password": _COMMON_PASSWORD,
    "/etc/pam.d/common-auth": _COMMON_AUTH,
    "/etc/pam.d/common-account": "account required pam_unix.so\n",
    "/etc/pam.d/common-session": "session required pam_unix.so\nsession optional pam_umask.so\n",
    "/etc/pam.d/passwd": "@include common-password\n",
    "/etc/pam.d/login": _SERVICE,
    "/etc/pam.d/sshd": _SERVICE,
    "/etc/pam.d/sudo": _SERVICE,
    "/etc/pam.d/su": "auth       sufficient pam_rootok.so\n" + _SERVICE,
    "/etc/security/pwquality.conf": "# minlen = 8\n# ucredit = 0\n",
    "/etc/security/faillock.conf": "# deny = 3\n",
    "/etc/login.defs": LOGIN_DEFS,
    "/etc/nsswitch.conf": "passwd:         files systemd\ngroup:          files systemd\nshadow: files\n",
    "/etc/profile": "if [ -d /etc/profile.d ]; then\n  for i in /etc/profile.d/*.sh; do . $i; done\nfi\n",
    "/etc/profile.d/bash_completion.sh": "# nothing\n",
    "/etc/bash.bashrc": "# nothing\n",
}
_SYSTEM_AUTH = """\
auth        required                                     pam_env.so
auth        required                                     pam_faillock.so preauth silent
auth        sufficient                                   pam_unix.so
auth        required                                     pam_faillock.so authfail
auth        required                                     pam_deny.so
account     required                                     pam_faillock.so
account     required                                     pam_unix.so
password    requisite                                    pam_pwquality.so local_users_only
password    sufficient                                   pam_unix.so sha512 shadow use_authtok
password    required                                     pam_deny.so
session     required                                     pam_unix.so
session     optional                                     pam_umask.so silent
"""
_INCLUDES = "".join(f"{kind} substack {{stack}}\n" for kind in ("auth", "account", "password", "session"))
RHEL = {
    "/etc/sudoers": SUDOERS_RHEL,
    "/etc/pam.d/system-auth": _SYSTEM_AUTH,
    "/etc/pam.d/password-auth": _SYSTEM_AUTH,
    "/etc/pam.d/passwd": "password   substack   system-auth\n-password   optional pam_gnome_keyring.so\n",
    "/etc/pam.d/login": _INCLUDES.format(stack="system-auth"),
    "/etc/pam.d/sshd": _INCLUDES.format(stack="password-auth"),
    "/etc/pam.d/sudo": _INCLUDES.format(stack="system-auth"),
    "/etc/pam.d/su": "auth sufficient pam_rootok.so\n" + _INCLUDES.format(stack="system-auth"),
    "/etc/security/pwquality.conf": "minlen = 9\n",
    "/etc/security/faillock.conf": "deny = 5\nunlock_time = 300\nsilent\n",
    "/etc/login.defs": LOGIN_DEFS.replace("UMASK", "HOME_MODE\t0700\nUMASK").replace("SHA512", "SHA256"),
    "/etc/nsswitch.conf": "passwd: files sss systemd\ngroup: files sss systemd\nshadow: files\n",
    "/etc/profile": "umask 022\nfor i in /etc/profile.d/*.sh; do . $i; done\n",
}
# What a host looks like on which others were at work before.
RIVALS = {
    "/etc/sudoers": SUDOERS.replace("env_reset", "!env_reset, !secure_path").replace(
        "secure_path=", "editor="
    )
    + "Defaults !use_pty\n",
    "/etc/sudoers.d/README": "# nothing\n",
    "/etc/sudoers.d/zzz-local": "Defaults umask=0022\nbob ALL=(ALL) NOPASSWD: /usr/bin/vim *, !/bin/su\n",
    "/etc/security/pwquality.conf": "# set by the team\nminlen=10\nminlen = 12\nminclass = 2 # two\n",
    "/etc/profile.d/umask.sh": "umask 027\n",
    "/etc/profile.d/tmout.sh": "TMOUT=3600\nexport TMOUT\n",
}
