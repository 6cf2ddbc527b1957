"""A host that answers from dictionaries: an implementation of snapshot.Host, of which every fact is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from hardentui.resources.families import SERVICES
from hardentui.resources.sshd import config, questions
from hardentui.snapshot import (
    Account,
    Accounts,
    BootId,
    Clock,
    Command,
    Confinement,
    Connections,
    ControlGroups,
    Denials,
    Distribution,
    DistributionIs,
    Entry,
    File,
    FileLabel,
    FileSurvey,
    Folder,
    Group,
    Groups,
    Interface,
    Interfaces,
    Kernel,
    KernelFile,
    KernelIs,
    KernelOption,
    Kind,
    LastLogins,
    Link,
    LogFiles,
    Logins,
    LogTree,
    Mount,
    Mounts,
    NisEntries,
    OpeningsOf,
    Output,
    Package,
    Packages,
    Passwords,
    PolicyIs,
    Privileges,
    PrivilegesAre,
    Process,
    Processes,
    Question,
    Reason,
    SandboxSettings,
    Search,
    Snapshot,
    Socket,
    Sockets,
    SpaceUsed,
    Stat,
    Status,
    Unit,
    UnitFile,
    UnitFiles,
    Units,
    Unread,
    Updates,
    Usage,
    UseOf,
    WrongLabels,
)

from . import audit, journals, mac, ssh, syslogs, users

NOW = 1_795_245_751.0  # 2026-11-21T07:22:31Z

_PACKAGES = tuple(Package(name, "1") for name in ("base-files", "bash", "unattended-upgrades"))
DEBIAN = Distribution("debian", "Debian GNU/Linux 12 (bookworm)", "12", "bookworm", "debian", "")
ALMA = Distribution("almalinux", "AlmaLinux 9.4", "9.4", "Seafoam Ocelot", "rhel", "2032-06-01")


class DictHost:
    """A host made of dictionaries. A value that is an ``Unread`` is the answer itself."""

    def __init__(
        self,
        files: Mapping[str, str | Unread] | None = None,
        links: Mapping[str, str] | None = None,
        kernel: Mapping[str, str | Unread] | None = None,
        mounts: tuple[Mount, ...] | Unread = (),
        **others: Any,
    ) -> None:
        self.name = others.pop("name", "live")
        self.label = "a host in memory"
        self.files = dict(files or {})
        self.links = dict(links or {})
        self.kernel = dict(kernel or {})
        self.folders: set[str] = set(others.pop("folders", ()))
        self.asked: list[Question[Any]] = []
        self.stats: dict[str, Status] = others.pop("stats", {})
        self.packages = others.pop("packages", _PACKAGES)
        self.answers: dict[type[Question[Any]], Any] = {
            Mounts: mounts,
            Sockets: others.pop("sockets", ()),
            Connections: others.pop("connections", ()),
            Processes: others.pop("processes", ()),
            Confinement: others.pop("confinement", ()),
            Denials: others.pop("denials", ()),
            WrongLabels: Unread(Reason.ON_DEMAND),
            SandboxSettings: others.pop("sandbox_settings", ()),
            ControlGroups: others.pop("control_groups", ()),
            Interfaces: others.pop("interfaces", ()),
            Accounts: others.pop("accounts", (Account("root", 0, 0, "/root", "/bin/bash"),)),
            Passwords: others.pop("passwords", ()),
            NisEntries: others.pop("nis_entries", ()),
            LastLogins: others.pop("last_logins", ()),
            Logins: others.pop("logins", ()),
            Groups: others.pop("groups", (Group("root", 0, ()), Group("adm", 4, ()))),
            DistributionIs: others.pop("distribution", DEBIAN),
            PrivilegesAre: Privileges(0, "root", ""),
            KernelIs: Kernel("web01", others.pop("release", "6.1.0-28-amd64"), "x86_64"),
            Updates: others.pop("updates", ()),
            Units: others.pop("units", ()),
            UnitFiles: others.pop("unit_files", ()),
            LogFiles: others.pop("logs", LogTree(())),
            FileSurvey: others.pop("survey", Unread(Reason.ON_DEMAND)),
            Clock: NOW,
            BootId: "b0071d",
        }
        self.uses: Mapping[str, Any] = others.pop("uses", {})
        # Answers to single questions, before all others: labels and policies that no dictionary here holds.
        self.given: dict[Question[Any], Any] = {}
        self.commands: dict[tuple[str, ...], Any] = others.pop("commands", {})
        assert not others, others

    def answer(self, question: Question[Any]) -> tuple[Any, float]:
        self.asked.append(question)
        if question in self.given:
            return self.given[question], NOW
        return self._answer(question), NOW

    def _answer(self, question: Question[Any]) -> Any:  # noqa: C901, PLR0912 - one case for each question
        match question:
            case File(path):
                return self._file(path)
            case KernelFile(path):
                return self.kernel.get(path, self.files.get(path, Unread(Reason.MISSING)))
            case Folder(path):
                return self._folder(path)
            case Link(path):
                if path in self.links:
                    return self.links[path]
                return Unread(Reason.FAILED if self._kind(path) else Reason.MISSING)
            case Stat(path):
                return self._stat(path)
            case SpaceUsed(path):
                return Usage(41, 7, 1 << 30, 600 << 20) if path.startswith("/") else Unread(Reason.MISSING)
            case Command(argv):
                return self.commands.get(argv, Unread(Reason.UNSUPPORTED, f"{argv[0]} is not installed"))
            case Search():
                return ()
            case FileLabel() | PolicyIs():
                return Unread(Reason.MISSING)
            case KernelOption(name):
                lines = str(self.files.get("/boot/config-6.1.0-28-amd64", "")).splitlines()
                options = dict(line.split("=", 1) for line in lines)
                return options.get(name, "n") if options else Unread(Reason.MISSING)
            case Packages():
                return self.packages
            case OpeningsOf(path):
                return self.given.get(question, Unread(Reason.MISSING, path))
            case UseOf(unit):
                return self.uses.get(unit, Unread(Reason.MISSING, unit))
            case _:
                return self.answers[type(question)]

    def _file(self, path: str) -> str | Unread:
        for _hop in range(8):
            if path not in self.links:
                break
            path = _joined(path, self.links[path])
        if path == "/dev/null":
            return Unread(Reason.FAILED, "not a regular file")
        if path in self.files:
            return self.files[path]
        return Unread(Reason.MISSING if self._kind(path) is None else Reason.FAILED)

    def _paths(self) -> Iterable[str]:
        yield from self.files
        yield from self.links
        yield from self.kernel
        for folder in self.folders:
            yield f"{folder}/"

    def _folder(self, path: str) -> tuple[Entry, ...] | Unread:
        start = path.rstrip("/") + "/"
        names = {known[len(start) :].partition("/")[0] for known in self._paths() if known.startswith(start)}
        if not names:
            return Unread(Reason.MISSING)
        found = [Entry(name, self._kind(start + name) or Kind.FILE) for name in names if name]
        return tuple(sorted(found, key=lambda entry: entry.name))

    def _kind(self, path: str) -> Kind | None:
        if path in self.links:
            return Kind.LINK
        if path in self.files or path in self.kernel:
            return Kind.FILE
        if any(known.startswith(path.rstrip("/") + "/") for known in self._paths()):
            return Kind.FOLDER
        return None

    def _stat(self, path: str) -> Status | Unread:
        if path in self.stats:
            return self.stats[path]
        kind = self._kind(path)
        if kind is None:
            return Unread(Reason.MISSING)
        mode, day = 0o755 if kind is Kind.FOLDER else 0o644, NOW - 86400
        return Status(kind, mode, 0, 0, "root", "root", 4096, "8:1", day, day)


def _joined(link: str, target: str) -> str:
    done = [] if target.startswith("/") else link.split("/")[1:-1]
    for part in target.split("/"):
        if part == "..":
            done = done[:-1]
        elif part not in {"", "."}:
            done.append(part)
    return "/" + "/".join(done)


def snapshot(host: DictHost) -> Snapshot:
    return Snapshot(host)


def status(mode: int, user: str = "root", group: str = "root", kind: Kind = Kind.FILE) -> Status:
    return Status(kind, mode, 0 if user == "root" else 1000, 0, user, group, 4096, "8:1")


# --- synthetic hosts ------------------------------------------------------------------------------

# What kernel 6.1 starts with, and what makes a server of it that nobody hardened.
KEYS = {
    "fs/protected_fifos": "1",
    "fs/protected_hardlinks": "0",
    "fs/protected_regular": "1",
    "fs/protected_symlinks": "0",
    "fs/suid_dumpable": "2",
    "kernel/dmesg_restrict": "0",
    "kernel/kexec_load_disabled": "0",
    "kernel/kptr_restrict": "0",
    "kernel/modules_disabled": "0",
    "kernel/panic_on_oops": "0",
    "kernel/perf_cpu_time_max_percent": "25",
    "kernel/perf_event_max_sample_rate": "100000",
    "kernel/perf_event_paranoid": "1",
    "kernel/pid_max": "32768",
    "kernel/randomize_va_space": "1",
    "kernel/sysrq": "438",
    "kernel/unprivileged_bpf_disabled": "2",
    "kernel/yama/ptrace_scope": "0",
    "net/core/bpf_jit_harden": "0",
    "net/ipv4/icmp_echo_ignore_broadcasts": "0",
    "net/ipv4/icmp_ignore_bogus_error_responses": "0",
    "net/ipv4/ip_forward": "1",
    "net/ipv4/ip_local_port_range": "32768\t60999",
    "net/ipv4/ip_local_reserved_ports": "",
    "net/ipv4/tcp_rfc1337": "0",
    "net/ipv4/tcp_syncookies": "0",
    "vm/mmap_min_addr": "4096",
}
IPV4 = {
    "accept_local": "1",
    "accept_redirects": "1",
    "accept_source_route": "1",
    "arp_filter": "0",
    "arp_ignore": "0",
    "drop_gratuitous_arp": "0",
    "forwarding": "1",
    "log_martians": "0",
    "route_localnet": "1",
    "rp_filter": "2",
    "secure_redirects": "1",
    "send_redirects": "1",
    "shared_media": "1",
}
IPV6 = {
    "accept_ra_defrtr": "1",
    "accept_ra_pinfo": "1",
    "accept_ra_rtr_pref": "1",
    "accept_redirects": "1",
    "accept_source_route": "1",
    "autoconf": "1",
    "disable_ipv6": "0",
    "forwarding": "1",
    "max_addresses": "16",
    "router_solicitations": "-1",
}
# sshd read its files an hour ago, a day after the last change; one key is open to a group.
SSH_STATS = {
    "/run/sshd.pid": Status(Kind.FILE, 0o644, 0, 0, "root", "root", 4, "8:1", NOW - 3600, NOW - 3600),
    "/etc/ssh/ssh_host_rsa_key": Status(Kind.FILE, 0o640, 0, 0, "root", "adm", 2590, "8:1"),
    "/etc/ssh/ssh_host_ed25519_key": Status(Kind.FILE, 0o600, 0, 0, "root", "root", 399, "8:1"),
}
# Sensitive files, each more open than it should be.
LOOSE = {
    "/etc/shadow": status(0o644, group="shadow"),
    "/etc/passwd": status(0o666),
    "/etc/sudoers": status(0o644),  # with another owner sudo would not read it
    "/etc/crontab": status(0o644, "alice"),
    "/root": status(0o755, kind=Kind.FOLDER),
    "/etc/crypttab": status(0o644),
    "/var/lib/rabbitmq/.erlang.cookie": status(0o644, "rabbitmq", group="rabbitmq"),
    "/etc/pam.d": status(0o777, kind=Kind.FOLDER),
}
# Everything that a server seldom needs is on; a few of them under the names of Debian.
SERVICE_UNITS = tuple(name for names in SERVICES.values() for name in names)
FSTAB = """\
# /etc/fstab: static file system information.
UUID=0a1b /               ext4  errors=remount-ro  0 1
UUID=0a2b /boot           ext4  defaults           0 2
UUID=0a3b /home           ext4  defaults           0 2
UUID=0a4b /var            ext4  defaults           0 2
UUID=0a5b /var/log        ext4  defaults,relatime  0 2
UUID=0a6b /var/tmp        ext4  rw,exec            0 2
UUID=0a7b /opt\text4\tdefaults\t0 2
UUID=0a8b /srv            ext4  defaults           0 2
UUID=0a9b /usr            ext4  defaults           0 2
UUID=0aab /var/log/audit  ext4  defaults           0 2
UUID=0abb none            swap  sw                 0 0
"""
TMP_UNIT = """\
[Unit]
Description=Temporary Directory /tmp
[Mount]
What=tmpfs
Where=/tmp
Type=tmpfs
Options=mode=1777,strictatime,nosuid,nodev,size=50%%,nr_inodes=1m
[Install]
WantedBy=local-fs.target
"""


def mount(
    path: str, number: int, options: str = "rw,relatime", fstype: str = "ext4", whole: str = "rw"
) -> Mount:
    source = f"/dev/sda{number}" if fstype == "ext4" else fstype
    return Mount(
        20 + number, 1 if path == "/" else 21, f"8:{number}", "/", path, options, fstype, source, whole
    )


def mounts() -> tuple[Mount, ...]:
    paths = ("/", "/boot", "/home", "/var", "/var/log", "/var/tmp", "/opt", "/srv", "/usr", "/var/log/audit")
    return (
        *(mount(path, number) for number, path in enumerate(paths, 1)),
        mount("/proc", 30, "rw,nosuid,nodev,noexec,relatime", "proc"),
        mount("/tmp", 31, "rw,nosuid,nodev", "tmpfs", "rw,size=1024k"),
        mount("/dev/shm", 32, "rw,nosuid,nodev", "tmpfs"),
    )


def kernel(interfaces: Iterable[str] = ("lo", "eth0")) -> dict[str, str | Unread]:
    parts = ("all", "default", *interfaces)
    values = {f"/proc/sys/{key}": value for key, value in KEYS.items()}
    values |= {f"/proc/sys/net/ipv4/conf/{part}/{leaf}": v for part in parts for leaf, v in IPV4.items()}
    values |= {f"/proc/sys/net/ipv6/conf/{part}/{leaf}": v for part in parts for leaf, v in IPV6.items()}
    values["/proc/cmdline"] = "BOOT_IMAGE=/vmlinuz root=UUID=0a1b ro quiet"
    values["/proc/loadavg"] = "0.00 0.01 0.05 1/200 4242"
    return values


def server(interfaces: Iterable[str] = ("lo", "eth0"), **changes: Any) -> DictHost:
    """A Debian-like server: separate file systems, /tmp from a unit, nothing hardened."""
    files: dict[str, str | Unread] = {
        "/etc/fstab": FSTAB,
        "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
        "/etc/sysctl.conf": "# nothing is set here\n",
        "/etc/systemd/system/tmp.mount": TMP_UNIT,
        "/usr/lib/sysctl.d/50-pid-max.conf": "kernel.pid_max = 4194304\n",
        "/usr/lib/sysctl.d/99-protect-links.conf": "fs.protected_fifos = 1\nfs.protected_hardlinks = 1\n",
        "/usr/lib/systemd/system/systemd-logind.service": "[Service]\n",
        "/usr/lib/tmpfiles.d/tmp.conf": "q /tmp 1777 root root -\n",
        "/boot/config-6.1.0-28-amd64": "CONFIG_DEFAULT_MMAP_MIN_ADDR=65536\n"
        "CONFIG_BPF_UNPRIV_DEFAULT_OFF=y\n",
        "/boot/grub/grub.cfg": "menuentry\n",
        "/var/lib/dpkg/status": "Package: base\nStatus: install ok installed\n",
        "/var/lib/dpkg/info/base.list": "/\n",
        "/var/cache/debconf/config.dat": "",
        **users.DEBIAN,
        **ssh.DEBIAN,
        **changes.pop("files", {}),
    }
    links = {
        "/etc/sysctl.d/99-sysctl.conf": "../sysctl.conf",
        "/etc/systemd/system/local-fs.target.wants/tmp.mount": "/etc/systemd/system/tmp.mount",
        "/etc/systemd/system/timers.target.wants/apt-daily.timer": "/lib/systemd/system/apt-daily.timer",
        "/etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer": "/lib/systemd/system/x.timer",
        **changes.pop("links", {}),
    }
    facts = {
        "kernel": kernel(interfaces),
        "mounts": mounts(),
        "interfaces": tuple(Interface(name, ()) for name in interfaces),
        "stats": {**LOOSE, **SSH_STATS},
        "sockets": (Socket("tcp", "0.0.0.0", 40000, "thing"), Socket("tcp", "0.0.0.0", 22, "sshd")),
        "units": tuple(Unit(name, "loaded", "active") for name in SERVICE_UNITS),
        "unit_files": tuple(UnitFile(name, "enabled") for name in SERVICE_UNITS),
        "processes": (Process(1, "systemd", "root", "/usr/lib/systemd/systemd", "init.scope"), ssh.DAEMON),
        "accounts": users.PEOPLE,
        "groups": users.GROUPS,
        "passwords": users.PASSWORDS,
        "last_logins": users.last_logins(NOW),
        "logins": users.logins(NOW),
    }
    alone = {question: changes.pop(name) for name, question in _ALONE.items() if name in changes}
    host = mac.with_apparmor(with_sshd(DictHost(files, links, **{**facts, **changes})))
    host = journals.with_logs(host, NOW)
    host = with_nft(audit.with_audit(syslogs.with_rsyslog(host, NOW)))
    host.answers |= alone
    return host


# What a test gives of these is all that there is: no daemon of ours is added to it.
_ALONE: dict[str, type[Question[Any]]] = {"units": Units, "unit_files": UnitFiles, "processes": Processes}


def two_interfaces() -> DictHost:
    """One interface has a dot in its name (a VLAN), and a file names it; stores of data listen on both."""
    rival = "net/ipv4/conf/eth0.100/rp_filter = 2\nnet.ipv4.conf.eth0/100.log_martians = 0\n"
    host = server(("lo", "eth0", "eth0.100"), files={"/etc/sysctl.d/20-vlan.conf": rival, **STORES})
    stores = (
        ("redis-server", 6379),
        ("rabbitmq-server", 5672),
        ("mongod", 27017),
        ("postgresql@15-main", 5432),
    )
    for unit, port in stores:
        host.answers[Sockets] = (*host.answers[Sockets], Socket("tcp", "0.0.0.0", port, unit))
        host.answers[UnitFiles] = (*host.answers[UnitFiles], UnitFile(f"{unit}.service", "enabled"))
    return journals.with_client(host, "timesyncd", NOW)


# Stores of data that listen to the whole network.
STORES = {
    "/etc/redis/redis.conf": "port 6379\nbind 0.0.0.0 -::\n",
    "/etc/rabbitmq/rabbitmq.conf": "# listeners.tcp.default = 127.0.0.1:5672\nloopback_users.guest = true\n",
    "/etc/mongod.conf": "storage:\n  dbPath: /var/lib/mongodb\nnet:\n  port: 27017\n  bindIp: 0.0.0.0\n",
    "/etc/postgresql/15/main/postgresql.conf": "data_directory = '/var/lib/postgresql/15/main'\n"
    "#listen_addresses = 'localhost'\nlisten_addresses = '*'\t# for all\ninclude_dir = 'conf.d'\n",
    "/etc/postgresql/15/main/conf.d/none.txt": "",
}


def rivals() -> DictHost:
    """Others set what we set, in files that sort after ours, and in /etc/sysctl.conf."""
    weak = "".join(
        f"{key.replace('/', '.')} = {value.replace(chr(9), ' ')}\n" for key, value in KEYS.items() if value
    )
    faces = (
        "net.ipv4.conf.all.rp_filter = 2\nnet.ipv4.conf.*.send_redirects = 1\n"
        "net.ipv6.conf.eth0.accept_redirects = 1\n-net.ipv4.conf.eth0.log_martians = 0\n"
    )
    conf = "# local\nnet.ipv4.ip_forward=1\nkernel.sysrq = 438\n  kernel.kptr_restrict =   0\n"
    host = server(
        files={
            "/etc/sysctl.d/99-zzz-tuning.conf": weak + faces,
            "/usr/lib/sysctl.d/zz-vendor.conf": weak + faces,
            "/etc/sysctl.conf": conf,
            **users.RIVALS,
            **ssh.OLD,
            **journals.RIVALS,
        }
    )
    audit.silenced(host)
    host.files[f"{syslogs.FOLDER}/10-old.conf"] = syslogs.CLEAR
    host.files[f"{syslogs.FOLDER}/20-ufw.conf"] = syslogs.UFW
    host = journals.with_client(host, "chrony", NOW)
    return mac.with_selinux(host, "disabled")


def rhel() -> DictHost:
    """RHEL-like: no dpkg, tmp.mount shipped and off, no /etc/sysctl.conf, systemd's 50-default.conf."""
    host = server(
        distribution=ALMA,
        release="5.14.0-427.el9.x86_64",
        mounts=tuple(m for m in mounts() if m.path != "/tmp"),
        groups=(Group("root", 0, ()), Group("proc", 988, ())),
    )
    for path in ("/var/lib/dpkg/status", "/var/lib/dpkg/info/base.list", "/var/cache/debconf/config.dat"):
        del host.files[path]
    for path in users.DEBIAN:
        del host.files[path]
    host.files |= {**users.RHEL, **ssh.RHEL}
    del host.files[f"{ssh.FOLDER}/50-cloud-init.conf"]
    host.commands = {}
    host.files |= {syslogs.MAIN: syslogs.RHEL, "/var/log/messages": ""}
    host.stats["/var/log/messages"] = syslogs.status(0o644, "root", NOW - 86400)
    syslogs.certified(host, NOW)
    del host.files["/etc/sysctl.conf"], host.files["/etc/systemd/system/tmp.mount"]
    host.links = {"/etc/sysctl.d/99-sysctl.conf": "../sysctl.conf"}
    host.files["/usr/lib/systemd/system/tmp.mount"] = TMP_UNIT
    host.kernel["/proc/sys/kernel/unprivileged_bpf_disabled"] = "0"
    host.files["/usr/lib/sysctl.d/50-default.conf"] = (
        "kernel.sysrq = 16\nnet.ipv4.conf.default.rp_filter = 2\nnet.ipv4.conf.*.rp_filter = 2\n"
        "-net.ipv4.conf.all.rp_filter\nnet.ipv4.conf.*.accept_source_route = 0\n"
        "-net.ipv4.conf.all.accept_source_route\nfs.protected_hardlinks = 1\n"
    )
    del host.files["/boot/grub/grub.cfg"]
    for path in mac.PROFILES:
        del host.files[path]
    audit.deaf(host)
    host.files["/etc/chrony.conf"] = journals.RHEL_CHRONY
    host = journals.with_client(host, "chrony", NOW)
    return with_nft(mac.with_selinux(host, "permissive", "/boot/grub2/grub.cfg"))


