"""The sandbox settings of a service: what each assignment of a unit file makes of them (systemd.exec(5)).

A value is written as ``systemctl show`` prints it, whether it was read there or worked out from unit
files, so that one reader serves both. What systemd derives from other settings is derived here too, as
systemd 252 does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files

from hardentui.resources.capabilities import NAMES as CAPABILITIES
from hardentui.resources.unit_files import Line

Settings = Mapping[str, str]  # property -> value; a list that has one line each is joined by line breaks

FOLLOWED = 252  # the version of systemd whose derivations and weights are followed
NAMESPACES = ("cgroup", "ipc", "net", "mnt", "pid", "user", "uts")
NO_FILTER = "~"  # a deny list that denies nothing
_YES = frozenset({"1", "yes", "y", "true", "t", "on"})
_NO = frozenset({"0", "no", "n", "false", "f", "off"})
_ANYWHERE = "::/0 0.0.0.0/0"
_NETWORKS = {
    "any": _ANYWHERE,
    "localhost": "127.0.0.0/8 ::1/128",
    "link-local": "169.254.0.0/16 fe80::/64",
    "multicast": "224.0.0.0/4 ff00::/8",
}

_BOOLEANS = (
    *("DefaultDependencies", "DynamicUser", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges"),
    *("PrivateDevices", "PrivateMounts", "PrivateNetwork", "PrivateTmp", "PrivateUsers", "ProtectClock"),
    *("ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules"),
    *("ProtectKernelTunables", "RemoveIPC", "RestrictRealtime", "RestrictSUIDSGID"),
)
_WORDS = (
    *("DevicePolicy", "KeyringMode", "NotifyAccess", "ProcSubset", "ProtectHome", "ProtectProc"),
    *("ProtectSystem", "RootDirectory", "RootImage", "Type", "UMask", "User"),
)
# What holds where no file says anything.
DEFAULTS: Settings = {
    **dict.fromkeys(_BOOLEANS, "no"),
    **dict.fromkeys(("RootDirectory", "RootImage", "User", "SupplementaryGroups"), ""),
    **dict.fromkeys(("AmbientCapabilities", "SystemCallArchitectures", "DeviceAllow"), ""),
    **dict.fromkeys(("IPAddressAllow", "IPAddressDeny", "IPIngressFilterPath", "IPEgressFilterPath"), ""),
    "CapabilityBoundingSet": " ".join(CAPABILITIES),
    "DefaultDependencies": "yes",
    "Delegate": "no",
    "DevicePolicy": "auto",
    "KeyringMode": "private",
    "NotifyAccess": "none",
    "ProcSubset": "all",
    "ProtectHome": "no",
    "ProtectProc": "default",
    "ProtectSystem": "no",
    "RestrictAddressFamilies": NO_FILTER,
    "RestrictNamespaces": "no",
    "SystemCallFilter": NO_FILTER,
    "Type": "simple",
    "UMask": "0022",
}


def settled(base: Settings, lines: Iterable[Line], calls: Mapping[str, frozenset[str]]) -> Settings:
    """The settings after more assignments; ``calls`` are the sets of system calls, see ``call_sets``."""
    made = dict(base)
    for name, value in lines:
        setter = _SETTERS.get(name)
        if setter is not None:
            made[name] = setter(made.get(name, DEFAULTS.get(name, "")), value.strip())
        elif name == "SystemCallFilter":
            made[name] = _filter(made.get(name, NO_FILTER), value.strip(), calls)
    return _derived(made)


def is_yes(settings: Settings, name: str) -> bool:
    """Whether a setting that is on or off is on."""
    return settings.get(name, "no") == "yes"


def words(settings: Settings, name: str) -> tuple[str, ...]:
    """The words of a setting that is a list."""
    return tuple(settings.get(name, "").split())


def capabilities(settings: Settings, name: str = "CapabilityBoundingSet") -> frozenset[str]:
    """A set of capabilities, in lower case."""
    return frozenset(settings.get(name, "").lower().split())


def boolean(value: str) -> str:
    """A truth value as systemctl prints it; any other word is left as it is."""
    low = value.lower()
    return "yes" if low in _YES else "no" if low in _NO else value


# --- sets of system calls -------------------------------------------------------------------------


@cache
def call_sets(listing: str = "") -> Mapping[str, frozenset[str]]:
    """The sets of system calls of a ``systemd-analyze syscall-filter`` listing, each with all its calls.

    Without a listing, those of the version that is followed, which come with the program.
    """
    text = listing or files(__package__).joinpath("syscalls.txt").read_text(encoding="ascii")
    members: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        word = line.strip()
        if line.startswith("@"):
            current = members.setdefault(word, [])
        elif word and not word.startswith("#"):
            current.append(word)

    def calls(name: str, above: frozenset[str]) -> frozenset[str]:
        found: set[str] = set()
        for member in members.get(name, ()):
            if member.startswith("@") and member not in above:
                found |= calls(member, above | {member})
            elif not member.startswith("@"):
                found.add(member)
        return frozenset(found)

    return {name: calls(name, frozenset({name})) for name in members}


def _filter(old: str, value: str, calls: Mapping[str, frozenset[str]]) -> str:
    if not value:
        return NO_FILTER
    inverted, listed = value.startswith("~"), value.lstrip("~").split()
    denies, known = old.startswith("~"), set(old.lstrip("~").split())
    if old == NO_FILTER:
        denies = inverted
        known = set() if inverted else set(calls.get("@default", ()))
    names = {re.sub(r":.*", "", word) for word in listed}
    named = frozenset().union(*(calls.get(word, frozenset({word})) for word in names))
    bare = {word.partition(":")[0]: word for word in known}
    for call in named:
        if inverted == denies:
            bare.setdefault(call, call)
        else:
            bare.pop(call, None)
    return ("~" if denies else "") + " ".join(sorted(bare.values()))


# --- one assignment -------------------------------------------------------------------------------


def _boolean(_old: str, value: str) -> str:
    return boolean(value)


def _word(_old: str, value: str) -> str:
    return boolean(value) if value.lower() in {"yes", "true", "on", "no", "false", "off"} else value


def _mask(_old: str, value: str) -> str:
    return value.zfill(4) if value else "0022"


def _list(old: str, value: str) -> str:
    return " ".join(dict.fromkeys([*old.split(), *value.split()])) if value else ""


def _device(old: str, value: str) -> str:
    return "\n".join(dict.fromkeys([*old.splitlines(), " ".join(value.split())])) if value else ""


def _networks(old: str, value: str) -> str:
    return _list(old, " ".join(_NETWORKS.get(word, word) for word in value.split()))


def _capabilities(initial: frozenset[str]) -> Callable[[str, str], str]:
    def setter(old: str, value: str) -> str:
        inverted, listed = value.startswith("~"), set(value.lstrip("~").lower().split())
        known = set(old.lower().split())
        if not listed:
            known = set(CAPABILITIES) if inverted else set()
        elif not known or known == initial:
            known = set(CAPABILITIES) - listed if inverted else listed
        else:
            known = known - listed if inverted else known | listed
        return " ".join(name for name in CAPABILITIES if name in known)

    return setter


def _families(old: str, value: str) -> str:
    if not value:
        return NO_FILTER
    if value == "none":
        return ""
    inverted, listed = value.startswith("~"), value.lstrip("~").split()
    denies = old.startswith("~") if old not in {NO_FILTER, ""} else inverted
    known = set(old.lstrip("~").split())
    known = known | set(listed) if inverted == denies else known - set(listed)
    return ("~" if denies else "") + " ".join(sorted(known))


def _namespaces(old: str, value: str) -> str:
    if not value:
        return "no"
    if value.lower() in _YES | _NO:
        return boolean(value)
    inverted, listed = value.startswith("~"), set(value.lstrip("~").split())
    allowed = {"no": set(NAMESPACES), "yes": set[str]()}.get(old, set(old.split()))
    if old == "no" and not inverted:
        allowed = set()
    allowed = allowed - listed if inverted else allowed | listed
    if allowed >= set(NAMESPACES):
        return "no"
    return " ".join(sorted(allowed)) or "yes"


_SETTERS: Mapping[str, Callable[[str, str], str]] = {
    **dict.fromkeys(_BOOLEANS, _boolean),
    **dict.fromkeys(_WORDS, _word),
    **dict.fromkeys(("SupplementaryGroups", "SystemCallArchitectures"), _list),
    **dict.fromkeys(("IPIngressFilterPath", "IPEgressFilterPath"), _list),
    **dict.fromkeys(("IPAddressAllow", "IPAddressDeny"), _networks),
    "AmbientCapabilities": _capabilities(frozenset()),
    "CapabilityBoundingSet": _capabilities(frozenset(CAPABILITIES)),
    "Delegate": lambda _old, value: "no" if value.lower() in _NO else "yes",
    "DeviceAllow": _device,
    "RestrictAddressFamilies": _families,
    "RestrictNamespaces": _namespaces,
    "UMask": _mask,
}


# --- what one setting makes of others ---------------------------------------------------------------

# A setting that is on -> the capabilities that it takes from the bounding set.
_TAKES: Mapping[str, frozenset[str]] = {
    "PrivateDevices": frozenset({"cap_mknod", "cap_sys_rawio"}),
    "ProtectClock": frozenset({"cap_sys_time", "cap_wake_alarm"}),
    "ProtectKernelLogs": frozenset({"cap_syslog"}),
    "ProtectKernelModules": frozenset({"cap_sys_module"}),
}
# What DynamicUser=yes sets beside itself.
_OF_A_DYNAMIC_USER = (*("NoNewPrivileges", "PrivateTmp", "RemoveIPC", "RestrictSUIDSGID"),)


def _derived(settings: dict[str, str]) -> Settings:
    if is_yes(settings, "DynamicUser"):
        settings |= dict.fromkeys(_OF_A_DYNAMIC_USER, "yes")
        settings["ProtectSystem"] = "strict"
        if settings.get("ProtectHome", "no") == "no":
            settings["ProtectHome"] = "read-only"
    taken = frozenset().union(*(lost for name, lost in _TAKES.items() if is_yes(settings, name)))
    held = capabilities(settings) - taken
    settings["CapabilityBoundingSet"] = " ".join(name for name in CAPABILITIES if name in held)
    if is_yes(settings, "PrivateDevices") and settings.get("DevicePolicy") == "auto":
        settings["DevicePolicy"] = "closed"
    if is_yes(settings, "ProtectClock") and "char-rtc r" not in settings.get("DeviceAllow", "").splitlines():
        settings["DeviceAllow"] = _device(settings.get("DeviceAllow", ""), "char-rtc r")
    if settings.get("Type") in {"notify", "notify-reload"} and settings.get("NotifyAccess") == "none":
        settings["NotifyAccess"] = "main"
    return settings
