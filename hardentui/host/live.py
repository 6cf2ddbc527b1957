"""The live system: the one module that asks the running host. It reads, and writes nothing."""

from __future__ import annotations

import dataclasses
import gzip
import ipaddress
import os
import re
import signal
import subprocess
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from hardentui.host import (
    cgroups,
    confinement,
    files,
    logins,
    logs,
    openings,
    packages,
    passwords,
    processes,
    search,
    selinux,
    services,
    tail,
    units,
)
from hardentui.host.distribution import read_distribution
from hardentui.host.filesystems import is_remote
from hardentui.i18n import N_
from hardentui.snapshot import (
    NOT_INSTALLED,
    Account,
    Accounts,
    BootId,
    Clock,
    Command,
    Confinement,
    Connection,
    Connections,
    ControlGroups,
    Denials,
    DistributionIs,
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
    LastLogins,
    LeftOut,
    Link,
    LogFiles,
    Logins,
    LogTree,
    Mount,
    Mounts,
    NisEntries,
    OpeningsOf,
    Output,
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
    SlowCommand,
    Socket,
    Sockets,
    SpaceUsed,
    Stat,
    UnitFiles,
    Units,
    Unread,
    Updates,
    UseOf,
    WrongLabels,
)

T = TypeVar("T")

COMMAND_SECONDS = 20.0  # an emulated or busy machine needs more than ten to list its units
SLOW_SECONDS = 30.0
PACKAGES_SECONDS = 60.0
OUTPUT_LIMIT = 8 * 1024 * 1024  # bytes

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
DPKG_FOLDER = "/var/lib/dpkg"
DPKG = f"{DPKG_FOLDER}/status"
_OPTION = re.compile(r"^(CONFIG_\w+)=(.*)$", re.MULTILINE)
# Below slices the first group is a unit; what stands lower is its own affair. "_" is systemd's escape.
_UNIT = re.compile(r"(?:/[^/]+\.slice)*/_?([^/]+\.(?:service|scope|socket|mount|swap))(?:/.*)?", re.DOTALL)


