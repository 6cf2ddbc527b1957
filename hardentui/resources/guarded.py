"""Sensitive files and folders of each family of distributions, their modes and owners: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guarded:
    """A sensitive file or folder: the most that its mode may allow (octal), and who may own it.

    The first of ``owners`` is what a change sets where none of them owns it.
    """

    path: str
    mode: str
    owners: tuple[str, ...] = ("root:root",)


# The group is log_group of auditd.conf: whose members may read the records.
_LOG_READERS = ("root:root", "root:adm")
_COMMON: Mapping[str, tuple[Guarded, ...]] = {
    "accounts": (
        Guarded("/etc/passwd", "0644"),
        Guarded("/etc/passwd-", "0644"),
        Guarded("/etc/group", "0644"),
        Guarded("/etc/group-", "0644"),
        Guarded("/etc/subuid", "0644"),
        Guarded("/etc/subgid", "0644"),
        Guarded("/etc/shells", "0644"),
    ),
    "audit": (
        Guarded("/etc/audit", "0750"),
        Guarded("/etc/audit/auditd.conf", "0640"),
        Guarded("/etc/audit/audit.rules", "0640"),
        Guarded("/etc/audit/rules.d", "0750"),
        Guarded("/var/log/audit", "0750", _LOG_READERS),
        Guarded("/var/log/audit/audit.log", "0640", _LOG_READERS),
    ),
    "root-home": (Guarded("/root", "0750"),),
    "sudo": (
        Guarded("/etc/sudoers", "0440"),
        Guarded("/etc/sudoers.d", "0750"),
        Guarded("/etc/sudo.conf", "0644"),
    ),
    "folders": (
        Guarded("/etc/security", "0755"),
        Guarded("/etc/pam.d", "0755"),
        Guarded("/etc/sysctl.d", "0755"),
        Guarded("/etc/systemd/system", "0755"),
        Guarded("/etc/selinux", "0755"),
        Guarded("/etc/audit", "0750"),
    ),
}
_CRON = (
    Guarded("/etc/crontab", "0600"),
    Guarded("/etc/cron.d", "0700"),
    Guarded("/etc/cron.hourly", "0700"),
    Guarded("/etc/cron.daily", "0700"),
    Guarded("/etc/cron.weekly", "0700"),
    Guarded("/etc/cron.monthly", "0700"),
)
_SECRETS = (
    Guarded("/etc/crypttab", "0600"),
    Guarded("/etc/ipsec.secrets", "0600"),
    Guarded("/etc/ipsec.d", "0700"),
    Guarded("/etc/krb5.keytab", "0600"),
    Guarded("/etc/ppp/chap-secrets", "0600"),
    Guarded("/etc/NetworkManager/system-connections", "0700"),
    Guarded("/etc/nftables", "0700"),
    Guarded("/etc/iptables", "0755"),
)
_SHADOW = ("root:shadow", "root:root")

# The files that ANSSI's R50 calls sensitive: family -> subject of the resource "rights".
GUARDED: Mapping[str, Mapping[str, tuple[Guarded, ...]]] = {
    "debian": {
        **_COMMON,
        "passwords": (
            Guarded("/etc/shadow", "0640", _SHADOW),
            Guarded("/etc/shadow-", "0640", _SHADOW),
            Guarded("/etc/gshadow", "0640", _SHADOW),
            Guarded("/etc/gshadow-", "0640", _SHADOW),
            Guarded("/etc/security/opasswd", "0600"),
        ),
        "cron": (*_CRON, Guarded("/var/spool/cron/crontabs", "1730", ("root:crontab",))),
        "secrets": (
            *_SECRETS,
            Guarded("/etc/wireguard", "0700"),
            Guarded("/etc/chrony/chrony.keys", "0640", ("root:root", "root:_chrony")),
            Guarded("/etc/bind/rndc.key", "0640", ("bind:bind", "root:bind")),
        ),
    },
    "rhel": {
        **_COMMON,
        "passwords": (
            Guarded("/etc/shadow", "0600"),
            Guarded("/etc/shadow-", "0600"),
            Guarded("/etc/gshadow", "0600"),
            Guarded("/etc/gshadow-", "0600"),
            Guarded("/etc/security/opasswd", "0600"),
        ),
        "cron": (*_CRON, Guarded("/var/spool/cron", "0700")),
        "secrets": (
            *_SECRETS,
            Guarded("/etc/wireguard", "0700"),
            Guarded("/boot/grub2/user.cfg", "0600"),
            Guarded("/etc/chrony.keys", "0640", ("root:chrony", "root:root")),
            Guarded("/etc/rndc.key", "0640", ("root:named",)),
        ),
    },
}
