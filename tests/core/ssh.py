"""sshd on the synthetic hosts: its files, its keys, and what it says of itself."""

from __future__ import annotations

from hardentui.resources.sshd import config
from hardentui.resources.sshd.keywords import KEYWORDS
from hardentui.resources.sshd.match import Connection
from hardentui.snapshot import Output, Process

MAIN = "/etc/ssh/sshd_config"
FOLDER = "/etc/ssh/sshd_config.d"
DAEMON = Process(700, "sshd", "root", "/usr/sbin/sshd", "ssh.service")
# An RSA key of 2048 bits and an Ed25519 one; the private halves were never kept.
RSA_2048 = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCsZGxoijAvdJWLzSeuNMZesPsNnlvfkFXQV+UCtvEf+ymr/bYNKl"
    "srZ4p/q2RtHFbdF/9VZmpuLlHs2G+O0v4xwmHPKqE0U1v8q/13qTreNVBALmMUgl/0lXqNRyV+Zj2bRbrMd2qdVqMU"
    "JktYj3cAO1Vo9crbtPJNEcS8UBzPYZ/gJGUILDez7gnc8OVRiV27QfsmxVqDh2p4tPY6RlSsrvvm+Cawh4HAqgSCfm"
    "6kWG1gOAUXI40cjkJroqEaj6Wolxuim2juKoBzH4sccKxXttCBoRj1OPOUz1zcYESCHkP+40wJVsRxmoxkpHv/P7AP"
    "OqWiq1jUyCkAYvWK0EVL root@web01\n"
)
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOxtEMCinU68MwHvTlhb2sxDzhuHCkHZ4pcRfhhwtUcm root@web01\n"
# What sshd 9.2 of Debian offers of itself, and some that somebody switched on again.
LISTS = {
    "ciphers": "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes256-ctr,aes256-cbc,3des-cbc",
    "macs": "umac-64-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha1",
    "kexalgorithms": "curve25519-sha256,diffie-hellman-group16-sha512,diffie-hellman-group14-sha1",
    "hostkeyalgorithms": "ssh-ed25519,rsa-sha2-512,ssh-rsa",
    "pubkeyacceptedalgorithms": "ssh-ed25519,rsa-sha2-512,ssh-rsa,ssh-dss",
}
WEAK = """\
PermitRootLogin yes
PermitEmptyPasswords yes
PasswordAuthentication yes
PubkeyAuthentication yes
HostbasedAuthentication yes
IgnoreRhosts no
StrictModes no
PermitUserEnvironment yes
X11Forwarding yes
GatewayPorts yes
PermitTunnel point-to-point
MaxAuthTries 10
LoginGraceTime 0
LogLevel QUIET
UsePAM no
"""
_KEYS = {
    "/usr/sbin/sshd": "",
    "/run/sshd.pid": "700\n",
    "/home/alice/.ssh/authorized_keys": "ssh-ed25519 AAAA alice\n",
    "/etc/ssh/ssh_host_rsa_key": "",
    "/etc/ssh/ssh_host_rsa_key.pub": RSA_2048,
    "/etc/ssh/ssh_host_ed25519_key": "",
    "/etc/ssh/ssh_host_ed25519_key.pub": ED25519,
}
# As cloud images have it: a drop-in, and a main file whose lines come too late.
DEBIAN = {
    **_KEYS,
    MAIN: f"Include {FOLDER}/*.conf\n{WEAK}Subsystem\tsftp\t/usr/lib/openssh/sftp-server\nProtocol 2\n",
    f"{FOLDER}/50-cloud-init.conf": "PasswordAuthentication yes\nKbdInteractiveAuthentication yes\n",
}
# No Include at all: an old file that was carried along, edited over the years.
OLD = {
    MAIN: "# sshd\n" + WEAK.replace("PubkeyAuthentication yes", "PubkeyAuthentication no")
    + "#MaxSessions 10\n#ClientAliveInterval 0\nAllowTcpForwarding yes\n"
    + "".join(f"{KEYWORDS[name].name} {value}\n" for name, value in LISTS.items()),
    f"{FOLDER}/50-cloud-init.conf": "",
}  # fmt: skip
# Red Hat's: the algorithms come from the policy of the whole system.
RHEL = {
    **_KEYS,
    MAIN: f"Include {FOLDER}/*.conf\nAuthorizedKeysFile .ssh/authorized_keys\n{WEAK}",
    f"{FOLDER}/50-redhat.conf": "Include /etc/crypto-policies/back-ends/opensshserver.config\n"
    "SyslogFacility AUTHPRIV\nX11Forwarding yes\n",
    "/etc/crypto-policies/back-ends/opensshserver.config": "".join(
        f"{KEYWORDS[name].name} {value}\n" for name, value in LISTS.items()
    ),
}


def said(read: config.Config, who: Connection) -> Output:
    """What ``sshd -T`` prints of a configuration that was read, with our lists of algorithms."""
    lines = []
    for name in KEYWORDS:
        outcome = read.effective(name, who)
        values = outcome.values if outcome.values is not None else (LISTS[name],) if name in LISTS else ()
        lines += [f"{name} {value}" for value in values]
    return Output("".join(f"{line}\n" for line in lines))