class LiveHost:
    """This host, now."""

    name = "live"
    label = "this host"

    def __init__(self) -> None:
        self._searches: set[subprocess.Popen[bytes]] = set()
        self._mounts = read_mounts()
        network = self._mounts if not isinstance(self._mounts, Unread) else ()
        # A dead server holds whoever touches its mount, and autofs mounts it then: they are never entered.
        self._network = tuple(
            m.path.rstrip("/") + "/" for m in network if is_remote(m.fstype) or m.fstype == "autofs"
        )
        self._doors: dict[type[Question[Any]], Callable[[Any], Any]] = {
            File: lambda q: self._at(q.path, files.read_text),
            KernelFile: lambda q: _without_newline(files.read_text(q.path)),
            Folder: lambda q: self._at(q.path, files.read_folder),
            Link: lambda q: self._at(q.path, files.read_link),
            Stat: lambda q: self._at(q.path, files.read_status),
            SpaceUsed: lambda q: self._at(q.path, files.read_usage),
            Command: lambda q: _command(q, COMMAND_SECONDS),
            SlowCommand: lambda q: _command(q, SLOW_SECONDS),
            FileSurvey: lambda _: self.walk().result(),
            LogFiles: lambda q: self._logs(q.below),
            Mounts: lambda _: read_mounts(),
            Sockets: lambda _: _sockets(),
            Connections: lambda _: _connections(),
            Units: lambda _: units.loaded(briefly, booted=_booted()),
            UnitFiles: lambda _: units.files(briefly, "/"),
            SandboxSettings: lambda _: services.settings(briefly, booted=_booted()),
            OpeningsOf: lambda q: self._at(q.path, lambda path: openings.read(path, self._network)),
            UseOf: lambda q: services.use(q.unit, _unit_of),
            Processes: lambda _: _processes(),
            Confinement: lambda _: confinement.read(_unit_of),
            FileLabel: lambda q: self._at(q.path, selinux.read_label),
            PolicyIs: lambda q: self._at(q.path, selinux.read_policy),
            Denials: lambda _: selinux.read_denials(briefly),
            WrongLabels: lambda _: selinux.wrong_labels(self._searched),
            ControlGroups: lambda _: cgroups.read(read_mounts()),
            Interfaces: lambda _: _interfaces(),
            Accounts: lambda _: accounts(files.read_text("/etc/passwd")),
            Groups: lambda _: groups(files.read_text("/etc/group")),
            Passwords: lambda _: passwords.read(files.read_text),
            NisEntries: lambda _: passwords.nis_entries(files.read_text),
            LastLogins: lambda _: logins.last_logins(str, accounts(files.read_text("/etc/passwd"))),
            Logins: lambda _: logins.logins(str),
            Packages: lambda _: packages.installed(files.read_text, self._listed),
            Updates: lambda _: packages.updates(self._listed),
            DistributionIs: lambda _: read_distribution(),
            PrivilegesAre: lambda _: _privileges(),
            KernelIs: lambda _: Kernel(os.uname().nodename, os.uname().release, os.uname().machine),
            KernelOption: lambda q: _kernel_option(q.name),
            Clock: lambda _: time.time(),
            BootId: lambda _: _without_newline(files.read_text("/proc/sys/kernel/random/boot_id")),
        }

    def answer(self, question: Question[T]) -> tuple[T | Unread, float]:
        """See snapshot.Host."""
        at = time.time()
        return cast("T | Unread", self._doors[type(question)](question)), at

    def stop_search(self) -> None:
        """End the search that is being made, from another thread; its answer is FAILED then."""
        for child in tuple(self._searches):
            child.kill()

    def _at(self, path: str, read: Callable[[str], Any]) -> Any:
        if self._network and self._is_on_network(path):
            return Unread(Reason.UNSUPPORTED, N_("on a network file system, which is not entered"))
        return read(path)

    def _is_on_network(self, path: str) -> bool:
        # Links are followed by name, without touching where they lead.
        for _hop in range(8):
            if any((path + "/").startswith(prefix) for prefix in self._network):
                return True
            target = files.read_link(path)
            if isinstance(target, Unread):
                return False
            path = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120 - no look-up
        return True

    def _listed(self, argv: tuple[str, ...]) -> str | Unread:
        return _run(argv, PACKAGES_SECONDS, children=self._searches)

    def _logs(self, below: tuple[str, ...]) -> LogTree | Unread:
        mounts = read_mounts()
        if isinstance(mounts, Unread):
            return mounts
        far = tuple(path for path in below if self._is_on_network(path))
        tree = logs.read([os.path.realpath(path) for path in below if path not in far], mounts)
        left_out = (*(LeftOut(path, search.NETWORK) for path in far), *tree.left_out)
        return replace(tree, left_out=left_out)

    def _searched(self, argv: tuple[str, ...]) -> str | Unread:
        return _run(argv, search.SECONDS, children=self._searches)

    def tail(self) -> tail.Tail:
        """What this host writes down from now on (see hardentui.host.tail)."""
        return tail.Tail()

    def walk(self) -> search.Walk:
        """A walk over the files of this host, to be started apart (see hardentui.host.search)."""
        return search.Walk(read_mounts(), dpkg=DPKG_FOLDER if Path(DPKG).is_file() else "")


def _booted() -> bool:
    """Whether systemd is the first process here."""
    return Path("/run/systemd/system").is_dir()


def _without_newline(text: str | Unread) -> str | Unread:
    return text if isinstance(text, Unread) else text.rstrip("\n")


def _command(question: Command, seconds: float) -> Output | Unread:
    if question.needs_root and os.geteuid() != 0:
        return Unread(Reason.DENIED, N_("needs root"))
    output = _run(question.argv, seconds)
    return output if isinstance(output, Unread) else Output(output)


def _run(
    argv: tuple[str, ...],
    seconds: float,
    accept: tuple[int, ...] = (0,),
    children: set[subprocess.Popen[bytes]] | None = None,
) -> str | Unread:
    """What a program prints; while it runs it stands among ``children``."""
    children = set() if children is None else children
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except FileNotFoundError:
        return Unread(Reason.UNSUPPORTED, f"{argv[0]}{NOT_INSTALLED}")
    except OSError as error:
        return files.unread(error)
    children.add(child)
    with child:
        try:
            out, err = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return Unread(Reason.TIMED_OUT, f"{argv[0]}, after {seconds:.0f} s")
        finally:
            children.discard(child)
    if child.returncode not in accept:
        lines = err.decode("utf-8", "replace").strip().splitlines()
        return Unread(Reason.FAILED, f"{argv[0]} ended with {child.returncode}: {lines[-1] if lines else ''}")
    if len(out) > OUTPUT_LIMIT:
        return Unread(Reason.TOO_LARGE, f"{len(out)} bytes from {argv[0]}")
    return out.decode("utf-8", "surrogateescape")


