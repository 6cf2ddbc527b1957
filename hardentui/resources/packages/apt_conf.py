"""apt's configuration: nested scopes, lists and comments, as apt.conf(5) describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hardentui.snapshot import File, Folder, Kind, Reason, Snapshot, Unread

FOLDER = "/etc/apt/apt.conf.d"
_LAST = "/etc/apt/apt.conf"
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.conf)?|[A-Za-z0-9_.-]+\.conf")
_TOKEN = re.compile(
    r"""
    (?P<blank>\s+ | //[^\n]* | /\*.*?\*/ | \#(?!clear\b)[^\n]*)
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<mark>[{};])
    | (?P<word>[^\s{};"]+)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and the file that gives it."""

    value: str
    place: str


def read(snapshot: Snapshot) -> Mapping[str, Setting] | tuple[str, Unread]:
    """All settings by lower-case name, the last one of each; or the file that could not be read, and why."""
    names = snapshot.ask(Folder(FOLDER))
    if isinstance(names, Unread) and names.reason is not Reason.MISSING:
        return FOLDER, names
    entries = () if isinstance(names, Unread) else names
    paths = [f"{FOLDER}/{e.name}" for e in entries if e.kind is not Kind.FOLDER and _NAME.fullmatch(e.name)]
    settings: dict[str, Setting] = {}
    for path in (*sorted(paths), _LAST):
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                return path, text
            continue
        if re.search(r"^\s*#include\b", text, re.MULTILINE):
            return path, Unread(Reason.UNSUPPORTED, "#include")
        settings |= {name: Setting(value, path) for name, value in parse(text).items()}
    return settings


def parse(text: str) -> Mapping[str, str]:
    """The single values of a configuration text by lower-case name; the entries of lists are left out."""
    settings: dict[str, str] = {}
    scopes: list[str] = []
    words: list[str] = []
    for token in _TOKEN.finditer(text):
        if token["word"] or token["text"]:
            words.append(token[0])
        elif token["mark"] == "{":
            scopes.append(words[0] if words and not words[0].startswith('"') else "")
            words = []
        elif token["mark"]:
            _take("::".join([*scopes, *words[:1]]), words, settings)
            words = []
            if token["mark"] == "}" and scopes:
                scopes.pop()
    return settings


def _take(name: str, words: list[str], settings: dict[str, str]) -> None:
    key = name.lower()
    if not words:
        return
    if words[0].lower() == "#clear":
        for cleared in words[1:]:
            for known in [
                k for k in settings if k == cleared.lower() or k.startswith(cleared.lower() + "::")
            ]:
                del settings[known]
    elif len(words) > 1 and not words[0].startswith('"') and not key.endswith("::"):
        settings[key] = words[1].strip('"')
