"""The hosts that ``tests/recordings/make.py`` recorded: real systems, and a front of RHEL made of Debian."""

from __future__ import annotations

import functools
import gzip
import tempfile
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
    return gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()).decode()


def unpack(name: str, folder: Path) -> Path:
    """A recording as the file that the program reads."""
    path = folder / f"{name}.json"
    path.write_text(text(name), encoding="utf-8")
    return path


@functools.cache
def session(name: str) -> Session:
    """The host, assessed with all questions answered that a person would answer first."""
    with tempfile.TemporaryDirectory() as folder:
        host = RecordedHost(unpack(name, Path(folder)))
    return sitting(Snapshot(host), ANSWERS)
