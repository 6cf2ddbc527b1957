"""The package managers of this host: what is installed, and what they would update. Nothing is written.

Only questions that write nothing are asked: apt's simulation is run without its caches; dnf keeps a log
and a cache even for a question, so it is never run.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hardentui.i18n import N_
from hardentui.snapshot import Package, Reason, Unread, Update

DPKG = "/var/lib/dpkg/status"
RPM = ("rpm", "-qa", "--queryformat", r"%{NAME}\t%{VERSION}-%{RELEASE}\n")
SIMULATION = (
    "apt-get",
    "-s",
    "-q",
    # As root apt would build these two files in /var/cache/apt.
    "-o",
    "Dir::Cache::pkgcache=",
    "-o",
    "Dir::Cache::srcpkgcache=",
    "-o",
    "Debug::NoLocking=1",
    "dist-upgrade",
)
_FIELD = re.compile(r"^(Package|Status|Version): (.+)$", re.MULTILINE)
# apt's own line: Inst NAME [INSTALLED] (CANDIDATE ORIGIN, ORIGIN [ARCH])
_INST = re.compile(r"^Inst (\S+)(?: \[([^\]]*)\])? \((\S+) (.*?)(?: \[[^\]]*\])?\)", re.MULTILINE)
_SECURITY = re.compile(r"Debian-Security|-security\b", re.IGNORECASE)

Run = Callable[[tuple[str, ...]], str | Unread]


def installed(read: Callable[[str], str | Unread], run: Run | None) -> tuple[Package, ...] | Unread:
    """The installed packages, by dpkg's own status file or by rpm; ``run`` is None on an image."""
    text = read(DPKG)
    if not isinstance(text, Unread):
        return parse_dpkg(text)
    if text.reason is not Reason.MISSING:
        return text
    if run is None:
        return Unread(Reason.UNSUPPORTED, DPKG)
    listed = run(RPM)
    return listed if isinstance(listed, Unread) else parse_rpm(listed)


def parse_dpkg(text: str) -> tuple[Package, ...]:
    """The packages that a dpkg status file says are installed."""
    found = []
    for paragraph in text.split("\n\n"):
        fields = dict(_FIELD.findall(paragraph))
        if fields.get("Status", "").endswith(" installed"):
            found.append(Package(fields.get("Package", ""), fields.get("Version", "")))
    return tuple(found)


def parse_rpm(text: str) -> tuple[Package, ...]:
    """The packages of rpm's list; the keys that it keeps as packages are none."""
    pairs = (line.partition("\t") for line in text.splitlines())
    return tuple(Package(name, version) for name, tab, version in pairs if tab and name != "gpg-pubkey")


def updates(run: Run) -> tuple[Update, ...] | Unread:
    """What apt would update or newly install for it, from the lists that it has now."""
    text = run(SIMULATION)
    if isinstance(text, Unread):
        if text.reason is Reason.UNSUPPORTED:
            return Unread(Reason.UNSUPPORTED, N_("dnf writes a log and a cache when it is asked"))
        return text
    return parse_simulation(text)


def parse_simulation(text: str) -> tuple[Update, ...]:
    """The updates in the output of apt-get -s."""
    return tuple(
        Update(name, old, new, security=bool(_SECURITY.search(origin)))
        for name, old, new, origin in _INST.findall(text)
    )
