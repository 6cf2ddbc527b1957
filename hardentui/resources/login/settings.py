"""Files of settings, one on each line: login.defs, and those of libpwquality and pam_faillock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hardentui.snapshot import File, Reason, Snapshot, Unread

LOGIN_DEFS = "/etc/login.defs"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, its value ("" for a bare word), and where it stands."""

    name: str
    value: str
    file: str
    line: int
    text: str


def read_settings(snapshot: Snapshot, path: str, separator: str = "=") -> tuple[Setting, ...] | Unread:
    """The settings of a file, in order; the separator is "=", or " " for blanks as in login.defs."""
    text = snapshot.ask(File(path))
    return text if isinstance(text, Unread) else tuple(_settings(text, path, separator))


def _settings(text: str, path: str, separator: str) -> Iterable[Setting]:
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        name, _between, value = words.partition(separator) if separator != " " else _at_blank(words)
        yield Setting(name.strip(), value.strip().strip('"'), path, number, line)


def _at_blank(words: str) -> tuple[str, str, str]:
    name, *rest = re.split(r"\s+", words, maxsplit=1)
    return name, " ", rest[0] if rest else ""


def last(settings: Iterable[Setting], name: str) -> Setting | None:
    """The setting that counts where one stands several times: the last."""
    return next((s for s in reversed(tuple(settings)) if s.name == name), None)


def stands_twice(settings: Iterable[Setting], setting: Setting) -> bool:
    """Whether the very line of a setting stands again: then no edit can name it."""
    return sum(other.text == setting.text for other in settings) > 1


def login_setting(snapshot: Snapshot, name: str) -> str | Unread:
    """The value of a setting of login.defs; Unread MISSING where it is not set."""
    settings = read_settings(snapshot, LOGIN_DEFS, " ")
    if isinstance(settings, Unread):
        return settings
    found = last(settings, name)
    return found.value if found else Unread(Reason.MISSING, name)