def read_mounts() -> tuple[Mount, ...] | Unread:
    """The mounts of our own mount namespace. psutil's list lacks ids, roots and the mount's own flags."""
    text = files.read_text("/proc/self/mountinfo")
    return text if isinstance(text, Unread) else parse_mountinfo(text)


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """The lines of mountinfo (proc(5)); a line that is not of that form is left out."""
    mounts = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        first, last = left.split(" "), right.split(" ")
        if len(first) < 6 or len(last) < 3:  # noqa: PLR2004 - the fields of proc(5)
            continue
        if not (first[0].isdecimal() and first[1].isdecimal()):
            continue
        mounts.append(
            Mount(
                id=int(first[0]),
                parent=int(first[1]),
                device=first[2],
                root=unescape(first[3]),
                path=unescape(first[4]),
                options=first[5],
                fstype=last[0],
                source=unescape(last[1]),
                super_options=last[2],
            )
        )
    return tuple(mounts)


def unescape(text: str) -> str:
    """Undo the octal escapes of mountinfo and fstab."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _sockets() -> tuple[Socket, ...] | Unread:
    import psutil  # noqa: PLC0415 - 20 ms that --version need not spend

    listening = []
    try:
        for seen in psutil.net_connections(kind="inet"):
            is_tcp = seen.type == 1
            if (
                (is_tcp and seen.status != psutil.CONN_LISTEN)
                or (not is_tcp and seen.raddr)
                or not seen.laddr
            ):
                continue
            protocol = ("tcp" if is_tcp else "udp") + ("6" if seen.family == 10 else "")  # noqa: PLR2004 - AF_INET6
            # psutil names one of the processes that share a socket: the last, a worker.
            pid = processes.first_holder(seen.pid, seen.fd) if seen.pid else None
            listening.append(_socket(protocol, seen.laddr.ip, seen.laddr.port, pid))
        for seen in psutil.net_connections(kind="unix"):
            path = str(seen.laddr)
            if path.startswith("/"):
                listening.append(_socket("unix", path, 0, seen.pid))
    except psutil.AccessDenied as error:
        return Unread(Reason.DENIED, str(error))
    except (psutil.Error, OSError) as error:
        return Unread(Reason.FAILED, str(error))
    # Of processes of one name that share a socket, the first speaks for all.
    first: dict[tuple[str, str, int, str], Socket] = {}
    for one in sorted(listening, key=lambda one: one.pid):
        first.setdefault((one.protocol, one.address, one.port, one.process), one)
    return tuple(first.values())


def _connections() -> tuple[Connection, ...] | Unread:
    import psutil  # noqa: PLC0415 - see _sockets

    found = []
    try:
        seen = psutil.net_connections(kind="inet")
    except psutil.AccessDenied as error:
        return Unread(Reason.DENIED, str(error))
    except (psutil.Error, OSError) as error:
        return Unread(Reason.FAILED, str(error))
    names: dict[int | None, tuple[str, str]] = {}
    for one in seen:
        if not one.laddr or not one.raddr or (one.type == 1 and one.status != psutil.CONN_ESTABLISHED):
            continue
        local, peer = (ipaddress.ip_address(end.ip.partition("%")[0]) for end in (one.laddr, one.raddr))
        local, peer = (getattr(end, "ipv4_mapped", None) or end for end in (local, peer))
        if peer.is_loopback or peer == local:
            continue  # it never leaves this machine
        if one.pid not in names:
            names[one.pid] = (_process_name(one.pid), _unit(one.pid))
        protocol = "tcp" if one.type == 1 else "udp"
        process, unit = names[one.pid]
        found.append(
            Connection(
                protocol, str(local), one.laddr.port, str(peer), one.raddr.port, process, one.pid or 0, unit
            )
        )
    return tuple(sorted(found, key=dataclasses.astuple))


def _socket(protocol: str, address: str, port: int, pid: int | None) -> Socket:
    uid = processes.standing(pid)["effective_uid"] if pid else -1
    user = files.user_name(uid) if uid >= 0 else ""
    return Socket(protocol, address, port, _process_name(pid), pid or 0, user, _unit(pid))


def _unit(pid: int | None) -> str:
    """The systemd unit of a process; "" where none is seen."""
    group = files.read_text(f"/proc/{pid}/cgroup") if pid else ""
    return _unit_of(group) if isinstance(group, str) else ""


def _unit_of(text: str) -> str:
    """The systemd unit that the text of /proc/PID/cgroup names; a unit inside a container is none of ours."""
    unit = _UNIT.fullmatch(processes.control_group(text).removeprefix(_tree()))
    return unit[1] if unit else ""


@cache
def _tree() -> str:
    """The control group in which systemd keeps all of its own: not the root in some containers."""
    text = files.read_text("/proc/1/cgroup")
    first = processes.control_group(text) if isinstance(text, str) else ""
    return first.removesuffix("/init.scope").rstrip("/")


def _process_name(pid: int | None) -> str:
    if not pid:
        return ""
    name = files.read_text(f"/proc/{pid}/comm")
    return "" if isinstance(name, Unread) else name.rstrip("\n")


def _processes() -> tuple[Process, ...] | Unread:
    import psutil  # noqa: PLC0415 - see _sockets

    running = []
    # psutil counts from the second of the boot; a daemon that was restarted at once after its file was
    # written would seem older than it.
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - psutil.boot_time()
    for seen in psutil.process_iter(["pid", "name", "username", "exe", "create_time"], ad_value=""):
        info = seen.info
        running.append(
            Process(
                pid=info["pid"],
                name=info["name"] or "",
                user=info["username"] or "",
                executable=info["exe"] or "",
                unit=_unit(info["pid"]),
                started=info["create_time"] + boot if info["create_time"] else 0.0,
                **processes.standing(info["pid"]),
            )
        )
    return tuple(running)


def _interfaces() -> tuple[Interface, ...] | Unread:
    import psutil  # noqa: PLC0415 - see _sockets

    try:
        found = psutil.net_if_addrs()
    except (psutil.Error, OSError) as error:
        return Unread(Reason.FAILED, str(error))
    return tuple(
        Interface(name, tuple(a.address.partition("%")[0] for a in addresses if a.family in {2, 10}))
        for name, addresses in sorted(found.items())
    )


def accounts(text: str | Unread) -> tuple[Account, ...] | Unread:
    """The accounts of a passwd file."""
    if isinstance(text, Unread):
        return text
    return tuple(
        Account(c[0], int(c[2]), int(c[3]), c[5], c[6])
        for c in files.rows(text, 7)
        if c[2].isdigit() and c[3].isdigit()
    )


def groups(text: str | Unread) -> tuple[Group, ...] | Unread:
    """The groups of a group file."""
    if isinstance(text, Unread):
        return text
    return tuple(
        Group(c[0], int(c[2]), tuple(member for member in c[3].split(",") if member))
        for c in files.rows(text, 4)
        if c[2].isdigit()
    )


def briefly(argv: tuple[str, ...]) -> str | Unread:
    """The output of a command that answers at once."""
    return _run(argv, COMMAND_SECONDS)


@cache
def _kernel_options() -> Mapping[str, str] | Unread:
    """The build options that are set, of the running kernel: it does not change under us."""
    text = files.read_text(f"/boot/config-{os.uname().release}")
    if isinstance(text, Unread):
        packed = files.read_text("/proc/config.gz")
        if isinstance(packed, Unread):
            return text
        try:
            text = gzip.decompress(packed.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")
        except (OSError, EOFError, zlib.error) as error:
            return Unread(Reason.FAILED, str(error))
    return dict(_OPTION.findall(text))


def _kernel_option(name: str) -> str | Unread:
    options = _kernel_options()
    return options if isinstance(options, Unread) else options.get(name, "n").strip('"')


def _privileges() -> Privileges:
    user = os.environ.get("SUDO_USER") or os.environ.get("LOGNAME") or os.environ.get("USER") or ""
    session = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    return Privileges(os.geteuid(), user or files.user_name(os.geteuid()), session)