def with_sshd(host: DictHost) -> DictHost:
    """The host with what its sshd says of its files."""
    read = config.read(Snapshot(host))
    for question, connection in questions.asked(Snapshot(host), read):
        host.commands[question.argv] = ssh.said(read, connection)
    host.asked.clear()  # that was us, not what is tested
    return host


def with_nft(host: DictHost) -> DictHost:
    """The host with nftables installed; it has loaded nothing unless the host says so."""
    host.stats = {"/usr/sbin/nft": status(0o755), **host.stats}
    host.commands.setdefault(("nft", "--json", "list", "ruleset"), Output('{"nftables": []}'))
    return host


def with_kernel(host: DictHost, values: Mapping[str, str | Unread | None]) -> DictHost:
    """The host with other kernel values, by path below /proc/sys; None takes the key away."""
    for key, value in values.items():
        if value is None:
            host.kernel.pop(f"/proc/sys/{key}", None)
        else:
            host.kernel[f"/proc/sys/{key}"] = value
    return host


def with_mount(host: DictHost, path: str, **changes: Any) -> DictHost:
    """The host with one mount shown otherwise."""
    seen = host.answers[Mounts]
    host.answers[Mounts] = tuple(dataclasses.replace(m, **changes) if m.path == path else m for m in seen)
    return host
