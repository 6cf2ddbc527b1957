"""What each directive would break for one service, as far as it is seen; and what is proposed for it.

Three verdicts: safe as seen, would break (with what shows it), cannot be told (and why). What did not
happen while one looked is not seen: a directive that is safe as seen may still break something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hardentui.i18n import N_, _
from hardentui.resources.capabilities import NAMES
from hardentui.resources.sandbox.directives import BY_NAME, DIRECTIVES, Choice, Directive, Inherited, lines
from hardentui.resources.sandbox.evidence import Evidence
from hardentui.resources.sandbox.settings import DEFAULTS, Settings, settled, words


class Effect(StrEnum):
    """What a directive would do to a service."""

    SAFE = N_("safe as seen")
    UNKNOWN = N_("cannot be told")
    BREAKS = N_("would break")
    LACKING = N_("not in this systemd")


@dataclass(frozen=True, slots=True)
class Judgement:
    """An effect, why, and the directives that are needed beside it so that nothing breaks."""

    effect: Effect
    why: str
    needs: Choice = field(default_factory=dict)


def judge(name: str, value: str, seen: Evidence, chosen: Choice, version: int) -> Judgement:
    """What one directive would do to a service beside the others that are ``chosen`` for it."""
    directive = BY_NAME[name]
    if 0 < version < directive.since:
        return _lacking(directive, version)
    if value == DEFAULTS.get(name, "") or (not value and not directive.grammar):
        return _safe(_("this is what holds without it"))
    if seen.processes and holds(name, value, seen.settings):
        return _safe(_("the service runs under it already"))
    if seen.sessions and directive.inherited is Inherited.BREAKS:
        return _breaks(
            _("sessions and jobs that it starts for others inherit it (seen: {sign})").format(
                sign=seen.sessions
            )
        )
    if name in _FRESH_PROC and (lost := _behind_mounts(seen)):
        return _breaks(
            _("it gets a /proc of its own, without what is mounted at {paths}").format(paths=_few(lost))
        )
    found = _PROBES.get(name, _by_capability)(value, seen, chosen, directive)
    if found.effect is not Effect.SAFE or directive.inherited is Inherited.HARMLESS:
        return found
    if seen.sessions and directive.inherited is Inherited.UNKNOWN:
        return _unknown(
            _("sessions and jobs that it starts inherit it; what they do is not seen"), found.needs
        )
    if not seen.whole:
        return _unknown(_unseen(seen), found.needs)
    return found


# With any of these a new /proc is mounted for the service: what lies over the old one is not in it.
_FRESH_PROC = frozenset({"ProtectControlGroups", "ProtectKernelTunables", "ProtectProc", "ProcSubset"})


def _behind_mounts(seen: Evidence) -> list[str]:
    """What a service has open in /proc that something else is mounted over."""
    opened = (*seen.written, *(seen.use.read if seen.use else ()))
    return [path for path in opened if _below(path, seen.overlaid)]


def holds(name: str, value: str, settings: Settings) -> bool:
    """Whether a service has this value of a directive already."""
    current = settings.get(name)
    if current is None:
        return False
    if name in _ADDED:
        return bool(value) and set(value.split()) <= set(current.split())
    return (
        name in DEFAULTS
        and name != "SystemCallFilter"
        and settled(settings, lines({name: value}), {})[name] == current
    )


_ADDED = frozenset({"ReadWritePaths", "NoExecPaths"})  # what another assignment adds to


def recommended(seen: Evidence, version: int, *, only_safe: bool = False) -> Choice:
    """What is proposed for a service: what is safe as seen, and unless ``only_safe`` what cannot be told.

    What our drop-in sets already stays.
    """
    wanted = {Effect.SAFE} if only_safe else {Effect.SAFE, Effect.UNKNOWN}
    chosen = dict(seen.ours)
    for directive in (one for one in DIRECTIVES if one.name not in seen.ours):
        for value in _values(directive, seen):
            found = judge(directive.name, value, seen, chosen, version)
            needs = found.needs
            if needs:
                found = judge(directive.name, value, seen, {**chosen, **needs}, version)
            if found.effect in wanted and not holds(directive.name, value, seen.settings):
                chosen |= {directive.name: value, **joined(chosen, needs)}
            if found.effect in wanted:
                break
    return chosen


def verdicts(chosen: Choice, seen: Evidence, version: int) -> Mapping[str, Judgement]:
    """The verdict on each directive that is chosen."""
    return {name: judge(name, value, seen, chosen, version) for name, value in chosen.items()}


def proposal(name: str, seen: Evidence) -> str:
    """The first value that is proposed of a directive; "" where none is."""
    return next(iter(_values(BY_NAME[name], seen)), "")


def _values(directive: Directive, seen: Evidence) -> Iterable[str]:
    """The values to propose, the strictest first."""
    if directive.computed:
        computed = _COMPUTED.get(directive.name)
        value = computed(seen) if computed is not None else None
        return () if value is None else (value,)
    if not directive.recommended:
        return ()
    at = directive.choices.index(directive.recommended) if directive.recommended in directive.choices else 0
    return (directive.recommended, *reversed(directive.choices[1:at]))


def joined(chosen: Choice, needs: Choice) -> Choice:
    """What is needed, beside what was chosen: paths come together, other values stand for themselves."""
    paths = {name: f"{chosen[name]} {value}" for name, value in needs.items() if name in chosen}
    return {**needs, **{name: " ".join(dict.fromkeys(value.split())) for name, value in paths.items()}}


# --- words -----------------------------------------------------------------------------------------


def _safe(why: str, needs: Choice | None = None) -> Judgement:
    return Judgement(Effect.SAFE, why, needs or {})


def _breaks(why: str, needs: Choice | None = None) -> Judgement:
    return Judgement(Effect.BREAKS, why, needs or {})


def _unknown(why: str, needs: Choice | None = None) -> Judgement:
    return Judgement(Effect.UNKNOWN, why, needs or {})


def _lacking(directive: Directive, version: int) -> Judgement:
    why = _("systemd {since} brought it, and {version} runs here").format(
        since=directive.since, version=version
    )
    return Judgement(Effect.LACKING, why)


def _unseen(seen: Evidence) -> str:
    if seen.use is None:
        return _("it does not run, or its processes cannot be seen: {why}").format(why=seen.why_unseen)
    return _("processes of which the open files or the memory could not be read: {count}").format(
        count=seen.use.unread
    )


def _few(names: Iterable[str], most: int = 4) -> str:
    listed = list(names)
    more = _(" and {count} more").format(count=len(listed) - most) if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


# --- probes: value, evidence, what else is chosen, the directive -> judgement -------------------------

Probe = Callable[[str, Evidence, Choice, Directive], Judgement]
_FEW_CAPABILITIES = 12  # a process that holds no more was given them on purpose


def _by_capability(_value: str, seen: Evidence, _chosen: Choice, directive: Directive) -> Judgement:
    """By the capability without which nobody does what the directive takes away."""
    name = directive.capability
    if not name:
        return _unknown(_("what it takes away leaves no trace in /proc"))
    if seen.holds_unknown:
        return _unknown(_("the capabilities of its processes are not seen"))
    if name not in seen.held:
        return _safe(
            _("none of its processes holds {name}, without which this is denied").format(name=_big(name))
        )
    if len(seen.held) <= _FEW_CAPABILITIES:
        return _breaks(
            _("it holds {name}, and its capabilities ({count}) were chosen for it").format(
                name=_big(name), count=len(seen.held)
            )
        )
    return _unknown(
        _("it holds {name}, as all of root do; whether it uses it leaves no trace").format(name=_big(name))
    )


def _big(name: str) -> str:
    return name.upper()


def _nothing_seen(_value: str, _seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    return _safe(_("nothing that it takes away was seen in use"))


def _no_new_privileges(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    by_pid = {one.pid: one for one in seen.processes}
    for one in seen.processes:
        parent = by_pid.get(one.ppid or 0)
        if one.euid == 0 and parent is not None and parent.euid not in {0, None}:
            return _breaks(
                _("{name} ({pid}) became root below {parent}: through a setuid program").format(
                    name=one.name, pid=one.pid, parent=parent.user or parent.name
                )
            )
    return _safe(_("none of its processes gained rights from a program that it started"))


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
    lost = [path for path in seen.written if _below(path, covered) and not _below(path, kept)]
    if value == "strict":
        lost += [path for path in seen.folders if not _below(path, kept)]
    if not lost:
        return _safe(_("nothing that it was seen to write becomes read-only"))
    needs = {"ReadWritePaths": _writable_paths(lost, seen)}
    return _breaks(_("read-only would be: {paths}").format(paths=_few(lost)), needs)


def _writable_paths(lost: Iterable[str], seen: Evidence) -> str:
    """The folders that must stay writable: those that carry its name, and those of the files."""
    folders = set()
    for path in lost:
        parent = path.rpartition("/")[0]
        folders.add(path if path in seen.folders or not parent else parent)
    outer = sorted(path for path in folders if not _below(path, folders - {path}))
    directive = BY_NAME["ReadWritePaths"]
    return " ".join(f"-{path}" for path in outer if not directive.wrong(f"-{path}"))


def _read_write_paths(_value: str, _seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    return _safe(_("it takes nothing away"))


_HOMES = ("/home", "/root", "/run/user")


def _protect_home(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    use = seen.use
    opened = seen.written if value == "read-only" else (*seen.written, *(use.read if use else ()))
    if value != "read-only":
        opened = (*opened, *(use.programs if use else ()))
    lost = [path for path in opened if _below(path, _HOMES)]
    if lost:
        return _breaks(_("it uses {paths}").format(paths=_few(lost)))
    return _safe(_("nothing in home folders was seen in use"))


def _private_tmp(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    sockets = [one.address for one in seen.sockets if _below(one.address, _TEMPORARY)]
    if sockets:
        return _breaks(_("others reach it through {paths}").format(paths=_few(sockets)))
    used = [
        path for path in (*seen.written, *(seen.use.read if seen.use else ())) if _below(path, _TEMPORARY)
    ]
    if used:
        return _unknown(
            _("it uses {paths}; whether it shares them with others is not seen").format(paths=_few(used))
        )
    return _safe(_("it shares no temporary files that are seen"))


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
        return _breaks(_("it has open {devices}").format(devices=_few(found)))
    if lost:
        needs = (
            {"DeviceAllow": lost[0]} if len(lost) == 1 and not BY_NAME["DeviceAllow"].wrong(lost[0]) else {}
        )
        return _breaks(_("it has open {devices}").format(devices=_few(lost)), needs)
    return _safe(_("of devices only pseudo-devices were seen open"))


def _kernel_logs(value: str, seen: Evidence, chosen: Choice, directive: Directive) -> Judgement:
    devices = tuple(one.split()[0] for one in seen.use.devices) if seen.use else ()
    opened = (*seen.written, *(seen.use.read if seen.use else ()), *devices)
    lost = [path for path in opened if path in {"/proc/kmsg", "/dev/kmsg"}]
    if lost:
        return _breaks(_("it has open {devices}").format(devices=_few(lost)))
    found = _by_capability(value, seen, chosen, directive)
    return _safe(_("the kernel's log is not open")) if found.effect is Effect.UNKNOWN else found


def _kernel_tunables(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    lost = [path for path in seen.written if _below(path, ("/proc/sys", "/sys", "/proc/irq"))]
    if lost:
        return _breaks(_("it writes {paths}").format(paths=_few(lost)))
    if seen.processes and not seen.as_root:
        return _safe(_("it is not root, and may not write there anyway"))
    return _unknown(_("a parameter is written in an instant, which is not seen"))


def _control_groups(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    lost = [path for path in seen.written if _below(path, ("/sys/fs/cgroup",))]
    if lost:
        return _breaks(_("it writes {paths}").format(paths=_few(lost)))
    if seen.settings.get("Delegate", "no") == "yes":
        return _breaks(_("its unit delegates a control group to it (Delegate=yes)"))
    return _safe(_("it keeps no control group of its own"))


def _protect_proc(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    own = {str(one.pid) for one in seen.processes}
    paths = (*seen.written, *(seen.use.read if seen.use else ()))
    others = [
        path
        for path in paths
        if path.startswith("/proc/") and path.split("/")[2].isdecimal() and path.split("/")[2] not in own
    ]
    if others:
        return _breaks(_("it reads other processes: {paths}").format(paths=_few(others)))
    if seen.as_root and "cap_sys_ptrace" in seen.held:
        return _safe(_("it holds CAP_SYS_PTRACE, and goes on seeing all processes"))
    return _safe(_("it reads no other processes that were seen"))


def _proc_subset(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    paths = (*seen.written, *(seen.use.read if seen.use else ()))
    lost = [path for path in paths if path.startswith("/proc/") and not path.split("/")[2].isdecimal()]
    if lost:
        return _breaks(_("it has open {devices}").format(devices=_few(lost)))
    return _unknown(_("files such as /proc/meminfo are read in an instant, which is not seen"))


def _namespaces(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    made = settled(DEFAULTS, lines({"RestrictNamespaces": value}), {})["RestrictNamespaces"]
    lost = [kind for kind in seen.namespaces if made == "yes" or (made != "no" and kind not in made.split())]
    if lost:
        return _breaks(_("its processes have namespaces of their own: {kinds}").format(kinds=_few(lost)))
    return _safe(_("its processes share their namespaces"))


def _realtime(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.use and seen.use.scheduled:
        return _breaks(_("it runs under the policy {policies}").format(policies=_few(seen.use.scheduled)))
    return _safe(_("none of its processes is scheduled in real time"))


def _families(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    made = settled(DEFAULTS, lines({"RestrictAddressFamilies": value}), {})["RestrictAddressFamilies"]
    denies, listed = made.startswith("~"), set(made.lstrip("~").split())
    used = seen.use.families if seen.use else ()
    lost = [family for family in used if (family in listed) == denies]
    if lost:
        return _breaks(_("it has sockets of {families}").format(families=_few(lost)))
    if seen.use and seen.use.other_sockets:
        return _unknown(
            _("sockets of a family that is not seen: {count}").format(count=seen.use.other_sockets)
        )
    return _safe(_("all its sockets are of families that stay"))


# Libraries that compile while they run, by how their names begin.
_COMPILERS = (
    *("libluajit", "libjvm", "libv8", "libnode", "libmozjs", "libjavascriptcore", "libLLVM", "libruby"),
    *("libcoreclr", "libmono", "libbeam", "libpypy", "libffi"),
)


def _memory(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.use is None:
        return _unknown(_unseen(seen))
    if seen.use.executable_memory:
        places = [path or _("memory without a file") for path in seen.use.executable_memory]
        return _breaks(_("memory is writable and executable at once: {places}").format(places=_few(places)))
    compilers = [name for name in seen.use.libraries if name.startswith(_COMPILERS)]
    if compilers:
        return _unknown(
            _("a library that may compile at run time is loaded: {names}").format(names=_few(compilers))
        )
    return _safe(_("no memory is writable and executable at once"))


def _architectures(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.use and seen.use.foreign:
        return _breaks(_("of another word size: {programs}").format(programs=_few(seen.use.foreign)))
    return _safe(_("all its programs are of this machine's kind"))


def _calls(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    denied = value.partition("~")[2].replace("~", "").split()
    if len(seen.users) > 1 and {"@privileged", "@setuid"} & set(denied):
        return _breaks(_("its processes change accounts: {users}").format(users=_few(seen.users)))
    if "@mount" in denied and seen.namespaces:
        return _breaks(
            _("its processes have namespaces of their own: {kinds}").format(kinds=_few(seen.namespaces))
        )
    return _unknown(
        _("system calls leave no trace in /proc; with SystemCallErrorNumber=EPERM a denied one is an error"),
        {"SystemCallErrorNumber": "EPERM"} if not seen.settings.get("SystemCallErrorNumber") else {},
    )


# What root may do at any moment without leaving a trace: taking it away is a guess.
_OF_ROOT = ("cap_chown", "cap_dac_override", "cap_fowner", "cap_kill", "cap_setgid", "cap_setuid")


def needed_capabilities(seen: Evidence) -> Mapping[str, str]:
    """The capabilities that a service was seen to need, each with what shows it."""
    needed: dict[str, str] = {}
    if seen.low_ports:
        ports = ", ".join(map(str, seen.low_ports))
        needed["cap_net_bind_service"] = _("it listens on port {ports}").format(ports=ports)
    if len(seen.users) > 1 and seen.as_root:
        change = _("its processes change accounts: {users}").format(users=_few(seen.users))
        needed |= dict.fromkeys(("cap_setuid", "cap_setgid", "cap_kill"), change)
    opened = (*seen.written, *(seen.use.read if seen.use else ()))
    if any(path == "/proc/kmsg" for path in opened) or any("kmsg" in one for one in _devices(seen)):
        needed["cap_syslog"] = _("it reads the kernel's log")
    if seen.use and "AF_PACKET" in seen.use.families:
        needed["cap_net_raw"] = _("it has sockets of {families}").format(families="AF_PACKET")
    if seen.use and seen.use.scheduled:
        needed["cap_sys_nice"] = _("it runs under the policy {policies}").format(
            policies=_few(seen.use.scheduled)
        )
    if seen.namespaces:
        needed["cap_sys_admin"] = _("its processes have namespaces of their own: {kinds}").format(
            kinds=_few(seen.namespaces)
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
        return _breaks(_("it needs {names}: {why}").format(names=_few(map(_big, lost)), why=lost[first]))
    if seen.holds_unknown:
        return _unknown(_("the capabilities of its processes are not seen"))
    dropped = seen.held - set(made)
    if not dropped:
        return _safe(_("its processes hold nothing else"))
    return _unknown(
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
        return _breaks(_("it was given {names}").format(names=_few(map(_big, sorted(held - given)))))
    return _safe(_("it takes nothing away"))


_INTERNET = frozenset({"AF_INET", "AF_INET6"})


def _network(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    used = [family for family in (seen.use.families if seen.use else ()) if family != "AF_UNIX"]
    if used:
        return _breaks(_("it has sockets of {families}").format(families=_few(used)))
    return _safe(_("it has no sockets to the network"))


def _addresses(value: str, seen: Evidence, chosen: Choice, _directive: Directive) -> Judgement:
    used = sorted(_INTERNET & set(seen.use.families)) if seen.use else []
    if not used:
        return _safe(_("it has no sockets to the network"))
    if value == "any" and not chosen.get("IPAddressAllow"):
        return _breaks(_("it has sockets of {families}").format(families=_few(used)))
    return _unknown(_("with whom it exchanges packets is not seen over time"))


def _private_users(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.low_ports:
        return _breaks(_("it listens on port {ports}").format(ports=", ".join(map(str, seen.low_ports))))
    if len(seen.users) > 1:
        return _breaks(_("its processes change accounts: {users}").format(users=_few(seen.users)))
    if seen.as_root:
        return _unknown(_("it is root, and would have no rights over what is outside"))
    return _safe(_("all its processes have one account, which is not root"))


def _no_exec(value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    programs = seen.use.programs if seen.use else ()
    lost = [path for path in programs if _below(path, value.split())]
    if lost:
        return _breaks(_("it runs {programs}").format(programs=_few(lost)))
    return _safe(_("no program was seen to run from there"))


def _umask(_value: str, _seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    return _unknown(_("who else reads the files that it makes is not seen"))


def _remove_ipc(_value: str, seen: Evidence, _chosen: Choice, _directive: Directive) -> Judgement:
    if seen.as_root:
        return _safe(_("without effect for a service that is root"))
    return _unknown(_("other programs of its account may use what goes with it"))


_PROBES: Mapping[str, Probe] = {
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
}


# --- values that are worked out from what is seen ------------------------------------------------------


def _wanted_families(seen: Evidence) -> str | None:
    if seen.use is None or seen.use.other_sockets:
        return None
    found = {"AF_UNIX", *seen.use.families}
    if found & _INTERNET:
        found |= {*_INTERNET, "AF_NETLINK"}  # the C library asks for the interfaces before it resolves names
    return " ".join(sorted(found))


def _wanted_calls(seen: Evidence) -> str | None:
    if "@" in seen.settings.get("SystemCallFilter", "") or len(words(seen.settings, "SystemCallFilter")) > 1:
        return None  # its makers filter already, and know better
    weak, strict = BY_NAME["SystemCallFilter"].choices
    return weak if seen.as_root else strict


def _wanted_capabilities(seen: Evidence) -> str | None:
    if seen.use is None or seen.holds_unknown:
        return None
    kept = {*needed_capabilities(seen), *(_OF_ROOT if seen.as_root else ())}
    bounded = set(words(seen.settings, "CapabilityBoundingSet"))
    return " ".join(_big(name) for name in NAMES if name in kept & bounded)


def _wanted_removal(seen: Evidence) -> str | None:
    return None if seen.as_root else "yes"


def _wanted_deny(seen: Evidence) -> str | None:
    if seen.use is None or seen.use.other_sockets or _INTERNET & set(seen.use.families):
        return None
    return "any"


_COMPUTED: Mapping[str, Callable[[Evidence], str | None]] = {
    "CapabilityBoundingSet": _wanted_capabilities,
    "IPAddressDeny": _wanted_deny,
    "RemoveIPC": _wanted_removal,
    "RestrictAddressFamilies": _wanted_families,
    "SystemCallFilter": _wanted_calls,
}
