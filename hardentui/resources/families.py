"""What the families of distributions name differently: one row each, data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.snapshot import DistributionIs, Reason, Snapshot, Unread

_OS_RELEASE = "/etc/os-release"


@dataclass(frozen=True, slots=True)
class Family:
    """Names of one family.

    ``admin_group`` may use sudo; ``bash_file`` is read by every interactive bash; ``pam_tool`` is the
    only right way to change the PAM stacks there. ``ssh_options`` is the file, and the variable in it,
    from which the unit of sshd takes more options. ``nftables_file`` is what nftables.service loads;
    ``iptables_files`` are the rules of IPv4 and IPv6 that ``iptables_units`` load. ``chrony_file`` is what
    chrony reads, under ``chrony_unit``.
    """

    admin_group: str
    bash_file: str
    pam_tool: str
    ssh_unit: str
    ssh_socket: str
    ssh_options: tuple[str, str]
    nftables_file: str
    iptables_files: tuple[str, str]
    iptables_units: tuple[str, str]
    chrony_file: str
    chrony_unit: str


FAMILIES: Mapping[str, Family] = {
    "debian": Family(
        admin_group="sudo",
        bash_file="/etc/bash.bashrc",
        pam_tool="pam-auth-update",
        ssh_unit="ssh.service",
        ssh_socket="ssh.socket",
        ssh_options=("/etc/default/ssh", "SSHD_OPTS"),
        nftables_file="/etc/nftables.conf",
        iptables_files=("/etc/iptables/rules.v4", "/etc/iptables/rules.v6"),
        iptables_units=("netfilter-persistent.service", "netfilter-persistent.service"),
        chrony_file="/etc/chrony/chrony.conf",
        chrony_unit="chrony.service",
    ),
    "rhel": Family(
        admin_group="wheel",
        bash_file="/etc/bashrc",
        pam_tool="authselect",
        ssh_unit="sshd.service",
        ssh_socket="sshd.socket",
        ssh_options=("/etc/sysconfig/sshd", "OPTIONS"),
        nftables_file="/etc/sysconfig/nftables.conf",
        iptables_files=("/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables"),
        iptables_units=("iptables.service", "ip6tables.service"),
        chrony_file="/etc/chrony.conf",
        chrony_unit="chronyd.service",
    ),
}
ADMIN_GROUPS = frozenset(family.admin_group for family in FAMILIES.values())


def family_of(snapshot: Snapshot) -> Family | Gap:
    """The names that count on this host; or why they are not known, and nothing is to be guessed."""
    system = snapshot.ask(DistributionIs())
    if isinstance(system, Unread):
        if system.reason is not Reason.MISSING:
            return system.gap(_OS_RELEASE)
        why = _("which distribution this is cannot be told: {path} is not there").format(path=_OS_RELEASE)
        return Gap(GapKind.UNTOLD, why)
    if system.family in FAMILIES:
        return FAMILIES[system.family]
    why = _("{name} is of neither Debian's family nor RHEL's: its names of files and units are not known")
    return Gap(GapKind.UNTOLD, why.format(name=system.name or system.id))


# Services that a server seldom needs, by the names of their units in all families: what is not there is
# left out. What starts a service on demand (socket, path, timer) stands before it, to be stopped first.
SERVICES: Mapping[str, tuple[str, ...]] = {
    "avahi": ("avahi-daemon.socket", "avahi-daemon.service"),
    "bluetooth": ("bluetooth.service",),
    "cockpit": ("cockpit.socket", "cockpit.service"),
    "cups": ("cups.socket", "cups.path", "cups-browsed.service", "cups.service"),
    "dhcp-server": (
        "isc-dhcp-server.service",
        "isc-dhcp-server6.service",
        "dhcpd.service",
        "dhcpd6.service",
        "kea-dhcp4-server.service",
        "kea-dhcp6-server.service",
        "kea-dhcp4.service",
        "kea-dhcp6.service",
    ),
    "dns-server": ("named.service", "unbound.service", "dnsmasq.service", "pdns.service"),
    "finger-talk": ("finger.socket", "talk.socket", "ntalk.socket"),
    "ftp": ("vsftpd.service", "proftpd.socket", "proftpd.service", "pure-ftpd.service"),
    "inetd": (
        "xinetd.service",
        "inetd.service",
        "openbsd-inetd.service",
        "inetutils-inetd.service",
        "rlinetd.service",
    ),
    "modem-manager": ("ModemManager.service",),
    "nfs-server": ("nfs-server.service",),
    "nis": ("ypbind.service", "ypserv.service", "ypxfrd.service", "yppasswdd.service"),
    "rpcbind": ("rpcbind.socket", "rpcbind.service"),
    "rsh": ("rsh.socket", "rlogin.socket", "rexec.socket"),
    "rsync": ("rsyncd.socket", "rsyncd.service", "rsync.service"),
    "samba": ("smbd.service", "nmbd.service", "smb.service", "nmb.service", "samba-ad-dc.service"),
    "snmp": ("snmpd.service", "snmptrapd.service"),
    "telnet": ("telnet.socket", "telnetd.service", "inetutils-telnetd.service"),
    "tftp": ("tftp.socket", "tftp.service", "tftpd-hpa.service", "atftpd.socket", "atftpd.service"),
}

# Programs that keep the clock, by the names of their units in all families.
TIME_CLIENTS: Mapping[str, tuple[str, ...]] = {
    "timesyncd": ("systemd-timesyncd.service",),
    "chrony": ("chrony.service", "chronyd.service"),
    "ntpsec": ("ntpsec.service",),
    "ntpd": ("ntp.service", "ntpd.service"),
    "openntpd": ("openntpd.service",),
}
