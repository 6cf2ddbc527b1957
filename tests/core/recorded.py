"""The hosts that ``tests/recordings/make.py`` recorded: real systems, and a front of RHEL made of Debian."""

from __future__ import annotations

import functools
import gzip
from pathlib import Path

from hardentui.host.recording import RecordedHost
from hardentui.session import Session
from hardentui.snapshot import Snapshot

from .sittings import sitting

FOLDER = Path(__file__).parents[1] / "recordings"
DEBIAN = ("debian12", "debian13", "ubuntu2404", "ubuntu2604")
FACADE = "rhel9-facade"  # no RHEL: a Debian 12 in RHEL's files and names
HOSTS = (*DEBIAN, FACADE)

# A server that routes nothing, whose people come with keys.
ANSWERS = {"ipv6": "static", "routing": "no", "role": "server", "hypervisor": "no", "ssh-keys": "keys"}


def text(name: str) -> str:
    """A recording as JSON."""
    return gzip.decompress(path(name).read_bytes()).decode()


def path(name: str) -> Path:
    """The file of a recording, as the program reads it."""
    return FOLDER / f"{name}.json.gz"


@functools.cache
def session(name: str) -> Session:
    """The host, assessed with all questions answered that a person would answer first."""
    return sitting(Snapshot(RecordedHost(path(name))), ANSWERS)
