"""Selectors: facilities and severities as syslog names and numbers them, and the filters made of them."""

from __future__ import annotations

import re

FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_MARK = len(FACILITIES)  # rsyslog's own marks
_OTHER_FACILITIES = {"security": 4, "mark": _MARK}
_OTHER_SEVERITIES = {"panic": 0, "error": 3, "warn": 4}
_ALL = 0xFF
_NONE = -1  # "none": nothing, or with an exclamation mark everything


def read_selector(text: str) -> tuple[int, ...]:
    """For each facility the bits of the severities that a selector lets through, as rsyslog decodes it.

    Raises:
        ValueError: a facility or severity that does not exist.
    """
    masks = [0] * (_MARK + 1)
    rest = text
    while rest:
        selector = re.match(r"([^.]*)\.([^,;]*)[,;]*", rest)
        if selector is None:
            raise ValueError(f"no severity in {rest!r}")
        _apply(masks, selector[1], selector[2])
        rest = rest[selector.end() :]
    return tuple(masks)


def _apply(masks: list[int], names: str, severity: str) -> None:
    ignored = severity.startswith("!")
    severity = severity.removeprefix("!")
    single = severity.startswith("=")
    level = _severity(severity.removeprefix("="))
    for name in filter(None, names.split(",")):
        for at in range(len(masks)) if name.startswith("*") else (_facility(name),):
            masks[at] = _mask(masks[at], level, single=single, ignored=ignored)


def _mask(mask: int, level: int, *, single: bool, ignored: bool) -> int:
    if level == _NONE:
        return _ALL if ignored else 0
    if level == _ALL:
        return 0 if ignored else _ALL
    bits = 1 << level if single else (1 << (level + 1)) - 1
    return mask & ~bits if ignored else mask | bits


def _severity(name: str) -> int:
    name = name.lower()
    if name in {"*", "none"}:
        return _ALL if name == "*" else _NONE
    if name in SEVERITIES:
        return SEVERITIES.index(name)
    if name in _OTHER_SEVERITIES:
        return _OTHER_SEVERITIES[name]
    if name.isdecimal() and int(name) < len(SEVERITIES):
        return int(name)
    raise ValueError(f"unknown severity {name!r}")


def _facility(name: str) -> int:
    name = name.lower()
    if name in FACILITIES and name not in {"ntp", "alert", "clock"}:
        return FACILITIES.index(name)
    if name in _OTHER_FACILITIES:
        return _OTHER_FACILITIES[name]
    if name.isdecimal() and int(name) >> 3 <= _MARK:  # a number is that of a priority
        return int(name) >> 3
    raise ValueError(f"unknown facility {name!r}")
