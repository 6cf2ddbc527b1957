"""The kinds of settings: one module each, and this one registry through which all others know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hardentui.operations import Lines
from hardentui.resources.attestation import Attestation
from hardentui.resources.base import Collector, Resource
from hardentui.resources.crypt import Crypt
from hardentui.resources.hardware import Hardware
from hardentui.resources.mount import MountPoint
from hardentui.resources.path import Path
from hardentui.resources.ports import Ports
from hardentui.resources.search import Searches
from hardentui.resources.sysctl import Sysctl
from hardentui.resources.system import System
from hardentui.resources.tmpfiles import Tmpfiles

_KINDS: tuple[Resource, ...] = (
    Attestation(),
    Crypt(),
    Hardware(),
    MountPoint(),
    Path(),
    Ports(),
    Searches(),
    Sysctl(),
    System(),
    Tmpfiles(),
)
RESOURCES: Mapping[str, Resource] = {resource.name: resource for resource in _KINDS}


_COLLECTORS = tuple(kind for kind in _KINDS if isinstance(kind, Collector))


def collects(path: str) -> bool:
    """Whether ``path`` is a file of ours that gathers the lines of many decisions."""
    return any(kind.collects(path) for kind in _COLLECTORS)


def kept(path: str, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
    """What stays of the ``lines`` of such a file when ``parts`` are written to it.

    Raises:
        ValueError: a line that stays is none that we could write.
    """
    return next((kind.kept(lines, parts) for kind in _COLLECTORS if kind.collects(path)), ())


def check(resource: str, subject: str, aspect: str) -> str | None:
    """What is wrong with a recommendation's resource, subject and aspect, or None."""
    kind = RESOURCES.get(resource)
    if kind is None:
        return f"unknown resource {resource!r}; known: {', '.join(sorted(RESOURCES))}"
    return kind.check(subject, aspect)
