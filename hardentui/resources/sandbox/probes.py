"""What shows that a directive would break a service: for each directive, what to look for in the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from hardentui.i18n import _
from hardentui.resources.capabilities import NAMES
from hardentui.resources.sandbox.directives import BY_NAME, Choice, Directive, lines
from hardentui.resources.sandbox.evidence import Evidence
from hardentui.resources.sandbox.limits import memory_max, tasks_max
from hardentui.resources.sandbox.settings import DEFAULTS, settled
from hardentui.resources.sandbox.verdict import (
    Effect,
    Judgement,
    below,
    big,
    breaks,
    few,
    safe,
    unknown,
    unseen,
)

# Value, evidence, what else is chosen, the directive -> judgement.
Probe = Callable[[str, Evidence, Choice, Directive], Judgement]
_FEW_CAPABILITIES = 12  # a process that holds no more was given them on purpose


def by_capability(_value: str, seen: Evidence, _chosen: Choice, directive: Directive) -> Judgement:
    """By the capability without which nobody does what the directive takes away."""
    name = directive.capability
    if not name:
        return unknown(_("what it takes away leaves no trace in /proc"))
    if seen.holds_unknown:
        return unknown(_("the capabilities of its processes are not seen"))
    if name not in seen.held:
        return safe(
            _("none of its processes holds {name}, without which this is denied").format(name=big(name))
        )
    if len(seen.held) <= _FEW_CAPABILITIES:
        return breaks(
            _("it holds {name}, and its capabilities ({count}) were chosen for it").format(
                name=big(name), count=len(seen.held)
            )
        )
    return unknown(
        _("it holds {name}, as all of root do; whether it uses it leaves no trace").format(name=big(name))
    )


def _nothing_seen(_value: str, _seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    return safe(_("nothing that it takes away was seen in use"))


def _no_new_privileges(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    by_pid = {one.pid: one for one in seen.processes}
    for one in seen.processes:
        parent = by_pid.get(one.ppid or 0)
        if one.euid == 0 and parent is not None and parent.euid not in {0, None}:
            return breaks(
                _("{name} ({pid}) became root below {parent}: through a setuid program").format(
                    name=one.name, pid=one.pid, parent=parent.user or parent.name
                )
            )
    return safe(_("none of its processes gained rights from a program that it started"))


_READ_ONLY = {"yes": ("/usr", "/boot", "/efi"), "full": ("/usr", "/boot", "/efi", "/etc"), "strict": ("/",)}
_NEVER_READ_ONLY = ("/dev", "/proc", "/sys")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - names to look for


def _protect_system(value: str, seen: Evidence, chosen: Choice, _directive: Directive) -> Judgement:
    kept = [
        *_NEVER_READ_ONLY,
        *seen.writable,
        *(p.lstrip("-+") for p in chosen.get("ReadWritePaths", "").split()),
    ]
    if chosen.get("PrivateTmp", seen.settings.get("PrivateTmp")) == "yes":
        kept += _TEMPORARY
    covered = [path for path in _READ_ONLY[value] if path]
    lost = [path for path in seen.written if below(path, covered) and not below(path, kept)]
    if value == "strict":
        lost += [path for path in seen.folders if not below(path, kept)]
    if not lost:
        return safe(_("nothing that it was seen to write becomes read-only"))
    needs = {"ReadWritePaths": _writable_paths(lost, seen)}
    return breaks(_("read-only would be: {paths}").format(paths=few(lost)), needs)


def _writable_paths(lost: Iterable[str], seen: Evidence) -> str:
    """The folders that must stay writable: those that carry its name, and those of the files."""
    folders = set()
    for path in lost:
        parent = path.rpartition("/")[0]
        folders.add(path if path in seen.folders or not parent else parent)
    outer = sorted(path for path in folders if not below(path, folders - {path}))
    directive = BY_NAME["ReadWritePaths"]
    return " ".join(f"-{path}" for path in outer if not directive.wrong(f"-{path}"))


def _read_write_paths(_value: str, _seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    return safe(_("it takes nothing away"))


_HOMES = ("/home", "/root", "/run/user")


def _protect_home(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    use = seen.use
    opened = seen.written if value == "read-only" else (*seen.written, *(use.read if use else ()))
    if value != "read-only":
        opened = (*opened, *(use.programs if use else ()))
    lost = [path for path in opened if below(path, _HOMES)]
    if lost:
        return breaks(_("it uses {paths}").format(paths=few(lost)))
    return safe(_("nothing in home folders was seen in use"))


def _private_tmp(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    sockets = [one.address for one in seen.sockets if below(one.address, _TEMPORARY)]
    if sockets:
        return breaks(_("others reach it through {paths}").format(paths=few(sockets)))
    used = [path for path in (*seen.written, *(seen.use.read if seen.use else ())) if below(path, _TEMPORARY)]
    if used:
        return unknown(
            _("it uses {paths}; whether it shares them with others is not seen").format(paths=few(used))
        )
    return safe(_("it shares no temporary files that are seen"))


_PSEUDO = frozenset(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "log", "console")
)


def _devices(seen: Evidence) -> list[str]:
    found = seen.use.devices if seen.use else ()
    return [
        one
        for one in found
        if one.split()[0] not in _PSEUDO and not one.startswith(("/dev/pts/", "/dev/mqueue"))
    ]


def _private_devices(_value: str, seen: Evidence, chosen: Choice, directive: Directive) -> Judgement:
    found = _devices(seen)
    allowed = chosen.get("DeviceAllow", "").split(" ")[0]
    lost = [one for one in found if not (allowed and one.split()[0] == allowed)]
    if found and directive.name == "PrivateDevices":
        return breaks(_("it has open {devices}").format(devices=few(found)))
    if lost:
        needs = (
            {"DeviceAllow": lost[0]} if len(lost) == 1 and not BY_NAME["DeviceAllow"].wrong(lost[0]) else {}
        )
        return breaks(_("it has open {devices}").format(devices=few(lost)), needs)
    return safe(_("of devices only pseudo-devices were seen open"))


def _kernel_logs(value: str, seen: Evidence, chosen: Choice, directive: Directive) -> Judgement:
    devices = tuple(one.split()[0] for one in seen.use.devices) if seen.use else ()
    opened = (*seen.written, *(seen.use.read if seen.use else ()), *devices)
    lost = [path for path in opened if path in {"/proc/kmsg", "/dev/kmsg"}]
    if lost:
        return breaks(_("it has open {devices}").format(devices=few(lost)))
    found = by_capability(value, seen, chosen, directive)
    return safe(_("the kernel's log is not open")) if found.effect is Effect.UNKNOWN else found


def _kernel_tunables(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    lost = [path for path in seen.written if below(path, ("/proc/sys", "/sys", "/proc/irq"))]
    if lost:
        return breaks(_("it writes {paths}").format(paths=few(lost)))
    if seen.processes and not seen.as_root:
        return safe(_("it is not root, and may not write there anyway"))
    return unknown(_("a parameter is written in an instant, which is not seen"))


def _control_groups(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    lost = [path for path in seen.written if below(path, ("/sys/fs/cgroup",))]
    if lost:
        return breaks(_("it writes {paths}").format(paths=few(lost)))
    if seen.settings.get("Delegate", "no") == "yes":
        return breaks(_("its unit delegates a control group to it (Delegate=yes)"))
    return safe(_("it keeps no control group of its own"))


def _protect_proc(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    own = {str(one.pid) for one in seen.processes}
    paths = (*seen.written, *(seen.use.read if seen.use else ()))
    others = [
        path
        for path in paths
        if path.startswith("/proc/") and path.split("/")[2].isdecimal() and path.split("/")[2] not in own
    ]
    if others:
        return breaks(_("it reads other processes: {paths}").format(paths=few(others)))
    if seen.as_root and "cap_sys_ptrace" in seen.held:
        return safe(_("it holds CAP_SYS_PTRACE, and goes on seeing all processes"))
    return safe(_("it reads no other processes that were seen"))


def _proc_subset(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    paths = (*seen.written, *(seen.use.read if seen.use else ()))
    lost = [path for path in paths if path.startswith("/proc/") and not path.split("/")[2].isdecimal()]
    if lost:
        return breaks(_("it has open {devices}").format(devices=few(lost)))
    return unknown(_("files such as /proc/meminfo are read in an instant, which is not seen"))


def _namespaces(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    made = settled(DEFAULTS, lines({"RestrictNamespaces": value}), {})["RestrictNamespaces"]
    lost = [kind for kind in seen.namespaces if made == "yes" or (made != "no" and kind not in made.split())]
    if lost:
        return breaks(_("its processes have namespaces of their own: {kinds}").format(kinds=few(lost)))
    return safe(_("its processes share their namespaces"))


def _realtime(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.use and seen.use.scheduled:
        return breaks(_("it runs under the policy {policies}").format(policies=few(seen.use.scheduled)))
    return safe(_("none of its processes is scheduled in real time"))


def _families(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    made = settled(DEFAULTS, lines({"RestrictAddressFamilies": value}), {})["RestrictAddressFamilies"]
    denies, listed = made.startswith("~"), set(made.lstrip("~").split())
    used = seen.use.families if seen.use else ()
    lost = [family for family in used if (family in listed) == denies]
    if lost:
        return breaks(_("it has sockets of {families}").format(families=few(lost)))
    if seen.use and seen.use.other_sockets:
        return unknown(
            _("sockets of a family that is not seen: {count}").format(count=seen.use.other_sockets)
        )
    return safe(_("all its sockets are of families that stay"))


# Libraries that compile while they run, by how their names begin.
_COMPILERS = (
    *("libluajit", "libjvm", "libv8", "libnode", "libmozjs", "libjavascriptcore", "libLLVM", "libruby"),
    *("libcoreclr", "libmono", "libbeam", "libpypy", "libffi"),
)


def _memory(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.use is None:
        return unknown(unseen(seen))
    if seen.use.executable_memory:
        places = [path or _("memory without a file") for path in seen.use.executable_memory]
        return breaks(_("memory is writable and executable at once: {places}").format(places=few(places)))
    compilers = [name for name in seen.use.libraries if name.startswith(_COMPILERS)]
    if compilers:
        return unknown(
            _("a library that may compile at run time is loaded: {names}").format(names=few(compilers))
        )
    return safe(_("no memory is writable and executable at once"))


def _architectures(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.use and seen.use.foreign:
        return breaks(_("of another word size: {programs}").format(programs=few(seen.use.foreign)))
    return safe(_("all its programs are of this machine's kind"))


def _calls(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    denied = value.partition("~")[2].replace("~", "").split()
    if len(seen.users) > 1 and {"@privileged", "@setuid"} & set(denied):
        return breaks(_("its processes change accounts: {users}").format(users=few(seen.users)))
    if "@mount" in denied and seen.namespaces:
        return breaks(
            _("its processes have namespaces of their own: {kinds}").format(kinds=few(seen.namespaces))
        )
    return unknown(
        _("system calls leave no trace in /proc; with SystemCallErrorNumber=EPERM a denied one is an error"),
        {"SystemCallErrorNumber": "EPERM"} if not seen.settings.get("SystemCallErrorNumber") else {},
    )


def needed_capabilities(seen: Evidence) -> Mapping[str, str]:
    """The capabilities that a service was seen to need, each with what shows it."""
    needed: dict[str, str] = {}
    if seen.low_ports:
        ports = ", ".join(map(str, seen.low_ports))
        needed["cap_net_bind_service"] = _("it listens on port {ports}").format(ports=ports)
    if len(seen.users) > 1 and seen.as_root:
        change = _("its processes change accounts: {users}").format(users=few(seen.users))
        needed |= dict.fromkeys(("cap_setuid", "cap_setgid", "cap_kill"), change)
    opened = (*seen.written, *(seen.use.read if seen.use else ()))
    if any(path == "/proc/kmsg" for path in opened) or any("kmsg" in one for one in _devices(seen)):
        needed["cap_syslog"] = _("it reads the kernel's log")
    if seen.use and "AF_PACKET" in seen.use.families:
        needed["cap_net_raw"] = _("it has sockets of {families}").format(families="AF_PACKET")
    if seen.use and seen.use.scheduled:
        needed["cap_sys_nice"] = _("it runs under the policy {policies}").format(
            policies=few(seen.use.scheduled)
        )
    if seen.namespaces:
        needed["cap_sys_admin"] = _("its processes have namespaces of their own: {kinds}").format(
            kinds=few(seen.namespaces)
        )
    if any(one.root not in {"", "/"} for one in seen.processes):
        needed["cap_sys_chroot"] = _("a process has another root directory")
    if 0 < len(seen.held) <= _FEW_CAPABILITIES:
        kept = _("its capabilities ({count}) were chosen for it").format(count=len(seen.held))
        needed = {**dict.fromkeys(seen.held, kept), **needed}
    return needed


def _capabilities(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    made = settled(DEFAULTS, lines({"CapabilityBoundingSet": value}), {})["CapabilityBoundingSet"].split()
    lost = {name: why for name, why in needed_capabilities(seen).items() if name not in made}
    if lost:
        first = next(iter(lost))
        return breaks(_("it needs {names}: {why}").format(names=few(map(big, lost)), why=lost[first]))
    if seen.holds_unknown:
        return unknown(_("the capabilities of its processes are not seen"))
    dropped = seen.held - set(made)
    if not dropped:
        return safe(_("its processes hold nothing else"))
    return unknown(
        _("it holds more ({count}), as all of root do; whether it uses them leaves no trace").format(
            count=len(dropped)
        )
    )


def _ambient(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    given = set(value.lower().split())
    held = {
        name
        for one in seen.processes
        for bit, name in enumerate(NAMES)
        if one.cap_ambient and one.cap_ambient >> bit & 1
    }
    if held - given:
        return breaks(_("it was given {names}").format(names=few(map(big, sorted(held - given)))))
    return safe(_("it takes nothing away"))


INTERNET = frozenset({"AF_INET", "AF_INET6"})


def _network(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    used = [family for family in (seen.use.families if seen.use else ()) if family != "AF_UNIX"]
    if used:
        return breaks(_("it has sockets of {families}").format(families=few(used)))
    return safe(_("it has no sockets to the network"))


def _addresses(value: str, seen: Evidence, chosen: Choice, _directive: Directive) -> Judgement:
    used = sorted(INTERNET & set(seen.use.families)) if seen.use else []
    if not used:
        return safe(_("it has no sockets to the network"))
    if value == "any" and not chosen.get("IPAddressAllow"):
        return breaks(_("it has sockets of {families}").format(families=few(used)))
    return unknown(_("with whom it exchanges packets is not seen over time"))


def _private_users(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.low_ports:
        return breaks(_("it listens on port {ports}").format(ports=", ".join(map(str, seen.low_ports))))
    if len(seen.users) > 1:
        return breaks(_("its processes change accounts: {users}").format(users=few(seen.users)))
    if seen.as_root:
        return unknown(_("it is root, and would have no rights over what is outside"))
    return safe(_("all its processes have one account, which is not root"))


def _no_exec(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    programs = seen.use.programs if seen.use else ()
    lost = [path for path in programs if below(path, value.split())]
    if lost:
        return breaks(_("it runs {programs}").format(programs=few(lost)))
    return safe(_("no program was seen to run from there"))


def _umask(_value: str, _seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    return unknown(_("who else reads the files that it makes is not seen"))


def _remove_ipc(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.as_root:
        return safe(_("without effect for a service that is root"))
    return unknown(_("other programs of its account may use what goes with it"))


PROBES: Mapping[str, Probe] = {
    "NoNewPrivileges": _no_new_privileges,
    "ProtectSystem": _protect_system,
    "ReadWritePaths": _read_write_paths,
    "ProtectHome": _protect_home,
    "PrivateTmp": _private_tmp,
    "PrivateDevices": _private_devices,
    "DevicePolicy": _private_devices,
    "DeviceAllow": _read_write_paths,
    "ProtectKernelTunables": _kernel_tunables,
    "ProtectKernelLogs": _kernel_logs,
    "ProtectControlGroups": _control_groups,
    "ProtectProc": _protect_proc,
    "ProcSubset": _proc_subset,
    "RestrictNamespaces": _namespaces,
    "RestrictRealtime": _realtime,
    "RestrictAddressFamilies": _families,
    "LockPersonality": _nothing_seen,
    "MemoryDenyWriteExecute": _memory,
    "SystemCallArchitectures": _architectures,
    "SystemCallFilter": _calls,
    "SystemCallErrorNumber": _read_write_paths,
    "CapabilityBoundingSet": _capabilities,
    "AmbientCapabilities": _ambient,
    "PrivateNetwork": _network,
    "IPAddressDeny": _addresses,
    "IPAddressAllow": _read_write_paths,
    "PrivateUsers": _private_users,
    "UMask": _umask,
    "NoExecPaths": _no_exec,
    "RemoveIPC": _remove_ipc,
    "KeyringMode": _nothing_seen,
    "MemoryMax": memory_max,
    "TasksMax": tasks_max,
}


# With any of these a new /proc is mounted for the service: what lies over the old one is not in it.
FRESH_PROC = frozenset({"ProtectControlGroups", "ProtectKernelTunables", "ProtectProc", "ProcSubset"})


def behind_mounts(seen: Evidence) -> list[str]:
    """What a service has open in /proc that something else is mounted over."""
    opened = (*seen.written, *(seen.use.read if seen.use else ()))
    return [path for path in opened if below(path, seen.overlaid)]
