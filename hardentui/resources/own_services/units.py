"""The services that were written on this host, not shipped by a package: their unit files, with drop-ins."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from hardentui.model import Gap
from hardentui.resources import unit_files
from hardentui.resources.configuration import text_of
from hardentui.snapshot import Folder, Kind, Reason, Snapshot, Unread

# Where an administrator puts units; packages put theirs below /usr/lib.
FOLDERS = ("/etc/systemd/system", "/usr/local/lib/systemd/system")
COMMANDS = (
    *("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost"),
    *("ExecReload", "ExecStop", "ExecStopPost"),
)
_OWN = re.compile(r"(?!snap\.).*\.service", re.DOTALL)
# Settings that add up; an empty value begins anew (systemd.unit(5), systemd.exec(5)).
_LISTS = frozenset(
    {
        *COMMANDS,
        "Environment",
        "EnvironmentFile",
        "LoadCredential",
        "LoadCredentialEncrypted",
        "RestrictAddressFamilies",
        "RuntimeDirectory",
        "StateDirectory",
        "SupplementaryGroups",
    }
)


@dataclass(frozen=True, slots=True)
class OwnService:
    """A service unit: its name, its file, and its settings of the section [Service], each as a list."""

    name: str
    path: str
    settings: Mapping[str, tuple[str, ...]]

    def last(self, key: str, default: str = "") -> str:
        """The value of a setting that has one."""
        return self.settings.get(key, (default,))[-1]

    def words(self, key: str) -> tuple[str, ...]:
        """All words of a setting that is a list, without their quotes."""
        return tuple(word for value in self.settings.get(key, ()) for word in _split(value))

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that the unit sets; values that are no absolute path were cut when it was read."""
        pairs = (word.partition("=") for word in self.words("Environment"))
        return {name: value for name, equals, value in pairs if equals}

    @property
    def user(self) -> str:
        """The account that it runs as; "" for one that systemd makes up for it (DynamicUser=)."""
        if self.last("User"):
            return self.last("User")
        return "" if self.makes_its_user else "root"

    @property
    def makes_its_user(self) -> bool:
        """Whether systemd makes its account up when it starts, with the name that it gives or another one."""
        return self.last("DynamicUser") in _TRUE


_TRUE = frozenset({"1", "yes", "y", "true", "t", "on"})


def own_services(snapshot: Snapshot) -> tuple[OwnService, ...] | Gap:
    """All of them, by name; a Gap where a file of one cannot be read."""
    found: dict[str, OwnService] = {}
    for folder in FOLDERS:
        entries = snapshot.ask(Folder(folder))
        if isinstance(entries, Unread):
            if entries.reason is not Reason.MISSING:
                return entries.gap(folder)
            continue
        for entry in entries:
            # A link is an alias or a mask of a unit that stands elsewhere; snapd keeps its own units here.
            if entry.kind is not Kind.FILE or not _OWN.fullmatch(entry.name) or entry.name in found:
                continue
            service = _service(snapshot, entry.name, f"{folder}/{entry.name}")
            if isinstance(service, Gap):
                return service
            if service is not None:
                found[entry.name] = service
    return tuple(found[name] for name in sorted(found))


def _service(snapshot: Snapshot, name: str, path: str) -> OwnService | Gap | None:
    """A unit with its drop-ins; None for an empty file, which masks the name."""
    text = text_of(snapshot, path, may_be_link=False)
    if isinstance(text, Unread):
        return None if text.reason is Reason.MISSING else text.gap(path)
    if not text.strip():
        return None
    dropins = unit_files.dropins(snapshot, name)
    if isinstance(dropins, Gap):
        return dropins
    return OwnService(name, path, settings_of([text, *dropins.values()]))


def settings_of(texts: list[str]) -> Mapping[str, tuple[str, ...]]:
    """The settings of the section [Service] of a unit file and its drop-ins, read one after the other."""
    settings: dict[str, tuple[str, ...]] = {}
    for text in texts:
        for key, value in unit_files.assignments(text, {"[Service]"}):
            if key not in _LISTS:
                settings[key] = (value,)
            elif value:
                settings[key] = (*settings.get(key, ()), value)
            else:
                settings[key] = ()
    return {key: values for key, values in settings.items() if values and values != ("",)}


def _split(value: str) -> list[str]:
    """The words of a value; one with a quote too many is taken as it stands."""
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()
