"""What the boot loader starts, and who may change it: GRUB, and Boot Loader Specification entries."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import nothing
from hardentui.snapshot import File, Folder, Reason, Snapshot, Unread

_GRUB = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_GRUB_USER = "/boot/grub2/user.cfg"
_GRUB_ENV = ("/boot/grub2/grubenv", "/boot/grub/grubenv")
_ENTRIES = ("/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries")
_MENU = re.compile(r"^\s*(?:menuentry|submenu)\s+(?:'([^']*)'|\"([^\"]*)\")")
_KERNEL = re.compile(r"^\s*linux(?:16|efi)?\s+\S+\s*(.*)$")
_RESCUE = re.compile(r"recovery|rescue|secours", re.IGNORECASE)
_SUPERUSERS = re.compile(r"^\s*set\s+superusers=[\"']?\w", re.MULTILINE)
_PASSWORD = re.compile(
    r"^\s*(?:password_pbkdf2\s+\S+\s+grub\.pbkdf2|GRUB2_PASSWORD=grub\.pbkdf2)", re.MULTILINE
)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One kernel that the loader offers: its title, its command line, and where that is written."""

    title: str
    arguments: tuple[str, ...]
    place: str
    line: int


def boot_entries(snapshot: Snapshot) -> tuple[BootEntry, ...] | Gap:
    """The entries that start the system (not those for rescue), or why they are not known."""
    return snapshot.derive(_boot_entries)


def _boot_entries(snapshot: Snapshot) -> tuple[BootEntry, ...] | Gap:
    entries: list[BootEntry] = []
    unread: Gap | None = None
    for path in _GRUB:
        text = snapshot.ask(File(path))
        if isinstance(text, str):
            entries += _of_grub(path, text)
        elif text.reason is not Reason.MISSING:
            unread = unread or text.gap(path)
    for folder in _ENTRIES:
        found = _of_folder(snapshot, folder)
        if isinstance(found, Gap):
            unread = unread or found
        else:
            entries += found
    if unread is not None:
        return unread
    if not entries:
        return Gap(GapKind.UNMODELLED, _("the boot loader (neither GRUB nor loader entries were found)"))
    return tuple(entries)


def _of_grub(path: str, text: str) -> Iterator[BootEntry]:
    title = ""
    for number, line in enumerate(text.splitlines(), 1):
        if menu := _MENU.match(line):
            title = menu[1] or menu[2] or ""
        elif (kernel := _KERNEL.match(line)) and not _RESCUE.search(title):
            yield BootEntry(title, _words(kernel[1]), path, number)


def _of_folder(snapshot: Snapshot, folder: str) -> list[BootEntry] | Gap:
    names = snapshot.ask(Folder(folder))
    if isinstance(names, Unread):
        return [] if names.reason is Reason.MISSING else names.gap(folder)
    variables = _grub_variables(snapshot)
    entries = []
    for name in (entry.name for entry in names if entry.name.endswith(".conf")):
        path = f"{folder}/{name}"
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            return text.gap(path)
        if not _RESCUE.search(name):
            entries.append(_of_file(path, text, variables))
    return entries


def _of_file(path: str, text: str, variables: Mapping[str, str]) -> BootEntry:
    title, line, words = "", 0, ""
    for number, written in enumerate(text.splitlines(), 1):
        key, _space, value = written.strip().partition(" ")
        if key == "title":
            title = value.strip()
        elif key == "options":  # it may stand more than once; the words add up
            line, words = number, f"{words} {value}"
    filled = _VARIABLE.sub(lambda found: variables.get(found[1], ""), words)
    return BootEntry(title, _words(filled), path, line)


def _grub_variables(snapshot: Snapshot) -> Mapping[str, str]:
    variables: dict[str, str] = {}
    for path in _GRUB_ENV:
        text = snapshot.ask(File(path))
        if isinstance(text, str):
            pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
            variables |= {key: value for key, equals, value in pairs if equals}
    return variables


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:  # a quote that does not end: GRUB would not start it either
        return tuple(text.split())


class BootLoader:
    """The resource "boot-loader": whether a password keeps its entries from being edited."""

    name = "boot-loader"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return (
            None
            if subject == "password" and not aspect
            else f"expected password, found {subject!r} {aspect!r}"
        )

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG002
        """See Resource."""
        return Observation(None, (_password(snapshot),), seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:  # noqa: ARG002
        """See Resource."""
        return Refusal(_("a password is chosen and typed by a person"))


def _password(snapshot: Snapshot) -> Reading:
    configured = [(path, snapshot.ask(File(path))) for path in _GRUB]
    texts = {path: text for path, text in configured if isinstance(text, str)}
    for path, text in configured:
        if isinstance(text, Unread) and text.reason is not Reason.MISSING:
            return nothing(text, path)
    if not texts:
        return Reading(gap=Gap(GapKind.UNMODELLED, _("the boot loader (GRUB was not found)")))
    user = snapshot.ask(File(_GRUB_USER))
    if isinstance(user, Unread) and user.reason is not Reason.MISSING:
        return nothing(user, _GRUB_USER)
    everything = "\n".join([*texts.values(), user if isinstance(user, str) else ""])
    is_set = bool(_SUPERUSERS.search(everything) and _PASSWORD.search(everything))
    return Reading({"": "set" if is_set else "not set"}, provenance=tuple(Provenance(path) for path in texts))
